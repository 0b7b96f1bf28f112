//! The shell: `partita` without a command, on a terminal. Statements run one after another, and Ctrl-C ends the one that runs.
//!
//! Every statement has a session of its own, so that stopping it is closing its session.

mod complete;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use partita::{Error, ErrorKind, Stats, sql_statements};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use self::complete::{Words, files};
use super::output::{self, Format};
use super::{Failure, RunOptions, allocator, signals};

const HELP: &str = "\
A statement ends with a semicolon, and may go over several lines: SELECT … FROM 'file.csv' …;
FROM names a file or glob in quotes. There are also DESCRIBE 'file', EXPLAIN SELECT … and COPY (SELECT …) TO 'file'.
  .tables [GLOB]   the files that FROM may name: those here and those named before
  .format [NAME]   how results are written: table, csv, tsv, json, ndjson, markdown
  .stats on|off    whether what a run took is told after its result
  .read FILE       runs the statements in a file
  .help            this text
  .quit            ends the shell, as Ctrl-D does
Tab completes words of SQL, names of files, and the columns of files that are named. Ctrl-C stops the statement that runs.";

/// What the history remembers.
const STATEMENTS: usize = 1000;

/// Whether there is someone to talk with.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// What a line of input does to the shell.
#[derive(PartialEq)]
enum Then {
    GoOn,
    Quit,
}

struct Shell<'a> {
    options: &'a RunOptions,
    current: signals::Current,
    format: Format,
    stats: bool,
    /// The files that statements named.
    seen: Vec<String>,
}

/// Talks until it is told to end.
pub(super) fn run(options: &RunOptions) -> Result<(), Failure> {
    let mut shell =
        Shell { options, current: signals::Current::default(), format: Format::Table, stats: false, seen: vec![] };
    // Settings that are wrong are told at once.
    allocator::keep_within(shell.options.session()?.build()?.memory());
    signals::close_statement_on_interrupt(&shell.current)?;
    let config = Config::builder().completion_type(CompletionType::List);
    let config = config.max_history_size(STATEMENTS).and_then(|config| config.history_ignore_dups(true));
    let mut lines: Editor<Words, FileHistory> = Editor::with_config(config.map_err(broken)?.build()).map_err(broken)?;
    lines.set_helper(Some(Words::new()));
    let history = history_file();
    if let Some(history) = &history {
        // There is none at first.
        _ = lines.load_history(history);
    }
    writeln!(io::stdout(), "Partita {}: SQL over files. .help tells what there is.", env!("CARGO_PKG_VERSION"))?;
    loop {
        let text = match lines.readline("partita> ") {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        if text.trim().is_empty() {
            continue;
        }
        lines.add_history_entry(text.as_str()).map_err(broken)?;
        if let Some(history) = &history {
            // A history that can't be kept is no reason to end.
            _ = lines.append_history(history);
        }
        match shell.carry_out(text.trim()) {
            Ok(Then::GoOn) => {}
            Ok(Then::Quit) => return Ok(()),
            Err(Failure::Run(error)) if error.kind() == ErrorKind::Cancelled => say("the statement was cancelled"),
            Err(Failure::Run(error)) => say(&format!("error: {error}")),
            Err(gone) => return Err(gone),
        }
        if let Some(words) = lines.helper_mut() {
            words.see(&shell.seen);
        }
    }
}

/// Why the terminal is of no use any more.
fn broken(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::Output(error),
        error => Failure::Output(io::Error::other(error)),
    }
}

fn say(message: &str) {
    // Who has no stderr can't be told.
    _ = writeln!(io::stderr(), "{message}");
}

fn usage(message: String, help: &str) -> Failure {
    Error::new(ErrorKind::Config, message).help(help).into()
}

impl Shell<'_> {
    /// A command of the shell, or statements.
    fn carry_out(&mut self, text: &str) -> Result<Then, Failure> {
        if !text.starts_with('.') {
            self.run(text)?;
            return Ok(Then::GoOn);
        }
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim().trim_end_matches(';').trim_matches(['\'', '"']);
        match (command.trim_end_matches(';'), rest) {
            (".quit" | ".exit", _) => return Ok(Then::Quit),
            (".help", _) => writeln!(io::stdout(), "{HELP}")?,
            (".tables", pattern) => self.tables(pattern)?,
            (".format", "") => {
                let name = self.format.to_possible_value().map(|value| value.get_name().to_owned());
                writeln!(io::stdout(), "{}", name.unwrap_or_default())?;
            }
            (".format", name) => match Format::from_str(name, true) {
                Ok(Format::Parquet | Format::Arrow) => {
                    let help = "write a file by COPY (SELECT …) TO 'file.parquet'";
                    return Err(usage(format!("{name} is nothing for a terminal"), help));
                }
                Ok(format) => self.format = format,
                Err(_) => {
                    let help = "there are table, csv, tsv, json, ndjson and markdown";
                    return Err(usage(format!("there is no format '{name}'"), help));
                }
            },
            (".stats", "on" | "off") => self.stats = rest == "on",
            (".stats", _) => return Err(usage(".stats takes on or off".to_owned(), "write .stats on")),
            (".read", "") => return Err(usage(".read takes a file".to_owned(), "write .read queries.sql")),
            (".read", file) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    Error::new(ErrorKind::Io, format!("the file '{file}' can't be read")).caused_by(error)
                })?;
                self.run(&text)?;
            }
            (other, _) => {
                return Err(usage(format!("there is no command {other}"), ".help tells those that there are"));
            }
        }
        Ok(Then::GoOn)
    }

    /// Runs statements, up to the first that fails.
    fn run(&mut self, text: &str) -> Result<(), Failure> {
        self.seen.extend(complete::quoted(text).map(str::to_owned).filter(|path| complete::first_file(path).is_some()));
        self.seen.sort();
        self.seen.dedup();
        for statement in sql_statements(text) {
            let stats = Arc::new(Stats::new());
            let mut session = self.options.session()?;
            if self.stats {
                session = session.observer(stats.clone());
            }
            let session = session.build()?;
            self.current.set(Some(session.clone()));
            let started = Instant::now();
            let rows = session.sql(statement).stream().map_err(Failure::from);
            let format = self.format.of_statement(statement);
            let rows = rows.and_then(|rows| output::write(rows, format, started, io::stdout()));
            self.current.set(None);
            let rows = rows?;
            if self.stats {
                say(&format!("given        {}\n{stats}", output::count_rows(rows)));
            }
        }
        Ok(())
    }

    /// Tells which files FROM may name.
    fn tables(&self, pattern: &str) -> Result<(), Failure> {
        let mut names: Vec<String> = match pattern {
            "" => files(Path::new("")).chain(self.seen.iter().cloned()).collect(),
            pattern => {
                let paths = glob::glob(pattern).map_err(|error| {
                    usage(format!("'{pattern}' is no glob: {error}"), "write it as in .tables data/*.csv")
                })?;
                paths.flatten().map(|path| path.display().to_string()).collect()
            }
        };
        names.sort();
        names.dedup();
        let mut out = io::stdout().lock();
        for name in &names {
            writeln!(out, "'{}'", name.replace('\'', "''"))?;
        }
        if names.is_empty() {
            writeln!(out, "there is no CSV, Parquet or Arrow file here; FROM takes a path to any: FROM 'data/*.csv'")?;
        }
        Ok(())
    }
}

/// Where statements are remembered: `PARTITA_HISTORY`, else a file among the user's own; nowhere if the variable is empty.
fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if std::env::var_os("PARTITA_HISTORY").is_some() {
        return set("PARTITA_HISTORY");
    }
    let directory = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?.join("partita");
    fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}
