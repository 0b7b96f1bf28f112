//! Subqueries within expressions: each is put beside the rows as a column.
//!
//! One that gives a single value is a table of one row, merged with every row. `x IN (…)` looks `x` up among the distinct values of the
//! subquery. None may use columns of the query around it.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use sqlparser::ast::Query;
use sqlparser::tokenizer::Location;

use super::names::Relation;
use super::query::query;
use super::translate::{Context, Scope};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, Literal, col, lit, size, when};
use crate::frame::{Frame, Merge};

/// What is put beside rows, in columns of hidden names.
pub(super) enum Attached {
    /// A table of one row.
    Row(Frame),
    /// A table in which a value of the row is looked up: the value, and the column of distinct values to find it in.
    Lookup { value: Expr, frame: Frame, key: String, place: Location },
}

impl<'a> Scope<'a> {
    /// Plans a subquery, whose one column it must be where `columns` says so.
    fn subquery(&self, ast: &'a Query, place: Location, one_column: bool) -> Result<(Frame, Vec<String>)> {
        self.env.outer.borrow_mut().push(self.columns.clone());
        let planned = query(self.env, ast);
        self.env.outer.borrow_mut().pop();
        let Relation { frame, columns } = planned?;
        if one_column && columns.len() != 1 {
            let message = format!("a subquery here gives one column, and this one gives {}", columns.len());
            return Err(self.env.source.error(place, message));
        }
        Ok((frame, columns.into_iter().map(|column| column.inner).collect()))
    }

    /// A subquery as a value: that of its one row, null where it has none.
    pub(super) fn scalar_subquery(&mut self, ast: &'a Query, place: Location, context: Context) -> Result<Expr> {
        let (frame, columns) = self.subquery(ast, place, true)?;
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
        let (frame, _) = self.subquery(ast, Location::new(1, 1), false)?;
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
        let (frame, columns) = self.subquery(ast, place, true)?;
        let [key, found, rows, values] = ["value", "found", "rows", "values"].map(|what| self.env.hidden(what));
        let own = frame.select([col(&columns[0]).alias(&key)]);
        let counts = own.agg([size().alias(&rows), col(&key).count().alias(&values)]);
        let distinct = own.drop_nulls().distinct().with_column(&found, lit(true));
        self.attach(Attached::Row(counts), context);
        self.attach(Attached::Lookup { value: value.clone(), frame: distinct, key, place }, context);
        let unknown = value.is_null().or(col(&values).lt(col(&rows)));
        Ok(when(col(&rows).eq(0))
            .then(false)
            .when(col(&found).is_not_null())
            .then(true)
            .when(unknown)
            .then(lit(Literal::Null))
            .otherwise(false))
    }

    fn attach(&mut self, attached: Attached, context: Context) {
        self.attached[usize::from(context.grouped)].push(attached);
    }

    /// The rows, or groups, with all that subqueries met so far put beside them.
    pub(super) fn with_attached(&mut self, mut frame: Frame, grouped: bool) -> Result<Frame> {
        for attached in std::mem::take(&mut self.attached[usize::from(grouped)]) {
            frame = match attached {
                Attached::Row(row) => frame.merge(row, Merge::cross()),
                Attached::Lookup { value, frame: values, key, place } => {
                    let blame = |error: Error| self.env.source.blame(error, place);
                    let ours = self.env.hidden("key");
                    let value = value.alias(&ours);
                    let kind = |frame: &Frame, name: &str| -> Result<DataType> {
                        Ok(frame.schema()?.field_with_name(name)?.data_type().clone())
                    };
                    let left = frame.select([value.clone()]);
                    left.schema().map_err(blame)?;
                    let (a, b) = (kind(&left, &ours)?, kind(&values, &key)?);
                    let (mut values, mut value) = (values, value);
                    if a != b {
                        let kind = super::join::common(&a, &b).ok_or_else(|| {
                            blame(Error::new(
                                ErrorKind::Type,
                                format!(
                                    "a value of type {} is looked up among values of type {}",
                                    crate::expr::type_name(&a),
                                    crate::expr::type_name(&b)
                                ),
                            ))
                        })?;
                        value = value.unaliased().cast(kind).alias(&ours);
                        values = values
                            .with_column(&key, col(&key).cast(kind))
                            .drop_duplicates([&key], crate::frame::Keep::First);
                    }
                    frame.with_column(&ours, value).merge(values, Merge::left().left_on([&ours]).right_on([&key]))
                }
            };
        }
        Ok(frame)
    }
}
