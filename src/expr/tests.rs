//! Binding and evaluation against answers worked out by hand, and against a naive twin.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

use super::build::BinaryOp;
use super::*;
use crate::error::{Error, ErrorKind};

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(3)]))),
        ("q", Arc::new(Float64Array::from(vec![Some(0.5), Some(-0.0), Some(-f64::NAN), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("d", Arc::new(Date32Array::from(vec![Some(0), Some(18_292), None, Some(18_293)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(86_400_000_000), None, Some(-1)]))),
        ("s", Arc::new(StringViewArray::from(vec![Some("a"), Some(""), None, Some("ab\0c")]))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, a)| a).collect()).unwrap()
}

fn bools(expr: Expr) -> Vec<Option<bool>> {
    let batch = batch();
    expr.bind(&batch.schema()).unwrap().eval(&batch).unwrap().as_boolean().iter().collect()
}

fn ints(expr: Expr) -> Vec<Option<i64>> {
    let batch = batch();
    let bound = expr.bind(&batch.schema()).unwrap();
    assert_eq!(bound.data_type(), DataType::Int64);
    bound.eval(&batch).unwrap().as_primitive::<arrow::datatypes::Int64Type>().iter().collect()
}

fn floats(expr: Expr) -> Vec<Option<f64>> {
    let batch = batch();
    let bound = expr.bind(&batch.schema()).unwrap();
    assert_eq!(bound.data_type(), DataType::Float64);
    bound.eval(&batch).unwrap().as_primitive::<arrow::datatypes::Float64Type>().iter().collect()
}

fn error(expr: Expr) -> Error {
    let batch = batch();
    match expr.bind(&batch.schema()) {
        Err(error) => error,
        Ok(bound) => bound.eval(&batch).unwrap_err(),
    }
}

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);
const N: Option<bool> = None;

#[test]
fn comparisons() {
    for (expr, want) in [
        (col("k").eq(2), [F, T, N, F]),
        (col("k").lt(2.5), [T, T, N, F]),
        (col("k").eq(2.5), [F, F, N, F]),
        (col("k").ne(2.5), [T, T, N, T]),
        (lit(2.5).lt(col("k")), [F, F, N, T]),
        (col("k").lt(f64::NAN), [T, T, N, T]),
        (col("k").ge(-1e300), [T, T, N, T]),
        (col("k").eq(1e300), [F, F, N, F]),
        (col("q").eq(0), [F, T, F, N]),
        (col("q").lt(0.0), [F, F, F, N]),
        (col("q").ge(-0.0), [T, T, T, N]),
        (col("q").gt(1e308), [F, F, T, N]),
        (col("q").eq(f64::NAN), [F, F, T, N]),
        (col("q").ne(f64::NAN), [T, T, F, N]),
        (col("q").le(f64::NAN), [T, T, T, N]),
        (col("q").lt(f64::NAN), [T, T, F, N]),
        (col("q").eq(col("q")), [T, T, T, N]),
        (col("q").lt(col("k")), [T, T, N, N]),
        (col("k").gt(None::<i64>), [N, N, N, N]),
        (col("q").gt(None::<f64>), [N, N, N, N]),
        (col("b").gt(false), [T, F, N, T]),
        (col("d").gt("2020-01-31"), [F, F, N, T]),
        (col("d").eq(lit_date("2020-01-31")), [F, T, N, F]),
        (col("d").gt("2020-01-31 00:00:01"), [F, F, N, T]),
        (lit("1970-01-02").le(col("at")), [F, T, N, F]),
        (col("at").lt("1970-01-01"), [F, F, N, T]),
        (col("at").eq(col("d")), [T, F, N, F]),
        (col("d").gt(col("at")), [F, T, N, T]),
        (col("s").gt("a"), [F, F, N, T]),
        (col("s").eq(""), [F, T, N, F]),
        (lit(1).lt(1.5), [T; 4]),
        (lit(None::<i64>).eq(None::<i64>), [N; 4]),
    ] {
        assert_eq!(bools(expr.clone()), want, "{expr}");
    }
}

#[test]
fn integers_beyond_the_floats_are_compared_exactly() {
    let values = Int64Array::from(vec![i64::MAX, (1 << 53) + 1, i64::MIN]);
    let floats =
        Float64Array::from(vec![9_223_372_036_854_775_808.0, 9_007_199_254_740_992.0, -9_223_372_036_854_775_808.0]);
    let schema = Schema::new(vec![Field::new("i", DataType::Int64, true), Field::new("f", DataType::Float64, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values), Arc::new(floats)]).unwrap();
    for (expr, want) in [
        (col("i").lt(9_223_372_036_854_775_808.0), [true, true, true]),
        (col("i").ge(-9_223_372_036_854_775_808.0), [true, true, true]),
        (col("i").gt(-9_223_372_036_854_775_808.0), [true, true, false]),
        (col("i").le(9_007_199_254_740_992.0), [false, false, true]),
        (col("f").gt(i64::MAX), [true, false, false]),
        (col("f").eq(i64::MAX), [false, false, false]),
        (col("f").lt((1i64 << 53) + 1), [false, true, true]),
        (col("f").ge((1i64 << 53) + 1), [true, false, false]),
        (lit((1i64 << 53) + 1).ne(col("f")), [true, true, true]),
        (col("f").le(i64::MIN), [false, false, true]),
    ] {
        let mask = expr.bind(&batch.schema()).unwrap().eval_mask(&batch).unwrap();
        assert_eq!(mask.iter().map(Option::unwrap).collect::<Vec<_>>(), want, "{expr}");
    }
}

