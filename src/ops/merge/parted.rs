//! A large right side that fits into memory, indexed by several tasks at a time.
//!
//! 1. Ranges of rows are hashed: their keys become words, sorted by part. The columns that come out are laid out by rows
//!    ([`RowStore`]); batches are let go of one by one, so that their memory serves what comes.
//! 2. Each part of the words becomes a table of its own: of hashes, or, where keys are integers close together, of a slot for each value,
//!    which took a sixth off the time of ten million rows merged with ten million. Keys that all differ lead from there to their rows at
//!    once.
//! 3. The others, of long texts and truth values, are each gathered into one array.
//! 4. Together that is a [`JoinTable`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, ArrowNumericType, AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef};

use super::build::{BuildOp, JoinTable, KeyIndex, gathered};
use super::index::Index;
use super::probe::{MergedColumn, ProbeOp};
use super::row_store::{RowLayout, RowStore};
use crate::batch::{is_narrow, shown, shown_bytes, shown_column};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, Type};
use crate::mem::{Part, Reservation};
use crate::ops::Reducer;
use crate::ops::groups::{KeyPart, KeyWords, MISSING, PartedKeys};

/// Rows to be indexed, and what they and their index take.
pub(crate) struct LargeBuild {
    keys: Vec<BoundExpr>,
    words: KeyWords,
    nulls_equal: bool,
    schema: SchemaRef,
    /// Ranges of `1 << bits` rows, the last of fewer; each goes to the task that hashes it.
    ranges: Vec<Mutex<Option<Vec<RecordBatch>>>>,
    bits: u32,
    rows: usize,
    /// The columns that come out, by rows, and the others that do.
    layout: RowLayout,
    others: Vec<usize>,
    memory: Mutex<Reservation>,
}

/// The keys of a range of rows: their words part by part, and beside each the number of its row; and what comes out of them.
pub(crate) struct Hashed {
    words: Vec<u64>,
    rows: Vec<u32>,
    /// Where the parts end.
    ends: Vec<usize>,
    laid_out: Mutex<Vec<u32>>,
    /// Columns that are not laid out, of each batch.
    others: Vec<Vec<ArrayRef>>,
}

/// The keys of one part, with the group of each row that has one of them, and that row.
pub(crate) struct IndexedPart {
    keys: Mutex<Option<KeyPart>>,
    groups: Mutex<(Vec<u32>, Vec<u32>)>,
    /// Whether the keys are numbered by their rows, not by their groups.
    is_by_rows: bool,
}

/// One column of all rows.
pub(crate) struct GatheredColumn(ArrayRef);

macro_rules! booked_by_the_build {
    ($($part:ty),*) => {$(
        impl Part for $part {
            fn bytes(&self) -> usize {
                0
            }
        }
    )*};
}
booked_by_the_build!(Hashed, IndexedPart, GatheredColumn);

impl Part for LargeBuild {
    fn bytes(&self) -> usize {
        locked(&self.memory).bytes()
    }
}

