//! Files that a command reads: of which format, and with which options of CSV.

use clap::Args;
use partita::{CsvOptions, Error, ErrorKind, Frame, Session, Type};

/// Which files, and how CSV files are read.
#[derive(Args)]
pub(super) struct Input {
    /// Files, globs or - for standard input, taken together as one table: CSV, or by their ending Parquet and Arrow IPC
    #[arg(required = true, value_name = "GLOB")]
    pub(super) paths: Vec<String>,
    #[command(flatten)]
    pub(super) csv: CsvFlags,
}

/// How CSV files are read.
#[derive(Args)]
pub(super) struct CsvFlags {
    /// The character between fields of CSV files [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = one_byte)]
    delimiter: Option<u8>,
    /// CSV files have no header: columns are called 0, 1 and so on
    #[arg(long)]
    no_header: bool,
    /// What stands for a missing value in CSV files, such as NA,-
    #[arg(long, value_name = "TEXTS", value_delimiter = ',')]
    nulls: Option<Vec<String>>,
    /// The encoding of CSV files, such as latin1 [default: utf-8]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The type of a column of CSV files, as in code=text; may be given several times
    #[arg(long, value_name = "COLUMN=TYPE", value_parser = column_type)]
    dtype: Vec<(String, Type)>,
    /// Any other option of CSV files by its name in read_csv(…), as in skip=2 or decimal=, ; may be given several times
    #[arg(long = "csv", value_name = "NAME=VALUE")]
    others: Vec<String>,
}

fn one_byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err("it is one character, such as ';' or '\\t'".to_owned()),
    }
}

fn column_type(text: &str) -> Result<(String, Type), String> {
    let (column, kind) = text.rsplit_once('=').ok_or("write COLUMN=TYPE, as in code=text")?;
    Ok((column.to_owned(), kind.parse::<Type>().map_err(|error| error.to_string())?))
}

impl CsvFlags {
    pub(super) fn options(&self) -> partita::Result<CsvOptions> {
        let mut options = CsvOptions::new();
        if let Some(delimiter) = self.delimiter {
            options = options.delimiter(delimiter);
        }
        if self.no_header {
            options = options.header(false);
        }
        if let Some(nulls) = &self.nulls {
            options = options.nulls(nulls.clone());
        }
        if let Some(encoding) = &self.encoding {
            options = options.encoding(encoding);
        }
        options = self.dtype.iter().fold(options, |options, (column, kind)| options.dtype(column, *kind));
        for other in &self.others {
            let (name, value) = other.split_once('=').ok_or_else(|| {
                let error = Error::new(ErrorKind::Config, format!("--csv takes NAME=VALUE, and '{other}' is none"));
                error.help("write it as in --csv skip=2")
            })?;
            options = options.set(name, value)?;
        }
        Ok(options)
    }
}

impl Input {
    /// The files as a frame.
    pub(super) fn open(&self, session: &Session) -> partita::Result<Frame> {
        let ending = |path: &String| path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let all = |endings: &[&str]| {
            self.paths.iter().all(|path| ending(path).is_some_and(|ending| endings.contains(&ending.as_str())))
        };
        Ok(if all(&["parquet", "pq"]) {
            session.read_parquet(self.paths.clone())
        } else if all(&["arrow", "arrows", "ipc", "feather"]) {
            session.read_ipc(self.paths.clone())
        } else {
            session.read_csv_with(self.paths.clone(), self.csv.options()?)
        })
    }
}
