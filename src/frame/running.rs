//! A query on its way.

use arrow::datatypes::SchemaRef;

use crate::batch::Table;
use crate::error::Result;
use crate::lower::answer;
use crate::sched::Run;

/// A query that runs in the background, made by [`Frame::submit`](super::Frame::submit). Dropping it cancels it.
#[must_use = "dropping a running query cancels it: wait for it"]
pub struct Running(Result<(Run, SchemaRef)>);

impl Running {
    pub(super) fn new(started: Result<(Run, SchemaRef)>) -> Running {
        Running(started)
    }

    /// Waits for the rows.
    ///
    /// # Errors
    /// As [`Frame::compute`](super::Frame::compute) has; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when it was cancelled.
    pub fn wait(self) -> Result<Table> {
        let (run, schema) = self.0?;
        Table::new(schema, answer(&run.wait()?)?)
    }

    /// Stops it: tasks that run give up within a block, no other starts.
    pub fn cancel(&self) {
        if let Ok((run, _)) = &self.0 {
            run.cancel();
        }
    }

    /// Whether [`wait`](Running::wait) would return at once.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().map_or(true, |(run, _)| run.is_finished())
    }
}
