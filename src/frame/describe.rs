//! Numeric columns at a glance.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};

use super::Frame;
use crate::batch::BatchFunction;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, Type, col};
use crate::plan::LogicalPlan;

/// The statistics, as pandas names them.
const STATISTICS: [&str; 8] = ["count", "mean", "std", "min", "25%", "50%", "75%", "max"];

fn aggregates(column: &str) -> [AggExpr; 8] {
    let of = |aggregate: fn(Expr) -> AggExpr| aggregate(col(column));
    let quartile = |p: f64| col(column).quantile(p);
    [
        of(Expr::count),
        of(Expr::mean),
        of(Expr::std),
        of(Expr::min),
        quartile(0.25),
        quartile(0.5),
        quartile(0.75),
        of(Expr::max),
    ]
}

impl Frame {
    /// Statistics of every numeric column: a row for each of `count`, `mean`, `std`, `min`, `25%`, `50%`, `75%`, `max`, which the
    /// column `statistic` names, and a float64 column for each int64 or float64 column.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let summary = read_csv("testdata/baci/BACI_HS12_Y*.csv").describe().compute()?;
    /// println!("{summary}");
    /// assert_eq!((summary.num_rows(), summary.num_columns()), (8, 7));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// As pandas' `describe`, with nulls skipped; NaN is a value and above all numbers (pandas skips it). Quartiles are exact,
    /// interpolated between neighbours (Dask's are approximate). Integers beyond 2^53 lose their last digits. Columns that are not numeric are left out; when there is no
    /// other, that is an [`ErrorKind::Type`] error.
    pub fn describe(&self) -> Frame {
        self.step("describe()".to_owned(), |input| {
            let numeric =
                |field: &&Arc<Field>| matches!(Type::of(field.data_type()), Some(Type::Int64 | Type::Float64));
            let names: Vec<String> = input.schema().fields().iter().filter(numeric).map(|f| f.name().clone()).collect();
            if names.is_empty() {
                return Err(Error::new(ErrorKind::Type, "no column is numeric")
                    .help("cast one, or count values with column(..).value_counts()"));
            }
            if names.iter().any(|name| name == "statistic") {
                return Err(Error::new(
                    ErrorKind::Column,
                    "a column is named 'statistic', as the one that names the rows",
                )
                .help("rename it first"));
            }
            // A name of its own for each, which no one sees.
            let aggs = names.iter().flat_map(|name| {
                aggregates(name).into_iter().zip(STATISTICS).map(move |(agg, what)| agg.alias(format!("{what} {name}")))
            });
            let aggregated = LogicalPlan::aggregate(input.clone(), Vec::new(), aggs.collect(), false)?;
            let mut fields = vec![Field::new("statistic", DataType::Utf8View, true)];
            fields.extend(names.iter().map(|name| Field::new(name, DataType::Float64, true)));
            let schema: SchemaRef = Arc::new(Schema::new(fields));
            let output = schema.clone();
            let turn = BatchFunction::new("describe", move |batch| turned(&batch, &output)).announced(&schema);
            LogicalPlan::map_batches(Arc::new(aggregated), turn)
        })
    }
}

/// From a row with all statistics of all columns to a row a statistic and a column a column.
fn turned(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_rows() == 0 {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringViewArray::from(STATISTICS.to_vec()))];
    for of_column in batch.columns().chunks(STATISTICS.len()) {
        let mut values = Vec::with_capacity(STATISTICS.len());
        for value in of_column {
            let value = cast(value, &DataType::Float64)?;
            let value = value.as_primitive::<Float64Type>();
            values.push(value.is_valid(0).then(|| value.value(0)));
        }
        columns.push(Arc::new(Float64Array::from(values)));
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
