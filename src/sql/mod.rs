//! SQL text to a [`Frame`]: a thin front without an engine of its own.
//!
//! The text goes through three files: `source` cuts it into tokens and points errors into it, `parse` has `sqlparser` parse it
//! and refuses what is not carried out, `plan` builds the frame clause by clause, with `translate` for the expressions.

mod parse;
mod plan;
mod source;
mod translate;
mod walk;

use crate::frame::Frame;
use crate::sched::Session;

/// The frame that a SELECT statement describes, run by the default session. See [`Session::sql`].
pub fn sql(text: &str) -> Frame {
    Session::default().sql(text)
}

impl Session {
    /// The frame that a SELECT statement describes.
    pub fn sql(&self, text: &str) -> Frame {
        plan::plan(self, text).unwrap_or_else(|error| Frame::failed(self.clone(), error))
    }
}
