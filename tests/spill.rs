//! What is larger than memory goes to disk: answers and order as without, nothing left behind, errors that say what to do.

mod common;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use common::{Files, Spilled};
use partita::SessionBuilder;
use partita::prelude::*;

/// Half a million rows, about 25 MB: numbers with ties and gaps, text that does not compress away.
fn numbers() -> Files {
    let mut csv = String::from("id,k,v,s\n");
    let mut x = 1u64;
    for id in 0..500_000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let k = if x >> 60 == 0 { String::new() } else { (x >> 40 & 0xfff).to_string() };
        writeln!(csv, "{id},{k},{}.25,the text {:016x} of {}", x >> 33 & 0xffff, x, id % 10).unwrap();
    }
    Files::new(&[("numbers.csv", csv.as_bytes())])
}

fn small(directory: &Path, watch: &Arc<Spilled>) -> SessionBuilder {
    let builder = Session::builder().threads(2).memory(16 << 20).partition_size(1 << 20);
    builder.spill_dir(directory).observer(watch.clone())
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// All rows of a stream as one table.
fn streamed(df: &Frame) -> Table {
    Table::from_reader(df.stream().unwrap()).unwrap()
}

#[test]
fn sorts_larger_than_memory() {
    let (files, directory, watch) = (numbers(), tempfile::tempdir().unwrap(), Arc::new(Spilled::default()));
    let limited = small(directory.path(), &watch).build().unwrap();
    let free = Session::builder().threads(2).build().unwrap();
    for keys in [vec![col("k").desc(), col("v").asc()], vec![col("s").asc().nulls_first()], vec![col("k").asc()]] {
        let want = free.read_csv(files.path("numbers.csv")).sort(keys.clone()).compute().unwrap();
        assert!(streamed(&limited.read_csv(files.path("numbers.csv")).sort(keys)) == want);
        assert!(watch.take() > 0);
    }
    let sorted = limited.read_csv(files.path("numbers.csv")).sort(["v"]);
    let error = sorted.compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    for way in ["write_parquet", "persist()", "stream()"] {
        assert!(error.to_string().contains(way), "{error}");
    }
    // What is cut after the sort fits again, and a limit that is too large to hold is sorted as all rows are.
    let want = free.read_csv(files.path("numbers.csv")).sort(["v"]).slice(200_000, 300_000);
    let got = limited.read_csv(files.path("numbers.csv")).sort(["v"]).slice(200_000, 300_000);
    assert!(streamed(&got) == want.compute().unwrap());
    assert!(is_empty(directory.path()));
}

#[test]
fn results_larger_than_memory_are_written() {
    let (files, directory, watch) = (numbers(), tempfile::tempdir().unwrap(), Arc::new(Spilled::default()));
    let out = tempfile::tempdir().unwrap();
    let limited = small(directory.path(), &watch).build().unwrap();
    let free = Session::builder().threads(2).build().unwrap();
    let all = limited.read_csv(files.path("numbers.csv"));
    let want = free.read_csv(files.path("numbers.csv")).sort(["k", "v"]);

    all.sort(["k", "v"]).write_parquet(out.path().join("sorted.parquet")).unwrap();
    assert!(watch.take() > 0);
    assert!(free.read_parquet(out.path().join("sorted.parquet")).compute().unwrap() == want.compute().unwrap());

    // All rows pass through one partition on the way.
    all.repartition(3).write_csv(out.path().join("rows.csv")).unwrap();
    assert!(watch.take() > 0);
    let again = free.read_csv(out.path().join("rows.csv")).compute().unwrap();
    assert!(again == free.read_csv(files.path("numbers.csv")).compute().unwrap());

    let kept = all.filter(col("v").gt(10)).persist().unwrap();
    assert!(streamed(&kept.sort(["k", "v"])) == want.filter(col("v").gt(10)).compute().unwrap());
    drop(kept);
    assert!(is_empty(directory.path()));
}

#[test]
fn stages_pass_on_more_than_memory_holds() {
    let (files, directory, watch) = (numbers(), tempfile::tempdir().unwrap(), Arc::new(Spilled::default()));
    let limited = small(directory.path(), &watch).build().unwrap();
    let free = Session::builder().threads(2).partition_size(1 << 20).build().unwrap();
    for steps in [
        |df: Frame| df.repartition_by(["k"], 5),
        |df: Frame| df.map_partitions(|batch| Ok::<_, Error>(batch.slice(0, batch.num_rows() - batch.num_rows() / 3))),
        |df: Frame| df.with_column("n", col("v").cumsum()),
    ] {
        let want = steps(free.read_csv(files.path("numbers.csv"))).compute().unwrap();
        assert!(streamed(&steps(limited.read_csv(files.path("numbers.csv")))) == want);
        assert!(is_empty(directory.path()));
    }
}

#[test]
fn a_spill_that_cannot_be_says_why() {
    let (files, watch) = (numbers(), Arc::new(Spilled::default()));
    let directory = tempfile::tempdir().unwrap();
    let failed = |session: Session| {
        let sorted = session.read_csv(files.path("numbers.csv")).sort(["v"]);
        let written = sorted.write_csv(directory.path().join("never.csv")).unwrap_err();
        assert_eq!(written.kind(), ErrorKind::Io);
        assert!(is_empty(directory.path()));
        written.to_string()
    };
    let error = failed(small(directory.path(), &watch).spill_limit(1_000_000).build().unwrap());
    assert!(error.contains("the limit is 1.00 MB") && error.contains("raise the spill limit"), "{error}");
    let error = failed(small(Path::new("/no/such/directory"), &watch).build().unwrap());
    assert!(error.contains("'/no/such/directory'") && error.contains("spill_dir"), "{error}");
    // What fits asks for no place at all.
    let session = small(Path::new("/no/such/directory"), &watch).build().unwrap();
    assert_eq!(session.read_csv(files.path("numbers.csv")).sort(["v"]).head(5).compute().unwrap().num_rows(), 5);
    assert_eq!(watch.take(), 0);
}

#[test]
fn what_must_fit_says_who_holds_it() {
    let (files, directory, watch) = (numbers(), tempfile::tempdir().unwrap(), Arc::new(Spilled::default()));
    let limited = small(directory.path(), &watch).build().unwrap();
    let df = limited.read_csv(files.path("numbers.csv")).repartition(1);
    let whole = df.map_partitions(Ok::<_, Error>);
    let one_group = df.group_by::<&str>([]).apply(Ok::<_, Error>);
    for (query, holder) in [(whole, "partitions for map_partitions"), (one_group, "groups for apply")] {
        let error = query.agg([size()]).compute().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory);
        assert!(error.message().contains(holder), "{error}");
        assert!(is_empty(directory.path()));
        // What it held is there again.
        assert_eq!(df.num_rows().unwrap(), 500_000);
    }
}
