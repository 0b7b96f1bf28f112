//! Charts of small results: bars and lines, in the terminal and as SVG.

mod svg;
mod terminal;

use std::fmt;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::type_name;
use crate::text_file;

/// The most bars of a chart: more are for a line.
const MOST_BARS: usize = 500;

/// The most letters of a bar's label.
const LABEL: usize = 30;

/// Chooses what is drawn of a table. Made by [`Table::plot`].
#[derive(Debug, Clone, Copy)]
#[must_use = "say what is drawn, with bar or line"]
pub struct Plot<'a>(&'a Table);

/// Bars or a line over two columns of a table.
///
/// Printed, it is a small chart for a terminal; [`to_svg`](Chart::to_svg) writes a larger one. Rows stand in the order of the table. A
/// missing value, NaN and an infinite one leave a gap.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// let rows = df.filter(col("t").lt(2015)).group_by(["t"]).agg([size().alias("rows")]).compute()?;
/// assert_eq!(rows.plot().bar("t", "rows")?.to_string(), "\
/// rows by t
/// 2012 ████████████████████████████████████████ 2000
/// 2013 ████████████████████████████████████████ 2000
/// 2014 ████████████████████████████████████████ 2000
/// ");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    kind: Kind,
    x_name: String,
    y_name: String,
    /// What stands at each point.
    labels: Vec<String>,
    /// Where each point is on a line's first axis.
    xs: Vec<f64>,
    x_kind: XKind,
    /// The value at each point, if it has a finite one.
    ys: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Bars,
    Line,
}

/// How the places on a line's first axis are written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum XKind {
    Number,
    /// Days since 1970.
    Date,
    /// Microseconds since 1970.
    Timestamp,
}

impl Table {
    /// Draws columns of the table: `table.plot().bar("k", "q")?`, `table.plot().line("day", "price")?`.
    pub fn plot(&self) -> Plot<'_> {
        Plot(self)
    }
}

impl Plot<'_> {
    /// A bar for each row: as long as column `y` says, which is of numbers, labelled with column `x`, of any type.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when there is no such column, [`ErrorKind::Type`] when `y` is not of numbers, [`ErrorKind::Config`] for more than
    /// 500 rows.
    pub fn bar(self, x: &str, y: &str) -> Result<Chart> {
        if self.0.num_rows() > MOST_BARS {
            let what = format!("{} bars are more than a chart can show", self.0.num_rows());
            return Err(
                Error::new(ErrorKind::Config, what).help("take the first ones, as in sort(..).head(20), or a line")
            );
        }
        let (labels, ys) = (labels(&self.0.column(x)?)?, values(y, &self.0.column(y)?)?);
        let xs = (0..ys.len()).map(|i| i as f64).collect();
        Ok(Chart { kind: Kind::Bars, x_name: x.into(), y_name: y.into(), labels, xs, x_kind: XKind::Number, ys })
    }

    /// A line through the rows, in their order: from column `x` on, numbers or times, as high as column `y` says, which is of numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when there is no such column, [`ErrorKind::Type`] when one is of a type that has no place on an axis.
    pub fn line(self, x: &str, y: &str) -> Result<Chart> {
        let column = self.0.column(x)?;
        let x_kind = match column.data_type() {
            DataType::Date32 => XKind::Date,
            DataType::Timestamp(..) => XKind::Timestamp,
            _ => XKind::Number,
        };
        let column = match x_kind {
            XKind::Date => as_type(&as_type(&column, &DataType::Int32)?, &DataType::Int64)?,
            XKind::Timestamp => as_type(&column, &DataType::Int64)?,
            XKind::Number => column,
        };
        let points = values(x, &column)?.into_iter().zip(values(y, &self.0.column(y)?)?);
        // A row without a place is a gap.
        let (xs, ys) = points.map(|(x, y)| (x.unwrap_or(0.0), y.filter(|_| x.is_some()))).unzip();
        Ok(Chart { kind: Kind::Line, x_name: x.into(), y_name: y.into(), labels: vec![], xs, x_kind, ys })
    }
}

impl Chart {
    /// Writes the chart as SVG. What was there is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the name does not end in `.svg`, [`ErrorKind::Io`] when the file can't be written.
    pub fn to_svg(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
            let what = format!("'{}' is no name of an SVG file", path.display());
            return Err(Error::new(ErrorKind::Config, what).help("name a file that ends in .svg"));
        }
        text_file::write(path, &svg::svg(self)?)
    }

    /// The points that have a place and a value.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.xs.iter().zip(&self.ys).filter_map(|(x, y)| Some((*x, (*y)?)))
    }

    /// The least and the greatest of these, made to differ.
    fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        match least < most {
            true => (least, most),
            false if least.is_finite() => {
                (least - 0.5_f64.max(least.abs() / 10.0), least + 0.5_f64.max(least.abs() / 10.0))
            }
            false => (0.0, 1.0),
        }
    }

    /// What the second axis covers: of bars from 0 on.
    fn y_range(&self) -> (f64, f64) {
        let values = self.points().map(|(_, y)| y);
        match self.kind {
            Kind::Line => Chart::range(values),
            Kind::Bars => {
                let (least, most) = values.fold((0.0_f64, 0.0_f64), |(a, b), y| (a.min(y), b.max(y)));
                if least < most { (least, most) } else { (0.0, 1.0) }
            }
        }
    }

    /// A place on the first axis, in words.
    fn x_text(&self, x: f64) -> String {
        let time = match self.x_kind {
            XKind::Number => return number(x),
            XKind::Date => chrono::DateTime::from_timestamp(x.round() as i64 * 86_400, 0),
            XKind::Timestamp => chrono::DateTime::from_timestamp_micros(x.round() as i64),
        };
        let format = if self.x_kind == XKind::Date { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
        time.map_or_else(|| number(x), |time| time.format(format).to_string())
    }
}

/// A value in few letters.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    if value.fract() == 0.0 {
        return format!("{value}");
    }
    // Four digits that count, or all before the point.
    let before = value.abs().log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (4 - before).clamp(0, 8) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The finite values of a column of numbers.
fn values(name: &str, column: &ArrayRef) -> Result<Vec<Option<f64>>> {
    let values: Vec<Option<f64>> = match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| v as f64)).collect(),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().collect(),
        other => {
            let what = format!("column '{name}' is of {}, which can't be drawn as a number", type_name(other));
            return Err(Error::new(ErrorKind::Type, what).help("cast it, or draw another one"));
        }
    };
    Ok(values.into_iter().map(|value| value.filter(|value| value.is_finite())).collect())
}

fn as_type(column: &ArrayRef, dtype: &DataType) -> Result<ArrayRef> {
    cast(column, dtype).map_err(|error| Error::internal(error.to_string()))
}

/// The values of a column of any type, as labels.
fn labels(column: &ArrayRef) -> Result<Vec<String>> {
    let options = FormatOptions::new().with_null("null");
    let cells = ArrayFormatter::try_new(column, &options).map_err(|error| Error::internal(error.to_string()))?;
    let label = |row: usize| {
        let text: String = cells.value(row).to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match text.chars().count() > LABEL {
            true => text.chars().take(LABEL - 1).chain(['…']).collect(),
            false => text,
        }
    };
    Ok((0..column.len()).map(label).collect())
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} by {}", self.y_name, self.x_name)?;
        match self.kind {
            Kind::Bars => terminal::bars(self, f),
            Kind::Line => terminal::line(self, f),
        }
    }
}
