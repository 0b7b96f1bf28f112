//! Rows in buckets, by a hash of their keys: what has equal keys comes together, however much there is of it.
//!
//! A bucket that is still too large is cut again by other bits of the hash, its *level*.

mod lanes;
mod order;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;

use self::lanes::{Chunks, Lanes};
pub(crate) use self::order::{Order, buckets_of};
use super::collect::{CollectOp, CollectState, compact};
use super::{Batches, Reducer, output_rows};
use crate::error::Result;
use crate::mem::Reservation;

/// How many buckets there are at a level.
pub(crate) const BUCKETS: usize = 1 << BITS;
const BITS: u32 = 8;
/// The levels that 64 bits have.
pub(crate) const LEVELS: u32 = 64 / BITS;

/// Rows in buckets, in their order within each.
pub(crate) struct HashBuckets {
    collect: CollectOp,
    buckets: Vec<CollectState>,
    /// Of every bucket, where a state's rows begin, and how many rows came before that state, where any did.
    starts: Vec<Vec<(usize, i64)>>,
    coming: Coming,
    /// Books what is coming.
    memory: Reservation,
}

/// Rows on their way to the buckets: to give each bucket the few rows of a batch that are its own would cost more than they are.
enum Coming {
    /// Nothing yet, or not any more.
    Nothing,
    /// Rows of numbers, and of words.
    Lanes(Box<Lanes>, Chunks),
    /// Rows of any kind, and their buckets.
    Rows { batches: Vec<RecordBatch>, buckets: Vec<u8> },
}

/// The rows of a bucket.
pub(crate) struct Bucket {
    pub rows: Batches,
    starts: Vec<(usize, i64)>,
}

impl Bucket {
    /// The rows, a batch at a time, each with how many rows came before the state that it is of.
    pub(crate) fn into_batches(self) -> impl Iterator<Item = Result<(RecordBatch, i64)>> {
        let (all, mut at, starts) = (0..self.rows.num_rows(), 0, self.starts);
        self.rows.into_range(all).map(move |batch| {
            let batch = batch?;
            let before = starts.iter().rev().find(|(start, _)| *start <= at).map_or(0, |(_, before)| *before);
            at += batch.num_rows();
            Ok((batch, before))
        })
    }
}

impl HashBuckets {
    pub(crate) fn new(schema: SchemaRef, memory: &Reservation) -> HashBuckets {
        let collect = CollectOp::new(schema, 0, None);
        let buckets = (0..BUCKETS).map(|_| collect.new_state(memory.sibling())).collect();
        let (starts, memory) = (vec![vec![]; BUCKETS], memory.sibling());
        HashBuckets { collect, buckets, starts, coming: Coming::Nothing, memory }
    }

    /// Adds rows at the end of a bucket.
    pub(crate) fn push(&mut self, bucket: usize, rows: &RecordBatch) -> Result<()> {
        self.settle()?;
        self.collect.update(&mut self.buckets[bucket], rows)?;
        Ok(())
    }

    /// Adds each row to the bucket of its keys.
    pub(crate) fn scatter(&mut self, rows: &RecordBatch, keys: &[ArrayRef], level: u32) -> Result<()> {
        let buckets = buckets_of(keys, rows.num_rows(), level)?;
        self.scatter_to(rows, buckets)
    }

    /// Adds each row to its bucket.
    pub(crate) fn scatter_to(&mut self, rows: &RecordBatch, of_rows: Vec<u8>) -> Result<()> {
        let schema = self.collect.schema();
        if let Coming::Nothing = self.coming {
            let memory = &mut self.memory;
            let mut room = |chunks| {
                let (rows, bytes) = Lanes::room_for(schema, chunks)?;
                let booked = match chunks {
                    Chunks::Large => memory.try_resize_within_half(bytes),
                    Chunks::Small => memory.try_resize_to_gather(bytes),
                };
                booked.then(|| Coming::Lanes(Box::new(Lanes::new(schema.clone(), rows)), chunks))
            };
            if let Some(lanes) = room(Chunks::Large).or_else(|| room(Chunks::Small)) {
                self.coming = lanes;
            }
        }
        if let Coming::Lanes(lanes, chunks) = &mut self.coming {
            let (collect, buckets) = (&self.collect, &mut self.buckets);
            return lanes.scatter(rows, &of_rows, &mut |bucket, rows| match chunks {
                Chunks::Large => collect.keep(&mut buckets[bucket], rows),
                Chunks::Small => collect.update(&mut buckets[bucket], &rows).map(drop),
            });
        }
        let rows = compact(rows)?;
        let bytes = self.memory.bytes() + rows.get_array_memory_size() + of_rows.len();
        let Coming::Rows { batches, buckets } = &mut self.coming else {
            self.coming = Coming::Rows { batches: vec![rows], buckets: of_rows };
            // They are copied when they go to their buckets.
            return if self.memory.try_resize_to_gather(2 * bytes) { Ok(()) } else { self.settle() };
        };
        batches.push(rows);
        buckets.extend(of_rows);
        let most = 2 * output_rows(buckets.len(), bytes);
        let enough = buckets.len() >= most || !self.memory.try_resize_to_gather(2 * bytes);
        if enough { self.settle() } else { Ok(()) }
    }

