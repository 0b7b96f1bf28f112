//! CSV out of batches: row by row into one buffer, quoted only where it would read back as something else.

use std::fs::File;
use std::io::Write;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};

use super::number::{push_date, push_float, push_int, push_timestamp};
use super::{Encoder, WriteError};
use crate::error::{Error, Result};
use crate::expr::type_name;

/// How CSV is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvFormat {
    pub delimiter: u8,
    pub header: bool,
    /// What stands for a missing value.
    pub null: String,
}

impl Default for CsvFormat {
    fn default() -> CsvFormat {
        CsvFormat { delimiter: b',', header: true, null: String::new() }
    }
}

/// The buffer goes to the file when it holds this many bytes.
const BUFFER: usize = 1 << 17;

const QUOTE: u8 = b'"';

/// What would be none at the beginning of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What stands for a missing value in a file of one column, where nothing would be a blank line, which is no row.
fn lone_null(delimiter: u8) -> &'static str {
    if matches!(delimiter, b'N' | b'A') { "null" } else { "NA" }
}

/// A CSV file under way.
pub(super) struct CsvEncoder {
    file: File,
    format: CsvFormat,
    text: Vec<u8>,
}

impl CsvFormat {
    /// The line that names the columns; nothing where none is wanted.
    pub(crate) fn header_line(&self, schema: &Schema) -> Vec<u8> {
        let mut line = Vec::new();
        if self.header {
            for (i, field) in schema.fields().iter().enumerate() {
                if i > 0 {
                    line.push(self.delimiter);
                }
                self.push_text(&mut line, field.name().as_bytes());
            }
            line.push(b'\n');
        }
        line
    }

    /// Whether the delimiter may be part of a number, a date or a truth value.
    #[inline]
    fn parts_numbers(&self) -> bool {
        self.delimiter.is_ascii_alphanumeric() || matches!(self.delimiter, b'-' | b'.' | b':' | b'+')
    }

    /// A text, in quotes if it holds bytes with a meaning or would be taken for a missing value.
    #[inline]
    fn push_text(&self, line: &mut Vec<u8>, text: &[u8]) {
        let special = |&b: &u8| b == self.delimiter || b == QUOTE || b == b'\n' || b == b'\r';
        let is_taken = text == self.null.as_bytes() || text.starts_with(BYTE_ORDER_MARK);
        if !text.is_empty() && !is_taken && !text.iter().any(special) {
            line.extend_from_slice(text);
            return;
        }
        line.push(QUOTE);
        for part in text.split_inclusive(|&b| b == QUOTE) {
            line.extend_from_slice(part);
            if part.ends_with(&[QUOTE]) {
                line.push(QUOTE);
            }
        }
        line.push(QUOTE);
    }
}

/// A column of a batch, as what it is.
pub(super) enum Column<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Text(&'a StringViewArray),
}

impl<'a> Column<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Result<Column<'a>> {
        Ok(match array.data_type() {
            DataType::Int64 => Column::Int(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Column::Float(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Column::Bool(array.as_boolean()),
            DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Column::Timestamp(array.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Utf8View => Column::Text(array.as_string_view()),
            other => return Err(Error::internal(format!("a column of type {} to write", type_name(other)))),
        })
    }

    /// A value as a field: text in quotes where it needs them.
    #[inline]
    fn push(&self, row: usize, format: &CsvFormat, line: &mut Vec<u8>) {
        match self {
            Column::Text(a) => format.push_text(line, a.value(row).as_bytes()),
            plain if !format.parts_numbers() => plain.push_plain(row, line),
            plain => {
                let mut text = Vec::new();
                plain.push_plain(row, &mut text);
                format.push_text(line, &text);
            }
        }
    }

    /// A value as it is.
    #[inline]
    pub(super) fn push_plain(&self, row: usize, line: &mut Vec<u8>) {
        match self {
            Column::Int(a) => push_int(line, a.value(row)),
            Column::Float(a) => push_float(line, a.value(row)),
            Column::Bool(a) => line.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Column::Date(a) => push_date(line, a.value(row).into()),
            Column::Timestamp(a) => push_timestamp(line, a.value(row)),
            Column::Text(a) => line.extend_from_slice(a.value(row).as_bytes()),
        }
    }
}

impl CsvEncoder {
    pub(super) fn new(file: File, mut format: CsvFormat, schema: &Schema) -> CsvEncoder {
        if schema.fields().len() == 1 && format.null.is_empty() {
            format.null = lone_null(format.delimiter).to_owned();
        }
        let text = format.header_line(schema);
        CsvEncoder { file, format, text }
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let columns = batch.columns().iter().map(|array| Ok((Column::of(array)?, array.nulls())));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let (format, line) = (&self.format, &mut self.text);
        let null = format.null.as_bytes();
        for row in 0..batch.num_rows() {
            for (i, (column, nulls)) in columns.iter().enumerate() {
                if i > 0 {
                    line.push(format.delimiter);
                }
                match nulls {
                    Some(nulls) if nulls.is_null(row) => line.extend_from_slice(null),
                    _ => column.push(row, format, line),
                }
            }
            line.push(b'\n');
            if line.len() >= BUFFER {
                self.file.write_all(line)?;
                line.clear();
            }
        }
        Ok(())
    }
}

impl Encoder for CsvEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.encode(batch)
    }

    fn memory(&self) -> usize {
        self.text.capacity()
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.file.write_all(&self.text)?;
        self.text = Vec::new();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.flush()
    }
}
