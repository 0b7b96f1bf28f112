//! Ranks of values among all.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::DataType;

use super::{Kernel, Rows};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{RankMethod, Ranking};
use crate::ops::key::as_ints;

/// The rank of each value among all; null for nulls.
///
/// All rows are in one partition, which the plan sees to. The place to improve: count the values of each partition, join the
/// counts in order of the values, and look up each row in them where it stands.
pub(super) struct Rank {
    pub ranking: Ranking,
    pub text: String,
}

impl Rank {
    /// Gives each row of these values its rank.
    fn rank<K: Ord>(&self, mut values: Vec<(K, u32)>, ranks: &mut [Option<f64>]) {
        let Ranking { method, descending } = self.ranking;
        let order = |a: &K, b: &K| -> Ordering { if descending { b.cmp(a) } else { a.cmp(b) } };
        values.sort_unstable_by(|a, b| order(&a.0, &b.0).then(a.1.cmp(&b.1)));
        let mut before = 0;
        for (distinct, equals) in values.chunk_by(|a, b| a.0 == b.0).enumerate() {
            let after = before + equals.len();
            for (nth, (_, row)) in equals.iter().enumerate() {
                ranks[*row as usize] = Some(match method {
                    RankMethod::Average => (before + 1 + after) as f64 / 2.0,
                    RankMethod::Min => (before + 1) as f64,
                    RankMethod::Max => after as f64,
                    RankMethod::Dense => (distinct + 1) as f64,
                    RankMethod::First => (before + 1 + nth) as f64,
                });
            }
            before = after;
        }
    }
}

impl Kernel for Rank {
    type Carry = ();

    fn carry(&self, _: &[Rows]) -> Result<()> {
        Ok(())
    }

    fn join(&self, _: &(), _: &()) -> Result<()> {
        Err(Error::internal(format!("{} got its rows in several partitions", self.text)))
    }

    fn apply(&self, before: Option<&()>, rows: &[Rows], _: Option<&()>) -> Result<Vec<ArrayRef>> {
        if before.is_some() {
            self.join(&(), &())?;
        }
        let inputs = rows.iter().map(Rows::input).collect::<Result<Vec<_>>>()?;
        let all: usize = rows.iter().map(|rows| rows.len).sum();
        if u32::try_from(all).is_err() {
            let message = format!("'{}' is of more than 4 billion rows", self.text);
            return Err(Error::new(ErrorKind::Config, message).help("rank fewer rows: filter or aggregate them first"));
        }
        let mut ranks = vec![None; all];
        let mut first = 0;
        if inputs.first().is_some_and(|input| *input.data_type() == DataType::Utf8View) {
            let mut values = Vec::with_capacity(all);
            for input in &inputs {
                let text = input.as_string_view();
                values.extend((first..).zip(text).filter_map(|(row, text)| Some((text?, row))));
                first += input.len() as u32;
            }
            self.rank(values, &mut ranks);
        } else {
            let mut values = Vec::with_capacity(all);
            for input in &inputs {
                let mut scratch = vec![];
                let ints = (first..).zip(as_ints(input, &mut scratch)?).enumerate();
                values.extend(ints.filter(|(at, _)| input.is_valid(*at)).map(|(_, (row, value))| (*value, row)));
                first += input.len() as u32;
            }
            self.rank(values, &mut ranks);
        }
        let mut ranks = ranks.into_iter();
        let column = |rows: &Rows| -> ArrayRef {
            let ranks = ranks.by_ref().take(rows.len);
            match self.ranking.method {
                RankMethod::Average => Arc::new(ranks.collect::<Float64Array>()),
                _ => Arc::new(ranks.map(|rank| rank.map(|rank| rank as i64)).collect::<Int64Array>()),
            }
        };
        Ok(rows.iter().map(column).collect())
    }
}
