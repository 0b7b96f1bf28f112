//! Closures over batches that a program hands in.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{conform, conform_schema};
use crate::error::{Error, ErrorKind, Result};

/// A closure from one batch to another, and the name of the step that it belongs to.
#[derive(Clone)]
pub(crate) struct BatchFunction {
    step: &'static str,
    function: Arc<Function>,
}

type Function = dyn Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync;

impl BatchFunction {
    pub(crate) fn new<E: Into<Box<dyn StdError + Send + Sync>>>(
        step: &'static str,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> BatchFunction {
        let function = move |batch| function(batch).map_err(|e| Error::of_function(e.into()));
        BatchFunction { step, function: Arc::new(function) }
    }

    /// The step's name, as its method is called.
    pub(crate) fn step(&self) -> &'static str {
        self.step
    }

    /// The columns that it gives for those of `input`: the ones that are announced, in types of ours, else what it makes of no rows.
    pub(crate) fn output(&self, input: &SchemaRef, announced: Option<&SchemaRef>) -> Result<SchemaRef> {
        if let Some(announced) = announced {
            return conform_schema(announced);
        }
        let nothing = RecordBatch::new_empty(input.clone());
        conform_schema(&guarded(self.step, || (self.function)(nothing))?.schema())
    }

    /// What it makes of a batch, as a batch of the columns that [`output`](BatchFunction::output) gave.
    pub(crate) fn call(&self, batch: RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
        (self.function)(batch).and_then(|given| conform(&given, output)).map_err(|e| e.in_step(self.step))
    }
}

impl fmt::Debug for BatchFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step)
    }
}

/// What the closures of a reduction made of some rows: a value of the program's own type.
pub(crate) type Folded = Box<dyn Any + Send + Sync>;

/// The closures of a reduction, their type of value erased.
#[derive(Clone)]
pub(crate) struct FoldFunctions {
    chunk: Arc<Chunk>,
    combine: Arc<Combine>,
    finish: Arc<Finish>,
}

type Chunk = dyn Fn(&RecordBatch) -> Result<Folded> + Send + Sync;
type Combine = dyn Fn(Folded, Folded) -> Result<Folded> + Send + Sync;
type Finish = dyn Fn(Folded) -> Result<RecordBatch> + Send + Sync;

impl FoldFunctions {
    pub(crate) fn new<S: Send + Sync + 'static, E: Into<Box<dyn StdError + Send + Sync>>>(
        chunk: impl Fn(&RecordBatch) -> Result<S, E> + Send + Sync + 'static,
        combine: impl Fn(S, S) -> Result<S, E> + Send + Sync + 'static,
        finish: impl Fn(S) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> FoldFunctions {
        let failed = |e: E| Error::of_function(e.into()).in_step("reduce");
        FoldFunctions {
            chunk: Arc::new(move |batch| Ok(Box::new(chunk(batch).map_err(failed)?))),
            combine: Arc::new(move |a, b| Ok(Box::new(combine(own(a)?, own(b)?).map_err(failed)?))),
            finish: Arc::new(move |all| finish(own(all)?).map_err(failed)),
        }
    }

    /// The columns of the result: those announced, in types of ours, else those of the result for no rows.
    pub(crate) fn output(&self, input: &SchemaRef, announced: Option<&SchemaRef>) -> Result<SchemaRef> {
        if let Some(announced) = announced {
            return conform_schema(announced);
        }
        let nothing = RecordBatch::new_empty(input.clone());
        conform_schema(&guarded("reduce", || (self.finish)((self.chunk)(&nothing)?))?.schema())
    }

    pub(crate) fn chunk(&self, batch: &RecordBatch) -> Result<Folded> {
        (self.chunk)(batch)
    }

    /// What two runs of rows come to, one behind the other.
    pub(crate) fn combine(&self, earlier: Folded, later: Folded) -> Result<Folded> {
        (self.combine)(earlier, later)
    }

    pub(crate) fn finish(&self, all: Folded, output: &SchemaRef) -> Result<RecordBatch> {
        conform(&(self.finish)(all)?, output).map_err(|e| e.in_step("reduce"))
    }
}

impl fmt::Debug for FoldFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reduce")
    }
}

fn own<S: 'static>(value: Folded) -> Result<S> {
    value.downcast().map(|value| *value).map_err(|_| Error::internal("a reduction met a value of another type"))
}

/// What a closure gives for a batch of no rows, on which it is tried when the plan is made; a panic there is an error too.
fn guarded<T>(step: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let help = || {
        format!(
            "its columns are found by a call with a batch of no rows: let it take that, or announce them, with {step}_with_schema"
        )
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(given) => given.map_err(|e| if e.kind() == ErrorKind::Function { e.help(help()) } else { e }),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::new(ErrorKind::Panic, format!("the closure panicked on a batch of no rows: {said}"))
                .help(help()))
        }
    }
}
