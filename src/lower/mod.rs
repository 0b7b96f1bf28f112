//! Turns a logical plan into stages, and stages into tasks.
