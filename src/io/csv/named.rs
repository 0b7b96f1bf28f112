//! Options by name, as queries (`read_csv('x.csv', delim => ';')`) and command lines (`--delim ';'`) give them: the one place that
//! knows their names and spellings.

use std::path::PathBuf;

use super::dialect::{LineEnd, Ragged};
use super::options::{CsvOptions, Infer, OnBadRow};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;

/// The value of an option as a query or a command line has it. Text says everything: numbers, `true` and `false`, lists with commas
/// between their items, maps of `key=value` pairs with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// `';'`
    Text(String),
    /// `true`
    Bool(bool),
    /// `3`
    Int(i64),
    /// `['NA', '-']`
    List(Vec<OptionValue>),
    /// `{'k': 'TEXT'}`
    Map(Vec<(String, OptionValue)>),
}

impl From<&str> for OptionValue {
    fn from(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }
}

impl From<String> for OptionValue {
    fn from(text: String) -> OptionValue {
        OptionValue::Text(text)
    }
}

impl From<bool> for OptionValue {
    fn from(value: bool) -> OptionValue {
        OptionValue::Bool(value)
    }
}

impl From<i64> for OptionValue {
    fn from(value: i64) -> OptionValue {
        OptionValue::Int(value)
    }
}

impl<V: Into<OptionValue>> From<Vec<V>> for OptionValue {
    fn from(values: Vec<V>) -> OptionValue {
        OptionValue::List(values.into_iter().map(Into::into).collect())
    }
}

/// An option as queries and command lines know it: a row of [`CsvOptions::named`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedOption {
    /// The name, as [`CsvOptions::set`] takes it.
    pub name: &'static str,
    /// A word for the value: `CHAR`.
    pub value: &'static str,
    /// What it takes, in words.
    pub takes: &'static str,
    /// What it is for, with its default.
    pub about: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
}

impl NamedOption {
    /// Whether its value may be left out on a command line, for `true`.
    pub fn is_switch(&self) -> bool {
        self.takes.starts_with(SWITCH)
    }
}

const SWITCH: &str = "true";

const fn option(
    name: &'static str,
    value: &'static str,
    takes: &'static str,
    about: &'static str,
    aliases: &'static [&'static str],
) -> NamedOption {
    NamedOption { name, value, takes, about, aliases }
}

const FLAG: &str = "true or false";

