//! The binary in a real memory cgroup of 256 MiB: it comes to its end, its answers are those of a run without limits, and
//! what it holds, sampled from outside, stays near the limit that it was given.
#![cfg(target_os = "linux")]

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

const EXE: &str = env!("CARGO_BIN_EXE_partita");

/// Beyond half of the cgroup, so that reading is lean, and decoded beyond the limit.
const ROWS: u64 = 3_000_000;

const CGROUP: u64 = 256 << 20;
const LIMIT: u64 = 160 << 20;
/// What the process may take beside: code, stacks, what the allocator keeps.
const SLACK: u64 = 64 << 20;

/// What is run, and whether it must spill to end at all. Merges belong here as soon as they spill and SQL has them.
const CASES: &[(&str, &str, bool)] = &[
    ("a filter", "SELECT id, s FROM '{}' WHERE k < 1000", false),
    ("few groups", "SELECT id % 100 AS g, count(*) AS n, sum(k) AS s FROM '{}' GROUP BY g", false),
    ("the first of a sort", "SELECT * FROM '{}' ORDER BY k DESC, id LIMIT 10", false),
    ("all rows, printed", "SELECT * FROM '{}'", true),
    ("many groups", "SELECT k, count(*) AS n, sum(id) AS s FROM '{}' GROUP BY k", true),
    ("a sort", "SELECT * FROM '{}' ORDER BY k, id DESC", true),
];

/// A cgroup for as long as this lives.
struct Group(PathBuf);

impl Group {
    /// Why there is none, where there can't be one.
    fn new() -> Result<Group, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|e| e.to_string())?;
        let name = format!("partita-test-{}", std::process::id());
        let mut why = "no memory cgroup is mounted".to_owned();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let (root, limit) = match controllers {
                "" => ("/sys/fs/cgroup", "memory.max"),
                _ if controllers.split(',').any(|c| c == "memory") => {
                    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
                }
                _ => continue,
            };
            // Where the path is the host's, only its root is mounted here.
            for parent in [Path::new(root).join(path.trim_start_matches('/')), root.into()] {
                let group = parent.join(&name);
                if let Err(error) = fs::create_dir(&group) {
                    why = format!("'{}' can't be made: {error}", group.display());
                    continue;
                }
                let group = Group(group);
                match fs::write(group.0.join(limit), CGROUP.to_string()) {
                    Ok(()) => return Ok(group),
                    Err(error) => why = format!("no limit can be set in '{}': {error}", group.0.display()),
                }
            }
        }
        Err(why)
    }

    /// Runs the binary in it, its output into a file. Gives the exit code, stderr, and the most anonymous memory that was seen.
    fn run(&self, args: &[&str], out: &Path) -> (Option<i32>, String, u64) {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.0).arg(EXE).args(args);
        let errors = tempfile::NamedTempFile::new().unwrap();
        command.stdout(File::create(out).unwrap()).stderr(errors.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let mut most = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            let about = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let anonymous = about.lines().find_map(|line| line.strip_prefix("RssAnon:")).and_then(|rest| {
                let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
                Some(kib * 1024)
            });
            most = most.max(anonymous.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(2));
        };
        (status.code(), fs::read_to_string(errors.path()).unwrap(), most)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        _ = fs::remove_dir(&self.0);
    }
}

/// How many bytes of a file are in the page cache, where there is a program that tells.
fn cached(file: &Path) -> Option<u64> {
    let output =
        Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(file).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn numbers(directory: &Path) -> PathBuf {
    let mut csv = String::from("id,k,s\n");
    let mut x = 1u64;
    for id in 0..ROWS {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(csv, "{id},{},the text {x:016x} of {}", x >> 40, id % 10).unwrap();
    }
    let file = directory.join("numbers.csv");
    fs::write(&file, csv).unwrap();
    // What is not on the disk yet can't leave the page cache.
    File::open(&file).unwrap().sync_all().unwrap();
    file
}

#[test]
fn runs_end_within_a_small_cgroup() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    // On the disk of the sources: a temporary directory in memory would count against the cgroup.
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (file, spill) = (numbers(directory.path()), TempDir::new_in(directory.path()).unwrap());
    let bytes = fs::metadata(&file).unwrap().len();
    assert!(bytes > CGROUP / 2);
    let (free, limited) = (directory.path().join("free"), directory.path().join("limited"));
    for &(what, query, spills) in CASES {
        let query = query.replace("{}", &file.display().to_string());
        let sql = ["sql", &query, "--format", "csv", "--threads", "2", "--partition-size", "16MB"];
        let output = Command::new(EXE).args(sql).stdout(File::create(&free).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let before = cached(&file);

        let within = ["--memory", "160MiB", "--stats", "--spill-dir", spill.path().to_str().unwrap()];
        let (code, message, most) = group.run(&[&sql[..], &within].concat(), &limited);
        assert_eq!(code, Some(0), "{what}: {message}");
        assert!(fs::read(&limited).unwrap() == fs::read(&free).unwrap(), "{what}: another answer");
        println!("{what}: {most} bytes at most\n{message}");
        assert!((1 << 20..=LIMIT + SLACK).contains(&most), "{what}: {most} bytes at most\n{message}");
        assert_eq!(!message.contains("spilled      nothing"), spills, "{what}: {message}");
        assert!(fs::read_dir(spill.path()).unwrap().next().is_none(), "{what}");
        // A run on a machine that has room enough leaves the file where the next one finds it; in the cgroup it is large.
        match (before, cached(&file)) {
            (Some(before), Some(after)) => {
                assert!(before > bytes / 2 && after < bytes / 4, "{what}: {before}, then {after} of {bytes} cached");
            }
            _ => println!("what is cached is not checked: there is no fincore"),
        }
    }
}
