//! Floats as integers over a power of ten: what was written with few decimal places, as prices and amounts are, takes half the bytes.
//!
//! A float is taken only where the integer divided by the power gives its very bits back: no answer changes. After *ALP: Adaptive
//! Lossless floating-Point Compression* (Afroozeh, Kuffó and Boncz, 2023), but for all values or for none, and by a division,
//! which IEEE 754 rounds correctly, in place of a multiplication.

/// Ten to the power of the number of decimal places.
const SCALES: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// Added to a float of less than [`MOST`], and taken away again, this rounds it to an integer, which is in the low bits of the sum, and can
/// be taken out of there or put there: one and a half times 2^52.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
const MOST: f64 = 1_125_899_906_842_624.0;

/// Values that are tried first: those of an hour's measurements have as many places as their neighbours.
const SAMPLE: usize = 32;
/// Values after which it is looked at whether all were decimals.
const CHUNK: usize = 1024;

/// How many decimal places values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Places(u8);

impl Places {
    /// Those of whole numbers.
    pub(crate) const NONE: Places = Places(0);

    /// The places of these values, and in `out` each of them as an integer. None where they have more places than six, are too
    /// large for that, or are not finite; a negative zero is no decimal either.
    pub(crate) fn of(values: &[f64], out: &mut Vec<i64>) -> Option<Places> {
        let mut places = 0;
        let sample = &values[..values.len().min(SAMPLE)];
        while !convert(sample, *SCALES.get(places)?, out) {
            places += 1;
        }
        while !convert(values, *SCALES.get(places)?, out) {
            places += 1;
        }
        Some(Places(places as u8))
    }

    /// Whether all of these values have at most so many places; then each of them is an integer in `out`.
    pub(crate) fn integers(self, values: &[f64], out: &mut Vec<i64>) -> bool {
        convert(values, SCALES[usize::from(self.0)], out)
    }

    /// The integer of a decimal that was this one with fewer places; none where it is too large.
    pub(crate) fn of_fewer(self, fewer: Places, integer: i64) -> Option<i64> {
        let factor = 10i64.checked_pow(u32::from(self.0.checked_sub(fewer.0)?))?;
        integer.checked_mul(factor).filter(|integer| (integer.unsigned_abs() as f64) < MOST)
    }

    /// Those of a number that [`number`](Places::number) gave.
    pub(crate) fn of_number(number: u8) -> Option<Places> {
        (usize::from(number) < SCALES.len()).then_some(Places(number))
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// The float that was this integer.
    #[inline]
    pub(crate) fn float(self, integer: i64) -> f64 {
        // As by `as f64`, which most processors do for one value at a time.
        let whole = f64::from_bits(ROUNDER.to_bits().wrapping_add_signed(integer)) - ROUNDER;
        whole / SCALES[usize::from(self.0)]
    }
}

/// Whether all of these are integers over `scale`, which then are in `out`.
fn convert(values: &[f64], scale: f64, out: &mut Vec<i64>) -> bool {
    out.clear();
    out.reserve_exact(values.len());
    values.chunks(CHUNK).all(|values| {
        // Without branches, so that it is done for several values at once.
        let (mut differing, mut small) = (0, true);
        out.extend(values.iter().map(|value| {
            let scaled = value * scale;
            small &= scaled.abs() < MOST;
            let rounded = scaled + ROUNDER;
            differing |= ((rounded - ROUNDER) / scale).to_bits() ^ value.to_bits();
            (rounded.to_bits() as i64).wrapping_sub(ROUNDER.to_bits() as i64)
        }));
        differing == 0 && small
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(values: &[f64]) -> Option<u8> {
        let mut integers = vec![7];
        let places = Places::of(values, &mut integers)?;
        assert!(places.integers(values, &mut vec![]));
        let more =
            integers.iter().filter_map(|integer| Places(6).of_fewer(places, *integer).map(|more| (integer, more)));
        more.for_each(|(integer, more)| assert_eq!(Places(6).float(more), places.float(*integer)));
        let back: Vec<u64> = integers.iter().map(|integer| places.float(*integer).to_bits()).collect();
        assert_eq!(back, values.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
        Some(places.number())
    }

    #[test]
    fn decimals_have_the_places_they_were_written_with() {
        assert_eq!(places(&[]), Some(0));
        assert_eq!(places(&[0.0, 1.0, -7.0, 1e15]), Some(0));
        assert_eq!(places(&[0.1, 2.25, -3.0]), Some(2));
        assert_eq!(places(&[0.001; 5000]), Some(3));
        assert_eq!(places(&[[0.5].repeat(5000), vec![0.123_456]].concat()), Some(6));
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e16, 1.0 / 3.0, 1e-7, f64::MIN_POSITIVE] {
            assert_eq!(places(&[0.5, none]), None, "{none}");
            assert_eq!(places(&[[0.5].repeat(5000), vec![none]].concat()), None, "{none}");
        }
        // With one place each would do, but not with the two that both need.
        assert_eq!(places(&[1e15, 0.01]), None);
    }

    #[test]
    fn more_places_hold_what_is_not_too_large() {
        assert!(!Places(1).integers(&[0.5, 0.25], &mut vec![]));
        let (two, four) = (Places(2), Places(4));
        assert_eq!(four.of_fewer(two, -725), Some(-72_500));
        assert_eq!(four.of_fewer(two, 1 << 49), None);
        assert_eq!(two.of_fewer(four, 1), None);
        assert_eq!(two.max(four), four);
        for whole in [0, 1, -1, (1 << 50) - 1, 1 - (1 << 50)] {
            assert_eq!(Places::NONE.float(whole), whole as f64);
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_back(
            texts in prop::collection::vec((-1_000_000_000..1_000_000_000i64, 0..9u32), 1..60),
            wild in prop::option::of(any::<f64>()),
        ) {
            let mut values: Vec<f64> =
                texts.iter().map(|(digits, places)| format!("{digits}e-{places}").parse().unwrap()).collect();
            let most = texts.iter().map(|(_, places)| *places).max().unwrap_or(0);
            if most <= 6 {
                prop_assert!(places(&values).is_some_and(|found| u32::from(found) <= most));
            }
            values.extend(wild);
            places(&values);
        }
    }
}
