//! What rows are sorted by.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef};

use super::cut::compare;
use super::gather::gather;
use super::layout::Shape;
use super::order::{ENTRY_BYTES, Order};
use super::packed::{Packed, row_bytes};
use super::sift::Sift;
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, BoundSortKey, Type};
use crate::mem::Reservation;
use crate::ops::OUTPUT_ROWS;
use crate::ops::collect::batch_bytes;
use crate::ops::key::{KeyColumn, Rows, as_ints, encode, encoded_bytes};

/// The keys of rows of a schema. They are evaluated whenever they are needed: kept are the rows alone.
pub(super) struct SortKeys {
    pub(super) schema: SchemaRef,
    exprs: Vec<BoundExpr>,
    layout: Vec<KeyColumn>,
    /// How packed rows are laid out.
    pub(super) shape: Shape,
}

/// The last of as many rows as a limit lets pass: later rows enter only before it.
pub(super) struct Last {
    key: Arc<[u8]>,
    /// Its first key, as [`as_ints`] gives it, where that is no text; `Some(None)` for a null.
    first: Option<Option<i64>>,
}

impl SortKeys {
    pub(super) fn new(schema: SchemaRef, keys: Vec<BoundSortKey>) -> SortKeys {
        let layout = keys
            .iter()
            .map(|key| KeyColumn { kind: key.expr.kind(), descending: key.descending, nulls_first: key.nulls_first })
            .collect();
        SortKeys { schema, exprs: keys.into_iter().map(|key| key.expr).collect(), layout, shape: Shape::default() }
    }

    /// Whether the last key is one whose values are compared as integers, nulls last.
    pub(super) fn last_is_number(&self) -> bool {
        self.layout.last().is_some_and(|key| key.kind != Type::Text && !key.nulls_first)
    }

    /// What tells the rows that may be among the first so many of their groups, by all keys but the last.
    pub(super) fn sift(&self, rows: usize, memory: Reservation) -> Sift {
        let (groups, last) = self.layout.split_at(self.layout.len().saturating_sub(1));
        let descending = last.iter().any(|key| key.descending);
        Sift::new(groups.iter().map(|key| key.kind).collect(), rows, descending, memory)
    }

