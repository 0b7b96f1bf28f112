//! Frames to files.

use std::path::Path;

use super::Frame;
use super::restart::{current, wider};
use crate::error::{Error, Result};
use crate::io::write::{WriteOptions, Written};
use crate::lower::{expand, lower_written};
use crate::mem::take;
use crate::plan::optimise;

impl Frame {
    /// Runs the query and writes its rows to files, in order. What format, and what becomes of the target:
    /// [`WriteOptions`].
    ///
    /// All threads write, each to files of its own in a hidden folder beside the target; at the end these are joined, without
    /// decoding them, or become the files of a directory. To one Parquet file all threads write at once: its row groups stand in it
    /// as they came, and its footer names them in the order of the rows. The target's name appears only when everything is complete:
    /// a run that fails or is cancelled leaves nothing behind, and what had the name before as it was. Results may be larger than
    /// memory.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let folder = dir.path();
    /// use partita::prelude::*;
    /// let trade = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let written = trade.write(folder.join("trade"), WriteOptions::parquet().partition_by(["t"]))?;
    /// assert_eq!((written.files.len(), written.rows), (7, 14_000));
    /// assert_eq!(written.files[6], folder.join("trade/t=2018/part-00000.parquet"));
    ///
    /// let again = read_parquet(folder.join("trade/t=2018/*.parquet"));
    /// assert_eq!(again.compute()?, read_csv("testdata/baci/BACI_HS12_Y2018.csv").drop(["t"]).compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Frame::compute) has, and those of the target: [`ErrorKind::Exists`](crate::ErrorKind::Exists) when something of
    /// that name is there, [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the directory to write into is not,
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for options that make no sense and for a target that is or holds a file
    /// that the query reads, [`ErrorKind::Io`](crate::ErrorKind::Io) when the disk is full or the system refuses.
    pub fn write(&self, path: impl AsRef<Path>, options: WriteOptions) -> Result<Written> {
        let path = path.as_ref();
        let step = || format!("write({:?})", path.display().to_string());
        let written = || {
            let mut plans = current(std::slice::from_ref(self.plan()?))?;
            loop {
                let plan = plans.first().ok_or_else(|| Error::internal("a plan got lost"))?;
                let stages = lower_written(&*optimise(plan)?, path, &options)?;
                let (graph, ends) = expand(stages, self.session.config())?;
                match self.session.start(graph, &ends.concat()).wait() {
                    Ok(written) => {
                        let [written] = <[_; 1]>::try_from(written)
                            .map_err(|_| Error::internal("what was written is several things"))?;
                        return take(written);
                    }
                    // Nothing has its name yet: it can be begun again.
                    Err(error) => plans = wider(&self.session, &plans, error)?,
                }
            }
        };
        written().map_err(|e: Error| if e.steps().is_empty() { e.in_step(step()) } else { e })
    }

    /// Writes a CSV file, or a directory of them if the path ends in `/`. As [`write`](Frame::write) with
    /// [`WriteOptions::csv`], which says how values are spelled.
    ///
    /// Unlike pandas' `to_csv`, it writes no index, no text for a float that reads back as another float, and does not
    /// replace a file that exists.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let folder = dir.path();
    /// use partita::prelude::*;
    /// let by_exporter = read_csv("testdata/baci/BACI_HS12_Y*.csv").group_by(["i"]).agg([col("v").sum()]).sort([col("v").desc()]);
    /// let written = by_exporter.write_csv(folder.join("exporters.csv"))?;
    /// assert_eq!(read_csv(&written.files[0]).compute()?, by_exporter.compute()?);
    ///
    /// let again = by_exporter.write_csv(folder.join("exporters.csv")).unwrap_err();
    /// assert_eq!(again.kind(), ErrorKind::Exists);
    /// by_exporter.write(folder.join("exporters.csv"), WriteOptions::csv().delimiter(b';').overwrite())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`write`](Frame::write) has.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<Written> {
        self.write(path, WriteOptions::csv())
    }

    /// Writes a Parquet file, or a directory of them if the path ends in `/`. As [`write`](Frame::write) with
    /// [`WriteOptions::parquet`].
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let folder = dir.path();
    /// use partita::prelude::*;
    /// let trade = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// trade.write_parquet(folder.join("trade.parquet"))?;
    /// assert_eq!(read_parquet(folder.join("trade.parquet")).compute()?, trade.compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`write`](Frame::write) has.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<Written> {
        self.write(path, WriteOptions::parquet())
    }

    /// Writes an Arrow IPC file (Feather), or a directory of them if the path ends in `/`. As [`write`](Frame::write)
    /// with [`WriteOptions::ipc`].
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let folder = dir.path();
    /// use partita::prelude::*;
    /// let trade = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// trade.write_ipc(folder.join("trade.arrow"))?;
    /// assert_eq!(read_ipc(folder.join("trade.arrow")).compute()?, trade.compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`write`](Frame::write) has.
    pub fn write_ipc(&self, path: impl AsRef<Path>) -> Result<Written> {
        self.write(path, WriteOptions::ipc())
    }
}
