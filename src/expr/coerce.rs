//! Coercion: which types operators take, and what is converted so that they get them.

use super::bind::{Bound, Typed, constant, float, int};
use super::build::{BinaryOp, UnaryOp};
use super::literal::Literal;
use super::temporal::{parse_date, parse_timestamp};
use super::types::Type;
use crate::error::{Error, ErrorKind, Result};

pub(super) fn unary(op: UnaryOp, inner: Typed) -> Result<(Bound, Option<Type>)> {
    let kind = match op {
        UnaryOp::IsNull | UnaryOp::IsNotNull => Type::Bool,
        UnaryOp::Not => match inner.kind {
            None | Some(Type::Bool) => Type::Bool,
            Some(_) => return Err(no_condition("not", &inner)),
        },
        UnaryOp::Neg => match inner.kind {
            None => Type::Int64,
            Some(kind @ (Type::Int64 | Type::Float64)) => kind,
            Some(_) => {
                let message = format!("{}, which has no negative", inner.described());
                return Err(Error::new(ErrorKind::Type, message).help("numbers have; a condition is turned by not()"));
            }
        },
    };
    let (bound, _) = inner.known_as(kind);
    Ok((Bound::Unary(op, Box::new(bound)), Some(kind)))
}

pub(super) fn logical(op: BinaryOp, l: Typed, r: Typed) -> Result<Bound> {
    for side in [&l, &r] {
        if !matches!(side.kind, None | Some(Type::Bool)) {
            return Err(no_condition(&op.to_string(), side));
        }
    }
    Ok(Bound::Binary(op, Box::new(l.cast(Type::Bool)), Box::new(r.cast(Type::Bool))))
}

pub(super) fn no_condition(op: &str, side: &Typed) -> Error {
    let message = format!("{}, and '{op}' takes conditions", side.described());
    Error::new(ErrorKind::Type, message).help("compare it with something, as in col(\"t\").eq(2018)")
}

pub(super) fn arithmetic(op: BinaryOp, l: Typed, r: Typed) -> Result<(Bound, Option<Type>)> {
    if !l.is_number() || !r.is_number() {
        let message = format!("{} and {}: '{op}' takes numbers", l.described(), r.described());
        return Err(Error::new(ErrorKind::Type, message).help(match (l.kind, r.kind) {
            (Some(Type::Text), _) | (_, Some(Type::Text)) => {
                "write constants without quotes; if a text column should be numeric, give its type with CsvOptions::dtype or --types when reading"
            }
            (Some(Type::Bool), _) | (_, Some(Type::Bool)) => "to count what is true, take sum of the condition",
            _ => "dates and timestamps can be compared; days(3) or months(1) can be added to them, and diff_days and diff_seconds tell how far they are apart",
        }));
    }
    let float = op == BinaryOp::Div || l.kind == Some(Type::Float64) || r.kind == Some(Type::Float64);
    let kind = if float { Type::Float64 } else { Type::Int64 };
    Ok((Bound::Binary(op, Box::new(l.cast(kind)), Box::new(r.cast(kind))), Some(kind)))
}

pub(super) fn comparison(op: BinaryOp, l: Typed, r: Typed) -> Result<Bound> {
    use Type::{Date, Float64, Int64, Text, Timestamp};
    // An untyped null takes the other side's type.
    let (kind_l, kind_r) = (l.kind.or(r.kind).unwrap_or(Int64), r.kind.or(l.kind).unwrap_or(Int64));
    match (kind_l, kind_r) {
        (Float64, Int64) | (Timestamp, Date) => comparison(op.mirrored(), r, l),
        (Date | Timestamp, Text) if matches!(r.literal(), Some(Literal::Text(_))) => comparison(op.mirrored(), r, l),
        (Text, Date | Timestamp) if let Some(Literal::Text(text)) = l.literal() => {
            let (bound, kind) = moment(text, kind_r)?;
            comparison(op, Typed { bound, kind, ..l }, r)
        }
        (Int64, Float64) => Ok(match (l.literal(), r.literal()) {
            (_, Some(Literal::Float64(f))) => int_with_float(op, *f, l.bound),
            (Some(Literal::Int64(i)), _) => float_with_int(op.mirrored(), *i, r.bound),
            _ => Bound::Binary(op, Box::new(l.cast(Float64)), Box::new(r.cast(Float64))),
        }),
        (Date, Timestamp) => Ok(Bound::Binary(op, Box::new(l.cast(Timestamp)), Box::new(r.cast(Timestamp)))),
        (a, b) if a == b => Ok(Bound::Binary(op, Box::new(l.cast(a)), Box::new(r.cast(a)))),
        (a, b) => Err(incomparable(&l, a, &r, b)),
    }
}

