//! Keeps rows in their order, a range of them if asked.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, SchemaRef};
use std::sync::Arc;

use super::{Batches, Flow, Reducer};
pub(super) use crate::batch::batch_bytes;
use crate::batch::{held, held_batch, held_bytes, held_texts, values_of, without_dictionaries};
use crate::error::Result;
use crate::mem::{Part, Reservation};

/// Keeps `limit` rows after the first `offset`, in their order.
pub(crate) struct CollectOp {
    schema: SchemaRef,
    offset: usize,
    limit: Option<usize>,
    /// Whether rows are kept as a result holds them: in narrower types.
    held: bool,
    /// What text columns hold that come as codes.
    dictionaries: Vec<Option<ArrayRef>>,
}

/// The first rows of a run, as many as the limit can need.
pub(crate) struct CollectState {
    rows: Batches,
    /// Batches too small to keep by themselves; they come after `rows`.
    small: Vec<RecordBatch>,
    small_rows: usize,
    /// Books the small ones.
    memory: Reservation,
}

/// Below this, batches are joined: what a batch costs beside its rows should not count.
const SMALL_ROWS: usize = 1 << 12;

/// Small batches are joined as soon as they hold this much.
const SMALL_BYTES: usize = 1 << 20;

impl CollectOp {
    pub(crate) fn new(schema: SchemaRef, offset: usize, limit: Option<usize>) -> CollectOp {
        CollectOp { schema, offset, limit, held: false, dictionaries: vec![] }
    }

    /// All rows, as a result holds them. Columns with dictionaries come as integers, the places of their texts there; any column may come
    /// as places already.
    pub(crate) fn held(schema: SchemaRef, dictionaries: Vec<Option<ArrayRef>>) -> CollectOp {
        CollectOp { held: true, dictionaries, ..CollectOp::new(schema, 0, None) }
    }

    /// How many rows from the start of a run may be in the result, whatever rows precede it.
    fn needed(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| self.offset.saturating_add(limit))
    }

    /// How many rows more may be in the result.
    fn lacking(&self, state: &CollectState) -> usize {
        self.needed().saturating_sub(self.num_rows(state))
    }

    /// How many rows were kept.
    pub(super) fn num_rows(&self, state: &CollectState) -> usize {
        state.rows.num_rows() + state.small_rows
    }

    /// Keeps a batch as it is, of which all rows are needed.
    pub(super) fn keep(&self, state: &mut CollectState, batch: RecordBatch) -> Result<()> {
        self.join_small(state)?;
        state.rows.push(batch)
    }

    /// All rows that were kept.
    pub(super) fn rows(&self, mut state: CollectState) -> Result<Batches> {
        self.join_small(&mut state)?;
        Ok(state.rows)
    }

    /// All rows as one batch, and what is booked for them while they are used.
    pub(super) fn whole(&self, state: CollectState) -> Result<(RecordBatch, Reservation)> {
        let (batches, mut memory) = self.rows(state)?.into_memory()?;
        let bytes = memory.bytes();
        let whole = match batches.as_slice() {
            [only] => only.clone(),
            batches => {
                // Both live until the copy is whole.
                memory.try_resize(2 * bytes)?;
                concat_batches(&self.schema, batches)?
            }
        };
        drop(batches);
        memory.try_resize(bytes)?;
        Ok((whole, memory))
    }

    fn join_small(&self, state: &mut CollectState) -> Result<()> {
        let small = std::mem::take(&mut state.small);
        state.small_rows = 0;
        state.memory.try_resize(0)?;
        match small.as_slice() {
            [] => Ok(()),
            [only] if !self.held => state.rows.push(only.clone()),
            [first, ..] => {
                // Codes stand where the schema has texts.
                let schema = if self.dictionaries.is_empty() { self.schema.clone() } else { first.schema() };
                state.rows.push(self.own(&concat_batches(&schema, &small)?)?)
            }
        }
    }

    /// The same rows in memory of their own.
    fn own(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if !self.held {
            return compact(batch);
        }
        let own = |(at, column): (usize, &ArrayRef)| match self.dictionaries.get(at).and_then(Option::as_ref) {
            Some(dictionary) => held_texts(values_of(column)?.as_primitive(), dictionary),
            None => held(column).map_or_else(|| compact_column(column), Ok),
        };
        let columns = batch.columns().iter().enumerate().map(own).collect::<Result<_>>()?;
        held_batch(&self.schema, columns, batch.num_rows())
    }
}

impl Reducer for CollectOp {
    const HOLDS: &'static str = "rows that wait";
    const SPILLS: bool = true;
    type State = CollectState;
    type Output = Batches;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> CollectState {
        let rows = Batches::new(self.schema.clone(), memory.sibling());
        CollectState { rows, small: vec![], small_rows: 0, memory }
    }

