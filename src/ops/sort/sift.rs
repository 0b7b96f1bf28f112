//! Of a sort whose first rows of each group alone are wanted: drops rows that so many better ones came before.
//!
//! What is kept of a group are its best values so far, not their rows: to compare with the worst of them is all that most rows
//! cost. Rows that pass may still be beaten by later ones: they wait, and are compared again when there are many, when the last has
//! come, and when states have told each other what they learnt. What is left then is sorted. Of 10 million rows in 100 thousand
//! groups, of which two of each are wanted, 40 % had been sorted when none waited.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{concat_batches, filter_record_batch};

use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::mem::Reservation;
use crate::ops::collect::compact;
use crate::ops::groups::Groups;
use crate::ops::key::{as_ints, encoded_bytes};
use crate::ops::{OUTPUT_ROWS, vec_bytes_with};

/// The best values of every group, and the rows that passed.
pub(super) struct Sift {
    groups: Groups,
    best: Best,
    /// Of the rows that came last.
    ids: Vec<u32>,
    scratch: Vec<i64>,
    memory: Reservation,
    waiting: VecDeque<Waiting>,
    /// Books the rows that wait.
    room: Reservation,
    /// The bytes of those that were left when they were last compared again.
    left: usize,
}

/// Rows that passed, and their groups.
struct Waiting {
    batch: RecordBatch,
    ids: Vec<u32>,
}

/// The best values, group after group, the better the larger, and those first; the least is no value.
struct Best {
    /// How many of each group are kept.
    rows: usize,
    values: Vec<i64>,
    descending: bool,
}

/// More values of a group are not worth looking through.
pub(super) const MOST_ROWS: usize = 16;

/// Of groups of which more are kept, only values that enter go through them.
const FEW_ROWS: usize = 4;

/// So many bytes that wait are compared again.
const MANY_BYTES: usize = 32 << 20;

impl Best {
    /// A value as an integer that is the larger the better; null is the least.
    fn rank(&self, value: i64, is_null: bool) -> i64 {
        match (is_null, self.descending) {
            (true, _) => i64::MIN,
            (false, true) => value,
            (false, false) => !value,
        }
    }

    /// The worst that is kept of a group.
    fn worst(&self, group: u32) -> i64 {
        let first = group as usize * self.rows;
        self.values[first..first + self.rows].last().copied().unwrap_or(i64::MAX)
    }

    /// Puts a value in the place of the worst of its group, if it is better. Whether its row may be among the first.
    #[inline]
    fn enter(&mut self, group: u32, value: i64) -> bool {
        let first = group as usize * self.rows;
        let of_group = &mut self.values[first..first + self.rows];
        let Some(worst) = of_group.last() else { return false };
        // The least stands for no value, too.
        let passes = (value > *worst) | (*worst == i64::MIN);
        if of_group.len() > FEW_ROWS && !passes {
            return false;
        }
        // Each better one stays where it is, the others move on: without a branch, as nobody could foretell it.
        let mut value = value;
        for kept in of_group {
            (*kept, value) = (value.max(*kept), value.min(*kept));
        }
        passes
    }
}

impl Sift {
    /// Keeps so many rows of every group by keys of these types, nulls last.
    pub(super) fn new(kinds: Vec<Type>, rows: usize, descending: bool, memory: Reservation) -> Sift {
        let room = memory.sibling();
        let best = Best { rows, values: vec![], descending };
        let (waiting, groups) = (VecDeque::new(), Groups::new(kinds));
        Sift { groups, best, ids: vec![], scratch: vec![], memory, waiting, room, left: 0 }
    }

