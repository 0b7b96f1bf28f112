//! Sequential kernels, one operator a file. Row-wise steps are [`BatchOp`]s; sinks that hold state are [`Reducer`]s.

mod aggregate;
mod align;
mod apply;
mod batches;
mod collect;
mod encode;
mod ending;
mod filter;
mod fold;
mod group_rows;
mod groups;
mod hash;
mod in_order;
mod key;
mod map;
mod merge;
mod persist;
mod prefetch;
mod project;
mod reshape;
mod route;
mod sample;
mod sort;
mod tee;
mod write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::mem::{Part, Reservation};

pub(crate) use aggregate::AggregateOp;
pub(crate) use align::AlignOp;
pub(crate) use apply::ApplyOp;
pub(crate) use batches::Batches;
pub(crate) use collect::CollectOp;
pub(crate) use encode::EncodeOp;
pub(crate) use ending::{Emit, Ending, Piece};
pub(crate) use filter::FilterOp;
pub(crate) use fold::FoldOp;
pub(crate) use group_rows::GroupRowsOp;
pub(crate) use in_order::AppendOp;
pub(crate) use map::{MapOp, MapPartitionsOp};
pub(crate) use merge::{
    BuildOp, GatheredColumn, Hashed, IndexedPart, JoinTable, JoinedBucket, LargeBuild, LargeMerge, Matched,
    MergedColumn, ProbeOp, RightSide, Run, ScatterOp,
};
pub(crate) use persist::PersistOp;
pub(crate) use project::ProjectOp;
pub(crate) use reshape::{ExplodeOp, UnpivotOp};
pub(crate) use route::{Buckets, RouteOp};
pub(crate) use sample::SampleOp;
pub(crate) use sort::SortOp;
pub(crate) use tee::{AnyReducer, TeeLine, TeeOp, TeeStates};
pub(crate) use write::WriteOp;

/// The most rows in a batch that a sink gives.
pub(crate) const OUTPUT_ROWS: usize = 1 << 16;

/// About the most bytes in such a batch, where rows are long.
const OUTPUT_BYTES: usize = 8 << 20;

/// How many rows a batch may have, when so many rows take so many bytes.
pub(crate) fn output_rows(rows: usize, bytes: usize) -> usize {
    (OUTPUT_BYTES / (bytes / rows.max(1)).max(1)).clamp(1, OUTPUT_ROWS)
}

/// A row-wise step of a pipeline: one batch in, one batch out.
pub(crate) trait BatchOp: Send + Sync {
    /// The schema of what `apply` gives.
    fn schema(&self) -> &SchemaRef;
    /// Takes a batch of the input's schema. May return a batch of no rows.
    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch>;
}

/// A sink that folds batches into a state, whose states merge in partition order, and whose last state ends as batches.
///
/// The laws, which tests check: folding batches one by one, or splitting them into runs of batches, folding
/// each run into a state of its own and merging the states in order, finish alike (but for the last bits of float sums).
pub(crate) trait Reducer: Send + Sync + 'static {
    /// What is held for one run of batches.
    type State: Send + Sync + 'static;
    /// What a state holds, for refusals of memory to name.
    const HOLDS: &'static str;
    /// Whether what a state holds goes to disk where memory has no room for it; else it must fit.
    const SPILLS: bool = false;
    /// The least that a thread works in, whatever is held: a batch, and room to take it in.
    const LEAST: usize = 3 << 19;
    /// What the last state ends as: [`Batches`], unless only an operator of another stage reads it.
    type Output: Part;
    /// The schema of what `finish` gives.
    fn schema(&self) -> &SchemaRef;
    /// The state of no rows. It keeps `memory` and books on it what it holds.
    fn new_state(&self, memory: Reservation) -> Self::State;
    /// Takes one batch in. Text in a batch may view a block that is about to be reused: what is kept is copied.
    fn update(&self, state: &mut Self::State, batch: &RecordBatch) -> Result<Flow>;
    /// Lets go of what only `update` needs, when a state's last batch has come: it may wait long to be merged.
    fn seal(&self, _state: &mut Self::State) -> Result<()> {
        Ok(())
    }
    /// Takes in the state of the rows that follow this state's rows.
    fn merge(&self, state: &mut Self::State, later: Self::State) -> Result<()>;
    /// The result; batches are of a bounded number of rows.
    fn finish(&self, state: Self::State) -> Result<Self::Output>;
    /// The result, or what is left to do for it where that is enough for several.
    fn end(&self, state: Self::State) -> Result<Ending<Self::Output>> {
        Ok(Ending::Whole(self.finish(state)?))
    }
    /// Takes in rows that waited, and lets go of them one batch after the other.
    fn update_all(&self, state: &mut Self::State, rows: Batches) -> Result<Flow> {
        let all = 0..rows.num_rows();
        for batch in rows.into_range(all) {
            if self.update(state, &batch?)? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::More)
    }
    /// What states hold, for people.
    fn holders(&self) -> Vec<Holder> {
        vec![Holder { name: Self::HOLDS, spills: Self::SPILLS, least: Self::LEAST }]
    }
    /// What a state holds, in bytes: allocated capacity and not just length.
    fn bytes(&self, state: &Self::State) -> usize;
}

/// What a sink holds, by the name that refusals of memory use, and whether it spills.
pub(crate) struct Holder {
    pub name: &'static str,
    pub spills: bool,
    /// The least that a thread works in.
    pub least: usize,
}

/// An operator that goes over the partitions in order: each row depends on rows before it, or behind it.
///
/// The law: however rows are cut into partitions, `apply` gives the same (but for the last bits of float sums).
pub(crate) trait InOrderOp: Send + Sync + 'static {
    /// What rows leave to their neighbours.
    type Carry: Clone + Send + Sync + 'static;
    /// The schema of what `apply` gives.
    fn schema(&self) -> &SchemaRef;
    /// What a partition leaves to others.
    fn carry(&self, rows: &[RecordBatch]) -> Result<Self::Carry>;
    /// What two neighbouring runs of rows leave together.
    fn join(&self, before: &Self::Carry, after: &Self::Carry) -> Result<Self::Carry>;
    /// Whether rows depend on rows behind them.
    fn looks_ahead(&self) -> bool;
    /// The rows of a partition that stands between these carries; `None` where nothing is before or behind it, and
    /// behind it always where `looks_ahead` denies.
    fn apply(
        &self,
        before: Option<&Self::Carry>,
        rows: Vec<RecordBatch>,
        after: Option<&Self::Carry>,
    ) -> Result<Vec<RecordBatch>>;
}

/// Whether a sink wants more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on.
    More,
    /// Later rows change nothing any more.
    Enough,
}

/// The most that a vector allocates while this many items come in: the old items live until they are moved.
fn vec_bytes_with<T>(items: &Vec<T>, more: usize) -> usize {
    let needed = items.len() + more;
    let capacity = items.capacity();
    if needed <= capacity { capacity * size_of::<T>() } else { (capacity + needed.max(2 * capacity)) * size_of::<T>() }
}
