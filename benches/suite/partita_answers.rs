//! Partita's answer to a query, as CSV on standard output: the library in its own idiom, in a process of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::Parser;
use partita::prelude::*;
use partita::{Event, Observer};

use crate::queries::{self, Kind};
use crate::{Result, data};

/// What the process is told; the peers' scripts take the same.
#[derive(Parser)]
pub struct Asked {
    dir: PathBuf,
    query: String,
    #[arg(long)]
    threads: usize,
    /// What to hold at most, in bytes
    #[arg(long)]
    memory: Option<usize>,
    /// Where to put what is not held, and an answer that is a file
    #[arg(long)]
    scratch: PathBuf,
    /// Load the tables first, and tell the seconds of the query alone
    #[arg(long)]
    loaded: bool,
}

/// The tables of a directory by name: read from their files, or loaded before.
pub struct Tables {
    session: Session,
    dir: PathBuf,
    loaded: BTreeMap<&'static str, Frame>,
}

impl Tables {
    /// A file of JSON records.
    pub fn bag<T: serde::de::DeserializeOwned + Send + 'static>(&self, table: &str) -> Bag<T> {
        self.session.read_json(data::pattern(&self.dir, table))
    }

    pub fn get(&self, table: &str) -> Frame {
        if let Some(frame) = self.loaded.get(table) {
            return frame.clone();
        }
        let options = CsvOptions::new();
        let options = match table {
            "countries" => options.encoding("latin1"),
            // A station may be named like a number.
            "measurements" => options
                .header(false)
                .delimiter(b';')
                .quote(None)
                .dtype("column_1", Type::Text)
                .dtype("column_2", Type::Float64),
            _ => options,
        };
        let frame = self.session.read_csv_with(data::pattern(&self.dir, table), options);
        match table {
            "measurements" => frame.rename([("column_1", "station"), ("column_2", "temperature")]),
            _ => frame,
        }
    }
}

/// Adds up what runs spill.
#[derive(Default)]
struct Spilled(AtomicU64);

impl Observer for Spilled {
    fn on(&self, event: &Event) {
        if let Event::RunFinished { spilled, .. } = event {
            self.0.fetch_add(*spilled, Ordering::Relaxed);
        }
    }
}

/// Answers on standard output; tells on standard error what cannot be seen from outside.
pub fn answer(asked: Asked) -> Result<()> {
    let [query] = queries::named(&[asked.query])?[..] else { return Err("one query at a time".into()) };
    let spilled = Arc::new(Spilled::default());
    let mut session = Session::builder().threads(asked.threads).spill_dir(&asked.scratch).observer(spilled.clone());
    if let Some(bytes) = asked.memory {
        session = session.memory(bytes);
    }
    let mut tables = Tables { session: session.build()?, dir: asked.dir, loaded: BTreeMap::new() };
    if asked.loaded {
        for &table in query.tables {
            let frame = tables.get(table).persist()?;
            tables.loaded.insert(table, frame);
        }
    }
    let started = Instant::now();
    let frame = (query.partita)(&tables);
    match query.answer {
        Kind::Rows => {
            let table = frame.compute()?;
            tell_seconds(asked.loaded, started);
            write_csv(&table)?;
        }
        Kind::Held(columns) => {
            let held = frame.compute()?;
            tell_seconds(asked.loaded, started);
            let totals = columns.iter().map(|&name| col(name).sum());
            write_csv(&tables.session.frame(held).agg([size().alias("n")].into_iter().chain(totals)).compute()?)?;
        }
        Kind::File => {
            frame.write_parquet(asked.scratch.join("answer.parquet"))?;
            tell_seconds(asked.loaded, started);
        }
    }
    eprintln!("suite: spilled {}", spilled.0.load(Ordering::Relaxed));
    Ok(())
}

fn tell_seconds(loaded: bool, started: Instant) {
    if loaded {
        eprintln!("suite: seconds {}", started.elapsed().as_secs_f64());
    }
}

/// Missing values are empty fields; floats have as many digits as tell them from all others.
fn write_csv(table: &Table) -> Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    write_rows(table, &mut out)?;
    Ok(out.flush()?)
}

fn write_rows(table: &Table, out: &mut csv::Writer<impl io::Write>) -> Result<()> {
    out.write_record(table.schema().fields().iter().map(|field| field.name()))?;
    for batch in table.batches() {
        let options = FormatOptions::new();
        let columns = batch.columns().iter().map(|column| Ok(ArrayFormatter::try_new(column, &options)?));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            out.write_record(columns.iter().map(|column| column.value(row).to_string()))?;
        }
    }
    Ok(())
}

/// What a file of Parquet, or a directory of them, says as an answer to Q8: its rows, the total of `v`, the first and the
/// last, and how often a row is larger than the one before.
pub fn file_answer(file: &std::path::Path) -> Result<String> {
    let files = if file.is_dir() { file.join("*.parquet") } else { file.to_path_buf() };
    let rows = read_parquet(files).select([col("v"), col("v").diff(1).gt(0.0).fill_null(false).alias("rises")]);
    let answer = rows.agg([
        size().alias("n"),
        col("v").sum().alias("sum_v"),
        col("v").first().alias("first_v"),
        col("v").last().alias("last_v"),
        size().filter(col("rises")).alias("rises"),
    ]);
    let mut out = csv::Writer::from_writer(Vec::new());
    write_rows(&answer.compute()?, &mut out)?;
    Ok(String::from_utf8(out.into_inner()?)?)
}
