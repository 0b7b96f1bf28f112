//! Times Partita, and on request other engines, over the same questions: `cargo bench --bench suite -- --help`
//!
//! # How figures are taken
//!
//! - All on one machine, over the same generated files, made once and kept under `target/suite` or `--data`. Every engine may keep as many threads busy (`--threads`, by default the machine's).
//! - Each answer is worked out by a process of its own, from nothing to the answer as CSV on its standard output; the wall
//!   time is the time of that process, start and end included. Partita's is this program again, on the public library API;
//!   another engine's is a small script of `benches/peers`, in that engine's best idiom.
//! - First every engine answers the query once. That warms the page cache, and the answers must agree (`answers`): of one
//!   that differs from the first no time is shown. Every later answer is checked as well. An engine that fails is a row that
//!   says why; the others go on.
//! - The answers to db-benchmark's questions (G and J) are tables of their own, held whole; the rows and the totals of their values
//!   are worked out from them and compared, in time when files are read, out of it with `--loaded`.
//! - An answer that is a file is read back by this program after its process has ended, outside the time.
//! - Then engines take turns: each answers a query once, then each again, `--repeat` times, so that a busy minute of the
//!   machine falls on all. Every figure is the median of its repetitions.
//! - CPU time is user and system time of the process and all the children it waited for.
//! - Memory is that of the largest process of the tree, not of all: `peak` the most it had resident (`VmHWM`: files that
//!   are mapped count), `anon` the most it had allocated (`RssAnon`, read every 5 ms: a shorter peak may be missed).
//! - The floor is what reading alone costs: as many processes as threads, each counting the newlines of its part of the
//!   files. It takes its turns with the engines, in every query.
//!
//! - With `--cap` the processes of an engine may have so much memory (`cap` says who sees to it, and so does the report), and
//!   the engine is told a limit of its own, as its documentation advises: Partita the cap less 64 MiB, DuckDB's
//!   `memory_limit` half the cap and, as a contender of its own, four fifths; Polars the cap as the machine's memory and
//!   four fifths as its budget (`POLARS_OVERRIDE_TOTAL_MEMORY_MB`, `POLARS_OOC_MEMORY_BUDGET_MB`); DataFusion a fair spill pool of three fifths.
//!   Dask has none. All spill to the same disk.
//! - With `--loaded` an engine loads the tables first, and tells the seconds of the query alone; CPU time and memory are
//!   those of the whole process.
//!
//! Several `--rows`, `--threads` and caps are all asked, and compared at the end.
//!
//! Linux only: the figures come from `/proc`.

