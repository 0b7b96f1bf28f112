//! The parts of the benchmark suite that can be wrong quietly: how answers are compared, and how figures are worked out.
#![cfg(feature = "cli")]

#[allow(dead_code)]
#[path = "../benches/suite/answers.rs"]
mod answers;
#[allow(dead_code)]
#[path = "../benches/suite/cap.rs"]
mod cap;
#[allow(dead_code)]
#[path = "../benches/suite/floor.rs"]
mod floor;
#[allow(dead_code)]
#[path = "../benches/suite/measure.rs"]
mod measure;
#[allow(dead_code)]
#[path = "../benches/suite/ratios.rs"]
mod ratios;
#[allow(dead_code)]
#[path = "../benches/suite/report.rs"]
mod report;

use std::process::Command;
use std::time::Duration;

use answers::{Answer, Compare};
use cap::Cap;
use insta::assert_snapshot;
use measure::Limits;
use proptest::prelude::*;
use report::{FLOOR, Key, Report, Run, Setting, median};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn agree(compare: Compare, a: &str, b: &str) -> std::result::Result<(), String> {
    compare.agree(&Answer::parse(a).unwrap(), &Answer::parse(b).unwrap())
}

#[test]
fn answers_agree_to_nine_digits() {
    let agrees = |a: &str, b: &str| agree(Compare::InOrder, &format!("x\n{a}\n"), &format!("x\n{b}\n")).is_ok();
    assert!(agrees("1", "1"));
    assert!(agrees("1.0", "1"));
    assert!(agrees("1e300", "1.0000000009e300"));
    assert!(agrees("-3.5", "-3.500000003"));
    assert!(agrees("nan", "NaN"));
    assert!(agrees("inf", "inf"));
    assert!(agrees("0.0", "-0.0"));
    assert!(agrees("\"\"", "\"\""));
    assert!(!agrees("1.0", "1.000000002"));
    assert!(!agrees("1e-300", "1.000000002e-300"));
    assert!(!agrees("0.0", "1e-300"));
    assert!(!agrees("3.5", "-3.5"));
    assert!(!agrees("inf", "-inf"));
    assert!(!agrees("inf", "1e308"));
    assert!(!agrees("nan", "1.0"));
    assert!(!agrees("\"\"", "0"));
    assert!(!agrees("\"\"", "nan"));
    // Whole numbers are counts and codes: no digit may differ.
    assert!(!agrees("5000000001", "5000000002"));
    assert!(agrees("abc", "abc"));
    assert!(!agrees("abc", "abd"));
    assert!(!agrees("abc", "\"\""));
    assert!(!agrees("abc", "1"));
    assert!(Answer::parse("x,y\n1,2\n3\n").unwrap_err().starts_with("the answer is not CSV"));
}

#[test]
fn order_counts_where_the_query_orders() {
    let (a, b) = ("k,n\n10,1\n9,\n", "k,n\n9,\n10,1\n");
    assert_eq!(agree(Compare::AnyOrder, a, b), Ok(()));
    assert_snapshot!(agree(Compare::InOrder, a, b).unwrap_err(), @"k is 10 and 9 in row 1");
    assert_eq!(agree(Compare::Column("n"), "k,n\n1,7\n2,7\n", "k,n\n2,7\n1,7.0\n"), Ok(()));
    assert_snapshot!(agree(Compare::Column("n"), a, b).unwrap_err(), @"n is 1 and nothing in row 1");
    let (a, b) = ("name,n\nPeru,1\nChad,2\n,3\n", "name,n\n,3\nChad,2\nPeru,1.5\n");
    assert_snapshot!(agree(Compare::AnyOrder, a, b).unwrap_err(), @"n is 1 and 1.5 where name = 'Peru'");
}

#[test]
fn disagreement_says_where() {
    let a = "k,n\n10,1\n9,2.5\n";
    assert_snapshot!(agree(Compare::AnyOrder, a, "k,n\n9,2.75\n10,1\n").unwrap_err(), @"n is 2.5 and 2.75 where k = 9");
    assert_snapshot!(agree(Compare::AnyOrder, a, "k,m\n10,1\n9,2.5\n").unwrap_err(), @"the columns are k,n and k,m");
    assert_snapshot!(agree(Compare::AnyOrder, a, "k,n\n10,1\n").unwrap_err(), @"2 and 1 rows");
}

