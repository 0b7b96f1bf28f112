//! Many keys, indexed by several tasks: each takes the keys whose hashes begin with the same bits. Integers that lie close together, as
//! numbers of rows do, are not hashed: there is a slot for each value, and each part has some of the range.

use std::hint::select_unpredictable;

use arrow::array::{Array, ArrayRef};

use super::packed_groups::Packing;
use super::table::{AHEAD, Key, Table};
use super::{FindScratch, MISSING};
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::key::as_ints;
use crate::ops::prefetch::prefetch;

/// From the keys of rows to words of 64 bits.
#[derive(Clone)]
pub(crate) struct KeyWords {
    /// None where a value is a word.
    packing: Option<Packing<u64>>,
    /// Where the words lie, if that is close together.
    span: Option<Span>,
}

/// So many words from the least on; each part has `1 << bits` of them.
#[derive(Clone, Copy)]
struct Span {
    least: u64,
    words: u64,
    bits: u32,
}

/// Some of the keys: those of one part.
pub(crate) struct KeyPart {
    table: PartTable,
    keys: u32,
}

/// Where all words fit into 32 bits, slots are half as large, and so is what a look-up reaches into at random.
enum PartTable {
    Short(Table<u32>),
    Long(Table<u64>),
    /// The number of every word of the part's share of a span, plus one; 0 for no key.
    Direct(Vec<u32>, Span),
}

/// All keys, in parts.
pub(crate) struct PartedKeys {
    words: KeyWords,
    parts: Vec<KeyPart>,
    /// How many keys are in the parts before.
    firsts: Vec<u32>,
}

const BITS: u32 = 6;

/// A span of more words for each key has too few keys in a line of the cache.
const WORDS_A_KEY: u64 = 2;

/// The part that a word is in.
fn part_of(hash: u64) -> usize {
    (hash >> (64 - BITS)) as usize
}

impl Span {
    /// None where a word is not within, else its part and its place there.
    #[inline]
    fn place(self, word: u64) -> Option<(usize, usize)> {
        let at = word.wrapping_sub(self.least);
        (at < self.words).then(|| ((at >> self.bits) as usize, (at & ((1 << self.bits) - 1)) as usize))
    }
}

impl KeyWords {
    /// How many parts there are.
    pub(crate) const PARTS: usize = 1 << BITS;

    /// None for keys that are no words of 64 bits. A null is a word only where there are several keys.
    pub(crate) fn of(kinds: &[Type]) -> Option<KeyWords> {
        match kinds {
            [] | [Type::Text] => None,
            [_] => Some(KeyWords { packing: None, span: None }),
            kinds => Some(KeyWords { packing: Some(Packing::of(kinds)?), span: None }),
        }
    }

    /// Of words that are values within these bounds, in so many rows: none is hashed if that is not many more than there are rows.
    pub(crate) fn within(self, least: i64, greatest: i64, rows: usize) -> KeyWords {
        let words = greatest.abs_diff(least).saturating_add(1);
        if self.packing.is_some() || least > greatest || words > WORDS_A_KEY * rows as u64 {
            return self;
        }
        let bits = words.div_ceil(KeyWords::PARTS as u64).next_power_of_two().ilog2();
        KeyWords { span: Some(Span { least: least as u64, words, bits }), ..self }
    }

    /// Whether nulls are words, too, and some values are none.
    pub(crate) fn have_nulls(&self) -> bool {
        self.packing.is_some()
    }

    /// Writes the words of rows; false where a value does not fit.
    pub(crate) fn write(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        scratch: &mut Vec<i64>,
        words: &mut Vec<u64>,
    ) -> Result<bool> {
        if let Some(packing) = &self.packing {
            return packing.pack(columns, rows, scratch, words);
        }
        let only = columns.first().ok_or_else(|| Error::internal("a key is lacking"))?;
        words.clear();
        words.extend(as_ints(only, scratch)?.iter().map(|value| *value as u64));
        Ok(true)
    }

    /// The part of a word.
    pub(crate) fn part(&self, word: u64) -> usize {
        match self.span {
            None => part_of(word.hash()),
            Some(span) => span.place(word).map_or(0, |(part, _)| part),
        }
    }
}

impl KeyPart {
    /// The bytes of a part with so many keys, and twice that while it is made.
    pub(crate) fn bytes_for(keys: usize) -> usize {
        Table::<u64>::dense_bytes(keys)
    }

    /// With room for so many keys of such words, which have 32 bits if they are `short`.
    pub(crate) fn with_room(words: &KeyWords, keys: usize, short: bool) -> KeyPart {
        let table = match words.span {
            Some(span) => PartTable::Direct(vec![0; 1 << span.bits], span),
            None if short => PartTable::Short(Table::dense(keys)),
            None => PartTable::Long(Table::dense(keys)),
        };
        KeyPart { table, keys: 0 }
    }

