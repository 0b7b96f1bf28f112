//! The right row that an as-of merge gives: the nearest by an ordered value.

use crate::expr::{Direction, Gap, Nearness};
use crate::ops::key::int_to_float;

impl Nearness {
    /// The place of the right value that a left value gets. Values are integers that order alike, of floats if `float`; those of the
    /// right ascend.
    pub(super) fn find(&self, values: &[i64], value: i64, float: bool) -> Option<usize> {
        // Of equal values the last stands before, the first behind.
        let before = || values.partition_point(|v| if self.exact { *v <= value } else { *v < value }).checked_sub(1);
        let behind = || {
            let at = values.partition_point(|v| if self.exact { *v < value } else { *v <= value });
            (at < values.len()).then_some(at)
        };
        let apart = |at: usize| gap(values[at], value, float);
        let found = match self.direction {
            Direction::Backward => before(),
            Direction::Forward => behind(),
            Direction::Nearest => match (before(), behind()) {
                (Some(before), Some(behind)) => Some(if apart(before) <= apart(behind) { before } else { behind }),
                (before, behind) => before.or(behind),
            },
        };
        found.filter(|at| self.tolerance.is_none_or(|tolerance| apart(*at) <= tolerance))
    }
}

fn gap(a: i64, b: i64, float: bool) -> Gap {
    match float {
        false => Gap::Int(a.abs_diff(b)),
        // Infinity lies 0 from itself.
        true if a == b => Gap::Float(0.0),
        true => Gap::Float((int_to_float(a) - int_to_float(b)).abs()),
    }
}
