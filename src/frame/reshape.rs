//! Long from wide, wide from long, and a row for each piece of a text.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Frame;
use super::rows::some;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{AggExpr, Expr, Literal, Type, col};
use crate::plan::{LogicalPlan, list};

/// The most columns that a pivot makes of values that it finds.
const MOST_COLUMNS: usize = 1000;

impl Frame {
    /// Wide to long: for each row, a row for each of `columns`, with the columns of `index`, then the column's name (under the
    /// name `names`), then its value (under the name `values`).
    ///
    /// Values come in the narrowest type that holds those of all columns, as in [`concat`](crate::concat). pandas' `melt` gives
    /// all rows of the first column, then all of the second; here the values of a row stand together, so that rows stream.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let long = df.unpivot(["i", "j", "k"], ["v", "q"], "what", "amount");
    /// assert_eq!(long.schema()?.fields().len(), 5);
    /// assert_eq!(long.compute()?.num_rows(), 4000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Column`] for columns that do not exist or names used twice, [`ErrorKind::Type`] for columns that have no type in
    /// common, [`ErrorKind::Config`] for no column at all.
    pub fn unpivot<I: Into<String>, C: Into<String>>(
        &self,
        index: impl IntoIterator<Item = I>,
        columns: impl IntoIterator<Item = C>,
        names: impl Into<String>,
        values: impl Into<String>,
    ) -> Frame {
        let index: Vec<String> = index.into_iter().map(Into::into).collect();
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let step = format!("unpivot([{}], [{}])", index.join(", "), columns.join(", "));
        let (names, values) = (names.into(), values.into());
        self.step(step, |input| LogicalPlan::unpivot(input, index, columns, names, values))
    }

    /// A row for each piece of a text column, cut at a separator; the other columns are repeated.
    ///
    /// Null stays one row with null, and an empty text is one row with an empty text. Pieces are not trimmed. pandas' `explode`
    /// takes lists, which are no type of ours: a text and its separator stand for `str.split(separator)` and `explode`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let words = read_csv("testdata/baci/product_codes_HS12.csv").explode("description", " ");
    /// let most = words.group_by(["description"]).agg([size()]).sort([col("size").desc()]).head(3);
    /// println!("{}", most.compute()?);
    /// # assert_eq!(most.compute()?.num_rows(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Column`] for a column that does not exist, [`ErrorKind::Type`] for one that is no text,
    /// [`ErrorKind::Config`] for an empty separator.
    pub fn explode(&self, column: impl Into<String>, separator: impl Into<String>) -> Frame {
        let (column, separator) = (column.into(), separator.into());
        let step = format!("explode({column}, {separator:?})");
        self.step(step, |input| LogicalPlan::explode(input, column, separator))
    }

    /// Long to wide: a row for each group of `index`, sorted, and a column for each value of `on`, with the aggregate of the rows
    /// that have both. pandas calls it `pivot_table`.
    ///
    /// Which values `on` has is found by a first pass, which runs the steps so far, now; their columns come sorted. With
    /// [`pivot_with`](Frame::pivot_with) you name them, and nothing runs. Columns are named by the values, as text. Rows with a
    /// null in `index` or `on` are left out, as in pandas. A cell that no row belongs to is null; a size or count there is 0, where
    /// pandas has NaN, and a whole-number column stays one.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let by_year = df.pivot(["i"], "t", col("v").sum());
    /// let names: Vec<String> = by_year.schema()?.fields().iter().map(|f| f.name().clone()).collect();
    /// assert_eq!(names, ["i", "2012", "2013", "2014", "2015", "2016", "2017", "2018"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when `on` has more than 1000 values; what goes wrong in the first pass.
    pub fn pivot<I: Into<Expr>>(
        &self,
        index: impl IntoIterator<Item = I>,
        on: impl Into<String>,
        agg: AggExpr,
    ) -> Frame {
        let (index, on): (Vec<Expr>, String) = (index.into_iter().map(Into::into).collect(), on.into());
        self.step(pivot_text(&index, &on, &agg), |input| {
            let values = self.distinct_values(&on)?;
            if values.is_empty() {
                return Err(Error::new(ErrorKind::Value, format!("column '{on}' has no values to make columns of"))
                    .help("name the columns with pivot_with(..)"));
            }
            pivoted(input, index, &on, values, agg)
        })
    }

