//! Files of lines: cut into partitions, each read a line at a time.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memchr::memchr;

use super::csv::boundary::cuts;
use super::csv::encoding::TextFile;
use super::csv::{CsvOptions, encoding};
use super::discover::{Paths, discover, io_error};
use super::read_at::Input;
use super::spool::Spool;
use crate::config::PartitionSize;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{self, TaskContext};
use crate::mem::Reservation;

/// Files, and where they are cut.
pub(crate) struct TextSource {
    files: Vec<TextFile>,
    partitions: Vec<(usize, Range<u64>)>,
}

/// The lines that begin within a partition.
pub(crate) struct Lines {
    source: Arc<TextSource>,
    file: usize,
    input: Input,
    /// What was read from `at` on, of which the bytes before `start` are done with.
    buffer: Vec<u8>,
    at: u64,
    start: usize,
    /// Lines from here on are the next partition's.
    end: u64,
    /// A place up to which lines were counted, and the number of the line there.
    counted: (u64, u64),
    context: TaskContext,
    memory: Reservation,
}

/// A line that was read: where it begins in the file, and its text without the end.
pub(crate) struct Line {
    pub byte: u64,
    text: Range<usize>,
}

/// What is read at a time, and the least that is held.
const BLOCK: usize = 1 << 18;

impl TextSource {
    /// Looks at the files; each is one partition, or is cut into partitions of about such a size. What must be kept for reading,
    /// such as what compressed files hold, goes into `spill_dir`.
    ///
    /// # Errors
    /// What [`discover`] says; an encoding that does not exist.
    pub(crate) fn open(
        paths: &Paths,
        encoding: Option<&str>,
        partition_size: Option<PartitionSize>,
        spill_dir: &Path,
    ) -> Result<TextSource> {
        let options = encoding.map_or_else(CsvOptions::new, |label| CsvOptions::new().encoding(label));
        let mut spool = Spool::new(spill_dir);
        let found = discover(paths, &mut spool)?;
        let files = found.iter().map(|file| Ok(TextFile::open(file, &options, &mut spool)?.0));
        let files = files.collect::<Result<Vec<TextFile>>>()?;
        let whole = |text: &TextFile| text.start..text.end.max(text.start);
        let bytes = |text| whole(text).end - whole(text).start;
        let (mut partitions, mut left) = (Vec::new(), files.iter().map(bytes).sum::<u64>());
        for (number, text) in files.iter().enumerate() {
            left -= bytes(text);
            let ranges = partition_size.map_or_else(|| vec![whole(text)], |size| cuts(whole(text), left, size));
            partitions.extend(ranges.into_iter().map(|range| (number, range)));
        }
        Ok(TextSource { files, partitions })
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The file that a partition is of, as it was found.
    pub(crate) fn path(&self, partition: usize) -> &Path {
        &self.files[self.partitions[partition].0].input.path
    }
}

impl Lines {
    pub(crate) fn open(source: &Arc<TextSource>, partition: usize, context: &TaskContext) -> Result<Lines> {
        let (file, range) = source.partitions[partition].clone();
        let text = &source.files[file];
        let mut memory = context.budget().reserve("lines");
        memory.try_resize(BLOCK)?;
        let mut lines = Lines {
            source: source.clone(),
            file,
            input: text.input.open()?,
            buffer: Vec::with_capacity(BLOCK),
            at: range.start,
            start: 0,
            end: range.end,
            counted: (0, 1),
            context: context.clone(),
            memory,
        };
        if range.start > text.start {
            // Whoever has the byte before has the line that goes over the cut.
            lines.at -= 1;
            lines.skip_line()?;
        }
        Ok(lines)
    }

