//! The command line: thin, on the public API only.

mod allocator;
mod convert;
mod count;
mod generate;
mod head;
mod input;
mod output;
mod parquet;
mod schema;
mod shell;
mod show;
mod signals;
mod sql;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};
use partita::{
    Error, ErrorKind, Event, Frame, Observer, Profile, ProgressBar, Session, SessionBuilder, Stop, parse_bytes,
};

/// Asks questions of CSV files, however large.
///
/// Results go to stdout, messages and progress to stderr.
///
/// The exit code is 0 for an answer, 1 for a run that failed, 2 for a command line or SQL text that is wrong, and 130 or 143 for a run
/// that SIGINT (Ctrl-C) or SIGTERM stopped.
#[derive(Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    shell: RunOptions,
}

const EXAMPLES: &str = "\
Without a command, on a terminal, it is a shell that takes SQL.

Examples:
  partita
  partita --memory 1GB --threads 2
  partita sql \"SELECT count(*) AS n FROM 'testdata/baci/BACI_HS12_Y*.csv'\"
  partita schema testdata/baci/BACI_HS12_Y2018.csv";

#[derive(Subcommand)]
enum Command {
    Sql(sql::Sql),
    Head(head::Head),
    Count(count::Count),
    Schema(schema::Schema),
    Convert(convert::Convert),
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(generate::GenerateOptions),
}

impl Command {
    /// How it is run, if it runs anything.
    fn options(&self) -> Option<&RunOptions> {
        match self {
            Command::Sql(sql) => Some(&sql.options),
            Command::Head(head) => Some(&head.options),
            Command::Count(count) => Some(&count.options),
            Command::Schema(schema) => Some(&schema.options),
            Command::Convert(convert) => Some(&convert.options),
            Command::Generate(_) => None,
        }
    }
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  partita generate /tmp/baci --years 2012-2018 --rows 8000
  partita generate /tmp/baci --years 2018 --rows 8000 --style padded --overwrite
  partita generate /tmp/groupby --kind groupby --rows 100000 --missing 5";

/// How to run, the same for every command. What no flag says, an environment variable may.
#[derive(Args)]
struct RunOptions {
    /// How many threads work [env: PARTITA_THREADS] [default: the machine's]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What the run may hold in memory, such as 512MB or 1.5GiB [env: PARTITA_MEMORY] [default: a part of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    memory: Option<usize>,
    /// Where what does not fit into memory goes, and copies of compressed or piped input [env: PARTITA_SPILL_DIR] [default:
    /// the system's directory for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    spill_dir: Option<PathBuf>,
    /// What may lie there at one time, such as 20GB [env: PARTITA_SPILL_LIMIT] [default: as much as the disk holds]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    spill_limit: Option<usize>,
    /// The size of the pieces that files are read in [env: PARTITA_PARTITION_SIZE] [default: 100MB, less towards the end]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    partition_size: Option<usize>,
    /// Writes a profile of the run as one HTML page that opens offline: threads, memory, spills, stages and plan
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// What the profile shows.
    #[arg(skip)]
    recorded: Arc<Profile>,
    /// Shows no progress on stderr (there is none anyway when stderr is no terminal)
    #[arg(long, short)]
    quiet: bool,
}

/// What a command does with the session that it has built.
fn begin(session: &Session) -> io::Result<()> {
    allocator::keep_within(session.memory());
    signals::close_on_signal(session)
}

impl RunOptions {
    fn session(&self) -> partita::Result<SessionBuilder> {
        let mut session = Session::builder().observer(Arc::new(Warnings));
        if let Some(threads) = setting(self.threads, "PARTITA_THREADS", |text| {
            text.parse().map_err(|_| wrong("PARTITA_THREADS", text, "a whole number"))
        })? {
            session = session.threads(threads);
        }
        if let Some(memory) = setting(self.memory, "PARTITA_MEMORY", parse_bytes)? {
            session = session.memory(memory);
        }
        if let Some(directory) = setting(self.spill_dir.clone(), "PARTITA_SPILL_DIR", |text| Ok(text.into()))? {
            session = session.spill_dir(directory);
        }
        if let Some(limit) = setting(self.spill_limit, "PARTITA_SPILL_LIMIT", parse_bytes)? {
            session = session.spill_limit(limit as u64);
        }
        if let Some(size) = setting(self.partition_size, "PARTITA_PARTITION_SIZE", parse_bytes)? {
            session = session.partition_size(size);
        }
        if let Some(path) = &self.profile {
            check_folder(path)?;
            session = session.observer(self.recorded.clone());
        }
        if !self.quiet
            && let Some(bar) = ProgressBar::on_terminal()
        {
            session = session.observer(Arc::new(bar));
        }
        Ok(session)
    }

