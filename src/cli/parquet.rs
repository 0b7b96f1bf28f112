//! A result as a Parquet file, into any writer.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;

use super::Failure;
use super::output::Batch;

pub(super) fn write(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Batch>,
    out: &mut (impl Write + Send),
) -> Result<(), Failure> {
    let mut writer = ArrowWriter::try_new(out, schema.clone(), None).map_err(io::Error::other)?;
    for batch in batches {
        writer.write(&batch?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}
