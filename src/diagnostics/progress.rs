//! The progress line of a run: how much is read, how fast, and how long it will take still.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar as Line, ProgressDrawTarget, ProgressStyle};

use crate::sched::{Event, Observer};

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// A line on stderr that shows how far a run is: tasks done and all, bytes read, bytes per second, time left. It goes away
/// when the run ends, and shows one run at a time.
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
/// # partita::Result::Ok(())
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
    done: usize,
    tasks: usize,
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
            (&Event::RunStarted { run, tasks, bytes, .. }, None) => {
                self.line.reset();
                self.line.set_length(bytes);
                self.line.set_style(style(bytes > 0));
                *shown = Some(Shown { run, started: Instant::now(), done: 0, tasks, is_visible: false });
            }
            (&Event::Advanced { run, bytes, .. }, Some(state)) if state.run == run => {
                self.line.inc(bytes);
                self.show(state);
            }
            (&Event::TaskFinished { run, .. }, Some(state)) if state.run == run => {
                state.done += 1;
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

impl ProgressBar {
    fn show(&self, state: &mut Shown) {
        if !state.is_visible && state.started.elapsed() >= self.patience {
            state.is_visible = true;
            self.line.set_draw_target((self.target)());
        }
        if state.is_visible {
            self.line.set_message(format!("{}/{} tasks", state.done, state.tasks));
        }
    }
}

impl fmt::Debug for ProgressBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressBar").finish_non_exhaustive()
    }
}

/// Without bytes to go by, the tasks tell.
fn style(bytes_known: bool) -> ProgressStyle {
    let template = if bytes_known {
        "{wide_bar} {msg}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left"
    } else {
        "{spinner} {msg}  {elapsed}"
    };
    // The templates are constants, and a test has them parsed.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
