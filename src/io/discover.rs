//! From patterns and paths to the files that are read.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Position, Result};

/// Which files to read: a pattern or path, or a list of them.
///
/// A text with `*`, `?` or `[` is a glob, whose matches come sorted; an existing file of just that name goes first. As in
/// a shell, a wildcard does not match the dot of a hidden file; `**` stands for folders at any depth, and a file that it
/// finds on several ways, through links, is read once. A glob finds names in UTF-8 only: others can be given as paths.
/// In a list the order of the list is kept. Made by `into()` from `&str`, `String`, paths, and arrays, slices and vectors of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(Vec<PathBuf>);

macro_rules! paths_from {
    ($($one:ty),*) => {$(
        impl From<$one> for Paths {
            fn from(path: $one) -> Paths {
                Paths(vec![path.into()])
            }
        }
    )*};
}
paths_from!(&str, &String, String, &Path, &PathBuf, PathBuf);

impl<P: Into<PathBuf>> From<Vec<P>> for Paths {
    fn from(paths: Vec<P>) -> Paths {
        Paths(paths.into_iter().map(Into::into).collect())
    }
}

impl<P: Into<PathBuf>, const N: usize> From<[P; N]> for Paths {
    fn from(paths: [P; N]) -> Paths {
        Paths(paths.into_iter().map(Into::into).collect())
    }
}

impl<P: Clone + Into<PathBuf>> From<&[P]> for Paths {
    fn from(paths: &[P]) -> Paths {
        Paths(paths.iter().cloned().map(Into::into).collect())
    }
}

impl std::fmt::Display for Paths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, path) in self.0.iter().enumerate() {
            match i {
                0 => write!(f, "\"{}\"", path.display())?,
                3 if self.0.len() > 4 => return write!(f, ", … {} more", self.0.len() - 3),
                _ => write!(f, ", \"{}\"", path.display())?,
            }
        }
        Ok(())
    }
}

/// A file as it was found: reading it later checks that it has not changed its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    pub path: PathBuf,
    pub bytes: u64,
}

/// The files behind patterns and paths, in order.
///
/// # Errors
/// [`ErrorKind::NotFound`] when a pattern or path matches nothing, [`ErrorKind::Config`] for an ill-formed pattern or
/// an empty list, [`ErrorKind::Io`] for a directory or what the system refuses.
pub(crate) fn discover(paths: &Paths) -> Result<Vec<InputFile>> {
    if paths.0.is_empty() {
        return Err(Error::new(ErrorKind::Config, "the list of files is empty").help("name one file at least"));
    }
    let mut files = Vec::new();
    for path in &paths.0 {
        match path.to_str() {
            Some(text) if text.contains(['*', '?', '[']) && !path.exists() => files.extend(matches(text)?),
            _ => files.push(path.clone()),
        }
    }
    files.into_iter().map(probe).collect()
}

/// The sorted matches of a glob.
fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(pattern, options).map_err(|e| {
        Error::new(ErrorKind::Config, format!("'{pattern}' is no pattern"))
            .caused_by(e)
            .help("in a pattern, * stands for any text, ? for one character, [ab] for one of these, ** for folders")
    })?;
    let (mut files, mut seen) = (Vec::new(), HashSet::new());
    for entry in found {
        let path = match entry {
            // Folders that link to one above them lead round and round until the system refuses: all that is there
            // was found before.
            Err(e) if pattern.contains("**") && e.path().ancestors().any(Path::is_symlink) => continue,
            entry => entry.map_err(|e| io_error(e.path(), e.error()))?,
        };
        // `**` goes through links to folders, and may come to a file twice.
        if pattern.contains("**") && !seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
            continue;
        }
        // A pattern such as `data/*` means files; folders beside them are no mistake.
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("no file matches '{pattern}'")).help(
            match nearest_folder(pattern) {
                Some(folder) => format!("look into '{}', which exists", folder.display()),
                None => "relative patterns start at the working directory".to_owned(),
            },
        ));
    }
    files.sort();
    Ok(files)
}

/// The deepest folder that exists before the first wildcard.
fn nearest_folder(pattern: &str) -> Option<PathBuf> {
    let fixed = &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())];
    Path::new(fixed).ancestors().find(|p| !p.as_os_str().is_empty() && p.is_dir()).map(|p| p.components().collect())
}

fn probe(path: PathBuf) -> Result<InputFile> {
    let metadata = fs::metadata(&path).map_err(|e| io_error(&path, &e))?;
    if metadata.is_dir() {
        return Err(Error::new(ErrorKind::Io, format!("'{}' is a directory", path.display()))
            .help(format!("name its files, as in '{}'", path.join("*.csv").display())));
    }
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Io, format!("'{}' is no regular file", path.display()))
            .help("pipes and devices can't be read in partitions: write the data to a file first"));
    }
    // Permission comes out now, not in the middle of a run.
    fs::File::open(&path).map_err(|e| io_error(&path, &e))?;
    Ok(InputFile { bytes: metadata.len(), path })
}

/// What the system said about a file.
pub(crate) fn io_error(path: &Path, error: &io::Error) -> Error {
    let position = Position { file: path.to_path_buf(), ..Position::default() };
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("there is no file '{}'", path.display()))
            .help("check the spelling; relative paths start at the working directory"),
        io::ErrorKind::PermissionDenied => Error::new(ErrorKind::Io, "no permission to read the file")
            .at(position)
            .help("ask its owner, or check its mode"),
        _ => Error::new(ErrorKind::Io, format!("can't read the file: {error}")).at(position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_sorted_and_lists_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt"] {
            fs::write(dir.path().join(name), "x\n1\n").unwrap();
        }
        fs::create_dir(dir.path().join("d.csv")).unwrap();
        let glob = dir.path().join("*.csv");
        let found = discover(&(&glob).into()).unwrap();
        assert_eq!(found.iter().map(|f| f.path.file_name().unwrap()).collect::<Vec<_>>(), ["a.csv", "b.csv"]);
        assert_eq!(found[0].bytes, 4);
        let list = [dir.path().join("c.txt"), dir.path().join("a.csv")];
        assert_eq!(discover(&list.clone().into()).unwrap().into_iter().map(|f| f.path).collect::<Vec<_>>(), list);
    }

    #[cfg(unix)]
    #[test]
    fn hidden_files_and_second_ways_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("s")).unwrap();
        for name in ["a.csv", ".hidden.csv", "s/b.csv"] {
            fs::write(dir.path().join(name), "x\n1\n").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("s/up")).unwrap();
        let names = |glob: &str| {
            let found = discover(&dir.path().join(glob).into()).unwrap();
            found.into_iter().map(|f| f.path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("*.csv"), ["a.csv"]);
        assert_eq!(names("**/*.csv"), ["a.csv", "b.csv"]);
    }

    #[test]
    fn a_file_with_a_wildcard_in_its_name_is_itself() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a[1].csv");
        fs::write(&odd, "x\n").unwrap();
        assert_eq!(discover(&(&odd).into()).unwrap()[0].path, odd);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let none = discover(&dir.path().join("*.csv").into()).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
        assert!(none.to_string().contains(&format!("look into '{}'", dir.path().display())), "{none}");
        assert_eq!(discover(&dir.path().join("a.csv").into()).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(discover(&dir.path().into()).unwrap_err().message().ends_with("is a directory"));
        assert_eq!(discover(&Paths(vec![])).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(discover(&"a[".into()).unwrap_err().kind(), ErrorKind::Config);
    }
}
