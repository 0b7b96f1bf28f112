//! What runs share, as people hold it: a session, its builder, and a handle on a run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::events::{Event, Observer, Observers};
use super::machine;
use super::queue::RunId;
use super::worker::Engine;
use crate::config::{Config, MAX_THREADS, MIN_MEMORY, PARTITION_BYTES, PartitionSize, SPLIT_EVERY, format_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{TaskGraph, TaskId};
#[cfg(test)]
use crate::mem::Budget;
use crate::mem::Part;

/// What runs share: threads, a memory limit, a place for spill files, and those who watch.
///
/// Cheap to make (threads start with the first run) and cheap to clone; clones are the same session. Calls that name no
/// session use [`Session::default`], which is one for the whole process.
///
/// ```
/// use partita::Session;
/// let session = Session::builder().threads(2).memory(512_000_000).build()?;
/// assert_eq!((session.threads(), session.memory()), (2, 512_000_000));
/// # Ok::<(), partita::Error>(())
/// ```
#[derive(Clone)]
pub struct Session(Arc<Engine>);

/// The settings of a [`Session`] to be. What is not set has its default.
///
/// ```
/// use partita::{ErrorKind, Session};
/// let error = Session::builder().threads(0).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.message(), "threads must be at least 1");
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct SessionBuilder {
    threads: Option<usize>,
    memory: Option<usize>,
    spill_dir: Option<PathBuf>,
    spill_limit: Option<u64>,
    partition_size: Option<usize>,
    split_every: Option<usize>,
    observers: Observers,
}

/// A run under way. Dropping it cancels the run.
#[must_use = "a run that is dropped is cancelled"]
pub(crate) struct Run {
    engine: Arc<Engine>,
    id: RunId,
}

impl SessionBuilder {
    /// How many tasks run at the same time, 1 to 1024. Default: as many as the machine, or the container, can run.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many bytes the runs of the session may hold together, 16 MiB at least. Default: 60 % of the machine's
    /// memory, or of what the control groups of a container allow.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// The directory for what does not fit into memory. It needs to exist only when something is written there.
    /// Default: the system's directory for temporary files.
    pub fn spill_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spill_dir = Some(directory.into());
        self
    }

    /// How many bytes the runs of the session may have spilled at one time. Default: as many as the disk holds.
    pub fn spill_limit(mut self, bytes: u64) -> Self {
        self.spill_limit = Some(bytes);
        self
    }

    /// The size in bytes of the pieces that files are cut into, at least 1. Default: 100 MB, and less, down to 8 MB, where
    /// little is left to read: so all threads have something to do until the end.
    pub fn partition_size(mut self, bytes: usize) -> Self {
        self.partition_size = Some(bytes);
        self
    }

    /// How many partial results are merged at a time, 2 at least. Default: 8.
    pub fn split_every(mut self, results: usize) -> Self {
        self.split_every = Some(results);
        self
    }

    /// Adds one who watches the runs.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.add(observer);
        self
    }

    /// The session.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a setting is out of its range.
    pub fn build(self) -> Result<Session> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Config, message));
        let threads = self.threads.unwrap_or_else(|| machine::threads().min(MAX_THREADS));
        let config = Config {
            threads,
            memory: self.memory.unwrap_or_else(|| machine::default_memory().max(MIN_MEMORY)),
            spill_dir: self.spill_dir.unwrap_or_else(std::env::temp_dir),
            spill_limit: self.spill_limit,
            lean_bytes: machine::memory() / 2,
            partition_size: match self.partition_size {
                Some(bytes) => PartitionSize { bytes: bytes as u64, threads: None },
                None => PartitionSize { bytes: PARTITION_BYTES, threads: Some(threads as u64) },
            },
            split_every: self.split_every.unwrap_or(SPLIT_EVERY),
        };
        if config.threads == 0 {
            return wrong("threads must be at least 1".into());
        }
        if config.threads > MAX_THREADS {
            return wrong(format!("threads must be at most {MAX_THREADS}, not {}", config.threads));
        }
        if config.memory < MIN_MEMORY {
            return wrong(format!("a memory limit of {} is too small", format_bytes(config.memory as u64))).map_err(
                |error| error.help(format!("the smallest that works is {} MiB ({MIN_MEMORY} bytes)", MIN_MEMORY >> 20)),
            );
        }
        if config.partition_size.bytes == 0 {
            return wrong("the partition size must be at least 1 byte".into());
        }
        if config.split_every < 2 {
            return wrong(format!("split_every must be at least 2, not {}", config.split_every));
        }
        Ok(Session(Arc::new(Engine::new(config, self.observers))))
    }
}

impl Session {
    /// A builder with every setting at its default.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// How many tasks run at the same time.
    pub fn threads(&self) -> usize {
        self.config().threads
    }

    /// How many bytes the runs may hold together.
    pub fn memory(&self) -> usize {
        self.config().memory
    }

    /// Where spill files go.
    pub fn spill_dir(&self) -> &Path {
        &self.config().spill_dir
    }

    /// The size in bytes of the pieces that files are cut into.
    pub fn partition_size(&self) -> usize {
        // It came in as a usize, or is the default, which fits one.
        self.config().partition_size.bytes as usize
    }

    /// The same, and who shares them.
    pub(crate) fn partitions(&self) -> PartitionSize {
        self.config().partition_size
    }

