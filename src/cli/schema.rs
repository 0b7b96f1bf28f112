//! `partita schema`: what reading the files would give.

use clap::Args;

use super::Failure;

/// Shows the columns of CSV files, their types and what decided them
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Schema {
    /// Files or globs, taken together
    #[arg(required = true)]
    paths: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  partita schema 'testdata/baci/BACI_HS12_Y*.csv'
  partita schema testdata/baci/country_codes.csv";

impl Schema {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let _ = &self.paths;
        Ok(())
    }
}
