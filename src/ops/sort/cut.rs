//! All rows, cut into ranges that are sorted each by itself.
//!
//! Nothing is compared before the end, when each range is sorted out of a slice of every [`Source`]. All rows have one order: by key, then
//! by source, then by their place in it. Where ranges end is chosen from samples of it, at even distances in each source, but elsewhere in
//! one than in the next: sources are much alike.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use super::held::Held;
use super::keys::SortKeys;
use super::layout::Layout;
use super::order::ENTRY_BYTES;
use super::packed::{Packed, Slice, row_bytes};
use super::runs::range_bytes;
use super::spilled::{RunWriter, SpilledRun, block_bytes};
use crate::error::{Error, Result};
use crate::mem::Reservation;
use crate::ops::Emit;
use crate::ops::key::KeyColumn;

/// Rows in order.
pub(super) enum Source {
    /// And what books them.
    Memory(Packed, Reservation),
    Disk(SpilledRun),
}

/// Sources that are cut into ranges.
pub(super) struct Cut {
    sources: Vec<Source>,
    /// Between each range and the next.
    bounds: Vec<Position>,
    /// Of some sources at a time, where each range but the last ends in each that is in memory: found by whoever wants it first, as it takes
    /// long enough to be shared by all threads.
    ends: Vec<OnceLock<Vec<Vec<u32>>>>,
    /// Of which sources they are to be found next.
    next: AtomicUsize,
    keys: Arc<SortKeys>,
    /// One that all rows fit.
    layout: Arc<Layout>,
}

/// A row: its keys, the number of its source and its place there.
#[derive(Clone)]
pub(super) struct Position(pub(super) Vec<Option<i64>>, pub(super) usize, pub(super) usize);

/// Some of the rows of a range.
struct Span<'a> {
    from: Option<Position>,
    to: Option<Position>,
    /// Those in memory.
    slices: Vec<Slice<'a>>,
}

/// What takes the rows of a range, part by part, each to be sorted.
type Unsorted<'a> = dyn FnMut(Packed) -> Result<()> + 'a;

/// So many samples for each range.
const SAMPLES: usize = 32;

/// The golden ratio, of which the multiples are spread most evenly over the interval between whole numbers.
const GOLDEN: f64 = 1.618_033_988_749_895;

/// Of so many sources ends are found at a time.
const AT_ONCE: usize = 1 << 5;

/// So many rows are sorted at once when slices of all that came are together: they and their order are in the second or third cache.
const SORTED_ROWS: usize = 1 << 18;

/// A range of fewer rows is not cut.
const FEW_ROWS: usize = 1 << 4;

impl Source {
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self, Source::Memory(..))
    }

    /// What is booked for it.
    pub(super) fn booked(&self) -> usize {
        if let Source::Memory(_, memory) = self { memory.bytes() } else { 0 }
    }

    pub(super) fn num_rows(&self) -> usize {
        match self {
            Source::Memory(rows, _) => rows.num_rows(),
            Source::Disk(run) => run.num_rows(),
        }
    }
}

impl Position {
    fn order(&self, other: &Position, keys: &SortKeys) -> Ordering {
        keys.compare(&self.0, &other.0).then((self.1, self.2).cmp(&(other.1, other.2)))
    }

    /// Whether a row comes before it whose keys compare so with its own, of this source, and there at this place.
    #[inline]
    pub(super) fn is_behind(&self, order: Ordering, number: usize, row: usize) -> bool {
        order.then((number, row).cmp(&(self.1, self.2))).is_lt()
    }
}

