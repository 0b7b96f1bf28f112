//! Observers of runs: the progress line, what runs took, and their profile.

mod profile;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "tracing")]
mod spans;
mod stats;

pub use profile::Profile;
#[cfg(feature = "cli")]
pub use progress::ProgressBar;
#[cfg(feature = "tracing")]
pub use spans::Spans;
pub use stats::Stats;

/// The kind of a task: its name without the number of its partition.
pub(crate) fn kind(task: &str) -> &str {
    match task.rsplit_once(' ') {
        Some((kind, number)) if number.bytes().all(|b| b.is_ascii_digit()) => kind,
        _ => task,
    }
}
