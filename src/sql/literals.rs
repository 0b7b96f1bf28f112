//! Constants and types, as they are written.

use sqlparser::ast::{
    DataType, DateTimeField, Expr as Ast, Interval as AstInterval, TimezoneInfo, TypedString, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Location;

use super::source::Source;
use super::translate::EXPRESSIONS;
use crate::error::Result;
use crate::expr::{
    Expr, Interval, Literal, Type, days, hours, lit, lit_date, lit_timestamp, minutes, months, seconds, weeks, years,
};

pub(super) fn literal(source: &Source, value: &ValueWithSpan) -> Result<Expr> {
    match &value.value {
        Value::Number(digits, _) => number(source, digits, value.span.start),
        Value::SingleQuotedString(text) => Ok(lit(text)),
        Value::Boolean(value) => Ok(lit(*value)),
        Value::Null => Ok(lit(Literal::Null)),
        other => Err(source.unsupported(value.span.start, &format!("the constant {other}")).help(EXPRESSIONS)),
    }
}

pub(super) fn number(source: &Source, digits: &str, place: Location) -> Result<Expr> {
    let digits = digits.replace('_', "");
    if !digits.contains(['.', 'e', 'E']) {
        return digits.parse::<i64>().map(lit).map_err(|_| {
            let message = format!("{digits} is beyond the integers of 64 bits");
            source.error(place, message).help(format!("write it as a float: {digits}.0"))
        });
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(lit(number)),
        _ => Err(source.error(place, format!("{digits} is no number that a float64 holds"))),
    }
}

pub(super) fn typed_string(source: &Source, text: &TypedString) -> Result<Expr> {
    let TypedString { data_type, value, uses_odbc_syntax: _ } = text;
    match (data_type, &value.value) {
        (DataType::Date, Value::SingleQuotedString(text)) => Ok(lit_date(text)),
        (
            DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | DataType::Datetime(_),
            Value::SingleQuotedString(text),
        ) => Ok(lit_timestamp(text)),
        _ => {
            let what = format!("a constant of type {data_type}");
            Err(source.unsupported(value.span.start, &what).help(EXPRESSIONS))
        }
    }
}

/// `INTERVAL '3' DAY`, `INTERVAL 3 DAYS`, `INTERVAL '1 month 2 days'`.
pub(super) fn interval(source: &Source, interval: &AstInterval, place: Location) -> Result<Expr> {
    let AstInterval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
    if leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some() {
        return Err(source.unsupported(place, "this form of INTERVAL"));
    }
    let text = match &**value {
        Ast::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => text.clone(),
        Ast::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.clone(),
        _ => return Err(source.unsupported(place, "an interval of other than constants")),
    };
    let wrong = || {
        let error = source.error(place, format!("'{text}' is no interval"));
        error.help("write it as INTERVAL '3' DAY, or INTERVAL '1 month 2 days'")
    };
    let words: Vec<String> = match leading_field {
        Some(field) => vec![text.clone(), unit_name(field)],
        None => text.split_whitespace().map(str::to_lowercase).collect(),
    };
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let mut sum: Option<Interval> = None;
    for pair in words.chunks(2) {
        let n: i64 = pair[0].trim().parse().map_err(|_| wrong())?;
        let part = match pair[1].trim_end_matches('s') {
            "year" => years(n),
            "month" => months(n),
            "week" => weeks(n),
            "day" => days(n),
            "hour" => hours(n),
            "minute" => minutes(n),
            "second" => seconds(n),
            _ => return Err(wrong()),
        };
        sum = Some(sum.map_or(part, |sum| sum + part));
    }
    Ok(lit(Literal::Interval(sum.ok_or_else(wrong)?)))
}

/// The unit in small letters: `day` of `DAY`.
pub(super) fn unit_name(field: &DateTimeField) -> String {
    field.to_string().to_lowercase()
}

/// The type that a name of SQL means.
pub(super) fn type_of(source: &Source, data_type: &DataType, place: Location) -> Result<Type> {
    use DataType as D;
    Ok(match data_type {
        D::Boolean | D::Bool => Type::Bool,
        D::TinyInt(_)
        | D::SmallInt(_)
        | D::Int(_)
        | D::Integer(_)
        | D::BigInt(_)
        | D::Int2(_)
        | D::Int4(_)
        | D::Int8(_)
        | D::Int16
        | D::Int32
        | D::Int64 => Type::Int64,
        D::Float(_)
        | D::Real
        | D::Float4
        | D::Float8
        | D::Float32
        | D::Float64
        | D::Double(_)
        | D::DoublePrecision
        | D::Decimal(_)
        | D::Numeric(_)
        | D::Dec(_) => Type::Float64,
        D::Char(_) | D::Varchar(_) | D::CharacterVarying(_) | D::Character(_) | D::Text | D::String(_) => Type::Text,
        D::Date => Type::Date,
        D::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | D::Datetime(_) => Type::Timestamp,
        other => {
            let types =
                "the types are BOOLEAN, BIGINT (and INTEGER), DOUBLE (and DECIMAL), VARCHAR, DATE and TIMESTAMP";
            return Err(source.unsupported(place, &format!("the type {other}")).help(types));
        }
    })
}

/// The text of a constant; `None` for anything else.
pub(super) fn text_of(ast: &Ast) -> Option<&str> {
    match ast {
        Ast::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

/// The whole number of a constant; `None` for anything else.
pub(super) fn int_of(ast: &Ast) -> Option<i64> {
    match ast {
        Ast::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        Ast::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr } => int_of(expr)?.checked_neg(),
        Ast::Nested(inner) => int_of(inner),
        _ => None,
    }
}
