//! Stages as a picture.

use std::collections::HashMap;

use super::tasks::expansion;
use super::{Branch, Source, Stages};
use crate::config::{Config, count};
use crate::diagnostics::kind;
use crate::visual::{Diagram, Node};

impl Stages {
    /// A node for each stage, and edges from those that it reads or looks up.
    pub(crate) fn diagram(&self, config: &Config) -> Diagram {
        let kinds = self.kinds(config);
        let mut diagram = Diagram::default();
        for (i, stage) in self.stages.iter().enumerate() {
            let mut label = vec![format!("stage {i}: {}", count(stage.partitions as u64, "partition"))];
            for (nth, branch) in stage.branches.iter().enumerate() {
                label.extend((nth > 0).then(|| "and behind it".to_owned()));
                label.extend(branch.texts.iter().cloned());
            }
            label.push(stage.text.clone());
            let node = Node::new(label, kinds.get(i).cloned().unwrap_or_default());
            diagram.add(node, stage.branches.iter().flat_map(Branch::reads));
        }
        diagram
    }

    /// The kinds of the tasks that each stage becomes, and how many there are of each. Nothing where there is not enough memory to run.
    fn kinds(&self, config: &Config) -> Vec<Vec<(String, usize)>> {
        let Ok((expansion, ends)) = expansion(self, config) else { return vec![] };
        let begins = [0].into_iter().chain(ends.iter().copied());
        let of_stage = |(begin, end): (usize, &usize)| {
            let mut kinds: HashMap<&str, usize> = HashMap::new();
            for task in &expansion.graph.tasks[begin..*end] {
                *kinds.entry(kind(&task.name)).or_default() += 1;
            }
            kinds.into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect()
        };
        begins.zip(&ends).map(of_stage).collect()
    }
}

impl Branch {
    /// The stages that it needs the results of.
    fn reads(&self) -> Vec<usize> {
        let source = match &self.source {
            Source::Csv(_) | Source::Rows { .. } => None,
            Source::Stage { stage, .. } | Source::Unmatched { stage, .. } => Some(*stage),
        };
        source.into_iter().chain(self.probes()).collect()
    }
}
