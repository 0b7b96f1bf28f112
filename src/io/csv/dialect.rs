//! The dialect of a file: which bytes have a meaning, and how records end.
//!
//! Most files need but three such bytes: a delimiter, a quote, a line feed. That is [`Plain`], which the SIMD kernels
//! speak. A richer [`Dialect`] is read as plain too wherever a block holds none of the bytes that make the difference.

/// Up to eight bytes that stand for something: a delimiter, what begins a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    bytes: [u8; Mark::MOST],
    len: u8,
}

impl Mark {
    pub(crate) const MOST: usize = 8;

    /// `None` for no bytes, or too many.
    pub(crate) fn new(text: &str) -> Option<Mark> {
        let mut bytes = [0; Mark::MOST];
        bytes.get_mut(..text.len()).filter(|_| !text.is_empty())?.copy_from_slice(text.as_bytes());
        Some(Mark { bytes, len: text.len() as u8 })
    }

    pub(crate) const fn byte(byte: u8) -> Mark {
        Mark { bytes: [byte, 0, 0, 0, 0, 0, 0, 0], len: 1 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }
}

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LineEnd {
    /// LF or CRLF, and a CR by itself is a byte of its field; but a file whose first line ends in such a CR is read as
    /// [`Any`](LineEnd::Any).
    #[default]
    Auto,
    /// LF or CRLF, whatever the first line ends in.
    Lf,
    /// CRLF alone: an LF or CR by itself is a byte of its field.
    CrLf,
    /// CR alone: an LF is a byte of its field.
    Cr,
    /// Each of LF, CRLF and CR.
    Any,
}

/// What becomes of a row that has not as many fields as the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Ragged {
    /// It is an error, or rejected.
    #[default]
    Error,
    /// A short one is filled with missing values; a long one is an error, or rejected.
    Fill,
    /// A short one is filled with missing values, and of a long one the first fields are taken.
    Truncate,
}

/// Which of its instructions the processor is to use: for tests that hold all ways of reading to the same.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Simd {
    /// The best that it has.
    #[default]
    Best,
    /// No better ones than AVX2, if it has these.
    Avx2,
    /// Those that every processor has.
    Portable,
    /// One byte after the other, by the automaton.
    Scalar,
}

/// The bytes with a meaning, and how records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub delimiter: Mark,
    pub quote: Option<u8>,
    /// The byte that takes the meaning from the next one.
    pub escape: Option<u8>,
    /// A line that begins with it is no record.
    pub comment: Option<Mark>,
    pub line_end: LineEnd,
    /// Whether spaces and tabs around a field are no part of it.
    pub trim: bool,
    pub ragged: Ragged,
    /// Whether a blank line is a row of missing values.
    pub keep_blank: bool,
    /// Whether quotes that close nothing are bytes like any other.
    pub lenient: bool,
    pub simd: Simd,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect {
            delimiter: Mark::byte(b','),
            quote: Some(b'"'),
            escape: None,
            comment: None,
            line_end: LineEnd::Auto,
            trim: false,
            ragged: Ragged::Error,
            keep_blank: false,
            lenient: false,
            simd: Simd::Best,
        }
    }
}

/// A dialect of one-byte delimiters, doubled quotes and lines that end in LF or CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    pub delimiter: u8,
    pub quote: Option<u8>,
}

impl Plain {
    #[inline(always)]
    pub(crate) fn is_quote(self, byte: u8) -> bool {
        self.quote == Some(byte)
    }
}

impl Dialect {
    #[inline(always)]
    pub(crate) fn is_quote(&self, byte: u8) -> bool {
        self.quote == Some(byte)
    }

    #[inline(always)]
    pub(crate) fn is_escape(&self, byte: u8) -> bool {
        self.escape == Some(byte)
    }

    /// The plain dialect that reads these bytes, whole records, exactly as this one does, if there is one.
    pub(crate) fn plain_over(&self, data: &[u8]) -> Option<Plain> {
        let [delimiter] = *self.delimiter.as_bytes() else { return None };
        if self.simd == Simd::Scalar {
            return None;
        }
        let lines_alike = match self.line_end {
            LineEnd::Auto | LineEnd::Lf => true,
            LineEnd::Any => !data.contains(&b'\r'),
            LineEnd::CrLf | LineEnd::Cr => false,
        };
        // Spaces before a quote matter; others are taken off when the field is decoded.
        let quotes_alike = !(self.trim || self.lenient) || self.quote.is_none_or(|quote| !data.contains(&quote));
        let alike = lines_alike
            && quotes_alike
            && self.escape.is_none_or(|escape| !data.contains(&escape))
            && self.comment.is_none_or(|comment| !data.contains(&comment.as_bytes()[0]));
        alike.then_some(Plain { delimiter, quote: self.quote })
    }

