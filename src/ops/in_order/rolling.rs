//! Summaries of windows that move along the rows.
//!
//! A window is a queue of two stacks. New rows are pushed on the back, whose summary grows with them; old rows are popped off the
//! front, each of which holds the summary of itself and of all behind it in the front. When the front is empty the back is turned over into it.
//! The window's summary is the front's top joined with the back's: about three joins a row, however long the window is, and nothing is ever
//! subtracted.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::monoid::{Counted, Input, Monoid, Output};
use super::{Kernel, Rows};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::expr::temporal::timestamp_text;
use crate::ops::collect::compact_column;

/// A summary of the window of each row; null of fewer than so many values.
pub(super) struct Rolling<M> {
    pub monoid: M,
    /// The type of the values.
    pub input: Type,
    /// The type of the result.
    pub kind: Type,
    pub length: Length,
    pub min_periods: u64,
    pub text: String,
}

/// How far a window reaches.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// So many rows.
    Rows(usize),
    /// So many rows, of those that have the same number of a segment in the place of a time.
    OfSegment(usize),
    /// The rows whose time lies less than this before that of the last one.
    Micros(i64),
}

/// What reaches into windows behind.
pub(super) struct Tail {
    /// How many rows there are in all.
    rows: usize,
    /// The last rows that such a window can hold.
    values: ArrayRef,
    /// When they are; none in a window of rows.
    times: Vec<i64>,
}

/// The rows of a window, as summaries.
struct Queue<P> {
    front: Vec<Counted<P>>,
    back: Vec<Counted<P>>,
    back_summary: Counted<P>,
}

impl<P: Copy> Queue<P> {
    fn new<M: Monoid<Part = P>>() -> Queue<P> {
        Queue { front: vec![], back: vec![], back_summary: Counted::empty::<M>() }
    }

    fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    fn push<M: Monoid<Part = P>>(&mut self, row: Counted<P>) {
        self.back.push(row);
        self.back_summary = self.back_summary.join::<M>(row);
    }

    fn pop<M: Monoid<Part = P>>(&mut self) {
        if self.front.is_empty() {
            let mut summary = Counted::empty::<M>();
            while let Some(row) = self.back.pop() {
                summary = row.join::<M>(summary);
                self.front.push(summary);
            }
            self.back_summary = Counted::empty::<M>();
        }
        self.front.pop();
    }

    fn summary<M: Monoid<Part = P>>(&self) -> Counted<P> {
        match self.front.last() {
            Some(front) => front.join::<M>(self.back_summary),
            None => self.back_summary,
        }
    }
}

impl<M: Monoid> Rolling<M> {
    /// The last of these rows that a window behind them can hold.
    fn tail(&self, rows: usize, pieces: &[ArrayRef], times: Vec<i64>) -> Result<Tail> {
        let held: usize = pieces.iter().map(|piece| piece.len()).sum();
        let kept = match (self.length, times.last()) {
            (Length::Rows(length), _) => held.min(length - 1),
            (Length::OfSegment(length), Some(last)) => {
                times.iter().rev().take(length - 1).take_while(|segment| *segment == last).count()
            }
            (Length::OfSegment(_), None) => 0,
            (Length::Micros(span), Some(last)) => {
                times.iter().rev().take_while(|time| is_within(**time, *last, span)).count()
            }
            (Length::Micros(_), None) => 0,
        };
        let mut left = kept;
        let mut slices: Vec<ArrayRef> = Vec::new();
        for piece in pieces.iter().rev() {
            let rows = left.min(piece.len());
            slices.push(piece.slice(piece.len() - rows, rows));
            left -= rows;
        }
        slices.push(new_empty_array(&self.input.arrow()));
        let slices: Vec<&dyn Array> = slices.iter().rev().map(|slice| slice.as_ref()).collect();
        let first = times.len().saturating_sub(kept);
        Ok(Tail { rows, values: compact_column(&concat(&slices)?)?, times: times[first..].to_vec() })
    }

