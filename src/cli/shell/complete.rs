//! What the Tab key offers, and where a statement ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use partita::{Session, sql_statements};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

const COMMANDS: &[&str] = &[".exit", ".format ", ".help", ".quit", ".read ", ".stats ", ".tables"];

/// Words of SQL. Names of functions follow in `FUNCTIONS`.
const KEYWORDS: &str = "\
    ALL AND ANTI AS ASC BETWEEN BY CASE CAST COPY CROSS CURRENT DATE DESC DESCRIBE DISTINCT ELSE END EXCEPT EXCLUDE EXISTS EXPLAIN \
    EXTRACT FALSE FILTER FIRST FOLLOWING FORMAT FROM FULL GROUP HAVING ILIKE IN INNER INTERSECT INTERVAL IS JOIN LAST LEFT LIKE \
    LIMIT NATURAL NOT NULL NULLS OFFSET ON OR ORDER OVER PARTITION PRECEDING QUALIFY RANGE RIGHT ROW ROWS SELECT SEMI THEN TIMESTAMP \
    TO TRUE TRY_CAST UNBOUNDED UNION USING VALUES WHEN WHERE WINDOW WITH";

const FUNCTIONS: &str = "\
    abs any_value avg bool_and bool_or ceil coalesce concat contains corr count count_if covar_pop covar_samp date_diff date_part \
    date_trunc day dayofweek dayofyear dense_rank ends_with exp first first_value floor greatest hour if ifnull isnan isodow lag \
    last last_value lead least left length ln log log10 log2 lower ltrim max median min minute mod mode month nullif percentile_cont \
    power quantile_cont quarter rank read_csv read_ipc read_parquet regexp_extract regexp_matches regexp_replace replace right round \
    row_number rtrim second sign split_part sqrt starts_with stddev_pop stddev_samp strftime string_agg strptime substr sum trim \
    try_strptime upper var_pop var_samp year";

/// Endings of files that can be looked into at once: what is compressed would be unpacked first.
const ENDINGS: &[&str] = &["csv", "tsv", "tab", "txt", "parquet", "pq", "arrow", "arrows", "ipc", "feather"];

/// Completes words, and knows when a statement is complete.
pub(super) struct Words {
    /// Files of statements before.
    seen: Vec<String>,
    /// The columns of files that were asked for.
    columns: RefCell<BTreeMap<PathBuf, Vec<String>>>,
}

impl Words {
    pub(super) fn new() -> Words {
        Words { seen: vec![], columns: RefCell::default() }
    }

    /// From now on the columns of these files are offered too.
    pub(super) fn see(&mut self, files: &[String]) {
        self.seen = files.to_vec();
    }

    /// The columns of a file; none where it can't be read.
    fn columns_of(&self, path: &str) -> Vec<String> {
        let Some(file) = first_file(path) else { return vec![] };
        let read = || {
            let session = Session::builder().threads(1).build().ok()?;
            let schema = session.sql(&format!("FROM '{}'", file.to_str()?.replace('\'', "''"))).schema().ok()?;
            Some(schema.fields().iter().map(|field| field.name().clone()).collect())
        };
        self.columns.borrow_mut().entry(file.clone()).or_insert_with(|| read().unwrap_or_default()).clone()
    }

    /// What may stand for the word that begins at this place of the line.
    fn words(&self, line: &str, word: &str) -> Vec<String> {
        let begins = |name: &str| name.to_lowercase().starts_with(&word.to_lowercase());
        let mut files: Vec<&str> = quoted(line).chain(self.seen.iter().map(String::as_str)).collect();
        files.sort_unstable();
        files.dedup();
        let mut found: Vec<String> =
            files.into_iter().flat_map(|path| self.columns_of(path)).filter(|name| begins(name)).map(written).collect();
        found.sort();
        found.dedup();
        // Of no letters yet, all words would be too many.
        if !word.is_empty() {
            let small = word.chars().all(|c| !c.is_uppercase());
            let keyword = |name: &str| if small { name.to_lowercase() } else { name.to_owned() };
            found.extend(KEYWORDS.split(' ').filter(|name| begins(name)).map(keyword));
            found.extend(FUNCTIONS.split(' ').filter(|name| begins(name)).map(|name| format!("{name}(")));
        }
        found
    }
}

/// A column's name as a query takes it.
fn written(name: String) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric());
    let is_word = KEYWORDS.split(' ').any(|word| word.eq_ignore_ascii_case(&name));
    if is_plain && !is_word { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The texts between single quotes, the last of them perhaps without its end.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('\'').skip(1).step_by(2)
}

/// The first file of a path or glob, if it is of a kind that is read without delay.
pub(super) fn first_file(path: &str) -> Option<PathBuf> {
    let is_known = |path: &Path| path.extension().and_then(|ending| ending.to_str()).is_some_and(is_ending);
    glob::glob(path).ok()?.flatten().find(|path| is_known(path) && path.is_file())
}

fn is_ending(ending: &str) -> bool {
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

/// The files of a directory that FROM may name, compressed ones too.
pub(super) fn files(directory: &Path) -> impl Iterator<Item = String> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let names = fs::read_dir(here).into_iter().flatten().flatten().filter(|entry| entry.path().is_file());
    names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| {
        let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
        plain.rsplit_once('.').is_some_and(|(_, ending)| is_ending(ending))
    })
}

