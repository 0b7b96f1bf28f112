//! The rows of a run that could not be read: kept by partition until the run ends, then counted and written in file order.
//!
//! A partition that is read again, since it began elsewhere than assumed, puts its rows in the place of those from before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::options::OnBadRow;
use super::rejected::{Reject, RejectedRows};
use super::source::CsvSource;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::mem::Reservation;

/// What partitions rejected in one run of a scan.
pub(crate) struct Rejects {
    source: Arc<CsvSource>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    partitions: BTreeMap<usize, Partition>,
    /// Those whose rows are final, without the first ones of all,
    confirmed: BTreeSet<usize>,
    /// which are so many,
    first: usize,
    /// and rejected so many rows.
    rejected: u64,
}

struct Partition {
    rows: RejectedRows,
    /// How far the file was read, where that is not the partition's end.
    stopped_at: Option<u64>,
}

impl Rejects {
    pub(super) fn new(source: Arc<CsvSource>) -> Rejects {
        Rejects { source, known: Mutex::default() }
    }

    /// Room for what a partition rejects. Where all that is wanted is their number, and where the first is that is too many, no
    /// more rows are kept than that.
    pub(super) fn rows(&self, memory: Reservation) -> RejectedRows {
        let most = match self.source.options.on_bad_row {
            OnBadRow::Reject(_) => u64::MAX,
            OnBadRow::Skip { at_most } if at_most < u64::MAX => at_most + 1,
            _ => 0,
        };
        RejectedRows::new(most, memory)
    }

    /// Takes what a partition rejected, in place of what it did before.
    pub(super) fn put(&self, partition: usize, mut rows: RejectedRows, stopped_at: Option<u64>) -> Result<()> {
        rows.seal()?;
        self.lock().partitions.insert(partition, Partition { rows, stopped_at });
        Ok(())
    }

    /// Forgets what a partition rejected: it turns out that none of its rows count.
    pub(crate) fn clear(&self, partition: usize) {
        self.lock().partitions.remove(&partition);
    }

