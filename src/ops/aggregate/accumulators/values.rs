//! `nunique`, `mode`, `median`, `quantile`: all values of every group, or all distinct ones.
//!
//! 1. Values, as integers that order alike, go to the end of one log beside their groups: nothing is looked up.
//! 2. A full log becomes a run: by group, narrow, decimals as integers, distinct where that is enough.
//! 3. A later accumulator's runs are taken over as they are, under other group numbers.
//! 4. At the end the values of one group after another are gathered from all runs; a quantile is selected, not sorted for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringViewBuilder};

use super::runs::{Index, Log, Run, RunBuilder};
use super::{Accumulator, input, no_output, nulls, same, vec_bytes_to};
use crate::error::{Error, Result};
use crate::expr::{AggKind, BoundAgg, Interpolation, Type};
use crate::ops::OUTPUT_ROWS;
use crate::ops::groups::RowGroups;
use crate::ops::key::{as_ints, from_ints, int_to_float};

pub(super) struct Values {
    /// Equal values of a group are kept once.
    distinct: bool,
    kind: Type,
    /// Texts are held once, and their numbers are the values.
    texts: Option<RowGroups>,
    groups: usize,
    log: Log,
    runs: Vec<Run>,
    /// The values in runs, and how many there were when these were last made distinct.
    len: usize,
    distinct_len: usize,
    /// Made when the first group is gathered.
    index: OnceLock<Index>,
    scratch: Vec<i64>,
}

/// Rows after which a log becomes a run: its values by group are still in the cache.
const LOG_ROWS: usize = 1 << 19;

impl Values {
    pub(super) fn new(distinct: bool, kind: Type) -> Values {
        Values {
            distinct,
            kind,
            texts: (kind == Type::Text).then(RowGroups::new),
            groups: 0,
            log: Log::default(),
            runs: vec![],
            len: 0,
            distinct_len: 0,
            index: OnceLock::new(),
            scratch: vec![],
        }
    }

    /// A log's room: with many groups longer, for what is done for every group to be little for every row.
    fn log_rows(&self) -> usize {
        LOG_ROWS.max(self.groups)
    }

    /// The log becomes a run.
    fn end_run(&mut self) {
        if self.log.len() > 0 {
            let run = self.log.take_run(self.groups, self.distinct, self.kind);
            self.add_run(run);
        }
    }

    fn add_run(&mut self, run: Run) {
        self.len += run.len();
        self.runs.push(run);
    }

    /// Whether runs hold so many values that may be equal that it pays to look.
    fn is_repetitive(&self, more: usize) -> bool {
        self.distinct && self.len + more > 2 * self.distinct_len + 4 * LOG_ROWS && self.len + more < u32::MAX as usize
    }

    /// Brings all runs together in one, each value once.
    fn make_distinct(&mut self) {
        let index = Index::new(&self.runs, self.groups);
        let mut builder = RunBuilder::default();
        for group in 0..self.groups as u32 {
            index.gather(&self.runs, group, &mut self.scratch);
            self.scratch.sort_unstable();
            builder.push_distinct(group, &self.scratch);
        }
        let run = builder.build(self.kind);
        self.len = run.len();
        self.distinct_len = run.len();
        self.runs = vec![run];
    }

    /// Calls `f` with the values of each of these groups, in no order.
    fn map_groups<T>(&self, ids: &[u32], f: impl Fn(&mut [i64]) -> T) -> Vec<T> {
        let index = self.index.get_or_init(|| Index::new(&self.runs, self.groups));
        let mut values = Vec::new();
        let map = |id: &u32| {
            index.gather(&self.runs, *id, &mut values);
            f(&mut values)
        };
        ids.iter().map(map).collect()
    }

    /// The most frequent value of every group.
    fn modes(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        if let Some(texts) = &self.texts {
            let mode = |values: &mut [i64]| {
                let mut counts: HashMap<i64, usize> = HashMap::new();
                values.iter().for_each(|text| *counts.entry(*text).or_default() += 1);
                let best = counts
                    .into_iter()
                    .max_by(|a, b| a.1.cmp(&b.1).then_with(|| texts.row(b.0 as u32).cmp(texts.row(a.0 as u32))));
                best.map(|(text, _)| text as u32)
            };
            return self.text_column(&self.map_groups(ids, mode));
        }
        from_ints(input_kind(agg)?, self.map_groups(ids, most_frequent).into_iter())
    }

