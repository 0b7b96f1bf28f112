//! The field index of any dialect, by the scalar automaton: each field with its own beginning and end.

use super::automaton::{State, Step};
use super::{FieldIndex, Line};
use crate::io::csv::dialect::{Dialect, LineEnd};

/// Indexes `data` as [`FieldIndex::index`] does. Returns the state behind it.
pub(super) fn index(out: &mut FieldIndex, data: &[u8], mut state: State, dialect: &Dialect, last: bool) -> State {
    let (mut at, mut record, mut field, mut opening) = (0, 0, 0, 0);
    loop {
        if at >= data.len() {
            // A quote that nothing closes up to the end of the file is text, where stray ones are.
            if dialect.lenient && last && state == State::Quoted && opening >= field && opening < data.len() {
                (at, state) = (opening + 1, State::Unquoted);
                continue;
            }
            break;
        }
        if at == record && state == State::FieldStart && begins_comment(data, at, dialect) {
            let next = dialect.next_line(data, at);
            // A comment that is cut short is no record yet; nor is one whose CR may be half a CRLF.
            if !last && (next == data.len() && !ended(data, dialect)) {
                return state;
            }
            out.lines.push(Line { start: record as u32, fields: out.separators.len() as u32, next: next as u32 });
            (at, record, field) = (next, next, next);
            continue;
        }
        let (next, step, len) = state.step(data, at, dialect);
        out.has_quotes |= dialect.is_quote(data[at]) || dialect.is_escape(data[at]);
        if step == Step::EndsRecord && at + len == data.len() && !last && !ended(data, dialect) {
            return state;
        }
        if state == State::FieldStart && next == State::Quoted {
            opening = at;
        }
        state = next;
        if step != Step::Inside {
            out.starts.push(field as u32);
            out.separators.push(at as u32);
            field = at + len;
        }
        at += len;
        if step == Step::EndsRecord {
            out.lines.push(Line { start: record as u32, fields: out.separators.len() as u32, next: at as u32 });
            record = at;
        }
    }
    if last && record < data.len() && state != State::Quoted {
        // A CR at the very end is half of a CRLF.
        let halves = matches!(dialect.line_end, LineEnd::Auto | LineEnd::Lf);
        let end = data.len() - usize::from(halves && data.len() > field && data.ends_with(b"\r"));
        out.starts.push(field.min(data.len()) as u32);
        out.separators.push(end as u32);
        out.lines.push(Line { start: record as u32, fields: out.separators.len() as u32, next: data.len() as u32 });
    }
    state
}

fn begins_comment(data: &[u8], at: usize, dialect: &Dialect) -> bool {
    let Some(comment) = &dialect.comment else { return false };
    let mut rest = &data[at..];
    while let [b' ' | b'\t', more @ ..] = rest
        && dialect.trim
    {
        rest = more;
    }
    rest.starts_with(comment.as_bytes())
}

/// Whether the line end that these bytes end in is whole: a CR might be the half of a CRLF.
fn ended(data: &[u8], dialect: &Dialect) -> bool {
    match data.last() {
        Some(b'\n') => true,
        Some(b'\r') => dialect.line_end == LineEnd::Cr,
        _ => false,
    }
}
