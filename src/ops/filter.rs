//! Keeps the rows where a condition is true.

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use super::BatchOp;
use crate::error::Result;
use crate::expr::BoundExpr;

/// Keeps the rows where the condition is true: null drops a row, as false does.
pub(crate) struct FilterOp {
    schema: SchemaRef,
    condition: BoundExpr,
}

impl FilterOp {
    pub(crate) fn new(input: SchemaRef, condition: BoundExpr) -> FilterOp {
        FilterOp { schema: input, condition }
    }
}

impl BatchOp for FilterOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let mask = self.condition.eval_mask(&batch)?;
        match mask.true_count() {
            kept if kept == batch.num_rows() => Ok(batch),
            0 => Ok(batch.slice(0, 0)),
            _ => Ok(filter_record_batch(&batch, &mask)?),
        }
    }
}
