//! A task before it is run: its name, what it takes, what it does; and how it becomes a task of a graph.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::attempt;
use super::partition::Partitions;
use crate::error::{Error, Result};
use crate::graph::{Expand, TaskContext, TaskGraph, TaskId};
use crate::mem::{Part, view};

/// From the values that a task takes to its own.
pub(super) type Call = dyn Fn(&TaskContext, &[Arc<dyn Part>]) -> Result<Arc<dyn Part>> + Send + Sync;

/// A task that may be run. Those who use it hold it together; it is told from others by its address.
#[derive(Clone)]
pub struct Node {
    pub(super) name: Arc<str>,
    inputs: Vec<Arc<Node>>,
    work: Work,
    /// How often it is tried again after an error.
    pub(super) retries: u32,
    /// How long it may take each time.
    pub(super) limit: Option<Duration>,
}

#[derive(Clone)]
enum Work {
    /// Calls a closure.
    Call(Arc<Call>),
    /// The value is there.
    Value(Arc<dyn Part>),
    /// A partition of a frame.
    Partition(Arc<Partitions>, usize),
}

/// A value on its way from task to task.
pub(crate) struct Value<T> {
    pub(super) value: Arc<T>,
    /// What books its memory, if anything does.
    pub(super) booked: Option<Arc<dyn Part>>,
}

impl<T: Send + Sync + 'static> Part for Value<T> {
    fn bytes(&self) -> usize {
        // What a value holds beside itself is not known.
        self.booked.as_ref().map_or(size_of::<T>().max(1), |booked| booked.bytes())
    }
}

impl<T: Send + Sync + 'static> Value<T> {
    pub(super) fn part(value: T) -> Arc<dyn Part> {
        Arc::new(Value { value: Arc::new(value), booked: None })
    }

    /// The value in a part.
    pub(crate) fn of(part: &Arc<dyn Part>) -> Result<&Arc<T>> {
        Ok(&view::<Value<T>>(part)?.value)
    }
}

impl Node {
    pub(super) fn call(name: Arc<str>, inputs: Vec<Arc<Node>>, call: Arc<Call>) -> Node {
        Node::new(name, inputs, Work::Call(call))
    }

    pub(super) fn value(name: Arc<str>, value: Arc<dyn Part>) -> Node {
        Node::new(name, vec![], Work::Value(value))
    }

    pub(super) fn partition(partitions: Arc<Partitions>, number: usize) -> Node {
        Node::new(format!("partition {number}").into(), vec![], Work::Partition(partitions, number))
    }

    fn new(name: Arc<str>, inputs: Vec<Arc<Node>>, work: Work) -> Node {
        Node { name, inputs, work, retries: 0, limit: None }
    }

    /// Adds this task alone: its inputs are there.
    fn add(self: &Arc<Node>, root: &Arc<Node>, to: &mut TaskGraph) -> Result<TaskId> {
        let node = self.clone();
        let id = match &self.work {
            Work::Partition(partitions, number) => return partitions.expand(*number, to),
            Work::Value(_) => to.add(
                self.name.clone(),
                vec![],
                Box::new(move |_, _| match &node.work {
                    Work::Value(value) => Ok(value.clone()),
                    _ => Err(Error::internal("a value became a call")),
                }),
            ),
            Work::Call(_) => {
                let inputs = self.inputs.iter().map(|input| input.id(to)).collect::<Result<_>>()?;
                let root = root.clone();
                to.add(
                    self.name.clone(),
                    inputs,
                    Box::new(move |context: &TaskContext, inputs| match &node.work {
                        Work::Call(call) => {
                            attempt(&node, &**call, context, &inputs).map_err(|error| node.blamed(error, &root))
                        }
                        _ => Err(Error::internal("a call became a value")),
                    }),
                )
            }
        };
        to.shared.insert(self.address(), id);
        Ok(id)
    }

    fn address(self: &Arc<Node>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// The task that stands for it.
    fn id(self: &Arc<Node>, graph: &mut TaskGraph) -> Result<TaskId> {
        match (&self.work, graph.shared.get(&self.address())) {
            (_, Some(id)) => Ok(*id),
            (Work::Partition(partitions, number), None) => partitions.expand(*number, graph),
            _ => Err(Error::internal("a task takes one that was not added")),
        }
    }

    /// An error of this task, with the way from it to the root.
    fn blamed(self: &Arc<Node>, error: Error, root: &Arc<Node>) -> Error {
        let chain = self.chain(root);
        let step = |node: &&Node| format!("task '{}'", node.name);
        // The ends of a long way say most.
        let (begin, end) = (chain.len().min(6), chain.len().saturating_sub(3).max(6));
        let left_out = end.min(chain.len()) - begin;
        let mut steps: Vec<String> = chain[..begin].iter().map(step).collect();
        if left_out > 0 {
            steps.push(format!("… {left_out} more tasks …"));
        }
        steps.extend(chain.iter().skip(end).map(step));
        steps.into_iter().fold(error, Error::in_step)
    }

    /// The shortest way from this task to the root, both included.
    fn chain<'a>(self: &'a Arc<Node>, root: &'a Arc<Node>) -> Vec<&'a Node> {
        let mut consumers: HashMap<usize, Option<&Arc<Node>>> = HashMap::from([(root.address(), None)]);
        let mut level = vec![root];
        while !level.is_empty() && !consumers.contains_key(&self.address()) {
            let mut next = vec![];
            for consumer in level {
                for input in &consumer.inputs {
                    consumers.entry(input.address()).or_insert_with(|| {
                        next.push(input);
                        Some(consumer)
                    });
                }
            }
            level = next;
        }
        let mut chain = vec![&**self];
        let mut at = self;
        while let Some(Some(consumer)) = consumers.get(&at.address()) {
            chain.push(consumer);
            at = consumer;
        }
        chain
    }
}

impl Expand for Arc<Node> {
    fn expand(&self, to: &mut TaskGraph) -> Result<TaskId> {
        if to.shared.contains_key(&self.address()) {
            return self.id(to);
        }
        // A loop, as a chain of a million tasks must not overflow the stack: tasks, and how many of their inputs were looked at.
        let mut way: Vec<(&Arc<Node>, usize)> = vec![(self, 0)];
        let mut last = None;
        while let Some((node, seen)) = way.last_mut() {
            match node.inputs.get(*seen) {
                Some(input) => {
                    *seen += 1;
                    if !to.shared.contains_key(&input.address()) {
                        way.push((input, 0));
                    }
                }
                None => {
                    last = Some(node.add(self, to)?);
                    way.pop();
                }
            }
        }
        last.ok_or_else(|| Error::internal("a task became none"))
    }
}

impl Drop for Node {
    /// Lets go of a long chain one by one, where a drop inside a drop would overflow the stack.
    fn drop(&mut self) {
        let mut inputs = std::mem::take(&mut self.inputs);
        while let Some(input) = inputs.pop() {
            if let Some(mut last) = Arc::into_inner(input) {
                inputs.append(&mut last.inputs);
            }
        }
    }
}
