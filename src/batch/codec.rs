//! Batches as bytes, for what is spilled: integers as narrow as their range allows, decimals as integers, text without its views.
//!
//! | part | bytes |
//! |---|---|
//! | rows | 4 |
//! | a column's nulls | `00` none, or `01` and a bit a row, set where there is a value |
//! | integers, dates, timestamps | least value (8), bytes a value (`0` to `8`), each value less the least one; how many need more (4), the places of those (4), their values (8) |
//! | floats | their decimal places, then the integers that they are without the point; or `ff`, then 8 a value, as they are |
//! | bools | a bit a row |
//! | text | lengths, as integers; then all the bytes |
//! | rows of words | the first word of every row, as integers, then the second of every row, and so on |
//!
//! All little-endian. The schema is not written: who reads it knows it.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringViewArray, TimestampMicrosecondArray, make_view,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType};

use super::decimals::Places;
use super::narrow::{Narrow, append_low};
use super::words::{words_column, words_of, words_width};
use crate::error::{Error, Result};
use crate::expr::Type;

/// The most rows in a batch that is spilled: some bytes that are damaged can't ask for all memory.
const MAX_ROWS: usize = 1 << 24;

/// In the place of the number of decimal places: floats as they are.
const NO_DECIMALS: u8 = 0xff;

/// Writes a batch of columns of our types behind what `out` holds.
pub(crate) fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    if batch.num_rows() > MAX_ROWS {
        return Err(Error::internal("a batch to spill has too many rows"));
    }
    out.extend((batch.num_rows() as u32).to_le_bytes());
    batch.columns().iter().try_for_each(|column| encode_column(column, out))
}

fn encode_column(column: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    out.push(u8::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        put_bits(nulls.inner(), out);
    }
    match Type::of(column.data_type()) {
        Some(Type::Int64) => put_ints(&valid(column.as_primitive::<Int64Type>().values(), nulls), out),
        Some(Type::Timestamp) => {
            put_ints(&valid(column.as_primitive::<TimestampMicrosecondType>().values(), nulls), out);
        }
        Some(Type::Date) => {
            let days: Vec<i64> = column.as_primitive::<Date32Type>().values().iter().map(|day| (*day).into()).collect();
            put_ints(&valid(&days, nulls), out);
        }
        Some(Type::Float64) => put_floats(&valid(column.as_primitive::<Float64Type>().values(), nulls), out),
        Some(Type::Bool) => put_bits(column.as_boolean().values(), out),
        Some(Type::Text) => {
            let texts = column.as_string_view();
            let length = |text: Option<&str>| text.map_or(0, |text| text.len() as i64);
            put_ints(&texts.iter().map(length).collect::<Vec<_>>(), out);
            texts.iter().flatten().for_each(|text| out.extend(text.as_bytes()));
        }
        None => {
            let width = words_width(column.data_type()).ok_or_else(foreign)?;
            let words = words_of(column);
            let word = |nth| words.iter().skip(nth).step_by(width).map(|word| word.cast_signed());
            (0..width).for_each(|nth| put_ints(&word(nth).collect::<Vec<_>>(), out));
        }
    }
    Ok(())
}

/// The values. What is in the place of a null is none: it must not widen the others.
fn valid<'a, T: Copy + Default>(values: &'a [T], nulls: Option<&NullBuffer>) -> Cow<'a, [T]> {
    let Some(nulls) = nulls else { return values.into() };
    let instead = nulls.valid_indices().next().map_or(T::default(), |row| values[row]);
    (0..values.len()).map(|row| if nulls.is_valid(row) { values[row] } else { instead }).collect()
}

fn put_ints(values: &[i64], out: &mut Vec<u8>) {
    let Narrow { least, width, low, outliers } = Narrow::new(values);
    out.extend(least.to_le_bytes());
    out.push(width);
    out.extend(low);
    out.extend((outliers.len() as u32).to_le_bytes());
    outliers.iter().for_each(|(place, _)| out.extend(place.to_le_bytes()));
    outliers.iter().for_each(|(_, value)| out.extend(value.to_le_bytes()));
}

fn put_floats(values: &[f64], out: &mut Vec<u8>) {
    let mut integers = Vec::new();
    if let Some(places) = Places::of(values, &mut integers) {
        out.push(places.number());
        return put_ints(&integers, out);
    }
    out.push(NO_DECIMALS);
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

fn put_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    out.extend_from_slice(bits.sliced().as_slice().get(..bits.len().div_ceil(8)).unwrap_or_default());
}

