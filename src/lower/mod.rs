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

use crate::error::Result;
use crate::expr::Expr;
use crate::io::csv::CsvScan;
use crate::mem::Part;
use crate::ops::{AggregateOp, BatchOp, CollectOp, FilterOp, ProjectOp, SortOp};
use crate::plan::LogicalPlan;

pub(crate) use tasks::{answer, expand};

/// The stages of a query, each after those that it reads; the last one's batches are the answer.
pub(crate) struct Stages {
    stages: Vec<Pipeline>,
}

/// A pipeline with the sink that ends it and, for more than one partition, the tree reduction behind that.
pub(crate) struct Pipeline {
    source: Source,
    steps: Vec<Arc<dyn BatchOp>>,
    /// The steps and the sink for people.
    texts: Vec<String>,
    sink: Sink,
}

/// Where a pipeline's batches come from.
enum Source {
    /// The partitions of CSV files.
    Csv { scan: Arc<CsvScan>, text: String },
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

/// Row-wise steps over a source that nothing has ended yet.
struct Stream {
    source: Source,
    steps: Vec<Arc<dyn BatchOp>>,
    texts: Vec<String>,
    schema: SchemaRef,
}

/// The stages of an optimised plan.
pub(crate) fn lower(plan: &LogicalPlan) -> Result<Stages> {
    let mut stages = Stages { stages: Vec::new() };
    let stream = stages.stream(plan)?;
    // A last stage that nothing follows is the answer as it is.
    let is_stage = matches!(stream.source, Source::Stage(_));
    if !(is_stage && stream.steps.is_empty()) {
        let collect = CollectOp::new(stream.schema.clone(), 0, None);
        stages.end(stream, Sink::Collect(Arc::new(collect)), "collect".to_owned());
    }
    Ok(stages)
}

impl Stages {
    /// The batches of a plan, as far as row-wise steps reach; stages before them are added.
    fn stream(&mut self, plan: &LogicalPlan) -> Result<Stream> {
        match plan {
            LogicalPlan::Scan { source, columns, filter, .. } => {
                let text = plan.step_text();
                let scan = Arc::new(CsvScan::new(source.clone(), columns.clone(), filter.as_ref())?);
                let schema = scan.schema().clone();
                Ok(Stream { source: Source::Csv { scan, text }, steps: Vec::new(), texts: Vec::new(), schema })
            }
            LogicalPlan::Filter { input, predicate } => {
                let stream = self.stream(input)?;
                let op = FilterOp::new(stream.schema.clone(), predicate.bind_condition(&stream.schema)?);
                Ok(stream.then(Arc::new(op), plan))
            }
            LogicalPlan::Project { input, exprs, schema } => {
                let stream = self.stream(input)?;
                let exprs = exprs.iter().map(|e| e.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = ProjectOp::new(schema.clone(), exprs);
                Ok(stream.then(Arc::new(op), plan))
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
        let Stream { source, steps, mut texts, .. } = stream;
        texts.push(text);
        self.stages.push(Pipeline { source, steps, texts, sink });
        let source = Source::Stage(self.stages.len() - 1);
        Stream { source, steps: Vec::new(), texts: Vec::new(), schema }
    }
}

impl Stream {
    fn then(mut self, op: Arc<dyn BatchOp>, plan: &LogicalPlan) -> Stream {
        self.schema = op.schema().clone();
        self.steps.push(op);
        self.texts.push(plan.step_text());
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

impl Pipeline {
    fn partitions(&self) -> usize {
        match &self.source {
            Source::Csv { scan, .. } => scan.source.partitions.len(),
            Source::Stage(_) => 1,
        }
    }
}
