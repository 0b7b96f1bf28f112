//! The hidden folder beside a target in which files are written until they are whole.
//!
//! It goes when the writer is dropped. A writer that is killed leaves it behind; so it holds a file `lock`, locked for as long as
//! the writer lives, and the next writer beside it sweeps those whose lock is free.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How the names of all such folders end.
const SUFFIX: &str = ".partita";

/// The name of the locked file.
const LOCK: &str = "lock";

/// Where the directory lies that is about to be replaced.
const REPLACED: &str = "replaced";

/// A folder of this process.
pub(super) struct Staging {
    /// Closed before the folder is removed.
    _lock: File,
    folder: TempDir,
}

impl Staging {
    /// Makes a folder for a target of this name, after those that dead writers of such a target left.
    pub(super) fn create(parent: &Path, name: &str) -> io::Result<Staging> {
        let prefix = format!(".{}.", name.chars().take(40).collect::<String>());
        // What can't be swept is only in nobody's way.
        _ = sweep(parent, &prefix);
        let folder = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempdir_in(parent)?;
        let unlocked = folder.path().join("unlocked");
        let lock = File::create_new(&unlocked)?;
        // It gets its name when it is locked: nobody ever sees it free while its owner lives. A file system without locks
        // has folders that are never swept.
        if lock.lock().is_ok() {
            fs::rename(unlocked, folder.path().join(LOCK))?;
        }
        Ok(Staging { _lock: lock, folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the directory goes that is replaced, until the new one is in its place.
    pub(super) fn replaced(&self) -> PathBuf {
        self.path().join(REPLACED)
    }
}

/// Removes folders whose writers are dead.
fn sweep(parent: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with(prefix) || !name.to_string_lossy().ends_with(SUFFIX) {
            continue;
        }
        let folder = entry.path();
        // Killed between two renames, a writer leaves in there the only copy of what it was to replace: a person decides.
        if !entry.file_type()?.is_dir() || folder.join(REPLACED).exists() {
            continue;
        }
        let Ok(lock) = File::open(folder.join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => _ = fs::remove_dir_all(&folder),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_the_dead_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let make = |folder: &str, files: &[&str]| {
            let folder = parent.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            files.iter().for_each(|file| fs::write(folder.join(file), "rows").unwrap());
            folder
        };
        let living = Staging::create(parent.path(), "out.csv").unwrap();
        let dead = make(".out.csv.abcdef.partita", &["lock", "0", "1"]);
        let replacing = make(".out.csv.ghijkl.partita", &["lock", "replaced"]);
        let without_lock = make(".out.csv.mnopqr.partita", &["0"]);
        let others =
            [".else.abcdef.partita", ".out.csv.abcdef", "out.csv.abcdef.partita"].map(|name| make(name, &["lock"]));
        fs::write(parent.path().join(".out.csv.file.partita"), "a file of a person's").unwrap();

        let next = Staging::create(parent.path(), "out.csv").unwrap();
        assert!(!dead.exists());
        for stays in [&[replacing, without_lock][..], &others].concat() {
            assert!(stays.is_dir(), "{stays:?}");
        }
        assert!(parent.path().join(".out.csv.file.partita").is_file());
        assert!(living.path().join("lock").is_file() && next.path().join("lock").is_file());

        // What it held is swept once its lock is free, were it not for its drop.
        let (path, left) = (living.path().to_owned(), parent.path().join(".out.csv.killed.partita"));
        fs::rename(path, &left).unwrap();
        drop(Staging::create(parent.path(), "out.csv").unwrap());
        assert!(left.is_dir());
        drop(living);
        drop(Staging::create(parent.path(), "out.csv").unwrap());
        assert!(!left.exists());
    }
}
