//! Aggregate functions, and the grouping that computes them.

use std::collections::BTreeSet;

use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, ObjectNamePart, OrderByExpr, Value,
};
use sqlparser::tokenizer::Location;

use super::clauses::order_options;
use super::literals::text_of;
use super::translate::{Context, EXPRESSIONS, Scope};
use crate::error::Result;
use crate::expr::{AggExpr, Expr, Literal, Node, SortKey, Type, coalesce, col, corr, cov, is_same, lit, size, when};
use crate::frame::{Frame, Keep, Merge};

/// An expression of GROUP BY.
pub(super) struct Key {
    /// Over the columns that FROM gives.
    pub(super) expr: Expr,
    /// The column that holds it once grouped.
    pub(super) name: String,
}

/// A call of an aggregate function.
pub(super) struct Call {
    aggregate: AggExpr,
    /// What tells it from other calls: the function with its constants, its inputs and which rows it sees in which order.
    function: String,
    inputs: Vec<Expr>,
    rows: Rows,
    /// The column that holds it once grouped.
    pub(super) name: String,
    pub(super) place: Location,
}

/// Which rows of a group an aggregate sees, and in which order.
#[derive(Clone, Default)]
struct Rows {
    filter: Option<Expr>,
    /// Of rows with the same inputs, the first alone.
    distinct: bool,
    order: Vec<SortKey>,
}

impl Rows {
    fn is_same(&self, other: &Rows) -> bool {
        let same = |(a, b): (&SortKey, &SortKey)| {
            a.descending == b.descending && a.nulls_first == b.nulls_first && is_same(&a.expr, &b.expr)
        };
        let filters = match (&self.filter, &other.filter) {
            (Some(a), Some(b)) => is_same(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let orders = self.order.len() == other.order.len() && self.order.iter().zip(&other.order).all(same);
        filters && orders && self.distinct == other.distinct
    }

    /// Whether an aggregate over the rows as they are, with its filter, does.
    fn is_simple(&self) -> bool {
        !self.distinct && self.order.is_empty()
    }
}

/// The names of aggregate functions.
pub(super) const NAMES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "var_samp",
    "variance",
    "var_pop",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "median",
    "quantile_cont",
    "percentile_cont",
    "mode",
    "first",
    "last",
    "any_value",
    "string_agg",
    "group_concat",
    "listagg",
    "corr",
    "covar_samp",
    "covar_pop",
    "bool_and",
    "bool_or",
    "count_if",
];

/// The name of an aggregate function, in small letters as the parser's input has it.
pub(super) fn aggregate_name(function: &Function) -> Option<&str> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return None };
    NAMES.contains(&name.value.as_str()).then_some(name.value.as_str())
}

