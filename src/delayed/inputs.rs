//! Several values at once: what a task can take.

use std::slice::Iter;
use std::sync::Arc;

use super::node::{Node, Value};
use super::{Delayed, function_error};
use crate::error::{Error, Result};
use crate::graph::TaskContext;
use crate::mem::Part;
use crate::sched::Session;

use std::error::Error as StdError;

/// What a task can take: a [`Delayed`] value, or several in a [`Zip`].
pub trait Inputs: Clone {
    /// As a closure gets it: references, in the shape of a tuple.
    type Values<'a>;

    /// The tasks that give the values.
    #[doc(hidden)]
    fn nodes(&self, to: &mut Vec<Arc<Node>>);

    /// The values, from what these tasks gave.
    #[doc(hidden)]
    fn values<'a>(given: &mut Given<'a>) -> Result<Self::Values<'a>>;

    /// The session that runs them.
    #[doc(hidden)]
    fn session(&self) -> &Session;
}

/// What tasks gave, one after the other.
#[doc(hidden)]
pub struct Given<'a>(Iter<'a, Arc<dyn Part>>);

/// Several values on their way into one task, made by [`Delayed::zip`].
#[derive(Clone)]
#[must_use = "values are zipped for a task: go on with map"]
pub struct Zip<A, B>(A, B);

impl<T: Send + Sync + 'static> Inputs for Delayed<T> {
    type Values<'a> = &'a T;

    fn nodes(&self, to: &mut Vec<Arc<Node>>) {
        to.push(self.node.clone());
    }

    fn values<'a>(given: &mut Given<'a>) -> Result<&'a T> {
        Ok(&**Value::of(given.0.next().ok_or_else(lacking)?)?)
    }

    fn session(&self) -> &Session {
        &self.session
    }
}

impl<T: Send + Sync + 'static> Inputs for &Delayed<T> {
    type Values<'a> = &'a T;

    fn nodes(&self, to: &mut Vec<Arc<Node>>) {
        Delayed::nodes(self, to);
    }

    fn values<'a>(given: &mut Given<'a>) -> Result<&'a T> {
        Delayed::values(given)
    }

    fn session(&self) -> &Session {
        &self.session
    }
}

impl<A: Inputs, B: Inputs> Inputs for Zip<A, B> {
    type Values<'a> = (A::Values<'a>, B::Values<'a>);

    fn nodes(&self, to: &mut Vec<Arc<Node>>) {
        self.0.nodes(to);
        self.1.nodes(to);
    }

    fn values<'a>(given: &mut Given<'a>) -> Result<Self::Values<'a>> {
        Ok((A::values(given)?, B::values(given)?))
    }

    fn session(&self) -> &Session {
        self.0.session()
    }
}

impl<A: Inputs + 'static, B: Inputs + 'static> Zip<A, B> {
    pub(super) fn new(a: A, b: B) -> Zip<A, B> {
        Zip(a, b)
    }

    /// One more value: closures get `((a, b), c)`, as with iterators.
    ///
    /// ```
    /// use partita::delayed;
    /// let (x, y, z) = (delayed("x", || 1), delayed("y", || 20), delayed("z", || 300));
    /// assert_eq!(*x.zip(&y).zip(&z).map("add", |((x, y), z)| x + y + z).compute()?, 321);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn zip<T: Send + Sync + 'static>(&self, other: &Delayed<T>) -> Zip<Zip<A, B>, Delayed<T>> {
        Zip(self.clone(), other.clone())
    }

    /// A task that takes the values by reference and gives another, as [`Delayed::map`].
    pub fn map<U: Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl for<'a> Fn((A::Values<'a>, B::Values<'a>)) -> U + Send + Sync + 'static,
    ) -> Delayed<U> {
        task(self, name, move |values| Ok(function(values)))
    }

    /// As [`map`](Zip::map), for closures that can fail, as [`Delayed::try_map`].
    pub fn try_map<U: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl for<'a> Fn((A::Values<'a>, B::Values<'a>)) -> Result<U, E> + Send + Sync + 'static,
    ) -> Delayed<U> {
        task(self, name, move |values| function(values).map_err(function_error))
    }
}

/// A task that takes these.
pub(super) fn task<I: Inputs + 'static, U: Send + Sync + 'static>(
    inputs: &I,
    name: impl Into<Arc<str>>,
    function: impl for<'a> Fn(I::Values<'a>) -> Result<U> + Send + Sync + 'static,
) -> Delayed<U> {
    let mut nodes = vec![];
    inputs.nodes(&mut nodes);
    nodes.shrink_to_fit();
    let call = move |_: &TaskContext, given: &[Arc<dyn Part>]| {
        let values = I::values(&mut Given(given.iter()))?;
        Ok(Value::part(function(values)?))
    };
    Delayed::new(inputs.session().clone(), Node::call(name.into(), nodes, Arc::new(call)))
}

fn lacking() -> Error {
    Error::internal("a task was given fewer values than it takes")
}
