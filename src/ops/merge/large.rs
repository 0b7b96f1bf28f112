//! A merge whose right side does not fit into memory: bucket by bucket.
//!
//! 1. Both sides are cut into buckets by a hash of the keys ([`ScatterOp`]); left rows are numbered, right rows too where those
//!    without a match come out.
//! 2. In each bucket the right rows become a table, which the left rows look up in their order ([`LargeMerge::join`]): what comes
//!    out is a [`Run`] in the order of left rows, and one of right rows without a match.
//! 3. A bucket too large for that is cut again, by other bits. Where one key alone has too many rows, the right rows are taken in
//!    chunks that fit, each looked up by all left rows; rows for which it matters that nothing was found go on to the next chunk.
//!    An as-of merge takes chunks of sorted rows ([`as_of`](super::as_of)).
//! 4. The runs of all buckets are merged by number, each partition by itself. Where nobody sees the order of rows, left rows have no
//!    numbers, and each partition takes some of the buckets (6 % less time for a mean of all pairs).

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::as_of::loaded;
use super::build::{BuildOp, JoinTable, RightSide, Room};
use super::matched::Matched;
use super::probe::{MergedColumn, ProbeOp};
use super::runs::{PLACE_BITS, Run};
use super::scatter::{ScatterOp, numbered};
use crate::error::{Error, Result};
use crate::expr::MergeKind;
use crate::mem::{Part, Reservation};
use crate::ops::{Batches, Flow, Reducer};

/// How both sides are cut into buckets and merged bucket by bucket.
pub(crate) struct LargeMerge {
    pub(super) left: SchemaRef,
    /// Whether rows are to come out in the order of left rows.
    ordered: bool,
    /// Of right rows, numbered where that is asked for.
    pub(super) build: BuildOp,
    /// What comes out, with a number where it is ordered.
    pub(super) probe: ProbeOp,
    /// Pairs alone, of the same columns.
    pairs: ProbeOp,
    /// Left rows that find nothing.
    rest: ProbeOp,
}

/// What comes out of a bucket.
pub(crate) struct JoinedBucket {
    pub rows: Run,
    /// Right rows without a match.
    pub unmatched: Run,
}

impl Part for JoinedBucket {
    fn bytes(&self) -> usize {
        self.rows.bytes() + self.unmatched.bytes()
    }
}

/// Whether to go on: an error ends the work.
pub(super) type Check<'a> = &'a dyn Fn() -> Result<()>;

/// The most buckets that rows are cut into at a time.
const MAX_BUCKETS: usize = 64;

/// Tells the first cut into buckets from the second.
const SEEDS: [u64; 2] = [0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0];

/// About what a table of such rows takes while it is made.
fn table_bytes(bytes: usize, rows: usize) -> usize {
    2 * bytes + 64 * rows
}

/// How large a table may be, so that several that work at a time have room.
fn room(memory: &Reservation) -> usize {
    memory.limit() / 8
}

/// How many buckets rows are cut into so that each has room.
fn buckets(right: &Batches) -> usize {
    let tables = table_bytes(right.loaded_bytes(), right.num_rows()) / room(&right.memory()).max(1);
    (tables + tables / 2 + 1).next_power_of_two().clamp(2, MAX_BUCKETS)
}

impl LargeMerge {
    /// As `probe` does it with what `build` gives, for left rows of this schema; in their order, if that is asked for.
    pub(crate) fn new(build: &BuildOp, probe: &ProbeOp, left: &SchemaRef, ordered: bool) -> LargeMerge {
        let right = build.schema();
        // Rows without a column are their numbers alone; without keys there is one bucket.
        let may_be_anywhere = !(probe.tracks() || probe.near().is_some() || probe.keys().is_empty());
        let ordered = ordered || !may_be_anywhere || probe.schema().fields().is_empty();
        let number = ordered.then_some(MergedColumn::Key(left.fields().len(), right.fields().len()));
        let columns: Vec<MergedColumn> = probe.columns().iter().copied().chain(number).collect();
        let with_number = |schema: &SchemaRef| if ordered { numbered(schema) } else { schema.clone() };
        let schema = with_number(probe.schema());
        let pairs = match probe.kind() {
            MergeKind::Left => MergeKind::Inner,
            MergeKind::Outer => MergeKind::Right,
            other => other,
        };
        let left = with_number(left);
        let all_of_left = (0..left.fields().len()).map(MergedColumn::Left).collect();
        LargeMerge {
            build: build.of_wider(if probe.tracks() { numbered(right) } else { right.clone() }),
            pairs: probe.giving(pairs, columns.clone(), schema.clone()),
            rest: probe.giving(MergeKind::Anti, all_of_left, left.clone()),
            probe: probe.giving(probe.kind(), columns, schema),
            left,
            ordered,
        }
    }

