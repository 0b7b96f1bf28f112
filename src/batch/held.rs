//! Columns as results hold them: integers in as few bytes as theirs need, short texts without what a view leaves empty.
//!
//! | column | held as |
//! |---|---|
//! | integers that fit into 8, 16 or 32 bits | `Int8`, `Int16`, `Int32` |
//! | texts of at most ten bytes each | `FixedSizeBinary`: the length in a byte, then as many bytes as the longest has |
//! | texts of a dictionary that is known | `Dictionary`, the keys in 8, 16 or 32 bits |
//! | columns of the right side of a merge that has few rows | `Dictionary`, the keys, places of those rows, in 8 or 16 bits |
//! | all others | as they are |
//!
//! All are types of arrow's: what is held is counted and cut as any other batch. Where a result is large, memory that nobody had
//! before dominates (see `ops::merge::probe`), and the arrays of full width are let go of at once, so that the next come in their place.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, Int64Array, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringViewArray, UInt32Array,
};
use arrow::buffer::Buffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, DataType, Field, Int8Type, Int16Type, Int32Type, Schema, SchemaRef,
    UInt8Type, UInt16Type, UInt32Type,
};

use super::short_texts::short_texts;
use crate::error::{Error, Result};

/// The column in fewer bytes, where it can be held in fewer.
pub(crate) fn held(column: &ArrayRef) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Int64 => held_ints(column.as_primitive()),
        DataType::Utf8View => packed_texts(column.as_string_view()),
        _ => None,
    }
}

/// The texts of a dictionary whose places these are, null where they are.
pub(crate) fn held_texts(places: &Int64Array, dictionary: &ArrayRef) -> Result<ArrayRef> {
    match dictionary.len() {
        0..=0x100 => keyed::<UInt8Type>(places, |place| place as u8, dictionary),
        0x101..=0x1_0000 => keyed::<UInt16Type>(places, |place| place as u16, dictionary),
        _ => keyed::<UInt32Type>(places, |place| place as u32, dictionary),
    }
}

fn keyed<K: ArrowDictionaryKeyType>(
    places: &Int64Array,
    key: impl Fn(i64) -> K::Native,
    dictionary: &ArrayRef,
) -> Result<ArrayRef> {
    Ok(Arc::new(DictionaryArray::try_new(narrowed::<K>(places, key), dictionary.clone())?))
}

/// The texts at these places of a dictionary.
pub(crate) fn texts_at(places: &dyn Array, dictionary: &dyn Array) -> Result<ArrayRef> {
    // Long texts lie in the dictionary, which a batch must not hold as a whole.
    Ok(Arc::new(take(dictionary, places, None)?.as_string_view().gc()))
}

/// Places among so many rows, null where there is none, as [`held_at`] takes them; none where they need more than 16 bits.
pub(crate) fn held_places(places: &UInt32Array, rows: usize) -> Option<ArrayRef> {
    match rows {
        0..=0x100 => Some(Arc::new(places.unary::<_, UInt8Type>(|place| place as u8))),
        0x101..=0x1_0000 => Some(Arc::new(places.unary::<_, UInt16Type>(|place| place as u16))),
        _ => None,
    }
}

/// The values at these [places](held_places), which are held beside all of them.
pub(crate) fn held_at(places: &ArrayRef, values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match places.as_primitive_opt::<UInt8Type>() {
        Some(places) => Arc::new(DictionaryArray::try_new(places.clone(), values.clone())?),
        None => Arc::new(DictionaryArray::try_new(places.as_primitive::<UInt16Type>().clone(), values.clone())?),
    })
}

/// The values of a column, of which there may be [places](held_at) alone.
pub(crate) fn values_of(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.as_any_dictionary_opt() {
        Some(column) => take(column.values(), column.keys(), None)?,
        None => column.clone(),
    })
}

