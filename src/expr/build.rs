//! [`Expr`]: how expressions are built and rewritten.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::functions::Function;
use super::in_order::InOrderFn;
use super::literal::{Literal, lit};
use super::operators::IntoOperand;
use crate::error::{Error, ErrorKind, Result};

/// An expression over the columns of a frame: `col("v") / col("q")`, `col("t").eq(2018)`.
///
/// An expression names columns and knows no types: what doesn't go together comes out when the expression meets a
/// frame, as an [`ErrorKind::Type`](crate::ErrorKind::Type) error at `schema()`, `explain()` or `compute()`. Clones are cheap.
///
/// **Arithmetic.** Null in, null out. `+`, `-`, `*` and `neg` of int64 are exact: a result beyond 64 bits is an
/// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error. `/` always gives float64, by IEEE rules (`1 / 0` is infinity, `0 / 0` is NaN). `%` has the
/// sign of the left side; [`floor_div`](Expr::floor_div) (`//`) rounds the quotient down. Of int64, both are null where the right side is zero.
/// Int64 with float64 gives float64.
///
/// **Comparison.** Null in, null out; [`is_null`](Expr::is_null) asks. NaN equals itself and lies above all numbers, as it
/// sorts; `-0.0` equals `0.0`. An int64 compared with a constant float, or a float64 with a constant int64, is decided exactly (`k.lt(2.5)` is
/// `k.le(2)`); an int64 column with a float64 column is compared as floats. Text that is a constant, compared with a date or a timestamp,
/// is read as one; a date with a timestamp is its midnight. Bools compare with bools (false is less) and text with text, by its bytes.
///
/// **Logic.** `and`, `or`, `not` are three-valued: `false and null` is false, `true or null` is true, else null stays null. A filter
/// keeps the rows where its condition is true.
///
/// **Dates.** A date or timestamp plus or minus an [`Interval`](crate::Interval) such as [`days(3)`](crate::days) is a date or timestamp.
///
/// **In order.** [`cumsum`](Expr::cumsum), [`cumprod`](Expr::cumprod), [`cummin`](Expr::cummin), [`cummax`](Expr::cummax),
/// [`cumcount`](Expr::cumcount), [`row_number`](crate::row_number), [`shift`](Expr::shift), [`diff`](Expr::diff), [`pct_change`](Expr::pct_change),
/// [`ffill`](Expr::ffill), [`bfill`](Expr::bfill), [`rank`](Expr::rank), [`rolling`](Expr::rolling) and [`rolling_by`](Expr::rolling_by) look at other rows too, across the
/// borders of partitions. They stand in `select`, `with_column` and `filter`, alone or within larger expressions.
///
/// **Constants** are computed once, and parts that occur more than once in a step too. What would be an error on a row, such as
/// an overflow, is no error where there are no rows.
///
/// An expression nested deeper than 500 levels, or of more than 100,000 parts, is an [`ErrorKind::Config`] error.
///
/// ```
/// use partita::{col, lit};
/// let dear = col("t").eq(2018).and((col("v") / col("q")).gt(1.5).or(col("q").is_null()));
/// assert_eq!(dear.to_string(), "t = 2018 and (v / q > 1.5 or q is null)");
/// assert_eq!((lit(1) - col("share")).name(), "share");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Expr(Arc<Measured>);

/// A node with what its tree measures, so that a tree too large is known without walking it.
struct Measured {
    node: Node,
    depth: u32,
    parts: u32,
}

