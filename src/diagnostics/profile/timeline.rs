//! What ran when on each thread, in bounded room: when there is too much to keep apart, short neighbours become one.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::ThreadId;

use super::super::kind;

/// The most spans that are kept. A page of more would be slow, and nobody could see them.
const MOST_SPANS: usize = 20_000;

/// The most kinds of tasks that are told apart: names may be anything.
const MOST_KINDS: usize = 500;

/// Threads, what each of them ran, and the kinds of tasks.
#[derive(Default)]
pub(super) struct Timeline {
    threads: Vec<Thread>,
    by_id: HashMap<ThreadId, usize>,
    pub(super) kinds: Vec<Kind>,
    by_name: HashMap<String, usize>,
    /// How many spans there are.
    spans: usize,
    /// Neighbours that are shorter than this together are one span, in seconds.
    grain: f64,
}

/// A thread of a session's. A task that runs another run and works on it meanwhile has the tasks of that one in the lane below.
pub(super) struct Thread {
    pub(super) name: String,
    pub(super) lanes: Vec<Vec<Span>>,
    open: Vec<Open>,
}

/// A task that runs.
struct Open {
    begin: f64,
    amounts: Amounts,
}

/// A task that ran, or some of a kind, one after the other. Times are in seconds since the profile began.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) begin: f64,
    pub(super) end: f64,
    pub(super) run: u64,
    /// The kind, if it is one.
    pub(super) kind: Option<usize>,
    /// The task's name, if it is one.
    pub(super) name: Option<Arc<str>>,
    pub(super) tasks: u64,
    pub(super) amounts: Amounts,
}

/// What a task took and gave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Amounts {
    /// Rows and bytes of input.
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// What it wrote to disk for want of memory.
    pub(super) spilled: u64,
    /// What its result holds.
    pub(super) result: u64,
}

/// All tasks that differ only by the number of their partition.
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) tasks: u64,
    pub(super) seconds: f64,
    pub(super) longest: f64,
    pub(super) amounts: Amounts,
}

impl Timeline {
    pub(super) fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter()
    }

    /// This thread begins a task.
    pub(super) fn begin(&mut self, at: f64) {
        self.thread().open.push(Open { begin: at, amounts: Amounts::default() });
    }

    /// The task that this thread runs has taken something.
    pub(super) fn add(&mut self, amounts: Amounts) {
        if let Some(open) = self.thread().open.last_mut() {
            open.amounts.add(amounts);
        }
    }

    /// The task that this thread began last has ended.
    pub(super) fn end(&mut self, at: f64, run: u64, name: &Arc<str>, result: u64) {
        let kind = self.kind(kind(name));
        let thread = self.thread();
        let Open { begin, mut amounts } = thread.open.pop().unwrap_or(Open { begin: at, amounts: Amounts::default() });
        amounts.result += result;
        let depth = thread.open.len();
        while thread.lanes.len() <= depth {
            thread.lanes.push(vec![]);
        }
        let span = Span { begin, end: at, run, kind: Some(kind), name: Some(name.clone()), tasks: 1, amounts };
        let of_kind = &mut self.kinds[kind];
        of_kind.tasks += 1;
        of_kind.seconds += at - begin;
        of_kind.longest = of_kind.longest.max(at - begin);
        of_kind.amounts.add(amounts);
        let grain = self.grain;
        let lane = &mut self.thread().lanes[depth];
        match lane.last_mut() {
            Some(last) if last.takes(&span, grain, true) => last.merge(span),
            _ => {
                lane.push(span);
                self.spans += 1;
            }
        }
        if self.spans > MOST_SPANS {
            self.coarsen(at);
        }
    }

    /// Merges until half of the spans are left: neighbours of one kind where that is enough, else any.
    fn coarsen(&mut self, now: f64) {
        let lanes = self.threads.iter().map(|thread| thread.lanes.len()).sum::<usize>();
        self.grain = self.grain.max(now * lanes as f64 / (4 * MOST_SPANS) as f64).max(1e-6);
        // It ends: once the grain is as long as all of the time, each lane has one span.
        loop {
            for only_alike in [true, false] {
                for lane in self.threads.iter_mut().flat_map(|thread| &mut thread.lanes) {
                    let mut kept: Vec<Span> = Vec::new();
                    for span in lane.drain(..) {
                        match kept.last_mut() {
                            Some(last) if last.takes(&span, self.grain, only_alike) => last.merge(span),
                            _ => kept.push(span),
                        }
                    }
                    *lane = kept;
                }
                self.spans = self.threads.iter().flat_map(|thread| &thread.lanes).map(Vec::len).sum();
                if self.spans <= (MOST_SPANS / 2).max(lanes) {
                    return;
                }
            }
            self.grain *= 2.0;
        }
    }

    fn thread(&mut self) -> &mut Thread {
        let current = std::thread::current();
        let place = *self.by_id.entry(current.id()).or_insert_with(|| {
            let name = current.name().map_or_else(|| format!("thread {}", self.threads.len()), str::to_owned);
            self.threads.push(Thread { name, lanes: vec![], open: vec![] });
            self.threads.len() - 1
        });
        &mut self.threads[place]
    }

    fn kind(&mut self, name: &str) -> usize {
        if let Some(kind) = self.by_name.get(name) {
            return *kind;
        }
        let name = if self.kinds.len() < MOST_KINDS { name } else { "other tasks" };
        let next = self.kinds.len();
        let kind = *self.by_name.entry(name.to_owned()).or_insert(next);
        if kind == next {
            let amounts = Amounts::default();
            self.kinds.push(Kind { name: name.to_owned(), tasks: 0, seconds: 0.0, longest: 0.0, amounts });
        }
        kind
    }
}

