//! How a CSV file is to be read: what is settable, and what is assumed.

use std::path::PathBuf;

use super::dialect::{Dialect, Mark};
use crate::error::{Error, ErrorKind};
use crate::expr::Type;

/// What becomes of a row that can't be read: one with too many or too few fields, with a value that is none of its column's
/// type, or with a quote that is never closed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnBadRow {
    /// It stops the run with an error.
    #[default]
    Error,
    /// It is left out, and a warning tells how many were; more than `at_most` of them stop the run.
    Skip {
        /// So many rows may be left out.
        at_most: u64,
    },
    /// It is left out and written to this CSV file, with its place and what is wrong with it.
    Reject(PathBuf),
}

/// How much is looked at to infer the types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Infer {
    /// Samples of the beginning, the middle and the end of every file.
    #[default]
    Sample,
    /// Everything, before anything else: one more reading of all files.
    Full,
}

/// How CSV files are to be read. The defaults read what most programs write.
///
/// | setting | default |
/// |---|---|
/// | [`delimiter`](CsvOptions::delimiter) | a comma |
/// | [`quote`](CsvOptions::quote), [`escape`](CsvOptions::escape) | `"`, doubled inside a quoted field; none |
/// | [`stray_quotes`](CsvOptions::stray_quotes) | text behind a closing quote stays, an unclosed one is an error |
/// | [`comment`](CsvOptions::comment) | none |
/// | [`line_end`](CsvOptions::line_end) | LF or CRLF; CR where the first line says so |
/// | [`header`](CsvOptions::header), [`header_at`](CsvOptions::header_at), [`names`](CsvOptions::names) | the first line names the columns |
/// | [`skip_rows`](CsvOptions::skip_rows), [`skip_footer`](CsvOptions::skip_footer) | nothing is passed over |
/// | [`ragged`](CsvOptions::ragged) | a row of another number of fields is an error |
/// | [`on_bad_row`](CsvOptions::on_bad_row) | a row that can't be read is an error |
/// | [`keep_blank_lines`](CsvOptions::keep_blank_lines) | they are skipped |
/// | [`trim`](CsvOptions::trim) | text keeps its spaces |
/// | [`nulls`](CsvOptions::nulls), [`nulls_of`](CsvOptions::nulls_of) | an empty field; in columns that are not text also `NA`, `N/A`, `null`, `NULL` |
/// | [`decimal`](CsvOptions::decimal), [`thousands`](CsvOptions::thousands) | a point; none |
/// | [`true_values`](CsvOptions::true_values), [`false_values`](CsvOptions::false_values) | `true`, `True`, `TRUE`; `false`, `False`, `FALSE` |
/// | [`date_formats`](CsvOptions::date_formats), [`timestamp_formats`](CsvOptions::timestamp_formats) | ISO: `2021-03-31`, `2021-03-31 12:30:59` |
/// | [`dtype`](CsvOptions::dtype), [`all_text`](CsvOptions::all_text) | inferred |
/// | [`infer`](CsvOptions::infer), [`strict`](CsvOptions::strict) | from samples; a run that meets another value infers again |
/// | [`sniff`](CsvOptions::sniff) | the dialect is what the settings say |
/// | [`encoding`](CsvOptions::encoding), [`replace_undecodable`](CsvOptions::replace_undecodable) | UTF-8, or what a byte order mark says; else an error |
/// | [`columns`](CsvOptions::columns) | all; an error where files do not have the same ones |
/// | [`columns_may_differ`](CsvOptions::columns_may_differ) | they may not |
/// | [`file_column`](CsvOptions::file_column) | none |
/// | [`partition_size`](CsvOptions::partition_size) | the session's, 100 MB or less |
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
    pub(crate) names: Option<Vec<String>>,
    pub(crate) skip_rows: u64,
    pub(crate) skip_footer: u64,
    pub(crate) nulls: Option<Vec<String>>,
    pub(crate) nulls_of: Vec<(String, Vec<String>)>,
    pub(crate) decimal: u8,
    pub(crate) thousands: Option<u8>,
    pub(crate) true_values: Option<Vec<String>>,
    pub(crate) false_values: Option<Vec<String>>,
    pub(crate) date_formats: Option<Vec<String>>,
    pub(crate) timestamp_formats: Option<Vec<String>>,
    pub(crate) all_text: bool,
    pub(crate) infer: Infer,
    pub(crate) strict: bool,
    pub(crate) on_bad_row: OnBadRow,
    pub(crate) lossy: bool,
    pub(crate) sniff: bool,
    /// What a sniffer may not overrule.
    pub(crate) told: Told,
    pub(crate) dtypes: Vec<(String, Type)>,
    pub(crate) encoding: Option<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) columns_may_differ: bool,
    pub(crate) file_column: Option<String>,
    pub(crate) partition_size: Option<u64>,
    pub(crate) sample_size: usize,
    pub(crate) max_record: usize,
    /// The first setting that makes no sense.
    pub(crate) wrong: Option<Error>,
}

