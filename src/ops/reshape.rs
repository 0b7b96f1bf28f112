//! Row-wise steps that give more rows than they take: columns below each other, and the pieces of a text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, StringViewBuilder, UInt32Array};
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::SchemaRef;

use super::BatchOp;
use crate::error::Result;

/// A row for each of some columns: its name, its value, and other columns of the row it stood in.
pub(crate) struct UnpivotOp {
    schema: SchemaRef,
    index: Vec<usize>,
    columns: Vec<usize>,
    names: Vec<String>,
}

impl UnpivotOp {
    /// `output` has the index columns, then names and values.
    pub(crate) fn new(input: &SchemaRef, index: &[String], columns: &[String], output: SchemaRef) -> Result<UnpivotOp> {
        let places = |names: &[String]| names.iter().map(|name| Ok(input.index_of(name)?)).collect::<Result<Vec<_>>>();
        Ok(UnpivotOp { schema: output, index: places(index)?, columns: places(columns)?, names: columns.to_vec() })
    }
}

impl BatchOp for UnpivotOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let (rows, n) = (batch.num_rows(), self.columns.len());
        let repeated = UInt32Array::from_iter_values((0..rows as u32).flat_map(|row| std::iter::repeat_n(row, n)));
        let mut columns: Vec<ArrayRef> =
            self.index.iter().map(|i| Ok(take(batch.column(*i), &repeated, None)?)).collect::<Result<_>>()?;
        let names = StringViewArray::from_iter_values(&self.names);
        let cycled = UInt32Array::from_iter_values((0..rows).flat_map(|_| 0..n as u32));
        columns.push(take(&names, &cycled, None)?);
        let kind = self.schema.field(columns.len()).data_type();
        let values: Vec<ArrayRef> =
            self.columns.iter().map(|i| Ok(cast(batch.column(*i), kind)?)).collect::<Result<_>>()?;
        let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = (0..rows).flat_map(|row| (0..n).map(move |column| (column, row))).collect();
        columns.push(interleave(&values, &places)?);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// A row for each piece of a text.
pub(crate) struct ExplodeOp {
    schema: SchemaRef,
    column: usize,
    separator: String,
}

impl ExplodeOp {
    pub(crate) fn new(schema: SchemaRef, column: &str, separator: &str) -> Result<ExplodeOp> {
        Ok(ExplodeOp { column: schema.index_of(column)?, schema, separator: separator.to_owned() })
    }
}

impl BatchOp for ExplodeOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let texts = batch.column(self.column).as_string_view();
        let (mut pieces, mut rows) = (StringViewBuilder::new(), Vec::with_capacity(texts.len()));
        for (row, text) in (0u32..).zip(texts) {
            match text {
                None => {
                    pieces.append_null();
                    rows.push(row);
                }
                Some(text) => text.split(&self.separator).for_each(|piece| {
                    pieces.append_value(piece);
                    rows.push(row);
                }),
            }
        }
        let rows = UInt32Array::from(rows);
        let pieces: ArrayRef = Arc::new(pieces.finish());
        let columns = batch
            .columns()
            .iter()
            .enumerate()
            .map(|(i, column)| Ok(if i == self.column { pieces.clone() } else { take(column, &rows, None)? }));
        Ok(RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<_>>()?)?)
    }
}
