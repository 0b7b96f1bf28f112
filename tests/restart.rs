//! Values that contradict what samples said: the run looks at everything and starts again, or says how to.

mod common;

use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatchReader};
use arrow::datatypes::Float64Type;
use common::{Files, Value, rows};
use partita::prelude::*;
use partita::{Event, Infer, Observer, OnBadRow, Session};

#[derive(Default)]
struct Restarts(Mutex<Vec<String>>);

impl Observer for Restarts {
    fn on(&self, event: &Event) {
        if let Event::Restarted { message, .. } = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

fn session(threads: usize, partition: usize) -> (Session, Arc<Restarts>) {
    let told = Arc::new(Restarts::default());
    let builder = Session::builder().threads(threads).partition_size(partition).observer(told.clone());
    (builder.build().unwrap(), told)
}

/// A column of integers, but for one value where no sample looks.
fn file(value: &str) -> String {
    let row = "1,2,x\n";
    let mut text = "k,v,s\n".to_owned() + &row.repeat(20_000);
    let at = text.len() - 6 * 6000;
    text.replace_range(at..at + 6, &format!("1,{value},x\n"));
    text
}

/// Small samples, so that small files hide something.
fn options() -> CsvOptions {
    CsvOptions::new().sample_size(1000)
}

#[test]
fn a_column_of_integers_meets_a_float_and_the_run_starts_again() {
    let files = Files::new(&[("1.csv", b"k,v,s\n1,2,x\n"), ("2.csv", file("2.5").as_bytes())]);
    for (threads, partition) in [(1, 1 << 30), (2, 5000)] {
        let (session, told) = session(threads, partition);
        let frame = session.read_csv_with(files.path("?.csv"), options());
        let expected = 2.0 * 20_001.0 + 0.5;
        let sum = frame.agg([col("v").sum()]).compute().unwrap();
        assert_eq!(rows(&sum), [[Value::Float(expected)]]);
        let messages = told.0.lock().unwrap().clone();
        assert_eq!(messages.len(), 1);
        let place = format!("column 'v' is float64, as {}:14002", files.path("2.csv").display());
        assert!(messages[0].contains(&place), "{messages:?}");
        // What was found is known from now on; a column that no run decodes stays as it was.
        let again = frame.filter(col("v").gt(2)).sort(["v"]).compute().unwrap();
        assert_eq!(rows(&again), [vec![Value::Int(1), Value::Float(2.5), Value::Text("x".into())]]);
        assert_eq!(told.0.lock().unwrap().len(), 1);
        let decided = frame.column_report().unwrap()[1].decided_at.clone().unwrap();
        assert_eq!(decided, (files.path("2.csv"), 14_002));
        // Writers start again too: nothing had its name yet.
        let written = files.path(&format!("out{threads}.csv"));
        let fresh = session.read_csv_with(files.path("?.csv"), options());
        assert_eq!(fresh.write_csv(&written).unwrap().rows, 20_001);
        assert_eq!(told.0.lock().unwrap().len(), 2);
        let kept = session.read_csv_with(files.path("?.csv"), options()).persist().unwrap();
        assert_eq!(rows(&kept.agg([col("v").sum()]).compute().unwrap()), [[Value::Float(expected)]]);
    }
}

#[test]
fn a_column_that_turns_out_to_be_text_is_carried_and_grouped_but_not_summed() {
    let files = Files::new(&[("f.csv", file("oops").as_bytes())]);
    let frame = || session(2, 5000).0.read_csv_with(files.path("f.csv"), options());
    assert_eq!(frame().compute().unwrap().num_rows(), 20_000);
    let groups = frame().group_by(["v"]).agg([size()]).compute().unwrap();
    assert_eq!(
        rows(&groups),
        [vec![Value::Text("2".into()), Value::Int(19_999)], vec![Value::Text("oops".into()), Value::Int(1)]]
    );
    let error = frame().agg([col("v").sum()]).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    let text = error.to_string();
    assert!(text.contains("'v' is text") && text.contains("f.csv:14002"), "{text}");
}

#[test]
fn strict_runs_streams_under_way_and_closures_do_not_start_again() {
    let files = Files::new(&[("f.csv", file("2.5").as_bytes())]);
    // By one thread, the first partitions come out before the value is met.
    let (session, told) = session(1, 5000);
    let path = files.path("f.csv");
    let strict = session.read_csv_with(&path, options().strict(true)).agg([col("v").sum()]).compute().unwrap_err();
    let streamed = session.read_csv_with(&path, options()).stream().unwrap().find_map(Result::err).unwrap();
    let mapped = session.read_csv_with(&path, options()).map_batches(Ok::<_, Error>).compute().unwrap_err();
    for text in [strict.to_string(), Error::from(streamed).to_string(), mapped.to_string()] {
        for part in [
            "column 'v' is int64, and \"2.5\" is not",
            "f.csv:14002:3",
            "1,2.5,x",
            "^^^",
            "Infer::Full",
            "Type::Float64",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!(told.0.lock().unwrap().len(), 0);
    // Who looks at everything first needs no second run.
    let full = session.read_csv_with(&path, options().infer(Infer::Full).strict(true));
    assert_eq!(full.schema().unwrap().field(1).data_type(), &Type::Float64.arrow());
    let decided = full.column_report().unwrap()[1].decided_at.clone().unwrap();
    assert_eq!(decided, (path, 14_002));
    assert_eq!(rows(&full.agg([col("v").max()]).compute().unwrap()), [[Value::Float(2.5)]]);
}

#[test]
fn closures_that_have_not_run_hinder_nothing() {
    let files = Files::new(&[("f.csv", file("2.5").as_bytes())]);
    let (session, told) = session(2, 1000);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = |frame: Frame| {
        let seen = seen.clone();
        frame.map_batches(move |batch| {
            if batch.num_rows() > 0 {
                seen.lock().unwrap().push(batch.schema().field(1).data_type().clone());
            }
            Ok::<_, Error>(batch)
        })
    };
    // Nothing leaves a sort before all values are read.
    let frame = see(session.read_csv_with(files.path("f.csv"), options()).sort(["k"]));
    assert_eq!(frame.compute().unwrap().num_rows(), 20_000);
    assert_eq!(told.0.lock().unwrap().len(), 1);
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|kind| *kind == Type::Float64.arrow()), "{seen:?}");
}

#[test]
fn integers_that_no_float_holds_make_text_of_floats() {
    let files = Files::new(&[("f.csv", file("9007199254740993").as_bytes()), ("g.csv", b"k,v,s\n1,2.5,x\n")]);
    let (session, told) = session(1, 1 << 30);
    let table = session.read_csv_with(files.path("?.csv"), options()).filter(col("k").eq(1)).compute().unwrap();
    assert_eq!(Type::of(table.schema().field(1).data_type()), Some(Type::Text));
    assert_eq!(told.0.lock().unwrap().len(), 1);
}

#[test]
fn where_bad_rows_are_left_out_a_float_is_none_but_a_word_is() {
    let files = Files::new(&[("f.csv", file("2.5").as_bytes()), ("g.csv", file("oops").as_bytes())]);
    let (session, told) = session(2, 5000);
    let read = |name: &str| {
        let options = options().on_bad_row(OnBadRow::Skip { at_most: 10 });
        let sum = session.read_csv_with(files.path(name), options).agg([size(), col("v").sum()]).compute().unwrap();
        rows(&sum)[0].clone()
    };
    assert_eq!(read("f.csv"), [Value::Int(20_000), Value::Float(40_000.5)]);
    assert_eq!(told.0.lock().unwrap().len(), 1);
    assert_eq!(read("g.csv"), [Value::Int(19_999), Value::Int(39_998)]);
    assert_eq!(told.0.lock().unwrap().len(), 1);
}

#[test]
fn a_stream_starts_again_as_long_as_no_batch_has_left() {
    let files = Files::new(&[("f.csv", file("2.5").as_bytes())]);
    let expected = 2.0 * 19_999.0 + 2.5;
    for (threads, partition, schema_first) in [(1, 1 << 30, false), (2, 1 << 30, true), (2, 60_000, false)] {
        let (session, told) = session(threads, partition);
        let frame = session.read_csv_with(files.path("f.csv"), options());
        // What sorts gives nothing before it has read everything.
        let frame = if partition < 1 << 30 { frame.sort(["k"]) } else { frame };
        let stream = frame.stream().unwrap();
        if schema_first {
            assert_eq!(stream.schema().field(1).data_type(), &Type::Float64.arrow());
        }
        let mut sum = 0.0;
        for batch in stream {
            sum += batch.unwrap().column(1).as_primitive::<Float64Type>().values().iter().sum::<f64>();
        }
        assert_eq!(sum, expected);
        assert_eq!(told.0.lock().unwrap().len(), 1);
        // Later ones begin with what is known.
        assert_eq!(frame.stream().unwrap().schema().field(1).data_type(), &Type::Float64.arrow());
        assert_eq!(told.0.lock().unwrap().len(), 1);
    }
    // A step that does not take the wider type ends the stream, by the name of the place.
    let files = Files::new(&[("g.csv", file("oops").as_bytes())]);
    let summed = session(2, 5000).0.read_csv_with(files.path("g.csv"), options()).agg([col("v").sum()]);
    let mut stream = summed.stream().unwrap();
    let text = stream.next().unwrap().unwrap_err().to_string();
    assert!(text.contains("'v' is text") && text.contains("g.csv:14002"), "{text}");
    assert!(stream.next().is_none());
}

/// What a column of integers becomes that meets one other value, whatever the cuts; of text the sum fails, and the place is named.
#[test]
fn a_column_becomes_what_holds_all_its_values_exactly() {
    for (first, second, expected) in [
        ("2.5", "3", Type::Float64),
        ("2.5", "9007199254740992", Type::Float64),
        ("9007199254740993", "2.5", Type::Text),
        ("2.5", "-9007199254740993", Type::Text),
        ("9223372036854775808", "3", Type::Text),
        ("-9223372036854775809", "2.5", Type::Text),
        ("true", "3", Type::Text),
        ("2020-01-31", "3", Type::Text),
    ] {
        let mut text = file(first);
        let late = text.len() - 6 * 2000;
        text.replace_range(late..late + 6, &format!("1,{second},x\n"));
        let files = Files::new(&[("f.csv", text.as_bytes())]);
        for (threads, partition) in [(1, 1 << 30), (2, 5000), (2, 300)] {
            let (session, told) = session(threads, partition);
            let frame = || session.read_csv_with(files.path("f.csv"), options());
            // Carried, as it stands.
            let carried = frame().compute().unwrap();
            assert_eq!(Type::of(carried.schema().field(1).data_type()), Some(expected), "{first} {second}");
            let odd = |text: &str| match expected {
                Type::Float64 => Value::Float(text.parse().unwrap()),
                _ => Value::Text(text.to_owned()),
            };
            let others: Vec<Value> =
                rows(&carried).into_iter().map(|row| row[1].clone()).filter(|v| *v != odd("2")).collect();
            assert_eq!(others, [odd(first), odd(second)]);
            // Grouped.
            let groups = rows(&frame().group_by(["v"]).agg([size()]).compute().unwrap());
            assert_eq!(groups.len(), 3);
            assert!(groups.contains(&vec![odd("2"), Value::Int(19_998)]), "{groups:?}");
            assert_eq!(told.0.lock().unwrap().len(), 2);
            let sum = frame().agg([col("v").sum()]).compute();
            if expected == Type::Float64 {
                let expected = 2.0 * 19_998.0 + first.parse::<f64>().unwrap() + second.parse::<f64>().unwrap();
                assert_eq!(rows(&sum.unwrap()), [[Value::Float(expected)]]);
                continue;
            }
            let error = sum.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Type);
            // The first value that no narrower type holds, together with those before it.
            let place = if first.len() > 10 && second == "2.5" && !first.contains("8") { 18_002 } else { 14_002 };
            let line = if second == "-9007199254740993" || place == 18_002 { 18_002 } else { 14_002 };
            let text = error.to_string();
            assert!(text.contains("'v' is text") && text.contains(&format!("f.csv:{line}")), "{text}");
        }
    }
}