    /// Adds the number of each word's key in this part.
    pub(crate) fn assign(&mut self, words: &[u64], ids: &mut Vec<u32>) {
        let keys = &mut self.keys;
        match &mut self.table {
            PartTable::Short(table) => assign(table, words, |word| word as u32, keys, ids),
            PartTable::Long(table) => assign(table, words, |word| word, keys, ids),
            PartTable::Direct(slots, span) => ids.extend(words.iter().map(|word| {
                let Some(slot) = span.place(*word).and_then(|(_, at)| slots.get_mut(at)) else { return MISSING };
                if *slot == 0 {
                    *keys += 1;
                    *slot = *keys;
                }
                *slot - 1
            })),
        }
    }

    /// Gives each key another number, from the one that it has.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        match &mut self.table {
            PartTable::Short(table) => table.renumber(number),
            PartTable::Long(table) => table.renumber(number),
            PartTable::Direct(slots, _) => {
                slots.iter_mut().filter(|slot| **slot != 0).for_each(|slot| *slot = number(*slot - 1) + 1);
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys as usize
    }
}

fn assign<K: Key>(table: &mut Table<K>, words: &[u64], key: impl Fn(u64) -> K, keys: &mut u32, ids: &mut Vec<u32>) {
    let mut next = words.chunks(AHEAD);
    let mut fetch = |table: &Table<K>| {
        let words = next.next().unwrap_or_default();
        words.iter().for_each(|word| table.fetch_hashed(key(*word).hash()));
    };
    fetch(table);
    for words in words.chunks(AHEAD) {
        fetch(table);
        ids.extend(words.iter().map(|word| {
            let id = table.find_or_insert(key(*word), *keys);
            *keys += u32::from(id == *keys);
            id
        }));
    }
}

impl PartTable {
    #[inline]
    fn fetch_hashed(&self, hash: u64) {
        match self {
            PartTable::Short(table) => table.fetch_hashed(hash),
            PartTable::Long(table) => table.fetch_hashed(hash),
            PartTable::Direct(..) => {}
        }
    }

    #[inline]
    fn find(&self, word: u64, hash: u64) -> u32 {
        match self {
            PartTable::Short(table) => u32::try_from(word).map_or(MISSING, |word| table.find_hashed(word, hash)),
            PartTable::Long(table) => table.find_hashed(word, hash),
            PartTable::Direct(slots, span) => {
                let slot = span.place(word).and_then(|(_, at)| slots.get(at));
                slot.map_or(MISSING, |slot| slot.wrapping_sub(1))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            PartTable::Short(table) => table.bytes(),
            PartTable::Long(table) => table.bytes(),
            PartTable::Direct(slots, _) => slots.capacity() * size_of::<u32>(),
        }
    }
}

impl PartedKeys {
    /// All parts, in order: the keys of each are numbered behind those before.
    pub(crate) fn new(words: KeyWords, parts: Vec<KeyPart>) -> PartedKeys {
        let before = parts.iter().scan(0, |sum, part| Some(std::mem::replace(sum, *sum + part.keys)));
        PartedKeys { words, firsts: before.collect(), parts }
    }

    /// All parts, whose keys are numbered through.
    pub(crate) fn numbered(words: KeyWords, parts: Vec<KeyPart>) -> PartedKeys {
        PartedKeys { words, firsts: vec![0; parts.len()], parts }
    }

    /// Writes the number of each row's key, [`MISSING`] where it is none.
    pub(crate) fn find(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        ids: &mut Vec<u32>,
        scratch: &mut FindScratch,
    ) -> Result<()> {
        let all_fit = self.words.write(columns, rows, &mut scratch.ints, &mut scratch.packed64)?;
        ids.clear();
        match self.words.span {
            Some(span) => self.find_within(span, &scratch.packed64, ids),
            None => self.find_hashed(&scratch.packed64, ids),
        }
        match &self.words.packing {
            Some(packing) if !all_fit => packing.for_unfit(columns, &mut scratch.ints, |row| ids[row] = MISSING),
            Some(_) => Ok(()),
            None => {
                // The slot of a null holds anything.
                for nulls in columns.iter().filter_map(|column| column.nulls()) {
                    (!nulls.inner()).set_indices().for_each(|row| ids[row] = MISSING);
                }
                Ok(())
            }
        }
    }

