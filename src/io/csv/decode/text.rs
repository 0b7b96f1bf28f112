//! Text: views into the block; only fields with doubled quotes are copied, and those that must be decoded.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray, make_view};
use arrow::buffer::{Buffer, ScalarBuffer};

use super::spelling::{Spellings, trim};
use super::{BadReason, Column, ColumnBuffer, Decoder, NullBits, PADDING, Records, Rows};
use crate::batch::{INLINE, VIEW_BYTES};
use crate::error::Result;
use crate::io::csv::dialect::Dialect;
use crate::io::csv::encoding;

/// Decodes a column of text. An unquoted empty field is missing, a quoted one is an empty text.
pub(super) fn decode(
    decoder: &mut Decoder<'_>,
    column: Column<'_>,
    rows: Rows<'_>,
    buffer: &mut ColumnBuffer,
) -> ArrayRef {
    let n = rows.len();
    let data = column.data;
    let Spellings { dialect, encoding, lossy, nulls_in_text, .. } = decoder.spellings;
    let has_quotes = column.records.has_quotes;
    let mut views: Vec<u128> = buffer.take(n);
    let mut nulls = NullBits::default();
    if column.records.is_text && !has_quotes && !dialect.trim && !nulls_in_text {
        let lengths = match rows {
            Rows::All(n) => plain(column, 0..n, &mut views),
            Rows::These(rows) => plain(column, rows.iter().map(|row| *row as usize), &mut views),
        };
        if lengths.any_empty {
            // The view of an empty text is 0.
            for (nth, views) in views.chunks(8).enumerate() {
                let bits = views.iter().enumerate().map(|(at, view)| u8::from(*view == 0) << at);
                nulls.set_eight(nth, bits.sum(), n);
            }
        }
        // Without the block it is clear to all that nothing is in it.
        let buffers = if lengths.any_long { vec![column.records.block.clone()] } else { vec![] };
        return array(views, buffers, nulls, buffer);
    }
    // What does not stand in the block as it is to be read.
    let mut own: Vec<u8> = Vec::new();
    for at in 0..n {
        let (mut start, end) = column.field(rows.row(at));
        let mut raw = &data[start..end];
        if dialect.trim {
            let trimmed = trim(raw);
            // As many bytes on the left as went there.
            start += trimmed.as_ptr() as usize - raw.as_ptr() as usize;
            raw = trimmed;
        }
        if raw.is_empty() || (*nulls_in_text && decoder.spellings.is_null(raw)) {
            nulls.set(at, n);
            views.push(0);
            continue;
        }
        let content = if has_quotes { unquote(raw, dialect) } else { Content::At(0, raw.len()) };
        if !column.records.is_text && !raw.is_ascii() && (encoding.is_some() || std::str::from_utf8(raw).is_err()) {
            // Quotes come off first: they are single bytes in every encoding that gets here.
            let inner = match &content {
                Content::At(skip, len) => &raw[*skip..skip + len],
                Content::Unescaped(text) => text,
            };
            let text = match encoding::decode(*encoding, inner) {
                Ok(text) => text,
                Err(_) if *lossy => encoding::decode_lossily(*encoding, inner),
                Err(_) => {
                    if decoder.refuse(at, BadReason::NotText) {
                        views.resize(n, 0);
                        break;
                    }
                    nulls.set(at, n);
                    views.push(0);
                    continue;
                }
            };
            views.push(make_view(text.as_bytes(), 1, own.len() as u32));
            own.extend_from_slice(text.as_bytes());
            continue;
        }
        views.push(match content {
            Content::At(skip, len) => make_view(&raw[skip..skip + len], 0, (start + skip) as u32),
            Content::Unescaped(text) => {
                let offset = own.len() as u32;
                own.extend_from_slice(&text);
                make_view(&text, 1, offset)
            }
        });
    }
    let mut buffers = vec![column.records.block.clone()];
    if !own.is_empty() {
        buffers.push(Buffer::from_vec(own));
    }
    array(views, buffers, nulls, buffer)
}

/// What is seen of fields while their views are made.
struct Lengths {
    any_empty: bool,
    any_long: bool,
}

/// Adds the views of fields that all stand as they are to be read.
fn plain(column: Column<'_>, rows: impl ExactSizeIterator<Item = usize>, views: &mut Vec<u128>) -> Lengths {
    let Records { starts, width, .. } = column.records;
    match (starts.is_empty(), column.column == 0, column.column + 1 == width) {
        (false, ..) => plain_at(column.data, rows.map(|row| column.field(row)), views),
        (_, true, true) => plain_of::<true, true>(column, rows, views),
        (_, true, false) => plain_of::<true, false>(column, rows, views),
        (_, false, true) => plain_of::<false, true>(column, rows, views),
        (_, false, false) => plain_of::<false, false>(column, rows, views),
    }
}

