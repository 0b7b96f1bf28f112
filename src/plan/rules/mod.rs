//! Rewrites of a logical plan that change its time, never its answer. One rule a file.

mod limit_sort;
mod prune_columns;
mod push_filter;

use std::sync::Arc;

use super::LogicalPlan;
use crate::error::Result;

/// The plan that is run: filters sunk towards the scan, limits into sorts, unused columns gone.
pub(crate) fn optimise(plan: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    let plan = push_filter::push_filters(plan)?;
    let plan = limit_sort::limit_sorts(&plan);
    // Last: what the other rules moved decides which columns are needed where.
    prune_columns::prune_columns(&plan)
}