    /// How long the line end is that begins at `at`; 0 where none does.
    #[inline(always)]
    pub(crate) fn line_end_at(&self, data: &[u8], at: usize) -> usize {
        let crlf = || data.get(at + 1) == Some(&b'\n');
        match (data[at], self.line_end) {
            (b'\n', LineEnd::Auto | LineEnd::Lf | LineEnd::Any) => 1,
            (b'\r', LineEnd::Any | LineEnd::CrLf | LineEnd::Auto | LineEnd::Lf) if crlf() => 2,
            (b'\r', LineEnd::Cr | LineEnd::Any) => 1,
            _ => 0,
        }
    }

    /// Whether a line may end with this byte.
    pub(crate) fn ends_line(&self, byte: u8) -> bool {
        match self.line_end {
            LineEnd::Auto | LineEnd::Lf | LineEnd::CrLf => byte == b'\n',
            LineEnd::Cr => byte == b'\r',
            LineEnd::Any => byte == b'\n' || byte == b'\r',
        }
    }

    /// How many physical lines end in `data`; `before` is the byte before it.
    pub(crate) fn count_lines(&self, data: &[u8], before: Option<u8>) -> u64 {
        let count = |byte: u8| data.iter().filter(|&&b| b == byte).count() as u64;
        let pairs = || {
            let first = (before == Some(b'\r') && data.first() == Some(&b'\n')) as u64;
            first + data.windows(2).filter(|two| two == b"\r\n").count() as u64
        };
        match self.line_end {
            LineEnd::Auto | LineEnd::Lf => count(b'\n'),
            LineEnd::CrLf => pairs(),
            LineEnd::Cr => count(b'\r'),
            LineEnd::Any => count(b'\n') + count(b'\r') - pairs(),
        }
    }

    /// Where the physical line ends that `at` is in: behind its line end, or at the end of `data`.
    pub(crate) fn next_line(&self, data: &[u8], mut at: usize) -> usize {
        while at < data.len() {
            match self.line_end_at(data, at) {
                0 => at += 1,
                len => return at + len,
            }
        }
        data.len()
    }

    /// In words, for errors.
    pub(crate) fn describe(&self) -> String {
        let show = |bytes: &[u8]| {
            format!(
                "'{}'",
                String::from_utf8_lossy(bytes).escape_default().to_string().replace("\\'", "'").replace("\\\"", "\"")
            )
        };
        let mut text = format!("delimiter {}", show(self.delimiter.as_bytes()));
        match self.quote {
            Some(quote) => text += &format!(", quote {}", show(&[quote])),
            None => text += ", no quote",
        }
        if let Some(escape) = self.escape {
            text += &format!(", escape {}", show(&[escape]));
        }
        if let Some(comment) = &self.comment {
            text += &format!(", comment {}", show(comment.as_bytes()));
        }
        match self.line_end {
            LineEnd::Auto | LineEnd::Lf => {}
            LineEnd::CrLf => text += ", lines end in CRLF alone",
            LineEnd::Cr => text += ", lines end in CR alone",
            LineEnd::Any => text += ", lines end in LF, CRLF or CR",
        }
        if self.trim {
            text += ", trimmed";
        }
        if self.lenient {
            text += ", stray quotes are text";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_one_to_eight_bytes() {
        assert_eq!(Mark::new(""), None);
        assert_eq!(Mark::new("123456789"), None);
        assert_eq!(Mark::new("||").unwrap().as_bytes(), b"||");
        assert_eq!(Mark::new(",").unwrap(), Mark::byte(b','));
    }

    #[test]
    fn a_dialect_is_plain_where_nothing_makes_a_difference() {
        let dialect =
            Dialect { escape: Some(b'\\'), comment: Mark::new("#"), line_end: LineEnd::Any, ..Dialect::default() };
        assert!(dialect.plain_over(b"a,b\nc,d\n").is_some());
        for data in [&b"a\\,b"[..], b"a\rb", b"a#b"] {
            assert_eq!(dialect.plain_over(data), None);
        }
        assert_eq!(Dialect { delimiter: Mark::new("||").unwrap(), ..Dialect::default() }.plain_over(b"a"), None);
    }
}
