//! What a plan can begin with other than CSV files: rows in partitions.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::batch::{Table, is_narrow, shown};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::graph::{TaskGraph, TaskId};
use crate::mem::{Part, Reservation};

/// The batches of a partition, one after the other.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;

/// Rows in partitions: a table in memory, persisted partitions, files of other formats.
pub(crate) trait RowSource: fmt::Debug + Send + Sync {
    /// The columns, of our types alone.
    fn schema(&self) -> &SchemaRef;
    /// How many partitions there are.
    fn partitions(&self) -> usize;
    /// For people: what it is, without its columns.
    fn text(&self) -> String;
    /// The files that are read, which no writer may replace.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
    /// How much there is to read, for progress.
    fn bytes(&self) -> u64 {
        0
    }
    /// Whether the rows are in memory as they are given, so that taking them costs none.
    fn is_in_memory(&self) -> bool {
        false
    }
    /// Whether reading runs closures of a user's, which should not run twice.
    fn has_closures(&self) -> bool {
        false
    }
    /// Adds the tasks that rows are yet to be computed by: one for each partition, or none at all, if they can be read.
    fn expand(&self, _: &mut TaskGraph) -> Result<Vec<TaskId>> {
        Ok(Vec::new())
    }
    /// The batches of a partition, from what its task gave: these columns.
    fn read_given<'a>(&'a self, _partition: usize, _given: &Arc<dyn Part>, _columns: &[usize]) -> Result<Rows<'a>> {
        Err(Error::internal("a source has no tasks"))
    }
    /// The values of a text column, sorted, where [`with_codes`](RowSource::with_codes) can give their places instead.
    fn dictionary(&self, _column: usize) -> Option<&ArrayRef> {
        None
    }
    /// The same rows with integers in these columns, which have dictionaries: the place of each text in them.
    fn with_codes(self: Arc<Self>, _columns: &[usize]) -> Result<Arc<dyn RowSource>> {
        Err(Error::internal("a source has no codes"))
    }
    /// The batches of a partition, these columns, as places in the schema. Rows for which `filter` is certainly false
    /// may be left out; it runs again behind the source.
    fn read<'a>(
        &'a self,
        partition: usize,
        columns: &[usize],
        filter: Option<&Expr>,
        memory: Reservation,
    ) -> Result<Rows<'a>>;
}

/// A table in memory has a partition for about so many rows.
const TABLE_ROWS: usize = 1 << 20;

impl RowSource for Table {
    fn schema(&self) -> &SchemaRef {
        self.schema()
    }

    fn partitions(&self) -> usize {
        self.num_rows().div_ceil(TABLE_ROWS).max(1)
    }

    fn text(&self) -> String {
        format!("table of {} rows", self.num_rows())
    }

    fn is_in_memory(&self) -> bool {
        !self.held().iter().any(|batch| is_narrow(batch, self.schema()))
    }

    fn read<'a>(&'a self, partition: usize, columns: &[usize], _: Option<&Expr>, _: Reservation) -> Result<Rows<'a>> {
        let (columns, schema) = (columns.to_vec(), Arc::new(self.schema().project(columns)?));
        let cut = |partition: usize| (self.num_rows() as u128 * partition as u128 / self.partitions() as u128) as usize;
        let (from, to) = (cut(partition), cut(partition + 1));
        let mut end = 0;
        Ok(Box::new(self.held().iter().filter_map(move |batch| {
            let start = end;
            end += batch.num_rows();
            let (first, last) = (from.clamp(start, end), to.clamp(start, end));
            let part = || shown(batch.slice(first - start, last - first).project(&columns)?, &schema);
            (first < last).then(part)
        })))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::mem::Budget;

    #[test]
    fn partitions_of_a_table_are_its_rows_in_order() {
        let values: Vec<i64> = (0..TABLE_ROWS as i64 * 5 / 2).collect();
        for rows in [1, 1000, 300_000, values.len()] {
            let column = |chunk: &[i64]| Arc::new(Int64Array::from(chunk.to_vec())) as ArrayRef;
            let batch = |chunk| RecordBatch::try_from_iter([("x", column(chunk))]).unwrap();
            let values = &values[..if rows == 1 { 5 } else { values.len() }];
            let batches: Vec<RecordBatch> = values.chunks(rows).map(batch).collect();
            let table = Table::new(batches[0].schema(), batches).unwrap();
            assert_eq!(table.partitions(), if rows == 1 { 1 } else { 3 });
            let read = |partition| table.read(partition, &[0], None, Budget::of(0).reserve("table")).unwrap();
            let sizes = |partition| read(partition).map(|batch| batch.unwrap().num_rows()).sum::<usize>();
            assert!(
                (0..table.partitions()).map(sizes).all(|size| size.abs_diff(values.len() / table.partitions()) <= 1)
            );
            let all = (0..table.partitions()).flat_map(read).flat_map(|batch| {
                let batch = batch.unwrap();
                assert!(batch.num_rows() > 0);
                batch.column(0).as_primitive::<Int64Type>().values().to_vec()
            });
            assert!(all.eq(values.iter().copied()));
        }
    }
}
