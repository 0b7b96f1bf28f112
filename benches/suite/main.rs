//! Times Partita, and on request other engines, over the same questions: `cargo bench --bench suite -- --help`
//!
//! # How figures are taken
//!
//! - All on one machine, over the same files: seven years of generated rows, made once and kept under `target/suite`.
//!   Every engine may keep as many threads busy (`--threads`, by default the machine's).
//! - Each answer is worked out by a process of its own, from nothing to the answer as CSV on its standard output; the wall
//!   time is the time of that process, start and end included. Partita's is this program again, on the public library API;
//!   another engine's is a small script of `benches/peers`, in that engine's best idiom.
//! - First every engine answers every query once. That warms the page cache, and the answers must agree (`answers`):
//!   when they don't, no time is shown. Every later answer is checked as well.
//! - Then engines take turns: each answers a query once, then each again, `--repeat` times, so that a busy minute of the
//!   machine falls on all. Every figure is the median of its repetitions.
//! - CPU time is user and system time of the process and all the children it waited for.
//! - Memory is that of the largest process of the tree, not of all: `peak` the most it had resident (`VmHWM`: files that
//!   are mapped count), `anon` the most it had allocated (`RssAnon`, read every 5 ms: a shorter peak may be missed).
//! - The floor is what reading alone costs: as many processes as threads, each counting the newlines of its part of the
//!   files. It takes its turns with the engines, in every query.
//!
//! Linux only: the figures come from `/proc`.

mod answers;
mod data;
mod engines;
mod floor;
mod measure;
mod partita_answers;
mod queries;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use answers::Answer;
use clap::Parser;
use data::Data;
use engines::Engine;
use queries::Query;
use report::{Report, Run};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Times Partita, and on request other engines, over the same questions.
#[derive(Parser)]
#[command(bin_name = "cargo bench --bench suite --")]
struct Options {
    /// The rows of every year
    #[arg(long, default_value_t = 8_000_000)]
    rows: u64,
    /// The queries, such as Q1,Q3 [default: all]
    #[arg(long, value_delimiter = ',', value_parser = Query::parse)]
    query: Vec<&'static Query>,
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
    #[arg(long)]
    threads: Option<usize>,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["answer", query, files, threads] => partita_answers::answer(query, files, threads),
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
    let queries = if options.query.is_empty() { queries::ALL.iter().collect() } else { options.query.clone() };
    let engines = match options {
        Options { peers: true, .. } => Engine::ALL.to_vec(),
        Options { engine, .. } if engine.is_empty() => vec![Engine::Partita],
        Options { engine, .. } => engine.clone(),
    };
    let threads = match options.threads {
        Some(threads) => threads.max(1),
        None => std::thread::available_parallelism()?.get(),
    };
    let data = Data::generated(options.rows)?;
    if engines.iter().any(|engine| engine.is_peer()) {
        engines::install_peers()?;
    }

    let sitting = Sitting { data, engines, threads };
    sitting.ask_floor()?;
    let mut firsts = Vec::new();
    for query in &queries {
        let mut first = None;
        for engine in sitting.engines.iter().copied() {
            eprintln!("{} {}: warm-up", query.name, engine.name());
            sitting.ask(engine, query, &mut first)?;
        }
        firsts.push(first);
    }
    eprintln!("all answers agree");

    let setting = serde_json::json!({
        "machine": measure::machine(),
        "threads": sitting.threads,
        "rows": options.rows * sitting.data.files.len() as u64,
        "bytes": sitting.data.bytes,
        "versions": engines::versions(),
    });
    let path = folder().join("suite.json");
    let mut report = Report::new(sitting.data.bytes);
    for (query, first) in queries.iter().zip(&mut firsts) {
        for turn in 1..=options.repeat {
            eprintln!("{}: turn {turn} of {}", query.name, options.repeat);
            report.add(query.name, report::FLOOR, sitting.ask_floor()?);
            for engine in sitting.engines.iter().copied() {
                report.add(query.name, engine.name(), sitting.ask(engine, query, first)?);
            }
        }
        // After every query: all of them take long, and what is measured should not be lost.
        std::fs::write(&path, serde_json::to_string_pretty(&report.json(&setting))? + "\n")?;
    }
    println!("{report}");
    eprintln!("every repetition is in {}", path.display());
    Ok(())
}

/// Who is asked about what.
struct Sitting {
    data: Data,
    engines: Vec<Engine>,
    threads: usize,
}

/// The first answer to a query, which all later ones must agree with.
type First = Option<(Engine, Answer)>;

impl Sitting {
    /// The figures of one answer, once it is checked.
    fn ask(&self, engine: Engine, query: &Query, first: &mut First) -> Result<Run> {
        let asked = || -> Result<(Run, Answer)> {
            let (run, text) = measure::run(&mut engine.command(query, &self.data, self.threads)?)?;
            Ok((run, Answer::parse(&text)?))
        };
        let (run, answer) = asked().map_err(|e| format!("{} {}: {e}", query.name, engine.name()))?;
        match first {
            Some((first, expected)) => (query.compare.agree(expected, &answer))
                .map_err(|e| format!("{}: {} and {} disagree: {e}", query.name, first.name(), engine.name()))?,
            None => *first = Some((engine, answer)),
        }
        Ok(run)
    }

    fn ask_floor(&self) -> Result<Run> {
        let (run, text) = measure::run(&mut floor::command(self.threads, &self.data.files)?)?;
        if text.trim() != self.data.lines.to_string() {
            return Err(format!("floor: {} lines, where {} were generated", text.trim(), self.data.lines).into());
        }
        Ok(run)
    }
}
