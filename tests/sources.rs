//! What CSV can be read from, and in which shapes: bytes, standard input, files of different columns, a column of file names.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Files, Value, rows, session, sessions};
use partita::Paths;
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn bytes_read_as_a_file_of_them_does() {
    let path = "testdata/baci/product_codes_HS12.csv";
    let bytes = bytes::Bytes::from(std::fs::read(path).unwrap());
    for (name, session) in sessions() {
        let (of_file, of_bytes) = (session.read_csv(path), session.read_csv(Paths::bytes("products", bytes.clone())));
        assert_eq!(of_bytes.npartitions().unwrap(), of_file.npartitions().unwrap(), "{name}");
        assert_eq!(of_bytes.compute().unwrap(), of_file.compute().unwrap(), "{name}");
        // And again.
        assert_eq!(of_bytes.agg([size()]).compute().unwrap(), of_file.agg([size()]).compute().unwrap(), "{name}");
    }
}

#[test]
fn what_is_wrong_in_bytes_is_at_their_name() {
    for partition in [1, 1000] {
        let e = session(partition)
            .read_csv_with(Paths::bytes("made here", "a,b\n1,2\n3,x\n"), CsvOptions::new().dtype("b", Type::Int64))
            .compute()
            .unwrap_err();
        let position = e.position().unwrap();
        assert_eq!((position.file.to_str(), position.line, position.byte), (Some("made here"), Some(3), Some(10)));
        let e = session(partition).read_csv(Paths::bytes("nothing", Vec::new())).compute().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Malformed);
        assert!(e.message().contains("'nothing' is empty"), "{e}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn standard_input_is_read_in_partitions_and_twice() {
    let text = std::fs::read("testdata/baci/BACI_HS12_Y2018.csv").unwrap();
    let spill = tempfile::tempdir().unwrap();
    let run = |query: &str, input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_partita"))
            .args(["sql", "--format", "csv", "--quiet", "--partition-size", "1KB", query])
            .env("TMPDIR", spill.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read it all is no concern of the one that writes.
        _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let query = "SELECT k, sum(v) AS v FROM '-' GROUP BY k";
    let (from_stdin, errors) = run(query, &text);
    assert_eq!(errors, "");
    let (from_file, _) = run(&query.replace('-', "testdata/baci/BACI_HS12_Y2018.csv"), b"");
    assert_eq!(from_stdin, from_file);
    assert!(from_stdin.lines().count() > 100);
    // The line is that of the input.
    let (_, errors) = run("SELECT sum(b) AS b FROM '-'", "a,b\n1,2\n3\n".as_bytes());
    assert!(errors.contains("<stdin>:3"), "{errors}");
    let (_, errors) = run("SELECT sum(b) AS b FROM '-'", b"");
    assert!(errors.contains("'<stdin>' is empty"), "{errors}");
    assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn the_file_of_a_row() {
    for (name, session) in sessions() {
        let df = session.read_csv_with(GENERATED, CsvOptions::new().file_column("file"));
        assert_eq!(df.schema().unwrap().field(6).name(), "file", "{name}");
        let year = |y: i64| t(&format!("testdata/baci/BACI_HS12_Y{y}.csv"));
        let counts = rows(&df.group_by(["file", "t"]).agg([size()]).compute().unwrap());
        let expected: Vec<_> = (2012..2019).map(|y| vec![year(y), Value::Int(y), Value::Int(2000)]).collect();
        assert_eq!(counts, expected, "{name}");
        // A filter on it alone, with others, and pruned.
        let one = df.filter(col("file").eq("testdata/baci/BACI_HS12_Y2014.csv"));
        assert_eq!(rows(&one.agg([size(), col("t").min()]).compute().unwrap()), [[Value::Int(2000), Value::Int(2014)]]);
        assert_eq!(rows(&one.filter(col("t").ne(2014)).agg([size()]).compute().unwrap()), [[Value::Int(0)]], "{name}");
        let two = df.filter(col("file").contains("2013").or(col("t").eq(2015))).select(["file"]).compute().unwrap();
        assert_eq!(rows(&two), [vec![vec![year(2013)]; 2000], vec![vec![year(2015)]; 2000]].concat(), "{name}");
        let plain = session.read_csv(GENERATED).compute().unwrap();
        assert_eq!(df.select(["t", "i", "j", "k", "v", "q"]).compute().unwrap(), plain, "{name}");
    }
    let e = read_csv_with(GENERATED, CsvOptions::new().file_column("v")).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Column);
    assert!(e.message().contains("'v'"), "{e}");
    // One that is not read is not in its way.
    let options = CsvOptions::new().columns(["t"]).file_column("v");
    assert_eq!(
        rows(&read_csv_with(GENERATED, options).head(1).compute().unwrap())[0][1],
        t("testdata/baci/BACI_HS12_Y2012.csv")
    );
    // Names of bytes, short ones that stand in a view.
    let paths: Paths =
        [Paths::bytes("a", "x\n1\n"), Paths::bytes("a rather longer name", "x\n2\n")].into_iter().collect();
    let table = read_csv_with(paths, CsvOptions::new().file_column("f")).compute().unwrap();
    assert_eq!(rows(&table), [[Value::Int(1), t("a")], [Value::Int(2), t("a rather longer name")]]);
}

#[test]
fn files_of_different_columns() {
    let files = Files::new(&[("1.csv", b"a,b\n1,x\n2,y\n"), ("2.csv", b"c,a\n2.5,3\n"), ("3.csv", b"b,d,c\n7,NA,1\n")]);
    let glob = files.path("*.csv");
    for partition in [1, 3, 1000] {
        let session = session(partition);
        let e = session.read_csv(&glob).schema().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Column);
        assert!(e.message().contains("1.csv") && e.message().contains("2.csv"), "{e}");
        assert!(e.to_string().contains("columns_may_differ"), "{e}");
        let df = session.read_csv_with(&glob, CsvOptions::new().columns_may_differ());
        let types: Vec<Type> = df.schema().unwrap().fields().iter().map(|f| Type::of(f.data_type()).unwrap()).collect();
        assert_eq!(types, [Type::Int64, Type::Text, Type::Float64, Type::Text]);
        use Value::*;
        let expected = [
            vec![Int(1), t("x"), Null, Null],
            vec![Int(2), t("y"), Null, Null],
            vec![Int(3), Null, Float(2.5), Null],
            vec![Null, t("7"), Float(1.0), t("NA")],
        ];
        assert_eq!(rows(&df.compute().unwrap()), expected, "{partition}");
        assert_eq!(rows(&df.filter(col("c").is_null()).select(["b"]).compute().unwrap()), [[t("x")], [t("y")]]);
        assert_eq!(rows(&df.filter(col("b").is_null()).select(["c", "a"]).compute().unwrap()), [[Float(2.5), Int(3)]]);
        assert_eq!(rows(&df.agg([col("a").sum(), col("c").sum()]).compute().unwrap()), [[Int(6), Float(3.5)]]);
        // Chosen columns: all must be there, unless they may differ.
        let e = session.read_csv_with(&glob, CsvOptions::new().columns(["c", "a"])).schema().unwrap_err();
        assert!(e.message().contains("1.csv' has no column 'c'"), "{e}");
        let some = session.read_csv_with(&glob, CsvOptions::new().columns(["c", "a"]).columns_may_differ());
        let expected = [[Null, Int(1)], [Null, Int(2)], [Float(2.5), Int(3)], [Float(1.0), Null]];
        assert_eq!(rows(&some.compute().unwrap()), expected, "{partition}");
        let two = session.read_csv_with([files.path("1.csv"), files.path("2.csv")], CsvOptions::new().columns(["a"]));
        assert_eq!(rows(&two.compute().unwrap()), [[Int(1)], [Int(2)], [Int(3)]]);
        let e =
            session.read_csv_with(&glob, CsvOptions::new().columns(["aa"]).columns_may_differ()).schema().unwrap_err();
        assert!(e.to_string().contains("did you mean 'a'"), "{e}");
    }
    for wrong in [CsvOptions::new().columns(["a", "a"]), CsvOptions::new().columns(Vec::<String>::new())] {
        assert_eq!(read_csv_with(&glob, wrong).schema().unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn a_ragged_row_is_one_of_its_own_file() {
    let files = Files::new(&[("1.csv", b"a,b\n1,x\n"), ("2.csv", b"a,b,c\n1,x,2\n3,4\n")]);
    let e = read_csv_with(files.path("*.csv"), CsvOptions::new().columns_may_differ()).compute().unwrap_err();
    let position = e.position().unwrap();
    assert!(position.file.ends_with("2.csv"), "{e}");
    assert_eq!((position.line, position.byte), (Some(3), Some(12)));
    assert!(e.message().contains("2 fields, the header 3"), "{e}");
}

#[test]
fn files_without_header_may_be_of_different_width() {
    let files = Files::new(&[("1.csv", b"1,x\n"), ("2.csv", b"2\n3\n")]);
    let options = CsvOptions::new().header(false).columns_may_differ();
    let table = session(1).read_csv_with(files.path("*.csv"), options).compute().unwrap();
    assert_eq!(rows(&table), [[Value::Int(1), t("x")], [Value::Int(2), Value::Null], [Value::Int(3), Value::Null]]);
}
