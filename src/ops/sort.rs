//! Sorts rows by keys, in parallel and on disk where they don't fit; with a limit, holds little more than the rows that can be
//! in the result.
//!
//! Without texts, and without a limit, rows are [packed]: laid out side by side as words ([`layout`]).
//!
//! 1. A state puts some thousands of rows in order at a time, and [holds](held) them in memory; where that is short, what it holds goes to
//!    disk as a sorted [run](spilled).
//! 2. States merge by listing what they have: nothing is compared.
//! 3. At the end all rows are [cut] into ranges, each of which is sorted by itself out of its slices of all sources, and given as it is sorted.
//!
//! Else a state keeps batches, which are sorted when they are many ([`order`]), gathered ([`gather`]), and become a [run](runs): blocks in
//! memory, or on disk. With a limit, twice as many rows are cut back to it, and from then on only rows before the last one enter. Where
//! the first rows of groups alone are wanted, most rows are dropped as they come, or while they wait ([`sift`]).
//!
//! Of the CPU time of sorting 56 million rows of six columns by a float into Parquet, 48 % is encoding Parquet, 20 % sorting ranges, 19 %
//! packing rows and putting them in order as they come, 11 % reading CSV. What was tried:
//!
//! - To gather runs of 80 MB from batches that were not sorted by themselves took three times as long.
//! - To hold batches in place of making runs of them took 15 % off; without copying the slices of a range together first it cost 30 %.
//! - To hold them packed, each column by itself, took 20 % off, and three quarters of the memory: what is not touched for the first time
//!   costs no page of zeros. To begin the copies of 16 slices together, before any is copied, took two thirds off the copying.
//! - Packed row by row, and 65,536 rows in order at a time in place of 8,000: 27 % off (medians of three in turns). A row that is picked is
//!   one line of the cache in place of six, and slices are long. To sort a quarter of a million rows at a time in place of 700 thousand,
//!   or 65 thousand, took another twentieth.
//! - Rows that are spilled as they are, in place of columns that are gathered into runs: a fifth off where memory is short.
//! - To make the words that are sorted in one pass, where there is one key, took 3 % of the user time off (medians of five in turns).
//! - To find where ranges end by those who sort them, and to have smaller partitions at the end, took 12 % off (medians of five in
//!   turns): one thread had searched for half a second, and read for as long, while the other waited.
//! - To find the ends of all ranges in one source after the other, while it is in the cache, took 7 % off (medians of three in turns).
//! - To encode Parquet 4,096 rows at a time took some 3 % off (medians of four in turns).
//! - Parquet columns without dictionaries where values look unlike each other gained nothing; integers packed as differences in place of
//!   dictionaries took some 6 % off (of five runs in turns), and made the file a quarter larger. Dictionaries of at most 256 KB took 3 % off,
//!   and made it 9 % larger: still a tenth smaller than the smallest of other engines.

mod boundary;
mod cut;
mod gather;
mod held;
mod keys;
mod layout;
mod order;
mod packed;
mod runs;
mod sift;
mod spilled;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use self::cut::Cut;
use self::held::{Held, ROWS_IN_ORDER};
use self::keys::{Last, SortKeys};
use self::order::ENTRY_BYTES;
use self::packed::row_bytes;
use self::runs::{Run, Slices, block_bytes, given_bytes, range_bytes};
use self::sift::{MOST_ROWS, Sift};
use super::collect::{batch_bytes, compact};
use super::{Batches, Emit, Ending, Flow, Piece, Reducer};
use crate::error::{Error, Result};
use crate::expr::BoundSortKey;
use crate::mem::Reservation;

/// Sorts by keys; ties keep the order in which they came.
pub(crate) struct SortOp {
    keys: Arc<SortKeys>,
    limit: usize,
    /// Whether rows are packed: there is no limit and no text, keys included.
    packs: bool,
    /// Of how many rows of each group no one that is not among the first of them is wanted; groups are by all keys but the last.
    first_of_groups: Option<usize>,
}

/// Rows as they came, and sorted runs of rows that came before them.
pub(crate) struct SortState {
    batches: Vec<RecordBatch>,
    rows: usize,
    /// What the batches take, and what it takes to sort them.
    bytes: usize,
    /// The last row of as many as the limit.
    last: Option<Last>,
    /// Where rows are packed, all of them: one of each state that was merged.
    held: Vec<Held>,
    runs: Vec<Run>,
    sift: Option<Sift>,
    /// Books the batches.
    memory: Reservation,
    scratch: Vec<i64>,
}

