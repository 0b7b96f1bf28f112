//! A slice of a sort needs the first rows alone: the sort keeps no more.

use std::sync::Arc;

use crate::plan::LogicalPlan;

pub(super) fn limit_sorts(plan: &Arc<LogicalPlan>) -> Arc<LogicalPlan> {
    if let LogicalPlan::Slice { input, offset, limit: Some(limit) } = &**plan {
        // A projection between the two moves no rows.
        let mut between = Vec::new();
        let mut below = input;
        while let LogicalPlan::Project { input, .. } = &**below {
            between.push(below);
            below = input;
        }
        if let LogicalPlan::Sort { input, keys, limit: None } = &**below {
            let keys = keys.clone();
            let sort =
                LogicalPlan::Sort { input: limit_sorts(input), keys, limit: Some(offset.saturating_add(*limit)) };
            let sorted = between.iter().rev().fold(Arc::new(sort), |plan, project| Arc::new(project.with_input(plan)));
            return match offset {
                0 => sorted,
                _ => Arc::new(plan.with_input(sorted)),
            };
        }
    }
    Arc::new(plan.with_inputs(plan.inputs().iter().map(limit_sorts).collect()))
}
