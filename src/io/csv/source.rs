//! A glob of CSV files, as one table: its schema, its files, its partitions.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::boundary::cuts;
use super::columns::{Place, agree};
use super::dialect::LineEnd;
use super::encoding::TextFile;
use super::infer::{Guess, Header, read_header, sample};
use super::infer_all::infer_all;
use super::options::{CsvOptions, Infer, OnBadRow};
use super::sniff::sniff;
use crate::config::PartitionSize;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::io::discover::{InputFile, Paths, discover};
use crate::io::spool::Spool;

/// CSV files that are read as one table. Made by looking at their headers and samples; it holds no rows.
#[derive(Debug, Clone)]
pub(crate) struct CsvSource {
    pub paths: Paths,
    pub options: CsvOptions,
    pub schema: SchemaRef,
    pub types: Vec<Type>,
    /// Where each column's type was decided; `None` where it was given, or every sample was missing.
    decisions: Vec<Option<Decision>>,
    /// The files that have records or at least a header; empty files are left out.
    pub files: Vec<CsvFile>,
    pub partitions: Vec<CsvPartition>,
    /// The same with wider types, once a value has contradicted these.
    wider: OnceLock<Arc<CsvSource>>,
    /// What was widened, in words.
    changes: Vec<String>,
}

/// One file of a source.
#[derive(Debug, Clone)]
pub(crate) struct CsvFile {
    pub text: TextFile,
    pub header: Header,
    /// Fields a record.
    pub width: usize,
    /// For each column of the schema, where it is.
    pub places: Vec<Place>,
}

/// A byte range of a file: the records that begin in it.
#[derive(Debug, Clone)]
pub(crate) struct CsvPartition {
    pub file: usize,
    pub range: Range<u64>,
    /// Whether a record begins exactly at the range's start: true for the first of each file alone.
    pub exact: bool,
}

/// What decided the type of a column.
#[derive(Debug, Clone)]
struct Decision {
    file: usize,
    byte: u64,
}

/// What `partita schema` tells of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnReport {
    /// The column.
    pub name: String,
    /// Its type.
    pub dtype: Type,
    /// The file and line, counted from 1, of the value that decided the type: the first one of the samples that only
    /// this type (or a wider one) holds. `None` where the type was given, or all sampled values were missing.
    pub decided_at: Option<(PathBuf, u64)>,
}