/// Reads the batch that [`encode`] wrote.
///
/// # Errors
/// `ErrorKind::Internal` when the bytes are not those of a batch of this schema.
pub(crate) fn decode(bytes: &[u8], schema: &SchemaRef) -> Result<RecordBatch> {
    let mut bytes = Bytes(bytes);
    let rows = u32::from_le_bytes(bytes.array()?) as usize;
    if rows > MAX_ROWS {
        return Err(broken());
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let nulls = match bytes.array::<1>()? {
            [0] => None,
            _ => Some(NullBuffer::new(bytes.bits(rows)?)),
        };
        columns.push(match Type::of(field.data_type()) {
            Some(Type::Int64) => Arc::new(Int64Array::new(bytes.ints(rows)?.into(), nulls)),
            Some(Type::Timestamp) => Arc::new(TimestampMicrosecondArray::new(bytes.ints(rows)?.into(), nulls)),
            Some(Type::Date) => {
                let days: Vec<i32> = bytes.ints(rows)?.into_iter().map(|day| day as i32).collect();
                Arc::new(Date32Array::new(days.into(), nulls))
            }
            Some(Type::Float64) => Arc::new(Float64Array::new(bytes.floats(rows)?.into(), nulls)),
            Some(Type::Bool) => Arc::new(BooleanArray::new(bytes.bits(rows)?, nulls)),
            Some(Type::Text) => Arc::new(bytes.texts(rows, nulls)?),
            None => bytes.words(rows, words_width(field.data_type()).ok_or_else(foreign)?)?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

fn broken() -> Error {
    Error::internal("spilled bytes are no batch")
}

fn foreign() -> Error {
    Error::internal("a column of a foreign type is spilled")
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| broken())
    }

    fn bits(&mut self, rows: usize) -> Result<BooleanBuffer> {
        let raw = self.take(rows.div_ceil(8))?;
        Ok(BooleanBuffer::new(Buffer::from(raw), 0, rows))
    }

    fn ints(&mut self, rows: usize) -> Result<Vec<i64>> {
        let least = i64::from_le_bytes(self.array()?);
        let [width] = self.array()?;
        if width > 8 {
            return Err(broken());
        }
        let low = self.take(rows * usize::from(width))?;
        let mut values = Vec::with_capacity(rows);
        append_low(least, width, low, 0..rows, &mut values);
        let outliers = u32::from_le_bytes(self.array()?) as usize;
        let places = self.take(outliers.checked_mul(4).ok_or_else(broken)?)?.as_chunks().0;
        let outlying = self.take(outliers.checked_mul(8).ok_or_else(broken)?)?.as_chunks().0;
        for (place, value) in places.iter().zip(outlying) {
            let place = values.get_mut(u32::from_le_bytes(*place) as usize);
            *place.ok_or_else(broken)? = i64::from_le_bytes(*value);
        }
        Ok(values)
    }

    fn floats(&mut self, rows: usize) -> Result<Vec<f64>> {
        let [places] = self.array()?;
        if places == NO_DECIMALS {
            let raw = self.take(rows.checked_mul(8).ok_or_else(broken)?)?;
            return Ok(raw.as_chunks::<8>().0.iter().map(|value| f64::from_le_bytes(*value)).collect());
        }
        let places = Places::of_number(places).ok_or_else(broken)?;
        Ok(self.ints(rows)?.into_iter().map(|integer| places.float(integer)).collect())
    }

    fn words(&mut self, rows: usize, width: usize) -> Result<ArrayRef> {
        let mut words = vec![];
        for nth in 0..width {
            let ints = self.ints(rows)?;
            words.resize(rows * width, 0);
            words.iter_mut().skip(nth).step_by(width).zip(ints).for_each(|(word, int)| *word = int.cast_unsigned());
        }
        words_column(words, width)
    }

    fn texts(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<StringViewArray> {
        let lengths = self.ints(rows)?;
        let total = lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(usize::try_from(*length).ok()?));
        let raw = self.take(total.ok_or_else(broken)?)?;
        let mut views: Vec<u128> = Vec::with_capacity(rows);
        let mut at = 0;
        for length in lengths {
            let end = at + length as usize;
            views.push(make_view(&raw[at..end], 0, at as u32));
            at = end;
        }
        Ok(StringViewArray::try_new(ScalarBuffer::from(views), vec![Buffer::from(raw)], nulls)?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use proptest::prelude::*;

    use super::super::words::words_type;
    use super::*;

    type Row = (Option<i64>, Option<f64>, Option<bool>, Option<i32>, Option<i64>, Option<String>, [u64; 3]);

    fn batch(rows: &[Row]) -> RecordBatch {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let types = [DataType::Int64, DataType::Float64, DataType::Boolean, DataType::Date32, time, DataType::Utf8View];
        let types = types.into_iter().chain([words_type(3)]);
        let fields: Vec<Field> = types.enumerate().map(|(i, dtype)| Field::new(format!("c{i}"), dtype, true)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
            Arc::new(rows.iter().map(|row| row.3).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.4).collect::<TimestampMicrosecondArray>()),
            Arc::new(rows.iter().map(|row| row.5.as_deref()).collect::<StringViewArray>()),
            words_column(rows.iter().flat_map(|row| row.6).collect(), 3).unwrap(),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn row() -> impl Strategy<Value = Row> {
        let narrow = prop::sample::select(vec![i64::MIN, -1, 0, 1, 255, 256, 65_536, 1 << 32, i64::MAX]);
        let texts = prop_oneof!["[a-zé]{0,20}", Just(String::new())];
        let decimal = (-9_999_999i64..9_999_999).prop_map(|cents| cents as f64 / 100.0);
        let float = prop_oneof![1 => any::<f64>(), 1 => Just(-0.0), 1 => Just(f64::INFINITY), 97 => decimal];
        (
            prop::option::of(prop_oneof![any::<i64>(), narrow, 0..9i64]),
            prop::option::of(float),
            prop::option::of(any::<bool>()),
            prop::option::of(any::<i32>()),
            prop::option::of(0..70_000i64),
            prop::option::of(texts),
            (any::<u64>(), 0..9u64, Just(u64::MAX)).prop_map(<[u64; 3]>::from),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_batch_comes_back(rows in prop::collection::vec(row(), 0..40), from in 0..40usize) {
            let batch = batch(&rows);
            let from = from.min(rows.len());
            let batch = batch.slice(from, rows.len() - from);
            let mut bytes = vec![1, 2, 3];
            encode(&batch, &mut bytes).unwrap();
            prop_assert_eq!(decode(&bytes[3..], &batch.schema()).unwrap(), batch);
        }

        #[test]
        fn bytes_that_are_no_batch_are_an_error_or_a_batch(
            rows in prop::collection::vec(row(), 1..9),
            cut in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let batch = batch(&rows);
            let mut bytes = vec![];
            encode(&batch, &mut bytes).unwrap();
            prop_assert!(decode(&bytes[..cut.index(bytes.len())], &batch.schema()).is_err());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            _ = decode(&bytes, &batch.schema());
        }
    }

    #[test]
    fn narrow_integers_take_few_bytes() {
        let size = |values: Vec<Option<i64>>| {
            let column: ArrayRef = Arc::new(Int64Array::from(values));
            let mut bytes = vec![];
            encode(&RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap(), &mut bytes).unwrap();
            bytes.len()
        };
        let head = 4 + 1 + 8 + 1 + 4;
        assert_eq!(size(vec![Some(7); 1000]), head);
        assert_eq!(size((0..1000).map(|i| Some((1 << 40) | (i % 200))).collect()), head + 1000);
        assert_eq!(size((0..1000).map(|i| (i % 2 == 0).then_some(1_000_000 + i)).collect()), head + 125 + 2000);
        assert_eq!(size([Some(i64::MIN), Some(i64::MAX), Some(0)].repeat(50)), head + 1200);
        assert_eq!(size((0..1000).map(|i| Some(if i == 5 { i64::MAX } else { i % 200 })).collect()), head + 1000 + 12);
        for bytes in 1..=8 {
            let most = i64::MIN.wrapping_add((u64::MAX >> (64 - 8 * bytes)) as i64);
            assert_eq!(
                size((0..100).map(|i| Some(if i % 9 == 0 { i64::MIN } else { most })).collect()),
                head + 100 * bytes
            );
        }
    }

    #[test]
    fn decimals_take_as_few_bytes_as_integers() {
        let size = |values: Vec<Option<f64>>| {
            let column: ArrayRef = Arc::new(Float64Array::from(values));
            let batch = RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap();
            let mut bytes = vec![];
            encode(&batch, &mut bytes).unwrap();
            assert_eq!(decode(&bytes, &batch.schema()).unwrap(), batch);
            bytes.len()
        };
        let head = 4 + 1 + 1;
        assert_eq!(size((0..1000).map(|i| Some(f64::from(i) / 1000.0)).collect()), head + 13 + 2000);
        assert_eq!(
            size((0..1000).map(|i| (i % 2 == 0).then_some(f64::from(i % 9) / 8.0)).collect()),
            head + 13 + 125 + 2000
        );
        assert_eq!(size((0..1000).map(|i| Some(f64::from(i) / 7.0)).collect()), head + 8000);
    }

    #[test]
    fn no_columns_and_no_rows() {
        let none = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(5)),
        );
        let none = none.unwrap();
        let mut bytes = vec![];
        encode(&none, &mut bytes).unwrap();
        assert_eq!(decode(&bytes, &none.schema()).unwrap().num_rows(), 5);
        let empty = batch(&[]);
        bytes.clear();
        encode(&empty, &mut bytes).unwrap();
        assert_eq!(decode(&bytes, &empty.schema()).unwrap(), empty);
    }
}
