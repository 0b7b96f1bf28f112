//! What files of typed formats have in common: they are read by positions, agree on their columns, and may be damaged.

use std::io::{self, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::discover::{InputFile, io_error};
use super::read_at::Input;
use crate::batch::{conform, conform_schema};
use crate::config::PartitionSize;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::expr::{type_name, widened};

/// Partitions of about such a size of what files are made of, given the bytes of each piece: the file, and a run of its pieces.
pub(crate) fn runs(files: &[Vec<u64>], size: PartitionSize) -> Vec<(usize, Range<usize>)> {
    let mut runs = Vec::new();
    // Damaged files may tell of any number.
    let mut left = files.iter().flatten().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
    for (file, pieces) in files.iter().enumerate() {
        let (mut start, mut bytes) = (0, 0u64);
        for (i, piece) in pieces.iter().enumerate() {
            bytes = bytes.saturating_add(*piece);
            if bytes >= size.of_next(left) || i + 1 == pieces.len() {
                runs.push((file, start..i + 1));
                (start, left, bytes) = (i + 1, left.saturating_sub(bytes), 0);
            }
        }
    }
    runs
}

/// An open file that is read from anywhere. What is gone by then is an error: a map of it would end the process.
#[derive(Debug, Clone)]
pub(crate) struct TypedFile {
    input: Input,
    pub path: PathBuf,
    pub bytes: u64,
}

impl TypedFile {
    /// Opens a file that must be as it was found.
    pub(crate) fn open(input: &InputFile) -> Result<TypedFile> {
        Ok(TypedFile { input: input.open()?, path: input.path.clone(), bytes: input.bytes })
    }

    /// So many bytes from here on.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            let what = format!("{length} bytes at byte {offset} lie beyond the end, {}", self.bytes);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let mut bytes = vec![0; length];
        if self.input.read_at(&mut bytes, offset)? < length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        Ok(bytes)
    }

    /// The bytes from here on, one after the other.
    pub(crate) fn reader(&self, offset: u64) -> impl Read + use<> {
        ReadOn(self.clone(), offset)
    }

    /// Runs a decoder on the file's bytes. What it can't make sense of, even by a panic, is damage of the file.
    pub(crate) fn decode<T, E: Into<DecodeError>>(&self, decode: impl FnOnce() -> Result<T, E>) -> Result<T> {
        let error = match catch_unwind(AssertUnwindSafe(decode)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error.into(),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                DecodeError::Damaged(format!("a decoder gave up: {text}"))
            }
        };
        Err(match error {
            DecodeError::Ours(error) if error.position().is_some() => error,
            DecodeError::Ours(error) => error.at(position(&self.path)),
            // What the system did not say, a decompressor did.
            DecodeError::Io(error) if error.raw_os_error().is_some() => io_error(&self.path, &error),
            DecodeError::Io(error) => self.damaged(error.to_string()),
            DecodeError::Damaged(what) => self.damaged(what),
        })
    }

    fn damaged(&self, what: String) -> Error {
        Error::new(ErrorKind::Malformed, format!("the file is damaged or incomplete: {what}"))
            .at(position(&self.path))
            .help("make or copy it again; is it a file of this format at all?")
    }
}

/// Why a decoder failed.
pub(crate) enum DecodeError {
    Ours(Error),
    Io(io::Error),
    Damaged(String),
}

impl From<Error> for DecodeError {
    fn from(error: Error) -> DecodeError {
        DecodeError::Ours(error)
    }
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> DecodeError {
        DecodeError::Io(error)
    }
}

impl From<arrow::error::ArrowError> for DecodeError {
    fn from(error: arrow::error::ArrowError) -> DecodeError {
        match error {
            arrow::error::ArrowError::IoError(_, error) => DecodeError::Io(error),
            // What the Parquet reader's own errors come as.
            arrow::error::ArrowError::ParquetError(what) => DecodeError::Damaged(what),
            other => DecodeError::Damaged(other.to_string()),
        }
    }
}

impl From<parquet::errors::ParquetError> for DecodeError {
    fn from(error: parquet::errors::ParquetError) -> DecodeError {
        match error {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => DecodeError::Io(*error),
                Err(other) => DecodeError::Damaged(other.to_string()),
            },
            other => DecodeError::Damaged(other.to_string()),
        }
    }
}

fn position(path: &Path) -> Position {
    Position { file: path.to_owned(), ..Position::default() }
}

/// Reads on from a position.
struct ReadOn(TypedFile, u64);

impl Read for ReadOn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.input.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

/// How a file's columns become the table's.
#[derive(Debug, Clone)]
pub(crate) struct FileColumns {
    /// The columns as the file has them, and of our types.
    foreign: SchemaRef,
    own: SchemaRef,
    /// For each column of the table, its place in the file.
    places: Vec<usize>,
}

