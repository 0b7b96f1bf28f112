//! Runs task graphs: a session's settings and threads, the queue of ready tasks, and events for those who watch.
//!
//! ```text
//!     Session::start(graph) ──► queue: ready tasks of all runs ◄──┐ what became ready
//!             │                        │ the best one             │
//!             ▼                        ▼                          │
//!     Run: wait, cancel         worker loops (≤ T) ── execute ────┘
//! ```
//!
//! - [`queue`] is the state, and nothing but state: which task is ready, which one is best, what may be let go. Read
//!   it first.
//! - [`worker`] moves it: rayon supplies T threads, each loops until nothing is ready.
//! - [`session`] is what people hold; [`machine`] finds the defaults; [`events`] is for progress and profiles.

mod events;
mod machine;
mod queue;
mod session;
mod worker;

pub(crate) use events::kind;
pub use events::{Event, Observer};
pub(crate) use session::Run;
pub use session::{Session, SessionBuilder};
pub(crate) use worker::panicked;

#[cfg(test)]
mod tests;
