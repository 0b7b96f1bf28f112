//! Integers: eight digits at a time in one word (SWAR), checked to the ends of 64 bits.
//!
//! Source of the word technique: Daniel Lemire, "Quickly parsing eight digits", 2018, after Johnny Lee.

/// The value of the last `len` (1 to 8) bytes of a little-endian word, if all of them are digits.
#[inline(always)]
pub(super) fn swar(word: u64, len: usize) -> Option<u64> {
    debug_assert!((1..=8).contains(&len));
    // Digits become 0 to 9, bytes before the field become leading zeros.
    let digits = (word ^ 0x3030_3030_3030_3030) & (u64::MAX << (64 - 8 * len));
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    Some(combine(digits))
}

/// Eight digits, one a byte, the lowest byte the most significant.
#[inline(always)]
pub(super) fn combine(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

/// The word that ends at `end`, which is at least 8.
#[inline(always)]
pub(super) fn word_before(data: &[u8], end: usize) -> u64 {
    // proven: callers leave `PADDING` bytes before the first field; without them this would read as no digits.
    data[..end].last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// One to eighteen digits and nothing else; declines all the rest.
#[inline(always)]
pub(super) fn parse_digits(data: &[u8], start: usize, end: usize) -> Option<i64> {
    let len = end - start;
    if len <= 8 && len > 0 {
        return swar(word_before(data, end), len).map(|v| v as i64);
    }
    parse_many_digits(data, start, end)
}

#[inline(never)]
fn parse_many_digits(data: &[u8], start: usize, end: usize) -> Option<i64> {
    let len = end - start;
    if !(9..=16).contains(&len) {
        return None;
    }
    let low = swar(word_before(data, end), 8)?;
    let high = swar(word_before(data, end - 8), len - 8)?;
    Some((high * 100_000_000 + low) as i64)
}

/// Any integer of 64 bits: a sign, then digits.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Towards the negative end, which is one farther from zero.
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Whether the text is an integer, however large.
pub(crate) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Whether an integer, however large, is exactly this float.
pub(super) fn is_float(text: &[u8], value: f64) -> bool {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    // A float's own digits, all of them.
    let exact = format!("{:.0}", value.abs());
    let digits = &digits[digits.iter().take_while(|&&b| b == b'0').count()..];
    negative == value.is_sign_negative() && exact.as_bytes() == digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fast(text: &[u8]) -> Option<i64> {
        let mut data = vec![b'7'; 16];
        data.extend_from_slice(text);
        parse_digits(&data, 16, data.len())
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(value in any::<i64>(), shift in 0..64) {
            let value: i64 = value >> shift;
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(value));
            if let Some(got) = fast(text.as_bytes()) {
                prop_assert_eq!(got, value);
            } else {
                prop_assert!(value < 0 || text.len() > 16);
            }
        }

        #[test]
        fn declines_what_is_no_number(text in "[0-9a/:. -]{0,20}") {
            let expected = text.parse::<i64>().ok();
            prop_assert_eq!(parse(text.as_bytes()), expected);
            let got = fast(text.as_bytes());
            prop_assert!(got.is_none() || got == expected);
        }

        #[test]
        fn a_word_of_any_bytes_is_digits_or_not(bytes in prop::array::uniform8(any::<u8>()), len in 1usize..=8) {
            let expected = std::str::from_utf8(&bytes[8 - len..]).ok()
                .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|t| t.parse::<u64>().ok());
            prop_assert_eq!(swar(u64::from_le_bytes(bytes), len), expected);
        }
    }

    #[test]
    fn the_ends_of_64_bits() {
        assert_eq!(parse(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse(b"9223372036854775808"), None);
        assert_eq!(parse(b"-9223372036854775809"), None);
        assert_eq!(parse(b"081310"), Some(81310));
        assert_eq!(fast(b"081310"), Some(81310));
        assert!(is_integer(b"99999999999999999999") && !is_integer(b"-") && !is_integer(b"1.0"));
    }
}
