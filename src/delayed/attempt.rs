//! A task while it runs: tried again after errors, asked to end in time.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::node::{Call, Node};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{TaskContext, cancelled};
use crate::mem::Part;
use crate::sched::panicked;

thread_local! {
    /// The task that this thread runs: the innermost, where one computes something of its own.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

struct Current {
    cancelled: Arc<AtomicBool>,
    limit: Option<Limit>,
}

/// How long a task may take, and since when.
#[derive(Clone, Copy)]
struct Limit {
    begun: Instant,
    time: Duration,
}

/// Gives the thread back to the task before.
struct Leave(Option<Current>);

impl Drop for Leave {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Limit {
    fn check(self) -> Result<()> {
        if self.begun.elapsed() <= self.time {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Timeout, format!("a task took longer than its {:?}", self.time)))
    }
}

/// For a long closure of a [`Delayed`](crate::Delayed) task to ask now and then: an error when its result is not wanted any
/// more, since the run was cancelled or failed elsewhere, or when the task is beyond its
/// [time limit](crate::Delayed::time_limit). `?` hands it on.
///
/// A thread can't be stopped from outside: a closure that never asks goes on to its end. Outside of tasks it is always `Ok`.
///
/// ```
/// use partita::{ErrorKind, checkpoint, try_delayed};
/// use std::time::Duration;
/// let endless = try_delayed("endless", || -> partita::Result<()> {
///     loop {
///         checkpoint()?;
///     }
/// });
/// let error = endless.time_limit(Duration::from_millis(5)).compute().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert!(checkpoint().is_ok());
/// ```
///
/// # Errors
/// [`ErrorKind::Cancelled`] and [`ErrorKind::Timeout`].
pub fn checkpoint() -> Result<()> {
    CURRENT.with_borrow(|current| {
        let Some(current) = current else { return Ok(()) };
        if current.cancelled.load(Ordering::Relaxed) {
            return Err(cancelled());
        }
        current.limit.map_or(Ok(()), Limit::check)
    })
}

/// Calls the closure of a task until it gives a value, or an error and no retry is left.
pub(super) fn attempt(
    node: &Node,
    call: &Call,
    context: &TaskContext,
    inputs: &[Arc<dyn Part>],
) -> Result<Arc<dyn Part>> {
    for _ in 0..node.retries {
        match once(node, call, context, inputs) {
            // Nobody wants the result any more.
            Err(_) if context.is_cancelled() => return Err(cancelled()),
            Err(_) => {}
            done => return done,
        }
    }
    once(node, call, context, inputs)
}

fn once(node: &Node, call: &Call, context: &TaskContext, inputs: &[Arc<dyn Part>]) -> Result<Arc<dyn Part>> {
    context.check()?;
    let limit = node.limit.map(|time| Limit { begun: Instant::now(), time });
    let current = Current { cancelled: context.cancelled_flag().clone(), limit };
    let leave = Leave(CURRENT.replace(Some(current)));
    let result = catch_unwind(AssertUnwindSafe(|| call(context, inputs)));
    drop(leave);
    let value = result.unwrap_or_else(|panic| Err(panicked(&node.name, &*panic)))?;
    // Late is late, whether the closure asks or not.
    limit.map_or(Ok(()), Limit::check)?;
    Ok(value)
}
