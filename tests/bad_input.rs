//! Mistakes and broken files: each an error that says what, where, and how to mend it.

mod common;

use common::{Files, Value, rows, session, sessions};
use partita::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn error(frame: &Frame) -> Error {
    frame.compute().unwrap_err()
}

#[test]
fn no_file() {
    let files = Files::new(&[]);
    for name in ["*.csv", "one.csv"] {
        let e = error(&read_csv(files.path(name)).filter(col("t").eq(1)));
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert!(e.to_string().contains(name) && e.to_string().contains("in read_csv("), "{e}");
    }
}

#[test]
fn a_directory() {
    let files = Files::new(&[("a.csv", b"x\n1\n")]);
    let e = error(&read_csv(files.path("")));
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains("is a directory") && e.to_string().contains("*.csv"), "{e}");
}

#[cfg(unix)]
#[test]
fn no_permission() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new(&[("a.csv", b"x\n1\n")]);
    std::fs::set_permissions(files.path("a.csv"), std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(files.path("a.csv")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let e = error(&read_csv(files.path("a.csv")));
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains("no permission"), "{e}");
}

#[test]
fn an_unknown_column_names_the_nearest_at_every_end_of_the_chain() {
    let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    let wrong = df.filter(col("t").eq(2018)).group_by(["k"]).agg([col("quantity").mean()]).head(3);
    for e in [
        error(&wrong),
        wrong.schema().unwrap_err(),
        wrong.explain(Stop::All).unwrap_err(),
        wrong.npartitions().unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::Column);
        let text = e.to_string();
        assert!(text.contains("no column 'quantity'") && text.contains("'t', 'i', 'j', 'k', 'v', 'q'"), "{text}");
        assert!(text.contains("in group_by(k).agg(mean(quantity))"), "{text}");
    }
    let near = df.filter(col("Q").gt(1)).schema().unwrap_err().to_string();
    assert!(near.contains("did you mean 'q'?") && near.contains("in filter(Q > 1)"), "{near}");
    assert!(
        df.sort(["w"]).schema().is_err()
            && df.select(["w"]).schema().is_err()
            && df.group_by(["w"]).agg([size()]).schema().is_err()
    );
}

#[test]
fn text_in_place_of_a_number_in_row_three_million() {
    let mut text = b"a,b\n".to_vec();
    for _ in 1..3_000_000 {
        text.extend_from_slice(b"1,2.5\n");
    }
    let byte = text.len() + 2;
    text.extend_from_slice(b"1,oops\n");
    for _ in 0..100_000 {
        text.extend_from_slice(b"1,2.5\n");
    }
    let files = Files::new(&[("f.csv", &text)]);
    for partition in [1 << 30, 1_000_000] {
        let strict = session(partition).read_csv_with(files.path("f.csv"), CsvOptions::new().strict(true));
        let e = error(&strict.agg([col("b").sum()]));
        assert_eq!(e.kind(), ErrorKind::Value);
        let at = e.position().unwrap();
        assert_eq!((at.line, at.byte, at.column.as_deref()), (Some(3_000_001), Some(byte as u64), Some("b")));
        assert_eq!(at.file, files.path("f.csv"));
        for part in ["column 'b' is float64", "\"oops\"", "Type::Text", "f.csv:3000001:3", "    1,oops\n      ^^^^\n"] {
            assert!(e.to_string().contains(part), "{part} in {e}");
        }
    }
    // What would hold the value is what the help names.
    let files_2 = Files::new(&[(
        "f.csv",
        ("a\n".to_owned() + &"1\n".repeat(200_000) + "1.5\n" + &"1\n".repeat(200_000)).as_bytes(),
    )]);
    let strict = read_csv_with(files_2.path("f.csv"), CsvOptions::new().strict(true));
    let e = error(&strict.agg([col("a").sum()])).to_string();
    assert!(e.contains("column 'a' is int64, and \"1.5\" is not") && e.contains("Type::Float64"), "{e}");
    // A column that is not asked for is not read, and so not wrong.
    let sum = session(1_000_000).read_csv(files.path("f.csv")).agg([col("a").sum()]).compute().unwrap();
    assert_eq!(rows(&sum), [[Value::Int(3_100_000)]]);
}

