//! Arrow IPC files as a source (Feather is another name of theirs): partitions are runs of record batches.
//!
//! The random access format has a footer that tells where its messages are; the streaming format is walked through once
//! to find them, and is one partition, as a dictionary may be replaced on the way. From then on both are alike.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{
    Block, Message, MessageHeader, MetadataVersion, Schema as IpcSchema, root_as_footer, root_as_message,
};

use super::discover::{InputFile, Paths, discover};
use super::spool::Spool;
use super::typed::{DecodeError, FileColumns, TypedFile, agree, runs};
use super::{RowSource, Rows};
use crate::config::PartitionSize;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::mem::Reservation;

const MAGIC: &[u8] = b"ARROW1";
/// What precedes the length of a message; before version 0.15 nothing did.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// IPC files that are read as one table. It knows where their batches are, and holds none.
#[derive(Debug)]
pub(crate) struct IpcSource {
    paths: Paths,
    schema: SchemaRef,
    files: Vec<IpcFile>,
    columns: Vec<FileColumns>,
    partitions: Vec<Partition>,
}

#[derive(Debug)]
struct IpcFile {
    input: InputFile,
    schema: SchemaRef,
    version: MetadataVersion,
    /// Dictionaries that all batches may use.
    dictionaries: Vec<Block>,
    /// Batches; in a stream, dictionaries among them.
    batches: Vec<Block>,
    is_stream: bool,
}

/// Messages of a file.
#[derive(Debug)]
struct Partition {
    file: usize,
    batches: Range<usize>,
}

impl IpcSource {
    /// Looks for the batches of all files.
    ///
    /// # Errors
    /// What [`discover`] and [`agree`] say; files that are damaged or no IPC files.
    pub(crate) fn open(paths: Paths, size: PartitionSize, spool: &mut Spool) -> Result<IpcSource> {
        let mut files = Vec::new();
        for input in discover(&paths, spool)? {
            let file = TypedFile::open(&input)?;
            files.push(file.decode(|| IpcFile::open(&file, input))?);
        }
        let (schema, columns) = agree(files.iter().map(|f| (f.input.path.as_path(), f.schema.clone())).collect())?;
        // A stream is read from its beginning.
        let batches = |file: &IpcFile| match file.is_stream {
            true if file.batches.is_empty() => vec![],
            true => vec![file.batches.iter().map(|batch| length(batch) as u64).sum()],
            false => file.batches.iter().map(|batch| length(batch) as u64).collect(),
        };
        let partition = |(file, range): (usize, Range<usize>)| {
            let IpcFile { batches, is_stream, .. }: &IpcFile = &files[file];
            Partition { file, batches: if *is_stream { 0..batches.len() } else { range } }
        };
        let runs = runs(&files.iter().map(batches).collect::<Vec<_>>(), size);
        let mut partitions: Vec<_> = runs.into_iter().map(partition).collect();
        if partitions.is_empty() {
            // No rows, but something to begin with.
            partitions.push(Partition { file: 0, batches: 0..0 });
        }
        Ok(IpcSource { paths, schema, files, columns, partitions })
    }
}

/// The bytes of a message. Those of every block were checked.
fn length(block: &Block) -> usize {
    block.metaDataLength() as usize + block.bodyLength() as usize
}

fn damaged<T>(what: impl Into<String>) -> Result<T, DecodeError> {
    Err(DecodeError::Damaged(what.into()))
}

impl IpcFile {
    fn open(file: &TypedFile, input: InputFile) -> Result<IpcFile, DecodeError> {
        let start = file.read(0, file.bytes.min(8) as usize)?;
        if start.starts_with(b"FEA1") {
            return damaged("it is a Feather file of version 1, from before Arrow had a file format");
        }
        if start.starts_with(MAGIC) { IpcFile::open_file(file, input) } else { IpcFile::open_stream(file, input) }
    }

    fn open_file(file: &TypedFile, input: InputFile) -> Result<IpcFile, DecodeError> {
        let trailer = file.read(file.bytes.saturating_sub(10), 10)?;
        let trailer: [u8; 10] = trailer.try_into().map_err(|_| DecodeError::Damaged("it has no footer".to_owned()))?;
        let footer_length = read_footer_length(trailer)?;
        let Some(footer_start) = (file.bytes - 10).checked_sub(footer_length as u64) else {
            return damaged("its footer is longer than the file");
        };
        let footer = file.read(footer_start, footer_length)?;
        let footer = root_as_footer(&footer).map_err(|e| DecodeError::Damaged(format!("its footer: {e}")))?;
        let schema = footer.schema().map_or_else(|| damaged("it has no schema"), schema_of)?;
        let dictionaries: Vec<Block> = footer.dictionaries().iter().flatten().copied().collect();
        let batches: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
        for block in dictionaries.iter().chain(&batches) {
            check_block(block, footer_start)?;
        }
        Ok(IpcFile { input, schema, version: footer.version(), dictionaries, batches, is_stream: false })
    }

