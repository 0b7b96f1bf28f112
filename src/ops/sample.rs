//! Draws rows by their numbers, where they are no rows of files.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use super::InOrderOp;
use crate::error::Result;
use crate::io::Sample;

/// Keeps the rows that a sample draws, counted from 0 over all partitions.
pub(crate) struct SampleOp {
    schema: SchemaRef,
    sample: Sample,
}

impl SampleOp {
    pub(crate) fn new(schema: SchemaRef, sample: Sample) -> SampleOp {
        SampleOp { schema, sample }
    }
}

impl InOrderOp for SampleOp {
    /// How many rows there are.
    type Carry = u64;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn carry(&self, rows: &[RecordBatch]) -> Result<u64> {
        Ok(rows.iter().map(|batch| batch.num_rows() as u64).sum())
    }

    fn join(&self, before: &u64, after: &u64) -> Result<u64> {
        Ok(before + after)
    }

    fn looks_ahead(&self) -> bool {
        false
    }

    fn apply(&self, before: Option<&u64>, rows: Vec<RecordBatch>, _: Option<&u64>) -> Result<Vec<RecordBatch>> {
        // All rows are of one file without a name.
        let drawn = self.sample.of_file("");
        let mut number = before.copied().unwrap_or(0);
        let kept = rows.into_iter().map(|batch| {
            let end = number + batch.num_rows() as u64;
            let mask: BooleanArray = (number..end).map(|row| Some(drawn.is_drawn(row))).collect();
            number = end;
            Ok(filter_record_batch(&batch, &mask)?)
        });
        kept.collect()
    }
}
