//! The right side of a merge: gathered, and indexed by key.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow::compute::{concat, take};
use arrow::datatypes::SchemaRef;
use std::sync::Arc;

use super::index::Index;
use super::parted::{LARGE_ROWS, LargeBuild};
use super::row_store::RowStore;
use crate::batch::held_places;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundExpr, Type};
use crate::mem::{Part, Reservation};
use crate::ops::collect::{CollectOp, CollectState, compact};
use crate::ops::groups::{FindScratch, Groups, MISSING, PartedKeys};
use crate::ops::key::{as_ints, encoded_bytes, float_to_int};
use crate::ops::{Batches, Flow, OUTPUT_ROWS, Reducer};

/// The right side of a merge, all of it: its rows and an index of their keys. Shared by all that look it up.
pub(crate) struct JoinTable {
    /// The columns, those left out that nobody takes, or that are laid out by rows.
    columns: Vec<Option<ArrayRef>>,
    by_rows: Option<RowStore>,
    num_rows: usize,
    /// The columns that may stay with what comes out: they are little beside what works with them, and so is what becomes of them.
    few: Vec<bool>,
    /// The keys that occur.
    keys: KeyIndex,
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

/// From the keys of a row to the group that they are.
pub(super) enum KeyIndex {
    Whole(Box<Groups>),
    Parts(PartedKeys),
}

impl JoinTable {
    /// A table for whose rows and index `memory` has booked enough.
    pub(super) fn new(
        columns: Vec<Option<ArrayRef>>,
        by_rows: Option<RowStore>,
        num_rows: usize,
        keys: KeyIndex,
        index: Index,
        mut memory: Reservation,
    ) -> JoinTable {
        let held: usize = columns.iter().flatten().map(|column| column.get_array_memory_size()).sum();
        let of_keys = match &keys {
            KeyIndex::Whole(groups) => groups.bytes(),
            KeyIndex::Parts(parts) => parts.bytes(),
        };
        let bytes = held + by_rows.as_ref().map_or(0, RowStore::bytes) + of_keys + index.bytes();
        memory.overdraw(bytes);
        let is_small = by_rows.is_none() && held <= memory.limit() / 256;
        let few = columns.iter().map(|column| is_small && column.as_ref().is_some_and(has_short_texts)).collect();
        JoinTable { columns, by_rows, num_rows, few, keys, index, bytes, _memory: memory }
    }

    pub(super) fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Whether of a column its places among all rows are enough for a result.
    pub(super) fn has_few(&self, at: usize) -> bool {
        self.few.get(at) == Some(&true)
    }

    /// These rows as a result holds them, beside [a column of all](Self::column); none where there are many.
    pub(super) fn places(&self, rows: &UInt32Array) -> Option<ArrayRef> {
        held_places(rows, self.num_rows)
    }

    /// A column of all rows that some look-up takes.
    pub(super) fn column(&self, at: usize) -> Result<&ArrayRef> {
        let column = self.columns.get(at).and_then(Option::as_ref);
        column.ok_or_else(|| Error::internal("a column of the right side is taken that was left out"))
    }

    /// These rows, of which the columns that are wanted are to be taken; null rows are nulls.
    pub(super) fn rows<'a>(&'a self, rows: &'a UInt32Array, wanted: impl Fn(usize) -> bool) -> Result<RightRows<'a>> {
        let taken = self.by_rows.as_ref().map(|store| store.take(rows, wanted)).transpose()?;
        Ok(RightRows { table: self, rows, taken: taken.unwrap_or_default() })
    }

    /// Writes the group of each left row by its keys, [`MISSING`] where no right row has them.
    pub(super) fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        scratch: &mut FindScratch,
    ) -> Result<()> {
        match &self.keys {
            KeyIndex::Whole(whole) => whole.find(keys, rows, groups, scratch),
            KeyIndex::Parts(parts) => parts.find(keys, rows, groups, scratch),
        }
    }
}

/// Longer texts are copied for the rows that they come out in before a result holds them, a few megabytes at a time, as they would take
/// too much when they are shown.
const SHORT_TEXT: u32 = 64;

fn has_short_texts(column: &ArrayRef) -> bool {
    let texts = column.as_string_view_opt();
    texts.is_none_or(|texts| texts.views().iter().all(|view| *view as u32 <= SHORT_TEXT))
}

/// Some rows of a [`JoinTable`].
pub(super) struct RightRows<'a> {
    table: &'a JoinTable,
    rows: &'a UInt32Array,
    /// Columns that are laid out by rows.
    taken: Vec<(usize, ArrayRef)>,
}

impl RightRows<'_> {
    /// A column that some look-up takes.
    pub(super) fn column(&self, at: usize) -> Result<ArrayRef> {
        if let Some((_, column)) = self.taken.iter().find(|(of, _)| *of == at) {
            return Ok(column.clone());
        }
        Ok(take(self.table.column(at)?, self.rows, None)?)
    }
}

