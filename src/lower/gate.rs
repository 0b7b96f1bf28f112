//! Before the tasks that look up the right side of a merge there is one that sees whether it fits: a gate.
//!
//! ```text
//!     right side ──► gate ──► partition 0 of the left: source, steps, look-up, steps, sink
//!                         ──► partition 1 ...
//! ```
//!
//! Where the right side is a table, the gate hands it on, and the partitions look it up on their way. Where it is too large, the
//! gate gives tasks in place of a result:
//!
//! 1. The left side's branches are run as far as the merge, into buckets by a hash of the keys; so are the right rows.
//! 2. Each bucket is merged by itself ([`LargeMerge`]), beside the others.
//! 3. Together the results are the [`Joined`] rows. The partitions behind the gate then take theirs from there, and go on with the
//!    steps behind the merge: they don't read their source. Of several such merges in a branch the last one counts.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::scan::Folded;
use super::tasks::{Expansion, part};
use super::{Branch, Source, Step};
use crate::error::{Error, Result};
use crate::graph::{TaskContext, TaskGraph, TaskId};
use crate::mem::{Part, take, view};
use crate::ops::{
    Batches, Buckets, Flow, GatheredColumn, Hashed, IndexedPart, JoinedBucket, LargeBuild, LargeMerge, Reducer,
    RightSide, Run, ScatterOp,
};

/// What a merge gave whose right side did not fit, in runs that are to be merged by row number, or go to some partition.
pub(super) struct Joined {
    rows: Vec<Run>,
    partitions: usize,
    unmatched: Vec<Run>,
}

impl Part for Joined {
    fn bytes(&self) -> usize {
        self.rows.iter().chain(&self.unmatched).map(Run::bytes).sum()
    }
}

impl Joined {
    /// Gives the rows of a partition of the left side on.
    pub(super) fn partition(
        &self,
        partition: usize,
        next: &mut dyn FnMut(RecordBatch) -> Result<Flow>,
    ) -> Result<Flow> {
        Run::partition(&self.rows, (partition, self.partitions), next)
    }

    /// Gives the right rows on that found no match.
    pub(super) fn unmatched(&self, next: &mut dyn FnMut(RecordBatch) -> Result<Flow>) -> Result<Flow> {
        Run::partition(&self.unmatched, (0, 1), next)
    }
}

/// Right rows are cut into buckets by several tasks, each of which takes about so many.
const ROWS_A_TASK: usize = 1 << 20;

/// The most tasks that cut right rows.
const MAX_TASKS: usize = 16;

impl Branch {
    /// The stages that its merges look up, in the order of its steps.
    pub(super) fn probes(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|step| match step {
            Step::Map(_) => None,
            Step::Probe { stage, .. } => Some(*stage),
        })
    }

    /// The branch as far as this merge, in a list where so many fewer stand before it.
    fn as_far_as(&self, merge: usize, fewer: usize) -> Branch {
        let mut branch = self.clone();
        let is_merge = |step: &Step| matches!(step, Step::Probe { stage, .. } if *stage == merge);
        branch.steps.truncate(branch.steps.iter().position(is_merge).unwrap_or(0));
        if let Source::Unmatched { branches, .. } = &mut branch.source {
            *branches = branches.start.saturating_sub(fewer)..branches.end.saturating_sub(fewer);
        }
        branch
    }
}

