//! Files in other encodings than UTF-8.
//!
//! Where an encoding keeps the bytes of delimiters, quotes and line ends for these alone, as nearly all do, files are
//! indexed as they are, and what is not ASCII is decoded field by field: places are those of the file, and plain ASCII
//! costs nothing. The others (UTF-16, ISO-2022-JP; East Asian ones with `|` or a letter between fields) are rewritten
//! once, when the source is opened, as a copy in UTF-8 that is read in the file's stead; a place in it is found in the
//! file again by decoding that once more up to there, which only errors do.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding};

use super::dialect::{Dialect, LineEnd};
use super::fields::{State, Step};
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::io::compressed::unpacked;
use crate::io::discover::{InputFile, io_error};
use crate::io::read_at::Input;
use crate::io::spool::Spool;

/// A file that can be indexed: the ASCII bytes of the dialect mean in it what they say.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// The bytes that are read.
    pub input: InputFile,
    /// Where the text begins, behind a byte order mark and the lines that are passed over.
    pub start: u64,
    /// Where it ends, before the lines that are passed over.
    pub end: u64,
    /// What its bytes mean.
    pub dialect: Dialect,
    /// What its text is decoded from; `None` for UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Whether what can't be decoded is replaced.
    pub lossy: bool,
    /// The file that `input` is a copy of in UTF-8.
    original: Option<Original>,
}

#[derive(Debug, Clone)]
struct Original {
    file: InputFile,
    encoding: &'static Encoding,
    /// Where its text begins.
    start: u64,
    /// Whether what can't be decoded is replaced.
    lossy: bool,
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
fn can_be_indexed(encoding: &'static Encoding, dialect: &Dialect) -> bool {
    // All second and later bytes that are ASCII, in any of the encodings.
    let may_be_part = |byte: &u8| matches!(byte, b'0'..=b'9' | 0x40..=0x7E);
    let comment = dialect.comment.iter().flat_map(|mark| mark.as_bytes());
    let bytes =
        || dialect.delimiter.as_bytes().iter().chain(comment.clone()).chain(&dialect.quote).chain(&dialect.escape);
    encoding == encoding_rs::UTF_8
        || encoding.is_ascii_compatible()
            // What the dialect names beyond ASCII is in UTF-8.
            && bytes().all(u8::is_ascii)
            && (encoding.is_single_byte() || encoding == encoding_rs::EUC_JP || !bytes().any(may_be_part))
}

impl TextFile {
    /// A file, and how it is read: a byte order mark tells, else the options. One that must be rewritten is, into `spool`.
    /// What is returned beside it is `input`, open.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::Value`] for what a file that must be rewritten cannot mean.
    pub(crate) fn open(file: &InputFile, options: &CsvOptions, spool: &mut Spool) -> Result<(TextFile, Input)> {
        let told = options.encoding.as_deref().map_or(Ok(encoding_rs::UTF_8), of_label)?;
        let mut input = file.open()?;
        let unpacked = unpacked(file, &input, spool)?;
        let file = unpacked.as_ref().unwrap_or(file);
        if unpacked.is_some() {
            input = file.open()?;
        }
        let mut head = [0; 3];
        let read = input.read_at(&mut head, 0).map_err(|e| io_error(&file.path, &e))?;
        let (encoding, mark) = Encoding::for_bom(&head[..read]).unwrap_or((told, 0));
        let start = mark as u64;
        let dialect = options.dialect;
        if can_be_indexed(encoding, &dialect) {
            let encoding = (encoding != encoding_rs::UTF_8).then_some(encoding);
            let end = file.bytes;
            let lossy = options.lossy;
            let text = TextFile { input: file.clone(), start, end, dialect, encoding, lossy, original: None };
            return Ok((text.settled(&input, options)?, input));
        }
        let original = Original { file: file.clone(), encoding, start, lossy: options.lossy };
        let copy = original.rewritten(&input, spool)?;
        let input = InputFile::held(file.path.clone(), copy.clone())?;
        let end = input.bytes;
        let lossy = options.lossy;
        let text = TextFile { input, start: 0, end, dialect, encoding: None, lossy, original: Some(original) };
        Ok((text.settled(&copy, options)?, copy))
    }

