//! Groups by one key of a fixed width: an array indexed by the key while the keys lie close together, else a hash table.
//!
//! What states let go of is spared for the states of later partitions: to touch a page of it for each of five thousand keys anew took 6 % of
//! the time of counting 56 million rows by such a key, and twice that of a small file.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::NullBuffer;

use super::Book;
use super::table::Table;
use crate::error::Result;
use crate::mem::Reservation;

/// From keys to dense ids.
#[derive(Default)]
pub(super) struct IntGroups {
    /// The key of every id; the null group's is unused.
    keys: Vec<i64>,
    null_group: Option<u32>,
    index: Index,
    spares: Spares,
}

/// Large indexes that others let go of, empty and booked: their memory would have to be touched for the first time again. Clones share them.
#[derive(Clone, Default)]
pub(in crate::ops) struct Spares(Arc<Mutex<Vec<(Direct, Reservation)>>>);

enum Index {
    Direct(Direct),
    Hash(Table<i64>),
}

/// Slot `key - base` holds the id plus one; 0 is an empty slot.
#[derive(Default)]
struct Direct {
    base: i64,
    slots: Vec<u32>,
}

/// The widest span of keys that is indexed directly: 4 MB of slots.
const MAX_SPAN: usize = 1 << 20;
/// An index of fewer slots is not worth sparing; and of one that has more keys than a part of its slots, too many would have to be emptied.
const MIN_SPARE: usize = 1 << 16;
const SPARE_PART: usize = 16;
const MOST_SPARES: usize = 8;
/// The narrowest, so that the first few keys don't make it grow one by one.
const MIN_SPAN: usize = 1 << 10;

impl Spares {
    /// Takes one that has a slot for each of these keys.
    fn take(&self, low: i64, high: i64) -> Option<Direct> {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |direct: &Direct| direct.at(low) < direct.slots.len() && direct.at(high) < direct.slots.len();
        let found = spares.iter().position(|(direct, _)| fits(direct))?;
        Some(spares.swap_remove(found).0)
    }

    fn give(&self, direct: Direct, mut memory: Reservation) {
        if memory.try_resize_within_half(direct.slots.capacity() * size_of::<u32>()) {
            let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            spares.push((direct, memory));
            if spares.len() > MOST_SPARES {
                spares.remove(0);
            }
        }
    }
}

