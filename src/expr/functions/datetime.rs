//! Functions on dates and timestamps: their parts, their differences, their periods.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};

use super::{Answer, Call, Function, Style, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::temporal::{DAY, date_of, date_text, days_of, timestamp_text};
use crate::expr::{Expr, IntoOperand, Literal, Type};

const SECOND: i64 = 1_000_000;
const TIMES: &[Type] = &[Type::Date, Type::Timestamp];

const fn function(name: &'static str, can_fail: bool, bind: fn(Call<'_>) -> Result<Answer>) -> Function {
    Function { name, style: Style::Call, can_fail, bind }
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident $of:expr, $part:expr;)*) => {
        /// Parts of dates and timestamps, as int64. Null in, null out.
        impl Expr {$(
            $(#[$doc])*
            ///
            /// ```
            /// # use partita::col;
            #[doc = concat!("assert_eq!(col(\"at\").", stringify!($name), "().to_string(), \"", stringify!($name), "(at)\");")]
            /// ```
            pub fn $name(self) -> Expr {
                static FUNCTION: Function = function(stringify!($name), false, |call| part(call, $of, $part));
                self.call(&FUNCTION, [])
            }
        )*}
    };
}
parts! {
    /// The year; before the year 1 comes 0, then -1.
    year TIMES, |day, _| date_of(day).0;
    /// The quarter of the year, 1 to 4.
    quarter TIMES, |day, _| (date_of(day).1 + 2) / 3;
    /// The month, 1 to 12.
    month TIMES, |day, _| date_of(day).1;
    /// The day of the month, 1 to 31.
    day TIMES, |day, _| date_of(day).2;
    /// The day of the week: Monday is 0, Sunday 6, as pandas counts.
    weekday TIMES, |day, _| (day + 3).rem_euclid(7);
    /// The day of the year, 1 to 366.
    day_of_year TIMES, |day, _| day - days_of(date_of(day).0, 1, 1) + 1;
    /// The hour, 0 to 23. Of a date, an [`ErrorKind::Type`] error.
    hour &[Type::Timestamp], |_, time| time / (3600 * SECOND);
    /// The minute of the hour, 0 to 59. Of a date, an [`ErrorKind::Type`] error.
    minute &[Type::Timestamp], |_, time| time / (60 * SECOND) % 60;
    /// The second of the minute, 0 to 59, without its fraction. Of a date, an [`ErrorKind::Type`] error.
    second &[Type::Timestamp], |_, time| time / SECOND % 60;
}

static TRUNCATE: Function = function("truncate", true, truncate);
static DIFF_DAYS: Function = function("diff_days", false, |call| difference(call, Type::Int64));
static DIFF_SECONDS: Function = function("diff_seconds", false, |call| difference(call, Type::Float64));
static TO_OFFSET: Function = function("to_offset", true, to_offset);

/// Periods and differences of dates and timestamps. Null in, null out.
impl Expr {
    /// The beginning of the period that the date or timestamp lies in, of the same type. Units are `year`, `quarter`, `month`, `week` (from
    /// Monday on), `day`, and of timestamps `hour`, `minute` and `second`; any other is an [`ErrorKind::Config`] error. A beginning
    /// before the range of dates is an [`ErrorKind::Overflow`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("at").truncate("month").to_string(), "truncate(at, \"month\")");
    /// ```
    pub fn truncate(self, unit: impl Into<String>) -> Expr {
        self.call_with(&TRUNCATE, [Literal::Text(unit.into())])
    }

    /// How many days this is after `earlier`, as int64; negative if it is before. Timestamps count by their day: from 23:00 to 01:00 is a
    /// day. Constant text is read as a date or timestamp.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("end").diff_days(col("start")).to_string(), "diff_days(end, start)");
    /// ```
    pub fn diff_days(self, earlier: impl IntoOperand) -> Expr {
        self.call(&DIFF_DAYS, [earlier.into_operand()])
    }

    /// How many seconds this is after `earlier`, as float64 with the fraction; negative if it is before. A date is its midnight. Constant text
    /// is read as a date or timestamp.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("end").diff_seconds(col("start")).to_string(), "diff_seconds(end, start)");
    /// ```
    pub fn diff_seconds(self, earlier: impl IntoOperand) -> Expr {
        self.call(&DIFF_SECONDS, [earlier.into_operand()])
    }

    /// A timestamp of UTC as clocks show it at an offset: `+02:00`, `-0530`, `+02` or `Z`. (Timestamps are UTC where they were read with an offset.) Other
    /// text is an [`ErrorKind::Config`] error, a result beyond the range of timestamps an [`ErrorKind::Overflow`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("at").to_offset("+02:00").hour().to_string(), "hour(to_offset(at, \"+02:00\"))");
    /// ```
    #[allow(clippy::wrong_self_convention)] // As `not` and `neg`, it takes what it becomes.
    pub fn to_offset(self, offset: impl Into<String>) -> Expr {
        self.call_with(&TO_OFFSET, [Literal::Text(offset.into())])
    }
}

/// Of each time its day and, in microseconds, its time of day.
fn part(call: Call, of: &[Type], f: fn(i64, i64) -> i64) -> Result<Answer> {
    let what = if of.len() == 1 { "timestamps" } else { "dates and timestamps" };
    let kind = call.kind(0, of, what)?;
    call.computed(&[kind], Type::Int64, move |args, _| {
        let times = args[0].array();
        Ok(Arc::new(match times.as_primitive_opt::<Date32Type>() {
            Some(dates) => dates.unary::<_, Int64Type>(|day| f(day.into(), 0)),
            None => times
                .as_primitive::<TimestampMicrosecondType>()
                .unary::<_, Int64Type>(|micros| f(micros.div_euclid(DAY), micros.rem_euclid(DAY))),
        }))
    })
}

