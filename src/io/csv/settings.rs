//! The settings of a dialect and of values beyond the ones that most files need, and the check of them all.

use std::collections::HashSet;

use super::decode::spelling::date_items;
use super::dialect::{LineEnd, Mark, Ragged, Simd};
use super::encoding::of_label;
use super::options::{CsvOptions, Infer, OnBadRow};
use crate::error::{Error, ErrorKind, Result};

/// More of the dialect.
impl CsvOptions {
    /// The byte that takes the meaning from what follows it, in quotes and outside: a quote, a delimiter, a line end, itself. It
    /// is no part of the text. (Doubled quotes stay what they are.) The quote itself, as other programs have it, means none.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let file = Paths::bytes("a", "x,y\n\"5\\\" pipe\",a\\,b\n");
    /// let table = read_csv_with(file, CsvOptions::new().escape(b'\\')).compute()?;
    /// assert!(table.to_string().contains("5\" pipe") && table.to_string().contains("a,b"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn escape(mut self, escape: impl Into<Option<u8>>) -> CsvOptions {
        self.dialect.escape = escape.into();
        self.told.escape = true;
        self
    }

    /// What begins a line that is no record, such as `"#"`: at most 8 bytes. It counts at the beginning of a line alone
    /// (with [`trim`](CsvOptions::trim) behind spaces too), not behind fields, and lines of this kind above the header are passed over.
    /// An empty text means that there are no comments.
    pub fn comment(mut self, prefix: impl AsRef<str>) -> CsvOptions {
        let prefix = prefix.as_ref();
        self.told.comment = true;
        self.dialect.comment = Mark::new(prefix).filter(|_| !prefix.contains(['\n', '\r']));
        if self.dialect.comment.is_none() && !prefix.is_empty() {
            let what = format!("{prefix:?} can't begin comments");
            self.refuse(what, "take one to eight bytes that are no line end, such as \"#\" or \"//\"");
        }
        self
    }

    /// What ends a record. The default takes LF and CRLF, and CR for a file whose first line has CRs and no LF.
    pub fn line_end(mut self, line_end: LineEnd) -> CsvOptions {
        self.dialect.line_end = line_end;
        self.told.line_end = true;
        self
    }

    /// The header is line `line`, counted from 1; what stands above is passed over. The same as
    /// [`skip_rows`](CsvOptions::skip_rows) of one less.
    pub fn header_at(mut self, line: u64) -> CsvOptions {
        if line == 0 {
            self.refuse(
                "a header at line 0".into(),
                "lines count from 1; CsvOptions::header(false) or --no-header is for none",
            );
        }
        self.header = true;
        self.told.header = true;
        self.skip_rows(line.saturating_sub(1))
    }

    /// The names of the columns, for files that have no header. Where they have one all the same, say
    /// [`header(true)`](CsvOptions::header) behind this: it is passed over, and these names count. As in pandas.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let table = read_csv_with(Paths::bytes("a", "1,2\n"), CsvOptions::new().names(["x", "y"])).compute()?;
    /// assert_eq!(table.schema().field(1).name(), "y");
    /// # Ok(())
    /// # }
    /// ```
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> CsvOptions {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self.header = false;
        self.told.header = true;
        self
    }

    /// So many lines at the top of each file are passed over, whatever is in them; the header comes behind.
    pub fn skip_rows(mut self, lines: u64) -> CsvOptions {
        self.skip_rows = lines;
        self.told.skip_rows = true;
        self
    }

    /// So many lines at the bottom of each file are passed over, whatever is in them; blank lines at its very end don't count.
    pub fn skip_footer(mut self, lines: u64) -> CsvOptions {
        self.skip_footer = lines;
        self.told.skip_footer = true;
        self
    }

    /// What becomes of rows that have not as many fields as the header.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, Ragged, prelude::*};
    /// let read = |ragged| read_csv_with(Paths::bytes("a", "x,y\n1\n1,2,3\n"), CsvOptions::new().ragged(ragged)).compute();
    /// assert_eq!(read(Ragged::Error).unwrap_err().kind(), ErrorKind::Malformed);
    /// assert_eq!(read(Ragged::Truncate)?.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ragged(mut self, ragged: Ragged) -> CsvOptions {
        self.dialect.ragged = ragged;
        self
    }

    /// What becomes of rows that can't be read. With anything but [`OnBadRow::Error`], all columns are decoded before rows
    /// are filtered, whatever the query uses: each row of the files either arrives or is left out for a reason.
    ///
    /// `Reject(path)` writes a CSV of the columns `file, line, byte, column, reason, raw`, in the order of files and lines; `line` and `byte` are
    /// where the fault is, `raw` is the record as it stands. It is written when the run has come to its end, replacing what was there. Behind a quote
    /// that is not closed within [`max_record`](CsvOptions::max_record), the line that opens it is rejected, and reading goes on with the next line.
    /// A warning ([`Event::Warning`](crate::Event::Warning)) tells how many rows were left out, and how far was read where a query wanted no
    /// more than its first rows.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{OnBadRow, Paths, prelude::*};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let rejects = dir.path().join("rejects.csv");
    /// let options = CsvOptions::new().dtype("x", Type::Int64).on_bad_row(OnBadRow::Reject(rejects.clone()));
    /// let table = read_csv_with(Paths::bytes("a", "x,y\n1,2\n?,3\n4\n"), options).compute()?;
    /// assert_eq!(table.num_rows(), 1);
    /// assert_eq!(read_csv(&rejects).compute()?.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_bad_row(mut self, on_bad_row: OnBadRow) -> CsvOptions {
        self.on_bad_row = on_bad_row;
        self
    }

    /// Whether a blank line is a row of missing values. (By default it is skipped.)
    pub fn keep_blank_lines(mut self, keep: bool) -> CsvOptions {
        self.dialect.keep_blank = keep;
        self
    }

    /// How fields are found and numbers read: for tests.
    #[doc(hidden)]
    pub fn simd(mut self, simd: Simd) -> CsvOptions {
        self.dialect.simd = simd;
        self
    }

    /// Whether spaces and tabs around fields go, in text columns too; those in quotes stay. A quote behind spaces then opens its
    /// field. (Values that are not text are always read without them.)
    pub fn trim(mut self, trim: bool) -> CsvOptions {
        self.dialect.trim = trim;
        self
    }

    /// Whether quotes that neither open nor close a field are text, for files whose writers did not double them. Then a quote closes
    /// its field before a delimiter or a line end alone; and one that begins a field is text if, before any that closes, another one
    /// begins a field: `x,"5 in,"a b"` has three fields. By default, what follows a closing quote is text up to the next delimiter, and a
    /// quote that is never closed is an error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let file = Paths::bytes("a", "x,y,z\n1,\"5 in,\"a b\"\n");
    /// let table = read_csv_with(file, CsvOptions::new().stray_quotes(true)).compute()?;
    /// assert!(table.to_string().contains("\"5 in"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stray_quotes(mut self, are_text: bool) -> CsvOptions {
        self.dialect.lenient = are_text;
        self
    }

    /// Finds out delimiter, quote, escape, header, what stands above it and how lines end, from the beginning of each file: of several,
    /// each is read as the first one, unless that fits it badly.
    /// Whatever is set explicitly stays as it is. [`Frame::dialect_report`](crate::Frame::dialect_report) and `partita schema` tell what was found.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let file = Paths::bytes("a", "Sales of May\n\nday;amount\n1;2,5\n2;3,5\n");
    /// let table = read_csv_with(file, CsvOptions::new().sniff()).compute()?;
    /// assert_eq!((table.num_rows(), table.num_columns()), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn sniff(mut self) -> CsvOptions {
        self.sniff = true;
        self
    }
}

