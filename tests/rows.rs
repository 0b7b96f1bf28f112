//! Rows picked, dropped, filled, reshaped, and moved between partitions.

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use common::{Files, Value, assert_same, expected, rows, session, sessions};
use partita::arrow;
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

#[track_caller]
fn assert_pandas(frame: &Frame, name: &str, what: &str) {
    let got = rows(&frame.compute().unwrap());
    assert!(!got.is_empty());
    assert_same(&got, &expected(name, &got), &format!("{name}, {what}"));
}

#[test]
fn duplicates_go_as_in_pandas() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        assert_pandas(&df.drop_duplicates(["i", "j"], Keep::First), "rows_duplicates_first", what);
        assert_pandas(&df.drop_duplicates(["i", "j"], Keep::Last), "rows_duplicates_last", what);
        assert_pandas(&df.select(["t", "i"]).distinct(), "rows_distinct", what);
        // Columns that nobody wants are not kept, those that decide are.
        let some = df.drop_duplicates(["i", "j"], Keep::Last).select(["v"]).compute().unwrap();
        let all = df.drop_duplicates(["i", "j"], Keep::Last).compute().unwrap();
        assert_eq!(some, Frame::from(all).select(["v"]).compute().unwrap());
        assert_eq!(concat([df.clone(), df.clone()]).distinct().compute().unwrap(), df.distinct().compute().unwrap());
    }
}

#[test]
fn null_is_like_null_and_nan_like_nan() {
    let files = Files::new(&[("a.csv", b"x,s,n\nNaN,,1\n,,2\n0.0,a,3\n-0.0,a,4\nNaN,,5\n,,6\n,b,7\n")]);
    for (_, session) in sessions() {
        let df = session.read_csv(files.path("a.csv"));
        let n = |frame: Frame| {
            let values = rows(&frame.select(["n"]).compute().unwrap());
            values.iter().map(|row| if let Value::Int(n) = row[0] { n } else { panic!() }).collect::<Vec<i64>>()
        };
        let firsts = n(df.drop_duplicates(["x", "s"], Keep::First));
        let lasts = n(df.drop_duplicates(["x", "s"], Keep::Last));
        let nan_is_null = rows(&df.filter(col("x").is_null()).agg([size()]).compute().unwrap()) != [[Value::Int(3)]];
        match nan_is_null {
            true => assert_eq!((firsts, lasts), (vec![1, 3, 7], vec![4, 6, 7])),
            false => assert_eq!((firsts, lasts), (vec![1, 2, 3, 7], vec![4, 5, 6, 7])),
        }
        assert_eq!(n(df.drop_nulls_in(["s"])), [3, 4, 7]);
    }
}

#[test]
fn tails_and_limits() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let all = rows(&df.compute().unwrap());
        for n in [0, 1, 10, 2500, 13_999, 14_000, 20_000] {
            let from = all.len().saturating_sub(n);
            assert_eq!(rows(&df.tail(n).compute().unwrap()), all[from..], "tail({n}), {what}");
            assert_eq!(rows(&df.limit(n).compute().unwrap()), all[..n.min(all.len())], "limit({n}), {what}");
        }
        let filtered = df.filter(col("t").eq(2013)).tail(3).filter(col("v").gt(0)).select(["k"]);
        let twin: Vec<_> =
            all.iter().filter(|row| row[0] == Value::Int(2013)).map(|row| vec![row[3].clone()]).collect();
        assert_eq!(rows(&filtered.compute().unwrap()), twin[twin.len() - 3..], "{what}");
    }
}

