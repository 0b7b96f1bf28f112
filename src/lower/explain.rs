//! Stages as text, and the number of tasks that they become.

use std::fmt;

use super::Stages;

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
        }
        Ok(())
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