#[test]
fn medians_are_of_the_middle() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![4.0, 1.0, 2.0, 30.0]), 3.0);
    assert_eq!(median(vec![5.0]), 5.0);
    assert!(median(vec![]).is_nan());
}

const FREE: Setting = Setting { rows: 1000, threads: 2, cap: None, missing: 0, loaded: false };

fn key(query: &'static str, name: &'static str, setting: Setting) -> Key {
    Key { query, setting, name, engine: name.trim_end_matches(char::is_numeric) }
}

fn figures(wall: f64) -> Run {
    Run { wall, cpu: 0.4, peak: 20_000_000, anon: 1_000_000, spilled: None }
}

#[test]
fn the_table_shows_medians_of_each_figure() {
    let mut report = Report::default();
    for (wall, peak) in [(0.5, 8_000_000), (0.25, 9_000_000), (0.2, 7_000_000)] {
        report.add(&key("Q1", FLOOR, FREE), 2_000_000_000, Run { peak, ..figures(wall) });
        let run = Run { wall: wall * 4.0, cpu: 1.9, peak: peak * 20, anon: 100_000_000, spilled: Some(3_000_000) };
        report.add(&key("Q1", "partita", FREE), 2_000_000_000, run);
    }
    report.add(&key("Q2", "partita", FREE), 1000, figures(8.0));
    report.fail(&key("Q2", "partita", FREE), 1000, "killed: out of memory".to_owned());
    // One that has failed stays so.
    report.add(&key("Q2", "partita", FREE), 1000, figures(8.0));
    assert!(report.has_failed(&key("Q2", "partita", FREE)) && !report.has_failed(&key("Q1", "partita", FREE)));
    assert_snapshot!(report, @"
    | query | engine  | wall s | CPU s | peak MB | anon MB | spilled MB | GB/s | × floor |                       |
    |-------|---------|--------|-------|---------|---------|------------|------|---------|-----------------------|
    | Q1    | floor   |   0.25 |  0.40 |       8 |       1 |            | 8.00 |     1.0 |                       |
    | Q1    | partita |   1.00 |  1.90 |     160 |     100 |          3 | 2.00 |     4.0 |                       |
    | Q2    | partita |        |       |         |         |            |      |         | killed: out of memory |
    ");
    let json = report.json(&serde_json::json!({"machine": "this"}));
    assert_eq!(json["setting"]["machine"], "this");
    let partita = &json["results"][1];
    assert_eq!((partita["query"].as_str(), partita["engine"].as_str()), (Some("Q1"), Some("partita")));
    let median = serde_json::json!({
        "wall": 1.0, "cpu": 1.9, "peak": 160_000_000, "anon": 100_000_000, "spilled": 3_000_000
    });
    assert_eq!(partita["median"], median);
    assert_eq!((&partita["bytes"], &partita["to_floor"]), (&2_000_000_000.into(), &4.0.into()));
    assert_eq!(partita["runs"][0]["wall"], 2.0);
    assert_eq!(partita["runs"].as_array().unwrap().len(), 3);
    assert_eq!(json["results"][2]["failed"], "killed: out of memory");
}

#[test]
fn ratios_are_to_the_fastest_other_in_the_same_setting() {
    let mut report = Report::default();
    let capped = Setting { cap: Some(512_000_000), ..FREE };
    let one = Setting { threads: 1, ..FREE };
    let ten = Setting { rows: 10_000, ..FREE };
    for (name, setting, wall) in [
        (FLOOR, FREE, 0.01),
        ("partita", FREE, 1.0),
        ("duckdb", FREE, 4.0),
        ("polars", FREE, 2.0),
        // The fastest is none of those to compare with.
        ("dask", FREE, 0.5),
        ("partita", capped, 2.0),
        ("duckdb50", capped, 10.0),
        ("duckdb80", capped, 8.0),
        ("partita", one, 1.9),
        ("partita", ten, 12.0),
    ] {
        report.add(&key("Q1", name, setting), 1000, figures(wall));
    }
    report.fail(&key("Q1", "polars", capped), 1000, "killed: out of memory".to_owned());
    report.fail(&key("Q7", "partita", FREE), 1000, "killed: out of memory".to_owned());
    report.add(&key("Q7", "datafusion", FREE), 1000, figures(1.0));
    assert_snapshot!(ratios::against_others(&report).unwrap(), @"
    | query | cap MB | partita s | fastest other | its s | ratio | to reach | peak ratio |
    |-------|--------|-----------|---------------|-------|-------|----------|------------|
    | Q1    | none   | 1.00      | polars        |  2.00 |  0.50 |     0.15 |       1.00 |
    | Q1    | 512    | 2.00      | duckdb80      |  8.00 |  0.25 |     0.50 |       1.00 |
    | Q7    | none   | failed    | datafusion    |  1.00 |       |     0.40 |            |
    ");
    assert_snapshot!(ratios::between_settings(&report).unwrap(), @"
    | query | engine   | threads | cap MB | change                 | times | to reach     |
    |-------|----------|---------|--------|------------------------|-------|--------------|
    | Q1    | partita  |       2 | none   | rows × 10, longer      | 12.00 | at most 11.5 |
    | Q1    | partita  |       2 | 512    | capped over free       |  2.00 | at most 2.5  |
    | Q1    | duckdb50 |       2 | 512    | capped over free       |  2.50 |              |
    | Q1    | duckdb80 |       2 | 512    | capped over free       |  2.00 |              |
    | Q1    | partita  |       1 | none   | 1 to 2 threads, faster |  1.90 | at least 1.8 |
    ");
    assert!(ratios::between_settings(&Report::default()).is_none());

    // On loaded tables, only those count that have tables of their own.
    let mut report = Report::default();
    let loaded = Setting { missing: 5, loaded: true, ..FREE };
    for (name, wall) in [("partita", 2.0), ("datafusion", 1.0), ("polars", 4.0)] {
        report.add(&key("G1", name, loaded), 1000, figures(wall));
    }
    assert_snapshot!(ratios::against_others(&report).unwrap(), @"
    | query | partita s | fastest other | its s | ratio | to reach | peak ratio |
    |-------|-----------|---------------|-------|-------|----------|------------|
    | G1    |      2.00 | polars        |  4.00 |  0.50 |     1.00 |       1.00 |
    ");
}

#[test]
fn failures_are_told_in_a_line() {
    let message = |errors| measure::message(errors);
    assert_eq!(message("suite: spilled 3\n"), None);
    assert_eq!(message("suite: spilled 3\nerror: there is no memory\n  help: more\n").unwrap(), "there is no memory");
    let python = "Traceback (most recent call last):\n  File \"a\", line 1\nKeyError: 1\n\nDuring handling:\n\n\
        Traceback (most recent call last):\n  File \"b\", line 2\n    ^^^\nduckdb.OutOfMemoryException: no more\n\nPossible solutions:\n";
    assert_eq!(message(python).unwrap(), "duckdb.OutOfMemoryException: no more");
    assert_eq!(message(&"x".repeat(500)).unwrap().chars().count(), 91);
}

#[test]
fn times_are_read_when_a_process_has_ended() {
    let stat = |state| format!("42 (a) R (b) {state} 1 42 42 0 -1 4 100 200 3 4 150 25 1000 7 20 0 1 0 99 0 0");
    assert_eq!(measure::cpu_if_ended(&stat("Z")), Some(11.82));
    assert_eq!(measure::cpu_if_ended(&stat("R")), None);
    assert_eq!(measure::cpu_if_ended("42 (a) Z 1"), None);
}

#[test]
fn memory_is_read_in_bytes() {
    let status = "Name:\tVmHWM:\nVmPeak:\t  900 kB\nVmHWM:\t   12 kB\nRssAnon:\t    3 kB\n";
    assert_eq!(measure::bytes_of(status, "VmHWM:"), 12 * 1024);
    assert_eq!(measure::bytes_of(status, "RssAnon:"), 3 * 1024);
    assert_eq!(measure::bytes_of(status, "VmSwap:"), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn figures_are_of_the_whole_tree() {
    // A shell whose child fills 30 MB, holds them for long enough to be seen, and works for some time.
    let child = "x=$(head -c 30000000 /dev/zero | tr '\\0' 'x'); sleep 0.2; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo ${#x}";
    let (run, text) =
        measure::run(Command::new("sh").args(["-c", "sh -c \"$0\"; true", child]), &Limits::default()).unwrap();
    assert_eq!(text, "30000000\n");
    assert!(run.wall >= 0.2 && run.wall < 60.0, "{run:?}");
    assert!(run.cpu >= 0.01 && run.cpu < 60.0, "{run:?}");
    assert!(run.anon >= 30_000_000 && run.peak >= run.anon && run.peak < 400_000_000, "{run:?}");
    let failure = |script: &str| measure::run(Command::new("sh").args(["-c", script]), &Limits::default()).unwrap_err();
    assert_eq!(failure("exit 3").to_string(), "ended with exit status: 3");
    assert_eq!(failure("echo no room >&2; exit 3").to_string(), "failed: no room");
    assert_eq!(failure("echo Out of Memory >&2; exit 3").to_string(), "out of memory: Out of Memory");
}

#[test]
#[cfg(target_os = "linux")]
fn processes_tell_what_cannot_be_seen() {
    let notes = "sleep 0.1; echo 'suite: seconds 0.5' >&2; echo 'suite: spilled 77' >&2; echo done";
    let (run, text) = measure::run(Command::new("sh").args(["-c", notes]), &Limits::default()).unwrap();
    assert_eq!((run.wall, run.spilled, text.as_str()), (0.5, Some(77), "done\n"));
}

/// Fills 60 MB in a child, which holds them until it is ended.
#[cfg(target_os = "linux")]
const GREEDY: &str = "sh -c \"x=\\$(head -c 60000000 /dev/zero | tr '\\\\0' 'x'); sleep 20; echo \\${#x}\"; true";

#[test]
#[cfg(target_os = "linux")]
fn a_process_beyond_its_limits_is_ended() {
    let started = std::time::Instant::now();
    let end = |cap: Option<&Cap>, time| {
        let limits = Limits { cap, time };
        measure::run(Command::new("sh").args(["-c", GREEDY]), &limits).unwrap_err().to_string()
    };
    assert_eq!(end(Some(&Cap::by_sampling(20_000_000)), None), "killed: out of memory");
    assert_eq!(end(None, Some(Duration::from_millis(300))), "stopped after 0 s");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let enough = Cap::by_sampling(400_000_000);
    let limits = Limits { cap: Some(&enough), time: None };
    let quick = GREEDY.replace("sleep 20", "sleep 0.1");
    assert_eq!(measure::run(Command::new("sh").args(["-c", &quick]), &limits).unwrap().1, "60000000\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_cgroup_keeps_the_cap() {
    let cap = Cap::new(20_000_000);
    if cap.is_sampled() {
        println!("skipped: no memory cgroup can be made here");
        return;
    }
    let limits = Limits { cap: Some(&cap), time: None };
    let quick = GREEDY.replace("sleep 20", "sleep 0.1");
    let greedy = measure::run(Command::new("sh").args(["-c", &quick]), &limits).unwrap_err();
    assert_eq!(greedy.to_string(), "killed: out of memory");
    assert!(cap.means().starts_with("a memory cgroup"));
    // The next process is not blamed for it.
    let (_, text) = measure::run(Command::new("sh").args(["-c", "echo $HOME"]).env("HOME", "here"), &limits).unwrap();
    assert_eq!(text, "here\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn newlines_are_counted(lines in prop::collection::vec(0usize..300, 0..200), rest in 0usize..9000) {
        let mut bytes = Vec::new();
        for &length in &lines {
            bytes.resize(bytes.len() + length, b'x');
            bytes.push(b'\n');
        }
        bytes.resize(bytes.len() + rest, b'y');
        prop_assert_eq!(floor::newlines(&bytes), lines.len() as u64);
    }
}

#[test]
fn counters_do_not_overflow() {
    assert_eq!(floor::newlines(&[b'\n'; 255 * 64 * 3 + 7]), 255 * 64 * 3 + 7);
}
