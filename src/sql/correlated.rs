//! Subqueries that use columns of the query around them: what ties the two is taken out of the subquery's WHERE, and joins them.
//!
//! `WHERE EXISTS (SELECT * FROM b WHERE b.k = a.k AND b.v > a.v AND b.t = 1)`: the last condition stays where it is; the first is a pair of
//! keys, by which rows of `a` look up rows of `b`; the second decides which of the rows found count. A subquery that stands for a value is an
//! aggregate, which is grouped by its keys: `(SELECT sum(v) FROM b WHERE b.k = a.k)`. So the subquery runs once, and not for each row.

use sqlparser::ast::{BinaryOperator, Expr as Ast, Query, Select, SetExpr};
use sqlparser::tokenizer::Location;

use super::aggregates::{Key, named};
use super::names::{Column, Env, find};
use super::subquery::Attached;
use super::translate::{Context, Scope, join};
use super::walk::{has_subquery, identifiers, operands};
use crate::batch::Table;
use crate::error::Result;
use crate::expr::{Expr, Literal, col, lit, when};
use crate::frame::Frame;

/// What ties a subquery to the query around it.
pub(super) struct Correlation<'a> {
    /// Equalities: what the query around gives, and the subquery's column that is equal.
    keys: Vec<(&'a Ast, String)>,
    /// Other conditions, of both.
    others: Vec<&'a Ast>,
    /// What those may name of the subquery, in columns of hidden names.
    columns: Vec<Column>,
    /// Of an aggregate: its value over no rows, as a table of one row and its column.
    pub(super) of_nothing: Option<(Frame, String)>,
    pub(super) place: Location,
}

impl Correlation<'_> {
    /// How many columns behind its own the subquery has for these.
    pub(super) fn width(&self) -> usize {
        self.keys.len() + self.columns.len()
    }

    /// Those columns of its frame.
    pub(super) fn columns_of(&self, rows: &Frame) -> Result<Vec<Expr>> {
        let schema = rows.schema()?;
        let fields = schema.fields();
        Ok(fields.iter().skip(fields.len() - self.width()).map(|field| col(field.name())).collect())
    }
}

/// The SELECT that a subquery is, if it is one.
pub(super) fn body(ast: &Query) -> Option<&Select> {
    match &*ast.body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(inner) => body(inner),
        _ => None,
    }
}

/// Takes the conditions that name columns of the query around out of those of a subquery's own WHERE.
pub(super) fn take<'a>(
    env: &'a Env<'a>,
    select: &'a Select,
    own: &[Column],
    wheres: &mut Vec<&'a Ast>,
) -> Vec<&'a Ast> {
    if !env.body.get().is_some_and(|body| std::ptr::eq(body, select)) {
        return vec![];
    }
    let outer = env.outer.borrow();
    let Some(around) = outer.last() else { return vec![] };
    let (tied, local) = wheres.iter().partition(|part| !has_subquery(part) && uses(env, part, own, around));
    *wheres = local;
    tied
}

/// Whether an expression names a column that is not the subquery's own, but of the query around it.
fn uses(env: &Env, ast: &Ast, own: &[Column], around: &[Column]) -> bool {
    let is_in = |columns: &[Column], (table, name)| !matches!(find(env.source, columns, table, name), Ok(None));
    identifiers(ast).into_iter().any(|name| !is_in(own, name) && is_in(around, name))
}

/// Whether it names no column of the subquery.
fn is_around(env: &Env, ast: &Ast, own: &[Column]) -> bool {
    identifiers(ast).into_iter().all(|(table, name)| matches!(find(env.source, own, table, name), Ok(None)))
}

/// The conditions as keys and others, and what the subquery is to give for them: expressions under hidden names.
pub(super) fn untie<'a>(
    scope: &mut Scope<'a>,
    tied: &[&'a Ast],
    grouped: bool,
) -> Result<(Correlation<'a>, Vec<(String, Expr)>)> {
    let env = scope.env;
    let place = tied.first().map_or(Location::new(1, 1), |ast| env.source.start(ast));
    let around = env.outer.borrow().last().cloned().unwrap_or_default();
    let mut all = Correlation { keys: vec![], others: vec![], columns: vec![], of_nothing: None, place };
    let mut given = vec![];
    for &ast in tied {
        let sides = match ast {
            Ast::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((&**left, &**right)),
            _ => None,
        };
        let pair = sides.and_then(|(l, r)| {
            let is_own = |ast: &Ast| !uses(env, ast, &scope.columns, &around);
            match () {
                () if is_around(env, l, &scope.columns) && is_own(r) => Some((l, r)),
                () if is_around(env, r, &scope.columns) && is_own(l) => Some((r, l)),
                () => None,
            }
        });
        match pair {
            Some((theirs, own)) => {
                let key = scope.expr(own, Context::rows("WHERE"))?;
                let name = env.hidden("tie");
                if grouped {
                    scope.keys.push(Key { expr: key, name: name.clone() });
                    given.push((name.clone(), col(&name)));
                } else {
                    given.push((name.clone(), key));
                }
                all.keys.push((theirs, name));
            }
            None if grouped => {
                let what = "a condition but = that ties an aggregate to the query around it";
                return Err(env.source.unsupported(env.source.start(ast), what));
            }
            None => all.others.push(ast),
        }
    }
    for (table, name) in all.others.iter().flat_map(|ast| identifiers(ast)) {
        if let Some(column) = find(env.source, &scope.columns, table, name)? {
            if all.columns.iter().any(|known| known.name == column.name && known.table == column.table) {
                continue;
            }
            let hidden = env.hidden("tied");
            given.push((hidden.clone(), col(&column.inner)));
            all.columns.push(Column { inner: hidden, ..column.clone() });
        }
    }
    if given.is_empty() {
        // Conditions of the query around alone: what is looked up has no columns but this.
        let hidden = env.hidden("tied");
        given.push((hidden.clone(), lit(true)));
        all.columns.push(Column::new(None, &hidden));
    }
    Ok((all, given))
}

