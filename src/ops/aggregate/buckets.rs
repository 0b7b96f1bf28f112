//! Groups in buckets by the hash of their keys: partial results that wait, in memory or on disk, until their bucket is brought together.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::Field;

use super::sorted::SortedValues;
use super::{AggregateState, Aggregation, Keys, halves, rows_of, text_bytes};
use crate::error::{Error, Result};
use crate::expr::{BoundSortKey, col};
use crate::mem::Reservation;
use crate::ops::groups::Groups;
use crate::ops::hash::{Bucket, HashBuckets, LEVELS, Order, buckets_of};
use crate::ops::{Batches, Ending, Piece, Reducer, SortOp, output_rows};

/// What went to buckets.
pub(super) struct Hashed {
    /// Keys and partial results. A group may stand in its bucket many times.
    groups: HashBuckets,
    /// Rows that were not looked up, of each layout.
    pub(super) rows: Vec<HashBuckets>,
    /// For each accumulator that holds values, the keys of each value, and the value.
    values: Vec<HashBuckets>,
}

/// All that is in one bucket.
struct Bucketful {
    groups: Bucket,
    /// Of each layout.
    rows: Vec<Bucket>,
    values: Vec<Batches>,
}

impl Hashed {
    fn new(op: &Aggregation, groups: &Groups, memory: &Reservation) -> Hashed {
        let layouts = op.unseen.as_ref().map_or(&[][..], |unseen| unseen.layouts(groups));
        Hashed {
            groups: HashBuckets::new(op.partials.clone(), memory),
            rows: layouts.iter().map(|layout| HashBuckets::new(layout.schema.clone(), memory)).collect(),
            values: op.holders.iter().map(|(_, schema)| HashBuckets::new(schema.clone(), memory)).collect(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.groups.bytes() + self.rows.iter().chain(&self.values).map(HashBuckets::bytes).sum::<usize>()
    }

    /// No rows will come for a while.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.rows.iter_mut().try_for_each(HashBuckets::settle)
    }

    /// The buckets that have groups.
    fn into_buckets(self) -> Result<impl Iterator<Item = Bucketful>> {
        let all = |buckets: Vec<HashBuckets>| -> Result<Vec<_>> {
            buckets.into_iter().map(|buckets| Ok(buckets.into_buckets()?.into_iter())).collect()
        };
        let (mut rows, mut values) = (all(self.rows)?, all(self.values)?);
        let buckets = self.groups.into_buckets()?.into_iter().map(move |groups| Bucketful {
            groups,
            rows: rows.iter_mut().filter_map(Iterator::next).collect(),
            values: values.iter_mut().filter_map(Iterator::next).map(|bucket| bucket.rows).collect(),
        });
        let count = |bucket: &Bucketful| -> usize {
            [&bucket.groups].into_iter().chain(&bucket.rows).map(|bucket| bucket.rows.num_rows()).sum()
        };
        Ok(buckets.filter(move |bucket| count(bucket) > 0))
    }
}

impl Aggregation {
    /// Moves what is in memory to the buckets.
    pub(super) fn flush(&self, state: &mut AggregateState) -> Result<()> {
        self.flush_keys(state).map(drop)
    }

    /// The same, and gives the groups.
    pub(super) fn flush_keys(&self, state: &mut AggregateState) -> Result<Groups> {
        let mut hashed = state.hashed.take().unwrap_or_else(|| Hashed::new(self, &state.groups, &state.memory));
        let count = state.groups.len();
        let rows = output_rows(count, state.table_bytes());
        state.accumulators.iter_mut().for_each(|a| a.resize(count));
        let mut buckets = Vec::with_capacity(count);
        let ids: Vec<u32> = (0..count as u32).collect();
        for ids in ids.chunks(rows) {
            buckets.extend(buckets_of(&state.groups.columns(ids)?, ids.len(), state.level)?);
        }
        let order = Order::of(&buckets);
        for bucket in order.filled() {
            for ids in order.rows(bucket).chunks(rows) {
                let mut columns = state.groups.columns(ids)?;
                for accumulator in &state.accumulators {
                    columns.extend(accumulator.partials(ids)?);
                }
                hashed.groups.push(bucket, &rows_of(&self.partials, columns, ids.len())?)?;
            }
        }
        drop(order);
        for ((accumulator, schema), values) in self.holders.iter().zip(&mut hashed.values) {
            state.accumulators[*accumulator].held_values(&mut |groups, column| {
                let of: Vec<u8> = groups.iter().map(|group| buckets[*group as usize]).collect();
                let mut columns = state.groups.columns(groups)?;
                columns.push(column);
                values.scatter_to(&rows_of(schema, columns, groups.len())?, of)?;
                Ok(())
            })?;
        }
        state.hashed = Some(hashed);
        let groups = std::mem::replace(&mut state.groups, self.no_groups());
        state.accumulators = self.shared.accumulators();
        state.held_rows = 0;
        state.memory.try_resize(state.table_bytes())?;
        Ok(groups)
    }

