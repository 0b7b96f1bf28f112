//! Values of rows before, or behind.

use arrow::array::{Array, ArrayRef, new_empty_array, new_null_array};
use arrow::compute::concat;

use super::{Kernel, Rows};
use crate::error::Result;
use crate::expr::Type;
use crate::ops::collect::compact_column;

/// The value so many rows before, or behind.
pub(super) struct Shift {
    kind: Type,
    distance: usize,
    ahead: bool,
}

impl Shift {
    pub(super) fn new(kind: Type, n: i64) -> Shift {
        Shift { kind, distance: usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX), ahead: n < 0 }
    }

    /// The rows of a sequence that rows beyond it can need.
    fn needed(&self, mut pieces: Vec<ArrayRef>) -> Result<ArrayRef> {
        let rows: usize = pieces.iter().map(|piece| piece.len()).sum();
        pieces.push(new_empty_array(&self.kind.arrow()));
        let kept = rows.min(self.distance);
        let first = if self.ahead { 0 } else { rows - kept };
        section(&pieces, 0, first as i128, kept, self.kind)
    }
}

impl Kernel for Shift {
    /// The rows at the end, or ahead at the start, as many as the distance and as there are.
    type Carry = ArrayRef;

    fn looks_ahead(&self) -> bool {
        self.ahead
    }

    fn carry(&self, rows: &[Rows]) -> Result<ArrayRef> {
        self.needed(rows.iter().map(|rows| rows.input().cloned()).collect::<Result<_>>()?)
    }

    fn join(&self, before: &ArrayRef, after: &ArrayRef) -> Result<ArrayRef> {
        self.needed(vec![before.clone(), after.clone()])
    }

    fn apply(&self, before: Option<&ArrayRef>, rows: &[Rows], after: Option<&ArrayRef>) -> Result<Vec<ArrayRef>> {
        let before = if self.ahead { None } else { before };
        let mut pieces: Vec<ArrayRef> = before.into_iter().cloned().collect();
        let start = -(pieces.first().map_or(0, |piece| piece.len()) as i128);
        for rows in rows {
            pieces.push(rows.input()?.clone());
        }
        pieces.extend(after.filter(|_| self.ahead).cloned());
        let by = if self.ahead { self.distance as i128 } else { -(self.distance as i128) };
        let mut first = 0;
        let shifted = |rows: &Rows| {
            let values = section(&pieces, start, first + by, rows.len, self.kind);
            first += rows.len as i128;
            values
        };
        rows.iter().map(shifted).collect()
    }
}

/// So many rows from `from` on, where the pieces come one after another from `start` on; null where there is no piece. In
/// memory of their own.
fn section(pieces: &[ArrayRef], start: i128, from: i128, rows: usize, kind: Type) -> Result<ArrayRef> {
    let to = from + rows as i128;
    let mut slices: Vec<ArrayRef> = Vec::new();
    let nulls = |rows: i128| new_null_array(&kind.arrow(), rows.max(0) as usize);
    let mut end = start;
    slices.push(nulls(to.min(start) - from));
    for piece in pieces {
        let first = end;
        end += piece.len() as i128;
        let (a, b) = (from.max(first), to.min(end));
        if a < b {
            slices.push(piece.slice((a - first) as usize, (b - a) as usize));
        }
    }
    slices.push(nulls(to - from.max(end)));
    slices.retain(|slice| !slice.is_empty());
    let slices: Vec<&dyn Array> = slices.iter().map(|slice| slice.as_ref()).collect();
    let joined = match slices.as_slice() {
        [] => return Ok(new_empty_array(&kind.arrow())),
        slices => concat(slices)?,
    };
    compact_column(&joined)
}
