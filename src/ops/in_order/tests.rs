//! Every function against a naive twin on slices, with rows cut into partitions and batches in every way.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::expr::{Expr, RankMethod, col, days, row_number, seconds};

/// A value of any type: what is no float or text, as its integer.
#[derive(Debug, Clone, PartialEq)]
enum V {
    Null,
    I(i64),
    F(f64),
    S(String),
}
use V::{F, I, Null, S};

impl V {
    fn float(&self) -> f64 {
        match self {
            I(i) => *i as f64,
            F(f) => *f,
            other => panic!("{other:?} is no number"),
        }
    }

    /// As values are ordered: NaN above all numbers.
    fn is_less(&self, other: &V) -> bool {
        match (self, other) {
            (I(a), I(b)) => a < b,
            (F(a), F(b)) => a < b || b.is_nan() && !a.is_nan(),
            (S(a), S(b)) => a < b,
            other => panic!("{other:?} are not compared"),
        }
    }
}

fn values(array: &ArrayRef) -> Vec<V> {
    let value = |row: usize| match array.data_type() {
        _ if array.is_null(row) => Null,
        DataType::Int64 => I(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => F(array.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => I(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(..) => I(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Boolean => I(array.as_boolean().value(row).into()),
        _ => S(array.as_string_view().value(row).to_owned()),
    };
    (0..array.len()).map(value).collect()
}

/// How rows are cut: the lengths of partitions and batches, repeated, and from which end carries are joined.
#[derive(Debug, Clone)]
struct Cuts {
    partitions: Vec<usize>,
    batch: usize,
    from_behind: bool,
}

impl Cuts {
    fn partitions(&self, rows: &RecordBatch) -> Vec<Vec<RecordBatch>> {
        let (mut first, mut partitions) = (0, vec![]);
        for len in self.partitions.iter().cycle() {
            if first >= rows.num_rows() {
                break;
            }
            let end = (first + len).min(rows.num_rows());
            let starts = (first..end).step_by(self.batch);
            partitions.push(starts.map(|at| rows.slice(at, self.batch.min(end - at))).collect());
            first = end;
        }
        partitions
    }
}

/// What a stage does: carries, joined along the partitions, and every partition between its neighbours' carries.
fn run(expr: &Expr, rows: &RecordBatch, cuts: &Cuts) -> Result<Vec<V>> {
    let schema = rows.schema();
    let op = AppendOp::new(&schema, vec![("out".to_owned(), expr.bind_in_order(&schema)?)])?;
    let partitions = cuts.partitions(rows);
    let carries = partitions.iter().map(|rows| op.carry(rows)).collect::<Result<Vec<_>>>()?;
    let joined = |carries: &[Vec<AnyCarry>]| -> Result<Option<Vec<AnyCarry>>> {
        let mut carries: Vec<_> = carries.to_vec();
        while carries.len() > 1 {
            let at = if cuts.from_behind { carries.len() - 2 } else { 0 };
            carries[at] = op.join(&carries[at], &carries[at + 1])?;
            carries.remove(at + 1);
        }
        Ok(carries.pop())
    };
    let mut out = vec![];
    for (at, rows) in partitions.into_iter().enumerate() {
        let after = if op.looks_ahead() { joined(&carries[at + 1..])? } else { None };
        let lengths: Vec<usize> = rows.iter().map(RecordBatch::num_rows).collect();
        let batches = op.apply(joined(&carries[..at])?.as_ref(), rows, after.as_ref())?;
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), lengths);
        out.extend(batches);
    }
    let all = concat_batches(op.schema(), &out)?;
    assert_eq!(all.project(&(0..rows.num_columns()).collect::<Vec<_>>())?, *rows);
    Ok(values(all.column(rows.num_columns())))
}

/// The summary of these values, none of which is null.
fn summary(name: &str, of: &[V]) -> V {
    let n = of.len() as f64;
    let floats = || of.iter().map(V::float);
    let ints = of.iter().all(|v| matches!(v, I(_)));
    let best = |better: fn(&V, &V) -> bool| {
        of.iter().fold(Null, |best, v| if best == Null || better(v, &best) { v.clone() } else { best })
    };
    match name {
        "count" => I(of.len() as i64),
        "sum" if ints => I(of.iter().map(|v| v.float() as i64).sum()),
        "sum" => F(floats().sum()),
        "prod" => F(floats().product()),
        "mean" if of.is_empty() => Null,
        "mean" => F(floats().sum::<f64>() / n),
        "min" => best(|a, b| a.is_less(b)),
        "max" => best(|a, b| b.is_less(a)),
        "var" | "std" if of.len() < 2 => Null,
        "var" => {
            let mean = floats().sum::<f64>() / n;
            F(floats().map(|f| (f - mean).powi(2)).sum::<f64>() / (n - 1.0))
        }
        "std" => F(summary("var", of).float().sqrt()),
        other => panic!("{other}"),
    }
}

fn valid(of: &[V]) -> Vec<V> {
    of.iter().filter(|v| **v != Null).cloned().collect()
}

fn cumulative(name: &str, of: &[V]) -> Vec<V> {
    let at = |row: usize| match &of[row] {
        Null if name != "count" => Null,
        _ => summary(name, &valid(&of[..=row])),
    };
    (0..of.len()).map(at).collect()
}

fn rolling(name: &str, of: &[V], min: usize, is_in: impl Fn(usize, usize) -> bool) -> Vec<V> {
    let at = |row: usize| {
        let window: Vec<V> = (0..=row).filter(|&before| is_in(before, row)).map(|before| of[before].clone()).collect();
        let window = valid(&window);
        if name != "count" && window.len() < min { Null } else { summary(name, &window) }
    };
    (0..of.len()).map(at).collect()
}

fn shifted(of: &[V], n: i64) -> Vec<V> {
    let at = |row: i64| usize::try_from(row.saturating_sub(n)).ok().and_then(|row| of.get(row));
    (0..of.len() as i64).map(|row| at(row).cloned().unwrap_or(Null)).collect()
}

fn filled(of: &[V], backward: bool) -> Vec<V> {
    let near = |row: usize| match backward {
        true => of[row..].iter().find(|v| **v != Null),
        false => of[..=row].iter().rfind(|v| **v != Null),
    };
    (0..of.len()).map(|row| near(row).cloned().unwrap_or(Null)).collect()
}

fn ranks(of: &[V], method: RankMethod, descending: bool) -> Vec<V> {
    let before = |a: &V, b: &V| if descending { b.is_less(a) } else { a.is_less(b) };
    let rank = |(row, v): (usize, &V)| {
        if *v == Null {
            return Null;
        }
        let others = || of.iter().enumerate().filter(|(_, other)| **other != Null);
        let less = others().filter(|(_, o)| before(o, v)).count() as i64;
        let equal = |o: &V| !before(o, v) && !before(v, o);
        let equals = others().filter(|(_, o)| equal(o)).count() as i64;
        match method {
            RankMethod::Average => F(less as f64 + (equals as f64 + 1.0) / 2.0),
            RankMethod::Min => I(less + 1),
            RankMethod::Max => I(less + equals),
            RankMethod::First => I(less + 1 + others().filter(|(at, o)| *at < row && equal(o)).count() as i64),
            RankMethod::Dense => {
                let first = |at: usize, o: &V| !others().any(|(other, p)| other < at && !before(o, p) && !before(p, o));
                I(1 + others().filter(|(at, o)| before(o, v) && first(*at, o)).count() as i64)
            }
        }
    };
    of.iter().enumerate().map(rank).collect()
}

#[track_caller]
fn assert_alike(got: &[V], want: &[V], what: &Expr) {
    let alike = |a: &V, b: &V| match (a, b) {
        (F(a), F(b)) => a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3),
        // The naive product is of floats.
        (I(a), F(b)) => *a as f64 == *b,
        (a, b) => a == b,
    };
    assert_eq!(got.len(), want.len(), "{what}");
    for (row, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(alike(got, want), "{what}, row {row}: {got:?}, expected {want:?}");
    }
}

fn rows() -> impl Strategy<Value = RecordBatch> {
    let float = prop_oneof![
        8 => (-4000i64..4000).prop_map(|quarters| quarters as f64 / 4.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0]),
    ];
    let row = (
        prop::option::of(-3i64..4),
        prop::option::weighted(0.8, float),
        prop::option::of(-3i32..20_000),
        prop::option::of("[ab]{0,2}(a long text that no view holds)?"),
        prop::option::of(any::<bool>()),
        prop_oneof![3 => 0i64..3, 1 => 3i64..40],
    );
    prop::collection::vec(row, 0..50).prop_map(|rows| {
        let mut now = -20;
        let times = rows.iter().map(|row| {
            now += row.5;
            now * 1_000_000
        });
        let times: TimestampMicrosecondArray = times.collect::<Vec<_>>().into();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("int", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("float", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())),
            ("date", Arc::new(rows.iter().map(|row| row.2).collect::<Date32Array>())),
            ("text", Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringViewArray>())),
            ("bool", Arc::new(rows.iter().map(|row| row.4).collect::<BooleanArray>())),
            ("time", Arc::new(times)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    })
}