    /// Brings the rows on their way to the buckets, and lets go of the room that they took.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.coming, Coming::Nothing) {
            Coming::Nothing => return Ok(()),
            Coming::Lanes(mut lanes, _) => {
                for bucket in lanes.filled() {
                    self.collect.update(&mut self.buckets[bucket], &lanes.take(bucket)?)?;
                }
            }
            Coming::Rows { batches, buckets } => {
                let rows = concat_batches(self.collect.schema(), &batches)?;
                drop(batches);
                let order = Order::of(&buckets);
                for bucket in order.filled() {
                    let rows = take_record_batch(&rows, &UInt32Array::from(order.rows(bucket).to_vec()))?;
                    self.collect.update(&mut self.buckets[bucket], &rows)?;
                }
            }
        }
        self.memory.try_resize(0)
    }

    /// Adds the rows of `later` at the end, bucket by bucket; `before` is how many rows came before that state, where that counts.
    pub(crate) fn append(&mut self, mut later: HashBuckets, before: i64) -> Result<()> {
        self.settle()?;
        later.settle()?;
        let buckets = self.buckets.iter_mut().zip(&mut self.starts);
        for ((bucket, starts), (later, of_later)) in buckets.zip(later.buckets.into_iter().zip(later.starts)) {
            let at = self.collect.num_rows(bucket);
            starts.extend(Some((at, before)).filter(|_| before > 0));
            starts.extend(of_later.into_iter().map(|(start, rows)| (at + start, before + rows)));
            self.collect.merge(bucket, later)?;
        }
        Ok(())
    }

    /// All buckets.
    pub(crate) fn into_buckets(mut self) -> Result<Vec<Bucket>> {
        self.settle()?;
        let buckets = self.buckets.into_iter().zip(self.starts);
        buckets.map(|(rows, starts)| Ok(Bucket { rows: self.collect.rows(rows)?, starts })).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes() + self.buckets.iter().map(|bucket| self.collect.bytes(bucket)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Float64Array, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::mem::Budget;

    #[test]
    fn equal_keys_meet_at_every_level_and_others_part() {
        let ints: ArrayRef = Arc::new((0..64_000).map(|i| (i % 9 > 0).then_some(i / 2)).collect::<Int64Array>());
        let texts: ArrayRef =
            Arc::new((0..64_000).map(|i| Some(format!("text {}", i / 2))).collect::<StringViewArray>());
        let floats: ArrayRef = Arc::new(
            (0..64_000).map(|i| Some(if i % 2 == 0 { 0.0 } else { -0.0 } * i as f64)).collect::<Float64Array>(),
        );
        for keys in [vec![ints.clone()], vec![texts.clone()], vec![ints, texts]] {
            for level in 0..LEVELS {
                let buckets = buckets_of(&keys, 64_000, level).unwrap();
                let order = Order::of(&buckets);
                let sizes: Vec<usize> = (0..BUCKETS).map(|bucket| order.rows(bucket).len()).collect();
                assert_eq!(sizes.iter().sum::<usize>(), 64_000);
                if keys.len() > 1 || keys[0].null_count() == 0 {
                    assert!(sizes.iter().all(|size| (100..500).contains(size)), "{level} {sizes:?}");
                }
                let mut of_key: HashMap<String, u8> = HashMap::new();
                for (row, bucket) in buckets.iter().enumerate() {
                    let key = |key: &ArrayRef| arrow::util::display::array_value_to_string(key, row).unwrap();
                    let key: Vec<String> = keys.iter().map(key).collect();
                    assert_eq!(of_key.entry(key.join("|")).or_insert(*bucket), bucket);
                }
            }
        }
        assert!(buckets_of(&[floats], 64_000, 0).unwrap().windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(buckets_of(&[], 3, 0).unwrap(), [0, 0, 0]);
    }

    #[test]
    fn rows_keep_their_order_in_buckets() {
        let rows = |first: i64, rows: i64| {
            RecordBatch::try_from_iter_with_nullable([
                (
                    "k",
                    Arc::new(Int64Array::from_iter_values((first..first + rows).map(|i| i % 1000))) as ArrayRef,
                    true,
                ),
                ("row", Arc::new(Int64Array::from_iter_values(first..first + rows)), true),
            ])
            .unwrap()
        };
        for limit in [0, 1 << 18, 1 << 28] {
            let budget = Budget::of(limit);
            let memory = budget.reserve("rows");
            let mut all = HashBuckets::new(rows(0, 0).schema(), &memory);
            for start in (0..200_000).step_by(40_000) {
                let mut later = HashBuckets::new(rows(0, 0).schema(), &memory);
                for first in (start..start + 40_000).step_by(10_000) {
                    let batch = rows(first, 10_000);
                    later.scatter(&batch, &batch.columns()[..1], 0).unwrap();
                }
                all.append(later, start).unwrap();
            }
            let mut seen = vec![];
            for bucket in all.into_buckets().unwrap() {
                let size = bucket.rows.num_rows();
                let mut got: Vec<i64> = vec![];
                for (batch, before) in bucket.into_batches().map(Result::unwrap) {
                    let rows = batch.column(1).as_primitive::<Int64Type>().values();
                    assert!(rows.iter().all(|row| (before..before + 40_000).contains(row)), "{before}");
                    got.extend(rows);
                }
                assert!(got.is_sorted() && got.len() == size);
                seen.extend(got);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..200_000).collect::<Vec<_>>());
            assert_eq!(budget.used(), 0);
        }
    }
}
