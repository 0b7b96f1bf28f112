//! Aggregates: what is computed over the rows of a group, and which type it has.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};

use super::bind::BoundExpr;
use super::build::Expr;
use super::types::Type;
use crate::error::{Error, ErrorKind, Result};

/// An aggregate of an expression over the rows of a group, such as `col("q").mean()`.
///
/// Nulls are skipped. Of no values at all, `count` is 0, `sum` is 0 (but see [`min_count`](AggExpr::min_count)), and
/// `mean`, `min` and `max` are null. NaN is a value and lies above all numbers: any NaN makes `sum`, `mean` and `max` NaN,
/// and `min` is NaN only of nothing but NaN. The result is named after the column (`col("q").mean()` is named `q`)
/// unless [`alias`](AggExpr::alias) names it.
///
/// | aggregate | of | gives |
/// |---|---|---|
/// | `count` | any type | int64: values that are not null |
/// | [`size`](size()) | rows | int64 |
/// | `sum` | int64 | int64, exact; beyond 64 bits an [`ErrorKind::Overflow`] error |
/// | `sum` | float64; bool | float64; int64: how many are true |
/// | `mean` | int64, float64, bool | float64 |
/// | `min`, `max` | any type | the same type |
///
/// ```
/// use partita::{col, size};
/// let mean = (col("v") / col("q")).mean().alias("price");
/// assert_eq!((mean.to_string(), mean.name()), ("mean(v / q) as price".to_owned(), "price".to_owned()));
/// assert_eq!(size().name(), "size");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct AggExpr {
    kind: AggKind,
    input: Option<Expr>,
    min_count: Option<usize>,
    alias: Option<Arc<str>>,
}

/// Which aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AggKind {
    /// Values that are not null.
    Count,
    /// Rows.
    Size,
    /// Fewer than `min_count` values give null.
    Sum {
        min_count: usize,
    },
    Mean,
    Min,
    Max,
}

/// An [`AggExpr`] that has met its schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundAgg {
    pub kind: AggKind,
    /// What is aggregated; `size` has none.
    pub input: Option<BoundExpr>,
    pub output_type: DataType,
    pub name: String,
}

/// The number of rows, nulls and all. Named `size`.
///
/// ```
/// assert_eq!(partita::size().to_string(), "size()");
/// ```
pub fn size() -> AggExpr {
    AggExpr { kind: AggKind::Size, input: None, min_count: None, alias: None }
}

/// Aggregates; see [`AggExpr`].
impl Expr {
    /// The number of values that are not null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").count().to_string(), "count(q)");
    /// ```
    pub fn count(self) -> AggExpr {
        AggExpr { kind: AggKind::Count, input: Some(self), ..size() }
    }

    /// The sum of the values that are not null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").sum().to_string(), "sum(q)");
    /// ```
    pub fn sum(self) -> AggExpr {
        AggExpr { kind: AggKind::Sum { min_count: 0 }, input: Some(self), ..size() }
    }

    /// The mean of the values that are not null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").mean().to_string(), "mean(q)");
    /// ```
    pub fn mean(self) -> AggExpr {
        AggExpr { kind: AggKind::Mean, input: Some(self), ..size() }
    }

    /// The least value.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").min().to_string(), "min(q)");
    /// ```
    pub fn min(self) -> AggExpr {
        AggExpr { kind: AggKind::Min, input: Some(self), ..size() }
    }

    /// The greatest value.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").max().to_string(), "max(q)");
    /// ```
    pub fn max(self) -> AggExpr {
        AggExpr { kind: AggKind::Max, input: Some(self), ..size() }
    }
}

impl AggExpr {
    /// Names the result.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").mean().alias("mean_q").name(), "mean_q");
    /// ```
    pub fn alias(mut self, name: impl Into<String>) -> AggExpr {
        self.alias = Some(name.into().into());
        self
    }

