//! Stages × partitions: the task graph.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::scan::{Folded, Scanned, Work, merge};
use super::{Batches, Branch, Pipeline, Sink, Source, Stages};
use crate::error::{Error, Result};
use crate::graph::{Input, TaskContext, TaskGraph, TaskId, tree_reduce};
use crate::io::csv::CsvScan;
use crate::mem::{Part, take, view};
use crate::ops::Reducer;

/// The tasks of all stages, and the one that gives the answer as [`Batches`].
pub(crate) fn expand(stages: Stages, split_every: usize) -> Result<(TaskGraph, TaskId)> {
    let mut graph = TaskGraph::new();
    let mut ends: Vec<TaskId> = Vec::new();
    let mut input = Input::default();
    for Pipeline { branches, sink, .. } in stages.stages {
        for branch in &branches {
            if let Source::Csv(scan) = &branch.source {
                input.bytes += scan.source.bytes();
                input.partitions += scan.source.partitions.len() as u64;
            }
        }
        let end = match sink {
            Sink::Aggregate(op) => add(&mut graph, branches, op, "aggregate", &ends, split_every),
            Sink::Sort(op) => add(&mut graph, branches, op, "sort", &ends, split_every),
            Sink::Collect(op) => add(&mut graph, branches, op, "collect", &ends, split_every),
        }?;
        ends.push(end);
    }
    graph.set_input(input);
    let end = ends.pop().ok_or_else(|| Error::internal("a plan became no stage"))?;
    Ok((graph, end))
}

/// The batches of the task that [`expand`] named, from what its run gave.
pub(crate) fn answer(outputs: &[Arc<dyn Part>]) -> Result<Vec<RecordBatch>> {
    let end = outputs.first().ok_or_else(|| Error::internal("a run gave nothing"))?;
    Ok(view::<Batches>(end)?.0.clone())
}

/// The tasks of one stage; the last of them gives [`Batches`].
fn add<R: Reducer>(
    graph: &mut TaskGraph,
    branches: Vec<Branch>,
    reducer: Arc<R>,
    name: &str,
    ends: &[TaskId],
    split_every: usize,
) -> Result<TaskId> {
    let mut states = Vec::new();
    for Branch { source, steps, .. } in branches {
        let work = Arc::new(Work { steps, reducer: reducer.clone() });
        match source {
            Source::Csv(scan) => states.append(&mut add_partitions(graph, &work, &scan, name)?),
            Source::Held(table, columns) => {
                let run = move |context: &TaskContext, _| {
                    let batches = table.batches().iter().map(|batch| Ok(batch.project(&columns)?));
                    Ok(Arc::new(work.run_batches(context, batches)?) as Arc<dyn Part>)
                };
                states.push(graph.add(format!("held → {name}"), Vec::new(), Box::new(run)));
            }
            Source::Stage(stage) => {
                let stage = *ends.get(stage).ok_or_else(|| Error::internal("a stage reads one that is not there"))?;
                let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
                    let [stage] =
                        <[_; 1]>::try_from(inputs).map_err(|_| Error::internal("a branch reads one other stage"))?;
                    let batches: Batches = take(stage)?;
                    Ok(Arc::new(work.run_batches(context, batches.0.into_iter().map(Ok))?) as Arc<dyn Part>)
                };
                states.push(graph.add(format!("stage → {name}"), vec![stage], Box::new(run)));
            }
        }
    }
    let merged = tree_reduce(graph, format!("merge {name}"), states, split_every, {
        let reducer = reducer.clone();
        move |context, inputs| {
            let parts: Vec<&Folded<R::State>> = inputs.iter().map(view).collect::<Result<_>>()?;
            Ok(Arc::new(merge(&*reducer, context, &parts)?) as Arc<dyn Part>)
        }
    });
    let finish = move |_: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
        let merged: &Folded<R::State> = view(&inputs[0])?;
        Ok(Arc::new(Batches(reducer.finish(merged.take()?)?)) as Arc<dyn Part>)
    };
    Ok(graph.add(format!("finish {name}"), vec![merged], Box::new(finish)))
}

/// A state for each partition of a scan, in order: those that do not begin their file after a confirmation.
fn add_partitions<R: Reducer>(
    graph: &mut TaskGraph,
    work: &Arc<Work<R>>,
    scan: &Arc<CsvScan>,
    name: &str,
) -> Result<Vec<TaskId>> {
    let mut states: Vec<TaskId> = Vec::new();
    for (partition, part) in scan.source.partitions.iter().enumerate() {
        let (task_work, task_scan) = (work.clone(), scan.clone());
        let label = format!("scan → {name} {partition}");
        if part.exact {
            let run = move |context: &TaskContext, _| {
                Ok(Arc::new(task_work.run_exact(context, &task_scan, partition)?) as Arc<dyn Part>)
            };
            states.push(graph.add(label, Vec::new(), Box::new(run)));
            continue;
        }
        let run = move |context: &TaskContext, _| {
            Ok(Arc::new(task_work.run_assumed(context, &task_scan, partition)?) as Arc<dyn Part>)
        };
        let scanned = graph.add(label, Vec::new(), Box::new(run));
        let (task_work, task_scan) = (work.clone(), scan.clone());
        let before = *states.last().ok_or_else(|| Error::internal("a file's first partition is not exact"))?;
        let run = move |context: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
            let (scanned, before): (&Scanned<R::State>, &Folded<R::State>) = (view(&inputs[0])?, view(&inputs[1])?);
            Ok(Arc::new(task_work.confirm(context, &task_scan, partition, scanned, before)?) as Arc<dyn Part>)
        };
        states.push(graph.add(format!("confirm {partition}"), vec![scanned, before], Box::new(run)));
    }
    Ok(states)
}
