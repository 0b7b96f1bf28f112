//! An open-addressing hash table from integers to dense ids.

/// An integer that hashes.
pub(super) trait Key: Copy + Eq + Default {
    /// At least so many slots for each.
    const SLOTS: usize = 2;

    fn hash(self) -> u64;
}

/// 64 by 64 bits, both halves of the product folded: every bit of the key reaches every bit of the hash.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x243f_6a88_85a3_08d3) * u128::from(b ^ 0x9e37_79b9_7f4a_7c15);
    (product >> 64) as u64 ^ product as u64
}

impl Key for i64 {
    fn hash(self) -> u64 {
        fold(self as u64, 0)
    }
}

impl Key for u64 {
    fn hash(self) -> u64 {
        fold(self, 0)
    }
}

impl Key for u128 {
    fn hash(self) -> u64 {
        fold(fold(self as u64, 0), (self >> 64) as u64)
    }
}

/// Slots hold the key beside the id, so that a hit touches one cache line; at most half of them are used, or [fewer](Key::SLOTS).
pub(super) struct Table<K> {
    slots: Vec<Slot<K>>,
    used: usize,
}

#[derive(Clone, Copy, Default)]
struct Slot<K> {
    key: K,
    /// The id plus one; 0 is an empty slot.
    id: u32,
}

const FEWEST_SLOTS: usize = 64;

/// So many keys are looked up together.
pub(super) const AHEAD: usize = 32;

/// A table of so many bytes is in the cache anyway.
const CACHED_BYTES: usize = 1 << 18;

impl<K: Key> Table<K> {
    /// A table with room for this many keys.
    pub(super) fn with_room(keys: usize) -> Table<K> {
        Table { slots: vec![Slot::default(); slots_for::<K>(keys)], used: 0 }
    }

    /// The bytes of a table with room for this many keys.
    pub(super) fn bytes_for(keys: usize) -> usize {
        slots_for::<K>(keys) * size_of::<Slot<K>>()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Writes the ids of keys up to the first that is new; gives the number of keys done. This is the hot loop: it changes nothing.
    pub(super) fn find(&self, keys: &[K], ids: &mut [u32]) -> usize {
        let slots = self.slots.as_slice();
        let mask = slots.len() - 1;
        let mut done = 0;
        for (keys, ids) in keys.chunks(AHEAD).zip(ids.chunks_mut(AHEAD)) {
            self.fetch(keys);
            for (row, (key, id)) in keys.iter().zip(ids).enumerate() {
                let mut at = key.hash() as usize & mask;
                let mut slot = &slots[at];
                while slot.key != *key || slot.id == 0 {
                    if slot.id == 0 {
                        return done + row;
                    }
                    at = (at + 1) & mask;
                    slot = &slots[at];
                }
                *id = slot.id - 1;
            }
            done += keys.len();
        }
        keys.len()
    }

    /// Has the slots of keys in the cache, all at once: a lookup whose branch is mispredicted would wait for its slot alone.
    #[inline]
    pub(super) fn fetch(&self, keys: &[K]) {
        if size_of_val(self.slots.as_slice()) > CACHED_BYTES {
            let slots = keys.iter().fold(0, |slots, key| slots ^ self.first_slot(key.hash()));
            std::hint::black_box(slots);
        }
    }

    /// What stands where the lookup of a hash begins.
    #[inline]
    pub(super) fn first_slot(&self, hash: u64) -> u32 {
        self.slots[hash as usize & (self.slots.len() - 1)].id
    }

    /// Writes the id of every key. An empty slot, 0, gives the greatest number, which is no id.
    pub(super) fn find_all(&self, keys: &[K], ids: &mut [u32]) {
        let slots = self.slots.as_slice();
        let mask = slots.len() - 1;
        for (key, id) in keys.iter().zip(ids) {
            let mut at = key.hash() as usize & mask;
            let mut slot = &slots[at];
            while slot.key != *key && slot.id != 0 {
                at = (at + 1) & mask;
                slot = &slots[at];
            }
            *id = slot.id.wrapping_sub(1);
        }
    }

    /// The id of a key with this hash, the greatest number where it has none.
    #[inline]
    pub(super) fn find_hashed(&self, key: K, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        let mut slot = &self.slots[at];
        while slot.key != key && slot.id != 0 {
            at = (at + 1) & mask;
            slot = &self.slots[at];
        }
        slot.id.wrapping_sub(1)
    }

    /// The key's id, which is `new_id` when the key is new.
    pub(super) fn find_or_insert(&mut self, key: K, new_id: u32) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = key.hash() as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.id == 0 {
                *slot = Slot { key, id: new_id + 1 };
                self.used += 1;
                if self.used * K::SLOTS > self.slots.len() {
                    self.grow();
                }
                return new_id;
            }
            if slot.key == key {
                return slot.id - 1;
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for this many keys in all.
    pub(super) fn make_room(&mut self, keys: usize) {
        if slots_for::<K>(keys) > self.slots.len() {
            self.grow_to(slots_for::<K>(keys));
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.grow_to(self.slots.len() * 2);
    }

    fn grow_to(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.id != 0) {
            let mut at = slot.key.hash() as usize & mask;
            while self.slots[at].id != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<K>>()
    }

    /// The most that will be allocated while this many keys come in: the old slots live until the new ones are filled.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let slots = slots_for::<K>(self.used + more);
        if slots <= self.slots.len() { self.bytes() } else { self.bytes() + slots * size_of::<Slot<K>>() }
    }
}

fn slots_for<K: Key>(keys: usize) -> usize {
    (keys * K::SLOTS + K::SLOTS).next_power_of_two().max(FEWEST_SLOTS)
}
