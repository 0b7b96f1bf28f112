//! Operators between expressions and constants, and what turns into an expression.

use std::ops;

use super::build::{BinaryOp, Expr, col};
use super::literal::{Literal, lit};

/// What stands on the right of an operator or a comparison: an [`Expr`], or a constant. Text is a constant here, not a
/// column's name.
///
/// ```
/// use partita::col;
/// assert_eq!(col("i").eq("NA").to_string(), "i = \"NA\"");
/// assert_eq!(col("i").eq(col("j")).to_string(), "i = j");
/// assert_eq!((col("v") * 1000).to_string(), "v * 1000");
/// ```
pub trait IntoOperand {
    /// The operand as an expression.
    fn into_operand(self) -> Expr;
}

impl IntoOperand for Expr {
    fn into_operand(self) -> Expr {
        self
    }
}

impl IntoOperand for &Expr {
    fn into_operand(self) -> Expr {
        self.clone()
    }
}

impl<T: Into<Literal>> IntoOperand for T {
    fn into_operand(self) -> Expr {
        lit(self)
    }
}

impl From<&str> for Expr {
    /// The column of this name.
    fn from(column: &str) -> Expr {
        col(column)
    }
}

impl From<String> for Expr {
    /// The column of this name.
    fn from(column: String) -> Expr {
        col(column)
    }
}

impl From<&Expr> for Expr {
    fn from(expr: &Expr) -> Expr {
        expr.clone()
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<R: IntoOperand> ops::$trait<R> for Expr {
            type Output = Expr;

            fn $method(self, other: R) -> Expr {
                self.binary(BinaryOp::$op, other.into_operand())
            }
        }

        impl<R: IntoOperand> ops::$trait<R> for &Expr {
            type Output = Expr;

            fn $method(self, other: R) -> Expr {
                self.clone().binary(BinaryOp::$op, other.into_operand())
            }
        }
    )*};
}
operators! { Add add Add; Sub sub Sub; Mul mul Mul; Div div Div; Rem rem Rem; }

impl ops::Neg for Expr {
    type Output = Expr;

    fn neg(self) -> Expr {
        Expr::neg(self)
    }
}

impl ops::Not for Expr {
    type Output = Expr;

    fn not(self) -> Expr {
        Expr::not(self)
    }
}