impl<'a> Scope<'a> {
    /// The value of an aggregate over no rows at all: what stands for it where nothing is found.
    pub(super) fn over_nothing(&mut self, rows: &Frame, value: &Expr) -> Result<(Frame, String)> {
        let none = self.env.session.frame(Table::new(rows.schema()?, vec![])?);
        let keys = std::mem::take(&mut self.keys);
        let groups = self.grouped(&none);
        self.keys = keys;
        let name = self.env.hidden("of nothing");
        Ok((groups?.select([named(value.clone(), &name)]), name))
    }

    /// Puts beside the rows whether the subquery has a row that goes with them, and what else it has in it; the column that tells, which is null
    /// where there is none.
    fn look_up(
        &mut self,
        rows: &Frame,
        tie: &Correlation<'a>,
        further: Option<(&Expr, &str)>,
        kept: &[String],
        context: Context,
    ) -> Result<Expr> {
        let source = self.env.source;
        let mut keys = vec![];
        for (ast, name) in &tie.keys {
            keys.push((self.expr(ast, context.deeper())?, name.clone()));
        }
        keys.extend(further.map(|(value, name)| (value.clone(), name.to_owned())));
        if context.grouped && !tie.others.is_empty() {
            return Err(source.unsupported(tie.place, "a condition but = that ties a subquery to groups"));
        }
        let mut conditions = vec![];
        let mut both = Scope::new(self.env, tie.columns.clone());
        both.around = self.columns.clone();
        for &ast in &tie.others {
            conditions.push(both.expr(ast, Context::rows("WHERE"))?);
        }
        let condition = (!conditions.is_empty()).then(|| join(&conditions, Expr::and));
        let found = self.env.hidden("found");
        let frame = rows.clone();
        let kept = kept.to_vec();
        self.attach(Attached::Lookup { keys, frame, kept, condition, found: found.clone(), place: tie.place }, context);
        Ok(col(found).is_not_null())
    }

    /// `EXISTS` of a tied subquery.
    pub(super) fn exists_tied(&mut self, rows: &Frame, tie: &Correlation<'a>, context: Context) -> Result<Expr> {
        if tie.of_nothing.is_some() {
            return Err(self
                .env
                .source
                .unsupported(tie.place, "EXISTS of an aggregate that is tied to the query around it"));
        }
        self.look_up(rows, tie, None, &[], context)
    }

    /// `value IN` a tied subquery: null where nothing is equal, but a null on either side might be.
    pub(super) fn in_tied(
        &mut self,
        value: Expr,
        rows: &Frame,
        column: &str,
        tie: &Correlation<'a>,
        context: Context,
    ) -> Result<Expr> {
        if tie.of_nothing.is_some() {
            return Err(self
                .env
                .source
                .unsupported(tie.place, "IN of an aggregate that is tied to the query around it"));
        }
        let found = self.look_up(rows, tie, Some((&value, column)), &[], context)?;
        let any = self.look_up(rows, tie, None, &[], context)?;
        let null = self.look_up(&rows.filter(col(column).is_null()), tie, None, &[], context)?;
        let unknown = null.or(value.is_null().and(any));
        Ok(when(found).then(true).when(unknown).then(Literal::Null).otherwise(false))
    }

    /// A tied subquery that stands for a value.
    pub(super) fn value_tied(
        &mut self,
        rows: &Frame,
        column: &str,
        tie: &Correlation<'a>,
        context: Context,
    ) -> Result<Expr> {
        let Some((of_nothing, none)) = &tie.of_nothing else {
            let what = "a subquery that stands for a value, is tied to the query around it and is no aggregate,";
            let error = self.env.source.unsupported(tie.place, what);
            return Err(error.help("take one of its values, such as min(…), or join with its table"));
        };
        let found = self.look_up(rows, tie, None, &[column.to_owned()], context)?;
        self.attach(Attached::Row(of_nothing.clone()), context);
        Ok(when(found).then(col(column)).otherwise(col(none)))
    }
}

/// The condition of a clause in parts: those of rows alone first, so that subqueries are looked up for rows that pass them.
pub(super) fn plain_first(parts: Vec<&Ast>) -> (Vec<&Ast>, Vec<&Ast>) {
    parts.into_iter().partition(|part| !operands(part, &BinaryOperator::And).into_iter().any(has_subquery))
}
