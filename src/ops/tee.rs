//! Several sinks behind one source: every batch goes through the steps of each into its state.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{BatchOp, Ending, Flow, Holder, Reducer};
use crate::error::{Error, Result};
use crate::mem::{Part, Reservation};

/// Feeds several sinks.
pub(crate) struct TeeOp {
    schema: SchemaRef,
    lines: Vec<TeeLine>,
}

/// A sink and the row-wise steps before it.
pub(crate) struct TeeLine {
    pub steps: Vec<Arc<dyn BatchOp>>,
    pub reducer: Arc<dyn AnyReducer>,
}

/// The state of a sink, and whether it has enough.
pub(crate) struct LineState {
    state: AnyState,
    flow: Flow,
}

/// The last state of each of the sinks, to be taken out one by one.
pub(crate) struct TeeStates {
    states: Vec<Mutex<Option<AnyState>>>,
    bytes: usize,
}

pub(crate) type AnyState = Box<dyn Any + Send + Sync>;

/// A [`Reducer`] of any state.
pub(crate) trait AnyReducer: Send + Sync {
    fn new_state(&self, memory: &Reservation) -> AnyState;
    fn update(&self, state: &mut AnyState, batch: &RecordBatch) -> Result<Flow>;
    fn seal(&self, state: &mut AnyState) -> Result<()>;
    fn merge(&self, state: &mut AnyState, later: AnyState) -> Result<()>;
    fn end(&self, state: AnyState) -> Result<Ending<Arc<dyn Part>>>;
    fn holders(&self) -> Vec<Holder>;
    fn bytes(&self, state: &AnyState) -> usize;
}

impl<R: Reducer> AnyReducer for R {
    fn new_state(&self, memory: &Reservation) -> AnyState {
        Box::new(Reducer::new_state(self, memory.of_holder(R::HOLDS)))
    }

    fn update(&self, state: &mut AnyState, batch: &RecordBatch) -> Result<Flow> {
        Reducer::update(self, known::<R>(state)?, batch)
    }

    fn seal(&self, state: &mut AnyState) -> Result<()> {
        Reducer::seal(self, known::<R>(state)?)
    }

    fn merge(&self, state: &mut AnyState, later: AnyState) -> Result<()> {
        Reducer::merge(self, known::<R>(state)?, *later.downcast().map_err(|_| foreign())?)
    }

    fn end(&self, state: AnyState) -> Result<Ending<Arc<dyn Part>>> {
        Ok(match Reducer::end(self, *state.downcast().map_err(|_| foreign())?)? {
            Ending::Whole(result) => Ending::Whole(Arc::new(result)),
            Ending::Pieces(pieces) => Ending::Pieces(pieces),
            Ending::Unsorted { pieces, sort, columns } => Ending::Unsorted { pieces, sort, columns },
        })
    }

    fn holders(&self) -> Vec<Holder> {
        Reducer::holders(self)
    }

    fn bytes(&self, state: &AnyState) -> usize {
        state.downcast_ref::<R::State>().map_or(0, |state| Reducer::bytes(self, state))
    }
}

fn known<R: Reducer>(state: &mut AnyState) -> Result<&mut R::State> {
    state.downcast_mut().ok_or_else(foreign)
}

fn foreign() -> Error {
    Error::internal("a sink was given the state of another")
}

impl Part for TeeStates {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl TeeStates {
    /// Takes the state of a line.
    pub(crate) fn take(&self, line: usize) -> Result<AnyState> {
        let state = self.states.get(line).and_then(|s| s.lock().unwrap_or_else(PoisonError::into_inner).take());
        state.ok_or_else(|| Error::internal("a shared stage lacks a line, or it was taken twice"))
    }
}

impl TeeOp {
    /// Batches of `schema` come in.
    pub(crate) fn new(schema: SchemaRef, lines: Vec<TeeLine>) -> TeeOp {
        TeeOp { schema, lines }
    }
}

impl Reducer for TeeOp {
    const HOLDS: &'static str = "results that share a scan";
    type State = Vec<LineState>;
    type Output = TeeStates;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> Vec<LineState> {
        let state = |line: &TeeLine| LineState { state: line.reducer.new_state(&memory), flow: Flow::More };
        self.lines.iter().map(state).collect()
    }

    fn update(&self, states: &mut Vec<LineState>, batch: &RecordBatch) -> Result<Flow> {
        for (line, state) in self.lines.iter().zip(states.iter_mut()).filter(|(_, state)| state.flow == Flow::More) {
            let batch = line.steps.iter().try_fold(batch.clone(), |batch, step| step.apply(batch))?;
            if batch.num_rows() > 0 {
                state.flow = line.reducer.update(&mut state.state, &batch)?;
            }
        }
        Ok(if states.iter().all(|state| state.flow == Flow::Enough) { Flow::Enough } else { Flow::More })
    }

    fn seal(&self, states: &mut Vec<LineState>) -> Result<()> {
        self.lines.iter().zip(states).try_for_each(|(line, state)| line.reducer.seal(&mut state.state))
    }

    fn merge(&self, states: &mut Vec<LineState>, later: Vec<LineState>) -> Result<()> {
        let lines = self.lines.iter().zip(states).zip(later);
        lines.into_iter().try_for_each(|((line, state), later)| line.reducer.merge(&mut state.state, later.state))
    }

    fn finish(&self, states: Vec<LineState>) -> Result<TeeStates> {
        let bytes = Reducer::bytes(self, &states);
        Ok(TeeStates { states: states.into_iter().map(|state| Mutex::new(Some(state.state))).collect(), bytes })
    }

    fn holders(&self) -> Vec<Holder> {
        self.lines.iter().flat_map(|line| line.reducer.holders()).collect()
    }

    fn bytes(&self, states: &Vec<LineState>) -> usize {
        self.lines.iter().zip(states).map(|(line, state)| line.reducer.bytes(&state.state)).sum()
    }
}
