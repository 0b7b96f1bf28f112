//! Sources: from file patterns to batches.

pub(crate) mod csv;
mod discover;
mod read_at;
mod sample;
mod spool;

pub use discover::Paths;
pub(crate) use sample::Sample;
