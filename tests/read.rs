//! Reading CSV: what is read is what stands there, wherever partitions are cut.

mod common;

use common::{Files, Value, rows, session, sessions};
use partita::prelude::*;
use proptest::prelude::*;

/// The fields of a file by the `csv` crate, an unquoted empty field told from a quoted one by nobody: both are "".
fn oracle(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The rows of a file as texts; missing as "".
fn texts(path: &std::path::Path, names: &[&str], partition: usize) -> Vec<Vec<String>> {
    let options = names.iter().fold(CsvOptions::new(), |o, name| o.dtype(*name, Type::Text));
    let table = session(partition).read_csv_with(path, options).compute().unwrap();
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::Text(text) => text,
        other => panic!("{other:?} is no text"),
    };
    rows(&table).into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

#[test]
fn quoted_line_breaks_are_read_right_at_every_cut() {
    let text = b"a,b,c\n1,\"x\ny,z\nw\",\"he said \"\"no\"\"\"\r\n2,,\"\n\n\"\n\"3\",5\" pipe,\"a,b\"\n4,p,\"q\"";
    let expected = oracle(&text[6..]);
    let files = Files::new(&[("f.csv", text)]);
    for partition in 1..text.len() + 1 {
        assert_eq!(texts(&files.path("f.csv"), &["a", "b", "c"], partition), expected, "partitions of {partition}");
    }
}

#[test]
fn nothing_but_quotes_is_read_right() {
    // Rows of two quoted fields full of quotes, delimiters and line ends: hardly a cut that tells where it is.
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(b"a,b\n".to_vec());
    for _ in 0..200 {
        writer.write_record(["\"\n\",\"", ",\"\n\"\""]).unwrap();
    }
    let text = writer.into_inner().unwrap();
    let expected = oracle(&text[4..]);
    let files = Files::new(&[("f.csv", &text)]);
    for partition in [5, 64, 333, 100_000] {
        assert_eq!(texts(&files.path("f.csv"), &["a", "b"], partition), expected, "partitions of {partition}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_table_is_read_as_the_csv_crate_reads_it(
        table in prop::collection::vec(prop::array::uniform3("[a-c,\"\n\r 0-9é]{0,8}"), 1..40),
        partition in 1usize..200,
        crlf in any::<bool>(),
        last in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).quote_style(csv::QuoteStyle::NonNumeric).from_writer(vec![]);
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &table {
            writer.write_record(row).unwrap();
        }
        let mut text = writer.into_inner().unwrap();
        if !last {
            text.pop();
            if crlf {
                text.pop();
            }
        }
        let files = Files::new(&[("f.csv", &text)]);
        let got = texts(&files.path("f.csv"), &["a", "b", "c"], partition);
        prop_assert_eq!(got, oracle(&text).split_off(1));
    }

    #[test]
    fn any_bytes_end_in_a_table_or_an_error(
        body in prop::collection::vec(prop::sample::select(&b"ab1,,\n\n\"\r\xff\0 "[..]), 0..200),
        partition in 1usize..60,
    ) {
        let mut text = b"a,b\n".to_vec();
        text.extend_from_slice(&body);
        let files = Files::new(&[("f.csv", &text)]);
        let read = |partition| {
            session(partition).read_csv(files.path("f.csv")).compute().map(|t| format!("{:?}", rows(&t))).map_err(|e| e.kind())
        };
        // The same answer, or the same kind of error, however it is cut.
        prop_assert_eq!(read(partition), read(1 << 20));
    }
}

#[test]
fn a_record_longer_than_a_block_is_read() {
    let long = "x".repeat(1_000_000);
    let text = format!("a,b\n1,{long}\n2,\"{long}\n{long}\"\n3,c\n");
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for partition in [1_000, 400_000, 1 << 30] {
        let got = texts(&files.path("f.csv"), &["a", "b"], partition);
        assert_eq!(got, oracle(&text.as_bytes()[4..]), "partitions of {partition}");
    }
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let text = b"i,f,b,d,s\n\
        1,1.5,true,2020-02-29,2020-02-29 12:00:00\n\
        \x20  081310,       1.624,False,1969-12-31,2020-02-29T12:00:01.5Z\n\
        \"10121\",\" 7 \",TRUE, 2000-01-01,2020-01-01\n\
        -9223372036854775808,-1e-3,,NA,           N/A\n\
        NA,NaN,null,,\n\
        +7,.5,false,NULL,2020-02-29 12:00:00+02:00";
    let files = Files::new(&[("f.csv", text)]);
    use Value::*;
    let t = |s: &str| Text(s.to_owned());
    for (name, session) in sessions() {
        let table = session.read_csv(files.path("f.csv")).compute().unwrap();
        let types: Vec<Type> = table.schema().fields().iter().map(|f| Type::of(f.data_type()).unwrap()).collect();
        assert_eq!(types, [Type::Int64, Type::Float64, Type::Bool, Type::Date, Type::Timestamp], "{name}");
        let expected = vec![
            vec![Int(1), Float(1.5), t("true"), t("2020-02-29"), t("2020-02-29T12:00:00")],
            vec![Int(81310), Float(1.624), t("false"), t("1969-12-31"), t("2020-02-29T12:00:01.500")],
            vec![Int(10121), Float(7.0), t("true"), t("2000-01-01"), t("2020-01-01T00:00:00")],
            vec![Int(i64::MIN), Float(-0.001), Null, Null, Null],
            vec![Null, Float(f64::NAN), Null, Null, Null],
            vec![Int(7), Float(0.5), t("false"), Null, t("2020-02-29T10:00:00")],
        ];
        common::assert_same(&rows(&table), &expected, name);
    }
}

#[test]
fn namibia_keeps_its_code() {
    let text = b"country,iso2,n\nNamibia,NA,1\nNowhere,,NA\nEmpty,\"\",3\n";
    let files = Files::new(&[("f.csv", text)]);
    let read = |options| rows(&session(10).read_csv_with(files.path("f.csv"), options).compute().unwrap());
    let t = |s: &str| Value::Text(s.to_owned());
    assert_eq!(
        read(CsvOptions::new()),
        [
            vec![t("Namibia"), t("NA"), Value::Int(1)],
            vec![t("Nowhere"), Value::Null, Value::Null],
            vec![t("Empty"), t(""), Value::Int(3)],
        ]
    );
    // Told so, the spellings count in text columns too, and the default ones no longer.
    let told = read(CsvOptions::new().nulls(["Nowhere", "NA"]));
    assert_eq!(told[0][1], Value::Null);
    assert_eq!(told[1][0], Value::Null);
}

#[test]
fn line_ends_boms_and_empty_files() {
    let expected = vec![vec![Value::Int(1), Value::Int(2)], vec![Value::Int(3), Value::Int(4)]];
    for text in [
        &b"a,b\n1,2\n3,4\n"[..],
        b"a,b\r\n1,2\r\n3,4\r\n",
        b"a,b\n1,2\n3,4",
        b"a,b\r\n1,2\r\n3,4\r",
        b"\xef\xbb\xbfa,b\n1,2\n3,4\n",
        b"\n\na,b\n\n1,2\n\r\n\n3,4\n\n",
        b"\"a\",\"b\"\n\"1\",\"2\"\n\"3\",\"4\"",
    ] {
        let files = Files::new(&[("f.csv", text), ("empty.csv", b""), ("header.csv", b"b,a\n")]);
        for partition in [1, 3, 1000] {
            let glob = files.path("*.csv");
            let got = rows(&session(partition).read_csv(glob).compute().unwrap());
            assert_eq!(got, expected, "{:?} by {partition}", String::from_utf8_lossy(text));
        }
    }
}

#[test]
fn a_missing_number_is_the_last_byte_of_the_file() {
    for text in [&b"a,b\n1,2\n3,"[..], b"a,b\n1,2\n3,\n", b"a,b\r\n1,2\r\n3,\r"] {
        let files = Files::new(&[("f.csv", text)]);
        for dtype in [Type::Int64, Type::Float64, Type::Bool, Type::Date, Type::Timestamp, Type::Text] {
            for partition in [1, 2, 5, 100] {
                let options = CsvOptions::new().dtype("b", dtype).nulls(["2"]);
                let table = session(partition).read_csv_with(files.path("f.csv"), options).compute().unwrap();
                assert_eq!(rows(&table), [[Value::Int(1), Value::Null], [Value::Int(3), Value::Null]], "{dtype}");
            }
        }
    }
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    for text in [&b"a,b"[..], b"a,b\n", b"a,b\r\n\n"] {
        let files = Files::new(&[("f.csv", text)]);
        let frame = session(1).read_csv(files.path("f.csv"));
        let table = frame.compute().unwrap();
        assert_eq!((table.num_rows(), table.num_columns()), (0, 2));
        assert_eq!(rows(&frame.agg([size()]).compute().unwrap()), [[Value::Int(0)]]);
        assert_eq!(frame.group_by(["a"]).agg([size()]).compute().unwrap().num_rows(), 0);
    }
}

#[test]
fn columns_in_another_order_are_the_same_columns() {
    let files = Files::new(&[("1.csv", b"a,b\n1,x\n"), ("2.csv", b"b,a\ny,2.5\n")]);
    let table = session(1000).read_csv(files.path("*.csv")).compute().unwrap();
    let t = |s: &str| Value::Text(s.to_owned());
    assert_eq!(rows(&table), [vec![Value::Float(1.0), t("x")], vec![Value::Float(2.5), t("y")]]);
}

#[test]
fn one_column_and_no_header_and_other_delimiters() {
    let files = Files::new(&[("f.csv", b"1;'a;b'\n2;c\n"), ("g.csv", b"x\n1\n\n2\n")]);
    let options = CsvOptions::new().delimiter(b';').quote(b'\'').header(false);
    let table = session(1).read_csv_with(files.path("f.csv"), options).compute().unwrap();
    let t = |s: &str| Value::Text(s.to_owned());
    assert_eq!(rows(&table), [vec![Value::Int(1), t("a;b")], vec![Value::Int(2), t("c")]]);
    assert_eq!(table.schema().field(1).name(), "column_2");
    let table = session(1).read_csv(files.path("g.csv")).compute().unwrap();
    assert_eq!(rows(&table), [[Value::Int(1)], [Value::Int(2)]]);
}

#[test]
fn a_single_file_is_many_partitions_and_rows_keep_their_order() {
    let mut text = "n,s\n".to_owned();
    for n in 0..20_000 {
        text += &format!("{n},\"{}\"\n", "ab\n".repeat(n % 5));
    }
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for (name, session) in sessions() {
        let frame = session.read_csv(files.path("f.csv"));
        assert_eq!(frame.npartitions().unwrap(), text.len().saturating_sub(4).div_ceil(session.partition_size()));
        let got = rows(&frame.select(["n"]).compute().unwrap());
        assert!(got.iter().enumerate().all(|(i, row)| row == &[Value::Int(i as i64)]), "{name}");
        assert_eq!(got.len(), 20_000, "{name}");
        // The first rows, and rows out of the middle.
        assert_eq!(
            rows(&frame.select(["n"]).slice(9_998, 3).compute().unwrap()),
            (9_998..10_001).map(|n| vec![Value::Int(n)]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn floats_are_read_exactly() {
    // Lines of `float16 float32 float64 text`, the floats as their bits: hard cases of rounding.
    let mut text = "x\n".to_owned();
    let mut expected = Vec::new();
    for line in std::fs::read_to_string("testdata/floats/more-test-cases.txt").unwrap().lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        text += &format!("{}\n", parts[3]);
        expected.push(u64::from_str_radix(parts[2], 16).unwrap());
    }
    assert!(expected.len() > 20);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let options = CsvOptions::new().dtype("x", Type::Float64);
    let table = session(100).read_csv_with(files.path("f.csv"), options).compute().unwrap();
    for (row, bits) in rows(&table).iter().zip(expected) {
        let Value::Float(value) = row[0] else { panic!("{row:?}") };
        assert_eq!(value.to_bits(), bits, "{value:e}");
    }
}