fn cuts() -> impl Strategy<Value = Cuts> {
    (prop::collection::vec(1usize..20, 1..4), 1usize..9, any::<bool>())
        .prop_map(|(partitions, batch, from_behind)| Cuts { partitions, batch, from_behind })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_any_type(rows in rows(), cuts in cuts(), n in prop_oneof![8 => -12i64..12, 1 => any::<i64>()]) {
        let check = |expr: Expr, want: Vec<V>| assert_alike(&run(&expr, &rows, &cuts).unwrap(), &want, &expr);
        check(row_number(), (0..rows.num_rows() as i64).map(I).collect());
        for name in ["int", "float", "date", "text", "bool", "time"] {
            let of = values(rows.column_by_name(name).unwrap());
            check(col(name).shift(n), shifted(&of, n));
            check(col(name).ffill(), filled(&of, false));
            check(col(name).bfill(), filled(&of, true));
            check(col(name).cumcount(), cumulative("count", &of));
            check(col(name).rolling(3).count(), rolling("count", &of, 0, |before, row| row - before < 3));
            for method in [RankMethod::Average, RankMethod::Min, RankMethod::Max, RankMethod::Dense, RankMethod::First] {
                for descending in [false, true] {
                    // Ranks are of rows in the order of their values, nulls last.
                    let before = |a: &V, b: &V| if descending { b.is_less(a) } else { a.is_less(b) };
                    let mut order: Vec<usize> = (0..of.len()).collect();
                    order.sort_by(|a, b| match (&of[*a], &of[*b]) {
                        (a, b) if *a == Null || *b == Null => (*a == Null).cmp(&(*b == Null)),
                        (a, b) => before(b, a).cmp(&before(a, b)),
                    });
                    let indices = UInt32Array::from_iter_values(order.iter().map(|row| *row as u32));
                    let sorted = take_record_batch(&rows, &indices).unwrap();
                    let expr = col(name).rank_with(if descending { method.descending() } else { method.into() });
                    let want = ranks(&of, method, descending);
                    let want: Vec<V> = order.iter().map(|row| want[*row].clone()).collect();
                    assert_alike(&run(&expr, &sorted, &cuts).unwrap(), &want, &expr);
                }
            }
        }
    }

    #[test]
    fn summaries(rows in rows(), cuts in cuts(), n in 1usize..9, min in 0usize..9, span in 1i64..30) {
        let times: Vec<i64> = values(rows.column_by_name("time").unwrap()).iter().map(|v| v.float() as i64).collect();
        let check = |expr: Expr, want: Vec<V>| assert_alike(&run(&expr, &rows, &cuts).unwrap(), &want, &expr);
        for name in ["int", "float", "date", "bool"] {
            let of = values(rows.column_by_name(name).unwrap());
            let c = || col(name);
            check(c().cummin(), cumulative("min", &of));
            check(c().cummax(), cumulative("max", &of));
            let in_rows = |before: usize, row: usize| row - before < n;
            let in_span = |before: usize, row: usize| times[row] - times[before] < span * 1_000_000;
            let by_time = || c().rolling_by("time", seconds(span));
            check(c().rolling(n).min(), rolling("min", &of, n, in_rows));
            check(c().rolling(n).min_periods(min.min(n)).max(), rolling("max", &of, min.min(n), in_rows));
            check(by_time().min(), rolling("min", &of, 1, in_span));
            check(by_time().min_periods(min).max(), rolling("max", &of, min, in_span));
            check(by_time().count(), rolling("count", &of, 0, in_span));
            if name == "date" {
                continue;
            }
            check(c().cumsum(), cumulative("sum", &of));
            check(c().rolling(n).min_periods(min.min(n)).sum(), if name == "float" && min == 0 {
                rolling("sum", &of, 0, in_rows).into_iter().map(|v| F(v.float())).collect()
            } else {
                rolling("sum", &of, min.min(n), in_rows)
            });
            check(c().rolling(n).mean(), rolling("mean", &of, n, in_rows));
            check(by_time().sum(), rolling("sum", &of, 1, in_span));
            check(by_time().mean(), rolling("mean", &of, 1, in_span));
            if name == "bool" {
                continue;
            }
            check(c().cumprod(), cumulative("prod", &of));
            check(c().rolling(n).min_periods(1).var(), rolling("var", &of, 1, in_rows));
            check(by_time().std(), rolling("std", &of, 1, in_span));
        }
    }
}

