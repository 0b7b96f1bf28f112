//! Reads one partition: block by block, each indexed, decoded, filtered and given away while it is in cache.
//!
//! A block begins with a whole record and ends in the middle of one; what is left over moves to the front of the next.
//! The columns of the filter are decoded first, the others for the rows that pass.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};

use super::boundary::assume_start;
use super::decode::{BadField, BadReason, ColumnBuffer, Decoder, Nulls, PADDING, Records, Rows};
use super::endless::endless;
use super::fields::{FieldIndex, Ragged, State};
use super::infer::{type_of, widen};
use super::source::{CsvFile, CsvSource};
use crate::error::{Error, ErrorKind, Position, Result};
use crate::expr::{BoundExpr, Expr, Type};
use crate::io::discover::io_error;
use crate::io::read_at::{line_of, read_at};
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
    nulls: Nulls,
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
    /// A scan of these columns of the rows that `filter` lets pass.
    pub(crate) fn new(source: Arc<CsvSource>, columns: Vec<usize>, filter: Option<&Expr>) -> Result<CsvScan> {
        let schema = Arc::new(source.schema.project(&columns)?);
        let filter_expr = filter.cloned();
        let filter = filter.map(|expr| ScanFilter::new(expr, &source.schema)).transpose()?;
        let nulls = Nulls::new(&source.options);
        Ok(CsvScan { source, columns, schema, filter, filter_expr, nulls })
    }

    /// The columns that come out, as places in the source's schema.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub(crate) fn filter(&self) -> Option<&Expr> {
        self.filter_expr.as_ref()
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

