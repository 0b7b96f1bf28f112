//! What is kept of every group: columns of partial results, updated by group ids and values. One family of aggregates a file.

mod best;
mod join;
mod logic;
mod moments;
mod pairs;
mod rows;
mod runs;
mod totals;
mod values;

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, Int64Type};

use self::best::{BestInts, BestTexts, Rule};
use self::join::Joined;
use self::logic::Truths;
use self::moments::Moments;
use self::pairs::Comoments;
use self::rows::BestRows;
use self::totals::{Counts, Totals};
use self::values::Values;
pub(super) use self::values::{input_kind, quantile_column, rank};
use crate::error::{Error, Result};
use crate::expr::{AggKind, BoundAgg, Type};
use crate::ops::key::kind_of;
use crate::ops::vec_bytes_with;

/// The partial results of one family of aggregates over one input, one for every group.
pub(super) trait Accumulator: Any + Send + Sync {
    /// Makes room for this many groups: those that are new have seen nothing.
    fn resize(&mut self, groups: usize);

    /// Takes in the inputs of rows whose groups are `ids`. (`size` has no input; `idxmin` has one more, the numbers of the rows.)
    fn update(&mut self, ids: &[u32], inputs: &[ArrayRef]) -> Result<()>;

    /// Takes in a later accumulator of the same family: group `i` there is group `ids[i]` here, and row 0 there is row `rows` here.
    fn merge(&mut self, ids: &[u32], later: Box<dyn Accumulator>, rows: i64) -> Result<()>;

    /// The partial results of these groups, as columns of a number and of types that never change. (Those that hold values
    /// have none, but `take_values`.)
    fn partials(&self, ids: &[u32]) -> Result<Vec<ArrayRef>>;

    /// Takes in what a later accumulator of the same family gave as partial results, of groups that are `ids` here; row 0 there
    /// is row `rows` here.
    fn take_in(&mut self, ids: &[u32], partials: &[ArrayRef], rows: i64) -> Result<()>;

    /// Gives the values held, a bounded number at a time: their groups, and a column that `update` takes back.
    fn held_values(&self, _each: &mut dyn FnMut(&[u32], ArrayRef) -> Result<()>) -> Result<()> {
        Ok(())
    }

    /// How many values are held.
    fn held(&self) -> usize {
        0
    }

    /// Puts what it holds in its least form, before it waits for a merge.
    fn seal(&mut self) -> Result<()> {
        Ok(())
    }

    /// The results of these groups. May be called again, for other groups and for other aggregates of the family.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) for a sum of integers beyond 64 bits.
    fn finish(&self, agg: &BoundAgg, ids: &[u32]) -> Result<ArrayRef>;

    /// The bytes allocated.
    fn bytes(&self) -> usize;

    /// The most that will be allocated while the groups become as many as this, and `rows` come in with texts of `text` bytes.
    fn bytes_with(&self, groups: usize, rows: usize, text: usize) -> usize;

    /// The bytes of the text kept.
    fn text_bytes(&self) -> usize {
        0
    }

    /// The bytes that a merge moves over as they are.
    fn moved_bytes(&self) -> usize {
        0
    }

    /// What `seal` allocates for its work.
    fn seal_bytes(&self) -> usize {
        0
    }

    /// What `finish` allocates for its work.
    fn finish_bytes(&self) -> usize {
        0
    }
}

/// Which accumulator an aggregate has; those of one family over the same inputs share it.
#[derive(Clone, PartialEq)]
pub(super) enum Family {
    Counts,
    /// Sums, and whether with the number of their values.
    IntTotals {
        counted: bool,
    },
    FloatTotals {
        counted: bool,
    },
    Moments,
    Comoments,
    BestInts(Rule, Type),
    BestTexts(Rule),
    BestRows(Rule),
    Truths(bool),
    /// Of values of this type; whether equal ones are kept once.
    Values {
        distinct: bool,
        kind: Type,
    },
    Join(Arc<str>),
}

