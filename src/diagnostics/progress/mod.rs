//! The progress of a run: how much is read, how fast, and how long it will take still; and the same of each stage.

mod stages;

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar as Line, ProgressDrawTarget, ProgressStyle};

use self::stages::Stages;
use crate::config::format_bytes;
use crate::sched::{Event, Observer, SessionBuilder};

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// Lines on stderr that show how far a run is: partitions done and all, bytes read, bytes per second, time left; and once
/// something had to go to disk, how much, and what most of it is. Below, the same of each stage that has begun. They go away when the run ends,
/// and show one run at a time. [`SessionBuilder::progress`] adds them where there is a terminal.
///
/// ```
/// use std::sync::Arc;
/// use partita::{ProgressBar, Session};
///
/// let mut session = Session::builder();
/// if let Some(bar) = ProgressBar::on_terminal() {
///     session = session.observer(Arc::new(bar));
/// }
/// let session = session.build()?;
/// # Ok::<(), partita::Error>(())
/// ```
pub struct ProgressBar {
    /// Fed from the beginning of a run, so that it knows the rate when it is shown.
    line: Line,
    target: fn() -> ProgressDrawTarget,
    patience: Duration,
    shown: Mutex<Option<Shown>>,
}

/// The run that is shown.
struct Shown {
    run: u64,
    started: Instant,
    done: u64,
    partitions: u64,
    /// What went to disk, by what it is.
    spilled: Vec<(&'static str, u64)>,
    stages: Stages,
    /// When the stages were drawn last.
    drawn: Option<Instant>,
    is_visible: bool,
}

impl ProgressBar {
    /// A progress line on stderr; none where stderr is no terminal.
    pub fn on_terminal() -> Option<ProgressBar> {
        std::io::stderr().is_terminal().then(|| ProgressBar::new(ProgressDrawTarget::stderr, PATIENCE))
    }

    fn new(target: fn() -> ProgressDrawTarget, patience: Duration) -> ProgressBar {
        let line = Line::with_draw_target(None, ProgressDrawTarget::hidden());
        ProgressBar { line, target, patience, shown: Mutex::new(None) }
    }
}

impl Observer for ProgressBar {
    fn on(&self, event: &Event) {
        // Whatever happened to the thread that held it: the state is whole between any two lines below.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match (event, &mut *shown) {
            (&Event::RunStarted { run, bytes, partitions, ref stages, .. }, None) => {
                self.line.reset();
                self.line.set_length(bytes);
                self.line.set_style(style(bytes > 0));
                self.line.set_prefix("");
                let (started, spilled, stages) = (Instant::now(), Vec::new(), Stages::new(stages));
                let (drawn, is_visible) = (None, false);
                *shown = Some(Shown { run, started, done: 0, partitions, spilled, stages, drawn, is_visible });
            }
            (Event::TaskStarted { run, name, .. }, Some(state)) if state.run == *run => state.stages.begin(name),
            (&Event::TaskFinished { run, .. }, Some(state)) if state.run == run => {
                state.stages.end();
                self.show(state);
            }
            (&Event::Advanced { run, bytes, rows, partitions, .. }, Some(state)) if state.run == run => {
                state.stages.read(rows, bytes);
                self.line.inc(bytes);
                state.done += partitions;
                self.show(state);
            }
            (&Event::Spilled { run, operator, bytes }, Some(state)) if state.run == run => {
                state.stages.spill(bytes);
                match state.spilled.iter_mut().find(|(name, _)| *name == operator) {
                    Some((_, total)) => *total += bytes,
                    None => state.spilled.push((operator, bytes)),
                }
                self.show(state);
            }
            (&Event::RunFinished { run, .. }, Some(state)) if state.run == run => {
                self.line.finish_and_clear();
                self.line.set_draw_target(ProgressDrawTarget::hidden());
                *shown = None;
            }
            _ => {}
        }
    }
}

impl SessionBuilder {
    /// Shows on stderr how far runs are, as a [`ProgressBar`] does, if that is a terminal.
    ///
    /// ```
    /// use partita::Session;
    /// let session = Session::builder().progress(true).build()?;
    /// # drop(session);
    /// # Ok::<(), partita::Error>(())
    /// ```
    pub fn progress(self, is_shown: bool) -> Self {
        match ProgressBar::on_terminal().filter(|_| is_shown) {
            Some(bar) => self.observer(Arc::new(bar)),
            None => self,
        }
    }
}

impl ProgressBar {
    fn show(&self, state: &mut Shown) {
        if !state.is_visible && state.started.elapsed() >= self.patience {
            state.is_visible = true;
            self.line.set_draw_target((self.target)());
        }
        if state.is_visible {
            self.line.set_message(state.message());
            // Text for each of a million tasks would take longer than they do.
            if state.drawn.is_none_or(|drawn| drawn.elapsed() >= self.patience / 6) {
                state.drawn = Some(Instant::now());
                let lines: String = state.stages.lines().iter().map(|line| format!("\n{line}")).collect();
                self.line.set_prefix(lines);
            }
        }
    }
}

