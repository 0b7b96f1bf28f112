//! The expression language: building, binding to a schema, evaluation, aggregates.
