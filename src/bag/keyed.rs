//! Items brought together by a key.
//!
//! ```text
//!   partition ── a map, key → value ──► buckets by hash ─┐       bucket ─── a map ──► keys by place ─┐
//!   partition ── ……                 ──► ……              ─┼─────► ……                  ──► ……          ─┼─► partition of the keys that
//!   partition ── ……                 ──► ……              ─┘                                            │   began in that one, by place
//! ```
//!
//! Each partition folds its items into a map in memory and writes that, encoded, into 64 buckets by the hashes of the keys: at its end, and
//! whenever the budget refuses it more. Then each bucket is merged, of all partitions in their order. One whose keys are too many is cut into 64 by other
//! bits of the hashes, and again; one key whose value is too large is an error. A place is that of the first item of a key: it orders the
//! result, which so depends neither on buckets nor on memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::hash::Hash;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Bag;
use super::partition::{Items, Partition};
use super::stored::{Stored, Writer, unencodable};
use super::weight::weight;
use crate::delayed::{Delayed, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::TaskContext;
use crate::mem::Reservation;

/// What can wait on disk: whatever serde can encode and decode. What its type leaves out (`#[serde(skip)]`) does not come back.
pub trait Spillable: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Spillable for T {}

/// Where the first item of a key was: its partition, and its number in that.
type Place = (u32, u64);

/// A key as it is written: where its first item was, itself, and its value.
type Row<K, A> = (Place, K, A);

/// What a partition, or a bucket that is cut, is written into.
type Buckets<K, A> = Vec<Arc<Stored<Row<K, A>>>>;

/// The keys of a bucket: one run, or those of the buckets that it was cut into.
struct Merged<K, A>(Vec<Run<K, A>>);

/// Keys in the order of their places, and the partition of each piece.
type Run<K, A> = Vec<(u32, Arc<Stored<Row<K, A>>>)>;

const BUCKETS: usize = 64;
/// How often a bucket is cut again, at most: 64 to this power is more than keys fit on any disk.
const LEVELS: u32 = 4;

/// Brings something into a value.
type Update<A, V> = dyn Fn(&mut A, V) + Send + Sync;

/// Items of one key made one value: as `fold` has them.
struct Rules<T, K, V, A> {
    name: &'static str,
    split: Box<dyn Fn(T) -> (K, V) + Send + Sync>,
    init: Box<dyn Fn() -> A + Send + Sync>,
    step: Box<Update<A, V>>,
    combine: Box<Update<A, A>>,
}

impl<T: Send + 'static> Bag<T> {
    /// One value of the items of each key, as [`fold`](Bag::fold) makes one of all: keys with their values, in the order of the keys' first items. Each
    /// is in the partition of the number that its first item was in.
    ///
    /// ```
    /// use partita::Bag;
    /// let trades = Bag::from_vec(vec![("AUT", 3), ("CHE", 5), ("AUT", 4)], 2);
    /// let totals = trades.fold_by(|(country, _)| *country == "AUT", 0, |sum, (_, v)| *sum += v, |sum, more| *sum += more);
    /// assert_eq!(totals.compute()?, [(true, 7), (false, 5)]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] of the run when one value is beyond the memory limit.
    pub fn fold_by<K: Spillable + Hash + Eq, A: Spillable + Clone + Sync>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        init: A,
        step: impl Fn(&mut A, T) + Send + Sync + 'static,
        combine: impl Fn(&mut A, A) + Send + Sync + 'static,
    ) -> Bag<(K, A)> {
        self.keyed(Rules {
            name: "fold_by",
            split: Box::new(move |item| (key(&item), item)),
            init: Box::new(move || init.clone()),
            step: Box::new(step),
            combine: Box::new(combine),
        })
    }

    /// The items of each key in a list, in their order; the keys as [`fold_by`](Bag::fold_by) has them.
    ///
    /// ```
    /// use partita::Bag;
    /// let words = Bag::from_vec(vec!["to", "be", "or", "not"], 2).map(str::to_owned);
    /// let by_length = words.group_by(|word| word.len());
    /// assert_eq!(by_length.compute()?, [
    ///     (2, vec!["to".to_owned(), "be".to_owned(), "or".to_owned()]),
    ///     (3, vec!["not".to_owned()]),
    /// ]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] of the run when the items of one key are beyond the memory limit; where a sum or the like is wanted of them,
    /// [`fold_by`](Bag::fold_by) does not hold them.
    pub fn group_by<K: Spillable + Hash + Eq>(&self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Bag<(K, Vec<T>)>
    where
        T: Spillable,
    {
        self.keyed(Rules {
            name: "group_by",
            split: Box::new(move |item| (key(&item), item)),
            init: Box::new(Vec::new),
            step: Box::new(Vec::push),
            combine: Box::new(|items: &mut Vec<T>, mut more| items.append(&mut more)),
        })
    }

    /// Each different item, and how often it is there; in the order of their first.
    ///
    /// ```
    /// use partita::Bag;
    /// let letters = Bag::from_vec("abracadabra".chars().collect(), 3).frequencies();
    /// assert_eq!(letters.compute()?, [('a', 5), ('b', 2), ('r', 2), ('c', 1), ('d', 1)]);
    /// assert_eq!(letters.topk_by(1, |a, b| a.1.cmp(&b.1)).compute()?, [('a', 5)]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn frequencies(&self) -> Bag<(T, u64)>
    where
        T: Spillable + Hash + Eq,
    {
        self.keyed(Rules {
            name: "frequencies",
            split: Box::new(|item| (item, ())),
            init: Box::new(|| 0),
            step: Box::new(|count, ()| *count += 1),
            combine: Box::new(|count, more| *count += more),
        })
    }

    /// Each different item once: the first of equal ones, in their order.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(Bag::from_vec(vec![3, 1, 3, 2, 1], 2).distinct().compute()?, [3, 1, 2]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn distinct(&self) -> Bag<T>
    where
        T: Spillable + Hash + Eq,
    {
        let keys = self.keyed(Rules {
            name: "distinct",
            split: Box::new(|item| (item, ())),
            init: Box::new(|| ()),
            step: Box::new(|(), ()| ()),
            combine: Box::new(|(), ()| ()),
        });
        keys.each(|partition| partition.then("", |items, _| Ok(Box::new(items.map(|item| Ok(item?.0))))))
    }

    fn keyed<K: Spillable + Hash + Eq, V: 'static, A: Spillable>(&self, rules: Rules<T, K, V, A>) -> Bag<(K, A)> {
        let (name, rules) = (rules.name, Arc::new(rules));
        let fold = |(number, partition): (usize, &Partition<T>)| {
            let rules = rules.clone();
            partition.task(&self.session, name, move |items, context| folded(items, number as u32, &rules, context))
        };
        let folded: Vec<Delayed<Buckets<K, A>>> = self.partitions.iter().enumerate().map(fold).collect();
        let inputs: Vec<_> = folded.iter().map(|task| task.node().clone()).collect();
        let merge = |bucket: usize| {
            let rules = rules.clone();
            let call = move |context: &TaskContext, given: &[Arc<dyn crate::mem::Part>]| {
                let sources = given.iter().map(|part| Ok(Value::<Buckets<K, A>>::of(part)?[bucket].clone()));
                let mut merged = Merged(vec![]);
                merge(&sources.collect::<Result<Vec<_>>>()?, 1, &*rules.combine, context, &mut merged)?;
                Ok(merged)
            };
            Delayed::of_call(self.session.clone(), format!("merge of {name}").into(), inputs.clone(), call)
        };
        let merged: Vec<Delayed<Merged<K, A>>> = (0..BUCKETS).map(merge).collect();
        let part = |number: usize| {
            Partition::of_tasks(name, merged.iter().map(|task| task.node().clone()), move |_, given| {
                let merged = given.iter().map(|part| Ok(&**Value::<Merged<K, A>>::of(part)?));
                in_order(&merged.collect::<Result<Vec<_>>>()?, number as u32)
            })
        };
        Bag::new(self.session.clone(), name, (0..self.partitions.len()).map(part).collect())
    }
}

