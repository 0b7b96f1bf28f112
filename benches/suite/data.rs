//! The input: seven years of generated trade flows, made once and kept.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, folder};

const YEARS: std::ops::RangeInclusive<u32> = 2012..=2018;

pub struct Data {
    /// The files as a pattern, which every engine takes.
    pub pattern: String,
    pub files: Vec<PathBuf>,
    pub bytes: u64,
    /// The lines of all files together, headers counted.
    pub lines: u64,
}

impl Data {
    /// The files of so many rows a year, by `partita generate` unless they are there. Files appear under their names only
    /// when they are whole, those of codes last.
    pub fn generated(rows: u64) -> Result<Data> {
        let dir = folder().join(format!("baci-{rows}"));
        let files: Vec<PathBuf> = YEARS.map(|year| dir.join(format!("BACI_HS12_Y{year}.csv"))).collect();
        if !dir.join("country_codes.csv").exists() {
            eprintln!("generating {} times {rows} rows into {}", files.len(), dir.display());
            let mut command = Command::new(env!("CARGO_BIN_EXE_partita"));
            command.arg("generate").arg(&dir).args(["--rows", &rows.to_string(), "--overwrite"]);
            command.args(["--years", &format!("{}-{}", YEARS.start(), YEARS.end())]);
            if !command.stdout(std::process::Stdio::null()).status()?.success() {
                return Err("the data could not be generated".into());
            }
        }
        let mut bytes = 0;
        for file in &files {
            bytes += fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
        }
        let pattern = dir.join("BACI_HS12_Y*.csv").display().to_string();
        Ok(Data { pattern, bytes, lines: (rows + 1) * files.len() as u64, files })
    }
}
