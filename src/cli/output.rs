//! Results as text, written as they come: a table for people, CSV and JSON for programs.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchReader, StringViewArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::ValueEnum;
use partita::Table;

use super::{Failure, parquet, show};

/// The rows that a table shows; of more, the first and last of them.
const TABLE_ROWS: usize = 40;

/// How a result is written.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// For people: types under the names, and of more than 40 rows the first and last 20
    Table,
    /// With a header; a missing value is an empty field (NA in a result of one column), an empty text "", a float has as many digits as tell it from all others
    Csv,
    /// As csv, with tabs
    Tsv,
    /// An array of objects, each on a line of its own; NaN and infinities become null, dates ISO text
    Json,
    /// Such objects alone, one a line
    Ndjson,
    /// A table of Markdown, all rows
    Markdown,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC stream
    Arrow,
    /// The lines of a plan, as they stand
    #[value(skip)]
    Plan,
}

impl Format {
    /// The format that a file's ending names.
    pub(super) fn of(path: &Path) -> Option<Format> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "txt" => Format::Table,
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "json" => Format::Json,
            "ndjson" | "jsonl" => Format::Ndjson,
            "md" => Format::Markdown,
            "parquet" | "pq" => Format::Parquet,
            "arrow" | "arrows" | "ipc" | "feather" => Format::Arrow,
            _ => return None,
        })
    }

    /// A plan is shown line by line where the result would be a table.
    pub(super) fn of_statement(self, statement: &str) -> Format {
        let first = statement.split_whitespace().next().unwrap_or_default();
        match self {
            Format::Table if first.eq_ignore_ascii_case("explain") => Format::Plan,
            format => format,
        }
    }
}

/// Rows of a result, or why there are no more.
pub(super) type Batch = Result<RecordBatch, Failure>;

/// Writes the rows of a run that was started then, batch by batch, and nothing before the first of them is there. Gives their number.
pub(super) fn write(
    rows: impl RecordBatchReader,
    format: Format,
    started: Instant,
    out: impl Write + Send,
) -> Result<u64, Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let schema = rows.schema();
    let mut count = 0;
    let batches = rows.map(|batch| -> Batch {
        let batch = batch.map_err(partita::Error::from)?;
        count += batch.num_rows() as u64;
        Ok(batch)
    });
    match format {
        Format::Table => write_table(&schema, batches, started, &mut out)?,
        Format::Csv => write_csv(&schema, batches, b',', &mut out)?,
        Format::Tsv => write_csv(&schema, batches, b'\t', &mut out)?,
        Format::Json => write_json(&schema, batches, ["[\n", ",\n", "\n]\n"], &mut out)?,
        Format::Ndjson => write_json(&schema, batches, ["", "\n", "\n"], &mut out)?,
        Format::Markdown => show::write_markdown(&schema, batches, &mut out)?,
        Format::Parquet => parquet::write(&schema, batches, &mut out)?,
        Format::Arrow => {
            let mut writer = StreamWriter::try_new(&mut out, &schema).map_err(io::Error::other)?;
            for batch in batches {
                writer.write(&batch?).map_err(io::Error::other)?;
            }
            writer.finish().map_err(io::Error::other)?;
        }
        Format::Plan => {
            for batch in batches {
                for line in batch?.column(0).as_string_view().iter().flatten() {
                    writeln!(out, "{line}")?;
                }
            }
        }
    }
    out.flush()?;
    Ok(count)
}

/// `1 row`, `5,200 rows`.
pub(super) fn count_rows(rows: u64) -> String {
    let digits = rows.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if rows == 1 { " row" } else { " rows" }
}

/// Of more rows than are shown, only the first and last are kept.
fn write_table(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Batch>,
    started: Instant,
    out: &mut impl Write,
) -> Result<(), Failure> {
    const HALF: usize = TABLE_ROWS / 2;
    let (mut first, mut last) = (RecordBatch::new_empty(schema.clone()), RecordBatch::new_empty(schema.clone()));
    let mut count = 0;
    for batch in batches {
        let batch = batch?;
        count += batch.num_rows() as u64;
        let head = (HALF - first.num_rows()).min(batch.num_rows());
        let rest = end(&batch, batch.num_rows() - head);
        first = joined(schema, &first, &batch.slice(0, head))?;
        // One more than is shown: the row that stands for those left out.
        last = end(&joined(schema, &last, &end(&rest, HALF + 1))?, HALF + 1);
    }
    let shown = Table::new(schema.clone(), vec![first, last])?;
    let table = show::fitting(&shown, TABLE_ROWS, show::terminal_width())?;
    let grid = table.rsplit_once('\n').map_or("", |(grid, _)| grid);
    let time = show::time_since(started);
    // Without columns there is no grid.
    let line = if grid.is_empty() { "" } else { "\n" };
    writeln!(out, "{grid}{line}{}{time}", footer(count, schema))?;
    Ok(())
}

