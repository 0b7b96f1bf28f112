//! Sources, from file patterns to batches; and writers, from batches to files.

pub(crate) mod csv;
mod discover;
mod read_at;
pub(crate) mod write;

pub use discover::Paths;
