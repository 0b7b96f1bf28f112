//! Merges: rows of one frame with the rows of another that have the same key, or the nearest.

use super::Frame;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Direction, Literal, MergeKind};
use crate::plan::{AsOfSpec, LogicalPlan, MergeSpec, list};

/// How [`Frame::merge`] goes: which rows come out, and which columns are keys.
///
/// | | rows that come out |
/// |---|---|
/// | [`inner`](Merge::inner) | each left row with each right row of its key |
/// | [`left`](Merge::left) | these, and left rows without a match, the right columns null |
/// | [`right`](Merge::right) | those of `inner`, and right rows without a match, the left columns null |
/// | [`outer`](Merge::outer) | those of `inner`, and the rows of both sides without a match |
/// | [`semi`](Merge::semi) | left rows with a match, each once; no columns of the right |
/// | [`anti`](Merge::anti) | left rows without a match; no columns of the right |
/// | [`cross`](Merge::cross) | each left row with each right row; no keys |
///
/// Keys are all columns in common, or those of [`on`](Merge::on), or pairs of [`left_on`](Merge::left_on) and
/// [`right_on`](Merge::right_on).
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
/// let before = read_csv("testdata/baci/BACI_HS12_Y2017.csv");
/// let both = df.merge(&before, Merge::inner().on(["i", "j", "k"]).suffixes("", "_before"));
/// let names: Vec<String> = both.schema()?.fields().iter().map(|f| f.name().clone()).collect();
/// assert_eq!(names, ["t", "i", "j", "k", "v", "q", "t_before", "v_before", "q_before"]);
/// # assert!(both.compute()?.num_rows() < 2000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "says how to merge: give it to Frame::merge()"]
pub struct Merge {
    kind: MergeKind,
    on: Option<Vec<String>>,
    left_on: Option<Vec<String>>,
    right_on: Option<Vec<String>>,
    suffixes: [String; 2],
    nulls_equal: bool,
}

/// How [`Frame::merge_asof`] goes: which right row is the nearest.
///
/// ```
/// use partita::prelude::*;
/// let last_quote = AsOf::on("time").by(["ticker"]).tolerance(minutes(5));
/// let next_quote = AsOf::on("time").by(["ticker"]).forward().allow_exact_matches(false);
/// ```
#[derive(Debug, Clone)]
#[must_use = "says how to merge: give it to Frame::merge_asof()"]
pub struct AsOf {
    left: String,
    right: String,
    by: Vec<String>,
    right_by: Option<Vec<String>>,
    direction: Direction,
    exact: bool,
    tolerance: Option<Literal>,
    suffixes: [String; 2],
    nulls_equal: bool,
}

fn owned<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

fn default_suffixes() -> [String; 2] {
    ["_x".to_owned(), "_y".to_owned()]
}

impl Merge {
    fn new(kind: MergeKind) -> Merge {
        Merge { kind, on: None, left_on: None, right_on: None, suffixes: default_suffixes(), nulls_equal: false }
    }

    /// Each left row with each right row of its key.
    pub fn inner() -> Merge {
        Merge::new(MergeKind::Inner)
    }

    /// As [`inner`](Merge::inner), and left rows without a match.
    pub fn left() -> Merge {
        Merge::new(MergeKind::Left)
    }

    /// As [`inner`](Merge::inner), and behind them right rows without a match.
    pub fn right() -> Merge {
        Merge::new(MergeKind::Right)
    }

    /// As [`left`](Merge::left), and behind them right rows without a match.
    pub fn outer() -> Merge {
        Merge::new(MergeKind::Outer)
    }

    /// Left rows with a match, each once.
    pub fn semi() -> Merge {
        Merge::new(MergeKind::Semi)
    }

    /// Left rows without a match.
    pub fn anti() -> Merge {
        Merge::new(MergeKind::Anti)
    }

    /// Each left row with each right row.
    pub fn cross() -> Merge {
        Merge::new(MergeKind::Cross)
    }

    /// The keys, which are called the same on both sides.
    pub fn on<N: Into<String>>(mut self, keys: impl IntoIterator<Item = N>) -> Merge {
        self.on = Some(owned(keys));
        self
    }

    /// The keys of the left side; as many are named with [`right_on`](Merge::right_on).
    pub fn left_on<N: Into<String>>(mut self, keys: impl IntoIterator<Item = N>) -> Merge {
        self.left_on = Some(owned(keys));
        self
    }

    /// The keys of the right side, in the order of those of [`left_on`](Merge::left_on).
    pub fn right_on<N: Into<String>>(mut self, keys: impl IntoIterator<Item = N>) -> Merge {
        self.right_on = Some(owned(keys));
        self
    }

    /// What is put behind the names of columns that both sides have, keys apart: `_x` and `_y` unless told.
    pub fn suffixes(mut self, left: impl Into<String>, right: impl Into<String>) -> Merge {
        self.suffixes = [left.into(), right.into()];
        self
    }