    /// How many partial results are merged at a time.
    pub fn split_every(&self) -> usize {
        self.config().split_every
    }

    /// Stops all runs of the session and of its clones, and waits until they have let go of what they held, files included.
    /// They end with [`ErrorKind::Cancelled`], and so does whatever is started later: for a program that is told to end. Not to be
    /// called by an [`Observer`] or a closure of a run, which would wait for itself.
    ///
    /// ```
    /// use partita::{ErrorKind, Session};
    /// let session = Session::builder().threads(2).build()?;
    /// let running = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").sort(["v"]).submit();
    /// session.close();
    /// assert!(running.is_finished());
    /// let late = session.read_csv("testdata/baci/BACI_HS12_Y2018.csv").compute();
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::Cancelled);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn close(&self) {
        self.0.close();
    }

    /// Tells that a run starts again, and why.
    pub(crate) fn tell_restart(&self, message: String) {
        self.0.observers.tell(|| Event::Restarted { message });
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    #[cfg(test)]
    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Runs what the outputs need of a graph, and gives their results in order.
    #[cfg(test)]
    pub(crate) fn run(&self, graph: TaskGraph, outputs: &[TaskId]) -> Result<Vec<Arc<dyn Part>>> {
        self.start(graph, outputs).wait()
    }

    /// Starts what the outputs need of a graph. What is wrong with it comes out of [`Run::wait`].
    pub(crate) fn start(&self, graph: TaskGraph, outputs: &[TaskId]) -> Run {
        Run { engine: Arc::clone(&self.0), id: self.0.start(graph, outputs) }
    }
}

impl Default for Session {
    /// The process's default session: made at the first call, the same ever after.
    fn default() -> Session {
        static DEFAULT: OnceLock<Session> = OnceLock::new();
        // proven: the defaults are within the ranges that `build` checks.
        DEFAULT.get_or_init(|| Session::builder().build().expect("defaults are valid")).clone()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { threads, memory, spill_dir, spill_limit, partition_size, split_every, .. } = self.config();
        f.debug_struct("Session")
            .field("threads", threads)
            .field("memory", memory)
            .field("spill_dir", spill_dir)
            .field("spill_limit", spill_limit)
            .field("partition_size", &partition_size.bytes)
            .field("split_every", split_every)
            .field("observers", &self.0.observers.len())
            .finish()
    }
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionBuilder { threads, memory, spill_dir, spill_limit, partition_size, split_every, observers } = self;
        f.debug_struct("SessionBuilder")
            .field("threads", threads)
            .field("memory", memory)
            .field("spill_dir", spill_dir)
            .field("spill_limit", spill_limit)
            .field("partition_size", partition_size)
            .field("split_every", split_every)
            .field("observers", &observers.len())
            .finish()
    }
}

impl Run {
    /// Waits for the end of the run: the results of its outputs in order, or the first error.
    pub(crate) fn wait(self) -> Result<Vec<Arc<dyn Part>>> {
        self.engine.wait(self.id)
    }

    /// Stops the run: no task of it starts any more, running ones are told, and `wait` gives `ErrorKind::Cancelled`.
    /// Nothing happens if it is over.
    pub(crate) fn cancel(&self) {
        self.engine.cancel(self.id);
    }

    /// Whether `wait` would return at once.
    pub(crate) fn is_finished(&self) -> bool {
        self.engine.is_finished(self.id)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.engine.abandon(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |builder: SessionBuilder| {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        };
        assert_eq!(refused(Session::builder().threads(0)), "threads must be at least 1");
        assert_eq!(refused(Session::builder().threads(1025)), "threads must be at most 1024, not 1025");
        assert_eq!(
            refused(Session::builder().memory(1000)),
            "a memory limit of 1.00 kB is too small\n  help: the smallest that works is 16 MiB (16777216 bytes)"
        );
        assert_eq!(refused(Session::builder().partition_size(0)), "the partition size must be at least 1 byte");
        assert_eq!(refused(Session::builder().split_every(1)), "split_every must be at least 2, not 1");
    }

    #[test]
    fn settings_at_the_edge_of_their_range_are_kept() {
        let builder = Session::builder().threads(1024).memory(16 << 20).partition_size(1).split_every(2);
        // No thread is started, no directory made.
        let session = builder.spill_dir("/no/such/directory").build().unwrap();
        assert_eq!((session.threads(), session.memory()), (1024, 16 << 20));
        assert_eq!((session.partition_size(), session.split_every()), (1, 2));
        assert_eq!(session.spill_dir(), Path::new("/no/such/directory"));
        assert_eq!(session.budget().limit(), session.memory());
        assert_eq!(
            format!("{session:?}"),
            "Session { threads: 1024, memory: 16777216, spill_dir: \"/no/such/directory\", spill_limit: None, partition_size: 1, \
             split_every: 2, observers: 0 }"
        );
    }

    #[test]
    fn the_default_session_is_one() {
        let session = Session::default();
        assert!(Arc::ptr_eq(&session.0, &Session::default().0));
        assert!(Arc::ptr_eq(&session.0, &session.clone().0));
        assert!(session.threads() >= 1 && session.memory() >= MIN_MEMORY);
        assert_eq!((session.partition_size(), session.split_every()), (100_000_000, 8));
    }
}
