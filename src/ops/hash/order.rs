//! Which bucket a row is in, and the rows of each.

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::{BITS, BUCKETS};
use crate::batch::INLINE;
use crate::error::Result;
use crate::ops::key::as_ints;

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
        let (texts, hasher) = (key.as_string_view(), RandomState::with_seeds(1, 2, 3, 4));
        let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
        for (row, (hash, view)) in hashes.iter_mut().zip(texts.views()).enumerate() {
            *hash = match *view as u32 as usize {
                _ if nulls.is_some_and(|nulls| nulls.is_null(row)) => mix(*hash, NULL),
                // Short texts are all in their views, with zeros behind them.
                ..=INLINE => mix(*hash ^ *view as u64, (view >> 64) as u64),
                _ => mix(*hash, hasher.hash_one(texts.value(row))),
            };
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
