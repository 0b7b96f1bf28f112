//! Brings the batches of one frame into the shape of another: columns by name, types widened, what is lacking null.

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;

use super::BatchOp;
use crate::error::Result;

/// Columns of the input in the order, under the names and of the types of `output`.
pub(crate) struct AlignOp {
    output: SchemaRef,
    /// For each column that comes out, which one of the input it is.
    places: Vec<Option<usize>>,
}

impl AlignOp {
    /// Types that differ must widen: integers to floats, dates to timestamps.
    pub(crate) fn new(input: &SchemaRef, output: SchemaRef) -> AlignOp {
        let places = output.fields().iter().map(|field| input.index_of(field.name()).ok()).collect();
        AlignOp { output, places }
    }
}

impl BatchOp for AlignOp {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.output.fields().iter().zip(&self.places).map(|(field, place)| {
            Ok(match place {
                None => new_null_array(field.data_type(), rows),
                Some(place) if batch.column(*place).data_type() == field.data_type() => batch.column(*place).clone(),
                Some(place) => cast(batch.column(*place), field.data_type())?,
            })
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.output.clone(), columns.collect::<Result<_>>()?, &options)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn by_name_widened_and_null_where_lacking() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let batch = RecordBatch::try_from_iter([("x", column.clone()), ("a", column)]).unwrap();
        let field = |name, dtype| Field::new(name, dtype, true);
        let output = Schema::new(vec![field("a", DataType::Float64), field("b", DataType::Utf8View)]);
        let op = AlignOp::new(&batch.schema(), Arc::new(output));
        let got = op.apply(batch).unwrap();
        assert_eq!(got.schema(), *op.schema());
        assert_eq!(got.column(0).as_ref(), &Float64Array::from(vec![Some(1.0), None]));
        assert_eq!((got.column(1).null_count(), got.num_rows()), (2, 2));
    }
}
