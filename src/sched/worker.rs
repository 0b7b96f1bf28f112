//! Moves the queue: starts runs, executes tasks on rayon's threads, ends runs.
//!
//! A worker is a loop that takes the best ready task until none is left, and then ends; T of them at most are alive.
//! Who finishes a task queues what became ready, and starts more loops where there is more to do than itself can
//! take. So no task ever waits for another.
//!
//! A thread that *waits* for a run usually just sleeps. One that belongs to a pool of rayon's may be the very worker
//! that the run needs: a user's function, inside a task, computes something of its own. Such a thread works on the
//! run that it waits for. On that run only: another's task might wait in turn, and so on, one inside the other, until
//! the stack is full. It sleeps only while others execute tasks of its run, which in turn wait for nothing but runs
//! that they started: so somebody always moves.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::events::{Event, Observers};
use super::queue::{Closing, Job, Outcome, Queue, RunId, Running};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Input, Progress, TaskContext, TaskGraph, TaskId, cancelled, grown, order};
use crate::mem::{Budget, Notice, Part, Spill, Tell, keep_freed};

/// What a task gave.
enum Given {
    /// Its result, and the bytes that it holds.
    Part(Arc<dyn Part>, usize),
    /// Tasks that take its place, in the order to run them in, and which of them gives the result.
    Tasks(TaskGraph, Vec<TaskId>, TaskId),
}

/// What the runs of a session share.
pub(super) struct Engine {
    pub(super) config: Config,
    pub(super) budget: Budget,
    pub(super) observers: Observers,
    queue: Mutex<Queue>,
    /// Made at the first run, so that a session costs nothing until then.
    pool: OnceLock<rayon::ThreadPool>,
}

impl Engine {
    pub(super) fn new(config: Config, observers: Observers) -> Engine {
        let budget = Budget::new(config.memory, Spill::new(config.spill_dir.clone(), config.spill_limit));
        Engine { config, budget, observers, queue: Mutex::default(), pool: OnceLock::new() }
    }

    /// Starts a run. What is wrong with it comes out of `wait`.
    pub(super) fn start(self: &Arc<Engine>, mut graph: TaskGraph, outputs: &[TaskId]) -> RunId {
        // Nothing is added any more.
        graph.shared = Default::default();
        let id = self.lock().next_run();
        let Input { bytes, partitions, .. } = graph.input();
        let run = self.pool().and_then(|_| order(&graph, outputs)).map(|order| {
            let context = TaskContext::new(self.budget.of_run(self.notices(id)), self.progress(id));
            Running::new(graph, &order, outputs, context.lean(bytes > self.config.lean_bytes))
        });
        let mut run = match run {
            Ok(run) => run,
            Err(error) => {
                self.lock().ended.insert(id, Err(error));
                return id;
            }
        };
        self.observers.tell(|| Event::RunStarted {
            run: id,
            tasks: run.left(),
            bytes,
            partitions,
            stages: run.stages(),
        });
        let closing = run.close(id);
        let mut queue = self.lock();
        queue.runs.insert(id, run);
        if queue.is_closed {
            drop(queue);
            self.cancel(id);
            queue = self.lock();
        }
        self.go_on(queue, closing, 0);
        id
    }

    /// Cancels all runs, those to come too, and waits until they are over.
    pub(super) fn close(self: &Arc<Engine>) {
        let mut queue = self.lock();
        queue.is_closed = true;
        let runs: Vec<RunId> = queue.runs.keys().copied().collect();
        drop(queue);
        runs.into_iter().for_each(|run| self.cancel(run));
        let mut queue = self.lock();
        while let Some(run) = queue.runs.values().next() {
            let changed = Arc::clone(&run.changed);
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the result of a run, which is given once.
    pub(super) fn wait(self: &Arc<Engine>, id: RunId) -> Outcome {
        let helps = rayon::current_thread_index().is_some();
        let mut queue = self.lock();
        loop {
            if let Some(outcome) = queue.ended.remove(&id) {
                return outcome;
            }
            if helps && let Some(job) = queue.pop_of(id) {
                drop(queue);
                self.execute(job);
                queue = self.lock();
                continue;
            }
            let Some(run) = queue.runs.get_mut(&id) else {
                return Err(Error::internal("the result of a run was fetched twice"));
            };
            run.has_helper |= helps;
            let changed = Arc::clone(&run.changed);
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Cancels a run, unless it is over.
    pub(super) fn cancel(self: &Arc<Engine>, id: RunId) {
        self.stop(id, cancelled());
    }

    pub(super) fn is_finished(&self, id: RunId) -> bool {
        !self.lock().runs.contains_key(&id)
    }

    /// Cancels a run whose result nobody wants.
    pub(super) fn abandon(self: &Arc<Engine>, id: RunId) {
        let mut queue = self.lock();
        if let Some(run) = queue.runs.get_mut(&id) {
            run.is_abandoned = true;
        }
        let unwanted = queue.ended.remove(&id);
        drop(queue);
        discard(unwanted);
        self.cancel(id);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No user code runs under the lock: poisoned or not, the state is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> Result<&rayon::ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        keep_freed();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.config.threads)
            .thread_name(|i| format!("partita-{i}"))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Io, format!("the system refused to start {} threads", self.config.threads))
                    .help("use fewer threads (Session::builder().threads(..), or --threads)")
                    .caused_by(error)
            })?;
        // Two first runs may race here: the pool that comes second is dropped, and its idle threads end.
        Ok(self.pool.get_or_init(|| pool))
    }

