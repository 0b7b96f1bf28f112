//! A partition of a bag: steps that items go through one by one, fused into the task that uses them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::delayed::{Delayed, Node, Value};
use crate::error::{Error, Result};
use crate::graph::TaskContext;
use crate::mem::{Part, Reservation};
use crate::sched::Session;

/// Items as they are made. Behind an error there are none.
pub(super) type Items<T> = Box<dyn Iterator<Item = Result<T>>>;

/// Makes the items, from what a run knows and from the values of tasks.
type Open<T> = dyn Fn(&TaskContext, &[Arc<dyn Part>]) -> Result<Items<T>> + Send + Sync;

/// How to make the items of a partition. Clones share it.
pub(super) struct Partition<T> {
    /// The steps, the first to the last.
    steps: Arc<str>,
    /// The tasks whose values it takes.
    inputs: Arc<[Arc<Node>]>,
    open: Arc<Open<T>>,
}

impl<T> Clone for Partition<T> {
    fn clone(&self) -> Partition<T> {
        Partition { steps: self.steps.clone(), inputs: self.inputs.clone(), open: self.open.clone() }
    }
}

impl<T: 'static> Partition<T> {
    /// A partition of its own.
    pub(super) fn new(
        step: &str,
        open: impl Fn(&TaskContext) -> Result<Items<T>> + Send + Sync + 'static,
    ) -> Partition<T> {
        Partition::of_tasks(step, [], move |context, _| open(context))
    }

    /// A partition of what tasks give.
    pub(super) fn of_tasks(
        step: &str,
        inputs: impl IntoIterator<Item = Arc<Node>>,
        open: impl Fn(&TaskContext, &[Arc<dyn Part>]) -> Result<Items<T>> + Send + Sync + 'static,
    ) -> Partition<T> {
        Partition { steps: step.into(), inputs: inputs.into_iter().collect(), open: Arc::new(open) }
    }

    /// A partition that has only an error: what was wrong when it was to be made.
    pub(super) fn failing(step: &str, error: Error) -> Partition<T> {
        Partition::new(step, move |_| Err(error.clone()))
    }

    /// The same, with one more step.
    pub(super) fn then<U: 'static>(
        &self,
        step: &str,
        through: impl Fn(Items<T>, &TaskContext) -> Result<Items<U>> + Send + Sync + 'static,
    ) -> Partition<U> {
        let open = self.open.clone();
        let inputs = self.inputs.iter().cloned();
        Partition::of_tasks(&self.with(step), inputs, move |context, given| through(open(context, given)?, context))
    }

    /// The same, with one more step that takes the value of a task too.
    pub(super) fn then_with<U: 'static, V: Send + Sync + 'static>(
        &self,
        step: &str,
        value: &Delayed<V>,
        through: impl Fn(Items<T>, &Arc<V>) -> Result<Items<U>> + Send + Sync + 'static,
    ) -> Partition<U> {
        let open = self.open.clone();
        let inputs = self.inputs.iter().chain([value.node()]).cloned();
        Partition::of_tasks(&self.with(step), inputs, move |context, given| {
            let (value, given) = given.split_last().ok_or_else(|| Error::internal("a task was given no value"))?;
            through(open(context, given)?, Value::<V>::of(value)?)
        })
    }

    /// The same with another partition beside it, for a step that takes the items of both.
    pub(super) fn beside<U: 'static, V: 'static>(
        &self,
        step: &str,
        other: &Partition<U>,
        through: impl Fn(Items<T>, Items<U>) -> Result<Items<V>> + Send + Sync + 'static,
    ) -> Partition<V> {
        let (open, others, inputs) = (self.open.clone(), other.open.clone(), self.inputs.len());
        let all = self.inputs.iter().chain(&*other.inputs).cloned();
        Partition::of_tasks(&self.with(step), all, move |context, given| {
            let (given, beside) = given.split_at(inputs);
            through(open(context, given)?, others(context, beside)?)
        })
    }

    /// Partitions as one: `join` gets what opens each of them.
    pub(super) fn joined<U: 'static>(
        step: &str,
        partitions: &[Partition<T>],
        join: impl Fn(Vec<Opener<T>>) -> Result<Items<U>> + Send + Sync + 'static,
    ) -> Partition<U> {
        let inputs: Vec<Arc<Node>> = partitions.iter().flat_map(|one| one.inputs.iter().cloned()).collect();
        let steps = partitions.first().map_or_else(|| step.to_owned(), |first| first.with(step));
        let opens: Vec<_> = partitions.iter().map(|one| (one.open.clone(), one.inputs.len())).collect();
        Partition::of_tasks(&steps, inputs, move |context, mut given| {
            let mut openers = Vec::with_capacity(opens.len());
            for (open, inputs) in &opens {
                let (own, others) = given.split_at(*inputs);
                given = others;
                let (open, context, own) = (open.clone(), context.clone(), own.to_vec());
                openers.push(Box::new(move || open(&context, &own)) as Opener<T>);
            }
            join(openers)
        })
    }

    /// A task that goes over the items and makes something of them.
    pub(super) fn task<U: Send + Sync + 'static>(
        &self,
        session: &Session,
        step: &str,
        make: impl Fn(Items<T>, &TaskContext) -> Result<U> + Send + Sync + 'static,
    ) -> Delayed<U> {
        let open = self.open.clone();
        let call = move |context: &TaskContext, given: &[Arc<dyn Part>]| make(open(context, given)?, context);
        Delayed::of_call(session.clone(), self.with(step).into(), self.inputs.to_vec(), call)
    }

    fn with(&self, step: &str) -> String {
        if step.is_empty() { self.steps.to_string() } else { format!("{}, {step}", self.steps) }
    }

    /// The steps.
    pub(super) fn steps(&self) -> &str {
        &self.steps
    }
}

/// Opens a partition when it is its turn.
pub(super) type Opener<T> = Box<dyn FnOnce() -> Result<Items<T>>>;

/// Items of one partition after the other, each opened when it is its turn.
pub(super) fn chained<T: 'static>(openers: Vec<Opener<T>>) -> Items<T> {
    Box::new(openers.into_iter().flat_map(|open| open().unwrap_or_else(failed)))
}

/// An error in the place of items.
pub(super) fn failed<T: 'static>(error: Error) -> Items<T> {
    Box::new(std::iter::once(Err(error)))
}

/// A value on its way from the task that makes it to the only one that takes it.
pub(super) struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    pub(super) fn new(value: T) -> Slot<T> {
        Slot(Mutex::new(Some(value)))
    }

    pub(super) fn take(&self) -> Result<T> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::internal("a value is taken a second time"))
    }
}

/// All items, the memory of what they are made of booked: their own, not what else they own, which is not known.
pub(super) fn collected<T>(items: Items<T>, context: &TaskContext) -> Result<(Vec<T>, Reservation)> {
    let mut memory = context.budget().reserve("items");
    let mut all = Vec::new();
    for item in items {
        if all.len() == all.capacity() {
            context.check()?;
            let more = (2 * all.len()).max(64);
            memory.try_resize((all.len() + more) * size_of::<T>())?;
            all.reserve_exact(more - all.len());
            memory.try_resize(more * size_of::<T>())?;
        }
        all.push(item?);
    }
    Ok((all, memory))
}
