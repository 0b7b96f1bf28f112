//! The queries of `testdata/slt/*.slt`, whose answers are DuckDB's or worked out by hand: with one partition and with many, on one thread and two.

use std::fmt;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{Session, Table};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner, strict_column_validator};

struct Partita(Session);

/// [`partita::Error`] in the form that the runner asks for.
#[derive(Debug)]
struct Failed(partita::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

impl DB for Partita {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, query: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let table = self.0.sql(query).compute().map_err(Failed)?;
        Ok(DBOutput::Rows { types: types(table.schema()), rows: rows(&table) })
    }
}

fn types(schema: &Schema) -> Vec<DefaultColumnType> {
    let kind = |kind: &DataType| match kind {
        DataType::Int64 => DefaultColumnType::Integer,
        DataType::Float64 => DefaultColumnType::FloatingPoint,
        DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    };
    schema.fields().iter().map(|field| kind(field.data_type())).collect()
}

/// As make.py shows them.
fn rows(table: &Table) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let mut rows = vec![];
    for batch in table.batches() {
        let cell = |column: &dyn Array, row: usize| match column.data_type() {
            _ if column.is_null(row) => "NULL".to_owned(),
            DataType::Float64 => format!("{:.6}", column.as_primitive::<Float64Type>().value(row)).to_lowercase(),
            _ => match ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string() {
                text if text.is_empty() => "(empty)".to_owned(),
                text => text,
            },
        };
        rows.extend((0..batch.num_rows()).map(|row| batch.columns().iter().map(|c| cell(c, row)).collect()));
    }
    rows
}

#[test]
fn answers_are_those_of_the_files() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/slt");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "slt"));
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let mut wrong = vec![];
    for (threads, partition) in [(1, 100 << 20), (2, 16)] {
        for file in &files {
            // Of the larger files, pieces of a few bytes would be too many.
            let text = std::fs::read_to_string(file).unwrap();
            for record in text.split("\n\n").filter(|record| !record.trim_start().starts_with("# ")) {
                let bytes = if record.contains("testdata/slt/") { partition } else { partition.max(5000) };
                let session = Session::builder().threads(threads).partition_size(bytes).build().unwrap();
                let mut runner = Runner::new(|| {
                    let session = session.clone();
                    async move { Ok(Partita(session)) }
                });
                runner.with_column_validator(strict_column_validator);
                let name = file.file_name().unwrap().to_str().unwrap();
                if let Err(error) = runner.run_script_with_name(&format!("{record}\n"), name) {
                    wrong.push(format!("{threads} threads: {}", error.display(false)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
