//! Group-by: from batches to one row a group.
//!
//! 1. Key columns become dense group ids, one for every row (`groups`): by an index array, a hash table of integers, or one of rows as bytes.
//! 2. Every aggregate is a column of partial results that ids and values update (`accumulators`); those that need the same have it
//!    in common (`shared`).
//! 3. A later state merges by mapping its groups to ids here, so that the work is that of the later groups.
//! 4. Where there are many groups, or memory is short, partial results go to buckets by the hash of their keys, in memory or on
//!    disk; each bucket is brought together at the end, several at a time (`buckets`). While nearly every row is a new group,
//!    rows go there as they are, without being looked up (`unseen`).
//! 5. At the end groups are sorted by key: neither hashes nor the order of arrival show.

mod accumulators;
mod buckets;
mod shared;
mod sorted;
#[cfg(test)]
mod tests;
mod unseen;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::accumulators::Accumulator;
use self::buckets::Hashed;
use self::shared::Shared;
use self::unseen::{First, Unseen};
use super::groups::{self, Form, Groups, Spares};
use super::key::encoded_bytes;
use super::{Batches, Ending, Flow, Piece, Reducer, SortOp, output_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundAgg, BoundExpr, BoundSortKey, Type, col};
use crate::mem::Reservation;

/// Groups by keys, and aggregates each group; without keys, all rows are one group, also when there are none.
pub(crate) struct AggregateOp(Arc<Aggregation>);

/// What is grouped by, and what is worked out of each group.
struct Aggregation {
    schema: SchemaRef,
    keys: Vec<BoundExpr>,
    kinds: Vec<Type>,
    aggs: Vec<BoundAgg>,
    shared: Shared,
    keep_nulls: bool,
    ordered: bool,
    /// Of groups in buckets: the keys, and the partial results of every accumulator.
    partials: SchemaRef,
    /// Which of those columns are an accumulator's.
    partials_of: Vec<Range<usize>>,
    /// The accumulators that hold values, and for each what its buckets have: the keys of a value, and the value.
    holders: Vec<(usize, SchemaRef)>,
    /// None where rows are always looked up.
    unseen: Option<Unseen>,
    /// More groups than these go to buckets.
    most_groups: usize,
    /// The most groups that there were in a bucket: about as many are in the others.
    in_bucket: AtomicUsize,
    /// What states that wait have no use for.
    spares: Spares,
}

/// The groups of the rows so far, and what is kept of each.
pub(crate) struct AggregateState {
    groups: Groups,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// How many rows are in those.
    held_rows: usize,
    /// How many rows more are not looked up.
    unseen_left: usize,
    /// Of what came first, if that is why.
    first: Option<First>,
    /// Which layout rows that are not looked up have.
    layout: usize,
    /// Whether what comes first is yet to tell.
    is_new: bool,
    /// What went to buckets; it came before what is in the accumulators.
    hashed: Option<Hashed>,
    /// Which bits of hashes the buckets are by.
    level: u32,
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

/// The keys of rows that are looked up.
#[derive(Clone, Copy)]
enum Keys<'a> {
    Columns(&'a [ArrayRef]),
    /// As a column of words, packed in this form.
    Packed(&'a ArrayRef, &'a Form),
}

/// More groups go to buckets as they come: to look them up would be to wait for memory.
pub(super) const MOST_GROUPS: usize = 1 << 17;

/// With more groups, states go to buckets rather than into one another: merging would be work for one.
pub(super) const MANY_GROUPS: usize = MOST_GROUPS / 2;

/// Where looking up found hardly any row's group, so many rows are not looked up before it is tried again.
const UNSEEN_ROWS: usize = 1 << 22;

/// A first part of as many groups as go to buckets is enough to tell that there will be as many, if hardly any row found its group: of
/// keys in any order there are then some sixty times as many as in that part. Keys in cycles are told by those that come again.
const FIRST_PART: usize = 8;

/// Fewer than one row of so many.
const HARDLY_ANY: usize = 128;

/// With more values than this in memory, groups are finished in pieces.
const MANY_VALUES: usize = 1 << 24;

impl Rows<'_> {
    fn filter(&self, predicate: &FilterPredicate) -> Result<Rows<'static>> {
        let numbers = self.numbers.as_ref().map(|numbers| predicate.filter(numbers)).transpose()?;
        Ok(Rows { batch: Cow::Owned(predicate.filter_record_batch(&self.batch)?), numbers })
    }

    fn slice(&self, start: usize, length: usize) -> Rows<'static> {
        let numbers = self.numbers.as_ref().map(|numbers| numbers.slice(start, length));
        Rows { batch: Cow::Owned(self.batch.slice(start, length)), numbers }
    }
}

