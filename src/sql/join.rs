//! JOIN: equalities between the two sides become keys of a merge, further conditions filter what it pairs.
//!
//! Where a further condition speaks of both sides and rows without a match come out too, rows are numbered first: the pairs that
//! pass the condition are one frame, and the rows whose number is not among them another.

use sqlparser::ast::{
    BinaryOperator, Expr as Ast, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use arrow::datatypes::DataType;

use super::from::table;
use super::names::{Column, Env, Relation, find};
use super::select::check;
use super::translate::{Context, Scope, join as joined_by};
use super::walk::{has_subquery, operands};
use crate::error::Result;
use crate::expr::{BinaryOp, Expr, MergeKind, Node, Type, coalesce, col, row_number, widened};
use crate::frame::{Frame, Merge, concat};

/// Two columns whose values must be equal.
struct Pair {
    left: Expr,
    right: Expr,
}

/// What ON says: keys, and what else must hold.
#[derive(Default)]
struct Conditions {
    pairs: Vec<Pair>,
    /// Of the left side alone, of the right side alone, of both.
    left: Vec<Expr>,
    right: Vec<Expr>,
    both: Vec<Expr>,
}

/// A table joined to those before it.
pub(super) fn joined<'a>(env: &'a Env<'a>, left: Relation, join: &'a Join) -> Result<Relation> {
    let Join { relation, global, join_operator } = join;
    let source = env.source;
    source.refuse(*global, Keyword::GLOBAL, "GLOBAL")?;
    let right = table(env, relation)?;
    let (kind, swapped, constraint) = match join_operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => (MergeKind::Inner, false, on),
        JoinOperator::CrossJoin(on) => (MergeKind::Cross, false, on),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (MergeKind::Left, false, on),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (MergeKind::Right, false, on),
        JoinOperator::FullOuter(on) => (MergeKind::Outer, false, on),
        JoinOperator::Semi(on) | JoinOperator::LeftSemi(on) => (MergeKind::Semi, false, on),
        JoinOperator::Anti(on) | JoinOperator::LeftAnti(on) => (MergeKind::Anti, false, on),
        JoinOperator::RightSemi(on) => (MergeKind::Semi, true, on),
        JoinOperator::RightAnti(on) => (MergeKind::Anti, true, on),
        _ => return Err(source.unsupported(source.keyword(Keyword::JOIN), "this kind of JOIN")),
    };
    let (left, right) = if swapped { (right, left) } else { (left, right) };
    let (left, right) = apart(left, right);
    let place = source.keyword(Keyword::JOIN);
    match constraint {
        JoinConstraint::On(on) => {
            let conditions = conditions(env, &left, &right, &operands(on, &BinaryOperator::And))?;
            merge(env, left, right, kind, conditions, source.start(on))
        }
        JoinConstraint::Using(columns) => {
            let columns: Vec<Ident> = columns.iter().map(|name| only(env, name)).collect::<Result<_>>()?;
            using(env, left, right, kind, &columns, place)
        }
        JoinConstraint::Natural => {
            let shared =
                left.columns.iter().filter(|l| l.plain && right.columns.iter().any(|r| r.plain && r.name == l.name));
            let columns: Vec<Ident> = shared.map(|column| Ident::with_quote('"', &column.name)).collect();
            if columns.is_empty() {
                return Err(source.error(place, "NATURAL JOIN of tables without a column in common"));
            }
            using(env, left, right, kind, &columns, place)
        }
        JoinConstraint::None if kind == MergeKind::Cross => merge(env, left, right, kind, Conditions::default(), place),
        JoinConstraint::None => {
            Err(source.error(place, "a JOIN needs ON or USING").help("for every row with every row write CROSS JOIN"))
        }
    }
}

fn only(env: &Env, name: &ObjectName) -> Result<Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(ident.clone()),
        _ => Err(env.source.error(env.source.place(name), "USING takes names of columns, without their tables'")),
    }
}

