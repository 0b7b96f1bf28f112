//! Groups by several keys that are numbers and short texts: a row is as many words of 64 bits as its keys take.

use arrow::array::ArrayRef;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::layout::Layout;
use super::table::fold;
use crate::error::Result;

/// From rows of words to dense ids.
pub(super) struct WordGroups {
    layout: Layout,
    width: usize,
    /// The row of every id, one after the other.
    rows: Vec<u64>,
    /// Its hash, so that neither growing nor merging hashes again.
    hashes: Vec<u64>,
    table: HashTable<u32>,
    scratch: Vec<i64>,
    packed: Vec<u64>,
}

/// Two words at a time, as wyhash has it (github.com/wangyi-fudan/wyhash).
#[inline]
fn hash(row: &[u64]) -> u64 {
    let (pairs, last) = row.as_chunks::<2>();
    let hash = pairs.iter().fold(0, |hash, [first, second]| fold(first ^ hash, *second));
    last.iter().fold(hash, |hash, word| fold(word ^ hash, 0))
}

impl WordGroups {
    pub(super) fn new(layout: Layout) -> WordGroups {
        let (width, table, rows, hashes) = (layout.width(), HashTable::new(), vec![], vec![]);
        WordGroups { layout, width, rows, hashes, table, scratch: vec![], packed: vec![] }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
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
        self.layout.write(columns, ids.len(), &mut scratch, &mut packed, |_| fits = false)?;
        if fits {
            self.assign_rows(&packed, ids);
        }
        (self.packed, self.scratch) = (packed, scratch);
        Ok(fits)
    }

    /// Writes the id of every row of words.
    ///
    /// Rows of few words are hashed and compared by code for just so many: calls of `memcmp` took a third of the time.
    pub(super) fn assign_rows(&mut self, packed: &[u64], ids: &mut [u32]) {
        match self.width {
            1 => self.assign_rows_of::<1>(packed, ids),
            2 => self.assign_rows_of::<2>(packed, ids),
            3 => self.assign_rows_of::<3>(packed, ids),
            4 => self.assign_rows_of::<4>(packed, ids),
            5 => self.assign_rows_of::<5>(packed, ids),
            6 => self.assign_rows_of::<6>(packed, ids),
            _ => {
                for (row, id) in packed.chunks_exact(self.width).zip(ids) {
                    *id = self.find_or_insert(row, hash(row));
                }
            }
        }
    }

