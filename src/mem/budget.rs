//! The memory budget that the runs of a session share, and reservations against it.
//!
//! A holder reserves before it allocates: `try_resize` either books the new size or refuses and changes nothing.
//! A refusal names the largest holders, so that a person sees who has the memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::spill::Spill;
use super::usage::Tell;
use crate::config::format_bytes;
use crate::error::{Error, ErrorKind, Result};

/// A number of bytes that reservations draw on, and where what is beyond it goes. Clones share both.
#[derive(Clone)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
    spill: Spill,
}

struct Shared {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: usize,
    peak: usize,
    holders: HashMap<&'static str, usize>,
}

/// Bytes booked on a [`Budget`] by one holder; given back when dropped.
pub(crate) struct Reservation {
    budget: Budget,
    holder: &'static str,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes, and where what is beyond it goes.
    pub(crate) fn new(limit: usize, spill: Spill) -> Budget {
        Budget { shared: Arc::new(Shared { limit, state: Mutex::default() }), spill }
    }

    /// A budget for tests, which spills to the system's temporary directory.
    #[cfg(test)]
    pub(crate) fn of(limit: usize) -> Budget {
        Budget::new(limit, Spill::new(std::env::temp_dir(), None))
    }

    /// An empty reservation, to grow; `holder` names it in refusals, and by it what it spills is counted.
    pub(crate) fn reserve(&self, holder: &'static str) -> Reservation {
        let budget = Budget { shared: self.shared.clone(), spill: self.spill.of_holder(holder) };
        Reservation { budget, holder, bytes: 0 }
    }

