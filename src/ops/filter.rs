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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::expr::{Expr, col, lit};
    use crate::ops::ProjectOp;

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))]).unwrap()
    }

    fn filtered(condition: Expr) -> RecordBatch {
        let condition = condition.bind_condition(&batch().schema()).unwrap();
        FilterOp::new(batch().schema(), condition).apply(batch()).unwrap()
    }

    #[test]
    fn keeps_what_is_true() {
        assert_eq!(filtered(col("a").gt(1)), batch().slice(2, 1));
        assert_eq!(filtered(lit(true)), batch());
        assert_eq!(filtered(lit(None::<bool>)).num_rows(), 0);
        assert_eq!(filtered(col("a").ne(2)).column(0).as_primitive::<Int64Type>().values().to_vec(), [1, 3]);
    }

    #[test]
    fn projects_columns_and_none() {
        let schema = Arc::new(Schema::new(vec![Field::new("b", DataType::Int64, true)]));
        let exprs = vec![(col("a") + 1).bind(&batch().schema()).unwrap()];
        let result = ProjectOp::new(schema.clone(), exprs).apply(batch()).unwrap();
        let want: Vec<Option<i64>> = result.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!((want, result.schema()), (vec![Some(2), None, Some(4)], schema));
        let none = ProjectOp::new(Arc::new(Schema::empty()), vec![]).apply(batch()).unwrap();
        assert_eq!((none.num_rows(), none.num_columns()), (3, 0));
    }
}
