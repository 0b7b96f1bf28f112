//! How functions that go over the rows in order are built.

use super::{InOrderFn, Interval, RankMethod, Ranking, Rolling, Summary, Window};
use crate::expr::build::{Expr, Node};

/// The number of each row, from 0, over all partitions: an int64. Named `row_number`.
///
/// As `reset_index` numbers rows in pandas.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::{prelude::*, row_number};
/// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// let every_thousandth = df.filter((row_number() % 1000).eq(0)).compute()?;
/// assert_eq!(every_thousandth.num_rows(), 14);
/// # Ok(())
/// # }
/// ```
pub fn row_number() -> Expr {
    Expr::from_node(Node::InOrder(InOrderFn::RowNumber, vec![]))
}

/// Functions that go over the rows in order, across the borders of partitions: they stand wherever row-wise expressions do
/// in [`select`](crate::Frame::select), [`with_column`](crate::Frame::with_column) and [`filter`](crate::Frame::filter), alone or within larger ones.
///
/// The order is that of the frame's rows; [`sort`](crate::Frame::sort) first for another. A filter in a step before them leaves
/// out rows; a filter behind them changes nothing of them. NaN is a value here, as everywhere: it makes the sums it is in
/// NaN, and lies above all numbers, where pandas takes it for missing.
impl Expr {
    fn in_order(self, function: InOrderFn) -> Expr {
        Expr::from_node(Node::InOrder(function, vec![self]))
    }

