//! How the system's allocator keeps memory that is free.

/// Below this limit, what the allocator keeps for later counts.
const LITTLE: usize = 1 << 29;

/// From this limit on it does not, up to half as much.
const MUCH: usize = 1 << 31;

/// Has glibc give larger blocks back to the system as soon as they are free, where little memory is allowed. By itself it comes to
/// keep ever larger ones to use again, whose gaps nothing fits: grouping by texts of 8 KB at a limit of 64 MiB took 176 MiB of
/// resident memory, and 80 so. It costs page faults, which is why it is not done always, and what is large goes by the limit: at
/// 300 MiB blocks from 256 KiB on made a merge of many pairs five times as slow.
///
/// Where much is allowed, blocks of up to 32 MiB and what is free are kept: to have them from the system again and again took a sixth of
/// the time of sorting 56 million rows.
pub(super) fn keep_within(limit: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if limit <= LITTLE || limit >= MUCH {
        let large = if limit <= LITTLE { (limit / 64).clamp(1 << 18, 1 << 25) } else { 1 << 25 };
        let kept = if limit <= LITTLE { 2 * large } else { MUCH / 2 };
        // SAFETY: sets numbers in the allocator, which it reads under its lock; other values than it takes are refused.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, large as libc::c_int);
            libc::mallopt(libc::M_TRIM_THRESHOLD, kept as libc::c_int);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (limit, LITTLE, MUCH);
}
