//! Functions on numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use super::{Answer, Call, Function, Style, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::build::BinaryOp;
use crate::expr::{Expr, IntoOperand, Literal, Type};

const NUMBERS: &[Type] = &[Type::Int64, Type::Float64];

const fn function(name: &'static str, can_fail: bool, bind: fn(Call<'_>) -> Result<Answer>) -> Function {
    Function { name, style: Style::Call, can_fail, bind }
}

static POW: Function = function("pow", false, |call| two_floats(call, f64::powf));
static LOG: Function = function("log", false, |call| two_floats(call, log));
static SQRT: Function = function("sqrt", false, |call| one_float(call, f64::sqrt));
static EXP: Function = function("exp", false, |call| one_float(call, f64::exp));
static LN: Function = function("ln", false, |call| one_float(call, f64::ln));
static FLOOR: Function = function("floor", false, |call| keeps_integers(call, f64::floor));
static CEIL: Function = function("ceil", false, |call| keeps_integers(call, f64::ceil));
static ABS: Function = function("abs", true, |call| {
    either(call, |v| v.checked_abs().ok_or_else(|| beyond(format_args!("abs({v})"))), f64::abs)
});
static SIGN: Function = function("sign", false, |call| either(call, |v| Ok(v.signum()), sign));
static ROUND: Function = function("round", true, round);
static CLIP: Function = function("clip", false, clip);
static IS_NAN: Function = function("is_nan", false, is_nan);

/// Functions on numbers. All are null of null. Those of int64 that give float64 take the nearest float.
impl Expr {
    /// The quotient rounded down, towards the lesser integer: `-7 // 2` is -4.
    ///
    /// Of int64, exact; null where the divisor is zero; an [`ErrorKind::Overflow`] error for the one quotient beyond 64 bits
    /// (the least integer by -1). Of float64, the floor of the quotient by IEEE rules: `1.0 // 0.0` is infinity, and NaN stays NaN. Null in, null out.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("k").floor_div(10_000).to_string(), "k // 10000");
    /// ```
    pub fn floor_div(self, divisor: impl IntoOperand) -> Expr {
        self.binary(BinaryOp::FloorDiv, divisor.into_operand())
    }

    /// This to the power of `exponent`, as float64 by IEEE rules: `0 ** -1` is infinity, a root of a negative number NaN, and
    /// anything to the power of 0 is 1, even NaN. Null in, null out.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("v").pow(2).to_string(), "pow(v, 2)");
    /// ```
    pub fn pow(self, exponent: impl IntoOperand) -> Expr {
        self.call(&POW, [exponent.into_operand()])
    }

    /// The distance from zero, of the same type. NaN stays NaN, null null; the least int64 has none and is an
    /// [`ErrorKind::Overflow`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") - col("q")).abs().to_string(), "abs(v - q)");
    /// ```
    pub fn abs(self) -> Expr {
        self.call(&ABS, [])
    }

    /// The nearest number of so many decimals, of the same type; from the middle, away from zero: 2.5 is 3, and -2.5 is -3.
    /// Exact: it is the float's own value that is rounded, so 1.005 to two decimals is 1.0, since that float is less than 1.005.
    ///
    /// With negative `decimals`, tens, hundreds and so on: `round(-2)` of 1250 is 1300. More than 22 either way are an
    /// [`ErrorKind::Config`] error. An int64 rounded beyond 64 bits is an [`ErrorKind::Overflow`] error. NaN and infinity stay, null too.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") / col("q")).round(2).to_string(), "round(v / q, 2)");
    /// ```
    pub fn round(self, decimals: i32) -> Expr {
        self.call_with(&ROUND, [Literal::from(decimals)])
    }

    /// The greatest whole number that is not above, of the same type. NaN and infinity stay, null too.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").floor().to_string(), "floor(q)");
    /// ```
    pub fn floor(self) -> Expr {
        self.call(&FLOOR, [])
    }

    /// The least whole number that is not below, of the same type. NaN and infinity stay, null too.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").ceil().to_string(), "ceil(q)");
    /// ```
    pub fn ceil(self) -> Expr {
        self.call(&CEIL, [])
    }

    /// The square root, as float64. Of a negative number it is NaN, of NaN too; of null null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").sqrt().to_string(), "sqrt(q)");
    /// ```
    pub fn sqrt(self) -> Expr {
        self.call(&SQRT, [])
    }

    /// e to this power, as float64. Null in, null out; NaN in, NaN out.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").exp().to_string(), "exp(q)");
    /// ```
    pub fn exp(self) -> Expr {
        self.call(&EXP, [])
    }

    /// The natural logarithm, as float64. Of zero it is minus infinity, of a negative number NaN, of NaN too; of null null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").ln().to_string(), "ln(q)");
    /// ```
    pub fn ln(self) -> Expr {
        self.call(&LN, [])
    }

