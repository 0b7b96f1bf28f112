//! Functions over windows: `sum(v) OVER (PARTITION BY i ORDER BY t)`.

use sqlparser::ast::{
    Expr as Ast, Function, Ident, NamedWindowDefinition, NamedWindowExpr, ObjectNamePart, OrderByExpr, WindowFrame,
    WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Location;

use super::aggregates::aggregate_name;
use super::clauses::order_options;
use super::literals::int_of;
use super::names::names;
use super::translate::{Context, EXPRESSIONS, Scope};
use crate::error::Result;
use crate::expr::{AggExpr, Expr, Literal, Node, SortKey, col, lit, when};
use crate::frame::{Frame, Over, WindowExpr};

/// A function over a window that is computed as a column of a hidden name.
pub(super) enum Hoisted {
    /// One that goes by an order.
    Ordered(Box<WindowExpr>),
    /// An aggregate of the partition.
    Whole(Vec<Expr>, Box<AggExpr>),
}

/// What a window says of itself.
struct Spec<'a> {
    partition_by: &'a [Ast],
    order_by: &'a [OrderByExpr],
    window_frame: Option<&'a WindowFrame>,
}

/// The most rows that a bound of ROWS may be away.
const MOST: i64 = 1 << 40;

impl<'a> Scope<'a> {
    pub(super) fn window_call(
        &mut self,
        ast: &'a Ast,
        function: &'a Function,
        over: &'a WindowType,
        context: Context,
    ) -> Result<Expr> {
        let source = self.env.source;
        let place = source.place(&function.name);
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return Err(self.unsupported(ast, &format!("the function {}", function.name)));
        };
        let name = ident.value.as_str();
        if !context.windows {
            let error = source.error(place, format!("a function over a window can't stand in {}", context.clause));
            return Err(error.help("write the condition after QUALIFY, or around a subquery"));
        }
        let Spec { partition_by, order_by, window_frame } = match over {
            WindowType::WindowSpec(spec) => self.spec(spec, 0)?,
            WindowType::NamedWindow(name) => self.named_window(name, 0)?,
        };
        if function.null_treatment.is_some() {
            return Err(source.unsupported(place, "IGNORE NULLS or RESPECT NULLS"));
        }
        let inner = Context { windows: false, clause: "a window", ..context }.deeper();
        let keys: Vec<Expr> = partition_by.iter().map(|ast| self.expr(ast, inner)).collect::<Result<_>>()?;
        let mut order = vec![];
        for key in order_by {
            let (expr, descending, nulls_first) = order_options(source, key)?;
            order.push(SortKey { expr: self.expr(expr, inner)?, descending, nulls_first });
        }
        let parts = self.parts(name, function)?;
        let filter = function.filter.as_ref().map(|ast| self.expr(ast, inner)).transpose()?;
        let hidden = self.env.hidden("window");
        let aggregate = aggregate_name(function);
        let whole = order.is_empty() && window_frame.is_none_or(is_whole);
        if let Some(name) = aggregate
            && whole
            && !matches!(name, "first" | "last")
        {
            let (aggregate, ..) = self.aggregate(&parts, inner)?;
            let aggregate = filter.into_iter().fold(aggregate, |aggregate, filter| aggregate.filter(filter));
            self.windows.push(Hoisted::Whole(keys, Box::new(aggregate.alias(&hidden))));
            return Ok(col(hidden));
        }
        let over = Over::partition_by(keys).order_by(order);
        let over = match window_frame {
            Some(frame) => self.extent(over, frame, place)?,
            None => over,
        };
        let wrong = |takes: &str| source.error(place, format!("{name} takes {takes}"));
        if let Some(name) = aggregate {
            if parts.distinct || !parts.order.is_empty() {
                return Err(
                    source.unsupported(place, &format!("DISTINCT or ORDER BY within {name}(…) OVER (ORDER BY …)"))
                );
            }
            let value = match parts.args.as_slice() {
                [] if parts.star && name == "count" => lit(1),
                [value] => self.expr(value, inner)?,
                _ => return Err(wrong("one expression")),
            };
            let value = match filter {
                Some(filter) => when(filter).then(value).otherwise(Literal::Null),
                None => value,
            };
            let window = match name {
                "count" => over.count(value),
                "sum" => over.sum(value),
                "avg" | "mean" => over.mean(value),
                "min" => over.min(value),
                "max" => over.max(value),
                "first" => over.first_value(value),
                "last" => over.last_value(value),
                _ => {
                    let what = format!("{name} over a window with an order");
                    let error = source.unsupported(place, &what);
                    return Err(error.help("there are sum, avg, min, max, count, row_number, rank, dense_rank, lag, lead, first_value and last_value"));
                }
            };
            self.windows.push(Hoisted::Ordered(Box::new(window.alias(&hidden))));
            return Ok(col(hidden));
        }
        if filter.is_some() || parts.star || parts.distinct {
            return Err(wrong("values, and nothing else"));
        }
        let window = match (name, parts.args.as_slice()) {
            ("row_number", []) => over.row_number(),
            ("rank", []) => over.rank(),
            ("dense_rank", []) => over.dense_rank(),
            ("row_number" | "rank" | "dense_rank", _) => return Err(wrong("nothing")),
            ("lag" | "lead", [value, rest @ ..]) if rest.len() <= 2 => {
                let rows = match rest.first() {
                    None => 1,
                    Some(ast) => int_of(ast).filter(|rows| rows.abs() < MOST).ok_or_else(|| {
                        source.error(source.start(ast), format!("{name} takes a whole number that is a constant"))
                    })?,
                };
                let other = match rest.get(1) {
                    None => Literal::Null,
                    Some(ast) => match self.expr(ast, inner)?.node() {
                        Node::Literal(other) => other.clone(),
                        _ => return Err(source.unsupported(source.start(ast), "a default that is no constant")),
                    },
                };
                let value = self.expr(value, inner)?;
                over.lag_or(value, if name == "lag" { rows } else { -rows }, other)
            }
            ("first_value", [value]) => over.first_value(self.expr(value, inner)?),
            ("last_value", [value]) => over.last_value(self.expr(value, inner)?),
            ("lag" | "lead" | "first_value" | "last_value", _) => {
                return Err(wrong("a value, and lag and lead a number of rows and a default"));
            }
            _ => {
                return Err(source.unsupported(place, &format!("the function {name} over a window")).help(EXPRESSIONS));
            }
        };
        self.windows.push(Hoisted::Ordered(Box::new(window.alias(&hidden))));
        Ok(col(hidden))
    }

    /// A window as it is written, with what it takes of one that WINDOW names.
    fn spec(&self, spec: &'a WindowSpec, depth: usize) -> Result<Spec<'a>> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        let Some(name) = window_name else {
            return Ok(Spec { partition_by, order_by, window_frame: window_frame.as_ref() });
        };
        let base = self.named_window(name, depth)?;
        if !partition_by.is_empty() || base.window_frame.is_some() || !order_by.is_empty() && !base.order_by.is_empty()
        {
            let message = format!("the window '{}' says that already", name.value);
            let error = self.env.source.error(name.span.start, message);
            return Err(error.help("behind a window's name stand an order and a frame that it lacks"));
        }
        let order_by = if order_by.is_empty() { base.order_by } else { order_by };
        Ok(Spec { order_by, window_frame: window_frame.as_ref(), ..base })
    }

    /// A window of the clause WINDOW.
    fn named_window(&self, name: &Ident, depth: usize) -> Result<Spec<'a>> {
        let source = self.env.source;
        let windows = self.named_windows;
        let found = windows.iter().find(|NamedWindowDefinition(own, _)| names(name, &own.value));
        match found {
            // A window that names itself, or goes round in a circle.
            Some(_) if depth > windows.len() => {
                Err(source.error(name.span.start, format!("the window '{}' is defined by itself", name.value)))
            }
            Some(NamedWindowDefinition(_, NamedWindowExpr::WindowSpec(spec))) => self.spec(spec, depth + 1),
            Some(NamedWindowDefinition(_, NamedWindowExpr::NamedWindow(other))) => self.named_window(other, depth + 1),
            None => {
                let error = source.error(name.span.start, format!("there is no window named '{}'", name.value));
                Err(error.help("name it behind FROM and WHERE: WINDOW w AS (PARTITION BY … ORDER BY …)"))
            }
        }
    }

    /// The window as far as ROWS or RANGE lets it reach.
    fn extent(&self, over: Over, frame: &WindowFrame, place: Location) -> Result<Over> {
        let source = self.env.source;
        let WindowFrame { units, start_bound, end_bound } = frame;
        let unbounded_start = matches!(start_bound, WindowFrameBound::Preceding(None));
        let to_current = matches!(end_bound, None | Some(WindowFrameBound::CurrentRow));
        match units {
            _ if is_whole(frame) => return Ok(over.rows(None, None)),
            WindowFrameUnits::Range if unbounded_start && to_current => return Ok(over),
            WindowFrameUnits::Range => return Err(source.unsupported(place, "RANGE but UNBOUNDED PRECEDING")),
            WindowFrameUnits::Groups => return Err(source.unsupported(place, "GROUPS")),
            WindowFrameUnits::Rows => {}
        }
        let bound = |bound: &WindowFrameBound| -> Result<Option<i64>> {
            let rows = |ast: &Ast| {
                let rows = int_of(ast).filter(|rows| (0..MOST).contains(rows));
                rows.ok_or_else(|| source.error(source.start(ast), "a window reaches a constant number of rows"))
            };
            Ok(match bound {
                WindowFrameBound::CurrentRow => Some(0),
                WindowFrameBound::Preceding(rows_before) => rows_before.as_deref().map(rows).transpose()?.map(|n| -n),
                WindowFrameBound::Following(rows_behind) => rows_behind.as_deref().map(rows).transpose()?,
            })
        };
        let backwards = matches!(start_bound, WindowFrameBound::Following(None))
            || matches!(end_bound, Some(WindowFrameBound::Preceding(None)));
        let end = end_bound.as_ref().map_or(Ok(Some(0)), bound)?;
        let start = bound(start_bound)?;
        if backwards || matches!((start, end), (Some(start), Some(end)) if start > end) {
            return Err(source.error(place, "the window ends before it starts"));
        }
        Ok(over.rows(start, end))
    }

    /// The rows with the columns of all windows met so far.
    pub(super) fn with_windows(&mut self, mut frame: Frame) -> Result<Frame> {
        let mut ordered = vec![];
        for hoisted in std::mem::take(&mut self.windows) {
            match hoisted {
                Hoisted::Ordered(window) => ordered.push(*window),
                Hoisted::Whole(keys, aggregate) => {
                    frame = frame.group_by(keys).keep_nulls().transform([*aggregate]);
                }
            }
        }
        Ok(if ordered.is_empty() { frame } else { frame.with_windows(ordered) })
    }
}

/// Whether a window is all of its partition.
fn is_whole(frame: &WindowFrame) -> bool {
    let WindowFrame { units: _, start_bound, end_bound } = frame;
    matches!(start_bound, WindowFrameBound::Preceding(None))
        && matches!(end_bound, Some(WindowFrameBound::Following(None)))
}
