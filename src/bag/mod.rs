//! Items of any type in partitions: text and JSON that is no table yet.
//!
//! ```text
//!   read_json("*.jsonl") ── filter ── map ──►  Bag<T>   one fused task a partition
//!                                               │ fold_by, group_by, frequencies, distinct
//!        entries by key, in buckets by hash ────┤ partials, merged bucket by bucket
//!                                               ▼ compute, persist, to_text, to_frame
//! ```
//!
//! - [`Bag`] is what a person holds: a list of [`partition::Partition`]s, each a recipe for an iterator. Steps of one partition run as
//!   one task ([`steps`], [`arrange`]).
//! - [`reduce`] makes one value of all items, as a tree; [`numbers`] are sums and means.
//! - [`keyed`] brings items of one key together; what it holds is [`stored`], encoded, in memory or spilled, and [`weight`] estimates
//!   what it has in memory beside.
//! - [`read`] and [`json`] begin with files; [`write`] ends in files or frames.

mod arrange;
mod json;
mod keyed;
mod numbers;
mod partition;
mod read;
mod reduce;
mod steps;
mod stored;
mod weight;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use self::partition::{Items, Partition, Slot, collected};
use crate::delayed::{Delayed, Value};
use crate::error::{Error, Result};
use crate::frame::{Lazy, Results, Running, Shape, Wanted, compute_all, submit_all};
use crate::mem::Reservation;
use crate::sched::Session;

pub use json::{read_json, read_json_with, try_read_json, try_read_json_with};
pub use keyed::Spillable;
pub use numbers::Number;
pub use read::{TextOptions, read_text, read_text_with, read_text_with_path};

/// Items of any type, in partitions that are gone over side by side: what is lazy stays so until
/// [`compute`](Bag::compute).
///
/// Made from files by [`read_text`] and [`read_json`], from items by `collect()` and [`from_vec`](Bag::from_vec), from
/// [`Delayed`] values by [`from_delayed`](Bag::from_delayed).
///
/// - *Order:* items keep the order of the files and of their places in them, through all steps. What brings items together by a key gives
///   the keys in the order of their first items.
/// - *Memory:* items go through the steps of a partition one by one, as an iterator's: a partition is never held as a whole, but for what
///   its result holds. Steps that hold items by key ([`fold_by`](Bag::fold_by), [`group_by`](Bag::group_by),
///   [`frequencies`](Bag::frequencies), [`distinct`](Bag::distinct)) and [`persist`](Bag::persist) go to disk where they are beyond
///   the session's memory limit, encoded by serde. What [`compute`](Bag::compute) gives is the caller's: the items themselves count on the limit
///   while they are gathered, what else they own (the characters of a `String`) does not, as nobody knows it.
/// - *Again:* each result goes over the items anew, two results of one [`compute_all`] too: [`persist`](Bag::persist) keeps
///   items that are used often.
/// - *Errors:* the first one stops the run, and names the steps of its task. A panic in a closure is one, too.
///
/// ```
/// use partita::Bag;
/// let squares: Vec<u32> = Bag::from_vec((1..=5).collect(), 2).map(|n| n * n).filter(|n| n % 2 == 1).compute()?;
/// assert_eq!(squares, [1, 9, 25]);
/// # Ok::<(), partita::Error>(())
/// ```
#[must_use = "a bag is lazy: nothing runs until compute()"]
pub struct Bag<T> {
    session: Session,
    /// One at least.
    partitions: Vec<Partition<T>>,
}

impl<T> Clone for Bag<T> {
    fn clone(&self) -> Bag<T> {
        Bag { session: self.session.clone(), partitions: self.partitions.clone() }
    }
}

impl<T: 'static> fmt::Debug for Bag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.partitions.first().map_or("", |first| first.steps());
        write!(f, "Bag({} partitions: {steps})", self.partitions.len())
    }
}

