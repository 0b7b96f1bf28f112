//! DuckDB's own tests of its CSV reader, where our dialects meet: `DUCKDB=path/to/duckdb cargo bench --bench duckdb_csv`
//!
//! The queries and expected errors of `test/sql/copy/csv` that only read files are asked in our words (see [`translate`]), with what
//! DuckDB does unasked: it sniffs, and nothing but an empty field is missing. `testdata/duckdb_csv.txt` lists those whose answers differ, or that ask for what we lack;
//! any other that differs makes it fail. `DUCKDB_LIST=1` writes the list anew.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{CsvOptions, Session, Table};

/// One query, or one statement that must fail.
#[derive(Debug)]
pub struct Case {
    pub line: usize,
    pub sql: String,
    /// `None`: an error.
    pub expected: Option<Vec<String>>,
    pub columns: usize,
    pub sorted: bool,
}

/// The cases of a file that stand for themselves: none within loops, or behind what DuckDB was built with.
pub fn cases(text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut cases, mut at, mut loops, mut skipped) = (vec![], 0, 0, false);
    while at < lines.len() {
        let mut words = lines[at].split_whitespace();
        let (kind, how) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match kind {
            "loop" | "foreach" => loops += 1,
            "endloop" => loops -= 1,
            "mode" => skipped = how == "skip",
            _ => {}
        }
        if !matches!(kind, "query" | "statement") {
            at += 1;
            continue;
        }
        let line = at + 1;
        let end = |from: usize, until: &dyn Fn(&str) -> bool| {
            (from..lines.len()).find(|&i| until(lines[i])).unwrap_or(lines.len())
        };
        let sql_end = end(line, &|l| l.trim().is_empty() || l == "----");
        let has_answer = lines.get(sql_end) == Some(&"----");
        let answer_end = if has_answer { end(sql_end + 1, &|l| l.is_empty()) } else { sql_end };
        let answer = lines[(sql_end + 1).min(answer_end)..answer_end].iter().map(|l| (*l).to_owned()).collect();
        at = answer_end;
        let expected = match (kind, how) {
            ("query", _) => Some(answer),
            (_, "error") => None,
            _ => continue,
        };
        if loops == 0 && !skipped {
            let sorted = words.next().is_some_and(|word| word != "nosort");
            cases.push(Case { line, sql: lines[line..sql_end].join("\n"), expected, columns: how.len(), sorted });
        }
    }
    cases
}