    /// How left rows look up a right side that fits.
    pub(crate) fn probe(&self) -> &ProbeOp {
        &self.probe
    }

    /// How many buckets the right side is cut into.
    pub(crate) fn buckets(&self, right: &Batches) -> usize {
        if self.build.keys().is_empty() { 1 } else { buckets(right) }
    }

    /// Cuts left rows into so many buckets.
    pub(crate) fn scatter_left(&self, buckets: usize) -> ScatterOp {
        self.scatter(true, buckets, 0, self.ordered)
    }

    /// Cuts right rows into so many buckets.
    pub(crate) fn scatter_right(&self, buckets: usize) -> ScatterOp {
        self.scatter(false, buckets, 0, self.probe.tracks())
    }

    fn scatter(&self, left: bool, buckets: usize, depth: usize, numbers: bool) -> ScatterOp {
        let (schema, keys) = match left {
            true => (&self.left, self.probe.keys()),
            false => (self.build.schema(), self.build.keys()),
        };
        ScatterOp::new(schema.clone(), keys.to_vec(), self.build.nulls_equal(), buckets, SEEDS[depth], numbers)
    }

    /// Merges the rows of a bucket; those of the left are given by partition.
    pub(crate) fn join(&self, left: Vec<Batches>, right: Batches, check: Check) -> Result<JoinedBucket> {
        self.join_at(left, right, 0, check)
    }

    pub(super) fn new_run(&self, memory: &Reservation) -> Run {
        Run::new(self.probe.schema().clone(), self.ordered, memory.sibling())
    }

    /// Left rows, which are given by partition, with the partitions in their numbers.
    fn in_partitions(&self, left: Vec<Batches>) -> impl Iterator<Item = Result<RecordBatch>> {
        left.into_iter().enumerate().flat_map(move |(partition, rows)| {
            let all = 0..rows.num_rows();
            rows.into_range(all).map(move |batch| self.in_partition(batch?, partition))
        })
    }

