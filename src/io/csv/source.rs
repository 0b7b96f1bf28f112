//! A glob of CSV files, as one table: its schema, its files, its partitions.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::boundary::cuts;
use super::columns::{Place, agree};
use super::encoding::TextFile;
use super::infer::{Guess, read_header, sample, widen};
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::io::discover::{Paths, discover};
use crate::io::spool::Spool;

/// CSV files that are read as one table. Made by looking at their headers and samples; it holds no rows.
#[derive(Debug)]
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
}

/// One file of a source.
#[derive(Debug)]
pub(crate) struct CsvFile {
    pub text: TextFile,
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
    pub(crate) fn open(paths: Paths, options: CsvOptions, partition_size: u64, spill_dir: &Path) -> Result<CsvSource> {
        options.check()?;
        let mut spool = Spool::new(spill_dir);
        let found = discover(&paths, &mut spool)?;
        let mut seen = Vec::new();
        for file in &found {
            let (text, input) = TextFile::open(file, &options, &mut spool)?;
            let Some(header) = read_header(&input, &text, &options)? else { continue };
            let guesses = sample(&input, &text, &header, &options)?;
            seen.push((text, header, guesses));
        }
        if seen.is_empty() {
            let what = match &found[..] {
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
        for (index, ((text, header, seen), mut places)) in seen.into_iter().zip(places).enumerate() {
            for ((guess, decided_in), &field) in guesses.iter_mut().zip(&places) {
                if let Place::Field(field) = field {
                    *decided_in = widened_by(guess, *decided_in, seen[field], index);
                }
            }
            let size = options.partition_size.unwrap_or(partition_size);
            for (i, range) in cuts(header.first_record..text.input.bytes, size).into_iter().enumerate() {
                partitions.push(CsvPartition { file: index, range, exact: i == 0 });
            }
            if options.file_column.is_some() {
                places.push(Place::FileName);
            }
            files.push(CsvFile { text, width: header.names.len(), places });
        }
        let mut types = Vec::with_capacity(names.len());
        let mut decisions = Vec::with_capacity(names.len());
        for (guess, file) in guesses {
            types.push(guess.dtype.unwrap_or(Type::Text));
            decisions.push(guess.dtype.map(|_| Decision { file, byte: guess.decided_at }));
        }
        for (column, dtype) in &options.dtypes {
            let Some(i) = names.iter().position(|n| n == column) else {
                return Err(
                    Error::unknown_column(column, names.iter().map(String::as_str)).in_step("CsvOptions::dtype")
                );
            };
            types[i] = *dtype;
            decisions[i] = None;
        }
        if let Some(name) = &options.file_column {
            if names.contains(name) {
                return Err(Error::new(ErrorKind::Column, format!("the files have a column '{name}' of their own"))
                    .help("give the column of file names another name")
                    .in_step("CsvOptions::file_column"));
            }
            names.push(name.clone());
            types.push(Type::Text);
            decisions.push(None);
        }
        let fields = names.iter().zip(&types).map(|(name, dtype)| Field::new(name, dtype.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(CsvSource { paths, options, schema, types, decisions, files, partitions })
    }

    /// The bytes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.text.input.bytes).sum()
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

/// Takes the guess of another file in. Returns the file that decided.
fn widened_by(guess: &mut Guess, decided_in: usize, seen: Guess, file: usize) -> usize {
    let Some(dtype) = seen.dtype else { return decided_in };
    let widened = guess.dtype.map_or(dtype, |old| widen(old, dtype));
    if guess.dtype == Some(widened) {
        return decided_in;
    }
    *guess = Guess { dtype: Some(widened), decided_at: seen.decided_at };
    file
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
        CsvSource::open(dir.path().join("*.csv").into(), options, 100, dir.path())
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