impl Span {
    /// Whether a later span goes into this one.
    fn takes(&self, later: &Span, grain: f64, only_alike: bool) -> bool {
        let alike = self.kind == later.kind && self.kind.is_some();
        self.run == later.run && (alike || !only_alike) && later.end - self.begin <= grain
    }

    fn merge(&mut self, later: Span) {
        self.end = later.end;
        if self.kind != later.kind {
            self.kind = None;
        }
        self.name = None;
        self.tasks += later.tasks;
        self.amounts.add(later.amounts);
    }
}

impl Amounts {
    fn add(&mut self, other: Amounts) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.spilled += other.spilled;
        self.result += other.result;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All tasks are in, and those of a lane one after the other.
    fn check(timeline: &Timeline, tasks: u64) {
        let lanes: Vec<&Vec<Span>> = timeline.threads().flat_map(|thread| &thread.lanes).collect();
        assert_eq!(lanes.iter().copied().flatten().map(|span| span.tasks).sum::<u64>(), tasks);
        assert_eq!(lanes.iter().copied().flatten().map(|span| span.amounts.rows).sum::<u64>(), 3 * tasks);
        assert_eq!(timeline.kinds.iter().map(|kind| kind.tasks).sum::<u64>(), tasks);
        for lane in lanes {
            assert!(lane.iter().all(|span| span.begin <= span.end));
            assert!(lane.windows(2).all(|pair| pair[0].end <= pair[1].begin));
        }
    }

    fn run(timeline: &mut Timeline, name: &str, at: f64, seconds: f64) {
        timeline.begin(at);
        timeline.add(Amounts { rows: 3, ..Amounts::default() });
        timeline.end(at + seconds, 1, &Arc::from(name), 10);
    }

    #[test]
    fn few_tasks_are_kept_apart() {
        let mut timeline = Timeline::default();
        for i in 0..1000 {
            run(&mut timeline, &format!("scan → sort {i}"), i as f64, 0.5);
        }
        check(&timeline, 1000);
        assert_eq!((timeline.spans, timeline.kinds.len(), &*timeline.kinds[0].name), (1000, 1, "scan → sort"));
        let kind = &timeline.kinds[0];
        assert_eq!((kind.seconds, kind.longest, kind.amounts.result), (500.0, 0.5, 10_000));
    }

    #[test]
    fn many_tasks_take_bounded_room() {
        // Of one kind, of two in turn, and each of its own.
        for kinds in [1, 2, usize::MAX] {
            let mut timeline = Timeline::default();
            for i in 0..100_000 {
                let name = ["inc".to_owned(), "dec".to_owned(), format!("task-{i}")];
                let name = if kinds == usize::MAX { &name[2] } else { &name[i % kinds] };
                run(&mut timeline, name, i as f64 * 1e-5, 5e-6);
            }
            // A long task stays by itself.
            run(&mut timeline, "long", 2.0, 100.0);
            check(&timeline, 100_001);
            assert!(timeline.spans <= MOST_SPANS && timeline.spans > 1000, "{}", timeline.spans);
            assert!(timeline.kinds.len() <= MOST_KINDS + 1);
            let last = timeline.threads[0].lanes[0].last().unwrap();
            assert_eq!((last.tasks, last.end - last.begin), (1, 100.0));
        }
    }

    #[test]
    fn a_task_inside_a_task_is_below_it() {
        let mut timeline = Timeline::default();
        timeline.begin(0.0);
        run(&mut timeline, "inner", 1.0, 1.0);
        timeline.add(Amounts { rows: 3, ..Amounts::default() });
        timeline.end(3.0, 1, &Arc::from("outer"), 0);
        check(&timeline, 2);
        let lanes = &timeline.threads[0].lanes;
        let names = |lane: &Vec<Span>| lane.iter().map(|span| span.name.clone().unwrap()).collect::<Vec<_>>();
        assert_eq!((names(&lanes[0]), names(&lanes[1])), (vec!["outer".into()], vec!["inner".into()]));
    }
}