    /// The same budget, for a run whose [usage](Spill::usage) is counted by itself, and told to `tell` as far as it is told.
    pub(crate) fn of_run(&self, tell: Option<Tell>) -> Budget {
        Budget { shared: self.shared.clone(), spill: self.spill.counted_anew(tell) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.shared.limit
    }

    /// What is kept for [overdrafts](Reservation::overdraw), so that they stay within the limit: about a 64th of it.
    ///
    /// None of a budget below 4 MiB, which only tests have.
    fn aside(&self) -> usize {
        (self.limit() >> 22 << 16).min(16 << 20)
    }

    pub(crate) fn spill(&self) -> &Spill {
        &self.spill
    }

    /// The bytes booked now.
    pub(crate) fn used(&self) -> usize {
        self.state(|s| s.used)
    }

    /// The most that was ever booked.
    #[cfg(test)]
    pub(crate) fn peak(&self) -> usize {
        self.state(|s| s.peak)
    }

    fn state<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        // A poisoned lock only says that a panic happened elsewhere: the counts are whole after every call.
        f(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refusal(&self, holder: &str, bytes: usize) -> Error {
        let mut holders: Vec<_> = self.state(|s| s.holders.iter().map(|(k, v)| (*v, *k)).collect());
        holders.sort_unstable_by(|a, b| b.cmp(a));
        let list: Vec<String> = holders
            .iter()
            .filter(|(bytes, _)| *bytes > 0)
            .take(3)
            .map(|(bytes, name)| format!("{name} {}", format_bytes(*bytes as u64)))
            .collect();
        let held = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
        Error::new(
            ErrorKind::Memory,
            format!(
                "{holder} needs {} more, beyond the memory limit of {} (held: {held})",
                format_bytes(bytes as u64),
                format_bytes(self.limit() as u64)
            ),
        )
        .help("raise the limit (Session::builder().memory(..), or --memory), use fewer threads, or ask for less")
    }
}

impl Reservation {
    /// Books `bytes` in all. A refusal changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] when the budget does not have the difference.
    pub(crate) fn try_resize(&mut self, bytes: usize) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        let booked = self.budget.state(|s| {
            // Saturating: a size that is absurd is refused, not wrapped around.
            let used = (s.used - self.bytes).saturating_add(bytes);
            if more > 0 && used > self.budget.limit() - self.budget.aside() {
                return false;
            }
            s.used = used;
            s.peak = s.peak.max(used);
            let held = s.holders.entry(self.holder).or_default();
            *held = *held - self.bytes + bytes;
            self.budget.spill.usage().at_peak(used);
            true
        });
        if !booked {
            return Err(self.budget.refusal(self.holder, more));
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Books `bytes` in all unless more than half of the limit would be booked then, by whomever: for what waits.
    pub(crate) fn try_resize_within_half(&mut self, bytes: usize) -> bool {
        self.try_resize_within(bytes, self.limit() / 2)
    }

    /// Books `bytes` in all unless more than five eighths of the limit would be booked then: for what is being gathered. What waits
    /// already does not starve it, nor it the work that is done meanwhile.
    pub(crate) fn try_resize_to_gather(&mut self, bytes: usize) -> bool {
        self.try_resize_within(bytes, self.limit() / 2 + self.limit() / 8)
    }

    /// Books `bytes` in all unless that leaves less than a quarter of the limit: for what can go to disk, while others can't.
    pub(crate) fn try_resize_with_some_left(&mut self, bytes: usize) -> bool {
        self.try_resize_within(bytes, self.limit() - self.limit() / 4)
    }

    /// Books `bytes` in all without asking: for the little that work under way still takes, of what is kept aside for it.
    pub(crate) fn overdraw(&mut self, bytes: usize) {
        self.budget.state(|s| {
            s.used = s.used - self.bytes + bytes;
            s.peak = s.peak.max(s.used);
            let held = s.holders.entry(self.holder).or_default();
            *held = *held - self.bytes + bytes;
            self.budget.spill.usage().at_peak(s.used);
        });
        self.bytes = bytes;
    }

    fn try_resize_within(&mut self, bytes: usize, most: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        // Others may book between the two: this is a rule of thumb, the limit is not.
        let fits = self.budget.state(|s| s.used.saturating_add(more) <= most);
        fits && self.try_resize(bytes).is_ok()
    }

    /// The limit of the budget.
    pub(crate) fn limit(&self) -> usize {
        self.budget.limit()
    }

    /// Where what the budget has no room for goes.
    pub(crate) fn spill(&self) -> &Spill {
        self.budget.spill()
    }

    /// Takes over what another reservation on the same budget has booked.
    pub(crate) fn absorb(&mut self, mut other: Reservation) {
        let bytes = std::mem::take(&mut other.bytes);
        self.budget.state(|s| {
            if let Some(held) = s.holders.get_mut(other.holder) {
                *held -= bytes;
            }
            *s.holders.entry(self.holder).or_default() += bytes;
        });
        self.bytes += bytes;
    }

    /// Another reservation, empty, of the same holder on the same budget.
    pub(crate) fn sibling(&self) -> Reservation {
        self.of_holder(self.holder)
    }

    /// Another reservation, empty, of this holder on the same budget.
    pub(crate) fn of_holder(&self, holder: &'static str) -> Reservation {
        self.budget.reserve(holder)
    }

    /// The bytes booked.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.budget.state(|s| {
            s.used -= bytes;
            if let Some(held) = s.holders.get_mut(self.holder) {
                *held -= bytes;
            }
        });
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.holder, format_bytes(self.bytes as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_refuses_and_gives_back() {
        let budget = Budget::of(100);
        let mut a = budget.reserve("groups");
        let mut b = budget.reserve("rows");
        a.try_resize(60).unwrap();
        b.try_resize(30).unwrap();
        let refused = b.try_resize(50).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Memory);
        assert!(refused.message().contains("groups 60 B, rows 30 B"), "{refused}");
        assert_eq!(b.try_resize(usize::MAX).unwrap_err().kind(), ErrorKind::Memory);
        assert_eq!((budget.used(), b.bytes()), (90, 30));
        a.try_resize(10).unwrap();
        b.try_resize(90).unwrap();
        drop(b);
        assert_eq!((budget.used(), budget.peak(), budget.limit()), (10, 100, 100));
        let mut c = budget.reserve("rows");
        assert!(c.try_resize_within_half(40) && !c.try_resize_within_half(41));
        assert!(c.try_resize_to_gather(52) && !c.try_resize_to_gather(53) && c.try_resize_to_gather(40));
        a.absorb(c);
        assert_eq!((budget.used(), a.bytes()), (50, 50));
        assert!(a.try_resize(101).unwrap_err().message().contains("(held: groups 50 B)"));
        drop(a);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn overdrafts_have_a_part_of_the_limit() {
        let budget = Budget::of(16 << 20);
        let (mut all, mut little) = (budget.reserve("groups"), budget.reserve("rows"));
        assert!(all.try_resize(16 << 20).is_err());
        all.try_resize((16 << 20) - (256 << 10)).unwrap();
        assert!(little.try_resize(1).is_err());
        little.overdraw(256 << 10);
        assert_eq!(budget.used(), budget.limit());
    }

    #[test]
    fn a_run_knows_its_own_peak() {
        let session = Budget::of(100);
        let mut held = session.reserve("a frame");
        held.try_resize(70).unwrap();
        held.try_resize(20).unwrap();
        let (first, second) = (session.of_run(None), session.of_run(None));
        let mut rows = first.reserve("rows");
        rows.try_resize(30).unwrap();
        assert_eq!((first.spill().usage().peak(), second.spill().usage().peak()), (50, 0));
        rows.try_resize(5).unwrap();
        second.reserve("rows").try_resize(1).unwrap();
        assert_eq!((first.spill().usage().peak(), second.spill().usage().peak()), (50, 26));
    }
}
