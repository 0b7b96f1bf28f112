//! Rows that can't be read: left out, counted, written; good and rejected together are all.

mod common;

use std::sync::{Arc, Mutex};

use common::{Files, Value, rows};
use partita::prelude::*;
use partita::{Event, Observer, OnBadRow, Session, Stats};

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn on(&self, event: &Event) {
        if let Event::Warning { message, .. } = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

fn session(threads: usize, partition: usize) -> (Session, Arc<Warnings>) {
    let warnings = Arc::new(Warnings::default());
    let builder = Session::builder().threads(threads).partition_size(partition).observer(warnings.clone());
    (builder.build().unwrap(), warnings)
}

/// A file with bad rows of every kind, and what is to be told of them: line, byte, column, and of the reason.
fn polluted(rows: usize) -> (String, Vec<(usize, usize, &'static str, &'static str)>) {
    let mut text = "k,v,s\n".to_owned();
    let mut bad = Vec::new();
    let mut line = 2;
    for i in 0..rows {
        match i % 50 {
            7 => {
                bad.push((line, text.len(), "k", "is int64"));
                text += "x,1.5,a\n";
            }
            19 => {
                bad.push((line, text.len(), "", "has 2 fields"));
                text += "1,2\n";
            }
            28 => {
                bad.push((line, text.len() + 2, "v", "is float64"));
                text += "1,y,\"two\nlines\"\n";
                line += 1;
            }
            41 => {
                bad.push((line, text.len(), "", "has 4 fields"));
                text += "1,2,3,4\n";
            }
            _ => text += &format!("{i},{i}.5,\"a\nb\"\n"),
        }
        line += if matches!(i % 50, 7 | 19 | 28 | 41) { 1 } else { 2 };
    }
    (text, bad)
}

fn options() -> CsvOptions {
    CsvOptions::new().dtype("k", Type::Int64).dtype("v", Type::Float64)
}

#[test]
fn rejected_rows_are_written_in_file_order_whatever_the_threads_and_cuts() {
    let (text, bad) = polluted(1000);
    let files = Files::new(&[("1.csv", text.as_bytes()), ("2.csv", text.as_bytes())]);
    let mut first: Option<String> = None;
    for (threads, partition) in [(1, 1 << 30), (2, 1000), (3, 97)] {
        let path = files.path("rejects.csv");
        let (session, warnings) = session(threads, partition);
        let options = options().on_bad_row(OnBadRow::Reject(path.clone()));
        let frame = session.read_csv_with(files.path("?.csv"), options);
        // Whatever the query uses: a filter, a column.
        let count = frame.filter(col("k").ge(0)).agg([size(), col("s").count()]).compute().unwrap();
        assert_eq!(rows(&count)[0][0], Value::Int(2 * (1000 - bad.len() as i64)));
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            first.get_or_insert_with(|| written.clone()),
            &written,
            "{threads} threads, partitions of {partition}"
        );
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len(), 2 * bad.len());
        for (i, record) in records.iter().enumerate() {
            let (line, byte, column, reason) = bad[i % bad.len()];
            let file = files.path(if i < bad.len() { "1.csv" } else { "2.csv" });
            assert_eq!(&record[0], file.to_str().unwrap());
            assert_eq!(
                (&record[1], &record[2], &record[3]),
                (&*line.to_string(), &*byte.to_string(), column),
                "{record:?}"
            );
            assert!(record[4].contains(reason), "{record:?}");
            assert!(text.contains(&record[5]), "{record:?}");
        }
        let told = warnings.0.lock().unwrap().join("\n");
        assert!(told.contains(&format!("{} rows of 2 files were left out", 2 * bad.len())), "{told}");
    }
}

