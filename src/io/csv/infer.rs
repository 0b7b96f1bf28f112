//! Types from samples: the beginning, the middle and the end of every file, agreed over all of them.
//!
//! A sample of the middle counts only where a single quote hypothesis gives records of the header's width. Samples
//! forgive: a ragged or broken row in one is passed over here, and named by the run.

use std::collections::{HashMap, HashSet};

use super::boundary::{Reading, only_reading};
use super::decode::spelling::{Spellings, trim};
use super::decode::text::{Content, unquote};
use super::encoding::{self, TextFile};
use super::endless::endless;
use super::fields::{FieldIndex, Record, State};
use super::options::CsvOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::io::read_at::Input;

/// What the beginning of a file says.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The columns' names, in the file's order.
    pub names: Vec<String>,
    /// Where the first record behind the header begins.
    pub first_record: u64,
}

/// The type that a column's samples fit, and the value that decided it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Guess {
    /// `None` while every value was missing.
    pub dtype: Option<Type>,
    /// The byte in the file of the first value that made it so.
    pub decided_at: u64,
    /// Whether there was an integer that no float holds.
    pub inexact: bool,
}

impl Guess {
    /// Takes another value in, or all those of another guess. Whether that decided.
    pub(crate) fn see(&mut self, other: Guess) -> bool {
        let Some(dtype) = other.dtype else { return false };
        self.inexact |= other.inexact;
        let mut widened = self.dtype.map_or(dtype, |old| widen(old, dtype));
        if widened == Type::Float64 && self.inexact {
            widened = Type::Text;
        }
        let decides = self.dtype != Some(widened);
        if decides {
            (self.dtype, self.decided_at) = (Some(widened), other.decided_at);
        }
        decides
    }

    /// Whether a type that is known and not text would become text with another guess.
    pub(crate) fn would_be_text(&self, other: Guess) -> bool {
        let mut both = *self;
        self.dtype.is_some_and(|dtype| dtype != Type::Text) && both.see(other) && both.dtype == Some(Type::Text)
    }

    /// Takes a field in.
    fn see_field(&mut self, raw: &[u8], at: u64, spellings: &Spellings, keep_types: bool) {
        // A column that is text can't become anything else; and most values are what those before them were.
        let is_known = |dtype| dtype == Type::Text || spellings.is_plainly(raw, dtype);
        if !self.dtype.is_some_and(is_known) {
            let dtype = spellings.classify(raw);
            let inexact = dtype == Some(Type::Int64) && raw.len() > 15 && spellings.is_inexact(raw);
            let seen = Guess { dtype, decided_at: at, inexact };
            if !(keep_types && self.would_be_text(seen)) {
                self.see(seen);
            }
        }
    }
}

