//! Summaries of all values so far that begin anew with each segment: rows of one number, which stand together.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;

use super::monoid::{Counted, Input, Monoid, Output};
use super::{Kernel, Rows};
use crate::error::{Error, Result};
use crate::expr::Type;

/// A summary of the values of a row's segment up to it, that of its nulls too; null where there are none so far, but for counts.
pub(super) struct Segmented<M> {
    pub monoid: M,
    /// The type of the result.
    pub kind: Type,
}

/// Of some rows: the segment at either end, and the summary of the last.
#[derive(Clone, Copy)]
pub(super) struct Segments<P> {
    ends: Option<(i64, i64)>,
    total: Counted<P>,
}

impl<P: Copy> Segments<P> {
    fn empty<M: Monoid<Part = P>>() -> Segments<P> {
        Segments { ends: None, total: Counted::empty::<M>() }
    }

    /// Takes in a row; a null counts for nothing.
    fn push<M: Monoid<Part = P>>(&mut self, segment: i64, value: Option<M::In>) {
        match self.ends {
            Some((first, last)) => {
                if last != segment {
                    self.total = Counted::empty::<M>();
                }
                self.ends = Some((first, segment));
            }
            None => self.ends = Some((segment, segment)),
        }
        if let Some(value) = value {
            self.total = self.total.join::<M>(Counted::of::<M>(value));
        }
    }
}

/// The number of each row's segment.
fn segments(rows: &Rows) -> Result<&[i64]> {
    let numbers = rows.inputs.get(1).and_then(|numbers| numbers.as_primitive_opt::<Int64Type>());
    numbers.map(|numbers| &**numbers.values()).ok_or_else(|| Error::internal("a segmented summary lacks its segments"))
}

impl<M: Monoid> Kernel for Segmented<M> {
    type Carry = Segments<M::Part>;

    fn carry(&self, rows: &[Rows]) -> Result<Segments<M::Part>> {
        let (mut scratch, mut converted) = (vec![], vec![]);
        let mut all = Segments::empty::<M>();
        for rows in rows {
            let input = rows.input()?;
            let values = M::In::read(input, &mut scratch, &mut converted)?;
            for (row, (value, segment)) in values.iter().zip(segments(rows)?).enumerate() {
                all.push::<M>(*segment, input.is_valid(row).then_some(*value));
            }
        }
        Ok(all)
    }

    fn join(&self, before: &Segments<M::Part>, after: &Segments<M::Part>) -> Result<Segments<M::Part>> {
        let (Some((first, last)), Some((next, end))) = (before.ends, after.ends) else {
            return Ok(if after.ends.is_some() { *after } else { *before });
        };
        // One segment goes on through all that follow.
        let goes_on = last == next && next == end;
        let total = if goes_on { before.total.join::<M>(after.total) } else { after.total };
        Ok(Segments { ends: Some((first, end)), total })
    }

    fn apply(
        &self,
        before: Option<&Segments<M::Part>>,
        rows: &[Rows],
        _: Option<&Segments<M::Part>>,
    ) -> Result<Vec<ArrayRef>> {
        let (mut scratch, mut converted) = (vec![], vec![]);
        let mut all = before.copied().unwrap_or(Segments::empty::<M>());
        let column = |rows: &Rows| {
            let input = rows.input()?;
            let values = M::In::read(input, &mut scratch, &mut converted)?;
            let counts = size_of::<M::In>() == 0;
            let mut results = Vec::with_capacity(values.len());
            for (row, (value, segment)) in values.iter().zip(segments(rows)?).enumerate() {
                all.push::<M>(*segment, input.is_valid(row).then_some(*value));
                let Counted { part, count } = all.total;
                results.push(if counts || count > 0 { self.monoid.value(part, count)? } else { None });
            }
            M::Out::column(self.kind, results)
        };
        rows.iter().map(column).collect()
    }
}
