//! Rows dropped, kept and filled.

use std::sync::Arc;

use super::Frame;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, Literal, col, lit};
use crate::plan::{Keep, LogicalPlan};

impl Frame {
    /// The same rows in any order: what is done for their order alone is left out.
    ///
    /// Groups, and distinct rows, come as they are found; where there are millions of them, to sort them takes longer than to make them.
    /// A sort before it is not done at all. This is what `sort=False` is to a pandas `groupby`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let flows = df.group_by(["i", "j", "k"]).agg([col("v").sum()]);
    /// assert_eq!(flows.unordered().num_rows()?, flows.num_rows()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unordered(&self) -> Frame {
        self.step("unordered()".to_owned(), |input| Ok(LogicalPlan::Unordered { input }))
    }

    /// The rows without repetitions: of rows that are alike in all columns the first one stays, in its place.
    ///
    /// Null is like null, NaN like NaN, and `-0.0` like `0.0`. Only the distinct rows are held, on disk where they don't fit
    /// into memory.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let years = df.select(["t"]).distinct().compute()?;
    /// assert_eq!(years.num_rows(), 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn distinct(&self) -> Frame {
        self.step("distinct()".to_owned(), |input| {
            let keys = input.schema().fields().iter().map(|field| col(field.name())).collect();
            LogicalPlan::group_rows(input, keys, 1, Keep::First, true)
        })
    }

    /// Of rows that are alike in these columns, the first one or the last one, where it stands.
    ///
    /// Null is like null and NaN like NaN, as in pandas. [`GroupBy::filter`](crate::GroupBy::filter) drops all that have a like,
    /// as pandas' `keep=False`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let latest = df.drop_duplicates(["i", "j", "k"], Keep::Last);
    /// assert!(latest.compute()?.num_rows() < 14_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Column`] for a column that does not exist, [`ErrorKind::Config`] for no column at all.
    pub fn drop_duplicates<N: Into<String>>(&self, subset: impl IntoIterator<Item = N>, keep: Keep) -> Frame {
        let subset: Vec<String> = subset.into_iter().map(Into::into).collect();
        self.step(format!("drop_duplicates({}, {keep:?})", subset.join(", ")), |input| {
            some(&subset)?;
            LogicalPlan::group_rows(input, subset.iter().map(col).collect(), 1, keep, true)
        })
    }

    /// The last `n` rows, or all if there are fewer. All rows are read, `n` are held.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// assert_eq!(df.tail(5).compute()?.num_rows(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tail(&self, n: usize) -> Frame {
        self.step(format!("tail({n})"), |input| LogicalPlan::group_rows(input, vec![], n, Keep::Last, true))
    }

    /// As [`head`](Frame::head), by the name that databases have for it.
    pub fn limit(&self, n: usize) -> Frame {
        self.step(format!("limit({n})"), |input| Ok(LogicalPlan::slice(input, 0, Some(n))))
    }

    /// The rows without a null in any column.
    ///
    /// NaN is a value and stays, where pandas' `dropna` takes it for missing: `filter(col("x").is_nan().not())` drops it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// assert_eq!(df.drop_nulls().compute()?, df.filter(col("q").is_not_null()).compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_nulls(&self) -> Frame {
        self.step("drop_nulls()".to_owned(), |input| {
            let present = column_exprs(&input).into_iter().map(Expr::is_not_null);
            LogicalPlan::filter(input.clone(), joined(present, Expr::and))
        })
    }

    /// The rows without a null in any of these columns.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// assert_eq!(df.drop_nulls_in(["i", "j"]).compute()?.num_rows(), 2000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Column`] for a column that does not exist, [`ErrorKind::Config`] for no column at all.
    pub fn drop_nulls_in<N: Into<String>>(&self, subset: impl IntoIterator<Item = N>) -> Frame {
        let subset: Vec<String> = subset.into_iter().map(Into::into).collect();
        self.step(format!("drop_nulls_in({})", subset.join(", ")), |input| {
            some(&subset)?;
            LogicalPlan::filter(input, joined(subset.iter().map(|name| col(name).is_not_null()), Expr::and))
        })
    }

    /// The rows that have a value in at least one column: pandas' `dropna(how="all")`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let quantities = read_csv("testdata/baci/BACI_HS12_Y2018.csv").select(["q"]);
    /// assert_eq!(quantities.drop_all_null().compute()?, quantities.drop_nulls().compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_all_null(&self) -> Frame {
        self.step("drop_all_null()".to_owned(), |input| {
            let present = column_exprs(&input).into_iter().map(Expr::is_not_null);
            LogicalPlan::filter(input.clone(), joined(present, Expr::or))
        })
    }

    /// A value in the place of nulls, in all columns whose type it has: numbers fill int64 (if they are integers) and float64
    /// columns, text fills text. Columns keep their types, and those of other types their nulls, where pandas makes a column of
    /// mixed types. [`Expr::fill_null`] fills one column. NaN is no null.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv").fill_nulls(0);
    /// assert_eq!(df.drop_nulls().compute()?.num_rows(), 2000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Type`] when there is no column whose type it has.
    pub fn fill_nulls(&self, value: impl Into<Literal>) -> Frame {
        let value = value.into();
        self.step(format!("fill_nulls({value})"), |input| {
            let mut filled = false;
            let columns = input.schema().fields().iter().map(|field| {
                let with_value = col(field.name()).fill_null(lit(value.clone()));
                match with_value.bind(input.schema()) {
                    Ok(bound) if bound.data_type() == *field.data_type() => {
                        filled = true;
                        with_value.alias(field.name())
                    }
                    _ => col(field.name()),
                }
            });
            let columns: Vec<Expr> = columns.collect();
            if !filled {
                return Err(Error::new(ErrorKind::Type, format!("no column has the type of {value}"))
                    .help("fill with a value of a column's type"));
            }
            LogicalPlan::project(input.clone(), columns)
        })
    }
}

fn column_exprs(input: &Arc<LogicalPlan>) -> Vec<Expr> {
    input.schema().fields().iter().map(|field| col(field.name())).collect()
}

/// All conditions in one.
fn joined(conditions: impl Iterator<Item = Expr>, join: fn(Expr, Expr) -> Expr) -> Expr {
    conditions.reduce(join).unwrap_or_else(|| lit(true))
}

/// That there is one name at least.
pub(super) fn some(names: &[String]) -> Result<()> {
    match names.is_empty() {
        true => Err(Error::new(ErrorKind::Config, "no column is named").help("name one column at least")),
        false => Ok(()),
    }
}
