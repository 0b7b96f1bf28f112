//! Batches in memory, each in order by itself, and the ranges that all their rows are cut into.
//!
//! As long as there is memory nothing is done with them before the end, when each range is sorted out of a slice of every batch. All
//! rows have one order: by key, then by batch, then by their place in it. Where ranges end is chosen from samples of it, at even
//! distances in each batch, but elsewhere in one than in the next: batches are much alike.

use std::cmp::Ordering;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;

use super::keys::SortKeys;
use super::order::ENTRY_BYTES;
use super::packed::{Packed, Slice, row_bytes};
use crate::error::Result;
use crate::mem::Reservation;
use crate::ops::key::KeyColumn;

/// Rows that came one after the other, and what books them.
pub(super) struct Held {
    /// Each in order.
    batches: Vec<Packed>,
    /// Rows behind them, as they came, to be put in order together.
    waiting: Vec<Packed>,
    memory: Reservation,
}

/// Batches that are cut into ranges.
pub(super) struct Cut {
    batches: Vec<Packed>,
    /// Between each range and the next.
    bounds: Vec<Position>,
    /// Of some batches at a time, where each range but the last ends in each: found by whoever wants it first, as it takes long enough to
    /// be shared by all threads.
    ends: Vec<OnceLock<Vec<Vec<u32>>>>,
    /// Of which batches they are to be found next.
    next: AtomicUsize,
    keys: Arc<SortKeys>,
    /// As long as there are the batches.
    _booked: Vec<Reservation>,
}

/// A row: its keys, its batch and its place there.
struct Position(Vec<Option<i64>>, usize, usize);

/// So many samples for each range.
const SAMPLES: usize = 32;

/// The golden ratio, of which the multiples are spread most evenly over the interval between whole numbers.
const GOLDEN: f64 = 1.618_033_988_749_895;

/// Of so many batches ends are found at a time.
const AT_ONCE: usize = 1 << 5;

/// So many rows are put in order together as they come, and so many when slices of all that came are together: they, and what it takes to
/// sort them, are in a cache.
const ROWS_IN_ORDER: usize = 1 << 16;
const SORTED_ROWS: usize = 1 << 18;

/// A range of fewer rows is not cut.
const FEW_ROWS: usize = 1 << 10;

impl Held {
    pub(super) fn new(memory: Reservation) -> Held {
        Held { batches: vec![], waiting: vec![], memory }
    }

    /// Adds rows, if there is room for what waits.
    pub(super) fn push(&mut self, rows: Packed, keys: &SortKeys) -> Result<bool> {
        let waiting: usize = self.waiting.iter().map(Packed::num_rows).sum();
        if waiting + rows.num_rows() > ROWS_IN_ORDER {
            self.put_in_order(keys)?;
        }
        let more = waiting_bytes(&rows);
        let mut booked = self.memory.try_resize_within_half(self.memory.bytes() + more);
        if !booked && !self.waiting.is_empty() {
            self.put_in_order(keys)?;
            booked = self.memory.try_resize_within_half(self.memory.bytes() + more);
        }
        if booked {
            self.waiting.push(rows);
        }
        Ok(booked)
    }

    /// Puts the rows that wait in order.
    pub(super) fn put_in_order(&mut self, keys: &SortKeys) -> Result<()> {
        let (Some(layout), waiting) = (keys.shape.latest(), std::mem::take(&mut self.waiting)) else { return Ok(()) };
        if waiting.is_empty() {
            return Ok(());
        }
        let slices: Vec<Slice> = waiting.iter().map(whole).collect();
        let rows = keys.in_order(&Packed::together(&layout, &slices)?)?;
        let more = rows.bytes();
        self.batches.push(rows);
        let others = self.memory.bytes().saturating_sub(waiting.iter().map(waiting_bytes).sum());
        self.memory.try_resize(others + more)
    }

    /// What is booked.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    pub(super) fn num_rows(&self) -> usize {
        self.batches.iter().chain(&self.waiting).map(Packed::num_rows).sum()
    }

    /// The batches, each in order, and what books them.
    pub(super) fn into_batches(mut self, keys: &SortKeys) -> Result<(Vec<Packed>, Reservation)> {
        self.put_in_order(keys)?;
        Ok((self.batches, self.memory))
    }

    /// About so many ranges of all rows.
    pub(super) fn cut(held: Vec<Held>, keys: Arc<SortKeys>, ranges: usize) -> Result<Cut> {
        let (mut batches, mut booked) = (vec![], vec![]);
        for portion in held {
            let (some, memory) = portion.into_batches(&keys)?;
            batches.extend(some);
            booked.push(memory);
        }
        let bounds = bounds(&keys, &batches.iter().map(whole).collect::<Vec<_>>(), ranges);
        let ends = batches.chunks(AT_ONCE).map(|_| OnceLock::new()).collect();
        Ok(Cut { batches, bounds, ends, next: AtomicUsize::new(0), keys, _booked: booked })
    }
}

/// What rows take that wait, until they are in order.
fn waiting_bytes(rows: &Packed) -> usize {
    3 * rows.bytes() + rows.num_rows() * ENTRY_BYTES
}

