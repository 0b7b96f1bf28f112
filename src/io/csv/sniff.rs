//! Finds out a file's dialect from its beginning: delimiter, quote, escape, what stands above the header, whether there is one.
//!
//! Every candidate splits the sample into records. The better one is that whose records agree on a number of fields, whose
//! fields look like values (numbers, dates, amounts, short words), and whose quotes stand where fields begin and end. The
//! idea of judging both rows and values: van den Burg, Nazábal and Sutton, "Wrangling messy CSV files by detecting row and type
//! patterns", Data Mining and Knowledge Discovery 2019; the rules here are simpler.

use super::decode::spelling::trim;
use super::dialect::{Dialect, Mark, Ragged};
use super::fields::{FieldIndex, State};
use super::options::CsvOptions;

/// The delimiters that are tried, each with how readily it is believed.
const DELIMITERS: [(&str, f64); 9] =
    [(",", 1.0), (";", 1.0), ("\t", 1.0), ("|", 1.0), (", ", 1.005), ("~", 0.95), ("^", 0.95), (":", 0.8), (" ", 0.8)];

/// So many records are judged.
const MOST_RECORDS: usize = 1000;
/// A file is like the first of several if its score is at least this share of the best.
const LIKE_FIRST: f64 = 0.8;
/// What begins a line that is no row, if anything does.
const COMMENT: &str = "#";
/// Of the fields that begin with a quote so many do not end with it where it is no quote at all.
const MANY_TORN: f64 = 0.2;
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

/// Sets what is not told in the options by what the sample, the beginning of a file, looks like. `whole`: it is all of it. `first` is what
/// was found in the first of several files, which the others are believed to be like.
pub(crate) fn sniff(
    sample: &[u8],
    whole: bool,
    line_end: Dialect,
    first: Option<&CsvOptions>,
    options: &mut CsvOptions,
) {
    let base = Dialect { line_end: line_end.line_end, ..options.dialect };
    let told = options.told;
    // The names that are told are as many as there are columns.
    let width = options.names.as_ref().map(Vec::len);
    let mut fits = Vec::new();
    let first = first.map(|first| (first, Dialect { line_end: base.line_end, ..first.dialect }));
    let mut of_first = 0.0;
    for (delimiter, belief) in delimiters(options) {
        if delimiter.as_bytes() == b":" && are_times(sample) {
            continue;
        }
        for quote in quotes(sample, options) {
            for escape in escapes(sample, quote, options) {
                if quote.is_some_and(|q| delimiter.as_bytes().contains(&q)) {
                    continue;
                }
                for comment in comments(sample, options) {
                    let dialect = Dialect { delimiter, quote, escape, comment, ..base };
                    let fit = fit(sample, whole, &dialect, width, belief);
                    if first.is_some_and(|(_, first)| first == dialect) {
                        of_first = fit.score;
                    }
                    fits.push((fit, dialect));
                }
            }
        }
    }
    let best = |comment: Option<Mark>| {
        let fits = || fits.iter().filter(|(_, dialect)| dialect.comment == comment);
        let quoted = fits().filter(|(_, dialect)| told.quote || dialect.quote.is_some()).fold(None, better);
        // A text may begin with what is no quote; but without need, none is believed to have no meaning.
        let torn = quoted.is_some_and(|(fit, _)| fit.torn >= MANY_TORN);
        if torn { fits().fold(None, better) } else { quoted }
    };
    let Some(mut chosen) = best(base.comment) else { return };
    // What begins as comments do may be the header, or values. What has not as many fields as the others is neither.
    if let Some(other) =
        best(Mark::new(COMMENT)).filter(|(fit, _)| fit.agree > chosen.0.agree && fit.score > chosen.0.score)
    {
        chosen = other;
    }
    let (best, mut found) = chosen;
    let first = first.filter(|_| of_first >= LIKE_FIRST * best.score);
    if let Some((_, dialect)) = first {
        found = dialect;
    }
    options.dialect = Dialect { line_end: options.dialect.line_end, ..found };
    let table = split(sample, whole, &found, width);
    let top = if told.skip_rows { 0 } else { top_of(&table, options.dialect.ragged != Ragged::Error) };
    if !told.skip_rows
        && let Some(&start) = table.starts.get(top).filter(|_| top > 0)
    {
        options.skip_rows = found.count_lines(&sample[..start], None);
    }
    if !told.header {
        options.header = first.map_or_else(|| has_header(&table, top), |(first, _)| first.header);
    }
}

