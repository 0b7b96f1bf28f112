//! One partition's pipeline, from its source into a state, and the confirmation of where it began.
//!
//! A partition that does not begin its file assumes where its first record begins. What it made is held back, errors
//! too, until the partition before it says where it ended; if that is elsewhere, it is done again from there.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use super::Step;
use super::gate::Joined;
use super::steps::{Line, Matches, table};
use crate::error::{Error, Result};
use crate::graph::{Input, TaskContext};
use crate::io::csv::{CsvReader, CsvScan, Start};
use crate::mem::{Part, view};
use crate::ops::{Flow, Matched, Piece, ProbeOp, Reducer};

/// All that the tasks of a branch share.
pub(super) struct Work<R: Reducer> {
    pub steps: Vec<Step>,
    /// For each merge among the steps, how many partitions of its left side stand before those of this branch.
    pub before: Vec<usize>,
    pub reducer: Arc<R>,
}

/// A partition's state, right or held back.
pub(super) struct Scanned<S> {
    /// Where the first record was assumed; `None` where none seemed to begin.
    start: Option<u64>,
    /// The state, or what went wrong, which is wrong only if the start was right.
    outcome: Mutex<Option<Result<Folded<S>>>>,
    bytes: usize,
}

/// A state over whole records: of a partition, or of several that were merged.
pub(super) struct Folded<S> {
    /// The byte in the file where the next record begins; `None` once the state has all that it wants, so that
    /// no later row matters and reading stopped.
    end: Option<u64>,
    /// Taken out by the one merge that it goes into, while the next partition still asks for `end`.
    state: Mutex<Option<S>>,
    /// What the merges on the way found, for the rows that nothing matches.
    pub(super) matches: Matches,
    bytes: usize,
}

impl<S: Send + Sync + 'static> Part for Scanned<S> {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<S: Send + Sync + 'static> Part for Folded<S> {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<S> Folded<S> {
    fn new<R: Reducer<State = S>>(reducer: &R, state: S, matches: Matches, end: Option<u64>) -> Folded<S> {
        let bytes = reducer.bytes(&state) + matches.iter().map(|(_, matched)| matched.bytes()).sum::<usize>();
        Folded { end, state: Mutex::new(Some(state)), matches, bytes }
    }

    /// The state of rows that no file holds.
    pub(super) fn alone<R: Reducer<State = S>>(reducer: &R, state: S) -> Folded<S> {
        Folded::new(reducer, state, Matches::new(), None)
    }

    /// Takes the state out.
    pub(super) fn take(&self) -> Result<S> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.ok_or_else(|| Error::internal("a state was merged twice"))
    }
}

fn confirm_rejects(scan: &CsvScan, partition: usize) -> Result<()> {
    scan.rejects.as_ref().map_or(Ok(()), |rejects| rejects.confirm(partition))
}

/// Takes batches, one by one, until it has enough.
type Push<'a> = dyn FnMut(RecordBatch) -> Result<Flow> + 'a;

impl<R: Reducer> Work<R> {
    /// Runs a partition that begins its file: nothing to confirm.
    pub(super) fn run_exact(
        &self,
        context: &TaskContext,
        scan: &CsvScan,
        partition: usize,
        sides: &[Arc<dyn Part>],
    ) -> Result<Folded<R::State>> {
        if let Some(folded) = self.run_joined(context, partition, sides) {
            return folded;
        }
        let start = Start::At(scan.source.partitions[partition].range.start);
        let folded = self.run(context, scan, partition, start, sides).1?;
        confirm_rejects(scan, partition)?;
        context.advance(Input { partitions: 1, ..Input::default() });
        Ok(folded)
    }

