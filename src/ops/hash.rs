//! Rows in buckets, by a hash of their keys: what has equal keys comes together, however much there is of it.
//!
//! A bucket that is still too large is cut again by other bits of the hash, its *level*.

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef};

use super::collect::{CollectOp, CollectState};
use super::key::as_ints;
use super::{Batches, Reducer};
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
        HashBuckets { collect, buckets, starts: vec![vec![]; BUCKETS] }
    }

    /// Adds rows at the end of a bucket.
    pub(crate) fn push(&mut self, bucket: usize, rows: &RecordBatch) -> Result<()> {
        self.collect.update(&mut self.buckets[bucket], rows)?;
        Ok(())
    }

    /// Adds each row to the bucket of its keys.
    pub(crate) fn scatter(&mut self, rows: &RecordBatch, keys: &[ArrayRef], level: u32) -> Result<()> {
        let order = Order::of(&buckets_of(keys, rows.num_rows(), level)?);
        for bucket in order.filled() {
            let rows = take_record_batch(rows, &UInt32Array::from(order.rows(bucket).to_vec()))?;
            self.push(bucket, &rows)?;
        }
        Ok(())
    }

    /// Adds the rows of `later` at the end, bucket by bucket; `before` is how many rows came before that state, where that counts.
    pub(crate) fn append(&mut self, later: HashBuckets, before: i64) -> Result<()> {
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
    pub(crate) fn into_buckets(self) -> Result<Vec<Bucket>> {
        let buckets = self.buckets.into_iter().zip(self.starts);
        buckets.map(|(rows, starts)| Ok(Bucket { rows: self.collect.rows(rows)?, starts })).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.buckets.iter().map(|bucket| self.collect.bytes(bucket)).sum()
    }
}

/// The numbers of rows, bucket by bucket, in their order within each.
pub(crate) struct Order {
    rows: Vec<u32>,
    /// Where the rows of every bucket end.
    ends: [u32; BUCKETS],
}

impl Order {
    /// From the bucket of every row.
    pub(crate) fn of(buckets: &[u8]) -> Order {
        let mut ends = [0u32; BUCKETS];
        buckets.iter().for_each(|bucket| ends[usize::from(*bucket)] += 1);
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        let mut rows = vec![0; buckets.len()];
        for (row, bucket) in (0..).zip(buckets) {
            let end = &mut ends[usize::from(*bucket)];
            rows[*end as usize] = row;
            *end += 1;
        }
        Order { rows, ends }
    }

    pub(crate) fn rows(&self, bucket: usize) -> &[u32] {
        let start = if bucket == 0 { 0 } else { self.ends[bucket - 1] };
        &self.rows[start as usize..self.ends[bucket] as usize]
    }

    /// The buckets that have rows.
    pub(crate) fn filled(&self) -> impl Iterator<Item = usize> {
        (0..BUCKETS).filter(|bucket| !self.rows(*bucket).is_empty())
    }
}

/// The bucket of every row at a level below [`LEVELS`], by its keys. Without keys, all are in the first.
pub(crate) fn buckets_of(keys: &[ArrayRef], rows: usize, level: u32) -> Result<Vec<u8>> {
    if keys.is_empty() {
        return Ok(vec![0; rows]);
    }
    // So few rows at a time that their hashes stay in the cache.
    const ROWS: usize = 1 << 12;
    let (mut hashes, mut scratch, mut buckets) = (Vec::new(), Vec::new(), Vec::with_capacity(rows));
    let shift = 64 - BITS * (level + 1);
    for start in (0..rows).step_by(ROWS) {
        let length = ROWS.min(rows - start);
        hashes.clear();
        hashes.resize(length, 0);
        keys.iter().try_for_each(|key| hash(&key.slice(start, length), &mut hashes, &mut scratch))?;
        buckets.extend(hashes.iter().map(|hash| (hash >> shift) as u8 & (BUCKETS - 1) as u8));
    }
    Ok(buckets)
}

/// Mixes the values of one more key into the hashes of rows.
fn hash(key: &ArrayRef, hashes: &mut [u64], scratch: &mut Vec<i64>) -> Result<()> {
    const NULL: u64 = 0x5bd1_e995_7f4a_7c15;
    if *key.data_type() == DataType::Utf8View {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        for (hash, text) in hashes.iter_mut().zip(key.as_string_view()) {
            *hash = mix(*hash, text.map_or(NULL, |text| hasher.hash_one(text)));
        }
        return Ok(());
    }
    let values = as_ints(key, scratch)?;
    match key.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => hashes.iter_mut().zip(values).for_each(|(hash, value)| *hash = mix(*hash, *value as u64)),
        Some(nulls) => {
            for (row, (hash, value)) in hashes.iter_mut().zip(values).enumerate() {
                *hash = mix(*hash, if nulls.is_valid(row) { *value as u64 } else { NULL });
            }
        }
    }
    Ok(())
}

/// Both halves of a product of 128 bits: every bit of either reaches every bit of the hash.
fn mix(hash: u64, value: u64) -> u64 {
    let product =
        u128::from(hash ^ value ^ 0xa076_1d64_78bd_642f) * u128::from(value.rotate_left(32) ^ 0xe703_7ed1_a0b4_28db);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringViewArray};
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
