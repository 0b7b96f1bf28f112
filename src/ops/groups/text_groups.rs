//! Groups by one text, as long as all are short: a text is a word of 128 bits.

use arrow::array::ArrayRef;

use super::layout::{for_views, text_code, wide_texts};
use super::packed_groups::wholes;
use super::table::Table;
use crate::batch::INLINE;
use crate::error::Result;

/// From words to dense ids.
pub(super) struct TextGroups {
    /// The word of every id.
    keys: Vec<u128>,
    table: Table<u128>,
    packed: Vec<u128>,
}

/// The words of 64 bits as one, which orders alike.
fn joined([first, second]: [u64; 2]) -> u128 {
    u128::from(first) << 64 | u128::from(second)
}

/// Writes the word of every text, and tells of those that do not fit.
fn write(texts: &ArrayRef, packed: &mut Vec<u128>, mut unfit: impl FnMut(usize)) {
    packed.clear();
    for_views(texts, |row, view| {
        packed.push(joined(text_code(view)));
        if view.is_some_and(|view| view as u32 > INLINE as u32) {
            unfit(row);
        }
    });
}

impl TextGroups {
    pub(super) fn new() -> TextGroups {
        TextGroups { keys: vec![], table: Table::with_room(0), packed: vec![] }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Writes the id of every text; false, and nothing is changed, when one does not fit.
    pub(super) fn assign(&mut self, texts: &ArrayRef, ids: &mut [u32]) -> Result<bool> {
        let mut packed = std::mem::take(&mut self.packed);
        let mut fits = true;
        write(texts, &mut packed, |_| fits = false);
        if fits {
            self.assign_keys(&packed, ids);
        }
        self.packed = packed;
        Ok(fits)
    }

    /// Writes the id of every text whose words these are.
    pub(super) fn assign_packed(&mut self, words: &[u64], ids: &mut [u32]) {
        self.assign_keys(&wholes(words), ids);
    }

    fn assign_keys(&mut self, keys: &[u128], ids: &mut [u32]) {
        self.table.assign(keys, ids, &mut self.keys);
    }

    /// Writes the id of every text, [`MISSING`](super::MISSING) where there is none.
    pub(super) fn find(&self, texts: &ArrayRef, ids: &mut [u32], packed: &mut Vec<u128>) -> Result<()> {
        let mut unfit = vec![];
        write(texts, packed, |row| unfit.push(row));
        self.table.find_all(packed, ids);
        // What does not fit is no key here, whatever its words are.
        unfit.into_iter().for_each(|row| ids[row] = super::MISSING);
        Ok(())
    }

    /// The ids of another's groups in this one.
    pub(super) fn absorb(&mut self, later: &TextGroups) -> Vec<u32> {
        later.keys.iter().map(|key| self.find_or_insert(*key)).collect()
    }

    fn find_or_insert(&mut self, key: u128) -> u32 {
        let new = self.keys.len() as u32;
        let id = self.table.find_or_insert(key, new);
        if id == new {
            self.keys.push(key);
        }
        id
    }

    /// Makes room for this many groups in all.
    pub(super) fn make_room(&mut self, groups: usize) {
        self.table.make_room(groups);
        self.keys.reserve_exact(groups.saturating_sub(self.keys.len()));
    }

    pub(super) fn key(&self, id: u32) -> u128 {
        self.keys[id as usize]
    }

    /// The texts of these groups.
    pub(super) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let words = ids.iter().map(|id| self.key(*id)).map(|key| [(key >> 64) as u64, key as u64]);
        Ok(vec![wide_texts(words)?])
    }

    /// Lets go of what only `assign` needs.
    pub(super) fn drop_scratch(&mut self) {
        self.packed = vec![];
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        (self.keys.capacity() + self.packed.capacity()) * size_of::<u128>() + self.table.bytes()
    }

    /// The most that will be allocated while this many keys come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let packed = more.max(self.packed.capacity()) * size_of::<u128>();
        crate::ops::vec_bytes_with(&self.keys, more) + packed + self.table.bytes_with(more)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::StringViewArray;
    use proptest::prelude::*;

    use super::super::layout::Layout;
    use super::*;
    use crate::batch::words_of;
    use crate::expr::Type;

    fn text() -> impl Strategy<Value = Option<String>> {
        prop::option::weighted(0.9, prop_oneof!["[ab]{0,3}", "[ab\0é]{0,6}", "[a-c]{7,12}"])
    }

    fn array(texts: &[Option<String>]) -> ArrayRef {
        Arc::new(texts.iter().map(Option::as_deref).collect::<StringViewArray>())
    }

    proptest! {
        #[test]
        fn as_a_hash_map_in_order(batches in prop::collection::vec(prop::collection::vec(text(), 0..60), 1..6)) {
            let (mut groups, mut from_words) = (TextGroups::new(), TextGroups::new());
            let mut known: HashMap<Option<String>, u32> = HashMap::new();
            for batch in &batches {
                let texts = array(batch);
                let mut ids = vec![u32::MAX; batch.len()];
                prop_assert!(groups.assign(&texts, &mut ids).unwrap());
                for (text, id) in batch.iter().zip(&ids) {
                    let next = known.len() as u32;
                    prop_assert_eq!(known.entry(text.clone()).or_insert(next), id);
                }
                let words = Layout::wide(&[Type::Text]).pack(std::slice::from_ref(&texts), batch.len(), &mut vec![]).unwrap().unwrap();
                let mut same = vec![u32::MAX; batch.len()];
                from_words.assign_packed(&words_of(&words), &mut same);
                prop_assert_eq!(&same, &ids);
                let mut found = vec![0; batch.len()];
                groups.find(&texts, &mut found, &mut vec![]).unwrap();
                prop_assert_eq!(&found, &ids);
            }
            let mut expected: Vec<Option<String>> = known.into_keys().collect();
            expected.sort_by_key(|text| (text.is_none(), text.clone()));
            let mut sorted: Vec<u32> = (0..groups.len() as u32).collect();
            sorted.sort_by_key(|id| groups.key(*id));
            prop_assert_eq!(&groups.columns(&sorted).unwrap()[0], &array(&expected));
            let mut other = TextGroups::new();
            other.assign(&array(&batches[0]), &mut vec![0; batches[0].len()]).unwrap();
            let ids = other.absorb(&groups);
            prop_assert_eq!(&other.columns(&ids).unwrap(), &groups.columns(&(0..groups.len() as u32).collect::<Vec<_>>()).unwrap());
        }
    }

    #[test]
    fn a_long_text_changes_nothing_and_is_not_found() {
        let mut groups = TextGroups::new();
        assert!(groups.assign(&array(&[Some("twelve bytes".to_owned())]), &mut [0]).unwrap());
        let texts = array(&[Some("new".to_owned()), Some("twelve bytes and more".to_owned())]);
        assert!(!groups.assign(&texts, &mut [0, 0]).unwrap());
        assert_eq!(groups.len(), 1);
        let mut ids = [0, 0];
        groups.find(&texts, &mut ids, &mut vec![]).unwrap();
        assert_eq!(ids, [super::super::MISSING; 2]);
    }
}
