//! Sources: from file patterns to batches.

pub(crate) mod csv;
mod discover;
mod kept;
mod read_at;
mod rows;
mod sample;
mod spool;

pub use discover::Paths;
pub(crate) use kept::{Kept, KeptWriter, Persisted};
pub(crate) use rows::{RowSource, Rows};
pub(crate) use sample::Sample;