    fn text_column(&self, texts: &[Option<u32>]) -> Result<ArrayRef> {
        let mut column = StringViewBuilder::with_capacity(texts.len());
        for text in texts {
            match (text, &self.texts) {
                (Some(text), Some(all)) => {
                    let text = std::str::from_utf8(all.row(*text));
                    column.append_value(text.map_err(|_| Error::internal("a text that is none"))?);
                }
                _ => column.append_null(),
            }
        }
        Ok(Arc::new(column.finish()))
    }
}

/// The column of quantiles, of values of this type: each by the two values around it, and how far it is from the first to the
/// second.
pub(in crate::ops::aggregate) fn quantile_column(
    kind: Type,
    around: impl Iterator<Item = Option<(i64, i64, f64)>>,
) -> Result<ArrayRef> {
    let float = match kind {
        Type::Int64 => |v: i64| v as f64,
        Type::Float64 => int_to_float,
        kind => return from_ints(kind, around.map(|around| around.map(|(low, _, _)| low))),
    };
    let value = |(a, b, share)| between(float(a), float(b), share);
    Ok(Arc::new(around.map(|around| around.map(value)).collect::<Float64Array>()))
}

/// So many rows, a bounded number at a time.
fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(OUTPUT_ROWS).map(move |start| start..rows.min(start + OUTPUT_ROWS))
}

pub(in crate::ops::aggregate) fn input_kind(agg: &BoundAgg) -> Result<Type> {
    agg.inputs.first().map(|input| input.bound.kind()).ok_or_else(|| no_output(agg))
}

/// The two values between which a quantile lies, and how far it is from the first to the second; these are one value where it
/// falls on one, or is to. None of no values.
fn around(values: &mut [i64], p: f64, how: Interpolation) -> Option<(i64, i64, f64)> {
    let (below, share) = rank(values.len(), p, how)?;
    let (_, low, above) = values.select_nth_unstable(below);
    let low = *low;
    let high = if share > 0.0 { above.iter().copied().min().unwrap_or(low) } else { low };
    Some((low, high, share))
}

/// The place, in order, of the value at or below a quantile of so many, and how far the quantile is from it to the next one.
/// None of no values.
pub(in crate::ops::aggregate) fn rank(values: usize, p: f64, how: Interpolation) -> Option<(usize, f64)> {
    let last = values.checked_sub(1)?;
    let rank = last as f64 * p;
    let (below, share) = match how {
        Interpolation::Higher => (rank.ceil(), 0.0),
        // As numpy rounds: half way to the even rank.
        Interpolation::Nearest => (rank.round_ties_even(), 0.0),
        Interpolation::Lower => (rank.floor(), 0.0),
        Interpolation::Midpoint => (rank.floor(), if rank.fract() > 0.0 { 0.5 } else { 0.0 }),
        Interpolation::Linear => (rank.floor(), rank.fract()),
    };
    Some(((below as usize).min(last), share))
}

/// The point that far from `a` to `b`.
fn between(a: f64, b: f64, share: f64) -> f64 {
    let distance = b - a;
    if a == b {
        // Infinity, too.
        a
    } else if distance.is_infinite() && a.is_finite() && b.is_finite() {
        a * (1.0 - share) + b * share
    } else {
        a + distance * share
    }
}

/// The least of the values that occur most often.
fn most_frequent(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    let mut best: Option<(usize, i64)> = None;
    for equal in values.chunk_by(|a, b| a == b) {
        if best.is_none_or(|(count, _)| equal.len() > count) {
            best = Some((equal.len(), equal[0]));
        }
    }
    best.map(|(_, value)| value)
}

impl Accumulator for Values {
    fn resize(&mut self, groups: usize) {
        self.groups = groups;
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let array = input(inputs)?;
        let nulls = nulls(array);
        if let Some(texts) = &mut self.texts {
            for (id, text) in ids.iter().zip(array.as_string_view()) {
                if let Some(text) = text {
                    self.log.push(*id, texts.id_of(text.as_bytes()).into());
                }
            }
        } else {
            let values = as_ints(array, &mut self.scratch)?;
            match nulls {
                None => self.log.extend(ids, values),
                Some(nulls) => {
                    nulls
                        .valid_slices()
                        .for_each(|(start, end)| self.log.extend(&ids[start..end], &values[start..end]));
                }
            }
        }
        if self.log.len() >= self.log_rows() {
            self.end_run();
            if self.is_repetitive(0) {
                self.make_distinct();
            }
        }
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        let later = same::<Self>(later)?;
        if self.log.len() + later.log.len() > 0 {
            return Err(Error::internal("values are merged that are not sealed"));
        }
        let texts = match (&mut self.texts, &later.texts) {
            (Some(texts), Some(later)) => Some(texts.absorb(later)),
            _ => None,
        };
        for mut run in later.runs {
            run.map_groups(ids);
            if let Some(texts) = &texts {
                run.map_values(|text| texts[text as usize].into());
            }
            self.add_run(run);
        }
        if self.is_repetitive(0) {
            self.make_distinct();
        }
        Ok(())
    }

