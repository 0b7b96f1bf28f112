//! Batches that take little memory: each column holds how far its values are from the least one, in as few bytes as the farthest needs.
//!
//! This is the frame of reference of J. Goldstein, R. Ramakrishnan, U. Shaft, "Compressing Relations and Indexes" (ICDE 1998), by whole
//! bytes, so that a value is found without those before it. Text is not packed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Date32Array, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Float64Type, SchemaRef};

use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::key::{as_ints, kind_of};

/// Columns of as many rows.
pub(super) struct Packed {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    least: i64,
    distances: Distances,
    nulls: Option<NullBuffer>,
}

enum Distances {
    One(Vec<u8>),
    Two(Vec<u16>),
    Four(Vec<u32>),
    Eight(Vec<u64>),
}

/// So many slices are looked at together.
const AHEAD: usize = 16;

/// Rows of a batch that follow each other.
pub(super) struct Slice<'a> {
    pub(super) batch: &'a Packed,
    pub(super) rows: Range<usize>,
}

impl Packed {
    pub(super) fn of(columns: &[ArrayRef]) -> Result<Packed> {
        let mut scratch = Vec::new();
        let rows = columns.first().map_or(0, |column| column.len());
        let columns = columns.iter().map(|column| Column::of(column, &mut scratch)).collect::<Result<_>>()?;
        Ok(Packed { columns, rows })
    }

    pub(super) fn num_rows(&self) -> usize {
        self.rows
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum::<usize>() + self.columns.len() * size_of::<Column>()
    }

    /// The bits of a value; none for a null.
    #[inline]
    pub(super) fn bits(&self, column: usize, row: usize) -> Option<i64> {
        let Column { least, distances, nulls } = &self.columns[column];
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let distance = match distances {
            Distances::One(distances) => distances[row].into(),
            Distances::Two(distances) => distances[row].into(),
            Distances::Four(distances) => distances[row].into(),
            Distances::Eight(distances) => distances[row],
        };
        valid.then(|| least.wrapping_add_unsigned(distance))
    }
}

impl Slice<'_> {
    pub(super) fn num_rows(&self) -> usize {
        self.rows.len()
    }
}

/// The rows of all slices, one after the other, of the first columns, which are those of the schema.
pub(super) fn unpack(schema: &SchemaRef, slices: &[Slice]) -> Result<RecordBatch> {
    let column = |i: usize| column(slices, i, kind_of(schema.field(i).data_type())?);
    let columns = (0..schema.fields().len()).map(column).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(slices.iter().map(Slice::num_rows).sum()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// What a row takes that is not packed.
pub(super) fn row_bytes(schema: &SchemaRef) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(1)).sum()
}

impl Column {
    fn of(array: &ArrayRef, scratch: &mut Vec<i64>) -> Result<Column> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            // Their bits are seldom near each other.
            let distances = Distances::Eight(floats.values().iter().map(|float| float.to_bits()).collect());
            return Ok(Column { least: 0, distances, nulls });
        }
        let values = as_ints(array, scratch)?;
        let (least, most) = values.iter().fold((i64::MAX, i64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let farthest = if least > most { 0 } else { most.wrapping_sub(least) as u64 };
        let distances = values.iter().map(|value| value.wrapping_sub(least) as u64);
        let distances = if farthest <= u8::MAX.into() {
            Distances::One(distances.map(|distance| distance as u8).collect())
        } else if farthest <= u16::MAX.into() {
            Distances::Two(distances.map(|distance| distance as u16).collect())
        } else if farthest <= u32::MAX.into() {
            Distances::Four(distances.map(|distance| distance as u32).collect())
        } else {
            Distances::Eight(distances.collect())
        };
        Ok(Column { least, distances, nulls })
    }

    fn bytes(&self) -> usize {
        let distances = match &self.distances {
            Distances::One(distances) => size_of_val(&**distances),
            Distances::Two(distances) => size_of_val(&**distances),
            Distances::Four(distances) => size_of_val(&**distances),
            Distances::Eight(distances) => size_of_val(&**distances),
        };
        distances + self.nulls.as_ref().map_or(0, |nulls| nulls.buffer().len())
    }

    /// Reads the first of some values, and those in the three lines of the cache that follow.
    fn touch(&self, rows: &Range<usize>) -> u64 {
        let lines =
            |width: usize| (0..4).map(move |line| rows.start + line * (64 / width)).filter(|row| *row < rows.end);
        match &self.distances {
            Distances::One(distances) => lines(1).fold(0, |all, row| all ^ u64::from(distances[row])),
            Distances::Two(distances) => lines(2).fold(0, |all, row| all ^ u64::from(distances[row])),
            Distances::Four(distances) => lines(4).fold(0, |all, row| all ^ u64::from(distances[row])),
            Distances::Eight(distances) => lines(8).fold(0, |all, row| all ^ distances[row]),
        }
    }

    /// Adds what the bits of a range of rows stand for.
    fn append<T>(&self, rows: &Range<usize>, value: impl Fn(i64) -> T, to: &mut Vec<T>) {
        let of = |distance: u64| value(self.least.wrapping_add_unsigned(distance));
        match &self.distances {
            Distances::One(distances) => to.extend(distances[rows.clone()].iter().map(|d| of((*d).into()))),
            Distances::Two(distances) => to.extend(distances[rows.clone()].iter().map(|d| of((*d).into()))),
            Distances::Four(distances) => to.extend(distances[rows.clone()].iter().map(|d| of((*d).into()))),
            Distances::Eight(distances) => to.extend(distances[rows.clone()].iter().map(|d| of(*d))),
        }
    }
}

