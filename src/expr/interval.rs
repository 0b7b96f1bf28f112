//! Lengths of time to add to dates and timestamps.

use std::fmt;
use std::ops::{Add, Neg};

use super::build::{BinaryOp, Expr, Node};
use super::literal::Literal;
use crate::error::{Error, ErrorKind, Result};

/// A length of time that is added to a date or timestamp, or taken from it: `col("day") + months(1)`.
///
/// Made by [`years`], [`months`], [`weeks`], [`days`], [`hours`], [`minutes`] and [`seconds`], and by adding these. The months are
/// added first: where that month is shorter, its last day is taken (2020-01-31 plus a month is 2020-02-29). Then come the days
/// and the time. A date plus hours, minutes or seconds is a timestamp. Null plus an interval is null; a result beyond the range of dates is an
/// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error.
///
/// ```
/// use partita::{col, days, hours, months};
/// assert_eq!((col("day") + months(1)).to_string(), "day + 1 month");
/// assert_eq!((col("at") - (days(3) + hours(2))).to_string(), "at - (3 days + 2 hours)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) micros: i64,
}

const SECOND: i64 = 1_000_000;

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident $field:ident $factor:expr;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!("```\n# use partita::{col, ", stringify!($name), "};\n")]
        #[doc = concat!("assert_eq!((col(\"t\") + ", stringify!($name), "(2)).name(), \"t\");\n```")]
        pub fn $name(n: i64) -> Interval {
            Interval { $field: n.saturating_mul($factor), ..Interval::default() }
        }
    )*};
}
constructors! {
    /// So many years: twelve months each.
    years months 12;
    /// So many months; a day that the month does not have becomes its last.
    months months 1;
    /// So many weeks.
    weeks days 7;
    /// So many days.
    days days 1;
    /// So many hours.
    hours micros 3600 * SECOND;
    /// So many minutes.
    minutes micros 60 * SECOND;
    /// So many seconds.
    seconds micros SECOND;
}

impl Interval {
    /// Its microseconds, if it is always as long: months are not.
    pub(crate) fn fixed_micros(self) -> Option<i64> {
        let days = self.days.checked_mul(24 * 3600 * SECOND).filter(|_| self.months == 0)?;
        days.checked_add(self.micros)
    }
}

impl Add for Interval {
    type Output = Interval;

    fn add(self, other: Interval) -> Interval {
        Interval {
            months: self.months.saturating_add(other.months),
            days: self.days.saturating_add(other.days),
            micros: self.micros.saturating_add(other.micros),
        }
    }
}

impl Neg for Interval {
    type Output = Interval;

    fn neg(self) -> Interval {
        Interval {
            months: self.months.saturating_neg(),
            days: self.days.saturating_neg(),
            micros: self.micros.saturating_neg(),
        }
    }
}

impl From<Interval> for Literal {
    fn from(interval: Interval) -> Literal {
        Literal::Interval(interval)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let mut part = |n: i64, unit: &str| {
            if n != 0 {
                parts.push(format!("{n} {unit}{}", if n == 1 { "" } else { "s" }));
            }
        };
        part(self.months, "month");
        part(self.days, "day");
        match self.micros {
            micros if micros % (3600 * SECOND) == 0 => part(micros / (3600 * SECOND), "hour"),
            micros if micros % (60 * SECOND) == 0 => part(micros / (60 * SECOND), "minute"),
            micros => part(micros / SECOND, "second"),
        }
        match parts.as_slice() {
            [] => f.write_str("0 days"),
            [one] => f.write_str(one),
            many => write!(f, "({})", many.join(" + ")),
        }
    }
}

/// For a time plus or minus an interval: the time, and the interval to add. None for any other arithmetic.
pub(super) fn sum<'a>(op: BinaryOp, l: &'a Expr, r: &'a Expr) -> Option<Result<(&'a Expr, Interval)>> {
    let interval = |side: &Expr| match side.node() {
        Node::Literal(Literal::Interval(interval)) => Some(*interval),
        _ => None,
    };
    match (op, interval(l), interval(r)) {
        (_, None, None) => None,
        (BinaryOp::Add, None, Some(interval)) => Some(Ok((l, interval))),
        (BinaryOp::Add, Some(interval), None) => Some(Ok((r, interval))),
        (BinaryOp::Sub, None, Some(interval)) => Some(Ok((l, -interval))),
        _ => Some(Err(misplaced())),
    }
}

/// The error of an interval where no interval can stand.
pub(super) fn misplaced() -> Error {
    Error::new(ErrorKind::Type, "an interval stands where a value is needed")
        .help("add it to a date or timestamp, or take it from one: col(\"day\") + days(3)")
}
