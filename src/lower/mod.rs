//! Turns a logical plan into stages, and stages into tasks. This layer alone sees both plans and operators.
//!
//! Neighbouring row-wise steps fuse into one [`Pipeline`]: it pulls batches from its source through its steps into a sink.
//! A sink that holds state ([`Sink`]) has a state for each partition; a tree reduction merges them in partition order and
//! finishes the last one into batches, which the next pipeline reads.

mod explain;
mod scan;
mod tasks;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::io::csv::CsvScan;
use crate::mem::Part;
use crate::ops::{AggregateOp, AlignOp, BatchOp, CollectOp, FilterOp, ProjectOp, SortOp};
use crate::plan::{LogicalPlan, push_samples};

pub(crate) use tasks::{answer, expand};

/// The stages of a query, each after those that it reads; the last one's batches are the answer.
pub(crate) struct Stages {
    stages: Vec<Pipeline>,
}

/// Branches that end in one sink, and the tree reduction that merges its states: branch after branch, in the order of
/// partitions within each.
pub(crate) struct Pipeline {
    branches: Vec<Branch>,
    sink: Sink,
    /// The sink for people.
    text: String,
}

/// A source and the row-wise steps behind it. A pipeline has several behind a concatenation.
struct Branch {
    source: Source,
    steps: Vec<Arc<dyn BatchOp>>,
    /// The source and the steps for people.
    texts: Vec<String>,
}

/// Where a branch's batches come from.
#[derive(Clone)]
enum Source {
    /// The partitions of CSV files.
    Csv(Arc<CsvScan>),
    /// Rows in memory, these columns of them: one partition.
    Held(Arc<Table>, Vec<usize>),
    /// What an earlier stage gave: one partition.
    Stage(usize),
}

/// What ends a pipeline.
enum Sink {
    Aggregate(Arc<AggregateOp>),
    Sort(Arc<SortOp>),
    Collect(Arc<CollectOp>),
}

/// Batches that pass from one stage to the next.
pub(crate) struct Batches(pub Vec<RecordBatch>);

