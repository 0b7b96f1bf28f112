//! Columns laid out row after row, so that a row that is looked up comes from memory as one.
//!
//! The right rows that left rows find stand anywhere. Of columns that each lie by themselves, every column of a row costs a line of
//! the cache; here the row's values stand side by side, in a line or two. The lines of some rows are asked for together, then read
//! column by column while they are at hand: see *DSM vs. NSM: CPU Performance Tradeoffs in Block-Oriented Query Processing* (Zukowski,
//! Nes and Boncz, 2008). Texts have to be whole in their views.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Date32Array, Float64Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType};

use crate::batch::short_texts;
use crate::error::Result;
use crate::expr::Type;

/// Where the values of a row stand, in words of 32 bits: first bits of those that are not null, where there are nulls.
#[derive(Clone, Default)]
pub(super) struct RowLayout {
    fields: Vec<Field>,
    words: usize,
}

/// A column that is laid out by rows.
#[derive(Clone, Copy)]
struct Field {
    column: usize,
    kind: Type,
    /// The first of its words.
    at: usize,
    /// The word and the bit that tells a value from a null, if there are any nulls.
    valid: Option<(usize, u32)>,
}

/// Rows, in blocks of a power of two of them.
pub(super) struct RowStore {
    layout: RowLayout,
    blocks: Vec<Vec<u32>>,
    /// The bits of a row's number within its block.
    bits: u32,
    rows: usize,
}

/// The values of a field of the rows that are taken.
enum Values {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Days(Vec<i32>),
    Bools(BooleanBufferBuilder),
    Texts(Vec<u128>),
}

/// So many rows are laid out together: as many as are in the cache from the first column to the last.
const LAID_OUT: usize = 1 << 10;

/// So many rows are taken together.
const TAKEN: usize = 1 << 7;

/// The words of a value.
fn words_of(kind: Type) -> usize {
    match kind {
        Type::Bool | Type::Date => 1,
        Type::Int64 | Type::Timestamp | Type::Float64 => 2,
        Type::Text => 4,
    }
}

impl RowLayout {
    /// Of those of these columns that can be laid out by rows.
    pub(super) fn of(schema: &SchemaRef, columns: &[usize], batches: &[&RecordBatch]) -> RowLayout {
        let is_short =
            |column: &ArrayRef| column.as_string_view_opt().is_none_or(|text| text.data_buffers().is_empty());
        let all = |column: usize| batches.iter().map(move |batch| batch.column(column));
        let kinds = columns.iter().filter_map(|at| Some((*at, Type::of(schema.field(*at).data_type())?)));
        let kept: Vec<_> = kinds.filter(|(at, _)| all(*at).all(is_short)).collect();
        let have_nulls = kept.iter().filter(|(at, _)| all(*at).any(|column| column.null_count() > 0));
        let nulls: Vec<usize> = have_nulls.map(|(at, _)| *at).collect();
        let mut words = nulls.len().div_ceil(u32::BITS as usize);
        let mut fields = Vec::with_capacity(kept.len());
        for (column, kind) in kept {
            let nth = nulls.iter().position(|at| *at == column);
            let valid = nth.map(|nth| (nth / u32::BITS as usize, nth as u32 % u32::BITS));
            fields.push(Field { column, kind, at: words, valid });
            words += words_of(kind);
        }
        RowLayout { fields, words }
    }

    /// Whether a column is laid out by rows.
    pub(super) fn has(&self, column: usize) -> bool {
        self.fields.iter().any(|field| field.column == column)
    }

    /// The words of so many rows.
    pub(super) fn words_for(&self, rows: usize) -> usize {
        self.words * rows
    }

    /// Writes the rows of a batch to as many words as they take, which are zeros.
    pub(super) fn write(&self, batch: &RecordBatch, out: &mut [u32]) {
        if self.words == 0 {
            return;
        }
        for (nth, out) in out.chunks_mut(LAID_OUT * self.words).enumerate() {
            let (start, count) = (nth * LAID_OUT, out.len() / self.words);
            for field in &self.fields {
                self.write_field(field, &batch.column(field.column).slice(start, count), out);
            }
        }
    }

    fn write_field(&self, field: &Field, column: &ArrayRef, out: &mut [u32]) {
        let Field { kind, at, .. } = *field;
        match kind {
            Type::Int64 => {
                self.put(at, column.as_primitive::<Int64Type>().values().iter().map(|v| halves(*v as u64)), out)
            }
            Type::Timestamp => {
                let values = column.as_primitive::<TimestampMicrosecondType>().values();
                self.put(at, values.iter().map(|v| halves(*v as u64)), out);
            }
            Type::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                self.put(at, values.iter().map(|v| halves(v.to_bits())), out);
            }
            Type::Date => self.put(at, column.as_primitive::<Date32Type>().values().iter().map(|v| [*v as u32]), out),
            Type::Bool => self.put(at, column.as_boolean().values().iter().map(|v| [u32::from(v)]), out),
            Type::Text => {
                let quarters = |view: &u128| {
                    let ([a, b], [c, d]) = (halves(*view as u64), halves((*view >> 64) as u64));
                    [a, b, c, d]
                };
                self.put(at, column.as_string_view().views().iter().map(quarters), out);
            }
        }
        if let Some((word, bit)) = field.valid {
            let rows = out.chunks_exact_mut(self.words).enumerate();
            rows.for_each(|(row, words)| words[word] |= u32::from(column.is_valid(row)) << bit);
        }
    }

    #[inline]
    fn put<const N: usize>(&self, at: usize, values: impl Iterator<Item = [u32; N]>, out: &mut [u32]) {
        let rows = out.chunks_exact_mut(self.words);
        rows.zip(values).for_each(|(row, value)| row[at..at + N].copy_from_slice(&value));
    }
}

