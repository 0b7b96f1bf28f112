//! The bytes of rows: values drawn, numbers written digit by digit.

use super::Style;
use super::keys::{Keys, Pair, product_codes};
use super::random::{Exp2, Random, normal};

/// The largest `v` that fits its padded width, in thousandths.
const MAX_V: u64 = 99_999_999_999;
/// The largest `q` that fits its padded width, in thousandths.
const MAX_Q: u64 = 999_999_999_999;
/// One missing `q` in fifty.
const MISSING_IN: u64 = 50;

/// The means and deviations of the values' logarithms to base two, in thousandths, as measured in real rows of 2021.
mod shape {
    pub(super) const V_MEAN: i64 = 2457;
    pub(super) const V_DEVIATION: i64 = 4670;
    pub(super) const PRICE_MEAN: i64 = 3650;
    pub(super) const PRICE_OF_PRODUCT: i64 = 2277;
    pub(super) const PRICE_OF_ROW: i64 = 1770;
    /// A thousand, because values count in thousandths.
    pub(super) const THOUSAND: i64 = 9966;
}

/// Writes the rows of any pair and year.
pub(super) struct Rows {
    keys: Keys,
    style: Style,
    random: Random,
    exp2: Exp2,
    products: Vec<Product>,
}

struct Product {
    /// Its code as written, with the comma after it.
    code: Vec<u8>,
    /// The logarithm of its price, in 2^-16.
    price: i64,
}

impl Rows {
    pub(super) fn new(seed: u64, keys: Keys, style: Style) -> Rows {
        // A stream apart from that of the keys.
        let random = Random::new(seed).fork(1);
        let prices = random.fork(2);
        let product = |(n, code): (usize, u32)| Product {
            code: match style {
                Style::Plain => format!("{code},"),
                Style::Padded => format!("{code:06},"),
            }
            .into_bytes(),
            price: fixed(shape::PRICE_MEAN)
                + normal([prices.at(2 * n as u64), prices.at(2 * n as u64 + 1)], shape::PRICE_OF_PRODUCT),
        };
        let products = product_codes().into_iter().enumerate().map(product).collect();
        Rows { keys, style, random, exp2: Exp2::new(), products }
    }

    /// The pairs that have rows, in the order of the file.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.keys.pairs
    }

    /// Writes a pair's rows of a year.
    pub(super) fn write(&self, pair: &Pair, year: u16, out: &mut Vec<u8>) {
        let prefix = format!("{year},{},{},", pair.exporter, pair.importer).into_bytes();
        let (v_width, q_width) = match self.style {
            Style::Plain => (0, 0),
            Style::Padded => (12, 13),
        };
        self.keys.for_each(pair, year, |n, product| {
            let random = self.random.fork(u64::from(year) << 32 | pair.index << 12 | n);
            let product = &self.products[product];
            let value =
                fixed(shape::V_MEAN + shape::THOUSAND) + normal([random.at(1), random.at(2)], shape::V_DEVIATION);
            let quantity = value - product.price - normal([random.at(3), random.at(4)], shape::PRICE_OF_ROW);
            out.extend_from_slice(&prefix);
            out.extend_from_slice(&product.code);
            push_thousandths(out, self.exp2.rounded(value).clamp(1, MAX_V), v_width);
            out.push(b',');
            if ((random.at(5) >> 32) * MISSING_IN) >> 32 == 0 {
                push_padded(out, b"NA", q_width);
            } else {
                push_thousandths(out, self.exp2.rounded(quantity).clamp(1, MAX_Q), q_width);
            }
            out.push(b'\n');
        });
    }
}

/// Thousandths in units of 2^-16.
fn fixed(milli: i64) -> i64 {
    milli * 65536 / 1000
}

/// Writes a number of thousandths with three decimals, on the right of `width` characters.
fn push_thousandths(out: &mut Vec<u8>, thousandths: u64, width: usize) {
    // The 20 digits of the largest u64, and the point.
    let mut text = [b'0'; 21];
    let mut at = text.len();
    let mut rest = thousandths;
    while rest > 0 || at > text.len() - 5 {
        if at == text.len() - 3 {
            at -= 1;
            text[at] = b'.';
        }
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    push_padded(out, &text[at..], width);
}

/// Writes a text on the right of `width` characters.
fn push_padded(out: &mut Vec<u8>, text: &[u8], width: usize) {
    out.resize(out.len() + width.saturating_sub(text.len()), b' ');
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_decimals_and_their_width() {
        for (thousandths, width, text) in [
            (1, 0, "0.001"),
            (0, 0, "0.000"),
            (999, 0, "0.999"),
            (1000, 0, "1.000"),
            (123_456_789, 0, "123456.789"),
            (1624, 12, "       1.624"),
            (500, 13, "        0.500"),
            (MAX_V, 12, "99999999.999"),
            (MAX_Q, 13, "999999999.999"),
            (u64::MAX, 0, "18446744073709551.615"),
        ] {
            let mut out = b"x".to_vec();
            push_thousandths(&mut out, thousandths, width);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{text}"));
        }
        let mut out = Vec::new();
        push_padded(&mut out, b"NA", 13);
        assert_eq!(out, b"           NA");
    }
}
