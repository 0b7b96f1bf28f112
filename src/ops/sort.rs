//! Sorts rows by keys as bytes; with a limit, holds little more than the rows that can be in the result.
//!
//! 1. A batch is kept as it is (in memory of its own), its keys are encoded so that comparing bytes compares rows, and
//!    `order` lists its rows.
//! 2. Sorting permutes `order` alone. It is stable, and finds the runs that are sorted already: a merge of two states is one
//!    pass over both.
//! 3. With a limit, twice as many rows are cut back to the limit, and from then on only rows below the last one enter.
//! 4. When memory is short, the rows so far are written in order, with their keys, to a run on disk ([`runs`]).
//! 5. At the end rows are gathered in order, or runs are merged.

mod runs;

use std::cmp::Ordering;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;

use self::runs::{Run, merge};
use super::collect::{batch_bytes, compact};
use super::key::{KeyColumn, Rows, encode};
use super::{Batches, Flow, OUTPUT_ROWS, Reducer, vec_bytes_with};
use crate::error::Result;
use crate::expr::{BoundExpr, BoundSortKey};
use crate::mem::Reservation;

/// Sorts by keys; ties keep the order in which they came.
pub(crate) struct SortOp {
    schema: SchemaRef,
    exprs: Vec<BoundExpr>,
    layout: Vec<KeyColumn>,
    limit: usize,
}

/// Rows with their keys, and an order of them.
pub(crate) struct SortState {
    batches: Vec<RecordBatch>,
    /// The keys of every batch's rows.
    keys: Vec<Rows>,
    /// Batch and row: sorted up to `sorted`, then as they came.
    order: Vec<(u32, u32)>,
    sorted: usize,
    /// The last row of as many as the limit: a row enters only below it.
    last: Option<Vec<u8>>,
    /// Rows that came before those, sorted and spilled.
    runs: Vec<Run>,
    bytes: usize,
    memory: Reservation,
}

/// About so many bytes of rows are gathered at a time on their way to a run.
const GATHER_BYTES: usize = 1 << 22;

impl SortOp {
    pub(crate) fn new(schema: SchemaRef, keys: Vec<BoundSortKey>, limit: Option<usize>) -> SortOp {
        let layout = keys
            .iter()
            .map(|key| KeyColumn { kind: key.expr.kind(), descending: key.descending, nulls_first: key.nulls_first })
            .collect();
        let exprs = keys.into_iter().map(|key| key.expr).collect();
        SortOp { schema, exprs, layout, limit: limit.unwrap_or(usize::MAX) }
    }

    /// Sorts what came since the last time, and cuts at the limit.
    fn settle(&self, state: &mut SortState) {
        let SortState { keys, order, sorted, .. } = state;
        let compare = |a: &(u32, u32), b: &(u32, u32)| -> Ordering {
            keys[a.0 as usize].row(a.1 as usize).cmp(keys[b.0 as usize].row(b.1 as usize))
        };
        if *sorted < order.len() {
            order.sort_by(compare);
        }
        order.truncate(self.limit);
        *sorted = order.len();
    }

    /// Drops the rows beyond the limit, with their memory.
    fn prune(&self, state: &mut SortState) -> Result<()> {
        self.settle(state);
        let batch = compact(&gather(&state.batches, &state.order)?)?;
        let mut keys = Rows::default();
        state.order.iter().for_each(|(b, r)| keys.push(state.keys[*b as usize].row(*r as usize)));
        state.last = (keys.len() == self.limit).then(|| keys.iter().last().unwrap_or_default().to_vec());
        state.order = (0..batch.num_rows() as u32).map(|row| (0, row)).collect();
        state.bytes = batch.get_array_memory_size() + keys.bytes();
        (state.batches, state.keys) = (vec![batch], vec![keys]);
        self.book(state)
    }

    /// Books what is held, or spills it.
    fn book(&self, state: &mut SortState) -> Result<()> {
        if state.memory.try_resize(self.bytes(state)).is_ok() { Ok(()) } else { self.spill(state) }
    }

    /// Writes the rows that are held to a run.
    fn spill(&self, state: &mut SortState) -> Result<()> {
        self.settle(state);
        let key = |(batch, row): (u32, u32)| state.keys[batch as usize].row(row as usize);
        if state.order.len() == self.limit {
            state.last = state.order.last().map(|row| key(*row).to_vec());
        }
        if let Some(row_bytes) = state.bytes.checked_div(state.order.len()) {
            let mut run = Run::default();
            for rows in state.order.chunks((GATHER_BYTES / row_bytes.max(1)).clamp(1, OUTPUT_ROWS)) {
                let keys: Vec<&[u8]> = rows.iter().map(|row| key(*row)).collect();
                run.push(&gather(&state.batches, rows)?, &keys, &state.memory)?;
            }
            state.runs.push(run);
        }
        (state.batches, state.keys, state.order) = (vec![], vec![], vec![]);
        (state.sorted, state.bytes) = (0, 0);
        state.memory.try_resize(0)
    }
}