impl Part for Batches {
    fn bytes(&self) -> usize {
        self.0.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}

/// Branches that nothing has ended yet.
struct Stream {
    branches: Vec<Branch>,
    schema: SchemaRef,
}

/// The stages of an optimised plan.
pub(crate) fn lower(plan: &LogicalPlan) -> Result<Stages> {
    let mut stages = Stages { stages: Vec::new() };
    let stream = stages.stream(plan)?;
    // A last stage that nothing follows is the answer as it is.
    let is_answer =
        matches!(&stream.branches[..], [Branch { source: Source::Stage(_), steps, .. }] if steps.is_empty());
    if !is_answer {
        let collect = CollectOp::new(stream.schema.clone(), 0, None);
        stages.end(stream, Sink::Collect(Arc::new(collect)), "collect".to_owned());
    }
    Ok(stages)
}

impl Stages {
    /// The batches of a plan, as far as row-wise steps reach; stages before them are added.
    fn stream(&mut self, plan: &LogicalPlan) -> Result<Stream> {
        match plan {
            LogicalPlan::Held { table, columns, schema } => {
                let source = Source::Held(table.clone(), columns.clone());
                Ok(Stream::new(source, plan.step_text(), schema.clone()))
            }
            LogicalPlan::Scan { source, columns, sample, filter, .. } => {
                let scan = Arc::new(CsvScan::new(source.clone(), columns.clone(), filter.as_ref(), *sample)?);
                let schema = scan.schema().clone();
                Ok(Stream::new(Source::Csv(scan), plan.step_text(), schema))
            }
            LogicalPlan::Concat { inputs, schema } => {
                let mut branches = Vec::new();
                for input in inputs {
                    let stream = self.stream(input)?;
                    let align = AlignOp::new(&stream.schema, schema.clone());
                    let aligned = stream.schema != *schema;
                    let stream = if aligned { stream.then(Arc::new(align), "align columns") } else { stream };
                    branches.extend(stream.branches);
                }
                Ok(Stream { branches, schema: schema.clone() })
            }
            // Rows of files are drawn in the scan, also where the plan is not rewritten. Rows of anything else are known by
            // their number alone, which no partition knows by itself.
            LogicalPlan::Sample { .. } => match push_samples(&Arc::new(plan.clone())) {
                left if matches!(*left, LogicalPlan::Sample { .. }) => {
                    Err(Error::internal("a sample of what is no scan is not lowered yet"))
                }
                sunk => self.stream(&sunk),
            },
            LogicalPlan::Filter { input, predicate } => {
                let stream = self.stream(input)?;
                let op = FilterOp::new(stream.schema.clone(), predicate.bind_condition(&stream.schema)?);
                Ok(stream.then(Arc::new(op), &plan.step_text()))
            }
            LogicalPlan::Project { input, exprs, schema } => {
                let stream = self.stream(input)?;
                let exprs = exprs.iter().map(|e| e.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = ProjectOp::new(schema.clone(), exprs);
                Ok(stream.then(Arc::new(op), &plan.step_text()))
            }
            LogicalPlan::Aggregate { input, keys, aggs, keep_nulls, .. } => {
                let stream = self.stream(input)?;
                let bind = |key: &Expr| Ok((key.name(), key.bind(&stream.schema)?));
                let keys = keys.iter().map(bind).collect::<Result<_>>()?;
                let aggs = aggs.iter().map(|a| a.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = AggregateOp::new(&stream.schema, keys, aggs, *keep_nulls)?;
                Ok(self.end(stream, Sink::Aggregate(Arc::new(op)), plan.step_text()))
            }
            LogicalPlan::Sort { input, keys, limit } => {
                let stream = self.stream(input)?;
                let keys = keys.iter().map(|k| k.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = SortOp::new(stream.schema.clone(), keys, *limit);
                Ok(self.end(stream, Sink::Sort(Arc::new(op)), plan.step_text()))
            }
            LogicalPlan::Slice { input, offset, limit } => {
                let stream = self.stream(input)?;
                let op = CollectOp::new(stream.schema.clone(), *offset, *limit);
                Ok(self.end(stream, Sink::Collect(Arc::new(op)), plan.step_text()))
            }
        }
    }

    /// Ends a stream in a sink: a stage, whose batches the stream returned reads.
    fn end(&mut self, stream: Stream, sink: Sink, text: String) -> Stream {
        let schema = sink.schema().clone();
        self.stages.push(Pipeline { branches: stream.branches, sink, text });
        let stage = self.stages.len() - 1;
        Stream::new(Source::Stage(stage), format!("read stage {stage}"), schema)
    }
}

impl Stream {
    fn new(source: Source, text: String, schema: SchemaRef) -> Stream {
        Stream { branches: vec![Branch { source, steps: Vec::new(), texts: vec![text] }], schema }
    }

    /// One more row-wise step, on every branch.
    fn then(mut self, op: Arc<dyn BatchOp>, text: &str) -> Stream {
        self.schema = op.schema().clone();
        for branch in &mut self.branches {
            branch.steps.push(op.clone());
            branch.texts.push(text.to_owned());
        }
        self
    }
}

impl Sink {
    fn schema(&self) -> &SchemaRef {
        use crate::ops::Reducer;
        match self {
            Sink::Aggregate(op) => op.schema(),
            Sink::Sort(op) => op.schema(),
            Sink::Collect(op) => op.schema(),
        }
    }
}

impl Branch {
    fn partitions(&self) -> usize {
        match &self.source {
            Source::Csv(scan) => scan.source.partitions.len(),
            Source::Held(..) | Source::Stage(_) => 1,
        }
    }
}

impl Pipeline {
    fn partitions(&self) -> usize {
        self.branches.iter().map(Branch::partitions).sum()
    }
}
