//! Group-by: from batches to one row a group.
//!
//! 1. Key columns become dense group ids, one for every row (`groups`): by an index array, a hash table of integers, or one of rows as bytes.
//! 2. Every aggregate is a column of partial results that ids and values update (`accumulators`); those that need the same have it
//!    in common (`shared`).
//! 3. A later state merges by mapping its groups to ids here, so that the work is that of the later groups.
//! 4. At the end groups are sorted by key: neither hashes nor the order of arrival show.

mod accumulators;
mod shared;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{Field, Schema, SchemaRef};

use self::accumulators::Accumulator;
use self::shared::Shared;
use super::groups::Groups;
use super::key::encoded_bytes;
use super::{Batches, Flow, OUTPUT_ROWS, Reducer};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundAgg, BoundExpr, Type};
use crate::mem::Reservation;

/// Groups by keys, and aggregates each group; without keys, all rows are one group, also when there are none.
pub(crate) struct AggregateOp {
    schema: SchemaRef,
    keys: Vec<BoundExpr>,
    kinds: Vec<Type>,
    aggs: Vec<BoundAgg>,
    shared: Shared,
    keep_nulls: bool,
}

/// The groups of the rows so far, and what is kept of each.
pub(crate) struct AggregateState {
    groups: Groups,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// How many rows came, those without a key counted.
    rows: i64,
    /// The group of every row of a batch, and of every row that passes a filter; kept for their room.
    ids: Vec<u32>,
    filtered_ids: Vec<u32>,
    memory: Reservation,
}

/// The rows of a batch that count, with their numbers where these are asked for.
#[derive(Clone)]
struct Rows<'a> {
    batch: Cow<'a, RecordBatch>,
    numbers: Option<ArrayRef>,
}

impl Rows<'_> {
    fn filter(&self, predicate: &FilterPredicate) -> Result<Rows<'static>> {
        let numbers = self.numbers.as_ref().map(|numbers| predicate.filter(numbers)).transpose()?;
        Ok(Rows { batch: Cow::Owned(predicate.filter_record_batch(&self.batch)?), numbers })
    }
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
        let shared = Shared::new(&aggs)?;
        let keys: Vec<BoundExpr> = keys.into_iter().map(|(_, key)| key).collect();
        let kinds = keys.iter().map(BoundExpr::kind).collect();
        Ok(AggregateOp { schema: Arc::new(Schema::new(fields)), keys, kinds, aggs, shared, keep_nulls })
    }

    /// Books `bytes` where that is more than is booked.
    fn book(&self, memory: &mut Reservation, bytes: usize) -> Result<()> {
        if bytes <= memory.bytes() {
            return Ok(());
        }
        // A refusal is where groups are to be flushed to buckets, once there is a spill.
        memory.try_resize(bytes).map_err(|refused| match self.shared.holder() {
            Some(agg) if refused.kind() == ErrorKind::Memory => refused.help(format!(
                "{agg} holds values of every group in memory: raise the limit (Session::builder().memory(..), or --memory), filter rows first, or leave it out"
            )),
            _ => refused,
        })
    }

    /// Books what the state came to hold, where that is more or much less.
    fn settle(&self, state: &mut AggregateState) -> Result<()> {
        let (bytes, booked) = (self.bytes(state), state.memory.bytes());
        if bytes > booked || bytes < booked / 2 { state.memory.try_resize(bytes) } else { Ok(()) }
    }

    fn seal_accumulators(&self, state: &mut AggregateState) -> Result<()> {
        let work = state.accumulators.iter().map(|a| a.seal_bytes()).max().unwrap_or(0);
        if work > 0 {
            let bytes = self.bytes_of(state) + work;
            self.book(&mut state.memory, bytes)?;
        }
        state.accumulators.iter_mut().try_for_each(|a| a.seal())?;
        self.settle(state)
    }

    fn bytes_of(&self, state: &AggregateState) -> usize {
        let accumulators: usize = state.accumulators.iter().map(|a| a.bytes()).sum();
        state.groups.bytes() + accumulators + (state.ids.capacity() + state.filtered_ids.capacity()) * size_of::<u32>()
    }

    /// Takes in the values of rows whose groups are `ids`, by the aggregates of one filter, or of none.
    fn update_selection(
        &self,
        state: &mut AggregateState,
        selection: &shared::Selection,
        rows: &Rows<'_>,
        filtered: bool,
    ) -> Result<()> {
        let inputs = selection.computed.eval(&rows.batch)?;
        let groups = state.groups.len();
        for (slot, inputs) in selection.slots.iter().map(|slot| (slot, slot.inputs(&inputs, &rows.numbers))) {
            let inputs = inputs?;
            let text = inputs.iter().map(text_bytes).sum();
            let accumulator = &state.accumulators[slot.accumulator];
            let (now, most) = (accumulator.bytes(), accumulator.bytes_with(groups, rows.batch.num_rows(), text));
            if most > now {
                let bytes = self.bytes_of(state) - now + most;
                self.book(&mut state.memory, bytes)?;
            }
            let accumulator = &mut state.accumulators[slot.accumulator];
            accumulator.resize(groups);
            accumulator.update(if filtered { &state.filtered_ids } else { &state.ids }, &inputs)?;
        }
        Ok(())
    }
}

