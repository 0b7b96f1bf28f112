//! Rows that outlive a run: persisted frames, and results that come as a stream.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::restart::{current, wider};
use super::{Frame, Running};
use crate::error::{Error, Result};
use crate::graph::{TaskGraph, TaskId};
use crate::io::{Kept, Persisted, RowSource};
use crate::lower::{deliver, expand, lower_persisted};
use crate::mem::{Part, take, view};
use crate::plan::{LogicalPlan, optimise};
use crate::sched::{Run, Session};

impl Frame {
    /// Runs the steps so far once and keeps their rows, in partitions: the frame returned begins with them, lazily, and whatever
    /// is computed from it reads no file again.
    ///
    /// [`compute`](Frame::compute) gives the rows to the program as one [`Table`](crate::Table) in memory; `persist` leaves them
    /// with the engine, still in partitions, so that the next steps run on all cores, and they may be larger than memory: they
    /// stay in memory while that is at most half full, and go to files of their own in the session's
    /// [spill directory](crate::SessionBuilder::spill_dir) beyond, which are mapped into memory when they are read. All of it is
    /// freed when the last handle on the frame, and on frames made from it, goes.
    ///
    /// Text columns in which a value comes eight times or more on average are numbered as well, where memory has room for it (4 bytes
    /// a row): groups by them are then found by number, which takes a fraction of the time.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let petroleum = read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("k").eq(270521)).persist()?;
    /// assert_eq!(petroleum.npartitions()?, 7);
    /// let by_year = petroleum.group_by(["t"]).agg([col("v").sum()]).compute()?; // reads what is kept
    /// let largest = petroleum.sort([col("v").desc()]).head(3).compute()?; // and so does this
    /// # assert!(by_year.num_rows() > 0 && largest.num_rows() == 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Frame::compute) has; [`ErrorKind::Io`](crate::ErrorKind::Io) when the spill directory can't be written to.
    pub fn persist(&self) -> Result<Frame> {
        self.submit_persist().wait()
    }

    /// As [`persist`](Frame::persist), in the background.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let running = read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("t").ge(2015)).submit_persist();
    /// // … do something else …
    /// let recent = running.wait()?;
    /// assert_eq!(recent.agg([size()]).compute()?.num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit_persist(&self) -> Running<Frame> {
        let session = self.session.clone();
        let start = {
            let session = session.clone();
            move |plan: &Arc<LogicalPlan>| {
                let (graph, ends) = expand(lower_persisted(&*optimise(plan)?)?, session.config())?;
                Ok(session.start(graph, &ends.concat()))
            }
        };
        let run = self.plan().and_then(|plan| current(std::slice::from_ref(plan)));
        let run = run.and_then(|plans| Ok((start(first(&plans)?)?, plans)));
        let (run, plans) = run.map_or_else(|error| (Err(error), vec![]), |(run, plans)| (Ok(run), plans));
        let plans = Arc::new(Mutex::new(plans));
        let (known, restarting) = (plans.clone(), session.clone());
        let restart = move |error| {
            let mut plans = known.lock().unwrap_or_else(PoisonError::into_inner);
            *plans = wider(&restarting, &plans, error)?;
            start(first(&plans)?)
        };
        Running::new(run, restart, move |parts| {
            let partitions = parts.into_iter().map(take::<Kept>).collect::<Result<_>>()?;
            let schema = first(&plans.lock().unwrap_or_else(PoisonError::into_inner))?.schema().clone();
            let kept = Persisted::new(schema, partitions)?;
            Ok(Frame::new(session, Ok(LogicalPlan::read(Arc::new(kept))), "persist()".to_owned()))
        })
    }

    /// The rows as a stream of batches, for results that are larger than memory: an arrow [`RecordBatchReader`], which other
    /// libraries (Parquet writers, databases, Python through the C stream interface) take as it is.
    ///
    /// The query runs in the background from now on. Partitions come in order, each as soon as it and those before it are
    /// done; those that wait to be read are kept as [`persist`](Frame::persist) keeps them, in memory or in files. Dropping the
    /// stream cancels the query.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let mut rows = 0;
    /// for batch in read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("q").is_not_null()).stream()? {
    ///     rows += batch?.num_rows();
    /// }
    /// assert!(rows > 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A value that contradicts the inferred type of its column has the query start again with wider types, as with
    /// [`compute`](Frame::compute), as long as no batch has left the stream; afterwards it is an error.
    /// [`schema`](RecordBatchReader::schema) waits for the first batch, whose types are those of all.
    ///
    /// # Errors
    /// What is wrong in the steps so far. What goes wrong in the run comes out of the stream, as an
    /// [`ArrowError::ExternalError`] with an [`Error`] inside, after which it ends; `?` makes it that [`Error`] again.
    pub fn stream(&self) -> Result<BatchStream> {
        let plan = self.plan()?;
        let mut rows = Rows {
            session: self.session.clone(),
            plans: vec![],
            run: None,
            partitions: channel().1,
            waiting: BTreeMap::new(),
            next: 0,
            batches: vec![].into_iter(),
            current: None,
            first: None,
            has_left: false,
        };
        rows.start(current(std::slice::from_ref(plan))?)?;
        Ok(BatchStream { schema: plan.schema().clone(), rows: Mutex::new(rows) })
    }
}