fn floats(of: &[f64]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("v", Arc::new(Float64Array::from(of.to_vec())) as ArrayRef, true)])
        .unwrap()
}

fn ints(of: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("v", Arc::new(Int64Array::from(of.to_vec())) as ArrayRef, true)])
        .unwrap()
}

/// One partition, or one for every row.
fn both_ways(expr: &Expr, rows: &RecordBatch) -> [Result<Vec<V>>; 2] {
    [1000, 1].map(|len| run(expr, rows, &Cuts { partitions: vec![len], batch: 2, from_behind: false }))
}

#[test]
fn what_left_a_window_leaves_no_trace() {
    let rows = floats(&[0.1, 1e300, f64::INFINITY, f64::NAN, 0.2, 0.3, 0.4, 1e16, 1.0, -1e16]);
    for sums in both_ways(&col("v").rolling(2).sum(), &rows) {
        let sums = sums.unwrap();
        assert_eq!(sums[5..9], [F(0.5), F(0.7), F(1e16), F(1e16 + 1.0)]);
        assert!(matches!(sums[4], F(nan) if nan.is_nan()));
    }
    for sums in both_ways(&col("v").rolling(3).sum(), &rows) {
        assert_eq!(sums.unwrap()[9], F(1.0));
    }
}

#[test]
fn floats_add_up_alike_wherever_they_are_cut() {
    let values: Vec<f64> = (0..500).map(|i| (i * 7919 % 10_007) as f64 * 0.001 - 3.3).collect();
    let [one, many] = both_ways(&col("v").cumsum(), &floats(&values));
    assert_eq!(one.unwrap(), many.unwrap());
}

