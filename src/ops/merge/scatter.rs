//! Rows sent to buckets by a hash of their keys, so that a merge can go bucket by bucket.
//!
//! Each batch is cut by bucket while it is in the cache; the slices wait until they are worth a block in every bucket. (To pick rows out of
//! all batches that wait took more than a quarter of a merge in little memory.) Rows keep their order, and get a number to bring back the
//! order of all rows by. How rows fall into buckets shows in no answer.

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_arrays};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::mem::{Part, Reservation};
use crate::ops::collect::{batch_bytes, compact};
use crate::ops::key::as_ints;
use crate::ops::{Batches, Buckets, Flow, Reducer};

/// Sends rows to buckets.
pub(crate) struct ScatterOp {
    schema: SchemaRef,
    keys: Vec<BoundExpr>,
    nulls_equal: bool,
    buckets: usize,
    /// Tells this cut into buckets from others of the same keys.
    seed: u64,
    /// Whether rows get their numbers here, in a column behind the others.
    numbers: bool,
}

/// Rows on their way to buckets.
pub(crate) struct ScatterState {
    /// The number of the next row.
    next: i64,
    /// Slices of batches, by bucket.
    waiting: Vec<Vec<RecordBatch>>,
    bytes: usize,
    buckets: Vec<Batches>,
    /// Books the rows that wait.
    memory: Reservation,
}

impl ScatterOp {
    /// By a hash of the keys, into a power of two of buckets.
    pub(super) fn new(
        schema: SchemaRef,
        keys: Vec<BoundExpr>,
        nulls_equal: bool,
        buckets: usize,
        seed: u64,
        numbers: bool,
    ) -> ScatterOp {
        ScatterOp { schema, keys, nulls_equal, buckets, seed, numbers }
    }

    /// A state whose first row has this number.
    pub(crate) fn state_from(&self, first: usize, memory: Reservation) -> ScatterState {
        ScatterState { next: first as i64, ..self.new_state(memory) }
    }

    /// Puts each row of a batch into a bucket.
    pub(super) fn put(
        &self,
        state: &mut ScatterState,
        batch: &RecordBatch,
        buckets: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let rows = batch.num_rows();
        // Copies of the rows, twice while they are cut, and their places.
        let more = 2 * (batch_bytes(batch) + 8 * rows) + 16 * rows;
        if !state.memory.try_resize_with_some_left(state.bytes + more) {
            self.flush(state)?;
        }
        let (order, ends) = by_bucket(&buckets.collect::<Vec<_>>(), self.buckets);
        let order = UInt32Array::from(order);
        let mut columns = take_arrays(batch.columns(), &order, None)?;
        if self.numbers {
            let numbers = order.values().iter().map(|row| state.next + i64::from(*row));
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
            state.next += rows as i64;
        }
        let cut = compact(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        let mut start = 0;
        for (waiting, end) in state.waiting.iter_mut().zip(ends) {
            if start < end {
                waiting.push(cut.slice(start, end - start));
            }
            start = end;
        }
        state.bytes += more;
        // What is not booked does not wait.
        if state.bytes >= (state.memory.limit() / 16).clamp(1 << 14, 1 << 26) || state.memory.bytes() < state.bytes {
            self.flush(state)?;
        }
        Ok(())
    }

    /// Sends the rows that wait to their buckets.
    fn flush(&self, state: &mut ScatterState) -> Result<()> {
        for (bucket, slices) in state.buckets.iter_mut().zip(&mut state.waiting) {
            if !slices.is_empty() {
                bucket.push(compact(&concat_batches(&self.schema, slices.iter())?)?)?;
                slices.clear();
            }
        }
        state.bytes = 0;
        state.memory.try_resize(0)
    }

    pub(super) fn cut_all(&self, mut state: ScatterState) -> Result<Vec<Batches>> {
        self.flush(&mut state)?;
        Ok(state.buckets)
    }
}

/// The schema of rows with a number behind their columns.
pub(super) fn numbered(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new("row number", DataType::Int64, true));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>()))
}

impl Reducer for ScatterOp {
    const HOLDS: &'static str = "rows to merge";
    type State = ScatterState;
    type Output = Buckets;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> ScatterState {
        let buckets = (0..self.buckets).map(|_| Batches::new(self.schema.clone(), memory.sibling())).collect();
        ScatterState { next: 0, waiting: vec![vec![]; self.buckets], bytes: 0, buckets, memory }
    }

    fn update(&self, state: &mut ScatterState, batch: &RecordBatch) -> Result<Flow> {
        let keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
        let mut hashes = hash(&keys, batch.num_rows(), self.seed)?;
        if !self.nulls_equal {
            // What matches nothing may be anywhere: not all of it in one bucket.
            for nulls in keys.iter().filter_map(|key| key.nulls()) {
                (!nulls.inner()).set_indices().for_each(|row| hashes[row] = fold(row as u64, self.seed));
            }
        }
        let shift = 64 - self.buckets.trailing_zeros();
        // All bits go where there is one bucket.
        self.put(state, batch, hashes.iter().map(|hash| hash.checked_shr(shift).unwrap_or(0) as usize))?;
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut ScatterState) -> Result<()> {
        self.flush(state)
    }

    fn merge(&self, _: &mut ScatterState, _: ScatterState) -> Result<()> {
        Err(Error::internal("partitions are cut into buckets one by one"))
    }

    fn finish(&self, state: ScatterState) -> Result<Buckets> {
        Ok(Buckets::new(self.cut_all(state)?.into_iter()))
    }

    fn bytes(&self, state: &ScatterState) -> usize {
        state.memory.bytes() + state.buckets.iter().map(|rows| rows.bytes()).sum::<usize>()
    }
}

/// The rows bucket by bucket, in their order within each, and where each bucket ends.
fn by_bucket(buckets: &[usize], count: usize) -> (Vec<u32>, Vec<usize>) {
    let mut ends = vec![0; count];
    buckets.iter().for_each(|bucket| ends[*bucket] += 1);
    let mut end = 0;
    for bucket in &mut ends {
        // For now where the bucket begins: it grows to its end as it fills.
        end += std::mem::replace(bucket, end);
    }
    let mut order = vec![0; buckets.len()];
    for (row, bucket) in (0..).zip(buckets) {
        order[ends[*bucket]] = row;
        ends[*bucket] += 1;
    }
    (order, ends)
}

/// A hash of every row's keys: equal keys have equal ones.
fn hash(keys: &[ArrayRef], rows: usize, seed: u64) -> Result<Vec<u64>> {
    let mut hashes = vec![seed; rows];
    let texts = RandomState::with_seeds(seed, 1, 2, 3);
    let mut scratch = Vec::new();
    for key in keys {
        match key.as_string_view_opt() {
            Some(texts_of_rows) => {
                for (hash, text) in hashes.iter_mut().zip(texts_of_rows) {
                    *hash = fold(*hash, text.map_or(0, |text| texts.hash_one(text)));
                }
            }
            None => {
                let values = as_ints(key, &mut scratch)?;
                hashes.iter_mut().zip(values).for_each(|(hash, value)| *hash = fold(*hash, *value as u64));
                if let Some(nulls) = key.nulls() {
                    // The slot of a null may hold anything; all rows with a null here hash alike, whatever the other keys are.
                    (!nulls.inner()).set_indices().for_each(|row| hashes[row] = seed);
                }
            }
        }
    }
    Ok(hashes)
}

/// 64 by 64 bits, both halves of the product folded.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0x243f_6a88_85a3_08d3);
    (product >> 64) as u64 ^ product as u64
}
