//! [`Rolling`]: windows that wait for what is to be made of them.

use super::{InOrderFn, Summary, Window};
use crate::expr::build::{Expr, Node};

/// A window that moves along the rows, made by [`Expr::rolling`] and [`Expr::rolling_by`].
///
/// Nulls in it are skipped. The result is null of too few values: in a window of rows, fewer than the rows of the window, so that
/// a null makes it null, and in a window of time fewer than one; [`min_periods`](Rolling::min_periods) says otherwise. This is pandas' rule.
/// Unlike in pandas NaN is a value, which makes sums, means and variances NaN as long as it is in the window, and no longer.
///
/// Nothing is ever subtracted from a window: it is the sum of two sums, one of which grows as rows come while the other,
/// over what was there before, shrinks (the queue of two stacks). So sums do not drift, and no infinity stays behind.
///
/// ```
/// use partita::{col, hours};
/// assert_eq!(col("v").rolling(3).min_periods(1).mean().to_string(), "rolling_mean(v, 3, min_periods 1)");
/// assert_eq!(col("v").rolling_by("at", hours(2)).sum().to_string(), "rolling_sum(v, 2 hours by at)");
/// ```
#[derive(Debug, Clone)]
#[must_use = "say what to make of the window, as in .mean()"]
pub struct Rolling {
    /// What is in the window; then the times, if it is one of time.
    inputs: Vec<Expr>,
    window: Window,
    min_periods: Option<usize>,
}

macro_rules! summaries {
    ($($(#[$doc:meta])* $name:ident $summary:ident;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!("```\n# use partita::col;\nassert_eq!(col(\"v\").rolling(7).", stringify!($name), "().to_string(), \"rolling_", stringify!($name), "(v, 7)\");\n```")]
        pub fn $name(self) -> Expr {
            self.summary(Summary::$summary)
        }
    )*};
}

impl Rolling {
    pub(super) fn new(inputs: Vec<Expr>, window: Window) -> Rolling {
        Rolling { inputs, window, min_periods: None }
    }

    /// The fewest values of which there is a result. More than the rows of the window is an
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let smooth = df.with_column("smooth", col("v").rolling(3).min_periods(1).mean());
    /// assert_eq!(smooth.filter(col("smooth").is_null()).compute()?.num_rows(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn min_periods(mut self, values: usize) -> Rolling {
        self.min_periods = Some(values);
        self
    }

    fn summary(self, summary: Summary) -> Expr {
        let Rolling { inputs, window, min_periods } = self;
        Expr::from_node(Node::InOrder(InOrderFn::Rolling { window, summary, min_periods }, inputs))
    }

    summaries! {
        /// How many values there are: never null (pandas has none for the first rows). Of any type.
        count Count;
        /// The sum: of int64 an int64, beyond 64 bits an [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) error; of bools how many are true.
        sum Sum;
        /// The mean, a float64.
        mean Mean;
        /// The least value. Of any type but text.
        min Min;
        /// The greatest value. Of any type but text.
        max Max;
        /// The sample variance, a float64: divided by the number of values less 1, and null of a single value.
        var Var;
        /// The sample standard deviation: the square root of [`var`](Rolling::var).
        std Std;
    }
}