    fn partials(&self, _: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![])
    }

    fn take_in(&mut self, _: &[u32], _: &[ArrayRef], _: i64) -> Result<()> {
        Ok(())
    }

    fn held_values(&self, each: &mut dyn FnMut(&[u32], ArrayRef) -> Result<()>) -> Result<()> {
        let mut give = |(groups, values): (Vec<u32>, Vec<i64>)| {
            let column = if self.texts.is_some() {
                let texts: Vec<Option<u32>> = values.into_iter().map(|text| Some(text as u32)).collect();
                self.text_column(&texts)?
            } else {
                from_ints(self.kind, values.into_iter().map(Some))?
            };
            each(&groups, column)
        };
        self.runs.iter().try_for_each(|run| chunks(run.len()).try_for_each(|rows| give(run.rows(rows))))?;
        chunks(self.log.len()).try_for_each(|rows| give(self.log.rows(rows)))
    }

    fn held(&self) -> usize {
        self.len + self.log.len()
    }

    fn seal(&mut self) -> Result<()> {
        self.end_run();
        self.log = Log::default();
        self.scratch = vec![];
        Ok(())
    }

    fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        match agg.kind {
            AggKind::NUnique => {
                let count = |values: &mut [i64]| {
                    values.sort_unstable();
                    values.chunk_by(|a, b| a == b).count() as i64
                };
                Ok(Arc::new(Int64Array::from(self.map_groups(ids, count))))
            }
            AggKind::Mode => self.modes(agg, ids),
            AggKind::Quantile { p, interpolation } => {
                let around = self.map_groups(ids, |values| around(values, p, interpolation));
                quantile_column(input_kind(agg)?, around.into_iter())
            }
            _ => Err(no_output(agg)),
        }
    }

    fn bytes(&self) -> usize {
        let runs: usize = self.runs.iter().map(Run::bytes).sum();
        let texts = self.texts.as_ref().map_or(0, RowGroups::bytes);
        runs + self.runs.capacity() * size_of::<Run>() + self.log.bytes_with(0) + texts + vec_bytes_to(&self.scratch, 0)
    }

    fn bytes_with(&self, groups: usize, rows: usize, text: usize) -> usize {
        let log = self.log.bytes_with(rows) - self.log.bytes_with(0);
        let texts = self.texts.as_ref().map_or(0, |texts| texts.bytes_with(rows, text) - texts.bytes());
        let run = if self.log.len() + rows >= self.log_rows() { self.run_bytes(groups, rows) } else { 0 };
        let distinct = if self.is_repetitive(self.log.len() + rows) { self.distinct_bytes(groups, rows) } else { 0 };
        self.bytes() + log + texts + run.max(distinct) + rows * 8
    }

    fn text_bytes(&self) -> usize {
        self.texts.as_ref().map_or(0, RowGroups::key_bytes)
    }

    fn moved_bytes(&self) -> usize {
        // Texts get other numbers, which may be wider.
        if self.texts.is_some() { self.runs.iter().map(|run| run.bytes() + 8 * run.len()).sum() } else { self.bytes() }
    }

    fn seal_bytes(&self) -> usize {
        self.run_bytes(self.groups, 0)
    }

    fn finish_bytes(&self) -> usize {
        // Twice the largest group: what is gathered may have grown by doubling.
        Index::bytes_for(&self.runs, self.groups) + 16 * Index::largest(&self.runs, self.groups)
    }
}

impl Values {
    /// What a log takes that becomes a run, beside itself: the places of the groups, the values by group as they are, as floats,
    /// as decimals and narrow, and the slices.
    fn run_bytes(&self, groups: usize, rows: usize) -> usize {
        match self.log.len() + rows {
            0 => 0,
            len => 4 * groups + 32 * len,
        }
    }

    /// What runs take that are brought together, beside themselves.
    fn distinct_bytes(&self, groups: usize, rows: usize) -> usize {
        Index::bytes_for(&self.runs, groups) + 32 * (self.len + self.log.len() + rows)
    }
}
