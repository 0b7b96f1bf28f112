//! The engines: how each is asked, and where those that are not Partita come from.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::data::Set;
use crate::queries::Query;
use crate::{Result, folder};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Partita,
    Duckdb,
    Polars,
    Datafusion,
    Dask,
}

const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");

/// What Partita's process needs besides what its session counts.
const PARTITA_APART: u64 = 64 << 20;

/// An engine as it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Contender {
    pub engine: Engine,
    /// The engine's name, with the share of the cap that is its own limit where several are tried.
    pub name: &'static str,
    /// The engine's own limit.
    memory: Option<u64>,
}

impl Engine {
    pub const ALL: [Engine; 5] = [Engine::Partita, Engine::Duckdb, Engine::Polars, Engine::Datafusion, Engine::Dask];

    pub fn name(self) -> &'static str {
        match self {
            Engine::Partita => "partita",
            Engine::Duckdb => "duckdb",
            Engine::Polars => "polars",
            Engine::Datafusion => "datafusion",
            Engine::Dask => "dask",
        }
    }

    pub fn is_peer(self) -> bool {
        self != Engine::Partita
    }

    /// Whether it is asked this query. Dask is asked about trade, where it was far behind, and about bags, which no other has.
    pub fn answers(self, query: &Query) -> bool {
        match query.set {
            Set::Baci => true,
            Set::Tweets => matches!(self, Engine::Partita | Engine::Dask),
            _ => self != Engine::Dask,
        }
    }

    /// The ways to ask it under a cap on its process: with its own limit as its documentation advises, or where that
    /// leaves it open, several.
    pub fn contenders(self, cap: Option<u64>) -> Vec<Contender> {
        let limited = |name, memory| Contender { engine: self, name, memory };
        let Some(cap) = cap else { return vec![limited(self.name(), None)] };
        match self {
            Engine::Partita => vec![limited("partita", Some(cap.saturating_sub(PARTITA_APART)))],
            Engine::Duckdb => vec![limited("duckdb50", Some(cap / 2)), limited("duckdb80", Some(cap / 10 * 8))],
            // Its script turns this into what Polars takes for the machine's memory, and its own budget.
            Engine::Polars => vec![limited("polars", Some(cap))],
            Engine::Datafusion => vec![limited("datafusion", Some(cap / 10 * 6))],
            // It has no such limit; what it shuffles goes to disk anyway.
            Engine::Dask => vec![limited("dask", None)],
        }
    }
}

impl Contender {
    /// The process that answers a query as CSV on its standard output.
    pub fn command(&self, query: &Query, dir: &Path, asked: &Asking) -> Result<Command> {
        let mut command = if self.engine.is_peer() {
            let mut command = Command::new(asked.python);
            // The scripts are sources: nothing is to appear beside them.
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            command.arg(peers().join(format!("{}_q.py", self.engine.name())));
            command
        } else {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("answer");
            command
        };
        command.arg(dir).args([query.name, "--threads", &asked.threads.to_string()]);
        command.arg("--scratch").arg(asked.scratch);
        if let Some(bytes) = self.memory {
            command.args(["--memory", &bytes.to_string()]);
        }
        if asked.loaded {
            command.arg("--loaded");
        }
        Ok(command)
    }
}

/// What is the same for all engines.
pub struct Asking<'a> {
    pub threads: usize,
    pub loaded: bool,
    /// Where to put what is not held, and an answer that is a file.
    pub scratch: &'a Path,
    pub python: &'a Path,
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// The interpreter of a virtual environment with the peers in it: of the one given as it is, else of one that is made
/// unless it is there, and into which what is pinned is installed.
pub fn peers_python(venv: Option<&Path>) -> Result<PathBuf> {
    if let Some(venv) = venv {
        return Ok(venv.join("bin/python"));
    }
    let venv = folder().join("venv");
    let python = venv.join("bin/python");
    let carry_out = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the other engines could not be installed: {command:?} ended with {status}")),
        Err(error) => Err(format!("the other engines could not be installed: {command:?}: {error}")),
    };
    if !python.exists() {
        carry_out(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    carry_out(Command::new(&python).args(pip).arg(peers().join("requirements.txt")))?;
    Ok(python)
}

/// The version of every engine, Partita's and those pinned.
pub fn versions() -> Value {
    let pinned = REQUIREMENTS.lines().filter_map(|line| line.split_once("=="));
    let all = [("partita", env!("CARGO_PKG_VERSION"))].into_iter().chain(pinned);
    Value::Object(all.map(|(name, version)| (name.to_owned(), version.into())).collect::<Map<_, _>>())
}
