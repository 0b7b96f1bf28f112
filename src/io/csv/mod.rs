//! The CSV scan.
