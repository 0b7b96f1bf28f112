//! Filters sink towards the scan, which then decodes the other columns of the surviving rows alone.
//!
//! A filter passes below a projection by putting the projected expressions in the place of their names, below a sort as it is
//! (ties keep their order), into all frames of a concatenation that have the same columns, and below an aggregation as far
//! as it speaks of keys alone (unless that numbers rows). It does not pass a slice, nor what goes over the rows in order, and
//! a condition that can fail on a row (integer arithmetic may overflow) does not pass an earlier filter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::error::Result;
use crate::expr::{AggExpr, Expr};
use crate::plan::LogicalPlan;

pub(super) fn push_filters(plan: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    push(plan, Vec::new())
}

/// The plan with these conditions on what comes out of it.
fn push(plan: &Arc<LogicalPlan>, conditions: Vec<Expr>) -> Result<Arc<LogicalPlan>> {
    match &**plan {
        LogicalPlan::Filter { input, predicate } => {
            // What can fail on a row stays behind the filters that stand before it.
            let (behind, mut safe): (Vec<_>, Vec<_>) = conditions.into_iter().partition(Expr::can_fail);
            let mut all = predicate.split_conjunction();
            all.append(&mut safe);
            Ok(filtered(push(input, all)?, behind))
        }
        LogicalPlan::Project { input, exprs, .. } => {
            let by_name: HashMap<String, &Expr> = exprs.iter().map(|e| (e.name(), e)).collect();
            let below: Vec<Expr> = conditions.iter().map(|c| substitute(c, &by_name)).collect();
            if below.iter().any(|c| c.check_size().is_err()) {
                return Ok(filtered(Arc::new(plan.with_input(push(input, Vec::new())?)), conditions));
            }
            Ok(Arc::new(plan.with_input(push(input, below)?)))
        }
        LogicalPlan::Sort { input, limit: None, .. } => Ok(Arc::new(plan.with_input(push(input, conditions)?))),
        LogicalPlan::Aggregate { input, keys, aggs, .. }
            if !keys.is_empty() && !aggs.iter().any(AggExpr::counts_rows) =>
        {
            let by_name: HashMap<String, &Expr> = keys.iter().map(|e| (e.name(), e)).collect();
            let of_keys = |c: &Expr| {
                let columns: BTreeSet<_> = c.columns();
                !columns.is_empty() && columns.iter().all(|name| by_name.contains_key(&**name))
            };
            let (below, above): (Vec<_>, Vec<_>) = conditions.into_iter().partition(of_keys);
            let input = push(input, below.iter().map(|c| substitute(c, &by_name)).collect())?;
            Ok(filtered(Arc::new(plan.with_input(input)), above))
        }
        LogicalPlan::Scan { source, columns, filter: None, schema } => {
            let filter = conjunction(conditions);
            let (source, columns, schema) = (source.clone(), columns.clone(), schema.clone());
            Ok(Arc::new(LogicalPlan::Scan { source, columns, filter, schema }))
        }
        LogicalPlan::Read { source, columns, schema, .. } => {
            let (source, columns, schema) = (source.clone(), columns.clone(), schema.clone());
            let filter = conjunction(conditions.clone());
            Ok(filtered(Arc::new(LogicalPlan::Read { source, columns, filter, schema }), conditions))
        }
        LogicalPlan::Concat { inputs, schema } if inputs.iter().all(|input| input.schema() == schema) => {
            let inputs = inputs.iter().map(|input| push(input, conditions.clone())).collect::<Result<_>>()?;
            Ok(Arc::new(plan.with_inputs(inputs)))
        }
        _ => {
            let inputs = plan.inputs().iter().map(|input| push(input, Vec::new())).collect::<Result<_>>()?;
            Ok(filtered(Arc::new(plan.with_inputs(inputs)), conditions))
        }
    }
}

/// The expressions in the place of their names.
fn substitute(condition: &Expr, by_name: &HashMap<String, &Expr>) -> Expr {
    condition.map_columns(&|name| by_name.get(name).map(|expr| expr.unaliased()))
}

fn filtered(plan: Arc<LogicalPlan>, conditions: Vec<Expr>) -> Arc<LogicalPlan> {
    match conjunction(conditions) {
        Some(predicate) => Arc::new(LogicalPlan::Filter { input: plan, predicate }),
        None => plan,
    }
}

/// All of these at once. Balanced, so that a long list does not nest deeply.
fn conjunction(mut conditions: Vec<Expr>) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut pairs = conditions.into_iter();
        let mut next = Vec::new();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => left.and(right),
                None => left,
            });
        }
        conditions = next;
    }
    conditions.pop()
}
