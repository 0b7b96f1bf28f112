//! Keys to group and sort by: values as integers that order alike, and rows as bytes that order alike.
//!
//! A value of a fixed width becomes an `i64` in the order of the values ([`as_ints`]). A row of several values, or of text, becomes bytes:
//!
//! | part | bytes |
//! |---|---|
//! | marker | `00` a null that comes first, `01` a value, `02` a null that comes last |
//! | number, date, timestamp, bool | its integer, sign bit flipped, big-endian, 1, 4 or 8 bytes (none after a null marker) |
//! | text | its bytes, `00` written `00 FF`, then `00 00` |
//!
//! A descending part has its bytes (but not the marker) inverted. No part is the prefix of another of its column, so that comparing bytes
//! compares rows, part by part. `-0.0` is `0.0`, and all NaN are one that lies above all numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringViewArray, StringViewBuilder,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use crate::batch::nulls_at;
use crate::error::{Error, Result};
use crate::expr::{Type, type_name};
use crate::ops::vec_bytes_with;

/// The type of a column of ours.
pub(crate) fn kind_of(data_type: &DataType) -> Result<Type> {
    Type::of(data_type)
        .ok_or_else(|| Error::internal(format!("a column of type {} in an operator", type_name(data_type))))
}

/// The integer that orders as the float does.
pub(crate) fn float_to_int(f: f64) -> i64 {
    let canonical = if f.is_nan() { f64::NAN.abs() } else { f + 0.0 };
    flip_negative(canonical.to_bits() as i64)
}

/// The float of its integer.
pub(crate) fn int_to_float(i: i64) -> f64 {
    f64::from_bits(flip_negative(i) as u64)
}

/// Negative floats order backwards as integers: all bits but the sign are inverted.
fn flip_negative(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The values of any column but text as integers that order alike; null slots hold anything. Converted values go to `scratch`.
pub(crate) fn as_ints<'a>(array: &'a dyn Array, scratch: &'a mut Vec<i64>) -> Result<&'a [i64]> {
    scratch.clear();
    match kind_of(array.data_type())? {
        Type::Int64 => return Ok(array.as_primitive::<Int64Type>().values()),
        Type::Timestamp => return Ok(array.as_primitive::<TimestampMicrosecondType>().values()),
        Type::Float64 => {
            scratch.extend(array.as_primitive::<Float64Type>().values().iter().map(|f| float_to_int(*f)));
        }
        Type::Date => scratch.extend(array.as_primitive::<Date32Type>().values().iter().map(|d| i64::from(*d))),
        Type::Bool => scratch.extend(array.as_boolean().values().iter().map(i64::from)),
        Type::Text => return Err(Error::internal("text has no integers")),
    }
    Ok(scratch)
}

/// The column of integers that [`as_ints`] gave.
pub(crate) fn from_ints(kind: Type, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    Ok(match kind {
        Type::Int64 => Arc::new(collected::<Int64Type>(values)),
        Type::Timestamp => Arc::new(collected::<TimestampMicrosecondType>(values)),
        Type::Float64 => Arc::new(collected::<Float64Type>(values.map(|v| v.map(int_to_float)))),
        Type::Date => Arc::new(collected::<Date32Type>(values.map(|v| v.map(|v| v as i32)))),
        Type::Bool => Arc::new(values.map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        Type::Text => return Err(Error::internal("text has no integers")),
    })
}

/// Values as a column. Arrow's own way writes a bit for each, which columns without nulls have no need of.
pub(crate) fn collected<T: ArrowPrimitiveType>(values: impl Iterator<Item = Option<T::Native>>) -> PrimitiveArray<T> {
    let mut nulls = vec![];
    let value = |(row, value): (usize, Option<T::Native>)| {
        value.unwrap_or_else(|| {
            nulls.push(row as u32);
            T::Native::default()
        })
    };
    let values: Vec<T::Native> = values.enumerate().map(value).collect();
    let nulls = nulls_at(&nulls, values.len());
    PrimitiveArray::new(values.into(), nulls)
}

/// How a column enters a row's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyColumn {
    pub kind: Type,
    pub descending: bool,
    pub nulls_first: bool,
}

impl KeyColumn {
    /// Ascending, nulls last.
    pub(crate) fn ascending(kind: Type) -> KeyColumn {
        KeyColumn { kind, descending: false, nulls_first: false }
    }
}

/// Rows as bytes, end to end in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn row(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.row(i))
    }

    pub(crate) fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The length of all rows together.
    pub(crate) fn total_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// The most that will be allocated while this many rows come in, of this many bytes.
    pub(crate) fn bytes_with(&self, rows: usize, bytes: usize) -> usize {
        vec_bytes_with(&self.bytes, bytes) + vec_bytes_with(&self.ends, rows)
    }
}

