//! Every aggregate against its definition, written out over a list, with and without a filter.

use super::*;
use crate::expr::{Interpolation, corr, cov};

/// A row of a group: its number, the value, two small numbers, and the filter's bool.
struct Row {
    number: usize,
    v: V,
    w: V,
    u: V,
    b: V,
}

type Twin = Box<dyn Fn(&[&Row]) -> V>;

fn float(v: &V) -> f64 {
    match v {
        V::Int(i) => *i as f64,
        V::Float(f) => *f,
        other => panic!("{other:?} is no number"),
    }
}

/// One zero and one NaN.
fn canonical(v: &V) -> V {
    match v {
        V::Float(f) if *f == 0.0 => V::Float(0.0),
        V::Float(f) if f.is_nan() => V::Float(f64::NAN),
        v => v.clone(),
    }
}

/// The values that are not null.
fn valid(rows: &[&Row]) -> Vec<V> {
    rows.iter().filter(|r| r.v != V::Null).map(|r| canonical(&r.v)).collect()
}

fn or_null(v: Option<V>) -> V {
    v.unwrap_or(V::Null)
}

fn variance(values: &[f64], ddof: usize) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > ddof).then(|| squares / (values.len() - ddof) as f64)
}

fn pairs(rows: &[&Row]) -> (Vec<f64>, Vec<f64>) {
    let both = rows.iter().filter(|r| r.w != V::Null && r.u != V::Null);
    both.map(|r| (float(&r.w), float(&r.u))).unzip()
}

fn covariance(rows: &[&Row], ddof: usize) -> Option<f64> {
    let (x, y) = pairs(rows);
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let products: f64 = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum();
    (x.len() > ddof).then(|| products / (x.len() - ddof) as f64)
}

fn correlation(rows: &[&Row]) -> Option<f64> {
    let (x, y) = pairs(rows);
    let constant = |v: &[f64]| v.iter().all(|x| *x == v[0]);
    if x.len() >= 2 && (constant(&x) || constant(&y)) {
        return Some(f64::NAN);
    }
    Some(covariance(rows, 1)? / (variance(&x, 1)? * variance(&y, 1)?).sqrt())
}

fn quantile(rows: &[&Row], p: f64, how: Interpolation) -> V {
    let mut values = valid(rows);
    values.sort();
    let Some(last) = values.len().checked_sub(1) else { return V::Null };
    let rank = p * last as f64;
    let (low, high) = (&values[rank.floor() as usize], &values[rank.ceil() as usize]);
    let number = |v: &V| if matches!(v, V::Int(_) | V::Float(_)) { V::Float(float(v)) } else { v.clone() };
    match how {
        Interpolation::Lower => number(low),
        Interpolation::Higher => number(high),
        Interpolation::Nearest => {
            let down = rank.fract() < 0.5 || (rank.fract() == 0.5 && rank.floor() % 2.0 == 0.0);
            number(if down { low } else { high })
        }
        _ if low == high || rank.fract() == 0.0 => number(low),
        Interpolation::Midpoint => V::Float((float(low) + float(high)) / 2.0),
        _ => V::Float(float(low) * (1.0 - rank.fract()) + float(high) * rank.fract()),
    }
}

/// How often each value occurs, in order of the values.
fn frequencies(rows: &[&Row]) -> BTreeMap<V, usize> {
    valid(rows).into_iter().fold(BTreeMap::new(), |mut counts, v| {
        *counts.entry(v).or_default() += 1;
        counts
    })
}

