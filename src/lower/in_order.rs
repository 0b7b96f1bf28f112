//! Stages that go over the partitions in order: cumulative sums, shifts, rolling windows.
//!
//! 1. Every partition is collected, and says what it leaves to the rows behind it (its *carry*) and before it: a chunk of its
//!    rows after the other, so that no more is in memory.
//! 2. Carries are joined along the partitions: a short task each.
//! 3. Every partition is gone over again, chunk by chunk, with the carry of all before it, and of all behind it where that is
//!    asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Branch;
use super::end::End;
use super::scan::Folded;
use super::tasks::{Expansion, part};
use crate::batch::batch_bytes;
use crate::error::{Error, Result};
use crate::graph::TaskId;
use crate::mem::{Part, view};
use crate::ops::{Batches, CollectOp, Holder, InOrderOp, Reducer};

/// The partitions, gone over in order.
pub(super) struct InOrder<P> {
    pub collect: Arc<CollectOp>,
    pub op: Arc<P>,
}

/// A partition between its two passes.
struct Collected<C> {
    rows: Batches,
    chunks: Vec<Chunk<C>>,
    /// Of all of them.
    carry: C,
}

/// Some rows of a partition, and what they leave.
struct Chunk<C> {
    rows: Range<usize>,
    carry: C,
}

/// About the most bytes of rows in a chunk.
const CHUNK_BYTES: usize = 4 << 20;

/// What several partitions leave to their neighbours.
struct Carried<C>(C);

impl<C: Send + Sync + 'static> Part for Collected<C> {
    fn bytes(&self) -> usize {
        self.rows.bytes()
    }
}

impl<C: Send + Sync + 'static> Part for Carried<C> {
    fn bytes(&self) -> usize {
        size_of::<C>()
    }
}

impl<P: InOrderOp> End for InOrder<P> {
    fn merges(&self) -> bool {
        false
    }

    fn holders(&self) -> Vec<Holder> {
        self.collect.holders()
    }

    fn expand(&self, branches: &[Branch], to: &mut Expansion) -> Result<Vec<TaskId>> {
        let states = to.states(branches, &self.collect)?;
        let collected: Vec<TaskId> = states.into_iter().map(|state| self.collected(state, to)).collect();
        let before = self.carried(collected.iter().copied(), to, false);
        let mut after = match self.op.looks_ahead() {
            true => self.carried(collected.iter().rev().copied(), to, true),
            false => vec![None; collected.len()],
        };
        after.reverse();
        let neighbours = before.into_iter().zip(after);
        Ok(collected.into_iter().zip(neighbours).map(|(rows, (b, a))| self.applied(rows, b, a, to)).collect())
    }
}

impl<P: InOrderOp> InOrder<P> {
    fn collected(&self, state: TaskId, to: &mut Expansion) -> TaskId {
        let (collect, op) = (self.collect.clone(), self.op.clone());
        let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
            let state: &Folded<_> = view(&inputs[0])?;
            let rows = collect.finish(state.take()?)?;
            let mut memory = rows.memory();
            let mut chunks: Vec<Chunk<P::Carry>> = vec![];
            let mut carry = None;
            let mut end_chunk = |chunk: &mut Vec<RecordBatch>| -> Result<()> {
                let start = chunks.last().map_or(0, |chunk| chunk.rows.end);
                let own = op.carry(chunk)?;
                carry = Some(match &carry {
                    Some(before) => op.join(before, &own)?,
                    None => own.clone(),
                });
                let rows = start..start + chunk.iter().map(RecordBatch::num_rows).sum::<usize>();
                chunks.push(Chunk { rows, carry: own });
                chunk.clear();
                Ok(())
            };
            let (mut chunk, mut bytes) = (vec![], 0);
            for batch in rows.range(0..rows.num_rows()) {
                let batch = batch?;
                bytes += batch_bytes(&batch);
                memory.overdraw(bytes);
                chunk.push(batch);
                if bytes >= CHUNK_BYTES {
                    end_chunk(&mut chunk)?;
                    bytes = 0;
                }
            }
            if !chunk.is_empty() {
                end_chunk(&mut chunk)?;
            }
            let carry = carry.map_or_else(|| op.carry(&[]), Ok)?;
            Ok(part(Collected { rows, chunks, carry }))
        };
        to.graph.add("collect", vec![state], Box::new(run))
    }

    /// For each of these partitions the carry of all that stand before it in this order, the first without one.
    fn carried(
        &self,
        partitions: impl Iterator<Item = TaskId>,
        to: &mut Expansion,
        backwards: bool,
    ) -> Vec<Option<TaskId>> {
        let mut carries = vec![];
        let mut last: Option<TaskId> = None;
        for partition in partitions {
            carries.push(last);
            let op = self.op.clone();
            let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
                let own = &view::<Collected<P::Carry>>(&inputs[0])?.carry;
                let Some(before) = inputs.get(1) else { return Ok(part(Carried(own.clone()))) };
                let before = &view::<Carried<P::Carry>>(before)?.0;
                Ok(part(Carried(if backwards { op.join(own, before)? } else { op.join(before, own)? })))
            };
            let inputs = [Some(partition), last].into_iter().flatten().collect();
            last = Some(to.graph.add("carry", inputs, Box::new(run)));
        }
        carries
    }

    fn applied(&self, rows: TaskId, before: Option<TaskId>, after: Option<TaskId>, to: &mut Expansion) -> TaskId {
        let op = self.op.clone();
        let (has_before, has_after) = (before.is_some(), after.is_some());
        let run = move |_: &_, inputs: Vec<Arc<dyn Part>>| {
            let mut inputs = inputs.into_iter();
            let rows = inputs.next();
            let before = if has_before { inputs.next() } else { None };
            let after = if has_after { inputs.next() } else { None };
            let carry = |carried: &'_ Option<Arc<dyn Part>>| -> Result<Option<P::Carry>> {
                carried.as_ref().map(|c| Ok(view::<Carried<P::Carry>>(c)?.0.clone())).transpose()
            };
            let rows = rows.ok_or_else(|| Error::internal("a pass in order lacks its partition"))?;
            let Collected { rows, chunks, .. } = view::<Collected<P::Carry>>(&rows)?;
            let (mut before, after) = (carry(&before)?, carry(&after)?);
            // What stands behind each of the chunks.
            let mut behind = vec![after; chunks.len()];
            if op.looks_ahead() {
                for at in (1..chunks.len()).rev() {
                    let own = &chunks[at].carry;
                    behind[at - 1] =
                        Some(behind[at].as_ref().map_or_else(|| Ok(own.clone()), |after| op.join(own, after))?);
                }
            }
            let mut memory = rows.memory();
            let mut given = Batches::new(op.schema().clone(), memory.sibling());
            for (chunk, after) in chunks.iter().zip(behind) {
                let batches = rows.range(chunk.rows.clone()).collect::<Result<Vec<_>>>()?;
                memory.overdraw(batches.iter().map(batch_bytes).sum());
                let applied = op.apply(before.as_ref(), batches, after.as_ref())?;
                applied.into_iter().try_for_each(|batch| given.push(batch))?;
                before = Some(before.map_or_else(|| Ok(chunk.carry.clone()), |before| op.join(&before, &chunk.carry))?);
            }
            Ok(part(given))
        };
        let inputs = [Some(rows), before, after].into_iter().flatten().collect();
        to.graph.add("in order", inputs, Box::new(run))
    }
}
