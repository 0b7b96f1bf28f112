//! Eight numbers at a time, with AVX-512: twice four fields, which are found as with AVX2. What dominates is to load where they end,
//! and the words there. (With AVX-512's gathers a whole query of numbers took 1.7 times as long on a Zen 5, and they are slow elsewhere,
//! too; stored one by one and loaded as eight, the load waits for the stores.)

use std::arch::x86_64::*;
use std::is_x86_feature_detected;

use super::avx2::Four;
use super::{Fields, Others, Seen};

/// Eight fields, as [`Four`].
struct Eight {
    len: __m512i,
    words: __m512i,
    before: __m512i,
}

impl Fields<'_> {
    /// As [`four`](Fields::four), of eight rows.
    ///
    /// # Safety
    /// The features are there, and eight rows from `at` on.
    #[inline(always)]
    unsafe fn eight<const FIRST: bool, const PADDED: bool>(self, at: usize) -> Option<Eight> {
        // SAFETY: as promised.
        unsafe {
            let low: Four = self.four::<FIRST, PADDED>(at)?;
            let high = self.four::<FIRST, PADDED>(at + 4)?;
            Some(Eight {
                len: _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low.len), high.len),
                words: _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low.words), high.words),
                before: _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low.before), high.before),
            })
        }
    }
}

pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
}

/// How eight fields become values.
trait Numbers {
    type Value;

    /// Writes the values.
    ///
    /// # Safety
    /// The features are there.
    unsafe fn decode(eight: Eight, out: &mut [Self::Value; 8]) -> Seen;
}

struct Integers;

struct Decimals;

/// # Safety
/// The features are there, and as many fields as values.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512cd,avx512dq")]
pub(super) unsafe fn ints(fields: Fields<'_>, values: &mut [i64], others: &mut Others<'_>) {
    // SAFETY: as promised.
    unsafe { eights::<Integers>(fields, values, others) }
}

/// # Safety
/// The features are there, and as many fields as values.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512cd,avx512dq")]
pub(super) unsafe fn floats(fields: Fields<'_>, values: &mut [f64], others: &mut Others<'_>) {
    // SAFETY: as promised.
    unsafe { eights::<Decimals>(fields, values, others) }
}

/// Decodes the fields by eights.
///
/// # Safety
/// The features are there, and as many fields as values.
#[inline(always)]
unsafe fn eights<N: Numbers>(fields: Fields<'_>, values: &mut [N::Value], others: &mut Others<'_>) {
    let all = values.len();
    let (eights, rest) = values.as_chunks_mut::<8>();
    let first = 8 * eights.len();
    for (nth, out) in eights.iter_mut().enumerate() {
        // SAFETY: there are as many rows as values.
        let mut seen = unsafe { one_eight::<false, N>(fields, 8 * nth, out) };
        if seen.taken != u8::MAX {
            let known = seen.known();
            if known < 8 && fields.is_padded(8 * nth + known) {
                // SAFETY: as above.
                seen = unsafe { one_eight::<true, N>(fields, 8 * nth, out) };
            }
            others.note::<8>(8 * nth, seen, all);
        }
    }
    others.left.extend((first..first + rest.len()).map(|at| at as u32));
}

/// # Safety
/// The features are there, and eight rows from `at` on.
#[inline(always)]
unsafe fn one_eight<const PADDED: bool, N: Numbers>(fields: Fields<'_>, at: usize, out: &mut [N::Value; 8]) -> Seen {
    // SAFETY: as promised.
    unsafe {
        let eight = match fields.column.column {
            0 => fields.eight::<true, PADDED>(at),
            _ => fields.eight::<false, PADDED>(at),
        };
        match eight {
            Some(eight) => N::decode(eight, out),
            None => Seen::default(),
        }
    }
}

impl Numbers for Integers {
    type Value = i64;

