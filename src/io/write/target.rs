//! Where rows are written to: checked before the run, filled beside it, named when it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempPath;

use super::WriteError;
use super::staging::Staging;
use crate::error::{Error, ErrorKind, Result};

/// A file or directory that is to be, and the hidden folder beside it that goes when this is dropped.
pub(crate) struct Target {
    /// The path as it was given, for messages and reports.
    given: PathBuf,
    /// The same without links.
    path: PathBuf,
    directory: bool,
    overwrite: bool,
    staging: Staging,
    files: AtomicUsize,
}

/// A complete file of some of the rows. It goes with this, unless it was published.
pub(crate) struct Part {
    path: TempPath,
    pub rows: u64,
    pub bytes: u64,
}

impl Part {
    pub(crate) fn new(path: TempPath, rows: u64) -> io::Result<Part> {
        let bytes = fs::metadata(&path)?.len();
        Ok(Part { path, rows, bytes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Target {
    /// Checks that the target may be written, and makes the folder beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is something of that name, unless it may be replaced; [`ErrorKind::Config`] when it
    /// is or holds one of the `inputs`, or is no path of a file; [`ErrorKind::NotFound`] when its parent does not exist.
    pub(crate) fn open(given: &Path, directory: bool, overwrite: bool, inputs: &[PathBuf]) -> Result<Target> {
        let directory = directory || given.as_os_str().as_encoded_bytes().ends_with(b"/");
        if given.as_os_str() == "-" {
            return Err(Error::new(ErrorKind::Config, "standard output can't be written to as a file")
                .help("a file of the name '-' is './-'; rows for standard output come from Frame::stream"));
        }
        let path = resolve(given)?;
        for input in inputs {
            let input = fs::canonicalize(input).unwrap_or_else(|_| input.clone());
            if input.starts_with(&path) {
                let what = format!("'{}' is where the query reads from", given.display());
                return Err(Error::new(ErrorKind::Config, what)
                    .help("a run reads while it writes: write to another name, and rename it afterwards"));
            }
        }
        check_existing(given, &path, directory, overwrite)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(no_name(given));
        };
        let staging = Staging::create(parent, &name.to_string_lossy()).map_err(|e| WriteError::Io(e).of(given))?;
        Ok(Target { given: given.to_owned(), path, directory, overwrite, staging, files: AtomicUsize::new(0) })
    }

    /// The target as it was asked for.
    pub(crate) fn given(&self) -> &Path {
        &self.given
    }

    /// Whether files are written into a directory of that name.
    pub(crate) fn is_directory(&self) -> bool {
        self.directory
    }

    /// A new file for a part.
    pub(crate) fn new_file(&self) -> io::Result<(File, TempPath)> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.staging.path().join(number.to_string());
        let file = File::create_new(&path)?;
        Ok((file, TempPath::try_from_path(path)?))
    }

    /// Gives a file the target's name.
    pub(crate) fn publish_file(&self, part: Part) -> Result<()> {
        let publish = || -> Result<(), WriteError> {
            if !self.overwrite {
                return match part.path.persist_noclobber(&self.path) {
                    Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.given).into()),
                    other => Ok(other.map_err(|e| e.error)?),
                };
            }
            if let Ok(old) = fs::metadata(&self.path) {
                fs::set_permissions(&part.path, old.permissions())?;
            }
            // The old file goes only when the new one is on the disk.
            File::open(&part.path)?.sync_all()?;
            Ok(part.path.persist(&self.path).map_err(|e| e.error)?)
        };
        publish().map_err(|e| e.of(&self.given))
    }

    /// Gives a directory of these files, each with its place in it, the target's name.
    pub(crate) fn publish_directory(&self, parts: Vec<(String, Part)>) -> Result<()> {
        let publish = || -> Result<(), WriteError> {
            let whole = self.staging.path().join("whole");
            fs::create_dir(&whole)?;
            for (place, part) in parts {
                let place = whole.join(place);
                if let Some(folder) = place.parent() {
                    fs::create_dir_all(folder)?;
                }
                if self.overwrite {
                    File::open(&part.path)?.sync_all()?;
                }
                part.path.persist(place).map_err(|e| e.error)?;
            }
            let aside = self.staging.replaced();
            let replaces = self.overwrite && self.path.exists();
            if replaces {
                // What came to be there during the run is not ours to take away.
                check_existing(&self.given, &self.path, true, true)?;
                fs::rename(&self.path, &aside)?;
            }
            if let Err(error) = fs::rename(&whole, &self.path) {
                if replaces {
                    fs::rename(&aside, &self.path)?;
                }
                return match error.kind() {
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
                        Err(exists(&self.given).into())
                    }
                    _ => Err(error.into()),
                };
            }
            Ok(())
        };
        publish().map_err(|e| e.of(&self.given))
    }
}

/// The path that will have the name in the end: links are followed, so that they stay.
fn resolve(given: &Path) -> Result<PathBuf> {
    if !matches!(given.components().next_back(), Some(Component::Normal(_))) {
        return Err(no_name(given));
    }
    if fs::symlink_metadata(given).is_ok() {
        return fs::canonicalize(given).map_err(|e| WriteError::Io(e).of(given));
    }
    let parent = match given.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("there is no directory '{}' to write into", parent.display()))
                .help("make it first; relative paths start at the working directory")
        }
        _ => WriteError::Io(error).of(given),
    };
    let parent = fs::canonicalize(parent).map_err(missing)?;
    Ok(parent.join(given.file_name().ok_or_else(|| no_name(given))?))
}

fn no_name(given: &Path) -> Error {
    Error::new(ErrorKind::Config, format!("'{}' names no file to write", given.display()))
        .help("give a path that ends in a name, as in out/result.csv")
}

fn exists(given: &Path) -> Error {
    Error::new(ErrorKind::Exists, format!("'{}' exists already", given.display()))
        .help("write to another name, remove it first, or replace it with WriteOptions::overwrite()")
}

/// Refuses a target that something stands in the place of.
fn check_existing(given: &Path, path: &Path, directory: bool, overwrite: bool) -> Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let wrong = |what: &str, help: &str| {
        let what = format!("'{}' {what}", given.display());
        Err(Error::new(ErrorKind::Exists, what).help(help))
    };
    match (metadata.is_dir(), directory) {
        (true, false) => wrong(
            "is a directory",
            "to write a directory of parts, end the path in '/' or use WriteOptions::directory(); else take another name",
        ),
        (false, true) if metadata.is_file() => {
            wrong("is a file, in the place of the directory to write", "take another name, or remove it first")
        }
        (false, _) if !metadata.is_file() => {
            wrong("is no regular file", "devices and pipes can't be replaced by a file: write to a name of its own")
        }
        _ if !overwrite => Err(exists(given)),
        (true, _) => match alien(path).map_err(|e| WriteError::Io(e).of(given))? {
            None => Ok(()),
            Some(alien) => {
                let what = format!("is not replaced, as it holds '{}', which no writer made", alien.display());
                wrong(&what, "take another name, or remove the directory first")
            }
        },
        _ => Ok(()),
    }
}

/// Something in a directory that is neither a part nor a folder of a partition.
fn alien(directory: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() && name.contains('=') {
            if let Some(alien) = alien(&entry.path())? {
                return Ok(Some(alien));
            }
        } else if !kind.is_file() || !name.starts_with("part-") {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
