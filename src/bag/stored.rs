//! Items that wait: encoded, in stretches of some kilobytes, in memory or spilled; and read again, as often as is asked.
//!
//! The code is MessagePack with the names of fields, which tells its own types: values that are whatever they are, as JSON's, come back
//! as well. A stretch is a run of items, each behind its length.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::partition::Items;
use crate::error::{Error, ErrorKind, Result};
use crate::mem::{Block, Budget, Reservation};

/// Items that were written.
pub(super) struct Stored<T> {
    stretches: Vec<Stretch>,
    /// Books those in memory.
    memory: Reservation,
    item: PhantomData<fn() -> T>,
}

enum Stretch {
    Memory(Box<[u8]>),
    Disk(Block),
}

/// Takes items.
pub(super) struct Writer<T> {
    stored: Stored<T>,
    /// What the stretches in memory have.
    kept: usize,
    buffer: Vec<u8>,
    /// So long a stretch becomes.
    length: usize,
}

/// The stretches of a budget: short where there is little, as there are many of them at a time.
fn stretch(budget: usize) -> usize {
    (budget >> 12).clamp(4 << 10, 256 << 10)
}

impl<T: Serialize> Writer<T> {
    /// A writer that books what it holds as `holder`.
    pub(super) fn new(budget: &Budget, holder: &'static str) -> Writer<T> {
        let stored = Stored { stretches: vec![], memory: budget.reserve(holder), item: PhantomData };
        Writer { stored, kept: 0, buffer: vec![], length: stretch(budget.limit()) }
    }

    /// # Errors
    /// [`ErrorKind::Value`] for an item that serde can't encode; what spilling says.
    pub(super) fn push(&mut self, item: &T) -> Result<()> {
        let (begin, room) = (self.buffer.len(), self.buffer.capacity());
        self.buffer.extend([0; 4]);
        item.serialize(&mut rmp_serde::Serializer::new(&mut self.buffer).with_struct_map())
            .map_err(|error| unencodable(&error))?;
        let length = u32::try_from(self.buffer.len() - begin - 4)
            .map_err(|_| Error::new(ErrorKind::Value, "an item of 4 GiB or more can't be encoded"))?;
        self.buffer[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
        let has_grown = self.buffer.capacity() > room;
        if self.buffer.len() >= self.length {
            self.seal()?;
        } else if has_grown && self.stored.memory.try_resize(self.kept + self.buffer.capacity()).is_err() {
            self.spill()?;
        }
        Ok(())
    }

    /// Ends a stretch: it stays in memory where half of the limit is not reached yet.
    fn seal(&mut self) -> Result<()> {
        let kept = self.kept + self.buffer.len();
        if !self.stored.memory.try_resize_within_half(kept) {
            return self.spill();
        }
        self.kept = kept;
        self.stored.stretches.push(Stretch::Memory(std::mem::take(&mut self.buffer).into_boxed_slice()));
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.stored.stretches.push(Stretch::Disk(self.stored.memory.spill().write(&buffer)?));
        drop(buffer);
        self.stored.memory.try_resize(self.kept)
    }

    pub(super) fn finish(mut self) -> Result<Stored<T>> {
        if !self.buffer.is_empty() {
            self.seal()?;
        }
        self.stored.stretches.shrink_to_fit();
        Ok(self.stored)
    }
}

impl<T> Stored<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }
}

impl<T: DeserializeOwned + 'static> Stored<T> {
    /// The items, in the order that they were written.
    pub(super) fn items(self: Arc<Self>) -> Result<Items<T>> {
        let mut buffer = vec![];
        let mut memory = self.memory.sibling();
        let (mut stretch, mut at) = (0, 0);
        Ok(Box::new(std::iter::from_fn(move || {
            let item = loop {
                let bytes = match self.stretches.get(stretch)? {
                    Stretch::Memory(bytes) => bytes,
                    Stretch::Disk(block) => {
                        if at == 0 {
                            let mut read = || {
                                memory.try_resize(block.raw())?;
                                block.read(&mut buffer)
                            };
                            if let Err(error) = read() {
                                stretch = self.stretches.len();
                                return Some(Err(error));
                            }
                        }
                        &buffer[..]
                    }
                };
                if let Some((length, rest)) = bytes[at..].split_first_chunk() {
                    let length = u32::from_le_bytes(*length) as usize;
                    at += 4 + length;
                    break rest.get(..length);
                }
                (stretch, at) = (stretch + 1, 0);
            };
            let item = item.ok_or_else(|| Error::internal("an item ends before its length"));
            Some(item.and_then(|bytes| rmp_serde::from_slice(bytes).map_err(|error| undecodable(&error))))
        })))
    }
}

/// An item that its own type can't encode.
pub(super) fn unencodable(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Value, format!("an item can't be encoded: {error}"))
        .help("items that are held are encoded by their Serialize: map them to a type that can be, as of texts, numbers and lists")
}

fn undecodable(error: &rmp_serde::decode::Error) -> Error {
    Error::new(ErrorKind::Value, format!("an item that was encoded can't be decoded: {error}")).help(
        "the Deserialize of its type must read what its Serialize writes: map the items to a type for which that holds",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn items(stored: Stored<Value>) -> Vec<Value> {
        let stored = Arc::new(stored);
        let first: Vec<Value> = stored.clone().items().unwrap().map(Result::unwrap).collect();
        let again: Vec<Value> = stored.items().unwrap().map(Result::unwrap).collect();
        assert_eq!(first, again);
        first
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,2000}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn what_is_written_comes_back(values in prop::collection::vec(value(), 0..60), room in 0..3usize) {
            let budget = Budget::of([1 << 30, 60 << 10, 24 << 10][room]);
            let mut writer = Writer::new(&budget, "items");
            for value in &values {
                writer.push(value).unwrap();
            }
            prop_assert_eq!(items(writer.finish().unwrap()), values);
            prop_assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn what_has_no_room_is_spilled() {
        let budget = Budget::of(1 << 20);
        let mut writer = Writer::new(&budget, "items");
        let values: Vec<Value> = (0..10_000).map(|n| json!({"n": n, "text": "x".repeat(n % 300)})).collect();
        values.iter().for_each(|value| writer.push(value).unwrap());
        let stored = writer.finish().unwrap();
        assert!(budget.used() <= 1 << 19 && budget.used() > 1 << 18);
        assert!(budget.spill().written() > 0);
        assert_eq!(items(stored), values);
    }
}
