//! The groups of texts that came before: most texts come again, and to see that one is the same takes less than to look it up as
//! a row of bytes.
//!
//! A text of up to twelve bytes is whole in its view (Arrow's), a word of 128 bits that a table finds. A longer one has a slot
//! with a group, whose key it is compared with. What is not found so goes to [`RowGroups`]; and so do all beyond [`MOST_SHORT`]
//! short ones.

use arrow::array::{Array, StringViewArray};

use super::RowGroups;
use super::table::{AHEAD, Key, Table};
use crate::ops::key::{Rows, encode_text, is_text};

/// From texts to the groups of one [`RowGroups`].
#[derive(Default)]
pub(super) struct TextCache {
    short: Option<Table<u128>>,
    /// The group of a long text plus one; 0 is an empty slot.
    long: Vec<u32>,
    null: Option<u32>,
    row: Rows,
}

/// Texts of so many bytes are whole in their views.
const INLINE: u32 = 12;
/// With more than these, the table would be slower than what it saves.
const MOST_SHORT: usize = (1 << 17) - 1;
const LONG_SLOTS: usize = 1 << 12;

impl TextCache {
    /// Writes the group of every text.
    pub(super) fn assign(&mut self, groups: &mut RowGroups, texts: &StringViewArray, ids: &mut [u32]) {
        let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut short = self.short.take().unwrap_or_else(|| Table::with_room(0));
        self.long.resize(LONG_SLOTS, 0);
        for (row, (view, id)) in texts.views().iter().zip(ids).enumerate() {
            if row % AHEAD == 0 {
                short.fetch(&texts.views()[row..(row + AHEAD).min(texts.len())]);
            }
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                *id = self.null_group(groups);
                continue;
            }
            if *view as u32 <= INLINE {
                let found = short.find_hashed(*view, view.hash());
                *id = if found == super::MISSING {
                    self.enter_short(groups, texts.value(row), *view, &mut short)
                } else {
                    found
                };
                continue;
            }
            let text = texts.value(row);
            let slot = &mut self.long[slot(text.as_bytes())];
            if *slot == 0 || !is_text(groups.row(*slot - 1), text.as_bytes()) {
                *slot = 1 + enter(groups, Some(text), &mut self.row);
            }
            *id = *slot - 1;
        }
        self.short = Some(short);
    }

    #[inline(never)]
    fn enter_short(&mut self, groups: &mut RowGroups, text: &str, view: u128, short: &mut Table<u128>) -> u32 {
        let id = enter(groups, Some(text), &mut self.row);
        if short.len() < MOST_SHORT {
            short.find_or_insert(view, id);
        }
        id
    }

    #[cold]
    fn null_group(&mut self, groups: &mut RowGroups) -> u32 {
        *self.null.get_or_insert_with(|| enter(groups, None, &mut self.row))
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let short = self.short.as_ref().map_or(0, Table::bytes);
        short + self.long.capacity() * size_of::<u32>() + self.row.bytes()
    }

    /// The most that will be allocated while so many texts come in.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let len = self.short.as_ref().map_or(0, Table::len);
        let more = more.min(MOST_SHORT.saturating_sub(len));
        let short = self.short.as_ref().map_or(Table::<u128>::bytes_for(more), |short| short.bytes_with(more));
        short + LONG_SLOTS * size_of::<u32>() + self.row.bytes()
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
                    prop::option::of(prop_oneof!["[ab]{0,3}", "[ab\0]{11,14}", "a long text with the same head [ab]{0,2}", "é{4,9}[xy]"]),
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
