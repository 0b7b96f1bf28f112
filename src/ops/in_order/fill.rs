//! Nulls that become the nearest value.

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{concat, take};

use super::{Kernel, Rows};
use crate::error::Result;
use crate::expr::Type;
use crate::ops::collect::compact_column;

/// Nulls become the last value before them, or the first behind them.
pub(super) struct Fill {
    pub kind: Type,
    pub backward: bool,
}

impl Fill {
    /// The value of a batch that reaches beyond it, in an array of one, if there is one.
    fn nearest(&self, values: &ArrayRef) -> Result<Option<ArrayRef>> {
        let mut rows = 0..values.len();
        let valid = |row: &usize| values.is_valid(*row);
        let found = if self.backward { rows.find(valid) } else { rows.rfind(valid) };
        found.map(|row| compact_column(&values.slice(row, 1))).transpose()
    }

    /// The values of a batch, where `beyond` has the value for the nulls at its edge.
    fn filled(&self, values: &ArrayRef, beyond: Option<&ArrayRef>) -> Result<ArrayRef> {
        let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(values.clone()) };
        let mut from: Vec<Option<u32>> = vec![None; values.len()];
        let mut last = None;
        let mut fill = |row: usize| {
            if nulls.is_valid(row) {
                last = Some(row as u32);
            }
            from[row] = last;
        };
        if self.backward {
            (0..values.len()).rev().for_each(&mut fill)
        } else {
            (0..values.len()).for_each(&mut fill)
        };
        let edge = if self.backward {
            from.iter().rev().take_while(|row| row.is_none()).count()
        } else {
            from.iter().take_while(|row| row.is_none()).count()
        };
        let filled = take(values, &UInt32Array::from(from), None)?;
        let Some(beyond) = beyond.filter(|_| edge > 0) else { return Ok(filled) };
        let edge_values = take(beyond, &UInt32Array::from(vec![0; edge]), None)?;
        let rest = values.len() - edge;
        Ok(match self.backward {
            true => concat(&[&filled.slice(0, rest), &edge_values])?,
            false => concat(&[&edge_values, &filled.slice(edge, rest)])?,
        })
    }
}

impl Kernel for Fill {
    /// The value that reaches beyond, in an array of one; an empty one where there are only nulls.
    type Carry = ArrayRef;

    fn looks_ahead(&self) -> bool {
        self.backward
    }

    fn carry(&self, rows: &[Rows]) -> Result<ArrayRef> {
        let batches: Box<dyn Iterator<Item = &Rows>> =
            if self.backward { Box::new(rows.iter()) } else { Box::new(rows.iter().rev()) };
        for rows in batches {
            if let Some(value) = self.nearest(rows.input()?)? {
                return Ok(value);
            }
        }
        Ok(new_empty_array(&self.kind.arrow()))
    }

    fn join(&self, before: &ArrayRef, after: &ArrayRef) -> Result<ArrayRef> {
        let (near, far) = if self.backward { (before, after) } else { (after, before) };
        Ok(if near.is_empty() { far.clone() } else { near.clone() })
    }

    fn apply(&self, before: Option<&ArrayRef>, rows: &[Rows], after: Option<&ArrayRef>) -> Result<Vec<ArrayRef>> {
        let beyond = if self.backward { after } else { before };
        let mut beyond = beyond.filter(|value| !value.is_empty()).cloned();
        let mut column = |rows: &Rows| {
            let values = rows.input()?;
            let filled = self.filled(values, beyond.as_ref())?;
            beyond = self.nearest(values)?.or(beyond.take());
            Ok(filled)
        };
        if !self.backward {
            return rows.iter().map(column).collect();
        }
        let mut columns = rows.iter().rev().map(&mut column).collect::<Result<Vec<_>>>()?;
        columns.reverse();
        Ok(columns)
    }
}
