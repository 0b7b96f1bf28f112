//! Rows as they come: put in order some at a time, held in memory while there is room, and else spilled as sorted runs.

use super::cut::{Source, sorted};
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
    /// Rows behind it, as they came, to be put in order together; and what books them.
    waiting: Vec<Packed>,
    memory: Reservation,
}

/// So many rows are put in order together as they come: they, and what it takes to sort them, are in a cache.
pub(super) const ROWS_IN_ORDER: usize = 1 << 16;

/// So many bytes are held beyond what others leave, to become a run: of fewer, there would be too many runs.
const RUN_BYTES: usize = 32 << 20;

impl Held {
    pub(super) fn new(memory: Reservation) -> Held {
        Held { sources: vec![], waiting: vec![], memory }
    }

    /// Adds rows; where there is no room for what waits, those that came before them go to disk.
    pub(super) fn push(&mut self, rows: Packed, keys: &SortKeys) -> Result<()> {
        let waiting: usize = self.waiting.iter().map(Packed::num_rows).sum();
        if waiting + rows.num_rows() > ROWS_IN_ORDER {
            self.put_in_order(keys)?;
        }
        let more = waiting_bytes(&rows);
        if !self.book(more) {
            self.put_in_order(keys)?;
            if !self.book(more) {
                self.spill(keys)?;
                self.memory.try_resize(more)?;
            }
        }
        self.waiting.push(rows);
        Ok(())
    }

    /// Books more, if there is room for what waits, or little is held.
    fn book(&mut self, more: usize) -> bool {
        let (bytes, all) = (self.memory.bytes() + more, self.bytes() + more);
        self.memory.try_resize_within_half(bytes) || all <= RUN_BYTES && self.memory.try_resize_with_some_left(bytes)
    }

    /// Puts the rows that wait in order.
    pub(super) fn put_in_order(&mut self, keys: &SortKeys) -> Result<()> {
        let (Some(layout), waiting) = (keys.shape.latest(), std::mem::take(&mut self.waiting)) else { return Ok(()) };
        if waiting.is_empty() {
            return Ok(());
        }
        let slices: Vec<Slice> = waiting.iter().enumerate().map(|(number, rows)| Slice::whole(rows, number)).collect();
        let rows = keys.in_order(&Packed::together(&layout, &slices)?)?;
        let empty = self.memory.sibling();
        let mut booked = std::mem::replace(&mut self.memory, empty);
        booked.try_resize(rows.bytes())?;
        self.sources.push(Source::Memory(rows, booked));
        Ok(())
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
        sorted(keys, &in_memory.collect::<Vec<_>>(), &mut work, &mut |rows| {
            run.push(&keys.in_order(&rows)?, keys, &spill)
        })?;
        drop(rows);
        self.sources.extend(run.finish().map(Source::Disk));
        Ok(())
    }

    /// What is booked.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes() + self.sources.iter().map(Source::booked).sum::<usize>()
    }

    pub(super) fn num_rows(&self) -> usize {
        self.sources.iter().map(Source::num_rows).sum::<usize>()
            + self.waiting.iter().map(Packed::num_rows).sum::<usize>()
    }

    /// What is in order by itself.
    pub(super) fn into_sources(mut self, keys: &SortKeys) -> Result<Vec<Source>> {
        self.put_in_order(keys)?;
        Ok(self.sources)
    }
}

/// What rows take that wait, until they are in order.
fn waiting_bytes(rows: &Packed) -> usize {
    3 * rows.bytes() + rows.num_rows() * ENTRY_BYTES
}
