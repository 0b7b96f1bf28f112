//! What a person holds: the lazy dataframe and its parts.

mod column;
mod columns;
mod combine;
mod compute_all;
mod describe;
mod display;
mod group_back;
mod group_by;
mod maps;
mod merge;
mod partitions;
mod persist;
mod read;
mod reshape;
mod restart;
mod rows;
mod running;
mod sample;
mod visualize;
mod window;
mod write;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, SortKey};
use crate::io::csv::{ColumnReport, CsvSource};
use crate::lower::{expand, lower};
use crate::plan::{LogicalPlan, list, optimise};
use crate::sched::Session;

pub use crate::plan::Keep;
pub use column::{Column, Scalar};
pub use combine::concat;
pub use compute_all::{Lazy, compute_all, submit_all};
pub(crate) use compute_all::{Results, Shape, Wanted, submit_in};
pub use group_by::GroupBy;
pub use merge::{AsOf, Merge};
pub use persist::BatchStream;
pub use read::{read_csv, read_csv_with, read_ipc, read_parquet};
pub use running::Running;
pub use visualize::picture;
pub use window::{Over, WindowExpr};

/// A lazy table in partitions: a description of what to read and what to do with it.
///
/// Made by [`read_csv`], [`read_parquet`], [`read_ipc`], or from a table ([`Frame::from`]). Each method gives a new frame and runs nothing; [`compute`](Frame::compute) runs. Cloning is
/// cheap. No method but the last of a chain returns a `Result`: what is wrong in a step (a column that does not exist,
/// types that do not go together, no file) is kept, and comes out at [`schema`](Frame::schema),
/// [`explain`](Frame::explain) or [`compute`](Frame::compute), naming the step.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// let mean_q = df.filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean()]).compute()?;
/// println!("{mean_q}");
/// # Ok(())
/// # }
/// ```
///
/// A row-wise result keeps the order of the files and of the rows in them; groups come
/// sorted by key; a sort is stable. None of it depends on the number of threads or the size of partitions.
///
#[doc = include_str!("pandas.md")]
#[derive(Clone, Debug)]
#[must_use = "a frame is lazy: nothing runs until compute()"]
pub struct Frame {
    session: Session,
    plan: Result<Arc<LogicalPlan>>,
    /// The steps so far, as they were asked for.
    steps: Arc<Vec<String>>,
}

/// How far a query's plan is taken before it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The logical plan: what was asked.
    Logical,
    /// The logical plan after its rewrites: what will be done.
    Optimised,
    /// The stages: how it will be done.
    Stages,
    /// The number of tasks: a task for every step on every partition, and what is left when row-wise steps are fused
    /// with what reads before them and what collects behind them.
    Tasks,
    /// All of these.
    All,
}

/// How many tasks a query becomes, from [`Frame::ntasks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskCount {
    /// A task for every step on every partition, and for every merge of partial results.
    pub before_fusion: usize,
    /// What is run: row-wise steps are one task with what reads before them and what collects behind them.
    pub after_fusion: usize,
}

impl Frame {
    pub(crate) fn new(session: Session, plan: Result<LogicalPlan>, step: String) -> Frame {
        let plan = plan.map(Arc::new).map_err(|e| e.in_step(&step));
        Frame { session, plan, steps: Arc::new(vec![step]) }
    }

    /// The frame after one more step, which fails where the plan does.
    fn step(&self, step: String, plan: impl FnOnce(Arc<LogicalPlan>) -> Result<LogicalPlan>) -> Frame {
        let plan = match &self.plan {
            Ok(input) => plan(input.clone()).map(Arc::new).map_err(|e| e.in_step(&step)),
            Err(error) => Err(error.clone()),
        };
        let steps = self.steps.iter().cloned().chain([step]).collect();
        Frame { session: self.session.clone(), plan, steps: Arc::new(steps) }
    }

    /// The rows for which `predicate` is true; those for which it is false or null go. NaN is above all numbers: `x > 100` keeps
    /// it, where pandas drops it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let all = df.agg([size()]).compute()?;
    /// let missing = df.filter(col("q").is_null()).agg([size()]).compute()?;
    /// let present = df.filter(col("q").is_not_null()).agg([size()]).compute()?;
    /// let n = |t: &Table| t.column("size").map(|c| c.as_primitive::<Int64Type>().value(0));
    /// assert_eq!(n(&all)?, n(&missing)? + n(&present)?);
    /// # use arrow::{array::AsArray, datatypes::Int64Type};
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(&self, predicate: Expr) -> Frame {
        self.step(format!("filter({predicate})"), |input| LogicalPlan::filter(input, predicate))
    }

