//! Many keys, indexed by several tasks: each takes the keys whose hashes begin with the same bits.

use arrow::array::{Array, ArrayRef};

use super::packed_groups::Packing;
use super::table::{AHEAD, Key, Table};
use super::{FindScratch, MISSING};
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::key::as_ints;

/// From the keys of rows to words of 64 bits.
pub(crate) struct KeyWords {
    /// None where a value is a word.
    packing: Option<Packing<u64>>,
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
}

/// All keys, in parts.
pub(crate) struct PartedKeys {
    words: KeyWords,
    parts: Vec<KeyPart>,
    /// How many keys are in the parts before.
    firsts: Vec<u32>,
}

const BITS: u32 = 6;

/// The part that a word is in.
fn part_of(hash: u64) -> usize {
    (hash >> (64 - BITS)) as usize
}

impl KeyWords {
    /// How many parts there are.
    pub(crate) const PARTS: usize = 1 << BITS;

    /// None for keys that are no words of 64 bits. A null is a word only where there are several keys.
    pub(crate) fn of(kinds: &[Type]) -> Option<KeyWords> {
        match kinds {
            [] | [Type::Text] => None,
            [_] => Some(KeyWords { packing: None }),
            kinds => Some(KeyWords { packing: Some(Packing::of(kinds)?) }),
        }
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
    pub(crate) fn part(word: u64) -> usize {
        part_of(word.hash())
    }
}

impl KeyPart {
    /// The bytes of a part with so many keys, and twice that while it is made.
    pub(crate) fn bytes_for(keys: usize) -> usize {
        Table::<u64>::dense_bytes(keys)
    }

    /// With room for so many keys, whose words have 32 bits if they are `short`.
    pub(crate) fn with_room(keys: usize, short: bool) -> KeyPart {
        let table = if short { PartTable::Short(Table::dense(keys)) } else { PartTable::Long(Table::dense(keys)) };
        KeyPart { table, keys: 0 }
    }

    /// Adds the number of each word's key in this part.
    pub(crate) fn assign(&mut self, words: &[u64], ids: &mut Vec<u32>) {
        let keys = &mut self.keys;
        match &mut self.table {
            PartTable::Short(table) => assign(table, words, |word| word as u32, keys, ids),
            PartTable::Long(table) => assign(table, words, |word| word, keys, ids),
        }
    }

    /// Gives each key another number, from the one that it has.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        match &mut self.table {
            PartTable::Short(table) => table.renumber(number),
            PartTable::Long(table) => table.renumber(number),
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
        }
    }

    #[inline]
    fn find(&self, word: u64, hash: u64) -> u32 {
        match self {
            PartTable::Short(table) => u32::try_from(word).map_or(MISSING, |word| table.find_hashed(word, hash)),
            PartTable::Long(table) => table.find_hashed(word, hash),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            PartTable::Short(table) => table.bytes(),
            PartTable::Long(table) => table.bytes(),
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
        // The slots of the next words are on their way meanwhile.
        let mut next = scratch.packed64.chunks(AHEAD);
        let mut fetch = |hashes: &mut [u64; AHEAD]| {
            for (word, hash) in next.next().unwrap_or_default().iter().zip(hashes) {
                *hash = word.hash();
                self.parts[part_of(*hash)].table.fetch_hashed(*hash);
            }
        };
        let (mut hashes, mut later) = ([0; AHEAD], [0; AHEAD]);
        fetch(&mut hashes);
        for words in scratch.packed64.chunks(AHEAD) {
            fetch(&mut later);
            ids.extend(words.iter().zip(&hashes).map(|(word, hash)| {
                let part = part_of(*hash);
                match self.parts[part].table.find(*word, *hash) {
                    MISSING => MISSING,
                    id => id + self.firsts[part],
                }
            }));
            std::mem::swap(&mut hashes, &mut later);
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

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.table.bytes()).sum()
    }
}
