//! Runs that are stopped: by an error, a panic, a cancellation. Nothing of them is left.

use super::*;

#[test]
fn an_error_stops_the_run_and_drops_everything() {
    for threads in THREADS {
        let session = session(threads);
        let (live, ran) = (Live::default(), Arc::new(AtomicUsize::new(0)));
        let mut graph = TaskGraph::new();
        let loads: Vec<TaskId> = (0..50).map(|i| graph.add("load", vec![], live.give(i))).collect();
        let mut inputs = loads.clone();
        inputs.push(graph.add("bad", loads, fail("no good")));
        let after = graph.add("after", inputs.clone(), count(&ran));
        let error = session.run(graph, &[after, inputs[0]]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Value, "no good"));
        // Works that never ran are dropped too, with what they hold.
        assert_eq!((live.now(), ran.load(SeqCst), Arc::strong_count(&ran)), (0, 0, 1));
        assert_eq!(Arc::strong_count(&live.0), 1);
        assert_eq!(session.run(one(&live), &[TaskId(0)]).unwrap().len(), 1);
    }
}

/// A graph of one task, to see that a session goes on.
fn one(live: &Live) -> TaskGraph {
    let mut graph = TaskGraph::new();
    graph.add("one", vec![], live.give(1));
    graph
}

#[test]
fn nothing_starts_after_an_error() {
    let ran = Arc::new(AtomicUsize::new(0));
    let mut graph = TaskGraph::new();
    let mut tasks: Vec<TaskId> = (0..5).map(|_| graph.add("before", vec![], count(&ran))).collect();
    tasks.push(graph.add("bad", vec![], fail("no good")));
    tasks.extend((0..5).map(|_| graph.add("after", vec![], count(&ran))));
    let all = graph.add("all", tasks, count(&ran));
    assert!(session(1).run(graph, &[all]).is_err());
    assert_eq!(ran.load(SeqCst), 5);
}

#[test]
fn running_tasks_hear_of_an_error_and_the_first_one_counts() {
    for threads in [2, 8] {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut graph = TaskGraph::new();
        let mut tasks: Vec<TaskId> =
            (0..threads - 1).map(|_| graph.add("long", vec![], until_cancelled(&begun))).collect();
        let waits_for = Arc::clone(&begun);
        let bad: Work = Box::new(move |_, _| {
            until(|| waits_for.load(SeqCst) == threads - 1);
            Err(Error::new(ErrorKind::Value, "the first"))
        });
        tasks.push(graph.add("bad", vec![], bad));
        let error = session(threads).run(graph, &tasks).unwrap_err();
        assert_eq!(error.message(), "the first");
    }
}

#[test]
fn a_result_that_comes_too_late_is_dropped() {
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let (begun, late) = (Arc::new(AtomicUsize::new(0)), live.clone());
    let waits_for = Arc::clone(&begun);
    let slow: Work = Box::new(move |context, _| {
        begun.fetch_add(1, SeqCst);
        until(|| context.is_cancelled());
        late.number(1)
    });
    let slow = graph.add("slow", vec![], slow);
    let bad: Work = Box::new(move |_, _| {
        until(|| waits_for.load(SeqCst) == 1);
        Err(Error::new(ErrorKind::Value, "no good"))
    });
    let bad = graph.add("bad", vec![], bad);
    assert_eq!(session(2).run(graph, &[slow, bad]).unwrap_err().message(), "no good");
    assert_eq!((live.now(), live.most()), (0, 1));
}

#[test]
fn a_panic_is_an_error_that_names_the_task() {
    for threads in THREADS {
        let session = session(threads);
        let live = Live::default();
        let panics: [(Work, &str); 3] = [
            (Box::new(|_, _| panic!("one and one is three")), "the task 'sum' panicked: one and one is three"),
            (Box::new(|_, parts| panic!("{} parts", parts.len())), "the task 'sum' panicked: 1 parts"),
            (Box::new(|_, _| std::panic::panic_any(7)), "the task 'sum' panicked: no message"),
        ];
        for (panic, message) in panics {
            let mut graph = one(&live);
            let sum = graph.add("sum", vec![TaskId(0)], panic);
            let after = graph.add("after", vec![sum], live.add());
            let error = session.run(graph, &[after]).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Panic, message));
            assert_eq!(live.now(), 0);
        }
        assert_eq!(session.run(one(&live), &[TaskId(0)]).unwrap().len(), 1);
    }
}

