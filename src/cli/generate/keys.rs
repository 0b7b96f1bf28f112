//! Which rows exist: for every pair of countries and every year, its products in ascending order.
//!
//! 1. Countries and products have a rank each, drawn from the seed. A pair gets rows in proportion to the product of its
//!    countries' weights, 1 / (rank + 6), but never more than half of all products; the total is exact.
//! 2. A pair with n rows cuts the products, laid side by side by popularity 1 / sqrt(rank + 4), into n stretches of equal
//!    popularity and at least two products. Each row takes one product from its own stretch, so that keys come out sorted
//!    and unique without looking at any other row.
//! 3. A row keeps its product for three or four years, then takes one from the other half of its stretch: just over a
//!    quarter of a year's keys are not among the next year's.
//!
//! Every draw is by counter, so that any year and any pair can be made by itself.

use super::random::Random;

/// The countries, as published: code, names, ISO letters. Those of the 2023 release that exist today.
pub(super) const COUNTRIES: &str = include_str!("countries.csv");

/// How many products there are.
pub(super) const PRODUCTS: usize = 5200;

/// The most rows that a pair of countries may have: each must be left two products to choose from.
const PAIR_ROWS: u64 = PRODUCTS as u64 / 2;

/// The shares of rows whose products last three years, of 256; the others last four. 0.238 / 3 + 0.762 / 4 = 0.27.
const SHORT_LIVED: u64 = 61;

/// Tags that keep the counters of different draws apart.
mod draw {
    pub(super) const COUNTRY: u64 = 1 << 56;
    pub(super) const PRODUCT: u64 = 2 << 56;
    pub(super) const LIFE: u64 = 3 << 56;
    pub(super) const CHOICE: u64 = 4 << 56;
}

/// A pair of countries and how many rows it has in every year.
pub(super) struct Pair {
    /// Counts pairs; at most 16 bits.
    pub index: u64,
    /// The exporter's code.
    pub exporter: u16,
    /// The importer's code.
    pub importer: u16,
    /// Its rows in every year.
    pub rows: u64,
}

/// All keys of one seed and size.
pub(super) struct Keys {
    random: Random,
    /// The pairs that have rows, in ascending order of (exporter, importer).
    pub pairs: Vec<Pair>,
    popularity: Popularity,
}

impl Keys {
    /// The keys with exactly `rows` rows a year, which must be at most [`max_rows`].
    pub(super) fn new(seed: u64, rows: u64) -> Keys {
        let random = Random::new(seed);
        Keys { random, pairs: pairs(random, rows), popularity: Popularity::new(random) }
    }

    /// Calls `row` with the number of each row of a pair in a year, and its product.
    pub(super) fn for_each(&self, pair: &Pair, year: u16, mut row: impl FnMut(u64, usize)) {
        let step = (1 << 52) / pair.rows;
        let mut start = 0;
        for n in 0..pair.rows {
            let left = (pair.rows - n - 1) as usize;
            let even = self.popularity.at(((n + 1) * step) >> 20);
            let end = if left == 0 { PRODUCTS } else { even.max(start + 2).min(PRODUCTS - 2 * left) };
            row(n, self.choose(pair.index << 12 | n, year, start, end));
            start = end;
        }
    }

    /// The product between `start` and `end` that a row has in a year.
    fn choose(&self, row: u64, year: u16, start: usize, end: usize) -> usize {
        let bits = self.random.at(draw::LIFE | row);
        let life = if bits & 0xff < SHORT_LIVED { 3 } else { 4 };
        let phase = (bits >> 32) % (2 * life);
        let term = (u64::from(year) + phase) / life;
        let middle = start + (end - start) / 2;
        let half = if term.is_multiple_of(2) { start..middle } else { middle..end };
        self.popularity.choose(half, self.random.at(draw::CHOICE | term << 32 | row))
    }
}

/// The most rows that a year can have.
pub(super) fn max_rows() -> u64 {
    let countries = country_codes().len() as u64;
    countries * (countries - 1) * PAIR_ROWS
}

/// The codes of all countries, ascending.
pub(super) fn country_codes() -> Vec<u16> {
    COUNTRIES.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect()
}

/// Deals `rows` out to the pairs, in proportion to their weights up to [`PAIR_ROWS`] each.
fn pairs(random: Random, rows: u64) -> Vec<Pair> {
    let codes = country_codes();
    let weights: Vec<u64> =
        ranks(random, draw::COUNTRY, codes.len()).iter().map(|&rank| (1 << 24) / (rank + 6)).collect();
    let mut pairs = Vec::new();
    let mut pair_weights = Vec::new();
    for (i, &exporter) in codes.iter().enumerate() {
        for (j, &importer) in codes.iter().enumerate().filter(|&(j, _)| j != i) {
            pairs.push(Pair { index: (i * codes.len() + j) as u64, exporter, importer, rows: 0 });
            pair_weights.push(u128::from(weights[i] * weights[j]));
        }
    }
    let share = |factor: u64, weight: u128| ((u128::from(factor) * weight) >> 64).min(u128::from(PAIR_ROWS)) as u64;
    let total = |factor: u64| pair_weights.iter().map(|&weight| share(factor, weight)).sum::<u64>();
    // The largest factor that deals out no more than `rows`.
    let mut factor = 0;
    for bit in (0..64).rev() {
        if total(factor | 1 << bit) <= rows {
            factor |= 1 << bit;
        }
    }
    let mut missing = rows - total(factor);
    for (pair, &weight) in pairs.iter_mut().zip(&pair_weights) {
        pair.rows = share(factor, weight);
        if missing > 0 && pair.rows < PAIR_ROWS {
            pair.rows += 1;
            missing -= 1;
        }
    }
    pairs.retain(|pair| pair.rows > 0);
    pairs
}

