//! One column by itself, and single values: [`Column`], [`Scalar`].

use std::fmt;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Frame;
use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, Literal, Type, col};

/// A lazy column: what [`Frame::column`] gives. Its methods give single values ([`Scalar`]), columns and frames, all lazy.
///
/// As everywhere, nulls are skipped by what looks at many values, and NaN is a value above all numbers (pandas skips it).
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv").with_column("avg_price", col("v") / col("q"));
/// let price = df.column("avg_price");
/// let (mean, largest) = compute_all((price.mean(), price.nlargest(3)))?;
/// assert!(matches!(mean, Literal::Float64(mean) if mean > 0.0));
/// assert_eq!(largest.num_rows(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a column is lazy: nothing runs until compute()"]
pub struct Column {
    /// A frame of this column alone.
    frame: Frame,
    /// Its name, as far as it is known.
    name: String,
}

/// A lazy single value, such as the mean of a column.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let q = read_csv("testdata/baci/BACI_HS12_Y2018.csv").column("q");
/// let mean: Option<f64> = q.mean().as_f64()?;
/// assert!(mean.is_some());
/// assert_eq!(q.count().compute()?, Literal::Int64(q.count().as_i64()?.unwrap_or(0)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a scalar is lazy: nothing runs until compute()"]
pub struct Scalar {
    /// A frame of one row and one column.
    frame: Frame,
}

impl Frame {
    /// One column by itself: a name, or an expression, whose [name](Expr::name) it has (that of the leftmost column in it, or an alias).
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// assert_eq!(df.column("k").nunique().compute()?, df.column(col("k") * 10).nunique().compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn column(&self, expr: impl Into<Expr>) -> Column {
        let expr = expr.into();
        Column { name: expr.name(), frame: self.select([expr]) }
    }
}

/// Aggregates of a column, each as a scalar.
macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident)+) => {
        $(
            $(#[$doc])*
            pub fn $name(&self) -> Scalar {
                self.scalar(col(&self.name).$name())
            }
        )+
    };
}

impl Column {
    scalars! {
        /// The mean; null of nothing. As [`Expr::mean`].
        mean
        /// The variance, divided by the number of values less one. As [`Expr::var`].
        var
        /// The standard deviation. As [`Expr::std`].
        std
        /// The sum; 0 of nothing. As [`Expr::sum`].
        sum
        /// The least value. As [`Expr::min`].
        min
        /// The largest value. As [`Expr::max`].
        max
        /// How many values are not null.
        count
        /// How many different values there are, null not counted.
        nunique
        /// The exact median (Dask's is approximate). As [`Expr::median`].
        median
    }

    /// The exact quantile, `p` from 0 to 1, interpolated between the two values next to it. As [`Expr::quantile`].
    pub fn quantile(&self, p: f64) -> Scalar {
        self.scalar(col(&self.name).quantile(p))
    }

