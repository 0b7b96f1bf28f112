//! Dates and timestamps moved by an interval.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};

use super::{Answer, Call, Function, Style};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::bind::{Bound, Typed};
use crate::expr::temporal::{DAY, date_of, date_text, days_of, month_length, timestamp_text};
use crate::expr::{Expr, Interval, Literal, Type};

/// Written as a sum, which it is not made by: [`add_interval`] binds it.
static PLUS: Function =
    Function { name: "+ interval", style: Style::Call, can_fail: true, bind: |call| Err(call.too_few()) };

/// `time + interval`, which `expr` says.
pub(in crate::expr) fn add_interval<'a>(expr: &'a Expr, time: Typed<'a>, interval: Interval) -> Result<Answer> {
    let kind = match time.kind {
        None => Type::Date,
        Some(kind @ (Type::Date | Type::Timestamp)) => kind,
        Some(_) => {
            let message = format!("{}, and {interval} can be added to dates and timestamps", time.described());
            return Err(
                Error::new(ErrorKind::Type, message).help("make a date of it with cast(Type::Date) or parse_date")
            );
        }
    };
    // A date with a time of day is a timestamp.
    let (takes, gives) = if interval.micros != 0 { (Type::Timestamp, Type::Timestamp) } else { (kind, kind) };
    let null = new_null_array(&DataType::Boolean, 1);
    let added = Typed {
        bound: Bound::Constant { literal: Literal::Interval(interval), array: null },
        kind: None,
        expr,
        can_fail: false,
    };
    // `computed` leaves parameters as they are.
    let call = Call { function: &PLUS, args: vec![time, added], expr, can_fail: true };
    call.computed(&[takes], gives, move |args, _| moved(args[0].array(), interval))
}

fn moved(times: &ArrayRef, interval: Interval) -> Result<ArrayRef> {
    if let Some(dates) = times.as_primitive_opt::<Date32Type>() {
        let sum = |day: i32| {
            let moved = moved_day(day.into(), interval).and_then(|day| i32::try_from(day).ok());
            moved.ok_or_else(|| beyond(date_text(day), interval))
        };
        return Ok(Arc::new(dates.try_unary::<_, Date32Type, Error>(sum)?));
    }
    let sum = |micros: i64| {
        let moved = moved_day(micros.div_euclid(DAY), interval)
            .and_then(|day| day.checked_mul(DAY)?.checked_add(micros.rem_euclid(DAY))?.checked_add(interval.micros));
        moved.ok_or_else(|| beyond(timestamp_text(micros), interval))
    };
    let times = times.as_primitive::<TimestampMicrosecondType>();
    Ok(Arc::new(times.try_unary::<_, TimestampMicrosecondType, Error>(sum)?))
}

/// The day so many months and then days later.
fn moved_day(day: i64, interval: Interval) -> Option<i64> {
    const MOST: i64 = 12 * 20_000_000; // more than all dates of 32 bits
    if interval.months == 0 {
        return day.checked_add(interval.days);
    }
    if !(-MOST..=MOST).contains(&interval.months) {
        return None;
    }
    let (year, month, day_of_month) = date_of(day);
    let months = year * 12 + (month - 1) + interval.months;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    days_of(year, month, day_of_month.min(month_length(year, month))).checked_add(interval.days)
}

fn beyond(time: String, interval: Interval) -> Error {
    Error::new(ErrorKind::Overflow, format!("{time} and {interval} is beyond the range of dates"))
        .help("leave such rows out with a filter, or bound them with clip")
}
