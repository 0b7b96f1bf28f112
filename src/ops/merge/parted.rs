//! A large right side that fits into memory, indexed by several tasks at a time.
//!
//! 1. Ranges of rows are hashed: their keys become words, sorted by part.
//! 2. Each part of the words becomes a table of its own.
//! 3. The columns that come out are each gathered into one array.
//! 4. Together that is a [`JoinTable`].

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};

use super::build::{BuildOp, JoinTable, KeyIndex, gathered};
use super::index::Index;
use super::probe::{MergedColumn, ProbeOp};
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::mem::{Part, Reservation};
use crate::ops::groups::{KeyPart, KeyWords, MISSING, PartedKeys};

/// Rows to be indexed, and what they and their index take.
pub(crate) struct LargeBuild {
    keys: Vec<BoundExpr>,
    nulls_equal: bool,
    batches: Vec<RecordBatch>,
    /// Where the rows of each batch begin, and the end.
    starts: Vec<usize>,
    memory: Mutex<Reservation>,
}

/// The keys of some rows: their words part by part, and beside each the number of its row.
pub(crate) struct Hashed {
    words: Vec<u64>,
    rows: Vec<u32>,
    /// Where the parts end.
    ends: Vec<usize>,
}

/// The keys of one part, with the group of each row that has one of them, and that row.
pub(crate) struct IndexedPart {
    keys: Mutex<Option<KeyPart>>,
    groups: Mutex<(Vec<u32>, Vec<u32>)>,
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
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).bytes()
    }
}

/// Fewer rows are indexed by one task.
pub(super) const LARGE_ROWS: usize = 1 << 19;

/// About how many rows are hashed by a task.
const RANGE_ROWS: usize = 1 << 20;

impl LargeBuild {
    /// How many parts there are.
    pub(crate) const PARTS: usize = KeyWords::PARTS;

    /// The bytes that the work takes beside the rows, and what it leaves; the columns may be copied.
    pub(super) fn bytes_for(rows: usize, bytes: usize) -> usize {
        let parts = KeyWords::PARTS * KeyPart::bytes_for(rows / KeyWords::PARTS + rows / (4 * KeyWords::PARTS));
        bytes + rows * (size_of::<u64>() + 4 * size_of::<u32>()) + parts
    }

    /// Of these batches; `memory` books what is to come. None where the keys of a row are no words.
    pub(super) fn new(op: &BuildOp, batches: &[RecordBatch], memory: Reservation) -> Result<Option<LargeBuild>> {
        let kinds: Vec<_> = op.keys().iter().map(BoundExpr::kind).collect();
        let Some(words) = KeyWords::of(&kinds).filter(|words| words.have_nulls() || !op.nulls_equal()) else {
            return Ok(None);
        };
        let (mut scratch, mut packed) = (vec![], vec![]);
        let mut starts = vec![0];
        let mut end = 0;
        for batch in batches {
            let keys = op.keys().iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
            if !words.write(&keys, batch.num_rows(), &mut scratch, &mut packed)? {
                return Ok(None);
            }
            end += batch.num_rows();
            starts.push(end);
        }
        Ok(Some(LargeBuild {
            keys: op.keys().to_vec(),
            nulls_equal: op.nulls_equal(),
            batches: batches.to_vec(),
            starts,
            memory: Mutex::new(memory),
        }))
    }

    /// Takes over what is booked for the rows.
    pub(super) fn absorb(&mut self, rows: Reservation) {
        self.memory.get_mut().unwrap_or_else(PoisonError::into_inner).absorb(rows);
    }

