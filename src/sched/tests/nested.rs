//! A task that computes something itself, on the session that runs it, or on another one.

use std::cell::Cell;

use super::*;

/// The sum of 0..n, by a run of its own.
fn nested_sum(session: &Session, n: u64) -> Result<u64> {
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let numbers = (0..n).map(|i| graph.add("number", vec![], live.give(i))).collect();
    let sum = graph.add("sum", numbers, live.add());
    Ok(value(&session.run(graph, &[sum])?[0]))
}

/// Work that computes by `f`.
fn by(live: &Live, f: impl FnOnce() -> Result<u64> + Send + 'static) -> Work {
    let live = live.clone();
    Box::new(move |_, _| live.number(f()?))
}

#[test]
fn runs_within_runs() {
    for threads in THREADS {
        let session = session(threads);
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let sums = (0..40)
            .map(|i| {
                let session = session.clone();
                graph.add("sum", vec![], by(&live, move || nested_sum(&session, i)))
            })
            .collect();
        let all = graph.add("all", sums, live.add());
        let results = session.run(graph, &[all]).unwrap();
        assert_eq!(value(&results[0]), (0..40).map(|i| i * (i.max(1) - 1) / 2).sum::<u64>());
    }
}

#[test]
fn runs_within_runs_within_runs() {
    fn deep(session: &Session, depth: u64) -> Result<u64> {
        if depth == 0 {
            return nested_sum(session, 3);
        }
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let tasks = (0..3)
            .map(|_| {
                let session = session.clone();
                graph.add("deeper", vec![], by(&live, move || deep(&session, depth - 1)))
            })
            .collect();
        let sum = graph.add("sum", tasks, live.add());
        Ok(value(&session.run(graph, &[sum])?[0]))
    }
    for threads in THREADS {
        assert_eq!(deep(&session(threads), 4).unwrap(), 3 * 3u64.pow(4));
    }
}

#[test]
fn the_stack_is_as_deep_as_the_nesting() {
    thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
    for threads in THREADS {
        let session = session(threads);
        let live = Live::default();
        let deepest = Arc::new(AtomicUsize::new(0));
        let mut graph = TaskGraph::new();
        let tasks: Vec<TaskId> = (0..300)
            .map(|_| {
                let (session, deepest) = (session.clone(), Arc::clone(&deepest));
                let nested = move || {
                    DEPTH.set(DEPTH.get() + 1);
                    deepest.fetch_max(DEPTH.get(), SeqCst);
                    let sum = nested_sum(&session, 3);
                    DEPTH.set(DEPTH.get() - 1);
                    sum
                };
                graph.add("nested", vec![], by(&live, nested))
            })
            .collect();
        session.run(graph, &tasks).unwrap();
        // A waiting task never takes up one of its neighbours, which would wait in turn.
        assert_eq!(deepest.load(SeqCst), 1);
    }
}

#[test]
fn sessions_that_wait_for_each_other() {
    let (a, b) = (session(1), session(1));
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let (inner_a, inner_b, inner_live) = (a.clone(), b, live.clone());
    let outer = by(&live, move || {
        let mut graph = TaskGraph::new();
        let back = graph.add("b to a", vec![], by(&inner_live, move || nested_sum(&inner_a, 5)));
        Ok(value(&inner_b.run(graph, &[back])?[0]))
    });
    let task = graph.add("a to b", vec![], outer);
    assert_eq!(value(&a.run(graph, &[task]).unwrap()[0]), 10);
}

#[test]
fn within_rayon_of_the_users_own() {
    use rayon::prelude::*;
    let session = session(1);
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let parallel = |session: Session| move || (0..8u64).into_par_iter().map(|i| nested_sum(&session, i)).sum();
    let live = Live::default();
    let mut graph = TaskGraph::new();
    // On the worker that rayon finds itself on, and on another pool for which that worker waits.
    let here = graph.add("here", vec![], by(&live, parallel(session.clone())));
    let elsewhere = parallel(session.clone());
    let there = graph.add("there", vec![], by(&live, move || pool.install(elsewhere)));
    let results = session.run(graph, &[here, there]).unwrap();
    assert_eq!(results.iter().map(value).collect::<Vec<_>>(), [[0, 0, 1, 3, 6, 10, 15, 21].iter().sum::<u64>(); 2]);
}

#[test]
fn an_error_comes_through_all_levels() {
    for threads in THREADS {
        let session = session(threads);
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let inner = session.clone();
        let nested = move || {
            let mut graph = TaskGraph::new();
            let bad = graph.add("bad", vec![], fail("deep down"));
            inner.run(graph, &[bad]).map(|_| 0)
        };
        let task = graph.add("nested", vec![], by(&live, nested));
        assert_eq!(session.run(graph, &[task]).unwrap_err().message(), "deep down");
    }
}

/// Work that ends when two of its kind run at the same time.
fn meet(begun: &Arc<AtomicUsize>, live: &Live) -> Work {
    let (begun, live) = (Arc::clone(begun), live.clone());
    Box::new(move |_, _| {
        begun.fetch_add(1, SeqCst);
        until(|| begun.load(SeqCst) == 2);
        live.number(1)
    })
}

#[test]
fn a_helper_wakes_when_others_make_work_for_it() {
    // Two threads, both needed before and after: in between, whoever ends first has nothing to do. Mostly it's the one
    // that waits for the nested run; when it sleeps through, the last two never meet.
    let session = session(2);
    for _ in 0..100 {
        let (live, inner) = (Live::default(), session.clone());
        let nested = by(&live, move || {
            let live = Live::default();
            let mut graph = TaskGraph::new();
            let (before, after) = (Arc::default(), Arc::default());
            let early = graph.add("early", vec![], meet(&before, &live));
            let (first, slow) = (meet(&before, &live), live.give(2));
            let late: Work = Box::new(move |context, parts| {
                first(context, parts)?;
                (0..100).for_each(|_| std::thread::yield_now());
                slow(context, vec![])
            });
            let late = graph.add("late", vec![], late);
            let last: Vec<TaskId> = (0..2).map(|_| graph.add("last", vec![early, late], meet(&after, &live))).collect();
            Ok(inner.run(graph, &last)?.iter().map(value).sum())
        });
        let mut graph = TaskGraph::new();
        let task = graph.add("nested", vec![], nested);
        assert_eq!(value(&session.run(graph, &[task]).unwrap()[0]), 2);
    }
}