/// The keys of a partition, in buckets.
fn folded<T, K: Spillable + Hash + Eq, V, A: Spillable>(
    items: Items<T>,
    number: u32,
    rules: &Rules<T, K, V, A>,
    context: &TaskContext,
) -> Result<Buckets<K, A>> {
    let mut map = Map::new(context);
    let mut writers = writers(context);
    for (item, place) in items.zip(0..) {
        let (key, value) = (rules.split)(item?);
        let hash = map.hash(&key);
        let at = map.find(hash, &key).unwrap_or_else(|| map.insert(hash, ((number, place), key, (rules.init)())));
        (rules.step)(&mut map.rows[at].1.2, value);
        if !map.has_room()? {
            map.write(&mut writers, 0)?;
        }
    }
    map.write(&mut writers, 0)?;
    finished(writers)
}

/// Brings the values of each key together, and writes the keys in the order of their places.
fn merge<K: Spillable + Hash + Eq, A: Spillable>(
    sources: &[Arc<Stored<Row<K, A>>>],
    level: u32,
    combine: &Update<A, A>,
    context: &TaskContext,
    to: &mut Merged<K, A>,
) -> Result<()> {
    if sources.iter().all(|source| source.is_empty()) {
        return Ok(());
    }
    let mut map = Map::new(context);
    for source in sources {
        for row in source.clone().items()? {
            let row = row?;
            let hash = map.hash(&row.1);
            match map.find(hash, &row.1) {
                Some(at) => combine(&mut map.rows[at].1.2, row.2),
                None => _ = map.insert(hash, row),
            }
            if !map.has_room()? {
                if map.rows.len() == 1 || level == LEVELS {
                    return Err(Error::new(ErrorKind::Memory, "the value of one key is beyond the memory limit").help(
                        "raise the limit (Session::builder().memory(..)), or fold the items of a key to something smaller than a list of them",
                    ));
                }
                drop(map);
                let mut writers = writers(context);
                for source in sources {
                    for row in source.clone().items()? {
                        let row = row?;
                        writers[bucket(STATE.hash_one(&row.1), level)].push(&row)?;
                    }
                }
                return finished(writers)?
                    .into_iter()
                    .try_for_each(|source| merge(&[source], level + 1, combine, context, to));
            }
        }
    }
    // Rows came in the order of their places, and so did the keys.
    let mut run = vec![];
    let mut rows = map.rows.into_iter().map(|(_, row)| row).peekable();
    while let Some((place, ..)) = rows.peek() {
        let number = place.0;
        let mut writer = Writer::new(context.budget(), "keys");
        while let Some(row) = rows.next_if(|row| row.0.0 == number) {
            writer.push(&row)?;
        }
        run.push((number, Arc::new(writer.finish()?)));
    }
    to.0.push(run);
    Ok(())
}

