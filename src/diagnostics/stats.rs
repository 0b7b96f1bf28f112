//! What runs took: what was read, spilled and booked, and where the time went.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::kind;
use crate::config::{count, format_bytes};
use crate::sched::{Event, Observer};

/// Counts what the runs of a session take, all of them together: rows and bytes read, bytes spilled, memory, time. Printed,
/// it is what `partita sql --stats` shows.
///
/// Input counts as often as it is read: by each query, and twice where a partition had to be begun anew at another byte. Rows
/// that a filter in the scan drops are read too. Memory is what the engine has booked, which is what the
/// [limit](crate::SessionBuilder::memory) is about.
///
/// ```
/// use std::sync::Arc;
/// use partita::{Session, Stats, size};
///
/// let stats = Arc::new(Stats::new());
/// let session = Session::builder().observer(stats.clone()).build()?;
/// let trade = session.read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// trade.group_by(["k"]).agg([size()]).compute()?;
///
/// assert_eq!(stats.rows_read(), 14_000);
/// assert_eq!(stats.spilled(), 0);
/// assert!(stats.peak() <= stats.limit());
/// println!("{stats}");
/// # assert!(stats.to_string().starts_with("read         14,000 rows, "), "{stats}");
/// # Ok::<(), partita::Error>(())
/// ```
#[derive(Default)]
pub struct Stats(Mutex<Totals>);

#[derive(Default)]
struct Totals {
    rows: u64,
    bytes: u64,
    spilled: Vec<(&'static str, u64)>,
    peak: usize,
    limit: usize,
    seconds: f64,
    /// By the kind of task, in the order in which they first ended.
    busy: Vec<Busy>,
}

struct Busy {
    kind: String,
    tasks: u64,
    seconds: f64,
    /// What their results held.
    bytes: u64,
}

impl Stats {
    /// Nothing counted yet.
    pub fn new() -> Stats {
        Stats::default()
    }

    /// The rows that were read.
    pub fn rows_read(&self) -> u64 {
        self.totals(|totals| totals.rows)
    }

    /// The bytes of input that were read, as they lie in the files.
    pub fn bytes_read(&self) -> u64 {
        self.totals(|totals| totals.bytes)
    }

    /// The bytes that were written to disk for want of memory.
    pub fn spilled(&self) -> u64 {
        self.totals(|totals| totals.spilled.iter().map(|(_, bytes)| bytes).sum())
    }

    /// The same by what was written, such as `rows to sort`; the most first.
    pub fn spilled_by(&self) -> Vec<(&'static str, u64)> {
        self.totals(|totals| totals.spilled.clone())
    }

    /// The most memory that was booked at one time, in bytes.
    pub fn peak(&self) -> usize {
        self.totals(|totals| totals.peak)
    }

    /// The memory limit of the session, in bytes; 0 before the first run has ended.
    pub fn limit(&self) -> usize {
        self.totals(|totals| totals.limit)
    }

    /// How long the runs took, one added to the other.
    pub fn seconds(&self) -> f64 {
        self.totals(|totals| totals.seconds)
    }

    /// How long threads were busy with each kind of task, in the order in which the first of each kind ended. `scan → sort` is
    /// the stage that reads a file up to the sort.
    pub fn busy(&self) -> Vec<(String, f64)> {
        self.totals(|totals| totals.busy.iter().map(|busy| (busy.kind.clone(), busy.seconds)).collect())
    }

    /// How much memory the results of each kind of task held, one added to the other, in the same order.
    pub fn held(&self) -> Vec<(String, u64)> {
        self.totals(|totals| totals.busy.iter().map(|busy| (busy.kind.clone(), busy.bytes)).collect())
    }

