//! The types that columns have.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, ErrorKind, Result};

/// The type of a column. Every type holds nulls too.
///
/// ```
/// use partita::Type;
/// assert_eq!("float64".parse::<Type>().unwrap(), Type::Float64);
/// assert_eq!(Type::Text.to_string(), "text");
/// assert!("varchar".parse::<Type>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Integers of 64 bits, signed.
    Int64,
    /// Floating-point numbers of 64 bits; NaN is a value, not a null.
    Float64,
    /// True and false.
    Bool,
    /// Days of the proleptic Gregorian calendar.
    Date,
    /// Dates with a time of day, in microseconds, without a time zone.
    Timestamp,
    /// Unicode text.
    Text,
}

impl Type {
    /// All of them, in the order that messages list them.
    const ALL: [Type; 6] = [Type::Int64, Type::Float64, Type::Bool, Type::Date, Type::Timestamp, Type::Text];

    /// The name that people write and read.
    fn name(self) -> &'static str {
        match self {
            Type::Int64 => "int64",
            Type::Float64 => "float64",
            Type::Bool => "bool",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
            Type::Text => "text",
        }
    }

    /// The arrow type that holds it.
    pub fn arrow(self) -> DataType {
        match self {
            Type::Int64 => DataType::Int64,
            Type::Float64 => DataType::Float64,
            Type::Bool => DataType::Boolean,
            Type::Date => DataType::Date32,
            Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Type::Text => DataType::Utf8View,
        }
    }

    /// The type that this arrow type holds, if it is one of ours.
    pub fn of(data_type: &DataType) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.arrow() == *data_type)
    }
}

impl From<Type> for DataType {
    fn from(t: Type) -> DataType {
        t.arrow()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Type {
    type Err = Error;

    /// Reads the name of a type.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is no such type; the error lists those that exist.
    fn from_str(name: &str) -> Result<Type> {
        Type::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Type::ALL.iter().map(|t| t.name()).collect();
            Error::new(ErrorKind::Config, format!("there is no type '{name}'"))
                .help(format!("the types are {}", names.join(", ")))
        })
    }
}

/// The name of an arrow type, for messages and displays.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match Type::of(data_type) {
        Some(t) => t.to_string(),
        None => data_type.to_string(),
    }
}

/// The narrowest type that holds the values of both, if one does.
pub(crate) fn widened(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Date32, Float64, Int64, Timestamp};
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (Int64, Float64) | (Float64, Int64) => Some(Float64),
        (Date32, Timestamp(..)) => Some(b.clone()),
        (Timestamp(..), Date32) => Some(a.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arrow_types_go_both_ways() {
        for t in Type::ALL {
            assert_eq!(t.to_string().parse::<Type>().unwrap(), t);
            assert_eq!(Type::of(&t.arrow()), Some(t));
        }
        assert_eq!(type_name(&DataType::Utf8View), "text");
        assert_eq!(type_name(&DataType::Int8), "Int8");
        assert_eq!(Type::of(&DataType::Utf8), None);
        assert!("str".parse::<Type>().unwrap_err().to_string().contains("int64, float64, bool"));
    }
}
