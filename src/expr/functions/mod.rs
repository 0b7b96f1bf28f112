//! Functions on values: one description each ([`Function`]) says how a call is written, how it is typed and what computes it.
//!
//! A method of [`Expr`] makes a call from its arguments; those that must be constant (a pattern, a unit) come last. Binding a
//! call checks the types of its arguments, reads its constants once, and gives a [`Kernel`] that computes whole arrays.

mod cast;
mod conditional;
mod datetime;
mod math;
mod membership;
mod pattern;
mod span;
mod strftime;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::bind::{Bound, Typed};
use super::build::{Expr, Node};
use super::coerce;
use super::eval::Value;
use super::literal::Literal;
use super::types::Type;
use crate::error::{Error, ErrorKind, Result};

pub use conditional::{Then, When, coalesce, when};
pub use text::concat_text;

pub(super) use math::floor_div;
pub(super) use span::add_interval;

/// A function that expressions can call.
pub(crate) struct Function {
    /// The name that people write and read; no two functions share one.
    pub name: &'static str,
    pub style: Style,
    /// Whether a row can make it an error.
    pub can_fail: bool,
    /// Types a call.
    pub(super) bind: fn(Call<'_>) -> Result<Answer>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a call becomes, and its type; None for a null that has none yet.
pub(super) type Answer = (Bound, Option<Type>);

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `round(v, 2)`
    Call,
    /// `cast(v as text)`
    Cast,
    /// `k in (1, 2)`
    In,
    /// `case when a then b else c end`
    Case,
}

/// So many values of a list are written; of more, how many there are.
const LISTED: usize = 20;

impl Style {
    pub(super) fn write(self, name: &str, args: &[Expr], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |args: &[Expr], f: &mut fmt::Formatter<'_>| {
            args.iter().enumerate().try_for_each(|(i, arg)| {
                f.write_str(if i == 0 { "" } else { ", " })?;
                arg.write(f, 0)
            })
        };
        match (self, args) {
            (Style::Cast, [arg, to]) => {
                write!(f, "{name}(")?;
                arg.write(f, 1)?;
                match to.node() {
                    Node::Literal(Literal::Text(to)) => write!(f, " as {to})"),
                    _ => write!(f, " as {to})"),
                }
            }
            (Style::In, [arg, values @ ..]) => {
                // As tight as a comparison, which does not group.
                arg.write(f, 5)?;
                f.write_str(" in (")?;
                list(&values[..values.len().min(LISTED)], f)?;
                if values.len() > LISTED {
                    write!(f, ", … {} values", values.len())?;
                }
                f.write_str(")")
            }
            (Style::Case, [pairs @ .., otherwise]) => {
                f.write_str("case")?;
                for pair in pairs.chunks_exact(2) {
                    f.write_str(" when ")?;
                    pair[0].write(f, 1)?;
                    f.write_str(" then ")?;
                    pair[1].write(f, 1)?;
                }
                if !matches!(otherwise.node(), Node::Literal(Literal::Null)) {
                    f.write_str(" else ")?;
                    otherwise.write(f, 1)?;
                }
                f.write_str(" end")
            }
            _ => {
                write!(f, "{name}(")?;
                list(args, f)?;
                f.write_str(")")
            }
        }
    }
}

/// What computes a call: from values of the types that binding gave them to so many values. A constant argument has one value;
/// that many are wanted when all are constant.
#[derive(Clone)]
pub(super) struct Kernel(Arc<Compute>);

type Compute = dyn Fn(&[Value], usize) -> Result<ArrayRef> + Send + Sync;

impl Kernel {
    pub(super) fn run(&self, args: &[Value], rows: usize) -> Result<ArrayRef> {
        (self.0)(args, rows)
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kernel")
    }
}

/// A call whose arguments have their types.
pub(super) struct Call<'a> {
    pub function: &'static Function,
    pub args: Vec<Typed<'a>>,
    /// The whole call, for messages.
    pub expr: &'a Expr,
    /// Whether the call, or an argument, can be an error on a row.
    pub can_fail: bool,
}

