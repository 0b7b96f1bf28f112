//! A logical plan as text: a line a step, the last step first, each indented below the one that takes its rows.

use std::fmt;

use super::{Keep, LogicalPlan};
use crate::expr::{Expr, SortKey};

impl fmt::Display for LogicalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A loop, since a plan can be as deep as a program cares to make it.
        let mut pending = vec![(self, 0)];
        while let Some((plan, depth)) = pending.pop() {
            write!(f, "{:1$}", "", 2 * depth)?;
            plan.write_step(f)?;
            f.write_str("\n")?;
            pending.extend(plan.inputs().iter().rev().map(|input| (&**input, depth + 1)));
        }
        Ok(())
    }
}

impl LogicalPlan {
    /// This step alone.
    pub(crate) fn step_text(&self) -> String {
        struct Step<'a>(&'a LogicalPlan);
        impl fmt::Display for Step<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_step(f)
            }
        }
        Step(self).to_string()
    }

    fn write_step(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogicalPlan::Scan { source, sample, filter, schema, .. } => {
                let names = schema.fields().iter().map(|field| field.name().clone());
                write!(f, "scan csv {}: ", source.paths)?;
                match schema.fields().len() {
                    0 => f.write_str("no columns")?,
                    _ => f.write_str(&list(names))?,
                }
                if let Some(sample) = sample {
                    write!(f, ", {sample}")?;
                }
                match filter {
                    Some(filter) => write!(f, " where {filter}"),
                    None => Ok(()),
                }
            }
            LogicalPlan::Read { source, schema, .. } => {
                let names = schema.fields().iter().map(|field| field.name().clone());
                write!(f, "{}: {}", source.text(), list(names))
            }
            LogicalPlan::Concat { inputs, .. } => write!(f, "concat {} frames", inputs.len()),
            LogicalPlan::Merge { matching, .. } => write!(f, "{matching}"),
            LogicalPlan::Filter { predicate, .. } => write!(f, "filter {predicate}"),
            LogicalPlan::Sample { sample, .. } => write!(f, "{sample}"),
            LogicalPlan::Project { exprs, .. } => write!(f, "select {}", list(exprs.iter().map(Expr::to_string))),
            LogicalPlan::InOrder { columns, .. } => {
                write!(f, "in order {}", list(columns.iter().map(|column| column.unaliased().to_string())))
            }
            LogicalPlan::Aggregate { keys, aggs, keep_nulls, .. } => {
                write!(f, "aggregate {}", list(aggs.iter().map(|a| a.to_string())))?;
                if !keys.is_empty() {
                    write!(f, " by {}", list(keys.iter().map(Expr::to_string)))?;
                    if *keep_nulls {
                        f.write_str(", null keys kept")?;
                    }
                }
                Ok(())
            }
            LogicalPlan::Sort { keys, limit, .. } => {
                write!(f, "sort by {}", list(keys.iter().map(SortKey::to_string)))?;
                match limit {
                    Some(limit) => write!(f, ", first {limit}"),
                    None => Ok(()),
                }
            }
            LogicalPlan::Unordered { .. } => f.write_str("in any order"),
            LogicalPlan::Slice { offset: 0, limit: Some(limit), .. } => write!(f, "first {limit}"),
            LogicalPlan::Slice { offset, limit: Some(limit), .. } => write!(f, "first {limit} behind {offset}"),
            LogicalPlan::Slice { offset, limit: None, .. } => write!(f, "all behind {offset}"),
            LogicalPlan::MapBatches { function, .. } => write!(f, "{} of every batch", function.step()),
            LogicalPlan::MapPartitions { function, .. } => write!(f, "{} of whole partitions", function.step()),
            LogicalPlan::GroupRows { keys, rows, keep, keep_nulls, .. } => {
                let end = if *keep == Keep::First { "first" } else { "last" };
                write!(f, "{end} {rows}")?;
                if !keys.is_empty() {
                    write!(f, " by {}", list(keys.iter().map(Expr::to_string)))?;
                    if *keep_nulls {
                        f.write_str(", null keys kept")?;
                    }
                }
                Ok(())
            }
            LogicalPlan::Apply { keys, function, .. } => {
                write!(f, "{} by {}", function.step(), list(keys.iter().map(Expr::to_string)))
            }
            LogicalPlan::Unpivot { columns, .. } => write!(f, "unpivot {}", columns.join(", ")),
            LogicalPlan::Explode { column, separator, .. } => write!(f, "explode {column} at {separator:?}"),
            LogicalPlan::Repartition { partitions, keys, .. } => {
                write!(f, "repartition into {partitions}")?;
                match keys.is_empty() {
                    true => Ok(()),
                    false => write!(f, " by {}", list(keys.iter().map(Expr::to_string))),
                }
            }
            LogicalPlan::Partition { number, .. } => write!(f, "partition {number} alone"),
            LogicalPlan::Fold { .. } => f.write_str("reduce by closures"),
        }
    }
}

/// Names with commas between.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
