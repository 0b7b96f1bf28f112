//! A share of a frame's rows.

use super::Frame;
use crate::plan::LogicalPlan;

impl Frame {
    /// About this fraction of the rows, drawn by `seed`, in their order. Every row is drawn or not by itself: a fraction of 0.1
    /// of a million rows is 100,000 give or take some hundred, not exactly that (pandas' `sample` draws an exact number, for
    /// which it needs all rows at once).
    ///
    /// Whether a row of a file is drawn depends on the seed, the file's path as it was given or found, and the byte that the row begins
    /// at, on nothing else. So the same seed draws the same rows every time, in any number of partitions, before a filter as well as behind it;
    /// a second sample by the same seed draws no fewer, unless its fraction is smaller. Rows that are not drawn are not decoded: a
    /// bad value in them goes unseen.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let tenth = df.sample(0.1, 7);
    /// let rows = tenth.compute()?.num_rows();
    /// assert!((1200..1600).contains(&rows), "{rows} of 14,000");
    /// assert_eq!(tenth.filter(col("t").eq(2018)).compute()?, df.filter(col("t").eq(2018)).sample(0.1, 7).compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a fraction that is not from 0 to 1.
    pub fn sample(&self, fraction: f64, seed: u64) -> Frame {
        self.step(format!("sample({fraction}, {seed})"), |input| LogicalPlan::sample(input, fraction, seed))
    }
}
