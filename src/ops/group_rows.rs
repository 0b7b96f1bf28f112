//! The first or the last rows of each group: distinct rows, the head and the tail of groups, the tail of all rows.
//!
//! 1. The keys of a batch become dense group ids, which say of each row whether it is among the first of its group so far, or
//!    among the last of its group in this batch. The others go at once.
//! 2. Of last rows, later ones push earlier ones out. Those go when they are more than half of what is held.
//! 3. Rows keep the order in which they came. Without keys, all rows are one group.
//! 4. Where there are many groups, or memory is short, rows go to buckets by the hash of their keys, with their numbers. The
//!    same is done with the rows of each bucket at the end, and what stays is brought in order by the numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{FilterBuilder, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::aggregate::{MANY_GROUPS, MOST_GROUPS, valid_rows};
use super::collect::{CollectOp, CollectState, batch_bytes};
use super::groups::Groups;
use super::hash::{Bucket, HashBuckets, LEVELS};
use super::key::encoded_bytes;
use super::{Batches, Ending, Flow, Piece, Reducer, SortOp, output_rows, vec_bytes_with};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundExpr, BoundSortKey, Type, col};
use crate::mem::Reservation;

/// Keeps some rows of each group, in the order in which they came.
pub(crate) struct GroupRowsOp(Arc<GroupRows>);

struct GroupRows {
    schema: SchemaRef,
    /// Rows with their number.
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    /// How many of each group.
    rows: u32,
    /// The last ones and not the first ones.
    last: bool,
    keep_nulls: bool,
    /// Whether the rows that stay are to be in the order in which they came.
    ordered: bool,
}

/// The rows that may be in the result, by what came so far.
pub(crate) struct GroupRowsState {
    groups: Groups,
    /// How many rows of each group are held.
    counts: Vec<u32>,
    /// How many of each group the current batch has; all 0 between batches.
    seen: Vec<u32>,
    held: CollectState,
    /// The group of each row held.
    ids: Vec<u32>,
    /// How many rows are in the result, if no more come.
    live: usize,
    /// How many rows came.
    rows: i64,
    /// Rows that went to buckets; they came before those that are held.
    hashed: Option<HashBuckets>,
    /// Which bits of hashes the buckets are by.
    level: u32,
    /// Books all but the rows.
    memory: Reservation,
}

/// Rows that were pushed out may be so many, whatever is held.
const SLACK: usize = 1 << 12;

/// So much is taken without asking, by who has nothing to give up: others may have all there is, and wait for it.
const LITTLE: usize = 1 << 16;

/// The rows that are counted at a time take little.
const FEW_ROWS: usize = 1 << 8;

/// The column of rows' numbers: no column of a file is called so.
const NUMBER: &str = "\0row";

impl GroupRowsOp {
    /// Rows with a null key are dropped unless `keep_nulls`; the others stay in their order if `ordered`.
    pub(crate) fn new(
        schema: SchemaRef,
        keys: Vec<BoundExpr>,
        rows: usize,
        last: bool,
        keep_nulls: bool,
        ordered: bool,
    ) -> GroupRowsOp {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let mut fields = schema.fields().to_vec();
        fields.push(Arc::new(Field::new(NUMBER, DataType::Int64, true)));
        let collect = CollectOp::new(Arc::new(Schema::new(fields)), 0, None);
        GroupRowsOp(Arc::new(GroupRows { schema, collect, keys, rows, last, keep_nulls, ordered }))
    }
}

impl GroupRows {
    fn new_state(&self, memory: Reservation, level: u32) -> GroupRowsState {
        GroupRowsState {
            groups: self.groups(),
            counts: vec![],
            seen: vec![],
            held: self.collect.new_state(memory.sibling()),
            ids: vec![],
            live: 0,
            rows: 0,
            hashed: None,
            level,
            memory,
        }
    }

    fn groups(&self) -> Groups {
        Groups::new(self.keys.iter().map(BoundExpr::kind).collect::<Vec<Type>>())
    }

