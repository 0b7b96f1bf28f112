//! What is written reads back as what it was, from every format, in one file and in many; nothing is replaced or left
//! behind that should not be.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use common::{Files, Value, rows, session, sessions};
use partita::prelude::*;
use proptest::prelude::*;

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    Table::new(batch.schema(), vec![batch]).unwrap()
}

/// A row of every type and hard case.
fn all_types() -> Table {
    table(vec![
        ("int", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN), Some(i64::MAX)]))),
        ("float", Arc::new(Float64Array::from(vec![Some(0.1 + 0.2), Some(f64::NAN), None, Some(-0.0)]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(18_292), None, Some(-1), Some(0)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(1_500_000), None, Some(-1)]))),
        ("text", Arc::new(StringViewArray::from(vec![Some("Côte, d'Ivoire"), None, Some(""), Some("a \"b\"\r\nc")]))),
    ])
}

fn formats() -> [(&'static str, WriteOptions); 7] {
    [
        ("csv", WriteOptions::csv()),
        ("parquet", WriteOptions::parquet()),
        ("parquet", WriteOptions::parquet().compression(Compression::None)),
        ("parquet", WriteOptions::parquet().compression(Compression::Zstd)),
        ("parquet", WriteOptions::parquet().compression(Compression::Lz4)),
        ("arrow", WriteOptions::ipc()),
        ("arrow", WriteOptions::ipc().compression(Compression::Zstd)),
    ]
}

/// Reads files of a format with the types that they were written from.
fn read(session: &Session, paths: impl Into<partita::Paths>, extension: &str, like: &Table) -> Frame {
    match extension {
        "csv" => {
            let types = like.schema().fields().iter();
            let options = types.fold(CsvOptions::new(), |options, field| {
                options.dtype(field.name().as_str(), Type::of(field.data_type()).unwrap())
            });
            session.read_csv_with(paths, options)
        }
        "parquet" => session.read_parquet(paths),
        _ => session.read_ipc(paths),
    }
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_type_comes_back() {
    let dir = Files::new(&[]);
    let table = all_types();
    for (i, (extension, options)) in formats().into_iter().enumerate() {
        let path = dir.path(&format!("{i}.{extension}"));
        let written = Frame::from(table.clone()).write(&path, options).unwrap();
        assert_eq!((written.files, written.rows), (vec![path.clone()], 4));
        assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
        assert_eq!(read(&session(1000), &path, extension, &table).compute().unwrap(), table, "{i} {extension}");
    }
    assert_eq!(
        fs::read_to_string(dir.path("0.csv")).unwrap(),
        "int,float,flag,day,at,text\n\
         1,0.30000000000000004,true,2020-01-31,1970-01-01T00:00:00,\"Côte, d'Ivoire\"\n\
         ,NaN,false,,1970-01-01T00:00:01.500,\n\
         -9223372036854775808,,,1969-12-31,,\"\"\n\
         9223372036854775807,-0.0,,1970-01-01,1969-12-31T23:59:59.999999,\"a \"\"b\"\"\r\nc\"\n"
    );
}

#[test]
fn csv_is_written_as_asked() {
    let dir = Files::new(&[]);
    let path = dir.path("a.csv");
    let text = |values: Vec<Option<&str>>| Arc::new(StringViewArray::from(values)) as ArrayRef;
    let texts = vec![Some("NA"), None, Some(""), Some("a,b"), Some("a;b"), Some(" x ")];
    let frame = Frame::from(table(vec![("te;xt", text(texts)), ("n", Arc::new(Int64Array::from(vec![None; 6])))]));
    frame.write(&path, WriteOptions::csv().delimiter(b';').null("NA")).unwrap();
    let expected = "\"te;xt\";n\n\"NA\";NA\nNA;NA\n\"\";NA\na,b;NA\n\"a;b\";NA\n x ;NA\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let options = CsvOptions::new().delimiter(b';').nulls(["NA"]).dtype("n", Type::Int64);
    assert_eq!(read_csv_with(&path, options).compute().unwrap(), frame.compute().unwrap());

    frame.write(&path, WriteOptions::csv().header(false).overwrite()).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("NA,\n,\n\"\",\n\"a,b\",\na;b,\n"));

    // A missing value alone in its line is no empty line.
    let single = Frame::from(table(vec![("n", Arc::new(Int64Array::from(vec![None, Some(1)])))]));
    single.write(&path, WriteOptions::csv().overwrite()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "n\nNA\n1\n");
    assert_eq!(read_csv(&path).compute().unwrap(), single.compute().unwrap());
}

#[test]
fn many_partitions_make_the_file_that_one_makes() {
    let like = read_csv("testdata/baci/BACI_HS12_Y*.csv").compute().unwrap();
    let mut csv = Vec::new();
    for (name, session) in sessions() {
        let dir = Files::new(&[]);
        let trade = session.read_csv("testdata/baci/BACI_HS12_Y*.csv");
        for (i, (extension, options)) in formats().into_iter().enumerate() {
            let path = dir.path(&format!("{i}.{extension}"));
            let written = trade.write(&path, options.clone()).unwrap();
            assert_eq!(written.rows, 14_000);
            let again = read(&session, &path, extension, &like);
            assert_eq!(again.compute().unwrap(), like, "{extension} with {name}");
            assert_eq!(rows(&again.agg([size()]).compute().unwrap()), [[Value::Int(14_000)]]);

            let folder = dir.path(&format!("{i}/"));
            let written = trade.write(&folder, options).unwrap();
            assert_eq!(written.files.len(), trade.npartitions().unwrap());
            assert_eq!(written.files[1], folder.join(format!("part-00001.{extension}")));
            assert_eq!(written.bytes, written.files.iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>());
            let again = read(&session, folder.join("*"), extension, &like);
            assert_eq!(again.compute().unwrap(), like, "{extension} with {name}");
        }
        csv.push(fs::read(dir.path("0.csv")).unwrap());
        // Nothing hidden is left.
        assert_eq!(names(&dir.path("")).len(), 14);
    }
    assert!(csv.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn no_rows_keep_their_columns() {
    for (_, session) in sessions() {
        let dir = Files::new(&[]);
        let none = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("t").lt(0));
        let like = none.compute().unwrap();
        for (extension, options) in formats() {
            let path = dir.path(&format!("a.{extension}"));
            let written = none.write(&path, options.clone().overwrite()).unwrap();
            assert_eq!((written.files.len(), written.rows), (1, 0));
            assert_eq!(read(&session, &path, extension, &like).compute().unwrap(), like);
            let written = none.write(dir.path("folder"), options.clone().directory().overwrite()).unwrap();
            assert_eq!(written.files, [dir.path(&format!("folder/part-00000.{extension}"))]);
            assert_eq!(read(&session, &written.files[0], extension, &like).compute().unwrap(), like);
            let written = none.write(dir.path("folder"), options.partition_by(["t"]).overwrite()).unwrap();
            assert_eq!((written.files.len(), names(&dir.path("folder")).len()), (0, 0));
        }
    }
}

#[test]
fn folders_hold_the_rows_of_their_values_in_order() {
    let all = read_csv("testdata/baci/BACI_HS12_Y*.csv").compute().unwrap();
    for (name, session) in sessions() {
        let dir = Files::new(&[]);
        // More exporters than files may be open.
        let trade = session.read_csv("testdata/baci/BACI_HS12_Y*.csv").filter(col("t").eq(2018).and(col("i").lt(600)));
        for (extension, options) in formats().into_iter().step_by(2) {
            let target = dir.path("by");
            let written = trade.write(&target, options.partition_by(["i", "t"]).overwrite()).unwrap();
            let groups = Frame::from(all.clone()).filter(col("t").eq(2018).and(col("i").lt(600))).select(["i", "t"]);
            assert_eq!(written.rows, groups.compute().unwrap().num_rows() as u64);
            let groups = rows(&groups.group_by(["i", "t"]).agg([size()]).compute().unwrap());
            assert!(groups.len() > 32);
            assert_eq!(written.files.len(), groups.len(), "{extension} with {name}");
            for group in groups.iter().step_by(if extension == "csv" { 1 } else { 17 }) {
                let [Value::Int(i), Value::Int(t), Value::Int(n)] = group[..] else { panic!("{group:?}") };
                let path = target.join(format!("i={i}/t={t}/part-00000.{extension}"));
                let expected = Frame::from(all.clone()).filter(col("i").eq(i).and(col("t").eq(t))).drop(["i", "t"]);
                let expected = expected.compute().unwrap();
                assert_eq!(expected.num_rows() as i64, n);
                assert_eq!(read(&session, &path, extension, &expected).compute().unwrap(), expected, "{path:?}");
            }
        }
    }
}

#[test]
fn folders_are_named_as_in_hive() {
    let dir = Files::new(&[]);
    let keys = vec![Some("a/b"), None, Some(""), Some("a/b"), Some("x=1 %")];
    let frame = Frame::from(table(vec![
        ("key", Arc::new(StringViewArray::from(keys))),
        ("n", Arc::new(Int64Array::from_iter_values(0..5))),
    ]));
    let written = frame.write(dir.path("out"), WriteOptions::csv().partition_by(["key"])).unwrap();
    let folders = ["key=", "key=__HIVE_DEFAULT_PARTITION__", "key=a%2Fb", "key=x%3D1 %25"];
    assert_eq!(names(&dir.path("out")), folders);
    assert_eq!(written.files.len(), 4);
    assert_eq!(fs::read_to_string(dir.path("out/key=a%2Fb/part-00000.csv")).unwrap(), "n\n0\n3\n");

    let wrong = |options: WriteOptions| frame.write(dir.path("wrong"), options).unwrap_err();
    assert_eq!(wrong(WriteOptions::csv().partition_by(["kye"])).kind(), ErrorKind::Column);
    assert_eq!(wrong(WriteOptions::csv().partition_by(["key", "n"])).kind(), ErrorKind::Config);
    assert_eq!(wrong(WriteOptions::csv().partition_by(["key", "key"])).kind(), ErrorKind::Config);
    let long = Frame::from(table(vec![
        ("key", Arc::new(StringViewArray::from(vec!["x".repeat(300)]))),
        ("n", Arc::new(Int64Array::from(vec![1]))),
    ]));
    let error = long.write(dir.path("wrong"), WriteOptions::csv().partition_by(["key"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("must be short"), "{error}");
    assert_eq!(names(&dir.path("")), ["out"]);
}

/// More folders than files may be open, and each in every partition, with zeros that are equal and named differently.
#[test]
fn many_folders_have_one_file_each() {
    const ROWS: i64 = 60_000;
    let mut csv = String::from("id,k,zero\n");
    for id in 0..ROWS {
        let key = if id % 300 == 7 { String::new() } else { (id % 300).to_string() };
        csv.push_str(&format!("{id},{key},{}\n", if id / 300 % 2 == 0 { "0.0" } else { "-0.0" }));
    }
    let files = Files::new(&[("in.csv", csv.as_bytes())]);
    let session = Session::builder().threads(2).partition_size(1000).memory(64 << 20).build().unwrap();
    let options = WriteOptions::csv().partition_by(["k", "zero"]).overwrite();
    let df = session.read_csv_with(files.path("in.csv"), CsvOptions::new().dtype("zero", Type::Float64));
    let written = df.write(files.path("out"), options).unwrap();
    assert_eq!((written.files.len(), written.rows), (600, ROWS as u64));
    for (key, zero) in [(0, "0.0"), (0, "-0.0"), (6, "0.0"), (7, "-0.0"), (150, "0.0"), (299, "-0.0")] {
        let folder = if key == 7 { "__HIVE_DEFAULT_PARTITION__".to_owned() } else { key.to_string() };
        let file = files.path(&format!("out/k={folder}/zero={zero}/part-00000.csv"));
        let ids = (0..ROWS).filter(|id| id % 300 == key && (id / 300 % 2 == 0) == (zero == "0.0"));
        let expected = ids.fold(String::from("id\n"), |text, id| text + &format!("{id}\n"));
        assert_eq!(fs::read_to_string(file).unwrap(), expected);
    }
}

#[test]
fn what_exists_is_replaced_only_when_asked() {
    let dir = Files::new(&[("a.csv", b"old")]);
    let frame = Frame::from(all_types());
    let refused = |path: &str, options: WriteOptions| {
        let error = frame.write(dir.path(path), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
        assert_eq!(error.steps().len(), 1);
        error.to_string()
    };
    assert!(refused("a.csv", WriteOptions::csv()).contains("overwrite()"));
    assert!(refused("a.csv", WriteOptions::csv().directory()).contains("is a file"));
    assert!(refused("a.csv", WriteOptions::csv().directory().overwrite()).contains("is a file"));
    assert_eq!(fs::read(dir.path("a.csv")).unwrap(), b"old");
    assert_eq!(frame.write_csv(dir.path("a.csv/")).unwrap_err().kind(), ErrorKind::Exists);

    frame.write(dir.path("a.csv"), WriteOptions::csv().overwrite()).unwrap();
    assert!(fs::read_to_string(dir.path("a.csv")).unwrap().starts_with("int,float"));

    frame.write_csv(dir.path("folder/")).unwrap();
    assert!(refused("folder", WriteOptions::csv()).contains("end the path in '/'"));
    assert!(refused("folder", WriteOptions::csv().overwrite()).contains("is a directory"));
    refused("folder/", WriteOptions::parquet());
    frame.write(dir.path("folder/"), WriteOptions::parquet().overwrite()).unwrap();
    assert_eq!(names(&dir.path("folder")), ["part-00000.parquet"]);
    frame.write(dir.path("folder"), WriteOptions::csv().partition_by(["flag"]).overwrite()).unwrap();
    assert_eq!(names(&dir.path("folder")).len(), 3);

    // A directory with other things in it is not taken away.
    fs::write(dir.path("folder/flag=true/notes.txt"), "mine").unwrap();
    let text = refused("folder", WriteOptions::csv().directory().overwrite());
    assert!(text.contains("notes.txt"), "{text}");
    assert_eq!(names(&dir.path("")), ["a.csv", "folder"]);
}

#[cfg(unix)]
#[test]
fn links_and_modes_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = Files::new(&[("real.csv", b"old")]);
    let frame = Frame::from(all_types());
    fs::set_permissions(dir.path("real.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.csv", dir.path("link.csv")).unwrap();
    assert_eq!(frame.write_csv(dir.path("link.csv")).unwrap_err().kind(), ErrorKind::Exists);
    frame.write(dir.path("link.csv"), WriteOptions::csv().overwrite()).unwrap();
    assert!(dir.path("link.csv").is_symlink());
    assert!(fs::read_to_string(dir.path("real.csv")).unwrap().starts_with("int"));
    assert_eq!(fs::metadata(dir.path("real.csv")).unwrap().permissions().mode() & 0o777, 0o640);
    // A new file has the mode that every program's new files have.
    frame.write_csv(dir.path("new.csv")).unwrap();
    fs::write(dir.path("plain"), "").unwrap();
    let mode = |name: &str| fs::metadata(dir.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("new.csv"), mode("plain"));
    frame.write_csv(dir.path("folder/")).unwrap();
    fs::create_dir(dir.path("plain folder")).unwrap();
    assert_eq!(mode("folder"), mode("plain folder"));
}

#[test]
fn what_is_read_is_not_written() {
    let dir = Files::new(&[]);
    fs::create_dir(dir.path("in")).unwrap();
    fs::write(dir.path("in/part-1.csv"), "a,b\n1,2\n").unwrap();
    let from = read_csv(dir.path("in/part-1.csv"));
    from.write_parquet(dir.path("in/part-2.parquet")).unwrap();
    let odd = dir.path("in/../in/./part-1.csv");
    let both = concat([from.clone(), read_parquet(dir.path("in/part-2.parquet"))]);
    for (target, directory) in [(odd, false), (dir.path("in/part-2.parquet"), false), (dir.path("in"), true)] {
        let options = WriteOptions::csv().overwrite();
        let options = if directory { options.directory() } else { options };
        let error = both.write(target, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("reads from"), "{error}");
    }
    assert_eq!(names(&dir.path("in")), ["part-1.csv", "part-2.parquet"]);
    assert_eq!(both.compute().unwrap().num_rows(), 2);
}

#[test]
fn bad_targets_say_what_is_wrong() {
    let dir = Files::new(&[("file", b"")]);
    let frame = Frame::from(all_types());
    let error = |path: &Path| frame.write_csv(path).unwrap_err();
    let missing = error(&dir.path("no/such/a.csv"));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("make it first"), "{missing}");
    for path in ["", "/", "..", "."] {
        assert_eq!(error(Path::new(path)).kind(), ErrorKind::Config, "{path:?}");
    }
    assert_eq!(error(&dir.path("file/a.csv")).kind(), ErrorKind::Io);
    #[cfg(unix)]
    assert_eq!(error(Path::new("/dev/null")).kind(), ErrorKind::Exists);

    let wrong = |options: WriteOptions| {
        let error = frame.write(dir.path("a"), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        error.to_string()
    };
    wrong(WriteOptions::csv().delimiter(b'"'));
    wrong(WriteOptions::csv().delimiter(0xc3));
    wrong(WriteOptions::csv().null("a,b"));
    wrong(WriteOptions::ipc().compression(Compression::Snappy));
    assert!(wrong(WriteOptions::csv().compression(Compression::Zstd)).contains("CSV has no setting 'compression'"));
    assert!(wrong(WriteOptions::parquet().null("NA")).contains("Parquet has no setting 'null'"));
    assert_eq!(names(&dir.path("")), ["file"]);
}

#[test]
fn a_run_that_fails_leaves_what_was_there() {
    let dir = Files::new(&[("out.csv", b"old")]);
    let good = "1,2\n".repeat(5000);
    fs::write(dir.path("in.csv"), format!("a,b\n{good}1,oops\n")).unwrap();
    for size in [1000, 1 << 30] {
        let options = CsvOptions::new().dtype("b", Type::Int64);
        let frame = session(size).read_csv_with(dir.path("in.csv"), options);
        for (extension, options) in formats() {
            let error = frame.write(dir.path("out.csv"), options.clone().overwrite()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Value);
            assert_eq!(error.position().unwrap().line, Some(5002));
            frame.write(dir.path("new/"), options.clone()).unwrap_err();
            frame.write(dir.path("new"), options.partition_by(["a"])).unwrap_err();
            assert_eq!(fs::read(dir.path("out.csv")).unwrap(), b"old");
            assert_eq!(names(&dir.path("")), ["in.csv", "out.csv"], "{extension}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_without_space_is_an_error() {
    // A file system of a few pages needs rights that tests seldom have.
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(dir.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return;
    }
    for (extension, options) in formats() {
        let trade = session(20_000).read_csv("testdata/baci/BACI_HS12_Y*.csv");
        let error = trade.write(dir.path().join("a"), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{extension}: {error}");
        assert!(error.to_string().contains("free some space"), "{error}");
        assert_eq!(names(dir.path()).len(), 0);
    }
    std::process::Command::new("umount").arg(dir.path()).status().unwrap();
}

#[test]
fn little_memory_makes_small_row_groups_and_no_error() {
    let dir = Files::new(&[]);
    let small = Session::builder().threads(2).memory(16 << 20).partition_size(1 << 18).build().unwrap();
    // 300,000 rows of text that does not compress.
    let n = 300_000u64;
    let text = StringViewArray::from_iter_values((0..n).map(|i| {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{mixed:016x}{:016x}", mixed.rotate_left(31).wrapping_mul(0x2545_f491_4f6c_dd1d))
    }));
    let id = Int64Array::from_iter_values(0..n as i64);
    let big = table(vec![("id", Arc::new(id)), ("text", Arc::new(text))]);
    Frame::from(big).write_csv(dir.path("a.csv")).unwrap();
    let from = small.read_csv(dir.path("a.csv"));
    for (extension, options) in formats() {
        let path = dir.path(&format!("b.{extension}"));
        from.write(&path, options.overwrite()).unwrap();
        let again = match extension {
            "csv" => small.read_csv(&path),
            "parquet" => small.read_parquet(&path),
            _ => small.read_ipc(&path),
        };
        let total = again.agg([size(), col("id").sum(), col("text").max()]).compute().unwrap();
        let expected = from.agg([size(), col("id").sum(), col("text").max()]).compute().unwrap();
        assert_eq!(total, expected, "{extension}");
    }
}

/// Texts with what CSV makes hard.
fn hard_text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some(String::new())),
        "[a-c\",;\n\r é']{0,6}".prop_map(Some),
        Just(Some("NA".to_owned())),
        ".{0,20}".prop_map(Some),
    ]
}

fn any_table() -> impl Strategy<Value = Table> {
    let row = (
        any::<Option<i64>>(),
        prop_oneof![Just(None), any::<f64>().prop_map(Some), (-1000i32..1000).prop_map(|i| Some(f64::from(i) / 8.0))],
        any::<Option<bool>>(),
        prop::option::of(-700_000i32..2_000_000),
        prop::option::of(-60_000_000_000_000_000i64..250_000_000_000_000_000),
        hard_text(),
        hard_text(),
    );
    prop::collection::vec(row, 0..60).prop_map(|rows| {
        table(vec![
            ("i", Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>())),
            ("f", Arc::new(rows.iter().map(|r| r.1).collect::<Float64Array>())),
            ("b", Arc::new(rows.iter().map(|r| r.2).collect::<BooleanArray>())),
            ("d", Arc::new(rows.iter().map(|r| r.3).collect::<Date32Array>())),
            ("t", Arc::new(rows.iter().map(|r| r.4).collect::<TimestampMicrosecondArray>())),
            ("s", Arc::new(rows.iter().map(|r| r.5.clone()).collect::<StringViewArray>())),
            ("a,\"b", Arc::new(rows.iter().map(|r| r.6.clone()).collect::<StringViewArray>())),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each column by itself too, where a missing value is alone in its line, with any delimiter.
    #[test]
    fn csv_of_any_delimiter_and_of_each_column_alone_comes_back(
        table in any_table(),
        delimiter in prop::sample::select(&b",;\t| 1e.-:xN'#"[..]),
        null in prop::sample::select(&["", "NA", "?"][..]),
    ) {
        prop_assume!(!null.as_bytes().contains(&delimiter));
        let dir = Files::new(&[]);
        let in_calendar = col("d").between(lit_date("0001-01-01"), lit_date("9999-12-31"))
            .and(col("t").between(lit_timestamp("0001-01-01"), lit_timestamp("9999-12-31")));
        let whole = Frame::from(table.clone()).filter(in_calendar);
        let names: Vec<String> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        for columns in names.iter().map(|name| vec![name.clone()]).chain([names.clone()]) {
            let frame = whole.select(columns.iter().map(col));
            let expected = frame.compute().unwrap();
            let path = dir.path("f.csv");
            let lone = if delimiter == b'N' { "null" } else { "NA" };
            frame.write(&path, WriteOptions::csv().delimiter(delimiter).null(null).overwrite()).unwrap();
            let types = expected.schema().fields().iter();
            let mut options = types.fold(CsvOptions::new().delimiter(delimiter), |options, field| {
                options.dtype(field.name().as_str(), Type::of(field.data_type()).unwrap())
            });
            if !null.is_empty() || columns.len() == 1 {
                options = options.nulls([if null.is_empty() { lone } else { null }]);
            }
            let read = session(50).read_csv_with(&path, options).compute().unwrap();
            prop_assert_eq!(format!("{:?}", rows(&read)), format!("{:?}", rows(&expected)), "{:?}", columns);
        }
    }

    #[test]
    fn random_tables_come_back(table in any_table()) {
        let dir = Files::new(&[]);
        // NaN has one spelling in CSV, and dates beyond four digits are text to it.
        let in_calendar = col("d").between(lit_date("0001-01-01"), lit_date("9999-12-31"))
            .and(col("t").between(lit_timestamp("0001-01-01"), lit_timestamp("9999-12-31")));
        for (i, (extension, options)) in formats().into_iter().enumerate() {
            let frame = Frame::from(table.clone());
            let frame = if extension == "csv" { frame.filter(in_calendar.clone()) } else { frame };
            let expected = frame.compute().unwrap();
            let path = dir.path(&format!("{i}.{extension}"));
            frame.write(&path, options.clone()).unwrap();
            // Many parts, read as one and joined.
            let parts = read(&session(7), &path, extension, &expected);
            let whole = parts.compute().unwrap();
            let same = |a: &Table, b: &Table| format!("{:?}", rows(a)) == format!("{:?}", rows(b));
            prop_assert!(same(&whole, &expected), "{}\n{}\n{}", extension, whole, expected);
            parts.write(dir.path(&format!("{i}b.{extension}")), options).unwrap();
            let joined = read(&session(1 << 30), dir.path(&format!("{i}b.{extension}")), extension, &expected);
            prop_assert!(same(&joined.compute().unwrap(), &expected), "joined {}", extension);
        }
    }
}
