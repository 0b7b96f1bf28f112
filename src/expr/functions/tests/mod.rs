//! Functions against answers worked out by hand, and against naive twins.

mod choices;
mod conversions;
mod numbers;
mod shared;
mod texts;
mod times;

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use crate::error::{Error, ErrorKind, Result};
use crate::expr::Expr;

/// A batch of these columns.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, a)| a).collect()).unwrap()
}

pub fn ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

pub fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

pub fn dates(days: &[Option<i32>]) -> ArrayRef {
    Arc::new(Date32Array::from(days.to_vec()))
}

pub fn times(micros: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros.to_vec()))
}

/// Evaluates; what comes out has the type that was promised, and so many rows.
pub fn eval(batch: &RecordBatch, expr: &Expr) -> Result<ArrayRef> {
    let bound = expr.bind(&batch.schema())?;
    let values = bound.eval(batch)?;
    assert_eq!((values.data_type(), values.len()), (&bound.data_type(), batch.num_rows()), "{expr}");
    // Row by row it is the same, and of no rows nothing.
    for row in 0..batch.num_rows() {
        let one = bound.eval(&batch.slice(row, 1)).unwrap();
        assert_eq!(show(&one, 0), show(&values, row), "{expr}, row {row} alone");
    }
    assert_eq!(bound.eval(&batch.slice(0, 0)).unwrap().len(), 0);
    Ok(values)
}

/// A value for people: types show.
pub fn show(values: &ArrayRef, row: usize) -> String {
    if values.is_null(row) {
        return "null".to_owned();
    }
    match values.data_type() {
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", values.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => values.as_boolean().value(row).to_string(),
        DataType::Utf8View => format!("{:?}", values.as_string_view().value(row)),
        // What chrono can't show is shown as the number that it is.
        DataType::Date32 => {
            let dates = values.as_primitive::<Date32Type>();
            dates.value_as_date(row).map_or_else(|| format!("day {}", dates.value(row)), |date| date.to_string())
        }
        _ => {
            let times = values.as_primitive::<TimestampMicrosecondType>();
            times.value_as_datetime(row).map_or_else(|| format!("micro {}", times.value(row)), |time| time.to_string())
        }
    }
}

/// Asserts the values, with commas between.
#[track_caller]
pub fn check(batch: &RecordBatch, expr: Expr, want: &str) {
    let values = eval(batch, &expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let got: Vec<String> = (0..values.len()).map(|row| show(&values, row)).collect();
    assert_eq!(got.join(", "), want, "{expr}");
}

/// What is wrong with it, when bound or on a row.
#[track_caller]
pub fn error(batch: &RecordBatch, expr: Expr) -> Error {
    match expr.bind(&batch.schema()) {
        Err(error) => error,
        Ok(bound) => {
            assert_eq!(bound.eval(&batch.slice(0, 0)).unwrap().len(), 0, "{expr} fails without rows");
            bound.eval(batch).expect_err(&expr.to_string())
        }
    }
}

/// Asserts what is wrong when it is bound: before there are rows.
#[track_caller]
pub fn misuse(batch: &RecordBatch, expr: Expr, kind: ErrorKind, text: &str) {
    let error = expr.bind(&batch.schema()).expect_err(&expr.to_string());
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, text), "{expr}");
}
