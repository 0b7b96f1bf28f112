//! What values are summed up to: sums, products, extremes, moments. Each is a monoid, so that summaries of neighbouring
//! rows join into one of them all, and nothing ever has to be taken out of a summary again.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;

use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::ops::key::{as_ints, from_ints};

/// How values are summed up, those that are not null.
pub(super) trait Monoid: Send + Sync + 'static {
    /// A value.
    type In: Input;
    /// A summary.
    type Part: Copy + Send + Sync + 'static;
    /// What a summary says in the end.
    type Out: Output;
    /// The summary of nothing.
    const EMPTY: Self::Part;
    fn of(value: Self::In) -> Self::Part;
    fn join(a: Self::Part, b: Self::Part) -> Self::Part;
    /// What a summary of so many values says; `None` where there are too few.
    fn value(&self, part: Self::Part, count: u64) -> Result<Option<Self::Out>>;
}

/// A summary, and of how many values it is.
#[derive(Clone, Copy)]
pub(super) struct Counted<P> {
    pub part: P,
    pub count: u64,
}

impl<P> Counted<P> {
    pub(super) fn empty<M: Monoid<Part = P>>() -> Counted<P> {
        Counted { part: M::EMPTY, count: 0 }
    }

    pub(super) fn of<M: Monoid<Part = P>>(value: M::In) -> Counted<P> {
        Counted { part: M::of(value), count: 1 }
    }

    pub(super) fn join<M: Monoid<Part = P>>(self, later: Counted<P>) -> Counted<P> {
        Counted { part: M::join(self.part, later.part), count: self.count + later.count }
    }
}

/// What a column's values are read as.
pub(super) trait Input: Copy + Send + Sync {
    /// The values; null slots hold anything. Converted values go to `scratch`.
    fn read<'a>(array: &'a ArrayRef, scratch: &'a mut Vec<i64>, converted: &'a mut Vec<Self>) -> Result<&'a [Self]>;
}

impl Input for i64 {
    fn read<'a>(array: &'a ArrayRef, scratch: &'a mut Vec<i64>, _: &'a mut Vec<i64>) -> Result<&'a [i64]> {
        as_ints(array, scratch)
    }
}

impl Input for f64 {
    fn read<'a>(array: &'a ArrayRef, scratch: &'a mut Vec<i64>, converted: &'a mut Vec<f64>) -> Result<&'a [f64]> {
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            return Ok(floats.values());
        }
        converted.clear();
        converted.extend(as_ints(array, scratch)?.iter().map(|&i| i as f64));
        Ok(converted)
    }
}

/// Values that only count.
impl Input for () {
    fn read<'a>(array: &'a ArrayRef, _: &'a mut Vec<i64>, converted: &'a mut Vec<()>) -> Result<&'a [()]> {
        converted.resize(array.len(), ());
        Ok(converted)
    }
}

/// What results are written as.
pub(super) trait Output: Copy {
    /// The column of a type.
    fn column(kind: Type, values: Vec<Option<Self>>) -> Result<ArrayRef>;
}

impl Output for i64 {
    fn column(kind: Type, values: Vec<Option<i64>>) -> Result<ArrayRef> {
        from_ints(kind, values.into_iter())
    }
}

impl Output for f64 {
    fn column(_: Type, values: Vec<Option<f64>>) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from(values)))
    }
}

/// How many values there are.
pub(super) struct Count;

impl Monoid for Count {
    type In = ();
    type Part = ();
    type Out = i64;
    const EMPTY: () = ();

    fn of(_: ()) {}

    fn join(_: (), _: ()) {}

    fn value(&self, _: (), count: u64) -> Result<Option<i64>> {
        Ok(Some(count as i64))
    }
}

/// Sums of integers, exact.
pub(super) struct IntSum {
    pub text: String,
}

impl Monoid for IntSum {
    type In = i64;
    type Part = i128;
    type Out = i64;
    const EMPTY: i128 = 0;

    fn of(value: i64) -> i128 {
        i128::from(value)
    }

    fn join(a: i128, b: i128) -> i128 {
        a + b
    }

    fn value(&self, sum: i128, _: u64) -> Result<Option<i64>> {
        i64::try_from(sum).map(Some).map_err(|_| overflow(&self.text))
    }
}

fn overflow(text: &str) -> Error {
    Error::new(ErrorKind::Overflow, format!("'{text}' is beyond 64 bits"))
        .help("compute in floats: multiply what goes in by a float, as in col(\"v\") * 1.0")
}

/// Means of integers.
pub(super) struct IntMean;

impl Monoid for IntMean {
    type In = i64;
    type Part = i128;
    type Out = f64;
    const EMPTY: i128 = 0;

    fn of(value: i64) -> i128 {
        i128::from(value)
    }

    fn join(a: i128, b: i128) -> i128 {
        a + b
    }

    fn value(&self, sum: i128, count: u64) -> Result<Option<f64>> {
        Ok((count > 0).then(|| sum as f64 / count as f64))
    }
}

/// Sums of floats, or their means: with twice the digits of a float, so that the order in which sums join hardly ever shows.
pub(super) struct FloatSum {
    pub mean: bool,
}

/// A sum, and what was lost in rounding it.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    rounded: f64,
    lost: f64,
}

impl Monoid for FloatSum {
    type In = f64;
    type Part = Sum;
    type Out = f64;
    const EMPTY: Sum = Sum { rounded: 0.0, lost: 0.0 };