/// [`plain`] for fields of the first column or another, the last or another: what [`Column::field`] gives, without asking that of each
/// field.
fn plain_of<const FIRST: bool, const LAST: bool>(
    column: Column<'_>,
    rows: impl ExactSizeIterator<Item = usize>,
    views: &mut Vec<u128>,
) -> Lengths {
    let Records { separators, row_starts, width, .. } = column.records;
    let (data, column) = (column.data, column.column);
    let places = rows.map(move |row| {
        let last = row * width + column;
        let end = separators[last] as usize + PADDING;
        let start = if FIRST { row_starts[row] as usize } else { separators[last - 1] as usize + 1 } + PADDING;
        (start, end - usize::from(LAST && end > start && data[end - 1] == b'\r'))
    });
    plain_at(data, places, views)
}

#[inline(always)]
fn plain_at(data: &[u8], places: impl ExactSizeIterator<Item = (usize, usize)>, views: &mut Vec<u128>) -> Lengths {
    let (mut shortest, mut longest) = (usize::MAX, 0);
    // Into views that are there: one pushed after the other would keep these two in memory.
    views.resize(places.len(), 0);
    for (to, (start, end)) in views.iter_mut().zip(places) {
        (shortest, longest) = (shortest.min(end - start), longest.max(end - start));
        *to = view(data, start, end);
    }
    Lengths { any_empty: shortest == 0, any_long: longest > INLINE }
}

/// Which bits of the sixteen bytes from four before a text on stand in its view: those of a short text, or the first four bytes of one
/// that is longer.
const KEPT: [[u64; 2]; INLINE + 2] = {
    let (mut kept, mut len) = ([[0; 2]; INLINE + 2], 0);
    while len < kept.len() {
        let bits = VIEW_BYTES[if len <= INLINE { len } else { 4 }];
        kept[len] = [bits as u64, (bits >> 64) as u64];
        len += 1;
    }
    kept
};

/// The view of a field. [`make_view`] jumps by the length of a short text, mispredicted where lengths change; this has no branch, and
/// shifts no bytes: the four before a text are where the view has its length.
#[inline(always)]
fn view(data: &[u8], start: usize, end: usize) -> u128 {
    let len = end - start;
    let at = start.wrapping_sub(4);
    let Some((first, last)) = data.get(at..at.wrapping_add(16)).and_then(|bytes| bytes.split_first_chunk::<8>()) else {
        // At the end of the block.
        return make_view(&data[start..end], 0, start as u32);
    };
    let last = last.first_chunk::<8>().map_or(0, |last| u64::from_le_bytes(*last));
    let [low, high] = KEPT[len.min(INLINE + 1)];
    // Where a longer text stands.
    let offset = if len <= INLINE { 0 } else { start as u64 };
    let low = u64::from_le_bytes(*first) & low | u64::from(len as u32);
    u128::from(last & high | offset << 32) << 64 | u128::from(low)
}

/// The texts of views of these buffers: the block, and what does not stand there as it is to be read.
fn array(views: Vec<u128>, buffers: Vec<Buffer>, nulls: NullBits, buffer: &mut ColumnBuffer) -> ArrayRef {
    let n = views.len();
    let views = Buffer::from_vec(views);
    buffer.keep(&views);
    let views = ScalarBuffer::new(views, 0, n);
    // SAFETY: every view was made by `make_view` or `view` from bytes at the stated place of its buffer, or is an empty text, and those bytes are
    // UTF-8: the whole block is, which is cut at whole characters, or the field was checked or decoded; taking off ASCII quotes and
    // escapes keeps it so.
    Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers, nulls.finish()) })
}

/// A column that has this text in every row.
pub(crate) fn constant(text: &Buffer, rows: usize, buffer: &mut ColumnBuffer) -> Result<ArrayRef> {
    let mut views: Vec<u128> = buffer.take(rows);
    views.resize(rows, make_view(text, 0, 0));
    let views = Buffer::from_vec(views);
    buffer.keep(&views);
    // One view is checked for all.
    let one = StringViewArray::try_new(ScalarBuffer::new(views.clone(), 0, rows.min(1)), vec![text.clone()], None)?;
    // SAFETY: all views are the one that was checked.
    Ok(Arc::new(unsafe {
        StringViewArray::new_unchecked(ScalarBuffer::new(views, 0, rows), one.data_buffers().to_vec(), None)
    }))
}

/// What a field says.
pub(crate) enum Content {
    /// So many bytes of the field, from this one on.
    At(usize, usize),
    /// Bytes that do not stand in the field in one piece.
    Unescaped(Vec<u8>),
}

/// Takes off the quotes of a field that begins with one: what is between them, doubled quotes undoubled, and
/// whatever follows the closing quote as it stands. Escapes go everywhere.
pub(crate) fn unquote(raw: &[u8], dialect: &Dialect) -> Content {
    if dialect.lenient {
        return unquote_leniently(raw, dialect);
    }
    let quote = dialect.quote.filter(|&quote| raw.first() == Some(&quote));
    let escapes = dialect.escape.is_some_and(|escape| raw.contains(&escape));
    let inner = match quote {
        None if !escapes => return Content::At(0, raw.len()),
        None => raw,
        Some(quote) => {
            let inner = &raw[1..];
            match inner.iter().position(|&b| b == quote) {
                _ if escapes => {}
                Some(close) if close + 1 == inner.len() => return Content::At(1, close),
                None => return Content::At(1, inner.len()),
                _ => {}
            }
            inner
        }
    };
    let mut text = Vec::with_capacity(inner.len());
    let mut inside = quote.is_some();
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if dialect.is_escape(byte) {
            text.push(bytes.next().unwrap_or(byte));
        } else if inside && Some(byte) == quote && bytes.next_if(|&b| Some(b) == quote).is_none() {
            inside = false;
        } else {
            text.push(byte);
        }
    }
    Content::Unescaped(text)
}

