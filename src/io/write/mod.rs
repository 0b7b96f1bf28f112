//! Writers: batches into files of a format, and files to their place when they are whole.
//!
//! Each run of batches goes into parts: complete files of the format, in a hidden folder beside the [`Target`]. At the
//! end the parts are joined into one file, without decoding them, or become the files of a directory; then that takes the
//! target's name. Parts of one Parquet file are written to that file in the first place ([`WholeFile`]). A run that fails leaves
//! nothing behind, and what had the name before as it was.

mod csv;
mod hive;
mod ipc;
mod number;
mod options;
mod parquet;
mod staging;
mod target;
mod whole;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::parquet::errors::ParquetError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::error::{Error, ErrorKind, Result};
use crate::mem;

pub(crate) use csv::CsvFormat;
pub(crate) use hive::folder;
pub use options::{Compression, WriteOptions};
pub(crate) use target::{Part, Target};
pub(crate) use whole::WholeFile;

/// What was written, by [`Frame::write`](crate::Frame::write).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The files, in the order of their rows; with `partition_by`, in the order of their folders' names.
    pub files: Vec<PathBuf>,
    /// The rows in all of them.
    pub rows: u64,
    /// The bytes of all of them.
    pub bytes: u64,
}

impl mem::Part for Written {
    fn bytes(&self) -> usize {
        self.files.iter().map(|file| size_of::<PathBuf>() + file.as_os_str().len()).sum()
    }
}

/// What files are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    Csv(CsvFormat),
    Parquet(Compression),
    Ipc(Compression),
}

/// A file under way.
pub(crate) trait Encoder: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError>;
    /// The bytes that are held and not in the file yet.
    fn memory(&self) -> usize;
    /// Moves what is held into the file.
    fn flush(&mut self) -> Result<(), WriteError>;
    /// Completes the file.
    fn finish(self: Box<Self>) -> Result<(), WriteError>;
}

/// Why a file can't be written, before it is known which.
pub(crate) enum WriteError {
    Io(io::Error),
    Other(Error),
}

impl Format {
    /// How files of this format end.
    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Format::Csv(_) => "csv",
            Format::Parquet(_) => "parquet",
            Format::Ipc(_) => "arrow",
        }
    }

    /// Begins a file of rows with these columns.
    pub(crate) fn encoder(&self, file: File, schema: &SchemaRef) -> Result<Box<dyn Encoder>, WriteError> {
        Ok(match self {
            Format::Csv(format) => Box::new(csv::CsvEncoder::new(file, format.clone(), schema)),
            Format::Parquet(compression) => Box::new(parquet::ParquetEncoder::new(file, *compression, schema.clone())?),
            Format::Ipc(compression) => Box::new(ipc::IpcEncoder::new(file, *compression, schema)?),
        })
    }

    /// The one file that all parts of this target are written to at once, if there can be such a file.
    pub(crate) fn whole_file(&self, target: &Target, schema: &SchemaRef) -> Result<Option<WholeFile>, WriteError> {
        match self {
            Format::Parquet(compression) if !target.is_directory() => {
                WholeFile::create(target, *compression, schema).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// One part of all parts' rows in order. There is one part at least.
    pub(crate) fn join(&self, target: &Target, mut parts: Vec<Part>, schema: &SchemaRef) -> Result<Part> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let rows = parts.iter().map(|part| part.rows).sum();
        let mut joined = self.join_files(target, parts, schema).map_err(|e| e.of(target.given()))?;
        joined.rows = rows;
        Ok(joined)
    }

    fn join_files(&self, target: &Target, parts: Vec<Part>, schema: &SchemaRef) -> Result<Part, WriteError> {
        if let Format::Csv(format) = self {
            // The first part grows by the others, each of which goes as soon as it is copied.
            let mut parts = parts.into_iter();
            let mut whole = parts.next().ok_or_else(|| Error::internal("no parts to join"))?;
            let mut file = File::options().append(true).open(whole.path())?;
            let header = format.header_line(schema).len() as u64;
            for part in parts {
                let mut from = File::open(part.path())?;
                from.seek(SeekFrom::Start(header))?;
                whole.bytes += io::copy(&mut from, &mut file)?;
            }
            return Ok(whole);
        }
        let (file, path) = target.new_file()?;
        match self {
            Format::Parquet(compression) => parquet::join(parts, file, *compression)?,
            _ => ipc::join(parts, file, schema)?,
        }
        Part::new(path, 0).map_err(Into::into)
    }
}

impl WriteError {
    /// The error as people see it.
    pub(crate) fn of(self, path: &Path) -> Error {
        let error = match self {
            WriteError::Other(error) => return error,
            WriteError::Io(error) => error,
        };
        let what = format!("can't write '{}': {error}", path.display());
        Error::new(ErrorKind::Io, what).help(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space or write elsewhere; what was written of it is gone again"
            }
            io::ErrorKind::PermissionDenied => "write into a directory of your own, or ask the owner of this one",
            io::ErrorKind::InvalidFilename => "a text that makes a name of a folder must be short: take another column",
            _ => "write elsewhere, or mend what the system complains of",
        })
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Io(error)
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> WriteError {
        WriteError::Other(error)
    }
}

impl From<ArrowError> for WriteError {
    fn from(error: ArrowError) -> WriteError {
        match error {
            ArrowError::IoError(_, error) => WriteError::Io(error),
            other => WriteError::Other(other.into()),
        }
    }
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> WriteError {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => WriteError::Io(*error),
                Err(other) => WriteError::Io(io::Error::other(other)),
            },
            other => WriteError::Other(Error::internal("writing Parquet failed").caused_by(other)),
        }
    }
}