#[test]
fn parts_that_panic_as_they_count_or_drop() {
    struct Uncounted;
    impl Part for Uncounted {
        fn bytes(&self) -> usize {
            panic!("who knows")
        }
    }
    struct Undroppable;
    impl Part for Undroppable {
        fn bytes(&self) -> usize {
            0
        }
    }
    impl Drop for Undroppable {
        fn drop(&mut self) {
            panic!("I stay")
        }
    }
    let session = session(1);
    let mut graph = TaskGraph::new();
    let part = graph.add("uncounted", vec![], Box::new(|_, _| Ok(Arc::new(Uncounted) as _)));
    assert_eq!(session.run(graph, &[part]).unwrap_err().message(), "the task 'uncounted' panicked: who knows");

    let mut graph = TaskGraph::new();
    let stays = graph.add("stays", vec![], Box::new(|_, _| Ok(Arc::new(Undroppable) as _)));
    let bad = graph.add("bad", vec![], fail("no good"));
    // First the part, then the error that drops it.
    assert_eq!(session.run(graph, &[stays, bad]).unwrap_err().message(), "no good");

    let mut graph = TaskGraph::new();
    let stays = graph.add("stays", vec![], Box::new(|_, _| Ok(Arc::new(Undroppable) as _)));
    let user = graph.add("user", vec![stays], Live::default().give(1));
    assert_eq!(session.run(graph, &[user]).unwrap_err().message(), "the task 'user' panicked: I stay");
    assert_eq!(session.run(one(&Live::default()), &[TaskId(0)]).unwrap().len(), 1);
}

#[test]
fn cancelled_from_another_thread() {
    for threads in THREADS {
        let session = session(threads);
        let (live, begun, ran) = (Live::default(), Arc::default(), Arc::default());
        let mut graph = TaskGraph::new();
        let load = graph.add("load", vec![], live.give(1));
        let long = graph.add("long", vec![load], until_cancelled(&begun));
        let after = graph.add("after", vec![long, load], count(&ran));
        let run = session.start(graph, &[after]);
        assert!(!run.is_finished());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                until(|| begun.load(SeqCst) == 1);
                run.cancel();
                run.cancel();
            });
            until(|| run.is_finished());
            run.cancel();
        });
        let error = run.wait().unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Cancelled, "the run was cancelled"));
        assert_eq!((live.now(), ran.load(SeqCst)), (0, 0));
        assert_eq!(session.run(one(&live), &[TaskId(0)]).unwrap().len(), 1);
    }
}

#[test]
fn a_waiting_thread_hears_of_the_cancellation() {
    // The long task has the only thread, so the other run is cancelled before any of its tasks starts.
    let session = session(1);
    let (begun, ran) = (Arc::default(), Arc::default());
    let mut graph = TaskGraph::new();
    graph.add("long", vec![], until_cancelled(&begun));
    let long = session.start(graph, &[TaskId(0)]);
    until(|| begun.load(SeqCst) == 1);
    let mut graph = TaskGraph::new();
    graph.add("later", vec![], count(&ran));
    let later = session.start(graph, &[TaskId(0)]);
    later.cancel();
    assert_eq!(later.wait().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!long.is_finished());
    std::thread::scope(|scope| {
        scope.spawn(|| long.cancel());
    });
    assert_eq!(long.wait().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn cancelling_what_is_done_changes_nothing() {
    let live = Live::default();
    let run = session(2).start(one(&live), &[TaskId(0)]);
    until(|| run.is_finished());
    run.cancel();
    assert_eq!(run.wait().unwrap().len(), 1);
}

#[test]
fn a_dropped_run_is_cancelled() {
    let session = session(2);
    let (live, begun) = (Live::default(), Arc::default());
    // Dropped under way: the task ends, which it does only when cancelled, and lets go of what it holds.
    let mut graph = TaskGraph::new();
    graph.add("long", vec![], until_cancelled(&begun));
    let run = session.start(graph, &[TaskId(0)]);
    until(|| begun.load(SeqCst) == 1);
    drop(run);
    until(|| Arc::strong_count(&begun) == 1);
    // Dropped when done: so is the result.
    let run = session.start(one(&live), &[TaskId(0)]);
    until(|| run.is_finished());
    assert_eq!(live.now(), 1);
    drop(run);
    assert_eq!(live.now(), 0);
}

#[test]
fn a_run_outlives_the_handle_on_its_session() {
    let live = Live::default();
    let run = session(2).start(one(&live), &[TaskId(0)]);
    assert_eq!(value(&run.wait().unwrap()[0]), 1);
}

#[test]
fn a_closed_session_ends_all_runs_and_starts_none() {
    for threads in THREADS {
        let session = session(threads);
        let (live, begun, ran) = (Live::default(), Arc::default(), Arc::default());
        let runs: Vec<_> = (0..3)
            .map(|_| {
                let mut graph = TaskGraph::new();
                let load = graph.add("load", vec![], live.give(1));
                let long = graph.add("long", vec![load], until_cancelled(&begun));
                let after = graph.add("after", vec![long, load], count(&ran));
                session.start(graph, &[after])
            })
            .collect();
        until(|| begun.load(SeqCst) >= 1);
        session.clone().close();
        assert!(runs.iter().all(|run| run.is_finished()));
        assert_eq!(live.now(), 0);
        for run in runs {
            assert_eq!(run.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        }
        assert_eq!(session.run(one(&live), &[TaskId(0)]).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!((live.now(), ran.load(SeqCst)), (0, 0));
        session.close();
    }
}
