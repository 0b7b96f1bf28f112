//! Sorted runs of rows, and how they are merged by ranges of their rows.
//!
//! A run is cut into blocks, each in memory while there is room, else on disk; the first and the last key of each are known.
//! All rows have one order: by key, then by run, then by their place in it. A range of it takes a slice of every run, from a
//! block to another. The first rows of blocks are where one range may end and the next begin ([`Slices::cut`]); where that is
//! in the middle of another run's block, both ranges read that block and find the place in it.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::boundary::Boundary;
use super::keys::SortKeys;
use crate::error::Result;
use crate::mem::{Part, Reservation};
use crate::ops::Batches;
use crate::ops::collect::{batch_bytes, compact};

/// Sorted rows.
#[derive(Default)]
pub(super) struct Run {
    blocks: VecDeque<Arc<Block>>,
    /// The key of its last row, until it is closed.
    end: Option<End>,
    pub(super) rows: usize,
}

/// The key of the last row so far, and as a boundary, if that is made.
type End = (Arc<[u8]>, Option<Arc<Boundary>>);

struct Block {
    /// Not behind the key of its first row, and behind that of the last row of the block before unless they are equal.
    first: Arc<Boundary>,
    /// Not before the key of its last row, and not behind the next block's `first`; unknown in a run that grows.
    last: Option<Arc<Boundary>>,
    rows: Batches,
    /// What its rows take in memory, and what it takes to sort them.
    bytes: usize,
    work: usize,
}

/// A range of the rows of some runs.
pub(super) struct Slices(Vec<Slice>);

/// Blocks of one run.
struct Slice {
    blocks: VecDeque<Arc<Block>>,
    /// How many blocks of the run come before.
    before: usize,
    /// Where in the first block it begins, and where in the last block it ends; unless with them.
    from: Option<Bound>,
    to: Option<Bound>,
}

/// Behind all rows of lesser keys, and behind those of this key too, or not.
#[derive(Clone)]
struct Bound {
    key: Arc<Boundary>,
    equal_too: bool,
}

/// The first row of a block.
struct Start {
    key: Arc<Boundary>,
    slice: usize,
    block: usize,
    bytes: usize,
}

/// So many ranges at once need no more than the limit has room for: the most bytes in one.
pub(super) fn range_bytes(limit: usize) -> usize {
    (limit / 16).clamp(1 << 16, 32 << 20)
}

/// About the most bytes of rows in a batch of the result.
pub(super) fn given_bytes(limit: usize) -> usize {
    (range_bytes(limit) / 4).min(1 << 20)
}

/// About the most bytes of rows in a block: so few that a block of each of 256 runs is no more than a range.
pub(super) fn block_bytes(limit: usize) -> usize {
    (limit / 4096).clamp(1 << 12, 1 << 20)
}

impl Run {
    /// Adds rows at the end, where they belong.
    pub(super) fn push(&mut self, batch: RecordBatch, keys: &SortKeys, memory: &Reservation) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let (first, last) = (keys.of_row(&batch, 0)?, keys.of_row(&batch, rows - 1)?);
        // Keys of long texts would be as much as the rows: what tells two blocks apart will do.
        let key = match &self.end {
            Some((end, _)) if **end < *first => shortest_between(end, &first),
            Some((end, _)) => end,
            None => &first,
        };
        let from = match &self.end {
            Some((end, Some(made))) if **end == *key => made.clone(),
            _ => Arc::new(Boundary::new(key, memory.sibling())?),
        };
        let made = (*last == *key).then(|| from.clone());
        self.end_with(from.clone());
        self.end = Some((last, made));
        let (bytes, work) = (batch_bytes(&batch), keys.work_bytes(&batch)?);
        let mut kept = Batches::new(keys.schema.clone(), memory.sibling());
        kept.push(batch)?;
        self.blocks.push_back(Arc::new(Block { first: from, last: None, rows: kept, bytes, work }));
        self.rows += rows;
        Ok(())
    }

    /// No rows come any more.
    pub(super) fn close(&mut self, memory: &Reservation) -> Result<()> {
        match self.end.take() {
            Some((_, Some(made))) => self.end_with(made),
            Some((end, None)) => self.end_with(Arc::new(Boundary::new(&end, memory.sibling())?)),
            None => {}
        }
        Ok(())
    }

    fn end_with(&mut self, key: Arc<Boundary>) {
        if let Some(block) = self.blocks.back_mut().and_then(Arc::get_mut) {
            block.last = Some(key);
        }
    }

    /// What its rows take in memory, wherever they are.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes).sum()
    }

    /// What it holds in memory.
    pub(super) fn held(&self) -> usize {
        let end = self.blocks.back().and_then(|block| block.last.as_ref());
        let mut keys: Vec<_> = self.blocks.iter().map(|block| &block.first).chain(end).collect();
        keys.dedup_by(|a, b| Arc::ptr_eq(a, b));
        keys.iter().map(|key| key.booked()).sum::<usize>()
            + self.blocks.iter().map(|block| block.rows.bytes()).sum::<usize>()
    }

    /// What it takes to read the largest block that is on disk.
    pub(super) fn largest(&self) -> usize {
        self.blocks.iter().filter(|block| block.is_spilled()).map(|block| block.bytes).max().unwrap_or(0)
    }
}

