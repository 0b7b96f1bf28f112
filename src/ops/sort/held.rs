//! Rows as they come: put in order some at a time, held in memory while there is room, and else spilled as sorted runs.

use arrow::array::RecordBatch;

use super::cut::{Source, in_parts};
use super::keys::SortKeys;
use super::order::ENTRY_BYTES;
use super::packed::{Packed, Slice};
use super::spilled::RunWriter;
use crate::error::Result;
use crate::mem::Reservation;

/// Rows that came one after the other.
pub(super) struct Held {
    /// What is in order by itself.
    sources: Vec<Source>,
    /// Rows behind it, as they came, to be put in order together.
    waiting: Option<Packed>,
    /// Books what waits.
    memory: Reservation,
}

/// So many rows are put in order together as they come: they, and what it takes to sort them, are in a cache.
pub(super) const ROWS_IN_ORDER: usize = 1 << 16;

/// So many bytes are held where others hold half of the limit, to become a run: of fewer, there would be too many runs.
fn run_bytes(limit: usize) -> usize {
    (limit / 32).min(16 << 20)
}

impl Held {
    pub(super) fn new(memory: Reservation) -> Held {
        Held { sources: vec![], waiting: None, memory }
    }

    /// Adds rows; where there is no room for what waits, those that came before them go to disk.
    pub(super) fn push(&mut self, batch: &RecordBatch, keys: &SortKeys) -> Result<()> {
        let (columns, rows) = (keys.to_pack(batch)?, batch.num_rows());
        if self.waiting.as_ref().is_some_and(|waiting| waiting.num_rows() + rows > ROWS_IN_ORDER) {
            self.put_in_order(keys)?;
        }
        let width = keys.shape.latest().map_or(columns.len(), |layout| layout.width());
        let more = waiting_bytes(rows, width);
        if !self.book(more) {
            self.put_in_order(keys)?;
            if !self.book(more) {
                self.spill(keys)?;
                self.waiting = None;
                if self.memory.try_resize(more).is_err() {
                    // They are here already, and go to disk with the next ones.
                    self.memory.overdraw(more);
                }
            }
        }
        if let Some(waiting) = &mut self.waiting
            && waiting.append(&columns, &keys.shape)?
        {
            return Ok(());
        }
        self.put_in_order(keys)?;
        let waiting = self.waiting.insert(Packed::of(&columns, &keys.shape)?);
        let bytes = waiting_bytes(rows, waiting.layout().width());
        if self.memory.try_resize(bytes).is_err() {
            // Their rows are wider than those before, as happens once for each layout.
            self.memory.overdraw(bytes);
        }
        Ok(())
    }

    /// Books more, if there is room for what waits, or little is held.
    fn book(&mut self, more: usize) -> bool {
        let bytes = self.memory.bytes() + more;
        self.memory.try_resize_within_half(bytes)
            || self.bytes() + more <= run_bytes(self.memory.limit()) && self.memory.try_resize_with_some_left(bytes)
    }

    /// Puts the rows that wait in order. Where they were is kept for those that follow, if there is room.
    fn put_in_order(&mut self, keys: &SortKeys) -> Result<()> {
        let Some(mut waiting) = self.waiting.take_if(|waiting| waiting.num_rows() > 0) else { return Ok(()) };
        let rows = keys.in_order(&waiting)?;
        let empty = self.memory.sibling();
        let mut booked = std::mem::replace(&mut self.memory, empty);
        booked.try_resize(rows.bytes())?;
        self.sources.push(Source::Memory(rows, booked));
        waiting.clear();
        if self.memory.try_resize_within_half(waiting.bytes()) {
            self.waiting = Some(waiting);
        }
        Ok(())
    }

    /// No rows follow. Where more than half of the limit is booked, nothing stays in memory that nobody works on.
    pub(super) fn close(&mut self, keys: &SortKeys) -> Result<()> {
        self.put_in_order(keys)?;
        self.waiting = None;
        self.memory.try_resize(0)?;
        let is_roomy = self.memory.try_resize_within_half(0);
        if is_roomy || self.bytes() == 0 { Ok(()) } else { self.spill(keys) }
    }

    /// Makes a run of what is in memory and in order.
    pub(super) fn spill(&mut self, keys: &SortKeys) -> Result<()> {
        let first = self.sources.iter().rposition(|source| !source.is_in_memory()).map_or(0, |last| last + 1);
        let rows = self.sources.split_off(first);
        let in_memory = rows.iter().enumerate().filter_map(|(number, source)| match source {
            Source::Memory(rows, _) => Some(Slice::whole(rows, number)),
            Source::Disk(_) => None,
        });
        let mut run = RunWriter::new(self.memory.limit());
        let mut work = self.memory.sibling();
        let spill = self.memory.spill().clone();
        let layout = keys.shape.latest().unwrap_or_default();
        in_parts(keys, &layout, &in_memory.collect::<Vec<_>>(), &mut work, &mut |rows| {
            run.push(keys.in_order(&rows)?, keys, &spill)
        })?;
        drop(rows);
        self.sources.extend(run.finish(keys, &spill)?.map(Source::Disk));
        Ok(())
    }

    /// What is booked.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes() + self.sources.iter().map(Source::booked).sum::<usize>()
    }

    pub(super) fn num_rows(&self) -> usize {
        self.sources.iter().map(Source::num_rows).sum::<usize>() + self.waiting.as_ref().map_or(0, Packed::num_rows)
    }

    /// What is in order by itself.
    pub(super) fn into_sources(mut self, keys: &SortKeys) -> Result<Vec<Source>> {
        self.put_in_order(keys)?;
        Ok(self.sources)
    }
}

/// What so many rows take that wait, until they are in order.
fn waiting_bytes(rows: usize, width: usize) -> usize {
    rows * (3 * width * size_of::<u64>() + ENTRY_BYTES)
}
