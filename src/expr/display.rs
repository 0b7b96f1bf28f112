//! Expressions as a person would write them.

use std::fmt;

use super::build::{BinaryOp, Expr, Node, UnaryOp};
use super::functions::{Function, Style};

/// As a person would write it; one too large to be bound is only measured.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.check_size() {
            Ok(()) => self.write(f, 0),
            Err(_) => {
                let (depth, parts) = self.size();
                write!(f, "(an expression of {parts} parts, {depth} levels deep)")
            }
        }
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({self})")
    }
}

impl Expr {
    /// How messages name it: a constant as it is written, anything else in quotes.
    pub(crate) fn quoted(&self) -> String {
        match self.node() {
            Node::Literal(literal) => literal.to_string(),
            _ => format!("'{self}'"),
        }
    }

    /// Writes it as it stands within an operator that binds so tightly.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, outer: u8) -> fmt::Result {
        let inner = self.node().precedence();
        if inner < outer {
            f.write_str("(")?;
        }
        match self.node() {
            Node::Column(name) => f.write_str(name)?,
            Node::Literal(literal) => write!(f, "{literal}")?,
            Node::Alias(expr, name) => {
                expr.write(f, inner + 1)?;
                write!(f, " as {name}")?;
            }
            Node::Unary(UnaryOp::Not, expr) => {
                f.write_str("not ")?;
                expr.write(f, inner)?;
            }
            Node::Unary(UnaryOp::Neg, expr) => {
                f.write_str("-")?;
                expr.write(f, inner + 1)?;
            }
            Node::Unary(op, expr) => {
                expr.write(f, inner + 1)?;
                f.write_str(if *op == UnaryOp::IsNull { " is null" } else { " is not null" })?;
            }
            Node::Binary(op, l, r) => {
                // Operators group to the left, and comparisons not at all.
                l.write(f, if op.is_comparison() { inner + 1 } else { inner })?;
                write!(f, " {op} ")?;
                r.write(f, if op.is_logical() { inner } else { inner + 1 })?;
            }
            Node::Call(function, args) => function.style.write(function.name, args, f)?,
            Node::InOrder(function, inputs) => function.write(inputs, f)?,
        }
        if inner < outer {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Node {
    /// How tightly it binds: operators within one that binds tighter need parentheses.
    fn precedence(&self) -> u8 {
        use BinaryOp as B;
        match self {
            Node::Alias(..) => 0,
            Node::Binary(B::Or, ..) => 1,
            Node::Binary(B::And, ..) => 2,
            Node::Unary(UnaryOp::Not, _) => 3,
            Node::Binary(B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge, ..) => 4,
            Node::Unary(UnaryOp::IsNull | UnaryOp::IsNotNull, _) => 4,
            Node::Binary(B::Add | B::Sub, ..) => 5,
            Node::Binary(B::Mul | B::Div | B::FloorDiv | B::Rem, ..) => 6,
            Node::Unary(UnaryOp::Neg, _) => 7,
            Node::Call(Function { style: Style::In, .. }, _) => 4,
            Node::Column(_) | Node::Literal(_) | Node::Call(..) | Node::InOrder(..) => 8,
        }
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BinaryOp::Eq => "=",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::FloorDiv => "//",
            BinaryOp::Rem => "%",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::col;

    #[test]
    fn shown_as_a_person_writes_it() {
        let (a, b, c) = (|| col("a"), || col("b"), || col("c"));
        for (expr, text) in [
            (a().eq(2018), "a = 2018"),
            (a().or(b()).and(c().not()), "(a or b) and not c"),
            (a().or(b().and(c())), "a or b and c"),
            (a().and(b().or(c())).not(), "not (a and (b or c))"),
            (a() - (b() - c()), "a - (b - c)"),
            (a() - b() - c(), "a - b - c"),
            ((a() + b()) * -c(), "(a + b) * -c"),
            (-(a() + 1), "-(a + 1)"),
            (-(-a()), "-(-a)"),
            (a().gt(1).eq(b().le("x")), "(a > 1) = (b <= \"x\")"),
            ((a() % 2).ne(0).is_null(), "(a % 2 != 0) is null"),
            (a().is_not_null().not(), "not a is not null"),
            ((a() / 2.0).alias("half") + 1, "(a / 2.0 as half) + 1"),
        ] {
            assert_eq!(expr.to_string(), text);
        }
    }
}
