//! An open-addressing hash table from integers to dense ids.
//!
//! What dominates a lookup of a key that is there is not its arithmetic but its branches and its cache lines: with slots in a row,
//! every fourth lookup went past its first slot, and mispredicted that. So slots come in pairs, which share a cache line, and both are
//! compared without a branch; only one key of fifteen lies beyond its pair. That holds if the hash spreads keys that differ in few
//! digits: one that folded the halves of a key one after the other left a third of `id001` to `id100` beyond theirs, and took twice as
//! long for a whole query. In a table larger than the cache, its lines dominate: two thirds of a lookup, when those of some keys were
//! loaded together. To have them prefetched while the keys before are looked up took 4 to 13 % off whole queries (medians of five).

use std::hint::select_unpredictable;

use super::MISSING;
use crate::ops::prefetch::prefetch;

/// An integer that hashes.
pub(super) trait Key: Copy + Eq + Default {
    /// At least so many slots for each.
    const SLOTS: usize = 2;

    /// What has the alignment of a [`Bucket`].
    type Align: Copy;

    fn hash(self) -> u64;
}

/// Two slots of at most 8 bytes.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(super) struct QuarterLine;

/// Two slots of at most 16 bytes.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct HalfLine;

/// Two slots of at most 32 bytes.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line;

/// 64 by 64 bits, both halves of the product folded: every bit of the key reaches every bit of the hash.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x243f_6a88_85a3_08d3) * u128::from(b ^ 0x9e37_79b9_7f4a_7c15);
    (product >> 64) as u64 ^ product as u64
}

impl Key for i64 {
    type Align = HalfLine;

    fn hash(self) -> u64 {
        fold(self as u64, 0)
    }
}

impl Key for u32 {
    type Align = QuarterLine;

    /// As of the same number in 64 bits.
    fn hash(self) -> u64 {
        u64::from(self).hash()
    }
}

impl Key for u64 {
    type Align = HalfLine;

    fn hash(self) -> u64 {
        fold(self, 0)
    }
}

impl Key for u128 {
    type Align = Line;

    fn hash(self) -> u64 {
        fold(self as u64, (self >> 64) as u64)
    }
}

/// Slots hold the key beside the id, so that a hit touches one cache line; at most half of them are used, or [fewer](Key::SLOTS),
/// unless it is [dense](Table::dense).
pub(super) struct Table<K: Key> {
    buckets: Vec<Bucket<K>>,
    used: usize,
    /// With more keys it grows.
    most: usize,
}

/// Filled from the first slot; a key that finds both used goes to the next bucket.
#[derive(Clone, Copy)]
struct Bucket<K: Key> {
    slots: [Slot<K>; PAIR],
    _align: [K::Align; 0],
}

#[derive(Clone, Copy, Default)]
struct Slot<K> {
    key: K,
    /// The id plus one; 0 is an empty slot.
    id: u32,
}

const PAIR: usize = 2;

const FEWEST_SLOTS: usize = 64;

/// Tables of fewer slots are sparse: what a cache holds anyway may as well have few collisions.
const SPARSE_SLOTS: usize = 1024;

/// So many keys are looked up together, while the buckets of as many more are on their way.
pub(super) const AHEAD: usize = 32;

/// A table of so many bytes is in the cache anyway.
const CACHED_BYTES: usize = 1 << 18;

impl<K: Key> Bucket<K> {
    fn empty() -> Bucket<K> {
        Bucket { slots: Default::default(), _align: [] }
    }

    /// The id plus one of a key that is here; else 0. An empty slot may have the key, but no id.
    #[inline]
    fn find(&self, key: K) -> u32 {
        let [first, second] = &self.slots;
        let second = select_unpredictable(second.key == key, second.id, 0);
        select_unpredictable(first.key == key, first.id, second)
    }
}

impl<K: Key> Table<K> {
    /// A table with room for this many keys.
    pub(super) fn with_room(keys: usize) -> Table<K> {
        Table::of_buckets(buckets_for::<K>(keys))
    }

    fn of_buckets(buckets: usize) -> Table<K> {
        let slots = buckets * PAIR;
        let for_each = if slots < SPARSE_SLOTS { 4 * K::SLOTS } else { K::SLOTS };
        Table { buckets: vec![Bucket::empty(); buckets], used: 0, most: slots / for_each }
    }

    /// The bytes of a table with room for this many keys.
    pub(super) fn bytes_for(keys: usize) -> usize {
        buckets_for::<K>(keys) * size_of::<Bucket<K>>()
    }

    /// A table for this many keys, up to two thirds full: where it is far larger than the cache, fewer lines of it count for more than
    /// that one key of eight lies beyond its pair.
    pub(super) fn dense(keys: usize) -> Table<K> {
        Table { most: keys, ..Table::of_buckets(dense_buckets_for(keys)) }
    }