    /// The logarithm to a base, as float64. Of zero it is minus infinity, of a negative number NaN, of NaN too; of null null. Whole
    /// powers of 2 and 10 are exact to these bases.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").log(10).to_string(), "log(q, 10)");
    /// ```
    pub fn log(self, base: impl IntoOperand) -> Expr {
        self.call(&LOG, [base.into_operand()])
    }

    /// The value, but not less than `low` and not more than `high`; `high` wins where both can't be. A bound that is null or NaN
    /// bounds nothing; null and NaN stay what they are. Numbers, where one float makes all floats; or dates and timestamps.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").clip(0, None::<i64>).to_string(), "clip(q, 0, null)");
    /// ```
    pub fn clip(self, low: impl IntoOperand, high: impl IntoOperand) -> Expr {
        self.call(&CLIP, [low.into_operand(), high.into_operand()])
    }

    /// -1, 0 or 1, of the same type. A float zero keeps its sign; NaN stays NaN, null null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").sign().to_string(), "sign(q)");
    /// ```
    pub fn sign(self) -> Expr {
        self.call(&SIGN, [])
    }

    /// Whether the number is NaN: never for an int64. Null in, null out: NaN is a value, null is none.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").is_nan().to_string(), "is_nan(q)");
    /// ```
    pub fn is_nan(self) -> Expr {
        self.call(&IS_NAN, [])
    }
}

fn floats(value: &Value) -> &Float64Array {
    value.array().as_primitive()
}

fn ints(value: &Value) -> &Int64Array {
    value.array().as_primitive()
}

fn beyond(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Overflow, format!("an integer result is beyond 64 bits ({what})"))
        .help("compute in floats: cast(Type::Float64)")
}

fn one_float(call: Call, f: fn(f64) -> f64) -> Result<Answer> {
    call.kind(0, NUMBERS, "numbers")?;
    call.computed(&[Type::Float64], Type::Float64, move |args, _| {
        Ok(Arc::new(floats(&args[0]).unary::<_, Float64Type>(f)))
    })
}

fn two_floats(call: Call, f: fn(f64, f64) -> f64) -> Result<Answer> {
    call.kind(0, NUMBERS, "numbers")?;
    call.kind(1, NUMBERS, "numbers")?;
    call.computed(&[Type::Float64, Type::Float64], Type::Float64, move |args, rows| {
        if args[1].is_constant() && floats(&args[1]).is_valid(0) {
            let b = floats(&args[1]).value(0);
            return Ok(Arc::new(floats(&args[0]).unary::<_, Float64Type>(|a| f(a, b))));
        }
        let (a, b) = (args[0].clone().into_array(rows)?, args[1].clone().into_array(rows)?);
        let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
        Ok(Arc::new(arrow::compute::binary::<_, _, _, Float64Type>(a, b, f)?))
    })
}

fn log(value: f64, base: f64) -> f64 {
    match base {
        2.0 => value.log2(),
        10.0 => value.log10(),
        base => value.ln() / base.ln(),
    }
}

fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() { value } else { 1.0f64.copysign(value) }
}

/// An integer is what it becomes.
fn keeps_integers(call: Call, f: fn(f64) -> f64) -> Result<Answer> {
    either(call, Ok, f)
}

/// Integers become integers, floats floats.
fn either(call: Call, of_ints: fn(i64) -> Result<i64>, of_floats: fn(f64) -> f64) -> Result<Answer> {
    match call.kind(0, NUMBERS, "numbers")? {
        Type::Int64 => call.computed(&[Type::Int64], Type::Int64, move |args, _| {
            Ok(Arc::new(ints(&args[0]).try_unary::<_, Int64Type, Error>(of_ints)?))
        }),
        _ => call.computed(&[Type::Float64], Type::Float64, move |args, _| {
            Ok(Arc::new(floats(&args[0]).unary::<_, Float64Type>(of_floats)))
        }),
    }
}

fn is_nan(call: Call) -> Result<Answer> {
    let kind = call.kind(0, NUMBERS, "numbers")?;
    call.computed(&[kind], Type::Bool, move |args, _| {
        let array = args[0].array();
        let nan = match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => BooleanBuffer::collect_bool(floats.len(), |i| floats.values()[i].is_nan()),
            None => BooleanBuffer::new_unset(array.len()),
        };
        Ok(Arc::new(BooleanArray::new(nan, array.nulls().cloned())))
    })
}

const MAX_DECIMALS: i64 = 22; // 10^22 is the largest power of ten that a float holds exactly

