//! Functions that go over the rows in order, taken out of the expressions they stand in: a step of their own computes them as
//! columns, and the expressions use these by name.
//!
//! `cumsum(v) / 2 + shift(cumsum(v), 1)` becomes two steps, the inner function first: one that adds the column `cumsum(v)`, then one that adds
//! the column `shift(cumsum(v), 1)`.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::LogicalPlan;
use crate::error::Result;
use crate::expr::{Expr, col, is_same};

impl LogicalPlan {
    /// The input with the columns that `exprs` need, which afterwards are row-wise, under the names that they had.
    pub(super) fn in_order(mut input: Arc<LogicalPlan>, exprs: &mut [Expr]) -> Result<Arc<LogicalPlan>> {
        let named: Vec<(usize, String)> =
            (0..).zip(&*exprs).filter(|(_, e)| e.has_in_order()).map(|(i, e)| (i, e.name())).collect();
        for (at, _) in &named {
            exprs[*at].check_size()?;
        }
        // Each round takes out those that have no other inside.
        while exprs.iter().any(Expr::has_in_order) {
            let mut calls: Vec<(Expr, String)> = Vec::new();
            for expr in exprs.iter_mut() {
                *expr = expr.map_parts(&mut |part| {
                    if !part.is_innermost_in_order() {
                        return None;
                    }
                    if let Some((_, name)) = calls.iter().find(|(known, _)| is_same(known, part)) {
                        return Some(col(name));
                    }
                    let taken = |name: &str| {
                        input.schema().column_with_name(name).is_some() || calls.iter().any(|(_, other)| other == name)
                    };
                    let mut name = part.to_string();
                    while taken(&name) {
                        name.push('\'');
                    }
                    calls.push((part.clone(), name.clone()));
                    Some(col(name))
                });
            }
            let mut fields: Vec<_> = input.schema().fields().iter().cloned().collect();
            let mut columns = Vec::new();
            for (call, name) in calls {
                fields.push(Arc::new(Field::new(&name, call.bind_in_order(input.schema())?.kind.arrow(), true)));
                columns.push(call.alias(name));
            }
            input = Arc::new(LogicalPlan::InOrder { input, columns, schema: Arc::new(Schema::new(fields)) });
        }
        for (at, name) in named {
            if exprs[at].name() != name {
                exprs[at] = exprs[at].clone().alias(name);
            }
        }
        Ok(input)
    }
}