impl Expansion {
    /// The task that gives what the merge with this stage in these branches looks up: a [`RightSide`] that is a table, or [`Joined`].
    pub(super) fn gate(&mut self, branches: &[Branch], merge: usize) -> Result<TaskId> {
        if let Some(gate) = self.gates.get(&merge) {
            return Ok(*gate);
        }
        let lacking = || Error::internal("a merge has no left side");
        let first = branches.iter().position(|branch| branch.probes().any(|of| of == merge)).ok_or_else(lacking)?;
        let lefts = branches[first..].iter().take_while(|branch| branch.probes().any(|of| of == merge));
        let lefts: Vec<Branch> = lefts.map(|branch| branch.as_far_as(merge, first)).collect();
        let op = branches[first].steps.iter().find_map(|step| match step {
            Step::Probe { large, stage, .. } if *stage == merge => Some(large.clone()),
            _ => None,
        });
        let op = op.ok_or_else(lacking)?;

        // What the left side needs, should it be run here.
        let mut gates: Vec<usize> = lefts.iter().flat_map(Branch::probes).collect();
        let mut stages = vec![];
        for left in &lefts {
            match &left.source {
                Source::Stage { stage, .. } => stages.push(*stage),
                Source::Unmatched { stage, .. } => gates.push(*stage),
                Source::Csv(_) | Source::Rows { .. } => {}
            }
        }
        for list in [&mut gates, &mut stages] {
            list.sort_unstable();
            list.dedup();
        }
        let mut inputs = vec![self.table(merge)?];
        for gate in &gates {
            inputs.push(self.gate(branches, *gate)?);
        }
        let mut given = Given { gates, stages: vec![] };
        for stage in stages {
            let ends = self.ends.get(stage).ok_or_else(lacking)?;
            given.stages.push((stage, ends.len()));
            inputs.extend(ends);
        }
        let (name, split_every) = (self.name.clone(), self.manner.split_every);
        let run = move |_: &_, mut inputs: Vec<Arc<dyn Part>>| {
            if let RightSide::Table(_) = view(&inputs[0])? {
                return Ok(inputs.swap_remove(0));
            }
            let right = match take(inputs.remove(0))? {
                RightSide::Rows(right) => right,
                RightSide::Many(mut build) => {
                    build.lay_out(op.probe());
                    return Ok(indexed(build));
                }
                RightSide::Table(_) => return Err(lacking()),
            };
            let mut to = Expansion::new(split_every);
            to.name = format!("{name} (merge)");
            given.to(&mut to, inputs);
            let joined = to.joined(&op, &lefts, right)?;
            Ok(to.graph.instead(joined))
        };
        let gate = self.graph.add("match", inputs, Box::new(run));
        self.gates.insert(merge, gate);
        Ok(gate)
    }

    /// Adds the merge of these left branches with right rows that are no table.
    fn joined(&mut self, op: &Arc<LargeMerge>, lefts: &[Branch], right: Batches) -> Result<TaskId> {
        let buckets = op.buckets(&right);
        let left = Arc::new(op.scatter_left(buckets));
        let states = self.states(lefts, &left)?;
        let left: Vec<TaskId> = states.into_iter().map(|state| cut(&left, state, &mut self.graph)).collect();
        let right = cut_right(op.scatter_right(buckets), right, &mut self.graph);
        let partitions = left.len();
        let joined = (0..buckets).map(|bucket| {
            let op = op.clone();
            let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
                let take = |buckets: &Arc<dyn Part>| view::<Buckets>(buckets)?.take(bucket);
                let (left, right) = inputs.split_at(partitions);
                let left = left.iter().map(take).collect::<Result<Vec<_>>>()?;
                let mut rights = right.iter().map(take);
                let mut right = rights.next().ok_or_else(|| Error::internal("a merge has no right side"))??;
                for more in rights {
                    right.append(more?);
                }
                drop(inputs);
                Ok(part(op.join(left, right, &|| context.check())?))
            };
            self.graph.add(format!("merge bucket {bucket}"), [&left[..], &right[..]].concat(), Box::new(run))
        });
        let joined = joined.collect();
        let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
            let (mut rows, mut unmatched) = (vec![], vec![]);
            for bucket in inputs {
                let bucket: JoinedBucket = take(bucket)?;
                rows.push(bucket.rows);
                unmatched.push(bucket.unmatched);
            }
            Ok(part(Joined { rows, partitions, unmatched }))
        };
        Ok(self.graph.add("merged buckets", joined, Box::new(run)))
    }
}