    /// As [`pivot`](Frame::pivot), with columns for these values of `on` alone, in this order: nothing runs now.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// let two = df.pivot_with(["i"], "t", [2012, 2018], col("q").mean());
    /// assert_eq!(two.schema()?.fields().len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pivot_with<I: Into<Expr>, L: Into<Literal>>(
        &self,
        index: impl IntoIterator<Item = I>,
        on: impl Into<String>,
        values: impl IntoIterator<Item = L>,
        agg: AggExpr,
    ) -> Frame {
        let (index, on): (Vec<Expr>, String) = (index.into_iter().map(Into::into).collect(), on.into());
        let values = values.into_iter().map(|value| {
            let value = value.into();
            let name = match &value {
                Literal::Text(text) | Literal::Date(text) | Literal::Timestamp(text) => text.clone(),
                other => other.to_string(),
            };
            (name, value)
        });
        let values: Vec<(String, Literal)> = values.collect();
        self.step(pivot_text(&index, &on, &agg), |input| {
            some(&values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
            pivoted(input, index, &on, values, agg)
        })
    }

    /// The values of a column, sorted, with their names, by running the query.
    fn distinct_values(&self, column: &str) -> Result<Vec<(String, Literal)>> {
        let groups = self.group_by([column]).agg([]).head(MOST_COLUMNS + 1).compute()?;
        if groups.num_rows() > MOST_COLUMNS {
            let message =
                format!("column '{column}' has more than {MOST_COLUMNS} values, each of which would be a column");
            return Err(Error::new(ErrorKind::Config, message)
                .help("name the columns that you want with pivot_with(..), or group by it instead"));
        }
        let values = groups.column(column)?;
        let options = FormatOptions::default();
        let texts = ArrayFormatter::try_new(&values, &options)?;
        (0..values.len())
            .map(|row| {
                let text = texts.value(row).to_string();
                Ok((text.clone(), literal(&values, row, text)?))
            })
            .collect()
    }
}

fn pivot_text(index: &[Expr], on: &str, agg: &AggExpr) -> String {
    format!("pivot([{}], {on}, {agg})", list(index.iter().map(Expr::to_string)))
}

fn pivoted(
    input: Arc<LogicalPlan>,
    index: Vec<Expr>,
    on: &str,
    values: Vec<(String, Literal)>,
    agg: AggExpr,
) -> Result<LogicalPlan> {
    let agg = agg.null_of_nothing();
    let cells = values.into_iter().map(|(name, value)| agg.clone().filter(col(on).eq(value)).alias(name));
    let cells = cells.collect();
    let known = Arc::new(LogicalPlan::filter(input, col(on).is_not_null())?);
    LogicalPlan::aggregate(known, index, cells, false)
}

/// A value of a column as a constant.
fn literal(values: &dyn Array, row: usize, text: String) -> Result<Literal> {
    Ok(match Type::of(values.data_type()) {
        Some(Type::Int64) => Literal::Int64(values.as_primitive::<Int64Type>().value(row)),
        Some(Type::Float64) => Literal::Float64(values.as_primitive::<Float64Type>().value(row)),
        Some(Type::Bool) => Literal::Bool(values.as_boolean().value(row)),
        Some(Type::Date) => Literal::Date(text),
        Some(Type::Timestamp) => Literal::Timestamp(text),
        Some(Type::Text) => Literal::Text(text),
        None => return Err(Error::internal("a column of no type of ours")),
    })
}
