//! Four numbers at a time, with AVX2.
//!
//! Where fields end, and the words there, are loaded one by one: on many processors AVX2's gathers are slower. What AVX-512
//! has and AVX2 lacks is made of other instructions: the digits behind a point are counted by adding up bytes, powers of ten
//! are looked up as halves of words, and integers become floats by their bits.

use std::arch::x86_64::*;

use super::super::{PADDING, Records, Rows};
use super::{Fields, Others, Seen};

/// Four fields.
pub(super) struct Four {
    /// How long they are.
    pub(super) len: __m256i,
    /// The eight bytes up to where each ends.
    pub(super) words: __m256i,
    /// The eight bytes before those.
    pub(super) before: __m256i,
}

impl Fields<'_> {
    /// The fields of four rows, from place `at` on, a carriage return at a line's end not counted; None if one is not in the data.
    /// `FIRST`: they are of the first column. `PADDED`: spaces before them are not counted either.
    ///
    /// # Safety
    /// The features are there, and four rows from `at` on.
    #[inline(always)]
    pub(super) unsafe fn four<const FIRST: bool, const PADDED: bool>(self, at: usize) -> Option<Four> {
        let Records { separators, row_starts, width, .. } = self.column.records;
        let (column, data) = (self.column.column, self.column.data);
        let rows = match self.rows {
            Rows::All(_) => [at, at + 1, at + 2, at + 3],
            // SAFETY: the caller's promise.
            Rows::These(rows) => [0, 1, 2, 3].map(|lane| unsafe { *rows.get_unchecked(at + lane) } as usize),
        };
        let fields = match self.rows {
            // One multiplication.
            Rows::All(_) => [0, 1, 2, 3].map(|lane| at * width + column + lane * width),
            Rows::These(_) => rows.map(|row| row * width + column),
        };
        // SAFETY: `of` saw that all rows are within their list, and the fields of each row among the separators.
        let ends = fields.map(|field| unsafe { *separators.get_unchecked(field) } as usize);
        let mut starts = match FIRST {
            // SAFETY: as above.
            true => rows.map(|row| unsafe { *row_starts.get_unchecked(row) } as usize),
            // SAFETY: as above; a field of another column has one before it.
            false => fields.map(|field| unsafe { *separators.get_unchecked(field - 1) } as usize + 1),
        };
        let last = ends[0].max(ends[1]).max(ends[2].max(ends[3]));
        if last > data.len().saturating_sub(PADDING) {
            return None;
        }
        if PADDED {
            starts = [0, 1, 2, 3].map(|lane| without_spaces(data, starts[lane], ends[lane]));
        }
        // SAFETY: all ends are within the data, the caller has the features.
        let four = unsafe { Four::of(data, starts, ends) };
        if column + 1 == width {
            // SAFETY: as above; arithmetic.
            let returns = unsafe {
                let last = _mm256_srli_epi64::<56>(four.words);
                _mm256_movemask_epi8(_mm256_cmpeq_epi64(last, _mm256_set1_epi64x(i64::from(b'\r'))))
            };
            if returns != 0 {
                let is_return = |end: usize| data.get(end + PADDING - 1) == Some(&b'\r');
                let lanes = [0, 1, 2, 3];
                let ends =
                    lanes.map(|lane| ends[lane] - usize::from(starts[lane] < ends[lane] && is_return(ends[lane])));
                // SAFETY: as above.
                return Some(unsafe { Four::of(data, starts, ends) });
            }
        }
        Some(four)
    }
}

/// Where a field begins behind up to sixteen spaces.
#[inline(always)]
fn without_spaces(data: &[u8], start: usize, end: usize) -> usize {
    let bytes = data.get(start + PADDING..).and_then(|bytes| bytes.first_chunk::<16>());
    let others = bytes.map_or(1, |bytes| u128::from_le_bytes(*bytes) ^ u128::from_le_bytes([b' '; 16]));
    let behind = start + others.trailing_zeros() as usize / 8;
    // A field of spaces alone begins at its end.
    if start < end { behind.min(end) } else { start }
}

impl Four {
    /// # Safety
    /// The features are there, and all ends within the data, behind its padding.
    #[inline(always)]
    unsafe fn of(data: &[u8], starts: [usize; 4], ends: [usize; 4]) -> Four {
        // SAFETY: up to a place behind the padding there are more than sixteen bytes.
        let words = |back: usize| unsafe {
            let words = ends.map(|end| data.as_ptr().add(end + PADDING - back).cast::<i64>().read_unaligned());
            _mm256_set_epi64x(words[3], words[2], words[1], words[0])
        };
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane| ends[lane].wrapping_sub(starts[lane]) as i64);
        // SAFETY: the caller's features.
        let len = unsafe { _mm256_set_epi64x(d, c, b, a) };
        Four { len, words: words(8), before: words(16) }
    }
}

