//! Numbers in random order, each once, without holding them: a Feistel network walked until it comes out in range
//! (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).

use super::random::Random;

const ROUNDS: u64 = 4;

/// A permutation of the numbers below `size`.
#[derive(Clone, Copy)]
pub(super) struct Permutation {
    random: Random,
    size: u64,
    /// The bits of half a number: two halves hold all numbers below `size`, and less than four times as many.
    half: u32,
}

impl Permutation {
    pub(super) fn new(random: Random, size: u64) -> Permutation {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        Permutation { random, size, half: bits.div_ceil(2).max(1) }
    }

    /// The number in a place below `size`.
    pub(super) fn at(&self, place: u64) -> u64 {
        let mut number = self.scrambled(place);
        while number >= self.size {
            number = self.scrambled(number);
        }
        number
    }

    fn scrambled(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.random.at(round << 56 | right) & mask);
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_and_out_of_order() {
        for size in [1, 2, 3, 10, 11, 255, 256, 257, 5000] {
            let permutation = Permutation::new(Random::new(size), size);
            let mut numbers: Vec<u64> = (0..size).map(|place| permutation.at(place)).collect();
            assert!(size < 10 || !numbers.is_sorted(), "{size}");
            numbers.sort_unstable();
            assert_eq!(numbers, (0..size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn other_streams_give_other_orders() {
        let order = |seed| {
            let permutation = Permutation::new(Random::new(seed), 1000);
            (0..1000).map(|place| permutation.at(place)).collect::<Vec<_>>()
        };
        let fixed = order(1).iter().zip(order(2)).filter(|(a, b)| **a == *b).count();
        // One in the mean.
        assert!(fixed < 10, "{fixed}");
    }
}
