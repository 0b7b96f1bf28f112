//! Queries: WITH, set operations, VALUES and SELECT, and what sorts and cuts their rows.

use arrow::datatypes::DataType;
use sqlparser::ast::{self, Cte, Query, SetExpr, SetOperator, SetQuantifier, With};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use super::clauses::{Limit, Order, limit, nowhere, order, order_options, position};
use super::names::{Column, Env, Relation};
use super::select::{check, select};
use super::translate::{Context, Scope};
use super::values::values;
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, Type, col, type_name, widened};
use crate::frame::{Frame, Merge, Over, concat};

/// The rows of a query.
///
/// # Errors
/// [`ErrorKind::Sql`] at the place of what is not supported; all that is wrong in the frame so far.
pub(super) fn query<'a>(env: &'a Env<'a>, query: &'a Query) -> Result<Relation> {
    let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
        query;
    let source = env.source;
    source.refuse(fetch.is_some(), Keyword::FETCH, "FETCH (write LIMIT)")?;
    source.refuse(!locks.is_empty() || for_clause.is_some(), Keyword::FOR, "FOR")?;
    source.refuse(settings.is_some(), Keyword::SETTINGS, "SETTINGS")?;
    source.refuse(format_clause.is_some(), Keyword::FORMAT, "FORMAT")?;
    if !pipe_operators.is_empty() {
        return Err(source.unsupported(nowhere(), "a pipe operator"));
    }
    let tables = env.tables.borrow().len();
    let order = order(source, order_by.as_ref())?;
    let limit = limit(source, limit_clause.as_ref())?;
    let rows = with.as_ref().map_or(Ok(()), |with| name_tables(env, with)).and_then(|()| match &**body {
        SetExpr::Select(ast) => select(env, ast, &order, limit),
        body => ordered(env, set(env, body)?, &order, limit),
    });
    env.tables.borrow_mut().truncate(tables);
    rows
}

/// Plans the tables of WITH, each seeing those before it.
fn name_tables<'a>(env: &'a Env<'a>, with: &'a With) -> Result<()> {
    let With { with_token, recursive, cte_tables } = with;
    if *recursive {
        return Err(env.source.unsupported(with_token.0.span.start, "WITH RECURSIVE"));
    }
    for cte in cte_tables {
        let Cte { alias, query: ast, from, materialized: _, closing_paren_token: _ } = cte;
        if from.is_some() {
            return Err(env.source.unsupported(alias.name.span.start, "FROM after a table of WITH"));
        }
        let table = query(env, ast)?.aliased(env.source, alias)?;
        env.tables.borrow_mut().push((alias.name.value.clone(), table));
    }
    Ok(())
}

/// The rows of a query's body that is no SELECT.
fn set<'a>(env: &'a Env<'a>, body: &'a SetExpr) -> Result<Relation> {
    let source = env.source;
    match body {
        SetExpr::Select(ast) => select(env, ast, &Order::Keys(vec![]), Limit::default()),
        SetExpr::Query(inner) => query(env, inner),
        SetExpr::Values(ast) => values(env, ast),
        SetExpr::SetOperation { left, op, set_quantifier, right } => {
            let keyword = match op {
                SetOperator::Union => Keyword::UNION,
                SetOperator::Except => Keyword::EXCEPT,
                SetOperator::Intersect => Keyword::INTERSECT,
                SetOperator::Minus => Keyword::MINUS,
            };
            let place = source.keyword(keyword);
            let all = match set_quantifier {
                SetQuantifier::All => true,
                SetQuantifier::Distinct | SetQuantifier::None => false,
                SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                    return Err(source.unsupported(place, &format!("{op} BY NAME")));
                }
            };
            let (left, right) = (set(env, left)?, set(env, right)?);
            combined(env, left, right, *op, all, place)
        }
        SetExpr::Table(_) => Err(source.unsupported(nowhere(), "TABLE (write SELECT * FROM)")),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(source.unsupported(nowhere(), "a statement other than SELECT"))
        }
    }
}

