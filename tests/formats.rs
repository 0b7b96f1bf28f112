//! Parquet and Arrow IPC files of other programs, read as the rows that they were made of; damaged ones, and those whose
//! row groups a filter rules out.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Files, Value, assert_same, rows, session, sessions};
use partita::prelude::*;

const FOLDER: &str = "testdata/formats";

/// The rows that `make.py` put into every file, from text that Python alone wrote.
fn expected() -> Vec<Vec<Value>> {
    let text = fs::read_to_string(format!("{FOLDER}/rows.tsv")).unwrap();
    let value = |(column, cell): (usize, &str)| match (column, cell) {
        (_, "NULL") => Value::Null,
        (0 | 1, number) => Value::Int(number.parse().unwrap()),
        (2, number) => Value::Float(number.parse().unwrap()),
        (6 | 7, text) => Value::Text(text.strip_prefix('\'').unwrap().replace("\\n", "\n")),
        (5, time) => Value::Text(time.trim_end_matches("000").trim_end_matches('.').to_owned()),
        (_, text) => Value::Text(text.to_owned()),
    };
    text.lines().skip(1).map(|line| line.split('\t').enumerate().map(value).collect()).collect()
}

fn read(session: &Session, path: impl AsRef<Path>) -> Frame {
    match path.as_ref().extension().unwrap().to_str().unwrap() {
        "parquet" => session.read_parquet(path.as_ref()),
        _ => session.read_ipc(path.as_ref()),
    }
}