    fn totals<R>(&self, f: impl FnOnce(&mut Totals) -> R) -> R {
        // Whatever happened to the thread that held it: each sum is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Totals {
    fn add_spilled(&mut self, operator: &'static str, bytes: u64) {
        match self.spilled.iter_mut().find(|(name, _)| *name == operator) {
            Some((_, total)) => *total += bytes,
            None => self.spilled.push((operator, bytes)),
        }
        self.spilled.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    }

    fn add_busy(&mut self, task: &str, seconds: f64, bytes: u64) {
        let kind = kind(task);
        match self.busy.iter_mut().find(|busy| busy.kind == kind) {
            Some(busy) => {
                busy.tasks += 1;
                busy.seconds += seconds;
                busy.bytes += bytes;
            }
            None => self.busy.push(Busy { kind: kind.to_owned(), tasks: 1, seconds, bytes }),
        }
    }
}

impl Observer for Stats {
    fn on(&self, event: &Event) {
        self.totals(|totals| match event {
            Event::Advanced { bytes, rows, .. } => {
                totals.bytes += bytes;
                totals.rows += rows;
            }
            Event::TaskFinished { name, seconds, bytes, .. } => totals.add_busy(name, *seconds, *bytes as u64),
            Event::Spilled { operator, bytes, .. } => totals.add_spilled(operator, *bytes),
            Event::RunFinished { seconds, peak, limit, .. } => {
                totals.seconds += seconds;
                totals.peak = totals.peak.max(*peak);
                totals.limit = *limit;
            }
            _ => {}
        });
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals(|totals| {
            let Totals { rows, bytes, spilled, peak, limit, seconds, busy } = totals;
            writeln!(f, "read         {}, {}", count(*rows, "row"), format_bytes(*bytes))?;
            if spilled.is_empty() {
                writeln!(f, "spilled      nothing")?;
            }
            for (i, (operator, bytes)) in spilled.iter().enumerate() {
                let label = if i == 0 { "spilled" } else { "" };
                writeln!(f, "{label:<12} {}: {operator}", format_bytes(*bytes))?;
            }
            writeln!(f, "peak memory  {} of {}", format_bytes(*peak as u64), format_bytes(*limit as u64))?;
            write!(f, "time         {seconds:.3} s, of which threads were busy")?;
            for Busy { kind, tasks, seconds, .. } in busy {
                write!(f, "\n  {seconds:>9.3} s  {kind} ({})", count(*tasks, "task"))?;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stats({} rows read, {} bytes spilled)", self.rows_read(), self.spilled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_over_runs() {
        let stats = Stats::new();
        for run in 1..=2 {
            for (name, seconds) in
                [("scan → sort 0", 1.0), ("scan → sort 12", 0.25), ("merge", 0.5), ("part 1 b", 0.125)]
            {
                stats.on(&Event::TaskFinished { run, task: 0, name: name.into(), seconds, bytes: 1, booked: 0 });
            }
            stats.on(&Event::Advanced { run, bytes: 1_000_000, rows: 2500, partitions: 1, booked: 0 });
        }
        assert!(stats.to_string().contains("spilled      nothing\n"), "{stats}");
        for (operator, bytes) in [("rows to sort", 100), ("groups", 300), ("rows to sort", 150)] {
            stats.on(&Event::Spilled { run: 1, operator, bytes });
        }
        for (run, peak) in [(1, 7000), (2, 4000)] {
            let (spilled_by, error) = (vec![], None);
            stats.on(&Event::RunFinished { run, seconds: 1.5, spilled: 0, spilled_by, peak, limit: 8000, error });
        }
        let expected = "\
read         5,000 rows, 2.00 MB
spilled      300 B: groups
             250 B: rows to sort
peak memory  7.00 kB of 8.00 kB
time         3.000 s, of which threads were busy
      2.500 s  scan → sort (4 tasks)
      1.000 s  merge (2 tasks)
      0.250 s  part 1 b (2 tasks)";
        assert_eq!(stats.to_string(), expected);
        assert_eq!((stats.spilled(), stats.spilled_by().len(), stats.seconds()), (550, 2, 3.0));
        assert_eq!((&stats.busy()[1], &stats.held()[0]), (&("merge".to_owned(), 1.0), &("scan → sort".to_owned(), 4)));
    }
}
