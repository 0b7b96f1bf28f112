//! Sorted rows that were spilled, with their keys, and how such runs are merged.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;

use crate::batch::{batch_bytes, decode, encode};
use crate::error::{Error, Result};
use crate::mem::{Block, Reservation};
use crate::ops::OUTPUT_ROWS;
use crate::ops::collect::compact;
use crate::ops::key::Rows;

/// Sorted rows with their keys, in blocks.
#[derive(Default)]
pub(super) struct Run(VecDeque<Piece>);

struct Piece {
    block: Block,
    /// The rows in the block.
    rows: usize,
    /// What it takes to read it.
    bytes: usize,
}

/// A run that is being read: one block of it is in memory.
struct Cursor {
    rest: VecDeque<Piece>,
    rows: RecordBatch,
    keys: Rows,
    at: usize,
}

/// The most runs that are read at a time.
const MAX_FAN_IN: usize = 64;

/// The bytes of rows and keys in a block: so few that [`MAX_FAN_IN`] blocks take half of the limit.
fn block_bytes(memory: &Reservation) -> usize {
    (memory.limit() / (4 * MAX_FAN_IN)).min(1 << 20)
}

impl Run {
    /// Adds rows at the end, where they belong by their keys.
    pub(super) fn push(&mut self, rows: &RecordBatch, keys: &[&[u8]], memory: &Reservation) -> Result<()> {
        let count = keys.len();
        let bytes = batch_bytes(rows) + keys.iter().map(|key| key.len() + size_of::<usize>()).sum::<usize>();
        if count > 1 && bytes > block_bytes(memory) {
            self.push(&rows.slice(0, count / 2), &keys[..count / 2], memory)?;
            return self.push(&rows.slice(count / 2, count - count / 2), &keys[count / 2..], memory);
        }
        let mut encoded = Vec::with_capacity(bytes);
        for key in keys {
            encoded.extend((key.len() as u32).to_le_bytes());
            encoded.extend_from_slice(key);
        }
        encode(rows, &mut encoded)?;
        let block = memory.spill().write(&encoded)?;
        let bytes = bytes + block.raw();
        self.0.push_back(Piece { block, rows: count, bytes });
        Ok(())
    }

    /// What its largest block takes to be read.
    fn largest(&self) -> usize {
        self.0.iter().map(|piece| piece.bytes).max().unwrap_or(0)
    }
}

impl Cursor {
    fn open(run: Run, schema: &SchemaRef) -> Result<Cursor> {
        let rows = RecordBatch::new_empty(schema.clone());
        let mut cursor = Cursor { rest: run.0, rows, keys: Rows::default(), at: 0 };
        cursor.advance(schema)?;
        Ok(cursor)
    }

    /// Reads the next block in place of the one that ended; `false` behind the last.
    fn advance(&mut self, schema: &SchemaRef) -> Result<bool> {
        self.at = 0;
        self.keys.clear();
        let Some(Piece { block, rows, .. }) = self.rest.pop_front() else { return Ok(false) };
        let mut bytes = Vec::new();
        block.read(&mut bytes)?;
        let broken = || Error::internal("spilled bytes are no keys");
        let mut rest = bytes.as_slice();
        for _ in 0..rows {
            let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
            let (key, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(broken)?;
            self.keys.push(key);
            rest = behind;
        }
        self.rows = decode(rest, schema)?;
        Ok(true)
    }

    fn key(&self) -> &[u8] {
        self.keys.row(self.at)
    }
}

/// Merges runs into the first `limit` rows of all, earlier runs first where keys are equal; `emit` is given their batches in
/// order. As many blocks are in memory at a time as it has room for, which is booked on `memory`.
///
/// # Errors
/// `ErrorKind::Memory` when there is no room for two.
pub(super) fn merge(
    mut runs: Vec<Run>,
    schema: &SchemaRef,
    limit: usize,
    memory: &mut Reservation,
    mut emit: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let largest = runs.iter().map(Run::largest).max().unwrap_or(0).max(2 * block_bytes(memory));
    let mut fan_in = runs.len().clamp(2, MAX_FAN_IN);
    while let Err(refused) = memory.try_resize(fan_in * largest) {
        if fan_in == 2 {
            return Err(refused);
        }
        fan_in = fan_in.div_ceil(2);
    }
    let mut at = 0;
    while runs.len() > fan_in {
        // No more than need be, and each once before any twice.
        let neighbours = fan_in.min(runs.len() - fan_in + 1);
        if at + neighbours > runs.len() {
            at = 0;
        }
        let mut merged = Run::default();
        let some = runs.drain(at..at + neighbours).collect();
        merge_at_once(some, schema, limit, |rows, keys| merged.push(&rows, keys, memory))?;
        runs.insert(at, merged);
        at += 1;
    }
    merge_at_once(runs, schema, limit, |rows, _| emit(rows))
}

fn merge_at_once(
    runs: Vec<Run>,
    schema: &SchemaRef,
    limit: usize,
    mut emit: impl FnMut(RecordBatch, &[&[u8]]) -> Result<()>,
) -> Result<()> {
    let runs = runs.into_iter().filter(|run| !run.0.is_empty());
    let mut cursors = runs.map(|run| Cursor::open(run, schema)).collect::<Result<Vec<_>>>()?;
    // A heap of cursors: none comes before the one at half its place.
    let mut heap: Vec<usize> = (0..cursors.len()).collect();
    (0..heap.len() / 2).rev().for_each(|place| sift_down(&mut heap, place, &cursors));
    let (mut picked, mut left) = (Vec::new(), limit);
    while let Some(&first) = heap.first() {
        let cursor = &mut cursors[first];
        picked.push((first, cursor.at));
        cursor.at += 1;
        let ended = cursor.at == cursor.keys.len();
        // Before a block goes, the rows that were picked from it.
        if ended || picked.len() == left.min(OUTPUT_ROWS) {
            let batches: Vec<&RecordBatch> = cursors.iter().map(|cursor| &cursor.rows).collect();
            let keys: Vec<&[u8]> = picked.iter().map(|(cursor, row)| cursors[*cursor].keys.row(*row)).collect();
            emit(compact(&interleave_record_batch(&batches, &picked)?)?, &keys)?;
            left -= picked.len();
            picked.clear();
            if left == 0 {
                break;
            }
        }
        if ended && !cursors[first].advance(schema)? {
            heap.swap_remove(0);
        }
        sift_down(&mut heap, 0, &cursors);
    }
    Ok(())
}

/// Moves a cursor down to where it belongs. Of equal keys the earlier run's comes first.
fn sift_down(heap: &mut [usize], mut place: usize, cursors: &[Cursor]) {
    let order = |cursor: usize| (cursors[cursor].key(), cursor);
    loop {
        let children = [2 * place + 1, 2 * place + 2].into_iter().filter(|child| *child < heap.len());
        let Some(least) = children.min_by_key(|child| order(heap[*child])) else { return };
        if order(heap[place]) <= order(heap[least]) {
            return;
        }
        heap.swap(place, least);
        place = least;
    }
}
