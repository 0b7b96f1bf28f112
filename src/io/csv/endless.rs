//! The error of a record that does not end: where a quote is open, the fault is at its opening.

use super::dialect::Dialect;
use super::fields::open_quote;
use crate::error::{Error, ErrorKind};

/// What is wrong with `data`, which begins a record and does not end it, though it is all that is left of the file or
/// as long as a record may be; and where in it.
pub(crate) fn endless(data: &[u8], limit: usize, dialect: &Dialect) -> (usize, Error) {
    let Some(opening) = open_quote(data, dialect) else {
        let error = Error::new(ErrorKind::Malformed, format!("a record is longer than {limit} bytes"))
            .help("is this a CSV file? CsvOptions::max_record or --max-record allows longer records");
        return (0, error);
    };
    let within = match data.len() < limit {
        true => "by the end of the file".to_owned(),
        false => format!("within {limit} bytes (max_record)"),
    };
    let error = Error::new(ErrorKind::Malformed, format!("a quote is opened here and not closed {within}"))
        .help("close it, or double it if it belongs to the text; CsvOptions::quote(None) or --quote '' reads quotes as plain text");
    (opening, error)
}
