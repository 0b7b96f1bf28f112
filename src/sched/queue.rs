//! The state of all runs of a session, behind one lock. Nothing here starts a thread, runs user code or drops a part.
//!
//! # [`Queue`]: what a session has under way
//! - `runs`: the runs that have not ended, the earliest first. A worker takes from the first run that has something
//!   ready, so that an earlier run ends, and lets its memory go, before a later one spreads.
//! - `ended`: results that nobody has fetched yet.
//! - `loops`: how many worker loops are alive, or have been asked for.
//! - `is_closed`: whether runs that are still started are cancelled at once.
//!
//! # [`Running`]: a run that has not ended
//! - `nodes`: the tasks it needs, numbered by their *rank*, which is their place in the memory-first order of
//!   [`crate::graph::order`].
//! - `outputs`: the ranks whose results the caller wants.
//! - `ready`: the tasks that could start now, by what makes them urgent: the bytes they let go, then the earliest place.
//!   Reductions let go and loads don't, so what is loaded is reduced before more is loaded.
//! - `ids`: how many numbers of tasks were given out.
//! - `left`: how many tasks have not finished.
//! - `busy`: how many threads have something of this run in hand: a task, or parts that are being dropped. The run
//!   ends when this is 0 and either nothing is `left` or there is an `error`: so nothing of a run outlives it.
//! - `error`: the first that happened. From then on `nodes` and `ready` are empty: nothing starts, no result is kept.
//! - `is_closing`: its end has been seen, and one thread is announcing it.
//! - `is_abandoned`: nobody is going to ask for the result.
//! - `has_helper`: a thread that waits for this run works on it meanwhile, and wants to hear when something becomes
//!   ready.
//! - `changed`: wakes who waits for this run.
//!
//! # [`Node`]: a task of a run
//! - `work`: what to do; gone once started.
//! - `place`: where it stands among all: its rank, of tasks that another gave in its place the rank of that one.
//! - `inputs`: ranks, as the work wants them; `needs`: the same without repetitions, where there are any.
//! - `consumers`: who needs this task; `missing`: how many of `needs` have no result yet.
//! - `users`: how many of `consumers` have not started, one more if it is an output. At 0, the queue's handle on
//!   `part` goes.
//! - `part`: the result and its bytes, from the task's end to its last use.
//! - `urgency`: the bytes under which it stands in `ready`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Condvar};
use std::time::Instant;

use super::events::kind;
use crate::error::{Error, Result};
use crate::graph::{TaskContext, TaskGraph, TaskId, Work};
use crate::mem::{Part, Usage};

/// The number of a run of a session, from 1.
pub(super) type RunId = u64;

/// What a run ends with: the results of its outputs, in their order.
pub(super) type Outcome = Result<Vec<Arc<dyn Part>>>;

#[derive(Default)]
pub(super) struct Queue {
    pub(super) runs: BTreeMap<RunId, Running>,
    pub(super) ended: HashMap<RunId, Outcome>,
    loops: usize,
    last_run: RunId,
    pub(super) is_closed: bool,
}

pub(super) struct Running {
    nodes: Vec<Node>,
    outputs: Vec<usize>,
    ready: BTreeSet<Urgency>,
    ids: usize,
    left: usize,
    busy: usize,
    error: Option<Error>,
    is_closing: bool,
    pub(super) is_abandoned: bool,
    pub(super) has_helper: bool,
    pub(super) changed: Arc<Condvar>,
    context: TaskContext,
    started: Instant,
}

/// What makes a ready task urgent, the greatest first: bytes, place, and at last the rank.
type Urgency = (usize, Reverse<usize>, Reverse<usize>);

pub(super) struct Node {
    place: usize,
    id: TaskId,
    name: Arc<str>,
    work: Option<Work>,
    inputs: Box<[usize]>,
    needs: Option<Box<[usize]>>,
    consumers: Consumers,
    missing: u32,
    users: u32,
    part: Option<(Arc<dyn Part>, usize)>,
    urgency: usize,
}

/// The ranks of who needs a task: of most, a single one, for which nothing is allocated.
#[derive(Default)]
enum Consumers {
    #[default]
    None,
    One(usize),
    Many(Vec<usize>),
}

