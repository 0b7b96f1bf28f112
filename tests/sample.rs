//! Samples: how many, the same however they are read, and the same before a filter and behind it.

mod common;

use common::{Files, Value, rows, session, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

/// Whether the documented function draws this row: written anew.
fn is_drawn(fraction: f64, seed: u64, file: &str, position: u64) -> bool {
    const GOLDEN: u64 = 0x9E3779B97F4A7C15;
    let finalise = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        z ^ (z >> 31)
    };
    let mut name = 0xCBF29CE484222325u64;
    for byte in file.bytes() {
        name = (name ^ u64::from(byte)).wrapping_mul(0x100000001B3);
    }
    let key = finalise(finalise(seed.wrapping_add(GOLDEN)) ^ name);
    let hash = finalise(key.wrapping_add((position + 1).wrapping_mul(GOLDEN)));
    (hash as f64) < fraction * 2f64.powi(64)
}

/// The rows of the generated files that a naive reader of lines draws.
fn naive(fraction: f64, seed: u64) -> usize {
    let mut drawn = 0;
    for year in 2012..2019 {
        let path = format!("testdata/baci/BACI_HS12_Y{year}.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut at = 0;
        for (i, line) in text.split_inclusive('\n').enumerate() {
            drawn += usize::from(i > 0 && is_drawn(fraction, seed, &path, at));
            at += line.len() as u64;
        }
    }
    drawn
}

#[test]
fn the_rows_that_the_documented_function_draws() {
    for (fraction, seed) in [(0.0, 1), (0.01, 1), (0.1, 7), (0.5, 8), (0.97, 9), (1.0, 10)] {
        let expected = naive(fraction, seed);
        let (mean, sigma) = (14_000.0 * fraction, (14_000.0 * fraction * (1.0 - fraction)).sqrt());
        assert!((expected as f64 - mean).abs() <= 5.0 * sigma, "{expected} of 14,000 at {fraction}");
        let mut first = None;
        for (name, session) in sessions() {
            let got = rows(&session.read_csv(GENERATED).sample(fraction, seed).compute().unwrap());
            assert_eq!(got.len(), expected, "{name}");
            // All in order, and the same wherever partitions are cut.
            assert_eq!(first.get_or_insert(got.clone()), &got, "{name}");
        }
    }
}

#[test]
fn before_a_filter_is_behind_it() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let condition = || col("v").gt(300).and(col("q").is_not_null());
        let before = df.sample(0.2, 3).filter(condition()).compute().unwrap();
        let behind = df.filter(condition()).sample(0.2, 3).compute().unwrap();
        assert_eq!(before, behind, "{name}");
        // Drawn from the rows, then filtered, by hand.
        let drawn = rows(&df.sample(0.2, 3).compute().unwrap());
        let kept = |row: &Vec<Value>| matches!(row[4], Value::Float(v) if v > 300.0) && row[5] != Value::Null;
        let by_hand: Vec<_> = drawn.into_iter().filter(kept).collect();
        assert!(!by_hand.is_empty());
        assert_eq!(rows(&behind), by_hand, "{name}");
        // Behind projections and concatenations too.
        let price = [col("k"), (col("v") / col("q")).alias("price")];
        let projected = df.select(price.clone()).sample(0.2, 3).compute().unwrap();
        assert_eq!(projected, df.sample(0.2, 3).select(price).compute().unwrap(), "{name}");
        let both = concat([df.clone(), df.clone()]).sample(0.2, 3);
        assert_eq!(
            both.compute().unwrap(),
            concat([df.sample(0.2, 3), df.sample(0.2, 3)]).compute().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn what_was_drawn_is_drawn_again() {
    let df = session(1000).read_csv(GENERATED);
    let (small, large) = (rows(&df.sample(0.1, 5).compute().unwrap()), rows(&df.sample(0.3, 5).compute().unwrap()));
    assert!(small.iter().all(|row| large.contains(row)));
    for twice in [df.sample(0.1, 5).sample(0.3, 5), df.sample(0.3, 5).sample(0.1, 5)] {
        assert_eq!(rows(&twice.compute().unwrap()), small);
    }
    assert_ne!(rows(&df.sample(0.1, 6).compute().unwrap()), small);
}

#[test]
fn what_is_not_drawn_is_not_looked_at() {
    let mut text = "a,b\n".to_owned();
    for i in 0..1000 {
        text += &format!("{i},{}\n", if i == 500 { "x" } else { "1" });
    }
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let options = || CsvOptions::new().dtype("b", Type::Int64);
    let path = files.path("f.csv");
    let bad = text.find("500,x").unwrap() as u64;
    let drawn = |seed: &u64| is_drawn(0.5, *seed, path.to_str().unwrap(), bad);
    let (with, without) = ((0..).find(drawn).unwrap(), (0..).find(|seed| !drawn(seed)).unwrap());
    for partition in [1, 100, 1 << 20] {
        let df = session(partition).read_csv_with(&path, options());
        let e = df.sample(0.5, with).agg([col("b").sum()]).compute().unwrap_err();
        assert_eq!((e.kind(), e.position().unwrap().line), (ErrorKind::Value, Some(502)));
        for query in [df.sample(0.5, without), df.sample(0.5, without).filter(col("b").gt(0))] {
            let sum = query.agg([col("b").sum(), size()]).compute().unwrap();
            let row = &rows(&sum)[0];
            assert_eq!(row[0], row[1]);
        }
    }
}

#[test]
fn the_plan_and_wrong_fractions() {
    let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    let query = df.filter(col("t").eq(2018)).select(["v"]).sample(0.1, 7);
    assert_eq!(
        query.explain(Stop::Logical).unwrap(),
        "sample 10 % seed 7\n  select v\n    filter t = 2018\n      \
         scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": t, i, j, k, v, q\n"
    );
    assert_eq!(
        query.explain(Stop::Optimised).unwrap(),
        "select v\n  scan csv \"testdata/baci/BACI_HS12_Y2018.csv\": v, sample 10 % seed 7 where t = 2018\n"
    );
    for wrong in [-0.5, 1.5, f64::NAN] {
        let e = df.sample(wrong, 1).schema().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert_eq!(e.steps().len(), 1, "{e}");
    }
}

#[test]
fn rows_of_no_file_are_drawn_by_their_number() {
    let whole = session(1 << 30);
    let groups = |session: &Session| session.read_csv("testdata/baci/BACI_HS12_Y*.csv").group_by(["k"]).agg([size()]);
    let all = rows(&groups(&whole).compute().unwrap());
    let drawn = rows(&groups(&whole).sample(0.3, 5).compute().unwrap());
    let expected = 0.3 * all.len() as f64;
    assert!((drawn.len() as f64 - expected).abs() < 5.0 * (expected * 0.7).sqrt(), "{} of {}", drawn.len(), all.len());
    assert!(drawn.iter().all(|row| all.contains(row)));
    // The same rows again: cut otherwise, kept, as a table, filtered behind.
    assert_eq!(rows(&groups(&session(2000)).sample(0.3, 5).compute().unwrap()), drawn);
    let table = groups(&whole).compute().unwrap();
    assert_eq!(rows(&whole.frame(table).sample(0.3, 5).compute().unwrap()), drawn);
    let kept = session(2000).read_csv("testdata/baci/BACI_HS12_Y*.csv").sort(["v"]).repartition(9).persist().unwrap();
    let one = whole.read_csv("testdata/baci/BACI_HS12_Y*.csv").sort(["v"]);
    assert_eq!(rows(&kept.sample(0.1, 1).compute().unwrap()), rows(&one.sample(0.1, 1).compute().unwrap()));
    let filtered = groups(&whole).sample(0.3, 5).filter(col("size").gt(3)).compute().unwrap();
    let naive: Vec<_> = drawn.iter().filter(|row| matches!(row[1], Value::Int(n) if n > 3)).cloned().collect();
    assert_eq!(rows(&filtered), naive);
}