/// The narrowest type that holds the values of both.
pub(crate) fn widen(a: Type, b: Type) -> Type {
    match (a, b) {
        _ if a == b => a,
        (Type::Int64, Type::Float64) | (Type::Float64, Type::Int64) => Type::Float64,
        (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => Type::Timestamp,
        _ => Type::Text,
    }
}

/// Reads the header, or for files without one the width of the first record. `None` for a file of no records at all whose names are not told.
pub(crate) fn read_header(input: &Input, file: &TextFile, options: &CsvOptions) -> Result<Option<Header>> {
    let dialect = &file.dialect;
    let mut size = options.sample_size.max(64);
    loop {
        let data = file.window(input, file.start, size)?;
        let at_end = file.start + data.len() as u64 >= file.end;
        let mut index = FieldIndex::default();
        index.index(&data, State::FieldStart, dialect, at_end);
        let mut first = None;
        index.for_each_record(&data, |record| {
            if first.is_none() && !record.is_blank() {
                first = Some(record);
            }
        });
        if let Some(first) = first {
            let first_record = match options.header {
                true => first.next.into(),
                false if dialect.keep_blank => 0,
                false => u64::from(first.start),
            };
            let names = match &options.names {
                Some(names) => names.clone(),
                None if options.header => names_of(first, &data, file)?,
                None => (1..=first.len()).map(|i| format!("column_{i}")).collect(),
            };
            return Ok(Some(Header { names, first_record: file.start + first_record }));
        }
        let in_quotes = index.end_state == Some(State::Quoted);
        if at_end && !in_quotes {
            // Where the names are told, a file without rows lacks nothing.
            return Ok(options.names.clone().map(|names| Header { names, first_record: file.end }));
        }
        if at_end || size >= options.max_record {
            let (opening, error) = endless(&data, options.max_record, dialect);
            let byte = file.start + opening as u64;
            return Err(file.with_excerpt(error.at(file.position(byte)), byte, 1));
        }
        size = (size * 4).min(options.max_record.max(size));
    }
}

/// The names in a header. An empty one is named by its place, a name used before gets a number, as in pandas.
fn names_of(header: Record<'_>, data: &[u8], file: &TextFile) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let (mut used, mut repeats) = (HashSet::new(), HashMap::<String, u32>::new());
    for (i, (start, end)) in header.fields().enumerate() {
        let raw = &data[start..end];
        let raw = if file.dialect.trim { trim(raw) } else { raw };
        let bytes = match unquote(raw, &file.dialect) {
            Content::At(skip, len) => raw[skip..skip + len].to_vec(),
            Content::Unescaped(text) => text,
        };
        if bytes.contains(&0) {
            return Err(Error::new(ErrorKind::Malformed, "the header holds NUL bytes")
                .at(file.position(file.start + start as u64))
                .help(
                    "is it UTF-16 (CsvOptions::encoding(\"UTF-16LE\"), --encoding UTF-16LE) or no text file at all?",
                ));
        }
        let name = match encoding::decode(file.encoding, &bytes) {
            Ok(name) => name,
            Err(_) if file.lossy => encoding::decode_lossily(file.encoding, &bytes),
            Err(_) => {
                // Quotes that came off do not matter to where the field itself goes wrong.
                let wrong = encoding::decode(file.encoding, raw).err().unwrap_or(0);
                let what = file.encoding.map_or("UTF-8", |encoding| encoding.name());
                let byte = file.start + (start + wrong) as u64;
                let error = Error::new(ErrorKind::Value, format!("the header is not {what}"));
                return Err(file.with_excerpt(error.at(file.position(byte)).help(encoding::HELP), byte, 1));
            }
        };
        let mut name = if name.trim().is_empty() { format!("column_{}", i + 1) } else { name.trim().to_owned() };
        // `.1`, `.2`, … for a name used before; where one is in use already, the next.
        let base = name.clone();
        while !used.insert(name.clone()) {
            let n = repeats.entry(base.clone()).or_insert(0);
            *n += 1;
            name = format!("{base}.{n}");
        }
        names.push(name);
    }
    Ok(names)
}

/// How the columns of a header are spelled.
pub(crate) fn spellings_of(header: &Header, file: &TextFile, options: &CsvOptions) -> Vec<Spellings> {
    header.names.iter().map(|name| Spellings::new(options, &file.dialect, file.encoding, name)).collect()
}

/// Looks at the samples of a file: a guess for each of its columns.
pub(crate) fn sample(input: &Input, file: &TextFile, header: &Header, options: &CsvOptions) -> Result<Vec<Guess>> {
    let spellings = spellings_of(header, file, options);
    let mut guesses = vec![Guess::default(); spellings.len()];
    let size = options.sample_size as u64;
    let first = header.first_record;
    let body = file.end.saturating_sub(first);
    // The beginning, as many bytes as it takes for a whole record.
    let mut take = size;
    loop {
        let window = file.window(input, first, take as usize)?;
        let whole = first + window.len() as u64 >= file.end;
        let seen = see_records(&window, State::FieldStart, whole, first, file, &spellings, &mut guesses);
        if seen > 0 || whole || take > options.max_record as u64 {
            break;
        }
        take *= 4;
    }
    // The middle and the end, where they are not the beginning's.
    let rest: &[(u64, bool)] = &[(first + body / 2, false), (file.end.saturating_sub(size), true)];
    for &(at, last) in rest {
        // What the beginning has shown is not looked at again.
        let at = at.max(first + take);
        if at >= file.end {
            continue;
        }
        let window = file.window(input, at, size as usize)?;
        let state = match only_reading(&window, State::Unquoted, spellings.len(), &file.dialect) {
            Some(Reading::Plain) => State::Unquoted,
            Some(Reading::Quoted) => State::Quoted,
            None => continue,
        };
        see_records(&window, state, last, at, file, &spellings, &mut guesses);
    }
    Ok(guesses)
}

/// Takes in the records of a window that lies `at` this byte. One that begins in the middle of a record (any state but
/// [`State::FieldStart`]) loses the rest of that. Returns the records seen.
fn see_records(
    window: &[u8],
    state: State,
    to_the_end: bool,
    at: u64,
    file: &TextFile,
    spellings: &[Spellings],
    guesses: &mut [Guess],
) -> usize {
    let mut index = FieldIndex::default();
    index.index(window, state, &file.dialect, to_the_end);
    let mut skip = state != State::FieldStart;
    let mut seen = 0;
    index.for_each_record(window, |record| {
        if std::mem::take(&mut skip) || !record.fits(spellings.len(), &file.dialect) {
            return;
        }
        seen += 1;
        see_record(record, window, at, spellings, guesses, false);
    });
    seen
}

/// Takes in a record of `data`, which lies `at` this byte.
pub(crate) fn see_record(
    record: Record<'_>,
    data: &[u8],
    at: u64,
    spellings: &[Spellings],
    guesses: &mut [Guess],
    keep_types: bool,
) {
    for (((start, end), guess), spellings) in record.fields().zip(guesses).zip(spellings) {
        guess.see_field(&data[start..end], at + start as u64, spellings, keep_types);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::discover::InputFile;
    use crate::io::spool::Spool;

    fn guesses(text: &[u8], options: &CsvOptions) -> (Vec<String>, Vec<Guess>) {
        let input = InputFile::held("f.csv".into(), Input::Memory(text.to_vec().into())).unwrap();
        let (file, input) = TextFile::open(&input, options, &mut Spool::new(&std::env::temp_dir())).unwrap();
        let header = read_header(&input, &file, options).unwrap().unwrap();
        let guesses = sample(&input, &file, &header, options).unwrap();
        (header.names, guesses)
    }

    fn types(text: &str) -> Vec<Option<Type>> {
        guesses(text.as_bytes(), &CsvOptions::default()).1.into_iter().map(|g| g.dtype).collect()
    }

    #[test]
    fn each_type_by_its_spellings() {
        use Type::*;
        let text = "a,b,c,d,e,f,g,h,i\n\
            1,1.5,true,2020-01-31,2020-01-31 10:00,x,,99999999999999999999,\"10121\"\n\
            \u{20} 081310, 1e3,False,NA,2020-02-01,1,NA,1,\"0\"\n";
        let expected = [
            Some(Int64),
            Some(Float64),
            Some(Bool),
            Some(Date),
            Some(Timestamp),
            Some(Text),
            None,
            Some(Text),
            Some(Int64),
        ];
        assert_eq!(types(text), expected);
    }

    #[test]
    fn a_mix_is_the_narrowest_that_holds_both() {
        use Type::*;
        assert_eq!(
            types("a,b,c,d\n1,NaN,true,2020-01-01\n1.5,2,0,7\n"),
            [Some(Float64), Some(Float64), Some(Text), Some(Text)]
        );
    }

    #[test]
    fn headers_of_all_kinds() {
        let names = |text: &[u8]| guesses(text, &CsvOptions::default()).0;
        assert_eq!(names(b"\xef\xbb\xbfa,\"b \"\"x\"\"\",a,\r\n1,2,3,4\r\n"), ["a", "b \"x\"", "a.1", "column_4"]);
        assert_eq!(names(b"\n\na"), ["a"]);
        let none = CsvOptions::default().header(false);
        assert_eq!(
            guesses(b"1,x\n2,y", &none),
            (
                vec!["column_1".into(), "column_2".into()],
                vec![
                    Guess { dtype: Some(Type::Int64), ..Guess::default() },
                    Guess { dtype: Some(Type::Text), decided_at: 2, inexact: false }
                ]
            )
        );
    }

    #[test]
    fn the_end_and_the_middle_are_seen() {
        let row = "1,2\n";
        let options = CsvOptions::default().sample_size(100);
        let with = |at: usize| {
            let mut text = format!("a,b\n{}", row.repeat(1000));
            text.replace_range(at..at + 3, "x,2");
            guesses(text.as_bytes(), &options).1[0]
        };
        assert_eq!(with(4 + 4 * 510), Guess { dtype: Some(Type::Text), decided_at: 4 + 4 * 510, inexact: false });
        assert_eq!(with(4 + 4 * 999), Guess { dtype: Some(Type::Text), decided_at: 4 + 4 * 999, inexact: false });
        assert_eq!(with(4 + 4 * 300).dtype, Some(Type::Int64));
    }

    #[test]
    fn the_end_is_seen_where_samples_overlap() {
        let text = format!("a,b\n{}x,2\n", "1,2\n".repeat(29));
        for size in [64, 80, 110] {
            let options = CsvOptions::default().sample_size(size);
            assert_eq!(guesses(text.as_bytes(), &options).1[0].dtype, Some(Type::Text), "{size}");
        }
    }

    #[test]
    fn names_used_before_are_numbered_in_time() {
        let header = format!("{}a.1\n", "a,".repeat(20_000));
        let names = guesses(header.as_bytes(), &CsvOptions::default()).0;
        assert_eq!((&names[1][..], &names[19_999][..], &names[20_000][..]), ("a.1", "a.19999", "a.1.1"));
    }

    #[test]
    fn a_sample_that_begins_in_quotes_does_not_mislead() {
        // The middle falls into a long quoted text that looks like rows of numbers.
        let quoted = format!("7,\"{}\"\n", "x,y\n".repeat(300));
        let text = format!("a,b\n{}{quoted}{}", "1,t\n".repeat(100), "2,t\n".repeat(100));
        let options = CsvOptions::default().sample_size(900);
        assert_eq!(guesses(text.as_bytes(), &options).1[0].dtype, Some(Type::Int64));
    }
}
