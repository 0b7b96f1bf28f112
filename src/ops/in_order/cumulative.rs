//! Summaries of all values so far.

use arrow::array::{Array, ArrayRef};

use super::monoid::{Counted, Input, Monoid, Output};
use super::{Kernel, Rows};
use crate::error::Result;
use crate::expr::Type;

/// A summary of the values up to each row. A null stays null, but for counts.
pub(super) struct Cumulative<M> {
    pub monoid: M,
    /// The type of the result.
    pub kind: Type,
}

impl<M: Monoid> Kernel for Cumulative<M> {
    type Carry = Counted<M::Part>;

    fn carry(&self, rows: &[Rows]) -> Result<Counted<M::Part>> {
        let (mut scratch, mut converted) = (vec![], vec![]);
        let mut total = Counted::empty::<M>();
        for rows in rows {
            let input = rows.input()?;
            let values = M::In::read(input, &mut scratch, &mut converted)?;
            let nulls = input.nulls();
            for (row, value) in values.iter().enumerate() {
                if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                    total = total.join::<M>(Counted::of::<M>(*value));
                }
            }
        }
        Ok(total)
    }

    fn join(&self, before: &Counted<M::Part>, after: &Counted<M::Part>) -> Result<Counted<M::Part>> {
        Ok(before.join::<M>(*after))
    }

    fn apply(
        &self,
        before: Option<&Counted<M::Part>>,
        rows: &[Rows],
        _: Option<&Counted<M::Part>>,
    ) -> Result<Vec<ArrayRef>> {
        let (mut scratch, mut converted) = (vec![], vec![]);
        let mut total = before.copied().unwrap_or(Counted::empty::<M>());
        let column = |rows: &Rows| {
            let input = rows.input()?;
            let values = M::In::read(input, &mut scratch, &mut converted)?;
            // A count of values has no values to read, and says something of nulls too.
            let (nulls, counts) = (input.nulls(), size_of::<M::In>() == 0);
            let mut results = Vec::with_capacity(values.len());
            for (row, value) in values.iter().enumerate() {
                let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
                if valid {
                    total = total.join::<M>(Counted::of::<M>(*value));
                }
                results.push(if valid || counts { self.monoid.value(total.part, total.count)? } else { None });
            }
            M::Out::column(self.kind, results)
        };
        rows.iter().map(column).collect()
    }
}