/// Appends the rows of these columns to `out`.
pub(crate) fn encode(columns: &[ArrayRef], layout: &[KeyColumn], out: &mut Rows) -> Result<()> {
    enum Values<'a> {
        Ints(&'a [i64]),
        Text(&'a StringViewArray),
    }
    let rows = columns.first().map_or(0, |c| c.len());
    let mut scratch: Vec<Vec<i64>> = columns.iter().map(|_| Vec::new()).collect();
    let mut parts = Vec::with_capacity(columns.len());
    for ((array, key), scratch) in columns.iter().zip(layout).zip(&mut scratch) {
        let values = match key.kind {
            Type::Text => Values::Text(array.as_string_view()),
            _ => Values::Ints(as_ints(array, scratch)?),
        };
        parts.push((values, array.nulls(), *key));
    }
    out.ends.reserve(rows);
    for row in 0..rows {
        for (values, nulls, key) in &parts {
            if nulls.is_some_and(|n| n.is_null(row)) {
                out.bytes.push(if key.nulls_first { NULL_FIRST } else { NULL_LAST });
                continue;
            }
            out.bytes.push(VALUE);
            let start = out.bytes.len();
            match values {
                Values::Ints(ints) => put_int(ints[row], width(key.kind), &mut out.bytes),
                Values::Text(text) => put_text(text.value(row).as_bytes(), &mut out.bytes),
            }
            if key.descending {
                out.bytes[start..].iter_mut().for_each(|b| *b = !*b);
            }
        }
        out.ends.push(out.bytes.len());
    }
    Ok(())
}

/// The most bytes that a column of keys takes in its rows: every byte of a text may be escaped.
pub(crate) fn encoded_bytes(column: &ArrayRef) -> usize {
    9 * column.len() + 2 * column.as_string_view_opt().map_or(0, StringViewArray::total_bytes_len)
}

/// The columns of rows that were encoded ascending, nulls last.
pub(crate) fn decode<'a>(rows: impl Iterator<Item = &'a [u8]>, kinds: &[Type]) -> Result<Vec<ArrayRef>> {
    enum Column {
        Ints(Vec<Option<i64>>),
        Text(StringViewBuilder),
    }
    let mut columns: Vec<Column> = kinds
        .iter()
        .map(|kind| match kind {
            Type::Text => Column::Text(StringViewBuilder::new()),
            _ => Column::Ints(Vec::new()),
        })
        .collect();
    let mut text = Vec::new();
    for mut row in rows {
        for (column, kind) in columns.iter_mut().zip(kinds) {
            let valid = take_bytes(&mut row, 1)?[0] == VALUE;
            match column {
                Column::Ints(values) => values.push(if valid { Some(take_int(&mut row, width(*kind))?) } else { None }),
                Column::Text(values) if valid => {
                    take_text(&mut row, &mut text)?;
                    values.append_value(
                        std::str::from_utf8(&text).map_err(|_| Error::internal("a key that is no text"))?,
                    );
                }
                Column::Text(values) => values.append_null(),
            }
        }
    }
    columns
        .into_iter()
        .zip(kinds)
        .map(|(column, kind)| match column {
            Column::Ints(values) => from_ints(*kind, values.into_iter()),
            Column::Text(mut values) => Ok(Arc::new(values.finish()) as ArrayRef),
        })
        .collect()
}

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

fn width(kind: Type) -> usize {
    match kind {
        Type::Bool => 1,
        Type::Date => 4,
        _ => 8,
    }
}

fn put_int(value: i64, width: usize, out: &mut Vec<u8>) {
    let flipped = value as u64 ^ (1 << (8 * width - 1));
    out.extend_from_slice(&flipped.to_be_bytes()[8 - width..]);
}

fn take_int(row: &mut &[u8], width: usize) -> Result<i64> {
    let flipped = take_bytes(row, width)?.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let unused = 64 - 8 * width;
    // Shifted up and down again, so that the sign fills the bits that the width leaves.
    Ok((((flipped ^ (1 << (8 * width - 1))) << unused) as i64) >> unused)
}

/// Appends a row of one text, or null, ascending, nulls last, to `out`.
pub(crate) fn encode_text(text: Option<&str>, out: &mut Rows) {
    match text {
        Some(text) => {
            out.bytes.push(VALUE);
            put_text(text.as_bytes(), &mut out.bytes);
        }
        None => out.bytes.push(NULL_LAST),
    }
    out.ends.push(out.bytes.len());
}

/// Whether a row of one text is this one; false may be said of a text with a zero byte.
pub(crate) fn is_text(row: &[u8], text: &[u8]) -> bool {
    // The marker before it, and two zeros behind it.
    row.len() == text.len() + 3 && row[1..=text.len()] == *text
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let mut pieces = text.split(|b| *b == 0);
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.extend_from_slice(&[0, 0xFF]);
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&[0, 0]);
}

