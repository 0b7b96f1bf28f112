//! Keeps the rows of a partition for later runs: in memory while there is room, else in a file.

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};

use super::collect::{batch_bytes, compact};
use super::groups::Groups;
use super::{Flow, OUTPUT_ROWS, Reducer};
use crate::error::{Error, Result};
use crate::expr::Type;
use crate::io::{Codes, Kept, KeptWriter, MIN_REPEATS};
use crate::mem::Reservation;

/// Keeps all rows of a partition, in their order.
pub(crate) struct PersistOp {
    schema: SchemaRef,
}

/// The rows of a partition so far.
pub(crate) struct PersistState {
    /// Batches too small to keep by themselves.
    small: Vec<RecordBatch>,
    small_rows: usize,
    small_bytes: usize,
    /// Those in memory; none once there is a file.
    batches: Vec<RecordBatch>,
    file: Option<KeptWriter>,
    bytes: usize,
    memory: Reservation,
}

/// Below this, batches are joined: what a batch costs beside its rows should not count.
const SMALL_ROWS: usize = 1 << 13;

/// Small batches are joined as soon as they hold this much.
const SMALL_BYTES: usize = 1 << 20;

impl PersistOp {
    pub(crate) fn new(schema: SchemaRef) -> PersistOp {
        PersistOp { schema }
    }

    fn keep_small(&self, state: &mut PersistState) -> Result<()> {
        let small = std::mem::take(&mut state.small);
        (state.small_rows, state.small_bytes) = (0, 0);
        match small.as_slice() {
            [] => Ok(()),
            [only] => self.keep(state, only.clone()),
            _ => self.keep(state, compact(&concat_batches(&self.schema, &small)?)?),
        }
    }

    fn keep(&self, state: &mut PersistState, batch: RecordBatch) -> Result<()> {
        if let Some(file) = &mut state.file {
            return file.write(&batch);
        }
        let bytes = state.bytes + batch.get_array_memory_size();
        // Runs need memory too: what is kept never takes more than half of all.
        if state.memory.try_resize_within_half(bytes) {
            state.bytes = bytes;
            state.batches.push(batch);
            return Ok(());
        }
        let mut file = KeptWriter::create(state.memory.spill(), &self.schema)?;
        state.batches.drain(..).try_for_each(|batch| file.write(&batch))?;
        file.write(&batch)?;
        state.bytes = 0;
        state.memory.try_resize(0)?;
        state.file = Some(file);
        Ok(())
    }
}

impl Reducer for PersistOp {
    const HOLDS: &'static str = "rows to persist";
    const SPILLS: bool = true;
    type State = PersistState;
    type Output = Kept;

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new_state(&self, memory: Reservation) -> PersistState {
        PersistState { small: vec![], small_rows: 0, small_bytes: 0, batches: vec![], file: None, bytes: 0, memory }
    }

    fn update(&self, state: &mut PersistState, batch: &RecordBatch) -> Result<Flow> {
        for start in (0..batch.num_rows()).step_by(OUTPUT_ROWS) {
            let batch = compact(&batch.slice(start, OUTPUT_ROWS.min(batch.num_rows() - start)))?;
            state.small_rows += batch.num_rows();
            state.small_bytes += batch_bytes(&batch);
            state.small.push(batch);
            if state.small_rows >= SMALL_ROWS || state.small_bytes >= SMALL_BYTES {
                self.keep_small(state)?;
            }
        }
        Ok(Flow::More)
    }

    fn seal(&self, state: &mut PersistState) -> Result<()> {
        self.keep_small(state)
    }

    fn merge(&self, _: &mut PersistState, _: PersistState) -> Result<()> {
        Err(Error::internal("persisted partitions stay apart"))
    }

    fn finish(&self, mut state: PersistState) -> Result<Kept> {
        self.keep_small(&mut state)?;
        let PersistState { batches, file, mut bytes, mut memory, .. } = state;
        if let Some(file) = file {
            return Ok(Kept::File(file.seal()?));
        }
        let codes = (0..self.schema.fields().len()).map(|column| {
            let codes = encode(&batches, column, bytes, &mut memory)?;
            bytes += codes.as_ref().map_or(0, Codes::bytes);
            // What is booked covers it.
            memory.try_resize(bytes)?;
            Ok(codes)
        });
        Ok(Kept::Memory { codes: codes.collect::<Result<_>>()?, batches, bytes, memory })
    }

