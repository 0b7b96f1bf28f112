//! Groups that wait for their aggregates.

use super::Frame;
use crate::expr::{AggExpr, Expr};
use crate::plan::{LogicalPlan, list};

/// Rows grouped by keys, made by [`Frame::group_by`]; [`agg`](GroupBy::agg) says what to make of each group.
#[derive(Debug, Clone)]
#[must_use = "groups are lazy: say what to make of them with agg()"]
pub struct GroupBy {
    frame: Frame,
    keys: Vec<Expr>,
    keep_nulls: bool,
}

impl GroupBy {
    pub(super) fn new(frame: Frame, keys: Vec<Expr>) -> GroupBy {
        GroupBy { frame, keys, keep_nulls: false }
    }

    /// Keeps the rows whose key is null, as a group of their own that comes last. By default they are dropped, as pandas does.
    pub fn keep_nulls(mut self) -> GroupBy {
        self.keep_nulls = true;
        self
    }

    /// One row for each group: its keys, then these aggregates. Rows come sorted by key.
    ///
    /// An aggregate is named after its column; of two with one name, one needs an `alias`.
    /// Among float keys all NaN are one group, the last but for null, and `-0.0` is `0.0`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let by_exporter = df.group_by(["i"]).agg([
    ///     size(),
    ///     col("v").sum(),
    ///     col("v").max().alias("largest"),
    /// ]);
    /// let names: Vec<String> = by_exporter.schema()?.fields().iter().map(|f| f.name().clone()).collect();
    /// assert_eq!(names, ["i", "size", "v", "largest"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn agg(self, aggs: impl IntoIterator<Item = AggExpr>) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        let aggs: Vec<AggExpr> = aggs.into_iter().collect();
        let step = format!(
            "group_by({}){}.agg({})",
            list(keys.iter().map(Expr::to_string)),
            if keep_nulls { ".keep_nulls()" } else { "" },
            list(aggs.iter().map(AggExpr::to_string))
        );
        frame.step(step, |input| LogicalPlan::aggregate(input, keys, aggs, keep_nulls))
    }
}