    /// Adds the buckets of the state that follows.
    pub(super) fn append(&self, state: &mut AggregateState, later: Option<Hashed>) -> Result<()> {
        let (Some(hashed), Some(later)) = (&mut state.hashed, later) else {
            return Err(Error::internal("groups are merged that are in no buckets"));
        };
        let before = if self.shared.counts_rows() { state.rows } else { 0 };
        hashed.groups.append(later.groups, before)?;
        hashed.rows.iter_mut().zip(later.rows).try_for_each(|(rows, later)| rows.append(later, 0))?;
        hashed.values.iter_mut().zip(later.values).try_for_each(|(values, later)| values.append(later, 0))
    }

    /// What is left to do for a state that is in buckets, or has to go there.
    pub(super) fn end_buckets(self: &Arc<Aggregation>, mut state: AggregateState) -> Result<Ending<Batches>> {
        self.flush(&mut state)?;
        let hashed = state.hashed.take().ok_or_else(|| Error::internal("no groups are in buckets"))?;
        let pieces = hashed.into_buckets()?.map(|bucket| {
            let (op, memory) = (self.clone(), state.memory.sibling());
            Piece::whole(move || op.finish_bucket(bucket, 1, memory))
        });
        let pieces: Vec<Piece> = pieces.collect();
        Ok(match pieces.len() {
            // No rows, and so no groups.
            0 => Ending::Whole(Batches::new(self.schema.clone(), state.memory.sibling())),
            _ if self.keys.is_empty() || !self.ordered => Ending::Pieces(pieces),
            _ => Ending::Unsorted { pieces, sort: self.sort()?, columns: self.schema.fields().len() },
        })
    }

    /// The groups of a bucket, sorted by key unless there are too many for memory: then the bucket is cut into buckets.
    fn finish_bucket(&self, bucket: Bucketful, level: u32, memory: Reservation) -> Result<Batches> {
        let mut state = self.new_state(memory, level.min(LEVELS - 1));
        let Bucketful { groups, rows, values } = bucket;
        let expected = self.in_bucket.load(Relaxed);
        // Some more, lest the last few make it grow.
        let expected = expected + expected / 16;
        let rows_bytes = self.bytes_with(&state, Keys::Columns(&[]), expected, 0);
        if level <= 1 && state.memory.try_resize_with_some_left(rows_bytes) {
            state.groups.make_room(expected);
        }
        for batch in groups.into_batches() {
            let (batch, before) = batch?;
            self.take_in(&mut state, &batch, before)?;
            self.settle(&mut state);
        }
        for (layout, rows) in rows.into_iter().enumerate() {
            for batch in rows.into_batches() {
                self.take_rows(&mut state, &batch?.0, layout)?;
                self.settle(&mut state);
            }
        }
        if state.hashed.is_some() {
            self.flush(&mut state)?;
        }
        if let Some(mut hashed) = state.hashed.take() {
            for (rows, buckets) in values.into_iter().zip(&mut hashed.values) {
                let all = 0..rows.num_rows();
                for batch in rows.into_range(all) {
                    let batch = batch?;
                    buckets.scatter(&batch, &batch.columns()[..self.keys.len()], state.level)?;
                }
            }
            let mut finished = Batches::new(self.schema.clone(), state.memory.sibling());
            for bucket in hashed.into_buckets()? {
                finished.append(self.finish_bucket(bucket, level + 1, state.memory.sibling())?);
            }
            return Ok(finished);
        }
        self.in_bucket.fetch_max(state.groups.len(), Relaxed);
        let mut sorted: Vec<Option<SortedValues>> = state.accumulators.iter().map(|_| None).collect();
        for ((accumulator, _), rows) in self.holders.iter().zip(values) {
            if !self.refill(&mut state, *accumulator, &rows)? {
                let rows = self.sorted(&rows, &state.memory)?;
                let aggs = self.aggs.iter().zip(&self.shared.outputs).filter(|(_, output)| *output == accumulator);
                let aggs = aggs.map(|(agg, _)| agg);
                sorted[*accumulator] = Some(SortedValues::new(aggs, &rows, &mut state.groups, self.keys.len())?);
            }
        }
        let mut finished = Batches::new(self.schema.clone(), state.memory.sibling());
        // Sorted, so that little is left to do to bring all buckets in order.
        let ids = if self.ordered { state.groups.sorted() } else { (0..state.groups.len() as u32).collect() };
        for ids in ids.chunks(output_rows(state.groups.len(), state.table_bytes())) {
            let mut columns = state.groups.columns(ids)?;
            for (agg, accumulator) in self.aggs.iter().zip(&self.shared.outputs) {
                columns.push(match &sorted[*accumulator] {
                    Some(values) => values.finish(agg, ids)?,
                    None => state.accumulators[*accumulator].finish(agg, ids)?,
                });
            }
            finished.push(rows_of(&self.schema, columns, ids.len())?)?;
        }
        Ok(finished)
    }

