//! Walks over syntax trees that look, and translate nothing.

use sqlparser::ast::{BinaryOperator, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};

use super::aggregates::aggregate_name;

/// The operands of a chain of one operator, `a AND (b AND c) AND d`, from left to right. Chains may be longer than
/// recursion could go.
pub(super) fn operands<'a>(ast: &'a Ast, chain: &BinaryOperator) -> Vec<&'a Ast> {
    let (mut pending, mut parts) = (vec![ast], Vec::new());
    while let Some(ast) = pending.pop() {
        match ast {
            Ast::BinaryOp { left, op, right } if op == chain => pending.extend([&**right, &**left]),
            Ast::Nested(inner) => match **inner {
                Ast::BinaryOp { ref op, .. } if op == chain => pending.push(inner),
                _ => parts.push(ast),
            },
            _ => parts.push(ast),
        }
    }
    parts
}

/// The conditions that all branches of an OR have in common: `(a AND b) OR (a AND c)` demands `a`.
pub(super) fn common_parts(ast: &Ast) -> Vec<&Ast> {
    let mut branches = operands(ast, &BinaryOperator::Or).into_iter().map(|branch| match branch {
        Ast::Nested(inner) => operands(inner, &BinaryOperator::And),
        branch => operands(branch, &BinaryOperator::And),
    });
    let mut common = branches.next().unwrap_or_default();
    let mut others = 0;
    for branch in branches {
        others += 1;
        common.retain(|part| branch.contains(part));
    }
    if others == 0 { vec![] } else { common }
}

/// Whether an aggregate function is called anywhere in an expression, in the place of one or within a window's.
pub(super) fn has_aggregate(ast: &Ast) -> bool {
    any(
        ast,
        |ast| matches!(ast, Ast::Function(function) if function.over.is_none() && aggregate_name(function).is_some()),
    )
}

/// Whether a function over a window is called anywhere in an expression.
pub(super) fn has_window(ast: &Ast) -> bool {
    any(ast, |ast| matches!(ast, Ast::Function(function) if function.over.is_some()))
}

/// Whether a subquery stands anywhere in an expression.
pub(super) fn has_subquery(ast: &Ast) -> bool {
    any(ast, |ast| matches!(ast, Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. }))
}

/// Whether an expression is one of the row alone: no aggregates, windows or subqueries in it, and names columns.
pub(super) fn has_own_columns(ast: &Ast) -> bool {
    let has_name = any(ast, |ast| matches!(ast, Ast::Identifier(_) | Ast::CompoundIdentifier(_)));
    has_name && !has_aggregate(ast) && !has_window(ast) && !has_subquery(ast)
}

/// The names in an expression, with their tables', but for those within subqueries.
pub(super) fn identifiers(ast: &Ast) -> Vec<(Option<&Ident>, &Ident)> {
    let (mut pending, mut found) = (vec![ast], vec![]);
    while let Some(ast) = pending.pop() {
        match ast {
            Ast::Identifier(name) => found.push((None, name)),
            Ast::CompoundIdentifier(parts) => {
                if let [table, name] = parts.as_slice() {
                    found.push((Some(table), name));
                }
            }
            _ => pending.extend(children(ast)),
        }
    }
    found
}

fn any(ast: &Ast, is: impl Fn(&Ast) -> bool) -> bool {
    let mut pending = vec![ast];
    while let Some(ast) = pending.pop() {
        if is(ast) {
            return true;
        }
        pending.extend(children(ast));
    }
    false
}

/// The direct parts of an expression of a kind that is translated; other kinds are refused there.
fn children(ast: &Ast) -> Vec<&Ast> {
    match ast {
        Ast::Nested(inner)
        | Ast::UnaryOp { expr: inner, .. }
        | Ast::IsNull(inner)
        | Ast::IsNotNull(inner)
        | Ast::IsUnknown(inner)
        | Ast::IsNotUnknown(inner)
        | Ast::IsTrue(inner)
        | Ast::IsNotTrue(inner)
        | Ast::IsFalse(inner)
        | Ast::IsNotFalse(inner)
        | Ast::Cast { expr: inner, .. }
        | Ast::Extract { expr: inner, .. }
        | Ast::Ceil { expr: inner, .. }
        | Ast::Floor { expr: inner, .. }
        | Ast::Substring { expr: inner, .. }
        | Ast::Trim { expr: inner, .. }
        | Ast::InSubquery { expr: inner, .. } => vec![inner],
        Ast::BinaryOp { left: a, right: b, .. }
        | Ast::IsDistinctFrom(a, b)
        | Ast::IsNotDistinctFrom(a, b)
        | Ast::Like { expr: a, pattern: b, .. }
        | Ast::ILike { expr: a, pattern: b, .. } => vec![a, b],
        Ast::Between { expr, low, high, .. } => vec![expr, low, high],
        Ast::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        Ast::Case { operand, conditions, else_result, .. } => {
            let cases = conditions.iter().flat_map(|case| [&case.condition, &case.result]);
            operand.iter().chain(else_result).map(|ast| &**ast).chain(cases).collect()
        }
        Ast::Function(function) => {
            let mut parts: Vec<&Ast> = match &function.args {
                FunctionArguments::List(list) => list
                    .args
                    .iter()
                    .filter_map(|argument| match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                        _ => None,
                    })
                    .collect(),
                _ => vec![],
            };
            if let Some(sqlparser::ast::WindowType::WindowSpec(window)) = &function.over {
                parts.extend(&window.partition_by);
                parts.extend(window.order_by.iter().map(|key| &key.expr));
            }
            parts
        }
        _ => vec![],
    }
}
