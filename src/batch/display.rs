//! How a [`Table`] is printed: for people to read, whatever its cells hold.

use std::fmt;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment};

use super::{Table, wide};
use crate::config::count;
use crate::expr::type_name;

/// The rows that `Display` shows when a table has more.
const MAX_ROWS: usize = 10;

/// The characters that a cell shows of a longer text, the mark of the cut included.
const MAX_CHARS: usize = 40;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display(MAX_ROWS))
    }
}

impl Table {
    /// Prints at most `max_rows` rows (half of them from the beginning, half from the end), then the number of rows.
    ///
    /// Text is cut to 40 characters, the last of them `…`; line breaks and other characters that would break the table
    /// are shown escaped, as in `\n`. Floats are written with as many digits as tell them apart from all others.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    /// # use partita::Table;
    /// let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5200));
    /// let batch = RecordBatch::try_from_iter([("n", numbers)])?;
    /// let table = Table::new(batch.schema(), vec![batch])?;
    /// assert_eq!(table.display(3), "\
    /// ┌───────┐
    /// │     n │
    /// │ int64 │
    /// ╞═══════╡
    /// │     0 │
    /// │     1 │
    /// │     … │
    /// │  5199 │
    /// └───────┘
    /// 5,200 rows × 1 column");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn display(&self, max_rows: usize) -> String {
        let mut text = String::new();
        if self.num_columns() > 0 {
            text = self.grid(max_rows).to_string();
            text.push('\n');
        }
        text + &count(self.num_rows() as u64, "row") + " × " + &count(self.num_columns() as u64, "column")
    }

    fn grid(&self, max_rows: usize) -> comfy_table::Table {
        let mut grid = comfy_table::Table::new();
        grid.load_style(UTF8_FULL_CONDENSED);
        let fields = self.schema().fields();
        let alignments: Vec<CellAlignment> = fields.iter().map(|field| alignment(field.data_type())).collect();
        let row = |cells: Vec<String>| -> Vec<Cell> {
            cells.into_iter().zip(&alignments).map(|(cell, &side)| Cell::new(cell).set_alignment(side)).collect()
        };
        grid.set_header(row(fields
            .iter()
            .map(|field| format!("{}\n{}", clean(field.name()), type_name(field.data_type())))
            .collect()));
        if self.num_rows() <= max_rows {
            for cells in self.cells(0, self.num_rows()) {
                grid.add_row(row(cells));
            }
        } else {
            for cells in self.cells(0, max_rows.div_ceil(2)) {
                grid.add_row(row(cells));
            }
            grid.add_row(row(vec!["…".to_owned(); self.num_columns()]));
            for cells in self.cells(self.num_rows() - max_rows / 2, max_rows / 2) {
                grid.add_row(row(cells));
            }
        }
        grid
    }

    /// The text of the cells of `count` rows from row `start` on.
    fn cells(&self, start: usize, count: usize) -> Vec<Vec<String>> {
        let mut rows = Vec::with_capacity(count);
        let mut skip = start;
        for batch in self.held() {
            let offset = skip.min(batch.num_rows());
            skip -= offset;
            let length = (batch.num_rows() - offset).min(count - rows.len());
            if length > 0 {
                rows.extend(batch_cells(&wide(batch.slice(offset, length), self.schema())));
            }
        }
        rows
    }
}

fn batch_cells(batch: &RecordBatch) -> impl Iterator<Item = Vec<String>> {
    // A value that has no text form, such as a date beyond the calendar, is shown as the formatter's error.
    let options = FormatOptions::new().with_null("null").with_display_error(true);
    let columns: Vec<Vec<String>> = batch
        .columns()
        .iter()
        .map(|column| match ArrayFormatter::try_new(column.as_ref(), &options) {
            Ok(formatter) => (0..column.len()).map(|i| clean(&formatter.value(i).to_string())).collect(),
            Err(error) => vec![clean(&error.to_string()); column.len()],
        })
        .collect();
    (0..batch.num_rows()).map(move |i| columns.iter().map(|column| column[i].clone()).collect())
}

fn alignment(data_type: &DataType) -> CellAlignment {
    if data_type.is_numeric() { CellAlignment::Right } else { CellAlignment::Left }
}

/// One line of at most [`MAX_CHARS`] characters, without those that move the cursor or turn the direction of writing.
fn clean(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        match c {
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                line.extend(c.escape_unicode());
            }
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
        // One character past the limit tells that the text is longer.
        if line.chars().count() > MAX_CHARS {
            let mut cut: String = line.chars().take(MAX_CHARS - 1).collect();
            cut.push('…');
            return cut;
        }
    }
    line
}
