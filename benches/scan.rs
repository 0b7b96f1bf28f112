//! The scan alone: rows counted, one column, all columns.
//!
//! `cargo bench --bench scan` measures bytes per second. `cargo bench --bench scan -- --instructions` counts instructions a row, which
//! on a noisy machine tell what time does not, and shows them beside those in `benches/instructions.csv`; with `--keep` these are
//! replaced. Valgrind counts, with its tool callgrind; it has no AVX-512, so that these are the kernels of machines without. What
//! opening the file takes is left out: counted is what as many rows more take.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group};
use partita::prelude::*;

/// Where counts are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.csv");

/// So many rows more are counted.
const COUNTED_ROWS: u64 = 100_000;

/// Rows like BACI's, written once.
fn input(rows: u64) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("scan-{rows}.csv"));
    if !path.exists() {
        let mut text = "t,i,j,k,v,q\n".to_owned();
        for n in 0..rows {
            // The multiplications only scatter the digits.
            let (v, q) = (n * 7919 % 1_000_003, n * 104_729 % 100_003);
            let (i, j, k) = (n / 5000, n * 31 % 225 * 4, 10_121 + n * 97 % 960_479);
            // Writing to a String can't fail.
            let _ = writeln!(text, "2018,{i},{j},{k},{}.{:03},{}.{:03}", v / 100, v % 1000, q / 10, q % 1000);
        }
        let partial = dir.join("scan.partial");
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, &path))
            .expect("the target folder is ours to write");
    }
    path
}

/// What is asked of a file.
fn queries(path: &Path) -> [(&'static str, Frame); 4] {
    let session = Session::builder().threads(1).build().expect("one thread is a valid setting");
    let df = session.read_csv(path);
    let columns = ["t", "i", "j", "k", "v", "q"];
    [
        ("rows counted", df.agg([size()])),
        ("one column", df.agg([col("k").max()])),
        ("filter that nothing passes", df.filter(col("t").eq(1)).agg([col("q").max()])),
        ("all columns", df.agg(columns.map(|name| col(name).max()))),
    ]
}

fn scan(c: &mut Criterion) {
    let path = input(1_000_000);
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Bytes(std::fs::metadata(&path).expect("just written").len())).sample_size(20);
    for (name, query) in queries(&path) {
        group.bench_function(name, |b| b.iter(|| query.compute().expect("the input is whole")));
    }
    group.finish();
}

/// The instructions of a process of this program that asks one thing of a file.
fn instructions(name: &str, path: &Path) -> Result<u64, Box<dyn Error>> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--once", name])
        .arg(path)
        .output()
        .map_err(|error| format!("valgrind does not run: {error}; it counts the instructions"))?;
    let told = String::from_utf8_lossy(&run.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.filter(|_| run.status.success()).ok_or_else(|| format!("valgrind failed:\n{told}").into())
}

/// Counts the instructions a row of every query, and compares them with those that are kept.
fn count(keep: bool) -> Result<(), Box<dyn Error>> {
    let (few, more) = (input(COUNTED_ROWS), input(2 * COUNTED_ROWS));
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let mut csv = "query,instructions a row\n".to_owned();
    println!("{:<28} {:>18} {:>8} {:>7}", "query", "instructions a row", "kept", "ratio");
    for (name, _) in queries(&few) {
        let counted = instructions(name, &more)?.saturating_sub(instructions(name, &few)?);
        let a_row = counted as f64 / COUNTED_ROWS as f64;
        let before = kept.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(',')?.parse::<f64>().ok());
        let [before, ratio] = match before {
            Some(before) => [format!("{before:.1}"), format!("{:.3}", a_row / before)],
            None => [String::new(), String::new()],
        };
        println!("{name:<28} {a_row:>18.1} {before:>8} {ratio:>7}");
        writeln!(csv, "{name},{a_row:.1}")?;
    }
    if keep {
        std::fs::write(KEPT, csv)?;
    }
    Ok(())
}

criterion_group!(benches, scan);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if let [_, once, name, path] = &args[..]
        && once == "--once"
    {
        let asked = queries(Path::new(path)).into_iter().find(|(other, _)| other == name);
        asked.ok_or("no such query")?.1.compute()?;
        return Ok(());
    }
    if has("--instructions") {
        return count(has("--keep"));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    Ok(())
}