/// Splits at the top level, outside of quotes and brackets.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0, None);
    for c in text.chars() {
        match (quoted, c) {
            (Some(quote), _) if c == quote => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if depth > 0 || quoted.is_some() || c != at => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// An option of DuckDB in our words; `None` for what only tells it how to go about it.
fn option(name: &str, value: &str) -> Option<String> {
    let flag = match value.to_ascii_lowercase().as_str() {
        "false" => "false",
        "true" => "true",
        "0" if name != "skip" => "false",
        "1" if name != "skip" => "true",
        _ => value,
    };
    Some(match (name, flag) {
        ("ignore_errors", "true") => "on_bad_row => 'skip'".into(),
        ("null_padding", "true") => "ragged => 'fill'".into(),
        ("strict_mode", "false") => "stray_quotes => true".into(),
        ("ignore_errors" | "null_padding" | "strict_mode", _) => return None,
        ("buffer_size" | "parallel" | "allow_quoted_nulls" | "compression", _) => return None,
        ("filename", "true") => "file_column => 'filename'".into(),
        ("filename", "false") => return None,
        ("sample_size", "-1") => "infer => 'full'".into(),
        ("sample_size", _) => return None,
        ("max_line_size" | "maximum_line_size", _) => format!("max_record => {value}"),
        ("escape", r#"'"'"#) => return None,
        ("new_line", r"'\n'") => "line_end => 'lf'".into(),
        ("new_line", r"'\r'") => "line_end => 'cr'".into(),
        ("new_line", r"'\r\n'") => "line_end => 'crlf'".into(),
        ("columns", _) => {
            let inner = value.trim_start_matches(['{', '[']).trim_end_matches(['}', ']']);
            let pairs: Vec<Vec<String>> = split(inner, ',').iter().map(|pair| split(pair, ':')).collect();
            let quoted = |text: &str| format!("'{}'", text.trim_matches(['\'', '"']));
            let names: Vec<String> = pairs.iter().filter_map(|pair| Some(quoted(pair.first()?))).collect();
            let types: Vec<String> =
                pairs.iter().map(|p| p.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(": ")).collect();
            format!("names => [{}], types => {{{}}}", names.join(", "), types.join(", "))
        }
        _ => format!("{name} => {flag}"),
    })
}

/// A query in our words: `read_csv` with our options, `SELECT *` before `FROM`.
pub fn translate(sql: &str) -> String {
    let sql = sql.trim().trim_end_matches(';').replace("{DATA_DIR}", "data");
    let mut text = String::new();
    let mut rest = sql.as_str();
    let find = |text: &str| text.to_ascii_lowercase().find("read_csv");
    while let Some(at) = find(rest) {
        text += &rest[..at];
        let behind = rest[at + "read_csv".len()..].trim_start_matches("_auto").trim_start_matches("_AUTO").trim_start();
        let Some(inside) = behind.strip_prefix('(') else {
            text += "read_csv";
            rest = behind;
            continue;
        };
        let (mut depth, mut quoted, mut end) = (1, None, inside.len());
        for (i, c) in inside.char_indices() {
            match (quoted, c) {
                (Some(quote), _) if c == quote => quoted = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quoted = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = i;
                break;
            }
        }
        let mut arguments = split(&inside[..end], ',');
        let mut options: Vec<String> = vec![];
        for argument in arguments.split_off(1.min(arguments.len())) {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let name = name.trim().trim_end_matches(':').trim().to_ascii_lowercase();
            let of_columns = matches!(name.as_str(), "columns" | "names" | "column_names");
            if let Some(option) = option(&name, value.trim_start_matches('>').trim()) {
                // Names say that there is no header, unless it is told behind them.
                options.insert(if of_columns { 0 } else { options.len() }, option);
            }
        }
        let path = arguments.first().map_or("", |path| path.trim_matches(['[', ']']));
        text += &format!("read_csv({path}{}{})", if options.is_empty() { "" } else { ", " }, options.join(", "));
        rest = &inside[(end + 1).min(inside.len())..];
    }
    text += rest;
    if let Some(described) = text.strip_prefix("describe from").or(text.strip_prefix("DESCRIBE FROM")) {
        return format!("DESCRIBE SELECT * FROM{described}");
    }
    if text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from")) { format!("SELECT * {text}") } else { text }
}

/// What statements hold that are not about reading CSV, or about types and tables that we have not.
const OTHER: [&str; 32] = [
    "{test_dir}",
    "{temp_dir}",
    "sniff_csv",
    "duckdb_",
    "reject",
    "getenv",
    "getvariable",
    "pragma",
    "http",
    "hive_",
    " glob(",
    "typeof(",
    "parse_filename",
    "nfc_normalize",
    "#1",
    "struct",
    "with recursive",
    "decimal(",
    "'decimal'",
    "blob",
    "json'",
    "enum",
    "timestamptz",
    "'time'",
    "'bla'",
    "tinyint",
    "column_types",
    "columns(",
    "partition",
    "files_to_sniff",
    "normalize_names",
    "homedir",
];

/// Whether a statement reads files and nothing else: no tables of a database, no files written before.
fn reads_only(sql: &str) -> bool {
    let sql = sql.trim().to_ascii_lowercase();
    let starts = ["select", "from", "with", "describe"].iter().any(|word| sql.starts_with(word));
    starts
        && (sql.contains("read_csv") || sql.contains(".csv'") || sql.contains(".tsv'"))
        && !OTHER.iter().any(|word| sql.contains(word))
}

/// Values as DuckDB's tests write them.
fn shown(table: &Table) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let cell = |column: &dyn Array, row: usize| match column.data_type() {
        _ if column.is_null(row) => "NULL".to_owned(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        kind => {
            let text = ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
            match kind {
                DataType::Timestamp(..) => text.replace('T', " "),
                _ if text.is_empty() => "(empty)".to_owned(),
                _ => text.replace('\0', r"\0"),
            }
        }
    };
    let row = |batch: &arrow::array::RecordBatch, row| batch.columns().iter().map(|c| cell(c, row)).collect();
    table.batches().flat_map(|batch| (0..batch.num_rows()).map(|i| row(&batch, i)).collect::<Vec<_>>()).collect()
}

fn same(ours: &str, theirs: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let plain = |text: &str| text.trim().trim_end_matches(" 00:00:00").to_owned();
    ours == theirs
        || plain(ours) == plain(theirs)
        || number(ours).zip(number(theirs)).is_some_and(|(a, b)| a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()))
        || matches!((ours, theirs), ("true", "1" | "True") | ("false", "0" | "False"))
}

/// Why the answer is not the expected one.
fn differs(case: &Case, session: &Session, options: &CsvOptions) -> Option<String> {
    let answer = catch_unwind(AssertUnwindSafe(|| session.sql_with(&translate(&case.sql), options).compute()));
    let Ok(answer) = answer else { return Some("PANIC".into()) };
    let (table, expected) = match (answer, &case.expected) {
        (Err(_), None) => return None,
        (Ok(_), None) => return Some("no error here".into()),
        (Err(error), Some(_)) => return Some(format!("error: {}", error.message().replace('\n', " "))),
        (Ok(table), Some(expected)) => (table, expected),
    };
    if expected.first().is_some_and(|line| line.contains("values hashing to")) {
        return None;
    }
    let mut ours = shown(&table);
    let described = case.sql.trim().to_ascii_lowercase().starts_with("describe");
    let by_row = case.columns <= 1 || expected.iter().any(|line| line.contains('\t'));
    let mut theirs: Vec<Vec<String>> = match by_row {
        true => expected
            .iter()
            .map(|line| line.replace("{DATA_DIR}", "data").split('\t').map(str::to_owned).collect())
            .collect(),
        false => expected.chunks(case.columns).map(<[String]>::to_vec).collect(),
    };
    if described {
        theirs.iter_mut().for_each(|row| row.truncate(2));
        for row in &mut ours {
            let names = [("int64", "BIGINT"), ("float64", "DOUBLE"), ("text", "VARCHAR"), ("bool", "BOOLEAN")];
            let named = names.iter().find(|(ours, _)| row[1] == *ours);
            row[1] = named.map_or_else(|| row[1].to_uppercase(), |(_, theirs)| (*theirs).to_owned());
        }
    }
    if case.sorted {
        ours.sort();
        theirs.sort();
    }
    if ours.len() != theirs.len() {
        return Some(format!("{} rows, there {}", ours.len(), theirs.len()));
    }
    let pairs = ours.iter().zip(&theirs);
    for (i, (ours, theirs)) in pairs.enumerate() {
        if theirs.first().is_some_and(|text| text.starts_with("<REGEX>")) {
            continue;
        }
        if ours.len() != theirs.len() {
            return Some(format!("{} columns, there {}", ours.len(), theirs.len()));
        }
        if let Some((a, b)) = ours.iter().zip(theirs).find(|(a, b)| !same(a, b)) {
            return Some(format!("row {}: {a:?}, there {b:?}", i + 1));
        }
    }
    None
}

fn tests_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => tests_below(&path, found),
            false if path.extension().is_some_and(|ending| ending == "test") => found.push(path),
            false => {}
        }
    }
}