    fn update(&self, state: &mut CollectState, batch: &RecordBatch) -> Result<Flow> {
        let wanted = batch.num_rows().min(self.lacking(state));
        if wanted >= SMALL_ROWS {
            self.keep(state, self.own(&batch.slice(0, wanted))?)?;
        } else if wanted > 0 {
            let kept = compact(&without_dictionaries(batch.slice(0, wanted))?)?;
            let bytes = state.memory.bytes() + held_bytes(&kept);
            state.small.push(kept);
            state.small_rows += wanted;
            let full = state.small_rows >= 2 * SMALL_ROWS || bytes >= SMALL_BYTES;
            if full || !state.memory.try_resize_to_gather(bytes) {
                self.join_small(state)?;
            }
        }
        Ok(if self.lacking(state) == 0 { Flow::Enough } else { Flow::More })
    }

    fn merge(&self, state: &mut CollectState, mut later: CollectState) -> Result<()> {
        self.join_small(state)?;
        self.join_small(&mut later)?;
        let wanted = self.lacking(state);
        if wanted < later.rows.num_rows() {
            later.rows.narrow(&(0..wanted))?;
        }
        state.rows.append(later.rows);
        Ok(())
    }

    fn finish(&self, state: CollectState) -> Result<Batches> {
        let mut rows = self.rows(state)?;
        rows.narrow(&(self.offset..self.needed()))?;
        Ok(rows)
    }

    fn bytes(&self, state: &CollectState) -> usize {
        state.rows.bytes() + state.memory.bytes()
    }
}

/// The same rows in memory of their own: text in a block of its own, and slices of larger arrays copied.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

/// The same values in memory of their own.
pub(super) fn compact_column(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Utf8View => {
            let text = column.as_string_view().gc();
            // `gc` keeps the views of a slice where they are; a slice of few rows must not pin many.
            Ok(if is_slice(&text) { take_all(&text)? } else { Arc::new(text) })
        }
        _ if is_slice(column) => take_all(column),
        _ => Ok(column.clone()),
    }
}

/// Whether the array shows less than half of the memory that it holds.
fn is_slice(array: &dyn Array) -> bool {
    let data = array.to_data();
    let shown = data.get_slice_memory_size().unwrap_or(usize::MAX);
    // Text's blocks are not counted in `shown`; after `gc` they hold nothing but what is shown.
    let held: usize = data.buffers().first().map_or(0, |b| b.capacity());
    held > 256 && held / 2 > shown
}

fn take_all(array: &dyn Array) -> Result<ArrayRef> {
    Ok(take(array, &UInt32Array::from_iter_values(0..array.len() as u32), None)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::mem::Budget;
    use crate::ops::OUTPUT_ROWS;

    fn batch(first: usize, rows: usize) -> RecordBatch {
        let schema =
            Schema::new(vec![Field::new("row", DataType::Int64, true), Field::new("s", DataType::Utf8View, true)]);
        let row = Int64Array::from_iter_values(first as i64..(first + rows) as i64);
        let text: StringViewArray = (first..first + rows).map(|i| Some(text(i))).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(row), Arc::new(text)]).unwrap()
    }

    fn text(row: usize) -> String {
        format!("the text of row number {row}")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn keeps_the_range_in_order(
            sizes in prop::collection::vec(prop_oneof![0usize..20, 3000usize..10_000], 0..12),
            offset in prop_oneof![Just(0), 0usize..6000],
            limit in prop::option::of(prop_oneof![0usize..10, 0usize..30_000]),
            memory in prop_oneof![Just(0usize), 1000usize..500_000, Just(1 << 28)],
            batches_a_state in 1usize..5,
            held in any::<bool>(),
        ) {
            let op = CollectOp { held, ..CollectOp::new(batch(0, 0).schema(), offset, limit) };
            let budget = Budget::of(memory);
            let mut whole = op.new_state(budget.reserve("rows"));
            let mut rows = 0;
            for sizes in sizes.chunks(batches_a_state) {
                let mut state = op.new_state(budget.reserve("rows"));
                let mut flow = Flow::More;
                for size in sizes {
                    // A pipeline stops feeding a sink that has enough.
                    if flow == Flow::More {
                        flow = op.update(&mut state, &batch(rows, *size)).unwrap();
                    }
                    rows += size;
                    prop_assert!(budget.used() >= op.bytes(&state));
                }
                op.merge(&mut whole, state).unwrap();
            }
            let mut want = offset..rows.min(offset.saturating_add(limit.unwrap_or(usize::MAX)));
            prop_assert!(budget.peak() <= memory);
            for batch in op.finish(whole).unwrap().iter().map(Result::unwrap) {
                prop_assert!((1..=OUTPUT_ROWS).contains(&batch.num_rows()));
                for (row, s) in batch.column(0).as_primitive::<Int64Type>().values().iter().zip(batch.column(1).as_string_view()) {
                    prop_assert_eq!(Some(*row as usize), want.next());
                    prop_assert_eq!(s.unwrap(), text(*row as usize));
                }
            }
            prop_assert!(want.is_empty());
            prop_assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn a_few_rows_do_not_pin_a_block() {
        let large = batch(0, 100_000);
        let few = compact(&large.slice(70_000, 10)).unwrap();
        assert_eq!(few, large.slice(70_000, 10));
        assert!(few.get_array_memory_size() < 3000, "{}", few.get_array_memory_size());
        let blocks = few.column(1).as_string_view().data_buffers();
        assert!(large.column(1).as_string_view().data_buffers().iter().all(|b| blocks.iter().all(|c| !b.ptr_eq(c))));
    }
}
