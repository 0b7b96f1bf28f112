//! Constants in expressions, and how ISO dates and timestamps are read.

use std::fmt;

use super::build::{Expr, Node};

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
        }
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The days since 1970-01-01 of `YYYY-MM-DD`.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let b = text.as_bytes();
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&b[..4])?, digits(&b[5..7])?, digits(&b[8..])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // Years from 1 March on have their leap day last, so that months count days by one formula; 0000-03-01 is day 0.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 1;
    const EPOCH: i64 = 719_468; // 1970-01-01, counted from 0000-03-01
    i32::try_from(days - EPOCH).ok()
}

/// The microseconds since 1970-01-01 of a date, or of a date with a time of day.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = i64::from(parse_date(date)?) * MICROS_PER_DAY;
    if rest.is_empty() {
        return Some(midnight);
    }
    let time = rest.strip_prefix([' ', 'T'])?;
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) if clock.len() == 8 => (clock, fraction.as_bytes()),
        Some(_) => return None,
        None => (time, &b"0"[..]),
    };
    let c = clock.as_bytes();
    let seconds = match c.len() {
        5 if c[2] == b':' => 0,
        8 if c[2] == b':' && c[5] == b':' => digits(&c[6..])?,
        _ => return None,
    };
    let (hours, minutes) = (digits(&c[..2])?, digits(&c[3..5])?);
    if hours > 23 || minutes > 59 || seconds > 59 || !(1..=6).contains(&fraction.len()) {
        return None;
    }
    let micros = digits(fraction)? * 10i64.pow(6 - fraction.len() as u32);
    Some(midnight + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

/// The number that these bytes spell, when they are all digits.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use arrow::compute::kernels::cast_utils::Parser;
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_dates_and_times() {
        for text in [
            "",
            "2020-1-01",
            "2021-02-29",
            "1900-02-29",
            "2020-13-01",
            "2020-00-10",
            "2020-04-31",
            "2020/01/01",
            "+020-01-01",
            "2020-01-01x",
            "２020-01-0",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "2020-01-01 24:00",
            "2020-01-01 1:00",
            "2020-01-01 10:60",
            "2020-01-01 10:00:60",
            "2020-01-01 10:00.5",
            "2020-01-01 10:00:00.",
            "2020-01-01 10:00:00.1234567",
            "2020-01-01x10:00",
            "2020-01-01 ",
            "x",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_date("0001-01-01"), Some(-719_162));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_timestamp("1970-01-02T00:01"), Some(86_460_000_000));
        assert_eq!(parse_timestamp("1969-12-31 23:59:59.25"), Some(-750_000));
    }

    proptest! {
        /// Arrow's parser is the independent one.
        #[test]
        fn reads_as_arrow_does(y in 1700i32..2200, m in 1u32..13, d in 1u32..32, s in 0u32..86_400, us in 0u32..1_000_000) {
            let date = format!("{y:04}-{m:02}-{d:02}");
            prop_assert_eq!(parse_date(&date), Date32Type::parse(&date));
            let at = format!("{date} {:02}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60);
            prop_assert_eq!(parse_timestamp(&at), TimestampMicrosecondType::parse(&at));
        }
    }
}