/// Tasks that index many right rows.
fn indexed(build: Box<LargeBuild>) -> Arc<dyn Part> {
    let (build, mut graph): (Arc<LargeBuild>, _) = (build.into(), TaskGraph::new());
    let hashed = (0..build.ranges()).map(|range| {
        let build = build.clone();
        let run = move |_: &_, _: Vec<Arc<dyn Part>>| Ok(part(build.hashed(range)?));
        graph.add("hash the right side", vec![], Box::new(run))
    });
    let hashed: Vec<TaskId> = hashed.collect();
    let columns = (0..build.gathered()).map(|nth| {
        let build = build.clone();
        let run = move |_: &_, hashed: Vec<Arc<dyn Part>>| {
            let hashed = hashed.iter().map(view).collect::<Result<Vec<&Hashed>>>()?;
            Ok(part(build.column(nth, &hashed)?))
        };
        graph.add("gather a column", hashed.clone(), Box::new(run))
    });
    let columns: Vec<TaskId> = columns.collect();
    let parts = (0..LargeBuild::PARTS).map(|nth| {
        let build = build.clone();
        let run = move |_: &_, hashed: Vec<Arc<dyn Part>>| {
            let hashed = hashed.iter().map(view).collect::<Result<Vec<&Hashed>>>()?;
            Ok(part(build.indexed(nth, &hashed)))
        };
        graph.add("index the right side", hashed.clone(), Box::new(run))
    });
    let parts: Vec<TaskId> = parts.collect();
    let inputs = [hashed, columns, parts].concat();
    let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
        let (hashed, inputs) = inputs.split_at(build.ranges());
        let (columns, parts) = inputs.split_at(build.gathered());
        let hashed = hashed.iter().map(view).collect::<Result<Vec<&Hashed>>>()?;
        let columns = columns.iter().map(view).collect::<Result<Vec<&GatheredColumn>>>()?;
        let parts = parts.iter().map(view).collect::<Result<Vec<&IndexedPart>>>()?;
        Ok(part(RightSide::Table(Box::new(build.table(&hashed, &parts, &columns)?))))
    };
    let table = graph.add("indexed", inputs, Box::new(run));
    graph.instead(table)
}

/// What a gate is given beside the right side: what the merge of these stages looks up, and the partitions of these.
struct Given {
    gates: Vec<usize>,
    stages: Vec<(usize, usize)>,
}

impl Given {
    /// Adds tasks that give these parts again.
    fn to(self, to: &mut Expansion, inputs: Vec<Arc<dyn Part>>) {
        let mut again = inputs
            .into_iter()
            .map(|input| to.graph.add("given", vec![], Box::new(move |_: &_, _: Vec<Arc<dyn Part>>| Ok(input))));
        to.gates = self.gates.into_iter().zip(again.by_ref()).collect();
        for (stage, partitions) in self.stages {
            to.ends.resize_with(to.ends.len().max(stage + 1), Vec::new);
            to.ends[stage] = again.by_ref().take(partitions).collect();
        }
    }
}

/// Adds the task that ends a left partition as buckets.
fn cut(op: &Arc<ScatterOp>, state: TaskId, graph: &mut TaskGraph) -> TaskId {
    let op = op.clone();
    let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
        let state: &Folded<_> = view(&inputs[0])?;
        Ok(part(op.finish(state.take()?)?))
    };
    graph.add("cut into buckets", vec![state], Box::new(run))
}

/// Adds the tasks that cut right rows into buckets, which are to be put together in order.
fn cut_right(op: ScatterOp, right: Batches, graph: &mut TaskGraph) -> Vec<TaskId> {
    let (op, rows, right) = (Arc::new(op), right.num_rows(), Arc::new(right));
    let tasks = rows.div_ceil(ROWS_A_TASK).clamp(1, MAX_TASKS);
    let task = |nth: usize| {
        let (op, right, range) = (op.clone(), right.clone(), rows * nth / tasks..rows * (nth + 1) / tasks);
        let run = move |context: &TaskContext, _: Vec<Arc<dyn Part>>| {
            let mut state = op.state_from(range.start, context.budget().reserve(ScatterOp::HOLDS));
            for batch in right.range(range) {
                context.check()?;
                op.update(&mut state, &batch?)?;
            }
            Ok(part(op.finish(state)?))
        };
        graph.add("cut the right side", vec![], Box::new(run))
    };
    (0..tasks).map(task).collect()
}
