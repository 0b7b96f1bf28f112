//! Integers in few bytes: their distances from the least one, as wide as nearly all need; the few that need more stand apart.
//!
//! After the patched frame of reference of *Super-Scalar RAM-CPU Cache Compression* (Zukowski, Héman, Nes and Boncz, 2006), in
//! whole bytes.

use std::ops::Range;

/// Integers that are narrow.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Narrow {
    pub(super) least: i64,
    /// The bytes of a distance: 0 to 8.
    pub(super) width: u8,
    /// The low bytes of every distance.
    pub(super) low: Vec<u8>,
    /// Places, ascending, and values of those whose distance has more bytes than that.
    pub(super) outliers: Vec<(u32, i64)>,
}

/// About so many integers tell the best width.
const SAMPLED: usize = 1 << 9;

impl Narrow {
    /// These integers, at most `u32::MAX` of them.
    pub(crate) fn new(values: &[i64]) -> Narrow {
        let (least, most) = values.iter().fold((i64::MAX, i64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
        let least = least.min(most);
        let distance = |value: &i64| value.wrapping_sub(least) as u64;
        let widest = width_of(distance(&most));
        let best = |step| if widest < 2 { widest } else { best_width(values.iter().step_by(step).map(distance)) };
        let outliers_of = |width: usize| -> Vec<(u32, i64)> {
            let needs_more = |value: &i64| width < widest && distance(value) >> (8 * width) != 0;
            let places = (0u32..).zip(values).filter(|(_, value)| needs_more(value));
            places.map(|(place, value)| (place, *value)).collect()
        };
        let step = values.len().div_ceil(SAMPLED).max(1);
        let mut width = best(step);
        let mut outliers = outliers_of(width);
        if step > 1 && outliers.len() > values.len() / 8 {
            // Unless so many stand apart with good cause, those looked at were unlike the others.
            width = best(1);
            outliers = outliers_of(width);
        }
        outliers.shrink_to_fit();
        let mut low = Vec::new();
        let distances = values.iter().map(distance);
        match width {
            0 => {}
            1 => put::<1>(distances, &mut low),
            2 => put::<2>(distances, &mut low),
            3 => put::<3>(distances, &mut low),
            4 => put::<4>(distances, &mut low),
            5 => put::<5>(distances, &mut low),
            6 => put::<6>(distances, &mut low),
            7 => put::<7>(distances, &mut low),
            _ => put::<8>(distances, &mut low),
        }
        Narrow { least, width: width as u8, low, outliers }
    }

    /// Adds these of the integers to `out`.
    pub(crate) fn append(&self, range: Range<usize>, out: &mut Vec<i64>) {
        let start = out.len();
        append_low(self.least, self.width, &self.low, range.clone(), out);
        let first = self.outliers.partition_point(|(place, _)| (*place as usize) < range.start);
        let wanted = self.outliers[first..].iter().take_while(|(place, _)| (*place as usize) < range.end);
        wanted.for_each(|(place, value)| out[start + *place as usize - range.start] = *value);
    }

    /// The bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.low.capacity() + self.outliers.capacity() * size_of::<(u32, i64)>()
    }
}

/// Adds integers whose distances from the least one have these low bytes.
pub(super) fn append_low(least: i64, width: u8, low: &[u8], range: Range<usize>, out: &mut Vec<i64>) {
    match width {
        0 => out.resize(out.len() + range.len(), least),
        1 => get::<1>(low, least, range, out),
        2 => get::<2>(low, least, range, out),
        3 => get::<3>(low, least, range, out),
        4 => get::<4>(low, least, range, out),
        5 => get::<5>(low, least, range, out),
        6 => get::<6>(low, least, range, out),
        7 => get::<7>(low, least, range, out),
        _ => get::<8>(low, least, range, out),
    }
}

/// How many bytes hold it: none a zero.
fn width_of(distance: u64) -> usize {
    distance.checked_ilog2().map_or(0, |bit| bit as usize / 8 + 1)
}

/// The width with which all such distances take the fewest bytes.
fn best_width(distances: impl Iterator<Item = u64>) -> usize {
    let mut counts = [0usize; 9];
    distances.for_each(|distance| counts[width_of(distance)] += 1);
    let all: usize = counts.iter().sum();
    let bytes = |width: &usize| width * all + size_of::<(u32, i64)>() * counts[width + 1..].iter().sum::<usize>();
    (0..=8).min_by_key(bytes).unwrap_or(8)
}

fn put<const N: usize>(distances: impl ExactSizeIterator<Item = u64>, out: &mut Vec<u8>) {
    out.resize(N * distances.len(), 0);
    for (bytes, distance) in out.as_chunks_mut::<N>().0.iter_mut().zip(distances) {
        bytes.copy_from_slice(&distance.to_le_bytes()[..N]);
    }
}

fn get<const N: usize>(low: &[u8], least: i64, range: Range<usize>, out: &mut Vec<i64>) {
    let value = |bytes: &[u8; N]| {
        let mut word = [0; 8];
        word[..N].copy_from_slice(bytes);
        least.wrapping_add(i64::from_le_bytes(word))
    };
    out.extend(low.as_chunks::<N>().0[range].iter().map(value));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comes_back(values: &[i64], range: Range<usize>) -> Narrow {
        let narrow = Narrow::new(values);
        let mut out = vec![7];
        narrow.append(range.clone(), &mut out);
        assert_eq!(out[0], 7);
        assert_eq!(out[1..], values[range]);
        narrow
    }

    #[test]
    fn few_large_ones_do_not_widen_the_others() {
        let mut values: Vec<i64> = (0..10_000).map(|i| i % 60_000 - 3).collect();
        assert_eq!(comes_back(&values, 0..10_000).low.len(), 20_000);
        for (i, large) in [1 << 20, 1 << 40, i64::MAX].into_iter().enumerate() {
            values[i * 4000 + 3] = large;
        }
        let narrow = comes_back(&values, 3..9000);
        assert_eq!((narrow.width, narrow.outliers.len(), narrow.low.len()), (2, 3, 20_000));
        assert_eq!(comes_back(&[5; 100], 1..99).bytes(), 0);
        assert_eq!(comes_back(&[], 0..0), Narrow { least: i64::MIN, ..Narrow::default() });
        let ends = [i64::MIN, i64::MAX, 0, -1];
        assert_eq!(comes_back(&ends, 0..4).width, 8);
    }

    #[test]
    fn a_sample_that_is_unlike_the_others_is_not_believed() {
        for period in [2usize, 3, 4, 43, 64, 128, 129] {
            let values: Vec<i64> = (0..65_536).map(|i| if i % period == 0 { 0 } else { 1 << 40 }).collect();
            let narrow = comes_back(&values, 100..60_000);
            assert!(narrow.bytes() <= 6 * values.len(), "{period}: {}", narrow.bytes());
        }
    }

    proptest! {
        #[test]
        fn integers_come_back(
            values in prop::collection::vec(
                prop_oneof![8 => 0..200i64, 1 => any::<i64>(), 2 => (0..63u32).prop_map(|bit| 1i64 << bit)],
                0..200,
            ),
            ends in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (a, b) = (ends.0.index(values.len() + 1), ends.1.index(values.len() + 1));
            comes_back(&values, a.min(b)..a.max(b));
            comes_back(&values, 0..values.len());
        }
    }
}