fn whole(batch: &Packed) -> Slice<'_> {
    Slice { batch, rows: 0..batch.num_rows() }
}

impl Cut {
    pub(super) fn ranges(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The rows of a range.
    pub(super) fn range(&self, range: usize) -> Vec<Slice<'_>> {
        let portions = self.ends.len();
        // Each thread finds some, and waits for the others' at last.
        while let portion = self.next.fetch_add(1, Relaxed)
            && portion < portions
        {
            self.ends_in(portion);
        }
        let ends = (0..portions).flat_map(|portion| self.ends_in(portion));
        let slice = |(batch, ends): (_, &Vec<u32>)| {
            let start = range.checked_sub(1).map_or(0, |before| ends[before] as usize);
            let rows = start..ends.get(range).map_or(Packed::num_rows(batch), |end| *end as usize);
            (!rows.is_empty()).then_some(Slice { batch, rows })
        };
        self.batches.iter().zip(ends).filter_map(slice).collect()
    }

    /// Where all ranges but the last end in each of some batches: one batch after the other, so that it stays in the cache.
    fn ends_in(&self, portion: usize) -> &[Vec<u32>] {
        self.ends[portion].get_or_init(|| {
            let first = portion * AT_ONCE;
            let batches = (first..).zip(self.batches[first..].iter().take(AT_ONCE).map(whole));
            let ends = |(number, slice): (usize, Slice)| {
                let mut start = 0;
                let end = |bound| {
                    start = end_at(&self.keys, number, &slice, start, bound);
                    start as u32
                };
                self.bounds.iter().map(end).collect()
            };
            batches.map(ends).collect()
        })
    }
}

/// The rows of each slice from one end to the next.
fn between<'a>(slices: &[Slice<'a>], from: Option<&[u32]>, to: &[u32]) -> Vec<Slice<'a>> {
    let part = |(i, slice): (usize, &Slice<'a>)| {
        let (start, end) = (from.map_or(slice.rows.start, |from| from[i] as usize), to[i] as usize);
        (start < end).then_some(Slice { batch: slice.batch, rows: start..end })
    };
    slices.iter().enumerate().filter_map(part).collect()
}

/// Gives the rows of slices that are each in order, in order, in batches of about so many bytes. As many as fit into the cache are copied
/// together, and sorted. What that takes is booked on `memory`; where it is refused, it is done in smaller parts.
///
/// # Errors
/// `ErrorKind::Memory` when there is no room for a thousand rows.
pub(super) fn sort(
    keys: &SortKeys,
    slices: &[Slice],
    bytes: usize,
    memory: &mut Reservation,
    emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let Some(layout) = keys.shape.latest() else { return Ok(()) };
    let rows: usize = slices.iter().map(Slice::num_rows).sum();
    let (parts, bytes) = if rows > SORTED_ROWS {
        (rows.div_ceil(SORTED_ROWS), bytes)
    } else {
        let row = layout.width() * size_of::<u64>() + row_bytes(&keys.schema) + ENTRY_BYTES;
        match memory.try_resize(bytes + rows * row) {
            Ok(()) => {
                keys.sort_packed(&Packed::together(&layout, slices)?, bytes, emit)?;
                return memory.try_resize(0);
            }
            Err(refused) if rows < FEW_ROWS => return Err(refused),
            Err(_) => (4, bytes / 4),
        }
    };
    let bounds = bounds(keys, slices, parts);
    let mut from: Option<Vec<u32>> = None;
    for part in 0..=bounds.len() {
        let to = ends_at(keys, slices, from.as_deref(), bounds.get(part));
        sort(keys, &between(slices, from.as_deref(), &to), bytes, memory, emit)?;
        from = Some(to);
    }
    Ok(())
}

