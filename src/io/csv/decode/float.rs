//! Floats, correctly rounded always.
//!
//! The fast path is Clinger's: a decimal of at most 15 digits is an integer that a float holds exactly, divided by a
//! power of ten that a float holds exactly, so that the one division rounds correctly (William D. Clinger, "How to read
//! floating point numbers accurately", PLDI 1990). The digits before and after the point are read as two words, which needs
//! no loop: on prices such as `52.051` that is three times as fast as digit by digit. All else goes to the standard library.

use super::int::{combine, swar, word_before};

const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const INTEGER_POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Up to eight digits, a point, up to seven digits, or up to eight digits alone; declines all the rest.
#[inline(always)]
pub(super) fn parse_digits(data: &[u8], start: usize, end: usize) -> Option<f64> {
    let len = end - start;
    let word = word_before(data, end);
    // The top bit of every byte that is a point; exact in every byte, unlike the shorter test that borrows.
    let dots = word ^ 0x2e2e_2e2e_2e2e_2e2e;
    let dots = !(((dots & 0x7f7f_7f7f_7f7f_7f7f) + 0x7f7f_7f7f_7f7f_7f7f) | dots | 0x7f7f_7f7f_7f7f_7f7f);
    let after = dots.leading_zeros() as usize / 8;
    if after >= 8 || after >= len {
        // No point among the field's last eight bytes.
        return if len <= 8 && len > 0 { swar(word, len).map(|v| v as f64) } else { None };
    }
    let before = len - 1 - after;
    if before == 0 || before > 8 {
        return None;
    }
    let whole = swar(word_before(data, end - 1 - after), before)?;
    // The lowest byte kept is the digit behind the point; two shifts, since by 64 at once is no shift.
    let digits = (word ^ 0x3030_3030_3030_3030) & ((u64::MAX << (56 - 8 * after)) << 8);
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let mantissa = whole * INTEGER_POWERS[after] + combine(digits);
    Some(mantissa as f64 / POWERS[after])
}

/// Any decimal, with exponent or without, `inf`, `infinity` and `nan` in any case; hex is no number.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fast(text: &str) -> Option<f64> {
        let mut data = vec![b'.'; 16];
        data.extend_from_slice(text.as_bytes());
        parse_digits(&data, 16, data.len())
    }

    proptest! {
        #[test]
        fn the_fast_path_rounds_as_the_standard_library(text in "[0-9]{0,9}[.]?[0-9]{0,9}") {
            if let Some(got) = fast(&text) {
                prop_assert_eq!(got.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn the_fast_path_declines_what_is_no_number(text in "[0-9]{1,3}[0-9a./:e -]{0,12}") {
            if let Some(got) = fast(&text) {
                prop_assert_eq!(Ok(got), text.parse::<f64>());
            }
        }
    }

    #[test]
    fn the_fast_path_takes_what_it_should() {
        for text in ["0.001", "52.051", "1234567.891", "12345678.1234567", "5.", "2018", "12345678"] {
            assert_eq!(fast(text), text.parse().ok(), "{text}");
        }
        for text in [".5", "1e5", "123456789", "1.12345678", "123456789.5", "1..2", "1.2.3", ""] {
            assert_eq!(fast(text), None, "{text}");
        }
    }

    #[test]
    fn words_for_what_is_no_decimal() {
        assert_eq!(parse(b"inf"), Some(f64::INFINITY));
        assert!(parse(b"NaN").unwrap().is_nan());
        assert_eq!(parse(b"-0").unwrap().to_bits(), (-0.0f64).to_bits());
        for text in [&b"0x10"[..], b"1_000", b"1,5", b" 1", b"", b"\xff"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
