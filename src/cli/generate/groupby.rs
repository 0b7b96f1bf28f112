//! The table of db-benchmark's questions on grouping (github.com/duckdblabs/db-benchmark), from our own random numbers.
//!
//! Uniform keys and values, nothing sorted: `id1`, `id2` of 100 texts, `id3` of as many as a hundredth of the rows; `id4`,
//! `id5` and `id6` the same as numbers; `v1` of 5 and `v2` of 15 whole numbers; `v3` below 100 with six decimals. Of missing
//! values the table has a share: of each key's values as many are missing wherever they would be, of each value's rows as
//! many at random.

use super::permutation::Permutation;
use super::push_millionths;
use super::random::Random;

pub(super) const HEADER: &str = "id1,id2,id3,id4,id5,id6,v1,v2,v3\n";

/// How many values the keys have that have few.
const FEW: u64 = 100;

/// What is in a column.
#[derive(Clone, Copy)]
enum Content {
    /// Texts with so many digits.
    Text(usize),
    Int,
    /// Millionths, below so many.
    Decimal,
}

struct Column {
    content: Content,
    /// How many values there are.
    values: u64,
    random: Random,
    /// Which are missing: the first of this order. Values of a key, or rows.
    order: Permutation,
    missing: u64,
    by_value: bool,
}

/// Writes any row.
pub(super) struct GroupBy(Vec<Column>);

impl GroupBy {
    pub(super) fn new(seed: u64, rows: u64, missing_percent: u64) -> GroupBy {
        let many = (rows / FEW).max(1);
        let columns = [
            (Content::Text(3), FEW, true),
            (Content::Text(3), FEW, true),
            (Content::Text(10), many, true),
            (Content::Int, FEW, true),
            (Content::Int, FEW, true),
            (Content::Int, many, true),
            (Content::Int, 5, false),
            (Content::Int, 15, false),
            (Content::Decimal, 100_000_001, false),
        ];
        let streams = Random::new(seed).fork(2);
        let column = |(n, (content, values, by_value))| {
            let random = streams.fork(n);
            let count = if by_value { values } else { rows };
            let order = Permutation::new(random.fork(u64::MAX), count);
            Column { content, values, random, order, missing: count * missing_percent / 100, by_value }
        };
        GroupBy((0..).zip(columns).map(column).collect())
    }

    pub(super) fn write(&self, row: u64, out: &mut Vec<u8>) {
        for (n, column) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            let value = column.random.below(row, column.values);
            if column.missing > 0 && column.order.at(if column.by_value { value } else { row }) < column.missing {
                continue;
            }
            match column.content {
                Content::Text(digits) => {
                    let digits_of = format!("id{:0digits$}", value + 1);
                    out.extend_from_slice(digits_of.as_bytes());
                }
                Content::Int => out.extend_from_slice((value + 1).to_string().as_bytes()),
                Content::Decimal => push_millionths(out, value),
            }
        }
        out.push(b'\n');
    }
}