    fn bytes(&self, state: &PersistState) -> usize {
        state.bytes + state.small_bytes
    }
}

/// A partition may have so many values however few rows it has: whether they repeat is then seen when all partitions are there.
const FEW_VALUES: usize = 1 << 17;

/// A text column as numbers too, if it repeats few values and there is room for them beside what is `booked`.
fn encode(batches: &[RecordBatch], column: usize, booked: usize, memory: &mut Reservation) -> Result<Option<Codes>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let is_text = |batch: &RecordBatch| batch.column(column).data_type() == &DataType::Utf8View;
    if !batches.iter().all(is_text) {
        return Ok(None);
    }
    let mut groups = Groups::new(vec![Type::Text]);
    let mut codes = Vec::with_capacity(batches.len());
    let mut book = booked + rows * size_of::<u32>();
    for batch in batches {
        let texts = batch.column(column);
        let text_bytes = texts.as_string_view().lengths().map(|length| length as usize).sum();
        book = book.max(booked + rows * size_of::<u32>() + groups.bytes_with(texts.len(), text_bytes));
        if !memory.try_resize_within_half(book) {
            return Ok(None);
        }
        let mut ids = Vec::with_capacity(texts.len());
        let mut more = |bytes: usize| match memory.try_resize_within_half(book + bytes) {
            true => Ok(()),
            false => Err(Error::internal("no room for codes")),
        };
        if groups.assign(std::slice::from_ref(texts), texts.len(), &mut ids, &mut more).is_err() {
            return Ok(None);
        }
        if groups.len() > FEW_VALUES.max(rows / MIN_REPEATS) {
            return Ok(None);
        }
        codes.push(UInt32Array::try_new(ids.into(), texts.nulls().cloned())?);
    }
    let ids: Vec<u32> = (0..groups.len() as u32).collect();
    let dictionary = groups.columns(&ids)?.remove(0).as_string_view().clone();
    Ok(Some(Codes { dictionary, batches: codes }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::batch::texts_at;
    use crate::io::{Persisted, RowSource};
    use crate::mem::{Budget, Part, Spill};

    fn batch(first: i64, rows: i64) -> RecordBatch {
        let numbers = Int64Array::from_iter((first..first + rows).map(|i| (i % 7 != 0).then_some(i)));
        let texts = StringViewArray::from_iter(
            (first..first + rows).map(|i| (i % 5 != 0).then(|| format!("text that is long {i}"))),
        );
        RecordBatch::try_from_iter_with_nullable([
            ("n", Arc::new(numbers) as _, true),
            ("s", Arc::new(texts) as _, true),
        ])
        .unwrap()
    }

    /// Keeps 40,000 rows in batches of many sizes within `limit`, and reads them again.
    fn kept(limit: usize) -> (Kept, RecordBatch) {
        let op = PersistOp::new(batch(0, 0).schema());
        let budget = Budget::of(limit);
        let mut state = op.new_state(budget.reserve("kept"));
        let (mut first, mut all) = (0, vec![]);
        while first < 40_000 {
            let next = batch(first, (first % 1009 + 1).min(40_000 - first));
            op.update(&mut state, &next).unwrap();
            first += next.num_rows() as i64;
            all.push(next);
        }
        op.seal(&mut state).unwrap();
        let kept = op.finish(state).unwrap();
        assert_eq!(budget.used(), kept.bytes());
        (kept, concat_batches(&batch(0, 0).schema(), &all).unwrap())
    }

    #[test]
    fn in_memory_or_in_a_file_the_rows_are_the_same() {
        for (limit, in_file) in [(1 << 30, false), (1 << 20, true), (1, true)] {
            let (kept, all) = kept(limit);
            assert_eq!(matches!(kept, Kept::File(_)), in_file);
            let read: Vec<RecordBatch> = kept.batches(&[0, 1]).collect::<Result<_>>().unwrap();
            assert!(read.iter().all(|batch| batch.num_rows() <= OUTPUT_ROWS));
            assert_eq!(concat_batches(&all.schema(), &read).unwrap(), all);
            let second: Vec<RecordBatch> = kept.batches(&[0]).collect::<Result<_>>().unwrap();
            assert_eq!(second.iter().map(|b| b.num_columns()).max(), Some(1));
            assert_eq!(second[0].column(0).as_primitive::<Int64Type>().value(1), 1);
        }
    }

    #[test]
    fn texts_that_repeat_have_codes_where_there_is_room() {
        let repeated = |n: i64| ["one", "two", "a text that does not fit a view"].get(n as usize % 4).copied();
        let texts = StringViewArray::from_iter((0..4000).map(repeated));
        let unique = StringViewArray::from_iter_values((0..4000).map(|n| format!("{n}")));
        let numbers = Int64Array::from_iter_values(0..4000);
        let columns: [(_, ArrayRef, _); 3] =
            [("t", Arc::new(texts.clone()), true), ("u", Arc::new(unique), true), ("n", Arc::new(numbers), true)];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let batches = [batch.slice(0, 1500), batch.slice(1500, 2500)];
        let budget = Budget::of(16 << 20);
        let mut memory = budget.reserve("codes");
        let codes = encode(&batches, 0, 0, &mut memory).unwrap().unwrap();
        let decoded = codes.batches.iter().flat_map(|batch| {
            batch.iter().map(|code| code.map(|code| codes.dictionary.value(code as usize).to_owned()))
        });
        assert_eq!(decoded.collect::<StringViewArray>(), texts);
        assert!(codes.bytes() >= 4 * 4000);
        assert!(encode(&batches, 2, 0, &mut memory).unwrap().is_none());
        let many: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..=FEW_VALUES).map(|n| format!("{n}"))));
        let many = [RecordBatch::try_from_iter([("m", many)]).unwrap()];
        assert!(encode(&many, 0, 0, &mut Budget::of(1 << 30).reserve("codes")).unwrap().is_none());
        assert!(encode(&batches, 0, 8 << 20, &mut memory).unwrap().is_none());
    }

    #[test]
    fn whether_values_repeat_is_seen_in_all_partitions() {
        // Of 1,000 rows in each partition: no value comes twice; one column has the same in all, the other has others.
        let batch = |nth: i64| {
            let texts =
                |first: i64| StringViewArray::from_iter_values((first..first + 1000).map(|n| format!("text {n}")));
            let columns: [(_, ArrayRef, _); 2] =
                [("same", Arc::new(texts(0)), true), ("other", Arc::new(texts(nth * 1000)), true)];
            RecordBatch::try_from_iter_with_nullable(columns).unwrap()
        };
        let budget = Budget::of(64 << 20);
        let persisted = |partitions: i64| {
            let op = PersistOp::new(batch(0).schema());
            let partition = |nth: i64| {
                let mut state = op.new_state(budget.reserve("kept"));
                op.update(&mut state, &batch(nth)).unwrap();
                op.finish(state).unwrap()
            };
            Arc::new(Persisted::new(batch(0).schema(), (0..partitions).map(partition).collect()).unwrap())
        };
        let rows = persisted(20);
        assert!(rows.dictionary(1).is_none());
        assert_eq!(rows.bytes(), budget.used() as u64);
        let dictionary = rows.dictionary(0).unwrap().clone();
        assert_eq!(dictionary.len(), 1000);
        let coded = rows.clone().with_codes(&[0]).unwrap();
        for nth in 0..20 {
            let read = coded.read(nth, &[0, 1], None, budget.reserve("read")).unwrap();
            let read = concat_batches(coded.schema(), &read.collect::<Result<Vec<_>>>().unwrap()).unwrap();
            let texts = texts_at(read.column(0), &dictionary).unwrap();
            assert_eq!([&texts, read.column(1)], [batch(nth as i64).column(0), batch(nth as i64).column(1)]);
        }
        drop((rows, coded));
        // A value would have to come eight times.
        assert!(persisted(7).dictionary(0).is_none());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let op = PersistOp::new(batch(0, 0).schema());
        let budget = Budget::new(1, Spill::new("/no/such/directory".into(), None));
        let mut state = op.new_state(budget.reserve("kept"));
        let error = op.update(&mut state, &batch(0, 10_000)).unwrap_err();
        assert!(error.to_string().contains("/no/such/directory"), "{error}");
    }
}