impl AggregateOp {
    /// Rows with a null key are dropped unless `keep_nulls`. Groups come in the order of their keys if `ordered`.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when two columns of the result have one name.
    pub(crate) fn new(
        keys: Vec<(String, BoundExpr)>,
        aggs: Vec<BoundAgg>,
        keep_nulls: bool,
        ordered: bool,
    ) -> Result<AggregateOp> {
        let mut fields: Vec<Field> = keys.iter().map(|(name, key)| Field::new(name, key.data_type(), true)).collect();
        let key_types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        fields.extend(aggs.iter().map(|agg| Field::new(&agg.name, agg.output_type.clone(), true)));
        let mut names = HashSet::new();
        if let Some(twice) = fields.iter().find(|f| !names.insert(f.name().as_str())) {
            let message = format!("two columns of the result are called '{}'", twice.name());
            return Err(Error::new(ErrorKind::Column, message).help("give one of them another name with alias(..)"));
        }
        let shared = Shared::new(&aggs)?;
        let (mut types, mut partials_of) = (key_types.clone(), vec![]);
        for accumulator in shared.accumulators() {
            let first = types.len();
            types.extend(accumulator.partials(&[])?.iter().map(|column| column.data_type().clone()));
            partials_of.push(first..types.len());
        }
        let holder = |(at, kind): (usize, Type)| (at, numbered([&key_types[..], &[kind.arrow()]].concat()));
        let holders = shared.holders().map(holder).collect();
        let keys: Vec<BoundExpr> = keys.into_iter().map(|(_, key)| key).collect();
        let kinds: Vec<Type> = keys.iter().map(BoundExpr::kind).collect();
        let unseen = shared.of_all_rows().filter(|_| !keys.is_empty()).map(|selection| {
            let inputs = selection.iter().flat_map(|selection| &selection.inputs).map(|input| input.bound.data_type());
            Unseen::new(kinds.clone(), key_types.clone(), inputs.collect())
        });
        Ok(AggregateOp(Arc::new(Aggregation {
            schema: Arc::new(Schema::new(fields)),
            keys,
            kinds,
            aggs,
            shared,
            keep_nulls,
            ordered,
            partials: numbered(types),
            partials_of,
            holders,
            unseen,
            most_groups: MOST_GROUPS,
            in_bucket: AtomicUsize::new(0),
            spares: Spares::default(),
        })))
    }
}

#[cfg(test)]
impl AggregateOp {
    /// The same that sends more groups than these to buckets.
    fn with_most_groups(mut self, most_groups: usize) -> AggregateOp {
        if let Some(op) = Arc::get_mut(&mut self.0) {
            op.most_groups = most_groups;
            let unseen = op.unseen.iter_mut();
            unseen.for_each(|unseen| unseen.few_groups = unseen.few_groups.min(most_groups));
        }
        self
    }
}

/// Columns of these types, called by their numbers.
fn numbered(types: Vec<DataType>) -> SchemaRef {
    let field = |(at, data_type): (usize, DataType)| Field::new(at.to_string(), data_type, true);
    Arc::new(Schema::new(types.into_iter().enumerate().map(field).collect::<Vec<_>>()))
}

impl Aggregation {
    fn new_state(&self, memory: Reservation, level: u32) -> AggregateState {
        AggregateState {
            groups: self.no_groups(),
            accumulators: self.shared.accumulators(),
            held_rows: 0,
            unseen_left: 0,
            first: None,
            layout: 0,
            is_new: true,
            hashed: None,
            level,
            rows: 0,
            ids: vec![],
            filtered_ids: vec![],
            memory,
        }
    }

    /// No groups yet, ready for rows that were put off.
    fn no_groups(&self) -> Groups {
        match self.layout(0).and_then(|layout| layout.form.as_ref()) {
            Some(form) => Groups::of_form(self.kinds.clone(), form),
            None => Groups::with_spares(self.kinds.clone(), &self.spares),
        }
    }

    /// Books what the state came to hold, where that is more or much less.
    fn settle(&self, state: &mut AggregateState) {
        let (bytes, booked) = (state.table_bytes(), state.memory.bytes());
        if bytes > booked || bytes < booked / 2 {
            state.memory.overdraw(bytes);
        }
    }