    /// The batches of each task that hashes.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        let (mut ranges, mut first) = (vec![], 0);
        for at in 1..self.starts.len() {
            if self.starts[at] - self.starts[first] >= RANGE_ROWS || at + 1 == self.starts.len() {
                ranges.push(first..at);
                first = at;
            }
        }
        ranges
    }

    fn words(&self) -> Result<KeyWords> {
        let kinds: Vec<_> = self.keys.iter().map(BoundExpr::kind).collect();
        KeyWords::of(&kinds).ok_or_else(|| Error::internal("keys that were words are none"))
    }

    /// The words of these batches, by part.
    pub(crate) fn hashed(&self, batches: Range<usize>) -> Result<Hashed> {
        let words = self.words()?;
        let first = self.starts[batches.start];
        let count = self.starts[batches.end] - first;
        let (mut scratch, mut packed) = (vec![], vec![]);
        let (mut all, mut parts): (Vec<u64>, Vec<u8>) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut ends = vec![0usize; KeyWords::PARTS];
        // A row without a key that can match is in no part.
        const NONE: u8 = u8::MAX;
        for batch in &self.batches[batches] {
            let keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
            words.write(&keys, batch.num_rows(), &mut scratch, &mut packed)?;
            let start = parts.len();
            parts.extend(packed.iter().map(|word| KeyWords::part(*word) as u8));
            if !self.nulls_equal {
                for nulls in keys.iter().filter_map(|key| key.nulls()) {
                    (!nulls.inner()).set_indices().for_each(|row| parts[start + row] = NONE);
                }
            }
            all.extend_from_slice(&packed);
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
        Ok(Hashed { words, rows, ends })
    }

    /// The table of a part of what was hashed, in order.
    pub(crate) fn indexed(&self, part: usize, hashed: &[&Hashed]) -> IndexedPart {
        let range = |hashed: &Hashed| if part == 0 { 0 } else { hashed.ends[part - 1] }..hashed.ends[part];
        let count = hashed.iter().map(|hashed| range(hashed).len()).sum();
        let mut keys = KeyPart::with_room(count);
        let (mut groups, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for hashed in hashed {
            let range = range(hashed);
            keys.assign(&hashed.words[range.clone()], &mut groups);
            rows.extend_from_slice(&hashed.rows[range]);
        }
        IndexedPart { keys: Mutex::new(Some(keys)), groups: Mutex::new((groups, rows)) }
    }

    /// The columns that such a look-up takes of the right side; but for the row numbers that rows in buckets have besides.
    pub(crate) fn wanted(&self, probe: &ProbeOp) -> Vec<usize> {
        let width = self.batches.first().map_or(0, RecordBatch::num_columns);
        let mut wanted: Vec<usize> = probe
            .columns()
            .iter()
            .filter_map(|column| match column {
                MergedColumn::Right(at) => Some(*at),
                MergedColumn::Key(_, at) if probe.tracks() => Some(*at),
                MergedColumn::Left(_) | MergedColumn::Key(..) => None,
            })
            .filter(|at| *at < width)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// A column of all rows.
    pub(crate) fn column(&self, at: usize) -> Result<GatheredColumn> {
        Ok(GatheredColumn(gathered(self.batches.iter().map(|batch| batch.column(at).clone()).collect())?))
    }

    /// The table of all parts, and of these columns.
    pub(crate) fn table(&self, parts: &[&IndexedPart], columns: &[(usize, &GatheredColumn)]) -> Result<JoinTable> {
        let take = |part: &&IndexedPart| {
            let keys = part.keys.lock().unwrap_or_else(PoisonError::into_inner).take();
            let groups = std::mem::take(&mut *part.groups.lock().unwrap_or_else(PoisonError::into_inner));
            Ok((keys.ok_or_else(|| Error::internal("a part of the keys is taken twice"))?, groups))
        };
        let (keys, groups): (Vec<KeyPart>, Vec<_>) =
            parts.iter().map(take).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let counts: Vec<usize> = keys.iter().map(KeyPart::len).collect();
        if counts.iter().sum::<usize>() >= MISSING as usize {
            return Err(Error::internal("more rows than can be numbered are indexed"));
        }
        let index = Index::of_parts(&groups, &counts);
        drop(groups);
        let width = self.batches.first().map_or(0, RecordBatch::num_columns);
        let mut whole = vec![None; width];
        columns.iter().for_each(|(at, column)| whole[*at] = Some(column.0.clone()));
        let keys = KeyIndex::Parts(PartedKeys::new(self.words()?, keys));
        let rows = self.starts.last().copied().unwrap_or(0);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let own = memory.sibling();
        Ok(JoinTable::new(whole, rows, keys, index, std::mem::replace(&mut *memory, own)))
    }
}
