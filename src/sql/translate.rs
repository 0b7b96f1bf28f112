//! Expressions of SQL to expressions of ours: names are looked up, aggregates are taken out.

use sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectNamePart, TimezoneInfo, TypedString, UnaryOperator, Value,
    ValueWithSpan,
};
use sqlparser::tokenizer::Location;

use super::source::Source;
use super::walk::{operands, same};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, Literal, col, lit, lit_date, lit_timestamp, size};

/// The deepest nesting of operators. The parser bounds parentheses, but not `1 + 1 + 1 + …`.
const MAX_DEPTH: usize = 200;

const EXPRESSIONS: &str = "there are columns, constants, + - * / %, comparisons, AND, OR, NOT, IS NULL, IS TRUE, \
    BETWEEN, IN (…), and the aggregates count, sum, avg, min and max";

/// What names mean in a query, and the aggregates that it asks for.
pub(super) struct Scope<'a> {
    pub(super) source: &'a Source<'a>,
    /// The columns of the files.
    pub(super) columns: Vec<String>,
    /// The SELECT list's aliases and what they stand for.
    pub(super) aliases: Vec<(&'a Ident, &'a Ast)>,
    /// What GROUP BY groups by.
    pub(super) keys: Vec<Key>,
    /// The aggregates met so far, each once.
    pub(super) calls: Vec<Call>,
}

/// An expression of GROUP BY.
pub(super) struct Key {
    /// Over the columns of the files.
    pub(super) expr: Expr,
    /// The column that holds it once grouped.
    pub(super) name: String,
}

/// A call of an aggregate function.
pub(super) struct Call {
    function: Aggregate,
    /// `count(*)` has none.
    input: Option<Expr>,
    /// The column that holds it once grouped.
    name: String,
    pub(super) place: Location,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Count,
    Sum,
    Avg,
    Min,
    Max,
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
    depth: usize,
}

impl Context {
    /// An expression over the rows of the files.
    pub(super) fn rows(clause: &'static str) -> Context {
        Context { clause, grouped: false, aliases: false, depth: 0 }
    }

    /// An expression over groups, or over rows when the query does not group.
    pub(super) fn groups(clause: &'static str, grouped: bool) -> Context {
        Context { grouped, ..Context::rows(clause) }
    }

    pub(super) fn with_aliases(self) -> Context {
        Context { aliases: true, ..self }
    }
}

impl Call {
    /// The aggregate, with SQL's own rules: the sum of nothing is null.
    pub(super) fn aggregate(&self) -> AggExpr {
        let aggregate = match (&self.input, self.function) {
            (None, _) => size(),
            (Some(input), Aggregate::Count) => input.clone().count(),
            (Some(input), Aggregate::Sum) => input.clone().sum().min_count(1),
            (Some(input), Aggregate::Avg) => input.clone().mean(),
            (Some(input), Aggregate::Min) => input.clone().min(),
            (Some(input), Aggregate::Max) => input.clone().max(),
        };
        aggregate.alias(&self.name)
    }
}

impl Aggregate {
    fn named(name: &str) -> Option<Aggregate> {
        match name {
            "count" => Some(Aggregate::Count),
            "sum" => Some(Aggregate::Sum),
            "avg" | "mean" => Some(Aggregate::Avg),
            "min" => Some(Aggregate::Min),
            "max" => Some(Aggregate::Max),
            _ => None,
        }
    }

    /// The aggregate that a function's name means. The parser's input has these names in small letters.
    pub(super) fn of(function: &Function) -> Option<Aggregate> {
        match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => Aggregate::named(&name.value),
            _ => None,
        }
    }
}

/// Whether this calls an aggregate function.
pub(super) fn is_aggregate(ast: &Ast) -> bool {
    matches!(ast, Ast::Function(function) if Aggregate::of(function).is_some())
}

