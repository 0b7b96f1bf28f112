//! `count`, `size`, `sum`, `mean`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, Int64Type};

use super::{
    Accumulator, CHUNK, columns, first_bits, float_values, floats, for_chunks, input, int_values, ints, no_output,
    nulls, one_group, same, vec_bytes_to,
};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggKind, BoundAgg};
use crate::ops::key::{as_ints, collected};

/// How many rows, or values.
#[derive(Default)]
pub(super) struct Counts(Vec<i64>);

/// Sums, each with how many values it is of, where that is [asked for](Count).
#[derive(Default)]
pub(super) struct Totals<T, C> {
    totals: Vec<Total<T, C>>,
    scratch: Vec<i64>,
}

#[derive(Clone, Copy, Default)]
struct Total<T, C> {
    sum: T,
    count: C,
}

/// How many values a sum is of; `()` where nobody asks: then twice as many sums are in the caches.
pub(super) trait Count: Copy + Default + Send + Sync + 'static {
    const KEPT: bool;
    fn add(&mut self, more: i64);
    fn number(self) -> i64;
}

impl Count for i64 {
    const KEPT: bool = true;

    fn add(&mut self, more: i64) {
        *self += more;
    }

    fn number(self) -> i64 {
        self
    }
}

impl Count for () {
    const KEPT: bool = false;

    fn add(&mut self, _: i64) {}

    fn number(self) -> i64 {
        0
    }
}

impl Accumulator for Counts {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let counts = self.0.as_mut_slice();
        for_chunks(ids.len(), inputs.first().and_then(nulls), |rows, valid| {
            let ids = &ids[rows];
            match one_group(ids) {
                Some(group) => counts[group] += i64::from(valid.count_ones()),
                None => {
                    for (row, id) in ids.iter().enumerate() {
                        counts[*id as usize] += (valid >> row & 1) as i64;
                    }
                }
            }
        });
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        let Counts(later) = same(later)?;
        ids.iter().zip(later).for_each(|(id, n)| self.0[*id as usize] += n);
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![ints(ids.iter().map(|id| self.0[*id as usize]))])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        let [counts] = columns(partials)?;
        ids.iter().zip(int_values(counts)?).for_each(|(id, n)| self.0[*id as usize] += n);
        Ok(())
    }

    fn finish(&self, _: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| self.0[*id as usize]))))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, _: usize, _: usize) -> usize {
        vec_bytes_to(&self.0, groups)
    }
}

/// What is summed: integers in 128 bits, floats as they are.
pub(super) trait Sum: Copy + Default + Send + Sync + std::ops::Add<Output = Self> + 'static {
    /// Adds the values to the totals of their groups.
    fn add_all<C: Count>(totals: &mut Totals<Self, C>, ids: &[u32], values: &ArrayRef) -> Result<()>;
    fn to_float(self) -> f64;
    /// Sums as columns, exact.
    fn partials(sums: impl Iterator<Item = Self> + Clone) -> Vec<ArrayRef>;
    /// What [`partials`](Sum::partials) gave.
    fn of_partials(columns: &[ArrayRef]) -> Result<Vec<Self>>;
    /// The column of the sums that are not null.
    fn column(sums: impl Iterator<Item = Option<Self>>, agg: &BoundAgg) -> Result<ArrayRef>;
}

impl Sum for i128 {
    fn add_all<C: Count>(totals: &mut Totals<i128, C>, ids: &[u32], values: &ArrayRef) -> Result<()> {
        let Totals { totals, scratch } = totals;
        add_all(totals, ids, as_ints(values, scratch)?, nulls(values), |sum, v| sum + i128::from(v));
        Ok(())
    }

    fn to_float(self) -> f64 {
        self as f64
    }

    fn partials(sums: impl Iterator<Item = i128> + Clone) -> Vec<ArrayRef> {
        vec![ints(sums.clone().map(|sum| (sum >> 64) as i64)), ints(sums.map(|sum| sum as i64))]
    }

    fn of_partials(partials: &[ArrayRef]) -> Result<Vec<i128>> {
        let [high, low] = columns(partials)?;
        let halves = int_values(high)?.iter().zip(int_values(low)?);
        Ok(halves.map(|(high, low)| i128::from(*high) << 64 | i128::from(*low as u64)).collect())
    }

    fn column(sums: impl Iterator<Item = Option<i128>>, agg: &BoundAgg) -> Result<ArrayRef> {
        let mut beyond = None;
        let mut narrow = |sum: i128| i64::try_from(sum).unwrap_or_else(|_| *beyond.get_or_insert(sum) as i64);
        let column = collected::<Int64Type>(sums.map(|sum| sum.map(&mut narrow)));
        beyond.map_or(Ok(Arc::new(column)), |sum| Err(overflow(sum, agg)))
    }
}

