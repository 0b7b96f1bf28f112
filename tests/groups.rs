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