#[test]
fn products_beyond_the_range_of_floats_come_back() {
    for products in both_ways(&col("v").cumprod(), &floats(&[1e-300, 1e200, 1e200, 1e200, 1e300, 5e-324, -0.5, 0.0])) {
        let products: Vec<f64> = products.unwrap().iter().map(V::float).collect();
        for (got, want) in products.iter().zip([1e-300, 1e-100, 1e100, 1e300, f64::INFINITY]) {
            assert!((got / want - 1.0).abs() < 1e-12 || *got == want, "{got} {want}");
        }
        assert!(
            (products[5] / (1e300 * (5e-324 * 1e300)) - 1.0).abs() < 1e-12 && products[6] < 0.0 && products[7] == 0.0
        );
    }
}

#[test]
fn integers_beyond_64_bits_are_errors_wherever_they_are_cut() {
    const MAX: i64 = i64::MAX;
    for (expr, values, fits) in [
        (col("v").cumsum(), vec![MAX, -1, 1], true),
        (col("v").cumsum(), vec![MAX, 1, -1], false),
        (col("v").cumsum(), vec![-MAX, MAX, MAX], true),
        (col("v").cumprod(), vec![-1, 1 << 62, 2], true),
        (col("v").cumprod(), vec![1 << 62, 2, -1], false),
        (col("v").cumprod(), vec![1 << 40, 1 << 40, 0], false),
        (col("v").cumprod(), vec![0, 1 << 40, 1 << 40, MAX], true),
        (col("v").rolling(2).sum(), vec![MAX, 0, MAX], true),
        (col("v").rolling(2).sum(), vec![MAX, MAX], false),
    ] {
        for result in both_ways(&expr, &ints(&values)) {
            match result {
                Ok(_) => assert!(fits, "{expr} of {values:?}"),
                Err(error) => {
                    assert!(!fits, "{expr} of {values:?}");
                    assert_eq!(
                        (error.kind(), error.message()),
                        (ErrorKind::Overflow, &*format!("'{expr}' is beyond 64 bits"))
                    );
                }
            }
        }
    }
}

#[test]
fn times_must_ascend() {
    let rows = |times: Vec<Option<i64>>| {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1; times.len()]));
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
        RecordBatch::try_from_iter_with_nullable([("v", values, true), ("at", times, true)]).unwrap()
    };
    let sum = col("v").rolling_by("at", days(1)).sum();
    let hour = |h: i64| Some(h * 3_600_000_000);
    for result in both_ways(&sum, &rows(vec![hour(0), hour(0), hour(5), hour(24), hour(24), hour(29)])) {
        assert_eq!(result.unwrap(), [1, 2, 3, 2, 3, 3].map(I));
    }
    for error in both_ways(&sum, &rows(vec![hour(0), hour(3), hour(2), hour(5)])) {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(
            error
                .message()
                .starts_with("row 2 is of 1970-01-01 02:00:00, and the row before it of 1970-01-01 03:00:00"),
            "{error}"
        );
        assert!(error.to_string().contains("sort the rows"));
    }
    for error in both_ways(&sum, &rows(vec![hour(0), None, hour(2)])) {
        assert!(error.unwrap_err().message().starts_with("row 1 has no time"));
    }
}

#[test]
fn a_shift_pins_no_block() {
    let text: StringViewArray = (0..10_000).map(|i| Some(format!("a text that no view holds {i}"))).collect();
    let shift = Shift::new(Type::Text, 3);
    let carry = Kernel::carry(&shift, &[Rows { inputs: vec![Arc::new(text)], len: 10_000 }]).unwrap();
    assert_eq!(carry.len(), 3);
    assert!(carry.get_array_memory_size() < 2000, "{}", carry.get_array_memory_size());
}
