//! Groups by several keys that are numbers and short texts: a row is as many words of 64 bits as its keys take.
//!
//! | key | words |
//! |---|---|
//! | number, date, timestamp, bool | its integer, sign bit flipped; all ones a null |
//! | text of up to 12 bytes | its first 8 bytes, big-endian, zeros behind them; its last 4, and its length; all ones a null |
//!
//! So that comparing words compares rows, nulls last. Longer texts, and the greatest integer, do not fit.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use hashbrown::HashTable;

use super::table::fold;
use crate::batch::{short_texts, words_column};
use crate::error::Result;
use crate::expr::Type;
use crate::ops::key::{as_ints, from_ints};

/// From rows of words to dense ids.
pub(super) struct WordGroups {
    /// Of every key column, its type and its words in a row.
    keys: Vec<(Type, Range<usize>)>,
    width: usize,
    /// The row of every id, one after the other.
    rows: Vec<u64>,
    /// Its hash, so that neither growing nor merging hashes again.
    hashes: Vec<u64>,
    table: HashTable<u32>,
    scratch: Vec<i64>,
    packed: Vec<u64>,
}

/// The code of a null.
const NULL: u64 = u64::MAX;
/// Texts of so many bytes are whole in their views.
const INLINE: u32 = 12;

/// Where the keys of rows lie among their words, and how many these are.
fn layout(kinds: &[Type]) -> (Vec<(Type, Range<usize>)>, usize) {
    let mut width = 0;
    let mut key = |kind: &Type| {
        let start = width;
        width += if *kind == Type::Text { 2 } else { 1 };
        (*kind, start..width)
    };
    (kinds.iter().map(&mut key).collect(), width)
}

/// Gives the words of every value of a column, the second of which only texts have, and whether it fits.
pub(super) fn for_codes(
    array: &ArrayRef,
    scratch: &mut Vec<i64>,
    mut f: impl FnMut(usize, [u64; 2], bool),
) -> Result<()> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let is_null = |row| nulls.is_some_and(|nulls| nulls.is_null(row));
    if let Some(texts) = array.as_string_view_opt() {
        for (row, view) in texts.views().iter().enumerate() {
            if is_null(row) {
                f(row, [NULL; 2], true);
            } else {
                let (length, first, last) = (*view as u32, (*view >> 32) as u64, (*view >> 96) as u32);
                let second = u64::from(last.swap_bytes()) << 32 | u64::from(length);
                f(row, [first.swap_bytes(), second], length <= INLINE);
            }
        }
        return Ok(());
    }
    for (row, value) in as_ints(array, scratch)?.iter().enumerate() {
        if is_null(row) {
            f(row, [NULL; 2], true);
        } else {
            let code = value.cast_unsigned() ^ 1 << 63;
            f(row, [code; 2], code != NULL);
        }
    }
    Ok(())
}

/// The column of keys whose words these are.
pub(super) fn column(kind: Type, words: impl ExactSizeIterator<Item = [u64; 2]> + Clone) -> Result<ArrayRef> {
    if kind != Type::Text {
        let value = |[code, _]: [u64; 2]| (code != NULL).then(|| (code ^ 1 << 63).cast_signed());
        return from_ints(kind, words.map(value));
    }
    let is_null = |[_, second]: [u64; 2]| second == NULL;
    let view = |[first, second]: [u64; 2]| {
        let last = u128::from((second >> 32) as u32).swap_bytes() >> 96;
        let view = last << 96 | u128::from(first.swap_bytes()) << 32 | u128::from(second as u32);
        if is_null([first, second]) { 0 } else { view }
    };
    let nulls = words.clone().any(is_null).then(|| {
        let valid: BooleanBuffer = words.clone().map(|words| !is_null(words)).collect();
        NullBuffer::new(valid)
    });
    let views: Vec<u128> = words.map(view).collect();
    Ok(Arc::new(short_texts(views, nulls)?))
}

/// Two words at a time, as wyhash has it (github.com/wangyi-fudan/wyhash).
#[inline]
fn hash(row: &[u64]) -> u64 {
    let (pairs, last) = row.as_chunks::<2>();
    let hash = pairs.iter().fold(0, |hash, [first, second]| fold(first ^ hash, *second));
    last.iter().fold(hash, |hash, word| fold(word ^ hash, 0))
}

