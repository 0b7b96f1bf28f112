//! Rows sent to buckets by key: all rows of equal key to the same one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;

use super::collect::{CollectOp, CollectState};
use super::key::{KeyColumn, Rows, encode};
use super::{Batches, Flow, Reducer};
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::mem::{Part, Reservation};

/// Collects rows in buckets, in their order within each.
pub(crate) struct RouteOp {
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    layout: Vec<KeyColumn>,
    buckets: usize,
}

/// The rows of each bucket, to be taken out one by one.
pub(crate) struct Buckets(Vec<Mutex<Option<Batches>>>);

impl Buckets {
    pub(crate) fn new(buckets: impl Iterator<Item = Batches>) -> Buckets {
        Buckets(buckets.map(|rows| Mutex::new(Some(rows))).collect())
    }

    /// Takes the rows of a bucket.
    pub(crate) fn take(&self, bucket: usize) -> Result<Batches> {
        let rows = self.0.get(bucket).and_then(|rows| lock(rows).take());
        rows.ok_or_else(|| Error::internal("a bucket is not there, or was taken twice"))
    }
}

fn lock(rows: &Mutex<Option<Batches>>) -> MutexGuard<'_, Option<Batches>> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part for Buckets {
    fn bytes(&self) -> usize {
        self.0.iter().map(|rows| lock(rows).as_ref().map_or(0, Batches::bytes)).sum()
    }
}

impl RouteOp {
    pub(crate) fn new(schema: SchemaRef, keys: Vec<BoundExpr>, buckets: usize) -> RouteOp {
        let layout = keys.iter().map(|key| KeyColumn::ascending(key.kind())).collect();
        RouteOp { collect: CollectOp::new(schema, 0, None), keys, layout, buckets }
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets
    }
}

impl Reducer for RouteOp {
    const HOLDS: &'static str = "rows to repartition";
    const SPILLS: bool = true;
    type State = Vec<CollectState>;
    type Output = Buckets;

    fn schema(&self) -> &SchemaRef {
        self.collect.schema()
    }

    fn new_state(&self, memory: Reservation) -> Vec<CollectState> {
        (0..self.buckets).map(|_| self.collect.new_state(memory.sibling())).collect()
    }

    fn update(&self, state: &mut Vec<CollectState>, batch: &RecordBatch) -> Result<Flow> {
        let columns = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut keys = Rows::default();
        encode(&columns, &self.layout, &mut keys)?;
        let mut rows: Vec<Vec<u32>> = vec![vec![]; self.buckets];
        for (row, key) in (0u32..).zip(keys.iter()) {
            rows[(hash(key) % self.buckets as u64) as usize].push(row);
        }
        for (bucket, rows) in state.iter_mut().zip(rows).filter(|(_, rows)| !rows.is_empty()) {
            self.collect.update(bucket, &take_record_batch(batch, &UInt32Array::from(rows))?)?;
        }
        Ok(Flow::More)
    }

    fn merge(&self, _: &mut Vec<CollectState>, _: Vec<CollectState>) -> Result<()> {
        Err(Error::internal("partitions are routed one by one"))
    }

    fn finish(&self, state: Vec<CollectState>) -> Result<Buckets> {
        let buckets = state.into_iter().map(|bucket| self.collect.finish(bucket));
        Ok(Buckets::new(buckets.collect::<Result<Vec<_>>>()?.into_iter()))
    }

    fn bytes(&self, state: &Vec<CollectState>) -> usize {
        state.iter().map(|bucket| self.collect.bytes(bucket)).sum()
    }
}

/// FNV-1a with its bits mixed at the end. The libraries' hashes differ from machine to machine; in which partition a row stands
/// does not.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_spread_and_stay_what_they_are() {
        let mut counts = [0; 7];
        (0..7000u64).for_each(|i| counts[(hash(&i.to_be_bytes()) % 7) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        // A row's partition is part of the answer: this value may not change.
        assert_eq!(hash(b"partita"), 0xbdec_08be_2365_36ba);
    }
}
