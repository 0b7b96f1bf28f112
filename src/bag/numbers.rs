//! Sums and means of bags of numbers.

use super::Bag;
use crate::delayed::Delayed;
use crate::error::{Error, ErrorKind, Result};

/// What bags can sum: the numbers of the language.
pub trait Number: Copy + Send + Sync + 'static {
    /// The sum of none.
    const ZERO: Self;

    /// The sum of two; `None` where it is beyond what the type holds.
    fn plus(self, other: Self) -> Option<Self>;

    /// The nearest float.
    fn to_f64(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty: $plus:expr),+) => { $(
        impl Number for $number {
            const ZERO: $number = 0 as $number;

            fn plus(self, other: $number) -> Option<$number> {
                $plus(self, other)
            }

            #[allow(trivial_numeric_casts, reason = "one of them is f64 itself")]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )+ };
}

numbers!(
    i8: i8::checked_add, i16: i16::checked_add, i32: i32::checked_add, i64: i64::checked_add, i128: i128::checked_add,
    isize: isize::checked_add, u8: u8::checked_add, u16: u16::checked_add, u32: u32::checked_add, u64: u64::checked_add,
    u128: u128::checked_add, usize: usize::checked_add, f32: |a, b| Some(a + b), f64: |a, b| Some(a + b)
);

/// Count, mean and sum of squared distances from it.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// One more number: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962.
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let from_old = x - self.mean;
        self.mean += from_old / self.count;
        self.squares += from_old * (x - self.mean);
    }

    /// All of others: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
    fn merge(&mut self, other: Moments) {
        let count = self.count + other.count;
        if other.count > 0.0 {
            let apart = other.mean - self.mean;
            self.mean += apart * (other.count / count);
            self.squares += other.squares + apart * apart * (self.count * other.count / count);
            self.count = count;
        }
    }
}

impl<T: Number> Bag<T> {
    /// The sum; zero of none. NaN counts, as in any sum.
    ///
    /// ```
    /// use partita::{Bag, ErrorKind};
    /// assert_eq!(*Bag::from_vec(vec![1, 2, 3], 2).sum().compute()?, 6);
    /// let bytes = Bag::from_vec(vec![200u8, 100], 2);
    /// assert_eq!(bytes.sum().compute().unwrap_err().kind(), ErrorKind::Overflow);
    /// assert_eq!(*bytes.map(u64::from).sum().compute()?, 300);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] of the run, for a sum of integers beyond what their type holds.
    pub fn sum(&self) -> Delayed<T> {
        let plus = |a: T, b: T| -> Result<T> {
            a.plus(b).ok_or_else(|| {
                let name = std::any::type_name::<T>();
                Error::new(ErrorKind::Overflow, format!("a sum is beyond what {name} holds"))
                    .help("map the items to a wider type first, as in .map(i128::from)")
            })
        };
        let each = move |mut items: super::partition::Items<T>| items.try_fold(T::ZERO, |sum, item| plus(sum, item?));
        self.tree("sum", each, move |sum, more| {
            *sum = plus(*sum, more)?;
            Ok(())
        })
    }

    /// The mean; `None` of no items. NaN makes it NaN.
    ///
    /// ```
    /// use partita::Bag;
    /// assert_eq!(*Bag::from_vec(vec![1, 2, 6], 2).mean().compute()?, Some(3.0));
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn mean(&self) -> Delayed<Option<f64>> {
        self.moments("mean").map("mean", |moments| (moments.count > 0.0).then_some(moments.mean))
    }

    /// The variance, `ddof` being taken from the number of items to divide by: 1 for that of a sample, 0 for that of all there are. `None` of
    /// no more than `ddof` items.
    ///
    /// ```
    /// use partita::Bag;
    /// let bag = Bag::from_vec(vec![1.0, 2.0, 6.0], 2);
    /// assert_eq!((*bag.var(1).compute()?, *bag.var(3).compute()?), (Some(7.0), None));
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn var(&self, ddof: u32) -> Delayed<Option<f64>> {
        let divisor = f64::from(ddof);
        self.moments("var")
            .map("var", move |moments| (moments.count > divisor).then(|| moments.squares / (moments.count - divisor)))
    }

    fn moments(&self, name: &'static str) -> Delayed<Moments> {
        let each = |mut items: super::partition::Items<T>| {
            items.try_fold(Moments::default(), |mut moments, item| {
                moments.add(item?.to_f64());
                Ok(moments)
            })
        };
        self.tree(name, each, |moments, more| {
            moments.merge(more);
            Ok(())
        })
    }
}
