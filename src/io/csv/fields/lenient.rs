//! Stray quotes: which of them open and close fields, where files hold quotes that belong to the text and were not doubled.
//!
//! A quote closes its field before a delimiter, a line end or the end of the file alone. One at the beginning of a field opens
//! it only if such a quote is found before another one that looks as if it opened the next: in `x,"5 in,"a b"` the first
//! quote is text.

use super::automaton::Closing;
use crate::io::csv::dialect::Dialect;

/// So far is looked for the closing quote; a field that is longer is taken for quoted.
const REACH: usize = 1 << 20;

/// What a quote in a quoted field does.
pub(super) fn closes(dialect: &Dialect, data: &[u8], at: usize) -> Closing {
    if ends_field(dialect, data, at + 1) {
        Closing::Closes
    } else if data.get(at + 1).is_some_and(|&b| dialect.is_quote(b)) {
        Closing::Doubled
    } else {
        Closing::Stray
    }
}

/// Whether a quote at the beginning of a field opens it.
pub(super) fn opens(dialect: &Dialect, data: &[u8], opening: usize) -> bool {
    let mut at = opening + 1;
    let mut begins = false;
    while at < data.len() {
        let byte = data[at];
        if at - opening > REACH {
            return true;
        }
        if dialect.is_escape(byte) {
            (at, begins) = (at + 2, false);
            continue;
        }
        if dialect.is_quote(byte) {
            match closes(dialect, data, at) {
                Closing::Closes => return true,
                Closing::Doubled => at += 1,
                // Behind a delimiter it looks like the opening of the next field.
                Closing::Stray if begins => return false,
                Closing::Stray => {}
            }
            (at, begins) = (at + 1, false);
            continue;
        }
        let mark = dialect.delimiter.as_bytes();
        let len = if data[at..].starts_with(mark) { mark.len() } else { dialect.line_end_at(data, at) };
        begins = len > 0 || begins && dialect.trim && matches!(byte, b' ' | b'\t');
        at += len.max(1);
    }
    // Nothing more is there: more of the file may tell, and at its end the quote is found open.
    true
}

fn ends_field(dialect: &Dialect, data: &[u8], mut at: usize) -> bool {
    while dialect.trim && matches!(data.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at >= data.len() || data[at..].starts_with(dialect.delimiter.as_bytes()) || dialect.line_end_at(data, at) > 0
}