    /// The same, how lines end being known, and what is passed over at the top and the bottom.
    fn settled(mut self, input: &Input, options: &CsvOptions) -> Result<TextFile> {
        if self.dialect.line_end == LineEnd::Auto && self.begins_with_cr_line(input, options.sample_size)? {
            self.dialect.line_end = LineEnd::Any;
        }
        for _ in 0..options.skip_rows {
            self.start = self.line_behind(input, self.start)?;
        }
        if options.skip_footer > 0 {
            self.end = self.before_footer(input, options.skip_footer)?.max(self.start);
        }
        Ok(self)
    }

    /// So many bytes from here on, as far as the text reaches.
    pub(crate) fn window(&self, input: &Input, at: u64, size: usize) -> Result<Vec<u8>> {
        let size = size.min(self.end.saturating_sub(at) as usize);
        let mut window = vec![0; size];
        let read = input.read_at(&mut window, at).map_err(|e| io_error(&self.input.path, &e))?;
        window.truncate(read);
        Ok(window)
    }

    /// Whether the first line ends in a CR that no LF follows.
    fn begins_with_cr_line(&self, input: &Input, size: usize) -> Result<bool> {
        let data = self.window(input, self.start, size)?;
        if !data.contains(&b'\r') {
            return Ok(false);
        }
        let dialect = Dialect { line_end: LineEnd::Any, ..self.dialect };
        let (mut state, mut at) = (State::FieldStart, 0);
        while at < data.len() {
            let (next, step, len) = state.step(&data, at, &dialect);
            if step == Step::EndsRecord {
                return Ok(len == 1 && data[at] == b'\r');
            }
            (state, at) = (next, at + len);
        }
        Ok(false)
    }

    /// Where the line ends that begins here.
    fn line_behind(&self, input: &Input, mut at: u64) -> Result<u64> {
        loop {
            let data = self.window(input, at, CHUNK)?;
            let whole = at + data.len() as u64 >= self.end || data.is_empty();
            let behind = self.dialect.next_line(&data, 0);
            if whole || behind < data.len() {
                return Ok(at + behind as u64);
            }
            // The last two bytes may be a line end, or half of one.
            at += data.len() as u64 - 2;
        }
    }

    /// Where the last lines begin, so many of them; blank ones at the very end come on top.
    fn before_footer(&self, input: &Input, lines: u64) -> Result<u64> {
        let mut size = CHUNK as u64;
        loop {
            let from = self.end.saturating_sub(size).max(self.start);
            let data = self.window(input, from, size as usize)?;
            let mut starts = vec![0];
            while let Some(&at) = starts.last()
                && at < data.len()
            {
                starts.push(self.dialect.next_line(&data, at));
            }
            starts.pop();
            let is_blank = |at: usize| data[at..].iter().all(|b| matches!(b, b'\n' | b'\r'));
            while starts.last().is_some_and(|&at| is_blank(at)) {
                starts.pop();
            }
            // The first of a window may begin in the middle of a line.
            let whole = from == self.start;
            let known = starts.len() as u64 - u64::from(!whole).min(starts.len() as u64);
            if known >= lines {
                return Ok(from + starts[starts.len() - lines as usize] as u64);
            }
            if whole {
                return Ok(self.start);
            }
            size *= 4;
        }
    }

    /// The place of a byte of `input` in the file that it stands for. The line is counted from the start.
    pub(crate) fn position(&self, byte: u64) -> Position {
        // Of a file that can't be read any more, the place in its copy would tell nothing.
        let place = self.places().and_then(|mut places| places.of(byte)).ok();
        let (line, original) = place.unzip();
        let byte = if self.original.is_some() { original } else { Some(byte) };
        Position { file: self.input.path.clone(), line, byte, ..Position::default() }
    }

    /// The place of a byte of `input` without the line, but where only decoding once more tells the byte, which counts lines too.
    #[cfg(feature = "bag")]
    pub(crate) fn position_of_byte(&self, byte: u64) -> Position {
        if self.original.is_some() {
            return self.position(byte);
        }
        Position { file: self.input.path.clone(), byte: Some(byte), ..Position::default() }
    }

    /// Whether what is read is a copy in another encoding.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.original.is_some()
    }