impl Cut {
    /// The rows of all that was held, as ranges of about so many bytes.
    pub(super) fn of(held: Vec<Held>, keys: Arc<SortKeys>, bytes: usize, memory: &Reservation) -> Result<Cut> {
        let mut sources = vec![];
        for portion in held {
            sources.extend(portion.into_sources(&keys)?);
        }
        // Each range reads a block or two of every run: together no more than it needs anyway.
        let most = (range_bytes(memory.limit()) / block_bytes(memory.limit())).max(2);
        loop {
            let runs = sources.iter().filter(|source| !source.is_in_memory()).count();
            if runs <= most {
                break;
            }
            join((runs - most + 1).clamp(2, most), &mut sources, &keys, memory)?;
        }
        let rows: usize = sources.iter().map(Source::num_rows).sum();
        let ranges = (rows * row_bytes(&keys.schema)).div_ceil(bytes.max(1));
        Ok(Cut::of_sources(sources, keys, ranges))
    }

    fn of_sources(sources: Vec<Source>, keys: Arc<SortKeys>, ranges: usize) -> Cut {
        let all: usize = sources.iter().map(Source::num_rows).sum();
        let mut samples = vec![];
        for (number, source) in sources.iter().enumerate().filter(|_| ranges > 1) {
            let count = (ranges * SAMPLES * source.num_rows()).div_ceil(all.max(1));
            match source {
                Source::Memory(rows, _) => sample(&keys, &Slice::whole(rows, number), count, &mut samples),
                Source::Disk(run) => {
                    let blocks = spread(run.blocks(), count, number);
                    samples.extend(blocks.map(|block| run.position(block, number)));
                }
            }
        }
        let bounds = bounds(&keys, samples, ranges);
        let ends = sources.chunks(AT_ONCE).map(|_| OnceLock::new()).collect();
        Cut { sources, bounds, ends, next: AtomicUsize::new(0), layout: keys.shape.latest().unwrap_or_default(), keys }
    }

    pub(super) fn ranges(&self) -> usize {
        self.bounds.len() + 1
    }

    /// Gives the rows of a range in order, in batches of about so many bytes. What that takes is booked on `memory`; where it is refused, it
    /// is done in smaller parts.
    ///
    /// # Errors
    /// `ErrorKind::Memory` when there is no room for a few rows.
    pub(super) fn give(&self, range: usize, bytes: usize, memory: &mut Reservation, emit: &mut Emit<'_>) -> Result<()> {
        self.range_in_parts(range, memory, &mut |rows| self.keys.sort_packed(&rows, bytes, emit))
    }

    /// Gives the rows of a range part by part, each to be sorted.
    fn range_in_parts(&self, range: usize, memory: &mut Reservation, emit: &mut Unsorted<'_>) -> Result<()> {
        let from = range.checked_sub(1).and_then(|before| self.bounds.get(before));
        let span = Span { from: from.cloned(), to: self.bounds.get(range).cloned(), slices: self.slices(range) };
        self.give_span(&span, memory, emit)
    }

    fn give_span(&self, span: &Span, memory: &mut Reservation, emit: &mut Unsorted<'_>) -> Result<()> {
        let (keys, from, to) = (&*self.keys, span.from.as_ref(), span.to.as_ref());
        let runs = self.sources.iter().enumerate().filter_map(|(number, source)| match source {
            Source::Memory(..) => None,
            Source::Disk(run) => Some((number, run, run.blocks_of(keys, number, from, to))),
        });
        let runs: Vec<_> = runs.filter(|(.., blocks)| !blocks.is_empty()).collect();
        // Only what is of the span is kept, and at its turn, of each run what stands in the same blocks.
        let (mut room, mut read) = (memory.sibling(), vec![]);
        for (number, run, blocks) in &runs {
            let kept = room.bytes();
            if let Err(refused) = room.try_resize(kept + 2 * run.bytes_of(blocks.clone())) {
                drop((read, room));
                return self.give_parts(span, &runs, refused, memory, emit);
            }
            let (batch, offset) = (run.read(blocks.clone())?, run.rows_of(blocks.clone()).start);
            let whole = Slice { offset, ..Slice::whole(&batch, *number) };
            let start = from.map_or(0, |from| end_at(keys, &whole, 0, from));
            let end = to.map_or(batch.num_rows(), |to| end_at(keys, &whole, start, to));
            let batch = if end - start < batch.num_rows() { batch.cut(start..end) } else { batch };
            room.try_resize(kept + batch.bytes())?;
            read.push((*number, offset + start, batch));
        }
        let mut slices = span.slices.clone();
        let on_disk = read.iter().filter(|(.., batch)| batch.num_rows() > 0);
        slices.extend(on_disk.map(|(number, offset, batch)| Slice { offset: *offset, ..Slice::whole(batch, *number) }));
        slices.sort_by_key(|slice| slice.number);
        in_parts(keys, &self.layout, &slices, memory, emit)
    }