#[test]
fn arithmetic() {
    assert_eq!(ints(col("k") + 1), [Some(2), Some(3), None, Some(4)]);
    assert_eq!(ints(-(col("k") * col("k"))), [Some(-1), Some(-4), None, Some(-9)]);
    assert_eq!(ints(col("k") % 0), [None; 4]);
    assert_eq!(ints(lit(-7) % (col("k") - 1)), [None, Some(0), None, Some(-1)]);
    assert_eq!(ints(lit(i64::MIN) % lit(-1)), [Some(0); 4]);
    assert_eq!(ints(lit(1) - None::<i64>), [None; 4]);
    assert_eq!(floats(col("k") / 2), [Some(0.5), Some(1.0), None, Some(1.5)]);
    assert_eq!(floats(col("k") / 0), [Some(f64::INFINITY), Some(f64::INFINITY), None, Some(f64::INFINITY)]);
    assert_eq!(floats(lit(3) + 0.5), [Some(3.5); 4]);
    let q = floats(col("q") * 2 - col("k"));
    assert_eq!((q[0], q[1], q[2], q[3]), (Some(0.0), Some(-2.0), None, None));
    assert!(floats(col("q") % 0)[0].unwrap().is_nan());
    for expr in [col("k") + i64::MAX, -(lit(i64::MIN) - (col("k") - col("k"))), col("k") * i64::MAX] {
        assert_eq!(error(expr.clone()).kind(), ErrorKind::Overflow, "{expr}");
    }
}

#[test]
fn logic_has_three_values() {
    let null = || lit(None::<bool>);
    for (expr, want) in [
        (col("b").and(null()), [N, F, N, N]),
        (col("b").or(null()), [T, N, N, T]),
        (null().or(null()), [N; 4]),
        (lit(false).and(null()), [F; 4]),
        (col("b").not(), [F, T, N, F]),
        (null().not(), [N; 4]),
        (null().is_null(), [T; 4]),
        (col("k").is_null(), [F, F, T, F]),
        (col("q").is_not_null().and(col("k").gt(1)), [F, T, N, F]),
    ] {
        assert_eq!(bools(expr.clone()), want, "{expr}");
    }
    let batch = batch();
    let mask = col("b").bind_condition(&batch.schema()).unwrap().eval_mask(&batch).unwrap();
    assert_eq!(mask, BooleanArray::from(vec![true, false, false, true]));
}

#[test]
fn constants_fill_a_column_only_as_a_result() {
    assert_eq!(ints(lit(7)), [Some(7); 4]);
    assert_eq!(ints(lit(None::<i64>)), [None; 4]);
    let none = batch().slice(0, 0);
    assert_eq!(lit("x").bind(&none.schema()).unwrap().eval(&none).unwrap().len(), 0);
    assert_eq!(lit(1.0).lt(f64::NAN).bind(&none.schema()).unwrap().eval(&none).unwrap().len(), 0);
}

