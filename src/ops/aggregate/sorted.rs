//! `nunique`, `mode`, `median`, `quantile` of more values than memory holds: read once in order to count them, and once more.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewBuilder};

use super::accumulators::{input_kind, quantile_column, rank};
use super::buckets::taken;
use crate::error::{Error, Result};
use crate::expr::{AggKind, BoundAgg, Type};
use crate::ops::Batches;
use crate::ops::groups::Groups;
use crate::ops::key::{as_ints, from_ints};

/// The results of aggregates of one column, for every group.
pub(super) struct SortedValues {
    results: HashMap<String, ArrayRef>,
}

/// The two values around a quantile, as far as they came.
#[derive(Clone, Copy, Default)]
struct Around {
    low: i64,
    high: i64,
}

/// The value that came most often so far, and the one that comes now.
#[derive(Clone, Default)]
struct Mode<V> {
    best: Option<V>,
    best_count: u64,
    now: Option<V>,
    count: u64,
}

/// What is worked out of one aggregate.
enum Work {
    Distinct(Vec<i64>),
    Quantile(Vec<Around>),
    IntMode(Vec<Mode<i64>>),
    TextMode(Vec<Mode<String>>),
}

impl SortedValues {
    /// Of rows of keys and a value, sorted by these; all keys are groups.
    pub(super) fn new<'a>(
        aggs: impl Iterator<Item = &'a BoundAgg>,
        rows: &Batches,
        groups: &mut Groups,
        keys: usize,
    ) -> Result<SortedValues> {
        let aggs: Vec<&BoundAgg> = aggs.collect();
        let count = groups.len();
        let (mut counts, mut ids) = (vec![0u64; count], Vec::new());
        for batch in rows.range(0..rows.num_rows()) {
            let batch = batch?;
            groups.assign(&batch.columns()[..keys], batch.num_rows(), &mut ids, &mut |_| Ok(()))?;
            ids.iter().for_each(|id| counts[*id as usize] += 1);
        }
        let mut works = aggs.iter().map(|agg| Work::new(agg, count)).collect::<Result<Vec<_>>>()?;
        // How many values of each group came.
        let mut seen = vec![0u64; count];
        let (mut scratch, mut last) = (Vec::new(), None::<(u32, Value)>);
        for batch in rows.range(0..rows.num_rows()) {
            let batch = batch?;
            groups.assign(&batch.columns()[..keys], batch.num_rows(), &mut ids, &mut |_| Ok(()))?;
            let column = batch.column(keys);
            if let Some(texts) = column.as_string_view_opt() {
                for (id, text) in ids.iter().zip(texts.iter().flatten()) {
                    let is_new = !matches!(&last, Some((i, Value::Text(t))) if i == id && t == text);
                    if is_new {
                        last = Some((*id, Value::Text(text.to_owned())));
                    }
                    works.iter_mut().for_each(|work| work.add_text(*id as usize, text, is_new));
                }
                continue;
            }
            for (id, value) in ids.iter().zip(as_ints(column, &mut scratch)?) {
                let is_new = !matches!(&last, Some((i, Value::Int(v))) if i == id && v == value);
                if is_new {
                    last = Some((*id, Value::Int(*value)));
                }
                let id = *id as usize;
                for (work, agg) in works.iter_mut().zip(&aggs) {
                    work.add_int(agg, id, *value, is_new, seen[id], counts[id]);
                }
                seen[id] += 1;
            }
        }
        let mut results = HashMap::new();
        for (agg, work) in aggs.into_iter().zip(works) {
            results.insert(agg.name.clone(), work.column(agg, &counts)?);
        }
        Ok(SortedValues { results })
    }

    /// The results of these groups.
    pub(super) fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let column = self.results.get(&agg.name).ok_or_else(|| Error::internal(format!("{agg} was not worked out")))?;
        taken(column, ids)
    }
}

/// The value of the row before.
enum Value {
    Int(i64),
    Text(String),
}

impl Work {
    fn new(agg: &BoundAgg, groups: usize) -> Result<Work> {
        Ok(match (&agg.kind, input_kind(agg)?) {
            (AggKind::NUnique, _) => Work::Distinct(vec![0; groups]),
            (AggKind::Quantile { .. }, _) => Work::Quantile(vec![Around::default(); groups]),
            (AggKind::Mode, Type::Text) => {
                Work::TextMode(vec![Mode { best: None, best_count: 0, now: None, count: 0 }; groups])
            }
            (AggKind::Mode, _) => Work::IntMode(vec![Mode::default(); groups]),
            _ => return Err(Error::internal(format!("{agg} of sorted values"))),
        })
    }

    /// The next value, of a group that had `seen` of its `count` values before.
    fn add_int(&mut self, agg: &BoundAgg, group: usize, value: i64, is_new: bool, seen: u64, count: u64) {
        match (self, &agg.kind) {
            (Work::Distinct(counts), _) => counts[group] += i64::from(is_new),
            (Work::IntMode(modes), _) => modes[group].add(|| value, is_new),
            (Work::Quantile(around), AggKind::Quantile { p, interpolation }) => {
                let Some((below, share)) = rank(count as usize, *p, *interpolation) else { return };
                let (seen, around) = (seen as usize, &mut around[group]);
                if seen == below {
                    (around.low, around.high) = (value, value);
                } else if share > 0.0 && seen == below + 1 {
                    around.high = value;
                }
            }
            _ => {}
        }
    }

    fn add_text(&mut self, group: usize, text: &str, is_new: bool) {
        match self {
            Work::Distinct(counts) => counts[group] += i64::from(is_new),
            Work::TextMode(modes) => modes[group].add(|| text.to_owned(), is_new),
            _ => {}
        }
    }

    fn column(self, agg: &BoundAgg, counts: &[u64]) -> Result<ArrayRef> {
        Ok(match (self, &agg.kind) {
            (Work::Distinct(counts), _) => Arc::new(Int64Array::from(counts)),
            (Work::Quantile(around), AggKind::Quantile { p, interpolation }) => {
                let around = around.into_iter().zip(counts).map(|(around, count)| {
                    let (_, share) = rank(*count as usize, *p, *interpolation)?;
                    Some((around.low, around.high, share))
                });
                quantile_column(input_kind(agg)?, around)?
            }
            (Work::IntMode(modes), _) => from_ints(input_kind(agg)?, modes.into_iter().map(Mode::most))?,
            (Work::TextMode(modes), _) => {
                let mut column = StringViewBuilder::with_capacity(modes.len());
                modes.into_iter().for_each(|mode| column.append_option(mode.most()));
                Arc::new(column.finish())
            }
            _ => return Err(Error::internal(format!("{agg} of sorted values"))),
        })
    }
}

impl<V> Mode<V> {
    fn add(&mut self, value: impl FnOnce() -> V, is_new: bool) {
        if is_new {
            self.end();
            self.now = Some(value());
        }
        self.count += 1;
    }

    /// Values come in order: of those as frequent, the first is the least.
    fn end(&mut self) {
        if self.count > self.best_count {
            (self.best, self.best_count) = (self.now.take(), self.count);
        }
        self.count = 0;
    }

    fn most(mut self) -> Option<V> {
        self.end();
        self.best
    }
}
