//! The order in which one worker would run a graph so that few results are alive at a time.
//!
//! Three rules, simple ones first:
//!
//! 1. *Depth first from the outputs:* a task comes right after the last of its inputs, so a reduction runs
//!    as soon as its inputs are there and before new loads start.
//! 2. *The hungriest input first:* of a task's inputs, the one whose own inputs need the most room is computed while
//!    nothing else is held (Sethi and Ullman, 1970); equal ones in the order given, so that files are read from their
//!    beginning.
//! 3. *Whatever lets a result go, at once:* when a part is left with a single consumer and that one is ready, it runs
//!    now, though the way to the outputs leads elsewhere: it takes no more room than it frees. So two
//!    outputs over the same loads advance together, and no load waits for the second of them.
//!
//! Tasks that no output needs are left out. Everything is a loop (a chain of a million tasks must not
//! overflow the stack), in O(n log n) for n tasks and edges.

use std::cmp::Reverse;
use std::ops::Range;

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
    Ok(walk.placed)
}

struct Walk {
    /// By task: what it takes, the hungriest first; nothing for tasks that no output needs.
    inputs: Lists,
    /// By task: who takes it.
    consumers: Lists,
    /// By task: how many inputs are not placed yet.
    missing: Vec<u32>,
    /// By task: how many consumers are not placed yet; the caller is one more, of outputs.
    users: Vec<u32>,
    is_placed: Vec<bool>,
    /// The order as far as it is made.
    placed: Vec<TaskId>,
}

/// A list of tasks for each task, all in one piece: a graph may have millions.
struct Lists {
    /// Where the list of each task ends, behind a 0.
    ends: Vec<u32>,
    all: Vec<u32>,
}

impl Lists {
    /// Lists of these lengths, to be filled.
    fn new(lengths: &[u32]) -> Lists {
        let mut ends = Vec::with_capacity(lengths.len() + 1);
        ends.push(0);
        let mut end = 0;
        ends.extend(lengths.iter().map(|length| {
            end += length;
            end
        }));
        Lists { ends, all: vec![0; end as usize] }
    }

    fn range(&self, task: usize) -> Range<usize> {
        self.ends[task] as usize..self.ends[task + 1] as usize
    }

    fn of(&self, task: usize) -> &[u32] {
        &self.all[self.range(task)]
    }

    fn of_mut(&mut self, task: usize) -> &mut [u32] {
        let range = self.range(task);
        &mut self.all[range]
    }
}

impl Walk {
    fn new(graph: &TaskGraph, outputs: &[TaskId]) -> Walk {
        let n = graph.len();
        let mut users = vec![0; n];
        for output in outputs {
            users[output.0] = 1;
        }
        let (mut taken, mut missing) = (vec![0; n], vec![0; n]);
        // Consumers come after their inputs: backwards, everyone who needs a task has been seen before it.
        for id in (0..n).rev().filter(|&id| !graph.tasks[id].inputs.is_empty()) {
            if users[id] > 0 {
                for input in graph.tasks[id].distinct_inputs() {
                    users[input.0] += 1;
                    taken[input.0] += 1;
                    missing[id] += 1;
                }
            }
        }
        let (mut inputs, mut consumers) = (Lists::new(&missing), Lists::new(&taken));
        for id in (0..n).filter(|&id| missing[id] > 0) {
            for (place, input) in inputs.of_mut(id).iter_mut().zip(graph.tasks[id].distinct_inputs()) {
                *place = input.0 as u32;
                // From behind: the last consumer is the first of the list.
                taken[input.0] -= 1;
                consumers.of_mut(input.0)[taken[input.0] as usize] = id as u32;
            }
        }
        // The room that a task needs: as its i-th input is computed, i results are held already.
        let mut room = taken;
        room.fill(1);
        for id in (0..n).filter(|&id| missing[id] > 0) {
            let own = inputs.of_mut(id);
            own.sort_by_key(|&input| Reverse(room[input as usize]));
            room[id] = own.iter().zip(0..).map(|(&input, held)| room[input as usize] + held).max().unwrap_or(1);
        }
        Walk { inputs, consumers, missing, users, is_placed: vec![false; n], placed: Vec::new() }
    }