    /// The bytes booked.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes() + self.room.bytes()
    }

    /// Books what it takes to learn of more groups.
    fn book(&mut self, groups: usize, key_bytes: usize, beside: usize) -> bool {
        let values = (self.groups.len() + groups) * self.best.rows;
        let bytes = self.groups.bytes_with(groups, key_bytes)
            + vec_bytes_with(&self.best.values, values - self.best.values.len())
            + beside;
        bytes <= self.memory.bytes() || self.memory.try_resize_within_half(bytes)
    }

    /// Which rows may be among the first of their groups; `None` when there is no memory to tell.
    pub(super) fn may_be_first(&mut self, keys: &[ArrayRef], values: &ArrayRef) -> Result<Option<BooleanArray>> {
        let count = values.len();
        let beside = 2 * count * (size_of::<u32>() + size_of::<i64>());
        if !self.book(count, keys.iter().map(encoded_bytes).sum(), beside) {
            return Ok(None);
        }
        let Sift { groups, ids, memory, best, scratch, .. } = self;
        match groups.assign(keys, count, ids, &mut |more| memory.try_resize(memory.bytes() + more)) {
            Err(refused) if refused.kind() == ErrorKind::Memory => return Ok(None),
            assigned => assigned?,
        }
        best.values.resize(groups.len() * best.rows, i64::MIN);
        let ints = as_ints(values, scratch)?;
        let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
        let is_null = |row| nulls.is_some_and(|nulls: &NullBuffer| nulls.is_null(row));
        let passes = BooleanBuffer::collect_bool(count, |row| {
            let value = best.rank(ints[row], is_null(row));
            best.enter(ids[row], value)
        });
        Ok(Some(BooleanArray::new(passes, None)))
    }

    /// Lets the rows wait that the mask selects of those that came last; false when there is no room.
    pub(super) fn wait(&mut self, batch: &RecordBatch, mask: &BooleanArray) -> bool {
        let ids: Vec<u32> = mask.values().set_indices().map(|row| self.ids[row]).collect();
        let waiting = Waiting { batch: batch.clone(), ids };
        let fits = self.room.try_resize_within_half(self.room.bytes() + waiting.bytes());
        if fits {
            self.waiting.push_back(waiting);
        }
        fits
    }

    /// Whether so many wait that it pays to compare them again.
    pub(super) fn is_due(&self) -> bool {
        self.room.bytes() > MANY_BYTES.max(2 * self.left)
    }

    /// Drops what was beaten since it came, by values that `values` gives; tells whether that was worth it.
    pub(super) fn compare_again(&mut self, values: impl Fn(&RecordBatch) -> Result<ArrayRef>) -> Result<bool> {
        let (before, mut left) = (self.room.bytes(), 0);
        for mut waiting in std::mem::take(&mut self.waiting) {
            let values = values(&waiting.batch)?;
            let ints = as_ints(&values, &mut self.scratch)?;
            let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
            let is_null = |row| nulls.is_some_and(|nulls: &NullBuffer| nulls.is_null(row));
            let passes = BooleanBuffer::collect_bool(values.len(), |row| {
                self.best.rank(ints[row], is_null(row)) >= self.best.worst(waiting.ids[row])
            });
            match passes.count_set_bits() {
                0 => continue,
                passed if passed == values.len() => {}
                _ => {
                    waiting.ids = passes.set_indices().map(|row| waiting.ids[row]).collect();
                    let mask = BooleanArray::new(passes, None);
                    waiting.batch = compact(&filter_record_batch(&waiting.batch, &mask)?)?;
                }
            }
            left += waiting.bytes();
            self.waiting.push_back(waiting);
        }
        // Copies have at most some unused bytes more: not worth asking for.
        self.left = left.min(before);
        self.room.try_resize(self.left)?;
        Ok(self.left <= before - before / 4)
    }

    /// The first rows that wait, not more than a batch holds.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut batches, mut rows, mut bytes) = (vec![], 0, 0);
        while let Some(next) = self.waiting.pop_front_if(|next| rows == 0 || rows + next.ids.len() <= OUTPUT_ROWS) {
            rows += next.ids.len();
            bytes += next.bytes();
            batches.push(next.batch);
        }
        let Some(first) = batches.first() else { return Ok(None) };
        let all = if batches.len() == 1 { first.clone() } else { concat_batches(&first.schema(), &batches)? };
        self.room.try_resize(self.room.bytes().saturating_sub(bytes))?;
        Ok(Some(all))
    }

    /// Takes in what the state of later rows learnt, and the rows that wait there; false, and none is taken in, when there is no memory.
    pub(super) fn absorb(&mut self, later: &mut Sift) -> Result<bool> {
        let more = later.groups.len();
        if !self.book(more, later.groups.key_bytes(), more * size_of::<u32>()) {
            return Ok(false);
        }
        let Sift { groups, memory, best, .. } = self;
        let ids = match groups.absorb(&mut later.groups, &mut |more| memory.try_resize(memory.bytes() + more)) {
            Err(refused) if refused.kind() == ErrorKind::Memory => return Ok(false),
            ids => ids?,
        };
        best.values.resize(groups.len() * best.rows, i64::MIN);
        let lost = || Error::internal("a group was lost while states merged");
        for (values, id) in later.best.values.chunks(best.rows.max(1)).zip(&ids) {
            for value in values {
                best.enter(*id, *value);
            }
        }
        for mut waiting in later.waiting.drain(..) {
            for id in &mut waiting.ids {
                *id = *ids.get(*id as usize).ok_or_else(lost)?;
            }
            self.waiting.push_back(waiting);
        }
        // Not the sum: what both learnt may drop much of either.
        self.left = self.left.max(later.left);
        let empty = later.room.sibling();
        self.room.absorb(std::mem::replace(&mut later.room, empty));
        self.book_what_is_held()?;
        Ok(true)
    }

    /// Lets go of what only takes in rows.
    pub(super) fn seal(&mut self) -> Result<()> {
        (self.ids, self.scratch) = (vec![], vec![]);
        self.groups.drop_scratch();
        self.book_what_is_held()
    }

    /// Gives back what was booked for work that is done.
    fn book_what_is_held(&mut self) -> Result<()> {
        let bytes = self.groups.bytes() + self.best.values.capacity() * size_of::<i64>();
        self.memory.try_resize(bytes.min(self.memory.bytes()))
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.batch.get_array_memory_size() + self.ids.capacity() * size_of::<u32>()
    }
}
