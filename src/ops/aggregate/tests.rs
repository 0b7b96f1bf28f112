//! The laws of a reducer, and its answers, against a naive twin: a `BTreeMap` of lists.

mod every;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use proptest::prelude::*;

use super::*;
use crate::expr::{AggExpr, col, size};
use crate::mem::Budget;

/// A value as the twin sees it: ordered as keys are, null last.
#[derive(Debug, Clone, PartialEq)]
enum V {
    Int(i64),
    Float(f64),
    Text(String),
    Null,
}

impl Eq for V {}

impl PartialOrd for V {
    fn partial_cmp(&self, other: &V) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for V {
    fn cmp(&self, other: &V) -> Ordering {
        match (self, other) {
            (V::Int(a), V::Int(b)) => a.cmp(b),
            (V::Float(a), V::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (V::Text(a), V::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (a, b) => (*a == V::Null).cmp(&(*b == V::Null)),
        }
    }
}

fn column(kind: Type, values: &[V]) -> ArrayRef {
    let ints = || values.iter().map(|v| if let V::Int(i) = v { Some(*i) } else { None });
    match kind {
        Type::Int64 => Arc::new(ints().collect::<Int64Array>()),
        Type::Timestamp => Arc::new(ints().collect::<TimestampMicrosecondArray>()),
        Type::Date => Arc::new(ints().map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
        Type::Bool => Arc::new(ints().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        Type::Float64 => {
            Arc::new(values.iter().map(|v| if let V::Float(f) = v { Some(*f) } else { None }).collect::<Float64Array>())
        }
        _ => Arc::new(
            values
                .iter()
                .map(|v| if let V::Text(t) = v { Some(t.as_str()) } else { None })
                .collect::<StringViewArray>(),
        ),
    }
}

fn values(array: &ArrayRef) -> Vec<V> {
    (0..array.len())
        .map(|i| match array.data_type() {
            _ if array.is_null(i) => V::Null,
            DataType::Int64 => V::Int(array.as_primitive::<Int64Type>().value(i)),
            DataType::Float64 => V::Float(array.as_primitive::<Float64Type>().value(i)),
            DataType::Boolean => V::Int(array.as_boolean().value(i).into()),
            DataType::Date32 => V::Int(array.as_primitive::<arrow::datatypes::Date32Type>().value(i).into()),
            DataType::Utf8View => V::Text(array.as_string_view().value(i).to_owned()),
            _ => V::Int(array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(i)),
        })
        .collect()
}

fn batch(kinds: &[Type], rows: &[Vec<V>]) -> RecordBatch {
    let fields: Vec<Field> =
        kinds.iter().enumerate().map(|(i, kind)| Field::new(format!("c{i}"), kind.arrow(), true)).collect();
    let columns: Vec<ArrayRef> = kinds
        .iter()
        .enumerate()
        .map(|(i, kind)| column(*kind, &rows.iter().map(|r| r[i].clone()).collect::<Vec<_>>()))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

fn op(schema: &SchemaRef, keys: usize, aggs: &[AggExpr], keep_nulls: bool) -> AggregateOp {
    let keys = (0..keys).map(|i| (format!("c{i}"), col(format!("c{i}")).bind(schema).unwrap())).collect();
    let aggs = aggs.iter().enumerate().map(|(i, a)| a.clone().alias(format!("a{i}")).bind(schema).unwrap()).collect();
    AggregateOp::new(keys, aggs, keep_nulls, true).unwrap()
}

/// Cuts the rows at `cuts` into batches, the batches into states, and merges these in order; few rows with little memory, too.
fn run(op: &AggregateOp, batch: &RecordBatch, cuts: &[usize], batches_a_state: usize) -> Result<Vec<Vec<V>>> {
    let rows = run_within(op, batch, cuts, batches_a_state, 1 << 30)?.0;
    let limits: &[usize] = if batch.num_rows() < 1000 { &[1 << 20, 100_000] } else { &[] };
    for &limit in limits {
        let (again, _) = run_within(op, batch, cuts, batches_a_state, limit)?;
        assert_eq!(rows.len(), again.len(), "within {limit} bytes");
        for (a, b) in rows.iter().zip(&again) {
            assert!(
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
                "{a:?} is {b:?} within {limit} bytes"
            );
        }
    }
    Ok(rows)
}

/// The result within a limit of memory, and the bytes spilled.
fn run_within(
    op: &AggregateOp,
    batch: &RecordBatch,
    cuts: &[usize],
    batches_a_state: usize,
    limit: usize,
) -> Result<(Vec<Vec<V>>, u64)> {
    let budget = Budget::of(limit);
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (batch.num_rows() + 1)).collect();
    cuts.extend([0, batch.num_rows()]);
    cuts.sort_unstable();
    let batches: Vec<RecordBatch> = cuts.windows(2).map(|w| batch.slice(w[0], w[1] - w[0])).collect();
    let mut whole = op.new_state(budget.reserve("groups"));
    for (i, batches) in batches.chunks(batches_a_state).enumerate() {
        let mut state = op.new_state(budget.reserve("groups"));
        for batch in batches {
            assert_eq!(op.update(&mut state, batch)?, Flow::More);
            assert!(budget.used() >= op.bytes(&state));
        }
        // Sealed or not is one, also of the state that takes others in.
        if i % 3 == 0 {
            op.seal(&mut state)?;
            assert!(budget.used() >= op.bytes(&state));
        }
        op.merge(&mut whole, state)?;
        if i % 3 == 1 {
            op.seal(&mut whole)?;
        }
    }
    assert!(budget.used() >= op.bytes(&whole));
    let result = op.finish(whole)?;
    let mut rows = Vec::new();
    for batch in result.iter() {
        let batch = batch?;
        assert_eq!(batch.schema(), *op.schema());
        assert!(batch.num_rows() <= crate::ops::OUTPUT_ROWS);
        let columns: Vec<Vec<V>> = batch.columns().iter().map(values).collect();
        rows.extend((0..batch.num_rows()).map(|r| columns.iter().map(|c| c[r].clone()).collect()));
    }
    drop(result);
    assert_eq!(budget.used(), 0);
    Ok((rows, budget.spill().written()))
}

/// The twin's answer to count, size, min, max, sum and mean, the last two of numbers only.
fn naive(values: &[V], arithmetic: bool) -> Vec<V> {
    let valid: Vec<&V> = values.iter().filter(|v| **v != V::Null).collect();
    let extreme = |v: Option<&&V>| match v {
        // One zero: the twin's extreme may be either.
        Some(V::Float(f)) if *f == 0.0 => V::Float(0.0),
        v => v.map_or(V::Null, |v| (*v).clone()),
    };
    let mut row = vec![
        V::Int(valid.len() as i64),
        V::Int(values.len() as i64),
        extreme(valid.iter().min()),
        extreme(valid.iter().max()),
    ];
    if arithmetic {
        let float = |v: &V| match v {
            V::Int(i) => *i as f64,
            V::Float(f) => *f,
            _ => 0.0,
        };
        let total: f64 = valid.iter().map(|v| float(v)).sum();
        let ints: i64 = valid.iter().map(|v| if let V::Int(i) = v { *i } else { 0 }).sum();
        let is_float = values.iter().any(|v| matches!(v, V::Float(_)));
        let sum = if is_float { V::Float(total) } else { V::Int(ints) };
        row.push(sum.clone());
        row.push(if valid.len() < 2 { V::Null } else { sum });
        row.push(if valid.is_empty() { V::Null } else { V::Float(total / valid.len() as f64) });
    }
    row
}

/// Equal, but for the last bits of floats; NaN equals NaN. A float sum of nulls alone has no type in the twin.
fn alike(a: &V, b: &V) -> bool {
    match (a, b) {
        (V::Float(a), V::Float(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (V::Float(a), V::Int(b)) | (V::Int(b), V::Float(a)) => *a == *b as f64,
        (a, b) => a == b,
    }
}

fn value(kind: Type) -> BoxedStrategy<V> {
    match kind {
        Type::Bool => prop_oneof![1 => Just(V::Null), 4 => (0i64..2).prop_map(V::Int)].boxed(),
        Type::Float64 => prop_oneof![
            2 => Just(V::Null),
            1 => Just(V::Float(f64::NAN)),
            1 => Just(V::Float(-f64::NAN)),
            1 => Just(V::Float(-0.0)),
            8 => (-3i8..4).prop_map(|i| V::Float(f64::from(i) / 2.0)),
            1 => (-1e6..1e6).prop_map(V::Float),
        ]
        .boxed(),
        Type::Text => prop_oneof![
            1 => Just(V::Null),
            1 => Just(V::Text(String::new())),
            4 => "[a\0b]{0,3}".prop_map(V::Text),
            1 => "[é\0]{5,9}".prop_map(V::Text),
        ]
        .boxed(),
        Type::Date => prop_oneof![1 => Just(V::Null), 6 => (-3i64..4).prop_map(V::Int), 1 => any::<i32>().prop_map(|i| V::Int(i.into()))].boxed(),
        // Close together, far apart (the direct index gives up), and the ends of the type (packed keys give up). Sums stay in range.
        _ => prop_oneof![
            2 => Just(V::Null),
            10 => (-5i64..6).prop_map(V::Int),
            2 => (-1500i64..1500).prop_map(V::Int),
            1 => (-(1i64 << 40)..1 << 40).prop_map(V::Int),
        ]
        .boxed(),
    }
}

fn kind() -> impl Strategy<Value = Type> {
    prop::sample::select(vec![Type::Int64, Type::Float64, Type::Bool, Type::Date, Type::Timestamp, Type::Text])
}

/// Types of 0 to 4 keys and one value, and rows of them.
fn input() -> impl Strategy<Value = (Vec<Type>, Vec<Vec<V>>)> {
    prop::collection::vec(kind(), 1..6).prop_flat_map(|kinds| {
        let row: Vec<BoxedStrategy<V>> = kinds.iter().map(|k| value(*k)).collect();
        (Just(kinds), prop::collection::vec(row, 0..200))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_the_twin_however_it_is_split(
        (kinds, rows) in input(),
        cuts in prop::collection::vec(0usize..10_000, 0..6),
        batches_a_state in 1usize..4,
        keep_nulls: bool,
        runs: bool,
        // Few, so that rows go to buckets without being looked up, too.
        most_groups in prop_oneof![Just(MOST_GROUPS), 1usize..9],
        // Sums alone keep no counts.
        sums_alone: bool,
    ) {
        let mut rows = rows;
        let keys = kinds.len() - 1;
        if runs {
            // Sorted input takes the path of chunks of one group.
            rows.sort();
        }
        let input = batch(&kinds, &rows);
        let arithmetic = matches!(kinds[keys], Type::Int64 | Type::Float64 | Type::Bool);
        let v = col(format!("c{keys}"));
        let mut aggs = vec![v.clone().count(), size(), v.clone().min(), v.clone().max()];
        if arithmetic {
            aggs.extend([v.clone().sum(), v.clone().sum().min_count(2), v.mean()]);
            aggs.truncate(if sums_alone { 5 } else { 7 });
        }
        let columns = keys + aggs.len();
        let op = op(&input.schema(), keys, &aggs, keep_nulls).with_most_groups(most_groups);
        let got = run(&op, &input, &cuts, batches_a_state).unwrap();

        let mut groups: BTreeMap<Vec<V>, Vec<V>> = BTreeMap::new();
        for row in &rows {
            if keep_nulls || !row[..keys].contains(&V::Null) {
                let key = row[..keys].iter().map(|v| match v {
                    V::Float(f) if *f == 0.0 => V::Float(0.0),
                    v => v.clone(),
                });
                groups.entry(key.collect()).or_default().push(row[keys].clone());
            }
        }
        if keys == 0 && groups.is_empty() {
            groups.insert(vec![], vec![]);
        }
        let want: Vec<Vec<V>> = groups
            .into_iter()
            .map(|(mut key, values)| {
                key.extend(naive(&values, arithmetic));
                key.truncate(columns);
                key
            })
            .collect();
        prop_assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            prop_assert!(got.len() == want.len() && got.iter().zip(want).all(|(a, b)| alike(a, b)), "{:?} is not {:?}", got, want);
        }
    }
}

#[test]
fn of_no_rows() {
    let none = batch(&[Type::Int64, Type::Float64], &[]);
    let v = || col("c1");
    let aggs = [size(), v().count(), v().sum(), v().sum().min_count(1), v().mean(), v().min()];
    let all = run(&op(&none.schema(), 0, &aggs, false), &none, &[], 1).unwrap();
    assert_eq!(all, [[V::Int(0), V::Int(0), V::Float(0.0), V::Null, V::Null, V::Null]]);
    assert!(run(&op(&none.schema(), 1, &aggs, true), &none, &[], 1).unwrap().is_empty());
    // Not even a batch.
    let op = op(&none.schema(), 0, &aggs, false);
    let batches = op.finish(op.new_state(Budget::of(1 << 20).reserve("groups"))).unwrap().load().unwrap().0;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}

#[test]
fn integer_sums_are_exact_or_refused() {
    let row = |v: i64| vec![V::Int(1), V::Int(v)];
    // Beyond 64 bits on the way, but not at the end.
    let back = batch(&[Type::Int64; 2], &[row(i64::MAX), row(i64::MAX), row(-i64::MAX)]);
    let sums = op(&back.schema(), 1, &[col("c1").sum(), col("c1").mean()], false);
    assert_eq!(run(&sums, &back, &[2], 1).unwrap(), [[V::Int(1), V::Int(i64::MAX), V::Float(i64::MAX as f64 / 3.0)]]);
    let beyond = batch(&[Type::Int64; 2], &[row(i64::MAX), row(1)]);
    let error = run(&sums, &beyond, &[], 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
    assert_eq!(error.message(), "sum(c1) is 9223372036854775808 in one group, beyond 64 bits");
}

#[test]
fn keys_at_the_ends_of_their_range() {
    let keys = [i64::MAX, i64::MIN, 0, i64::MAX - 1, i64::MIN, 1 << 20, i64::MIN + 1, -1, i64::MAX];
    let rows: Vec<Vec<V>> = keys.iter().map(|k| vec![V::Int(*k), V::Int(0), V::Int(1)]).collect();
    for keys_used in [1, 2] {
        for order in 0..keys.len() {
            let mut rows = rows.clone();
            rows.rotate_left(order);
            let input = batch(&[Type::Int64; 3], &rows);
            let got = run(&op(&input.schema(), keys_used, &[size()], false), &input, &[3, 6], 1).unwrap();
            let got: Vec<(V, V)> = got.into_iter().map(|r| (r[0].clone(), r[keys_used].clone())).collect();
            let want =
                [(i64::MIN, 2), (i64::MIN + 1, 1), (-1, 1), (0, 1), (1 << 20, 1), (i64::MAX - 1, 1), (i64::MAX, 2)];
            assert_eq!(got, want.map(|(k, n)| (V::Int(k), V::Int(n))));
        }
    }
}

#[test]
fn many_groups_come_in_bounded_batches_and_go_to_disk() {
    let n = 150_000i64;
    let far = |i: i64| V::Int((i * 7919 % n) * 1_000_003);
    for kinds in [vec![Type::Int64; 2], vec![Type::Int64; 3], vec![Type::Text, Type::Int64]] {
        let rows: Vec<Vec<V>> = (0..n)
            .map(|i| {
                let key =
                    if kinds[0] == Type::Text { V::Text(format!("key number {:09}", i * 7919 % n)) } else { far(i) };
                let mut row = vec![key; kinds.len() - 1];
                row.push(V::Int(i));
                row
            })
            .collect();
        let input = batch(&kinds, &rows);
        let keys = kinds.len() - 1;
        let sum = op(&input.schema(), keys, &[col(format!("c{keys}")).sum()], false);
        let got = run(&sum, &input, &[20_000, 60_000, 61_000, 120_000], 2).unwrap();
        let mut want = rows.clone();
        want.sort();
        assert_eq!(got, want);
        let (again, spilled) = run_within(&sum, &input, &[20_000, 60_000], 1, 1 << 20).unwrap();
        assert!(again == want && spilled > 1_000_000, "{spilled}");
    }
}

#[test]
fn an_index_asks_before_it_grows_and_goes_when_its_state_is_sealed() {
    let rows = |keys: [i64; 3]| batch(&[Type::Int64], &keys.map(|k| vec![V::Int(k)]));
    let near = rows([1, 2, 900_000]);
    let op = op(&near.schema(), 1, &[size()], false);
    let budget = Budget::of(8 << 20);
    let mut state = op.new_state(budget.reserve("groups"));
    op.update(&mut state, &near).unwrap();
    assert!(op.bytes(&state) > 4 << 20);
    // A hash table takes less than the index that it follows.
    op.update(&mut state, &rows([1 << 40, 1 << 50, -1])).unwrap();
    assert!(op.bytes(&state) < 10_000);
    let mut sealed = op.new_state(budget.reserve("groups"));
    op.update(&mut sealed, &near).unwrap();
    op.seal(&mut sealed).unwrap();
    assert!(op.bytes(&sealed) < 1000 && sealed.memory.bytes() < 1000);
    op.update(&mut sealed, &rows([2, 3, 900_000])).unwrap();
    let counts =
        op.finish(sealed).unwrap().load().unwrap().0[0].column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(counts, [1, 2, 1, 2]);
    // Where there is no room for an index, a table of the few keys has it.
    let budget = Budget::of(1 << 20);
    let mut small = op.new_state(budget.reserve("groups"));
    op.update(&mut small, &near).unwrap();
    assert!(small.hashed.is_none() && op.bytes(&small) < 10_000 && budget.peak() <= budget.limit());
    assert_eq!(op.finish(small).unwrap().num_rows(), 3);
    let mut least = op.new_state(Budget::of(1000).reserve("groups"));
    assert_eq!(op.update(&mut least, &near).unwrap_err().kind(), ErrorKind::Memory);
}

#[test]
fn wider_keys_ask_before_they_are_written_anew() {
    let n = 10_000;
    let rows = |big: i64| -> Vec<Vec<V>> {
        (0..n).map(|i| vec![V::Int(i), V::Int(if i == n - 1 { big } else { i })]).collect()
    };
    let op = op(&batch(&[Type::Int64; 2], &[]).schema(), 2, &[size()], false);
    let (narrow, wide) = (batch(&[Type::Int64; 2], &rows(1)), batch(&[Type::Int64; 2], &rows(1 << 40)));
    let need = |batches: &[&RecordBatch]| {
        let budget = Budget::of(1 << 30);
        let mut state = op.new_state(budget.reserve("groups"));
        batches.iter().for_each(|b| assert_eq!(op.update(&mut state, b).unwrap(), Flow::More));
        budget.peak()
    };
    let (before, after) = (need(&[&narrow]), need(&[&narrow, &wide]));
    assert!(after > before + n as usize * 2 * (16 + 9 * 2), "{before} {after}");
    let budget = Budget::of(before * 3 / 2);
    let mut state = op.new_state(budget.reserve("groups"));
    op.update(&mut state, &narrow).unwrap();
    assert!(state.hashed.is_none());
    op.update(&mut state, &wide).unwrap();
    assert!(state.hashed.is_some() && budget.peak() <= budget.limit());
    assert_eq!(op.finish(state).unwrap().num_rows(), n as usize + 1);
}

#[test]
fn a_part_of_the_rows_tells_that_nearly_all_are_groups() {
    let op = op(&batch(&[Type::Int64], &[]).schema(), 1, &[size()], false);
    let rows = (MOST_GROUPS / 8) as i64;
    // Of each so many rows one finds the group of the first row.
    let goes_to_buckets = |every: i64| {
        let mut state = op.new_state(Budget::of(1 << 30).reserve("groups"));
        for start in (0..rows).step_by(1000) {
            let keys = (start..(start + 1000).min(rows)).map(|i| vec![V::Int(if i % every == 0 { 0 } else { i })]);
            op.update(&mut state, &batch(&[Type::Int64], &keys.collect::<Vec<_>>())).unwrap();
        }
        let last = batch(&[Type::Int64], &(rows..rows + 1000).map(|i| vec![V::Int(i)]).collect::<Vec<_>>());
        op.update(&mut state, &last).unwrap();
        let went = state.hashed.is_some();
        assert_eq!(op.finish(state).unwrap().num_rows() as i64, rows + 1000 - (rows - 1) / every);
        went
    };
    assert_eq!([i64::MAX, 200, 100].map(goes_to_buckets), [true, true, false]);
}

#[test]
fn keys_that_come_in_cycles_are_looked_up_again() {
    let op = op(&batch(&[Type::Int64], &[]).schema(), 1, &[size()], false);
    let cycle = (MOST_GROUPS / 6) as i64;
    let mut state = op.new_state(Budget::of(1 << 30).reserve("groups"));
    let mut put_off = 0;
    for start in (0..cycle * 6).step_by(1000) {
        let keys = (start..(start + 1000).min(cycle * 6)).map(|i| vec![V::Int(i % cycle)]);
        op.update(&mut state, &batch(&[Type::Int64], &keys.collect::<Vec<_>>())).unwrap();
        put_off += usize::from(state.unseen_left > 0);
    }
    // From the first part to the end of the cycle.
    assert!((1..20).contains(&put_off), "{put_off}");
    assert!(state.first.is_none() && state.groups.len() == cycle as usize);
    let counts = op.finish(state).unwrap().load().unwrap().0;
    assert_eq!(counts.iter().map(|batch| batch.num_rows()).sum::<usize>(), cycle as usize);
    let all_six = |batch: &RecordBatch| batch.column(1).as_primitive::<Int64Type>().values().iter().all(|n| *n == 6);
    assert!(counts.iter().all(all_six));
}

/// Rows are packed as the first ones fit; texts and integers behind them are wider, or too long to be packed at all.
#[test]
fn keys_that_become_wider_after_rows_were_put_off() {
    let kinds = [Type::Text, Type::Int64, Type::Int64];
    let key = |row: i64| match row / 3000 % 5 {
        0 => (format!("t{}", row % 900), row % 7),
        1 => (format!("text {row}"), row % 7),
        2 => (format!("t{}", row % 900), i64::from(i32::MAX) + row % 7),
        3 => (format!("a text that is long {}", row % 2000), row % 7),
        _ => (format!("u{}", row % 5000), i64::MAX - row % 3),
    };
    let row = |row: i64| {
        let (text, int) = key(row);
        vec![if row % 50 == 7 { V::Null } else { V::Text(text) }, V::Int(int), V::Int(row)]
    };
    let rows: Vec<Vec<V>> = (0..30_000).map(row).collect();
    let mut expected: BTreeMap<Vec<V>, (i64, i64)> = BTreeMap::new();
    for row in &rows {
        let V::Int(value) = row[2] else { unreachable!() };
        let group = expected.entry(row[..2].to_vec()).or_default();
        *group = (group.0 + value, group.1 + 1);
    }
    let expected: Vec<Vec<V>> =
        expected.into_iter().map(|(key, (sum, n))| [key, vec![V::Int(sum), V::Int(n)]].concat()).collect();
    let batch = batch(&kinds, &rows);
    for batches_a_state in [4, 1000] {
        let op = op(&batch.schema(), 2, &[col("c2").sum(), size()], true).with_most_groups(1 << 9);
        let cuts: Vec<usize> = (0..rows.len()).step_by(700).collect();
        let (found, _) = run_within(&op, &batch, &cuts, batches_a_state, 1 << 30).unwrap();
        assert_eq!(found, expected);
        let (found, spilled) = run_within(&op, &batch, &cuts, batches_a_state, 700_000).unwrap();
        assert!(found == expected && spilled > 0, "{spilled}");
    }
}

#[test]
fn keys_that_become_wider_are_put_off_all_the_same() {
    let kinds = [Type::Text, Type::Int64];
    let op = op(&batch(&kinds, &[]).schema(), 2, &[size()], false).with_most_groups(1 << 13);
    let mut state = op.new_state(Budget::of(1 << 30).reserve("groups"));
    let update = |text: &str, state: &mut AggregateState| {
        for start in (0..3000).step_by(500) {
            let rows = (start..start + 500).map(|i| vec![V::Text(format!("{text}{i}")), V::Int(i)]);
            op.update(state, &batch(&kinds, &rows.collect::<Vec<_>>())).unwrap();
        }
        (state.layout, state.unseen_left > 0, state.groups.len())
    };
    assert_eq!(update("c", &mut state), (0, true, 0));
    assert_eq!(update("longer ", &mut state), (1, true, 0));
    // Those that fit nowhere are looked up.
    assert_eq!(update("much too long ", &mut state), (1, true, 3000));
    assert_eq!(op.finish(state).unwrap().num_rows(), 9000);
}

#[test]
fn names_must_differ() {
    let schema = batch(&[Type::Int64], &[]).schema();
    let key = ("k".to_owned(), col("c0").bind(&schema).unwrap());
    let agg = col("c0").sum().alias("k").bind(&schema).unwrap();
    assert_eq!(AggregateOp::new(vec![key], vec![agg], false, true).err().unwrap().kind(), ErrorKind::Column);
}
