//! Answers as engines print them, and whether two of them agree.

use std::cmp::Ordering;
use std::fmt;

/// How far floats may be apart, relative to the larger: engines add in different orders.
const TOLERANCE: f64 = 1e-9;

/// A table of numbers and texts.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Missing,
    Int(i64),
    Float(f64),
    Text(String),
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
        let rows = reader.records().map(|record| Ok(record.map_err(wrong)?.iter().map(Value::parse).collect()));
        Ok(Answer { rows: rows.collect::<Result<_, String>>()?, columns })
    }
}

impl Value {
    fn parse(text: &str) -> Value {
        match (text, text.parse(), text.parse()) {
            ("", ..) => Value::Missing,
            (_, Ok(int), _) => Value::Int(int),
            (_, _, Ok(float)) => Value::Float(float),
            _ => Value::Text(text.to_owned()),
        }
    }

    fn agrees(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Missing, Value::Missing) => true,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => close(*a as f64, *b),
            (Value::Float(a), Value::Float(b)) => close(*a, *b),
            _ => false,
        }
    }

    /// Numbers before texts before what is missing.
    fn order(&self, other: &Value) -> Ordering {
        let number = |value: &Value| match value {
            Value::Int(int) => *int as f64,
            Value::Float(float) => *float,
            Value::Text(_) | Value::Missing => f64::INFINITY,
        };
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Missing, Value::Text(_)) => Ordering::Greater,
            (Value::Text(_), Value::Missing) => Ordering::Less,
            (a, b) => number(a).total_cmp(&number(b)),
        }
    }
}

fn close(a: f64, b: f64) -> bool {
    let apart = (a - b).abs();
    a == b || (a.is_nan() && b.is_nan()) || (apart.is_finite() && apart <= TOLERANCE * a.abs().max(b.abs()))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Missing => f.write_str("nothing"),
            Value::Int(int) => write!(f, "{int}"),
            Value::Float(float) => write!(f, "{float}"),
            Value::Text(text) => write!(f, "'{text}'"),
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
                if self.covers(column) && !x.agrees(y) {
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

    fn ordered(self, answer: &Answer) -> Vec<&[Value]> {
        let mut rows: Vec<&[Value]> = answer.rows.iter().map(Vec::as_slice).collect();
        if let Compare::AnyOrder = self {
            rows.sort_by(|a, b| match (a.first(), b.first()) {
                (Some(a), Some(b)) => a.order(b),
                _ => Ordering::Equal,
            });
        }
        rows
    }
}