/// A set operation: columns go together by their position, and are called as on the left.
fn combined(
    env: &Env,
    left: Relation,
    right: Relation,
    op: ast::SetOperator,
    all: bool,
    place: Location,
) -> Result<Relation> {
    let wrong = |message: String| env.source.error(place, message);
    if left.columns.len() != right.columns.len() {
        let (l, r) = (left.columns.len(), right.columns.len());
        return Err(wrong(format!("{op} of {l} columns and {r}: both sides need as many")));
    }
    let untyped: Vec<(bool, bool)> =
        left.columns.iter().zip(&right.columns).map(|(l, r)| (l.untyped, r.untyped)).collect();
    let schemas = [left.frame.schema()?, right.frame.schema()?];
    let mut sides: [Vec<Expr>; 2] = [vec![], vec![]];
    for (l, r) in left.columns.iter().zip(&right.columns) {
        let kinds =
            [schemas[0].field_with_name(&l.inner)?.data_type(), schemas[1].field_with_name(&r.inner)?.data_type()];
        let kind = match [l.untyped, r.untyped] {
            [false, true] => Some(kinds[0].clone()),
            [true, false] => Some(kinds[1].clone()),
            _ => widened(kinds[0], kinds[1]),
        };
        let kind = kind.and_then(|kind| Type::of(&kind)).ok_or_else(|| {
            let (a, b) = (type_name(kinds[0]), type_name(kinds[1]));
            wrong(format!("column '{}' is {a} on the left of {op} and {b} on the right", l.name))
                .help("give both one type with CAST")
        })?;
        for (side, (from, inner)) in [(kinds[0], &l.inner), (kinds[1], &r.inner)].into_iter().enumerate() {
            let column = if *from == DataType::from(kind) { col(inner) } else { col(inner).cast(kind) };
            sides[side].push(if column.name() == l.name { column } else { column.alias(&l.name) });
        }
    }
    let [l, r] = sides;
    let (left, right) = (left.frame.select(l), right.frame.select(r));
    let both = |left: &Frame, kind: Merge| {
        let schema = left.schema()?;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok::<Frame, Error>(left.merge(&right, kind.on(names).nulls_equal()))
    };
    let frame = match (op, all) {
        (SetOperator::Union, true) => concat([left, right]),
        (SetOperator::Union, false) => concat([left, right]).distinct(),
        (SetOperator::Intersect, false) => both(&left.distinct(), Merge::semi())?,
        (SetOperator::Except | SetOperator::Minus, false) => both(&left.distinct(), Merge::anti())?,
        // Of a row that is there twice, the first goes with the first of the other side, the second with the second.
        (op, true) => {
            let number = env.hidden("copy");
            let counted = |side: &Frame| -> Result<Frame> {
                let names: Vec<String> = side.schema()?.fields().iter().map(|field| field.name().clone()).collect();
                Ok(side.with_windows([Over::partition_by(names).row_number().alias(&number)]))
            };
            let kind = if op == SetOperator::Intersect { Merge::semi() } else { Merge::anti() };
            let names: Vec<String> = left.schema()?.fields().iter().map(|field| field.name().clone()).collect();
            let keys: Vec<String> = names.iter().chain([&number]).cloned().collect();
            counted(&left)?.merge(counted(&right)?, kind.on(keys).nulls_equal()).select(names)
        }
    };
    let mut rows = Relation::new(frame, None)?;
    for (column, (l, r)) in rows.columns.iter_mut().zip(untyped) {
        column.untyped = l && r;
    }
    Ok(rows)
}

/// Sorted and cut rows; the keys see the columns of the result alone.
fn ordered<'a>(env: &'a Env<'a>, rows: Relation, order: &Order<'a>, limit: Limit) -> Result<Relation> {
    let Relation { mut frame, columns } = rows;
    let mut scope = Scope::new(env, columns.clone());
    let mut keys = vec![];
    match order {
        Order::All { descending, nulls_first } => {
            keys.extend(columns.iter().map(|column| sort_key(col(&column.inner), *descending, *nulls_first)));
        }
        Order::Keys(list) => {
            for key in list {
                let (ast, descending, nulls_first) = order_options(env.source, key)?;
                let expr = match position(env.source, ast, "ORDER BY", columns.len())? {
                    Some(index) => col(&columns[index].inner),
                    None => scope.expr(ast, Context::rows("ORDER BY of UNION, INTERSECT or EXCEPT"))?,
                };
                let key = sort_key(expr, descending, nulls_first);
                check(env.source, env.source.start(ast), &frame.sort([key.clone()]))?;
                keys.push(key);
            }
        }
    }
    if !keys.is_empty() {
        frame = scope.with_attached(frame, false)?.sort(keys);
    }
    if limit.limit.is_some() || limit.offset > 0 {
        frame = frame.slice(limit.offset, limit.limit);
    }
    Ok(Relation { frame, columns })
}

pub(super) fn sort_key(expr: Expr, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { expr, descending, nulls_first }
}

/// The relation under the names of its columns, as the frame of a whole query.
pub(super) fn finished(rows: Relation) -> Result<Frame> {
    let Relation { frame, columns } = rows;
    let schema = frame.schema()?;
    let as_they_are = schema.fields().len() == columns.len()
        && schema.fields().iter().zip(&columns).all(|(f, c)| *f.name() == c.name && c.inner == c.name);
    if as_they_are {
        return Ok(frame);
    }
    let unique = |column: &Column| super::aggregates::named(col(&column.inner), &column.name);
    Ok(frame.select(columns.iter().map(unique).collect::<Vec<_>>()))
}