    fn find_hashed(&self, words: &[u64], ids: &mut Vec<u32>) {
        // The slots of the next words are on their way meanwhile.
        let mut next = words.chunks(AHEAD);
        let mut fetch = |hashes: &mut [u64; AHEAD]| {
            for (word, hash) in next.next().unwrap_or_default().iter().zip(hashes) {
                *hash = word.hash();
                self.parts[part_of(*hash)].table.fetch_hashed(*hash);
            }
        };
        let (mut hashes, mut later) = ([0; AHEAD], [0; AHEAD]);
        fetch(&mut hashes);
        for some in words.chunks(AHEAD) {
            fetch(&mut later);
            ids.extend(some.iter().zip(&hashes).map(|(word, hash)| {
                let part = part_of(*hash);
                match self.parts[part].table.find(*word, *hash) {
                    MISSING => MISSING,
                    id => id + self.firsts[part],
                }
            }));
            std::mem::swap(&mut hashes, &mut later);
        }
    }

    fn find_within(&self, span: Span, words: &[u64], ids: &mut Vec<u32>) {
        let slot = |word: u64| {
            let (part, at) = span.place(word)?;
            match &self.parts[part].table {
                PartTable::Direct(slots, _) => Some((slots.get(at)?, part)),
                PartTable::Short(_) | PartTable::Long(_) => None,
            }
        };
        let mut next = words.chunks(AHEAD);
        let mut fetch = || {
            let words = next.next().unwrap_or_default();
            words.iter().filter_map(|word| slot(*word)).for_each(|(slot, _)| prefetch(slot));
        };
        fetch();
        for some in words.chunks(AHEAD) {
            fetch();
            ids.extend(some.iter().map(|word| {
                let Some((slot, part)) = slot(*word) else { return MISSING };
                let id = slot.wrapping_sub(1);
                select_unpredictable(*slot == 0, MISSING, id.wrapping_add(self.firsts[part]))
            }));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.table.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The twin: a map of the standard library. Keys are numbered by their rows where all differ, else by part.
        #[test]
        fn each_key_is_found_where_it_was_put(
            least in prop_oneof![Just(i64::MIN), Just(-40), Just(0), Just(i64::MAX - 2000), any::<i64>()],
            offsets in prop::collection::vec(0..600i64, 1..700),
            differ in any::<bool>(),
            others in prop::collection::vec(any::<i64>(), 0..20),
            is_near in any::<bool>(),
        ) {
            let mut right: Vec<i64> = offsets.iter().map(|offset| least.saturating_add(*offset)).collect();
            if differ {
                right.sort_unstable();
                right.dedup();
            }
            let (low, high) = (*right.iter().min().unwrap(), *right.iter().max().unwrap());
            let words = KeyWords::of(&[Type::Int64]).unwrap();
            let words = if is_near { words.within(low, high, right.len()) } else { words };
            prop_assert_eq!(words.span.is_some(), is_near && i128::from(high) - i128::from(low) < 2 * right.len() as i128);
            let mut parts = vec![];
            for part in 0..KeyWords::PARTS {
                let rows: Vec<u32> =
                    (0..right.len() as u32).filter(|row| words.part(right[*row as usize] as u64) == part).collect();
                let of_part: Vec<u64> = rows.iter().map(|row| right[*row as usize] as u64).collect();
                let mut keys = KeyPart::with_room(&words, rows.len(), of_part.iter().all(|word| *word <= u64::from(u32::MAX)));
                let mut ids = vec![];
                keys.assign(&of_part, &mut ids);
                if differ {
                    keys.renumber(|id| rows[id as usize]);
                }
                prop_assert!(keys.len() <= rows.len() && ids.iter().all(|id| (*id as usize) < keys.len()));
                parts.push(keys);
            }
            let count: usize = parts.iter().map(KeyPart::len).sum();
            let keys = if differ { PartedKeys::numbered(words, parts) } else { PartedKeys::new(words, parts) };
            let found = |keys: &PartedKeys, values: &[i64]| {
                let (column, mut ids): (ArrayRef, _) = (Arc::new(Int64Array::from(values.to_vec())), vec![]);
                keys.find(&[column], values.len(), &mut ids, &mut FindScratch::default()).unwrap();
                ids
            };
            let twin: HashMap<i64, u32> = right.iter().copied().zip(0..).collect();
            prop_assert_eq!(count, twin.len());
            let left: Vec<i64> =
                others.into_iter().chain((-5..610).map(|offset| least.wrapping_add(offset))).collect();
            let (got, mut numbers) = (found(&keys, &left), vec![MISSING; count]);
            for (value, id) in left.iter().zip(got) {
                match twin.get(value) {
                    None => prop_assert_eq!(id, MISSING),
                    Some(row) if differ => prop_assert_eq!(id, *row),
                    // One number for each key.
                    Some(row) => {
                        prop_assert!(numbers[id as usize] == MISSING || numbers[id as usize] == *row);
                        numbers[id as usize] = *row;
                    }
                }
            }
        }
    }
}
