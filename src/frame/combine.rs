//! Frames out of tables in memory, and out of several frames.

use std::sync::Arc;

use super::Frame;
use crate::batch::Table;
use crate::error::{Error, ErrorKind};
use crate::plan::LogicalPlan;
use crate::sched::Session;

/// The rows of several frames, one frame after the other, as pandas' `concat` gives them.
///
/// Columns are found by name, in the order in which the frames name them first; a frame that lacks one has nulls there.
/// A column that is int64 in one and float64 in another becomes float64, date with timestamp becomes timestamp; any
/// other mix of types is an error. The first frame's session runs it.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let early = read_csv("testdata/baci/BACI_HS12_Y2012.csv");
/// let late = read_csv("testdata/baci/BACI_HS12_Y2018.csv").select(["t", "v"]);
/// let both = concat([early, late]);
/// assert_eq!(both.schema()?.fields().len(), 6);
/// assert_eq!(both.compute()?.num_rows(), 4000);
/// # Ok(())
/// # }
/// ```
pub fn concat(frames: impl IntoIterator<Item = Frame>) -> Frame {
    let frames: Vec<Frame> = frames.into_iter().collect();
    let step = format!("concat of {} frames", frames.len());
    let Some(first) = frames.first() else {
        let error = Error::new(ErrorKind::Config, "there is nothing to concat").help("give one frame at least");
        return Frame::new(Session::default(), Err(error), step);
    };
    let plan = frames.iter().map(|frame| frame.plan().cloned()).collect::<Result<_, _>>().and_then(LogicalPlan::concat);
    let plan = plan.map(Arc::new).map_err(|e: Error| if e.steps().is_empty() { e.in_step(&step) } else { e });
    Frame { session: first.session.clone(), plan, steps: Arc::new(vec![step]) }
}

impl Session {
    /// A table in memory as a frame of one partition, in this session. (In the default one: [`Frame::from`] a table.)
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let top = read_csv("testdata/baci/BACI_HS12_Y2018.csv").sort([col("v").desc()]).head(100).compute()?;
    /// let mean = Session::default().frame(top).agg([col("v").mean()]).compute()?;
    /// assert_eq!(mean.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn frame(&self, table: Table) -> Frame {
        let step = format!("table of {} rows", table.num_rows());
        Frame::new(self.clone(), Ok(LogicalPlan::held(table)), step)
    }
}

impl From<Table> for Frame {
    /// As [`Session::frame`], in the default session.
    fn from(table: Table) -> Frame {
        Session::default().frame(table)
    }
}
