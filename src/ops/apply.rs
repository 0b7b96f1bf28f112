//! A closure over the rows of each group, which come sorted by key: one group is in memory at a time.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::collect::{CollectOp, CollectState, batch_bytes};
use super::key::{KeyColumn, Rows, encode};
use super::{Batches, Flow, Reducer};
use crate::batch::BatchFunction;
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::mem::Reservation;

/// Cuts sorted rows where the key changes, and calls a closure on each group.
pub(crate) struct ApplyOp {
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    layout: Vec<KeyColumn>,
    function: BatchFunction,
    schema: SchemaRef,
}

impl ApplyOp {
    pub(crate) fn new(input: SchemaRef, keys: Vec<BoundExpr>, function: BatchFunction, output: SchemaRef) -> ApplyOp {
        let layout = keys.iter().map(|key| KeyColumn::ascending(key.kind())).collect();
        ApplyOp { collect: CollectOp::new(input, 0, None), keys, layout, function, schema: output }
    }

    /// Where groups end, if the last one ends with the rows.
    fn ends(&self, rows: &RecordBatch) -> Result<Vec<usize>> {
        let count = rows.num_rows();
        if self.keys.is_empty() {
            return Ok(vec![count]);
        }
        let keys = self.encoded(rows)?;
        Ok((1..=count).filter(|end| *end == count || keys.row(*end) != keys.row(*end - 1)).collect())
    }

    fn encoded(&self, rows: &RecordBatch) -> Result<Rows> {
        let columns = self.keys.iter().map(|key| key.eval(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut keys = Rows::default();
        encode(&columns, &self.layout, &mut keys)?;
        Ok(keys)
    }

    /// Whether the first row is of the group of a row that came before.
    fn goes_on(&self, before: &RecordBatch, rows: &RecordBatch) -> Result<bool> {
        let (last, first) = (before.slice(before.num_rows() - 1, 1), rows.slice(0, 1));
        Ok(self.keys.is_empty() || self.encoded(&last)?.row(0) == self.encoded(&first)?.row(0))
    }
}

/// The rows of the group that may go on with the next batch.
#[derive(Default)]
struct Group {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Reducer for ApplyOp {
    const HOLDS: &'static str = "groups for apply";
    type State = CollectState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> CollectState {
        self.collect.new_state(memory)
    }

    fn update(&self, state: &mut CollectState, batch: &RecordBatch) -> Result<Flow> {
        self.collect.update(state, batch)
    }

    fn merge(&self, state: &mut CollectState, later: CollectState) -> Result<()> {
        self.collect.merge(state, later)
    }

    fn finish(&self, state: CollectState) -> Result<Batches> {
        let rows = self.collect.rows(state)?;
        let mut memory = rows.memory();
        let joined = CollectOp::new(self.schema.clone(), 0, None);
        let mut given = joined.new_state(memory.sibling());
        let mut group = Group::default();
        let mut call = |group: &mut Group| -> Result<()> {
            let Group { batches, .. } = std::mem::take(group);
            if batches.is_empty() {
                return Ok(());
            }
            let group = concat_batches(self.collect.schema(), &batches)?;
            joined.update(&mut given, &self.function.call(group, &self.schema)?)?;
            Ok(())
        };
        let all = 0..rows.num_rows();
        for batch in rows.into_range(all) {
            let batch = batch?;
            if let Some(last) = group.batches.last()
                && !self.goes_on(last, &batch)?
            {
                call(&mut group)?;
            }
            let mut start = 0;
            for end in self.ends(&batch)? {
                let part = batch.slice(start, end - start);
                // Once as it came, and once as one batch: a group must fit.
                group.bytes += batch_bytes(&part);
                memory.try_resize(2 * group.bytes)?;
                group.batches.push(part);
                start = end;
                if end < batch.num_rows() {
                    call(&mut group)?;
                }
            }
        }
        call(&mut group)?;
        joined.rows(given)
    }

    fn bytes(&self, state: &CollectState) -> usize {
        self.collect.bytes(state)
    }
}