/// Where about so many ranges are to be cut.
fn bounds(keys: &SortKeys, slices: &[Slice], ranges: usize) -> Vec<Position> {
    let mut samples = Vec::new();
    let each = (ranges * SAMPLES).div_ceil(slices.len().max(1));
    for (number, slice) in slices.iter().enumerate().filter(|_| ranges > 1) {
        let (rows, count) = (slice.num_rows(), each.min(slice.num_rows()));
        // So far into as many equal parts.
        let shift = (number as f64 * GOLDEN).fract();
        let places = (0..count).map(|i| (((i as f64 + shift) * rows as f64 / count as f64) as usize).min(rows - 1));
        let places = places.map(|place| slice.rows.start + place);
        samples.extend(places.map(|row| Position(keys.of_packed(slice.batch, row), number, row)));
    }
    samples.sort_unstable_by(|a, b| keys.compare(&a.0, &b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let all = samples.len();
    let mut samples: Vec<Option<Position>> = samples.into_iter().map(Some).collect();
    (1..ranges).filter_map(|i| samples.get_mut(i * all / ranges)?.take()).collect()
}

/// Where a range ends in each slice, the one before having ended there; without a bound it is the last.
fn ends_at(keys: &SortKeys, slices: &[Slice], from: Option<&[u32]>, bound: Option<&Position>) -> Vec<u32> {
    let end = |(number, slice): (usize, &Slice)| {
        let start = from.map_or(slice.rows.start, |from| from[number] as usize);
        bound.map_or(slice.rows.end, |bound| end_at(keys, number, slice, start, bound)) as u32
    };
    slices.iter().enumerate().map(end).collect()
}

/// The first row of a slice, of those from `start` on, that does not come before the bound.
fn end_at(keys: &SortKeys, number: usize, slice: &Slice, start: usize, bound: &Position) -> usize {
    let is_before = |row: usize| {
        let keys_before = keys.compare_row(slice.batch, row, &bound.0);
        keys_before.then((number, row).cmp(&(bound.1, bound.2))).is_lt()
    };
    partition_point(start, slice.rows.end, is_before)
}

/// The first row of a range that is not before something, as all behind it.
fn partition_point(mut low: usize, mut high: usize, is_before: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low.midpoint(high);
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Which of two values of a key comes first.
pub(super) fn compare(key: &KeyColumn, a: Option<i64>, b: Option<i64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if key.descending => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
        (None, None) => Ordering::Equal,
        (None, Some(_)) if key.nulls_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => compare(key, b, a).reverse(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array};
    use proptest::prelude::*;

    use super::*;
    use crate::expr::col;
    use crate::mem::Budget;

    /// The rows of a batch so many times, each time in order by themselves.
    fn held(keys: &SortKeys, batch: &RecordBatch, times: usize, memory: Reservation) -> Held {
        let mut held = Held::new(memory);
        for _ in 0..times {
            assert!(held.push(keys.packed(batch).unwrap(), keys).unwrap());
            held.put_in_order(keys).unwrap();
        }
        held
    }

    proptest! {
        #[test]
        fn ranges_are_the_rows_in_order(
            values in prop::collection::vec(prop::collection::vec((prop::option::of(0i64..6), -3i32..3), 0..40), 1..8),
            ranges in 1usize..9,
            descending in any::<bool>(),
            limit in prop::sample::select(vec![1usize << 17, 1 << 20]),
        ) {
            let batch = |rows: &Vec<(Option<i64>, i32)>| RecordBatch::try_from_iter_with_nullable([
                ("k", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as _, true),
                ("x", Arc::new(rows.iter().map(|row| Some(f64::from(row.1))).collect::<Float64Array>()) as _, true),
            ]).unwrap();
            let schema = batch(&vec![]).schema();
            // One key is a column, the other is computed.
            let (k, x) = (if descending { col("k").desc() } else { col("k").asc() }, (col("x") * 2.0).asc());
            let keys = Arc::new(SortKeys::new(schema.clone(), vec![k.bind(&schema).unwrap(), x.bind(&schema).unwrap()]));
            let budget = Budget::of(limit);
            let batches: Vec<RecordBatch> = values.iter().map(&batch).collect();
            let mut expected = vec![];
            keys.sort(&batches, usize::MAX, 1 << 20, &mut |batch| { expected.push(batch); Ok(()) }).unwrap();
            let held = |batch: &RecordBatch| held(&keys, batch, 1, budget.reserve("held"));
            let cut = Held::cut(batches.iter().map(held).collect(), keys.clone(), ranges).unwrap();
            let mut found = vec![];
            let mut memory = budget.reserve("work");
            for range in 0..cut.ranges() {
                sort(&keys, &cut.range(range), 100, &mut memory, &mut |batch| { found.push(batch); Ok(()) }).unwrap();
            }
            let whole = |batches: &[RecordBatch]| arrow::compute::concat_batches(&schema, batches).unwrap();
            prop_assert_eq!(whole(&found), whole(&expected));
        }
    }

    #[test]
    fn many_batches_that_are_alike_are_cut_evenly() {
        let batch = RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from_iter_values(0..1000)) as _)]).unwrap();
        let keys = Arc::new(SortKeys::new(batch.schema(), vec![col("k").asc().bind(&batch.schema()).unwrap()]));
        let held = held(&keys, &batch, 300, Budget::of(1 << 23).reserve("held"));
        let cut = Held::cut(vec![held], keys.clone(), 20).unwrap();
        let rows = |range| cut.range(range).iter().map(Slice::num_rows).sum::<usize>();
        assert!(
            (0..20).all(|range| (12_000..18_000).contains(&rows(range))),
            "{:?}",
            (0..20).map(rows).collect::<Vec<_>>()
        );
    }

    #[test]
    fn one_key_is_cut_too() {
        let batch = RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![7; 1000])) as _)]).unwrap();
        let keys = Arc::new(SortKeys::new(batch.schema(), vec![col("k").asc().bind(&batch.schema()).unwrap()]));
        let budget = Budget::of(1 << 20);
        let held = held(&keys, &batch, 8, budget.reserve("held"));
        let cut = Held::cut(vec![held], keys.clone(), 4).unwrap();
        let rows = |range| cut.range(range).iter().map(Slice::num_rows).sum::<usize>();
        assert_eq!(cut.ranges(), 4);
        assert!((0..4).all(|range| (1500..2500).contains(&rows(range))), "{:?}", (0..4).map(rows).collect::<Vec<_>>());
    }
}
