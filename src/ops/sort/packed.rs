//! Batches whose rows are words, which take little memory, and in which a row that is picked comes as one.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{SchemaRef, ToByteSlice};

use super::layout::{Layout, Shape};
use crate::error::{Error, Result};

/// Rows that are laid out alike.
pub(super) struct Packed {
    layout: Arc<Layout>,
    words: Vec<u64>,
    rows: usize,
}

/// Rows of a batch that follow each other.
#[derive(Clone)]
pub(super) struct Slice<'a> {
    pub(super) batch: &'a Packed,
    pub(super) rows: Range<usize>,
    /// The number of the source that the batch is of, and the place there of its first row.
    pub(super) number: usize,
    pub(super) offset: usize,
}

/// So many slices are looked at together, and so many words of each.
const AHEAD: usize = 16;
const WORDS_AHEAD: usize = 32;
/// The words of a line of the cache.
const LINE: usize = 8;

impl Packed {
    pub(super) fn of(columns: &[ArrayRef], shape: &Shape) -> Result<Packed> {
        let rows = columns.first().map_or(0, |column| column.len());
        let (layout, words) = shape.lay_out(columns)?;
        Ok(Packed { layout, words, rows })
    }

    /// Adds rows; false, and nothing is added, where that takes another layout.
    pub(super) fn append(&mut self, columns: &[ArrayRef], shape: &Shape) -> Result<bool> {
        let added = shape.append(&self.layout, columns, &mut self.words)?;
        if added {
            self.rows += columns.first().map_or(0, |column| column.len());
        }
        Ok(added)
    }

    /// Adds rows that are laid out alike.
    pub(super) fn extend(&mut self, rows: &Packed) -> Result<()> {
        if !Arc::ptr_eq(&self.layout, &rows.layout) {
            return Err(Error::internal("the rows of a run are not all laid out alike"));
        }
        self.words.extend_from_slice(&rows.words);
        self.rows += rows.rows;
        Ok(())
    }

    /// Some rows alone.
    pub(super) fn cut(&self, rows: Range<usize>) -> Packed {
        let width = self.layout.width();
        let words = self.words[rows.start * width..rows.end * width].to_vec();
        Packed { layout: self.layout.clone(), words, rows: rows.len() }
    }

    /// Lets go of the rows, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.rows = 0;
    }

    /// The rows of all slices, one after the other, in this layout, which all of them fit.
    pub(super) fn together(layout: &Arc<Layout>, slices: &[Slice]) -> Result<Packed> {
        let rows = slices.iter().map(Slice::num_rows).sum();
        let mut words = Vec::with_capacity(rows * layout.width());
        for slices in slices.chunks(AHEAD) {
            // Each slice is far from the one before: the beginnings of some come from memory together.
            std::hint::black_box(slices.iter().fold(0, |all, slice| all ^ slice.touch()));
            for slice in slices {
                if Arc::ptr_eq(&slice.batch.layout, layout) || slice.batch.layout == *layout {
                    words.extend_from_slice(slice.words());
                } else {
                    layout.take_over(&slice.batch.layout, slice.words(), &mut words)?;
                }
            }
        }
        Ok(Packed { layout: layout.clone(), words, rows })
    }

    /// Rows that were laid out before.
    pub(super) fn of_words(layout: Arc<Layout>, words: Vec<u64>, rows: usize) -> Packed {
        Packed { layout, words, rows }
    }

    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(super) fn num_rows(&self) -> usize {
        self.rows
    }

    /// Some rows' words as they are in memory.
    pub(super) fn as_bytes(&self, rows: Range<usize>) -> &[u8] {
        let width = self.layout.width();
        self.words[rows.start * width..rows.end * width].to_byte_slice()
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// The integer that orders as a value does; none for a null.
    #[inline]
    pub(super) fn int(&self, column: usize, row: usize) -> Option<i64> {
        self.layout.int(column, &self.words[row * self.layout.width()..])
    }

    /// Integers that order as the values of a column do within this batch.
    pub(super) fn key(&self, column: usize) -> ArrayRef {
        self.layout.key(column, &self.words)
    }

    /// A column of all rows.
    fn column(&self, column: usize) -> Result<ArrayRef> {
        self.layout.column(column, &self.words)
    }

    /// These rows, in this order.
    pub(super) fn pick(&self, rows: &[u32]) -> Packed {
        let words = self.layout.pick(&self.words, rows.iter().map(|row| *row as usize));
        Packed { layout: self.layout.clone(), words, rows: rows.len() }
    }

    /// The rows as a batch of the first columns, which are those of the schema.
    pub(super) fn unpacked(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let columns = (0..schema.fields().len()).map(|i| self.column(i)).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }
}

