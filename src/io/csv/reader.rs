//! Reads one partition: block by block, each indexed, decoded, filtered and given away while it is in cache.
//!
//! A block begins with a whole record and ends in the middle of one; what is left over moves to the front of the next.
//! The columns of the filter are decoded first, the others for the rows that pass.

mod errors;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};

use super::boundary::assume_start;
use super::columns::Place;
use super::decode::text::constant;
use super::decode::{BadField, ColumnBuffer, Decoder, Nulls, PADDING, Records, Rows};
use super::endless::endless;
use super::fields::{FieldIndex, State};
use super::source::{CsvFile, CsvSource};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, Expr, Type};
use crate::io::discover::io_error;
use crate::io::read_at::{CACHED, Input};
use crate::io::sample::{FileSample, Sample};
use crate::mem::Reservation;

/// What is read of a source: which columns, which rows.
pub(crate) struct CsvScan {
    pub source: Arc<CsvSource>,
    /// The columns that come out, as places in the source's schema.
    columns: Vec<usize>,
    /// What comes out.
    schema: SchemaRef,
    filter: Option<ScanFilter>,
    /// The filter as it was given.
    filter_expr: Option<Expr>,
    /// The rows that there are at all: others are neither decoded nor filtered.
    sample: Option<Sample>,
}

struct ScanFilter {
    expr: BoundExpr,
    /// The columns that it needs, as places in the source's schema.
    columns: Vec<usize>,
    schema: SchemaRef,
}

/// A field that does not fit: its row in the block, its column in the schema, what is wrong with it.
type Misfit = (usize, usize, BadField);

impl CsvScan {
    /// A scan of these columns of the rows that `sample` draws and `filter` lets pass.
    pub(crate) fn new(
        source: Arc<CsvSource>,
        columns: Vec<usize>,
        filter: Option<&Expr>,
        sample: Option<Sample>,
    ) -> Result<CsvScan> {
        let schema = Arc::new(source.schema.project(&columns)?);
        let filter_expr = filter.cloned();
        let filter = filter.map(|expr| ScanFilter::new(expr, &source.schema)).transpose()?;
        Ok(CsvScan { source, columns, schema, filter, filter_expr, sample })
    }

    /// The columns that come out, as places in the source's schema.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub(crate) fn filter(&self) -> Option<&Expr> {
        self.filter_expr.as_ref()
    }

    pub(crate) fn sample(&self) -> Option<Sample> {
        self.sample
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl ScanFilter {
    fn new(expr: &Expr, schema: &Schema) -> Result<ScanFilter> {
        let columns = expr.columns().iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(schema.project(&columns)?);
        Ok(ScanFilter { expr: expr.bind(&schema)?, columns, schema })
    }
}

/// Where a partition's first record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// As far as the partition's own bytes tell.
    Assumed,
    /// Here: it is the file's first record, or the partition before ended here.
    At(u64),
}

/// What a block is at first; it grows for longer records.
const BLOCK: usize = 256 << 10;
/// So far behind its partition's end a block reads on, for the rest of the last record.
const SLACK: u64 = 4 << 10;

/// How much is read before the page cache is told.
const FORGET: u64 = 4 << 20;

/// Reads the records that begin in one partition.
pub(crate) struct CsvReader<'a> {
    scan: &'a CsvScan,
    csv: &'a CsvFile,
    input: Input,
    nulls: Nulls,
    sample: Option<FileSample>,
    /// What is in the column of file names.
    file_name: Buffer,
    range: Range<u64>,
    /// Where the first record begins; `None` when none begins within the range, as far as its bytes tell.
    start: Option<u64>,
    /// `PADDING` bytes, then the bytes of the file from `at` on.
    block: Buffer,
    at: u64,
    filled: usize,
    /// The bytes of the block that are done with.
    consumed: usize,
    finished: bool,
    rows_read: u64,
    /// Up to where the page cache has been told that it may forget; `None` where it may keep all.
    forgotten: Option<u64>,
    /// The error that comes after the rows of this block.
    ragged: Option<Error>,
    index: FieldIndex,
    scratch: Scratch,
    memory: Reservation,
}

