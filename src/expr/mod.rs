//! The expression language: building ([`col`], [`lit`]), binding to a schema, evaluation, aggregates.
//!
//! An [`Expr`] names columns and knows no types. `bind` gives it a schema's types, decides every coercion and
//! refuses what does not go together; the `BoundExpr` it gives is evaluated batch by batch with arrow's kernels.
//! What the operators mean is told at [`Expr`].

mod agg;
mod bind;
mod build;
mod choice;
mod coerce;
mod display;
mod eval;
mod functions;
mod in_order;
mod interval;
mod literal;
mod matching;
mod operators;
mod share;
mod sort_key;
pub(crate) mod temporal;
#[cfg(test)]
mod tests;
mod types;

pub use agg::{AggExpr, Interpolation, corr, cov, size};
pub use build::{Expr, col};
pub use functions::{Then, When, coalesce, concat_text, when};
pub use in_order::{RankMethod, Ranking, Rolling, row_number};
pub use interval::{Interval, days, hours, minutes, months, seconds, weeks, years};
pub use literal::{Literal, lit, lit_date, lit_timestamp};
pub use operators::IntoOperand;
pub use sort_key::SortKey;
pub use types::Type;

pub(crate) use agg::{AggKind, BoundAgg, Operand, is_same};
pub(crate) use bind::BoundExpr;
pub(crate) use build::{BinaryOp, Node, UnaryOp};
pub(crate) use in_order::{BoundInOrder, InOrderFn, Summary, Window};
pub(crate) use matching::{Direction, Gap, MergeKind, Nearness};
pub(crate) use share::BoundSet;
pub(crate) use sort_key::BoundSortKey;
pub(crate) use types::type_name;
