//! Functions as tasks: once each, side by side, with errors that say where. No test depends on speed: where one thread must have
//! got somewhere before another goes on, it is waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use partita::arrow::array::{AsArray, Int64Array, RecordBatch};
use partita::arrow::datatypes::Int64Type;
use partita::prelude::*;
use partita::{Paths, checkpoint};
use proptest::prelude::*;

const THREADS: [usize; 3] = [1, 2, 8];

fn session(threads: usize) -> Session {
    Session::builder().threads(threads).build().unwrap()
}

/// Waits for what another thread is about to do; a minute means that it never will.
fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn inc_and_dec_overlap() {
    // Each waits until the other has begun: one after the other, the first would wait in vain.
    let begun = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let meet = |own: usize| {
        let begun = begun.clone();
        move || {
            begun[own].store(true, SeqCst);
            until(|| begun[1 - own].load(SeqCst));
            10 * own + 1
        }
    };
    let session = session(2);
    let (x, y) = (session.delayed("inc", meet(0)), session.delayed("dec", meet(1)));
    let z = x.zip(&y).map("add", |(x, y)| x + y);
    assert!(begun.iter().all(|begun| !begun.load(SeqCst)), "nothing runs before compute");
    assert_eq!(*z.compute().unwrap(), 12);
}

/// A task that counts its calls.
fn counted(session: &Session, name: &str, calls: &Arc<AtomicUsize>) -> Delayed<i64> {
    let calls = calls.clone();
    session.delayed(name, move || calls.fetch_add(1, SeqCst) as i64)
}

#[test]
fn a_task_runs_once_a_run_and_never_again_when_persisted() {
    for threads in THREADS {
        let calls = Arc::new(AtomicUsize::new(0));
        let one = counted(&session(threads), "one", &calls);
        let (a, b) = (one.map("a", |x| x + 1), one.map("b", |x| x + 2));
        let both = a.zip(&b).zip(&one).map("both", |((a, b), one)| [*a, *b, *one]);
        assert_eq!(calls.load(SeqCst), 0);
        assert_eq!(*both.compute().unwrap(), [1, 2, 0]);
        assert_eq!(calls.load(SeqCst), 1);
        // In one graph, whatever shape the question has.
        let ((a, all), [one_again, b]) = compute_all(((&a, vec![&a, &b]), [&one, &b])).unwrap();
        assert_eq!((*a, *all[0], *all[1], *one_again, *b), (2, 2, 3, 1, 3));
        assert_eq!(calls.load(SeqCst), 2);
        let kept = one.persist().unwrap();
        assert_eq!(calls.load(SeqCst), 3);
        assert_eq!((*kept.compute().unwrap(), *kept.map("inc", |x| x + 1).compute().unwrap()), (2, 3));
        assert_eq!(calls.load(SeqCst), 3);
    }
}

#[test]
fn values_of_any_type_are_shared_and_come_out() {
    struct Opaque(Mutex<Vec<u8>>);
    let made = delayed("made", || Opaque(Mutex::new(vec![1])));
    let (a, b) = (made.map("a", |o| o.0.lock().unwrap().push(2)), made.map("b", |o| o.0.lock().unwrap().push(3)));
    let (_, _, made) = compute_all((a, b, made)).unwrap();
    let mut bytes = Arc::into_inner(made).expect("nobody else holds it").0.into_inner().unwrap();
    bytes.sort_unstable();
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn errors_name_the_task_and_the_chain_above_it() {
    for threads in THREADS {
        let session = session(threads);
        let bad = session.try_delayed("parse", || "12x".parse::<i64>());
        let top = bad.map("inc", |x| x + 1).zip(&session.delayed("two", || 2)).map("add", |(x, y)| x + y);
        let (error, expected) = (
            top.compute().unwrap_err(),
            "the closure failed: invalid digit found in string\n  in task 'parse'\n  in task 'inc'\n  in task 'add'",
        );
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Function, expected));

        let own = Error::new(ErrorKind::Value, "too small").help("take more");
        let failing = session.delayed("one", || 1).try_map("check", move |_| Err::<i64, _>(own.clone()));
        let error = Delayed::all([failing]).compute().unwrap_err();
        let expected = "too small\n  in task 'check'\n  in task 'all'\n  help: take more";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Value, expected));

        let panics = session.delayed("wild", || -> i64 { panic!("no way {}", 7) }).map("calm", |x| x + 1);
        let error = panics.compute().unwrap_err();
        let expected = "the task 'wild' panicked: no way 7\n  in task 'wild'\n  in task 'calm'";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Panic, expected));
    }
    let error = Delayed::tree_reduce("sum", Vec::<Delayed<i64>>::new(), |a, b| a + b).compute().unwrap_err();
    let expected = "there is nothing to reduce\n  in task 'sum'\n  help: give one value at least";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, expected));
}

