//! The 22 queries of PDS-H (TPC-H's) at scale factor 1 have the answers that are published: see the README beside.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{Session, Table};

const TABLES: [&str; 8] = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// The query, its tables read from files of the directory.
fn over(directory: &Path, query: &str) -> String {
    let read = |table: &&str| {
        let parquet = directory.join(format!("{table}.parquet"));
        let path = if parquet.exists() { parquet } else { directory.join(format!("{table}.csv")) };
        format!("{table} AS (FROM '{}')", path.display())
    };
    // Those alone that it names.
    let tables: Vec<String> = TABLES.iter().filter(|table| query.contains(**table)).map(read).collect();
    match query.strip_prefix("WITH ") {
        Some(rest) => format!("WITH {}, {rest}", tables.join(", ")),
        None => format!("WITH {} {query}", tables.join(", ")),
    }
}

fn rows(table: &Table) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = vec![];
    for batch in table.batches() {
        let columns: Vec<ArrayFormatter> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(&**column as &dyn Array, &options).unwrap())
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    rows
}

/// Whether two cells tell the same: numbers to nine digits, as sums of floats have them.
pub fn same(ours: &str, published: &str) -> bool {
    match (ours.parse::<f64>(), published.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => ours.trim_end() == published.trim_end(),
    }
}

pub fn check(rows: &[Vec<String>], answer: &str) -> Result<(), String> {
    let lines: Vec<&str> = answer.lines().skip(1).collect();
    let (lines, count) = match lines.split_last() {
        Some((last, first)) if last.starts_with("rows=") => (first.to_vec(), last[5..].parse().unwrap()),
        _ => (lines.clone(), lines.len()),
    };
    if rows.len() != count {
        return Err(format!("{} rows, and not {count}", rows.len()));
    }
    for (at, (row, line)) in rows.iter().zip(&lines).enumerate() {
        let published: Vec<&str> = line.split('|').collect();
        if row.len() != published.len() || !row.iter().zip(&published).all(|(a, b)| same(a, b)) {
            return Err(format!("row {at} is {row:?}, and not {published:?}"));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let Ok(directory) = std::env::var("PDSH") else {
        println!("pdsh: nothing to ask, PDSH is to name a directory with the tables of TPC-H at scale factor 1");
        return ExitCode::SUCCESS;
    };
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pdsh");
    let only = std::env::var("PDSH_QUERY").ok();
    let session = Session::builder().build().unwrap();
    let mut wrong = vec![];
    for number in 1..=22 {
        let name = format!("q{number:02}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let text = fs::read_to_string(queries.join(format!("{name}.sql"))).unwrap();
        let answer = fs::read_to_string(queries.join(format!("answers/{name}.csv"))).unwrap();
        let started = Instant::now();
        let result = session.sql(&over(Path::new(&directory), &text)).compute().map_err(|error| error.to_string());
        let outcome = result.and_then(|table| check(&rows(&table), &answer));
        println!(
            "{name} {:6.2} s {}",
            started.elapsed().as_secs_f64(),
            if outcome.is_ok() { "as published" } else { "WRONG" }
        );
        wrong.extend(outcome.err().map(|message| format!("{name}: {message}")));
    }
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
