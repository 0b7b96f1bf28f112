//! FROM: files, functions that read them, subqueries, tables of WITH.

use sqlparser::ast::{
    DictionaryField, Expr as Ast, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableFactor, TableFunctionArgs,
    TableWithJoins, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use super::join::{join_all, joined};
use super::literals::text_of;
use super::names::{Env, Relation, names, parts};
use super::query::query;
use super::values::one_row;
use crate::error::Result;
use crate::frame::Frame;
use crate::io::Paths;
use crate::io::csv::OptionValue;

pub(super) const QUOTED: &str = "write the path or glob of the files in quotes: FROM 'data/*.csv'";

/// All tables of FROM as one; of those parted by commas, the conditions of WHERE that join them are taken out of `conditions`.
pub(super) fn from<'a>(
    env: &'a Env<'a>,
    from: &'a [TableWithJoins],
    conditions: &mut Vec<&'a Ast>,
) -> Result<Relation> {
    let mut tables = vec![];
    for TableWithJoins { relation, joins } in from {
        let first = table(env, relation)?;
        tables.push(joins.iter().try_fold(first, |left, join| joined(env, left, join))?);
    }
    match tables.len() {
        0 => one_row(env),
        _ => join_all(env, tables, conditions),
    }
}

/// One table.
pub(super) fn table<'a>(env: &'a Env<'a>, factor: &'a TableFactor) -> Result<Relation> {
    let source = env.source;
    match factor {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            let place = source.place(name);
            let place = if place.line == 1 && place.column == 1 { source.after(Keyword::FROM) } else { place };
            source.refuse(sample.is_some(), Keyword::TABLESAMPLE, "TABLESAMPLE")?;
            if !with_hints.is_empty()
                || version.is_some()
                || *with_ordinality
                || !partitions.is_empty()
                || json_path.is_some()
                || !index_hints.is_empty()
            {
                return Err(source.unsupported(place, "what follows the table's name"));
            }
            let Some([ident]) = parts(name).as_deref().map(<[&Ident; 1]>::try_from).and_then(Result::ok) else {
                return Err(source.error(place, format!("there is no table named {name}")).help(QUOTED));
            };
            if let Some(args) = args {
                return called(env, function(env, ident, args, place)?, alias.as_ref(), &ident.value);
            }
            if let Some(table) = named(env, ident) {
                return called_table(env, table, alias.as_ref(), &ident.value);
            }
            if ident.quote_style.is_none() {
                return Err(source.error(place, format!("there is no table named {name}")).help(QUOTED));
            }
            let frame = file(env, &ident.value);
            frame.schema().map_err(|error| source.blame(error, place))?;
            called(env, frame, alias.as_ref(), stem(&ident.value))
        }
        TableFactor::Derived { lateral, subquery, alias, sample } => {
            source.refuse(*lateral, Keyword::LATERAL, "LATERAL")?;
            source.refuse(sample.is_some(), Keyword::TABLESAMPLE, "TABLESAMPLE")?;
            let rows = query(env, subquery)?;
            match alias {
                Some(alias) => rows.aliased(source, alias),
                None => Ok(rows),
            }
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            let TableWithJoins { relation, joins } = &**table_with_joins;
            let rows = joins.iter().try_fold(table(env, relation)?, |left, join| joined(env, left, join))?;
            match alias {
                Some(alias) => rows.aliased(source, alias),
                None => Ok(rows),
            }
        }
        _ => Err(source.unsupported(source.after(Keyword::FROM), "this kind of table in FROM")),
    }
}

/// A table of WITH.
fn named(env: &Env, ident: &Ident) -> Option<Relation> {
    let tables = env.tables.borrow();
    tables.iter().rev().find(|(name, _)| names(ident, name)).map(|(_, table)| table.clone())
}

fn called_table(env: &Env, mut rows: Relation, alias: Option<&TableAlias>, name: &str) -> Result<Relation> {
    for column in &mut rows.columns {
        column.table = Some(name.to_owned());
    }
    match alias {
        Some(alias) => rows.aliased(env.source, alias),
        None => Ok(rows),
    }
}

fn called(env: &Env, frame: Frame, alias: Option<&TableAlias>, name: &str) -> Result<Relation> {
    let rows = Relation::new(frame, Some(name))?;
    match alias {
        Some(alias) => rows.aliased(env.source, alias),
        None => Ok(rows),
    }
}

/// The files that a path or glob in quotes names, by the ending of the name: Parquet, Arrow IPC, else CSV.
fn file(env: &Env, path: &str) -> Frame {
    match path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("parquet" | "pq") => env.session.read_parquet(path),
        Some("arrow" | "arrows" | "ipc" | "feather") => env.session.read_ipc(path),
        _ => env.session.read_csv_with(path, env.csv.clone()),
    }
}

/// What a file is called in a query: `trade` of `'data/trade.csv'`.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// `read_csv('glob', name => value, …)` and its like.
fn function<'a>(env: &'a Env<'a>, name: &Ident, args: &'a TableFunctionArgs, place: Location) -> Result<Frame> {
    let source = env.source;
    let TableFunctionArgs { args, settings } = args;
    let function = name.value.to_lowercase();
    let takes_options = function == "read_csv";
    if !matches!(function.as_str(), "read_csv" | "read_parquet" | "read_ipc") {
        let error = source.error(place, format!("there is no function {} in FROM", name.value));
        return Err(error.help("there are read_csv, read_parquet and read_ipc"));
    }
    if settings.is_some() {
        return Err(source.unsupported(place, "SETTINGS"));
    }
    let mut paths: Vec<String> = vec![];
    let mut options = env.csv.clone();
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => {
                let path = text_of(ast).ok_or_else(|| {
                    source
                        .error(source.start(ast), format!("{function} takes paths in quotes, and then options by name"))
                })?;
                paths.push(path.to_owned());
            }
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(ast), operator: _ } if takes_options => {
                let place = name.span.start;
                let value = constant(ast).ok_or_else(|| {
                    source.error(source.start(ast), format!("the option '{}' takes a constant", name.value))
                })?;
                options = options.set(&name.value, value).map_err(|error| source.blame(error, place))?;
            }
            FunctionArg::Named { name, .. } => {
                return Err(source.error(name.span.start, format!("{function} has no option '{}'", name.value)));
            }
            _ => return Err(source.unsupported(place, &format!("this argument of {function}"))),
        }
    }
    if paths.is_empty() {
        return Err(source.error(place, format!("{function} takes a path or glob in quotes")));
    }
    let frame = match function.as_str() {
        "read_csv" => env.session.read_csv_with(Paths::from(paths), options),
        "read_parquet" => env.session.read_parquet(Paths::from(paths)),
        _ => env.session.read_ipc(Paths::from(paths)),
    };
    frame.schema().map_err(|error| source.blame(error, place))?;
    Ok(frame)
}

/// The value of an option, as a constant says it.
fn constant(ast: &Ast) -> Option<OptionValue> {
    match ast {
        Ast::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(OptionValue::Text(text.clone())),
            Value::Number(digits, _) => digits.parse().ok().map(OptionValue::Int),
            Value::Boolean(value) => Some(OptionValue::Bool(*value)),
            _ => None,
        },
        Ast::Dictionary(fields) => {
            let field = |field: &DictionaryField| Some((field.key.value.clone(), constant(&field.value)?));
            fields.iter().map(field).collect::<Option<_>>().map(OptionValue::Map)
        }
        Ast::Array(array) => array.elem.iter().map(constant).collect::<Option<_>>().map(OptionValue::List),
        _ => None,
    }
}
