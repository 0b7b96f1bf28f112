//! What the tests share: sessions of all shapes, files to read, tables as plain values.
#![allow(dead_code)] // Each test program uses some of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{Event, Observer, Session, Table};

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

/// The rows of a table. What is neither number nor null is text.
pub fn rows(table: &Table) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for batch in table.batches() {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| value(column, row)).collect());
        }
    }
    rows
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        _ => {
            let options = FormatOptions::default();
            Value::Text(ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string())
        }
    }
}

/// The rows that pandas gives, in `testdata/expected`, each value of the kind that the answer's column has.
pub fn expected(name: &str, like: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut reader = csv::Reader::from_path(format!("testdata/expected/{name}.csv")).unwrap();
    let is_float = |i: usize| like.iter().any(|row| matches!(row[i], Value::Float(_)));
    let value = |(i, text): (usize, &str)| match text {
        "" => Value::Null,
        _ if is_float(i) => Value::Float(text.parse().unwrap()),
        _ => Value::Int(text.parse().unwrap()),
    };
    reader.records().map(|record| record.unwrap().iter().enumerate().map(value).collect()).collect()
}

/// Whether two values are the same, floats to the last bits of a sum.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) || a.is_nan() && b.is_nan()
        }
        _ => a == b,
    }
}

#[track_caller]
pub fn assert_same(got: &[Vec<Value>], expected: &[Vec<Value>], what: &str) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let equal = got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| same(a, b));
        assert!(equal, "{what}: row {i} is {got:?}, expected {expected:?}");
    }
    assert_eq!(got.len(), expected.len(), "{what}: rows");
}

/// A session of two threads and partitions of this size.
pub fn session(partition_size: usize) -> Session {
    Session::builder().threads(2).partition_size(partition_size).build().unwrap()
}

/// Sessions whose answers must be alike: one partition a file, many, very many; one thread, two, more.
pub fn sessions() -> Vec<(&'static str, Session)> {
    let with = |threads, size| Session::builder().threads(threads).partition_size(size).build().unwrap();
    vec![
        ("one partition a file", with(1, 1 << 30)),
        ("partitions of 64 KB", with(2, 64_000)),
        ("partitions of 1 KB", with(3, 1_000)),
    ]
}

/// A folder of files that goes with the test.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new(files: &[(&str, &[u8])]) -> Files {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        Files(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The bytes that the last run of a session spilled.
#[derive(Default)]
pub struct Spilled(AtomicU64);

impl Spilled {
    /// What was spilled; from now on it is nothing.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Observer for Spilled {
    fn on(&self, event: &Event) {
        if let Event::RunFinished { spilled, .. } = event {
            self.0.store(*spilled, Ordering::Relaxed);
        }
    }
}
