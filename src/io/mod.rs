//! Sources, from file patterns to batches; and writers, from batches to files.

mod codes;
mod compressed;
pub(crate) mod csv;
mod discover;
mod ipc;
mod kept;
mod parquet;
mod read_at;
mod rows;
mod sample;
mod spool;
#[cfg(feature = "bag")]
mod text;
mod typed;
pub(crate) mod write;

pub(crate) use codes::{Codes, MIN_REPEATS};
pub use discover::Paths;
pub(crate) use ipc::IpcSource;
pub(crate) use kept::{Kept, KeptWriter, Persisted};
pub(crate) use parquet::ParquetSource;
pub(crate) use rows::{RowSource, Rows};
pub(crate) use sample::Sample;
pub(crate) use spool::Spool;
#[cfg(feature = "bag")]
pub(crate) use text::{Lines, TextSource};
