//! Files in other encodings than UTF-8.
//!
//! Where an encoding keeps the bytes of delimiters, quotes and line ends for these alone, as nearly all do, files are
//! indexed as they are, and what is not ASCII is decoded field by field: places are those of the file, and plain ASCII
//! costs nothing. The others (UTF-16, ISO-2022-JP; East Asian ones with `|` or a letter between fields) are rewritten
//! once, when the source is opened, as a copy in UTF-8 that is read in the file's stead; a place in it is found in the
//! file again by decoding that once more up to there, which only errors do.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding};

use super::options::{CsvOptions, Dialect};
use crate::error::{Error, ErrorKind, Position, Result};
use crate::io::discover::{InputFile, io_error};
use crate::io::read_at::Input;
use crate::io::spool::Spool;

/// A file that can be indexed: the ASCII bytes of the dialect mean in it what they say.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// The bytes that are read.
    pub input: InputFile,
    /// Where the text begins, behind a byte order mark.
    pub start: u64,
    /// What its text is decoded from; `None` for UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// The file that `input` is a copy of in UTF-8.
    original: Option<Original>,
}

#[derive(Debug)]
struct Original {
    file: InputFile,
    encoding: &'static Encoding,
    /// Where its text begins.
    start: u64,
}

/// The encoding of a label, by the WHATWG's Encoding Standard.
pub(crate) fn of_label(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("there is no encoding '{label}'")).help(
            "among others there are UTF-8, ISO-8859-1, ISO-8859-2, windows-1252, macintosh, KOI8-R, Shift_JIS, EUC-JP, \
             ISO-2022-JP, GBK, GB18030, Big5, EUC-KR, UTF-16LE and UTF-16BE: all labels of https://encoding.spec.whatwg.org",
        )
    })
}

/// Whether no byte of a character of several bytes can be taken for one of the dialect's.
fn can_be_indexed(encoding: &'static Encoding, dialect: Dialect) -> bool {
    // All second and later bytes that are ASCII, in any of the encodings.
    let may_be_part = |byte: u8| matches!(byte, b'0'..=b'9' | 0x40..=0x7E);
    encoding.is_ascii_compatible()
        && (encoding.is_single_byte()
            || encoding == encoding_rs::UTF_8
            || encoding == encoding_rs::EUC_JP
            || !(may_be_part(dialect.delimiter) || dialect.quote.is_some_and(may_be_part)))
}

impl TextFile {
    /// A file, and how it is read: a byte order mark tells, else the options. One that must be rewritten is, into `spool`.
    /// What is returned beside it is `input`, open.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::Value`] for what a file that must be rewritten cannot mean.
    pub(crate) fn open(file: &InputFile, options: &CsvOptions, spool: &mut Spool) -> Result<(TextFile, Input)> {
        let told = options.encoding.as_deref().map_or(Ok(encoding_rs::UTF_8), of_label)?;
        let input = file.open()?;
        let mut head = [0; 3];
        let read = input.read_at(&mut head, 0).map_err(|e| io_error(&file.path, &e))?;
        let (encoding, mark) = Encoding::for_bom(&head[..read]).unwrap_or((told, 0));
        let start = mark as u64;
        if can_be_indexed(encoding, options.dialect) {
            let encoding = (encoding != encoding_rs::UTF_8).then_some(encoding);
            return Ok((TextFile { input: file.clone(), start, encoding, original: None }, input));
        }
        let original = Original { file: file.clone(), encoding, start };
        let copy = original.rewritten(&input, spool)?;
        let input = InputFile::held(file.path.clone(), copy.clone())?;
        Ok((TextFile { input, start: 0, encoding: None, original: Some(original) }, copy))
    }

    /// The place of a byte of `input` in the file that it stands for. The line is counted from the start.
    pub(crate) fn position(&self, byte: u64) -> Position {
        let line = self.input.open().ok().and_then(|input| input.line_of(byte).ok());
        let byte = match &self.original {
            None => Some(byte),
            Some(original) => original.place_of(byte),
        };
        Position { file: self.input.path.clone(), line, byte, column: None }
    }
}