    /// Lets null match null, as pandas does. Otherwise a row with a null in any key has no match, as in SQL.
    pub fn nulls_equal(mut self) -> Merge {
        self.nulls_equal = true;
        self
    }

    fn text(&self) -> String {
        let mut text = self.kind.to_string();
        for (name, keys) in [("on", &self.on), ("left_on", &self.left_on), ("right_on", &self.right_on)] {
            if let Some(keys) = keys {
                text += &format!(", {name} {}", list(keys.iter().cloned()));
            }
        }
        text
    }

    fn spec(self) -> Result<MergeSpec> {
        let keys = match (self.on, self.left_on, self.right_on) {
            (None, None, None) => None,
            (Some(on), None, None) => Some((on.clone(), on)),
            (None, Some(left), Some(right)) => Some((left, right)),
            (Some(_), ..) => {
                return Err(Error::new(ErrorKind::Config, "keys are named with on and with left_on or right_on")
                    .help("name them with on(..), or with left_on(..) and right_on(..)"));
            }
            (None, left, _) => {
                let (named, other) = if left.is_some() { ("left", "right") } else { ("right", "left") };
                return Err(Error::new(ErrorKind::Config, format!("the keys of the {other} side are not named"))
                    .help(format!("name them with {other}_on(..) beside {named}_on(..)")));
            }
        };
        let (kind, suffixes, nulls_equal) = (self.kind, self.suffixes, self.nulls_equal);
        Ok(MergeSpec { kind, keys, suffixes, nulls_equal, as_of: None })
    }
}

impl AsOf {
    /// The column, of both sides, in which the nearest is found: numbers, dates or timestamps.
    pub fn on(name: impl Into<String>) -> AsOf {
        let name = name.into();
        AsOf {
            right: name.clone(),
            left: name,
            by: Vec::new(),
            right_by: None,
            direction: Direction::Backward,
            exact: true,
            tolerance: None,
            suffixes: default_suffixes(),
            nulls_equal: false,
        }
    }

    /// What the column is called on the right, where that is not as on the left. Both columns come out then.
    pub fn right_on(mut self, name: impl Into<String>) -> AsOf {
        self.right = name.into();
        self
    }

    /// Keys that must be equal: the nearest is found among the right rows that have them.
    pub fn by<N: Into<String>>(mut self, keys: impl IntoIterator<Item = N>) -> AsOf {
        self.by = owned(keys);
        self
    }

    /// What these keys are called on the right, where that is not as on the left.
    pub fn right_by<N: Into<String>>(mut self, keys: impl IntoIterator<Item = N>) -> AsOf {
        self.right_by = Some(owned(keys));
        self
    }

    /// The last right row at or before the left row's value: what holds unless told otherwise.
    pub fn backward(mut self) -> AsOf {
        self.direction = Direction::Backward;
        self
    }

    /// The first right row at or behind the left row's value.
    pub fn forward(mut self) -> AsOf {
        self.direction = Direction::Forward;
        self
    }

    /// The nearest right row on either side; of two as near, the one before.
    pub fn nearest(mut self) -> AsOf {
        self.direction = Direction::Nearest;
        self
    }

    /// How far apart the two values may lie, this included: a number, or a length of time that is always as long
    /// (`minutes(5)`; no months).
    pub fn tolerance(mut self, most: impl Into<Literal>) -> AsOf {
        self.tolerance = Some(most.into());
        self
    }

    /// Whether equal values count; they do unless told otherwise.
    pub fn allow_exact_matches(mut self, allow: bool) -> AsOf {
        self.exact = allow;
        self
    }

    /// As [`Merge::suffixes`].
    pub fn suffixes(mut self, left: impl Into<String>, right: impl Into<String>) -> AsOf {
        self.suffixes = [left.into(), right.into()];
        self
    }

    /// As [`Merge::nulls_equal`], for the keys of [`by`](AsOf::by).
    pub fn nulls_equal(mut self) -> AsOf {
        self.nulls_equal = true;
        self
    }

    fn text(&self) -> String {
        let by = if self.by.is_empty() { String::new() } else { format!(" by {}", list(self.by.iter().cloned())) };
        format!("{}{by}, {}", self.left, self.direction)
    }

    fn spec(self) -> MergeSpec {
        let right_by = self.right_by.unwrap_or_else(|| self.by.clone());
        let AsOf { left, right, direction, exact, tolerance, .. } = self;
        MergeSpec {
            kind: MergeKind::Left,
            keys: Some((self.by, right_by)),
            suffixes: self.suffixes,
            nulls_equal: self.nulls_equal,
            as_of: Some(AsOfSpec { left, right, direction, exact, tolerance }),
        }
    }
}

