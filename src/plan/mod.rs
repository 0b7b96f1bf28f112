//! What a query says: the logical plan, its text, and its rewrites.
//!
//! A plan is a tree of steps over a scan. Each constructor checks its step against the schema of its input, so that
//! a plan that exists is well typed. [`optimise`] rewrites it, one [rule](rules) at a time; [`explain`](explain) prints it.

mod explain;
mod in_order;
mod merge;
mod retype;
mod rows;
mod rules;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::batch::{BatchFunction, FoldFunctions};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, SortKey, col, type_name, widened};
use crate::io::csv::CsvSource;
use crate::io::{RowSource, Sample};

pub(crate) use explain::list;
pub(crate) use merge::{AsOfSpec, Matching, MergeSpec, Origin};
pub use rows::Keep;
pub(crate) use rules::{optimise, push_samples};

/// A step and all that comes before it.
#[derive(Debug, Clone)]
pub(crate) enum LogicalPlan {
    /// Rows that are there already, or in files of another format: these columns of them (places in the source's schema).
    /// The source may leave out rows for which the filter is certainly false; it stands again behind the source.
    Read { source: Arc<dyn RowSource>, columns: Vec<usize>, filter: Option<Expr>, schema: SchemaRef },
    /// Rows of CSV files: these columns (places in the source's schema) of the rows that the sample draws and the filter
    /// lets pass.
    Scan {
        source: Arc<CsvSource>,
        columns: Vec<usize>,
        sample: Option<Sample>,
        filter: Option<Expr>,
        schema: SchemaRef,
    },
    /// The rows for which a condition is true.
    Filter { input: Arc<LogicalPlan>, predicate: Expr },
    /// A share of the rows.
    Sample { input: Arc<LogicalPlan>, sample: Sample },
    /// Computed columns, and no others.
    Project { input: Arc<LogicalPlan>, exprs: Vec<Expr>, schema: SchemaRef },
    /// All columns of the input, and behind them functions that go over its rows in order, each under its alias.
    InOrder { input: Arc<LogicalPlan>, columns: Vec<Expr>, schema: SchemaRef },
    /// A row for each group, sorted by key; without keys one row over everything.
    Aggregate { input: Arc<LogicalPlan>, keys: Vec<Expr>, aggs: Vec<AggExpr>, keep_nulls: bool, schema: SchemaRef },
    /// All rows in order, ties in input order; with a limit the first ones only.
    Sort { input: Arc<LogicalPlan>, keys: Vec<SortKey>, limit: Option<usize> },
    /// The same rows, in any order.
    Unordered { input: Arc<LogicalPlan> },
    /// Rows `offset` to `offset + limit` in order.
    Slice { input: Arc<LogicalPlan>, offset: usize, limit: Option<usize> },
    /// The rows of all inputs, one input after the other; columns found by name.
    Concat { inputs: Vec<Arc<LogicalPlan>>, schema: SchemaRef },
    /// What a closure makes of each batch.
    MapBatches { input: Arc<LogicalPlan>, function: BatchFunction, schema: SchemaRef },
    /// What a closure makes of each partition; partitions of `fitting` bytes would fit in memory.
    MapPartitions { input: Arc<LogicalPlan>, function: BatchFunction, fitting: usize, schema: SchemaRef },
    /// The first or last rows of each group, in the order of the input; without keys, of all rows.
    GroupRows { input: Arc<LogicalPlan>, keys: Vec<Expr>, rows: usize, keep: Keep, keep_nulls: bool },
    /// What a closure makes of each group of an input that is sorted by these keys.
    Apply { input: Arc<LogicalPlan>, keys: Vec<Expr>, function: BatchFunction, schema: SchemaRef },
    /// A row for each of some columns: the index columns, the column's name, its value.
    Unpivot { input: Arc<LogicalPlan>, index: Vec<String>, columns: Vec<String>, schema: SchemaRef },
    /// A row for each piece of a text.
    Explode { input: Arc<LogicalPlan>, column: String, separator: String },
    /// The same rows in so many partitions: cut in order, or, by keys, with all rows of equal key in one.
    Repartition { input: Arc<LogicalPlan>, partitions: usize, keys: Vec<Expr> },
    /// The rows of one partition.
    Partition { input: Arc<LogicalPlan>, number: usize },
    /// What the closures of a reduction make of all rows.
    Fold { input: Arc<LogicalPlan>, functions: FoldFunctions, schema: SchemaRef },
    /// Rows of the left with the rows of the right that they match: these columns of them.
    Merge { inputs: [Arc<LogicalPlan>; 2], matching: Arc<Matching>, columns: Vec<Origin>, schema: SchemaRef },
}

