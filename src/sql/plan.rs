//! A parsed [`Query`] to a [`Frame`]: the clauses in the order in which SQL carries them out.

use sqlparser::ast::{BinaryOperator, Expr as Ast, Ident, Value};
use sqlparser::tokenizer::Location;

use super::parse::{Item, Order, Query, parse};
use super::source::Source;
use super::translate::{Context, Key, Scope, names};
use super::walk::{has_aggregate, operands, same};
use crate::error::Result;
use crate::expr::{AggExpr, Expr, SortKey, col, size};
use crate::frame::Frame;
use crate::sched::Session;

/// A column of the result.
struct Output {
    name: String,
    expr: Expr,
    place: Location,
}

/// The frame that a query describes. Reads samples of the files, for the names and types of their columns.
///
/// # Errors
/// Those of the text, at their place; those of the files, too.
pub(super) fn plan(session: &Session, text: &str) -> Result<Frame> {
    let source = Source::new(text)?;
    let query = parse(&source)?;
    let (path, from) = &query.from;
    let mut frame = session.read_csv(path.as_str());
    let schema = frame.schema().map_err(|error| source.blame(error, *from))?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let scope = Scope { source: &source, columns, aliases: aliases(&query.items), keys: vec![], calls: vec![] };
    let mut planner = Planner { source: &source, query: &query, scope };
    if let Some(condition) = &query.filter {
        frame = planner.filter(frame, condition, Context::rows("WHERE"))?;
    }
    planner.plan(frame)
}

fn aliases(items: &[Item]) -> Vec<(&Ident, &Ast)> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Expr(ast, Some(alias)) => Some((alias, &**ast)),
            _ => None,
        })
        .collect()
}

/// Whether a step is right; one that is wrong is blamed on its place in the text.
fn check(source: &Source, place: Location, step: &Frame) -> Result<()> {
    step.schema().map(drop).map_err(|error| source.blame(error, place))
}

/// The expression under a name, which it may have already.
fn named(expr: Expr, name: &str) -> Expr {
    if expr.name() == name { expr } else { expr.alias(name) }
}

struct Planner<'a> {
    source: &'a Source<'a>,
    query: &'a Query,
    scope: Scope<'a>,
}