#[test]
fn a_long_chain_is_named_by_its_ends() {
    let steps = |links: usize| {
        let bad = try_delayed("0", || Err::<i64, _>("bad"));
        let top = (1..links).fold(bad, |last, n| last.map(n.to_string(), |x| *x));
        let steps: Vec<String> = top.compute().unwrap_err().steps().to_vec();
        steps.iter().map(|step| step.replace("task '", "").replace('\'', "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(steps(1), "0");
    assert_eq!(steps(6), "0 1 2 3 4 5");
    assert_eq!(steps(9), "0 1 2 3 4 5 6 7 8");
    assert_eq!(steps(10), "0 1 2 3 4 5 … 1 more tasks … 7 8 9");
    assert_eq!(steps(1000), "0 1 2 3 4 5 … 991 more tasks … 997 998 999");
}

#[test]
fn retries_try_again_errors_and_panics() {
    let calls = Arc::new(AtomicUsize::new(0));
    let flaky = {
        let calls = calls.clone();
        try_delayed("flaky", move || match calls.fetch_add(1, SeqCst) {
            0 => Err("no answer"),
            1 => panic!("worse"),
            n => Ok(n),
        })
    };
    assert_eq!(flaky.compute().unwrap_err().kind(), ErrorKind::Function);
    calls.store(0, SeqCst);
    assert_eq!(flaky.clone().retries(1).compute().unwrap_err().kind(), ErrorKind::Panic);
    assert_eq!(calls.swap(0, SeqCst), 2);
    assert_eq!(*flaky.retries(9).map("same", |n| *n).compute().unwrap(), 2);
    assert_eq!(calls.load(SeqCst), 3);
}

#[test]
fn time_limits() {
    let asks = try_delayed("asks", || -> partita::Result<i64> {
        loop {
            checkpoint()?;
        }
    });
    let calls = Arc::new(AtomicUsize::new(0));
    let late =
        counted(&Session::default(), "late", &calls).map("sleeps", |_| std::thread::sleep(Duration::from_millis(20)));
    let limit = Duration::from_millis(2);
    let text = |error: Error| (error.kind(), error.to_string());
    let expected = |task| (ErrorKind::Timeout, format!("a task took longer than its 2ms\n  in task '{task}'"));
    assert_eq!(text(asks.time_limit(limit).compute().unwrap_err()), expected("asks"));
    assert_eq!(text(late.clone().time_limit(limit).retries(1).compute().unwrap_err()), expected("sleeps"));
    assert!(late.time_limit(Duration::from_secs(3600)).compute().is_ok());
    // A task inside a task has its own limit, and gives the thread back.
    let outer = try_delayed("outer", || {
        let inner = delayed("inner", || 1).time_limit(Duration::from_secs(3600)).compute()?;
        until(|| checkpoint().is_err());
        checkpoint().map(|()| *inner)
    });
    assert_eq!(text(outer.time_limit(limit).compute().unwrap_err()), expected("outer"));
}

#[test]
fn cancelled_tasks_are_told_and_no_other_starts() {
    for threads in THREADS {
        let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let endless = {
            let (begun, ended) = (begun.clone(), ended.clone());
            session(threads).try_delayed("endless", move || {
                begun.store(true, SeqCst);
                until(|| checkpoint().is_err());
                ended.store(true, SeqCst);
                checkpoint()
            })
        };
        let after = Arc::new(AtomicUsize::new(0));
        let counts = after.clone();
        let above = endless.clone().retries(5).map("after", move |()| counts.fetch_add(1, SeqCst));
        let running = above.submit();
        until(|| begun.load(SeqCst));
        assert!(!running.is_finished());
        running.cancel();
        let error = running.wait().unwrap_err();
        assert_eq!((error.kind(), after.load(SeqCst)), (ErrorKind::Cancelled, 0));

        // Dropping cancels too.
        begun.store(false, SeqCst);
        ended.store(false, SeqCst);
        let running = endless.submit();
        until(|| begun.load(SeqCst));
        drop(running);
        until(|| ended.load(SeqCst));
    }
}

#[test]
fn a_failure_stops_tasks_that_ask() {
    let (begun, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let endless = {
        let (begun, seen) = (begun.clone(), seen.clone());
        try_delayed("endless", move || {
            begun.store(true, SeqCst);
            until(|| checkpoint().is_err());
            seen.store(true, SeqCst);
            checkpoint()
        })
    };
    let fails = try_delayed("fails", move || {
        until(|| begun.load(SeqCst));
        Err::<(), _>("first")
    });
    let error = session(2).submit((endless, fails)).wait().unwrap_err();
    assert_eq!(error.to_string(), "the closure failed: first\n  in task 'fails'");
    assert!(seen.load(SeqCst));
}

#[test]
fn submit_map_and_gather() {
    let session = session(2);
    let calls = session.map("half", 0..100, |n| n / 2);
    let halves: Vec<i32> = session.gather(calls).unwrap().iter().map(|n| **n).collect();
    assert_eq!(halves, (0..100).map(|n| n / 2).collect::<Vec<_>>());
    // One that fails leaves the others alone.
    let mut calls = session.map("invert", [1, 0, 2], |n| 10 / n);
    let (two, zero, one) = (calls.pop().unwrap(), calls.pop().unwrap(), calls.pop().unwrap());
    assert_eq!(zero.wait().unwrap_err().kind(), ErrorKind::Panic);
    assert_eq!((*one.wait().unwrap(), *two.wait().unwrap()), (10, 5));
    let error = session.gather(session.map("invert", [1, 0, 2], |n| 10 / n)).unwrap_err();
    assert_eq!(error.steps(), ["task 'invert'"]);
    // Tuples of this and that are one run.
    let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    let (table, answer) = session.submit((df.agg([size()]), delayed("answer", || 42))).wait().unwrap();
    assert_eq!((table.column("size").unwrap().as_primitive::<Int64Type>().value(0), *answer), (14_000, 42));
    session.close();
    assert_eq!(session.submit(delayed("late", || 1)).wait().unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Counts how many live.
struct Live(Arc<[AtomicUsize; 2]>);

impl Live {
    fn new(live: &Arc<[AtomicUsize; 2]>) -> Live {
        live[1].fetch_max(live[0].fetch_add(1, SeqCst) + 1, SeqCst);
        Live(live.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0[0].fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_tree_keeps_few_values_alive() {
    // 256 chains of a load and a step, under a tree of 8 levels: a value waits at each level, and where two meet are two and the new one.
    let live: Arc<[AtomicUsize; 2]> = Arc::default();
    let session = session(1);
    let chains = (0..256).map(|_| {
        let (load, step) = (live.clone(), live.clone());
        session.delayed("load", move || Live::new(&load)).map("step", move |_| Live::new(&step))
    });
    let join = live.clone();
    let root = Delayed::tree_reduce("join", chains, move |_, _| Live::new(&join)).compute().unwrap();
    assert_eq!((live[0].load(SeqCst), live[1].load(SeqCst)), (1, 8 + 2));
    drop(root);
    assert_eq!(live[0].load(SeqCst), 0);
}

#[test]
fn a_million_tasks_in_a_row() {
    let top = (0..1_000_000).fold(delayed("first", || 0u64), |last, _| last.map("inc", |n| n + 1));
    assert_eq!(*top.compute().unwrap(), 1_000_000);
    drop(top);
}

/// The most memory that this process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

/// In a process of its own, as the others' memory would count.
#[cfg(target_os = "linux")]
#[test]
fn a_million_tasks_have_half_a_gigabyte() {
    const ALONE: &str = "PARTITA_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        let session = session(2);
        let leaves = (0..500_000).map(|n: u64| session.delayed("leaf", move || n));
        let sum = Delayed::tree_reduce("add", leaves, |a, b| a + b);
        assert_eq!(*sum.compute().unwrap(), 499_999 * 250_000);
        assert!(peak() < 500_000_000, "{} bytes", peak());
        return;
    }
    let name = "a_million_tasks_have_half_a_gigabyte";
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let told = alone.args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(String::from_utf8_lossy(&told.stdout).contains("1 passed"));
}

#[test]
fn frames_to_tables_and_back() {
    for (threads, bytes) in [(1, 100_000_000), (2, 30_000), (8, 30_000)] {
        let session = Session::builder().threads(threads).partition_size(bytes).build().unwrap();
        let df = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("v").gt(10));
        let expected = df.compute().unwrap();
        let tables = df.to_delayed().unwrap();
        assert_eq!(tables.len(), df.npartitions().unwrap());
        let partitions = compute_all(tables.clone()).unwrap();
        for (number, partition) in partitions.iter().enumerate() {
            assert_eq!(**partition, df.partition(number).compute().unwrap());
        }
        let last = tables.len() - 1;
        assert_eq!(tables[last].compute().unwrap(), partitions[last]);
        assert_eq!(Frame::from_delayed(df.schema().unwrap(), tables.clone()).compute().unwrap(), expected);

        // A task below several tables, and below the same frame twice, runs once a run.
        let calls = Arc::new(AtomicUsize::new(0));
        let shared = counted(&session, "shared", &calls);
        let tables = tables.iter().map(|table| table.zip(&shared).map("same", |(table, _)| table.clone()));
        let again = Frame::from_delayed(df.schema().unwrap(), tables);
        assert_eq!(again.npartitions().unwrap(), df.npartitions().unwrap());
        let (table, twice, _) =
            compute_all((&again, concat([again.clone(), again.clone()]).agg([size()]), &shared)).unwrap();
        assert_eq!(table, expected);
        assert_eq!(twice.column("size").unwrap().as_primitive::<Int64Type>().value(0), 2 * expected.num_rows() as i64);
        assert_eq!(calls.load(SeqCst), 1);
    }
}

#[test]
fn frames_of_other_tables_than_announced() {
    let table = |name: &'static str| {
        let batch = RecordBatch::try_from_iter([(name, Arc::new(Int64Array::from(vec![1, 2])) as _)]).unwrap();
        Table::new(batch.schema(), vec![batch]).unwrap()
    };
    let schema = table("a").schema().clone();
    let frame = |second| {
        Frame::from_delayed(schema.clone(), [delayed("one", move || table("a")), delayed("two", move || table(second))])
    };
    assert_eq!(frame("a").num_rows().unwrap(), 4);
    let error = frame("b").compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    let text = error.to_string();
    assert!(
        text.starts_with("delayed table 1 has the columns b Int64, where a Int64 were announced\n  in task 'two'\n"),
        "{text}"
    );
    let none = Frame::from_delayed(schema.clone(), []);
    assert_eq!((none.num_rows().unwrap(), none.schema().unwrap().field(0).name().as_str()), (0, "a"));
    let fails = try_delayed("fails", || Err::<Table, _>("no table"));
    let error = Frame::from_delayed(schema, [fails]).filter(col("a").gt(1)).compute().unwrap_err();
    assert_eq!(error.to_string(), "the closure failed: no table\n  in task 'fails'");
    // What is wrong in the frame comes out at once.
    assert_eq!(read_csv("no/such.csv").to_delayed().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_value_against_its_type_is_an_error_once_tasks_run() {
    // A text where no sample looks.
    let text = "a\n".to_owned() + &"1\n".repeat(20_000) + "x\n" + &"1\n".repeat(20_000);
    let df = Session::default().read_csv_with(Paths::bytes("t", text), CsvOptions::new().sample_size(1000));
    let calls = Arc::new(AtomicUsize::new(0));
    let counts = calls.clone();
    let rows = df.to_delayed().unwrap()[0].map("rows", move |table| {
        counts.fetch_add(1, SeqCst);
        table.num_rows()
    });
    assert!(rows.compute().is_err());
    assert_eq!(calls.load(SeqCst), 0);
    assert_eq!(df.distinct().num_rows().unwrap(), 2);
}

/// What a task of a random graph does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Add,
    Fail,
    Panic,
    Cancel,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![60 => Just(Does::Add), 1 => Just(Does::Fail), 1 => Just(Does::Panic), 1 => Just(Does::Cancel)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Each task that is needed runs once, after its inputs, and gives what a sequential evaluator gives; with errors, panics and
    /// cancellations, at most once, and what comes out is one of them.
    #[test]
    fn random_graphs(
        tasks in prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..4), does()), 1..50),
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        threads in prop::sample::select(&THREADS),
    ) {
        let session = session(threads);
        let calls: Arc<Vec<AtomicUsize>> = Arc::new((0..tasks.len()).map(|_| AtomicUsize::new(0)).collect());
        let (tell, told) = channel::<()>();
        let mut made: Vec<Delayed<u64>> = vec![];
        let mut inputs_of: Vec<Vec<usize>> = vec![];
        for (id, (inputs, does)) in tasks.iter().enumerate() {
            let inputs: Vec<usize> = if id == 0 { vec![] } else { inputs.iter().map(|i| i.index(id)).collect() };
            let (calls, does, tell) = (calls.clone(), *does, Mutex::new(tell.clone()));
            let work = move |inputs: &[u64]| {
                calls[id].fetch_add(1, SeqCst);
                match does {
                    Does::Add => Ok(inputs.iter().fold(id as u64, |a, b| a.wrapping_mul(31).wrapping_add(*b))),
                    Does::Fail => Err(Error::new(ErrorKind::Value, format!("failed {id}"))),
                    Does::Panic => panic!("panicked {id}"),
                    Does::Cancel => {
                        tell.lock().unwrap().send(()).unwrap();
                        until(|| checkpoint().is_err());
                        checkpoint().map(|()| 0)
                    }
                }
            };
            made.push(match inputs[..] {
                [] => session.try_delayed(id.to_string(), move || work(&[])),
                [a] => made[a].try_map(id.to_string(), move |a| work(&[*a])),
                [a, b] => made[a].zip(&made[b]).try_map(id.to_string(), move |(a, b)| work(&[*a, *b])),
                _ => {
                    let all = Delayed::all(inputs.iter().map(|&input| made[input].clone()));
                    all.try_map(id.to_string(), move |all| work(&all.iter().map(|value| **value).collect::<Vec<_>>()))
                }
            });
            inputs_of.push(inputs);
        }
        let wanted: Vec<usize> = wanted.iter().map(|i| i.index(tasks.len())).collect();

        let mut needed = vec![false; tasks.len()];
        wanted.iter().for_each(|&id| needed[id] = true);
        for id in (0..tasks.len()).rev() {
            if needed[id] {
                inputs_of[id].iter().for_each(|&input| needed[input] = true);
            }
        }
        // The sequential twin: a value where all below went well.
        let mut values: Vec<Option<u64>> = vec![];
        for (id, (_, does)) in tasks.iter().enumerate() {
            let inputs: Option<Vec<u64>> = inputs_of[id].iter().map(|&input| values[input]).collect();
            values.push(inputs.filter(|_| *does == Does::Add).map(|inputs| {
                inputs.iter().fold(id as u64, |a, b| a.wrapping_mul(31).wrapping_add(*b))
            }));
        }

        let running = session.submit(wanted.iter().map(|&id| &made[id]).collect::<Vec<_>>());
        while !running.is_finished() {
            if told.recv_timeout(Duration::from_millis(1)).is_ok() {
                running.cancel();
            }
        }
        let result = running.wait();
        let calls: Vec<usize> = calls.iter().map(|calls| calls.load(SeqCst)).collect();
        let expected: Option<Vec<u64>> = wanted.iter().map(|&id| values[id]).collect();
        match (result, expected) {
            (Ok(result), Some(expected)) => {
                prop_assert_eq!(result.iter().map(|value| **value).collect::<Vec<_>>(), expected);
                prop_assert_eq!(calls, needed.iter().map(|&needed| usize::from(needed)).collect::<Vec<_>>());
            }
            (Err(error), None) => {
                for (id, &calls) in calls.iter().enumerate() {
                    prop_assert!(calls <= usize::from(needed[id]), "task {} ran {} times", id, calls);
                    // What ran had its inputs.
                    prop_assert!(calls == 0 || inputs_of[id].iter().all(|&input| values[input].is_some()));
                }
                if error.kind() == ErrorKind::Cancelled {
                    prop_assert!(tasks.iter().zip(&calls).any(|((_, does), &calls)| *does == Does::Cancel && calls == 1));
                } else {
                    // The task that the error names is one that fails, and the last one named is one that was asked for.
                    let named = |step: &String| step["task '".len()..step.len() - 1].parse::<usize>().unwrap();
                    let culprit = named(&error.steps()[0]);
                    let kind = match tasks[culprit].1 { Does::Fail => ErrorKind::Value, _ => ErrorKind::Panic };
                    prop_assert_eq!((error.kind(), calls[culprit]), (kind, 1));
                    let blamed = error.message().ends_with(&format!("ed {culprit}"));
                    prop_assert!(blamed);
                    prop_assert!(wanted.contains(&named(error.steps().last().unwrap())));
                }
            }
            (result, expected) => prop_assert!(false, "{:?} in place of {:?}", result, expected),
        }
    }
}

#[test]
fn a_value_that_panics_as_it_is_dropped_takes_no_worker_along() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("boom");
            }
        }
    }
    let session = session(2);
    let result = catch_unwind(AssertUnwindSafe(|| session.delayed("g", || Grenade).map("n", |_| 1).compute()));
    // Whatever became of that run, it ended, and the session goes on.
    drop(result);
    assert_eq!(*session.delayed("x", || 2).compute().unwrap(), 2);
}