    /// The most that is held while so many rows with these keys, and so much text, come in.
    fn bytes_with(&self, state: &AggregateState, keys: Keys<'_>, rows: usize, text: usize) -> usize {
        let key_bytes = match keys {
            Keys::Columns(keys) => keys.iter().map(encoded_bytes).sum(),
            Keys::Packed(..) => groups::row_bytes(&self.kinds) * rows,
        };
        let groups = state.groups.len() + rows;
        let accumulators: usize = state.accumulators.iter().map(|a| a.bytes_with(groups, rows, text)).sum();
        let ids = state.ids.capacity() + state.filtered_ids.capacity() + 2 * rows.saturating_sub(state.ids.capacity());
        state.groups.bytes_with(rows, key_bytes) + accumulators + ids * size_of::<u32>()
    }

    /// Finds the groups of rows with these keys, and so much text. When memory is short for that, what is held goes to buckets;
    /// false, when it is too short even then: the rows are to come in two halves.
    fn admit(&self, state: &mut AggregateState, keys: Keys<'_>, rows: usize, text: usize) -> Result<bool> {
        let refused = loop {
            let bytes = self.bytes_with(state, keys, rows, text);
            let booked = bytes <= state.memory.bytes() || state.memory.try_resize_with_some_left(bytes);
            let tried = match booked {
                true => Ok(()),
                // With nothing to give up, it takes what there is.
                false if state.held_rows == 0 => state.memory.try_resize(bytes),
                false => {
                    self.flush(state)?;
                    continue;
                }
            };
            let assigned = tried.and_then(|()| {
                let AggregateState { groups, ids, memory, .. } = &mut *state;
                let mut book = |more| memory.try_resize(memory.bytes() + more);
                match keys {
                    Keys::Columns(keys) => groups.assign(keys, rows, ids, &mut book),
                    Keys::Packed(words, form) => groups.assign_packed(words, form, ids, &mut book),
                }
            });
            match assigned {
                Ok(()) => break None,
                Err(refused) if refused.kind() != ErrorKind::Memory => return Err(refused),
                // Groups that are there already, but had no rows yet, come again.
                Err(_) if state.held_rows > 0 => self.flush(state)?,
                Err(refused) => {
                    state.groups = self.no_groups();
                    state.memory.try_resize(0)?;
                    break Some(refused);
                }
            }
        };
        match refused {
            Some(refused) if rows == 1 => Err(refused),
            Some(_) => Ok(false),
            None => {
                state.held_rows += rows;
                let groups = state.groups.len();
                state.accumulators.iter_mut().for_each(|a| a.resize(groups));
                Ok(true)
            }
        }
    }

    /// Moves what is held to buckets when it has become much, or will by what its first rows show.
    fn flush_many(&self, state: &mut AggregateState) -> Result<()> {
        let (groups, held) = (state.groups.len(), state.held_rows);
        if groups >= self.most_groups {
            self.flush(state)?;
            state.unseen_left = if held < 2 * groups && self.unseen.is_some() { UNSEEN_ROWS } else { 0 };
            state.is_new = false;
        } else if state.is_new && held >= self.most_groups / FIRST_PART {
            state.is_new = false;
            if held.saturating_sub(groups) * HARDLY_ANY < held && self.unseen.is_some() {
                state.first = Some(First::of(self.flush_keys(state)?));
                state.unseen_left = UNSEEN_ROWS;
                if !state.memory.try_resize_with_some_left(state.table_bytes()) {
                    state.first = None;
                }
            }
        }
        Ok(())
    }