/// A task to be run by whoever took it, who then owes the queue a `leave`.
pub(super) struct Job {
    pub(super) run: RunId,
    pub(super) rank: usize,
    pub(super) id: TaskId,
    pub(super) name: Arc<str>,
    pub(super) work: Work,
    pub(super) inputs: Vec<Arc<dyn Part>>,
    pub(super) context: TaskContext,
}

/// What is to be done, without the lock, to end a run: drop the rest, announce, publish.
pub(super) struct Closing {
    pub(super) run: RunId,
    pub(super) outcome: Outcome,
    pub(super) rest: Vec<Node>,
    pub(super) started: Instant,
    pub(super) usage: Arc<Usage>,
}

impl Queue {
    /// Takes a number for a new run.
    pub(super) fn next_run(&mut self) -> RunId {
        self.last_run += 1;
        self.last_run
    }

    /// The best of all ready tasks.
    pub(super) fn pop(&mut self) -> Option<Job> {
        // Short: a run with nothing ready has a task in some thread's hand.
        self.runs.iter_mut().find_map(|(&id, run)| run.pop(id))
    }

    /// The best ready task of one run.
    pub(super) fn pop_of(&mut self, run: RunId) -> Option<Job> {
        self.runs.get_mut(&run)?.pop(run)
    }

    /// Stops a run, unless it is over. The caller drops what is returned and then calls `leave`.
    pub(super) fn stop(&mut self, run: RunId, error: Error) -> Option<Vec<Node>> {
        let run = self.runs.get_mut(&run)?;
        if run.error.is_some() || run.is_closing {
            return None;
        }
        run.error = Some(error);
        run.context.cancel();
        run.ready.clear();
        run.busy += 1;
        Some(mem::take(&mut run.nodes))
    }

    /// Keeps the result of a task and queues what it makes ready. Hands the result back when the run was stopped
    /// meanwhile.
    pub(super) fn finish(
        &mut self,
        run: RunId,
        rank: usize,
        part: Arc<dyn Part>,
        bytes: usize,
    ) -> Option<Arc<dyn Part>> {
        match self.runs.get_mut(&run) {
            Some(run) if run.error.is_none() => run.finish(rank, part, bytes),
            _ => return Some(part),
        }
        None
    }

    /// Puts tasks, in this order, in the place of one that gave them instead of a result. Hands them back when the run was
    /// stopped meanwhile.
    pub(super) fn grow(
        &mut self,
        run: RunId,
        rank: usize,
        graph: TaskGraph,
        order: &[TaskId],
        output: TaskId,
    ) -> Option<TaskGraph> {
        match self.runs.get_mut(&run) {
            Some(run) if run.error.is_none() => run.grow(rank, graph, order, output),
            _ => return Some(graph),
        }
        None
    }

    /// A thread has nothing of this run in hand any more. The last one to leave gets the run to close.
    pub(super) fn leave(&mut self, id: RunId) -> Option<Closing> {
        let run = self.runs.get_mut(&id)?;
        run.busy -= 1;
        run.close(id)
    }

    /// How many more loops are to be started, of `threads` that may be alive: one for every ready task, but
    /// for those that the caller is going to take itself. They count as alive from now on.
    pub(super) fn start_loops(&mut self, threads: usize, taken: usize) -> usize {
        let free = threads - self.loops;
        let start = self.runs.values().flat_map(|run| &run.ready).skip(taken).take(free).count();
        self.loops += start;
        start
    }

    /// A loop found nothing to do.
    pub(super) fn end_loop(&mut self) {
        self.loops -= 1;
    }
}

impl Running {
    /// A run of the tasks in `order`, their ranks. A run of no tasks is to be closed at once.
    pub(super) fn new(graph: TaskGraph, order: &[TaskId], outputs: &[TaskId], context: TaskContext) -> Running {
        let mut run = Running {
            left: 0,
            nodes: Vec::new(),
            outputs: Vec::new(),
            ready: BTreeSet::new(),
            ids: 0,
            busy: 0,
            error: None,
            is_closing: false,
            is_abandoned: false,
            has_helper: false,
            changed: Arc::default(),
            context,
            started: Instant::now(),
        };
        let ranks = run.add(graph, order, None);
        run.outputs = outputs.iter().map(|output| ranks[output.0]).collect();
        for &output in &run.outputs {
            run.nodes[output].users += 1;
        }
        run
    }

