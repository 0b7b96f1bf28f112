//! Functions that go over the rows in order, each computed as a column behind those of the input.
//!
//! A function is a [`Kernel`]: it says what a partition leaves to its neighbours, and computes a partition that stands
//! between what all before it, and all behind it, have left.

mod cumulative;
mod fill;
mod monoid;
mod number;
mod rank;
mod rolling;
mod segmented;
mod shift;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};

use self::cumulative::Cumulative;
use self::fill::Fill;
use self::monoid::{Best, Count, FloatProduct, FloatSum, IntMean, IntProduct, IntSum, Moments, Monoid};
use self::number::RowNumber;
use self::rank::Rank;
use self::rolling::Rolling;
use self::segmented::Segmented;
use self::shift::Shift;
use super::InOrderOp;
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, BoundInOrder, InOrderFn, Summary, Type, Window};

/// Appends columns that functions over the rows in order give.
pub(crate) struct AppendOp {
    schema: SchemaRef,
    columns: Vec<Column>,
}

struct Column {
    inputs: Vec<BoundExpr>,
    function: Box<dyn Function>,
}

/// A batch as a function sees it.
struct Rows {
    inputs: Vec<ArrayRef>,
    len: usize,
}

/// A function over the rows in order. What its [`carry`](InOrderOp::carry), `join` and `apply` are to all columns, these are to one.
trait Kernel: Send + Sync + 'static {
    type Carry: Send + Sync + 'static;
    fn looks_ahead(&self) -> bool {
        false
    }
    fn carry(&self, rows: &[Rows]) -> Result<Self::Carry>;
    fn join(&self, before: &Self::Carry, after: &Self::Carry) -> Result<Self::Carry>;
    /// The values of every batch.
    fn apply(&self, before: Option<&Self::Carry>, rows: &[Rows], after: Option<&Self::Carry>) -> Result<Vec<ArrayRef>>;
}

/// A kernel's carry, whichever kernel it is.
type AnyCarry = Arc<dyn Any + Send + Sync>;

/// A [`Kernel`] whose carry is hidden, so that those of several columns travel together.
trait Function: Send + Sync {
    fn looks_ahead(&self) -> bool;
    fn carry(&self, rows: &[Rows]) -> Result<AnyCarry>;
    fn join(&self, before: &AnyCarry, after: &AnyCarry) -> Result<AnyCarry>;
    fn apply(&self, before: Option<&AnyCarry>, rows: &[Rows], after: Option<&AnyCarry>) -> Result<Vec<ArrayRef>>;
}

impl<K: Kernel> Function for K {
    fn looks_ahead(&self) -> bool {
        Kernel::looks_ahead(self)
    }

    fn carry(&self, rows: &[Rows]) -> Result<AnyCarry> {
        Ok(Arc::new(Kernel::carry(self, rows)?))
    }

    fn join(&self, before: &AnyCarry, after: &AnyCarry) -> Result<AnyCarry> {
        Ok(Arc::new(Kernel::join(self, own::<K>(before)?, own::<K>(after)?)?))
    }

    fn apply(&self, before: Option<&AnyCarry>, rows: &[Rows], after: Option<&AnyCarry>) -> Result<Vec<ArrayRef>> {
        Kernel::apply(self, before.map(own::<K>).transpose()?, rows, after.map(own::<K>).transpose()?)
    }
}

fn own<K: Kernel>(carry: &AnyCarry) -> Result<&K::Carry> {
    carry.downcast_ref().ok_or_else(|| Error::internal("a column got the carry of another"))
}

impl Rows {
    /// What the function is computed of.
    fn input(&self) -> Result<&ArrayRef> {
        self.inputs.first().ok_or_else(|| Error::internal("a function over rows in order lacks its input"))
    }

    /// When each row is.
    fn times(&self) -> Result<&ArrayRef> {
        self.inputs.get(1).ok_or_else(|| Error::internal("a window of time lacks its times"))
    }
}

impl AppendOp {
    /// Columns of these names behind those of the input.
    pub(crate) fn new(input: &SchemaRef, columns: Vec<(String, BoundInOrder)>) -> Result<AppendOp> {
        let mut fields: Vec<_> = input.fields().iter().cloned().collect();
        fields.extend(columns.iter().map(|(name, bound)| Arc::new(Field::new(name, bound.kind.arrow(), true))));
        let column = |(_, bound): (String, BoundInOrder)| {
            let function = function(&bound)?;
            Ok(Column { inputs: bound.inputs, function })
        };
        let columns = columns.into_iter().map(column).collect::<Result<_>>()?;
        Ok(AppendOp { schema: Arc::new(Schema::new(fields)), columns })
    }
}

impl Column {
    fn rows(&self, batches: &[RecordBatch]) -> Result<Vec<Rows>> {
        let rows = |batch: &RecordBatch| {
            let inputs = self.inputs.iter().map(|input| input.eval(batch)).collect::<Result<_>>()?;
            Ok(Rows { inputs, len: batch.num_rows() })
        };
        batches.iter().map(rows).collect()
    }
}

