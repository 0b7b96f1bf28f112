//! An as-of merge whose right rows do not fit: interval by interval.
//!
//! Right rows are sorted by their keys and what is to be near, and cut into chunks that fit. A left row's nearest then stands in the
//! chunk in whose interval the left row falls, in the last row before it, or in the first row behind it: each chunk becomes a table
//! with these two. Of rows equal in all the last before counts, or the first behind.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};

use super::build::Room;
use super::large::{Check, JoinedBucket, LargeMerge, chunks, look_up};
use super::scatter::ScatterOp;
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, BoundSortKey, Direction};
use crate::mem::Reservation;
use crate::ops::collect::compact;
use crate::ops::key::{KeyColumn, Rows, encode};
use crate::ops::{Batches, Reducer, SortOp};

impl LargeMerge {
    /// Merges a bucket as of, in intervals.
    pub(super) fn by_interval(
        &self,
        left: impl Iterator<Item = Result<RecordBatch>>,
        right: Batches,
        check: Check,
    ) -> Result<JoinedBucket> {
        let lacking = || Error::internal("an as-of merge without what is to be near");
        let memory = right.memory();
        let schema = self.build.schema().clone();
        let of_right: Vec<BoundExpr> = self.build.keys().iter().chain(self.build.order()).cloned().collect();
        let (near, how) = self.probe.near().ok_or_else(lacking)?;
        let of_left: Vec<BoundExpr> = self.probe.keys().iter().chain([near]).cloned().collect();
        let first_counts = how.direction == Direction::Forward && how.exact;

        let key = |expr: &BoundExpr| BoundSortKey { expr: expr.clone(), descending: false, nulls_first: false };
        let sort = SortOp::new(schema.clone(), of_right.iter().map(key).collect(), None);
        let mut state = sort.new_state(memory.of_holder(SortOp::HOLDS));
        sort.update_all(&mut state, right)?;
        let right = sort.end(state)?.alone(Batches::new(schema, memory.sibling()))?;
        check()?;

        // The first row of each chunk; a left row goes to the last chunk that begins at or before it.
        let chunks = chunks(&right);
        let mut firsts = Rows::default();
        for chunk in &chunks {
            for batch in right.range(chunk.start..chunk.start + 1) {
                keys(&of_right, &batch?, &mut firsts)?;
            }
        }
        let cut = ScatterOp::new(self.left.clone(), vec![], true, chunks.len(), 0, false);
        let mut state = cut.new_state(memory.sibling());
        for batch in left {
            check()?;
            let batch = batch?;
            let mut rows = Rows::default();
            keys(&of_left, &batch, &mut rows)?;
            let chunk = |key: &[u8]| {
                let begin =
                    |chunk: usize| if first_counts { firsts.row(chunk) < key } else { firsts.row(chunk) <= key };
                let (mut low, mut high) = (0, chunks.len());
                while low < high {
                    let middle = (low + high) / 2;
                    (low, high) = if begin(middle) { (middle + 1, high) } else { (low, middle) };
                }
                low.saturating_sub(1)
            };
            cut.put(&mut state, &batch, rows.iter().map(chunk))?;
        }
        let lefts = cut.cut_all(state)?;

        let (mut runs, mut before) = (vec![], None);
        for ((nth, chunk), left) in chunks.iter().enumerate().zip(lefts) {
            let (mut batches, booked) = loaded(&right, chunk.start..(chunk.end + 1).min(right.num_rows()), &memory)?;
            let next = chunks.get(nth + 1).map(|_| firsts.row(nth + 1));
            let last = next.map(|next| last_before(&of_right, &batches, next)).transpose()?.flatten();
            batches.splice(0..0, before.clone());
            before = last.or(before);
            let table = self.build.table(batches, booked, Room::All).map_err(|(.., error)| error)?;
            let (mut run, all) = (self.new_run(&memory), 0..left.num_rows());
            look_up(&self.probe, &table, left.into_range(all), &mut |batch| run.push(&batch), check)?;
            runs.push(run);
        }
        self.merged(runs, vec![], &memory)
    }
}

/// Appends the keys of a batch's rows.
fn keys(exprs: &[BoundExpr], batch: &RecordBatch, out: &mut Rows) -> Result<()> {
    let columns = exprs.iter().map(|expr| expr.eval(batch)).collect::<Result<Vec<ArrayRef>>>()?;
    let layout: Vec<KeyColumn> = exprs.iter().map(|expr| KeyColumn::ascending(expr.kind())).collect();
    encode(&columns, &layout, out)
}

/// These rows, and the memory that a table of them needs.
pub(super) fn loaded(
    rows: &Batches,
    range: Range<usize>,
    memory: &Reservation,
) -> Result<(Vec<RecordBatch>, Reservation)> {
    let (mut batches, mut bytes, mut memory) = (vec![], 0, memory.sibling());
    for batch in rows.range(range) {
        let batch = compact(&batch?)?;
        bytes += batch.get_array_memory_size();
        memory.try_resize(2 * bytes)?;
        batches.push(batch);
    }
    Ok((batches, memory))
}

/// The last row that comes before a key.
fn last_before(exprs: &[BoundExpr], batches: &[RecordBatch], key: &[u8]) -> Result<Option<RecordBatch>> {
    for batch in batches.iter().rev() {
        let mut rows = Rows::default();
        keys(exprs, batch, &mut rows)?;
        if let Some(row) = (0..rows.len()).rev().find(|row| rows.row(*row) < key) {
            return Ok(Some(compact(&batch.slice(row, 1))?));
        }
    }
    Ok(None)
}
