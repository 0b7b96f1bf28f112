//! A run that meets a value which contradicts the inferred type of its column starts again: all values of the columns that it
//! decodes are looked at, and the plan is made anew over columns of wider types.
//!
//! What was found is remembered by the source, so that later runs of the frame begin with it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::csv::CsvSource;
use crate::plan::{LogicalPlan, optimise};
use crate::sched::Session;

/// The plans over what is known of their sources by now.
pub(super) fn current(plans: &[Arc<LogicalPlan>]) -> Result<Vec<Arc<LogicalPlan>>> {
    plans.iter().map(|plan| plan.over(&|source| source.wider()).map_err(|error| explained(error, plan))).collect()
}

/// The plans to run in place of those that ended with this error; the error itself if that would not help.
pub(super) fn wider(session: &Session, plans: &[Arc<LogicalPlan>], error: Error) -> Result<Vec<Arc<LogicalPlan>>> {
    if !error.is_contradiction() || plans.iter().any(|plan| plan.has_run_closures()) {
        return Err(error);
    }
    let optimised = plans.iter().map(optimise).collect::<Result<Vec<_>>>()?;
    // Of a source that is scanned several times, the columns of all scans.
    let mut decoded: Vec<(&Arc<CsvSource>, Vec<usize>)> = Vec::new();
    for (source, columns) in optimised.iter().flat_map(|plan| plan.decoded()) {
        match decoded.iter_mut().find(|(known, _)| Arc::ptr_eq(known, source)) {
            Some((_, known)) => known.extend(columns),
            None => decoded.push((source, columns)),
        }
    }
    let mut changes = Vec::new();
    for (source, columns) in decoded {
        changes.extend(source.widen(&columns)?);
    }
    if changes.is_empty() {
        return Err(error);
    }
    session.tell_restart(format!("the run starts again: {}", changes.join("; ")));
    current(plans)
}

/// An error of a step that does not take the wider types, with what widened them.
fn explained(error: Error, plan: &Arc<LogicalPlan>) -> Error {
    let changes: Vec<String> = plan.sources().into_iter().flat_map(|source| source.changes()).collect();
    error.in_step(format!("a run that started again, since {}", changes.join("; ")))
}