    /// The same in parts, because what is on disk does not fit.
    fn give_parts(
        &self,
        span: &Span,
        runs: &[(usize, &SpilledRun, Range<usize>)],
        refused: Error,
        memory: &mut Reservation,
        emit: &mut Unsorted<'_>,
    ) -> Result<()> {
        let keys = &*self.keys;
        let mut samples = vec![];
        for slice in &span.slices {
            sample(keys, slice, 4 * SAMPLES / span.slices.len() + 1, &mut samples);
        }
        for (number, run, blocks) in runs {
            // The first begins before the range.
            samples.extend(blocks.clone().skip(1).map(|block| run.position(block, *number)));
        }
        // A part is less than the whole.
        samples.retain(|sample| span.from.as_ref().is_none_or(|from| from.order(sample, keys).is_lt()));
        let bounds = bounds(keys, samples, 4);
        if bounds.is_empty() {
            return Err(refused);
        }
        let (mut from, mut starts) = (span.from.clone(), None::<Vec<u32>>);
        for part in 0..=bounds.len() {
            let to = bounds.get(part);
            let ends = ends_at(keys, &span.slices, starts.as_deref(), to);
            let slices = between(&span.slices, starts.as_deref(), &ends);
            let part = Span { from, to: to.cloned().or_else(|| span.to.clone()), slices };
            self.give_span(&part, memory, emit)?;
            (from, starts) = (to.cloned(), Some(ends));
        }
        Ok(())
    }

    /// The rows of a range that are in memory.
    fn slices(&self, range: usize) -> Vec<Slice<'_>> {
        let portions = self.ends.len();
        // Each thread finds some, and waits for the others' at last.
        while let portion = self.next.fetch_add(1, Relaxed)
            && portion < portions
        {
            self.ends_in(portion);
        }
        let ends = (0..portions).flat_map(|portion| self.ends_in(portion));
        let mut slices = vec![];
        for ((number, source), ends) in self.sources.iter().enumerate().zip(ends) {
            let Source::Memory(batch, _) = source else { continue };
            let start = range.checked_sub(1).map_or(0, |before| ends[before] as usize);
            let rows = start..ends.get(range).map_or(batch.num_rows(), |end| *end as usize);
            if !rows.is_empty() {
                slices.push(Slice { rows, ..Slice::whole(batch, number) });
            }
        }
        slices
    }

    /// Where all ranges but the last end in each of some sources: one after the other, so that it stays in the cache.
    fn ends_in(&self, portion: usize) -> &[Vec<u32>] {
        self.ends[portion].get_or_init(|| {
            let first = portion * AT_ONCE;
            let ends = |(number, source): (usize, &Source)| {
                let Source::Memory(batch, _) = source else { return vec![] };
                let (slice, mut start) = (Slice::whole(batch, number), 0);
                let end = |bound| {
                    start = end_at(&self.keys, &slice, start, bound);
                    start as u32
                };
                self.bounds.iter().map(end).collect()
            };
            (first..).zip(self.sources[first..].iter().take(AT_ONCE)).map(ends).collect()
        })
    }
}

