//! Rows that go to their buckets as they are: where nearly every row is a group of its own, to look it up is in vain.

use std::sync::OnceLock;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::{AggregateState, Aggregation, Keys, halves, numbered, rows_of, text_bytes};
use crate::batch::words_type;
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::ops::groups::{FindScratch, Form, Groups, MISSING};
use crate::ops::hash::{HashBuckets, buckets_of};

/// What stands in the buckets of such rows: their keys, and what is aggregated.
pub(super) struct Unseen {
    kinds: Vec<Type>,
    keys: Vec<DataType>,
    inputs: Vec<DataType>,
    /// How all states lay out these rows: decided by the first that had to move groups to buckets. Rows that the first layout has no
    /// room for go by the second.
    layouts: OnceLock<Vec<Layout>>,
    /// Fewer groups than these do not tell how narrow keys are.
    pub(super) few_groups: usize,
}

/// One way to lay out rows, in buckets of its own.
pub(super) struct Layout {
    /// How the keys are packed, if they are.
    pub(super) form: Option<Form>,
    pub(super) schema: SchemaRef,
}

/// The first groups, of which hardly any had more than a row: some of the rows that are put off look for theirs among them. Where keys
/// come in cycles, longer than what came first, they are seen so.
pub(super) struct First {
    groups: Groups,
    ids: Vec<u32>,
    scratch: FindScratch,
    looked: usize,
    found: usize,
}

/// So many rows of a batch look for their groups.
const LOOKED_UP: usize = 64;

/// If one of so many finds it, rows are put off no longer.
const FOUND: usize = 16;

impl First {
    pub(super) fn of(groups: Groups) -> First {
        First { groups, ids: vec![], scratch: FindScratch::default(), looked: 0, found: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    /// Whether groups of these rows are among them after all.
    fn come_again(&mut self, keys: &[ArrayRef], rows: usize) -> Result<bool> {
        let rows = rows.min(LOOKED_UP);
        let keys: Vec<ArrayRef> = keys.iter().map(|key| key.slice(0, rows)).collect();
        self.groups.find(&keys, rows, &mut self.ids, &mut self.scratch)?;
        self.looked += rows;
        self.found += self.ids.iter().filter(|id| **id != MISSING).count();
        Ok(self.found * FOUND > self.looked.max(LOOKED_UP))
    }
}

impl Unseen {
    pub(super) fn new(kinds: Vec<Type>, keys: Vec<DataType>, inputs: Vec<DataType>) -> Unseen {
        Unseen { kinds, keys, inputs, layouts: OnceLock::new(), few_groups: 1 << 9 }
    }

    /// How rows are laid out.
    pub(super) fn layouts(&self, groups: &Groups) -> &[Layout] {
        self.layouts.get_or_init(|| {
            let narrow = groups.form();
            let wide = narrow.as_ref().and_then(|form| form.wider(&self.kinds));
            let forms = match (narrow, wide) {
                (narrow, Some(wide)) if groups.len() >= self.few_groups => vec![narrow, Some(wide)],
                (_, Some(wide)) => vec![Some(wide)],
                (form, None) => vec![form],
            };
            let layout = |form: Option<Form>| {
                let keys = form.as_ref().map_or_else(|| self.keys.clone(), |form| vec![words_type(form.width())]);
                Layout { form, schema: numbered([keys, self.inputs.clone()].concat()) }
            };
            forms.into_iter().map(layout).collect()
        })
    }
}

impl Aggregation {
    /// Moves rows with these keys to their buckets. False, and no row is moved, where their keys can't be packed as others are, or
    /// are among the first.
    pub(super) fn put_off(&self, state: &mut AggregateState, keys: &[ArrayRef], rows: &RecordBatch) -> Result<bool> {
        let (Some(unseen), Some(selection)) = (&self.unseen, self.shared.of_all_rows()) else { return Ok(false) };
        if state.first.as_mut().map_or(Ok(false), |first| first.come_again(keys, rows.num_rows()))? {
            (state.first, state.unseen_left) = (None, 0);
            return Ok(false);
        }
        let count = rows.num_rows();
        state.unseen_left = state.unseen_left.saturating_sub(count);
        let layouts = unseen.layouts(&state.groups).iter().enumerate();
        for (at, layout) in layouts.skip(state.layout) {
            let mut columns = match &layout.form {
                None => keys.to_vec(),
                Some(form) => match form.pack(keys, count)? {
                    Some(words) => vec![words],
                    None => continue,
                },
            };
            if let Some(selection) = selection {
                columns.extend(selection.computed.eval(rows)?);
            }
            let buckets = buckets_of(keys, count, state.level)?;
            let hashed = state.hashed.as_mut().map_or(&mut [][..], |hashed| &mut hashed.rows);
            let [before @ .., to] = hashed.get_mut(state.layout..=at).unwrap_or_default() else {
                return Err(Error::internal("rows are put off before there are buckets"));
            };
            // What did not fit a layout is followed by more of its kind.
            before.iter_mut().try_for_each(HashBuckets::settle)?;
            state.layout = at;
            to.scatter_to(&rows_of(&layout.schema, columns, count)?, buckets)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The layout of rows that are put off, as far as it is decided.
    pub(super) fn layout(&self, at: usize) -> Option<&Layout> {
        self.unseen.as_ref()?.layouts.get()?.get(at)
    }

    /// Takes in rows that were put off, in this layout.
    pub(super) fn take_rows(&self, state: &mut AggregateState, rows: &RecordBatch, layout: usize) -> Result<()> {
        let count = rows.num_rows();
        let form = self.layout(layout).and_then(|layout| layout.form.as_ref());
        let (keys, inputs) = rows.columns().split_at(if form.is_some() { 1 } else { self.keys.len() });
        let text = rows.columns().iter().map(text_bytes).sum();
        let keys = form.map_or(Keys::Columns(keys), |form| Keys::Packed(&keys[0], form));
        if !self.admit(state, keys, count, text)? {
            let mut halves = halves(count).into_iter();
            return halves.try_for_each(|(start, length)| self.take_rows(state, &rows.slice(start, length), layout));
        }
        let slots = self.shared.selections.iter().flat_map(|selection| &selection.slots);
        for slot in slots {
            state.accumulators[slot.accumulator].update(&state.ids, &slot.inputs(inputs, &None)?)?;
        }
        Ok(())
    }
}