/// Tables parted by commas: each is joined to those before it by equalities of WHERE, or with every row where there is none.
pub(super) fn join_all<'a>(env: &'a Env<'a>, tables: Vec<Relation>, wheres: &mut Vec<&'a Ast>) -> Result<Relation> {
    let mut tables = std::collections::VecDeque::from(tables);
    let Some(mut all) = tables.pop_front() else { return super::values::one_row(env) };
    while !tables.is_empty() {
        let mut next = None;
        for (at, table) in tables.iter().enumerate() {
            let (left, right) = apart(all.clone(), table.clone());
            let mut found = vec![];
            for (i, part) in wheres.iter().enumerate().filter(|(_, part)| !has_subquery(part)) {
                if let Ok(conditions) = conditions(env, &left, &right, &[*part])
                    && conditions.pairs.len() == 1
                {
                    found.push(i);
                }
            }
            if !found.is_empty() {
                next = Some((at, found));
                break;
            }
        }
        let (at, found) = next.unwrap_or((0, vec![]));
        let Some(table) = tables.remove(at) else { break };
        let (left, right) = apart(all, table);
        let parts: Vec<&'a Ast> = found.iter().map(|&i| wheres[i]).collect();
        let mut i = 0;
        wheres.retain(|_| (!found.contains(&i), i += 1).0);
        let place = parts.first().map_or(Location::new(1, 1), |part| env.source.start(part));
        let kind = if parts.is_empty() { MergeKind::Cross } else { MergeKind::Inner };
        let on = conditions(env, &left, &right, &parts)?;
        all = merge(env, left, right, kind, on, place)?;
    }
    Ok(all)
}

/// The two sides, with no name in both frames.
fn apart(left: Relation, mut right: Relation) -> (Relation, Relation) {
    let mut renamed = vec![];
    for at in 0..right.columns.len() {
        let column = &right.columns[at];
        let mut name = column.inner.clone();
        if !left.has_inner(&name) {
            continue;
        }
        if let Some(table) = &column.table {
            name = format!("{table}.{}", column.name);
        }
        while left.has_inner(&name) || right.has_inner(&name) {
            name.push('\'');
        }
        renamed.push((column.inner.clone(), name.clone()));
        right.columns[at].inner = name;
    }
    let columns = right.columns.iter().map(|column| {
        let old = renamed.iter().find(|(_, new)| *new == column.inner).map_or(&column.inner, |(old, _)| old);
        super::aggregates::named(col(old), &column.inner)
    });
    if !right.columns.is_empty() {
        // Hidden columns stay behind.
        let columns: Vec<Expr> = columns.collect();
        right.frame = right.frame.select(columns);
    }
    (left, right)
}

/// The parts of a condition, sorted by the sides that they speak of.
fn conditions<'a>(env: &'a Env<'a>, left: &Relation, right: &Relation, parts: &[&'a Ast]) -> Result<Conditions> {
    let mut scope = Scope::new(env, left.columns.iter().chain(&right.columns).cloned().collect());
    let mut all = Conditions::default();
    let of = |side: &Relation, expr: &Expr| {
        let columns = expr.columns();
        columns.iter().all(|name| side.has_inner(name)) && !columns.is_empty()
    };
    for part in parts {
        if has_subquery(part) {
            return Err(env.source.unsupported(env.source.start(part), "a subquery in ON"));
        }
        let expr = scope.expr(part, Context::rows("ON"))?;
        match expr.node() {
            Node::Binary(BinaryOp::Eq, l, r) if of(left, l) && of(right, r) => {
                all.pairs.push(Pair { left: l.clone(), right: r.clone() });
            }
            Node::Binary(BinaryOp::Eq, r, l) if of(left, l) && of(right, r) => {
                all.pairs.push(Pair { left: l.clone(), right: r.clone() });
            }
            _ if of(left, &expr) => all.left.push(expr),
            _ if of(right, &expr) => all.right.push(expr),
            _ => all.both.push(expr),
        }
    }
    Ok(all)
}

