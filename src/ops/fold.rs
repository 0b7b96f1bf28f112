//! A reduction of the program's own.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Batches, Flow, Reducer};
use crate::batch::{FoldFunctions, Folded};
use crate::error::Result;
use crate::mem::Reservation;

/// Folds batches by closures of the program.
pub(crate) struct FoldOp {
    functions: FoldFunctions,
    input: SchemaRef,
    schema: SchemaRef,
}

/// What the closures made of the rows so far; nothing of no rows.
pub(crate) struct FoldState {
    folded: Option<Folded>,
    /// For the result: what the closures hold is not booked.
    memory: Reservation,
}

impl FoldOp {
    pub(crate) fn new(input: SchemaRef, functions: FoldFunctions, output: SchemaRef) -> FoldOp {
        FoldOp { functions, input, schema: output }
    }

    fn join(&self, state: &mut FoldState, later: Folded) -> Result<()> {
        state.folded = Some(match state.folded.take() {
            None => later,
            Some(earlier) => self.functions.combine(earlier, later)?,
        });
        Ok(())
    }
}

impl Reducer for FoldOp {
    const HOLDS: &'static str = "the values of a reduction";
    type State = FoldState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> FoldState {
        FoldState { folded: None, memory }
    }

    fn update(&self, state: &mut FoldState, batch: &RecordBatch) -> Result<Flow> {
        self.join(state, self.functions.chunk(batch)?)?;
        Ok(Flow::More)
    }

    fn merge(&self, state: &mut FoldState, later: FoldState) -> Result<()> {
        later.folded.map_or(Ok(()), |later| self.join(state, later))
    }

    fn finish(&self, state: FoldState) -> Result<Batches> {
        let all = match state.folded {
            Some(all) => all,
            None => self.functions.chunk(&RecordBatch::new_empty(self.input.clone()))?,
        };
        let mut given = Batches::new(self.schema.clone(), state.memory);
        given.push(self.functions.finish(all, &self.schema)?)?;
        Ok(given)
    }

    // What a state holds is the program's own, and its to bound.
    fn bytes(&self, _: &FoldState) -> usize {
        size_of::<FoldState>()
    }
}