/// The batch with the values themselves where it has places of them.
pub(crate) fn without_dictionaries(batch: RecordBatch) -> Result<RecordBatch> {
    if !batch.columns().iter().any(|column| column.as_any_dictionary_opt().is_some()) {
        return Ok(batch);
    }
    let fields = batch.schema_ref().fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, values) => Arc::new(Field::new(field.name(), (**values).clone(), true)),
        _ => field.clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    shown(batch, &schema)
}

/// What a batch takes that may be [`held`]. A dictionary is shared by many, and so not counted; places are counted once.
pub(crate) fn held_bytes(batch: &RecordBatch) -> usize {
    let mut counted = None;
    let bytes = |column: &ArrayRef| {
        let Some(column) = column.as_any_dictionary_opt() else { return column.get_array_memory_size() };
        let keys = column.keys().to_data().buffers().first().map(|buffer| buffer.as_ptr());
        if keys.is_some() && std::mem::replace(&mut counted, keys) == keys {
            return 0;
        }
        column.keys().get_array_memory_size()
    };
    batch.columns().iter().map(bytes).sum()
}

/// A batch of these columns, some of which may be [`held`]: its schema says what they are now.
pub(crate) fn held_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = schema.fields().iter().zip(&columns).map(|(field, column)| {
        let own = field.data_type() == column.data_type();
        if own { field.clone() } else { Arc::new(Field::new(field.name(), column.data_type().clone(), true)) }
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Whether a batch of a table of this schema is narrower than that.
pub(crate) fn is_narrow(batch: &RecordBatch, schema: &Schema) -> bool {
    batch.columns().iter().zip(schema.fields()).any(|(column, field)| column.data_type() != field.data_type())
}

/// The batch with its columns as they were before they were [`held`], which are those of the schema.
pub(crate) fn shown(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if !is_narrow(&batch, schema) {
        return Ok(batch);
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| shown_column(column, field));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

/// What the batch, of no dictionary, takes once it is [`shown`].
pub(crate) fn shown_bytes(batch: &RecordBatch, schema: &SchemaRef) -> usize {
    let bytes = |(column, field): (&ArrayRef, &Arc<Field>)| match field.data_type() {
        own if own == column.data_type() => column.get_array_memory_size(),
        DataType::Utf8View => column.len() * size_of::<u128>(),
        _ => column.len() * size_of::<i64>(),
    };
    batch.columns().iter().zip(schema.fields()).map(bytes).sum()
}

/// The column as it was before it was [`held`]: that of the field.
pub(crate) fn shown_column(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    Ok(match (column.data_type(), field.data_type()) {
        (DataType::FixedSizeBinary(_), DataType::Utf8View) => Arc::new(shown_texts(column.as_fixed_size_binary())?),
        (DataType::Dictionary(..), DataType::Utf8View) => {
            let texts = column.as_any_dictionary();
            texts_at(texts.keys(), texts.values())?
        }
        (DataType::Dictionary(..), _) => values_of(column)?,
        (own, wanted) if own != wanted => cast(column, wanted)?,
        _ => column.clone(),
    })
}

fn held_ints(column: &Int64Array) -> Option<ArrayRef> {
    // The bits that are not as the sign is.
    let bits = column.values().iter().fold(0, |bits, value| bits | (value ^ (value >> 63)));
    match u64::BITS - bits.leading_zeros() {
        0..8 => Some(Arc::new(narrowed::<Int8Type>(column, |value| value as i8))),
        8..16 => Some(Arc::new(narrowed::<Int16Type>(column, |value| value as i16))),
        16..32 => Some(Arc::new(narrowed::<Int32Type>(column, |value| value as i32))),
        _ => None,
    }
}

fn narrowed<T: ArrowPrimitiveType>(column: &Int64Array, narrow: impl Fn(i64) -> T::Native) -> PrimitiveArray<T> {
    let values: Vec<T::Native> = column.values().iter().map(|value| narrow(*value)).collect();
    PrimitiveArray::new(values.into(), column.nulls().cloned())
}

fn packed_texts(column: &StringViewArray) -> Option<ArrayRef> {
    let views = column.views();
    let longest = views.iter().fold(0, |longest, view| longest.max(*view as u32));
    let bytes = match longest {
        0 => packed::<1>(views),
        1 => packed::<2>(views),
        2 => packed::<3>(views),
        3 => packed::<4>(views),
        4 => packed::<5>(views),
        5 => packed::<6>(views),
        6 => packed::<7>(views),
        7 => packed::<8>(views),
        8 => packed::<9>(views),
        9 => packed::<10>(views),
        10 => packed::<11>(views),
        // Little would be gained.
        _ => return None,
    };
    let texts = FixedSizeBinaryArray::try_new(longest as i32 + 1, Buffer::from_vec(bytes), column.nulls().cloned());
    Some(Arc::new(texts.ok()?))
}

/// The view of a text of at most twelve bytes without three of the four of its length.
#[inline]
pub(crate) fn packed_text(view: u128) -> u128 {
    view & 0xff | view >> 32 << 8
}

/// The view of which this is the [`packed_text`].
#[inline]
pub(crate) fn view_of(packed: u128) -> u128 {
    packed & 0xff | packed >> 8 << 32
}

/// The first bytes of packed texts, of which the others are zeros.
fn packed<const N: usize>(views: &[u128]) -> Vec<u8> {
    let first = |view: &u128| -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&packed_text(*view).to_le_bytes()[..N]);
        bytes
    };
    views.iter().map(first).collect::<Vec<_>>().into_flattened()
}

fn shown_texts(column: &FixedSizeBinaryArray) -> Result<StringViewArray> {
    short_texts(each_packed(column, view_of)?, column.nulls().cloned())
}

/// The [packed texts](packed_text) of a column that is held so.
pub(crate) fn packed_texts_of(column: &FixedSizeBinaryArray) -> Result<Vec<u128>> {
    each_packed(column, |packed| packed)
}

/// What `each` makes of every packed text.
fn each_packed(column: &FixedSizeBinaryArray, each: impl Fn(u128) -> u128) -> Result<Vec<u128>> {
    let bytes = column.value_data();
    Ok(match column.value_length() {
        1 => each_of::<1>(bytes, each),
        2 => each_of::<2>(bytes, each),
        3 => each_of::<3>(bytes, each),
        4 => each_of::<4>(bytes, each),
        5 => each_of::<5>(bytes, each),
        6 => each_of::<6>(bytes, each),
        7 => each_of::<7>(bytes, each),
        8 => each_of::<8>(bytes, each),
        9 => each_of::<9>(bytes, each),
        10 => each_of::<10>(bytes, each),
        11 => each_of::<11>(bytes, each),
        _ => return Err(Error::internal("a column of texts is held that are too long")),
    })
}

fn each_of<const N: usize>(bytes: &[u8], each: impl Fn(u128) -> u128) -> Vec<u128> {
    let packed = |bytes: &[u8; N]| {
        let mut packed = [0; size_of::<u128>()];
        packed[..N].copy_from_slice(bytes);
        each(u128::from_le_bytes(packed))
    };
    bytes.as_chunks::<N>().0.iter().map(packed).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float64Array};
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<i64>, Option<String>, Option<f64>, Option<bool>);

    fn batch(rows: &[Row]) -> RecordBatch {
        let columns: [(_, ArrayRef, _); 4] = [
            ("int", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()), true),
            ("text", Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringViewArray>()), true),
            ("float", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()), true),
            ("bool", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn held_of(batch: &RecordBatch) -> RecordBatch {
        let columns = batch.columns().iter().map(|column| held(column).unwrap_or_else(|| column.clone()));
        held_batch(batch.schema_ref(), columns.collect(), batch.num_rows()).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_held_is_shown_as_it_was(
            rows in prop::collection::vec(
                (any::<Option<i64>>(), prop::option::of("[a-zé\0]{0,13}"), prop::option::of(-9.0..9.0), any::<Option<bool>>()),
                0..60,
            ),
            shift in 0..64u32,
            most in 0..14usize,
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let cut_text = |text: String| text.chars().take(most).collect();
            let rows: Vec<Row> =
                rows.into_iter().map(|(int, text, x, b)| (int.map(|int| int >> shift), text.map(cut_text), x, b)).collect();
            let batch = batch(&rows);
            let (a, b) = (cut.0.index(rows.len() + 1), cut.1.index(rows.len() + 1));
            let (start, length) = (a.min(b), a.abs_diff(b));
            // Cut before and after.
            let part = batch.slice(start, length);
            prop_assert_eq!(&shown(held_of(&part), batch.schema_ref()).unwrap(), &part);
            prop_assert_eq!(shown(held_of(&batch).slice(start, length), batch.schema_ref()).unwrap(), part);
        }
    }

    #[test]
    fn as_few_bytes_as_are_needed() {
        let types = |ints: [i64; 2], texts: [&str; 2]| {
            let row = |i: usize| (Some(ints[i]), Some(texts[i].to_owned()), Some(0.5), Some(true));
            let held = held_of(&batch(&[row(0), row(1)]));
            (held.column(0).data_type().clone(), held.column(1).data_type().clone())
        };
        use DataType::{FixedSizeBinary, Int8, Int16, Int32, Int64, Utf8View};
        assert_eq!(types([-128, 127], ["", ""]), (Int8, FixedSizeBinary(1)));
        assert_eq!(types([128, 0], ["id", "a"]), (Int16, FixedSizeBinary(3)));
        assert_eq!(types([-32_769, 0], ["id12345678", ""]), (Int32, FixedSizeBinary(11)));
        assert_eq!(types([1 << 31, 0], ["eleven byte", ""]), (Int64, Utf8View));
        assert_eq!(types([i64::MIN, i64::MAX], ["more than twelve", ""]), (Int64, Utf8View));
    }

    #[test]
    fn places_of_few_rows_are_shown_as_their_values() {
        let long = "a text of more than twelve bytes";
        for rows in [1, 256, 257, 1 << 16] {
            let all: Vec<Row> = (0..rows as i64)
                .map(|n| {
                    (
                        (n % 5 > 0).then_some(n << 30),
                        Some(format!("{long} {n}")),
                        Some(n as f64),
                        (n % 3 > 0).then_some(n % 2 == 0),
                    )
                })
                .collect();
            let all = batch(&all);
            let places: UInt32Array = (0..500u32).map(|n| (n % 7 > 0).then_some(n * 131 % rows as u32)).collect();
            let narrow = held_places(&places, rows).unwrap();
            assert_eq!(narrow.data_type(), if rows > 256 { &DataType::UInt16 } else { &DataType::UInt8 });
            let columns = all.columns().iter().map(|column| held_at(&narrow, column).unwrap());
            let held = held_batch(all.schema_ref(), columns.collect(), 500).unwrap();
            let want = arrow::compute::take_record_batch(&all, &places).unwrap();
            assert_eq!(shown(held.clone(), all.schema_ref()).unwrap(), want);
            assert_eq!(without_dictionaries(held.slice(3, 90)).unwrap().columns(), want.slice(3, 90).columns());
            // A place is booked, not what stands there.
            assert!(held_bytes(&held) <= 500 * 2 + 400, "{}", held_bytes(&held));
        }
        assert!(held_places(&UInt32Array::from(vec![0]), 65_537).is_none());
    }

    #[test]
    fn no_rows_and_no_columns() {
        let none = batch(&[]);
        assert_eq!(shown(held_of(&none), none.schema_ref()).unwrap(), none);
        let options = RecordBatchOptions::new().with_row_count(Some(7));
        let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(shown(held_of(&bare), bare.schema_ref()).unwrap().num_rows(), 7);
    }
}