impl Planner<'_> {
    /// All that follows WHERE. Sorting comes before the SELECT list, so that it sees all columns.
    fn plan(&mut self, mut frame: Frame) -> Result<Frame> {
        let query = self.query;
        let grouped = !query.group_by.is_empty()
            || query.having.is_some()
            || query.order_by.iter().any(|key| has_aggregate(&key.expr))
            || query.items.iter().any(|item| matches!(item, Item::Expr(ast, _) if has_aggregate(ast)));
        for ast in &query.group_by {
            let key = self.key(&frame, ast)?;
            if !self.scope.keys.iter().any(|known| same(&known.expr, &key.expr)) {
                self.scope.keys.push(key);
            }
        }
        let outputs = self.outputs(grouped)?;
        let having = Context::groups("HAVING", true).with_aliases();
        if let Some(condition) = &query.having {
            // Once for the aggregates in it, which are computed before the groups can be filtered.
            let _ = self.scope.expr(condition, having)?;
        }
        let order: Vec<(SortKey, Location)> =
            query.order_by.iter().map(|key| self.order(key, &outputs, grouped)).collect::<Result<_>>()?;
        if grouped {
            frame = self.aggregate(frame)?;
        }
        if let Some(condition) = &query.having {
            frame = self.filter(frame, condition, having)?;
        }
        if !order.is_empty() {
            for (key, place) in &order {
                check(self.source, *place, &frame.sort([key.clone()]))?;
            }
            frame = frame.sort(order.into_iter().map(|(key, _)| key));
        }
        if query.limit.is_some() || query.offset > 0 {
            frame = frame.slice(query.offset, query.limit);
        }
        for output in &outputs {
            check(self.source, output.place, &frame.select([output.expr.clone()]))?;
        }
        let schema = frame.schema()?;
        let columns = schema.fields().iter().map(|field| (field.name(), col(field.name())));
        let is_same =
            |((name, column), output): ((&String, Expr), &Output)| *name == output.name && same(&column, &output.expr);
        if outputs.len() == columns.len() && columns.zip(&outputs).all(is_same) {
            return Ok(frame);
        }
        Ok(frame.select(outputs.into_iter().map(|output| named(output.expr, &output.name))))
    }

    /// Keeps the rows where a condition holds; each of its parts is checked, to blame the one that is wrong.
    fn filter(&mut self, frame: Frame, condition: &Ast, context: Context) -> Result<Frame> {
        for part in operands(condition, &BinaryOperator::And) {
            let expr = self.scope.expr(part, context)?;
            check(self.source, self.source.start(part), &frame.filter(expr))?;
        }
        Ok(frame.filter(self.scope.expr(condition, context)?))
    }

    /// An entry of GROUP BY: a position, a column, an alias or an expression.
    fn key(&mut self, frame: &Frame, ast: &Ast) -> Result<Key> {
        let place = self.source.start(ast);
        let items = &self.query.items;
        let ast = match self.position(ast, "GROUP BY", items.len())? {
            None => ast,
            // A star moves the positions behind it: refused rather than guessed.
            Some(index) => match &items[index] {
                Item::Expr(ast, _) if !items[..index].iter().any(|item| matches!(item, Item::Star(_))) => ast,
                _ => {
                    let error = self.source.error(place, "GROUP BY can't count positions past a star");
                    return Err(error.help("name the column"));
                }
            },
        };
        let expr = self.scope.expr(ast, Context::rows("GROUP BY").with_aliases())?;
        check(self.source, place, &frame.select([expr.clone()]))?;
        let is_column = self.scope.columns.iter().any(|column| same(&col(column), &expr));
        let name = self.scope.free_name(if is_column { expr.name() } else { self.scope.title(ast) });
        Ok(Key { expr, name })
    }

    /// What an integer by itself means in GROUP BY and ORDER BY: the index of an entry of the SELECT list.
    fn position(&self, ast: &Ast, clause: &str, entries: usize) -> Result<Option<usize>> {
        let Ast::Value(value) = ast else { return Ok(None) };
        if let Value::Number(digits, _) = &value.value
            && let Ok(position @ 1..) = digits.parse::<usize>()
            && position <= entries
        {
            return Ok(Some(position - 1));
        }
        let message = format!("{clause} takes an expression, or a position of the SELECT list from 1 to {entries}");
        Err(self.source.error(value.span.start, message))
    }

    /// The SELECT list, its stars spelled out.
    fn outputs(&mut self, grouped: bool) -> Result<Vec<Output>> {
        let context = Context::groups("SELECT", grouped);
        let mut outputs: Vec<Output> = Vec::new();
        for item in &self.query.items {
            let first = outputs.len();
            match item {
                Item::Star(place) => {
                    for name in &self.scope.columns {
                        let expr = self.scope.column(name, *place, context)?;
                        outputs.push(Output { name: name.clone(), expr, place: *place });
                    }
                }
                Item::Expr(ast, alias) => {
                    let place = self.source.start(ast);
                    let expr = self.scope.expr(ast, context)?;
                    let name = match (alias, &**ast) {
                        (Some(alias), _) => alias.value.clone(),
                        // The column's own name, however its capitals were written.
                        (None, Ast::Identifier(ident)) => self.scope.column_named(ident)?.unwrap_or_default(),
                        (None, ast) => ast.to_string(),
                    };
                    outputs.push(Output { name, expr, place });
                }
            }
            let (before, added) = outputs.split_at(first);
            if let Some(twice) = added.iter().find(|new| before.iter().any(|old| old.name == new.name)) {
                let message = format!("two columns of the result are named '{}'", twice.name);
                return Err(self.source.error(twice.place, message).help("give one of them another name with AS"));
            }
        }
        Ok(outputs)
    }

    /// A key of ORDER BY: a position, a name of the result, or an expression over columns and aliases.
    fn order(&mut self, order: &Order, outputs: &[Output], grouped: bool) -> Result<(SortKey, Location)> {
        let Order { expr: ast, descending, nulls_first } = order;
        let place = self.source.start(ast);
        let output = match ast {
            Ast::Identifier(ident) => outputs
                .iter()
                .find(|output| output.name == ident.value)
                .or_else(|| outputs.iter().find(|output| names(ident, &output.name))),
            _ => None,
        };
        let expr = match (output, self.position(ast, "ORDER BY", outputs.len())?) {
            (Some(output), _) => output.expr.clone(),
            (None, Some(index)) => outputs[index].expr.clone(),
            (None, None) => self.scope.expr(ast, Context::groups("ORDER BY", grouped).with_aliases())?,
        };
        let key = if *descending { expr.desc() } else { expr.asc() };
        Ok((if *nulls_first { key.nulls_first() } else { key }, place))
    }

    /// Groups and aggregates; the columns are then the keys and the calls by their names.
    fn aggregate(&self, frame: Frame) -> Result<Frame> {
        let aggregate = |calls: Vec<AggExpr>| {
            if self.scope.keys.is_empty() {
                return frame.agg(calls);
            }
            let keys = self.scope.keys.iter().map(|key| named(key.expr.clone(), &key.name));
            frame.group_by(keys.collect::<Vec<_>>()).keep_nulls().agg(calls)
        };
        for call in &self.scope.calls {
            check(self.source, call.place, &aggregate(vec![call.aggregate()]))?;
        }
        let mut calls: Vec<AggExpr> = self.scope.calls.iter().map(|call| call.aggregate()).collect();
        if calls.is_empty() {
            // Groups without aggregates are the distinct keys.
            calls.push(size().alias(self.scope.free_name("count(*)".to_owned())));
        }
        Ok(aggregate(calls))
    }
}