impl Reducer for SortOp {
    const HOLDS: &'static str = "rows to sort";
    const SPILLS: bool = true;
    type State = SortState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> SortState {
        SortState {
            batches: vec![],
            keys: vec![],
            order: vec![],
            sorted: 0,
            last: None,
            runs: vec![],
            bytes: 0,
            memory,
        }
    }

    fn update(&self, state: &mut SortState, batch: &RecordBatch) -> Result<Flow> {
        if self.limit == 0 {
            return Ok(Flow::Enough);
        }
        let columns = self.exprs.iter().map(|e| e.eval(batch)).collect::<Result<Vec<_>>>()?;
        let mut keys = Rows::default();
        encode(&columns, &self.layout, &mut keys)?;
        let mut entering = None;
        if let Some(last) = &state.last {
            let below: Vec<u32> =
                (0..).zip(keys.iter()).filter(|(_, key)| *key < last.as_slice()).map(|(i, _)| i).collect();
            let mut kept = Rows::default();
            below.iter().for_each(|row| kept.push(keys.row(*row as usize)));
            keys = kept;
            entering = Some(take_record_batch(batch, &UInt32Array::from(below))?);
        }
        let batch = entering.as_ref().unwrap_or(batch);
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(Flow::More);
        }
        let more = batch_bytes(batch) + keys.bytes();
        let book = |state: &mut SortState| {
            let bytes = state.bytes + more + vec_bytes_with(&state.order, rows);
            state.memory.try_resize_with_some_left(bytes)
        };
        let mut booked = book(state);
        if !booked {
            self.spill(state)?;
            booked = book(state);
        }
        let batch = compact(batch)?;
        state.bytes += batch.get_array_memory_size() + keys.bytes();
        state.order.extend((0..rows as u32).map(|row| (state.batches.len() as u32, row)));
        state.batches.push(batch);
        state.keys.push(keys);
        // What has no room even alone is a run of its own.
        if booked {
            self.book(state)?
        } else {
            self.spill(state)?
        }
        if state.order.len() >= self.limit.saturating_mul(2) {
            self.prune(state)?;
        }
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut SortState) -> Result<()> {
        // It waits now, while others work.
        let bytes = self.bytes(state);
        if state.memory.try_resize_within_half(bytes) { Ok(()) } else { self.spill(state) }
    }

    fn merge(&self, state: &mut SortState, mut later: SortState) -> Result<()> {
        self.settle(state);
        self.settle(&mut later);
        let order = vec_bytes_with(&state.order, later.order.len());
        // The later state's rows move over to this reservation.
        state.memory.absorb(later.memory);
        let bytes = state.bytes + later.bytes + order;
        if !later.runs.is_empty() || !state.memory.try_resize_within_half(bytes) {
            self.spill(state)?;
        }
        state.runs.append(&mut later.runs);
        let first = state.batches.len() as u32;
        state.order.extend(later.order.iter().map(|(batch, row)| (batch + first, *row)));
        state.batches.append(&mut later.batches);
        state.keys.append(&mut later.keys);
        state.bytes += later.bytes;
        state.last = None;
        if state.order.len() > self.limit {
            return self.prune(state);
        }
        self.settle(state);
        self.book(state)
    }

    fn finish(&self, mut state: SortState) -> Result<Batches> {
        let mut sorted = Batches::new(self.schema.clone(), state.memory.sibling());
        if !state.runs.is_empty() {
            self.spill(&mut state)?;
            merge(state.runs, &self.schema, self.limit, &mut state.memory, |rows| sorted.push(rows))?;
            return Ok(sorted);
        }
        self.settle(&mut state);
        for rows in state.order.chunks(OUTPUT_ROWS) {
            sorted.push(compact(&gather(&state.batches, rows)?)?)?;
        }
        Ok(sorted)
    }

    fn bytes(&self, state: &SortState) -> usize {
        state.bytes + state.order.capacity() * size_of::<(u32, u32)>()
    }
}

