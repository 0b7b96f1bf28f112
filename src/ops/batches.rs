//! Rows that wait, between stages or in a sink: in memory while there is room, else spilled; always in their order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::OUTPUT_ROWS;
use super::collect::compact;
use crate::batch::{batch_bytes, decode, encode, held, held_batch, held_bytes, is_narrow, shown, shown_bytes};
use crate::error::Result;
use crate::mem::{Block, Part, Reservation};

/// Rows in order, as batches that are pushed one by one and read any number of times.
///
/// They take memory only while less than half of the limit is used: who works needs some too.
pub(crate) struct Batches {
    /// Of the columns that are shown, and of all that there are.
    schema: SchemaRef,
    whole: SchemaRef,
    pieces: Vec<Piece>,
    rows: usize,
    /// Books the pieces in memory.
    memory: Reservation,
}

/// A batch, or the rows of it that are still wanted.
struct Piece {
    first: usize,
    rows: usize,
    /// What it takes in memory; of a spilled one, once it is read.
    bytes: usize,
    place: Place,
}

enum Place {
    Memory(RecordBatch),
    Spilled(Block),
}

/// So many rows of a batch that is held are shown at a time, on the way to a block.
const SHOWN_ROWS: usize = 1 << 14;

/// About the most bytes of rows in a block.
const BLOCK_BYTES: usize = 1 << 20;

/// So many blocks of less than so many bytes become one: when memory is short rows come a few at a time, and what is known of a
/// block would be as much as they are.
const SMALL_BLOCKS: usize = 16;

/// A block of less is small. One made of small ones is still little of the limit.
fn small_bytes(limit: usize) -> usize {
    (limit / 4096).min(1 << 13)
}

impl Batches {
    /// No rows yet; `memory` is kept for those to come.
    pub(crate) fn new(schema: SchemaRef, memory: Reservation) -> Batches {
        Batches { whole: schema.clone(), schema, pieces: vec![], rows: 0, memory }
    }

    pub(crate) fn num_rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A reservation like its own, empty.
    pub(crate) fn memory(&self) -> Reservation {
        self.memory.sibling()
    }

    /// Whether any rows are on disk.
    pub(crate) fn is_spilled(&self) -> bool {
        self.pieces.iter().any(Piece::is_spilled)
    }

