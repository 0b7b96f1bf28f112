//! Aggregates against pandas, on one partition and on many, and what they do with nulls, NaN and the order of rows.
//!
//! The expected values are in `testdata/expected`, with the script that made them.

mod common;

use common::{Files, Value, assert_same, expected, rows, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";
const REAL: &str = "testdata/baci/BACI_HS92_Y2021_V202301_exporters_4_710.csv";

/// What `statistics` of the script computes, in its order.
fn statistics() -> Vec<AggExpr> {
    let mut aggs = Vec::new();
    for c in ["v", "q"] {
        let how = |how| col(c).quantile(0.3).interpolation(how);
        let of_column = [
            ("var", col(c).var()),
            ("std", col(c).std()),
            ("median", col(c).median()),
            ("nunique", col(c).nunique()),
            ("first", col(c).first()),
            ("last", col(c).last()),
            ("var0", col(c).var().ddof(0)),
            ("quantile0.1", col(c).quantile(0.1)),
            ("quantile0.9", col(c).quantile(0.9)),
            ("lower", how(Interpolation::Lower)),
            ("higher", how(Interpolation::Higher)),
            ("midpoint", how(Interpolation::Midpoint)),
            ("nearest", how(Interpolation::Nearest)),
            ("mode", col(c).mode()),
        ];
        aggs.extend(of_column.map(|(name, agg)| agg.alias(format!("{name}_{c}"))));
    }
    let large = || col("v").gt(100);
    aggs.extend([
        col("k").mode().alias("mode_k"),
        col("k").nunique().alias("nunique_k"),
        col("k").var().alias("var_k"),
        col("k").median().alias("median_k"),
        col("v").idxmin().alias("idxmin_v"),
        col("v").idxmax().alias("idxmax_v"),
        cov("v", "q").alias("cov_vq"),
        corr("v", "q").alias("corr_vq"),
        col("q").median().filter(large()).alias("large_median_q"),
        col("q").nunique().filter(large()).alias("large_nunique_q"),
    ]);
    aggs
}

#[test]
fn statistics_as_pandas_has_them() {
    for (name, files) in [("generated", GENERATED), ("real", REAL)] {
        for (session_name, session) in sessions() {
            // The real rows, 3 MB, in partitions of 1 KB would take minutes.
            if name == "real" && session_name == "partitions of 1 KB" {
                continue;
            }
            for key in ["i", "t"] {
                let got = rows(&session.read_csv(files).group_by([key]).agg(statistics()).compute().unwrap());
                let name = format!("{name}_statistics_by_{key}");
                assert_same(&got, &expected(&name, &got), &format!("{name}, {session_name}"));
            }
        }
    }
}

const SMALL: &[u8] = b"k,x,s,d,b\n\
    1,2.5,b,2020-01-31,true\n\
    2,,,,\n\
    1,NaN,,2019-05-01,\n\
    1,-0.0,a,,false\n\
    3,1,c,2021-12-31,false\n\
    1,0.0,b,2020-02-01,true\n\
    2,,,,\n\
    3,1,c,2020-12-31,false\n";

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The answer by `k` of one aggregate over the small file.
#[track_caller]
fn by_k(agg: AggExpr, expected: [Value; 3]) {
    let files = Files::new(&[("f.csv", SMALL)]);
    for partition_size in [1 << 20, 40, 1] {
        let session = common::session(partition_size);
        let df = session.read_csv_with(
            files.path("f.csv"),
            CsvOptions::new().dtype("d", Type::Date).dtype("b", Type::Bool).dtype("x", Type::Float64),
        );
        let got = rows(&df.group_by(["k"]).agg([agg.clone().alias("a")]).compute().unwrap());
        let expected: Vec<Vec<Value>> =
            expected.iter().zip(1..).map(|(value, k)| vec![Value::Int(k), value.clone()]).collect();
        assert_same(&got, &expected, &format!("{agg}, {partition_size}"));
    }
}

#[test]
fn nulls_nan_and_zeros() {
    use Value::{Float, Int, Null};
    let (x, nan) = (|| col("x"), f64::NAN);
    by_k(x().nunique(), [Int(3), Int(0), Int(1)]);
    by_k(x().mode(), [Float(0.0), Null, Float(1.0)]);
    by_k(x().var(), [Float(nan), Null, Float(0.0)]);
    by_k(x().std().ddof(2), [Float(nan), Null, Null]);
    by_k(x().median(), [Float(1.25), Null, Float(1.0)]);
    by_k(x().quantile(1.0), [Float(nan), Null, Float(1.0)]);
    by_k(x().first(), [Float(2.5), Null, Float(1.0)]);
    by_k(x().last(), [Float(0.0), Null, Float(1.0)]);
    by_k(x().idxmin(), [Int(3), Null, Int(4)]);
    by_k(x().idxmax(), [Int(2), Null, Int(4)]);
    by_k(x().idxmax().filter(x().lt(100)), [Int(0), Null, Int(4)]);
    by_k(corr("x", "k"), [Float(nan), Null, Float(nan)]);
    by_k(cov("x", "x").filter(x().le(2.5)), [Float(25.0 / 12.0), Null, Float(0.0)]);
    by_k(size().filter(col("s").is_null()), [Int(1), Int(2), Int(0)]);
    by_k(x().sum().filter(col("s").eq("c")), [Float(0.0), Float(0.0), Float(2.0)]);
}

#[test]
fn texts_dates_and_bools() {
    use Value::{Int, Null};
    by_k(col("s").join("+"), [t("b+a+b"), Null, t("c+c")]);
    by_k(col("s").join(""), [t("bab"), Null, t("cc")]);
    by_k(col("s").first(), [t("b"), Null, t("c")]);
    by_k(col("s").mode(), [t("b"), Null, t("c")]);
    by_k(col("s").nunique(), [Int(2), Int(0), Int(1)]);
    by_k(col("d").median().interpolation(Interpolation::Lower), [t("2020-01-31"), Null, t("2020-12-31")]);
    by_k(col("d").median().interpolation(Interpolation::Higher), [t("2020-01-31"), Null, t("2021-12-31")]);
    by_k(col("d").last(), [t("2020-02-01"), Null, t("2020-12-31")]);
    by_k(col("b").any(), [t("true"), t("false"), t("false")]);
    by_k(col("b").all(), [t("false"), t("true"), t("false")]);
    by_k(col("x").gt(0).all().filter(col("s").ne("a")), [t("false"), t("true"), t("true")]);
}

#[test]
fn a_later_filter_on_keys_leaves_row_numbers_as_they_are() {
    let files = Files::new(&[("f.csv", SMALL)]);
    for (name, session) in sessions() {
        let numbered = session.read_csv(files.path("f.csv")).group_by(["k"]).agg([col("x").idxmin()]);
        let got = rows(&numbered.filter(col("k").eq(3)).compute().unwrap());
        assert_eq!(got, [[Value::Int(3), Value::Int(4)]], "{name}");
    }
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let answer = |threads| {
        let session = Session::builder().threads(threads).partition_size(20_000).build().unwrap();
        let df = session.read_csv(GENERATED);
        let first = df.group_by(["j"]).agg(statistics());
        format!("{:?}", rows(&first.compute().unwrap()))
    };
    assert_eq!(answer(4), answer(1));
}

#[test]
fn misuse_is_told_where_it_stands() {
    let df = partita::read_csv(GENERATED);
    let wrong = |agg: AggExpr| df.group_by(["i"]).agg([agg]).compute().unwrap_err();
    for (agg, kind, part) in [
        (col("v").quantile(90.0), ErrorKind::Config, "help: a share is meant, not a percentage: quantile(0.9)"),
        (col("v").var().ddof(-1), ErrorKind::Config, "help: give 1 for a sample or 0 for a population"),
        (col("v").any(), ErrorKind::Type, "help: take it of a condition"),
        (col("v").join(","), ErrorKind::Type, "help: only texts are joined"),
        (size().filter(col("v")), ErrorKind::Type, "help: compare it with something"),
    ] {
        let error = wrong(agg);
        let text = error.to_string();
        assert!(error.kind() == kind && text.contains(part) && text.contains("in group_by(i).agg("), "{text}");
    }
}
