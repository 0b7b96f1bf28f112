//! What is kept of every group: columns of partial results, updated by group ids and values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringViewArray, StringViewBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Float64Type;

use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggKind, BoundAgg, Type};
use crate::ops::key::{as_ints, from_ints, kind_of};
use crate::ops::vec_bytes_with;

/// The partial results of one aggregate, one for every group.
pub(super) struct Accumulator {
    kept: Kept,
    kind: AggKind,
    /// Of the values that come in.
    input: Type,
    /// What errors call it.
    text: String,
    scratch: Vec<i64>,
}

enum Kept {
    Counts(Vec<i64>),
    Ints(Vec<Total<i128>>),
    Floats(Vec<Total<f64>>),
    /// The least, or greatest, as an integer that orders as the values do.
    Extremes(Vec<Option<i64>>),
    Texts(Texts),
}

/// A sum, and of how many values.
#[derive(Clone, Copy, Default)]
struct Total<T> {
    sum: T,
    count: i64,
}

/// The least, or greatest, text.
#[derive(Default)]
struct Texts {
    best: Vec<Option<String>>,
    /// The bytes that the strings have allocated.
    bytes: usize,
}

impl Accumulator {
    pub(super) fn new(agg: &BoundAgg) -> Result<Accumulator> {
        let (input, text) = match &agg.input {
            Some(input) => (kind_of(&input.data_type())?, format!("{}({input})", agg.kind.name())),
            None => (Type::Int64, agg.kind.name().to_owned()),
        };
        let kept = match (agg.kind, input) {
            (AggKind::Count | AggKind::Size, _) => Kept::Counts(vec![]),
            (AggKind::Sum { .. } | AggKind::Mean, Type::Int64 | Type::Bool) => Kept::Ints(vec![]),
            (AggKind::Sum { .. } | AggKind::Mean, Type::Float64) => Kept::Floats(vec![]),
            (AggKind::Min | AggKind::Max, Type::Text) => Kept::Texts(Texts::default()),
            (AggKind::Min | AggKind::Max, _) => Kept::Extremes(vec![]),
            (kind, input) => return Err(Error::internal(format!("{} of {input}", kind.name()))),
        };
        Ok(Accumulator { kept, kind: agg.kind, input, text, scratch: vec![] })
    }

    /// Takes in the values of rows whose groups are `ids`, all below `groups`. `size` has no values.
    pub(super) fn update(&mut self, ids: &[u32], groups: usize, values: Option<&ArrayRef>) -> Result<()> {
        self.resize(groups);
        let Some(array) = values else {
            if let Kept::Counts(counts) = &mut self.kept {
                count(counts, ids, None);
            }
            return Ok(());
        };
        let nulls = array.nulls().filter(|n| n.null_count() > 0);
        let is_max = self.kind == AggKind::Max;
        match &mut self.kept {
            Kept::Counts(counts) => count(counts, ids, nulls),
            Kept::Ints(totals) => {
                add_all(totals, ids, as_ints(array, &mut self.scratch)?, nulls, |sum, v| sum + i128::from(v))
            }
            Kept::Floats(totals) => {
                add_all(totals, ids, array.as_primitive::<Float64Type>().values(), nulls, |sum: f64, v: f64| sum + v);
            }
            Kept::Extremes(best) => {
                let values = as_ints(array, &mut self.scratch)?;
                if is_max {
                    keep_all(best, ids, values, nulls, |new, old| new > old);
                } else {
                    keep_all(best, ids, values, nulls, |new, old| new < old);
                }
            }
            Kept::Texts(texts) => texts.update(ids, array.as_string_view(), is_max),
        }
        Ok(())
    }

    /// Takes in a later state of the same aggregate: group `i` there is group `ids[i]` here.
    pub(super) fn merge(&mut self, ids: &[u32], groups: usize, later: Accumulator) -> Result<()> {
        self.resize(groups);
        let is_max = self.kind == AggKind::Max;
        match (&mut self.kept, later.kept) {
            (Kept::Counts(a), Kept::Counts(b)) => ids.iter().zip(b).for_each(|(id, n)| a[*id as usize] += n),
            (Kept::Ints(a), Kept::Ints(b)) => merge_totals(a, ids, b, |x, y| x + y),
            (Kept::Floats(a), Kept::Floats(b)) => merge_totals(a, ids, b, |x, y| x + y),
            (Kept::Extremes(a), Kept::Extremes(b)) => {
                for (id, new) in ids.iter().zip(b) {
                    let old = &mut a[*id as usize];
                    if new.is_some() && (old.is_none() || (if is_max { new > *old } else { new < *old })) {
                        *old = new;
                    }
                }
            }
            (Kept::Texts(a), Kept::Texts(b)) => {
                for (id, new) in ids.iter().zip(b.best) {
                    if let Some(new) = new {
                        a.keep(*id, &new, is_max);
                    }
                }
            }
            _ => return Err(Error::internal("states of different aggregates are merged")),
        }
        Ok(())
    }

