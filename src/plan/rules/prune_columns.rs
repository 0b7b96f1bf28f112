//! Columns that nobody needs are not decoded, expressions that nobody needs not computed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Schema;

use crate::error::Result;
use crate::expr::Expr;
use crate::plan::LogicalPlan;

type Names = BTreeSet<Arc<str>>;

pub(super) fn prune_columns(plan: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    prune(plan, None)
}

/// The plan with the `wanted` columns, in their order; all of them for `None`. Others may be left where a step
/// below needs them.
fn prune(plan: &Arc<LogicalPlan>, wanted: Option<Names>) -> Result<Arc<LogicalPlan>> {
    let plan = match &**plan {
        LogicalPlan::Scan { source, columns, sample, filter, schema } => {
            let Some(wanted) = wanted else { return Ok(plan.clone()) };
            let kept: Vec<usize> =
                (0..columns.len()).filter(|&i| wanted.contains(schema.field(i).name().as_str())).collect();
            LogicalPlan::Scan {
                source: source.clone(),
                columns: kept.iter().map(|&i| columns[i]).collect(),
                sample: *sample,
                filter: filter.clone(),
                schema: Arc::new(schema.project(&kept)?),
            }
        }
        LogicalPlan::Read { source, columns, filter, schema } => {
            let kept = kept(schema, &wanted, 0);
            let columns = kept.iter().map(|&i| columns[i]).collect();
            let (source, filter) = (source.clone(), filter.clone());
            LogicalPlan::Read { source, columns, filter, schema: Arc::new(schema.project(&kept)?) }
        }
        LogicalPlan::Concat { inputs, schema } => {
            let kept = kept(schema, &wanted, 0);
            let inputs = inputs.iter().map(|input| prune(input, wanted.clone())).collect::<Result<_>>()?;
            LogicalPlan::Concat { inputs, schema: Arc::new(schema.project(&kept)?) }
        }
        LogicalPlan::Merge { inputs: [left, right], matching, columns, schema } => {
            let kept = kept(schema, &wanted, 0);
            let columns: Vec<_> = kept.iter().map(|&i| columns[i].clone()).collect();
            let [of_left, of_right] = matching.needed(&columns);
            let inputs = [prune(left, Some(of_left))?, prune(right, Some(of_right))?];
            let schema = Arc::new(schema.project(&kept)?);
            LogicalPlan::Merge { inputs, matching: matching.clone(), columns, schema }
        }
        LogicalPlan::Filter { input, predicate } => {
            let wanted = wanted.map(|w| &w | &predicate.columns());
            plan.with_input(prune(input, wanted)?)
        }
        LogicalPlan::Sort { input, keys, .. } => {
            let wanted = wanted.map(|w| keys.iter().fold(w, |w, key| &w | &key.expr.columns()));
            plan.with_input(prune(input, wanted)?)
        }
        LogicalPlan::Slice { input, .. }
        | LogicalPlan::Unordered { input }
        | LogicalPlan::Sample { input, .. }
        | LogicalPlan::Partition { input, .. } => plan.with_input(prune(input, wanted)?),
        LogicalPlan::GroupRows { input, keys, .. } | LogicalPlan::Repartition { input, keys, .. } => {
            let wanted = wanted.map(|w| keys.iter().fold(w, |w, key| &w | &key.columns()));
            plan.with_input(prune(input, wanted)?)
        }
        LogicalPlan::Unpivot { input, index, columns, .. } => {
            let needed = index.iter().chain(columns).map(|name| Arc::from(name.as_str())).collect();
            plan.with_input(prune(input, Some(needed))?)
        }
        LogicalPlan::Explode { input, column, .. } => {
            let wanted = wanted.map(|mut w| {
                w.insert(Arc::from(column.as_str()));
                w
            });
            plan.with_input(prune(input, wanted)?)
        }
        // Closures may look at any column.
        LogicalPlan::MapBatches { input, .. }
        | LogicalPlan::MapPartitions { input, .. }
        | LogicalPlan::Apply { input, .. }
        | LogicalPlan::Fold { input, .. } => plan.with_input(prune(input, None)?),
        LogicalPlan::Project { input, exprs, schema } => {
            let kept = kept(schema, &wanted, 0);
            let exprs: Vec<_> = kept.iter().map(|&i| exprs[i].clone()).collect();
            let needed = exprs.iter().flat_map(|e| e.columns()).collect();
            let input = prune(input, Some(needed))?;
            LogicalPlan::Project { input, exprs, schema: Arc::new(schema.project(&kept)?) }
        }
        LogicalPlan::InOrder { input, columns, .. } => {
            let is_wanted = |column: &&Expr| wanted.as_ref().is_none_or(|w| w.contains(column.name().as_str()));
            let columns: Vec<Expr> = columns.iter().filter(is_wanted).cloned().collect();
            let needed = wanted.map(|mut wanted| {
                columns.iter().for_each(|column| _ = wanted.remove(column.name().as_str()));
                columns.iter().for_each(|column| wanted.extend(column.columns()));
                wanted
            });
            let input = prune(input, needed)?;
            if columns.is_empty() {
                return Ok(input);
            }
            let added = &plan.schema().fields()[input_columns(plan)..];
            let added = added.iter().filter(|field| columns.iter().any(|column| column.name() == *field.name()));
            let fields: Vec<_> = input.schema().fields().iter().chain(added).cloned().collect();
            LogicalPlan::InOrder { input, columns, schema: Arc::new(Schema::new(fields)) }
        }
        LogicalPlan::Aggregate { input, keys, aggs, keep_nulls, schema } => {
            let kept = kept(schema, &wanted, keys.len());
            let aggs: Vec<_> =
                kept.iter().filter(|&&i| i >= keys.len()).map(|&i| aggs[i - keys.len()].clone()).collect();
            let needed = keys.iter().flat_map(|k| k.columns()).chain(aggs.iter().flat_map(|a| a.columns())).collect();
            let input = prune(input, Some(needed))?;
            let schema = Arc::new(schema.project(&kept)?);
            LogicalPlan::Aggregate { input, keys: keys.clone(), aggs, keep_nulls: *keep_nulls, schema }
        }
    };
    Ok(Arc::new(plan))
}

/// How many columns the first input has.
fn input_columns(plan: &LogicalPlan) -> usize {
    plan.inputs().first().map_or(0, |input| input.schema().fields().len())
}

/// The places of the wanted columns, and of the first `always`, which make the rows what they are.
fn kept(schema: &Schema, wanted: &Option<Names>, always: usize) -> Vec<usize> {
    let wanted = |i: usize| wanted.as_ref().is_none_or(|w| w.contains(schema.field(i).name().as_str()));
    (0..schema.fields().len()).filter(|&i| i < always || wanted(i)).collect()
}
