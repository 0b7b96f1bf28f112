//! Windows of frames against a naive twin: with one partition and many, on one thread and two, and beyond a small memory limit.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use partita::prelude::*;
use partita::{Event, Observer};
use tempfile::TempDir;

/// A row: its partition, its place in the order (with peers), its value.
#[derive(Clone, Copy)]
struct Row {
    g: Option<i64>,
    n: Option<i64>,
    v: Option<i64>,
}

fn data(rows: usize, groups: u64) -> Vec<Row> {
    let mut x = 7u64;
    let mut below = |n: u64| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) % n
    };
    let mut some = |n: u64| (below(9) > 0).then_some(()).map(|()| below(n) as i64);
    (0..rows).map(|_| Row { g: some(groups), n: some(40), v: some(100) }).collect()
}

fn file(data: &[Row]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let text = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
    let mut csv = "g,n,v\n".to_owned();
    for row in data {
        writeln!(csv, "{},{},{}", text(row.g), text(row.n), text(row.v)).unwrap();
    }
    std::fs::write(dir.path().join("rows.csv"), csv).unwrap();
    dir
}

const EXTENTS: &[(Option<i64>, Option<i64>)] = &[
    (None, Some(0)),
    (None, Some(-2)),
    (None, Some(3)),
    (None, None),
    (Some(0), None),
    (Some(-2), None),
    (Some(2), None),
    (Some(-3), Some(0)),
    (Some(-4), Some(-1)),
    (Some(-1), Some(1)),
    (Some(1), Some(3)),
    (Some(-2), Some(90)),
    (Some(0), Some(70)),
    (Some(65), Some(80)),
    (Some(2), Some(1)),
];

/// What a row's windows give: as texts, in the order of `windows`.
fn twin(data: &[Row]) -> Vec<Vec<String>> {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.6}"));
    let mut order: Vec<usize> = (0..data.len()).collect();
    // Nulls last, in both keys.
    let key = |i: usize| (data[i].g.is_none(), data[i].g, data[i].n.is_none(), data[i].n, i);
    order.sort_by_key(|&i| key(i));
    let mut answers = vec![vec![]; data.len()];
    for part in order.chunk_by(|&a, &b| data[a].g == data[b].g) {
        for (at, &i) in part.iter().enumerate() {
            let peer = part.iter().position(|&j| data[j].n == data[i].n).unwrap();
            let last_peer = part.iter().rposition(|&j| data[j].n == data[i].n).unwrap();
            let mut before: Vec<_> = part[..peer].iter().map(|&j| data[j].n).collect();
            before.dedup();
            let value = |at: i64| usize::try_from(at).ok().and_then(|at| part.get(at)).and_then(|&j| data[j].v);
            let whole = |n: usize| Some(n as f64);
            let number = |v: Option<i64>| v.map(|v| v as f64);
            let mut cells = vec![whole(at + 1), whole(peer + 1), whole(before.len() + 1)];
            cells.extend([value(at as i64 - 2), value(at as i64 + 1)].map(number));
            cells.push(number(data[part[0]].v));
            cells.push(number(data[part[last_peer]].v));
            let summaries = |rows: &[usize]| {
                let values: Vec<i64> = rows.iter().filter_map(|&j| data[j].v).collect();
                let any = |x: f64| (!values.is_empty()).then_some(x);
                let sum = values.iter().sum::<i64>() as f64;
                let (min, max) = (values.iter().min().copied(), values.iter().max().copied());
                [whole(values.len()), any(sum), any(sum / values.len() as f64), number(min), number(max)]
            };
            cells.extend(summaries(&part[..=last_peer]));
            for (start, end) in EXTENTS {
                let bound = |by: &Option<i64>, none: i64| by.map_or(none, |by| at as i64 + by);
                let first = bound(start, 0).max(0);
                let last = bound(end, i64::MAX).min(part.len() as i64 - 1);
                let rows = if first <= last { &part[first as usize..=last as usize] } else { &[] };
                cells.extend(summaries(rows));
                cells.extend([rows.first(), rows.last()].map(|row| row.and_then(|&j| number(data[j].v))));
            }
            answers[i] = cells.into_iter().map(shown).collect();
        }
    }
    answers
}

