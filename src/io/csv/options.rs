//! How a CSV file is to be read: what is settable, and what is assumed.

use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;

/// The bytes with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
}

impl Dialect {
    #[inline(always)]
    pub(crate) fn is_quote(self, byte: u8) -> bool {
        self.quote == Some(byte)
    }
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { delimiter: b',', quote: Some(b'"') }
    }
}

/// How CSV files are to be read. The defaults read what most programs write.
///
/// | setting | default |
/// |---|---|
/// | [`delimiter`](CsvOptions::delimiter) | a comma |
/// | [`quote`](CsvOptions::quote) | `"`, doubled inside a quoted field |
/// | [`header`](CsvOptions::header) | the first line names the columns |
/// | [`nulls`](CsvOptions::nulls) | an empty field; in columns that are not text also `NA`, `N/A`, `null`, `NULL` |
/// | [`dtype`](CsvOptions::dtype) | inferred from samples of every file |
/// | [`partition_size`](CsvOptions::partition_size) | the session's, 100 MB |
/// | [`sample_size`](CsvOptions::sample_size) | 64 KiB at the beginning, middle and end of a file |
///
/// Lines of nothing are skipped; a line of spaces is a row of one field. A column whose samples are all missing is text.
///
/// A wrong setting comes out where the frame is used, as an error of kind [`ErrorKind::Config`].
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let options = CsvOptions::new().dtype("k", Type::Text).nulls(["NA", "-"]);
/// let codes = read_csv_with("testdata/baci/BACI_HS12_Y2018.csv", options);
/// assert_eq!(codes.schema()?.field_with_name("k")?.data_type(), &Type::Text.arrow());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CsvOptions {
    pub(crate) dialect: Dialect,
    pub(crate) header: bool,
    pub(crate) nulls: Option<Vec<String>>,
    pub(crate) dtypes: Vec<(String, Type)>,
    pub(crate) partition_size: Option<u64>,
    pub(crate) sample_size: usize,
    pub(crate) max_record: usize,
}

/// The spellings of a missing value in columns that are not text, beside the empty field.
pub(crate) const NULL_SPELLINGS: [&str; 4] = ["NA", "N/A", "null", "NULL"];

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            dialect: Dialect::default(),
            header: true,
            nulls: None,
            dtypes: Vec::new(),
            partition_size: None,
            sample_size: 64 << 10,
            max_record: 16 << 20,
        }
    }
}

impl CsvOptions {
    /// The defaults.
    pub fn new() -> CsvOptions {
        CsvOptions::default()
    }

    /// The byte between fields.
    pub fn delimiter(mut self, delimiter: u8) -> CsvOptions {
        self.dialect.delimiter = delimiter;
        self
    }

    /// The byte around fields that hold delimiters, line breaks or quotes; `None` where quotes mean nothing.
    pub fn quote(mut self, quote: impl Into<Option<u8>>) -> CsvOptions {
        self.dialect.quote = quote.into();
        self
    }

    /// Whether the first line of each file names the columns. Without one they are `column_1`, `column_2`, ….
    pub fn header(mut self, header: bool) -> CsvOptions {
        self.header = header;
        self
    }

    /// The spellings of a missing value, in place of the default ones and for columns of every type, text too.
    /// An empty unquoted field is always missing; a quoted field never is in a text column.
    pub fn nulls<S: Into<String>>(mut self, spellings: impl IntoIterator<Item = S>) -> CsvOptions {
        self.nulls = Some(spellings.into_iter().map(Into::into).collect());
        self
    }

    /// The type of a column, in place of the inferred one.
    pub fn dtype(mut self, column: impl Into<String>, dtype: Type) -> CsvOptions {
        self.dtypes.push((column.into(), dtype));
        self
    }

    /// About how many bytes of a file make a partition. A file has 10,000 partitions at most.
    pub fn partition_size(mut self, bytes: u64) -> CsvOptions {
        self.partition_size = Some(bytes);
        self
    }

    /// How many bytes to look at, at the beginning, the middle and the end of every file, to infer types.
    pub fn sample_size(mut self, bytes: usize) -> CsvOptions {
        self.sample_size = bytes;
        self
    }

    /// Records up to this long are read, in bytes (16 MiB). One that is longer, and longer than a block of 256 KiB, is an
    /// error: most likely a quote was left open.
    pub fn max_record(mut self, bytes: usize) -> CsvOptions {
        self.max_record = bytes;
        self
    }

    /// Refuses settings that make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let Dialect { delimiter, quote } = self.dialect;
        let wrong = |what: String, help: &str| Err(Error::new(ErrorKind::Config, what).help(help));
        if matches!(delimiter, b'\n' | b'\r') || !delimiter.is_ascii() {
            return wrong(
                format!("the delimiter {:?} can't be one", char::from(delimiter)),
                "take an ASCII byte that is no line end, such as b',' b';' b'\\t' or b'|'",
            );
        }
        if let Some(quote) = quote
            && (matches!(quote, b'\n' | b'\r') || quote == delimiter || !quote.is_ascii())
        {
            return wrong(
                format!("the quote {:?} can't be one", char::from(quote)),
                "take an ASCII byte that is neither a line end nor the delimiter, or None",
            );
        }
        if self.partition_size == Some(0) {
            return wrong("a partition size of 0 bytes".into(), "take 1 at least; 100_000_000 is usual");
        }
        if self.sample_size == 0 {
            return wrong("a sample size of 0 bytes".into(), "take some lines' worth at least; 65_536 is usual");
        }
        if self.max_record == 0 || self.max_record > 1 << 30 {
            return wrong(format!("a max_record of {} bytes", self.max_record), "take 1 to 1 GiB; 16 MiB is usual");
        }
        Ok(())
    }
}
