//! Rows as words of 64 bits: the values of a row side by side, each in as few bits as those of its column need.
//!
//! A column's values are stored as their distances from a least one, its nulls as a bit. What is known of the columns grows as batches come
//! that do not fit: later ones are laid out otherwise, the rows before them stay as they are. Bits that are left in the words are shared
//! by the columns, so that this is seldom. Text is not laid out so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::Float64Type;

use crate::batch::Places;
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::key::{as_ints, float_to_int, kind_of};

/// Where the values of a row stand.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Layout {
    fields: Vec<Field>,
    width: usize,
}

/// Where a column's values stand.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Field {
    kind: Type,
    floats: Floats,
    least: i64,
    bits: Bits,
    /// One that tells values from nulls, if there are any.
    valid: Option<Bits>,
}

/// Some bits of a word of the row.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bits {
    word: usize,
    /// How many of the word's bits are below them.
    shift: u32,
    mask: u64,
}

/// From some bits of a row to others of another, to which something is added.
struct Move {
    from: Bits,
    to: Bits,
    more: u64,
}

/// What the integers of a column are of its floats.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Floats {
    None,
    Bits,
    Decimals(Places),
}

/// How rows are laid out from now on: widened by whoever meets values that do not fit.
#[derive(Default)]
pub(super) struct Shape(Mutex<Known>);

#[derive(Default)]
struct Known {
    columns: Vec<Seen>,
    layout: Option<Arc<Layout>>,
}

/// What the values of a column are, so far.
#[derive(Debug, Clone, Copy)]
struct Seen {
    kind: Type,
    floats: Floats,
    least: i64,
    most: i64,
    nulls: bool,
}

/// The least and the greatest of some integers.
#[derive(Clone, Copy)]
struct Ends {
    least: i64,
    most: i64,
}

/// So many rows are laid out together: as many as are in the cache from the first column to the last.
const LAID_OUT: usize = 1 << 10;

/// Calls a function for rows of so many words, which is compiled for those that are usual.
macro_rules! of_width {
    ($width:expr, $function:ident::<$($type:tt),+>($($argument:expr),*)) => {
        match $width {
            1 => $function::<1, $($type),+>($($argument),*),
            2 => $function::<2, $($type),+>($($argument),*),
            3 => $function::<3, $($type),+>($($argument),*),
            4 => $function::<4, $($type),+>($($argument),*),
            _ => $function::<0, $($type),+>($($argument),*),
        }
    };
    ($width:expr, $function:ident($($argument:expr),*)) => {
        match $width {
            1 => $function::<1>($($argument),*),
            2 => $function::<2>($($argument),*),
            3 => $function::<3>($($argument),*),
            4 => $function::<4>($($argument),*),
            _ => $function::<0>($($argument),*),
        }
    };
}

impl Shape {
    /// Lays out the rows of a batch, whose columns are always of the same types; gives the layout too.
    pub(super) fn lay_out(&self, columns: &[ArrayRef]) -> Result<(Arc<Layout>, Vec<u64>)> {
        let mut words = vec![];
        if let Some(layout) = self.latest()
            && self.append(&layout, columns, &mut words)?
        {
            return Ok((layout, words));
        }
        let mut scratch = vec![];
        let layout = self.known(|known| known.widen(columns, &mut scratch))?;
        match layout.append(columns, &mut scratch, &mut words)? {
            Some(_) => Ok((layout, words)),
            None => Err(Error::internal("rows do not fit where their values do")),
        }
    }

    /// Adds the words of rows; false, and nothing is added, where a value does not fit the layout.
    pub(super) fn append(&self, layout: &Arc<Layout>, columns: &[ArrayRef], words: &mut Vec<u64>) -> Result<bool> {
        let ends = layout.append(columns, &mut vec![], words)?;
        if let Some(ends) = &ends {
            self.known(|known| known.add(layout, ends));
        }
        Ok(ends.is_some())
    }

    /// One that all rows fit which were laid out before.
    pub(super) fn latest(&self) -> Option<Arc<Layout>> {
        self.known(|known| known.layout.clone())
    }

