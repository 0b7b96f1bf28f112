//! Arrow IPC files out of batches, and several such files made one without decoding them.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::read_footer_length;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::ipc::{Block, CompressionType, FooterBuilder, MetadataVersion, convert, root_as_footer};

use super::{Compression, Encoder, Part, WriteError};
use crate::error::Error;

/// Batches are joined until they hold this many rows.
const BATCH_ROWS: usize = 1 << 16;
/// Or this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// An IPC file under way.
pub(super) struct IpcEncoder {
    writer: FileWriter<BufWriter<File>>,
    schema: SchemaRef,
    /// Rows that are no batch of the file yet.
    held: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// The columns as they stand in the file: text as offsets and bytes, which everybody reads, and without what a view's
/// block holds beside the text.
fn file_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8View => Field::new(field.name(), DataType::LargeUtf8, true),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

impl IpcEncoder {
    pub(super) fn new(file: File, compression: Compression, schema: &Schema) -> Result<IpcEncoder, WriteError> {
        let codec = match compression {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
            Compression::Snappy => return Err(Error::internal("an IPC file in snappy").into()),
        };
        let schema = file_schema(schema);
        let options = IpcWriteOptions::default().try_with_compression(codec)?;
        let writer = FileWriter::try_new_with_options(BufWriter::new(file), &schema, options)?;
        Ok(IpcEncoder { writer, schema, held: Vec::new(), rows: 0, bytes: 0 })
    }
}

impl Encoder for IpcEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(array, field)| cast(array, field.data_type()));
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<Vec<ArrayRef>, _>>()?)?;
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.held.push(batch);
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn memory(&self) -> usize {
        self.bytes
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.rows > 0 {
            let batch = concat_batches(&self.schema, &self.held)?;
            self.writer.write(&batch)?;
        }
        self.held.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.flush()?;
        Ok(self.writer.finish()?)
    }
}

/// Copies the batches of all parts, one after the other, into a new file; each part goes as soon as it is copied. The parts are files of ours: without
/// dictionaries, and with every message at a multiple of 64 bytes.
pub(super) fn join(parts: Vec<Part>, target: File, schema: &Schema) -> Result<(), WriteError> {
    let schema = file_schema(schema);
    // What a writer writes first, before any batch; the footer is our own.
    let mut out = FileWriter::try_new(BufWriter::new(target), &schema)?;
    let out = out.get_mut();
    out.flush()?;
    let mut at = out.get_ref().stream_position()?;
    let mut blocks: Vec<Block> = Vec::new();
    for part in parts {
        let mut file = File::open(part.path())?;
        let mut trailer = [0; 10];
        let end = file.seek(SeekFrom::End(-10))?;
        file.read_exact(&mut trailer)?;
        let mut footer = vec![0; read_footer_length(trailer)?];
        file.seek(SeekFrom::Start(end.saturating_sub(footer.len() as u64)))?;
        file.read_exact(&mut footer)?;
        let footer = root_as_footer(&footer).map_err(|_| Error::internal("a part has no footer"))?;
        for block in footer.recordBatches().iter().flatten() {
            file.seek(SeekFrom::Start(block.offset() as u64))?;
            let len = i64::from(block.metaDataLength()) + block.bodyLength();
            let copied = std::io::copy(&mut (&file).take(len as u64), out)?;
            if copied != len as u64 {
                return Err(Error::internal("a part is cut short").into());
            }
            blocks.push(Block::new(at as i64, block.metaDataLength(), block.bodyLength()));
            at += copied;
        }
    }
    // The end of the stream of messages, then the footer, as the format has them.
    out.write_all(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])?;
    let mut footer = Default::default();
    let fields = convert::schema_to_fb_offset(&mut footer, &schema);
    let dictionaries = footer.create_vector::<Block>(&[]);
    let blocks = footer.create_vector(&blocks);
    let root = {
        let mut builder = FooterBuilder::new(&mut footer);
        builder.add_version(MetadataVersion::V5);
        builder.add_schema(fields);
        builder.add_dictionaries(dictionaries);
        builder.add_recordBatches(blocks);
        builder.finish()
    };
    footer.finish(root, None);
    out.write_all(footer.finished_data())?;
    out.write_all(&(footer.finished_data().len() as i32).to_le_bytes())?;
    out.write_all(b"ARROW1")?;
    out.flush()?;
    Ok(())
}
