//! One scan for several sinks: pipelines over the same source become one, which feeds the sinks of all.
//!
//! Only whole pipelines that depend on no other stage are joined: a source, row-wise steps, a sink whose states merge. The
//! joined scan decodes the columns of all; rows that no pipeline's filter lets pass are left out by the scan, and each line
//! filters again for itself. Pipelines with different filters are joined only where that decodes nothing more than they do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::end::{Given, Line, Reduce};
use super::{Branch, Pick, Pipeline, Source, Stages, Step};
use crate::error::{Error, Result};
use crate::expr::{Expr, col, is_same};
use crate::io::csv::CsvScan;
use crate::ops::{BatchOp, FilterOp, ProjectOp, TeeLine, TeeOp};

impl Stages {
    /// Joins the pipelines that read the same files.
    pub(super) fn share_scans(&mut self) -> Result<()> {
        // Pipelines over the same rows; in each, those of one filter.
        let mut groups: Vec<Vec<Vec<usize>>> = Vec::new();
        for (i, pipeline) in self.stages.iter().enumerate() {
            let Some(scan) = pipeline.sharable() else { continue };
            let like = |member: &usize, alike: fn(&CsvScan, &CsvScan) -> bool| {
                self.stages[*member].sharable().is_some_and(|other| alike(scan, other))
            };
            match groups.iter_mut().find(|group| group.iter().flatten().next().is_some_and(|m| like(m, reads_alike))) {
                None => groups.push(vec![vec![i]]),
                Some(group) => {
                    match group.iter_mut().find(|members| members.first().is_some_and(|m| like(m, filters_alike))) {
                        None => group.push(vec![i]),
                        Some(members) => members.push(i),
                    }
                }
            }
        }
        let joint: Vec<Vec<usize>> = groups
            .into_iter()
            .flat_map(|group| if self.decodes_no_more(&group) { vec![group.concat()] } else { group })
            .filter(|members| members.len() > 1)
            .collect();
        // The joined stages come first, all others behind them.
        let shift = joint.len();
        let mut joined = Vec::new();
        for (nth, members) in joint.iter().enumerate() {
            joined.push(self.join(members)?);
            for (line, &member) in members.iter().enumerate() {
                let pipeline = &mut self.stages[member];
                let Some(reducer) = pipeline.end.reducer() else { continue };
                pipeline.end = Arc::new(Line { stage: nth, line, reducer });
                let texts = vec![format!("read stage {nth}")];
                pipeline.text = format!("line {line}");
                let source = Source::Stage { stage: nth, pick: Pick::All };
                pipeline.branches = vec![Branch { source, partitions: 1, steps: vec![], texts }];
                pipeline.partitions = 1;
            }
        }
        let lines: Vec<usize> = joint.concat();
        for (i, pipeline) in self.stages.iter_mut().enumerate() {
            if !lines.contains(&i) {
                pipeline.branches.iter_mut().for_each(|branch| branch.shift_stages(shift));
            }
        }
        self.stages.splice(0..0, joined);
        self.roots.iter_mut().for_each(|root| *root += shift);
        Ok(())
    }

    /// Whether a joint scan of these decodes no value that no pipeline alone would decode: one that does not fit its column
    /// would be an error that none of them has. So each column is one that some pipeline decodes for all rows.
    fn decodes_no_more(&self, group: &[Vec<usize>]) -> bool {
        let scans: Vec<&CsvScan> = group.iter().flatten().filter_map(|&i| self.stages[i].sharable()).collect();
        let whole: BTreeSet<usize> = scans
            .iter()
            .flat_map(|scan| if scan.filter().is_some() { filter_columns(scan) } else { scan.columns().to_vec() })
            .collect();
        group.len() == 1 || scans.iter().flat_map(|scan| scan.columns()).all(|column| whole.contains(column))
    }

    /// One pipeline for these.
    fn join(&self, members: &[usize]) -> Result<Pipeline> {
        let scans: Vec<&CsvScan> = members.iter().filter_map(|&i| self.stages[i].sharable()).collect();
        let source = scans.first().map(|scan| &scan.source).ok_or_else(|| Error::internal("no scans are joined"))?;
        let same = scans.windows(2).all(|two| filters_alike(two[0], two[1]));
        let filter = match same {
            true => scans.first().and_then(|scan| scan.filter().cloned()),
            false => any(scans.iter().map(|scan| scan.filter())),
        };
        let mut columns: Vec<usize> = scans.iter().flat_map(|scan| scan.columns()).copied().collect();
        if !same {
            columns.extend(scans.iter().flat_map(|scan| filter_columns(scan)));
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
        Ok(Pipeline {
            branches: vec![branch],
            partitions,
            end,
            given: Given::Whole,
            text: "share among the lines".to_owned(),
        })
    }
}

/// Whether two scans go over the same rows.
fn reads_alike(a: &CsvScan, b: &CsvScan) -> bool {
    Arc::ptr_eq(&a.source, &b.source) && a.sample() == b.sample()
}

/// Whether two scans are known to let the same rows pass.
fn filters_alike(a: &CsvScan, b: &CsvScan) -> bool {
    match (a.filter(), b.filter()) {
        (Some(a), Some(b)) => is_same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The columns that a scan decodes for every row to filter them.
fn filter_columns(scan: &CsvScan) -> Vec<usize> {
    let names = scan.filter().map(Expr::columns).unwrap_or_default();
    names.iter().filter_map(|name| scan.source.schema.index_of(name).ok()).collect()
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