impl Frame {
    /// Rows of this frame, the left, with the rows of another that have the same key; which, says [`Merge`].
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let products = read_csv("testdata/baci/product_codes_HS12.csv").rename([("code", "k")]);
    /// let countries = read_csv("testdata/baci/country_codes_V202301.csv");
    ///
    /// let named = df
    ///     .merge(&products, Merge::left())
    ///     .merge(&countries, Merge::left().left_on(["i"]).right_on(["country_code"]))
    ///     .merge(&countries, Merge::left().left_on(["j"]).right_on(["country_code"]).suffixes("_exporter", "_importer"))
    ///     .select(["k", "description", "country_name_full_exporter", "country_name_full_importer", "v"]);
    /// println!("{}", named.head(5).compute()?);
    ///
    /// // Who exported nothing that year: the other way round, and what is left over.
    /// let silent = countries.merge(&df, Merge::anti().left_on(["country_code"]).right_on(["i"]));
    /// assert_eq!(silent.schema()?.fields().len(), 5);
    /// # assert!(silent.compute()?.num_rows() > 0);
    /// # assert_eq!(named.compute()?.num_rows(), 2000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// *Columns*: those of the left, then those of the right. A key that is called the same on both sides comes out once; of two
    /// names both come out, as in pandas. Other names that both sides have get [suffixes](Merge::suffixes).
    ///
    /// *Order*: that of the left; the matches of one left row in the order of the right; right rows without a match last. (pandas
    /// sorts an outer merge by key, and orders a right one as the right.)
    ///
    /// *Nulls*: a null in a key matches nothing, as in SQL; pandas matches null to null, and so does
    /// [`nulls_equal`](Merge::nulls_equal). NaN matches NaN, and `-0.0` matches `0.0`.
    ///
    /// *Types*: keys of two types are an [`ErrorKind::Type`] error that tells which cast mends it. Whether `101` is `"0101"` nobody
    /// can know but you.
    ///
    /// *Size*: the right side is read whole and held in memory, with an index of its keys, where that fits; the left side streams by,
    /// and stops when a [`head`](Frame::head) behind it has enough. So let the larger frame be the left one. A right side beyond the
    /// memory limit is merged by way of the disk, bucket by bucket, with the same rows in the same order. A
    /// [`Table`](crate::Table) or a `RecordBatch` of the program can be the right side as it is. The session of the left one runs it.
    pub fn merge(&self, right: impl Into<Frame>, how: Merge) -> Frame {
        let step = format!("merge({})", how.text());
        self.merged(&right.into(), step, how.spec())
    }

    /// Each row of this frame, the left, with the one right row that is nearest in time, or in another ordered column: of a trade the
    /// last quote before it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// # use std::sync::Arc;
    /// # use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
    /// # use arrow::datatypes::Float64Type;
    /// # let table = |second: Vec<i64>, name: &str, value: Vec<f64>| -> partita::Result<Frame> {
    /// #     let columns: [(&str, ArrayRef); 2] = [("second", Arc::new(Int64Array::from(second))), (name, Arc::new(Float64Array::from(value)))];
    /// #     let batch = RecordBatch::try_from_iter(columns).unwrap();
    /// #     Ok(Frame::from(Table::new(batch.schema(), vec![batch])?))
    /// # };
    /// // Columns `second` and `price`, and `second` and `bid`.
    /// let trades = table(vec![3, 10, 0], "price", vec![1.5, 1.6, 1.7])?;
    /// let quotes = table(vec![1, 4, 9], "bid", vec![1.4, 1.5, 1.6])?;
    /// let both = trades.merge_asof(&quotes, AsOf::on("second").tolerance(2)).compute()?;
    /// let bid = both.column("bid")?;
    /// let bid: Vec<Option<f64>> = bid.as_primitive::<Float64Type>().iter().collect();
    /// assert_eq!(bid, [Some(1.4), Some(1.6), None]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// All left rows come out, once and in their order, with nulls where there is no right row, as in [`Merge::left`]; of right rows with
    /// equal values, [`backward`](AsOf::backward) and [`nearest`](AsOf::nearest) take the last, [`forward`](AsOf::forward) the first, as
    /// pandas does. Unlike in pandas, neither side need be sorted, and a null or NaN is no error: it is near to nothing. The right side is held in memory
    /// whole, sorted; beyond the memory limit both sides are merged by way of the disk.
    pub fn merge_asof(&self, right: impl Into<Frame>, how: AsOf) -> Frame {
        let step = format!("merge_asof({})", how.text());
        self.merged(&right.into(), step, Ok(how.spec()))
    }

    fn merged(&self, right: &Frame, step: String, spec: Result<MergeSpec>) -> Frame {
        // What is wrong on the right comes out with the steps of the right.
        let other = match right.plan() {
            Ok(plan) => plan.clone(),
            Err(error) if self.plan.is_ok() => {
                let steps = self.steps.iter().cloned().chain([step]).collect::<Vec<_>>();
                return Frame { session: self.session.clone(), plan: Err(error), steps: steps.into() };
            }
            Err(_) => return self.clone(),
        };
        self.step(step, |input| LogicalPlan::merge(input, other, spec?))
    }
}