impl<T: Send + 'static> Bag<T> {
    fn new(session: Session, step: &str, partitions: Vec<Partition<T>>) -> Bag<T> {
        let none = || vec![Partition::new(step, |_| Ok(Box::new(std::iter::empty()) as Items<T>))];
        Bag { session, partitions: if partitions.is_empty() { none() } else { partitions } }
    }

    /// A bag of no items, of what was wrong with making it.
    fn failing(session: Session, step: &str, error: Error) -> Bag<T> {
        let partitions = vec![Partition::failing(step, error)];
        Bag { session, partitions }
    }

    /// The same items, each partition changed alike.
    fn each<U>(&self, change: impl Fn(&Partition<T>) -> Partition<U>) -> Bag<U> {
        Bag { session: self.session.clone(), partitions: self.partitions.iter().map(change).collect() }
    }

    /// A task for each partition.
    fn tasks<U: Send + Sync + 'static>(&self, task: impl Fn(&Partition<T>) -> Delayed<U>) -> Vec<Delayed<U>> {
        self.partitions.iter().map(task).collect()
    }

    /// The items of a list, in its order, in so many partitions of about as many items each. The list is kept for all runs, which
    /// clone what they take.
    ///
    /// ```
    /// use partita::Bag;
    /// let bag = Bag::from_vec(vec!["to", "be", "or", "not"], 3);
    /// assert_eq!(bag.npartitions(), 3);
    /// assert_eq!(bag.compute()?, ["to", "be", "or", "not"]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn from_vec(items: Vec<T>, npartitions: usize) -> Bag<T>
    where
        T: Clone + Sync,
    {
        Session::default().bag(items, npartitions)
    }

    /// The lists that tasks give, one a partition, in their order.
    ///
    /// ```
    /// use partita::{Bag, delayed};
    /// let halves = [delayed("left", || vec![1, 2]), delayed("right", || vec![3])];
    /// assert_eq!(Bag::from_delayed(halves).map(|n| 10 * n).compute()?, [10, 20, 30]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn from_delayed(lists: impl IntoIterator<Item = Delayed<Vec<T>>>) -> Bag<T>
    where
        T: Clone + Sync,
    {
        let lists: Vec<Delayed<Vec<T>>> = lists.into_iter().collect();
        let session = lists.first().map_or_else(Session::default, |list| list.session().clone());
        let partition = |list: Delayed<Vec<T>>| {
            Partition::of_tasks("from_delayed", [list.node().clone()], |_, given| match given {
                [list] => Ok(shared_items(Value::<Vec<T>>::of(list)?.clone())),
                _ => Err(Error::internal("a list of a bag is lacking")),
            })
        };
        Bag::new(session, "from_delayed", lists.into_iter().map(partition).collect())
    }

    /// The partitions as delayed lists, in their order.
    ///
    /// ```
    /// use partita::{Bag, Delayed};
    /// let lists = Bag::from_vec(vec![1, 2, 3, 4, 5], 2).to_delayed();
    /// let lengths = lists.iter().map(|list| list.map("length", |list| list.len()));
    /// assert_eq!(*Delayed::tree_reduce("longest", lengths, |a, b| *a.max(b)).compute()?, 3);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn to_delayed(&self) -> Vec<Delayed<Vec<T>>>
    where
        T: Sync,
    {
        self.tasks(|partition| {
            partition.task(&self.session, "to_delayed", |items, context| Ok(collected(items, context)?.0))
        })
    }

    /// How many partitions there are: one at least.
    pub fn npartitions(&self) -> usize {
        self.partitions.len()
    }

    /// All items, in order.
    ///
    /// # Errors
    /// What went wrong in making or going over them; [`ErrorKind::Memory`](crate::ErrorKind::Memory) when the items are beyond the memory
    /// limit: then [`take`](Bag::take) fewer, or [write](Bag::to_text) them.
    pub fn compute(&self) -> Result<Vec<T>> {
        self.submit().wait()
    }

    /// Starts making the items in the background. Dropping what is returned cancels it.
    pub fn submit(&self) -> Running<Vec<T>> {
        submit_all(self)
    }

    /// Makes the items once and keeps them, encoded, for the steps that follow: in memory, or on disk where they are beyond half of the memory limit.
    /// They go with the last bag that is made of them.
    ///
    /// ```
    /// use partita::Bag;
    /// let words = Bag::from_vec(vec!["to be", "or not to be"], 2)
    ///     .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    ///     .persist()?;
    /// assert_eq!((*words.count().compute()?, *words.distinct().count().compute()?), (6, 4));
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Bag::compute) has, and for items that serde can't encode, or not read back.
    pub fn persist(&self) -> Result<Bag<T>>
    where
        T: Spillable,
    {
        let kept = self.tasks(|partition| {
            partition.task(&self.session, "persist", |items, context| {
                let mut writer = stored::Writer::new(context.budget(), "items to persist");
                items.into_iter().try_for_each(|item| writer.push(&item?))?;
                writer.finish()
            })
        });
        let partition = |kept: Arc<stored::Stored<T>>| Partition::new("persist", move |_| kept.clone().items());
        Ok(Bag::new(self.session.clone(), "persist", compute_all(kept)?.into_iter().map(partition).collect()))
    }

    /// Writes a picture of the tasks, as [`picture`](crate::picture()) draws them: SVG to a name that ends in `.svg`, DOT to one in `.dot`.
    ///
    /// # Errors
    /// As [`Picture::write`](crate::Picture::write) has.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::frame::picture(self).write(path)
    }
}

