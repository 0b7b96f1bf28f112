//! Every operator at every limit: answers and row order as without a limit, whatever the partitions, and as a naive twin of the
//! operator has them; state that is larger than the limit goes to disk, and no more is booked than there is.

mod common;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Files, Value, rows, same};
use partita::prelude::*;
use partita::{Event, Observer, RankMethod};

use Spills::{No, OnePartition, Yes};

const ROWS: usize = 200_000;

/// What is in a row of the file.
struct Row {
    id: i64,
    /// Few values, and nulls.
    g: Option<i64>,
    /// Many values.
    k: i64,
    /// Mostly one value.
    h: i64,
    /// Another text in each row.
    s: String,
    t: Option<String>,
    v: Option<f64>,
    q: Option<i64>,
}

fn data() -> Vec<Row> {
    let mut x = 1u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        x >> 20
    };
    let row = |id: usize| Row {
        id: id as i64,
        g: Some((next() % 8) as i64).filter(|g| *g != 3),
        k: (next() % (ROWS as u64 / 2)) as i64,
        h: if next() % 10 < 9 { 0 } else { (next() % 1000) as i64 },
        s: format!("the text {:011x}{:011x} of row {id:06}", next(), next()),
        t: Some(format!("c{}", next() % 100)).filter(|t| t != "c7"),
        v: Some((next() % 65_536) as f64 + 0.25).filter(|v| *v > 4000.0),
        q: Some((next() % 1000) as i64 - 500).filter(|q| q % 9 != 0),
    };
    (0..ROWS).map(row).collect()
}

fn file(data: &[Row]) -> Files {
    fn text(value: &Option<impl ToString>) -> String {
        value.as_ref().map_or_else(String::new, ToString::to_string)
    }
    let mut csv = String::from("id,g,k,h,s,t,v,q,at\n");
    for Row { id, g, k, h, s, t, v, q } in data {
        let at = format!("2024-01-{:02}T{:02}:{:02}:{:02}", 1 + id / 86_400, id / 3600 % 24, id / 60 % 60, id % 60);
        writeln!(csv, "{id},{},{k},{h},{s},{},{},{},{at}", text(g), text(t), text(v), text(q)).unwrap();
    }
    Files::new(&[("rows.csv", csv.as_bytes())])
}

/// What the runs of a session spilled since it was last asked, and whether they booked too much.
#[derive(Default)]
struct Watch {
    spilled: AtomicU64,
    beyond: Mutex<Vec<String>>,
}

impl Observer for Watch {
    fn on(&self, event: &Event) {
        if let Event::RunFinished { spilled, peak, limit, .. } = event {
            self.spilled.fetch_add(*spilled, Ordering::Relaxed);
            if peak > limit {
                self.beyond.lock().unwrap().push(format!("{peak} bytes were booked of {limit}"));
            }
        }
    }
}

/// Whether it goes to disk.
#[derive(Clone, Copy, PartialEq)]
enum Spills {
    /// It can't but do so at the smallest limit.
    Yes,
    /// When the file is one partition; else as fast as rows come and go.
    OnePartition,
    /// Not at 64 MiB.
    No,
}

/// The answer, worked out from the rows otherwise.
type Twin = fn(&[Row]) -> Vec<Vec<Value>>;

/// What is asked of the rows.
struct Case {
    name: &'static str,
    spills: Spills,
    query: fn(&Frame) -> Frame,
    twin: Option<Twin>,
}

const fn case(name: &'static str, spills: Spills, query: fn(&Frame) -> Frame) -> Case {
    Case { name, spills, query, twin: None }
}

impl Case {
    const fn twin(mut self, twin: fn(&[Row]) -> Vec<Vec<Value>>) -> Case {
        self.twin = Some(twin);
        self
    }
}

fn streamed(df: &Frame) -> Result<Table> {
    Table::from_reader(df.stream()?)
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// The same, floats to the last bits of a sum.
fn difference(got: &[Vec<Value>], want: &[Vec<Value>]) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} rows, expected {}", got.len(), want.len()));
    }
    let like = |(a, b): (&Vec<Value>, &Vec<Value>)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    let row = (0..got.len()).find(|row| !like((&got[*row], &want[*row])))?;
    Some(format!("row {row} is {:?}, expected {:?}", got[row], want[row]))
}