    /// Shows the plan of what is run in the profile, if there is to be one.
    fn show_plan(&self, title: &str, frame: &Frame) {
        // What is wrong with it comes out when it is run.
        if self.profile.is_some()
            && let Ok(plan) = frame.explain(Stop::All)
        {
            self.recorded.add_plan(title, plan);
        }
    }

    /// What is to be written at the end: the profile, and where.
    fn recording(&self) -> Option<(Arc<Profile>, PathBuf)> {
        Some((self.recorded.clone(), self.profile.clone()?))
    }
}

/// Tells before a long run that there is no place for a file that is written at its end.
fn check_folder(path: &Path) -> partita::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let what = match (folder.is_dir(), path.is_dir()) {
        (true, false) => return Ok(()),
        (true, true) => "it is a folder".to_owned(),
        (false, _) => format!("there is no folder '{}'", folder.display()),
    };
    Err(Error::new(ErrorKind::Io, format!("the file '{}' can't be written: {what}", path.display())))
}

/// What a flag says, else what an environment variable does.
fn setting<T>(
    flag: Option<T>,
    variable: &str,
    read: impl FnOnce(&str) -> partita::Result<T>,
) -> partita::Result<Option<T>> {
    match (flag, std::env::var(variable)) {
        (Some(value), _) => Ok(Some(value)),
        (None, Ok(text)) if !text.is_empty() => read(&text).map(Some).map_err(|e| e.in_step(variable)),
        _ => Ok(None),
    }
}

fn wrong(variable: &str, text: &str, takes: &str) -> partita::Error {
    partita::Error::new(ErrorKind::Config, format!("{variable} takes {takes}, and '{text}' is none"))
}

/// Passes on what runs warn of, and that one starts again.
struct Warnings;

impl Observer for Warnings {
    fn on(&self, event: &Event) {
        if let Event::Warning { message, .. } | Event::Restarted { message, .. } = event {
            // Who has no stderr can't be warned.
            _ = writeln!(io::stderr(), "warning: {message}");
        }
    }
}

/// Why a command did not end well.
enum Failure {
    /// Its input was wrong, or its run failed.
    Run(partita::Error),
    /// Its result could not be written.
    Output(io::Error),
}

impl From<partita::Error> for Failure {
    fn from(error: partita::Error) -> Failure {
        Failure::Run(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// Reads the command line and carries it out.
pub(crate) fn main() -> ExitCode {
    let Cli { command, shell } = Cli::parse();
    let options = command.as_ref().map_or(Some(&shell), Command::options);
    let recording = options.and_then(RunOptions::recording);
    let result = match command {
        Some(Command::Sql(command)) => command.run(),
        Some(Command::Head(command)) => command.run(),
        Some(Command::Count(command)) => command.run(),
        Some(Command::Convert(command)) => command.run(),
        Some(Command::Schema(command)) => command.run(),
        Some(Command::Generate(options)) => write_files(&options),
        None if shell::is_possible() => shell::run(&shell),
        None => {
            let message = "there is no command, and the shell needs a terminal";
            Cli::command().error(clap::error::ErrorKind::MissingSubcommand, message).exit()
        }
    };
    let result = match (recording, result) {
        // A run that failed has a profile too; one that a signal stopped is to end soon.
        (Some((profile, path)), result) if !is_cancelled(&result) => {
            let written = profile.write(path);
            result.and(written.map_err(Failure::from))
        }
        (_, result) => result,
    };
    let (message, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        // Whoever reads has had enough, as `head` has: no error.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(Failure::Output(error)) => (format!("the result could not be written: {error}"), 1),
        // Only a signal cancels runs here.
        Err(Failure::Run(error)) if error.kind() == ErrorKind::Cancelled => signals::wait_for_exit(),
        Err(Failure::Run(error)) => {
            let is_usage = matches!(error.kind(), ErrorKind::Config | ErrorKind::Sql);
            (error.to_string(), if is_usage { 2 } else { 1 })
        }
    };
    // When stderr is gone too, the exit code is all that is left to tell it.
    _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(code)
}

fn is_cancelled(result: &Result<(), Failure>) -> bool {
    matches!(result, Err(Failure::Run(error)) if error.kind() == ErrorKind::Cancelled)
}

/// Generates, and tells the names of the files.
fn write_files(options: &generate::GenerateOptions) -> Result<(), Failure> {
    let generated = generate::generate(options)?;
    let mut out = io::stdout().lock();
    for file in &generated.files {
        writeln!(out, "{}", file.display())?;
    }
    // A note for people; its loss is no failure.
    _ = writeln!(io::stderr(), "{} files, {} bytes", generated.files.len(), generated.bytes);
    Ok(())
}
