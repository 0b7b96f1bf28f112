//! What a task may hold: the budget, and the parts that travel along the edges of a graph.

mod budget;

use std::any::Any;

pub(crate) use budget::{Budget, Reservation};

/// What an edge of the task graph carries: the result of a task, with an honest count of its bytes.
///
/// A consumer gets it as an `Arc`; the last consumer's `Arc` is the only one left, so that it can take the value out.
pub(crate) trait Part: Any + Send + Sync {
    /// The bytes held, allocated capacity and not just length.
    fn bytes(&self) -> usize;
}