    fn of(value: f64) -> Sum {
        Sum { rounded: value, lost: 0.0 }
    }

    /// Knuth's TwoSum tells what rounding loses.
    fn join(a: Sum, b: Sum) -> Sum {
        let rounded = a.rounded + b.rounded;
        let from_b = rounded - a.rounded;
        let lost = (a.rounded - (rounded - from_b)) + (b.rounded - from_b);
        Sum { rounded, lost: a.lost + b.lost + lost }
    }

    fn value(&self, sum: Sum, count: u64) -> Result<Option<f64>> {
        // Of an infinity or NaN nothing is lost, and `lost` is NaN.
        let total = if sum.rounded.is_finite() { sum.rounded + sum.lost } else { sum.rounded };
        Ok(if self.mean { (count > 0).then(|| total / count as f64) } else { Some(total) })
    }
}

/// Products of integers.
pub(super) struct IntProduct {
    pub text: String,
}

impl Monoid for IntProduct {
    type In = i64;
    type Part = i128;
    type Out = i64;
    const EMPTY: i128 = 1;

    fn of(value: i64) -> i128 {
        i128::from(value)
    }

    /// What is beyond 64 bits stays beyond, whatever is multiplied to it but zero: how far does not matter.
    fn join(a: i128, b: i128) -> i128 {
        const BEYOND: i128 = (1 << 63) + 1;
        (a * b).clamp(-BEYOND, BEYOND)
    }

    fn value(&self, product: i128, _: u64) -> Result<Option<i64>> {
        i64::try_from(product).map(Some).map_err(|_| overflow(&self.text))
    }
}

/// Products of floats, with exponents of their own: those of a partition alone may be what no float holds.
pub(super) struct FloatProduct;

/// `fraction * 2^exponent`; the fraction is from 0.5 to 1, or zero, infinite or NaN.
#[derive(Clone, Copy)]
pub(super) struct Scaled {
    fraction: f64,
    exponent: i64,
}

impl Monoid for FloatProduct {
    type In = f64;
    type Part = Scaled;
    type Out = f64;
    const EMPTY: Scaled = Scaled { fraction: 0.5, exponent: 1 };

    fn of(value: f64) -> Scaled {
        const TINY: f64 = f64::MIN_POSITIVE;
        if value == 0.0 || !value.is_finite() {
            return Scaled { fraction: value, exponent: 0 };
        }
        let (value, shifted) = if value.abs() < TINY { (value * power_of_two(54), 54) } else { (value, 0) };
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as i64 - 1022;
        Scaled { fraction: f64::from_bits(bits & !(0x7FF << 52) | 1022 << 52), exponent: exponent - shifted }
    }

    fn join(a: Scaled, b: Scaled) -> Scaled {
        let (fraction, exponent) = (a.fraction * b.fraction, a.exponent.saturating_add(b.exponent));
        if fraction.abs() < 0.5 {
            return Scaled { fraction: fraction * 2.0, exponent: exponent.saturating_sub(1) };
        }
        Scaled { fraction, exponent }
    }

    fn value(&self, product: Scaled, _: u64) -> Result<Option<f64>> {
        let exponent = product.exponent.clamp(-2400, 2400);
        let third = exponent / 3;
        let powers = power_of_two(third) * product.fraction * power_of_two(third);
        Ok(Some(powers * power_of_two(exponent - 2 * third)))
    }
}

/// `2^exponent`, for exponents of floats that are not subnormal.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The least or the greatest value, as integers that order alike.
pub(super) struct Best<const GREATEST: bool>;

impl<const GREATEST: bool> Monoid for Best<GREATEST> {
    type In = i64;
    type Part = i64;
    type Out = i64;
    const EMPTY: i64 = if GREATEST { i64::MIN } else { i64::MAX };

    fn of(value: i64) -> i64 {
        value
    }

    fn join(a: i64, b: i64) -> i64 {
        if GREATEST { a.max(b) } else { a.min(b) }
    }

    fn value(&self, best: i64, count: u64) -> Result<Option<i64>> {
        Ok((count > 0).then_some(best))
    }
}

/// The sample variance, or its square root.
pub(super) struct Moments {
    pub root: bool,
}

/// The number of values, their mean, and the sum of their squared distances from it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Monoid for Moments {
    type In = f64;
    type Part = Moment;
    type Out = f64;
    const EMPTY: Moment = Moment { n: 0.0, mean: 0.0, squares: 0.0 };

    fn of(value: f64) -> Moment {
        // An infinity has no distance from itself.
        let squares = if value.is_finite() { 0.0 } else { f64::NAN };
        Moment { n: 1.0, mean: value, squares }
    }

    /// Chan, Golub and LeVeque's update, as `var` has it.
    fn join(a: Moment, b: Moment) -> Moment {
        if a.n == 0.0 || b.n == 0.0 {
            return if a.n == 0.0 { b } else { a };
        }
        let (n, distance) = (a.n + b.n, b.mean - a.mean);
        let squares = a.squares + b.squares + distance * distance * (a.n * b.n / n);
        Moment { n, mean: a.mean + distance * (b.n / n), squares }
    }

    fn value(&self, part: Moment, count: u64) -> Result<Option<f64>> {
        let variance = (count > 1).then(|| part.squares / (part.n - 1.0));
        Ok(if self.root { variance.map(f64::sqrt) } else { variance })
    }
}
