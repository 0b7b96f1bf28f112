//! Functions over the rows in order through frames: against pandas on one partition and on many, and in every place where they
//! stand.

mod common;

use common::{Files, Value, assert_same, expected, rows, session, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

/// The columns of `in_order` in make.py.
fn columns() -> Vec<Expr> {
    let (v, q, k) = (|| col("v"), || col("q"), || col("k"));
    let mut columns = vec![
        row_number(),
        v().cumsum().alias("cumsum_v"),
        q().cumsum().alias("cumsum_q"),
        k().cumsum().alias("cumsum_k"),
        q().cummax().alias("cummax_q"),
        q().cummin().alias("cummin_q"),
        k().cummin().alias("cummin_k"),
        (q() / 1e6 + 1).cumprod().alias("cumprod_growth"),
        q().cumcount().alias("cumcount_q"),
        k().shift(3).alias("shift_k"),
        q().shift(-2).alias("shift_back_q"),
        k().diff(2).alias("diff_k"),
        q().diff(-1).alias("diff_q"),
        v().pct_change(1).alias("pct_change_v"),
        q().ffill().alias("ffill_q"),
        q().bfill().alias("bfill_q"),
        q().rank().alias("rank_q"),
        k().rank().alias("rank_k"),
    ];
    for method in [RankMethod::Min, RankMethod::Max, RankMethod::Dense, RankMethod::First] {
        columns.push(k().rank_with(method).alias(format!("rank_{method:?}_k")));
        columns.push(q().rank_with(method.descending()).alias(format!("rank_{method:?}_q")));
    }
    for n in [1, 7, 1000] {
        columns.push(v().rolling(n).sum().alias(format!("rows_{n}_sum")));
        columns.push(q().rolling(n).min_periods(1).mean().alias(format!("rows_{n}_mean")));
        columns.push(k().rolling(n).min().alias(format!("rows_{n}_min")));
        columns.push(q().rolling(n).max().alias(format!("rows_{n}_max")));
        columns.push(q().rolling(n).min_periods(1).std().alias(format!("rows_{n}_std")));
    }
    for n in [1, 366, 1000] {
        columns.push(v().rolling_by("day", days(n)).sum().alias(format!("days_{n}_sum")));
        columns.push(q().rolling_by("day", days(n)).mean().alias(format!("days_{n}_mean")));
        columns.push(k().rolling_by("day", days(n)).max().alias(format!("days_{n}_max")));
        columns.push(v().rolling_by("day", days(n)).var().alias(format!("days_{n}_var")));
    }
    columns
}

fn with_days(df: Frame) -> Frame {
    df.with_column("day", concat_text([col("t").cast(Type::Text), lit("-01-01")]).cast(Type::Date))
}

#[test]
fn as_pandas_has_it() {
    for (name, session) in sessions() {
        let all = with_days(session.read_csv(GENERATED)).select(columns());
        let row = || col("row_number");
        let some = all.filter((row() % 50).eq(7).or(row().lt(3)).or(row().ge(14_000 - 3)));
        let got = rows(&some.compute().unwrap());
        assert_same(&got, &expected("generated_in_order", &got), name);
    }
}

#[test]
fn without_ranks_partitions_stay() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let partitions = df.npartitions().unwrap();
        let summed = df.with_column("total", col("v").cumsum());
        assert_eq!(summed.npartitions().unwrap(), partitions, "{name}");
        assert_eq!(df.with_column("rank", col("v").rank()).npartitions().unwrap(), 1);
        let kept = summed.persist().unwrap();
        assert_eq!(kept.npartitions().unwrap(), partitions, "{name}");
        assert_eq!(kept.compute().unwrap(), summed.compute().unwrap(), "{name}");
    }
}

