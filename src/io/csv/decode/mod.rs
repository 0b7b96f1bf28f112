//! From indexed fields to typed columns: only the columns asked for, only the rows that are left.
//!
//! Each type has a fast path for the spelling that nearly every field has, tried first; whatever it declines goes
//! through [`Spellings::clean`] (padding, quotes, null spellings) and the type's complete parser. Values go into buffers that are
//! taken back from the batch before: fresh ones cost more than the parsing.

pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod spelling;
pub(crate) mod text;
mod wide;

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowNativeTypeOp, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::util::bit_util;

use crate::expr::Type;

use self::spelling::Spellings;
use self::wide::Wide;

/// So many bytes stand before the first record of a block: parsers load whole words that end at a field's end.
pub(crate) const PADDING: usize = 64;

/// The indexed records of one block.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    /// The block: [`PADDING`] bytes, then the records. Offsets below count from the first record.
    pub block: &'a Buffer,
    /// Where fields end, and, if that is not one byte behind the separator before, where they begin.
    pub separators: &'a [u32],
    pub starts: &'a [u32],
    pub row_starts: &'a [u32],
    /// Fields a row.
    pub width: usize,
    /// Whether there may be quotes.
    pub has_quotes: bool,
    /// Whether every field is UTF-8 as it stands: the whole block is, and what stands between fields are whole characters.
    pub is_text: bool,
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
        let Records { separators, starts, row_starts, width, .. } = self.records;
        let last = row * width + self.column;
        let end = separators[last] as usize + PADDING;
        if !starts.is_empty() {
            return (starts[last] as usize + PADDING, end);
        }
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
pub(crate) struct Decoder<'a> {
    pub spellings: &'a Spellings,
    /// The fields that do not fit: the first one, or all. They are null in the column.
    pub bad: Vec<BadField>,
    pub all_bad: bool,
}

impl Decoder<'_> {
    /// Decodes one column of these rows. What it gives counts only where `bad` stays empty, or for the other rows.
    pub(crate) fn decode(
        &mut self,
        column: Column<'_>,
        rows: Rows<'_>,
        dtype: Type,
        buffer: &mut ColumnBuffer,
    ) -> ArrayRef {
        let (data, spellings) = (column.data, self.spellings);
        match dtype {
            Type::Int64 => self.primitive::<Int64Type>(
                column,
                rows,
                buffer,
                wide::ints,
                |s, e| int::parse_digits(data, s, e),
                |text| spellings.int(text),
            ),
            Type::Float64 => self.primitive::<Float64Type>(
                column,
                rows,
                buffer,
                wide::floats,
                |s, e| float::parse_digits(data, s, e),
                |text| spellings.float(text),
            ),
            Type::Date => self.primitive::<Date32Type>(
                column,
                rows,
                buffer,
                |_, _, _, _, _, _| false,
                |_, _| None,
                |text| spellings.date(text),
            ),
            Type::Timestamp => self.primitive::<TimestampMicrosecondType>(
                column,
                rows,
                buffer,
                |_, _, _, _, _, _| false,
                |_, _| None,
                |text| spellings.timestamp(text),
            ),
            Type::Bool => self.boolean(column, rows),
            Type::Text => text::decode(self, column, rows, buffer),
        }
    }

    /// Takes note of a field that does not fit. Whether to stop here.
    #[cold]
    fn refuse(&mut self, row: usize, reason: BadReason) -> bool {
        self.bad.push(BadField { row, reason });
        !self.all_bad
    }

    /// A column of numbers: `wide` takes many fields at a time, `fast` the bounds of a field that begins with a digit, `complete` a
    /// cleaned field.
    fn primitive<P: ArrowPrimitiveType>(
        &mut self,
        column: Column<'_>,
        rows: Rows<'_>,
        buffer: &mut ColumnBuffer,
        wide: Wide<P::Native>,
        fast: impl Fn(usize, usize) -> Option<P::Native> + Copy,
        complete: impl Fn(&[u8]) -> Option<P::Native> + Copy,
    ) -> ArrayRef {
        let n = rows.len();
        let mut values: Vec<P::Native> = buffer.take(n);
        values.resize(n, P::Native::default());
        let mut nulls = NullBits::default();
        let mut left = vec![];
        let simd = self.spellings.dialect.simd;
        if self.spellings.plain_numbers && wide(simd, column, rows, &mut values, &mut nulls, &mut left) {
            let left = left.into_iter().map(|at| (at as usize, rows.row(at as usize)));
            self.fields::<P>(column, left, &mut values, &mut nulls, fast, complete);
        } else {
            let all = (0..n).map(|at| (at, rows.row(at)));
            self.fields::<P>(column, all, &mut values, &mut nulls, fast, complete);
        }
        let values = Buffer::from_vec(values);
        buffer.keep(&values);
        Arc::new(PrimitiveArray::<P>::new(ScalarBuffer::new(values, 0, n), nulls.finish()))
    }

    /// The fields of these places and rows, one by one.
    #[inline(always)]
    fn fields<P: ArrowPrimitiveType>(
        &mut self,
        column: Column<'_>,
        rows: impl Iterator<Item = (usize, usize)>,
        values: &mut [P::Native],
        nulls: &mut NullBits,
        fast: impl Fn(usize, usize) -> Option<P::Native>,
        complete: impl Fn(&[u8]) -> Option<P::Native> + Copy,
    ) {
        let (data, spellings) = (column.data, self.spellings);
        let fast = |start, end| if spellings.plain_numbers { fast(start, end) } else { None };
        for (at, row) in rows {
            let (start, end) = column.field(row);
            // An empty field begins with its separator, which is no digit, or at the end of the file.
            if data.get(start).is_some_and(u8::is_ascii_digit)
                && let Some(value) = fast(start, end)
            {
                values[at] = value;
                continue;
            }
            match slowly(spellings, &data[..end], start, fast, complete) {
                Some(Some(value)) => values[at] = value,
                Some(None) => {
                    nulls.set(at, values.len());
                    values[at] = P::Native::default();
                }
                None => {
                    if self.refuse(at, BadReason::NotOfType) {
                        return;
                    }
                    nulls.set(at, values.len());
                    values[at] = P::Native::default();
                }
            }
        }
    }

    fn boolean(&mut self, column: Column<'_>, rows: Rows<'_>) -> ArrayRef {
        let n = rows.len();
        let mut nulls = NullBits::default();
        let values = BooleanBuffer::collect_bool(n, |at| {
            let (start, end) = column.field(rows.row(at));
            match self.spellings.clean(&column.data[start..end]) {
                None => nulls.set(at, n),
                Some(text) => match self.spellings.bool(text) {
                    Some(value) => return value,
                    None if self.bad.is_empty() || self.all_bad => {
                        self.refuse(at, BadReason::NotOfType);
                        nulls.set(at, n);
                    }
                    None => {}
                },
            }
            false
        });
        Arc::new(BooleanArray::new(values, nulls.finish()))
    }
}