/// Every aggregate of a value of this type, and its definition.
fn aggregates(kind: Type, v: &str, w: &str, u: &str) -> Vec<(AggExpr, Twin)> {
    let mut all: Vec<(AggExpr, Twin)> = vec![
        (col(v).first(), Box::new(|rows| or_null(valid(rows).first().cloned()))),
        (col(v).last(), Box::new(|rows| or_null(valid(rows).last().cloned()))),
        (col(v).nunique(), Box::new(|rows| V::Int(frequencies(rows).len() as i64))),
        (
            col(v).mode(),
            Box::new(|rows| {
                let counts = frequencies(rows);
                let most = counts.values().copied().max();
                or_null(counts.into_iter().find(|(_, n)| Some(*n) == most).map(|(v, _)| v))
            }),
        ),
        (cov(w, u), Box::new(|rows| or_null(covariance(rows, 1).map(V::Float)))),
        (cov(w, u).ddof(0), Box::new(|rows| or_null(covariance(rows, 0).map(V::Float)))),
        (corr(w, u), Box::new(|rows| or_null(correlation(rows).map(V::Float)))),
    ];
    if kind != Type::Text {
        let position = |rows: &[&Row], best: fn(&V, &V) -> bool| {
            let found: Option<&&Row> = rows
                .iter()
                .filter(|r| r.v != V::Null)
                .reduce(|old, new| if best(&canonical(&new.v), &canonical(&old.v)) { new } else { old });
            or_null(found.map(|r| V::Int(r.number as i64)))
        };
        all.push((col(v).idxmin(), Box::new(move |rows| position(rows, |new, old| new < old))));
        all.push((col(v).idxmax(), Box::new(move |rows| position(rows, |new, old| new > old))));
    }
    match kind {
        Type::Int64 | Type::Float64 => {
            let floats = |rows: &[&Row]| valid(rows).iter().map(float).collect::<Vec<_>>();
            all.push((col(v).var(), Box::new(move |rows| or_null(variance(&floats(rows), 1).map(V::Float)))));
            all.push((col(v).var().ddof(0), Box::new(move |rows| or_null(variance(&floats(rows), 0).map(V::Float)))));
            all.push((
                col(v).std().ddof(2),
                Box::new(move |rows| or_null(variance(&floats(rows), 2).map(|v| V::Float(v.sqrt())))),
            ));
        }
        Type::Bool => {
            all.push((col(v).any(), Box::new(|rows| V::Int(valid(rows).contains(&V::Int(1)).into()))));
            all.push((col(v).all(), Box::new(|rows| V::Int((!valid(rows).contains(&V::Int(0))).into()))));
        }
        Type::Text => {
            let joined = |rows: &[&Row]| {
                let texts = valid(rows).into_iter().map(|v| if let V::Text(t) = v { t } else { panic!("{v:?}") });
                let texts: Vec<String> = texts.collect();
                if texts.is_empty() { V::Null } else { V::Text(texts.join("; ")) }
            };
            all.push((col(v).join("; "), Box::new(joined)));
        }
        _ => {}
    }
    use Interpolation::{Higher, Linear, Lower, Midpoint, Nearest};
    let how: &[Interpolation] = match kind {
        Type::Int64 | Type::Float64 => &[Linear, Lower, Higher, Midpoint, Nearest],
        Type::Date | Type::Timestamp => &[Lower, Higher, Nearest],
        _ => &[],
    };
    for how in how {
        for p in [0.0, 0.1, 0.5, 0.75, 1.0] {
            let is_moment = matches!(kind, Type::Date | Type::Timestamp);
            all.push((
                col(v).quantile(p).interpolation(*how),
                Box::new(move |rows| match quantile(rows, p, *how) {
                    V::Float(f) if is_moment => V::Int(f as i64),
                    v => v,
                }),
            ));
        }
    }
    all
}

