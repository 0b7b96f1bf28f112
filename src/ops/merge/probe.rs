//! The left side of a merge: batches that look up the right side.
//!
//! Where the whole answer is held, its fresh pages dominate, not the look-up: of 10 million rows with 4, of 104 bytes each, the kernel
//! took as long to give and zero them as all of the reading, looking up and copying did (0.5 s of CPU time beside 0.55). So it is held
//! in narrower types (`batch::held`), in which such merges take 0.73 to 0.83 of the time, and half of the memory; and of a right side of few
//! rows as their places beside its columns, which took 0.81 to 0.89 of what was left, and 0.68 to 0.77 of the memory. Tried, and
//! not kept: transparent huge pages by way of the allocator (a quarter of that time where the machine has them at hand, several
//! times as much where it has not), pages asked for some megabytes at once (a fifth less CPU time, but two threads wait for each
//! other), and another allocator (mimalloc: no faster, and more memory). Nor were rows that find nothing taken as the first one and
//! made nulls afterwards, which took 2 % of a query's instructions off: each kept the view of its text; nor batches of 8,192 rows
//! given on, which are still in the nearest cache when they are made narrow (no difference).

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{FilterBuilder, FilterPredicate, take};
use arrow::datatypes::SchemaRef;

use super::build::JoinTable;
use super::index::{Index, Runs};
use super::matched::Matched;
use crate::batch::{held_at, held_batch};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, MergeKind, Nearness, Type};
use crate::ops::groups::{FindScratch, MISSING};
use crate::ops::key::{as_ints, float_to_int};
use crate::ops::{Flow, OUTPUT_ROWS};

/// Takes the batches that come out.
type Next<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<Flow>;

/// Looks up batches of the left side of a merge.
pub(crate) struct ProbeOp {
    schema: SchemaRef,
    columns: Vec<MergedColumn>,
    kind: MergeKind,
    keys: Vec<BoundExpr>,
    /// What an as-of merge finds the nearest to, and how.
    near: Option<(BoundExpr, Nearness)>,
    output_rows: usize,
    /// Whether columns of a right side of few rows come out as a result holds them.
    holds_right: bool,
    /// Room to work in, one for each that works at a time.
    scratch: Mutex<Vec<Scratch>>,
}

/// Where a column that comes out is taken from, by its place in the batches of its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergedColumn {
    Left(usize),
    Right(usize),
    /// A key under one name: the left's, or the right's for rows that have no left one.
    Key(usize, usize),
}

#[derive(Default)]
struct Scratch {
    find: FindScratch,
    ints: Vec<i64>,
    /// A row of each side for each row that comes out; what is found on the right is [`MISSING`] where there is none.
    left: Vec<u32>,
    right: Vec<u32>,
    groups: Vec<u32>,
}

/// Which left rows come out.
enum LeftRows {
    All,
    Filter(FilterPredicate),
    Take(UInt32Array),
}

