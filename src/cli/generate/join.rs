//! The tables of db-benchmark's questions on joins (github.com/duckdblabs/db-benchmark), from our own random numbers.
//!
//! A large table `x`, and three to join it with: `small` of a millionth of its rows, `medium` of a thousandth (each at least
//! ten), `big` of as many. Three keys have as many values as these; nine tenths of the values are on both sides, a tenth on
//! the left alone and a tenth on the right alone. A table has every value of a key that is its own once at least, and the
//! rows of the others at random. The keys are there as numbers (`id1` to `id3`) and as texts (`id4` to `id6`). Missing
//! values, where asked for, are in `x` alone.

use super::permutation::Permutation;
use super::push_millionths;
use super::random::Random;

/// The tables, and which keys they have.
pub(super) const TABLES: [(&str, &str); 4] = [
    ("x", "id1,id2,id3,id4,id5,id6,v1\n"),
    ("small", "id1,id4,v2\n"),
    ("medium", "id1,id2,id4,id5,v2\n"),
    ("big", "id1,id2,id3,id4,id5,id6,v2\n"),
];

/// The fewest rows of a table.
pub(super) const LEAST_ROWS: u64 = 10;

/// Writes any row of one of the tables.
pub(super) struct Join {
    pub(super) rows: u64,
    keys: Vec<Key>,
    values: Random,
    /// The first of this order have no value.
    order: Permutation,
    missing: u64,
}

/// A key of one table.
struct Key {
    /// How many values a side has.
    values: u64,
    /// The values of both sides in random order: those in common, those of the left, those of the right.
    all: Permutation,
    /// How many the right has for itself; so has the left.
    own: u64,
    is_left: bool,
    /// Which of the rows have which value.
    rows: Permutation,
    random: Random,
    /// The first of this order are missing.
    order: Permutation,
    missing: u64,
}

impl Join {
    /// One of [`TABLES`], by number, where the large one has so many rows.
    pub(super) fn new(seed: u64, rows: u64, table: usize, missing_percent: u64) -> Join {
        let streams = Random::new(seed).fork(3);
        let sizes = [(rows / 1_000_000).max(LEAST_ROWS), (rows / 1000).max(LEAST_ROWS), rows];
        let (count, rows) = if table == 0 { (3, rows) } else { (table, sizes[table - 1]) };
        let is_left = table == 0;
        let missing = if is_left { missing_percent } else { 0 };
        let own_stream = streams.fork(16 + table as u64);
        let key = |n: u64| {
            let values = sizes[n as usize];
            let own = values / 10;
            let random = own_stream.fork(n);
            Key {
                values,
                all: Permutation::new(streams.fork(n), values + own),
                own,
                is_left,
                rows: Permutation::new(random.fork(0), rows),
                random: random.fork(1),
                order: Permutation::new(random.fork(2), values),
                missing: values * missing / 100,
            }
        };
        Join {
            rows,
            keys: (0..count as u64).map(key).collect(),
            values: own_stream.fork(3),
            order: Permutation::new(own_stream.fork(4), rows),
            missing: rows * missing / 100,
        }
    }

    pub(super) fn write(&self, row: u64, out: &mut Vec<u8>) {
        let keys: Vec<Option<u64>> = self.keys.iter().map(|key| key.at(row)).collect();
        for prefix in ["", "id"] {
            for key in &keys {
                if let Some(key) = key {
                    out.extend_from_slice(prefix.as_bytes());
                    out.extend_from_slice(key.to_string().as_bytes());
                }
                out.push(b',');
            }
        }
        if self.missing == 0 || self.order.at(row) >= self.missing {
            push_millionths(out, self.values.below(row, 100_000_001));
        }
        out.push(b'\n');
    }
}

impl Key {
    fn at(&self, row: u64) -> Option<u64> {
        // Every value once, then any.
        let place = self.rows.at(row);
        let n = if place < self.values { place } else { self.random.below(place, self.values) };
        if self.missing > 0 && self.order.at(n) < self.missing {
            return None;
        }
        let common = self.values - self.own;
        let place = if self.is_left || n < common { n } else { n + self.own };
        Some(self.all.at(place) + 1)
    }
}
