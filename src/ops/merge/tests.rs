//! Merges against a nested loop: all kinds, keys of all types, nulls and NaN, duplicates, however batches are cut.

mod buckets;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema, SchemaRef};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};

use super::*;
use crate::error::{Error, ErrorKind};
use crate::expr::{BoundExpr, Direction, Gap, MergeKind, Nearness, Type, col};
use crate::mem::{Budget, Part};
use crate::ops::key::from_ints;
use crate::ops::{Batches, Flow, Reducer};

/// A value of a key.
#[derive(Debug, Clone)]
enum Key {
    Null,
    Int(i64),
    Float(f64),
    Text(&'static str),
}

impl Key {
    fn equals(&self, other: &Key, nulls_equal: bool) -> bool {
        match (self, other) {
            (Key::Null, Key::Null) => nulls_equal,
            (Key::Int(a), Key::Int(b)) => a == b,
            (Key::Float(a), Key::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (Key::Text(a), Key::Text(b)) => a == b,
            _ => false,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Key::Int(i) => Some(*i as f64),
            Key::Float(f) if !f.is_nan() => Some(*f),
            _ => None,
        }
    }
}

/// Few values of each type, so that they meet.
fn key(kind: Type, pick: &Pick) -> Key {
    let ints = |ints: &[i64]| Key::Int(*pick.get(ints));
    match kind {
        _ if pick.index(7) == 3 => Key::Null,
        Type::Bool => ints(&[0, 1]),
        Type::Date => ints(&[-1, 0, 1, 18_000, i64::from(i32::MAX), i64::from(i32::MIN)]),
        Type::Int64 => ints(&[0, 1, 2, 3, 4, 5, 700, -1]),
        // Far apart, so that neither an index array nor 64 bits hold them.
        Type::Timestamp => ints(&[0, 1, -1, i64::MAX, i64::MIN, 1 << 40]),
        Type::Float64 => Key::Float(*pick.get(&[0.0, -0.0, 1.5, f64::NAN, -f64::NAN, f64::INFINITY, -2.0])),
        Type::Text => {
            let texts: [&'static str; 6] = ["", "a", "b", "a text longer than twelve bytes", "a\0", "é"];
            Key::Text(texts[pick.index(texts.len())])
        }
    }
}

fn column<'a>(kind: Type, keys: impl Iterator<Item = &'a Key>) -> ArrayRef {
    match kind {
        Type::Text => Arc::new(
            keys.map(|k| if let Key::Text(text) = k { Some(*text) } else { None }).collect::<StringViewArray>(),
        ),
        Type::Float64 => Arc::new(
            keys.map(|k| if let Key::Float(float) = k { Some(*float) } else { None }).collect::<Float64Array>(),
        ),
        _ => from_ints(kind, keys.map(|k| if let Key::Int(int) = k { Some(*int) } else { None })).unwrap(),
    }
}

/// Rows of keys with what goes with them: the number of the row, a text, a short one or none, and a flag.
fn side(kinds: &[Type], rows: &[Vec<Key>], first: usize) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = kinds
        .iter()
        .enumerate()
        .map(|(i, kind)| (format!("k{i}"), column(*kind, rows.iter().map(|row| &row[i]))))
        .collect();
    let numbers = first as i64..(first + rows.len()) as i64;
    columns.push(("row".to_owned(), Arc::new(Int64Array::from_iter_values(numbers.clone()))));
    columns.push((
        "text".to_owned(),
        Arc::new(StringViewArray::from_iter_values(numbers.clone().map(|n| format!("the text of row number {n}")))),
    ));
    let short = numbers.clone().map(|n| (n % 5 != 0).then(|| format!("row {n}")));
    columns.push(("short".to_owned(), Arc::new(short.collect::<StringViewArray>())));
    columns.push(("odd".to_owned(), Arc::new(numbers.map(|n| Some(n % 2 == 1)).collect::<BooleanArray>())));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn schema(kinds: &[Type]) -> SchemaRef {
    side(kinds, &[], 0).schema()
}

fn keys(kinds: &[Type]) -> Vec<BoundExpr> {
    (0..kinds.len()).map(|i| col(format!("k{i}")).bind(&schema(kinds)).unwrap()).collect()
}

/// The rows in pieces of these sizes, over and over.
fn pieces(kinds: &[Type], rows: &[Vec<Key>], sizes: &[usize]) -> Vec<RecordBatch> {
    let mut sizes = sizes.iter().cycle();
    let (mut batches, mut at) = (vec![], 0);
    while at < rows.len() {
        let end = rows.len().min(at + sizes.next().unwrap());
        batches.push(side(kinds, &rows[at..end], at));
        at = end;
    }
    batches
}

fn build(op: &BuildOp, budget: &Budget, batches: &[RecordBatch]) -> crate::error::Result<JoinTable> {
    let mut whole = op.new_state(budget.reserve("the right side"));
    for batches in batches.chunks(2) {
        let mut state = op.new_state(budget.reserve("the right side"));
        for batch in batches {
            assert_eq!(op.update(&mut state, batch)?, Flow::More);
        }
        op.merge(&mut whole, state)?;
    }
    match op.finish(whole)? {
        RightSide::Table(table) => Ok(*table),
        RightSide::Many(mut build) => {
            let all = (0..op.schema().fields().len()).map(MergedColumn::Right).collect();
            build.lay_out(&ProbeOp::new(op.schema().clone(), all, MergeKind::Left, op.keys().to_vec(), None));
            let hashed = (0..build.ranges()).map(|range| build.hashed(range)).collect::<Result<Vec<_>, _>>()?;
            let hashed: Vec<_> = hashed.iter().collect();
            let parts: Vec<_> = (0..LargeBuild::PARTS).map(|part| build.indexed(part, &hashed)).collect();
            let columns = (0..build.gathered()).map(|nth| build.column(nth, &hashed)).collect::<Result<Vec<_>, _>>()?;
            let (parts, columns): (Vec<_>, Vec<_>) = (parts.iter().collect(), columns.iter().collect());
            build.table(&hashed, &parts, &columns)
        }
        RightSide::Rows(_) => Err(Error::new(ErrorKind::Memory, "no table")),
    }
}

/// The columns that come out, and how they are called: keys once, then what goes with them on both sides.
fn merged(kinds: &[Type], kind: MergeKind) -> (SchemaRef, Vec<MergedColumn>) {
    let schema = schema(kinds);
    let mut fields: Vec<Field> = Vec::new();
    let mut columns = Vec::new();
    for i in 0..kinds.len() {
        fields.push(schema.field(i).clone());
        columns.push(if kind.shows_right() { MergedColumn::Key(i, i) } else { MergedColumn::Left(i) });
    }
    for i in kinds.len()..schema.fields().len() {
        let field = schema.field(i);
        fields.push(field.clone().with_name(format!("{}_x", field.name())));
        columns.push(MergedColumn::Left(i));
        if kind.shows_right() {
            fields.push(field.clone().with_name(format!("{}_y", field.name())));
            columns.push(MergedColumn::Right(i));
        }
    }
    (Arc::new(Schema::new(fields)), columns)
}

/// The row numbers of both sides that come out, after a check of all that goes with them.
fn pairs(
    kinds: &[Type],
    batch: &RecordBatch,
    left: &[Vec<Key>],
    right: &[Vec<Key>],
) -> Vec<(Option<usize>, Option<usize>)> {
    let side = |suffix: &str| -> Vec<Option<usize>> {
        let Some(rows) = batch.column_by_name(&format!("row_{suffix}")) else { return vec![None; batch.num_rows()] };
        let rows: Vec<_> = rows.as_primitive::<Int64Type>().iter().map(|n| n.map(|n| n as usize)).collect();
        let text = batch.column_by_name(&format!("text_{suffix}")).unwrap().as_string_view();
        let short = batch.column_by_name(&format!("short_{suffix}")).unwrap().as_string_view();
        let odd = batch.column_by_name(&format!("odd_{suffix}")).unwrap().as_boolean();
        for (i, row) in rows.iter().enumerate() {
            let want = row.map(|row| format!("the text of row number {row}"));
            assert_eq!(text.is_valid(i).then(|| text.value(i).to_owned()), want);
            let want = row.filter(|row| row % 5 != 0).map(|row| format!("row {row}"));
            assert_eq!(short.is_valid(i).then(|| short.value(i).to_owned()), want);
            assert_eq!(odd.is_valid(i).then(|| odd.value(i)), row.map(|row| row % 2 == 1));
        }
        rows
    };
    let pairs: Vec<_> = side("x").into_iter().zip(side("y")).collect();
    // A key is the left's, to the bit, or the right's.
    for (i, kind) in kinds.iter().enumerate() {
        let of = |pair: &(Option<usize>, Option<usize>)| match pair {
            (Some(row), _) => left[*row][i].clone(),
            (None, row) => right[row.unwrap()][i].clone(),
        };
        let want: Vec<Key> = pairs.iter().map(of).collect();
        let (got, want) = (batch.column(i), column(*kind, want.iter()));
        match kind {
            Type::Float64 => {
                let bits = |a: &ArrayRef| -> Vec<_> {
                    a.as_primitive::<Float64Type>().iter().map(|f| f.map(f64::to_bits)).collect()
                };
                assert_eq!(bits(got), bits(&want));
            }
            _ => assert_eq!(got, &want),
        }
    }
    pairs
}

/// What a nested loop gives.
fn expected(
    kind: MergeKind,
    left: &[Vec<Key>],
    right: &[Vec<Key>],
    nulls_equal: bool,
) -> Vec<(Option<usize>, Option<usize>)> {
    let same = |a: &[Key], b: &[Key]| a.iter().zip(b).all(|(a, b)| a.equals(b, nulls_equal));
    let mut rows = Vec::new();
    for (l, left) in left.iter().enumerate() {
        let found: Vec<usize> = (0..right.len()).filter(|r| same(left, &right[*r])).collect();
        match kind {
            MergeKind::Semi if !found.is_empty() => rows.push((Some(l), None)),
            MergeKind::Anti if found.is_empty() => rows.push((Some(l), None)),
            MergeKind::Semi | MergeKind::Anti => {}
            MergeKind::Left | MergeKind::Outer if found.is_empty() => rows.push((Some(l), None)),
            _ => rows.extend(found.into_iter().map(|r| (Some(l), Some(r)))),
        }
    }
    if matches!(kind, MergeKind::Right | MergeKind::Outer) {
        let alone = (0..right.len()).filter(|r| !left.iter().any(|left| same(left, &right[*r])));
        rows.extend(alone.map(|r| (None, Some(r))));
    }
    rows
}

const KINDS: [MergeKind; 6] =
    [MergeKind::Inner, MergeKind::Left, MergeKind::Right, MergeKind::Outer, MergeKind::Semi, MergeKind::Anti];

/// Keys of every form that groups have.
const KEYS: [&[Type]; 10] = [
    &[Type::Int64],
    &[Type::Timestamp],
    &[Type::Float64],
    &[Type::Text],
    &[Type::Bool],
    &[Type::Int64, Type::Date],
    &[Type::Int64, Type::Timestamp],
    &[Type::Timestamp, Type::Float64, Type::Timestamp],
    &[Type::Text, Type::Int64],
    &[Type::Bool, Type::Text, Type::Float64],
];

fn any_rows(kinds: &'static [Type], most: usize) -> impl Strategy<Value = Vec<Vec<Key>>> {
    let row = prop::collection::vec(any::<Pick>(), kinds.len())
        .prop_map(move |picks| kinds.iter().zip(&picks).map(|(kind, pick)| key(*kind, pick)).collect());
    prop::collection::vec(row, 0..most)
}

fn two_sides() -> impl Strategy<Value = (&'static [Type], Vec<Vec<Key>>, Vec<Vec<Key>>)> {
    // Sometimes few right rows, which are likelier to differ.
    (select(&KEYS[..]), prop_oneof![Just(4usize), Just(40)])
        .prop_flat_map(|(kinds, most)| (Just(kinds), any_rows(kinds, 30), any_rows(kinds, most)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn as_a_nested_loop(
        (kinds, left, right) in two_sides(),
        kind in select(&KINDS[..]),
        nulls_equal in any::<bool>(),
        sizes in prop::collection::vec(1usize..9, 1..4),
        output_rows in prop_oneof![1usize..7, Just(1 << 16)],
        tasks in 1usize..4,
        in_parts in any::<bool>(),
    ) {
        let budget = Budget::of(1 << 26);
        let build_op = BuildOp::new(schema(kinds), keys(kinds), nulls_equal, None);
        let build_op = if in_parts { build_op.with_large_rows(1) } else { build_op };
        let table = build(&build_op, &budget, &pieces(kinds, &right, &sizes)).unwrap();
        prop_assert!(budget.used() >= table.bytes());
        let (output, columns) = merged(kinds, kind);
        let probe = ProbeOp::new(output, columns, kind, keys(kinds), None).with_output_rows(output_rows);
        let mut got = Vec::new();
        let mut all = Matched::default();
        let mut next = |batch: RecordBatch| {
            assert!((1..=output_rows).contains(&batch.num_rows()));
            got.extend(pairs(kinds, &batch, &left, &right));
            Ok(Flow::More)
        };
        let batches = pieces(kinds, &left, &sizes);
        for batches in batches.chunks(batches.len().div_ceil(tasks).max(1)) {
            let mut matched = Matched::default();
            for batch in batches {
                prop_assert_eq!(probe.probe(&table, &mut matched, batch, &mut next).unwrap(), Flow::More);
            }
            all.union(&matched);
        }
        if probe.tracks() {
            prop_assert_eq!(probe.unmatched(&table, &all, &mut next).unwrap(), Flow::More);
        } else {
            prop_assert_eq!(all.bytes(), 0);
        }
        prop_assert_eq!(got, expected(kind, &left, &right, nulls_equal));
        drop(table);
        prop_assert_eq!(budget.used(), 0);
    }

    #[test]
    fn as_of_as_a_search_through_all(
        float in any::<bool>(),
        by in prop::option::of(select(&[Type::Int64, Type::Text][..])),
        left in prop::collection::vec((any::<Pick>(), -9i64..9, 0..12), 0..30),
        right in prop::collection::vec((any::<Pick>(), -9i64..9, 0..12), 0..30),
        direction in select(&[Direction::Backward, Direction::Forward, Direction::Nearest][..]),
        exact in any::<bool>(),
        tolerance in prop::option::of(0u64..5),
        output_rows in prop_oneof![1usize..7, Just(1 << 16)],
    ) {
        let on = if float { Type::Float64 } else { Type::Int64 };
        let kinds: Vec<Type> = by.into_iter().chain([on]).collect();
        let row = |(pick, value, special): &(Pick, i64, i32)| -> Vec<Key> {
            let value = match special {
                0 => Key::Null,
                1 if float => Key::Float(f64::NAN),
                2 if float => Key::Float(f64::INFINITY),
                _ if float => Key::Float(*value as f64 / 2.0),
                _ => Key::Int(*value),
            };
            by.iter().map(|kind| key(*kind, pick)).chain([value]).collect()
        };
        let (left, right): (Vec<_>, Vec<_>) = (left.iter().map(row).collect(), right.iter().map(row).collect());
        let tolerance_gap = tolerance.map(|t| if float { Gap::Float(t as f64) } else { Gap::Int(t) });
        let mut exprs = keys(&kinds);
        let near = exprs.pop().unwrap();
        let build_op = BuildOp::new(schema(&kinds), exprs.clone(), false, Some(near.clone()));
        let budget = Budget::of(1 << 26);
        let table = build(&build_op, &budget, &pieces(&kinds, &right, &[3])).unwrap();
        // The keys under one name are the left's, as they are in a left merge.
        let (output, columns) = merged(&kinds, MergeKind::Left);
        let how = Nearness { direction, exact, tolerance: tolerance_gap };
        let probe =
            ProbeOp::new(output, columns, MergeKind::Left, exprs, Some((near, how))).with_output_rows(output_rows);
        let mut got = Vec::new();
        for batch in pieces(&kinds, &left, &[5]) {
            probe.probe(&table, &mut Matched::default(), &batch, &mut |batch| {
                got.extend(pairs(&kinds, &batch, &left, &right));
                Ok(Flow::More)
            }).unwrap();
        }
        let last = kinds.len() - 1;
        let find = |left: &[Key]| -> Option<usize> {
            let value = left[last].number()?;
            let candidates = right.iter().enumerate().filter_map(|(r, right)| {
                let other = right[last].number()?;
                let by = left[..last].iter().zip(right).all(|(a, b)| a.equals(b, false));
                (by && (exact || other != value)).then_some((other, r))
            });
            let (mut before, mut behind) = (None::<(f64, usize)>, None::<(f64, usize)>);
            for (other, r) in candidates {
                // Of equal values the last before, the first behind.
                if other <= value && before.is_none_or(|(best, _)| other >= best) {
                    before = Some((other, r));
                }
                if other >= value && behind.is_none_or(|(best, _)| other < best) {
                    behind = Some((other, r));
                }
            }
            let gap = |(other, _): &(f64, usize)| if *other == value { 0.0 } else { (other - value).abs() };
            let found = match (direction, before, behind) {
                (Direction::Backward, before, _) => before,
                (Direction::Forward, _, behind) => behind,
                (_, Some(before), Some(behind)) => Some(if gap(&before) <= gap(&behind) { before } else { behind }),
                (_, before, behind) => before.or(behind),
            };
            found.filter(|found| tolerance.is_none_or(|t| gap(found) <= t as f64)).map(|(_, r)| r)
        };
        let want: Vec<_> = left.iter().enumerate().map(|(l, row)| (Some(l), find(row))).collect();
        prop_assert_eq!(got, want);
    }
}

/// One integer key.
const INT: &[Type] = &[Type::Int64];

fn int_rows(keys: impl IntoIterator<Item = i64>) -> Vec<Vec<Key>> {
    keys.into_iter().map(|key| vec![Key::Int(key)]).collect()
}

fn counted(kind: MergeKind, kinds: &[Type], left: &[Vec<Key>], right: &[Vec<Key>]) -> (usize, usize) {
    let build_op = BuildOp::new(schema(kinds), keys(kinds), false, None);
    let table = build(&build_op, &Budget::of(1 << 30), &pieces(kinds, right, &[1 << 20])).unwrap();
    let (output, columns) = merged(kinds, kind);
    let probe = ProbeOp::new(output, columns, kind, keys(kinds), None);
    let (mut batches, mut rows) = (0, 0);
    let mut next = |batch: RecordBatch| {
        (batches, rows) = (batches + 1, rows + batch.num_rows());
        Ok(Flow::More)
    };
    probe.probe(&table, &mut Matched::default(), &side(kinds, left, 0), &mut next).unwrap();
    (batches, rows)
}

#[test]
fn without_keys_every_row_meets_every_row() {
    let rows = |n| vec![vec![]; n];
    assert_eq!(expected(MergeKind::Inner, &rows(3), &rows(4), false).len(), 12);
    for (left, right) in [(0, 3), (3, 0), (3, 1), (300, 700)] {
        let (batches, count) = counted(MergeKind::Cross, &[], &rows(left), &rows(right));
        assert_eq!((batches, count), ((left * right).div_ceil(1 << 16), left * right));
    }
}

#[test]
fn one_row_of_many_matches_is_given_in_batches() {
    let (batches, rows) = counted(MergeKind::Inner, INT, &int_rows([7, 8]), &int_rows(vec![7; 200_000]));
    assert_eq!((batches, rows), (4, 200_000));
    // A batch larger than may come out at once is cut.
    let (batches, rows) = counted(MergeKind::Left, INT, &int_rows(vec![7; 200_000]), &int_rows([7]));
    assert_eq!((batches, rows), (4, 200_000));
}

#[test]
fn left_columns_pass_as_they_are_where_all_rows_match_once() {
    let build_op = BuildOp::new(schema(INT), keys(INT), false, None);
    let table = build(&build_op, &Budget::of(1 << 20), &pieces(INT, &int_rows([4, 8, 12]), &[2])).unwrap();
    let (output, columns) = merged(INT, MergeKind::Inner);
    let probe = ProbeOp::new(output, columns, MergeKind::Inner, keys(INT), None);
    let left = side(INT, &int_rows([12, 4, 4, 12]), 0);
    probe
        .probe(&table, &mut Matched::default(), &left, &mut |batch| {
            let (a, b) = (left.column(0).to_data(), batch.column(0).to_data());
            assert!(a.ptr_eq(&b));
            Ok(Flow::More)
        })
        .unwrap();
}

#[test]
fn rows_that_find_nothing_hold_no_text() {
    for large_rows in [1, 1 << 10] {
        let build_op = BuildOp::new(schema(INT), keys(INT), false, None).with_large_rows(large_rows);
        let table = build(&build_op, &Budget::of(1 << 20), &pieces(INT, &int_rows([4, 8, 12]), &[2])).unwrap();
        let (output, columns) = merged(INT, MergeKind::Left);
        let probe = ProbeOp::new(output, columns, MergeKind::Left, keys(INT), None);
        let mut next = |batch: RecordBatch| {
            let texts = batch.column_by_name("text_y").unwrap().as_string_view();
            // Of the one that is found.
            assert_eq!((texts.null_count(), texts.total_buffer_bytes_used()), (2, "the text of row number 0".len()));
            Ok(Flow::More)
        };
        probe.probe(&table, &mut Matched::default(), &side(INT, &int_rows([1, 4, 3]), 0), &mut next).unwrap();
    }
}

#[test]
fn who_has_enough_is_given_no_more() {
    for (left, right) in [(int_rows(0..9), int_rows(0..9)), (int_rows(vec![1; 9]), int_rows(vec![1; 9]))] {
        let build_op = BuildOp::new(schema(INT), keys(INT), false, None);
        let table = build(&build_op, &Budget::of(1 << 20), &pieces(INT, &right, &[2])).unwrap();
        let (output, columns) = merged(INT, MergeKind::Right);
        let probe = ProbeOp::new(output, columns, MergeKind::Right, keys(INT), None).with_output_rows(2);
        let mut calls = 0;
        let mut next = |_| {
            calls += 1;
            Ok(if calls % 2 == 0 { Flow::Enough } else { Flow::More })
        };
        let batch = side(INT, &left, 0);
        assert_eq!(probe.probe(&table, &mut Matched::default(), &batch, &mut next).unwrap(), Flow::Enough);
        assert_eq!(probe.unmatched(&table, &Matched::default(), &mut next).unwrap(), Flow::Enough);
        assert_eq!(calls, 4);
    }
}

#[test]
fn rows_stay_as_they_are_where_a_table_does_not_fit() {
    let kinds = &[Type::Text, Type::Int64];
    let right: Vec<_> = (0..5000).map(|i| vec![Key::Text("the same text again and again"), Key::Int(i)]).collect();
    let batches = pieces(kinds, &right, &[1000]);
    let build_op = BuildOp::new(schema(kinds), keys(kinds), false, None);
    let budget = Budget::of(1 << 26);
    let table = build(&build_op, &budget, &batches).unwrap();
    let (held, peak) = (budget.used(), budget.peak());
    assert!(held > 5000 * 60 && held == table.bytes() && peak > held, "{held} {peak}");
    let want = concat_batches(&schema(kinds), &batches).unwrap();
    for limit in [held / 4, held / 2, held, peak] {
        let budget = Budget::of(limit);
        let mut state = build_op.new_state(budget.reserve("the right side"));
        batches.iter().for_each(|batch| _ = build_op.update(&mut state, batch).unwrap());
        let RightSide::Rows(rows) = build_op.finish(state).unwrap() else { panic!("{limit} of {peak} bytes suffice") };
        let got: Vec<RecordBatch> = rows.iter().map(Result::unwrap).collect();
        assert_eq!(concat_batches(&schema(kinds), &got).unwrap(), want);
        drop(rows);
        assert_eq!(budget.used(), 0);
    }
    // A table leaves some to others.
    assert!(build(&build_op, &Budget::of(2 * peak), &batches).is_ok());
}

#[test]
fn a_key_that_does_not_fit_is_no_other() {
    // Two keys share 64 bits: what the second has too much would fall on the first, where it changes nothing.
    let kinds = &[Type::Int64, Type::Timestamp];
    let rows = |value| vec![vec![Key::Int(1), Key::Int(value)]];
    assert_eq!(counted(MergeKind::Inner, kinds, &rows(5 + (1 << 32)), &rows(5)), (0, 0));
    assert_eq!(counted(MergeKind::Inner, kinds, &rows(5), &rows(5)), (1, 1));
}

/// The row numbers of both sides.
type Pair = (Option<usize>, Option<usize>);
