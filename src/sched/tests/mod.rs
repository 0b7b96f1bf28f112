//! The scheduler against graphs that are small enough to think through, and against a sequential twin.
//!
//! No test depends on speed: where one thread must have got somewhere before another goes on, it is waited for.

mod events;
mod growth;
mod nested;
mod runs;
mod stops;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{TaskContext, TaskGraph, TaskId, Work};
use crate::mem::{Part, view};

/// How many threads everything is tried with.
const THREADS: [usize; 3] = [1, 2, 8];

/// A number as a part, counted while it lives.
struct Number {
    value: u64,
    live: Live,
}

/// How many numbers live, and the most that ever did.
#[derive(Clone, Default)]
struct Live(Arc<[AtomicUsize; 2]>);

impl Live {
    fn number(&self, value: u64) -> Result<Arc<dyn Part>> {
        self.0[1].fetch_max(self.0[0].fetch_add(1, SeqCst) + 1, SeqCst);
        Ok(Arc::new(Number { value, live: self.clone() }))
    }

    fn now(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    fn most(&self) -> usize {
        self.0[1].load(SeqCst)
    }

    /// Work that gives a number.
    fn give(&self, value: u64) -> Work {
        let live = self.clone();
        Box::new(move |_, _| live.number(value))
    }

    /// Work that adds its inputs.
    fn add(&self) -> Work {
        let live = self.clone();
        Box::new(move |_, parts| live.number(parts.iter().map(value).sum()))
    }
}

impl Part for Number {
    fn bytes(&self) -> usize {
        8
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.live.0[0].fetch_sub(1, SeqCst);
    }
}

fn value(part: &Arc<dyn Part>) -> u64 {
    view::<Number>(part).unwrap().value
}

fn session(threads: usize) -> Session {
    Session::builder().threads(threads).build().unwrap()
}

/// Waits for what another thread is about to do; a minute means that it never will.
fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::yield_now();
    }
}

/// Work that says that it has begun and then goes on until its run is over.
fn until_cancelled(begun: &Arc<AtomicUsize>) -> Work {
    let begun = Arc::clone(begun);
    Box::new(move |context, _| {
        begun.fetch_add(1, SeqCst);
        until(|| context.is_cancelled());
        context.check()?;
        Err(Error::internal("is_cancelled and check differ"))
    })
}

/// Work that counts that it ran, and gives nothing worth having.
fn count(ran: &Arc<AtomicUsize>) -> Work {
    let (ran, live) = (Arc::clone(ran), Live::default());
    Box::new(move |_, _| {
        ran.fetch_add(1, SeqCst);
        live.number(0)
    })
}

fn fail(message: &'static str) -> Work {
    Box::new(move |_, _| Err(Error::new(ErrorKind::Value, message)))
}