/// Joins by columns that both sides have, which come out once.
fn using<'a>(
    env: &'a Env<'a>,
    left: Relation,
    right: Relation,
    kind: MergeKind,
    names: &[Ident],
    place: Location,
) -> Result<Relation> {
    let mut on = Conditions::default();
    let mut keys: Vec<(Column, Column)> = vec![];
    for name in names {
        let side = |side: &Relation| {
            find(env.source, &side.columns, None, name)?.cloned().ok_or_else(|| {
                let known = side.columns.iter().map(|column| column.name.as_str());
                env.source.blame(crate::error::Error::unknown_column(&name.value, known), name.span.start)
            })
        };
        let (l, r) = (side(&left)?, side(&right)?);
        on.pairs.push(Pair { left: col(&l.inner), right: col(&r.inner) });
        keys.push((l, r));
    }
    let mut rows = merge(env, left, right, kind, on, place)?;
    if !kind.shows_right() {
        return Ok(rows);
    }
    for (l, r) in keys {
        let mut merged = Column { table: None, shown: true, plain: true, ..l.clone() };
        merged.inner = match kind {
            MergeKind::Right => r.inner.clone(),
            MergeKind::Outer => {
                let both = env.hidden("key");
                rows.frame = rows.frame.with_column(&both, coalesce([col(&l.inner), col(&r.inner)]));
                both
            }
            _ => l.inner.clone(),
        };
        for column in rows.columns.iter_mut().filter(|c| c.inner == l.inner || c.inner == r.inner) {
            (column.shown, column.plain) = (false, false);
        }
        let at = rows.columns.iter().position(|column| column.inner == l.inner).unwrap_or(0);
        rows.columns.insert(at, merged);
    }
    Ok(rows)
}

/// The type in which values of two types are compared.
pub(super) fn common(a: &DataType, b: &DataType) -> Option<Type> {
    widened(a, b).and_then(|kind| Type::of(&kind))
}

/// Merges two sides.
fn merge(
    env: &Env,
    mut left: Relation,
    mut right: Relation,
    kind: MergeKind,
    on: Conditions,
    place: Location,
) -> Result<Relation> {
    let source = env.source;
    let Conditions { pairs, left: of_left, right: of_right, mut both } = on;
    let columns: Vec<Column> = match kind.shows_right() {
        true => left.columns.iter().chain(&right.columns).cloned().collect(),
        false => left.columns.clone(),
    };
    for (side, conditions) in [(&left, &of_left), (&right, &of_right)] {
        for condition in conditions {
            check(source, place, &side.frame.filter(condition.clone()))?;
        }
    }
    // A condition of one side filters it, where its rows without a match don't come out.
    let filters_left = matches!(kind, MergeKind::Inner | MergeKind::Cross | MergeKind::Semi | MergeKind::Right);
    let filters_right = !kind.keeps_right();
    for (filters, side, conditions) in [(filters_left, &mut left, of_left), (filters_right, &mut right, of_right)] {
        match filters {
            true => {
                side.frame = conditions.into_iter().fold(side.frame.clone(), |frame, condition| frame.filter(condition))
            }
            false => both.extend(conditions),
        }
    }
    // Keys of one type on both sides, in columns of their own unless they are columns.
    let (mut left_keys, mut right_keys): (Vec<String>, Vec<String>) = (vec![], vec![]);
    for Pair { left: l, right: r } in pairs {
        let kinds = [(&left, &l), (&right, &r)].map(|(side, key)| -> Result<DataType> {
            let key = side.frame.select([key.clone()]);
            Ok(key.schema().map_err(|error| source.blame(error, place))?.field(0).data_type().clone())
        });
        let [a, b] = kinds;
        let (a, b) = (a?, b?);
        let Some(kind) = common(&a, &b) else {
            // The comparison tells what is wrong.
            both.push(l.eq(r));
            continue;
        };
        let l = key(env, &mut left.frame, l, &a, kind);
        let r = key(env, &mut right.frame, r, &b, kind);
        if !left_keys.iter().zip(&right_keys).any(|(a, b)| *a == l && *b == r) {
            left_keys.push(l);
            right_keys.push(r);
        }
    }
    let how = |kind: MergeKind| match (left_keys.is_empty(), kind) {
        (true, _) | (_, MergeKind::Cross) => Merge::cross(),
        (_, MergeKind::Inner) => Merge::inner(),
        (_, MergeKind::Left) => Merge::left(),
        (_, MergeKind::Right) => Merge::right(),
        (_, MergeKind::Outer) => Merge::outer(),
        (_, MergeKind::Semi) => Merge::semi(),
        (_, MergeKind::Anti) => Merge::anti(),
    };
    let keyed = |merge: Merge| match left_keys.is_empty() {
        true => merge,
        false => merge.left_on(left_keys.clone()).right_on(right_keys.clone()),
    };
    let condition = (!both.is_empty()).then(|| joined_by(&both, Expr::and));
    let simple = matches!(kind, MergeKind::Inner | MergeKind::Cross) || condition.is_none() && !left_keys.is_empty();
    let frame = match simple {
        true => {
            let merged = left.frame.merge(&right.frame, keyed(how(kind)));
            check(source, place, &merged)?;
            condition.into_iter().fold(merged, |frame, condition| frame.filter(condition))
        }
        false => numbered(env, &left, &right, kind, keyed(how(MergeKind::Inner)), condition),
    };
    check(source, place, &frame)?;
    Ok(Relation { frame, columns })
}