    /// Adds rows at the end. The batch should hold little beside its rows: it is kept as it is. Those of a result may be narrower than
    /// the schema, which they are shown in.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let bytes = held_bytes(&batch);
        if !self.memory.try_resize_within_half(self.memory.bytes() + bytes) {
            // A few at a time, as there may be places of long texts.
            let most = if is_narrow(&batch, &self.whole) { SHOWN_ROWS } else { batch.num_rows().max(1) };
            for start in (0..batch.num_rows()).step_by(most) {
                let rows = batch.slice(start, most.min(batch.num_rows() - start));
                self.spill(&shown(rows, &self.whole)?)?;
            }
            return self.join_small();
        }
        self.add(batch.num_rows(), bytes, Place::Memory(batch));
        Ok(())
    }

    fn spill(&mut self, batch: &RecordBatch) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), batch_bytes(batch));
        if rows > OUTPUT_ROWS || rows > 1 && bytes > BLOCK_BYTES {
            self.spill(&batch.slice(0, rows / 2))?;
            return self.spill(&batch.slice(rows / 2, rows - rows / 2));
        }
        let mut encoded = Vec::new();
        encode(batch, &mut encoded)?;
        let block = self.memory.spill().write(&encoded)?;
        self.add(rows, bytes, Place::Spilled(block));
        Ok(())
    }

    /// Joins the last blocks if they are small.
    fn join_small(&mut self) -> Result<()> {
        let most = small_bytes(self.memory.limit());
        let small = self.pieces.iter().rev().take_while(|piece| piece.is_spilled() && piece.bytes < most).count();
        if small < SMALL_BLOCKS {
            return Ok(());
        }
        let small = self.pieces.split_off(self.pieces.len() - small);
        let wanted = |piece: &Piece| Ok(piece.read(&self.whole, &self.whole)?.slice(piece.first, piece.rows));
        let rows = small.iter().map(wanted).collect::<Result<Vec<_>>>()?;
        self.rows -= small.iter().map(|piece| piece.rows).sum::<usize>();
        drop(small);
        self.spill(&concat_batches(&self.whole, &rows)?)
    }

    fn add(&mut self, rows: usize, bytes: usize, place: Place) {
        if rows > 0 {
            self.rows += rows;
            self.pieces.push(Piece { first: 0, rows, bytes, place });
        }
    }

    /// The same rows, of which so many columns are shown, from the first on. What the others take stays taken.
    pub(crate) fn with_columns(mut self, columns: usize) -> Result<Batches> {
        if columns < self.schema.fields().len() {
            self.schema = Arc::new(self.schema.project(&(0..columns).collect::<Vec<_>>())?);
        }
        Ok(self)
    }

    /// The same rows as a result holds them: in narrower types.
    pub(crate) fn held(mut self) -> Result<Batches> {
        let mut bytes = 0;
        for piece in &mut self.pieces {
            if let Place::Memory(batch) = &mut piece.place {
                let columns = batch.columns().iter().map(|column| held(column).unwrap_or_else(|| column.clone()));
                *batch = held_batch(&self.whole, columns.collect(), batch.num_rows())?;
                piece.bytes = held_bytes(batch);
                bytes += piece.bytes;
            }
        }
        self.memory.try_resize(bytes)?;
        Ok(self)
    }

    /// Adds all rows of `later`, which are of as many columns, at the end. Nothing is copied.
    pub(crate) fn append(&mut self, later: Batches) {
        self.rows += later.rows;
        self.pieces.extend(later.pieces);
        self.memory.absorb(later.memory);
    }

    /// Keeps these rows alone.
    pub(crate) fn narrow(&mut self, range: &Range<usize>) -> Result<()> {
        let (mut at, mut held) = (0, 0);
        for mut piece in std::mem::take(&mut self.pieces) {
            let Some(wanted) = piece.pass(&mut at, range) else { continue };
            if let Place::Memory(batch) = &mut piece.place {
                if wanted.len() < piece.rows {
                    *batch = compact(&batch.slice(wanted.start, wanted.len()))?;
                    piece.bytes = held_bytes(batch).min(piece.bytes);
                }
                held += piece.bytes;
            } else {
                piece.first += wanted.start;
            }
            piece.rows = wanted.len();
            self.pieces.push(piece);
        }
        self.rows = self.pieces.iter().map(|piece| piece.rows).sum();
        self.memory.try_resize(held)
    }

    /// All rows, one block after the other.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        self.range(0..self.rows)
    }

    /// These rows, one block after the other.
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = Result<RecordBatch>> {
        let mut at = 0;
        let wanted = self.pieces.iter().filter_map(move |piece| Some((piece, piece.pass(&mut at, &range)?)));
        wanted.flat_map(|(piece, wanted)| bounded(piece.read(&self.whole, &self.schema), wanted))
    }

    /// These rows, one block after the other; each block is let go of.
    pub(crate) fn into_range(self, range: Range<usize>) -> impl Iterator<Item = Result<RecordBatch>> {
        let Batches { schema, whole, pieces, mut memory, .. } = self;
        let mut at = 0;
        pieces.into_iter().flat_map(move |piece| {
            let wanted = piece.pass(&mut at, &range).unwrap_or_default();
            let batch = if wanted.is_empty() { Ok(None) } else { piece.read(&whole, &schema).map(Some) };
            let held = if let Place::Memory(_) = piece.place { piece.bytes } else { 0 };
            let freed = memory.try_resize(memory.bytes() - held);
            match freed.and(batch) {
                Ok(None) => vec![],
                Ok(Some(batch)) => bounded(Ok(batch), wanted),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// All rows in memory, as they are held: those that were spilled are read back, and booked on the reservation that comes along.
    ///
    /// # Errors
    /// `ErrorKind::Memory` when they do not fit.
    pub(crate) fn load(&self) -> Result<(Vec<RecordBatch>, Reservation)> {
        let mut memory = self.memory.sibling();
        let mut batches = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            if piece.is_spilled() {
                memory.try_resize(memory.bytes() + piece.bytes)?;
            }
            batches.push(piece.held(&self.whole, &self.schema)?.slice(piece.first, piece.rows));
        }
        Ok((batches, memory))
    }

    /// As [`load`](Batches::load); the reservation books all of them.
    pub(crate) fn into_memory(self) -> Result<(Vec<RecordBatch>, Reservation)> {
        let (batches, mut memory) = self.load()?;
        memory.absorb(self.memory);
        Ok((batches, memory))
    }

    /// What the rows in memory are booked on; the rows go.
    pub(crate) fn into_reservation(self) -> Reservation {
        self.memory
    }

    /// What all rows take in memory when they are read, those too that are spilled now.
    pub(crate) fn loaded_bytes(&self) -> usize {
        let bytes = |piece: &Piece| match &piece.place {
            Place::Memory(batch) => shown_bytes(batch, &self.whole).max(piece.bytes),
            Place::Spilled(_) => piece.bytes,
        };
        self.pieces.iter().map(bytes).sum()
    }
}

impl Piece {
    fn is_spilled(&self) -> bool {
        matches!(self.place, Place::Spilled(_))
    }

    /// Moves `at` behind the piece. Gives which of its rows are within `range`, if any.
    fn pass(&self, at: &mut usize, range: &Range<usize>) -> Option<Range<usize>> {
        let start = *at;
        *at += self.rows;
        let (from, to) = (range.start.max(start), range.end.min(*at));
        (from < to).then(|| self.first + from - start..self.first + to - start)
    }

    /// The whole batch, the columns of it that are shown.
    fn read(&self, whole: &SchemaRef, columns: &SchemaRef) -> Result<RecordBatch> {
        shown(self.held(whole, columns)?, columns)
    }

    /// The same as it is held.
    fn held(&self, whole: &SchemaRef, shown: &SchemaRef) -> Result<RecordBatch> {
        let batch = match &self.place {
            Place::Memory(batch) => batch.clone(),
            Place::Spilled(block) => {
                let mut bytes = Vec::new();
                block.read(&mut bytes)?;
                decode(&bytes, whole)?
            }
        };
        if Arc::ptr_eq(whole, shown) {
            return Ok(batch);
        }
        Ok(batch.project(&(0..shown.fields().len()).collect::<Vec<_>>())?)
    }
}

/// These rows of a batch, as batches of a bounded number of rows.
fn bounded(batch: Result<RecordBatch>, rows: Range<usize>) -> Vec<Result<RecordBatch>> {
    match batch {
        Ok(batch) => {
            let starts = rows.clone().step_by(OUTPUT_ROWS);
            starts.map(|start| Ok(batch.slice(start, OUTPUT_ROWS.min(rows.end - start)))).collect()
        }
        Err(error) => vec![Err(error)],
    }
}

impl Part for Batches {
    fn bytes(&self) -> usize {
        self.memory.bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;
    use crate::mem::Budget;

    fn batch(first: usize, rows: usize) -> RecordBatch {
        let numbers = Int64Array::from_iter_values((first..first + rows).map(|i| i as i64));
        let texts = StringViewArray::from_iter((first..first + rows).map(|i| (i % 3 != 1).then(|| text(i))));
        RecordBatch::try_from_iter_with_nullable([
            ("row", Arc::new(numbers) as _, true),
            ("s", Arc::new(texts) as _, true),
        ])
        .unwrap()
    }

    fn text(row: usize) -> String {
        format!("the text of row number {row}")
    }

    fn rows(batches: impl Iterator<Item = Result<RecordBatch>>) -> Vec<usize> {
        let mut all = vec![];
        for batch in batches.map(Result::unwrap) {
            assert!((1..=OUTPUT_ROWS).contains(&batch.num_rows()));
            let texts = batch.column(1).as_string_view().iter();
            for (row, s) in batch.column(0).as_primitive::<Int64Type>().values().iter().zip(texts) {
                let row = *row as usize;
                assert_eq!(s.map(str::to_owned), (row % 3 != 1).then(|| text(row)));
                all.push(row);
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn rows_come_back_in_order(
            sizes in prop::collection::vec(prop_oneof![0usize..20, 500usize..9000, Just(70_000)], 0..8),
            limit in prop_oneof![Just(0usize), 1000usize..2_000_000, Just(1 << 28)],
            pushes in 1usize..5,
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
            held in any::<bool>(),
        ) {
            let budget = Budget::of(limit);
            let schema = batch(0, 0).schema();
            let mut all = Batches::new(schema.clone(), budget.reserve("rows"));
            let mut count = 0;
            for sizes in sizes.chunks(pushes) {
                let mut next = Batches::new(schema.clone(), budget.reserve("rows"));
                for size in sizes {
                    next.push(batch(count, *size)).unwrap();
                    count += size;
                }
                let loaded = next.loaded_bytes();
                let next = if held { next.held().unwrap() } else { next };
                prop_assert!(next.num_rows() == 0 || next.bytes() <= loaded && next.loaded_bytes() <= loaded);
                all.append(next);
            }
            prop_assert!(budget.peak() <= limit / 2);
            prop_assert_eq!(budget.used(), all.bytes());
            prop_assert_eq!(all.num_rows(), count);
            for _ in 0..2 {
                prop_assert_eq!(rows(all.iter()), (0..count).collect::<Vec<_>>());
            }
            let range = |a: prop::sample::Index, b: prop::sample::Index, of: usize| {
                let (a, b) = (a.index(of + 1), b.index(of + 1));
                a.min(b)..a.max(b)
            };
            let kept = range(cut.0, cut.1, count);
            prop_assert_eq!(rows(all.range(kept.clone())), kept.clone().collect::<Vec<_>>());
            all.narrow(&kept).unwrap();
            prop_assert_eq!(budget.used(), all.bytes());
            let again = range(cut.1, cut.0, kept.len());
            let want: Vec<usize> = kept.clone().skip(again.start).take(again.len()).collect();
            prop_assert_eq!(rows(all.range(again.clone())), want.clone());
            if limit == 1 << 28 {
                let (loaded, _memory) = all.load().unwrap();
                let narrowed = loaded.iter().all(|batch| batch.schema().field(0).data_type() != schema.field(0).data_type());
                prop_assert!(narrowed == held || loaded.is_empty());
                prop_assert_eq!(loaded.iter().map(RecordBatch::num_rows).sum::<usize>(), kept.len());
            }
            prop_assert_eq!(rows(all.into_range(again)), want);
            prop_assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn small_blocks_become_larger_ones() {
        let budget = Budget::of(1 << 25);
        let mut others = budget.reserve("others");
        others.overdraw(1 << 25);
        let mut batches = Batches::new(batch(0, 0).schema(), budget.reserve("rows"));
        (0..10_000).for_each(|i| batches.push(batch(i * 10, 10)).unwrap());
        assert!(batches.pieces.len() < 800, "{} blocks", batches.pieces.len());
        assert_eq!(rows(batches.iter()), (0..100_000).collect::<Vec<_>>());
        // Every row was written a few times, not again and again.
        assert!(budget.spill().written() < 4 * batches.loaded_bytes() as u64);
    }

    #[test]
    fn what_was_spilled_is_booked_when_it_is_read_back() {
        let budget = Budget::of(1 << 20);
        let mut batches = Batches::new(batch(0, 0).schema(), budget.reserve("rows"));
        (0..10).for_each(|i| batches.push(batch(i * 1000, 1000)).unwrap());
        let held = budget.used();
        assert!(held > 0 && held <= 1 << 19 && batches.memory.spill().written() > 0);
        let (loaded, memory) = batches.load().unwrap();
        assert!(memory.bytes() > 0);
        assert_eq!(rows(loaded.into_iter().map(Ok)), (0..10_000).collect::<Vec<_>>());
        drop(memory);
        (10..100).for_each(|i| batches.push(batch(i * 1000, 1000)).unwrap());
        assert_eq!(batches.load().unwrap_err().kind(), ErrorKind::Memory);
        assert_eq!(rows(batches.iter()).len(), 100_000);
    }
}
