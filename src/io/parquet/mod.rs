//! Parquet files as a source: partitions are runs of row groups, of which only the columns wanted are read.
//!
//! Row groups for which a filter is certainly false, by their statistics, are not read at all.

mod prune;

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::discover::{InputFile, Paths, discover};
use super::spool::Spool;
use super::typed::{DecodeError, FileColumns, TypedFile, agree, runs};
use super::{RowSource, Rows};
use crate::config::PartitionSize;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::mem::Reservation;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// What is held at a time of a column: about a page, as most writers cut them.
const PAGE_BYTES: i64 = 1 << 20;

/// Parquet files that are read as one table. It holds their metadata, and no rows.
#[derive(Debug)]
pub(crate) struct ParquetSource {
    paths: Paths,
    schema: SchemaRef,
    files: Vec<ParquetFile>,
    partitions: Vec<Partition>,
}

#[derive(Debug)]
struct ParquetFile {
    input: InputFile,
    metadata: ArrowReaderMetadata,
    columns: FileColumns,
}

/// Row groups of a file.
#[derive(Debug)]
struct Partition {
    file: usize,
    groups: std::ops::Range<usize>,
}

impl ParquetSource {
    /// Reads the metadata of all files.
    ///
    /// # Errors
    /// What [`discover`] and [`agree`] say; files that are damaged or no Parquet.
    pub(crate) fn open(paths: Paths, size: PartitionSize, spool: &mut Spool) -> Result<ParquetSource> {
        let inputs = discover(&paths, spool)?;
        let mut metadata = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let file = TypedFile::open(input)?;
            metadata.push(file.decode(|| load(&file))?);
        }
        let schemas = inputs.iter().zip(&metadata).map(|(input, m)| (input.path.as_path(), m.schema().clone()));
        let (schema, columns) = agree(schemas.collect())?;
        let files = inputs.into_iter().zip(metadata).zip(columns);
        let files: Vec<ParquetFile> =
            files.map(|((input, metadata), columns)| ParquetFile { input, metadata, columns }).collect();
        let groups = |file: &ParquetFile| {
            let groups = file.metadata.metadata().row_groups();
            groups.iter().map(|group| group.compressed_size().max(0) as u64).collect()
        };
        let runs = runs(&files.iter().map(groups).collect::<Vec<_>>(), size);
        let mut partitions: Vec<_> = runs.into_iter().map(|(file, groups)| Partition { file, groups }).collect();
        if partitions.is_empty() {
            // No rows, but something to begin with.
            partitions.push(Partition { file: 0, groups: 0..0 });
        }
        Ok(ParquetSource { paths, schema, files, partitions })
    }
}

/// The metadata of a file, whose text is to come as views.
fn load(file: &TypedFile) -> Result<ArrowReaderMetadata, DecodeError> {
    // The types of Parquet alone, not those that the writing program had in memory.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let loaded = ArrowReaderMetadata::load(&Chunks(file.clone()), options.clone())?;
    for group in loaded.metadata().row_groups() {
        // Without columns to read, the rows are those that the metadata promises.
        let rows = group.num_rows();
        if rows < 0 || group.columns().iter().any(|c| c.column_descr().max_rep_level() == 0 && c.num_values() != rows) {
            return Err(DecodeError::Damaged("columns of a row group differ in their rows".to_owned()));
        }
    }
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    let schema = loaded.schema();
    let views =
        Schema::new_with_metadata(schema.fields().iter().map(view).collect::<Vec<_>>(), schema.metadata().clone());
    Ok(ArrowReaderMetadata::try_new(loaded.metadata().clone(), options.with_schema(Arc::new(views)))?)
}

impl RowSource for ParquetSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn text(&self) -> String {
        format!("scan parquet {}", self.paths)
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
        filter: Option<&Expr>,
        mut memory: Reservation,
    ) -> Result<Rows<'a>> {
        let Partition { file, groups } =
            self.partitions.get(partition).ok_or_else(|| Error::internal("a Parquet source lacks a partition"))?;
        let ParquetFile { input, metadata, columns: file_columns } = &self.files[*file];
        let all = metadata.metadata().row_groups();
        let kept: Vec<usize> = match filter {
            Some(filter) => {
                let may = prune::may_hold(filter, &self.schema, file_columns, metadata, &all[groups.clone()]);
                groups.clone().zip(may).filter(|(_, may)| *may).map(|(group, _)| group).collect()
            }
            None => groups.clone().collect(),
        };
        if kept.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let places = file_columns.places(columns);
        memory.try_resize(kept.iter().map(|&group| held(&all[group], &places)).max().unwrap_or(0))?;
        let file = TypedFile::open(input)?;
        let reader = file.decode(|| {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(Chunks(file.clone()), metadata.clone())
                .with_row_groups(kept)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()
        })?;
        let schema = Arc::new(self.schema.project(columns)?);
        Ok(Box::new(Batches { file, reader: Some(reader), columns: file_columns, places, schema, _memory: memory }))
    }
}

/// About what is held while columns of a row group are decoded.
fn held(group: &RowGroupMetaData, places: &[usize]) -> usize {
    let of = |&place: &usize| group.columns().get(place).map_or(0, |column| column.uncompressed_size());
    places.iter().map(of).map(|bytes| bytes.clamp(0, PAGE_BYTES) as usize).sum()
}

/// The batches of a partition.
struct Batches<'a> {
    file: TypedFile,
    /// None after the last batch or an error.
    reader: Option<ParquetRecordBatchReader>,
    columns: &'a FileColumns,
    places: Vec<usize>,
    schema: SchemaRef,
    _memory: Reservation,
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let reader = self.reader.as_mut()?;
        let next = self.file.decode(|| match reader.next().transpose() {
            Ok(Some(batch)) => Ok(Some(self.columns.gather(&batch, &self.places, &self.schema)?)),
            Ok(None) => Ok(None),
            Err(error) => Err(DecodeError::from(error)),
        });
        if !matches!(next, Ok(Some(_))) {
            self.reader = None;
        }
        next.transpose()
    }
}

/// A file as the Parquet reader wants it.
struct Chunks(TypedFile);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Box<dyn Read + Send>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Box::new(self.0.reader(start))))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.0.read(start, length).map_err(|e| ParquetError::External(Box::new(e)))?.into())
    }
}