/// A key as a column of its side, of this type.
fn key(env: &Env, frame: &mut Frame, key: Expr, of: &DataType, kind: Type) -> String {
    if let Node::Column(name) = key.node()
        && *of == DataType::from(kind)
    {
        return name.to_string();
    }
    let name = env.hidden("key");
    let key = if *of == DataType::from(kind) { key } else { key.cast(kind) };
    *frame = frame.with_column(&name, key);
    name
}

/// A join of which rows without a match come out, or rows with a match but once, where a condition decides on pairs.
fn numbered(
    env: &Env,
    left: &Relation,
    right: &Relation,
    kind: MergeKind,
    merge: Merge,
    condition: Option<Expr>,
) -> Frame {
    let [l, r, pair] = ["left row", "right row", "row"].map(|what| env.hidden(what));
    let lefts = left.frame.with_column(&l, row_number());
    let rights = right.frame.with_column(&r, row_number());
    let pairs = lefts.merge(&rights, merge);
    let pairs = condition.into_iter().fold(pairs, |frame, condition| frame.filter(condition));
    let inner = |side: &Relation| side.columns.iter().map(|column| col(&column.inner)).collect::<Vec<_>>();
    let numbers = |row: &str| pairs.select([col(row).alias(&pair)]);
    let by = |merge: Merge, row: &str| merge.left_on([row]).right_on([pair.as_str()]);
    let columns: Vec<Expr> = inner(left).into_iter().chain(inner(right)).collect();
    let with_lefts = || {
        let matched = pairs.select(inner(right).into_iter().chain([col(&l).alias(&pair)]).collect::<Vec<_>>());
        lefts.merge(matched, by(Merge::left(), &l)).select(columns.clone())
    };
    match kind {
        MergeKind::Semi => lefts.merge(numbers(&l), by(Merge::semi(), &l)),
        MergeKind::Anti => lefts.merge(numbers(&l), by(Merge::anti(), &l)),
        MergeKind::Right => {
            let matched = pairs.select(inner(left).into_iter().chain([col(&r).alias(&pair)]).collect::<Vec<_>>());
            rights.merge(matched, by(Merge::left(), &r)).select(columns.clone())
        }
        MergeKind::Outer => {
            let alone = rights.merge(numbers(&r), by(Merge::anti(), &r)).select(inner(right));
            // Columns that it lacks are null.
            concat([with_lefts(), alone]).select(columns.clone())
        }
        _ => with_lefts(),
    }
}
