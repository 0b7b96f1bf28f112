//! The parts of the benchmark suite that can be wrong quietly: how answers are compared, and how figures are worked out.
#![cfg(feature = "cli")]

#[allow(dead_code)]
#[path = "../benches/suite/answers.rs"]
mod answers;
#[allow(dead_code)]
#[path = "../benches/suite/floor.rs"]
mod floor;
#[allow(dead_code)]
#[path = "../benches/suite/measure.rs"]
mod measure;
#[allow(dead_code)]
#[path = "../benches/suite/report.rs"]
mod report;

use std::process::Command;

use answers::{Answer, Compare};
use insta::assert_snapshot;
use proptest::prelude::*;
use report::{FLOOR, Report, Run, median};

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
    assert_eq!(Answer::parse("x\nabc\n").unwrap_err(), "'abc' in the answer is not a number");
    assert!(Answer::parse("x,y\n1,2\n3\n").unwrap_err().starts_with("the answer is not CSV"));
}

#[test]
fn order_counts_where_the_query_orders() {
    let (a, b) = ("k,n\n10,1\n9,\n", "k,n\n9,\n10,1\n");
    assert_eq!(agree(Compare::AnyOrder, a, b), Ok(()));
    assert_snapshot!(agree(Compare::InOrder, a, b).unwrap_err(), @"k is 10 and 9 in row 1");
    assert_eq!(agree(Compare::Column("n"), "k,n\n1,7\n2,7\n", "k,n\n2,7\n1,7.0\n"), Ok(()));
    assert_snapshot!(agree(Compare::Column("n"), a, b).unwrap_err(), @"n is 1 and nothing in row 1");
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

#[test]
fn the_table_shows_medians_of_each_figure() {
    let run = |wall, cpu, peak, anon| Run { wall, cpu, peak, anon };
    let mut report = Report::new(2_000_000_000);
    for (wall, peak) in [(0.5, 8_000_000), (0.25, 9_000_000), (0.2, 7_000_000)] {
        report.add("Q1", FLOOR, run(wall, 0.4, peak, 1_000_000));
        report.add("Q1", "partita", run(wall * 4.0, 1.9, peak * 20, 100_000_000));
    }
    report.add("Q2", "partita", run(8.0, 15.0, 0, 0));
    assert_snapshot!(report, @"
    | query | engine  | wall s | CPU s | peak MB | anon MB | GB/s | × floor |
    |-------|---------|--------|-------|---------|---------|------|---------|
    | Q1    | floor   |   0.25 |  0.40 |       8 |       1 | 8.00 |     1.0 |
    | Q1    | partita |   1.00 |  1.90 |     160 |     100 | 2.00 |     4.0 |
    | Q2    | partita |   8.00 | 15.00 |       0 |       0 | 0.25 |     NaN |
    ");
    let json = report.json(&serde_json::json!({"threads": 2}));
    assert_eq!(json["setting"]["threads"], 2);
    let partita = &json["results"][1];
    assert_eq!((partita["query"].as_str(), partita["engine"].as_str()), (Some("Q1"), Some("partita")));
    assert_eq!(
        partita["median"],
        serde_json::json!({"wall": 1.0, "cpu": 1.9, "peak": 160_000_000, "anon": 100_000_000})
    );
    assert_eq!((&partita["bytes_per_second"], &partita["to_floor"]), (&2e9.into(), &4.0.into()));
    assert_eq!(partita["runs"][0]["wall"], 2.0);
    assert_eq!(partita["runs"].as_array().unwrap().len(), 3);
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
    let (run, text) = measure::run(Command::new("sh").args(["-c", "sh -c \"$0\"; true", child])).unwrap();
    assert_eq!(text, "30000000\n");
    assert!(run.wall >= 0.2 && run.wall < 60.0, "{run:?}");
    assert!(run.cpu >= 0.01 && run.cpu < 60.0, "{run:?}");
    assert!(run.anon >= 30_000_000 && run.peak >= run.anon && run.peak < 400_000_000, "{run:?}");
    let error = measure::run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
    assert_eq!(error.to_string(), "ended with exit status: 3");
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
