//! Merges whose right side is larger than memory: every kind, answers and order as a nested loop gives them, and as without a limit.

mod common;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use common::{Files, Spilled};
use partita::SessionBuilder;
use partita::prelude::*;

/// The least memory that a session takes; a side of 40,000 rows with so much text is about as large.
const MEMORY: usize = 16 << 20;
const WIDTH: usize = 320;
const PARTITION: usize = 1 << 20;

/// A session of so little memory, cutting files into partitions of so many bytes.
struct Limited {
    session: Session,
    watch: Arc<Spilled>,
    directory: tempfile::TempDir,
}

impl Limited {
    fn new(memory: usize, partition: usize) -> Limited {
        let (watch, directory) = (Arc::new(Spilled::default()), tempfile::tempdir().unwrap());
        let session = builder(partition).memory(memory).spill_dir(directory.path()).observer(watch.clone());
        Limited { session: session.build().unwrap(), watch, directory }
    }

    /// Asserts that something was spilled since the last time, and that nothing of it is left.
    #[track_caller]
    fn assert_spilled(&self, what: &str) {
        assert!(self.watch.take() > 0, "{what}: nothing was spilled");
        assert!(std::fs::read_dir(self.directory.path()).unwrap().next().is_none());
    }
}

fn builder(partition: usize) -> SessionBuilder {
    Session::builder().threads(2).partition_size(partition)
}

fn free() -> Session {
    builder(1 << 20).build().unwrap()
}

/// All rows of a stream as one table.
fn streamed(df: &Frame) -> Table {
    Table::from_reader(df.stream().unwrap()).unwrap()
}

fn random(x: &mut u64) -> u64 {
    *x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *x >> 20
}

/// The keys of a side's rows, none for a null.
type Keys = Vec<Option<u64>>;

/// A file of rows with these keys, as a number `k` and as a long text `t`; `name` is their row number; text that does not compress away.
fn csv(keys: &Keys, name: &str, width: usize) -> String {
    let (mut x, mut csv) = (7, format!("{name},k,t,pad\n"));
    let text = |x: &mut u64| (0..width / 16).fold(String::new(), |text, _| format!("{text}{:08x}", random(x) as u32));
    for (row, key) in keys.iter().enumerate() {
        let key_text = key.map_or(String::new(), |key| format!("{key} {}", text(&mut { key })));
        let key = key.map_or(String::new(), |key| key.to_string());
        writeln!(csv, "{row},{key},{key_text},{}", text(&mut x)).unwrap();
    }
    csv
}

/// How keys are spread: the keys of the left and of the right.
fn sides(what: &str, rows: u64) -> (Keys, Keys) {
    let x = &mut 1;
    let mut keys = |count: u64, key: &mut dyn FnMut(u64, u64) -> Option<u64>| -> Keys {
        (0..count).map(|row| key(row, random(x))).collect()
    };
    match what {
        "unique" => (keys(rows, &mut |row, _| Some(row * 7 % rows * 2)), keys(rows, &mut |row, _| Some(row * 3))),
        "several" => (keys(rows / 2, &mut |_, x| Some(x % (rows / 3))), keys(rows, &mut |_, x| Some(x % (rows / 2)))),
        "nulls" => {
            let mut some = |_, x: u64| (!x.is_multiple_of(5)).then_some(x / 5 % rows);
            (keys(rows, &mut some), keys(rows, &mut some))
        }
        // Almost all of the right, and few of the left, so that the pairs can be written down.
        "hot" => (
            keys(20, &mut |row, _| Some(row % 10)),
            keys(rows, &mut |row, x| Some(if x % 10 > 0 { 3 } else { row % 50 })),
        ),
        _ => unreachable!(),
    }
}

