//! Merge: left rows find right rows of the same key, or of the nearest.
//!
//! 1. The right side is gathered whole ([`BuildOp`]), held in narrow types: its keys become dense groups as in a group-by, and an
//!    index leads from a group to its rows in their order. That is a [`JoinTable`], which all tasks share and none changes. Many rows
//!    are indexed by several tasks ([`LargeBuild`]).
//! 2. Batches of the left side look up their keys ([`ProbeOp`]). Where all right keys differ, a left row has one match at most:
//!    left columns pass as they are or filtered. Else pairs of rows are gathered, and taken a batch at a time.
//! 3. Right rows that found no match ([`Matched`], a bit each) come last, where a merge keeps them.
//! 4. A right side that does not fit into memory is merged bucket by bucket ([`LargeMerge`]), on disk where need be.
//! 5. An as-of merge orders the rows of each group by a value, and finds the nearest by bisection: one match at most.

mod as_of;
mod build;
mod index;
mod large;
mod matched;
mod nearest;
mod parted;
mod probe;
mod row_store;
mod runs;
mod scatter;
#[cfg(test)]
mod tests;

pub(crate) use build::{BuildOp, JoinTable, RightSide};
pub(crate) use large::{JoinedBucket, LargeMerge};
pub(crate) use matched::Matched;
pub(crate) use parted::{GatheredColumn, Hashed, IndexedPart, LargeBuild};
pub(crate) use probe::{MergedColumn, ProbeOp};
pub(crate) use runs::Run;
pub(crate) use scatter::ScatterOp;