impl LogicalPlan {
    pub(crate) fn scan(source: Arc<CsvSource>) -> LogicalPlan {
        let schema = source.schema.clone();
        LogicalPlan::Scan { columns: (0..schema.fields().len()).collect(), sample: None, filter: None, schema, source }
    }

    pub(crate) fn read(source: Arc<dyn RowSource>) -> LogicalPlan {
        let schema = source.schema().clone();
        LogicalPlan::Read { columns: (0..schema.fields().len()).collect(), filter: None, schema, source }
    }

    /// Columns come in the order in which the inputs name them first; a type is the narrowest that holds all inputs'.
    pub(crate) fn concat(inputs: Vec<Arc<LogicalPlan>>) -> Result<LogicalPlan> {
        let mut fields: Vec<Field> = Vec::new();
        for field in inputs.iter().flat_map(|input| input.schema().fields()) {
            match fields.iter_mut().find(|known| known.name() == field.name()) {
                None => fields.push(field.as_ref().clone()),
                Some(known) => {
                    let wider = widened(known.data_type(), field.data_type()).ok_or_else(|| {
                        let (a, b) = (type_name(known.data_type()), type_name(field.data_type()));
                        Error::new(
                            ErrorKind::Type,
                            format!("column '{}' is {a} in one frame and {b} in another", field.name()),
                        )
                        .help("give it one type where the frames are made, with CsvOptions::dtype or a cast")
                    })?;
                    *known = Field::new(field.name(), wider, true);
                }
            }
        }
        Ok(LogicalPlan::Concat { inputs, schema: Arc::new(Schema::new(fields)) })
    }

    pub(crate) fn filter(input: Arc<LogicalPlan>, predicate: Expr) -> Result<LogicalPlan> {
        if predicate.has_in_order() {
            let columns = input.schema().fields().iter().map(|field| col(field.name())).collect();
            let mut exprs = [predicate];
            let input = LogicalPlan::in_order(input, &mut exprs)?;
            let [predicate] = exprs;
            return LogicalPlan::project(Arc::new(LogicalPlan::filter(input, predicate.unaliased())?), columns);
        }
        predicate.bind_condition(input.schema())?;
        Ok(LogicalPlan::Filter { input, predicate })
    }

    pub(crate) fn sample(input: Arc<LogicalPlan>, fraction: f64, seed: u64) -> Result<LogicalPlan> {
        Ok(LogicalPlan::Sample { input, sample: Sample::new(fraction, seed)? })
    }

