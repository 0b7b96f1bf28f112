//! Throughput of the scan in bytes per second: rows counted, one column, all columns. `cargo bench --bench scan`

use std::fmt::Write as _;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use partita::prelude::*;

/// A million rows like BACI's, written once.
fn input() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join("scan.csv");
    if !path.exists() {
        let mut text = "t,i,j,k,v,q\n".to_owned();
        for n in 0..1_000_000u64 {
            // The multiplications only scatter the digits.
            let (v, q) = (n * 7919 % 1_000_003, n * 104_729 % 100_003);
            let (i, j, k) = (n / 5000, n * 31 % 225 * 4, 10_121 + n * 97 % 960_479);
            // Writing to a String can't fail.
            let _ = writeln!(text, "2018,{i},{j},{k},{}.{:03},{}.{:03}", v / 100, v % 1000, q / 10, q % 1000);
        }
        let partial = dir.join("scan.partial");
        std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &path)).expect("the target folder is ours to write");
    }
    path
}

fn scan(c: &mut Criterion) {
    let path = input();
    let session = Session::builder().threads(1).build().expect("one thread is a valid setting");
    let df = session.read_csv(&path);
    let columns = ["t", "i", "j", "k", "v", "q"];
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Bytes(std::fs::metadata(&path).expect("just written").len())).sample_size(20);
    for (name, query) in [
        ("rows counted", df.agg([size()])),
        ("one column", df.agg([col("k").max()])),
        ("filter that nothing passes", df.filter(col("t").eq(1)).agg([col("q").max()])),
        ("all columns", df.agg(columns.map(|name| col(name).max()))),
    ] {
        group.bench_function(name, |b| b.iter(|| query.compute().expect("the input is whole")));
    }
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
