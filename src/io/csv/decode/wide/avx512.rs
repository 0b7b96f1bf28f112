//! Eight numbers at a time, with AVX-512: what dominates is gathering where fields end, and the words there. (To find the fields
//! one by one and hand over eight of them cost twice as much: a load of eight numbers waits for the eight stores before it.)

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::super::{PADDING, Rows};
use super::{Fields, avx2, leave};

impl Fields<'_> {
    /// Where the fields of eight rows, from place `at` on, begin and end in the data.
    ///
    /// # Safety
    /// The features are there, and eight rows from `at` on.
    #[inline(always)]
    unsafe fn bounds(self, at: usize) -> (__m512i, __m512i) {
        let records = self.column.records;
        // SAFETY: `of` saw that eight rows are within their lists, and the fields of each row among the separators.
        unsafe {
            let rows = match self.rows {
                Rows::All(_) => {
                    let lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
                    _mm256_add_epi32(_mm256_set1_epi32(at as i32), lanes)
                }
                Rows::These(rows) => _mm256_loadu_si256(rows.as_ptr().add(at).cast()),
            };
            let fields = _mm256_mullo_epi32(rows, _mm256_set1_epi32(records.width as i32));
            let fields = _mm256_add_epi32(fields, _mm256_set1_epi32(self.column.column as i32));
            let padding = _mm512_set1_epi64(PADDING as i64);
            if self.column.column > 0 {
                // The separators before and behind a field are one word of 64 bits, the former its lower half.
                let before = _mm256_sub_epi32(fields, _mm256_set1_epi32(1));
                let both = _mm512_i32gather_epi64::<4>(before, records.separators.as_ptr().cast());
                let starts = _mm512_and_si512(both, _mm512_set1_epi64(i64::from(u32::MAX)));
                let starts = _mm512_add_epi64(starts, _mm512_set1_epi64(PADDING as i64 + 1));
                return (starts, _mm512_add_epi64(_mm512_srli_epi64::<32>(both), padding));
            }
            let ends = _mm256_i32gather_epi32::<4>(records.separators.as_ptr().cast(), fields);
            let starts = _mm256_i32gather_epi32::<4>(records.row_starts.as_ptr().cast(), rows);
            let starts = _mm512_add_epi64(_mm512_cvtepu32_epi64(starts), padding);
            (starts, _mm512_add_epi64(_mm512_cvtepu32_epi64(ends), padding))
        }
    }

    /// The last eight bytes before each of these places, and a bit for each place that lies within the data.
    ///
    /// # Safety
    /// The features are there.
    #[inline(always)]
    unsafe fn words(self, ends: __m512i) -> (__m512i, u8) {
        let data = self.column.data;
        // SAFETY: only lanes whose eight bytes lie within the data are loaded.
        unsafe {
            let from = _mm512_sub_epi64(ends, _mm512_set1_epi64(8));
            let most = _mm512_set1_epi64(data.len() as i64 - 8);
            // Without a sign, so that what is negative is too large.
            let within = _mm512_cmple_epu64_mask(from, most);
            let zero = _mm512_setzero_si512();
            (_mm512_mask_i64gather_epi64::<1>(zero, within, from, data.as_ptr().cast()), within)
        }
    }

    /// Where fields of eight rows begin and end, a carriage return at a line's end not counted, and the words there.
    ///
    /// # Safety
    /// As of `bounds`.
    #[inline(always)]
    unsafe fn eight(self, at: usize) -> (__m512i, __m512i, __m512i, u8) {
        // SAFETY: as promised.
        unsafe {
            let (starts, ends) = self.bounds(at);
            let (words, within) = self.words(ends);
            if self.column.column + 1 == self.column.records.width {
                let last = _mm512_srli_epi64::<56>(words);
                let returns = _mm512_cmpeq_epi64_mask(last, _mm512_set1_epi64(i64::from(b'\r')));
                let returns = returns & _mm512_cmplt_epi64_mask(starts, ends);
                if returns != 0 {
                    let ends = _mm512_mask_sub_epi64(ends, returns, ends, _mm512_set1_epi64(1));
                    let (words, within) = self.words(ends);
                    return (starts, ends, words, within);
                }
            }
            (starts, ends, words, within)
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

/// # Safety
/// The features are there.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512cd,avx512dq")]
pub(super) unsafe fn ints(fields: Fields<'_>, values: &mut [i64], left: &mut Vec<u32>) {
    let (eights, rest) = values.as_chunks_mut::<8>();
    let first = 8 * eights.len();
    for (nth, out) in eights.iter_mut().enumerate() {
        // SAFETY: there are as many rows as values. The store is of 64 bytes.
        let taken = unsafe {
            let (starts, ends, words, within) = fields.eight(8 * nth);
            let len = _mm512_sub_epi64(ends, starts);
            let negative = minus(words, len);
            let ones = _mm512_set1_epi64(1);
            let (values, taken) = digits(words, _mm512_mask_sub_epi64(len, negative, len, ones));
            let values = _mm512_mask_sub_epi64(values, negative, _mm512_setzero_si512(), values);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), values);
            taken & within
        };
        if taken != u8::MAX {
            // SAFETY: as above; AVX2 is among the features.
            let padded = |at, out: &mut _| unsafe { avx2::padded_ints(fields, at, out) };
            leave::<8>(left, 8 * nth, without_padding(fields, 8 * nth, taken, out, padded));
        }
    }
    left.extend((first..first + rest.len()).map(|at| at as u32));
}

