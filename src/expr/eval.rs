//! Evaluation of bound expressions, by arrow's kernels. A constant stays a scalar until it is the result.

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Int64Array, RecordBatch, Scalar, TimestampMicrosecondArray,
    UInt32Array, new_empty_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::{boolean, cmp, numeric};
use arrow::compute::{cast, nullif, prep_null_mask_filter, take};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use arrow::error::ArrowError;

use super::bind::{Bound, BoundExpr};
use super::build::{BinaryOp, UnaryOp};
use super::functions;
use super::types::Type;
use crate::error::{Error, Result};

/// What a part of an expression evaluates to.
#[derive(Clone)]
pub(super) enum Value {
    Column(ArrayRef),
    /// One value for all rows, as an array of length one.
    Constant(ArrayRef),
}

impl Datum for Value {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array().as_ref(), matches!(self, Value::Constant(_)))
    }
}

impl Value {
    /// The values: a single one when it is constant.
    pub(super) fn array(&self) -> &ArrayRef {
        match self {
            Value::Column(array) | Value::Constant(array) => array,
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Value::Constant(_))
    }

    /// The values, when they are floats.
    fn floats(&self) -> Option<Side<'_>> {
        let floats = self.array().as_primitive_opt::<Float64Type>()?;
        Some(Side { values: floats.values(), nulls: floats.nulls(), constant: self.is_constant() })
    }

    /// A kernel's result: constant when all of its operands are.
    pub(super) fn new(array: ArrayRef, constant: bool) -> Value {
        if constant { Value::Constant(array) } else { Value::Column(array) }
    }

    /// The same, with `f` applied to the array.
    pub(super) fn map(&self, f: impl FnOnce(&ArrayRef) -> Result<ArrayRef, ArrowError>) -> Result<Value> {
        Ok(Value::new(f(self.array())?, self.is_constant()))
    }

    /// A value for every row.
    pub(super) fn into_array(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Value::Column(array) => Ok(array),
            Value::Constant(array) => Ok(take(&array, &UInt32Array::from_value(0, rows), None)?),
        }
    }
}

/// The rows of a batch, and what has been computed of them so far.
pub(super) struct Rows<'a> {
    pub(super) batch: &'a RecordBatch,
    /// By slot: the values of shared parts.
    shared: RefCell<Vec<Option<Value>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(batch: &'a RecordBatch, slots: usize) -> Rows<'a> {
        Rows { batch, shared: RefCell::new(vec![None; slots]) }
    }

    /// Other rows of the same columns, of which nothing has been computed.
    pub(super) fn like<'b>(&self, batch: &'b RecordBatch) -> Rows<'b> {
        Rows::new(batch, self.shared.borrow().len())
    }

    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }
}

impl BoundExpr {
    /// The value for every row of a batch of exactly the schema that the expression was bound to.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) for int64 arithmetic beyond 64 bits, and
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) for a value that can't be cast or parsed.
    pub(crate) fn eval(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        self.eval_on(&Rows::new(batch, self.slots()))
    }

    pub(super) fn eval_on(&self, rows: &Rows) -> Result<ArrayRef> {
        if rows.len() == 0 {
            // Not even a constant is an error where there is no row.
            return Ok(new_empty_array(&self.data_type()));
        }
        self.root().eval(rows)?.into_array(rows.len())
    }

    /// Where a condition is true: null is false.
    ///
    /// # Errors
    /// As [`eval`](BoundExpr::eval).
    pub(crate) fn eval_mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = self.eval(batch)?;
        let mask = values.as_boolean_opt().ok_or_else(|| Error::internal(format!("{self} is no condition")))?;
        Ok(if mask.null_count() == 0 { mask.clone() } else { prep_null_mask_filter(mask) })
    }
}

impl Bound {
    /// The values on some rows, of which there is one at least.
    pub(super) fn eval(&self, rows: &Rows) -> Result<Value> {
        match self {
            Bound::Column(index) => Ok(Value::Column(rows.batch.column(*index).clone())),
            Bound::Constant { array, .. } => Ok(Value::Constant(array.clone())),
            Bound::Cast(inner, to) => inner.eval(rows)?.map(|array| match to {
                Type::Timestamp => midnights(array),
                to => cast(array, &to.arrow()),
            }),
            Bound::Unary(op, inner) => unary(*op, &inner.eval(rows)?),
            Bound::Binary(op, l, r) => {
                let (l, r) = (l.eval(rows)?, r.eval(rows)?);
                let constant = l.is_constant() && r.is_constant();
                let array = if op.is_logical() {
                    logical(*op, l, r, rows.len(), constant)?
                } else if op.is_comparison() {
                    Arc::new(compare(*op, &l, &r)?)
                } else if *op == BinaryOp::FloorDiv {
                    functions::floor_div(l, r, rows.len())?
                } else {
                    arithmetic(*op, &l, r)?
                };
                Ok(Value::new(array, constant))
            }
            Bound::Always(truth, inner) => inner.eval(rows)?.map(|array| {
                let values = if *truth { BooleanBuffer::new_set } else { BooleanBuffer::new_unset }(array.len());
                Ok(Arc::new(BooleanArray::new(values, array.nulls().cloned())))
            }),
            Bound::Call { args, kernel, .. } => {
                let args = args.iter().map(|arg| arg.eval(rows)).collect::<Result<Vec<_>>>()?;
                let constant = args.iter().all(Value::is_constant);
                Ok(Value::new(kernel.run(&args, if constant { 1 } else { rows.len() })?, constant))
            }
            Bound::Choice(choice) => choice.eval(rows),
            Bound::Shared { slot, inner } => {
                if let Some(known) = &rows.shared.borrow()[*slot] {
                    return Ok(known.clone());
                }
                let value = inner.eval(rows)?;
                rows.shared.borrow_mut()[*slot] = Some(value.clone());
                Ok(value)
            }
        }
    }
}