    /// Takes in partial results; `before` is how many rows came before those that they are of.
    fn take_in(&self, state: &mut AggregateState, batch: &RecordBatch, before: i64) -> Result<()> {
        let (keys, rows) = (&batch.columns()[..self.keys.len()], batch.num_rows());
        let text = batch.columns().iter().map(text_bytes).sum();
        if !self.admit(state, Keys::Columns(keys), rows, text)? {
            let mut halves = halves(rows).into_iter();
            return halves.try_for_each(|(start, length)| self.take_in(state, &batch.slice(start, length), before));
        }
        for (accumulator, columns) in state.accumulators.iter_mut().zip(&self.partials_of) {
            accumulator.take_in(&state.ids, &batch.columns()[columns.clone()], before)?;
        }
        Ok(())
    }

    /// Puts values back into their accumulator, ready to be finished. False, and it is empty, when memory is too short for them.
    fn refill(&self, state: &mut AggregateState, at: usize, rows: &Batches) -> Result<bool> {
        for batch in rows.range(0..rows.num_rows()) {
            let batch = batch?;
            let (keys, values) = batch.columns().split_at(self.keys.len());
            let text = values.iter().map(text_bytes).sum();
            let most = state.accumulators[at].bytes_with(state.groups.len(), batch.num_rows(), text);
            let more = most - state.accumulators[at].bytes();
            if !self.make_room(state, at, more)? {
                return Ok(false);
            }
            // Their groups are all there.
            let AggregateState { groups, ids, accumulators, .. } = &mut *state;
            groups.assign(keys, batch.num_rows(), ids, &mut |_| Ok(()))?;
            accumulators[at].update(ids, values)?;
        }
        let work = state.accumulators[at].seal_bytes();
        if !self.make_room(state, at, work)? {
            return Ok(false);
        }
        state.accumulators[at].seal()?;
        let work = state.accumulators[at].finish_bytes();
        self.make_room(state, at, work)
    }

    /// Books so much more than is held. False, and an accumulator is empty, when memory is too short for that.
    fn make_room(&self, state: &mut AggregateState, at: usize, more: usize) -> Result<bool> {
        let bytes = state.table_bytes() + more;
        if bytes <= state.memory.bytes() || state.memory.try_resize_with_some_left(bytes) {
            return Ok(true);
        }
        let empty = self.shared.accumulators().into_iter().nth(at);
        state.accumulators[at] = empty.ok_or_else(|| Error::internal("an accumulator is not there"))?;
        state.memory.overdraw(state.table_bytes());
        Ok(false)
    }

    /// Values by their keys, those of a group in order.
    fn sorted(&self, rows: &Batches, memory: &Reservation) -> Result<Batches> {
        let schema = rows.schema();
        let key = |field: &Arc<Field>| {
            let expr = col(field.name()).bind(schema)?;
            Ok(BoundSortKey { expr, descending: false, nulls_first: false })
        };
        let keys = schema.fields().iter().map(key).collect::<Result<_>>()?;
        let sort = SortOp::new(schema.clone(), keys, None);
        let mut state = sort.new_state(memory.of_holder(SortOp::HOLDS));
        for batch in rows.range(0..rows.num_rows()) {
            sort.update(&mut state, &batch?)?;
        }
        sort.end(state)?.alone(Batches::new(schema.clone(), memory.sibling()))
    }
}

/// A column's rows.
pub(super) fn taken(column: &ArrayRef, ids: &[u32]) -> Result<ArrayRef> {
    Ok(take(column, &UInt32Array::from(ids.to_vec()), None)?)
}
