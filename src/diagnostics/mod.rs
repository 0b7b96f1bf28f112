//! Observers of runs: the progress line, and what runs took.

#[cfg(feature = "cli")]
mod progress;
mod stats;

#[cfg(feature = "cli")]
pub use progress::ProgressBar;
pub use stats::Stats;
