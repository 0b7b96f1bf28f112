//! The command line: thin, on the public API only.

mod generate;
