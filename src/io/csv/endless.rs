//! The error of a record that does not end: where a quote is open, the fault is at its opening.

use super::fields::open_quote;
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Position};

/// What is wrong with `data`, which begins a record and does not end it, though it is all that is left of the file or
/// as long as a record may be. `position_of` tells where in the file a place in it is.
pub(crate) fn endless(data: &[u8], options: &CsvOptions, position_of: impl Fn(usize) -> Position) -> Error {
    let limit = options.max_record;
    let Some(opening) = open_quote(data, options.dialect) else {
        return Error::new(ErrorKind::Malformed, format!("a record is longer than {limit} bytes"))
            .at(position_of(0))
            .help("is this a CSV file? CsvOptions::max_record allows longer records");
    };
    let within = match data.len() < limit {
        true => "by the end of the file".to_owned(),
        false => format!("within {limit} bytes (max_record)"),
    };
    Error::new(ErrorKind::Malformed, format!("a quote is opened here and not closed {within}"))
        .at(position_of(opening))
        .help("close it, or double it if it belongs to the text; CsvOptions::quote(None) reads quotes as plain text")
}
