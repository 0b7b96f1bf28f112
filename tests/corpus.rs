//! Every file of `testdata/csv` gives the table or the error of its golden file, wherever partitions are cut.
//!
//! `BLESS=1 cargo test --test corpus` writes the golden files anew; `testdata/csv/make.py` the files themselves.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Value, rows, session};
use partita::prelude::*;
use partita::{Paths, Session};

const FOLDER: &str = "testdata/csv";

/// The cases, each a CSV file.
fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "csv")).collect();
    cases.sort();
    cases
}

fn options(case: &Path) -> Result<CsvOptions> {
    let text = fs::read_to_string(case.with_extension("options")).unwrap_or_default();
    let set = |options: CsvOptions, line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        options.set(name, value)
    };
    text.lines().try_fold(CsvOptions::new(), set)
}

/// What a file gives, as text.
fn read(session: &Session, paths: impl Into<Paths>, options: Result<CsvOptions>) -> String {
    let table = options.and_then(|options| session.read_csv_with(paths, options).compute());
    match table {
        Err(error) => format!("{error}\n"),
        Ok(table) => show(&table),
    }
}

fn show(table: &Table) -> String {
    let names: Vec<String> = table
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{:?}: {}", field.name(), Type::of(field.data_type()).unwrap()))
        .collect();
    let mut text = names.join(" | ") + "\n";
    for row in rows(table) {
        let values: Vec<String> = row
            .iter()
            .map(|value| match value {
                Value::Null => "null".to_owned(),
                Value::Int(value) => value.to_string(),
                Value::Float(value) => format!("{value:?}"),
                Value::Text(text) => format!("{text:?}"),
            })
            .collect();
        writeln!(text, "{}", values.join(" | ")).unwrap();
    }
    text
}

#[test]
fn every_file_gives_what_its_golden_file_says_at_every_cut() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let bless = std::env::var_os("BLESS").is_some();
    let whole = session(1 << 30);
    let mut wrong = Vec::new();
    for case in &cases {
        let golden = case.with_extension("golden");
        let got = read(&whole, case.as_path(), options(case));
        if bless {
            fs::write(&golden, &got).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if got != expected {
            wrong.push(format!("{}:\n{got}instead of\n{expected}", case.display()));
        }
        let bytes = fs::metadata(case).unwrap().len() as usize;
        for partition in (1..=bytes.min(40)).chain([64, 100, 256, 1000]) {
            // An error tells of the same place however the file is cut.
            let at_cut = read(
                &Session::builder().threads(2).partition_size(partition).build().unwrap(),
                case.as_path(),
                options(case),
            );
            if at_cut != got {
                wrong.push(format!("{} in partitions of {partition}:\n{at_cut}instead of\n{got}", case.display()));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn plain_files_read_as_the_csv_crate_reads_them() {
    for case in cases() {
        let name = case.file_stem().unwrap().to_str().unwrap();
        if !["plain", "rfc_", "quote", "text_behind", "one_column", "header_only", "mixed_lf", "long_field", "wide"]
            .iter()
            .any(|kind| name.starts_with(kind))
            || case.with_extension("options").exists()
        {
            continue;
        }
        let bytes = fs::read(&case).unwrap();
        let Ok(table) = session(7).read_csv_with(&case, CsvOptions::new().all_text(true)).compute() else { continue };
        let texts: Vec<Vec<String>> = rows(&table)
            .into_iter()
            .map(|row| row.into_iter().map(|v| if let Value::Text(text) = v { text } else { String::new() }).collect())
            .collect();
        let mut reader = csv::ReaderBuilder::new().from_reader(&bytes[..]);
        let expected: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(texts, expected, "{name}");
    }
}
