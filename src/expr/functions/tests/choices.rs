//! `when`, `coalesce`, `fill_null`, `is_in`, `between`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::expr::{Then, Type, coalesce, col, lit, lit_date, lit_timestamp, when};

fn rows() -> RecordBatch {
    batch(vec![
        ("a", ints(&[Some(1), Some(2), None, Some(0)])),
        ("x", floats(&[Some(0.5), None, Some(f64::NAN), Some(-0.0)])),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("s", texts(&[Some("é"), None, Some(""), Some("a longer text than twelve bytes")])),
        ("d", dates(&[Some(0), Some(18_292), None, Some(1)])),
        ("at", times(&[Some(0), Some(86_400_000_000), None, Some(-1)])),
    ])
}

#[test]
fn the_first_true_condition_chooses() {
    let b = rows();
    check(
        &b,
        when(col("a").gt(1)).then("two").when(col("b")).then("yes").otherwise("no"),
        r#""yes", "two", "no", "yes""#,
    );
    // A null condition chooses nothing.
    check(&b, when(col("b")).then(col("a")).otherwise(col("x")), "1.0, null, NaN, 0.0");
    let open: Then = when(col("a").is_not_null()).then(col("s"));
    check(&b, open.into(), r#""é", null, null, "a longer text than twelve bytes""#);
    check(&b, when(true).then(1).otherwise(2), "1, 1, 1, 1");
    check(&b, when(None::<bool>).then(1).otherwise(col("a")), "1, 2, null, 0");
    check(&b, when(col("b")).then(1).otherwise(2), "1, 2, 2, 1");
    check(&b, when(col("b")).then("1970-01-05").otherwise(col("d")), "1970-01-05, 2020-01-31, null, 1970-01-05");
    check(
        &b,
        when(col("b")).then(col("d")).otherwise(col("at")),
        "1970-01-01 00:00:00, 1970-01-02 00:00:00, null, 1970-01-02 00:00:00",
    );
    check(&b, when(col("b")).then(None::<i64>).otherwise(None::<i64>).is_null(), "true, true, true, true");
}

#[test]
fn what_is_not_chosen_is_no_error() {
    let b = rows();
    let text = || col("s").cast(Type::Int64);
    assert_eq!(error(&b, when(col("a").lt(9)).then(text()).otherwise(0)).kind(), ErrorKind::Value);
    check(&b, when(col("a").gt(9)).then(text()).otherwise(col("a")), "1, 2, null, 0");
    let big = || lit(i64::MAX) + col("a");
    check(&b, when(col("a").gt(0)).then(0).when(big().gt(5)).then(big()).otherwise(7), "0, 0, 7, 9223372036854775807");
    check(
        &b,
        when(col("a").gt(0)).then(lit(i64::MAX) - col("a")).otherwise(-1),
        "9223372036854775806, 9223372036854775805, -1, -1",
    );
    let never = || when(col("a").gt(9)).then(lit(i64::MAX) + 1).otherwise(0);
    check(&b, never(), "0, 0, 0, 0");
    assert_eq!(error(&b, when(col("a").is_null()).then(lit(i64::MAX) + 1).otherwise(0)).kind(), ErrorKind::Overflow);
    assert_eq!(error(&b, coalesce([col("a"), col("x").cast(Type::Int64)])).kind(), ErrorKind::Value);
    check(&b, coalesce([col("x"), col("s").cast(Type::Float64), lit(9)]), "0.5, 9.0, NaN, -0.0");
}

#[test]
fn the_first_that_is_there() {
    let b = rows();
    check(&b, coalesce([col("a"), col("x")]), "1.0, 2.0, NaN, 0.0");
    check(&b, coalesce(["s"]), r#""é", null, "", "a longer text than twelve bytes""#);
    check(&b, col("s").fill_null("-"), r#""é", "-", "", "a longer text than twelve bytes""#);
    check(&b, col("d").fill_null("1970-01-03"), "1970-01-01, 2020-01-31, 1970-01-03, 1970-01-02");
    check(&b, lit(None::<i64>).fill_null(col("a")), "1, 2, null, 0");
    check(&b, col("x").fill_null(0), "0.5, 0.0, NaN, -0.0");
    check(&b, coalesce([lit(None::<i64>), lit(3)]), "3, 3, 3, 3");
    // The second would overflow where the first has a value.
    check(&b, col("a").fill_null(col("a").fill_null(0) + i64::MAX), "1, 2, 9223372036854775807, 0");
}

#[test]
fn membership() {
    let b = rows();
    check(&b, col("a").is_in([1, 2]), "true, true, null, false");
    check(&b, col("a").is_in([Some(1), None]), "true, null, null, null");
    check(&b, col("a").is_in([1.0, 0.5, f64::NAN, 1e300]), "true, false, null, false");
    check(&b, col("a").is_in(Vec::<i64>::new()), "false, false, false, false");
    check(&b, col("x").is_in([f64::NAN, 0.0]), "false, null, true, true");
    check(&b, col("x").is_in([0, 1]), "false, null, false, true");
    check(&b, col("s").is_in(["", "é"]), "true, null, true, false");
    check(&b, col("b").is_in([true]), "true, false, null, true");
    check(&b, col("d").is_in(["1970-01-01", "2020-01-31"]), "true, true, null, false");
    check(
        &b,
        col("d").is_in([lit_timestamp("1970-01-01"), lit_timestamp("1970-01-02 01:00")]),
        "true, false, null, false",
    );
    check(&b, col("at").is_in([lit_date("1970-01-02")]), "false, true, null, false");
    check(&b, col("a").is_in([col("x"), lit(2)]), "false, true, null, true");
    check(&b, lit(None::<i64>).is_in([1]), "null, null, null, null");
    check(&b, col("a").between(1, 1.5), "true, false, null, false");
    check(&b, col("x").between(0, f64::NAN), "true, null, true, true");
    check(&b, col("a").between(None::<i64>, 1), "null, false, null, null");
    check(&b, lit(2).between(col("a"), 2), "true, true, null, true");
}

#[test]
fn misuses() {
    let b = rows();
    misuse(
        &b,
        when(col("a")).then(1).otherwise(2),
        ErrorKind::Type,
        "'a' is int64, and 'when' takes conditions\n  help: compare it with something, as in col(\"t\").eq(2018)",
    );
    misuse(
        &b,
        when(col("b")).then(1).otherwise("no"),
        ErrorKind::Type,
        "\"no\" is text, and another value in the results of when is int64\n  help: make them one type, as with cast(Type::Text)",
    );
    misuse(
        &b,
        coalesce(Vec::<Expr>::new()),
        ErrorKind::Config,
        "coalesce of nothing\n  help: give it one value at least",
    );
    misuse(
        &b,
        col("a").is_in(["x"]),
        ErrorKind::Type,
        "'a' is int64 and \"x\" is text, which don't compare\n  help: compare it with a number",
    );
    assert_eq!(error(&b, col("d").is_in(["31.1.2020"])).kind(), ErrorKind::Type);
    assert_eq!(error(&b, col("a").is_in([lit("x"), col("a")])).kind(), ErrorKind::Type);
}

#[test]
fn shown_as_written() {
    for (expr, text) in [
        (col("a").is_in([1, 2]).not(), "not a in (1, 2)"),
        ((col("a") + 1).is_in([1]).and(col("b")), "a + 1 in (1) and b"),
        (col("a").is_in([1]).eq(true), "(a in (1)) = true"),
        (
            col("a").is_in(0..30),
            "a in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, … 30 values)",
        ),
        (when(col("b")).then(1).otherwise(2) + 1, "case when b then 1 else 2 end + 1"),
        (col("a").fill_null(0).alias("z").abs(), "abs(coalesce(a, 0) as z)"),
        ((col("a") + 1).cast(Type::Text), "cast(a + 1 as text)"),
    ] {
        assert_eq!(expr.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lists_are_found_as_in_a_set(
        values in prop::collection::vec(prop::option::of(-5i64..5), 0..40),
        wanted in prop::collection::vec(prop::option::of(-5i64..5), 0..6),
    ) {
        let b = batch(vec![("a", ints(&values))]);
        let set: BTreeSet<Option<i64>> = wanted.iter().copied().collect();
        let want: Vec<Option<bool>> = values.iter().map(|v| match v {
            _ if set.is_empty() => Some(false),
            None => None,
            v if set.contains(v) => Some(true),
            _ if set.contains(&None) => None,
            _ => Some(false),
        }).collect();
        let got = |expr: Expr| -> Vec<Option<bool>> { eval(&b, &expr).unwrap().as_boolean().iter().collect() };
        prop_assert_eq!(got(col("a").is_in(wanted.clone())), want.clone());
        // By comparisons, one by one.
        let terms = wanted.iter().map(|&w| lit(w) + (col("a") - col("a"))).chain((!wanted.is_empty()).then(|| lit(wanted[0])));
        let slow: Vec<Expr> = terms.collect();
        if !slow.is_empty() {
            let got = got(col("a").is_in(slow));
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn choices_are_those_of_a_loop(
        rows in prop::collection::vec((prop::option::of(any::<bool>()), prop::option::of(any::<bool>()), prop::option::of(-9i64..9)), 0..80),
        fails in any::<bool>(),
    ) {
        let bools = |values: Vec<Option<bool>>| -> ArrayRef { Arc::new(BooleanArray::from(values)) };
        let (p, q) = rows.iter().map(|r| (r.0, r.1)).unzip();
        let v: Vec<_> = rows.iter().map(|r| r.2).collect();
        let b = batch(vec![("p", bools(p)), ("q", bools(q)), ("v", ints(&v))]);
        // Arithmetic can fail, which takes the other way.
        let part = |k: i64| if fails { col("v") + k } else { col("v").clip(k, k) };
        let twin = |v: Option<i64>, k: i64| v.map(|v| if fails { v + k } else { k });
        let expr = when(col("p")).then(part(10)).when(col("q")).then(part(20)).otherwise(part(30));
        let want: Vec<_> = rows.iter().map(|&(p, q, v)| twin(v, if p == Some(true) { 10 } else if q == Some(true) { 20 } else { 30 })).collect();
        let got: Vec<_> = eval(&b, &expr).unwrap().as_primitive::<Int64Type>().iter().collect();
        prop_assert_eq!(got, want);
    }
}
