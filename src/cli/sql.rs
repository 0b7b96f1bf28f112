//! `partita sql`: one query, its result on stdout.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use partita::{Stats, Stop};

use super::output::{self, Format};
use super::{Failure, RunOptions, signals};

/// Runs a SELECT statement over CSV files
///
/// FROM names a file, a glob or '-' (standard input) in quotes; the types of its columns are found by reading samples. There are WHERE, GROUP BY,
/// HAVING, ORDER BY, LIMIT and OFFSET, and the aggregates count, sum, avg, min and max. What is not supported is an error that
/// points at its place.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sql {
    /// The statement
    query: String,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Prints how the query would be run, and does not run it
    #[arg(long)]
    explain: bool,
    /// Prints on stderr, after the result, what the run took: rows and bytes read, what was spilled by which operator, peak memory, time
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  partita sql \"SELECT k, avg(q) AS mean_q FROM 'testdata/baci/BACI_HS12_Y*.csv' WHERE t = 2018 GROUP BY k ORDER BY k LIMIT 10\"
  partita sql --format csv \"SELECT i, sum(v) AS trade FROM 'testdata/baci/BACI_HS12_Y*.csv' GROUP BY i ORDER BY trade DESC\"

Rows are printed as they come, in their order: of a run that fails midway, those before the failure have been printed.

Exit codes: 0 for an answer (also when whoever reads it closes the pipe), 1 for a run that failed, 2 for a command line or SQL text
that is wrong, 130 and 143 for a run that SIGINT (Ctrl-C) and SIGTERM stopped.";

impl Sql {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let stats = Arc::new(Stats::new());
        let mut session = self.options.session();
        if self.stats {
            session = session.observer(stats.clone());
        }
        let session = session.build()?;
        signals::close_on_signal(&session)?;
        let frame = session.sql(&self.query);
        if self.explain {
            let plan = frame.explain(Stop::All)?;
            writeln!(io::stdout(), "{}", plan.trim_end())?;
            return Ok(());
        }
        let rows = output::write(frame.stream()?, self.format, io::stdout().lock())?;
        if self.stats {
            writeln!(io::stderr(), "given        {}\n{stats}", output::count_rows(rows))?;
        }
        Ok(())
    }
}