    /// When the rows of a batch are; none in a window of rows.
    fn times<'a>(&self, rows: &'a Rows) -> Result<&'a [i64]> {
        match self.length {
            Length::Rows(_) => Ok(&[]),
            Length::OfSegment(_) => Ok(rows.times()?.as_primitive::<Int64Type>().values()),
            Length::Micros(_) => Ok(rows.times()?.as_primitive::<TimestampMicrosecondType>().values()),
        }
    }

    /// Refuses a time that is null or lies before the last one. `first` is the number of the batch's first row.
    fn check_times(&self, rows: &Rows, times: &[i64], mut last: Option<i64>, first: usize) -> Result<()> {
        let nulls = if times.is_empty() { None } else { rows.times()?.nulls() };
        for (row, time) in times.iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                let message = format!("row {} has no time, in '{}'", first + row, self.text);
                return Err(Error::new(ErrorKind::Value, message)
                    .help("leave out such rows first, with filter(col(\"time\").is_not_null()) of the column of the times; rows are numbered from 0"));
            }
            if let Some(last) = last.filter(|last| last > time) {
                let (time, last) = (timestamp_text(*time), timestamp_text(last));
                let message =
                    format!("row {} is of {time}, and the row before it of {last}, in '{}'", first + row, self.text);
                return Err(Error::new(ErrorKind::Value, message)
                    .help("times must ascend: sort the rows by them first; rows are numbered from 0"));
            }
            last = Some(*time);
        }
        Ok(())
    }
}

/// Whether a time reaches into the window of a later one.
fn is_within(time: i64, last: i64, span: i64) -> bool {
    i128::from(last) - i128::from(time) < i128::from(span)
}

impl<M: Monoid> Kernel for Rolling<M> {
    type Carry = Tail;

    fn carry(&self, rows: &[Rows]) -> Result<Tail> {
        let pieces = rows.iter().map(|rows| rows.input().cloned()).collect::<Result<Vec<_>>>()?;
        let mut times = Vec::new();
        for rows in rows {
            times.extend_from_slice(self.times(rows)?);
        }
        self.tail(rows.iter().map(|rows| rows.len).sum(), &pieces, times)
    }

    fn join(&self, before: &Tail, after: &Tail) -> Result<Tail> {
        let times = [before.times.as_slice(), &after.times].concat();
        // Rows that fill a window hide all before them.
        self.tail(before.rows + after.rows, &[before.values.clone(), after.values.clone()], times)
    }

    fn apply(&self, before: Option<&Tail>, rows: &[Rows], _: Option<&Tail>) -> Result<Vec<ArrayRef>> {
        let (mut scratch, mut converted) = (vec![], vec![]);
        let mut window = Queue::new::<M>();
        let mut window_times: VecDeque<i64> = VecDeque::new();
        let mut first = 0;
        if let Some(tail) = before {
            let values = M::In::read(&tail.values, &mut scratch, &mut converted)?;
            for (row, value) in values.iter().enumerate() {
                window.push::<M>(counted::<M>(&tail.values, row, *value));
            }
            window_times.extend(&tail.times);
            first = tail.rows;
        }
        let column = |rows: &Rows| {
            let (input, times) = (rows.input()?, self.times(rows)?);
            self.check_times(rows, times, window_times.back().copied(), first)?;
            first += rows.len;
            let values = M::In::read(input, &mut scratch, &mut converted)?;
            let mut results = Vec::with_capacity(values.len());
            for (row, value) in values.iter().enumerate() {
                window.push::<M>(counted::<M>(input, row, *value));
                match self.length {
                    Length::Rows(length) => {
                        if window.len() > length {
                            window.pop::<M>();
                        }
                    }
                    Length::OfSegment(length) => {
                        let segment = times[row];
                        window_times.push_back(segment);
                        while window.len() > length || window_times.front().is_some_and(|first| *first != segment) {
                            window_times.pop_front();
                            window.pop::<M>();
                        }
                    }
                    Length::Micros(span) => {
                        let time = times[row];
                        window_times.push_back(time);
                        while window_times.front().is_some_and(|first| !is_within(*first, time, span)) {
                            window_times.pop_front();
                            window.pop::<M>();
                        }
                    }
                }
                let Counted { part, count } = window.summary::<M>();
                results.push(if count >= self.min_periods { self.monoid.value(part, count)? } else { None });
            }
            M::Out::column(self.kind, results)
        };
        rows.iter().map(column).collect()
    }
}

/// A row of a window: a null counts for nothing.
fn counted<M: Monoid>(input: &ArrayRef, row: usize, value: M::In) -> Counted<M::Part> {
    if input.is_valid(row) { Counted::of::<M>(value) } else { Counted::empty::<M>() }
}
