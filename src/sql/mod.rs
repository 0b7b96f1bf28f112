//! SQL text to a `Frame`: a thin front without an engine of its own.

mod parse;
mod source;
