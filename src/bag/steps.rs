//! Steps that take items one by one: they are fused into the task of their partition.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::Bag;
use super::partition::{Items, failed};
use crate::error::{Error, Result};
use crate::io::Sample;

impl<T: Send + 'static> Bag<T> {
    /// Each item changed.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(Bag::from_vec(vec![1, 2, 3], 2).map(|n| format!("<{n}>")).compute()?, ["<1>", "<2>", "<3>"]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn map<U: Send + 'static>(&self, function: impl Fn(T) -> U + Send + Sync + 'static) -> Bag<U> {
        self.step("map", move |item| Some(Ok(function(item))))
    }

    /// Each item changed by a closure that can fail. The first error stops the run: an [`Error`] as it is, any other as the source of an
    /// [`ErrorKind::Function`](crate::ErrorKind::Function) error.
    ///
    /// ```
    /// use partita::Bag;
    /// let numbers = Bag::from_vec(vec!["1", "2", "x"], 1).try_map(|text| text.parse::<i64>());
    /// assert_eq!(numbers.compute().unwrap_err().to_string(), "\
    /// the closure failed: invalid digit found in string
    ///   in task 'from_vec, try_map'");
    /// ```
    pub fn try_map<U: Send + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        function: impl Fn(T) -> Result<U, E> + Send + Sync + 'static,
    ) -> Bag<U> {
        self.step("try_map", move |item| Some(function(item).map_err(|error| Error::of_function(error.into()))))
    }

    /// The items for which the closure is true.
    pub fn filter(&self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Bag<T> {
        self.step("filter", move |item| predicate(&item).then_some(Ok(item)))
    }

    /// All that a closure makes of each item: any number of others.
    ///
    /// ```
    /// use partita::Bag;
    /// let words = Bag::from_vec(vec!["to be", "or not"], 2)
    ///     .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// assert_eq!(words.compute()?, ["to", "be", "or", "not"]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn flat_map<I>(&self, function: impl Fn(T) -> I + Send + Sync + 'static) -> Bag<I::Item>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static>,
    {
        self.flattened("flat_map", function)
    }

    /// The items of items that are lists.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(Bag::from_vec(vec![vec![1, 2], vec![], vec![3]], 2).flatten().compute()?, [1, 2, 3]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn flatten(&self) -> Bag<T::Item>
    where
        T: IntoIterator<Item: Send + 'static, IntoIter: 'static>,
    {
        self.flattened("flatten", |item| item)
    }

    /// Each partition as a whole changed, by a closure from an iterator to what can be iterated. It may hold all of its items: that memory
    /// is not counted.
    ///
    /// ```
    /// use partita::Bag;
    /// let pairs = Bag::from_vec((1..=5).collect(), 2).map_partitions(|numbers| {
    ///     let numbers: Vec<i32> = numbers.collect();
    ///     numbers.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    /// });
    /// assert_eq!(pairs.compute()?, [(1, 2), (3, 4), (4, 5)]); // 2 and 3 are in different partitions
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn map_partitions<I>(
        &self,
        function: impl Fn(Box<dyn Iterator<Item = T>>) -> I + Send + Sync + 'static,
    ) -> Bag<I::Item>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static>,
    {
        let function = Arc::new(function);
        self.each(|partition| {
            let function = function.clone();
            partition.then("map_partitions", move |items, _| Ok(through(items, &*function)))
        })
    }

    /// A share of the items, drawn at random by a seed: each item with this probability, and by itself. The same items are drawn whenever
    /// the partitions are the same.
    ///
    /// ```
    /// use partita::Bag;
    /// let tenth = Bag::from_vec((0..10_000).collect(), 4).sample(0.1, 7);
    /// let drawn = *tenth.count().compute()?;
    /// assert!((900..1100).contains(&drawn));
    /// assert_eq!(tenth.compute()?, tenth.compute()?);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) of the run, for a fraction that is not from 0 to 1.
    pub fn sample(&self, fraction: f64, seed: u64) -> Bag<T> {
        let sample = match Sample::new(fraction, seed) {
            Ok(sample) => sample,
            Err(error) => return Bag::failing(self.session.clone(), "sample", error),
        };
        let partitions = self.partitions.iter().enumerate().map(|(number, partition)| {
            let sample = sample.of_file(&number.to_string());
            partition.then("sample", move |items, _| {
                let drawn = items.zip(0..).filter(move |(item, place)| item.is_err() || sample.is_drawn(*place));
                Ok(Box::new(drawn.map(|(item, _)| item)))
            })
        });
        Bag { session: self.session.clone(), partitions: partitions.collect() }
    }

    fn step<U: Send + 'static>(
        &self,
        name: &'static str,
        function: impl Fn(T) -> Option<Result<U>> + Send + Sync + 'static,
    ) -> Bag<U> {
        let function = Arc::new(function);
        self.each(|partition| {
            let function = function.clone();
            partition.then(name, move |items, _| {
                let function = function.clone();
                Ok(Box::new(items.filter_map(move |item| match item {
                    Ok(item) => function(item),
                    Err(error) => Some(Err(error)),
                })))
            })
        })
    }

    fn flattened<I>(&self, name: &'static str, function: impl Fn(T) -> I + Send + Sync + 'static) -> Bag<I::Item>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: 'static>,
    {
        let function = Arc::new(function);
        self.each(|partition| {
            let function = function.clone();
            partition.then(name, move |items, _| {
                let function = function.clone();
                Ok(Box::new(items.flat_map(move |item| match item {
                    Ok(item) => Box::new(function(item).into_iter().map(Ok)),
                    Err(error) => failed(error),
                })))
            })
        })
    }
}

impl Bag<Value> {
    /// What untyped JSON objects have under a name; null where they have none, or are no objects.
    ///
    /// ```
    /// use partita::{Paths, try_read_json, read_json};
    /// use serde_json::Value;
    /// let tweets = Paths::bytes("tweets", "{\"text\":\"hello\"}\n{\"deleted\":true}\n");
    /// let texts = read_json::<Value>(tweets).pluck("text");
    /// assert_eq!(texts.compute()?, [Value::from("hello"), Value::Null]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn pluck(&self, name: impl Into<String>) -> Bag<Value> {
        let name = name.into();
        self.step("pluck", move |mut item| Some(Ok(item.get_mut(&name).map(Value::take).unwrap_or_default())))
    }
}

/// Items through a closure that knows of no errors: one ends what it sees, and comes out in its turn.
fn through<T: 'static, I: IntoIterator<Item: 'static, IntoIter: 'static>>(
    items: Items<T>,
    function: &impl Fn(Box<dyn Iterator<Item = T>>) -> I,
) -> Items<I::Item> {
    let error = Rc::new(RefCell::new(None));
    let aside = error.clone();
    let good = items.map_while(move |item| item.map_err(|e| aside.replace(Some(e))).ok());
    let mut made = function(Box::new(good)).into_iter();
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let item = made.next();
        let item = error.take().map_or(item.map(Ok), |error| Some(Err(error)));
        is_over = !matches!(item, Some(Ok(_)));
        item
    }))
}