/// Makes one run of so many neighbours, in memory or not: of those of which the fewest rows go into one run less.
fn join(count: usize, sources: &mut Vec<Source>, keys: &Arc<SortKeys>, memory: &Reservation) -> Result<()> {
    let rows = |neighbours: &[Source]| neighbours.iter().map(Source::num_rows).sum::<usize>();
    let cost = |neighbours: &[Source]| {
        let runs = neighbours.iter().filter(|source| !source.is_in_memory()).count();
        rows(neighbours).checked_div(runs.saturating_sub(1)).unwrap_or(usize::MAX)
    };
    let windows = sources.windows(count).enumerate().step_by(count.div_ceil(2));
    let first = windows.min_by_key(|(_, neighbours)| cost(neighbours)).map_or(0, |(first, _)| first);
    let neighbours: Vec<Source> = sources.drain(first..sources.len().min(first + count)).collect();
    let ranges = rows(&neighbours).div_ceil(SORTED_ROWS);
    let cut = Cut::of_sources(neighbours, keys.clone(), ranges);
    let (mut run, mut work) = (RunWriter::new(memory.limit()), memory.sibling());
    for range in 0..cut.ranges() {
        cut.range_in_parts(range, &mut work, &mut |rows| run.push(keys.in_order(&rows)?, keys, memory.spill()))?;
    }
    if let Some(run) = run.finish(keys, memory.spill())? {
        sources.insert(first, Source::Disk(run));
    }
    Ok(())
}

/// Gives the rows of slices that are each in order, part by part, each to be sorted: as many as fit into a cache are copied together, in a
/// layout that all of them fit. What that and sorting take is booked on `memory`; where it is refused, parts are smaller.
///
/// # Errors
/// `ErrorKind::Memory` when there is no room for a few rows.
pub(super) fn in_parts(
    keys: &SortKeys,
    layout: &Arc<Layout>,
    slices: &[Slice],
    memory: &mut Reservation,
    emit: &mut Unsorted<'_>,
) -> Result<()> {
    let rows: usize = slices.iter().map(Slice::num_rows).sum();
    // The rows twice, as words and as columns, and their order.
    let row = 2 * layout.width() * size_of::<u64>() + row_bytes(&keys.schema) + ENTRY_BYTES;
    // Others work, too.
    let most = (memory.limit() / 16 / row).clamp(FEW_ROWS, SORTED_ROWS);
    let parts = if rows == 0 {
        return Ok(());
    } else if rows > most {
        rows.div_ceil(most)
    } else {
        match memory.try_resize(rows * row) {
            Ok(()) => {
                emit(Packed::together(layout, slices)?)?;
                return memory.try_resize(0);
            }
            Err(refused) if rows < FEW_ROWS => return Err(refused),
            Err(_) => 4,
        }
    };
    let mut samples = vec![];
    for slice in slices {
        sample(keys, slice, (parts * SAMPLES).div_ceil(slices.len()), &mut samples);
    }
    let bounds = bounds(keys, samples, parts);
    let mut from: Option<Vec<u32>> = None;
    for part in 0..=bounds.len() {
        let to = ends_at(keys, slices, from.as_deref(), bounds.get(part));
        in_parts(keys, layout, &between(slices, from.as_deref(), &to), memory, emit)?;
        from = Some(to);
    }
    Ok(())
}

/// The rows of each slice from one end to the next.
fn between<'a>(slices: &[Slice<'a>], from: Option<&[u32]>, to: &[u32]) -> Vec<Slice<'a>> {
    let part = |(i, slice): (usize, &Slice<'a>)| {
        let (start, end) = (from.map_or(slice.rows.start, |from| from[i] as usize), to[i] as usize);
        (start < end).then(|| Slice { rows: start..end, ..slice.clone() })
    };
    slices.iter().enumerate().filter_map(part).collect()
}