    fn known<R>(&self, f: impl FnOnce(&mut Known) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// Takes in what the ends of each column are in a batch that fits a layout, which need not be the latest any more.
    fn add(&mut self, layout: &Arc<Layout>, ends: &[Ends]) {
        for (seen, (field, ends)) in self.columns.iter_mut().zip(layout.fields.iter().zip(ends)) {
            seen.add(field.floats, *ends);
        }
        let latest = self.layout.as_ref().filter(|latest| Arc::ptr_eq(latest, layout) || latest.fits(&self.columns));
        if latest.is_none() {
            self.layout = Some(Arc::new(Layout::of(&self.columns)));
        }
    }

    /// A layout for all that came before and this batch.
    fn widen(&mut self, columns: &[ArrayRef], scratch: &mut Vec<i64>) -> Result<Arc<Layout>> {
        if self.columns.is_empty() {
            self.columns = columns.iter().map(Seen::nothing).collect::<Result<_>>()?;
        }
        self.columns.iter_mut().zip(columns).try_for_each(|(seen, column)| seen.see(column, scratch))?;
        Ok(self.layout.insert(Arc::new(Layout::of(&self.columns))).clone())
    }
}

impl Seen {
    fn nothing(column: &ArrayRef) -> Result<Seen> {
        let kind = kind_of(column.data_type())?;
        let floats = if kind == Type::Float64 { Floats::Decimals(Places::NONE) } else { Floats::None };
        Ok(Seen { kind, floats, least: i64::MAX, most: i64::MIN, nulls: false })
    }

    /// Takes in the values of a batch; what stands where there is a null is a value, too.
    fn see(&mut self, column: &ArrayRef, scratch: &mut Vec<i64>) -> Result<()> {
        self.nulls |= column.null_count() > 0;
        if let Floats::Decimals(before) = self.floats {
            let values = column.as_primitive::<Float64Type>().values();
            self.floats = match Places::of(values, scratch) {
                Some(now) if now >= before => Floats::Decimals(now),
                Some(_) if before.integers(values, scratch) => Floats::Decimals(before),
                _ => Floats::Bits,
            };
            self.rescale(Floats::Decimals(before));
        }
        let values = match self.floats {
            Floats::None => as_ints(column, scratch)?,
            Floats::Decimals(_) => scratch.as_slice(),
            Floats::Bits => return Ok(()),
        };
        let ends = (self.least, self.most);
        (self.least, self.most) = values.iter().fold(ends, |(a, b), value| (a.min(*value), b.max(*value)));
        Ok(())
    }

    /// Takes in the ends of integers that mean other floats, if the column has become wider.
    fn add(&mut self, floats: Floats, Ends { least, most }: Ends) {
        let mut other = Seen { floats: self.floats, least, most, ..*self };
        other.rescale(floats);
        self.floats = other.floats;
        (self.least, self.most) = (self.least.min(other.least), self.most.max(other.most));
    }

    /// Makes the ends those of the same floats, which were of fewer places.
    fn rescale(&mut self, before: Floats) {
        if let (Floats::Decimals(before), Floats::Decimals(places)) = (before, self.floats)
            && self.least <= self.most
        {
            match [self.least, self.most].map(|end| places.of_fewer(before, end)) {
                [Some(least), Some(most)] => (self.least, self.most) = (least, most),
                _ => self.floats = Floats::Bits,
            }
        }
        if self.floats == Floats::Bits {
            (self.least, self.most) = (i64::MIN, i64::MAX);
        }
    }

    /// How many bits the distances from the least value have.
    fn bits(&self) -> u32 {
        let distance = if self.least > self.most { 0 } else { self.most.wrapping_sub(self.least) as u64 };
        u64::BITS - distance.leading_zeros()
    }

    /// Where distances of so many bits begin: a quarter of the room to spare is below the least value, as later values are greater more often
    /// than not, and nothing below zero where no value is. The end of that room is an integer, too, so that distances order as values do.
    fn least_of(&self, bits: u32) -> i64 {
        let mask = mask_of(bits);
        let Ok(room) = i64::try_from(mask) else { return i64::MIN };
        if self.least > self.most {
            return 0;
        }
        let spare = mask - self.most.wrapping_sub(self.least) as u64;
        let least = self.least.saturating_sub_unsigned(spare / 4).min(i64::MAX - room);
        if self.least >= 0 { least.max(0) } else { least }
    }
}

impl Layout {
    /// In as few words as have room, with as much room to spare for each column as they have.
    fn of(columns: &[Seen]) -> Layout {
        let all: usize = columns.iter().map(|column| column.bits() as usize + usize::from(column.nulls)).sum();
        let mut width = all.div_ceil(u64::BITS as usize).max(1);
        let mut layout = loop {
            match Layout::in_words(columns, width, 0) {
                Some(layout) => break layout,
                // By ones, unless there are a great many.
                None => width += width.div_ceil(64),
            }
        };
        for spare in 1..=u64::BITS {
            match Layout::in_words(columns, width, spare) {
                Some(roomier) => layout = roomier,
                None => break,
            }
        }
        layout
    }