/// The answer under the smallest limit that is admitted, from this one on.
fn limited(
    case: &Case,
    input: &Path,
    mut memory: usize,
    size: usize,
    spill: &Path,
) -> Result<(Table, u64, Vec<String>)> {
    loop {
        let watch = Arc::new(Watch::default());
        let builder = Session::builder().threads(2).memory(memory).partition_size(size).spill_dir(spill);
        let session = builder.observer(watch.clone()).build()?;
        let answer = streamed(&(case.query)(&session.read_csv(input)));
        let least = answer.as_ref().err().and_then(|error| {
            let text = error.to_string();
            let named = text.split("the smallest limit that works is ").nth(1)?;
            named.split(' ').next()?.parse::<usize>().ok()
        });
        if let Some(least) = least.filter(|least| *least > memory && memory < 64 << 20) {
            memory = least;
            continue;
        }
        let beyond = std::mem::take(&mut *watch.beyond.lock().unwrap());
        return Ok((answer?, watch.spilled.load(Ordering::Relaxed), beyond));
    }
}

fn check(cases: &[Case]) {
    let (data, spill) = (data(), tempfile::tempdir().unwrap());
    let (files, mut wrong) = (file(&data), vec![]);
    let (input, many, one) = (files.path("rows.csv"), 1 << 20, 1 << 30);
    for case in cases {
        let free = Session::builder().threads(2).partition_size(many).build().unwrap();
        let started = std::time::Instant::now();
        let want = match streamed(&(case.query)(&free.read_csv(&input))) {
            Ok(want) => want,
            Err(error) => {
                wrong.push(format!("{} without a limit: {error}", case.name));
                continue;
            }
        };
        let want_rows = std::cell::OnceCell::new();
        let want_rows = || want_rows.get_or_init(|| rows(&want));
        if let Some(twin) = case.twin
            && let Some(difference) = difference(want_rows(), &twin(&data))
        {
            wrong.push(format!("{} without a limit: {difference}", case.name));
        }
        for (memory, size) in [(16, many), (16, one), (64, many)] {
            let what = format!("{} at {memory} MiB, partitions of {size}", case.name);
            match limited(case, &input, memory << 20, size, spill.path()) {
                Err(error) => wrong.push(format!("{what}: {error}")),
                Ok((got, spilled, beyond)) => {
                    if got != want
                        && let Some(difference) = difference(&rows(&got), want_rows())
                    {
                        wrong.push(format!("{what}: {difference}"));
                    }
                    wrong.extend(beyond.into_iter().map(|text| format!("{what}: {text}")));
                    let expected = match case.spills {
                        Yes => memory == 64 || spilled > 0,
                        OnePartition => memory == 64 || size == many || spilled > 0,
                        No => memory == 16 || spilled == 0,
                    };
                    if !expected {
                        wrong.push(format!("{what}: spilled {spilled}"));
                    }
                }
            }
            if !is_empty(spill.path()) {
                wrong.push(format!("{what}: something is left"));
            }
        }
        println!("{}: {} rows, {:.1} s", case.name, want.num_rows(), started.elapsed().as_secs_f64());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

fn maybe(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::Int)
}

fn float(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Float)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// The rows of each group, in order of the keys; rows without a key are not there.
fn grouped<'a, K: Ord>(data: &'a [Row], key: impl Fn(&'a Row) -> Option<K>) -> BTreeMap<K, Vec<&'a Row>> {
    let mut groups: BTreeMap<K, Vec<&Row>> = BTreeMap::new();
    data.iter().for_each(|row| _ = key(row).map(|key| groups.entry(key).or_default().push(row)));
    groups
}

fn sum_v(rows: &[&Row]) -> f64 {
    rows.iter().filter_map(|row| row.v).sum()
}

fn median_v(rows: &[&Row]) -> Option<f64> {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| row.v).collect();
    values.sort_by(f64::total_cmp);
    let (n, half) = (values.len(), values.len() / 2);
    (n > 0).then(|| if n % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 })
}

fn every_aggregate() -> Vec<AggExpr> {
    vec![
        size(),
        col("v").sum().alias("sum"),
        col("v").mean().alias("mean"),
        col("v").min().alias("min"),
        col("v").max().alias("max"),
        col("v").var().alias("var"),
        col("v").std().alias("std"),
        col("q").count().alias("count"),
        col("q").sum().alias("sum_q"),
        col("s").first().alias("first"),
        col("s").last().alias("last"),
        col("s").min().alias("least"),
        col("s").max().alias("most"),
        col("at").max().alias("late"),
        col("v").idxmin().alias("at_min"),
        col("v").idxmax().alias("at_max"),
        col("q").gt(0).any().alias("any"),
        col("q").gt(-499).all().alias("all"),
        cov("v", "q").alias("cov"),
        corr("v", "q").alias("corr"),
        col("v").sum().filter(col("q").gt(0)).alias("filtered"),
    ]
}

