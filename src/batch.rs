//! Materialised results.