/// The last line of a table of so many rows.
fn footer(rows: u64, schema: &SchemaRef) -> String {
    let columns = schema.fields().len();
    format!("{} × {columns} column{}", count_rows(rows), if columns == 1 { "" } else { "s" })
}

/// The last rows of a batch, so many at most.
fn end(batch: &RecordBatch, rows: usize) -> RecordBatch {
    let rows = rows.min(batch.num_rows());
    batch.slice(batch.num_rows() - rows, rows)
}

/// A copy of these rows, which holds nothing of the batches that they come from.
fn joined(schema: &SchemaRef, first: &RecordBatch, second: &RecordBatch) -> partita::Result<RecordBatch> {
    let all = concat_batches(schema, [first, second])?;
    let columns = all.columns().iter().map(|column| match column.as_string_view_opt() {
        Some(text) => Arc::new(text.gc()) as ArrayRef,
        None => column.clone(),
    });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect())?)
}

fn write_csv(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Batch>,
    delimiter: u8,
    out: &mut impl Write,
) -> Result<(), Failure> {
    // The crate quotes by the field alone, and can't tell an empty text from a missing value: we quote.
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).quote_style(csv::QuoteStyle::Never).from_writer(out);
    // A blank line would be no row.
    let missing = if schema.fields().len() == 1 { "NA" } else { "" };
    let mut field = String::new();
    let mut batches = batches.peekable();
    if !matches!(batches.peek(), Some(Err(_))) {
        let names = schema.fields().iter().map(|field| quoted(field.name(), delimiter));
        writer.write_record(names.map(|name| name.into_owned())).map_err(io_error)?;
    }
    for batch in batches {
        let batch = batch?;
        let columns = formatters(&batch)?;
        for row in 0..batch.num_rows() {
            for (column, formatter) in &columns {
                if column.is_null(row) {
                    writer.write_field(missing).map_err(io_error)?;
                    continue;
                }
                field.clear();
                write!(field, "{}", formatter.value(row)).map_err(unprintable)?;
                writer.write_field(quoted(&field, delimiter).as_bytes()).map_err(io_error)?;
            }
            writer.write_record(None::<&[u8]>).map_err(io_error)?;
        }
    }
    Ok(writer.flush()?)
}

/// A field as it stands in a file: in quotes where it must be, and where it is an empty text.
fn quoted(field: &str, delimiter: u8) -> Cow<'_, str> {
    if field.is_empty() || field.contains(['"', char::from(delimiter), '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(field)
    }
}

/// The system's error within, whose kind tells a closed pipe.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

pub(super) fn formatters(batch: &RecordBatch) -> io::Result<Vec<(&dyn Array, ArrayFormatter<'_>)>> {
    batch.columns().iter().map(|column| Ok((column.as_ref(), formatter(column.as_ref())?))).collect()
}

/// Fails on a value that has no text form, such as a date beyond the calendar, rather than writing something else.
fn formatter(column: &dyn Array) -> io::Result<ArrayFormatter<'_>> {
    static OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(false);
    ArrayFormatter::try_new(column, &OPTIONS).map_err(io::Error::other)
}

pub(super) fn unprintable(_: std::fmt::Error) -> io::Error {
    io::Error::other("a value has no text form, such as a date beyond the calendar")
}

/// `marks` stand before the first object, between two, and behind the last.
fn write_json(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Batch>,
    marks: [&str; 3],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let [first, between, last] = marks;
    // Each name once, quoted and escaped, with what stands before it.
    let names: Vec<String> = (schema.fields().iter().enumerate())
        .map(|(i, field)| Ok(format!("{}{}:", if i == 0 { "" } else { "," }, serde_json::to_string(field.name())?)))
        .collect::<io::Result<_>>()?;
    let (mut separator, mut any) = (first, false);
    for batch in batches {
        let batch = batch?;
        let columns = batch.columns().iter().map(|column| JsonColumn::new(column)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            write!(out, "{separator}{{")?;
            (separator, any) = (between, true);
            for (name, (column, values)) in names.iter().zip(batch.columns().iter().zip(&columns)) {
                out.write_all(name.as_bytes())?;
                if column.is_null(row) {
                    out.write_all(b"null")?;
                } else {
                    values.write(row, out)?;
                }
            }
            out.write_all(b"}")?;
        }
    }
    // Without rows there is no beginning yet.
    let end = if any { last.to_owned() } else { format!("{first}{}", last.trim_start()) };
    Ok(out.write_all(end.as_bytes())?)
}

