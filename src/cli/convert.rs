//! `partita convert`: files of one format to another, partition by partition.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use partita::{Error, ErrorKind, WriteOptions};

use super::input::CsvFlags;
use super::input::Input;
use super::output::Format;
use super::{Failure, RunOptions, begin};

/// Converts files to Parquet, Arrow IPC or CSV
///
/// All threads read and write, a part of the files each; what is larger than memory is converted too. The format is that of the
/// output's ending; an output that ends in / is a directory of files, whose format --to names.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Convert {
    /// Files, globs or - for standard input, taken together as one table
    #[arg(required = true, value_name = "GLOB")]
    paths: Vec<String>,
    /// The file to write, or a directory with / at its end
    #[arg(value_name = "OUTPUT", required = true)]
    output: PathBuf,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<Format>,
    /// Columns whose values become directories: t=2018/…
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    partition_by: Vec<String>,
    /// Replaces what is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    csv: CsvFlags,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  partita convert 'testdata/baci/BACI_HS12_Y*.csv' /tmp/trade.parquet
  partita convert 'testdata/baci/BACI_HS12_Y*.csv' /tmp/trade/ --to parquet --partition-by t";

impl Convert {
    pub(super) fn run(self) -> Result<(), Failure> {
        let format = self.to.or_else(|| Format::of(&self.output));
        let mut write = match format {
            Some(Format::Parquet) => WriteOptions::parquet(),
            Some(Format::Arrow) => WriteOptions::ipc(),
            Some(Format::Csv) => WriteOptions::csv(),
            Some(Format::Tsv) => WriteOptions::csv().delimiter(b'\t'),
            _ => {
                let message = format!("'{}' names no format to convert to", self.output.display());
                let error = Error::new(ErrorKind::Config, message);
                return Err(error
                    .help("name a file that ends in .parquet, .arrow or .csv, or the format with --to")
                    .into());
            }
        };
        if !self.partition_by.is_empty() {
            write = write.partition_by(self.partition_by.clone());
        }
        if self.overwrite {
            write = write.overwrite();
        }
        let session = self.options.session()?.build()?;
        begin(&session)?;
        let input = Input { paths: self.paths, csv: self.csv };
        let frame = input.open(&session)?;
        self.options.show_plan("the rows to convert", &frame);
        let written = frame.write(&self.output, write)?;
        let mut out = io::stdout().lock();
        for file in &written.files {
            writeln!(out, "{}", file.display())?;
        }
        // A note for people; its loss is no failure.
        _ = writeln!(io::stderr(), "{} rows", written.rows);
        Ok(())
    }
}
