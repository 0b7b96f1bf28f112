//! Batches that take little memory: integers, and decimals as such, in as few bytes as their range needs. Text is not packed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Date32Array, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Float64Type, SchemaRef};

use crate::batch::{Narrow, Places};
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::key::{as_ints, float_to_int, kind_of};

/// Columns of as many rows.
pub(super) struct Packed {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    /// Of a float that is no decimal, its bits.
    narrow: Narrow,
    floats: Floats,
    nulls: Option<NullBuffer>,
}

/// What the integers of a column are of its floats.
#[derive(Clone, Copy)]
enum Floats {
    None,
    Bits,
    Decimals(Places),
}

/// So many slices are looked at together.
const AHEAD: usize = 16;
const LINES_AHEAD: usize = 4;

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

    /// The integer that orders as a value does; none for a null.
    #[inline]
    pub(super) fn int(&self, column: usize, row: usize) -> Option<i64> {
        let Column { narrow, floats, nulls } = &self.columns[column];
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        valid.then(|| match floats {
            Floats::None => narrow.get(row),
            floats => float_to_int(floats.float(narrow.get(row))),
        })
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
        let Some(array) = array.as_primitive_opt::<Float64Type>() else {
            return Ok(Column { narrow: Narrow::new(as_ints(array, scratch)?), floats: Floats::None, nulls });
        };
        let floats = match Places::of(array.values(), scratch) {
            Some(places) => Floats::Decimals(places),
            None => {
                scratch.clear();
                scratch.extend(array.values().iter().map(|float| float.to_bits() as i64));
                Floats::Bits
            }
        };
        Ok(Column { narrow: Narrow::new(scratch), floats, nulls })
    }

    fn bytes(&self) -> usize {
        self.narrow.bytes() + self.nulls.as_ref().map_or(0, |nulls| nulls.buffer().len())
    }
}

fn column(slices: &[Slice], column: usize, kind: Type) -> Result<ArrayRef> {
    let nulls = nulls(slices, column);
    Ok(match kind {
        Type::Int64 => Arc::new(Int64Array::new(ints(slices, column), nulls)),
        Type::Timestamp => Arc::new(TimestampMicrosecondArray::new(ints(slices, column), nulls)),
        Type::Date => Arc::new(Date32Array::new(values(slices, column, |_, day| day as i32), nulls)),
        Type::Float64 => Arc::new(Float64Array::new(values(slices, column, Floats::float), nulls)),
        Type::Bool => {
            let values = values(slices, column, |_, value| value as u8);
            Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(values.len(), |row| values[row] != 0), nulls))
        }
        Type::Text => return Err(Error::internal("text is not packed")),
    })
}

fn ints(slices: &[Slice], column: usize) -> ScalarBuffer<i64> {
    let mut ints = Vec::with_capacity(slices.iter().map(Slice::num_rows).sum());
    for_slices(slices, column, |column, rows| column.narrow.append(rows, &mut ints));
    ints.into()
}

fn values<T: ArrowNativeType>(slices: &[Slice], column: usize, value: impl Fn(Floats, i64) -> T) -> ScalarBuffer<T> {
    let mut values = Vec::with_capacity(slices.iter().map(Slice::num_rows).sum());
    let mut ints = Vec::new();
    for_slices(slices, column, |column, rows| {
        ints.clear();
        column.narrow.append(rows, &mut ints);
        let floats = column.floats;
        values.extend(ints.iter().map(|int| value(floats, *int)));
    });
    values.into()
}

/// Visits a column of each slice.
fn for_slices(slices: &[Slice], column: usize, mut f: impl FnMut(&Column, Range<usize>)) {
    for slices in slices.chunks(AHEAD) {
        // Each slice is far from the one before: the beginnings of some come from memory together.
        let first = |slice: &Slice| slice.batch.columns[column].narrow.touch(&slice.rows, LINES_AHEAD);
        std::hint::black_box(slices.iter().fold(0, |all, slice| all ^ first(slice)));
        slices.iter().for_each(|slice| f(&slice.batch.columns[column], slice.rows.clone()));
    }
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
                    prop_assert_eq!(packed.int(0, row), ints.is_valid(row).then(|| ints.value(row)));
                }
            }
        }
    }

    #[test]
    fn decimals_take_few_bytes() {
        let column =
            |scale: f64| Arc::new(Float64Array::from_iter_values((0..1000).map(|i| f64::from(i) / scale))) as _;
        let bytes = |scale| Packed::of(&[column(scale)]).unwrap().columns[0].bytes();
        assert_eq!([1.0, 1000.0, 7.0].map(bytes), [2000, 2000, 8000]);
    }
}
