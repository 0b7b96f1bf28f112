//! The task graph: tasks and the parts that pass between them. It knows nothing of Arrow or plans, so that frames,
//! delayed calls, bags and arrays are all built on it.
//!
//! A task takes the results of earlier tasks, in the order of its inputs, and gives one [`Part`]. Ids are dense and a
//! task's inputs come before it, so the ids are themselves a valid order and no cycle can be written. [`order`] finds
//! a better one.

mod context;
mod order;
mod tree;

use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

pub(crate) use context::{Input, Progress, TaskContext, cancelled};
pub(crate) use order::order;
pub(crate) use tree::tree_reduce;

use crate::error::{Error, ErrorKind, Result};
use crate::mem::{Part, known};

/// What a task does: from the results of its inputs to its own.
pub(crate) type Work = Box<dyn FnOnce(&TaskContext, Vec<Arc<dyn Part>>) -> Result<Arc<dyn Part>> + Send>;

/// A task of one graph: its place in the order of adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId(pub(crate) usize);

/// Tasks and what they take from each other.
#[derive(Default)]
pub(crate) struct TaskGraph {
    pub(crate) tasks: Vec<Task>,
    input: Input,
    /// The tasks that stand for what several may ask for, by its address: they are added once. Whoever says so keeps it alive
    /// in the work of the task.
    pub(crate) shared: HashMap<usize, TaskId, BuildHasherDefault<ahash::AHasher>>,
}

/// Something lazy that adds its tasks to a graph: those that it shares with what was added before it, once.
pub(crate) trait Expand: Send + Sync {
    /// Adds the tasks, and says which of them gives the result.
    fn expand(&self, to: &mut TaskGraph) -> Result<TaskId>;
}

pub(crate) struct Task {
    /// For people: in progress, profiles and the message of a panic.
    pub(crate) name: Arc<str>,
    /// Whose results the work gets; the same task may stand here twice.
    pub(crate) inputs: Vec<TaskId>,
    pub(crate) work: Work,
}

/// What a task gives that finds out only when its inputs are there what is to be done with them: tasks that take its place.
struct Growth(Mutex<Option<(TaskGraph, TaskId)>>);

impl Part for Growth {
    fn bytes(&self) -> usize {
        0
    }
}

impl TaskGraph {
    pub(crate) fn new() -> TaskGraph {
        TaskGraph::default()
    }

    /// For a task to give in place of a result: the run goes on with these tasks, and what `output` gives is the task's result.
    pub(crate) fn instead(self, output: TaskId) -> Arc<dyn Part> {
        Arc::new(Growth(Mutex::new(Some((self, output)))))
    }

    /// Adds a task. Its inputs are ids that this graph gave out before; others are an error when the graph is run.
    pub(crate) fn add(&mut self, name: impl Into<Arc<str>>, inputs: Vec<TaskId>, work: Work) -> TaskId {
        self.tasks.push(Task { name: name.into(), inputs, work });
        TaskId(self.tasks.len() - 1)
    }

    /// Adds all tasks of another graph. Gives by how much their numbers have grown.
    pub(crate) fn append(&mut self, other: TaskGraph) -> usize {
        let offset = self.len();
        let moved = |mut task: Task| {
            task.inputs.iter_mut().for_each(|input| input.0 += offset);
            task
        };
        self.tasks.extend(other.tasks.into_iter().map(moved));
        self.input.bytes += other.input.bytes;
        self.input.rows += other.input.rows;
        self.input.partitions += other.input.partitions;
        offset
    }

    /// The number of tasks.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Says how much input the tasks are going to read, as far as that is known, so that progress has a whole.
    pub(crate) fn set_input(&mut self, input: Input) {
        self.input = input;
    }

    pub(crate) fn input(&self) -> Input {
        self.input
    }

    /// That the outputs exist and that inputs come before their tasks.
    fn check(&self, outputs: &[TaskId]) -> Result<()> {
        // The order counts in 32 bits.
        if self.tasks.iter().map(|task| 1 + task.inputs.len()).sum::<usize>() > u32::MAX as usize {
            return Err(Error::new(ErrorKind::Config, "a run of more than 4 billion tasks and inputs")
                .help("compute in several runs, or do more in each task"));
        }
        if let Some(output) = outputs.iter().find(|output| output.0 >= self.len()) {
            return Err(Error::internal(format!("an output is task {} of {}", output.0, self.len())));
        }
        for (id, task) in self.tasks.iter().enumerate() {
            if let Some(input) = task.inputs.iter().find(|input| input.0 >= id) {
                return Err(Error::internal(format!("task {id} ({}) takes the later task {}", task.name, input.0)));
            }
        }
        Ok(())
    }
}

/// The tasks that a task gave in place of a result; else the result.
///
/// # Errors
/// `ErrorKind::Internal` when somebody else holds those tasks.
pub(crate) fn grown(given: Arc<dyn Part>) -> Result<std::result::Result<(TaskGraph, TaskId), Arc<dyn Part>>> {
    let Ok(growth) = known::<Growth>(given.clone()) else { return Ok(Err(given)) };
    let tasks = growth.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    tasks.map(Ok).ok_or_else(|| Error::internal("a task grew twice"))
}

impl Task {
    /// The inputs without repetition, in the order of their first mention.
    pub(crate) fn distinct_inputs(&self) -> Vec<TaskId> {
        if self.inputs.len() < 2 {
            return self.inputs.clone();
        }
        let mut firsts: Vec<(TaskId, usize)> = self.inputs.iter().copied().zip(0..).collect();
        firsts.sort_unstable();
        firsts.dedup_by_key(|&mut (input, _)| input);
        firsts.sort_unstable_by_key(|&(_, place)| place);
        firsts.into_iter().map(|(input, _)| input).collect()
    }
}
