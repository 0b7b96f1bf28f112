//! What names mean: the columns that FROM gives, and the frame that holds them.

use std::cell::{Cell, RefCell};

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Select, TableAlias};

use super::correlated::Correlation;
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Frame;
use crate::io::csv::CsvOptions;
use crate::sched::Session;

/// What all parts of a statement share.
pub(super) struct Env<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) session: &'a Session,
    /// How CSV files are read where a query says nothing.
    pub(super) csv: &'a CsvOptions,
    /// The tables that WITH names, the innermost last.
    pub(super) tables: RefCell<Vec<(String, Relation)>>,
    /// The columns of the queries around a subquery, the innermost last.
    pub(super) outer: RefCell<Vec<Vec<Column>>>,
    /// The SELECT that is a subquery within an expression, which may be tied to the query around it.
    pub(super) body: Cell<Option<&'a Select>>,
    /// What ties it, once it is planned.
    pub(super) tie: RefCell<Option<Correlation<'a>>>,
    hidden: Cell<usize>,
}

/// A column as a query may call it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The table that it is of, if that has a name.
    pub(super) table: Option<String>,
    pub(super) name: String,
    /// What the frame calls it.
    pub(super) inner: String,
    /// Whether a star stands for it.
    pub(super) shown: bool,
    /// Whether its name alone may mean it; else the table's stands before it.
    pub(super) plain: bool,
    /// Whether it is the constant NULL, which takes any type.
    pub(super) untyped: bool,
}

/// Rows with named columns: a table, a join of some, the result of a query.
#[derive(Clone)]
pub(super) struct Relation {
    pub(super) frame: Frame,
    pub(super) columns: Vec<Column>,
}

impl<'a> Env<'a> {
    pub(super) fn new(source: &'a Source<'a>, session: &'a Session, csv: &'a CsvOptions) -> Env<'a> {
        Env {
            source,
            session,
            csv,
            tables: RefCell::default(),
            outer: RefCell::default(),
            body: Cell::new(None),
            tie: RefCell::default(),
            hidden: Cell::new(0),
        }
    }

    /// A name for a column that the query does not see: no column of a file is called so.
    pub(super) fn hidden(&self, what: &str) -> String {
        self.hidden.set(self.hidden.get() + 1);
        format!("({what} {})", self.hidden.get())
    }
}

impl Column {
    pub(super) fn new(table: Option<&str>, name: &str) -> Column {
        let (table, name) = (table.map(str::to_owned), name.to_owned());
        Column { table, inner: name.clone(), name, shown: true, plain: true, untyped: false }
    }
}

impl Relation {
    /// A frame whose columns are called as it calls them.
    pub(super) fn new(frame: Frame, table: Option<&str>) -> Result<Relation> {
        let schema = frame.schema()?;
        let columns = schema.fields().iter().map(|field| Column::new(table, field.name())).collect();
        Ok(Relation { frame, columns })
    }

    /// The same under another name, its columns too where the alias lists any.
    pub(super) fn aliased(mut self, source: &Source, alias: &TableAlias) -> Result<Relation> {
        let TableAlias { explicit: _, name, columns, at } = alias;
        let place = name.span.start;
        if at.is_some() {
            return Err(source.unsupported(place, "AT after an alias"));
        }
        let mut renamed = columns.iter();
        for column in self.columns.iter_mut().filter(|column| column.shown) {
            column.table = Some(name.value.clone());
            if let Some(new) = renamed.next() {
                column.name = new.name.value.clone();
            }
        }
        self.columns.retain(|column| column.shown);
        if renamed.next().is_some() {
            let message = format!("'{}' has {} columns, and the alias names more", name.value, self.columns.len());
            return Err(source.error(place, message));
        }
        Ok(self)
    }

    pub(super) fn has_inner(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.inner == name)
    }
}

/// The column that a name means: the one of exactly this name, else of this name in other letters.
pub(super) fn find<'c>(
    source: &Source,
    columns: &'c [Column],
    table: Option<&Ident>,
    name: &Ident,
) -> Result<Option<&'c Column>> {
    let of_table = |column: &&Column| match table {
        Some(table) => column.table.as_deref().is_some_and(|own| names(table, own)),
        None => column.plain,
    };
    let exact: Vec<&Column> = columns.iter().filter(of_table).filter(|column| column.name == name.value).collect();
    let found = match exact.is_empty() {
        true => columns.iter().filter(of_table).filter(|column| names(name, &column.name)).collect(),
        false => exact,
    };
    let [a, b, ..] = found[..] else { return Ok(found.first().copied()) };
    let full = |column: &Column| match (&column.table, a.name == b.name) {
        (Some(table), true) => format!("{table}.{}", column.name),
        _ => column.name.clone(),
    };
    let (first, second) = (full(a), full(b));
    let error = match first == second {
        true => Error::new(ErrorKind::Column, format!("'{}' may mean two columns of that name", name.value))
            .help("give one of the tables another name: FROM 'file' AS name"),
        false => Error::new(ErrorKind::Column, format!("'{}' may mean the column '{first}' or '{second}'", name.value))
            .help(match a.name == b.name {
                true => "write the table's name before it",
                false => "write the one you mean as it is, in double quotes",
            }),
    };
    Err(source.blame(error, name.span.start))
}

/// Whether an identifier means this name: exactly, or without regard to capitals unless it is quoted.
pub(super) fn names(ident: &Ident, name: &str) -> bool {
    ident.value == name || ident.quote_style.is_none() && ident.value.to_lowercase() == name.to_lowercase()
}

/// The identifiers of a name with points; none where it is something else.
pub(super) fn parts(name: &ObjectName) -> Option<Vec<&Ident>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident),
            _ => None,
        })
        .collect()
}