#[inline]
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// What [`halves`] cut, from a row.
#[inline]
fn whole(row: &[u32], at: usize) -> u64 {
    let halves = &row[at..at + 2];
    u64::from(halves[1]) << 32 | u64::from(halves[0])
}

impl RowStore {
    /// Of rows that were laid out, in blocks of `1 << bits`; the last may have fewer.
    pub(super) fn new(layout: RowLayout, blocks: Vec<Vec<u32>>, bits: u32, rows: usize) -> RowStore {
        RowStore { layout, blocks, bits, rows }
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.capacity() * size_of::<u32>()).sum()
    }

    #[inline]
    fn row(&self, row: u32) -> &[u32] {
        // What is null may have any number.
        let row = if (row as usize) < self.rows { row as usize } else { 0 };
        let at = (row & ((1 << self.bits) - 1)) * self.layout.words;
        &self.blocks[row >> self.bits][at..at + self.layout.words]
    }

    /// The columns of these rows, each with its place among the columns of the right side; of a row that is null, nulls.
    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Vec<(usize, ArrayRef)>> {
        let fields = &self.layout.fields;
        if fields.is_empty() || self.rows == 0 {
            return Ok(vec![]);
        }
        let mut columns: Vec<_> =
            fields.iter().map(|field| (Values::new(field.kind, rows.len()), valid(field, rows))).collect();
        let mut found = [&[][..]; TAKEN];
        for rows in rows.values().chunks(TAKEN) {
            let found = &mut found[..rows.len()];
            found.iter_mut().zip(rows).for_each(|(found, row)| *found = self.row(*row));
            // Both ends of all rows at once: one after the other, each would be waited for.
            let ends = found.iter().fold(0, |all, row| all ^ row[0] ^ row[row.len() - 1]);
            std::hint::black_box(ends);
            for (field, (values, valid)) in fields.iter().zip(&mut columns) {
                values.append(found, field.at);
                if let (Some(valid), Some((word, bit))) = (valid, field.valid) {
                    found.iter().for_each(|row| valid.append(row[word] >> bit & 1 == 1));
                }
            }
        }
        let column = |(field, (values, valid)): (&Field, (Values, Option<BooleanBufferBuilder>))| {
            let valid = valid.map(|mut valid| NullBuffer::new(valid.finish()));
            let nulls = NullBuffer::union(rows.nulls(), valid.as_ref());
            Ok((field.column, values.column(field.kind, nulls)?))
        };
        fields.iter().zip(columns).map(column).collect()
    }
}

/// To be filled with whether the values of these rows are there, where some are not.
fn valid(field: &Field, rows: &UInt32Array) -> Option<BooleanBufferBuilder> {
    field.valid.map(|_| BooleanBufferBuilder::new(rows.len()))
}

impl Values {
    fn new(kind: Type, rows: usize) -> Values {
        match kind {
            Type::Int64 | Type::Timestamp => Values::Ints(Vec::with_capacity(rows)),
            Type::Float64 => Values::Floats(Vec::with_capacity(rows)),
            Type::Date => Values::Days(Vec::with_capacity(rows)),
            Type::Bool => Values::Bools(BooleanBufferBuilder::new(rows)),
            Type::Text => Values::Texts(Vec::with_capacity(rows)),
        }
    }

    /// Adds what stands at this word of each row.
    #[inline]
    fn append(&mut self, rows: &[&[u32]], at: usize) {
        match self {
            Values::Ints(values) => values.extend(rows.iter().map(|row| whole(row, at) as i64)),
            Values::Floats(values) => values.extend(rows.iter().map(|row| f64::from_bits(whole(row, at)))),
            Values::Days(values) => values.extend(rows.iter().map(|row| row[at] as i32)),
            Values::Bools(values) => rows.iter().for_each(|row| values.append(row[at] != 0)),
            Values::Texts(values) => {
                let view = |row: &&[u32]| u128::from(whole(row, at + 2)) << 64 | u128::from(whole(row, at));
                values.extend(rows.iter().map(view));
            }
        }
    }

    fn column(self, kind: Type, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(match (self, kind) {
            (Values::Ints(values), Type::Timestamp) => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls)),
            (Values::Ints(values), _) => Arc::new(Int64Array::new(values.into(), nulls)),
            (Values::Floats(values), _) => Arc::new(Float64Array::new(values.into(), nulls)),
            (Values::Days(values), _) => Arc::new(Date32Array::new(values.into(), nulls)),
            (Values::Bools(mut values), _) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            (Values::Texts(views), _) => Arc::new(short_texts(views, nulls)?),
        })
    }
}