/// So many bytes become a run: of more, what is gathered lies too far apart for the caches; of fewer, there are too many runs.
const RUN_BYTES: usize = 32 << 20;

/// So many rows are packed together at least.
const FEWEST_ROWS: usize = 1 << 4;

/// Ranges are at least so many, so that all threads have work; unless they would be smaller than it pays.
const FEW_RANGES: usize = 16;
const MIN_RANGE_BYTES: usize = 1 << 20;

impl SortOp {
    pub(crate) fn new(schema: SchemaRef, keys: Vec<BoundSortKey>, limit: Option<usize>) -> SortOp {
        let limit = limit.unwrap_or(usize::MAX);
        let keys = Arc::new(SortKeys::new(schema, keys));
        SortOp { packs: limit == usize::MAX && keys.can_pack(), keys, limit, first_of_groups: None }
    }

    /// The same where nobody sees other rows than the first so many that have equal keys but for the last.
    pub(crate) fn for_first_of_groups(self, rows: usize) -> SortOp {
        let first_of_groups = (rows <= MOST_ROWS && self.keys.last_is_number()).then_some(rows);
        SortOp { first_of_groups, ..self }
    }

    /// Lets the rows of a batch wait that may be among the first of their groups.
    fn sift(&self, state: &mut SortState, batch: &RecordBatch) -> Result<()> {
        let Some(sift) = &mut state.sift else { return self.enter(state, batch) };
        let mut keys = self.keys.columns(batch)?;
        let values = keys.pop().ok_or_else(|| Error::internal("rows of groups are sorted by nothing"))?;
        let Some(mask) = sift.may_be_first(&keys, &values)? else {
            self.settle(state)?;
            state.sift = None;
            return self.enter(state, batch);
        };
        let passed = match mask.true_count() {
            0 => return Ok(()),
            passed if passed == batch.num_rows() => compact(batch)?,
            _ => compact(&filter_record_batch(batch, &mask)?)?,
        };
        if !sift.wait(&passed, &mask) {
            self.settle(state)?;
            return self.enter(state, &passed);
        }
        self.look_through(state)
    }

    /// Drops rows that were beaten while they waited, if many wait; where hardly any was, none need wait any more.
    fn look_through(&self, state: &mut SortState) -> Result<()> {
        let Some(sift) = state.sift.as_mut().filter(|sift| sift.is_due()) else { return Ok(()) };
        if !sift.compare_again(|batch| self.keys.last_column(batch))? {
            self.settle(state)?;
            state.sift = None;
        }
        Ok(())
    }

    /// Lets no rows wait any more: those that may be among the first of their groups are to be sorted.
    fn settle(&self, state: &mut SortState) -> Result<()> {
        if let Some(sift) = &mut state.sift {
            sift.compare_again(|batch| self.keys.last_column(batch))?;
        }
        while let Some(sift) = &mut state.sift
            && let Some(batch) = sift.next()?
        {
            self.enter(state, &batch)?;
        }
        Ok(())
    }

    /// Takes in rows that are to be sorted.
    fn enter(&self, state: &mut SortState, batch: &RecordBatch) -> Result<()> {
        if self.packs {
            return self.hold(state, batch);
        }
        let work = self.keys.work_bytes(batch)?;
        let more = batch_bytes(batch) + work;
        let mut booked = state.memory.try_resize_with_some_left(state.bytes + more);
        if !booked {
            self.make_run(state)?;
            booked = state.memory.try_resize_with_some_left(more);
        }
        let batch = compact(batch)?;
        state.bytes += batch.get_array_memory_size() + work;
        state.rows += batch.num_rows();
        state.batches.push(batch);
        if !booked {
            // What has no room even alone is a run of its own.
            self.make_run(state)?;
        } else if state.bytes > RUN_BYTES {
            self.make_run(state)?;
        } else if state.rows >= self.limit.saturating_mul(2) {
            self.prune(state)?;
        } else {
            self.book(state)?;
        }
        Ok(())
    }

    /// Sorts the batches and drops the rows beyond the limit.
    fn prune(&self, state: &mut SortState) -> Result<()> {
        let mut kept = Vec::new();
        self.keys.sort(&state.batches, self.limit, given_bytes(state.memory.limit()), &mut |batch| {
            kept.push(batch);
            Ok(())
        })?;
        state.rows = self.limit.min(state.rows);
        state.bytes = 0;
        for batch in &kept {
            state.bytes += batch.get_array_memory_size() + self.keys.work_bytes(batch)?;
        }
        if let Some(batch) = kept.last() {
            state.last = self.keys.last(batch)?;
        }
        state.batches = kept;
        self.book(state)
    }

