//! A glob of CSV files, as one table: its schema, its files, its partitions.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::boundary::cuts;
use super::infer::{Guess, line_in, read_header, sample, widen};
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::expr::Type;
use crate::io::discover::{InputFile, Paths, discover, io_error};

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
    pub input: InputFile,
    /// Fields a record.
    pub width: usize,
    /// For each column of the schema, which field holds it.
    pub fields: Vec<usize>,
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
    /// Looks at the files. `partition_size` holds where the options name none.
    ///
    /// # Errors
    /// What [`discover`] says; files that differ in their columns; a header that is no text; options that make no sense.
    pub(crate) fn open(paths: Paths, options: CsvOptions, partition_size: u64) -> Result<CsvSource> {
        options.check()?;
        let mut names: Vec<String> = Vec::new();
        let mut guesses: Vec<(Guess, usize)> = Vec::new();
        let (mut files, mut partitions): (Vec<CsvFile>, Vec<CsvPartition>) = (Vec::new(), Vec::new());
        let found = discover(&paths)?;
        for input in &found {
            let file = File::open(&input.path).map_err(|e| io_error(&input.path, &e))?;
            let Some(header) = read_header(&file, input, &options)? else { continue };
            let seen = sample(&file, input, &header, &options)?;
            let index = files.len();
            let fields = match files.first() {
                None => {
                    names = header.names.clone();
                    guesses = vec![(Guess::default(), 0); names.len()];
                    (0..names.len()).collect()
                }
                Some(first) => match_columns(&names, first, &header.names, input)?,
            };
            for ((guess, decided_in), &field) in guesses.iter_mut().zip(&fields) {
                *decided_in = agree(guess, *decided_in, seen[field], index);
            }
            let size = options.partition_size.unwrap_or(partition_size);
            for (i, range) in cuts(header.first_record..input.bytes, size).into_iter().enumerate() {
                partitions.push(CsvPartition { file: index, range, exact: i == 0 });
            }
            files.push(CsvFile { input: input.clone(), width: header.names.len(), fields });
        }
        if files.is_empty() {
            let what = match &found[..] {
                [one] => format!("'{}' is empty: it has no header", one.path.display()),
                _ => "all files are empty: none has a header".to_owned(),
            };
            return Err(
                Error::new(ErrorKind::Malformed, what).help("a CSV file begins with a line that names its columns")
            );
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
        let fields = names.iter().zip(&types).map(|(name, dtype)| Field::new(name, dtype.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(CsvSource { paths, options, schema, types, decisions, files, partitions })
    }

    /// The bytes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.input.bytes).sum()
    }

    /// Each column with its type and what decided it.
    pub(crate) fn report(&self) -> Result<Vec<ColumnReport>> {
        let mut report = Vec::new();
        for (i, field) in self.schema.fields().iter().enumerate() {
            let decided_at = match &self.decisions[i] {
                None => None,
                Some(Decision { file, byte }) => {
                    let input = &self.files[*file].input;
                    let line = line_in(input, *byte).map_err(|e| io_error(&input.path, &e))?;
                    Some((input.path.clone(), line))
                }
            };
            report.push(ColumnReport { name: field.name().clone(), dtype: self.types[i], decided_at });
        }
        Ok(report)
    }
}

/// Takes the guess of another file in. Returns the file that decided.
fn agree(guess: &mut Guess, decided_in: usize, seen: Guess, file: usize) -> usize {
    let Some(dtype) = seen.dtype else { return decided_in };
    let widened = guess.dtype.map_or(dtype, |old| widen(old, dtype));
    if guess.dtype == Some(widened) {
        return decided_in;
    }
    *guess = Guess { dtype: Some(widened), decided_at: seen.decided_at };
    file
}

/// For each of `names`, its place in a file's header, which must have just these names, in any order.
fn match_columns(names: &[String], first: &CsvFile, header: &[String], input: &InputFile) -> Result<Vec<usize>> {
    let lacks = |name: &str, lacking: &InputFile, having: &InputFile| {
        Error::new(
            ErrorKind::Column,
            format!("'{}' has no column '{name}', which '{}' has", lacking.path.display(), having.path.display()),
        )
        .at(Position { file: lacking.path.clone(), line: Some(1), ..Position::default() })
        .help("files of one glob must have the same columns, in any order: read the others by a call of their own")
    };
    if let Some(extra) = header.iter().find(|n| !names.contains(n)) {
        return Err(lacks(extra, &first.input, input));
    }
    names.iter().map(|n| header.iter().position(|h| h == n).ok_or_else(|| lacks(n, input, &first.input))).collect()
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
        CsvSource::open(dir.path().join("*.csv").into(), options, 100)
    }

    #[test]
    fn files_agree_on_types_and_may_order_columns_differently() {
        let source =
            open(&[("1.csv", "a,b\n1,\n"), ("2.csv", "b,a\nx,2.5\n"), ("3.csv", "")], CsvOptions::default()).unwrap();
        assert_eq!(source.types, [Type::Float64, Type::Text]);
        assert_eq!(source.files.iter().map(|f| f.fields.clone()).collect::<Vec<_>>(), [[0, 1], [1, 0]]);
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
