//! What happens in a run, told to those who watch: progress bars, profiles, tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::Error;

/// Watches the runs of a session.
///
/// Called by the worker threads, several at a time, as things happen; so it should be quick. All of a run's events
/// have been told when the run's result is there. A panic in an observer is caught and changes nothing.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use partita::{Event, Observer, Session};
///
/// struct CountTasks(AtomicUsize);
/// impl Observer for CountTasks {
///     fn on(&self, event: &Event) {
///         if let Event::TaskFinished { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let tasks = Arc::new(CountTasks(AtomicUsize::new(0)));
/// let session = Session::builder().observer(tasks.clone()).build()?;
/// assert_eq!(tasks.0.load(Ordering::Relaxed), 0);
/// # drop(session);
/// # Ok::<(), partita::Error>(())
/// ```
pub trait Observer: Send + Sync {
    /// Something has happened.
    fn on(&self, event: &Event);
}

/// Something that happened in a run. `run` tells the runs of a session apart: they are numbered from 1.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    #[non_exhaustive]
    RunStarted {
        /// The number of the run.
        run: u64,
        /// How many tasks it has; some become several once it is known what there is to do.
        tasks: usize,
        /// How many bytes of input it is going to read; 0 when that is not known.
        bytes: u64,
        /// How many partitions of input it is going to read.
        partitions: u64,
        /// The kinds of its tasks, which are their names without the number of the partition, and how many there are of each: the first
        /// hundred, in the order of the run.
        stages: Vec<(String, usize)>,
    },
    /// A task begins, on the thread that tells it.
    #[non_exhaustive]
    TaskStarted {
        /// The number of the run.
        run: u64,
        /// The number of the task in its graph.
        task: usize,
        /// What the task is.
        name: Arc<str>,
        /// The memory that is booked now, by all runs of the session.
        booked: usize,
    },
    /// A running task has read some more input. It is told on the task's thread.
    #[non_exhaustive]
    Advanced {
        /// The number of the run.
        run: u64,
        /// Bytes of input since the last such event of this task.
        bytes: u64,
        /// Rows in them.
        rows: u64,
        /// Partitions that were read to their end with them.
        partitions: u64,
        /// The memory that is booked now, by all runs of the session.
        booked: usize,
    },
    /// A task has ended, well or not. It is told on the thread that ran it, where tasks that it waited for may have run in between.
    #[non_exhaustive]
    TaskFinished {
        /// The number of the run.
        run: u64,
        /// The number of the task in its graph.
        task: usize,
        /// What the task is.
        name: Arc<str>,
        /// How long it ran.
        seconds: f64,
        /// What its result holds; 0 when it failed.
        bytes: usize,
        /// The memory that is booked now, by all runs of the session.
        booked: usize,
    },
    /// A running task has written rows or other state to disk, for want of memory. It is told on the task's thread.
    #[non_exhaustive]
    Spilled {
        /// The number of the run.
        run: u64,
        /// What was written, as messages about memory call it: `rows to sort`.
        operator: &'static str,
        /// How many bytes since the last such event, as they lie on disk.
        bytes: u64,
    },
    /// Something is not as it should be, and the run goes on.
    #[non_exhaustive]
    Warning {
        /// The number of the run.
        run: u64,
        /// What, in one sentence.
        message: String,
    },
    /// The run that ended last starts again as another one: a value of a CSV file contradicted the inferred type of its column, and
    /// all values of the columns that it reads have been looked at.
    #[non_exhaustive]
    Restarted {
        /// Which columns have which types now, and the place that decided.
        message: String,
    },
    /// A run has ended, and holds nothing any more but its result.
    #[non_exhaustive]
    RunFinished {
        /// The number of the run.
        run: u64,
        /// How long it took.
        seconds: f64,
        /// How many bytes it wrote to disk for want of memory, as they lie there.
        spilled: u64,
        /// The same by what was written, as in [`Spilled`](Event::Spilled): the most first.
        spilled_by: Vec<(&'static str, u64)>,
        /// The most memory that was booked during the run, by it and by whatever else the session held then.
        peak: usize,
        /// The session's memory limit.
        limit: usize,
        /// Why it stopped, when it did not come to its end.
        error: Option<Error>,
    },
}

/// The kind of a task: its name without the number of its partition.
pub(crate) fn kind(task: &str) -> &str {
    match task.rsplit_once(' ') {
        Some((kind, number)) if number.bytes().all(|b| b.is_ascii_digit()) => kind,
        _ => task,
    }
}

/// The observers of a session.
#[derive(Clone, Default)]
pub(super) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(super) fn add(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells all of them what has happened, if there is anyone to tell.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.0.is_empty() {
            return;
        }
        let event = event();
        for observer in &self.0 {
            // A watcher's panic is its own affair: the hook has printed it, and the run goes on.
            _ = catch_unwind(AssertUnwindSafe(|| observer.on(&event)));
        }
    }
}