    /// Adds the tasks in `order`, which are ready if they take nothing. Gives the rank of every task of the graph.
    fn add(&mut self, graph: TaskGraph, order: &[TaskId], place: Option<usize>) -> Vec<usize> {
        let mut ranks = vec![usize::MAX; graph.len()];
        let first_id = self.ids;
        self.ids += graph.len();
        self.nodes.reserve(order.len());
        let mut tasks: Vec<_> = graph.tasks.into_iter().map(Some).collect();
        for &id in order {
            // The order names no task twice.
            let Some(task) = tasks[id.0].take() else { continue };
            let rank = self.nodes.len();
            ranks[id.0] = rank;
            let rank_of = |input: &TaskId| ranks[input.0];
            let needs: Box<[usize]> = task.distinct_inputs().iter().map(rank_of).collect();
            let inputs: Box<[usize]> = task.inputs.iter().map(rank_of).collect();
            for &need in &needs {
                self.nodes[need].consumers.push(rank);
                self.nodes[need].users += 1;
            }
            self.left += 1;
            self.nodes.push(Node {
                place: place.unwrap_or(rank),
                id: TaskId(first_id + id.0),
                name: task.name,
                work: Some(task.work),
                missing: needs.len() as u32,
                needs: (needs.len() < inputs.len()).then_some(needs),
                inputs,
                consumers: Consumers::default(),
                users: 0,
                part: None,
                urgency: 0,
            });
            if self.nodes[rank].missing == 0 {
                self.enqueue(rank);
            }
        }
        ranks
    }

    /// The task at `rank` now waits for the output, and hands its result on.
    fn grow(&mut self, rank: usize, graph: TaskGraph, order: &[TaskId], output: TaskId) {
        let ranks = self.add(graph, order, Some(self.nodes[rank].place));
        let output = ranks[output.0];
        self.nodes[output].users += 1;
        self.nodes[output].consumers.push(rank);
        let node = &mut self.nodes[rank];
        let handed_on = |_: &TaskContext, inputs: Vec<Arc<dyn Part>>| {
            inputs.into_iter().next().ok_or_else(|| Error::internal("a task that grew has no result"))
        };
        node.work = Some(Box::new(handed_on));
        (node.inputs, node.needs, node.missing) = ([output].into(), None, 1);
    }

    /// The number of tasks that have not finished.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The kinds of its tasks, and how many there are of each: the first hundred.
    pub(super) fn stages(&self) -> Vec<(String, usize)> {
        let (mut stages, mut places) = (Vec::<(String, usize)>::new(), HashMap::<&str, usize>::new());
        for node in &self.nodes {
            let kind = kind(&node.name);
            match places.get(kind) {
                Some(place) => stages[*place].1 += 1,
                None if stages.len() < 100 => {
                    places.insert(kind, stages.len());
                    stages.push((kind.to_owned(), 1));
                }
                None => {}
            }
        }
        stages
    }

