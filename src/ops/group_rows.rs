//! The first or the last rows of each group: distinct rows, the head and the tail of groups, the tail of all rows.
//!
//! 1. The keys of a batch become dense group ids, which say of each row whether it is among the first of its group so far, or
//!    among the last of its group in this batch. The others go at once.
//! 2. Of last rows, later ones push earlier ones out. Those go when they are more than half of what is held.
//! 3. Rows keep the order in which they came. Without keys, all rows are one group.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{FilterBuilder, filter_record_batch};
use arrow::datatypes::SchemaRef;

use super::aggregate::valid_rows;
use super::collect::{CollectOp, CollectState};
use super::groups::Groups;
use super::key::encoded_bytes;
use super::{Batches, Flow, Reducer, vec_bytes_with};
use crate::error::Result;
use crate::expr::{BoundExpr, Type};
use crate::mem::Reservation;

/// Keeps some rows of each group, in the order in which they came.
pub(crate) struct GroupRowsOp {
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    /// How many of each group.
    rows: u32,
    /// The last ones and not the first ones.
    last: bool,
    keep_nulls: bool,
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
    /// Books all but the rows.
    memory: Reservation,
}

/// Rows that were pushed out may be so many, whatever is held.
const SLACK: usize = 1 << 12;

impl GroupRowsOp {
    /// Rows with a null key are dropped unless `keep_nulls`.
    pub(crate) fn new(
        schema: SchemaRef,
        keys: Vec<BoundExpr>,
        rows: usize,
        last: bool,
        keep_nulls: bool,
    ) -> GroupRowsOp {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        GroupRowsOp { collect: CollectOp::new(schema, 0, None), keys, rows, last, keep_nulls }
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

    /// The most that is allocated, but for the rows, while this many come in.
    fn bytes_with(&self, state: &GroupRowsState, rows: usize, key_bytes: usize) -> usize {
        let tallies = vec_bytes_with(&state.counts, rows) + vec_bytes_with(&state.seen, rows);
        state.groups.bytes_with(rows, key_bytes) + tallies + vec_bytes_with(&state.ids, rows) + 5 * rows
    }

    fn bytes_of(&self, state: &GroupRowsState) -> usize {
        let tallies = state.counts.capacity() + state.seen.capacity() + state.ids.capacity();
        state.groups.bytes() + tallies * size_of::<u32>()
    }
}

/// Books `bytes` where that is more than is booked.
fn book(memory: &mut Reservation, bytes: usize) -> Result<()> {
    if bytes > memory.bytes() { memory.try_resize(bytes) } else { Ok(()) }
}

impl Reducer for GroupRowsOp {
    const HOLDS: &'static str = "distinct rows and rows of groups";
    type State = GroupRowsState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        self.collect.schema()
    }

    fn new_state(&self, memory: Reservation) -> GroupRowsState {
        let kinds: Vec<Type> = self.keys.iter().map(BoundExpr::kind).collect();
        let held = self.collect.new_state(memory.sibling());
        GroupRowsState { groups: Groups::new(kinds), counts: vec![], seen: vec![], held, ids: vec![], live: 0, memory }
    }

    fn update(&self, state: &mut GroupRowsState, batch: &RecordBatch) -> Result<Flow> {
        let mut keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut batch = batch.clone();
        if let Some(mask) = valid_rows(&keys).filter(|_| !self.keep_nulls) {
            let filter = FilterBuilder::new(&mask).optimize().build();
            for array in &mut keys {
                *array = filter.filter(array)?;
            }
            batch = filter.filter_record_batch(&batch)?;
        }
        let rows = batch.num_rows();
        let most = self.bytes_with(state, rows, keys.iter().map(encoded_bytes).sum());
        book(&mut state.memory, most)?;
        let (mut ids, memory) = (vec![], &mut state.memory);
        state.groups.assign(&keys, rows, &mut ids, &mut |more| book(memory, memory.bytes() + more))?;
        self.enter(state, &batch, &ids)?;
        let bytes = self.bytes_of(state);
        if bytes > state.memory.bytes() || bytes < state.memory.bytes() / 2 {
            state.memory.try_resize(bytes)?;
        }
        let all = self.keys.is_empty() && !self.last && state.live >= self.rows as usize;
        Ok(if all { Flow::Enough } else { Flow::More })
    }

    fn seal(&self, state: &mut GroupRowsState) -> Result<()> {
        state.groups.seal();
        state.memory.try_resize(self.bytes_of(state))
    }

    fn merge(&self, state: &mut GroupRowsState, later: GroupRowsState) -> Result<()> {
        let mut later = later;
        let groups = later.groups.len() + later.ids.len();
        let most = self.bytes_with(state, groups, later.groups.key_bytes());
        book(&mut state.memory, most)?;
        let batches = self.release(&mut later)?;
        let GroupRowsState { mut groups, ids, .. } = later;
        let memory = &mut state.memory;
        let here = state.groups.absorb(&mut groups, &mut |more| book(memory, memory.bytes() + more))?;
        let ids: Vec<u32> = ids.into_iter().map(|id| here[id as usize]).collect();
        let mut first = 0;
        let all = 0..batches.num_rows();
        for batch in batches.into_range(all) {
            let batch = batch?;
            self.enter(state, &batch, &ids[first..first + batch.num_rows()])?;
            first += batch.num_rows();
        }
        state.memory.try_resize(self.bytes_of(state))
    }

    fn finish(&self, mut state: GroupRowsState) -> Result<Batches> {
        if state.ids.len() > state.live {
            self.prune(&mut state)?;
        }
        self.collect.finish(state.held)
    }

    fn bytes(&self, state: &GroupRowsState) -> usize {
        self.bytes_of(state) + self.collect.bytes(&state.held)
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
        ) {
            let keys = keys.repeat(repeat);
            let schema = batch(&[], 0).schema();
            let names = [col("a"), col("s")];
            let bound = names[..by].iter().map(|k| k.bind(&schema).unwrap()).collect();
            let op = GroupRowsOp::new(schema.clone(), bound, rows, last, keep_nulls);
            let budget = Budget::of(1 << 28);
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
            let got = concat_batches(&schema, &op.finish(whole).unwrap().load().unwrap().0).unwrap();
            let got = got.column(2).as_primitive::<Int64Type>().values().to_vec();
            prop_assert_eq!(got, naive(&keys, by, rows, last, keep_nulls));
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
