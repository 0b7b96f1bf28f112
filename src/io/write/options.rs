//! How rows are to be written: the format, its settings, and where they go.

use super::{CsvFormat, Format};
use crate::error::{Error, ErrorKind, Result};

/// How bytes are made fewer in Parquet and IPC files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast, and read by every program that reads Parquet. Parquet only.
    Snappy,
    /// Fast.
    Lz4,
    /// Small.
    Zstd,
}

/// How [`Frame::write`](crate::Frame::write) writes: a format with its settings, and what becomes of the target.
///
/// | setting | formats | default |
/// |---|---|---|
/// | [`directory`](WriteOptions::directory) | all | one file; a directory if the path ends in `/` |
/// | [`partition_by`](WriteOptions::partition_by) | all | not |
/// | [`overwrite`](WriteOptions::overwrite) | all | what exists is an error |
/// | [`delimiter`](WriteOptions::delimiter) | CSV | a comma |
/// | [`header`](WriteOptions::header) | CSV | a first line that names the columns |
/// | [`null`](WriteOptions::null) | CSV | nothing stands for a missing value |
/// | [`compression`](WriteOptions::compression) | Parquet, IPC | Parquet `Snappy`, IPC `None` |
///
/// A setting that makes no sense, or that the format does not have, comes out when rows are written, as an error of
/// kind [`ErrorKind::Config`].
///
/// **CSV** is UTF-8 with lines that end in `\n`. A text is quoted where it holds the delimiter, a quote or a line end, where it is
/// empty and where it is spelled as a missing value: read again, it is the same text. Floats have the fewest digits that
/// tell them apart, `NaN`, `inf`; dates and timestamps are ISO. As in pandas, a missing value in a file of a single
/// column is `""`, since an empty line would be no row: read again, it is an empty text if the column is text.
///
/// **Parquet** has row groups of about a million rows or 64 MB, with statistics. **IPC** is Arrow's file format, also known as
/// Feather; text is written as `large_utf8`, which all programs read.
///
/// ```
/// use partita::{Compression, WriteOptions};
/// let semicolons = WriteOptions::csv().delimiter(b';').null("NA");
/// let by_year = WriteOptions::parquet().compression(Compression::Zstd).partition_by(["t"]).overwrite();
/// # let _ = (semicolons, by_year);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct WriteOptions {
    pub(crate) format: Format,
    pub(crate) directory: bool,
    pub(crate) partition_by: Vec<String>,
    pub(crate) overwrite: bool,
    /// The first setting that the format does not have.
    alien: Option<&'static str>,
}

impl WriteOptions {
    fn new(format: Format) -> WriteOptions {
        WriteOptions { format, directory: false, partition_by: Vec::new(), overwrite: false, alien: None }
    }

    /// CSV files.
    pub fn csv() -> WriteOptions {
        WriteOptions::new(Format::Csv(CsvFormat::default()))
    }

    /// Parquet files.
    pub fn parquet() -> WriteOptions {
        WriteOptions::new(Format::Parquet(Compression::Snappy))
    }

    /// Arrow IPC files.
    pub fn ipc() -> WriteOptions {
        WriteOptions::new(Format::Ipc(Compression::None))
    }

    /// Writes a directory of files `part-00000.csv`, `part-00001.csv`, …, whose rows in the order of their names are the
    /// frame's: about one for each partition that has rows. Nothing has to be joined, which is faster than one file
    /// of CSV or IPC.
    pub fn directory(mut self) -> WriteOptions {
        self.directory = true;
        self
    }

    /// Writes a directory with a folder for each value of these columns, nested and named as in Hive: `t=2018/k=10121/part-00000.parquet`.
    /// The files don't hold these columns. A missing value is `__HIVE_DEFAULT_PARTITION__`; characters that have a
    /// meaning in paths are percent-encoded. The rows of a folder keep their order. Of no rows there is an empty directory.
    ///
    /// Rows of the first 64 folders are written as they come; those of all others are sorted first, on disk where they don't fit into
    /// memory, so that few files are open at a time. More than 50,000 of these others are an error.
    pub fn partition_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> WriteOptions {
        self.partition_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces what has the name, when the new one is whole: a file by a file in one step; a directory by a
    /// directory, the old one being moved aside just before. Only a directory that a writer made is replaced: one that
    /// holds anything but parts in folders of partitions is refused.
    pub fn overwrite(mut self) -> WriteOptions {
        self.overwrite = true;
        self
    }

    /// How the bytes of Parquet and IPC files are compressed.
    pub fn compression(mut self, compression: Compression) -> WriteOptions {
        match &mut self.format {
            Format::Parquet(to) | Format::Ipc(to) => *to = compression,
            Format::Csv(_) => self.alien = self.alien.or(Some("compression")),
        }
        self
    }

    /// The byte between the fields of a CSV file.
    pub fn delimiter(self, delimiter: u8) -> WriteOptions {
        self.csv_setting("delimiter", |csv| csv.delimiter = delimiter)
    }

    /// Whether a CSV file begins with a line that names the columns.
    pub fn header(self, header: bool) -> WriteOptions {
        self.csv_setting("header", |csv| csv.header = header)
    }

    /// What stands for a missing value in a CSV file, such as `NA`. To read a column of text again, give
    /// [`CsvOptions::nulls`](crate::CsvOptions::nulls) the same. By default it is nothing, but in a file of one column `NA`, since a blank
    /// line is no row; a text that is the same is quoted.
    pub fn null(self, spelling: impl Into<String>) -> WriteOptions {
        self.csv_setting("null", |csv| csv.null = spelling.into())
    }

    fn csv_setting(mut self, name: &'static str, set: impl FnOnce(&mut CsvFormat)) -> WriteOptions {
        match &mut self.format {
            Format::Csv(csv) => set(csv),
            _ => self.alien = self.alien.or(Some(name)),
        }
        self
    }

    /// Refuses settings that make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: String, help: &str| Err(Error::new(ErrorKind::Config, what).help(help));
        let name = match self.format {
            Format::Csv(_) => "CSV",
            Format::Parquet(_) => "Parquet",
            Format::Ipc(_) => "IPC",
        };
        if let Some(alien) = self.alien {
            return wrong(format!("{name} has no setting '{alien}'"), "see the table at WriteOptions");
        }
        match &self.format {
            Format::Csv(CsvFormat { delimiter, .. })
                if !delimiter.is_ascii() || matches!(delimiter, b'\n' | b'\r' | b'"') =>
            {
                let what = format!("the delimiter {:?} can't be one", char::from(*delimiter));
                wrong(what, "take an ASCII byte that is neither a line end nor a quote, such as b',' or b';'")
            }
            Format::Csv(CsvFormat { delimiter, null, .. })
                if null.bytes().any(|b| b == *delimiter || matches!(b, b'\n' | b'\r' | b'"')) =>
            {
                let what = format!("{null:?} can't stand for a missing value");
                wrong(what, "take a text without delimiters, quotes and line ends, such as NA")
            }
            Format::Ipc(Compression::Snappy) => {
                wrong("IPC files know no Snappy".into(), "take Compression::Lz4 or Compression::Zstd")
            }
            _ => Ok(()),
        }
    }
}
