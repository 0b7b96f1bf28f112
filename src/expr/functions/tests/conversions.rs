//! `cast` and `try_cast`.

use proptest::prelude::*;

use super::*;
use crate::expr::{Type, col, lit, lit_date};

fn rows() -> RecordBatch {
    batch(vec![
        ("i", ints(&[Some(0), Some(-3), None, Some(i64::MAX), Some(i64::MIN)])),
        ("x", floats(&[Some(2.9), Some(-2.9), Some(-0.0), None, Some(1e16)])),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), Some(false)]))),
        ("d", dates(&[Some(0), Some(-1), None, Some(18_321), Some(-719_529)])),
        ("at", times(&[Some(0), Some(-1), None, Some(1_500_000), Some(i64::MIN)])),
        ("s", texts(&[Some(" 12 "), Some("1e2"), None, Some("-7"), Some("")])),
    ])
}

#[test]
fn between_all_types() {
    let b = rows();
    use Type::{Bool, Date, Float64, Int64, Text, Timestamp};
    for (column, to, want) in [
        ("i", Float64, "0.0, -3.0, null, 9.223372036854776e18, -9.223372036854776e18"),
        ("i", Bool, "false, true, null, true, true"),
        ("i", Text, r#""0", "-3", null, "9223372036854775807", "-9223372036854775808""#),
        ("i", Int64, "0, -3, null, 9223372036854775807, -9223372036854775808"),
        ("x", Int64, "2, -2, 0, null, 10000000000000000"),
        ("x", Bool, "true, true, false, null, true"),
        ("x", Text, r#""2.9", "-2.9", "-0.0", null, "1e16""#),
        ("b", Int64, "1, 0, null, 1, 0"),
        ("b", Float64, "1.0, 0.0, null, 1.0, 0.0"),
        ("b", Text, r#""true", "false", null, "true", "false""#),
        ("d", Timestamp, "1970-01-01 00:00:00, 1969-12-31 00:00:00, null, 2020-02-29 00:00:00, -0001-12-31 00:00:00"),
        ("d", Text, r#""1970-01-01", "1969-12-31", null, "2020-02-29", "-0001-12-31""#),
        ("at", Date, "1970-01-01, 1969-12-31, null, 1970-01-01, day -106751992"),
        (
            "at",
            Text,
            r#""1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", null, "1970-01-01 00:00:01.5", "-290308-12-21 19:59:05.224192""#,
        ),
    ] {
        check(&b, col(column).cast(to), want);
        check(&b, col(column).try_cast(to), want);
    }
    check(&b, col("s").try_cast(Int64), "12, null, null, -7, null");
    check(&b, col("s").try_cast(Float64), "12.0, 100.0, null, -7.0, null");
    check(&b, col("s").try_cast(Date), "null, null, null, null, null");
    check(&b, lit(None::<i64>).cast(Text), "null, null, null, null, null");
    let s = batch(vec![(
        "s",
        texts(&[Some("True"), Some("FALSE"), Some("1"), Some("tRue"), Some("nan"), Some("2020-02-29T01:00+01:00")]),
    )]);
    check(&s, col("s").try_cast(Bool), "true, false, null, null, null, null");
    check(&s, col("s").try_cast(Float64), "null, null, 1.0, null, NaN, null");
    check(&s, col("s").try_cast(Timestamp), "null, null, null, null, null, 2020-02-29 00:00:00");
}

#[test]
fn what_cannot_be_cast_is_named() {
    let b = rows();
    for (expr, kind, text) in [
        (
            col("s").cast(Type::Int64),
            ErrorKind::Value,
            "\"1e2\" is no int64, in 'cast(s as int64)'\n  help: where it should be null, use try_cast",
        ),
        (
            lit(f64::NAN).cast(Type::Int64),
            ErrorKind::Value,
            "NaN is no int64, in 'cast(NaN as int64)'\n  help: where it should be null, use try_cast",
        ),
        (
            lit("9223372036854775808").cast(Type::Int64),
            ErrorKind::Overflow,
            "\"9223372036854775808\" is beyond int64, in 'cast(\"9223372036854775808\" as int64)'\n  help: where it should be null, use try_cast",
        ),
        (
            lit(9.3e18).cast(Type::Int64),
            ErrorKind::Overflow,
            "9.3e18 is beyond int64, in 'cast(9.3e18 as int64)'\n  help: where it should be null, use try_cast",
        ),
    ] {
        let error = error(&b, expr);
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    }
    let far = error(&b, (lit_date("2020-01-01") + crate::expr::days(2_000_000_000)).cast(Type::Timestamp));
    assert_eq!(far.kind(), ErrorKind::Overflow);
    // The Gregorian calendar repeats every 146,097 days, which are 400 years.
    let far = error(&b, (lit_date("2020-01-01") + crate::expr::days(146_097 * 10_000)).cast(Type::Timestamp));
    assert!(far.message().starts_with("+4002020-01-01 is beyond timestamp"), "{far}");
    check(&b, lit(f64::INFINITY).try_cast(Type::Int64), "null, null, null, null, null");
    misuse(
        &b,
        col("d").cast(Type::Int64),
        ErrorKind::Type,
        "'d' is date, which can't become int64\n  help: its parts are numbers: year(), month(), day(); or diff_days and diff_seconds from another",
    );
    for (column, to) in [("i", Type::Date), ("x", Type::Timestamp), ("b", Type::Date), ("at", Type::Bool)] {
        assert_eq!(error(&b, col(column).cast(to)).kind(), ErrorKind::Type);
        assert_eq!(error(&b, col(column).try_cast(to)).kind(), ErrorKind::Type);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_reads_back_as_it_was(
        i in prop::option::of(any::<i64>()), x in prop::option::of(any::<f64>()),
        d in prop::option::of(-700_000i32..2_900_000), t in prop::option::of(-60_000_000_000_000_000i64..250_000_000_000_000_000),
    ) {
        let b = batch(vec![("i", ints(&[i])), ("x", floats(&[x])), ("d", dates(&[d])), ("t", times(&[t]))]);
        for (column, kind) in [("i", Type::Int64), ("x", Type::Float64), ("d", Type::Date), ("t", Type::Timestamp)] {
            let there = eval(&b, &col(column).cast(Type::Text).cast(kind)).unwrap();
            prop_assert_eq!(show(&there, 0), show(b.column_by_name(column).unwrap(), 0));
        }
    }
}