impl Family {
    pub(super) fn of(agg: &BoundAgg) -> Result<Family> {
        let input = agg.inputs.first().map(|input| kind_of(&input.bound.data_type())).transpose()?;
        let nothing = || Error::internal(format!("{} of nothing", agg.kind.name()));
        let values = |distinct| -> Result<Family> { Ok(Family::Values { distinct, kind: input.ok_or_else(nothing)? }) };
        let best = |rule| match input {
            Some(Type::Text) => Ok(Family::BestTexts(rule)),
            Some(kind) => Ok(Family::BestInts(rule, kind)),
            None => Err(nothing()),
        };
        Ok(match &agg.kind {
            AggKind::Count | AggKind::Size => Family::Counts,
            AggKind::Sum { .. } | AggKind::Mean => {
                let counted = !matches!(agg.kind, AggKind::Sum { min_count: 0 });
                match input {
                    Some(Type::Float64) => Family::FloatTotals { counted },
                    _ => Family::IntTotals { counted },
                }
            }
            AggKind::Var { .. } | AggKind::Std { .. } => Family::Moments,
            AggKind::Cov { .. } | AggKind::Corr => Family::Comoments,
            AggKind::Min => best(Rule::Least)?,
            AggKind::Max => best(Rule::Greatest)?,
            AggKind::First => best(Rule::First)?,
            AggKind::Last => best(Rule::Last)?,
            AggKind::IdxMin => Family::BestRows(Rule::Least),
            AggKind::IdxMax => Family::BestRows(Rule::Greatest),
            AggKind::Any => Family::Truths(false),
            AggKind::All => Family::Truths(true),
            AggKind::NUnique => values(true)?,
            AggKind::Mode | AggKind::Quantile { .. } => values(false)?,
            AggKind::Join { separator } => Family::Join(separator.clone()),
        })
    }

    /// The family whose accumulator serves this one and another over the same inputs, if there is one.
    pub(super) fn for_both(&self, other: &Family) -> Option<Family> {
        match (self, other) {
            (Family::IntTotals { counted: a }, Family::IntTotals { counted: b }) => {
                Some(Family::IntTotals { counted: *a || *b })
            }
            (Family::FloatTotals { counted: a }, Family::FloatTotals { counted: b }) => {
                Some(Family::FloatTotals { counted: *a || *b })
            }
            _ => (self == other).then(|| self.clone()),
        }
    }

    pub(super) fn accumulator(&self) -> Box<dyn Accumulator> {
        match self {
            Family::Counts => Box::new(Counts::default()),
            Family::IntTotals { counted: true } => Box::new(Totals::<i128, i64>::default()),
            Family::IntTotals { counted: false } => Box::new(Totals::<i128, ()>::default()),
            Family::FloatTotals { counted: true } => Box::new(Totals::<f64, i64>::default()),
            Family::FloatTotals { counted: false } => Box::new(Totals::<f64, ()>::default()),
            Family::Moments => Box::new(Moments::default()),
            Family::Comoments => Box::new(Comoments::default()),
            Family::BestInts(rule, kind) => Box::new(BestInts::new(*rule, *kind)),
            Family::BestTexts(rule) => Box::new(BestTexts::new(*rule)),
            Family::BestRows(rule) => Box::new(BestRows::new(*rule)),
            Family::Truths(of_none) => Box::new(Truths::new(*of_none)),
            Family::Values { distinct, kind } => Box::new(Values::new(*distinct, *kind)),
            Family::Join(separator) => Box::new(Joined::new(separator.clone())),
        }
    }

