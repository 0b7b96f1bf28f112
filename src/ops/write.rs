//! Writes rows to files.
//!
//! Each state writes the batches of its run to parts: one, or with `partition_by` one for each folder. A merge strings the
//! parts together in order. The end joins them into one file, or lays them out as a directory, and gives that its name. Parts of
//! one Parquet file are in that file from the beginning. A state that is dropped takes its parts with it, or leaves them without a
//! name in the whole file, so that it can be made again.
//!
//! With `partition_by`, so many folders as come first are written to by all states as rows come. The rows of all others wait and are
//! sorted, on disk where they don't fit; at the end they are written one folder after the other. So few files are open and few
//! parts are made, however many folders there are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use tempfile::TempPath;

use super::sort::SortState;
use super::{Batches, Ending, Flow, Piece, Reducer, SortOp};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{BoundSortKey, col};
use crate::io::write::{Encoder, Format, Part, Target, WholeFile, WriteError, WriteOptions, Written, folder};
use crate::mem::Reservation;

/// So many folders are written to as rows come: each state holds a file open for each of them.
const MAX_DIRECT: usize = 64;

/// The most folders: beyond it, `partition_by` names something like a number of rows.
const MAX_FOLDERS: usize = 50_000;

/// Parts of a folder are joined until they have this many bytes.
const SMALL_PART: u64 = 32 << 20;

/// Writes its input to a target, and says what files there are.
pub(crate) struct WriteOp {
    /// The file that all parts are in from the beginning, if they are; closed before the target's folder is removed.
    whole: Option<Arc<WholeFile>>,
    target: Target,
    format: Format,
    /// The columns of the files.
    schema: SchemaRef,
    /// Their places in the input.
    columns: Vec<usize>,
    /// The columns that make folders.
    keys: Vec<usize>,
    input: SchemaRef,
    /// The folders that are written to as rows come. Once they are as many as can be, no others join them.
    direct: Mutex<HashSet<Arc<str>>>,
    /// Brings the rows of all other folders together.
    sort: SortOp,
}

/// What a run of batches was written to.
pub(crate) struct WriteState {
    /// Complete parts with their folders; in a folder, in the order of their rows.
    parts: Vec<(Arc<str>, Part)>,
    /// Complete parts of the whole file, in the order of their rows.
    parts_of_whole: Vec<usize>,
    open: HashMap<Arc<str>, Open>,
    /// Rows that are written at the end, if there are any.
    waiting: Option<SortState>,
    memory: Reservation,
}

/// A part under way.
struct Open {
    /// Locked by nobody: encoders can be sent between threads, but not shared.
    encoder: Mutex<Box<dyn Encoder>>,
    place: Place,
    rows: u64,
}

enum Place {
    File(TempPath),
    /// A part of the whole file.
    Whole(usize),
}

/// The rows of a batch by their folders, in the order in which the folders come first.
struct Split {
    direct: Vec<(Arc<str>, RecordBatch)>,
    /// With all columns.
    waiting: Option<RecordBatch>,
}

