//! What the figures are for: our time over that of the fastest other, beside what is to be reached.

use crate::report::{Grid, Key, Line, Report, Run, Setting};

const OURS: &str = "partita";
/// Whether an engine is one that we are measured against; on loaded tables, those that have tables of their own.
fn is_other(engine: &str, setting: &Setting) -> bool {
    matches!(engine, "duckdb" | "polars") || engine == "datafusion" && !setting.loaded
}

/// One thread to two, at least, of queries that the scan bounds.
const SPEED_UP: f64 = 1.8;
/// Ten times the rows, of queries that the scan bounds: at most this many times the time.
const TEN_TIMES: f64 = 11.5;
/// Capped over free, at most.
const CAPPED: f64 = 2.5;

/// What a ratio is to be at most.
pub fn to_reach(query: &str, setting: &Setting) -> Option<f64> {
    Some(match query {
        _ if setting.cap.is_some() => 0.5,
        _ if setting.loaded => 1.0,
        _ if query.starts_with(['G', 'J']) => 0.35,
        "S1" => 0.25,
        "Q1" => 0.15,
        "Q2" | "Q3" | "Q4" | "Q5" | "Q9" => 0.20,
        "Q6" => 0.25,
        "Q7" | "M1" | "M2" => 0.40,
        "Q8" | "Q10" => 0.45,
        _ => return None,
    })
}

/// Whether reading is what takes the time: not so where rows must be kept.
fn is_scan_bound(query: &str) -> bool {
    matches!(query, "Q1" | "Q2" | "Q3" | "Q4" | "Q5" | "Q6" | "Q9" | "S1")
}

/// Our medians in each query and setting.
fn ours(report: &Report) -> impl Iterator<Item = &Line> {
    report.lines.iter().filter(|line| line.key.engine == OURS)
}

fn find(report: &Report, engine: &str, query: &str, setting: Setting) -> Option<Run> {
    let fits = |key: &Key| key.engine == engine && key.query == query && key.setting == setting;
    let runs = report.lines.iter().filter(|line| fits(&line.key)).filter_map(Line::median);
    runs.min_by(|a, b| a.wall.total_cmp(&b.wall))
}

/// Our time over that of the fastest other, and our peak over the lowest other's; None when there is nothing to compare.
pub fn against_others(report: &Report) -> Option<Grid> {
    let mut grid = Grid::new(&[
        "query",
        "rows",
        "threads",
        "cap MB",
        "from",
        "partita s",
        "fastest other",
        "its s",
        "ratio",
        "to reach",
        "peak ratio",
    ]);
    for line in ours(report) {
        let Key { query, setting, .. } = line.key;
        let others = report.lines.iter().filter(|other| {
            is_other(other.key.engine, &setting) && other.key.query == query && other.key.setting == setting
        });
        let others: Vec<(&str, Run)> = others.filter_map(|other| Some((other.key.name, other.median()?))).collect();
        let fastest = others.iter().min_by(|a, b| a.1.wall.total_cmp(&b.1.wall));
        let lowest = others.iter().map(|other| other.1.peak).min();
        let run = line.median();
        let seconds = |run: Run| format!("{:.2}", run.wall);
        let ratio = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| format!("{:.2}", a / b)).unwrap_or_default();
        if others.is_empty() {
            continue;
        }
        let cells = [
            run.map_or("failed".to_owned(), seconds),
            fastest.map(|other| other.0.to_owned()).unwrap_or_default(),
            fastest.map(|other| seconds(other.1)).unwrap_or_default(),
            ratio(run.map(|run| run.wall), fastest.map(|other| other.1.wall)),
            to_reach(query, &setting).map(|most| format!("{most:.2}")).unwrap_or_default(),
            ratio(run.map(|run| run.peak as f64), lowest.map(|peak| peak as f64)),
        ];
        let cells = [query.to_owned()].into_iter().chain(setting.cells()).chain(cells);
        grid.push(cells.collect());
    }
    (!grid.is_empty()).then(|| grid.without(&["rows", "threads", "cap MB", "from"]))
}

/// How our time changes with the threads, the rows and the cap, and the others' with the cap: between settings that differ
/// in that alone.
pub fn between_settings(report: &Report) -> Option<Grid> {
    let mut grid = Grid::new(&["query", "engine", "rows", "threads", "cap MB", "from", "change", "times", "to reach"]);
    for line in &report.lines {
        let Key { query, setting, name, engine } = line.key;
        let Some(run) = line.median() else { continue };
        let is_ours = engine == OURS;
        let mut compare = |change: &str, to: Setting, times: fn(f64, f64) -> f64, to_reach: Option<String>| {
            if let Some(other) = find(report, engine, query, to) {
                let to_reach = to_reach.filter(|_| is_ours).unwrap_or_default();
                let cells = [change.to_owned(), format!("{:.2}", times(run.wall, other.wall)), to_reach];
                let cells = [query.to_owned(), name.to_owned()].into_iter().chain(setting.cells()).chain(cells);
                grid.push(cells.collect());
            }
        };
        if is_ours {
            let bound = |text: String| is_scan_bound(query).then_some(text);
            let (two, ten) = (Setting { threads: 2, ..setting }, Setting { rows: setting.rows * 10, ..setting });
            if setting.threads == 1 {
                let faster = format!("at least {SPEED_UP}");
                compare("1 to 2 threads, faster", two, |one, two| one / two, bound(faster));
            }
            compare("rows × 10, longer", ten, |one, ten| ten / one, bound(format!("at most {TEN_TIMES}")));
        }
        if setting.cap.is_some() {
            let free = Setting { cap: None, ..setting };
            compare("capped over free", free, |capped, free| capped / free, Some(format!("at most {CAPPED}")));
        }
    }
    (!grid.is_empty()).then(|| grid.without(&["rows", "threads", "cap MB", "from"]))
}
