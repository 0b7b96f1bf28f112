//! Every file of `testdata/csv` gives the table or the error of its golden file, wherever partitions are cut.
//!
//! `BLESS=1 cargo test --test corpus` writes the golden files anew; `testdata/csv/make.py` the files themselves.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Value, rows, session};
use partita::prelude::*;
use partita::{Paths, Session, Simd};

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

/// All ways of finding fields and reading numbers.
const WAYS: [Simd; 4] = [Simd::Best, Simd::Avx2, Simd::Portable, Simd::Scalar];

/// Sizes of partitions that cut a file of so many bytes at every byte: all of them at once, and, in files that are not long, at each one
/// alone.
fn cuts(bytes: usize) -> impl Iterator<Item = u64> {
    let step = bytes.div_ceil(400).max(1);
    (1..=bytes.min(40)).chain((40..bytes).step_by(step)).map(|size| size as u64)
}

#[test]
fn every_file_gives_what_its_golden_file_says_at_every_cut_in_every_way() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let bless = std::env::var_os("BLESS").is_some();
    let session = session(1 << 30);
    let mut wrong = Vec::new();
    for case in &cases {
        let golden = case.with_extension("golden");
        let got = read(&session, case.as_path(), options(case));
        if bless {
            fs::write(&golden, &got).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if got != expected {
            wrong.push(format!("{}:\n{got}instead of\n{expected}", case.display()));
        }
        let bytes = fs::metadata(case).unwrap().len() as usize;
        // An error tells of the same place however the file is cut.
        'cuts: for (nth, size) in cuts(bytes).chain([1 << 30]).enumerate() {
            for (way, simd) in WAYS.into_iter().enumerate() {
                // The best and the plainest at every cut, the others at every other one.
                if matches!(simd, Simd::Avx2 | Simd::Portable) && nth % 2 != way % 2 {
                    continue;
                }
                let options = options(case).map(|options| options.partition_size(size).simd(simd));
                let at_cut = read(&session, case.as_path(), options);
                if at_cut != got {
                    let way = format!("{} in partitions of {size}, {simd:?}", case.display());
                    wrong.push(format!("{way}:\n{at_cut}instead of\n{got}"));
                    break 'cuts;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the `csv` crate means otherwise, or can't be told, by the beginning of the case's name.
const NOT_ALIKE: &[(&str, &str)] = &[
    ("comment_last_line", "a comment without a line end is a record of nothing to it"),
    ("comment_with_cr", "a CR ends a comment of it, here the line end of the file does"),
    ("escape_backslash", "an escape is one in quotes alone to it"),
    ("escape_line_break", "an escape is one in quotes alone to it"),
    ("escape_other", "an escape is one in quotes alone to it"),
    ("line_end_cr_in_field", "a CR ends a record of it in every file"),
    ("nulls_", "it has no missing values"),
    ("utf16", "it reads no UTF-16"),
];

/// A reader of the crate that is told the same; nothing where it can't be told.
fn reader_of_the_crate(case: &Path) -> Option<csv::ReaderBuilder> {
    let text = fs::read_to_string(case.with_extension("options")).unwrap_or_default();
    let mut builder = csv::ReaderBuilder::new();
    let byte = |text: &str| match text.replace("\\t", "\t").replace("tab", "\t").as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    };
    builder.flexible(true);
    for (name, value) in text.lines().map(|line| line.split_once('=').unwrap()) {
        match (name, value) {
            ("delimiter", _) => builder.delimiter(byte(value)?),
            ("quote", "") => builder.quoting(false),
            ("quote", _) => builder.quote(byte(value)?),
            ("escape", _) => builder.escape(Some(byte(value)?)),
            ("comment", _) => builder.comment(Some(byte(value)?)),
            ("header", "true" | "false") => builder.has_headers(value == "true"),
            ("names", _) => builder.has_headers(false),
            // It ends records with any of the three.
            ("line_end", "any") => &mut builder,
            ("ragged", "truncate") => &mut builder,
            // How values are spelled is nothing to it.
            ("nulls" | "types" | "decimal" | "thousands" | "all_text" | "date_formats" | "timestamp_formats", _) => {
                &mut builder
            }
            ("true_values" | "false_values" | "columns", _) if name != "columns" => &mut builder,
            _ => return None,
        };
    }
    Some(builder)
}

#[test]
fn files_read_as_the_csv_crate_reads_them_where_it_can_be_told_how() {
    let session = session(7);
    let mut spectrum: Vec<PathBuf> =
        fs::read_dir("testdata/csv-spectrum/csvs").unwrap().map(|entry| entry.unwrap().path()).collect();
    spectrum.sort();
    let (mut alike, mut wrong) = (0, Vec::new());
    for case in cases().into_iter().chain(spectrum) {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let not_alike = NOT_ALIKE.iter().any(|(kind, _)| name.starts_with(kind));
        let Some(builder) = reader_of_the_crate(&case).filter(|_| !not_alike) else { continue };
        for simd in WAYS {
            let options = options(&case).map(|options| options.all_text(true).simd(simd));
            let Ok(table) = options.and_then(|options| session.read_csv_with(&case, options).compute()) else { break };
            let width = table.num_columns();
            let text = |value| if let Value::Text(text) = value { text } else { String::new() };
            let texts: Vec<Vec<String>> =
                rows(&table).into_iter().map(|row| row.into_iter().map(text).collect()).collect();
            let bytes = fs::read(&case).unwrap();
            let expected: Result<Vec<Vec<String>>, csv::Error> = builder
                .from_reader(&bytes[..])
                .into_records()
                .map(|record| {
                    let mut fields: Vec<String> = record?.iter().map(str::to_owned).collect();
                    fields.resize(width, String::new());
                    Ok(fields)
                })
                .collect();
            match expected {
                Ok(expected) if expected == texts => alike += 1,
                expected => wrong.push(format!("{name}, {simd:?}: {expected:?}\n   here {texts:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(alike >= 4 * 80, "{alike}");
}
