//! Rows of keys as words of 64 bits, each key as narrow as its values allow.
//!
//! | key | bits |
//! |---|---|
//! | number, date, timestamp, bool | 64: its integer, sign bit flipped; all ones a null |
//! | the same, where it is narrow | 32, in the same way; two such keys, one after the other, share a word |
//! | text of up to 12 bytes | 128: its first 8 bytes, big-endian, zeros behind them; its last 4, and its length; all ones a null |
//! | text of up to 7 bytes, where it is narrow | 64: its bytes, zeros behind them, and its length; all ones a null |
//!
//! So that comparing words compares rows, nulls last. Longer texts, and the greatest integer of as many bits, do not fit.
//!
//! Of ten million rows that were each a group, by three texts and three integers, the keys took 72 bytes a row before some were narrow,
//! and 48 since: to pack them and write them to their buckets, most of it to fresh pages, had been a quarter of the time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};

use crate::batch::{nulls_at, short_texts, words_column};
use crate::error::Result;
use crate::expr::Type;
use crate::ops::key::{as_ints, from_ints};

/// Where each key lies among the words of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    keys: Vec<Key>,
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    kind: Type,
    is_narrow: bool,
    /// The first of its words.
    word: usize,
    /// How many bits of that word are below it.
    shift: u32,
}

/// The code of a null.
const NULL: u64 = u64::MAX;
/// The same of 32 bits.
const NARROW_NULL: u64 = u32::MAX as u64;
/// Texts of so many bytes are whole in their views.
const INLINE: u32 = crate::batch::INLINE as u32;
/// Texts of so many bytes are narrow.
const SHORT: u32 = 7;

impl Layout {
    /// With every key as wide as it can be.
    pub(super) fn wide(kinds: &[Type]) -> Layout {
        Layout::of(kinds.iter().map(|kind| (*kind, false)))
    }

    /// With every key as narrow as it can be.
    pub(super) fn narrow(kinds: &[Type]) -> Layout {
        Layout::of(kinds.iter().map(|kind| (*kind, true)))
    }

    /// The narrowest for these columns; none where a value fits none.
    pub(super) fn fitting(kinds: &[Type], columns: &[ArrayRef]) -> Result<Option<Layout>> {
        let mut scratch = vec![];
        let mut narrow = Vec::with_capacity(kinds.len());
        for (kind, column) in kinds.iter().zip(columns) {
            let (mut is_narrow, mut fits) = (true, true);
            match kind {
                Type::Text => {
                    let mut longest = 0;
                    for_views(column, |_, view| longest = longest.max(view.map_or(0, |view| view as u32)));
                    (is_narrow, fits) = (longest <= SHORT, longest <= INLINE);
                }
                _ => for_ints(column, &mut scratch, |_, value| {
                    is_narrow &= value.is_none_or(|value| narrow_code(value).is_some());
                    fits &= value.is_none_or(|value| int_code(value) != NULL);
                })?,
            }
            if !fits {
                return Ok(None);
            }
            narrow.push((*kind, is_narrow));
        }
        Ok(Some(Layout::of(narrow.into_iter())))
    }

    /// Of keys that are narrow, or not: a number that has no other to share a word with is not.
    fn of(keys: impl Iterator<Item = (Type, bool)>) -> Layout {
        let (mut layout, mut keys) = (Layout { keys: vec![], width: 0 }, keys.peekable());
        let is_half = |(kind, is_narrow): &(Type, bool)| *is_narrow && *kind != Type::Text;
        while let Some(key) = keys.next() {
            let (word, kind) = (layout.width, key.0);
            if is_half(&key)
                && let Some((other, _)) = keys.next_if(is_half)
            {
                let half = |kind, shift| Key { kind, is_narrow: true, word, shift };
                layout.keys.extend([half(kind, 32), half(other, 0)]);
                layout.width += 1;
                continue;
            }
            let is_narrow = key.1 && kind == Type::Text;
            layout.keys.push(Key { kind, is_narrow, word, shift: 0 });
            layout.width += if kind == Type::Text && !is_narrow { 2 } else { 1 };
        }
        layout
    }

    /// The narrowest that what fits either of both fits.
    pub(super) fn union(&self, other: &Layout) -> Layout {
        let keys = self.keys.iter().zip(&other.keys);
        Layout::of(keys.map(|(a, b)| (a.kind, a.is_narrow && b.is_narrow)))
    }

    /// How many words a row takes.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The words of rows as a column; none when a value does not fit.
    pub(super) fn pack(&self, columns: &[ArrayRef], rows: usize, scratch: &mut Vec<i64>) -> Result<Option<ArrayRef>> {
        let (mut words, mut fits) = (vec![], true);
        self.write(columns, rows, scratch, &mut words, |_| fits = false)?;
        fits.then(|| words_column(words, self.width)).transpose()
    }

