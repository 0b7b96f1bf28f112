//! Rows of groups: first, last, best, and what a closure makes of them.

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use common::{Files, Value, assert_same, expected, rows, session, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

#[test]
fn first_last_and_best_rows_as_in_pandas() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        for (name, frame) in [
            ("rows_head_by_i", df.group_by(["i"]).head(2)),
            ("rows_tail_by_i", df.group_by(["i"]).tail(2)),
            ("rows_top_q_by_i", df.group_by(["i"]).top(3, "q")),
        ] {
            let got = rows(&frame.compute().unwrap());
            assert_same(&got, &expected(name, &got), &format!("{name}, {what}"));
        }
        let least = rows(&df.group_by(["i"]).bottom(1, "v").select(["i", "v"]).compute().unwrap());
        let twin = rows(&df.group_by(["i"]).agg([col("v").min()]).compute().unwrap());
        assert_same(&least, &twin, what);
    }
}

#[test]
fn rows_of_null_keys_go_unless_kept() {
    let files = Files::new(&[("a.csv", b"k,n\nb,1\n,2\na,3\n,4\nb,5\n,6\n")]);
    for (_, session) in sessions() {
        let by = || session.read_csv(files.path("a.csv")).group_by(["k"]);
        let n = |frame: Frame| {
            rows(&frame.select(["n"]).compute().unwrap()).into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
        };
        let ints = |n: &[i64]| n.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>();
        assert_eq!(n(by().head(1)), ints(&[1, 3]));
        assert_eq!(n(by().tail(1)), ints(&[3, 5]));
        assert_eq!(n(by().keep_nulls().head(2)), ints(&[1, 2, 3, 4, 5]));
        assert_eq!(n(by().keep_nulls().tail(2)), ints(&[1, 3, 4, 5, 6]));
        assert_eq!(n(by().top(1, "n")), ints(&[3, 5]));
        assert_eq!(n(by().keep_nulls().top(2, "n")), ints(&[3, 5, 1, 6, 4]));
        assert_eq!(n(by().head(0)), []);
        let whole = |batch: RecordBatch| Ok::<_, Error>(batch);
        assert_eq!(n(by().apply(whole)), ints(&[3, 1, 5]));
        assert_eq!(n(by().keep_nulls().apply(whole)), ints(&[3, 1, 5, 2, 4, 6]));
    }
}

#[test]
fn apply_sees_each_group_once_and_whole() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let spread = |group: RecordBatch| {
            let (i, v) = (group.column(1).as_primitive::<Int64Type>(), group.column(4).as_primitive::<Float64Type>());
            assert!(i.values().iter().all(|key| *key == i.value(0)));
            let first = (!i.is_empty()).then(|| i.value(0));
            let (most, least) = v.values().iter().fold((f64::MIN, f64::MAX), |(m, l), v| (m.max(*v), l.min(*v)));
            RecordBatch::try_from_iter_with_nullable([
                ("i", Arc::new(Int64Array::from(vec![first])) as ArrayRef, true),
                ("n", Arc::new(Int64Array::from(vec![i.len() as i64])), true),
                ("spread", Arc::new(arrow::array::Float64Array::from(vec![most - least])), true),
            ])
        };
        let got = rows(&df.group_by(["i"]).apply(spread).compute().unwrap());
        let both = [size().alias("n"), col("v").max().alias("most"), col("v").min().alias("least")];
        let twin = df.group_by(["i"]).agg(both);
        let twin = twin.select([col("i"), col("n"), (col("most") - col("least")).alias("spread")]);
        assert_same(&got, &rows(&twin.compute().unwrap()), what);
    }
    // Keys that differ in their bits but not in their order are one group.
    let files = Files::new(&[("a.csv", b"x,n\n0.0,1\n1.5,2\n-0.0,3\n0.0,4\n")]);
    let df = session(1000).read_csv(files.path("a.csv"));
    let count = |group: RecordBatch| {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![group.num_rows() as i64])) as ArrayRef)])
    };
    assert_eq!(rows(&df.group_by(["x"]).apply(count).compute().unwrap()), [[Value::Int(3)], [Value::Int(1)]]);
    let e = df.group_by(["x"]).apply(|_| Err("no")).schema().unwrap_err();
    assert!(e.to_string().contains("group_by(x).apply(..)") && e.to_string().contains("apply_with_schema"), "{e}");
}