/// A rank from 0 for each of `count` things, in random order.
fn ranks(random: Random, tag: u64, count: usize) -> Vec<u64> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&n| random.at(tag | n as u64));
    let mut ranks = vec![0; count];
    for (rank, n) in order.into_iter().enumerate() {
        ranks[n] = rank as u64;
    }
    ranks
}

/// The products laid side by side on a line of length 2^32, each as wide as it is popular.
struct Popularity {
    /// Where each product begins, and the end of the line.
    begins: Vec<u64>,
    /// The product at every multiple of 2^16.
    guide: Vec<u16>,
}

impl Popularity {
    fn new(random: Random) -> Popularity {
        let ranks = ranks(random, draw::PRODUCT, PRODUCTS);
        let widths: Vec<u64> = ranks.iter().map(|&rank| ((1u64 << 40) / (rank + 4)).isqrt()).collect();
        let total: u64 = widths.iter().sum();
        let mut begins = vec![0];
        let mut sum = 0;
        for width in widths {
            sum += width;
            begins.push((sum << 32) / total);
        }
        let guide = (0..1u64 << 16).map(|n| (begins.partition_point(|&begin| begin <= n << 16) - 1) as u16).collect();
        Popularity { begins, guide }
    }

    /// The product at a place on the line.
    fn at(&self, place: u64) -> usize {
        let Some(&near) = self.guide.get((place >> 16) as usize) else { return PRODUCTS };
        let mut product = usize::from(near);
        while self.begins[product + 1] <= place {
            product += 1;
        }
        product
    }

    /// One product of a range, by popularity.
    fn choose(&self, range: std::ops::Range<usize>, bits: u64) -> usize {
        let (from, to) = (self.begins[range.start], self.begins[range.end]);
        self.at(from + (((to - from) * (bits >> 32)) >> 32))
    }
}

/// The codes of all products, ascending: chapters 01 to 97 but for 77, which the Harmonized System keeps free, nine or ten
/// headings a chapter, six subheadings a heading; 10121 is the first and 970600 the last.
pub(super) fn product_codes() -> Vec<u32> {
    let mut codes = Vec::with_capacity(PRODUCTS);
    for chapter in (1..97u32).filter(|&chapter| chapter != 77) {
        let headings = (1..=9).flat_map(|heading| [21, 29, 30, 40, 90, 99].map(|sub| heading * 100 + sub));
        codes.extend(headings.map(|rest| chapter * 10_000 + rest));
        // 39 chapters have one heading more, so that there are 5200 products in all.
        if chapter <= 39 {
            codes.push(chapter * 10_000 + 1000);
        }
    }
    codes.extend((1..=5).flat_map(|heading| [10, 21, 29, 30, 90, 99].map(|sub| 970_000 + heading * 100 + sub)));
    codes.push(970_600);
    codes
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn codes_are_ascending_and_as_many_as_promised() {
        let products = product_codes();
        assert_eq!(products.len(), PRODUCTS);
        assert_eq!((products[0], products[PRODUCTS - 1]), (10121, 970600));
        assert!(products.is_sorted_by(|a, b| a < b));
        let countries = country_codes();
        assert_eq!(countries.len(), 225);
        assert!(countries.is_sorted_by(|a, b| a < b) && countries[224] < 1000);
        assert_eq!(max_rows(), 225 * 224 * 2600);
    }

    #[test]
    fn pairs_deal_out_every_row_up_to_the_last_possible() {
        for rows in [1, 2, 2000, 1_000_000, max_rows() - 1, max_rows()] {
            let pairs = pairs(Random::new(5), rows);
            assert_eq!(pairs.iter().map(|pair| pair.rows).sum::<u64>(), rows);
            assert!(pairs.iter().all(|pair| (1..=PAIR_ROWS).contains(&pair.rows) && pair.exporter != pair.importer));
            assert!(pairs.is_sorted_by_key(|pair| (pair.exporter, pair.importer)));
        }
    }

    #[test]
    fn products_ascend_within_a_pair_of_any_size() {
        let keys = Keys::new(3, 1);
        for rows in [1, 2, 3, 7, 100, 1000, 2599, 2600] {
            for year in [2012, 2015] {
                let mut products = Vec::new();
                let pair = Pair { index: rows, exporter: 1, importer: 2, rows };
                keys.for_each(&pair, year, |_, product| products.push(product));
                assert_eq!(products.len() as u64, rows);
                assert!(products.is_sorted_by(|a, b| a < b) && products[products.len() - 1] < PRODUCTS, "{rows}");
            }
        }
    }

    #[test]
    fn some_products_and_countries_are_far_more_common_than_others() {
        let keys = Keys::new(11, 200_000);
        let mut of_product: HashMap<usize, u64> = HashMap::new();
        let mut of_exporter: HashMap<u16, u64> = HashMap::new();
        for pair in &keys.pairs {
            *of_exporter.entry(pair.exporter).or_default() += pair.rows;
            keys.for_each(pair, 2012, |_, product| *of_product.entry(product).or_default() += 1);
        }
        let most = of_product.values().copied().max().unwrap();
        assert!(of_product.len() > 5000, "{}", of_product.len());
        assert!(most > 8 * 200_000 / PRODUCTS as u64, "{most}");
        assert!(of_exporter.values().max().unwrap() > &(5 * 200_000 / 225));
    }
}
