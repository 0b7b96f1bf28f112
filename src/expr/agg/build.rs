//! How aggregates are built.

use super::{AggExpr, AggKind, Interpolation};
use crate::error::{Error, ErrorKind};
use crate::expr::Expr;

/// The number of rows, nulls and all. Named `size`.
///
/// ```
/// assert_eq!(partita::size().to_string(), "size()");
/// ```
pub fn size() -> AggExpr {
    AggExpr::new(AggKind::Size, vec![])
}

/// The sample covariance of two numbers, over the rows where both have a value: divided by their number less 1, or less
/// [`ddof`](AggExpr::ddof); null of no more rows than that. NaN is a value, and makes the result NaN.
///
/// Computed and merged as [`var`](Expr::var) is.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::{cov, prelude::*};
/// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
/// let by_exporter = df.group_by(["i"]).agg([cov("v", "q").alias("cov_vq")]).compute()?;
/// assert_eq!(by_exporter.schema().field(1).name(), "cov_vq");
/// # Ok(())
/// # }
/// ```
pub fn cov(a: impl Into<Expr>, b: impl Into<Expr>) -> AggExpr {
    AggExpr::new(AggKind::Cov { ddof: 1 }, vec![a.into(), b.into()])
}

/// Pearson's correlation of two numbers, over the rows where both have a value: from -1 to 1; null of fewer than two
/// rows, NaN where one of the two never varies. NaN is a value, and makes the result NaN.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::{corr, prelude::*};
/// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
/// let whole = df.agg([corr("v", col("v") * 2.0)]).compute()?;
/// assert!(whole.to_string().contains("1.0"));
/// # Ok(())
/// # }
/// ```
pub fn corr(a: impl Into<Expr>, b: impl Into<Expr>) -> AggExpr {
    AggExpr::new(AggKind::Corr, vec![a.into(), b.into()])
}

macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident $kind:expr;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!("```\n# use partita::col;\nassert_eq!(col(\"q\").", stringify!($name), "().to_string(), \"", stringify!($name), "(q)\");\n```")]
        pub fn $name(self) -> AggExpr {
            AggExpr::new($kind, vec![self])
        }
    )*};
}

/// Aggregates; see [`AggExpr`].
impl Expr {
    aggregates! {
        /// The number of values that are not null.
        count AggKind::Count;
        /// The sum of the values that are not null.
        sum AggKind::Sum { min_count: 0 };
        /// The mean of the values that are not null.
        mean AggKind::Mean;
        /// The least value.
        min AggKind::Min;
        /// The greatest value.
        max AggKind::Max;
        /// The sample variance: the squared distances from the mean, divided by the number of values less 1, or less
        /// [`ddof`](AggExpr::ddof). Null of no more values than that.
        ///
        /// Values are taken in by Welford's update and partial results merge by Chan, Golub and LeVeque's ("Updating formulae and a
        /// pairwise algorithm for computing sample variances", 1979), so that values far from zero lose no precision. Of equal values it is exactly 0.
        var AggKind::Var { ddof: 1 };
        /// The sample standard deviation: the square root of [`var`](Expr::var).
        std AggKind::Std { ddof: 1 };
        /// The first value in file order that is not null, as pandas has it, whatever the threads.
        first AggKind::First;
        /// The last value in file order that is not null, as pandas has it, whatever the threads.
        last AggKind::Last;
        /// The number of the row with the least value, the first among ties. Rows are numbered from 0 as they reach the aggregation, over
        /// all groups, those without a key and those that [`filter`](AggExpr::filter) leaves out counted.
        ///
        /// That is the index label which pandas gives after `reset_index(drop=True)`. Unlike pandas, NaN is not skipped: it
        /// lies above all numbers, so that its row is given only where there is nothing else.
        idxmin AggKind::IdxMin;
        /// The number of the row with the greatest value, the first among ties; numbered as for [`idxmin`](Expr::idxmin). Unlike
        /// pandas, NaN is not skipped: it lies above all numbers, so that its row is given where there is one.
        idxmax AggKind::IdxMax;
        /// Whether any value is true. Nulls are skipped; of nothing it is false.
        any AggKind::Any;
        /// Whether all values are true. Nulls are skipped; of nothing it is true.
        all AggKind::All;
        /// The number of distinct values. Nulls are not counted; all NaN are one value, and `-0.0` is `0.0`.
        nunique AggKind::NUnique;
        /// The most frequent value, the least among those equally frequent. All NaN are one value, above all numbers.
        mode AggKind::Mode;
        /// The middle value, or the mean of the two in the middle: [`quantile`](Expr::quantile) of 0.5. Exact.
        median AggKind::Quantile { p: 0.5, interpolation: Interpolation::Linear };
    }

