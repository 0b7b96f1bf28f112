//! Values by condition: `when … then … otherwise`, `coalesce`, `fill_null`.

use super::{Answer, Call, Function, Style};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::bind::{Bound, Choice, Way};
use crate::expr::build::Node;
use crate::expr::coerce::{common, no_condition};
use crate::expr::{Expr, IntoOperand, Literal, Type};

static CASE: Function = Function { name: "case", style: Style::Case, can_fail: false, bind: bind_case };
static COALESCE: Function = Function { name: "coalesce", style: Style::Call, can_fail: false, bind: bind_coalesce };

/// The rows for which `condition` is true get what [`then`](When::then) says; those for which it is false or null go on
/// to the next `when`, and at last to [`otherwise`](Then::otherwise).
///
/// All results become one type: numbers float64 if any is, dates and timestamps timestamps; other mixtures are an
/// [`ErrorKind::Type`](crate::ErrorKind::Type) error. What is not chosen on a row is no error there: `when(q.ne(0)).then(v.floor_div(q))` guards.
///
/// ```
/// use partita::{col, when};
/// let size = when(col("v").gt(1000)).then("large").when(col("v").gt(10)).then("middle").otherwise("small");
/// assert_eq!(size.to_string(), r#"case when v > 1000 then "large" when v > 10 then "middle" else "small" end"#);
/// ```
pub fn when(condition: impl IntoOperand) -> When {
    When { parts: vec![condition.into_operand()] }
}

/// A condition that waits for its result: made by [`when`] and [`Then::when`].
///
/// ```compile_fail
/// use partita::prelude::*;
/// let frame = read_csv("x.csv").select([when(col("a").gt(1))]); // what then?
/// ```
#[derive(Debug, Clone)]
#[must_use = "say what the rows get with then(..)"]
pub struct When {
    parts: Vec<Expr>,
}

/// Conditions with their results: an expression already, null where no condition is true.
///
/// ```
/// use partita::{Expr, col, when};
/// let positive: Expr = when(col("v").gt(0)).then(col("v")).into();
/// assert_eq!(positive.to_string(), "case when v > 0 then v end");
/// ```
#[derive(Debug, Clone)]
#[must_use = "end it with otherwise(..)"]
pub struct Then {
    parts: Vec<Expr>,
}

impl When {
    /// What the rows of the condition get. Text is a constant here.
    ///
    /// ```
    /// # use partita::{col, when};
    /// assert_eq!(when(col("a")).then(1).otherwise(2).to_string(), "case when a then 1 else 2 end");
    /// ```
    pub fn then(mut self, value: impl IntoOperand) -> Then {
        self.parts.push(value.into_operand());
        Then { parts: self.parts }
    }
}

impl Then {
    /// The next condition, for rows that none before took.
    ///
    /// ```
    /// # use partita::{col, when};
    /// let sign = when(col("a").lt(0)).then(-1).when(col("a").gt(0)).then(1).otherwise(0);
    /// assert_eq!(sign.to_string(), "case when a < 0 then -1 when a > 0 then 1 else 0 end");
    /// ```
    pub fn when(mut self, condition: impl IntoOperand) -> When {
        self.parts.push(condition.into_operand());
        When { parts: self.parts }
    }

    /// What all other rows get.
    ///
    /// ```
    /// # use partita::{col, when};
    /// assert_eq!(when(col("q").is_nan()).then(None::<f64>).otherwise(col("q")).name(), "q");
    /// ```
    pub fn otherwise(mut self, value: impl IntoOperand) -> Expr {
        self.parts.push(value.into_operand());
        Expr::from_node(Node::Call(&CASE, self.parts))
    }
}

impl From<Then> for Expr {
    /// The other rows get null.
    fn from(then: Then) -> Expr {
        then.otherwise(Literal::Null)
    }
}

impl IntoOperand for Then {
    fn into_operand(self) -> Expr {
        self.into()
    }
}

/// The first value that is not null, row by row; null where all are. NaN is a value. A name stands for its column; constants are
/// [`lit`](crate::lit).
///
/// The types go together as those of [`when`]. A later value is no error on rows that have an earlier one. Of nothing at all,
/// an [`ErrorKind::Config`](crate::ErrorKind::Config) error when it meets a schema.
///
/// ```
/// use partita::{coalesce, col, lit};
/// assert_eq!(coalesce([col("q"), col("q_estimated"), lit(0)]).to_string(), "coalesce(q, q_estimated, 0)");
/// ```
pub fn coalesce<E: Into<Expr>>(exprs: impl IntoIterator<Item = E>) -> Expr {
    Expr::from_node(Node::Call(&COALESCE, exprs.into_iter().map(Into::into).collect()))
}

/// Values in the place of others.
impl Expr {
    /// The value, or `other` where it is null. NaN is a value and stays. Types go together as those of [`when`].
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").fill_null(0).to_string(), "coalesce(q, 0)");
    /// ```
    pub fn fill_null(self, other: impl IntoOperand) -> Expr {
        coalesce([self, other.into_operand()])
    }
}

fn bind_case(call: Call) -> Result<Answer> {
    let can_fail = call.can_fail;
    let (mut conditions, mut values) = (vec![], vec![]);
    let mut args = call.args.into_iter();
    while let Some(arg) = args.next() {
        // The last has no partner: it is for the other rows.
        match args.next() {
            Some(value) => {
                if !matches!(arg.kind, None | Some(Type::Bool)) {
                    return Err(no_condition("when", &arg));
                }
                conditions.push(arg.cast(Type::Bool));
                values.push(value);
            }
            None => values.push(arg),
        }
    }
    let (values, kind) = common(values, "the results of when")?;
    let Some(kind) = kind else { return nothing_but_nulls() };
    let mut parts = vec![];
    let mut conditions = conditions.into_iter();
    for value in values {
        parts.extend(conditions.next());
        parts.push(value);
    }
    Ok((Bound::Choice(Choice { way: Way::When, parts, can_fail }), Some(kind)))
}

fn bind_coalesce(call: Call) -> Result<Answer> {
    if call.args.is_empty() {
        return Err(Error::new(ErrorKind::Config, "coalesce of nothing").help("give it one value at least"));
    }
    let can_fail = call.can_fail;
    let (parts, kind) = common(call.args, "coalesce")?;
    let Some(kind) = kind else { return nothing_but_nulls() };
    Ok((Bound::Choice(Choice { way: Way::Coalesce, parts, can_fail }), Some(kind)))
}

/// A null that takes the type of what it meets.
fn nothing_but_nulls() -> Result<Answer> {
    crate::expr::bind::constant(Literal::Null)
}
