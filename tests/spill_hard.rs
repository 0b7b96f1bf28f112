//! Rows that are hard to hold: of many columns, of 64 KiB, of 100 MB; state of many times the limit; what goes wrong in the
//! middle of spilling.

mod common;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use common::{Files, Value, rows};
use partita::prelude::*;
use partita::{Event, Observer, Running, arrow};
use tempfile::TempDir;

/// What a session's last run used.
#[derive(Default)]
struct Watch {
    spilled: AtomicU64,
    peak: AtomicUsize,
    spills: AtomicBool,
    beyond: Mutex<Vec<String>>,
}

impl Observer for Watch {
    fn on(&self, event: &Event) {
        match event {
            Event::Spilled { .. } => self.spills.store(true, Ordering::Relaxed),
            Event::RunFinished { spilled, peak, limit, .. } => {
                self.spilled.store(*spilled, Ordering::Relaxed);
                self.peak.store(*peak, Ordering::Relaxed);
                if peak > limit {
                    self.beyond.lock().unwrap().push(format!("{peak} bytes were booked of {limit}"));
                }
            }
            _ => {}
        }
    }
}

struct Small {
    session: Session,
    watch: Arc<Watch>,
    spill: TempDir,
}

/// A session of two threads and so many MiB.
fn small(mib: usize, partition_size: usize) -> Small {
    let (spill, watch) = (TempDir::new().unwrap(), Arc::new(Watch::default()));
    let builder = Session::builder().threads(2).memory(mib << 20).partition_size(partition_size);
    let session = builder.spill_dir(spill.path()).observer(watch.clone()).build().unwrap();
    Small { session, watch, spill }
}

impl Small {
    fn nothing_is_left(&self) -> bool {
        fs::read_dir(self.spill.path()).unwrap().next().is_none()
    }

    #[track_caller]
    fn assert_spilled(&self) {
        assert!(self.watch.spilled.load(Ordering::Relaxed) > 0, "nothing was spilled");
        assert!(self.nothing_is_left());
        let beyond = self.watch.beyond.lock().unwrap();
        assert!(beyond.is_empty(), "{beyond:?}");
    }
}

fn streamed(df: &Frame) -> Table {
    Table::from_reader(df.stream().unwrap()).unwrap()
}

/// Random numbers, the same every time.
fn random() -> impl FnMut() -> u64 {
    let mut x = 1u64;
    move || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        x >> 16
    }
}

#[test]
fn many_columns() {
    const ROWS: usize = 40_000;
    const COLUMNS: usize = 64;
    let (mut csv, mut next) = (String::new(), random());
    writeln!(csv, "{}", (0..COLUMNS).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",")).unwrap();
    for _ in 0..ROWS {
        let row: Vec<String> = (0..COLUMNS).map(|_| (next() % 100_000).to_string()).collect();
        writeln!(csv, "{}", row.join(",")).unwrap();
    }
    let files = Files::new(&[("wide.csv", csv.as_bytes())]);
    let free = common::session(1 << 30);
    let limited = small(16, 1 << 20);
    let names = || (0..COLUMNS).map(|i| format!("c{i}"));
    type Query = Box<dyn Fn(&Frame) -> Frame>;
    let queries: Vec<Query> = vec![
        Box::new(|df| df.sort(["c5"])),
        Box::new(Frame::distinct),
        Box::new(|df| df.group_by(["c0"]).agg((1..COLUMNS).map(|i| col(format!("c{i}")).sum()))),
        Box::new(move |df| df.agg(names().map(|name| col(name).median()))),
        Box::new(move |df| df.unpivot(["c0"], (1..COLUMNS).map(|i| format!("c{i}")), "name", "value")),
        Box::new(|df| df.with_columns((0..COLUMNS).map(|i| col(format!("c{i}")).cumsum()))),
    ];
    for (number, query) in queries.iter().enumerate() {
        let want = query(&free.read_csv(files.path("wide.csv"))).compute().unwrap();
        let got = streamed(&query(&limited.session.read_csv(files.path("wide.csv"))));
        assert!(got == want, "query {number}");
        println!("query {number}: spilled {}", limited.watch.spilled.load(Ordering::Relaxed));
        limited.assert_spilled();
    }
}

