//! The order in which one worker would run a graph so that few results are alive at a time.
//!
//! Three rules, simple ones first:
//!
//! 1. *Depth first from the outputs:* a task comes right after the last of its inputs, so a reduction runs
//!    as soon as its inputs are there and before new loads start.
//! 2. *The hungriest input first:* of a task's inputs, the one whose own inputs need the most room is computed while
//!    nothing else is held (Sethi and Ullman, 1970); equal ones in the order given, so that files are read from their beginning.
//! 3. *Whatever lets a result go, at once:* when a part is left with a single consumer and that one is ready, it runs
//!    now, though the way to the outputs leads elsewhere: it takes no more room than it frees. So two
//!    outputs over the same loads advance together, and no load waits for the second of them.
//!
//! Tasks that no output needs are left out. Everything is a loop (a chain of a million tasks must not
//! overflow the stack), in O(n log n) for n tasks and edges.

use std::cmp::Reverse;

use super::{TaskGraph, TaskId};
use crate::error::Result;

/// The tasks that the outputs need, in memory-first order. Each comes after its inputs.
///
/// # Errors
/// `ErrorKind::Internal` when an output does not exist or an input is no earlier task.
pub(crate) fn order(graph: &TaskGraph, outputs: &[TaskId]) -> Result<Vec<TaskId>> {
    graph.check(outputs)?;
    let mut walk = Walk::new(graph, outputs);
    for output in outputs {
        walk.visit(output.0);
    }
    Ok(walk.placed.into_iter().map(TaskId).collect())
}

struct Walk {
    /// By task: what it takes, the hungriest first; nothing for tasks that no output needs.
    inputs: Vec<Vec<usize>>,
    /// By task: who takes it.
    consumers: Vec<Vec<usize>>,
    /// By task: how many inputs are not placed yet.
    missing: Vec<usize>,
    /// By task: how many consumers are not placed yet; the caller is one more, of outputs.
    users: Vec<usize>,
    is_placed: Vec<bool>,
    /// The order as far as it is made.
    placed: Vec<usize>,
}

impl Walk {
    fn new(graph: &TaskGraph, outputs: &[TaskId]) -> Walk {
        let n = graph.len();
        let mut users = vec![0; n];
        for output in outputs {
            users[output.0] = 1;
        }
        let mut inputs = vec![Vec::new(); n];
        let mut consumers = vec![Vec::new(); n];
        // Consumers come after their inputs: backwards, everyone who needs a task has been seen before it.
        for id in (0..n).rev() {
            if users[id] == 0 {
                continue;
            }
            inputs[id] = graph.tasks[id].distinct_inputs().into_iter().map(|input| input.0).collect::<Vec<_>>();
            for &input in &inputs[id] {
                users[input] += 1;
                consumers[input].push(id);
            }
        }
        // The room that a task needs: as its i-th input is computed, i results are held already.
        let mut room = vec![1; n];
        for id in 0..n {
            inputs[id].sort_by_key(|&input| Reverse(room[input]));
            room[id] = inputs[id].iter().enumerate().map(|(held, &input)| room[input] + held).max().unwrap_or(1);
        }
        let missing = inputs.iter().map(Vec::len).collect();
        Walk { inputs, consumers, missing, users, is_placed: vec![false; n], placed: Vec::new() }
    }

    /// Places a task after everything that it needs.
    fn visit(&mut self, output: usize) {
        // The way down from the output: tasks, and how many of their inputs have been looked at.
        let mut way = vec![(output, 0)];
        while let Some((task, seen)) = way.last_mut() {
            match self.inputs[*task].get(*seen) {
                _ if self.is_placed[*task] => _ = way.pop(),
                Some(&input) => {
                    *seen += 1;
                    way.push((input, 0));
                }
                None => {
                    let task = *task;
                    self.place(task);
                }
            }
        }
    }

    /// Places a task whose inputs are placed, then all that rule 3 calls for.
    fn place(&mut self, task: usize) {
        let mut now = vec![task];
        while let Some(task) = now.pop() {
            if std::mem::replace(&mut self.is_placed[task], true) {
                continue;
            }
            self.placed.push(task);
            for &input in &self.inputs[task] {
                self.users[input] -= 1;
                if self.users[input] == 1 {
                    let last = self.consumers[input].iter().find(|&&c| !self.is_placed[c]);
                    now.extend(last.filter(|&&c| self.missing[c] == 0));
                }
            }
            for &consumer in &self.consumers[task] {
                self.missing[consumer] -= 1;
                if self.missing[consumer] == 0 && self.inputs[consumer].iter().any(|&input| self.users[input] == 1) {
                    now.push(consumer);
                }
            }
        }
    }
}
