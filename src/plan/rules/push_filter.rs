//! Filters sink towards the scan, which then decodes the other columns of the surviving rows alone.
//!
//! A filter passes below a projection by putting the projected expressions in the place of their names, below a sort as it is
//! (ties keep their order), into all frames of a concatenation that have the same columns, and below an aggregation as far
//! as it speaks of keys alone (unless that numbers rows). Below a merge it goes to the side whose columns it speaks of, where
//! rows that it drops could only have become rows that it drops; what speaks of keys alone goes to both. It does not pass a slice,
//! nor what goes over the rows in order, and
//! a condition that can fail on a row (integer arithmetic may overflow) does not pass an earlier filter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};

use crate::error::Result;
use crate::expr::{AggExpr, Expr, MergeKind, col};
use crate::plan::{LogicalPlan, Matching, Origin};

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
        LogicalPlan::Sort { input, limit: None, .. } | LogicalPlan::Unordered { input } => {
            Ok(Arc::new(plan.with_input(push(input, conditions)?)))
        }
        LogicalPlan::Aggregate { input, keys, aggs, keep_nulls, schema }
            if !keys.is_empty() && !aggs.iter().any(AggExpr::counts_rows) =>
        {
            let by_name: HashMap<String, &Expr> = keys.iter().map(|e| (e.name(), e)).collect();
            // Floats that are one key may differ: -0.0 and 0.0. A condition that fails on a row must not meet rows that are in no group.
            let exact = |name: &str| schema.field_with_name(name).is_ok_and(|f| *f.data_type() != DataType::Float64);
            let of_keys = |c: &Expr| {
                let columns: BTreeSet<_> = c.columns();
                let keys_alone = columns.iter().all(|name| by_name.contains_key(&**name) && exact(name));
                !columns.is_empty() && keys_alone && (*keep_nulls || !c.can_fail())
            };
            let (below, above): (Vec<_>, Vec<_>) = conditions.into_iter().partition(of_keys);
            let input = push(input, below.iter().map(|c| substitute(c, &by_name)).collect())?;
            Ok(filtered(Arc::new(plan.with_input(input)), above))
        }
        LogicalPlan::Scan { source, columns, sample, filter: None, schema } => {
            let filter = conjunction(conditions);
            let (source, columns, schema) = (source.clone(), columns.clone(), schema.clone());
            Ok(Arc::new(LogicalPlan::Scan { source, columns, sample: *sample, filter, schema }))
        }
        LogicalPlan::Read { source, columns, schema, .. } => {
            let (source, columns, schema) = (source.clone(), columns.clone(), schema.clone());
            let filter = conjunction(conditions.clone());
            Ok(filtered(Arc::new(LogicalPlan::Read { source, columns, filter, schema }), conditions))
        }
        LogicalPlan::Merge { inputs: [left, right], matching, columns, schema } => {
            let (mut of_left, mut of_right, mut above) = (vec![], vec![], vec![]);
            for condition in conditions {
                let [on_left, on_right] = sides(&condition, matching, columns, schema);
                if on_left.is_none() && on_right.is_none() {
                    above.push(condition);
                }
                of_left.extend(on_left);
                of_right.extend(on_right);
            }
            let inputs = vec![push(left, of_left)?, push(right, of_right)?];
            Ok(filtered(Arc::new(plan.with_inputs(inputs)), above))
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

/// The condition in the names of each side of a merge that may take it.
fn sides(condition: &Expr, matching: &Matching, columns: &[Origin], schema: &Schema) -> [Option<Expr>; 2] {
    let origins: HashMap<&str, &Origin> = schema.fields().iter().map(|f| f.name().as_str()).zip(columns).collect();
    let used = condition.columns();
    // Equal floats may have two forms, which a condition can tell apart: -0.0 and 0.0.
    let exact = |name: &str| schema.field_with_name(name).is_ok_and(|f| *f.data_type() != DataType::Float64);
    let of_left = used.iter().all(|name| matches!(origins.get(&**name), Some(Origin::Left(_) | Origin::Key(_))));
    let of_right = used.iter().all(|name| match origins.get(&**name) {
        Some(Origin::Right(_)) => true,
        Some(Origin::Key(_)) => exact(name),
        _ => false,
    });
    let of_keys = of_left && of_right;
    let kind = matching.kind;
    let (to_left, to_right) = match kind {
        // A constant is cheap where it stands.
        _ if used.is_empty() => (false, false),
        // All left rows come out of a left merge; elsewhere a row that is dropped must not meet what can fail on it.
        MergeKind::Left => (of_left, of_keys && !condition.can_fail()),
        _ if condition.can_fail() => (false, false),
        MergeKind::Inner | MergeKind::Cross => (of_left, of_right),
        MergeKind::Semi | MergeKind::Anti => (of_left, false),
        MergeKind::Right => (of_keys, of_right),
        MergeKind::Outer => (of_keys, of_keys),
    };
    let renamed = |column: &dyn Fn(&Origin) -> Option<Expr>| {
        condition.map_columns(&|name| origins.get(name).and_then(|origin| column(origin)))
    };
    let left = to_left.then(|| {
        renamed(&|origin| match origin {
            Origin::Left(name) | Origin::Key(name) => Some(col(name)),
            Origin::Right(_) => None,
        })
    });
    let right = to_right.then(|| {
        renamed(&|origin| match origin {
            Origin::Right(name) | Origin::Key(name) => Some(col(name)),
            Origin::Left(_) => None,
        })
    });
    [left, right]
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