/// A period to truncate to.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Week,
    Micros(i64),
}

const UNITS: [(&str, Unit); 8] = [
    ("year", Unit::Months(12)),
    ("quarter", Unit::Months(3)),
    ("month", Unit::Months(1)),
    ("week", Unit::Week),
    ("day", Unit::Micros(DAY)),
    ("hour", Unit::Micros(3600 * SECOND)),
    ("minute", Unit::Micros(60 * SECOND)),
    ("second", Unit::Micros(SECOND)),
];

fn truncate(call: Call) -> Result<Answer> {
    let kind = call.kind(0, TIMES, "dates and timestamps")?;
    let name = call.text(1)?;
    let Some(&(_, unit)) = UNITS.iter().find(|(unit, _)| *unit == name) else {
        let units: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
        return Err(Error::new(ErrorKind::Config, format!("there is no unit '{name}' to truncate to"))
            .help(format!("the units are {}", units.join(", "))));
    };
    if kind == Type::Date {
        if matches!(unit, Unit::Micros(micros) if micros < DAY) {
            let message = format!("{}, which has no {name} to truncate to", call.args[0].described());
            return Err(Error::new(ErrorKind::Type, message).help("truncate it to a day or longer"));
        }
        return call.computed(&[kind], kind, move |args, _| {
            let begin = |day: i32| i32::try_from(begin(day.into(), unit)).map_err(|_| beyond(date_text(day)));
            Ok(Arc::new(args[0].array().as_primitive::<Date32Type>().try_unary::<_, Date32Type, Error>(begin)?))
        });
    }
    call.computed(&[kind], kind, move |args, _| {
        let begin = |micros: i64| {
            let begin = match unit {
                Unit::Micros(unit) => micros.div_euclid(unit).checked_mul(unit),
                unit => begin(micros.div_euclid(DAY), unit).checked_mul(DAY),
            };
            begin.ok_or_else(|| beyond(timestamp_text(micros)))
        };
        let times = args[0].array().as_primitive::<TimestampMicrosecondType>();
        Ok(Arc::new(times.try_unary::<_, TimestampMicrosecondType, Error>(begin)?))
    })
}

/// The first day of the period.
fn begin(day: i64, unit: Unit) -> i64 {
    match unit {
        Unit::Months(months) => {
            let (year, month, _) = date_of(day);
            days_of(year, (month - 1) / months * months + 1, 1)
        }
        // 1970-01-01 was a Thursday.
        Unit::Week => day - (day + 3).rem_euclid(7),
        Unit::Micros(_) => day,
    }
}

fn beyond(time: String) -> Error {
    Error::new(ErrorKind::Overflow, format!("what is asked of {time} is beyond the range of dates"))
        .help("leave such rows out with a filter, or bound them with clip")
}

fn difference(call: Call, gives: Type) -> Result<Answer> {
    let (call, kind) = call.of_one_type(TIMES, "dates and timestamps")?;
    call.computed(&[kind, kind], gives, move |args, rows| {
        let (later, earlier) = (wide_micros(&args[0], rows)?, wide_micros(&args[1], rows)?);
        let nulls = NullBuffer::union(later.1.as_ref(), earlier.1.as_ref());
        let pairs = later.0.iter().zip(&earlier.0);
        Ok(match gives {
            Type::Int64 => {
                let days = pairs.map(|(a, b)| (a.div_euclid(DAY.into()) - b.div_euclid(DAY.into())) as i64);
                Arc::new(Int64Array::new(days.collect(), nulls)) as ArrayRef
            }
            _ => {
                let seconds = pairs.map(|(a, b)| (a - b) as f64 / SECOND as f64);
                Arc::new(Float64Array::new(seconds.collect(), nulls))
            }
        })
    })
}

/// Microseconds since 1970, as wide as those of any date, and where there are none.
fn wide_micros(value: &Value, rows: usize) -> Result<(Vec<i128>, Option<NullBuffer>)> {
    let times = value.clone().into_array(rows)?;
    let micros = match times.as_primitive_opt::<Date32Type>() {
        Some(dates) => dates.values().iter().map(|&day| i128::from(day) * i128::from(DAY)).collect(),
        None => times.as_primitive::<TimestampMicrosecondType>().values().iter().map(|&m| m.into()).collect(),
    };
    Ok((micros, times.nulls().cloned()))
}

fn to_offset(call: Call) -> Result<Answer> {
    let kind = call.kind(0, &[Type::Timestamp], "timestamps")?;
    let offset = call.text(1)?;
    // As it stands behind a timestamp of UTC: what is read there is that much earlier.
    let at = format!("1970-01-01 00:00:00{offset}");
    let shift =
        crate::expr::temporal::parse_timestamp(at.as_bytes()).filter(|_| offset.starts_with(['+', '-', 'Z', 'z']));
    let Some(shift) = shift.map(|micros| -micros) else {
        return Err(Error::new(ErrorKind::Config, format!("{offset:?} is no offset from UTC"))
            .help("write it as +02:00, -05:30 or Z; names of time zones are not known"));
    };
    call.computed(&[kind], kind, move |args, _| {
        let times = args[0].array().as_primitive::<TimestampMicrosecondType>();
        let local = |micros: i64| micros.checked_add(shift).ok_or_else(|| beyond(timestamp_text(micros)));
        Ok(Arc::new(times.try_unary::<_, TimestampMicrosecondType, Error>(local)?))
    })
}