impl Frame {
    /// Adds the tasks that keep the rows, and says which of them give the partitions: [`Kept`] ones.
    pub(crate) fn expand_partitions(&self, to: &mut TaskGraph) -> Result<Vec<TaskId>> {
        let plans = current(std::slice::from_ref(self.plan()?))?;
        let (graph, ends) = expand(lower_persisted(&*optimise(first(&plans)?)?)?, self.session.config())?;
        let offset = to.append(graph);
        Ok(ends.concat().into_iter().map(|end| TaskId(end.0 + offset)).collect())
    }

    /// A frame that begins with these rows.
    pub(crate) fn of_rows(session: Session, rows: Result<Arc<dyn RowSource>>, step: &str) -> Frame {
        Frame::new(session, rows.map(LogicalPlan::read), step.to_owned())
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

fn first(plans: &[Arc<LogicalPlan>]) -> Result<&Arc<LogicalPlan>> {
    plans.first().ok_or_else(|| Error::internal("a plan got lost"))
}

/// The rows of a query as they come, made by [`Frame::stream`].
#[must_use = "dropping a stream cancels its query"]
pub struct BatchStream {
    /// The columns, should there be no rows at all.
    schema: SchemaRef,
    rows: Mutex<Rows>,
}

struct Rows {
    session: Session,
    /// What is run: of a run that starts again, over wider types.
    plans: Vec<Arc<LogicalPlan>>,
    /// None once it is over.
    run: Option<Run>,
    partitions: Receiver<(usize, Arc<dyn Part>)>,
    /// Partitions that came before their turn.
    waiting: BTreeMap<usize, Arc<dyn Part>>,
    next: usize,
    batches: std::vec::IntoIter<RecordBatch>,
    /// The partition that they are of: it stays booked until the last of them has been given.
    current: Option<Arc<dyn Part>>,
    /// The first batch, where the schema was asked for before it.
    first: Option<Result<Option<RecordBatch>>>,
    /// Whether somebody has seen the types.
    has_left: bool,
}

impl Rows {
    fn start(&mut self, plans: Vec<Arc<LogicalPlan>>) -> Result<()> {
        let (send, partitions) = channel();
        let plan = lower_persisted(&*optimise(first(&plans)?)?)?;
        let (mut graph, ends) = expand(plan, self.session.config())?;
        let ends = deliver(&mut graph, ends.concat(), send);
        self.run = Some(self.session.start(graph, &ends));
        (self.partitions, self.plans) = (partitions, plans);
        self.waiting.clear();
        Ok(())
    }

    /// The next partition in order, once it is there.
    fn next_partition(&mut self) -> Result<Option<Arc<dyn Part>>> {
        loop {
            if let Some(partition) = self.waiting.remove(&self.next) {
                self.next += 1;
                return Ok(Some(partition));
            }
            if let Ok((place, partition)) = self.partitions.recv() {
                self.waiting.insert(place, partition);
                continue;
            }
            // All tasks are gone: the run is over, well or not.
            let Some(run) = self.run.take() else { return Ok(None) };
            match run.wait() {
                Ok(_) => return Ok(None),
                Err(error) if self.has_left => return Err(error),
                Err(error) => {
                    let plans = wider(&self.session, &self.plans, error)?;
                    self.next = 0;
                    self.start(plans)?;
                }
            }
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.batches.next() {
                return Ok(Some(batch));
            }
            self.current = None;
            let Some(partition) = self.next_partition()? else { return Ok(None) };
            let columns: Vec<usize> = (0..first(&self.plans)?.schema().fields().len()).collect();
            let kept: &Kept = view(&partition)?;
            self.batches = kept.batches(&columns).collect::<Result<Vec<_>>>()?.into_iter();
            self.current = Some(partition);
        }
    }

    /// Has the types known: by the first batch, if none has left.
    fn settle(&mut self) {
        if !self.has_left {
            self.first = Some(self.next_batch());
            self.has_left = true;
        }
    }
}

impl Iterator for BatchStream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.get_mut().unwrap_or_else(PoisonError::into_inner);
        rows.settle();
        let batch = rows.first.take().unwrap_or_else(|| rows.next_batch());
        batch.map_err(|error: Error| ArrowError::ExternalError(Box::new(error))).transpose()
    }
}

impl RecordBatchReader for BatchStream {
    fn schema(&self) -> SchemaRef {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.settle();
        first(&rows.plans).map_or_else(|_| self.schema.clone(), |plan| plan.schema().clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::col;
    use crate::sched::Session;

    #[test]
    fn memory_is_freed_with_the_last_handle() {
        let session = Session::builder().threads(2).partition_size(20_000).build().unwrap();
        let kept = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").persist().unwrap();
        let held = session.budget().used();
        // 14,000 rows of six columns.
        assert!(held >= 14_000 * 6 * 8, "{held}");
        let derived = kept.filter(col("v").gt(1));
        drop(kept);
        assert_eq!(session.budget().used(), held, "the frame made from it still needs it");
        drop(derived);
        assert_eq!(session.budget().used(), 0);
        drop(session.read_csv("testdata/baci/BACI_HS12_Y*.csv").stream().unwrap().take(1).collect::<Vec<_>>());
        let whole = session.read_csv("testdata/baci/BACI_HS12_Y2018.csv").stream().unwrap();
        assert_eq!(whole.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2000);
    }
}