/// Text that stands against a date or a timestamp. A date may also be compared with a time of day.
pub(super) fn moment(text: &str, other: Type) -> Result<(Bound, Option<Type>)> {
    if other == Type::Date && (parse_date(text.as_bytes()).is_some() || parse_timestamp(text.as_bytes()).is_none()) {
        constant(Literal::Date(text.to_owned()))
    } else {
        constant(Literal::Timestamp(text.to_owned()))
    }
}

/// `ints op f`, exactly.
fn int_with_float(op: BinaryOp, f: f64, ints: Bound) -> Bound {
    use BinaryOp::{Ge, Gt, Le, Lt, Ne};
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63: the first float beyond all integers
    if f.is_nan() || f >= END {
        return Bound::Always(matches!(op, Lt | Le | Ne), Box::new(ints));
    }
    if f < -END {
        return Bound::Always(matches!(op, Gt | Ge | Ne), Box::new(ints));
    }
    let floor = f.floor() as i64;
    match op {
        op if f == f.floor() => Bound::Binary(op, Box::new(ints), Box::new(int(floor))),
        Lt | Le => Bound::Binary(Le, Box::new(ints), Box::new(int(floor))),
        Gt | Ge => Bound::Binary(Gt, Box::new(ints), Box::new(int(floor))),
        op => Bound::Always(op == Ne, Box::new(ints)),
    }
}

/// `floats op i`, exactly.
fn float_with_int(op: BinaryOp, i: i64, floats: Bound) -> Bound {
    use BinaryOp::{Ge, Gt, Le, Lt, Ne};
    let f = i as f64;
    let op = match (op, (f as i128).cmp(&i128::from(i))) {
        (op, std::cmp::Ordering::Equal) => op,
        // No float lies between `f` and `i`.
        (Lt | Le, std::cmp::Ordering::Less) => Le,
        (Lt | Le, std::cmp::Ordering::Greater) => Lt,
        (Gt | Ge, std::cmp::Ordering::Less) => Gt,
        (Gt | Ge, std::cmp::Ordering::Greater) => Ge,
        (op, _) => return Bound::Always(op == Ne, Box::new(floats)),
    };
    Bound::Binary(op, Box::new(floats), Box::new(float(f)))
}

fn incomparable(l: &Typed, a: Type, r: &Typed, b: Type) -> Error {
    // A constant is what is most easily changed: the help is about it, where there is one.
    let other = match (l.literal(), r.literal()) {
        (_, Some(_)) => Some(a),
        (Some(_), None) => Some(b),
        (None, None) => None,
    };
    let help = match other {
        Some(Type::Int64 | Type::Float64) => "compare it with a number",
        Some(Type::Text) => "compare it with text, in quotes",
        Some(Type::Bool) => "compare it with true or false, or take it as a condition by itself",
        Some(Type::Date) => "compare it with a date, as in lit_date(\"2020-01-31\")",
        Some(Type::Timestamp) => "compare it with a timestamp, as in lit_timestamp(\"2020-01-31 12:00\")",
        None => "give both columns one type with CsvOptions::dtype or --types when reading",
    };
    Error::new(ErrorKind::Type, format!("{} and {}, which don't compare", l.described(), r.described())).help(help)
}

/// One type for values that stand for each other, such as the results of a `when`: numbers become floats if any is one, dates
/// timestamps, and constant text is read as a date where the others are. None: there are only nulls.
pub(super) fn common(values: Vec<Typed<'_>>, what: &str) -> Result<(Vec<Bound>, Option<Type>)> {
    let Some(kind) = common_type(&values, what)? else {
        return Ok((values.into_iter().map(|v| v.bound).collect(), None));
    };
    let bounds = values.into_iter().map(|value| value.read_as(kind).map(|v| v.cast(kind))).collect::<Result<_>>()?;
    Ok((bounds, Some(kind)))
}

/// The type that [`common`] gives them.
pub(super) fn common_type(values: &[Typed<'_>], what: &str) -> Result<Option<Type>> {
    let mut kind: Option<Type> = None;
    // Text that is a constant waits: the others may make it a date.
    let is_text = |v: &&Typed| matches!(v.literal(), Some(Literal::Text(_)));
    for value in values.iter().filter(|v| !is_text(v)).chain(values.iter().filter(is_text)) {
        kind = match (kind, value.kind) {
            (known, None) => known,
            (None, new) => new,
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(Type::Int64 | Type::Float64), Some(Type::Int64 | Type::Float64)) => Some(Type::Float64),
            (Some(Type::Date | Type::Timestamp), Some(Type::Date | Type::Timestamp)) => Some(Type::Timestamp),
            (Some(a @ (Type::Date | Type::Timestamp)), Some(Type::Text)) if is_text(&value) => Some(a),
            (Some(a), Some(_)) => {
                let message = format!("{}, and another value in {what} is {a}", value.described());
                return Err(Error::new(ErrorKind::Type, message).help("make them one type, as with cast(Type::Text)"));
            }
        };
    }
    Ok(kind)
}
