//! From records of any number of fields to rows of as many as the header has.

use super::{FieldIndex, Record, ends_line};
use crate::io::csv::dialect::{Dialect, Ragged};

/// A record that has not as many fields as the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misshapen {
    pub start: u32,
    pub next: u32,
    pub fields: usize,
    /// Where the first field is that is too many, or where the record ends.
    pub at: u32,
    /// How many rows stand before it.
    pub rows: usize,
}

impl FieldIndex {
    /// Makes rows of `width` fields. Blank lines are no rows, or rows of missing values; what is ragged is filled or cut as
    /// the dialect says, else left out and returned, in order.
    pub(crate) fn shape(&mut self, data: &[u8], width: usize, dialect: &Dialect) -> Vec<Misshapen> {
        self.row_starts.clear();
        if !self.explicit && self.separators.len() == self.newlines * width {
            // In two loops, neither of which has a branch.
            let rows = || self.separators.chunks_exact(width);
            self.row_starts.resize(self.newlines, 0);
            let behind = self.row_starts.iter_mut().skip(1);
            behind.zip(rows()).for_each(|(start, row)| *start = row[width - 1] + 1);
            // With one field a row, a blank line looks like a row.
            let ends = rows().map(|row| row[width - 1]).zip(&self.row_starts);
            let whole = ends.fold(true, |whole, (end, start)| {
                whole & ends_line(data, end) & (width > 1 || !is_blank(data, *start, end))
            });
            if whole {
                return Vec::new();
            }
        }
        self.shape_slowly(data, width, dialect)
    }

    /// Drops the rows behind the first ones.
    pub(crate) fn keep_rows(&mut self, rows: usize, width: usize) {
        self.row_starts.truncate(rows);
        self.separators.truncate(rows * width);
        self.starts.truncate(rows * width);
    }

    /// As `shape`, record by record.
    fn shape_slowly(&mut self, data: &[u8], width: usize, dialect: &Dialect) -> Vec<Misshapen> {
        let (mut starts, mut ends) =
            (Vec::with_capacity(self.separators.len()), Vec::with_capacity(self.separators.len()));
        let (mut row_starts, mut misshapen) = (Vec::new(), Vec::new());
        self.for_each_record(data, |record| {
            let is_blank = record.is_blank();
            if is_blank && !dialect.keep_blank {
                return;
            }
            if !is_blank && !record.fits(width, dialect) {
                misshapen.push(Misshapen::of(&record, width, row_starts.len()));
                return;
            }
            row_starts.push(record.start);
            let mut last = record.start;
            for (start, end) in record.fields().take(width) {
                starts.push(start as u32);
                ends.push(end as u32);
                last = end as u32;
            }
            // What lacks is empty, at the end of what is there.
            let full = row_starts.len() * width;
            starts.resize(full, last);
            ends.resize(full, last);
        });
        self.explicit = true;
        (self.starts, self.separators, self.row_starts) = (starts, ends, row_starts);
        misshapen
    }
}

impl Record<'_> {
    /// Whether it is a row of so many fields, as it stands or filled or cut. A blank line is none by itself.
    pub(crate) fn fits(&self, width: usize, dialect: &Dialect) -> bool {
        let fields = self.len();
        let fits = match dialect.ragged {
            Ragged::Error => fields == width,
            Ragged::Fill => fields <= width,
            Ragged::Truncate => true,
        };
        fits && !self.is_blank()
    }
}

impl Misshapen {
    fn of(record: &Record<'_>, width: usize, rows: usize) -> Misshapen {
        let fields = record.fields();
        let at = match record.len() > width {
            true => record.fields().nth(width).map(|(start, _)| start),
            false => fields.last().map(|(_, end)| end),
        };
        let at = at.unwrap_or(record.start as usize) as u32;
        Misshapen { start: record.start, next: record.next, fields: record.len(), at, rows }
    }
}

fn is_blank(data: &[u8], start: u32, end: u32) -> bool {
    start == end || (start + 1 == end && data[start as usize] == b'\r')
}
