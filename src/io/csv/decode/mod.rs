//! From indexed fields to typed columns: only the columns asked for, only the rows that are left.
//!
//! Each type has a fast path for the spelling that nearly every field has, tried first; whatever it declines goes
//! through [`clean`] (padding, quotes, null spellings) and the type's complete parser. Values go into buffers that are
//! taken back from the batch before: fresh ones cost more than the parsing.

pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod text;
mod wide;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::util::bit_util;

use encoding_rs::Encoding;

use self::wide::Wide;
use super::options::{CsvOptions, Dialect, NULL_SPELLINGS};
use crate::expr::{Type, temporal};

/// So many bytes stand before the first record of a block: parsers load whole words that end at a field's end.
pub(crate) const PADDING: usize = 64;

/// The indexed records of one block.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    /// The block: [`PADDING`] bytes, then the records. Offsets below count from the first record.
    pub block: &'a Buffer,
    pub separators: &'a [u32],
    pub row_starts: &'a [u32],
    /// Fields a row.
    pub width: usize,
    /// Whether there may be quotes.
    pub has_quotes: bool,
    /// Whether every byte is ASCII.
    pub is_ascii: bool,
}

/// The fields of one column.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    data: &'a [u8],
    records: Records<'a>,
    column: usize,
}

impl<'a> Records<'a> {
    pub(crate) fn column(self, column: usize) -> Column<'a> {
        Column { data: self.block.as_slice(), records: self, column }
    }
}

impl Column<'_> {
    /// Where in the block the field of a row begins and ends, without its separator.
    #[inline(always)]
    pub(crate) fn field(&self, row: usize) -> (usize, usize) {
        let Records { separators, row_starts, width, .. } = self.records;
        let last = row * width + self.column;
        let end = separators[last] as usize + PADDING;
        let start =
            if self.column == 0 { row_starts[row] as usize } else { separators[last - 1] as usize + 1 } + PADDING;
        if self.column + 1 == width && end > start && self.data[end - 1] == b'\r' {
            return (start, end - 1);
        }
        (start, end)
    }
}

/// Which rows of a block to decode.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    All(usize),
    These(&'a [u32]),
}

impl Rows<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::These(rows) => rows.len(),
        }
    }

    pub(crate) fn row(&self, at: usize) -> usize {
        match self {
            Rows::All(_) => at,
            Rows::These(rows) => rows[at] as usize,
        }
    }
}

/// Which spellings are missing values.
#[derive(Debug, Clone)]
pub(crate) struct Nulls {
    /// In UTF-8.
    spellings: Vec<Vec<u8>>,
    /// What fields are decoded from; `None` for UTF-8.
    encoding: Option<&'static Encoding>,
    /// Whether they count in text columns too.
    in_text: bool,
    /// Whether one of them begins with a digit, as 9999 does: then no number is told from them at a glance.
    like_numbers: bool,
}

impl Nulls {
    pub(crate) fn new(options: &CsvOptions, encoding: Option<&'static Encoding>) -> Nulls {
        let spellings: Vec<Vec<u8>> = match &options.nulls {
            Some(given) => given.iter().map(|s| s.trim().as_bytes().to_vec()).collect(),
            None => NULL_SPELLINGS.iter().map(|s| s.as_bytes().to_vec()).collect(),
        };
        let like_numbers = spellings.iter().any(|s| s.first().is_some_and(u8::is_ascii_digit));
        Nulls { spellings, encoding, in_text: options.nulls.is_some(), like_numbers }
    }

    pub(crate) fn contain(&self, text: &[u8]) -> bool {
        self.spellings.iter().any(|s| s == text) || self.encoding.is_some_and(|e| self.contain_decoded(text, e))
    }

    #[cold]
    fn contain_decoded(&self, text: &[u8], encoding: &'static Encoding) -> bool {
        !text.is_ascii()
            && super::encoding::decode(Some(encoding), text)
                .is_ok_and(|text| self.spellings.iter().any(|s| s == text.as_bytes()))
    }
}

