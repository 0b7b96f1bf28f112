//! Whether a query can be worked out within a limit of memory: asked before anything is read.
//!
//! Whatever is held can go to disk, so that little must fit: what each thread reads and decodes at a time, and what the sink
//! works on meanwhile. Half of the limit is for what waits.

use super::Stages;
use crate::config::{Config, format_bytes};
use crate::error::{Error, ErrorKind, Result};

/// What a thread reads and decodes at a time.
const SCAN: usize = 2 << 20;

/// What each sink holds beside what it works on, where several share a scan.
const SINK: usize = 1 << 18;

impl Stages {
    /// # Errors
    /// [`ErrorKind::Memory`] when a stage needs more than the limit for its threads to go on: says which, and what would do.
    pub(super) fn admit(&self, config: &Config) -> Result<()> {
        let needs = self.stages.iter().map(|stage| {
            let holders = stage.end.holders();
            let work = holders.iter().map(|holder| holder.least).max().unwrap_or(0);
            (2 * config.threads * (SCAN + work + SINK * holders.len()), stage, holders)
        });
        let Some((needed, stage, holders)) = needs.max_by_key(|(needed, ..)| *needed) else { return Ok(()) };
        if needed <= config.memory {
            return Ok(());
        }
        let names: Vec<&str> = holders.iter().map(|holder| holder.name).collect();
        let message = format!(
            "'{}' needs at least {} on {} threads (for {}), beyond the memory limit of {}",
            stage.text,
            format_bytes(needed as u64),
            config.threads,
            names.join(", "),
            format_bytes(config.memory as u64),
        );
        Err(Error::new(ErrorKind::Memory, message).help(format!(
            "the smallest limit that works is {needed} bytes (Session::builder().memory(..), or --memory {}MiB); or use fewer threads",
            needed.div_ceil(1 << 20)
        )))
    }
}
