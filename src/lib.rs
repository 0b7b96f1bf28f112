//! Partita is a dataframe engine for CSV files that are larger than memory: lazy, partitioned, on all cores, inside the
//! memory that it is given.
//!
//! ```
//! # fn main() -> partita::Result<()> {
//! use partita::prelude::*;
//!
//! let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
//! let mean_q = df.filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean()]).compute()?;
//!
//! assert_eq!(mean_q.schema().field(1).name(), "q");
//! println!("{mean_q}");
//! # Ok(())
//! # }
//! ```
//!
//! # The line
//!
//! ```text
//! read_csv("BACI_*.csv") ──► Frame ──► LogicalPlan ──optimise──► LogicalPlan
//!                                                                 │ lower
//!                           Table ◄──run── TaskGraph ◄──expand── Stages
//! ```
//!
//! - A [`Frame`] is what you hold: lazy, cheap to clone, with one `?` at the end of a chain.
//! - The *logical plan* says what: scan, filter, select, merge, aggregate, sort, slice. Each step is checked against the columns
//!   before it as it is added. Its rewrites sink filters into the scan, and leave out columns that nobody uses.
//! - *Stages* say how: pipelines that pull batches of some thousand rows from their source through row-wise steps into a sink.
//! - The *task graph* is stages × partitions. A partition is a byte range of a file, about 100 MB, or less towards the end,
//!   cut between records. A sink makes one state a partition; states are merged in the order of the partitions, as a tree, or stay
//!   partitions: persisted, given to a closure, or gone over a second time with what those before them left.
//! - A [`Session`] owns what runs share: threads, memory budget, spill directory. Calls that name none use a default session.
//!
//! [`Frame::explain`] prints a query at each of these stops.
//!
//! # Any function
//!
//! [`delayed`] wraps a closure of yours into a task of the same graphs: it runs beside others, once, when what is made of it is
//! computed. [`Frame::to_delayed`] and [`Frame::from_delayed`] lead from tables to such tasks and back.
//!
//! A [`Bag`] has items of any type, from lines of text or JSON ([`read_text`], [`read_json`]): closures over its items are fused into a task
//! a partition, items are brought together by keys within the memory limit, and [`Bag::to_frame`] makes a table of them.
//!
//! # The layers
//!
//! From what a person holds down to the bytes; imports point one way.
//!
//! | module | holds |
//! |---|---|
//! | `sql`, `cli` | fronts on the public API: SQL text, the command line |
//! | `bag` | [`Bag`]: items of any type, from text and JSON |
//! | `delayed` | [`Delayed`]: functions of any kind as tasks |
//! | `frame` | [`Frame`], [`Column`], [`GroupBy`], [`read_csv`] |
//! | `lower` | plan → stages → tasks; the one place that sees both plans and operators |
//! | `plan` | the logical plan, its text, its rewrites (one a file) |
//! | `ops` | sequential kernels, one operator a file |
//! | `io` | files and partitions, read and written; `io::csv` is the scan |
//! | `expr` | expressions and aggregates: built, bound to columns, evaluated |
//! | `batch` | [`Table`] |
//! | `sched`, `graph` | runs task graphs; knows nothing of tables |
//! | `mem` | the memory budget, what lies on disk beyond it, and what passes along the edges of a graph |
//! | `diagnostics` | observers of runs: [`Stats`], [`Profile`], the progress bar |
//! | `plot` | [`Chart`]: bars and lines of a table |
//! | `visual` | [`Picture`]: what is lazy as SVG or DOT |
//! | `text_file` | pages and pictures, written whole |
//! | `error`, `config` | open to all |
//!
//! # What holds everywhere
//!
//! - The answer does not depend on threads, memory limit or luck; where the limit is too small for it, rows go to disk,
//!   or there is an error and no answer. Partition size may move the last bits of a float sum, nothing else. Row order is defined for every step.
//! - Nulls are skipped by aggregates; NaN is a value, above all numbers. The types of columns are those of [`Type`].
//! - Bad input is an [`Error`] that says what, where and how to mend it; never a panic, a hang or a wrong answer.

#[cfg(feature = "bag")]
mod bag;
mod batch;
mod config;
mod delayed;
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
#[cfg(feature = "plot")]
mod plot;
mod sched;
#[cfg(feature = "sql")]
mod sql;
mod text_file;
mod visual;

/// The arrow version that [`Table`]s are made of, so that a program need not name it among its own dependencies.
pub use arrow;
#[cfg(feature = "bag")]
pub use bag::{
    Bag, Number, Spillable, TextOptions, read_json, read_json_with, read_text, read_text_with, read_text_with_path,
    try_read_json, try_read_json_with,
};
pub use batch::Table;
pub use config::parse_bytes;
pub use delayed::{Delayed, Inputs, Zip, checkpoint, delayed, try_delayed};
#[cfg(feature = "progress")]
pub use diagnostics::ProgressBar;
#[cfg(feature = "tracing")]
pub use diagnostics::Spans;
pub use diagnostics::{Profile, Stats};
pub use error::{Error, ErrorKind, Position, Result};
pub use expr::{
    AggExpr, Expr, Interpolation, Interval, IntoOperand, Literal, RankMethod, Ranking, Rolling, SortKey, Then, Type,
    When, coalesce, col, concat_text, corr, cov, days, hours, lit, lit_date, lit_timestamp, minutes, months,
    row_number, seconds, size, weeks, when, years,
};
pub use frame::{
    AsOf, BatchStream, Column, Frame, GroupBy, Keep, Lazy, Merge, Over, Running, Scalar, Stop, TaskCount, WindowExpr,
    compute_all, concat, picture, read_csv, read_csv_with, read_ipc, read_parquet, submit_all,
};
pub use io::Paths;
pub use io::csv::{
    ColumnReport, CsvOptions, Delimiter, Infer, LineEnd, NamedOption, OnBadRow, OptionValue, Ragged, Simd,
};
pub use io::write::{Compression, WriteOptions, Written};
#[cfg(feature = "plot")]
pub use plot::{Chart, Plot};
pub use sched::{Event, Observer, Session, SessionBuilder};
#[cfg(feature = "sql")]
pub use sql::{sql, sql_statements};
pub use visual::Picture;

/// What most programs import.
pub mod prelude {
    #[cfg(feature = "sql")]
    pub use crate::sql;
    pub use crate::{
        AggExpr, AsOf, Column, Compression, CsvOptions, Delayed, Error, ErrorKind, Expr, Frame, Interpolation,
        Interval, Keep, Literal, Merge, Over, RankMethod, Result, Scalar, Session, SortKey, Stop, Table, Type,
        WindowExpr, WriteOptions, coalesce, col, compute_all, concat, concat_text, corr, cov, days, delayed, hours,
        lit, lit_date, lit_timestamp, minutes, months, read_csv, read_csv_with, read_ipc, read_parquet, row_number,
        seconds, size, submit_all, try_delayed, weeks, when, years,
    };
    #[cfg(feature = "bag")]
    pub use crate::{Bag, read_json, read_text, try_read_json};
}
