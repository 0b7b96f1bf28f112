//! How the system's allocator keeps memory that is free.

/// Below this limit, what the allocator keeps for later counts.
const LITTLE: usize = 1 << 29;

/// Has glibc give larger blocks back to the system as soon as they are free, where little memory is allowed. By itself it comes to
/// keep ever larger ones to use again, whose gaps nothing fits: grouping by texts of 8 KB at a limit of 64 MiB took 176 MiB of
/// resident memory, and 80 so. It costs page faults, which is why it is not done always, and what is large goes by the limit: at
/// 300 MiB blocks from 256 KiB on made a merge of many pairs five times as slow.
pub(super) fn give_back_soon(limit: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if limit <= LITTLE {
        let large = (limit / 64).clamp(1 << 18, 1 << 25) as libc::c_int;
        // SAFETY: sets numbers in the allocator, which it reads under its lock; other values than it takes are refused.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, large);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * large);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (limit, LITTLE);
}
