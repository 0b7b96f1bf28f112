//! Closures of the program over batches and partitions.

use std::error::Error as StdError;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Frame;
use crate::batch::BatchFunction;
use crate::plan::LogicalPlan;

impl Frame {
    /// What a closure makes of the rows, batch by batch as they stream by: for row-wise work that expressions can't say.
    ///
    /// Batches have any number of rows, so that the answer must not depend on how rows are cut: what a row becomes is to be
    /// decided by that row alone, in any number of rows, in their order. For more than that there are
    /// [`map_partitions`](Frame::map_partitions) and [`GroupBy::apply`](crate::GroupBy::apply). The closure runs on many threads
    /// at once. Text comes as `Utf8View` columns, missing values as nulls.
    ///
    /// The columns that come out are found by a call with a batch of no rows, now;
    /// [`map_batches_with_schema`](Frame::map_batches_with_schema) announces them instead. Columns of arrow types that frames do
    /// not have become those that hold the same values, as in [`Session::frame`](crate::Session::frame).
    /// Columns are not pruned before the closure, nor filters moved across it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    /// use arrow::datatypes::Int64Type;
    /// use partita::prelude::*;
    /// let digits = read_csv("testdata/baci/BACI_HS12_Y2018.csv").map_batches(|batch| {
    ///     let sum = |k: i64| k.to_string().bytes().map(|b| i64::from(b - b'0')).sum::<i64>();
    ///     let sums: Int64Array = batch.column(3).as_primitive::<Int64Type>().unary(sum);
    ///     RecordBatch::try_from_iter([("k", batch.column(3).clone()), ("digits", Arc::new(sums) as ArrayRef)])
    /// });
    /// assert_eq!(digits.schema()?.field(1).name(), "digits");
    /// assert_eq!(digits.compute()?.num_rows(), 2000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Dask's `map_partitions` makes a guess of the columns from rows that it invents; ours come from a batch without rows, and
    /// each batch is checked against them.
    ///
    /// # Errors
    /// An error of the closure comes out as it is if it is one of ours, else as an
    /// [`ErrorKind::Function`](crate::ErrorKind::Function) error with it as its source. A panic is an
    /// [`ErrorKind::Panic`](crate::ErrorKind::Panic) error, a batch that lacks the columns announced an
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) error.
    pub fn map_batches<E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.mapped_batches(BatchFunction::new("map_batches", function))
    }

    /// As [`map_batches`](Frame::map_batches), with the columns announced: the closure is not called before there are rows.
    pub fn map_batches_with_schema<E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        schema: SchemaRef,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.mapped_batches(BatchFunction::new("map_batches", function).announced(&schema))
    }

    fn mapped_batches(&self, function: BatchFunction) -> Frame {
        self.step("map_batches(..)".to_owned(), |input| LogicalPlan::map_batches(input, function))
    }

    /// What a closure makes of each partition, which it gets whole, as one batch: each exactly once, also those without rows.
    /// Partitions stay partitions, in their order.
    ///
    /// A partition is what [`npartitions`](Frame::npartitions) counts; [`repartition`](Frame::repartition) cuts others. Its memory
    /// is counted, and one too large for the limit is refused with a size that would fit. All else is as in
    /// [`map_batches`](Frame::map_batches).
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    /// use partita::prelude::*;
    /// let session = Session::builder().partition_size(30_000).build()?;
    /// let df = session.read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let sizes = df.map_partitions(|partition| {
    ///     let number = |n: usize| Arc::new(Int64Array::from(vec![n as i64])) as ArrayRef;
    ///     let (rows, bytes) = (partition.num_rows(), partition.get_array_memory_size());
    ///     RecordBatch::try_from_iter([("rows", number(rows)), ("bytes", number(bytes))])
    /// });
    /// let table = sizes.compute()?;
    /// println!("{table}");
    /// assert_eq!(table.num_rows(), df.npartitions()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`map_batches`](Frame::map_batches) has, and [`ErrorKind::Memory`](crate::ErrorKind::Memory).
    pub fn map_partitions<E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.mapped_partitions(BatchFunction::new("map_partitions", function))
    }

    /// As [`map_partitions`](Frame::map_partitions), with the columns announced.
    pub fn map_partitions_with_schema<E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        schema: SchemaRef,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        self.mapped_partitions(BatchFunction::new("map_partitions", function).announced(&schema))
    }

    fn mapped_partitions(&self, function: BatchFunction) -> Frame {
        // Short fields take several times their bytes once they are decoded, a copy as much again, and every thread has a partition.
        let fitting = self.session.memory() / (16 * self.session.threads());
        let fitting = fitting.min(self.session.partition_size() / 2).max(1);
        let step = "map_partitions(..)".to_owned();
        self.step(step, |input| LogicalPlan::map_partitions(input, function, fitting))
    }
}
