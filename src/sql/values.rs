//! VALUES, and the one row that a SELECT without FROM is over.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{Field, Schema};
use sqlparser::ast::Values;

use super::names::{Column, Env, Relation};
use super::translate::{Context, Scope};
use crate::batch::Table;
use crate::error::Result;
use crate::expr::{Expr, Type, widened};

/// A table of one row, and of no column that a query sees.
pub(super) fn one_row(env: &Env) -> Result<Relation> {
    Ok(Relation { frame: env.session.frame(Table::new(row()?.schema(), vec![row()?])?), columns: vec![] })
}

fn row() -> Result<RecordBatch> {
    let one: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    Ok(RecordBatch::try_from_iter_with_nullable([("(row)", one, true)])?)
}

/// The rows of VALUES: columns `col0`, `col1` and so on, as DuckDB calls them, each of the narrowest type that holds its values.
pub(super) fn values<'a>(env: &'a Env<'a>, values: &'a Values) -> Result<Relation> {
    let Values { explicit_row: _, value_keyword: _, rows } = values;
    let row = row()?;
    let mut columns: Vec<Vec<(Expr, Type, bool)>> = vec![];
    for list in rows {
        let first = list.content.first().map_or_else(|| env.source.end(), |ast| env.source.start(ast));
        if !columns.is_empty() && columns.len() != list.content.len() {
            return Err(env.source.error(first, "the rows of VALUES are not equally long"));
        }
        columns.resize_with(list.content.len(), Vec::new);
        for (column, ast) in columns.iter_mut().zip(&list.content) {
            let place = env.source.start(ast);
            let expr = Scope::new(env, vec![]).expr(ast, Context::rows("VALUES"))?;
            let kind = expr.bind(&row.schema()).map_err(|error| env.source.blame(error, place))?.kind();
            let is_null = matches!(expr.node(), crate::expr::Node::Literal(crate::expr::Literal::Null));
            let known = column.iter().find(|(_, _, null)| !null).map(|(_, kind, _)| *kind);
            if let Some(known) = known.filter(|_| !is_null)
                && widened(&known.arrow(), &kind.arrow()).is_none()
            {
                return Err(env.source.error(place, format!("{ast} is {kind}, and values before it are {known}")));
            }
            column.push((expr, kind, is_null));
        }
    }
    let (mut fields, mut arrays) = (vec![], vec![]);
    for (at, cells) in columns.into_iter().enumerate() {
        let kinds = cells.iter().filter(|(_, _, null)| !null).map(|(_, kind, _)| kind.arrow());
        let kind = kinds.reduce(|a, b| widened(&a, &b).unwrap_or(a)).and_then(|kind| Type::of(&kind));
        let kind = kind.unwrap_or(Type::Int64);
        let cell = |(expr, of, null): (Expr, Type, bool)| -> Result<ArrayRef> {
            let expr = if null || of != kind { expr.cast(kind) } else { expr };
            expr.bind(&row.schema())?.eval(&row)
        };
        let cells = cells.into_iter().map(cell).collect::<Result<Vec<_>>>()?;
        arrays.push(concat(&cells.iter().map(|cell| cell.as_ref()).collect::<Vec<_>>())?);
        fields.push(Field::new(format!("col{at}"), kind.arrow(), true));
    }
    let schema = Arc::new(Schema::new(fields));
    let table = Table::new(schema.clone(), vec![RecordBatch::try_new(schema.clone(), arrays)?])?;
    let columns = schema.fields().iter().map(|field| Column::new(None, field.name())).collect();
    Ok(Relation { frame: env.session.frame(table), columns })
}
