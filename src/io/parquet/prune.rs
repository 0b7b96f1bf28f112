//! Which row groups may hold rows that a filter lets pass, by their statistics.
//!
//! A comparison of a column with a constant becomes one of the column's bounds: `t < 2018` may be true somewhere if
//! `min(t) < 2018`. The expression that says so for the whole filter is evaluated over a batch with a row for each row
//! group, by the same rules as the filter itself; where it is false, no row passes. What is not known is null there, and
//! prunes nothing; a part of the filter that is no such comparison is taken for true.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::file::metadata::RowGroupMetaData;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};

use crate::batch::{conform, conform_schema};
use crate::error::{Error, Result};
use crate::expr::{BinaryOp, Expr, Literal, Node, UnaryOp, col, lit};
use crate::io::typed::{FileColumns, to_type};

/// For each row group, whether the filter may be true for one of its rows.
pub(super) fn may_hold(
    filter: &Expr,
    schema: &SchemaRef,
    columns: &FileColumns,
    metadata: &ArrowReaderMetadata,
    groups: &[RowGroupMetaData],
) -> Vec<bool> {
    let mut bounds = Bounds { schema, columns, metadata, groups, known: Vec::new() };
    // A doubt about statistics is no reason to fail.
    bounds.evaluate(filter).unwrap_or_else(|_| vec![true; groups.len()])
}

/// What is known of row groups: for each column in question its least and greatest value, and whether there are nulls
/// and values.
struct Bounds<'a> {
    schema: &'a SchemaRef,
    columns: &'a FileColumns,
    metadata: &'a ArrowReaderMetadata,
    groups: &'a [RowGroupMetaData],
    known: Vec<(String, ArrayRef)>,
}