/// Which parts of the dialect were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub delimiter: bool,
    pub quote: bool,
    pub escape: bool,
    pub header: bool,
    pub skip_rows: bool,
    pub skip_footer: bool,
    pub line_end: bool,
    pub comment: bool,
    pub encoding: bool,
}

/// What stands between fields: a byte, a character or a short text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter(String);

impl From<u8> for Delimiter {
    fn from(byte: u8) -> Delimiter {
        Delimiter(char::from(byte).to_string())
    }
}

impl From<char> for Delimiter {
    fn from(character: char) -> Delimiter {
        Delimiter(character.to_string())
    }
}

impl From<&str> for Delimiter {
    fn from(text: &str) -> Delimiter {
        Delimiter(text.to_owned())
    }
}

impl From<String> for Delimiter {
    fn from(text: String) -> Delimiter {
        Delimiter(text)
    }
}

/// The spellings of a missing value in columns that are not text, beside the empty field.
pub(crate) const NULL_SPELLINGS: [&str; 4] = ["NA", "N/A", "null", "NULL"];

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            dialect: Dialect::default(),
            header: true,
            names: None,
            skip_rows: 0,
            skip_footer: 0,
            nulls: None,
            nulls_of: Vec::new(),
            decimal: b'.',
            thousands: None,
            true_values: None,
            false_values: None,
            date_formats: None,
            timestamp_formats: None,
            all_text: false,
            infer: Infer::Sample,
            strict: false,
            on_bad_row: OnBadRow::Error,
            lossy: false,
            sniff: false,
            told: Told::default(),
            dtypes: Vec::new(),
            encoding: None,
            columns: None,
            columns_may_differ: false,
            file_column: None,
            partition_size: None,
            sample_size: 64 << 10,
            max_record: 16 << 20,
            wrong: None,
        }
    }
}

impl CsvOptions {
    /// The defaults.
    pub fn new() -> CsvOptions {
        CsvOptions::default()
    }

    /// What stands between fields: `b';'`, `'\t'`, `"||"`; at most 8 bytes of UTF-8, none of them a line end.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let options = CsvOptions::new().delimiter("||");
    /// let table = read_csv_with(Paths::bytes("a", "x||y\n1||2\n"), options).compute()?;
    /// assert_eq!(table.num_columns(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delimiter(mut self, delimiter: impl Into<Delimiter>) -> CsvOptions {
        let Delimiter(text) = delimiter.into();
        self.told.delimiter = true;
        match Mark::new(&text).filter(|_| !text.contains(['\n', '\r'])) {
            Some(mark) => self.dialect.delimiter = mark,
            None => self.refuse(
                format!("the delimiter {text:?} can't be one"),
                "take one to eight bytes that are no line end, such as b',' b';' b'\\t' or \"||\"",
            ),
        }
        self
    }

    /// Remembers the first setting that makes no sense.
    pub(super) fn refuse(&mut self, what: String, help: &str) {
        self.wrong.get_or_insert_with(|| Error::new(ErrorKind::Config, what).help(help));
    }

    /// The byte around fields that hold delimiters, line breaks or quotes; `None` where quotes mean nothing.
    pub fn quote(mut self, quote: impl Into<Option<u8>>) -> CsvOptions {
        self.dialect.quote = quote.into();
        self.told.quote = true;
        self
    }

    /// Whether the first line of each file names the columns. Without one they are `column_1`, `column_2`, ….
    pub fn header(mut self, header: bool) -> CsvOptions {
        self.header = header;
        self.told.header = true;
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
        self.told.encoding = true;
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
}