/// The row numbers of the left and the right in the order of a merge, by their keys.
fn expected(kind: &str, left: &Keys, right: &Keys) -> Vec<(Option<i64>, Option<i64>)> {
    let mut by_key: HashMap<u64, Vec<i64>> = HashMap::new();
    for (row, key) in (0..).zip(right) {
        key.iter().for_each(|key| by_key.entry(*key).or_default().push(row));
    }
    let mut rows = vec![];
    for (l, key) in (0..).zip(left) {
        let found = key.and_then(|key| by_key.get(&key)).map_or(&[][..], |found| found);
        match kind {
            "semi" | "anti" if found.is_empty() == (kind == "anti") => rows.push((Some(l), None)),
            "semi" | "anti" => {}
            "left" | "outer" if found.is_empty() => rows.push((Some(l), None)),
            _ => rows.extend(found.iter().map(|r| (Some(l), Some(*r)))),
        }
    }
    if kind == "right" || kind == "outer" {
        let known: std::collections::HashSet<u64> = left.iter().flatten().copied().collect();
        let alone = (0..).zip(right).filter(|(_, key)| key.is_none_or(|key| !known.contains(&key)));
        rows.extend(alone.map(|(row, _)| (None, Some(row))));
    }
    rows
}

fn kind_of(kind: &str) -> Merge {
    match kind {
        "inner" => Merge::inner(),
        "left" => Merge::left(),
        "right" => Merge::right(),
        "outer" => Merge::outer(),
        "semi" => Merge::semi(),
        "anti" => Merge::anti(),
        _ => unreachable!(),
    }
}

const KINDS: [&str; 6] = ["inner", "left", "right", "outer", "semi", "anti"];

fn numbers(table: &Table, column: &str) -> Vec<Option<i64>> {
    let Ok(at) = table.schema().index_of(column) else { return vec![None; table.num_rows()] };
    table.batches().flat_map(|batch| batch.column(at).as_primitive::<Int64Type>().iter().collect::<Vec<_>>()).collect()
}

fn read(session: &Session, files: &Files) -> (Frame, Frame) {
    (session.read_csv(files.path("left.csv")), session.read_csv(files.path("right.csv")))
}

fn files(left: &Keys, right: &Keys, width: usize) -> Files {
    Files::new(&[("left.csv", csv(left, "l", width).as_bytes()), ("right.csv", csv(right, "r", width).as_bytes())])
}

fn check(what: &str, keys: &[&str], partition: usize, memory: usize) {
    let (left, right) = sides(what, 40_000);
    let files = files(&left, &right, WIDTH);
    let (limited, free) = (Limited::new(memory, partition), free());
    for kind in KINDS {
        let merged = |session: &Session| {
            let (l, r) = read(session, &files);
            l.merge(&r, kind_of(kind).on(keys.to_vec()))
        };
        let text = format!("{what}, {kind}, {keys:?}, partitions of {partition}");
        let got = streamed(&merged(&limited.session));
        // Of a semi or anti merge only the keys are read.
        if !["semi", "anti"].contains(&kind) || keys.contains(&"t") {
            limited.assert_spilled(&text);
        }
        let pairs: Vec<_> = numbers(&got, "l").into_iter().zip(numbers(&got, "r")).collect();
        let want = expected(kind, &left, &right);
        assert_eq!(pairs.len(), want.len(), "{text}");
        assert!(pairs == want, "{text}");
        assert!(got == merged(&free).compute().unwrap(), "{text}");
    }
}

#[test]
fn keys_that_differ() {
    check("unique", &["k"], PARTITION, MEMORY);
    check("unique", &["t"], 1 << 30, MEMORY);
}

#[test]
fn keys_that_repeat() {
    check("several", &["k", "t"], PARTITION, MEMORY);
}

#[test]
fn keys_that_are_null() {
    check("nulls", &["k"], 1 << 20, MEMORY);
    check("nulls", &["t", "k"], PARTITION, MEMORY);
}

#[test]
fn one_key_with_more_rows_than_fit() {
    check("hot", &["k"], PARTITION, MEMORY);
    check("hot", &["t"], 1 << 30, MEMORY);
}

#[test]
fn every_row_with_every_row() {
    let keys: Keys = (0..40_000).map(Some).collect();
    let files = files(&(0..4).map(Some).collect(), &keys, WIDTH);
    let limited = Limited::new(MEMORY, PARTITION);
    let merged = |session: &Session| {
        let (l, r) = read(session, &files);
        l.select(["l"]).merge(&r, Merge::cross())
    };
    let got = streamed(&merged(&limited.session));
    limited.assert_spilled("cross");
    let pairs: Vec<_> = numbers(&got, "l").into_iter().zip(numbers(&got, "r")).collect();
    let want: Vec<_> = (0..4).flat_map(|l| (0..40_000).map(move |r| (Some(l), Some(r)))).collect();
    assert!(pairs == want);
    assert!(got == merged(&free()).compute().unwrap());
}

