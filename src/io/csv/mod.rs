//! The CSV scan, from the bytes of a file to typed batches.
//!
//! In the order of the data: [`source`] looks at files, what their bytes mean ([`dialect`], [`sniff`], [`encoding`]), their samples
//! ([`infer`], or [all of them](infer_all)) and columns ([`columns`]) and cuts them into partitions ([`boundary`]); [`reader`] reads one
//! partition in blocks, finds the fields of each ([`fields`]), and makes columns of those that are wanted ([`decode`]). What can't be
//! read is an error ([`endless`], [`excerpt`]) or left out ([`rejects`], [`rejected`]). What can be set: [`options`], [`settings`], by name [`named`].

pub(super) mod boundary;
mod columns;
mod decode;
mod dialect;
pub(super) mod encoding;
mod endless;
mod excerpt;
mod fields;
mod infer;
mod infer_all;
mod named;
mod options;
mod reader;
mod rejected;
mod rejects;
mod settings;
mod sniff;
mod source;

pub use dialect::{LineEnd, Ragged, Simd};
pub use named::{NamedOption, OptionValue};
pub use options::{CsvOptions, Delimiter, Infer, OnBadRow};
pub(crate) use reader::{CsvReader, CsvScan, Start};
pub(crate) use rejects::{Rejects, report_rejects};
pub use source::ColumnReport;
pub(crate) use source::{CsvSource, check_rejects};