/// The keys that began in a partition, from all buckets, in the order of their places.
fn in_order<K: Spillable, A: Spillable>(merged: &[&Merged<K, A>], number: u32) -> Result<Items<(K, A)>> {
    let mut sources: Vec<Items<Row<K, A>>> = vec![];
    for run in merged.iter().flat_map(|merged| &merged.0) {
        if let Ok(at) = run.binary_search_by_key(&number, |(number, _)| *number) {
            sources.push(run[at].1.clone().items()?);
        }
    }
    let mut next: Vec<Option<Row<K, A>>> = vec![];
    let mut order = BinaryHeap::new();
    for (source, items) in sources.iter_mut().enumerate() {
        next.push(items.next().transpose()?);
        order.extend(next[source].as_ref().map(|row| Reverse((row.0, source))));
    }
    Ok(Box::new(std::iter::from_fn(move || {
        let mut first = order.peek_mut()?;
        let source = first.0.1;
        let (_, key, value) = next[source].take()?;
        match sources[source].next() {
            Some(Ok(row)) => {
                *first = Reverse((row.0, source));
                next[source] = Some(row);
            }
            Some(Err(error)) => {
                drop(first);
                order.clear();
                return Some(Err(error));
            }
            None => _ = PeekMut::pop(first),
        }
        Some(Ok((key, value)))
    })))
}

