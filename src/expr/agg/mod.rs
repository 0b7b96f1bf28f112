//! Aggregates: what is computed over the rows of a group.

mod bind;
mod build;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::build::Expr;
use crate::error::Error;

pub(crate) use bind::{BoundAgg, Operand, is_same};
pub use build::{corr, cov, size};

/// An aggregate of an expression over the rows of a group, such as `col("q").mean()`.
///
/// Nulls are skipped. NaN is a value and lies above all numbers: any NaN makes `sum`, `mean`, `max`, `var` and their like NaN,
/// and `min` is NaN only of nothing but NaN. The result is named after the column (`col("q").mean()` is named `q`)
/// unless [`alias`](AggExpr::alias) names it; [`filter`](AggExpr::filter) lets it see some of the rows alone.
///
/// | aggregate | of | gives | of no values |
/// |---|---|---|---|
/// | [`count`](Expr::count), [`size`](size()) | any type; rows | int64 | 0 |
/// | [`sum`](Expr::sum) | int64 | int64, exact; beyond 64 bits an [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error | 0, but see [`min_count`](AggExpr::min_count) |
/// | [`sum`](Expr::sum) | float64; bool | float64; int64: how many are true | 0 |
/// | [`mean`](Expr::mean) | int64, float64, bool | float64 | null |
/// | [`var`](Expr::var), [`std`](Expr::std) | int64, float64 | float64 | null, as of no more values than [`ddof`](AggExpr::ddof) |
/// | [`cov`], [`corr`] | two of int64, float64 | float64, over the rows where both have a value | null, as of a single row |
/// | [`min`](Expr::min), [`max`](Expr::max) | any type | the same type | null |
/// | [`first`](Expr::first), [`last`](Expr::last) | any type | the same type, in file order | null |
/// | [`idxmin`](Expr::idxmin), [`idxmax`](Expr::idxmax) | any type but text | int64: the row's number | null |
/// | [`any`](Expr::any), [`all`](Expr::all) | bool | bool | false; true |
/// | [`nunique`](Expr::nunique) | any type | int64 | 0 |
/// | [`mode`](Expr::mode) | any type | the same type | null |
/// | [`median`](Expr::median), [`quantile`](Expr::quantile) | int64, float64 | float64, exact | null |
/// | [`median`](Expr::median), [`quantile`](Expr::quantile) | date, timestamp | the same type; see [`interpolation`](AggExpr::interpolation) | null |
/// | [`join`](Expr::join) | text | text, in file order | null |
///
/// Floats that equal each other are one value: a `-0.0` comes out as `0.0`. `median`, `quantile`, `mode` and `nunique` hold values of
/// every group (`nunique` the distinct ones), all others a few numbers a group. What memory has no room for goes to the spill
/// directory: any number of groups, and a group of any size, give the exact answer.
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
    inputs: Vec<Expr>,
    filter: Option<Expr>,
    alias: Option<Arc<str>>,
    /// The first option that the aggregate doesn't take or whose value makes no sense: builders can't fail, so `bind` tells.
    misuse: Option<Error>,
}

/// Which aggregate.
#[derive(Debug, Clone, PartialEq)]
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
    /// Divided by the number of values less `ddof`.
    Var {
        ddof: u32,
    },
    Std {
        ddof: u32,
    },
    Cov {
        ddof: u32,
    },
    Corr,
    Min,
    Max,
    First,
    Last,
    IdxMin,
    IdxMax,
    Any,
    All,
    NUnique,
    Mode,
    /// `p` is from 0 to 1.
    Quantile {
        p: f64,
        interpolation: Interpolation,
    },
    Join {
        separator: Arc<str>,
    },
}

/// What a quantile is when it falls between two values; named as numpy names them.
///
/// ```
/// use partita::{Interpolation, col};
/// let lower = col("q").quantile(0.9).interpolation(Interpolation::Lower);
/// assert_eq!(lower.to_string(), "quantile(q, 0.9, lower)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Interpolation {
    /// In proportion to the distance from both.
    #[default]
    Linear,
    /// The lesser of the two.
    Lower,
    /// The greater of the two.
    Higher,
    /// The middle of the two.
    Midpoint,
    /// The nearer of the two; half way, the one whose rank, from 0, is even.
    Nearest,
}

