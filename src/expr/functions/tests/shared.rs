//! Constants are computed when bound, common parts once, errors only where there are rows.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::expr::functions::{Call, Function, Style};
use crate::expr::{BoundSet, Type, coalesce, col, lit, when};

/// Counts the calls on columns and on constants.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static COUNTED: Function = Function {
    name: "counted",
    style: Style::Call,
    can_fail: false,
    bind: |call: Call| {
        call.computed(&[Type::Int64], Type::Int64, |args, _| {
            CALLS.fetch_add(1, Ordering::SeqCst);
            Ok(args[0].array().clone())
        })
    },
};

fn counted(expr: Expr) -> Expr {
    expr.call(&COUNTED, [])
}

/// One test, since it counts on one counter.
#[test]
fn constants_and_common_parts_are_computed_once() {
    let b = batch(vec![("a", ints(&[Some(1), Some(2)])), ("c", ints(&[Some(5), None]))]);
    let calls = |run: &mut dyn FnMut()| {
        CALLS.store(0, Ordering::SeqCst);
        run();
        CALLS.load(Ordering::SeqCst)
    };
    let bind = |expr: &Expr| expr.bind(&b.schema()).unwrap();
    // A constant: once when bound, never on rows.
    let constant = counted(lit(1) + 2) + col("a");
    let mut bound = None;
    assert_eq!(calls(&mut || bound = Some(bind(&constant))), 1);
    let bound = bound.unwrap();
    assert_eq!(calls(&mut || assert_eq!(show(&bound.eval(&b).unwrap(), 1), "5")), 0);
    // In one expression, written twice; other operands make another part.
    let part = || counted(col("a") + 1);
    let twice = bind(&(part() * part() + counted(col("a") + 2)));
    assert_eq!(calls(&mut || assert_eq!(show(&twice.eval(&b).unwrap(), 1), "13")), 2);
    // In several, also as a whole and within larger ones.
    let exprs = [part(), part() + 1, (part() + 1) * col("c"), col("a")];
    let set = BoundSet::new(exprs.iter().map(bind).collect());
    let mut got = vec![];
    assert_eq!(calls(&mut || got = set.eval(&b).unwrap()), 1);
    let rows: Vec<String> = got.iter().map(|v| show(v, 0)).collect();
    assert_eq!(rows, ["2", "3", "15", "1"]);
    // Zeros that differ, and constants of other types, are no common parts.
    let zero = |z: Expr| lit(1) / (col("a") * z);
    let zeros = [zero(lit(0.0)), zero(lit(-0.0)), zero(lit(0))];
    let set = BoundSet::new(zeros.iter().map(bind).collect());
    let rows: Vec<String> = set.eval(&b).unwrap().iter().map(|v| show(v, 0)).collect();
    assert_eq!(rows, ["inf", "-inf", "inf"]);
    // What rows of a choice computed is not taken for what others need.
    let risky = || counted(col("a") * 10) + 0;
    let chosen = bind(&(when(col("a").gt(1)).then(risky()).otherwise(-1) + risky()));
    let got = chosen.eval(&b).unwrap();
    assert_eq!((show(&got, 0), show(&got, 1)), ("9".to_owned(), "40".to_owned()));
}

#[test]
fn what_fails_fails_on_rows_alone() {
    let b = batch(vec![("a", ints(&[Some(1)]))]);
    for expr in
        [lit(i64::MAX) + 1, lit("x").cast(Type::Int64), lit(i64::MAX) + 1 + col("a"), col("a").pow(lit(i64::MIN).abs())]
    {
        // `error` evaluates it on no rows first.
        assert!([ErrorKind::Overflow, ErrorKind::Value].contains(&error(&b, expr).kind()));
    }
    check(&b, lit(1).floor_div(0), "null");
    check(&b, lit(1) % 0, "null");
}

#[test]
fn folded_text_is_a_constant() {
    let b = batch(vec![("d", dates(&[Some(18_292)]))]);
    check(&b, col("d").eq(crate::expr::concat_text([lit("2020-"), lit("01-31")])), "true");
    check(&b, col("d").eq(lit("2020-01-30").cast(Type::Date) + crate::expr::days(1)), "true");
    check(&b, lit(2).pow(3).lt(8.5), "true");
}

#[test]
fn chains_do_not_grow_beyond_their_length() {
    let b = batch(vec![("a", ints(&[None]))]);
    let chain = (0..400).fold(col("a"), |e, _| e.fill_null(col("a")));
    check(&b, chain, "null");
    let doubled = (0..15).fold(col("a"), |e, _| coalesce([e.clone(), e]));
    check(&b, doubled, "null");
    assert_eq!(error(&b, (0..600).fold(col("a"), |e, _| e.fill_null(0))).kind(), ErrorKind::Config);
}

#[test]
fn rewrites_go_into_calls() {
    let e = when(col("a").gt(1)).then(col("b").cast(Type::Text)).otherwise("x");
    let names: Vec<String> = e.columns().iter().map(|n| n.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    let mapped = e.map_columns(&|name| (name == "b").then(|| col("c").round(2)));
    assert_eq!(mapped.to_string(), "case when a > 1 then cast(round(c, 2) as text) else \"x\" end");
    assert!(e.can_fail());
    assert!(!col("a").lower().eq("x").and(col("b").try_cast(Type::Int64).is_in([1])).can_fail());
    assert!(col("a").parse_date("%F").can_fail() && col("a").floor_div(1).can_fail() && col("a").abs().can_fail());
}