/// Rows of an id, a number, and 60 KB of text that is each row's own but for one in three.
fn long_records(rows: u64) -> Files {
    let (mut csv, mut next) = (String::from("id,k,s\n"), random());
    for id in 0..rows {
        write!(csv, "{id},{},{:06} ", id * 7919 % rows, id / 3 * 2 + u64::from(id % 3 > 0)).unwrap();
        let seed = next();
        let mut own = id / 3 * 2 + u64::from(id % 3 > 0);
        for _ in 0..60_000 / 16 {
            own = own.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(csv, "{own:016x}").unwrap();
        }
        writeln!(csv, "{}", if seed == 0 { "!" } else { "" }).unwrap();
    }
    Files::new(&[("long.csv", csv.as_bytes())])
}

/// The queries of long records that are checked: without their texts, which take long to compare. Whether they spill; not
/// said of what keeps no more than the threads are ahead of each other.
fn of_long_records(df: &Frame) -> Vec<(&'static str, Frame, Option<bool>)> {
    let short = |df: Frame| df.with_column("s", col("s").slice(0, 6));
    let counted = df.group_by(["s"]).agg([size(), col("k").sum()]);
    vec![
        ("sort by text", short(df.sort([col("s").desc(), col("id").asc()])), Some(true)),
        ("sort by number", short(df.sort(["k"])), Some(true)),
        ("distinct texts", short(df.drop_duplicates(["s"], Keep::Last)), Some(true)),
        ("distinct rows", short(df.distinct()), Some(true)),
        ("groups by text", short(counted), Some(true)),
        ("numbers of texts", df.agg([col("s").nunique(), col("k").median()]), Some(true)),
        ("the most frequent text", short(df.agg([col("s").mode()])), Some(true)),
        ("median by text", short(df.group_by(["s"]).agg([col("k").median()])), Some(true)),
        ("least texts", short(df.group_by(["k"]).agg([col("s").min()])), Some(true)),
        ("in order", short(df.with_column("n", col("k").cumsum())), None),
        ("filled", short(df.with_column("s", col("s").shift(1))), None),
        ("repartitioned", short(df.repartition(3)), None),
        ("pieces", df.explode("s", "0").agg([size()]), Some(false)),
        (
            "rows as columns",
            short(df.with_column("r", col("s").upper()).unpivot(["id"], ["s", "r"], "n", "s")),
            Some(false),
        ),
    ]
}

