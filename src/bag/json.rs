//! Bags of JSON records.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Bag;
use super::read::{TextOptions, ending_in_error, of_lines};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Lines, Paths};
use crate::sched::Session;

/// The records of JSON files, one a line or several, in the default session: of any type that serde can decode,
/// [`serde_json::Value`](https://docs.rs/serde_json) for those of no fixed one.
///
/// Between records there may be white space and commas or nothing at all, before the first a `[` and behind the last a `]`: so
/// JSON lines are read, arrays that are written one object a line, and objects glued together. A record does not go over the
/// end of a line. Paths, compressions and partitions are as [`read_text`](crate::read_text) has them.
///
/// ```
/// use partita::{Paths, read_json};
/// #[derive(serde::Deserialize)]
/// struct Trade { k: String, v: f64 }
/// let array = Paths::bytes("trades", "[{\"k\": \"010121\", \"v\": 1.5},\n{\"k\": \"010129\", \"v\": 2}\n]\n");
/// assert_eq!(*read_json::<Trade>(array).map(|trade| trade.v).sum().compute()?, 3.5);
/// # Ok::<(), partita::Error>(())
/// ```
///
/// # Errors
/// Of the run: as [`read_text`](crate::read_text) has; [`ErrorKind::Malformed`] for what is no JSON and [`ErrorKind::Value`] for a record that is
/// no `T`, with file, line and byte.
pub fn read_json<T: DeserializeOwned + Send + 'static>(paths: impl Into<Paths>) -> Bag<T> {
    Session::default().read_json(paths)
}

/// As [`read_json`], with options.
pub fn read_json_with<T: DeserializeOwned + Send + 'static>(paths: impl Into<Paths>, options: TextOptions) -> Bag<T> {
    Session::default().read_json_with(paths, options)
}

/// As [`read_json`], for files with bad records: each is an error among the items, which says its file, line and byte, and reading goes on with
/// the next line.
///
/// ```
/// use partita::{Paths, try_read_json};
/// let records = try_read_json::<i64>(Paths::bytes("numbers", "1\n2\n\"three\"\n4\n"));
/// assert_eq!(*records.flat_map(|record| record.ok()).sum().compute()?, 7);
/// let rejects = records.flat_map(|record| record.err()).compute()?;
/// assert_eq!(rejects[0].position().and_then(|position| position.line), Some(3));
/// # Ok::<(), partita::Error>(())
/// ```
pub fn try_read_json<T: DeserializeOwned + Send + 'static>(paths: impl Into<Paths>) -> Bag<Result<T>> {
    Session::default().try_read_json(paths)
}

/// As [`try_read_json`], with options.
pub fn try_read_json_with<T: DeserializeOwned + Send + 'static>(
    paths: impl Into<Paths>,
    options: TextOptions,
) -> Bag<Result<T>> {
    Session::default().try_read_json_with(paths, options)
}

impl Session {
    /// As [`read_json`](crate::read_json), in this session.
    pub fn read_json<T: DeserializeOwned + Send + 'static>(&self, paths: impl Into<Paths>) -> Bag<T> {
        self.read_json_with(paths, TextOptions::new())
    }

    /// As [`read_json_with`](crate::read_json_with), in this session.
    pub fn read_json_with<T: DeserializeOwned + Send + 'static>(
        &self,
        paths: impl Into<Paths>,
        options: TextOptions,
    ) -> Bag<T> {
        of_lines(self, paths.into(), &options, "read_json", |lines, _| {
            let mut records = Records { lines, ready: VecDeque::new() };
            Ok(ending_in_error(move || records.next().transpose().map(|record| record.and_then(|record| record))))
        })
    }

    /// As [`try_read_json`](crate::try_read_json), in this session.
    pub fn try_read_json<T: DeserializeOwned + Send + 'static>(&self, paths: impl Into<Paths>) -> Bag<Result<T>> {
        self.try_read_json_with(paths, TextOptions::new())
    }

    /// As [`try_read_json_with`](crate::try_read_json_with), in this session.
    pub fn try_read_json_with<T: DeserializeOwned + Send + 'static>(
        &self,
        paths: impl Into<Paths>,
        options: TextOptions,
    ) -> Bag<Result<T>> {
        of_lines(self, paths.into(), &options, "try_read_json", |lines, _| {
            let mut records = Records { lines, ready: VecDeque::new() };
            Ok(ending_in_error(move || records.next().transpose()))
        })
    }
}

/// The records of a partition.
struct Records<T> {
    lines: Lines,
    /// Those of the line at hand.
    ready: VecDeque<Result<T>>,
}

impl<T: DeserializeOwned> Records<T> {
    /// The next record, or what is wrong with it. An error of its own is one of reading.
    fn next(&mut self) -> Result<Option<Result<T>>> {
        while self.ready.is_empty() {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            let wrong = if self.lines.is_utf8() {
                parse(self.lines.bytes(&line), |record| self.ready.push_back(Ok(record)))
            } else {
                let text = self.lines.decode(&line)?;
                // Where it is wrong in the file is known up to the line.
                parse(text.as_bytes(), |record| self.ready.push_back(Ok(record))).map_err(|(_, error)| (0, error))
            };
            if let Err((at, error)) = wrong {
                self.ready.push_back(Err(self.lines.at(line.byte + at as u64, bad(&error))));
            }
        }
        Ok(self.ready.pop_front())
    }
}

/// The records of a line, as far as they are good; else what is wrong, and where in the line.
fn parse<T: DeserializeOwned>(line: &[u8], mut each: impl FnMut(T)) -> Result<(), (usize, serde_json::Error)> {
    let skip = |mut at: usize| {
        while line.get(at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b',') {
            at += 1;
        }
        at
    };
    let mut at = skip(0);
    let mut wrong: Option<(usize, serde_json::Error)> = None;
    // The brackets of an array that goes over many lines are no records.
    while !matches!(line[at..].trim_ascii_end(), b"" | b"[" | b"]") {
        let mut values = serde_json::Deserializer::from_slice(&line[at..]).into_iter::<T>();
        match values.next() {
            Some(Ok(record)) => {
                each(record);
                at = skip(at + values.byte_offset());
                wrong = None;
            }
            Some(Err(error)) => {
                let place = at + error.column().saturating_sub(1);
                // A bracket may belong to such an array too.
                if wrong.is_none() && at == skip(0) && line[at] == b'[' {
                    wrong = Some((place, error));
                    at = skip(at + 1);
                    continue;
                }
                // Of the two ways to read it, the one that went further.
                return Err(wrong.filter(|first| first.0 > place).unwrap_or((place, error)));
            }
            None => break,
        }
    }
    wrong.map_or(Ok(()), Err)
}

fn bad(error: &serde_json::Error) -> Error {
    // Where it says it is, is the place in a line alone.
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    let (kind, what) = match error.classify() {
        Category::Data => (ErrorKind::Value, format!("a record of another type: {what}")),
        _ => (ErrorKind::Malformed, format!("no JSON: {what}")),
    };
    Error::new(kind, what)
        .help("mend the record, which must be on one line, or have it among the items by try_read_json")
}
