//! The CSV scan, from the bytes of a file to typed batches.
//!
//! In the order of the data: [`source`] looks at files, what their bytes mean ([`encoding`]), their samples ([`infer`])
//! and columns ([`columns`]) and cuts them into partitions ([`boundary`]); [`reader`] reads one partition in blocks, finds the fields of each ([`fields`]), and makes columns
//! of those that are wanted ([`decode`]).

mod boundary;
mod columns;
mod decode;
mod encoding;
mod endless;
mod fields;
mod infer;
mod options;
mod reader;
mod source;

pub use options::CsvOptions;
pub(crate) use reader::{CsvReader, CsvScan, Start};
pub use source::ColumnReport;
pub(crate) use source::CsvSource;
