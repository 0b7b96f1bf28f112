//! What observers are told.

use std::sync::Mutex;

use super::*;
use crate::graph::Input;
use crate::sched::{Event, Observer};

#[derive(Default)]
struct Log(Mutex<Vec<Event>>);
impl Observer for Log {
    fn on(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Log {
    /// The events, without the times.
    fn lines(&self) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::RunStarted { run, tasks, bytes, partitions, .. } => {
                format!("run {run}: {tasks} tasks, {bytes} bytes, {partitions} partitions")
            }
            Event::TaskStarted { run, task, name, .. } => format!("run {run}: task {task} {name}"),
            Event::Advanced { run, bytes, rows, partitions, .. } => {
                format!("run {run}: {bytes} bytes, {rows} rows, {partitions} partitions")
            }
            Event::TaskFinished { run, task, name, seconds, bytes, .. } => {
                assert!(*seconds >= 0.0);
                format!("run {run}: task {task} {name} done, {bytes} bytes")
            }
            Event::Spilled { run, operator, bytes } => format!("run {run}: {bytes} bytes of {operator}"),
            Event::Warning { run, message } => format!("run {run}: {message}"),
            Event::Restarted { message } => message.clone(),
            Event::RunFinished { run, seconds, spilled, spilled_by, peak, limit, error } => {
                assert!(*seconds >= 0.0 && *limit > 0);
                assert_eq!(*spilled, spilled_by.iter().map(|(_, bytes)| bytes).sum::<u64>());
                if *spilled > 0 {
                    return format!("run {run}: done, peak {peak}, spilled {spilled_by:?}");
                }
                format!("run {run}: done, {:?}", error.as_ref().map(Error::message))
            }
        };
        self.0.lock().unwrap().drain(..).map(|event| line(&event)).collect()
    }
}

#[test]
fn everything_is_told_in_order() {
    let log = Arc::new(Log::default());
    let session = Session::builder().threads(1).observer(log.clone()).build().unwrap();
    let live = Live::default();
    let mut graph = TaskGraph::new();
    graph.set_input(Input { bytes: 1000, partitions: 2, ..Input::default() });
    let (reading, ran) = (live.clone(), Arc::default());
    graph.add("not needed", vec![], count(&ran));
    let work: Work = Box::new(move |context: &TaskContext, _| {
        context.advance(Input { bytes: 600, rows: 20, partitions: 0 });
        context.advance(Input { bytes: 400, rows: 10, partitions: 1 });
        reading.number(1)
    });
    let scan = graph.add("scan", vec![], work);
    let sum = graph.add("sum", vec![scan], live.add());
    session.run(graph, &[sum]).unwrap();
    let expected = [
        "run 1: 2 tasks, 1000 bytes, 2 partitions",
        "run 1: task 1 scan",
        "run 1: 600 bytes, 20 rows, 0 partitions",
        "run 1: 400 bytes, 10 rows, 1 partitions",
        "run 1: task 1 scan done, 8 bytes",
        "run 1: task 2 sum",
        "run 1: task 2 sum done, 8 bytes",
        "run 1: done, None",
    ];
    assert_eq!(log.lines(), expected);

    let mut graph = TaskGraph::new();
    let bad = graph.add("bad", vec![], fail("no good"));
    assert!(session.run(graph, &[bad]).is_err());
    let expected = [
        "run 2: 1 tasks, 0 bytes, 0 partitions",
        "run 2: task 0 bad",
        "run 2: task 0 bad done, 0 bytes",
        "run 2: done, Some(\"no good\")",
    ];
    assert_eq!(log.lines(), expected);

    session.run(TaskGraph::new(), &[]).unwrap();
    assert_eq!(log.lines(), ["run 3: 0 tasks, 0 bytes, 0 partitions", "run 3: done, None"]);
}

#[test]
fn what_is_spilled_is_told_by_operator() {
    let log = Arc::new(Log::default());
    let session = Session::builder().threads(1).memory(16 << 20).observer(log.clone()).build().unwrap();
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let reading = live.clone();
    let work: Work = Box::new(move |context: &TaskContext, _| {
        let (mut rows, groups) = (context.budget().reserve("rows"), context.budget().reserve("groups"));
        rows.try_resize(7000)?;
        drop((groups.spill().write(&[])?, rows.spill().write(&[])?, rows.sibling().spill().write(&[])?));
        reading.number(1)
    });
    let task = graph.add("spill", vec![], work);
    session.run(graph, &[task]).unwrap();
    // Nothing at all, compressed, is one byte.
    let expected = [
        "run 1: 1 tasks, 0 bytes, 0 partitions",
        "run 1: task 0 spill",
        "run 1: 1 bytes of groups",
        "run 1: 1 bytes of rows",
        "run 1: 1 bytes of rows",
        "run 1: task 0 spill done, 8 bytes",
        "run 1: done, peak 7000, spilled [(\"rows\", 2), (\"groups\", 1)]",
    ];
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| !line.contains("--spill-dir")).collect::<Vec<_>>(), expected.each_ref());
}

#[test]
fn all_is_told_when_the_result_is_there() {
    for threads in THREADS {
        let (log, second) = (Arc::new(Log::default()), Arc::new(Log::default()));
        let builder = Session::builder().threads(threads).observer(log.clone()).observer(second.clone());
        let session = builder.build().unwrap();
        for run in 1..=20 {
            let live = Live::default();
            let mut graph = TaskGraph::new();
            let loads = (0..10).map(|i| graph.add("load", vec![], live.give(i))).collect();
            let sum = graph.add("sum", loads, live.add());
            session.run(graph, &[sum]).unwrap();
            let lines = log.lines();
            assert_eq!(lines.len(), 2 + 2 * 11);
            assert_eq!(lines[0], format!("run {run}: 11 tasks, 0 bytes, 0 partitions"));
            assert_eq!(lines[23], format!("run {run}: done, None"));
            assert_eq!(second.lines().len(), lines.len());
        }
    }
}

#[test]
fn an_observer_that_panics_is_let_be() {
    struct Rude;
    impl Observer for Rude {
        fn on(&self, _: &Event) {
            panic!("not interested");
        }
    }
    let log = Arc::new(Log::default());
    let session = Session::builder().threads(2).observer(Arc::new(Rude)).observer(log.clone()).build().unwrap();
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let one = graph.add("one", vec![], live.give(1));
    assert_eq!(value(&session.run(graph, &[one]).unwrap()[0]), 1);
    assert_eq!(log.lines().len(), 4);
}