    /// What a partition rejected is final, since it began where the one before it ended. A run ends as soon as all before a row are
    /// final and it is one too many, so that the same row is named however partitions overtake each other.
    pub(crate) fn confirm(&self, partition: usize) -> Result<()> {
        let OnBadRow::Skip { at_most } = self.source.options.on_bad_row else { return Ok(()) };
        let known = &mut *self.lock();
        known.confirmed.insert(partition);
        while known.confirmed.remove(&known.first) {
            known.rejected += known.partitions.get(&known.first).map_or(0, |partition| partition.rows.count());
            known.first += 1;
        }
        if known.rejected > at_most { Err(too_many(&self.source, at_most, &known.partitions)?) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a run: writes and counts what its scans rejected. A source that was scanned several times counts once. Returns
/// warnings.
///
/// # Errors
/// More rows than may be left out; a file that can't be written.
pub(crate) fn report_rejects(all: &[Arc<Rejects>]) -> Result<Vec<String>> {
    let mut sources: Vec<&Arc<Rejects>> = Vec::new();
    for rejects in all {
        match sources.iter_mut().find(|known| Arc::ptr_eq(&known.source, &rejects.source)) {
            // The one that read more knows more.
            Some(known) if known.lock().partitions.len() < rejects.lock().partitions.len() => *known = rejects,
            Some(_) => {}
            None => sources.push(rejects),
        }
    }
    let mut warnings = Vec::new();
    let mut files: Vec<(PathBuf, Writer)> = Vec::new();
    for rejects in sources {
        let (source, known) = (&rejects.source, rejects.lock());
        let partitions = &known.partitions;
        let count: u64 = partitions.values().map(|p| p.rows.count()).sum();
        let target = match &source.options.on_bad_row {
            OnBadRow::Error => continue,
            OnBadRow::Skip { at_most } => {
                if count > *at_most {
                    return Err(too_many(source, *at_most, partitions)?);
                }
                None
            }
            OnBadRow::Reject(path) => {
                let place = match files.iter().position(|(known, _)| known == path) {
                    Some(place) => place,
                    None => {
                        files.push((path.clone(), Writer::create(path).map_err(|e| failed(path, &e))?));
                        files.len() - 1
                    }
                };
                let writer = &mut files[place].1;
                write_rows(writer, source, partitions).map_err(|e| e.0.unwrap_or_else(|| failed(path, &e.1)))?;
                Some(path)
            }
        };
        let unread = partitions.len() < source.partitions.len() || partitions.values().any(|p| p.stopped_at.is_some());
        warnings.extend(summary(source, count, target, unread, partitions));
    }
    for (path, writer) in files {
        writer.finish().map_err(|e| failed(&path, &e))?;
    }
    Ok(warnings)
}

/// An error of ours, or of the system.
struct Failed(Option<Error>, io::Error);

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed(None, error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed(Some(error), io::Error::other(""))
    }
}

fn write_rows(to: &mut Writer, source: &CsvSource, partitions: &BTreeMap<usize, Partition>) -> Result<(), Failed> {
    for (index, file) in source.files.iter().enumerate() {
        let of_file = |(p, rows): &(&usize, &Partition)| source.partitions[**p].file == index && rows.rows.count() > 0;
        let mut of_file = partitions.iter().filter(of_file).peekable();
        if of_file.peek().is_none() {
            continue;
        }
        // One reading of the file counts the lines for all of them.
        let mut places = file.text.places()?;
        let name = file.text.input.path.to_string_lossy();
        let mut failure = None;
        for (_, partition) in of_file {
            partition.rows.for_each(|row| {
                let (line, byte) = places.of(row.byte)?;
                let column = row.column.as_deref().unwrap_or_default();
                let written = to.row([&name, &line.to_string(), &byte.to_string(), column, &row.reason, &row.raw]);
                failure = written.err();
                Ok(failure.is_none())
            })?;
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn summary(
    source: &CsvSource,
    count: u64,
    target: Option<&PathBuf>,
    unread: bool,
    partitions: &BTreeMap<usize, Partition>,
) -> Option<String> {
    if count == 0 {
        return None;
    }
    let plural = |n: u64, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    let mut files: Vec<usize> =
        partitions.iter().filter(|(_, p)| p.rows.count() > 0).map(|(p, _)| source.partitions[*p].file).collect();
    files.dedup();
    let were = if count == 1 { "was" } else { "were" };
    let mut text = format!("{} of {} {were} left out", plural(count, "row"), plural(files.len() as u64, "file"));
    if let Some(path) = target {
        text += &format!(": see '{}'", path.display());
    }
    if unread {
        let last = partitions.iter().next_back();
        let place = last.map(|(p, partition)| {
            let part = &source.partitions[*p];
            let byte = partition.stopped_at.unwrap_or(part.range.end);
            format!(" up to byte {byte} of '{}'", source.files[part.file].text.input.path.display())
        });
        text += &format!("; the files were read{} only", place.unwrap_or_default());
    }
    Some(text)
}

/// The error at the first row that is too many.
fn too_many(source: &CsvSource, at_most: u64, partitions: &BTreeMap<usize, Partition>) -> Result<Error> {
    let mut left = at_most;
    let mut first: Option<(usize, Reject)> = None;
    for (partition, of_partition) in partitions {
        if left >= of_partition.rows.count() {
            left -= of_partition.rows.count();
            continue;
        }
        of_partition.rows.for_each(|row| {
            first = Some((*partition, row));
            left = left.wrapping_sub(1);
            Ok(left != u64::MAX)
        })?;
        break;
    }
    let (partition, row) = first.ok_or_else(|| Error::internal("a rejected row got lost"))?;
    let file = &source.files[source.partitions[partition].file];
    let position = Position { column: row.column.clone(), ..file.text.position(row.byte) };
    let error = Error::new(ErrorKind::Malformed, format!("more rows than {at_most} can't be read: {}", row.reason))
        .at(position)
        .help(
            "let more be left out with OnBadRow::Skip { at_most } or --on-bad-row, or have them written to a file with OnBadRow::Reject(path) \
             or --rejects",
        );
    Ok(file.text.with_excerpt(error, row.byte, 1))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("rejected rows can't be written to '{}': {error}", path.display()))
        .help("name a file in a directory that exists and is writable")
}

/// A CSV file under way, which gets its name when it is whole.
struct Writer {
    file: BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl Writer {
    fn create(path: &Path) -> io::Result<Writer> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".rejects.");
        // Others may read it, as with any file that is made.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut writer = Writer { file: BufWriter::new(builder.tempfile_in(parent)?), path: path.to_owned() };
        writer.row(["file", "line", "byte", "column", "reason", "raw"])?;
        Ok(writer)
    }

    fn row(&mut self, fields: [&str; 6]) -> io::Result<()> {
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.file.write_all(b",")?;
            }
            if field.contains([',', '"', '\n', '\r']) {
                write!(self.file, "\"{}\"", field.replace('"', "\"\""))?;
            } else {
                self.file.write_all(field.as_bytes())?;
            }
        }
        self.file.write_all(b"\n")
    }

    fn finish(self) -> io::Result<File> {
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        Ok(file.persist(self.path)?)
    }
}