    /// Any aggregate of the column.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let k = read_csv("testdata/baci/BACI_HS12_Y2018.csv").column("k");
    /// assert!(matches!(k.agg(Expr::mode).compute()?, Literal::Int64(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn agg(&self, aggregate: impl FnOnce(Expr) -> AggExpr) -> Scalar {
        self.scalar(aggregate(col(&self.name)))
    }

    /// How often each value occurs: the column and `count`, the most frequent first, ties by value. Null is not counted.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let counts = read_csv("testdata/baci/BACI_HS12_Y*.csv").column("k").value_counts().head(5).compute()?;
    /// assert_eq!((counts.num_rows(), counts.schema().field(1).name().as_str()), (5, "count"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// pandas leaves ties in the order of appearance; here the order is the same however the rows were cut. A column
    /// that is called `count` itself is an [`ErrorKind::Column`] error: rename it first.
    pub fn value_counts(&self) -> Frame {
        let counted = self.frame.group_by([col(&self.name)]).agg([crate::expr::size().alias("count")]);
        counted.sort([col("count").desc(), col(&self.name).asc()])
    }

    /// The different values, null among them, in the order of the first appearance of each, as pandas gives them.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let years = read_csv("testdata/baci/BACI_HS12_Y*.csv").column("t").unique().compute()?;
    /// assert_eq!(years.num_rows(), 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unique(&self) -> Column {
        self.with(self.frame.distinct())
    }

    /// The `n` largest values, the largest first; nulls are left out.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let q = read_csv("testdata/baci/BACI_HS12_Y2018.csv").column("q");
    /// assert_eq!(q.nlargest(10).compute()?.num_rows(), 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nlargest(&self, n: usize) -> Column {
        let values = self.frame.filter(col(&self.name).is_not_null());
        self.with(values.sort([col(&self.name).desc()]).head(n))
    }

    /// The `n` smallest values, the smallest first; nulls are left out.
    pub fn nsmallest(&self, n: usize) -> Column {
        let values = self.frame.filter(col(&self.name).is_not_null());
        self.with(values.sort([col(&self.name).asc()]).head(n))
    }

    /// What [`Frame::describe`] says of this column.
    pub fn describe(&self) -> Frame {
        self.frame.describe()
    }

    /// Which values are null: bools under the same name.
    pub fn is_null(&self) -> Column {
        self.map(|expr| expr.is_null())
    }

    /// The values, with this one for null. As [`Expr::fill_null`].
    pub fn fill_null(&self, value: impl Into<Literal>) -> Column {
        let value = value.into();
        self.map(|expr| expr.fill_null(crate::expr::lit(value)))
    }

    /// The values in another type. As [`Expr::cast`].
    pub fn cast(&self, to: Type) -> Column {
        self.map(|expr| expr.cast(to))
    }

    /// The values, computed from: any expression of the column, under the same name.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let v = read_csv("testdata/baci/BACI_HS12_Y2018.csv").column("v");
    /// let thousands = v.map(|v| v / 1000);
    /// assert_eq!(thousands.count().compute()?, v.count().compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map(&self, f: impl FnOnce(Expr) -> Expr) -> Column {
        self.with(self.frame.select([f(col(&self.name)).alias(&self.name)]))
    }

    /// The first `n` values.
    pub fn head(&self, n: usize) -> Column {
        self.with(self.frame.head(n))
    }

    /// The name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The column as a frame.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Runs: the values as a table of one column.
    ///
    /// # Errors
    /// As [`Frame::compute`] has.
    pub fn compute(&self) -> Result<Table> {
        self.frame.compute()
    }

    fn with(&self, frame: Frame) -> Column {
        Column { frame, name: self.name.clone() }
    }

    fn scalar(&self, agg: AggExpr) -> Scalar {
        Scalar { frame: self.frame.agg([agg]) }
    }
}

impl Scalar {
    /// Runs: the value. A date or timestamp comes as text in ISO form, inside [`Literal::Date`] or [`Literal::Timestamp`].
    ///
    /// # Errors
    /// As [`Frame::compute`] has.
    pub fn compute(&self) -> Result<Literal> {
        Scalar::value(&self.frame.compute()?)
    }

    /// Runs: the value as a float, `None` for null. An integer becomes the nearest float.
    ///
    /// # Errors
    /// As [`Frame::compute`] has; [`ErrorKind::Type`] when it is no number.
    pub fn as_f64(&self) -> Result<Option<f64>> {
        match self.compute()? {
            Literal::Null => Ok(None),
            Literal::Float64(value) => Ok(Some(value)),
            Literal::Int64(value) => Ok(Some(value as f64)),
            other => Err(not_a("float", &other)),
        }
    }

    /// Runs: the value as an integer, `None` for null.
    ///
    /// # Errors
    /// As [`Frame::compute`] has; [`ErrorKind::Type`] when it is no integer.
    pub fn as_i64(&self) -> Result<Option<i64>> {
        match self.compute()? {
            Literal::Null => Ok(None),
            Literal::Int64(value) => Ok(Some(value)),
            other => Err(not_a("integer", &other)),
        }
    }

    /// The value as a frame of one row and one column.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The only value of a table.
    pub(super) fn value(table: &Table) -> Result<Literal> {
        let batch = table.batches().find(|batch| batch.num_rows() > 0);
        let column = batch.as_ref().and_then(|batch| batch.columns().first());
        let column = column.ok_or_else(|| Error::internal("a scalar has no value"))?;
        if column.is_null(0) {
            return Ok(Literal::Null);
        }
        let iso = || Ok::<_, Error>(ArrayFormatter::try_new(column, &FormatOptions::default())?.value(0).to_string());
        Ok(match Type::of(column.data_type()) {
            Some(Type::Int64) => Literal::Int64(column.as_primitive::<Int64Type>().value(0)),
            Some(Type::Float64) => Literal::Float64(column.as_primitive::<Float64Type>().value(0)),
            Some(Type::Bool) => Literal::Bool(column.as_boolean().value(0)),
            Some(Type::Date) => Literal::Date(iso()?),
            Some(Type::Timestamp) => Literal::Timestamp(iso()?),
            Some(Type::Text) => Literal::Text(column.as_string_view().value(0).to_owned()),
            None => return Err(Error::internal("a scalar of a foreign type")),
        })
    }
}

fn not_a(kind: &str, value: &Literal) -> Error {
    Error::new(ErrorKind::Type, format!("{value:?} is no {kind}")).help("take the value as it is with compute()")
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column {}, of\n{}", self.name, self.frame)
    }
}
