//! Which types aggregates take and give, how they are shown, and what misuse is told.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::*;
use crate::error::ErrorKind;
use crate::expr::{Type, col, lit};

fn schema() -> Schema {
    let field = |(name, kind): (&str, Type)| Field::new(name, kind.arrow(), true);
    Schema::new(
        [
            ("k", Type::Int64),
            ("q", Type::Float64),
            ("b", Type::Bool),
            ("d", Type::Date),
            ("at", Type::Timestamp),
            ("s", Type::Text),
        ]
        .map(field)
        .to_vec(),
    )
}

fn refusal(agg: AggExpr) -> (ErrorKind, String) {
    let error = agg.bind(&schema()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\n  help: "), "{text}");
    (error.kind(), text.replace("\n  help: ", "; "))
}

#[test]
fn types() {
    let t = |agg: AggExpr| agg.bind(&schema()).unwrap().output_type;
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    for c in ["k", "q"] {
        for agg in [col(c).var(), col(c).std(), col(c).median(), col(c).quantile(1.0), corr(c, "k"), cov("q", c)] {
            assert_eq!(t(agg), DataType::Float64);
        }
    }
    let lower = |e: Expr| e.median().interpolation(Interpolation::Lower);
    for (got, want) in [
        (col("s").nunique(), DataType::Int64),
        (col("at").first(), timestamp.clone()),
        (col("s").last(), DataType::Utf8View),
        (col("b").mode(), DataType::Boolean),
        (col("d").idxmax(), DataType::Int64),
        (col("b").any(), DataType::Boolean),
        (col("k").gt(3).all(), DataType::Boolean),
        (lower(col("d")), DataType::Date32),
        (lower(col("at")), timestamp),
        (col("s").join(","), DataType::Utf8View),
    ] {
        assert_eq!(t(got), want);
    }
}

#[test]
fn shown_as_written() {
    for (agg, text) in [
        (col("q").var(), "var(q)"),
        (col("q").var().ddof(2), "var(q, ddof 2)"),
        (cov("k", "q").ddof(0), "cov(k, q, ddof 0)"),
        (col("q").quantile(0.25), "quantile(q, 0.25)"),
        (col("q").median().interpolation(Interpolation::Nearest), "median(q, nearest)"),
        (col("s").join("\n"), "join(s, \"\\n\")"),
        (size().filter(col("b")).filter(col("k").eq(1)).alias("n"), "size() where b and k = 1 as n"),
    ] {
        assert_eq!(agg.to_string(), text);
    }
    assert_eq!(corr("k", "q").name(), "k");
    let columns: Vec<_> = corr("k", "q").filter(col("b")).columns().into_iter().collect();
    assert_eq!(columns, ["b".into(), "k".into(), "q".into()]);
}

#[test]
fn misuse() {
    use ErrorKind::{Column, Config, Type};
    for (agg, kind, part) in [
        (col("s").var(), Type, "'s' is text, which has no var; aggregate another column"),
        (col("b").std(), Type, "'b' is bool, which has no std; count, sum and mean of a bool work"),
        (corr("k", "d"), Type, "'d' is date, which has no corr; count, min and max of a date work"),
        (
            col("k").any(),
            Type,
            "'k' is int64, which has no any; take it of a condition, as in col(\"t\").eq(2018).any()",
        ),
        (col("q").join(","), Type, "'q' is float64, which has no join; only texts are joined"),
        (col("s").idxmin(), Type, "'s' is text, which has no idxmin"),
        (
            col("d").median(),
            Type,
            "'d' is date: nothing lies between two of them for a median; take one of the two with .interpolation(",
        ),
        (col("s").quantile(0.1), Type, "'s' is text, which has no quantile"),
        (col("q").var().ddof(-1), Config, "the ddof of var is -1; give 1 for a sample"),
        (col("q").mean().ddof(0), Config, "mean takes no ddof; var, std and cov do"),
        (col("q").max().min_count(0), Config, "max takes no min_count; only sum does"),
        (col("q").mean().interpolation(Interpolation::Lower), Config, "mean takes no interpolation; median"),
        (
            col("q").quantile(1.5),
            Config,
            "a quantile is from 0 to 1, and this one is 1.5; a share is meant, not a percentage: quantile(0.015)",
        ),
        (col("q").quantile(-0.5), Config, "a quantile is from 0 to 1, and this one is -0.5; give the share"),
        (col("q").quantile(f64::NAN), Config, "a quantile is from 0 to 1, and this one is NaN"),
        (size().filter(col("k")), Type, "a filter takes a condition, and 'k' is int64; compare it"),
        (size().filter(lit("b")), Type, "a filter takes a condition"),
        (size().filter("none"), Column, "there is no column 'none'"),
    ] {
        let (got, text) = refusal(agg.clone());
        assert!(got == kind && text.starts_with(part), "{agg}: {got:?} {text}");
    }
}