/// The right side of a merge: a table to look up where that fits into memory, else its rows.
pub(crate) enum RightSide {
    Table(Box<JoinTable>),
    /// Rows for which there is room, but so many that several tasks are to index them.
    Many(Box<LargeBuild>),
    Rows(Batches),
}

impl Part for RightSide {
    fn bytes(&self) -> usize {
        match self {
            RightSide::Table(table) => table.bytes,
            RightSide::Many(build) => build.bytes(),
            RightSide::Rows(rows) => rows.bytes(),
        }
    }
}

/// How much memory a table may take.
#[derive(Clone, Copy)]
pub(super) enum Room {
    /// Only as much as leaves some to others.
    SomeLeft,
    /// Whatever there is.
    All,
}

impl Room {
    fn resize(self, memory: &mut Reservation, bytes: usize) -> Result<()> {
        match self {
            Room::SomeLeft if bytes <= memory.bytes() => memory.try_resize(bytes),
            Room::SomeLeft if memory.try_resize_with_some_left(bytes) => Ok(()),
            Room::SomeLeft => Err(Error::new(ErrorKind::Memory, "a table would leave too little memory")),
            Room::All => memory.try_resize(bytes),
        }
    }
}

/// Gathers the right side of a merge, and indexes it.
pub(crate) struct BuildOp {
    collect: CollectOp,
    keys: Vec<BoundExpr>,
    nulls_equal: bool,
    /// What an as-of merge finds the nearest by.
    order: Option<BoundExpr>,
    /// So many rows are indexed by several tasks.
    large_rows: usize,
}

impl BuildOp {
    /// A row with a null in a key is found by nothing, unless `nulls_equal`; one whose `order` is null or NaN never is.
    pub(crate) fn new(schema: SchemaRef, keys: Vec<BoundExpr>, nulls_equal: bool, order: Option<BoundExpr>) -> BuildOp {
        BuildOp { collect: CollectOp::held(schema, vec![]), keys, nulls_equal, order, large_rows: LARGE_ROWS }
    }

    /// The same for rows that have more columns behind those of before.
    pub(super) fn of_wider(&self, schema: SchemaRef) -> BuildOp {
        BuildOp::new(schema, self.keys.clone(), self.nulls_equal, self.order.clone())
    }

    #[cfg(test)]
    pub(super) fn with_large_rows(self, large_rows: usize) -> BuildOp {
        BuildOp { large_rows, ..self }
    }

    pub(super) fn keys(&self) -> &[BoundExpr] {
        &self.keys
    }

    pub(super) fn order(&self) -> Option<&BoundExpr> {
        self.order.as_ref()
    }

    pub(super) fn nulls_equal(&self) -> bool {
        self.nulls_equal
    }

    /// A table of these rows; the rows as they are where it would leave too little memory to others.
    pub(super) fn side(&self, rows: Batches) -> Result<RightSide> {
        // They are shown, then columns are copied one by one, and then comes the index: about as much as the rows again.
        let (booked, loaded) = (rows.bytes(), rows.loaded_bytes());
        let (mut memory, more) = (rows.memory(), 2 * loaded - booked.min(loaded));
        // What is very small may take of what is left, too.
        let room = if more + rows.num_rows() <= memory.limit() / 256 { Room::All } else { Room::SomeLeft };
        if room.resize(&mut memory, more).is_err() {
            return Ok(RightSide::Rows(rows));
        }
        let batches = rows.range(0..rows.num_rows()).collect::<Result<Vec<_>>>()?;
        memory.absorb(rows.into_reservation());
        match self.table(batches, memory, room) {
            Ok(table) => Ok(RightSide::Table(Box::new(table))),
            Err((whole, memory, error)) if error.kind() == ErrorKind::Memory && whole.num_rows() > 0 => {
                let mut rows = Batches::new(self.schema().clone(), memory.sibling());
                drop(memory);
                for start in (0..whole.num_rows()).step_by(OUTPUT_ROWS) {
                    rows.push(compact(&whole.slice(start, OUTPUT_ROWS.min(whole.num_rows() - start)))?)?;
                }
                Ok(RightSide::Rows(rows))
            }
            Err((_, _, error)) => Err(error),
        }
    }

    /// Many rows, where there is room for them and their index.
    fn large(&self, rows: &Batches) -> Result<Option<LargeBuild>> {
        let count = rows.num_rows();
        if !(self.large_rows..MISSING as usize).contains(&count) || self.order.is_some() || rows.is_spilled() {
            return Ok(None);
        }
        let (batches, mut memory) = rows.load()?;
        if !memory.try_resize_with_some_left(LargeBuild::bytes_for(self.schema(), &batches)?) {
            return Ok(None);
        }
        LargeBuild::new(self, &batches, 2 * self.large_rows, memory)
    }

