//! `partita schema`: what reading the files would give.

use std::io::{self, Write};

use clap::Args;
use partita::{ColumnReport, CsvOptions, Session, parse_bytes};

use super::Failure;

/// Shows the columns of CSV files, their types and what decided them
///
/// Types are found by reading samples of the beginning, the middle and the end of every file. A column has the narrowest type that
/// holds all of its values; shown is the first value that no narrower type holds, by its file and line.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Schema {
    /// Files, globs or - for standard input, taken together as one table
    #[arg(required = true, value_name = "GLOB")]
    paths: Vec<String>,
    /// The size of the pieces that files are read in [default: 100MB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    partition_size: Option<usize>,
    /// Find out delimiter, quote, header and what stands above it from the first file, and print them as options to paste
    #[arg(long)]
    sniff: bool,
}

const EXAMPLES: &str = "\
Examples:
  partita schema 'testdata/baci/BACI_HS12_Y*.csv'
  partita schema testdata/baci/product_codes_HS12.csv --partition-size 64KB";

impl Schema {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::builder();
        if let Some(size) = self.partition_size {
            session = session.partition_size(size);
        }
        let options = if self.sniff { CsvOptions::new().sniff() } else { CsvOptions::new() };
        let frame = session.build()?.read_csv_with(self.paths.clone(), options);
        let (columns, partitions) = (frame.column_report()?, frame.npartitions()?);
        let mut rows = vec![["column".to_owned(), "type".to_owned(), "decided at".to_owned()]];
        rows.extend(columns.iter().map(row));
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let (names, types) = (width(0), width(1));
        let mut out = io::BufWriter::new(io::stdout().lock());
        for [name, dtype, decided] in &rows {
            writeln!(out, "{name:names$}  {dtype:types$}  {decided}")?;
        }
        writeln!(out, "{partitions} partition{}", if partitions == 1 { "" } else { "s" })?;
        if self.sniff {
            writeln!(out, "{}", to_paste(&self.paths, &frame.dialect_report()?))?;
        }
        Ok(out.flush()?)
    }
}

/// The options as a query takes them.
fn to_paste(paths: &[String], options: &[(&'static str, String)]) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''").replace('\t', "\\t"));
    let value = |value: &str| match value.parse::<u64>().is_ok() || matches!(value, "true" | "false") {
        true => value.to_owned(),
        false => text(value),
    };
    let options: String = options.iter().map(|(name, of)| format!(", {name} => {}", value(of))).collect();
    let paths: Vec<String> = paths.iter().map(|path| text(path)).collect();
    let paths = if let [one] = &paths[..] { one.clone() } else { format!("[{}]", paths.join(", ")) };
    one_line(&format!("read_csv({paths}{options})"))
}

fn row(column: &ColumnReport) -> [String; 3] {
    let decided = match &column.decided_at {
        Some((file, line)) => format!("{}:{line}", file.display()),
        None => "(no value in the samples)".to_owned(),
    };
    [column.name.as_str(), &column.dtype.to_string(), &decided].map(one_line)
}

/// The text with line breaks and the like escaped.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
