//! Groups that wait for their aggregates.

use std::error::Error as StdError;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Frame;
use crate::batch::BatchFunction;
use crate::error::Result;
use crate::expr::{AggExpr, Expr, SortKey};
use crate::plan::{Keep, LogicalPlan, list};

/// Rows grouped by keys, made by [`Frame::group_by`]; [`agg`](GroupBy::agg) says what to make of each group.
#[derive(Debug, Clone)]
#[must_use = "groups are lazy: say what to make of them with agg()"]
pub struct GroupBy {
    pub(super) frame: Frame,
    pub(super) keys: Vec<Expr>,
    pub(super) keep_nulls: bool,
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
        let step = text(&keys, keep_nulls, &format!("agg({})", list(aggs.iter().map(AggExpr::to_string))));
        frame.step(step, |input| LogicalPlan::aggregate(input, keys, aggs, keep_nulls))
    }

    /// The first `n` rows of each group, with all columns, in the order of the frame.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// assert_eq!(df.group_by(["t"]).head(3).compute()?.num_rows(), 21);
    /// # Ok(())
    /// # }
    /// ```
    pub fn head(self, n: usize) -> Frame {
        self.rows(n, Keep::First, "head")
    }

    /// The last `n` rows of each group, with all columns, in the order of the frame.
    pub fn tail(self, n: usize) -> Frame {
        self.rows(n, Keep::Last, "tail")
    }

    fn rows(self, n: usize, keep: Keep, name: &str) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        let step = text(&keys, keep_nulls, &format!("{name}({n})"));
        frame.step(step, |input| LogicalPlan::group_rows(input, keys, n, keep, keep_nulls))
    }

    /// The `n` rows of each group that have the largest values of `by`, with all columns: sorted by key, then by value from the
    /// largest on; ties keep the order of the frame. Nulls come last, where a group has not `n` values; NaN is above all numbers.
    ///
    /// All rows are sorted, on disk where they don't fit into memory. pandas says `sort_values(by, ascending=False).groupby(keys).head(n)`, and gives them in the
    /// order of `by` alone.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let largest_flows = df.group_by(["t"]).top(2, col("v"));
    /// assert_eq!(largest_flows.compute()?.num_rows(), 14);
    /// # Ok(())
    /// # }
    /// ```
    pub fn top(self, n: usize, by: impl Into<Expr>) -> Frame {
        self.best(n, by.into().desc(), "top")
    }

    /// As [`top`](GroupBy::top), the rows with the smallest values, from the smallest on.
    pub fn bottom(self, n: usize, by: impl Into<Expr>) -> Frame {
        self.best(n, by.into().asc(), "bottom")
    }

    fn best(self, n: usize, by: SortKey, name: &str) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        let step = text(&keys, keep_nulls, &format!("{name}({n}, {})", by.expr));
        frame.step(step, |input| {
            let sort_keys = keys.iter().cloned().map(SortKey::from).chain([by]).collect();
            let sorted = LogicalPlan::sort(with_keys(input, &keys, keep_nulls)?, sort_keys)?;
            LogicalPlan::group_rows(Arc::new(sorted), keys, n, Keep::First, keep_nulls)
        })
    }

    /// What a closure makes of each group, whose rows it gets as one batch, in the order of the frame: groups come in the order
    /// of their keys, their results one behind the other. For work on groups that aggregates can't say.
    ///
    /// Rows are sorted first, on disk where they don't fit into memory; each group must fit. The columns that come out are found by a
    /// call with a batch of no rows, now;
    /// [`apply_with_schema`](GroupBy::apply_with_schema) announces them instead. pandas adds the keys to the result as its index;
    /// here the result is what the closure gives: let it keep the key's column.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use arrow::array::RecordBatch;
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// // Every other row of each exporter.
    /// let thinned = df.group_by(["i"]).apply(|group: RecordBatch| {
    ///     let every_other: Vec<RecordBatch> = (0..group.num_rows()).step_by(2).map(|row| group.slice(row, 1)).collect();
    ///     arrow::compute::concat_batches(&group.schema(), &every_other)
    /// });
    /// assert!(thinned.compute()?.num_rows() >= 7000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Frame::map_batches`] has.
    pub fn apply<E: Into<Box<dyn StdError + Send + Sync>>>(
        self,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.applied(BatchFunction::new("apply", function))
    }

    /// As [`apply`](GroupBy::apply), with the columns announced.
    pub fn apply_with_schema<E: Into<Box<dyn StdError + Send + Sync>>>(
        self,
        schema: SchemaRef,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.applied(BatchFunction::new("apply", function).announced(&schema))
    }

    fn applied(self, function: BatchFunction) -> Frame {
        let GroupBy { frame, keys, keep_nulls } = self;
        frame.step(text(&keys, keep_nulls, "apply(..)"), |input| {
            let mut rows = with_keys(input, &keys, keep_nulls)?;
            if !keys.is_empty() {
                rows = Arc::new(LogicalPlan::sort(rows, keys.iter().cloned().map(SortKey::from).collect())?);
            }
            LogicalPlan::apply(rows, keys, function)
        })
    }
}

/// The step for people.
pub(super) fn text(keys: &[Expr], keep_nulls: bool, what: &str) -> String {
    let nulls = if keep_nulls { ".keep_nulls()" } else { "" };
    format!("group_by({}){nulls}.{what}", list(keys.iter().map(Expr::to_string)))
}

/// The rows that are in a group.
fn with_keys(input: Arc<LogicalPlan>, keys: &[Expr], keep_nulls: bool) -> Result<Arc<LogicalPlan>> {
    if keep_nulls {
        return Ok(input);
    }
    match keys.iter().map(|key| key.unaliased().is_not_null()).reduce(Expr::and) {
        Some(present) => Ok(Arc::new(LogicalPlan::filter(input, present)?)),
        None => Ok(input),
    }
}