    fn assign_rows_of<const WIDTH: usize>(&mut self, packed: &[u64], ids: &mut [u32]) {
        let WordGroups { rows, hashes, table, .. } = self;
        for (row, id) in packed.as_chunks::<WIDTH>().0.iter().zip(ids) {
            let (hash, known) = (hash(row), rows.as_chunks::<WIDTH>().0);
            let entry = table.entry(hash, |id| known[*id as usize] == *row, |id| hashes[*id as usize]);
            *id = match entry {
                Entry::Occupied(found) => *found.get(),
                Entry::Vacant(place) => {
                    let new = hashes.len() as u32;
                    place.insert(new);
                    rows.extend_from_slice(row);
                    hashes.push(hash);
                    new
                }
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
        self.layout.write(columns, ids.len(), scratch, packed, |row| unfit.push(row))?;
        for (row, id) in packed.chunks_exact(self.width).zip(ids.iter_mut()) {
            let found = self.table.find(hash(row), |id| self.row(*id) == row);
            *id = found.copied().unwrap_or(super::MISSING);
        }
        // What does not fit is no key here, whatever its words are.
        unfit.into_iter().for_each(|row| ids[row] = super::MISSING);
        Ok(())
    }

    /// The ids in this one of the groups of another, of one layout with it.
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

    /// The key columns of these groups.
    pub(super) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        self.layout.columns(ids.iter().map(|id| self.row(*id)))
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
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::super::{Form, Groups, MISSING, Packed};
    use super::*;
    use crate::batch::{words_of, words_width};
    use crate::expr::Type;

    const KINDS: [Type; 4] = [Type::Text, Type::Int64, Type::Int64, Type::Text];

    type Row = (Option<String>, Option<i64>, Option<i64>, Option<String>);

    /// Texts and integers that fit, a few of which are wide.
    fn rows() -> impl Strategy<Value = Row> {
        let text = |wide: u32| {
            let some = prop_oneof![8 => "[ab]{0,3}", 8 => "[ab\0é]{0,3}", 2 => "[a-c]{6,7}", wide => "[a-c\0]{8,12}"];
            prop::option::weighted(0.9, some)
        };
        let ends = prop::sample::select(vec![i64::MIN, i64::MAX - 1, i64::from(i32::MAX), i64::from(i32::MIN)]);
        let int = prop_oneof![12 => -2..2i64, 3 => any::<i32>().prop_map(i64::from), 1 => ends];
        (text(1), prop::option::weighted(0.9, -2..2i64), prop::option::weighted(0.9, int), text(4))
    }

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let text = |of: fn(&Row) -> &Option<String>| {
            Arc::new(rows.iter().map(|row| of(row).as_deref()).collect::<StringViewArray>()) as ArrayRef
        };
        let int = |of: fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
        vec![text(|row| &row.0), int(|row| row.1), int(|row| row.2), text(|row| &row.3)]
    }

    /// What comes out of groups is compared as text, so that the form of an array does not matter.
    fn shown(columns: &[ArrayRef]) -> String {
        format!("{columns:?}")
    }

    fn assign(groups: &mut Groups, columns: &[ArrayRef]) -> Vec<u32> {
        let mut ids = vec![];
        groups.assign(columns, columns[0].len(), &mut ids, &mut |_| Ok(())).unwrap();
        ids
    }

    proptest! {
        #[test]
        fn as_a_hash_map_in_the_order_of_rows(batches in prop::collection::vec(prop::collection::vec(rows(), 0..20), 1..6)) {
            let mut groups = Groups::new(KINDS.to_vec());
            let mut known: HashMap<Row, u32> = HashMap::new();
            for batch in &batches {
                for (row, id) in batch.iter().zip(assign(&mut groups, &columns(batch))) {
                    let next = known.len() as u32;
                    prop_assert_eq!(*known.entry(row.clone()).or_insert(next), id);
                }
            }
            prop_assert!(matches!(groups.form(), Some(Form(Packed::Words(_)))));
            // Each batch packed as the first one is, where it fits; the others widen what packed rows come to.
            let mut from_words = Groups::new(KINDS.to_vec());
            let form = {
                let mut first = Groups::new(KINDS.to_vec());
                assign(&mut first, &columns(&batches[0]));
                first.form().unwrap()
            };
            for batch in &batches {
                let columns = columns(batch);
                let ids = assign(&mut groups, &columns);
                let Some(words) = form.pack(&columns, batch.len()).unwrap() else {
                    prop_assert_eq!(assign(&mut from_words, &columns), ids);
                    continue;
                };
                prop_assert_eq!(words_width(words.data_type()), Some(form.width()));
                prop_assert_eq!(shown(&form.unpack(&words_of(&words), &KINDS).unwrap()), shown(&columns));
                let mut same = vec![];
                from_words.assign_packed(&words, &form, &mut same, &mut |_| Ok(())).unwrap();
                prop_assert_eq!(&same, &ids);
            }
            // Of a table of half the batches, what is found is what came.
            let (mut some, mut other) = (Groups::new(KINDS.to_vec()), Groups::new(KINDS.to_vec()));
            let half = batches[..batches.len().div_ceil(2)].concat();
            assign(&mut some, &columns(&half));
            let all = batches.concat();
            let mut found = vec![];
            some.find(&columns(&all), all.len(), &mut found, &mut Default::default()).unwrap();
            for (row, id) in all.iter().zip(&found) {
                prop_assert_eq!(half.contains(row), *id != MISSING);
            }
            assign(&mut other, &columns(&all));
            let ids = some.absorb(&mut other, &mut |_| Ok(())).unwrap();
            let by_id: Vec<u32> = (0..other.len() as u32).collect();
            prop_assert_eq!(shown(&some.columns(&ids).unwrap()), shown(&other.columns(&by_id).unwrap()));
            // In order: nulls last, texts by their bytes.
            let mut expected: Vec<Row> = known.into_keys().collect();
            expected.sort_by_key(|(a, b, c, d)| {
                (a.is_none(), a.clone(), b.is_none(), *b, c.is_none(), *c, d.is_none(), d.clone())
            });
            prop_assert_eq!(shown(&groups.columns(&groups.sorted()).unwrap()), shown(&columns(&expected)));
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing_and_is_not_found() {
        let long = |text: &str| -> Row { (Some(text.to_owned()), Some(1), Some(1), None) };
        let mut groups = WordGroups::new(Layout::wide(&KINDS));
        assert!(groups.assign(&columns(&[long("twelve bytes")]), &mut [0]).unwrap());
        for row in [long("twelve bytes and more"), (None, Some(i64::MAX), None, None)] {
            let columns = columns(&[long("new"), row]);
            assert!(!groups.assign(&columns, &mut [0, 0]).unwrap());
            assert!(groups.layout().pack(&columns, 2, &mut vec![]).unwrap().is_none());
            assert_eq!(groups.len(), 1);
            let mut ids = [0, 0];
            groups.find(&columns, &mut ids, &mut vec![], &mut vec![]).unwrap();
            assert_eq!(ids, [MISSING; 2]);
        }
    }

    #[test]
    fn keys_are_as_narrow_as_their_values() {
        let row = |text: &str, int: i64| -> Row { (Some(text.to_owned()), Some(int), Some(-1), Some("x".to_owned())) };
        let width = |rows: &[Row]| Layout::fitting(&KINDS, &columns(rows)).unwrap().map(|layout| layout.width());
        assert_eq!(width(&[row("seven77", 1), (None, None, None, None)]), Some(3));
        assert_eq!(width(&[row("eight888", 1)]), Some(4));
        assert_eq!(width(&[row("", i64::from(i32::MAX) - 1)]), Some(3));
        assert_eq!(width(&[row("", i64::from(i32::MAX))]), Some(4));
        assert_eq!(width(&[row("thirteen bytes", 1)]), None);
        assert_eq!(width(&[row("", i64::MAX)]), None);
        assert_eq!(Layout::wide(&KINDS).width(), 6);
    }

    #[test]
    fn groups_of_layouts_of_which_neither_is_wider_merge() {
        let row = |text: &str, int: i64| -> Row { (Some(text.to_owned()), Some(int), Some(-1), None) };
        let (a, b) = ([row("eight888", 1), row("a", 2)], [row("b", 1 << 40), row("a", 2)]);
        for (a, b) in [(&a[..], &b[..]), (&b, &a), (&a, &a[..1]), (&a[..1], &b[1..]), (&b[1..], &a)] {
            let (mut first, mut second) = (Groups::new(KINDS.to_vec()), Groups::new(KINDS.to_vec()));
            assign(&mut first, &columns(a));
            assign(&mut second, &columns(b));
            let ids = first.absorb(&mut second, &mut |_| Ok(())).unwrap();
            assert_eq!(shown(&first.columns(&ids).unwrap()), shown(&columns(b)));
            let by_id: Vec<u32> = (0..a.len() as u32).collect();
            assert_eq!(shown(&first.columns(&by_id).unwrap()), shown(&columns(a)));
        }
    }

    #[test]
    fn values_of_every_type_come_back() {
        use arrow::array::{BooleanArray, Date32Array, Float64Array, TimestampMicrosecondArray};
        let floats = [Some(0.0), Some(f64::NAN), Some(f64::NEG_INFINITY), Some(-1.5), None, Some(f64::MAX)];
        let days = [Some(i32::MAX), Some(i32::MIN), Some(0), None, Some(-1), Some(1)];
        let times = [Some(i64::MIN), None, Some(0), Some(-1), Some(i64::MAX - 1), Some(1)];
        let bools = [Some(true), Some(false), None, None, Some(true), Some(false)];
        let texts = [Some("a"), Some("a\0"), Some(""), None, Some("seven77"), Some("é")];
        let all: Vec<ArrayRef> = vec![
            Arc::new(bools.into_iter().collect::<BooleanArray>()),
            Arc::new(days.into_iter().collect::<Date32Array>()),
            Arc::new(texts.into_iter().collect::<StringViewArray>()),
            Arc::new(floats.into_iter().collect::<Float64Array>()),
            Arc::new(times.into_iter().collect::<TimestampMicrosecondArray>()),
        ];
        let kinds = [Type::Bool, Type::Date, Type::Text, Type::Float64, Type::Timestamp];
        let mut groups = Groups::new(kinds.to_vec());
        assert_eq!(assign(&mut groups, &all), [0, 1, 2, 3, 4, 5]);
        assert_eq!(assign(&mut groups, &all), [0, 1, 2, 3, 4, 5]);
        let form = groups.form().unwrap();
        let words = form.pack(&all, 6).unwrap().unwrap();
        let unpacked = form.unpack(&words_of(&words), &kinds).unwrap();
        assert_eq!(shown(&groups.columns(&[0, 1, 2, 3, 4, 5]).unwrap()), shown(&all));
        assert_eq!(shown(&unpacked), shown(&all));
        // Both zeros are one key.
        let zeros: ArrayRef = Arc::new(Float64Array::from(vec![-0.0; 6]));
        let with = |zeros: &ArrayRef| [&all[..3], std::slice::from_ref(zeros), &all[4..]].concat();
        let other: ArrayRef = Arc::new(Float64Array::from(vec![0.0; 6]));
        assert_eq!(assign(&mut groups, &with(&zeros)), assign(&mut groups, &with(&other)));
    }

    #[test]
    fn numbers_packed_into_one_word_come_to_groups_of_several() {
        let kinds = [Type::Int64, Type::Bool, Type::Int64, Type::Int64];
        let columns = |first: i64| -> Vec<ArrayRef> {
            let ints = |ints: [i64; 2]| Arc::new(Int64Array::from_iter_values(ints)) as ArrayRef;
            let bools = Arc::new(arrow::array::BooleanArray::from(vec![false, true])) as ArrayRef;
            vec![ints([first, 5]), bools, ints([-1, 2]), ints([-4, 3])]
        };
        let mut groups = Groups::new(kinds.to_vec());
        let form = groups.form().unwrap();
        let words = form.pack(&columns(0), 2).unwrap().unwrap();
        assert_eq!(words_width(words.data_type()), Some(1));
        // Neither 64 bits nor 128 have room for it.
        assign(&mut groups, &columns(i64::MAX - 1));
        assert!(matches!(groups.form(), Some(Form(Packed::Words(_)))));
        let (mut ids, mut book) = (vec![], |_: usize| Ok(()));
        groups.assign_packed(&words, &form, &mut ids, &mut book).unwrap();
        assert_eq!(ids, [2, 1]);
        assert_eq!(shown(&groups.columns(&ids).unwrap()), shown(&columns(0)));
    }
}
