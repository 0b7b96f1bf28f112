//! How far each stage of a run is, as lines under the one of the run.

use std::collections::HashMap;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::super::kind;
use crate::config::{count, format_bytes};

/// The most stages that are shown: those that began last.
const MOST_LINES: usize = 6;

/// How many letters a bar has.
const BAR: usize = 16;

/// The stages of the run that is shown.
pub(super) struct Stages {
    stages: Vec<Stage>,
    by_name: HashMap<String, usize>,
    /// The stages of the tasks that each thread is in, the innermost last.
    threads: HashMap<ThreadId, Vec<Option<usize>>>,
}

struct Stage {
    name: String,
    tasks: usize,
    done: usize,
    began: Option<Instant>,
    /// How long it has run after its last task so far.
    ran: Duration,
    rows: u64,
    bytes: u64,
    spilled: u64,
}

impl Stages {
    /// Stages of so many tasks each.
    pub(super) fn new(stages: &[(String, usize)]) -> Stages {
        let by_name = stages.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
        let stage = |(name, tasks): &(String, usize)| Stage {
            name: name.clone(),
            tasks: *tasks,
            done: 0,
            began: None,
            ran: Duration::ZERO,
            rows: 0,
            bytes: 0,
            spilled: 0,
        };
        Stages { stages: stages.iter().map(stage).collect(), by_name, threads: HashMap::new() }
    }

    /// This thread begins a task, perhaps inside another one.
    pub(super) fn begin(&mut self, task: &str) {
        let stage = self.by_name.get(kind(task)).copied();
        self.threads.entry(std::thread::current().id()).or_default().push(stage);
        if let Some(stage) = stage {
            self.stages[stage].began.get_or_insert_with(Instant::now);
        }
    }

    /// The task that this thread is in has read something.
    pub(super) fn read(&mut self, rows: u64, bytes: u64) {
        if let Some(stage) = self.current() {
            stage.rows += rows;
            stage.bytes += bytes;
        }
    }

    /// The task that this thread is in has written something to disk.
    pub(super) fn spill(&mut self, bytes: u64) {
        if let Some(stage) = self.current() {
            stage.spilled += bytes;
        }
    }

    /// This thread ends the task that it is in.
    pub(super) fn end(&mut self) {
        if let Some(stage) = self.current() {
            stage.done += 1;
            // Some tasks become several once it is known what there is to do.
            stage.tasks = stage.tasks.max(stage.done);
            stage.ran = stage.began.map_or(Duration::ZERO, |began| began.elapsed());
        }
        if let Some(tasks) = self.threads.get_mut(&std::thread::current().id()) {
            tasks.pop();
        }
    }

    fn current(&mut self) -> Option<&mut Stage> {
        let stage = *self.threads.get(&std::thread::current().id())?.last()?;
        self.stages.get_mut(stage?)
    }

    /// A line for each of the stages that began last, in their order.
    pub(super) fn lines(&self) -> Vec<String> {
        let begun: Vec<&Stage> = self.stages.iter().filter(|stage| stage.began.is_some()).collect();
        let shown = &begun[begun.len().saturating_sub(MOST_LINES)..];
        let wide = shown.iter().map(|stage| stage.name.chars().count().min(28)).max().unwrap_or(0);
        shown.iter().map(|stage| stage.line(wide)).collect()
    }
}

impl Stage {
    fn line(&self, wide: usize) -> String {
        let name: String = self.name.chars().take(28).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let full = BAR * self.done / self.tasks.max(1);
        let mut line = format!("  {name:<wide$} {}{} ", "█".repeat(full), "░".repeat(BAR - full));
        let seconds = self.ran.as_secs_f64();
        line += &format!("{}/{}", self.done, count(self.tasks as u64, "task"));
        if self.rows > 0 {
            line += &format!(", {}", count(self.rows, "row"));
        }
        if self.bytes > 0 {
            line += &format!(", {}", format_bytes(self.bytes));
            if seconds > 0.0 {
                line += &format!(", {}/s", format_bytes((self.bytes as f64 / seconds) as u64));
            }
        }
        if self.spilled > 0 {
            line += &format!(", spilled {}", format_bytes(self.spilled));
        }
        if self.done > 0 && self.done < self.tasks {
            line += &format!(", {:.0} s left", seconds / self.done as f64 * (self.tasks - self.done) as f64);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_reads_is_its_stages() {
        let mut stages = Stages::new(&[("scan → sort".into(), 4), ("merge".into(), 1)]);
        assert_eq!(stages.lines(), Vec::<String>::new());
        stages.begin("scan → sort 0");
        stages.read(1500, 2_000_000);
        // A run inside of the task, and a task of no stage that is known.
        stages.begin("merge");
        stages.spill(5_000_000);
        stages.begin("something else");
        stages.read(9, 9);
        stages.end();
        stages.end();
        stages.end();
        stages.stages[0].ran = Duration::from_secs(2);
        let expected = [
            "  scan → sort ████░░░░░░░░░░░░ 1/4 tasks, 1,500 rows, 2.00 MB, 1.00 MB/s, 6 s left",
            "  merge       ████████████████ 1/1 task, spilled 5.00 MB",
        ];
        assert_eq!(stages.lines(), expected);
        // More tasks than were known.
        stages.begin("merge");
        stages.end();
        assert!(stages.lines()[1].contains("2/2 tasks"));
    }
}
