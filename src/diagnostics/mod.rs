//! Observers of a run: the progress line.