impl AggExpr {
    fn new(kind: AggKind, inputs: Vec<Expr>) -> AggExpr {
        AggExpr { kind, inputs, filter: None, alias: None, misuse: None }
    }

    /// The name of the result: its alias, else the name of what is aggregated (of two, the first), else `size`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") / col("q")).mean().name(), "v");
    /// ```
    pub fn name(&self) -> String {
        match (&self.alias, self.inputs.first()) {
            (Some(alias), _) => alias.to_string(),
            (None, Some(input)) => input.name(),
            (None, None) => "size".to_owned(),
        }
    }

    /// The names of the columns used.
    pub(crate) fn columns(&self) -> BTreeSet<Arc<str>> {
        self.inputs.iter().chain(&self.filter).flat_map(Expr::columns).collect()
    }

    /// Whether the result depends on the order in which rows come, by more than the last bits of floats.
    pub(crate) fn depends_on_order(&self) -> bool {
        match self.kind {
            AggKind::First | AggKind::Last | AggKind::IdxMin | AggKind::IdxMax | AggKind::Join { .. } => true,
            AggKind::Count
            | AggKind::Size
            | AggKind::Sum { .. }
            | AggKind::Mean
            | AggKind::Var { .. }
            | AggKind::Std { .. }
            | AggKind::Cov { .. }
            | AggKind::Corr
            | AggKind::Min
            | AggKind::Max
            | AggKind::Any
            | AggKind::All
            | AggKind::NUnique
            | AggKind::Mode
            | AggKind::Quantile { .. } => false,
        }
    }

    /// Whether the result depends on how many rows of other groups there are: then none may be filtered out before.
    pub(crate) fn counts_rows(&self) -> bool {
        self.kind.counts_rows()
    }
}

impl AggKind {
    /// The name that people write and read.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            AggKind::Count => "count",
            AggKind::Size => "size",
            AggKind::Sum { .. } => "sum",
            AggKind::Mean => "mean",
            AggKind::Var { .. } => "var",
            AggKind::Std { .. } => "std",
            AggKind::Cov { .. } => "cov",
            AggKind::Corr => "corr",
            AggKind::Min => "min",
            AggKind::Max => "max",
            AggKind::First => "first",
            AggKind::Last => "last",
            AggKind::IdxMin => "idxmin",
            AggKind::IdxMax => "idxmax",
            AggKind::Any => "any",
            AggKind::All => "all",
            AggKind::NUnique => "nunique",
            AggKind::Mode => "mode",
            AggKind::Quantile { p: 0.5, .. } => "median",
            AggKind::Quantile { .. } => "quantile",
            AggKind::Join { .. } => "join",
        }
    }

    /// Whether it numbers the rows of all groups.
    pub(crate) fn counts_rows(&self) -> bool {
        matches!(self, AggKind::IdxMin | AggKind::IdxMax)
    }
}

impl Interpolation {
    fn name(self) -> &'static str {
        match self {
            Interpolation::Linear => "linear",
            Interpolation::Lower => "lower",
            Interpolation::Higher => "higher",
            Interpolation::Midpoint => "midpoint",
            Interpolation::Nearest => "nearest",
        }
    }
}

impl fmt::Display for AggExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.kind.name())?;
        for (i, input) in self.inputs.iter().enumerate() {
            write!(f, "{}{input}", if i > 0 { ", " } else { "" })?;
        }
        match &self.kind {
            AggKind::Sum { min_count } if *min_count > 0 => write!(f, ", min_count {min_count}")?,
            AggKind::Var { ddof } | AggKind::Std { ddof } | AggKind::Cov { ddof } if *ddof != 1 => {
                write!(f, ", ddof {ddof}")?;
            }
            AggKind::Quantile { p, interpolation } => {
                if *p != 0.5 {
                    write!(f, ", {p}")?;
                }
                if *interpolation != Interpolation::Linear {
                    write!(f, ", {}", interpolation.name())?;
                }
            }
            AggKind::Join { separator } => write!(f, ", {separator:?}")?,
            _ => {}
        }
        f.write_str(")")?;
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        match &self.alias {
            Some(alias) => write!(f, " as {alias}"),
            None => Ok(()),
        }
    }
}
