//! Stages × partitions: the task graph.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use arrow::array::RecordBatch;

use super::end::{Given, Manner, Pieces, merged};
use super::scan::{Folded, Scanned, Work};
use super::{Branch, Pick, Pipeline, Source, Stages};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Input, TaskContext, TaskGraph, TaskId};
use crate::io::csv::{CsvScan, Rejects, report_rejects};
use crate::mem::{Part, known, view};
use crate::ops::{Batches, Matched, ProbeOp, Reducer};

/// A task graph that grows stage by stage.
pub(super) struct Expansion {
    pub graph: TaskGraph,
    pub manner: Manner,
    /// How tasks call the stage that is being added.
    pub name: String,
    /// For each stage so far, the tasks that give its partitions.
    pub ends: Vec<Vec<TaskId>>,
    /// For the stages that merges look up, the tasks that give what they do with it.
    pub gates: HashMap<usize, TaskId>,
    input: Input,
    /// The scans that leave bad rows out, and the tasks that know which.
    rejects: Vec<(Arc<Rejects>, Vec<TaskId>)>,
}

/// The tasks of all stages, and for each of the queries those that give its partitions.
///
/// # Errors
/// [`ErrorKind::Memory`] when the limit is too small for any of the stages.
pub(crate) fn expand(stages: Stages, config: &Config) -> Result<(TaskGraph, Vec<Vec<TaskId>>)> {
    let (mut expansion, _) = expansion(&stages, config)?;
    expansion.graph.set_input(expansion.input);
    expansion.report_rejects(&stages.roots);
    let ends = stages.roots.iter().map(|root| expansion.ends.get(*root).cloned());
    let ends: Option<Vec<_>> = ends.collect();
    Ok((expansion.graph, ends.ok_or_else(|| Error::internal("a plan became no stage"))?))
}

/// The tasks of all stages, and for each stage how many there are up to its end.
pub(super) fn expansion(stages: &Stages, config: &Config) -> Result<(Expansion, Vec<usize>)> {
    stages.admit(config)?;
    let (mut expansion, mut ends) = (Expansion::new(config.split_every), vec![]);
    for Pipeline { branches, end, given, text, .. } in &stages.stages {
        expansion.manner.given = *given;
        expansion.name = text.split(' ').next().unwrap_or_default().to_owned();
        let end = end.expand(branches, &mut expansion)?;
        expansion.ends.push(end);
        ends.push(expansion.graph.len());
    }
    Ok((expansion, ends))
}

/// The batches of the tasks that [`expand`] named, from what their run gave.
pub(crate) fn answer(outputs: Vec<Arc<dyn Part>>) -> Result<Vec<RecordBatch>> {
    let (mut all, mut booked) = (vec![], vec![]);
    for part in &outputs {
        let (batches, memory) = view::<Batches>(part)?.load().map_err(too_large)?;
        all.extend(batches);
        booked.push(memory);
    }
    Ok(all)
}

fn too_large(error: Error) -> Error {
    if error.kind() != ErrorKind::Memory {
        return error;
    }
    Error::new(ErrorKind::Memory, format!("the result does not fit into memory as one table: {}", error.message())).help(
        "write it (write_csv(..), write_parquet(..)), keep it with the engine (persist()), or take it batch by batch \
         (stream()): all of these give results larger than memory; or raise the limit (Session::builder().memory(..), or \
         --memory)",
    )
}

/// What is left of a partition that was sent off.
struct Delivered;

impl Part for Delivered {
    fn bytes(&self) -> usize {
        0
    }
}

/// Adds tasks that send each of these partitions, with its place, as soon as it is there. When all of them have run or never
/// will, the sender is gone.
pub(crate) fn deliver(graph: &mut TaskGraph, ends: Vec<TaskId>, send: Sender<(usize, Arc<dyn Part>)>) -> Vec<TaskId> {
    let deliver = |(place, end): (usize, TaskId)| {
        let send = send.clone();
        let run = move |_: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
            // Nobody listens any more when the receiver was dropped, which cancels the run too.
            inputs.into_iter().for_each(|partition| _ = send.send((place, partition)));
            Ok(part(Delivered))
        };
        graph.add("deliver", vec![end], Box::new(run))
    };
    ends.into_iter().enumerate().map(deliver).collect()
}

pub(super) fn part(part: impl Part) -> Arc<dyn Part> {
    Arc::new(part)
}

impl Expansion {
    pub(super) fn new(split_every: usize) -> Expansion {
        let (graph, input) = (TaskGraph::new(), Input::default());
        let manner = Manner { split_every, given: Given::Whole };
        Expansion { graph, manner, name: String::new(), ends: vec![], gates: HashMap::new(), input, rejects: vec![] }
    }