#[test]
fn long_texts() {
    let files = long_records(2400);
    let (free, limited) = (common::session(1 << 30), small(64, 8 << 20));
    let want = of_long_records(&free.read_csv(files.path("long.csv")));
    let got = of_long_records(&limited.session.read_csv(files.path("long.csv")));
    let mut wrong = vec![];
    for ((what, want, _), (_, got, spills)) in want.into_iter().zip(got) {
        let started = Instant::now();
        let want = want.compute().unwrap();
        match Table::from_reader(got.stream().unwrap()) {
            Ok(got) if got != want => wrong.push(format!("{what}: another answer")),
            Err(error) => wrong.push(format!("{what}: {error}")),
            Ok(_) => {}
        }
        let (spilled, peak) = (&limited.watch.spilled, &limited.watch.peak);
        let (spilled, peak) = (spilled.load(Ordering::Relaxed), peak.load(Ordering::Relaxed));
        println!("{what}: {:.1} s, spilled {spilled}, peak {peak}", started.elapsed().as_secs_f64());
        if spills.is_some_and(|spills| spills != (spilled > 0)) {
            wrong.push(format!("{what}: spilled {spilled}"));
        }
        assert!(limited.nothing_is_left());
    }
    wrong.append(&mut limited.watch.beyond.lock().unwrap());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The binary keeps what it promises of records of 64 KiB.
#[cfg(target_os = "linux")]
#[test]
fn long_texts_in_the_binary_stay_near_the_limit() {
    let (files, spill) = (long_records(2400), TempDir::new().unwrap());
    let file = files.path("long.csv").display().to_string();
    let mut wrong = vec![];
    for query in [
        "SELECT id, k, s FROM '{}' ORDER BY s DESC",
        "SELECT s, count(*) AS n, sum(k) AS k FROM '{}' GROUP BY s",
        "SELECT id, k, s FROM '{}' ORDER BY k",
        "SELECT k, min(s) AS least FROM '{}' GROUP BY k",
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_partita"));
        command.args(["sql", &query.replace("{}", &file), "--format", "csv", "--threads", "2", "--memory", "64MiB"]);
        command.args(["--partition-size", "8MB", "--spill-dir"]).arg(spill.path());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut most = 0u64;
        while child.try_wait().unwrap().is_none() {
            let about = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = about.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
            most = most.max(kib.unwrap_or(0) << 10);
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().unwrap();
        println!("{query}: {most} bytes at most");
        if !output.status.success() {
            wrong.push(format!("{query}: {}", String::from_utf8_lossy(&output.stderr)));
        } else if !(1 << 20..=128 << 20).contains(&most) {
            wrong.push(format!("{query}: {most} bytes at most"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_text_of_100_mb_is_served_or_refused() {
    const LENGTH: usize = 100 << 20;
    let mut csv = Vec::from(&b"id,s\n0,short\n1,"[..]);
    csv.resize(csv.len() + LENGTH, b'x');
    csv.extend_from_slice(b"\n2,another\n3,short\n");
    let files = Files::new(&[("huge.csv", &csv)]);
    let options = || CsvOptions::new().max_record(200 << 20);
    let queries = |session: &Session| {
        let df = session.read_csv_with(files.path("huge.csv"), options());
        let length = |df: Frame| df.with_column("s", col("s").len_chars());
        vec![
            ("filter", length(df.filter(col("id").gt(0)))),
            ("sort", length(df.sort([col("s").desc()]))),
            ("distinct", length(df.drop_duplicates(["s"], Keep::First))),
            ("groups", length(df.group_by(["s"]).agg([size()]))),
            ("nunique", df.agg([col("s").nunique()])),
            ("median", length(df.group_by(["s"]).agg([col("id").median()]))),
            ("first", length(df.agg([col("s").max()]))),
            ("in order", length(df.with_column("s", col("s").shift(1)))),
        ]
    };
    let n = LENGTH as i64;
    let of = |rows: &[&[i64]]| -> Vec<Vec<Value>> {
        rows.iter().map(|row| row.iter().map(|n| if *n < 0 { Value::Null } else { Value::Int(*n) }).collect()).collect()
    };
    let want = [
        of(&[&[1, n], &[2, 7], &[3, 5]]),
        of(&[&[1, n], &[0, 5], &[3, 5], &[2, 7]]),
        of(&[&[0, 5], &[1, n], &[2, 7]]),
        of(&[&[7, 1], &[5, 2], &[n, 1]]),
        of(&[&[3]]),
        vec![],
        of(&[&[n]]),
        of(&[&[0, -1], &[1, 5], &[2, n], &[3, 7]]),
    ];
    let large = small(3 << 10, 1 << 20);
    let mut wrong = vec![];
    for ((what, query), want) in queries(&large.session).into_iter().zip(&want) {
        match query.compute() {
            Ok(got) if !want.is_empty() && rows(&got) != *want => wrong.push(format!("{what}: {:?}", rows(&got))),
            Ok(_) => {}
            Err(error) => wrong.push(format!("{what} of 3 GiB: {error}")),
        }
    }
    let limited = small(64, 1 << 20);
    for ((what, query), want) in queries(&limited.session).into_iter().zip(&want) {
        match query.compute() {
            Ok(got) if !want.is_empty() && rows(&got) != *want => wrong.push(format!("{what}: {:?}", rows(&got))),
            Ok(_) => println!("{what} is served in 64 MiB"),
            Err(error) => {
                println!("{what}: {error}");
                if error.kind() != ErrorKind::Memory {
                    wrong.push(format!("{what}: {error}"));
                }
            }
        }
    }
    assert!(limited.nothing_is_left() && large.nothing_is_left());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A row that becomes many is not many rows at once.
#[test]
fn rows_that_become_more_come_in_batches_that_are_bounded() {
    let mut csv = String::from("id,s\n");
    for id in 0..200 {
        writeln!(csv, "{id},{}", "a ".repeat(30_000)).unwrap();
    }
    let files = Files::new(&[("pieces.csv", csv.as_bytes())]);
    let limited = small(64, 1 << 30);
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let watched = limited.session.read_csv(files.path("pieces.csv")).explode("s", " ").map_batches(move |batch| {
        seen.fetch_max(batch.num_rows(), Ordering::Relaxed);
        Ok::<_, Error>(batch)
    });
    assert_eq!(rows(&watched.agg([size()]).compute().unwrap()), [[Value::Int(200 * 30_001)]]);
    assert!(most.load(Ordering::Relaxed) <= 1 << 17, "{most:?} rows at once");
}

fn numbers(rows: u64) -> Files {
    let (mut csv, mut next) = (String::from("id,k,s\n"), random());
    for id in 0..rows {
        writeln!(csv, "{id},{},the text {:016x} of {}", next() >> 8, next(), id % 10).unwrap();
    }
    Files::new(&[("numbers.csv", csv.as_bytes())])
}

/// What holds more than memory.
fn large_queries(df: &Frame) -> Vec<(&'static str, Frame)> {
    vec![
        ("sort", df.sort(["k"])),
        ("groups", df.group_by(["s"]).agg([size(), col("k").median()])),
        ("distinct", df.distinct()),
        ("last of groups", df.drop_duplicates(["s"], Keep::Last)),
        ("in order", df.with_column("n", col("k").cummax())),
        ("ranks", df.with_column("n", col("k").rank())),
        ("repartitioned", df.repartition_by(["s"], 4)),
        ("applied", df.group_by(["id"]).apply(Ok::<_, Error>)),
    ]
}

/// What the session holds when nothing runs: the peak of a run that needs next to nothing.
fn held(limited: &Small) -> usize {
    let one = limited.session.read_csv("testdata/baci/BACI_HS12_Y2018.csv").head(1).agg([size()]);
    assert_eq!(rows(&one.compute().unwrap()), [[Value::Int(1)]]);
    limited.watch.peak.load(Ordering::Relaxed)
}

#[track_caller]
fn assert_all_is_given_back(limited: &Small, idle: usize, what: &str) {
    assert!(limited.nothing_is_left(), "{what}: something is left");
    // A stream that is dropped does not wait for the task that is under way.
    let started = Instant::now();
    loop {
        let now = held(limited);
        if now <= idle + (1 << 20) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{what}: {now} bytes are booked for nothing, {idle} before"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_fails_in_the_middle_leaves_nothing() {
    let (files, limited) = (numbers(300_000), small(16, 1 << 20));
    let (idle, df) = (held(&limited), limited.session.read_csv(files.path("numbers.csv")));
    let want = streamed(&df.sort(["k"]));
    type Closure = fn(RecordBatch) -> Result<RecordBatch, Error>;
    fn late(batch: &RecordBatch) -> bool {
        batch.column(0).as_primitive::<Int64Type>().values().iter().any(|id| *id > 250_000)
    }
    let fails: Closure = |batch| match late(&batch) {
        true => Err(Error::from(arrow::error::ArrowError::ComputeError("no such row".into()))),
        false => Ok(batch),
    };
    let panics: Closure = |batch| {
        assert!(!late(&batch), "no such row");
        Ok(batch)
    };
    for (closure, name) in [(fails, "an error"), (panics, "a panic")] {
        for (what, query) in large_queries(&df.map_batches(closure)) {
            let what = format!("{what} with {name}");
            let error = match query.stream().map(Table::from_reader) {
                Ok(Err(error)) | Err(error) => error,
                Ok(Ok(_)) => panic!("{what}: an answer"),
            };
            assert!(error.to_string().contains("no such row"), "{what}: {error}");
            assert_all_is_given_back(&limited, idle, &what);
            let error = query.persist().unwrap_err();
            assert!(error.to_string().contains("no such row"), "{what}: {error}");
            assert_all_is_given_back(&limited, idle, &what);
        }
        // In what is done with groups, once the sort is through.
        let last = df.group_by(["id"]).apply(closure).stream().map(Table::from_reader);
        assert!(matches!(&last, Ok(Err(error)) if error.to_string().contains("no such row")), "{last:?}");
        assert_all_is_given_back(&limited, idle, "apply");
    }
    assert!(streamed(&df.sort(["k"])) == want);
    assert!(limited.watch.spills.load(Ordering::Relaxed));
}

#[test]
fn a_run_that_is_cancelled_in_the_middle_leaves_nothing() {
    let (files, limited) = (numbers(300_000), small(16, 1 << 20));
    let (idle, df) = (held(&limited), limited.session.read_csv(files.path("numbers.csv")));
    let mut cancelled = 0;
    for (what, query) in large_queries(&df) {
        for delay in [0, 30, 100, 300] {
            limited.watch.spills.store(false, Ordering::Relaxed);
            let running: Running<Frame> = query.submit_persist();
            let started = Instant::now();
            while !limited.watch.spills.load(Ordering::Relaxed) && !running.is_finished() {
                assert!(started.elapsed() < Duration::from_secs(60), "{what}: it does not spill");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(delay));
            running.cancel();
            match running.wait() {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error}");
                    cancelled += 1;
                }
                // It was faster.
                Ok(kept) => drop(kept),
            }
            assert_all_is_given_back(&limited, idle, what);
        }
        // Who reads no further gives up the run, too.
        let mut stream = query.stream().unwrap();
        assert!(stream.next().unwrap().unwrap().num_rows() > 0);
        drop(stream);
        let started = Instant::now();
        while !limited.nothing_is_left() {
            assert!(started.elapsed() < Duration::from_secs(60), "{what}: something is left");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_all_is_given_back(&limited, idle, what);
    }
    assert!(cancelled >= 8, "{cancelled} runs only were cancelled");
    assert_eq!(df.sort(["k"]).num_rows().unwrap(), 300_000);
}

/// The rows to sort are 21 times the limit; groups and distinct texts are not much less.
#[test]
fn state_of_twenty_times_the_limit() {
    const ROWS: u64 = 3_400_000;
    const GROUPS: u64 = 2_400_000;
    // Prime, so that the products with it are all numbers below either count, each as often.
    const STEP: u64 = 7_368_787;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("many.csv");
    let mut csv = BufWriter::new(File::create(&file).unwrap());
    writeln!(csv, "id,k,s").unwrap();
    for id in 0..ROWS {
        let (k, g) = (id * STEP % ROWS, id * STEP % GROUPS);
        let own = (u128::from(g) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        writeln!(csv, "{id},{k},{g:08} {own:032x}{own:032x}").unwrap();
    }
    csv.into_inner().unwrap().sync_all().unwrap();
    let limited = small(16, 4 << 20);
    let df = limited.session.read_csv(&*file);

    // Sorted, the numbers are 0, 1, 2, ...
    let mut next = 0;
    for batch in df.sort(["k"]).stream().unwrap() {
        for k in batch.unwrap().column(1).as_primitive::<Int64Type>().values() {
            assert_eq!(*k, next);
            next += 1;
        }
    }
    assert_eq!(next as u64, ROWS);
    limited.assert_spilled();

    // The first million groups have two rows, the others one; in the order of their keys.
    let (mut group, inverse) = (0, inverse(STEP, GROUPS));
    for batch in df.group_by(["s"]).agg([size(), col("k").median()]).stream().unwrap() {
        let batch = batch.unwrap();
        let sizes = batch.column(1).as_primitive::<Int64Type>().values().iter();
        for (text, size) in batch.column(0).as_string_view().iter().flatten().zip(sizes) {
            assert_eq!(text[..8].parse::<u64>().unwrap(), group);
            // Ids that give a group: one in as many as there are groups.
            let first = (inverse * u128::from(group) % u128::from(GROUPS)) as u64;
            assert_eq!(*size, 1 + i64::from(first + GROUPS < ROWS), "group {group}");
            group += 1;
        }
    }
    assert_eq!(group, GROUPS);
    limited.assert_spilled();

    // Of each text the last row, in the order of the rows.
    let mut last = df.drop_duplicates(["s"], Keep::Last).stream().unwrap();
    let mut want = ROWS - GROUPS;
    last.try_for_each(|batch| {
        for id in batch?.column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*id as u64, want);
            want += 1;
        }
        Ok::<_, arrow::error::ArrowError>(())
    })
    .unwrap();
    assert_eq!(want, ROWS);
    limited.assert_spilled();
}

/// So many rows of one group stay that not even a list of them fits.
#[test]
fn more_rows_of_a_group_than_can_be_listed() {
    const ROWS: usize = 3_000_000;
    let csv =
        (0..ROWS).fold(String::from("id,k\n"), |csv, id| csv + &format!("{id},{}\n", usize::from(id % 1000 == 0) * id));
    let (files, limited) = (Files::new(&[("one.csv", csv.as_bytes())]), small(16, 4 << 20));
    let df = limited.session.read_csv(files.path("one.csv"));
    let ids = |df: Frame| -> Vec<i64> {
        let ids = |batch: RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        df.stream().unwrap().flat_map(|batch| ids(batch.unwrap())).collect()
    };
    assert!(ids(df.tail(ROWS - 2)).into_iter().eq(2..ROWS as i64));
    limited.assert_spilled();
    assert!(ids(df.group_by(["k"]).head(ROWS - 10_000)).into_iter().eq((0..ROWS as i64).filter(|id| {
        // Of the rows with k = 0, which are all but each thousandth, and the first.
        id % 1000 == 0 || id - id / 1000 < (ROWS - 10_000) as i64
    })));
    limited.assert_spilled();
}

/// By what to multiply in order to undo a multiplication by `a` modulo `n`.
fn inverse(a: u64, n: u64) -> u128 {
    let (a, n) = (i128::from(a), i128::from(n));
    let (mut r, mut s) = ((n, a % n), (0i128, 1i128));
    while r.1 != 0 {
        let q = r.0 / r.1;
        r = (r.1, r.0 - q * r.1);
        s = (s.1, s.0 - q * s.1);
    }
    assert_eq!(r.0, 1);
    s.0.rem_euclid(n) as u128
}
