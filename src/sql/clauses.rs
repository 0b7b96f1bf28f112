//! ORDER BY and LIMIT as the parser has them, taken apart: clauses of other databases are refused at their place.
//!
//! The parser's structs are taken apart field by field and never with `..`: a clause that a later version of the
//! parser knows breaks the build, and so can't be dropped in silence.

use sqlparser::ast::{
    Expr as Ast, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use super::source::Source;
use crate::error::Result;

/// What ORDER BY asks for.
pub(super) enum Order<'a> {
    /// `ORDER BY ALL`: all columns of the result.
    All {
        descending: bool,
        nulls_first: bool,
    },
    Keys(Vec<&'a OrderByExpr>),
}

/// LIMIT and OFFSET.
#[derive(Clone, Copy, Default)]
pub(super) struct Limit {
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

pub(super) fn order<'a>(source: &Source, order_by: Option<&'a OrderBy>) -> Result<Order<'a>> {
    let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(Order::Keys(vec![])) };
    source.refuse(interpolate.is_some(), Keyword::INTERPOLATE, "INTERPOLATE")?;
    match kind {
        OrderByKind::All(options) => {
            let (descending, nulls_first) = options_of(source, options)?;
            Ok(Order::All { descending, nulls_first })
        }
        OrderByKind::Expressions(keys) => Ok(Order::Keys(keys.iter().collect())),
    }
}

/// A key's expression, whether it is descending, and whether nulls come first: they come last unless told otherwise.
pub(super) fn order_options<'a>(source: &Source, key: &'a OrderByExpr) -> Result<(&'a Ast, bool, bool)> {
    let OrderByExpr { expr, options, with_fill } = key;
    source.refuse(with_fill.is_some(), Keyword::FILL, "WITH FILL")?;
    let (descending, nulls_first) = options_of(source, options)?;
    Ok((expr, descending, nulls_first))
}

fn options_of(source: &Source, options: &OrderByOptions) -> Result<(bool, bool)> {
    let OrderByOptions { sort, nulls_first } = options;
    let descending = match sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => {
            return Err(source.unsupported(source.keyword(Keyword::USING), "ORDER BY … USING"));
        }
    };
    Ok((descending, nulls_first.unwrap_or(false)))
}

pub(super) fn limit(source: &Source, clause: Option<&LimitClause>) -> Result<Limit> {
    let (limit, offset) = match clause {
        None => return Ok(Limit::default()),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            source.refuse(!limit_by.is_empty(), Keyword::LIMIT, "LIMIT … BY")?;
            (limit.as_ref(), offset.as_ref().map(|Offset { value, rows: _ }| value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
    };
    let limit = limit.map(|limit| row_count(source, limit, Keyword::LIMIT)).transpose()?;
    let offset = offset.map_or(Ok(0), |offset| row_count(source, offset, Keyword::OFFSET))?;
    Ok(Limit { limit, offset })
}

fn row_count(source: &Source, ast: &Ast, keyword: Keyword) -> Result<usize> {
    let mut place = source.after(keyword);
    if let Ast::Value(value) = ast {
        if let Value::Number(digits, _) = &value.value
            && let Ok(rows) = digits.parse()
        {
            return Ok(rows);
        }
        place = value.span.start;
    }
    Err(source.error(place, format!("{keyword:?} takes a whole number of rows, such as 10")))
}

/// What an integer by itself means in GROUP BY and ORDER BY: the index of an entry of the SELECT list.
pub(super) fn position(source: &Source, ast: &Ast, clause: &str, entries: usize) -> Result<Option<usize>> {
    let Ast::Value(value) = ast else { return Ok(None) };
    let Value::Number(digits, _) = &value.value else { return Ok(None) };
    if let Ok(position @ 1..) = digits.parse::<usize>()
        && position <= entries
    {
        return Ok(Some(position - 1));
    }
    let message = format!("{clause} takes an expression, or a position of the SELECT list from 1 to {entries}");
    Err(source.error(value.span.start, message))
}

/// A place that is not known: where the query begins.
pub(super) fn nowhere() -> Location {
    Location::new(1, 1)
}
