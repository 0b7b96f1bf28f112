//! Sorts rows by keys as bytes; with a limit, holds little more than the rows that can be in the result.
//!
//! 1. A batch is kept as it is (in memory of its own), its keys are encoded so that comparing bytes compares rows, and
//!    `order` lists its rows.
//! 2. Sorting permutes `order` alone. It is stable, and finds the runs that are sorted already: a merge of two states is one
//!    pass over both.
//! 3. With a limit, twice as many rows are cut back to the limit, and from then on only rows below the last one enter.
//! 4. At the end rows are gathered in order.

use std::cmp::Ordering;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;

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
    bytes: usize,
    memory: Reservation,
}

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
        state.memory.try_resize(self.bytes(state))
    }
}

impl Reducer for SortOp {
    type State = SortState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> SortState {
        SortState { batches: vec![], keys: vec![], order: vec![], sorted: 0, last: None, bytes: 0, memory }
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
        // A refusal is where a sorted run is to be spilled, once there is a spill.
        let order = vec_bytes_with(&state.order, rows);
        state.memory.try_resize(state.bytes + batch_bytes(batch) + keys.bytes() + order)?;
        let batch = compact(batch)?;
        state.bytes += batch.get_array_memory_size() + keys.bytes();
        state.order.extend((0..rows as u32).map(|row| (state.batches.len() as u32, row)));
        state.batches.push(batch);
        state.keys.push(keys);
        state.memory.try_resize(self.bytes(state))?;
        if state.order.len() >= self.limit.saturating_mul(2) {
            self.prune(state)?;
        }
        Ok(Flow::More)
    }

    fn merge(&self, state: &mut SortState, mut later: SortState) -> Result<()> {
        self.settle(state);
        self.settle(&mut later);
        let order = vec_bytes_with(&state.order, later.order.len());
        // The later state's rows move over to this reservation.
        later.memory.try_resize(0)?;
        state.memory.try_resize(state.bytes + later.bytes + order)?;
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
        state.memory.try_resize(self.bytes(state))
    }

    fn finish(&self, mut state: SortState) -> Result<Batches> {
        self.settle(&mut state);
        let batches = state.order.chunks(OUTPUT_ROWS).map(|rows| compact(&gather(&state.batches, rows)?));
        Ok(Batches(batches.collect::<Result<_>>()?))
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
    fn run(op: &SortOp, rows: &[(Option<i64>, String)], batch_rows: usize, batches_a_state: usize) -> Vec<i64> {
        let budget = Budget::of(1 << 26);
        let mut whole = op.new_state(budget.reserve("rows"));
        let mut first = 0;
        for run in rows.chunks(batch_rows * batches_a_state) {
            let mut state = op.new_state(budget.reserve("rows"));
            for rows in run.chunks(batch_rows) {
                op.update(&mut state, &batch(rows, first)).unwrap();
                first += rows.len() as i64;
                assert!(state.order.len() < op.limit.max(1).saturating_mul(2));
            }
            op.merge(&mut whole, state).unwrap();
        }
        let mut numbers = Vec::new();
        for batch in op.finish(whole).unwrap().0 {
            let found = batch.column(2).as_primitive::<Int64Type>().values().to_vec();
            for (i, row) in found.iter().enumerate() {
                assert_eq!(batch.column(1).as_string_view().value(i), rows[*row as usize].1);
            }
            numbers.extend(found);
        }
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
            prop_assert_eq!(run(&op, &rows, batch_rows, batches_a_state), want);
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
        let result = op.finish(state).unwrap().0;
        assert_eq!(result[0].column(0).as_primitive::<Int64Type>().values().to_vec(), [4999, 4998, 4997, 4996, 4995]);
    }

    #[test]
    fn memory_is_refused() {
        let schema = batch(&[], 0).schema();
        let op = SortOp::new(schema.clone(), vec![col("a").asc().bind(&schema).unwrap()], None);
        let mut state = op.new_state(Budget::of(1000).reserve("rows"));
        let rows = vec![(Some(1), "x".repeat(30)); 100];
        assert_eq!(op.update(&mut state, &batch(&rows, 0)).unwrap_err().kind(), crate::error::ErrorKind::Memory);
    }
}