impl<'a> Call<'a> {
    /// The type of an argument, if it is one of these; an untyped null is of the first.
    fn kind(&self, at: usize, kinds: &[Type], what: &str) -> Result<Type> {
        let Some(arg) = self.args.get(at) else { return Err(self.too_few()) };
        let known = arg.kind.or(kinds.first().copied());
        known.filter(|kind| kinds.contains(kind)).ok_or_else(|| {
            let message = format!("{}, and {} takes {what}", arg.described(), self.function.name);
            Error::new(ErrorKind::Type, message).help(mend(arg.kind, kinds))
        })
    }

    /// All arguments as one type, which must be one of these; of nothing but nulls it is the first.
    fn of_one_type(mut self, kinds: &[Type], what: &str) -> Result<(Call<'a>, Type)> {
        let kind = coerce::common_type(&self.args, self.function.name)?.unwrap_or(kinds[0]);
        self.args = self.args.into_iter().map(|arg| arg.read_as(kind)).collect::<Result<_>>()?;
        for at in 0..self.args.len() {
            self.kind(at, kinds, what)?;
        }
        Ok((self, kind))
    }

    /// A constant number among the arguments.
    fn int(&self, at: usize) -> Result<i64> {
        match self.args.get(at).and_then(Typed::literal) {
            Some(Literal::Int64(n)) => Ok(*n),
            _ => Err(self.no_constant(at, "a whole number")),
        }
    }

    /// Constant text among the arguments.
    fn text(&self, at: usize) -> Result<String> {
        match self.args.get(at).and_then(Typed::literal) {
            Some(Literal::Text(text)) => Ok(text.clone()),
            _ => Err(self.no_constant(at, "text")),
        }
    }

    fn no_constant(&self, at: usize, what: &str) -> Error {
        let found = self.args.get(at).map(Typed::described).unwrap_or_else(|| "nothing".to_owned());
        let message = format!("{found}, where {} takes a constant: {what}", self.function.name);
        Error::new(ErrorKind::Type, message).help("a column can't stand there")
    }

    fn too_few(&self) -> Error {
        Error::new(ErrorKind::Config, format!("{} has too few arguments", self.function.name))
    }

    /// The call, computed from its first arguments as values of these types; the others are constants that the kernel knows.
    fn computed<F>(self, takes: &[Type], gives: Type, kernel: F) -> Result<Answer>
    where
        F: Fn(&[Value], usize) -> Result<ArrayRef> + Send + Sync + 'static,
    {
        if self.args.len() < takes.len() {
            return Err(self.too_few());
        }
        let mut args = self.args.into_iter();
        let values = takes.iter().zip(args.by_ref()).map(|(kind, arg)| arg.cast(*kind)).collect();
        let parameters = args.map(|arg| arg.bound).collect();
        let (function, kernel) = (self.function, Kernel(Arc::new(kernel)));
        Ok((Bound::Call { function, args: values, parameters, kernel }, Some(gives)))
    }
}

/// How to mend an argument of a wrong type.
fn mend(is: Option<Type>, takes: &[Type]) -> &'static str {
    let takes = |kind| takes.contains(&kind);
    match is {
        Some(Type::Text) if takes(Type::Float64) => "make a number of it with cast(Type::Float64) or cast(Type::Int64)",
        Some(Type::Text) if takes(Type::Timestamp) => {
            "make a date of it with cast(Type::Date), or with parse_date(\"%d.%m.%Y\") as it is written"
        }
        Some(Type::Date) if takes(Type::Timestamp) => "make a timestamp of it with cast(Type::Timestamp)",
        Some(_) if takes(Type::Text) => "make text of it with cast(Type::Text)",
        Some(Type::Bool) if takes(Type::Int64) => "make a number of it with cast(Type::Int64): true is 1",
        _ => "take another column",
    }
}
