//! A query whose threads could not go on within the limit is refused before anything is read.

use partita::prelude::*;
use partita::{ErrorKind, Session};

#[test]
fn a_query_that_cannot_run_is_refused_and_told_what_would_do() {
    let limited = |threads, memory| Session::builder().threads(threads).memory(memory).build().unwrap();
    let query = |session: &Session| {
        let df = session.read_csv("testdata/baci/BACI_HS12_Y*.csv");
        df.group_by(["k"]).agg([col("q").max(), size().alias("rows")]).sort([col("k").asc()])
    };
    let error = query(&limited(16, 16 << 20)).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    let text = error.to_string();
    assert!(text.contains("needs at least") && text.contains("on 16 threads"), "{text}");
    let smallest = text.split("smallest limit that works is ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let smallest: usize = smallest.parse().unwrap();
    assert!(smallest > 16 << 20, "{text}");
    // What it names works, and one byte less does not; so do fewer threads, and any larger limit.
    let want = query(&limited(2, 1 << 30)).compute().unwrap();
    for (threads, memory) in [(16, smallest), (2, 16 << 20), (1, 16 << 20), (16, 2 * smallest)] {
        let got = query(&limited(threads, memory)).compute().unwrap();
        assert_eq!(got.to_string(), want.to_string());
    }
    assert_eq!(query(&limited(16, smallest - 1)).compute().unwrap_err().kind(), ErrorKind::Memory);
}

#[test]
fn two_threads_and_three_operators_need_no_more_than_64_mib() {
    let session = Session::builder().threads(2).memory(64 << 20).build().unwrap();
    let df = session.read_csv("testdata/baci/BACI_HS12_Y*.csv");
    let query = df.distinct().group_by(["i", "k"]).agg([col("v").median()]).sort([col("v").desc()]);
    assert!(query.compute().is_ok());
}
