//! Expressions of SQL to expressions of ours: names are looked up; aggregates, windows and subqueries are taken out.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, Expr as Ast, Ident, NamedWindowDefinition, UnaryOperator, Value,
    ValueWithSpan,
};
use sqlparser::tokenizer::Location;

use super::aggregates::{Call, Key};
use super::literals::{interval, literal, number, type_of, typed_string};
use super::names::{Column, Env, find, names};
use super::patterns::{like, same_or_both_null};
use super::subquery::Attached;
use super::walk::{has_own_columns, operands};
use super::windows::Hoisted;
use crate::error::{Error, Result};
use crate::expr::{Expr, Literal, col, is_same, lit, when};

/// The deepest nesting of operators. The parser bounds parentheses, but not `1 + 1 + 1 + …`.
const MAX_DEPTH: usize = 200;

pub(super) const EXPRESSIONS: &str = "there are columns, constants, arithmetic, comparisons, AND, OR, NOT, IS, BETWEEN, IN, LIKE, CASE, CAST, \
    subqueries, the usual functions, aggregates and windows: see the documentation of Session::sql";

/// What names mean in a query, and what it asks for beside expressions of a row.
pub(super) struct Scope<'a> {
    pub(super) env: &'a Env<'a>,
    /// The columns that FROM gives.
    pub(super) columns: Vec<Column>,
    /// Those of a query around, which names mean that are none of these.
    pub(super) around: Vec<Column>,
    /// The SELECT list's aliases and what they stand for.
    pub(super) aliases: Vec<(&'a Ident, &'a Ast)>,
    /// What GROUP BY groups by.
    pub(super) keys: Vec<Key>,
    /// The aggregates met so far, each once.
    pub(super) calls: Vec<Call>,
    /// The windows that WINDOW names.
    pub(super) named_windows: &'a [NamedWindowDefinition],
    /// The window functions met so far.
    pub(super) windows: Vec<Hoisted>,
    /// What subqueries met in expressions over rows, and over groups, put beside these.
    pub(super) attached: [Vec<Attached>; 2],
}

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Context {
    /// For messages.
    pub(super) clause: &'static str,
    /// Whether it is computed over groups, and not over the rows of the files.
    pub(super) grouped: bool,
    /// Whether it sees the aliases of the SELECT list.
    pub(super) aliases: bool,
    /// Whether windows may stand in it.
    pub(super) windows: bool,
    pub(super) depth: usize,
}

impl Context {
    /// An expression over the rows of the files.
    pub(super) fn rows(clause: &'static str) -> Context {
        Context { clause, grouped: false, aliases: false, windows: false, depth: 0 }
    }

    /// An expression over groups, or over rows when the query does not group.
    pub(super) fn groups(clause: &'static str, grouped: bool) -> Context {
        Context { grouped, ..Context::rows(clause) }
    }

    pub(super) fn with_aliases(self) -> Context {
        Context { aliases: true, ..self }
    }

    pub(super) fn with_windows(self) -> Context {
        Context { windows: true, ..self }
    }

    pub(super) fn deeper(self) -> Context {
        Context { depth: self.depth + 1, ..self }
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(env: &'a Env<'a>, columns: Vec<Column>) -> Scope<'a> {
        let attached = [vec![], vec![]];
        let (around, aliases, keys, calls, windows) = (vec![], vec![], vec![], vec![], vec![]);
        Scope { env, columns, around, aliases, keys, calls, named_windows: &[], windows, attached }
    }