#[test]
fn aggregates_come_back_as_in_pandas() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let with_total = df.group_by(["i"]).transform([col("v").sum().alias("total"), col("q").mean()]);
        let got = rows(&with_total.filter(col("t").eq(2018)).compute().unwrap());
        assert_same(&got, &expected("rows_transform", &got), &format!("transform, {what}"));
        let common = col("size").gt(200).and(col("q").lt(1e6));
        let large = df.group_by(["i"]).filter([size(), col("q").max()], common).filter(col("t").eq(2018));
        let got = rows(&large.compute().unwrap());
        assert!(!got.is_empty() && got.len() < 2000);
        assert_same(&got, &expected("rows_filter_groups", &got), &format!("filter, {what}"));
        // By an expression, and all rows in one group.
        let chapters = df.group_by([col("k").floor_div(10_000).alias("c")]).transform([size()]).select(["size"]);
        let twin = df.with_column("c", col("k").floor_div(10_000)).group_by(["c"]).transform([size()]).select(["size"]);
        assert_eq!(chapters.compute().unwrap(), twin.compute().unwrap());
        let all = df.group_by::<&str>([]).transform([size()]).select(["size"]).distinct();
        assert_eq!(rows(&all.compute().unwrap()), [[Value::Int(14_000)]], "{what}");
        assert_eq!(df.group_by::<&str>([]).filter([size()], col("size").lt(5)).compute().unwrap().num_rows(), 0);
    }
    let files = Files::new(&[("a.csv", b"k,n\nb,1\n,2\na,3\n,4\nb,5\n")]);
    let by = || session(1000).read_csv(files.path("a.csv")).group_by(["k"]);
    let last = |frame: Frame| {
        rows(&frame.compute().unwrap()).into_iter().map(|mut row| row.pop().unwrap()).collect::<Vec<_>>()
    };
    let sum = || col("n").sum();
    assert_eq!(
        last(by().transform([sum()])),
        [6, 0, 3, 0, 6].map(|n| if n == 0 { Value::Null } else { Value::Int(n) })
    );
    assert_eq!(last(by().keep_nulls().transform([sum()])), [6, 6, 3, 6, 6].map(Value::Int));
    assert_eq!(last(by().filter([size()], col("size").eq(2))), [1, 5].map(Value::Int));
    assert_eq!(last(by().keep_nulls().filter([size()], col("size").eq(2))), [1, 2, 4, 5].map(Value::Int));
    assert_eq!(by().transform([]).schema().unwrap_err().kind(), ErrorKind::Config);
    let e = by().filter([size()], col("n").gt(1)).schema().unwrap_err();
    assert!(e.kind() == ErrorKind::Column && e.to_string().contains("group_by(k).filter("), "{e}");
}

#[test]
fn keys_that_are_one_group_are_filtered_as_one() {
    let files = Files::new(&[
        ("zeros.csv", b"x,v\n0.0,1\n-0.0,2\n1.5,3\n"),
        ("nulls.csv", b"a,b\n1,2\n,9223372036854775807\n"),
        ("taken.csv", b"(key 0),(aggregate 0),v\n1,2,3\n1,5,4\n2,6,5\n"),
    ]);
    for (name, session) in sessions() {
        let read = |file: &str| session.read_csv(files.path(file));
        let groups = read("zeros.csv").group_by(["x"]).agg([size()]);
        let positive = |df: &Frame| rows(&df.filter((lit(1.0) / col("x")).gt(0.0)).compute().unwrap());
        assert_eq!(positive(&groups), positive(&groups.persist().unwrap()), "{name}");
        assert_eq!(positive(&groups)[0], [Value::Float(0.0), Value::Int(2)], "{name}");
        // A row without a key is in no group, and no condition meets it.
        let safe = read("nulls.csv").group_by(["a", "b"]).agg([size()]).filter((col("b") + 1).gt(0));
        assert_eq!(safe.num_rows().unwrap(), 1, "{name}");
        // Names of the engine's own give way to the user's.
        let taken = read("taken.csv").group_by(["(key 0)"]);
        let total =
            rows(&taken.clone().transform([col("v").sum().alias("total")]).select(["total"]).compute().unwrap());
        assert_eq!(total.concat(), [Value::Int(7), Value::Int(7), Value::Int(5)], "{name}");
        assert_eq!(taken.filter([size()], col("size").gt(1)).num_rows().unwrap(), 2, "{name}");
        let whole = read("zeros.csv").group_by::<&str>([]).apply(Ok::<_, Error>);
        assert_eq!(whole.num_rows().unwrap(), 3, "{name}");
        assert_eq!(
            read("zeros.csv").filter(col("v").gt(9)).group_by::<&str>([]).apply(Ok::<_, Error>).num_rows().unwrap(),
            0
        );
    }
}