/// A column as JSON takes it.
enum JsonColumn<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Text(&'a StringViewArray),
    /// Dates and the like: as text.
    Other(ArrayFormatter<'a>),
}

impl<'a> JsonColumn<'a> {
    fn new(column: &'a dyn Array) -> io::Result<JsonColumn<'a>> {
        Ok(match column.data_type() {
            DataType::Int64 => JsonColumn::Int(column.as_primitive::<Int64Type>()),
            DataType::Float64 => JsonColumn::Float(column.as_primitive::<Float64Type>()),
            DataType::Boolean => JsonColumn::Bool(column.as_boolean()),
            DataType::Utf8View => JsonColumn::Text(column.as_string_view()),
            _ => JsonColumn::Other(formatter(column)?),
        })
    }

    /// The value of a row that is not null.
    fn write(&self, row: usize, out: &mut impl Write) -> io::Result<()> {
        match self {
            JsonColumn::Int(column) => write!(out, "{}", column.value(row))?,
            // NaN and the infinities, which JSON lacks, become null here.
            JsonColumn::Float(column) => serde_json::to_writer(out, &column.value(row))?,
            JsonColumn::Bool(column) => write!(out, "{}", column.value(row))?,
            JsonColumn::Text(column) => serde_json::to_writer(out, column.value(row))?,
            JsonColumn::Other(formatter) => {
                let mut text = String::new();
                write!(text, "{}", formatter.value(row)).map_err(unprintable)?;
                serde_json::to_writer(out, &text)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, TimestampMicrosecondArray};

    use super::*;

    fn text(table: &Table, format: Format) -> String {
        let mut out = Vec::new();
        let Ok(rows) = write(table.clone().into_reader(), format, Instant::now(), &mut out) else {
            panic!("not written")
        };
        assert_eq!(rows, table.num_rows() as u64);
        String::from_utf8(out).unwrap()
    }

    fn every_type() -> Table {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("int", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("float", Arc::new(Float64Array::from(vec![0.1 + 0.2, f64::NAN]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("day", Arc::new(Date32Array::from(vec![Some(18_292), None]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None]))),
            ("a \"text\", or", Arc::new(StringViewArray::from(vec![Some("two\n\"lines\", é"), None]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        Table::new(batch.schema(), vec![batch.slice(0, 1), batch.slice(1, 1)]).unwrap()
    }

    #[test]
    fn csv_quotes_what_must_be_and_leaves_nulls_empty() {
        assert_eq!(
            text(&every_type(), Format::Csv),
            "int,float,flag,day,time,\"a \"\"text\"\", or\"\n\
             9223372036854775807,0.30000000000000004,true,2020-01-31,1970-01-01T00:00:01.500,\"two\n\"\"lines\"\", é\"\n\
             ,NaN,,,,\n"
        );
    }

    #[test]
    fn json_is_read_back_by_another_reader() {
        let text = text(&every_type(), Format::Json);
        assert_eq!(text.lines().count(), 4, "{text}");
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!([
            {
                "int": i64::MAX, "float": 0.1 + 0.2, "flag": true, "day": "2020-01-31",
                "time": "1970-01-01T00:00:01.500", "a \"text\", or": "two\n\"lines\", é"
            },
            {"int": null, "float": null, "flag": null, "day": null, "time": null, "a \"text\", or": null},
        ]);
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_table_in_batches_is_shown_as_one_in_memory_is() {
        for rows in [0, 1, 19, 20, 21, 39, 40, 41, 42, 60, 61, 1000, 70_000] {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
            let texts = StringViewArray::from_iter_values((0..rows).map(|i| format!("the text of row {i}")));
            let batch = RecordBatch::try_from_iter([("n", numbers), ("s", Arc::new(texts) as _)]).unwrap();
            let whole = Table::new(batch.schema(), vec![batch.clone()]).unwrap();
            for size in [1, 7, 20, 21, 50, 8192] {
                let starts = (0..rows as usize).step_by(size);
                let cut = starts.map(|start| batch.slice(start, size.min(rows as usize - start)));
                let cut = Table::new(batch.schema(), cut.take(2000).collect::<Vec<_>>()).unwrap();
                if cut.num_rows() == rows as usize {
                    assert_eq!(
                        text(&cut, Format::Table),
                        format!("{}\n", whole.display(TABLE_ROWS)),
                        "{rows} by {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_rows() {
        let none = Table::new(every_type().schema().clone(), vec![]).unwrap();
        assert_eq!(text(&none, Format::Json), "[\n]\n");
        assert_eq!(text(&none, Format::Csv).lines().count(), 1);
        assert!(text(&none, Format::Table).ends_with("0 rows × 6 columns\n"));
    }

    #[test]
    fn a_date_without_a_text_form_is_an_error() {
        let day: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX]));
        let batch = RecordBatch::try_from_iter([("day", day)]).unwrap();
        let table = Table::new(batch.schema(), vec![batch]).unwrap();
        for format in [Format::Csv, Format::Json] {
            match write(table.clone().into_reader(), format, Instant::now(), Vec::new()) {
                Err(Failure::Output(error)) => assert!(error.to_string().contains("no text form")),
                _ => panic!("written"),
            }
        }
        assert!(text(&table, Format::Table).contains("1 row × 1 column"));
    }
}