    /// The states of all partitions of these branches, in order.
    pub(super) fn states<R: Reducer>(&mut self, branches: &[Branch], reducer: &Arc<R>) -> Result<Vec<TaskId>> {
        let mut states: Vec<Vec<TaskId>> = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            let (mut sides, mut before) = (vec![], vec![]);
            for stage in branch.probes() {
                sides.push(self.gate(branches, stage)?);
                let lefts = branches[..at].iter().filter(|other| other.probes().any(|of| of == stage));
                before.push(lefts.map(|left| left.partitions).sum());
            }
            let work = Arc::new(Work { steps: branch.steps.clone(), before, reducer: reducer.clone() });
            states.push(match &branch.source {
                Source::Csv(scan) => self.scanned(&work, scan, &sides)?,
                Source::Rows { .. } => self.rows(&work, branch, &sides)?,
                Source::Stage { stage, pick } => self.stage(&work, *stage, *pick, &sides)?,
                Source::Unmatched { op, stage, branches: lefts } => {
                    let matched = states.get(lefts.clone()).into_iter().flatten().flatten().copied().collect();
                    let side = self.gate(branches, *stage)?;
                    vec![self.unmatched(&work, op, *stage, matched, [&[side], sides.as_slice()].concat())?]
                }
            });
        }
        Ok(states.concat())
    }

    /// The one partition of a stage.
    pub(super) fn table(&self, stage: usize) -> Result<TaskId> {
        match self.ends.get(stage).map(Vec::as_slice) {
            Some([table]) => Ok(*table),
            _ => Err(Error::internal("a stage is read that is not there, or has several partitions")),
        }
    }

    fn label(&self, source: &str, partition: usize) -> String {
        format!("{source} → {} {partition}", self.name)
    }

    /// A state for each partition of a scan, in order: those that do not begin their file after a confirmation.
    fn scanned<R: Reducer>(
        &mut self,
        work: &Arc<Work<R>>,
        scan: &Arc<CsvScan>,
        sides: &[TaskId],
    ) -> Result<Vec<TaskId>> {
        self.input.bytes += scan.source.bytes();
        self.input.partitions += scan.source.partitions.len() as u64;
        let mut states: Vec<TaskId> = Vec::new();
        for (partition, range) in scan.source.partitions.iter().enumerate() {
            let (task_work, task_scan) = (work.clone(), scan.clone());
            let label = self.label("scan", partition);
            if range.exact {
                let run = move |context: &TaskContext, sides: Vec<Arc<dyn Part>>| {
                    Ok(part(task_work.run_exact(context, &task_scan, partition, &sides)?))
                };
                states.push(self.graph.add(label, sides.to_vec(), Box::new(run)));
                continue;
            }
            let run = move |context: &TaskContext, sides: Vec<Arc<dyn Part>>| {
                Ok(part(task_work.run_assumed(context, &task_scan, partition, &sides)?))
            };
            let scanned = self.graph.add(label, sides.to_vec(), Box::new(run));
            let (task_work, task_scan) = (work.clone(), scan.clone());
            let before = *states.last().ok_or_else(|| Error::internal("a file's first partition is not exact"))?;
            let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
                let (own, sides) = inputs.split_at(2);
                let (scanned, before): (&Scanned<R::State>, &Folded<R::State>) = (view(&own[0])?, view(&own[1])?);
                Ok(part(task_work.confirm(context, &task_scan, partition, scanned, before, sides)?))
            };
            let inputs = [&[scanned, before], sides].concat();
            states.push(self.graph.add(format!("confirm {partition}"), inputs, Box::new(run)));
        }
        if let Some(rejects) = &scan.rejects {
            self.rejects.push((rejects.clone(), states.clone()));
        }
        Ok(states)
    }

    /// Has the last of the results wait until the rows that were left out are counted and written.
    fn report_rejects(&mut self, roots: &[usize]) {
        let (all, tasks): (Vec<_>, Vec<_>) = std::mem::take(&mut self.rejects).into_iter().unzip();
        let last = roots.iter().rev().find(|root| self.ends.get(**root).is_some_and(|ends| !ends.is_empty()));
        let Some(end) = last.and_then(|root| self.ends[*root].last_mut()).filter(|_| !all.is_empty()) else { return };
        let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
            for warning in report_rejects(&all)? {
                context.budget().spill().usage().warn(warning);
            }
            inputs.into_iter().next().ok_or_else(|| Error::internal("rejected rows of no result"))
        };
        *end = self.graph.add("rejected rows", [vec![*end], tasks.concat()].concat(), Box::new(run));
    }

    /// A state for each partition of a source of rows.
    fn rows<R: Reducer>(&mut self, work: &Arc<Work<R>>, branch: &Branch, sides: &[TaskId]) -> Result<Vec<TaskId>> {
        let Source::Rows { source, columns, filter } = &branch.source else { return Ok(vec![]) };
        let computed = source.expand(&mut self.graph)?;
        let share = Input { bytes: source.bytes() / branch.partitions.max(1) as u64, rows: 0, partitions: 1 };
        self.input.bytes += share.bytes * branch.partitions as u64;
        self.input.partitions += branch.partitions as u64;
        let tasks = (0..branch.partitions).map(|partition| {
            let (work, source, columns, filter) = (work.clone(), source.clone(), columns.clone(), filter.clone());
            let computed = computed.get(partition);
            let inputs = computed.into_iter().chain(sides).copied().collect();
            let has_given = computed.is_some();
            let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
                let (given, sides) = inputs.split_at(usize::from(has_given));
                if let Some(folded) = work.run_joined(context, partition, sides) {
                    return Ok(part(folded?));
                }
                let rows = match given {
                    [given] => source.read_given(partition, given, &columns)?,
                    _ => source.read(partition, &columns, filter.as_ref(), context.budget().reserve("scan"))?,
                };
                let mut read = 0;
                let rows = rows.inspect(|batch| read += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64));
                let folded = work.run_batches(context, rows, sides)?;
                context.advance(Input { rows: read, ..share });
                Ok(part(folded))
            };
            let label = self.label("read", partition);
            self.graph.add(label, inputs, Box::new(run))
        });
        Ok(tasks.collect())
    }

    /// A state for each of the picked partitions of a stage.
    fn stage<R: Reducer>(
        &mut self,
        work: &Arc<Work<R>>,
        stage: usize,
        pick: Pick,
        sides: &[TaskId],
    ) -> Result<Vec<TaskId>> {
        let lacking = || Error::internal("a stage reads a partition that is not there");
        let ends = self.ends.get(stage).ok_or_else(lacking)?;
        let (inputs, cuts) = match pick {
            Pick::All => (ends.clone(), None),
            Pick::One(partition) => (vec![*ends.get(partition).ok_or_else(lacking)?], None),
            Pick::Cut(n) => (vec![*ends.first().ok_or_else(lacking)?; n], Some(n)),
            Pick::Pieces => return Ok(vec![self.pieces(work, *ends.first().ok_or_else(lacking)?, sides)]),
        };
        let tasks = inputs.into_iter().enumerate().map(|(partition, input)| {
            let work = work.clone();
            let run = move |context: &TaskContext, mut inputs: Vec<Arc<dyn Part>>| {
                let sides = inputs.split_off(1);
                let rows = inputs.pop().ok_or_else(lacking)?;
                if let Some(folded) = work.run_joined(context, partition, &sides) {
                    return Ok(part(folded?));
                }
                let batches = known::<Batches>(rows)?;
                let rows = batches.num_rows();
                let range = cuts.map_or(0..rows, |n| rows * partition / n..rows * (partition + 1) / n);
                Ok(part(match Arc::try_unwrap(batches) {
                    Ok(own) => work.run_batches(context, own.into_range(range), &sides)?,
                    Err(shared) => work.run_batches(context, shared.range(range), &sides)?,
                }))
            };
            let label = self.label("stage", partition);
            self.graph.add(label, [&[input], sides].concat(), Box::new(run))
        });
        Ok(tasks.collect())
    }

    /// The state of all pieces of a stage's result: each has a state of its own, once it is known how many there are.
    fn pieces<R: Reducer>(&mut self, work: &Arc<Work<R>>, stage: TaskId, sides: &[TaskId]) -> TaskId {
        let (work, split_every, label) = (work.clone(), self.manner.split_every, self.label("piece", 0));
        let run = move |_: &TaskContext, mut inputs: Vec<Arc<dyn Part>>| {
            let sides = inputs.split_off(1);
            let pieces: &Pieces = view(&inputs[0])?;
            let mut graph = TaskGraph::new();
            let states = pieces.take().into_iter().map(|piece| {
                let (work, sides) = (work.clone(), sides.clone());
                let run = move |context: &TaskContext, _: Vec<Arc<dyn Part>>| {
                    Ok(part(work.run_piece(context, piece, &sides)?))
                };
                graph.add(label.clone(), vec![], Box::new(run))
            });
            let states = states.collect();
            let state = merged(&work.reducer, states, split_every, &mut graph);
            Ok(graph.instead(state))
        };
        self.graph.add("pieces", [&[stage], sides].concat(), Box::new(run))
    }

    /// The state of the right rows of a merge that found no match in the partitions of `matched`. The first of `sides` is the merge's.
    fn unmatched<R: Reducer>(
        &mut self,
        work: &Arc<Work<R>>,
        op: &Arc<ProbeOp>,
        stage: usize,
        matched: Vec<TaskId>,
        sides: Vec<TaskId>,
    ) -> Result<TaskId> {
        let (work, op, lefts) = (work.clone(), op.clone(), matched.len());
        let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
            let (lefts, sides) = inputs.split_at(lefts);
            let [side, sides @ ..] = sides else { return Err(Error::internal("a merge lacks its right side")) };
            if let Some(folded) = work.run_joined(context, 0, sides) {
                return Ok(part(folded?));
            }
            let mut all = Matched::default();
            for left in lefts {
                let left: &Folded<R::State> = view(left)?;
                left.matches.iter().filter(|(of, _)| *of == stage).for_each(|(_, matched)| all.union(matched));
            }
            Ok(part(work.run_unmatched(context, &op, side, &all, sides)?))
        };
        let inputs = [matched, sides].concat();
        Ok(self.graph.add(self.label("unmatched", 0), inputs, Box::new(run)))
    }
}
