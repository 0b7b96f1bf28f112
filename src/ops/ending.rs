//! How a sink's last state becomes its result: at once, or by pieces that several can work on.

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
pub(crate) type Piece = Box<dyn FnOnce() -> Result<Batches> + Send>;

impl Ending<Batches> {
    /// All that is left, done by the caller alone.
    pub(crate) fn alone(self, nothing: Batches) -> Result<Batches> {
        let mut all = nothing;
        match self {
            Ending::Whole(result) => return Ok(result),
            Ending::Pieces(pieces) => {
                for piece in pieces {
                    all.append(piece()?);
                }
            }
            Ending::Unsorted { pieces, sort, columns } => {
                let mut sorted = sort.new_state(all.memory());
                for piece in pieces {
                    let mut state = sort.new_state(all.memory());
                    sort.update_all(&mut state, piece()?)?;
                    sort.merge(&mut sorted, state)?;
                }
                let nothing = Batches::new(sort.schema().clone(), all.memory());
                return sort.end(sorted)?.alone(nothing)?.with_columns(columns);
            }
        }
        Ok(all)
    }
}