/// Files and directories whose path begins so.
fn paths(begun: &str) -> Vec<String> {
    let (directory, name) = begun.rsplit_once('/').map_or(("", begun), |(directory, name)| (directory, name));
    let parent = if begun.starts_with('/') && directory.is_empty() { "/".to_owned() } else { directory.to_owned() };
    let prefix = &begun[..begun.len() - name.len()];
    let here = if parent.is_empty() { "." } else { &parent };
    let mut found: Vec<String> = fs::read_dir(here)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path().is_dir())))
        .filter(|(entry, _)| entry.starts_with(name) && (!entry.starts_with('.') || name.starts_with('.')))
        .map(|(entry, is_directory)| format!("{prefix}{entry}{}", if is_directory { "/" } else { "'" }))
        .collect();
    found.sort();
    found
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..at];
        let is_command = before.starts_with('.');
        if is_command && !before.contains(' ') {
            return Ok((0, COMMANDS.iter().filter(|name| name.starts_with(before)).map(|&name| name.into()).collect()));
        }
        if is_command {
            let start = before.rfind(' ').map_or(0, |at| at + 1);
            return Ok((start, paths(&before[start..]).into_iter().map(|path| path.replace('\'', "")).collect()));
        }
        if before.matches('\'').count() % 2 == 1 {
            let start = before.rfind('\'').map_or(0, |at| at + 1);
            return Ok((start, paths(&before[start..])));
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let start = before.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(at, |(start, _)| start);
        Ok((start, self.words(line, &before[start..])))
    }
}

/// A statement goes on until its semicolon; commands of the shell end with their line.
impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether nothing more is to come: what is written behind, on a new line, would be a statement of its own.
fn is_complete(text: &str) -> bool {
    let text = text.trim();
    let more = format!("{text}\nx");
    text.is_empty() || text.starts_with('.') || sql_statements(text).len() < sql_statements(&more).len()
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use rustyline::history::DefaultHistory;

    use super::*;

    fn complete(words: &Words, line: &str) -> Vec<String> {
        let history = DefaultHistory::new();
        let (start, found) = words.complete(line, line.len(), &Context::new(&history)).unwrap();
        found.into_iter().map(|word| format!("{}{word}", &line[..start])).collect()
    }

    #[test]
    fn words_files_and_columns() {
        let words = Words::new();
        assert_eq!(complete(&words, "SELECT x FRO"), ["SELECT x FROM"]);
        assert_eq!(complete(&words, "select x fro"), ["select x from"]);
        assert_eq!(complete(&words, "SELECT quantile"), ["SELECT quantile_cont("]);
        assert_eq!(complete(&words, ".t"), [".tables"]);
        assert_eq!(complete(&words, "FROM 'testdata/ba"), ["FROM 'testdata/baci/"]);
        assert_eq!(
            complete(&words, "FROM 'testdata/baci/BACI_HS12_Y2012"),
            ["FROM 'testdata/baci/BACI_HS12_Y2012.csv'"]
        );
        assert_eq!(complete(&words, ".read Cargo.t"), [".read Cargo.toml"]);
        let trade = "FROM 'testdata/baci/BACI_HS12_Y2012.csv' SELECT ";
        assert_eq!(complete(&words, trade), ["i", "j", "k", "q", "t", "v"].map(|name| format!("{trade}{name}")));
        // Of a file seen before, and by its table's name.
        assert_eq!(complete(&words, "SELECT a."), Vec::<String>::new());
        let mut words = words;
        words.see(&["testdata/baci/BACI_HS12_Y*.csv".to_owned()]);
        assert_eq!(complete(&words, "SELECT a.").len(), 6);
        assert_eq!(complete(&words, "SELECT sum(é"), Vec::<String>::new());
        assert_eq!(complete(&words, "FROM 'none/x"), Vec::<String>::new());
    }

    #[test]
    fn names_that_need_quotes_get_them() {
        assert_eq!(written("v".into()), "v");
        assert_eq!(written("net weight".into()), "\"net weight\"");
        assert_eq!(written("2020".into()), "\"2020\"");
        assert_eq!(written("from".into()), "\"from\"");
    }

    #[test]
    fn a_statement_ends_with_its_semicolon() {
        for complete in [
            "",
            "  ",
            ".help",
            "SELECT 1;",
            "SELECT ';';",
            "SELECT 1; -- one",
            "SELECT 1;\nSELECT 2;",
            "-- x;\nSELECT 1\n;",
        ] {
            assert!(is_complete(complete), "{complete}");
        }
        for more in ["SELECT 1", "SELECT ';", "SELECT 1 -- one;", "SELECT /* ; */ 1", "SELECT 1; SELECT", "SELECT \";"]
        {
            assert!(!is_complete(more), "{more}");
        }
    }

    /// Every function that is offered is one: called without arguments, it asks for them or has nothing to say.
    #[test]
    fn functions_that_are_offered_are_there() {
        let session = Session::builder().threads(1).build().unwrap();
        for name in FUNCTIONS.split(' ').filter(|name| !name.starts_with("read_")) {
            let over =
                if ["rank", "dense_rank", "row_number", "lag", "lead", "first_value", "last_value"].contains(&name) {
                    " OVER (ORDER BY 1)"
                } else {
                    ""
                };
            if let Err(error) = session.sql(&format!("SELECT {name}(){over} AS x")).schema() {
                let error = error.to_string();
                assert!(!error.contains(&format!("the function {name} is not supported")), "{error}");
            }
        }
    }
}
