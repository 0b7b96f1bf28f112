//! What the machine, or the container we are in, allows: the defaults of threads and memory.

use std::path::Path;

/// What we take a machine to have that does not say (systems other than Linux): 4 GiB.
const UNKNOWN_MEMORY: u64 = 4 << 30;

/// The threads that may run at the same time.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// 60 % of the memory that we may have; the rest is for the system's file cache, for other processes, and for what no
/// budget counts.
pub(super) fn default_memory() -> usize {
    usize::try_from(memory() / 10 * 6).unwrap_or(usize::MAX)
}

/// The memory that we may have.
pub(super) fn memory() -> u64 {
    allowed_memory(|path| std::fs::read_to_string(path).ok()).unwrap_or(UNKNOWN_MEMORY)
}

/// The least of what the machine has and what the control groups, from ours up to the root, allow.
/// `read` gives the text of a file, if there is such a file.
fn allowed_memory(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total_memory(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(memory_group).flat_map(|(mount, group, file)| {
        // In a container the path may be the host's, of which only the upper end is mounted: what isn't there sets no
        // limit.
        let ways = Path::new(group.trim_start_matches('/')).ancestors();
        ways.filter_map(|way| read(&Path::new(mount).join(way).join(file))?.trim().parse().ok()).collect::<Vec<u64>>()
    });
    limits.chain(machine).min()
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Of a line of /proc/self/cgroup, `hierarchy:controllers:path`: where limits of memory are mounted, our group there,
/// and the file that says the limit. None for lines about anything else. (A v2 limit that isn't set reads `max`, a v1
/// one as a huge number.)
fn memory_group(line: &str) -> Option<(&'static str, &str, &'static str)> {
    let mut fields = line.splitn(3, ':');
    match (fields.next()?, fields.next()?, fields.next()?) {
        ("0", "", group) => Some(("/sys/fs/cgroup", group, "memory.max")),
        (_, controllers, group) if controllers.split(',').any(|c| c == "memory") => {
            Some(("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          100 kB\n";
    const MACHINE: u64 = 8_000_000 * 1024;

    fn allowed(files: &[(&str, &str)]) -> Option<u64> {
        allowed_memory(|path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn no_limit_but_the_machine() {
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO)]), Some(MACHINE));
        assert_eq!(allowed(&[]), None);
        assert_eq!(allowed(&[("/proc/meminfo", "MemTotal: lots\n"), ("/proc/self/cgroup", "nonsense\n\n:::\n")]), None);
    }

    #[test]
    fn version_2_limits_on_the_whole_path() {
        let group = ("/proc/self/cgroup", "0::/user.slice/job.scope\n");
        let own = ("/sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n");
        let above = ("/sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), group, own, above]), Some(1 << 30));
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), group, own]), Some(MACHINE));
        let tighter = ("/sys/fs/cgroup/user.slice/job.scope/memory.max", "1000\n");
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), group, tighter, above]), Some(1000));
    }

    #[test]
    fn a_container_sees_its_own_root() {
        let root = ("/sys/fs/cgroup/memory.max", "2000000\n");
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/\n"), root]), Some(2_000_000));

        // Version 1: the host's path, of which nothing is mounted here but the root.
        let groups = ("/proc/self/cgroup", "12:cpu,cpuacct:/docker/ab\n5:memory:/docker/ab\n0::/docker/ab\n");
        let limit = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), groups, limit]), Some(3_000_000));
        let unset = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(allowed(&[("/proc/meminfo", MEMINFO), groups, unset]), Some(MACHINE));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(threads() >= 1);
        assert!(default_memory() > 0);
    }
}