    /// None where there is no room.
    fn in_words(columns: &[Seen], width: usize, spare: u32) -> Option<Layout> {
        // Amounts are often a thousand times what most of them are, codes seldom are.
        let wished = |seen: &Seen| spare * if matches!(seen.floats, Floats::Decimals(_)) { 3 } else { 1 };
        let bits: Vec<u32> = columns.iter().map(|seen| (seen.bits() + wished(seen)).min(u64::BITS)).collect();
        // The widest first, each where the most is left; behind them the bits of nulls.
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|i| Reverse(bits[*i]));
        let nulls = order.iter().filter(|i| columns[**i].nulls).map(|i| (*i, true, 1));
        let mut words: Vec<Vec<(usize, bool)>> = vec![vec![]; width];
        let mut emptiest: BinaryHeap<Reverse<(u32, usize)>> = (0..width).map(|word| Reverse((0, word))).collect();
        for (column, is_null, bits) in order.iter().map(|i| (*i, false, bits[*i])).chain(nulls) {
            let Reverse((used, word)) = emptiest.pop()?;
            if used + bits > u64::BITS {
                return None;
            }
            words[word].push((column, is_null));
            emptiest.push(Reverse((used + bits, word)));
        }
        let nowhere = Bits { word: 0, shift: 0, mask: 0 };
        let field = |seen: &Seen| Field { kind: seen.kind, floats: seen.floats, least: 0, bits: nowhere, valid: None };
        let mut fields: Vec<Field> = columns.iter().map(field).collect();
        for (word, there) in words.into_iter().enumerate() {
            let mut shift = 0;
            for (column, is_null) in there {
                let (seen, field) = (&columns[column], &mut fields[column]);
                if is_null {
                    field.valid = Some(Bits { word, shift, mask: 1 });
                    shift += 1;
                    continue;
                }
                field.least = seen.least_of(bits[column]);
                field.bits = Bits { word, shift: shift.min(u64::BITS - 1), mask: mask_of(bits[column]) };
                shift += bits[column];
            }
        }
        Some(Layout { fields, width })
    }

    /// How many words a row has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether all that was seen has a place.
    fn fits(&self, columns: &[Seen]) -> bool {
        let fits = |(field, seen): (&Field, &Seen)| {
            let distance = |value: i64| value.wrapping_sub(field.least) as u64;
            let has_room = seen.least > seen.most
                || distance(seen.least) <= distance(seen.most) && distance(seen.most) <= field.bits.mask;
            field.floats == seen.floats && has_room && (field.valid.is_some() || !seen.nulls)
        };
        self.fields.iter().zip(columns).all(fits)
    }

    /// Adds the words of rows, and gives the ends of each column; none, and nothing is added, where a value does not fit.
    fn append(&self, columns: &[ArrayRef], scratch: &mut Vec<i64>, words: &mut Vec<u64>) -> Result<Option<Vec<Ends>>> {
        let (before, rows) = (words.len(), columns.first().map_or(0, |column| column.len()));
        let mut ends = vec![(u64::MAX, 0); columns.len()];
        words.reserve(rows * self.width);
        for start in (0..rows).step_by(LAID_OUT) {
            let (count, first) = (LAID_OUT.min(rows - start), words.len());
            words.resize(first + count * self.width, 0);
            for ((field, column), ends) in self.fields.iter().zip(columns).zip(&mut ends) {
                let column = column.slice(start, count);
                let Some((least, most)) = self.write_field(field, &column, scratch, &mut words[first..])? else {
                    words.truncate(before);
                    return Ok(None);
                };
                *ends = (ends.0.min(least), ends.1.max(most));
            }
        }
        let value = |field: &Field, distance: u64| field.least.wrapping_add(distance as i64);
        let ends = self.fields.iter().zip(ends);
        Ok(Some(ends.map(|(field, (a, b))| Ends { least: value(field, a.min(b)), most: value(field, b) }).collect()))
    }