/// Whether all lines but the first, which may be a header, are times of day: what is between their digits separates no fields.
fn are_times(sample: &[u8]) -> bool {
    let is_time = |line: &[u8]| {
        let parts = line.split(|&b| b == b':').map(|part| part.iter().filter(|b| **b != b'.').count());
        line.iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
            && (2..=3).contains(&parts.clone().count())
            && parts.clone().take(2).all(|digits| (1..=2).contains(&digits))
    };
    let mut lines = sample.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !line.is_empty()).skip(1).peekable();
    lines.peek().is_some() && lines.take(MOST_RECORDS).all(|line| is_time(trim(line)))
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
    if sample.iter().any(|b| matches!(b, b'"' | b'\'')) {
        quotes.push(None);
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

fn comments(sample: &[u8], options: &CsvOptions) -> Vec<Option<Mark>> {
    let mut lines = sample.split(|b| matches!(b, b'\n' | b'\r'));
    match options.told.comment || !lines.any(|line| line.starts_with(COMMENT.as_bytes())) {
        true => vec![options.dialect.comment],
        false => vec![options.dialect.comment, Mark::new(COMMENT)],
    }
}

/// The records, `width` or as many fields as most have being right.
fn split<'a>(sample: &'a [u8], whole: bool, dialect: &Dialect, width: Option<usize>) -> Table<'a> {
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
    let most = || widths.chunk_by(|a, b| a == b).max_by_key(count).map_or(0, |run| run[0]);
    let width = width.unwrap_or_else(most);
    Table { records, starts, width }
}

/// How well a dialect fits.
#[derive(Clone, Copy, Default)]
struct Fit {
    score: f64,
    /// The share of the records that have as many fields as most.
    agree: f64,
    /// The share of the fields that begin with the quote which do not end with it.
    torn: f64,
}

/// The better of two; the first of equals.
fn better(best: Option<(Fit, Dialect)>, next: &(Fit, Dialect)) -> Option<(Fit, Dialect)> {
    match best {
        Some((fit, _)) if fit.score >= next.0.score => best,
        _ => Some(*next),
    }
}

/// How well a dialect fits, whose delimiter is believed so readily.
fn fit(sample: &[u8], whole: bool, dialect: &Dialect, width: Option<usize>, belief: f64) -> Fit {
    let table = split(sample, whole, dialect, width);
    if table.records.is_empty() {
        return Fit::default();
    }
    let (mut agree, mut fields, mut values, mut stray) = (0.0, 0.0, 0.0, 0.0);
    let (mut quoted, mut torn) = (0.0, 0.0);
    for record in &table.records {
        agree += f64::from(u8::from(record.len() == table.width));
        for field in record {
            fields += 1.0;
            values += likeness(field, dialect);
            stray += f64::from(u8::from(is_stray(field, dialect)));
            let text = trim(field);
            if text.first().is_some_and(|first| dialect.quote == Some(*first)) {
                quoted += 1.0;
                torn += f64::from(u8::from(text.len() == 1 || text.last() != text.first()));
            }
        }
    }
    let share = agree / table.records.len() as f64;
    // A quote that swallows the sample leaves hardly a record.
    let lines = dialect.count_lines(sample, None).max(1) as f64;
    let swallowed = (table.records.len() as f64 / lines).min(1.0).powf(0.1);
    // One column explains every file: it counts little.
    let columns = if table.width < 2 { 0.05 } else { belief * (1.0 - 0.5 / table.width as f64) };
    let strays = 1.0 - 0.9 * stray / fields;
    let torn = torn / f64::max(quoted, 1.0);
    let unseen = dialect.quote == Some(b'\'') && quoted == 0.0;
    let quotes = if unseen { 0.5 } else { 1.0 - 0.5 * torn };
    let score = share * share * columns * (0.2 + 0.8 * values / fields) * strays * swallowed * quotes;
    Fit { score, agree: share, torn }
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
    } else if text.iter().any(|b| matches!(b, b';' | b'\t' | b'|')) || holds_quote(text, dialect) {
        0.1
    } else if text.contains(&b',') {
        0.4
    } else {
        0.8
    }
}

