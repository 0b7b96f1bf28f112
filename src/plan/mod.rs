//! What a query says: the logical plan, its text, and its rewrites.
//!
//! A plan is a tree of steps over a scan. Each constructor checks its step against the schema of its input, so that
//! a plan that exists is well typed. [`optimise`] rewrites it, one [rule](rules) at a time; [`explain`](explain) prints it.

mod explain;
mod rules;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, SortKey};
use crate::io::csv::CsvSource;

pub(crate) use explain::list;
pub(crate) use rules::optimise;

/// A step and all that comes before it.
#[derive(Debug, Clone)]
pub(crate) enum LogicalPlan {
    /// Rows of CSV files: these columns (places in the source's schema) of the rows that the filter lets pass.
    Scan { source: Arc<CsvSource>, columns: Vec<usize>, filter: Option<Expr>, schema: SchemaRef },
    /// The rows for which a condition is true.
    Filter { input: Arc<LogicalPlan>, predicate: Expr },
    /// Computed columns, and no others.
    Project { input: Arc<LogicalPlan>, exprs: Vec<Expr>, schema: SchemaRef },
    /// A row for each group, sorted by key; without keys one row over everything.
    Aggregate { input: Arc<LogicalPlan>, keys: Vec<Expr>, aggs: Vec<AggExpr>, keep_nulls: bool, schema: SchemaRef },
    /// All rows in order, ties in input order; with a limit the first ones only.
    Sort { input: Arc<LogicalPlan>, keys: Vec<SortKey>, limit: Option<usize> },
    /// Rows `offset` to `offset + limit` in order.
    Slice { input: Arc<LogicalPlan>, offset: usize, limit: Option<usize> },
}

impl LogicalPlan {
    pub(crate) fn scan(source: Arc<CsvSource>) -> LogicalPlan {
        let schema = source.schema.clone();
        LogicalPlan::Scan { columns: (0..schema.fields().len()).collect(), filter: None, schema, source }
    }

    pub(crate) fn filter(input: Arc<LogicalPlan>, predicate: Expr) -> Result<LogicalPlan> {
        predicate.bind_condition(input.schema())?;
        Ok(LogicalPlan::Filter { input, predicate })
    }

    pub(crate) fn project(input: Arc<LogicalPlan>, exprs: Vec<Expr>) -> Result<LogicalPlan> {
        if exprs.is_empty() {
            return Err(Error::new(ErrorKind::Config, "nothing is selected").help("name one column at least"));
        }
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
            LogicalPlan::Scan { schema, .. }
            | LogicalPlan::Project { schema, .. }
            | LogicalPlan::Aggregate { schema, .. } => schema,
            LogicalPlan::Filter { input, .. } | LogicalPlan::Sort { input, .. } | LogicalPlan::Slice { input, .. } => {
                input.schema()
            }
        }
    }

    /// The step before, unless this is the scan.
    pub(crate) fn input(&self) -> Option<&Arc<LogicalPlan>> {
        match self {
            LogicalPlan::Scan { .. } => None,
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Project { input, .. }
            | LogicalPlan::Aggregate { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Slice { input, .. } => Some(input),
        }
    }

    /// The same step on another input, whose columns it finds by name.
    fn with_input(&self, input: Arc<LogicalPlan>) -> LogicalPlan {
        let mut plan = self.clone();
        match &mut plan {
            LogicalPlan::Scan { .. } => {}
            LogicalPlan::Filter { input: old, .. }
            | LogicalPlan::Project { input: old, .. }
            | LogicalPlan::Aggregate { input: old, .. }
            | LogicalPlan::Sort { input: old, .. }
            | LogicalPlan::Slice { input: old, .. } => *old = input,
        }
        plan
    }

    /// The source at the bottom.
    pub(crate) fn source(&self) -> &Arc<CsvSource> {
        let mut plan = self;
        loop {
            match plan {
                LogicalPlan::Scan { source, .. } => return source,
                LogicalPlan::Filter { input, .. }
                | LogicalPlan::Project { input, .. }
                | LogicalPlan::Aggregate { input, .. }
                | LogicalPlan::Sort { input, .. }
                | LogicalPlan::Slice { input, .. } => plan = input,
            }
        }
    }

    /// How many partitions come out: those of the source until something brings them together.
    pub(crate) fn partitions(&self) -> usize {
        match self {
            LogicalPlan::Scan { source, .. } => source.partitions.len(),
            LogicalPlan::Filter { input, .. } | LogicalPlan::Project { input, .. } => input.partitions(),
            LogicalPlan::Aggregate { .. } | LogicalPlan::Sort { .. } | LogicalPlan::Slice { .. } => 1,
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
                .help(format!("name one of them otherwise with .alias(\"{name}_2\")")));
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}
