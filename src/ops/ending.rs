//! How a sink's last state becomes its result: at once, or by pieces that several can work on.

use arrow::array::RecordBatch;

use super::{Batches, Reducer, SortOp};
use crate::error::Result;

/// What is left to do when all states are merged.
pub(crate) enum Ending<T> {
    /// Nothing: this is the result.
    Whole(T),
    /// Each piece gives some of the result's rows, which follow those of the piece before it.
    Pieces(Vec<Piece>),
    /// As pieces, whose rows are then brought in order; of their columns so many are the result, from the first on.
    Unsorted { pieces: Vec<Piece>, sort: SortOp, columns: usize },
}

/// A piece of work, which takes along what it holds.
pub(crate) enum Piece {
    /// Gives all rows at once.
    Whole(Box<dyn FnOnce() -> Result<Batches> + Send>),
    /// Gives one batch after the other, so that they need not be held. Who wants them held pushes them to these, of which there are none yet.
    ByBatch(Batches, Box<Give>),
}

/// What takes batches.
pub(crate) type Emit<'a> = dyn FnMut(RecordBatch) -> Result<()> + 'a;

/// What gives batches.
type Give = dyn FnOnce(&mut Emit<'_>) -> Result<()> + Send;

impl Piece {
    /// One that gives all rows at once.
    pub(crate) fn whole(rows: impl FnOnce() -> Result<Batches> + Send + 'static) -> Piece {
        Piece::Whole(Box::new(rows))
    }

    /// Does the work, and holds the rows.
    pub(crate) fn rows(self) -> Result<Batches> {
        match self {
            Piece::Whole(rows) => rows(),
            Piece::ByBatch(mut held, give) => {
                give(&mut |batch| held.push(batch))?;
                Ok(held)
            }
        }
    }

    /// Does the work, and gives the rows.
    pub(crate) fn give(self, emit: &mut Emit<'_>) -> Result<()> {
        match self {
            Piece::Whole(rows) => {
                let rows = rows()?;
                let all = 0..rows.num_rows();
                rows.into_range(all).try_for_each(|batch| emit(batch?))
            }
            Piece::ByBatch(_, give) => give(emit),
        }
    }
}

impl Ending<Batches> {
    /// All that is left, done by the caller alone.
    pub(crate) fn alone(self, nothing: Batches) -> Result<Batches> {
        let mut all = nothing;
        match self {
            Ending::Whole(result) => return Ok(result),
            Ending::Pieces(pieces) => {
                for piece in pieces {
                    all.append(piece.rows()?);
                }
            }
            Ending::Unsorted { pieces, sort, columns } => {
                let mut sorted = sort.new_state(all.memory());
                for piece in pieces {
                    let mut state = sort.new_state(all.memory());
                    sort.update_all(&mut state, piece.rows()?)?;
                    sort.merge(&mut sorted, state)?;
                }
                let nothing = Batches::new(sort.schema().clone(), all.memory());
                return sort.end(sorted)?.alone(nothing)?.with_columns(columns);
            }
        }
        Ok(all)
    }
}