impl CsvSource {
    /// Looks at the files. `partition_size` holds where the options name none; what must be kept for reading goes into
    /// `spill_dir`.
    ///
    /// # Errors
    /// What [`discover`] says; files that differ in their columns; a header that is no text; options that make no sense.
    pub(crate) fn open(
        paths: Paths,
        mut options: CsvOptions,
        partition_size: PartitionSize,
        spill_dir: &Path,
    ) -> Result<CsvSource> {
        options.check()?;
        if options.dialect.escape == options.dialect.quote {
            options.dialect.escape = None;
        }
        let mut spool = Spool::new(spill_dir);
        let found = discover(&paths, &mut spool)?;
        check_rejects(&options, found.iter().map(|file| &*file.path))?;
        let told = options.clone();
        let (mut seen, mut first) = (Vec::new(), None);
        for file in &found {
            let (own, file) = match told.sniff {
                true => sniffed(file, &told, first.as_ref(), &mut spool)?,
                false => (told.clone(), file.clone()),
            };
            let (text, input) = TextFile::open(&file, &own, &mut spool)?;
            if told.sniff && first.is_none() && text.start < text.end {
                first = Some(own.clone());
                options = own.clone();
            }
            let Some(header) = read_header(&input, &text, &own)? else { continue };
            let guesses = match (own.all_text, own.infer) {
                (true, _) => vec![Guess::default(); header.names.len()],
                (false, Infer::Sample) => sample(&input, &text, &header, &own)?,
                (false, Infer::Full) => {
                    let guesses = vec![Guess::default(); header.names.len()];
                    infer_all(&input, &text, &header, &own, guesses, false)?
                }
            };
            seen.push((text, header, guesses));
        }
        if seen.is_empty() {
            let what = match &found[..] {
                [one] if options.skip_rows > 0 && one.bytes > 0 => {
                    let plural = if options.skip_rows == 1 { "line that is" } else { "lines that are" };
                    let what = format!("'{}' has no header behind", one.path.display());
                    format!("{what} {} {plural} passed over", options.skip_rows)
                }
                [one] => format!("'{}' is empty: it has no header", one.path.display()),
                _ => "all files are empty: none has a header".to_owned(),
            };
            return Err(
                Error::new(ErrorKind::Malformed, what).help("a CSV file begins with a line that names its columns")
            );
        }
        let headers: Vec<_> = seen.iter().map(|(text, header, _)| (&text.input, header)).collect();
        let (mut names, places) = agree(&headers, &options)?;
        let mut guesses = vec![(Guess::default(), 0); names.len()];
        let (mut files, mut partitions) = (Vec::new(), Vec::new());
        let bytes = |text: &TextFile, header: &Header| text.end.saturating_sub(header.first_record);
        let mut left: u64 = seen.iter().map(|(text, header, _)| bytes(text, header)).sum();
        let asked = options.partition_size.map(|bytes| PartitionSize { bytes, threads: None });
        let size = asked.unwrap_or(partition_size);
        for (index, ((text, header, seen), mut places)) in seen.into_iter().zip(places).enumerate() {
            for ((guess, decided_in), &field) in guesses.iter_mut().zip(&places) {
                if let Place::Field(field) = field
                    && guess.see(seen[field])
                {
                    *decided_in = index;
                }
            }
            left -= bytes(&text, &header);
            let records = header.first_record..text.end.max(header.first_record);
            for (i, range) in cuts(records, left, size).into_iter().enumerate() {
                partitions.push(CsvPartition { file: index, range, exact: i == 0 });
            }
            if options.file_column.is_some() {
                places.push(Place::FileName);
            }
            files.push(CsvFile { text, width: header.names.len(), places, header });
        }
        let mut types = Vec::with_capacity(names.len());
        let mut decisions = Vec::with_capacity(names.len());
        for (guess, file) in guesses {
            types.push(guess.dtype.unwrap_or(Type::Text));
            decisions.push(guess.dtype.map(|_| Decision { file, byte: guess.decided_at }));
        }
        for (column, _) in &options.nulls_of {
            if !names.contains(column) {
                let error = Error::unknown_column(column, names.iter().map(String::as_str));
                return Err(error.in_step("CsvOptions::nulls_of, --nulls-of"));
            }
        }
        for (column, dtype) in &options.dtypes {
            let Some(i) = names.iter().position(|n| n == column) else {
                return Err(Error::unknown_column(column, names.iter().map(String::as_str))
                    .in_step("CsvOptions::dtype, --types"));
            };
            types[i] = *dtype;
            decisions[i] = None;
        }
        if let Some(name) = &options.file_column {
            if names.contains(name) {
                return Err(Error::new(ErrorKind::Column, format!("the files have a column '{name}' of their own"))
                    .help("give the column of file names another name")
                    .in_step("CsvOptions::file_column, --file-column"));
            }
            names.push(name.clone());
            types.push(Type::Text);
            decisions.push(None);
        }
        let fields = names.iter().zip(&types).map(|(name, dtype)| Field::new(name, dtype.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let (wider, changes) = (OnceLock::new(), Vec::new());
        Ok(CsvSource { paths, options, schema, types, decisions, files, partitions, wider, changes })
    }

    /// The same with the widest types that are known by now; `None` where it is this itself.
    pub(crate) fn wider(self: &Arc<CsvSource>) -> Option<Arc<CsvSource>> {
        let wider = self.wider.get()?;
        Some(wider.wider().unwrap_or_else(|| wider.clone()))
    }

    /// What was widened since the samples, and why.
    pub(crate) fn changes(self: &Arc<CsvSource>) -> Vec<String> {
        self.wider().unwrap_or_else(|| self.clone()).changes.clone()
    }

    /// Looks at all values of these columns (places in the schema), and remembers the source with types that hold them. Tells what
    /// changed. Where rows may be left out, values that only a text column would hold change nothing: their rows go.
    pub(crate) fn widen(self: &Arc<CsvSource>, columns: &[usize]) -> Result<Vec<String>> {
        let rejects = self.options.on_bad_row != OnBadRow::Error;
        let is_wanted = |column: usize| columns.contains(&column) && self.is_inferred(column);
        let begin = |column: usize| match rejects {
            // What the samples said holds.
            true => Guess { dtype: Some(self.types[column]), ..Guess::default() },
            false => Guess::default(),
        };
        let unwanted = Guess { dtype: Some(Type::Text), ..Guess::default() };
        let mut guesses: Vec<(Guess, usize)> = (0..self.types.len()).map(|column| (begin(column), 0)).collect();
        for (index, file) in self.files.iter().enumerate() {
            let mut seen = vec![unwanted; file.width];
            let wanted = || {
                let fields = file.places.iter().enumerate().filter(|(column, _)| is_wanted(*column));
                fields.filter_map(
                    |(column, place)| if let Place::Field(field) = place { Some((column, *field)) } else { None },
                )
            };
            wanted().for_each(|(column, field)| seen[field] = begin(column));
            let input = file.text.input.open()?;
            seen = infer_all(&input, &file.text, &file.header, &self.options, seen, rejects)?;
            for (column, field) in wanted() {
                let (guess, decided_in) = &mut guesses[column];
                if !(rejects && guess.would_be_text(seen[field])) && guess.see(seen[field]) {
                    *decided_in = index;
                }
            }
        }
        let mut wider = CsvSource { wider: OnceLock::new(), changes: Vec::new(), ..CsvSource::clone(self) };
        for (column, (guess, file)) in guesses.into_iter().enumerate() {
            let Some(dtype) = guess.dtype.filter(|dtype| is_wanted(column) && *dtype != self.types[column]) else {
                continue;
            };
            wider.types[column] = dtype;
            wider.decisions[column] = Some(Decision { file, byte: guess.decided_at });
            let at = self.files[file].text.position(guess.decided_at);
            wider.changes.push(format!("column '{}' is {dtype}, as {at} says", self.schema.field(column).name()));
        }
        if wider.changes.is_empty() {
            return Ok(Vec::new());
        }
        let changes = wider.changes.clone();
        wider.changes.splice(0..0, self.changes.iter().cloned());
        let fields = self.schema.fields().iter().zip(&wider.types);
        let fields: Vec<Field> = fields.map(|(field, dtype)| Field::new(field.name(), dtype.arrow(), true)).collect();
        wider.schema = Arc::new(Schema::new(fields));
        // Another run may have found the same meanwhile.
        _ = self.wider.set(Arc::new(wider));
        Ok(changes)
    }

    /// Whether the type of a column was inferred.
    pub(crate) fn is_inferred(&self, column: usize) -> bool {
        let name = self.schema.field(column).name();
        !self.options.all_text && !self.options.dtypes.iter().any(|(given, _)| given == name)
    }

    /// The bytes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.text.input.bytes).sum()
    }

    /// How the files are read: the options that are not the defaults, by the names that [`CsvOptions::set`] knows.
    pub(crate) fn dialect(&self) -> Vec<(&'static str, String)> {
        let (options, default) = (&self.options, CsvOptions::default());
        let line_end = self.files.first().map_or(options.dialect.line_end, |file| file.text.dialect.line_end);
        let byte = |byte: Option<u8>| byte.map_or(String::new(), |byte| char::from(byte).to_string());
        let mut set = vec![
            ("delimiter", options.dialect.delimiter.text()),
            ("quote", byte(options.dialect.quote)),
            ("header", options.header.to_string()),
        ];
        if options.dialect.escape.is_some() {
            set.push(("escape", byte(options.dialect.escape)));
        }
        if let Some(comment) = &options.dialect.comment {
            set.push(("comment", comment.text()));
        }
        match line_end {
            LineEnd::Auto | LineEnd::Lf => {}
            LineEnd::CrLf => set.push(("line_end", "crlf".to_owned())),
            LineEnd::Cr => set.push(("line_end", "cr".to_owned())),
            LineEnd::Any => set.push(("line_end", "any".to_owned())),
        }
        for (name, value, usual) in
            [("skip", options.skip_rows, default.skip_rows), ("skip_footer", options.skip_footer, default.skip_footer)]
        {
            if value != usual {
                set.push((name, value.to_string()));
            }
        }
        let encoding = self.files.first().and_then(|file| file.text.told_encoding());
        set.extend(encoding.map(|encoding| ("encoding", encoding.name().to_owned())));
        set
    }

    /// Each column with its type and what decided it.
    pub(crate) fn report(&self) -> Result<Vec<ColumnReport>> {
        let mut report = Vec::new();
        for (i, field) in self.schema.fields().iter().enumerate() {
            let decided_at = match &self.decisions[i] {
                None => None,
                Some(Decision { file, byte }) => {
                    let text = &self.files[*file].text;
                    text.input.open()?;
                    text.position(*byte).line.map(|line| (text.input.path.clone(), line))
                }
            };
            report.push(ColumnReport { name: field.name().clone(), dtype: self.types[i], decided_at });
        }
        Ok(report)
    }
}

/// Refuses to replace one of these files by the rows that are rejected.
pub(crate) fn check_rejects<'a>(options: &CsvOptions, mut files: impl Iterator<Item = &'a Path>) -> Result<()> {
    if let OnBadRow::Reject(path) = &options.on_bad_row
        && let Ok(rejects) = path.canonicalize()
        && files.any(|file| file.canonicalize().is_ok_and(|file| file == rejects))
    {
        let what = format!("rejected rows would replace '{}', which is read", path.display());
        return Err(Error::new(ErrorKind::Config, what).help("name another file for them"));
    }
    Ok(())
}

