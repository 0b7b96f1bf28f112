//! One value of all items: each partition makes its own, and neighbours are combined as a tree.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Bag;
use super::partition::{Items, Partition, Slot};
use crate::delayed::{Delayed, Value};
use crate::error::{Error, Result};

impl<T: Send + 'static> Bag<T> {
    /// One value of all items: `step` brings an item into the value of its partition, which begins as `init`; `combine` brings the value of
    /// what comes later into that of what comes before. It should be associative. What a value holds is not counted on the memory limit.
    ///
    /// ```
    /// use partita::Bag;
    /// let words = Bag::from_vec(vec!["to", "be", "or"], 2);
    /// let text = words.fold(String::new(), |text, word| *text += word, |text, more| *text += &more);
    /// assert_eq!(*text.compute()?, "tobeor");
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn fold<A: Clone + Send + Sync + 'static>(
        &self,
        init: A,
        step: impl Fn(&mut A, T) + Send + Sync + 'static,
        combine: impl Fn(&mut A, A) + Send + Sync + 'static,
    ) -> Delayed<A> {
        let each = move |items: Items<T>| {
            let mut value = init.clone();
            items.into_iter().try_for_each(|item| item.map(|item| step(&mut value, item)))?;
            Ok(value)
        };
        self.tree("fold", each, move |value, more| {
            combine(value, more);
            Ok(())
        })
    }

    /// Items made one, two at a time, in their order: `combine` should be associative. Of no items there is none.
    ///
    /// ```
    /// use partita::Bag;
    /// let longest = |a: &'static str, b: &'static str| if b.len() > a.len() { b } else { a };
    /// let words = Bag::from_vec(vec!["that", "is", "the", "question"], 3);
    /// assert_eq!(*words.reduce(longest).compute()?, Some("question"));
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn reduce(&self, combine: impl Fn(T, T) -> T + Send + Sync + 'static) -> Delayed<Option<T>>
    where
        T: Sync,
    {
        self.reduced("reduce", combine)
    }

    /// The number of items.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(*Bag::from_vec(vec!["to", "be"], 2).count().compute()?, 2);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn count(&self) -> Delayed<u64> {
        Delayed::tree_reduce("count", self.counts(), |a, b| a + b)
    }

    /// The smallest item, the first of equal ones; none of no items. Floats have no order of their own: [`min_by`](Bag::min_by)`(f64::total_cmp)`.
    ///
    /// ```
    /// use partita::Bag;
    /// let words = Bag::from_vec(vec!["to", "be", "or"], 2);
    /// assert_eq!((*words.min().compute()?, *words.max().compute()?), (Some("be"), Some("to")));
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn min(&self) -> Delayed<Option<T>>
    where
        T: Ord + Sync,
    {
        self.min_by(T::cmp)
    }

    /// The largest item, the first of equal ones; none of no items.
    pub fn max(&self) -> Delayed<Option<T>>
    where
        T: Ord + Sync,
    {
        self.max_by(T::cmp)
    }

    /// The smallest item in an order of yours, the first of equal ones.
    ///
    /// ```
    /// use partita::Bag;
    /// let floats = Bag::from_vec(vec![2.5, -1.0, 7.0], 2);
    /// assert_eq!(*floats.min_by(f64::total_cmp).compute()?, Some(-1.0));
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn min_by(&self, order: impl Fn(&T, &T) -> Ordering + Send + Sync + 'static) -> Delayed<Option<T>>
    where
        T: Sync,
    {
        self.reduced("min", move |a, b| if order(&b, &a).is_lt() { b } else { a })
    }

    /// The largest item in an order of yours, the first of equal ones.
    pub fn max_by(&self, order: impl Fn(&T, &T) -> Ordering + Send + Sync + 'static) -> Delayed<Option<T>>
    where
        T: Sync,
    {
        self.reduced("max", move |a, b| if order(&b, &a).is_gt() { b } else { a })
    }

    /// The largest items, so many, the largest first, and equal ones in their order; one partition. They are held in memory, once for each
    /// thread.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(Bag::from_vec(vec![3, 1, 4, 1, 5], 2).topk(2).compute()?, [5, 4]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn topk(&self, k: usize) -> Bag<T>
    where
        T: Ord + Clone + Sync,
    {
        self.topk_by(k, T::cmp)
    }

    /// The largest items in an order of yours, as [`topk`](Bag::topk): `frequencies().topk_by(10, |a, b| a.1.cmp(&b.1))` are the ten most frequent.
    pub fn topk_by(&self, k: usize, order: impl Fn(&T, &T) -> Ordering + Send + Sync + 'static) -> Bag<T>
    where
        T: Clone + Sync,
    {
        let order = Arc::new(order);
        // A stable sort of what came in order keeps equal items in theirs.
        let cut = move |items: &mut Vec<T>| {
            items.sort_by(|a, b| order(b, a));
            items.truncate(k);
        };
        let each = {
            let cut = cut.clone();
            move |items: Items<T>| {
                let mut largest = vec![];
                for item in items {
                    largest.push(item?);
                    if largest.len() >= (2 * k).max(1024) {
                        cut(&mut largest);
                    }
                }
                cut(&mut largest);
                Ok(largest)
            }
        };
        let largest = self.tree("topk", each, move |largest, mut more| {
            largest.append(&mut more);
            cut(largest);
            Ok(())
        });
        let only = Partition::of_tasks("topk", [largest.node().clone()], |_, given| match given {
            [list] => Ok(super::shared_items(Value::<Vec<T>>::of(list)?.clone())),
            _ => Err(Error::internal("the largest items are lacking")),
        });
        Bag::new(self.session.clone(), "topk", vec![only])
    }

    fn reduced(&self, name: &'static str, combine: impl Fn(T, T) -> T + Send + Sync + 'static) -> Delayed<Option<T>>
    where
        T: Sync,
    {
        let combine = Arc::new(combine);
        let within = combine.clone();
        let each = move |mut items: Items<T>| {
            let Some(first) = items.next().transpose()? else { return Ok(None) };
            items.try_fold(first, |value, item| Ok(within(value, item?))).map(Some)
        };
        self.tree(name, each, move |value, more| {
            *value = match (value.take(), more) {
                (Some(value), Some(more)) => Some(combine(value, more)),
                (value, more) => value.or(more),
            };
            Ok(())
        })
    }

    /// A value of each partition, neighbours combined as a tree.
    pub(super) fn tree<A: Send + Sync + 'static>(
        &self,
        name: &'static str,
        each: impl Fn(Items<T>) -> Result<A> + Send + Sync + 'static,
        combine: impl Fn(&mut A, A) -> Result<()> + Send + Sync + 'static,
    ) -> Delayed<A> {
        let each = Arc::new(each);
        let values = self.tasks(|partition| {
            let each = each.clone();
            partition.task(&self.session, name, move |items, _| Ok(Slot::new(each(items)?)))
        });
        let tree = Delayed::try_tree_reduce(name, values, move |value: &Slot<A>, more| {
            let mut value = value.take()?;
            combine(&mut value, more.take()?)?;
            Ok::<_, Error>(Slot::new(value))
        });
        tree.try_map(name, Slot::take)
    }
}
