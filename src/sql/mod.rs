//! SQL text to a [`Frame`]: a thin front without an engine of its own.
//!
//! `source` cuts the text into tokens and points errors into it; `statement` has `sqlparser` parse it, as the SQL of `dialect`. A `query` is
//! WITH, set operations and `select` (with its `list`), whose clauses are a file each: `from` and `join` give rows with `names`, `translate` makes expressions
//! of expressions (with `literals`, `patterns`, `functions`), and takes out what is computed beside them: `aggregates`, `windows`, `subquery` (and `correlated`).

mod aggregates;
mod clauses;
mod correlated;
mod dialect;
mod from;
mod functions;
mod join;
mod list;
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
use crate::io::csv::CsvOptions;
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
    /// The frame that a statement describes. FROM names files, or a glob of them, in single or double quotes: CSV, or by the ending Parquet
    /// and Arrow IPC. Samples of the files are read at once, for the names and types of their columns, and nothing runs (but `COPY`, which
    /// does at once).
    ///
    /// **Queries:** `SELECT` with expressions, aliases, `*`, `t.*`, `* EXCLUDE (…)`, `DISTINCT`, `DISTINCT ON (…)`; `FROM` files,
    /// `read_csv('glob', option => value, …)`, `read_parquet`, `read_ipc`, subqueries, `VALUES`; `JOIN` (inner, left, right, full, semi, anti, cross, natural; `ON` any
    /// condition, `USING`) and commas; `WHERE`; `GROUP BY` expressions, aliases, positions, `ALL`; `HAVING`; `QUALIFY`; `ORDER BY` with `NULLS FIRST`
    /// and `LAST`, `ALL`; `LIMIT` and `OFFSET`; `UNION`, `INTERSECT`, `EXCEPT`, each with `ALL`; `WITH`; `WINDOW`. `EXPLAIN`, `DESCRIBE`, and `COPY (query) TO 'file'
    /// (FORMAT parquet)`, which replaces a file that is there, and gives the number of its rows.
    ///
    /// **Expressions:** `= <> < <= > >= + - * / // % ||`, `AND OR NOT`, `IS [NOT] NULL, TRUE, FALSE, DISTINCT FROM`, `BETWEEN`, `IN (list or
    /// subquery)`, `LIKE`, `ILIKE`, `CASE`, `CAST`, `TRY_CAST`, `::`, `EXISTS` and subqueries that give a value. A subquery may use columns of the query
    /// around it in conditions of its WHERE, as in `EXISTS (SELECT * FROM b WHERE b.k = a.k)`; one that gives a value is an aggregate then, tied by `=`.
    /// `DATE '2020-01-31'`, `TIMESTAMP '…'`, `INTERVAL '3' DAY`. Functions: `abs ceil floor round sqrt exp ln log log10 log2 power sign mod
    /// greatest least isnan`, `upper lower length trim ltrim rtrim substr left right replace split_part contains starts_with ends_with concat
    /// regexp_matches regexp_extract regexp_replace(…, 'g')`, `coalesce ifnull nullif if`, `year quarter month day hour minute second dayofweek
    /// isodow dayofyear`, `EXTRACT date_part date_trunc date_diff strftime strptime try_strptime`.
    ///
    /// **Aggregates**, with `DISTINCT` and `FILTER (WHERE …)`: `count sum avg min max var_samp var_pop stddev_samp stddev_pop median quantile_cont
    /// percentile_cont mode first last any_value string_agg corr covar_samp covar_pop bool_and bool_or count_if`. `string_agg`, `first` and
    /// `last` take `ORDER BY`; `first` and `last` skip nulls, where DuckDB gives them.
    ///
    /// **Windows:** `row_number rank dense_rank lag lead first_value last_value count sum avg min max` `OVER (PARTITION BY … ORDER BY … ROWS BETWEEN …
    /// AND …)`; without an order, all aggregates. They are those of [`Over`](crate::Over).
    ///
    /// **What it means** is told at [`Expr`](crate::Expr) and [`AggExpr`](crate::AggExpr) (`/` gives a float, `//` rounds down, NaN lies above all
    /// numbers, a cast to an integer cuts the fraction), but for SQL's own
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
        self.sql_with(text, &CsvOptions::default())
    }

    /// As [`sql`](Session::sql), with options for all CSV files that FROM names; those that `read_csv(…)` names come on top, and count
    /// where both say something.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::{Session, prelude::*};
    /// let codes_are_text = CsvOptions::new().dtype("k", Type::Text);
    /// let first = Session::default().sql_with("SELECT k FROM 'testdata/baci/BACI_HS12_Y2018.csv' LIMIT 1", &codes_are_text);
    /// assert_eq!(first.schema()?.field(0).data_type(), &Type::Text.arrow());
    /// # Ok(())
    /// # }
    /// ```
    pub fn sql_with(&self, text: &str, csv: &CsvOptions) -> Frame {
        statement::plan(self, csv, text).unwrap_or_else(|error| Frame::failed(self.clone(), error))
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
