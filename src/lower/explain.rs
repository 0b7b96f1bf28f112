//! Stages as text, and the number of tasks that they become.

use std::fmt;

use super::{Source, Stages};

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stage) in self.stages.iter().enumerate() {
            let partitions = stage.partitions();
            let plural = if partitions == 1 { "" } else { "s" };
            writeln!(f, "stage {i}: pipeline over {partitions} partition{plural}")?;
            match &stage.source {
                Source::Csv { text, .. } => writeln!(f, "  {text}")?,
                Source::Stage(stage) => writeln!(f, "  read stage {stage}")?,
            }
            for text in &stage.texts {
                writeln!(f, "  {text}")?;
            }
            if partitions > 1 {
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
                let partitions = stage.partitions();
                // The source, the row-wise steps, and the sink, whose text is among the texts; then merging and the end.
                let steps = 1 + stage.texts.len();
                let (mut merges, mut level) = (0, partitions);
                while level > 1 {
                    level = level.div_ceil(split_every);
                    merges += level;
                }
                partitions * steps + merges + 1
            })
            .sum()
    }
}
