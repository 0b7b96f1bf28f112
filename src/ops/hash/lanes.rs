//! Rows of numbers on their way to buckets: every bucket fills a chunk of its own, column by column, so that to add a row is
//! to store its values.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, SchemaRef};

use super::BUCKETS;
use crate::error::Result;

/// The rows of a chunk: of a batch worth keeping as it is, or, where there is little memory, of a part of one.
pub(super) const CHUNKS: [usize; 2] = [1 << 12, 1 << 9];

/// A chunk for every bucket.
pub(super) struct Lanes {
    schema: SchemaRef,
    /// The rows of a chunk.
    chunk: usize,
    columns: Vec<Lane>,
    /// How many rows are in the chunk of every bucket.
    filled: Vec<u32>,
    /// Where the rows at hand go; kept for its room.
    places: Vec<u32>,
}

/// One column of all chunks, side by side.
struct Lane {
    /// The rows of a chunk.
    chunk: usize,
    values: Vec<u64>,
    /// A bit for every value that is null, from the first null on.
    nulls: Vec<u64>,
}

impl Lanes {
    /// The bytes of chunks for these columns; `None` where not all of them have 8 bytes a value.
    pub(super) fn bytes_for(schema: &SchemaRef, chunk: usize) -> Option<usize> {
        let wide = |data_type: &DataType| {
            matches!(data_type, DataType::Int64 | DataType::Float64 | DataType::Timestamp(_, None))
        };
        let columns = schema.fields().len();
        let fits = columns > 0 && schema.fields().iter().all(|field| wide(field.data_type()));
        fits.then_some(BUCKETS * chunk * columns * (size_of::<u64>() + 1))
    }

    /// With chunks of so many rows, a multiple of 64.
    pub(super) fn new(schema: SchemaRef, chunk: usize) -> Lanes {
        let lane = |_: &_| Lane { chunk, values: vec![0; BUCKETS * chunk], nulls: vec![] };
        let columns = schema.fields().iter().map(lane).collect();
        Lanes { schema, chunk, columns, filled: vec![0; BUCKETS], places: vec![] }
    }

    /// Adds each row to its bucket; `full` gets every chunk that is full.
    pub(super) fn scatter(
        &mut self,
        rows: &RecordBatch,
        buckets: &[u8],
        full: &mut dyn FnMut(usize, RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let columns: Vec<ArrayData> = rows.columns().iter().map(|column| column.to_data()).collect();
        let mut start = 0;
        while start < buckets.len() {
            self.places.clear();
            let mut filled = None;
            for bucket in &buckets[start..] {
                let bucket = usize::from(*bucket);
                let at = self.filled[bucket];
                self.places.push((bucket * self.chunk) as u32 + at);
                self.filled[bucket] = at + 1;
                if at as usize + 1 == self.chunk {
                    filled = Some(bucket);
                    break;
                }
            }
            for (lane, column) in self.columns.iter_mut().zip(&columns) {
                lane.store(column, start, &self.places);
            }
            start += self.places.len();
            if let Some(bucket) = filled {
                full(bucket, self.take(bucket)?)?;
            }
        }
        Ok(())
    }

    /// The rows in the chunk of a bucket, which is empty then.
    pub(super) fn take(&mut self, bucket: usize) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.filled[bucket]) as usize;
        let fields = self.schema.fields().iter();
        let columns = self.columns.iter_mut().zip(fields);
        let columns = columns.map(|(lane, field)| lane.take(bucket, rows, field.data_type())).collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The buckets with rows in their chunk.
    pub(super) fn filled(&self) -> Vec<usize> {
        (0..BUCKETS).filter(|bucket| self.filled[*bucket] > 0).collect()
    }
}

impl Lane {
    /// Stores the values of a column, from row `start` on, at these places.
    fn store(&mut self, column: &ArrayData, start: usize, places: &[u32]) {
        let values = &column.buffers()[0].typed_data::<u64>()[column.offset() + start..];
        for (place, value) in places.iter().zip(values) {
            self.values[*place as usize] = *value;
        }
        let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) else { return };
        if self.nulls.is_empty() {
            self.nulls = vec![0; self.values.len() / 64];
        }
        for (row, place) in places.iter().enumerate() {
            let null = u64::from(nulls.is_null(start + row));
            self.nulls[*place as usize / 64] |= null << (place % 64);
        }
    }

    fn take(&mut self, bucket: usize, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let start = bucket * self.chunk;
        let values = Buffer::from_slice_ref(&self.values[start..start + rows]);
        let nulls = self.nulls.get_mut(start / 64..(start + self.chunk) / 64).map(|words| {
            let valid: Vec<u64> = words.iter().map(|word| !word).collect();
            words.fill(0);
            NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(valid), 0, rows))
        });
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(values).nulls(nulls).build()?;
        Ok(Arc::new(make_array(data)))
    }
}