    /// The sum of the values so far. A null stays null, and the sum goes on behind it, as in pandas.
    ///
    /// Int64 gives int64, and beyond 64 bits an [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error; of bools it counts those
    /// that are true. Floats are added with twice the digits, so that it does not matter how rows are cut into partitions.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let largest_first = read_csv("testdata/baci/BACI_HS12_Y2018.csv").sort([col("v").desc()]);
    /// let running = largest_first.with_column("running", col("v").cumsum());
    /// let half_a_million = running.filter(col("running").le(500_000)).compute()?;
    /// assert!((1..100).contains(&half_a_million.num_rows()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cumsum(self) -> Expr {
        self.in_order(InOrderFn::Cumulative(Summary::Sum))
    }

    /// The product of the values so far, as for growth: `(col("rate") + 1).cumprod()`. A null stays null, and the product goes on
    /// behind it.
    ///
    /// Int64 gives int64, and beyond 64 bits an [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error. A product of floats that passes
    /// through what no float holds comes back, unlike in pandas: 1e200, 1e200, 1e-300 give 1e200, infinity, 1e100.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("rate") + 1).cumprod().to_string(), "cumprod(rate + 1)");
    /// ```
    pub fn cumprod(self) -> Expr {
        self.in_order(InOrderFn::Cumulative(Summary::Product))
    }

    /// The greatest value so far. A null stays null. Of any type but text.
    ///
    /// ```
    /// # use partita::col;
    /// let drawdown = col("price") / col("price").cummax() - 1;
    /// assert_eq!(drawdown.to_string(), "price / cummax(price) - 1");
    /// ```
    pub fn cummax(self) -> Expr {
        self.in_order(InOrderFn::Cumulative(Summary::Max))
    }

    /// The least value so far. A null stays null. Of any type but text.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("price").cummin().to_string(), "cummin(price)");
    /// ```
    pub fn cummin(self) -> Expr {
        self.in_order(InOrderFn::Cumulative(Summary::Min))
    }

    /// How many of the values so far are not null; never null itself. To number rows from 0, as pandas' `cumcount` does in each
    /// group, take [`row_number`].
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").cumcount().to_string(), "cumcount(q)");
    /// ```
    pub fn cumcount(self) -> Expr {
        self.in_order(InOrderFn::Cumulative(Summary::Count))
    }

    /// The value `n` rows before, or behind when `n` is negative; null where there is no such row. Of any type, which stays as it
    /// is: pandas makes floats of integers.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let growth = df.with_column("growth", (col("v") - col("v").shift(1)) / col("v").shift(1));
    /// assert_eq!(growth.filter(col("growth").is_null()).compute()?.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shift(self, n: i64) -> Expr {
        self.in_order(InOrderFn::Shift(n))
    }

    /// The difference to the value `n` rows before (behind, when negative): short for `x - x.shift(n)`. Null where either is.
    ///
    /// Of numbers; int64 stays int64, where pandas makes floats. How far dates are apart tells `x.diff_days(x.shift(n))`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("v").diff(1).to_string(), "v - shift(v, 1)");
    /// ```
    pub fn diff(self, n: i64) -> Expr {
        self.clone() - self.shift(n)
    }

    /// The change from the value `n` rows before (behind, when negative) as a share of it: short for `x / x.shift(n) - 1`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("v").pct_change(1).to_string(), "v / shift(v, 1) - 1");
    /// ```
    pub fn pct_change(self, n: i64) -> Expr {
        self.clone() / self.shift(n) - 1
    }

    /// Nulls become the last value before them; those before the first value stay. Of any type. NaN is a value and stays, unlike
    /// in pandas.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv").with_column("q", col("q").ffill().bfill());
    /// assert_eq!(df.filter(col("q").is_null()).compute()?.num_rows(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ffill(self) -> Expr {
        self.in_order(InOrderFn::Fill { backward: false })
    }

    /// Nulls become the first value behind them; those behind the last value stay. Of any type.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").bfill().to_string(), "bfill(q)");
    /// ```
    pub fn bfill(self) -> Expr {
        self.in_order(InOrderFn::Fill { backward: true })
    }

    /// The rank of each value among all, the least being 1; equal values share the mean of their ranks. Null for nulls, float64. Of
    /// any type; NaN ranks above all numbers. To rank otherwise take [`rank_with`](Expr::rank_with).
    ///
    /// Brings all rows together in one partition.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let lower_half = df.filter(col("v").rank().le(1000)).compute()?;
    /// assert!((990..=1000).contains(&lower_half.num_rows()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn rank(self) -> Expr {
        self.rank_with(RankMethod::Average)
    }

    /// The rank of each value among all, by a [`RankMethod`] of equal values, and from the greatest if that is asked for with
    /// [`RankMethod::descending`]. Null for nulls. Int64 (but of [`RankMethod::Average`]), where pandas gives floats.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{RankMethod, prelude::*};
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let largest = df.filter(col("v").rank_with(RankMethod::First.descending()).le(10)).compute()?;
    /// assert_eq!(largest.num_rows(), 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rank_with(self, ranking: impl Into<Ranking>) -> Expr {
        self.in_order(InOrderFn::Rank(ranking.into()))
    }

    /// A window of each row and those before it, `rows` in all: say what to make of it, as in `col("v").rolling(3).mean()`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let smooth = df.with_column("smooth", col("v").rolling(3).mean());
    /// assert_eq!(smooth.filter(col("smooth").is_null()).compute()?.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rolling(self, rows: usize) -> Rolling {
        Rolling::new(vec![self], Window::Rows(rows))
    }

    /// A window of each row and those before it whose time, a date or timestamp, lies less than `span` before its own:
    /// `(time - span, time]`. As in pandas, rows behind it are not in it, even those of the same time.
    ///
    /// Times must ascend and none be null: the error of one that does not says which row it is. A span of months has no
    /// fixed length and is an [`ErrorKind::Config`](crate::ErrorKind::Config) error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let year = concat_text([col("t").cast(Type::Text), lit("-01-01")]).cast(Type::Date);
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv").with_column("year", year);
    /// let by_year = df.group_by(["year"]).agg([col("v").sum()]);
    /// let two_years = by_year.select([col("v").rolling_by("year", days(366)).sum()]).compute()?;
    /// assert_eq!(two_years.num_rows(), 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rolling_by(self, time: impl Into<Expr>, span: Interval) -> Rolling {
        Rolling::new(vec![self, time.into()], Window::Span(span))
    }
}
