//! Sorting against the standard library's stable sort: with any keys, in any number of states, with any memory.

use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::expr::{SortKey, col};
use crate::mem::Budget;
use crate::ops::OUTPUT_ROWS;

/// Bits that look random, the same every time.
fn noise(i: usize) -> u64 {
    let mut x = (i as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// A column of keys, of a kind that a number picks.
fn column(kind: usize, rows: usize, nulls: bool) -> ArrayRef {
    let of = |i: usize| noise(i * 31 + kind);
    let known = |i: usize| !(nulls && of(i) % 7 == 0);
    let some = |i: usize| known(i).then(|| of(i) >> 8);
    let all = 0..rows;
    match kind {
        0 => Arc::new(all.map(|i| some(i).map(|x| (x % 5) as i64)).collect::<Int64Array>()),
        1 => Arc::new(all.map(|i| some(i).map(|x| x as i64 % 100_000 - 50_000)).collect::<Int64Array>()),
        2 => {
            let value = |x: u64| [i64::MIN, i64::MAX, 0, -1, x as i64][x as usize % 5];
            Arc::new(all.map(|i| some(i).map(value)).collect::<Int64Array>())
        }
        3 => {
            let value = |x: u64| [f64::NAN, -0.0, 0.0, f64::NEG_INFINITY, x as f64 / 1e9, -(x as f64)][x as usize % 6];
            Arc::new(all.map(|i| some(i).map(value)).collect::<Float64Array>())
        }
        4 => Arc::new(all.map(|i| some(i).map(|x| x % 2 == 0)).collect::<BooleanArray>()),
        5 => Arc::new(all.map(|i| some(i).map(|x| (x % 3000) as i32 - 1000)).collect::<Date32Array>()),
        6 => Arc::new(all.map(|i| some(i).map(|x| format!("{:o}", x % 4096))).collect::<StringViewArray>()),
        _ => {
            let text = |x: u64| format!("the same beginning, and then {}{}", "\0".repeat(x as usize % 3), x % 100);
            Arc::new(all.map(|i| some(i).map(text)).collect::<StringViewArray>())
        }
    }
}

/// Keys of these kinds, and the number of each row.
fn table(kinds: &[usize], rows: usize, nulls: bool) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef, bool)> = vec![];
    for (i, kind) in kinds.iter().enumerate() {
        columns.push((format!("k{i}"), column(*kind, rows, nulls), true));
    }
    columns.push(("row".into(), Arc::new(Int64Array::from_iter_values(0..rows as i64)), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn sort_key(i: usize, descending: bool, nulls_first: bool) -> SortKey {
    let key = col(format!("k{i}"));
    let key = if descending { key.desc() } else { key.asc() };
    if nulls_first { key.nulls_first() } else { key }
}

/// The rows of a table in order, by the standard library's stable sort of its values.
fn expected(table: &RecordBatch, flags: &[(bool, bool)]) -> Vec<i64> {
    #[derive(PartialEq, PartialOrd)]
    enum Value<'a> {
        Int(i64),
        Float(f64),
        Bool(bool),
        Text(&'a str),
    }
    let value = |i: usize, row: usize| {
        let column = table.column(i);
        if column.is_null(row) {
            return None;
        }
        Some(match column.data_type() {
            arrow::datatypes::DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
            arrow::datatypes::DataType::Float64 => {
                Value::Float(column.as_primitive::<arrow::datatypes::Float64Type>().value(row))
            }
            arrow::datatypes::DataType::Date32 => {
                Value::Int(column.as_primitive::<arrow::datatypes::Date32Type>().value(row).into())
            }
            arrow::datatypes::DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
            _ => Value::Text(column.as_string_view().value(row)),
        })
    };
    let compare = |a: Value<'_>, b: Value<'_>| match (&a, &b) {
        // NaN lies above all numbers.
        (Value::Float(x), Value::Float(y)) if x.is_nan() || y.is_nan() => x.is_nan().cmp(&y.is_nan()),
        _ => a.partial_cmp(&b).unwrap(),
    };
    let mut rows: Vec<i64> = (0..table.num_rows() as i64).collect();
    rows.sort_by(|a, b| {
        let one = |(i, (descending, nulls_first)): (usize, &(bool, bool))| match (
            value(i, *a as usize),
            value(i, *b as usize),
        ) {
            (Some(x), Some(y)) if *descending => compare(y, x),
            (Some(x), Some(y)) => compare(x, y),
            (x, y) if *nulls_first => x.is_some().cmp(&y.is_some()),
            (x, y) => x.is_none().cmp(&y.is_none()),
        };
        flags.iter().enumerate().map(one).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows
}

/// What the pieces give, done by two threads.
fn together(ending: Ending<Batches>, nothing: Batches) -> Batches {
    let Ending::Pieces(pieces) = ending else { return ending.alone(nothing).unwrap() };
    let mut all = nothing;
    let left = Mutex::new(pieces.into_iter().enumerate());
    let work = || {
        let mut done = vec![];
        loop {
            let next = left.lock().unwrap().next();
            let Some((number, piece)) = next else { return done };
            done.push((number, piece.rows().unwrap()));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().for_each(|(_, rows)| all.append(rows));
    all
}

fn row_numbers(sorted: &Batches) -> Vec<i64> {
    let mut numbers = vec![];
    for batch in sorted.iter().map(Result::unwrap) {
        assert!((1..=OUTPUT_ROWS).contains(&batch.num_rows()));
        let rows = batch.columns().last().unwrap();
        numbers.extend_from_slice(rows.as_primitive::<Int64Type>().values());
    }
    numbers
}

/// Sorts a table that comes in batches of so many rows, in states of so many batches. Gives the numbers of the rows, and how much
/// was spilled.
fn sorted(
    table: &RecordBatch,
    op: &SortOp,
    batch_rows: usize,
    batches_a_state: usize,
    memory: usize,
    threads: bool,
) -> (Vec<i64>, u64) {
    let budget = Budget::of(memory);
    let mut whole = op.new_state(budget.reserve("rows"));
    let starts: Vec<usize> = (0..table.num_rows()).step_by(batch_rows).collect();
    for starts in starts.chunks(batches_a_state) {
        let mut state = op.new_state(budget.reserve("rows"));
        for start in starts {
            let batch = table.slice(*start, batch_rows.min(table.num_rows() - start));
            op.update(&mut state, &batch).unwrap();
            assert!(state.rows < op.limit.max(1).saturating_mul(2));
            assert!(budget.used() >= op.bytes(&state));
        }
        op.seal(&mut state).unwrap();
        op.merge(&mut whole, state).unwrap();
        assert_eq!(budget.used(), op.bytes(&whole));
    }
    let nothing = Batches::new(table.schema(), budget.reserve("rows"));
    let ending = op.end(whole).unwrap();
    let result = if threads { together(ending, nothing) } else { ending.alone(nothing).unwrap() };
    assert!(budget.peak() <= memory, "{} of {memory}", budget.peak());
    let numbers = row_numbers(&result);
    // The rest of a row came along.
    let mut at = 0;
    for batch in result.iter().map(Result::unwrap) {
        let rows = numbers[at..at + batch.num_rows()].iter().map(|row| *row as u32);
        let rows = arrow::array::UInt32Array::from_iter_values(rows);
        assert_eq!(batch, arrow::compute::take_record_batch(table, &rows).unwrap());
        at += batch.num_rows();
    }
    drop(result);
    assert_eq!(budget.used(), 0);
    (numbers, budget.spill().written())
}

fn op(table: &RecordBatch, flags: &[(bool, bool)], limit: Option<usize>) -> SortOp {
    let keys = flags
        .iter()
        .enumerate()
        .map(|(i, (descending, nulls_first))| sort_key(i, *descending, *nulls_first).bind(&table.schema()).unwrap());
    SortOp::new(table.schema(), keys.collect(), limit)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn stable_cut_and_split_anywhere(
        keys in prop::collection::vec((0usize..8, any::<(bool, bool)>()), 1..4),
        rows in prop_oneof![0usize..100, 0usize..3000],
        nulls in any::<bool>(),
        limit in prop::option::of(prop_oneof![0usize..30, 0usize..1000]),
        batch_rows in prop_oneof![1usize..20, 50usize..1000],
        batches_a_state in 1usize..6,
        memory in prop_oneof![Just(1usize << 26), 1usize << 19..1 << 22],
        threads in any::<bool>(),
    ) {
        // Batches of few rows hold much beside them; what many threads need at once is not what few have.
        let batch_rows = batch_rows.max(rows / 100 + 1);
        let (kinds, flags): (Vec<usize>, Vec<(bool, bool)>) = keys.into_iter().unzip();
        let table = table(&kinds, rows, nulls);
        let mut want = expected(&table, &flags);
        want.truncate(limit.unwrap_or(usize::MAX));
        let op = op(&table, &flags, limit);
        prop_assert_eq!(sorted(&table, &op, batch_rows, batches_a_state, memory, threads).0, want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_first_rows_of_groups_are_those_of_all(
        kinds in (prop::sample::select(&[0usize, 1, 4, 6][..]), 0usize..7),
        flags in (any::<(bool, bool)>(), any::<bool>()),
        rows in 0usize..2000,
        nulls in any::<bool>(),
        first in prop_oneof![0usize..4, 14usize..19],
        batch_rows in 1usize..300,
        memory in prop_oneof![Just(1usize << 26), Just(1usize << 20)],
    ) {
        let table = table(&[kinds.0, kinds.1], rows, nulls);
        let flags = [flags.0, (flags.1, false)];
        let keys: Vec<String> = (0..rows).map(|row| {
            arrow::util::display::array_value_to_string(table.column(0), row).unwrap()
        }).collect();
        let first_of_each = |numbers: Vec<i64>| -> Vec<i64> {
            let mut counts = std::collections::HashMap::new();
            numbers.into_iter().filter(|row| {
                let count = counts.entry(&keys[*row as usize]).or_insert(0);
                *count += 1;
                *count <= first
            }).collect()
        };
        let want = first_of_each(expected(&table, &flags));
        let op = op(&table, &flags, None).for_first_of_groups(first);
        let (got, _) = sorted(&table, &op, batch_rows.max(rows / 100 + 1), 3, memory, false);
        prop_assert!(got.len() <= rows);
        prop_assert_eq!(first_of_each(got), want);
    }
}

#[test]
fn most_rows_behind_the_first_of_their_groups_are_not_sorted() {
    let table = table(&[0, 1], 20_000, true);
    let op = op(&table, &[(false, false), (true, false)], None).for_first_of_groups(2);
    for batches_a_state in [100, 3] {
        // Six groups; no two rows of one have the same value.
        assert_eq!(sorted(&table, &op, 1000, batches_a_state, 1 << 28, false).0.len(), 12);
    }
}

#[test]
fn where_all_rows_are_first_of_their_groups_none_wait_for_long() {
    let groups = 1_500_000;
    let value = |row: i64| (row * 7919) % groups;
    let values = Int64Array::from_iter_values((0..groups).map(value));
    let rows = Int64Array::from_iter_values(0..groups);
    let columns: [(_, ArrayRef, _); 3] =
        [("k0", Arc::new(rows.clone()), true), ("k1", Arc::new(values), true), ("row", Arc::new(rows), true)];
    let table = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let op = op(&table, &[(true, false), (true, false)], None).for_first_of_groups(1);
    let budget = Budget::of(1 << 30);
    let mut state = op.new_state(budget.reserve("rows"));
    let mut most = 0;
    for start in (0..groups as usize).step_by(50_000) {
        op.update(&mut state, &table.slice(start, 50_000)).unwrap();
        most = most.max(budget.used());
    }
    assert!(state.sift.is_none());
    let sorted = row_numbers(&op.finish(state).unwrap());
    assert!(sorted.into_iter().eq((0..groups).rev()));
    assert!(most < 200 << 20, "{most}");
}

#[test]
fn many_rows_of_each_kind() {
    // Enough rows for buckets, and for several ranges of them.
    for kind in 0..8 {
        for flags in [(false, false), (true, true)] {
            let table = table(&[kind], 60_000, flags.0);
            let op = op(&table, &[flags], None);
            let want = expected(&table, &[flags]);
            assert_eq!(sorted(&table, &op, 7000, 4, 1 << 28, true), (want.clone(), 0), "kind {kind}");
            let (got, spilled) = sorted(&table, &op, 2000, 9, 1 << 20, false);
            assert_eq!(got, want, "kind {kind}");
            assert!(spilled > 0);
        }
    }
}

#[test]
fn rows_that_are_in_order_and_rows_that_are_in_reverse() {
    let rows = 50_000;
    for memory in [1 << 28, 2 << 20] {
        for reverse in [false, true] {
            let keys = (0..rows).map(|i| if reverse { rows - i } else { i } as i64);
            let key = Int64Array::from_iter_values(keys);
            let numbers = Int64Array::from_iter_values(0..rows as i64);
            let table = RecordBatch::try_from_iter_with_nullable([
                ("k0", Arc::new(key) as ArrayRef, true),
                ("row", Arc::new(numbers), true),
            ]);
            let table = table.unwrap();
            let op = op(&table, &[(false, false)], None);
            let want: Vec<i64> = (0..rows as i64).map(|i| if reverse { rows as i64 - 1 - i } else { i }).collect();
            assert_eq!(sorted(&table, &op, 1000, 5, memory, false).0, want);
        }
    }
}

#[test]
fn one_key_for_all_rows_is_cut_into_ranges_too() {
    let table = table(&[0], 200_000, false);
    let constant = Arc::new(Int64Array::from(vec![7; 200_000])) as ArrayRef;
    let table = RecordBatch::try_new(table.schema(), vec![constant, table.column(1).clone()]).unwrap();
    let op = op(&table, &[(true, false)], None);
    for memory in [1 << 28, 2 << 20] {
        let budget = Budget::of(memory);
        let mut whole = op.new_state(budget.reserve("rows"));
        for start in (0..200_000).step_by(5000) {
            op.update(&mut whole, &table.slice(start, 5000)).unwrap();
            op.make_run(&mut whole).unwrap();
        }
        let Ending::Pieces(pieces) = op.end(whole).unwrap() else { panic!("no pieces") };
        let mut number = 0;
        let count = pieces.len();
        for piece in pieces {
            let sorted = piece.rows().unwrap();
            assert!(sorted.num_rows() <= 200_000 * 3 / count, "{} of {count}", sorted.num_rows());
            for row in row_numbers(&sorted) {
                assert_eq!(row, number);
                number += 1;
            }
        }
        assert_eq!(number, 200_000);
        assert!(count > 2 && budget.peak() <= memory);
    }
}

#[test]
fn a_small_limit_holds_little() {
    let table = table(&[1, 7], 50_000, true);
    let flags = [(true, false), (false, false)];
    let op = op(&table, &flags, Some(5));
    let budget = Budget::of(1 << 26);
    let mut state = op.new_state(budget.reserve("rows"));
    for start in (0..50_000).step_by(100) {
        op.update(&mut state, &table.slice(start, 100)).unwrap();
        assert!(op.bytes(&state) < 40_000, "{}", op.bytes(&state));
    }
    assert_eq!(row_numbers(&op.finish(state).unwrap()), expected(&table, &flags)[..5]);
}

#[test]
fn more_runs_than_there_is_room_for() {
    let table = table(&[1, 6], 6000, false);
    let flags = [(false, false), (true, false)];
    let (op, want) = (op(&table, &flags, None), expected(&table, &flags));
    // While others hold almost all, every batch is a run of its own; a little has room for few runs at a time.
    for left in [1 << 20, 60_000, 2000] {
        let budget = Budget::of(1 << 20);
        let mut others = budget.reserve("others");
        others.try_resize(budget.limit() - 200).unwrap();
        let mut state = op.new_state(budget.reserve("rows"));
        for start in (0..6000).step_by(20) {
            op.update(&mut state, &table.slice(start, 20)).unwrap();
        }
        assert_eq!(state.runs.len(), 300);
        others.try_resize(budget.limit() - left).unwrap();
        let outcome = op.finish(state);
        if left == 2000 {
            assert_eq!(outcome.err().unwrap().kind(), ErrorKind::Memory);
            continue;
        }
        assert_eq!(row_numbers(&outcome.unwrap()), want, "{left}");
        assert!(budget.peak() <= budget.limit());
    }
}

#[test]
fn texts_that_begin_alike_for_long() {
    let rows = 6000;
    let text = |i: usize| format!("{}{:04}", "x".repeat(4000), noise(i) % 3000);
    let texts: StringViewArray = (0..rows).map(|i| Some(text(i))).collect();
    let numbers = Int64Array::from_iter_values(0..rows as i64);
    let table = RecordBatch::try_from_iter_with_nullable([
        ("k0", Arc::new(texts) as ArrayRef, true),
        ("row", Arc::new(numbers), true),
    ]);
    let table = table.unwrap();
    let flags = [(false, false)];
    let (op, want) = (op(&table, &flags, None), expected(&table, &flags));
    for memory in [1 << 28, 4 << 20] {
        let (got, spilled) = sorted(&table, &op, 100, 20, memory, false);
        assert_eq!(got, want);
        assert_eq!(spilled > 0, memory < 1 << 28);
    }
}

#[test]
fn numbers_are_sorted_by_a_text_of_them() {
    let table = table(&[1], 3000, true);
    let key = col("k0").cast(crate::expr::Type::Text).asc().bind(&table.schema()).unwrap();
    let op = SortOp::new(table.schema(), vec![key], None);
    let budget = Budget::of(1 << 24);
    let mut state = op.new_state(budget.reserve("rows"));
    op.update(&mut state, &table).unwrap();
    let sorted = op.finish(state).unwrap();
    let numbers = table.column(0).as_primitive::<Int64Type>();
    let mut expected: Vec<usize> = (0..3000).collect();
    expected
        .sort_by_key(|row| (numbers.is_null(*row), numbers.is_valid(*row).then(|| numbers.value(*row).to_string())));
    let found: Vec<usize> = row_numbers(&sorted).into_iter().map(|row| row as usize).collect();
    assert_eq!(found, expected);
}
