//! The profile of a run: what it holds of real runs, and the command line that writes it.
#![cfg(feature = "cli")]

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use partita::prelude::*;
use partita::{Event, Observer, Profile, Stop};
use serde_json::Value;

const BACI: &str = "testdata/baci/BACI_HS12_Y*.csv";

/// The data in a page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Spans as numbers: kind, begin, end, run, tasks, rows, bytes, spilled, result.
fn spans(lane: &Value) -> Vec<Vec<i64>> {
    let numbers = |span: &Value| span.as_array().unwrap()[..9].iter().map(|n| n.as_i64().unwrap()).collect();
    lane["spans"].as_array().unwrap().iter().map(numbers).collect()
}

fn lanes(data: &Value) -> Vec<Vec<Vec<i64>>> {
    data["lanes"].as_array().unwrap().iter().map(spans).collect()
}

#[derive(Default)]
struct Tasks(AtomicU64);

impl Observer for Tasks {
    fn on(&self, event: &Event) {
        if let Event::TaskFinished { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn every_task_of_a_run_is_in_its_profile_once() {
    for threads in [1, 2, 4] {
        let (profile, tasks) = (Arc::new(Profile::new()), Arc::new(Tasks::default()));
        let session = Session::builder().threads(threads).partition_size(10_000);
        let session = session.observer(profile.clone()).observer(tasks.clone()).build().unwrap();
        let query = session.read_csv(BACI).group_by(["k"]).agg([col("v").sum()]);
        query.compute().unwrap();
        profile.add_plan("sum", query.explain(Stop::All).unwrap());
        let data = data(&profile.to_html());
        let lanes = lanes(&data);
        assert!(lanes.len() <= threads, "{} lanes", lanes.len());
        let sum = |place: usize| lanes.iter().flatten().map(|span| span[place]).sum::<i64>();
        assert_eq!(sum(4), tasks.0.load(Ordering::Relaxed) as i64);
        assert!(sum(4) > 20, "{}", sum(4));
        // Each row is counted on the task that read it; some are read again where a partition began elsewhere than assumed.
        assert!(sum(5) >= 14_000, "{}", sum(5));
        for lane in &lanes {
            assert!(lane.iter().all(|span| span[1] <= span[2]), "{lane:?}");
            assert!(lane.windows(2).all(|pair| pair[0][2] <= pair[1][1]), "{lane:?}");
        }
        let run = &data["runs"][0];
        assert!(run[1].as_i64() <= run[2].as_i64() && run[5].is_null(), "{run}");
        let (begin, end) = (run[1].as_i64().unwrap(), run[2].as_i64().unwrap());
        assert!(lanes.iter().flatten().all(|span| begin <= span[1] && span[2] <= end));
        assert_eq!(data["limit"].as_u64(), Some(session.memory() as u64));
        let booked = data["booked"].as_array().unwrap();
        assert!(booked.iter().any(|point| point[2].as_u64() > Some(0)), "{booked:?}");
        assert!(data["plans"][0][1].as_str().unwrap().contains("aggregate"));
    }
}

#[test]
fn tasks_of_a_run_inside_a_task_are_below_it() {
    let profile = Arc::new(Profile::new());
    let session = Session::builder().threads(1).observer(profile.clone()).build().unwrap();
    let inner = session.delayed("inner", || 20);
    let outer = session.delayed("outer", move || *inner.compute().unwrap() + 1);
    assert_eq!(*outer.compute().unwrap(), 21);
    let data = data(&profile.to_html());
    let shown = |lane: usize| (data["lanes"][lane]["depth"].as_u64().unwrap(), &data["lanes"][lane]["spans"][0][9]);
    assert_eq!([shown(0), shown(1)], [(0, &"outer".into()), (1, &"inner".into())]);
    let (outer, inner) = (&lanes(&data)[0][0], &lanes(&data)[1][0]);
    assert!(outer[1] <= inner[1] && inner[2] <= outer[2], "{outer:?} {inner:?}");
}

#[test]
fn a_profile_is_bounded() {
    let profile = Arc::new(Profile::new());
    let session = Session::builder().threads(2).observer(profile.clone()).build().unwrap();
    let tasks: Vec<_> = (0..60_000).map(|i| session.delayed(format!("tiny {i}"), move || i)).collect();
    Delayed::all(tasks).compute().unwrap();
    let page = profile.to_html();
    let lanes = lanes(&data(&page));
    let shown = lanes.iter().flatten().count();
    assert!(shown <= 20_000, "{shown} spans");
    assert_eq!(lanes.iter().flatten().map(|span| span[4]).sum::<i64>(), 60_001);
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}

fn partita(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_partita")).args(args).output().unwrap()
}

#[test]
fn the_command_line_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile.html");
    let (path, query) = (file.to_str().unwrap(), format!("SELECT k, sum(v) AS v FROM '{BACI}' GROUP BY k ORDER BY k"));
    let plain = partita(&["sql", &query]);
    fs::write(&file, "what was there").unwrap();
    let output = partita(&["sql", &query, "--profile", path]);
    assert_eq!((output.status.code(), &output.stdout), (Some(0), &plain.stdout));
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let shown = data(&page);
    assert_eq!(shown["plans"][0][0], query.as_str());
    assert!(shown["plans"][0][1].as_str().unwrap().contains("scan csv"));
    assert_eq!(shown["runs"].as_array().unwrap().len(), 1);
    // Only the page is there: it was written beside its place.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    // A run that fails has one too, which says why.
    let failing = format!("SELECT CAST('x' || k AS INTEGER) AS n FROM '{BACI}'");
    let output = partita(&["sql", &failing, "--profile", path]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = data(&fs::read_to_string(&file).unwrap());
    assert!(shown["runs"].as_array().unwrap().iter().any(|run| run[5].is_string()), "{}", shown["runs"]);

    // Other commands that run something have it as well.
    let output = partita(&["count", BACI, "--profile", path]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!lanes(&data(&fs::read_to_string(&file).unwrap())).is_empty());
}

#[test]
fn a_profile_that_can_not_be_written_is_an_error_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no/profile.html");
    for (path, why) in [(missing.as_path(), "there is no folder"), (dir.path(), "it is a folder")] {
        let query = format!("SELECT * FROM '{BACI}'");
        let output = partita(&["sql", &query, "--profile", path.to_str().unwrap()]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{message}");
        assert!(message.contains("can't be written") && message.contains(why), "{message}");
    }
    let error = Profile::new().write(missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}