    /// Gives the least and the greatest distance; none where a value does not fit.
    fn write_field(
        &self,
        field: &Field,
        column: &ArrayRef,
        scratch: &mut Vec<i64>,
        words: &mut [u64],
    ) -> Result<Option<(u64, u64)>> {
        let values = match field.floats {
            Floats::None => as_ints(column, scratch)?,
            Floats::Decimals(places) => {
                if !places.integers(column.as_primitive::<Float64Type>().values(), scratch) {
                    return Ok(None);
                }
                scratch
            }
            Floats::Bits => {
                scratch.clear();
                scratch.extend(column.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits() as i64));
                scratch
            }
        };
        let (least, most) = of_width!(self.width, put(self.width, field.bits, field.least, values, words));
        match (column.nulls().filter(|nulls| nulls.null_count() > 0), field.valid) {
            (Some(_), None) => return Ok(None),
            (nulls, Some(valid)) => {
                let rows = words.chunks_exact_mut(self.width).enumerate();
                let is_valid = |row| nulls.is_none_or(|nulls| nulls.is_valid(row));
                rows.for_each(|(row, words)| words[valid.word] |= u64::from(is_valid(row)) << valid.shift);
            }
            (None, None) => {}
        }
        Ok((most <= field.bits.mask).then_some((least, most)))
    }

    /// The integer that orders as the value of a column does, in a row; none for a null.
    #[inline]
    pub(super) fn int(&self, column: usize, row: &[u64]) -> Option<i64> {
        let Field { floats, least, bits, valid, .. } = &self.fields[column];
        let is_valid = valid.is_none_or(|valid| valid.of(row) == 1);
        is_valid.then(|| {
            let integer = least.wrapping_add(bits.of(row) as i64);
            if *floats == Floats::None { integer } else { float_to_int(floats.float(integer)) }
        })
    }

    /// Integers that order as the values of a column do in these rows, comparable with each other only.
    pub(super) fn key(&self, column: usize, rows: &[u64]) -> ArrayRef {
        let ints = match self.fields[column].floats {
            Floats::None => self.values(column, rows, |integer| integer),
            Floats::Bits => self.values(column, rows, |integer| float_to_int(Floats::Bits.float(integer))),
            // As floats that need no division. Of amounts most are small: the high bits of floats tell them apart, those of integers do not.
            Floats::Decimals(_) => self.values(column, rows, |integer| float_to_int(Places::NONE.float(integer))),
        };
        Arc::new(Int64Array::new(ints.into(), self.nulls(column, rows)))
    }

    /// What becomes of the integers of a column.
    fn values<T>(&self, column: usize, rows: &[u64], value: impl Fn(i64) -> T) -> Vec<T> {
        let Field { least, bits, .. } = self.fields[column];
        of_width!(self.width, get::<_, _>(self.width, bits, least, rows, value))
    }

    fn nulls(&self, column: usize, rows: &[u64]) -> Option<NullBuffer> {
        let valid = self.fields[column].valid?;
        let is_valid = |row: usize| valid.of(&rows[row * self.width..]) == 1;
        let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows.len() / self.width, is_valid));
        (nulls.null_count() > 0).then_some(nulls)
    }

    /// The values of a column in these rows.
    pub(super) fn column(&self, column: usize, rows: &[u64]) -> Result<ArrayRef> {
        let (Field { kind, floats, .. }, nulls) = (self.fields[column], self.nulls(column, rows));
        Ok(match kind {
            Type::Int64 => Arc::new(Int64Array::new(self.values(column, rows, |value| value).into(), nulls)),
            Type::Timestamp => {
                let times = self.values(column, rows, |value| value);
                Arc::new(TimestampMicrosecondArray::new(times.into(), nulls))
            }
            Type::Float64 => {
                let values = match floats {
                    Floats::Decimals(places) => self.values(column, rows, |integer| places.float(integer)),
                    _ => self.values(column, rows, |bits| floats.float(bits)),
                };
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            Type::Date => Arc::new(Date32Array::new(self.values(column, rows, |day| day as i32).into(), nulls)),
            Type::Bool => {
                let values = self.values(column, rows, |value| value != 0);
                Arc::new(BooleanArray::new(values.into(), nulls))
            }
            Type::Text => return Err(Error::internal("text is not laid out by rows")),
        })
    }

    /// Adds rows that are laid out otherwise, all of whose values fit.
    pub(super) fn take_over(&self, other: &Layout, rows: &[u64], out: &mut Vec<u64>) -> Result<()> {
        let start = out.len();
        out.resize(start + rows.len() / other.width * self.width, 0);
        let (mut moves, mut over) = (vec![], 0);
        for (to, from) in self.fields.iter().zip(&other.fields) {
            if to.floats == from.floats {
                moves.push(Move { from: from.bits, to: to.bits, more: from.least.wrapping_sub(to.least) as u64 });
            } else {
                let pairs = out[start..].chunks_exact_mut(self.width).zip(rows.chunks_exact(other.width));
                for (new, old) in pairs {
                    let integer = to.floats.of_other(from.floats, from.least.wrapping_add(from.bits.of(old) as i64));
                    over |= to.bits.set(new, integer.wrapping_sub(to.least) as u64);
                }
            }
            moves.extend(to.valid.map(|to| match from.valid {
                Some(from) => Move { from, to, more: 0 },
                None => Move { from: Bits { word: 0, shift: 0, mask: 0 }, to, more: 1 },
            }));
        }
        over |= of_width!(self.width, make_moves(self.width, &moves, (rows, other.width), &mut out[start..]));
        if over == 0 { Ok(()) } else { Err(Error::internal("rows do not fit where all are to be")) }
    }

    /// These of the rows, in this order.
    pub(super) fn pick(&self, rows: &[u64], wanted: impl Iterator<Item = usize>) -> Vec<u64> {
        of_width!(self.width, pick(self.width, rows, wanted))
    }
}