    /// A batch of left rows with the partition in its numbers, where it has numbers.
    fn in_partition(&self, batch: RecordBatch, partition: usize) -> Result<RecordBatch> {
        if !self.ordered || partition == 0 {
            return Ok(batch);
        }
        let mut columns = batch.columns().to_vec();
        if let Some(number) = columns.last_mut() {
            let numbers: &Int64Array = number.as_primitive::<Int64Type>();
            let within = (partition as i64) << PLACE_BITS;
            *number = Arc::new(Int64Array::from_iter_values(numbers.values().iter().map(|n| n | within))) as ArrayRef;
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }

    fn join_at(&self, left: Vec<Batches>, right: Batches, depth: usize, check: Check) -> Result<JoinedBucket> {
        let memory = right.memory();
        match self.build.side(right)? {
            RightSide::Table(table) => {
                let mut joined = JoinedBucket { rows: self.new_run(&memory), unmatched: self.new_run(&memory) };
                let left = self.in_partitions(left);
                let matched = look_up(&self.probe, &table, left, &mut |batch| joined.rows.push(&batch), check)?;
                self.unmatched(&table, &matched, &mut joined.unmatched)?;
                Ok(joined)
            }
            RightSide::Many(_) => Err(Error::internal("a bucket of a merge is indexed in parts")),
            RightSide::Rows(right) if depth + 1 < SEEDS.len() && !self.build.keys().is_empty() => {
                self.split(left, right, depth + 1, check)
            }
            RightSide::Rows(right) if self.probe.near().is_some() => {
                self.by_interval(self.in_partitions(left), right, check)
            }
            RightSide::Rows(right) => self.chunk_by_chunk(&left, right, check),
        }
    }

    fn unmatched(&self, table: &JoinTable, matched: &Matched, run: &mut Run) -> Result<()> {
        if self.probe.tracks() {
            self.probe.unmatched(table, matched, &mut |batch| {
                run.push(&batch)?;
                Ok(Flow::More)
            })?;
        }
        Ok(())
    }

    /// Cuts a bucket into buckets.
    fn split(&self, left: Vec<Batches>, right: Batches, depth: usize, check: Check) -> Result<JoinedBucket> {
        let (memory, count) = (right.memory(), buckets(&right));
        let cut = |op: &ScatterOp, rows: &mut dyn Iterator<Item = Result<RecordBatch>>| {
            let mut state = op.new_state(memory.sibling());
            for batch in rows {
                check()?;
                op.update(&mut state, &batch?)?;
            }
            op.cut_all(state)
        };
        let all = 0..right.num_rows();
        let right = cut(&self.scatter(false, count, depth, false), &mut right.into_range(all))?;
        let left = cut(&self.scatter(true, count, depth, false), &mut self.in_partitions(left))?;
        let (mut rows, mut unmatched) = (vec![], vec![]);
        for (left, right) in left.into_iter().zip(right) {
            let joined = self.join_at(vec![left], right, depth, check)?;
            rows.push(joined.rows);
            unmatched.push(joined.unmatched);
        }
        self.merged(rows, unmatched, &memory)
    }

    pub(super) fn merged(&self, rows: Vec<Run>, unmatched: Vec<Run>, memory: &Reservation) -> Result<JoinedBucket> {
        let merged = |runs| Run::merged(runs, self.new_run(memory));
        Ok(JoinedBucket { rows: merged(rows)?, unmatched: merged(unmatched)? })
    }

    /// Takes the right rows in chunks that fit.
    fn chunk_by_chunk(&self, left: &[Batches], right: Batches, check: Check) -> Result<JoinedBucket> {
        let memory = right.memory();
        let all_left = || {
            left.iter().enumerate().flat_map(|(partition, rows)| {
                rows.range(0..rows.num_rows()).map(move |batch| self.in_partition(batch?, partition))
            })
        };
        let kind = self.probe.kind();
        // Whether only those left rows go on that have found nothing yet.
        let once = kind == MergeKind::Semi || kind == MergeKind::Anti;
        let mut rest: Option<Batches> = None;
        let (mut rows, mut unmatched) = (vec![], vec![]);
        for chunk in chunks(&right) {
            let (batches, booked) = loaded(&right, chunk, &memory)?;
            let table = self.build.table(batches, booked, Room::All).map_err(|(.., error)| error)?;
            let (mut run, mut alone) = (self.new_run(&memory), self.new_run(&memory));
            let mut put = |batch: RecordBatch| run.push(&batch);
            match &rest {
                _ if kind == MergeKind::Anti => {}
                Some(rest) if once => {
                    _ = look_up(&self.pairs, &table, rest.range(0..rest.num_rows()), &mut put, check)?;
                }
                _ => {
                    let matched = look_up(&self.pairs, &table, all_left(), &mut put, check)?;
                    self.unmatched(&table, &matched, &mut alone)?;
                }
            }
            if once || kind.keeps_left() {
                let mut still = Batches::new(self.left.clone(), memory.sibling());
                let mut put = |batch| still.push(batch);
                match &rest {
                    Some(rest) => look_up(&self.rest, &table, rest.range(0..rest.num_rows()), &mut put, check)?,
                    None => look_up(&self.rest, &table, all_left(), &mut put, check)?,
                };
                rest = Some(still);
            }
            rows.push(run);
            unmatched.push(alone);
        }
        if kind.keeps_left() || kind == MergeKind::Anti {
            let nothing = self.build.side(Batches::new(self.build.schema().clone(), memory.sibling()))?;
            if let (RightSide::Table(table), Some(rest)) = (nothing, rest) {
                let mut run = self.new_run(&memory);
                let all = 0..rest.num_rows();
                look_up(&self.probe, &table, rest.into_range(all), &mut |batch| run.push(&batch), check)?;
                rows.push(run);
            }
        }
        self.merged(rows, unmatched, &memory)
    }
}

/// All rows in chunks that a table has room for.
pub(super) fn chunks(right: &Batches) -> Vec<Range<usize>> {
    let rows = right.num_rows();
    let tables = table_bytes(right.loaded_bytes(), rows) / room(&right.memory()).max(1) + 1;
    let most = rows.div_ceil(tables).max(1);
    (0..rows).step_by(most).map(|start| start..rows.min(start + most)).collect()
}

/// Looks up all these rows; gives the right rows that found a match.
pub(super) fn look_up(
    probe: &ProbeOp,
    table: &JoinTable,
    left: impl Iterator<Item = Result<RecordBatch>>,
    put: &mut dyn FnMut(RecordBatch) -> Result<()>,
    check: Check,
) -> Result<Matched> {
    let mut matched = Matched::default();
    for batch in left {
        check()?;
        probe.probe(table, &mut matched, &batch?, &mut |out| {
            check()?;
            put(out)?;
            Ok(Flow::More)
        })?;
    }
    Ok(matched)
}
