//! Conversions that are asked for: `cast`, and `try_cast`, which gives null for what can't be converted.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use super::text::built;
use super::{Answer, Call, Function, Style, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::temporal::{DAY, date_text, parse_date, parse_timestamp, timestamp_text};
use crate::expr::{Expr, Literal, Type};

static CAST: Function = Function { name: "cast", style: Style::Cast, can_fail: true, bind: |call| cast(call, true) };
static TRY_CAST: Function =
    Function { name: "try_cast", style: Style::Cast, can_fail: false, bind: |call| cast(call, false) };

/// Conversions.
impl Expr {
    /// The value as another type. Null stays null.
    ///
    /// | from | to | |
    /// |---|---|---|
    /// | int64 | float64 | the nearest |
    /// | float64 | int64 | without its fraction, towards zero; NaN and infinity can't, and beyond 64 bits is an [`ErrorKind::Overflow`] error |
    /// | int64, float64 | bool | false if zero, else true, NaN too |
    /// | bool | int64, float64 | 1 or 0 |
    /// | date | timestamp | its midnight |
    /// | timestamp | date | its day |
    /// | text | any | as a CSV column of the type is read, without white space around; other text can't |
    /// | any | text | shortest digits that read back (`1.0`, `1e16`, `NaN`), `true`, `2020-01-31`, `2020-01-31 12:00:00.5` |
    ///
    /// What can't be cast is an [`ErrorKind::Value`] error that names the value, and other pairs of types an [`ErrorKind::Type`] error at once.
    ///
    /// ```
    /// # use partita::{col, Type};
    /// assert_eq!(col("k").cast(Type::Text).to_string(), "cast(k as text)");
    /// ```
    pub fn cast(self, to: Type) -> Expr {
        self.call_with(&CAST, [Literal::Text(to.to_string())])
    }

    /// As [`cast`](Expr::cast), but null where the value can't be cast.
    ///
    /// ```
    /// # use partita::{col, Type};
    /// assert_eq!(col("code").try_cast(Type::Int64).to_string(), "try_cast(code as int64)");
    /// ```
    pub fn try_cast(self, to: Type) -> Expr {
        self.call_with(&TRY_CAST, [Literal::Text(to.to_string())])
    }
}

fn cast(mut call: Call, strict: bool) -> Result<Answer> {
    use Type::{Bool, Date, Float64, Int64, Text, Timestamp};
    let to: Type = call.text(1)?.parse()?;
    let from = call.args[0].kind.unwrap_or(to);
    if from == to {
        return Ok((call.args.swap_remove(0).cast(to), Some(to)));
    }
    let failure = Failing { to, strict, expr: call.expr.clone() };
    match (from, to) {
        (Int64, Float64) => call.computed(&[from], to, |args, _| {
            Ok(Arc::new(args[0].array().as_primitive::<Int64Type>().unary::<_, Float64Type>(|v| v as f64)))
        }),
        (Int64, Bool) => call.computed(&[from], to, |args, _| Ok(not_zero::<Int64Type>(&args[0], 0))),
        (Float64, Bool) => call.computed(&[from], to, |args, _| Ok(not_zero::<Float64Type>(&args[0], 0.0))),
        (Bool, Int64) => call.computed(&[from], to, |args, _| Ok(counted::<Int64Type>(&args[0], 0, 1))),
        (Bool, Float64) => call.computed(&[from], to, |args, _| Ok(counted::<Float64Type>(&args[0], 0.0, 1.0))),
        (Timestamp, Date) => call.computed(&[from], to, |args, _| {
            let times = args[0].array().as_primitive::<TimestampMicrosecondType>();
            // 64 bits of microseconds are fewer than 32 bits of days.
            Ok(Arc::new(times.unary::<_, Date32Type>(|micros| micros.div_euclid(DAY) as i32)))
        }),
        (Date, Timestamp) => call.computed(&[from], to, move |args, _| {
            let dates = args[0].array().as_primitive::<Date32Type>().iter().map(|day| day.map(Day));
            let midnight = |Day(day)| i64::from(day).checked_mul(DAY).ok_or(Failure::Beyond);
            failure.primitive::<TimestampMicrosecondType, _>(dates, midnight)
        }),
        (Float64, Int64) => call.computed(&[from], to, move |args, _| {
            failure.primitive::<Int64Type, _>(args[0].array().as_primitive::<Float64Type>().iter(), truncated)
        }),
        (Text, _) => call.computed(&[from], to, move |args, _| from_text(args[0].array(), &failure)),
        (_, Text) => call.computed(&[from], to, move |args, _| to_text(args[0].array())),
        _ => {
            let message = format!("{}, which can't become {to}", call.args[0].described());
            Err(Error::new(ErrorKind::Type, message).help(match (from, to) {
                (Date | Timestamp, _) => {
                    "its parts are numbers: year(), month(), day(); or diff_days and diff_seconds from another"
                }
                _ => "go by way of text, or add days(..) to a date",
            }))
        }
    }
}

fn not_zero<T: ArrowPrimitiveType>(value: &Value, zero: T::Native) -> ArrayRef {
    let values = value.array().as_primitive::<T>();
    let truth = BooleanBuffer::collect_bool(values.len(), |i| values.value(i) != zero);
    Arc::new(BooleanArray::new(truth, values.nulls().cloned()))
}

fn counted<T: ArrowPrimitiveType>(value: &Value, of_false: T::Native, of_true: T::Native) -> ArrayRef {
    let truth = value.array().as_boolean();
    let values = truth.values().iter().map(|t| if t { of_true } else { of_false });
    Arc::new(PrimitiveArray::<T>::new(values.collect(), truth.nulls().cloned()))
}

/// A date as messages show it.
#[derive(Clone, Copy)]
struct Day(i32);

impl Debug for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&date_text(self.0))
    }
}

