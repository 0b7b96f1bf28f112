//! One scan for several sinks: pipelines over the same source become one, which feeds the sinks of all.
//!
//! Only whole pipelines that depend on no other stage are joined: a source, row-wise steps, a sink whose states merge. The
//! joined scan decodes the columns of all; rows that no pipeline's filter lets pass are left out by the scan, and each line
//! filters again for itself.

use std::sync::Arc;

use super::end::{Line, Reduce};
use super::{Branch, Pick, Pipeline, Source, Stages, Step};
use crate::error::Result;
use crate::expr::{Expr, col};
use crate::io::csv::{CsvScan, CsvSource};
use crate::ops::{BatchOp, FilterOp, ProjectOp, TeeLine, TeeOp};

impl Stages {
    /// Joins the pipelines that read the same files.
    pub(super) fn share_scans(&mut self) -> Result<()> {
        let mut groups: Vec<(Arc<CsvSource>, Vec<usize>)> = Vec::new();
        for (i, pipeline) in self.stages.iter().enumerate() {
            let Some(scan) = pipeline.sharable() else { continue };
            let same = |member: usize| self.stages[member].sharable().is_some_and(|other| reads_alike(scan, other));
            match groups.iter_mut().find(|(_, members)| members.first().is_some_and(|&member| same(member))) {
                Some((_, members)) => members.push(i),
                None => groups.push((scan.source.clone(), vec![i])),
            }
        }
        groups.retain(|(_, members)| members.len() > 1);
        // The joined stages come first, all others behind them.
        let shift = groups.len();
        let mut joined = Vec::new();
        for (nth, (source, members)) in groups.iter().enumerate() {
            joined.push(self.join(source, members)?);
            for (line, &member) in members.iter().enumerate() {
                let pipeline = &mut self.stages[member];
                pipeline.end = Arc::new(Line { stage: nth, line });
                let texts = vec![format!("read stage {nth}")];
                pipeline.text = format!("line {line}");
                let source = Source::Stage { stage: nth, pick: Pick::All };
                pipeline.branches = vec![Branch { source, partitions: 1, steps: vec![], texts }];
                pipeline.partitions = 1;
            }
        }
        let lines: Vec<usize> = groups.into_iter().flat_map(|(_, members)| members).collect();
        for (i, pipeline) in self.stages.iter_mut().enumerate() {
            if !lines.contains(&i) {
                pipeline.branches.iter_mut().for_each(|branch| branch.shift_stages(shift));
            }
        }
        self.stages.splice(0..0, joined);
        self.roots.iter_mut().for_each(|root| *root += shift);
        Ok(())
    }

    /// One pipeline for these, over `source`.
    fn join(&self, source: &Arc<CsvSource>, members: &[usize]) -> Result<Pipeline> {
        let scans: Vec<&CsvScan> = members.iter().filter_map(|&i| self.stages[i].sharable()).collect();
        let text = |scan: &CsvScan| scan.filter().map(Expr::to_string);
        let same = scans.windows(2).all(|two| text(two[0]) == text(two[1]));
        let filter = match same {
            true => scans.first().and_then(|scan| scan.filter().cloned()),
            false => any(scans.iter().map(|scan| scan.filter())),
        };
        let mut columns: Vec<usize> = scans.iter().flat_map(|scan| scan.columns()).copied().collect();
        if !same {
            let of_filters = scans.iter().filter_map(|scan| scan.filter()).flat_map(Expr::columns);
            columns.extend(of_filters.filter_map(|name| source.schema.index_of(&name).ok()));
        }
        columns.sort_unstable();
        columns.dedup();
        let scan = Arc::new(CsvScan::new(
            source.clone(),
            columns,
            filter.as_ref(),
            scans.first().and_then(|scan| scan.sample()),
        )?);
        let (mut lines, mut texts) = (Vec::new(), vec![]);
        for (pipeline, own) in members.iter().map(|&i| &self.stages[i]).zip(&scans) {
            let Some(reducer) = pipeline.end.reducer() else { continue };
            let mut steps: Vec<Arc<dyn BatchOp>> = Vec::new();
            if let Some(filter) = own.filter().filter(|_| !same) {
                steps.push(Arc::new(FilterOp::new(scan.schema().clone(), filter.bind_condition(scan.schema())?)));
            }
            let picked = own.schema().fields().iter().map(|field| col(field.name()).bind(scan.schema()));
            steps.push(Arc::new(ProjectOp::new(own.schema().clone(), picked.collect::<Result<_>>()?)));
            for branch in &pipeline.branches {
                steps.extend(branch.steps.iter().filter_map(|step| match step {
                    Step::Map(op) => Some(op.clone()),
                    Step::Probe { .. } => None,
                }));
                let own: Vec<&str> = branch.texts.iter().skip(1).map(String::as_str).chain([&*pipeline.text]).collect();
                texts.push(format!("  line {}: {}", lines.len(), own.join("; ")));
            }
            lines.push(TeeLine { steps, reducer });
        }
        let names: Vec<&str> = scan.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let filter = filter.map_or_else(String::new, |filter| format!(" where {filter}"));
        let sample = scan.sample().map_or_else(String::new, |sample| format!(", {sample}"));
        texts.insert(0, format!("scan csv {}: {}{sample}{filter}", source.paths, names.join(", ")));
        let partitions = source.partitions.len();
        let tee = TeeOp::new(scan.schema().clone(), lines);
        let branch = Branch { source: Source::Csv(scan), partitions, steps: vec![], texts };
        let end = Arc::new(Reduce(Arc::new(tee)));
        Ok(Pipeline { branches: vec![branch], partitions, end, text: "share among the lines".to_owned() })
    }
}

/// Whether two scans go over the same rows.
fn reads_alike(a: &CsvScan, b: &CsvScan) -> bool {
    Arc::ptr_eq(&a.source, &b.source) && a.sample() == b.sample()
}

/// What any of these lets pass; `None` when one lets all pass.
fn any<'a>(mut filters: impl Iterator<Item = Option<&'a Expr>>) -> Option<Expr> {
    let first = filters.next()??.clone();
    filters.try_fold(first, |any, filter| Some(any.or(filter?.clone())))
}

impl Pipeline {
    /// The scan of a pipeline that another can be joined to.
    fn sharable(&self) -> Option<&CsvScan> {
        let [Branch { source: Source::Csv(scan), steps, .. }] = self.branches.as_slice() else { return None };
        let own = steps.iter().all(|step| matches!(step, Step::Map(_)));
        (own && self.end.reducer().is_some()).then_some(scan)
    }
}

impl Branch {
    /// The same branch where stages have moved back by so many places.
    fn shift_stages(&mut self, by: usize) {
        if let Source::Stage { stage, .. } | Source::Unmatched { stage, .. } = &mut self.source {
            *stage += by;
        }
        for step in &mut self.steps {
            if let Step::Probe { stage, .. } = step {
                *stage += by;
            }
        }
    }
}