impl Bounds<'_> {
    fn evaluate(&mut self, filter: &Expr) -> Result<Vec<bool>> {
        let may = self.may_be_true(filter)?;
        if self.known.is_empty() {
            return Ok(vec![true; self.groups.len()]);
        }
        let fields = self.known.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let arrays = self.known.iter().map(|(_, array)| array.clone()).collect();
        let batch = RecordBatch::try_new(schema.clone(), arrays)?;
        let may = may.bind_condition(&schema)?.eval(&batch)?;
        let may = may.as_boolean_opt().ok_or_else(|| Error::internal("bounds are no condition"))?;
        Ok((0..may.len()).map(|i| may.is_null(i) || may.value(i)).collect())
    }

    /// A condition on bounds that is true or null wherever `filter` is true for some row.
    fn may_be_true(&mut self, filter: &Expr) -> Result<Expr> {
        Ok(match filter.node() {
            Node::Alias(inner, _) => self.may_be_true(inner)?,
            Node::Binary(BinaryOp::And, a, b) => self.may_be_true(a)?.and(self.may_be_true(b)?),
            Node::Binary(BinaryOp::Or, a, b) => self.may_be_true(a)?.or(self.may_be_true(b)?),
            Node::Binary(op, a, b) if op.is_comparison() => match (a.node(), b.node()) {
                (Node::Column(name), Node::Literal(value)) => self.compare(name, *op, value)?,
                (Node::Literal(value), Node::Column(name)) => self.compare(name, op.mirrored(), value)?,
                _ => lit(true),
            },
            Node::Unary(UnaryOp::IsNull, inner) => match inner.node() {
                Node::Column(name) => self.column(name)?.nulls,
                _ => lit(true),
            },
            Node::Unary(UnaryOp::IsNotNull, inner) => match inner.node() {
                Node::Column(name) => self.column(name)?.values,
                _ => lit(true),
            },
            Node::Unary(UnaryOp::Not, inner) => match inner.node() {
                Node::Column(name) => self.compare(name, BinaryOp::Eq, &Literal::Bool(false))?,
                _ => lit(true),
            },
            Node::Column(name) => self.compare(name, BinaryOp::Eq, &Literal::Bool(true))?,
            _ => lit(true),
        })
    }

    fn compare(&mut self, name: &str, op: BinaryOp, value: &Literal) -> Result<Expr> {
        if matches!(value, Literal::Float64(v) if v.is_nan()) {
            return Ok(lit(true));
        }
        let Column { min, max, values, may_be_nan, .. } = self.column(name)?;
        let value = || lit(value.clone());
        let within = match op {
            BinaryOp::Lt => min.lt(value()),
            BinaryOp::Le => min.le(value()),
            BinaryOp::Eq => min.le(value()).and(max.ge(value())),
            // NaN lies above all numbers and differs from all, and statistics don't speak of it.
            _ if may_be_nan => lit(true),
            BinaryOp::Gt => max.gt(value()),
            BinaryOp::Ge => max.ge(value()),
            BinaryOp::Ne => min.ne(value()).or(max.ne(value())),
            _ => lit(true),
        };
        Ok(within.and(values))
    }

    /// The bounds of a column, as columns of the batch to be.
    fn column(&mut self, name: &str) -> Result<Column> {
        let place = self.schema.index_of(name)?;
        let may_be_nan = self.columns.foreign_type(place).is_floating();
        let names = ["min", "max", "nulls", "values"].map(|what| format!("{place} {what}"));
        if self.known.iter().all(|(known, _)| *known != names[0]) {
            let arrays = self.statistics(place)?;
            self.known.extend(names.iter().cloned().zip(arrays));
        }
        let [min, max, nulls, values] = names.map(col);
        Ok(Column { min, max, nulls, values, may_be_nan })
    }

    /// The least and greatest values, and whether there are nulls and values, for each row group; null where unknown.
    fn statistics(&self, place: usize) -> Result<[ArrayRef; 4]> {
        let in_file = self.columns.places(&[place])[0];
        let schema = self.metadata.schema();
        let failed = |e: ::parquet::errors::ParquetError| Error::internal("statistics can't be read").caused_by(e);
        let converter =
            StatisticsConverter::from_column_index(in_file, schema.field(in_file), self.metadata.parquet_schema())
                .map_err(failed)?
                .with_missing_null_counts_as_zero(false);
        let mins = converter.row_group_mins(self.groups).map_err(failed)?;
        let maxes = converter.row_group_maxes(self.groups).map_err(failed)?;
        let null_counts = converter.row_group_null_counts(self.groups).map_err(failed)?;
        let counts = null_counts.iter().zip(self.groups);
        let nulls: BooleanArray = counts.clone().map(|(nulls, _)| nulls.map(|n| n > 0)).collect();
        let values: BooleanArray = counts.map(|(nulls, group)| nulls.map(|n| n < group.num_rows() as u64)).collect();
        let to = self.schema.field(place).data_type();
        let bound = |array: ArrayRef| -> Result<ArrayRef> {
            // Texts ordered by signed bytes, as old writers did, bound nothing.
            let order_unknown = array.data_type() == &DataType::Utf8View;
            let array = if order_unknown { self.without_deprecated(&array, in_file)? } else { array };
            let batch = RecordBatch::try_from_iter_with_nullable([("bound", array, true)])?;
            let own = conform(&batch, &conform_schema(&batch.schema())?)?;
            without_nan(&to_type(own.column(0), to)?)
        };
        Ok([bound(mins)?, bound(maxes)?, Arc::new(nulls), Arc::new(values)])
    }

    fn without_deprecated(&self, array: &ArrayRef, in_file: usize) -> Result<ArrayRef> {
        let deprecated = |group: &RowGroupMetaData| {
            Some(group.column(in_file).statistics().is_some_and(|statistics| statistics.is_min_max_deprecated()))
        };
        Ok(nullif(array, &self.groups.iter().map(deprecated).collect::<BooleanArray>())?)
    }
}

/// A column's bounds in the condition.
struct Column {
    min: Expr,
    max: Expr,
    /// Whether there are nulls, whether there are values.
    nulls: Expr,
    values: Expr,
    /// Whether there may be values that the bounds don't bound.
    may_be_nan: bool,
}

/// NaN bounds nothing.
fn without_nan(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(floats) = array.as_primitive_opt::<Float64Type>() else { return Ok(array.clone()) };
    let numbers: Float64Array = floats.iter().map(|v| v.filter(|v| !v.is_nan())).collect();
    Ok(Arc::new(numbers))
}
