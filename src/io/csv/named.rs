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

/// The options that [`CsvOptions::set`] knows, each with what it takes. Other names for them stand behind.
pub(crate) const NAMES: &[(&str, &str, &[&str])] = &[
    ("delimiter", "a text of one to eight bytes", &["delim", "sep"]),
    ("quote", "a character, or '' for none", &["quotechar"]),
    ("escape", "a character, or '' for none", &["escapechar"]),
    ("stray_quotes", "true or false", &[]),
    ("comment", "what begins a comment", &[]),
    ("line_end", "'auto', 'lf', 'crlf', 'cr' or 'any'", &["new_line"]),
    ("header", "true, false, or the number of its line", &[]),
    ("names", "a list of names", &["column_names"]),
    ("skip", "a number of lines", &["skip_rows"]),
    ("skip_footer", "a number of lines", &["skipfooter"]),
    ("ragged", "'error', 'fill' or 'truncate'", &[]),
    ("blank_lines", "'skip' or 'keep'", &[]),
    ("trim", "true or false", &[]),
    ("nulls", "a list of texts, or for each column one", &["nullstr", "na_values"]),
    ("decimal", "a character", &["decimal_separator"]),
    ("thousands", "a character, or '' for none", &[]),
    ("true_values", "a list of texts", &[]),
    ("false_values", "a list of texts", &[]),
    ("date_formats", "a list of formats", &["date_format", "dateformat"]),
    ("timestamp_formats", "a list of formats", &["timestamp_format", "timestampformat"]),
    ("types", "a type for each column", &["dtypes", "dtype"]),
    ("all_text", "true or false", &["all_varchar"]),
    ("infer", "'sample' or 'full'", &[]),
    ("strict", "true or false", &[]),
    ("sniff", "true or false", &["auto_detect"]),
    ("on_bad_row", "'error', 'skip', or the number of rows that may be left out", &[]),
    ("rejects", "a file", &[]),
    ("encoding", "a label of the WHATWG", &[]),
    ("replace_undecodable", "true or false", &[]),
    ("columns", "a list of names", &[]),
    ("columns_may_differ", "true or false", &["union_by_name"]),
    ("file_column", "a name", &["filename"]),
    ("partition_size", "a number of bytes", &[]),
    ("sample_size", "a number of bytes", &[]),
    ("max_record", "a number of bytes", &[]),
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
    /// | `nulls` | `['NA']`, or `{'k': ['NA']}` | [`nulls`](CsvOptions::nulls), [`nulls_of`](CsvOptions::nulls_of) |
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
        let known = NAMES.iter().find(|(known, _, others)| *known == lower || others.contains(&&*lower));
        let Some((name, takes, _)) = known else {
            let names = NAMES.iter().map(|(name, ..)| *name);
            return Err(Error::unknown_option(name, names));
        };
        self.set_known(name, &value).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the option {name} is {}", show(&value)))
                .help(format!("it takes {takes}"))
        })
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
            "decimal" => self.decimal(character(value)??),
            "thousands" => self.thousands(character(value)?),
            "true_values" => self.true_values(texts(value)?),
            "false_values" => self.false_values(texts(value)?),
            "date_formats" => self.date_formats(texts(value)?),
            "timestamp_formats" => self.timestamp_formats(texts(value)?),
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

fn map(value: &OptionValue) -> Option<Vec<(String, OptionValue)>> {
    match value {
        OptionValue::Map(pairs) => Some(pairs.clone()),
        OptionValue::Text(text) => {
            let pair =
                |pair: &str| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().into()));
            text.split(',').map(pair).collect()
        }
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
                "types" => vec!["a=TEXT,b=double".into(), OptionValue::Map(vec![("a".into(), "bool".into())])],
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
        for (name, _, others) in NAMES {
            for value in example(name) {
                for name in others.iter().chain([name]) {
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