impl WriteOp {
    /// # Errors
    /// What is wrong with the options or the target; `inputs` are the files that the run reads.
    pub(crate) fn new(input: SchemaRef, path: &Path, options: &WriteOptions, inputs: &[PathBuf]) -> Result<WriteOp> {
        options.check()?;
        let mut keys: Vec<usize> = Vec::new();
        for name in &options.partition_by {
            let Ok(key) = input.index_of(name) else {
                return Err(Error::unknown_column(name, input.fields().iter().map(|f| f.name().as_str())));
            };
            if keys.contains(&key) {
                return Err(Error::new(ErrorKind::Config, format!("partition_by names '{name}' twice"))
                    .help("name each column once"));
            }
            keys.push(key);
        }
        let columns: Vec<usize> = (0..input.fields().len()).filter(|i| !keys.contains(i)).collect();
        if columns.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no column is left to write")
                .help("columns of partition_by are in the names of folders: leave one out of them"));
        }
        let directory = options.directory || !keys.is_empty();
        let target = Target::open(path, directory, options.overwrite, inputs)?;
        let schema = Arc::new(input.project(&columns)?);
        let whole = options.format.whole_file(&target, &schema).map_err(|e| e.of(target.given()))?.map(Arc::new);
        let by = |&key: &usize| -> Result<BoundSortKey> { col(input.field(key).name()).asc().bind(&input) };
        let sort = SortOp::new(input.clone(), keys.iter().map(by).collect::<Result<_>>()?, None);
        let direct = Mutex::default();
        Ok(WriteOp { target, format: options.format.clone(), whole, schema, columns, keys, input, direct, sort })
    }

    fn failed(&self, error: WriteError) -> Error {
        error.of(self.target.given())
    }

    /// Writes rows into a folder.
    fn write(&self, state: &mut WriteState, folder: &Arc<str>, batch: &RecordBatch) -> Result<()> {
        if !state.open.contains_key(folder) {
            state.open.insert(folder.clone(), self.open()?);
        }
        if let Some(open) = state.open.get_mut(folder) {
            open.rows += batch.num_rows() as u64;
            open.encoder().write(batch).map_err(|e| self.failed(e))?;
        }
        self.book(state)
    }

    fn open(&self) -> Result<Open> {
        if let Some(whole) = &self.whole {
            let (part, encoder) = whole.part();
            return Ok(Open { encoder: Mutex::new(encoder), place: Place::Whole(part), rows: 0 });
        }
        let (file, path) = self.target.new_file().map_err(|e| self.failed(e.into()))?;
        let encoder = self.format.encoder(file, &self.schema).map_err(|e| self.failed(e))?;
        Ok(Open { encoder: Mutex::new(encoder), place: Place::File(path), rows: 0 })
    }

    fn close(&self, state: &mut WriteState, folder: &Arc<str>) -> Result<()> {
        let Some(Open { encoder, place, rows }) = state.open.remove(folder) else { return Ok(()) };
        let encoder = encoder.into_inner().unwrap_or_else(PoisonError::into_inner);
        encoder.finish().map_err(|e| self.failed(e))?;
        match place {
            Place::Whole(part) => state.parts_of_whole.push(part),
            Place::File(path) => {
                state.parts.push((folder.clone(), Part::new(path, rows).map_err(|e| self.failed(e.into()))?));
            }
        }
        Ok(())
    }

    fn close_all(&self, state: &mut WriteState) -> Result<()> {
        let mut open: Vec<Arc<str>> = state.open.keys().cloned().collect();
        open.sort_unstable();
        open.iter().try_for_each(|folder| self.close(state, folder))?;
        state.memory.try_resize(0)
    }

    /// Books what the encoders hold; where that is refused, they let go of it.
    fn book(&self, state: &mut WriteState) -> Result<()> {
        loop {
            let mut held: usize = 0;
            let mut largest: Option<(usize, &mut Open)> = None;
            for open in state.open.values_mut() {
                let memory = open.encoder().memory();
                held += memory;
                if largest.as_ref().is_none_or(|(most, _)| memory > *most) {
                    largest = Some((memory, open));
                }
            }
            // Who reads what is to be written needs some memory, too.
            let fits = held <= state.memory.bytes() || state.memory.try_resize_with_some_left(held);
            match largest {
                Some((memory, open)) if !fits && memory > 0 => open.encoder().flush().map_err(|e| self.failed(e))?,
                _ => return state.memory.try_resize(held),
            }
        }
    }

    /// The rows of each folder of a batch, and the number of the first, in the order in which the folders come first.
    fn folders(&self, batch: &RecordBatch) -> Result<Vec<(Arc<str>, Vec<u32>)>> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&key| batch.column(key).clone()).collect();
        let types = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let rows = RowConverter::new(types)?.convert_columns(&keys)?;
        let mut numbers = HashMap::new();
        let mut groups: Vec<(Arc<str>, Vec<u32>)> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let number = *numbers.entry(row).or_insert(groups.len());
            if number == groups.len() {
                groups.push((folder(&self.input, &self.keys, &keys, i)?.into(), Vec::new()));
            }
            groups[number].1.push(i as u32);
        }
        Ok(groups)
    }

    fn split(&self, batch: &RecordBatch) -> Result<Split> {
        let rest = batch.project(&self.columns)?;
        let mut waiting = Vec::new();
        let mut split = Split { direct: Vec::new(), waiting: None };
        for (folder, rows) in self.folders(batch)? {
            if self.is_direct(&folder) {
                split.direct.push((folder, taken(&rest, rows)?));
            } else {
                waiting.extend(rows);
            }
        }
        if !waiting.is_empty() {
            waiting.sort_unstable();
            split.waiting = Some(taken(batch, waiting)?);
        }
        Ok(split)
    }

    /// Whether rows of this folder are written as they come: all of them are, or none.
    fn is_direct(&self, folder: &Arc<str>) -> bool {
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        direct.contains(folder) || direct.len() < MAX_DIRECT && direct.insert(folder.clone())
    }

    /// Writes the rows that waited: those of a folder stand together.
    fn write_waiting(&self, state: &mut WriteState) -> Result<()> {
        let Some(waiting) = state.waiting.take() else { return Ok(()) };
        let before = state.parts.len();
        let pieces = match self.sort.end(waiting)? {
            Ending::Pieces(pieces) => pieces,
            other => {
                let nothing = Batches::new(self.input.clone(), state.memory.of_holder(SortOp::HOLDS));
                let all = other.alone(nothing)?;
                vec![Piece::whole(|| Ok(all))]
            }
        };
        for piece in pieces {
            piece.give(&mut |batch| {
                let rest = batch.project(&self.columns)?;
                for (folder, rows) in self.folders(&batch)? {
                    // Two at a time: values that are equal to the sort, but not in name, take turns, as 0 and -0 do.
                    if !state.open.contains_key(&folder) && state.open.len() > 1 {
                        self.close_all(state)?;
                    }
                    if state.parts.len() - before >= MAX_FOLDERS {
                        let what = format!("partition_by makes more than {MAX_FOLDERS} folders");
                        return Err(Error::new(ErrorKind::Config, what).help("name columns of fewer values"));
                    }
                    self.write(state, &folder, &taken(&rest, rows)?)?;
                }
                Ok(())
            })?;
        }
        self.close_all(state)
    }

    /// Joins neighbours that are small.
    fn join_small(&self, parts: Vec<Part>) -> Result<Vec<Part>> {
        let mut runs: Vec<(u64, Vec<Part>)> = Vec::new();
        for part in parts {
            match runs.last_mut() {
                Some((bytes, run)) if *bytes + part.bytes <= SMALL_PART => {
                    *bytes += part.bytes;
                    run.push(part);
                }
                _ => runs.push((part.bytes, vec![part])),
            }
        }
        runs.into_iter().map(|(_, run)| self.format.join(&self.target, run, &self.schema)).collect()
    }

    /// Gives parts their names.
    fn publish(&self, mut state: WriteState) -> Result<Written> {
        if state.parts.is_empty() && self.keys.is_empty() && self.whole.is_none() {
            // No rows: the columns at least.
            state.open.insert("".into(), self.open()?);
            self.close_all(&mut state)?;
        }
        let mut folders: BTreeMap<Arc<str>, Vec<Part>> = BTreeMap::new();
        for (folder, part) in state.parts {
            folders.entry(folder).or_default().push(part);
        }
        if !self.target.is_directory() {
            let parts = folders.into_values().flatten().collect();
            let whole = match &self.whole {
                Some(whole) => whole.complete(&state.parts_of_whole).map_err(|e| self.failed(e))?,
                None => self.format.join(&self.target, parts, &self.schema)?,
            };
            let files = vec![self.target.given().to_owned()];
            let written = Written { files, rows: whole.rows, bytes: whole.bytes };
            self.target.publish_file(whole)?;
            return Ok(written);
        }
        let mut written = Written { files: Vec::new(), rows: 0, bytes: 0 };
        let mut placed = Vec::new();
        for (folder, parts) in folders {
            let parts = if self.keys.is_empty() { parts } else { self.join_small(parts)? };
            // As many digits as sort by number.
            let width = (parts.len() - 1).to_string().len().max(5);
            for (i, part) in parts.into_iter().enumerate() {
                let slash = if folder.is_empty() { "" } else { "/" };
                let place = format!("{folder}{slash}part-{i:0width$}.{}", self.format.extension());
                written.files.push(self.target.given().join(&place));
                written.rows += part.rows;
                written.bytes += part.bytes;
                placed.push((place, part));
            }
        }
        self.target.publish_directory(placed)?;
        Ok(written)
    }
}