    /// Writes the words of rows, row by row, and tells of those that do not fit.
    pub(super) fn write(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        scratch: &mut Vec<i64>,
        words: &mut Vec<u64>,
        mut unfit: impl FnMut(usize),
    ) -> Result<()> {
        words.clear();
        words.resize(rows * self.width, 0);
        for (column, Key { kind, is_narrow, word, shift }) in columns.iter().zip(self.keys.iter().copied()) {
            let at = |row: usize| row * self.width + word;
            match (kind, is_narrow) {
                (Type::Text, true) => for_views(column, |row, view| {
                    words[at(row)] = view.map_or(NULL, short_code);
                    if view.is_some_and(|view| view as u32 > SHORT) {
                        unfit(row);
                    }
                }),
                (Type::Text, false) => for_views(column, |row, view| {
                    words[at(row)..at(row) + 2].copy_from_slice(&text_code(view));
                    if view.is_some_and(|view| view as u32 > INLINE) {
                        unfit(row);
                    }
                }),
                (_, true) => for_ints(column, scratch, |row, value| {
                    let code = value.map_or(Some(NARROW_NULL), narrow_code);
                    words[at(row)] |= code.unwrap_or(0) << shift;
                    if code.is_none() {
                        unfit(row);
                    }
                })?,
                (_, false) => for_ints(column, scratch, |row, value| {
                    let code = value.map_or(NULL, int_code);
                    words[at(row)] = code;
                    if value.is_some() && code == NULL {
                        unfit(row);
                    }
                })?,
            }
        }
        Ok(())
    }

    /// The columns of keys whose words these rows are.
    pub(super) fn columns<'a>(&self, rows: impl Iterator<Item = &'a [u64]> + Clone) -> Result<Vec<ArrayRef>> {
        let column = |Key { kind, is_narrow, word, shift }: &Key| {
            let rows = rows.clone();
            match (kind, is_narrow) {
                (Type::Text, true) => texts(rows.map(|row| short_view(row[*word]))),
                (Type::Text, false) => texts(rows.map(|row| text_view([row[*word], row[*word + 1]]))),
                (_, true) => from_ints(*kind, rows.map(|row| narrow_int(row[*word] >> shift & NARROW_NULL))),
                (_, false) => {
                    let int = |code: u64| (code != NULL).then(|| (code ^ 1 << 63).cast_signed());
                    from_ints(*kind, rows.map(|row| int(row[*word])))
                }
            }
        };
        self.keys.iter().map(column).collect()
    }

    /// The same of rows that follow each other.
    pub(super) fn unpack(&self, words: &[u64]) -> Result<Vec<ArrayRef>> {
        self.columns(words.chunks_exact(self.width))
    }
}

/// Visits the view of every text, none of a null.
#[inline]
pub(super) fn for_views(texts: &ArrayRef, mut f: impl FnMut(usize, Option<u128>)) {
    let (texts, nulls) = (texts.as_string_view(), texts.nulls().filter(|nulls| nulls.null_count() > 0));
    let views = texts.views().iter().enumerate();
    match nulls {
        None => views.for_each(|(row, view)| f(row, Some(*view))),
        Some(nulls) => views.for_each(|(row, view)| f(row, nulls.is_valid(row).then_some(*view))),
    }
}

#[inline]
fn for_ints(column: &ArrayRef, scratch: &mut Vec<i64>, mut f: impl FnMut(usize, Option<i64>)) -> Result<()> {
    let values = as_ints(column, scratch)?.iter().enumerate();
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.for_each(|(row, value)| f(row, Some(*value))),
        Some(nulls) => values.for_each(|(row, value)| f(row, nulls.is_valid(row).then_some(*value))),
    }
    Ok(())
}

fn int_code(value: i64) -> u64 {
    value.cast_unsigned() ^ 1 << 63
}

/// None for what does not fit.
fn narrow_code(value: i64) -> Option<u64> {
    let code = u64::from(i32::try_from(value).ok()?.cast_unsigned() ^ 1 << 31);
    (code != NARROW_NULL).then_some(code)
}

fn narrow_int(code: u64) -> Option<i64> {
    (code != NARROW_NULL).then(|| (code as u32 ^ 1 << 31).cast_signed().into())
}

/// The two words of a text; of a longer one, not all of it.
pub(super) fn text_code(view: Option<u128>) -> [u64; 2] {
    let Some(view) = view else { return [NULL; 2] };
    let (length, first, last) = (view as u32, (view >> 32) as u64, (view >> 96) as u32);
    [first.swap_bytes(), u64::from(last.swap_bytes()) << 32 | u64::from(length)]
}

fn text_view([first, second]: [u64; 2]) -> Option<u128> {
    let last = u128::from((second >> 32) as u32).swap_bytes() >> 96;
    (second != NULL).then(|| last << 96 | u128::from(first.swap_bytes()) << 32 | u128::from(second as u32))
}

/// The word of a short text; of a longer one, anything.
fn short_code(view: u128) -> u64 {
    ((view >> 32) as u64).swap_bytes() & !0xff | view as u64 & 0xff
}

fn short_view(code: u64) -> Option<u128> {
    (code != NULL).then(|| u128::from((code & !0xff).swap_bytes()) << 32 | u128::from(code & 0xff))
}

/// The column of texts whose words these are.
pub(super) fn wide_texts(words: impl Iterator<Item = [u64; 2]>) -> Result<ArrayRef> {
    texts(words.map(text_view))
}

fn texts(views: impl Iterator<Item = Option<u128>>) -> Result<ArrayRef> {
    let mut nulls = vec![];
    let view = |(row, view): (usize, Option<u128>)| {
        view.unwrap_or_else(|| {
            nulls.push(row as u32);
            0
        })
    };
    let views: Vec<u128> = views.enumerate().map(view).collect();
    let nulls = nulls_at(&nulls, views.len());
    Ok(Arc::new(short_texts(views, nulls)?))
}