#[test]
fn more_than_may_be_left_out_is_an_error_at_the_first_too_many() {
    let (text, bad) = polluted(1000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for partition in [1 << 30, 500] {
        let read = |at_most| {
            let options = options().on_bad_row(OnBadRow::Skip { at_most });
            session(2, partition).0.read_csv_with(files.path("f.csv"), options).agg([size()]).compute()
        };
        assert_eq!(rows(&read(bad.len() as u64).unwrap()), [[Value::Int(1000 - bad.len() as i64)]]);
        let error = read(3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let at = error.position().unwrap();
        assert_eq!((at.line, at.byte), (Some(bad[3].0 as u64), Some(bad[3].1 as u64)), "{error}");
    }
}

#[test]
fn a_run_ends_soon_after_the_first_too_many() {
    let mut text = "a\n".to_owned();
    for i in 0..100_000 {
        text += if i < 1000 { "x\n" } else { "1\n" };
    }
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let stats = Arc::new(Stats::new());
    // One thread: of several, one may be kept from its partition by whatever else the machine does.
    let session = Session::builder().threads(1).partition_size(1000).observer(stats.clone()).build().unwrap();
    let options = CsvOptions::new().dtype("a", Type::Int64).on_bad_row(OnBadRow::Skip { at_most: 10 });
    let error = session.read_csv_with(files.path("f.csv"), options).agg([size()]).compute().unwrap_err();
    assert_eq!(error.position().unwrap().line, Some(12), "{error}");
    assert!(stats.rows_read() < 50_000, "{} rows were read", stats.rows_read());
}

#[test]
fn behind_an_unclosed_quote_reading_resumes_at_the_next_line() {
    let mut text = "a,b\n1,x\n2,\"open\n".to_owned();
    (3..30_000).for_each(|i| text += &format!("{i},x\n"));
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    for partition in [1 << 30, 10_000] {
        for max_record in [1 << 20, 5000] {
            let path = files.path("rejects.csv");
            let options = CsvOptions::new()
                .max_record(max_record)
                .dtype("a", Type::Int64)
                .on_bad_row(OnBadRow::Reject(path.clone()));
            let frame = session(2, partition).0.read_csv_with(files.path("f.csv"), options);
            assert_eq!(
                rows(&frame.agg([size(), col("a").sum()]).compute().unwrap())[0],
                [Value::Int(29_998), Value::Int(30_000 * 29_999 / 2 - 2)]
            );
            let rejected = std::fs::read_to_string(&path).unwrap();
            let expected = format!(
                "file,line,byte,column,reason,raw\n{},3,10,,a quote is opened here and not closed,\"2,\"\"open\"\n",
                files.path("f.csv").display()
            );
            assert_eq!(rejected, expected, "partitions of {partition}, records of {max_record}");
        }
    }
}

#[test]
fn a_query_that_wants_no_more_tells_how_far_it_read() {
    let (text, _) = polluted(20_000);
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let (session, warnings) = session(1, 1000);
    let options = options().on_bad_row(OnBadRow::Skip { at_most: 10_000 });
    let head = session.read_csv_with(files.path("f.csv"), options).head(30).compute().unwrap();
    assert_eq!(head.num_rows(), 30);
    let told = warnings.0.lock().unwrap().join("\n");
    assert!(told.contains("left out") && told.contains("were read up to byte"), "{told}");
}

#[test]
fn what_can_not_be_written_is_an_error() {
    let files = Files::new(&[("f.csv", b"a\n1\n")]);
    let options = CsvOptions::new().on_bad_row(OnBadRow::Reject(files.path("no/such/rejects.csv")));
    let error = read_csv_with(files.path("f.csv"), options).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("no/such"), "{error}");
    // Nor does it replace what is read, by whatever name.
    for name in ["f.csv", "./f.csv"] {
        let options = CsvOptions::new().on_bad_row(OnBadRow::Reject(files.path(name)));
        let error = read_csv_with(files.path("?.csv"), options).compute().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("f.csv', which is read"), "{error}");
        // Nor what another step of the query reads.
        std::fs::write(files.path("other.csv"), "a\n1\n").unwrap();
        let options = CsvOptions::new().on_bad_row(OnBadRow::Reject(files.path("other.csv")));
        let both = concat([read_csv_with(files.path(name), options), read_csv(files.path("other.csv"))]);
        let error = both.compute().unwrap_err();
        assert!(error.to_string().contains("other.csv', which is read"), "{error}");
    }
    assert_eq!(std::fs::read(files.path("f.csv")).unwrap(), b"a\n1\n");
}

/// More rows are rejected than memory has room for: they wait on disk.
#[test]
fn a_file_of_which_every_other_row_is_bad_is_read_in_little_memory() {
    const ROWS: usize = 400_000;
    let mut text = "k,v\n".to_owned();
    for i in 0..ROWS {
        text += &if i % 2 == 0 { format!("{i},1\n") } else { format!("{i},what is this? {i}\n") };
    }
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let path = files.path("rejects.csv");
    let limited = |options: CsvOptions| {
        let session =
            Session::builder().threads(2).partition_size(1_000_000).memory(32 << 20).spill_dir(files.path("")).build();
        let frame = session.unwrap().read_csv_with(files.path("f.csv"), options.dtype("v", Type::Int64));
        rows(&frame.agg([size(), col("k").sum()]).compute().unwrap())[0].clone()
    };
    let half = ROWS as i64 / 2;
    let good = [Value::Int(half), Value::Int(half * (half - 1))];
    assert_eq!(limited(CsvOptions::new().on_bad_row(OnBadRow::Reject(path.clone()))), good);
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let mut count = 0;
    for (i, record) in reader.records().enumerate() {
        let record = record.unwrap();
        let row = 2 * i + 1;
        assert_eq!((&record[1], &record[3]), (&*(row + 2).to_string(), "v"));
        assert_eq!(record[5], format!("{row},what is this? {row}"));
        count += 1;
    }
    assert_eq!(count, ROWS / 2);
    // Those that are counted alone need no room.
    assert_eq!(limited(CsvOptions::new().on_bad_row(OnBadRow::Skip { at_most: u64::MAX })), good);
    assert_eq!(limited(CsvOptions::new().on_bad_row(OnBadRow::Skip { at_most: ROWS as u64 / 2 })), good);
}

/// Places are those of the file as it stands, also where it was rewritten.
#[test]
fn rejects_of_utf_16_have_the_places_of_the_file() {
    let (text, bad) = polluted(300);
    let text = text.replace("\"a\nb\"", "\"ä\u{1F980}\nb\"");
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let files = Files::new(&[("f.csv", &utf16)]);
    let path = files.path("rejects.csv");
    let options = options().on_bad_row(OnBadRow::Reject(path.clone()));
    session(2, 1000).0.read_csv_with(files.path("f.csv"), options).compute().unwrap();
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), bad.len());
    for (record, (line, _, column, _)) in records.iter().zip(&bad) {
        assert_eq!((&record[1], &record[3]), (&*line.to_string(), *column));
        let byte: usize = record[2].parse().unwrap();
        let units: Vec<u16> = utf16[byte..].chunks_exact(2).take(3).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let there = String::from_utf16(&units).unwrap();
        let field = record[5].split(',').nth(usize::from(*column == "v")).unwrap();
        assert!(there.starts_with(&field[..1]), "{there:?} at {byte}: {record:?}");
    }
}
