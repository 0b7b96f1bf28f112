//! What a tiny task costs beside its work: `cargo bench --bench delayed`
//!
//! First ten million tasks, as ten graphs of a million, with the most memory that the process took; then criterion's figures.

use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use partita::prelude::*;

const TASKS: usize = 1 << 17;

/// Tasks that take nothing, and a tree over them.
fn tree(session: &Session, leaves: usize) -> Delayed<usize> {
    Delayed::tree_reduce("add", (0..leaves).map(|n| session.delayed("leaf", move || n)), |a, b| a + b)
}

/// Tasks in a row.
fn chain(session: &Session, tasks: usize) -> Delayed<usize> {
    (1..tasks).fold(session.delayed("first", || 0), |last, _| last.map("inc", |n| n + 1))
}

/// The most memory that the process ever had, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn ten_million() {
    let session = Session::default();
    for graph in 1..=10 {
        let begun = Instant::now();
        let sum = tree(&session, 500_000);
        let built = begun.elapsed();
        sum.compute().expect("adding works");
        println!(
            "graph {graph} of 999,999 tasks: built in {:.3} µs a task, run in {:.3} µs a task; peak of the process {:.0} MB",
            built.as_secs_f64(),
            (begun.elapsed() - built).as_secs_f64(),
            peak().unwrap_or(0) as f64 / 1e6
        );
    }
}

fn delayed(c: &mut Criterion) {
    for threads in [1, 2] {
        let session = Session::builder().threads(threads).build().expect("a valid setting");
        let mut group = c.benchmark_group(format!("tiny tasks, {threads} threads"));
        group.throughput(Throughput::Elements(TASKS as u64)).sample_size(10);
        type Make = fn(&Session, usize) -> Delayed<usize>;
        for (name, make, size) in [("tree", tree as Make, TASKS / 2), ("chain", chain as Make, TASKS)] {
            let run = |graph: Delayed<usize>| graph.compute().expect("adding works");
            group.bench_function(name, |b| b.iter_batched(|| make(&session, size), run, BatchSize::PerIteration));
        }
        group.finish();
    }
}

criterion_group!(benches, delayed);

fn main() {
    ten_million();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
