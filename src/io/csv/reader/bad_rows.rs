//! Rows that can't be read, where they are to be left out: all columns are decoded before anything is filtered, so that each
//! row either arrives or is rejected, whatever the query.

use std::collections::BTreeMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;

use super::{CsvReader, Scratch, to_batch};
use crate::error::Result;
use crate::io::csv::decode::{BadField, ColumnBuffer, PADDING, Rows};
use crate::io::csv::fields::{Misshapen, open_quote, record_at};
use crate::io::csv::options::OnBadRow;
use crate::io::csv::rejected::Reject;

impl CsvReader<'_> {
    /// The rows of the block that can be read, are drawn and pass the filter. The others are rejected.
    pub(super) fn decode_good(&mut self, misshapen: Vec<Misshapen>, scratch: &mut Scratch) -> Result<RecordBatch> {
        let source = &self.scan.source;
        let rows = self.index.row_starts.len();
        let columns: Vec<usize> = (0..source.types.len()).collect();
        scratch.columns.resize_with(columns.len(), ColumnBuffer::default);
        let records = self.records(columns.iter());
        let mut bad: BTreeMap<usize, (usize, BadField)> = BTreeMap::new();
        let mut arrays = Vec::with_capacity(columns.len());
        for (&column, buffer) in columns.iter().zip(&mut scratch.columns) {
            let (array, misfits) = self.decode_column(records, column, Rows::All(rows), buffer, true)?;
            for misfit in misfits {
                // Of several in a row the leftmost counts.
                bad.entry(misfit.row).or_insert((column, misfit));
            }
            arrays.push(array);
        }
        let drawn = |row: usize| {
            self.sample.is_none_or(|sample| sample.is_drawn(self.at + u64::from(self.index.row_starts[row])))
        };
        let keep = BooleanBuffer::collect_bool(rows, |row| !bad.contains_key(&row) && drawn(row));
        let mut rejected: Vec<(u32, Reject)> = Vec::new();
        for (&row, (column, misfit)) in &bad {
            let start = self.index.row_starts[row];
            if let Some(fault) = self.misfit(&records, *column, row, misfit) {
                if fault.is_good() {
                    return Err(self.error(fault));
                }
                rejected.push((start, self.reject(start, fault)));
            }
        }
        rejected
            .extend(misshapen.iter().map(|ragged| (ragged.start, self.reject(ragged.start, self.misshapen(ragged)))));
        rejected.sort_by_key(|(start, _)| *start);
        let mut batch = to_batch(&source.schema, arrays, rows)?;
        if keep.count_set_bits() < rows {
            batch = filter_record_batch(&batch, &BooleanArray::new(keep, None))?;
        }
        if let Some(filter) = &self.scan.filter {
            let mask = filter.expr.eval_mask(&batch.project(&filter.columns)?)?;
            batch = filter_record_batch(&batch, &mask)?;
        }
        let batch = batch.project(&self.scan.columns)?;
        if let Some(all) = &mut self.rejected {
            rejected.iter().try_for_each(|(_, reject)| all.push(reject))?;
        }
        Ok(batch)
    }

    /// The rejection of the record that begins here.
    fn reject(&self, start: u32, fault: super::errors::Fault) -> Reject {
        let data = &self.block.as_slice()[PADDING..PADDING + self.consumed];
        let raw = record_at(data, start, &self.csv.text.dialect);
        Reject {
            byte: fault.byte,
            column: fault.column.map(|column| self.scan.source.schema.field(column).name().clone()),
            reason: fault.what,
            raw: self.text_of(raw),
        }
    }

    /// The rejection of a line that opens a quote which is not closed.
    pub(super) fn unclosed(&self, line: &[u8], data: &[u8]) -> Reject {
        let dialect = &self.csv.text.dialect;
        let (opening, reason) = match open_quote(data, dialect) {
            Some(opening) if opening < line.len() => (opening, "a quote is opened here and not closed"),
            Some(_) => (0, "a quote is opened in this record and not closed"),
            None => (0, "a record is longer than max_record"),
        };
        Reject { byte: self.at + opening as u64, column: None, reason: reason.to_owned(), raw: self.text_of(line) }
    }

    /// A record for the file of rejects; where there is none, nobody wants it.
    fn text_of(&self, raw: &[u8]) -> String {
        if matches!(self.scan.source.options.on_bad_row, OnBadRow::Skip { .. }) {
            return String::new();
        }
        let mut raw = raw;
        while let [rest @ .., b'\n' | b'\r'] = raw {
            raw = rest;
        }
        crate::io::csv::encoding::decode_lossily(self.csv.text.encoding, raw).into_owned()
    }
}
