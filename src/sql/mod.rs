//! SQL text to a [`Frame`]: a thin front without an engine of its own.
//!
//! The text goes through three files: `source` cuts it into tokens and points errors into it, `parse` has `sqlparser` parse it (as the
//! SQL of `dialect`) and refuses what is not carried out, `plan` builds the frame clause by clause, with `translate` for the expressions.

mod aggregates;
mod clauses;
mod dialect;
mod from;
mod functions;
mod join;
mod literals;
mod names;
mod patterns;
mod query;
mod select;
mod source;
mod statement;
mod subquery;
mod translate;
mod values;
mod walk;
mod windows;

use crate::frame::Frame;
use crate::sched::Session;

/// The frame that a SELECT statement describes, over CSV files that FROM names. See [`Session::sql`], for which this uses the
/// default session.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// let mean_q = partita::sql("SELECT k, avg(q) AS mean_q FROM 'testdata/baci/BACI_HS12_Y*.csv' WHERE t = 2018 GROUP BY k ORDER BY k");
/// assert_eq!(mean_q.schema()?.field(1).name(), "mean_q");
/// println!("{}", mean_q.compute()?);
/// # Ok(())
/// # }
/// ```
pub fn sql(text: &str) -> Frame {
    Session::default().sql(text)
}

impl Session {
    /// The frame that a SELECT statement describes. FROM names a CSV file, or a glob of them, in single or double quotes; samples
    /// of the files are read at once, for the names and types of their columns, and nothing runs.
    ///
    /// **What there is:** `SELECT` with expressions, aliases and `*`; `WHERE`; `GROUP BY` columns, expressions, aliases and positions;
    /// `count(*)`, `count`, `sum`, `avg`, `min` and `max`, within expressions too; `HAVING`; `ORDER BY` columns, expressions, aliases and
    /// positions, with `ASC`, `DESC`, `NULLS FIRST` and `NULLS LAST`; `LIMIT` and `OFFSET`. Constants are numbers, `'text'`, `TRUE`, `FALSE`, `NULL`,
    /// `DATE '2020-01-31'` and `TIMESTAMP '2020-01-31 12:00:00'`; operators are `= <> < <= > >=`, `+ - * / %`, `AND OR NOT`, `IS NULL`, `IS TRUE`,
    /// `IS FALSE`, `BETWEEN` and `IN (…)`.
    ///
    /// **What it means** is told at [`Expr`](crate::Expr) and [`AggExpr`](crate::AggExpr) (`/` gives a float, NaN lies above all numbers), but for SQL's own
    /// rules: nulls form a group, and the sum of nothing is null. Nulls are sorted last unless told otherwise. Without ORDER BY, rows come in the
    /// order of the files, groups in the order of their keys. Names of columns match without regard to capitals when none matches
    /// exactly, unless they stand in double quotes. A column without an alias is named as it is written: `avg(q)`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::Session;
    /// let session = Session::builder().threads(2).build()?;
    /// let largest = session.sql("SELECT i, j, v / q AS price FROM 'testdata/baci/BACI_HS12_Y2018.csv' WHERE q > 0 ORDER BY v DESC LIMIT 5");
    /// assert_eq!(largest.compute()?.num_rows(), 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// They come out at the end of the chain. Text that does not parse or says what is not supported is an
    /// [`ErrorKind::Sql`](crate::ErrorKind::Sql) error; it and errors of a clause (an unknown column, types that don't go together) point at their place:
    ///
    /// ```
    /// let error = partita::sql("SELECT k\nFROM 'testdata/baci/BACI_HS12_Y2018.csv'\nWHERE quantity > 1 LIMIT 5").compute().unwrap_err();
    /// assert_eq!(error.to_string(), "\
    /// there is no column 'quantity'
    ///   in line 3, column 7 of the query:
    ///     WHERE quantity > 1 LIMIT 5
    ///           ^
    ///   help: the columns are 't', 'i', 'j', 'k', 'v', 'q'");
    /// ```
    pub fn sql(&self, text: &str) -> Frame {
        statement::plan(self, text).unwrap_or_else(|error| Frame::failed(self.clone(), error))
    }
}

/// The statements of a text, which semicolons part; those within texts and comments part nothing, and what is blank is no statement.
///
/// ```
/// assert_eq!(partita::sql_statements("SELECT ';' AS x; -- one;\nSELECT 2;\n"), ["SELECT ';' AS x", "-- one;\nSELECT 2"]);
/// ```
///
/// A text that can't be cut into words, as for an open quote, is one statement: [`Session::sql`] tells what is wrong with it.
pub fn sql_statements(text: &str) -> Vec<&str> {
    source::statements(text)
}
