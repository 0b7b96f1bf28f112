//! `join`: texts one after another.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder};

use super::{Accumulator, input, same, vec_bytes_to};
use crate::error::Result;
use crate::expr::BoundAgg;

pub(super) struct Joined {
    separator: Arc<str>,
    texts: Vec<Option<String>>,
    /// The bytes that the strings have allocated.
    bytes: usize,
}

impl Joined {
    pub(super) fn new(separator: Arc<str>) -> Joined {
        Joined { separator, texts: vec![], bytes: 0 }
    }

    fn push(&mut self, id: u32, new: &str) {
        let text = match &mut self.texts[id as usize] {
            Some(text) => {
                self.bytes -= text.capacity();
                text.push_str(&self.separator);
                text
            }
            slot => slot.insert(String::new()),
        };
        text.push_str(new);
        self.bytes += text.capacity();
    }
}

impl Joined {
    fn column(&self, ids: &[u32]) -> ArrayRef {
        let mut column = StringViewBuilder::with_capacity(ids.len());
        ids.iter().for_each(|id| column.append_option(self.texts[*id as usize].as_deref()));
        Arc::new(column.finish())
    }
}

impl Accumulator for Joined {
    fn resize(&mut self, groups: usize) {
        self.texts.resize(groups, None);
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        for (id, new) in ids.iter().zip(input(inputs)?.as_string_view()) {
            if let Some(new) = new {
                self.push(*id, new);
            }
        }
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        for (id, new) in ids.iter().zip(same::<Self>(later)?.texts) {
            if let Some(new) = new {
                self.push(*id, &new);
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
        vec_bytes_to(&self.texts, 0) + self.bytes
    }

    fn bytes_with(&self, groups: usize, rows: usize, text: usize) -> usize {
        // A string that grows takes twice its room, or what it needs.
        let new = text + rows * (self.separator.len() + 8);
        vec_bytes_to(&self.texts, groups) + 2 * (self.bytes + new)
    }

    fn text_bytes(&self) -> usize {
        self.bytes
    }
}
