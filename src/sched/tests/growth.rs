//! Tasks that give other tasks in place of a result.

use super::*;

/// Work that gives a graph: so many tasks that count up, and their sum.
fn sum_of(live: &Live, tasks: u64) -> Work {
    let live = live.clone();
    Box::new(move |_, parts| {
        let mut graph = TaskGraph::new();
        let first: u64 = parts.iter().map(value).sum();
        let numbers = (0..tasks).map(|i| graph.add("number", vec![], live.give(first + i))).collect();
        let unneeded = graph.add("unneeded", vec![], Box::new(|_, _| Err(Error::internal("run in vain"))));
        let sum = graph.add("sum", numbers, live.add());
        assert!(unneeded < sum);
        Ok(graph.instead(sum))
    })
}

#[test]
fn the_result_of_what_was_given_is_the_result() {
    for threads in THREADS {
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let ten = graph.add("ten", vec![], live.give(10));
        let grown = graph.add("grown", vec![ten], sum_of(&live, 4));
        // Who takes it notices nothing; an output may grow as well.
        let twice = graph.add("twice", vec![grown, grown], live.add());
        let again = graph.add("again", vec![twice, ten], sum_of(&live, 3));
        let results = session(threads).run(graph, &[again, grown, twice]).unwrap();
        assert_eq!(results.iter().map(value).collect::<Vec<_>>(), [102 + 103 + 104, 46, 92]);
        drop(results);
        assert_eq!(live.now(), 0);
    }
}

#[test]
fn what_was_given_may_give_more() {
    fn deep(live: Live, depth: u64) -> Work {
        Box::new(move |context, parts| {
            if depth == 0 {
                return live.give(1)(context, parts);
            }
            let mut graph = TaskGraph::new();
            let deeper = (0..2).map(|_| graph.add("deeper", vec![], deep(live.clone(), depth - 1))).collect();
            let sum = graph.add("sum", deeper, live.add());
            Ok(graph.instead(sum))
        })
    }
    for threads in THREADS {
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let all = graph.add("all", vec![], deep(live.clone(), 8));
        assert_eq!(value(&session(threads).run(graph, &[all]).unwrap()[0]), 256);
        // One worker keeps few results: of each level the one that waits for its neighbour.
        assert!(threads > 1 || live.most() <= 11, "{}", live.most());
    }
}

#[test]
fn it_comes_before_what_stands_behind() {
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let grown: Vec<TaskId> = (0..3).map(|i| graph.add(format!("grown {i}"), vec![], sum_of(&live, 5))).collect();
    let all = graph.add("all", grown, live.add());
    session(1).run(graph, &[all]).unwrap();
    // Five numbers and their sum, beside at most two sums: the third does not begin before the second is done.
    assert!(live.most() <= 8, "{}", live.most());
}

#[test]
fn its_errors_and_panics_end_the_run() {
    for (text, work) in [
        ("broken", Box::new(|_: &_, _| Err(Error::internal("broken"))) as Work),
        ("the task 'inner' panicked: broken", Box::new(|_: &_, _| panic!("broken"))),
    ] {
        let mut graph = TaskGraph::new();
        let grown = graph.add(
            "grown",
            vec![],
            Box::new(move |_, _| {
                let mut inner = TaskGraph::new();
                let output = inner.add("inner", vec![], work);
                Ok(inner.instead(output))
            }),
        );
        let error = session(2).run(graph, &[grown]).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut graph = TaskGraph::new();
    let nothing = graph.add("nothing", vec![], Box::new(|_, _| Ok(TaskGraph::new().instead(TaskId(0)))));
    assert_eq!(session(2).run(graph, &[nothing]).unwrap_err().kind(), ErrorKind::Internal);
}
