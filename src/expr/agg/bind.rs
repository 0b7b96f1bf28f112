//! Binding: an aggregate meets a schema, and gets its types.

use std::fmt;

use arrow::datatypes::{DataType, Schema};

use super::{AggExpr, AggKind, Interpolation};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::build::Node;
use crate::expr::{BoundExpr, Expr, Literal, Type};

/// An [`AggExpr`] that has met its schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundAgg {
    pub kind: AggKind,
    /// What is aggregated: none for `size`, two for `corr` and `cov`.
    pub inputs: Vec<Operand>,
    /// The condition of the rows that count.
    pub filter: Option<Operand>,
    pub output_type: DataType,
    pub name: String,
}

/// An expression that several aggregates may have in common.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub bound: BoundExpr,
    source: Expr,
}

impl Operand {
    fn new(expr: &Expr, bound: BoundExpr) -> Operand {
        Operand { bound, source: expr.unaliased() }
    }

    /// Whether both are known to be the same; they may be so without being known to.
    pub(crate) fn is_same(&self, other: &Operand) -> bool {
        is_same(&self.source, &other.source)
    }
}

/// Whether both are known to be the same. Recurses as deep as expressions that bound are nested.
pub(crate) fn is_same(a: &Expr, b: &Expr) -> bool {
    match (a.node(), b.node()) {
        (Node::Column(a), Node::Column(b)) => a == b,
        (Node::Literal(Literal::Int64(a)), Node::Literal(Literal::Int64(b))) => a == b,
        (Node::Literal(Literal::Float64(a)), Node::Literal(Literal::Float64(b))) => a.to_bits() == b.to_bits(),
        (Node::Literal(a), Node::Literal(b)) => a == b,
        (Node::Alias(x, a), Node::Alias(y, b)) => a == b && is_same(x, y),
        // A function's name is one function's.
        (Node::Call(a, x), Node::Call(b, y)) => {
            a.name == b.name && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| is_same(x, y))
        }
        (Node::Unary(a, x), Node::Unary(b, y)) => a == b && is_same(x, y),
        (Node::Binary(a, x, x2), Node::Binary(b, y, y2)) => a == b && is_same(x, y) && is_same(x2, y2),
        (Node::InOrder(a, x), Node::InOrder(b, y)) => {
            a == b && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| is_same(x, y))
        }
        _ => false,
    }
}

impl AggExpr {
    /// Gives the aggregate the types of a schema.
    ///
    /// # Errors
    /// As [`Expr::bind`]; [`ErrorKind::Type`] when the type can't be aggregated so, or the filter is no condition;
    /// [`ErrorKind::Config`] for an option that the aggregate does not take, or not of this value.
    pub(crate) fn bind(&self, schema: &Schema) -> Result<BoundAgg> {
        if let Some(misuse) = &self.misuse {
            return Err(misuse.clone());
        }
        let bind = |e: &Expr| e.bind(schema).map(|bound| Operand::new(e, bound));
        let inputs = self.inputs.iter().map(bind).collect::<Result<Vec<_>>>()?;
        let kinds: Vec<Type> = inputs.iter().map(|input| input.bound.kind()).collect();
        let condition = |e: &Expr| e.bind_condition(schema).map(|bound| Operand::new(e, bound));
        let filter = self.filter.as_ref().map(condition).transpose()?;
        let output = self.output(&kinds)?;
        Ok(BoundAgg { kind: self.kind.clone(), inputs, filter, output_type: output.arrow(), name: self.name() })
    }

    /// The type of the result of inputs of these types.
    fn output(&self, inputs: &[Type]) -> Result<Type> {
        use AggKind as K;
        use Interpolation::{Linear, Midpoint};
        match (&self.kind, inputs) {
            (K::Count | K::Size | K::NUnique, _) => Ok(Type::Int64),
            (K::Sum { .. }, [Type::Int64 | Type::Bool]) => Ok(Type::Int64),
            (K::Sum { .. } | K::Mean | K::Var { .. } | K::Std { .. }, [Type::Float64])
            | (K::Mean, [Type::Int64 | Type::Bool])
            | (K::Var { .. } | K::Std { .. }, [Type::Int64])
            | (K::Cov { .. } | K::Corr, [Type::Int64 | Type::Float64, Type::Int64 | Type::Float64])
            | (K::Quantile { .. }, [Type::Int64 | Type::Float64]) => Ok(Type::Float64),
            (K::Min | K::Max | K::First | K::Last | K::Mode, [t]) => Ok(*t),
            (K::IdxMin | K::IdxMax, [t]) if *t != Type::Text => Ok(Type::Int64),
            (K::Any | K::All, [Type::Bool]) => Ok(Type::Bool),
            (K::Join { .. }, [Type::Text]) => Ok(Type::Text),
            (K::Quantile { interpolation: Linear | Midpoint, .. }, [t @ (Type::Date | Type::Timestamp)]) => {
                Err(Error::new(
                    ErrorKind::Type,
                    format!("{} is {t}: nothing lies between two of them for a {}", self.input(0), self.kind.name()),
                )
                .help("take one of the two with .interpolation(Interpolation::Lower), Higher or Nearest"))
            }
            (K::Quantile { .. }, [t @ (Type::Date | Type::Timestamp)]) => Ok(*t),
            (_, inputs) => {
                // Of two, the one that is no number.
                let wrong = inputs.iter().position(|t| !matches!(t, Type::Int64 | Type::Float64)).unwrap_or(0);
                Err(match inputs.get(wrong) {
                    Some(t) => self.refused(wrong, *t),
                    None => Error::internal(format!("{} has no input", self.kind.name())),
                })
            }
        }
    }

    /// The error of an input that can't be aggregated so.
    fn refused(&self, index: usize, t: Type) -> Error {
        use AggKind as K;
        let name = self.kind.name();
        let help = match (&self.kind, t) {
            (K::Any | K::All, _) => {
                "take it of a condition, as in col(\"t\").eq(2018)".to_owned() + if name == "any" { ".any()" } else { ".all()" }
            }
            (K::Join { .. }, _) => "only texts are joined: read the column as text with CsvOptions::dtype or --types".to_owned(),
            (K::IdxMin | K::IdxMax, _) => "it takes numbers, bools, dates and timestamps; min and max of a text work".to_owned(),
            (_, Type::Text) => {
                "aggregate another column, or take count, min or max of it; if it should be numeric, give its type with CsvOptions::dtype or --types when reading".to_owned()
            }
            (_, Type::Bool) => format!("count, sum and mean of a bool work; {name} takes numbers"),
            (K::Sum { .. } | K::Mean, _) => format!("count, min and max of a {t} work; {name} takes numbers and bools"),
            _ => format!("count, min and max of a {t} work; {name} takes numbers"),
        };
        Error::new(ErrorKind::Type, format!("{} is {t}, which has no {name}", self.input(index))).help(help)
    }

    fn input(&self, index: usize) -> String {
        self.inputs.get(index).map(Expr::quoted).unwrap_or_default()
    }
}

impl fmt::Display for BoundAgg {
    /// What errors call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.kind.name())?;
        for (i, input) in self.inputs.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, input.bound)?;
        }
        f.write_str(")")
    }
}
