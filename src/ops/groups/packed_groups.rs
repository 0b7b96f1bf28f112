//! Groups by several keys of fixed width whose values are small enough to share 64 or 128 bits.

use std::borrow::Cow;
use std::marker::PhantomData;

use arrow::array::{Array, ArrayRef};

use super::table::{Key, Table};
use crate::batch::words_column;
use crate::error::Result;
use crate::expr::Type;
use crate::ops::key::{as_ints, from_ints};

/// An integer that holds a row of keys: the first key in the highest bits, each as its distance from the least value
/// that its width holds, a null as all ones; so that comparing words compares rows, nulls last.
pub(super) trait Word: Key + Ord {
    const BITS: u32;
    /// The code of a null, and the least that no value has.
    fn null(width: u32) -> Self;
    /// The code of a value, which fits when it is less than a null's.
    fn code(value: i64, width: u32) -> Self;
    fn append(self, code: Self, width: u32) -> Self;
    /// As words of 64 bits, the highest first.
    fn halves(words: Vec<Self>) -> Vec<u64>;
    fn wholes(halves: &[u64]) -> Cow<'_, [Self]>;
    /// The value of a code that lies above this many bits.
    fn value(self, below: u32, width: u32) -> Option<i64>;
}

macro_rules! word {
    ($word:ty, $signed:ty, $halves:expr, $wholes:expr) => {
        impl Word for $word {
            const BITS: u32 = <$word>::BITS;

            #[inline]
            fn null(width: u32) -> $word {
                (1 << width) - 1
            }

            #[inline]
            fn code(value: i64, width: u32) -> $word {
                (value as $signed as $word).wrapping_add(1 << (width - 1))
            }

            #[inline]
            fn append(self, code: $word, width: u32) -> $word {
                self << width | code
            }

            fn halves(words: Vec<$word>) -> Vec<u64> {
                $halves(words)
            }

            fn wholes(halves: &[u64]) -> Cow<'_, [$word]> {
                $wholes(halves)
            }

            fn value(self, below: u32, width: u32) -> Option<i64> {
                let code = self >> below & Self::null(width);
                (code != Self::null(width)).then(|| code.wrapping_sub(1 << (width - 1)) as i64)
            }
        }
    };
}
word!(u64, i64, std::convert::identity, Cow::Borrowed);
word!(u128, i128, halves, wholes);

/// The halves of words of 128 bits, the higher first.
fn halves(words: Vec<u128>) -> Vec<u64> {
    words.into_iter().flat_map(|word| [(word >> 64) as u64, word as u64]).collect()
}

/// What [`halves`] halved.
pub(super) fn wholes(halves: &[u64]) -> Cow<'_, [u128]> {
    halves.as_chunks::<2>().0.iter().map(|[high, low]| u128::from(*high) << 64 | u128::from(*low)).collect()
}

/// How keys are packed: the bits of every key column.
#[derive(Clone)]
pub(super) struct Packing<W>(Vec<u32>, PhantomData<W>);

/// From packed rows of keys to dense ids.
pub(super) struct PackedGroups<W: Key> {
    packing: Packing<W>,
    /// The packed key of every id.
    keys: Vec<W>,
    table: Table<W>,
    scratch: Vec<i64>,
    packed: Vec<W>,
}

/// A value takes at most the bits of an `i64` and one more, for the null.
const MAX_WIDTH: u32 = 65;
/// Fewer bits seldom hold the values.
const MIN_WIDTH: u32 = 20;

impl<W: Word> Packing<W> {
    /// How many words of 64 bits the keys of a row take.
    pub(super) const WIDTH: usize = (W::BITS / u64::BITS) as usize;

    /// None for keys that can't be packed.
    pub(super) fn of(kinds: &[Type]) -> Option<Packing<W>> {
        if kinds.len() < 2 || kinds.contains(&Type::Text) {
            return None;
        }
        let fixed = |kind: &Type| match kind {
            // Of two bits, 1 would have the code of a null.
            Type::Bool => Some(3),
            Type::Date => Some(33),
            _ => None,
        };
        let wide = kinds.iter().filter(|k| fixed(k).is_none()).count() as u32;
        let rest = W::BITS.checked_sub(kinds.iter().filter_map(fixed).sum())?;
        let share = rest.checked_div(wide).map_or(0, |share| share.min(MAX_WIDTH));
        if wide > 0 && share < MIN_WIDTH {
            return None;
        }
        Some(Packing(kinds.iter().map(|k| fixed(k).unwrap_or(share)).collect(), PhantomData))
    }

    /// Packs the keys of rows; false when a value does not fit (then its row is anything).
    pub(super) fn pack(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        scratch: &mut Vec<i64>,
        packed: &mut Vec<W>,
    ) -> Result<bool> {
        packed.clear();
        packed.resize(rows, W::default());
        let mut all_fit = true;
        for (array, &width) in columns.iter().zip(&self.0) {
            all_fit &= append(array, width, scratch, packed)?;
        }
        Ok(all_fit)
    }

    /// Calls `f` with each row whose keys do not fit.
    pub(super) fn for_unfit(
        &self,
        columns: &[ArrayRef],
        scratch: &mut Vec<i64>,
        mut f: impl FnMut(usize),
    ) -> Result<()> {
        for (array, &width) in columns.iter().zip(&self.0) {
            for (row, value) in as_ints(array, scratch)?.iter().enumerate() {
                if array.is_valid(row) && W::code(*value, width) >= W::null(width) {
                    f(row);
                }
            }
        }
        Ok(())
    }

