//! `min`, `max`, `first`, `last`: one of the values.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder};

use super::{Accumulator, input, nulls, same, vec_bytes_to};
use crate::error::Result;
use crate::expr::{BoundAgg, Type};
use crate::ops::key::{as_ints, from_ints};

/// Which of a group's values is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops::aggregate) enum Rule {
    Least,
    Greatest,
    First,
    Last,
}

impl Rule {
    /// Whether a later value takes the place of an earlier one.
    #[inline]
    pub(super) fn prefers<T: Ord + ?Sized>(self, new: &T, old: &T) -> bool {
        match self {
            Rule::Least => new < old,
            Rule::Greatest => new > old,
            Rule::First => false,
            Rule::Last => true,
        }
    }
}

/// Values of a fixed width, as integers that order as the values do.
pub(super) struct BestInts {
    rule: Rule,
    kind: Type,
    best: Vec<Option<i64>>,
    scratch: Vec<i64>,
}

/// Texts.
pub(super) struct BestTexts {
    rule: Rule,
    best: Vec<Option<String>>,
    /// The bytes that the strings have allocated.
    bytes: usize,
}

impl BestInts {
    pub(super) fn new(rule: Rule, kind: Type) -> BestInts {
        BestInts { rule, kind, best: vec![], scratch: vec![] }
    }

    fn column(&self, ids: &[u32]) -> Result<ArrayRef> {
        from_ints(self.kind, ids.iter().map(|id| self.best[*id as usize]))
    }
}

impl Accumulator for BestInts {
    fn resize(&mut self, groups: usize) {
        self.best.resize(groups, None);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let array = input(inputs)?;
        let values = as_ints(array, &mut self.scratch)?;
        // One loop a rule: a rule asked for every value would cost as much as the value.
        macro_rules! keep_all {
            ($($rule:ident)*) => {
                match self.rule {
                    $(Rule::$rule => keep_all(&mut self.best, ids, values, array, |new, old| Rule::$rule.prefers(&new, &old)),)*
                }
            };
        }
        keep_all!(Least Greatest First Last);
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.best) {
            let old = &mut self.best[*id as usize];
            if new.is_some() && (old.is_none() || self.rule.prefers(&new, old)) {
                *old = new;
            }
        }
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.column(ids)?])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        self.update(ids, partials)
    }

    fn seal(&mut self) -> Result<()> {
        self.scratch = vec![];
        Ok(())
    }

    fn finish(&self, _: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        self.column(ids)
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, rows: usize, _: usize) -> usize {
        let scratch = if self.scratch.capacity() > 0 { vec_bytes_to(&self.scratch, rows) } else { 0 };
        vec_bytes_to(&self.best, groups) + scratch
    }
}

fn keep_all(
    best: &mut [Option<i64>],
    ids: &[u32],
    values: &[i64],
    array: &ArrayRef,
    better: impl Fn(i64, i64) -> bool,
) {
    let mut keep = |id: u32, new: i64| {
        let old = &mut best[id as usize];
        if old.is_none_or(|old| better(new, old)) {
            *old = Some(new);
        }
    };
    match nulls(array) {
        None => ids.iter().zip(values).for_each(|(id, value)| keep(*id, *value)),
        Some(nulls) => nulls.valid_indices().for_each(|row| keep(ids[row], values[row])),
    }
}

impl BestTexts {
    pub(super) fn new(rule: Rule) -> BestTexts {
        BestTexts { rule, best: vec![], bytes: 0 }
    }

    fn keep(&mut self, id: u32, new: &str) {
        let slot = &mut self.best[id as usize];
        if slot.as_deref().is_none_or(|old| self.rule.prefers(new, old)) {
            // Room is reused: a group's text often changes.
            let mut text = slot.take().unwrap_or_default();
            self.bytes -= text.capacity();
            text.clear();
            text.push_str(new);
            self.bytes += text.capacity();
            *slot = Some(text);
        }
    }

    fn column(&self, ids: &[u32]) -> ArrayRef {
        let mut column = StringViewBuilder::with_capacity(ids.len());
        ids.iter().for_each(|id| column.append_option(self.best[*id as usize].as_deref()));
        Arc::new(column.finish())
    }
}

impl Accumulator for BestTexts {
    fn resize(&mut self, groups: usize) {
        self.best.resize(groups, None);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        for (id, new) in ids.iter().zip(input(inputs)?.as_string_view()) {
            if let Some(new) = new {
                self.keep(*id, new);
            }
        }
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.best) {
            if let Some(new) = new {
                self.keep(*id, &new);
            }
        }
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.column(ids)])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        self.update(ids, partials)
    }

    fn finish(&self, _: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        Ok(self.column(ids))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, _: usize, text: usize) -> usize {
        vec_bytes_to(&self.best, groups) + self.bytes + 2 * text
    }

    fn text_bytes(&self) -> usize {
        self.bytes
    }
}
