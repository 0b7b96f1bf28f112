//! Subqueries within expressions: each is put beside the rows as a column.
//!
//! One that gives a single value is a table of one row, merged with every row. `x IN (…)` looks `x` up among the distinct values of the
//! subquery. Those that use columns of the query around them are taken apart by `correlated`.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use sqlparser::ast::Query;
use sqlparser::tokenizer::Location;

use super::correlated::{self, Correlation};
use super::names::Relation;
use super::query::query;
use super::translate::{Context, Scope};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, Literal, col, lit, row_number, size, type_name, when};
use crate::frame::{Frame, Keep, Merge};

/// What is put beside rows, in columns of hidden names.
pub(super) enum Attached {
    /// A table of one row.
    Row(Frame),
    /// A table in which values of the row are looked up.
    Lookup {
        /// The values, and the columns to find them in.
        keys: Vec<(Expr, String)>,
        frame: Frame,
        /// Of what is found, what is put beside the row; there is but one row to find then.
        kept: Vec<String>,
        /// What else must hold of the row and one that is found.
        condition: Option<Expr>,
        /// The column that is null where nothing is found.
        found: String,
        place: Location,
    },
}

impl<'a> Scope<'a> {
    /// Plans a subquery, whose one column it must be where `columns` says so.
    fn subquery(
        &self,
        ast: &'a Query,
        place: Location,
        one_column: bool,
    ) -> Result<(Frame, Vec<String>, Option<Correlation<'a>>)> {
        let env = self.env;
        env.outer.borrow_mut().push(self.columns.clone());
        let body = env.body.replace(correlated::body(ast));
        let planned = query(env, ast);
        env.outer.borrow_mut().pop();
        env.body.set(body);
        let tie = env.tie.take();
        let Relation { frame, mut columns } = planned?;
        columns.truncate(columns.len() - tie.as_ref().map_or(0, Correlation::width));
        if one_column && columns.len() != 1 {
            let message = format!("a subquery here gives one column, and this one gives {}", columns.len());
            return Err(env.source.error(place, message));
        }
        Ok((frame, columns.into_iter().map(|column| column.inner).collect(), tie))
    }

    /// A subquery as a value: that of its one row, null where it has none.
    pub(super) fn scalar_subquery(&mut self, ast: &'a Query, place: Location, context: Context) -> Result<Expr> {
        let (frame, columns, tie) = self.subquery(ast, place, true)?;
        if let Some(tie) = tie {
            let value = self.env.hidden("subquery");
            let ties = tie.columns_of(&frame)?;
            let frame = frame.select(ties.into_iter().chain([col(&columns[0]).alias(&value)]).collect::<Vec<_>>());
            return self.value_tied(&frame, &value, &tie, context);
        }
        let (name, rows) = (self.env.hidden("subquery"), self.env.hidden("rows"));
        let one = frame.head(2).agg([col(&columns[0]).first().alias(&name), size().alias(&rows)]);
        let schema = one.schema()?;
        let value = Arc::new(Schema::new(vec![Field::new(&name, schema.field(0).data_type().clone(), true)]));
        let announced = value.clone();
        let one = one.map_batches_with_schema(announced, move |batch| -> Result<RecordBatch> {
            let rows = batch.column(1).as_primitive::<Int64Type>();
            if rows.values().iter().any(|&rows| rows > 1) {
                let error = Error::new(ErrorKind::Value, "a subquery that stands for a value gives more than one row");
                return Err(error.help("aggregate it, or add LIMIT 1"));
            }
            Ok(RecordBatch::try_new(value.clone(), vec![batch.column(0).clone()])?)
        });
        self.attach(Attached::Row(one), context);
        Ok(col(name))
    }

    /// Whether a subquery gives any row.
    pub(super) fn exists(&mut self, ast: &'a Query, context: Context) -> Result<Expr> {
        let (frame, _, tie) = self.subquery(ast, Location::new(1, 1), false)?;
        if let Some(tie) = tie {
            return self.exists_tied(&frame.select(tie.columns_of(&frame)?), &tie, context);
        }
        let rows = self.env.hidden("rows");
        self.attach(Attached::Row(frame.head(1).agg([size().alias(&rows)])), context);
        Ok(col(rows).gt(0))
    }

