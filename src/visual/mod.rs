//! Pictures of what is going to run, or has run: nodes and edges, laid out in layers and written as SVG or DOT.
//!
//! - [`diagram`] is what there is to draw; of many tasks it makes a few groups.
//! - [`layout`] finds places: layers, an order in each with few crossings, coordinates.
//! - [`svg`] and [`dot`] write it.

mod diagram;
mod dot;
mod layout;
mod svg;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use crate::config::format_bytes;
use crate::diagnostics::Stats;
use crate::error::{Error, ErrorKind, Result};
use crate::text_file;

pub(crate) use diagram::{Diagram, Node};

/// A picture of something lazy: of the stages of a frame and the tasks of what else there is, or of all its tasks. Nothing runs.
///
/// Made by [`Frame::picture`](crate::Frame::picture) and [`picture`](crate::picture()). It goes from left to right, or from the top
/// [down](Picture::top_down). Of more than 50 tasks, those that differ only by the number of their partition are one node, with their
/// count on it. After a run whose [`Stats`] were kept, it is coloured [by time](Picture::by_time) or [by memory](Picture::by_memory).
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let query = read_csv("testdata/baci/BACI_HS12_Y*.csv").group_by(["k"]).agg([col("v").sum()]);
/// let svg = query.picture().tasks().top_down().to_svg()?;
/// assert!(svg.contains("scan → aggregate 6"));
/// let dot = query.picture().to_dot()?;
/// assert!(dot.starts_with("digraph partita {"));
/// # Ok(())
/// # }
/// ```
#[must_use = "a picture is drawn when it is written"]
pub struct Picture {
    draw: Box<Draw>,
    level: Level,
    is_top_down: bool,
    heat: Option<Heat>,
}

/// Finds what there is to draw, at a level.
type Draw = dyn Fn(Level) -> Result<Diagram> + Send + Sync;

/// What the nodes of a picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Stages,
    Tasks,
}

/// What the kinds of tasks took, and how that is written.
struct Heat {
    of_kinds: HashMap<String, f64>,
    text: fn(f64) -> String,
}

impl Picture {
    pub(crate) fn new(draw: impl Fn(Level) -> Result<Diagram> + Send + Sync + 'static) -> Picture {
        Picture { draw: Box::new(draw), level: Level::Stages, is_top_down: false, heat: None }
    }

    /// Draws every task, where frames are drawn by stages otherwise.
    pub fn tasks(mut self) -> Picture {
        self.level = Level::Tasks;
        self
    }

    /// Goes from the top down, in place of left to right.
    pub fn top_down(mut self) -> Picture {
        self.is_top_down = true;
        self
    }

    /// Colours by the time that threads were busy, in the runs that `stats` has counted. What is counted together, tasks of
    /// the same kind in several nodes, is shared out by the number of tasks.
    pub fn by_time(mut self, stats: &Stats) -> Picture {
        let of_kinds = stats.busy().into_iter().collect();
        self.heat = Some(Heat { of_kinds, text: |seconds| format!("{seconds:.3} s") });
        self
    }

    /// Colours by the memory that results held, one added to the other, in the runs that `stats` has counted; shared out as
    /// [times](Picture::by_time) are.
    pub fn by_memory(mut self, stats: &Stats) -> Picture {
        let of_kinds = stats.held().into_iter().map(|(kind, bytes)| (kind, bytes as f64)).collect();
        self.heat = Some(Heat { of_kinds, text: |bytes| format_bytes(bytes as u64) });
        self
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn to_svg(&self) -> Result<String> {
        Ok(svg::svg(&self.diagram()?, self.is_top_down))
    }

    /// The picture in the language of Graphviz.
    ///
    /// # Errors
    /// What is wrong in the steps so far.
    pub fn to_dot(&self) -> Result<String> {
        Ok(dot::dot(&self.diagram()?, self.is_top_down))
    }

    /// Writes the picture: SVG to a name that ends in `.svg`, DOT to one that ends in `.dot`. What was there is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for any other name, what is wrong in the steps so far, and [`ErrorKind::Io`] when the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        let text = match ending.as_ref().and_then(|ending| ending.to_str()) {
            Some("svg") => self.to_svg()?,
            Some("dot") => self.to_dot()?,
            _ => {
                let what = format!("'{}' names no format of pictures by its ending", path.display());
                return Err(Error::new(ErrorKind::Config, what).help("name a file that ends in .svg or .dot"));
            }
        };
        text_file::write(path, &text)
    }

    fn diagram(&self) -> Result<Diagram> {
        let mut diagram = (self.draw)(self.level)?;
        if let Some(Heat { of_kinds, text }) = &self.heat {
            diagram.heat(of_kinds, *text);
        }
        Ok(diagram)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("level", &self.level).field("is_top_down", &self.is_top_down).finish()
    }
}
