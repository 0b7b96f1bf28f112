//! Tables that fit the terminal, and tables of Markdown.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use partita::Table;

use super::Failure;
use super::output::{Batch, formatters, unprintable};

/// How many characters fit in a line of the terminal; `None` where stdout is none, and any number does.
pub(super) fn terminal_width() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&width| width > 0);
    match stdout().is_terminal() {
        true => told.or_else(|| console::Term::stdout().size_checked().map(|(_, width)| usize::from(width))),
        false => told,
    }
}

/// How long it took, behind the number of rows; nothing where no person looks.
pub(super) fn time_since(started: Instant) -> String {
    if stdout().is_terminal() { format!(", {:.2} s", started.elapsed().as_secs_f64()) } else { String::new() }
}

/// The table, its middle columns left out as far as a line is too long.
pub(super) fn fitting(table: &Table, rows: usize, width: Option<usize>) -> Result<String, Failure> {
    let whole = table.display(rows);
    let Some(width) = width else { return Ok(whole) };
    let fits = |text: &str| text.lines().next().is_none_or(|line| line.chars().count() <= width);
    let columns = table.num_columns();
    if fits(&whole) || columns < 3 {
        return Ok(whole);
    }
    // More columns are wider: the most that fit are found by halving.
    let (mut least, mut most) = (1, columns - 1);
    while least < most {
        let shown = (least + most).div_ceil(2);
        if fits(&without_middle(table, shown)?.display(rows)) { least = shown } else { most = shown - 1 }
    }
    Ok(without_middle(table, least)?.display(rows))
}

/// So many columns from both ends, and one that stands for those between.
fn without_middle(table: &Table, shown: usize) -> Result<Table, Failure> {
    let (left, right) = (shown.div_ceil(2), shown / 2);
    let fields = table.schema().fields();
    let kept: Vec<usize> = (0..left).chain(fields.len() - right..fields.len()).collect();
    let mut of_kept: Vec<Arc<Field>> = kept.iter().map(|&i| fields[i].clone()).collect();
    of_kept.insert(left, Arc::new(Field::new("…", DataType::Utf8View, true)));
    let schema = Arc::new(Schema::new(of_kept));
    let cut = |batch: RecordBatch| -> partita::Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = kept.iter().map(|&i| batch.column(i).clone()).collect();
        columns.insert(left, Arc::new(StringViewArray::from(vec!["…"; batch.num_rows()])));
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    };
    let batches = table.batches().map(cut).collect::<partita::Result<Vec<_>>>()?;
    Ok(Table::new(schema.clone(), batches)?)
}

pub(super) fn write_markdown(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Batch>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let clean = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
    let names: Vec<String> = schema.fields().iter().map(|field| clean(field.name())).collect();
    let rule = |field: &Arc<Field>| if field.data_type().is_numeric() { "---:" } else { "---" };
    let rules: Vec<&str> = schema.fields().iter().map(rule).collect();
    writeln!(out, "| {} |\n| {} |", names.join(" | "), rules.join(" | "))?;
    let mut cell = String::new();
    for batch in batches {
        let batch = batch?;
        let columns = formatters(&batch)?;
        for row in 0..batch.num_rows() {
            out.write_all(b"|")?;
            for (column, formatter) in &columns {
                cell.clear();
                if !column.is_null(row) {
                    write!(cell, "{}", formatter.value(row)).map_err(unprintable)?;
                }
                write!(out, " {} |", clean(&cell))?;
            }
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn middle_columns_are_left_out_as_far_as_needed() {
        let columns = (0..20).map(|i| (format!("column{i}"), Arc::new(Int64Array::from(vec![i, 7])) as ArrayRef));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let table = Table::new(batch.schema(), vec![batch]).unwrap();
        let shown = |width| match fitting(&table, 40, width) {
            Ok(text) => text,
            Err(_) => panic!("not shown"),
        };
        assert_eq!(shown(None), table.display(40));
        assert_eq!(shown(Some(1000)), table.display(40));
        for width in [40, 60, 80, 120, 200] {
            let text = shown(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("column0 ") && text.contains("column19") && text.contains('…'), "{text}");
        }
        // As many as fit: one more would not.
        assert!(shown(Some(80)).lines().next().unwrap().chars().count() > 68);
    }
}