/// What an expression is made of.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Column(Arc<str>),
    Literal(Literal),
    Alias(Expr, Arc<str>),
    Unary(UnaryOp, Expr),
    Binary(BinaryOp, Expr, Expr),
    /// A function with its arguments, the constant ones last.
    Call(&'static Function, Vec<Expr>),
    /// A function that goes over the rows in order, with its inputs: the plan takes it out before expressions bind.
    InOrder(InOrderFn, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum UnaryOp {
    Not,
    Neg,
    IsNull,
    IsNotNull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BinaryOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Add,
    Sub,
    Mul,
    Div,
    /// Rounded down: `//`.
    FloorDiv,
    Rem,
}

/// The deepest nesting that binds: far beyond what people write, and safe on a worker's stack.
pub(crate) const MAX_DEPTH: u32 = 500;
/// The most parts that bind, shared parts counted as often as they occur.
pub(crate) const MAX_PARTS: u32 = 100_000;

/// A column, by its name.
///
/// ```
/// assert_eq!(partita::col("q").to_string(), "q");
/// ```
pub fn col(name: impl Into<String>) -> Expr {
    Expr::from_node(Node::Column(name.into().into()))
}

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident $symbol:literal;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!(
            "```\n# use partita::col;\nassert_eq!(col(\"a\").", stringify!($name), "(col(\"b\")).to_string(), \"a ", $symbol, " b\");\n```"
        )]
        pub fn $name(self, other: impl IntoOperand) -> Expr {
            self.binary(BinaryOp::$op, other.into_operand())
        }
    )*};
}

// `eq`, `lt`, `not` and their like build expressions; they can't be the traits of the same names, which answer at once.
#[allow(clippy::should_implement_trait)]
impl Expr {
    binary_methods! {
        /// Whether both are equal.
        eq Eq "=";
        /// Whether they differ.
        ne Ne "!=";
        /// Whether this is less.
        lt Lt "<";
        /// Whether this is less or equal.
        le Le "<=";
        /// Whether this is greater.
        gt Gt ">";
        /// Whether this is greater or equal.
        ge Ge ">=";
        /// Whether both are true.
        and And "and";
        /// Whether any is true.
        or Or "or";
    }

    /// True where this is false, and false where it is true.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("a").eq(1).not().to_string(), "not a = 1");
    /// ```
    pub fn not(self) -> Expr {
        Expr::from_node(Node::Unary(UnaryOp::Not, self))
    }

    /// The number with its sign turned.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("a").neg().to_string(), (-col("a")).to_string());
    /// ```
    pub fn neg(self) -> Expr {
        Expr::from_node(Node::Unary(UnaryOp::Neg, self))
    }

    /// Whether the value is missing; never null itself. NaN is not missing.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("a").is_null().to_string(), "a is null");
    /// ```
    pub fn is_null(self) -> Expr {
        Expr::from_node(Node::Unary(UnaryOp::IsNull, self))
    }

    /// Whether there is a value; never null itself.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("a").is_not_null().to_string(), "a is not null");
    /// ```
    pub fn is_not_null(self) -> Expr {
        Expr::from_node(Node::Unary(UnaryOp::IsNotNull, self))
    }

    /// Names the result.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") / col("q")).alias("price").to_string(), "v / q as price");
    /// ```
    pub fn alias(self, name: impl Into<String>) -> Expr {
        Expr::from_node(Node::Alias(self, name.into().into()))
    }

    /// The name of the result: its alias, else the name of the leftmost column in it, else `literal`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!((col("v") / col("q")).name(), "v");
    /// ```
    pub fn name(&self) -> String {
        self.leftmost_name().map_or_else(|| self.name_without_columns().to_owned(), |name| name.to_string())
    }