/// The options that [`CsvOptions::set`] knows.
#[rustfmt::skip]
const NAMES: &[NamedOption] = &[
    option("delimiter", "TEXT", "a text of one to eight bytes", r"What stands between fields, such as ';' or '\t' [default: ,]", &["delim", "sep"]),
    option("quote", "CHAR", "a character, or '' for none", "The quote around fields, or '' for none [default: \"]", &["quotechar"]),
    option("escape", "CHAR", "a character, or '' for none", "What takes the meaning from the next character, as a backslash may [default: none]", &["escapechar"]),
    option("stray_quotes", "BOOL", FLAG, "Quotes that open or close no field are text", &[]),
    option("comment", "TEXT", "what begins a comment", "What begins a line that is no row, such as '#' [default: none]", &[]),
    option("line_end", "KIND", "'auto', 'lf', 'crlf', 'cr' or 'any'", "How lines end: auto, lf, crlf, cr or any [default: auto]", &["new_line"]),
    // Before the header, which it says there is none of unless told otherwise behind it.
    option("names", "NAMES", "a list of names", "The names of the columns, for files without a header", &["column_names"]),
    option("header", "BOOL|LINE", "true, false, or the number of its line", "Whether the first line names the columns, or which line does [default: true]", &[]),
    option("skip", "LINES", "a number of lines", "So many lines at the top of each file are passed over", &["skip_rows"]),
    option("skip_footer", "LINES", "a number of lines", "So many lines at the bottom of each file are passed over", &["skipfooter"]),
    option("ragged", "HOW", "'error', 'fill' or 'truncate'", "What becomes of rows with too few or too many fields: error, fill or truncate [default: error]", &[]),
    option("blank_lines", "HOW", "'skip' or 'keep'", "Whether blank lines are rows of missing values: skip or keep [default: skip]", &[]),
    option("trim", "BOOL", FLAG, "Spaces around fields go, in text columns too", &[]),
    option("nulls", "TEXTS", "a list of texts, or for each column one", "What stands for a missing value, in columns of all types, such as NA,- [default: NA,N/A,null,NULL, not in text]", &["nullstr", "na_values"]),
    option("nulls_of", "COLUMN=TEXT", "a spelling for each column", "What stands for a missing value in one column, as in code=0", &[]),
    option("decimal", "CHAR", "a character", "The character before decimals [default: .]", &["decimal_separator"]),
    option("thousands", "CHAR", "a character, or '' for none", "The character between groups of digits [default: none]", &[]),
    option("true_values", "TEXTS", "a list of texts", "What stands for true [default: true,True,TRUE]", &[]),
    option("false_values", "TEXTS", "a list of texts", "What stands for false [default: false,False,FALSE]", &[]),
    option("date_formats", "FORMATS", "a list of formats", "How dates are written, as in %d.%m.%Y [default: ISO]", &["date_format", "dateformat"]),
    option("timestamp_formats", "FORMATS", "a list of formats", "How timestamps are written [default: ISO]", &["timestamp_format", "timestampformat"]),
    option("types", "COLUMN=TYPE", "a type for each column: int64, float64, bool, date, timestamp or text", "The type of a column, as in code=text, in place of the inferred one", &["dtypes", "dtype"]),
    option("all_text", "BOOL", FLAG, "All columns are text, as they stand", &["all_varchar"]),
    option("infer", "HOW", "'sample' or 'full'", "Whether types are inferred from samples or from everything: sample or full [default: sample]", &[]),
    option("strict", "BOOL", FLAG, "A value that contradicts its column's inferred type is an error, and no reason to infer again", &[]),
    option("sniff", "BOOL", FLAG, "Find out delimiter, quote, header and what stands above it, of each file", &["auto_detect"]),
    option("on_bad_row", "HOW", "'error', 'skip', or the number of rows that may be left out", "What becomes of rows that can't be read: error, skip, or the number that may be left out [default: error]", &[]),
    option("rejects", "FILE", "a file", "Leave rows out that can't be read, and write them to this CSV file with place and reason", &[]),
    option("encoding", "LABEL", "a label of the WHATWG", "The encoding of the files, such as latin1 [default: utf-8]", &[]),
    option("replace_undecodable", "BOOL", FLAG, "Read U+FFFD where bytes can't be decoded", &[]),
    option("columns", "NAMES", "a list of names", "Read these columns alone", &[]),
    option("columns_may_differ", "BOOL", FLAG, "Files may have different columns: what one lacks is missing", &["union_by_name"]),
    option("file_column", "NAME", "a name", "One more column of this name: the file that a row comes from", &["filename"]),
    option("partition_size", "BYTES", "a number of bytes", "The size of the pieces that files are read in [default: 100MB, less towards the end]", &[]),
    option("sample_size", "BYTES", "a number of bytes", "How much is looked at to infer types, at the beginning, middle and end of each file [default: 65536]", &[]),
    option("max_record", "BYTES", "a number of bytes", "The longest record that is read [default: 16777216]", &[]),
];