    /// Places a task after everything that it needs.
    fn visit(&mut self, output: usize) {
        // The way down from the output: tasks, and how many of their inputs have been looked at.
        let mut way = vec![(output, 0)];
        while let Some((task, seen)) = way.last_mut() {
            match self.inputs.of(*task).get(*seen) {
                _ if self.is_placed[*task] => _ = way.pop(),
                Some(&input) => {
                    *seen += 1;
                    way.push((input as usize, 0));
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
            self.placed.push(TaskId(task));
            for &input in self.inputs.of(task) {
                self.users[input as usize] -= 1;
                if self.users[input as usize] == 1 {
                    let mut consumers = self.consumers.of(input as usize).iter().map(|&consumer| consumer as usize);
                    let last = consumers.find(|&consumer| !self.is_placed[consumer]);
                    now.extend(last.filter(|&consumer| self.missing[consumer] == 0));
                }
            }
            for &consumer in self.consumers.of(task) {
                let consumer = consumer as usize;
                self.missing[consumer] -= 1;
                let lets_go = |&input: &u32| self.users[input as usize] == 1;
                if self.missing[consumer] == 0 && self.inputs.of(consumer).iter().any(lets_go) {
                    now.push(consumer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::graph::{TaskContext, tree_reduce};
    use proptest::prelude::*;

    /// A graph drawn by hand: each task's name and what it takes.
    fn draw(tasks: &[(&str, &[&str])]) -> TaskGraph {
        let mut graph = TaskGraph::new();
        for (name, inputs) in tasks {
            let id = |input: &&str| TaskId(tasks.iter().position(|(name, _)| name == input).unwrap());
            let inputs = inputs.iter().map(id).collect();
            graph.add(*name, inputs, Box::new(|_, _| Err(Error::internal("never run"))));
        }
        graph
    }

    fn ordered(tasks: &[(&str, &[&str])], outputs: &[&str]) -> String {
        let graph = draw(tasks);
        let outputs: Vec<TaskId> = outputs
            .iter()
            .map(|output| TaskId(graph.tasks.iter().position(|task| &*task.name == *output).unwrap()))
            .collect();
        let names: Vec<&str> = order(&graph, &outputs).unwrap().iter().map(|id| &*graph.tasks[id.0].name).collect();
        names.join(" ")
    }

    /// Runs an order in the mind: how many results are alive at most, one that is being made and the inputs it is
    /// made from included.
    fn most_alive(graph: &TaskGraph, outputs: &[TaskId], order: &[TaskId]) -> usize {
        let mut users = vec![0; graph.len()];
        for id in order {
            graph.tasks[id.0].distinct_inputs().iter().for_each(|input| users[input.0] += 1);
        }
        outputs.iter().for_each(|output| users[output.0] += 1);
        let (mut alive, mut most) = (0, 0);
        for id in order {
            alive += 1;
            most = most.max(alive);
            for input in graph.tasks[id.0].distinct_inputs() {
                users[input.0] -= 1;
                alive -= usize::from(users[input.0] == 0);
            }
        }
        most
    }

    #[test]
    fn chain_and_diamond() {
        assert_eq!(ordered(&[("a", &[]), ("b", &["a"]), ("c", &["b"])], &["c"]), "a b c");
        assert_eq!(ordered(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])], &["d"]), "a b c d");
        // The order of a task's inputs counts, not that of adding.
        assert_eq!(ordered(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["c", "b"])], &["d"]), "a c b d");
        // An input named twice is one input.
        assert_eq!(ordered(&[("a", &[]), ("b", &["a", "a"])], &["b", "b"]), "a b");
    }

    #[test]
    fn a_reduction_runs_before_new_loads_start() {
        //  a b  c d
        //  └┬┘  └┬┘
        //   x    y
        //   └─┬──┘
        //     z
        let tree: &[(&str, &[&str])] = &[
            ("a", &[]),
            ("b", &[]),
            ("c", &[]),
            ("d", &[]),
            ("x", &["a", "b"]),
            ("y", &["c", "d"]),
            ("z", &["x", "y"]),
        ];
        assert_eq!(ordered(tree, &["z"]), "a b x c d y z");
    }

    #[test]
    fn the_hungriest_input_first() {
        //  a  b c d e      The reduction of four while a is not held.
        //  │  └─┴┬┴─┘
        //  └─┐   x
        //    └─┬─┘
        //      z
        let lopsided: &[(&str, &[&str])] = &[
            ("a", &[]),
            ("b", &[]),
            ("c", &[]),
            ("d", &[]),
            ("e", &[]),
            ("x", &["b", "c", "d", "e"]),
            ("z", &["a", "x"]),
        ];
        assert_eq!(ordered(lopsided, &["z"]), "b c d e x a z");
    }

    #[test]
    fn fan_out() {
        //      a
        //   ┌──┼──┐
        //   b  c  d       Each way to its end before the next begins.
        //   e  f  g
        //   └──┼──┘
        //      h
        let fan: &[(&str, &[&str])] = &[
            ("a", &[]),
            ("b", &["a"]),
            ("c", &["a"]),
            ("d", &["a"]),
            ("e", &["b"]),
            ("f", &["c"]),
            ("g", &["d"]),
            ("h", &["e", "f", "g"]),
        ];
        assert_eq!(ordered(fan, &["h"]), "a b e c f d g h");
    }

    #[test]
    fn independent_outputs_one_after_the_other() {
        let two: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a"]), ("d", &["b"]), ("unused", &["a"])];
        assert_eq!(ordered(two, &["c", "d"]), "a c b d");
        assert_eq!(ordered(two, &["d", "c"]), "b d a c");
        assert_eq!(ordered(two, &["d"]), "b d");
        assert_eq!(ordered(two, &[]), "");
    }

    #[test]
    fn two_outputs_over_the_same_loads_advance_together() {
        //   a    b    c
        //  ┌┴┐  ┌┴┐  ┌┴┐
        //  x p  y q  z r      X takes x, y, z; P takes p, q, r.
        let both: &[(&str, &[&str])] = &[
            ("a", &[]),
            ("b", &[]),
            ("c", &[]),
            ("x", &["a"]),
            ("y", &["b"]),
            ("z", &["c"]),
            ("p", &["a"]),
            ("q", &["b"]),
            ("r", &["c"]),
            ("X", &["x", "y", "z"]),
            ("P", &["p", "q", "r"]),
        ];
        assert_eq!(ordered(both, &["X", "P"]), "a x p b y q c z X r P");
    }

    #[test]
    fn a_tree_of_loads_keeps_few_alive() {
        // (loads, fan-in, most alive): a level holds fan-in - 1 finished groups while the next one is made, the last
        // level holds a full group and its result.
        for (loads, split_every, bound) in [(64, 8, 7 + 8 + 1), (512, 8, 7 + 7 + 8 + 1), (1024, 2, 9 + 2 + 1)] {
            let mut graph = TaskGraph::new();
            let inputs =
                (0..loads).map(|_| graph.add("load", vec![], Box::new(|_, _| Err(Error::internal(""))))).collect();
            let root =
                tree_reduce(&mut graph, "sum", inputs, split_every, |_: &TaskContext, _| Err(Error::internal("")));
            let order = order(&graph, &[root]).unwrap();
            assert_eq!(most_alive(&graph, &[root], &order), bound, "{loads} by {split_every}");
            let loaded: Vec<usize> = order.iter().map(|id| id.0).filter(|&id| id < loads).collect();
            assert!(loaded.is_sorted(), "files are read from their beginning");
        }
    }

    #[test]
    fn a_million_tasks_in_a_row() {
        let mut graph = TaskGraph::new();
        let mut last = vec![];
        for _ in 0..1_000_000 {
            last = vec![graph.add("link", last, Box::new(|_, _| Err(Error::internal(""))))];
        }
        let order = order(&graph, &last).unwrap();
        assert!(order.iter().copied().eq((0..1_000_000).map(TaskId)));
    }

    #[test]
    fn a_wide_task_and_a_wide_fan_are_no_square() {
        // 200 000 tasks from one and into one: a scan of all for each would take minutes.
        let mut graph = TaskGraph::new();
        let work = || -> crate::graph::Work { Box::new(|_, _| Err(Error::internal(""))) };
        let first = graph.add("first", vec![], work());
        let middle: Vec<TaskId> = (0..200_000).map(|_| graph.add("middle", vec![first], work())).collect();
        let last = graph.add("last", middle.clone(), work());
        assert_eq!(order(&graph, &[last]).unwrap().len(), 200_002);
        assert_eq!(order(&graph, &middle).unwrap().len(), 200_001);
    }

    #[test]
    fn ids_of_elsewhere_are_errors() {
        let mut graph = draw(&[("a", &[]), ("b", &["a"])]);
        assert_eq!(order(&graph, &[TaskId(2)]).unwrap_err().kind(), ErrorKind::Internal);
        graph.add("c", vec![TaskId(2)], Box::new(|_, _| Err(Error::internal(""))));
        let error = order(&graph, &[TaskId(1)]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "task 2 (c) takes the later task 2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Every task that an output needs, once, after its inputs; and none besides.
        #[test]
        fn an_order_of_what_is_needed(
            edges in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..5), 1..60),
            wanted in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let mut graph = TaskGraph::new();
            for (id, inputs) in edges.iter().enumerate() {
                let inputs = if id == 0 { vec![] } else { inputs.iter().map(|i| TaskId(i.index(id))).collect() };
                graph.add("task", inputs, Box::new(|_, _| Err(Error::internal(""))));
            }
            let outputs: Vec<TaskId> = wanted.iter().map(|i| TaskId(i.index(edges.len()))).collect();
            let order = order(&graph, &outputs).unwrap();

            let mut needed = vec![false; graph.len()];
            let mut look = outputs.clone();
            while let Some(id) = look.pop() {
                needed[id.0] = true;
                look.extend(graph.tasks[id.0].inputs.iter().filter(|input| !needed[input.0]));
            }
            let mut place = vec![None; graph.len()];
            for (i, id) in order.iter().enumerate() {
                prop_assert!(place[id.0].replace(i).is_none(), "task {} twice", id.0);
                prop_assert!(graph.tasks[id.0].inputs.iter().all(|input| place[input.0].is_some()));
            }
            prop_assert_eq!(place.iter().map(Option::is_some).collect::<Vec<_>>(), needed);
        }
    }
}