/// The shortest beginning of `key` that is behind `before`, which is less.
fn shortest_between<'a>(before: &[u8], key: &'a [u8]) -> &'a [u8] {
    let common = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    &key[..(common + 1).min(key.len())]
}

impl Block {
    fn is_spilled(&self) -> bool {
        self.rows.bytes() == 0
    }
}

impl Bound {
    /// Whether a row of this key comes before it.
    fn is_behind(&self, key: &Boundary) -> Result<bool> {
        let order = key.compare(&self.key)?;
        Ok(order.is_lt() || self.equal_too && order.is_eq())
    }
}

impl Slices {
    /// All rows of these runs.
    pub(super) fn of(runs: Vec<Run>) -> Slices {
        let slice = |run: Run| Slice { blocks: run.blocks, before: 0, from: None, to: None };
        Slices(runs.into_iter().map(slice).collect())
    }

    /// The first rows of blocks, in order; but for those whose beginning is cut off.
    fn starts(&self) -> Result<Vec<Start>> {
        let of = |(slice, blocks): (usize, &Slice)| {
            let skipped = usize::from(blocks.from.is_some());
            let (before, blocks) = (blocks.before, blocks.blocks.iter().zip(0..).skip(skipped));
            let start = |(block, number): (&Arc<Block>, usize)| Start {
                key: block.first.clone(),
                slice,
                block: before + number,
                bytes: block.bytes,
            };
            blocks.map(start).collect::<VecDeque<_>>()
        };
        let mut lists: Vec<VecDeque<Start>> = self.0.iter().enumerate().map(of).collect();
        // Neighbours become one: of equal keys, those of the slice before come first.
        while lists.len() > 1 {
            let (mut fewer, mut rest) = (vec![], lists.into_iter());
            while let Some(before) = rest.next() {
                fewer.push(match rest.next() {
                    Some(behind) => merged(before, behind)?,
                    None => before,
                });
            }
            lists = fewer;
        }
        Ok(lists.pop().unwrap_or_default().into())
    }

    /// The same rows as ranges of about so many bytes.
    pub(super) fn cut(mut self, bytes: usize) -> Result<Vec<Slices>> {
        let (mut ranges, mut sum) = (Vec::new(), 0);
        for start in self.starts()? {
            if sum > 0 && sum + start.bytes > bytes {
                ranges.push(self.take_before(&start)?);
                sum = 0;
            }
            sum += start.bytes;
        }
        ranges.push(self);
        Ok(ranges)
    }

    /// Takes out the rows before that one.
    fn take_before(&mut self, start: &Start) -> Result<Slices> {
        let slices = self.0.iter_mut().enumerate().map(|(i, slice)| slice.take_before(i, start));
        Ok(Slices(slices.collect::<Result<_>>()?))
    }

    /// Gives the rows in order, in batches of about so many bytes. What is read for that is booked on `memory`; when that is
    /// refused, the range is done in parts, or some of the runs are made one beforehand.
    ///
    /// # Errors
    /// `ErrorKind::Memory` when there is no room for a few blocks.
    pub(super) fn merge(
        mut self,
        keys: &SortKeys,
        bytes: usize,
        memory: &mut Reservation,
        emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        self.0.retain(|slice| !slice.blocks.is_empty());
        if let [slice] = self.0.as_mut_slice() {
            return slice.read(keys, memory, emit);
        }
        if let Err(refused) = memory.try_resize(self.needed(bytes)) {
            let starts = self.starts()?;
            if starts.len() > 1 {
                let first_half = self.take_before(&starts[starts.len() / 2])?;
                first_half.merge(keys, bytes, memory, emit)?;
            } else if self.0.len() > 2 {
                let later = Slices(self.0.split_off(self.0.len() / 2));
                self = Slices::of(vec![self.into_run(keys, memory)?, later.into_run(keys, memory)?]);
            } else {
                return Err(refused);
            }
            return self.merge(keys, bytes, memory, emit);
        }
        // A block that nobody else holds stays booked as long as its rows are here.
        let held: Vec<_> = self.0.iter().flat_map(|slice| slice.blocks.iter().cloned()).collect();
        let mut rows = Vec::new();
        for mut slice in self.0 {
            slice.take_rows(keys, &mut |batch| {
                rows.push(batch);
                Ok(())
            })?;
        }
        keys.sort(&rows, usize::MAX, bytes, emit)?;
        drop((rows, held));
        memory.try_resize(0)
    }