impl CsvOptions {
    /// Sets the option of this name, which is spelled as in `read_csv(…)` of a query.
    ///
    /// | name | what it takes | setting |
    /// |---|---|---|
    /// | `delimiter`, `delim`, `sep` | `';'`, `'\t'`, `'\|\|'` | [`delimiter`](CsvOptions::delimiter) |
    /// | `quote`, `escape` | a character, `''` for none | [`quote`](CsvOptions::quote), [`escape`](CsvOptions::escape) |
    /// | `comment` | `'#'` | [`comment`](CsvOptions::comment) |
    /// | `line_end` | `'auto'`, `'lf'`, `'crlf'`, `'cr'`, `'any'` | [`line_end`](CsvOptions::line_end) |
    /// | `header` | `true`, `false`, or a line's number | [`header`](CsvOptions::header), [`header_at`](CsvOptions::header_at) |
    /// | `names` | `['a', 'b']` | [`names`](CsvOptions::names) |
    /// | `skip`, `skip_footer` | a number of lines | [`skip_rows`](CsvOptions::skip_rows), [`skip_footer`](CsvOptions::skip_footer) |
    /// | `ragged` | `'error'`, `'fill'`, `'truncate'` | [`ragged`](CsvOptions::ragged) |
    /// | `blank_lines` | `'skip'`, `'keep'` | [`keep_blank_lines`](CsvOptions::keep_blank_lines) |
    /// | `trim`, `all_text`, `strict`, `stray_quotes`, `sniff`, `replace_undecodable`, `columns_may_differ` | `true`, `false` | of the same name |
    /// | `nulls`, `nulls_of` | `['NA']`, `{'k': ['NA']}` | [`nulls`](CsvOptions::nulls), [`nulls_of`](CsvOptions::nulls_of) |
    /// | `decimal`, `thousands` | a character | [`decimal`](CsvOptions::decimal), [`thousands`](CsvOptions::thousands) |
    /// | `true_values`, `false_values` | `['yes']` | of the same name |
    /// | `date_formats`, `timestamp_formats` | `['%d.%m.%Y']` | of the same name |
    /// | `types` | `{'k': 'TEXT'}` | [`dtype`](CsvOptions::dtype) |
    /// | `infer` | `'sample'`, `'full'` | [`infer`](CsvOptions::infer) |
    /// | `on_bad_row` | `'error'`, `'skip'`, or how many may be left out | [`on_bad_row`](CsvOptions::on_bad_row) |
    /// | `rejects` | a file | [`OnBadRow::Reject`] |
    /// | `encoding`, `columns`, `file_column`, `partition_size`, `sample_size`, `max_record` | as the setting | of the same name |
    ///
    /// Names that other programs have for them are known too: `sep`, `nullstr`, `all_varchar`, `dateformat`, ….
    ///
    /// ```
    /// use partita::CsvOptions;
    /// let options = CsvOptions::new().set("delim", ";")?.set("header", false)?.set("nulls", vec!["NA", "-"])?;
    /// let by_text = options.set("types", "k=TEXT,v=DOUBLE")?.set("skip", "3")?;
    /// let error = by_text.set("delimeter", ",").unwrap_err();
    /// assert!(error.to_string().contains("did you mean 'delimiter'"));
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a name that is none, or a value that the option does not take. Whether settings go together
    /// comes out where the frame is used.
    pub fn set(self, name: &str, value: impl Into<OptionValue>) -> Result<CsvOptions> {
        let value = value.into();
        let lower = name.to_ascii_lowercase();
        let known = NAMES.iter().find(|known| known.name == lower || known.aliases.contains(&&*lower));
        let Some(NamedOption { name, takes, .. }) = known else {
            return Err(Error::unknown_option(name, NAMES.iter().map(|known| known.name)));
        };
        self.set_known(name, &value).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the option {name} is {}", show(&value)))
                .help(format!("it takes {takes}"))
        })
    }

    /// The options that [`set`](CsvOptions::set) knows by name, for fronts that offer them: each flag of the command line is one.
    ///
    /// ```
    /// use partita::CsvOptions;
    /// let delimiter = CsvOptions::named().iter().find(|option| option.name == "delimiter").unwrap();
    /// assert!(delimiter.aliases.contains(&"sep") && !delimiter.is_switch());
    /// ```
    pub fn named() -> &'static [NamedOption] {
        NAMES
    }

    /// `None` where the value is none that the option takes.
    fn set_known(mut self, name: &str, value: &OptionValue) -> Option<CsvOptions> {
        Some(match name {
            "delimiter" => self.delimiter(delimiter(value)?),
            "quote" => self.quote(character(value)?),
            "escape" => self.escape(character(value)?),
            "stray_quotes" => self.stray_quotes(flag(value)?),
            "comment" => self.comment(text(value)?),
            "line_end" => self.line_end(match &*text(value)?.to_ascii_lowercase() {
                "auto" => LineEnd::Auto,
                "lf" | "\n" | "\\n" => LineEnd::Lf,
                "crlf" | "\r\n" | "\\r\\n" => LineEnd::CrLf,
                "cr" | "\r" | "\\r" => LineEnd::Cr,
                "any" => LineEnd::Any,
                _ => return None,
            }),
            "header" => match (flag(value), number(value)) {
                (Some(header), _) => self.header(header),
                (None, Some(line)) => self.header_at(line),
                _ => return None,
            },
            "names" => self.names(texts(value)?),
            "skip" => self.skip_rows(number(value)?),
            "skip_footer" => self.skip_footer(number(value)?),
            "ragged" => self.ragged(match &*text(value)?.to_ascii_lowercase() {
                "error" => Ragged::Error,
                "fill" => Ragged::Fill,
                "truncate" => Ragged::Truncate,
                _ => return None,
            }),
            "blank_lines" => self.keep_blank_lines(match &*text(value)?.to_ascii_lowercase() {
                "keep" => true,
                "skip" => false,
                _ => return None,
            }),
            "trim" => self.trim(flag(value)?),
            "nulls" => match value {
                OptionValue::Map(columns) => {
                    for (column, spellings) in columns {
                        self = self.nulls_of(column, texts(spellings)?);
                    }
                    self
                }
                _ => self.nulls(texts(value)?),
            },
            "nulls_of" => {
                for (column, spelling) in map(value)? {
                    match self.nulls_of.iter_mut().find(|(known, _)| *known == column) {
                        Some((_, known)) => known.extend(texts(&spelling)?),
                        None => self = self.nulls_of(column, texts(&spelling)?),
                    }
                }
                self
            }
            "decimal" => self.decimal(character(value)??),
            "thousands" => self.thousands(character(value)?),
            "true_values" => self.true_values(texts(value)?),
            "false_values" => self.false_values(texts(value)?),
            "date_formats" => self.date_formats(formats(value)?),
            "timestamp_formats" => self.timestamp_formats(formats(value)?),
            "types" => {
                for (column, dtype) in map(value)? {
                    self = self.dtype(column, type_of(&text(&dtype)?)?);
                }
                self
            }
            "all_text" => self.all_text(flag(value)?),
            "infer" => self.infer(match &*text(value)?.to_ascii_lowercase() {
                "sample" => Infer::Sample,
                "full" => Infer::Full,
                _ => return None,
            }),
            "strict" => self.strict(flag(value)?),
            "sniff" => {
                self.sniff = flag(value)?;
                self
            }
            "on_bad_row" => match (number(value), &*text(value)?.to_ascii_lowercase()) {
                (Some(at_most), _) => self.on_bad_row(OnBadRow::Skip { at_most }),
                (None, "skip") => self.on_bad_row(OnBadRow::Skip { at_most: u64::MAX }),
                (None, "error") => self.on_bad_row(OnBadRow::Error),
                _ => return None,
            },
            "rejects" => self.on_bad_row(OnBadRow::Reject(PathBuf::from(text(value)?))),
            "encoding" => self.encoding(text(value)?),
            "replace_undecodable" => self.replace_undecodable(flag(value)?),
            "columns" => self.columns(texts(value)?),
            "columns_may_differ" => {
                self.columns_may_differ = flag(value)?;
                self
            }
            "file_column" => self.file_column(text(value)?),
            "partition_size" => self.partition_size(number(value)?),
            "sample_size" => self.sample_size(usize::try_from(number(value)?).ok()?),
            "max_record" => self.max_record(usize::try_from(number(value)?).ok()?),
            _ => return None,
        })
    }
}

