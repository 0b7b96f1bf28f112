//! `partita head`: the first rows of files.

use std::io;
use std::time::Instant;

use clap::Args;

use super::input::Input;
use super::output::{self, Format};
use super::{Failure, RunOptions, begin};

/// Shows the first rows of files
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Head {
    #[command(flatten)]
    input: Input,
    /// How many rows
    #[arg(long, short = 'n', default_value_t = 10)]
    rows: usize,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  partita head 'testdata/baci/BACI_HS12_Y*.csv'
  partita head -n 3 --format csv testdata/formats/duckdb.parquet";

impl Head {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let session = self.options.session()?.build()?;
        begin(&session)?;
        let started = Instant::now();
        let rows = self.input.open(&session)?.head(self.rows);
        self.options.show_plan("the first rows", &rows);
        output::write(rows.stream()?, self.format, started, io::stdout())?;
        Ok(())
    }
}