/// How four fields become values. (As pointers to functions they were not always inlined, nor then any of their instructions, which took
/// ten times as long.)
trait Numbers {
    type Value;

    /// Writes the values.
    ///
    /// # Safety
    /// The features are there.
    unsafe fn decode(four: Four, out: &mut [Self::Value; 4]) -> Seen;
}

struct Integers;

struct Decimals;

/// # Safety
/// The features are there, and as many fields as values.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn ints(fields: Fields<'_>, values: &mut [i64], others: &mut Others<'_>) {
    // SAFETY: as promised.
    unsafe { fours::<Integers>(fields, values, others) }
}

/// # Safety
/// The features are there, and as many fields as values.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn floats(fields: Fields<'_>, values: &mut [f64], others: &mut Others<'_>) {
    // SAFETY: as promised.
    unsafe { fours::<Decimals>(fields, values, others) }
}

/// Decodes the fields by fours.
///
/// # Safety
/// The features are there, and as many fields as values.
#[inline(always)]
unsafe fn fours<N: Numbers>(fields: Fields<'_>, values: &mut [N::Value], others: &mut Others<'_>) {
    let all = values.len();
    let (fours, rest) = values.as_chunks_mut::<4>();
    let first = 4 * fours.len();
    for (nth, out) in fours.iter_mut().enumerate() {
        // SAFETY: there are as many rows as values.
        let mut seen = unsafe { one_four::<false, N>(fields, 4 * nth, out) };
        if seen.taken != 0xf {
            let known = seen.known();
            if known < 4 && fields.is_padded(4 * nth + known) {
                // SAFETY: as above.
                seen = unsafe { one_four::<true, N>(fields, 4 * nth, out) };
            }
            others.note::<4>(4 * nth, seen, all);
        }
    }
    others.left.extend((first..first + rest.len()).map(|at| at as u32));
}

/// # Safety
/// The features are there, and four rows from `at` on.
#[inline(always)]
unsafe fn one_four<const PADDED: bool, N: Numbers>(fields: Fields<'_>, at: usize, out: &mut [N::Value; 4]) -> Seen {
    // SAFETY: as promised.
    unsafe {
        let four = match fields.column.column {
            0 => fields.four::<true, PADDED>(at),
            _ => fields.four::<false, PADDED>(at),
        };
        match four {
            Some(four) => N::decode(four, out),
            None => Seen::default(),
        }
    }
}

impl Numbers for Integers {
    type Value = i64;

    /// # Safety
    /// The features are there.
    #[inline(always)]
    unsafe fn decode(Four { len, words, .. }: Four, out: &mut [i64; 4]) -> Seen {
        // SAFETY: arithmetic, with the features that the caller has. The store is of 32 bytes.
        unsafe {
            let negative = minus(words, len);
            let many = _mm256_add_epi64(len, negative);
            let (values, wrong) = digits(words, many);
            // Two's complement: less one, all bits turned.
            let values = _mm256_sub_epi64(_mm256_xor_si256(values, negative), negative);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), values);
            seen(wrong, fits(many), len)
        }
    }
}

impl Numbers for Decimals {
    type Value = f64;

