//! Constants in expressions, and how ISO dates and timestamps are read.

use std::fmt;

use super::build::{Expr, Node};
use super::interval::Interval;

/// A constant. Made from numbers, bools, text and options of these; [`None`] is null.
///
/// ```
/// use partita::Literal;
/// assert_eq!(Literal::from(2018), Literal::Int64(2018));
/// assert_eq!(Literal::from(None::<i64>), Literal::Null);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Literal {
    /// A missing value; it takes the type of what it meets.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int64(i64),
    /// A float.
    Float64(f64),
    /// Text; compared with a date or a timestamp it is read as one.
    Text(String),
    /// A date as it was written, read when it is bound.
    Date(String),
    /// A timestamp as it was written, read when it is bound.
    Timestamp(String),
    /// A length of time, to add to a date or timestamp.
    Interval(Interval),
}

/// A constant as an expression.
///
/// ```
/// use partita::{col, lit};
/// assert_eq!((lit(1) - col("share")).to_string(), "1 - share");
/// assert_eq!(lit(None::<i64>).to_string(), "null");
/// ```
pub fn lit(value: impl Into<Literal>) -> Expr {
    Expr::from_node(Node::Literal(value.into()))
}

/// A date, written `YYYY-MM-DD`. Other text is an [`ErrorKind::Type`](crate::ErrorKind::Type) error when the
/// expression meets a schema.
///
/// ```
/// use partita::{col, lit_date};
/// assert_eq!(col("day").ge(lit_date("2020-01-31")).to_string(), "day >= date \"2020-01-31\"");
/// ```
pub fn lit_date(iso: impl Into<String>) -> Expr {
    lit(Literal::Date(iso.into()))
}

/// A timestamp, written `YYYY-MM-DD`, `YYYY-MM-DD HH:MM`, with `:SS` and up to six digits of a fraction after it; `T`
/// may stand for the space. Other text is an [`ErrorKind::Type`](crate::ErrorKind::Type) error when the expression
/// meets a schema.
///
/// ```
/// use partita::{col, lit_timestamp};
/// let since = col("at").ge(lit_timestamp("2020-01-31 12:00:00.5"));
/// assert_eq!(since.to_string(), "at >= timestamp \"2020-01-31 12:00:00.5\"");
/// ```
pub fn lit_timestamp(iso: impl Into<String>) -> Expr {
    lit(Literal::Timestamp(iso.into()))
}

macro_rules! literal_from {
    ($variant:ident: $($from:ty),*) => {$(
        impl From<$from> for Literal {
            fn from(value: $from) -> Literal {
                Literal::$variant(value.into())
            }
        }
    )*};
}
literal_from!(Int64: i8, i16, i32, i64, u8, u16, u32);
literal_from!(Float64: f32, f64);
literal_from!(Bool: bool);
literal_from!(Text: &str, String, &String);

impl<T: Into<Literal>> From<Option<T>> for Literal {
    fn from(value: Option<T>) -> Literal {
        value.map_or(Literal::Null, Into::into)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Bool(v) => write!(f, "{v}"),
            Literal::Int64(v) => write!(f, "{v}"),
            Literal::Float64(v) => write!(f, "{v:?}"),
            Literal::Text(v) => write!(f, "{v:?}"),
            Literal::Date(v) => write!(f, "date {v:?}"),
            Literal::Timestamp(v) => write!(f, "timestamp {v:?}"),
            Literal::Interval(v) => write!(f, "{v}"),
        }
    }
}
