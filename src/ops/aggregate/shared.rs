//! What aggregates have in common: an input, and a part of several inputs, is evaluated once, a filter too, and `sum(v)` and `mean(v)` read one accumulator.

use arrow::array::ArrayRef;

use super::accumulators::{Accumulator, Family};
use crate::error::{Error, Result};
use crate::expr::{BoundAgg, BoundSet, Operand, Type};

/// The accumulators that a list of aggregates needs.
pub(super) struct Shared {
    pub(super) selections: Vec<Selection>,
    /// The family of every accumulator.
    families: Vec<Family>,
    /// The accumulator that every aggregate reads.
    pub(super) outputs: Vec<usize>,
    counts_rows: bool,
}

/// What sees the rows that pass one filter, or, without a filter, all.
pub(super) struct Selection {
    pub(super) filter: Option<Operand>,
    pub(super) inputs: Vec<Operand>,
    /// The inputs, what is common to several of them computed once.
    pub(super) computed: BoundSet,
    pub(super) slots: Vec<Slot>,
}

/// One accumulator, and which inputs of its selection it takes.
pub(super) struct Slot {
    pub(super) accumulator: usize,
    inputs: Vec<usize>,
    counts_rows: bool,
}

impl Shared {
    pub(super) fn new(aggs: &[BoundAgg]) -> Result<Shared> {
        let mut shared = Shared { selections: vec![], families: vec![], outputs: vec![], counts_rows: false };
        for agg in aggs {
            let family = Family::of(agg)?;
            shared.counts_rows |= agg.kind.counts_rows();
            let same_filter = |s: &Selection| match (&s.filter, &agg.filter) {
                (Some(a), Some(b)) => a.is_same(b),
                (a, b) => a.is_none() && b.is_none(),
            };
            let at = shared.selections.iter().position(same_filter).unwrap_or_else(|| {
                shared.selections.push(Selection::new(agg.filter.clone()));
                shared.selections.len() - 1
            });
            let selection = &mut shared.selections[at];
            let inputs: Vec<usize> = agg.inputs.iter().map(|input| selection.input(input)).collect();
            let families = &mut shared.families;
            let known = selection.slots.iter().filter(|slot| slot.inputs == inputs).find_map(|slot| {
                let both = families[slot.accumulator].for_both(&family)?;
                Some((slot.accumulator, both))
            });
            let accumulator = match known {
                Some((known, both)) => {
                    families[known] = both;
                    known
                }
                None => {
                    families.push(family);
                    let accumulator = families.len() - 1;
                    selection.slots.push(Slot { accumulator, inputs, counts_rows: agg.kind.counts_rows() });
                    accumulator
                }
            };
            shared.outputs.push(accumulator);
        }
        for selection in &mut shared.selections {
            selection.computed = BoundSet::new(selection.inputs.iter().map(|input| input.bound.clone()).collect());
        }
        Ok(shared)
    }

    pub(super) fn accumulators(&self) -> Vec<Box<dyn Accumulator>> {
        self.families.iter().map(Family::accumulator).collect()
    }

    /// Whether any aggregate asks for the numbers of rows.
    pub(super) fn counts_rows(&self) -> bool {
        self.counts_rows
    }

    /// What sees all rows, where that is all there is and rows may come in any order: then they can wait, and be taken in later.
    pub(super) fn of_all_rows(&self) -> Option<Option<&Selection>> {
        let anyhow = !self.counts_rows && self.families.iter().all(Family::is_unordered);
        match self.selections.as_slice() {
            [] => Some(None),
            [only] if only.filter.is_none() && anyhow => Some(Some(only)),
            _ => None,
        }
    }

    /// The accumulators that hold values of every group, and not just a few numbers, with the type of the values.
    pub(super) fn holders(&self) -> impl Iterator<Item = (usize, Type)> {
        self.families.iter().enumerate().filter_map(|(i, family)| Some((i, family.values()?)))
    }
}

impl Selection {
    fn new(filter: Option<Operand>) -> Selection {
        Selection { filter, inputs: vec![], computed: BoundSet::new(vec![]), slots: vec![] }
    }

    /// The place of this input among all.
    fn input(&mut self, input: &Operand) -> usize {
        self.inputs.iter().position(|known| known.is_same(input)).unwrap_or_else(|| {
            self.inputs.push(input.clone());
            self.inputs.len() - 1
        })
    }
}

impl Slot {
    /// The columns that the accumulator takes.
    pub(super) fn inputs(&self, inputs: &[ArrayRef], numbers: &Option<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let mut taken: Vec<ArrayRef> = self.inputs.iter().map(|i| inputs[*i].clone()).collect();
        if self.counts_rows {
            taken.push(numbers.clone().ok_or_else(|| Error::internal("rows are not numbered"))?);
        }
        Ok(taken)
    }
}
