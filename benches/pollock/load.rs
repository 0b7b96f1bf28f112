//! Loads the files of the Pollock benchmark (<https://github.com/HPI-Information-Systems/Pollock>), for `benches/pollock/score.py` to
//! score. `POLLOCK=path/to/polluted_files cargo bench --bench pollock`
//!
//! What is loaded goes to `loaded/told` and `loaded/sniffed` beside the files: with the parameters that come with each file,
//! and with nothing told.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;

use common::{Value, rows};
use partita::prelude::*;
use partita::{LineEnd, OnBadRow, Ragged, Session};
use serde_json::Value as Json;

/// What all files are read with: nothing but text, rows filled and cut, what can't be read left out.
fn options() -> CsvOptions {
    let options = CsvOptions::new().all_text(true).ragged(Ragged::Truncate).stray_quotes(true);
    options.on_bad_row(OnBadRow::Skip { at_most: u64::MAX })
}

fn told(parameters: &Json) -> (CsvOptions, bool) {
    let text = |key: &str| parameters[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| parameters[key].as_u64().unwrap_or_default();
    let byte = |key: &str| text(key).bytes().next();
    let mut options =
        options().quote(byte("quotechar")).escape(byte("escapechar").filter(|_| text("escapechar") != "\""));
    if !text("delimiter").is_empty() {
        options = options.delimiter(text("delimiter"));
    }
    options = options.line_end(if text("row_delimiter") == "\r" { LineEnd::Cr } else { LineEnd::Lf });
    let headers = number("header_lines");
    let names: Vec<String> = parameters["column_names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n.as_str().map(str::to_owned))
        .collect();
    options = options.skip_rows(number("preamble_lines") + headers).skip_footer(number("footnote_lines"));
    options = if names.is_empty() { options.header(false) } else { options.names(names) };
    (options, headers > 0)
}

/// The table as CSV, every field quoted; a file of nothing is a table of nothing.
fn load(session: &Session, path: &Path, options: CsvOptions, header: bool) -> Result<String> {
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let line = |fields: &[String]| fields.iter().map(|f| quoted(f)).collect::<Vec<_>>().join(",") + "\r\n";
    if fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Ok(String::new());
    }
    let table = session.read_csv_with(path, options).compute()?;
    let own: Vec<String> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut text = if header { line(&own) } else { String::new() };
    for row in rows(&table) {
        let fields: Vec<String> =
            row.into_iter().map(|v| if let Value::Text(text) = v { text } else { String::new() }).collect();
        text += &line(&fields);
    }
    Ok(text)
}

fn main() {
    let Some(folder) = std::env::var_os("POLLOCK") else {
        return println!("pollock: nothing to load, POLLOCK is to name the folder polluted_files");
    };
    let folder = Path::new(&folder);
    let session = Session::builder().threads(2).build().unwrap();
    for mode in ["told", "sniffed"] {
        fs::create_dir_all(folder.join("loaded").join(mode)).unwrap();
    }
    for entry in fs::read_dir(folder.join("csv")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let parameters = fs::read_to_string(folder.join("parameters").join(format!("{name}_parameters.json"))).unwrap();
        let (options_told, header) = told(&serde_json::from_str(&parameters).unwrap());
        let loaded = load(&session, &path, options_told, header);
        let out = |mode: &str, loaded: Result<String>| {
            let text = loaded.unwrap_or_else(|e| format!("Application Error\n{e}\n"));
            fs::write(folder.join("loaded").join(mode).join(format!("{name}_converted.csv")), text).unwrap();
        };
        out("told", loaded);
        let sniffing = session.read_csv_with(&path, options().sniff());
        let header = sniffing.dialect_report().is_ok_and(|r| r.iter().any(|(n, v)| *n == "header" && v == "true"));
        out("sniffed", load(&session, &path, options().sniff(), header));
    }
}