    /// The results of these groups.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] for a sum of integers beyond 64 bits.
    pub(super) fn finish(&self, ids: &[u32]) -> Result<ArrayRef> {
        let groups = ids.iter().map(|id| *id as usize);
        Ok(match (&self.kept, self.kind) {
            (Kept::Counts(counts), _) => Arc::new(groups.map(|g| Some(counts[g])).collect::<Int64Array>()),
            (Kept::Ints(totals), AggKind::Sum { min_count }) => {
                let sum = |g: usize| match totals[g] {
                    Total { count, .. } if (count as usize) < min_count => Ok(None),
                    Total { sum, .. } => i64::try_from(sum).map(Some).map_err(|_| self.overflow(sum)),
                };
                Arc::new(groups.map(sum).collect::<Result<Int64Array>>()?)
            }
            (Kept::Floats(totals), AggKind::Sum { min_count }) => {
                let sum = |g: usize| (totals[g].count as usize >= min_count).then_some(totals[g].sum);
                Arc::new(groups.map(sum).collect::<Float64Array>())
            }
            (Kept::Ints(totals), _) => Arc::new(groups.map(|g| totals[g].mean(|s| s as f64)).collect::<Float64Array>()),
            (Kept::Floats(totals), _) => Arc::new(groups.map(|g| totals[g].mean(|s| s)).collect::<Float64Array>()),
            (Kept::Extremes(best), _) => from_ints(self.input, groups.map(|g| best[g]))?,
            (Kept::Texts(texts), _) => {
                let mut column = StringViewBuilder::with_capacity(ids.len());
                groups.for_each(|g| column.append_option(texts.best[g].as_deref()));
                Arc::new(column.finish())
            }
        })
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.bytes_with(0, None)
    }

    /// The most that will be allocated while groups are added and these values come in.
    pub(super) fn bytes_with(&self, more: usize, values: Option<&ArrayRef>) -> usize {
        let kept = match &self.kept {
            Kept::Counts(v) => vec_bytes_with(v, more),
            Kept::Ints(v) => vec_bytes_with(v, more),
            Kept::Floats(v) => vec_bytes_with(v, more),
            Kept::Extremes(v) => vec_bytes_with(v, more),
            Kept::Texts(v) => {
                let text = values.and_then(|v| v.as_string_view_opt()).map_or(0, StringViewArray::total_bytes_len);
                vec_bytes_with(&v.best, more) + v.bytes + text
            }
        };
        kept + self.scratch.capacity() * size_of::<i64>()
    }

    fn resize(&mut self, groups: usize) {
        match &mut self.kept {
            Kept::Counts(v) => v.resize(groups, 0),
            Kept::Ints(v) => v.resize(groups, Total::default()),
            Kept::Floats(v) => v.resize(groups, Total::default()),
            Kept::Extremes(v) => v.resize(groups, None),
            Kept::Texts(v) => v.best.resize(groups, None),
        }
    }

    fn overflow(&self, sum: i128) -> Error {
        Error::new(ErrorKind::Overflow, format!("{} is {sum} in one group, beyond 64 bits", self.text))
            .help("sum floats instead, as in (col(\"v\") * 1.0).sum()")
    }
}

impl<T: Copy> Total<T> {
    fn mean(self, float: impl Fn(T) -> f64) -> Option<f64> {
        (self.count > 0).then(|| float(self.sum) / self.count as f64)
    }
}

/// Rows are taken in chunks as long as a word of the null bitmap.
const CHUNK: usize = 64;

/// Whether all rows of a chunk are of one group. Input is often sorted by its key, and to add to the same place in
/// memory again and again is slow: every addition waits for the store before it.
#[inline]
fn one_group(ids: &[u32]) -> Option<usize> {
    let (first, last) = (*ids.first()?, *ids.last()?);
    let same = first == last && ids.iter().fold(0, |different, id| different | (id ^ first)) == 0;
    same.then_some(first as usize)
}