    fn name_without_columns(&self) -> &'static str {
        if self.has_in_order() { "row_number" } else { "literal" }
    }

    fn leftmost_name(&self) -> Option<&Arc<str>> {
        self.nodes().find_map(|node| match node {
            Node::Column(name) | Node::Alias(_, name) => Some(name),
            _ => None,
        })
    }

    pub(crate) fn from_node(node: Node) -> Expr {
        let (mut depth, mut parts) = (0, 1u32);
        for child in node.children() {
            depth = child.0.depth.max(depth);
            parts = parts.saturating_add(child.0.parts);
        }
        Expr(Arc::new(Measured { node, depth: depth.saturating_add(1), parts }))
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn binary(self, op: BinaryOp, other: Expr) -> Expr {
        Expr::from_node(Node::Binary(op, self, other))
    }

    /// A call of a function with this as its first argument.
    pub(crate) fn call(self, function: &'static Function, others: impl IntoIterator<Item = Expr>) -> Expr {
        Expr::from_node(Node::Call(function, std::iter::once(self).chain(others).collect()))
    }

    /// The same with constants behind.
    pub(crate) fn call_with<const N: usize>(self, function: &'static Function, constants: [Literal; N]) -> Expr {
        self.call(function, constants.map(lit))
    }

    /// How deep it is nested, and of how many parts it is.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.0.depth, self.0.parts)
    }

    /// Refuses an expression too large to be walked by recursion.
    ///
    /// # Errors
    /// [`ErrorKind::Config`].
    pub(crate) fn check_size(&self) -> Result<()> {
        let (depth, parts) = self.size();
        if depth > MAX_DEPTH {
            let message = format!("an expression is nested {depth} levels deep, and {MAX_DEPTH} is the most");
            return Err(Error::new(ErrorKind::Config, message).help(
                "split it into steps: several filters, or a select that computes a part; join long lists of conditions as a balanced tree",
            ));
        }
        if parts > MAX_PARTS {
            let message = format!("an expression has more than {MAX_PARTS} parts");
            return Err(Error::new(ErrorKind::Config, message)
                .help("compute what occurs repeatedly in a step of its own: select it, and use its name"));
        }
        Ok(())
    }

    /// All nodes, each shared one once: parents before their children, left before right.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let (mut pending, mut seen) = (vec![self], HashSet::new());
        std::iter::from_fn(move || {
            let mut expr = pending.pop()?;
            while !seen.insert(Arc::as_ptr(&expr.0)) {
                expr = pending.pop()?;
            }
            pending.extend(expr.node().children().into_iter().rev());
            Some(expr.node())
        })
    }

    /// The names of the columns used.
    pub(crate) fn columns(&self) -> BTreeSet<Arc<str>> {
        self.nodes()
            .filter_map(|node| match node {
                Node::Column(name) => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    /// The same expression with columns replaced, where `replace` gives something for their name. (One that is too large to be
    /// bound stays as it is.)
    pub(crate) fn map_columns(&self, replace: &dyn Fn(&str) -> Option<Expr>) -> Expr {
        self.map_parts(&mut |part| match part.node() {
            Node::Column(name) => replace(name),
            _ => None,
        })
    }

    /// The same expression with parts replaced, where `replace` gives something for them; parents are asked before their
    /// children. (One that is too large to be bound stays as it is.)
    pub(crate) fn map_parts(&self, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
        if self.check_size().is_err() {
            return self.clone();
        }
        if let Some(other) = replace(self) {
            return other;
        }
        let mut part = |part: &Expr| part.map_parts(replace);
        Expr::from_node(match self.node() {
            Node::Column(_) | Node::Literal(_) => return self.clone(),
            Node::Alias(inner, name) => Node::Alias(part(inner), name.clone()),
            Node::Unary(op, inner) => Node::Unary(*op, part(inner)),
            Node::Binary(op, l, r) => Node::Binary(*op, part(l), part(r)),
            Node::Call(function, args) => Node::Call(function, args.iter().map(part).collect()),
            Node::InOrder(function, inputs) => Node::InOrder(*function, inputs.iter().map(part).collect()),
        })
    }

    /// The conditions that must all be true for this to be true, from left to right.
    pub(crate) fn split_conjunction(&self) -> Vec<Expr> {
        let (mut pending, mut conditions) = (vec![self], Vec::new());
        while let Some(expr) = pending.pop() {
            match expr.node() {
                Node::Binary(BinaryOp::And, l, r) if expr.check_size().is_ok() => pending.extend([r, l]),
                Node::Alias(inner, _) => pending.push(inner),
                _ => conditions.push(expr.clone()),
            }
        }
        conditions
    }

    /// The expression without an outermost alias.
    pub(crate) fn unaliased(&self) -> Expr {
        let mut expr = self;
        while let Node::Alias(inner, _) = expr.node() {
            expr = inner;
        }
        expr.clone()
    }

    /// Whether a row can make it an error (an integer beyond 64 bits, text that is no number): then it must not meet rows that an earlier
    /// filter keeps from it.
    pub(crate) fn can_fail(&self) -> bool {
        self.nodes().any(|node| match node {
            Node::Binary(op, ..) => op.can_fail(),
            Node::Unary(op, _) => *op == UnaryOp::Neg,
            Node::Call(function, _) => function.can_fail,
            Node::InOrder(..) => true,
            Node::Column(_) | Node::Literal(_) | Node::Alias(..) => false,
        })
    }
}

impl Node {
    /// The direct parts, from left to right.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match self {
            Node::Column(_) | Node::Literal(_) => vec![],
            Node::Alias(inner, _) | Node::Unary(_, inner) => vec![inner],
            Node::Binary(_, l, r) => vec![l, r],
            Node::Call(_, args) | Node::InOrder(_, args) => args.iter().collect(),
        }
    }
}

