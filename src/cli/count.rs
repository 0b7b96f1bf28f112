//! `partita count`: how many rows files have.

use std::io::{self, Write};

use clap::Args;

use super::input::Input;
use super::{Failure, RunOptions, begin};

/// Counts the rows of files
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Count {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  partita count 'testdata/baci/BACI_HS12_Y*.csv'
  partita count testdata/formats/duckdb.parquet";

impl Count {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let session = self.options.session()?.build()?;
        begin(&session)?;
        let rows = self.input.open(&session)?.num_rows()?;
        Ok(writeln!(io::stdout(), "{rows}")?)
    }
}