/// As [`unquote`], where only a quote at the end closes: others are text.
fn unquote_leniently(raw: &[u8], dialect: &Dialect) -> Content {
    let quoted = match raw {
        [first, .., last] if dialect.is_quote(*first) && first == last => true,
        _ if !dialect.escape.is_some_and(|escape| raw.contains(&escape)) => return Content::At(0, raw.len()),
        _ => false,
    };
    let inner = if quoted { &raw[1..raw.len() - 1] } else { raw };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            _ if dialect.is_escape(byte) => text.push(bytes.next().unwrap_or(byte)),
            _ if quoted && dialect.is_quote(byte) => {
                bytes.next_if_eq(&byte);
                text.push(byte);
            }
            _ => text.push(byte),
        }
    }
    Content::Unescaped(text)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use proptest::prelude::*;

    use super::super::{PADDING, Records};
    use super::*;
    use crate::io::csv::fields::{FieldIndex, State};
    use crate::io::csv::options::CsvOptions;

    #[test]
    fn quotes_come_off() {
        for (raw, text) in [
            (&b"\"a\""[..], &b"a"[..]),
            (b"\"\"", b""),
            (b"\"a\"\"b\"", b"a\"b"),
            (b"\"\"\"\"", b"\""),
            (b"\"a\" tail\"x", b"a tail\"x"),
            (b"\"open", b"open"),
        ] {
            let got = match unquote(raw, &Dialect::default()) {
                Content::At(skip, len) => raw[skip..skip + len].to_vec(),
                Content::Unescaped(text) => text,
            };
            assert_eq!(got, text, "{raw:?}");
        }
    }

    proptest! {
        /// The safe twin: arrow's own constructor, which checks every view and every byte.
        #[test]
        fn what_is_built_unchecked_stands_every_check(
            body in prop_oneof![
                prop::collection::vec(prop::sample::select("ab,,,\n\"é0123456789abcdef".as_bytes()), 0..300),
                prop::collection::vec(prop::sample::select("ab,,,,\r\n\n0123456789abcdef0123456789abcdef".as_bytes()), 0..300),
            ],
            width in 1usize..4,
            some in prop::option::of(1usize..3),
            in_text in any::<bool>(),
        ) {
            let dialect = &Dialect::default();
            let options = if in_text { CsvOptions::new().nulls(["a"]) } else { CsvOptions::new() };
            let mut index = FieldIndex::default();
            index.index(&body, State::FieldStart, dialect, false);
            if let Some(last) = index.last_record(&body) {
                let end = index.truncate_after(&body, last);
                index.shape(&body[..end], width, dialect);
            }
            let block = Buffer::from_vec([vec![0; PADDING], body.clone()].concat());
            let records = Records {
                block: &block,
                separators: &index.separators,
                starts: &index.starts,
                row_starts: &index.row_starts,
                width,
                has_quotes: index.has_quotes,
                is_text: body.is_ascii(),
            };
            let spellings = Spellings::new(&options, dialect, None, "x");
            let all = index.row_starts.len();
            let these: Vec<u32> = (0..all as u32).step_by(some.unwrap_or(1)).collect();
            let rows = if some.is_some() { Rows::These(&these) } else { Rows::All(all) };
            for column in 0..width {
                let column = records.column(column);
                let mut decoder = Decoder { spellings: &spellings, bad: vec![], all_bad: true };
                let array = decode(&mut decoder, column, rows, &mut ColumnBuffer::default());
                let array = array.as_string_view();
                let (views, buffers) = (array.views().clone(), array.data_buffers().to_vec());
                prop_assert_eq!(&StringViewArray::try_new(views, buffers, array.nulls().cloned()).unwrap(), array);
                if index.has_quotes || in_text {
                    continue;
                }
                // Fields that stand as they are to be read.
                for at in 0..rows.len() {
                    let (start, end) = column.field(rows.row(at));
                    let text = std::str::from_utf8(&block[start..end]).ok().filter(|text| !text.is_empty());
                    prop_assert_eq!(array.is_valid(at).then(|| array.value(at)), text);
                }
            }
        }

        /// The safe twin: arrow's.
        #[test]
        fn a_view_is_arrows(block in prop::collection::vec(any::<u8>(), PADDING..PADDING + 60), ends in any::<[prop::sample::Index; 2]>()) {
            let [a, b] = ends.map(|end| PADDING + end.index(block.len() - PADDING + 1));
            let (start, end) = (a.min(b), a.max(b));
            prop_assert_eq!(view(&block, start, end), make_view(&block[start..end], 0, start as u32));
        }
    }
}
