//! `partita schema`: what reading the files would give.

use std::io::{self, Write};

use clap::Args;
use partita::{ColumnReport, Frame, OptionValue};

use super::input::Input;
use super::{Failure, RunOptions};

/// Shows the columns of CSV files, their types and what decided them
///
/// Types are found by reading samples of the beginning, the middle and the end of every file. A column has the narrowest type that
/// holds all of its values; shown is the first value that no narrower type holds, by its file and line. The last line says how the files
/// are read, as options to paste into a query; with --sniff they are found out.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Schema {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    pub(super) options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  partita schema 'testdata/baci/BACI_HS12_Y*.csv'
  partita schema testdata/baci/product_codes_HS12.csv --sniff";

impl Schema {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let frame = self.input.open(&self.options.session()?.build()?)?;
        let (columns, partitions) = (frame.column_report()?, frame.npartitions()?);
        let mut rows = vec![["column".to_owned(), "type".to_owned(), "decided at".to_owned()]];
        match columns.is_empty() {
            // Files of other formats say it themselves.
            true => rows.extend(frame.schema()?.fields().iter().map(|field| {
                let dtype = partita::Type::of(field.data_type()).map_or_else(String::new, |dtype| dtype.to_string());
                [one_line(field.name()), dtype, "(the file says so)".to_owned()]
            })),
            false => rows.extend(columns.iter().map(row)),
        }
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let (names, types) = (width(0), width(1));
        let mut out = io::BufWriter::new(io::stdout().lock());
        for [name, dtype, decided] in &rows {
            writeln!(out, "{name:names$}  {dtype:types$}  {decided}")?;
        }
        writeln!(out, "{partitions} partition{}", if partitions == 1 { "" } else { "s" })?;
        if !columns.is_empty() {
            writeln!(out, "{}", self.to_paste(&frame)?)?;
        }
        Ok(out.flush()?)
    }

    /// How the files are read, as a query says it.
    fn to_paste(&self, frame: &Frame) -> partita::Result<String> {
        let text = |text: &str| format!("'{}'", text.replace('\'', "''").replace('\t', "\\t"));
        let found = frame.dialect_report()?;
        let value = |value: &str| match value.parse::<u64>().is_ok() || matches!(value, "true" | "false") {
            true => value.to_owned(),
            false => text(value),
        };
        // What was told goes on, but for what the dialect says.
        let known: Vec<&str> = found.iter().map(|(name, _)| *name).chain(["sniff"]).collect();
        let told = self.input.csv.given.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let told = told.map(|(name, given)| match given {
            OptionValue::Text(given) => (name.as_str(), value(given)),
            OptionValue::List(items) => {
                let texts =
                    items.iter().filter_map(|item| if let OptionValue::Text(t) = item { Some(text(t)) } else { None });
                (name.as_str(), format!("[{}]", texts.collect::<Vec<_>>().join(", ")))
            }
            _ => (name.as_str(), "true".to_owned()),
        });
        let options = found.iter().map(|(name, of)| (*name, value(of))).chain(told);
        let options: String = options.map(|(name, of)| format!(", {name} => {of}")).collect();
        let paths: Vec<String> = self.input.paths.iter().map(|path| text(path)).collect();
        let paths = paths.join(", ");
        Ok(one_line(&format!("read_csv({paths}{options})")))
    }
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