/// The columns of a table whose files have these, and how each file gives them. Columns are found by name, in the order
/// of the first file; a type is the narrowest that holds all files'.
///
/// # Errors
/// [`ErrorKind::Column`] where a file lacks a column that another has; [`ErrorKind::Type`] for a type that is none of
/// ours, or types that have none in common.
pub(crate) fn agree(files: Vec<(&Path, SchemaRef)>) -> Result<(SchemaRef, Vec<FileColumns>)> {
    let mut fields: Vec<Field> = Vec::new();
    // Whether all files so far have nothing but nulls in it.
    let mut empty: Vec<bool> = Vec::new();
    let mut columns: Vec<FileColumns> = Vec::new();
    let first = files.first().map(|(path, _)| path.to_path_buf()).unwrap_or_default();
    for (path, foreign) in files {
        let own = conform_schema(&foreign).map_err(|e| e.at(position(path)))?;
        if columns.is_empty() {
            fields = own.fields().iter().map(|field| field.as_ref().clone()).collect();
            empty = foreign.fields().iter().map(|field| field.data_type().is_null()).collect();
        }
        if let Some(extra) = own.fields().iter().find(|field| fields.iter().all(|known| known.name() != field.name())) {
            return Err(lacks(extra.name(), &first, path));
        }
        let mut places = Vec::with_capacity(fields.len());
        for (field, empty) in fields.iter_mut().zip(&mut empty) {
            let Ok(place) = own.index_of(field.name()) else { return Err(lacks(field.name(), path, &first)) };
            places.push(place);
            if foreign.field(place).data_type().is_null() {
                continue;
            }
            let (known, seen) = (field.data_type(), own.field(place).data_type());
            let wider = if *empty { Some(seen.clone()) } else { widened(known, seen) };
            let Some(wider) = wider else {
                let (name, known, seen) = (field.name(), type_name(known), type_name(seen));
                let what = format!("column '{name}' is {seen}, where it is {known} in '{}'", first.display());
                return Err(Error::new(ErrorKind::Type, what)
                    .at(position(path))
                    .help("read the files by calls of their own, cast, and put them together with concat"));
            };
            *field = Field::new(field.name(), wider, true);
            *empty = false;
        }
        columns.push(FileColumns { foreign, own, places });
    }
    Ok((Arc::new(Schema::new(fields)), columns))
}

fn lacks(name: &str, lacking: &Path, having: &Path) -> Error {
    let what = format!("'{}' has no column '{name}', which '{}' has", lacking.display(), having.display());
    Error::new(ErrorKind::Column, what)
        .at(position(lacking))
        .help("files of one glob must have the same columns, in any order: read the others by a call of their own")
}

impl FileColumns {
    /// The places in the file of these columns of the table.
    pub(crate) fn places(&self, columns: &[usize]) -> Vec<usize> {
        columns.iter().map(|&column| self.places[column]).collect()
    }

    /// The type that a column of the table has in the file.
    pub(crate) fn foreign_type(&self, column: usize) -> &DataType {
        self.foreign.field(self.places[column]).data_type()
    }

    /// A decoded batch, which has the columns of these places in the file's order, as the columns of `schema` (some
    /// of the table's), which are at `places`.
    pub(crate) fn gather(&self, batch: &RecordBatch, places: &[usize], schema: &SchemaRef) -> Result<RecordBatch> {
        let mut sorted = places.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let batch = conform(batch, &Arc::new(self.own.project(&sorted)?))?;
        let columns = places.iter().zip(schema.fields()).map(|(place, field)| {
            let at = sorted.binary_search(place).map_err(|_| Error::internal("a column was not decoded"))?;
            to_type(batch.column(at), field.data_type())
        });
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<Vec<ArrayRef>>>()?, &options)?)
    }
}

/// A column of one of our types as one of a type that holds its values.
pub(crate) fn to_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    Ok(if array.data_type() == data_type { array.clone() } else { cast(array, data_type)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_of_one_file_and_smaller_towards_the_end() {
        const MB: u64 = 1_000_000;
        let asked = PartitionSize { bytes: 10, threads: None };
        let found = runs(&[vec![4, 4, 4, 4], vec![], vec![30, 1], vec![0]], asked);
        assert_eq!(found, [(0, 0..3), (0, 3..4), (2, 0..1), (2, 1..2), (3, 0..1)]);
        let shared = PartitionSize { bytes: 100 * MB, threads: Some(2) };
        let sizes: Vec<usize> = runs(&[vec![10 * MB; 40]], shared).into_iter().map(|(_, run)| run.len()).collect();
        assert_eq!(sizes, [10, 8, 6, 4, 3, 3, 2, 2, 2]);
        // What no file can hold.
        assert_eq!(runs(&[vec![u64::MAX; 3]], shared).len(), 3);
    }
}