    /// # Safety
    /// The features are there.
    #[inline(always)]
    unsafe fn decode(Four { len, words, before }: Four, out: &mut [f64; 4]) -> Seen {
        // SAFETY: as of integers.
        unsafe {
            let zero = _mm256_setzero_si256();
            // All bits of the last byte that is a point, and of the bytes before it: what is left are the digits behind it.
            let dots = _mm256_cmpeq_epi8(words, _mm256_set1_epi8(b'.' as i8));
            let dots = _mm256_or_si256(dots, _mm256_srli_epi64::<8>(dots));
            let dots = _mm256_or_si256(dots, _mm256_srli_epi64::<16>(dots));
            let dots = _mm256_or_si256(dots, _mm256_srli_epi64::<32>(dots));
            let after = _mm256_sad_epu8(_mm256_andnot_si256(dots, _mm256_set1_epi8(1)), zero);
            // 8 or more than the field has where there is none.
            let point =
                _mm256_and_si256(_mm256_cmpgt_epi64(len, after), _mm256_cmpgt_epi64(_mm256_set1_epi64x(8), after));
            let after = _mm256_and_si256(after, point);
            // The point itself, too.
            let width = _mm256_sub_epi64(after, point);
            let bits = _mm256_slli_epi64::<3>(width);
            let whole_words = _mm256_or_si256(
                _mm256_sllv_epi64(words, bits),
                // A shift by 64 gives 0.
                _mm256_srlv_epi64(before, _mm256_sub_epi64(_mm256_set1_epi64x(64), bits)),
            );
            let whole_len = _mm256_sub_epi64(len, width);
            let negative = minus(whole_words, whole_len);
            let whole_len = _mm256_add_epi64(whole_len, negative);
            let (whole, whole_wrong) = digits(whole_words, whole_len);
            // No digits behind the point are none that are wrong.
            let (part, part_wrong) = digits(words, after);
            // By the lower half of each word; the upper one looks up one, which does not count.
            let powers = _mm256_set_epi32(10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1);
            let power = _mm256_permutevar8x32_epi32(powers, after);
            let power = _mm256_and_si256(power, _mm256_set1_epi64x(i64::from(u32::MAX)));
            let mantissa = _mm256_add_epi64(_mm256_mul_epu32(whole, power), part);
            let values = _mm256_div_pd(float(mantissa), float(power));
            // The sign bit, so that zero keeps its sign.
            let signs = _mm256_slli_epi64::<63>(negative);
            let values = _mm256_xor_pd(values, _mm256_castsi256_pd(signs));
            _mm256_storeu_pd(out.as_mut_ptr(), values);
            seen(_mm256_or_si256(whole_wrong, part_wrong), fits(whole_len), len)
        }
    }
}

/// Integers below 2^52 as floats: as the fraction of a float whose last bit is worth one.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn float(integers: __m256i) -> __m256d {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        let offset = _mm256_set1_pd((1u64 << 52) as f64);
        let bits = _mm256_or_si256(integers, _mm256_castpd_si256(offset));
        _mm256_sub_pd(_mm256_castsi256_pd(bits), offset)
    }
}

/// All bits of each word whose last bytes, as many as `len` says, begin with a minus; none for more than eight.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn minus(words: __m256i, len: __m256i) -> __m256i {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        // A shift by 64 and more gives 0.
        let shift = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64::<3>(len));
        let first = _mm256_and_si256(_mm256_srlv_epi64(words, shift), _mm256_set1_epi64x(0xff));
        _mm256_cmpeq_epi64(first, _mm256_set1_epi64x(i64::from(b'-')))
    }
}

/// All bits of each length of 1 to 8.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn fits(len: __m256i) -> __m256i {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        let above = _mm256_cmpgt_epi64(len, _mm256_setzero_si256());
        _mm256_and_si256(above, _mm256_cmpgt_epi64(_mm256_set1_epi64x(9), len))
    }
}

/// Taken is each word that fits and has no byte with a top bit in `wrong`, missing each of a field without bytes.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn seen(wrong: __m256i, fits: __m256i, len: __m256i) -> Seen {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        let wrong = _mm256_and_si256(wrong, _mm256_set1_epi8(i8::MIN));
        let right = _mm256_cmpeq_epi64(wrong, _mm256_setzero_si256());
        let empty = _mm256_cmpeq_epi64(len, _mm256_setzero_si256());
        let bits = |lanes| _mm256_movemask_pd(_mm256_castsi256_pd(lanes)) as u8;
        Seen { taken: bits(_mm256_and_si256(right, fits)), missing: bits(empty) }
    }
}

/// The values of the last bytes of each word, as many as `len` says, up to 8; a top bit in each byte that is no digit.
///
/// # Safety
/// The features are there.
#[inline(always)]
unsafe fn digits(words: __m256i, len: __m256i) -> (__m256i, __m256i) {
    // SAFETY: arithmetic alone, with the features that the caller has.
    unsafe {
        // Digits become 0 to 9, bytes before the field become leading zeros. A shift by 64 and more gives 0.
        let shift = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64::<3>(len));
        let kept = _mm256_sllv_epi64(_mm256_set1_epi64x(-1), shift);
        let digits = _mm256_and_si256(_mm256_xor_si256(words, _mm256_set1_epi8(0x30)), kept);
        let wrong = _mm256_adds_epu8(digits, _mm256_set1_epi8(0x76));
        // Pairs of digits, fours, and then all eight.
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let high = _mm256_mul_epu32(fours, _mm256_set1_epi64x(10_000));
        (_mm256_add_epi64(high, _mm256_srli_epi64::<32>(fours)), wrong)
    }
}
