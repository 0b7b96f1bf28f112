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
}

const YEARS: &str = "2012-2018";

impl Set {
    /// The rows unless told otherwise: of every year of trade.
    pub fn rows(self) -> u64 {
        match self {
            Set::Baci => 8_000_000,
        }
    }

    /// What `partita generate` takes, and the file that it writes last.
    fn arguments(self) -> (&'static [&'static str], &'static str) {
        match self {
            Set::Baci => (&["--years", YEARS], "country_codes.csv"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Set::Baci => "baci",
        }
    }

    /// The directory of a set of so many rows below `data`, generated unless it is there. Files appear under their names
    /// only when they are whole.
    pub fn generated(self, data: &Path, rows: u64) -> Result<PathBuf> {
        let dir = data.join(format!("{}-{rows}", self.name()));
        let (arguments, last) = self.arguments();
        if !dir.join(last).exists() {
            eprintln!("generating {}", dir.display());
            let mut command = Command::new(env!("CARGO_BIN_EXE_partita"));
            command.arg("generate").arg(&dir).args(["--rows", &rows.to_string(), "--overwrite"]).args(arguments);
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