#[test]
fn empty_sides() {
    let (some, none): (Keys, Keys) = ((0..40_000).map(Some).collect(), vec![]);
    for (left, right) in [(&some, &none), (&none, &some)] {
        let files = files(left, right, WIDTH);
        let limited = Limited::new(MEMORY, PARTITION);
        for kind in KINDS {
            let merged = |session: &Session| {
                let (l, r) = read(session, &files);
                // A column of no rows has no type of its own.
                let side = |side: Frame, row: &str| {
                    side.with_column("k", col("k").cast(Type::Int64)).select([row, "k", "pad"])
                };
                side(l, "l").merge(side(r, "r"), kind_of(kind).on(["k"]))
            };
            let (got, want) = (streamed(&merged(&limited.session)), merged(&free()).compute().unwrap());
            assert!(got == want, "{kind}");
            let count = match kind {
                "left" | "anti" | "outer" if right.is_empty() => left.len(),
                "right" | "outer" if left.is_empty() => right.len(),
                _ => 0,
            };
            assert_eq!(got.num_rows(), count, "{kind}");
        }
    }
}

/// What a query gives in the limited session and in a free one.
#[track_caller]
fn assert_alike(limited: &Limited, what: &str, query: &dyn Fn(&Session) -> Frame) {
    let got = streamed(&query(&limited.session));
    if !what.contains("anti") {
        limited.assert_spilled(what);
    }
    let want = query(&free()).compute().unwrap();
    assert!(want.num_rows() > 1000, "{what}: {} rows", want.num_rows());
    assert!(got == want, "{what}: {} rows, {} expected", got.num_rows(), want.num_rows());
}

#[test]
fn merges_of_merges() {
    let (left, right) = sides("several", 40_000);
    let files = files(&left, &right, WIDTH);
    let small: String =
        (0..40_000).step_by(3).fold("k,name\n".to_owned(), |csv, k| format!("{csv}{k},name {}\n", k % 10));
    let more = Files::new(&[("small.csv", small.as_bytes())]);
    for partition in [PARTITION, 1 << 30] {
        let limited = Limited::new(MEMORY, partition);
        let frames = |session: &Session| {
            let (l, r) = read(session, &files);
            (l, r, session.read_csv(more.path("small.csv")))
        };
        for (kind, other) in
            [("inner", "left"), ("outer", "outer"), ("left", "right"), ("right", "anti"), ("outer", "inner")]
        {
            // Two large right sides, with steps between.
            assert_alike(&limited, &format!("{kind}, {other}"), &|session| {
                let (l, r, _) = frames(session);
                let right = r.select(["r", "k", "pad"]);
                let first =
                    l.merge(&right, kind_of(kind).on(["k"])).filter(col("k").ne(5)).with_column("m", col("k") % 1000);
                first.merge(
                    r.rename([("r", "r2"), ("pad", "pad2"), ("k", "k2"), ("t", "t2")]),
                    kind_of(other).left_on(["l"]).right_on(["r2"]),
                )
            });
            // A small one before or behind a large one.
            assert_alike(&limited, &format!("small {kind}, {other}"), &|session| {
                let (l, r, small) = frames(session);
                l.merge(&small, kind_of(kind).on(["k"]))
                    .merge(r.drop(["t"]), kind_of(other).on(["k"]).suffixes("", "_r"))
            });
            if other == "anti" {
                continue;
            }
            assert_alike(&limited, &format!("{kind}, small {other}"), &|session| {
                let (l, r, small) = frames(session);
                l.merge(r.drop(["t"]), kind_of(kind).on(["k"]).suffixes("", "_r"))
                    .merge(&small, kind_of(other).on(["k"]))
            });
        }
    }
}

