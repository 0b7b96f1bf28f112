//! Reads one partition: block by block, each indexed, decoded, filtered and given away while it is in cache.
//!
//! A block begins with a whole record and ends in the middle of one; what is left over moves to the front of the next.
//! The columns of the filter are decoded first, the others for the rows that pass.

mod bad_rows;
pub(super) mod errors;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};
use encoding_rs::Encoding;

use super::boundary::assume_start;
use super::columns::Place;
use super::decode::spelling::Spellings;
use super::decode::text::constant;
use super::decode::{BadField, ColumnBuffer, Decoder, PADDING, Records, Rows};
use super::fields::{FieldIndex, State};
use super::options::OnBadRow;
use super::rejected::RejectedRows;
use super::rejects::Rejects;
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
    /// Where rows go that can't be read; `None` where they are errors.
    pub rejects: Option<Arc<Rejects>>,
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
        let rejects = (source.options.on_bad_row != OnBadRow::Error).then(|| Arc::new(Rejects::new(source.clone())));
        Ok(CsvScan { source, columns, schema, filter, filter_expr, sample, rejects })
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
    /// How the values of each column of the source are spelled.
    spellings: Vec<Spellings>,
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
    /// The rows that could not be read, in order.
    rejected: Option<RejectedRows>,
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
            Start::Assumed => assume_start(&input, range.clone(), csv.text.end, csv.width, &csv.text.dialect)
                .map_err(|e| io_error(&file.path, &e))?,
        };
        let at = start.unwrap_or(range.end);
        let file_name = file.path.to_string_lossy();
        Ok(CsvReader {
            scan,
            csv,
            input,
            spellings: (source.schema.fields().iter())
                .map(|f| Spellings::new(&source.options, &csv.text.dialect, csv.text.encoding, f.name()))
                .collect(),
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
            rejected: scan.rejects.as_ref().map(|rejects| rejects.rows(memory.of_holder("rejected rows"))),
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

    /// Hands in the rows that could not be read, where they are left out. `is_whole`: the partition was read to its end.
    pub(crate) fn deposit(&mut self, partition: usize, is_whole: bool) -> Result<()> {
        match (&self.scan.rejects, self.rejected.take()) {
            (Some(rejects), Some(rejected)) => {
                let stopped_at = (!is_whole).then_some(self.at + self.consumed as u64);
                rejects.put(partition, rejected, stopped_at)
            }
            _ => Ok(()),
        }
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
        let misshapen = self.index.shape(records, self.csv.width, &self.csv.text.dialect);
        if let (Some(first), None) = (misshapen.first(), &self.scan.rejects) {
            // The rows before it come first, and what is wrong in them.
            self.ragged = Some(self.ragged_row(first));
            self.index.keep_rows(first.rows, self.csv.width);
        }
        let rows = self.index.row_starts.len();
        self.rows_read += rows as u64;
        let mut scratch = std::mem::take(&mut self.scratch);
        let batch = match &self.scan.rejects {
            None => self.decode(rows, &mut scratch),
            Some(_) => self.decode_good(misshapen, &mut scratch),
        };
        self.scratch = scratch;
        self.book()?;
        batch.map(Some)
    }

    /// Fills the block and indexes its whole records: afterwards `consumed` is where they end.
    fn read_block(&mut self) -> Result<()> {
        let mut block = self.reclaim();
        let mut want = BLOCK;
        loop {
            let left = (self.csv.text.end - self.at) as usize;
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
            let csv = self.csv;
            let dialect = &csv.text.dialect;
            let at_end = self.filled == left;
            self.index.index(data, State::FieldStart, dialect, at_end);
            // The last record of this partition is the first behind which the next one begins outside it.
            let next = (self.range.end - self.at).min(usize::MAX as u64) as usize;
            let place = if let Some(place) = self.index.record_before(data, next) {
                self.finished = true;
                Some(place)
            } else {
                self.finished = at_end && self.index.end_state != Some(State::Quoted);
                self.index.last_record(data)
            };
            if let Some(place) = place {
                self.consumed = self.index.truncate_after(data, place);
                // An open quote at the end of the file is found when it is all that is left.
                break;
            }
            if self.finished {
                break;
            }
            if at_end || data.len() >= self.scan.source.options.max_record {
                if self.scan.rejects.is_none() {
                    return Err(self.endless(data));
                }
                // Its first line alone is left out: what follows may be records again.
                self.consumed = dialect.next_line(data, 0);
                let reject = self.unclosed(&data[..self.consumed], data);
                self.rejected.as_mut().map_or(Ok(()), |rejected| rejected.push(&reject))?;
                self.index.clear();
                self.finished = self.position() >= self.range.end;
                break;
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
        let CsvScan { columns, filter: scan_filter, schema, .. } = self.scan;
        let records = self.records(columns.iter().chain(scan_filter.iter().flat_map(|f| &f.columns)));
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
            let (array, bad) = self.decode_column(records, column, rows, buffer, false)?;
            let Some(bad) = bad.into_iter().next() else { return Ok(array) };
            let row = rows.row(bad.row);
            if first.as_ref().is_none_or(|(other, ..)| row < *other) {
                *first = Some((row, column, bad));
            }
            Ok(array)
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

    /// The indexed records of the block, for these columns of the source.
    fn records<'b>(&self, mut columns: impl Iterator<Item = &'b usize>) -> Records<'_> {
        let any_text = columns.any(|&column| {
            self.scan.source.types[column] == Type::Text && matches!(self.csv.places[column], Place::Field(_))
        });
        Records {
            block: &self.block,
            separators: &self.index.separators,
            starts: &self.index.starts,
            row_starts: &self.index.row_starts,
            width: self.csv.width,
            has_quotes: self.index.has_quotes,
            is_text: !any_text
                || is_text(&self.block.as_slice()[PADDING..PADDING + self.consumed], self.csv.text.encoding),
        }
    }

    /// A column of these rows, and the first of its fields that does not fit, or all of them.
    fn decode_column(
        &self,
        records: Records<'_>,
        column: usize,
        rows: Rows<'_>,
        buffer: &mut ColumnBuffer,
        all_bad: bool,
    ) -> Result<(ArrayRef, Vec<BadField>)> {
        let dtype = self.scan.source.types[column];
        let field = match self.csv.places[column] {
            Place::Field(field) => field,
            Place::Missing => return Ok((new_null_array(&dtype.arrow(), rows.len()), vec![])),
            Place::FileName => return Ok((constant(&self.file_name, rows.len(), buffer)?, vec![])),
        };
        let mut decoder = Decoder { spellings: &self.spellings[column], bad: Vec::new(), all_bad };
        let array = decoder.decode(records.column(field), rows, dtype, buffer);
        Ok((array, decoder.bad))
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
        let index = self.index.separators.capacity() + self.index.starts.capacity() + self.index.row_starts.capacity();
        // Decoded text is at most three times as long.
        let decoded = if self.csv.text.encoding.is_some() { 3 * self.filled } else { 0 };
        let rejected = self.rejected.as_ref().map_or(0, RejectedRows::unbooked);
        columns + 4 * (index + drawn.capacity() + selected.capacity()) + decoded + rejected
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

/// Whether all of a block of records is UTF-8, as one check: one for every field would cost more than reading it. That nearly all
/// blocks are ASCII is seen faster yet.
fn is_text(records: &[u8], encoding: Option<&'static Encoding>) -> bool {
    records.is_ascii() || encoding.is_none() && std::str::from_utf8(records).is_ok()
}