impl ProbeOp {
    /// `schema` names and types the `columns` that come out; of a semi or anti merge, they are the left side's.
    pub(crate) fn new(
        schema: SchemaRef,
        columns: Vec<MergedColumn>,
        kind: MergeKind,
        keys: Vec<BoundExpr>,
        near: Option<(BoundExpr, Nearness)>,
    ) -> ProbeOp {
        ProbeOp {
            schema,
            columns,
            kind,
            keys,
            near,
            output_rows: OUTPUT_ROWS,
            holds_right: false,
            scratch: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_output_rows(self, output_rows: usize) -> ProbeOp {
        ProbeOp { output_rows, ..self }
    }

    /// The same look-up for other columns, or of another kind.
    pub(super) fn giving(&self, kind: MergeKind, columns: Vec<MergedColumn>, schema: SchemaRef) -> ProbeOp {
        let (keys, near) = (self.keys.clone(), self.near.clone());
        ProbeOp { output_rows: self.output_rows, ..ProbeOp::new(schema, columns, kind, keys, near) }
    }

    /// The same for who [holds](crate::batch::held_at) what comes out: of a right side of few rows their places are enough.
    pub(crate) fn holding_right(&self) -> ProbeOp {
        let columns = self.columns.clone();
        ProbeOp { holds_right: true, ..self.giving(self.kind, columns, self.schema.clone()) }
    }

    pub(super) fn kind(&self) -> MergeKind {
        self.kind
    }

    pub(super) fn columns(&self) -> &[MergedColumn] {
        &self.columns
    }

    pub(super) fn keys(&self) -> &[BoundExpr] {
        &self.keys
    }

    /// What an as-of merge finds the nearest to, and how.
    pub(super) fn near(&self) -> Option<&(BoundExpr, Nearness)> {
        self.near.as_ref()
    }

    /// The schema of what comes out.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether it must know which right rows found a match.
    pub(crate) fn tracks(&self) -> bool {
        self.kind.keeps_right()
    }

    /// Gives the rows of a left batch with their matches on, in the left order, matches of one left row in the right order.
    pub(crate) fn probe(
        &self,
        table: &JoinTable,
        matched: &mut Matched,
        batch: &RecordBatch,
        next: Next,
    ) -> Result<Flow> {
        if self.tracks() {
            matched.cover(table.num_rows());
        }
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let mut flow = Ok(Flow::More);
        for start in (0..batch.num_rows()).step_by(self.output_rows) {
            let batch = batch.slice(start, self.output_rows.min(batch.num_rows() - start));
            flow = self.probe_few(table, matched, &batch, &mut scratch, next);
            if !matches!(flow, Ok(Flow::More)) {
                break;
            }
        }
        pool().push(scratch);
        flow
    }

    /// As `probe`, for no more rows than may come out at once.
    fn probe_few(
        &self,
        table: &JoinTable,
        matched: &mut Matched,
        batch: &RecordBatch,
        scratch: &mut Scratch,
        next: Next,
    ) -> Result<Flow> {
        let keys = self.keys.iter().map(|key| key.eval(batch)).collect::<Result<Vec<_>>>()?;
        table.find(&keys, batch.num_rows(), &mut scratch.groups, &mut scratch.find)?;
        let Scratch { groups, right, .. } = scratch;
        match &table.index {
            Index::Same => std::mem::swap(groups, right),
            Index::One(rows) => {
                right.clear();
                right.extend(groups.iter().map(|group| rows.get(*group as usize).copied().unwrap_or(MISSING)));
            }
            Index::Many(runs) if self.kind.shows_right() => {
                return self.expand(table, runs, matched, batch, scratch, next);
            }
            Index::Many(runs) => {
                right.clear();
                right.extend(groups.iter().map(|group| runs.rows(*group).first().copied().unwrap_or(MISSING)));
            }
            Index::Ordered(runs, values) => self.find_nearest(runs, values, batch, scratch)?,
        }
        self.one_each(table, matched, batch, scratch, next)
    }

    /// Writes the right row that an as-of merge gives each left row.
    fn find_nearest(&self, runs: &Runs, values: &[i64], batch: &RecordBatch, scratch: &mut Scratch) -> Result<()> {
        let (near, how) =
            self.near.as_ref().ok_or_else(|| Error::internal("an as-of merge without what is to be near"))?;
        let column = near.eval(batch)?;
        let float = near.kind() == Type::Float64;
        let nan = float.then(|| float_to_int(f64::NAN));
        let Scratch { groups, right, ints, .. } = scratch;
        right.clear();
        for (row, (value, group)) in as_ints(&column, ints)?.iter().zip(groups.iter()).enumerate() {
            let range = runs.range(*group);
            let found = match column.is_null(row) || Some(*value) == nan {
                true => None,
                false => how.find(&values[range.clone()], *value, float),
            };
            right.push(found.map_or(MISSING, |at| runs.row(range.start + at)));
        }
        Ok(())
    }

    /// Each left row has one match, in `scratch.right`, or none.
    fn one_each(
        &self,
        table: &JoinTable,
        matched: &mut Matched,
        batch: &RecordBatch,
        scratch: &mut Scratch,
        next: Next,
    ) -> Result<Flow> {
        let right = &mut scratch.right;
        if self.tracks() {
            right.iter().filter(|row| **row != MISSING).for_each(|row| matched.set(*row));
        }
        let found = || BooleanBuffer::collect_bool(right.len(), |row| right[row] != MISSING);
        let all = right.iter().all(|row| *row != MISSING);
        let wanted = match self.kind {
            MergeKind::Left | MergeKind::Outer => None,
            MergeKind::Anti => Some(!&found()),
            _ if all => None,
            _ => Some(found()),
        };
        let left = match wanted {
            None => LeftRows::All,
            Some(wanted) if wanted.count_set_bits() == 0 => return Ok(Flow::More),
            Some(wanted) => LeftRows::Filter(FilterBuilder::new(&BooleanArray::new(wanted, None)).optimize().build()),
        };
        if matches!(left, LeftRows::Filter(_)) {
            right.retain(|row| (*row != MISSING) == (self.kind != MergeKind::Anti));
        }
        let (rows, indices) = (right.len(), indices(std::mem::take(right)));
        let result = self.merged(table, batch, &left, &indices, rows)?;
        scratch.right = indices.into_parts().1.into();
        next(result)
    }

    /// Each left row may have many matches.
    fn expand(
        &self,
        table: &JoinTable,
        runs: &Runs,
        matched: &mut Matched,
        batch: &RecordBatch,
        scratch: &mut Scratch,
        next: Next,
    ) -> Result<Flow> {
        scratch.left.clear();
        scratch.right.clear();
        let alone = if self.kind.keeps_left() { &[MISSING][..] } else { &[] };
        for row in 0..batch.num_rows() {
            let found = runs.rows(scratch.groups[row]);
            if self.tracks() {
                found.iter().for_each(|row| matched.set(*row));
            }
            let mut rest = if found.is_empty() { alone } else { found };
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(self.output_rows - scratch.right.len()));
                scratch.left.extend(std::iter::repeat_n(row as u32, now.len()));
                scratch.right.extend_from_slice(now);
                rest = later;
                if scratch.right.len() == self.output_rows && self.flush(table, batch, scratch, next)? == Flow::Enough {
                    return Ok(Flow::Enough);
                }
            }
        }
        self.flush(table, batch, scratch, next)
    }