impl Sum for f64 {
    fn add_all<C: Count>(totals: &mut Totals<f64, C>, ids: &[u32], values: &ArrayRef) -> Result<()> {
        let floats = values.as_primitive::<Float64Type>().values();
        add_all(&mut totals.totals, ids, floats, nulls(values), |sum: f64, v: f64| sum + v);
        Ok(())
    }

    fn to_float(self) -> f64 {
        self
    }

    fn partials(sums: impl Iterator<Item = f64> + Clone) -> Vec<ArrayRef> {
        vec![floats(sums)]
    }

    fn of_partials(partials: &[ArrayRef]) -> Result<Vec<f64>> {
        let [sums] = columns(partials)?;
        Ok(float_values(sums)?.to_vec())
    }

    fn column(sums: impl Iterator<Item = Option<f64>>, _: &BoundAgg) -> Result<ArrayRef> {
        Ok(Arc::new(collected::<Float64Type>(sums)))
    }
}

impl<T: Sum, C: Count> Accumulator for Totals<T, C> {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups, Total::default());
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        T::add_all(self, ids, input(inputs)?)
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.totals) {
            let total = &mut self.totals[*id as usize];
            total.sum = total.sum + new.sum;
            total.count.add(new.count.number());
        }
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let groups = ids.iter().map(|id| self.totals[*id as usize]);
        let mut partials = T::partials(groups.clone().map(|total| total.sum));
        if C::KEPT {
            partials.push(ints(groups.map(|total| total.count.number())));
        }
        Ok(partials)
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        let (counts, sums) = match partials.split_last() {
            Some((counts, sums)) if C::KEPT => (int_values(counts)?, sums),
            _ => (&[][..], partials),
        };
        for (id, sum) in ids.iter().zip(T::of_partials(sums)?) {
            let total = &mut self.totals[*id as usize];
            total.sum = total.sum + sum;
        }
        ids.iter().zip(counts).for_each(|(id, count)| self.totals[*id as usize].count.add(*count));
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        self.scratch = vec![];
        Ok(())
    }

    fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let groups = ids.iter().map(|id| self.totals[*id as usize]);
        match agg.kind {
            AggKind::Sum { min_count: 0 } => T::column(groups.map(|total| Some(total.sum)), agg),
            AggKind::Sum { min_count } if C::KEPT => {
                let sum = |t: Total<T, C>| (t.count.number() as usize >= min_count).then_some(t.sum);
                T::column(groups.map(sum), agg)
            }
            AggKind::Mean if C::KEPT => {
                let mean = |t: Total<T, C>| {
                    let count = t.count.number();
                    (count > 0).then(|| t.sum.to_float() / count as f64)
                };
                Ok(Arc::new(collected::<Float64Type>(groups.map(mean))))
            }
            _ => Err(no_output(agg)),
        }
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, rows: usize, _: usize) -> usize {
        let scratch = if self.scratch.capacity() > 0 { vec_bytes_to(&self.scratch, rows) } else { 0 };
        vec_bytes_to(&self.totals, groups) + scratch
    }
}

fn overflow(sum: i128, agg: &BoundAgg) -> Error {
    Error::new(ErrorKind::Overflow, format!("{agg} is {sum} in one group, beyond 64 bits"))
        .help("sum floats instead, as in (col(\"v\") * 1.0).sum()")
}

/// So many values of one group are added side by side: one after the other, each addition would wait for the one before.
const LANES: usize = 4;

#[inline]
fn sum_of<T: Sum, V: Copy>(values: &[V], add: impl Fn(T, V) -> T) -> T {
    let mut lanes = [T::default(); LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane = add(*lane, *value));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane = add(*lane, *value));
    lanes.into_iter().fold(T::default(), |sum, lane| sum + lane)
}

fn add_all<T: Sum, C: Count, V: Copy + Default>(
    totals: &mut [Total<T, C>],
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
                let sum = if valid == all {
                    sum_of(values, &add)
                } else {
                    let mut there = [V::default(); CHUNK];
                    there
                        .iter_mut()
                        .zip(values)
                        .enumerate()
                        .for_each(|(row, (v, value))| *v = mask(*value, valid >> row));
                    sum_of(&there[..values.len()], &add)
                };
                totals[group].sum = totals[group].sum + sum;
                totals[group].count.add(i64::from(valid.count_ones()));
            }
            None if valid == all => {
                for (id, value) in ids.iter().zip(values) {
                    let total = &mut totals[*id as usize];
                    total.sum = add(total.sum, *value);
                    total.count.add(1);
                }
            }
            // Without branches: a null adds nothing, and counts as nothing.
            None => {
                for (row, (id, value)) in ids.iter().zip(values).enumerate() {
                    let total = &mut totals[*id as usize];
                    total.sum = add(total.sum, mask(*value, valid >> row));
                    total.count.add((valid >> row & 1) as i64);
                }
            }
        }
    }
}

#[inline]
fn mask<V: Default>(value: V, valid: u64) -> V {
    if valid & 1 == 1 { value } else { V::default() }
}