    /// Runs a partition on its assumption.
    pub(super) fn run_assumed(
        &self,
        context: &TaskContext,
        scan: &CsvScan,
        partition: usize,
        sides: &[Arc<dyn Part>],
    ) -> Result<Scanned<R::State>> {
        let (start, outcome) = match self.run_joined(context, partition, sides) {
            // Rows that are known: nothing is assumed.
            Some(folded) => (None, Ok(folded?)),
            None => self.run(context, scan, partition, Start::Assumed, sides),
        };
        // A cancelled run is no property of the bytes.
        context.check()?;
        if !has_joined(sides) {
            context.advance(Input { partitions: 1, ..Input::default() });
        }
        let bytes = outcome.as_ref().map_or(0, |folded| folded.bytes);
        Ok(Scanned { start, outcome: Mutex::new(Some(outcome)), bytes })
    }

    /// Accepts what a partition made if it began where the one before it ended, else does it again from there.
    pub(super) fn confirm(
        &self,
        context: &TaskContext,
        scan: &CsvScan,
        partition: usize,
        scanned: &Scanned<R::State>,
        before: &Folded<R::State>,
        sides: &[Arc<dyn Part>],
    ) -> Result<Folded<R::State>> {
        let range = &scan.source.partitions[partition].range;
        let begin = match before.end {
            Some(end) if end < range.end || has_joined(sides) => end,
            // No later row matters, or a record from before covers the whole partition.
            passed => {
                if let Some(rejects) = &scan.rejects {
                    rejects.clear(partition);
                }
                confirm_rejects(scan, partition)?;
                let state = self.reducer.new_state(context.budget().reserve(R::HOLDS));
                return Ok(Folded::new(&*self.reducer, state, Matches::new(), passed));
            }
        };
        let outcome = scanned.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        let folded = match outcome {
            Some(outcome) if scanned.start == Some(begin) || has_joined(sides) => outcome?,
            outcome => {
                // Its memory goes before the second attempt asks for the same again.
                drop(outcome);
                self.run(context, scan, partition, Start::At(begin), sides).1?
            }
        };
        confirm_rejects(scan, partition)?;
        Ok(folded)
    }

    /// Reads, steps, folds. Returns where the first record began, as far as that was found.
    fn run(
        &self,
        context: &TaskContext,
        scan: &CsvScan,
        partition: usize,
        start: Start,
        sides: &[Arc<dyn Part>],
    ) -> (Option<u64>, Result<Folded<R::State>>) {
        let mut reader = match CsvReader::open(scan, partition, start, context.budget().reserve("scan")) {
            Ok(reader) => reader,
            Err(error) => return (None, Err(error)),
        };
        if context.is_lean() {
            reader.forget_behind();
        }
        let folded = self.fold(context, sides, |push| read(context, &mut reader, push)).and_then(|folded| {
            reader.deposit(partition, folded.end.is_some())?;
            Ok(folded)
        });
        (reader.start(), folded)
    }

