//! Stages as text, and the number of tasks that they become.

use std::collections::BTreeSet;
use std::fmt;

use super::{Pipeline, Source, Stages};
use crate::config::format_bytes;
use crate::ops::Holder;

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stage) in self.stages.iter().enumerate() {
            let partitions = stage.partitions;
            let plural = if partitions == 1 { "" } else { "s" };
            writeln!(f, "stage {i}: pipeline over {partitions} partition{plural}")?;
            for (nth, branch) in stage.branches.iter().enumerate() {
                if nth > 0 {
                    writeln!(f, "  and behind it")?;
                }
                for text in &branch.texts {
                    writeln!(f, "  {text}")?;
                }
            }
            writeln!(f, "  {}", stage.text)?;
            if partitions > 1 && stage.end.merges() {
                writeln!(f, "  then tree-reduce the partitions in order")?;
            }
            for Holder { name, spills, .. } in stage.end.holders() {
                let beyond = if spills { "may spill" } else { "must fit" };
                writeln!(f, "  memory: {name} from {}, {beyond}", stage.input())?;
            }
        }
        Ok(())
    }
}

impl Pipeline {
    /// What goes into the stage, at most: bytes of files as they lie there, and what other stages give.
    fn input(&self) -> String {
        let (mut bytes, mut stages) = (None, BTreeSet::new());
        for branch in &self.branches {
            match &branch.source {
                Source::Csv(scan) => *bytes.get_or_insert(0) += scan.source.bytes(),
                Source::Rows { source, .. } => *bytes.get_or_insert(0) += source.bytes(),
                Source::Stage { stage, .. } | Source::Unmatched { stage, .. } => _ = stages.insert(*stage),
            }
        }
        let bytes = bytes.map(|bytes| format!("{} read", format_bytes(bytes)));
        let stages = stages.into_iter().map(|stage| format!("stage {stage}"));
        bytes.into_iter().chain(stages).collect::<Vec<_>>().join(" and ")
    }
}

impl Stages {
    /// How many tasks there would be if every step of every partition were one, with reductions `split_every` wide.
    pub(crate) fn tasks_unfused(&self, split_every: usize) -> usize {
        self.stages
            .iter()
            .map(|stage| {
                // The source, the row-wise steps and the sink on each partition; then the merges, and the end of what comes out.
                let steps: usize = stage.branches.iter().map(|b| b.partitions * (b.texts.len() + 1)).sum();
                let (mut merges, mut level) = (0, if stage.end.merges() { stage.partitions } else { 1 });
                while level > 1 {
                    level = level.div_ceil(split_every);
                    merges += level;
                }
                steps + merges + stage.end.partitions(stage.partitions)
            })
            .sum()
    }
}
