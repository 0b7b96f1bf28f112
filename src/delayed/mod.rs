//! Functions of any kind as tasks: lazy, typed, each run once for all who use its value.
//!
//! ```text
//!   delayed("inc", ..) ──┐
//!                        ├─ zip ── map("add", ..) ──► Node ◄─ its inputs, shared by reference
//!   delayed("dec", ..) ──┘                             │ expand: once per graph
//!                                    Arc<T> ◄──run── TaskGraph
//! ```
//!
//! - [`Delayed`] is what a person holds: a [`node::Node`] and the type of its value.
//! - [`node`] turns nodes into tasks of a graph, and names the way above a task that failed.
//! - [`attempt`] runs one: retries, time limit, panics.
//! - [`inputs`] is what a task can take; [`partition`] leads from frames and back; [`session`] runs in the background.

mod attempt;
mod inputs;
mod node;
mod partition;
mod session;

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use self::inputs::task;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Lazy, Results, Running, Shape, Wanted, submit_all};
use crate::graph::TaskContext;
use crate::mem::Part;
use crate::sched::Session;

pub use attempt::checkpoint;
pub use inputs::{Inputs, Zip};
pub(crate) use node::{Node, Value};

/// A value that is not computed yet: a task, and the tasks that it takes the values of.
///
/// Made by [`delayed`], and from others by [`map`](Delayed::map), [`zip`](Delayed::zip), [`all`](Delayed::all) and
/// [`tree_reduce`](Delayed::tree_reduce). Nothing runs before [`compute`](Delayed::compute),
/// [`persist`](Delayed::persist) or [`submit`](Delayed::submit). Cloning is cheap; clones are the same task.
///
/// - *Once:* in a run, a task is called once, however many others take its value, which they share by reference. Another run calls it
///   again, unless it was [persisted](Delayed::persist).
/// - *At the same time:* tasks that don't take each other's values run on all threads of the session.
/// - *Any type* that is `Send + Sync + 'static`. `compute` gives an `Arc<T>`: the value may be shared with whoever holds it too.
///   [`Arc::unwrap_or_clone`] takes it out.
/// - *Memory:* a value is dropped when the last task that takes it is done. What a closure's value holds is not known, and not counted on the
///   session's limit; partitions of [`Frame::to_delayed`](crate::Frame::to_delayed) are.
/// - *Errors:* the first one stops the run, and names the task and those above it up to what was asked for. A panic is an
///   [`ErrorKind::Panic`] error.
///
/// ```
/// use partita::delayed;
/// let x = delayed("inc", || 1 + 1);
/// let y = delayed("dec", || 2 - 1);
/// let z = x.zip(&y).map("add", |(x, y)| x + y); // nothing has run
/// assert_eq!(*z.compute()?, 3); // inc and dec run at the same time
/// # Ok::<(), partita::Error>(())
/// ```
///
/// Unlike Dask's, a closure takes the values of other tasks only where they are named: a `Delayed` that it captures stays one.
#[must_use = "a delayed value is lazy: nothing runs until compute()"]
pub struct Delayed<T> {
    session: Session,
    node: Arc<Node>,
    /// It gives a `T` and holds none.
    value: PhantomData<fn() -> T>,
}

/// A task that calls this closure for its value. `name` is for people: in errors, progress and profiles.
///
/// ```
/// use partita::delayed;
/// let words = delayed("read", || "to be or not to be".to_owned());
/// let count = words.map("count", |text| text.split(' ').count());
/// assert_eq!(*count.compute()?, 6);
/// # Ok::<(), partita::Error>(())
/// ```
///
/// A closure may be called again: by another run, or by [retries](Delayed::retries). So what it captures stays its own.
/// It runs in the default session ([`Session::delayed`] names one).
pub fn delayed<T: Send + Sync + 'static>(
    name: impl Into<Arc<str>>,
    function: impl Fn() -> T + Send + Sync + 'static,
) -> Delayed<T> {
    Session::default().delayed(name, function)
}

