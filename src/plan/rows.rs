//! Steps that pick rows of groups, hand rows to closures, reshape them, and move them between partitions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::{LogicalPlan, unique};
use crate::batch::{BatchFunction, FoldFunctions};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, type_name, widened};

/// Which of several rows that have something in common stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first ones.
    First,
    /// The last ones.
    Last,
}

/// More partitions than this are taken for a slip.
const MOST_PARTITIONS: usize = 100_000;

/// Rows that go by key are collected for each of these in every partition.
const MOST_BUCKETS: usize = 4096;

impl LogicalPlan {
    /// The columns that come out are announced, or found by a call with no rows.
    pub(crate) fn map_batches(input: Arc<LogicalPlan>, function: BatchFunction) -> Result<LogicalPlan> {
        let schema = function.output(input.schema())?;
        Ok(LogicalPlan::MapBatches { input, function, schema })
    }

    pub(crate) fn map_partitions(
        input: Arc<LogicalPlan>,
        function: BatchFunction,
        fitting: usize,
    ) -> Result<LogicalPlan> {
        let schema = function.output(input.schema())?;
        Ok(LogicalPlan::MapPartitions { input, function, fitting, schema })
    }

    pub(crate) fn group_rows(
        input: Arc<LogicalPlan>,
        keys: Vec<Expr>,
        rows: usize,
        keep: Keep,
        keep_nulls: bool,
    ) -> Result<LogicalPlan> {
        keys.iter().try_for_each(|key| key.bind(input.schema()).map(|_| ()))?;
        Ok(LogicalPlan::GroupRows { input, keys, rows, keep, keep_nulls })
    }

    /// `input` is sorted by the keys.
    pub(crate) fn apply(input: Arc<LogicalPlan>, keys: Vec<Expr>, function: BatchFunction) -> Result<LogicalPlan> {
        keys.iter().try_for_each(|key| key.bind(input.schema()).map(|_| ()))?;
        let schema = function.output(input.schema())?;
        Ok(LogicalPlan::Apply { input, keys, function, schema })
    }

    /// Values come in the narrowest type that holds those of all the columns.
    pub(crate) fn unpivot(
        input: Arc<LogicalPlan>,
        index: Vec<String>,
        columns: Vec<String>,
        names: String,
        values: String,
    ) -> Result<LogicalPlan> {
        let mut fields = index.iter().map(|name| input.named(name).cloned()).collect::<Result<Vec<Field>>>()?;
        let (first, rest) = columns.split_first().ok_or_else(|| {
            Error::new(ErrorKind::Config, "there is no column to unpivot").help("name one column at least")
        })?;
        if let Some(twice) = columns.iter().enumerate().find(|(i, name)| columns[..*i].contains(name)) {
            return Err(
                Error::new(ErrorKind::Column, format!("column '{}' is named twice", twice.1)).help("name it once")
            );
        }
        let mut kind: DataType = input.named(first)?.data_type().clone();
        for name in rest {
            let other = input.named(name)?.data_type();
            kind = widened(&kind, other).ok_or_else(|| {
                let (a, b) = (type_name(&kind), type_name(other));
                Error::new(ErrorKind::Type, format!("column '{name}' is {b}, and those before it are {a}"))
                    .help("the values come in one column: give them one type first, with a cast")
            })?;
        }
        fields.push(Field::new(names, DataType::Utf8View, true));
        fields.push(Field::new(values, kind, true));
        Ok(LogicalPlan::Unpivot { schema: unique(fields)?, input, index, columns })
    }

    pub(crate) fn explode(input: Arc<LogicalPlan>, column: String, separator: String) -> Result<LogicalPlan> {
        let kind = input.named(&column)?.data_type();
        if *kind != DataType::Utf8View {
            let message = format!("column '{column}' is {}, and only text is cut into pieces", type_name(kind));
            return Err(Error::new(ErrorKind::Type, message).help("cast it to text first"));
        }
        if separator.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the separator is empty").help("give at least one character"));
        }
        Ok(LogicalPlan::Explode { input, column, separator })
    }

    /// Without keys, rows are cut in order.
    pub(crate) fn repartition(input: Arc<LogicalPlan>, partitions: usize, keys: Vec<Expr>) -> Result<LogicalPlan> {
        keys.iter().try_for_each(|key| key.bind(input.schema()).map(|_| ()))?;
        let (most, how) = if keys.is_empty() { (MOST_PARTITIONS, "") } else { (MOST_BUCKETS, " by key") };
        if !(1..=most).contains(&partitions) {
            return Err(Error::new(ErrorKind::Config, format!("a frame can't have {partitions} partitions{how}"))
                .help(format!("give a number from 1 to {most}")));
        }
        Ok(LogicalPlan::Repartition { input, partitions, keys })
    }

    pub(crate) fn partition(input: Arc<LogicalPlan>, number: usize) -> Result<LogicalPlan> {
        let partitions = input.partitions();
        if number >= partitions {
            let message = format!("there is no partition {number}");
            return Err(Error::new(ErrorKind::Config, message).help(match partitions {
                1 => "the frame has one, number 0".to_owned(),
                n => format!("the frame has {n}, from 0 to {}", n - 1),
            }));
        }
        Ok(LogicalPlan::Partition { input, number })
    }

    pub(crate) fn fold(input: Arc<LogicalPlan>, functions: FoldFunctions) -> Result<LogicalPlan> {
        let schema = functions.output(input.schema())?;
        Ok(LogicalPlan::Fold { input, functions, schema })
    }

    /// A column that comes out.
    fn named(&self, name: &str) -> Result<&Field> {
        let schema: &Schema = self.schema();
        let find = schema.fields().iter().find(|field| field.name() == name);
        find.map(AsRef::as_ref)
            .ok_or_else(|| Error::unknown_column(name, schema.fields().iter().map(|field| field.name().as_str())))
    }
}