impl IntGroups {
    /// With indexes to take, and to leave to others.
    pub(super) fn with_spares(spares: &Spares) -> IntGroups {
        IntGroups { spares: spares.clone(), ..IntGroups::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of a group, None of the null group.
    pub(super) fn key(&self, id: u32) -> Option<i64> {
        if self.null_group == Some(id) { None } else { Some(self.keys[id as usize]) }
    }

    /// Writes the id of every value.
    pub(super) fn assign(
        &mut self,
        values: &[i64],
        nulls: Option<&NullBuffer>,
        ids: &mut [u32],
        book: Book,
    ) -> Result<()> {
        if let Some(nulls) = nulls.filter(|n| n.null_count() > 0) {
            for (row, (value, id)) in values.iter().zip(ids).enumerate() {
                *id = self.find_or_insert(nulls.is_valid(row).then_some(*value), values.len() - row, book)?;
            }
            return Ok(());
        }
        let mut done = 0;
        while done < values.len() {
            let (values, ids) = (&values[done..], &mut ids[done..]);
            let known = match &self.index {
                Index::Direct(direct) => direct.find(values, ids),
                Index::Hash(table) => table.find(values, ids),
            };
            done += known;
            if known < values.len() {
                ids[known] = self.find_or_insert(Some(values[known]), values.len() - known, book)?;
                done += 1;
            }
        }
        Ok(())
    }

    /// Writes the id of every value, [`MISSING`](super::MISSING) where there is none.
    pub(super) fn find(&self, values: &[i64], nulls: Option<&NullBuffer>, ids: &mut [u32]) {
        match &self.index {
            Index::Direct(direct) => direct.find_all(values, ids),
            Index::Hash(table) => table.find_all(values, ids),
        }
        if let Some(nulls) = nulls.filter(|n| n.null_count() > 0) {
            let id = self.null_group.unwrap_or(super::MISSING);
            (!nulls.inner()).set_indices().for_each(|row| ids[row] = id);
        }
    }

    /// The ids of another's groups in this one.
    pub(super) fn absorb(&mut self, later: &IntGroups, book: Book) -> Result<Vec<u32>> {
        let ids = 0..later.len() as u32;
        ids.map(|id| self.find_or_insert(later.key(id), later.len() - id as usize, book)).collect()
    }

    /// Lets go of the index. The next key that is looked up makes one anew.
    pub(super) fn drop_index(&mut self) {
        self.index = Index::default();
    }

    /// The same; others may take the index, if there is room for it.
    pub(super) fn spare_index(&mut self, memory: Reservation) {
        let Index::Direct(mut direct) = std::mem::take(&mut self.index) else { return };
        if direct.slots.len() < MIN_SPARE || self.keys.len() > direct.slots.len() / SPARE_PART {
            return;
        }
        // What the null group has for a key may be one, or none.
        self.keys.iter().for_each(|key| direct.slot(*key).into_iter().for_each(|slot| *slot = 0));
        self.spares.give(direct, memory);
    }

    /// The id of one key, the first of `more` to come.
    fn find_or_insert(&mut self, key: Option<i64>, more: usize, book: Book) -> Result<u32> {
        let new = self.keys.len() as u32;
        let Some(key) = key else {
            if self.null_group.is_none() {
                self.null_group = Some(new);
                self.keys.push(0);
            }
            return Ok(self.null_group.unwrap_or(new));
        };
        let id = loop {
            match &mut self.index {
                Index::Hash(table) => break table.find_or_insert(key, new),
                Index::Direct(direct) => {
                    if let Some(slot) = direct.slot(key) {
                        if *slot == 0 {
                            *slot = new + 1;
                        }
                        break *slot - 1;
                    }
                    self.reindex(key, more, book)?;
                }
            }
        };
        if id == new {
            self.keys.push(key);
        }
        Ok(id)
    }

    /// Makes an index that takes this key too: a wider direct one, or a hash table when the keys lie too far apart for that.
    #[cold]
    fn reindex(&mut self, key: i64, more: usize, book: Book) -> Result<()> {
        let null_group = self.null_group;
        let known = || self.keys.iter().copied().zip(0..).filter(|(_, id)| null_group != Some(*id));
        let (low, high) = known().fold((key, key), |(low, high), (k, _)| (low.min(k), high.max(k)));
        // Where memory is too short for an array, a table of few keys may still fit.
        let spare = self.spares.take(low, high).map(|direct| (direct.slots.len(), Some(direct)));
        let wanted = spare.or_else(|| Some((Direct::slots_for(low, high)?, None)));
        self.index = match wanted.filter(|(slots, _)| book(slots * size_of::<u32>()).is_ok()) {
            Some((slots, spare)) => {
                let mut direct = spare.unwrap_or_else(|| Direct::spanning(low, high, slots));
                known().for_each(|(key, id)| direct.slot(key).into_iter().for_each(|slot| *slot = id + 1));
                Index::Direct(direct)
            }
            None => {
                let room = self.keys.len() + more;
                book(Table::<i64>::bytes_for(room))?;
                let mut table = Table::with_room(room);
                known().for_each(|(key, id)| {
                    table.find_or_insert(key, id);
                });
                Index::Hash(table)
            }
        };
        Ok(())
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let index = match &self.index {
            Index::Direct(direct) => direct.slots.capacity() * size_of::<u32>(),
            Index::Hash(table) => table.bytes(),
        };
        self.keys.capacity() * size_of::<i64>() + index
    }

    /// The most that will be allocated while this many keys come in (a new index asks when it comes).
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let index = match &self.index {
            Index::Direct(direct) => direct.slots.capacity() * size_of::<u32>(),
            Index::Hash(table) => table.bytes_with(more),
        };
        crate::ops::vec_bytes_with(&self.keys, more) + index
    }
}

impl Default for Index {
    fn default() -> Index {
        Index::Direct(Direct::default())
    }
}

impl Direct {
    #[inline]
    fn at(&self, key: i64) -> usize {
        key.wrapping_sub(self.base) as u64 as usize
    }

    /// The slot of a key within the span.
    fn slot(&mut self, key: i64) -> Option<&mut u32> {
        let at = self.at(key);
        self.slots.get_mut(at)
    }

    /// Writes ids up to the first key that is new; gives the number of rows done.
    fn find(&self, keys: &[i64], ids: &mut [u32]) -> usize {
        for (row, (key, id)) in keys.iter().zip(ids).enumerate() {
            match self.slots.get(self.at(*key)) {
                Some(slot) if *slot != 0 => *id = *slot - 1,
                _ => return row,
            }
        }
        keys.len()
    }

