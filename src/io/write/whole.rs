//! A Parquet file that many write to at once: each encodes row groups of its own, and appends them as they are full.
//!
//! So nothing is copied when all are done. Row groups stand in the file as they came; the footer, which alone says where they are,
//! names them in the order of the rows. Those of a part that was dropped, and made again, stay there with no name.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData};
use parquet::file::writer::SerializedFileWriter;
use tempfile::TempPath;

use super::parquet::{COPY_BYTES, GROUP_BYTES, GROUP_ROWS, begin};
use super::{Compression, Encoder, Part, Target, WriteError};
use crate::error::Error;

/// The file.
pub(crate) struct WholeFile {
    written: Mutex<Written>,
    groups: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// How many parts there are.
    parts: AtomicUsize,
}

struct Written {
    writer: SerializedFileWriter<BufWriter<File>>,
    /// The part that each row group is of.
    parts: Vec<usize>,
    /// The same file; none once it is complete.
    file: Option<(File, TempPath)>,
    /// Why a row group could not be written: nobody can write behind it.
    failed: Option<(io::ErrorKind, String)>,
}

/// Some rows of the file: row groups that follow each other in the order of the rows.
struct GroupsEncoder {
    whole: Arc<WholeFile>,
    part: usize,
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

/// So many rows are encoded at a time, column by column: few enough that what the library works out of a column stays in the cache.
const AT_ONCE: usize = 1 << 12;

/// The length of a footer, and the mark behind it.
const FOOTER_END: i64 = 8;

impl WholeFile {
    pub(crate) fn create(
        target: &Target,
        compression: Compression,
        schema: &SchemaRef,
    ) -> Result<WholeFile, WriteError> {
        let (file, path) = target.new_file()?;
        WholeFile::of(file, path, compression, schema)
    }

    fn of(file: File, path: TempPath, compression: Compression, schema: &SchemaRef) -> Result<WholeFile, WriteError> {
        let buffered = BufWriter::with_capacity(COPY_BYTES, file.try_clone()?);
        let (writer, groups) = begin(buffered, compression, schema.clone())?.into_serialized_writer()?;
        let written = Mutex::new(Written { writer, parts: Vec::new(), file: Some((file, path)), failed: None });
        Ok(WholeFile { written, groups, schema: schema.clone(), parts: AtomicUsize::new(0) })
    }

    /// The number of a new part, and what encodes its rows.
    pub(crate) fn part(self: &Arc<WholeFile>) -> (usize, Box<dyn Encoder>) {
        let part = self.parts.fetch_add(1, Ordering::Relaxed);
        (part, Box::new(GroupsEncoder { whole: self.clone(), part, columns: Vec::new(), rows: 0 }))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of these parts in this order; what others wrote is not in its footer.
    pub(crate) fn complete(&self, parts: &[usize]) -> Result<Part, WriteError> {
        let mut written = self.written();
        written.check()?;
        let (file, path) = written.file.take().ok_or_else(|| Error::internal("a file is completed twice"))?;
        let metadata = written.writer.finish()?;
        let mut places = vec![None; self.parts.load(Ordering::Relaxed)];
        parts.iter().enumerate().for_each(|(place, part)| places[*part] = Some(place));
        let groups = written.parts.iter().enumerate();
        let mut order: Vec<(usize, usize)> = groups.filter_map(|(group, part)| Some((places[*part]?, group))).collect();
        order.sort_unstable();
        let group = |(nth, (_, group)): (usize, &(usize, usize))| numbered(metadata.row_group(*group), nth);
        let groups = order.iter().enumerate().map(group).collect::<Result<Vec<_>, _>>()?;
        let rows = groups.iter().map(|group| group.num_rows() as u64).sum();
        if groups != metadata.row_groups() {
            write_footer(file, ParquetMetaData::new(metadata.file_metadata().clone(), groups))?;
        }
        Ok(Part::new(path, rows)?)
    }
}

impl Written {
    /// What stopped another writer stops all.
    fn check(&self) -> Result<(), WriteError> {
        let again = |(kind, what): &(io::ErrorKind, String)| WriteError::Io(io::Error::new(*kind, what.clone()));
        self.failed.as_ref().map_or(Ok(()), |failed| Err(again(failed)))
    }

    /// Writes a row group of a part.
    fn append(&mut self, part: usize, columns: Vec<ArrowColumnChunk>) -> Result<(), WriteError> {
        self.check()?;
        let written = self.writer.next_row_group().and_then(|mut group| {
            columns.into_iter().try_for_each(|column| column.append_to_row_group(&mut group))?;
            group.close()
        });
        match written.map_err(WriteError::from) {
            Ok(_) => self.parts.push(part),
            Err(error) => {
                if let WriteError::Io(error) = &error {
                    self.failed = Some((error.kind(), error.to_string()));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

fn numbered(group: &RowGroupMetaData, nth: usize) -> Result<RowGroupMetaData, ParquetError> {
    let nth = i16::try_from(nth).map_err(|e| ParquetError::External(Box::new(e)))?;
    group.clone().into_builder().set_ordinal(nth).build()
}

/// Writes this footer in place of the one that a file has.
fn write_footer(mut file: File, metadata: ParquetMetaData) -> Result<(), WriteError> {
    let end = file.seek(SeekFrom::End(-FOOTER_END))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let start = end.checked_sub(u32::from_le_bytes(length).into());
    let start = start.ok_or_else(|| Error::internal("a footer is longer than its file"))?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &metadata).finish()?;
    Ok(file.write_all(&footer)?)
}

impl GroupsEncoder {
    /// Rows that fit into the row group.
    fn write_some(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if self.columns.is_empty() {
            self.columns = self.whole.groups.create_column_writers(0)?;
        }
        let mut columns = self.columns.iter_mut();
        for (field, array) in self.whole.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array)? {
                columns.next().ok_or_else(|| Error::internal("a column has no writer"))?.write(&leaf)?;
            }
        }
        self.rows += batch.num_rows();
        if self.rows >= GROUP_ROWS || self.memory() >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }
}

impl Encoder for GroupsEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(GROUP_ROWS - self.rows).min(AT_ONCE);
            self.write_some(&batch.slice(start, rows))?;
            start += rows;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.columns.iter().map(ArrowColumnWriter::memory_size).sum()
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.rows == 0 {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns).into_iter();
        let columns = columns.map(ArrowColumnWriter::close).collect::<Result<Vec<_>, _>>()?;
        self.rows = 0;
        self.whole.written().append(self.part, columns)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::file::metadata::PageIndexPolicy;

    use super::*;

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
        let texts: ArrayRef =
            Arc::new(StringViewArray::from_iter_values(rows.map(|i| format!("row number {}", i % 9))));
        RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
    }

