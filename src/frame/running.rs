//! A query on its way.

use std::sync::Arc;

use crate::batch::Table;
use crate::error::Result;
use crate::mem::Part;
use crate::sched::Run;

/// What runs in the background: a query that gives a [`Table`] ([`Frame::submit`](super::Frame::submit)), or a frame that is
/// persisted ([`Frame::submit_persist`](super::Frame::submit_persist)). Dropping it cancels it.
#[must_use = "dropping a running query cancels it: wait for it"]
pub struct Running<T = Table>(Result<(Run, Finish<T>)>);

/// What the results of a run are to the user.
type Finish<T> = Box<dyn FnOnce(Vec<Arc<dyn Part>>) -> Result<T> + Send>;

impl<T> Running<T> {
    pub(super) fn new(
        run: Result<Run>,
        finish: impl FnOnce(Vec<Arc<dyn Part>>) -> Result<T> + Send + 'static,
    ) -> Running<T> {
        Running(run.map(|run| (run, Box::new(finish) as Finish<T>)))
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// As [`Frame::compute`](super::Frame::compute) has; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when it was cancelled.
    pub fn wait(self) -> Result<T> {
        let (run, finish) = self.0?;
        finish(run.wait()?)
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
