//! The figures: medians, the table of all of them, and JSON.

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
    /// Where the engine tells.
    pub spilled: Option<u64>,
}

/// What a query is asked under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Those of each file that makes up the table.
    pub rows: u64,
    pub threads: usize,
    /// The bytes that the processes may have.
    pub cap: Option<u64>,
    /// The percent of values that are missing, where the data has such.
    pub missing: u8,
    /// Whether the tables were loaded before, and the query alone is timed.
    pub loaded: bool,
}

impl Setting {
    /// What a table says of it: rows, threads, cap, and from what.
    pub fn cells(&self) -> [String; 4] {
        let cap = self.cap.map_or("none".to_owned(), megabytes);
        let mut from = if self.loaded { "loaded" } else { "CSV" }.to_owned();
        if self.missing > 0 {
            from.push_str(&format!(", {} % missing", self.missing));
        }
        [self.rows.to_string(), self.threads.to_string(), cap, from]
    }
}

/// A query in a setting, and who answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub query: &'static str,
    pub setting: Setting,
    /// What is told of the engine: `duckdb80`.
    pub name: &'static str,
    /// The engine itself: `duckdb`.
    pub engine: &'static str,
}

/// The runs of each engine in each query, as they come.
#[derive(Default)]
pub struct Report {
    pub lines: Vec<Line>,
}

pub struct Line {
    pub key: Key,
    /// The bytes of CSV that the query is about.
    bytes: u64,
    /// Runs, or why there are none.
    runs: Result<Vec<Run>, String>,
}

impl Line {
    /// The medians of every figure; None of an engine that failed, or has not answered yet.
    pub fn median(&self) -> Option<Run> {
        let runs = self.runs.as_ref().ok().filter(|runs| !runs.is_empty())?;
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
        let spilled = runs.iter().all(|run| run.spilled.is_some());
        Some(Run {
            wall: of(|run| run.wall),
            cpu: of(|run| run.cpu),
            peak: of(|run| run.peak as f64) as u64,
            anon: of(|run| run.anon as f64) as u64,
            spilled: spilled.then(|| of(|run| run.spilled.unwrap_or(0) as f64) as u64),
        })
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
    pub fn add(&mut self, key: &Key, bytes: u64, run: Run) {
        if let Ok(runs) = &mut self.line(key, bytes).runs {
            runs.push(run);
        }
    }

    /// Tells why the engine has no figures in this query; those that it had are gone.
    pub fn fail(&mut self, key: &Key, bytes: u64, why: String) {
        self.line(key, bytes).runs = Err(why);
    }

    pub fn has_failed(&self, key: &Key) -> bool {
        self.lines.iter().any(|line| line.key == *key && line.runs.is_err())
    }

    fn line(&mut self, key: &Key, bytes: u64) -> &mut Line {
        let at = self.lines.iter().position(|line| line.key == *key).unwrap_or_else(|| {
            self.lines.push(Line { key: key.clone(), bytes, runs: Ok(Vec::new()) });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    /// Makes a line, so that lines come in the order in which engines are asked.
    pub fn open(&mut self, key: &Key, bytes: u64) {
        self.line(key, bytes);
    }

    /// How many times the floor's its wall time is, if that was taken: of the same files, without a cap.
    fn to_floor(&self, line: &Line, median: &Run) -> Option<f64> {
        let floor = self.lines.iter().find(|other| {
            let (a, b) = (&other.key, &line.key);
            let same = |key: &Key| (key.query, key.setting.rows, key.setting.threads, key.setting.missing);
            a.name == FLOOR && !b.setting.loaded && same(a) == same(b)
        });
        Some(median.wall / floor?.median()?.wall)
    }

    /// The medians and every run, in seconds and bytes, and what failed, after what was the same for all.
    pub fn json(&self, setting: &Value) -> Value {
        let run = |run: &Run| {
            let mut figures = json!({"wall": run.wall, "cpu": run.cpu, "peak": run.peak, "anon": run.anon});
            if let Some(spilled) = run.spilled {
                figures["spilled"] = spilled.into();
            }
            figures
        };
        let lines = self.lines.iter().map(|line| {
            let Setting { rows, threads, cap, missing, loaded } = line.key.setting;
            let mut result = json!({
                "query": line.key.query,
                "engine": line.key.name,
                "rows": rows,
                "threads": threads,
                "cap": cap,
                "missing": missing,
                "loaded": loaded,
                "bytes": line.bytes,
            });
            match (&line.runs, line.median()) {
                (Ok(runs), Some(median)) => {
                    result["median"] = run(&median);
                    result["to_floor"] = self.to_floor(line, &median).into();
                    result["runs"] = runs.iter().map(run).collect();
                }
                (Err(why), _) => result["failed"] = why.as_str().into(),
                (Ok(_), None) => {}
            }
            result
        });
        json!({"setting": setting, "results": lines.collect::<Vec<_>>()})
    }
}

/// A table in Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Grid::new(&[
            "query",
            "rows",
            "threads",
            "cap MB",
            "from",
            "engine",
            "wall s",
            "CPU s",
            "peak MB",
            "anon MB",
            "spilled MB",
            "GB/s",
            "× floor",
            "",
        ]);
        // A column where all is the same says nothing.
        for line in &self.lines {
            let Key { query, setting, name, .. } = &line.key;
            let asked = [query.to_string()].into_iter().chain(setting.cells()).chain([name.to_string()]);
            let figures = match line.median() {
                Some(run) => [
                    format!("{:.2}", run.wall),
                    format!("{:.2}", run.cpu),
                    megabytes(run.peak),
                    megabytes(run.anon),
                    run.spilled.map(megabytes).unwrap_or_default(),
                    // The bytes of a file say nothing of a table that is loaded.
                    if setting.loaded { String::new() } else { format!("{:.2}", line.bytes as f64 / run.wall / 1e9) },
                    self.to_floor(line, &run).map(|times| format!("{times:.1}")).unwrap_or_default(),
                    String::new(),
                ],
                None => {
                    let why = line.runs.as_ref().err().cloned().unwrap_or_default();
                    let mut figures: [String; 8] = Default::default();
                    figures[7] = why;
                    figures
                }
            };
            table.push(asked.chain(figures).collect());
        }
        write!(f, "{}", table.without(&["rows", "threads", "cap MB", "from"]))
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1e6)
}

/// Rows of text under a header, which print as a table in Markdown.
pub struct Grid {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub fn new(header: &[&str]) -> Grid {
        Grid { header: header.iter().map(|name| name.to_string()).collect(), rows: Vec::new() }
    }

    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves out those of these columns that say the same in all rows, and all that say nothing.
    pub fn without(mut self, columns: &[&str]) -> Grid {
        for column in (0..self.header.len()).rev() {
            let cells = || self.rows.iter().map(|row| row[column].as_str());
            let is_same = cells().all(|cell| Some(cell) == cells().next());
            let is_told = !columns.contains(&self.header[column].as_str());
            if is_same && !is_told || cells().all(str::is_empty) {
                self.header.remove(column);
                self.rows.iter_mut().for_each(|row| drop(row.remove(column)));
            }
        }
        self
    }
}

/// Numbers are on the right.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(&self.header);
        let is_number = |text: &String| text.is_empty() || text.parse::<f64>().is_ok();
        for (at, column) in table.column_iter_mut().enumerate() {
            if self.rows.iter().any(|row| !row[at].is_empty()) && self.rows.iter().all(|row| is_number(&row[at])) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.add_rows(&self.rows);
        write!(f, "{table}")
    }
}
