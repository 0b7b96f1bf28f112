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
#[rustfmt::skip]
const DIFFER: &[(&str, &str, &[&str])] = &[
    ("duckdb", "a quoted empty field is missing", &["all_text", "one_column_quoted_empty", "quoted_empty_is_text", "quotes_only"]),
    ("pandas", "a quoted empty field is missing", &["one_column_quoted_empty", "quoted_empty_is_text", "quotes_only"]),
    ("pandas", "null spellings count in text columns too, and in quotes", &["all_text", "nulls_all", "nulls_default", "nulls_quoted"]),
    ("duckdb", "null spellings count in quotes too", &["nulls_quoted"]),
    ("polars", "null spellings count in quotes too", &["nulls_quoted"]),
    ("duckdb", "there are no null spellings but those told", &["nulls_default", "padded_null"]),
    ("polars", "there are no null spellings but those told", &["nulls_default", "padded_null"]),
    ("pandas", "a padded null spelling is text", &["padded_null"]),
    ("duckdb", "a padded number is text where it is a float", &["padded_numbers"]),
    ("polars", "a padded number is text", &["padded_numbers"]),
    ("duckdb", "spaces in quotes make text of a column of numbers, here they are a missing number", &["delimiter_space", "delimiter_tab"]),
    ("pandas", "spaces in quotes make text of a column of numbers, here they are a missing number", &["delimiter_space", "delimiter_tab"]),
    ("polars", "spaces in quotes make text of a column of numbers, here they are a missing number", &["delimiter_space", "delimiter_tab"]),
    ("pandas", "a blank line of spaces is skipped", &["blank_of_spaces", "blank_of_spaces_one_column"]),
    ("polars", "a short row is filled", &["blank_of_spaces", "footnote_unskipped"]),
    ("pandas", "a short row is filled", &["footnote_unskipped", "quote_stray_opening"]),
    ("duckdb", "a comment may begin behind fields", &["comment_hash", "comment_not_behind_fields"]),
    ("pandas", "a comment may begin behind fields, also in quotes", &["comment_hash", "comment_not_behind_fields"]),
    ("pandas", "a comment behind spaces is a row of nothing", &["comment_trimmed"]),
    ("pandas", "only spaces before a field are trimmed", &["trim_missing", "trim_text"]),
    ("duckdb", "dates beside timestamps are text", &["date_and_timestamp"]),
    ("pandas", "dates and timestamps are text unless told", &["date_and_timestamp", "date_iso"]),
    ("polars", "dates and timestamps are text unless told", &["date_and_timestamp", "date_iso"]),
    ("pandas", "an escape takes one byte of a CRLF, and a CR ends a row", &["escape_line_break"]),
    ("duckdb", "an escape outside quotes is text", &["escape_other"]),
    ("pandas", "a CR ends a row in every file", &["line_end_cr_in_field"]),
    ("polars", "a CR ends no row in any file", &["line_end_cr", "line_end_cr_no_last", "line_end_cr_quoted", "utf16_cr"]),
    ("polars", "a blank line is a row of missing values", &["double_last_line_end", "header_none_blank", "one_column_blank"]),
    ("duckdb", "a blank line is a row in a file of one column", &["one_column_blank"]),
    ("duckdb", "hexadecimal numbers are numbers", &["hex_is_text"]),
    ("duckdb", "integers may lose digits beside floats", &["int_inexact_and_float"]),
    ("pandas", "integers may lose digits beside floats", &["int_inexact_and_float"]),
    ("polars", "integers may lose digits beside floats", &["int_inexact_and_float"]),
    ("pandas", "thousands may stand anywhere", &["thousands_wrong_groups"]),
    ("polars", "what is no UTF-8 in a header is read somehow", &["latin1_header"]),
    ("pandas", "a quote may be the delimiter", &["quote_is_delimiter"]),
    ("polars", "a quote may be the delimiter", &["quote_is_delimiter"]),
    ("polars", "quotes in a field go", &["quote_stray_inside"]),
    ("polars", "an open quote in the header ends with the file", &["quote_unclosed_header"]),
];

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
