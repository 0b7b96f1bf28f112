//! The files of `testdata/csv` as pandas, DuckDB and Polars read them, for files that they can be told to read: their answers are in
//! `testdata/expected/csv_engines.json`, which `csv_engines.py` beside it writes.
//!
//! Where their semantics and ours are not the same, [`DIFFER`] says why, engine by engine; a case that is listed there and agrees is an
//! error too.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Value, rows, session};
use partita::prelude::*;

type Answers = BTreeMap<String, BTreeMap<String, Vec<Vec<Option<String>>>>>;

/// What an engine means otherwise, why, and in which files that shows.
const DIFFER: &[(&str, &str, &[&str])] = &[];

fn options(case: &Path) -> CsvOptions {
    let text = std::fs::read_to_string(case.with_extension("options")).unwrap_or_default();
    let pairs = text.lines().map(|line| line.split_once('=').unwrap());
    pairs.fold(CsvOptions::new(), |options, (name, value)| options.set(name, value).unwrap())
}

/// Whether a value of ours is what an engine gives as text: numbers by what they are.
fn same(ours: &Value, theirs: &Option<String>) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    match (ours, theirs) {
        (Value::Null, theirs) => theirs.is_none(),
        (_, None) => false,
        (Value::Int(a), Some(b)) => b.parse() == Ok(*a) || number(b).is_some_and(|b| b == *a as f64),
        (Value::Float(a), Some(b)) => number(b).is_some_and(|b| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()),
        (Value::Text(a), Some(b)) => a == b || a.replace('T', " ") == *b,
    }
}

#[test]
fn ordinary_files_read_as_pandas_duckdb_and_polars_read_them() {
    let text = std::fs::read_to_string("testdata/expected/csv_engines.json").unwrap();
    let answers: Answers = serde_json::from_str(&text).unwrap();
    let session = session(7);
    let (mut wrong, mut agree) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for (case, engines) in &answers {
        let path = Path::new("testdata/csv").join(format!("{case}.csv"));
        let ours = session.read_csv_with(path.as_path(), options(&path)).compute().map(|table| rows(&table));
        for (engine, theirs) in engines {
            let differs = DIFFER.iter().find(|(of, _, cases)| of == engine && cases.contains(&case.as_str()));
            let is_same = ours.as_ref().is_ok_and(|ours| {
                ours.len() == theirs.len()
                    && ours
                        .iter()
                        .zip(theirs)
                        .all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)))
            });
            match (is_same, differs) {
                (true, None) => *agree.entry(engine).or_default() += 1,
                (false, Some(_)) => {}
                (true, Some((_, why, _))) => wrong.push(format!("{engine} {case}: agrees, which it should not: {why}")),
                (false, None) => wrong.push(format!("{engine} {case}: {theirs:?}\n    here {ours:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}\nagree: {agree:?}", wrong.len(), wrong.join("\n"));
    assert!(agree.values().all(|n| *n >= 50), "{agree:?}");
}