/// Types of up to two keys, and of the value; rows of keys, the value, two small numbers, and a bool.
fn input() -> impl Strategy<Value = (Vec<Type>, Vec<Vec<V>>)> {
    prop::collection::vec(kind(), 1..4).prop_flat_map(|mut kinds| {
        let small = |i: i64| prop_oneof![1 => Just(V::Null), 6 => (-i..=i).prop_map(V::Int)].boxed();
        let small_float = prop_oneof![
            20 => Just(V::Null),
            1 => Just(V::Float(f64::NAN)),
            100 => (-9i8..9).prop_map(|i| V::Float(f64::from(i) / 10.0)),
        ];
        let mut row: Vec<BoxedStrategy<V>> = kinds.iter().map(|k| value(*k)).collect();
        row.extend([small_float.boxed(), small(5), value(Type::Bool)]);
        kinds.extend([Type::Float64, Type::Int64, Type::Bool]);
        (Just(kinds), prop::collection::vec(row, 0..150))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn aggregates_are_what_they_are_defined_to_be(
        (kinds, rows) in input(),
        cuts in prop::collection::vec(0usize..10_000, 0..6),
        batches_a_state in 1usize..4,
        runs: bool,
    ) {
        let mut rows = rows;
        if runs {
            rows.sort();
        }
        let keys = kinds.len() - 4;
        let names: Vec<String> = (keys..keys + 4).map(|i| format!("c{i}")).collect();
        let [v, w, u, b] = [0, 1, 2, 3].map(|i| names[i].as_str());
        let input = batch(&kinds, &rows);
        let (mut aggs, mut twins) = (Vec::new(), Vec::new());
        for filtered in [false, true] {
            for (agg, twin) in aggregates(kinds[keys], v, w, u) {
                aggs.push(if filtered { agg.filter(col(b)) } else { agg });
                twins.push((filtered, twin));
            }
        }
        let op = op(&input.schema(), keys, &aggs, false);
        let got = run(&op, &input, &cuts, batches_a_state).unwrap();

        let mut groups: BTreeMap<Vec<V>, Vec<Row>> = BTreeMap::new();
        if keys == 0 {
            groups.insert(vec![], vec![]);
        }
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| !row[..keys].contains(&V::Null)) {
            let [v, w, u, b] = [0, 1, 2, 3].map(|i| row[keys + i].clone());
            groups.entry(row[..keys].iter().map(canonical).collect()).or_default().push(Row { number, v, w, u, b });
        }
        prop_assert_eq!(got.len(), groups.len());
        for (got, rows) in got.iter().zip(groups.values()) {
            let all: Vec<&Row> = rows.iter().collect();
            let passing: Vec<&Row> = rows.iter().filter(|r| r.b == V::Int(1)).collect();
            for ((agg, got), (filtered, twin)) in aggs.iter().zip(&got[keys..]).zip(&twins) {
                let want = twin(if *filtered { &passing } else { &all });
                prop_assert!(alike(got, &want), "{} is {:?}, not {:?}", agg, got, want);
            }
        }
    }
}

#[test]
fn values_in_many_runs() {
    // More rows than a log holds, and states merged: distinct values are brought together several times.
    let rows = 1_600_000;
    let value = |i: i64| (i * 7919 % 1_000_003) % 300;
    let k = Int64Array::from_iter_values((0..rows).map(|i| i % 7));
    let v = Int64Array::from_iter_values((0..rows).map(value));
    let wide = Int64Array::from_iter_values((0..rows).map(|i| value(i) << 40));
    let text: StringViewArray = (0..rows).map(|i| Some(format!("value {:03}", value(i)))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(k), Arc::new(v), Arc::new(wide), Arc::new(text)];
    let field = |(i, c): (usize, &ArrayRef)| Field::new(format!("c{i}"), c.data_type().clone(), true);
    let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
    let input = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let cuts: Vec<usize> = (1..40).map(|i| i * 40_000).collect();
    let aggs = [
        col("c1").nunique(),
        col("c2").nunique(),
        col("c3").nunique(),
        col("c1").quantile(0.25),
        col("c2").median().interpolation(Interpolation::Lower),
        col("c1").mode(),
        col("c3").mode(),
    ];
    let op = op(&input.schema(), 1, &aggs, false);
    for batches_a_state in [7, 100] {
        let got = run(&op, &input, &cuts, batches_a_state).unwrap();
        for (k, got) in (0..7).zip(got) {
            let mut values: Vec<i64> = (0..rows).filter(|i| i % 7 == k).map(value).collect();
            values.sort_unstable();
            let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
            values.iter().for_each(|v| *counts.entry(*v).or_default() += 1);
            let most = counts.values().copied().max();
            let mode = counts.iter().find(|(_, n)| Some(**n) == most).map(|(v, _)| *v).unwrap();
            let distinct = V::Int(counts.len() as i64);
            let rank = (values.len() - 1) as f64 * 0.25;
            let (low, high) = (values[rank.floor() as usize] as f64, values[rank.ceil() as usize] as f64);
            let quarter = low + (high - low) * rank.fract();
            let middle = (values[(values.len() - 1) / 2] << 40) as f64;
            let text = V::Text(format!("value {mode:03}"));
            let want = [
                V::Int(k),
                distinct.clone(),
                distinct.clone(),
                distinct,
                V::Float(quarter),
                V::Float(middle),
                V::Int(mode),
                text,
            ];
            assert_eq!(got, want);
        }
    }
}

#[test]
fn values_go_to_disk_also_those_of_a_group_that_is_larger_than_memory() {
    let n = 300_000i64;
    for (keys, hot) in [(1, 1), (1, 10), (0, 1)] {
        let rows: Vec<Vec<V>> = (0..n)
            .map(|i| {
                let value = (i * 7919 % n) / 3;
                vec![
                    V::Int(i % hot),
                    V::Int(value),
                    V::Float(value as f64 / 2.0),
                    V::Text(format!("text {:03}", value % 500)),
                ]
            })
            .collect();
        let input = batch(&[Type::Int64, Type::Int64, Type::Float64, Type::Text], &rows);
        let aggs = [
            col("c1").sum(),
            col("c1").median(),
            col("c2").quantile(0.3),
            col("c1").nunique(),
            col("c3").nunique(),
            col("c1").mode(),
            col("c3").mode(),
            col("c2").median().interpolation(Interpolation::Lower),
        ];
        let op = op(&input.schema(), keys, &aggs, false);
        let cuts: Vec<usize> = (1..30).map(|i| i * 10_000).collect();
        let (want, spilled) = run_within(&op, &input, &cuts, 4, 1 << 30).unwrap();
        assert_eq!((spilled, want.len() as i64), (0, if keys == 0 { 1 } else { hot }));
        // The middle of 0, 0, 0, 1, 1, 1, ...
        assert!(
            hot > 1 || want[0][keys..].starts_with(&[V::Int((n / 3 - 1) * n / 2), V::Float((n / 3 - 1) as f64 / 2.0)])
        );
        for limit in [1 << 20, 1 << 22] {
            let (got, spilled) = run_within(&op, &input, &cuts, 4, limit).unwrap();
            assert!(spilled > 1_000_000, "{spilled}");
            assert_eq!(got, want, "within {limit} bytes");
        }
    }
}

#[test]
fn aggregates_of_one_input_have_it_in_common() {
    let schema = batch(&[Type::Int64, Type::Float64], &[]).schema();
    let v = || col("c1") / col("c0");
    let small = || col("c0").lt(3);
    let aggs = [
        v().mean(),
        v().sum().alias("sum"),
        v().quantile(0.1),
        v().median().alias("middle"),
        v().mode(),
        v().mean().filter(small()),
        v().quantile(0.9).filter(small()),
        col("c1").mean(),
        v().first(),
        v().last(),
    ];
    let op = op(&schema, 1, &aggs, false);
    assert_eq!(op.0.shared.outputs, [0, 0, 1, 1, 1, 2, 3, 4, 5, 6]);
    assert_eq!(op.0.shared.selections.iter().map(|s| s.inputs.len()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_filter_keeps_rows_from_an_input_that_would_fail() {
    let rows = [vec![V::Int(1), V::Int(i64::MAX)], vec![V::Int(1), V::Int(20)]];
    let input = batch(&[Type::Int64; 2], &rows);
    let double = (col("c1") * 2).sum();
    let all = op(&input.schema(), 1, std::slice::from_ref(&double), false);
    assert_eq!(run(&all, &input, &[], 1).unwrap_err().kind(), ErrorKind::Overflow);
    let small = op(&input.schema(), 1, &[double.filter(col("c1").lt(100))], false);
    assert_eq!(run(&small, &input, &[], 1).unwrap(), [[V::Int(1), V::Int(40)]]);
}
