//! Columns laid out row after row, so that a row that is looked up comes from memory as one.
//!
//! The right rows that left rows find stand anywhere. Of columns that each lie by themselves, every column of a row costs a line of
//! the cache; here the row's values stand side by side, in a line or two. The lines of some rows are asked for together, then read
//! column by column while they are at hand: see *DSM vs. NSM: CPU Performance Tradeoffs in Block-Oriented Query Processing* (Zukowski,
//! Nes and Boncz, 2008). Texts have to be whole in their views. Integers that all fit into 32 bits take a word, texts as many as the
//! longest needs.
//!
//! Ten million rows merged with ten million took a tenth less time so, and a fifth less user time; what is left of it is fresh pages
//! (half), and the waits for the hash table's and these rows' lines.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, Date32Array, Float64Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
    SchemaRef, TimestampMicrosecondType,
};

use crate::batch::{packed_text, packed_texts_of, short_texts, shown_column, view_of};
use crate::error::Result;
use crate::expr::Type;
use crate::ops::prefetch::prefetch;

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
    kind: Kind,
    /// The first of its words.
    at: usize,
    /// The word and the bit that tells a value from a null, if there are any nulls.
    valid: Option<(usize, u32)>,
}

/// How a value is laid out.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    /// An integer of 32 bits.
    ShortInt,
    Time,
    Float,
    Day,
    ShortText,
    /// A text as it is [`packed_text`], in so many words.
    PackedText(usize),
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
    Texts(Vec<u128>),
}

/// So many rows are laid out together: as many as are in the cache from the first column to the last.
const LAID_OUT: usize = 1 << 10;

/// So many rows are taken together.
const TAKEN: usize = 1 << 7;

/// The words of so many bits.
fn null_words(columns: usize) -> usize {
    columns.div_ceil(u32::BITS as usize)
}

impl Kind {
    /// None of truth values, 32 of which are a word in a column, and of texts that are not whole in their views.
    fn of(dtype: &DataType, mut columns: impl Iterator<Item = impl AsRef<dyn Array>>) -> Option<Kind> {
        match Type::of(dtype)? {
            Type::Int64 if columns.all(|column| *column.as_ref().data_type() != DataType::Int64) => {
                Some(Kind::ShortInt)
            }
            Type::Int64 => Some(Kind::Int),
            Type::Timestamp => Some(Kind::Time),
            Type::Float64 => Some(Kind::Float),
            Type::Date => Some(Kind::Day),
            Type::Text => match columns
                .map(|column| text_words(column.as_ref()))
                .try_fold(1, |most, words| Some(most.max(words?)))?
            {
                Kind::SHORT_TEXT.. => Some(Kind::ShortText),
                words => Some(Kind::PackedText(words)),
            },
            Type::Bool => None,
        }
    }

    const SHORT_TEXT: usize = size_of::<u128>() / size_of::<u32>();

    /// The words of a value.
    fn words(self) -> usize {
        match self {
            Kind::Day | Kind::ShortInt => 1,
            Kind::Int | Kind::Time | Kind::Float => 2,
            Kind::ShortText => Kind::SHORT_TEXT,
            Kind::PackedText(words) => words,
        }
    }
}

/// The words that the texts of a column need, if all are short.
fn text_words(column: &dyn Array) -> Option<usize> {
    match column.data_type() {
        DataType::FixedSizeBinary(bytes) => Some((*bytes as usize).div_ceil(size_of::<u32>())),
        _ => column.as_string_view().data_buffers().is_empty().then_some(Kind::SHORT_TEXT),
    }
}

