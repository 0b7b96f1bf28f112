//! Aggregates of groups that come back to the rows: on each of them, or as what decides which stay.

use std::sync::Arc;

use super::Frame;
use super::group_by::{GroupBy, text};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, MergeKind, col, lit};
use crate::plan::{LogicalPlan, MergeSpec, list};

impl GroupBy {
    /// All rows in their order, with aggregates of their groups: each takes the place of a column of its name, or comes behind.
    /// Rows with a null key have nulls there, as in pandas, unless [`keep_nulls`](GroupBy::keep_nulls) makes them a group.
    ///
    /// The rows are read twice: for the aggregates, and to put these beside them.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let of_year = df.group_by(["t"]).transform([col("v").sum().alias("total")]);
    /// let shares = of_year.with_column("share", col("v") / col("total"));
    /// assert_eq!(shares.compute()?.num_rows(), 14_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`agg`](GroupBy::agg) has; [`ErrorKind::Config`] for no aggregate.
    pub fn transform(self, aggs: impl IntoIterator<Item = AggExpr>) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        let aggs: Vec<AggExpr> = aggs.into_iter().collect();
        let what = format!("transform({})", list(aggs.iter().map(AggExpr::to_string)));
        frame.step(text(&keys, keep_nulls, &what), |input| {
            if aggs.is_empty() {
                return Err(Error::new(ErrorKind::Config, "there is nothing to transform to")
                    .help("give an aggregate, as in transform([col(\"q\").mean()])"));
            }
            let hidden = |i: usize| format!("(aggregate {i})");
            let of_groups = aggs.iter().enumerate().map(|(i, agg)| agg.clone().alias(hidden(i))).collect();
            let groups = LogicalPlan::aggregate(input.clone(), hidden_keys(&keys), of_groups, keep_nulls)?;
            let beside = beside(&input, &keys, keep_nulls, MergeKind::Left, groups)?;
            let mut columns = columns(&input);
            for (i, agg) in aggs.iter().enumerate() {
                let (name, value) = (agg.name(), col(hidden(i)).alias(agg.name()));
                match columns.iter().position(|column| column.name() == name) {
                    Some(at) => columns[at] = value,
                    None => columns.push(value),
                }
            }
            LogicalPlan::project(beside, columns)
        })
    }

    /// The rows, in their order, of the groups for which a condition on these aggregates is true. Rows with a null key go, as in
    /// pandas, unless [`keep_nulls`](GroupBy::keep_nulls) makes them a group. SQL's `HAVING` keeps groups; this keeps their rows.
    ///
    /// The rows are read twice: for the aggregates, and to pick among them.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let of_small_exporters = df.group_by(["i"]).filter([col("v").sum()], col("v").lt(1000));
    /// // Each row once: pandas' drop_duplicates(keep=False).
    /// let without_like = df.group_by(["i", "j", "k"]).keep_nulls().filter([size()], col("size").eq(1));
    /// # assert!(of_small_exporters.compute()?.num_rows() < 14_000 && without_like.compute()?.num_rows() < 14_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`agg`](GroupBy::agg) has, and as [`Frame::filter`] has for the condition, whose columns are the aggregates.
    pub fn filter(self, aggs: impl IntoIterator<Item = AggExpr>, condition: Expr) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        let aggs: Vec<AggExpr> = aggs.into_iter().collect();
        let what = format!("filter({}, {condition})", list(aggs.iter().map(AggExpr::to_string)));
        frame.step(text(&keys, keep_nulls, &what), |input| {
            let groups = LogicalPlan::aggregate(input.clone(), hidden_keys(&keys), aggs, keep_nulls)?;
            let groups = LogicalPlan::filter(Arc::new(groups), condition)?;
            let picked = beside(&input, &keys, keep_nulls, MergeKind::Semi, groups)?;
            LogicalPlan::project(picked, columns(&input))
        })
    }
}

/// The rows merged with their groups.
fn beside(
    input: &Arc<LogicalPlan>,
    keys: &[Expr],
    keep_nulls: bool,
    kind: MergeKind,
    groups: LogicalPlan,
) -> Result<Arc<LogicalPlan>> {
    let hidden = hidden_keys(keys);
    let names: Vec<String> = hidden.iter().map(Expr::name).collect();
    let rows = LogicalPlan::project(input.clone(), columns(input).into_iter().chain(hidden).collect())?;
    let suffixes = ["_x".to_owned(), "_y".to_owned()];
    let spec = MergeSpec { kind, keys: Some((names.clone(), names)), suffixes, nulls_equal: keep_nulls, as_of: None };
    Ok(Arc::new(LogicalPlan::merge(Arc::new(rows), Arc::new(groups), spec)?))
}

/// The keys under names that are no column's; a constant for all rows in one group.
fn hidden_keys(keys: &[Expr]) -> Vec<Expr> {
    let hidden = |(i, key): (usize, &Expr)| key.unaliased().alias(format!("(key {i})"));
    match keys.is_empty() {
        true => vec![lit(true).alias("(key 0)")],
        false => keys.iter().enumerate().map(hidden).collect(),
    }
}

fn columns(input: &LogicalPlan) -> Vec<Expr> {
    input.schema().fields().iter().map(|field| col(field.name())).collect()
}
