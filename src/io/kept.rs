//! Partitions that a user holds: in memory, or in a file of our own that is read where it lies.
//!
//! A file is uncompressed Arrow IPC without a name: the system removes it with its last handle, and nobody else can write
//! to it, so that mapping it into memory is safe. Its buffers are used as they are; their pages are the page cache's.

use std::fmt;
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::Block;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::FileWriter;
use memmap2::Mmap;

use super::codes::{self, Coded, Codes};
use super::{RowSource, Rows};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Expr;
use crate::mem::{Claim, Part, Reservation, Spill};

/// The rows of a partition for as long as somebody wants them.
pub(crate) enum Kept {
    /// In memory, booked; some text columns also as codes.
    Memory { batches: Vec<RecordBatch>, codes: Vec<Option<Codes>>, bytes: usize, memory: Reservation },
    /// In a file.
    File(KeptFile),
}

/// A file under way.
pub(crate) struct KeptWriter {
    file: FileWriter<File>,
    schema: SchemaRef,
    directory: String,
    claim: Claim,
}

/// A file that is complete, mapped into memory.
pub(crate) struct KeptFile {
    map: Buffer,
    schema: SchemaRef,
    blocks: Vec<Block>,
    version: arrow::ipc::MetadataVersion,
    /// What it takes of the disk; last, as it is given back when the file is gone.
    _claim: Claim,
}

impl KeptWriter {
    /// A new file without a name where the session spills to.
    pub(crate) fn create(spill: &Spill, schema: &SchemaRef) -> Result<KeptWriter> {
        let name = spill.directory().display().to_string();
        let file = tempfile::tempfile_in(spill.directory()).map_err(|e| failed(&name, e))?;
        let file = FileWriter::try_new(file, schema).map_err(|e| failed(&name, e))?;
        Ok(KeptWriter { file, schema: schema.clone(), directory: name, claim: spill.claim() })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.file.write(batch).map_err(|e| failed(&self.directory, e))?;
        let mut file = self.file.get_ref();
        let end = file.stream_position().map_err(|e| failed(&self.directory, e))?;
        self.claim.grow(file, end)
    }

    /// Ends the file and maps it.
    pub(crate) fn seal(mut self) -> Result<KeptFile> {
        self.file.finish().map_err(|e| failed(&self.directory, e))?;
        let file = self.file.into_inner().map_err(|e| failed(&self.directory, e))?;
        // SAFETY: the file has no name and this process alone has a handle on it, which is not written to any more: the
        // bytes behind the map do not change for as long as it lives.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| failed(&self.directory, e))?;
        let map = Buffer::from(bytes::Bytes::from_owner(map));
        let (blocks, version) = footer(&map)?;
        Ok(KeptFile { map, schema: self.schema, blocks, version, _claim: self.claim })
    }
}

/// Where the batches of an IPC file are.
fn footer(file: &[u8]) -> Result<(Vec<Block>, arrow::ipc::MetadataVersion)> {
    let damaged = || Error::internal("a file of a persisted partition is damaged");
    let (rest, trailer) = file.split_last_chunk::<10>().ok_or_else(damaged)?;
    let length = read_footer_length(*trailer)?;
    let start = rest.len().checked_sub(length).ok_or_else(damaged)?;
    let footer = root_as_footer(&rest[start..]).map_err(|_| damaged())?;
    let blocks = footer.recordBatches().map_or_else(Vec::new, |blocks| blocks.iter().copied().collect());
    Ok((blocks, footer.version()))
}

impl KeptFile {
    fn batches(&self, columns: Vec<usize>) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let decoder = FileDecoder::new(self.schema.clone(), self.version).with_projection(columns);
        self.blocks.iter().map(move |block| {
            let length = block.metaDataLength() as usize + block.bodyLength() as usize;
            let bytes = self.map.slice_with_length(block.offset() as usize, length);
            decoder
                .read_record_batch(block, &bytes)?
                .ok_or_else(|| Error::internal("a file of a persisted partition lacks a batch"))
        })
    }
}

