//! The right side of a merge: gathered, and indexed by key.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::SchemaRef;
use std::sync::Arc;

use super::index::Index;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundExpr, Type};
use crate::mem::{Part, Reservation};
use crate::ops::collect::{CollectOp, CollectState};
use crate::ops::groups::{FindScratch, Groups, MISSING};
use crate::ops::key::{as_ints, encoded_bytes, float_to_int};
use crate::ops::{Flow, OUTPUT_ROWS, Reducer};

/// The right side of a merge, all of it: its rows and an index of their keys. Shared by all that look it up.
pub(crate) struct JoinTable {
    pub(super) rows: RecordBatch,
    /// The keys that occur.
    groups: Groups,
    pub(super) index: Index,
    bytes: usize,
    /// Books what is held, until it goes.
    _memory: Reservation,
}

impl Part for JoinTable {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl JoinTable {
    /// Writes the group of each left row by its keys, [`MISSING`] where no right row has them.
    pub(super) fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        scratch: &mut FindScratch,
    ) -> Result<()> {
        self.groups.find(keys, rows, groups, scratch)
    }
}

/// Gathers the right side of a merge, and indexes it.
pub(crate) struct BuildOp {
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    nulls_equal: bool,
    /// What an as-of merge finds the nearest by.
    order: Option<BoundExpr>,
}

impl BuildOp {
    /// A row with a null in a key is found by nothing, unless `nulls_equal`; one whose `order` is null or NaN never is.
    pub(crate) fn new(schema: SchemaRef, keys: Vec<BoundExpr>, nulls_equal: bool, order: Option<BoundExpr>) -> BuildOp {
        BuildOp { collect: CollectOp::new(schema, 0, None), keys, nulls_equal, order }
    }

    /// The group of every row, MISSING for those that nothing can match.
    fn group(&self, rows: &RecordBatch, groups: &mut Groups, memory: &mut Reservation) -> Result<Vec<u32>> {
        let count = rows.num_rows();
        let keys = self.keys.iter().map(|key| key.eval(rows)).collect::<Result<Vec<_>>>()?;
        let held = memory.bytes() + (count + OUTPUT_ROWS) * size_of::<u32>();
        memory.try_resize(held)?;
        let mut all = Vec::with_capacity(count);
        let mut part = Vec::new();
        for start in (0..count).step_by(OUTPUT_ROWS) {
            let length = OUTPUT_ROWS.min(count - start);
            let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(start, length)).collect();
            let key_bytes = keys.iter().map(encoded_bytes).sum();
            memory.try_resize(held + groups.bytes_with(length, key_bytes))?;
            groups.assign(&keys, length, &mut part, &mut |more| memory.try_resize(memory.bytes() + more))?;
            all.extend_from_slice(&part);
        }
        groups.drop_scratch();
        memory.try_resize(held + groups.bytes())?;
        if !self.nulls_equal {
            for nulls in keys.iter().filter_map(|key| key.nulls()) {
                (!nulls.inner()).set_indices().for_each(|row| all[row] = MISSING);
            }
        }
        Ok(all)
    }

    /// The values of `order`; rows without one leave their groups.
    fn ordered(
        &self,
        order: &BoundExpr,
        rows: &RecordBatch,
        groups_of_rows: &mut [u32],
        memory: &mut Reservation,
    ) -> Result<Vec<i64>> {
        memory.try_resize(memory.bytes() + 2 * rows.num_rows() * size_of::<i64>())?;
        let column = order.eval(rows)?;
        let values = as_ints(&column, &mut Vec::new())?.to_vec();
        let nan = (order.kind() == Type::Float64).then(|| float_to_int(f64::NAN));
        for (row, value) in values.iter().enumerate() {
            if column.is_null(row) || Some(*value) == nan {
                groups_of_rows[row] = MISSING;
            }
        }
        Ok(values)
    }
}

impl Reducer for BuildOp {
    const HOLDS: &'static str = "the right side of a merge";
    type State = CollectState;
    type Output = JoinTable;

    /// Of the right side.
    fn schema(&self) -> &SchemaRef {
        self.collect.schema()
    }

    fn new_state(&self, memory: Reservation) -> CollectState {
        self.collect.new_state(memory)
    }

    fn update(&self, state: &mut CollectState, batch: &RecordBatch) -> Result<Flow> {
        self.collect.update(state, batch)
    }

    fn merge(&self, state: &mut CollectState, later: CollectState) -> Result<()> {
        self.collect.merge(state, later)
    }

    fn finish(&self, state: CollectState) -> Result<JoinTable> {
        let (batches, mut memory) = self.collect.rows(state)?.into_memory()?;
        let rows = joined(self.schema(), batches, &mut memory)?;
        if rows.num_rows() >= MISSING as usize {
            return Err(Error::new(ErrorKind::Memory, "the right side of a merge has more than 4 billion rows")
                .help("merge the other way round, or filter it first"));
        }
        let held = memory.bytes();
        let mut groups = Groups::new(self.keys.iter().map(BoundExpr::kind).collect());
        let mut groups_of_rows = self.group(&rows, &mut groups, &mut memory)?;
        let order = self.order.as_ref();
        let order = order.map(|order| self.ordered(order, &rows, &mut groups_of_rows, &mut memory)).transpose()?;
        let mut book = |more| memory.try_resize(memory.bytes() + more);
        let index = Index::new(&groups_of_rows, groups.len(), order.as_deref(), &mut book)?;
        drop((groups_of_rows, order));
        let bytes = held + groups.bytes() + index.bytes();
        memory.try_resize(bytes)?;
        Ok(JoinTable { rows, groups, index, bytes, _memory: memory })
    }

    fn bytes(&self, state: &CollectState) -> usize {
        self.collect.bytes(state)
    }
}

/// All rows as one batch, in memory of its own; column by column, so that one is held twice at a time.
fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>, memory: &mut Reservation) -> Result<RecordBatch> {
    let count = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    for batch in batches {
        columns.iter_mut().zip(batch.columns()).for_each(|(parts, column)| parts.push(column.clone()));
    }
    let mut whole = Vec::with_capacity(columns.len());
    for (parts, field) in columns.into_iter().zip(schema.fields()) {
        let booked = memory.bytes();
        let before: usize = parts.iter().map(|part| part.get_array_memory_size()).sum();
        let column = match parts.as_slice() {
            [] => new_empty_array(field.data_type()),
            [only] => only.clone(),
            many => {
                memory.try_resize(booked + before)?;
                let many: Vec<&dyn Array> = many.iter().map(|part| part.as_ref()).collect();
                let column = concat(&many)?;
                match column.as_string_view_opt() {
                    // One block of text: each of many would cost every batch that views them.
                    Some(text) => Arc::new(text.gc()) as ArrayRef,
                    None => column,
                }
            }
        };
        drop(parts);
        memory.try_resize(booked.saturating_sub(before) + column.get_array_memory_size())?;
        whole.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), whole, &options)?)
}
