//! The row-wise steps of a branch, one batch at a time.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Step;
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
        RightSide::Rows(_) => Err(Error::internal("a right side is looked up that is no table")),
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
        [] => last(&batch),
        [Step::Map(op), rest @ ..] => push(rest, tables, op.apply(batch)?, matches, last),
        [Step::Probe { op, .. }, rest @ ..] => {
            let ([table, tables @ ..], [(_, matched), matches @ ..]) = (tables, matches) else {
                return Err(Error::internal("a merge lacks its right side"));
            };
            op.probe(table, matched, &batch, &mut |out| push(rest, tables, out, matches, last))
        }
    }
}
