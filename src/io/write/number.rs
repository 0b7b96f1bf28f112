//! Values as text, into one buffer: the spellings that read back as the same value.

use std::io::Write;

use crate::expr::temporal::date_of;

/// `00`, `01`, … `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Two digits, of a number below 100.
fn push_pair(text: &mut Vec<u8>, n: i64) {
    text.extend_from_slice(&PAIRS[(n % 100) as usize]);
}

/// An integer.
pub(super) fn push_int(text: &mut Vec<u8>, value: i64) {
    if value < 0 {
        text.push(b'-');
    }
    push_digits(text, value.unsigned_abs(), 1);
}

/// A number in at least `width` digits.
fn push_digits(text: &mut Vec<u8>, mut n: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while n >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(n % 100) as usize]);
        n /= 100;
    }
    if n >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[n as usize]);
    } else {
        at -= 1;
        digits[at] = b'0' + n as u8;
    }
    text.extend_from_slice(&digits[at.min(digits.len() - width.min(digits.len()))..]);
}

const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const INTEGER_POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// A float in the fewest digits that tell it from all others.
///
/// Most floats in files are short decimals, `digits / 10^places`. Both are floats without error while there are at most
/// 15 digits, so that their quotient is the float that the decimal means; and of decimals that short, each means a float
/// of its own. The fewest places for which the quotient is the value give its shortest form. All else goes to the
/// standard library.
pub(super) fn push_float(text: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if (1e-4..1e15).contains(&size) {
        for (places, (power, integer)) in POWERS.into_iter().zip(INTEGER_POWERS).enumerate() {
            let digits = (size * power).round();
            if digits >= 1e15 {
                break;
            }
            if digits / power == size {
                if value < 0.0 {
                    text.push(b'-');
                }
                let digits = digits as u64;
                push_digits(text, digits / integer, 1);
                text.push(b'.');
                push_digits(text, digits % integer, places.max(1));
                return;
            }
        }
    }
    // Writing to a vector cannot fail.
    let _ = write!(text, "{value:?}");
}

/// A date as `2018-07-31`; years beyond four digits have a sign, as ISO 8601 wants it.
pub(super) fn push_date(text: &mut Vec<u8>, days: i64) {
    let (year, month, day) = date_of(days);
    match year {
        0..=9999 => {}
        ..0 => text.push(b'-'),
        _ => text.push(b'+'),
    }
    push_digits(text, year.unsigned_abs(), 4);
    text.push(b'-');
    push_pair(text, month);
    text.push(b'-');
    push_pair(text, day);
}

/// A timestamp as `2018-07-31T23:59:59`, with three or six digits of a fraction where there is one.
pub(super) fn push_timestamp(text: &mut Vec<u8>, micros: i64) {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    push_date(text, micros.div_euclid(DAY));
    let time = micros.rem_euclid(DAY);
    let (seconds, fraction) = (time / SECOND, time % SECOND);
    for (mark, n) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        text.push(mark);
        push_pair(text, n);
    }
    if fraction > 0 {
        text.push(b'.');
        if fraction % 1000 == 0 {
            push_digits(text, (fraction / 1000) as u64, 3);
        } else {
            push_digits(text, fraction as u64, 6);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        push(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn floats_are_short() {
        let floats = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (123_456.789, "123456.789"),
            (10.05, "10.05"),
            (1e15, "1000000000000000.0"),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (999_999_999_999_999.9, "999999999999999.9"),
        ];
        for (value, want) in floats {
            assert_eq!(text(|t| push_float(t, value)), want);
        }
    }

    #[test]
    fn times_are_iso() {
        let at = |micros| text(|t| push_timestamp(t, micros));
        assert_eq!(at(0), "1970-01-01T00:00:00");
        assert_eq!(at(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(at(1_500_000), "1970-01-01T00:00:01.500");
        assert_eq!(at(1_000_001), "1970-01-01T00:00:01.000001");
        assert_eq!(text(|t| push_date(t, 17_743)), "2018-07-31");
        assert_eq!(text(|t| push_date(t, -719_529)), "-0001-12-31");
        assert_eq!(text(|t| push_date(t, 2_932_897)), "+10000-01-01");
        assert!(at(i64::MIN).starts_with("-290308-12-21T19:59:05.22419") && at(i64::MAX).starts_with("+294247-01-10"));
    }

    proptest! {
        #[test]
        fn integers_are_as_the_standard_library_has_them(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(text(|t| push_int(t, value)), value.to_string());
        }

        #[test]
        fn floats_are_as_the_standard_library_has_them(bits: u64, digits in 0i64..1 << 53, places in 0i32..10) {
            for value in [f64::from_bits(bits), digits as f64 / 10f64.powi(places), digits as f64 * 10f64.powi(-places)] {
                prop_assert_eq!(text(|t| push_float(t, value)), format!("{value:?}"));
            }
        }

        #[test]
        fn times_are_as_chrono_has_them(micros in -60_000_000_000_000_000i64..250_000_000_000_000_000) {
            let time = chrono::DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            prop_assert_eq!(text(|t| push_timestamp(t, micros)), format!("{time:?}"));
            let days = micros.div_euclid(86_400_000_000);
            prop_assert_eq!(text(|t| push_date(t, days)), format!("{:?}", time.date()));
        }
    }
}
