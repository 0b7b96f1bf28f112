//! The input: sets of generated files, each made once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// What belongs together in one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// Seven years of trade flows, and the codes of products and countries.
    Baci,
    /// The table of db-benchmark's questions on grouping.
    Groupby,
    /// The tables of db-benchmark's questions on joins.
    Join,
    /// Temperatures as in the one billion row challenge.
    Stations,
    /// Short messages as JSON lines.
    Tweets,
}

impl Set {
    /// The rows unless told otherwise: of every year of trade, of the largest table.
    pub fn rows(self) -> u64 {
        match self {
            Set::Baci => 8_000_000,
            Set::Groupby | Set::Join => 10_000_000,
            Set::Stations => 100_000_000,
            Set::Tweets => 4_600_000,
        }
    }

    /// Whether values can be made to be missing.
    pub fn may_miss(self) -> bool {
        matches!(self, Set::Groupby | Set::Join)
    }

    /// Its name, and the file that is written last.
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Set::Baci => ("baci", "country_codes.csv"),
            Set::Groupby => ("groupby", "groupby.csv"),
            Set::Join => ("join", "big.csv"),
            Set::Stations => ("stations", "measurements.csv"),
            Set::Tweets => ("tweets", "tweets.jsonl"),
        }
    }

    /// The directory of a set of so many rows below `data`, generated unless it is there. Files appear under their names
    /// only when they are whole.
    pub fn generated(self, data: &Path, rows: u64, missing: u8) -> Result<PathBuf> {
        let (name, last) = self.parts();
        let percent = if missing > 0 { format!("-{missing}") } else { String::new() };
        let dir = data.join(format!("{name}-{rows}{percent}"));
        if !dir.join(last).exists() {
            eprintln!("generating {}", dir.display());
            let mut command = Command::new(env!("CARGO_BIN_EXE_partita"));
            command.arg("generate").arg(&dir).args(["--kind", name, "--rows", &rows.to_string(), "--overwrite"]);
            command.args(["--missing", &missing.to_string()]);
            if self == Set::Baci {
                command.args(["--years", "2012-2018"]);
            }
            if !command.stdout(Stdio::null()).status()?.success() {
                return Err("the data could not be generated".into());
            }
        }
        Ok(dir)
    }
}

/// The files of a table as a pattern.
pub fn pattern(dir: &Path, table: &str) -> PathBuf {
    dir.join(match table {
        "trade" => "BACI_HS12_Y*.csv",
        "trade_2017" => "BACI_HS12_Y2017.csv",
        "trade_2018" => "BACI_HS12_Y2018.csv",
        "products" => "product_codes_HS12.csv",
        "countries" => "country_codes.csv",
        "tweets" => "tweets.jsonl",
        name => return dir.join(format!("{name}.csv")),
    })
}

/// The files of some tables, and their bytes.
pub fn files(dir: &Path, tables: &[&str]) -> Result<(Vec<PathBuf>, u64)> {
    let (mut files, mut bytes) = (Vec::new(), 0);
    for table in tables {
        for file in glob::glob(&pattern(dir, table).display().to_string())? {
            let file = file?;
            bytes += fs::metadata(&file)?.len();
            files.push(file);
        }
    }
    Ok((files, bytes))
}
