//! The groups of texts that came before: most texts come again, and to see that one is the same takes less than to look it up as
//! a row of bytes.
//!
//! A text of up to 28 bytes is four [`Words`], which a table finds, whatever its length: a branch between short and long ones would
//! be mispredicted at every other text. A longer one has a slot with a group, whose key it is compared with. What is not found so
//! goes to [`RowGroups`]; and so do all beyond [`MOST_IN_WORDS`] of the former.

use std::hint::select_unpredictable;

use arrow::array::{Array, StringViewArray};

use super::RowGroups;
use super::table::{AHEAD, Key, Line, Table, fold};
use crate::ops::key::{Rows, encode_text, is_text};

/// From texts to the groups of one [`RowGroups`].
#[derive(Default)]
pub(super) struct TextCache {
    words: Option<Table<Words>>,
    /// The group of a long text plus one; 0 is an empty slot.
    long: Vec<u32>,
    null: Option<u32>,
    row: Rows,
}

/// A text of up to [`IN_WORDS`] bytes: its length, and bytes that overlap where it is shorter. Texts of up to [`INLINE`] bytes are their
/// views (Arrow's), which end with zeros.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Words([u128; 2]);

impl Key for Words {
    type Align = Line;
    const SLOTS: usize = 4;

    #[inline]
    fn hash(self) -> u64 {
        let [first, second] = self.0.map(|word| fold(word as u64, (word >> 64) as u64));
        fold(first, second)
    }
}

/// No text's.
const NO_TEXT: Words = Words([u128::MAX; 2]);
/// Texts of so many bytes are whole in their views.
const INLINE: usize = 12;
/// The most bytes of a text that is [`Words`].
const IN_WORDS: usize = 28;
/// With more than these, the table would be slower than what it saves.
const MOST_IN_WORDS: usize = (1 << 17) - 1;
const LONG_SLOTS: usize = 1 << 12;

/// The bytes of texts: those of their views, and those that the views point to.
struct Bytes<'a> {
    views: &'a [u128],
    sources: Vec<&'a [u8]>,
}

impl<'a> Bytes<'a> {
    fn of(texts: &'a StringViewArray) -> Bytes<'a> {
        let views = texts.views();
        let sources = std::iter::once(views.inner()).chain(texts.data_buffers()).map(|buffer| buffer.as_slice());
        Bytes { views, sources: sources.collect() }
    }

    /// The words of a text, [`NO_TEXT`] where it has more bytes than they hold.
    #[inline]
    fn words(&self, row: usize) -> Words {
        let view = self.views[row];
        let len = view as u32 as usize;
        let is_inline = len <= INLINE;
        let source = select_unpredictable(is_inline, 0, (view >> 64) as u32 as usize + 1);
        let start = select_unpredictable(is_inline, row * size_of::<u128>(), (view >> 96) as usize);
        let bytes = select_unpredictable(is_inline, size_of::<u128>(), len);
        // proven: a view is sixteen bytes, and what one points to are at least thirteen of its source.
        let text = &self.sources[source][start..start + bytes];
        let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().unwrap_or_default());
        let pair = |first, second| u128::from(second) << 64 | u128::from(first);
        let last = bytes - 8;
        let words = Words([pair(word(0), word(8.min(last))), pair(word(last - 4) << 32 | len as u64, word(last))]);
        if len <= IN_WORDS { words } else { NO_TEXT }
    }
}

impl TextCache {
    /// Writes the group of every text.
    pub(super) fn assign(&mut self, groups: &mut RowGroups, texts: &StringViewArray, ids: &mut [u32]) {
        let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut table = self.words.take().unwrap_or_else(|| Table::with_room(0));
        self.long.resize(LONG_SLOTS, 0);
        let bytes = Bytes::of(texts);
        let mut keys = [NO_TEXT; AHEAD];
        for (nth, ids) in ids.chunks_mut(AHEAD).enumerate() {
            let first = nth * AHEAD;
            let keys = &mut keys[..ids.len()];
            for (row, key) in keys.iter_mut().enumerate() {
                *key = bytes.words(first + row);
            }
            if let Some(nulls) = nulls {
                let missing = keys.iter_mut().enumerate().filter(|(row, _)| nulls.is_null(first + row));
                missing.for_each(|(_, key)| *key = NO_TEXT);
            }
            let mut done = 0;
            while done < keys.len() {
                done += table.find(&keys[done..], &mut ids[done..]);
                if done < keys.len() {
                    ids[done] = self.enter_text(groups, texts, first + done, keys[done], &mut table);
                    done += 1;
                }
            }
        }
        self.words = Some(table);
    }

    /// The group of a text that the table does not have, or of null.
    #[inline(never)]
    fn enter_text(
        &mut self,
        groups: &mut RowGroups,
        texts: &StringViewArray,
        row: usize,
        words: Words,
        table: &mut Table<Words>,
    ) -> u32 {
        if texts.is_null(row) {
            return *self.null.get_or_insert_with(|| enter(groups, None, &mut self.row));
        }
        let text = texts.value(row);
        if words != NO_TEXT {
            let id = enter(groups, Some(text), &mut self.row);
            if table.len() < MOST_IN_WORDS {
                table.find_or_insert(words, id);
            }
            return id;
        }
        let slot = &mut self.long[slot(text.as_bytes())];
        if *slot == 0 || !is_text(groups.row(*slot - 1), text.as_bytes()) {
            *slot = 1 + enter(groups, Some(text), &mut self.row);
        }
        *slot - 1
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let words = self.words.as_ref().map_or(0, Table::bytes);
        words + self.long.capacity() * size_of::<u32>() + self.row.bytes()
    }

    /// The most that will be allocated while so many texts come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let len = self.words.as_ref().map_or(0, Table::len);
        let more = more.min(MOST_IN_WORDS.saturating_sub(len));
        let words = self.words.as_ref().map_or(Table::<Words>::bytes_for(more), |words| words.bytes_with(more));
        words + LONG_SLOTS * size_of::<u32>() + self.row.bytes()
    }
}

/// The group of a text, or of null.
fn enter(groups: &mut RowGroups, text: Option<&str>, row: &mut Rows) -> u32 {
    row.clear();
    encode_text(text, row);
    groups.id_of(row.row(0))
}

/// The slot of a long text, by its length and its two ends.
fn slot(text: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let ends = u128::from(word(text.first_chunk())) << 64 | u128::from(word(text.last_chunk()) ^ text.len() as u64);
    ends.hash() as usize % LONG_SLOTS
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_a_hash_map(
            batches in prop::collection::vec(
                prop::collection::vec(
                    prop::option::of(prop_oneof!["[ab]{0,3}", "[ab\0]{11,14}", "[ab]{26,30}", "[\0-\x10]{0,1}[\0a]{12,17}", "a long text with the same head [ab]{0,2}", "é{4,9}[xy]"]),
                    0..60,
                ),
                1..6,
            ),
        ) {
            let (mut groups, mut cache) = (RowGroups::new(), TextCache::default());
            let mut known: HashMap<Option<String>, u32> = HashMap::new();
            for batch in batches {
                let texts: StringViewArray = batch.iter().map(|text| text.as_deref()).collect();
                let mut ids = vec![u32::MAX; texts.len()];
                cache.assign(&mut groups, &texts, &mut ids);
                for (text, id) in batch.into_iter().zip(ids) {
                    let next = known.len() as u32;
                    prop_assert_eq!(*known.entry(text).or_insert(next), id);
                }
            }
            prop_assert_eq!(groups.len(), known.len());
        }
    }
}