#[test]
fn left_sides_of_all_sources() {
    let (left, right) = sides("several", 40_000);
    let files = files(&left, &right, WIDTH);
    let limited = Limited::new(MEMORY, PARTITION);
    let right = |r: Frame| r.drop(["t"]);
    for kind in ["outer", "inner", "anti"] {
        let how = || kind_of(kind).on(["k"]).suffixes("", "_r");
        let named = |what: &str| format!("{what}, {kind}");
        assert_alike(&limited, &named("concat"), &|session| {
            let (l, r) = read(session, &files);
            let doubled = l.merge(l.select(["l"]).head(5000), Merge::outer().on(["l"]));
            concat([l.filter(col("l").lt(7000)), doubled, l.head(3000)]).merge(right(r), how())
        });
        assert_alike(&limited, &named("a sort"), &|session| {
            let (l, r) = read(session, &files);
            l.sort(["pad"]).merge(right(r), how())
        });
        assert_alike(&limited, &named("partitions"), &|session| {
            let (l, r) = read(session, &files);
            l.repartition(7).merge(right(r), how())
        });
        assert_alike(&limited, &named("partitions in order"), &|session| {
            let (l, r) = read(session, &files);
            l.with_column("sum", col("l").cumsum()).merge(right(r), how())
        });
        assert_alike(&limited, &named("persisted"), &|session| {
            let (l, r) = read(session, &files);
            l.persist().unwrap().merge(right(r).persist().unwrap(), how())
        });
        // The right side is a merge, too.
        assert_alike(&limited, &named("a merge"), &|session| {
            let (l, r) = read(session, &files);
            let right = right(r).merge(l.select(["l", "t"]), Merge::left().left_on(["r"]).right_on(["l"]));
            l.merge(right.select(["r", "k", "pad", "t"]), how())
        });
    }
}

#[test]
fn groups_and_sorts_behind_a_merge() {
    let (left, right) = sides("several", 40_000);
    let files = files(&left, &right, WIDTH);
    let limited = Limited::new(MEMORY, PARTITION);
    assert_alike(&limited, "three that hold rows", &|session| {
        let (l, r) = read(session, &files);
        let sums = l.merge(r.drop(["t"]), Merge::inner().on(["k"])).group_by(["k"]).agg([
            col("r").sum().alias("sum"),
            col("pad_y").max(),
            size(),
        ]);
        sums.sort([col("sum").desc(), col("k").asc()])
    });
    // Who has enough is given no more.
    let (l, r) = read(&limited.session, &files);
    let merged = |l: &Frame, r: &Frame| l.merge(r.drop(["t"]), Merge::outer().on(["k"])).head(1500);
    let (free_l, free_r) = read(&free(), &files);
    assert!(merged(&l, &r).compute().unwrap() == merged(&free_l, &free_r).compute().unwrap());
    limited.assert_spilled("head");
}

#[test]
fn the_nearest() {
    let (left, right) = sides("several", 40_000);
    let files = files(&left, &right, WIDTH);
    let limited = Limited::new(MEMORY, PARTITION);
    let queries: [(&str, &dyn Fn() -> AsOf); 5] = [
        ("backward", &|| AsOf::on("k")),
        ("forward", &|| AsOf::on("k").forward().allow_exact_matches(false)),
        ("nearest", &|| AsOf::on("k").nearest().tolerance(3)),
        ("by, forward", &|| AsOf::on("n").by(["k"]).forward()),
        ("by, nearest", &|| AsOf::on("n").by(["k"]).nearest().allow_exact_matches(false)),
    ];
    for (what, how) in queries {
        assert_alike(&limited, what, &|session| {
            let (l, r) = read(session, &files);
            let (l, r) = (l.with_column("n", col("l") % 100), r.drop(["t"]).with_column("n", col("r") % 97));
            l.merge_asof(&r, how())
        });
    }
}

#[test]
fn errors_come_out() {
    let (left, right) = sides("unique", 40_000);
    let files = files(&left, &right, WIDTH);
    let limited = Limited::new(MEMORY, PARTITION);
    let (l, r) = read(&limited.session, &files);
    let broken = l.map_batches(|batch| match batch.num_rows() {
        0 => Ok(batch),
        _ => Err(Error::new(ErrorKind::Config, "it broke")),
    });
    let error = broken.merge(&r, Merge::inner().on(["k"])).compute().unwrap_err();
    assert!(error.to_string().contains("it broke"), "{error}");
    limited.assert_spilled("an error");

    let (watch, directory) = (Arc::new(Spilled::default()), tempfile::tempdir().unwrap());
    let session = builder(PARTITION).memory(MEMORY).spill_dir(directory.path()).spill_limit(2_000_000).observer(watch);
    let session = session.build().unwrap();
    let (l, r) = read(&session, &files);
    let error = l.merge(&r, Merge::inner().on(["k"])).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("raise the spill limit"), "{error}");
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
}
