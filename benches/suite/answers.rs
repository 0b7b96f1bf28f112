//! Answers as engines print them, and whether two of them agree.

use std::cmp::Ordering;
use std::fmt;

/// How far floats may be apart, relative to the larger: engines add in different orders.
const TOLERANCE: f64 = 1e-9;

/// A table of numbers.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Number>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Missing,
    Int(i64),
    Float(f64),
}

/// What must agree.
#[derive(Debug, Clone, Copy)]
pub enum Compare {
    /// The same rows, in whatever order; rows are told apart by their first column.
    AnyOrder,
    /// The same rows in the same order.
    InOrder,
    /// This column, in order; whatever the others hold.
    Column(&'static str),
}

impl Answer {
    /// Reads CSV with a header. An empty field is a missing value, which NaN is not.
    pub fn parse(text: &str) -> Result<Answer, String> {
        let wrong = |e: csv::Error| format!("the answer is not CSV: {e}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let rows = reader.records().map(|record| record.map_err(wrong)?.iter().map(Number::parse).collect());
        Ok(Answer { rows: rows.collect::<Result<_, _>>()?, columns })
    }
}

impl Number {
    fn parse(text: &str) -> Result<Number, String> {
        match (text, text.parse(), text.parse()) {
            ("", ..) => Ok(Number::Missing),
            (_, Ok(int), _) => Ok(Number::Int(int)),
            (_, _, Ok(float)) => Ok(Number::Float(float)),
            _ => Err(format!("'{text}' in the answer is not a number")),
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Number::Missing => f64::NAN,
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    fn agrees(self, other: Number) -> bool {
        match (self, other) {
            (Number::Missing, Number::Missing) => true,
            (Number::Missing, _) | (_, Number::Missing) => false,
            (Number::Int(a), Number::Int(b)) => a == b,
            (a, b) => {
                let (a, b) = (a.to_f64(), b.to_f64());
                let apart = (a - b).abs();
                a == b || (a.is_nan() && b.is_nan()) || (apart.is_finite() && apart <= TOLERANCE * a.abs().max(b.abs()))
            }
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Missing => f.write_str("nothing"),
            Number::Int(int) => write!(f, "{int}"),
            Number::Float(float) => write!(f, "{float}"),
        }
    }
}

impl Compare {
    /// Fails with the first place where the answers differ.
    pub fn agree(self, a: &Answer, b: &Answer) -> Result<(), String> {
        if a.columns != b.columns {
            return Err(format!("the columns are {} and {}", a.columns.join(","), b.columns.join(",")));
        }
        if a.rows.len() != b.rows.len() {
            return Err(format!("{} and {} rows", a.rows.len(), b.rows.len()));
        }
        let (a_rows, b_rows) = (self.ordered(a), self.ordered(b));
        for (row, (a_row, b_row)) in a_rows.iter().zip(&b_rows).enumerate() {
            for (column, (x, y)) in a.columns.iter().zip(a_row.iter().zip(b_row.iter())) {
                if self.covers(column) && !x.agrees(*y) {
                    let key = match self {
                        Compare::AnyOrder => format!("where {} = {}", a.columns[0], a_row[0]),
                        _ => format!("in row {}", row + 1),
                    };
                    return Err(format!("{column} is {x} and {y} {key}"));
                }
            }
        }
        Ok(())
    }

    fn covers(self, name: &str) -> bool {
        match self {
            Compare::Column(only) => only == name,
            _ => true,
        }
    }

    fn ordered(self, answer: &Answer) -> Vec<&[Number]> {
        let mut rows: Vec<&[Number]> = answer.rows.iter().map(Vec::as_slice).collect();
        if let Compare::AnyOrder = self {
            let key = |row: &[Number]| row.first().map_or(f64::NAN, |number| number.to_f64());
            rows.sort_by(|a, b| -> Ordering { key(a).total_cmp(&key(b)) });
        }
        rows
    }
}