#[test]
fn aggregates_that_come_back_have_names_of_their_own() {
    let df = session(1000).read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    let e = df.group_by(["i"]).transform([col("v").count(), col("v").max()]).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Column);
    assert!(e.to_string().contains("two of the aggregates are named 'v'") && e.to_string().contains("alias"), "{e}");
    let e = df.group_by(["i"]).filter([size()], col("sice").gt(1)).schema().unwrap_err();
    assert!(e.to_string().contains("did you mean 'size'?") && !e.to_string().contains("(key 0)"), "{e}");
}

/// Many groups by texts, most of them short: the keys as they stand in the file, and the sum of `v`.
type Sums = std::collections::BTreeMap<(Option<String>, String, Option<i64>), f64>;

/// Rows of a file of many groups, and what their sums are. Of so many rows one has a long text.
fn many_groups(long_texts: usize) -> (Files, Sums) {
    let (mut csv, mut sums) = (String::from("a,b,c,v\n"), Sums::new());
    for row in 0..300_000usize {
        let (a, in_csv) = match row % 5 {
            0 => (None, String::new()),
            1 => (Some(String::new()), "\"\"".to_owned()),
            _ if row % long_texts == 3 => (Some("a text that is long".to_owned()), "a text that is long".to_owned()),
            kind => (Some(format!("é{kind}")), format!("é{kind}")),
        };
        let b = format!("b{:05}", row * 7919 % 180_001);
        let c = (row % 7 > 0).then_some(row as i64 % 3 - 1);
        let in_c = c.map_or_else(String::new, |c| c.to_string());
        csv.push_str(&format!("{in_csv},{b},{in_c},{}\n", row % 1000));
        *sums.entry((a, b, c)).or_default() += (row % 1000) as f64;
    }
    (Files::new(&[("many.csv", csv.as_bytes())]), sums)
}

fn sums_of(table: &Table) -> Sums {
    let key = |row: &[Value]| match row {
        [a, Value::Text(b), c, Value::Int(v)] => {
            let a = if let Value::Text(a) = a { Some(a.clone()) } else { None };
            let c = if let Value::Int(c) = c { Some(*c) } else { None };
            ((a, b.clone(), c), *v as f64)
        }
        row => panic!("{row:?}"),
    };
    rows(table).iter().map(|row| key(row)).collect()
}

#[test]
fn many_groups_by_texts_in_order_and_in_any() {
    for long_texts in [1 << 30, 50_000] {
        let (files, expected) = many_groups(long_texts);
        assert!(expected.len() > 270_000);
        for (threads, partition, memory) in [(1, 1 << 30, 1 << 30), (2, 1 << 20, 1 << 30), (2, 1 << 20, 24 << 20)] {
            let session = Session::builder().threads(threads).partition_size(partition).memory(memory).build().unwrap();
            let sums = session.read_csv(files.path("many.csv")).group_by(["a", "b", "c"]).keep_nulls();
            let sums = sums.agg([col("v").sum()]);
            let what = format!("{long_texts} {threads} {partition} {memory}");
            // A table must fit into memory as it is returned: of the limited session it is read in parts.
            for part in [col("b").lt("b3"), col("b").ge("b3")] {
                let is_first = |b: &str| (b < "b3") == part.to_string().contains('<');
                let expected: Sums =
                    expected.iter().filter(|(key, _)| is_first(&key.1)).map(|(k, v)| (k.clone(), *v)).collect();
                let got = sums.unordered().filter(part.clone()).compute().unwrap();
                assert_eq!(got.num_rows(), expected.len(), "{what}");
                assert!(sums_of(&got) == expected, "{what}");
                let in_order = sums.filter(part.clone()).compute().unwrap();
                assert!(sums_of(&in_order) == expected, "{what}");
                let keys: Vec<_> = rows(&in_order);
                // Null is behind all texts.
                let place = |value: &Value| match value {
                    Value::Text(text) => (0, text.clone(), 0),
                    Value::Int(int) => (0, String::new(), *int),
                    _ => (1, String::new(), 0),
                };
                assert!(keys.is_sorted_by_key(|row| row[..3].iter().map(place).collect::<Vec<_>>()), "{what}");
            }
        }
    }
}

#[test]
fn nothing_is_sorted_where_any_order_will_do() {
    let df = session(1 << 20).read_csv(GENERATED);
    let sorted = df.sort([col("v").desc()]).unordered().filter(col("t").eq(2018));
    assert!(!sorted.explain(Stop::Stages).unwrap().contains("sort by"));
    let twin = df.filter(col("t").eq(2018)).sort(["i", "j", "k"]).compute().unwrap();
    assert_eq!(sorted.sort(["i", "j", "k"]).compute().unwrap(), twin);
    // Rows that are asked for by their number are some of them.
    assert_eq!(df.sort(["v"]).unordered().limit(7).num_rows().unwrap(), 7);
}