impl BinaryOp {
    /// Whether integers can make it an error.
    pub(crate) fn can_fail(self) -> bool {
        use BinaryOp as B;
        matches!(self, B::Add | B::Sub | B::Mul | B::FloorDiv | B::Rem)
    }

    pub(crate) fn is_comparison(self) -> bool {
        use BinaryOp as B;
        matches!(self, B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge)
    }

    pub(crate) fn is_logical(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or)
    }

    /// The comparison that says the same with its sides swapped.
    pub(crate) fn mirrored(self) -> BinaryOp {
        match self {
            BinaryOp::Lt => BinaryOp::Gt,
            BinaryOp::Le => BinaryOp::Ge,
            BinaryOp::Gt => BinaryOp::Lt,
            BinaryOp::Ge => BinaryOp::Le,
            other => other,
        }
    }
}

/// Takes a deep tree apart in a loop: nested drops would go as deep as the tree.
impl Drop for Measured {
    fn drop(&mut self) {
        if self.depth <= MAX_DEPTH {
            return;
        }
        let mut pending = self.node.take_children();
        while let Some(child) = pending.pop() {
            if let Some(mut only) = Arc::into_inner(child.0) {
                pending.append(&mut only.node.take_children());
            }
        }
    }
}

impl Node {
    /// Leaves a leaf behind.
    fn take_children(&mut self) -> Vec<Expr> {
        match std::mem::replace(self, Node::Literal(Literal::Null)) {
            Node::Column(_) | Node::Literal(_) => vec![],
            Node::Alias(inner, _) | Node::Unary(_, inner) => vec![inner],
            Node::Binary(_, l, r) => vec![l, r],
            Node::Call(_, args) | Node::InOrder(_, args) => args,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::lit;

    #[test]
    fn names() {
        assert_eq!((lit(1) + col("a") * col("b")).name(), "a");
        assert_eq!((col("a") + 1).alias("next").name(), "next");
        assert_eq!((col("a").alias("x") + col("b")).name(), "x");
        assert_eq!(lit(1).name(), "literal");
    }

    #[test]
    fn rewrites() {
        let e = col("a").eq(1).and(col("b").gt(col("a")).and(col("c").or(col("d"))));
        let conditions: Vec<String> = e.split_conjunction().iter().map(Expr::to_string).collect();
        assert_eq!(conditions, ["a = 1", "b > a", "c or d"]);
        let columns: Vec<String> = e.columns().iter().map(|c| c.to_string()).collect();
        assert_eq!(columns, ["a", "b", "c", "d"]);
        let mapped = e.map_columns(&|name| (name == "a").then(|| col("x") + 1));
        assert_eq!(mapped.to_string(), "x + 1 = 1 and b > x + 1 and (c or d)");
    }

    #[test]
    fn deep_and_wide_expressions_are_measured_not_walked() {
        let deep = (0..1_000_000).fold(col("a"), |e, _| e + 1);
        assert_eq!(deep.name(), "a");
        assert_eq!(deep.columns().len(), 1);
        assert_eq!(deep.to_string(), "(an expression of 2000001 parts, 1000001 levels deep)");
        assert_eq!(deep.map_columns(&|_| Some(lit(1))).columns().len(), 1);
        drop(deep);
        let wide = (0..100).fold(col("a"), |e, _| &e + &e);
        assert_eq!(wide.columns().len(), 1);
        assert!(wide.to_string().starts_with("(an expression of 4294967295 parts"));
        assert_eq!(wide.check_size().unwrap_err().kind(), ErrorKind::Config);
        let conditions = (0..2000).fold(col("a"), |e, _| e.and(col("b")));
        assert_eq!(conditions.split_conjunction().len(), 1);
    }
}
