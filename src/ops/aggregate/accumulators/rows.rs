//! `idxmin`, `idxmax`: where the least, or greatest, value is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use super::best::Rule;
use super::{Accumulator, columns, input, nulls, same, vec_bytes_to};
use crate::error::{Error, Result};
use crate::expr::BoundAgg;
use crate::ops::key::as_ints;

/// The best value so far, and the number of its row: the first among ties.
pub(super) struct BestRows {
    rule: Rule,
    best: Vec<Option<Best>>,
    scratch: Vec<i64>,
}

#[derive(Clone, Copy)]
struct Best {
    value: i64,
    row: i64,
}

impl BestRows {
    pub(super) fn new(rule: Rule) -> BestRows {
        BestRows { rule, best: vec![], scratch: vec![] }
    }

    #[inline]
    fn keep(best: &mut Option<Best>, rule: Rule, new: Best) {
        if best.is_none_or(|old| rule.prefers(&new.value, &old.value)) {
            *best = Some(new);
        }
    }
}

impl Accumulator for BestRows {
    fn resize(&mut self, groups: usize) {
        self.best.resize(groups, None);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let array = input(inputs)?;
        let numbers = inputs.get(1).ok_or_else(|| Error::internal("rows without numbers"))?;
        let numbers = numbers.as_primitive::<Int64Type>().values();
        let values = as_ints(array, &mut self.scratch)?;
        let mut keep = |row: usize| {
            let new = Best { value: values[row], row: numbers[row] };
            BestRows::keep(&mut self.best[ids[row] as usize], self.rule, new);
        };
        match nulls(array) {
            None => (0..array.len()).for_each(keep),
            Some(nulls) => nulls.valid_indices().for_each(&mut keep),
        }
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, rows: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.best) {
            if let Some(new) = new {
                BestRows::keep(&mut self.best[*id as usize], self.rule, Best { row: new.row + rows, ..new });
            }
        }
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let groups = ids.iter().map(|id| self.best[*id as usize]);
        let values = groups.clone().map(|best| best.map(|best| best.value));
        let rows = groups.map(|best| best.map(|best| best.row));
        Ok(vec![Arc::new(values.collect::<Int64Array>()), Arc::new(rows.collect::<Int64Array>())])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], rows: i64) -> Result<()> {
        let [values, numbers] = columns(partials)?;
        let (values, numbers) = (values.as_primitive::<Int64Type>(), numbers.as_primitive::<Int64Type>());
        for ((id, value), row) in ids.iter().zip(values).zip(numbers) {
            if let (Some(value), Some(row)) = (value, row) {
                BestRows::keep(&mut self.best[*id as usize], self.rule, Best { value, row: row + rows });
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        self.scratch = vec![];
        Ok(())
    }

    fn finish(&self, _: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let row = |id: &u32| self.best[*id as usize].map(|best| best.row);
        Ok(Arc::new(ids.iter().map(row).collect::<Int64Array>()))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, rows: usize, _: usize) -> usize {
        let scratch = if self.scratch.capacity() > 0 { vec_bytes_to(&self.scratch, rows) } else { 0 };
        vec_bytes_to(&self.best, groups) + scratch
    }
}
