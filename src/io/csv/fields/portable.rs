//! The kernel for any machine, and the safe twin of the others.

use super::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn equal(self, block: &[u8; 64], byte: u8) -> u64 {
        // Eight bytes at a time: a byte of `zero` is 0x80 where the word has `byte`, and the multiplication
        // gathers those eight bits into the top byte.
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let pattern = u64::from_ne_bytes([byte; 8]);
        let mut mask = 0;
        let (words, _) = block.as_chunks::<8>();
        for (i, word) in words.iter().enumerate() {
            let x = u64::from_le_bytes(*word) ^ pattern;
            let zero = !(((x & LOW) + LOW) | x | LOW);
            mask |= ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
        }
        mask
    }

    #[inline(always)]
    fn append(self, mut mask: u64, base: u32, out: &mut Vec<u32>) {
        out.reserve(64);
        while mask != 0 {
            out.push(base + mask.trailing_zeros());
            mask &= mask - 1;
        }
    }
}