/// Reads the records that begin in one partition.
pub(crate) struct CsvReader<'a> {
    scan: &'a CsvScan,
    csv: &'a CsvFile,
    file: File,
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
        let path = &csv.input.path;
        let file = File::open(path).map_err(|e| io_error(path, &e))?;
        let found = file.metadata().map_err(|e| io_error(path, &e))?.len();
        if found != csv.input.bytes {
            return Err(changed(csv, found));
        }
        let range = part.range.clone();
        let start = match start {
            Start::At(at) => Some(at),
            Start::Assumed if part.exact => Some(range.start),
            Start::Assumed => {
                assume_start(&file, range.clone(), csv.width, source.options.dialect).map_err(|e| io_error(path, &e))?
            }
        };
        let at = start.unwrap_or(range.end);
        Ok(CsvReader {
            scan,
            csv,
            file,
            start,
            block: Buffer::from_vec(Vec::<u8>::new()),
            at,
            filled: 0,
            consumed: 0,
            finished: at >= range.end,
            rows_read: 0,
            ragged: None,
            range,
            index: FieldIndex::default(),
            scratch: Scratch {
                columns: scan.columns.iter().map(|_| ColumnBuffer::default()).collect(),
                filter_columns: scan.filter.iter().flat_map(|f| &f.columns).map(|_| ColumnBuffer::default()).collect(),
                selected: Vec::new(),
            },
            memory,
        })
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
            let left = (self.csv.input.bytes - self.at) as usize;
            // Near the partition's end only the rest of the last record is still wanted.
            let near_end = usize::try_from(self.range.end + SLACK - self.at).unwrap_or(usize::MAX);
            let size = if want == BLOCK { want.min(near_end) } else { want }.min(left);
            if block.len() < PADDING + size {
                self.memory.try_resize(self.held() + PADDING + size)?;
                block.resize(PADDING + size, 0);
            }
            let missing = &mut block[PADDING + self.filled..PADDING + size.max(self.filled)];
            let expected = missing.len();
            let read = read_at(&self.file, missing, self.at + self.filled as u64)
                .map_err(|e| io_error(&self.csv.input.path, &e))?;
            if read < expected {
                return Err(changed(self.csv, self.at + (self.filled + read) as u64));
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

    /// Decodes the rows of the block that pass the filter.
    fn decode(&self, rows: usize, scratch: &mut Scratch) -> Result<RecordBatch> {
        let CsvScan { source, columns, filter: scan_filter, nulls, schema, .. } = self.scan;
        let text = |&column: &usize| source.types[column] == Type::Text;
        let any_text = columns.iter().any(text) || scan_filter.iter().flat_map(|f| &f.columns).any(text);
        let records = Records {
            block: &self.block,
            separators: &self.index.separators,
            row_starts: &self.index.row_starts,
            width: self.csv.width,
            has_quotes: self.index.has_quotes,
            is_ascii: !any_text || self.block.as_slice()[PADDING..PADDING + self.consumed].is_ascii(),
        };
        let decoder = Decoder { dialect: source.options.dialect, nulls };
        // Where several columns have a field that does not fit, the first row's is the one to tell of, wherever the
        // block was cut.
        let mut first: Option<Misfit> = None;
        let decode =
            |column: usize, rows: Rows<'_>, buffer: &mut ColumnBuffer, first: &mut Option<Misfit>| -> ArrayRef {
                let field = self.csv.fields[column];
                match decoder.decode(records.column(field), rows, source.types[column], buffer) {
                    Ok(array) => array,
                    Err(bad) => {
                        let row = rows.row(bad.row);
                        if first.as_ref().is_none_or(|(other, ..)| row < *other) {
                            *first = Some((row, column, bad));
                        }
                        new_null_array(&source.types[column].arrow(), 0)
                    }
                }
            };
        let Some(scan_filter) = scan_filter else {
            let arrays = columns
                .iter()
                .zip(&mut scratch.columns)
                .map(|(&c, b)| decode(c, Rows::All(rows), b, &mut first))
                .collect();
            self.refuse(&records, first)?;
            return to_batch(schema, arrays, rows);
        };
        let tested = scan_filter
            .columns
            .iter()
            .zip(&mut scratch.filter_columns)
            .map(|(&c, b)| decode(c, Rows::All(rows), b, &mut first));
        let tested = tested.collect();
        self.refuse(&records, first.take())?;
        let tested = to_batch(&scan_filter.schema, tested, rows)?;
        let mask = scan_filter.expr.eval_mask(&tested)?;
        let passed = mask.true_count();
        scratch.selected.clear();
        if 0 < passed && passed < rows {
            scratch.selected.extend(mask.values().set_indices().map(|i| i as u32));
        }
        let selection = if passed == rows { Rows::All(rows) } else { Rows::These(&scratch.selected) };
        let mut arrays = Vec::with_capacity(columns.len());
        for (&column, buffer) in columns.iter().zip(&mut scratch.columns) {
            arrays.push(match scan_filter.columns.iter().position(|&c| c == column) {
                Some(i) if passed == rows => tested.column(i).clone(),
                Some(i) => filter(tested.column(i), &mask)?,
                None => decode(column, selection, buffer, &mut first),
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
        let Scratch { columns, filter_columns, selected } = &self.scratch;
        let columns: usize = columns.iter().chain(filter_columns).map(ColumnBuffer::bytes).sum();
        let index = self.index.separators.capacity() + self.index.row_starts.capacity() + selected.capacity();
        columns + 4 * index
    }

    fn book(&mut self) -> Result<()> {
        let held = self.held() + self.block.capacity();
        if held > self.memory.bytes() { self.memory.try_resize(held) } else { Ok(()) }
    }

    /// A place in the file; the line is counted from its start.
    fn position_of(&self, byte: u64, column: Option<usize>) -> Position {
        Position {
            file: self.csv.input.path.clone(),
            line: line_of(&self.file, byte).ok(),
            byte: Some(byte),
            column: column.map(|c| self.scan.source.schema.field(c).name().clone()),
        }
    }

    fn bad_field(&self, records: &Records<'_>, column: usize, row: usize, bad: &BadField) -> Error {
        let (start, end) = records.column(self.csv.fields[column]).field(row);
        let value = shorten(&self.block.as_slice()[start..end]);
        let name = self.scan.source.schema.field(column).name();
        let error = match bad.reason {
            BadReason::NotOfType => {
                let dtype = self.scan.source.types[column];
                let wider = widen(dtype, type_of(&self.block.as_slice()[start..end], &self.scan.source.options));
                Error::new(ErrorKind::Value, format!("column '{name}' is {dtype}, and {value} is not")).help(format!(
                    "read the column as {wider} with CsvOptions::dtype(\"{name}\", Type::{wider:?}), or, if this spelling \
                     means a missing value, add it to CsvOptions::nulls"
                ))
            }
            BadReason::NotUtf8 => {
                Error::new(ErrorKind::Value, format!("column '{name}' is text, and {value} is not UTF-8"))
                    .help("convert the file to UTF-8")
            }
        };
        error.at(self.position_of(self.at + (start - PADDING) as u64, Some(column)))
    }

    fn ragged_row(&self, ragged: &Ragged) -> Error {
        let plural = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
        Error::new(ErrorKind::Malformed, format!("a row has {}, the header {}", plural(ragged.fields), self.csv.width))
            .at(self.position_of(self.at + u64::from(ragged.row_start), None))
            .help("fields that hold the delimiter must be quoted; is the delimiter right (CsvOptions::delimiter)?")
    }
}

fn to_batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}

fn changed(csv: &CsvFile, found: u64) -> Error {
    let expected = csv.input.bytes;
    Error::new(ErrorKind::Io, format!("the file changed during the run: it had {expected} bytes, now {found}"))
        .at(Position { file: csv.input.path.clone(), ..Position::default() })
        .help("run again once nobody writes to it")
}

/// A field for an error message: quoted, escaped, at most 40 characters.
fn shorten(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(&raw[..raw.len().min(200)]);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < raw.len() && text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("{short:?}")
}
