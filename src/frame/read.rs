//! Where frames begin.

use std::sync::Arc;

use super::Frame;
use crate::io::csv::{CsvOptions, CsvSource};
use crate::io::{IpcSource, ParquetSource, Paths, Spool};
use crate::plan::LogicalPlan;
use crate::sched::Session;

/// CSV files as one lazy frame, in the default session.
///
/// `paths` is a path, a glob (its matches sorted), `-` for standard input, bytes in memory, or a list of these: [`Paths`]. Now only headers and samples are looked at, at
/// the beginning, the middle and the end of every file, for the types of the columns: int64, float64, bool, date,
/// timestamp or text, agreed over all files. Files may order their columns differently, but must have the same ones (unless [`CsvOptions::columns_may_differ`]).
/// What counts as missing, how numbers may be written, and all that can be set: [`CsvOptions`].
///
/// Files may be compressed, by gzip or Zstandard, which their first bytes tell: such a file is unpacked once, into the directory for spill
/// files. How files differ from the plain kind, with commas, quotes and a header, is for [`CsvOptions`] to say, or to find out
/// ([`CsvOptions::sniff`]): nothing is guessed that was not asked for.
///
/// Rows keep the order of the files and of the lines in them. A value that turns out not to fit the inferred type of its column has
/// the run look at all values of the columns that it uses, and start again with types that hold them ([`Event::Restarted`](crate::Event::Restarted)
/// tells); pandas would give a column of mixed types, others stop. Where that can't be (a closure has run, a batch has left a stream), or must
/// not ([`CsvOptions::strict`]), and where a type was given, it is an error with its file, line, column and byte. What a query does not use is not decoded, and so
/// not checked.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// println!("{df}");
/// assert_eq!(df.schema()?.fields().len(), 6);
/// # Ok(())
/// # }
/// ```
pub fn read_csv(paths: impl Into<Paths>) -> Frame {
    Session::default().read_csv(paths)
}

/// As [`read_csv`], with options.
pub fn read_csv_with(paths: impl Into<Paths>, options: CsvOptions) -> Frame {
    Session::default().read_csv_with(paths, options)
}

/// Parquet files as one lazy frame, in the default session.
///
/// `paths` is a path, a glob (its matches sorted), or a list of these. Now only the files' metadata are read. They must have
/// the same columns, in any order; a column that is int64 in one and float64 in another becomes float64, date with timestamp
/// becomes timestamp. Other integers become int64, float32 and decimals float64, texts text, timestamps microseconds (with a
/// time zone: in UTC); lists, structs and binary columns are an error.
///
/// Partitions are runs of row groups, of about the session's [partition size](crate::SessionBuilder::partition_size) on the
/// disk, and never span files. Of the columns only those are read that the query uses; row groups for which the statistics
/// in the file say that a filter can't be true of any of their rows are not read at all. (Statistics know nothing of NaN,
/// which is above all numbers: `q > 5` of a float column skips no row group, `q < 5` and `q = 5` do.)
///
/// Rows keep the order of the files and of the rows in them.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_parquet("testdata/formats/pyarrow.parquet");
/// assert_eq!(df.agg([size()]).compute()?, read_parquet("testdata/formats/duckdb.parquet").agg([size()]).compute()?);
/// assert_eq!(df.filter(col("id").ge(150)).select(["id", "text"]).compute()?.num_rows(), 50);
/// # Ok(())
/// # }
/// ```
pub fn read_parquet(paths: impl Into<Paths>) -> Frame {
    Session::default().read_parquet(paths)
}

/// Arrow IPC files (Feather) as one lazy frame, in the default session: the file format and the stream format, with or
/// without compression.
///
/// Paths, columns and types are as [`read_parquet`] has them. Partitions are runs of record batches; a stream is one.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_ipc("testdata/formats/polars.arrow");
/// assert_eq!(df.select(["id", "at"]).compute()?.num_rows(), 200);
/// # Ok(())
/// # }
/// ```
pub fn read_ipc(paths: impl Into<Paths>) -> Frame {
    Session::default().read_ipc(paths)
}

impl Session {
    /// As [`read_parquet`], in this session.
    pub fn read_parquet(&self, paths: impl Into<Paths>) -> Frame {
        let paths = paths.into();
        let step = format!("read_parquet({paths})");
        let source = ParquetSource::open(paths, self.partitions(), &mut Spool::new(self.spill_dir()));
        Frame::new(self.clone(), source.map(|source| LogicalPlan::read(Arc::new(source))), step)
    }

    /// As [`read_ipc`], in this session.
    pub fn read_ipc(&self, paths: impl Into<Paths>) -> Frame {
        let paths = paths.into();
        let step = format!("read_ipc({paths})");
        let source = IpcSource::open(paths, self.partitions(), &mut Spool::new(self.spill_dir()));
        Frame::new(self.clone(), source.map(|source| LogicalPlan::read(Arc::new(source))), step)
    }

    /// As [`read_csv`], in this session.
    pub fn read_csv(&self, paths: impl Into<Paths>) -> Frame {
        self.read_csv_with(paths, CsvOptions::default())
    }

    /// As [`read_csv_with`], in this session.
    pub fn read_csv_with(&self, paths: impl Into<Paths>, options: CsvOptions) -> Frame {
        let paths = paths.into();
        let step = format!("read_csv({paths})");
        let source = CsvSource::open(paths, options, self.partitions(), self.spill_dir());
        Frame::new(self.clone(), source.map(|source| LogicalPlan::scan(Arc::new(source))), step)
    }
}
