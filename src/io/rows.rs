//! What a plan can begin with other than CSV files: rows in partitions.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::batch::Table;
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

impl RowSource for Table {
    fn schema(&self) -> &SchemaRef {
        self.schema()
    }

    fn partitions(&self) -> usize {
        1
    }

    fn text(&self) -> String {
        format!("table of {} rows", self.num_rows())
    }

    fn read<'a>(&'a self, _: usize, columns: &[usize], _: Option<&Expr>, _: Reservation) -> Result<Rows<'a>> {
        let columns = columns.to_vec();
        Ok(Box::new(self.batches().iter().map(move |batch| Ok(batch.project(&columns)?))))
    }
}