    /// What a reader finds in a file whose parts were written in turns, the numbers of each row group's first and last row.
    fn written(order: &[usize]) -> Vec<(i64, i64)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let target = Target::open(&path, false, false, &[]).unwrap();
        let done = |result: Result<_, WriteError>| result.map_err(|e| e.of(&path)).unwrap();
        let whole = Arc::new(
            WholeFile::create(&target, Compression::Snappy, &batch(0..0).schema()).map_err(|e| e.of(&path)).unwrap(),
        );
        let (mut first, mut second, mut dropped) = (whole.part(), whole.part(), whole.part());
        assert_eq!((first.0, second.0, dropped.0), (0, 1, 2));
        for round in 0..2 {
            for (at, (_, encoder)) in [(1000, &mut second), (500, &mut dropped), (0, &mut first)] {
                done(encoder.write(&batch(at + round * 100..at + round * 100 + 100)));
                assert!(encoder.memory() > 0);
                done(encoder.flush());
                done(encoder.flush());
                assert_eq!(encoder.memory(), 0);
            }
        }
        done(second.1.write(&batch(1200..1300)));
        [first, second].into_iter().for_each(|(_, encoder)| done(encoder.finish()));
        drop(dropped);
        let part = whole.complete(order).map_err(|e| e.of(&path)).unwrap();
        let rows = part.rows;
        target.publish_file(part).unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let reader =
            ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(&path).unwrap(), options).unwrap();
        let metadata = reader.metadata().clone();
        assert_eq!(metadata.file_metadata().num_rows() as u64, rows);
        for (i, group) in metadata.row_groups().iter().enumerate() {
            assert_eq!(group.ordinal(), Some(i as i16));
            for (j, column) in group.columns().iter().enumerate() {
                let (start, length) = column.byte_range();
                let pages = metadata.offset_index().unwrap()[i][j].page_locations();
                assert!(pages.iter().all(|page| (start..start + length).contains(&(page.offset as u64))));
            }
        }
        let batches: Vec<RecordBatch> = reader.with_batch_size(100).build().unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), rows);
        let ends = batches.iter().map(|found| {
            let numbers = found.column(0).as_primitive::<Int64Type>().values();
            let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
            assert!(
                found.column(1).as_string::<i32>().iter().eq(batch(first..last + 1).column(1).as_string_view().iter())
            );
            (first, last)
        });
        ends.collect()
    }

    #[test]
    fn the_footer_has_the_parts_in_the_order_of_their_rows() {
        let first = [(0, 99), (100, 199)];
        let second = [(1000, 1099), (1100, 1199), (1200, 1299)];
        assert_eq!(written(&[0, 1]), [&first[..], &second].concat());
        assert_eq!(written(&[1, 0]), [&second[..], &first].concat());
        assert_eq!(written(&[1]), second);
        assert_eq!(written(&[]), []);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_told_to_all_who_write() {
        let all = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(0..1 << 19)) as ArrayRef)])
            .unwrap();
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let whole = WholeFile::of(full, path, Compression::None, &all.schema());
        let whole = Arc::new(whole.map_err(|e| e.of("x".as_ref())).unwrap());
        let parts = [whole.part(), whole.part()];
        for (_, mut encoder) in parts {
            let written = encoder.write(&all).and_then(|()| encoder.finish());
            assert!(matches!(written, Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
        }
        assert!(
            matches!(whole.complete(&[0, 1]), Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
    }

    #[test]
    fn row_groups_end_where_they_are_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let target = Target::open(&path, false, false, &[]).unwrap();
        let rows = (GROUP_ROWS * 5 / 2) as i64;
        let all =
            RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef)]).unwrap();
        let whole = WholeFile::create(&target, Compression::None, &all.schema()).map_err(|e| e.of(&path)).unwrap();
        let (whole, half) = (Arc::new(whole), all.num_rows() / 2);
        let (part, mut encoder) = whole.part();
        for start in [0, half] {
            encoder.write(&all.slice(start, half)).map_err(|e| e.of(&path)).unwrap();
        }
        encoder.finish().map_err(|e| e.of(&path)).unwrap();
        target.publish_file(whole.complete(&[part]).map_err(|e| e.of(&path)).unwrap()).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let groups = reader.metadata().row_groups().iter().map(|group| group.num_rows() as usize);
        assert!(groups.eq([GROUP_ROWS, GROUP_ROWS, GROUP_ROWS / 2]));
        let mut next = 0;
        for batch in reader.build().unwrap() {
            let numbers = batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec();
            assert!(numbers.iter().copied().eq(next..next + numbers.len() as i64));
            next += numbers.len() as i64;
        }
        assert_eq!(next, rows);
    }
}
