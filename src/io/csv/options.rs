//! How a CSV file is to be read: what is settable, and what is assumed.

use std::collections::HashSet;

use super::encoding::of_label;
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
/// | [`encoding`](CsvOptions::encoding) | UTF-8, or what a byte order mark says |
/// | [`columns`](CsvOptions::columns) | all; an error where files do not have the same ones |
/// | [`columns_may_differ`](CsvOptions::columns_may_differ) | they may not |
/// | [`file_column`](CsvOptions::file_column) | none |
/// | [`partition_size`](CsvOptions::partition_size) | the session's, 100 MB |
/// | [`sample_size`](CsvOptions::sample_size) | 64 KiB at the beginning, middle and end of a file |
/// | [`max_record`](CsvOptions::max_record) | 16 MiB |
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
    pub(crate) encoding: Option<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) columns_may_differ: bool,
    pub(crate) file_column: Option<String>,
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
            encoding: None,
            columns: None,
            columns_may_differ: false,
            file_column: None,
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

    /// The encoding of the files, in place of UTF-8: any label of the WHATWG's [Encoding Standard], in any case, such as
    /// `ISO-8859-1`, `Shift_JIS` or `UTF-16LE`. As on the web, `ISO-8859-1` and `ASCII` mean windows-1252, which has
    /// characters where they have control codes. A byte order mark at the beginning of a file tells better than the label.
    ///
    /// Headers and text columns are decoded; what cannot be is an error of kind [`ErrorKind::Value`] with its file, line,
    /// byte and column. As with other values, what a query does not use is not decoded, and so not checked. Plain ASCII
    /// costs nothing. There are encodings that delimiters cannot be found in as they stand: UTF-16, ISO-2022-JP, and
    /// those of East Asia but EUC-JP where a letter, a digit or one of ``@[\]^_`{|}~`` is the delimiter or quote. Such files are
    /// rewritten in UTF-8 as the frame is made, whole, into an unlinked file in the session's directory for spill files,
    /// and what cannot be decoded is found there and then.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let options = CsvOptions::new().encoding("ISO-8859-1");
    /// let countries = read_csv_with("testdata/baci/country_codes.csv", options);
    /// let ivory_coast = countries.filter(col("country_name_full").eq("Côte d'Ivoire")).compute()?;
    /// assert_eq!(ivory_coast.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [Encoding Standard]: https://encoding.spec.whatwg.org/#names-and-labels
    pub fn encoding(mut self, label: impl Into<String>) -> CsvOptions {
        self.encoding = Some(label.into());
        self
    }

    /// Only these columns, in this order; whatever else a file has is passed over, so that files may differ in it. Each file
    /// must have each of these, unless [`columns_may_differ`](CsvOptions::columns_may_differ).
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let files: Paths = [Paths::bytes("a", "x,y\n1,2\n"), Paths::bytes("b", "z,y,x\n5,4,3\n")].into_iter().collect();
    /// let table = read_csv_with(files, CsvOptions::new().columns(["x", "y"])).compute()?;
    /// assert_eq!((table.num_rows(), table.num_columns()), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> CsvOptions {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Takes files of different columns: the columns of any file, in the order in which the files name them first, null
    /// where a file lacks one. (That is what pandas' `concat` of their frames gives.) Without it such files are an error that
    /// names two of them.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let files: Paths = [Paths::bytes("a", "x,y\n1,2\n"), Paths::bytes("b", "z,x\n5,3\n")].into_iter().collect();
    /// let all = read_csv_with(files, CsvOptions::new().columns_may_differ());
    /// assert_eq!(all.schema()?.fields().iter().map(|f| f.name()).collect::<Vec<_>>(), ["x", "y", "z"]);
    /// assert_eq!(all.filter(col("y").is_null()).compute()?.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn columns_may_differ(mut self) -> CsvOptions {
        self.columns_may_differ = true;
        self
    }

    /// One more text column of this name, the last: the file that a row comes from, its path as it was given or as the glob
    /// found it. A column of the files that has this name is an error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let options = CsvOptions::new().file_column("file");
    /// let rows = read_csv_with("testdata/baci/BACI_HS12_Y*.csv", options).group_by(["file"]).agg([size()]).compute()?;
    /// assert_eq!(rows.num_rows(), 7);
    /// assert!(rows.to_string().contains("testdata/baci/BACI_HS12_Y2012.csv"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn file_column(mut self, name: impl Into<String>) -> CsvOptions {
        self.file_column = Some(name.into());
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
        if let Some(label) = &self.encoding {
            of_label(label)?;
            // Decoded, a block is up to three times as long, and places in it have 31 bits.
            if self.max_record > 512 << 20 {
                return wrong(
                    format!("a max_record of {} bytes with an encoding", self.max_record),
                    "take 512 MiB at most, or convert the file to UTF-8",
                );
            }
        }
        if let Some(names) = &self.columns {
            if names.is_empty() {
                return wrong(
                    "no columns are to be read".into(),
                    "name one at least, or leave CsvOptions::columns out",
                );
            }
            let mut seen = HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
                return wrong(format!("column '{twice}' is to be read twice"), "name each column once");
            }
        }
        Ok(())
    }
}
