//! A query on its way.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::lower::Batches;
use crate::mem::Part;
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
        let parts: Vec<Arc<dyn Part>> = run.wait()?;
        let part = parts.into_iter().next().ok_or_else(|| Error::internal("a run gave nothing"))?;
        let part: Arc<dyn std::any::Any + Send + Sync> = part;
        let batches = part.downcast::<Batches>().map_err(|_| Error::internal("a run gave something else than rows"))?;
        Table::new(schema, batches.0.clone())
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
