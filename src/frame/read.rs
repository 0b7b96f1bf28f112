//! Where frames begin.

use std::sync::Arc;

use super::Frame;
use crate::io::Paths;
use crate::io::csv::{CsvOptions, CsvSource};
use crate::plan::LogicalPlan;
use crate::sched::Session;

/// CSV files as one lazy frame, in the default session.
///
/// `paths` is a path, a glob (its matches sorted), `-` for standard input, bytes in memory, or a list of these: [`Paths`]. Now only headers and samples are looked at, at
/// the beginning, the middle and the end of every file, for the types of the columns: int64, float64, bool, date,
/// timestamp or text, agreed over all files. Files may order their columns differently, but must have the same ones (unless [`CsvOptions::columns_may_differ`]).
/// What counts as missing, how numbers may be written, and all that can be set: [`CsvOptions`].
///
/// Rows keep the order of the files and of the lines in them. A value that turns out not to fit its column's type stops
/// the run with its file, line, column and byte; what a query does not use is not decoded, and so not checked.
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

impl Session {
    /// As [`read_csv`], in this session.
    pub fn read_csv(&self, paths: impl Into<Paths>) -> Frame {
        self.read_csv_with(paths, CsvOptions::default())
    }

    /// As [`read_csv_with`], in this session.
    pub fn read_csv_with(&self, paths: impl Into<Paths>, options: CsvOptions) -> Frame {
        let paths = paths.into();
        let step = format!("read_csv({paths})");
        let source = CsvSource::open(paths, options, self.partition_size() as u64, self.spill_dir());
        Frame::new(self.clone(), source.map(|source| LogicalPlan::scan(Arc::new(source))), step)
    }
}
