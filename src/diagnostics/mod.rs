//! Observers of runs: the progress line, what runs took, and their profile.

mod profile;
#[cfg(feature = "progress")]
mod progress;
#[cfg(feature = "tracing")]
mod spans;
mod stats;

pub use profile::Profile;
#[cfg(feature = "progress")]
pub use progress::ProgressBar;
#[cfg(feature = "tracing")]
pub use spans::Spans;
pub use stats::Stats;

pub(crate) use crate::sched::kind;
