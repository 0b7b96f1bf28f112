//! Turns a logical plan into stages, and stages into tasks. This layer alone sees both plans and operators.
//!
//! Neighbouring row-wise steps fuse into one [`Pipeline`]: it pulls batches from its sources through its steps into a sink.
//! The sink has a state for each partition. How a stage ends ([`End`]) is one of three: a tree reduction merges the states
//! in partition order and finishes the last one ([`Reduce`]); every state is finished by itself, so that partitions stay
//! partitions ([`Each`]); or every partition is gone over twice, with what it needs of those before it ([`InOrder`]).

mod admit;
mod codes;
mod draw;
mod end;
mod explain;
mod gate;
mod in_order;
mod merge;
mod rank;
mod scan;
mod share;
mod steps;
mod tasks;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use self::end::{Each, End, Exchange, Given, Reduce};
use self::in_order::InOrder;
use crate::error::Result;
use crate::expr::{AggExpr, BoundExpr, Expr, SortKey, col, is_same};
use crate::io::RowSource;
use crate::io::csv::{CsvScan, check_rejects};
use crate::io::write::WriteOptions;
use crate::ops::{
    AggregateOp, AlignOp, AppendOp, ApplyOp, BatchOp, CollectOp, ExplodeOp, FilterOp, FoldOp, GroupRowsOp, InOrderOp,
    LargeMerge, MapOp, MapPartitionsOp, PersistOp, ProbeOp, ProjectOp, Reducer, RouteOp, SampleOp, SortOp, UnpivotOp,
    WriteOp,
};
use crate::plan::{Keep, LogicalPlan, push_samples};

pub(crate) use tasks::{answer, deliver, expand};

/// The stages of one query or several, each after those that it reads.
pub(crate) struct Stages {
    stages: Vec<Pipeline>,
    /// For each query, the stage whose partitions are its answer.
    roots: Vec<usize>,
}

/// Branches and how they end.
pub(crate) struct Pipeline {
    branches: Vec<Branch>,
    /// The partitions of all branches: branch after branch, in order within each.
    partitions: usize,
    end: Arc<dyn End>,
    given: Given,
    /// The end for people.
    text: String,
}

/// A source and the row-wise steps behind it. A pipeline has several behind a concatenation or an outer merge.
#[derive(Clone)]
struct Branch {
    source: Source,
    partitions: usize,
    steps: Vec<Step>,
    /// The source and the steps for people.
    texts: Vec<String>,
}

/// Where a branch's batches come from.
#[derive(Clone)]
enum Source {
    /// The partitions of CSV files.
    Csv(Arc<CsvScan>),
    /// Rows in partitions: these columns of them, less what the filter can leave out.
    Rows { source: Arc<dyn RowSource>, columns: Vec<usize>, filter: Option<Expr> },
    /// What an earlier stage gave.
    Stage { stage: usize, pick: Pick },
    /// The rows of a merge's right side, the result of a stage, that found no match in these earlier branches of the pipeline.
    Unmatched { op: Arc<ProbeOp>, stage: usize, branches: Range<usize> },
}

/// Which of a stage's partitions.
#[derive(Clone, Copy)]
enum Pick {
    All,
    /// This one alone.
    One(usize),
    /// The first (and only) one, its rows cut into so many partitions.
    Cut(usize),
    /// The first (and only) one, in as many partitions as its stage ends in pieces.
    Pieces,
}

/// A row-wise step.
#[derive(Clone)]
enum Step {
    /// From one batch to one batch.
    Map(Arc<dyn BatchOp>),
    /// Looks up each row in the result of a stage: the right side of a merge. `large` is for a side that doesn't fit.
    Probe { op: Arc<ProbeOp>, large: Arc<LargeMerge>, stage: usize },
}

/// Branches that nothing has ended yet.
struct Stream {
    branches: Vec<Branch>,
    schema: SchemaRef,
}

