//! In what order rows stand: by their keys as integers where they fit, else by their keys as bytes.
//!
//! Each key takes the bits that the range of its values needs, and its null one code more, before them or behind them; below the
//! keys stands the row's place. So one integer of 64 or 128 bits is all that is compared, no two are equal, and ties keep the order
//! in which they came. The highest bits spread the rows over buckets that fit into the cache; each is then sorted by itself.
//! Text, and more keys than 128 bits hold, are compared by the first 8 bytes that differ anywhere, then by all.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef};

use crate::error::Result;
use crate::expr::Type;
use crate::ops::key::{KeyColumn, Rows, as_ints, encode};

/// A batch, and a row of it.
pub(super) type Place = (u32, u32);

/// The rows of some batches in order.
pub(super) struct Order {
    entries: Entries,
    place: PlaceBits,
}

enum Entries {
    Narrow(Vec<u64>),
    Wide(Vec<u128>),
    Bytes(Vec<(u64, Place)>),
}

/// The most bytes that are taken for a row's entry while entries are sorted; keys as bytes come on top.
pub(super) const ENTRY_BYTES: usize = 2 * size_of::<u128>();

impl Order {
    /// Of the rows whose keys are these columns: those of a batch after those of another.
    pub(super) fn of(batches: &[Vec<ArrayRef>], layout: &[KeyColumn]) -> Result<Order> {
        let place = PlaceBits::of(batches);
        let entries = match Codes::of(batches, layout)? {
            Some(codes) if codes.bits + place.bits() < u64::BITS => {
                Entries::Narrow(sorted(codes.words(batches, place)?, codes.bits + place.bits(), |word: u64| word))
            }
            Some(codes) if codes.bits + place.bits() < u128::BITS => {
                let (words, bits) = (codes.words(batches, place)?, codes.bits + place.bits());
                // What a bucket is by need not be in its words.
                if bits - bucket_bits(words.len()) <= u64::BITS {
                    Entries::Narrow(sorted(words, bits, |word: u128| word as u64))
                } else {
                    Entries::Wide(sorted(words, bits, |word: u128| word))
                }
            }
            _ => Entries::Bytes(sorted_bytes(batches, layout)?),
        };
        Ok(Order { entries, place })
    }

    pub(super) fn len(&self) -> usize {
        match &self.entries {
            Entries::Narrow(words) => words.len(),
            Entries::Wide(words) => words.len(),
            Entries::Bytes(entries) => entries.len(),
        }
    }

    /// Where the rows of a range of the order are.
    pub(super) fn places(&self, range: Range<usize>) -> Vec<Place> {
        match &self.entries {
            Entries::Narrow(words) => words[range].iter().map(|word| self.place.of_word(*word)).collect(),
            Entries::Wide(words) => words[range].iter().map(|word| self.place.of_word(*word as u64)).collect(),
            Entries::Bytes(entries) => entries[range].iter().map(|entry| entry.1).collect(),
        }
    }

    /// The same of rows that all are of one batch.
    pub(super) fn rows(&self, range: Range<usize>) -> Vec<u32> {
        match &self.entries {
            Entries::Narrow(words) => words[range].iter().map(|word| self.place.of_word(*word).1).collect(),
            Entries::Wide(words) => words[range].iter().map(|word| self.place.of_word(*word as u64).1).collect(),
            Entries::Bytes(entries) => entries[range].iter().map(|entry| entry.1.1).collect(),
        }
    }
}

/// How many bits it takes to number batches, and the rows of one.
#[derive(Clone, Copy)]
struct PlaceBits {
    batch: u32,
    row: u32,
}

impl PlaceBits {
    fn of(batches: &[Vec<ArrayRef>]) -> PlaceBits {
        let bits = |count: usize| usize::BITS - count.saturating_sub(1).leading_zeros();
        let rows = batches.iter().filter_map(|columns| columns.first()).map(|column| column.len()).max();
        PlaceBits { batch: bits(batches.len()), row: bits(rows.unwrap_or(0)) }
    }

    fn bits(self) -> u32 {
        self.batch + self.row
    }

