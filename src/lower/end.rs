//! How a stage ends: from the states of its partitions to the partitions that the next stage reads.

use std::sync::Arc;

use super::Branch;
use super::scan::{Folded, merge};
use super::tasks::{Expansion, part};
use crate::error::{Error, Result};
use crate::graph::{TaskContext, TaskId, tree_reduce};
use crate::mem::{Part, view};
use crate::ops::{AnyReducer, Batches, Buckets, Reducer, RouteOp, TeeParts};

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
    /// Adds the tasks of these branches and of this end. Gives those of the partitions that come out.
    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>>;
}

/// States merge in the order of partitions, as a tree; the last one is finished.
pub(super) struct Reduce<R>(pub Arc<R>);

/// What one of the sinks of a shared stage gave.
pub(super) struct Line {
    pub stage: usize,
    pub line: usize,
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

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        let reducer = self.0.clone();
        let split_every = to.split_every;
        let merged = tree_reduce(&mut to.graph, "merge", states, split_every, move |context, inputs| {
            let parts: Vec<&Folded<R::State>> = inputs.iter().map(view).collect::<Result<_>>()?;
            Ok(part(merge(&*reducer, context, &parts)?))
        });
        Ok(vec![finish(&self.0, merged, to)])
    }
}

impl<R: Reducer> End for Each<R> {
    fn merges(&self) -> bool {
        false
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        Ok(states.into_iter().map(|state| finish(&self.0, state, to)).collect())
    }
}

impl End for Exchange {
    fn merges(&self) -> bool {
        false
    }

    fn partitions(&self, _: usize) -> usize {
        self.0.buckets()
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.0)?;
        let routed: Vec<TaskId> = states.into_iter().map(|state| finish(&self.0, state, to)).collect();
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

    fn expand(&self, _: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let (shared, line) = (to.table(self.stage)?, self.line);
        let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
            let parts: &TeeParts = view(&inputs[0])?;
            parts.0.get(line).cloned().ok_or_else(|| Error::internal("a shared stage lacks a line"))
        };
        Ok(vec![to.graph.add(format!("line {line}"), vec![shared], Box::new(run))])
    }
}

fn finish<R: Reducer>(reducer: &Arc<R>, state: TaskId, to: &mut Expansion) -> TaskId {
    let reducer = reducer.clone();
    to.graph.add(
        "finish",
        vec![state],
        Box::new(move |_, inputs| {
            let state: &Folded<R::State> = view(&inputs[0])?;
            Ok(part(reducer.finish(state.take()?)?))
        }),
    )
}