    fn keys(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.keys.iter().map(|key| key.eval(rows)).collect()
    }

    /// The rows with their numbers, the first of them this one.
    fn numbered(&self, rows: &RecordBatch, first: i64) -> Result<RecordBatch> {
        let numbers = Int64Array::from_iter_values(first..first + rows.num_rows() as i64);
        self.with_numbers(rows, numbers)
    }

    /// The numbers of rows counted on from `before`.
    fn renumbered(&self, rows: &RecordBatch, before: i64) -> Result<RecordBatch> {
        if before == 0 {
            return Ok(rows.clone());
        }
        let numbers = rows.columns().last().and_then(|column| column.as_primitive_opt::<Int64Type>());
        let numbers = numbers.ok_or_else(|| Error::internal("rows lack their numbers"))?;
        self.with_numbers(rows, numbers.unary(|number| number + before))
    }

    fn with_numbers(&self, rows: &RecordBatch, numbers: Int64Array) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = rows.columns().iter().take(self.schema.fields().len()).cloned().collect();
        columns.push(Arc::new(numbers));
        Ok(RecordBatch::try_new(self.collect.schema().clone(), columns)?)
    }

    /// Finds the groups of rows with these keys. When memory is short for that, what is held goes to buckets; `None`, when it is too
    /// short even then: the rows are to come in two halves.
    fn admit(&self, state: &mut GroupRowsState, keys: &[ArrayRef], rows: usize) -> Result<Option<Vec<u32>>> {
        loop {
            let most = self.bytes_with(state, rows, keys.iter().map(encoded_bytes).sum());
            let is_empty = state.ids.is_empty();
            let booked = match most <= state.memory.bytes() || state.memory.try_resize_with_some_left(most) {
                true => Ok(()),
                // With nothing to give up, it takes of what there is, and leaves as much to others who do.
                false if is_empty && rows > 1 && most > LITTLE => {
                    state.memory.try_resize(2 * most).and_then(|()| state.memory.try_resize(most))
                }
                false if is_empty => book_in_all(&mut state.memory, most),
                false => {
                    self.flush(state)?;
                    continue;
                }
            };
            let (mut ids, memory) = (vec![], &mut state.memory);
            let mut book = |more| {
                let bytes = memory.bytes() + more;
                if is_empty { book_in_all(memory, bytes) } else { memory.try_resize(bytes) }
            };
            let groups = &mut state.groups;
            match booked.and_then(|()| groups.assign(keys, rows, &mut ids, &mut book)) {
                Ok(()) => return Ok(Some(ids)),
                Err(refused) if refused.kind() != ErrorKind::Memory || is_empty && rows == 1 => return Err(refused),
                Err(_) if !is_empty => self.flush(state)?,
                Err(_) => {
                    state.groups = self.groups();
                    state.memory.try_resize(0)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Takes in rows with these keys.
    fn take_in(&self, state: &mut GroupRowsState, rows: &RecordBatch, keys: &[ArrayRef]) -> Result<()> {
        let count = rows.num_rows();
        if count == 0 {
            return Ok(());
        }
        if let Some(ids) = self.admit(state, keys, count)? {
            self.enter(state, rows, &ids)?;
            self.settle(state);
            return if state.level == 0 && state.groups.len() > MOST_GROUPS { self.flush(state) } else { Ok(()) };
        }
        [(0, count / 2), (count / 2, count - count / 2)].into_iter().try_for_each(|(start, length)| {
            let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(start, length)).collect();
            self.take_in(state, &rows.slice(start, length), &keys)
        })
    }

    /// Takes in rows whose groups are `ids`.
    fn enter(&self, state: &mut GroupRowsState, batch: &RecordBatch, ids: &[u32]) -> Result<()> {
        state.counts.resize(state.groups.len(), 0);
        let mut entering = vec![false; ids.len()];
        if self.last {
            state.seen.resize(state.groups.len(), 0);
            for (id, entering) in ids.iter().zip(&mut entering).rev() {
                let seen = &mut state.seen[*id as usize];
                *entering = *seen < self.rows;
                *seen += u32::from(*entering);
            }
            ids.iter().for_each(|id| state.seen[*id as usize] = 0);
        }
        for (id, entering) in ids.iter().zip(&mut entering) {
            let count = &mut state.counts[*id as usize];
            let more = *count < self.rows;
            if self.last && !*entering || !self.last && !more {
                continue;
            }
            *entering = true;
            // Beyond the rows asked for, one that comes pushes one out.
            *count += u32::from(more);
            state.live += usize::from(more);
            state.ids.push(*id);
        }
        let rows = filter_record_batch(batch, &BooleanArray::from(entering))?;
        self.collect.update(&mut state.held, &rows)?;
        if state.ids.len() > 2 * state.live + SLACK { self.prune(state) } else { Ok(()) }
    }

    /// Lets go of the rows that were pushed out.
    fn prune(&self, state: &mut GroupRowsState) -> Result<()> {
        let mut live = vec![false; state.ids.len()];
        state.seen.resize(state.groups.len(), 0);
        for (id, live) in state.ids.iter().zip(&mut live).rev() {
            let seen = &mut state.seen[*id as usize];
            *live = *seen < self.rows;
            *seen += u32::from(*live);
        }
        state.seen.fill(0);
        let mut first = 0;
        let held = self.release(state)?;
        let all = 0..held.num_rows();
        for batch in held.into_range(all) {
            let batch = batch?;
            let mask = BooleanArray::from(live[first..first + batch.num_rows()].to_vec());
            first += batch.num_rows();
            self.collect.update(&mut state.held, &filter_record_batch(&batch, &mask)?)?;
        }
        let mut live = live.iter();
        state.ids.retain(|_| live.next().is_some_and(|live| *live));
        Ok(())
    }

    /// The rows held; none are held any more.
    fn release(&self, state: &mut GroupRowsState) -> Result<Batches> {
        let nothing = self.collect.new_state(state.memory.sibling());
        self.collect.rows(std::mem::replace(&mut state.held, nothing))
    }

    /// Moves the rows that are held to the buckets.
    fn flush(&self, state: &mut GroupRowsState) -> Result<()> {
        let nothing = || HashBuckets::new(self.collect.schema().clone(), &state.memory);
        let mut hashed = state.hashed.take().unwrap_or_else(nothing);
        state.groups = self.groups();
        (state.counts, state.seen, state.ids, state.live) = (vec![], vec![], vec![], 0);
        state.memory.try_resize(self.bytes_of(state))?;
        let held = self.release(state)?;
        // Many rows at a time: a few of them for each bucket would cost more than they are.
        let mut scatter = |some: &mut Vec<RecordBatch>| -> Result<()> {
            let rows = concat_batches(self.collect.schema(), &std::mem::take(some))?;
            hashed.scatter(&rows, &self.keys(&rows)?, state.level)
        };
        let (mut some, mut rows, mut bytes, all) = (vec![], 0, 0, 0..held.num_rows());
        for batch in held.into_range(all) {
            let batch = batch?;
            (rows, bytes) = (rows + batch.num_rows(), bytes + batch_bytes(&batch));
            some.push(batch);
            if rows >= output_rows(rows, bytes) {
                scatter(&mut some)?;
                (rows, bytes) = (0, 0);
            }
        }
        scatter(&mut some)?;
        state.hashed = Some(hashed);
        Ok(())
    }

    /// Takes in a later state's rows, where both are in memory and stay there. False, and the rows of both are still there, when
    /// they don't fit.
    fn merge_held(&self, state: &mut GroupRowsState, later: &mut GroupRowsState) -> Result<bool> {
        let groups = later.groups.len() + later.ids.len();
        let most = self.bytes_with(state, groups, later.groups.key_bytes());
        if most > state.memory.bytes() && !state.memory.try_resize_with_some_left(most) {
            return Ok(false);
        }
        let memory = &mut state.memory;
        let mut book = |more| memory.try_resize(memory.bytes() + more);
        let here = match state.groups.absorb(&mut later.groups, &mut book) {
            Err(refused) if refused.kind() == ErrorKind::Memory => return Ok(false),
            here => here?,
        };
        let batches = self.release(later)?;
        let ids: Vec<u32> = later.ids.iter().map(|id| here[*id as usize]).collect();
        let (mut first, all) = (0, 0..batches.num_rows());
        for batch in batches.into_range(all) {
            let batch = self.renumbered(&batch?, state.rows)?;
            self.enter(state, &batch, &ids[first..first + batch.num_rows()])?;
            first += batch.num_rows();
        }
        self.settle(state);
        Ok(true)
    }

    /// The rows of a bucket that stay, with their numbers.
    fn finish_bucket(&self, bucket: Bucket, level: u32, memory: Reservation) -> Result<Batches> {
        let mut state = self.new_state(memory, level.min(LEVELS - 1));
        let count = bucket.rows.num_rows();
        for batch in bucket.into_batches() {
            let (batch, before) = batch?;
            let batch = self.renumbered(&batch, before)?;
            self.take_in(&mut state, &batch, &self.keys(&batch)?)?;
        }
        if state.hashed.is_none() {
            return self.finish_held(state);
        }
        self.flush(&mut state)?;
        let mut finished = Batches::new(self.collect.schema().clone(), state.memory.sibling());
        for bucket in state.hashed.take().map_or_else(|| Ok(vec![]), HashBuckets::into_buckets)? {
            let memory = state.memory.sibling();
            finished.append(match bucket.rows.num_rows() > count / 2 {
                true => self.finish_uncut(bucket, memory)?,
                false => self.finish_bucket(bucket, level + 1, memory)?,
            });
        }
        Ok(finished)
    }

    /// As `finish_bucket`, of a bucket that cutting hardly makes smaller: most of its rows are of one group, of which so many stay that
    /// they can't be listed. The groups' rows are counted, then each goes by its place in its group.
    fn finish_uncut(&self, bucket: Bucket, mut memory: Reservation) -> Result<Batches> {
        let (mut groups, mut counts) = (self.groups(), vec![]);
        // Of a few rows at a time: others may have most of the memory.
        let mut ids = |rows: &RecordBatch, counts: &mut Vec<usize>| -> Result<Vec<u32>> {
            let (keys, mut all, mut ids) = (self.keys(rows)?, Vec::with_capacity(rows.num_rows()), vec![]);
            for first in (0..rows.num_rows()).step_by(FEW_ROWS) {
                let few = FEW_ROWS.min(rows.num_rows() - first);
                let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(first, few)).collect();
                let most = groups.bytes_with(few, keys.iter().map(encoded_bytes).sum());
                book_in_all(&mut memory, most + 2 * vec_bytes_with(counts, few))?;
                let mut book = |more| {
                    let bytes = memory.bytes() + more;
                    book_in_all(&mut memory, bytes)
                };
                groups.assign(&keys, few, &mut ids, &mut book)?;
                counts.resize(groups.len(), 0);
                all.extend_from_slice(&ids);
            }
            Ok(all)
        };
        let all = 0..bucket.rows.num_rows();
        for batch in bucket.rows.range(all) {
            ids(&batch?, &mut counts)?.into_iter().for_each(|id| counts[id as usize] += 1);
        }
        let (most, mut places) = (self.rows as usize, vec![0; counts.len()]);
        let mut held = self.collect.new_state(bucket.rows.memory());
        for batch in bucket.into_batches() {
            let (batch, before) = batch?;
            let stays = ids(&batch, &mut counts)?.into_iter().map(|id| {
                let (count, place) = (counts[id as usize], &mut places[id as usize]);
                let first = if self.last { count.saturating_sub(most) } else { 0 };
                *place += 1;
                Some((first + 1..=first + most).contains(&*place))
            });
            let stays: BooleanArray = stays.collect();
            self.collect.update(&mut held, &filter_record_batch(&self.renumbered(&batch, before)?, &stays)?)?;
        }
        self.collect.rows(held)
    }

    /// The rows of a state that is all in memory, with their numbers.
    fn finish_held(&self, mut state: GroupRowsState) -> Result<Batches> {
        if state.ids.len() > state.live {
            self.prune(&mut state)?;
        }
        self.collect.finish(state.held)
    }

    /// The most that is allocated, but for the rows, while this many come in.
    fn bytes_with(&self, state: &GroupRowsState, rows: usize, key_bytes: usize) -> usize {
        let tallies = vec_bytes_with(&state.counts, rows) + vec_bytes_with(&state.seen, rows);
        state.groups.bytes_with(rows, key_bytes) + tallies + vec_bytes_with(&state.ids, rows) + 5 * rows
    }

    fn bytes_of(&self, state: &GroupRowsState) -> usize {
        let tallies = state.counts.capacity() + state.seen.capacity() + state.ids.capacity();
        state.groups.bytes() + tallies * size_of::<u32>()
    }

    /// Books what the state came to hold, where that is more or much less.
    fn settle(&self, state: &mut GroupRowsState) {
        let (bytes, booked) = (self.bytes_of(state), state.memory.bytes());
        if bytes > booked || bytes < booked / 2 {
            state.memory.overdraw(bytes);
        }
    }
}

/// Books so many bytes in all, a [`LITTLE`] without asking.
fn book_in_all(memory: &mut Reservation, bytes: usize) -> Result<()> {
    memory.try_resize(bytes).or_else(|refused| {
        if bytes > LITTLE {
            return Err(refused);
        }
        memory.overdraw(bytes);
        Ok(())
    })
}

impl Reducer for GroupRowsOp {
    const HOLDS: &'static str = "distinct rows and rows of groups";
    const SPILLS: bool = true;
    type State = GroupRowsState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn new_state(&self, memory: Reservation) -> GroupRowsState {
        self.0.new_state(memory, 0)
    }

    fn update(&self, state: &mut GroupRowsState, batch: &RecordBatch) -> Result<Flow> {
        let op = &*self.0;
        let mut keys = op.keys(batch)?;
        let mut rows = op.numbered(batch, state.rows)?;
        state.rows += batch.num_rows() as i64;
        if let Some(mask) = valid_rows(&keys).filter(|_| !op.keep_nulls) {
            let filter = FilterBuilder::new(&mask).optimize().build();
            for array in &mut keys {
                *array = filter.filter(array)?;
            }
            rows = filter.filter_record_batch(&rows)?;
        }
        op.take_in(state, &rows, &keys)?;
        let all = op.keys.is_empty() && !op.last && state.live >= op.rows as usize;
        Ok(if all { Flow::Enough } else { Flow::More })
    }

    fn seal(&self, state: &mut GroupRowsState) -> Result<()> {
        state.groups.seal();
        let many = state.hashed.is_some() || state.groups.len() > MANY_GROUPS;
        // It waits now, while others work.
        let bytes = self.0.bytes_of(state);
        if many || !state.memory.try_resize_to_gather(bytes) { self.0.flush(state) } else { Ok(()) }
    }

    fn merge(&self, state: &mut GroupRowsState, mut later: GroupRowsState) -> Result<()> {
        let op = &*self.0;
        let many = state.hashed.is_some() || later.hashed.is_some() || state.groups.len() > MANY_GROUPS;
        if many || !op.merge_held(state, &mut later)? {
            op.flush(state)?;
            op.flush(&mut later)?;
            if let (Some(hashed), Some(later)) = (&mut state.hashed, later.hashed.take()) {
                hashed.append(later, state.rows)?;
            }
        }
        state.rows += later.rows;
        Ok(())
    }

    fn finish(&self, state: GroupRowsState) -> Result<Batches> {
        let nothing = Batches::new(self.0.schema.clone(), state.memory.sibling());
        self.end(state)?.alone(nothing)
    }

    fn end(&self, mut state: GroupRowsState) -> Result<Ending<Batches>> {
        let (op, columns) = (&self.0, self.0.schema.fields().len());
        if state.hashed.is_none() {
            return Ok(Ending::Whole(op.finish_held(state)?.with_columns(columns)?));
        }
        op.flush(&mut state)?;
        let buckets = state.hashed.take().map_or_else(|| Ok(vec![]), HashBuckets::into_buckets)?;
        let pieces = buckets.into_iter().map(|bucket| {
            let (op, memory) = (op.clone(), state.memory.sibling());
            let columns = if op.ordered { usize::MAX } else { columns };
            Piece::whole(move || op.finish_bucket(bucket, 1, memory)?.with_columns(columns))
        });
        if !op.ordered {
            return Ok(Ending::Pieces(pieces.collect()));
        }
        let number = col(NUMBER).bind(op.collect.schema())?;
        let key = BoundSortKey { expr: number, descending: false, nulls_first: false };
        let sort = SortOp::new(op.collect.schema().clone(), vec![key], None);
        Ok(Ending::Unsorted { pieces: pieces.collect(), sort, columns })
    }

    fn bytes(&self, state: &GroupRowsState) -> usize {
        let hashed = state.hashed.as_ref().map_or(0, HashBuckets::bytes);
        self.0.bytes_of(state) + self.0.collect.bytes(&state.held) + hashed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::expr::col;
    use crate::mem::Budget;

    fn batch(keys: &[(Option<i64>, Option<u8>)], first: usize) -> RecordBatch {
        let texts = keys.iter().map(|(_, s)| s.map(|s| format!("the text of key number {s}")));
        RecordBatch::try_from_iter_with_nullable([
            ("a", Arc::new(keys.iter().map(|k| k.0).collect::<Int64Array>()) as ArrayRef, true),
            ("s", Arc::new(texts.collect::<StringViewArray>()), true),
            ("row", Arc::new(Int64Array::from_iter_values((first..first + keys.len()).map(|i| i as i64))), true),
        ])
        .unwrap()
    }

    /// The rows that stay, by counting.
    fn naive(keys: &[(Option<i64>, Option<u8>)], by: usize, rows: usize, last: bool, keep_nulls: bool) -> Vec<i64> {
        type Key = (Option<i64>, Option<u8>);
        let key = |k: &Key| -> Key { (k.0.filter(|_| by > 0), k.1.filter(|_| by > 1)) };
        let dropped = |k: &Key| !keep_nulls && (by > 0 && k.0.is_none() || by > 1 && k.1.is_none());
        let mut counts: HashMap<Key, usize> = HashMap::new();
        let mut kept = vec![];
        let mut go = |i: usize| {
            let count = counts.entry(key(&keys[i])).or_default();
            *count += 1;
            if *count <= rows && !dropped(&keys[i]) {
                kept.push(i as i64);
            }
        };
        if last {
            (0..keys.len()).rev().for_each(&mut go)
        } else {
            (0..keys.len()).for_each(&mut go)
        }
        kept.sort_unstable();
        kept
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn keeps_what_counting_keeps(
            keys in prop::collection::vec((prop::option::of(0i64..40), prop::option::of(0u8..3)), 0..400),
            repeat in prop_oneof![Just(1usize), Just(40)],
            by in 0usize..3,
            rows in 0usize..4,
            last: bool,
            keep_nulls: bool,
            cut in 1usize..700,
            batches_a_state in 1usize..5,
            limit in prop_oneof![Just(1usize << 28), Just(200_000), Just(50_000)],
        ) {
            let keys = keys.repeat(repeat);
            let schema = batch(&[], 0).schema();
            let names = [col("a"), col("s")];
            let bound = names[..by].iter().map(|k| k.bind(&schema).unwrap()).collect();
            let op = GroupRowsOp::new(schema.clone(), bound, rows, last, keep_nulls, true);
            let budget = Budget::of(limit);
            let mut whole = op.new_state(budget.reserve("rows"));
            let mut first = 0;
            for pieces in keys.chunks(cut).collect::<Vec<_>>().chunks(batches_a_state) {
                let mut state = op.new_state(budget.reserve("rows"));
                let mut flow = Flow::More;
                for piece in pieces {
                    if flow == Flow::More {
                        flow = op.update(&mut state, &batch(piece, first)).unwrap();
                    }
                    first += piece.len();
                }
                op.seal(&mut state).unwrap();
                prop_assert!(budget.used() >= op.bytes(&state));
                op.merge(&mut whole, state).unwrap();
            }
            let finished = op.finish(whole).unwrap();
            let got = concat_batches(&schema, &finished.iter().map(Result::unwrap).collect::<Vec<_>>()).unwrap();
            drop(finished);
            let got = got.column(2).as_primitive::<Int64Type>().values().to_vec();
            prop_assert_eq!(got, naive(&keys, by, rows, last, keep_nulls));
            prop_assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn many_groups_go_to_disk_and_come_back_in_order() {
        let schema = batch(&[], 0).schema();
        for (last, rows) in [(false, 1), (true, 2)] {
            let op = GroupRowsOp::new(schema.clone(), vec![col("a").bind(&schema).unwrap()], rows, last, true, true);
            let keys: Vec<_> = (0..400_000i64).map(|i| (Some(i * 7919 % 100_003), Some(1))).collect();
            let budget = Budget::of(8 << 20);
            let mut whole = op.new_state(budget.reserve("rows"));
            for (i, pieces) in keys.chunks(40_000).enumerate() {
                let mut state = op.new_state(budget.reserve("rows"));
                for (j, piece) in pieces.chunks(10_000).enumerate() {
                    op.update(&mut state, &batch(piece, i * 40_000 + j * 10_000)).unwrap();
                }
                op.seal(&mut state).unwrap();
                op.merge(&mut whole, state).unwrap();
            }
            let finished = op.finish(whole).unwrap();
            let got: Vec<i64> = finished
                .iter()
                .flat_map(|batch| batch.unwrap().column(2).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            assert_eq!(got, naive(&keys, 1, rows, last, true));
            assert!(budget.spill().written() > 1_000_000 && budget.peak() <= budget.limit());
        }
    }

    #[test]
    fn others_may_have_all_the_memory() {
        let schema = batch(&[], 0).schema();
        let keys: Vec<_> = (0..20_000i64).map(|i| (Some(if i % 10 == 0 { i } else { 0 }), Some(1))).collect();
        for (by, rows, last) in [(0, 19_000, true), (1, 17_000, true), (1, 17_000, false), (1, 1, false)] {
            let by_keys = [col("a")][..by].iter().map(|key| key.bind(&schema).unwrap()).collect();
            let op = GroupRowsOp::new(schema.clone(), by_keys, rows, last, true, false);
            let budget = Budget::of(1 << 20);
            let mut others = budget.reserve("others");
            others.try_resize(budget.limit()).unwrap();
            let mut whole = op.new_state(budget.reserve("rows"));
            for (i, piece) in keys.chunks(5_000).enumerate() {
                let mut state = op.new_state(budget.reserve("rows"));
                op.update(&mut state, &batch(piece, i * 5_000)).unwrap();
                op.seal(&mut state).unwrap();
                op.merge(&mut whole, state).unwrap();
            }
            let mut got: Vec<i64> = vec![];
            for batch in op.finish(whole).unwrap().iter().map(Result::unwrap) {
                got.extend(batch.column(2).as_primitive::<Int64Type>().values());
            }
            got.sort_unstable();
            assert_eq!(got, naive(&keys, by, rows, last, true));
            assert!(budget.peak() <= budget.limit() + 2 * LITTLE && budget.spill().written() > 0);
        }
    }
}
