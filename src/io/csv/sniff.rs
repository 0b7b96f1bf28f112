//! Finds out a file's dialect from its beginning: delimiter, quote, escape, what stands above the header, whether there is one.
//!
//! Every candidate splits the sample into records. The better one is that whose records agree on a number of fields, whose
//! fields look like values (numbers, dates, amounts, short words), and whose quotes stand where fields begin and end. The
//! idea of judging both rows and values: van den Burg, Nazábal and Sutton, "Wrangling messy CSV files by detecting row and type
//! patterns", Data Mining and Knowledge Discovery 2019; the rules here are simpler.

use super::decode::spelling::trim;
use super::dialect::{Dialect, Mark};
use super::fields::{FieldIndex, State};
use super::options::CsvOptions;

/// The delimiters that are tried, each with how readily it is believed.
const DELIMITERS: [(&str, f64); 9] =
    [(",", 1.0), (";", 1.0), ("\t", 1.0), ("|", 1.0), (", ", 1.005), ("~", 0.95), ("^", 0.95), (":", 0.8), (" ", 0.8)];

/// So many records are judged.
const MOST_RECORDS: usize = 1000;
/// A header is looked for in so many records from the top.
const MOST_PREAMBLE: usize = 50;

/// The records of a sample as a dialect splits them, blank lines left out.
struct Table<'a> {
    records: Vec<Vec<&'a [u8]>>,
    /// Where each begins.
    starts: Vec<usize>,
    /// How many fields most have.
    width: usize,
}

/// Sets what is not told in the options by what the sample, the beginning of a file, looks like. `whole`: it is all of it.
pub(crate) fn sniff(sample: &[u8], whole: bool, line_end: Dialect, options: &mut CsvOptions) {
    let base = Dialect { line_end: line_end.line_end, ..options.dialect };
    let told = options.told;
    let mut best: Option<(f64, Dialect)> = None;
    for (delimiter, belief) in delimiters(options) {
        for quote in quotes(sample, options) {
            for escape in escapes(sample, quote, options) {
                if quote.is_some_and(|q| delimiter.as_bytes().contains(&q)) {
                    continue;
                }
                let dialect = Dialect { delimiter, quote, escape, ..base };
                let score = belief * score(sample, whole, &dialect);
                if best.as_ref().is_none_or(|(known, _)| score > *known) {
                    best = Some((score, dialect));
                }
            }
        }
    }
    let Some((_, found)) = best else { return };
    options.dialect = Dialect { line_end: options.dialect.line_end, ..found };
    let table = split(sample, whole, &found);
    let top = if told.skip_rows { 0 } else { top_of(&table) };
    if !told.skip_rows
        && let Some(&start) = table.starts.get(top).filter(|_| top > 0)
    {
        options.skip_rows = found.count_lines(&sample[..start], None);
    }
    if !told.header {
        options.header = has_header(&table, top);
    }
}

fn delimiters(options: &CsvOptions) -> Vec<(Mark, f64)> {
    if options.told.delimiter {
        return vec![(options.dialect.delimiter, 1.0)];
    }
    DELIMITERS.iter().filter_map(|(text, belief)| Some((Mark::new(text)?, *belief))).collect()
}

fn quotes(sample: &[u8], options: &CsvOptions) -> Vec<Option<u8>> {
    if options.told.quote {
        return vec![options.dialect.quote];
    }
    // Where there is none, the usual one does no harm.
    let mut quotes = vec![Some(b'"')];
    if sample.contains(&b'\'') {
        quotes.push(Some(b'\''));
    }
    quotes
}

fn escapes(sample: &[u8], quote: Option<u8>, options: &CsvOptions) -> Vec<Option<u8>> {
    if options.told.escape {
        return vec![options.dialect.escape];
    }
    match quote {
        Some(quote) if sample.windows(2).any(|two| two == [b'\\', quote]) => vec![None, Some(b'\\')],
        _ => vec![None],
    }
}

fn split<'a>(sample: &'a [u8], whole: bool, dialect: &Dialect) -> Table<'a> {
    let mut index = FieldIndex::default();
    index.index(sample, State::FieldStart, dialect, whole);
    let (mut records, mut starts) = (Vec::new(), Vec::new());
    index.for_each_record(sample, |record| {
        if records.len() < MOST_RECORDS && !record.is_blank() {
            records.push(record.fields().map(|(start, end)| &sample[start..end]).collect::<Vec<_>>());
            starts.push(record.start as usize);
        }
    });
    let mut widths: Vec<usize> = records.iter().map(Vec::len).collect();
    widths.sort_unstable();
    let count = |run: &&[usize]| (run.len(), run[0]);
    let width = widths.chunk_by(|a, b| a == b).max_by_key(count).map_or(0, |run| run[0]);
    Table { records, starts, width }
}

/// How well a dialect fits.
fn score(sample: &[u8], whole: bool, dialect: &Dialect) -> f64 {
    let table = split(sample, whole, dialect);
    if table.records.is_empty() {
        return 0.0;
    }
    let (mut agree, mut fields, mut values, mut stray) = (0.0, 0.0, 0.0, 0.0);
    for record in &table.records {
        agree += f64::from(u8::from(record.len() == table.width));
        for field in record {
            fields += 1.0;
            values += likeness(field, dialect);
            stray += f64::from(u8::from(is_stray(field, dialect)));
        }
    }
    let share = agree / table.records.len() as f64;
    // A quote that swallows the sample leaves hardly a record.
    let lines = dialect.count_lines(sample, None).max(1) as f64;
    let swallowed = (table.records.len() as f64 / lines).min(1.0).powf(0.1);
    // One column explains every file: it counts little.
    let columns = if table.width < 2 { 0.05 } else { 1.0 - 0.5 / table.width as f64 };
    let strays = 1.0 - 0.9 * stray / fields;
    share * share * columns * (0.2 + 0.8 * values / fields) * strays * swallowed
}

