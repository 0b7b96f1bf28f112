//! Walks over syntax trees that look, and translate nothing.

use sqlparser::ast::{BinaryOperator, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::translate::is_aggregate;
use crate::expr::{Expr, Node};

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

/// Whether an aggregate function is called anywhere in an expression.
pub(super) fn has_aggregate(ast: &Ast) -> bool {
    let mut pending = vec![ast];
    while let Some(ast) = pending.pop() {
        if is_aggregate(ast) {
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
        | Ast::IsNotFalse(inner) => vec![inner],
        Ast::BinaryOp { left, right, .. } => vec![left, right],
        Ast::Between { expr, low, high, .. } => vec![expr, low, high],
        Ast::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        Ast::Function(function) => match &function.args {
            FunctionArguments::List(list) => list
                .args
                .iter()
                .filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                })
                .collect(),
            _ => vec![],
        },
        _ => vec![],
    }
}

/// Whether two expressions say the same, in the same way.
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    match (a.node(), b.node()) {
        (Node::Column(a), Node::Column(b)) => a == b,
        (Node::Literal(a), Node::Literal(b)) => a == b,
        (Node::Alias(a, name_a), Node::Alias(b, name_b)) => name_a == name_b && same(a, b),
        (Node::Unary(op_a, a), Node::Unary(op_b, b)) => op_a == op_b && same(a, b),
        (Node::Binary(op_a, l_a, r_a), Node::Binary(op_b, l_b, r_b)) => {
            op_a == op_b && same(l_a, l_b) && same(r_a, r_b)
        }
        _ => false,
    }
}