    pub(crate) fn project(input: Arc<LogicalPlan>, mut exprs: Vec<Expr>) -> Result<LogicalPlan> {
        if exprs.is_empty() {
            return Err(Error::new(ErrorKind::Config, "nothing is selected").help("name one column at least"));
        }
        let input = LogicalPlan::in_order(input, &mut exprs)?;
        let fields = exprs.iter().map(|e| field(e, input.schema())).collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Project { schema: unique(fields)?, input, exprs })
    }

    pub(crate) fn aggregate(
        input: Arc<LogicalPlan>,
        keys: Vec<Expr>,
        aggs: Vec<AggExpr>,
        keep_nulls: bool,
    ) -> Result<LogicalPlan> {
        if aggs.is_empty() && keys.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is nothing to aggregate")
                .help("give an aggregate, as in agg([col(\"q\").mean()])"));
        }
        let mut fields = keys.iter().map(|k| field(k, input.schema())).collect::<Result<Vec<_>>>()?;
        for agg in &aggs {
            let bound = agg.bind(input.schema())?;
            fields.push(Field::new(bound.name, bound.output_type, true));
        }
        Ok(LogicalPlan::Aggregate { schema: unique(fields)?, input, keys, aggs, keep_nulls })
    }

    pub(crate) fn sort(input: Arc<LogicalPlan>, keys: Vec<SortKey>) -> Result<LogicalPlan> {
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is nothing to sort by").help("name one column at least"));
        }
        for key in &keys {
            key.bind(input.schema())?;
        }
        Ok(LogicalPlan::Sort { input, keys, limit: None })
    }

    pub(crate) fn slice(input: Arc<LogicalPlan>, offset: usize, limit: Option<usize>) -> LogicalPlan {
        LogicalPlan::Slice { input, offset, limit }
    }

    /// The columns that come out.
    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            LogicalPlan::Read { schema, .. }
            | LogicalPlan::Scan { schema, .. }
            | LogicalPlan::Project { schema, .. }
            | LogicalPlan::InOrder { schema, .. }
            | LogicalPlan::Aggregate { schema, .. }
            | LogicalPlan::Concat { schema, .. }
            | LogicalPlan::MapBatches { schema, .. }
            | LogicalPlan::MapPartitions { schema, .. }
            | LogicalPlan::Apply { schema, .. }
            | LogicalPlan::Unpivot { schema, .. }
            | LogicalPlan::Fold { schema, .. }
            | LogicalPlan::Merge { schema, .. } => schema,
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Sample { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Unordered { input }
            | LogicalPlan::Slice { input, .. }
            | LogicalPlan::GroupRows { input, .. }
            | LogicalPlan::Explode { input, .. }
            | LogicalPlan::Repartition { input, .. }
            | LogicalPlan::Partition { input, .. } => input.schema(),
        }
    }

    /// The steps whose rows it takes; none for what has rows of its own.
    pub(crate) fn inputs(&self) -> &[Arc<LogicalPlan>] {
        match self {
            LogicalPlan::Read { .. } | LogicalPlan::Scan { .. } => &[],
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Sample { input, .. }
            | LogicalPlan::Project { input, .. }
            | LogicalPlan::InOrder { input, .. }
            | LogicalPlan::Aggregate { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Unordered { input }
            | LogicalPlan::Slice { input, .. }
            | LogicalPlan::MapBatches { input, .. }
            | LogicalPlan::MapPartitions { input, .. }
            | LogicalPlan::GroupRows { input, .. }
            | LogicalPlan::Apply { input, .. }
            | LogicalPlan::Unpivot { input, .. }
            | LogicalPlan::Explode { input, .. }
            | LogicalPlan::Repartition { input, .. }
            | LogicalPlan::Partition { input, .. }
            | LogicalPlan::Fold { input, .. } => std::slice::from_ref(input),
            LogicalPlan::Concat { inputs, .. } => inputs,
            LogicalPlan::Merge { inputs, .. } => inputs,
        }
    }

    /// The same step on other inputs, as many, whose columns it finds by name.
    fn with_inputs(&self, new: Vec<Arc<LogicalPlan>>) -> LogicalPlan {
        let mut plan = self.clone();
        match &mut plan {
            LogicalPlan::Read { .. } | LogicalPlan::Scan { .. } => {}
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Sample { input, .. }
            | LogicalPlan::Project { input, .. }
            | LogicalPlan::InOrder { input, .. }
            | LogicalPlan::Aggregate { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Unordered { input }
            | LogicalPlan::Slice { input, .. }
            | LogicalPlan::MapBatches { input, .. }
            | LogicalPlan::MapPartitions { input, .. }
            | LogicalPlan::GroupRows { input, .. }
            | LogicalPlan::Apply { input, .. }
            | LogicalPlan::Unpivot { input, .. }
            | LogicalPlan::Explode { input, .. }
            | LogicalPlan::Repartition { input, .. }
            | LogicalPlan::Partition { input, .. }
            | LogicalPlan::Fold { input, .. } => {
                if let Some(new) = new.into_iter().next() {
                    *input = new;
                }
            }
            LogicalPlan::Concat { inputs, .. } => *inputs = new,
            LogicalPlan::Merge { inputs, .. } => {
                if let Ok(new) = new.try_into() {
                    *inputs = new;
                }
            }
        }
        plan
    }

    /// The same step on another input.
    fn with_input(&self, input: Arc<LogicalPlan>) -> LogicalPlan {
        self.with_inputs(vec![input])
    }

    /// The CSV sources at the bottom, from left to right.
    pub(crate) fn sources(&self) -> Vec<&Arc<CsvSource>> {
        match self {
            LogicalPlan::Scan { source, .. } => vec![source],
            _ => self.inputs().iter().flat_map(|input| input.sources()).collect(),
        }
    }

    /// Whether a closure of a step has been given rows; those within a source count as if they had been.
    pub(crate) fn has_run_closures(&self) -> bool {
        let own = match self {
            LogicalPlan::MapBatches { function, .. }
            | LogicalPlan::MapPartitions { function, .. }
            | LogicalPlan::Apply { function, .. } => function.has_run(),
            LogicalPlan::Fold { functions, .. } => functions.has_run(),
            LogicalPlan::Read { source, .. } => source.has_closures(),
            _ => false,
        };
        own || self.inputs().iter().any(|input| input.has_run_closures())
    }

    /// The files that are read, from left to right.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            LogicalPlan::Scan { source, .. } => source.files.iter().map(|file| file.text.input.path.clone()).collect(),
            LogicalPlan::Read { source, .. } => source.files(),
            _ => self.inputs().iter().flat_map(|input| input.files()).collect(),
        }
    }

    /// How many partitions come out: those of the source until something brings them together.
    pub(crate) fn partitions(&self) -> usize {
        match self {
            LogicalPlan::Scan { source, .. } => source.partitions.len(),
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Sample { input, .. }
            | LogicalPlan::Project { input, .. }
            | LogicalPlan::Unordered { input }
            | LogicalPlan::MapBatches { input, .. }
            | LogicalPlan::MapPartitions { input, .. }
            | LogicalPlan::Unpivot { input, .. }
            | LogicalPlan::Explode { input, .. } => input.partitions(),
            LogicalPlan::InOrder { columns, .. } if columns.iter().any(|column| column.as_rank().is_some()) => 1,
            LogicalPlan::InOrder { input, .. } => input.partitions(),
            LogicalPlan::Repartition { partitions, .. } => *partitions,
            LogicalPlan::Concat { inputs, .. } => inputs.iter().map(|input| input.partitions()).sum(),
            LogicalPlan::Read { source, .. } => source.partitions(),
            // Right rows without a match come behind, in a partition of their own.
            LogicalPlan::Merge { inputs: [left, _], matching, .. } => {
                left.partitions() + usize::from(matching.kind.keeps_right())
            }
            LogicalPlan::Aggregate { .. }
            | LogicalPlan::Sort { .. }
            | LogicalPlan::Slice { .. }
            | LogicalPlan::GroupRows { .. }
            | LogicalPlan::Apply { .. }
            | LogicalPlan::Partition { .. }
            | LogicalPlan::Fold { .. } => 1,
        }
    }
}

fn field(expr: &Expr, schema: &Schema) -> Result<Field> {
    Ok(Field::new(expr.name(), expr.bind(schema)?.data_type(), true))
}

/// A schema, if no name is used twice.
fn unique(fields: Vec<Field>) -> Result<SchemaRef> {
    let mut names = HashSet::new();
    for field in &fields {
        if !names.insert(field.name()) {
            let name = field.name();
            return Err(Error::new(ErrorKind::Column, format!("two columns are named '{name}'"))
                .help(format!("give one of them another name; an expression takes one with .alias(\"{name}_2\")")));
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}