impl<'a> Scope<'a> {
    /// Translates an expression.
    ///
    /// # Errors
    /// What is not supported, an unknown or ambiguous column, an aggregate where none may stand, and a column that is
    /// neither grouped by nor aggregated.
    pub(super) fn expr(&mut self, ast: &Ast, context: Context) -> Result<Expr> {
        if context.depth > MAX_DEPTH {
            return Err(self
                .source
                .error(self.source.start(ast), format!("the expression nests deeper than {MAX_DEPTH} operators")));
        }
        let inner = Context { depth: context.depth + 1, ..context };
        // An expression may be grouped by as a whole, as in SELECT k % 10 … GROUP BY k % 10.
        if context.grouped && !self.keys.is_empty() {
            let ungrouped = Context { grouped: false, ..context };
            if let Ok(expr) = self.expr(ast, ungrouped)
                && let Some(key) = self.keys.iter().find(|key| same(&key.expr, &expr))
            {
                return Ok(col(&key.name));
            }
        }
        match ast {
            Ast::Nested(expr) => self.expr(expr, inner),
            Ast::Identifier(ident) => self.identifier(ident, context),
            Ast::Value(value) => self.literal(value),
            Ast::TypedString(text) => self.typed_string(text),
            Ast::Function(function) => self.call(ast, function, context),
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                // The least integer has no positive twin.
                Ast::Value(ValueWithSpan { value: Value::Number(digits, _), span }) => {
                    self.number(&format!("-{digits}"), span.start)
                }
                expr => Ok(self.expr(expr, inner)?.neg()),
            },
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
            Ast::Between { expr, negated, low, high } => {
                let value = self.expr(expr, inner)?;
                let between = value.clone().ge(self.expr(low, inner)?).and(value.le(self.expr(high, inner)?));
                Ok(if *negated { between.not() } else { between })
            }
            Ast::InList { expr, list, negated } => {
                let value = self.expr(expr, inner)?;
                let is_one: Vec<Expr> =
                    list.iter().map(|item| Ok(value.clone().eq(self.expr(item, inner)?))).collect::<Result<_>>()?;
                if is_one.is_empty() {
                    return Err(self.source.error(self.source.start(ast), "the list of IN is empty"));
                }
                let is_any = join(&is_one, Expr::or);
                Ok(if *negated { is_any.not() } else { is_any })
            }
            _ => Err(self.unsupported(ast, &construct(ast))),
        }
    }

    fn unsupported(&self, ast: &Ast, what: &str) -> Error {
        self.source.unsupported(self.source.start(ast), what).help(EXPRESSIONS)
    }

    fn identifier(&mut self, ident: &Ident, context: Context) -> Result<Expr> {
        let place = ident.span.start;
        if let Some(name) = self.column_named(ident)? {
            return self.column(&name, place, context);
        }
        let alias = self.aliases.iter().find(|(alias, _)| names(ident, &alias.value)).map(|&(_, ast)| ast);
        match alias {
            Some(ast) if context.aliases => {
                // An alias stands for an expression over columns, never over other aliases: this ends.
                self.expr(ast, Context { aliases: false, depth: context.depth + 1, ..context })
            }
            Some(ast) => {
                let message = format!("{} can't see '{}', an alias of the SELECT list", context.clause, ident.value);
                Err(self.source.error(place, message).help(format!("write {ast} in its place")))
            }
            None => {
                let error = Error::unknown_column(&ident.value, self.columns.iter().map(String::as_str));
                Err(self.source.blame(error, place))
            }
        }
    }

    /// The column that this means: the one of exactly this name, else of this name in other letters.
    pub(super) fn column_named(&self, ident: &Ident) -> Result<Option<String>> {
        if self.columns.contains(&ident.value) {
            return Ok(Some(ident.value.clone()));
        }
        let mut candidates = self.columns.iter().filter(|column| names(ident, column));
        match (candidates.next(), candidates.next()) {
            (Some(a), Some(b)) => {
                let message = format!("'{}' may mean the column '{a}' or '{b}'", ident.value);
                let error =
                    Error::new(ErrorKind::Column, message).help("write the one you mean as it is, in double quotes");
                Err(self.source.blame(error, ident.span.start))
            }
            (only, _) => Ok(only.cloned()),
        }
    }

    /// A column of the files, where an expression stands that may be over groups.
    pub(super) fn column(&self, name: &str, place: Location, context: Context) -> Result<Expr> {
        let column = col(name);
        if !context.grouped {
            return Ok(column);
        }
        match self.keys.iter().find(|key| same(&key.expr, &column)) {
            Some(key) => Ok(col(&key.name)),
            None => {
                let message = format!("'{name}' is neither grouped by nor within an aggregate");
                Err(self
                    .source
                    .error(place, message)
                    .help(format!("add it to GROUP BY, or take one value of the group, such as min({name})")))
            }
        }
    }

    fn literal(&self, value: &ValueWithSpan) -> Result<Expr> {
        match &value.value {
            Value::Number(digits, _) => self.number(digits, value.span.start),
            Value::SingleQuotedString(text) => Ok(lit(text)),
            Value::Boolean(value) => Ok(lit(*value)),
            Value::Null => Ok(lit(Literal::Null)),
            other => Err(self.source.unsupported(value.span.start, &format!("the constant {other}")).help(EXPRESSIONS)),
        }
    }

    fn number(&self, digits: &str, place: Location) -> Result<Expr> {
        let digits = digits.replace('_', "");
        if !digits.contains(['.', 'e', 'E']) {
            return digits.parse::<i64>().map(lit).map_err(|_| {
                let message = format!("{digits} is beyond the integers of 64 bits");
                self.source.error(place, message).help(format!("write it as a float: {digits}.0"))
            });
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(lit(number)),
            _ => Err(self.source.error(place, format!("{digits} is no number that a float64 holds"))),
        }
    }

    fn typed_string(&self, text: &TypedString) -> Result<Expr> {
        let TypedString { data_type, value, uses_odbc_syntax: _ } = text;
        match (data_type, &value.value) {
            (DataType::Date, Value::SingleQuotedString(text)) => Ok(lit_date(text)),
            (
                DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | DataType::Datetime(_),
                Value::SingleQuotedString(text),
            ) => Ok(lit_timestamp(text)),
            _ => {
                let what = format!("a constant of type {data_type}");
                Err(self.source.unsupported(value.span.start, &what).help(EXPRESSIONS))
            }
        }
    }

    fn call(&mut self, ast: &Ast, function: &Function, context: Context) -> Result<Expr> {
        let Function { name, uses_odbc_syntax: _, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let place = self.source.place(name);
        let Some(aggregate) = Aggregate::of(function) else {
            return Err(self.source.unsupported(place, &format!("the function {name}")).help(EXPRESSIONS));
        };
        let refused = [
            (over.is_some(), "OVER (a window)"),
            (filter.is_some(), "FILTER"),
            (!within_group.is_empty(), "WITHIN GROUP"),
            (null_treatment.is_some(), "IGNORE NULLS or RESPECT NULLS"),
            (!matches!(parameters, FunctionArguments::None), "a second pair of parentheses"),
        ];
        if let Some((_, what)) = refused.iter().find(|(is_there, _)| *is_there) {
            return Err(self.source.unsupported(place, &format!("{what} after {name}(…)")).help(EXPRESSIONS));
        }
        if !context.grouped {
            let message = format!("an aggregate can't stand in {}", context.clause);
            let error = self.source.error(place, message);
            return Err(if context.clause == "WHERE" { error.help("write the condition after HAVING") } else { error });
        }
        let argument = match args {
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
                if *duplicate_treatment == Some(DuplicateTreatment::Distinct) || !clauses.is_empty() {
                    return Err(self.unsupported(ast, &format!("DISTINCT, or another word within {name}(…),")));
                }
                args.as_slice()
            }
            _ => &[],
        };
        let input = match argument {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if aggregate == Aggregate::Count => None,
            // Every row counts, as with a star.
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Value(value)))]
                if aggregate == Aggregate::Count && value.value != Value::Null =>
            {
                None
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => {
                let inside = Context { clause: "another aggregate", grouped: false, aliases: false, ..context };
                Some(self.expr(argument, Context { depth: context.depth + 1, ..inside })?)
            }
            _ => return Err(self.source.error(place, format!("{name} takes one expression"))),
        };
        let known = self.calls.iter().find(|call| {
            call.function == aggregate
                && match (&call.input, &input) {
                    (Some(a), Some(b)) => same(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                }
        });
        if let Some(call) = known {
            return Ok(col(&call.name));
        }
        let name = self.free_name(self.title(ast));
        self.calls.push(Call { function: aggregate, input, name: name.clone(), place });
        Ok(col(name))
    }

    /// What to call the column of an expression that has been translated: its alias, if it has one, or its text.
    pub(super) fn title(&self, ast: &Ast) -> String {
        let alias = self.aliases.iter().find(|(_, aliased)| *aliased == ast);
        alias.map_or_else(|| ast.to_string(), |(alias, _)| alias.value.clone())
    }

    /// A name for a column of the groups that no other has.
    pub(super) fn free_name(&self, mut name: String) -> String {
        while self.keys.iter().any(|key| key.name == name) || self.calls.iter().any(|call| call.name == name) {
            name.push('\'');
        }
        name
    }
}