    fn of_word(self, word: u64) -> Place {
        let low = |bits: u32, word: u64| (word & ((1 << bits) - 1)) as u32;
        (low(self.batch, word >> self.row), low(self.row, word))
    }
}

/// An integer that holds a row's keys and its place.
trait Word: Copy + Ord + Default {
    fn append(self, code: u64, bits: u32) -> Self;
    /// What lies above these bits.
    fn above(self, bits: u32) -> usize;
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            #[inline]
            fn append(self, code: u64, bits: u32) -> $word {
                self << bits | <$word>::from(code)
            }

            #[inline]
            fn above(self, bits: u32) -> usize {
                (self >> bits) as usize
            }
        }
    };
}
word!(u64);
word!(u128);

/// The values of each key column as codes that order alike.
struct Codes {
    columns: Vec<Code>,
    bits: u32,
}

struct Code {
    least: i64,
    most: i64,
    descending: bool,
    /// The code of the first value, and of a null.
    first: u64,
    null: u64,
    bits: u32,
}

impl Codes {
    /// None when there is text, or a column whose values and null take more than 64 bits.
    fn of(batches: &[Vec<ArrayRef>], layout: &[KeyColumn]) -> Result<Option<Codes>> {
        if layout.iter().any(|key| key.kind == Type::Text) {
            return Ok(None);
        }
        let mut scratch = Vec::new();
        let mut columns = Vec::with_capacity(layout.len());
        for (i, key) in layout.iter().enumerate() {
            let (mut least, mut most, mut nulls) = (i64::MAX, i64::MIN, false);
            for array in batches.iter().map(|columns| &columns[i]) {
                let values = as_ints(array, &mut scratch)?;
                match array.nulls().filter(|nulls| nulls.null_count() > 0) {
                    None => (least, most) = values.iter().fold((least, most), |(a, b), v| (a.min(*v), b.max(*v))),
                    Some(valid) => {
                        nulls = true;
                        let values = valid.valid_indices().map(|row| values[row]);
                        (least, most) = values.fold((least, most), |(a, b), v| (a.min(v), b.max(v)));
                    }
                }
            }
            let last = if least > most { 0 } else { most.wrapping_sub(least) as u64 };
            let Some(highest) = last.checked_add(u64::from(nulls)) else { return Ok(None) };
            let (first, null) = if nulls && key.nulls_first { (1, 0) } else { (0, highest) };
            let bits = u64::BITS - highest.leading_zeros();
            columns.push(Code { least, most, descending: key.descending, first, null, bits });
        }
        // Saturating, as there may be any number of columns; so many bits are too many at any rate.
        let bits = columns.iter().fold(0u32, |sum, code| sum.saturating_add(code.bits));
        Ok(Some(Codes { columns, bits }))
    }

    /// The words of all rows.
    fn words<W: Word>(&self, batches: &[Vec<ArrayRef>], place: PlaceBits) -> Result<Vec<W>> {
        let rows = |columns: &Vec<ArrayRef>| columns.first().map_or(0, |column| column.len());
        // Written before it is read: to read memory that the system has yet to give has it give a page of zeros first, and then another.
        let mut words: Vec<W> = Vec::with_capacity(batches.iter().map(rows).sum());
        let mut scratch = Vec::new();
        for (number, columns) in batches.iter().enumerate() {
            if let ([array], [code]) = (&columns[..], &self.columns[..])
                && array.null_count() == 0
            {
                // One key, as mostly: in one pass.
                let values = as_ints(array, &mut scratch)?.iter().enumerate();
                let row_before = (number as u64) << place.row;
                words.extend(values.map(|(row, value)| {
                    W::default().append(code.of(*value), code.bits).append(row_before | row as u64, place.bits())
                }));
                continue;
            }
            let start = words.len();
            words.resize(start + rows(columns), W::default());
            let words = &mut words[start..];
            for (array, code) in columns.iter().zip(&self.columns) {
                code.append(array, words, &mut scratch)?;
            }
            for (row, word) in words.iter_mut().enumerate() {
                *word = word.append((number as u64) << place.row | row as u64, place.bits());
            }
        }
        Ok(words)
    }
}