#[test]
fn only_the_rows_that_stay_are_held() {
    // 600,000 rows of 48 bytes, within 17 MB.
    let session = Session::builder().threads(2).memory(1 << 24).partition_size(200_000).build().unwrap();
    let df = session.read_csv("testdata/baci/BACI_HS92_Y2021_V202301_exporters_4_710.csv");
    let many = concat(vec![df.clone(); 8]);
    assert_eq!(many.compute().unwrap_err().kind(), ErrorKind::Memory);
    let pairs = df.group_by(["i", "j"]).agg([size()]).compute().unwrap().num_rows();
    for keep in [Keep::First, Keep::Last] {
        assert_eq!(many.drop_duplicates(["i", "j"], keep).compute().unwrap().num_rows(), pairs);
    }
    assert_eq!(many.tail(1000).compute().unwrap(), df.tail(1000).compute().unwrap());
    let three = many.group_by(["i"]).tail(3).compute().unwrap();
    assert_eq!(three, df.group_by(["i"]).tail(3).compute().unwrap());
}

#[test]
fn nulls_go_or_are_filled() {
    let files = Files::new(&[("a.csv", b"i,f,s,d\n1,1.5,a,2020-01-01\n,,,\n2,,b,\n,2.5,,2020-01-02\n")]);
    for (_, session) in sessions() {
        let df = session.read_csv(files.path("a.csv"));
        let all = rows(&df.compute().unwrap());
        let pick = |kept: &[usize]| kept.iter().map(|i| all[*i].clone()).collect::<Vec<_>>();
        let got = |frame: Frame| rows(&frame.compute().unwrap());
        assert_eq!(got(df.drop_nulls()), pick(&[0]));
        assert_eq!(got(df.drop_nulls_in(["i", "s"])), pick(&[0, 2]));
        assert_eq!(got(df.drop_all_null()), pick(&[0, 2, 3]));
        let with_zero = got(df.fill_nulls(0));
        assert_eq!(with_zero[1], [Value::Int(0), Value::Float(0.0), Value::Null, Value::Null]);
        let with_float = got(df.fill_nulls(0.5));
        assert_eq!(with_float[1], [Value::Null, Value::Float(0.5), Value::Null, Value::Null]);
        let with_text = got(df.fill_nulls("none"));
        assert_eq!(with_text[1][..3], [Value::Null, Value::Null, Value::Text("none".to_owned())]);
        assert_eq!(df.fill_nulls(true).schema().unwrap_err().kind(), ErrorKind::Type);
        assert_eq!(df.drop_nulls_in(["x"]).schema().unwrap_err().kind(), ErrorKind::Column);
        assert_eq!(df.drop_nulls_in::<&str>([]).schema().unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(df.drop_duplicates::<&str>([], Keep::First).schema().unwrap_err().kind(), ErrorKind::Config);
        let e = df.drop_duplicates(["ss"], Keep::First).schema().unwrap_err();
        assert!(
            e.to_string().contains("drop_duplicates(ss, First)") && e.to_string().contains("did you mean 's'"),
            "{e}"
        );
    }
}

#[test]
fn long_from_wide_as_in_pandas() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let long = df.filter(col("k").lt(100_000)).unpivot(["t", "k"], ["v", "q"], "what", "amount");
        assert_eq!(long.npartitions().unwrap(), df.npartitions().unwrap());
        let as_number = long.with_column("what", col("what").eq("q").cast(Type::Int64));
        assert_pandas(&as_number, "rows_unpivot", what);
        // Integers widen beside floats.
        let mixed = df.unpivot::<&str, _>([], ["k", "v"], "name", "value").head(2);
        let first = rows(&df.head(1).compute().unwrap()).remove(0);
        let k = if let Value::Int(k) = first[3] { Value::Float(k as f64) } else { panic!() };
        let name = |s: &str| Value::Text(s.to_owned());
        assert_eq!(rows(&mixed.compute().unwrap()), [[name("k"), k], [name("v"), first[4].clone()]]);
        let sums = long.group_by(["what"]).agg([col("amount").sum()]).compute().unwrap();
        assert_eq!(sums.num_rows(), 2);
    }
    let df = session(1000).read_csv(GENERATED);
    assert_eq!(df.unpivot::<&str, &str>([], [], "a", "b").schema().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(df.unpivot(["t"], ["v"], "t", "b").schema().unwrap_err().kind(), ErrorKind::Column);
    assert_eq!(df.unpivot(["t"], ["w"], "a", "b").schema().unwrap_err().kind(), ErrorKind::Column);
    let mixed = df.with_column("s", col("k").cast(Type::Text)).unpivot(["t"], ["s", "v"], "a", "b");
    assert_eq!(mixed.schema().unwrap_err().kind(), ErrorKind::Type);
}