    /// Gives the pairs on that are gathered.
    fn flush(&self, table: &JoinTable, batch: &RecordBatch, scratch: &mut Scratch, next: Next) -> Result<Flow> {
        let rows = scratch.right.len();
        if rows == 0 {
            return Ok(Flow::More);
        }
        let left = UInt32Array::from(std::mem::take(&mut scratch.left));
        let right = indices(std::mem::take(&mut scratch.right));
        let left = LeftRows::Take(left);
        let result = self.merged(table, batch, &left, &right, rows)?;
        if let LeftRows::Take(left) = left {
            scratch.left = left.into_parts().1.into();
        }
        scratch.right = right.into_parts().1.into();
        scratch.left.clear();
        scratch.right.clear();
        next(result)
    }

    /// The columns that come out: these rows of either side.
    fn merged(
        &self,
        table: &JoinTable,
        batch: &RecordBatch,
        left: &LeftRows,
        right: &UInt32Array,
        rows: usize,
    ) -> Result<RecordBatch> {
        let is_held = |column: &MergedColumn| matches!(column, MergedColumn::Right(at) if table.has_few(*at));
        let holds = self.holds_right && self.columns.iter().any(is_held);
        let places = if holds { table.places(right) } else { None };
        let right = table.rows(right, |at| self.columns.contains(&MergedColumn::Right(at)))?;
        let column = |column: &MergedColumn| -> Result<ArrayRef> {
            Ok(match (column, left) {
                (MergedColumn::Right(at), _) => match &places {
                    Some(places) if table.has_few(*at) => held_at(places, table.column(*at)?)?,
                    _ => right.column(*at)?,
                },
                (MergedColumn::Left(at) | MergedColumn::Key(at, _), LeftRows::All) => batch.column(*at).clone(),
                (MergedColumn::Left(at) | MergedColumn::Key(at, _), LeftRows::Filter(filter)) => {
                    filter.filter(batch.column(*at))?
                }
                (MergedColumn::Left(at) | MergedColumn::Key(at, _), LeftRows::Take(left)) => {
                    take(batch.column(*at), left, None)?
                }
            })
        };
        let columns = self.columns.iter().map(column);
        if places.is_some() {
            return held_batch(&self.schema, columns.collect::<Result<_>>()?, rows);
        }
        self.batch(columns, rows)
    }

    /// Gives the right rows on that no left row matched, in their order; columns of the left are null.
    pub(crate) fn unmatched(&self, table: &JoinTable, matched: &Matched, next: Next) -> Result<Flow> {
        let mut rest = (0..table.num_rows() as u32).filter(|row| !matched.contains(*row));
        loop {
            let right: UInt32Array = rest.by_ref().take(self.output_rows).map(Some).collect();
            if right.is_empty() {
                return Ok(Flow::More);
            }
            let rows = table.rows(&right, |_| true)?;
            let columns = self.columns.iter().zip(self.schema.fields()).map(|(column, field)| match column {
                MergedColumn::Left(_) => Ok(new_null_array(field.data_type(), right.len())),
                MergedColumn::Right(at) | MergedColumn::Key(_, at) => rows.column(*at),
            });
            if next(self.batch(columns, right.len())?)? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
    }

    fn batch(&self, columns: impl Iterator<Item = Result<ArrayRef>>, rows: usize) -> Result<RecordBatch> {
        // The number of rows is told, since there may be no columns that show it.
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Result<_>>()?, &options)?)
    }
}

/// Rows as indices, null where MISSING.
fn indices(rows: Vec<u32>) -> UInt32Array {
    let nulls = rows
        .contains(&MISSING)
        .then(|| NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), |row| rows[row] != MISSING)));
    UInt32Array::new(rows.into(), nulls)
}