impl<'a> Slice<'a> {
    /// All rows of a source of this number.
    pub(super) fn whole(batch: &'a Packed, number: usize) -> Slice<'a> {
        Slice { batch, rows: 0..batch.num_rows(), number, offset: 0 }
    }

    pub(super) fn num_rows(&self) -> usize {
        self.rows.len()
    }

    fn words(&self) -> &[u64] {
        let width = self.batch.layout.width();
        &self.batch.words[self.rows.start * width..self.rows.end * width]
    }

    /// Reads from some of its lines of the cache.
    #[inline]
    fn touch(&self) -> u64 {
        let words = self.words();
        words[..words.len().min(WORDS_AHEAD)].iter().step_by(LINE).fold(0, |all, word| all ^ word)
    }
}

/// What a row takes that is not packed.
pub(super) fn row_bytes(schema: &SchemaRef) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(1)).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray, UInt32Array,
    };
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;
    use crate::ops::key::float_to_int;

    type Row = (Option<i64>, Option<f64>, Option<bool>, Option<i32>, Option<i64>);

    fn of_rows(values: &[Row]) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            ("int", Arc::new(values.iter().map(|row| row.0).collect::<Int64Array>()) as _, true),
            ("float", Arc::new(values.iter().map(|row| row.1).collect::<Float64Array>()) as _, true),
            ("bool", Arc::new(values.iter().map(|row| row.2).collect::<BooleanArray>()) as _, true),
            ("date", Arc::new(values.iter().map(|row| row.3).collect::<Date32Array>()) as _, true),
            ("time", Arc::new(values.iter().map(|row| row.4).collect::<TimestampMicrosecondArray>()) as _, true),
        ])
        .unwrap()
    }

    /// Integers of about so many bits, and at both ends.
    fn ints() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
    }

    /// Of a few decimal places, and at times any.
    fn floats() -> impl Strategy<Value = f64> {
        prop_oneof![9 => (ints(), 0..5i32).prop_map(|(value, places)| (value >> 32) as f64 / 10f64.powi(places)), 1 => any::<f64>()]
    }

    fn rows() -> impl Strategy<Value = Row> {
        let some = |bits| prop::option::weighted(0.95, (ints(), Just(bits)).prop_map(|(value, bits)| value >> bits));
        (some(0), prop::option::weighted(0.9, floats()), any::<Option<bool>>(), any::<Option<i32>>(), some(40))
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was(
            batches in prop::collection::vec(prop::collection::vec(rows(), 0..40), 1..6),
            cuts in prop::collection::vec((0usize..40, 0usize..40), 6),
            picked in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let (shape, batches) = (Shape::default(), batches.iter().map(|rows| of_rows(rows)).collect::<Vec<_>>());
            let packed: Vec<Packed> =
                batches.iter().map(|batch| Packed::of(batch.columns(), &shape).unwrap()).collect();
            let (mut slices, mut expected) = (vec![], vec![]);
            for ((batch, packed), (a, b)) in batches.iter().zip(&packed).zip(&cuts) {
                let (start, end) = ((*a.min(b)).min(batch.num_rows()), (*a.max(b)).min(batch.num_rows()));
                slices.push(Slice { rows: start..end, ..Slice::whole(packed, 0) });
                expected.push(batch.slice(start, end - start));
            }
            let schema = batches[0].schema();
            let together = Packed::together(&shape.latest().unwrap(), &slices).unwrap();
            let found = together.unpacked(&schema).unwrap();
            let expected = arrow::compute::concat_batches(&schema, &expected).unwrap();
            // As text, because no NaN equals another.
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            let floats = |batch: &RecordBatch| -> Vec<Option<u64>> {
                batch.column(1).as_primitive::<Float64Type>().iter().map(|float| float.map(f64::to_bits)).collect()
            };
            prop_assert_eq!(floats(&found), floats(&expected));
            let (ints, floats) = (expected.column(0).as_primitive::<Int64Type>(), expected.column(1));
            let (keys, floats) = (together.key(1), floats.as_primitive::<Float64Type>());
            for row in 0..expected.num_rows() {
                prop_assert_eq!(together.int(0, row), ints.is_valid(row).then(|| ints.value(row)));
                prop_assert_eq!(together.int(1, row), floats.is_valid(row).then(|| float_to_int(floats.value(row))));
                prop_assert_eq!(keys.is_valid(row), floats.is_valid(row));
            }
            let known: Vec<usize> = (0..expected.num_rows()).filter(|row| floats.is_valid(*row)).collect();
            for (a, b) in known.iter().zip(known.iter().skip(1)) {
                let key = |row: &usize| keys.as_primitive::<Int64Type>().value(*row);
                let float = |row: &usize| float_to_int(floats.value(*row));
                prop_assert_eq!(key(a).cmp(&key(b)), float(a).cmp(&float(b)));
            }
            if expected.num_rows() > 0 {
                let picked: Vec<u32> = picked.iter().map(|at| at.index(expected.num_rows()) as u32).collect();
                let found = together.pick(&picked).unpacked(&schema).unwrap();
                let taken = arrow::compute::take_record_batch(&expected, &UInt32Array::from(picked)).unwrap();
                prop_assert_eq!(format!("{found:?}"), format!("{taken:?}"));
            }
        }
    }

    /// A batch of numbers up to 100, with a null in place of the last, as integers and as decimals.
    fn small(rows: i64, places: i32) -> RecordBatch {
        let value = |row| (row + 1 < rows).then_some(row % 100);
        let row = |row| (value(row), value(row).map(|v| v as f64 / 10f64.powi(places)), None, None, value(row));
        of_rows(&(0..rows).map(row).collect::<Vec<_>>())
    }

    #[test]
    fn a_row_of_small_values_is_a_word_that_larger_ones_soon_share() {
        let shape = Shape::default();
        let small = |rows, places| Packed::of(small(rows, places).columns(), &shape).unwrap();
        let (first, second, third) = (small(1000, 1), small(1000, 3), small(1000, 2));
        assert_eq!([&first, &second, &third].map(Packed::bytes), [8000; 3]);
        assert!(!Arc::ptr_eq(&first.layout, &second.layout) && Arc::ptr_eq(&second.layout, &third.layout));
        let large =
            Packed::of(of_rows(&[(Some(i64::MIN), Some(f64::NAN), None, None, Some(0)); 1000]).columns(), &shape)
                .unwrap();
        // An integer of 64 bits, a float that is no decimal, and what else there is.
        assert_eq!(large.bytes(), 24_000);
        let fitting = small(1000, 0);
        assert!(Arc::ptr_eq(&fitting.layout, &large.layout));
        let all = [&first, &second, &third, &large, &fitting].map(|batch| Slice::whole(batch, 0));
        assert_eq!(Packed::together(&large.layout, &all).unwrap().bytes(), 24 * 5000);
    }

    #[test]
    fn rows_of_many_words_come_out_as_they_were() {
        let column =
            |i: i64| Arc::new(Int64Array::from(vec![Some(i64::MIN + i), None, Some(i64::MAX - i)])) as ArrayRef;
        let names: Vec<String> = (0..7).map(|i| i.to_string()).collect();
        let batch = RecordBatch::try_from_iter(names.iter().zip((0..7).map(column))).unwrap();
        let packed = Packed::of(batch.columns(), &Shape::default()).unwrap();
        assert_eq!(packed.layout.width(), 8);
        assert_eq!(packed.unpacked(&batch.schema()).unwrap(), batch);
        let rows = vec![2, 0, 0, 1];
        let taken = arrow::compute::take_record_batch(&batch, &UInt32Array::from(rows.clone())).unwrap();
        assert_eq!(packed.pick(&rows).unpacked(&batch.schema()).unwrap(), taken);
    }

    #[test]
    fn thousands_of_columns_are_laid_out_in_no_time() {
        let column = |i: i64| Arc::new(Int64Array::from_iter_values([0, 1 << (i % 40)])) as ArrayRef;
        let columns: Vec<ArrayRef> = (0..4000).map(column).collect();
        let packed = Packed::of(&columns, &Shape::default()).unwrap();
        let bits: u32 = (0..4000).map(|i| i % 40 + 1).sum();
        // As no value is cut between two words, they have some room.
        assert!((bits.div_ceil(64)..bits / 57).contains(&(packed.layout.width() as u32)), "{}", packed.layout.width());
        assert!((0..4000).all(|i| packed.int(i, 1) == Some(1 << (i % 40))));
    }
}
