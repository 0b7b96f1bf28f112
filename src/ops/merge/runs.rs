//! Rows in the order of a number, their last column, and how such runs become one. Where nobody sees the order there are no numbers.

use std::ops::Range;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::mem::{Part, Reservation};
use crate::ops::collect::{batch_bytes, compact};
use crate::ops::{Batches, Flow, OUTPUT_ROWS};

/// A row's number is its partition in the upper bits, and its place in the partition.
pub(super) const PLACE_BITS: u32 = 40;

/// The most runs that are read at a time.
const MAX_FAN_IN: usize = 64;

/// Rows whose last column, a number, ascends; or rows in any order.
pub(crate) struct Run {
    rows: Batches,
    ordered: bool,
    /// Where the rows of each partition begin, of those that have any.
    starts: Vec<(usize, usize)>,
}

impl Run {
    /// No rows yet; they have numbers if they are to be in order.
    pub(super) fn new(schema: SchemaRef, ordered: bool, memory: Reservation) -> Run {
        Run { rows: Batches::new(schema, memory), ordered, starts: vec![] }
    }

    /// Adds rows, which come behind all that are there.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if !self.ordered {
            return self.rows.push(compact(batch)?);
        }
        let rows = batch.num_rows();
        // So small that as many blocks as are read at a time take little.
        let block = (self.rows.memory().limit() / (16 * MAX_FAN_IN)).clamp(64, 1 << 20);
        let pieces = batch_bytes(batch).div_ceil(block).clamp(1, rows.max(1));
        for piece in 0..pieces {
            let (start, end) = (rows * piece / pieces, rows * (piece + 1) / pieces);
            self.push_block(compact(&batch.slice(start, end - start))?)?;
        }
        Ok(())
    }

    fn push_block(&mut self, batch: RecordBatch) -> Result<()> {
        let numbers = numbers(&batch);
        let mut at = 0;
        while at < numbers.len() {
            let partition = numbers.value(at) >> PLACE_BITS;
            if self.starts.last().is_none_or(|(last, _)| *last != partition as usize) {
                self.starts.push((partition as usize, self.rows.num_rows() + at));
            }
            at += numbers.values()[at..].partition_point(|number| number >> PLACE_BITS == partition);
        }
        self.rows.push(batch)
    }

    /// Where the rows of a partition are.
    fn range(&self, partition: usize) -> Range<usize> {
        let at = self.starts.partition_point(|(other, _)| *other < partition);
        let start = |at: usize| self.starts.get(at).map_or(self.rows.num_rows(), |(_, start)| *start);
        let end = if self.starts.get(at).is_some_and(|(other, _)| *other == partition) { at + 1 } else { at };
        start(at)..start(end)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.starts.capacity() * size_of::<(usize, usize)>()
    }

    /// One run of several, and of one without rows; rows of equal numbers in the order of their runs.
    pub(super) fn merged(mut runs: Vec<Run>, mut none: Run) -> Result<Run> {
        if !none.ordered {
            runs.into_iter().for_each(|run| none.rows.append(run.rows));
            return Ok(none);
        }
        let (schema, memory) = (none.rows.schema(), none.rows.memory());
        loop {
            runs = match runs.len() {
                0 => return Ok(none),
                1 => return Ok(runs.remove(0)),
                _ => {
                    let mut merged = Vec::new();
                    let mut rest = runs.into_iter().peekable();
                    while rest.peek().is_some() {
                        let some = rest.by_ref().take(MAX_FAN_IN).map(|run| {
                            let all = 0..run.rows.num_rows();
                            run.rows.into_range(all)
                        });
                        let mut one = Run::new(schema.clone(), true, memory.sibling());
                        merge(some.collect(), memory.sibling(), &mut |batch| {
                            one.push(&batch)?;
                            Ok(Flow::More)
                        })?;
                        merged.push(one);
                    }
                    merged
                }
            };
        }
    }

    /// Gives the rows of a partition on, one of so many, in order, without their numbers. Where rows are in no order, each run is of one
    /// partition.
    pub(crate) fn partition(
        runs: &[Run],
        (partition, partitions): (usize, usize),
        next: &mut dyn FnMut(RecordBatch) -> Result<Flow>,
    ) -> Result<Flow> {
        let Some(first) = runs.first() else { return Ok(Flow::More) };
        if !first.ordered {
            for run in runs.iter().skip(partition).step_by(partitions.max(1)) {
                for batch in run.rows.range(0..run.rows.num_rows()) {
                    if next(batch?)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            return Ok(Flow::More);
        }
        let some = runs.iter().filter_map(|run| {
            let range = run.range(partition);
            (!range.is_empty()).then(|| run.rows.range(range))
        });
        merge(some.collect(), first.rows.memory(), &mut |mut batch| {
            batch.remove_column(batch.num_columns() - 1);
            next(batch)
        })
    }
}

fn numbers(batch: &RecordBatch) -> &Int64Array {
    batch.column(batch.num_columns() - 1).as_primitive()
}

/// A run that is being read: one batch of it is in memory.
struct Cursor<I> {
    rest: I,
    batch: RecordBatch,
    at: usize,
}

/// Merges runs; rows of equal numbers in the order of their runs.
///
/// All rows in memory up to the least last number are sorted, and given on; the batch which that stands in is used up then.
fn merge<I: Iterator<Item = Result<RecordBatch>>>(
    runs: Vec<I>,
    mut memory: Reservation,
    next: &mut dyn FnMut(RecordBatch) -> Result<Flow>,
) -> Result<Flow> {
    let mut cursors = Vec::with_capacity(runs.len());
    for mut rest in runs {
        if let Some(batch) = rest.next() {
            cursors.push(Cursor { rest, batch: batch?, at: 0 });
        }
    }
    let mut order: Vec<(i64, u32, u32)> = Vec::new();
    let last = |cursor: &Cursor<I>| numbers(&cursor.batch).values().last().copied();
    while let Some((least, bound)) = cursors.iter().map(last).enumerate().min_by_key(|(_, last)| *last) {
        let held: usize = cursors.iter().map(|cursor| batch_bytes(&cursor.batch) + 16 * cursor.batch.num_rows()).sum();
        memory.try_resize(2 * held)?;
        order.clear();
        for (nth, cursor) in cursors.iter_mut().enumerate() {
            // More rows of the same number may follow the least; those of runs behind it come later.
            let numbers = &numbers(&cursor.batch).values()[cursor.at..];
            let rows =
                numbers.partition_point(|number| Some(*number) < bound || nth <= least && Some(*number) == bound);
            order
                .extend(numbers[..rows].iter().zip(cursor.at as u32..).map(|(number, row)| (*number, nth as u32, row)));
            cursor.at += rows;
        }
        order.sort_by_key(|(number, ..)| *number);
        let batches: Vec<&RecordBatch> = cursors.iter().map(|cursor| &cursor.batch).collect();
        for rows in order.chunks(OUTPUT_ROWS) {
            let rows: Vec<(usize, usize)> = rows.iter().map(|(_, nth, row)| (*nth as usize, *row as usize)).collect();
            if next(interleave_record_batch(&batches, &rows)?)? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        let mut nth = 0;
        while nth < cursors.len() {
            let cursor = &mut cursors[nth];
            if cursor.at < cursor.batch.num_rows() {
                nth += 1;
                continue;
            }
            match cursor.rest.next() {
                Some(batch) => (cursor.batch, cursor.at) = (batch?, 0),
                None => drop(cursors.remove(nth)),
            }
        }
    }
    Ok(Flow::More)
}
