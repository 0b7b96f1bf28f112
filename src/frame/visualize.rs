//! Pictures of what is lazy.

use std::path::Path;

use super::compute_all::What;
use super::{Frame, Lazy, Wanted};
use crate::error::Result;
use crate::graph::TaskGraph;
use crate::lower::{expand, lower};
use crate::plan::optimise;
use crate::visual::{Diagram, Level, Picture};

/// A picture of anything lazy, as one run of [`compute_all`](crate::compute_all) would compute it: a frame, a column, a
/// [`Delayed`](crate::Delayed) value, tuples, arrays and vectors of these.
///
/// ```
/// use partita::{delayed, picture};
/// let (x, y) = (delayed("inc", || 1 + 1), delayed("dec", || 2 - 1));
/// let sum = x.zip(&y).map("add", |(x, y)| x + y);
/// let dot = picture((&sum, &x)).to_dot()?;
/// assert_eq!(dot.matches("->").count(), 2);
/// # Ok::<(), partita::Error>(())
/// ```
pub fn picture<L: Lazy>(lazies: L) -> Picture {
    let wanted = lazies.wanted();
    Picture::new(move |level| diagram(&wanted, level))
}

fn diagram(wanted: &[Wanted], level: Level) -> Result<Diagram> {
    let session = wanted.first().map(|first| first.0.clone()).unwrap_or_default();
    let frames = wanted.iter().filter_map(|wanted| match &wanted.1 {
        What::Frame(frame) => Some(frame.plan().and_then(optimise)),
        What::Tasks(_) => None,
    });
    let stages = lower(&frames.collect::<Result<Vec<_>>>()?)?;
    let (mut diagram, mut graph) = match level {
        Level::Stages => (stages.diagram(session.config()), TaskGraph::new()),
        Level::Tasks => (Diagram::default(), expand(stages, session.config())?.0),
    };
    for Wanted(_, what) in wanted {
        if let What::Tasks(tasks) = what {
            tasks.expand(&mut graph)?;
        }
    }
    diagram.append(Diagram::of_tasks(&graph));
    Ok(diagram)
}

impl Frame {
    /// Writes a picture of the query's stages: what is read, the steps that are done on each partition, and what brings partitions
    /// together. SVG to a name that ends in `.svg`, DOT to one in `.dot`; what was there is replaced. Nothing runs.
    /// [`picture`](Frame::picture) can show tasks, go from the top down, and be coloured by what a run took.
    ///
    /// ```no_run
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
    /// df.group_by(["k"]).agg([col("v").sum()]).sort(["k"]).visualize("query.svg")?;
    /// # Ok::<(), partita::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Picture::write`] has.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture().write(path)
    }

    /// A picture of the query, to be written with options of its own.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use std::sync::Arc;
    /// use partita::{Session, Stats, col};
    /// let stats = Arc::new(Stats::new());
    /// let session = Session::builder().observer(stats.clone()).build()?;
    /// let query = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").group_by(["k"]).agg([col("v").sum()]);
    /// query.compute()?;
    /// let svg = query.picture().by_time(&stats).to_svg()?;
    /// assert!(svg.contains("stage 0: 7 partitions"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn picture(&self) -> Picture {
        picture(self)
    }
}