/// Whether an identifier means this name: exactly, or without regard to capitals unless it is quoted.
pub(super) fn names(ident: &Ident, name: &str) -> bool {
    ident.value == name || ident.quote_style.is_none() && ident.value.to_lowercase() == name.to_lowercase()
}

/// `value IS TRUE`, `value IS FALSE`: false, and not null, where the value is null.
fn is(value: Expr, wanted: bool) -> Expr {
    let there = value.clone().is_not_null();
    if wanted { value.and(there) } else { value.not().and(there) }
}

/// Joins conditions, many of them as a balanced tree, so that a long list stays shallow.
fn join(conditions: &[Expr], both: fn(Expr, Expr) -> Expr) -> Expr {
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
        BinaryOperator::Modulo => |a, b| a % b,
        BinaryOperator::Eq => Expr::eq,
        BinaryOperator::NotEq => Expr::ne,
        BinaryOperator::Lt => Expr::lt,
        BinaryOperator::LtEq => Expr::le,
        BinaryOperator::Gt => Expr::gt,
        BinaryOperator::GtEq => Expr::ge,
        _ => return None,
    })
}

/// What to call an expression that is not supported.
fn construct(ast: &Ast) -> String {
    match ast {
        Ast::CompoundIdentifier(_) | Ast::CompoundFieldAccess { .. } => "a name with a point before it",
        Ast::Subquery(_) | Ast::InSubquery { .. } | Ast::Exists { .. } => "a subquery",
        Ast::Case { .. } => "CASE",
        Ast::Cast { .. } | Ast::Convert { .. } => "CAST",
        Ast::Like { .. } => "LIKE",
        Ast::ILike { .. } => "ILIKE",
        Ast::RLike { .. } | Ast::SimilarTo { .. } => "matching by a pattern",
        Ast::IsDistinctFrom(..) | Ast::IsNotDistinctFrom(..) => "IS DISTINCT FROM",
        Ast::Interval(_) => "INTERVAL",
        Ast::Extract { .. } => "EXTRACT",
        Ast::Ceil { .. } => "the function ceil",
        Ast::Floor { .. } => "the function floor",
        Ast::Substring { .. } => "the function substring",
        Ast::Trim { .. } => "the function trim",
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
