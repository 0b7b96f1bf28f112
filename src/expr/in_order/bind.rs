//! Binding: a function that goes over the rows in order meets a schema, and gets its types.

use arrow::datatypes::Schema;

use super::{InOrderFn, RankMethod, Summary, Window, misplaced};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::build::{Expr, Node};
use crate::expr::{BoundExpr, Interval, Type};

/// A call of an [`InOrderFn`] that has met its schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundInOrder {
    pub function: InOrderFn,
    /// What it is computed of; then, of a window of time, the timestamps.
    pub inputs: Vec<BoundExpr>,
    /// The type of its values.
    pub kind: Type,
    /// The call for people.
    pub text: String,
}

impl Expr {
    /// Gives a function that goes over the rows in order the types of a schema.
    ///
    /// # Errors
    /// As [`Expr::bind`]; [`ErrorKind::Type`] when the input is of a type that it doesn't take; [`ErrorKind::Config`] for a window
    /// that makes no sense.
    pub(crate) fn bind_in_order(&self, schema: &Schema) -> Result<BoundInOrder> {
        self.check_size()?;
        let call = self.unaliased();
        let Node::InOrder(function, inputs) = call.node() else {
            return Err(Error::internal(format!("{} does not go over the rows in order", self.quoted())));
        };
        let inputs = inputs.iter().enumerate().map(|(at, input)| match at {
            0 => input.bind(schema),
            // The number of the row's segment.
            _ if !matches!(function, InOrderFn::Rolling { window: Window::Span(_), .. }) => input.bind(schema),
            _ => time(input, schema),
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        if let InOrderFn::Rolling { window, summary, min_periods } = function {
            check_window(*window, *summary, *min_periods)?;
        }
        let kind = match inputs.first() {
            Some(input) => function.output(input.kind()).ok_or_else(|| refused(*function, input, &call))?,
            None => Type::Int64,
        };
        Ok(BoundInOrder { function: *function, inputs, kind, text: call.to_string() })
    }

    /// Refuses one that stands where it is not computed.
    pub(in crate::expr) fn refuse_in_order<T>(&self) -> Result<T> {
        Err(misplaced(self))
    }
}

/// The times of a window, as timestamps.
fn time(expr: &Expr, schema: &Schema) -> Result<BoundExpr> {
    let bound = expr.bind(schema)?;
    match bound.kind() {
        Type::Timestamp => Ok(bound),
        Type::Date => expr.clone().cast(Type::Timestamp).bind(schema),
        kind => {
            let message = format!("{} is {kind}, and a window of time goes by a date or a timestamp", expr.quoted());
            Err(Error::new(ErrorKind::Type, message)
                .help("make a timestamp of it with cast(Type::Timestamp), or take a window of rows: rolling(3)"))
        }
    }
}

fn check_window(window: Window, summary: Summary, min_periods: Option<usize>) -> Result<()> {
    let error = |message: String, help: &str| Err(Error::new(ErrorKind::Config, message).help(help));
    match window {
        Window::Rows(0) => error("a rolling window of no rows".into(), "give it one row at least, as in rolling(3)"),
        Window::Rows(rows) if summary != Summary::Count && min_periods.is_some_and(|values| values > rows) => {
            let message = format!(
                "a rolling window of {rows} rows never has the {} values of min_periods",
                min_periods.unwrap_or(0)
            );
            error(message, "give fewer, or a longer window")
        }
        Window::Span(Interval { months, .. }) if months != 0 => error(
            "a rolling window of months, which are not equally long".into(),
            "give its length in days or hours, as in rolling_by(\"time\", days(30))",
        ),
        Window::Span(span) if span.micros_in_all().is_none_or(|micros| micros <= 0) => error(
            format!("a rolling window of {span}"),
            "give it a length above zero, as in rolling_by(\"time\", hours(2))",
        ),
        _ => Ok(()),
    }
}

impl InOrderFn {
    /// The type of what it gives for values of this type, if it takes them.
    fn output(self, input: Type) -> Option<Type> {
        use Summary as S;
        use Type::{Bool, Float64, Int64, Text};
        match self {
            InOrderFn::RowNumber => Some(Int64),
            InOrderFn::Shift(_) | InOrderFn::Fill { .. } => Some(input),
            InOrderFn::Rank(ranking) => Some(if ranking.method == RankMethod::Average { Float64 } else { Int64 }),
            InOrderFn::Cumulative(summary) | InOrderFn::Rolling { summary, .. } => match (summary, input) {
                (S::Count, _) => Some(Int64),
                (S::Sum, Int64 | Bool) | (S::Product, Int64) => Some(Int64),
                (S::Sum | S::Product, Float64) => Some(Float64),
                (S::Mean, Int64 | Float64 | Bool) | (S::Var | S::Std, Int64 | Float64) => Some(Float64),
                (S::Min | S::Max, kind) if kind != Text => Some(kind),
                _ => None,
            },
        }
    }
}

fn refused(function: InOrderFn, input: &BoundExpr, call: &Expr) -> Error {
    let help = match (function, input.kind()) {
        (InOrderFn::Cumulative(Summary::Min | Summary::Max) | InOrderFn::Rolling { .. }, Type::Text) => {
            "take it of numbers, bools, dates or timestamps; shift, ffill, bfill and rank take text"
        }
        (_, Type::Text) => "make a number of it with cast(Type::Float64) or cast(Type::Int64)",
        (_, Type::Bool) => "make a number of it with cast(Type::Int64): true is 1",
        _ => "it takes numbers; min, max, count, shift and rank of it work",
    };
    Error::new(ErrorKind::Type, format!("'{input}' is {}, which {} does not take", input.kind(), call.quoted()))
        .help(help)
}

impl Interval {
    /// Its length in microseconds, if it has one: months have none.
    pub(crate) fn micros_in_all(&self) -> Option<i64> {
        const DAY: i64 = 86_400_000_000;
        (self.months == 0).then_some(())?;
        self.days.checked_mul(DAY)?.checked_add(self.micros)
    }
}
