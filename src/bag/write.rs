//! Where bags end: text files, and frames.

use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde::Serialize;

use super::Bag;
use super::partition::{Items, Slot};
use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::frame::{Frame, compute_all};
use crate::io::write::{Part, Target, WriteError, Written};

/// So many items are made columns at a time.
const ROWS: usize = 8192;

impl<T: Send + 'static> Bag<T> {
    /// Writes the items as text into a new directory, a line each: one file a partition, `part-00000.txt` and so on. The directory
    /// has its name when all files are whole; a run that fails leaves none. An item that holds a line break becomes two lines.
    ///
    /// ```
    /// use partita::{Bag, read_text};
    /// let parent = tempfile::tempdir().unwrap();
    /// let directory = parent.path().join("words");
    /// let written = Bag::from_vec(vec!["to", "be", "or"], 2).to_text(&directory)?;
    /// assert_eq!((written.files.len(), written.rows), (2, 3));
    /// assert_eq!(read_text(directory.join("*.txt").to_str().unwrap()).compute()?, ["to", "be", "or"]);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is something of that name, what went wrong in making the items, and what the system says.
    pub fn to_text(&self, directory: impl AsRef<Path>) -> Result<Written>
    where
        T: Display,
    {
        let target = Arc::new(Target::open(directory.as_ref(), true, false, &[])?);
        let parts = self.tasks(|partition| {
            let target = target.clone();
            partition.task(&self.session, "to_text", move |items, _| Ok(Slot::new(text(items, &target)?)))
        });
        let (mut named, mut written) = (vec![], Written { files: vec![], rows: 0, bytes: 0 });
        for (number, part) in compute_all(parts)?.iter().enumerate() {
            let part = part.take()?;
            let name = format!("part-{number:05}.txt");
            written.files.push(directory.as_ref().join(&name));
            written.rows += part.rows;
            written.bytes += part.bytes;
            named.push((name, part));
        }
        target.publish_directory(named)?;
        Ok(written)
    }

    /// The items as rows of a frame, of these columns: fields of what serde makes of an item, each partition as one of the frame. What an item has beside is left
    /// out, what it lacks is null. A partition is held in memory as columns.
    ///
    /// ```
    /// use partita::prelude::*;
    /// use partita::Bag;
    /// #[derive(serde::Serialize, Clone)]
    /// struct Trade { k: &'static str, v: Option<f64> }
    /// let bag = Bag::from_vec(vec![Trade { k: "010121", v: Some(1.5) }, Trade { k: "010129", v: None }], 2);
    /// let frame = bag.to_frame([("k", Type::Text), ("v", Type::Float64)]);
    /// assert_eq!(frame.filter(col("v").is_null()).column("k").compute()?.num_rows(), 1);
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the run: [`ErrorKind::Type`] for an item that is no struct or map, or has a value that does not fit its column; dates and timestamps
    /// are read from texts.
    pub fn to_frame<N: Into<String>>(&self, columns: impl IntoIterator<Item = (N, Type)>) -> Frame
    where
        T: Serialize,
    {
        let fields = columns.into_iter().map(|(name, of)| Field::new(name.into(), of.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let tables = self.tasks(|partition| {
            let schema = schema.clone();
            partition.task(&self.session, "to_frame", move |items, context| {
                let mut memory = context.budget().reserve("rows of a bag");
                table(items, &schema, |bytes| memory.try_resize(bytes))
            })
        });
        Frame::from_delayed(schema, tables)
    }
}

/// A file of the items.
fn text<T: Display>(items: Items<T>, target: &Target) -> Result<Part> {
    let failed = |error| WriteError::Io(error).of(target.given());
    let (file, path) = target.new_file().map_err(failed)?;
    let (mut to, mut rows) = (BufWriter::new(file), 0);
    for item in items {
        writeln!(to, "{}", item?).map_err(failed)?;
        rows += 1;
    }
    to.flush().map_err(failed)?;
    Part::new(path, rows).map_err(failed)
}

/// The items as columns.
fn table<T: Serialize>(
    items: Items<T>,
    schema: &SchemaRef,
    mut book: impl FnMut(usize) -> Result<()>,
) -> Result<Table> {
    let misfit = |error: arrow::error::ArrowError| {
        Error::new(ErrorKind::Type, format!("an item is no row of these columns: {error}"))
            .help("items are structs or maps with the names of the columns; name the types that their values have")
    };
    let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(ROWS).build_decoder()?;
    let (mut batches, mut bytes) = (vec![], 0);
    let mut items = items.peekable();
    while items.peek().is_some() {
        let rows = items.by_ref().take(ROWS).collect::<Result<Vec<T>>>()?;
        decoder.serialize(&rows).map_err(misfit)?;
        if let Some(batch) = decoder.flush().map_err(misfit)? {
            bytes += batch.get_array_memory_size();
            book(bytes)?;
            batches.push(batch);
        }
    }
    Table::new(schema.clone(), batches)
}