#[test]
fn a_ragged_row() {
    for (row, fields) in [("1", "1 field"), ("1,2,3", "3 fields")] {
        let text = format!("a,b\n{}{row}\n{}", "1,\"x\ny\"\n".repeat(3000), "1,2\n".repeat(3000));
        let files = Files::new(&[("f.csv", text.as_bytes())]);
        for (name, session) in sessions() {
            let e = error(&session.read_csv(files.path("f.csv")));
            assert_eq!(e.kind(), ErrorKind::Malformed, "{name}: {e}");
            assert!(e.to_string().contains(&format!("a row has {fields}, the header 2")), "{name}: {e}");
            let at = e.position().unwrap();
            assert_eq!((at.line, at.byte), (Some(6002), Some(4 + 8 * 3000)), "{name}");
        }
    }
}

#[test]
fn an_unclosed_quote_is_an_error_at_its_opening() {
    let text = format!("a,b\n{}7,\"open\n{}", "1,x\n".repeat(5000), "1,x\n".repeat(100_000));
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for (name, session) in sessions() {
        let df = |options| session.read_csv_with(files.path("f.csv"), options);
        for (options, within) in [
            (CsvOptions::new(), "by the end of the file"),
            (CsvOptions::new().max_record(100_000), "within 100000 bytes"),
        ] {
            let e = error(&df(options));
            assert_eq!(e.kind(), ErrorKind::Malformed, "{name}: {e}");
            assert!(e.to_string().contains(within), "{name}: {e}");
            let at = e.position().unwrap();
            assert_eq!((at.line, at.byte), (Some(5002), Some(4 + 4 * 5000 + 2)), "{name}");
        }
        // Told that quotes mean nothing, it is a text like any other.
        let rows = df(CsvOptions::new().quote(None)).agg([size()]).compute().unwrap();
        assert_eq!(common::rows(&rows), [[Value::Int(105_001)]], "{name}");
    }
}

#[test]
fn an_unclosed_quote_in_the_header() {
    let text = format!("a,\"b\n{}", "1,2\n".repeat(100_000));
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for (options, within) in
        [(CsvOptions::new(), "by the end of the file"), (CsvOptions::new().max_record(100_000), "within 100000 bytes")]
    {
        let e = error(&session(1000).read_csv_with(files.path("f.csv"), options));
        assert_eq!(
            (e.kind(), e.position().unwrap().line, e.position().unwrap().byte),
            (ErrorKind::Malformed, Some(1), Some(2))
        );
        assert!(e.to_string().contains(within), "{e}");
    }
}

#[test]
fn lines_that_end_in_carriage_returns_alone() {
    let files = Files::new(&[("f.csv", b"a,b\r1,2\r3,4\r")]);
    let sums = read_csv(files.path("f.csv")).agg([col("a").sum(), col("b").sum()]).compute().unwrap();
    assert_eq!(rows(&sums), [[Value::Int(4), Value::Int(6)]]);
}

#[test]
fn nul_bytes_and_invalid_utf8() {
    let files = Files::new(&[
        ("nul.csv", b"a,b\n1,x\0y\n"),
        ("number.csv", b"a,b\n1,2\n\0,3\n"),
        ("latin1.csv", b"a,b\n1,ok\n2,C\xf4te\n"),
        ("header.csv", b"a,\xff\n1,2\n"),
        ("utf16.csv", b"a\0,\0b\0\n\0"),
    ]);
    let read = |name: &str| session(5).read_csv(files.path(name));
    assert_eq!(rows(&read("nul.csv").compute().unwrap())[0][1], Value::Text("x\0y".into()));
    let options = CsvOptions::new().dtype("a", Type::Int64);
    let e = error(&session(5).read_csv_with(files.path("number.csv"), options));
    assert_eq!((e.kind(), e.position().unwrap().line), (ErrorKind::Value, Some(3)));
    assert!(e.to_string().contains("\"\\0\""), "{e}");
    let e = error(&read("latin1.csv"));
    assert_eq!(
        (e.kind(), e.position().unwrap().line, e.position().unwrap().byte),
        (ErrorKind::Value, Some(3), Some(12))
    );
    assert!(e.to_string().contains("not UTF-8"), "{e}");
    let e = error(&read("header.csv"));
    assert_eq!((e.kind(), e.position().unwrap().byte), (ErrorKind::Value, Some(2)));
    // UTF-16 without the mark that would tell.
    assert_eq!(error(&read("utf16.csv")).kind(), ErrorKind::Malformed);
}

