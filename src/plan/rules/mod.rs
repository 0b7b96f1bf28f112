//! Rewrites of a logical plan that change its time, never its answer. One rule a file.

mod limit_sort;
mod prune_columns;
mod push_filter;
mod push_sample;

use std::sync::Arc;

pub(crate) use push_sample::push_samples;

use super::LogicalPlan;
use crate::error::Result;

/// The plan that is run: samples and filters sunk towards the scan, limits into sorts, unused columns gone.
pub(crate) fn optimise(plan: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    // First: a scan takes its sample before its filter.
    let plan = push_samples(plan);
    let plan = push_filter::push_filters(&plan)?;
    let plan = limit_sort::limit_sorts(&plan);
    // Last: what the other rules moved decides which columns are needed where.
    prune_columns::prune_columns(&plan)
}
