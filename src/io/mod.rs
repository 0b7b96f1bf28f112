//! Sources: from file patterns to batches.

pub(crate) mod csv;