/// The same for all partitions and runs: keys meet, and come in the same order every time.
static STATE: RandomState = RandomState::with_seeds(0x5BD1, 0xE995, 0x1B87, 0x3593);

/// The bucket of a hash, at each level by other bits: the map itself uses the lowest and the highest.
fn bucket(hash: u64, level: u32) -> usize {
    (hash >> (30 + 6 * level)) as usize % BUCKETS
}

fn writers<K: Spillable, A: Spillable>(context: &TaskContext) -> Vec<Writer<Row<K, A>>> {
    (0..BUCKETS).map(|_| Writer::new(context.budget(), "keys")).collect()
}

fn finished<K: Spillable, A: Spillable>(writers: Vec<Writer<Row<K, A>>>) -> Result<Buckets<K, A>> {
    writers.into_iter().map(|writer| Ok(Arc::new(writer.finish()?))).collect()
}

/// Keys in memory, in the order that they came.
struct Map<'a, K, A> {
    /// Where a key is in `rows`, by its hash.
    index: HashTable<usize>,
    rows: Vec<(u64, Row<K, A>)>,
    /// Books about what they have in memory.
    memory: Reservation,
    /// How often it has grown, or may have, and at which number that is looked at.
    steps: usize,
    next_look: usize,
    context: &'a TaskContext,
}

impl<'a, K: Spillable + Hash + Eq, A: Spillable> Map<'a, K, A> {
    fn new(context: &'a TaskContext) -> Map<'a, K, A> {
        let memory = context.budget().reserve("keys");
        Map { index: HashTable::new(), rows: vec![], memory, steps: 0, next_look: 1, context }
    }

    fn hash(&self, key: &K) -> u64 {
        STATE.hash_one(key)
    }

    fn find(&self, hash: u64, key: &K) -> Option<usize> {
        self.index.find(hash, |&at| self.rows[at].1.1 == *key).copied()
    }

    fn insert(&mut self, hash: u64, row: Row<K, A>) -> usize {
        let at = self.rows.len();
        self.rows.push((hash, row));
        self.index.insert_unique(hash, at, |&at| self.rows[at].0);
        at
    }

    /// Whether it may grow further: to be asked after each step. What it has is weighed whenever the steps have doubled, and booked twice, so that
    /// it holds until they have doubled again.
    fn has_room(&mut self) -> Result<bool> {
        self.steps += 1;
        if self.steps.is_multiple_of(1024) {
            self.context.check()?;
        }
        if self.steps < self.next_look {
            return Ok(true);
        }
        self.next_look = 2 * self.steps;
        let mut bytes = self.rows.capacity() * size_of::<(u64, Row<K, A>)>() + self.index.allocation_size();
        for (_, (_, key, value)) in &self.rows {
            bytes += weight(key).and_then(|key| Ok(key + weight(value)?)).map_err(|error| unencodable(&error))?;
        }
        // So little is had without asking: rows one by one would take more.
        if bytes < self.memory.limit() >> 10 {
            self.memory.overdraw(2 * bytes);
            return Ok(true);
        }
        Ok(self.memory.try_resize_with_some_left(2 * bytes))
    }

    /// Moves all keys into buckets.
    fn write(&mut self, to: &mut [Writer<Row<K, A>>], level: u32) -> Result<()> {
        self.index = HashTable::new();
        for (hash, row) in std::mem::take(&mut self.rows) {
            to[bucket(hash, level)].push(&row)?;
        }
        (self.steps, self.next_look) = (0, 1);
        self.memory.try_resize(0)
    }
}