#[test]
fn nested_in_expressions_filters_and_each_other() {
    let csv =
        "x,s,at\n1,a,2020-01-01 00:00:00\n,,2020-01-01 01:00:00\n4,c,2020-01-01 02:00:00\n2,,2020-01-01 02:00:00\n";
    let files = Files::new(&[("a.csv", csv.as_bytes())]);
    use Value::{Int, Null, Text};
    let text = |text: &str| Text(text.to_owned());
    for partition_size in [1 << 30, 8] {
        let df = session(partition_size).read_csv(files.path("a.csv"));
        let check = |df: Frame, want: &[&[Value]]| {
            let want: Vec<Vec<Value>> = want.iter().map(|row| row.to_vec()).collect();
            let table = df.compute().unwrap_or_else(|e| panic!("{e}\n{}", df.explain(Stop::All).unwrap()));
            assert_same(&rows(&table), &want, &df.explain(Stop::Stages).unwrap());
        };
        let nested = (col("x").fill_null(0) * 2).cumsum().shift(1) + col("x").cummax();
        check(df.select([nested]), &[&[Null], &[Null], &[Int(6)], &[Int(14)]]);
        check(df.filter((col("x").cumsum() - col("x")).gt(0)).select(["x"]), &[&[Int(4)], &[Int(2)]]);
        // The filter before leaves out rows, the one behind does not.
        let numbered = |df: Frame| df.with_column("n", row_number());
        check(numbered(df.filter(col("x").gt(1))).select(["n"]), &[&[Int(0)], &[Int(1)]]);
        check(numbered(df.clone()).filter(col("x").gt(1)).select(["n"]), &[&[Int(2)], &[Int(3)]]);
        check(
            df.with_columns([col("s").shift(-1), col("s").ffill().alias("f"), col("s").rank().alias("r")])
                .select(["s", "f", "r"]),
            &[
                &[Null, text("a"), Value::Float(1.0)],
                &[text("c"), text("a"), Null],
                &[Null, text("c"), Value::Float(2.0)],
                &[Null, text("c"), Null],
            ],
        );
        let hours = col("x").rolling_by("at", hours(2)).count();
        check(
            df.select([hours, col("x").rolling(2).sum().alias("two")]),
            &[&[Int(1), Null], &[Int(1), Null], &[Int(1), Null], &[Int(2), Int(6)]],
        );
        check(df.select([row_number()]).slice(1, 2), &[&[Int(1)], &[Int(2)]]);
        check(df.filter(col("x").gt(100)).select([col("x").cumsum(), row_number()]), &[]);
        // A column that has the name of a function already.
        let taken = df.with_column("cumsum(x)", lit(7)).with_column("y", col("x").cumsum() + col("cumsum(x)"));
        check(taken.select(["cumsum(x)", "y"]).head(1), &[&[Int(7), Int(8)]]);
        check(df.group_by([col("x").is_null()]).agg([size()]).select([col("size").cumsum()]), &[&[Int(3)], &[Int(4)]]);
        let by_rank = df.with_column("r", col("x").rank_with(RankMethod::First)).sort(["r"]).select(["r"]);
        check(by_rank, &[&[Int(1)], &[Int(2)], &[Int(3)], &[Null]]);
    }
}

#[test]
fn plans() {
    let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    let plan = |df: Frame| df.explain(Stop::Optimised).unwrap();
    let growth = df.with_columns([
        ((col("v") - col("v").shift(1)) / col("v").shift(1)).alias("growth"),
        col("q").cumsum().alias("total"),
    ]);
    assert_eq!(
        plan(growth.filter(col("i").eq(4)).select(["growth"])),
        "select growth
  select (v - shift(v, 1)) / shift(v, 1) as growth
    filter i = 4
      in order shift(v, 1)
        scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": i, v
"
    );
    assert_eq!(
        plan(growth.select(["k"])),
        "select k\n  select k\n    scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": k\n"
    );
    assert_eq!(
        plan(df.select([(col("v") * 2).cumsum().rolling(3).max()])),
        "select rolling_max(cumsum(v * 2), 3) as v
  in order rolling_max(cumsum(v * 2), 3)
    in order cumsum(v * 2)
      scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": v
"
    );
}

#[test]
fn what_is_wrong_is_told() {
    let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    for (frame, kind, text) in [
        (
            df.agg([col("v").cumsum().max()]),
            ErrorKind::Type,
            "'cumsum(v)' goes over the rows in order, which select, with_column and filter alone compute",
        ),
        (
            df.group_by([col("v").rank()]).agg([size()]),
            ErrorKind::Type,
            "'rank(v)' goes over the rows in order, which select, with_column and filter alone compute",
        ),
        (
            df.sort([col("v").diff(1)]),
            ErrorKind::Type,
            "'shift(v, 1)' goes over the rows in order, which select, with_column and filter alone compute",
        ),
        (df.select([col("x").cumsum()]), ErrorKind::Column, "there is no column 'x'"),
        (
            df.select([col("k").cast(Type::Text).cumsum()]),
            ErrorKind::Type,
            "'cast(k as text)' is text, which 'cumsum(cast(k as text))' does not take",
        ),
        (df.select([col("v").rolling(0).sum()]), ErrorKind::Config, "a rolling window of no rows"),
        (
            df.select([col("v").rolling(3).min_periods(4).sum()]),
            ErrorKind::Config,
            "a rolling window of 3 rows never has the 4 values of min_periods",
        ),
        (
            df.select([col("v").rolling_by("t", days(1)).sum()]),
            ErrorKind::Type,
            "'t' is int64, and a window of time goes by a date or a timestamp",
        ),
        (
            with_days(df.clone()).select([col("v").rolling_by("day", months(1)).sum()]),
            ErrorKind::Config,
            "a rolling window of months, which are not equally long",
        ),
        (
            with_days(df.clone()).select([col("v").rolling_by("day", days(0)).sum()]),
            ErrorKind::Config,
            "a rolling window of 0 days",
        ),
        (df.filter(col("v").cumsum()), ErrorKind::Type, "a filter takes a condition, and 'cumsum(v)' is float64"),
    ] {
        let error = frame.schema().unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, text));
    }
    for (_, session) in sessions() {
        let reversed = with_days(session.read_csv(GENERATED)).sort([col("t").desc()]);
        let error = reversed.select([col("v").rolling_by("day", days(2)).sum()]).compute().unwrap_err();
        assert!(error.message().starts_with("row 2000 is of 2017-01-01"), "{error}");
        let overflow = session.read_csv(GENERATED).select([(col("k") + i64::MAX / 2).cumsum()]).compute().unwrap_err();
        assert_eq!(overflow.kind(), ErrorKind::Overflow);
    }
}
