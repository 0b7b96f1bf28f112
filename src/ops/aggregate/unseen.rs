//! Rows that go to their buckets as they are: where nearly every row is a group of its own, to look it up is in vain.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::{AggregateState, Aggregation, Keys, halves, rows_of, text_bytes};
use crate::error::{Error, Result};
use crate::ops::hash::buckets_of;

impl Aggregation {
    /// Moves rows with these keys to their buckets. False, and nothing is done, where their keys can't be packed as others are.
    pub(super) fn put_off(&self, state: &mut AggregateState, keys: &[ArrayRef], rows: &RecordBatch) -> Result<bool> {
        let (Some(schema), Some(selection)) = (&self.unseen, self.shared.of_all_rows()) else { return Ok(false) };
        let count = rows.num_rows();
        let mut columns = match self.packs {
            false => keys.to_vec(),
            true => match state.groups.pack(keys, count)? {
                Some(words) => vec![Arc::new(words) as ArrayRef],
                None => return Ok(false),
            },
        };
        if let Some(selection) = selection {
            columns.extend(selection.computed.eval(rows)?);
        }
        let buckets = buckets_of(keys, count, state.level)?;
        let hashed =
            state.hashed.as_mut().ok_or_else(|| Error::internal("rows are put off before there are buckets"))?;
        hashed.rows.scatter_to(&rows_of(schema, columns, count)?, buckets)?;
        state.unseen_left = state.unseen_left.saturating_sub(count);
        Ok(true)
    }

    /// Takes in rows that were put off.
    pub(super) fn take_rows(&self, state: &mut AggregateState, rows: &RecordBatch) -> Result<()> {
        let count = rows.num_rows();
        let (keys, inputs) = rows.columns().split_at(if self.packs { 1 } else { self.keys.len() });
        let text = rows.columns().iter().map(text_bytes).sum();
        let keys = match self.packs {
            true => Keys::Packed(keys[0].as_primitive::<Int64Type>()),
            false => Keys::Columns(keys),
        };
        if !self.admit(state, keys, count, text)? {
            let mut halves = halves(count).into_iter();
            return halves.try_for_each(|(start, length)| self.take_rows(state, &rows.slice(start, length)));
        }
        let slots = self.shared.selections.iter().flat_map(|selection| &selection.slots);
        for slot in slots {
            state.accumulators[slot.accumulator].update(&state.ids, &slot.inputs(inputs, &None)?)?;
        }
        Ok(())
    }
}
