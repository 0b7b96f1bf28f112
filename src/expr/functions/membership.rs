//! Whether a value is among others: `between`, `is_in`.

use std::collections::HashSet;
use std::sync::Arc;

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use super::{Answer, Call, Function, Style};
use crate::error::{Error, Result};
use crate::expr::bind::{Bound, Typed, constant};
use crate::expr::build::BinaryOp;
use crate::expr::coerce::{comparison, logical, moment};
use crate::expr::temporal::DAY;
use crate::expr::{Expr, IntoOperand, Literal, Type};

static IS_IN: Function = Function { name: "in", style: Style::In, can_fail: false, bind: bind_is_in };

/// Membership.
impl Expr {
    /// Whether the value is neither less than `low` nor greater than `high`: `low <= value and value <= high`, as these compare. Null
    /// where that is null; a bound that is null leaves false where the other bound decides.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("t").between(2012, 2018).to_string(), "t >= 2012 and t <= 2018");
    /// ```
    pub fn between(self, low: impl IntoOperand, high: impl IntoOperand) -> Expr {
        self.clone().ge(low).and(self.le(high))
    }

    /// Whether the value equals one of these, as [`eq`](Expr::eq) says: NaN equals NaN, text is read as a date where the value is
    /// one. SQL's rule of null: null in anything is null; a value that is not found is null where null is among `values`, and
    /// false otherwise. Nothing is in an empty list, not even null: that is false.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("i").is_in([4, 710]).to_string(), "i in (4, 710)");
    /// ```
    pub fn is_in<V: IntoOperand>(self, values: impl IntoIterator<Item = V>) -> Expr {
        self.call(&IS_IN, values.into_iter().map(IntoOperand::into_operand))
    }
}

fn bind_is_in(mut call: Call) -> Result<Answer> {
    if call.args.len() < 2 {
        return constant(Literal::Bool(false));
    }
    let wanted = call.args.split_off(1);
    let Some(value) = call.args.first() else { return constant(Literal::Bool(false)) };
    if wanted.iter().any(|w| w.literal().is_none()) {
        return any_equal(value, wanted);
    }
    let kind = value.kind.or_else(|| wanted.iter().find_map(|w| w.kind)).unwrap_or(Type::Int64);
    let mut set = Set::default();
    for wanted in &wanted {
        match key(kind, wanted, value)? {
            Key::Null => set.has_null = true,
            Key::Number(n) => drop(set.numbers.insert(n)),
            Key::Text(text) => drop(set.texts.insert(text)),
            Key::Nothing => {}
        }
    }
    call.args.extend(wanted);
    call.computed(&[kind], Type::Bool, move |args, _| Ok(Arc::new(set.find(args[0].array()))))
}

/// `value = a or value = b or …`, for values that are no constants.
fn any_equal<'a>(value: &Typed<'a>, wanted: Vec<Typed<'a>>) -> Result<Answer> {
    let equal = |wanted: Typed<'a>| {
        let bound = comparison(BinaryOp::Eq, value.clone(), wanted)?;
        Ok(Typed { bound, kind: Some(Type::Bool), ..value.clone() })
    };
    let mut tests = wanted.into_iter().map(equal).collect::<Result<Vec<_>>>()?;
    // In pairs, so that a long list does not nest deeply.
    while tests.len() > 1 {
        let mut pairs = tests.into_iter();
        let mut next = vec![];
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => Typed { bound: logical(BinaryOp::Or, left, right)?, ..value.clone() },
                None => left,
            });
            if let Some(last) = next.last_mut() {
                last.kind = Some(Type::Bool);
            }
        }
        tests = next;
    }
    Ok((tests.pop().map_or_else(|| Bound::Column(0), |test| test.bound), Some(Type::Bool)))
}

/// A wanted value, as it is looked up among values of one type.
enum Key {
    Null,
    /// No value of the type equals it.
    Nothing,
    Number(i64),
    Text(String),
}

