//! Sources: from file patterns to batches.

pub(crate) mod csv;
mod discover;
mod read_at;

pub use discover::Paths;