/// Whether there is what is usually a quote: where there are none, one that encloses it.
fn holds_quote(text: &[u8], dialect: &Dialect) -> bool {
    match dialect.quote {
        Some(_) => text.contains(&b'"'),
        None => matches!(text, [b'"', .., b'"'] | [b'\'', .., b'\'']),
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
fn top_of(table: &Table<'_>, ragged: bool) -> usize {
    let filled = |record: &Vec<&[u8]>| record.iter().filter(|field| !trim(field).is_empty()).count();
    // Where rows may have too few fields, those with most of them are none too many.
    let fits = |record: &Vec<&[u8]>| record.len() == table.width || ragged && record.len() > table.width;
    let begins = |record: &Vec<&[u8]>| fits(record) && (table.width < 3 || filled(record) > 1);
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
        sniff(text.as_bytes(), true, Dialect::default(), None, &mut options);
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

    #[test]
    fn quotes_that_are_text_are_no_quotes() {
        let titles = "space\ttitle\n0\t'O!Kung\n0\t\"24\"_Soundtrack\n0\t!Q'Viva!\n0\t'Allo_'Allo!\n1\t\"Heroes\"\n2\t'Salem's_Lot'\n";
        assert_eq!(sniffed(titles), ("\t".into(), None, true, 0));
        assert_eq!(sniffed("a,b\n'x, y',1\n'it\\'s',2\n").1, Some(b'\''));
        // Inches stand behind numbers; a quote may come yet.
        assert_eq!(sniffed("size,n\n5\" pipe,1\n\"6 inches, wide\",2\nplain,3\n").1, Some(b'"'));
    }

    #[test]
    fn lines_that_fit_nowhere_are_comments() {
        let found = |text: &str, names: Option<&[&str]>| {
            let mut options = CsvOptions::new();
            if let Some(names) = names {
                options = options.names(names.iter().copied());
            }
            sniff(text.as_bytes(), true, Dialect::default(), None, &mut options);
            let dialect = options.dialect;
            (dialect.delimiter.text(), dialect.comment.map(|mark| mark.text()), options.header, options.skip_rows)
        };
        let hash = Some("#".to_owned());
        assert_eq!(found("# a, b and c\na;b\n1;2\n# more\n3;4\n", None), (";".into(), hash, true, 0));
        assert_eq!(found("#a;b\n1;2\n3;4\n", None), (";".into(), None, true, 0));
        assert_eq!(found("a,b\n#1,x\n#2,y\n", None), (",".into(), None, true, 0));
        // One name, one column, whatever else may be split.
        assert_eq!(found("a b;c\nd e;f\n", Some(&["x"])), (",".into(), None, false, 0));
        assert_eq!(found("a b;c d\nd e;f g\n", Some(&["x", "y"])), (";".into(), None, false, 0));
    }

    #[test]
    fn the_longest_row_of_a_ragged_table_is_no_title() {
        let text = "a;b;c;1.7\nd;e\nf;g\nh;i\n";
        for (ragged, skip) in [(Ragged::Error, 1), (Ragged::Fill, 0)] {
            let mut options = CsvOptions::new().ragged(ragged).header(false);
            sniff(text.as_bytes(), true, Dialect::default(), None, &mut options);
            assert_eq!((options.dialect.delimiter.text(), options.skip_rows), (";".into(), skip));
        }
    }

    #[test]
    fn times_are_not_split() {
        assert_eq!(sniffed("time\n05:40\n21:30\n17:45"), (",".into(), Some(b'"'), true, 0));
        assert_eq!(sniffed("a:b\n05:x\n21:y\n").0, ":");
    }

    #[test]
    fn files_may_differ_from_the_first_where_they_must() {
        let like = |first: &str, text: &str| {
            let sniff_one = |text: &str, first: Option<&CsvOptions>| {
                let mut options = CsvOptions::new();
                sniff(text.as_bytes(), true, Dialect::default(), first, &mut options);
                options
            };
            let found = sniff_one(text, Some(&sniff_one(first, None)));
            (found.dialect.delimiter.text(), found.header)
        };
        assert_eq!(like("a,b\n1,2\n", "a|b\n1|2\n"), ("|".into(), true));
        // One row of names only would be taken for data, were it alone.
        assert_eq!(like("a,b\n1,2\n", "1,2\n3,4\n"), (",".into(), true));
        assert_eq!(like("a;b\n1,5;2\n", "a;b\n1,5;2,5\n"), (";".into(), true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_sniffed(data in prop::collection::vec(prop::sample::select(&b"ab1,;|\t\n\"'\\ \r"[..]), 0..200), whole in any::<bool>()) {
            let mut options = CsvOptions::new();
            sniff(&data, whole, Dialect::default(), None, &mut options);
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