    /// How the tasks of a run tell of their progress: not at all if nobody listens.
    fn progress(&self, run: RunId) -> Option<Progress> {
        let (observers, budget) = (self.observers.clone(), self.budget.clone());
        let listening = observers.len() > 0;
        let tell = move |Input { bytes, rows, partitions }| {
            observers.tell(|| Event::Advanced { run, bytes, rows, partitions, booked: budget.used() });
        };
        listening.then(|| Arc::new(tell) as Progress)
    }

    /// How a run tells of what it writes to disk.
    fn notices(&self, run: RunId) -> Option<Tell> {
        let observers = self.observers.clone();
        let listening = observers.len() > 0;
        let tell = move |notice| {
            observers.tell(|| match notice {
                Notice::Spilled(operator, bytes) => Event::Spilled { run, operator, bytes },
                Notice::Warning(message) => Event::Warning { run, message },
            });
        };
        listening.then(|| Box::new(tell) as Tell)
    }

    /// A worker's life.
    fn work(self: &Arc<Engine>) {
        loop {
            let job = {
                let mut queue = self.lock();
                match queue.pop() {
                    Some(job) => job,
                    None => return queue.end_loop(),
                }
            };
            self.execute(job);
        }
    }

    fn execute(self: &Arc<Engine>, job: Job) {
        let Job { run, rank, id, name, work, inputs, context } = job;
        let task = id.0;
        self.observers.tell(|| Event::TaskStarted { run, task, name: Arc::clone(&name), booked: self.budget.used() });
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| match grown(work(&context, inputs)?)? {
            Ok((graph, output)) => {
                let order = order(&graph, &[output])?;
                Ok(Given::Tasks(graph, order, output))
            }
            Err(part) => {
                let bytes = part.bytes();
                Ok(Given::Part(part, bytes))
            }
        }))
        .unwrap_or_else(|panic| Err(panicked(&name, &*panic)));
        let seconds = started.elapsed().as_secs_f64();
        let bytes = if let Ok(Given::Part(_, bytes)) = result { bytes } else { 0 };
        self.observers.tell(|| Event::TaskFinished { run, task, name, seconds, bytes, booked: self.budget.used() });
        match result {
            Ok(Given::Part(part, bytes)) => self.finish(run, rank, part, bytes),
            Ok(Given::Tasks(graph, order, output)) => {
                let unwanted = self.lock().grow(run, rank, graph, &order, output);
                discard(unwanted);
                self.leave(self.lock(), run);
            }
            Err(error) => {
                self.stop(run, error);
                self.leave(self.lock(), run);
            }
        }
    }

    fn finish(self: &Arc<Engine>, run: RunId, rank: usize, part: Arc<dyn Part>, bytes: usize) {
        let mut queue = self.lock();
        if let Some(unwanted) = queue.finish(run, rank, part, bytes) {
            drop(queue);
            discard(unwanted);
            queue = self.lock();
        }
        self.leave(queue, run);
    }

    fn stop(self: &Arc<Engine>, run: RunId, error: Error) {
        let stopped = self.lock().stop(run, error);
        if let Some(unwanted) = stopped {
            discard(unwanted);
            self.leave(self.lock(), run);
        }
    }

    fn leave(self: &Arc<Engine>, mut queue: MutexGuard<'_, Queue>, run: RunId) {
        let closing = queue.leave(run);
        if let Some(run) = queue.runs.get(&run)
            && run.has_helper
            && run.has_ready()
        {
            run.changed.notify_all();
        }
        // This thread is going to take one of the ready tasks itself.
        self.go_on(queue, closing, 1);
    }

    /// What follows a change of the queue: start loops for what is ready, end the run that is to close.
    fn go_on(self: &Arc<Engine>, mut queue: MutexGuard<'_, Queue>, closing: Option<Closing>, taken: usize) {
        let loops = queue.start_loops(self.config.threads, taken);
        drop(queue);
        // There is a pool, or no run would have started.
        if let Some(pool) = self.pool.get() {
            for _ in 0..loops {
                let engine = Arc::clone(self);
                pool.spawn(move || engine.work());
            }
        }
        if let Some(closing) = closing {
            self.end(closing);
        }
    }

    fn end(&self, closing: Closing) {
        let Closing { run: id, outcome, rest, started, usage } = closing;
        discard(rest);
        let seconds = started.elapsed().as_secs_f64();
        let error = || outcome.as_ref().err().cloned();
        self.observers.tell(|| {
            let spilled_by = usage.spilled_by();
            let spilled = spilled_by.iter().map(|(_, bytes)| bytes).sum();
            let (peak, limit) = (usage.peak(), self.budget.limit());
            Event::RunFinished { run: id, seconds, spilled, spilled_by, peak, limit, error: error() }
        });
        let mut queue = self.lock();
        let mut unwanted = Some(outcome);
        if let Some(run) = queue.runs.remove(&id) {
            if !run.is_abandoned {
                queue.ended.extend(unwanted.take().map(|outcome| (id, outcome)));
            }
            run.changed.notify_all();
        }
        drop(queue);
        discard(unwanted);
    }
}

/// Drops what a run does not want any more, outside the lock; a value of a user's that panics as it is dropped takes
/// no worker along.
fn discard<T>(unwanted: T) {
    _ = catch_unwind(AssertUnwindSafe(|| drop(unwanted)));
}

/// The error in place of a task's panic.
pub(crate) fn panicked(task: &str, panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Error::new(ErrorKind::Panic, format!("the task '{task}' panicked: {message}"))
}