#[test]
fn pieces_of_texts() {
    let files = Files::new(&[("a.csv", b"n,s\n1,a;bb;a longer piece than twelve bytes\n2,\n3,\"\"\n4,;\n5,x\n")]);
    for (_, session) in sessions() {
        let df =
            session.read_csv(files.path("a.csv")).with_column("s", when(col("n").eq(3)).then("").otherwise(col("s")));
        let exploded = df.explode("s", ";");
        let text = |n: i64, s: &str| vec![Value::Int(n), Value::Text(s.to_owned())];
        let expected = [
            text(1, "a"),
            text(1, "bb"),
            text(1, "a longer piece than twelve bytes"),
            vec![Value::Int(2), Value::Null],
            text(3, ""),
            text(4, ""),
            text(4, ""),
            text(5, "x"),
        ];
        assert_eq!(rows(&exploded.compute().unwrap()), expected);
        let only = exploded.select(["n"]).filter(col("n").eq(1));
        assert_eq!(rows(&only.compute().unwrap()), [[Value::Int(1)], [Value::Int(1)], [Value::Int(1)]]);
        assert_eq!(df.explode("n", ";").schema().unwrap_err().kind(), ErrorKind::Type);
        assert_eq!(df.explode("s", "").schema().unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(df.explode("t", ";").schema().unwrap_err().kind(), ErrorKind::Column);
    }
}

#[test]
fn wide_from_long_as_in_pandas() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        assert_pandas(&df.pivot(["i"], "t", col("v").sum()), "rows_pivot_sum", what);
        let means = df.pivot(["i", "j"], "t", col("q").mean());
        let years = ["2012", "2013", "2014", "2015", "2016", "2017", "2018"];
        let present = years.map(|year| col(year).is_not_null()).into_iter().reduce(Expr::or).unwrap();
        assert_pandas(&means.filter(present), "rows_pivot_mean", what);
        let named = df.pivot_with(["i"], "t", [2018, 2012], col("v").sum());
        let all = df.pivot(["i"], "t", col("v").sum()).select(["i", "2018", "2012"]);
        assert_same(&rows(&named.compute().unwrap()), &rows(&all.compute().unwrap()), what);
    }
    let files = Files::new(&[("a.csv", b"day,s,x\n2020-01-02,b,1\n2020-01-01,a,2\n,a,3\n2020-01-02,,4\n")]);
    let df = session(1000).read_csv(files.path("a.csv"));
    let names = |frame: &Frame| frame.schema().unwrap().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let by_day = df.pivot(["s"], "day", col("x").sum());
    assert_eq!(names(&by_day), ["s", "2020-01-01", "2020-01-02"]);
    let t = |s: &str| Value::Text(s.to_owned());
    assert_eq!(
        rows(&by_day.compute().unwrap()),
        [[t("a"), Value::Int(2), Value::Null], [t("b"), Value::Null, Value::Int(1)]]
    );
    let counts = df.pivot(["day"], "s", size());
    assert_eq!(names(&counts), ["day", "a", "b"]);
    assert_eq!(rows(&counts.compute().unwrap())[1][1..], [Value::Int(0), Value::Int(1)]);
    let many = session(1 << 20).read_csv("testdata/baci/product_codes_HS12.csv");
    let e = many.pivot(["code"], "code", size()).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Config);
    assert!(e.to_string().contains("more than 1000 values") && e.to_string().contains("pivot_with"), "{e}");
}