/// A field that does not fit its column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadField {
    pub row: usize,
    pub reason: BadReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadReason {
    /// No value of the type.
    NotOfType,
    /// Text that its encoding cannot mean.
    NotText,
}

/// The buffers of a column, taken back from the batch before when nobody kept it.
#[derive(Default)]
pub(crate) struct ColumnBuffer {
    values: Option<Buffer>,
}

impl ColumnBuffer {
    /// An empty vector, with the capacity of the last one if that is free again.
    fn take<T: arrow::datatypes::ArrowNativeType>(&mut self, capacity: usize) -> Vec<T> {
        let mut values = self.values.take().and_then(|b| b.into_vec().ok()).unwrap_or_default();
        values.clear();
        values.reserve(capacity);
        values
    }

    /// Remembers a buffer that goes out with a batch.
    fn keep(&mut self, buffer: &Buffer) {
        self.values = Some(buffer.clone());
    }

    /// The bytes that it holds on to.
    pub(crate) fn bytes(&self) -> usize {
        self.values.as_ref().map_or(0, Buffer::capacity)
    }
}

/// What decoding depends on beside the records.
#[derive(Clone, Copy)]
pub(crate) struct Decoder<'a> {
    pub dialect: Dialect,
    pub nulls: &'a Nulls,
}

impl Decoder<'_> {
    /// Decodes one column of these rows.
    pub(crate) fn decode(
        self,
        column: Column<'_>,
        rows: Rows<'_>,
        dtype: Type,
        buffer: &mut ColumnBuffer,
    ) -> Result<ArrayRef, BadField> {
        let data = column.data;
        match dtype {
            Type::Int64 => {
                let fast = |s, e| int::parse_digits(data, s, e);
                self.primitive::<Int64Type>(column, rows, buffer, wide::ints, fast, int::parse)
            }
            Type::Float64 => self.primitive::<Float64Type>(
                column,
                rows,
                buffer,
                wide::floats,
                |s, e| float::parse_digits(data, s, e),
                float::parse,
            ),
            Type::Date => self.primitive::<Date32Type>(
                column,
                rows,
                buffer,
                |_, _, _, _| false,
                |_, _| None,
                temporal::parse_date,
            ),
            Type::Timestamp => self.primitive::<TimestampMicrosecondType>(
                column,
                rows,
                buffer,
                |_, _, _, _| false,
                |_, _| None,
                temporal::parse_timestamp,
            ),
            Type::Bool => self.boolean(column, rows),
            Type::Text => text::decode(self, column, rows, buffer),
        }
    }

    /// A column of numbers: `wide` takes many fields at a time, `fast` the bounds of a field that begins with a digit, `complete` a
    /// cleaned field.
    fn primitive<P: ArrowPrimitiveType>(
        self,
        column: Column<'_>,
        rows: Rows<'_>,
        buffer: &mut ColumnBuffer,
        wide: Wide<P::Native>,
        fast: impl Fn(usize, usize) -> Option<P::Native> + Copy,
        complete: impl Fn(&[u8]) -> Option<P::Native> + Copy,
    ) -> Result<ArrayRef, BadField> {
        let n = rows.len();
        let mut values: Vec<P::Native> = buffer.take(n);
        values.resize(n, P::Native::default());
        let mut nulls = NullBits::default();
        let mut left = vec![];
        if !self.nulls.like_numbers && wide(column, rows, &mut values, &mut left) {
            let left = left.into_iter().map(|at| (at as usize, rows.row(at as usize)));
            self.fields::<P>(column, left, &mut values, &mut nulls, fast, complete)?;
        } else {
            let all = (0..n).map(|at| (at, rows.row(at)));
            self.fields::<P>(column, all, &mut values, &mut nulls, fast, complete)?;
        }
        let values = Buffer::from_vec(values);
        buffer.keep(&values);
        Ok(Arc::new(PrimitiveArray::<P>::new(ScalarBuffer::new(values, 0, n), nulls.finish())))
    }

    /// The fields of these places and rows, one by one.
    #[inline(always)]
    fn fields<P: ArrowPrimitiveType>(
        self,
        column: Column<'_>,
        rows: impl Iterator<Item = (usize, usize)>,
        values: &mut [P::Native],
        nulls: &mut NullBits,
        fast: impl Fn(usize, usize) -> Option<P::Native>,
        complete: impl Fn(&[u8]) -> Option<P::Native> + Copy,
    ) -> Result<(), BadField> {
        let data = column.data;
        let fast = |start, end| if self.nulls.like_numbers { None } else { fast(start, end) };
        for (at, row) in rows {
            let (start, end) = column.field(row);
            // An empty field begins with its separator, which is no digit, or at the end of the file.
            if data.get(start).is_some_and(u8::is_ascii_digit)
                && let Some(value) = fast(start, end)
            {
                values[at] = value;
                continue;
            }
            match self.slowly(&data[..end], start, fast, complete) {
                Some(Some(value)) => values[at] = value,
                Some(None) => {
                    nulls.set(at, values.len());
                    values[at] = P::Native::default();
                }
                None => return Err(BadField { row: at, reason: BadReason::NotOfType }),
            }
        }
        Ok(())
    }

    /// A field that does not begin with a digit, or that the fast path declined.
    #[inline(never)]
    fn slowly<T>(
        self,
        data: &[u8],
        start: usize,
        fast: impl Fn(usize, usize) -> Option<T>,
        complete: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<Option<T>> {
        // Padding on the left is how BACI writes: it stays on the fast path.
        let padded = start + data[start..].iter().take_while(|&&b| b == b' ').count();
        if padded > start
            && data.get(padded).is_some_and(u8::is_ascii_digit)
            && let Some(value) = fast(padded, data.len())
        {
            return Some(Some(value));
        }
        match clean(&data[start..], self.dialect, self.nulls) {
            None => Some(None),
            Some(text) => complete(text).map(Some),
        }
    }

    fn boolean(self, column: Column<'_>, rows: Rows<'_>) -> Result<ArrayRef, BadField> {
        let n = rows.len();
        let mut nulls = NullBits::default();
        let mut bad = None;
        let values = BooleanBuffer::collect_bool(n, |at| {
            let (start, end) = column.field(rows.row(at));
            match clean(&column.data[start..end], self.dialect, self.nulls) {
                None => nulls.set(at, n),
                Some(text) => match parse_bool(text) {
                    Some(value) => return value,
                    None => bad = bad.or(Some(at)),
                },
            }
            false
        });
        match bad {
            Some(row) => Err(BadField { row, reason: BadReason::NotOfType }),
            None => Ok(Arc::new(BooleanArray::new(values, nulls.finish()))),
        }
    }
}