impl RowLayout {
    /// Of those of these columns that can be laid out by rows; `batches` are all that there are, as they are held.
    pub(super) fn of(schema: &SchemaRef, columns: &[usize], batches: &[&RecordBatch]) -> RowLayout {
        let all = |column: usize| batches.iter().map(move |batch| batch.column(column));
        let kinds = columns.iter().filter_map(|at| Some((*at, Kind::of(schema.field(*at).data_type(), all(*at))?)));
        let kinds: Vec<_> = kinds.collect();
        let have_nulls = kinds.iter().filter(|(at, _)| all(*at).any(|column| column.null_count() > 0));
        let nulls: Vec<usize> = have_nulls.map(|(at, _)| *at).collect();
        let mut words = null_words(nulls.len());
        let mut fields = Vec::with_capacity(kinds.len());
        for (column, kind) in kinds {
            let nth = nulls.iter().position(|at| *at == column);
            let valid = nth.map(|nth| (nth / u32::BITS as usize, nth as u32 % u32::BITS));
            fields.push(Field { column, kind, at: words, valid });
            words += kind.words();
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

    /// Writes the rows of a batch, as it is held, to as many words as they take, which are zeros.
    pub(super) fn write(&self, batch: &RecordBatch, schema: &Schema, out: &mut [u32]) -> Result<()> {
        if self.words == 0 {
            return Ok(());
        }
        for (nth, out) in out.chunks_mut(LAID_OUT * self.words).enumerate() {
            let (start, count) = (nth * LAID_OUT, out.len() / self.words);
            for field in &self.fields {
                let column = batch.column(field.column).slice(start, count);
                self.write_field(field, &column, schema.field(field.column), out)?;
            }
        }
        Ok(())
    }

    fn write_field(
        &self,
        field: &Field,
        column: &ArrayRef,
        shown: &arrow::datatypes::Field,
        out: &mut [u32],
    ) -> Result<()> {
        match (field.kind, column.data_type()) {
            (Kind::ShortInt, DataType::Int8) => self.put_ints::<Int8Type>(field.at, column, out),
            (Kind::ShortInt, DataType::Int16) => self.put_ints::<Int16Type>(field.at, column, out),
            (Kind::ShortInt, DataType::Int32) => self.put_ints::<Int32Type>(field.at, column, out),
            (Kind::PackedText(words), DataType::FixedSizeBinary(_)) => {
                self.put_packed(field.at, words, packed_texts_of(column.as_fixed_size_binary())?.into_iter(), out);
            }
            _ => self.put_shown(field, &shown_column(column, shown)?, out),
        }
        if let Some((word, bit)) = field.valid {
            let rows = out.chunks_exact_mut(self.words).enumerate();
            rows.for_each(|(row, words)| words[word] |= u32::from(column.is_valid(row)) << bit);
        }
        Ok(())
    }

    fn put_ints<T: ArrowPrimitiveType<Native: Into<i32>>>(&self, at: usize, column: &ArrayRef, out: &mut [u32]) {
        let value = |value: &T::Native| -> i32 { (*value).into() };
        self.put(at, column.as_primitive::<T>().values().iter().map(|v| [value(v) as u32]), out);
    }

    fn put_packed(&self, at: usize, words: usize, packed: impl Iterator<Item = u128>, out: &mut [u32]) {
        let packed = packed.map(quarters);
        match words {
            1 => self.put(at, packed.map(|[a, ..]| [a]), out),
            2 => self.put(at, packed.map(|[a, b, ..]| [a, b]), out),
            _ => self.put(at, packed.map(|[a, b, c, _]| [a, b, c]), out),
        }
    }

    /// Writes a column in its schema's own type.
    fn put_shown(&self, field: &Field, column: &ArrayRef, out: &mut [u32]) {
        let Field { kind, at, .. } = *field;
        match kind {
            Kind::Int => {
                self.put(at, column.as_primitive::<Int64Type>().values().iter().map(|v| halves(*v as u64)), out);
            }
            Kind::ShortInt => {
                self.put(at, column.as_primitive::<Int64Type>().values().iter().map(|v| [*v as u32]), out);
            }
            Kind::Time => {
                let values = column.as_primitive::<TimestampMicrosecondType>().values();
                self.put(at, values.iter().map(|v| halves(*v as u64)), out);
            }
            Kind::Float => {
                let values = column.as_primitive::<Float64Type>().values();
                self.put(at, values.iter().map(|v| halves(v.to_bits())), out);
            }
            Kind::Day => self.put(at, column.as_primitive::<Date32Type>().values().iter().map(|v| [*v as u32]), out),
            Kind::ShortText => self.put(at, column.as_string_view().views().iter().map(|view| quarters(*view)), out),
            Kind::PackedText(words) => {
                let packed = column.as_string_view().views().iter().map(|view| packed_text(*view));
                self.put_packed(at, words, packed, out);
            }
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

#[inline]
fn quarters(view: u128) -> [u32; 4] {
    let ([a, b], [c, d]) = (halves(view as u64), halves((view >> 64) as u64));
    [a, b, c, d]
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

    /// Finds rows, and has both ends of each on their way to the cache.
    #[inline]
    fn fetch<'a>(&'a self, numbers: &[u32], rows: &mut [&'a [u32]; TAKEN]) {
        for (number, row) in numbers.iter().zip(rows) {
            *row = self.row(*number);
            [row.first(), row.last()].into_iter().flatten().for_each(prefetch);
        }
    }

    /// The columns of these rows that are wanted, each with its place among the columns of the right side; of a row that is null,
    /// nulls.
    pub(super) fn take(&self, rows: &UInt32Array, wanted: impl Fn(usize) -> bool) -> Result<Vec<(usize, ArrayRef)>> {
        let fields: Vec<&Field> = self.layout.fields.iter().filter(|field| wanted(field.column)).collect();
        if fields.is_empty() || self.rows == 0 {
            return Ok(vec![]);
        }
        let valid = |field: &Field| field.valid.map(|_| BooleanBufferBuilder::new(rows.len()));
        let column = |field: &&Field| (Values::new(field.kind, rows.len()), valid(field));
        let mut columns: Vec<_> = fields.iter().map(column).collect();
        // The lines of the next rows are on their way meanwhile.
        let mut next = rows.values().chunks(TAKEN);
        let (mut now, mut later) = ([&[][..]; TAKEN], [&[][..]; TAKEN]);
        self.fetch(next.next().unwrap_or_default(), &mut now);
        for rows in rows.values().chunks(TAKEN) {
            self.fetch(next.next().unwrap_or_default(), &mut later);
            let found = &now[..rows.len()];
            for (field, (values, valid)) in fields.iter().zip(&mut columns) {
                values.append(found, field);
                if let (Some(valid), Some((word, bit))) = (valid, field.valid) {
                    found.iter().for_each(|row| valid.append(row[word] >> bit & 1 == 1));
                }
            }
            std::mem::swap(&mut now, &mut later);
        }
        let column = |(field, (values, valid)): (&Field, (Values, Option<BooleanBufferBuilder>))| {
            let valid = valid.map(|mut valid| NullBuffer::new(valid.finish()));
            let nulls = NullBuffer::union(rows.nulls(), valid.as_ref());
            Ok((field.column, values.column(field.kind, nulls)?))
        };
        fields.into_iter().zip(columns).map(column).collect()
    }
}

impl Values {
    fn new(kind: Kind, rows: usize) -> Values {
        match kind {
            Kind::Int | Kind::ShortInt | Kind::Time => Values::Ints(Vec::with_capacity(rows)),
            Kind::Float => Values::Floats(Vec::with_capacity(rows)),
            Kind::Day => Values::Days(Vec::with_capacity(rows)),
            Kind::ShortText | Kind::PackedText(_) => Values::Texts(Vec::with_capacity(rows)),
        }
    }

    /// Adds what stands in this field of each row.
    #[inline]
    fn append(&mut self, rows: &[&[u32]], field: &Field) {
        let at = field.at;
        match self {
            Values::Ints(values) if matches!(field.kind, Kind::ShortInt) => {
                values.extend(rows.iter().map(|row| i64::from(row[at] as i32)));
            }
            Values::Ints(values) => values.extend(rows.iter().map(|row| whole(row, at) as i64)),
            Values::Floats(values) => values.extend(rows.iter().map(|row| f64::from_bits(whole(row, at)))),
            Values::Days(values) => values.extend(rows.iter().map(|row| row[at] as i32)),
            Values::Texts(values) => {
                let words = |row: &&[u32], nth: usize| u128::from(row[at + nth]) << (nth as u32 * u32::BITS);
                match field.kind {
                    Kind::PackedText(1) => return values.extend(rows.iter().map(|row| view_of(words(row, 0)))),
                    Kind::PackedText(2) => {
                        return values.extend(rows.iter().map(|row| view_of(u128::from(whole(row, at)))));
                    }
                    Kind::PackedText(_) => {
                        let packed = |row| u128::from(whole(row, at)) | words(&row, 2);
                        return values.extend(rows.iter().map(|row| view_of(packed(*row))));
                    }
                    _ => {}
                }
                let view = |row: &&[u32]| u128::from(whole(row, at + 2)) << 64 | u128::from(whole(row, at));
                values.extend(rows.iter().map(view));
            }
        }
    }

    fn column(self, kind: Kind, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(match (self, kind) {
            (Values::Ints(values), Kind::Time) => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls)),
            (Values::Ints(values), _) => Arc::new(Int64Array::new(values.into(), nulls)),
            (Values::Floats(values), _) => Arc::new(Float64Array::new(values.into(), nulls)),
            (Values::Days(values), _) => Arc::new(Date32Array::new(values.into(), nulls)),
            (Values::Texts(views), _) => Arc::new(short_texts(views, nulls)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use arrow::compute::take;
    use proptest::prelude::*;

    use super::*;
    use crate::batch::{held, held_batch};

    /// Columns of all types, over and over; most values are there.
    fn batch(columns: usize, rows: std::ops::Range<i64>) -> RecordBatch {
        let column = |nth: usize| -> ArrayRef {
            let value =
                |row: i64| ((row * 7 + nth as i64) % 9 != 0 || nth % 7 == 6).then_some(row << (nth as i64 * 7 % 50));
            let ints = rows.clone().map(value);
            match nth % 5 {
                0 => Arc::new(ints.collect::<Int64Array>()),
                1 => Arc::new(ints.map(|v| v.map(|v| v as f64 / 3.0)).collect::<Float64Array>()),
                2 => Arc::new(ints.map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
                3 => Arc::new(ints.collect::<TimestampMicrosecondArray>()),
                _ => Arc::new(
                    ints.map(|v| v.map(|v| (v % 10i64.pow(nth as u32 % 11)).to_string())).collect::<StringViewArray>(),
                ),
            }
        };
        RecordBatch::try_from_iter_with_nullable((0..columns).map(|nth| (format!("c{nth}"), column(nth), true)))
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The twin: rows taken from each column.
        #[test]
        fn rows_are_those_of_the_columns(
            columns in prop::sample::select(vec![1usize, 2, 6, 70]),
            count in 1i64..5000,
            bits in 3u32..14,
            rows in prop::collection::vec(prop::option::weighted(0.9, any::<prop::sample::Index>()), 0..400),
            every in 1usize..4,
            narrow in any::<bool>(),
        ) {
            // One more row before and behind: what is laid out is a slice.
            let whole = batch(columns, -1..count + 1).slice(1, count as usize);
            let all: Vec<usize> = (0..columns).collect();
            let held: Vec<ArrayRef> =
                whole.columns().iter().map(|column| held(column).unwrap_or_else(|| column.clone())).collect();
            let held = held_batch(whole.schema_ref(), held, whole.num_rows()).unwrap();
            let layout = RowLayout::of(whole.schema_ref(), &all, &[if narrow { &held } else { &whole }]);
            let blocks = (0..count as usize).step_by(1 << bits).map(|start| {
                let part = if narrow { &held } else { &whole };
                let part = part.slice(start, (count as usize - start).min(1 << bits));
                let mut block = vec![0; layout.words_for(part.num_rows())];
                layout.write(&part, &whole.schema(), &mut block).unwrap();
                block
            });
            let blocks: Vec<_> = blocks.collect();
            let store = RowStore::new(layout, blocks, bits, count as usize);
            let rows: UInt32Array = rows.iter().map(|row| row.map(|row| row.index(count as usize) as u32)).collect();
            let taken = store.take(&rows, |column| column % every == 0).unwrap();
            prop_assert_eq!(taken.len(), columns.div_ceil(every));
            for (column, found) in taken {
                prop_assert_eq!(&found, &take(whole.column(column), &rows, None).unwrap());
            }
        }
    }

    #[test]
    fn long_texts_and_truth_values_stay_in_columns() {
        let long: ArrayRef = Arc::new(StringViewArray::from_iter_values(["more than twelve bytes"]));
        let truth: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true]));
        let batch =
            RecordBatch::try_from_iter([("long", long), ("truth", truth), ("n", batch(1, 0..1).column(0).clone())]);
        let batch = batch.unwrap();
        let layout = RowLayout::of(batch.schema_ref(), &[0, 1, 2], &[&batch]);
        assert_eq!([0, 1, 2].map(|column| layout.has(column)), [false, false, true]);
    }
}