impl Kept {
    /// The batches, of these columns alone.
    pub(crate) fn batches<'a>(&'a self, columns: &[usize]) -> Rows<'a> {
        let columns = columns.to_vec();
        match self {
            Kept::Memory { batches, .. } => Box::new(batches.iter().map(move |batch| Ok(batch.project(&columns)?))),
            Kept::File(file) => Box::new(file.batches(columns)),
        }
    }

    /// The codes of a text column.
    pub(super) fn codes(&self, column: usize) -> Option<&Codes> {
        match self {
            Kept::Memory { codes, .. } => codes.get(column)?.as_ref(),
            Kept::File(_) => None,
        }
    }

    /// Puts other codes, or none, in the place of those of a column, if it has any.
    pub(super) fn change_codes(&mut self, column: usize, change: impl FnOnce(Codes) -> Option<Codes>) -> Result<()> {
        let Kept::Memory { codes, bytes, memory, .. } = self else { return Ok(()) };
        let Some(of_column) = codes.get_mut(column) else { return Ok(()) };
        let Some(before) = of_column.take() else { return Ok(()) };
        let held = before.bytes();
        *of_column = change(before);
        *bytes = *bytes - held + of_column.as_ref().map_or(0, Codes::bytes);
        memory.try_resize(*bytes)
    }

    /// The bytes, wherever they are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Kept::Memory { bytes, .. } => *bytes,
            Kept::File(file) => file.map.len(),
        }
    }
}

impl Part for Kept {
    fn bytes(&self) -> usize {
        match self {
            Kept::Memory { bytes, .. } => *bytes,
            // The pages are the page cache's.
            Kept::File(_) => 0,
        }
    }
}

/// A frame's rows, kept in partitions.
pub(crate) struct Persisted {
    schema: SchemaRef,
    partitions: Vec<Kept>,
    /// The dictionaries of the columns that have codes.
    dictionaries: Vec<Option<ArrayRef>>,
}

impl Persisted {
    pub(crate) fn new(schema: SchemaRef, mut partitions: Vec<Kept>) -> Result<Persisted> {
        let dictionaries = codes::share_dictionaries(&mut partitions, schema.fields().len())?;
        Ok(Persisted { schema, partitions, dictionaries })
    }

    /// A partition.
    pub(super) fn partition(&self, number: usize) -> Result<&Kept> {
        self.partitions.get(number).ok_or_else(|| Error::internal("a persisted frame lacks a partition"))
    }
}

impl fmt::Debug for Persisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Persisted({} partitions)", self.partitions.len())
    }
}

impl RowSource for Persisted {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn text(&self) -> String {
        let plural = if self.partitions.len() == 1 { "" } else { "s" };
        format!("persisted in {} partition{plural}", self.partitions.len())
    }

    fn is_in_memory(&self) -> bool {
        self.partitions.iter().all(|kept| matches!(kept, Kept::Memory { .. }))
    }

    fn bytes(&self) -> u64 {
        self.partitions.iter().map(|kept| kept.size() as u64).sum()
    }

    fn read<'a>(
        &'a self,
        partition: usize,
        columns: &[usize],
        _filter: Option<&Expr>,
        _memory: Reservation,
    ) -> Result<Rows<'a>> {
        Ok(self.partition(partition)?.batches(columns))
    }

    fn dictionary(&self, column: usize) -> Option<&ArrayRef> {
        self.dictionaries.get(column)?.as_ref()
    }

    fn with_codes(self: Arc<Self>, columns: &[usize]) -> Result<Arc<dyn RowSource>> {
        Ok(Arc::new(Coded::new(self, columns)))
    }
}

fn failed(directory: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Io, format!("cannot keep rows in a file in '{directory}'"))
        .help("is the disk full, or the directory gone? Session::builder().spill_dir(..) names another")
        .caused_by(error)
}
