//! How the system's allocator keeps memory that is free.

/// Below this limit, what the allocator keeps for later counts.
const LITTLE: usize = 1 << 29;

/// Has glibc give larger blocks back to the system as soon as they are free, where little memory is allowed. By itself it comes to
/// keep ever larger ones to use again, whose gaps nothing fits: grouping by texts of 8 KB at a limit of 64 MiB took 176 MiB of
/// resident memory, and 80 so. It costs page faults (a third more time on a median that spills), which is why it is not done always.
pub(super) fn give_back_soon(limit: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if limit <= LITTLE {
        // SAFETY: sets a number in the allocator, which it reads under its lock; other values than it takes are refused.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 18) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (limit, LITTLE);
}
