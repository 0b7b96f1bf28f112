//! Observers of a run: the progress line.

mod progress;

pub use progress::ProgressBar;
