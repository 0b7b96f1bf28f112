//! Rows of fixed width on their way to buckets: every bucket fills a chunk of its own, so that to add a row is to append its values.
//!
//! A chunk that is full goes to its bucket as it is. When chunks were kept, and copied from, they were 84 MB a thread for ten columns:
//! to group ten million rows by six keys took an eighth more time. What is left of it is the kernel's, to give the pages.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};

use super::{BUCKETS, Order};
use crate::batch::{nulls_at, words_width};
use crate::error::Result;

/// The bytes of a chunk, of all its columns: worth keeping as it is, or, where there is little memory, a part of that.
pub(super) const CHUNK_BYTES: [usize; 2] = [1 << 16, 1 << 13];

/// So many rows are added together, bucket by bucket: few enough that their values stay in the cache until the last one.
const AT_ONCE: usize = 1 << 12;

/// A chunk for every bucket.
pub(super) struct Lanes {
    schema: SchemaRef,
    /// The rows of a chunk.
    chunk: usize,
    columns: Vec<Lane>,
    /// How many rows are in the chunk of every bucket.
    filled: Vec<usize>,
}

/// One column of all chunks.
struct Lane {
    /// The words of a row.
    width: usize,
    /// Of every bucket.
    chunks: Vec<Vec<u64>>,
    /// Which rows of every bucket's chunk are null.
    nulls: Vec<Vec<u32>>,
}

/// The words of a value, where that is what all values of this type take.
fn width_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(_, None) => Some(1),
        other => words_width(other),
    }
}

impl Lanes {
    /// The rows of a chunk of so many bytes; `None` where not all columns are whole words.
    pub(super) fn rows_of(schema: &SchemaRef, bytes: usize) -> Option<usize> {
        let words: usize = schema.fields().iter().map(|field| width_of(field.data_type())).sum::<Option<_>>()?;
        (words > 0).then(|| (bytes / (words * size_of::<u64>())).max(1))
    }

    /// With chunks of so many rows.
    pub(super) fn new(schema: SchemaRef, chunk: usize) -> Lanes {
        let widths = schema.fields().iter().filter_map(|field| width_of(field.data_type()));
        let lane = |width| Lane { width, chunks: vec![vec![]; BUCKETS], nulls: vec![vec![]; BUCKETS] };
        let columns = widths.map(lane).collect();
        Lanes { schema, chunk, columns, filled: vec![0; BUCKETS] }
    }

    /// Adds each row to its bucket; `full` gets every chunk that is full.
    pub(super) fn scatter(
        &mut self,
        rows: &RecordBatch,
        buckets: &[u8],
        full: &mut dyn FnMut(usize, RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let columns: Vec<ArrayData> = rows.columns().iter().map(|column| column.to_data()).collect();
        for (nth, buckets) in buckets.chunks(AT_ONCE).enumerate() {
            let order = Order::of(buckets);
            for bucket in order.filled() {
                let mut rows = order.rows(bucket);
                while !rows.is_empty() {
                    let (some, rest) = rows.split_at(rows.len().min(self.chunk - self.filled[bucket]));
                    for (lane, column) in self.columns.iter_mut().zip(&columns) {
                        if self.filled[bucket] == 0 {
                            lane.chunks[bucket].reserve_exact(self.chunk * lane.width);
                        }
                        lane.append(bucket, column, nth * AT_ONCE, some);
                    }
                    self.filled[bucket] += some.len();
                    if self.filled[bucket] == self.chunk {
                        full(bucket, self.take(bucket)?)?;
                    }
                    rows = rest;
                }
            }
        }
        Ok(())
    }

    /// The rows in the chunk of a bucket, which is empty then.
    pub(super) fn take(&mut self, bucket: usize) -> Result<RecordBatch> {
        self.filled[bucket] = 0;
        let columns = self.columns.iter_mut().zip(self.schema.fields());
        let columns = columns.map(|(lane, field)| lane.take(bucket, field.data_type())).collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The buckets with rows in their chunk.
    pub(super) fn filled(&self) -> Vec<usize> {
        (0..BUCKETS).filter(|bucket| self.filled[*bucket] > 0).collect()
    }
}

impl Lane {
    /// Appends these rows of a column, counted from row `start` on, to the chunk of a bucket.
    fn append(&mut self, bucket: usize, column: &ArrayData, start: usize, rows: &[u32]) {
        let words = &column.buffers()[0].typed_data::<u64>()[(column.offset() + start) * self.width..];
        let chunk = &mut self.chunks[bucket];
        if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
            let places = (chunk.len() / self.width) as u32..;
            let null = places.zip(rows).filter(|(_, row)| nulls.is_null(start + **row as usize));
            self.nulls[bucket].extend(null.map(|(place, _)| place));
        }
        match self.width {
            1 => chunk.extend(rows.iter().map(|row| words[*row as usize])),
            width => rows.iter().for_each(|row| chunk.extend_from_slice(&words[*row as usize * width..][..width])),
        }
    }

    fn take(&mut self, bucket: usize, data_type: &DataType) -> Result<ArrayRef> {
        let mut words = std::mem::take(&mut self.chunks[bucket]);
        if words.len() < words.capacity() {
            // To shrink it where it is would leave gaps that no chunk fits.
            words = words.as_slice().to_vec();
        }
        let rows = words.len() / self.width;
        let nulls = nulls_at(&std::mem::take(&mut self.nulls[bucket]), rows);
        let values = Buffer::from_vec(words);
        let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(values).nulls(nulls).build()?;
        Ok(Arc::new(make_array(data)))
    }
}