#[test]
fn a_file_that_shrinks_grows_or_vanishes() {
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(10_000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let df = session(1000).read_csv(files.path("f.csv")).agg([col("a").sum()]);
    for new in [&text.as_bytes()[..20_000], &[text.as_bytes(), b"1,2\n"].concat()] {
        std::fs::write(files.path("f.csv"), new).unwrap();
        let e = error(&df);
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(e.to_string().contains("changed during the run"), "{e}");
    }
    std::fs::remove_file(files.path("f.csv")).unwrap();
    assert_eq!(error(&df).kind(), ErrorKind::NotFound);
}

/// Cuts the file when the first bytes have been read.
struct Truncate(std::path::PathBuf, AtomicBool);

impl partita::Observer for Truncate {
    fn on(&self, event: &partita::Event) {
        if matches!(event, partita::Event::Advanced { .. }) && !self.1.swap(true, Ordering::Relaxed) {
            std::fs::OpenOptions::new().write(true).open(&self.0).unwrap().set_len(2_000_000).unwrap();
        }
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read() {
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(1_000_000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let observer = Arc::new(Truncate(files.path("f.csv"), AtomicBool::new(false)));
    let session = Session::builder().threads(1).observer(observer).build().unwrap();
    let e = error(&session.read_csv(files.path("f.csv")).agg([col("a").sum()]));
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains("changed during the run"), "{e}");
}

#[test]
fn literals_and_aggregates_of_the_wrong_type() {
    let files = Files::new(&[("f.csv", b"n,s,d\n1,x,2020-01-01\n")]);
    let df = session(100).read_csv(files.path("f.csv"));
    for wrong in [
        df.filter(col("n").eq("x")),
        df.filter(col("s").gt(5)),
        df.filter(col("d").lt("yesterday")),
        df.filter(col("n") + 1),
        df.agg([col("s").sum()]),
        df.group_by(["n"]).agg([col("s").mean()]),
        df.agg([col("d").sum()]),
        df.select([col("s") * 2]),
    ] {
        let e = error(&wrong);
        assert_eq!(e.kind(), ErrorKind::Type, "{e}");
        assert_eq!(e.steps().len(), 1, "{e}");
        assert!(e.to_string().contains("help: "), "{e}");
    }
}

#[test]
fn names_used_twice_and_nothing_asked_for() {
    let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    let e = error(&df.agg([col("q").mean(), col("q").sum()]));
    assert_eq!(e.kind(), ErrorKind::Column);
    assert!(e.to_string().contains(".alias("), "{e}");
    for wrong in [df.agg([]), df.select(Vec::<Expr>::new()), df.sort(Vec::<SortKey>::new())] {
        assert_eq!(error(&wrong).kind(), ErrorKind::Config);
    }
}

#[test]
fn settings_that_make_no_sense() {
    for wrong in [
        Session::builder().threads(0).build(),
        Session::builder().memory(1000).build(),
        Session::builder().partition_size(0).build(),
        Session::builder().split_every(1).build(),
    ] {
        let e = wrong.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert!(e.to_string().contains("help: ") || e.to_string().contains("at least"), "{e}");
    }
}

#[test]
fn integers_beyond_64_bits() {
    let files = Files::new(&[("f.csv", format!("a\n{}\n{}\n", i64::MAX, i64::MAX).as_bytes())]);
    let df = session(100).read_csv(files.path("f.csv"));
    assert_eq!(error(&df.agg([col("a").sum()])).kind(), ErrorKind::Overflow);
    assert_eq!(error(&df.select([col("a") + 1])).kind(), ErrorKind::Overflow);
    // A filter that stands before keeps rows from arithmetic that they would break.
    assert_eq!(df.filter(col("a").lt(5)).filter((col("a") + 1).gt(0)).compute().unwrap().num_rows(), 0);
}

#[test]
fn a_result_beyond_the_memory_limit() {
    let text = "a,b\n".to_owned() + &format!("1,{}\n", "x".repeat(96)).repeat(600_000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let session = Session::builder().threads(2).memory(32 << 20).partition_size(1 << 20).build().unwrap();
    let df = session.read_csv(files.path("f.csv"));
    let e = error(&df);
    assert_eq!(e.kind(), ErrorKind::Memory);
    assert!(e.to_string().contains("memory limit"), "{e}");
    // What does not hold all rows runs in it.
    assert_eq!(rows(&df.agg([size()]).compute().unwrap()), [[Value::Int(600_000)]]);
    assert_eq!(df.head(3).compute().unwrap().num_rows(), 3);
}

#[test]
fn a_cancelled_run() {
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(2_000_000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let running = session(100_000).read_csv(files.path("f.csv")).agg([col("a").sum()]).submit();
    running.cancel();
    // It may have been done before; if it was not, it says so.
    if let Err(e) = running.wait() {
        assert_eq!(e.kind(), ErrorKind::Cancelled);
    }
}