    /// These columns, computed from those that are there, and no others. A name stands for its column.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let price = df.select([col("k"), (col("v") / col("q")).alias("price")]);
    /// assert_eq!(price.schema()?.field(1).name(), "price");
    /// # Ok(())
    /// # }
    /// ```
    pub fn select<E: Into<Expr>>(&self, exprs: impl IntoIterator<Item = E>) -> Frame {
        let exprs: Vec<Expr> = exprs.into_iter().map(Into::into).collect();
        let step = format!("select({})", list(exprs.iter().map(Expr::to_string)));
        self.step(step, |input| LogicalPlan::project(input, exprs))
    }

    /// Groups rows by keys: columns or expressions of any type. What to make of each group says [`GroupBy::agg`].
    pub fn group_by<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        GroupBy::new(self.clone(), keys.into_iter().map(Into::into).collect())
    }

    /// Aggregates over all rows: a table of one row, also when there are no rows.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let total = df.agg([size(), col("v").sum(), col("q").max()]).compute()?;
    /// assert_eq!((total.num_rows(), total.num_columns()), (1, 3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn agg(&self, aggs: impl IntoIterator<Item = AggExpr>) -> Frame {
        let aggs: Vec<AggExpr> = aggs.into_iter().collect();
        let step = format!("agg({})", list(aggs.iter().map(AggExpr::to_string)));
        self.step(step, |input| LogicalPlan::aggregate(input, Vec::new(), aggs, false))
    }

    /// All rows in order of these keys; rows with equal keys keep their order. A name sorts ascending;
    /// [`Expr::desc`] descending. Nulls come last unless [`SortKey::nulls_first`]; NaN is above all numbers.
    ///
    /// Rows that memory has no room for are written to the [spill directory](crate::SessionBuilder::spill_dir) in sorted runs,
    /// and merged from there. What comes out may be larger than memory too: [`write_parquet`](Frame::write_parquet),
    /// [`persist`](Frame::persist) or [`stream`](Frame::stream) take it, where [`compute`](Frame::compute) needs room for all.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let largest = df.sort([col("v").desc()]).head(10).compute()?;
    /// assert_eq!(largest.num_rows(), 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sort<K: Into<SortKey>>(&self, keys: impl IntoIterator<Item = K>) -> Frame {
        let keys: Vec<SortKey> = keys.into_iter().map(Into::into).collect();
        let step = format!("sort({})", list(keys.iter().map(SortKey::to_string)));
        self.step(step, |input| LogicalPlan::sort(input, keys))
    }

    /// The first `n` rows, or all if there are fewer. Each partition stops reading when it has them: what is wrong in rows
    /// behind them comes out or not, as it was read or not, which depends on the size of partitions.
    pub fn head(&self, n: usize) -> Frame {
        self.step(format!("head({n})"), |input| Ok(LogicalPlan::slice(input, 0, Some(n))))
    }

    /// The rows from `offset` on, at most `limit` of them. Rows before the offset are held until it is known how many there are:
    /// for the last rows [`tail`](Frame::tail) needs less memory.
    pub fn slice(&self, offset: usize, limit: impl Into<Option<usize>>) -> Frame {
        let limit = limit.into();
        let step = match limit {
            Some(limit) => format!("slice({offset}, {limit})"),
            None => format!("slice({offset}, ..)"),
        };
        self.step(step, |input| Ok(LogicalPlan::slice(input, offset, limit)))
    }

    /// The columns that come out: names and types.
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn schema(&self) -> Result<SchemaRef> {
        Ok(self.plan()?.schema().clone())
    }

    /// How many partitions the rows come in. A file makes one for about every 100 MB, or less where little is left
    /// ([`CsvOptions::partition_size`], [`SessionBuilder::partition_size`]), so there may be more partitions than files; a table in
    /// memory makes one for about every million rows; what brings rows together gives one: aggregates, sorts, slices, distinct rows,
    /// ranks; a right or outer merge has one more, of right rows without a match.
    ///
    /// [`CsvOptions::partition_size`]: crate::CsvOptions::partition_size
    /// [`SessionBuilder::partition_size`]: crate::SessionBuilder::partition_size
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn npartitions(&self) -> Result<usize> {
        Ok(self.plan()?.partitions())
    }

    /// Runs the query for its number of rows alone, as `len(df)` does in pandas.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// assert_eq!(read_csv("testdata/baci/BACI_HS12_Y*.csv").num_rows()?, 14_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Frame::compute) has.
    pub fn num_rows(&self) -> Result<usize> {
        let counted = self.agg([crate::expr::size()]).column("size").sum().as_i64()?;
        Ok(counted.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0))
    }

    /// How many tasks the query becomes, before and after row-wise steps are fused. Nothing runs.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let filtered = df.filter(col("t").eq(2018));
    /// // A filter is a task more for each of the seven partitions, and none once it is fused into the scan.
    /// assert_eq!(filtered.ntasks()?.before_fusion - df.ntasks()?.before_fusion, 7);
    /// assert_eq!(filtered.ntasks()?.after_fusion, df.ntasks()?.after_fusion);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn ntasks(&self) -> Result<TaskCount> {
        let (plan, split_every) = (self.plan()?, self.session.split_every());
        let before_fusion = lower(std::slice::from_ref(plan))?.tasks_unfused(split_every);
        let (graph, _) = expand(lower(&[optimise(plan)?])?, self.session.config())?;
        Ok(TaskCount { before_fusion, after_fusion: graph.len() })
    }

    /// The plan as text, at one of its stops. Nothing runs.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let plan = df.filter(col("t").eq(2018)).agg([col("v").sum()]).explain(Stop::Optimised)?;
    /// assert_eq!(plan, "\
    /// aggregate sum(v)
    ///   scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": v where t = 2018
    /// ");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn explain(&self, stop: Stop) -> Result<String> {
        let plan = self.plan()?;
        let optimised = optimise(plan)?;
        let stages = || lower(std::slice::from_ref(&optimised)).map(|stages| stages.to_string());
        let tasks = || -> Result<String> {
            let TaskCount { before_fusion, after_fusion } = self.ntasks()?;
            Ok(format!("{before_fusion} before fusion, {after_fusion} after\n"))
        };
        Ok(match stop {
            Stop::Logical => plan.to_string(),
            Stop::Optimised => optimised.to_string(),
            Stop::Stages => stages()?,
            Stop::Tasks => tasks()?,
            Stop::All => {
                let (stages, tasks) = (stages()?, tasks()?);
                format!("logical plan\n{plan}\noptimised plan\n{optimised}\nstages\n{stages}\ntasks\n{tasks}")
            }
        })
    }

    /// Runs the query and gives its rows as a table in memory. Rows that do not fit there are for
    /// [`write_csv`](Frame::write_csv), [`write_parquet`](Frame::write_parquet), [`persist`](Frame::persist) and
    /// [`stream`](Frame::stream).
    ///
    /// # Errors
    /// What is wrong in the steps so far, and all that can go wrong in a run: bad input with its file, line and column,
    /// an overflow, too little memory.
    pub fn compute(&self) -> Result<Table> {
        self.submit().wait()
    }

    /// Starts the query in the background.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let running = read_csv("testdata/baci/BACI_HS12_Y*.csv").agg([size()]).submit();
    /// // … do something else …
    /// assert_eq!(running.wait()?.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&self) -> Running {
        submit_all(self)
    }

    /// For each column that is read, its type and the file and line that decided it: as far as is known by now, which a run may have
    /// widened.
    ///
    /// # Errors
    /// What is wrong in the steps so far, and a file that can't be read any more.
    pub fn column_report(&self) -> Result<Vec<ColumnReport>> {
        let known = |source: &Arc<CsvSource>| source.wider().unwrap_or_else(|| source.clone());
        let reports = self.plan()?.sources().into_iter().map(|source| known(source).report());
        Ok(reports.collect::<Result<Vec<_>>>()?.concat())
    }

    /// How the first CSV source is read, as options by their names for [`CsvOptions::set`](crate::CsvOptions::set): told, sniffed, or the default ones.
    /// Empty where no CSV is read.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let file = Paths::bytes("a", "day;amount\n1;2,5\n2;3,5\n");
    /// let report = read_csv_with(file, CsvOptions::new().sniff()).dialect_report()?;
    /// assert_eq!(report[0], ("delimiter", ";".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn dialect_report(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(self.plan()?.sources().first().map(|source| source.dialect()).unwrap_or_default())
    }

    fn plan(&self) -> Result<&Arc<LogicalPlan>> {
        self.plan.as_ref().map_err(Error::clone)
    }

    /// A frame that only has something wrong, for fronts that find it before there is a plan.
    #[cfg_attr(not(feature = "sql"), allow(dead_code))]
    pub(crate) fn failed(session: Session, error: Error) -> Frame {
        debug_assert_ne!(error.kind(), ErrorKind::Internal);
        Frame { session, plan: Err(error), steps: Arc::default() }
    }
}
