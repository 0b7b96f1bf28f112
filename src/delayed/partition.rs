//! Between frames and delayed values: a partition is a table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Delayed;
use super::node::{Node, Value};
use crate::batch::{Table, conform, conform_schema};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Expr;
use crate::frame::Frame;
use crate::graph::{Expand, TaskGraph, TaskId};
use crate::io::{Kept, RowSource, Rows};
use crate::mem::{Part, Reservation, view};
use crate::sched::Session;

/// The partitions of a frame that is going to be run: its tasks are added once to a graph.
pub(super) struct Partitions {
    frame: Frame,
    number: usize,
    schema: SchemaRef,
}

impl Partitions {
    /// Adds the task of a partition, and with the first that is asked for those of all: a run leaves out what it does not need.
    pub(super) fn expand(self: &Arc<Partitions>, number: usize, to: &mut TaskGraph) -> Result<TaskId> {
        let lacking = || Error::internal("a frame has no such partition");
        let address = Arc::as_ptr(self).addr();
        if let Some(first) = to.shared.get(&address) {
            return if number < self.number { Ok(TaskId(first.0 + number)) } else { Err(lacking()) };
        }
        let kept = self.frame.expand_partitions(to)?;
        if kept.len() != self.number {
            return Err(Error::internal("a frame has other partitions than it had"));
        }
        let table = |(number, kept)| {
            // The address stays taken for as long as the task is there.
            let partitions = self.clone();
            to.add(format!("partition {number}"), vec![kept], Box::new(move |_, inputs| partitions.table(&inputs[0])))
        };
        let tables: Vec<TaskId> = kept.into_iter().enumerate().map(table).collect();
        to.shared.extend(tables.first().map(|first| (address, *first)));
        tables.get(number).copied().ok_or_else(lacking)
    }
}

impl Partitions {
    fn table(&self, kept: &Arc<dyn Part>) -> Result<Arc<dyn Part>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let batches = view::<Kept>(kept)?.batches(&all).collect::<Result<Vec<_>>>()?;
        let value = Arc::new(Table::new(self.schema.clone(), batches)?);
        Ok(Arc::new(Value { value, booked: Some(kept.clone()) }))
    }
}

/// No rows of these columns.
fn empty(schema: &SchemaRef) -> Result<Arc<dyn RowSource>> {
    Ok(Arc::new(Table::new(conform_schema(schema)?, vec![])?))
}

/// Tables that are yet to be computed, as the partitions of a frame.
struct Tables {
    schema: SchemaRef,
    nodes: Vec<Arc<Node>>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl RowSource for Tables {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.nodes.len()
    }

    fn text(&self) -> String {
        format!("{} delayed tables", self.nodes.len())
    }

    fn has_closures(&self) -> bool {
        true
    }

    fn expand(&self, to: &mut TaskGraph) -> Result<Vec<TaskId>> {
        self.nodes.iter().map(|node| node.expand(to)).collect()
    }

    fn read<'a>(&'a self, _: usize, _: &[usize], _: Option<&Expr>, _: Reservation) -> Result<Rows<'a>> {
        Err(Error::internal("a delayed table was not computed"))
    }

    fn read_given<'a>(&'a self, number: usize, given: &Arc<dyn Part>, columns: &[usize]) -> Result<Rows<'a>> {
        let table = Value::<Table>::of(given)?;
        let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let own = conform_schema(table.schema())?;
        let types =
            |schema: &SchemaRef| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        if names(&own) != names(&self.schema) || types(&own) != types(&self.schema) {
            let columns = |schema| {
                names(schema).iter().zip(types(schema)).map(|(n, t)| format!("{n} {t}")).collect::<Vec<_>>().join(", ")
            };
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "delayed table {number} has the columns {}, where {} were announced",
                    columns(&own),
                    columns(&self.schema)
                ),
            )
            .in_step(format!("task '{}'", self.nodes[number].name))
            .in_step("from_delayed(..)"));
        }
        let columns = columns.to_vec();
        let batches =
            Table::clone(table).into_reader().map(move |batch| Ok(conform(&batch?, &self.schema)?.project(&columns)?));
        Ok(Box::new(batches))
    }
}

impl Frame {
    /// The partitions as delayed tables, in their order: for steps of any kind, each on its partition.
    ///
    /// Nothing runs yet. However many of the tables a run uses, it reads the files once, and of what no task uses only what comes
    /// before in the same file. Rows are kept as [`persist`](Frame::persist) keeps them until their last task has run: in memory,
    /// or in a file where memory is short. [`Frame::from_delayed`] goes back.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let rows: Vec<Delayed<usize>> =
    ///     df.to_delayed()?.iter().map(|partition| partition.map("rows", |table| table.num_rows())).collect();
    /// assert_eq!(rows.len(), 7);
    /// assert_eq!(*Delayed::tree_reduce("add", rows, |a, b| a + b).compute()?, 14_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong in the steps so far. In the run, as [`compute`](Frame::compute) has, but for one thing: a value that
    /// contradicts the inferred type of its column is an error, as the tasks that have run by then would run again with wider types.
    pub fn to_delayed(&self) -> Result<Vec<Delayed<Table>>> {
        let (number, schema) = (self.npartitions()?, self.schema()?);
        let partitions = Arc::new(Partitions { frame: self.clone(), number, schema });
        let partition = |nth| Delayed::new(self.session().clone(), Node::partition(partitions.clone(), nth));
        Ok((0..number).map(partition).collect())
    }

    /// A frame of delayed tables, one a partition, in this order. The columns are announced, as nothing runs yet; no table at all
    /// makes a frame of no rows.
    ///
    /// The tables are computed by each run of the frame, within its graph: what they share with each other, and with delayed values that
    /// [`compute_all`](crate::compute_all) computes beside it, runs once. Types other than the engine's own are brought into
    /// them. What tables of closures hold in memory is not counted on the limit.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// // Each partition goes through a closure, and all of them are a frame again.
    /// let heads = df.to_delayed()?.into_iter().map(|partition| {
    ///     partition.try_map("head", |table| Frame::from(table).head(10).compute())
    /// });
    /// let frame = Frame::from_delayed(df.schema()?, heads);
    /// assert_eq!((frame.npartitions()?, frame.num_rows()?), (7, 70));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the tasks; [`ErrorKind::Type`] for a table of other columns than were announced.
    pub fn from_delayed(schema: SchemaRef, tables: impl IntoIterator<Item = Delayed<Table>>) -> Frame {
        let tables: Vec<Delayed<Table>> = tables.into_iter().collect();
        let session = tables.first().map_or_else(Session::default, |table| table.session.clone());
        if tables.is_empty() {
            return Frame::of_rows(session, empty(&schema), "from_delayed(..)");
        }
        let rows = conform_schema(&schema).map(|schema| {
            let nodes = tables.into_iter().map(|table| table.node).collect();
            Arc::new(Tables { schema, nodes }) as Arc<dyn RowSource>
        });
        Frame::of_rows(session, rows, "from_delayed(..)")
    }
}
