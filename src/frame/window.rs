//! Functions over windows: of each row, the rows of its partition, in an order, up to it or around it.
//!
//! How they are computed is told in `passes`.

mod passes;

use self::passes::sorted_windows;
use super::Frame;
use crate::error::{Error, ErrorKind};
use crate::expr::{Expr, Literal, SortKey, Summary, coalesce, col, is_same, when};

/// Over which rows, in which order, a [`WindowExpr`] goes: the partition of each row, its order, and how far around the row.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
/// let largest = Over::partition_by(["i"]).order_by([col("v").desc()]);
/// let by_exporter = Over::partition_by(["i"]).order_by(["k"]);
/// let ranked = df.with_windows([
///     largest.rank().alias("place"),
///     by_exporter.sum(col("v")).alias("so_far"),
///     by_exporter.rows(-2, 0).mean(col("v")).alias("mean_of_3"),
/// ]);
/// let firsts = ranked.filter(col("place").eq(1)).compute()?;
/// assert_eq!(firsts.num_columns(), 6 + 3);
/// # Ok(())
/// # }
/// ```
///
/// Rows whose keys are null form a partition, as they form a group in SQL. Without keys all rows are one partition. Rows with equal order keys
/// are peers: they have one [`rank`](Over::rank), and what goes up to a row goes up to its last peer, unless [`rows`](Over::rows) says
/// otherwise. Between peers the order of the frame decides.
#[derive(Debug, Clone, Default)]
#[must_use = "says over which rows: ask it for a function, as in over.sum(col(\"v\"))"]
pub struct Over {
    partition: Vec<Expr>,
    order: Vec<SortKey>,
    extent: Extent,
}

/// How far a window reaches around its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Extent {
    /// To the last peer of the row; without an order, all of the partition.
    #[default]
    ToPeers,
    /// From so many rows behind the row (before it, if negative) to so many; none is the partition's end.
    Rows(Option<i64>, Option<i64>),
}

/// A function over a window, made by a method of [`Over`]: a column that [`Frame::with_windows`] adds.
#[derive(Debug, Clone)]
#[must_use = "give it to Frame::with_windows()"]
pub struct WindowExpr {
    over: Over,
    function: Function,
    name: String,
}

#[derive(Debug, Clone)]
enum Function {
    RowNumber,
    Rank,
    DenseRank,
    /// The value so many rows behind (before, if negative), else the other.
    At(Expr, i64, Literal),
    First(Expr),
    Last(Expr),
    Summary(Summary, Expr),
}

/// How many rows behind its own a window may reach, but not to the end, before its rows behind are gone over from the end: each
/// row costs a pass, and turning costs a sort.
const MOST_FOLLOWING: i64 = 8;

impl Over {
    /// Windows within the rows of equal keys; of no keys at all, within all rows.
    pub fn partition_by<E: Into<Expr>>(keys: impl IntoIterator<Item = E>) -> Over {
        Over { partition: keys.into_iter().map(Into::into).collect(), ..Over::default() }
    }

    /// The order of the rows in a partition.
    pub fn order_by<K: Into<SortKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Over {
        self.order = keys.into_iter().map(Into::into).collect();
        self
    }

    /// The window goes from `start` rows behind each row to `end` rows: `rows(-2, 0)` holds the row and the two before it, `rows(None, 0)` all up to it,
    /// `rows(None, None)` the partition. SQL says `ROWS BETWEEN 2 PRECEDING AND CURRENT ROW`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let near = Over::default().order_by(["k", "i", "j"]).rows(-1, 1);
    /// // The first row and the last have one neighbour, the others two.
    /// let ends = df.with_windows([near.count(lit(1)).alias("near")]).filter(col("near").eq(2));
    /// assert_eq!(ends.compute()?.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A window may lie before or behind its row, and have no rows at all.
    pub fn rows(&self, start: impl Into<Option<i64>>, end: impl Into<Option<i64>>) -> Over {
        Over { extent: Extent::Rows(start.into(), end.into()), ..self.clone() }
    }

    fn make(&self, function: Function, name: impl Into<String>) -> WindowExpr {
        WindowExpr { over: self.clone(), function, name: name.into() }
    }

    /// The number of the row in its partition, from 1.
    pub fn row_number(&self) -> WindowExpr {
        self.make(Function::RowNumber, "row_number")
    }

