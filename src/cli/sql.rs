//! `partita sql`: queries, their results on stdout or in a file.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use partita::{Error, ErrorKind, Frame, Stats, Stop, WriteOptions, sql_statements};

use super::input::CsvFlags;
use super::output::{self, Format};
use super::{Failure, RunOptions, begin, check_folder};

/// Runs SQL over files
///
/// FROM names a file, a glob or '-' (standard input) in quotes: CSV, Parquet or Arrow IPC; read_csv('file', delimiter => ';') takes options.
/// There are joins, groups, subqueries, WITH, UNION, windows: what is not supported is an error that points at its place. Of several
/// statements, parted by semicolons, each is run and printed. The flags for CSV files hold for all that FROM names, where read_csv(…) says
/// nothing else.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sql {
    /// The statements; without them and without --file, they are read from standard input
    #[arg(conflicts_with = "file")]
    query: Option<String>,
    /// A file with the statements
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// How the result is written [default: table, or as the output file's ending says]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where the result is written to, in place of stdout; what is there is replaced
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prints how the query would be run, and does not run it
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "all", value_name = "STOP")]
    explain: Option<Explain>,
    /// Prints on stderr, after the result, what the run took: rows and bytes read, what was spilled by which operator, peak memory, time
    #[arg(long)]
    stats: bool,
    /// Writes a picture of the query's stages, coloured by the time that each took: SVG, or DOT for a name that ends in .dot
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    graph: Option<PathBuf>,
    #[command(flatten)]
    csv: CsvFlags,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

/// How far a plan is taken before it is printed.
#[derive(Clone, Copy, ValueEnum)]
enum Explain {
    All,
    Logical,
    Optimised,
    Stages,
    Tasks,
}

const EXAMPLES: &str = "\
Examples:
  partita sql \"SELECT k, avg(q) AS mean_q FROM 'testdata/baci/BACI_HS12_Y*.csv' WHERE t = 2018 GROUP BY k ORDER BY k LIMIT 10\"
  partita sql --format csv \"SELECT i, sum(v) AS trade FROM 'testdata/baci/BACI_HS12_Y*.csv' GROUP BY i ORDER BY trade DESC\"
  partita sql --types k=text --rejects /tmp/rejects.csv \"SELECT k, sum(v) AS trade FROM 'testdata/baci/BACI_HS12_Y*.csv' GROUP BY k LIMIT 5\"

Rows are printed as they come, in their order: of a run that fails midway, those before the failure have been printed.

Exit codes: 0 for an answer (also when whoever reads it closes the pipe), 1 for a run that failed, 2 for a command line or SQL text
that is wrong, 130 and 143 for a run that SIGINT (Ctrl-C) and SIGTERM stopped.";

impl Sql {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let text = self.text()?;
        let stats = Arc::new(Stats::new());
        let mut session = self.options.session()?;
        if self.stats || self.graph.is_some() {
            session = session.observer(stats.clone());
        }
        let session = session.build()?;
        begin(&session)?;
        let mut statements = sql_statements(&text);
        if statements.is_empty() {
            // The parser tells what is wrong.
            statements.push(&text);
        }
        if let Some(path) = &self.graph {
            check_picture(path, statements.len())?;
        }
        let mut rows = 0;
        for statement in statements {
            let frame = session.sql_with(statement, &self.csv.options()?);
            match self.explain {
                Some(explain) => writeln!(io::stdout(), "{}", frame.explain(explain.stop())?.trim_end())?,
                None => {
                    self.options.show_plan(statement.trim(), &frame);
                    rows += self.print(statement, &frame)?;
                    if let Some(path) = &self.graph {
                        frame.picture().by_time(&stats).write(path)?;
                    }
                }
            }
        }
        if self.stats {
            writeln!(io::stderr(), "given        {}\n{stats}", output::count_rows(rows))?;
        }
        Ok(())
    }

    fn text(&self) -> Result<String, Failure> {
        match (&self.query, &self.file) {
            (Some(query), _) => Ok(query.clone()),
            (None, Some(file)) => Ok(fs::read_to_string(file).map_err(|error| {
                let message = format!("the file '{}' can't be read", file.display());
                Error::new(ErrorKind::Io, message).caused_by(error)
            })?),
            (None, None) if io::stdin().is_terminal() => {
                let error = Error::new(ErrorKind::Config, "there is no query");
                Err(error.help("partita sql \"SELECT …\", or -f file.sql, or pipe it in").into())
            }
            (None, None) => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                Ok(text)
            }
        }
    }

    /// Writes a result where it belongs; the number of its rows.
    fn print(&self, statement: &str, frame: &Frame) -> Result<u64, Failure> {
        let started = Instant::now();
        let Some(path) = &self.output else {
            let format = self.format.unwrap_or(Format::Table).of_statement(statement);
            return output::write(frame.stream()?, format, started, io::stdout());
        };
        let Some(format) = self.format.or_else(|| Format::of(path)) else {
            let error = Error::new(ErrorKind::Config, format!("'{}' names no format by its ending", path.display()));
            return Err(error.help("choose one with --format").into());
        };
        let options = match format {
            Format::Csv => WriteOptions::csv(),
            Format::Tsv => WriteOptions::csv().delimiter(b'\t'),
            Format::Parquet => WriteOptions::parquet(),
            Format::Arrow => WriteOptions::ipc(),
            Format::Table | Format::Json | Format::Ndjson | Format::Markdown | Format::Plan => {
                let rows = frame.stream()?;
                return output::write(rows, format.of_statement(statement), started, File::create(path)?);
            }
        };
        Ok(frame.write(path, options.overwrite())?.rows)
    }
}

/// Tells before a run what would be wrong with its picture.
fn check_picture(path: &Path, statements: usize) -> Result<(), Failure> {
    if statements > 1 {
        let error = Error::new(ErrorKind::Config, format!("one picture can't show {statements} statements"));
        return Err(error.help("run them one by one, each with a --graph of its own").into());
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    if !matches!(ending.as_deref(), Some("svg" | "dot")) {
        let error =
            Error::new(ErrorKind::Config, format!("'{}' names no format of pictures by its ending", path.display()));
        return Err(error.help("name a file that ends in .svg or .dot").into());
    }
    Ok(check_folder(path)?)
}

impl Explain {
    fn stop(self) -> Stop {
        match self {
            Explain::All => Stop::All,
            Explain::Logical => Stop::Logical,
            Explain::Optimised => Stop::Optimised,
            Explain::Stages => Stop::Stages,
            Explain::Tasks => Stop::Tasks,
        }
    }
}