/// These rows of a batch, which ascend.
fn taken(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch> {
    if rows.len() == batch.num_rows() {
        return Ok(batch.clone());
    }
    Ok(take_record_batch(batch, &UInt32Array::from(rows))?)
}

impl Open {
    fn encoder(&mut self) -> &mut dyn Encoder {
        &mut **self.encoder.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reducer for WriteOp {
    const HOLDS: &'static str = "rows to write";
    const SPILLS: bool = true;
    type State = WriteState;
    type Output = Written;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> WriteState {
        WriteState { parts: vec![], parts_of_whole: vec![], open: HashMap::new(), waiting: None, memory }
    }

    fn update(&self, state: &mut WriteState, batch: &RecordBatch) -> Result<Flow> {
        if batch.num_rows() > 0 {
            if self.keys.is_empty() {
                self.write(state, &"".into(), batch)?;
            } else {
                let Split { direct, waiting } = self.split(batch)?;
                direct.iter().try_for_each(|(folder, rows)| self.write(state, folder, rows))?;
                if let Some(rows) = waiting {
                    let memory = &state.memory;
                    let new = || self.sort.new_state(memory.of_holder(SortOp::HOLDS));
                    self.sort.update(state.waiting.get_or_insert_with(new), &rows)?;
                }
            }
        }
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut WriteState) -> Result<()> {
        self.close_all(state)?;
        state.waiting.as_mut().map_or(Ok(()), |waiting| self.sort.seal(waiting))
    }

    fn merge(&self, state: &mut WriteState, mut later: WriteState) -> Result<()> {
        self.seal(state)?;
        self.seal(&mut later)?;
        state.parts.append(&mut later.parts);
        state.parts_of_whole.append(&mut later.parts_of_whole);
        match (&mut state.waiting, later.waiting) {
            (Some(waiting), Some(later)) => self.sort.merge(waiting, later)?,
            (waiting @ None, later) => *waiting = later,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn finish(&self, mut state: WriteState) -> Result<Written> {
        self.seal(&mut state)?;
        self.write_waiting(&mut state)?;
        self.publish(state)
    }

    fn bytes(&self, state: &WriteState) -> usize {
        state.memory.bytes() + state.waiting.as_ref().map_or(0, |waiting| self.sort.bytes(waiting))
    }
}