    fn open_stream(file: &TypedFile, input: InputFile) -> Result<IpcFile, DecodeError> {
        let mut found: Option<(SchemaRef, MetadataVersion)> = None;
        let mut batches = Vec::new();
        let mut at = 0;
        // A stream ends with a length of zero, or with the file.
        while at < file.bytes {
            let prefix = file.read(at, 4)?;
            let (prefix_length, size) = if prefix == CONTINUATION { (8, file.read(at + 4, 4)?) } else { (4, prefix) };
            let size = i32::from_le_bytes(size.try_into().unwrap_or_default());
            if size == 0 {
                break;
            }
            if size < 0 {
                return damaged("it is no Arrow file");
            }
            let metadata = file.read(at + prefix_length, size as usize)?;
            let message =
                root_as_message(&metadata).map_err(|e| DecodeError::Damaged(format!("it is no Arrow file: {e}")))?;
            let block = Block::new(at as i64, prefix_length as i32 + size, message.bodyLength());
            check_block(&block, file.bytes)?;
            match (message.header_as_schema(), &found) {
                (Some(schema), None) => found = Some((schema_of(schema)?, message.version())),
                (None, Some(_)) => batches.push(block),
                _ => return damaged("a stream has one schema, at its beginning"),
            }
            at += length(&block) as u64;
        }
        let Some((schema, version)) = found else { return damaged("it has no schema") };
        Ok(IpcFile { input, schema, version, dictionaries: Vec::new(), batches, is_stream: true })
    }
}

fn schema_of(schema: IpcSchema) -> Result<SchemaRef, DecodeError> {
    if !schema.endianness().equals_to_target_endianness() {
        return damaged("its numbers have the byte order of another kind of machine");
    }
    Ok(Arc::new(fb_to_schema(schema)))
}

/// Refuses a block that lies outside the file.
fn check_block(block: &Block, end: u64) -> Result<(), DecodeError> {
    let (offset, metadata, body) = (block.offset(), i64::from(block.metaDataLength()), block.bodyLength());
    let inside = offset >= 0
        && metadata >= 8
        && body >= 0
        && offset.checked_add(metadata).and_then(|sum| sum.checked_add(body)).is_some_and(|sum| sum as u64 <= end);
    if inside { Ok(()) } else { damaged("a batch lies beyond its end") }
}

/// Refuses a message whose buffers lie outside of it, or would take more memory than there can be behind its bytes:
/// the decoder allocates what a message says.
fn check_message(message: &Message, body: &[u8]) -> Result<(), DecodeError> {
    let batch = match message.header_type() {
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|d| d.data()),
        _ => message.header_as_record_batch(),
    };
    let Some(batch) = batch else { return damaged("a message is neither a batch nor a dictionary") };
    if !(0..=i64::from(u32::MAX)).contains(&batch.length()) {
        return damaged("a batch has an absurd number of rows");
    }
    for buffer in batch.buffers().iter().flatten() {
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes = range.and_then(|(at, length)| body.get(at..at.checked_add(length)?));
        let Some(bytes) = bytes else { return damaged("a column lies beyond its batch") };
        if batch.compression().is_some() && !bytes.is_empty() {
            check_compressed(bytes)?;
        }
    }
    Ok(())
}

/// The size that a compressed buffer says that it will have: LZ4 makes at most 255 bytes of one; zstd more, but not of what
/// people store.
fn check_compressed(bytes: &[u8]) -> Result<(), DecodeError> {
    const MOST: i64 = 1 << 16;
    let size = bytes.first_chunk::<8>().map(|size| i64::from_le_bytes(*size));
    match size {
        Some(size) if size >= -1 && size / MOST <= bytes.len() as i64 => Ok(()),
        _ => damaged("a compressed column has an absurd size"),
    }
}

impl RowSource for IpcSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn text(&self) -> String {
        format!("scan ipc {}", self.paths)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.input.path.clone()).collect()
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.input.bytes).sum()
    }

    fn read<'a>(
        &'a self,
        partition: usize,
        columns: &[usize],
        _filter: Option<&Expr>,
        memory: Reservation,
    ) -> Result<Rows<'a>> {
        let Partition { file: index, batches } =
            self.partitions.get(partition).ok_or_else(|| Error::internal("an IPC source lacks a partition"))?;
        let IpcFile { input, schema, version, dictionaries, batches: all, .. } = &self.files[*index];
        let columns_of_file = &self.columns[*index];
        let places = columns_of_file.places(columns);
        let mut wanted = places.clone();
        wanted.sort_unstable();
        let file = TypedFile::open(input)?;
        let mut messages = Messages {
            decoder: FileDecoder::new(schema.clone(), *version).with_projection(wanted),
            file,
            memory,
            held: 0,
        };
        for block in dictionaries {
            messages.held += length(block);
            messages.read(block)?;
        }
        let schema = Arc::new(self.schema.project(columns)?);
        Ok(Box::new(all[batches.clone()].iter().filter_map(move |block| {
            let next = messages.read(block).and_then(|batch| {
                let gather = |batch| columns_of_file.gather(&batch, &places, &schema);
                batch.map(|batch| messages.file.decode(|| gather(batch))).transpose()
            });
            next.transpose()
        })))
    }
}

/// Decodes the messages of a file.
struct Messages {
    file: TypedFile,
    decoder: FileDecoder,
    memory: Reservation,
    /// The bytes of dictionaries.
    held: usize,
}

impl Messages {
    /// A batch, or nothing for a dictionary, which is kept.
    fn read(&mut self, block: &Block) -> Result<Option<RecordBatch>> {
        self.memory.try_resize(self.held + length(block))?;
        let (file, decoder) = (&self.file, &mut self.decoder);
        file.decode(|| -> Result<Option<RecordBatch>, DecodeError> {
            let bytes = file.read(block.offset() as u64, length(block))?;
            let (metadata, body) = bytes.split_at(block.metaDataLength() as usize);
            let prefix = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
            let message =
                root_as_message(&metadata[prefix..]).map_err(|e| DecodeError::Damaged(format!("a message: {e}")))?;
            check_message(&message, body)?;
            let is_dictionary = message.header_type() == MessageHeader::DictionaryBatch;
            let bytes = Buffer::from_vec(bytes);
            if is_dictionary {
                decoder.read_dictionary(block, &bytes)?;
                return Ok(None);
            }
            Ok(decoder.read_record_batch(block, &bytes)?)
        })
    }
}