fn windows() -> Vec<WindowExpr> {
    let over = Over::partition_by(["g"]).order_by(["n"]);
    let v = || col("v");
    let mut all = vec![
        over.row_number(),
        over.rank(),
        over.dense_rank(),
        over.lag(v(), 2),
        over.lead(v(), 1),
        over.first_value(v()),
        over.last_value(v()),
    ];
    let five = |over: &Over| [over.count(v()), over.sum(v()), over.mean(v()), over.min(v()), over.max(v())];
    all.extend(five(&over));
    for &(start, end) in EXTENTS {
        let over = over.rows(start, end);
        all.extend(five(&over));
        all.extend([over.first_value(v()), over.last_value(v())]);
    }
    all.into_iter().enumerate().map(|(i, window)| window.alias(format!("w{i}"))).collect()
}

fn cells(table: &Table) -> Vec<Vec<String>> {
    let mut rows = vec![];
    for batch in table.batches() {
        for row in 0..batch.num_rows() {
            let cell = |column: &dyn Array| match column.data_type() {
                _ if column.is_null(row) => "-".to_owned(),
                DataType::Int64 => format!("{:.6}", column.as_primitive::<Int64Type>().value(row) as f64),
                _ => format!("{:.6}", column.as_primitive::<Float64Type>().value(row)),
            };
            rows.push(batch.columns()[3..].iter().map(|column| cell(column.as_ref())).collect());
        }
    }
    rows
}

fn assert_same(ours: &[Vec<String>], expected: &[Vec<String>]) {
    assert_eq!(ours.len(), expected.len());
    for (row, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        for (column, (a, b)) in ours.iter().zip(expected).enumerate() {
            assert_eq!(a, b, "row {row}, window {column}");
        }
    }
}

#[test]
fn windows_are_as_their_twin_has_them() {
    for (rows, groups) in [(300, 1), (400, 3), (200, 150), (1, 1), (0, 1)] {
        let data = data(rows, groups);
        let dir = file(&data);
        let expected = twin(&data);
        for (threads, partition) in [(1, 100 << 20), (2, 200), (2, 64)] {
            let session = Session::builder().threads(threads).partition_size(partition).build().unwrap();
            let options = ["g", "n", "v"].into_iter().fold(CsvOptions::new(), |o, name| o.dtype(name, Type::Int64));
            let frame = session.read_csv_with(dir.path().join("rows.csv").to_str().unwrap(), options);
            assert_same(&cells(&frame.with_windows(windows()).compute().unwrap()), &expected);
        }
    }
}

/// How much went to disk.
#[derive(Default)]
struct Spilled(AtomicU64);

impl Observer for Spilled {
    fn on(&self, event: &Event) {
        if let Event::RunFinished { spilled, peak, limit, .. } = event {
            self.0.fetch_add(*spilled, Ordering::Relaxed);
            assert!(peak <= limit, "{peak} bytes were booked of {limit}");
        }
    }
}

#[test]
fn windows_larger_than_memory_go_to_disk() {
    let data = data(300_000, 5);
    let dir = file(&data);
    let over = Over::partition_by(["g"]).order_by([col("n").desc()]);
    let windows = [
        over.row_number().alias("w0"),
        over.sum(col("v")).alias("w1"),
        over.rows(-10, 0).mean(col("v")).alias("w2"),
        over.rows(0, None).count(col("v")).alias("w3"),
    ];
    let answer = |session: Session| {
        let frame = session.read_csv(dir.path().join("rows.csv").to_str().unwrap()).with_windows(windows.clone());
        let rows = frame.stream().unwrap().map(|batch| cells_of(batch.unwrap()));
        rows.collect::<Vec<_>>().concat()
    };
    let spilled = Arc::new(Spilled::default());
    let small = Session::builder().threads(2).memory(16 << 20).partition_size(200_000).observer(spilled.clone());
    let (small, large) = (answer(small.build().unwrap()), answer(Session::builder().threads(1).build().unwrap()));
    assert!(spilled.0.load(Ordering::Relaxed) > 1 << 20);
    assert_same(&small, &large);
    // The last row of a partition has its number of rows, and the first nothing behind it but all of it.
    let count = data.iter().filter(|row| row.g == Some(0)).count();
    let of_zero = data.iter().zip(&large).filter(|(row, _)| row.g == Some(0));
    assert_eq!(of_zero.map(|(_, cells)| cells[0].parse::<f64>().unwrap() as usize).max(), Some(count));
}

fn cells_of(batch: arrow::array::RecordBatch) -> Vec<Vec<String>> {
    cells(&Table::new(batch.schema(), vec![batch]).unwrap())
}
