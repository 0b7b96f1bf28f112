//! What runs tell of themselves: events, the `Stats` observer, `partita sql --stats`; and results larger than memory, printed.

mod common;

use std::fmt::Write;
use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;

use common::Files;
use partita::Stats;
use partita::prelude::*;

const EXE: &str = env!("CARGO_BIN_EXE_partita");

const ROWS: u64 = 600_000;

/// About 30 MB, with keys in no order.
fn numbers() -> Files {
    let mut csv = String::from("id,k,s\n");
    let mut x = 1u64;
    for id in 0..ROWS {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(csv, "{id},{},the text {x:016x} of {}", x >> 40, id % 10).unwrap();
    }
    Files::new(&[("numbers.csv", csv.as_bytes())])
}

#[test]
fn a_session_counts_what_its_runs_take() {
    let (files, spill) = (numbers(), tempfile::tempdir().unwrap());
    let path = files.path("numbers.csv");
    let bytes = fs::metadata(&path).unwrap().len();
    for threads in [1, 2] {
        let stats = Arc::new(Stats::new());
        let session = Session::builder().threads(threads).memory(16 << 20).partition_size(4 << 20);
        let session = session.spill_dir(spill.path()).observer(stats.clone()).build().unwrap();
        let df = session.read_csv(&path);
        assert_eq!(df.filter(col("id").lt(10)).compute().unwrap().num_rows(), 10);
        // The header is no row, and what lies behind the last cut is read with the partition before it.
        assert_eq!(stats.rows_read(), ROWS);
        assert!((bytes - 100..=bytes).contains(&stats.bytes_read()), "{} of {bytes}", stats.bytes_read());
        assert_eq!((stats.spilled(), stats.limit()), (0, 16 << 20));
        let scan = stats.peak();
        assert!(scan > 100_000 && scan < 8 << 20, "{scan}");

        // Larger than memory on the way, and kept on disk as they are.
        let kept = df.sort(["k"]).persist().unwrap();
        let names: Vec<&str> = stats.spilled_by().iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"rows to sort") && names.contains(&"rows to persist"), "{names:?}");
        assert_eq!(stats.spilled(), stats.spilled_by().iter().map(|(_, bytes)| bytes).sum::<u64>());
        assert!(stats.spilled() > 20_000_000, "{stats}");
        assert!(stats.peak() > scan && stats.peak() <= stats.limit(), "{stats}");
        assert!(stats.busy().iter().any(|(kind, seconds)| kind == "scan → sort" && *seconds > 0.0), "{stats}");
        assert_eq!(stats.rows_read(), 2 * ROWS);
        // Kept rows are read as well.
        kept.agg([size()]).compute().unwrap();
        assert_eq!(stats.rows_read(), 3 * ROWS);
    }
}

/// What a scan holds does not depend on how much there is to read.
#[test]
fn a_longer_file_takes_no_more_memory() {
    let peak = |rows: u64| {
        let mut csv = String::from("id,s\n");
        (0..rows).for_each(|id| writeln!(csv, "{},the text of row {:09}", 1_000_000_000 + id, id % 1000).unwrap());
        let files = Files::new(&[("rows.csv", csv.as_bytes())]);
        let stats = Arc::new(Stats::new());
        let session = Session::builder().threads(1).partition_size(1 << 20).observer(stats.clone()).build().unwrap();
        let df = session.read_csv(files.path("rows.csv"));
        df.filter(col("id").ne(5)).agg([size(), col("s").max()]).compute().unwrap();
        assert_eq!(stats.rows_read(), rows);
        stats.peak()
    };
    let (short, long) = (peak(200_000), peak(2_000_000));
    // More partitions have some more states, of a few bytes, that wait to be merged.
    assert!(long <= short + short / 50, "{short} bytes for 7 MB, {long} for 70 MB");
}

#[test]
fn results_larger_than_memory_are_printed() {
    let (files, spill) = (numbers(), tempfile::tempdir().unwrap());
    let path = files.path("numbers.csv");
    let partita = |options: &[&str], query: &str| {
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(EXE);
        command.args(["sql", query, "--memory", "16MiB", "--partition-size", "4MB", "--spill-dir"]).arg(spill.path());
        let output = command.args(options).stdout(File::create(out.path()).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read_dir(spill.path()).unwrap().next().is_none());
        (fs::read_to_string(out.path()).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let from = format!("FROM '{}'", path.display());
    let (csv, stats) = partita(&["--format", "csv", "--stats"], &format!("SELECT * {from}"));
    assert!(csv == fs::read_to_string(&path).unwrap(), "not the rows of the file");
    let lines: Vec<&str> = stats.lines().collect();
    assert_eq!(lines[0], "given        600,000 rows");
    assert!(lines[1].starts_with("read         600,000 rows, 2"), "{stats}");
    assert!(lines[2].starts_with("spilled      ") && lines[2].ends_with(" MB: rows to persist"), "{stats}");
    assert!(lines[3].starts_with("peak memory  ") && lines[3].ends_with(" of 16.8 MB"), "{stats}");
    assert!(lines[4].starts_with("time ") && lines[5].contains("scan → persist (7 tasks)"), "{stats}");

    let (json, stats) = partita(&["--format", "json"], &format!("SELECT id, s {from}"));
    assert_eq!(json.lines().count() as u64, ROWS + 2);
    assert_eq!(stats, "");
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[12345]["id"], 12345);

    let (sorted, stats) = partita(&["--stats"], &format!("SELECT k, id {from} ORDER BY id DESC"));
    assert!(sorted.ends_with("600,000 rows × 2 columns\n"), "{sorted}");
    assert_eq!(sorted.lines().count(), 4 + 41 + 1 + 1);
    assert!(sorted.contains(" 599999 │") && sorted.contains("      0 │"), "{sorted}");
    assert!(stats.contains(": rows to sort\n"), "{stats}");
}
