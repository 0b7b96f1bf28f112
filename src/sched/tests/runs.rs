//! Runs that end well: the right results, in few parts and in few threads.

use super::*;
use crate::graph::tree_reduce;
use crate::mem::take;

#[test]
fn a_reduction_on_any_number_of_threads() {
    for threads in THREADS {
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let loads = (0..100).map(|i| graph.add("load", vec![], live.give(i))).collect();
        let adding = live.clone();
        let root = tree_reduce(&mut graph, "sum", loads, 8, move |context, parts| adding.add()(context, parts));
        let results = session(threads).run(graph, &[root, TaskId(7), root]).unwrap();
        assert_eq!(results.iter().map(value).collect::<Vec<_>>(), [4950, 7, 4950]);
        assert_eq!(live.now(), 2);
        drop(results);
        assert_eq!(live.now(), 0);
    }
}

#[test]
fn nothing_to_do_is_done() {
    let session = session(2);
    let ran = Arc::default();
    let mut graph = TaskGraph::new();
    graph.add("not needed", vec![], count(&ran));
    assert!(session.run(graph, &[]).unwrap().is_empty());
    assert!(session.run(TaskGraph::new(), &[]).unwrap().is_empty());
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn a_graph_that_makes_no_sense_is_an_error() {
    let session = session(1);
    let run = session.start(TaskGraph::new(), &[TaskId(0)]);
    assert!(run.is_finished());
    run.cancel();
    assert_eq!(run.wait().unwrap_err().kind(), ErrorKind::Internal);
    _ = session.start(TaskGraph::new(), &[TaskId(0)]);
}

/// 4096 loads and four levels of merges.
fn most_alive(threads: usize) -> usize {
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let loads = (0..4096).map(|i| graph.add("load", vec![], live.give(i))).collect();
    let merging = live.clone();
    let root = tree_reduce(&mut graph, "sum", loads, 8, move |_, parts| {
        // A part with one consumer can be taken out, whatever the order in which threads get on.
        let numbers: Result<Vec<Number>> = parts.into_iter().map(take).collect();
        merging.number(numbers?.iter().map(|number| number.value).sum())
    });
    let results = session(threads).run(graph, &[root]).unwrap();
    assert_eq!(value(&results[0]), 4096 * 4095 / 2);
    live.most()
}

#[test]
fn memory_first_keeps_few_parts_alive() {
    // Seven finished groups a level while the next is made, the last of all eight, and a result.
    assert_eq!(most_alive(1), 4 * 7 + 1 + 1);
    // Every thread may hold up a group a level, and another that it is about to merge.
    for threads in [2, 8] {
        let most = most_alive(threads);
        assert!(most <= 4 * 8 * (2 * threads + 2), "{most} alive on {threads} threads");
    }
}

#[test]
fn outputs_over_the_same_loads_keep_few_parts_alive() {
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let loads: Vec<TaskId> = (0..512).map(|i| graph.add("load", vec![], live.give(i))).collect();
    let outputs: Vec<TaskId> = (0..2)
        .map(|_| {
            let partial = loads.iter().map(|&load| graph.add("partial", vec![load], live.add())).collect();
            let live = live.clone();
            tree_reduce(&mut graph, "sum", partial, 8, move |context, parts| live.add()(context, parts))
        })
        .collect();
    let results = session(1).run(graph, &outputs).unwrap();
    assert_eq!(results.iter().map(value).collect::<Vec<_>>(), [512 * 511 / 2; 2]);
    // Two trees of three levels and a load.
    assert!(live.most() <= 2 * (3 * 7 + 2) + 1, "{} alive", live.most());
}

#[test]
fn the_last_consumer_has_the_only_handle() {
    let handles: Arc<[AtomicUsize; 3]> = Arc::default();
    let live = Live::default();
    let mut graph = TaskGraph::new();
    let load = graph.add("load", vec![], live.give(1));
    let mut users = Vec::new();
    for i in 0..3 {
        let (handles, live) = (Arc::clone(&handles), live.clone());
        let work: Work = Box::new(move |_, parts| {
            handles[i].store(Arc::strong_count(&parts[0]), SeqCst);
            live.number(0)
        });
        users.push(graph.add("user", vec![load], work));
    }
    session(1).run(graph, &users).unwrap();
    assert_eq!(handles.each_ref().map(|h| h.load(SeqCst)), [2, 2, 1]);
}

#[test]
fn what_is_an_output_or_named_twice_stays_shared() {
    for threads in THREADS {
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let load = graph.add("load", vec![], live.give(21));
        let twice = graph.add("twice", vec![load, load], live.add());
        let taking: Work = Box::new(|_, mut parts| {
            assert_eq!(take::<Number>(parts.remove(0)).err().unwrap().kind(), ErrorKind::Internal);
            Ok(parts.remove(0))
        });
        let other = graph.add("other", vec![twice, load], taking);
        let results = session(threads).run(graph, &[twice, other]).unwrap();
        assert_eq!(results.iter().map(value).collect::<Vec<_>>(), [42, 21]);
    }
}

#[test]
fn a_long_chain_and_a_wide_fan() {
    for threads in [1, 2] {
        let live = Live::default();
        let mut graph = TaskGraph::new();
        let first = graph.add("first", vec![], live.give(1));
        let last = (0..100_000).fold(first, |last, _| graph.add("link", vec![last], live.add()));
        let fan: Vec<TaskId> = (0..100_000).map(|_| graph.add("fan", vec![last], live.add())).collect();
        let all = graph.add("all", fan, live.add());
        let results = session(threads).run(graph, &[all]).unwrap();
        assert_eq!(value(&results[0]), 100_000);
    }
}

/// A generator of numbers, seeded.
struct Random(u64);
impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What a task makes of its inputs: their order counts.
fn mix(id: usize, inputs: impl Iterator<Item = u64>) -> u64 {
    inputs.fold(id as u64, |hash, input| hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ input.rotate_left(17))
}

#[test]
fn random_graphs_as_their_sequential_twins() {
    let sessions = THREADS.map(session);
    for seed in 1..=150 {
        let mut random = Random(seed * 7919);
        let n = 1 + random.below(150);
        // How far back inputs reach: chains, thickets, and everything between.
        let reach = 1 + random.below(n);
        let inputs: Vec<Vec<usize>> = (0..n)
            .map(|id| {
                let some = if id == 0 { 0 } else { random.below(5) };
                (0..some).map(|_| id - 1 - random.below(reach.min(id))).collect()
            })
            .collect();
        let outputs: Vec<usize> = (0..random.below(6)).map(|_| random.below(n)).collect();

        let mut twin: Vec<u64> = Vec::new();
        for (id, inputs) in inputs.iter().enumerate() {
            twin.push(mix(id, inputs.iter().map(|&i| twin[i])));
        }
        for session in &sessions {
            let (live, ran) = (Live::default(), Arc::new(AtomicUsize::new(0)));
            let mut graph = TaskGraph::new();
            for (id, inputs) in inputs.iter().enumerate() {
                let (live, ran) = (live.clone(), Arc::clone(&ran));
                let work: Work = Box::new(move |_, parts| {
                    ran.fetch_add(1, SeqCst);
                    live.number(mix(id, parts.iter().map(value)))
                });
                graph.add("mix", inputs.iter().map(|&i| TaskId(i)).collect(), work);
            }
            let ids: Vec<TaskId> = outputs.iter().map(|&o| TaskId(o)).collect();
            let needed = crate::graph::order(&graph, &ids).unwrap().len();
            let results = session.run(graph, &ids).unwrap();
            let expected: Vec<u64> = outputs.iter().map(|&o| twin[o]).collect();
            assert_eq!(results.iter().map(value).collect::<Vec<_>>(), expected, "seed {seed}, {session:?}");
            assert_eq!(ran.load(SeqCst), needed);
            drop(results);
            assert_eq!(live.now(), 0);
        }
    }
}

#[test]
fn many_runs_at_once_share_the_threads() {
    for threads in THREADS {
        let session = session(threads);
        let at_once: Live = Live::default();
        std::thread::scope(|scope| {
            for user in 0..6u64 {
                let (session, at_once) = (&session, &at_once);
                scope.spawn(move || {
                    for run in 0..10 {
                        let live = Live::default();
                        let mut graph = TaskGraph::new();
                        let loads: Vec<TaskId> = (0..20)
                            .map(|i| {
                                let (live, at_once) = (live.clone(), at_once.clone());
                                let work: Work = Box::new(move |_, _| {
                                    let here = at_once.number(0)?;
                                    std::thread::yield_now();
                                    drop(here);
                                    live.number(user * 1000 + run * 100 + i)
                                });
                                graph.add("load", vec![], work)
                            })
                            .collect();
                        let sum = graph.add("sum", loads, live.add());
                        let results = session.run(graph, &[sum]).unwrap();
                        assert_eq!(value(&results[0]), 20 * (user * 1000 + run * 100) + 190);
                    }
                });
            }
        });
        assert!(at_once.most() <= threads, "{} tasks at once on {threads} threads", at_once.most());
    }
}

#[test]
fn every_thread_gets_work() {
    for threads in THREADS {
        // Every task waits for all the others: they end only if all run at the same time.
        let begun = Arc::new(AtomicUsize::new(0));
        let mut graph = TaskGraph::new();
        let tasks: Vec<TaskId> = (0..threads)
            .map(|_| {
                let (begun, live) = (Arc::clone(&begun), Live::default());
                let work: Work = Box::new(move |_, _| {
                    begun.fetch_add(1, SeqCst);
                    until(|| begun.load(SeqCst) == threads);
                    live.number(1)
                });
                graph.add("meet", vec![], work)
            })
            .collect();
        assert_eq!(session(threads).run(graph, &tasks).unwrap().len(), threads);
    }
}
