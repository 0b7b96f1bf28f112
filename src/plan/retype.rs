//! The same plan over sources whose columns have other types: each step is checked anew.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::{LogicalPlan, Origin};
use crate::error::{Error, ErrorKind, Result};
use crate::io::csv::CsvSource;

impl LogicalPlan {
    /// The plan over what `other` gives for its CSV sources, of the same columns; `None` leaves a source as it is.
    ///
    /// # Errors
    /// What a step has against its input's types; steps that run closures, which have seen the old ones.
    pub(crate) fn over(
        self: &Arc<LogicalPlan>,
        other: &dyn Fn(&Arc<CsvSource>) -> Option<Arc<CsvSource>>,
    ) -> Result<Arc<LogicalPlan>> {
        if let LogicalPlan::Scan { source, columns, sample, filter, .. } = &**self {
            let Some(source) = other(source) else { return Ok(self.clone()) };
            let schema = Arc::new(source.schema.project(columns)?);
            let (columns, sample, filter) = (columns.clone(), *sample, filter.clone());
            return Ok(Arc::new(LogicalPlan::Scan { source, columns, sample, filter, schema }));
        }
        let inputs = self.inputs().iter().map(|input| input.over(other)).collect::<Result<Vec<_>>>()?;
        if inputs.iter().zip(self.inputs()).all(|(new, old)| Arc::ptr_eq(new, old)) {
            return Ok(self.clone());
        }
        let first = || inputs.first().cloned().ok_or_else(|| Error::internal("a step lost its input"));
        Ok(Arc::new(match &**self {
            LogicalPlan::Filter { predicate, .. } => LogicalPlan::filter(first()?, predicate.clone())?,
            LogicalPlan::Project { exprs, .. } => LogicalPlan::project(first()?, exprs.clone())?,
            LogicalPlan::InOrder { columns, .. } => {
                let input = first()?;
                let mut fields: Vec<_> = input.schema().fields().iter().cloned().collect();
                for column in columns {
                    let kind = column.bind_in_order(input.schema())?.kind;
                    fields.push(Arc::new(Field::new(column.name(), kind.arrow(), true)));
                }
                LogicalPlan::InOrder { input, columns: columns.clone(), schema: Arc::new(Schema::new(fields)) }
            }
            LogicalPlan::Aggregate { keys, aggs, keep_nulls, .. } => {
                LogicalPlan::aggregate(first()?, keys.clone(), aggs.clone(), *keep_nulls)?
            }
            LogicalPlan::Sort { keys, limit, .. } => {
                let mut sort = LogicalPlan::sort(first()?, keys.clone())?;
                if let LogicalPlan::Sort { limit: new, .. } = &mut sort {
                    *new = *limit;
                }
                sort
            }
            LogicalPlan::Concat { .. } => LogicalPlan::concat(inputs)?,
            LogicalPlan::GroupRows { keys, rows, keep, keep_nulls, .. } => {
                LogicalPlan::group_rows(first()?, keys.clone(), *rows, *keep, *keep_nulls)?
            }
            LogicalPlan::Unpivot { index, columns, schema, .. } => {
                let [.., names, values] = &schema.fields()[..] else {
                    return Err(Error::internal("an unpivot has no names and values"));
                };
                let (names, values) = (names.name().clone(), values.name().clone());
                LogicalPlan::unpivot(first()?, index.clone(), columns.clone(), names, values)?
            }
            LogicalPlan::Explode { column, separator, .. } => {
                LogicalPlan::explode(first()?, column.clone(), separator.clone())?
            }
            LogicalPlan::Repartition { partitions, keys, .. } => {
                LogicalPlan::repartition(first()?, *partitions, keys.clone())?
            }
            LogicalPlan::Merge { .. } => self.merge_over(inputs)?,
            LogicalPlan::Sample { .. }
            | LogicalPlan::Unordered { .. }
            | LogicalPlan::Slice { .. }
            | LogicalPlan::Partition { .. } => self.with_inputs(inputs),
            _ if self.has_run_closures() => {
                return Err(Error::new(ErrorKind::Function, "a closure has seen rows of other types"));
            }
            LogicalPlan::MapBatches { function, .. } => LogicalPlan::map_batches(first()?, function.clone())?,
            LogicalPlan::MapPartitions { function, fitting, .. } => {
                LogicalPlan::map_partitions(first()?, function.clone(), *fitting)?
            }
            LogicalPlan::Apply { keys, function, .. } => LogicalPlan::apply(first()?, keys.clone(), function.clone())?,
            LogicalPlan::Fold { functions, .. } => LogicalPlan::fold(first()?, functions.clone())?,
            LogicalPlan::Read { .. } | LogicalPlan::Scan { .. } => return Err(Error::internal("a source has inputs")),
        }))
    }

    /// A merge of other inputs: its keys must go together still.
    fn merge_over(&self, inputs: Vec<Arc<LogicalPlan>>) -> Result<LogicalPlan> {
        let LogicalPlan::Merge { inputs: old, matching, columns, schema } = self else {
            return Err(Error::internal("what is merged is no merge"));
        };
        let [left, right]: [_; 2] = inputs.try_into().map_err(|_| Error::internal("a merge lost an input"))?;
        let dtype = |plan: &LogicalPlan, name: &str| {
            plan.schema().field_with_name(name).map(|field| field.data_type().clone()).map_err(Error::from)
        };
        for (a, b) in &matching.keys {
            if dtype(&left, a)? != dtype(&right, b)? {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!("the keys '{a}' and '{b}' of the merge are of two types"),
                )
                .help("give both columns one type with CsvOptions::dtype or --types when reading"));
            }
        }
        if let Some((a, b, _)) = &matching.near
            && (dtype(&left, a)? != dtype(&old[0], a)? || dtype(&right, b)? != dtype(&old[1], b)?)
        {
            return Err(Error::new(
                ErrorKind::Type,
                format!("'{a}' and '{b}' have other types, and the nearest is no longer known"),
            )
            .help("give both columns their type with CsvOptions::dtype or --types when reading"));
        }
        let fields = columns.iter().zip(schema.fields()).map(|(origin, field)| {
            let dtype = match origin {
                Origin::Left(name) | Origin::Key(name) => dtype(&left, name)?,
                Origin::Right(name) => dtype(&right, name)?,
            };
            Ok(Field::new(field.name(), dtype, true))
        });
        let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?));
        Ok(LogicalPlan::Merge { inputs: [left, right], matching: matching.clone(), columns: columns.clone(), schema })
    }

    /// For each CSV source, the columns (places in its schema) that its scans decode.
    pub(crate) fn decoded(&self) -> Vec<(&Arc<CsvSource>, Vec<usize>)> {
        match self {
            LogicalPlan::Scan { source, columns, filter, .. } => {
                let mut decoded = columns.clone();
                let names = filter.iter().flat_map(|filter| filter.columns());
                decoded.extend(names.filter_map(|name| source.schema.index_of(&name).ok()));
                vec![(source, decoded)]
            }
            _ => self.inputs().iter().flat_map(|input| input.decoded()).collect(),
        }
    }
}