/// A field that does not begin with a digit, or that the fast path declined.
#[inline(never)]
fn slowly<T: ArrowNativeTypeOp>(
    spellings: &Spellings,
    data: &[u8],
    start: usize,
    fast: impl Fn(usize, usize) -> Option<T>,
    complete: impl Fn(&[u8]) -> Option<T>,
) -> Option<Option<T>> {
    // Padding on the left is how BACI writes: it stays on the fast path.
    let padded = start + data[start..].iter().take_while(|&&b| b == b' ').count();
    let negative = data.get(padded) == Some(&b'-');
    let first = padded + usize::from(negative);
    if data.get(first).is_some_and(u8::is_ascii_digit)
        && let Some(value) = fast(first, data.len())
    {
        return Some(Some(if negative { value.neg_wrapping() } else { value }));
    }
    match spellings.clean(&data[start..]) {
        None => Some(None),
        Some(text) => complete(text).map(Some),
    }
}

/// The bits of missing values, made when the first one comes.
#[derive(Default)]
struct NullBits(Option<MutableBuffer>, usize);

impl NullBits {
    fn set(&mut self, at: usize, len: usize) {
        bit_util::unset_bit(self.bits(len), at);
    }

    /// As [`set`](Self::set) for eight places, from `8 * nth` on: those whose bits are set.
    fn set_eight(&mut self, nth: usize, missing: u8, len: usize) {
        self.bits(len)[nth] &= !missing;
    }

    fn bits(&mut self, len: usize) -> &mut [u8] {
        self.1 = len;
        let bytes = bit_util::ceil(len, 8);
        self.0.get_or_insert_with(|| MutableBuffer::new(bytes).with_bitset(bytes, true)).as_slice_mut()
    }

    fn finish(self) -> Option<NullBuffer> {
        let NullBits(bits, len) = self;
        bits.map(|bits| NullBuffer::new(BooleanBuffer::new(bits.into(), 0, len)))
    }
}
