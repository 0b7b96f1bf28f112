//! A closure over the rows of each group, which come sorted by key.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::collect::{CollectOp, CollectState};
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

    /// Where groups end.
    fn ends(&self, rows: &RecordBatch, memory: &mut Reservation) -> Result<Vec<usize>> {
        if self.keys.is_empty() {
            return Ok(Some(rows.num_rows()).filter(|rows| *rows > 0).into_iter().collect());
        }
        let columns = self.keys.iter().map(|key| key.eval(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut keys = Rows::default();
        encode(&columns, &self.layout, &mut keys)?;
        memory.try_resize(memory.bytes() + keys.bytes())?;
        let rows = rows.num_rows();
        Ok((1..=rows).filter(|end| *end == rows || keys.row(*end) != keys.row(*end - 1)).collect())
    }
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
        let (rows, mut memory) = self.collect.whole(state)?;
        let (mut start, mut given) = (0, Vec::new());
        for end in self.ends(&rows, &mut memory)? {
            let group = self.function.call(rows.slice(start, end - start), &self.schema)?;
            memory.try_resize(memory.bytes() + group.get_array_memory_size())?;
            given.push(group);
            start = end;
        }
        let mut joined = Batches::new(self.schema.clone(), memory.sibling());
        joined.push(concat_batches(&self.schema, &given)?)?;
        Ok(joined)
    }

    fn bytes(&self, state: &CollectState) -> usize {
        self.collect.bytes(state)
    }
}
