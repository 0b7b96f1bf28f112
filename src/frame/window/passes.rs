//! How windows are computed: by a sort, and passes over its rows.
//!
//! 1. Rows are numbered, and sorted by the partition's keys, the keys of the order, and their number.
//! 2. Where a key differs from the row before, a partition (or a run of peers, equal in the order) begins: counting these beginnings
//!    gives partitions and peers numbers, by passes over the rows in order.
//! 3. Each function is such a pass too, or a few, that begins anew where the number of the partition changes.
//! 4. Rows are sorted back by their numbers.
//!
//! Sorts and passes go to disk beyond the memory limit, so a window may be larger than memory.

use super::super::Frame;
use super::{Extent, Function, Over, WindowExpr};
use crate::expr::{Expr, InOrderFn, Literal, Node, SortKey, Summary, Window, coalesce, col, lit, row_number, when};

/// The columns of steps on the way.
const ROW: &str = "\0row";
const INDEX: &str = "\0index";
const BEGINS: &str = "\0begins";
const BEGINS_PEERS: &str = "\0begins peers";
const GROUP: &str = "\0group";
const PEERS: &str = "\0peers";
const ENDS: &str = "\0ends";
const ENDS_PEERS: &str = "\0ends peers";

/// Computes windows that one sort serves.
pub(super) fn sorted_windows(frame: &Frame, over: &Over, turned: bool, windows: Vec<WindowExpr>) -> Frame {
    let mut frame = frame.with_column(ROW, row_number());
    let (mut keys, mut groups, mut peers) = (vec![], vec![], vec![]);
    for (i, key) in over.partition.iter().enumerate() {
        let name = format!("\0partition {i}");
        frame = frame.with_column(&name, key.clone());
        keys.push(col(&name).asc());
        groups.push(name);
    }
    for (i, key) in over.order.iter().enumerate() {
        let name = format!("\0order {i}");
        frame = frame.with_column(&name, key.expr.clone());
        let (descending, nulls_first) = (key.descending != turned, key.nulls_first != turned);
        keys.push(SortKey { expr: col(&name), descending, nulls_first });
        peers.push(name);
    }
    keys.push(if turned { col(ROW).desc() } else { col(ROW).asc() });
    let differ = |names: &[String], first: Expr| {
        names.iter().fold(first, |any, name| {
            let (this, last) = (col(name), col(name).shift(1));
            let same = coalesce([this.clone().eq(last.clone()), lit(false)]).or(this.is_null().and(last.is_null()));
            any.or(same.not())
        })
    };
    let frame = frame.sort(keys).with_column(INDEX, row_number());
    let frame = frame.with_column(BEGINS, differ(&groups, col(INDEX).eq(0)));
    let frame = frame.with_column(BEGINS_PEERS, differ(&peers, col(BEGINS)));
    let frame = frame.with_columns([col(BEGINS).cumsum().alias(GROUP), col(BEGINS_PEERS).cumsum().alias(PEERS)]);
    let ends = |number: &str| coalesce([col(number).shift(-1).ne(col(number)), lit(true)]);
    let mut frame = frame.with_columns([ends(GROUP).alias(ENDS), ends(PEERS).alias(ENDS_PEERS)]);
    for window in windows {
        let ordered = !over.order.is_empty();
        let value = window.function.expr(window.over.extent, ordered, turned);
        frame = frame.with_column(&window.name, value);
    }
    frame.sort([col(ROW)])
}

/// The value at the last row before where a flag holds, this included; null where it is null there.
fn since(flag: &str, value: Expr) -> Expr {
    let known = when(col(flag)).then(value.clone().is_null()).otherwise(Literal::Null).ffill();
    when(known).then(Literal::Null).otherwise(when(col(flag)).then(value).otherwise(Literal::Null).ffill())
}

/// The value at the next row where a flag holds, this included; null where it is null there.
fn until(flag: &str, value: Expr) -> Expr {
    let known = when(col(flag)).then(value.clone().is_null()).otherwise(Literal::Null).bfill();
    when(known).then(Literal::Null).otherwise(when(col(flag)).then(value).otherwise(Literal::Null).bfill())
}

