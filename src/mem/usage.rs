//! What a run has used of the session's memory and of the disk: counted as it happens, told at its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// Counted by one run.
#[derive(Default)]
pub(crate) struct Usage {
    peak: AtomicUsize,
    /// The bytes that each holder has written to disk.
    spilled: Mutex<Vec<(&'static str, u64)>>,
    tell: Option<Tell>,
    is_cancelled: AtomicBool,
}

/// Something to be told while a run goes on.
pub(crate) enum Notice {
    /// A holder has written so many bytes to disk.
    Spilled(&'static str, u64),
    /// Something that a person should know.
    Warning(String),
}

/// Is told of notices.
pub(crate) type Tell = Box<dyn Fn(Notice) + Send + Sync>;

impl Usage {
    pub(super) fn new(tell: Option<Tell>) -> Usage {
        Usage { tell, ..Usage::default() }
    }

    /// So much is booked now, all runs together.
    pub(super) fn at_peak(&self, used: usize) {
        self.peak.fetch_max(used, Ordering::Relaxed);
    }

    pub(super) fn add_spilled(&self, holder: &'static str, bytes: u64) {
        self.spilled(|spilled| match spilled.iter_mut().find(|(of, _)| *of == holder) {
            Some((_, total)) => *total += bytes,
            None => spilled.push((holder, bytes)),
        });
        self.tell(|| Notice::Spilled(holder, bytes));
    }

    /// Tells of something that is not as it should be, while the run goes on.
    pub(crate) fn warn(&self, message: String) {
        self.tell(|| Notice::Warning(message));
    }

    pub(super) fn tell(&self, notice: impl FnOnce() -> Notice) {
        if let Some(tell) = &self.tell {
            tell(notice());
        }
    }

    /// What is spilled is not wanted any more.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// An error to give up with once the run is over: long sorts and merges come by here with every block.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "the run was cancelled"));
        }
        Ok(())
    }

    /// The most that was booked when this run asked for more, by it and by whatever else the session held.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// The bytes ever written, by holder, those with the most first.
    pub(crate) fn spilled_by(&self) -> Vec<(&'static str, u64)> {
        let mut spilled = self.spilled(|spilled| spilled.clone());
        spilled.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        spilled
    }

    fn spilled<R>(&self, f: impl FnOnce(&mut Vec<(&'static str, u64)>) -> R) -> R {
        // A poisoned lock only says that a panic happened elsewhere: the counts are whole after every call.
        f(&mut self.spilled.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn counts_by_holder_and_tells() {
        let told = Arc::new(AtomicUsize::new(0));
        let all = told.clone();
        let usage = Usage::new(Some(Box::new(move |notice| match notice {
            Notice::Spilled(_, bytes) => _ = all.fetch_add(bytes as usize, Ordering::Relaxed),
            Notice::Warning(text) => panic!("{text}"),
        })));
        for (holder, bytes) in [("rows", 5), ("groups", 7), ("rows", 1), ("values", 7)] {
            usage.add_spilled(holder, bytes);
        }
        assert_eq!(usage.spilled_by(), [("groups", 7), ("values", 7), ("rows", 6)]);
        assert_eq!(told.load(Ordering::Relaxed), 20);
    }
}
