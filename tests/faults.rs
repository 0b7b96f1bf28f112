//! What goes wrong outside the engine: disks that are full or not there, signals, a process that is killed, closures that
//! panic. Exit codes and messages are clear, nothing is left behind, and the input is as it was.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::Files;
use partita::prelude::*;
use tempfile::TempDir;

const EXE: &str = env!("CARGO_BIN_EXE_partita");

/// Rows in no order, 50 bytes each.
fn numbers(rows: u64) -> Files {
    let mut csv = String::from("id,k,s\n");
    let mut x = 1u64;
    for id in 0..rows {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(csv, "{id},{},the text {x:016x} of {}", x >> 40, id % 10).unwrap();
    }
    Files::new(&[("numbers.csv", csv.as_bytes())])
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

/// The binary, about to sort a file within 16 MiB.
fn sort(files: &Files, spill_dir: &Path) -> Command {
    let mut command = Command::new(EXE);
    let query = format!("SELECT * FROM '{}' ORDER BY k", files.path("numbers.csv").display());
    command.args(["sql", &query, "--format", "csv", "--memory", "16MiB", "--threads", "2", "--partition-size", "4MB"]);
    command.arg("--spill-dir").arg(spill_dir);
    command
}

/// The message of a run that fails with 1 and prints nothing.
fn failure(output: &Output) -> String {
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(output.stdout.is_empty());
    message
}

#[test]
fn a_spent_quota_says_what_is_used_and_where() {
    let (files, spill) = (numbers(400_000), TempDir::new().unwrap());
    let error = failure(&sort(&files, spill.path()).args(["--spill-limit", "1MB"]).output().unwrap());
    let place = spill.path().display().to_string();
    assert!(error.contains("the limit is 1.00 MB") && error.contains(&place), "{error}");
    // Some hundred kB, or so little less than the limit that it is rounded to it.
    let said = error.contains("kB are spilled") || error.contains(": 1.00 MB are spilled");
    assert!(error.contains("--spill-limit") && said, "{error}");
    assert!(is_empty(spill.path()));
    // What is kept in files counts as well.
    let session = Session::builder().memory(16 << 20).partition_size(4 << 20).spill_dir(spill.path());
    let session = session.spill_limit(3_000_000).build().unwrap();
    let df = session.read_csv(files.path("numbers.csv"));
    let error = df.persist().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().starts_with("rows to persist do not fit on disk"), "{error}");
    assert!(is_empty(spill.path()));
    // And is given back.
    let few = df.filter(col("id").lt(1000));
    drop(few.persist().unwrap());
    assert_eq!(few.sort(["k"]).compute().unwrap().num_rows(), 1000);
}

#[test]
fn a_spill_directory_that_is_none_is_named() {
    let (files, spill) = (numbers(400_000), TempDir::new().unwrap());
    let missing = spill.path().join("missing");
    let file = spill.path().join("file");
    fs::write(&file, "a person's").unwrap();
    for (place, why) in [(&missing, "No such file"), (&file, "Not a directory")] {
        let error = failure(&sort(&files, place).output().unwrap());
        assert!(error.contains(&place.display().to_string()) && error.contains("--spill-dir"), "{error}");
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "a person's");
}

#[cfg(unix)]
#[test]
fn a_spill_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (files, spill) = (numbers(400_000), TempDir::new().unwrap());
    fs::set_permissions(spill.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(spill.path().join("try"), "").is_ok() {
        return eprintln!("skipped: this user may write anywhere");
    }
    let error = failure(&sort(&files, spill.path()).output().unwrap());
    assert!(error.contains(&spill.path().display().to_string()) && error.contains("ermission denied"), "{error}");
}

/// A small file system of its own, for as long as this lives.
#[cfg(target_os = "linux")]
struct Mounted(TempDir);

#[cfg(target_os = "linux")]
impl Mounted {
    fn tmpfs(size: &str) -> Option<Mounted> {
        let place = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(place.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Mounted(place))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_what_is_used_and_where() {
    let Some(small) = Mounted::tmpfs("2m") else {
        return eprintln!("skipped: this user may mount nothing");
    };
    let (files, place) = (numbers(400_000), small.0.path());
    let error = failure(&sort(&files, place).output().unwrap());
    assert!(error.contains("error: cannot write a spill file in") && error.contains("No space left"), "{error}");
    assert!(error.contains(&place.display().to_string()) && error.contains("are there"), "{error}");
    // It is a disk in memory, too.
    assert_eq!(error.matches("warning: what does not fit into memory goes to").count(), 1, "{error}");
    assert!(is_empty(place));
    // Outputs: the target is not there, nor anything beside it.
    let df = Session::default().read_csv(files.path("numbers.csv"));
    let error = df.write_csv(place.join("rows.csv")).unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("rows.csv"), "{error}");
    assert!(is_empty(place));
}

#[cfg(target_os = "linux")]
mod signals {
    use std::io::Read;

