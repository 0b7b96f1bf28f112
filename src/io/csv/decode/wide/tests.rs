//! Every kernel of this machine takes what it should, and nothing else.

use arrow::buffer::Buffer;
use proptest::prelude::*;

use super::super::PADDING;
use super::super::{Records, float, int};
use super::*;

/// The kernels of this machine, and how many fields each takes at a time.
fn kernels() -> Vec<(Simd, usize)> {
    let all = [Simd::Best, Simd::Avx2].into_iter().filter_map(|simd| Some((simd, kernel(simd)?)));
    #[cfg(target_arch = "x86_64")]
    let lanes = |kernel| match kernel {
        Kernel::Avx512 => 8,
        Kernel::Avx2 => 4,
    };
    #[cfg(not(target_arch = "x86_64"))]
    let lanes = |kernel: Kernel| match kernel {};
    all.map(|(simd, kernel)| (simd, lanes(kernel))).collect()
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "-{0,1}[0-9]{0,10}",
        "-{0,1}[0-9]{0,10}[.][0-9]{0,9}",
        "[0-9./: +-]{0,12}",
        " {1,18}-{0,1}[0-9]{0,9}[.]{0,1}[0-9]{0,8}",
        "[0-9]{1,5}[a-z\u{80}-\u{ff}]",
        " {0,2}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn as_one_by_one(
        texts in prop::collection::vec(field(), 2..80),
        width in 1usize..4,
        returns in any::<bool>(),
        every in 1usize..4,
    ) {
        let (mut data, mut separators, mut row_starts) = (vec![b'7'; PADDING], vec![], vec![]);
        let count = texts.len() / width;
        for row in texts.chunks_exact(width) {
            row_starts.push((data.len() - PADDING) as u32);
            for (at, text) in row.iter().enumerate() {
                data.extend_from_slice(text.as_bytes());
                data.extend_from_slice(if returns && at + 1 == width { b"\r" } else { b"" });
                separators.push((data.len() - PADDING) as u32);
                data.push(if at + 1 == width { b'\n' } else { b',' });
            }
        }
        let block = Buffer::from_vec(data);
        let records = Records {
            block: &block,
            separators: &separators,
            starts: &[],
            row_starts: &row_starts,
            width,
            has_quotes: false,
            is_text: false,
        };
        let some: Vec<u32> = (0..count as u32).step_by(every).collect();
        for (rows, column) in [Rows::All(count), Rows::These(&some)].into_iter().zip([0, width - 1]) {
            let column = records.column(column);
            let bounds: Vec<(usize, usize)> = (0..rows.len()).map(|at| column.field(rows.row(at))).collect();
            // What is padded may be declined because of others, but is taken right.
            let spaces = |start: usize, end: usize| block[start..end].iter().take_while(|byte| **byte == b' ').count();
            for (simd, lanes) in kernels() {
                let whole_lanes = rows.len() / lanes * lanes;
                let (mut got, mut nulls, mut left) = (vec![0; rows.len()], NullBits::default(), vec![]);
                prop_assert!(ints(simd, column, rows, &mut got, &mut nulls, &mut left));
                let nulls = nulls.finish();
                let is_null = |at| nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
                for (at, (start, end)) in bounds.iter().enumerate() {
                    let padding = spaces(*start, *end);
                    let start = &(start + padding);
                    let want = match block[*start] {
                        b'-' => int::parse_digits(&block, start + 1, *end).map(|value| -value),
                        _ => int::parse_digits(&block, *start, *end),
                    };
                    let want = if start == end { Some(0) } else { want };
                    let want = want.filter(|_| end - start <= 8 && at < whole_lanes);
                    let got = (!left.contains(&(at as u32))).then_some(got[at]);
                    prop_assert_eq!(is_null(at), got.is_some() && start == end);
                    prop_assert!(got == want || padding > 0 && got.is_none(), "{:?}, not {:?}", got, want);
                }
                let (mut got, mut nulls, mut left) = (vec![0.0; rows.len()], NullBits::default(), vec![]);
                prop_assert!(floats(simd, column, rows, &mut got, &mut nulls, &mut left));
                let nulls = nulls.finish();
                let is_null = |at| nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
                for (at, (start, end)) in bounds.iter().enumerate() {
                    let padding = spaces(*start, *end);
                    let start = &(start + padding);
                    let want = match block[*start] {
                        b'-' => float::parse_digits(&block, start + 1, *end).map(|value| -value),
                        _ => float::parse_digits(&block, *start, *end),
                    };
                    // With a minus, seven digits before the point.
                    let whole = block[*start..*end].iter().position(|byte| *byte == b'.').unwrap_or(end - start);
                    let want = if start == end { Some(0.0) } else { want };
                    let want = want.filter(|_| at < whole_lanes && (block[*start] != b'-' || whole <= 8));
                    let got = (!left.contains(&(at as u32))).then_some(got[at].to_bits());
                    prop_assert_eq!(is_null(at), got.is_some() && start == end);
                    let want = want.map(f64::to_bits);
                    prop_assert!(got == want || padding > 0 && got.is_none(), "{:?}, not {:?}", got, want);
                }
            }
        }
    }
}