fn main() -> ExitCode {
    let Some(folder) = std::env::var_os("DUCKDB") else {
        println!("duckdb_csv: nothing to ask, DUCKDB is to name a checkout of DuckDB");
        return ExitCode::SUCCESS;
    };
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/duckdb_csv.txt");
    // The tests name files from there.
    std::env::set_current_dir(&folder).unwrap();
    let mut files = vec![];
    tests_below(Path::new("test/sql/copy/csv"), &mut files);
    files.sort();
    let session = Session::builder().threads(2).build().unwrap();
    let options = CsvOptions::new().sniff().nulls([""]);
    let (mut all, mut different) = (0, BTreeMap::new());
    for file in files {
        // Test files of bytes that are no text are about those.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for case in cases(&text).into_iter().filter(|case| reads_only(&case.sql)) {
            all += 1;
            if let Some(why) = differs(&case, &session, &options) {
                let why: String = why.chars().take(150).collect();
                different.insert(
                    format!("{}:{}", file.strip_prefix("test/sql/copy/csv").unwrap().display(), case.line),
                    why,
                );
            }
        }
    }
    println!("{} of {all} answers agree", all - different.len());
    let text: String = different.iter().map(|(place, why)| format!("{place}\t{why}\n")).collect();
    if std::env::var_os("DUCKDB_LIST").is_some() {
        fs::write(list, text).unwrap();
        return ExitCode::SUCCESS;
    }
    let known = fs::read_to_string(list).unwrap();
    let known: Vec<&str> = known.lines().filter_map(|line| line.split('\t').next()).collect();
    let new: Vec<_> = different.iter().filter(|(place, _)| !known.contains(&place.as_str())).collect();
    new.iter().for_each(|(place, why)| println!("differs now: {place}: {why}"));
    if new.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
