//! Files that a command reads: of which format, and with which options of CSV.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use partita::{CsvOptions, Error, ErrorKind, Frame, NamedOption, OptionValue, Session};

/// Which files, and how CSV files are read.
#[derive(Args)]
pub(super) struct Input {
    /// Files, globs or - for standard input, taken together as one table: CSV, or by their ending Parquet and Arrow IPC
    #[arg(required = true, value_name = "GLOB")]
    pub(super) paths: Vec<String>,
    #[command(flatten)]
    pub(super) csv: CsvFlags,
}

/// How CSV files are read: a flag for each [option](CsvOptions::named), of its name with hyphens.
#[derive(Debug, Clone, Default)]
pub(super) struct CsvFlags {
    /// What was given, by the names of the options, in the order of the table.
    pub(super) given: Vec<(String, OptionValue)>,
}

/// The flags that `-h` shows; `--help` shows all.
const COMMON: [&str; 12] = [
    "delimiter",
    "quote",
    "header",
    "skip",
    "encoding",
    "nulls",
    "types",
    "decimal",
    "comment",
    "all_text",
    "sniff",
    "rejects",
];

const HEADING: &str = "How CSV files are read";

/// The options that are flags: the size of partitions is one of runs.
fn flags() -> impl Iterator<Item = &'static NamedOption> {
    CsvOptions::named().iter().filter(|option| option.name != "partition_size")
}

fn flag(option: &'static NamedOption) -> Arg {
    // A flag lives as long as the program.
    let long = |name: &str| -> &'static str { name.replace('_', "-").leak() };
    let arg = Arg::new(option.name)
        .long(long(option.name))
        .aliases(option.aliases.iter().map(|alias| long(alias)))
        .value_name(option.value)
        .help(option.about)
        .help_heading(HEADING)
        .hide_short_help(!COMMON.contains(&option.name))
        .action(ArgAction::Append);
    match option.is_switch() {
        true => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => arg.allow_hyphen_values(true),
    }
}

impl Args for CsvFlags {
    fn augment_args(command: Command) -> Command {
        let no_header = Arg::new("no_header")
            .long("no-header")
            .help("The same as --header=false: columns are called column_1, column_2 and so on")
            .help_heading(HEADING)
            .action(ArgAction::SetTrue)
            .conflicts_with("header");
        let by_name = Arg::new("csv")
            .long("csv")
            .value_name("NAME=VALUE")
            .help("Any of these by its name in read_csv(…), as in skip=2; may be given several times")
            .help_heading(HEADING)
            .hide_short_help(true)
            .action(ArgAction::Append);
        command.args(flags().map(flag)).arg(no_header).arg(by_name)
    }

    fn augment_args_for_update(command: Command) -> Command {
        CsvFlags::augment_args(command)
    }
}

impl FromArgMatches for CsvFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<CsvFlags, clap::Error> {
        let texts = |name: &str| matches.get_many::<String>(name).unwrap_or_default().cloned().collect::<Vec<_>>();
        let mut given: Vec<(String, OptionValue)> = Vec::new();
        for option in flags() {
            let mut values = texts(option.name);
            match values.len() {
                0 => {}
                1 => given.push((option.name.to_owned(), values.remove(0).into())),
                // Of those that take a list, each is one of its items.
                _ => given.push((option.name.to_owned(), values.into())),
            }
        }
        if matches.get_flag("no_header") {
            given.push(("header".to_owned(), false.into()));
        }
        for text in texts("csv") {
            let Some((name, value)) = text.split_once('=') else {
                let what = format!("--csv takes NAME=VALUE, as in skip=2, and '{text}' is none\n");
                return Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, what));
            };
            let known = flags().find(|option| option.aliases.contains(&name)).map_or(name, |option| option.name);
            given.push((known.to_owned(), value.into()));
        }
        Ok(CsvFlags { given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = CsvFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CsvFlags {
    pub(super) fn options(&self) -> partita::Result<CsvOptions> {
        self.given.iter().try_fold(CsvOptions::new(), |options, (name, value)| options.set(name, value.clone()))
    }
}

impl Input {
    /// The files as a frame.
    pub(super) fn open(&self, session: &Session) -> partita::Result<Frame> {
        let ending = |path: &String| path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let all = |endings: &[&str]| {
            self.paths.iter().all(|path| ending(path).is_some_and(|ending| endings.contains(&ending.as_str())))
        };
        let typed = |frame: Frame| match self.csv.given.first() {
            None => Ok(frame),
            Some((name, _)) => {
                let what = format!("the files are no CSV, which --{} is for", name.replace('_', "-"));
                Err(Error::new(ErrorKind::Config, what).help("leave it out, or name CSV files"))
            }
        };
        if all(&["parquet", "pq"]) {
            typed(session.read_parquet(self.paths.clone()))
        } else if all(&["arrow", "arrows", "ipc", "feather"]) {
            typed(session.read_ipc(self.paths.clone()))
        } else {
            Ok(session.read_csv_with(self.paths.clone(), self.csv.options()?))
        }
    }
}