/// How many words the keys of a row take.
pub(super) fn width(kinds: &[Type]) -> usize {
    layout(kinds).1
}

/// The columns of keys, whose words are those of rows.
pub(super) fn unpack(words: &[u64], kinds: &[Type]) -> Result<Vec<ArrayRef>> {
    let (keys, width) = layout(kinds);
    let of = |(kind, place): (Type, Range<usize>)| {
        column(kind, words.chunks_exact(width).map(|row| [row[place.start], row[place.end - 1]]))
    };
    keys.into_iter().map(of).collect()
}

impl WordGroups {
    pub(super) fn new(kinds: &[Type]) -> WordGroups {
        let (keys, width) = layout(kinds);
        let (table, rows, hashes) = (HashTable::new(), vec![], vec![]);
        WordGroups { keys, width, rows, hashes, table, scratch: vec![], packed: vec![] }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn row(&self, id: u32) -> &[u64] {
        &self.rows[id as usize * self.width..][..self.width]
    }

    /// Writes the id of every row; false, and nothing is changed, when a value does not fit.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], ids: &mut [u32]) -> Result<bool> {
        let (mut packed, mut scratch) = (std::mem::take(&mut self.packed), std::mem::take(&mut self.scratch));
        let mut fits = true;
        self.write(columns, ids.len(), &mut scratch, &mut packed, |_| fits = false)?;
        if fits {
            self.assign_rows(&packed, ids);
        }
        (self.packed, self.scratch) = (packed, scratch);
        Ok(fits)
    }

    /// The words of rows as a column; none when a value does not fit.
    pub(super) fn pack(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Option<ArrayRef>> {
        let (mut words, mut scratch) = (vec![], std::mem::take(&mut self.scratch));
        let mut fits = true;
        self.write(columns, rows, &mut scratch, &mut words, |_| fits = false)?;
        self.scratch = scratch;
        fits.then(|| words_column(words, self.width)).transpose()
    }

    /// Writes the id of every row of words.
    ///
    /// Rows of few words are hashed and compared by code for just so many: calls of `memcmp` took a third of the time.
    pub(super) fn assign_rows(&mut self, packed: &[u64], ids: &mut [u32]) {
        match self.width {
            2 => self.assign_rows_of::<2>(packed, ids),
            3 => self.assign_rows_of::<3>(packed, ids),
            4 => self.assign_rows_of::<4>(packed, ids),
            _ => {
                for (row, id) in packed.chunks_exact(self.width).zip(ids) {
                    *id = self.find_or_insert(row, hash(row));
                }
            }
        }
    }

    fn assign_rows_of<const WIDTH: usize>(&mut self, packed: &[u64], ids: &mut [u32]) {
        for (row, id) in packed.as_chunks::<WIDTH>().0.iter().zip(ids) {
            let (hash, rows) = (hash(row), self.rows.as_chunks::<WIDTH>().0);
            *id = match self.table.find(hash, |id| rows[*id as usize] == *row) {
                Some(id) => *id,
                None => self.insert(row, hash),
            };
        }
    }

    /// Writes the id of every row, [`MISSING`](super::MISSING) where there is none.
    pub(super) fn find(
        &self,
        columns: &[ArrayRef],
        ids: &mut [u32],
        scratch: &mut Vec<i64>,
        packed: &mut Vec<u64>,
    ) -> Result<()> {
        let mut unfit = vec![];
        self.write(columns, ids.len(), scratch, packed, |row| unfit.push(row))?;
        for (row, id) in packed.chunks_exact(self.width).zip(ids.iter_mut()) {
            let found = self.table.find(hash(row), |id| self.row(*id) == row);
            *id = found.copied().unwrap_or(super::MISSING);
        }
        // What does not fit is no key here, whatever its words are.
        unfit.into_iter().for_each(|row| ids[row] = super::MISSING);
        Ok(())
    }

    /// Writes the words of rows, row by row, and tells of those that do not fit.
    fn write(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        scratch: &mut Vec<i64>,
        packed: &mut Vec<u64>,
        mut unfit: impl FnMut(usize),
    ) -> Result<()> {
        packed.clear();
        packed.resize(rows * self.width, 0);
        for (array, (_, place)) in columns.iter().zip(&self.keys) {
            for_codes(array, scratch, |row, codes, fits| {
                let at = row * self.width + place.start;
                packed[at] = codes[0];
                if place.len() == 2 {
                    packed[at + 1] = codes[1];
                }
                if !fits {
                    unfit(row);
                }
            })?;
        }
        Ok(())
    }

    /// The ids of another's groups in this one.
    pub(super) fn absorb(&mut self, later: &WordGroups) -> Vec<u32> {
        let rows = later.rows.chunks_exact(later.width).zip(&later.hashes);
        rows.map(|(row, hash)| self.find_or_insert(row, *hash)).collect()
    }

    #[inline]
    fn find_or_insert(&mut self, row: &[u64], hash: u64) -> u32 {
        match self.table.find(hash, |id| self.row(*id) == row) {
            Some(id) => *id,
            None => self.insert(row, hash),
        }
    }

    #[inline(never)]
    fn insert(&mut self, row: &[u64], hash: u64) -> u32 {
        let WordGroups { rows, hashes, table, .. } = self;
        let id = hashes.len() as u32;
        rows.extend_from_slice(row);
        hashes.push(hash);
        table.insert_unique(hash, id, |id| hashes[*id as usize]);
        id
    }

    /// Makes room for this many groups in all.
    pub(super) fn make_room(&mut self, groups: usize) {
        let more = groups.saturating_sub(self.len());
        let hashes = &self.hashes;
        self.table.reserve(more, |id| hashes[*id as usize]);
        self.rows.reserve_exact(more * self.width);
        self.hashes.reserve_exact(more);
    }

    /// A key column of these groups.
    pub(super) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let of = |(kind, place): &(Type, Range<usize>)| {
            let words = |id: &u32| {
                let words = &self.row(*id)[place.clone()];
                [words[0], words[words.len() - 1]]
            };
            column(*kind, ids.iter().map(words))
        };
        self.keys.iter().map(of).collect()
    }