    /// Makes a sum of fewer than `values` non-null values null: with 1, the sum of nothing is null. On other aggregates
    /// it is an [`ErrorKind::Config`] error when the aggregate meets its schema.
    ///
    /// ```
    /// use partita::col;
    /// assert_eq!(col("v").sum().min_count(1).to_string(), "sum(v, min_count 1)");
    /// ```
    pub fn min_count(mut self, values: usize) -> AggExpr {
        self.min_count = Some(values);
        self
    }

    /// The name of the result: its alias, else the name of what is aggregated, else `size`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") / col("q")).mean().name(), "v");
    /// ```
    pub fn name(&self) -> String {
        match (&self.alias, &self.input) {
            (Some(alias), _) => alias.to_string(),
            (None, Some(input)) => input.name(),
            (None, None) => "size".to_owned(),
        }
    }

    /// The names of the columns used.
    pub(crate) fn columns(&self) -> BTreeSet<Arc<str>> {
        self.input.as_ref().map(Expr::columns).unwrap_or_default()
    }

    /// Gives the aggregate the types of a schema.
    ///
    /// # Errors
    /// As [`Expr::bind`]; [`ErrorKind::Type`] when the type can't be aggregated so; [`ErrorKind::Config`] for a
    /// `min_count` of anything but a sum.
    pub(crate) fn bind(&self, schema: &Schema) -> Result<BoundAgg> {
        let kind = match (self.kind, self.min_count) {
            (AggKind::Sum { .. }, Some(min_count)) => AggKind::Sum { min_count },
            (_, Some(_)) => {
                return Err(Error::new(ErrorKind::Config, format!("{} takes no min_count", self.kind.name()))
                    .help("only sum does: mean, min and max of nothing are null as they are"));
            }
            (kind, None) => kind,
        };
        let input = self.input.as_ref().map(|e| e.bind(schema)).transpose()?;
        let output = match (kind, input.as_ref().map(BoundExpr::kind)) {
            (AggKind::Count | AggKind::Size, _) => Type::Int64,
            (AggKind::Sum { .. }, Some(Type::Int64 | Type::Bool)) => Type::Int64,
            (AggKind::Sum { .. }, Some(Type::Float64)) => Type::Float64,
            (AggKind::Mean, Some(Type::Int64 | Type::Float64 | Type::Bool)) => Type::Float64,
            (AggKind::Min | AggKind::Max, Some(t)) => t,
            (AggKind::Sum { .. } | AggKind::Mean, Some(t)) => return Err(self.no_arithmetic(t)),
            (_, None) => return Err(Error::internal(format!("{} has no input", kind.name()))),
        };
        Ok(BoundAgg { kind, input, output_type: output.arrow(), name: self.name() })
    }

    /// The error of a sum or mean of text, dates or timestamps.
    fn no_arithmetic(&self, t: Type) -> Error {
        let (name, input) = (self.kind.name(), self.input.as_ref().map(Expr::quoted).unwrap_or_default());
        let help = match t {
            Type::Text => {
                "aggregate another column, or take count, min or max of it; if it should be numeric, give its type with CsvOptions::dtype when reading".to_owned()
            }
            _ => format!("count, min and max of a {t} work; {name} takes numbers and bools"),
        };
        Error::new(ErrorKind::Type, format!("{input} is {t}, which has no {name}")).help(help)
    }
}

impl AggKind {
    /// The name that people write and read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            AggKind::Count => "count",
            AggKind::Size => "size",
            AggKind::Sum { .. } => "sum",
            AggKind::Mean => "mean",
            AggKind::Min => "min",
            AggKind::Max => "max",
        }
    }
}

impl fmt::Display for AggExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.kind.name())?;
        if let Some(input) = &self.input {
            write!(f, "{input}")?;
        }
        if let Some(min_count) = self.min_count {
            write!(f, ", min_count {min_count}")?;
        }
        f.write_str(")")?;
        match &self.alias {
            Some(alias) => write!(f, " as {alias}"),
            None => Ok(()),
        }
    }
}