    use super::*;

    /// Whether a process has a file without a name in a directory.
    fn has_spilled(child: &Child, directory: &Path) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
        let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        links.into_iter().any(|link| link.starts_with(directory))
    }

    fn until(what: impl Fn() -> bool, why: &str) {
        let started = Instant::now();
        while !what() {
            assert!(started.elapsed() < Duration::from_secs(60), "{why}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(child: &Child, name: &str) {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    }

    /// A sort that has begun to spill.
    fn sorting(files: &Files, spill: &TempDir) -> Child {
        let child = sort(files, spill.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let directory = spill.path().canonicalize().unwrap();
        until(|| has_spilled(&child, &directory), "it does not spill");
        child
    }

    #[test]
    fn the_first_signal_stops_the_run_cleanly() {
        let (files, spill) = (numbers(1_500_000), TempDir::new().unwrap());
        let before = fs::read(files.path("numbers.csv")).unwrap();
        for (name, code) in [("INT", 130), ("TERM", 143)] {
            let child = sorting(&files, &spill);
            signal(&child, &format!("-{name}"));
            let output = child.wait_with_output().unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                (output.status.code(), message),
                (Some(code), format!("error: the run was cancelled by SIG{name}\n"))
            );
            assert!(is_empty(spill.path()));
        }
        assert!(fs::read(files.path("numbers.csv")).unwrap() == before, "the input has changed");
    }

    #[test]
    fn a_signal_ends_a_run_whose_reader_does_not_read() {
        let (files, spill) = (numbers(400_000), TempDir::new().unwrap());
        let mut child = sorting(&files, &spill);
        // The first rows are there: all others wait for the pipe.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 100]).unwrap();
        signal(&child, "-INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(is_empty(spill.path()));
    }

    #[test]
    fn a_killed_run_leaves_nothing_to_spill() {
        let (files, spill) = (numbers(1_500_000), TempDir::new().unwrap());
        let mut child = sorting(&files, &spill);
        signal(&child, "-KILL");
        assert_eq!(child.wait().unwrap().code(), None);
        assert!(is_empty(spill.path()));
    }

    /// What the next test starts as a process of its own.
    #[test]
    fn a_writer_to_be_killed() {
        let (Ok(input), Ok(target)) = (std::env::var("WRITER_INPUT"), std::env::var("WRITER_TARGET")) else { return };
        let session = Session::builder().threads(2).partition_size(1 << 20).build().unwrap();
        let _ = session.read_csv(input).sort(["k"]).write_csv(target);
    }

    #[test]
    fn what_a_killed_writer_leaves_goes_with_the_next_write() {
        let (files, out) = (numbers(1_500_000), TempDir::new().unwrap());
        let target = out.path().join("sorted.csv");
        let staged = || -> Vec<_> { fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path()).collect() };
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args(["--exact", "signals::a_writer_to_be_killed"]).stdout(Stdio::null());
        writer.env("WRITER_INPUT", files.path("numbers.csv")).env("WRITER_TARGET", &target);
        let mut child = writer.spawn().unwrap();
        until(|| staged().iter().any(|folder| folder.join("lock").exists()), "it does not write");
        // One that lives is let be.
        let few = Session::default().read_csv(files.path("numbers.csv")).head(3);
        let folder = staged();
        few.write_csv(out.path().join("other.csv")).unwrap();
        fs::remove_file(out.path().join("other.csv")).unwrap();
        signal(&child, "-KILL");
        child.wait().unwrap();
        assert_eq!(staged(), folder, "the writer came to its end before it was killed");
        assert!(!target.exists());
        few.write_csv(&target).unwrap();
        assert_eq!(staged(), [target]);
    }
}

#[test]
fn a_panic_in_a_closure_leaves_nothing() {
    let (files, out, spill) = (numbers(400_000), TempDir::new().unwrap(), TempDir::new().unwrap());
    let session = Session::builder().threads(2).memory(16 << 20).partition_size(1 << 20).spill_dir(spill.path());
    let session = session.build().unwrap();
    let df = session.read_csv(files.path("numbers.csv")).map_partitions(|batch| -> Result<_> {
        assert!(batch.num_rows() < 1000, "no such partition");
        Ok(batch)
    });
    for error in [
        df.sort(["k"]).write_csv(out.path().join("sorted.csv")).unwrap_err(),
        df.write_parquet(out.path().join("rows/")).unwrap_err(),
        df.persist().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
        assert!(error.message().contains("no such partition"), "{error}");
    }
    assert!(is_empty(out.path()) && is_empty(spill.path()));
    // The session goes on.
    let first = session.read_csv(files.path("numbers.csv")).sort(["id"]).head(1).compute().unwrap();
    assert_eq!(first.num_rows(), 1);
}
