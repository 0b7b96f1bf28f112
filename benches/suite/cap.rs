//! A cap on the memory of a process and its children: by the system where it lets us, else by watching.
//!
//! A memory cgroup counts all that the processes allocate, and the pages of files that they are the first to read, which it
//! gives back before it refuses anything. It can be made by root, in version 1 of the interface or 2. Elsewhere the suite
//! adds up what is anonymous in the processes (`RssAnon`) every few milliseconds, and kills them above the cap.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// What keeps processes below so many bytes.
pub struct Cap {
    pub bytes: u64,
    cgroup: Option<Cgroup>,
}

/// A memory cgroup of our own, which goes with this.
struct Cgroup {
    dir: PathBuf,
    version: u8,
}

impl Cap {
    /// By a cgroup if that can be made.
    pub fn new(bytes: u64) -> Cap {
        match Cgroup::new(bytes) {
            Ok(cgroup) => Cap { bytes, cgroup: Some(cgroup) },
            Err(_) => Cap::by_sampling(bytes),
        }
    }

    /// By watching alone.
    pub fn by_sampling(bytes: u64) -> Cap {
        Cap { bytes, cgroup: None }
    }

    /// Who keeps the cap, in words.
    pub fn means(&self) -> String {
        match &self.cgroup {
            Some(cgroup) => format!("a memory cgroup (v{})", cgroup.version),
            None => "sampling of RssAnon".to_owned(),
        }
    }

    /// Whether the processes must be watched.
    pub fn is_sampled(&self) -> bool {
        self.cgroup.is_none()
    }

    /// The same command, under the cap from its first instruction on.
    pub fn confine(&self, command: &Command) -> Command {
        let mut confined;
        match &self.cgroup {
            Some(cgroup) => {
                confined = Command::new("sh");
                confined.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(cgroup.dir.join("cgroup.procs"));
                confined.arg(command.get_program());
            }
            None => confined = Command::new(command.get_program()),
        }
        confined.args(command.get_args());
        confined.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        confined
    }

    /// How many processes the system has killed for the cap.
    pub fn kills(&self) -> u64 {
        let Some(cgroup) = &self.cgroup else { return 0 };
        let file = if cgroup.version == 1 { "memory.oom_control" } else { "memory.events" };
        let text = fs::read_to_string(cgroup.dir.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }
}

impl Cgroup {
    fn new(bytes: u64) -> Result<Cgroup> {
        let (parent, version) = parent().ok_or("there are no memory cgroups")?;
        let dir = parent.join(format!("partita-suite-{}-{bytes}", std::process::id()));
        fs::create_dir(&dir)?;
        let cgroup = Cgroup { dir, version };
        let limit = bytes.to_string();
        match version {
            1 => {
                fs::write(cgroup.dir.join("memory.limit_in_bytes"), &limit)?;
                // Swap as well, where the system counts it.
                _ = fs::write(cgroup.dir.join("memory.memsw.limit_in_bytes"), &limit);
            }
            _ => {
                fs::write(cgroup.dir.join("memory.max"), &limit)?;
                _ = fs::write(cgroup.dir.join("memory.swap.max"), "0");
            }
        }
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    /// Ends what a crashed process left behind, and removes the group.
    fn drop(&mut self) {
        for _ in 0..10 {
            let left = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
            kill(left.lines().filter_map(|pid| pid.parse().ok()));
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        eprintln!("{} could not be removed", self.dir.display());
    }
}

/// The cgroup that ours is to be part of, and the version of the interface: our own, or the root where that is not seen.
fn parent() -> Option<(PathBuf, u8)> {
    let ours = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |prefix: &str| ours.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(prefix));
    let below = |mount: &str, path: Option<&str>| {
        let own = Path::new(mount).join(path.unwrap_or("/").trim_start_matches('/'));
        if own.exists() { own } else { PathBuf::from(mount) }
    };
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    mounts.find_map(|mount| match mount[..] {
        [_, dir, "cgroup", options, ..] if options.split(',').any(|option| option == "memory") => {
            Some((below(dir, path("memory:")), 1))
        }
        [_, dir, "cgroup2", ..] => {
            let controllers = fs::read_to_string(Path::new(dir).join("cgroup.subtree_control")).ok()?;
            // Ours is made at the root: a group that has processes, as our own has, gives no controllers on.
            controllers.split_whitespace().any(|name| name == "memory").then(|| (PathBuf::from(dir), 2))
        }
        _ => None,
    })
}

/// Ends processes at once. Those that have ended meanwhile are passed over.
pub fn kill(pids: impl Iterator<Item = u32>) {
    let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
    if !pids.is_empty() {
        _ = Command::new("kill").arg("-9").args(pids).stderr(std::process::Stdio::null()).status();
    }
}
