//! Computes columns.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::BatchOp;
use crate::error::Result;
use crate::expr::{BoundExpr, BoundSet};

/// Gives one column for every expression, named by the output's schema. What the expressions share is computed once.
pub(crate) struct ProjectOp {
    schema: SchemaRef,
    exprs: BoundSet,
}

impl ProjectOp {
    pub(crate) fn new(output: SchemaRef, exprs: Vec<BoundExpr>) -> ProjectOp {
        ProjectOp { schema: output, exprs: BoundSet::new(exprs) }
    }
}

impl BatchOp for ProjectOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let columns = self.exprs.eval(&batch)?;
        // The number of rows is told, since there may be no columns that show it.
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}
