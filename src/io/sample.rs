//! Which rows a sample draws: a matter of the seed, the file and the row's place in it, and of nothing else.
//!
//! So a sample is the same whatever the partitions, the threads and the order of steps. The function below is fixed: the
//! same seed draws the same rows in every version.

use crate::error::{Error, ErrorKind, Result};

/// A share of the rows, drawn by a seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub fraction: f64,
    pub seed: u64,
}

/// A sample of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileSample {
    key: u64,
    /// Hashes below it are drawn; 2^64 draws all.
    below: u128,
}

impl Sample {
    /// # Errors
    /// [`ErrorKind::Config`] for a fraction that is none.
    pub(crate) fn new(fraction: f64, seed: u64) -> Result<Sample> {
        if (0.0..=1.0).contains(&fraction) {
            return Ok(Sample { fraction, seed });
        }
        Err(Error::new(ErrorKind::Config, format!("a sample of {fraction} of the rows"))
            .help("give a fraction from 0 to 1: 0.1 draws about a tenth"))
    }

    /// The sample of the file of this name, as it was found.
    pub(crate) fn of_file(self, name: &str) -> FileSample {
        let key = mix(mix(self.seed.wrapping_add(STEP)) ^ fnv(name.as_bytes()));
        // Exact: a power of two moves the exponent alone.
        FileSample { key, below: (self.fraction * 2f64.powi(64)) as u128 }
    }
}

impl FileSample {
    /// Whether the row at `position` is drawn: the byte in the file where its record begins, or its number where rows are
    /// counted.
    #[inline]
    pub(crate) fn is_drawn(self, position: u64) -> bool {
        u128::from(self.hash(position)) < self.below
    }

    /// Number `position` of the sequence that splitmix64 makes of the key.
    fn hash(self, position: u64) -> u64 {
        mix(self.key.wrapping_add(position.wrapping_add(1).wrapping_mul(STEP)))
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // 0.07 × 100 is not quite 7.
        let percent = (self.fraction * 1e14).round() / 1e12;
        write!(f, "sample {percent} % seed {}", self.seed)
    }
}

/// What splitmix64 adds from one number to the next: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_those_of_the_literature() {
        // The first numbers of splitmix64 from state 0, and FNV-1a's own test values.
        let from_zero = FileSample { key: 0, below: 0 };
        assert_eq!([0, 1].map(|n| from_zero.hash(n)), [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
        assert_eq!(
            [fnv(b""), fnv(b"a"), fnv(b"foobar")],
            [0xCBF2_9CE4_8422_2325, 0xAF63_DC4C_8601_EC8C, 0x8594_4171_F739_67E8]
        );
    }

    #[test]
    fn drawn_in_proportion_whatever_the_positions() {
        for fraction in [0.0, 0.001, 0.1, 0.5, 0.93, 1.0] {
            for (seed, name, apart) in [(0, "a.csv", 1), (1, "a.csv", 32), (7, "b.csv", 1 << 20), (u64::MAX, "", 31)] {
                let sample = Sample::new(fraction, seed).unwrap().of_file(name);
                let n = 200_000;
                let drawn = (0..n).filter(|row| sample.is_drawn(row * apart)).count() as f64;
                let (expected, sigma) = (n as f64 * fraction, (n as f64 * fraction * (1.0 - fraction)).sqrt());
                assert!((drawn - expected).abs() <= 5.0 * sigma, "{fraction} {seed} {name}: {drawn}");
            }
        }
    }

    #[test]
    fn seeds_and_files_draw_independently() {
        let n = 100_000;
        let one = Sample::new(0.5, 1).unwrap().of_file("a");
        for other in [Sample::new(0.5, 2).unwrap().of_file("a"), Sample::new(0.5, 1).unwrap().of_file("b")] {
            let both = (0..n).filter(|&row| one.is_drawn(row) && other.is_drawn(row)).count() as f64;
            assert!((both - 25_000.0).abs() < 5.0 * (n as f64 * 0.25 * 0.75).sqrt(), "{both}");
        }
    }

    #[test]
    fn fractions_are_checked_and_shown() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sample::new(wrong, 0).unwrap_err().kind(), ErrorKind::Config);
        }
        assert_eq!(Sample::new(0.07, 7).unwrap().to_string(), "sample 7 % seed 7");
        assert_eq!(Sample::new(1e-5, 7).unwrap().to_string(), "sample 0.001 % seed 7");
    }
}