    /// A table of these batches, which `memory` books, with as much again. Gives the rows back when there is no room.
    pub(super) fn table(
        &self,
        batches: Vec<RecordBatch>,
        mut memory: Reservation,
        room: Room,
    ) -> std::result::Result<JoinTable, (RecordBatch, Reservation, Error)> {
        let rows = match joined(self.schema(), batches) {
            Ok(rows) => rows,
            Err(error) => return Err((RecordBatch::new_empty(self.schema().clone()), memory, error)),
        };
        match self.indexed(&rows, &mut memory, room) {
            Ok((groups, index)) => {
                let (columns, count) = (rows.columns().iter().cloned().map(Some).collect(), rows.num_rows());
                Ok(JoinTable::new(columns, None, count, KeyIndex::Whole(Box::new(groups)), index, memory))
            }
            Err(error) => Err((rows, memory, error)),
        }
    }

    fn indexed(&self, rows: &RecordBatch, memory: &mut Reservation, room: Room) -> Result<(Groups, Index)> {
        if rows.num_rows() >= MISSING as usize {
            return Err(Error::new(ErrorKind::Memory, "the right side of a merge has more than 4 billion rows"));
        }
        let held = rows.columns().iter().map(|column| column.get_array_memory_size()).sum();
        room.resize(memory, held)?;
        let mut groups = Groups::new(self.keys.iter().map(BoundExpr::kind).collect());
        let mut groups_of_rows = self.group(rows, &mut groups, memory, room)?;
        let order = self.order.as_ref();
        let order = order.map(|order| self.ordered(order, rows, &mut groups_of_rows, memory, room)).transpose()?;
        let mut book = |more| room.resize(memory, memory.bytes() + more);
        let index = Index::new(&groups_of_rows, groups.len(), order.as_deref(), &mut book)?;
        drop((groups_of_rows, order));
        let bytes = held + groups.bytes() + index.bytes();
        room.resize(memory, bytes)?;
        Ok((groups, index))
    }

    /// The group of every row, MISSING for those that nothing can match.
    fn group(&self, rows: &RecordBatch, groups: &mut Groups, memory: &mut Reservation, room: Room) -> Result<Vec<u32>> {
        let count = rows.num_rows();
        let keys = self.keys.iter().map(|key| key.eval(rows)).collect::<Result<Vec<_>>>()?;
        let held = memory.bytes() + (count + OUTPUT_ROWS.min(count)) * size_of::<u32>();
        room.resize(memory, held)?;
        let mut all = Vec::with_capacity(count);
        let mut part = Vec::new();
        for start in (0..count).step_by(OUTPUT_ROWS) {
            let length = OUTPUT_ROWS.min(count - start);
            let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(start, length)).collect();
            let key_bytes = keys.iter().map(encoded_bytes).sum();
            room.resize(memory, held + groups.bytes_with(length, key_bytes))?;
            groups.assign(&keys, length, &mut part, &mut |more| room.resize(memory, memory.bytes() + more))?;
            all.extend_from_slice(&part);
        }
        groups.drop_scratch();
        room.resize(memory, held + groups.bytes())?;
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
        room: Room,
    ) -> Result<Vec<i64>> {
        room.resize(memory, memory.bytes() + 2 * rows.num_rows() * size_of::<i64>())?;
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
    const SPILLS: bool = true;
    type State = CollectState;
    type Output = RightSide;

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

    fn finish(&self, state: CollectState) -> Result<RightSide> {
        let rows = self.collect.rows(state)?;
        match self.large(&rows)? {
            Some(mut build) => {
                build.absorb(rows.into_reservation());
                Ok(RightSide::Many(Box::new(build)))
            }
            None => self.side(rows),
        }
    }

    fn bytes(&self, state: &CollectState) -> usize {
        self.collect.bytes(state)
    }
}

/// All rows as one batch, in memory of its own; column by column, so that one is held twice at a time.
fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    let count = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    for batch in batches {
        columns.iter_mut().zip(batch.columns()).for_each(|(parts, column)| parts.push(column.clone()));
    }
    let mut whole = Vec::with_capacity(columns.len());
    for (parts, field) in columns.into_iter().zip(schema.fields()) {
        whole.push(if parts.is_empty() { new_empty_array(field.data_type()) } else { gathered(parts)? });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), whole, &options)?)
}

/// One array of several.
pub(super) fn gathered(parts: Vec<ArrayRef>) -> Result<ArrayRef> {
    if let [only] = parts.as_slice() {
        return Ok(only.clone());
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
    let column = concat(&parts)?;
    Ok(match column.as_string_view_opt() {
        // One block of text: each of many would cost every batch that views them.
        Some(text) => Arc::new(text.gc()),
        None => column,
    })
}
