//! Partita's answer to a query, as CSV on standard output: the library in its own idiom, in a process of its own.

use std::io;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{Session, Table};

use crate::Result;
use crate::queries::Query;

pub fn answer(query: &str, files: &str, threads: &str) -> Result<()> {
    let query = Query::parse(query)?.partita;
    let session = Session::builder().threads(threads.parse()?).build()?;
    write_csv(&query(session.read_csv(files)).compute()?)
}

/// Missing values are empty fields; floats have as many digits as tell them from all others.
fn write_csv(table: &Table) -> Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    out.write_record(table.schema().fields().iter().map(|field| field.name()))?;
    for batch in table.batches() {
        let options = FormatOptions::new();
        let columns = batch.columns().iter().map(|column| Ok(ArrayFormatter::try_new(column, &options)?));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            out.write_record(columns.iter().map(|column| column.value(row).to_string()))?;
        }
    }
    Ok(out.flush()?)
}