/// Why a value can't be cast.
#[derive(Clone, Copy)]
enum Failure {
    /// It says nothing of the type.
    Alien,
    /// It is too large for the type.
    Beyond,
}

/// What is done about values that can't be cast.
struct Failing {
    to: Type,
    strict: bool,
    expr: Expr,
}

impl Failing {
    fn or_null<T>(&self, result: Result<T, Failure>, value: impl Debug) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(_) if !self.strict => Ok(None),
            Err(failure) => {
                let (to, expr) = (self.to, &self.expr);
                let (kind, message) = match failure {
                    Failure::Alien => (ErrorKind::Value, format!("{value:?} is no {to}, in '{expr}'")),
                    Failure::Beyond => (ErrorKind::Overflow, format!("{value:?} is beyond {to}, in '{expr}'")),
                };
                Err(Error::new(kind, message).help("where it should be null, use try_cast"))
            }
        }
    }

    fn primitive<T: ArrowPrimitiveType, V: Copy + Debug>(
        &self,
        values: impl Iterator<Item = Option<V>>,
        convert: impl Fn(V) -> Result<T::Native, Failure>,
    ) -> Result<ArrayRef> {
        let converted = values.map(|v| v.map_or(Ok(None), |v| self.or_null(convert(v), v)));
        Ok(Arc::new(converted.collect::<Result<PrimitiveArray<T>>>()?))
    }
}

fn truncated(value: f64) -> Result<i64, Failure> {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63: the first float beyond all integers
    match value.trunc() {
        whole if (-END..END).contains(&whole) => Ok(whole as i64),
        whole if whole.is_finite() => Err(Failure::Beyond),
        _ => Err(Failure::Alien),
    }
}

/// By the spellings that CSV columns of the type take.
fn from_text(array: &ArrayRef, failing: &Failing) -> Result<ArrayRef> {
    let texts = array.as_string_view().iter();
    match failing.to {
        Type::Int64 => failing.primitive::<Int64Type, _>(texts, |text| {
            text.trim().parse().map_err(|error: std::num::ParseIntError| match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => Failure::Beyond,
                _ => Failure::Alien,
            })
        }),
        Type::Float64 => {
            failing.primitive::<Float64Type, _>(texts, |text| text.trim().parse().map_err(|_| Failure::Alien))
        }
        Type::Date => {
            failing.primitive::<Date32Type, _>(texts, |text| parse_date(text.trim().as_bytes()).ok_or(Failure::Alien))
        }
        Type::Timestamp => failing.primitive::<TimestampMicrosecondType, _>(texts, |text| {
            parse_timestamp(text.trim().as_bytes()).ok_or(Failure::Alien)
        }),
        _ => {
            let truth = |text: &str| match text.trim() {
                "true" | "True" | "TRUE" => Ok(true),
                "false" | "False" | "FALSE" => Ok(false),
                _ => Err(Failure::Alien),
            };
            let converted = texts.map(|t| t.map_or(Ok(None), |t| failing.or_null(truth(t), t)));
            Ok(Arc::new(converted.collect::<Result<Vec<Option<bool>>>>().map(BooleanArray::from)?))
        }
    }
}

fn to_text(array: &ArrayRef) -> Result<ArrayRef> {
    fn texts<T: Display>(values: impl ExactSizeIterator<Item = Option<T>>) -> Result<ArrayRef> {
        built(values.len(), values.map(|v| v.map(|v| v.to_string())))
    }
    match Type::of(array.data_type()) {
        Some(Type::Int64) => texts(array.as_primitive::<Int64Type>().iter()),
        Some(Type::Float64) => texts(array.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| format!("{v:?}")))),
        Some(Type::Bool) => texts(array.as_boolean().iter()),
        Some(Type::Date) => texts(array.as_primitive::<Date32Type>().iter().map(|v| v.map(date_text))),
        Some(Type::Timestamp) => {
            texts(array.as_primitive::<TimestampMicrosecondType>().iter().map(|v| v.map(timestamp_text)))
        }
        _ => Err(Error::internal("text becomes no text")),
    }
}