impl Code {
    /// The code of a value.
    #[inline]
    fn of(&self, value: i64) -> u64 {
        let distance = if self.descending { self.most.wrapping_sub(value) } else { value.wrapping_sub(self.least) };
        (distance as u64).wrapping_add(self.first)
    }

    fn append<W: Word>(&self, array: &ArrayRef, words: &mut [W], scratch: &mut Vec<i64>) -> Result<()> {
        let values = as_ints(array, scratch)?;
        match array.nulls() {
            None => {
                words.iter_mut().zip(values).for_each(|(word, value)| *word = word.append(self.of(*value), self.bits))
            }
            Some(nulls) => {
                for ((word, value), valid) in words.iter_mut().zip(values).zip(nulls) {
                    *word = word.append(if valid { self.of(*value) } else { self.null }, self.bits);
                }
            }
        }
        Ok(())
    }
}

/// The most buckets of a first pass, about so many words in each, and the fewest words worth it.
const MAX_BUCKET_BITS: u32 = 12;
const BUCKET_WORDS: usize = 1 << 4;
const FEW_WORDS: usize = 1 << 9;

/// By how many of the highest bits so many words are spread over buckets.
fn bucket_bits(words: usize) -> u32 {
    if words < FEW_WORDS { 0 } else { (words / BUCKET_WORDS).ilog2().min(MAX_BUCKET_BITS) }
}

/// Sorts words of which no two are equal, and none has more bits. What is kept of each has all but the bits of its bucket.
fn sorted<W: Word, K: Word>(mut words: Vec<W>, bits: u32, kept: impl Fn(W) -> K) -> Vec<K> {
    let bucket_bits = bucket_bits(words.len());
    if bucket_bits == 0 || words.len() > u32::MAX as usize || words.is_sorted() {
        words.sort_unstable();
        return words.into_iter().map(kept).collect();
    }
    let below = bits.saturating_sub(bucket_bits);
    let mut ends = vec![0u32; 1 << bucket_bits];
    words.iter().for_each(|word| ends[word.above(below)] += 1);
    let mut end = 0;
    for bucket in &mut ends {
        // For now where the bucket begins: it grows to its end as it fills.
        end += std::mem::replace(bucket, end);
    }
    let mut spread = vec![K::default(); words.len()];
    for word in words {
        let place = &mut ends[word.above(below)];
        spread[*place as usize] = kept(word);
        *place += 1;
    }
    let mut start = 0;
    for end in ends.into_iter().map(|end| end as usize) {
        spread[start..end].sort_unstable();
        start = end;
    }
    spread
}

fn sorted_bytes(batches: &[Vec<ArrayRef>], layout: &[KeyColumn]) -> Result<Vec<(u64, Place)>> {
    let mut keys: Vec<Rows> = Vec::with_capacity(batches.len());
    for columns in batches {
        let mut rows = Rows::default();
        encode(columns, layout, &mut rows)?;
        keys.push(rows);
    }
    let key = |place: Place| keys[place.0 as usize].row(place.1 as usize);
    let places = || (0u32..).zip(&keys).flat_map(|(batch, rows)| (0..rows.len() as u32).map(move |row| (batch, row)));
    // What all have in common says nothing: markers of what is no null, and the beginnings of paths.
    let first = places().next().map_or(&[][..], key);
    let common = |other: &[u8]| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let skip = places().map(|place| common(key(place))).min().unwrap_or(0);
    let prefix = |place: Place| {
        let mut bytes = [0; 8];
        let rest = key(place).get(skip..).unwrap_or_default();
        let length = rest.len().min(8);
        bytes[..length].copy_from_slice(&rest[..length]);
        u64::from_be_bytes(bytes)
    };
    let mut entries: Vec<(u64, Place)> = places().map(|place| (prefix(place), place)).collect();
    let compare = |a: &(u64, Place), b: &(u64, Place)| -> Ordering {
        a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))).then(a.1.cmp(&b.1))
    };
    entries.sort_unstable_by(compare);
    Ok(entries)
}