    /// Whether a task could start now.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn pop(&mut self, run: RunId) -> Option<Job> {
        let (_, _, Reverse(rank)) = self.ready.pop_last()?;
        let node = &mut self.nodes[rank];
        // It was ready, so it had not started.
        let work = node.work.take()?;
        let (id, name) = (node.id, Arc::clone(&node.name));
        let (inputs, needs) = (mem::take(&mut node.inputs), node.needs.take());
        let given = inputs.iter().map(|&input| self.nodes[input].result()).collect();
        for need in needs.unwrap_or(inputs) {
            self.nodes[need].users -= 1;
            match self.nodes[need].users {
                // Nothing is dropped here: the task has a handle.
                0 => self.nodes[need].part = None,
                1 => self.last_user_of(need),
                _ => {}
            }
        }
        self.busy += 1;
        Some(Job { run, rank, id, name, work, inputs: given, context: self.context.clone() })
    }

    /// A part has one user left, who is going to let it go: if that one is ready, it has become more urgent.
    fn last_user_of(&mut self, part: usize) {
        let waits = |&&consumer: &&usize| self.nodes[consumer].work.is_some();
        // None when the user is the caller, to whom it is an output.
        let Some(&last) = self.nodes[part].consumers.all().iter().find(waits) else { return };
        if self.nodes[last].missing == 0 {
            self.ready.remove(&self.nodes[last].urgency(last));
            self.enqueue(last);
        }
    }

    fn finish(&mut self, rank: usize, part: Arc<dyn Part>, bytes: usize) {
        self.left -= 1;
        self.nodes[rank].part = Some((part, bytes));
        let mut seen = 0;
        while let Some(&consumer) = self.nodes[rank].consumers.all().get(seen) {
            seen += 1;
            self.nodes[consumer].missing -= 1;
            if self.nodes[consumer].missing == 0 {
                self.enqueue(consumer);
            }
        }
    }

    /// Puts a task among the ready ones, by the bytes that it lets go if it starts now.
    fn enqueue(&mut self, rank: usize) {
        let lets_go = |&need: &usize| match &self.nodes[need] {
            Node { users: 1, part: Some((_, bytes)), .. } => *bytes,
            _ => 0,
        };
        let urgency = self.nodes[rank].needs().iter().map(lets_go).fold(0, usize::saturating_add);
        self.nodes[rank].urgency = urgency;
        self.ready.insert(self.nodes[rank].urgency(rank));
    }

    /// What there is to do to end this run, if its end has come.
    pub(super) fn close(&mut self, run: RunId) -> Option<Closing> {
        let is_over = self.busy == 0 && (self.left == 0 || self.error.is_some());
        if !is_over || mem::replace(&mut self.is_closing, true) {
            return None;
        }
        let rest = mem::take(&mut self.nodes);
        let outcome = match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(self.outputs.iter().map(|&output| rest[output].result()).collect()),
        };
        let usage = self.context.budget().spill().usage().clone();
        Some(Closing { run, outcome, rest, started: self.started, usage })
    }
}

impl Consumers {
    fn push(&mut self, rank: usize) {
        match self {
            Consumers::None => *self = Consumers::One(rank),
            Consumers::One(first) => *self = Consumers::Many(vec![*first, rank]),
            Consumers::Many(all) => all.push(rank),
        }
    }

    fn all(&self) -> &[usize] {
        match self {
            Consumers::None => &[],
            Consumers::One(only) => std::slice::from_ref(only),
            Consumers::Many(all) => all,
        }
    }
}

impl Node {
    /// What must be there before it starts.
    fn needs(&self) -> &[usize] {
        self.needs.as_deref().unwrap_or(&self.inputs)
    }

    /// Under what it stands among the ready ones.
    fn urgency(&self, rank: usize) -> Urgency {
        (self.urgency, Reverse(self.place), Reverse(rank))
    }