fn values() -> Vec<AggExpr> {
    let medians = (0..12).map(|i| (col("v") + lit(f64::from(i))).median().alias(format!("median{i}")));
    let others = [
        col("s").nunique().alias("texts"),
        col("q").nunique().alias("numbers"),
        col("t").mode().alias("mode"),
        col("q").mode().alias("mode_q"),
        col("v").quantile(0.9).alias("high"),
        col("q").median().filter(col("v").gt(30_000)).alias("filtered"),
    ];
    medians.chain(others).collect()
}

#[test]
fn groups() {
    check(&[
        case("few groups", No, |df| df.group_by(["g"]).agg(every_aggregate())),
        case("many groups", Yes, |df| df.group_by(["k"]).agg(every_aggregate())),
        case("a group a row", Yes, |df| df.group_by(["s"]).agg([col("v").sum(), size()])).twin(|data| {
            let groups = grouped(data, |row| Some(&row.s));
            groups
                .into_iter()
                .map(|(s, rows)| vec![text(s), Value::Float(sum_v(&rows)), int(rows.len() as i64)])
                .collect()
        }),
        case("sums of many groups", No, |df| df.group_by(["k"]).agg([col("v").sum()])).twin(|data| {
            let groups = grouped(data, |row| Some(row.k));
            groups.into_iter().map(|(k, rows)| vec![int(k), Value::Float(sum_v(&rows))]).collect()
        }),
        case("several keys, nulls kept", Yes, |df| {
            df.group_by(["t", "g", "k"]).keep_nulls().agg([col("q").sum(), col("v").mean(), col("s").min()])
        }),
        case("values of few groups", Yes, |df| df.group_by(["g"]).agg(values())),
        case("values of many groups", Yes, |df| df.group_by(["k"]).agg(values())),
        case("values of a hot key", Yes, |df| df.group_by(["h"]).agg(values())),
        case("values of text keys", Yes, |df| df.group_by(["s"]).agg([col("v").median(), col("q").mode()])),
        case("values of all rows", Yes, |df| df.agg(values())),
        case("medians of many groups", No, |df| df.group_by(["k"]).agg([col("v").median()])).twin(|data| {
            let groups = grouped(data, |row| Some(row.k));
            groups.into_iter().map(|(k, rows)| vec![int(k), float(median_v(&rows))]).collect()
        }),
        case("joined texts", Yes, |df| df.group_by(["k"]).agg([col("s").join("; ")])).twin(|data| {
            let joined = |rows: Vec<&Row>| rows.iter().map(|row| row.s.as_str()).collect::<Vec<_>>().join("; ");
            grouped(data, |row| Some(row.k)).into_iter().map(|(k, rows)| vec![int(k), text(&joined(rows))]).collect()
        }),
        case("all rows", No, |df| df.agg(every_aggregate())),
        case("no rows", No, |df| df.filter(col("id").lt(0)).agg(values())),
    ]);
}