fn round(call: Call) -> Result<Answer> {
    let kind = call.kind(0, NUMBERS, "numbers")?;
    let decimals = call.int(1)?;
    if decimals.abs() > MAX_DECIMALS {
        return Err(
            Error::new(ErrorKind::Config, format!("round takes no {decimals} decimals")).help("give from -22 to 22")
        );
    }
    // proven: at most 22 in size.
    let decimals = decimals as i32;
    match kind {
        Type::Int64 => call.computed(&[Type::Int64], Type::Int64, move |args, _| {
            let rounded = |v| round_int(v, decimals).ok_or_else(|| beyond(format_args!("round({v}, {decimals})")));
            Ok(Arc::new(ints(&args[0]).try_unary::<_, Int64Type, Error>(rounded)?))
        }),
        _ => call.computed(&[Type::Float64], Type::Float64, move |args, _| {
            Ok(Arc::new(floats(&args[0]).unary::<_, Float64Type>(|v| round_float(v, decimals))))
        }),
    }
}

fn round_int(value: i64, decimals: i32) -> Option<i64> {
    if decimals >= 0 {
        return Some(value);
    }
    let unit = 10i128.pow(decimals.unsigned_abs());
    let away = if value < 0 { -unit / 2 } else { unit / 2 };
    i64::try_from((i128::from(value) + away) / unit * unit).ok()
}

/// A product or quotient that falls in the middle may have been rounded there: what was lost decides. Elsewhere it lies on the right side
/// of the middle, which floats of this size hold exactly.
fn round_float(value: f64, decimals: i32) -> f64 {
    const WHOLE: f64 = 4_503_599_627_370_496.0; // 2^52: floats beyond are whole numbers
    let unit = 10f64.powi(decimals.abs());
    let scaled = if decimals >= 0 { value * unit } else { value / unit };
    if !scaled.is_finite() || scaled.abs() >= WHOLE {
        return value;
    }
    let whole = scaled.trunc();
    let mut rounded = scaled.round();
    if (scaled - whole).abs() == 0.5 {
        let lost = if decimals >= 0 { value.mul_add(unit, -scaled) } else { scaled.mul_add(-unit, value) };
        if lost != 0.0 && lost.is_sign_negative() != scaled.is_sign_negative() {
            rounded = whole;
        }
    }
    if decimals >= 0 { rounded / unit } else { rounded * unit }
}

fn clip(call: Call) -> Result<Answer> {
    let (call, kind) =
        call.of_one_type(&[Type::Int64, Type::Float64, Type::Date, Type::Timestamp], "numbers or dates")?;
    call.computed(&[kind; 3], kind, move |args, rows| match kind {
        Type::Int64 => clipped::<Int64Type>(args, rows),
        Type::Float64 => clipped::<Float64Type>(args, rows),
        Type::Date => clipped::<Date32Type>(args, rows),
        _ => clipped::<TimestampMicrosecondType>(args, rows),
    })
}

fn clipped<T: ArrowPrimitiveType>(args: &[Value], rows: usize) -> Result<ArrayRef>
where
    T::Native: PartialOrd,
{
    let [values, low, high] = args else { return Err(Error::internal("clip takes three arguments")) };
    let (values, low, high) =
        (values.clone().into_array(rows)?, low.clone().into_array(rows)?, high.clone().into_array(rows)?);
    let (values, low, high) = (values.as_primitive::<T>(), low.as_primitive::<T>(), high.as_primitive::<T>());
    let clipped = (0..rows).map(|i| {
        let mut value = values.value(i);
        if low.is_valid(i) && value < low.value(i) {
            value = low.value(i);
        }
        if high.is_valid(i) && value > high.value(i) {
            value = high.value(i);
        }
        value
    });
    Ok(Arc::new(PrimitiveArray::<T>::new(clipped.collect(), values.nulls().cloned())))
}

/// `l // r` of one type.
pub(in crate::expr) fn floor_div(l: Value, r: Value, rows: usize) -> Result<ArrayRef> {
    let rows = if l.is_constant() && r.is_constant() { 1 } else { rows };
    let (l, r) = (l.into_array(rows)?, r.into_array(rows)?);
    if let (Some(l), Some(r)) = (l.as_primitive_opt::<Float64Type>(), r.as_primitive_opt::<Float64Type>()) {
        return Ok(Arc::new(arrow::compute::binary::<_, _, _, Float64Type>(l, r, |a, b| (a / b).floor())?));
    }
    let (l, r) = (l.as_primitive::<Int64Type>(), r.as_primitive::<Int64Type>());
    let divisors = NullBuffer::new(BooleanBuffer::collect_bool(rows, |i| r.values()[i] != 0));
    let nulls = NullBuffer::union_many([l.nulls(), r.nulls(), Some(&divisors)]);
    let mut values = vec![0; rows];
    for (i, value) in values.iter_mut().enumerate() {
        if nulls.as_ref().is_none_or(|n| n.is_valid(i)) {
            let (a, b) = (l.values()[i], r.values()[i]);
            let quotient = a.checked_div(b).ok_or_else(|| beyond(format_args!("{a} // {b}")))?;
            // Division truncates: one less where that went up.
            *value = quotient - i64::from(a % b != 0 && (a < 0) != (b < 0));
        }
    }
    Ok(Arc::new(Int64Array::new(values.into(), nulls.filter(|n| n.null_count() > 0))))
}