    /// Translates an expression.
    ///
    /// # Errors
    /// Those of the text, at their place. What is wrong with its types comes out of the frame.
    pub(super) fn expr(&mut self, ast: &'a Ast, context: Context) -> Result<Expr> {
        let source = self.env.source;
        if context.depth > MAX_DEPTH {
            let message = format!("the expression nests deeper than {MAX_DEPTH} operators");
            return Err(source.error(source.start(ast), message));
        }
        let inner = context.deeper();
        // An expression may be grouped by as a whole, as in SELECT k % 10 … GROUP BY k % 10.
        if context.grouped && !self.keys.is_empty() && has_own_columns(ast) {
            let ungrouped = Context { grouped: false, windows: false, ..context };
            if let Ok(expr) = self.expr(ast, ungrouped)
                && let Some(key) = self.keys.iter().find(|key| is_same(&key.expr, &expr))
            {
                return Ok(col(&key.name));
            }
        }
        match ast {
            Ast::Nested(expr) => self.expr(expr, inner),
            Ast::Identifier(ident) => self.identifier(None, ident, context),
            Ast::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => self.identifier(Some(table), name, context),
                _ => Err(self.unsupported(ast, "a name with more than one point")),
            },
            Ast::Value(value) => literal(source, value),
            Ast::TypedString(text) => typed_string(source, text),
            Ast::Interval(value) => interval(source, value, source.start(ast)),
            Ast::Function(function) => self.function(ast, function, context),
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                // The least integer has no positive twin.
                Ast::Value(ValueWithSpan { value: Value::Number(digits, _), span }) => {
                    number(source, &format!("-{digits}"), span.start)
                }
                expr => Ok(self.expr(expr, inner)?.neg()),
            },
            Ast::UnaryOp { op: UnaryOperator::Plus, expr } => self.expr(expr, inner),
            Ast::UnaryOp { op: UnaryOperator::Not, expr } => Ok(self.expr(expr, inner)?.not()),
            Ast::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let conditions: Vec<Expr> =
                    operands(ast, op).into_iter().map(|part| self.expr(part, inner)).collect::<Result<_>>()?;
                Ok(join(&conditions, if *op == BinaryOperator::And { Expr::and } else { Expr::or }))
            }
            Ast::BinaryOp { left, op, right } => {
                let Some(build) = operator(op) else {
                    return Err(self.unsupported(ast, &format!("the operator {op}")));
                };
                Ok(build(self.expr(left, inner)?, self.expr(right, inner)?))
            }
            Ast::IsNull(expr) | Ast::IsUnknown(expr) => Ok(self.expr(expr, inner)?.is_null()),
            Ast::IsNotNull(expr) | Ast::IsNotUnknown(expr) => Ok(self.expr(expr, inner)?.is_not_null()),
            Ast::IsTrue(expr) => Ok(is(self.expr(expr, inner)?, true)),
            Ast::IsNotTrue(expr) => Ok(is(self.expr(expr, inner)?, true).not()),
            Ast::IsFalse(expr) => Ok(is(self.expr(expr, inner)?, false)),
            Ast::IsNotFalse(expr) => Ok(is(self.expr(expr, inner)?, false).not()),
            Ast::IsNotDistinctFrom(a, b) => Ok(same_or_both_null(self.expr(a, inner)?, self.expr(b, inner)?)),
            Ast::IsDistinctFrom(a, b) => Ok(same_or_both_null(self.expr(a, inner)?, self.expr(b, inner)?).not()),
            Ast::Between { expr, negated, low, high } => {
                let value = self.expr(expr, inner)?;
                let between = value.between(self.expr(low, inner)?, self.expr(high, inner)?);
                Ok(negate(between, *negated))
            }
            Ast::InList { expr, list, negated } => {
                let value = self.expr(expr, inner)?;
                let list: Vec<Expr> = list.iter().map(|item| self.expr(item, inner)).collect::<Result<_>>()?;
                if list.is_empty() {
                    return Err(source.error(source.start(ast), "the list of IN is empty"));
                }
                Ok(negate(value.is_in(list), *negated))
            }
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                let pattern = like(source, pattern, escape_char.as_deref(), false)?;
                Ok(negate(pattern(self.expr(expr, inner)?), *negated))
            }
            Ast::ILike { negated, any: false, expr, pattern, escape_char } => {
                let pattern = like(source, pattern, escape_char.as_deref(), true)?;
                Ok(negate(pattern(self.expr(expr, inner)?), *negated))
            }
            Ast::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let operand = operand.as_ref().map(|operand| self.expr(operand, inner)).transpose()?;
                let mut cases = vec![];
                for case in conditions {
                    let condition = self.expr(&case.condition, inner)?;
                    let condition = operand.iter().cloned().fold(condition, |value, operand| operand.eq(value));
                    cases.push((condition, self.expr(&case.result, inner)?));
                }
                let otherwise = match else_result {
                    Some(ast) => self.expr(ast, inner)?,
                    None => lit(Literal::Null),
                };
                let mut cases = cases.into_iter();
                let Some((condition, value)) = cases.next() else { return Ok(otherwise) };
                let first = when(condition).then(value);
                Ok(cases.fold(first, |then, (condition, value)| then.when(condition).then(value)).otherwise(otherwise))
            }
            Ast::Cast { kind, expr, data_type, format: None } => {
                let to = type_of(source, data_type, source.start(ast))?;
                let value = self.expr(expr, inner)?;
                Ok(match kind {
                    CastKind::Cast | CastKind::DoubleColon => value.cast(to),
                    CastKind::TryCast | CastKind::SafeCast => value.try_cast(to),
                })
            }
            Ast::Extract { field, syntax: _, expr } => {
                let value = self.expr(expr, inner)?;
                self.part_of(&super::literals::unit_name(field), value, source.start(ast))
            }
            Ast::Ceil { expr, field: CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime) } => {
                Ok(self.expr(expr, inner)?.ceil())
            }
            Ast::Floor { expr, field: CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime) } => {
                Ok(self.expr(expr, inner)?.floor())
            }
            Ast::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.substring(ast, expr, substring_from.as_deref(), substring_for.as_deref(), context)
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters } => {
                let what = trim_what.as_deref().or_else(|| trim_characters.as_ref().and_then(|list| list.first()));
                self.trim(ast, *trim_where, what, expr, context)
            }
            Ast::Subquery(query) => self.scalar_subquery(query, source.start(ast), context),
            Ast::Exists { subquery, negated } => Ok(negate(self.exists(subquery, context)?, *negated)),
            Ast::InSubquery { expr, subquery, negated } => {
                let value = self.expr(expr, inner)?;
                Ok(negate(self.in_subquery(value, subquery, source.start(expr), context)?, *negated))
            }
            _ => Err(self.unsupported(ast, &construct(ast))),
        }
    }

    pub(super) fn unsupported(&self, ast: &Ast, what: &str) -> Error {
        let source = self.env.source;
        source.unsupported(source.start(ast), what).help(EXPRESSIONS)
    }

    fn identifier(&mut self, table: Option<&Ident>, ident: &Ident, context: Context) -> Result<Expr> {
        let source = self.env.source;
        let place = table.unwrap_or(ident).span.start;
        if let Some(column) = find(source, &self.columns, table, ident)? {
            let column = column.clone();
            return self.column(&column, place, context);
        }
        if let Some(column) = find(source, &self.around, table, ident)? {
            return Ok(col(&column.inner));
        }
        let is_alias = |(alias, _): &&(&Ident, &'a Ast)| table.is_none() && names(ident, &alias.value);
        let alias = self.aliases.iter().find(is_alias).map(|&(_, ast)| ast);
        match alias {
            Some(ast) if context.aliases => {
                // An alias stands for an expression over columns, never over other aliases: this ends.
                self.expr(ast, Context { aliases: false, ..context.deeper() })
            }
            Some(ast) => {
                let message = format!("{} can't see '{}', an alias of the SELECT list", context.clause, ident.value);
                Err(source.error(place, message).help(format!("write {ast} in its place")))
            }
            None => Err(self.unknown(table, ident)),
        }
    }

    fn unknown(&self, table: Option<&Ident>, ident: &Ident) -> Error {
        let source = self.env.source;
        let place = table.unwrap_or(ident).span.start;
        let outer = self.env.outer.borrow();
        if outer.iter().any(|columns| matches!(find(source, columns, table, ident), Ok(Some(_)))) {
            let what = format!("a subquery that uses '{}', a column of the query around it,", ident.value);
            return source
                .unsupported(place, &what)
                .help("name it in a condition of the subquery's WHERE, as in b.key = a.key, or join with the subquery's table");
        }
        let own = |column: &&Column| match table {
            Some(table) => column.table.as_deref().is_some_and(|own| names(table, own)),
            None => column.plain,
        };
        let of_table: Vec<&str> = self.columns.iter().filter(own).map(|column| column.name.as_str()).collect();
        match table {
            Some(table) if of_table.is_empty() => source
                .error(place, format!("there is no table named '{}' here", table.value))
                .help("give the table that you mean a name: FROM 'file' AS name"),
            None if ident.quote_style == Some('"')
                && !of_table.iter().any(|name| name.eq_ignore_ascii_case(&ident.value)) =>
            {
                let error = Error::unknown_column(&ident.value, of_table.iter().copied());
                let text = ident.value.replace('\'', "''");
                let columns = of_table.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
                source.blame(error, place).help(format!("write '{text}' for a text; the columns are {columns}"))
            }
            _ => source.blame(Error::unknown_column(&ident.value, of_table), place),
        }
    }

    /// A column that FROM gives, where an expression stands that may be over groups.
    pub(super) fn column(&self, column: &Column, place: Location, context: Context) -> Result<Expr> {
        let expr = col(&column.inner);
        if !context.grouped {
            return Ok(expr);
        }
        match self.keys.iter().find(|key| is_same(&key.expr, &expr)) {
            Some(key) => Ok(col(&key.name)),
            None => {
                let name = &column.name;
                let message = format!("'{name}' is neither grouped by nor within an aggregate");
                Err(self
                    .env
                    .source
                    .error(place, message)
                    .help(format!("add it to GROUP BY, or take one value of the group, such as min({name})")))
            }
        }
    }
}

