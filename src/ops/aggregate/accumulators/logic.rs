//! `any`, `all`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};

use super::{Accumulator, for_bits, for_chunks, input, nulls, same, vec_bytes_to};
use crate::error::Result;
use crate::expr::BoundAgg;

/// Whether any value is true, or all are: what holds of none, until one value says otherwise.
pub(super) struct Truths {
    of_none: bool,
    truths: Vec<bool>,
}

impl Truths {
    pub(super) fn new(of_none: bool) -> Truths {
        Truths { of_none, truths: vec![] }
    }
}

impl Accumulator for Truths {
    fn resize(&mut self, groups: usize) {
        self.truths.resize(groups, self.of_none);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let array = input(inputs)?;
        let values = array.as_boolean().values().bit_chunks();
        let mut values = values.iter_padded();
        let of_none = if self.of_none { u64::MAX } else { 0 };
        for_chunks(array.len(), nulls(array), |rows, valid| {
            let turning = (values.next().unwrap_or(0) ^ of_none) & valid;
            for_bits(turning, |row| self.truths[ids[rows.start + row] as usize] = !self.of_none);
        });
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.truths) {
            if new != self.of_none {
                self.truths[*id as usize] = new;
            }
        }
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let truths: Vec<bool> = ids.iter().map(|id| self.truths[*id as usize]).collect();
        Ok(vec![Arc::new(BooleanArray::from(truths))])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        // What none of a group's rows turned turns nothing.
        self.update(ids, partials)
    }

    fn finish(&self, _: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let truths: Vec<bool> = ids.iter().map(|id| self.truths[*id as usize]).collect();
        Ok(Arc::new(BooleanArray::from(truths)))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, _: usize, _: usize) -> usize {
        vec_bytes_to(&self.truths, groups)
    }
}
