//! Partita: a partitioned, out-of-core dataframe engine.

mod batch;
mod config;
mod error;
mod expr;
mod frame;
mod graph;
mod io;
mod lower;
mod mem;
mod ops;
mod plan;
mod sched;
#[cfg(feature = "sql")]
mod sql;

pub use config::parse_bytes;
pub use error::{Error, ErrorKind, Position, Result};
pub use sched::{Event, Observer, Session, SessionBuilder};

/// What most programs import.
pub mod prelude {
    pub use crate::error::{Error, ErrorKind, Result};
    pub use crate::sched::Session;
}
