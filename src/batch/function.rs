//! Closures over batches that a program hands in.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{conform, conform_schema};
use crate::error::{Error, ErrorKind, Result};

/// A closure from one batch to another, and the name of the step that it belongs to.
#[derive(Clone)]
pub(crate) struct BatchFunction {
    step: &'static str,
    function: Arc<Function>,
    /// The columns of the result, where the program told them.
    announced: Option<SchemaRef>,
    has_run: HasRun,
}

/// Whether a closure has been given rows, by whichever run: who has seen some may not like to see them in other types.
type HasRun = Arc<AtomicBool>;

type Function = dyn Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync;

impl BatchFunction {
    pub(crate) fn new<E: Into<Box<dyn StdError + Send + Sync>>>(
        step: &'static str,
        function: impl Fn(RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> BatchFunction {
        let function = move |batch| function(batch).map_err(|e| Error::of_function(e.into()));
        BatchFunction { step, function: Arc::new(function), announced: None, has_run: HasRun::default() }
    }

    /// The same closure, of which the columns of the result are told.
    pub(crate) fn announced(mut self, schema: &SchemaRef) -> BatchFunction {
        self.announced = Some(schema.clone());
        self
    }

    /// The step's name, as its method is called.
    pub(crate) fn step(&self) -> &'static str {
        self.step
    }

    /// The columns that it gives for those of `input`: the ones that are announced, in types of ours, else what it makes of no rows.
    pub(crate) fn output(&self, input: &SchemaRef) -> Result<SchemaRef> {
        if let Some(announced) = &self.announced {
            return conform_schema(announced);
        }
        let nothing = RecordBatch::new_empty(input.clone());
        conform_schema(&guarded(self.step, || (self.function)(nothing))?.schema())
    }

    /// What it makes of a batch, as a batch of the columns that [`output`](BatchFunction::output) gave.
    pub(crate) fn call(&self, batch: RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        self.has_run.store(true, Ordering::Relaxed);
        let given = caught(|| on(rows), || (self.function)(batch));
        given.and_then(|given| conform(&given, output)).map_err(|e| e.in_step(self.step))
    }

    /// Whether it was given rows.
    pub(crate) fn has_run(&self) -> bool {
        self.has_run.load(Ordering::Relaxed)
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
    /// The columns of the result, where the program told them.
    announced: Option<SchemaRef>,
    has_run: HasRun,
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
        let failed = |e: E| Error::of_function(e.into());
        FoldFunctions {
            chunk: Arc::new(move |batch| Ok(Box::new(chunk(batch).map_err(failed)?))),
            combine: Arc::new(move |a, b| Ok(Box::new(combine(own(a)?, own(b)?).map_err(failed)?))),
            finish: Arc::new(move |all| finish(own(all)?).map_err(failed)),
            announced: None,
            has_run: HasRun::default(),
        }
    }

    /// The same closure, of which the columns of the result are told.
    pub(crate) fn announced(mut self, schema: &SchemaRef) -> FoldFunctions {
        self.announced = Some(schema.clone());
        self
    }

    /// The columns of the result: those announced, in types of ours, else those of the result for no rows.
    pub(crate) fn output(&self, input: &SchemaRef) -> Result<SchemaRef> {
        if let Some(announced) = &self.announced {
            return conform_schema(announced);
        }
        let nothing = RecordBatch::new_empty(input.clone());
        conform_schema(&guarded("reduce", || (self.finish)((self.chunk)(&nothing)?))?.schema())
    }

    pub(crate) fn chunk(&self, batch: &RecordBatch) -> Result<Folded> {
        self.has_run.store(true, Ordering::Relaxed);
        caught(|| on(batch.num_rows()), || (self.chunk)(batch)).map_err(in_reduce)
    }

    /// What two runs of rows come to, one behind the other.
    pub(crate) fn combine(&self, earlier: Folded, later: Folded) -> Result<Folded> {
        caught(|| "as it combined two values".to_owned(), || (self.combine)(earlier, later)).map_err(in_reduce)
    }

    pub(crate) fn finish(&self, all: Folded, output: &SchemaRef) -> Result<RecordBatch> {
        caught(|| "as it finished".to_owned(), || (self.finish)(all))
            .and_then(|given| conform(&given, output))
            .map_err(in_reduce)
    }

    /// Whether it was given rows.
    pub(crate) fn has_run(&self) -> bool {
        self.has_run.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for FoldFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reduce")
    }
}

fn in_reduce(error: Error) -> Error {
    error.in_step("reduce")
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
    caught(|| on(0), call).map_err(|e| match e.kind() {
        ErrorKind::Function | ErrorKind::Panic => e.help(help()),
        _ => e,
    })
}

fn on(rows: usize) -> String {
    match rows {
        0 => "on a batch of no rows".to_owned(),
        rows => format!("on a batch of {rows} rows"),
    }
}

/// What a closure gives; a panic is an error that says when it came.
fn caught<T>(when: impl FnOnce() -> String, call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::new(ErrorKind::Panic, format!("the closure panicked {}: {said}", when())))
    })
}
