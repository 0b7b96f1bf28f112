//! Ranks of values among all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::DataType;

use super::{Kernel, Rows};
use crate::error::Result;
use crate::expr::{RankMethod, Ranking};
use crate::ops::key::as_ints;

/// The rank of each value among all; null for nulls.
///
/// Rows come in the order of the values, nulls last, which the plan sees to: equal values stand together, and a rank is a
/// matter of counting.
pub(super) struct Rank {
    pub ranking: Ranking,
}

/// Of sorted values: how many they are, how many differ, and those at either end.
#[derive(Clone, Default)]
pub(super) struct Ranked {
    values: usize,
    distinct: usize,
    /// The same run, where there is but one value.
    ends: Option<(Run, Run)>,
}

/// Equal values.
#[derive(Clone)]
struct Run {
    value: Value,
    length: usize,
}

#[derive(Clone, PartialEq)]
enum Value {
    Int(i64),
    Text(Box<str>),
}

/// The values of all these rows, in runs.
fn runs(rows: &[Rows]) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for input in rows.iter().map(Rows::input) {
        let input = input?;
        if *input.data_type() == DataType::Utf8View {
            for text in input.as_string_view().iter().flatten() {
                match runs.last_mut() {
                    Some(Run { value: Value::Text(last), length }) if **last == *text => *length += 1,
                    _ => runs.push(Run { value: Value::Text(text.into()), length: 1 }),
                }
            }
            continue;
        }
        let mut scratch = Vec::new();
        let values = as_ints(input, &mut scratch)?;
        for value in values.iter().enumerate().filter(|(row, _)| input.is_valid(*row)).map(|(_, value)| *value) {
            match runs.last_mut() {
                Some(Run { value: Value::Int(last), length }) if *last == value => *length += 1,
                _ => runs.push(Run { value: Value::Int(value), length: 1 }),
            }
        }
    }
    Ok(runs)
}

impl Kernel for Rank {
    type Carry = Ranked;

    fn looks_ahead(&self) -> bool {
        // How many equals stand behind.
        matches!(self.ranking.method, RankMethod::Average | RankMethod::Max)
    }

    fn carry(&self, rows: &[Rows]) -> Result<Ranked> {
        let runs = runs(rows)?;
        Ok(Ranked {
            values: runs.iter().map(|run| run.length).sum(),
            distinct: runs.len(),
            ends: runs.first().cloned().zip(runs.last().cloned()),
        })
    }

    fn join(&self, before: &Ranked, after: &Ranked) -> Result<Ranked> {
        let (Some((first, last)), Some((next, end))) = (&before.ends, &after.ends) else {
            return Ok(if before.ends.is_some() { before.clone() } else { after.clone() });
        };
        let values = before.values + after.values;
        if last.value != next.value {
            let ends = Some((first.clone(), end.clone()));
            return Ok(Ranked { values, distinct: before.distinct + after.distinct, ends });
        }
        let longer = |run: &Run, by: usize, grows: bool| Run {
            value: run.value.clone(),
            length: run.length + if grows { by } else { 0 },
        };
        let first = longer(first, next.length, before.distinct == 1);
        let end = longer(end, last.length, after.distinct == 1);
        Ok(Ranked { values, distinct: before.distinct + after.distinct - 1, ends: Some((first, end)) })
    }

    fn apply(&self, before: Option<&Ranked>, rows: &[Rows], after: Option<&Ranked>) -> Result<Vec<ArrayRef>> {
        let runs = runs(rows)?;
        // How many values, and different ones, stand before the run; how many equals before and behind these rows.
        let (mut start, mut distinct) = before.map_or((0, 0), |before| (before.values, before.distinct));
        let equals =
            |ends: Option<&Run>, run: &Run| ends.filter(|end| end.value == run.value).map_or(0, |end| end.length);
        let last_before = before.and_then(|before| before.ends.as_ref()).map(|(_, last)| last);
        let first_after = after.and_then(|after| after.ends.as_ref()).map(|(first, _)| first);
        let mut ranks = Vec::with_capacity(runs.iter().map(|run| run.length).sum());
        for (at, run) in runs.iter().enumerate() {
            let earlier = if at == 0 { equals(last_before, run) } else { 0 };
            let later = if at + 1 == runs.len() { equals(first_after, run) } else { 0 };
            distinct += usize::from(earlier == 0);
            let (least, most) = (start - earlier + 1, start + run.length + later);
            ranks.extend((0..run.length).map(|nth| match self.ranking.method {
                RankMethod::Average => (least + most) as f64 / 2.0,
                RankMethod::Min => least as f64,
                RankMethod::Max => most as f64,
                RankMethod::Dense => distinct as f64,
                RankMethod::First => (start + nth + 1) as f64,
            }));
            start += run.length;
        }
        let mut ranks = ranks.into_iter();
        let column = |rows: &Rows| -> Result<ArrayRef> {
            let input = rows.input()?;
            let ranks = (0..rows.len).map(|row| if input.is_valid(row) { ranks.next() } else { None });
            Ok(match self.ranking.method {
                RankMethod::Average => Arc::new(ranks.collect::<Float64Array>()),
                _ => Arc::new(ranks.map(|rank| rank.map(|rank| rank as i64)).collect::<Int64Array>()),
            })
        };
        rows.iter().map(column).collect()
    }
}
