//! Text columns of persisted frames that repeat few values, as numbers too: what groups by them needs no texts.
//!
//! Each partition numbers its own values; when all are there, their values are sorted into one dictionary, so that a code is the
//! place of a value among all values, and codes compare as the texts do.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, RecordBatch, StringViewArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::{Kept, Persisted, RowSource, Rows};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::mem::Reservation;

/// Values that repeat less often than so many times on average stay texts alone.
pub(crate) const MIN_REPEATS: usize = 8;

/// A text column of a partition as numbers.
pub(crate) struct Codes {
    /// The values; null may be one of them.
    pub dictionary: StringViewArray,
    /// For each batch, the place of each row's value in the dictionary; null where the text is.
    pub batches: Vec<UInt32Array>,
}

impl Codes {
    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let batches = self.batches.iter().map(|batch| batch.get_array_memory_size());
        batches.sum::<usize>() + self.dictionary.get_array_memory_size()
    }
}

/// Makes the dictionaries of all partitions one for each column, sorted and without null; none where a partition has no codes, or
/// values repeat too seldom.
pub(super) fn share_dictionaries(partitions: &mut [Kept], columns: usize) -> Result<Vec<Option<ArrayRef>>> {
    (0..columns).map(|column| share_dictionary(partitions, column)).collect()
}

fn share_dictionary(partitions: &mut [Kept], column: usize) -> Result<Option<ArrayRef>> {
    let own: Option<Vec<&Codes>> = partitions.iter().map(|kept| kept.codes(column)).collect();
    let Some((dictionary, places)) = own.and_then(|own| shared(&own)) else {
        partitions.iter_mut().try_for_each(|kept| kept.change_codes(column, |_| None))?;
        return Ok(None);
    };
    for (kept, places) in partitions.iter_mut().zip(places) {
        let place = |code: u32| places.get(code as usize).copied().unwrap_or_default();
        kept.change_codes(column, |codes| {
            let in_place = |batch: UInt32Array| batch.unary_mut(place).unwrap_or_else(|batch| batch.unary(place));
            let batches = codes.batches.into_iter().map(in_place).collect();
            // Its values are in the shared one.
            Some(Codes { dictionary: StringViewArray::from_iter_values([""; 0]), batches })
        })?;
    }
    Ok(Some(dictionary))
}

/// All values in order, and where among them those of each dictionary are; none where they repeat too seldom.
fn shared(own: &[&Codes]) -> Option<(ArrayRef, Vec<Vec<u32>>)> {
    let rows: usize = own.iter().flat_map(|codes| &codes.batches).map(|batch| batch.len()).sum();
    // First they are numbered as they come: each is looked up once.
    let mut numbers: HashMap<&str, u32, RandomState> = HashMap::default();
    let mut numbered: Vec<Vec<u32>> = Vec::with_capacity(own.len());
    for codes in own {
        let number = codes.dictionary.iter().map(|value| {
            let next = numbers.len() as u32;
            value.map_or(0, |value| *numbers.entry(value).or_insert(next))
        });
        numbered.push(number.collect());
        if numbers.len() > rows / MIN_REPEATS {
            return None;
        }
    }
    let mut values: Vec<(&str, u32)> = numbers.into_iter().collect();
    values.sort_unstable();
    let mut places = vec![0; values.len()];
    (0..).zip(&values).for_each(|(place, (_, number))| places[*number as usize] = place);
    let place = |number: &mut u32| *number = places.get(*number as usize).copied().unwrap_or_default();
    numbered.iter_mut().flatten().for_each(place);
    let values = values.into_iter().map(|(value, _)| value);
    Some((Arc::new(StringViewArray::from_iter_values(values)), numbered))
}

/// A persisted frame with numbers in place of some text columns.
pub(super) struct Coded {
    rows: Arc<Persisted>,
    /// The places of those columns.
    coded: Vec<usize>,
    schema: SchemaRef,
}

impl Coded {
    pub(super) fn new(rows: Arc<Persisted>, coded: &[usize]) -> Coded {
        let fields = rows.schema().fields().iter().enumerate().map(|(place, field)| match coded.contains(&place) {
            true => Arc::new(Field::new(field.name(), DataType::Int64, true)),
            false => field.clone(),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Coded { rows, coded: coded.to_vec(), schema }
    }
}

impl fmt::Debug for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coded({:?})", self.rows)
    }
}

impl RowSource for Coded {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.rows.partitions()
    }

    fn text(&self) -> String {
        self.rows.text()
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }

    fn dictionary(&self, column: usize) -> Option<&ArrayRef> {
        self.rows.dictionary(column)
    }

    fn with_codes(self: Arc<Self>, columns: &[usize]) -> Result<Arc<dyn RowSource>> {
        Ok(Arc::new(Coded::new(self.rows.clone(), &[&self.coded, columns].concat())))
    }

    fn read<'a>(
        &'a self,
        partition: usize,
        columns: &[usize],
        _filter: Option<&Expr>,
        _memory: Reservation,
    ) -> Result<Rows<'a>> {
        let kept = self.rows.partition(partition)?;
        let schema = Arc::new(self.schema.project(columns)?);
        let coded: Vec<(usize, &Codes)> = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| self.coded.contains(column))
            .map(|(place, column)| Some((place, kept.codes(*column)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::internal("a column lost its codes"))?;
        let batches = kept.batches(columns).enumerate().map(move |(number, batch)| {
            let batch = batch?;
            let mut columns = batch.columns().to_vec();
            for (place, codes) in &coded {
                columns[*place] = Arc::new(codes.batches[number].unary::<_, Int64Type>(i64::from));
            }
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        });
        Ok(Box::new(batches))
    }
}