fn show(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) => format!("'{text}'"),
        OptionValue::Bool(flag) => flag.to_string(),
        OptionValue::Int(number) => number.to_string(),
        OptionValue::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        OptionValue::Map(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("'{key}': {}", show(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn text(value: &OptionValue) -> Option<String> {
    match value {
        OptionValue::Text(text) => Some(text.clone()),
        OptionValue::Int(number) => Some(number.to_string()),
        OptionValue::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn flag(value: &OptionValue) -> Option<bool> {
    match value {
        OptionValue::Bool(flag) => Some(*flag),
        OptionValue::Text(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn number(value: &OptionValue) -> Option<u64> {
    match value {
        OptionValue::Int(number) => (*number).try_into().ok(),
        OptionValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A tab as people write it where they can't type one.
fn delimiter(value: &OptionValue) -> Option<String> {
    let text = text(value)?;
    Some(if matches!(&*text, "\\t" | "tab") { "\t".to_owned() } else { text })
}

/// A single ASCII character; nothing stands for none.
fn character(value: &OptionValue) -> Option<Option<u8>> {
    match delimiter(value)?.as_bytes() {
        [] | b"none" => Some(None),
        [byte] => Some(Some(*byte)),
        _ => None,
    }
}

fn texts(value: &OptionValue) -> Option<Vec<String>> {
    match value {
        OptionValue::List(items) => items.iter().map(text).collect(),
        OptionValue::Text(text) => Some(text.split(',').map(str::to_owned).collect()),
        OptionValue::Int(_) | OptionValue::Bool(_) => Some(vec![text(value)?]),
        OptionValue::Map(_) => None,
    }
}

/// Formats with commas between: each begins with a percent sign, so that `%b %d, %Y` is one.
fn formats(value: &OptionValue) -> Option<Vec<String>> {
    let OptionValue::Text(text) = value else { return texts(value) };
    let mut formats: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match formats.last_mut() {
            Some(last) if !piece.starts_with('%') => *last += &format!(",{piece}"),
            _ => formats.push(piece.to_owned()),
        }
    }
    Some(formats)
}

fn map(value: &OptionValue) -> Option<Vec<(String, OptionValue)>> {
    match value {
        OptionValue::Map(pairs) => Some(pairs.clone()),
        OptionValue::Text(text) => {
            let pair =
                |pair: &str| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().into()));
            text.split(',').map(pair).collect()
        }
        OptionValue::List(items) => Some(items.iter().map(map).collect::<Option<Vec<_>>>()?.concat()),
        _ => None,
    }
}

/// The type of a name, of ours or of SQL.
fn type_of(name: &str) -> Option<Type> {
    Some(match &*name.to_ascii_lowercase() {
        "int64" | "int" | "integer" | "bigint" | "long" | "smallint" | "tinyint" => Type::Int64,
        "float64" | "float" | "double" | "real" | "double precision" => Type::Float64,
        "bool" | "boolean" => Type::Bool,
        "date" => Type::Date,
        "timestamp" | "datetime" => Type::Timestamp,
        "text" | "varchar" | "string" | "char" => Type::Text,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_takes_what_it_says() {
        let example = |name: &str| -> Vec<OptionValue> {
            match name {
                "delimiter" => vec!["||".into(), "\\t".into()],
                "quote" | "escape" | "thousands" => vec!["'".into(), "".into()],
                "line_end" => vec!["crlf".into(), "Any".into()],
                "header" => vec![true.into(), "false".into(), 3.into(), "3".into()],
                "ragged" => vec!["fill".into()],
                "blank_lines" => vec!["keep".into()],
                "infer" => vec!["FULL".into()],
                "on_bad_row" => vec!["skip".into(), 10.into()],
                "decimal" => vec![",".into()],
                "nulls_of" => vec!["a=NA,b=-".into(), vec!["a=NA", "a=-"].into()],
                "types" => vec![
                    vec!["a=TEXT", "b=date"].into(),
                    "a=TEXT,b=double".into(),
                    OptionValue::Map(vec![("a".into(), "bool".into())]),
                ],
                "nulls" => vec!["NA,-".into(), OptionValue::Map(vec![("a".into(), vec!["x"].into())])],
                "skip" | "skip_footer" | "partition_size" | "sample_size" | "max_record" => vec![7.into(), "7".into()],
                "trim"
                | "stray_quotes"
                | "all_text"
                | "strict"
                | "sniff"
                | "replace_undecodable"
                | "columns_may_differ" => {
                    vec![true.into(), "false".into()]
                }
                "comment" | "encoding" | "file_column" | "rejects" => vec!["utf-8".into()],
                _ => vec![vec!["a", "b"].into(), "a,b".into()],
            }
        };
        for NamedOption { name, aliases, .. } in NAMES {
            for value in example(name) {
                for name in aliases.iter().chain([name]) {
                    let set = CsvOptions::new().set(name, value.clone());
                    assert!(set.is_ok(), "{name} {value:?}: {}", set.unwrap_err());
                }
            }
        }
        let set = CsvOptions::new().set("delim", "\\t").unwrap().set("TYPES", "k=TEXT").unwrap();
        assert_eq!(
            (set.dialect.delimiter.as_bytes(), &set.dtypes[..]),
            (&b"\t"[..], &[("k".to_owned(), Type::Text)][..])
        );
    }

    #[test]
    fn lists_are_parted_where_their_items_end() {
        let set = |name, value: OptionValue| CsvOptions::new().set(name, value).unwrap();
        let formats = set("date_formats", "%b %d, %Y,%d.%m.%Y".into()).date_formats.unwrap();
        assert_eq!(formats, ["%b %d, %Y", "%d.%m.%Y"]);
        // Items of a list are whole.
        assert_eq!(set("nulls", vec!["a,b", "-"].into()).nulls.unwrap(), ["a,b", "-"]);
        let of = set("nulls_of", vec!["k=NA", "v=0", "k=-"].into()).nulls_of;
        assert_eq!(of, [("k".into(), vec!["NA".to_owned(), "-".to_owned()]), ("v".into(), vec!["0".to_owned()])]);
    }

    /// Errors advise flags that there are.
    #[test]
    fn flags_in_messages_are_flags_of_the_command_line() {
        let mut folders = vec![std::path::PathBuf::from("src/io")];
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    for flag in line.split([' ', '(', '"']).filter_map(|word| word.strip_prefix("--")) {
                        let name: String = flag.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                        if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                            let name = name.trim_end_matches('-').replace('-', "_");
                            let is_known = NAMES.iter().any(|option| option.name == name);
                            let of_runs = ["memory", "spill_dir", "spill_limit", "overwrite", "no_header"];
                            assert!(is_known || of_runs.contains(&&*name), "{name} in {}: {line}", path.display());
                            found += usize::from(is_known);
                        }
                    }
                }
            }
        }
        assert!(found > 10, "{found}");
    }

    #[test]
    fn what_an_option_does_not_take_is_told() {
        for (name, value) in
            [("header", "maybe"), ("quote", "ab"), ("ragged", "x"), ("skip", "-1"), ("types", "k=blob")]
        {
            let error = CsvOptions::new().set(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name) && error.to_string().contains("it takes"), "{error}");
        }
    }
}
