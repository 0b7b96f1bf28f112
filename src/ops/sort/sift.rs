//! Of a sort whose first rows of each group alone are wanted: drops rows that so many better ones came before.
//!
//! What is kept of a group are its best values so far, not their rows: to compare with the worst of them is all that most rows
//! cost. Rows that pass may still be beaten by later ones; the sort sees to them.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;

use crate::error::{ErrorKind, Result};
use crate::expr::Type;
use crate::mem::Reservation;
use crate::ops::groups::Groups;
use crate::ops::key::as_ints;

/// The best values of every group.
pub(super) struct Sift {
    groups: Groups,
    /// How many of each group are kept.
    rows: usize,
    /// Group after group, the better the larger; the least is no value.
    best: Vec<i64>,
    descending: bool,
    ids: Vec<u32>,
    scratch: Vec<i64>,
    memory: Reservation,
}

/// More values of a group are not worth looking through.
pub(super) const MOST_ROWS: usize = 16;

impl Sift {
    /// Keeps so many rows of every group by keys of these types, nulls last.
    pub(super) fn new(kinds: Vec<Type>, rows: usize, descending: bool, memory: Reservation) -> Sift {
        let groups = Groups::new(kinds);
        Sift { groups, rows, best: vec![], descending, ids: vec![], scratch: vec![], memory }
    }

    /// The bytes booked.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Which rows may be among the first of their groups; `None` when there is no memory to tell.
    pub(super) fn may_be_first(&mut self, keys: &[ArrayRef], values: &ArrayRef) -> Result<Option<BooleanArray>> {
        let count = values.len();
        let key_bytes = keys.iter().map(crate::ops::key::encoded_bytes).sum();
        let groups = self.groups.len() + count;
        let bytes = self.groups.bytes_with(count, key_bytes)
            + crate::ops::vec_bytes_with(&self.best, groups * self.rows - self.best.len())
            + 2 * count * (size_of::<u32>() + size_of::<i64>());
        if bytes > self.memory.bytes() && !self.memory.try_resize_within_half(bytes) {
            return Ok(None);
        }
        let Sift { groups, ids, memory, .. } = self;
        match groups.assign(keys, count, ids, &mut |more| memory.try_resize(memory.bytes() + more)) {
            Err(refused) if refused.kind() == ErrorKind::Memory => return Ok(None),
            assigned => assigned?,
        }
        self.best.resize(self.groups.len() * self.rows, i64::MIN);
        let ints = as_ints(values, &mut self.scratch)?;
        let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
        let (best, rows, descending) = (&mut self.best, self.rows, self.descending);
        if rows == 0 {
            return Ok(Some(BooleanArray::new(BooleanBuffer::new_unset(count), None)));
        }
        let passes = BooleanBuffer::collect_bool(count, |row| {
            let value = match nulls {
                Some(nulls) if nulls.is_null(row) => i64::MIN,
                _ if descending => ints[row],
                _ => !ints[row],
            };
            let first = self.ids[row] as usize * rows;
            let of_group = &mut best[first..first + rows];
            let mut worst = 0;
            for at in 1..rows {
                worst = if of_group[at] < of_group[worst] { at } else { worst };
            }
            let passes = value > of_group[worst];
            if passes {
                of_group[worst] = value;
            }
            // The least stands for no value, too.
            passes || of_group[worst] == i64::MIN
        });
        Ok(Some(BooleanArray::new(passes, None)))
    }
}
