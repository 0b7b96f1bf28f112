//! The profile of a session's runs: recorded as they go, written as one page.

mod page;
mod series;
mod timeline;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use self::series::Series;
use self::timeline::{Amounts, Timeline};
use crate::error::Result;
use crate::sched::{Event, Observer};
use crate::text_file;

/// Records what the runs of a session do, and writes it as one HTML page: which thread ran which task when, memory against the limit and what was
/// spilled over time, time and rows by stage, and plans that are [added](Profile::add_plan) beside it. The page needs nothing but a browser,
/// and no network.
///
/// What it holds is bounded: of runs of more than some ten thousand tasks, short neighbours on a thread are shown as one. A task that waits
/// for a run of its own, and works on it, has the tasks of that one in a lane below it.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use std::sync::Arc;
/// use partita::{Profile, Session, Stop, col};
///
/// let profile = Arc::new(Profile::new());
/// let session = Session::builder().observer(profile.clone()).build()?;
/// let query = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").group_by(["k"]).agg([col("v").sum()]);
/// query.compute()?;
/// profile.add_plan("trade by product", query.explain(Stop::All)?);
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("profile.html");
/// # let path = path.as_path();
/// profile.write(path)?; // such as "profile.html"
/// # assert!(std::fs::read_to_string(path).unwrap().contains("trade by product"));
/// # Ok(())
/// # }
/// ```
pub struct Profile {
    began: Instant,
    /// The time of day then.
    date: String,
    recorded: Mutex<Recorded>,
}

#[derive(Default)]
struct Recorded {
    timeline: Timeline,
    /// What was booked, whenever a task began, went on or ended.
    booked: Series,
    /// What was written to disk, by what it is.
    spilled: Vec<(&'static str, Series)>,
    limit: usize,
    runs: Vec<RunSpan>,
    /// Warnings and other news.
    messages: Vec<(f64, String)>,
    plans: Vec<(String, String)>,
}

/// A run. Times are in seconds since the profile began.
struct RunSpan {
    run: u64,
    begin: f64,
    end: Option<f64>,
    peak: usize,
    spilled: u64,
    error: Option<String>,
}

/// The most runs that are told of, and the most messages.
const MOST_RUNS: usize = 1000;

impl Profile {
    /// Nothing recorded yet; its time begins now.
    pub fn new() -> Profile {
        let date = chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string();
        Profile { began: Instant::now(), date, recorded: Mutex::default() }
    }

    /// Shows a plan on the page, such as [`Frame::explain`](crate::Frame::explain) gives, under this title.
    pub fn add_plan(&self, title: impl Into<String>, plan: impl Into<String>) {
        self.recorded(|recorded| recorded.plans.push((title.into(), plan.into())));
    }

    /// The page, with what is recorded up to now.
    pub fn to_html(&self) -> String {
        let now = self.began.elapsed().as_secs_f64();
        self.recorded(|recorded| page::html(recorded, &self.date, now))
    }

    /// Writes the page. What was there is replaced; the file is there whole or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        text_file::write(path.as_ref(), &self.to_html())
    }

    fn recorded<R>(&self, f: impl FnOnce(&mut Recorded) -> R) -> R {
        // Whatever happened to the thread that held it: what is recorded is whole after every event.
        f(&mut self.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorded {
    fn run(&mut self, run: u64) -> Option<&mut RunSpan> {
        self.runs.iter_mut().rev().find(|span| span.run == run)
    }

    fn message(&mut self, at: f64, message: &str) {
        if self.messages.len() < MOST_RUNS {
            self.messages.push((at, message.to_owned()));
        }
    }
}

impl Observer for Profile {
    fn on(&self, event: &Event) {
        self.recorded(|recorded| {
            // Read under the lock, so that times do not go back.
            let now = self.began.elapsed().as_secs_f64();
            match event {
                Event::RunStarted { run, .. } => {
                    if recorded.runs.len() < MOST_RUNS {
                        let begun = RunSpan { run: *run, begin: now, end: None, peak: 0, spilled: 0, error: None };
                        recorded.runs.push(begun);
                    }
                }
                Event::TaskStarted { booked, .. } => {
                    recorded.booked.add(now, *booked as u64);
                    recorded.timeline.begin(now);
                }
                Event::Advanced { rows, bytes, booked, .. } => {
                    recorded.booked.add(now, *booked as u64);
                    recorded.timeline.add(Amounts { rows: *rows, bytes: *bytes, ..Amounts::default() });
                }
                Event::Spilled { operator, bytes, .. } => {
                    recorded.timeline.add(Amounts { spilled: *bytes, ..Amounts::default() });
                    match recorded.spilled.iter_mut().find(|(name, _)| name == operator) {
                        Some((_, series)) => series.add(now, *bytes),
                        None => {
                            let mut series = Series::default();
                            series.add(now, *bytes);
                            recorded.spilled.push((operator, series));
                        }
                    }
                }
                Event::TaskFinished { run, name, bytes, booked, .. } => {
                    recorded.booked.add(now, *booked as u64);
                    recorded.timeline.end(now, *run, name, *bytes as u64);
                }
                Event::Warning { message, .. } | Event::Restarted { message } => recorded.message(now, message),
                Event::RunFinished { run, spilled, peak, limit, error, .. } => {
                    recorded.limit = *limit;
                    if let Some(span) = recorded.run(*run) {
                        let error = error.as_ref().map(ToString::to_string);
                        *span = RunSpan { end: Some(now), peak: *peak, spilled: *spilled, error, ..*span };
                    }
                }
            }
        });
    }
}

impl Default for Profile {
    fn default() -> Profile {
        Profile::new()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.recorded(|recorded| recorded.runs.len());
        write!(f, "Profile({runs} runs since {})", self.date)
    }
}
