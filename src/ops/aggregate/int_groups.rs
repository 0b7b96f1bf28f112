//! Groups by one key of a fixed width: an array indexed by the key while the keys lie close together, else a hash table.

use arrow::buffer::NullBuffer;

use super::table::Table;

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
    pub(super) fn assign(&mut self, values: &[i64], nulls: Option<&NullBuffer>, ids: &mut [u32]) {
        if let Some(nulls) = nulls.filter(|n| n.null_count() > 0) {
            for (row, (value, id)) in values.iter().zip(ids).enumerate() {
                *id = self.find_or_insert(nulls.is_valid(row).then_some(*value));
            }
            return;
        }
        let mut done = 0;
        while done < values.len() {
            done += self.assign_known(&values[done..], &mut ids[done..]);
            if done < values.len() {
                ids[done] = self.find_or_insert(Some(values[done]));
                done += 1;
            }
        }
    }

    /// Writes ids up to a key that needs a wider index, or is new to a direct one; gives the number of rows done.
    fn assign_known(&mut self, values: &[i64], ids: &mut [u32]) -> usize {
        match &mut self.index {
            Index::Direct(direct) => direct.find(values, ids),
            Index::Hash(table) => {
                for (value, id) in values.iter().zip(ids) {
                    let new = self.keys.len() as u32;
                    *id = table.find_or_insert(*value, new);
                    if *id == new {
                        self.keys.push(*value);
                    }
                }
                values.len()
            }
        }
    }

    /// The id of one key.
    pub(super) fn find_or_insert(&mut self, key: Option<i64>) -> u32 {
        let new = self.keys.len() as u32;
        let Some(key) = key else {
            if self.null_group.is_none() {
                self.null_group = Some(new);
                self.keys.push(0);
            }
            return self.null_group.unwrap_or(new);
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
                    if !direct.widen(key) {
                        self.move_to_hash();
                    }
                }
            }
        };
        if id == new {
            self.keys.push(key);
        }
        id
    }

    /// The keys lie too far apart for a direct index.
    fn move_to_hash(&mut self) {
        let mut table = Table::with_room(self.keys.len());
        for (key, id) in self.keys.iter().zip(0..) {
            if self.null_group != Some(id) {
                table.find_or_insert(*key, id);
            }
        }
        self.index = Index::Hash(table);
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let index = match &self.index {
            Index::Direct(direct) => direct.slots.capacity() * size_of::<u32>(),
            Index::Hash(table) => table.bytes(),
        };
        self.keys.capacity() * size_of::<i64>() + index
    }

    /// The most that will be allocated while this many keys come in (a direct index grows by at most 4 MB beyond it).
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

    /// Widens the span to the key, if that is not too wide.
    fn widen(&mut self, key: i64) -> bool {
        let key = i128::from(key);
        let (low, high) = match self.slots.len() {
            0 => (key, key),
            len => (i128::from(self.base), i128::from(self.base) + len as i128),
        };
        let span = (high.max(key + 1) - low.min(key)) as u128;
        if span > MAX_SPAN as u128 {
            return false;
        }
        let len = (span as usize).next_power_of_two().max(MIN_SPAN);
        // It grows to the side where the key is.
        let base = if key < low { (high - len as i128).max(i128::from(i64::MIN)) } else { low };
        let mut slots = vec![0; len];
        let shift = (low - base) as usize;
        slots[shift..shift + self.slots.len()].copy_from_slice(&self.slots);
        *self = Direct { base: base as i64, slots };
        true
    }
}