    /// `value IN (subquery)`: null where the value, or one of the subquery, is null and nothing else decides.
    pub(super) fn in_subquery(
        &mut self,
        value: Expr,
        ast: &'a Query,
        place: Location,
        context: Context,
    ) -> Result<Expr> {
        let (frame, columns, tie) = self.subquery(ast, place, true)?;
        if let Some(tie) = tie {
            let key = self.env.hidden("value");
            let ties = tie.columns_of(&frame)?;
            let frame = frame.select(ties.into_iter().chain([col(&columns[0]).alias(&key)]).collect::<Vec<_>>());
            return self.in_tied(value, &frame, &key, &tie, context);
        }
        let [key, found, rows, values] = ["value", "found", "rows", "values"].map(|what| self.env.hidden(what));
        let own = frame.select([col(&columns[0]).alias(&key)]);
        let counts = own.agg([size().alias(&rows), col(&key).count().alias(&values)]);
        self.attach(Attached::Row(counts), context);
        let lookup = Attached::Lookup {
            keys: vec![(value.clone(), key)],
            frame: own,
            kept: vec![],
            condition: None,
            found: found.clone(),
            place,
        };
        self.attach(lookup, context);
        let unknown = value.is_null().or(col(&values).lt(col(&rows)));
        Ok(when(col(&rows).eq(0))
            .then(false)
            .when(col(&found).is_not_null())
            .then(true)
            .when(unknown)
            .then(lit(Literal::Null))
            .otherwise(false))
    }

    pub(super) fn attach(&mut self, attached: Attached, context: Context) {
        self.attached[usize::from(context.grouped)].push(attached);
    }

    /// The rows, or groups, with all that subqueries met so far put beside them.
    pub(super) fn with_attached(&mut self, mut frame: Frame, grouped: bool) -> Result<Frame> {
        for attached in std::mem::take(&mut self.attached[usize::from(grouped)]) {
            frame = match attached {
                Attached::Row(row) => frame.merge(row, Merge::cross()),
                Attached::Lookup { keys, frame: values, kept, condition, found, place } => {
                    let (frame, values, ours, theirs) = self.keyed(frame, values, keys, place)?;
                    match condition {
                        None => {
                            let columns = theirs.iter().chain(&kept).map(col).collect::<Vec<_>>();
                            let values = values.select(columns).drop_nulls_in(theirs.clone());
                            let values = values.drop_duplicates(theirs.clone(), Keep::First);
                            let values = values.with_column(&found, lit(true));
                            frame.merge(values, Merge::left().left_on(ours).right_on(theirs))
                        }
                        Some(condition) => {
                            let [row, pair] = ["row", "pair"].map(|what| self.env.hidden(what));
                            let frame = frame.with_column(&row, row_number());
                            let how = match ours.is_empty() {
                                true => Merge::cross(),
                                false => Merge::inner().left_on(ours).right_on(theirs),
                            };
                            let pairs = frame.merge(values, how).filter(condition).select([col(&row).alias(&pair)]);
                            let pairs = pairs.distinct().with_column(&found, lit(true));
                            frame.merge(pairs, Merge::left().left_on([&row]).right_on([&pair]))
                        }
                    }
                }
            };
        }
        Ok(frame)
    }

    /// Both frames with columns of one type to find each other by.
    fn keyed(
        &self,
        mut frame: Frame,
        mut values: Frame,
        keys: Vec<(Expr, String)>,
        place: Location,
    ) -> Result<(Frame, Frame, Vec<String>, Vec<String>)> {
        let blame = |error: Error| self.env.source.blame(error, place);
        let kind = |frame: &Frame, name: &str| -> Result<DataType> {
            Ok(frame.schema()?.field_with_name(name)?.data_type().clone())
        };
        let (mut ours, mut theirs) = (vec![], vec![]);
        for (value, key) in keys {
            let name = self.env.hidden("key");
            let mut value = value.alias(&name);
            let left = frame.select([value.clone()]);
            left.schema().map_err(blame)?;
            let (a, b) = (kind(&left, &name)?, kind(&values, &key)?);
            if a != b {
                let kind = super::join::common(&a, &b).ok_or_else(|| {
                    let (a, b) = (type_name(&a), type_name(&b));
                    let message = format!("a value of type {a} is looked up among values of type {b}");
                    blame(Error::new(ErrorKind::Type, message))
                })?;
                value = value.unaliased().cast(kind).alias(&name);
                values = values.with_column(&key, col(&key).cast(kind));
            }
            frame = frame.with_column(&name, value);
            ours.push(name);
            theirs.push(key);
        }
        Ok((frame, values, ours, theirs))
    }
}