/// `value IS TRUE`, `value IS FALSE`: false, and not null, where the value is null.
fn is(value: Expr, wanted: bool) -> Expr {
    let there = value.clone().is_not_null();
    if wanted { value.and(there) } else { value.not().and(there) }
}

pub(super) fn negate(condition: Expr, negated: bool) -> Expr {
    if negated { condition.not() } else { condition }
}

/// Joins conditions, many of them as a balanced tree, so that a long list stays shallow.
pub(super) fn join(conditions: &[Expr], both: fn(Expr, Expr) -> Expr) -> Expr {
    match conditions {
        [] => lit(true),
        [first, rest @ ..] if rest.len() < 16 => rest.iter().cloned().fold(first.clone(), both),
        _ => {
            let (left, right) = conditions.split_at(conditions.len() / 2);
            both(join(left, both), join(right, both))
        }
    }
}

fn operator(op: &BinaryOperator) -> Option<fn(Expr, Expr) -> Expr> {
    Some(match op {
        BinaryOperator::Plus => |a, b| a + b,
        BinaryOperator::Minus => |a, b| a - b,
        BinaryOperator::Multiply => |a, b| a * b,
        BinaryOperator::Divide => |a, b| a / b,
        BinaryOperator::DuckIntegerDivide => Expr::floor_div,
        BinaryOperator::Modulo => |a, b| a % b,
        BinaryOperator::Eq => Expr::eq,
        BinaryOperator::NotEq => Expr::ne,
        BinaryOperator::Lt => Expr::lt,
        BinaryOperator::LtEq => Expr::le,
        BinaryOperator::Gt => Expr::gt,
        BinaryOperator::GtEq => Expr::ge,
        BinaryOperator::StringConcat => {
            |a, b| crate::expr::concat_text([a.cast(crate::expr::Type::Text), b.cast(crate::expr::Type::Text)])
        }
        _ => return None,
    })
}

/// What to call an expression that is not supported.
fn construct(ast: &Ast) -> String {
    match ast {
        Ast::CompoundFieldAccess { .. } => "a field of a value",
        Ast::Convert { .. } => "CONVERT (write CAST)",
        Ast::Cast { .. } => "CAST with FORMAT",
        Ast::Like { .. } | Ast::ILike { .. } => "LIKE ANY",
        Ast::RLike { .. } | Ast::SimilarTo { .. } => "this matching by a pattern (write regexp_matches)",
        Ast::Ceil { .. } | Ast::Floor { .. } => "CEIL or FLOOR to a unit",
        Ast::Position { .. } => "the function position",
        Ast::AnyOp { .. } | Ast::AllOp { .. } => "ANY or ALL",
        Ast::GroupingSets(_) | Ast::Cube(_) | Ast::Rollup(_) => "GROUPING SETS, ROLLUP or CUBE",
        Ast::UnaryOp { op, .. } => return format!("the sign {op} before an expression"),
        Ast::Tuple(_) => "a list in parentheses",
        Ast::Wildcard(_) | Ast::QualifiedWildcard(..) => "a star here",
        _ => "this kind of expression",
    }
    .to_owned()
}
