//! SQL text to a frame: the one statement in it, and what is done with its query.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use sqlparser::ast::{CopyOption, CopySource, CopyTarget, DescribeAlias, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::dialect::PartitaDialect;
use super::names::Env;
use super::query::{finished, query};
use super::source::{QUERIES, Source, sentence};
use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::type_name;
use crate::frame::{Frame, Stop};
use crate::io::csv::CsvOptions;
use crate::io::write::WriteOptions;
use crate::sched::Session;

/// How deep a query may nest. Each level takes some stack of the thread that asks.
const MAX_DEPTH: usize = 50;

/// The frame that a statement describes. Reads samples of the files, for the names and types of their columns.
///
/// # Errors
/// Those of the text, at their place; those of the files, too.
pub(super) fn plan(session: &Session, csv: &CsvOptions, text: &str) -> Result<Frame> {
    let source = Source::new(text)?;
    let statement = parse(&source)?;
    run(session, csv, &source, &statement)
}

fn run(session: &Session, csv: &CsvOptions, source: &Source, statement: &Statement) -> Result<Frame> {
    let env = Env::new(source, session, csv);
    let frame = |query_ast| query(&env, query_ast).and_then(finished);
    match statement {
        Statement::Query(ast) => frame(ast),
        Statement::Explain { describe_alias, analyze, verbose, query_plan, estimate, statement, format, options } => {
            let place = source.place_of(0);
            if *analyze || *verbose || *query_plan || *estimate || format.is_some() || options.is_some() {
                return Err(source.unsupported(place, "a word after EXPLAIN"));
            }
            let described = run(session, csv, source, statement)?;
            match describe_alias {
                DescribeAlias::Explain => explained(session, &described),
                _ => described_columns(session, &described),
            }
        }
        Statement::ExplainTable { describe_alias: _, hive_format: None, has_table_keyword: _, table_name } => {
            let path = table_name.to_string();
            let place = source.place_of(1);
            let text = path.trim_matches(['\'', '"']);
            if text == path {
                return Err(source.error(place, format!("there is no table named {path}")).help(super::from::QUOTED));
            }
            let of_file = plan(session, csv, &format!("FROM '{}'", text.replace('\'', "''")))?;
            described_columns(session, &of_file)
        }
        Statement::Copy { source: from, to: true, target, options, legacy_options, values: _ } => {
            let place = source.place_of(0);
            let CopySource::Query(ast) = from else {
                return Err(source.unsupported(source.place_of(1), "COPY of other than a query in parentheses"));
            };
            let CopyTarget::File { filename } = target else {
                return Err(source.unsupported(place, "COPY to other than a file"));
            };
            if !legacy_options.is_empty() {
                return Err(source.unsupported(place, "an option of COPY without parentheses"));
            }
            copy(session, source, &frame(ast)?, filename, options)
        }
        _ => Err(source.unsupported(source.place_of(0), "a statement other than SELECT, EXPLAIN, DESCRIBE and COPY")),
    }
}

/// A table of one column of texts, line by line.
fn explained(session: &Session, frame: &Frame) -> Result<Frame> {
    let plan = frame.explain(Stop::All)?;
    let lines: ArrayRef = Arc::new(plan.lines().map(Some).collect::<StringViewArray>());
    table(session, vec![("plan", lines)])
}

fn described_columns(session: &Session, frame: &Frame) -> Result<Frame> {
    let schema = frame.schema()?;
    let texts = |text: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..schema.fields().len()).map(|i| Some(text(i))).collect::<StringViewArray>())
    };
    let names = texts(&|i| schema.field(i).name().clone());
    let types = texts(&|i| type_name(schema.field(i).data_type()));
    table(session, vec![("column_name", names), ("column_type", types)])
}

fn table(session: &Session, columns: Vec<(&str, ArrayRef)>) -> Result<Frame> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    Ok(session.frame(Table::new(batch.schema(), vec![batch])?))
}

/// Writes the rows of a query to a file, at once; the frame has their number.
fn copy(session: &Session, source: &Source, frame: &Frame, path: &str, options: &[CopyOption]) -> Result<Frame> {
    let place = source.keyword(Keyword::TO);
    let named = options.iter().find_map(|option| match option {
        CopyOption::Format(name) => Some((name.value.to_lowercase(), name.span.start)),
        _ => None,
    });
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_lowercase();
    let (format, place) = named.unwrap_or((ending, place));
    let mut write = match format.as_str() {
        "parquet" | "pq" => WriteOptions::parquet(),
        "csv" => WriteOptions::csv(),
        "tsv" => WriteOptions::csv().delimiter(b'\t'),
        "arrow" | "ipc" | "feather" => WriteOptions::ipc(),
        _ => {
            let error = source.error(place, format!("there is no format '{format}'"));
            return Err(error.help("write (FORMAT parquet), (FORMAT csv) or (FORMAT arrow) behind the file"));
        }
    };
    for option in options {
        write = match option {
            CopyOption::Format(_) => write,
            CopyOption::Header(header) => write.header(*header),
            CopyOption::Delimiter(delimiter) if delimiter.is_ascii() => write.delimiter(*delimiter as u8),
            CopyOption::Null(spelling) => write.null(spelling),
            other => return Err(source.unsupported(place, &format!("{other} in COPY"))),
        };
    }
    let written = frame.write(path, write.overwrite())?;
    let rows: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(written.rows).unwrap_or(i64::MAX)]));
    table(session, vec![("count", rows)])
}

/// Parses the one statement.
fn parse(source: &Source) -> Result<Statement> {
    let mut parser = Parser::new(&PartitaDialect)
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(small_function_names(source.tokens()));
    let mut statements = match parser.parse_statements() {
        Ok(statements) => statements.into_iter(),
        Err(error) => return Err(syntax_error(source, error)),
    };
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(statement),
        (None, _) => Err(Error::new(ErrorKind::Sql, "the query is empty").help(QUERIES)),
        (_, Some(_)) => {
            let semicolon = source.tokens().iter().position(|token| token.token == Token::SemiColon);
            let second = semicolon.and_then(|i| source.tokens().get(i + 1));
            let place = second.map_or(Location::new(1, 1), |token| token.span.start);
            Err(source.error(place, "there is more than one statement").help("run them one at a time"))
        }
    }
}

/// Writes the names of functions small, so that a column without an alias is `avg(q)` however AVG was written.
fn small_function_names(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut tokens = tokens.to_vec();
    for i in 1..tokens.len() {
        if tokens[i].token == Token::LParen
            && let Token::Word(word) = &mut tokens[i - 1].token
            && word.quote_style.is_none()
        {
            word.value = word.value.to_lowercase();
        }
    }
    tokens
}

/// The parser's error in our form. It tells the place only within its text: `…, found: FROM at Line: 1, Column: 8`.
fn syntax_error(source: &Source, error: ParserError) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            let place = deepest(source.tokens());
            return source
                .error(place, "the query nests too deeply")
                .help("write it with fewer parentheses within parentheses");
        }
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, read_place(place)),
        None => (text.as_str(), None),
    };
    source.error(place.unwrap_or(source.end()), sentence(message))
}

fn read_place(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location::new(line.parse().ok()?, column.trim().parse().ok()?))
}

/// Where most parentheses are open.
fn deepest(tokens: &[TokenWithSpan]) -> Location {
    let (mut depth, mut most, mut place) = (0, 0, Location::new(1, 1));
    for token in tokens {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth > most {
            (most, place) = (depth, token.span.start);
        }
    }
    place
}
