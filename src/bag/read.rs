//! Bags of the lines of text files.

use std::path::PathBuf;
use std::sync::Arc;

use super::Bag;
use super::partition::{Items, Partition};
use crate::config::PartitionSize;
use crate::error::Result;
use crate::graph::TaskContext;
use crate::io::{Lines, Paths, TextSource};
use crate::sched::Session;

/// How text files are read and cut.
///
/// ```
/// use partita::{Paths, Session, TextOptions};
/// let latin = Paths::bytes("latin", b"caf\xE9\n".to_vec());
/// let lines = Session::default().read_text_with(latin, TextOptions::new().encoding("windows-1252"));
/// assert_eq!(lines.compute()?, ["café"]);
/// # Ok::<(), partita::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextOptions {
    encoding: Option<String>,
    partition_size: Option<u64>,
    by_file: bool,
}

impl TextOptions {
    /// UTF-8, in partitions of the session's [size](crate::SessionBuilder::partition_size).
    pub fn new() -> TextOptions {
        TextOptions::default()
    }

    /// The encoding of files without a byte order mark: any label of the WHATWG's Encoding Standard.
    #[must_use]
    pub fn encoding(mut self, label: impl Into<String>) -> TextOptions {
        self.encoding = Some(label.into());
        self
    }

    /// The size in bytes of the pieces that files are cut into, between lines.
    #[must_use]
    pub fn partition_size(mut self, bytes: usize) -> TextOptions {
        self.partition_size = Some(bytes as u64);
        self
    }

    /// Makes each file one partition, whatever its size.
    #[must_use]
    pub fn by_file(mut self) -> TextOptions {
        self.by_file = true;
        self
    }
}

/// The lines of text files, without their ends (LF or CRLF), in the default session. An empty line is an empty text.
///
/// `paths` is a path, a glob (its matches sorted), `-` for standard input, bytes in memory, or a list of these: [`Paths`]. Files may be
/// compressed, by gzip or Zstandard, which their first bytes tell: such a file is unpacked once, into the directory for spill files. They
/// are cut between lines into partitions of the session's [size](crate::SessionBuilder::partition_size), and read line by line when the bag
/// is used.
///
/// ```
/// use partita::{Paths, read_text};
/// let text = Paths::bytes("hamlet", "to be\r\nor not to be\n");
/// assert_eq!(read_text(text).map(|line| line.len()).compute()?, [5, 12]);
/// # Ok::<(), partita::Error>(())
/// ```
///
/// # Errors
/// Of the run: those of finding and opening the files; [`ErrorKind::Value`](crate::ErrorKind::Value) for a line that is no text of the
/// encoding, with its file, line and byte.
pub fn read_text(paths: impl Into<Paths>) -> Bag<String> {
    Session::default().read_text(paths)
}

/// As [`read_text`], with options.
pub fn read_text_with(paths: impl Into<Paths>, options: TextOptions) -> Bag<String> {
    Session::default().read_text_with(paths, options)
}

/// As [`read_text_with`], each line behind the path of its file.
///
/// ```
/// use partita::{TextOptions, read_text_with_path};
/// let lines = read_text_with_path("testdata/baci/BACI_HS12_Y201[23].csv", TextOptions::new());
/// let (path, line) = lines.take(1).compute()?.remove(0);
/// assert_eq!((path.to_str(), line.as_str()), (Some("testdata/baci/BACI_HS12_Y2012.csv"), "t,i,j,k,v,q"));
/// # Ok::<(), partita::Error>(())
/// ```
pub fn read_text_with_path(paths: impl Into<Paths>, options: TextOptions) -> Bag<(PathBuf, String)> {
    Session::default().read_text_with_path(paths, options)
}

impl Session {
    /// As [`read_text`](crate::read_text), in this session.
    pub fn read_text(&self, paths: impl Into<Paths>) -> Bag<String> {
        self.read_text_with(paths, TextOptions::new())
    }

    /// As [`read_text_with`](crate::read_text_with), in this session.
    pub fn read_text_with(&self, paths: impl Into<Paths>, options: TextOptions) -> Bag<String> {
        of_lines(self, paths.into(), &options, "read_text", |mut lines, _| {
            let text = move || match lines.next_line() {
                Ok(line) => line.map(|line| lines.decode(&line)),
                Err(error) => Some(Err(error)),
            };
            Ok(ending_in_error(text))
        })
    }

    /// As [`read_text_with_path`](crate::read_text_with_path), in this session.
    pub fn read_text_with_path(&self, paths: impl Into<Paths>, options: TextOptions) -> Bag<(PathBuf, String)> {
        of_lines(self, paths.into(), &options, "read_text", |mut lines, path| {
            let text = move || match lines.next_line() {
                Ok(line) => line.map(|line| Ok((path.clone(), lines.decode(&line)?))),
                Err(error) => Some(Err(error)),
            };
            Ok(ending_in_error(text))
        })
    }
}

/// A bag of what `open` makes of the lines of each partition.
pub(super) fn of_lines<T: Send + 'static>(
    session: &Session,
    paths: Paths,
    options: &TextOptions,
    step: &'static str,
    open: impl Fn(Lines, PathBuf) -> Result<Items<T>> + Send + Sync + 'static,
) -> Bag<T> {
    let asked = options.partition_size.map(|bytes| PartitionSize { bytes, threads: None });
    let size = asked.unwrap_or_else(|| session.partitions());
    let size = (!options.by_file).then_some(size);
    let source = match TextSource::open(&paths, options.encoding.as_deref(), size, session.spill_dir()) {
        Ok(source) => Arc::new(source),
        Err(error) => return Bag::failing(session.clone(), step, error.in_step(format!("{step}({paths})"))),
    };
    let open = Arc::new(open);
    let partition = |number| {
        let (source, open) = (source.clone(), open.clone());
        Partition::new(step, move |context: &TaskContext| {
            open(Lines::open(&source, number, context)?, source.path(number).to_owned())
        })
    };
    Bag::new(session.clone(), step, (0..source.partitions()).map(partition).collect())
}

/// Items of a closure, up to the first error.
pub(super) fn ending_in_error<T: 'static>(mut next: impl FnMut() -> Option<Result<T>> + 'static) -> Items<T> {
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let item = next();
        is_over = !matches!(item, Some(Ok(_)));
        item
    }))
}