/// How values are spelled, and what their types are.
impl CsvOptions {
    /// The spellings of a missing value in this column, in place of those of [`nulls`](CsvOptions::nulls) and the default ones.
    pub fn nulls_of<S: Into<String>>(
        mut self,
        column: impl Into<String>,
        spellings: impl IntoIterator<Item = S>,
    ) -> CsvOptions {
        self.nulls_of.push((column.into(), spellings.into_iter().map(Into::into).collect()));
        self
    }

    /// The character before the decimals of a number: a point, or a comma.
    pub fn decimal(mut self, decimal: u8) -> CsvOptions {
        self.decimal = decimal;
        self
    }

    /// The character between groups of digits, as in `1,234,567.5`: groups of two or three digits, the last of three.
    pub fn thousands(mut self, thousands: impl Into<Option<u8>>) -> CsvOptions {
        self.thousands = thousands.into();
        self
    }

    /// The spellings of true, in place of `true`, `True` and `TRUE`. What is spelled so is a truth value even if it could be a number.
    pub fn true_values<S: Into<String>>(mut self, spellings: impl IntoIterator<Item = S>) -> CsvOptions {
        self.true_values = Some(spellings.into_iter().map(Into::into).collect());
        self
    }

    /// The spellings of false, in place of `false`, `False` and `FALSE`.
    pub fn false_values<S: Into<String>>(mut self, spellings: impl IntoIterator<Item = S>) -> CsvOptions {
        self.false_values = Some(spellings.into_iter().map(Into::into).collect());
        self
    }