    /// A handle on the result, for a user of it.
    fn result(&self) -> Arc<dyn Part> {
        // proven: who is ready, or an output of a run that is done, has its inputs' results: they stay until their last user
        // starts.
        let (part, _) = self.part.as_ref().expect("a result stays until its last user starts");
        Arc::clone(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::order;
    use crate::mem::Budget;

    /// A part that says it holds so many bytes.
    struct Bytes(usize);
    impl Part for Bytes {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    /// Adds a run of tasks that take what is listed; all that nobody takes are outputs.
    fn add(queue: &mut Queue, tasks: &[&[usize]]) -> RunId {
        let mut graph = TaskGraph::new();
        for inputs in tasks {
            let inputs = inputs.iter().map(|&input| TaskId(input)).collect();
            graph.add("task", inputs, Box::new(|_, _| Ok(Arc::new(Bytes(0)) as _)));
        }
        let taken: Vec<usize> = tasks.iter().flat_map(|inputs| inputs.iter().copied()).collect();
        let outputs: Vec<TaskId> = (0..tasks.len()).filter(|id| !taken.contains(id)).map(TaskId).collect();
        let order = order(&graph, &outputs).unwrap();
        let run = Running::new(graph, &order, &outputs, TaskContext::new(Budget::of(0), None));
        let id = queue.next_run();
        queue.runs.insert(id, run);
        id
    }

    /// Ends a task with a result of so many bytes.
    fn end(queue: &mut Queue, job: Job, bytes: usize) -> Option<Closing> {
        assert!(queue.finish(job.run, job.rank, Arc::new(Bytes(bytes)), bytes).is_none());
        queue.leave(job.run)
    }

    #[test]
    fn the_last_user_of_a_part_becomes_urgent() {
        //   2   0   1      ranks: 0 4 2 3 6 1 5 7
        //   3   4 ╲ │
        //   └─6─┘   5
        //           7
        let mut queue = Queue::default();
        add(&mut queue, &[&[], &[], &[], &[2], &[0], &[0, 1], &[4, 3], &[5]]);
        let loads: Vec<Job> = (0..3).map(|_| queue.pop().unwrap()).collect();
        assert_eq!(loads.iter().map(|job| job.id.0).collect::<Vec<_>>(), [0, 2, 1]);
        for (load, bytes) in loads.into_iter().zip([100, 0, 0]) {
            end(&mut queue, load, bytes);
        }
        // 3, 4 and 5 are ready and none lets anything go, so the static order decides; then 5 is the last to use the
        // 100 bytes.
        let users: Vec<usize> = (0..3).map(|_| queue.pop().unwrap().id.0).collect();
        assert_eq!(users, [4, 5, 3]);
    }

    #[test]
    fn more_bytes_are_more_urgent() {
        let mut queue = Queue::default();
        add(&mut queue, &[&[], &[], &[], &[0], &[1], &[2], &[3, 4, 5]]);
        let loads: Vec<Job> = (0..3).map(|_| queue.pop().unwrap()).collect();
        assert_eq!(loads.iter().map(|job| job.id.0).collect::<Vec<_>>(), [0, 1, 2]);
        for (load, bytes) in loads.into_iter().zip([10, 30, 20]) {
            end(&mut queue, load, bytes);
        }
        let users: Vec<usize> = (0..3).map(|_| queue.pop().unwrap().id.0).collect();
        assert_eq!(users, [4, 5, 3]);
        assert!(queue.pop().is_none());
    }

    #[test]
    fn the_earlier_run_is_first() {
        let mut queue = Queue::default();
        let early = add(&mut queue, &[&[], &[0]]);
        let late = add(&mut queue, &[&[], &[0]]);
        let (one, two) = (queue.pop().unwrap(), queue.pop().unwrap());
        assert_eq!((one.run, two.run), (early, late));
        // The later run has the more urgent task, and yet.
        assert!(end(&mut queue, two, 1000).is_none());
        assert!(end(&mut queue, one, 1).is_none());
        assert_eq!(queue.pop_of(late).unwrap().run, late);
        let last = queue.pop().unwrap();
        assert_eq!(last.run, early);
        assert!(end(&mut queue, last, 0).unwrap().outcome.is_ok());
    }

    #[test]
    fn loops_are_started_for_ready_tasks_that_nobody_takes() {
        let mut queue = Queue::default();
        assert_eq!(queue.start_loops(4, 0), 0);
        add(&mut queue, &[&[], &[], &[]]);
        assert_eq!(queue.start_loops(4, 1), 2);
        add(&mut queue, &[&[], &[], &[]]);
        assert_eq!(queue.start_loops(4, 0), 2);
        assert_eq!(queue.start_loops(4, 0), 0);
        queue.end_loop();
        assert_eq!(queue.start_loops(4, 5), 1);
    }

    #[test]
    fn a_stopped_run_closes_when_the_last_thread_leaves() {
        let mut queue = Queue::default();
        let run = add(&mut queue, &[&[], &[0], &[]]);
        let job = queue.pop().unwrap();
        let rest = queue.stop(run, Error::internal("first")).unwrap();
        assert_eq!(rest.len(), 3);
        assert!(queue.stop(run, Error::internal("second")).is_none());
        assert!(queue.pop().is_none() && job.context.is_cancelled());
        // The part comes too late; two have something in hand: the one that drops the rest, and the task.
        assert!(queue.finish(run, job.rank, Arc::new(Bytes(1)), 1).is_some());
        assert!(queue.leave(run).is_none());
        let closing = queue.leave(run).unwrap();
        assert_eq!(closing.outcome.err().unwrap().message(), "first");
        assert!(queue.stop(run, Error::internal("third")).is_none());
    }
}