    /// The value below which this share of the values lies: 0 gives the least, 1 the greatest. Exact: values are held and selected.
    /// Where it falls between two, it lies in proportion between them, or as [`interpolation`](AggExpr::interpolation) says.
    ///
    /// NaN lies above all numbers. A share outside of 0 to 1 is an [`ErrorKind::Config`] error when the aggregate meets its
    /// schema.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let tails = df.group_by(["i"]).agg([
    ///     col("v").quantile(0.1).alias("low"),
    ///     col("v").quantile(0.9).alias("high"),
    /// ]);
    /// assert_eq!(tails.schema()?.fields().len(), 3);
    /// assert!(df.agg([col("v").quantile(90.0)]).compute().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn quantile(self, p: f64) -> AggExpr {
        let agg = AggExpr::new(AggKind::Quantile { p, interpolation: Interpolation::Linear }, vec![self]);
        if (0.0..=1.0).contains(&p) {
            return agg;
        }
        let help = if (1.0..=100.0).contains(&p) {
            format!("a share is meant, not a percentage: quantile({})", p / 100.0)
        } else {
            "give the share of the values that lies below, as in quantile(0.9)".to_owned()
        };
        agg.misused(format!("a quantile is from 0 to 1, and this one is {p}"), help)
    }

    /// The texts one after another, in file order whatever the threads, with `separator` between them. Nulls are skipped; of no text at
    /// all it is null.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").join(", ").to_string(), "join(name, \", \")");
    /// ```
    pub fn join(self, separator: impl Into<String>) -> AggExpr {
        AggExpr::new(AggKind::Join { separator: separator.into().into() }, vec![self])
    }
}

impl AggExpr {
    /// Names the result.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("q").mean().alias("mean_q").name(), "mean_q");
    /// ```
    pub fn alias(mut self, name: impl Into<String>) -> AggExpr {
        self.alias = Some(name.into().into());
        self
    }

    /// Lets the aggregate see the rows alone where the condition is true (neither false nor null); a second filter, those where both
    /// are. Groups stay: one without such rows has what the aggregate gives of no values.
    ///
    /// What is no condition is an [`ErrorKind::Type`] error when the aggregate meets its schema.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let large = size().filter(col("v").gt(1000)).alias("large");
    /// assert_eq!(large.to_string(), "size() where v > 1000 as large");
    /// let shares = df.group_by(["i"]).agg([size(), large]).compute()?;
    /// assert_eq!(shares.num_columns(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, condition: impl Into<Expr>) -> AggExpr {
        let condition = condition.into();
        self.filter = Some(match self.filter.take() {
            Some(filter) => filter.and(condition),
            None => condition,
        });
        self
    }

    /// Makes a sum of fewer than `values` non-null values null: with 1, the sum of nothing is null. On other aggregates
    /// it is an [`ErrorKind::Config`] error when the aggregate meets its schema.
    ///
    /// ```
    /// use partita::col;
    /// assert_eq!(col("v").sum().min_count(1).to_string(), "sum(v, min_count 1)");
    /// ```
    pub fn min_count(mut self, values: usize) -> AggExpr {
        if let AggKind::Sum { min_count } = &mut self.kind {
            *min_count = values;
            return self;
        }
        self.takes_no("min_count", "only sum does: mean, min and max of nothing are null as they are")
    }

    /// The same aggregate, but for a sum of no values, which is null.
    pub(crate) fn null_of_nothing(mut self) -> AggExpr {
        if let AggKind::Sum { min_count } = &mut self.kind {
            *min_count = (*min_count).max(1);
        }
        self
    }

    /// What the number of values is lessened by in [`var`](Expr::var), [`std`](Expr::std) and [`cov`]: 1 by default, for a
    /// sample; 0 for a whole population. On other aggregates, and when negative, it is an [`ErrorKind::Config`] error when the
    /// aggregate meets its schema.
    ///
    /// ```
    /// use partita::col;
    /// assert_eq!(col("v").std().ddof(0).to_string(), "std(v, ddof 0)");
    /// ```
    pub fn ddof(mut self, delta: i64) -> AggExpr {
        if let AggKind::Var { ddof } | AggKind::Std { ddof } | AggKind::Cov { ddof } = &mut self.kind {
            if let Ok(delta) = u32::try_from(delta) {
                *ddof = delta;
                return self;
            }
            let message = format!("the ddof of {} is {delta}", self.kind.name());
            return self.misused(
                message,
                "give 1 for a sample or 0 for a population, or another small number that is not negative",
            );
        }
        self.takes_no("ddof", "var, std and cov do")
    }

    /// What [`quantile`](Expr::quantile) and [`median`](Expr::median) give between two values. Those of dates and timestamps can only be `Lower`, `Higher`
    /// or `Nearest`. On other aggregates it is an [`ErrorKind::Config`] error when the aggregate meets its schema.
    ///
    /// ```
    /// use partita::{Interpolation, col};
    /// assert_eq!(col("v").median().interpolation(Interpolation::Higher).to_string(), "median(v, higher)");
    /// ```
    pub fn interpolation(mut self, how: Interpolation) -> AggExpr {
        if let AggKind::Quantile { interpolation, .. } = &mut self.kind {
            *interpolation = how;
            return self;
        }
        self.takes_no("interpolation", "median and quantile do")
    }

    fn takes_no(self, option: &str, help: &str) -> AggExpr {
        let message = format!("{} takes no {option}", self.kind.name());
        self.misused(message, help)
    }

    /// The first misuse is what `bind` tells.
    fn misused(mut self, message: String, help: impl Into<String>) -> AggExpr {
        self.misuse.get_or_insert_with(|| Error::new(ErrorKind::Config, message).help(help));
        self
    }
}
