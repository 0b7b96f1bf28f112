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

pub use batch::Table;
pub use config::parse_bytes;
pub use error::{Error, ErrorKind, Position, Result};
pub use expr::{AggExpr, Expr, IntoOperand, Literal, SortKey, Type, col, lit, lit_date, lit_timestamp, size};

/// What most programs import.
pub mod prelude {
    pub use crate::error::{Error, ErrorKind, Result};
    pub use crate::expr::{AggExpr, Expr, SortKey, Type, col, lit, lit_date, lit_timestamp, size};
}
