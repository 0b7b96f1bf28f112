//! The same by buckets, as merges go whose right side does not fit.

use super::*;
use crate::ops::Buckets;

/// Merges by buckets, in so many partitions of the left; gives the pairs, and whether anything was spilled.
fn in_buckets(
    op: &LargeMerge,
    kinds: &'static [Type],
    left: &[Vec<Key>],
    right: &[Vec<Key>],
    partitions: usize,
    limit: usize,
) -> (Vec<Pair>, bool) {
    let budget = Budget::of(limit);
    let mut rights = Batches::new(schema(kinds), budget.reserve("right"));
    pieces(kinds, right, &[50]).into_iter().for_each(|batch| rights.push(batch).unwrap());
    let buckets = op.buckets(&rights);
    let scatter = op.scatter_left(buckets);
    let all_left = pieces(kinds, left, &[30]);
    let lefts: Vec<Buckets> = all_left
        .chunks(all_left.len().div_ceil(partitions).max(1))
        .map(|batches| {
            let mut state = scatter.new_state(budget.reserve("left"));
            batches.iter().for_each(|batch| _ = scatter.update(&mut state, batch).unwrap());
            scatter.finish(state).unwrap()
        })
        .collect();
    let scatter = op.scatter_right(buckets);
    let mut state = scatter.state_from(0, budget.reserve("right"));
    rights.iter().for_each(|batch| _ = scatter.update(&mut state, &batch.unwrap()).unwrap());
    drop(rights);
    let rights = scatter.finish(state).unwrap();
    let mut runs = (vec![], vec![]);
    for bucket in 0..buckets {
        let left = lefts.iter().map(|left| left.take(bucket).unwrap()).collect();
        let joined = op.join(left, rights.take(bucket).unwrap(), &|| Ok(())).unwrap();
        runs.0.push(joined.rows);
        runs.1.push(joined.unmatched);
    }
    let mut got = vec![];
    let mut next = |batch: RecordBatch| {
        got.extend(pairs(kinds, &batch, left, right));
        Ok(Flow::More)
    };
    for partition in 0..partitions {
        assert_eq!(Run::partition(&runs.0, (partition, partitions), &mut next).unwrap(), Flow::More);
    }
    assert_eq!(Run::partition(&runs.1, (0, 1), &mut next).unwrap(), Flow::More);
    assert!(budget.peak() <= limit);
    let spilled = budget.reserve("").spill().written() > 0;
    drop((lefts, runs));
    assert_eq!(budget.used(), 0);
    (got, spilled)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn in_buckets_as_a_nested_loop(
        (kinds, left, right) in select(&KEYS[..]).prop_flat_map(|kinds| (Just(kinds), any_rows(kinds, 120), any_rows(kinds, 500))),
        kind in select(&KINDS[..]),
        nulls_equal in any::<bool>(),
        partitions in 1usize..4,
        // The least: chunks of few rows; more: buckets that fit.
        limit in select(&[1usize << 17, 1 << 18, 1 << 20, 1 << 26][..]),
        ordered in any::<bool>(),
    ) {
        let build_op = BuildOp::new(schema(kinds), keys(kinds), nulls_equal, None);
        let (output, columns) = merged(kinds, kind);
        let probe = ProbeOp::new(output, columns, kind, keys(kinds), None).with_output_rows(100);
        let op = LargeMerge::new(&build_op, &probe, &schema(kinds), ordered);
        let (mut got, _) = in_buckets(&op, kinds, &left, &right, partitions, limit);
        let mut want = expected(kind, &left, &right, nulls_equal);
        if !ordered {
            got.sort_unstable();
            want.sort_unstable();
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn as_of_in_buckets_as_at_once(
        by in prop::option::of(select(&[Type::Int64, Type::Text][..])),
        float in any::<bool>(),
        left in prop::collection::vec((any::<Pick>(), -40i64..40, 0..12), 0..120),
        right in prop::collection::vec((any::<Pick>(), -40i64..40, 0..12), 0..500),
        direction in select(&[Direction::Backward, Direction::Forward, Direction::Nearest][..]),
        exact in any::<bool>(),
        tolerance in prop::option::of(0u64..5),
        limit in select(&[1usize << 17, 1 << 18, 1 << 20][..]),
    ) {
        let on = if float { Type::Float64 } else { Type::Int64 };
        let kinds: &'static [Type] = match (by, float) {
            (None, false) => &[Type::Int64],
            (None, true) => &[Type::Float64],
            (Some(Type::Int64), false) => &[Type::Int64, Type::Int64],
            (Some(Type::Int64), true) => &[Type::Int64, Type::Float64],
            (_, false) => &[Type::Text, Type::Int64],
            (_, true) => &[Type::Text, Type::Float64],
        };
        let row = |(pick, value, special): &(Pick, i64, i32)| -> Vec<Key> {
            let value = match special {
                0 => Key::Null,
                1 if float => Key::Float(f64::NAN),
                _ if float => Key::Float(*value as f64 / 2.0),
                _ => Key::Int(*value),
            };
            by.iter().map(|kind| key(*kind, pick)).chain([value]).collect()
        };
        prop_assert_eq!(kinds.last(), Some(&on));
        let (left, right): (Vec<_>, Vec<_>) = (left.iter().map(row).collect(), right.iter().map(row).collect());
        let tolerance = tolerance.map(|t| if float { Gap::Float(t as f64) } else { Gap::Int(t) });
        let mut exprs = keys(kinds);
        let near = exprs.pop().unwrap();
        let build_op = BuildOp::new(schema(kinds), exprs.clone(), false, Some(near.clone()));
        let (output, columns) = merged(kinds, MergeKind::Left);
        let how = Nearness { direction, exact, tolerance };
        let probe = ProbeOp::new(output, columns, MergeKind::Left, exprs, Some((near, how)));
        // At once: as the property above has it right.
        let table = build(&build_op, &Budget::of(1 << 26), &pieces(kinds, &right, &[3])).unwrap();
        let mut want = vec![];
        for batch in pieces(kinds, &left, &[7]) {
            probe.probe(&table, &mut Matched::default(), &batch, &mut |batch| {
                want.extend(pairs(kinds, &batch, &left, &right));
                Ok(Flow::More)
            }).unwrap();
        }
        // An as-of merge is in order anyway.
        let op = LargeMerge::new(&build_op, &probe, &schema(kinds), false);
        let (got, _) = in_buckets(&op, kinds, &left, &right, 2, limit);
        prop_assert_eq!(got, want);
    }
}

#[test]
fn one_key_is_taken_in_chunks() {
    for kind in KINDS {
        let build_op = BuildOp::new(schema(INT), keys(INT), false, None);
        let (output, columns) = merged(INT, kind);
        let probe = ProbeOp::new(output, columns, kind, keys(INT), None);
        let (left, right) = (int_rows((0..300).map(|i| i % 20 / 19)), int_rows((0..3000).map(|i| 1 + i % 2)));
        for ordered in [true, false] {
            let op = LargeMerge::new(&build_op, &probe, &schema(INT), ordered);
            let (mut got, spilled) = in_buckets(&op, INT, &left, &right, 3, 1 << 17);
            let mut want = expected(kind, &left, &right, false);
            if !ordered {
                got.sort_unstable();
                want.sort_unstable();
            }
            assert!(spilled && got == want, "{kind}");
        }
    }
}
