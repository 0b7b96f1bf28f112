//! Functions that go over the rows in order: cumulative totals, shifts, fills, ranks and rolling windows.
//!
//! They are parts of expressions like others, but no batch can compute them alone. The plan takes them out of the
//! expressions of a step, computes each as a column of its own before that step, and leaves its name in their place.

mod bind;
mod build;
mod rolling;

use std::fmt;

use super::build::{Expr, Node};
use super::interval::Interval;
use crate::error::{Error, ErrorKind};

pub(crate) use bind::BoundInOrder;
pub use build::row_number;
pub use rolling::Rolling;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum InOrderFn {
    RowNumber,
    /// Over all rows so far.
    Cumulative(Summary),
    /// The value so many rows before, or behind when negative.
    Shift(i64),
    /// Nulls become the nearest value before them, or behind them.
    Fill {
        backward: bool,
    },
    Rank(Ranking),
    /// Over the last rows; null of fewer values than `min_periods`, where that is said.
    Rolling {
        window: Window,
        summary: Summary,
        min_periods: Option<usize>,
    },
}

/// What is made of the values so far, or of those in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summary {
    Count,
    Sum,
    Product,
    Mean,
    Min,
    Max,
    Var,
    Std,
}

/// Which rows a rolling window holds beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// So many, its own among them.
    Rows(usize),
    /// Those whose time lies less than this before its own.
    Span(Interval),
}

/// How [`Expr::rank_with`] ranks equal values.
///
/// | method | 10, 20, 20, 30 rank as |
/// |---|---|
/// | `Average` | 1.0, 2.5, 2.5, 4.0 |
/// | `Min` | 1, 2, 2, 4 |
/// | `Max` | 1, 3, 3, 4 |
/// | `Dense` | 1, 2, 2, 3 |
/// | `First` | 1, 2, 3, 4 |
///
/// ```
/// use partita::{RankMethod, col};
/// assert_eq!(col("v").rank_with(RankMethod::Dense.descending()).to_string(), "rank(v, dense, descending)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RankMethod {
    /// The mean of the ranks that they take together, a float64.
    #[default]
    Average,
    /// The least of these ranks.
    Min,
    /// The greatest of these ranks.
    Max,
    /// One more than the distinct values before them.
    Dense,
    /// One after another, in the order of the rows.
    First,
}

/// A [`RankMethod`] and a direction: a method by itself ranks the least value first.
///
/// ```
/// use partita::{RankMethod, Ranking};
/// assert_ne!(Ranking::from(RankMethod::Min), RankMethod::Min.descending());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ranking {
    pub(crate) method: RankMethod,
    pub(crate) descending: bool,
}

impl RankMethod {
    /// The greatest value first.
    ///
    /// ```
    /// use partita::{RankMethod, col};
    /// assert_eq!(col("v").rank_with(RankMethod::Min.descending()).to_string(), "rank(v, min, descending)");
    /// ```
    pub fn descending(self) -> Ranking {
        Ranking { method: self, descending: true }
    }

    fn name(self) -> &'static str {
        match self {
            RankMethod::Average => "average",
            RankMethod::Min => "min",
            RankMethod::Max => "max",
            RankMethod::Dense => "dense",
            RankMethod::First => "first",
        }
    }
}

impl From<RankMethod> for Ranking {
    fn from(method: RankMethod) -> Ranking {
        Ranking { method, descending: false }
    }
}

impl Summary {
    fn name(self) -> &'static str {
        match self {
            Summary::Count => "count",
            Summary::Sum => "sum",
            Summary::Product => "prod",
            Summary::Mean => "mean",
            Summary::Min => "min",
            Summary::Max => "max",
            Summary::Var => "var",
            Summary::Std => "std",
        }
    }
}

impl InOrderFn {
    /// Writes a call of it.
    pub(super) fn write(self, inputs: &[Expr], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InOrderFn::RowNumber => f.write_str("row_number(")?,
            InOrderFn::Cumulative(summary) => write!(f, "cum{}(", summary.name())?,
            InOrderFn::Shift(_) => f.write_str("shift(")?,
            InOrderFn::Fill { backward } => f.write_str(if backward { "bfill(" } else { "ffill(" })?,
            InOrderFn::Rank(_) => f.write_str("rank(")?,
            InOrderFn::Rolling { summary, .. } => write!(f, "rolling_{}(", summary.name())?,
        }
        if let Some(input) = inputs.first() {
            input.write(f, 0)?;
        }
        match self {
            InOrderFn::Shift(n) => write!(f, ", {n}")?,
            InOrderFn::Rank(Ranking { method, descending }) => {
                if method != RankMethod::Average {
                    write!(f, ", {}", method.name())?;
                }
                f.write_str(if descending { ", descending" } else { "" })?;
            }
            InOrderFn::Rolling { window, min_periods, .. } => {
                match window {
                    Window::Rows(rows) => write!(f, ", {rows}")?,
                    Window::Span(span) => write!(f, ", {span}")?,
                }
                if let Some(time) = inputs.get(1) {
                    f.write_str(" by ")?;
                    time.write(f, 1)?;
                }
                if let Some(min_periods) = min_periods {
                    write!(f, ", min_periods {min_periods}")?;
                }
            }
            InOrderFn::Cumulative(_) => {
                if let Some(segment) = inputs.get(1) {
                    f.write_str(" within ")?;
                    segment.write(f, 1)?;
                }
            }
            InOrderFn::RowNumber | InOrderFn::Fill { .. } => {}
        }
        f.write_str(")")
    }
}

impl Expr {
    /// Whether a part of it goes over the rows in order.
    pub(crate) fn has_in_order(&self) -> bool {
        self.nodes().any(|node| matches!(node, Node::InOrder(..)))
    }

    /// Whether it is a function that goes over the rows in order, and has no other inside.
    pub(crate) fn is_innermost_in_order(&self) -> bool {
        matches!(self.node(), Node::InOrder(_, inputs) if !inputs.iter().any(Expr::has_in_order))
    }

    /// If it is a rank, of what, and the greatest first.
    pub(crate) fn as_rank(&self) -> Option<(&Expr, bool)> {
        match self.nodes().find(|node| !matches!(node, Node::Alias(..)))? {
            Node::InOrder(InOrderFn::Rank(ranking), inputs) => Some((inputs.first()?, ranking.descending)),
            _ => None,
        }
    }
}

/// The error of one that stands where the plan does not compute it.
pub(super) fn misplaced(expr: &Expr) -> Error {
    let message =
        format!("{} goes over the rows in order, which select, with_column and filter alone compute", expr.quoted());
    Error::new(ErrorKind::Type, message)
        .help("compute it in a step before, as in with_column(\"total\", col(\"v\").cumsum()), and use its name here")
}