    /// Whether it keeps a few numbers of each group, or a text, that depend on no order of the rows (floats' last bits apart).
    pub(super) fn is_unordered(&self) -> bool {
        let ordered = |rule: &Rule| matches!(rule, Rule::First | Rule::Last);
        match self {
            Family::Counts | Family::IntTotals { .. } | Family::FloatTotals { .. } | Family::Moments => true,
            Family::Comoments | Family::Truths(_) => true,
            Family::BestInts(rule, _) | Family::BestTexts(rule) => !ordered(rule),
            Family::BestRows(_) | Family::Values { .. } | Family::Join(_) => false,
        }
    }

    /// The type of the values that it holds of every group; `None` where it holds a few numbers, or one text.
    pub(super) fn values(&self) -> Option<Type> {
        if let Family::Values { kind, .. } = self { Some(*kind) } else { None }
    }
}

/// The accumulator as what it is.
fn same<A: Accumulator>(later: Box<dyn Accumulator>) -> Result<A> {
    let later: Box<dyn Any> = later;
    later.downcast().map(|later| *later).map_err(|_| Error::internal("states of different aggregates are merged"))
}

/// The columns of partial results, as many as there are to be.
fn columns<const N: usize>(partials: &[ArrayRef]) -> Result<&[ArrayRef; N]> {
    partials.try_into().map_err(|_| Error::internal("partial results of another aggregate are taken in"))
}

/// A column of integers without nulls.
fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The values of such a column.
fn int_values(column: &ArrayRef) -> Result<&[i64]> {
    let column =
        column.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("a partial result is no integer"))?;
    Ok(column.values())
}

/// A column of floats without nulls.
fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// The values of such a column.
fn float_values(column: &ArrayRef) -> Result<&[f64]> {
    let column =
        column.as_primitive_opt::<Float64Type>().ok_or_else(|| Error::internal("a partial result is no float"))?;
    Ok(column.values())
}

/// The only input.
fn input(inputs: &[ArrayRef]) -> Result<&ArrayRef> {
    inputs.first().ok_or_else(|| Error::internal("an aggregate lacks its input"))
}

fn no_output(agg: &BoundAgg) -> Error {
    Error::internal(format!("{agg} is asked of an accumulator of another family"))
}

/// Which rows have a value; None when all have.
fn nulls(array: &ArrayRef) -> Option<&NullBuffer> {
    array.nulls().filter(|n| n.null_count() > 0)
}

/// The most that a vector allocates while it becomes this long.
fn vec_bytes_to<T>(items: &Vec<T>, len: usize) -> usize {
    vec_bytes_with(items, len.saturating_sub(items.len()))
}

/// Rows are taken in chunks as long as a word of the null bitmap.
const CHUNK: usize = 64;

/// Whether all rows of a chunk are of one group. Input is often sorted by its key, and to add to the same place in
/// memory again and again is slow: every addition waits for the store before it.
#[inline]
fn one_group(ids: &[u32]) -> Option<usize> {
    let (first, last) = (*ids.first()?, *ids.last()?);
    let same = first == last && ids.iter().fold(0, |different, id| different | (id ^ first)) == 0;
    same.then_some(first as usize)
}

/// The first `n` bits of a word.
fn first_bits(n: usize) -> u64 {
    if n >= CHUNK { u64::MAX } else { (1 << n) - 1 }
}

/// Calls `each` for every chunk of rows: its range, and a bit for each of its rows that has a value.
#[inline]
fn for_chunks(rows: usize, nulls: Option<&NullBuffer>, mut each: impl FnMut(std::ops::Range<usize>, u64)) {
    let bits = nulls.map(|n| n.inner().bit_chunks());
    let mut words = bits.as_ref().map(|bits| bits.iter_padded());
    for start in (0..rows).step_by(CHUNK) {
        let end = rows.min(start + CHUNK);
        let valid = words.as_mut().map_or(u64::MAX, |w| w.next().unwrap_or(0));
        each(start..end, valid & first_bits(end - start));
    }
}

/// Calls `each` for the place of every bit that is set.
#[inline]
fn for_bits(mut word: u64, mut each: impl FnMut(usize)) {
    while word != 0 {
        each(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}