/// How much a field looks like a value: 1 a number or date, less a text, least one that holds what may be delimiters.
fn likeness(field: &[u8], dialect: &Dialect) -> f64 {
    let text = bare(field, dialect);
    let quoted = text.len() + 2 <= field.len();
    if text.is_empty() {
        0.7
    } else if is_value(text) {
        1.0
    } else if quoted {
        0.9
    } else if text.iter().any(|b| matches!(b, b';' | b'\t' | b'|' | b'"')) {
        0.1
    } else if text.contains(&b',') {
        0.4
    } else {
        0.8
    }
}

/// Without padding and quotes.
fn bare<'a>(field: &'a [u8], dialect: &Dialect) -> &'a [u8] {
    let text = trim(field);
    match (dialect.quote, text) {
        (Some(quote), [first, inner @ .., last]) if *first == quote && *last == quote => inner,
        _ => text,
    }
}

/// Whether a quote stands where none belongs: behind text, or before it.
fn is_stray(field: &[u8], dialect: &Dialect) -> bool {
    let Some(quote) = dialect.quote else { return false };
    let text = trim(field);
    let inner = match text {
        [first, inner @ .., last] if *first == quote && *last == quote => inner,
        _ => return text.contains(&quote),
    };
    let mut bytes = inner.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if dialect.is_escape(byte) {
            bytes.next();
        } else if byte == quote && bytes.next_if(|&&b| b == quote).is_none() {
            return true;
        }
    }
    false
}

/// Whether it looks like a number, an amount, a date or a time.
fn is_value(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let others = |c: char| c.is_ascii_digit() || "+-.,:/%$€£¥'() eETZ".contains(c);
    let words = ["true", "false", "nan", "na", "null"];
    digits > 0 && text.chars().all(others) || words.contains(&text.to_ascii_lowercase().as_str())
}

/// How many records stand above the table: of another number of fields, or all but empty.
fn top_of(table: &Table<'_>) -> usize {
    let filled = |record: &Vec<&[u8]>| record.iter().filter(|field| !trim(field).is_empty()).count();
    let begins = |record: &Vec<&[u8]>| record.len() == table.width && (table.width < 3 || filled(record) > 1);
    let top = table.records.iter().take(MOST_PREAMBLE).position(begins).unwrap_or(0);
    // A header of one field more or less is still the header.
    match top {
        1 if table.records[0].len().abs_diff(table.width) <= 1 && table.width > 2 && filled(&table.records[0]) > 2 => 0,
        _ => top,
    }
}

/// Whether the first record of the table names columns: it does unless it has a value where those below have them.
fn has_header(table: &Table<'_>, top: usize) -> bool {
    let Some((first, below)) = table.records.get(top..).and_then(<[_]>::split_first) else { return true };
    let is_one = |field: &[u8]| is_value(trim(unquoted(trim(field))));
    let is_data = first.iter().enumerate().any(|(i, field)| {
        let mut others =
            below.iter().filter_map(|record| record.get(i)).filter(|field| !trim(field).is_empty()).peekable();
        // Values with none below them are no names either.
        is_one(field)
            && (others.peek().is_none() || others.clone().filter(|other| is_one(other)).count() * 2 > others.count())
    });
    !is_data
}

/// Without quotes of either kind.
fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sniffed(text: &str) -> (String, Option<u8>, bool, u64) {
        let mut options = CsvOptions::new();
        sniff(text.as_bytes(), true, Dialect::default(), &mut options);
        (options.dialect.delimiter.text(), options.dialect.quote, options.header, options.skip_rows)
    }

    #[test]
    fn amounts_with_commas_do_not_hide_semicolons() {
        assert_eq!(sniffed("n;p\n1;1,5\n2;2,5\n3;4,5\n"), (";".into(), Some(b'"'), true, 0));
    }

    #[test]
    fn prose_is_not_split_at_spaces() {
        assert_eq!(sniffed("note,n\nall is well here,1\nnot so there,2\n").0, ",");
    }

    #[test]
    fn titles_are_passed_over() {
        assert_eq!(sniffed("Sales\nof May\n\na,b\n1,2\n3,4\n5,6\n"), (",".into(), Some(b'"'), true, 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_sniffed(data in prop::collection::vec(prop::sample::select(&b"ab1,;|\t\n\"'\\ \r"[..]), 0..200), whole in any::<bool>()) {
            let mut options = CsvOptions::new();
            sniff(&data, whole, Dialect::default(), &mut options);
            prop_assert!(options.check().is_ok());
        }

        /// Tables of numbers and words are found in any dialect.
        #[test]
        fn tables_are_found_in_any_dialect(
            rows in prop::collection::vec((0u32..1000, "[a-z]{3,8}", "[A-Z][a-z]{2,5} [a-z]{3}"), 4..20),
            delimiter in prop::sample::select(&[",", ";", "\t", "|"][..]),
            quoted in any::<bool>(),
        ) {
            let quote = |text: &str| if quoted { format!("\"{text}\"") } else { text.to_owned() };
            let mut text = [quote("id"), quote("word"), quote("name")].join(delimiter) + "\n";
            for (id, word, name) in &rows {
                text += &([id.to_string(), quote(word), quote(name)].join(delimiter) + "\n");
            }
            prop_assert_eq!(sniffed(&text), (delimiter.to_owned(), Some(b'"'), true, 0));
        }
    }
}