fn take_text(row: &mut &[u8], text: &mut Vec<u8>) -> Result<()> {
    text.clear();
    loop {
        let end = row.iter().position(|b| *b == 0).ok_or_else(cut_short)?;
        text.extend_from_slice(take_bytes(row, end)?);
        match take_bytes(row, 2)? {
            [0, 0] => return Ok(()),
            _ => text.push(0),
        }
    }
}

fn take_bytes<'a>(row: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (taken, rest) = row.split_at_checked(n).ok_or_else(cut_short)?;
    *row = rest;
    Ok(taken)
}

fn cut_short() -> Error {
    Error::internal("a key that is cut short")
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use arrow::array::{Date32Array, Float64Array, Int64Array};

    type Row = (Option<i64>, Option<f64>, Option<String>, Option<i32>, Option<bool>);

    fn row() -> impl Strategy<Value = Row> {
        let int = prop_oneof![any::<i64>(), -2i64..3, Just(i64::MIN), Just(i64::MAX)];
        let float = prop_oneof![
            any::<f64>(),
            Just(0.0),
            Just(-0.0),
            Just(f64::NAN),
            Just(-f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(f64::MIN_POSITIVE / 2.0),
        ];
        let text = prop_oneof!["[a\0b]{0,3}", "[\u{1}\u{ff}é]{0,20}"];
        let some = |s: BoxedStrategy<i64>| prop::option::of(s);
        (
            some(int.boxed()),
            prop::option::of(float),
            prop::option::of(text),
            any::<Option<i32>>(),
            any::<Option<bool>>(),
        )
    }

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|r| r.2.clone()).collect::<StringViewArray>()),
            Arc::new(rows.iter().map(|r| r.3).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|r| r.4).collect::<BooleanArray>()),
        ]
    }

    const KINDS: [Type; 5] = [Type::Int64, Type::Float64, Type::Text, Type::Date, Type::Bool];

    /// The order of one part, from the order of its values.
    fn part<T>(a: &Option<T>, b: &Option<T>, key: KeyColumn, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if key.descending => order(b, a),
            (Some(a), Some(b)) => order(a, b),
            (a, b) if key.nulls_first => a.is_some().cmp(&b.is_some()),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }

    proptest! {
        #[test]
        fn bytes_order_as_rows_do(rows in prop::collection::vec(row(), 2..12), flags in any::<[(bool, bool); 5]>()) {
            let layout: Vec<KeyColumn> = KINDS
                .iter()
                .zip(flags)
                .map(|(kind, (descending, nulls_first))| KeyColumn { kind: *kind, descending, nulls_first })
                .collect();
            let mut keys = Rows::default();
            encode(&columns(&rows), &layout, &mut keys).unwrap();
            prop_assert_eq!(keys.len(), rows.len());
            for (i, a) in rows.iter().enumerate() {
                for (j, b) in rows.iter().enumerate() {
                    let float = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
                    let want = part(&a.0, &b.0, layout[0], i64::cmp)
                        .then(part(&a.1, &b.1, layout[1], float))
                        .then(part(&a.2, &b.2, layout[2], |a, b| a.as_bytes().cmp(b.as_bytes())))
                        .then(part(&a.3, &b.3, layout[3], i32::cmp))
                        .then(part(&a.4, &b.4, layout[4], bool::cmp));
                    prop_assert_eq!(keys.row(i).cmp(keys.row(j)), want, "{:?} {:?}", a, b);
                }
            }
        }

        #[test]
        fn decoding_gives_the_rows_back(rows in prop::collection::vec(row(), 0..12)) {
            let columns = columns(&rows);
            let mut keys = Rows::default();
            encode(&columns, &KINDS.map(KeyColumn::ascending), &mut keys).unwrap();
            let decoded = decode(keys.iter(), &KINDS).unwrap();
            for (i, (got, want)) in decoded.iter().zip(&columns).enumerate() {
                if i == 1 {
                    let same = |(a, b): (Option<f64>, Option<f64>)| a == b || a.is_some_and(f64::is_nan) && b.is_some_and(f64::is_nan);
                    let (got, want) = (got.as_primitive::<Float64Type>(), want.as_primitive::<Float64Type>());
                    prop_assert!(got.iter().zip(want).all(same));
                } else {
                    prop_assert_eq!(got, want);
                }
            }
        }
    }

    #[test]
    fn a_key_cut_short_is_an_error() {
        for row in [&b""[..], &[1, 2, 3], &[1, 0x80, 0, 0, 0, 0, 0, 0]] {
            assert!(decode([row].into_iter(), &[Type::Int64]).is_err());
        }
        for row in [&b"\x01ab"[..], b"\x01ab\x00"] {
            assert!(decode([row].into_iter(), &[Type::Text]).is_err());
        }
    }
}