    /// Books the batches, or makes them a run.
    fn book(&self, state: &mut SortState) -> Result<()> {
        if state.memory.try_resize(state.bytes).is_ok() { Ok(()) } else { self.make_run(state) }
    }

    /// The batches become a run.
    fn make_run(&self, state: &mut SortState) -> Result<()> {
        let (run, last) = self.run_of(&state.batches, &state.memory)?;
        if run.rows > 0 {
            state.runs.push(run);
        }
        state.last = last.or(state.last.take());
        (state.batches, state.rows, state.bytes) = (vec![], 0, 0);
        state.memory.try_resize(0)
    }

    /// These rows as a run; and the last of them, if they are as many as the limit.
    fn run_of(&self, batches: &[RecordBatch], memory: &Reservation) -> Result<(Run, Option<Last>)> {
        let (mut run, mut last) = (Run::default(), None);
        self.keys.sort(batches, self.limit, block_bytes(memory.limit()), &mut |batch| {
            if run.rows + batch.num_rows() == self.limit {
                last = self.keys.last(&batch)?;
            }
            run.push(batch, &self.keys, memory)
        })?;
        run.close(memory)?;
        Ok((run, last))
    }

    /// Holds the rows of a batch packed, in memory or on disk.
    fn hold(&self, state: &mut SortState, batch: &RecordBatch) -> Result<()> {
        if state.held.is_empty() {
            state.held.push(Held::new(state.memory.sibling()));
        }
        let Some(held) = state.held.last_mut() else { return Ok(()) };
        // As many at a time as there is room for however little there is.
        let row = 4 * row_bytes(&self.keys.schema) + ENTRY_BYTES;
        let most = (state.memory.limit() / 16 / row).clamp(FEWEST_ROWS, ROWS_IN_ORDER);
        for start in (0..batch.num_rows()).step_by(most) {
            let rows = batch.slice(start, most.min(batch.num_rows() - start));
            held.push(&rows, &self.keys)?;
        }
        Ok(())
    }

    /// No rows come any more.
    fn put_away(&self, state: &mut SortState) -> Result<()> {
        if let Some(held) = state.held.last_mut() {
            held.close(&self.keys)?;
        }
        if state.batches.is_empty() { Ok(()) } else { self.make_run(state) }
    }

    /// The rows of all runs as ranges, in order.
    fn ranges(&self, mut runs: Vec<Run>, memory: &mut Reservation) -> Result<Vec<Slices>> {
        let most = range_bytes(memory.limit());
        // A range reads a block of every run, of which it may need little: together no more than it needs anyway.
        while runs.len() > 2 && runs.iter().map(Run::largest).sum::<usize>() > most {
            let (mut fewer, mut neighbours, mut sum) = (vec![], vec![], 0);
            for run in runs {
                if neighbours.len() > 1 && sum + run.largest() > most {
                    fewer.push(Slices::of(std::mem::take(&mut neighbours)).into_run(&self.keys, memory)?);
                    sum = 0;
                }
                sum += run.largest();
                neighbours.push(run);
            }
            fewer.push(Slices::of(neighbours).into_run(&self.keys, memory)?);
            runs = fewer;
        }
        let all: usize = runs.iter().map(Run::bytes).sum();
        Slices::of(runs).cut(most.min((all / FEW_RANGES).max(MIN_RANGE_BYTES)))
    }
}