    /// One more than the rows before the row's first peer: 1, 2, 2, 4.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let by_value = Over::partition_by(["i"]).order_by([col("v").desc()]);
    /// let largest = df.with_windows([by_value.rank().alias("place")]).filter(col("place").eq(1));
    /// let exporters = df.group_by(["i"]).agg([col("v").count()]).compute()?;
    /// assert!(largest.compute()?.num_rows() >= exporters.num_rows());
    /// # Ok(())
    /// # }
    /// ```
    pub fn rank(&self) -> WindowExpr {
        self.make(Function::Rank, "rank")
    }

    /// One more than the different values before the row: 1, 2, 2, 3.
    pub fn dense_rank(&self) -> WindowExpr {
        self.make(Function::DenseRank, "dense_rank")
    }

    /// The value `n` rows before, null where there is none. [`rows`](Over::rows) says nothing about it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let by_product = Over::partition_by(["i"]).order_by(["k"]);
    /// let firsts = df.with_windows([by_product.lag(col("v"), 1).alias("before")]).filter(col("before").is_null());
    /// // v has no nulls, so these are the first row of each exporter.
    /// let exporters = df.group_by(["i"]).agg([col("v").count()]).compute()?;
    /// assert_eq!(firsts.compute()?.num_rows(), exporters.num_rows());
    /// # Ok(())
    /// # }
    /// ```
    pub fn lag(&self, value: impl Into<Expr>, n: i64) -> WindowExpr {
        self.lag_or(value, n, Literal::Null)
    }

    /// As [`lag`](Over::lag), with a value where there is none.
    pub fn lag_or(&self, value: impl Into<Expr>, n: i64, other: impl Into<Literal>) -> WindowExpr {
        let value = value.into();
        let name = value.name();
        self.make(Function::At(value, n.saturating_neg(), other.into()), name)
    }

    /// The value `n` rows behind, null where there is none. [`rows`](Over::rows) says nothing about it.
    pub fn lead(&self, value: impl Into<Expr>, n: i64) -> WindowExpr {
        self.lag(value, n.saturating_neg())
    }

    /// The value of the window's first row, null or not; null of a window without rows.
    pub fn first_value(&self, value: impl Into<Expr>) -> WindowExpr {
        let value = value.into();
        let name = value.name();
        self.make(Function::First(value), name)
    }

    /// The value of the window's last row, null or not; null of a window without rows. It is of the last peer, as long as [`rows`](Over::rows) does not say otherwise.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let by_product = Over::partition_by(["i"]).order_by(["k"]).rows(None, None);
    /// let ends = [by_product.first_value(col("k")).alias("first"), by_product.last_value(col("k")).alias("last")];
    /// let outside = df.with_windows(ends).filter(col("k").lt(col("first")).or(col("k").gt(col("last"))));
    /// assert_eq!(outside.compute()?.num_rows(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn last_value(&self, value: impl Into<Expr>) -> WindowExpr {
        let value = value.into();
        let name = value.name();
        self.make(Function::Last(value), name)
    }

    fn summary(&self, summary: Summary, value: impl Into<Expr>) -> WindowExpr {
        let value = value.into();
        let name = value.name();
        self.make(Function::Summary(summary, value), name)
    }

    /// How many values the window has that are not null.
    pub fn count(&self, value: impl Into<Expr>) -> WindowExpr {
        self.summary(Summary::Count, value)
    }

    /// The sum of the window's values, null of none. Of integers it is exact, and an [`ErrorKind::Overflow`] error beyond 64 bits.
    pub fn sum(&self, value: impl Into<Expr>) -> WindowExpr {
        self.summary(Summary::Sum, value)
    }

    /// The mean of the window's values, null of none.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let year = Over::partition_by(["i"]).order_by(["k"]);
    /// let moving = df.with_windows([year.rows(-2, 0).mean(col("v")).alias("of_3"), year.sum(col("v")).alias("so_far")]);
    /// assert_eq!(moving.compute()?.num_columns(), 6 + 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn mean(&self, value: impl Into<Expr>) -> WindowExpr {
        self.summary(Summary::Mean, value)
    }

    /// The least of the window's values, null of none. Texts are an [`ErrorKind::Type`] error.
    pub fn min(&self, value: impl Into<Expr>) -> WindowExpr {
        self.summary(Summary::Min, value)
    }

    /// The greatest of the window's values, null of none. Texts are an [`ErrorKind::Type`] error.
    pub fn max(&self, value: impl Into<Expr>) -> WindowExpr {
        self.summary(Summary::Max, value)
    }

    /// Whether one sort serves both.
    fn sorts_as(&self, other: &Over) -> bool {
        let keys = |a: &[SortKey], b: &[SortKey]| {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    a.descending == b.descending && a.nulls_first == b.nulls_first && is_same(&a.expr, &b.expr)
                })
        };
        let same = |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b));
        same(&self.partition, &other.partition) && keys(&self.order, &other.order)
    }
}