/// Whether the row so many rows behind is of the same partition.
fn reaches(by: i64) -> Expr {
    coalesce([col(GROUP).shift(-by).eq(col(GROUP)), lit(false)])
}

/// The value so many rows behind in the partition, else another.
fn at(value: Expr, by: i64, other: Expr) -> Expr {
    match by {
        0 => value,
        _ => when(reaches(by)).then(value.shift(-by)).otherwise(other),
    }
}

/// The value where the row at a bound of the window is of the partition: windows without their row have no rows elsewhere.
fn where_it_reaches(bound: Option<i64>, value: Expr) -> Expr {
    match bound {
        None => value,
        Some(by) => when(reaches(by)).then(value).otherwise(Literal::Null),
    }
}

fn over_group(summary: InOrderFn, value: &Expr) -> Expr {
    Expr::from_node(Node::InOrder(summary, vec![value.clone(), col(GROUP)]))
}

impl Function {
    fn expr(&self, extent: Extent, ordered: bool, turned: bool) -> Expr {
        let extent = match extent {
            Extent::ToPeers if !ordered => Extent::Rows(None, None),
            Extent::Rows(start, end) if turned => {
                Extent::Rows(end.map(i64::saturating_neg), start.map(i64::saturating_neg))
            }
            extent => extent,
        };
        let null = || lit(Literal::Null);
        match self {
            Function::RowNumber => col(INDEX) - since(BEGINS, col(INDEX)) + 1,
            Function::Rank => since(BEGINS_PEERS, col(INDEX)) - since(BEGINS, col(INDEX)) + 1,
            Function::DenseRank => col(PEERS) - since(BEGINS, col(PEERS)) + 1,
            Function::At(value, by, other) => at(value.clone(), *by, lit(other.clone())),
            // Of windows that end before they begin there is neither.
            Function::First(_) | Function::Last(_) if matches!(extent, Extent::Rows(Some(start), Some(end)) if start > end) => {
                null()
            }
            Function::First(value) => {
                let begin = || since(BEGINS, value.clone());
                match extent {
                    Extent::Rows(Some(start @ 1..), _) => at(value.clone(), start, null()),
                    Extent::Rows(start, end) => {
                        let first = start.map_or_else(begin, |start| at(value.clone(), start, begin()));
                        where_it_reaches(end.filter(|end| *end < 0), first)
                    }
                    Extent::ToPeers => begin(),
                }
            }
            Function::Last(value) => {
                let end_of_part = || until(ENDS, value.clone());
                match extent {
                    Extent::ToPeers => until(ENDS_PEERS, value.clone()),
                    Extent::Rows(_, Some(end @ ..=-1)) => at(value.clone(), end, null()),
                    Extent::Rows(start, end) => {
                        let last = end.map_or_else(end_of_part, |end| at(value.clone(), end, end_of_part()));
                        where_it_reaches(start.filter(|start| *start > 0), last)
                    }
                }
            }
            Function::Summary(summary, value) => {
                let so_far = || over_group(InOrderFn::Cumulative(*summary), value);
                let last = |rows: i64| {
                    let window = Window::Rows(usize::try_from(rows).unwrap_or(usize::MAX));
                    let min_periods = Some(usize::from(*summary != Summary::Count));
                    over_group(InOrderFn::Rolling { window, summary: *summary, min_periods }, value)
                };
                let of_window = match extent {
                    Extent::ToPeers => until(ENDS_PEERS, so_far()),
                    Extent::Rows(None, None) | Extent::Rows(Some(_), None) => until(ENDS, so_far()),
                    Extent::Rows(None, Some(end @ ..=0)) => at(so_far(), end, null()),
                    Extent::Rows(None, Some(end)) => at(so_far(), end, until(ENDS, so_far())),
                    Extent::Rows(Some(start), Some(end)) if start > end => null(),
                    Extent::Rows(Some(start), Some(end @ ..=0)) => at(last(end - start + 1), end, null()),
                    // As far as the partition goes.
                    Extent::Rows(Some(start), Some(end)) => {
                        let least = start.max(0);
                        (least..=end).fold(null(), |nearer, by| at(last(by - start + 1), by, nearer))
                    }
                };
                match summary {
                    Summary::Count => coalesce([of_window, lit(0)]),
                    _ => of_window,
                }
            }
        }
    }
}
