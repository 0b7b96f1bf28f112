//! Dates and timestamps from text and to text, by formats of `strftime`.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, TimestampMicrosecondType};
use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, NaiveDateTime};

use super::text::{built, texts};
use super::{Answer, Call, Function, Style};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::temporal::{DAY, date_text, timestamp_text};
use crate::expr::{Expr, Literal, Type};

const fn function(name: &'static str, can_fail: bool, bind: fn(Call<'_>) -> Result<Answer>) -> Function {
    Function { name, style: Style::Call, can_fail, bind }
}

static PARSE_DATE: Function = function("parse_date", true, |call| parsed(call, Type::Date, true));
static TRY_PARSE_DATE: Function = function("try_parse_date", false, |call| parsed(call, Type::Date, false));
static PARSE_TIMESTAMP: Function = function("parse_timestamp", true, |call| parsed(call, Type::Timestamp, true));
static TRY_PARSE_TIMESTAMP: Function =
    function("try_parse_timestamp", false, |call| parsed(call, Type::Timestamp, false));
static FORMAT_DATE: Function = function("format_date", true, format_date);

/// Dates and timestamps as they are written. Formats are those of `strftime`, as [chrono](https://docs.rs/chrono/latest/chrono/format/strftime/) has
/// them: `%Y` year, `%m` month, `%d` day, `%H` hour, `%M` minute, `%S` second, `%.f` a fraction with its point, `%z` an offset, `%b` the month's
/// English name. A format that is none, or that does not say enough, is an [`ErrorKind::Config`] error when it meets a schema. Null in, null out.
impl Expr {
    /// The date that a text says in this format. Text that does not is an [`ErrorKind::Value`] error that names it. A time of day
    /// in the format is read and left out.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("s").parse_date("%d.%m.%Y").to_string(), "parse_date(s, \"%d.%m.%Y\")");
    /// ```
    pub fn parse_date(self, format: impl Into<String>) -> Expr {
        self.call_with(&PARSE_DATE, [Literal::Text(format.into())])
    }

    /// As [`parse_date`](Expr::parse_date), but null for text that says no date in this format.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("s").try_parse_date("%F").to_string(), "try_parse_date(s, \"%F\")");
    /// ```
    pub fn try_parse_date(self, format: impl Into<String>) -> Expr {
        self.call_with(&TRY_PARSE_DATE, [Literal::Text(format.into())])
    }

    /// The timestamp that a text says in this format. With an offset in it (`%z`) it is converted to UTC; what the format does
    /// not have of the time is zero, and digits beyond microseconds are cut. Text that says none is an [`ErrorKind::Value`] error that names it.
    ///
    /// ```
    /// # use partita::col;
    /// let at = col("s").parse_timestamp("%d/%b/%Y:%H:%M:%S %z");
    /// assert_eq!(at.to_string(), "parse_timestamp(s, \"%d/%b/%Y:%H:%M:%S %z\")");
    /// ```
    pub fn parse_timestamp(self, format: impl Into<String>) -> Expr {
        self.call_with(&PARSE_TIMESTAMP, [Literal::Text(format.into())])
    }

    /// As [`parse_timestamp`](Expr::parse_timestamp), but null for text that says no timestamp in this format.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("s").try_parse_timestamp("%F %R").to_string(), "try_parse_timestamp(s, \"%F %R\")");
    /// ```
    pub fn try_parse_timestamp(self, format: impl Into<String>) -> Expr {
        self.call_with(&TRY_PARSE_TIMESTAMP, [Literal::Text(format.into())])
    }

    /// A date or timestamp as text in this format; a date is its midnight. There is no offset to write: `%z` is an [`ErrorKind::Config`]
    /// error. A year beyond 262,000 either way is an [`ErrorKind::Overflow`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("day").format_date("%d.%m.%Y").to_string(), "format_date(day, \"%d.%m.%Y\")");
    /// ```
    pub fn format_date(self, format: impl Into<String>) -> Expr {
        self.call_with(&FORMAT_DATE, [Literal::Text(format.into())])
    }
}

type Items = Vec<Item<'static>>;

/// 2001-07-08 13:14:15.
const SAMPLE: i64 = 994_598_055_000_000;

fn items(format: &str) -> Result<Items> {
    StrftimeItems::new(format).parse_to_owned().map_err(|_| bad_format(format, "is no format of strftime"))
}

fn bad_format(format: &str, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{format:?} {what}"))
        .help("write it as \"%Y-%m-%d\" or \"%d.%m.%Y %H:%M:%S\": year, month and day, and hour and minute before what is finer")
}

