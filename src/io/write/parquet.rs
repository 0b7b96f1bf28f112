//! Parquet out of batches, and several Parquet files made one without decoding them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::ZstdLevel;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::{Compression, Encoder, Part, WriteError};

/// A row group ends at this many rows, or when it holds about as many bytes.
pub(super) const GROUP_ROWS: usize = 1 << 20;
pub(super) const GROUP_BYTES: usize = 64 << 20;

/// A Parquet file under way.
pub(super) struct ParquetEncoder(ArrowWriter<File>);

/// A dictionary of numbers has at most so many bytes: with what finds its values it stays in the cache. One that has no more room is given up
/// for the rest of a row group. Those of texts, which are longer, may be as large as the library lets them.
const NUMBERS_BYTES: usize = 1 << 18;

fn properties(compression: Compression) -> WriterPropertiesBuilder {
    use parquet::basic::Compression as Codec;
    let codec = match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
    };
    WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by(concat!("partita version ", env!("CARGO_PKG_VERSION")).to_owned())
}

/// Begins a file.
pub(super) fn begin<W: Write + Send>(
    file: W,
    compression: Compression,
    schema: SchemaRef,
) -> Result<ArrowWriter<W>, WriteError> {
    let numbers =
        schema.fields().iter().filter(|field| !matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View));
    let properties = numbers.fold(properties(compression), |properties, field| {
        properties.set_column_dictionary_page_size_limit(ColumnPath::from(field.name().as_str()), NUMBERS_BYTES)
    });
    // Without arrow's own schema, which would have others read our text as views: it is plain text to all.
    let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
    Ok(ArrowWriter::try_new_with_options(file, schema, options)?)
}

impl ParquetEncoder {
    pub(super) fn new(file: File, compression: Compression, schema: SchemaRef) -> Result<ParquetEncoder, WriteError> {
        Ok(ParquetEncoder(begin(file, compression, schema)?))
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.0.write(batch)?;
        if self.0.memory_size() >= GROUP_BYTES {
            self.0.flush()?;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.0.memory_size()
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.0.flush()?)
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        self.0.close()?;
        Ok(())
    }
}

/// So many bytes are read, or written, at a time when files are joined.
pub(super) const COPY_BYTES: usize = 1 << 20;

/// A file whose chunks are read in large pieces.
struct Chunks<'a>(&'a File);

impl Length for Chunks<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Chunks<'_> {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<BufReader<File>, ParquetError> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::with_capacity(COPY_BYTES, file))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.get_bytes(start, length)
    }
}

/// Appends the row groups of all parts, one after the other, to a new file. Each part goes as soon as it is copied, and leaves its memory
/// in the system's cache to what follows.
pub(super) fn join(parts: Vec<Part>, target: File, compression: Compression) -> Result<(), WriteError> {
    let Some(first) = parts.first() else { return Ok(()) };
    let schema = metadata(&File::open(first.path())?)?.file_metadata().schema_descr().root_schema_ptr();
    let mut target = BufWriter::with_capacity(COPY_BYTES, target);
    let mut writer = SerializedFileWriter::new(&mut target, schema, Arc::new(properties(compression).build()))?;
    for part in parts {
        let file = File::open(part.path())?;
        let metadata = metadata(&file)?;
        for (i, group) in metadata.row_groups().iter().enumerate() {
            let mut to = writer.next_row_group()?;
            for (j, column) in group.columns().iter().enumerate() {
                to.append_column(
                    &Chunks(&file),
                    ColumnCloseResult {
                        bytes_written: column.compressed_size() as u64,
                        rows_written: group.num_rows() as u64,
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: metadata.column_index().map(|index| index[i][j].clone()),
                        offset_index: metadata.offset_index().map(|index| index[i][j].clone()),
                    },
                )?;
            }
            to.close()?;
        }
    }
    writer.close()?;
    Ok(target.flush()?)
}

fn metadata(part: &File) -> Result<ParquetMetaData, ParquetError> {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.try_parse(part)?;
    reader.finish()
}