/// Dates as timestamps.
fn midnights(dates: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    const DAY: i64 = 86_400_000_000;
    let dates = dates.as_primitive::<Date32Type>();
    let beyond = |day| ArrowError::ArithmeticOverflow(format!("the date {day} days from 1970 as a timestamp"));
    let times: TimestampMicrosecondArray =
        dates.try_unary(|day| i64::from(day).checked_mul(DAY).ok_or_else(|| beyond(day)))?;
    Ok(Arc::new(times))
}

fn unary(op: UnaryOp, value: &Value) -> Result<Value> {
    value.map(|array| {
        Ok(match op {
            UnaryOp::Not => Arc::new(boolean::not(array.as_boolean())?),
            UnaryOp::Neg => numeric::neg(array)?,
            UnaryOp::IsNull => Arc::new(boolean::is_null(array)?),
            UnaryOp::IsNotNull => Arc::new(boolean::is_not_null(array)?),
        })
    })
}

/// Three-valued logic. The kernels take no scalars, and a constant condition is rare enough to be spread out.
fn logical(op: BinaryOp, l: Value, r: Value, rows: usize, constant: bool) -> Result<ArrayRef> {
    let rows = if constant { 1 } else { rows };
    let (l, r) = (l.into_array(rows)?, r.into_array(rows)?);
    let kernel = if op == BinaryOp::And { boolean::and_kleene } else { boolean::or_kleene };
    Ok(Arc::new(kernel(l.as_boolean(), r.as_boolean())?))
}

fn arithmetic(op: BinaryOp, l: &Value, r: Value) -> Result<ArrayRef> {
    let kernel = match op {
        BinaryOp::Add => numeric::add,
        BinaryOp::Sub => numeric::sub,
        BinaryOp::Mul => numeric::mul,
        BinaryOp::Div => numeric::div,
        BinaryOp::Rem => {
            let r = r.map(|divisors| match divisors.as_primitive_opt::<Int64Type>() {
                Some(_) => nullif(divisors, &cmp::eq(divisors, &Scalar::new(&Int64Array::from_value(0, 1)))?),
                None => Ok(divisors.clone()),
            })?;
            return Ok(numeric::rem(l, &r)?);
        }
        _ => return Err(Error::internal(format!("{op} is no arithmetic"))),
    };
    Ok(kernel(l, &r)?)
}

fn compare(op: BinaryOp, l: &Value, r: &Value) -> Result<BooleanArray> {
    if let (Some(a), Some(b)) = (l.floats(), r.floats()) {
        return Ok(compare_floats(op, a, b));
    }
    let kernel = match op {
        BinaryOp::Eq => cmp::eq,
        BinaryOp::Ne => cmp::neq,
        BinaryOp::Lt => cmp::lt,
        BinaryOp::Le => cmp::lt_eq,
        BinaryOp::Gt => cmp::gt,
        BinaryOp::Ge => cmp::gt_eq,
        _ => return Err(Error::internal(format!("{op} is no comparison"))),
    };
    Ok(kernel(l, r)?)
}

/// A side of a comparison of floats.
#[derive(Clone, Copy)]
struct Side<'a> {
    values: &'a [f64],
    nulls: Option<&'a NullBuffer>,
    constant: bool,
}

impl Side<'_> {
    /// A constant null makes every row null.
    fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        match self.nulls {
            Some(nulls) if self.constant => nulls.is_null(0).then(|| NullBuffer::new_null(rows)),
            nulls => nulls.cloned(),
        }
    }
}

/// Arrow compares floats by their total order, in which `-0.0 < 0.0`, and a NaN with its sign bit set, which is what
/// `0.0 / 0.0` gives on x86, lies below all numbers. Ours has one zero and one NaN, above all numbers.
fn compare_floats(op: BinaryOp, l: Side, r: Side) -> BooleanArray {
    match op {
        BinaryOp::Eq => compare_with(l, r, |a, b| (a == b) | (a.is_nan() & b.is_nan())),
        BinaryOp::Ne => compare_with(l, r, |a, b| (a != b) & !(a.is_nan() & b.is_nan())),
        BinaryOp::Lt => compare_with(l, r, |a, b| (a < b) | (b.is_nan() & !a.is_nan())),
        BinaryOp::Le => compare_with(l, r, |a, b| (a <= b) | b.is_nan()),
        _ => compare_floats(op.mirrored(), r, l),
    }
}

fn compare_with(l: Side, r: Side, f: impl Fn(f64, f64) -> bool) -> BooleanArray {
    let (a, b) = (l.values, r.values);
    let values = match (l.constant, r.constant) {
        (false, true) => BooleanBuffer::collect_bool(a.len(), |i| f(a[i], b[0])),
        (true, false) => BooleanBuffer::collect_bool(b.len(), |i| f(a[0], b[i])),
        _ => BooleanBuffer::collect_bool(a.len().min(b.len()), |i| f(a[i], b[i])),
    };
    let nulls = NullBuffer::union(l.nulls(values.len()).as_ref(), r.nulls(values.len()).as_ref());
    BooleanArray::new(values, nulls)
}
