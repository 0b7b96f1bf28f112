//! The figures: medians, the table, and JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

/// What the floor is called among the engines.
pub const FLOOR: &str = "floor";

/// The figures of one process: seconds and bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub wall: f64,
    pub cpu: f64,
    pub peak: u64,
    pub anon: u64,
}

/// The runs of each engine in each query, as they come.
pub struct Report {
    /// The bytes of CSV that a query is about.
    bytes: u64,
    lines: Vec<Line>,
}

struct Line {
    query: &'static str,
    engine: &'static str,
    runs: Vec<Run>,
}

impl Line {
    fn median(&self) -> Run {
        let of = |figure: fn(&Run) -> f64| median(self.runs.iter().map(figure).collect());
        Run {
            wall: of(|run| run.wall),
            cpu: of(|run| run.cpu),
            peak: of(|run| run.peak as f64) as u64,
            anon: of(|run| run.anon as f64) as u64,
        }
    }
}

/// The middle one, or the mean of the two in the middle; NaN of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

impl Report {
    pub fn new(bytes: u64) -> Report {
        Report { bytes, lines: Vec::new() }
    }

    pub fn add(&mut self, query: &'static str, engine: &'static str, run: Run) {
        match self.lines.iter_mut().find(|line| (line.query, line.engine) == (query, engine)) {
            Some(line) => line.runs.push(run),
            None => self.lines.push(Line { query, engine, runs: vec![run] }),
        }
    }

    /// Medians of every line, its bytes per second, and how many times the floor's its wall time is.
    fn medians(&self) -> impl Iterator<Item = (&Line, Run, f64, f64)> {
        self.lines.iter().map(|line| {
            let median = line.median();
            let floor = self.lines.iter().find(|other| (other.query, other.engine) == (line.query, FLOOR));
            let to_floor = median.wall / floor.map_or(f64::NAN, |floor| floor.median().wall);
            (line, median, self.bytes as f64 / median.wall, to_floor)
        })
    }

    /// The medians and every run, in seconds and bytes, after the setting they were taken in.
    pub fn json(&self, setting: &Value) -> Value {
        let run = |run: &Run| json!({"wall": run.wall, "cpu": run.cpu, "peak": run.peak, "anon": run.anon});
        let lines = self.medians().map(|(line, median, rate, to_floor)| {
            json!({
                "query": line.query,
                "engine": line.engine,
                "median": run(&median),
                "bytes_per_second": rate,
                "to_floor": to_floor,
                "runs": line.runs.iter().map(run).collect::<Vec<_>>(),
            })
        });
        json!({"setting": setting, "results": lines.collect::<Vec<_>>()})
    }
}

/// A table in Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["query", "engine", "wall s", "CPU s", "peak MB", "anon MB", "GB/s", "× floor"]);
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        for (line, median, rate, to_floor) in self.medians() {
            let megabytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
            table.add_row([
                line.query.to_owned(),
                line.engine.to_owned(),
                format!("{:.2}", median.wall),
                format!("{:.2}", median.cpu),
                megabytes(median.peak),
                megabytes(median.anon),
                format!("{:.2}", rate / 1e9),
                format!("{to_floor:.1}"),
            ]);
        }
        write!(f, "{table}")
    }
}