impl Shown {
    fn message(&self) -> String {
        let partitions = format!("{}/{} partitions", self.done, self.partitions);
        let Some((most, _)) = self.spilled.iter().max_by_key(|(_, bytes)| bytes) else { return partitions };
        let spilled = format_bytes(self.spilled.iter().map(|(_, bytes)| bytes).sum());
        let only = if self.spilled.len() == 1 { "" } else { "mostly " };
        format!("{partitions}, spilled {spilled} ({only}{most})")
    }
}

impl fmt::Debug for ProgressBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressBar").finish_non_exhaustive()
    }
}

/// Without bytes to go by, the partitions tell.
fn style(bytes_known: bool) -> ProgressStyle {
    let template = if bytes_known {
        "{wide_bar} {msg}  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left{prefix}"
    } else {
        "{spinner} {msg}  {elapsed}{prefix}"
    };
    // The templates are constants, and a test has them parsed.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use indicatif::TermLike;

    use super::*;

    /// A screen that keeps what is written on it.
    #[derive(Debug, Clone)]
    struct Screen;

    static WRITTEN: Mutex<String> = Mutex::new(String::new());

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            WRITTEN.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            WRITTEN.lock().unwrap().push_str("<cleared>");
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn screen() -> ProgressDrawTarget {
        // No limit of the rate: every change is drawn.
        ProgressDrawTarget::term_like_with_hz(Box::new(Screen), 255)
    }

    fn started(run: u64, bytes: u64) -> Event {
        Event::RunStarted { run, tasks: 5, bytes, partitions: 3, stages: vec![("scan → sort".into(), 4)] }
    }

    fn finished(run: u64) -> Event {
        Event::Advanced { run, bytes: 0, rows: 0, partitions: 1, booked: 0 }
    }

    fn ended(run: u64) -> Event {
        Event::RunFinished { run, seconds: 1.0, spilled: 0, spilled_by: vec![], peak: 0, limit: 0, error: None }
    }

    #[test]
    fn shows_one_run_and_goes_away() {
        let bar = ProgressBar::new(screen, Duration::ZERO);
        bar.on(&started(1, 2_000_000));
        // Another run at the same time is not shown.
        bar.on(&started(2, 9_000_000));
        bar.on(&Event::Advanced { run: 2, bytes: 5, rows: 1, partitions: 0, booked: 0 });
        bar.on(&Event::Advanced { run: 1, bytes: 1_500_000, rows: 10, partitions: 0, booked: 0 });
        bar.on(&finished(1));
        bar.on(&finished(2));
        assert_eq!(
            (bar.line.position(), bar.line.length(), bar.line.message()),
            (1_500_000, Some(2_000_000), "1/3 partitions".into())
        );
        bar.line.force_draw();
        let shown = std::mem::take(&mut *WRITTEN.lock().unwrap());
        assert!(shown.contains("1/3 partitions  1.50 MB/2.00 MB"), "{shown}");
        for (run, operator, bytes) in [(1, "rows to sort", 2_000_000), (2, "groups", 9), (1, "groups", 1_000_000)] {
            bar.on(&Event::Spilled { run, operator, bytes });
            if bytes == 9 {
                assert_eq!(bar.line.message(), "1/3 partitions, spilled 2.00 MB (rows to sort)");
            }
        }
        assert_eq!(bar.line.message(), "1/3 partitions, spilled 3.00 MB (mostly rows to sort)");
        // Under the line, those of the stages.
        let name: Arc<str> = "scan → sort 0".into();
        bar.on(&Event::TaskStarted { run: 1, task: 0, name: name.clone(), booked: 0 });
        bar.on(&Event::TaskFinished { run: 1, task: 0, name, seconds: 0.1, bytes: 5, booked: 0 });
        bar.line.force_draw();
        let shown = std::mem::take(&mut *WRITTEN.lock().unwrap());
        assert!(shown.contains("left") && shown.contains("  scan → sort ████░░░░░░░░░░░░ 1/4 tasks"), "{shown}");
        bar.on(&ended(1));
        let last = std::mem::take(&mut *WRITTEN.lock().unwrap());
        assert!(last.contains("<cleared>") && !last.contains("partitions"), "{last}");
        assert!(bar.line.is_hidden());
        // The next run begins anew.
        bar.on(&started(3, 100));
        bar.on(&finished(3));
        assert_eq!((bar.line.position(), bar.line.message()), (0, "1/3 partitions".into()));
    }

    #[test]
    fn short_runs_show_nothing() {
        fn no_target() -> ProgressDrawTarget {
            panic!("nothing is to be shown");
        }
        let bar = ProgressBar::new(no_target, Duration::from_secs(3600));
        bar.on(&started(1, 10));
        bar.on(&Event::Advanced { run: 1, bytes: 10, rows: 1, partitions: 0, booked: 0 });
        bar.on(&finished(1));
        bar.on(&ended(1));
        assert!(bar.shown.lock().unwrap().is_none());
    }
}
