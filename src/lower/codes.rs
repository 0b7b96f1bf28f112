//! Groups by text columns of persisted frames: by their codes, from which the texts are made in the end.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int64Type, SchemaRef};

use crate::batch::BatchFunction;
use crate::error::Result;
use crate::expr::{AggExpr, Expr, Node};
use crate::io::decode;
use crate::ops::MapOp;
use crate::plan::LogicalPlan;

/// The input of groups with codes in place of some of their keys.
pub(super) struct ByCodes {
    pub input: LogicalPlan,
    /// The dictionary of each key that is a code.
    dictionaries: Vec<Option<ArrayRef>>,
}

/// Codes for as many keys as can be; none if they are as well taken as texts.
pub(super) fn by_codes(input: &LogicalPlan, keys: &[Expr], aggs: &[AggExpr]) -> Result<Option<ByCodes>> {
    let is_aggregated = |name: &str| aggs.iter().any(|agg| agg.columns().contains(name));
    // A key that is named twice, or within another, is needed as a text.
    let is_alone = |name: &str| keys.iter().filter(|key| key.columns().contains(name)).count() == 1;
    let names: Vec<Option<&str>> =
        keys.iter().map(|key| plain(key).filter(|name| !is_aggregated(name) && is_alone(name))).collect();
    let dictionary = |name: &Option<&str>| dictionary(input, (*name)?).cloned();
    let dictionaries: Vec<_> = names.iter().map(dictionary).collect();
    let coded =
        names.into_iter().zip(&dictionaries).filter_map(|(name, dictionary)| name.filter(|_| dictionary.is_some()));
    let coded: Vec<&str> = coded.collect();
    if coded.is_empty() {
        return Ok(None);
    }
    Ok(Some(ByCodes { input: with_codes(input, &coded)?, dictionaries }))
}

impl ByCodes {
    /// From groups by codes to groups by texts, of the columns `output`.
    pub(super) fn decode(self, output: &SchemaRef) -> MapOp {
        let (dictionaries, schema) = (self.dictionaries, output.clone());
        let function = BatchFunction::new("group_by", move |batch: arrow::array::RecordBatch| {
            let mut columns = batch.columns().to_vec();
            for (column, dictionary) in columns.iter_mut().zip(&dictionaries) {
                if let Some(dictionary) = dictionary {
                    *column = decode(column.as_primitive::<Int64Type>(), dictionary)?;
                }
            }
            Ok::<_, crate::error::Error>(arrow::array::RecordBatch::try_new(schema.clone(), columns)?)
        });
        MapOp::new(function, output.clone())
    }
}

/// The name of a column that is taken as it is.
fn plain(expr: &Expr) -> Option<&str> {
    match expr.node() {
        Node::Column(name) => Some(name),
        Node::Alias(inner, _) => plain(inner),
        _ => None,
    }
}

/// The dictionary of a column, if it comes from the source as it is and nothing on the way looks at it.
fn dictionary<'a>(plan: &'a LogicalPlan, name: &str) -> Option<&'a ArrayRef> {
    match plan {
        LogicalPlan::Read { source, columns, filter, schema } => {
            let is_filtered = filter.as_ref().is_some_and(|filter| filter.columns().contains(name));
            source.dictionary(*columns.get(schema.index_of(name).ok()?)?).filter(|_| !is_filtered)
        }
        LogicalPlan::Filter { input, predicate } if !predicate.columns().contains(name) => dictionary(input, name),
        LogicalPlan::Unordered { input } => dictionary(input, name),
        LogicalPlan::Project { input, exprs, .. } => {
            let inner = plain(exprs.iter().find(|expr| expr.name() == name)?)?;
            let is_alone = exprs.iter().filter(|expr| expr.columns().contains(inner)).count() == 1;
            dictionary(input, inner).filter(|_| is_alone)
        }
        _ => None,
    }
}

/// The plan with codes in place of these columns, which have [dictionaries](dictionary).
fn with_codes(plan: &LogicalPlan, names: &[&str]) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Read { source, columns, filter, schema } => {
            let places = names.iter().map(|name| Ok(columns[schema.index_of(name)?])).collect::<Result<Vec<_>>>()?;
            let source = source.clone().with_codes(&places)?;
            let schema = Arc::new(source.schema().project(columns)?);
            LogicalPlan::Read { source, columns: columns.clone(), filter: filter.clone(), schema }
        }
        LogicalPlan::Filter { input, predicate } => {
            LogicalPlan::filter(Arc::new(with_codes(input, names)?), predicate.clone())?
        }
        LogicalPlan::Project { input, exprs, .. } => {
            let is_named = |expr: &&Expr| names.contains(&expr.name().as_str());
            let inner: Vec<&str> = exprs.iter().filter(is_named).filter_map(plain).collect();
            LogicalPlan::project(Arc::new(with_codes(input, &inner)?), exprs.clone())?
        }
        LogicalPlan::Unordered { input } => LogicalPlan::Unordered { input: Arc::new(with_codes(input, names)?) },
        _ => plan.clone(),
    })
}
