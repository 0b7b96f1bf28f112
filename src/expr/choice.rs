//! Values chosen row by row: `when` and `coalesce`.
//!
//! A part that can be an error on a row is computed on the rows that get it and no others, so that
//! `when(q.ne(0)).then(v.floor_div(q))` guards as it reads. Parts that can't are computed on all rows, which is faster.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::{boolean, interleave, zip};
use arrow::compute::{filter, filter_record_batch, prep_null_mask_filter};

use super::bind::{Bound, Choice, Way};
use super::eval::{Rows, Value};
use crate::error::{Error, Result};

impl Choice {
    pub(super) fn eval(&self, rows: &Rows) -> Result<Value> {
        let Some((last, parts)) = self.parts.split_last() else {
            return Err(Error::internal("a choice of nothing"));
        };
        if self.can_fail {
            return self.eval_in_turn(last, parts, rows).map(Value::Column);
        }
        let cover = |condition: &Value, value: &Value, under: &Value| -> Result<Value> {
            let constant = condition.is_constant() && value.is_constant() && under.is_constant();
            let mask = condition.clone().into_array(if constant { 1 } else { rows.len() })?;
            Ok(Value::new(zip::zip(&true_where(mask.as_boolean()), value, under)?, constant))
        };
        match self.way {
            // From behind: each value covers those after it.
            Way::When => parts.rchunks(2).try_fold(last.eval(rows)?, |under, pair| match pair {
                [condition, value] => cover(&condition.eval(rows)?, &value.eval(rows)?, &under),
                _ => Err(Error::internal("a condition without a value")),
            }),
            Way::Coalesce => {
                let mut parts = self.parts.iter();
                let mut chosen = parts.next().unwrap_or(last).eval(rows)?;
                for part in parts {
                    if chosen.array().null_count() == 0 {
                        break;
                    }
                    let present = chosen.map(|v| Ok(Arc::new(boolean::is_not_null(v)?)))?;
                    chosen = cover(&present, &chosen, &part.eval(rows)?)?;
                }
                Ok(chosen)
            }
        }
    }

    /// Each part on the rows that are left for it.
    fn eval_in_turn(&self, last: &Bound, parts: &[Bound], rows: &Rows) -> Result<ArrayRef> {
        let mut turns = Turns {
            batch: rows.batch.clone(),
            left: (0..rows.len()).collect(),
            values: vec![],
            places: vec![(0, 0); rows.len()],
        };
        match self.way {
            Way::When => {
                for pair in parts.chunks_exact(2) {
                    if turns.left.is_empty() {
                        break;
                    }
                    let mask = turns.compute(&pair[0], rows)?;
                    let mask = true_where(mask.as_boolean());
                    let rest = filter_record_batch(&turns.batch, &boolean::not(&mask)?)?;
                    turns.batch = filter_record_batch(&turns.batch, &mask)?;
                    if turns.batch.num_rows() > 0 {
                        let values = turns.compute(&pair[1], rows)?;
                        turns.take(&mask, values);
                    }
                    turns.batch = rest;
                }
            }
            Way::Coalesce => {
                for part in parts {
                    if turns.left.is_empty() {
                        break;
                    }
                    let values = turns.compute(part, rows)?;
                    let present = boolean::is_not_null(&values)?;
                    turns.take(&present, filter(&values, &present)?);
                    turns.batch = filter_record_batch(&turns.batch, &boolean::not(&present)?)?;
                }
            }
        }
        if !turns.left.is_empty() {
            let values = turns.compute(last, rows)?;
            turns.take(&BooleanArray::from(vec![true; turns.left.len()]), values);
        }
        let values: Vec<&dyn Array> = turns.values.iter().map(|v| v.as_ref()).collect();
        Ok(interleave::interleave(&values, &turns.places)?)
    }
}

/// Which rows have got their value.
struct Turns {
    /// The rows that are computed next.
    batch: RecordBatch,
    /// The rows that have no value yet, by their places among all.
    left: Vec<usize>,
    values: Vec<ArrayRef>,
    /// For every row, where its value is: in which of `values`, and there.
    places: Vec<(usize, usize)>,
}

impl Turns {
    fn compute(&self, part: &Bound, all: &Rows) -> Result<ArrayRef> {
        part.eval(&all.like(&self.batch))?.into_array(self.batch.num_rows())
    }

    /// Gives the rows of the mask these values.
    fn take(&mut self, mask: &BooleanArray, values: ArrayRef) {
        let (which, mut next) = (self.values.len(), 0);
        let mut at = 0;
        self.left.retain(|&row| {
            let takes = mask.value(at);
            if takes {
                self.places[row] = (which, next);
                next += 1;
            }
            at += 1;
            !takes
        });
        self.values.push(values);
    }
}

/// A condition with null as false.
fn true_where(mask: &BooleanArray) -> BooleanArray {
    if mask.null_count() == 0 { mask.clone() } else { prep_null_mask_filter(mask) }
}