mod answers;
mod cap;
mod chart;
mod data;
mod db_benchmark;
mod engines;
mod floor;
mod measure;
mod partita_answers;
mod queries;
mod ratios;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use answers::Answer;
use cap::Cap;
use clap::Parser;
use data::Set;
use engines::{Asking, Contender, Engine};
use measure::Limits;
use partita_answers::Asked;
use queries::{Kind, Query};
use report::{Key, Report, Run, Setting};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Times Partita, and on request other engines, over the same questions.
#[derive(Parser)]
#[command(bin_name = "cargo bench --bench suite --")]
struct Options {
    /// The rows of every file [default: 8000000 of a year of trade, 10000000 of a table of G and J, 100000000 of S, 4600000 of B]
    #[arg(long, value_delimiter = ',')]
    rows: Vec<u64>,
    /// The queries, such as Q1,Q3; a letter for all that begin with it [default: those about trade]
    #[arg(long, value_delimiter = ',')]
    query: Vec<String>,
    /// How often each engine answers each query, after one warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// The engines [default: partita]
    #[arg(long, value_delimiter = ',')]
    engine: Vec<Engine>,
    /// All engines; the first time, installs the others into target/suite/venv
    #[arg(long, conflicts_with = "engine")]
    peers: bool,
    /// The threads of every engine [default: the machine's]
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// What the processes of an engine may have, such as 512MB, or none; several are compared [default: none]
    #[arg(long, value_delimiter = ',', value_parser = parse_cap)]
    cap: Vec<CapOption>,
    /// The percent of values that are missing in the tables of G and J
    #[arg(long, default_value_t = 0)]
    missing: u8,
    /// Load the tables of G, J and S first, and time the query alone
    #[arg(long)]
    loaded: bool,
    /// The seconds after which an answer is given up
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Where the generated files are kept [default: target/suite]
    #[arg(long)]
    data: Option<PathBuf>,
    /// A virtual environment that has the other engines; nothing is installed then
    #[arg(long)]
    venv: Option<PathBuf>,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// None is no cap.
type CapOption = Option<u64>;

fn parse_cap(text: &str) -> std::result::Result<CapOption, partita::Error> {
    if text == "none" { Ok(None) } else { partita::parse_bytes(text).map(|bytes| Some(bytes as u64)) }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words[..] {
        // The processes that this program starts.
        ["answer", ..] => partita_answers::answer(Asked::parse_from(&args)),
        ["floor", threads, ref files @ ..] => floor::count_in_parts(threads, files),
        ["count", part, parts, ref files @ ..] => floor::count_part(part, parts, files),
        _ => {
            let options = Options::parse();
            if !options.bench {
                // `cargo test --benches` runs this program too.
                println!("this is a benchmark: run it by `cargo bench --bench suite`");
                return ExitCode::SUCCESS;
            }
            run(&options)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the suite keeps its data, the peers and its results.
fn folder() -> PathBuf {
    // Cargo gives target/tmp, which is for tests.
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("suite")
}

fn run(options: &Options) -> Result<()> {
    let queries = queries::named(&options.query)?;
    if options.loaded && queries.iter().any(|query| matches!(query.set, Set::Baci | Set::Tweets)) {
        return Err("--loaded is for the queries of G, J and S".into());
    }
    let engines = match options {
        Options { peers: true, .. } => Engine::ALL.to_vec(),
        Options { engine, .. } if engine.is_empty() => vec![Engine::Partita],
        Options { engine, .. } => engine.clone(),
    };
    let threads = match &options.threads[..] {
        [] => vec![std::thread::available_parallelism()?.get()],
        threads => threads.iter().map(|&threads| threads.max(1)).collect(),
    };
    let needs_python = engines.iter().any(|engine| engine.is_peer());
    let python = if needs_python { engines::peers_python(options.venv.as_deref())? } else { PathBuf::new() };
    let no_caps = vec![None];
    let caps: Vec<Option<Cap>> =
        if options.cap.is_empty() { &no_caps } else { &options.cap }.iter().map(|bytes| bytes.map(Cap::new)).collect();
    let data = options.data.clone().unwrap_or_else(folder);

    let setting = serde_json::json!({
        "machine": measure::machine(),
        "versions": engines::versions(),
        "cap_by": caps.iter().flatten().next().map(Cap::means),
    });
    let path = folder().join("suite.json");
    std::fs::create_dir_all(folder())?;
    let mut sitting = Sitting { options, engines, python, report: Report::default() };
    for query in &queries {
        let rows = if options.rows.is_empty() { vec![query.set.rows()] } else { options.rows.clone() };
        for rows in rows {
            let missing = if query.set.may_miss() { options.missing } else { 0 };
            let dir = query.set.generated(&data, rows, missing)?;
            for &threads in &threads {
                for cap in &caps {
                    let bytes = cap.as_ref().map(|cap| cap.bytes);
                    let setting = Setting { rows, threads, cap: bytes, missing, loaded: options.loaded };
                    sitting.ask_all(query, &dir, setting, cap.as_ref())?;
                }
            }
            // After every query: all of them take long, and what is measured should not be lost.
            std::fs::write(&path, serde_json::to_string_pretty(&sitting.report.json(&setting))? + "\n")?;
        }
    }
    println!("{}", sitting.report);
    if let Some(cap) = caps.iter().flatten().next() {
        println!("\nThe cap is kept by {}.", cap.means());
    }
    for grid in [ratios::against_others(&sitting.report), ratios::between_settings(&sitting.report)].iter().flatten() {
        println!("\n{grid}");
    }
    let picture = path.with_extension("svg");
    chart::draw(&sitting.report, &picture)?;
    eprintln!("every repetition is in {}, a chart of the medians in {}", path.display(), picture.display());
    Ok(())
}

/// Who is asked, and what came of it.
struct Sitting<'a> {
    options: &'a Options,
    engines: Vec<Engine>,
    python: PathBuf,
    report: Report,
}

/// The first answer to a query, which all later ones must agree with.
type First = Option<(&'static str, Answer)>;

impl Sitting<'_> {
    /// Asks all engines a query in a setting: once each, then in turns.
    fn ask_all(&mut self, query: &'static Query, dir: &Path, setting: Setting, cap: Option<&Cap>) -> Result<()> {
        let (files, bytes) = data::files(dir, query.tables)?;
        let key = |name, engine| Key { query: query.name, setting, name, engine };
        let floor_key = key(report::FLOOR, report::FLOOR);
        let floor = |lines: Option<&str>| -> Result<(Run, String)> {
            let (run, text) = measure::run(&mut floor::command(setting.threads, &files)?, &Limits::default())?;
            match lines {
                Some(lines) if lines != text => Err(format!("floor: {text} lines, where there were {lines}").into()),
                _ => Ok((run, text)),
            }
        };
        let (_, lines) = floor(None)?;
        let contenders: Vec<(Contender, Key)> = self
            .engines
            .iter()
            .filter(|engine| engine.answers(query))
            .flat_map(|engine| engine.contenders(setting.cap))
            .map(|contender| (contender, key(contender.name, contender.engine.name())))
            .collect();
        let has_floor = cap.is_none() && !setting.loaded;
        for key in has_floor.then_some(&floor_key).into_iter().chain(contenders.iter().map(|(_, key)| key)) {
            self.report.open(key, bytes);
        }
        let mut first: First = None;
        for turn in 0..=self.options.repeat {
            let under = setting.cap.map_or(String::new(), |bytes| format!(", {} MB", bytes / 1_000_000));
            let at = if turn == 0 { "warm-up".to_owned() } else { format!("turn {turn} of {}", self.options.repeat) };
            eprintln!("{} ({} rows, {} threads{under}): {at}", query.name, setting.rows, setting.threads);
            if turn > 0 && has_floor {
                self.report.add(&floor_key, bytes, floor(Some(&lines))?.0);
            }
            for (contender, key) in &contenders {
                if self.report.has_failed(key) {
                    continue;
                }
                match self.ask(contender, query, dir, &setting, cap, &mut first) {
                    Ok(run) if turn > 0 => self.report.add(key, bytes, run),
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("{} {}: {error}", query.name, contender.name);
                        self.report.fail(key, bytes, error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    /// The figures of one answer, once it is checked.
    fn ask(
        &self,
        contender: &Contender,
        query: &Query,
        dir: &Path,
        setting: &Setting,
        cap: Option<&Cap>,
        first: &mut First,
    ) -> Result<Run> {
        // Gone with all that was spilled.
        let scratch = tempfile::tempdir_in(folder())?;
        let asking =
            Asking { threads: setting.threads, loaded: setting.loaded, scratch: scratch.path(), python: &self.python };
        let limits = Limits { cap, time: Some(Duration::from_secs(self.options.timeout)) };
        let (run, mut text) = measure::run(&mut contender.command(query, dir, &asking)?, &limits)?;
        if query.answer == Kind::File {
            text = partita_answers::file_answer(&scratch.path().join("answer.parquet"))?;
        }
        let answer = Answer::parse(&text)?;
        match first {
            Some((name, expected)) => {
                (query.compare.agree(expected, &answer)).map_err(|e| format!("disagrees with {name}: {e}"))?
            }
            None => *first = Some((contender.name, answer)),
        }
        Ok(run)
    }
}