/// The files that hold the rows of `rows.tsv`.
fn files() -> Vec<PathBuf> {
    let files = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let kinds = ["parquet", "arrow", "arrows", "feather"];
    let mut files: Vec<PathBuf> = files
        .filter(|path| kinds.iter().any(|kind| path.extension().is_some_and(|e| e == *kind)))
        .filter(|path| !path.ends_with("edge.parquet") && !path.ends_with("list.parquet"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_program_s_file_reads_as_the_rows_that_it_holds() {
    let expected = expected();
    assert_eq!((expected.len(), files().len()), (200, 15));
    for (name, session) in sessions() {
        for file in files() {
            let frame = read(&session, &file);
            let types: Vec<String> =
                frame.schema().unwrap().fields().iter().map(|f| Type::of(f.data_type()).unwrap().to_string()).collect();
            assert_eq!(types.join(" "), "int64 int64 float64 bool date timestamp text text", "{file:?}");
            let table = frame.compute().unwrap();
            assert_same(&rows(&table), &expected, &format!("{} with {name}", file.display()));
        }
    }
}

#[test]
fn some_columns_and_rows_are_those_of_all() {
    for file in files() {
        let frame = read(&session(1000), &file);
        let all = rows(&frame.compute().unwrap());
        let some = frame.filter(col("id").ge(37).and(col("kind").ne("beta"))).select(["text", "id"]);
        let expected: Vec<Vec<Value>> = all
            .into_iter()
            .filter(|row| matches!(row[0], Value::Int(37..)) && matches!(&row[7], Value::Text(kind) if kind != "beta"))
            .map(|row| vec![row[6].clone(), row[0].clone()])
            .collect();
        assert_same(&rows(&some.compute().unwrap()), &expected, &file.display().to_string());
        assert_eq!(rows(&frame.agg([size()]).compute().unwrap()), [[Value::Int(200)]], "{file:?}");
    }
}

#[test]
fn partitions_are_runs_of_row_groups_and_batches() {
    let count = |size, file: &str| read(&session(size), format!("{FOLDER}/{file}")).npartitions().unwrap();
    assert_eq!(count(1, "pyarrow.parquet"), 4);
    assert_eq!(count(1 << 30, "pyarrow.parquet"), 1);
    assert_eq!(count(1, "pyarrow.arrow"), 4);
    assert_eq!(count(1 << 30, "pyarrow.arrow"), 1);
    assert_eq!(count(1, "pyarrow_stream.arrows"), 1);
    // Two files are two partitions at least.
    let both = [format!("{FOLDER}/pyarrow.parquet"), format!("{FOLDER}/pandas.parquet")];
    assert_eq!(session(1 << 30).read_parquet(both).npartitions().unwrap(), 2);
}

#[test]
fn types_at_the_edge_come_to_ours() {
    let frame = read_parquet(format!("{FOLDER}/edge.parquet"));
    let types: Vec<String> =
        frame.schema().unwrap().fields().iter().map(|f| Type::of(f.data_type()).unwrap().to_string()).collect();
    assert_eq!(types.join(" "), "float64 timestamp text float64 timestamp int64");
    let text = |s: &str| Value::Text(s.into());
    let expected = [
        vec![
            Value::Null,
            text("1970-01-01T00:00:00"),
            Value::Null,
            Value::Float(0.5),
            text("1970-01-01T00:00:00"),
            Value::Int(1),
        ],
        vec![
            Value::Float(1.25),
            text("1970-01-01T00:00:01.500"),
            Value::Null,
            Value::Null,
            text("1970-01-02T00:00:00"),
            Value::Int(i64::MAX),
        ],
        vec![Value::Float(-3.5), Value::Null, Value::Null, Value::Float(1e10), Value::Null, Value::Null],
    ];
    assert_eq!(rows(&frame.compute().unwrap()), expected);

    let error = read_parquet(format!("{FOLDER}/list.parquet")).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(error.message().contains("'xs'") && error.position().unwrap().file.ends_with("list.parquet"), "{error}");
}

#[test]
fn files_agree_by_name_and_widen() {
    let dir = Files::new(&[]);
    let csv = |name: &str, text: &str| {
        let path = dir.path(&format!("{name}.csv"));
        fs::write(&path, text).unwrap();
        read_csv(path)
    };
    for kind in ["parquet", "arrow"] {
        let write = |name: &str, frame: Frame| {
            let options = if kind == "parquet" { WriteOptions::parquet() } else { WriteOptions::ipc() };
            frame.write(dir.path(&format!("{name}.{kind}")), options).unwrap();
        };
        write("1", csv("1", "a,b,c\n1,2020-01-01,x\n"));
        write("2", csv("2", "c,b,a\ny,2020-01-01T12:00:00,2.5\n"));
        let glob = dir.path(&format!("[12].{kind}"));
        let frame = if kind == "parquet" { read_parquet(&glob) } else { read_ipc(&glob) };
        let text = |s: &str| Value::Text(s.into());
        let expected = [
            [Value::Float(1.0), text("2020-01-01T00:00:00"), text("x")],
            [Value::Float(2.5), text("2020-01-01T12:00:00"), text("y")],
        ];
        assert_eq!(rows(&frame.compute().unwrap()), expected);
        // The filter sees the widened types, whatever a file's statistics are of.
        let filtered = frame.filter(col("a").gt(1.5).and(col("b").gt("2020-01-01")));
        assert_eq!(rows(&filtered.compute().unwrap()), expected[1..]);

        write("3", csv("3", "a,b\n1,2020-01-01\n"));
        write("4", csv("4", "a,b,c\nz,2020-01-01,x\n"));
        let read = |names: [&str; 2]| {
            let paths = names.map(|name| dir.path(&format!("{name}.{kind}")));
            let frame = if kind == "parquet" { read_parquet(paths) } else { read_ipc(paths) };
            frame.schema().unwrap_err()
        };
        for files in [["1", "3"], ["3", "1"]] {
            let error = read(files);
            assert_eq!(error.kind(), ErrorKind::Column);
            assert!(error.message().contains("no column 'c'"), "{error}");
            assert!(error.position().unwrap().file.ends_with(format!("3.{kind}")), "{error}");
        }
        let error = read(["1", "4"]);
        assert_eq!(error.kind(), ErrorKind::Type);
        assert!(error.position().unwrap().file.ends_with(format!("4.{kind}")), "{error}");
    }
}

/// Row groups of 50 rows whose ids run from 0 to 199; the bytes of the last three are made garbage, so that reading them fails.
fn first_group_alone() -> (Files, PathBuf) {
    let bytes = fs::read(format!("{FOLDER}/polars.parquet")).unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(bytes.clone()))
        .unwrap();
    let mut garbage = bytes;
    for group in &metadata.row_groups()[1..] {
        for column in group.columns() {
            let (start, length) = column.byte_range();
            garbage[start as usize..(start + length) as usize].fill(0xff);
        }
    }
    let files = Files::new(&[("a.parquet", &garbage)]);
    let path = files.path("a.parquet");
    (files, path)
}

#[test]
fn row_groups_that_a_filter_rules_out_are_not_read() {
    let (_files, path) = first_group_alone();
    for size in [1, 1 << 30] {
        let frame = session(size).read_parquet(&path);
        let day = |text: &str| lit_date(text);
        let ruled_out = [
            (col("id").lt(50), 50),
            (col("id").le(49).and(col("price").is_null()), 5),
            (lit(50).gt(col("id")), 50),
            (col("id").eq(7).or(col("id").eq(9)), 2),
            (col("id").between(10, 20), 11),
            (col("id").lt(49.5), 50),
            (col("price").lt(6.0), 43),
            (col("price").eq(0.25), 1),
            (col("day").lt(day("2012-02-01")), 29),
            (col("day").lt("2012-02-01"), 29),
            (col("at").lt(lit_timestamp("2018-07-31 12:00:10")), 9),
            (col("id").lt(50).and(col("text").len_chars().gt(0)), 47),
        ];
        for (filter, rows) in ruled_out {
            let text = filter.to_string();
            let table = frame.filter(filter).compute().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(table.num_rows(), rows, "{text}");
        }
        // What may be true in the groups behind is read there, and fails.
        let needed = [
            col("id").le(50),
            col("id").ne(3),
            col("price").gt(1e9),
            col("price").ne(1.0),
            col("price").eq(f64::NAN),
            col("small").is_null(),
            (col("id") + lit(0)).lt(50),
            col("id").lt(50).or(col("text").eq("row 3")),
        ];
        for filter in needed {
            let text = filter.to_string();
            let error = frame.filter(filter).compute().expect_err(&text);
            assert_eq!(error.kind(), ErrorKind::Malformed, "{text}: {error}");
        }
    }
}

#[test]
fn what_statistics_rule_out_is_what_the_filter_rules_out() {
    let plain = read_parquet(format!("{FOLDER}/pyarrow_plain.parquet"));
    let edges = ["id", "small", "price", "flag", "day", "at", "text", "kind"];
    let values: Vec<Vec<Expr>> = vec![
        vec![lit(0), lit(59), lit(60), lit(199), lit(59.5), lit(-1)],
        vec![lit(-50), lit(49), lit(100)],
        vec![lit(0.0), lit(-0.0), lit(7.375), lit(24.875), lit(f64::NAN), lit(f64::INFINITY), lit(3)],
        vec![lit(true), lit(false)],
        vec![lit_date("2012-01-01"), lit("2012-02-29"), lit_date("2012-07-18"), lit_timestamp("2012-01-01 00:00:01")],
        vec![lit_timestamp("2018-07-31 12:00:00"), lit("2018-07-31 12:00:59.059"), lit_date("2018-07-31")],
        vec![lit(""), lit("row 199"), lit("text"), lit("zzz")],
        vec![lit("alpha"), lit("beta"), lit("omega")],
    ];
    for file in files().iter().filter(|f| f.extension().unwrap() == "parquet") {
        let frame = session(1).read_parquet(file);
        for (name, values) in edges.iter().zip(&values) {
            let c = || col(*name);
            let mut filters = vec![c().is_null(), c().is_not_null(), c().is_null().not()];
            for value in values {
                let v = || value.clone();
                let comparisons = [c().lt(v()), c().le(v()), c().gt(v()), c().ge(v()), c().eq(v()), c().ne(v())];
                filters.extend(comparisons.iter().map(|f| f.clone().not()));
                filters.extend(comparisons.iter().map(|f| f.clone().or(col("id").eq(120))));
                filters.extend(comparisons);
            }
            for filter in filters {
                let ids = |frame: &Frame| rows(&frame.filter(filter.clone()).select(["id"]).compute().unwrap());
                assert_eq!(ids(&frame), ids(&plain), "{} where {filter}", file.display());
            }
        }
    }
}

#[test]
fn a_flag_is_a_filter_by_itself() {
    let dir = Files::new(&[("a.csv", b"flag,n\nfalse,1\n,2\n"), ("b.csv", b"flag,n\ntrue,3\n")]);
    for name in ["a", "b"] {
        read_csv(dir.path(&format!("{name}.csv"))).write_parquet(dir.path(&format!("{name}.parquet"))).unwrap();
    }
    let frame = read_parquet(dir.path("*.parquet"));
    let n = |filter: Expr| rows(&frame.filter(filter).select(["n"]).compute().unwrap());
    assert_eq!(n(col("flag")), [[Value::Int(3)]]);
    assert_eq!(n(col("flag").not()), [[Value::Int(1)]]);
}

#[test]
fn files_cut_anywhere_are_errors() {
    let dir = Files::new(&[]);
    let frame = |path: &Path| read(&session(1), path);
    for file in files() {
        let bytes = fs::read(&file).unwrap();
        let path = dir.path(file.file_name().unwrap().to_str().unwrap());
        for end in (0..bytes.len()).step_by(bytes.len() / 23).chain(bytes.len() - 12..bytes.len()) {
            fs::write(&path, &bytes[..end]).unwrap();
            match frame(&path).compute() {
                // A stream that ends behind a batch is a shorter stream.
                Ok(table) => {
                    assert!(path.extension().unwrap() == "arrows" && table.num_rows() <= 200, "{path:?} {end}")
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Malformed, "{path:?} cut at {end}: {error}");
                    assert_eq!(error.position().unwrap().file, path);
                }
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = Files::new(&[]);
    let session = session(1);
    for (n, file) in files().into_iter().enumerate() {
        let bytes = fs::read(&file).unwrap();
        let path = dir.path(file.file_name().unwrap().to_str().unwrap());
        // Everything in the footer, where lengths are, and places all over the file.
        let tail = bytes.len().saturating_sub(1500)..bytes.len();
        for at in (n % 7..bytes.len()).step_by(293).chain(tail.step_by(7)) {
            for flip in [0xff, 0x80, 1 << (at % 7)] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                fs::write(&path, &damaged).unwrap();
                // Wrong values can't be noticed where nothing checks them.
                if let Err(error) = read(&session, &path).compute() {
                    let expected = [
                        ErrorKind::Malformed,
                        ErrorKind::Type,
                        ErrorKind::Overflow,
                        ErrorKind::Column,
                        ErrorKind::Memory,
                    ];
                    assert!(expected.contains(&error.kind()), "{path:?} with byte {at} ^ {flip:#x}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_file_that_changes_under_a_frame_is_an_error() {
    let dir = Files::new(&[]);
    for name in ["pyarrow.parquet", "pyarrow.arrow"] {
        let path = dir.path(name);
        fs::copy(format!("{FOLDER}/{name}"), &path).unwrap();
        let frame = read(&session(1), &path);
        frame.schema().unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3000).unwrap();
        let error = frame.compute().unwrap_err();
        assert!(error.message().contains("now has 3000"), "{error}");
        fs::remove_file(&path).unwrap();
        assert_eq!(frame.compute().unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn what_is_no_such_file_says_so() {
    let csv = "testdata/baci/country_codes.csv";
    for error in [read_parquet(csv).schema().unwrap_err(), read_ipc(csv).schema().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains("of this format"), "{error}");
    }
    let swapped = read_parquet(format!("{FOLDER}/pyarrow.arrow")).schema().unwrap_err();
    assert_eq!(swapped.kind(), ErrorKind::Malformed);
    assert_eq!(read_ipc("no/such.arrow").schema().unwrap_err().kind(), ErrorKind::NotFound);
    let plan = read_parquet(format!("{FOLDER}/polars.parquet")).filter(col("id").lt(5)).select(["id"]);
    assert!(plan.explain(Stop::Optimised).unwrap().contains("scan parquet \"testdata/formats/polars.parquet\""));
}