/// The number of rows of each partition.
fn sizes(frame: &Frame) -> Vec<i64> {
    use arrow::array::AsArray;
    let sizes = frame.map_partitions(|b| {
        let rows = std::sync::Arc::new(Int64Array::from(vec![b.num_rows() as i64])) as ArrayRef;
        RecordBatch::try_from_iter([("rows", rows)])
    });
    let sizes = sizes.compute().unwrap().column("rows").unwrap();
    sizes.as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
}

#[test]
fn partitions_are_cut_anew() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let all = df.compute().unwrap();
        for n in [1, 3, 16, 501] {
            let cut = df.repartition(n);
            assert_eq!(cut.npartitions().unwrap(), n);
            assert_eq!(cut.compute().unwrap(), all, "{n}, {what}");
            let sizes = sizes(&cut);
            let (least, most) = (14_000 / n as i64, (14_000 + n as i64 - 1) / n as i64);
            assert!(sizes.len() == n && sizes.iter().all(|rows| (least..=most).contains(rows)), "{sizes:?}, {what}");
        }
        let few = df.head(2).repartition(5);
        assert_eq!(sizes(&few).iter().sum::<i64>(), 2);
        assert_eq!(few.compute().unwrap(), df.head(2).compute().unwrap());
        let bytes = df.select(["k", "v"]).repartition_bytes(50_000); // 14,000 rows of 16 bytes, and what nulls take
        assert!((5..=6).contains(&bytes.npartitions().unwrap()), "{}", bytes.npartitions().unwrap());
        assert_eq!(bytes.compute().unwrap(), df.select(["k", "v"]).compute().unwrap());
        for (n, kind) in [(0, ErrorKind::Config), (1_000_000, ErrorKind::Config)] {
            assert_eq!(df.repartition(n).schema().unwrap_err().kind(), kind);
        }
        assert_eq!(df.repartition_bytes(0).schema().unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn rows_of_equal_key_come_together() {
    let mut first: Option<Vec<i64>> = None;
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let routed = df.repartition_by(["i"], 4);
        assert_eq!(routed.npartitions().unwrap(), 4);
        // Where rows go depends on their keys alone.
        let counts = sizes(&routed);
        assert!(counts.iter().all(|rows| *rows > 0) && counts.iter().sum::<i64>() == 14_000, "{counts:?}");
        assert_eq!(*first.get_or_insert(counts.clone()), counts, "{what}");
        let all = rows(&df.compute().unwrap());
        let mut seen = 0;
        for partition in 0..4 {
            let got = rows(&routed.partition(partition).compute().unwrap());
            let keys: Vec<&Value> = got.iter().map(|row| &row[1]).collect();
            // All rows of these keys, in the order of the frame.
            let twin: Vec<_> = all.iter().filter(|row| keys.contains(&&row[1])).cloned().collect();
            assert_eq!(got, twin, "{what}");
            seen += got.len();
        }
        assert_eq!(seen, all.len());
        let by_group = routed.group_by(["i"]).agg([size()]).compute().unwrap();
        assert_eq!(by_group, df.group_by(["i"]).agg([size()]).compute().unwrap());
    }
    let df = session(1000).read_csv(GENERATED);
    assert_eq!(df.repartition_by::<&str>([], 2).schema().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(df.repartition_by(["i"], 5000).schema().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(df.repartition_by(["x"], 2).schema().unwrap_err().kind(), ErrorKind::Column);
}

#[test]
fn one_partition_runs_no_more_than_it_needs() {
    for (what, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let n = df.npartitions().unwrap();
        let parts: Vec<_> = [0, n / 2, n - 1].map(|i| rows(&df.partition(i).compute().unwrap())).into();
        let all = rows(&df.compute().unwrap());
        assert!(all.starts_with(&parts[0]) && all.ends_with(&parts[2]), "{what}");
        assert!(all.windows(parts[1].len()).any(|rows| rows == parts[1]), "{what}");
        let e = df.partition(n).schema().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert!(e.to_string().contains(&format!("there is no partition {n}")), "{e}");
    }
    // A bad value in the last file harms nobody who does not ask for it.
    let bad = format!("n\n{}oops\n", "1\n".repeat(20_000));
    let files = Files::new(&[("1.csv", b"n\n1\n2\n"), ("2.csv", b"n\n3\n"), ("3.csv", bad.as_bytes())]);
    let options = CsvOptions::default().dtype("n", Type::Int64);
    let df = session(1 << 20).read_csv_with(files.path("*.csv").to_string_lossy().into_owned(), options);
    assert_eq!(rows(&df.partition(1).compute().unwrap()), [[Value::Int(3)]]);
    assert!(df.partition(2).compute().is_err());
}

#[test]
fn the_plan_of_partitions() {
    let df = session(30_000).read_csv(GENERATED);
    let query = df.repartition_by(["i"], 3).select(["v"]).repartition(2).partition(1).tail(4);
    insta::assert_snapshot!(query.explain(Stop::All).unwrap());
}

#[test]
fn one_row_is_one_row_whatever_is_asked_of_it() {
    let total = session(1000).read_csv("testdata/baci/BACI_HS12_Y2018.csv").agg([col("v").sum()]);
    assert_eq!(total.num_rows().unwrap(), 1);
    assert_eq!(rows(&total.with_column("n", row_number()).select(["n"]).compute().unwrap()), [[Value::Int(0)]]);
    assert_eq!(rows(&total.select([lit(1).alias("one")]).compute().unwrap()), [[Value::Int(1)]]);
    assert_eq!(total.merge(&total, Merge::cross()).num_rows().unwrap(), 1);
    let e = total.unpivot(["v"], ["v", "v"], "name", "value").schema().unwrap_err();
    assert!(e.to_string().contains("named twice"), "{e}");
}

#[test]
fn tables_that_say_they_have_no_nulls() {
    let ints = |values: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let full =
        RecordBatch::try_from_iter([("x", ints(&[Some(1), Some(2)])), ("y", ints(&[Some(3), Some(4)]))]).unwrap();
    let some = RecordBatch::try_from_iter([("x", ints(&[Some(6), None])), ("y", ints(&[None, Some(7)]))]).unwrap();
    let less = RecordBatch::try_from_iter([("x", ints(&[Some(5)]))]).unwrap();
    assert!(!full.schema().field(1).is_nullable() && some.schema().field(1).is_nullable());
    let row = |x: Option<i64>, y: Option<i64>| [x, y].map(|v| v.map_or(Value::Null, Value::Int)).to_vec();
    let dir = tempfile::tempdir().unwrap();
    for (name, session) in sessions() {
        let frame = |batches: &[&RecordBatch], of: &RecordBatch| {
            session.frame(Table::new(of.schema(), batches.iter().map(|b| (*b).clone()).collect::<Vec<_>>()).unwrap())
        };
        // A column that one of them lacks is null there.
        let both = concat([frame(&[&full], &full), frame(&[&less], &less)]).compute().unwrap();
        assert_eq!(rows(&both), [row(Some(1), Some(3)), row(Some(2), Some(4)), row(Some(5), None)], "{name}");
        // Of several batches one has nulls, whatever the table says.
        let want = [row(Some(6), None), row(None, Some(7)), row(Some(1), Some(3)), row(Some(2), Some(4))];
        for of in [&full, &some] {
            let mixed = frame(&[&some, &full], of);
            assert_eq!(rows(&mixed.compute().unwrap()), want, "{name}");
            let filtered = mixed.filter(col("x").is_null().or(col("x").gt(0))).compute().unwrap();
            assert_eq!(rows(&filtered), want, "{name}");
            assert!(filtered.to_string().contains("null"), "{name}");
            let path = dir.path().join(format!("{name}.parquet"));
            mixed.write(&path, WriteOptions::parquet().overwrite()).unwrap();
            assert_eq!(rows(&session.read_parquet(path.as_path()).compute().unwrap()), want, "{name}");
        }
    }
}