fn parsed(call: Call, to: Type, strict: bool) -> Result<Answer> {
    call.kind(0, &[Type::Text], "text")?;
    let format = call.text(1)?;
    let items = items(&format)?;
    // What it writes of a moment must say that moment's day again.
    let sample = DateTime::from_timestamp_micros(SAMPLE).unwrap_or_default();
    let mut text = String::new();
    let written = write!(text, "{}", sample.format_with_items(items.iter()));
    let day = (SAMPLE / DAY) as i32;
    let says = match to {
        Type::Date => date(&text, &items) == Some(day),
        _ => timestamp(&text, &items).map(|micros| micros.div_euclid(DAY)) == Some(day.into()),
    };
    if written.is_err() || !says {
        return Err(bad_format(&format, &format!("does not say a {to}")));
    }
    let expr = call.expr.clone();
    match to {
        Type::Date => call.computed(&[Type::Text], to, move |args, _| {
            Ok(Arc::new(read::<Date32Type>(texts(&args[0]).iter(), |t| date(t, &items), strict, to, &expr)?))
        }),
        _ => call.computed(&[Type::Text], to, move |args, _| {
            let texts = texts(&args[0]).iter();
            Ok(Arc::new(read::<TimestampMicrosecondType>(texts, |t| timestamp(t, &items), strict, to, &expr)?))
        }),
    }
}

fn read<'t, T: ArrowPrimitiveType>(
    texts: impl Iterator<Item = Option<&'t str>>,
    read: impl Fn(&str) -> Option<T::Native>,
    strict: bool,
    to: Type,
    expr: &Expr,
) -> Result<PrimitiveArray<T>> {
    let values = texts.map(|text| match text.map(|text| (text, read(text))) {
        None => Ok(None),
        Some((text, None)) if strict => {
            Err(Error::new(ErrorKind::Value, format!("{text:?} is no {to} of this format, in '{expr}'"))
                .help(format!("where it should be null, use try_parse_{to}")))
        }
        Some((_, value)) => Ok(value),
    });
    values.collect()
}

fn date(text: &str, items: &Items) -> Option<i32> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    const DAYS_TO_1970: i32 = 719_163;
    Some(parsed.to_naive_date().ok()?.num_days_from_ce() - DAYS_TO_1970)
}

fn timestamp(text: &str, items: &Items) -> Option<i64> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    if parsed.timestamp().is_none() {
        if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
            parsed.set_hour(0).ok()?;
        }
        if parsed.minute().is_none() {
            parsed.set_minute(0).ok()?;
        }
    }
    let utc = match parsed.offset() {
        Some(_) => parsed.to_datetime().ok()?.naive_utc(),
        None => parsed.to_naive_datetime_with_offset(0).ok()?,
    };
    Some(utc.and_utc().timestamp_micros())
}

fn format_date(call: Call) -> Result<Answer> {
    let kind = call.kind(0, &[Type::Date, Type::Timestamp], "dates and timestamps")?;
    let format = call.text(1)?;
    let items = items(&format)?;
    if written(SAMPLE, &items).is_none() {
        return Err(bad_format(&format, "asks for an offset, which dates and timestamps don't have"));
    }
    call.computed(&[kind], Type::Text, move |args, rows| {
        let times = args[0].array();
        let beyond = |time: String| {
            Error::new(ErrorKind::Overflow, format!("{time} is beyond the years that can be formatted"))
                .help("leave such rows out with a filter, or bound them with clip")
        };
        let text = |row: usize| match times.as_primitive_opt::<Date32Type>() {
            _ if times.is_null(row) => Ok(None),
            Some(dates) => {
                let day = dates.value(row);
                let micros = i64::from(day).checked_mul(DAY);
                micros.and_then(|m| written(m, &items)).map(Some).ok_or_else(|| beyond(date_text(day)))
            }
            None => {
                let micros = times.as_primitive::<TimestampMicrosecondType>().value(row);
                written(micros, &items).map(Some).ok_or_else(|| beyond(timestamp_text(micros)))
            }
        };
        let texts = (0..rows).map(text).collect::<Result<Vec<Option<String>>>>()?;
        built(rows, texts.into_iter())
    })
}

fn written(micros: i64, items: &Items) -> Option<String> {
    let time: NaiveDateTime = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let mut text = String::new();
    write!(text, "{}", time.format_with_items(items.iter())).ok()?;
    Some(text)
}
