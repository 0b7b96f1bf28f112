//! Rows of several batches, picked in any order, as one batch in memory of its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType};

use super::order::Place;
use crate::error::Result;
use crate::expr::Type;
use crate::ops::collect::compact_column;

/// These rows of the batches, in this order.
pub(super) fn gather(schema: &SchemaRef, batches: &[RecordBatch], places: &[Place]) -> Result<RecordBatch> {
    let column = |i: usize| -> Result<ArrayRef> {
        let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(i)).collect();
        Ok(match Type::of(schema.field(i).data_type()) {
            Some(Type::Int64) => Arc::new(pick::<Int64Type>(&arrays, places)),
            Some(Type::Float64) => Arc::new(pick::<Float64Type>(&arrays, places)),
            Some(Type::Timestamp) => Arc::new(pick::<TimestampMicrosecondType>(&arrays, places)),
            Some(Type::Date) => Arc::new(pick::<Date32Type>(&arrays, places)),
            _ => {
                let arrays: Vec<&dyn Array> = arrays.into_iter().map(AsRef::as_ref).collect();
                let places: Vec<_> = places.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
                compact_column(&interleave(&arrays, &places)?)?
            }
        })
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn pick<T: ArrowPrimitiveType>(arrays: &[&ArrayRef], places: &[Place]) -> PrimitiveArray<T> {
    let values: Vec<&[T::Native]> = arrays.iter().map(|array| array.as_primitive::<T>().values().as_ref()).collect();
    let picked: Vec<T::Native> = match values[..] {
        [values] => places.iter().map(|(_, row)| values[*row as usize]).collect(),
        _ => places.iter().map(|(batch, row)| values[*batch as usize][*row as usize]).collect(),
    };
    let nulls: Vec<Option<&NullBuffer>> = arrays.iter().map(|array| array.nulls()).collect();
    let nulls = nulls.iter().any(Option::is_some).then(|| {
        let valid = |i: usize| {
            let (batch, row) = places[i];
            nulls[batch as usize].is_none_or(|nulls| nulls.is_valid(row as usize))
        };
        NullBuffer::new(BooleanBuffer::collect_bool(places.len(), valid))
    });
    PrimitiveArray::new(picked.into(), nulls)
}
