//! Asking for lines of the cache before they are needed.

/// Has the line where this begins on its way to the nearest cache, and waits for nothing: unlike a load, which keeps its place in the
/// processor until the line is there. Elsewhere than on x86 it does nothing.
#[inline(always)]
pub(super) fn prefetch<T>(at: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which changes nothing; and the place may be read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
