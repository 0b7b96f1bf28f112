//! Samples sink into the scan, which then decodes and filters the drawn rows alone.
//!
//! A row's fate depends on where it stands in its file and on nothing else, so a sample may be drawn before a filter, a
//! projection and a concatenation as well as behind. It passes nothing else.

use std::sync::Arc;

use crate::io::Sample;
use crate::plan::LogicalPlan;

/// The plan with its samples as far down as they go: of scans, in them.
pub(crate) fn push_samples(plan: &Arc<LogicalPlan>) -> Arc<LogicalPlan> {
    match &**plan {
        LogicalPlan::Sample { input, sample } => push(&push_samples(input), *sample),
        _ => Arc::new(plan.with_inputs(plan.inputs().iter().map(push_samples).collect())),
    }
}

/// The sample of a plan whose own samples have sunk.
fn push(plan: &Arc<LogicalPlan>, new: Sample) -> Arc<LogicalPlan> {
    match &**plan {
        LogicalPlan::Filter { .. } | LogicalPlan::Project { .. } | LogicalPlan::Concat { .. } => {
            Arc::new(plan.with_inputs(plan.inputs().iter().map(|input| push(input, new)).collect()))
        }
        LogicalPlan::Scan { source, columns, sample: old, filter, schema }
            if old.is_none_or(|old| old.seed == new.seed) =>
        {
            // Of one seed, the smaller sample is a part of the larger.
            let fraction = old.map_or(new.fraction, |old| old.fraction.min(new.fraction));
            let (source, columns) = (source.clone(), columns.clone());
            let (sample, filter, schema) = (Some(Sample { fraction, ..new }), filter.clone(), schema.clone());
            Arc::new(LogicalPlan::Scan { source, columns, sample, filter, schema })
        }
        _ => Arc::new(LogicalPlan::Sample { input: plan.clone(), sample: new }),
    }
}