#[test]
fn what_does_not_go_together() {
    for (expr, text) in [
        (col("k").eq("abc"), "'k' is int64 and \"abc\" is text, which don't compare\n  help: compare it with a number"),
        (
            lit(true).eq(col("s")),
            "true is bool and 's' is text, which don't compare\n  help: compare it with text, in quotes",
        ),
        (
            col("k").lt(col("s")),
            "'k' is int64 and 's' is text, which don't compare\n  help: give both columns one type with CsvOptions::dtype or --types when reading",
        ),
        (
            col("b").eq(1),
            "'b' is bool and 1 is int64, which don't compare\n  help: compare it with true or false, or take it as a condition by itself",
        ),
        (col("d").eq("31.1.2020"), "\"31.1.2020\" is no date\n  help: write it as 2020-01-31, a day that exists"),
        (
            col("at").lt("noon"),
            "\"noon\" is no timestamp\n  help: write it as 2020-01-31 or 2020-01-31 23:59:59.999999, a day that exists",
        ),
        (
            col("k").and(col("b")),
            "'k' is int64, and 'and' takes conditions\n  help: compare it with something, as in col(\"t\").eq(2018)",
        ),
        (
            col("s") + 1,
            "'s' is text and 1 is int64: '+' takes numbers\n  help: write constants without quotes; if a text column should be numeric, give its type with CsvOptions::dtype or --types when reading",
        ),
        (-col("b"), "'b' is bool, which has no negative\n  help: numbers have; a condition is turned by not()"),
    ] {
        let error = error(expr);
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Type, text));
    }
    for expr in [lit_date("2021-02-29"), lit_timestamp("x"), col("d") - col("d"), col("b") * 2, col("d").eq(1)] {
        assert_eq!(error(expr.clone()).kind(), ErrorKind::Type, "{expr}");
    }
    assert_eq!(error(col("K2").eq(1)).kind(), ErrorKind::Column);
    let schema = batch().schema();
    assert_eq!(col("k").bind_condition(&schema).unwrap_err().message(), "a filter takes a condition, and 'k' is int64");
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let nested = |levels: usize| (1..levels).fold(col("k"), |e, _| e + 0);
    assert_eq!(ints(nested(500)), [Some(1), Some(2), None, Some(3)]);
    let conditions = (0..499).fold(col("b"), |e, _| lit("2020-01-01").lt(col("d")).or(e));
    assert_eq!(error(conditions).kind(), ErrorKind::Config);
    assert_eq!(error(nested(501)).kind(), ErrorKind::Config);
    assert_eq!(error(nested(1_000_000)).kind(), ErrorKind::Config);
}

#[test]
fn bound_expressions_are_shown_as_they_were_written() {
    let bound = (col("q") + col("k") + col("q")).is_null().and(col("b")).bind(&batch().schema()).unwrap();
    assert_eq!(bound.to_string(), "q + k + q is null and b");
}

#[test]
fn aggregates_are_typed() {
    let schema = batch().schema();
    let t = |agg: AggExpr| agg.bind(&schema).map(|a| (a.output_type, a.name));
    assert_eq!(t(col("s").count()).unwrap(), (DataType::Int64, "s".to_owned()));
    assert_eq!(t(col("b").sum()).unwrap().0, DataType::Int64);
    assert_eq!(t(col("k").mean().alias("m")).unwrap(), (DataType::Float64, "m".to_owned()));
    assert_eq!(t(col("at").max()).unwrap().0, DataType::Timestamp(TimeUnit::Microsecond, None));
    assert_eq!(t(col("s").min()).unwrap().0, DataType::Utf8View);
    assert_eq!(t(size()).unwrap(), (DataType::Int64, "size".to_owned()));
    assert_eq!(
        t(col("s").mean()).unwrap_err().to_string(),
        "'s' is text, which has no mean\n  help: aggregate another column, or take count, min or max of it; if it should be numeric, give its type with CsvOptions::dtype or --types when reading"
    );
    assert_eq!(t(col("d").sum()).unwrap_err().kind(), ErrorKind::Type);
    assert_eq!(t(col("k").max().min_count(1)).unwrap_err().kind(), ErrorKind::Config);
}

/// Our order of floats, naively: one zero, one NaN, above all numbers.
fn order(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn float() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        Just(Some(-f64::NAN)),
        Just(Some(0.0)),
        Just(Some(-0.0)),
        Just(Some(f64::INFINITY)),
        (-3i8..4).prop_map(|i| Some(f64::from(i) / 2.0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn floats_compare_as_they_sort(rows in prop::collection::vec((float(), float()), 0..150), constant in float()) {
        use BinaryOp::*;
        let (a, b): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        let schema = Schema::new(vec![Field::new("a", DataType::Float64, true), Field::new("b", DataType::Float64, true)]);
        let columns: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(a.clone())), Arc::new(Float64Array::from(b.clone()))];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let truth = |op, x: Option<f64>, y: Option<f64>| {
            let o = order(x?, y?);
            Some(match op { Eq => o.is_eq(), Ne => o.is_ne(), Lt => o.is_lt(), Le => o.is_le(), Gt => o.is_gt(), _ => o.is_ge() })
        };
        for op in [Eq, Ne, Lt, Le, Gt, Ge] {
            let eval = |e: Expr| -> Vec<Option<bool>> {
                e.bind(&batch.schema()).unwrap().eval(&batch).unwrap().as_boolean().iter().collect()
            };
            let want: Vec<_> = rows.iter().map(|&(x, y)| truth(op, x, y)).collect();
            prop_assert_eq!(eval(col("a").binary(op, col("b"))), want);
            let want: Vec<_> = a.iter().map(|&x| truth(op, x, constant)).collect();
            prop_assert_eq!(eval(col("a").binary(op, lit(constant))), want);
            let want: Vec<_> = a.iter().map(|&x| truth(op, constant, x)).collect();
            prop_assert_eq!(eval(lit(constant).binary(op, col("a"))), want);
        }
    }
}
