//! The line that an error is about, a caret under the place.

use super::encoding::{self, TextFile};
use crate::error::Error;

/// So much of a line is looked at before and behind the place.
const REACH: u64 = 4 << 10;
/// So many characters are shown to its left and right.
const MARGIN: usize = 50;

impl TextFile {
    /// Adds to an error the line that holds this byte, marked there for `len` bytes, the character's place in it, and what the
    /// file is read as.
    pub(crate) fn with_excerpt(&self, error: Error, byte: u64, len: usize) -> Error {
        self.with_line(error.note(format!("read with {}", self.describe())), byte, len)
    }

    /// Adds to an error the line that holds this byte, marked there for `len` bytes, and the character's place in it.
    pub(crate) fn with_line(&self, error: Error, byte: u64, len: usize) -> Error {
        let Ok(input) = self.input.open() else { return error };
        let from = byte.saturating_sub(REACH);
        let mut data = vec![0; (2 * REACH) as usize];
        let Ok(read) = input.read_at(&mut data, from) else { return error };
        data.truncate(read);
        let at = (byte - from) as usize;
        if at > data.len() {
            return error;
        }
        let start = data[..at].iter().rposition(|&b| self.dialect.ends_line(b)).map_or(0, |i| i + 1);
        let end = data[at..].iter().position(|&b| matches!(b, b'\n' | b'\r')).map_or(data.len(), |i| at + i);
        let text = |bytes: &[u8]| -> Vec<char> {
            let text = encoding::decode_lossily(self.encoding, bytes);
            // Tabs and other control characters would move what stands above the caret.
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        };
        let (left, marked) = (text(&data[start..at]), text(&data[at..end.min(at + len.max(1))]));
        let right = text(&data[end.min(at + len.max(1))..end]);
        // Where the line begins further off, its characters can't be counted here.
        let character = (start > 0 || from == 0).then(|| left.len() as u64 + 1);
        let (mut shown, mut caret) = (String::new(), left.len().min(MARGIN));
        if left.len() > MARGIN {
            shown.push('…');
            caret += 1;
        }
        shown.extend(&left[left.len().saturating_sub(MARGIN)..]);
        let width = marked.len().clamp(1, MARGIN);
        shown.extend(marked.iter().chain(&right).take(width + MARGIN));
        if marked.len() + right.len() > width + MARGIN {
            shown.push('…');
        }
        error.excerpt(format!("{}\n{:caret$}{}", shown.trim_end(), "", "^".repeat(width)), character)
    }

    /// How the file is read, in words.
    pub(crate) fn describe(&self) -> String {
        let encoding = self.encoding.map_or("UTF-8", |encoding| encoding.name());
        format!("{}, {encoding}", self.dialect.describe())
    }
}