fn count(counts: &mut [i64], ids: &[u32], nulls: Option<&NullBuffer>) {
    let bits = nulls.map(|n| n.inner().bit_chunks());
    let mut words = bits.as_ref().map(|bits| bits.iter_padded());
    for ids in ids.chunks(CHUNK) {
        let valid = words.as_mut().map_or(u64::MAX, |w| w.next().unwrap_or(0));
        match one_group(ids) {
            Some(group) => counts[group] += i64::from((valid & first_bits(ids.len())).count_ones()),
            None => {
                for (row, id) in ids.iter().enumerate() {
                    counts[*id as usize] += (valid >> row & 1) as i64;
                }
            }
        }
    }
}

fn first_bits(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

fn add_all<T: Copy, V: Copy + Default>(
    totals: &mut [Total<T>],
    ids: &[u32],
    values: &[V],
    nulls: Option<&NullBuffer>,
    add: impl Fn(T, V) -> T,
) {
    let bits = nulls.map(|n| n.inner().bit_chunks());
    let mut words = bits.as_ref().map(|bits| bits.iter_padded());
    for (ids, values) in ids.chunks(CHUNK).zip(values.chunks(CHUNK)) {
        let all = first_bits(ids.len());
        let valid = words.as_mut().map_or(all, |w| w.next().unwrap_or(0) & all);
        match one_group(ids) {
            Some(group) => {
                let mut sum = totals[group].sum;
                if valid == all {
                    values.iter().for_each(|v| sum = add(sum, *v));
                } else {
                    values.iter().enumerate().for_each(|(row, v)| sum = add(sum, mask(*v, valid >> row)));
                }
                totals[group].sum = sum;
                totals[group].count += i64::from(valid.count_ones());
            }
            None if valid == all => {
                for (id, value) in ids.iter().zip(values) {
                    let total = &mut totals[*id as usize];
                    total.sum = add(total.sum, *value);
                    total.count += 1;
                }
            }
            // Without branches: a null adds nothing, and counts as nothing.
            None => {
                for (row, (id, value)) in ids.iter().zip(values).enumerate() {
                    let total = &mut totals[*id as usize];
                    total.sum = add(total.sum, mask(*value, valid >> row));
                    total.count += (valid >> row & 1) as i64;
                }
            }
        }
    }
}

#[inline]
fn mask<V: Default>(value: V, valid: u64) -> V {
    if valid & 1 == 1 { value } else { V::default() }
}

fn merge_totals<T: Copy>(totals: &mut [Total<T>], ids: &[u32], later: Vec<Total<T>>, add: impl Fn(T, T) -> T) {
    for (id, new) in ids.iter().zip(later) {
        let total = &mut totals[*id as usize];
        total.sum = add(total.sum, new.sum);
        total.count += new.count;
    }
}

fn keep_all(
    best: &mut [Option<i64>],
    ids: &[u32],
    values: &[i64],
    nulls: Option<&NullBuffer>,
    better: impl Fn(i64, i64) -> bool,
) {
    let mut keep = |id: u32, new: i64| {
        let old = &mut best[id as usize];
        if old.is_none_or(|old| better(new, old)) {
            *old = Some(new);
        }
    };
    match nulls {
        None => ids.iter().zip(values).for_each(|(id, value)| keep(*id, *value)),
        Some(nulls) => nulls.valid_indices().for_each(|row| keep(ids[row], values[row])),
    }
}

impl Texts {
    fn update(&mut self, ids: &[u32], values: &StringViewArray, is_max: bool) {
        for (id, new) in ids.iter().zip(values) {
            if let Some(new) = new {
                self.keep(*id, new, is_max);
            }
        }
    }

    fn keep(&mut self, id: u32, new: &str, is_max: bool) {
        let slot = &mut self.best[id as usize];
        let better = slot.as_deref().is_none_or(|old| if is_max { new > old } else { new < old });
        if better {
            // Room is reused: a group's text often changes.
            let mut text = slot.take().unwrap_or_default();
            self.bytes -= text.capacity();
            text.clear();
            text.push_str(new);
            self.bytes += text.capacity();
            *slot = Some(text);
        }
    }
}
