//! The partitions of a frame: cut anew, picked, reduced.

use std::error::Error as StdError;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::Frame;
use crate::batch::{FoldFunctions, batch_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Expr;
use crate::plan::{LogicalPlan, list};

impl Frame {
    /// The same rows in the same order, in `n` partitions of about as many rows each (some of none, if rows are fewer).
    ///
    /// All rows wait on the way, in memory or, where it is short, in the spill directory. From 1 to 100,000; others are an [`ErrorKind::Config`] error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let four = df.repartition(4);
    /// assert_eq!((df.npartitions()?, four.npartitions()?), (7, 4));
    /// assert_eq!(four.compute()?, df.compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn repartition(&self, n: usize) -> Frame {
        self.step(format!("repartition({n})"), |input| LogicalPlan::repartition(input, n, vec![]))
    }

    /// The same rows in `n` partitions, all rows of equal key in one of them: what [`map_partitions`](Frame::map_partitions)
    /// needs to see whole groups. Within a partition rows keep their order; which keys go where is decided by a fixed hash of
    /// their values, the same on every machine. Null is a key like others. Dask calls it `shuffle`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv").repartition_by(["i"], 3);
    /// let exporters = |n| df.partition(n).select(["i"]).distinct();
    /// let apart = concat((0..3).map(exporters));
    /// assert_eq!(apart.compute()?.num_rows(), df.select(["i"]).distinct().compute()?.num_rows());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without keys, or unless `n` is from 1 to 4096.
    pub fn repartition_by<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>, n: usize) -> Frame {
        let keys: Vec<Expr> = keys.into_iter().map(Into::into).collect();
        let step = format!("repartition_by({}, {n})", list(keys.iter().map(Expr::to_string)));
        self.step(step, |input| {
            if keys.is_empty() {
                return Err(Error::new(ErrorKind::Config, "there is no key to repartition by")
                    .help("name one column at least, or cut rows in order with repartition(n)"));
            }
            LogicalPlan::repartition(input, n, keys)
        })
    }

    /// The same rows in the same order, in partitions of about so many bytes in memory.
    ///
    /// How many these are is found by a first pass, which runs the steps so far, now, to add up the bytes of the rows. For files
    /// that are yet to be read, [`SessionBuilder::partition_size`](crate::SessionBuilder::partition_size) cuts them without a pass.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv"); // 14,000 rows of six columns of eight bytes
    /// assert_eq!(df.repartition_bytes(100_000).npartitions()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a size of 0, or of which there would be more than 100,000; what goes wrong in the first pass.
    pub fn repartition_bytes(&self, size: usize) -> Frame {
        self.step(format!("repartition_bytes({size})"), |input| {
            if size == 0 {
                return Err(Error::new(ErrorKind::Config, "partitions can't have 0 bytes").help("give a larger size"));
            }
            let n = self.memory_bytes()?.div_ceil(size).max(1);
            LogicalPlan::repartition(input, n, vec![])
        })
    }

    /// The bytes that the rows take in memory, by running the query.
    fn memory_bytes(&self) -> Result<usize> {
        let bytes = self.reduce(
            |batch| Ok::<_, Error>(batch_bytes(batch) as i64),
            |a, b| Ok(a + b),
            |all| Ok(RecordBatch::try_from_iter([("bytes", Arc::new(Int64Array::from(vec![all])) as _)])?),
        );
        let bytes = bytes.compute()?.column("bytes")?;
        Ok(bytes.as_primitive::<Int64Type>().value(0) as usize)
    }

    /// The rows of one partition alone, counted from 0. Only what they need is run: of a file, the partitions up to this one,
    /// since they say where it begins.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv"); // a small file is one partition
    /// assert_eq!(df.partition(6).compute()?, read_csv("testdata/baci/BACI_HS12_Y2018.csv").compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there are not so many.
    pub fn partition(&self, number: usize) -> Frame {
        self.step(format!("partition({number})"), |input| LogicalPlan::partition(input, number))
    }

    /// A reduction of your own, over all partitions at once: `chunk` makes a value of a batch, `combine` makes one of two, `finish`
    /// makes rows of the last. Dask calls it `reduction`.
    ///
    /// Values are combined in the order of the rows, in a tree. Batches have any number of rows, so that the answer must not
    /// depend on how rows are cut: `chunk` of two batches in one must be `combine` of their values, and `combine` associative.
    /// Without any rows, `finish` gets the `chunk` of a batch of none; that is also how the columns of the result are found, now
    /// ([`reduce_with_schema`](Frame::reduce_with_schema) announces them). What values hold is not counted on the memory limit.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use std::sync::Arc;
    /// use arrow::array::{AsArray, Int64Array, RecordBatch};
    /// use arrow::datatypes::Int64Type;
    /// use partita::prelude::*;
    /// // The bits that all product codes have in common.
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let common = df.reduce(
    ///     |batch| Ok::<i64, Error>(batch.column(3).as_primitive::<Int64Type>().values().iter().fold(-1, |a, k| a & k)),
    ///     |a, b| Ok(a & b),
    ///     |all| Ok(RecordBatch::try_from_iter([("bits", Arc::new(Int64Array::from(vec![all])) as _)])?),
    /// );
    /// assert_eq!(common.compute()?.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`map_batches`](Frame::map_batches) has.
    pub fn reduce<S: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        chunk: impl Fn(&RecordBatch) -> Result<S, E> + Send + Sync + 'static,
        combine: impl Fn(S, S) -> Result<S, E> + Send + Sync + 'static,
        finish: impl Fn(S) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        let functions = FoldFunctions::new(chunk, combine, finish);
        self.step("reduce(..)".to_owned(), |input| LogicalPlan::fold(input, functions))
    }

    /// As [`reduce`](Frame::reduce), with the columns of the result announced.
    pub fn reduce_with_schema<S: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        schema: SchemaRef,
        chunk: impl Fn(&RecordBatch) -> Result<S, E> + Send + Sync + 'static,
        combine: impl Fn(S, S) -> Result<S, E> + Send + Sync + 'static,
        finish: impl Fn(S) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Frame {
        let functions = FoldFunctions::new(chunk, combine, finish).announced(&schema);
        self.step("reduce(..)".to_owned(), |input| LogicalPlan::fold(input, functions))
    }
}
