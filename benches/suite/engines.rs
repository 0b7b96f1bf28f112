//! The engines: how each is asked, and where those that are not Partita come from.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::data::Data;
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

    /// The process that answers a query as CSV on its standard output.
    pub fn command(self, query: &Query, data: &Data, threads: usize) -> Result<Command> {
        let threads = threads.to_string();
        if self.is_peer() {
            let mut command = Command::new(python());
            command.arg(peers().join(format!("{}_q.py", self.name())));
            command.args([&data.pattern, query.name, "--threads", &threads]);
            return Ok(command);
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["answer", query.name, &data.pattern, &threads]);
        Ok(command)
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

fn python() -> PathBuf {
    folder().join("venv/bin/python")
}

/// Makes a virtual environment unless there is one, and installs into it what is pinned and not there yet.
pub fn install_peers() -> Result<()> {
    let python = python();
    let carry_out = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the other engines could not be installed: {command:?} ended with {status}")),
        Err(error) => Err(format!("the other engines could not be installed: {command:?}: {error}")),
    };
    if !python.exists() {
        carry_out(Command::new("python3").args(["-m", "venv"]).arg(folder().join("venv")))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    Ok(carry_out(Command::new(python).args(pip).arg(peers().join("requirements.txt")))?)
}

/// The version of every engine, Partita's and those pinned.
pub fn versions() -> Value {
    let pinned = REQUIREMENTS.lines().filter_map(|line| line.split_once("=="));
    let all = [("partita", env!("CARGO_PKG_VERSION"))].into_iter().chain(pinned);
    Value::Object(all.map(|(name, version)| (name.to_owned(), version.into())).collect::<Map<_, _>>())
}