/// Fewer rows are indexed by one task.
pub(super) const LARGE_ROWS: usize = 1 << 19;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LargeBuild {
    /// How many parts there are.
    pub(crate) const PARTS: usize = KeyWords::PARTS;

    /// The bytes that the work takes beside these batches, and what it leaves: all columns are copied that may come out.
    pub(super) fn bytes_for(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<usize> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let layout = RowLayout::of(schema, &all, &batches.iter().collect::<Vec<_>>());
        let mut others = 0;
        for at in all.into_iter().filter(|at| !layout.has(*at)) {
            let schema = Arc::new(schema.project(&[at])?);
            for batch in batches {
                let column = batch.project(&[at])?;
                // What is held narrow is shown, too, until it is copied.
                others += shown_bytes(&column, &schema) * if is_narrow(&column, &schema) { 2 } else { 1 };
            }
        }
        let parts = KeyWords::PARTS * KeyPart::bytes_for(rows / KeyWords::PARTS + rows / (4 * KeyWords::PARTS));
        let words = layout.words_for(rows) * size_of::<u32>();
        let keys = rows * (size_of::<u64>() + 5 * size_of::<u32>());
        Ok(others + words + keys + parts)
    }

    /// Of these batches, as they are held, which are hashed by about so many rows; `memory` books what is to come. None where the keys
    /// of a row are no words.
    pub(super) fn new(
        op: &BuildOp,
        batches: &[RecordBatch],
        range_rows: usize,
        memory: Reservation,
    ) -> Result<Option<LargeBuild>> {
        let kinds: Vec<_> = op.keys().iter().map(BoundExpr::kind).collect();
        let Some(words) = KeyWords::of(&kinds).filter(|words| words.have_nulls() || !op.nulls_equal()) else {
            return Ok(None);
        };
        let (mut scratch, mut packed) = (vec![], vec![]);
        // A value alone is a word.
        let may_not_fit = if words.have_nulls() { batches } else { &[] };
        for batch in may_not_fit {
            let keys = op.keys().iter().map(|key| eval_held(key, batch, op.schema())).collect::<Result<Vec<_>>>()?;
            if !words.write(&keys, batch.num_rows(), &mut scratch, &mut packed)? {
                return Ok(None);
            }
        }
        let bits = range_rows.max(1).ilog2();
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let words = match bounds(op.keys(), batches) {
            Some((least, greatest)) => words.within(least, greatest, rows),
            None => words,
        };
        Ok(Some(LargeBuild {
            keys: op.keys().to_vec(),
            words,
            nulls_equal: op.nulls_equal(),
            schema: op.schema().clone(),
            ranges: cut(batches, 1 << bits).into_iter().map(|range| Mutex::new(Some(range))).collect(),
            bits,
            rows,
            layout: RowLayout::default(),
            others: vec![],
            memory: Mutex::new(memory),
        }))
    }

    /// Takes over what is booked for the rows.
    pub(super) fn absorb(&mut self, rows: Reservation) {
        self.memory.get_mut().unwrap_or_else(PoisonError::into_inner).absorb(rows);
    }

    /// The columns that such a look-up takes of the right side are to come out; but for the row numbers that rows in buckets have
    /// besides.
    pub(crate) fn lay_out(&mut self, probe: &ProbeOp) {
        let wanted = probe.columns().iter().filter_map(|column| match column {
            MergedColumn::Right(at) => Some(*at),
            MergedColumn::Key(_, at) if probe.tracks() => Some(*at),
            MergedColumn::Left(_) | MergedColumn::Key(..) => None,
        });
        let mut wanted: Vec<usize> = wanted.filter(|at| *at < self.schema.fields().len()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let ranges: Vec<_> = self.ranges.iter().map(locked).collect();
        let batches: Vec<&RecordBatch> = ranges.iter().filter_map(|range| range.as_ref()).flatten().collect();
        self.layout = RowLayout::of(&self.schema, &wanted, &batches);
        self.others = wanted.into_iter().filter(|at| !self.layout.has(*at)).collect();
    }

    /// How many tasks hash.
    pub(crate) fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// How many columns are gathered.
    pub(crate) fn gathered(&self) -> usize {
        self.others.len()
    }

    /// The words of a range, by part, and what comes out of its rows; its batches go.
    pub(crate) fn hashed(&self, range: usize) -> Result<Hashed> {
        let batches = locked(&self.ranges[range]).take();
        let batches = batches.ok_or_else(|| Error::internal("rows of a right side are hashed twice"))?;
        let (first, count) = (range << self.bits, batches.iter().map(RecordBatch::num_rows).sum());
        let (mut scratch, mut packed) = (vec![], vec![]);
        let (mut all, mut parts): (Vec<u64>, Vec<u8>) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut ends = vec![0usize; KeyWords::PARTS];
        let mut laid_out = vec![0; self.layout.words_for(count)];
        let mut others = vec![vec![]; self.others.len()];
        // A row without a key that can match is in no part.
        const NONE: u8 = u8::MAX;
        for batch in batches {
            let keys = self.keys.iter().map(|key| eval_held(key, &batch, &self.schema)).collect::<Result<Vec<_>>>()?;
            self.words.write(&keys, batch.num_rows(), &mut scratch, &mut packed)?;
            let start = parts.len();
            parts.extend(packed.iter().map(|word| self.words.part(*word) as u8));
            if !self.nulls_equal {
                for nulls in keys.iter().filter_map(|key| key.nulls()) {
                    (!nulls.inner()).set_indices().for_each(|row| parts[start + row] = NONE);
                }
            }
            all.extend_from_slice(&packed);
            let of_batch = self.layout.words_for(start)..self.layout.words_for(parts.len());
            self.layout.write(&batch, &self.schema, &mut laid_out[of_batch])?;
            for (parts, at) in others.iter_mut().zip(&self.others) {
                parts.push(shown_column(batch.column(*at), self.schema.field(*at))?);
            }
        }
        let counted = parts.iter().filter(|part| **part != NONE);
        counted.for_each(|part| ends[usize::from(*part)] += 1);
        let mut end = 0;
        for count in &mut ends {
            (*count, end) = (end, end + *count);
        }
        let (mut words, mut rows) = (vec![0; end], vec![0; end]);
        for ((row, part), word) in (first as u32..).zip(&parts).zip(&all).filter(|((_, part), _)| **part != NONE) {
            let at = &mut ends[usize::from(*part)];
            (words[*at], rows[*at]) = (*word, row);
            *at += 1;
        }
        Ok(Hashed { words, rows, ends, laid_out: Mutex::new(laid_out), others })
    }

    /// The table of a part of what was hashed, in order.
    pub(crate) fn indexed(&self, part: usize, hashed: &[&Hashed]) -> IndexedPart {
        let range = |hashed: &Hashed| if part == 0 { 0 } else { hashed.ends[part - 1] }..hashed.ends[part];
        let count = hashed.iter().map(|hashed| range(hashed).len()).sum();
        let all = hashed.iter().flat_map(|hashed| &hashed.words[range(hashed)]).fold(0, |all, word| all | word);
        let mut keys = KeyPart::with_room(&self.words, count, all >> u32::BITS == 0);
        let (mut groups, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for hashed in hashed {
            let range = range(hashed);
            keys.assign(&hashed.words[range.clone()], &mut groups);
            rows.extend_from_slice(&hashed.rows[range]);
        }
        // Keys that all differ lead to their rows at once.
        let is_by_rows = keys.len() == rows.len();
        if is_by_rows {
            keys.renumber(|group| rows[group as usize]);
        }
        IndexedPart { keys: Mutex::new(Some(keys)), groups: Mutex::new((groups, rows)), is_by_rows }
    }

    /// One of the columns that are gathered, of all rows.
    pub(crate) fn column(&self, nth: usize, hashed: &[&Hashed]) -> Result<GatheredColumn> {
        Ok(GatheredColumn(gathered(hashed.iter().flat_map(|hashed| hashed.others[nth].iter().cloned()).collect())?))
    }

    /// The table of all ranges, of all parts, and of the columns that were gathered.
    pub(crate) fn table(
        &self,
        hashed: &[&Hashed],
        parts: &[&IndexedPart],
        columns: &[&GatheredColumn],
    ) -> Result<JoinTable> {
        let all_by_rows = parts.iter().all(|part| part.is_by_rows);
        // Where they don't all differ, the numbers of rows become those of groups again.
        let mut group_of_row = vec![0; if all_by_rows { 0 } else { self.rows }];
        let take = |part: &&IndexedPart| {
            let (keys, (groups, rows)) = (locked(&part.keys).take(), std::mem::take(&mut *locked(&part.groups)));
            let mut keys = keys.ok_or_else(|| Error::internal("a part of the keys is taken twice"))?;
            if part.is_by_rows && !all_by_rows {
                groups.iter().zip(&rows).for_each(|(group, row)| group_of_row[*row as usize] = *group);
                keys.renumber(|row| group_of_row[row as usize]);
            }
            Ok((keys, (groups, rows)))
        };
        let (keys, groups): (Vec<KeyPart>, Vec<_>) =
            parts.iter().map(take).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let counts: Vec<usize> = keys.iter().map(KeyPart::len).collect();
        if counts.iter().sum::<usize>() >= MISSING as usize {
            return Err(Error::internal("more rows than can be numbered are indexed"));
        }
        let (index, keys) = match all_by_rows {
            true => (Index::Same, PartedKeys::numbered(self.words.clone(), keys)),
            false => (Index::of_parts(&groups, &counts), PartedKeys::new(self.words.clone(), keys)),
        };
        drop(groups);
        let mut whole = vec![None; self.schema.fields().len()];
        self.others.iter().zip(columns).for_each(|(at, column)| whole[*at] = Some(column.0.clone()));
        let blocks = hashed.iter().map(|hashed| std::mem::take(&mut *locked(&hashed.laid_out))).collect();
        let by_rows = RowStore::new(self.layout.clone(), blocks, self.bits, self.rows);
        let keys = KeyIndex::Parts(keys);
        let mut memory = locked(&self.memory);
        let own = memory.sibling();
        let memory = std::mem::replace(&mut *memory, own);
        Ok(JoinTable::new(whole, Some(by_rows), self.rows, keys, index, memory))
    }
}

/// The least and the greatest value of a key that is an integer, and a column as it stands.
fn bounds(keys: &[BoundExpr], batches: &[RecordBatch]) -> Option<(i64, i64)> {
    let [key] = keys else { return None };
    let at = key.column().filter(|_| key.kind() == Type::Int64)?;
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for batch in batches {
        let column = batch.column(at);
        let (low, high) = match column.data_type() {
            DataType::Int8 => bounds_of::<Int8Type>(column),
            DataType::Int16 => bounds_of::<Int16Type>(column),
            DataType::Int32 => bounds_of::<Int32Type>(column),
            _ => bounds_of::<Int64Type>(column),
        }?;
        (least, greatest) = (least.min(low), greatest.max(high));
    }
    Some((least, greatest))
}

/// Of no values, what changes no bounds.
fn bounds_of<T: ArrowNumericType<Native: Into<i64>>>(column: &ArrayRef) -> Option<(i64, i64)> {
    let column = column.as_primitive_opt::<T>()?;
    Some((min(column).map_or(i64::MAX, Into::into), max(column).map_or(i64::MIN, Into::into)))
}

/// A key of a batch as it is held.
fn eval_held(key: &BoundExpr, batch: &RecordBatch, schema: &SchemaRef) -> Result<ArrayRef> {
    match key.column() {
        // No other column need be shown.
        Some(at) => shown_column(batch.column(at), schema.field(at)),
        None => key.eval(&shown(batch.clone(), schema)?),
    }
}

/// The batches in ranges of so many rows, the last of fewer.
fn cut(batches: &[RecordBatch], rows: usize) -> Vec<Vec<RecordBatch>> {
    let (mut ranges, mut room) = (vec![], 0);
    for batch in batches {
        let mut from = 0;
        while from < batch.num_rows() {
            if room == 0 {
                ranges.push(vec![]);
                room = rows;
            }
            let some = room.min(batch.num_rows() - from);
            if let Some(range) = ranges.last_mut() {
                range.push(batch.slice(from, some));
            }
            (from, room) = (from + some, room - some);
        }
    }
    ranges
}