/// Buffers that go from batch to batch.
#[derive(Default)]
struct Scratch {
    columns: Vec<ColumnBuffer>,
    filter_columns: Vec<ColumnBuffer>,
    /// The rows that the sample drew.
    drawn: Vec<u32>,
    /// The rows that passed the filter.
    selected: Vec<u32>,
}

impl<'a> CsvReader<'a> {
    /// Opens partition `partition` of the scan's source.
    pub(crate) fn open(
        scan: &'a CsvScan,
        partition: usize,
        start: Start,
        memory: Reservation,
    ) -> Result<CsvReader<'a>> {
        let source = &scan.source;
        let part = &source.partitions[partition];
        let csv = &source.files[part.file];
        let file = &csv.text.input;
        let input = file.open()?;
        let range = part.range.clone();
        let start = match start {
            Start::At(at) => Some(at),
            Start::Assumed if part.exact => Some(range.start),
            Start::Assumed => assume_start(&input, range.clone(), csv.width, source.options.dialect)
                .map_err(|e| io_error(&file.path, &e))?,
        };
        let at = start.unwrap_or(range.end);
        let file_name = file.path.to_string_lossy();
        Ok(CsvReader {
            scan,
            csv,
            input,
            nulls: Nulls::new(&source.options, csv.text.encoding),
            sample: scan.sample.map(|sample| sample.of_file(&file_name)),
            file_name: Buffer::from(file_name.as_bytes()),
            start,
            block: Buffer::from_vec(Vec::<u8>::new()),
            at,
            filled: 0,
            consumed: 0,
            finished: at >= range.end,
            rows_read: 0,
            forgotten: None,
            ragged: None,
            range,
            index: FieldIndex::default(),
            scratch: Scratch {
                columns: scan.columns.iter().map(|_| ColumnBuffer::default()).collect(),
                filter_columns: scan.filter.iter().flat_map(|f| &f.columns).map(|_| ColumnBuffer::default()).collect(),
                ..Scratch::default()
            },
            memory,
        })
    }

    /// Has what is read leave the page cache behind it: for inputs so large that they would drive everything else out of it.
    pub(crate) fn forget_behind(&mut self) {
        self.forgotten = Some(self.at);
    }

    /// Tells the page cache of what was read since the last time, some megabytes at once, and the rest at the end.
    fn forget(&mut self) {
        let Some(from) = self.forgotten else { return };
        let to = match self.finished {
            true => self.position().next_multiple_of(CACHED),
            false => self.position() - self.position() % CACHED,
        };
        if to >= from + FORGET || self.finished {
            self.input.forget(from - from % CACHED..to);
            self.forgotten = Some(to);
        }
    }

    /// Where the first record begins; `None` when none seems to begin in this partition.
    pub(crate) fn start(&self) -> Option<u64> {
        self.start
    }

    /// The byte in the file up to which records have been given away: at the end, where the next partition begins.
    pub(crate) fn position(&self) -> u64 {
        self.at + self.consumed as u64
    }

    /// The rows read so far, whether they passed the filter or not.
    pub(crate) fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// The batch of the next block, perhaps of no rows; `None` after the last. Text in it views the block, which the
    /// next call reuses if nobody holds it any more.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(error) = self.ragged.take() {
            return Err(error);
        }
        self.forget();
        if self.finished {
            return Ok(None);
        }
        self.read_block()?;
        let records = &self.block.as_slice()[PADDING..PADDING + self.consumed];
        if let Err(ragged) = self.index.shape(records, self.csv.width) {
            // The rows before it come first, and what is wrong in them.
            self.ragged = Some(self.ragged_row(&ragged));
        }
        let rows = self.index.row_starts.len();
        self.rows_read += rows as u64;
        let mut scratch = std::mem::take(&mut self.scratch);
        let batch = self.decode(rows, &mut scratch);
        self.scratch = scratch;
        self.book()?;
        batch.map(Some)
    }

    /// Fills the block and indexes its whole records: afterwards `consumed` is where they end.
    fn read_block(&mut self) -> Result<()> {
        let mut block = self.reclaim();
        let mut want = BLOCK;
        loop {
            let left = (self.csv.text.input.bytes - self.at) as usize;
            // Near the partition's end only the rest of the last record is still wanted.
            let near_end = usize::try_from(self.range.end + SLACK - self.at).unwrap_or(usize::MAX);
            let size = if want == BLOCK { want.min(near_end) } else { want }.min(left);
            if block.len() < PADDING + size {
                self.memory.try_resize(self.held() + PADDING + size)?;
                block.resize(PADDING + size, 0);
            }
            let missing = &mut block[PADDING + self.filled..PADDING + size.max(self.filled)];
            let expected = missing.len();
            let read = self
                .input
                .read_at(missing, self.at + self.filled as u64)
                .map_err(|e| io_error(&self.csv.text.input.path, &e))?;
            if read < expected {
                return Err(self.csv.text.input.changed(self.at + (self.filled + read) as u64));
            }
            self.filled += read;
            let data = &block[PADDING..PADDING + self.filled];
            let dialect = self.scan.source.options.dialect;
            self.index.index(data, State::FieldStart, dialect);
            let at_end = self.filled == left;
            let in_quotes = self.index.end_state == Some(State::Quoted);
            // The last record of this partition ends at the first line end from here on.
            let from = (self.range.end - self.at - 1).min(usize::MAX as u64) as usize;
            let line_end = if let Some(i) = self.index.line_end_from(data, from) {
                self.finished = true;
                Some(i)
            } else if at_end && !in_quotes {
                if data.last() != Some(&b'\n') {
                    self.index.close(data.len());
                }
                self.finished = true;
                self.index.last_line_end(data)
            } else {
                self.index.last_line_end(data)
            };
            let unfinished = match line_end {
                Some(i) => {
                    self.consumed = self.index.truncate_after(data, i);
                    // An open quote at the end of the file is found when it is all that is left.
                    break;
                }
                None => data,
            };
            if at_end || unfinished.len() >= self.scan.source.options.max_record {
                return Err(endless(unfinished, &self.scan.source.options, |offset| {
                    self.position_of(self.at + offset as u64, None)
                }));
            }
            want = (want.max(self.filled) * 2).min(self.scan.source.options.max_record.max(BLOCK) + BLOCK);
        }
        self.block = Buffer::from_vec(block);
        Ok(())
    }

    /// The block as a vector again, what is left over at its front. Where a consumer still views it, that keeps it.
    fn reclaim(&mut self) -> Vec<u8> {
        let left_over = PADDING + self.consumed..PADDING + self.filled;
        let block = match std::mem::replace(&mut self.block, Buffer::from_vec(Vec::<u8>::new())).into_vec::<u8>() {
            Ok(mut block) => {
                if !block.is_empty() {
                    block.copy_within(left_over, PADDING);
                }
                block
            }
            Err(viewed) => {
                let mut block = vec![0; viewed.len()];
                block[PADDING..PADDING + left_over.len()].copy_from_slice(&viewed[left_over]);
                block
            }
        };
        self.at += self.consumed as u64;
        self.filled -= self.consumed;
        self.consumed = 0;
        block
    }

    /// Decodes the rows of the block that are drawn and pass the filter.
    fn decode(&self, rows: usize, scratch: &mut Scratch) -> Result<RecordBatch> {
        let CsvScan { source, columns, filter: scan_filter, schema, .. } = self.scan;
        let text =
            |&column: &usize| source.types[column] == Type::Text && matches!(self.csv.places[column], Place::Field(_));
        let any_text = columns.iter().any(text) || scan_filter.iter().flat_map(|f| &f.columns).any(text);
        let records = Records {
            block: &self.block,
            separators: &self.index.separators,
            row_starts: &self.index.row_starts,
            width: self.csv.width,
            has_quotes: self.index.has_quotes,
            is_ascii: !any_text || self.block.as_slice()[PADDING..PADDING + self.consumed].is_ascii(),
        };
        let decoder = Decoder { dialect: source.options.dialect, nulls: &self.nulls };
        let Scratch { columns: buffers, filter_columns, drawn, selected } = scratch;
        let rows = match self.sample {
            None => Rows::All(rows),
            Some(sample) => {
                drawn.clear();
                let starts = self.index.row_starts.iter().zip(0..);
                drawn.extend(starts.filter(|(start, _)| sample.is_drawn(self.at + u64::from(**start))).map(|(_, i)| i));
                Rows::These(drawn)
            }
        };
        // Where several columns have a field that does not fit, the first row's is the one to tell of, wherever the
        // block was cut.
        let mut first: Option<Misfit> = None;
        let decode = |column: usize,
                      rows: Rows<'_>,
                      buffer: &mut ColumnBuffer,
                      first: &mut Option<Misfit>|
         -> Result<ArrayRef> {
            let dtype = source.types[column];
            let field = match self.csv.places[column] {
                Place::Field(field) => field,
                Place::Missing => return Ok(new_null_array(&dtype.arrow(), rows.len())),
                Place::FileName => return constant(&self.file_name, rows.len(), buffer),
            };
            Ok(match decoder.decode(records.column(field), rows, dtype, buffer) {
                Ok(array) => array,
                Err(bad) => {
                    let row = rows.row(bad.row);
                    if first.as_ref().is_none_or(|(other, ..)| row < *other) {
                        *first = Some((row, column, bad));
                    }
                    new_null_array(&dtype.arrow(), 0)
                }
            })
        };
        let Some(scan_filter) = scan_filter else {
            let arrays = columns.iter().zip(buffers).map(|(&c, b)| decode(c, rows, b, &mut first));
            let arrays = arrays.collect::<Result<_>>()?;
            self.refuse(&records, first)?;
            return to_batch(schema, arrays, rows.len());
        };
        let tested = scan_filter.columns.iter().zip(filter_columns).map(|(&c, b)| decode(c, rows, b, &mut first));
        let tested = tested.collect::<Result<_>>()?;
        self.refuse(&records, first.take())?;
        let tested = to_batch(&scan_filter.schema, tested, rows.len())?;
        let mask = scan_filter.expr.eval_mask(&tested)?;
        let passed = mask.true_count();
        let all_passed = passed == rows.len();
        selected.clear();
        if 0 < passed && !all_passed {
            let passed = mask.values().set_indices();
            match rows {
                Rows::All(_) => selected.extend(passed.map(|i| i as u32)),
                Rows::These(drawn) => selected.extend(passed.map(|i| drawn[i])),
            }
        }
        let selection = if all_passed { rows } else { Rows::These(selected) };
        let mut arrays = Vec::with_capacity(columns.len());
        for (&column, buffer) in columns.iter().zip(buffers) {
            arrays.push(match scan_filter.columns.iter().position(|&c| c == column) {
                Some(i) if all_passed => tested.column(i).clone(),
                Some(i) => filter(tested.column(i), &mask)?,
                None => decode(column, selection, buffer, &mut first)?,
            });
        }
        self.refuse(&records, first)?;
        to_batch(schema, arrays, passed)
    }

    /// An error for a field that does not fit, if there is one.
    fn refuse(&self, records: &Records<'_>, bad: Option<Misfit>) -> Result<()> {
        match bad {
            Some((row, column, bad)) => Err(self.bad_field(records, column, row, &bad)),
            None => Ok(()),
        }
    }

    /// What the reader holds beside the block.
    fn held(&self) -> usize {
        let Scratch { columns, filter_columns, drawn, selected } = &self.scratch;
        let columns: usize = columns.iter().chain(filter_columns).map(ColumnBuffer::bytes).sum();
        let index = self.index.separators.capacity() + self.index.row_starts.capacity();
        // Decoded text is at most three times as long.
        let decoded = if self.csv.text.encoding.is_some() { 3 * self.filled } else { 0 };
        columns + 4 * (index + drawn.capacity() + selected.capacity()) + decoded
    }

    fn book(&mut self) -> Result<()> {
        let held = self.held() + self.block.capacity();
        if held > self.memory.bytes() { self.memory.try_resize(held) } else { Ok(()) }
    }
}

fn to_batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}