impl Session {
    /// As [`Bag::from_vec`], in this session.
    pub fn bag<T: Clone + Send + Sync + 'static>(&self, items: Vec<T>, npartitions: usize) -> Bag<T> {
        let items = Arc::new(items);
        let (length, parts) = (items.len(), npartitions.clamp(1, items.len().max(1)));
        let partition = |nth| {
            let items = items.clone();
            let cut = move |nth| (length as u128 * nth as u128 / parts as u128) as usize;
            Partition::new("from_vec", move |_| {
                let items = items.clone();
                Ok(Box::new((cut(nth)..cut(nth + 1)).map(move |at| Ok(items[at].clone()))))
            })
        };
        Bag::new(self.clone(), "from_vec", (0..parts).map(partition).collect())
    }
}

/// Clones of the items of a list that others may take as well.
fn shared_items<T: Clone + 'static>(list: Arc<Vec<T>>) -> Items<T> {
    Box::new((0..list.len()).map(move |at| Ok(list[at].clone())))
}

/// In as many partitions as the default session has threads.
///
/// ```
/// use partita::Bag;
/// let bag: Bag<u64> = (1..=100).collect();
/// assert_eq!(*bag.sum().compute()?, 5050);
/// # Ok::<(), partita::Error>(())
/// ```
impl<T: Clone + Send + Sync + 'static> FromIterator<T> for Bag<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Bag<T> {
        let session = Session::default();
        session.bag(items.into_iter().collect(), session.threads())
    }
}

/// The items of a partition, and what books them.
type Gathered<T> = Slot<(Vec<T>, Reservation)>;

impl<T: Send + 'static> Lazy for Bag<T> {
    type Output = Vec<T>;

    fn wanted(&self) -> Vec<Wanted> {
        let gather = |partition: &Partition<T>| {
            partition.task::<Gathered<T>>(&self.session, "", |items, context| Ok(Slot::new(collected(items, context)?)))
        };
        self.tasks(gather).iter().flat_map(Lazy::wanted).collect()
    }

    fn output(results: &mut Results, shape: &Shape) -> Result<Vec<T>> {
        let Shape::Many(parts) = shape else { return Err(Error::internal("a bag has no partitions")) };
        let mut all = vec![];
        for part in parts {
            let (mut items, _booked) = <Delayed<Gathered<T>>>::output(results, part)?.take()?;
            if all.is_empty() {
                all = items;
            } else {
                all.append(&mut items);
            }
        }
        Ok(all)
    }

    fn shape(&self) -> Shape {
        Shape::Many(vec![Shape::One; self.partitions.len()])
    }
}
