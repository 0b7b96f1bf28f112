//! Stages × partitions: the task graph.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::scan::{Folded, Scanned, Work};
use super::{Batches, Pipeline, Sink, Source, Stages};
use crate::error::{Error, Result};
use crate::graph::{Input, TaskContext, TaskGraph, TaskId, tree_reduce};
use crate::mem::{Part, take, view};
use crate::ops::{BatchOp, Reducer};

/// The tasks of all stages, and the one that gives the answer as [`Batches`].
pub(crate) fn expand(stages: Stages, split_every: usize) -> Result<(TaskGraph, TaskId)> {
    let mut graph = TaskGraph::new();
    let mut ends: Vec<TaskId> = Vec::new();
    let mut input = Input::default();
    for Pipeline { source, steps, sink, .. } in stages.stages {
        if let Source::Csv { scan, .. } = &source {
            input.bytes += scan.source.bytes();
            input.partitions += scan.source.partitions.len() as u64;
        }
        let end = match sink {
            Sink::Aggregate(op) => add(&mut graph, source, steps, op, "aggregate", &ends, split_every),
            Sink::Sort(op) => add(&mut graph, source, steps, op, "sort", &ends, split_every),
            Sink::Collect(op) => add(&mut graph, source, steps, op, "collect", &ends, split_every),
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
    source: Source,
    steps: Vec<Arc<dyn BatchOp>>,
    reducer: Arc<R>,
    name: &str,
    ends: &[TaskId],
    split_every: usize,
) -> Result<TaskId> {
    let work = Arc::new(Work { source: Arc::new(source), steps, reducer });
    let scan = match &*work.source {
        Source::Stage(stage) => {
            let stage = *ends.get(*stage).ok_or_else(|| Error::internal("a stage reads one that is not there"))?;
            let work = work.clone();
            return Ok(graph.add(
                format!("{name} stage"),
                vec![stage],
                Box::new(move |context, inputs| {
                    let [stage] = <[_; 1]>::try_from(inputs).map_err(|_| Error::internal("a stage reads one other"))?;
                    Ok(Arc::new(work.run_batches(context, take(stage)?)?) as Arc<dyn Part>)
                }),
            ));
        }
        Source::Csv { scan, .. } => scan.clone(),
    };
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
    let reduce = work.clone();
    let merged = tree_reduce(graph, format!("merge {name}"), states, split_every, move |context, inputs| {
        let parts: Vec<&Folded<R::State>> = inputs.iter().map(view).collect::<Result<_>>()?;
        Ok(Arc::new(reduce.merge(context, &parts)?) as Arc<dyn Part>)
    });
    let finish = move |_: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
        let merged: &Folded<R::State> = view(&inputs[0])?;
        Ok(Arc::new(Batches(work.reducer.finish(merged.take()?)?)) as Arc<dyn Part>)
    };
    Ok(graph.add(format!("finish {name}"), vec![merged], Box::new(finish)))
}
