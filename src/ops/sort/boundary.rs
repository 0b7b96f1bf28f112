//! The keys that tell the blocks of a run apart: the beginning of each in memory, the rest of a long one where there is room, else
//! on disk. Texts that begin alike for long would otherwise be as much as a row for each block.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::Result;
use crate::mem::{Block, Reservation};

/// A key, as bytes that order as rows do.
pub(super) struct Boundary {
    head: Box<[u8]>,
    /// What follows a head of [`HEAD`] bytes.
    rest: Rest,
}

enum Rest {
    Nothing,
    Memory(Box<[u8]>, Reservation),
    Spilled(Block),
}

/// So many bytes of each are in memory.
const HEAD: usize = 128;

impl Boundary {
    pub(super) fn new(key: &[u8], mut memory: Reservation) -> Result<Boundary> {
        let (head, rest) = key.split_at(key.len().min(HEAD));
        let rest = match rest.len() {
            0 => Rest::Nothing,
            bytes if memory.try_resize_within_half(bytes) => Rest::Memory(rest.into(), memory),
            _ => Rest::Spilled(memory.spill().write(rest)?),
        };
        Ok(Boundary { head: head.into(), rest })
    }

    /// What of it is booked.
    pub(super) fn booked(&self) -> usize {
        if let Rest::Memory(_, memory) = &self.rest { memory.bytes() } else { 0 }
    }

    /// All bytes of the key.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        let rest = self.rest()?;
        Ok(if rest.is_empty() { Cow::Borrowed(&*self.head) } else { [&*self.head, &*rest].concat().into() })
    }

    /// Which of the two is less. The rests are read only where the heads are equal.
    pub(super) fn compare(&self, other: &Boundary) -> Result<Ordering> {
        Ok(match self.head.cmp(&other.head) {
            Ordering::Equal if !std::ptr::eq(self, other) => self.rest()?.cmp(&other.rest()?),
            order => order,
        })
    }

    fn rest(&self) -> Result<Cow<'_, [u8]>> {
        Ok(match &self.rest {
            Rest::Nothing => Cow::Borrowed(&[]),
            Rest::Memory(rest, _) => Cow::Borrowed(&**rest),
            Rest::Spilled(block) => {
                let mut rest = Vec::new();
                block.read(&mut rest)?;
                rest.into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Budget;

    #[test]
    fn a_long_key_takes_little_unbooked_memory() {
        let budget = Budget::of(100_000);
        let keys: Vec<Boundary> =
            (0..1000).map(|_| Boundary::new(&[7; 8000], budget.reserve("keys")).unwrap()).collect();
        let in_memory =
            |key: &Boundary| key.head.len() + if let Rest::Memory(rest, _) = &key.rest { rest.len() } else { 0 };
        let kept: usize = keys.iter().map(in_memory).sum();
        assert!(kept - budget.used() <= 1000 * HEAD && budget.peak() <= budget.limit());
    }

    #[test]
    fn orders_as_its_bytes_wherever_they_are() {
        let keys: Vec<Vec<u8>> = [0, 1, HEAD - 1, HEAD, HEAD + 1, 5000]
            .into_iter()
            .flat_map(|length| {
                [vec![7; length], [vec![7; length], vec![3]].concat(), [vec![7; length], vec![9]].concat()]
            })
            .collect();
        for limit in [0, 6000, 1 << 20] {
            let budget = Budget::of(limit);
            let made = || keys.iter().map(|key| Boundary::new(key, budget.reserve("keys")).unwrap());
            let (some, others): (Vec<_>, Vec<_>) = made().zip(made()).collect();
            assert_eq!(budget.used(), some.iter().chain(&others).map(Boundary::booked).sum::<usize>());
            assert_eq!(budget.spill().written() > 0, limit < 1 << 20);
            for (a, x) in some.iter().zip(&keys) {
                assert_eq!(*a.bytes().unwrap(), **x);
                for (b, y) in others.iter().zip(&keys) {
                    assert_eq!(a.compare(b).unwrap(), x.cmp(y));
                }
            }
        }
    }
}
