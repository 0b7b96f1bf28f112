//! What a running task may ask and tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::mem::Budget;

/// What a running task may ask and tell. One per run; clones share it.
#[derive(Clone)]
pub(crate) struct TaskContext {
    budget: Budget,
    cancelled: Arc<AtomicBool>,
    progress: Option<Progress>,
    is_lean: bool,
}

/// Is told of input as it is read.
pub(crate) type Progress = Arc<dyn Fn(Input) + Send + Sync>;

/// An amount of input: all that a run is going to read, or what has been read since the last time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Input {
    pub bytes: u64,
    pub rows: u64,
    pub partitions: u64,
}

impl TaskContext {
    /// A context of its own; tests of a single task need no scheduler.
    pub(crate) fn new(budget: Budget, progress: Option<Progress>) -> TaskContext {
        TaskContext { budget, cancelled: Arc::default(), progress, is_lean: false }
    }

    /// The same, for a run that reads so much that the system should not keep it for later.
    pub(crate) fn lean(self, is_lean: bool) -> TaskContext {
        TaskContext { is_lean, ..self }
    }

    /// Whether what is read should leave the system's page cache.
    pub(crate) fn is_lean(&self) -> bool {
        self.is_lean
    }

    /// Whether the run is over: cancelled, or failed elsewhere. A long task asks once a block and gives up: its
    /// result is not wanted.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Relaxed: nothing but the flag itself passes between the threads.
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The flag itself, for who asks without a context at hand.
    pub(crate) fn cancelled_flag(&self) -> &Arc<AtomicBool> {
        &self.cancelled
    }

    /// An error to give up with when the run is over.
    ///
    /// # Errors
    /// `ErrorKind::Cancelled`.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Says that so much more input is done.
    pub(crate) fn advance(&self, done: Input) {
        if let Some(progress) = &self.progress {
            progress(done);
        }
    }

    /// The memory that the runs of the session share.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Tells the tasks that the run is over.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.budget.spill().usage().cancel();
    }
}

/// What a cancelled run ends with.
pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was cancelled")
}
