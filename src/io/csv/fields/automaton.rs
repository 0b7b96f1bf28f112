//! The scalar automaton, which defines what is right in every dialect.

use super::lenient;
use crate::io::csv::dialect::{Dialect, Plain};

/// The state of the automaton between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Before the first byte of a field: here alone does a quote open a quoted field.
    FieldStart,
    /// Inside a field that has no (more) quoting: quotes are bytes like any other.
    Unquoted,
    /// Inside quotes: delimiters and line ends are bytes like any other.
    Quoted,
    /// After a quote inside quotes: another one makes a literal quote, anything else leaves the quoted part.
    QuoteSeen,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Inside,
    EndsField,
    EndsRecord,
}

/// What the automaton asks of a dialect.
pub(crate) trait Syntax: Copy {
    /// How long the delimiter is that begins at `at`, the line end; 0 where none does.
    fn delimiter_at(self, data: &[u8], at: usize) -> usize;
    fn line_end_at(self, data: &[u8], at: usize) -> usize;
    fn is_quote(self, byte: u8) -> bool;
    fn is_escape(self, byte: u8) -> bool;
    /// Whether a quote behind this byte may still open the field.
    fn is_lead(self, byte: u8) -> bool;
    /// What the quote at `at` does in a field that is quoted, and whether it may open one.
    fn closes(self, data: &[u8], at: usize) -> Closing;
    fn opens(self, data: &[u8], at: usize) -> bool;
}

/// What a quote in a quoted field does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It ends the quoted part, unless another one follows.
    Closes,
    /// With the next one it is a quote of the text.
    Doubled,
    /// It is a quote of the text by itself.
    Stray,
}

impl State {
    /// The automaton: what begins at `at` takes it into the next state, in so many bytes.
    #[inline(always)]
    pub(crate) fn step<S: Syntax>(self, data: &[u8], at: usize, syntax: S) -> (State, Step, usize) {
        let byte = data[at];
        // An escape takes the meaning from what follows, in one piece.
        let escaped = || match at + 1 < data.len() {
            true => 1 + syntax.delimiter_at(data, at + 1).max(syntax.line_end_at(data, at + 1)).max(1),
            false => 1,
        };
        if self == State::Quoted {
            return match byte {
                _ if syntax.is_escape(byte) => (State::Quoted, Step::Inside, escaped()),
                _ if syntax.is_quote(byte) => match syntax.closes(data, at) {
                    Closing::Closes => (State::QuoteSeen, Step::Inside, 1),
                    Closing::Doubled => (State::Quoted, Step::Inside, 2),
                    Closing::Stray => (State::Quoted, Step::Inside, 1),
                },
                _ => (State::Quoted, Step::Inside, 1),
            };
        }
        let len = syntax.delimiter_at(data, at);
        if len > 0 {
            return (State::FieldStart, Step::EndsField, len);
        }
        let len = syntax.line_end_at(data, at);
        if len > 0 {
            return (State::FieldStart, Step::EndsRecord, len);
        }
        match self {
            State::FieldStart | State::QuoteSeen if syntax.is_quote(byte) && syntax.opens(data, at) => {
                (State::Quoted, Step::Inside, 1)
            }
            State::FieldStart if syntax.is_lead(byte) => (State::FieldStart, Step::Inside, 1),
            _ if syntax.is_escape(byte) => (State::Unquoted, Step::Inside, escaped()),
            _ => (State::Unquoted, Step::Inside, 1),
        }
    }
}

impl Syntax for Plain {
    #[inline(always)]
    fn delimiter_at(self, data: &[u8], at: usize) -> usize {
        usize::from(data[at] == self.delimiter)
    }
    /// The CR before an LF is left to its field, which loses it when it is decoded.
    #[inline(always)]
    fn line_end_at(self, data: &[u8], at: usize) -> usize {
        usize::from(data[at] == b'\n')
    }
    #[inline(always)]
    fn is_quote(self, byte: u8) -> bool {
        Plain::is_quote(self, byte)
    }
    #[inline(always)]
    fn is_escape(self, _: u8) -> bool {
        false
    }
    #[inline(always)]
    fn is_lead(self, _: u8) -> bool {
        false
    }
    #[inline(always)]
    fn closes(self, _: &[u8], _: usize) -> Closing {
        Closing::Closes
    }
    #[inline(always)]
    fn opens(self, _: &[u8], _: usize) -> bool {
        true
    }
}

impl Syntax for &Dialect {
    #[inline(always)]
    fn delimiter_at(self, data: &[u8], at: usize) -> usize {
        let mark = self.delimiter.as_bytes();
        if data[at] == mark[0] && data[at..].starts_with(mark) { mark.len() } else { 0 }
    }
    #[inline(always)]
    fn line_end_at(self, data: &[u8], at: usize) -> usize {
        Dialect::line_end_at(self, data, at)
    }
    #[inline(always)]
    fn is_quote(self, byte: u8) -> bool {
        Dialect::is_quote(self, byte)
    }
    #[inline(always)]
    fn is_escape(self, byte: u8) -> bool {
        Dialect::is_escape(self, byte)
    }
    #[inline(always)]
    fn is_lead(self, byte: u8) -> bool {
        self.trim && matches!(byte, b' ' | b'\t')
    }
    #[inline(always)]
    fn closes(self, data: &[u8], at: usize) -> Closing {
        if self.lenient { lenient::closes(self, data, at) } else { Closing::Closes }
    }
    #[inline(always)]
    fn opens(self, data: &[u8], at: usize) -> bool {
        !self.lenient || lenient::opens(self, data, at)
    }
}

/// Where the quote was opened that is still open at the end of these records, if one is.
pub(crate) fn open_quote(data: &[u8], dialect: &Dialect) -> Option<usize> {
    let (mut state, mut opening, mut at) = (State::FieldStart, 0, 0);
    while at < data.len() {
        let (next, _, len) = state.step(data, at, dialect);
        if state == State::FieldStart && next == State::Quoted {
            opening = at;
        }
        state = next;
        at += len;
    }
    (state == State::Quoted).then_some(opening)
}

/// The record that begins here, as it stands, without its line end.
pub(crate) fn record_at<'a>(data: &'a [u8], start: u32, dialect: &Dialect) -> &'a [u8] {
    let (mut state, mut at) = (State::FieldStart, start as usize);
    while at < data.len() {
        let (next, step, len) = state.step(data, at, dialect);
        if step == Step::EndsRecord {
            break;
        }
        (state, at) = (next, at + len);
    }
    &data[start as usize..at.min(data.len())]
}
