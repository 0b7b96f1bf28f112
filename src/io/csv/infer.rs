//! Types from samples: the beginning, the middle and the end of every file, agreed over all of them.
//!
//! A sample of the middle counts only where a single quote hypothesis gives records of the header's width. Samples
//! forgive: a ragged or broken row in one is passed over here, and named by the run.

use std::collections::{HashMap, HashSet};

use super::boundary::{Reading, only_reading};
use super::decode::text::{Content, unquote};
use super::decode::{self, Nulls, clean, float, int};
use super::encoding::{self, TextFile};
use super::endless::endless;
use super::fields::{FieldIndex, State};
use super::options::{CsvOptions, Dialect};
use crate::error::{Error, ErrorKind, Position, Result};
use crate::expr::{Type, temporal};
use crate::io::discover::io_error;
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
}

impl Guess {
    /// Takes another value in.
    fn see(&mut self, dtype: Option<Type>, at: u64) {
        let Some(dtype) = dtype else { return };
        let widened = self.dtype.map_or(dtype, |old| widen(old, dtype));
        if self.dtype != Some(widened) {
            *self = Guess { dtype: Some(widened), decided_at: at };
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

/// The type of one field that is not missing.
pub(crate) fn type_of(raw: &[u8], dialect: Dialect, nulls: &Nulls) -> Type {
    classify(raw, dialect, nulls).unwrap_or(Type::Text)
}

/// The type of one field, `None` for a missing value. Integers beyond 64 bits are text: no float holds them.
fn classify(raw: &[u8], dialect: Dialect, nulls: &Nulls) -> Option<Type> {
    let text = clean(raw, dialect, nulls)?;
    Some(if int::parse(text).is_some() {
        Type::Int64
    } else if int::is_integer(text) {
        Type::Text
    } else if float::parse(text).is_some() {
        Type::Float64
    } else if decode::parse_bool(text).is_some() {
        Type::Bool
    } else if temporal::parse_date(text).is_some() {
        Type::Date
    } else if temporal::parse_timestamp(text).is_some() {
        Type::Timestamp
    } else {
        Type::Text
    })
}

/// Reads the header, or for files without one the width of the first record. `None` for a file of no records at all.
pub(crate) fn read_header(input: &Input, file: &TextFile, options: &CsvOptions) -> Result<Option<Header>> {
    let dialect = options.dialect;
    let mut size = options.sample_size.max(64);
    loop {
        let window = read_window(input, file, file.start, size)?;
        let at_end = file.start + window.len() as u64 >= file.input.bytes;
        let data = &window[..];
        let mut index = FieldIndex::default();
        index.index(data, State::FieldStart, dialect);
        let in_quotes = index.end_state == Some(State::Quoted);
        if at_end
            && !in_quotes
            && !data.is_empty()
            && index.last_line_end(data).is_none_or(|i| index.separators[i] as usize + 1 < data.len())
        {
            index.close(data.len());
        }
        let mut first = None;
        index.for_each_record(data, |start, separators| {
            if first.is_none() {
                first = Some((start, separators.to_vec()));
            }
        });
        if let Some((start, separators)) = first {
            let fields = fields_of(data, start, &separators);
            let after = (separators[separators.len() - 1] as usize + 1).min(data.len());
            let first_record = if options.header { after } else { start as usize };
            let names = if options.header {
                names_of(&fields, data, dialect, file)?
            } else {
                (1..=fields.len()).map(|i| format!("column_{i}")).collect()
            };
            return Ok(Some(Header { names, first_record: file.start + first_record as u64 }));
        }
        if at_end && !in_quotes {
            return Ok(None);
        }
        if at_end || size >= options.max_record {
            return Err(endless(data, options, |offset| file.position(file.start + offset as u64)));
        }
        size = (size * 4).min(options.max_record.max(size));
    }
}

/// The raw fields of a record.
fn fields_of<'a>(data: &'a [u8], start: u32, separators: &[u32]) -> Vec<&'a [u8]> {
    let mut from = start as usize;
    let mut fields: Vec<&[u8]> = Vec::with_capacity(separators.len());
    for &separator in separators {
        fields.push(&data[from..separator as usize]);
        from = separator as usize + 1;
    }
    if let Some(last) = fields.last_mut() {
        *last = last.strip_suffix(b"\r").unwrap_or(last);
    }
    fields
}

/// The names in a header. An empty one is named by its place, a name used before gets a number, as in pandas.
fn names_of(fields: &[&[u8]], data: &[u8], dialect: Dialect, file: &TextFile) -> Result<Vec<String>> {
    let position = || Position { file: file.input.path.clone(), line: Some(1), byte: None, column: None };
    let mut names: Vec<String> = Vec::with_capacity(fields.len());
    let (mut used, mut repeats) = (HashSet::new(), HashMap::<String, u32>::new());
    for (i, raw) in fields.iter().enumerate() {
        let quoted = raw.first().is_some_and(|&b| dialect.is_quote(b));
        let bytes = match unquote(raw, quoted, dialect.quote) {
            Content::At(skip, len) => raw[skip..skip + len].to_vec(),
            Content::Unescaped(text) => text,
        };
        if bytes.contains(&0) {
            return Err(Error::new(ErrorKind::Malformed, "the header holds NUL bytes")
                .at(position())
                .help("is it UTF-16 (CsvOptions::encoding(\"UTF-16LE\")) or no text file at all?"));
        }
        let name = match encoding::decode(file.encoding, &bytes) {
            Ok(name) => name,
            Err(_) => {
                // Quotes that came off do not matter to where the field itself goes wrong.
                let wrong = encoding::decode(file.encoding, raw).err().unwrap_or(0);
                let place = raw.as_ptr() as usize - data.as_ptr() as usize + wrong;
                let what = file.encoding.map_or("UTF-8", |encoding| encoding.name());
                return Err(Error::new(ErrorKind::Value, format!("the header is not {what}"))
                    .at(file.position(file.start + place as u64))
                    .help(encoding::HELP));
            }
        };
        if !quoted && name.contains('\r') {
            return Err(Error::new(ErrorKind::Malformed, "the header holds carriage returns that end no line")
                .at(position())
                .help("lines must end in LF or CRLF: convert the file, for example with `tr '\\r' '\\n'`"));
        }
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

/// Looks at the samples of a file: a guess for each of its columns.
pub(crate) fn sample(input: &Input, file: &TextFile, header: &Header, options: &CsvOptions) -> Result<Vec<Guess>> {
    let width = header.names.len();
    let nulls = Nulls::new(options, file.encoding);
    let mut guesses = vec![Guess::default(); width];
    let size = options.sample_size as u64;
    let first = header.first_record;
    let body = file.input.bytes - first;
    // The beginning, as many bytes as it takes for a whole record.
    let mut take = size;
    loop {
        let window = read_window(input, file, first, take as usize)?;
        let whole = first + window.len() as u64 >= file.input.bytes;
        if see_records(&window, State::FieldStart, whole, first, width, options.dialect, &nulls, &mut guesses) > 0
            || whole
        {
            break;
        }
        if take > options.max_record as u64 {
            break;
        }
        take *= 4;
    }
    // The middle and the end, where they are not the beginning's.
    let rest: &[(u64, bool)] = &[(first + body / 2, false), (file.input.bytes.saturating_sub(size), true)];
    for &(at, last) in rest {
        // What the beginning has shown is not looked at again.
        let at = at.max(first + take);
        if at >= file.input.bytes {
            continue;
        }
        let window = read_window(input, file, at, size as usize)?;
        let state = match only_reading(&window, State::Unquoted, width, options.dialect) {
            Some(Reading::Plain) => State::Unquoted,
            Some(Reading::Quoted) => State::Quoted,
            None => continue,
        };
        see_records(&window, state, last, at, width, options.dialect, &nulls, &mut guesses);
    }
    Ok(guesses)
}

/// Takes in the records of a window that lies `at` this byte. One that begins in the middle of a record (any state but
/// [`State::FieldStart`]) loses the rest of that. Returns the records seen.
#[allow(clippy::too_many_arguments)] // One call's worth of plain facts; a struct would be built to be taken apart.
fn see_records(
    window: &[u8],
    state: State,
    to_the_end: bool,
    at: u64,
    width: usize,
    dialect: Dialect,
    nulls: &Nulls,
    guesses: &mut [Guess],
) -> usize {
    let mut index = FieldIndex::default();
    index.index(window, state, dialect);
    let open = index.last_line_end(window).is_none_or(|i| index.separators[i] as usize + 1 < window.len());
    if to_the_end && open && !window.is_empty() && index.end_state != Some(State::Quoted) {
        index.close(window.len());
    }
    let mut skip = state != State::FieldStart;
    let mut seen = 0;
    index.for_each_record(window, |start, separators| {
        if std::mem::take(&mut skip) || separators.len() != width {
            return;
        }
        seen += 1;
        let mut from = start as usize;
        for ((field, &separator), guess) in
            fields_of(window, start, separators).into_iter().zip(separators).zip(&mut *guesses)
        {
            // A column that is text can't become anything else.
            if guess.dtype != Some(Type::Text) {
                guess.see(classify(field, dialect, nulls), at + from as u64);
            }
            from = separator as usize + 1;
        }
    });
    seen
}

fn read_window(input: &Input, file: &TextFile, at: u64, size: usize) -> Result<Vec<u8>> {
    let size = size.min(file.input.bytes.saturating_sub(at) as usize);
    let mut window = vec![0; size];
    let read = input.read_at(&mut window, at).map_err(|e| io_error(&file.input.path, &e))?;
    window.truncate(read);
    Ok(window)
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
                    Guess { dtype: Some(Type::Int64), decided_at: 0 },
                    Guess { dtype: Some(Type::Text), decided_at: 2 }
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
        assert_eq!(with(4 + 4 * 510), Guess { dtype: Some(Type::Text), decided_at: 4 + 4 * 510 });
        assert_eq!(with(4 + 4 * 999), Guess { dtype: Some(Type::Text), decided_at: 4 + 4 * 999 });
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
