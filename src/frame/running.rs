//! A query on its way.

use std::sync::Arc;

use crate::batch::Table;
use crate::error::{Error, Result};
use crate::mem::Part;
use crate::sched::Run;

/// What runs in the background: a query that gives a [`Table`] ([`Frame::submit`](super::Frame::submit)), or a frame that is
/// persisted ([`Frame::submit_persist`](super::Frame::submit_persist)). Dropping it cancels it.
#[must_use = "dropping a running query cancels it: wait for it"]
pub struct Running<T = Table>(Result<(Run, Restart, Finish<T>)>);

/// What the results of a run are to the user.
type Finish<T> = Box<dyn FnOnce(Vec<Arc<dyn Part>>) -> Result<T> + Send>;

/// The run in place of one that failed, or the error if there is none.
type Restart = Box<dyn FnMut(Error) -> Result<Run> + Send>;

impl<T> Running<T> {
    pub(super) fn new(
        run: Result<Run>,
        restart: impl FnMut(Error) -> Result<Run> + Send + 'static,
        finish: impl FnOnce(Vec<Arc<dyn Part>>) -> Result<T> + Send + 'static,
    ) -> Running<T> {
        Running(run.map(|run| (run, Box::new(restart) as Restart, Box::new(finish) as Finish<T>)))
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// As [`Frame::compute`](super::Frame::compute) has; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when it was cancelled.
    pub fn wait(self) -> Result<T> {
        let (mut run, mut restart, finish) = self.0?;
        loop {
            match run.wait() {
                Ok(parts) => return finish(parts),
                Err(error) => run = restart(error)?,
            }
        }
    }

    /// Stops it: tasks that run give up within a block, no other starts.
    pub fn cancel(&self) {
        if let Ok((run, ..)) = &self.0 {
            run.cancel();
        }
    }

    /// Whether [`wait`](Running::wait) would return at once, unless the query starts again there for columns of wider types.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().map_or(true, |(run, ..)| run.is_finished())
    }
}
