//! How a stage ends: from the states of its partitions to the partitions that the next stage reads.

use std::sync::{Arc, Mutex, PoisonError};

use super::Branch;
use super::scan::{Folded, merge};
use super::tasks::{Expansion, part};
use crate::error::{Error, Result};
use crate::graph::{TaskContext, TaskGraph, TaskId, tree_reduce};
use crate::mem::{Part, take, view};
use crate::ops::{AnyReducer, Batches, Buckets, Ending, Holder, Piece, Reducer, RouteOp, TeeStates};

/// How a stage ends.
pub(super) trait End: Send + Sync {
    /// Whether the partitions become one; else as many come out as went in.
    fn merges(&self) -> bool;
    /// How many partitions come out of so many.
    fn partitions(&self, of: usize) -> usize {
        if self.merges() { 1 } else { of }
    }
    /// The sink, if it could stand beside others behind one source.
    fn reducer(&self) -> Option<Arc<dyn AnyReducer>> {
        None
    }
    /// What the stage holds while it goes on.
    fn holders(&self) -> Vec<Holder>;
    /// Adds the tasks of these branches and of this end. Gives those of the partitions that come out.
    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>>;
}

/// States merge in the order of partitions, as a tree; the last one is finished.
pub(super) struct Reduce<R>(pub Arc<R>);

/// One of the sinks of a shared stage.
pub(super) struct Line {
    pub stage: usize,
    pub line: usize,
    pub reducer: Arc<dyn AnyReducer>,
}

/// How the tasks of an end are to be made.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub split_every: usize,
    pub given: Given,
}

/// How a stage gives its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Whole,
    /// What is left to do is given in pieces, for the stage's one reader to do.
    Pieces,
    /// As rows that somebody is to hold.
    Held,
}

/// What is left to do for a result, piece by piece.
pub(super) struct Pieces(Mutex<Vec<Piece>>);

impl Part for Pieces {
    fn bytes(&self) -> usize {
        // The pieces book for themselves what they hold.
        0
    }
}

impl Pieces {
    /// Takes the pieces out.
    pub(super) fn take(&self) -> Vec<Piece> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Each state is finished by itself.
pub(super) struct Each<R>(pub Arc<R>);

/// Each state is finished as buckets; a bucket of all of them, in order, is a partition that comes out.
pub(super) struct Exchange(pub Arc<RouteOp>);

impl<R: Reducer> End for Reduce<R> {
    fn merges(&self) -> bool {
        true
    }

    fn reducer(&self) -> Option<Arc<dyn AnyReducer>> {
        Some(self.0.clone())
    }

    fn holders(&self) -> Vec<Holder> {
        self.0.holders()
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        let state = merged(&self.0, states, to.manner.split_every, &mut to.graph);
        Ok(vec![finish(&self.0, state, to.manner, &mut to.graph)])
    }
}

impl<R: Reducer> End for Each<R> {
    fn merges(&self) -> bool {
        false
    }

    fn holders(&self) -> Vec<Holder> {
        self.0.holders()
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        Ok(states.into_iter().map(|state| finish(&self.0, state, to.manner, &mut to.graph)).collect())
    }
}

impl End for Exchange {
    fn merges(&self) -> bool {
        false
    }

    fn partitions(&self, _: usize) -> usize {
        self.0.buckets()
    }

    fn holders(&self) -> Vec<Holder> {
        Reducer::holders(&*self.0)
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        let routed: Vec<TaskId> =
            states.into_iter().map(|state| finish(&self.0, state, to.manner, &mut to.graph)).collect();
        let gather = |bucket: usize| {
            let schema = self.0.schema().clone();
            let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
                let mut rows = Batches::new(schema, context.budget().reserve(RouteOp::HOLDS));
                for buckets in &inputs {
                    rows.append(view::<Buckets>(buckets)?.take(bucket)?);
                }
                Ok(part(rows))
            };
            to.graph.add("gather", routed.clone(), Box::new(run))
        };
        Ok((0..self.0.buckets()).map(gather).collect())
    }
}

impl End for Line {
    fn merges(&self) -> bool {
        true
    }

    fn holders(&self) -> Vec<Holder> {
        // The shared stage has told.
        Vec::new()
    }

