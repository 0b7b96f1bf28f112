//! What is wrong with a record or field, with its place and how to mend it.

use super::CsvReader;
use crate::error::{Error, ErrorKind, Position};
use crate::io::csv::columns::Place;
use crate::io::csv::decode::{BadField, BadReason, PADDING, Records};
use crate::io::csv::encoding;
use crate::io::csv::fields::Ragged;
use crate::io::csv::infer::{type_of, widen};

impl CsvReader<'_> {
    /// A place in the file; the line is counted from its start.
    pub(super) fn position_of(&self, byte: u64, column: Option<usize>) -> Position {
        let column = column.map(|c| self.scan.source.schema.field(c).name().clone());
        Position { column, ..self.csv.text.position(byte) }
    }

    pub(super) fn bad_field(&self, records: &Records<'_>, column: usize, row: usize, bad: &BadField) -> Error {
        let Place::Field(field) = self.csv.places[column] else {
            return Error::internal("a column that no field holds does not fit");
        };
        let (start, end) = records.column(field).field(row);
        let raw = &self.block.as_slice()[start..end];
        let file_encoding = self.csv.text.encoding;
        let value = shorten(&encoding::decode_lossily(file_encoding, &raw[..raw.len().min(200)]), raw.len());
        let name = self.scan.source.schema.field(column).name();
        let at = self.at + (start - PADDING) as u64;
        match bad.reason {
            BadReason::NotOfType => {
                let dtype = self.scan.source.types[column];
                let wider = widen(dtype, type_of(raw, self.scan.source.options.dialect, &self.nulls));
                Error::new(ErrorKind::Value, format!("column '{name}' is {dtype}, and {value} is not"))
                    .help(format!(
                        "read the column as {wider} with CsvOptions::dtype(\"{name}\", Type::{wider:?}), or, if this spelling \
                         means a missing value, add it to CsvOptions::nulls"
                    ))
                    .at(self.position_of(at, Some(column)))
            }
            BadReason::NotText => {
                let what = file_encoding.map_or("UTF-8", |encoding| encoding.name());
                let wrong = encoding::decode(file_encoding, raw).err().unwrap_or(0);
                Error::new(ErrorKind::Value, format!("column '{name}' is text, and {value} is not {what}"))
                    .help(encoding::HELP)
                    .at(self.position_of(at + wrong as u64, Some(column)))
            }
        }
    }

    pub(super) fn ragged_row(&self, ragged: &Ragged) -> Error {
        let plural = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
        Error::new(ErrorKind::Malformed, format!("a row has {}, the header {}", plural(ragged.fields), self.csv.width))
            .at(self.position_of(self.at + u64::from(ragged.row_start), None))
            .help("fields that hold the delimiter must be quoted; is the delimiter right (CsvOptions::delimiter)?")
    }
}

/// A field for an error message: quoted, escaped, at most 40 characters.
fn shorten(text: &str, bytes: usize) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < bytes && text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("{short:?}")
}
