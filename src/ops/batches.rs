//! Batches that pass from one stage to the next.

use arrow::array::RecordBatch;

use crate::mem::Part;

/// The rows of a partition, as batches of any number of rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batches(pub Vec<RecordBatch>);

impl Part for Batches {
    fn bytes(&self) -> usize {
        self.0.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}