    /// What the file itself is encoded in, if not UTF-8.
    pub(crate) fn told_encoding(&self) -> Option<&'static Encoding> {
        self.original.as_ref().map_or(self.encoding, |original| Some(original.encoding))
    }

    /// Finds the places of bytes that come in order: the file is read once for all of them.
    pub(crate) fn places(&self) -> Result<Places<'_>> {
        let original = self.original.as_ref().map(OriginalPlaces::new).transpose()?;
        let (buffer, input) = (vec![0; 1 << 18], self.input.open()?);
        Ok(Places { text: self, input, buffer, at: 0, line: 1, before: None, original })
    }
}

/// Counts physical lines from the start of a file on, and the bytes of the file that it is a copy of.
pub(crate) struct Places<'a> {
    text: &'a TextFile,
    input: Input,
    buffer: Vec<u8>,
    at: u64,
    line: u64,
    before: Option<u8>,
    original: Option<OriginalPlaces<'a>>,
}

impl Places<'_> {
    /// The line, counted from 1, that holds this byte, which is not before the last one asked for, and where it is in the original.
    pub(crate) fn of(&mut self, byte: u64) -> Result<(u64, u64)> {
        while self.at < byte {
            let want = self.buffer.len().min((byte - self.at) as usize);
            let buffer = &mut self.buffer[..want];
            let read = self.input.read_at(buffer, self.at).map_err(|e| io_error(&self.text.input.path, &e))?;
            if read == 0 {
                break;
            }
            self.line += self.text.dialect.count_lines(&buffer[..read], self.before);
            self.before = Some(buffer[read - 1]);
            self.at += read as u64;
        }
        let original = self.original.as_mut().map(|original| original.of(byte)).transpose()?;
        Ok((self.line, original.unwrap_or(byte)))
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
                    DecoderResult::Malformed(..) if self.lossy => copy.write("\u{FFFD}".as_bytes())?,
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
        let position =
            Position { file: self.file.path.clone(), line: Some(line), byte: Some(byte), ..Position::default() };
        Error::new(ErrorKind::Value, format!("the file is not {}", self.encoding.name())).at(position).help(HELP)
    }
}

/// Finds places of a copy in the original, by decoding it once more.
struct OriginalPlaces<'a> {
    original: &'a Original,
    input: Input,
    decoder: encoding_rs::Decoder,
    /// What was read of it last, and how much of that was decoded.
    bytes: Vec<u8>,
    done: usize,
    /// Where that begins.
    at: u64,
    text: Vec<u8>,
    /// How many bytes of the copy it has made.
    made: u64,
}

impl OriginalPlaces<'_> {
    fn new(original: &Original) -> Result<OriginalPlaces<'_>> {
        let (decoder, input) = (original.encoding.new_decoder_without_bom_handling(), original.file.open()?);
        let (at, text) = (original.start, vec![0; 3 * CHUNK + 16]);
        Ok(OriginalPlaces { original, input, decoder, bytes: vec![], done: 0, at, text, made: 0 })
    }

    /// The byte in the file of what stands at `place` in the copy, which is not before the last one asked for.
    fn of(&mut self, place: u64) -> Result<u64> {
        while self.made < place {
            if self.done == self.bytes.len() {
                self.at += self.done as u64;
                self.bytes.resize(CHUNK, 0);
                let read = self.original.read(&self.input, &mut self.bytes, self.at)?;
                (self.done, _) = (0, self.bytes.truncate(read));
                if read == 0 {
                    break;
                }
            }
            // All of it while that can't go too far, then byte by byte, to stop at the very character.
            let left = &self.bytes[self.done..];
            let next = if place - self.made >= self.text.len() as u64 { left } else { &left[..1] };
            let (result, taken, written) = self.decoder.decode_to_utf8_without_replacement(next, &mut self.text, false);
            self.made += written as u64;
            self.done += taken;
            if let DecoderResult::Malformed(..) = result {
                // It was replaced.
                self.made += 3;
            }
        }
        Ok(self.at + self.done as u64)
    }
}

/// How to mend what cannot be decoded.
pub(crate) const HELP: &str = "name the encoding that it is in, as in CsvOptions::encoding(\"ISO-8859-1\") or --encoding ISO-8859-1, or mend the file";