/// The text of some bytes, in UTF-8 for `None`; where they are none, the offset of the first that is wrong.
pub(crate) fn decode<'a>(encoding: Option<&'static Encoding>, bytes: &'a [u8]) -> Result<Cow<'a, str>, usize> {
    let Some(encoding) = encoding else {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| e.valid_up_to());
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(|| first_wrong(encoding, bytes))
}

/// The text of some bytes, something in the place of what is wrong with them.
pub(crate) fn decode_lossily<'a>(encoding: Option<&'static Encoding>, bytes: &'a [u8]) -> Cow<'a, str> {
    encoding.unwrap_or(encoding_rs::UTF_8).decode_without_bom_handling(bytes).0
}

/// Where bytes that cannot be decoded go wrong.
#[cold]
fn first_wrong(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = vec![0; decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0)];
    match decoder.decode_to_utf8_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(wrong, behind), read, _) => read.saturating_sub(usize::from(wrong + behind)),
        _ => 0,
    }
}

/// So much of a file is decoded at a time.
const CHUNK: usize = 64 << 10;

impl Original {
    /// A copy in UTF-8.
    fn rewritten(&self, input: &Input, spool: &mut Spool) -> Result<Input> {
        let mut copy = spool.begin()?;
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let (mut bytes, mut text) = (vec![0; CHUNK], vec![0; 3 * CHUNK + 16]);
        let (mut at, mut lines) = (self.start, 0);
        loop {
            let read = self.read(input, &mut bytes, at)?;
            let last = at + read as u64 >= self.file.bytes;
            let mut done = 0;
            loop {
                let (result, taken, written) =
                    decoder.decode_to_utf8_without_replacement(&bytes[done..read], &mut text, last);
                done += taken;
                lines += text[..written].iter().filter(|&&b| b == b'\n').count() as u64;
                copy.write(&text[..written])?;
                match result {
                    DecoderResult::InputEmpty => break,
                    DecoderResult::OutputFull => {}
                    DecoderResult::Malformed(wrong, behind) => {
                        let byte = at + done as u64 - u64::from(wrong + behind);
                        return Err(self.malformed(byte, lines + 1));
                    }
                }
            }
            at += read as u64;
            if last {
                return Ok(copy.finish());
            }
        }
    }

    fn read(&self, input: &Input, bytes: &mut [u8], at: u64) -> Result<usize> {
        let want = bytes.len().min((self.file.bytes - at) as usize);
        let read = input.read_at(&mut bytes[..want], at).map_err(|e| io_error(&self.file.path, &e))?;
        if read == want { Ok(read) } else { Err(self.file.changed(at + read as u64)) }
    }

    fn malformed(&self, byte: u64, line: u64) -> Error {
        let position = Position { file: self.file.path.clone(), line: Some(line), byte: Some(byte), column: None };
        Error::new(ErrorKind::Value, format!("the file is not {}", self.encoding.name())).at(position).help(HELP)
    }

    /// The byte in the file of what stands at `place` in the copy; `None` if the file can't be read any more.
    fn place_of(&self, place: u64) -> Option<u64> {
        let input = self.file.open().ok()?;
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let (mut bytes, mut text) = (vec![0; CHUNK], vec![0; 3 * CHUNK + 16]);
        let (mut at, mut made) = (self.start, 0);
        while made < place {
            // Chunk by chunk while none can go too far, then byte by byte, to stop at the very character.
            let whole = place - made >= text.len() as u64;
            let read = self.read(&input, &mut bytes[..if whole { CHUNK } else { 1 }], at).ok()?;
            if read == 0 {
                break;
            }
            let (_, _, written) = decoder.decode_to_utf8_without_replacement(&bytes[..read], &mut text, false);
            at += read as u64;
            made += written as u64;
        }
        Some(at)
    }
}

/// How to mend what cannot be decoded.
pub(crate) const HELP: &str =
    "name the encoding that it is in, as in CsvOptions::encoding(\"ISO-8859-1\"), or mend the file";
