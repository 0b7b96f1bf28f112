//! Steps that move items between partitions, or take them by their place.

use super::Bag;
use super::partition::{Items, Partition, chained};
use crate::delayed::Delayed;
use crate::error::{Error, ErrorKind, Result};

impl<T: Send + 'static> Bag<T> {
    /// The first items, so many; one partition. Files are read as far as they are needed for that, and no further; steps that bring items
    /// together by a key need them all.
    ///
    /// ```
    /// use partita::Bag;
    /// let endless = Bag::from_vec(vec![0u64], 1).flat_map(|start| start..);
    /// assert_eq!(endless.map(|n| n * n).take(3).compute()?, [0, 1, 4]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn take(&self, n: usize) -> Bag<T> {
        let first = Partition::joined("take", &self.partitions, move |all| {
            let (mut items, mut left) = (chained(all), n);
            Ok(Box::new(std::iter::from_fn(move || {
                left = left.checked_sub(1)?;
                items.next()
            })))
        });
        let partitions = vec![first];
        Bag { session: self.session.clone(), partitions }
    }

    /// Each item with the item at its place in another bag.
    ///
    /// Both must have as many partitions, and those as many items, as bags have that are made from one bag item by item.
    ///
    /// ```
    /// use partita::Bag;
    /// let names = Bag::from_vec(vec!["one", "three"], 2);
    /// let lengths = names.map(|name| name.len());
    /// assert_eq!(names.zip(&lengths).compute()?, [("one", 3), ("three", 5)]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] of the run, when they don't.
    pub fn zip<U: Send + 'static>(&self, other: &Bag<U>) -> Bag<(T, U)> {
        let (own, others) = (self.partitions.len(), other.partitions.len());
        if own != others {
            let error =
                Error::new(ErrorKind::Config, format!("a bag of {own} partitions is zipped with one of {others}"))
                    .help("bags are zipped partition by partition: bring both to the same by repartition(1)");
            return Bag::failing(self.session.clone(), "zip", error);
        }
        let pair = |(nth, (left, right)): (usize, (&Partition<T>, &Partition<U>))| {
            left.beside("zip", right, move |left, right| {
                let mut right = right.fuse();
                let mut left = left.fuse();
                let mut is_over = false;
                Ok(Box::new(std::iter::from_fn(move || {
                    if is_over {
                        return None;
                    }
                    let pair = match (left.next(), right.next()) {
                        (None, None) => None,
                        (Some(Err(error)), _) | (_, Some(Err(error))) => Some(Err(error)),
                        (Some(Ok(left)), Some(Ok(right))) => Some(Ok((left, right))),
                        (left, _) => Some(Err(unequal(nth, left.is_some()))),
                    };
                    is_over = !matches!(pair, Some(Ok(_)));
                    pair
                })))
            })
        };
        let partitions = self.partitions.iter().zip(&other.partitions).enumerate().map(pair).collect();
        Bag { session: self.session.clone(), partitions }
    }

    /// Each item with its place among all, from 0. The partitions but the last are gone over a first time, to count them.
    ///
    /// ```
    /// use partita::Bag;
    /// let odd = Bag::from_vec(vec![1, 2, 3, 5], 3).filter(|n| n % 2 == 1);
    /// assert_eq!(odd.enumerate().compute()?, [(0, 1), (1, 3), (2, 5)]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn enumerate(&self) -> Bag<(u64, T)> {
        let mut counts = self.counts();
        counts.pop();
        let begins = Delayed::all(counts).map("enumerate", |counts| {
            let mut begins = vec![0];
            begins.extend(counts.iter().scan(0, |sum, count| {
                *sum += **count;
                Some(*sum)
            }));
            begins
        });
        let number = |(nth, partition): (usize, &Partition<T>)| {
            partition.then_with("enumerate", &begins, move |items, begins| {
                let begin = *begins.get(nth).ok_or_else(|| Error::internal("a partition was not counted"))?;
                Ok(Box::new(items.zip(begin..).map(|(item, place)| Ok((place, item?)))))
            })
        };
        let partitions = self.partitions.iter().enumerate().map(number).collect();
        Bag { session: self.session.clone(), partitions }
    }

    /// How many items each partition has.
    pub(super) fn counts(&self) -> Vec<Delayed<u64>> {
        self.tasks(|partition| {
            partition.task(&self.session, "count", |items, _| {
                items.into_iter().try_fold(0, |count, item| item.map(|_| count + 1))
            })
        })
    }

    /// The same items in so many partitions. Fewer are neighbours joined. More are each a share of one: it is gone over once to count it, and once more for
    /// each share, which pays when what follows takes longer than what came before.
    ///
    /// ```
    /// use partita::Bag;
    /// let bag = Bag::from_vec((0..7).collect::<Vec<i32>>(), 3);
    /// for n in [1, 2, 3, 5, 20] {
    ///     assert_eq!(bag.repartition(n).npartitions(), n);
    ///     assert_eq!(bag.repartition(n).compute()?, [0, 1, 2, 3, 4, 5, 6]);
    /// }
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn repartition(&self, npartitions: usize) -> Bag<T> {
        let (wanted, own) = (npartitions.max(1), self.partitions.len());
        let cut = |nth: usize, from: usize, to: usize| (nth as u128 * from as u128 / to as u128) as usize;
        let mut partitions = vec![];
        if wanted <= own {
            let run = |nth| &self.partitions[cut(nth, own, wanted)..cut(nth + 1, own, wanted)];
            partitions.extend((0..wanted).map(|nth| match run(nth) {
                [alone] => alone.clone(),
                run => Partition::joined("repartition", run, |all| Ok(chained(all))),
            }));
        } else {
            for ((nth, partition), count) in self.partitions.iter().enumerate().zip(self.counts()) {
                let shares = cut(nth + 1, wanted, own) - cut(nth, wanted, own);
                partitions.extend((0..shares).map(|share| {
                    partition.then_with("repartition", &count, move |items, count| {
                        let [begin, end] = [share, share + 1].map(|at| cut(at, **count as usize, shares));
                        Ok(Box::new(share_of(items, begin, end)))
                    })
                }));
            }
        }
        Bag { session: self.session.clone(), partitions }
    }

    /// The items of this bag and of others behind them.
    ///
    /// ```
    /// use partita::Bag;
    /// let (few, more) = (Bag::from_vec(vec![1, 2], 1), Bag::from_vec(vec![3, 4], 2));
    /// assert_eq!(few.concat([more]).compute()?, [1, 2, 3, 4]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn concat(&self, others: impl IntoIterator<Item = Bag<T>>) -> Bag<T> {
        let mut all = self.clone();
        all.partitions.extend(others.into_iter().flat_map(|other| other.partitions));
        all
    }
}

/// The items from one place to another; an error before is one.
fn share_of<T>(items: Items<T>, begin: usize, end: usize) -> impl Iterator<Item = Result<T>> {
    items.take(end).enumerate().filter(move |(place, item)| *place >= begin || item.is_err()).map(|(_, item)| item)
}

fn unequal(partition: usize, left_is_longer: bool) -> Error {
    let longer = if left_is_longer { "first" } else { "second" };
    Error::new(ErrorKind::Config, format!("of the bags to zip, the {longer} has more items in partition {partition}"))
        .help("zip what is made item by item from one bag, or bring both to one partition by repartition(1)")
}
