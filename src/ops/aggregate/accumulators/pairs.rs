//! `cov`, `corr`: of pairs, what [`Moments`](super::moments::Moments) are of single values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Float64Type;

use super::moments::floats;
use super::{Accumulator, columns, float_values, for_bits, for_chunks, no_output, same, vec_bytes_to};
use crate::error::{Error, Result};
use crate::expr::{AggKind, BoundAgg};

#[derive(Default)]
pub(super) struct Comoments(Vec<Comoment>);

/// The number of pairs, the mean of either side, and the sums of products of the distances from them.
#[derive(Clone, Copy, Default)]
struct Comoment {
    count: f64,
    mean: [f64; 2],
    squares: [f64; 2],
    products: f64,
}

impl Comoment {
    /// Welford's update by one pair.
    #[inline]
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let (dx, dy) = (x - self.mean[0], y - self.mean[1]);
        self.mean[0] += dx / self.count;
        self.mean[1] += dy / self.count;
        self.squares[0] += dx * (x - self.mean[0]);
        self.squares[1] += dy * (y - self.mean[1]);
        self.products += dx * (y - self.mean[1]);
    }

    /// Chan, Golub and LeVeque's pairwise update.
    fn merge(&mut self, later: Comoment) {
        if self.count == 0.0 || later.count == 0.0 {
            if self.count == 0.0 {
                *self = later;
            }
            return;
        }
        let count = self.count + later.count;
        let weight = self.count * later.count / count;
        let distance = [later.mean[0] - self.mean[0], later.mean[1] - self.mean[1]];
        for side in [0, 1] {
            self.mean[side] += distance[side] * (later.count / count);
            self.squares[side] += later.squares[side] + distance[side] * distance[side] * weight;
        }
        self.products += later.products + distance[0] * distance[1] * weight;
        self.count = count;
    }

    fn covariance(&self, ddof: u32) -> Option<f64> {
        let freedom = self.count - f64::from(ddof);
        (freedom > 0.0).then(|| self.products / freedom)
    }

    fn correlation(&self) -> Option<f64> {
        // Roots apart, so that their product does not overflow; rounding must not lead beyond 1.
        (self.count >= 2.0)
            .then(|| (self.products / (self.squares[0].sqrt() * self.squares[1].sqrt())).clamp(-1.0, 1.0))
    }
}

impl Accumulator for Comoments {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, Comoment::default());
    }

    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()> {
        let [x, y] = inputs else { return Err(Error::internal("a correlation of other than two inputs")) };
        let (x, y) = (floats(x)?, floats(y)?);
        let nulls = NullBuffer::union(x.nulls(), y.nulls());
        let (x, y) = (x.as_primitive::<Float64Type>().values(), y.as_primitive::<Float64Type>().values());
        for_chunks(ids.len(), nulls.as_ref(), |rows, valid| {
            for_bits(valid, |row| {
                let row = rows.start + row;
                self.0[ids[row] as usize].add(x[row], y[row]);
            });
        });
        Ok(())
    }

    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, _: i64) -> Result<()> {
        ids.iter().zip(same::<Self>(later)?.0).for_each(|(id, later)| self.0[*id as usize].merge(later));
        Ok(())
    }

    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let column = |part: fn(&Comoment) -> f64| super::floats(ids.iter().map(|id| part(&self.0[*id as usize])));
        Ok(vec![
            column(|c| c.count),
            column(|c| c.mean[0]),
            column(|c| c.mean[1]),
            column(|c| c.squares[0]),
            column(|c| c.squares[1]),
            column(|c| c.products),
        ])
    }

    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], _: i64) -> Result<()> {
        let parts: &[ArrayRef; 6] = columns(partials)?;
        let parts = parts.iter().map(float_values).collect::<Result<Vec<_>>>()?;
        for (row, id) in ids.iter().enumerate() {
            let part = |i: usize| parts[i][row];
            let (mean, squares) = ([part(1), part(2)], [part(3), part(4)]);
            self.0[*id as usize].merge(Comoment { count: part(0), mean, squares, products: part(5) });
        }
        Ok(())
    }

    fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef> {
        let groups = ids.iter().map(|id| &self.0[*id as usize]);
        let column: Float64Array = match agg.kind {
            AggKind::Cov { ddof } => groups.map(|g| g.covariance(ddof)).collect(),
            AggKind::Corr => groups.map(Comoment::correlation).collect(),
            _ => return Err(no_output(agg)),
        };
        Ok(Arc::new(column))
    }

    fn bytes(&self) -> usize {
        self.bytes_with(0, 0, 0)
    }

    fn bytes_with(&self, groups: usize, _: usize, _: usize) -> usize {
        vec_bytes_to(&self.0, groups)
    }
}
