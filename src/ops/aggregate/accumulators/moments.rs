//! `var`, `std`: the number of values, their mean, and the sum of their squared distances from it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::{
    Accumulator, columns, float_values, for_bits, for_chunks, input, no_output, nulls, one_group, same, vec_bytes_to,
};
use crate::error::Result;
use crate::expr::{AggKind, BoundAgg};

#[derive(Default)]
pub(super) struct Moments(Vec<Moment>);

#[derive(Clone, Copy, Default)]
struct Moment {
    /// A float, so that no update converts it: exact up to 2^53.
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moment {
    /// Welford's update by one value.
    #[inline]
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    /// Chan, Golub and LeVeque's pairwise update.
    fn merge(&mut self, later: Moment) {
        if self.count == 0.0 || later.count == 0.0 {
            if self.count == 0.0 {
                *self = later;
            }
            return;
        }
        let count = self.count + later.count;
        let distance = later.mean - self.mean;
        self.mean += distance * (later.count / count);
        self.squares += later.squares + distance * distance * (self.count * later.count / count);
        self.count = count;
    }

    /// Of a few values, without a division for each. Distances are from the first value, so that equal values give exactly 0.
    fn of(values: &[f64]) -> Moment {
        let Some(first) = values.first() else { return Moment::default() };
        let count = values.len() as f64;
        let mean = values.iter().map(|v| v - first).sum::<f64>() / count;
        let squares = values.iter().map(|v| (v - first - mean) * (v - first - mean)).sum();
        Moment { count, mean: first + mean, squares }
    }
}

/// The values as floats.
pub(super) fn floats(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(if *array.data_type() == DataType::Float64 { array.clone() } else { cast(array, &DataType::Float64)? })
}

impl Accumulator for Moments {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, Moment::default());
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let array = floats(input(inputs)?)?;
        let values = array.as_primitive::<Float64Type>().values();
        let moments = self.0.as_mut_slice();
        for_chunks(array.len(), nulls(&array), |rows, valid| {
            let (ids, values) = (&ids[rows.clone()], &values[rows]);
            let all = valid.count_ones() as usize == ids.len();
            match one_group(ids) {
                Some(group) if all => moments[group].merge(Moment::of(values)),
                _ if all => ids.iter().zip(values).for_each(|(id, value)| moments[*id as usize].add(*value)),
                _ => for_bits(valid, |row| moments[ids[row] as usize].add(values[row])),
            }
        });
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        ids.iter().zip(same::<Self>(later)?.0).for_each(|(id, later)| self.0[*id as usize].merge(later));
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let column = |part: fn(&Moment) -> f64| super::floats(ids.iter().map(|id| part(&self.0[*id as usize])));
        Ok(vec![column(|m| m.count), column(|m| m.mean), column(|m| m.squares)])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        let [count, mean, squares] = columns(partials)?;
        let (count, mean, squares) = (float_values(count)?, float_values(mean)?, float_values(squares)?);
        for (row, id) in ids.iter().enumerate() {
            self.0[*id as usize].merge(Moment { count: count[row], mean: mean[row], squares: squares[row] });
        }
        Ok(())
    }

    fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let (ddof, is_std) = match agg.kind {
            AggKind::Var { ddof } => (ddof, false),
            AggKind::Std { ddof } => (ddof, true),
            _ => return Err(no_output(agg)),
        };
        let spread = |id: &u32| {
            let Moment { count, squares, .. } = self.0[*id as usize];
            let freedom = count - f64::from(ddof);
            (freedom > 0.0).then(|| if is_std { (squares / freedom).sqrt() } else { squares / freedom })
        };
        Ok(Arc::new(ids.iter().map(spread).collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, _: usize, _: usize) -> usize {
        vec_bytes_to(&self.0, groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_welford(values: &[f64]) -> Moment {
        let mut moment = Moment::default();
        values.iter().for_each(|v| moment.add(*v));
        moment
    }

    #[test]
    fn far_from_zero_nothing_is_lost() {
        // Around 10^9 with a variance of exactly 22.5 (Chan, Golub and LeVeque's example of a sum of squares that fails).
        let values: Vec<f64> = (0..10_000).map(|i| 1e9 + [4.0, 7.0, 13.0, 16.0][i % 4]).collect();
        let mut merged = Moment::default();
        values.chunks(37).for_each(|chunk| merged.merge(Moment::of(chunk)));
        for moment in [by_welford(&values), Moment::of(&values), merged] {
            assert_eq!(moment.count, 10_000.0);
            assert!((moment.mean - (1e9 + 10.0)).abs() < 1e-5, "{}", moment.mean);
            assert!((moment.squares / 10_000.0 - 22.5).abs() < 1e-7, "{}", moment.squares);
        }
    }

    #[test]
    fn equal_values_do_not_vary_at_all() {
        let values = vec![0.1; 1000];
        let mut merged = by_welford(&values[..300]);
        values[300..].chunks(64).for_each(|chunk| merged.merge(Moment::of(chunk)));
        assert_eq!((merged.mean, merged.squares), (0.1, 0.0));
    }
}