    fn expand(&self, _: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let (shared, line, reducer) = (to.table(self.stage)?, self.line, self.reducer.clone());
        let manner = to.manner;
        let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
            let states: &TeeStates = view(&inputs[0])?;
            ended(reducer.end(states.take(line)?)?, manner, |result| result)
        };
        Ok(vec![to.graph.add(format!("line {line}"), vec![shared], Box::new(run))])
    }
}

/// Adds the end of a last state.
fn finish<R: Reducer>(reducer: &Arc<R>, state: TaskId, manner: Manner, graph: &mut TaskGraph) -> TaskId {
    let reducer = reducer.clone();
    let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
        let state: &Folded<R::State> = view(&inputs[0])?;
        ended(reducer.end(state.take()?)?, manner, part)
    };
    graph.add("finish", vec![state], Box::new(run))
}

/// The state of rows that waited.
fn folded<R: Reducer>(reducer: &R, rows: Batches) -> Result<Folded<R::State>> {
    let mut state = reducer.new_state(rows.memory().of_holder(R::HOLDS));
    reducer.update_all(&mut state, rows)?;
    reducer.seal(&mut state)?;
    Ok(Folded::alone(reducer, state))
}

/// Adds the merge of these states, in order, as a tree.
pub(super) fn merged<R: Reducer>(
    reducer: &Arc<R>,
    states: Vec<TaskId>,
    split_every: usize,
    graph: &mut TaskGraph,
) -> TaskId {
    let reducer = reducer.clone();
    tree_reduce(graph, "merge", states, split_every, move |context, inputs| {
        let parts: Vec<&Folded<R::State>> = inputs.iter().map(view).collect::<Result<_>>()?;
        Ok(part(merge(&*reducer, context, &parts)?))
    })
}

/// The result of a stage, or the tasks that it takes.
fn ended<T>(ending: Ending<T>, manner: Manner, whole: impl FnOnce(T) -> Arc<dyn Part>) -> Result<Arc<dyn Part>> {
    let mut graph = TaskGraph::new();
    match ending {
        Ending::Whole(result) if manner.given == Given::Pieces => {
            let rows: Batches = take(whole(result))?;
            Ok(part(Pieces(Mutex::new(vec![Piece::whole(|| Ok(rows))]))))
        }
        Ending::Whole(result) => Ok(whole(result)),
        Ending::Pieces(pieces) if manner.given == Given::Pieces => Ok(part(Pieces(Mutex::new(pieces)))),
        Ending::Pieces(pieces) => {
            let pieces = pieces.into_iter().map(|piece| {
                let run = move |_: &_, _: Vec<Arc<dyn Part>>| {
                    let rows = piece.rows()?;
                    Ok(part(if manner.given == Given::Held { rows.held()? } else { rows }))
                };
                graph.add("finish a piece", vec![], Box::new(run))
            });
            let pieces = pieces.collect();
            let run = |_: &_, inputs: Vec<Arc<dyn Part>>| {
                let mut pieces = inputs.into_iter().map(take::<Batches>);
                let mut all = pieces.next().ok_or_else(|| Error::internal("a result of no pieces"))??;
                for piece in pieces {
                    all.append(piece?);
                }
                Ok(part(all))
            };
            let all = graph.add("append", pieces, Box::new(run));
            Ok(graph.instead(all))
        }
        Ending::Unsorted { pieces, sort, columns } => {
            let sort = Arc::new(sort);
            let states = pieces.into_iter().map(|piece| {
                let sort = sort.clone();
                let run = move |_: &_, _: Vec<Arc<dyn Part>>| Ok(part(folded(&*sort, piece.rows()?)?));
                graph.add("finish a piece", vec![], Box::new(run))
            });
            let states = states.collect();
            let state = merged(&sort, states, manner.split_every, &mut graph);
            let sorted = finish(&sort, state, manner, &mut graph);
            let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
                let sorted = inputs.into_iter().next().ok_or_else(|| Error::internal("nothing was sorted"))?;
                if manner.given != Given::Pieces {
                    return Ok(part(take::<Batches>(sorted)?.with_columns(columns)?));
                }
                let pieces = view::<Pieces>(&sorted)?.take().into_iter();
                let pieces = pieces.map(|piece| Piece::whole(move || piece.rows()?.with_columns(columns)));
                Ok(part(Pieces(Mutex::new(pieces.collect()))))
            };
            let result = graph.add("sorted", vec![sorted], Box::new(run));
            Ok(graph.instead(result))
        }
    }
}