impl InOrderOp for AppendOp {
    type Carry = Vec<AnyCarry>;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn looks_ahead(&self) -> bool {
        self.columns.iter().any(|column| column.function.looks_ahead())
    }

    fn carry(&self, rows: &[RecordBatch]) -> Result<Vec<AnyCarry>> {
        self.columns.iter().map(|column| column.function.carry(&column.rows(rows)?)).collect()
    }

    fn join(&self, before: &Vec<AnyCarry>, after: &Vec<AnyCarry>) -> Result<Vec<AnyCarry>> {
        let pairs = before.iter().zip(after);
        self.columns.iter().zip(pairs).map(|(column, (before, after))| column.function.join(before, after)).collect()
    }

    fn apply(
        &self,
        before: Option<&Vec<AnyCarry>>,
        rows: Vec<RecordBatch>,
        after: Option<&Vec<AnyCarry>>,
    ) -> Result<Vec<RecordBatch>> {
        let mut arrays: Vec<Vec<ArrayRef>> = rows.iter().map(|batch| batch.columns().to_vec()).collect();
        for (at, column) in self.columns.iter().enumerate() {
            let of = |carry: Option<&Vec<AnyCarry>>| carry.and_then(|carry| carry.get(at)).cloned();
            let values = column.function.apply(of(before).as_ref(), &column.rows(&rows)?, of(after).as_ref())?;
            arrays.iter_mut().zip(values).for_each(|(arrays, values)| arrays.push(values));
        }
        let batch = |(arrays, rows): (Vec<ArrayRef>, RecordBatch)| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
        };
        arrays.into_iter().zip(rows).map(batch).collect()
    }
}

fn function(bound: &BoundInOrder) -> Result<Box<dyn Function>> {
    let Some(input) = bound.inputs.first().map(BoundExpr::kind) else { return Ok(Box::new(RowNumber)) };
    Ok(match bound.function {
        InOrderFn::RowNumber => Box::new(RowNumber),
        InOrderFn::Shift(n) => Box::new(Shift::new(input, n)),
        InOrderFn::Fill { backward } => Box::new(Fill { kind: input, backward }),
        InOrderFn::Rank(ranking) => Box::new(Rank { ranking }),
        InOrderFn::Cumulative(summary) => {
            let over = if bound.inputs.len() == 2 { Over::SegmentSoFar } else { Over::AllSoFar };
            summarised(over, summary, input, bound)
        }
        InOrderFn::Rolling { window, summary, min_periods } => {
            let length = match window {
                Window::Rows(rows) if bound.inputs.len() == 2 => rolling::Length::OfSegment(rows),
                Window::Rows(rows) => rolling::Length::Rows(rows),
                Window::Span(span) => rolling::Length::Micros(span.micros_in_all().unwrap_or(0)),
            };
            let min_periods = match (summary, min_periods, window) {
                (Summary::Count, ..) => 0,
                (_, Some(values), _) => values,
                (_, None, Window::Rows(rows)) => rows,
                (_, None, Window::Span(_)) => 1,
            };
            summarised(Over::Window(length, min_periods as u64), summary, input, bound)
        }
    })
}

/// Which rows are summed up for each row.
enum Over {
    AllSoFar,
    /// Those of the row's segment.
    SegmentSoFar,
    /// And of how many values there must be.
    Window(rolling::Length, u64),
}

fn summarised(over: Over, summary: Summary, input: Type, bound: &BoundInOrder) -> Box<dyn Function> {
    let text = bound.text.clone();
    match (summary, input) {
        (Summary::Count, _) => over.with(Count, bound),
        (Summary::Sum, Type::Float64) => over.with(FloatSum { mean: false }, bound),
        (Summary::Sum, _) => over.with(IntSum { text }, bound),
        (Summary::Mean, Type::Float64) => over.with(FloatSum { mean: true }, bound),
        (Summary::Mean, _) => over.with(IntMean, bound),
        (Summary::Product, Type::Float64) => over.with(FloatProduct, bound),
        (Summary::Product, _) => over.with(IntProduct { text }, bound),
        (Summary::Min, _) => over.with(Best::<false>, bound),
        (Summary::Max, _) => over.with(Best::<true>, bound),
        (Summary::Var, _) => over.with(Moments { root: false }, bound),
        (Summary::Std, _) => over.with(Moments { root: true }, bound),
    }
}

impl Over {
    fn with<M: Monoid>(self, monoid: M, bound: &BoundInOrder) -> Box<dyn Function> {
        let kind = bound.kind;
        match self {
            Over::AllSoFar => Box::new(Cumulative { monoid, kind }),
            Over::SegmentSoFar => Box::new(Segmented { monoid, kind }),
            Over::Window(length, min_periods) => {
                let (input, text) = (bound.inputs[0].kind(), bound.text.clone());
                Box::new(Rolling { monoid, input, kind, length, min_periods, text })
            }
        }
    }
}
