//! Closures of the program over batches, and over whole partitions.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::collect::{CollectOp, CollectState};
use super::{BatchOp, Batches, Flow, Reducer};
use crate::batch::BatchFunction;
use crate::config::format_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::mem::Reservation;

/// Calls a closure on every batch.
pub(crate) struct MapOp {
    function: BatchFunction,
    schema: SchemaRef,
}

impl MapOp {
    pub(crate) fn new(function: BatchFunction, output: SchemaRef) -> MapOp {
        MapOp { function, schema: output }
    }
}

impl BatchOp for MapOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        self.function.call(batch, &self.schema)
    }
}

/// Calls a closure once for each partition, on all of its rows as one batch.
pub(crate) struct MapPartitionsOp {
    collect: CollectOp,
    function: BatchFunction,
    schema: SchemaRef,
    /// The size of partitions that fit in memory, for who is refused.
    fitting: usize,
}

impl MapPartitionsOp {
    pub(crate) fn new(input: SchemaRef, function: BatchFunction, output: SchemaRef, fitting: usize) -> MapPartitionsOp {
        MapPartitionsOp { collect: CollectOp::new(input, 0, None), function, schema: output, fitting }
    }

    fn refused(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Memory {
            return error;
        }
        error.in_step(self.function.step()).help(format!(
            "{} holds a whole partition at a time: partitions of {} would fit, with Session::builder().partition_size({}) or \
             repartition(..); or raise the limit (Session::builder().memory(..), or --memory)",
            self.function.step(),
            format_bytes(self.fitting as u64),
            self.fitting
        ))
    }
}

impl Reducer for MapPartitionsOp {
    const HOLDS: &'static str = "partitions for map_partitions";
    type State = CollectState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> CollectState {
        self.collect.new_state(memory)
    }

    fn update(&self, state: &mut CollectState, batch: &RecordBatch) -> Result<Flow> {
        self.collect.update(state, batch).map_err(|e| self.refused(e))
    }

    fn merge(&self, state: &mut CollectState, later: CollectState) -> Result<()> {
        self.collect.merge(state, later)
    }

    fn finish(&self, state: CollectState) -> Result<Batches> {
        let (partition, memory) = self.collect.whole(state).map_err(|e| self.refused(e))?;
        let mut given = Batches::new(self.schema.clone(), memory.sibling());
        given.push(self.function.call(partition, &self.schema)?)?;
        Ok(given)
    }

    fn bytes(&self, state: &CollectState) -> usize {
        self.collect.bytes(state)
    }
}
