//! What to sort by.

use std::fmt;

use arrow::datatypes::Schema;

use super::bind::BoundExpr;
use super::build::{Expr, col};
use crate::error::Result;

/// An expression to sort by, and in which direction. A name or an expression by itself is ascending.
///
/// Nulls come last in either direction unless [`nulls_first`](SortKey::nulls_first) says otherwise. NaN sorts above
/// all numbers; `-0.0` and `0.0` are equal. Text sorts by its bytes, which is by code point.
///
/// ```
/// use partita::{col, SortKey};
/// assert_eq!(col("q").desc().to_string(), "q desc");
/// assert_eq!(SortKey::from("k").nulls_first().to_string(), "k nulls first");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SortKey {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// A [`SortKey`] that has met its schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundSortKey {
    pub expr: BoundExpr,
    pub descending: bool,
    pub nulls_first: bool,
}

impl SortKey {
    /// Puts nulls before all values instead of behind them.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").desc().nulls_first().to_string(), "q desc nulls first");
    /// ```
    pub fn nulls_first(mut self) -> SortKey {
        self.nulls_first = true;
        self
    }

    /// Gives the key the types of a schema.
    ///
    /// # Errors
    /// As [`Expr::bind`] has.
    pub(crate) fn bind(&self, schema: &Schema) -> Result<BoundSortKey> {
        let SortKey { descending, nulls_first, .. } = *self;
        Ok(BoundSortKey { expr: self.expr.bind(schema)?, descending, nulls_first })
    }
}

impl Expr {
    /// Sorts by this, smallest first.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").asc().to_string(), "q");
    /// ```
    pub fn asc(self) -> SortKey {
        SortKey { expr: self, descending: false, nulls_first: false }
    }

    /// Sorts by this, largest first; nulls still come last.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").desc().to_string(), "q desc");
    /// ```
    pub fn desc(self) -> SortKey {
        SortKey { descending: true, ..self.asc() }
    }
}

impl From<Expr> for SortKey {
    fn from(expr: Expr) -> SortKey {
        expr.asc()
    }
}

impl From<&Expr> for SortKey {
    fn from(expr: &Expr) -> SortKey {
        expr.clone().asc()
    }
}

impl From<&str> for SortKey {
    fn from(column: &str) -> SortKey {
        col(column).asc()
    }
}

impl From<String> for SortKey {
    fn from(column: String) -> SortKey {
        col(column).asc()
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { " desc" } else { "" };
        let nulls = if self.nulls_first { " nulls first" } else { "" };
        write!(f, "{}{direction}{nulls}", self.expr)
    }
}