impl Reducer for SortOp {
    const HOLDS: &'static str = "rows to sort";
    const SPILLS: bool = true;
    type State = SortState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.keys.schema
    }

    fn new_state(&self, memory: Reservation) -> SortState {
        let sift = self.first_of_groups.map(|rows| self.keys.sift(rows, memory.sibling()));
        SortState {
            batches: vec![],
            rows: 0,
            bytes: 0,
            last: None,
            held: vec![],
            runs: vec![],
            sift,
            memory,
            scratch: vec![],
        }
    }

    fn update(&self, state: &mut SortState, batch: &RecordBatch) -> Result<Flow> {
        if self.limit == 0 {
            return Ok(Flow::Enough);
        }
        match &state.last {
            Some(last) => {
                if let Some(batch) = self.keys.entering(batch, last, &mut state.scratch)? {
                    self.enter(state, &batch)?;
                }
            }
            None if batch.num_rows() > 0 => self.sift(state, batch)?,
            None => {}
        }
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut SortState) -> Result<()> {
        state.scratch = vec![];
        if let Some(sift) = &mut state.sift {
            sift.compare_again(|batch| self.keys.last_column(batch))?;
            sift.seal()?;
        }
        self.put_away(state)
    }

    fn merge(&self, state: &mut SortState, mut later: SortState) -> Result<()> {
        // Rows that wait come behind all others of their state.
        let nothing_between = later.batches.is_empty() && later.held.is_empty() && later.runs.is_empty();
        let wait_together = match (&mut state.sift, &mut later.sift) {
            (Some(sift), Some(later)) if nothing_between => sift.absorb(later)?,
            _ => false,
        };
        if wait_together {
            return self.look_through(state);
        }
        self.settle(state)?;
        self.settle(&mut later)?;
        state.sift = None;
        self.put_away(state)?;
        self.put_away(&mut later)?;
        state.held.append(&mut later.held);
        state.runs.append(&mut later.runs);
        let rows: usize = state.runs.iter().map(|run| run.rows).sum();
        if rows > self.limit.saturating_mul(4) {
            let mut first = Run::default();
            let memory = state.memory.sibling();
            self.first_rows(state, block_bytes(memory.limit()), &mut |batch| first.push(batch, &self.keys, &memory))?;
            first.close(&memory)?;
            state.runs.push(first);
        }
        Ok(())
    }

    fn finish(&self, state: SortState) -> Result<Batches> {
        let nothing = Batches::new(self.keys.schema.clone(), state.memory.sibling());
        self.end(state)?.alone(nothing)
    }

    fn end(&self, mut state: SortState) -> Result<Ending<Batches>> {
        self.settle(&mut state)?;
        state.sift = None;
        self.put_away(&mut state)?;
        if !state.held.is_empty() {
            return self.end_of_held(state);
        }
        if self.limit < usize::MAX {
            let mut first = Batches::new(self.keys.schema.clone(), state.memory.sibling());
            let bytes = given_bytes(first.memory().limit());
            self.first_rows(&mut state, bytes, &mut |batch| first.push(batch))?;
            return Ok(Ending::Whole(first));
        }
        let ranges = self.ranges(std::mem::take(&mut state.runs), &mut state.memory)?;
        let piece = |range: Slices| -> Piece {
            let (keys, mut memory) = (self.keys.clone(), state.memory.sibling());
            let nothing = Batches::new(keys.schema.clone(), memory.sibling());
            let give = move |emit: &mut Emit<'_>| {
                let bytes = given_bytes(memory.limit());
                range.merge(&keys, bytes, &mut memory, emit)
            };
            Piece::ByBatch(nothing, Box::new(give))
        };
        Ok(Ending::Pieces(ranges.into_iter().map(piece).collect()))
    }

    fn bytes(&self, state: &SortState) -> usize {
        let sift = state.sift.as_ref().map_or(0, Sift::bytes);
        let held: usize = state.held.iter().map(Held::bytes).sum();
        state.memory.bytes() + held + state.runs.iter().map(Run::held).sum::<usize>() + sift
    }
}

impl SortOp {
    /// Ranges out of what is held.
    fn end_of_held(&self, state: SortState) -> Result<Ending<Batches>> {
        let rows: usize = state.held.iter().map(Held::num_rows).sum();
        let all = rows * row_bytes(&self.keys.schema);
        let bytes = range_bytes(state.memory.limit()).min((all / FEW_RANGES).max(MIN_RANGE_BYTES));
        let cut = Arc::new(Cut::of(state.held, self.keys.clone(), bytes, &state.memory)?);
        let piece = |range: usize| -> Piece {
            let (cut, mut memory) = (cut.clone(), state.memory.sibling());
            let nothing = Batches::new(self.keys.schema.clone(), memory.sibling());
            let give = move |emit: &mut Emit<'_>| {
                let bytes = given_bytes(memory.limit());
                cut.give(range, bytes, &mut memory, emit)
            };
            Piece::ByBatch(nothing, Box::new(give))
        };
        Ok(Ending::Pieces((0..cut.ranges()).map(piece).collect()))
    }

    /// Takes the runs and gives as many of their first rows as the limit.
    fn first_rows(
        &self,
        state: &mut SortState,
        bytes: usize,
        emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut left = self.limit;
        for range in self.ranges(std::mem::take(&mut state.runs), &mut state.memory)? {
            if left == 0 {
                break;
            }
            range.merge(&self.keys, bytes, &mut state.memory, &mut |batch| {
                let rows = batch.num_rows().min(left);
                left -= rows;
                if rows < batch.num_rows() { emit(compact(&batch.slice(0, rows))?) } else { emit(batch) }
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