impl WindowExpr {
    /// Whether a summary goes from around its row to the end, or far behind it: then the rows are gone over from the end.
    fn is_turned(&self) -> bool {
        match (&self.function, self.over.extent) {
            (Function::Summary(..), Extent::Rows(Some(_), None)) => true,
            (Function::Summary(..), Extent::Rows(Some(start @ 0..), Some(end))) => end > MOST_FOLLOWING && start <= end,
            _ => false,
        }
    }

    /// A summary of rows before its row and of rows far behind as two, and what makes it of them.
    fn in_halves(&self) -> Option<(Vec<WindowExpr>, Expr)> {
        let Function::Summary(summary, value) = &self.function else { return None };
        let Extent::Rows(Some(start @ ..0), Some(end)) = self.over.extent else { return None };
        if end <= MOST_FOLLOWING {
            return None;
        }
        let (before, behind) = (self.over.rows(start, -1), self.over.rows(0, end));
        let mut halves = vec![];
        let mut half = |over: &Over, summary: Summary| {
            let name = format!("{}\0{}", self.name, halves.len());
            halves.push(over.summary(summary, value.clone()).alias(&name));
            col(name)
        };
        let sum = |a: Expr, b: Expr| coalesce([a.clone() + b.clone(), a, b]);
        let whole = match summary {
            Summary::Mean => {
                // The mean of each half, weighed: a sum could overflow where a mean does not.
                let [a, b] = [&before, &behind].map(|over| (half(over, Summary::Mean), half(over, Summary::Count)));
                let n = a.1.clone() + b.1.clone();
                coalesce([a.0.clone() * (a.1 / n.clone()) + b.0.clone() * (b.1 / n), a.0, b.0])
            }
            summary => {
                let [a, b] = [&before, &behind].map(|over| half(over, *summary));
                match summary {
                    Summary::Min => when(a.clone().le(b.clone()).or(b.clone().is_null())).then(a).otherwise(b),
                    Summary::Max => when(a.clone().ge(b.clone()).or(b.clone().is_null())).then(a).otherwise(b),
                    _ => sum(a, b),
                }
            }
        };
        Some((halves, whole))
    }

    /// Names the column. Otherwise it is named after the value, or `row_number`, `rank`, `dense_rank`.
    pub fn alias(mut self, name: impl Into<String>) -> WindowExpr {
        self.name = name.into();
        self
    }
}

impl Frame {
    /// All rows in their order, with columns of functions over windows behind the others: see [`Over`].
    ///
    /// Each order of rows that the windows ask for takes a sort; what memory has no room for goes to disk. pandas has no such
    /// step: it goes by `groupby(..).rank()`, `cumsum()` and `rolling(..)`, after a sort.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when a column of the name is there, [`ErrorKind::Type`] for types that a function does not take.
    pub fn with_windows(&self, windows: impl IntoIterator<Item = WindowExpr>) -> Frame {
        let mut waiting: Vec<WindowExpr> = windows.into_iter().collect();
        let names: Vec<String> = waiting.iter().map(|window| window.name.clone()).collect();
        let known = match self.schema() {
            Ok(schema) => schema,
            Err(_) => return self.clone(),
        };
        let columns: Vec<String> = known.fields().iter().map(|field| field.name().clone()).collect();
        let mut seen = columns.clone();
        for name in &names {
            if seen.contains(name) {
                let error = Error::new(ErrorKind::Column, format!("two columns are named '{name}'"))
                    .help(format!("name the window otherwise with .alias(\"{name}_2\")"));
                return self.step("with_windows(..)".to_owned(), |_| Err(error));
            }
            seen.push(name.clone());
        }
        let mut wholes = vec![];
        for at in 0..waiting.len() {
            if let Some((halves, whole)) = waiting[at].in_halves() {
                wholes.push((at, whole.alias(&waiting[at].name)));
                waiting.extend(halves);
            }
        }
        wholes.iter().rev().for_each(|(at, _)| drop(waiting.remove(*at)));
        let mut frame = self.clone();
        while let Some(first) = waiting.first().cloned() {
            let (now, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|window| window.over.sorts_as(&first.over) && window.is_turned() == first.is_turned());
            waiting = later;
            frame = sorted_windows(&frame, &first.over, first.is_turned(), now);
        }
        frame = if wholes.is_empty() { frame } else { frame.with_columns(wholes.into_iter().map(|(_, whole)| whole)) };
        frame.select(columns.iter().chain(&names).map(col).collect::<Vec<_>>())
    }
}