    pub(super) fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.exprs.iter().map(|expr| expr.eval(batch)).collect()
    }

    /// The last of the keys.
    pub(super) fn last_column(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        self.exprs.last().ok_or_else(|| Error::internal("rows are sorted by nothing"))?.eval(batch)
    }

    /// What is packed of a batch: its columns, and behind them the keys that are none of them.
    pub(super) fn to_pack(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let mut columns = batch.columns().to_vec();
        for expr in self.exprs.iter().filter(|expr| expr.column().is_none()) {
            columns.push(expr.eval(batch)?);
        }
        Ok(columns)
    }

    /// The order of packed rows.
    fn order_of(&self, rows: &Packed) -> Result<Order> {
        Order::of(&[self.packed_keys().map(|column| rows.key(column)).collect()], &self.layout)
    }

    /// Packed rows in order: done while they are in the cache, as what is picked from many sorted batches is read from each in its order.
    pub(super) fn in_order(&self, rows: &Packed) -> Result<Packed> {
        let order = self.order_of(rows)?;
        Ok(rows.pick(&order.rows(0..order.len())))
    }

    /// Where the keys are among the columns of a packed batch.
    fn packed_keys(&self) -> impl Iterator<Item = usize> {
        let mut computed = self.schema.fields().len()..;
        self.exprs.iter().filter_map(move |expr| expr.column().or_else(|| computed.next()))
    }

    /// The keys of a row as integers that order alike.
    fn ints(&self, batch: &Packed, row: usize) -> impl Iterator<Item = Option<i64>> {
        self.packed_keys().map(move |column| batch.int(column, row))
    }

    /// The rows of a packed batch in order, in batches of about so many bytes.
    pub(super) fn sort_packed(
        &self,
        rows: &Packed,
        bytes: usize,
        emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let order = self.order_of(rows)?;
        let step = (bytes / row_bytes(&self.schema).max(1)).clamp(1, OUTPUT_ROWS);
        for start in (0..order.len()).step_by(step) {
            let end = order.len().min(start + step);
            emit(rows.pick(&order.rows(start..end)).unpacked(&self.schema)?)?;
        }
        Ok(())
    }

    pub(super) fn of_packed(&self, batch: &Packed, row: usize) -> Vec<Option<i64>> {
        self.ints(batch, row).collect()
    }

    /// Which of two rows' keys come first.
    pub(super) fn compare(&self, a: &[Option<i64>], b: &[Option<i64>]) -> Ordering {
        self.compare_ints(a.iter().copied(), b)
    }

    /// The same of a row of a batch.
    #[inline]
    pub(super) fn compare_row(&self, batch: &Packed, row: usize, other: &[Option<i64>]) -> Ordering {
        let (Some(key), Some(first)) = (self.layout.first(), other.first()) else { return Ordering::Equal };
        let column = self.packed_keys().next().unwrap_or_default();
        match compare(key, batch.int(column, row), *first) {
            // Mostly the first key decides.
            Ordering::Equal if self.layout.len() > 1 => self.compare_ints(self.ints(batch, row), other),
            order => order,
        }
    }

    fn compare_ints(&self, a: impl Iterator<Item = Option<i64>>, b: &[Option<i64>]) -> Ordering {
        let pairs = self.layout.iter().zip(a.zip(b));
        pairs.map(|(key, (a, b))| compare(key, a, *b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Whether rows can be packed: neither they nor their keys have texts.
    pub(super) fn can_pack(&self) -> bool {
        self.schema.fields().iter().all(|field| field.data_type() != &DataType::Utf8View)
            && self.layout.iter().all(|key| key.kind != Type::Text)
    }

    /// The key of one row: bytes that order as the rows do.
    pub(super) fn of_row(&self, batch: &RecordBatch, row: usize) -> Result<Arc<[u8]>> {
        let mut rows = Rows::default();
        encode(&self.columns(&batch.slice(row, 1))?, &self.layout, &mut rows)?;
        Ok(rows.row(0).into())
    }

    /// What it takes to sort these rows, beside them.
    pub(super) fn work_bytes(&self, batch: &RecordBatch) -> Result<usize> {
        let entries = batch.num_rows() * ENTRY_BYTES;
        if self.layout.iter().all(|key| key.kind != Type::Text) {
            return Ok(entries);
        }
        Ok(entries + self.columns(batch)?.iter().map(encoded_bytes).sum::<usize>())
    }

    /// The rows of all batches in order, at most as many as the limit, in batches of about so many bytes.
    pub(super) fn sort(
        &self,
        batches: &[RecordBatch],
        limit: usize,
        bytes: usize,
        emit: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let columns = batches.iter().map(|batch| self.columns(batch)).collect::<Result<Vec<_>>>()?;
        let order = Order::of(&columns, &self.layout)?;
        drop(columns);
        let row_bytes = batches.iter().map(batch_bytes).sum::<usize>() / order.len().max(1);
        let step = (bytes / row_bytes.max(1)).clamp(1, OUTPUT_ROWS);
        let rows = order.len().min(limit);
        for start in (0..rows).step_by(step) {
            emit(gather(&self.schema, batches, &order.places(start..rows.min(start + step)))?)?;
        }
        Ok(())
    }

    /// How many rows of a sorted batch come before a row of this key; of equal keys, all or none.
    pub(super) fn rows_before(&self, batch: &RecordBatch, key: &[u8], equal_too: bool) -> Result<usize> {
        let columns = self.columns(batch)?;
        let (mut low, mut high) = (0, batch.num_rows());
        let mut other = Rows::default();
        while low < high {
            let middle = low.midpoint(high);
            other.clear();
            let row: Vec<ArrayRef> = columns.iter().map(|column| column.slice(middle, 1)).collect();
            encode(&row, &self.layout, &mut other)?;
            if other.row(0) < key || equal_too && other.row(0) == key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The last row of a sorted batch, for others to come before it.
    pub(super) fn last(&self, batch: &RecordBatch) -> Result<Option<Last>> {
        let Some(row) = batch.num_rows().checked_sub(1) else { return Ok(None) };
        let first = match (self.exprs.first(), self.layout.first()) {
            (Some(expr), Some(key)) if key.kind != Type::Text => {
                let array = expr.eval(&batch.slice(row, 1))?;
                let value = as_ints(&array, &mut Vec::new())?[0];
                Some(array.is_valid(0).then_some(value))
            }
            _ => None,
        };
        Ok(Some(Last { key: self.of_row(batch, row)?, first }))
    }

    /// The rows that come before that one, if any.
    pub(super) fn entering(
        &self,
        batch: &RecordBatch,
        last: &Last,
        scratch: &mut Vec<i64>,
    ) -> Result<Option<RecordBatch>> {
        let columns = self.columns(batch)?;
        let rows: Vec<u32> = match (last.first, self.layout.first(), columns.first()) {
            // Most rows fall by their first key, of which no bytes are made.
            (Some(last), Some(key), Some(array)) => {
                let values = as_ints(array, scratch)?;
                let may_enter = |value: i64| match last {
                    Some(last) => {
                        if key.descending {
                            value >= last
                        } else {
                            value <= last
                        }
                    }
                    None => !key.nulls_first,
                };
                let null_may_enter = last.is_none() || key.nulls_first;
                let rows = (0u32..).zip(values);
                match array.nulls().filter(|nulls| nulls.null_count() > 0) {
                    None => rows.filter(|(_, value)| may_enter(**value)).map(|(row, _)| row).collect(),
                    Some(valid) => rows
                        .zip(valid)
                        .filter(|((_, value), valid)| if *valid { may_enter(**value) } else { null_may_enter })
                        .map(|((row, _), _)| row)
                        .collect(),
                }
            }
            _ => (0..batch.num_rows() as u32).collect(),
        };
        if rows.is_empty() {
            return Ok(None);
        }
        let some = take_record_batch(batch, &UInt32Array::from(rows))?;
        let mut keys = Rows::default();
        encode(&self.columns(&some)?, &self.layout, &mut keys)?;
        let before = (0u32..).zip(keys.iter()).filter(|(_, key)| *key < &*last.key).map(|(row, _)| row);
        let before = UInt32Array::from_iter_values(before);
        Ok(if before.is_empty() { None } else { Some(take_record_batch(&some, &before)?) })
    }
}