#[test]
fn what_lies_outside_is_not_taken() {
    let block = Buffer::from_vec(vec![b'1'; PADDING + 8]);
    let (separators, row_starts) = ((1..9).chain([9, 2, 400, u32::MAX, 3, 3, 3, 3]).collect::<Vec<u32>>(), [0; 16]);
    let records = Records {
        block: &block,
        separators: &separators,
        starts: &[],
        row_starts: &row_starts,
        width: 1,
        has_quotes: false,
        is_text: true,
    };
    for (simd, lanes) in kernels() {
        // So many fields are taken whole or not at all.
        let outside: Vec<u32> = (8..8 + lanes as u32).collect();
        let (mut got, mut left) = (vec![0; 16], vec![]);
        assert!(ints(simd, records.column(0), Rows::All(16), &mut got, &mut NullBits::default(), &mut left));
        assert_eq!(left, outside);
        left.clear();
        assert!(floats(simd, records.column(0), Rows::All(16), &mut [0.0; 16], &mut NullBits::default(), &mut left));
        assert_eq!(left, outside);
        // Rows that are not there.
        assert!(!ints(simd, records.column(0), Rows::All(17), &mut [0; 17], &mut NullBits::default(), &mut left));
        assert!(!ints(simd, records.column(0), Rows::These(&[16]), &mut [0; 1], &mut NullBits::default(), &mut left));
        assert!(!ints(simd, records.column(0), Rows::All(16), &mut [0; 15], &mut NullBits::default(), &mut left));
    }
}

#[test]
fn padded_numbers_are_taken() {
    let (mut data, mut separators, mut row_starts) = (vec![b'7'; PADDING], vec![], vec![]);
    for i in 0..32 {
        row_starts.push((data.len() - PADDING) as u32);
        let number = format!("{}.{:03}", i * i * 77, i);
        for (field, end) in
            [(format!("{number:>12}"), b','), (format!("{number:>13}"), b','), (format!("{i:>9}"), b'\n')]
        {
            data.extend_from_slice(field.as_bytes());
            separators.push((data.len() - PADDING) as u32);
            data.push(end);
        }
    }
    // Whole words are read from where fields begin.
    data.extend_from_slice(b"the rest of the block");
    let block = Buffer::from_vec(data);
    let records = Records {
        block: &block,
        separators: &separators,
        starts: &[],
        row_starts: &row_starts,
        width: 3,
        has_quotes: false,
        is_text: true,
    };
    for (simd, _) in kernels() {
        for column in [0, 1] {
            let (mut got, mut left) = ([0.0; 32], vec![]);
            assert!(floats(simd, records.column(column), Rows::All(32), &mut got, &mut NullBits::default(), &mut left));
            assert_eq!(left, [0; 0]);
            let want = (0..32).map(|i| format!("{}.{:03}", i * i * 77, i).parse::<f64>().unwrap());
            assert!(got.iter().copied().eq(want));
        }
        let (mut got, mut left) = ([0; 32], vec![]);
        assert!(ints(simd, records.column(2), Rows::All(32), &mut got, &mut NullBits::default(), &mut left));
        assert_eq!(left, [0; 0]);
        assert!(got.iter().copied().eq(0..32));
    }
}