/// The stages of optimised plans, which end in their rows. Plans that read the same files share the scan.
pub(crate) fn lower(plans: &[Arc<LogicalPlan>]) -> Result<Stages> {
    let mut stages = Stages::new(plans.iter().map(|plan| &**plan))?;
    for plan in plans {
        let shared = codes::may_share(plan);
        let coded = if shared { None } else { codes::coded(plan)? };
        let mut stream = stages.stream(coded.as_ref().map_or(plan, |coded| &coded.plan))?;
        let root = match &stream.branches[..] {
            // Stages that nothing follows are the answer as they are.
            [Branch { source: Source::Stage { stage, pick: Pick::All }, steps, .. }]
                if steps.is_empty() && coded.is_none() =>
            {
                stages.stages[*stage].given = Given::Held;
                *stage
            }
            _ => {
                stages.read_in_pieces(&mut stream);
                let dictionaries = coded.map(|coded| coded.dictionaries).unwrap_or_default();
                let collect = match shared {
                    true => CollectOp::new(plan.schema().clone(), 0, None),
                    false => {
                        stream.hold_right();
                        CollectOp::held(plan.schema().clone(), dictionaries)
                    }
                };
                stages.reduce(stream, collect, "collect".to_owned());
                stages.stages.len() - 1
            }
        };
        stages.roots.push(root);
    }
    stages.share_scans()?;
    Ok(stages)
}

/// The stages of an optimised plan whose partitions are kept for later runs: in memory, or in files.
pub(crate) fn lower_persisted(plan: &LogicalPlan) -> Result<Stages> {
    let mut stages = Stages::new([plan].into_iter())?;
    let stream = stages.stream(plan)?;
    let sink = PersistOp::new(stream.schema.clone());
    stages.each(stream, sink, "persist".to_owned());
    stages.roots.push(stages.stages.len() - 1);
    Ok(stages)
}

/// The stages of an optimised plan whose rows are written to files; their one result is a [`Written`](crate::io::write::Written).
pub(crate) fn lower_written(plan: &LogicalPlan, path: &Path, options: &WriteOptions) -> Result<Stages> {
    let sink = WriteOp::new(plan.schema().clone(), path, options, &plan.files())?;
    let mut stages = Stages::new([plan].into_iter())?;
    let mut stream = stages.stream(plan)?;
    if options.partition_by.is_empty() {
        stages.read_in_pieces(&mut stream);
    }
    stages.reduce(stream, sink, "write".to_owned());
    stages.roots.push(stages.stages.len() - 1);
    Ok(stages)
}

