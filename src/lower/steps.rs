//! The row-wise steps of a branch, one batch at a time.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Step;
use crate::batch::batch_bytes;
use crate::error::{Error, Result};
use crate::mem::{Part, view};
use crate::ops::{Flow, JoinTable, Matched, RightSide};

/// The steps of a branch with all that they read: what one task pushes its batches through.
pub(super) struct Line<'a> {
    steps: &'a [Step],
    /// The right side of each merge among the steps.
    tables: Vec<&'a JoinTable>,
}

/// For each merge among a branch's steps that must know it: its stage, and the right rows that found a match.
pub(super) type Matches = Vec<(usize, Matched)>;

impl<'a> Line<'a> {
    /// `sides` are what the steps' merges look up, in the order of the steps.
    pub(super) fn new(steps: &'a [Step], sides: &'a [Arc<dyn Part>]) -> Result<Line<'a>> {
        Ok(Line { steps, tables: sides.iter().map(table).collect::<Result<_>>()? })
    }

    /// Nothing matched yet.
    pub(super) fn new_matches(&self) -> Matches {
        let probes = self.steps.iter().filter_map(|step| match step {
            Step::Map(_) => None,
            Step::Probe { stage, .. } => Some((*stage, Matched::default())),
        });
        probes.collect()
    }

    /// Pushes a batch through the steps; `last` gets what comes out, until it has enough.
    pub(super) fn push(
        &self,
        batch: RecordBatch,
        matches: &mut Matches,
        last: &mut dyn FnMut(&RecordBatch) -> Result<Flow>,
    ) -> Result<Flow> {
        push(self.steps, &self.tables, batch, matches, last)
    }
}

/// The table that a right side is.
pub(super) fn table(side: &Arc<dyn Part>) -> Result<&JoinTable> {
    match view(side)? {
        RightSide::Table(table) => Ok(table),
        RightSide::Many(_) | RightSide::Rows(_) => Err(Error::internal("a right side is looked up that is no table")),
    }
}

/// The most bytes that a sink is given at a time, unless one row is larger.
const MOST_BYTES: usize = 4 << 20;

/// Gives a batch to the sink, in halves where it is large: a merge or an unpivot can make much of a few rows, whose text costs
/// nothing until a sink makes it its own.
fn bounded(batch: &RecordBatch, last: &mut dyn FnMut(&RecordBatch) -> Result<Flow>) -> Result<Flow> {
    let rows = batch.num_rows();
    if rows < 2 || batch_bytes(batch) <= MOST_BYTES {
        return last(batch);
    }
    match bounded(&batch.slice(0, rows / 2), last)? {
        Flow::Enough => Ok(Flow::Enough),
        Flow::More => bounded(&batch.slice(rows / 2, rows - rows / 2), last),
    }
}

fn push(
    steps: &[Step],
    tables: &[&JoinTable],
    batch: RecordBatch,
    matches: &mut [(usize, Matched)],
    last: &mut dyn FnMut(&RecordBatch) -> Result<Flow>,
) -> Result<Flow> {
    if batch.num_rows() == 0 {
        return Ok(Flow::More);
    }
    match steps {
        [] => bounded(&batch, last),
        [Step::Map(op), rest @ ..] => push(rest, tables, op.apply(batch)?, matches, last),
        [Step::Probe { op, .. }, rest @ ..] => {
            let ([table, tables @ ..], [(_, matched), matches @ ..]) = (tables, matches) else {
                return Err(Error::internal("a merge lacks its right side"));
            };
            op.probe(table, matched, &batch, &mut |out| push(rest, tables, out, matches, last))
        }
    }
}