/// As [`delayed`], for closures that can fail: with an [`Error`], or any other, which becomes the source of an
/// [`ErrorKind::Function`] error.
///
/// ```
/// use partita::{ErrorKind, try_delayed};
/// let number = try_delayed("parse", || "12x".parse::<i64>());
/// let error = number.map("double", |n| 2 * n).compute().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Function);
/// assert_eq!(error.to_string(), "\
/// the closure failed: invalid digit found in string
///   in task 'parse'
///   in task 'double'");
/// ```
pub fn try_delayed<T: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
    name: impl Into<Arc<str>>,
    function: impl Fn() -> Result<T, E> + Send + Sync + 'static,
) -> Delayed<T> {
    Session::default().try_delayed(name, function)
}

impl<T: Send + Sync + 'static> Delayed<T> {
    fn new(session: Session, node: Node) -> Delayed<T> {
        Delayed { session, node: Arc::new(node), value: PhantomData }
    }

    /// A task that takes what these tasks give, and may ask what a run knows.
    #[cfg(feature = "bag")]
    pub(crate) fn of_call(
        session: Session,
        name: Arc<str>,
        inputs: Vec<Arc<Node>>,
        call: impl Fn(&TaskContext, &[Arc<dyn Part>]) -> Result<T> + Send + Sync + 'static,
    ) -> Delayed<T> {
        let call = move |context: &TaskContext, given: &[Arc<dyn Part>]| Ok(Value::part(call(context, given)?));
        Delayed::new(session, Node::call(name, inputs, Arc::new(call)))
    }

    /// The task itself.
    #[cfg(feature = "bag")]
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    #[cfg(feature = "bag")]
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// A value that is there already, for tasks to take.
    ///
    /// ```
    /// use partita::Delayed;
    /// let table = Delayed::value(vec![1, 2, 3]);
    /// assert_eq!(*table.map("sum", |numbers| numbers.iter().sum::<i32>()).compute()?, 6);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn value(value: T) -> Delayed<T> {
        Delayed::new(Session::default(), Node::value("value".into(), Value::part(value)))
    }

    /// A task that takes this value, by reference, and gives another.
    ///
    /// ```
    /// use partita::delayed;
    /// let one = delayed("one", || 1);
    /// let (more, less) = (one.map("inc", |x| x + 1), one.map("dec", |x| x - 1)); // `one` runs once for both
    /// assert_eq!(*more.zip(&less).map("add", |(a, b)| a + b).compute()?, 2);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn map<U: Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl Fn(&T) -> U + Send + Sync + 'static,
    ) -> Delayed<U> {
        task(self, name, move |value: &T| Ok(function(value)))
    }

    /// As [`map`](Delayed::map), for closures that can fail, as those of [`try_delayed`].
    ///
    /// ```
    /// use partita::delayed;
    /// let number = delayed("read", || "12".to_owned()).try_map("parse", |text| text.parse::<i64>());
    /// assert_eq!(*number.compute()?, 12);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn try_map<U: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl Fn(&T) -> Result<U, E> + Send + Sync + 'static,
    ) -> Delayed<U> {
        task(self, name, move |value: &T| function(value).map_err(function_error))
    }

    /// This value and another, for one task to take: `x.zip(&y).map("add", |(x, y)| x + y)`. More of them by
    /// [`zip`](Zip::zip) again; many of one type by [`all`](Delayed::all).
    pub fn zip<U: Send + Sync + 'static>(&self, other: &Delayed<U>) -> Zip<Delayed<T>, Delayed<U>> {
        Zip::new(self.clone(), other.clone())
    }

    /// The values of a list, in its order, as one. They are shared with whoever else takes them.
    ///
    /// ```
    /// use partita::{Delayed, delayed};
    /// let squares = (1..=4).map(|n| delayed(format!("square {n}"), move || n * n));
    /// let all = Delayed::all(squares).map("join", |all| all.iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
    /// assert_eq!(*all.compute()?, "1 4 9 16");
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn all(list: impl IntoIterator<Item = Delayed<T>>) -> Delayed<Vec<Arc<T>>> {
        let (session, nodes) = of_list(list);
        let call = |_: &TaskContext, given: &[Arc<dyn Part>]| {
            let values = given.iter().map(|part| Value::<T>::of(part).cloned());
            Ok(Value::part(values.collect::<Result<Vec<_>>>()?))
        };
        Delayed::new(session, Node::call("all".into(), nodes, Arc::new(call)))
    }

    /// The values of a list made one, two neighbours at a time, as a tree: pairs that are there are combined while others are still computed,
    /// and few values wait at a time. `combine` sees values in the order of the list, and should be associative.
    ///
    /// One value alone is itself; none at all are an [`ErrorKind::Config`] error of the run.
    ///
    /// ```
    /// use partita::{Delayed, delayed};
    /// let letters = ["a", "b", "c", "d", "e"].map(|letter| delayed(letter, move || letter.to_owned()));
    /// let word = Delayed::tree_reduce("join", letters, |a, b| format!("({a}{b})"));
    /// assert_eq!(*word.compute()?, "(((ab)(cd))e)");
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn tree_reduce(
        name: impl Into<Arc<str>>,
        list: impl IntoIterator<Item = Delayed<T>>,
        combine: impl Fn(&T, &T) -> T + Send + Sync + 'static,
    ) -> Delayed<T> {
        Delayed::try_tree_reduce(name, list, move |a, b| Ok::<T, Error>(combine(a, b)))
    }

    /// As [`tree_reduce`](Delayed::tree_reduce), for closures that can fail, as those of [`try_delayed`].
    ///
    /// ```
    /// use partita::{Delayed, ErrorKind, delayed};
    /// let numbers = [i8::MAX, 1].map(|n| delayed("number", move || n));
    /// let sum = Delayed::try_tree_reduce("add", numbers, |a, b| a.checked_add(*b).ok_or("too large"));
    /// assert_eq!(sum.compute().unwrap_err().kind(), ErrorKind::Function);
    /// ```
    pub fn try_tree_reduce<E: Into<Box<dyn StdError + Send + Sync>>>(
        name: impl Into<Arc<str>>,
        list: impl IntoIterator<Item = Delayed<T>>,
        combine: impl Fn(&T, &T) -> Result<T, E> + Send + Sync + 'static,
    ) -> Delayed<T> {
        let name = name.into();
        let call: Arc<node::Call> = Arc::new(move |_: &TaskContext, given: &[Arc<dyn Part>]| match given {
            [a, b] => {
                let value = combine(Value::<T>::of(a)?, Value::<T>::of(b)?).map_err(function_error)?;
                Ok(Value::part(value))
            }
            _ => Err(Error::new(ErrorKind::Config, "there is nothing to reduce").help("give one value at least")),
        });
        let (session, mut level) = of_list(list);
        while level.len() > 1 {
            let join = |neighbours: &[Arc<Node>]| match neighbours {
                [alone] => alone.clone(),
                _ => Arc::new(Node::call(name.clone(), neighbours.to_vec(), call.clone())),
            };
            level = level.chunks(2).map(join).collect();
        }
        let node = level.pop().unwrap_or_else(|| Arc::new(Node::call(name, vec![], call)));
        Delayed { session, node, value: PhantomData }
    }

    /// Tries the task again after an error or a panic, up to `retries` times; the last error counts. For what fails by chance, as networks do.
    ///
    /// To be said before others take the value: a task that took it earlier keeps the task as it was. It has no meaning for a partition
    /// of a frame.
    ///
    /// ```
    /// use partita::try_delayed;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let calls = AtomicUsize::new(0);
    /// let third_time = try_delayed("fetch", move || match calls.fetch_add(1, Ordering::Relaxed) {
    ///     2 => Ok("here"),
    ///     _ => Err("no answer"),
    /// });
    /// assert_eq!(*third_time.retries(2).compute()?, "here");
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn retries(mut self, retries: u32) -> Delayed<T> {
        Arc::make_mut(&mut self.node).retries = retries;
        self
    }

    /// Gives the task so much time, each time it is tried; beyond it is an [`ErrorKind::Timeout`] error.
    ///
    /// The closure works together with it: a long one asks [`checkpoint`] now and then. One that doesn't goes on to its end, and is
    /// late all the same. To be said before others take the value, as [`retries`](Delayed::retries).
    pub fn time_limit(mut self, limit: Duration) -> Delayed<T> {
        Arc::make_mut(&mut self.node).limit = Some(limit);
        self
    }

    /// Runs the task, and those that it takes the values of.
    ///
    /// Several values at once, in one run, are for [`compute_all`](crate::compute_all): tuples, arrays and vectors of them,
    /// frames among them.
    ///
    /// ```
    /// use partita::{compute_all, delayed};
    /// let one = delayed("one", || 1);
    /// let two = one.map("two", |x| x + 1);
    /// let text = two.map("text", |x| format!("{x}"));
    /// let (two, text) = compute_all((&two, &text))?; // each task once
    /// assert_eq!((*two, text.as_str()), (2, "2"));
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error or panic of a closure, naming its task and those above it; [`ErrorKind::Timeout`].
    pub fn compute(&self) -> Result<Arc<T>> {
        self.submit().wait()
    }

    /// Starts the tasks in the background. Dropping what is returned cancels them.
    ///
    /// ```
    /// use partita::delayed;
    /// let running = delayed("answer", || 42).submit();
    /// // … do something else …
    /// assert_eq!(*running.wait()?, 42);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn submit(&self) -> Running<Arc<T>> {
        submit_all(self)
    }

    /// Writes a picture of the tasks, as [`picture`](crate::picture()) draws them: SVG to a name that ends in `.svg`, DOT to one in `.dot`.
    ///
    /// # Errors
    /// As [`Picture::write`](crate::Picture::write) has.
    pub fn visualize(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        crate::frame::picture(self).write(path)
    }

    /// Runs the task once and keeps its value: the one returned has it, and tasks that take it run nothing again.
    ///
    /// ```
    /// use partita::delayed;
    /// let slow = delayed("slow", || (1..=20u64).product::<u64>()).persist()?;
    /// assert_eq!(*slow.map("half", |n| n / 2).compute()?, 1_216_451_004_088_320_000);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Delayed::compute) has.
    pub fn persist(&self) -> Result<Delayed<T>> {
        let part: Arc<dyn Part> = Arc::new(Value { value: self.compute()?, booked: None });
        Ok(Delayed::new(self.session.clone(), Node::value(self.node.name.clone(), part)))
    }
}

/// The tasks of a list, and the session of the first.
fn of_list<T>(list: impl IntoIterator<Item = Delayed<T>>) -> (Session, Vec<Arc<Node>>) {
    let (sessions, nodes): (Vec<Session>, Vec<Arc<Node>>) =
        list.into_iter().map(|delayed| (delayed.session, delayed.node)).unzip();
    (sessions.into_iter().next().unwrap_or_default(), nodes)
}

fn function_error<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Error {
    Error::of_function(error.into())
}

impl<T> Clone for Delayed<T> {
    fn clone(&self) -> Delayed<T> {
        Delayed { session: self.session.clone(), node: self.node.clone(), value: PhantomData }
    }
}

impl<T> fmt::Debug for Delayed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delayed({:?})", self.node.name)
    }
}

impl<T: Send + Sync + 'static> Lazy for Delayed<T> {
    type Output = Arc<T>;

    fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted::tasks(self.session.clone(), Arc::new(self.node.clone()))]
    }

    fn output(results: &mut Results, _: &Shape) -> Result<Arc<T>> {
        Ok(Value::<T>::of(&results.part()?)?.clone())
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}
