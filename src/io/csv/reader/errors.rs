//! What is wrong with a record or field, with its place and how to mend it.

use super::CsvReader;
use crate::error::{Error, ErrorKind, Position};
use crate::expr::Type;
use crate::io::csv::columns::Place;
use crate::io::csv::decode::{BadField, BadReason, PADDING, Records};
use crate::io::csv::encoding;
use crate::io::csv::endless::endless;
use crate::io::csv::fields::Misshapen;
use crate::io::csv::infer::widen;

/// What is wrong, and where.
pub(super) struct Fault {
    kind: ErrorKind,
    pub what: String,
    help: String,
    /// The byte in the file, and how many from there on are to be shown.
    pub byte: u64,
    len: usize,
    /// The column, as a place in the source's schema.
    pub column: Option<usize>,
    /// Whether the type that does not fit was inferred.
    contradicts: bool,
    /// A type that holds the value too.
    wider: Option<Type>,
}

impl Fault {
    /// Whether it is a value that a wider type than the inferred one holds, and not just as text: its row is no bad one.
    pub(super) fn is_good(&self) -> bool {
        self.contradicts && self.wider.is_some_and(|wider| wider != Type::Text)
    }
}

impl CsvReader<'_> {
    /// A place in the file; the line is counted from its start.
    pub(super) fn position_of(&self, byte: u64, column: Option<usize>) -> Position {
        let column = column.map(|c| self.scan.source.schema.field(c).name().clone());
        Position { column, ..self.csv.text.position(byte) }
    }

    pub(super) fn bad_field(&self, records: &Records<'_>, column: usize, row: usize, bad: &BadField) -> Error {
        match self.misfit(records, column, row, bad) {
            Some(fault) => self.error(fault),
            None => Error::internal("a column that no field holds does not fit"),
        }
    }

    pub(super) fn ragged_row(&self, ragged: &Misshapen) -> Error {
        self.error(self.misshapen(ragged))
    }

    /// The error of a record without end.
    pub(super) fn endless(&self, data: &[u8]) -> Error {
        let text = &self.csv.text;
        let (opening, error) = endless(data, self.scan.source.options.max_record, &text.dialect);
        let byte = self.at + opening as u64;
        text.with_excerpt(error.at(text.position(byte)), byte, 1)
    }

    pub(super) fn error(&self, fault: Fault) -> Error {
        let error = Error::new(fault.kind, fault.what).help(fault.help).at(self.position_of(fault.byte, fault.column));
        let error = self.csv.text.with_excerpt(error, fault.byte, fault.len);
        if fault.contradicts { error.contradicting() } else { error }
    }

    /// What is wrong with a field.
    pub(super) fn misfit(&self, records: &Records<'_>, column: usize, row: usize, bad: &BadField) -> Option<Fault> {
        let Place::Field(field) = self.csv.places[column] else { return None };
        let (start, end) = records.column(field).field(row);
        let raw = &self.block.as_slice()[start..end];
        let file_encoding = self.csv.text.encoding;
        let value = shorten(&encoding::decode_lossily(file_encoding, &raw[..raw.len().min(200)]), raw.len());
        let name = self.scan.source.schema.field(column).name();
        let byte = self.at + (start - PADDING) as u64;
        let column = Some(column);
        Some(match bad.reason {
            BadReason::NotOfType => {
                let source = &self.scan.source;
                let dtype = source.types[column?];
                let spellings = &self.spellings[column?];
                let mut wider = widen(dtype, spellings.classify(raw).unwrap_or(dtype));
                if wider == dtype || spellings.is_inexact(raw) {
                    wider = Type::Text;
                }
                let full = match source.is_inferred(column?) {
                    true => ", look at all values before reading with CsvOptions::infer(Infer::Full) or --infer full",
                    false => "",
                };
                Fault {
                    kind: ErrorKind::Value,
                    what: format!("column '{name}' is {dtype}, and {value} is not"),
                    help: format!(
                        "read the column as {wider} with CsvOptions::dtype(\"{name}\", Type::{wider:?}) or --types {name}={wider}{full}, \
                         or, if this spelling means a missing value, add it to CsvOptions::nulls or --nulls"
                    ),
                    byte,
                    len: raw.len(),
                    column,
                    contradicts: source.is_inferred(column?) && !source.options.strict,
                    wider: Some(wider),
                }
            }
            BadReason::NotText => {
                let what = file_encoding.map_or("UTF-8", |encoding| encoding.name());
                let wrong = encoding::decode(file_encoding, raw).err().unwrap_or(0);
                Fault {
                    kind: ErrorKind::Value,
                    what: format!("column '{name}' is text, and {value} is not {what}"),
                    help: encoding::HELP.to_owned(),
                    byte: byte + wrong as u64,
                    len: 1,
                    column,
                    contradicts: false,
                    wider: None,
                }
            }
        })
    }

    /// What is wrong with a record of too many or too few fields.
    pub(super) fn misshapen(&self, ragged: &Misshapen) -> Fault {
        let plural = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
        let raw = &self.block.as_slice()[PADDING + ragged.start as usize..PADDING + ragged.next as usize];
        let stray = match self.csv.text.dialect.quote {
            Some(quote) if raw.contains(&quote) => {
                "CsvOptions::stray_quotes or --stray-quotes takes quotes for text that open or close nothing, "
            }
            _ => "",
        };
        Fault {
            kind: ErrorKind::Malformed,
            what: format!("a row has {}, the header {}", plural(ragged.fields), self.csv.width),
            help: format!(
                "fields that hold the delimiter must be quoted; is the delimiter right (CsvOptions::delimiter, --delimiter; CsvOptions::sniff or --sniff finds it out)? \
                 {stray}CsvOptions::ragged or --ragged fills and cuts such rows, CsvOptions::on_bad_row or --on-bad-row leaves them out"
            ),
            byte: self.at + u64::from(ragged.start),
            len: (ragged.next - ragged.start) as usize,
            column: None,
            contradicts: false,
            wider: None,
        }
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