    /// The memory that it takes to merge them into batches of so many bytes: as much again as a block, while it is decoded.
    fn needed(&self, bytes: usize) -> usize {
        let blocks = || self.0.iter().flat_map(|slice| &slice.blocks);
        let spilled = || blocks().filter(|block| block.is_spilled()).map(|block| block.bytes);
        let work = blocks().map(|block| block.work).sum::<usize>();
        let given = bytes.min(blocks().map(|block| block.bytes).sum());
        work + given + spilled().sum::<usize>() + spilled().max().unwrap_or(0)
    }

    /// The same rows as one run.
    pub(super) fn into_run(self, keys: &SortKeys, memory: &mut Reservation) -> Result<Run> {
        let (mut run, own) = (Run::default(), memory.sibling());
        for range in self.cut(range_bytes(own.limit()))? {
            range.merge(keys, block_bytes(own.limit()), memory, &mut |batch| run.push(batch, keys, &own))?;
        }
        run.close(&own)?;
        Ok(run)
    }
}

/// Both in order, the earlier ones of equal keys first.
fn merged(mut before: VecDeque<Start>, mut behind: VecDeque<Start>) -> Result<VecDeque<Start>> {
    let mut all = VecDeque::with_capacity(before.len() + behind.len());
    while let (Some(a), Some(b)) = (before.front(), behind.front()) {
        let next = if a.key.compare(&b.key)?.is_le() { &mut before } else { &mut behind };
        all.extend(next.pop_front());
    }
    all.extend(before);
    all.extend(behind);
    Ok(all)
}

impl Slice {
    fn take_before(&mut self, number: usize, start: &Start) -> Result<Slice> {
        let (count, bound) = if number == start.slice {
            (start.block - self.before, None)
        } else {
            let bound = Bound { key: start.key.clone(), equal_too: number < start.slice };
            let (mut low, mut high) = (0, self.blocks.len());
            while low < high {
                let middle = low.midpoint(high);
                let is_before = bound.is_behind(&self.blocks[middle].first)?;
                (low, high) = if is_before { (middle + 1, high) } else { (low, middle) };
            }
            (low, Some(bound))
        };
        let blocks: VecDeque<_> = self.blocks.drain(..count).collect();
        // It may be that the bound is behind the block.
        let cut = match (bound, blocks.back().map(|block| &block.last)) {
            (Some(bound), Some(Some(last))) if bound.is_behind(last)? => None,
            (bound, _) => bound,
        };
        let cut = cut.filter(|_| !blocks.is_empty());
        let (before, from) = (self.before, if count > 0 { self.from.take() } else { None });
        self.before += count;
        if let (Some(bound), Some(last)) = (&cut, blocks.back()) {
            self.blocks.push_front(last.clone());
            self.before -= 1;
            self.from = Some(bound.clone());
        }
        let to = if self.blocks.is_empty() { self.to.take() } else { cut };
        Ok(Slice { blocks, before, from, to })
    }

    /// Takes its rows out, block by block.
    fn take_rows(&mut self, keys: &SortKeys, emit: &mut dyn FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let mut from = self.from.take();
        while let Some(block) = self.blocks.pop_front() {
            let (from, to) = (from.take(), self.to.as_ref().filter(|_| self.blocks.is_empty()));
            for batch in block.rows.range(0..block.rows.num_rows()) {
                let batch = batch?;
                let place = |bound: &Bound| keys.rows_before(&batch, &bound.key.bytes()?, bound.equal_too);
                let start = from.as_ref().map_or(Ok(0), place)?;
                let end = to.map_or(Ok(batch.num_rows()), place)?;
                if start < end {
                    emit(batch.slice(start, end - start))?;
                }
            }
        }
        Ok(())
    }

    /// Gives its rows, which nothing is merged with.
    fn read(
        &mut self,
        keys: &SortKeys,
        memory: &mut Reservation,
        emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let spilled = self.blocks.iter().filter(|block| block.is_spilled());
        memory.try_resize(2 * spilled.map(|block| block.bytes).max().unwrap_or(0))?;
        self.take_rows(keys, &mut |batch| emit(compact(&batch)?))?;
        memory.try_resize(0)
    }
}