    /// Writes the id of every key. An empty slot, 0, gives the greatest number, which is no id.
    fn find_all(&self, keys: &[i64], ids: &mut [u32]) {
        for (key, id) in keys.iter().zip(ids) {
            *id = self.slots.get(self.at(*key)).copied().unwrap_or_default().wrapping_sub(1);
        }
    }

    /// The length of an index of keys in this range; None when they lie too far apart.
    fn slots_for(low: i64, high: i64) -> Option<usize> {
        let span = usize::try_from(high.abs_diff(low)).ok()?.checked_add(1).filter(|span| *span <= MAX_SPAN)?;
        Some((span * 2).next_power_of_two().clamp(MIN_SPAN, MAX_SPAN))
    }

    /// An empty index with as much room on both sides of the span as in it, so that it is seldom made anew; nearer the
    /// widest span, with half of what is left on either side.
    fn spanning(low: i64, high: i64, slots: usize) -> Direct {
        let span = high.abs_diff(low) as usize + 1;
        // Offsets wrap, so that a base below the least key is as good as any.
        Direct { base: low.wrapping_sub(((slots - span) / 2) as i64), slots: vec![0; slots] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::mem::Budget;

    /// Keys of several ranges: near zero, near each other far away, and anywhere.
    fn keys() -> impl Strategy<Value = Vec<Option<i64>>> {
        let key = prop_oneof![4 => -9i64..9, 4 => 0i64..200_000, 2 => 5_000_000i64..5_100_000, 1 => any::<i64>()];
        prop::collection::vec(prop::option::weighted(0.9, key), 1..60)
    }

    proptest! {
        #[test]
        fn a_spare_index_knows_no_key(states in prop::collection::vec(keys(), 1..6), limit in prop::sample::select(vec![0usize, 1 << 24])) {
            let (spares, budget) = (Spares::default(), Budget::of(limit));
            for keys in states {
                let mut groups = IntGroups::with_spares(&spares);
                let (mut expected, mut known) = (vec![], HashMap::new());
                for key in &keys {
                    let new = known.len() as u32;
                    expected.push(*known.entry(*key).or_insert(new));
                }
                let values: Vec<i64> = keys.iter().map(|key| key.unwrap_or(3)).collect();
                let nulls = NullBuffer::from_iter(keys.iter().map(Option::is_some));
                let mut ids = vec![0; keys.len()];
                groups.assign(&values, Some(&nulls), &mut ids, &mut |_| Ok(())).unwrap();
                prop_assert_eq!(&ids, &expected);
                let values: Vec<i64> = keys.iter().flatten().copied().collect();
                let mut ids = vec![0; values.len()];
                groups.assign(&values, None, &mut ids, &mut |_| Ok(())).unwrap();
                prop_assert_eq!(ids, values.iter().map(|key| known[&Some(*key)]).collect::<Vec<_>>());
                groups.spare_index(budget.reserve("spare"));
            }
            let spares = spares.0.lock().unwrap();
            prop_assert!(spares.iter().all(|(direct, _)| direct.slots.iter().all(|slot| *slot == 0)));
            prop_assert_eq!(budget.used(), spares.iter().map(|(direct, _)| direct.slots.capacity() * 4).sum::<usize>());
        }
    }

    #[test]
    fn an_index_is_taken_and_given_back() {
        let (spares, budget) = (Spares::default(), Budget::of(1 << 24));
        let count = || spares.0.lock().unwrap().len();
        for _ in 0..3 {
            let (mut some, mut others) = (IntGroups::with_spares(&spares), IntGroups::with_spares(&spares));
            for groups in [&mut some, &mut others] {
                groups.assign(&[5, 100_000], None, &mut [0; 2], &mut |_| Ok(())).unwrap();
            }
            assert_eq!(count(), 0);
            some.spare_index(budget.reserve("spare"));
            others.spare_index(budget.reserve("spare"));
            assert_eq!(count(), 2);
        }
        for state in 0..20 {
            let mut groups = IntGroups::with_spares(&spares);
            groups.assign(&[state << 40, (state << 40) + 100_000], None, &mut [0; 2], &mut |_| Ok(())).unwrap();
            groups.spare_index(budget.reserve("spare"));
        }
        assert_eq!(count(), MOST_SPARES);
    }
}
