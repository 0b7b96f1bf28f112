//! Eight numbers at a time, with AVX-512: the words that end at eight fields are gathered, and parsed as one.
//!
//! What they do is [`int::parse_digits`](super::int::parse_digits) and [`float::parse_digits`](super::float::parse_digits),
//! which tests hold them to; a field that they decline goes there. On BACI's numbers that is three times as fast as one by one:
//! most of what is left is finding the fields.

/// Parses eight fields, given by where they begin and end in the data; gives a bit for each that it took.
pub(super) type Eight<T> = fn(data: &[u8], starts: &[u32; 8], ends: &[u32; 8], out: &mut [T; 8]) -> u8;

/// For integers of up to eight digits; `None` where the processor can't.
pub(super) fn ints() -> Option<Eight<i64>> {
    #[cfg(target_arch = "x86_64")]
    if x86::is_supported() {
        return Some(x86::ints);
    }
    None
}

/// For floats of up to eight digits before the point and seven behind it.
pub(super) fn floats() -> Option<Eight<f64>> {
    #[cfg(target_arch = "x86_64")]
    if x86::is_supported() {
        return Some(x86::floats);
    }
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected;
    use std::arch::x86_64::*;

    /// So many bytes before a field's end are loaded.
    const BEFORE: u32 = 16;

    pub(super) fn is_supported() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
    }

    fn within(data: &[u8], ends: &[u32; 8]) -> bool {
        ends.iter().all(|end| (BEFORE..=data.len() as u32).contains(end)) && data.len() <= i32::MAX as usize
    }

    pub(super) fn ints(data: &[u8], starts: &[u32; 8], ends: &[u32; 8], out: &mut [i64; 8]) -> u8 {
        if !is_supported() || !within(data, ends) {
            return 0;
        }
        // SAFETY: the features are there, and all words lie within the data.
        unsafe { ints_avx512(data, starts, ends, out) }
    }

    pub(super) fn floats(data: &[u8], starts: &[u32; 8], ends: &[u32; 8], out: &mut [f64; 8]) -> u8 {
        if !is_supported() || !within(data, ends) {
            return 0;
        }
        // SAFETY: as above.
        unsafe { floats_avx512(data, starts, ends, out) }
    }

    /// # Safety
    /// Each of `ends` is at least 16 and at most the data's length.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    unsafe fn ints_avx512(data: &[u8], starts: &[u32; 8], ends: &[u32; 8], out: &mut [i64; 8]) -> u8 {
        // SAFETY: the arrays have 32 and 64 bytes; the words are the caller's to promise.
        unsafe {
            let (starts, ends) = (load(starts), load(ends));
            let words = _mm512_i64gather_epi64::<1>(_mm512_sub_epi64(ends, _mm512_set1_epi64(8)), data.as_ptr().cast());
            let (values, taken) = digits(words, _mm512_sub_epi64(ends, starts));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), values);
            taken
        }
    }

    /// # Safety
    /// Each of `ends` is at least 16 and at most the data's length.
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq")]
    unsafe fn floats_avx512(data: &[u8], starts: &[u32; 8], ends: &[u32; 8], out: &mut [f64; 8]) -> u8 {
        // SAFETY: the arrays have 32 and 64 bytes. A word ends at a field's end, or at its point, at most eight bytes before.
        unsafe {
            let (starts, ends) = (load(starts), load(ends));
            let (eight, ones) = (_mm512_set1_epi64(8), _mm512_set1_epi64(1));
            let len = _mm512_sub_epi64(ends, starts);
            let words = _mm512_i64gather_epi64::<1>(_mm512_sub_epi64(ends, eight), data.as_ptr().cast());
            // The top bit of every byte that is a point; exact in every byte.
            let low = _mm512_set1_epi64(0x7f7f_7f7f_7f7f_7f7f);
            let dots = _mm512_xor_si512(words, _mm512_set1_epi64(0x2e2e_2e2e_2e2e_2e2e));
            let sum = _mm512_add_epi64(_mm512_and_si512(dots, low), low);
            let dots = _mm512_andnot_si512(_mm512_or_si512(_mm512_or_si512(sum, dots), low), _mm512_set1_epi64(-1));
            // How many digits stand behind the last point; 8 or more than the field has where there is none.
            let after = _mm512_srli_epi64::<3>(_mm512_lzcnt_epi64(dots));
            let point = _mm512_cmplt_epi64_mask(after, _mm512_min_epi64(len, eight));
            let after = _mm512_maskz_mov_epi64(point, after);
            // The point itself.
            let width = _mm512_maskz_add_epi64(point, after, ones);
            let whole_ends = _mm512_sub_epi64(_mm512_sub_epi64(ends, width), eight);
            let whole_words = _mm512_i64gather_epi64::<1>(whole_ends, data.as_ptr().cast());
            let (whole, taken) = digits(whole_words, _mm512_sub_epi64(len, width));
            // No digits behind the point are taken as none that are wrong.
            let (part, part_taken) = digits(words, after);
            let none = _mm512_cmpeq_epi64_mask(after, _mm512_setzero_si512());
            let part = _mm512_mask_mov_epi64(part, none, _mm512_setzero_si512());
            let powers = _mm512_set_epi64(10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1);
            let power = _mm512_permutexvar_epi64(after, powers);
            let mantissa = _mm512_add_epi64(_mm512_mullo_epi64(whole, power), part);
            let values = _mm512_div_pd(_mm512_cvtepi64_pd(mantissa), _mm512_cvtepi64_pd(power));
            _mm512_storeu_pd(out.as_mut_ptr(), values);
            taken & (part_taken | none)
        }
    }

    /// Eight numbers, each in 64 bits.
    ///
    /// # Safety
    /// None but the features.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(numbers: &[u32; 8]) -> __m512i {
        // SAFETY: an unaligned load of the array's 32 bytes.
        unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(numbers.as_ptr().cast())) }
    }

    /// The values of the last bytes of each word, as many as `len` says, and a bit for each of which that is 1 to 8 digits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn digits(words: __m512i, len: __m512i) -> (__m512i, u8) {
        // Digits become 0 to 9, bytes before the field become leading zeros. A shift by more than 64 gives 0, too.
        let shift = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64::<3>(len));
        let kept = _mm512_sllv_epi64(_mm512_set1_epi64(-1), shift);
        let digits = _mm512_and_si512(_mm512_xor_si512(words, _mm512_set1_epi8(0x30)), kept);
        let above = _mm512_adds_epu8(digits, _mm512_set1_epi8(0x76));
        let wrong = _mm512_test_epi64_mask(above, _mm512_set1_epi8(i8::MIN));
        // 1 to 8, as 0 to 7 without a sign.
        let fits = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(len, _mm512_set1_epi64(1)), _mm512_set1_epi64(8));
        // Pairs of digits, fours, and then all eight.
        let pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001_0064));
        let high = _mm512_mul_epu32(fours, _mm512_set1_epi64(10_000));
        (_mm512_add_epi64(high, _mm512_srli_epi64::<32>(fours)), fits & !wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{float, int};
    use super::*;

    /// Fields behind one another, with something between them.
    fn fields(texts: &[String]) -> (Vec<u8>, [u32; 8], [u32; 8]) {
        let mut data = vec![b'7'; 16];
        let (mut starts, mut ends) = ([0; 8], [0; 8]);
        for (at, text) in texts.iter().enumerate() {
            starts[at] = data.len() as u32;
            data.extend_from_slice(text.as_bytes());
            ends[at] = data.len() as u32;
            data.push(b"7,.\n"[at % 4]);
        }
        (data, starts, ends)
    }

    fn field() -> impl Strategy<Value = String> {
        prop_oneof!["[0-9]{0,10}", "[0-9]{0,10}[.][0-9]{0,9}", "[0-9./: +-]{0,12}", "[0-9]{1,5}[a-z\u{80}-\u{ff}]"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn as_one_by_one(texts in prop::collection::vec(field(), 8)) {
            let (data, starts, ends) = fields(&texts);
            let bounds = || starts.iter().zip(&ends).map(|(start, end)| (*start as usize, *end as usize));
            if let Some(ints) = ints() {
                let mut got = [0; 8];
                let taken = ints(&data, &starts, &ends, &mut got);
                for (at, (start, end)) in bounds().enumerate() {
                    let want = int::parse_digits(&data, start, end).filter(|_| end - start <= 8);
                    prop_assert_eq!((taken >> at & 1 == 1).then_some(got[at]), want, "{:?}", texts[at]);
                }
            }
            if let Some(floats) = floats() {
                let mut got = [0.0; 8];
                let taken = floats(&data, &starts, &ends, &mut got);
                for (at, (start, end)) in bounds().enumerate() {
                    let want = float::parse_digits(&data, start, end).map(f64::to_bits);
                    prop_assert_eq!((taken >> at & 1 == 1).then_some(got[at].to_bits()), want, "{:?}", texts[at]);
                }
            }
        }
    }

    #[test]
    fn what_lies_outside_is_not_taken() {
        let data = [b'1'; 40];
        for ends in [[15; 8], [41; 8], [20, 20, 20, 20, 20, 20, 20, 41]] {
            assert_eq!(ints().map_or(0, |ints| ints(&data, &[1; 8], &ends, &mut [0; 8])), 0);
            assert_eq!(floats().map_or(0, |floats| floats(&data, &[1; 8], &ends, &mut [0.0; 8])), 0);
        }
    }
}