/// The bits of missing values, made when the first one comes.
#[derive(Default)]
struct NullBits(Option<MutableBuffer>, usize);

impl NullBits {
    fn set(&mut self, at: usize, len: usize) {
        let bits = self.0.get_or_insert_with(|| {
            MutableBuffer::new(bit_util::ceil(len, 8)).with_bitset(bit_util::ceil(len, 8), true)
        });
        bit_util::unset_bit(bits.as_slice_mut(), at);
        self.1 = len;
    }

    fn finish(self) -> Option<NullBuffer> {
        let NullBits(bits, len) = self;
        bits.map(|bits| NullBuffer::new(BooleanBuffer::new(bits.into(), 0, len)))
    }
}

/// The bytes of a value that is not text, without padding and quotes; `None` when it is missing.
pub(crate) fn clean<'a>(raw: &'a [u8], dialect: Dialect, nulls: &Nulls) -> Option<&'a [u8]> {
    let mut text = trim(raw);
    if let Some(quote) = dialect.quote
        && let [first, inner @ .., last] = text
        && *first == quote
        && *last == quote
    {
        text = trim(inner);
    }
    if text.is_empty() || nulls.contain(text) { None } else { Some(text) }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `true`, `True`, `TRUE` and the same of false.
pub(crate) fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}