/// These rows of the batches, in this order.
fn gather(batches: &[RecordBatch], rows: &[(u32, u32)]) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    let rows: Vec<(usize, usize)> = rows.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
    Ok(interleave_record_batch(&batches, &rows)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::expr::col;
    use crate::mem::Budget;

    fn batch(rows: &[(Option<i64>, String)], first: i64) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("s", DataType::Utf8View, true),
            Field::new("row", DataType::Int64, true),
        ]);
        let a: Int64Array = rows.iter().map(|r| r.0).collect();
        let s: StringViewArray = rows.iter().map(|r| Some(r.1.as_str())).collect();
        let row = Int64Array::from_iter_values(first..first + rows.len() as i64);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(a), Arc::new(s), Arc::new(row)]).unwrap()
    }

    /// The row numbers of the result, whose text must have come along.
    fn run(
        op: &SortOp,
        rows: &[(Option<i64>, String)],
        batch_rows: usize,
        batches_a_state: usize,
        memory: usize,
    ) -> Vec<i64> {
        let budget = Budget::of(memory);
        let mut whole = op.new_state(budget.reserve("rows"));
        let mut first = 0;
        for run in rows.chunks(batch_rows * batches_a_state) {
            let mut state = op.new_state(budget.reserve("rows"));
            for rows in run.chunks(batch_rows) {
                op.update(&mut state, &batch(rows, first)).unwrap();
                first += rows.len() as i64;
                assert!(state.order.len() < op.limit.max(1).saturating_mul(2));
            }
            op.seal(&mut state).unwrap();
            op.merge(&mut whole, state).unwrap();
        }
        let sorted = op.finish(whole).unwrap();
        assert!(budget.peak() <= memory);
        let mut numbers = Vec::new();
        for batch in sorted.iter().map(Result::unwrap) {
            let found = batch.column(2).as_primitive::<Int64Type>().values().to_vec();
            for (i, row) in found.iter().enumerate() {
                assert_eq!(batch.column(1).as_string_view().value(i), rows[*row as usize].1);
            }
            numbers.extend(found);
        }
        drop(sorted);
        assert_eq!(budget.used(), 0);
        numbers
    }

    proptest! {
        #[test]
        fn stable_cut_and_split_anywhere(
            rows in prop::collection::vec((prop::option::of(0i64..4), "[ab]{0,2}(a long text that is not held in the view)?"), 0..80),
            flags in any::<[(bool, bool); 2]>(),
            limit in prop::option::of(0usize..30),
            batch_rows in 1usize..20,
            batches_a_state in 1usize..4,
            memory in prop_oneof![Just(1usize << 26), 2000usize..60_000],
        ) {
            let schema = batch(&[], 0).schema();
            let keys = ["a", "s"].iter().zip(flags).map(|(n, (descending, nulls_first))| {
                BoundSortKey { expr: col(*n).bind(&schema).unwrap(), descending, nulls_first }
            }).collect();
            let op = SortOp::new(schema, keys, limit);
            let mut want: Vec<i64> = (0..rows.len() as i64).collect();
            // The standard library's sort is stable.
            want.sort_by(|x, y| {
                let ((a, s), (b, t)) = (&rows[*x as usize], &rows[*y as usize]);
                let first = match (a, b) {
                    (Some(a), Some(b)) => if flags[0].0 { b.cmp(a) } else { a.cmp(b) },
                    (a, b) => if flags[0].1 { a.is_some().cmp(&b.is_some()) } else { a.is_none().cmp(&b.is_none()) },
                };
                first.then(if flags[1].0 { t.cmp(s) } else { s.cmp(t) })
            });
            want.truncate(limit.unwrap_or(usize::MAX));
            prop_assert_eq!(run(&op, &rows, batch_rows, batches_a_state, memory), want);
        }
    }

    #[test]
    fn a_small_limit_holds_little() {
        let schema = batch(&[], 0).schema();
        let op = SortOp::new(schema.clone(), vec![col("a").desc().bind(&schema).unwrap()], Some(5));
        let budget = Budget::of(1 << 26);
        let mut state = op.new_state(budget.reserve("rows"));
        let rows: Vec<_> = (0..5000).map(|i| (Some(i * 37 % 5000), "x".repeat(30))).collect();
        for (i, rows) in rows.chunks(100).enumerate() {
            op.update(&mut state, &batch(rows, i as i64 * 100)).unwrap();
            assert!(op.bytes(&state) < 20_000, "{}", op.bytes(&state));
        }
        let result = op.finish(state).unwrap().load().unwrap().0;
        assert_eq!(result[0].column(0).as_primitive::<Int64Type>().values().to_vec(), [4999, 4998, 4997, 4996, 4995]);
    }

    #[test]
    fn more_runs_than_are_read_at_a_time() {
        let schema = batch(&[], 0).schema();
        let keys = ["a", "s"].map(|name| col(name).asc().bind(&schema).unwrap());
        let op = SortOp::new(schema, keys.to_vec(), None);
        let rows: Vec<_> = (0..6000).map(|i| (Some(i * 37 % 500), format!("{:b}", i * 11 % 64))).collect();
        let mut want: Vec<usize> = (0..rows.len()).collect();
        want.sort_by_key(|row| &rows[*row]);
        // While others hold almost all, every batch is a run of its own; a little has room for few runs at a time.
        for left in [1 << 20, 100_000, 5000] {
            let budget = Budget::of(1 << 20);
            let mut others = budget.reserve("others");
            others.try_resize(budget.limit() - 200).unwrap();
            let mut state = op.new_state(budget.reserve("rows"));
            for (i, rows) in rows.chunks(20).enumerate() {
                op.update(&mut state, &batch(rows, i as i64 * 20)).unwrap();
            }
            assert_eq!(state.runs.len(), 300);
            others.try_resize(budget.limit() - left).unwrap();
            let outcome = op.finish(state);
            if left == 5000 {
                assert_eq!(outcome.err().unwrap().kind(), crate::error::ErrorKind::Memory);
                continue;
            }
            let sorted = outcome.unwrap();
            let numbers = |batch: RecordBatch| batch.column(2).as_primitive::<Int64Type>().values().to_vec();
            let got: Vec<usize> =
                sorted.iter().flat_map(|batch| numbers(batch.unwrap())).map(|row| row as usize).collect();
            assert_eq!(got, want);
            assert!(budget.peak() <= budget.limit());
        }
    }
}