    /// How dates are written, in place of ISO, by formats of `strftime` such as `%d.%m.%Y`: the first that fits counts.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Paths, prelude::*};
    /// let days = read_csv_with(Paths::bytes("a", "day\n31.3.2021\n"), CsvOptions::new().date_formats(["%d.%m.%Y"]));
    /// assert_eq!(days.schema()?.field(0).data_type(), &Type::Date.arrow());
    /// # Ok(())
    /// # }
    /// ```
    pub fn date_formats<S: Into<String>>(mut self, formats: impl IntoIterator<Item = S>) -> CsvOptions {
        self.date_formats = Some(formats.into_iter().map(Into::into).collect());
        self
    }

    /// How timestamps are written, in place of ISO: as [`date_formats`](CsvOptions::date_formats).
    pub fn timestamp_formats<S: Into<String>>(mut self, formats: impl IntoIterator<Item = S>) -> CsvOptions {
        self.timestamp_formats = Some(formats.into_iter().map(Into::into).collect());
        self
    }

    /// All columns are text, as they stand in the files, spaces and all. An empty field that is not quoted is missing.
    pub fn all_text(mut self, all_text: bool) -> CsvOptions {
        self.all_text = all_text;
        self
    }

    /// How much is looked at to infer types.
    pub fn infer(mut self, infer: Infer) -> CsvOptions {
        self.infer = infer;
        self
    }

    /// A value that contradicts the inferred type of its column is an error. Without it a run that meets one looks at
    /// everything, widens the type, and starts again.
    pub fn strict(mut self, strict: bool) -> CsvOptions {
        self.strict = strict;
        self
    }

    /// Reads U+FFFD (`�`) where bytes can't be decoded, in place of an error.
    pub fn replace_undecodable(mut self, replace: bool) -> CsvOptions {
        self.lossy = replace;
        self
    }

    /// Refuses settings that make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let dialect = &self.dialect;
        let wrong = |what: String, help: &str| Err(Error::new(ErrorKind::Config, what).help(help));
        let delimiter = dialect.delimiter.as_bytes();
        let marks = |byte: u8| matches!(byte, b'\n' | b'\r') || !byte.is_ascii();
        if let Some(quote) = dialect.quote
            && (marks(quote) || delimiter.contains(&quote))
        {
            return wrong(
                format!("the quote {:?} can't be one", char::from(quote)),
                "take an ASCII byte that is neither a line end nor the delimiter, or None",
            );
        }
        if let Some(escape) = dialect.escape
            && (marks(escape) || delimiter[0] == escape)
        {
            return wrong(
                format!("the escape {:?} can't be one", char::from(escape)),
                "take an ASCII byte that is no line end, delimiter or quote, such as b'\\\\', or None",
            );
        }
        if let Some(comment) = &dialect.comment
            && (comment.as_bytes()[0] == delimiter[0] || dialect.quote == Some(comment.as_bytes()[0]))
        {
            return wrong(format!("{:?} can't begin comments", comment.text()), "it is the delimiter or the quote");
        }
        if !self.decimal.is_ascii_punctuation() || self.thousands == Some(self.decimal) {
            return wrong(
                format!("the decimal character {:?} can't be one", char::from(self.decimal)),
                "take b'.' or b',', and another one for thousands",
            );
        }
        if let Some(thousands) = self.thousands
            && (!thousands.is_ascii() || thousands.is_ascii_alphanumeric() || matches!(thousands, b'-' | b'+'))
        {
            return wrong(
                format!("the character {:?} can't stand between thousands", char::from(thousands)),
                "take b',' b'.' b' ' b'\\'' or b'_'",
            );
        }
        for format in self.date_formats.iter().chain(&self.timestamp_formats).flatten() {
            date_items(format)?;
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
                    "name one at least, or leave CsvOptions::columns or --columns out",
                );
            }
            unique(names, "is to be read twice")?;
        }
        if let Some(names) = &self.names {
            unique(names, "is named twice")?;
        }
        if let OnBadRow::Reject(path) = &self.on_bad_row
            && (path.as_os_str().is_empty() || path.is_dir())
        {
            return wrong(format!("rejected rows can't be written to '{}'", path.display()), "name a file");
        }
        Ok(())
    }
}

fn unique(names: &[String], what: &str) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => {
            Err(Error::new(ErrorKind::Config, format!("column '{twice}' {what}")).help("name each column once"))
        }
        None => Ok(()),
    }
}