    /// Takes in rows by their keys.
    fn enter(&self, state: &mut AggregateState, keys: &[ArrayRef], rows: &Rows<'_>) -> Result<()> {
        let count = rows.batch.num_rows();
        if count == 0 {
            return Ok(());
        }
        if state.unseen_left > 0 && self.put_off(state, keys, &rows.batch)? {
            return Ok(());
        }
        let text = rows.batch.columns().iter().map(text_bytes).sum();
        if !self.admit(state, Keys::Columns(keys), count, text)? {
            return halves(count).into_iter().try_for_each(|(start, length)| {
                let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(start, length)).collect();
                self.enter(state, &keys, &rows.slice(start, length))
            });
        }
        for selection in &self.shared.selections {
            let Some(condition) = &selection.filter else {
                self.update_selection(state, selection, rows, false)?;
                continue;
            };
            let mask = condition.bound.eval_mask(&rows.batch)?;
            state.filtered_ids.clear();
            state.filtered_ids.extend(mask.values().set_indices().map(|row| state.ids[row]));
            let passing = rows.filter(&FilterBuilder::new(&mask).optimize().build())?;
            self.update_selection(state, selection, &passing, true)?;
        }
        self.flush_many(state)
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
        for (slot, inputs) in selection.slots.iter().map(|slot| (slot, slot.inputs(&inputs, &rows.numbers))) {
            let inputs = inputs?;
            let AggregateState { accumulators, ids, filtered_ids, .. } = &mut *state;
            // Room was asked for the text of the rows. Where inputs make more of it, that is booked when the batch is done.
            accumulators[slot.accumulator].update(if filtered { filtered_ids } else { ids }, &inputs)?;
        }
        Ok(())
    }

    /// Puts accumulators in their least form. False, and nothing is changed, when there is no memory for that.
    fn seal_accumulators(&self, state: &mut AggregateState) -> Result<bool> {
        let work = state.accumulators.iter().map(|a| a.seal_bytes()).max().unwrap_or(0);
        let bytes = state.table_bytes() + work;
        if work > 0 && bytes > state.memory.bytes() && !state.memory.try_resize_with_some_left(bytes) {
            return Ok(false);
        }
        state.accumulators.iter_mut().try_for_each(|a| a.seal())?;
        self.settle(state);
        Ok(true)
    }

    /// Takes in a later state's groups, where both are in memory and stay there. False, and the groups of both are still there,
    /// when they don't fit.
    fn merge_tables(&self, state: &mut AggregateState, later: &mut AggregateState) -> Result<bool> {
        if !self.seal_accumulators(state)? || !self.seal_accumulators(later)? {
            return Ok(false);
        }
        // What moves over as it is, is not booked twice.
        let moved: usize = later.accumulators.iter().map(|a| a.moved_bytes()).sum();
        let groups = state.groups.len() + later.groups.len();
        let pairs = state.accumulators.iter().zip(&later.accumulators);
        let accumulators: usize = pairs.map(|(a, b)| a.bytes_with(groups, 0, b.text_bytes())).sum();
        let most = state.groups.bytes_with(later.groups.len(), later.groups.key_bytes())
            + accumulators
            + (state.ids.capacity() + state.filtered_ids.capacity() + later.groups.len()) * size_of::<u32>();
        if most > state.memory.bytes() && !state.memory.try_resize_with_some_left(most) {
            return Ok(false);
        }
        let ids = {
            let AggregateState { groups, memory, .. } = &mut *state;
            let mut book = |more| memory.try_resize(memory.bytes() + more);
            match groups.absorb(&mut later.groups, &mut book) {
                Err(refused) if refused.kind() == ErrorKind::Memory => return Ok(false),
                ids => ids?,
            }
        };
        let groups = state.groups.len();
        let handed_over = later.memory.bytes().min(moved);
        later.memory.try_resize(later.memory.bytes() - handed_over)?;
        state.memory.overdraw(state.memory.bytes() + handed_over);
        for (accumulator, later) in state.accumulators.iter_mut().zip(std::mem::take(&mut later.accumulators)) {
            accumulator.resize(groups);
            accumulator.merge(&ids, later, state.rows)?;
        }
        state.held_rows += later.held_rows;
        self.settle(state);
        Ok(true)
    }

    /// The result of groups that are all in memory, a piece of them at a time in the order of their keys.
    fn finish_table(&self, state: &AggregateState, ids: &[u32]) -> Result<Batches> {
        let mut batches = Batches::new(self.schema.clone(), state.memory.sibling());
        for ids in ids.chunks(output_rows(state.groups.len(), state.table_bytes())) {
            let mut columns = state.groups.columns(ids)?;
            for (agg, accumulator) in self.aggs.iter().zip(&self.shared.outputs) {
                columns.push(state.accumulators[*accumulator].finish(agg, ids)?);
            }
            batches.push(rows_of(&self.schema, columns, ids.len())?)?;
        }
        Ok(batches)
    }

    /// Makes a state, all of it in memory, ready to be finished. False when there is no memory for that.
    fn prepare(&self, state: &mut AggregateState) -> Result<bool> {
        // Without keys and rows there is a group that no update has made room for.
        let groups = state.groups.len();
        state.accumulators.iter_mut().for_each(|a| a.resize(groups));
        if !self.seal_accumulators(state)? {
            return Ok(false);
        }
        let work: usize = state.accumulators.iter().map(|a| a.finish_bytes()).sum();
        let bytes = state.table_bytes() + work;
        Ok(bytes <= state.memory.bytes() || state.memory.try_resize(bytes).is_ok())
    }

    /// By their keys, ascending, nulls last.
    fn sort(&self) -> Result<SortOp> {
        let key = |field: &Arc<Field>| {
            let expr = col(field.name()).bind(&self.schema)?;
            Ok(BoundSortKey { expr, descending: false, nulls_first: false })
        };
        let keys = self.schema.fields().iter().take(self.keys.len()).map(key).collect::<Result<_>>()?;
        Ok(SortOp::new(self.schema.clone(), keys, None))
    }
}