impl Stages {
    /// None yet, of these plans.
    fn new<'a>(plans: impl Iterator<Item = &'a LogicalPlan> + Clone) -> Result<Stages> {
        let files: Vec<PathBuf> = plans.clone().flat_map(LogicalPlan::files).collect();
        for source in plans.flat_map(LogicalPlan::sources) {
            check_rejects(&source.options, files.iter().map(PathBuf::as_path))?;
        }
        Ok(Stages { stages: vec![], roots: vec![] })
    }

    /// The batches of a plan, as far as row-wise steps reach; stages before them are added.
    fn stream(&mut self, plan: &LogicalPlan) -> Result<Stream> {
        self.stream_for(plan, true)
    }

    /// As [`stream`](Stages::stream), for one to whom the order of rows may be all the same.
    fn stream_for(&mut self, plan: &LogicalPlan, ordered: bool) -> Result<Stream> {
        match plan {
            LogicalPlan::Read { source, columns, filter, schema } => {
                let partitions = source.partitions();
                let source = Source::Rows { source: source.clone(), columns: columns.clone(), filter: filter.clone() };
                Ok(Stream::new(source, partitions, plan.step_text(), schema.clone()))
            }
            LogicalPlan::Scan { source, columns, sample, filter, .. } => {
                let scan = Arc::new(CsvScan::new(source.clone(), columns.clone(), filter.as_ref(), *sample)?);
                let (schema, partitions) = (scan.schema().clone(), source.partitions.len());
                Ok(Stream::new(Source::Csv(scan), partitions, plan.step_text(), schema))
            }
            LogicalPlan::Concat { inputs, schema } => {
                let mut branches: Vec<Branch> = Vec::new();
                for input in inputs {
                    let stream = self.stream(input)?;
                    let align = AlignOp::new(&stream.schema, schema.clone());
                    let aligned = stream.schema != *schema;
                    let stream = if aligned { stream.map(align, "align columns") } else { stream };
                    let before = branches.len();
                    branches.extend(stream.branches.into_iter().map(|branch| branch.moved_by(before)));
                }
                Ok(Stream { branches, schema: schema.clone() })
            }
            LogicalPlan::Merge { inputs, matching, columns, schema } => {
                merge::stream(self, inputs, matching, columns, schema, ordered)
            }
            // Rows of files are drawn in the scan, also where the plan is not rewritten; rows of anything else by their number.
            LogicalPlan::Sample { .. } => match &*push_samples(&Arc::new(plan.clone())) {
                LogicalPlan::Sample { input, sample } => {
                    let stream = self.stream(input)?;
                    let op = SampleOp::new(stream.schema.clone(), *sample);
                    Ok(self.in_order(stream, op, plan.step_text()))
                }
                sunk => self.stream(sunk),
            },
            LogicalPlan::Filter { input, predicate } => {
                let stream = self.stream_for(input, ordered)?;
                let op = FilterOp::new(stream.schema.clone(), predicate.bind_condition(&stream.schema)?);
                Ok(stream.map(op, &plan.step_text()))
            }
            LogicalPlan::Project { input, exprs, schema } => {
                let stream = self.stream_for(input, ordered)?;
                let exprs = exprs.iter().map(|e| e.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = ProjectOp::new(schema.clone(), exprs);
                Ok(stream.map(op, &plan.step_text()))
            }
            LogicalPlan::InOrder { input, columns, .. } => {
                let stream = self.stream(input)?;
                match columns.iter().any(|column| column.as_rank().is_some()) {
                    true => rank::stream(self, stream, columns, &plan.step_text()),
                    false => self.append(stream, columns, plan.step_text()),
                }
            }
            LogicalPlan::Aggregate { input, keys, aggs, keep_nulls, schema } => {
                let by_codes = codes::by_codes(input, keys, aggs)?;
                let input = by_codes.as_ref().map_or(&**input, |coded| &coded.input);
                let mut stream = self.stream_for(input, aggs.iter().any(AggExpr::depends_on_order))?;
                self.read_in_pieces(&mut stream);
                let bind = |key: &Expr| Ok((key.name(), key.bind(&stream.schema)?));
                let keys = keys.iter().map(bind).collect::<Result<_>>()?;
                let aggs = aggs.iter().map(|a| a.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = AggregateOp::new(keys, aggs, *keep_nulls, ordered)?;
                let stream = self.reduce(stream, op, plan.step_text());
                Ok(match by_codes {
                    Some(by_codes) => stream.map(by_codes.decode(schema), "codes to texts"),
                    None => stream,
                })
            }
            // What nobody sees need not be sorted.
            LogicalPlan::Sort { input, limit: None, .. } if !ordered => self.stream_for(input, false),
            LogicalPlan::Sort { input, keys, limit } => {
                let mut stream = self.stream(input)?;
                self.read_in_pieces(&mut stream);
                let keys = keys.iter().map(|k| k.bind(&stream.schema)).collect::<Result<_>>()?;
                let op = SortOp::new(stream.schema.clone(), keys, *limit);
                Ok(self.reduce(stream, op, plan.step_text()))
            }
            LogicalPlan::Unordered { input } => self.stream_for(input, false),
            LogicalPlan::Slice { input, offset, limit } => {
                let stream = self.stream(input)?;
                let op = CollectOp::new(stream.schema.clone(), *offset, *limit);
                Ok(self.reduce(stream, op, plan.step_text()))
            }
            LogicalPlan::MapBatches { input, function, schema } => {
                let stream = self.stream(input)?;
                Ok(stream.map(MapOp::new(function.clone(), schema.clone()), &plan.step_text()))
            }
            LogicalPlan::MapPartitions { input, function, fitting, schema } => {
                let stream = self.stream(input)?;
                let op = MapPartitionsOp::new(stream.schema.clone(), function.clone(), schema.clone(), *fitting);
                Ok(self.each(stream, op, plan.step_text()))
            }
            // Distinct rows in any order are groups of which nothing is asked.
            LogicalPlan::GroupRows { input, keys, rows: 1, keep_nulls, .. }
                if !ordered && are_all(keys, input.schema()) =>
            {
                let stream = self.stream_for(input, false)?;
                let keys = keys.iter().map(|key| Ok((key.name(), key.bind(&stream.schema)?))).collect::<Result<_>>()?;
                let op = AggregateOp::new(keys, vec![], *keep_nulls, false)?;
                Ok(self.reduce(stream, op, plan.step_text()))
            }
            LogicalPlan::GroupRows { input, keys, rows, keep, keep_nulls } => {
                let stream = match &**input {
                    // Of each group the first rows in the order of one value: others need not be sorted.
                    LogicalPlan::Sort { input: unsorted, keys: by, limit: None }
                        if *keep == Keep::First && begin_with(by, keys) =>
                    {
                        let mut stream = self.stream(unsorted)?;
                        self.read_in_pieces(&mut stream);
                        let by = by.iter().map(|key| key.bind(&stream.schema)).collect::<Result<_>>()?;
                        let op = SortOp::new(stream.schema.clone(), by, None).for_first_of_groups(*rows);
                        self.reduce(stream, op, input.step_text())
                    }
                    _ => self.stream(input)?,
                };
                let keys = bind_all(keys, &stream.schema)?;
                let last = *keep == Keep::Last;
                let op = GroupRowsOp::new(stream.schema.clone(), keys, *rows, last, *keep_nulls, ordered);
                Ok(self.reduce(stream, op, plan.step_text()))
            }
            LogicalPlan::Apply { input, keys, function, schema } => {
                let stream = self.stream(input)?;
                let keys = bind_all(keys, &stream.schema)?;
                let op = ApplyOp::new(stream.schema.clone(), keys, function.clone(), schema.clone());
                Ok(self.reduce(stream, op, plan.step_text()))
            }
            LogicalPlan::Unpivot { input, index, columns, schema } => {
                let stream = self.stream(input)?;
                let op = UnpivotOp::new(&stream.schema, index, columns, schema.clone())?;
                Ok(stream.map(op, &plan.step_text()))
            }
            LogicalPlan::Explode { input, column, separator } => {
                let stream = self.stream(input)?;
                let op = ExplodeOp::new(stream.schema.clone(), column, separator)?;
                Ok(stream.map(op, &plan.step_text()))
            }
            LogicalPlan::Repartition { input, partitions, keys } if keys.is_empty() => {
                let stream = self.stream(input)?;
                let op = CollectOp::new(stream.schema.clone(), 0, None);
                let whole = self.reduce(stream, op, plan.step_text());
                Ok(whole.picked(Pick::Cut(*partitions), *partitions))
            }
            LogicalPlan::Repartition { input, partitions, keys } => {
                let stream = self.stream(input)?;
                let keys = bind_all(keys, &stream.schema)?;
                let (op, schema) = (RouteOp::new(stream.schema.clone(), keys, *partitions), stream.schema.clone());
                Ok(self.end(stream, Arc::new(Exchange(Arc::new(op))), schema, plan.step_text()))
            }
            LogicalPlan::Partition { input, number } => {
                let stream = self.stream(input)?;
                let op = CollectOp::new(stream.schema.clone(), 0, None);
                let all = self.each(stream, op, "collect each partition".to_owned());
                Ok(all.picked(Pick::One(*number), 1))
            }
            LogicalPlan::Fold { input, functions, schema } => {
                let stream = self.stream(input)?;
                let op = FoldOp::new(stream.schema.clone(), functions.clone(), schema.clone());
                Ok(self.reduce(stream, op, plan.step_text()))
            }
        }
    }

    /// Ends a stream in a sink whose states merge: a stage of one partition, which the stream returned reads.
    fn reduce<R: Reducer>(&mut self, stream: Stream, sink: R, text: String) -> Stream {
        let schema = sink.schema().clone();
        self.end(stream, Arc::new(Reduce(Arc::new(sink))), schema, text)
    }

    /// Ends a stream in a sink that keeps partitions apart.
    fn each<R: Reducer>(&mut self, stream: Stream, sink: R, text: String) -> Stream {
        let schema = sink.schema().clone();
        self.end(stream, Arc::new(Each(Arc::new(sink))), schema, text)
    }

    /// Ends a stream in an operator that goes over its partitions in order.
    fn in_order<P: InOrderOp>(&mut self, stream: Stream, op: P, text: String) -> Stream {
        let (schema, collect) = (op.schema().clone(), Arc::new(CollectOp::new(stream.schema.clone(), 0, None)));
        self.end(stream, Arc::new(InOrder { collect, op: Arc::new(op) }), schema, text)
    }

    /// Has a stream that reads one whole result, which nobody else reads, take it in pieces: for a sink to which it is all one how
    /// rows are cut into partitions.
    fn read_in_pieces(&mut self, stream: &mut Stream) {
        let [Branch { source: Source::Stage { stage, pick: pick @ Pick::All }, partitions: 1, steps, .. }] =
            stream.branches.as_mut_slice()
        else {
            return;
        };
        // A merge may want the whole.
        let probed = steps.iter().any(|step| matches!(step, Step::Probe { .. }));
        // No stage stands behind the last one that could read it.
        let last = if *stage + 1 == self.stages.len() { self.stages.last_mut() } else { None };
        if let Some(last) = last.filter(|last| !probed && last.end.merges()) {
            (last.given, *pick) = (Given::Pieces, Pick::Pieces);
        }
    }

    /// Appends columns that go over the rows in order.
    fn append(&mut self, stream: Stream, columns: &[Expr], text: String) -> Result<Stream> {
        let named = |e: &Expr| Ok((e.name(), e.bind_in_order(&stream.schema)?));
        let columns = columns.iter().map(named).collect::<Result<_>>()?;
        let op = AppendOp::new(&stream.schema, columns)?;
        Ok(self.in_order(stream, op, text))
    }

    fn end(&mut self, stream: Stream, end: Arc<dyn End>, schema: SchemaRef, text: String) -> Stream {
        let partitions = stream.partitions();
        let partitions_out = end.partitions(partitions);
        self.stages.push(Pipeline { branches: stream.branches, partitions, end, given: Given::Whole, text });
        let stage = self.stages.len() - 1;
        let source = Source::Stage { stage, pick: Pick::All };
        Stream::new(source, partitions_out, format!("read stage {stage}"), schema)
    }
}

impl Stream {
    fn new(source: Source, partitions: usize, text: String, schema: SchemaRef) -> Stream {
        Stream { branches: vec![Branch { source, partitions, steps: Vec::new(), texts: vec![text] }], schema }
    }

    fn partitions(&self) -> usize {
        self.branches.iter().map(|branch| branch.partitions).sum()
    }

    /// Other partitions of the one stage that it reads.
    fn picked(mut self, which: Pick, partitions: usize) -> Stream {
        for branch in &mut self.branches {
            if let Source::Stage { pick, .. } = &mut branch.source {
                (*pick, branch.partitions) = (which, partitions);
            }
            branch.texts.extend(which.text());
        }
        self
    }

    /// One more step, on every branch.
    fn then(mut self, step: &Step, schema: SchemaRef, text: &str) -> Stream {
        self.schema = schema;
        for branch in &mut self.branches {
            branch.steps.push(step.clone());
            branch.texts.push(text.to_owned());
        }
        self
    }

    fn map(self, op: impl BatchOp + 'static, text: &str) -> Stream {
        let schema = op.schema().clone();
        self.then(&Step::Map(Arc::new(op)), schema, text)
    }

    /// Has merges that end it give what is to be held.
    fn hold_right(&mut self) {
        for branch in &mut self.branches {
            if let Some(Step::Probe { op, .. }) = branch.steps.last_mut() {
                *op = Arc::new(op.holding_right());
            }
        }
    }

    /// Looks up each row in the result of a stage; right rows that no row matched come behind, where the merge asks for them.
    fn probe(self, op: ProbeOp, large: LargeMerge, stage: usize, text: &str) -> Stream {
        let (schema, branches, op) = (op.schema().clone(), 0..self.branches.len(), Arc::new(op));
        let mut stream = self.then(&Step::Probe { op: op.clone(), large: Arc::new(large), stage }, schema, text);
        if op.tracks() {
            let source = Source::Unmatched { op, stage, branches };
            let texts = vec![format!("rows of stage {stage} without a match")];
            stream.branches.push(Branch { source, partitions: 1, steps: Vec::new(), texts });
        }
        stream
    }
}

impl Pick {
    /// For people; nothing when it is all.
    fn text(self) -> Option<String> {
        match self {
            Pick::All | Pick::Pieces => None,
            Pick::One(partition) => Some(format!("partition {partition} alone")),
            Pick::Cut(n) => Some(format!("cut into {n}")),
        }
    }
}

/// Whether these are all columns, in their order.
fn are_all(exprs: &[Expr], schema: &SchemaRef) -> bool {
    let columns = schema.fields().iter().map(|field| col(field.name()));
    exprs.len() == schema.fields().len() && exprs.iter().zip(columns).all(|(expr, column)| is_same(expr, &column))
}

/// Whether rows are sorted by these keys, and then by one more.
fn begin_with(sorted: &[SortKey], keys: &[Expr]) -> bool {
    sorted.len() == keys.len() + 1 && sorted.iter().zip(keys).all(|(sorted, key)| is_same(&sorted.expr, key))
}

fn bind_all(exprs: &[Expr], schema: &SchemaRef) -> Result<Vec<BoundExpr>> {
    exprs.iter().map(|expr| expr.bind(schema)).collect()
}

impl Branch {
    /// The same branch in a list where so many stand before it.
    fn moved_by(mut self, before: usize) -> Branch {
        if let Source::Unmatched { branches, .. } = &mut self.source {
            *branches = branches.start + before..branches.end + before;
        }
        self
    }
}
