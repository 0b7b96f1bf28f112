//! Groups by any keys: rows as bytes, in one buffer, found by their hash.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::ops::key::Rows;

/// From rows of keys to dense ids.
pub(in crate::ops) struct RowGroups {
    /// The row of every id.
    rows: Rows,
    /// Its hash, so that neither growing nor merging hashes again.
    hashes: Vec<u64>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl RowGroups {
    pub(in crate::ops) fn new() -> RowGroups {
        // Fixed seeds: every state hashes alike, and so does every run.
        let hasher = RandomState::with_seeds(
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
        );
        RowGroups { rows: Rows::default(), hashes: vec![], table: HashTable::new(), hasher }
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(in crate::ops) fn row(&self, id: u32) -> &[u8] {
        self.rows.row(id as usize)
    }

    /// Writes the id of every row.
    pub(in crate::ops) fn assign(&mut self, rows: &Rows, ids: &mut [u32]) {
        for (row, id) in rows.iter().zip(ids) {
            *id = self.find_or_insert(row, self.hasher.hash_one(row));
        }
    }

    /// Writes the id of every row, [`MISSING`](super::MISSING) where there is none.
    pub(super) fn find(&self, rows: &Rows, ids: &mut [u32]) {
        for (row, id) in rows.iter().zip(ids) {
            let hash = self.hasher.hash_one(row);
            let same = |id: &u32| self.hashes[*id as usize] == hash && self.rows.row(*id as usize) == row;
            *id = self.table.find(hash, same).copied().unwrap_or(super::MISSING);
        }
    }

    /// The id of one row.
    pub(in crate::ops) fn id_of(&mut self, row: &[u8]) -> u32 {
        self.find_or_insert(row, self.hasher.hash_one(row))
    }

    /// The ids of another's groups in this one.
    pub(in crate::ops) fn absorb(&mut self, later: &RowGroups) -> Vec<u32> {
        later.rows.iter().zip(&later.hashes).map(|(row, hash)| self.find_or_insert(row, *hash)).collect()
    }

    fn find_or_insert(&mut self, row: &[u8], hash: u64) -> u32 {
        let RowGroups { rows, hashes, table, .. } = self;
        let same = |id: &u32| hashes[*id as usize] == hash && rows.row(*id as usize) == row;
        if let Some(id) = table.find(hash, same) {
            return *id;
        }
        let id = hashes.len() as u32;
        rows.push(row);
        hashes.push(hash);
        table.insert_unique(hash, id, |id| hashes[*id as usize]);
        id
    }

    /// The length of all rows.
    pub(in crate::ops) fn key_bytes(&self) -> usize {
        self.rows.total_len()
    }

    /// The bytes allocated.
    pub(in crate::ops) fn bytes(&self) -> usize {
        self.rows.bytes() + self.hashes.capacity() * size_of::<u64>() + self.table.allocation_size()
    }

    /// The most that will be allocated while this many keys come in, of this many bytes.
    pub(in crate::ops) fn bytes_with(&self, more: usize, bytes: usize) -> usize {
        let table = table_bytes_with(&self.table, more);
        self.rows.bytes_with(more, bytes) + crate::ops::vec_bytes_with(&self.hashes, more) + table
    }
}

/// The most that is allocated while this many ids come into a table.
pub(super) fn table_bytes_with(table: &HashTable<u32>, more: usize) -> usize {
    if table.len() + more <= table.capacity() {
        return table.allocation_size();
    }
    // One control byte and one id a slot, at most seven of eight slots used, and the old table beside the new.
    table.allocation_size() + ((table.len() + more) * 8 / 7 + 16).next_power_of_two() * 5
}