/// The options for a file whose dialect is found out, and the file to open with them: what was unpacked is not unpacked again.
fn sniffed(
    file: &InputFile,
    told: &CsvOptions,
    first: Option<&CsvOptions>,
    spool: &mut Spool,
) -> Result<(CsvOptions, InputFile)> {
    // Where a footer begins depends on the quotes.
    let as_told = CsvOptions { skip_footer: 0, ..told.clone() };
    let (text, input) = TextFile::open(file, &as_told, spool)?;
    let mut own = told.clone();
    if text.start < text.end {
        let sample = text.window(&input, text.start, told.sample_size)?;
        let whole = text.start + sample.len() as u64 >= text.end;
        sniff(&sample, whole, text.dialect, first, &mut own);
    }
    Ok((own, if text.is_rewritten() { file.clone() } else { text.input }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn open(files: &[(&str, &str)], options: CsvOptions) -> Result<CsvSource> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let size = PartitionSize { bytes: 100, threads: None };
        CsvSource::open(dir.path().join("*.csv").into(), options, size, dir.path())
    }

    #[test]
    fn files_agree_on_types_and_may_order_columns_differently() {
        let source =
            open(&[("1.csv", "a,b\n1,\n"), ("2.csv", "b,a\nx,2.5\n"), ("3.csv", "")], CsvOptions::default()).unwrap();
        assert_eq!(source.types, [Type::Float64, Type::Text]);
        assert_eq!(
            source.files.iter().map(|f| f.places.clone()).collect::<Vec<_>>(),
            [[0, 1], [1, 0]].map(|places| places.map(Place::Field))
        );
        assert_eq!(source.decisions.iter().flatten().map(|d| (d.file, d.byte)).collect::<Vec<_>>(), [(1, 6), (1, 4)]);
    }

    #[test]
    fn a_file_without_a_column_is_named_with_one_that_has_it() {
        for (second, lacking) in [("a\n1\n", "2.csv"), ("a,b,c\n1,2,3\n", "1.csv")] {
            let error = open(&[("1.csv", "a,b\n1,2\n"), ("2.csv", second)], CsvOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Column);
            assert!(error.message().contains("1.csv") && error.message().contains("2.csv"), "{error}");
            assert!(error.position().unwrap().file.ends_with(lacking));
        }
    }

    #[test]
    fn settings_are_checked() {
        let open_with = |options| open(&[("1.csv", "abc,b\n1,2\n")], options).unwrap_err();
        let error = open_with(CsvOptions::default().dtype("abd", Type::Text));
        assert!(error.to_string().contains("did you mean 'abc'"), "{error}");
        assert_eq!(open_with(CsvOptions::default().delimiter(b'\n')).kind(), ErrorKind::Config);
        assert_eq!(open_with(CsvOptions::default().quote(b',')).kind(), ErrorKind::Config);
        assert_eq!(open_with(CsvOptions::default().partition_size(0)).kind(), ErrorKind::Config);
    }

    #[test]
    fn only_empty_files_are_an_error() {
        assert_eq!(
            open(&[("1.csv", ""), ("2.csv", "\n\n")], CsvOptions::default()).unwrap_err().kind(),
            ErrorKind::Malformed
        );
    }
}