#[test]
fn distinct_and_rows_of_groups() {
    check(&[
        case("distinct", Yes, Frame::distinct),
        case("distinct of two", Yes, |df| concat([df.clone(), df.clone()]).distinct()).twin(|data| {
            let one = |row: &Row| {
                let (day, second) = (1 + row.id / 86_400, row.id % 86_400);
                let at = format!("2024-01-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
                let t = row.t.as_deref().map_or(Value::Null, text);
                vec![
                    int(row.id),
                    maybe(row.g),
                    int(row.k),
                    int(row.h),
                    text(&row.s),
                    t,
                    float(row.v),
                    maybe(row.q),
                    text(&at),
                ]
            };
            data.iter().map(one).collect()
        }),
        case("first of each key", Yes, |df| df.drop_duplicates(["k"], Keep::First)),
        case("last of each key", Yes, |df| df.drop_duplicates(["k"], Keep::Last).select(["id", "k", "s"])).twin(
            |data| {
                let last: HashMap<i64, i64> = data.iter().map(|row| (row.k, row.id)).collect();
                let rows = data.iter().filter(|row| last[&row.k] == row.id);
                rows.map(|row| vec![int(row.id), int(row.k), text(&row.s)]).collect()
            },
        ),
        case("distinct texts", Yes, |df| df.column("s").unique().frame().clone()),
        case("value counts", Yes, |df| df.column("s").value_counts()),
        case("counts of few values", No, |df| df.column("t").value_counts()).twin(|data| {
            let groups = grouped(data, |row| row.t.as_deref());
            let mut counts: Vec<_> = groups.into_iter().map(|(t, rows)| (Reverse(rows.len()), t)).collect();
            counts.sort();
            counts.into_iter().map(|(Reverse(n), t)| vec![text(t), int(n as i64)]).collect()
        }),
        case("heads of groups", Yes, |df| df.group_by(["k"]).head(2)),
        case("tails of groups", Yes, |df| df.group_by(["k", "g"]).keep_nulls().tail(2)),
        case("heads of few groups", No, |df| df.group_by(["g"]).head(3).select(["id", "g"])).twin(|data| {
            let mut ids: Vec<_> =
                grouped(data, |row| row.g).into_values().flat_map(|rows| rows.into_iter().take(3)).collect();
            ids.sort_by_key(|row| row.id);
            ids.into_iter().map(|row| vec![int(row.id), maybe(row.g)]).collect()
        }),
        case("top of groups", Yes, |df| df.group_by(["k"]).top(2, "v")),
        case("bottom of groups", Yes, |df| df.group_by(["t"]).bottom(1000, "s")),
        case("transformed", No, |df| df.group_by(["g"]).transform([col("v").sum().alias("total")])),
        case("filtered groups", No, |df| df.group_by(["h"]).filter([size()], col("size").gt(20))),
        case("applied", Yes, |df| {
            df.select(["id", "k", "s"])
                .group_by(["k"])
                .apply(|rows| Ok::<_, Error>(rows.slice(0, rows.num_rows().min(1))))
                .select(["id", "k"])
        })
        .twin(|data| {
            grouped(data, |row| Some(row.k)).into_values().map(|rows| vec![int(rows[0].id), int(rows[0].k)]).collect()
        }),
        case("the last rows", No, |df| df.tail(1000)),
        case("most of the rows", Yes, |df| df.tail(ROWS - 1)),
    ]);
}

#[test]
fn order() {
    check(&[
        case("a sort", Yes, |df| df.sort([col("t").asc(), col("v").desc(), col("g").asc().nulls_first()])),
        case("a sort by text", Yes, |df| df.sort([col("s").desc()]).select(["s", "id"])).twin(|data| {
            let mut rows: Vec<&Row> = data.iter().collect();
            rows.sort_by_key(|row| Reverse(&row.s));
            rows.into_iter().map(|row| vec![text(&row.s), int(row.id)]).collect()
        }),
        case("the first of a sort", No, |df| df.sort([col("v").desc(), col("s").asc()]).head(1000)),
        case("most of a sort", Yes, |df| df.sort([col("q").asc().nulls_first()]).slice(10, ROWS - 100)),
        case("the last of a sort", Yes, |df| df.sort([col("q").asc()]).tail(50)),
        case("rows in the middle", OnePartition, |df| df.slice(ROWS / 4, ROWS / 2)),
        case("a sample", OnePartition, |df| df.sample(0.7, 42)),
        case("sums so far", OnePartition, |df| {
            df.with_columns([
                col("q").cumsum().alias("sum"),
                col("v").cummax().alias("most"),
                col("s").cumcount().alias("n"),
            ])
        }),
        case("sums so far by themselves", No, |df| df.select([col("q").cumsum()])).twin(|data| {
            let mut sum = 0;
            let mut next = |q: i64| {
                sum += q;
                sum
            };
            data.iter().map(|row| vec![maybe(row.q.map(&mut next))]).collect()
        }),
        case("rows before and behind", OnePartition, |df| {
            let shifted =
                [col("s").shift(3), col("q").shift(-2), col("v").diff(1), col("v").pct_change(5).alias("pct")];
            df.select(
                shifted.into_iter().enumerate().map(|(i, e)| e.alias(format!("c{i}"))).chain([col("at"), col("s")]),
            )
        }),
        case("windows of rows", OnePartition, |df| {
            let mean = col("v").rolling(50).min_periods(1).mean().alias("mean");
            df.with_columns([mean, col("q").rolling(7).max().alias("most"), col("v").rolling(5).var().alias("var")])
        }),
        case("windows of time", OnePartition, |df| {
            df.with_columns([
                col("v").rolling_by("at", minutes(2)).sum().alias("sum"),
                col("q").rolling_by("at", seconds(9)).min().alias("m"),
            ])
        }),
        case("filled", OnePartition, |df| {
            df.with_columns([col("v").ffill().alias("down"), col("t").bfill().alias("up"), row_number().alias("row")])
        }),
        case("ranks", Yes, |df| {
            use RankMethod::*;
            let of = |method: RankMethod| col("v").rank_with(method).alias(format!("{method:?}"));
            let ranks = [Average, Max, Dense, First].map(of);
            df.select(["id", "s", "v"])
                .with_columns(ranks.into_iter().chain([col("s").rank_with(Min.descending()).alias("r")]))
        }),
        case("least ranks", Yes, |df| df.select([col("v").rank_with(RankMethod::Min)])).twin(|data| {
            let mut values: Vec<f64> = data.iter().filter_map(|row| row.v).collect();
            values.sort_by(f64::total_cmp);
            let rank = |v: f64| values.partition_point(|other| *other < v) as i64 + 1;
            data.iter().map(|row| vec![maybe(row.v.map(rank))]).collect()
        }),
    ]);
}

#[test]
fn shapes_and_partitions() {
    check(&[
        case("exploded", OnePartition, |df| df.select(["id", "s"]).explode("s", " ")).twin(|data| {
            data.iter().flat_map(|row| row.s.split(' ').map(|piece| vec![int(row.id), text(piece)])).collect()
        }),
        case("unpivoted", OnePartition, |df| df.unpivot(["id", "s"], ["k", "h", "q"], "name", "value")),
        case("a pivot", Yes, |df| df.pivot(["s"], "g", col("v").sum())),
        case("a small pivot", No, |df| df.pivot(["t"], "g", col("id").max())).twin(|data| {
            let ids = grouped(data, |row| row.t.as_deref());
            let of = |rows: &[&Row], g| maybe(rows.iter().filter(|row| row.g == Some(g)).map(|row| row.id).max());
            let all: BTreeSet<i64> = data.iter().filter_map(|row| row.g).collect();
            ids.iter()
                .map(|(t, rows)| [text(t)].into_iter().chain(all.iter().map(|g| of(rows, *g))).collect())
                .collect()
        }),
        case("repartitioned", OnePartition, |df| df.repartition(5)),
        case("a partition", OnePartition, |df| df.repartition(5).partition(3).select(["id", "s"]))
            .twin(|data| data[ROWS / 5 * 3..ROWS / 5 * 4].iter().map(|row| vec![int(row.id), text(&row.s)]).collect()),
        case("repartitioned by key", OnePartition, |df| df.repartition_by(["t"], 7)),
        case("mapped", OnePartition, |df| df.map_batches(|batch| Ok::<_, Error>(batch.slice(0, batch.num_rows())))),
        case("one after the other", OnePartition, |df| concat([df.clone(), df.filter(col("id").lt(1000)), df.clone()])),
        case("described", No, Frame::describe),
        case("row-wise", OnePartition, |df| df.filter(col("k").gt(10)).with_column("x", col("v") * col("q"))),
        case("kept, then grouped", Yes, |df| df.persist().unwrap().group_by(["s"]).agg([col("v").median()])),
        case("kept, sorted, then distinct", Yes, |df| {
            df.sort(["v"]).persist().unwrap().drop_duplicates(["k"], Keep::First)
        }),
        case("three that hold", Yes, |df| {
            df.distinct()
                .group_by(["s"])
                .agg([col("v").median(), col("id").max()])
                .sort([col("v").desc(), col("s").asc()])
        }),
    ]);
}

#[test]
fn merges() {
    check(&[
        case("merged", Yes, |df| {
            let right = df.select(["id", "s"]).rename([("s", "text")]);
            df.select(["id", "k", "v"]).merge(&right, Merge::inner().on(["id"])).select(["id", "k", "text"])
        })
        .twin(|data| data.iter().map(|row| vec![int(row.id), int(row.k), text(&row.s)]).collect()),
        case("merged with more", Yes, |df| {
            df.select(["k", "id"]).merge(df.select(["k", "s"]), Merge::left().on(["k"]))
        })
        .twin(|data| {
            let groups = grouped(data, |row| Some(row.k));
            let of =
                |row: &Row| groups[&row.k].iter().map(|other| vec![int(row.k), int(row.id), text(&other.s)]).collect();
            data.iter().flat_map::<Vec<_>, _>(of).collect()
        }),
        case("merged from both sides", Yes, |df| {
            let (left, right) = (df.filter(col("k").lt(60_000)), df.filter(col("k").gt(40_000)));
            left.select(["k", "s"]).merge(right.select(["k", "id", "s"]), Merge::outer().on(["k"]))
        }),
        case("merged by text", Yes, |df| df.merge(df.select(["s"]), Merge::semi().on(["s"]))),
        case("not merged", Yes, |df| df.merge(df.filter(col("id").gt(5)).select(["s"]), Merge::anti().on(["s"]))),
        case("transformed, of many groups", Yes, |df| df.group_by(["s"]).transform([col("v").sum().alias("total")])),
        case("filtered, of many groups", Yes, |df| df.group_by(["s"]).filter([size()], col("size").eq(1))),
    ]);
}

#[test]
fn several_queries_share_a_scan() {
    let data = data();
    let (files, spill, watch) = (file(&data), tempfile::tempdir().unwrap(), Arc::new(Watch::default()));
    let builder = Session::builder().threads(2).partition_size(1 << 20).spill_dir(spill.path());
    let small = builder.observer(watch.clone()).memory(48 << 20).build().unwrap();
    let df = small.read_csv(files.path("rows.csv"));
    let sums = df.group_by(["s"]).agg([col("v").sum()]).agg([col("v").sum(), size()]);
    let texts = df.agg([col("s").nunique(), col("k").nunique()]);
    let distinct = df.drop_duplicates(["s"], Keep::Last).agg([size(), col("id").sum()]);
    let first = df.sort([col("s").desc()]).head(1).select(["id"]);
    let (sums, texts, distinct, first) = compute_all((&sums, &texts, &distinct, &first)).unwrap();
    let total = sum_v(&data.iter().collect::<Vec<_>>());
    let (n, keys) = (ROWS as i64, data.iter().map(|row| row.k).collect::<HashSet<_>>().len() as i64);
    assert!(same(&rows(&sums)[0][0], &Value::Float(total)) && rows(&sums)[0][1] == int(n));
    assert_eq!(rows(&texts), [[int(n), int(keys)]]);
    assert_eq!(rows(&distinct), [[int(n), int(n * (n - 1) / 2)]]);
    assert_eq!(rows(&first), [[int(data.iter().max_by_key(|row| &row.s).unwrap().id)]]);
    assert!(watch.spilled.load(Ordering::Relaxed) > 0 && is_empty(spill.path()));
    assert!(watch.beyond.lock().unwrap().is_empty());
}

#[test]
fn what_is_written_is_what_is_computed() {
    let (files, spill, watch) = (file(&data()), tempfile::tempdir().unwrap(), Arc::new(Watch::default()));
    let builder = Session::builder().threads(2).partition_size(1 << 20).spill_dir(spill.path());
    let small = builder.observer(watch.clone()).memory(16 << 20).build().unwrap();
    let free = Session::builder().threads(2).build().unwrap();
    let (df, all) = (small.read_csv(files.path("rows.csv")), free.read_csv(files.path("rows.csv")));
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name);

    let want = all.sort(["s"]).compute().unwrap();
    let sorted = df.sort(["s"]);
    assert_eq!(sorted.write_csv(at("sorted.csv")).unwrap().rows, ROWS as u64);
    assert_eq!(sorted.write_parquet(at("sorted.parquet")).unwrap().rows, ROWS as u64);
    assert_eq!(sorted.write_ipc(at("sorted.arrow")).unwrap().rows, ROWS as u64);
    assert!(watch.spilled.swap(0, Ordering::Relaxed) > 0);
    assert!(free.read_csv(at("sorted.csv")).compute().unwrap() == want);
    assert!(free.read_parquet(at("sorted.parquet")).compute().unwrap() == want);
    assert!(free.read_ipc(at("sorted.arrow")).compute().unwrap() == want);

    // A folder for each of a thousand values.
    let mut columns = vec!["id", "s", "v"];
    let want = all.select(columns.clone()).compute().unwrap();
    columns.push("h");
    for (name, options) in [("csv", WriteOptions::csv()), ("parquet", WriteOptions::parquet())] {
        let folder = at(name);
        let written = df.select(columns.clone()).write(&folder, options.partition_by(["h"])).unwrap();
        assert!(written.files.len() >= 990, "{} files", written.files.len());
        let pattern = folder.join(format!("*/*.{name}")).display().to_string();
        let again = if name == "csv" { free.read_csv(pattern) } else { free.read_parquet(pattern) };
        assert!(again.select(["id", "s", "v"]).sort(["id"]).compute().unwrap() == want, "{name}");
    }
    assert!(is_empty(spill.path()));
    assert!(watch.beyond.lock().unwrap().is_empty());
}