fn column(slices: &[Slice], column: usize, kind: Type) -> Result<ArrayRef> {
    let nulls = nulls(slices, column);
    Ok(match kind {
        Type::Int64 => Arc::new(Int64Array::new(values(slices, column, |bits| bits), nulls)),
        Type::Timestamp => Arc::new(TimestampMicrosecondArray::new(values(slices, column, |bits| bits), nulls)),
        Type::Date => Arc::new(Date32Array::new(values(slices, column, |bits| bits as i32), nulls)),
        Type::Float64 => Arc::new(Float64Array::new(values(slices, column, |bits| f64::from_bits(bits as u64)), nulls)),
        Type::Bool => {
            let values = values(slices, column, |bits| bits as u8);
            Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(values.len(), |row| values[row] != 0), nulls))
        }
        Type::Text => return Err(Error::internal("text is not packed")),
    })
}

fn values<T: ArrowNativeType>(slices: &[Slice], column: usize, value: impl Fn(i64) -> T) -> ScalarBuffer<T> {
    let mut values = Vec::with_capacity(slices.iter().map(Slice::num_rows).sum());
    for slices in slices.chunks(AHEAD) {
        // Each slice is far from the one before: the beginnings of some come from memory together.
        let first = |slice: &Slice| slice.batch.columns[column].touch(&slice.rows);
        std::hint::black_box(slices.iter().fold(0, |all, slice| all ^ first(slice)));
        slices.iter().for_each(|slice| slice.batch.columns[column].append(&slice.rows, &value, &mut values));
    }
    values.into()
}

fn nulls(slices: &[Slice], column: usize) -> Option<NullBuffer> {
    let of = |slice: &Slice| slice.batch.columns[column].nulls.clone();
    if slices.iter().all(|slice| of(slice).is_none()) {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(slices.iter().map(Slice::num_rows).sum());
    for slice in slices {
        match of(slice) {
            Some(nulls) => valid.append_buffer(nulls.slice(slice.rows.start, slice.num_rows()).inner()),
            None => valid.append_n(slice.num_rows(), true),
        }
    }
    Some(NullBuffer::new(valid.finish()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<i64>, Option<f64>, Option<bool>, Option<i32>);

    fn of_rows(values: &[Row]) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            ("int", Arc::new(values.iter().map(|row| row.0).collect::<Int64Array>()) as _, true),
            ("float", Arc::new(values.iter().map(|row| row.1).collect::<Float64Array>()) as _, true),
            ("bool", Arc::new(values.iter().map(|row| row.2).collect::<BooleanArray>()) as _, true),
            ("date", Arc::new(values.iter().map(|row| row.3).collect::<Date32Array>()) as _, true),
            ("time", Arc::new(values.iter().map(|row| row.0).collect::<TimestampMicrosecondArray>()) as _, true),
        ])
        .unwrap()
    }

    /// Integers of about so many bits, and at both ends.
    fn ints() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was(
            batches in prop::collection::vec(
                prop::collection::vec(
                    (prop::option::weighted(0.9, ints()), any::<Option<f64>>(), any::<Option<bool>>(), any::<Option<i32>>()),
                    0..40,
                ),
                1..4,
            ),
            cuts in prop::collection::vec((0usize..40, 0usize..40), 4),
        ) {
            let batches: Vec<RecordBatch> = batches.iter().map(|rows| of_rows(rows)).collect();
            let packed: Vec<Packed> = batches.iter().map(|batch| Packed::of(batch.columns()).unwrap()).collect();
            let (mut slices, mut expected) = (vec![], vec![]);
            for ((batch, packed), (a, b)) in batches.iter().zip(&packed).zip(&cuts) {
                let (start, end) = ((*a.min(b)).min(batch.num_rows()), (*a.max(b)).min(batch.num_rows()));
                slices.push(Slice { batch: packed, rows: start..end });
                expected.push(batch.slice(start, end - start));
            }
            let schema = batches[0].schema();
            let found = unpack(&schema, &slices).unwrap();
            let expected = arrow::compute::concat_batches(&schema, &expected).unwrap();
            // As text, because no NaN equals another.
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            let floats = |batch: &RecordBatch| -> Vec<Option<u64>> {
                batch.column(1).as_primitive::<Float64Type>().iter().map(|float| float.map(f64::to_bits)).collect()
            };
            prop_assert_eq!(floats(&found), floats(&expected));
            for (batch, packed) in batches.iter().zip(&packed) {
                let ints = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
                for row in 0..batch.num_rows() {
                    prop_assert_eq!(packed.bits(0, row), ints.is_valid(row).then(|| ints.value(row)));
                }
            }
        }
    }

    #[test]
    fn near_values_take_few_bytes() {
        let column = |far: i64| Arc::new(Int64Array::from_iter_values((0..1000).map(|i| (1 << 40) + i % 2 * far))) as _;
        let bytes = |far| Packed::of(&[column(far)]).unwrap().columns[0].bytes();
        let widths = [0, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32].map(bytes);
        assert_eq!(widths, [1000, 1000, 2000, 2000, 4000, 4000, 8000]);
    }
}
