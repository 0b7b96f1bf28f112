//! From patterns and paths to the files that are read, and what is read like a file: standard input, bytes in memory.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::read_at::Input;
use super::spool::Spool;
use crate::error::{Error, ErrorKind, Position, Result};

/// What to read: a path or a pattern, standard input, bytes in memory, or a list of these.
///
/// A text with `*`, `?` or `[` is a glob, whose matches come sorted; an existing file of just that name goes first. As in
/// a shell, a wildcard does not match the dot of a hidden file; `**` stands for folders at any depth, and a file that it
/// finds on several ways, through links, is read once. A glob finds names in UTF-8 only: others can be given as paths.
/// In a list the order of the list is kept. Made by `into()` from `&str`, `String`, paths, and arrays, slices and vectors of these;
/// what is no path is put among others by `collect()`.
///
/// `-` is standard input, as for [`Paths::stdin`]; a file of that name is `./-`.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::{Paths, prelude::*};
/// let more = Paths::bytes("2019", "t,i,j,k,v,q\n2019,4,8,10121,1.5,2\n");
/// let paths: Paths = [Paths::from("testdata/baci/BACI_HS12_Y*.csv"), more].into_iter().collect();
/// let last = read_csv(paths).agg([col("t").max()]).compute()?;
/// # use arrow::{array::AsArray, datatypes::Int64Type};
/// assert_eq!(last.column("t")?.as_primitive::<Int64Type>().value(0), 2019);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Paths(Vec<Entry>);

#[derive(Clone, PartialEq, Eq)]
enum Entry {
    /// A path or a pattern.
    Path(PathBuf),
    Stdin,
    Bytes {
        name: String,
        bytes: Bytes,
    },
}

impl Paths {
    /// Standard input, read to its end when the frame is made and kept in an unlinked file in the session's directory for spill
    /// files, so that it can be read in partitions and any number of times. Errors call it `<stdin>`. It can be read by one
    /// frame only: one made later finds it empty.
    ///
    /// ```no_run
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let df = read_csv(Paths::stdin());
    /// println!("{}", df.head(10).compute()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdin() -> Paths {
        Paths(vec![Entry::Stdin])
    }

    /// Bytes in memory (`Vec<u8>`, `String`, `&'static str`, `bytes::Bytes`), read as a file of this name would be. They are
    /// shared by all that read them, never copied as a whole, and do not count for the session's memory limit.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let table = read_csv(Paths::bytes("ports", "port,country\nAntwerp,BE\nRotterdam,NL\n")).compute()?;
    /// assert_eq!(table.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Paths {
        Paths(vec![Entry::Bytes { name: name.into(), bytes: bytes.into() }])
    }
}

impl Entry {
    fn of(path: PathBuf) -> Entry {
        // Path("-") == Path("-/"), which is a folder.
        if path.as_os_str() == "-" { Entry::Stdin } else { Entry::Path(path) }
    }
}

macro_rules! paths_from {
    ($($one:ty),*) => {$(
        impl From<$one> for Paths {
            fn from(path: $one) -> Paths {
                Paths(vec![Entry::of(path.into())])
            }
        }
    )*};
}
paths_from!(&str, &String, String, &Path, &PathBuf, PathBuf);

impl<P: Into<PathBuf>> From<Vec<P>> for Paths {
    fn from(paths: Vec<P>) -> Paths {
        Paths(paths.into_iter().map(|path| Entry::of(path.into())).collect())
    }
}

impl<P: Into<PathBuf>, const N: usize> From<[P; N]> for Paths {
    fn from(paths: [P; N]) -> Paths {
        Paths(paths.into_iter().map(|path| Entry::of(path.into())).collect())
    }
}

impl<P: Clone + Into<PathBuf>> From<&[P]> for Paths {
    fn from(paths: &[P]) -> Paths {
        Paths::from(paths.to_vec())
    }
}

impl<P: Into<Paths>> FromIterator<P> for Paths {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Paths {
        Paths(paths.into_iter().flat_map(|paths| paths.into().0).collect())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Path(path) => write!(f, "\"{}\"", path.display()),
            Entry::Stdin => f.write_str(STDIN),
            Entry::Bytes { name, bytes } => write!(f, "\"{name}\" ({} bytes in memory)", bytes.len()),
        }
    }
}

impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.0.iter().enumerate() {
            match i {
                0 => write!(f, "{entry}")?,
                3 if self.0.len() > 4 => return write!(f, ", … {} more", self.0.len() - 3),
                _ => write!(f, ", {entry}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Paths {
    /// Names; not the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Paths({self})")
    }
}

/// How messages call standard input.
const STDIN: &str = "<stdin>";

/// A file as it was found, or what is read like one: reading it later checks that it has not changed its size.
#[derive(Debug, Clone)]
pub(crate) struct InputFile {
    /// The path as it was given or expanded; of what is no file, a name for messages.
    pub path: PathBuf,
    pub bytes: u64,
    /// What is not opened by its path.
    held: Option<Input>,
}

impl InputFile {
    /// What stands in for a file of this name.
    pub(crate) fn held(path: PathBuf, input: Input) -> Result<InputFile> {
        let bytes = input.len().map_err(|e| io_error(&path, &e))?;
        Ok(InputFile { path, bytes, held: Some(input) })
    }

    /// Opens it. Files are opened anew by each reader: any number can be known, few are open.
    ///
    /// # Errors
    /// What the system says, and a size that is not what it was when the file was found.
    pub(crate) fn open(&self) -> Result<Input> {
        if let Some(input) = &self.held {
            return Ok(input.clone());
        }
        let opened = fs::File::open(&self.path).map(|file| Input::File(Arc::new(file)));
        let found = opened.and_then(|input| Ok((input.len()?, input)));
        let (bytes, input) = found.map_err(|e| io_error(&self.path, &e))?;
        if bytes == self.bytes { Ok(input) } else { Err(self.changed(bytes)) }
    }

    /// The error of a file that has now `found` bytes.
    pub(crate) fn changed(&self, found: u64) -> Error {
        let expected = self.bytes;
        Error::new(ErrorKind::Io, format!("the file changed during the run: it had {expected} bytes, now {found}"))
            .at(Position { file: self.path.clone(), ..Position::default() })
            .help("run again once nobody writes to it")
    }
}

/// The files behind patterns and paths, in order. What can be read only once is kept in `spool`.
///
/// # Errors
/// [`ErrorKind::NotFound`] when a pattern or path matches nothing, [`ErrorKind::Config`] for an ill-formed pattern,
/// an empty list or standard input named twice, [`ErrorKind::Io`] for a directory or what the system refuses.
pub(crate) fn discover(paths: &Paths, spool: &mut Spool) -> Result<Vec<InputFile>> {
    if paths.0.is_empty() {
        return Err(Error::new(ErrorKind::Config, "the list of files is empty").help("name one file at least"));
    }
    if paths.0.iter().filter(|&entry| *entry == Entry::Stdin).count() > 1 {
        return Err(Error::new(ErrorKind::Config, "standard input is named twice, and can be read once")
            .help("a file of the name '-' is './-'"));
    }
    let mut files = Vec::new();
    for entry in &paths.0 {
        match entry {
            Entry::Path(path) => match path.to_str() {
                Some(text) if text.contains(['*', '?', '[']) && !path.exists() => {
                    for path in matches(text)? {
                        files.push(probe(path)?);
                    }
                }
                _ => files.push(probe(path.clone())?),
            },
            Entry::Stdin => {
                let input = spool.copy(&mut io::stdin().lock())?.map_err(|e| io_error(Path::new(STDIN), &e))?;
                files.push(InputFile::held(STDIN.into(), input)?);
            }
            Entry::Bytes { name, bytes } => files.push(InputFile::held(name.into(), Input::Memory(bytes.clone()))?),
        }
    }
    Ok(files)
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
            .help("pipes and devices can't be read in partitions: write the data to a file, or give it as standard input, '-'"));
    }
    // Permission comes out now, not in the middle of a run.
    fs::File::open(&path).map_err(|e| io_error(&path, &e))?;
    Ok(InputFile { bytes: metadata.len(), path, held: None })
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

    fn discover(paths: &Paths) -> Result<Vec<InputFile>> {
        super::discover(paths, &mut Spool::new(&std::env::temp_dir()))
    }

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

    #[test]
    fn what_is_no_file_is_among_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        fs::write(&file, "x\n").unwrap();
        let paths: Paths = [Paths::bytes("b", "y\n12\n"), (&file).into()].into_iter().collect();
        assert_eq!(format!("{paths:?}"), format!("Paths(\"b\" (5 bytes in memory), \"{}\")", file.display()));
        let found = discover(&paths).unwrap();
        assert_eq!(found.iter().map(|f| f.bytes).collect::<Vec<_>>(), [5, 2]);
        let mut buffer = [0; 9];
        assert_eq!(found[0].open().unwrap().read_at(&mut buffer, 2).unwrap(), 3);
        assert_eq!(&buffer[..3], b"12\n");
        fs::write(&file, "xx\n").unwrap();
        assert!(found[1].open().unwrap_err().message().contains("had 2 bytes, now 3"));
    }

    #[test]
    fn a_dash_is_standard_input_and_once_only() {
        assert_eq!(Paths::from("-"), Paths::stdin());
        assert_ne!(Paths::from("./-"), Paths::stdin());
        assert_eq!(Paths::from(["-", "a.csv"]).to_string(), "<stdin>, \"a.csv\"");
        assert_eq!(discover(&["-", "-"].into()).unwrap_err().kind(), ErrorKind::Config);
    }
}
