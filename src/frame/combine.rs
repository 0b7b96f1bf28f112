//! Frames out of tables in memory, and out of several frames.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Frame;
use crate::batch::{Table, conform, conform_schema, is_narrow};
use crate::error::{Error, ErrorKind, Result};
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
    let plan = frames.iter().map(|frame| frame.plan().cloned()).collect::<Result<_>>().and_then(LogicalPlan::concat);
    let plan = plan.map(Arc::new).map_err(|e: Error| if e.steps().is_empty() { e.in_step(&step) } else { e });
    Frame { session: first.session.clone(), plan, steps: Arc::new(vec![step]) }
}

impl Session {
    /// A table in memory as a frame, in this session, of one partition for about every million rows. (In the default one:
    /// [`Frame::from`] a table.)
    ///
    /// Columns of arrow types that frames do not have become those that hold the same values: smaller integers int64, smaller
    /// floats and decimals float64, texts of any layout and dictionaries text, timestamps microseconds (with a time zone: in UTC).
    /// Lists, structs and binary are an [`ErrorKind::Type`] error, integers beyond 64 bits an [`ErrorKind::Overflow`] error.
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
        Frame::new(self.clone(), conformed(table).map(|table| LogicalPlan::read(Arc::new(table))), step)
    }
}

impl From<&Table> for Frame {
    /// As [`Session::frame`], in the default session. The rows are shared, not copied, until they are read.
    fn from(table: &Table) -> Frame {
        Frame::from(table.clone())
    }
}

impl From<RecordBatch> for Frame {
    /// The rows of a batch that the program made, as [`Session::frame`] takes those of a table.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use std::sync::Arc;
    /// use partita::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    /// use partita::prelude::*;
    /// let codes: ArrayRef = Arc::new(Int32Array::from(vec![4, 8]));
    /// let regions: ArrayRef = Arc::new(StringArray::from(vec!["Asia", "Europe"]));
    /// let regions = RecordBatch::try_from_iter([("i", codes), ("region", regions)])?;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv").merge(regions, Merge::left());
    /// assert_eq!(df.schema()?.field(6).name(), "region");
    /// # Ok(())
    /// # }
    /// ```
    fn from(batch: RecordBatch) -> Frame {
        let schema = batch.schema();
        match Table::new(schema, vec![batch]) {
            Ok(table) => Frame::from(table),
            Err(error) => Frame::new(Session::default(), Err(error), "record batch".to_owned()),
        }
    }
}

impl From<&Frame> for Frame {
    /// Another handle on the same frame.
    fn from(frame: &Frame) -> Frame {
        frame.clone()
    }
}

/// The table with columns of our types, all of which may have nulls. Batches that are held narrow stay so: they are of ours.
fn conformed(table: Table) -> Result<Table> {
    let schema = conform_schema(table.schema())?;
    let own = |batch: &RecordBatch| match is_narrow(batch, table.schema()) {
        true => Ok(batch.clone()),
        false => conform(batch, &schema),
    };
    let batches = table.held().iter().map(own).collect::<Result<Vec<_>>>()?;
    Ok(Table::of_held(schema, batches))
}

impl From<Table> for Frame {
    /// As [`Session::frame`], in the default session.
    fn from(table: Table) -> Frame {
        Session::default().frame(table)
    }
}
