//! The kernels for AVX-512 and AVX2, chosen at run time.
//!
//! Each is compiled as one function with its target features, so that the whole loop is inlined into it.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::{FieldIndex, Kernel, State, index_blocks};
use crate::io::csv::dialect::Plain;

pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("popcnt")
}

pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt")
}

/// Call only where [`has_avx512`] holds.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,popcnt")]
pub(super) fn index_avx512(out: &mut FieldIndex, data: &[u8], state: State, dialect: Plain) -> State {
    index_blocks(Avx512, out, data, state, dialect)
}

/// Call only where [`has_avx2`] holds.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(super) fn index_avx2(out: &mut FieldIndex, data: &[u8], state: State, dialect: Plain) -> State {
    index_blocks(Avx2, out, data, state, dialect)
}

#[derive(Clone, Copy)]
struct Avx512;

impl Kernel for Avx512 {
    #[inline(always)]
    fn equal(self, block: &[u8; 64], byte: u8) -> u64 {
        // SAFETY: inlined only into `index_avx512`, whose callers saw the features; the load is of 64 bytes.
        unsafe {
            let bytes = _mm512_loadu_si512(block.as_ptr().cast());
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8))
        }
    }

    #[inline(always)]
    fn append(self, mask: u64, base: u32, out: &mut Vec<u32>) {
        const PLACES: [u8; 64] = {
            let mut places = [0; 64];
            let mut i = 0;
            while i < 64 {
                places[i] = i as u8;
                i += 1;
            }
            places
        };
        out.reserve(64);
        let (len, count) = (out.len(), mask.count_ones() as usize);
        // SAFETY: features as above. Four stores of 16 numbers reach at most 64 behind `len`, which were reserved;
        // the first `count` of them are written before the length says so (stores go on until `count` is covered).
        unsafe {
            let places = _mm512_loadu_si512(PLACES.as_ptr().cast());
            let packed = _mm512_maskz_compress_epi8(mask, places);
            let base = _mm512_set1_epi32(base as i32);
            let to = out.as_mut_ptr().add(len);
            put(_mm512_castsi512_si128(packed), base, to);
            if count > 16 {
                put(_mm512_extracti32x4_epi32::<1>(packed), base, to.add(16));
                if count > 32 {
                    put(_mm512_extracti32x4_epi32::<2>(packed), base, to.add(32));
                    put(_mm512_extracti32x4_epi32::<3>(packed), base, to.add(48));
                }
            }
            out.set_len(len + count);
        }
    }
}

/// Writes sixteen places, widened and moved by `base`.
///
/// # Safety
/// The processor has AVX-512F, and `to` has room for 16 numbers.
#[inline(always)]
unsafe fn put(places: __m128i, base: __m512i, to: *mut u32) {
    // SAFETY: the caller's promise.
    unsafe { _mm512_storeu_si512(to.cast(), _mm512_add_epi32(_mm512_cvtepu8_epi32(places), base)) }
}

#[derive(Clone, Copy)]
struct Avx2;

impl Kernel for Avx2 {
    #[inline(always)]
    fn equal(self, block: &[u8; 64], byte: u8) -> u64 {
        // SAFETY: inlined only into `index_avx2`, whose callers saw the features; the loads are of 32 bytes each.
        unsafe {
            let byte = _mm256_set1_epi8(byte as i8);
            let low = _mm256_loadu_si256(block.as_ptr().cast());
            let high = _mm256_loadu_si256(block.as_ptr().add(32).cast());
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, byte)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, byte)) as u32;
            u64::from(low) | u64::from(high) << 32
        }
    }

    #[inline(always)]
    fn append(self, mask: u64, base: u32, out: &mut Vec<u32>) {
        out.reserve(64);
        let (len, count) = (out.len(), mask.count_ones() as usize);
        // SAFETY: features as above. Before the last of eight steps at most 56 numbers are there, and each writes eight: no
        // more than the 64 that were reserved. All `count` are written before the length says so.
        unsafe {
            let mut to = out.as_mut_ptr().add(len);
            // Every byte of the mask, whatever is in it: no branch, and no step waits for the bits before it.
            for (nth, byte) in mask.to_le_bytes().into_iter().enumerate() {
                let places = _mm_loadl_epi64(PLACES[byte as usize].as_ptr().cast());
                let base = _mm256_set1_epi32(base.wrapping_add(8 * nth as u32) as i32);
                _mm256_storeu_si256(to.cast(), _mm256_add_epi32(_mm256_cvtepu8_epi32(places), base));
                to = to.add(byte.count_ones() as usize);
            }
            out.set_len(len + count);
        }
    }
}

/// The places of the bits that are set in a byte.
static PLACES: [[u8; 8]; 256] = {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][count] = bit;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
};