    /// The bytes of a dense table for this many keys.
    pub(super) fn dense_bytes(keys: usize) -> usize {
        dense_buckets_for(keys) * size_of::<Bucket<K>>()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Writes the ids of keys up to the first that is new; gives the number of keys done. This is the hot loop: it changes nothing.
    pub(super) fn find(&self, keys: &[K], ids: &mut [u32]) -> usize {
        let mut done = 0;
        for (keys, ids) in self.fetched(keys).zip(ids.chunks_mut(AHEAD)) {
            for (row, (key, id)) in keys.iter().zip(ids).enumerate() {
                let found = self.find_hashed(*key, key.hash());
                if found == MISSING {
                    return done + row;
                }
                *id = found;
            }
            done += keys.len();
        }
        keys.len()
    }

    /// Writes the id of every key. New keys get the next ids, and are appended to `known`, the key of every id.
    pub(super) fn assign(&mut self, keys: &[K], ids: &mut [u32], known: &mut Vec<K>) {
        let (mut chunks, mut next) = (keys.chunks(AHEAD), keys.chunks(AHEAD));
        next.next().into_iter().for_each(|keys| self.fetch(keys));
        for ids in ids.chunks_mut(AHEAD) {
            next.next().into_iter().for_each(|keys| self.fetch(keys));
            let keys = chunks.next().unwrap_or_default();
            let mut all_known = true;
            for (key, id) in keys.iter().zip(ids.iter_mut()) {
                *id = self.find_hashed(*key, key.hash());
                all_known &= *id != MISSING;
            }
            if all_known {
                continue;
            }
            for (key, id) in keys.iter().zip(ids).filter(|(_, id)| **id == MISSING) {
                let new = known.len() as u32;
                *id = self.find_or_insert(*key, new);
                if *id == new {
                    known.push(*key);
                }
            }
        }
    }

    /// Has the buckets of keys on their way to the cache: a lookup whose branch is mispredicted would wait for its bucket alone.
    #[inline]
    pub(super) fn fetch(&self, keys: &[K]) {
        if size_of_val(self.buckets.as_slice()) > CACHED_BYTES {
            keys.iter().for_each(|key| self.fetch_hashed(key.hash()));
        }
    }

    /// Has the bucket where the lookup of a hash begins on its way.
    #[inline]
    pub(super) fn fetch_hashed(&self, hash: u64) {
        prefetch(&self.buckets[hash as usize & (self.buckets.len() - 1)]);
    }

    /// Some keys after the other, of which the buckets are on their way, and those of the next.
    fn fetched<'a>(&'a self, keys: &'a [K]) -> impl Iterator<Item = &'a [K]> {
        let mut next = keys.chunks(AHEAD);
        next.next().into_iter().for_each(|keys| self.fetch(keys));
        keys.chunks(AHEAD).inspect(move |_| next.next().into_iter().for_each(|keys| self.fetch(keys)))
    }

    /// Writes the id of every key, [`MISSING`] where it has none.
    pub(super) fn find_all(&self, keys: &[K], ids: &mut [u32]) {
        for (keys, ids) in self.fetched(keys).zip(ids.chunks_mut(AHEAD)) {
            keys.iter().zip(ids).for_each(|(key, id)| *id = self.find_hashed(*key, key.hash()));
        }
    }

    /// The id of a key with this hash, [`MISSING`] where it has none.
    #[inline]
    pub(super) fn find_hashed(&self, key: K, hash: u64) -> u32 {
        let at = hash as usize & (self.buckets.len() - 1);
        let id = self.buckets[at].find(key);
        // No id, 0, is one less than the least: the greatest number.
        if id != 0 { id - 1 } else { self.find_beyond(key, at).wrapping_sub(1) }
    }

    /// The id plus one of a key that is not in its own bucket, 0 where it has none.
    fn find_beyond(&self, key: K, mut at: usize) -> u32 {
        // A bucket with room ends the search.
        while self.buckets[at].slots[PAIR - 1].id != 0 {
            at = (at + 1) & (self.buckets.len() - 1);
            let id = self.buckets[at].find(key);
            if id != 0 {
                return id;
            }
        }
        0
    }

    /// The key's id, which is `new_id` when the key is new.
    pub(super) fn find_or_insert(&mut self, key: K, new_id: u32) -> u32 {
        let hash = key.hash();
        let id = self.find_hashed(key, hash);
        if id != MISSING {
            return id;
        }
        self.insert(hash, Slot { key, id: new_id + 1 });
        self.used += 1;
        self.make_room(self.used);
        new_id
    }

    /// Gives each key another id, from the one that it has.
    pub(super) fn renumber(&mut self, id: impl Fn(u32) -> u32) {
        let slots = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.slots).filter(|slot| slot.id != 0);
        slots.for_each(|slot| slot.id = id(slot.id - 1) + 1);
    }

    /// Makes room for this many keys in all.
    pub(super) fn make_room(&mut self, keys: usize) {
        if keys > self.most {
            self.grow_to(buckets_for::<K>(keys));
        }
    }

    #[cold]
    fn grow_to(&mut self, buckets: usize) {
        let used = self.used;
        let old = std::mem::replace(self, Table { used, ..Table::of_buckets(buckets) }).buckets;
        for slot in old.iter().flat_map(|bucket| &bucket.slots).filter(|slot| slot.id != 0) {
            self.insert(slot.key.hash(), *slot);
        }
    }

    /// Fills the first empty slot.
    #[inline]
    fn insert(&mut self, hash: u64, new: Slot<K>) {
        let mask = self.buckets.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            if let Some(slot) = self.buckets[at].slots.iter_mut().find(|slot| slot.id == 0) {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket<K>>()
    }

    /// The most that will be allocated while this many keys come in: the old slots live until the new ones are filled.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let keys = self.used + more;
        self.bytes() + if keys > self.most { buckets_for::<K>(keys) * size_of::<Bucket<K>>() } else { 0 }
    }
}

fn dense_buckets_for(keys: usize) -> usize {
    (keys + keys / 2).next_power_of_two().max(FEWEST_SLOTS) / PAIR
}

fn buckets_for<K: Key>(keys: usize) -> usize {
    let slots = keys * K::SLOTS;
    slots.max(SPARSE_SLOTS.min(4 * slots)).next_power_of_two().max(FEWEST_SLOTS) / PAIR
}
