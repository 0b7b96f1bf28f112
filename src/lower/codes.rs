//! Text columns of persisted frames whose bytes nothing looks at: their codes go in their place. Groups are found by them, and get their
//! texts in the end; merges that show them to nobody find them by codes, which texts of the right side become, too; results that are held
//! hold them beside their dictionary, unless they can share the texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::batch::{BatchFunction, texts_at};
use crate::error::{Error, Result};
use crate::expr::{AggExpr, Expr, MergeKind, Node};
use crate::ops::{EncodeOp, MapOp};
use crate::plan::{LogicalPlan, Matching, Origin};

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
        let function = BatchFunction::new("group_by", move |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            for (column, dictionary) in columns.iter_mut().zip(&dictionaries) {
                if let Some(dictionary) = dictionary {
                    *column = texts_at(column, dictionary)?;
                }
            }
            Ok::<_, Error>(RecordBatch::try_new(schema.clone(), columns)?)
        });
        MapOp::new(function, output.clone())
    }
}

/// A merge that finds texts of the left by their codes: none of them is hashed.
pub(super) struct MergeByCodes {
    /// The left side, with codes as keys.
    pub left: LogicalPlan,
    /// The keys on both sides that are codes, and what texts these are of.
    keys: Vec<(String, String, ArrayRef)>,
}

/// Codes for as many keys as can be, none of which comes out as a text in `output`; none if there are none.
pub(super) fn merge_by_codes(
    left: &LogicalPlan,
    matching: &Matching,
    columns: &[Origin],
    output: &SchemaRef,
) -> Result<Option<MergeByCodes>> {
    let is_text = |key: &str| {
        columns.iter().zip(output.fields()).any(|(origin, field)| match origin {
            Origin::Left(name) | Origin::Key(name) => name == key && field.data_type() != &DataType::Int64,
            Origin::Right(_) => false,
        })
    };
    let keys = matching.keys.iter().filter(|(key, _)| !is_text(key)).filter_map(|(key, of_right)| {
        Some((key.clone(), of_right.clone(), dictionary_of_key(left, matching, columns, key)?.clone()))
    });
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = keys.iter().map(|(key, ..)| key.as_str()).collect();
    Ok(Some(MergeByCodes { left: with_codes(left, &names)?, keys }))
}

impl MergeByCodes {
    /// From texts of the right side to codes of the left's.
    pub(super) fn encode(&self, right: &SchemaRef) -> Result<EncodeOp> {
        let column = |(_, key, texts): &(String, String, ArrayRef)| Ok((right.index_of(key)?, texts.clone()));
        EncodeOp::new(right, self.keys.iter().map(column).collect::<Result<_>>()?)
    }
}

/// The most bytes of the texts of a key that is found by codes: the table from texts to codes is small beside what works with it, made
/// in a few milliseconds, and stays in the cache.
const MOST_BYTES: usize = 1 << 20;

/// The dictionary of a key of the left side, if codes can take its place, and need not come from the right side.
fn dictionary_of_key<'a>(
    left: &'a LogicalPlan,
    matching: &Matching,
    columns: &[Origin],
    name: &str,
) -> Option<&'a ArrayRef> {
    let mut keys = matching.keys.iter().filter(|(key, _)| key == name);
    let (Some((_, of_right)), None) = (keys.next(), keys.next()) else { return None };
    let is_asked = |of: &&(String, String)| of.1 == *of_right;
    let alone = matching.keys.iter().filter(is_asked).count() == 1 && !matching.kind.keeps_right();
    let shown = columns.iter().any(|column| matches!(column, Origin::Right(name) if name == of_right));
    dictionary(left, name).filter(|texts| alone && !shown && texts.get_array_memory_size() <= MOST_BYTES)
}

/// A query with codes in place of text columns of its result.
pub(super) struct Coded {
    pub plan: LogicalPlan,
    /// The dictionary of each column that is a code.
    pub dictionaries: Vec<Option<ArrayRef>>,
}

/// A query whose result is held, with codes for as many columns as can be; none if there are none.
pub(super) fn coded(plan: &LogicalPlan) -> Result<Option<Coded>> {
    let names: Vec<&str> = plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let dictionaries: Vec<_> = names.iter().map(|name| dictionary(plan, name).cloned()).collect();
    let coded = names.into_iter().zip(&dictionaries).filter(|(_, dictionary)| dictionary.is_some());
    let coded: Vec<&str> = coded.map(|(name, _)| name).collect();
    Ok(if coded.is_empty() { None } else { Some(Coded { plan: with_codes(plan, &coded)?, dictionaries }) })
}

/// Whether the columns of a result may be those of a source in memory, which it had better share: they cost nothing, where narrow
/// ones would be copies. A left merge passes left rows as they are where right keys differ.
pub(super) fn may_share(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Read { source, .. } => source.is_in_memory(),
        LogicalPlan::Unordered { input } | LogicalPlan::Project { input, .. } => may_share(input),
        LogicalPlan::Merge { inputs: [left, _], matching, .. } => matching.kind == MergeKind::Left && may_share(left),
        _ => false,
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
        LogicalPlan::Merge { inputs: [left, right], matching, columns, schema } => {
            match columns.get(schema.index_of(name).ok()?)? {
                Origin::Left(name) if !matching.looks_at_left(name) => dictionary(left, name),
                Origin::Right(name) if !matching.looks_at_right(name) => dictionary(right, name),
                Origin::Left(name) | Origin::Key(name) => dictionary_of_key(left, matching, columns, name),
                Origin::Right(_) => None,
            }
        }
        _ => None,
    }
}

/// The plan with codes in place of these columns, which have [dictionaries](dictionary).
fn with_codes(plan: &LogicalPlan, names: &[&str]) -> Result<LogicalPlan> {
    Ok(match plan {
        _ if names.is_empty() => plan.clone(),
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
        LogicalPlan::Merge { inputs: [left, right], matching, columns, schema } => {
            let (mut of_left, mut of_right) = (vec![], vec![]);
            let fields = schema.fields().iter().zip(columns).map(|(field, origin)| {
                if !names.contains(&field.name().as_str()) {
                    return field.clone();
                }
                match origin {
                    Origin::Left(name) | Origin::Key(name) => of_left.push(name.as_str()),
                    Origin::Right(name) => of_right.push(name.as_str()),
                }
                Arc::new(Field::new(field.name(), DataType::Int64, true))
            });
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            let inputs = [Arc::new(with_codes(left, &of_left)?), Arc::new(with_codes(right, &of_right)?)];
            LogicalPlan::Merge { inputs, matching: matching.clone(), columns: columns.clone(), schema }
        }
        _ => plan.clone(),
    })
}