    /// # Safety
    /// The features are there.
    #[inline(always)]
    unsafe fn decode(Eight { len, words, .. }: Eight, out: &mut [i64; 8]) -> Seen {
        // SAFETY: arithmetic, with the features that the caller has. The store is of 64 bytes.
        unsafe {
            let negative = minus(words, len);
            let (values, taken) = digits(words, _mm512_mask_sub_epi64(len, negative, len, _mm512_set1_epi64(1)));
            let values = _mm512_mask_sub_epi64(values, negative, _mm512_setzero_si512(), values);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), values);
            Seen { taken, missing: _mm512_testn_epi64_mask(len, len) }
        }
    }
}

impl Numbers for Decimals {
    type Value = f64;

    /// # Safety
    /// The features are there.
    #[inline(always)]
    unsafe fn decode(Eight { len, words, before }: Eight, out: &mut [f64; 8]) -> Seen {
        // SAFETY: as of integers.
        unsafe {
            // The top bit of every byte that is a point; exact in every byte.
            let low = _mm512_set1_epi64(0x7f7f_7f7f_7f7f_7f7f);
            let dots = _mm512_xor_si512(words, _mm512_set1_epi64(0x2e2e_2e2e_2e2e_2e2e));
            let sum = _mm512_add_epi64(_mm512_and_si512(dots, low), low);
            let dots = _mm512_andnot_si512(_mm512_or_si512(_mm512_or_si512(sum, dots), low), _mm512_set1_epi64(-1));
            // How many digits stand behind the last point; 8 or more than the field has where there is none.
            let after = _mm512_srli_epi64::<3>(_mm512_lzcnt_epi64(dots));
            let point = _mm512_cmplt_epi64_mask(after, _mm512_min_epi64(len, _mm512_set1_epi64(8)));
            let after = _mm512_maskz_mov_epi64(point, after);
            // The point itself, too.
            let ones = _mm512_set1_epi64(1);
            let width = _mm512_maskz_add_epi64(point, after, ones);
            let bits = _mm512_slli_epi64::<3>(width);
            // A shift by 64 gives 0.
            let whole_words = _mm512_or_si512(
                _mm512_sllv_epi64(words, bits),
                _mm512_srlv_epi64(before, _mm512_sub_epi64(_mm512_set1_epi64(64), bits)),
            );
            let whole_len = _mm512_sub_epi64(len, width);
            let negative = minus(whole_words, whole_len);
            let (whole, taken) = digits(whole_words, _mm512_mask_sub_epi64(whole_len, negative, whole_len, ones));
            // No digits behind the point are none that are wrong.
            let (part, part_taken) = digits(words, after);
            let none = _mm512_testn_epi64_mask(after, after);
            let part = _mm512_mask_mov_epi64(part, none, _mm512_setzero_si512());
            let powers = _mm512_set_epi64(10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1);
            let power = _mm512_permutexvar_epi64(after, powers);
            let mantissa = _mm512_add_epi64(_mm512_mullo_epi64(whole, power), part);
            let values = _mm512_div_pd(_mm512_cvtepi64_pd(mantissa), _mm512_cvtepi64_pd(power));
            // The sign bit, so that zero keeps its sign.
            let signs = _mm512_maskz_set1_epi64(negative, i64::MIN);
            let values = _mm512_xor_pd(values, _mm512_castsi512_pd(signs));
            _mm512_storeu_pd(out.as_mut_ptr(), values);
            Seen { taken: taken & (part_taken | none), missing: _mm512_testn_epi64_mask(len, len) }
        }
    }
}

/// A bit for each word whose last bytes, as many as `len` says, begin with a minus; none for more than eight.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn minus(words: __m512i, len: __m512i) -> u8 {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        // A shift by 64 and more gives 0.
        let shift = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64::<3>(len));
        let first = _mm512_and_si512(_mm512_srlv_epi64(words, shift), _mm512_set1_epi64(0xff));
        _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64(i64::from(b'-')))
    }
}

/// The values of the last bytes of each word, as many as `len` says, and a bit for each of which that is 1 to 8 digits.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn digits(words: __m512i, len: __m512i) -> (__m512i, u8) {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
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
