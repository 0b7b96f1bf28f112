//! Group-by: from batches to one row a group.
//!
//! 1. Key columns become dense group ids, one for every row (`groups`): by an index array, a hash table of integers, or one of rows as bytes.
//! 2. Every aggregate is a column of partial results that ids and values update (`accumulators`).
//! 3. A later state merges by mapping its groups to ids here, so that the work is that of the later groups.
//! 4. At the end groups are sorted by key: neither hashes nor the order of arrival show.

mod accumulators;
mod groups;
mod int_groups;
mod packed_groups;
mod row_groups;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::FilterBuilder;
use arrow::datatypes::{Field, Schema, SchemaRef};

use self::accumulators::Accumulator;
use self::groups::Groups;
use super::key::kind_of;
use super::{Flow, OUTPUT_ROWS, Reducer};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundAgg, BoundExpr, Type};
use crate::mem::Reservation;

/// Groups by keys, and aggregates each group; without keys, all rows are one group, also when there are none.
pub(crate) struct AggregateOp {
    schema: SchemaRef,
    keys: Vec<BoundExpr>,
    kinds: Vec<Type>,
    aggs: Vec<BoundAgg>,
    keep_nulls: bool,
}

/// The groups of the rows so far, and what is kept of each.
pub(crate) struct AggregateState {
    groups: Groups,
    accumulators: Vec<Accumulator>,
    /// The group of every row of a batch; kept for its room.
    ids: Vec<u32>,
    memory: Reservation,
}

impl AggregateOp {
    /// Rows with a null key are dropped unless `keep_nulls`.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when two columns of the result have one name.
    pub(crate) fn new(
        _input: &SchemaRef,
        keys: Vec<(String, BoundExpr)>,
        aggs: Vec<BoundAgg>,
        keep_nulls: bool,
    ) -> Result<AggregateOp> {
        let mut fields: Vec<Field> = keys.iter().map(|(name, key)| Field::new(name, key.data_type(), true)).collect();
        fields.extend(aggs.iter().map(|agg| Field::new(&agg.name, agg.output_type.clone(), true)));
        let mut names = HashSet::new();
        if let Some(twice) = fields.iter().find(|f| !names.insert(f.name().as_str())) {
            let message = format!("two columns of the result are called '{}'", twice.name());
            return Err(Error::new(ErrorKind::Column, message).help("give one of them another name with alias(..)"));
        }
        aggs.iter().try_for_each(|agg| Accumulator::new(agg).map(drop))?;
        let keys: Vec<BoundExpr> = keys.into_iter().map(|(_, key)| key).collect();
        let kinds = keys.iter().map(BoundExpr::kind).collect();
        Ok(AggregateOp { schema: Arc::new(Schema::new(fields)), keys, kinds, aggs, keep_nulls })
    }

    /// Books the most that the state may hold while a batch comes in.
    fn book(
        &self,
        state: &mut AggregateState,
        keys: &[ArrayRef],
        inputs: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<()> {
        let accumulators: usize =
            state.accumulators.iter().zip(inputs).map(|(a, values)| a.bytes_with(rows, values.as_ref())).sum();
        let most =
            state.groups.bytes_with(keys, rows) + accumulators + state.ids.capacity().max(rows) * size_of::<u32>();
        if most > state.memory.bytes() {
            // A refusal is where groups are to be flushed to buckets, once there is a spill.
            state.memory.try_resize(most)?;
        }
        Ok(())
    }

    /// Books what the state came to hold, where that is more or much less.
    fn settle(&self, state: &mut AggregateState) -> Result<()> {
        let (bytes, booked) = (self.bytes(state), state.memory.bytes());
        if bytes > booked || bytes < booked / 2 { state.memory.try_resize(bytes) } else { Ok(()) }
    }
}

impl Reducer for AggregateOp {
    type State = AggregateState;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> AggregateState {
        // `new` has tried that every aggregate has an accumulator.
        let accumulators = self.aggs.iter().filter_map(|agg| Accumulator::new(agg).ok()).collect();
        AggregateState { groups: Groups::new(self.kinds.clone()), accumulators, ids: vec![], memory }
    }

    fn update(&self, state: &mut AggregateState, batch: &RecordBatch) -> Result<Flow> {
        let mut rows = batch.num_rows();
        let mut keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
        let input = |agg: &BoundAgg| agg.input.as_ref().map(|input| input.eval(batch)).transpose();
        let mut inputs = self.aggs.iter().map(input).collect::<Result<Vec<_>>>()?;
        if let Some(mask) = valid_rows(&keys).filter(|_| !self.keep_nulls) {
            let filter = FilterBuilder::new(&mask).optimize().build();
            for array in keys.iter_mut().chain(inputs.iter_mut().flatten()) {
                *array = filter.filter(array)?;
            }
            rows = mask.true_count();
        }
        if rows == 0 {
            return Ok(Flow::More);
        }
        self.book(state, &keys, &inputs, rows)?;
        let AggregateState { groups, accumulators, ids, .. } = state;
        groups.assign(&keys, rows, ids)?;
        for (accumulator, values) in accumulators.iter_mut().zip(&inputs) {
            accumulator.update(ids, groups.len(), values.as_ref())?;
        }
        self.settle(state)?;
        Ok(Flow::More)
    }

    fn merge(&self, state: &mut AggregateState, later: AggregateState) -> Result<()> {
        let more = later.groups.len();
        let accumulators: usize = state.accumulators.iter().map(|a| a.bytes_with(more, None)).sum();
        let most = accumulators + state.groups.bytes_with(&[], more) + later.memory.bytes();
        if most > state.memory.bytes() {
            state.memory.try_resize(most)?;
        }
        let AggregateState { groups, accumulators, memory, .. } = later;
        let ids = state.groups.absorb(groups)?;
        for (accumulator, later) in state.accumulators.iter_mut().zip(accumulators) {
            accumulator.merge(&ids, state.groups.len(), later)?;
        }
        drop(memory);
        self.settle(state)
    }

    fn finish(&self, state: AggregateState) -> Result<Vec<RecordBatch>> {
        let mut state = state;
        for accumulator in &mut state.accumulators {
            // Without keys and rows there is a group that no update has made room for.
            accumulator.update(&[], state.groups.len(), None)?;
        }
        let sorted = state.groups.sorted();
        let batch = |ids: &[u32]| {
            let mut columns = state.groups.columns(ids)?;
            for accumulator in &state.accumulators {
                columns.push(accumulator.finish(ids)?);
            }
            Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
        };
        sorted.chunks(OUTPUT_ROWS).map(batch).collect()
    }

    fn bytes(&self, state: &AggregateState) -> usize {
        let accumulators: usize = state.accumulators.iter().map(Accumulator::bytes).sum();
        state.groups.bytes() + accumulators + state.ids.capacity() * size_of::<u32>()
    }
}

/// The rows without a null in any key; None when that is all.
fn valid_rows(keys: &[ArrayRef]) -> Option<BooleanArray> {
    let nulls = NullBuffer::union_many(keys.iter().map(|key| key.nulls().filter(|n| n.null_count() > 0)));
    nulls.map(|nulls| BooleanArray::new(nulls.into_inner(), None))
}