    /// Passes over what is left of a line, whatever its length.
    fn skip_line(&mut self) -> Result<()> {
        while self.read_more()? {
            if let Some(end) = memchr(b'\n', &self.buffer) {
                self.start = end + 1;
                return Ok(());
            }
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// The next line. None behind the last.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>> {
        let byte = self.at + self.start as u64;
        if byte >= self.end {
            return Ok(None);
        }
        let mut searched = self.start;
        let (line, next) = loop {
            if let Some(end) = memchr(b'\n', &self.buffer[searched..]) {
                break (self.start..searched + end, searched + end + 1);
            }
            searched = self.buffer.len() - self.start;
            self.at += self.start as u64;
            self.buffer.drain(..std::mem::take(&mut self.start));
            if !self.read_more()? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                break (0..self.buffer.len(), self.buffer.len());
            }
        };
        self.start = next;
        let text = &self.buffer[line.clone()];
        let end = line.end - usize::from(text.ends_with(b"\r"));
        Ok(Some(Line { byte, text: line.start..end }))
    }

    /// The bytes of the line that came last.
    pub(crate) fn bytes(&self, line: &Line) -> &[u8] {
        &self.buffer[line.text.clone()]
    }

    /// Reads a block behind what is held. False at the end of the file.
    fn read_more(&mut self) -> Result<bool> {
        self.context.check()?;
        let text = &self.source.files[self.file];
        let held = self.buffer.len();
        let from = self.at + held as u64;
        let most = (self.buffer.capacity() - held).max(BLOCK / 2).max(held) as u64;
        let wanted = most.min(text.end.saturating_sub(from)) as usize;
        if self.buffer.capacity() < held + wanted {
            // The old and the new one are there at the same time.
            self.memory.try_resize(self.buffer.capacity() + held + wanted)?;
            self.buffer.reserve_exact(wanted);
            self.memory.try_resize(self.buffer.capacity())?;
        }
        self.buffer.resize(held + wanted, 0);
        let read = self.input.read_at(&mut self.buffer[held..], from).map_err(|e| io_error(&text.input.path, &e))?;
        self.buffer.truncate(held + read);
        self.context.advance(graph::Input { bytes: read as u64, ..graph::Input::default() });
        Ok(read > 0)
    }

    /// The text of the line that came last.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for bytes that are no text of the file's encoding.
    pub(crate) fn decode(&mut self, line: &Line) -> Result<String> {
        let text = &self.source.files[self.file];
        match encoding::decode(text.encoding, &self.buffer[line.text.clone()]) {
            Ok(text) => Ok(text.into_owned()),
            Err(wrong) => {
                let name = text.told_encoding().map_or("UTF-8", |encoding| encoding.name());
                let error = Error::new(ErrorKind::Value, format!("a line is not {name}"))
                    .help("name the encoding of the file, as in TextOptions::new().encoding(\"windows-1252\")");
                Err(self.at(line.byte + wrong as u64, error))
            }
        }
    }

    /// Whether lines are UTF-8 as they are: others are to be decoded.
    pub(crate) fn is_utf8(&self) -> bool {
        self.source.files[self.file].encoding.is_none()
    }

    /// Adds to an error that it is about this byte, which is not before that of the error before.
    pub(crate) fn at(&mut self, byte: u64, error: Error) -> Error {
        let text = &self.source.files[self.file];
        let mut position = text.position_of_byte(byte);
        if position.line.is_none() {
            position.line = self.line_of(byte).ok();
        }
        let text = &self.source.files[self.file];
        text.with_line(error.at(position), byte, 1)
    }

    /// The line that holds this byte: of many errors, each counts on from the one before.
    fn line_of(&mut self, byte: u64) -> Result<u64> {
        let text = &self.source.files[self.file];
        let (mut at, mut line) = self.counted;
        while at < byte {
            let mut window = text.window(&self.input, at, BLOCK)?;
            window.truncate((byte - at) as usize);
            if window.is_empty() {
                break;
            }
            line += memchr::memchr_iter(b'\n', &window).count() as u64;
            at += window.len() as u64;
        }
        self.counted = (at, line);
        Ok(line)
    }
}