/// So many low bits.
fn mask_of(bits: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0)
}

impl Bits {
    #[inline]
    fn of(self, row: &[u64]) -> u64 {
        row[self.word] >> self.shift & self.mask
    }

    /// Sets them, which are zeros, and gives what of the value does not fit.
    #[inline]
    fn set(self, row: &mut [u64], value: u64) -> u64 {
        row[self.word] |= value << self.shift;
        value & !self.mask
    }
}

impl Floats {
    #[inline]
    fn float(self, integer: i64) -> f64 {
        match self {
            Floats::None | Floats::Bits => f64::from_bits(integer as u64),
            Floats::Decimals(places) => places.float(integer),
        }
    }

    /// The integer of a value whose integer it was when its column's values took fewer places, or were no floats at large.
    #[inline]
    fn of_other(self, other: Floats, integer: i64) -> i64 {
        match (other, self) {
            (Floats::Decimals(_), Floats::Bits) => other.float(integer).to_bits() as i64,
            (Floats::Decimals(fewer), Floats::Decimals(places)) if fewer != places => {
                places.of_fewer(fewer, integer).unwrap_or(integer)
            }
            _ => integer,
        }
    }
}

/// Writes a field of rows, and gives the least and the greatest distance. Of rows of `WIDTH` words, or if that is zero, of `width`.
fn put<const WIDTH: usize>(width: usize, bits: Bits, least: i64, values: &[i64], words: &mut [u64]) -> (u64, u64) {
    let width = if WIDTH == 0 { width } else { WIDTH };
    let mut ends = (u64::MAX, 0);
    for (row, value) in words.chunks_exact_mut(width).zip(values) {
        let distance = value.wrapping_sub(least) as u64;
        ends = (distance.min(ends.0), distance.max(ends.1));
        bits.set(row, distance);
    }
    ends
}

/// Writes what rows have elsewhere, and gives what does not fit.
fn make_moves<const WIDTH: usize>(width: usize, moves: &[Move], from: (&[u64], usize), to: &mut [u64]) -> u64 {
    let width = if WIDTH == 0 { width } else { WIDTH };
    let mut over = 0;
    for (new, old) in to.chunks_exact_mut(width).zip(from.0.chunks_exact(from.1)) {
        for Move { from, to, more } in moves {
            over |= to.set(new, from.of(old).wrapping_add(*more));
        }
    }
    over
}

/// What becomes of a field of rows.
fn get<const WIDTH: usize, T, F: Fn(i64) -> T>(width: usize, bits: Bits, least: i64, rows: &[u64], value: F) -> Vec<T> {
    let width = if WIDTH == 0 { width } else { WIDTH };
    rows.chunks_exact(width).map(|row| value(least.wrapping_add(bits.of(row) as i64))).collect()
}

/// These of the rows.
fn pick<const WIDTH: usize>(width: usize, rows: &[u64], wanted: impl Iterator<Item = usize>) -> Vec<u64> {
    if WIDTH == 0 {
        return wanted.flat_map(|row| &rows[row * width..][..width]).copied().collect();
    }
    let rows = rows.as_chunks::<WIDTH>().0;
    wanted.map(|row| rows[row]).collect::<Vec<_>>().into_flattened()
}