/// # Safety
/// The features are there.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512cd,avx512dq")]
pub(super) unsafe fn floats(fields: Fields<'_>, values: &mut [f64], left: &mut Vec<u32>) {
    let (eights, rest) = values.as_chunks_mut::<8>();
    let first = 8 * eights.len();
    for (nth, out) in eights.iter_mut().enumerate() {
        // SAFETY: as above.
        let taken = unsafe {
            let (starts, ends, words, within) = fields.eight(8 * nth);
            let len = _mm512_sub_epi64(ends, starts);
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
            let is_long = _mm512_cmpgt_epi64_mask(len, _mm512_set1_epi64(8));
            let (whole_words, whole_within) = if is_long == 0 {
                // What is before the point is in the word, too.
                (_mm512_sllv_epi64(words, _mm512_slli_epi64::<3>(width)), within)
            } else {
                fields.words(_mm512_sub_epi64(ends, width))
            };
            let before = _mm512_sub_epi64(len, width);
            let negative = minus(whole_words, before);
            let (whole, taken) = digits(whole_words, _mm512_mask_sub_epi64(before, negative, before, ones));
            // No digits behind the point are none that are wrong.
            let (part, part_taken) = digits(words, after);
            let none = _mm512_cmpeq_epi64_mask(after, _mm512_setzero_si512());
            let part = _mm512_mask_mov_epi64(part, none, _mm512_setzero_si512());
            let powers = _mm512_set_epi64(10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1);
            let power = _mm512_permutexvar_epi64(after, powers);
            let mantissa = _mm512_add_epi64(_mm512_mullo_epi64(whole, power), part);
            let values = _mm512_div_pd(_mm512_cvtepi64_pd(mantissa), _mm512_cvtepi64_pd(power));
            // The sign bit, so that zero keeps its sign.
            let signs = _mm512_maskz_set1_epi64(negative, i64::MIN);
            let values = _mm512_xor_pd(values, _mm512_castsi512_pd(signs));
            _mm512_storeu_pd(out.as_mut_ptr(), values);
            taken & (part_taken | none) & within & whole_within
        };
        if taken != u8::MAX {
            // SAFETY: as above; AVX2 is among the features.
            let padded = |at, out: &mut _| unsafe { avx2::padded_floats(fields, at, out) };
            leave::<8>(left, 8 * nth, without_padding(fields, 8 * nth, taken, out, padded));
        }
    }
    left.extend((first..first + rest.len()).map(|at| at as u32));
}

/// What is taken of eight fields, from place `at` on, of which some were declined: where the first of those is padded, all are decoded
/// anew, each four by `padded`.
fn without_padding<T>(
    fields: Fields<'_>,
    at: usize,
    taken: u8,
    out: &mut [T; 8],
    padded: impl Fn(usize, &mut [T; 4]) -> u8,
) -> u8 {
    if !fields.is_padded(at + taken.trailing_ones() as usize) {
        return taken;
    }
    let (fours, _) = out.as_chunks_mut::<4>();
    fours.iter_mut().enumerate().fold(0, |taken, (half, out)| taken | padded(at + 4 * half, out) << (4 * half))
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
