//! Row numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::{Kernel, Rows};
use crate::error::Result;

/// Numbers rows from 0.
pub(super) struct RowNumber;

impl Kernel for RowNumber {
    /// How many rows there are.
    type Carry = i64;

    fn carry(&self, rows: &[Rows]) -> Result<i64> {
        Ok(rows.iter().map(|rows| rows.len as i64).sum())
    }

    fn join(&self, before: &i64, after: &i64) -> Result<i64> {
        Ok(before + after)
    }

    fn apply(&self, before: Option<&i64>, rows: &[Rows], _: Option<&i64>) -> Result<Vec<ArrayRef>> {
        let mut next = before.copied().unwrap_or(0);
        let numbers = |rows: &Rows| -> ArrayRef {
            let first = next;
            next += rows.len as i64;
            Arc::new(Int64Array::from_iter_values(first..next))
        };
        Ok(rows.iter().map(numbers).collect())
    }
}
