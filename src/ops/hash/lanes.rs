//! Rows of fixed width on their way to buckets: every bucket fills a chunk of its own, so that to add a row is to append its values.
//!
//! A chunk that is full goes to its bucket as it is. When chunks were kept, and copied from, they were 84 MB a thread for ten columns:
//! to group ten million rows by six keys took an eighth more time. What is left of it is the kernel's, to give the pages.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, SchemaRef};

use super::{BUCKETS, Order};
use crate::batch::words_width;
use crate::error::Result;

/// About how large chunks are.
#[derive(Clone, Copy)]
pub(super) enum Chunks {
    /// Worth keeping as they are.
    Large,
    /// For little memory; some of them are joined later.
    Small,
}

impl Chunks {
    /// The bytes of a chunk, of all its columns, and the fewest rows: of fewer, what is known of a chunk would be as much as they are.
    fn bounds(self) -> (usize, usize) {
        match self {
            Chunks::Large => (1 << 16, 1 << 8),
            Chunks::Small => (1 << 13, 1 << 6),
        }
    }
}

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
    /// A bit for every row of its chunk that is null, from the first null on.
    nulls: Vec<Vec<u64>>,
}

/// The words of a value, where that is what all values of this type take.
fn width_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(_, None) => Some(1),
        other => words_width(other),
    }
}

impl Lanes {
    /// How many rows a chunk has, and what all chunks take; `None` where not all columns are whole words.
    pub(super) fn room_for(schema: &SchemaRef, chunks: Chunks) -> Option<(usize, usize)> {
        let fields = schema.fields();
        let words: usize = fields.iter().map(|field| width_of(field.data_type())).sum::<Option<_>>()?;
        let (bytes, fewest) = chunks.bounds();
        // A byte a value is more than enough for nulls.
        let row = words * size_of::<u64>() + fields.len();
        (words > 0).then(|| {
            let rows = (bytes / row).max(fewest);
            (rows, BUCKETS * rows * row)
        })
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
            let bits = &mut self.nulls[bucket];
            let places = chunk.len() / self.width..;
            for (place, _) in places.zip(rows).filter(|(_, row)| nulls.is_null(start + **row as usize)) {
                if bits.is_empty() {
                    bits.resize((chunk.capacity() / self.width).div_ceil(64), 0);
                }
                bits[place / 64] |= 1 << (place % 64);
            }
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
        let mut nulls = std::mem::take(&mut self.nulls[bucket]);
        nulls.iter_mut().for_each(|word| *word = !*word);
        let nulls = (!nulls.is_empty()).then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(nulls), 0, rows)));
        let values = Buffer::from_vec(words);
        let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(values).nulls(nulls).build()?;
        Ok(Arc::new(make_array(data)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, TimestampMicrosecondArray};
    use arrow::compute::concat_batches;
    use proptest::prelude::*;

    use super::*;
    use crate::batch::words_column;

    /// One column of each kind, behind some rows that are cut off.
    fn batch(rows: usize, first: i64) -> RecordBatch {
        let values = || (first - 3..first + rows as i64).map(|row| (row % 7 != 2).then_some(row));
        let columns: [(&str, ArrayRef); 4] = [
            ("int", Arc::new(values().collect::<Int64Array>())),
            ("float", Arc::new(values().map(|v| v.map(|v| v as f64 / 3.0)).collect::<Float64Array>())),
            ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(first - 3..first + rows as i64))),
            ("words", words_column((0..3 * (rows as u64 + 3)).map(|word| word * first as u64).collect(), 3).unwrap()),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
            .unwrap()
            .slice(3, rows)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The twin: the rows of each bucket, taken from each batch.
        #[test]
        fn rows_are_in_their_buckets_in_order(
            batches in prop::collection::vec(prop_oneof![0usize..40, Just(9000usize)], 1..6),
            chunk in prop::sample::select(vec![1usize, 3, 64, 500]),
            buckets in 1u64..20,
        ) {
            let schema = batch(0, 3).schema();
            let mut lanes = Lanes::new(schema.clone(), chunk);
            let mut found: Vec<Vec<RecordBatch>> = vec![vec![]; BUCKETS];
            let mut expected = found.clone();
            let mut first = 3;
            for rows in batches {
                let batch = batch(rows, first);
                let of_rows: Vec<u8> = (first as u64..).take(rows).map(|row| (row * row % buckets) as u8).collect();
                lanes.scatter(&batch, &of_rows, &mut |bucket, rows| {
                    assert_eq!(rows.num_rows(), chunk);
                    found[bucket].push(rows);
                    Ok(())
                }).unwrap();
                for (row, bucket) in of_rows.iter().enumerate() {
                    expected[usize::from(*bucket)].push(batch.slice(row, 1));
                }
                first += rows as i64;
            }
            for bucket in lanes.filled() {
                found[bucket].push(lanes.take(bucket).unwrap());
            }
            prop_assert!(lanes.filled().is_empty());
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert_eq!(concat_batches(&schema, found).unwrap(), concat_batches(&schema, expected).unwrap());
            }
        }
    }
}
