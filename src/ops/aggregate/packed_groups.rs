//! Groups by several keys of fixed width whose values are small enough to share 128 bits.

use arrow::array::{Array, ArrayRef};

use super::table::Table;
use crate::error::Result;
use crate::expr::Type;
use crate::ops::key::as_ints;

/// From rows of keys, packed so that comparing the packed integers compares the rows, to dense ids.
pub(super) struct PackedGroups {
    /// The bits of every key column, first in the highest bits.
    widths: Vec<u32>,
    /// The packed key of every id.
    keys: Vec<u128>,
    table: Table<u128>,
    scratch: Vec<i64>,
    packed: Vec<u128>,
}

/// A value takes at most the bits of an `i64` and one more, for the null.
const MAX_WIDTH: u32 = 65;

impl PackedGroups {
    /// None for keys that can't be packed.
    pub(super) fn new(kinds: &[Type]) -> Option<PackedGroups> {
        if !(2..=6).contains(&kinds.len()) || kinds.contains(&Type::Text) {
            return None;
        }
        let fixed = |kind: &Type| match kind {
            Type::Bool => Some(2),
            Type::Date => Some(33),
            _ => None,
        };
        let wide = kinds.iter().filter(|k| fixed(k).is_none()).count() as u32;
        let rest = 128u32.checked_sub(kinds.iter().filter_map(fixed).sum())?;
        let share = if wide == 0 { 0 } else { (rest / wide).min(MAX_WIDTH) };
        if wide > 0 && share < 20 {
            return None;
        }
        let widths = kinds.iter().map(|k| fixed(k).unwrap_or(share)).collect();
        Some(PackedGroups { widths, keys: vec![], table: Table::with_room(0), scratch: vec![], packed: vec![] })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Writes the id of every row; false, and nothing is changed, when a value does not fit.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], ids: &mut [u32]) -> Result<bool> {
        self.packed.clear();
        self.packed.resize(ids.len(), 0);
        for (array, width) in columns.iter().zip(&self.widths) {
            let values = as_ints(array, &mut self.scratch)?;
            let null = (1u128 << width) - 1;
            let half = 1i128 << (width - 1);
            let mut fits = true;
            match array.nulls() {
                None => {
                    for (packed, value) in self.packed.iter_mut().zip(values) {
                        let code = (i128::from(*value) + half) as u128;
                        fits &= code < null;
                        *packed = *packed << width | code;
                    }
                }
                Some(nulls) => {
                    for (row, (packed, value)) in self.packed.iter_mut().zip(values).enumerate() {
                        let code = (i128::from(*value) + half) as u128;
                        let code = if nulls.is_valid(row) { code } else { null };
                        fits &= code < null || nulls.is_null(row);
                        *packed = *packed << width | code;
                    }
                }
            }
            if !fits {
                return Ok(false);
            }
        }
        for (packed, id) in self.packed.iter().zip(ids) {
            let new = self.keys.len() as u32;
            *id = self.table.find_or_insert(*packed, new);
            if *id == new {
                self.keys.push(*packed);
            }
        }
        Ok(true)
    }

    /// Writes the ids of another's groups in this one.
    pub(super) fn absorb(&mut self, later: &PackedGroups) -> Vec<u32> {
        let mut find = |key: &u128| {
            let new = self.keys.len() as u32;
            let id = self.table.find_or_insert(*key, new);
            if id == new {
                self.keys.push(*key);
            }
            id
        };
        later.keys.iter().map(&mut find).collect()
    }

    pub(super) fn key(&self, id: u32) -> u128 {
        self.keys[id as usize]
    }

    /// The values of one key column of a packed row.
    pub(super) fn value(&self, id: u32, column: usize) -> Option<i64> {
        let below: u32 = self.widths[column + 1..].iter().sum();
        let width = self.widths[column];
        let null = (1u128 << width) - 1;
        let code = self.keys[id as usize] >> below & null;
        (code != null).then(|| (code as i128 - (1i128 << (width - 1))) as i64)
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        (self.keys.capacity() + self.packed.capacity()) * size_of::<u128>()
            + self.scratch.capacity() * 8
            + self.table.bytes()
    }

    /// The most that will be allocated while this many keys come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let scratch = more.max(self.packed.capacity()) * (size_of::<u128>() + 8);
        crate::ops::vec_bytes_with(&self.keys, more) + scratch + self.table.bytes_with(more)
    }
}