/// A call's parts, with what is refused of all calls refused.
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    pub(super) place: Location,
    pub(super) args: Vec<&'a Ast>,
    pub(super) star: bool,
    pub(super) distinct: bool,
    pub(super) order: Vec<&'a OrderByExpr>,
    pub(super) separator: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// Takes a call's arguments apart.
    pub(super) fn parts(&self, name: &'a str, function: &'a Function) -> Result<Parts<'a>> {
        let source = self.env.source;
        let place = source.place(&function.name);
        if !matches!(function.parameters, FunctionArguments::None) {
            let what = format!("a second pair of parentheses after {name}(…)");
            return Err(source.unsupported(place, &what).help(EXPRESSIONS));
        }
        let mut parts =
            Parts { name, place, args: vec![], star: false, distinct: false, order: vec![], separator: None };
        let (args, clauses) = match &function.args {
            FunctionArguments::None => return Ok(parts),
            FunctionArguments::Subquery(_) => return Err(source.unsupported(place, "a subquery as an argument")),
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
                parts.distinct = *duplicate_treatment == Some(DuplicateTreatment::Distinct);
                (args, clauses)
            }
        };
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => parts.args.push(ast),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => parts.star = true,
                _ => return Err(source.unsupported(place, &format!("this argument of {name}"))),
            }
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => parts.order.extend(keys),
                FunctionArgumentClause::Separator(value) => match &value.value {
                    Value::SingleQuotedString(text) => parts.separator = Some(text),
                    _ => return Err(source.error(value.span.start, "the separator is a constant text")),
                },
                _ => return Err(source.unsupported(place, &format!("another word within {name}(…),"))),
            }
        }
        parts.order.extend(&function.within_group);
        Ok(parts)
    }

    /// A call of an aggregate: the column that will hold it.
    pub(super) fn aggregate_call(
        &mut self,
        ast: &'a Ast,
        name: &'a str,
        function: &'a Function,
        context: Context,
    ) -> Result<Expr> {
        let source = self.env.source;
        let parts = self.parts(name, function)?;
        let place = parts.place;
        if function.null_treatment.is_some() {
            let what = format!("IGNORE NULLS or RESPECT NULLS after {name}(…)");
            return Err(source.unsupported(place, &what).help(EXPRESSIONS));
        }
        if !context.grouped {
            let error = source.error(place, format!("an aggregate can't stand in {}", context.clause));
            return Err(if context.clause == "WHERE" { error.help("write the condition after HAVING") } else { error });
        }
        let inside = Context { clause: "another aggregate", grouped: false, aliases: false, windows: false, ..context };
        let (aggregate, function_text, inputs) = self.aggregate(&parts, inside.deeper())?;
        let filter = function.filter.as_ref().map(|ast| self.expr(ast, inside.deeper())).transpose()?;
        let ordered = matches!(name, "string_agg" | "group_concat" | "listagg" | "first" | "last" | "any_value");
        let mut order = vec![];
        for key in parts.order.iter().filter(|_| ordered) {
            let (expr, descending, nulls_first) = order_options(source, key)?;
            let expr = self.expr(expr, inside.deeper())?;
            order.push(SortKey { expr, descending, nulls_first });
        }
        // Distinct values change nothing of these, and counts of them have an aggregate.
        let distinct =
            parts.distinct && !matches!(name, "min" | "max" | "count" | "first" | "any_value" | "bool_and" | "bool_or");
        let rows = Rows { filter, distinct, order };
        let known = self.calls.iter().find(|call| {
            call.function == function_text
                && call.inputs.len() == inputs.len()
                && call.inputs.iter().zip(&inputs).all(|(a, b)| is_same(a, b))
                && call.rows.is_same(&rows)
        });
        if let Some(call) = known {
            return Ok(col(&call.name));
        }
        let name = self.free_name(self.title(ast));
        self.calls.push(Call { aggregate, function: function_text, inputs, rows, name: name.clone(), place });
        Ok(col(name))
    }

    /// The aggregate that a call asks for, with SQL's own rules: the sum of nothing is null.
    pub(super) fn aggregate(&mut self, parts: &Parts<'a>, inside: Context) -> Result<(AggExpr, String, Vec<Expr>)> {
        let source = self.env.source;
        let name = parts.name;
        let text = match parts.distinct && name == "count" {
            true => "count distinct".to_owned(),
            false => name.to_owned(),
        };
        if name == "count" && !parts.distinct && parts.args.len() <= 1 {
            // Every row counts, with a star and with a constant.
            let constant = |ast: &&Ast| matches!(ast, Ast::Value(value) if value.value != Value::Null);
            if parts.star || parts.args.first().is_some_and(constant) {
                return Ok((size(), "count(*)".to_owned(), vec![]));
            }
        }
        let count = match name {
            "corr" | "covar_samp" | "covar_pop" => 2,
            "string_agg" | "group_concat" | "listagg" => parts.args.len().clamp(1, 2),
            "quantile_cont" => 2,
            _ => 1,
        };
        if parts.star || parts.args.len() != count {
            let takes = if count == 1 { "one expression" } else { "two expressions" };
            return Err(source.error(parts.place, format!("{name} takes {takes}")));
        }
        let mut inputs = vec![];
        if name == "percentile_cont" {
            let [key] = parts.order.as_slice() else {
                let message = "percentile_cont takes its column after WITHIN GROUP";
                return Err(source
                    .error(parts.place, message)
                    .help("write percentile_cont(0.9) WITHIN GROUP (ORDER BY v)"));
            };
            inputs.push(self.expr(&key.expr, inside)?);
        } else {
            let constants = usize::from(matches!(name, "quantile_cont"))
                + usize::from(count == 2 && matches!(name, "string_agg" | "group_concat" | "listagg"));
            for ast in &parts.args[..count - constants] {
                inputs.push(self.expr(ast, inside)?);
            }
        }
        let input = inputs[0].clone();
        let second = || inputs.get(1).cloned().unwrap_or_else(|| lit(Literal::Null));
        let aggregate = match name {
            "count" if parts.distinct => input.nunique(),
            "count" => input.count(),
            "sum" => input.sum().min_count(1),
            "avg" | "mean" => input.mean(),
            "min" | "bool_and" => input.min(),
            "max" | "bool_or" => input.max(),
            "var_samp" | "variance" => input.var(),
            "var_pop" => input.var().ddof(0),
            "stddev" | "stddev_samp" => input.std(),
            "stddev_pop" => input.std().ddof(0),
            "median" => input.median(),
            "mode" => input.mode(),
            "first" | "any_value" => input.first(),
            "last" => input.last(),
            "corr" => corr(input, second()),
            "covar_samp" => cov(input, second()),
            "covar_pop" => cov(input, second()).ddof(0),
            "count_if" => when(input).then(1).otherwise(Literal::Null).count(),
            "quantile_cont" | "percentile_cont" => {
                let share = if name == "quantile_cont" { parts.args[1] } else { parts.args[0] };
                let p = match self.expr(share, inside)?.node() {
                    Node::Literal(Literal::Float64(p)) if (0.0..=1.0).contains(p) => *p,
                    Node::Literal(Literal::Int64(p @ 0..=1)) => *p as f64,
                    _ => {
                        let message = format!("{name} takes a share from 0 to 1 that is a constant");
                        return Err(source.error(source.start(share), message));
                    }
                };
                return Ok((input.quantile(p), format!("{name} {p}"), inputs));
            }
            _ => {
                let separator = match (parts.separator, parts.args.get(1)) {
                    (Some(separator), _) => separator,
                    (None, None) => ",",
                    (None, Some(ast)) => text_of(ast)
                        .ok_or_else(|| source.error(source.start(ast), "the separator is a constant text"))?,
                };
                return Ok((input.cast(Type::Text).join(separator), format!("{name} {separator:?}"), inputs));
            }
        };
        Ok((aggregate, text, inputs))
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

    /// Groups and aggregates; the columns are then the keys and the calls by their names.
    pub(super) fn grouped(&self, frame: &Frame) -> Result<Frame> {
        let source = self.env.source;
        let keys: Vec<Expr> = self.keys.iter().map(|key| named(key.expr.clone(), &key.name)).collect();
        let aggregate = |frame: &Frame, keys: &[Expr], calls: Vec<AggExpr>| match keys {
            [] => frame.agg(calls),
            keys => frame.group_by(keys.to_vec()).keep_nulls().agg(calls),
        };
        let in_place = |call: &Call| {
            let aggregate = call.aggregate.clone().alias(&call.name);
            call.rows.filter.iter().fold(aggregate, |aggregate, filter| aggregate.filter(filter))
        };
        for call in &self.calls {
            let one = aggregate(frame, &keys, vec![in_place(call)]);
            one.schema().map_err(|error| source.blame(error, call.place))?;
        }
        let mut calls: Vec<AggExpr> = self.calls.iter().filter(|call| call.rows.is_simple()).map(in_place).collect();
        let rows = self.free_name("count(*)".to_owned());
        if calls.is_empty() {
            // Groups without aggregates are the distinct keys.
            calls.push(size().alias(&rows));
        }
        let mut groups = aggregate(frame, &keys, calls);
        // The others see other rows, and come from frames of their own.
        for call in self.calls.iter().filter(|call| !call.rows.is_simple()) {
            let Rows { filter, distinct, order } = &call.rows;
            let mut own = filter.iter().fold(frame.clone(), |frame, filter| frame.filter(filter.clone()));
            if !order.is_empty() {
                own = own.sort(order.clone());
            }
            // Under names of their own: a key may be called as a column is.
            let hidden: Vec<String> = keys.iter().map(|_| self.env.hidden("key")).collect();
            let own_keys: Vec<Expr> =
                keys.iter().zip(&hidden).map(|(key, name)| key.unaliased().alias(name.as_str())).collect();
            let own = match distinct {
                false => aggregate(&own, &own_keys, vec![call.aggregate.clone().alias(&call.name)]),
                true => {
                    let inputs = call.inputs.iter().map(|input| input.clone().alias(self.env.hidden("input")));
                    let told: Vec<Expr> = own_keys.iter().cloned().chain(inputs).collect();
                    let names: Vec<String> = told.iter().map(Expr::name).collect();
                    let used: BTreeSet<_> = call.inputs.iter().flat_map(Expr::columns).collect();
                    let columns = told.into_iter().chain(used.iter().map(|name| col(&**name)));
                    let own = own.select(columns.collect::<Vec<_>>()).drop_duplicates(names, Keep::First);
                    let keys: Vec<Expr> = hidden.iter().map(col).collect();
                    aggregate(&own, &keys, vec![call.aggregate.clone().alias(&call.name)])
                }
            };
            groups = match keys.as_slice() {
                [] => groups.merge(own, Merge::cross()),
                keys => {
                    let names: Vec<String> = keys.iter().map(Expr::name).collect();
                    let merged = groups.merge(own, Merge::left().left_on(names).right_on(hidden).nulls_equal());
                    // A group that the filter leaves no row of.
                    match call.function.starts_with("count") {
                        true => merged.with_column(&call.name, coalesce([col(&call.name), lit(0)])),
                        false => merged,
                    }
                }
            };
        }
        Ok(groups)
    }
}

/// The expression under a name, which it may have already.
pub(super) fn named(expr: Expr, name: &str) -> Expr {
    if expr.name() == name { expr } else { expr.alias(name) }
}