impl Reducer for AggregateOp {
    const HOLDS: &'static str = "groups and their aggregates";
    type State = AggregateState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> AggregateState {
        AggregateState {
            groups: Groups::new(self.kinds.clone()),
            accumulators: self.shared.accumulators(),
            rows: 0,
            ids: vec![],
            filtered_ids: vec![],
            memory,
        }
    }

    fn update(&self, state: &mut AggregateState, batch: &RecordBatch) -> Result<Flow> {
        let mut keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
        let count = batch.num_rows() as i64;
        let numbers = || Arc::new(Int64Array::from_iter_values(state.rows..state.rows + count)) as ArrayRef;
        let mut rows = Rows { batch: Cow::Borrowed(batch), numbers: self.shared.counts_rows().then(numbers) };
        state.rows += count;
        if let Some(mask) = valid_rows(&keys).filter(|_| !self.keep_nulls) {
            let filter = FilterBuilder::new(&mask).optimize().build();
            for array in &mut keys {
                *array = filter.filter(array)?;
            }
            rows = rows.filter(&filter)?;
        }
        let count = rows.batch.num_rows();
        if count == 0 {
            self.settle(state)?;
            return Ok(Flow::More);
        }
        let key_bytes = keys.iter().map(encoded_bytes).sum();
        let groups = state.groups.bytes_with(count, key_bytes) - state.groups.bytes();
        let ids = 2 * count.saturating_sub(state.ids.capacity()) * size_of::<u32>();
        let bytes = self.bytes_of(state) + groups + ids;
        self.book(&mut state.memory, bytes)?;
        let AggregateState { groups, ids, memory, .. } = &mut *state;
        groups.assign(&keys, count, ids, &mut |more| self.book(memory, memory.bytes() + more))?;
        for selection in &self.shared.selections {
            let Some(condition) = &selection.filter else {
                self.update_selection(state, selection, &rows, false)?;
                continue;
            };
            let mask = condition.bound.eval_mask(&rows.batch)?;
            state.filtered_ids.clear();
            state.filtered_ids.extend(mask.values().set_indices().map(|row| state.ids[row]));
            let passing = rows.filter(&FilterBuilder::new(&mask).optimize().build())?;
            self.update_selection(state, selection, &passing, true)?;
        }
        self.settle(state)?;
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut AggregateState) -> Result<()> {
        state.groups.seal();
        (state.ids, state.filtered_ids) = (vec![], vec![]);
        self.seal_accumulators(state)
    }

    fn merge(&self, state: &mut AggregateState, later: AggregateState) -> Result<()> {
        let mut later = later;
        self.seal_accumulators(state)?;
        self.seal_accumulators(&mut later)?;
        // What moves over as it is, is not booked twice.
        let moved: usize = later.accumulators.iter().map(|a| a.moved_bytes()).sum();
        later.memory.try_resize(later.memory.bytes().saturating_sub(moved))?;
        let groups = state.groups.len() + later.groups.len();
        let pairs = state.accumulators.iter().zip(&later.accumulators);
        let accumulators: usize = pairs.map(|(a, b)| a.bytes_with(groups, 0, b.text_bytes())).sum();
        let most = state.groups.bytes_with(later.groups.len(), later.groups.key_bytes())
            + accumulators
            + moved
            + (state.ids.capacity() + state.filtered_ids.capacity() + later.groups.len()) * size_of::<u32>();
        self.book(&mut state.memory, most)?;
        let AggregateState { groups, accumulators, rows, memory, .. } = later;
        let ids = {
            let memory = &mut state.memory;
            state.groups.absorb(groups, &mut |more| self.book(memory, memory.bytes() + more))?
        };
        for (accumulator, later) in state.accumulators.iter_mut().zip(accumulators) {
            accumulator.resize(state.groups.len());
            accumulator.merge(&ids, later, state.rows)?;
        }
        state.rows += rows;
        drop(memory);
        self.settle(state)
    }

    fn finish(&self, state: AggregateState) -> Result<Batches> {
        let mut state = state;
        // Without keys and rows there is a group that no update has made room for.
        state.accumulators.iter_mut().for_each(|a| a.resize(state.groups.len()));
        self.seal_accumulators(&mut state)?;
        let work: usize = state.accumulators.iter().map(|a| a.finish_bytes()).sum();
        let bytes = self.bytes_of(&state) + work;
        self.book(&mut state.memory, bytes)?;
        let sorted = state.groups.sorted();
        let mut batches = Batches::new(self.schema.clone(), state.memory.sibling());
        for ids in sorted.chunks(OUTPUT_ROWS) {
            let mut columns = state.groups.columns(ids)?;
            for (agg, accumulator) in self.aggs.iter().zip(&self.shared.outputs) {
                columns.push(state.accumulators[*accumulator].finish(agg, ids)?);
            }
            // The number of rows is told, since there may be no columns that show it.
            let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
            batches.push(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)?;
        }
        Ok(batches)
    }

    fn bytes(&self, state: &AggregateState) -> usize {
        self.bytes_of(state)
    }
}

fn text_bytes(column: &ArrayRef) -> usize {
    column.as_string_view_opt().map_or(0, StringViewArray::total_bytes_len)
}

/// The rows without a null in any key; None when that is all.
pub(super) fn valid_rows(keys: &[ArrayRef]) -> Option<BooleanArray> {
    let nulls = NullBuffer::union_many(keys.iter().map(|key| key.nulls().filter(|n| n.null_count() > 0)));
    nulls.map(|nulls| BooleanArray::new(nulls.into_inner(), None))
}
