//! Groups by one key of a fixed width: an array indexed by the key while the keys lie close together, else a hash table.

use arrow::buffer::NullBuffer;

use super::Book;
use super::table::Table;
use crate::error::Result;

/// From keys to dense ids.
#[derive(Default)]
pub(super) struct IntGroups {
    /// The key of every id; the null group's is unused.
    keys: Vec<i64>,
    null_group: Option<u32>,
    index: Index,
}

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
/// The narrowest, so that the first few keys don't make it grow one by one.
const MIN_SPAN: usize = 1 << 10;

impl IntGroups {
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
        let direct = Direct::slots_for(low, high).filter(|slots| book(slots * size_of::<u32>()).is_ok());
        self.index = match direct {
            Some(slots) => {
                let mut direct = Direct::spanning(low, high, slots);
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