    /// Folds what a merge gave whose right side did not fit, if there is one among the steps: what stands before it was done there.
    pub(super) fn run_joined(
        &self,
        context: &TaskContext,
        partition: usize,
        sides: &[Arc<dyn Part>],
    ) -> Option<Result<Folded<R::State>>> {
        let joined = |side| view::<Joined>(side).ok();
        let (nth, joined) = sides.iter().enumerate().rev().find_map(|(nth, side)| Some((nth, joined(side)?)))?;
        let partition = self.before.get(nth).copied().unwrap_or_default() + partition;
        let probes = self.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Probe { .. }));
        let behind = probes.map(|(at, _)| at + 1).nth(nth).unwrap_or_default();
        Some(self.fold_behind(context, &self.steps[behind..], &sides[nth + 1..], |push| {
            let flow = joined.partition(partition, &mut |batch| {
                context.check()?;
                push(batch)
            })?;
            // Not a place in a file, but more than nothing: later rows matter.
            Ok((flow == Flow::More).then_some(0))
        }))
    }

    /// Folds batches that are there already, or come one by one.
    pub(super) fn run_batches(
        &self,
        context: &TaskContext,
        batches: impl Iterator<Item = Result<RecordBatch>>,
        sides: &[Arc<dyn Part>],
    ) -> Result<Folded<R::State>> {
        self.fold(context, sides, |push| {
            for batch in batches {
                context.check()?;
                if push(batch?)? == Flow::Enough {
                    break;
                }
            }
            Ok(None)
        })
    }

    /// Folds the rows of a piece, which are not held.
    pub(super) fn run_piece(
        &self,
        context: &TaskContext,
        piece: Piece,
        sides: &[Arc<dyn Part>],
    ) -> Result<Folded<R::State>> {
        self.fold(context, sides, |push| {
            let mut flow = Flow::More;
            piece.give(&mut |batch| {
                context.check()?;
                // A piece goes on when there was enough: it is short.
                if flow == Flow::More {
                    flow = push(batch)?;
                }
                Ok(())
            })?;
            Ok(None)
        })
    }

    /// Folds the rows of a merge's right side that found no match.
    pub(super) fn run_unmatched(
        &self,
        context: &TaskContext,
        op: &ProbeOp,
        side: &Arc<dyn Part>,
        matched: &Matched,
        sides: &[Arc<dyn Part>],
    ) -> Result<Folded<R::State>> {
        self.fold(context, sides, |push| {
            match view::<Joined>(side) {
                Ok(joined) => joined.unmatched(push)?,
                Err(_) => op.unmatched(table(side)?, matched, push)?,
            };
            Ok(None)
        })
    }

    /// Folds the batches that `feed` pushes through the steps; it says where in the file they ended.
    fn fold(
        &self,
        context: &TaskContext,
        sides: &[Arc<dyn Part>],
        feed: impl FnOnce(&mut Push<'_>) -> Result<Option<u64>>,
    ) -> Result<Folded<R::State>> {
        self.fold_behind(context, &self.steps, sides, feed)
    }

    /// As `fold`, for the last steps.
    fn fold_behind(
        &self,
        context: &TaskContext,
        steps: &[Step],
        sides: &[Arc<dyn Part>],
        feed: impl FnOnce(&mut Push<'_>) -> Result<Option<u64>>,
    ) -> Result<Folded<R::State>> {
        let line = Line::new(steps, sides)?;
        let mut matches = line.new_matches();
        let mut state = self.reducer.new_state(context.budget().reserve(R::HOLDS));
        let end = feed(&mut |batch| line.push(batch, &mut matches, &mut |out| self.reducer.update(&mut state, out)))?;
        self.reducer.seal(&mut state)?;
        Ok(Folded::new(&*self.reducer, state, matches, end))
    }
}

/// Whether the steps of a branch begin behind a merge whose right side did not fit.
fn has_joined(sides: &[Arc<dyn Part>]) -> bool {
    sides.iter().any(|side| view::<Joined>(side).is_ok())
}

/// Pushes the batches of a partition. Gives the byte at which they end, or nothing once there was enough.
fn read(context: &TaskContext, reader: &mut CsvReader<'_>, push: &mut Push<'_>) -> Result<Option<u64>> {
    let (mut at, mut rows) = (reader.position(), 0);
    while let Some(batch) = reader.next_batch()? {
        context.check()?;
        if push(batch)? == Flow::Enough {
            return Ok(None);
        }
        let (bytes, new_rows) = (reader.position() - at, reader.rows_read() - rows);
        context.advance(Input { bytes, rows: new_rows, partitions: 0 });
        (at, rows) = (reader.position(), reader.rows_read());
    }
    Ok(Some(reader.position()))
}

/// Merges states in order.
pub(super) fn merge<R: Reducer>(
    reducer: &R,
    context: &TaskContext,
    parts: &[&Folded<R::State>],
) -> Result<Folded<R::State>> {
    let mut parts = parts.iter();
    let (mut state, mut end) = match parts.next() {
        Some(first) => (first.take()?, first.end),
        None => (reducer.new_state(context.budget().reserve(R::HOLDS)), None),
    };
    for part in parts {
        context.check()?;
        reducer.merge(&mut state, part.take()?)?;
        end = part.end;
    }
    Ok(Folded::new(reducer, state, Matches::new(), end))
}
