//! Random numbers that are the same on every machine and in any order: a counter in, a draw out.
//!
//! SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) is a mixing function
//! over a counter that grows by a constant, so its n-th number can be asked for directly. Shapes are made from integers
//! alone, because the last bits of a library's `ln` or `exp` differ between systems.

/// The odd constant that SplitMix64 adds at every step: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers, each at its counter.
#[derive(Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Random {
        Random(mix(seed ^ GAMMA))
    }

    /// The 64 random bits at a counter.
    pub(super) fn at(self, counter: u64) -> u64 {
        mix(self.0.wrapping_add(counter.wrapping_mul(GAMMA)))
    }

    /// A number below `end` at a counter.
    pub(super) fn below(self, counter: u64, end: u64) -> u64 {
        ((u128::from(self.at(counter)) * u128::from(end)) >> 64) as u64
    }

    /// A stream of its own that starts at a counter.
    pub(super) fn fork(self, counter: u64) -> Random {
        Random(self.at(counter))
    }
}

/// SplitMix64's output function.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A normal number of mean 0 whose standard deviation is `milli` thousandths, in units of 2^-16.
///
/// The sum of eight uniform numbers of 16 bits stands in for the bell: it is near it up to three standard deviations and
/// ends at 4.9.
pub(super) fn normal(bits: [u64; 2], milli: i64) -> i64 {
    const EVERY_OTHER: u64 = 0x0000_ffff_0000_ffff;
    const MEAN: i64 = 8 * 0xffff / 2;
    let halves = |x: u64| (x & EVERY_OTHER) + ((x >> 16) & EVERY_OTHER);
    let sums = halves(bits[0]) + halves(bits[1]);
    let sum = (sums >> 32) as i64 + (sums & 0xffff_ffff) as i64;
    // The sum's deviation is 65536 * sqrt(8 / 12), that is 816.5 thousandths of 65536.
    (sum - MEAN) * milli * 2 / 1633
}

/// Powers of two with a fraction in the exponent, in fixed point.
pub(super) struct Exp2 {
    /// 2^(h / 256) in units of 2^-31.
    high: [u64; 256],
    /// 2^(l / 65536) in units of 2^-31.
    low: [u64; 256],
}

impl Exp2 {
    /// Fills the tables by repeated square roots of two.
    pub(super) fn new() -> Exp2 {
        const ONE: u128 = 1 << 62;
        let mut root = 2 * ONE;
        let roots: [u128; 16] = std::array::from_fn(|_| {
            root = (root * ONE).isqrt();
            root
        });
        let power = |roots: &[u128], bits: usize| {
            let chosen = roots.iter().enumerate().filter(|(place, _)| bits >> (7 - place) & 1 == 1);
            (chosen.fold(ONE, |product, (_, root)| product * root / ONE) >> 31) as u64
        };
        Exp2 {
            high: std::array::from_fn(|h| power(&roots[..8], h)),
            low: std::array::from_fn(|l| power(&roots[8..], l)),
        }
    }

    /// 2^x rounded to a whole number, where x counts in 2^-16 and is below 2^5.
    pub(super) fn rounded(&self, x: i64) -> u64 {
        let fraction = (x & 0xffff) as usize;
        let mantissa = (self.high[fraction >> 8] * self.low[fraction & 0xff]) >> 31;
        match x >> 16 {
            whole @ 31..63 => mantissa << (whole - 31).min(31),
            whole @ -1..31 => ((mantissa >> (30 - whole)) + 1) >> 1,
            ..-1 => 0,
            _ => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixing_is_splitmix64() {
        // The first numbers of the reference implementation (prng.di.unimi.it/splitmix64.c) from the state 1234567.
        let stream = Random(1_234_567);
        assert_eq!([1, 2, 3].map(|n| stream.at(n)), [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_the_deviation_asked_for() {
        let stream = Random::new(1);
        let draws: Vec<f64> =
            (0..100_000).map(|n| normal([stream.at(2 * n), stream.at(2 * n + 1)], 2500) as f64 / 65536.0).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let deviation = (draws.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((deviation - 2.5).abs() < 0.03, "{deviation}");
        let within = draws.iter().filter(|z| z.abs() < 2.5).count() as f64 / draws.len() as f64;
        assert!((within - 0.6827).abs() < 0.01, "{within}");
    }

    #[test]
    fn powers_agree_with_the_library() {
        let exp2 = Exp2::new();
        for x in (-200_000i64..2_600_000).step_by(977) {
            let expected = (x as f64 / 65536.0).exp2();
            let got = exp2.rounded(x) as f64;
            assert!((got - expected).abs() <= 0.5 + expected * 1e-8, "{x}: {got} {expected}");
        }
        assert_eq!(exp2.rounded(10 << 16), 1024);
        assert_eq!(exp2.rounded(40 << 16), 1 << 40);
    }
}