fn key(kind: Type, wanted: &Typed, value: &Typed) -> Result<Key> {
    let number = |n: Option<i64>| Ok(n.map_or(Key::Nothing, Key::Number));
    let (Bound::Constant { literal, array }, wanted_kind) = (&wanted.bound, wanted.kind) else {
        return Err(Error::internal("a list of constants"));
    };
    match (kind, wanted_kind) {
        _ if array.is_null(0) => Ok(Key::Null),
        (Type::Date | Type::Timestamp, Some(Type::Text)) if let Literal::Text(text) = literal => {
            let (bound, moment_kind) = moment(text, kind)?;
            key(kind, &Typed { bound, kind: moment_kind, ..wanted.clone() }, value)
        }
        (Type::Text, Some(Type::Text)) => Ok(Key::Text(array.as_string_view().value(0).to_owned())),
        (Type::Bool, Some(Type::Bool)) => number(Some(array.as_boolean().value(0).into())),
        (Type::Int64, Some(Type::Int64)) => number(Some(array.as_primitive::<Int64Type>().value(0))),
        (Type::Int64, Some(Type::Float64)) => number(exact_int(array.as_primitive::<Float64Type>().value(0))),
        (Type::Float64, Some(Type::Float64)) => number(Some(float_key(array.as_primitive::<Float64Type>().value(0)))),
        (Type::Float64, Some(Type::Int64)) => {
            let int = array.as_primitive::<Int64Type>().value(0);
            number(exact_int(int as f64).filter(|&i| i == int).map(|i| float_key(i as f64)))
        }
        (Type::Date, Some(Type::Date)) => number(Some(array.as_primitive::<Date32Type>().value(0).into())),
        (Type::Timestamp, Some(Type::Date)) => {
            number(i64::from(array.as_primitive::<Date32Type>().value(0)).checked_mul(DAY))
        }
        (Type::Timestamp, Some(Type::Timestamp)) => {
            number(Some(array.as_primitive::<TimestampMicrosecondType>().value(0)))
        }
        (Type::Date, Some(Type::Timestamp)) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(0);
            number((micros % DAY == 0).then_some(micros / DAY))
        }
        // The comparison says what is wrong.
        _ => comparison(BinaryOp::Eq, value.clone(), wanted.clone()).map(|_| Key::Nothing),
    }
}

/// The integer that a float is.
fn exact_int(float: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63: the first float beyond all integers
    (float == float.floor() && (-END..END).contains(&float)).then_some(float as i64)
}

/// One key for both zeros, and one for every NaN.
fn float_key(float: f64) -> i64 {
    (if float.is_nan() { f64::NAN } else { float + 0.0 }).to_bits() as i64
}

struct Set {
    numbers: HashSet<i64, RandomState>,
    texts: HashSet<String, RandomState>,
    has_null: bool,
}

impl Default for Set {
    fn default() -> Set {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        Set { numbers: HashSet::with_hasher(hasher.clone()), texts: HashSet::with_hasher(hasher), has_null: false }
    }
}

impl Set {
    fn find(&self, values: &ArrayRef) -> BooleanArray {
        let rows = values.len();
        let number = |key: &dyn Fn(usize) -> i64| BooleanBuffer::collect_bool(rows, |i| self.numbers.contains(&key(i)));
        let found = if let Some(ints) = values.as_primitive_opt::<Int64Type>() {
            BooleanBuffer::collect_bool(rows, |i| self.numbers.contains(&ints.value(i)))
        } else if let Some(floats) = values.as_primitive_opt::<Float64Type>() {
            number(&|i| float_key(floats.value(i)))
        } else if let Some(dates) = values.as_primitive_opt::<Date32Type>() {
            number(&|i| dates.value(i).into())
        } else if let Some(times) = values.as_primitive_opt::<TimestampMicrosecondType>() {
            number(&|i| times.value(i))
        } else if let Some(bools) = values.as_boolean_opt() {
            number(&|i| bools.value(i).into())
        } else {
            let texts = values.as_string_view();
            BooleanBuffer::collect_bool(rows, |i| self.texts.contains(texts.value(i)))
        };
        let known = self.has_null.then(|| NullBuffer::new(found.clone()));
        BooleanArray::new(found, NullBuffer::union(values.nulls(), known.as_ref()))
    }
}