    /// Lets go of what only `assign` needs.
    pub(super) fn drop_scratch(&mut self) {
        (self.scratch, self.packed) = (vec![], vec![]);
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let words = self.rows.capacity() + self.hashes.capacity() + self.packed.capacity() + self.scratch.capacity();
        words * size_of::<u64>() + self.table.allocation_size()
    }

    /// The most that will be allocated while this many keys come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let scratch = (more * self.width).max(self.packed.capacity()) + more.max(self.scratch.capacity());
        crate::ops::vec_bytes_with(&self.rows, more * self.width)
            + crate::ops::vec_bytes_with(&self.hashes, more)
            + scratch * size_of::<u64>()
            + super::row_groups::table_bytes_with(&self.table, more)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;
    use crate::batch::{words_of, words_width};

    const KINDS: [Type; 3] = [Type::Text, Type::Int64, Type::Text];

    type Row = (Option<String>, Option<i64>, Option<String>);

    fn rows() -> impl Strategy<Value = Row> {
        let text = || prop::option::weighted(0.9, prop_oneof!["[ab]{0,3}", "[ab\0é]{0,6}", "[a-c]{7,12}"]);
        (text(), prop::option::weighted(0.9, prop_oneof![-2..2i64, any::<i64>()]), text())
    }

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let text = |of: fn(&Row) -> &Option<String>| {
            Arc::new(rows.iter().map(|row| of(row).as_deref()).collect::<StringViewArray>()) as ArrayRef
        };
        vec![text(|row| &row.0), Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()), text(|row| &row.2)]
    }

    /// What comes out of groups is compared as text, so that the form of an array does not matter.
    fn shown(columns: &[ArrayRef]) -> String {
        format!("{columns:?}")
    }

    proptest! {
        #[test]
        fn as_a_hash_map_in_the_order_of_rows(batches in prop::collection::vec(prop::collection::vec(rows(), 0..40), 1..6)) {
            let (mut groups, mut from_words) = (WordGroups::new(&KINDS), WordGroups::new(&KINDS));
            let mut known: HashMap<Row, u32> = HashMap::new();
            for batch in &batches {
                let columns = columns(batch);
                let mut ids = vec![u32::MAX; batch.len()];
                prop_assert!(groups.assign(&columns, &mut ids).unwrap());
                for (row, id) in batch.iter().zip(&ids) {
                    let next = known.len() as u32;
                    prop_assert_eq!(known.entry(row.clone()).or_insert(next), id);
                }
                let words = from_words.pack(&columns, batch.len()).unwrap().unwrap();
                let words = words_of(&words);
                prop_assert_eq!(shown(&unpack(&words, &KINDS).unwrap()), shown(&columns));
                let mut same = vec![u32::MAX; batch.len()];
                from_words.assign_rows(&words, &mut same);
                prop_assert_eq!(&same, &ids);
            }
            // Of a table of half the batches, what is found is what came.
            let (mut some, mut other) = (WordGroups::new(&KINDS), WordGroups::new(&KINDS));
            let half = batches[..batches.len().div_ceil(2)].concat();
            some.assign(&columns(&half), &mut vec![0; half.len()]).unwrap();
            let all = batches.concat();
            let mut found = vec![0; all.len()];
            some.find(&columns(&all), &mut found, &mut vec![], &mut vec![]).unwrap();
            for (row, id) in all.iter().zip(&found) {
                prop_assert_eq!(half.contains(row), *id != super::super::MISSING);
            }
            other.assign(&columns(&all), &mut vec![0; all.len()]).unwrap();
            let ids = some.absorb(&other);
            let by_id: Vec<u32> = (0..other.len() as u32).collect();
            prop_assert_eq!(shown(&some.columns(&ids).unwrap()), shown(&other.columns(&by_id).unwrap()));
            // In order: nulls last, texts by their bytes.
            let mut expected: Vec<Row> = known.into_keys().collect();
            expected.sort_by_key(|(a, b, c)| (a.is_none(), a.clone(), b.is_none(), *b, c.is_none(), c.clone()));
            let mut sorted: Vec<u32> = (0..groups.len() as u32).collect();
            sorted.sort_by_key(|id| groups.row(*id).to_vec());
            prop_assert_eq!(shown(&groups.columns(&sorted).unwrap()), shown(&columns(&expected)));
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing_and_is_not_found() {
        let long = |text: &str| -> Row { (Some(text.to_owned()), Some(1), None) };
        let mut groups = WordGroups::new(&KINDS);
        assert!(groups.assign(&columns(&[long("twelve bytes")]), &mut [0]).unwrap());
        for row in [long("twelve bytes and more"), (None, Some(i64::MAX), None)] {
            let columns = columns(&[long("new"), row]);
            assert!(!groups.assign(&columns, &mut [0, 0]).unwrap());
            assert!(groups.pack(&columns, 2).unwrap().is_none());
            assert_eq!(groups.len(), 1);
            let mut ids = [0, 0];
            groups.find(&columns, &mut ids, &mut vec![], &mut vec![]).unwrap();
            assert_eq!(ids, [super::super::MISSING; 2]);
        }
    }

    #[test]
    fn numbers_packed_into_one_word_come_to_groups_of_several() {
        use super::super::Groups;
        let kinds = [Type::Int64, Type::Bool, Type::Int64, Type::Int64];
        let columns = |first: i64| -> Vec<ArrayRef> {
            let ints = |ints: [i64; 2]| Arc::new(Int64Array::from_iter_values(ints)) as ArrayRef;
            let bools = Arc::new(arrow::array::BooleanArray::from(vec![false, true])) as ArrayRef;
            vec![ints([first, 5]), bools, ints([-1, 2]), ints([-4, 3])]
        };
        let mut groups = Groups::new(kinds.to_vec());
        let words = groups.pack(&columns(0), 2).unwrap().unwrap();
        assert_eq!(words_width(words.data_type()), Some(1));
        let (mut ids, mut book) = (vec![], |_: usize| Ok(()));
        // Neither 64 bits nor 128 have room for it.
        groups.assign(&columns(i64::MAX - 1), 2, &mut ids, &mut book).unwrap();
        assert!(!groups.are_packed());
        groups.assign_packed(&words, &mut ids, &mut book).unwrap();
        assert_eq!(ids, [2, 1]);
        assert_eq!(shown(&groups.columns(&ids).unwrap()), shown(&columns(0)));
    }
}
