//! Delayed tasks of a session: made for it, and run in the background.

use std::error::Error as StdError;
use std::sync::Arc;

use super::node::{Node, Value};
use super::{Delayed, function_error};
use crate::error::Result;
use crate::frame::{Lazy, Running, submit_in};
use crate::sched::Session;

impl Session {
    /// As [`delayed`](crate::delayed()), in this session; so is what is made of it.
    pub fn delayed<T: Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl Fn() -> T + Send + Sync + 'static,
    ) -> Delayed<T> {
        let call = move |_: &_, _: &[_]| Ok(Value::part(function()));
        Delayed::new(self.clone(), Node::call(name.into(), vec![], Arc::new(call)))
    }

    /// As [`try_delayed`](crate::try_delayed), in this session.
    pub fn try_delayed<T: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        &self,
        name: impl Into<Arc<str>>,
        function: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Delayed<T> {
        let call = move |_: &_, _: &[_]| Ok(Value::part(function().map_err(function_error)?));
        Delayed::new(self.clone(), Node::call(name.into(), vec![], Arc::new(call)))
    }

    /// Starts something lazy in the background, in this session, whichever it was made for: a delayed value, a frame, or several in a tuple or list,
    /// as one run. Dropping what is returned cancels it.
    ///
    /// ```
    /// use partita::{Session, delayed};
    /// let session = Session::builder().threads(2).build()?;
    /// let running = session.submit(&delayed("answer", || 42));
    /// assert_eq!(*running.wait()?, 42);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn submit<L: Lazy>(&self, lazy: L) -> Running<L::Output> {
        submit_in(Some(self.clone()), lazy)
    }

    /// Calls a closure for each item in the background, each in a run of its own: one that fails or is cancelled leaves the others
    /// alone. [`gather`](Session::gather) waits for all of them.
    ///
    /// ```
    /// use partita::Session;
    /// let session = Session::default();
    /// let squares = session.map("square", [1, 2, 3], |n| n * n);
    /// let squares: Vec<i32> = session.gather(squares)?.iter().map(|n| **n).collect();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn map<I: Send + Sync + 'static, T: Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        items: impl IntoIterator<Item = I>,
        function: impl Fn(&I) -> T + Send + Sync + 'static,
    ) -> Vec<Running<Arc<T>>> {
        let (name, function) = (name.into(), Arc::new(function));
        let start = |item| {
            let function = function.clone();
            self.submit(self.delayed(name.clone(), move || function(&item)))
        };
        items.into_iter().map(start).collect()
    }

    /// Waits for all of these, and gives their results in order. The first error, in this order, cancels those behind it.
    ///
    /// # Errors
    /// As [`Running::wait`] has.
    pub fn gather<T>(&self, running: impl IntoIterator<Item = Running<T>>) -> Result<Vec<T>> {
        // All are started before the first is waited for, should the list be lazy.
        let running: Vec<Running<T>> = running.into_iter().collect();
        running.into_iter().map(Running::wait).collect()
    }
}