/// Columns of so many rows, which is told since there may be no columns that show it.
fn rows_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Start and length of either half.
fn halves(rows: usize) -> [(usize, usize); 2] {
    [(0, rows / 2), (rows / 2, rows - rows / 2)]
}

impl AggregateState {
    /// What is held beside the buckets.
    fn table_bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.bytes()).sum();
        let ids = self.ids.capacity() + self.filtered_ids.capacity();
        let first = self.first.as_ref().map_or(0, First::bytes);
        self.groups.bytes() + accumulators + ids * size_of::<u32>() + first
    }
}

impl Reducer for AggregateOp {
    const HOLDS: &'static str = "groups and their aggregates";
    const SPILLS: bool = true;
    type State = AggregateState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn new_state(&self, memory: Reservation) -> AggregateState {
        self.0.new_state(memory, 0)
    }

    fn update(&self, state: &mut AggregateState, batch: &RecordBatch) -> Result<Flow> {
        let op = &*self.0;
        let mut keys = op.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
        let count = batch.num_rows() as i64;
        let numbers = || Arc::new(Int64Array::from_iter_values(state.rows..state.rows + count)) as ArrayRef;
        let mut rows = Rows { batch: Cow::Borrowed(batch), numbers: op.shared.counts_rows().then(numbers) };
        state.rows += count;
        if let Some(mask) = valid_rows(&keys).filter(|_| !op.keep_nulls) {
            let filter = FilterBuilder::new(&mask).optimize().build();
            for array in &mut keys {
                *array = filter.filter(array)?;
            }
            rows = rows.filter(&filter)?;
        }
        op.enter(state, &keys, &rows)?;
        op.settle(state);
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut AggregateState) -> Result<()> {
        state.groups.seal_and_spare(state.memory.sibling());
        (state.ids, state.filtered_ids, state.first) = (vec![], vec![], None);
        if let Some(hashed) = &mut state.hashed {
            hashed.settle()?;
        }
        let many = state.hashed.is_some() || state.groups.len() > self.0.most_groups / 2;
        if many || !self.0.seal_accumulators(state)? {
            return self.0.flush(state);
        }
        // It waits now, while others work.
        let bytes = state.table_bytes();
        if state.memory.try_resize_to_gather(bytes) { Ok(()) } else { self.0.flush(state) }
    }

    fn merge(&self, state: &mut AggregateState, mut later: AggregateState) -> Result<()> {
        let op = &*self.0;
        let many = state.hashed.is_some() || later.hashed.is_some() || state.groups.len() > op.most_groups / 2;
        if many || !op.merge_tables(state, &mut later)? {
            op.flush(state)?;
            op.flush(&mut later)?;
            op.append(state, later.hashed.take())?;
        }
        state.rows += later.rows;
        Ok(())
    }

    fn finish(&self, state: AggregateState) -> Result<Batches> {
        let nothing = Batches::new(self.0.schema.clone(), state.memory.sibling());
        self.end(state)?.alone(nothing)
    }

    fn end(&self, mut state: AggregateState) -> Result<Ending<Batches>> {
        let op = &self.0;
        if state.hashed.is_some() || !op.prepare(&mut state)? {
            return op.end_buckets(state);
        }
        let ids = state.groups.sorted();
        let values: usize = state.accumulators.iter().map(|a| a.held()).sum();
        if values < MANY_VALUES {
            return Ok(Ending::Whole(op.finish_table(&state, &ids)?));
        }
        let state = Arc::new(state);
        let pieces = ids.chunks(ids.len().div_ceil(64)).map(|ids| {
            let (op, state, ids) = (op.clone(), state.clone(), ids.to_vec());
            Piece::whole(move || op.finish_table(&state, &ids))
        });
        Ok(Ending::Pieces(pieces.collect()))
    }

    fn bytes(&self, state: &AggregateState) -> usize {
        state.table_bytes() + state.hashed.as_ref().map_or(0, Hashed::bytes)
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