/// So many of some places, at even distances; but elsewhere than of the next number.
fn spread(all: usize, count: usize, number: usize) -> impl Iterator<Item = usize> {
    let count = count.min(all);
    // So far into as many equal parts.
    let shift = (number as f64 * GOLDEN).fract();
    (0..count).map(move |i| (((i as f64 + shift) * all as f64 / count as f64) as usize).min(all - 1))
}

/// Adds so many rows of a slice.
fn sample(keys: &SortKeys, slice: &Slice, count: usize, samples: &mut Vec<Position>) {
    let rows = spread(slice.num_rows(), count, slice.number).map(|row| slice.rows.start + row);
    samples.extend(rows.map(|row| Position(keys.of_packed(slice.batch, row), slice.number, slice.offset + row)));
}

/// Where about so many ranges are to be cut.
fn bounds(keys: &SortKeys, mut samples: Vec<Position>, ranges: usize) -> Vec<Position> {
    samples.sort_unstable_by(|a, b| a.order(b, keys));
    let all = samples.len();
    let mut samples: Vec<Option<Position>> = samples.into_iter().map(Some).collect();
    (1..ranges).filter_map(|i| samples.get_mut(i * all / ranges)?.take()).collect()
}

/// Where a range ends in each slice, the one before having ended there; without a bound it is the last.
fn ends_at(keys: &SortKeys, slices: &[Slice], from: Option<&[u32]>, bound: Option<&Position>) -> Vec<u32> {
    let end = |(i, slice): (usize, &Slice)| {
        let start = from.map_or(slice.rows.start, |from| from[i] as usize);
        bound.map_or(slice.rows.end, |bound| end_at(keys, slice, start, bound)) as u32
    };
    slices.iter().enumerate().map(end).collect()
}