    /// From packed rows to the values of one key column.
    fn column(&self, column: usize) -> impl Fn(W) -> Option<i64> + use<W> {
        let (below, width) = (self.0[column + 1..].iter().sum(), self.0[column]);
        move |word| word.value(below, width)
    }

    /// The keys of rows as a column of words of 64 bits; none when a value does not fit.
    pub(super) fn packed(&self, columns: &[ArrayRef], rows: usize, scratch: &mut Vec<i64>) -> Result<Option<ArrayRef>> {
        let mut packed = vec![];
        let fits = self.pack(columns, rows, scratch, &mut packed)?;
        fits.then(|| words_column(W::halves(packed), Self::WIDTH)).transpose()
    }

    /// The columns of keys that were packed into these words of 64 bits.
    pub(super) fn unpack(&self, words: &[u64], kinds: &[Type]) -> Result<Vec<ArrayRef>> {
        let packed = W::wholes(words);
        let column = |(column, kind): (usize, &Type)| from_ints(*kind, packed.iter().copied().map(self.column(column)));
        kinds.iter().enumerate().map(column).collect()
    }
}

impl<W: Word> PackedGroups<W> {
    /// None for keys that can't be packed.
    pub(super) fn new(kinds: &[Type]) -> Option<PackedGroups<W>> {
        let packing = Packing::of(kinds)?;
        Some(PackedGroups { packing, keys: vec![], table: Table::with_room(0), scratch: vec![], packed: vec![] })
    }

    pub(super) fn packing(&self) -> &Packing<W> {
        &self.packing
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Writes the id of every row; false, and nothing is changed, when a value does not fit.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], ids: &mut [u32]) -> Result<bool> {
        let mut packed = std::mem::take(&mut self.packed);
        let fits = self.packing.pack(columns, ids.len(), &mut self.scratch, &mut packed)?;
        if fits {
            self.table.assign(&packed, ids, &mut self.keys);
        }
        self.packed = packed;
        Ok(fits)
    }

    /// Makes room for this many groups in all.
    pub(super) fn make_room(&mut self, groups: usize) {
        self.table.make_room(groups);
        self.keys.reserve_exact(groups.saturating_sub(self.keys.len()));
    }

    /// Writes the id of every row whose words these are.
    pub(super) fn assign_packed(&mut self, words: &[u64], ids: &mut [u32]) {
        self.table.assign(&W::wholes(words), ids, &mut self.keys);
    }

    /// Writes the id of every row, [`MISSING`](super::MISSING) where there is none.
    pub(super) fn find(
        &self,
        columns: &[ArrayRef],
        ids: &mut [u32],
        scratch: &mut Vec<i64>,
        packed: &mut Vec<W>,
    ) -> Result<()> {
        let all_fit = self.packing.pack(columns, ids.len(), scratch, packed)?;
        self.table.find_all(packed, ids);
        if all_fit {
            return Ok(());
        }
        // What does not fit is no key here, whatever its lower bits say.
        self.packing.for_unfit(columns, scratch, |row| ids[row] = super::MISSING)
    }

    /// Writes the ids of another's groups in this one.
    pub(super) fn absorb(&mut self, later: &PackedGroups<W>) -> Vec<u32> {
        later.keys.iter().map(|key| self.find_or_insert(*key)).collect()
    }

    fn find_or_insert(&mut self, key: W) -> u32 {
        let new = self.keys.len() as u32;
        let id = self.table.find_or_insert(key, new);
        if id == new {
            self.keys.push(key);
        }
        id
    }

    pub(super) fn key(&self, id: u32) -> W {
        self.keys[id as usize]
    }

    /// The values of one key column of these groups.
    pub(super) fn values(&self, ids: &[u32], column: usize) -> impl Iterator<Item = Option<i64>> {
        ids.iter().map(|id| self.key(*id)).map(self.packing.column(column))
    }

    /// Lets go of what only `assign` needs.
    pub(super) fn drop_scratch(&mut self) {
        (self.scratch, self.packed) = (vec![], vec![]);
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        (self.keys.capacity() + self.packed.capacity()) * size_of::<W>()
            + self.scratch.capacity() * 8
            + self.table.bytes()
    }

    /// The most that will be allocated while this many keys come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let scratch = more.max(self.packed.capacity()) * (size_of::<W>() + 8);
        crate::ops::vec_bytes_with(&self.keys, more) + scratch + self.table.bytes_with(more)
    }
}

/// Appends one more key column to packed rows; false when a value does not fit (its row is anything then).
fn append<W: Word>(array: &ArrayRef, width: u32, scratch: &mut Vec<i64>, packed: &mut [W]) -> Result<bool> {
    let values = as_ints(array, scratch)?;
    let null = W::null(width);
    let mut fits = true;
    match array.nulls() {
        None => {
            for (packed, value) in packed.iter_mut().zip(values) {
                let code = W::code(*value, width);
                fits &= code < null;
                *packed = packed.append(code, width);
            }
        }
        Some(nulls) => {
            for (row, (packed, value)) in packed.iter_mut().zip(values).enumerate() {
                let code = if nulls.is_valid(row) { W::code(*value, width) } else { null };
                fits &= code < null || nulls.is_null(row);
                *packed = packed.append(code, width);
            }
        }
    }
    Ok(fits)
}
