//! Partita: a partitioned, out-of-core dataframe engine.

mod batch;
mod config;
#[cfg(feature = "cli")]
mod diagnostics;
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
#[cfg(feature = "cli")]
pub use diagnostics::ProgressBar;
pub use error::{Error, ErrorKind, Position, Result};
pub use expr::{AggExpr, Expr, IntoOperand, Literal, SortKey, Type, col, lit, lit_date, lit_timestamp, size};
pub use frame::{Frame, GroupBy, Running, Stop, read_csv, read_csv_with};
pub use io::Paths;
pub use io::csv::{ColumnReport, CsvOptions};
pub use sched::{Event, Observer, Session, SessionBuilder};
#[cfg(feature = "sql")]
pub use sql::sql;

/// What most programs import.
pub mod prelude {
    #[cfg(feature = "sql")]
    pub use crate::sql;
    pub use crate::{
        AggExpr, CsvOptions, Error, ErrorKind, Expr, Frame, Result, Session, SortKey, Stop, Table, Type, col, lit, lit_date,
        lit_timestamp, read_csv, read_csv_with, size,
    };
}