/// The first row of a slice, from one on, that is not before a position.
fn end_at(keys: &SortKeys, slice: &Slice, start: usize, bound: &Position) -> usize {
    let (mut low, mut high) = (start, slice.rows.end);
    while low < high {
        let middle = low.midpoint(high);
        let order = keys.compare_row(slice.batch, middle, &bound.0);
        if bound.is_behind(order, slice.number, slice.offset + middle) {
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

    use arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};
    use proptest::prelude::*;

    use super::*;
    use crate::expr::col;
    use crate::mem::Budget;

    /// The rows of a batch so many times, each time in order by themselves.
    fn held(keys: &SortKeys, batch: &RecordBatch, times: usize, memory: Reservation) -> Held {
        let mut held = Held::new(memory);
        for _ in 0..times {
            held.push(batch, keys).unwrap();
            held.close(keys).unwrap();
        }
        held
    }

    /// Of so many ranges.
    fn cut(held: Vec<Held>, keys: &Arc<SortKeys>, ranges: usize) -> Cut {
        let sources = held.into_iter().flat_map(|held| held.into_sources(keys).unwrap()).collect();
        Cut::of_sources(sources, keys.clone(), ranges)
    }

    proptest! {
        #[test]
        fn ranges_are_the_rows_in_order(
            values in prop::collection::vec(prop::collection::vec((prop::option::of(0i64..6), -3i32..3), 0..40), 1..8),
            ranges in 1usize..9,
            descending in any::<bool>(),
            limit in prop::sample::select(vec![1usize << 17, 1 << 20]),
            spilled in prop::collection::vec(any::<bool>(), 8),
            joins in prop::option::of(2usize..4),
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
            let held = |(batch, spilled): (&RecordBatch, &bool)| {
                let mut held = held(&keys, batch, 1, budget.reserve("held"));
                if *spilled {
                    held.spill(&keys).unwrap();
                }
                held
            };
            let mut cut = cut(batches.iter().zip(&spilled).map(held).collect(), &keys, ranges);
            let mut memory = budget.reserve("work");
            if let Some(joins) = joins {
                let mut sources = std::mem::take(&mut cut.sources);
                while sources.len() > joins {
                    join(joins, &mut sources, &keys, &memory).unwrap();
                }
                cut = Cut::of_sources(sources, keys.clone(), ranges);
            }
            let mut found = vec![];
            for range in 0..cut.ranges() {
                cut.give(range, 100, &mut memory, &mut |batch| { found.push(batch); Ok(()) }).unwrap();
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
        let cut = cut(vec![held], &keys, 20);
        let rows = |range| cut.slices(range).iter().map(Slice::num_rows).sum::<usize>();
        assert!(
            (0..20).all(|range| (12_000..18_000).contains(&rows(range))),
            "{:?}",
            (0..20).map(rows).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_on_disk_is_read_in_parts_where_it_does_not_fit() {
        let rows = 200_000;
        let batch = |of: i64| {
            let values = (0..rows / 8).map(|i| (i * 8 + of) * 7919 % rows);
            RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from_iter_values(values)) as _)]).unwrap()
        };
        let schema = batch(0).schema();
        let keys = Arc::new(SortKeys::new(schema.clone(), vec![col("k").asc().bind(&schema).unwrap()]));
        let held = |of| {
            let budget = Budget::of(1 << 24);
            let mut held = held(&keys, &batch(of), 1, budget.reserve("held"));
            if of % 4 > 0 {
                held.spill(&keys).unwrap();
            }
            held
        };
        let cut = cut((0..8).map(held).collect(), &keys, 2);
        let budget = Budget::of(300_000);
        let (mut memory, mut next) = (budget.reserve("work"), 0);
        for range in 0..cut.ranges() {
            let mut check = |batch: RecordBatch| {
                let values = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
                assert!(values.values().iter().copied().eq(next..next + values.len() as i64));
                next += values.len() as i64;
                Ok(())
            };
            cut.give(range, 1000, &mut memory, &mut check).unwrap();
        }
        assert_eq!(next, rows);
        assert!(budget.peak() <= 300_000 && budget.used() == 0);
    }

    #[test]
    fn parts_are_laid_out_alike_though_others_widen_the_layout() {
        let ints = |values: Vec<i64>| {
            let column = Arc::new(Int64Array::from(values)) as arrow::array::ArrayRef;
            RecordBatch::try_from_iter([("k", column.clone()), ("x", column)]).unwrap()
        };
        let small = ints((0..50_000).map(|i| i * 7919 % 50_000).collect());
        let keys = SortKeys::new(small.schema(), vec![col("k").asc().bind(&small.schema()).unwrap()]);
        let rows = keys.in_order(&Packed::of(small.columns(), &keys.shape).unwrap()).unwrap();
        let (layout, mut bits, mut parts) = (keys.shape.latest().unwrap(), 20, 0);
        let mut check = |rows: Packed| {
            assert!(Arc::ptr_eq(rows.layout(), &layout));
            bits = (bits + 8).min(62);
            keys.shape.lay_out(ints(vec![-1 << bits, 1 << bits]).columns())?;
            parts += 1;
            Ok(())
        };
        let mut memory = Budget::of(1 << 20).reserve("work");
        in_parts(&keys, &layout, &[Slice::whole(&rows, 0)], &mut memory, &mut check).unwrap();
        assert!(parts >= 4 && !Arc::ptr_eq(&layout, &keys.shape.latest().unwrap()));
    }

    #[test]
    fn one_key_is_cut_too() {
        let batch = RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![7; 1000])) as _)]).unwrap();
        let keys = Arc::new(SortKeys::new(batch.schema(), vec![col("k").asc().bind(&batch.schema()).unwrap()]));
        let budget = Budget::of(1 << 20);
        let held = held(&keys, &batch, 8, budget.reserve("held"));
        let cut = cut(vec![held], &keys, 4);
        let rows = |range| cut.slices(range).iter().map(Slice::num_rows).sum::<usize>();
        assert_eq!(cut.ranges(), 4);
        assert!((0..4).all(|range| (1500..2500).contains(&rows(range))), "{:?}", (0..4).map(rows).collect::<Vec<_>>());
    }
}
