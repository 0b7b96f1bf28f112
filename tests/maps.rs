//! Closures of the program: over batches, partitions, groups, and a reduction of its own.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use common::{Files, Value, assert_same, rows, session, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

fn ints(column: &dyn Array) -> Vec<i64> {
    column.as_primitive::<Int64Type>().values().to_vec()
}

fn one(values: impl IntoIterator<Item = (&'static str, i64)>) -> RecordBatch {
    let columns = values.into_iter().map(|(n, v)| (n, Arc::new(Int64Array::from(vec![v])) as ArrayRef, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn map_batches_does_what_an_expression_does() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let mapped = df.map_batches(|batch| {
            let k = batch.column_by_name("k").map(|k| k.as_primitive::<Int64Type>().unary::<_, Int64Type>(|k| k * 2));
            RecordBatch::try_from_iter_with_nullable([
                ("twice", Arc::new(k.unwrap()) as ArrayRef, true),
                ("q", batch.column(5).clone(), true),
            ])
        });
        assert_eq!(mapped.npartitions().unwrap(), df.npartitions().unwrap());
        let twin = df.select([(col("k") * 2).alias("twice"), col("q")]);
        assert_eq!(mapped.compute().unwrap(), twin.compute().unwrap(), "{name}");
        // Filters behind it see what it gives; columns that they leave are still there for it.
        let (some, same) = (mapped.filter(col("twice").lt(50_000)), twin.filter(col("twice").lt(50_000)));
        assert!(some.compute().unwrap().num_rows() > 10);
        assert_eq!(some.select(["q"]).compute().unwrap(), same.select(["q"]).compute().unwrap(), "{name}");
    }
}

#[test]
fn a_closure_may_drop_rows_and_give_other_arrow_types() {
    let files = Files::new(&[("a.csv", b"n,s\n1,x\n2,y\n3,\n4,x\n")]);
    for (_, session) in sessions() {
        let even = session.read_csv(files.path("a.csv")).map_batches(|batch| {
            let (n, s) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string_view());
            let kept: Vec<usize> = (0..batch.num_rows()).filter(|row| n.value(*row) % 2 == 0).collect();
            let small = Int32Array::from_iter_values(kept.iter().map(|row| n.value(*row) as i32));
            let text = StringArray::from_iter(kept.iter().map(|row| s.is_valid(*row).then(|| s.value(*row))));
            RecordBatch::try_from_iter([("n", Arc::new(small) as ArrayRef), ("s", Arc::new(text) as ArrayRef)])
        });
        let schema = even.schema().unwrap();
        assert_eq!((schema.field(0).data_type(), schema.field(1).data_type()), (&DataType::Int64, &DataType::Utf8View));
        let text = |s: &str| Value::Text(s.to_owned());
        assert_eq!(rows(&even.compute().unwrap()), [vec![Value::Int(2), text("y")], vec![Value::Int(4), text("x")]]);
    }
}

#[test]
fn map_partitions_gets_each_partition_whole_and_once() {
    for (name, session) in sessions() {
        // Rows from 2015 on: partitions before are empty, and come nevertheless.
        let df = session.read_csv(GENERATED).filter(col("t").ge(2015));
        let seen: Arc<Mutex<BTreeMap<Vec<i64>, usize>>> = Arc::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let (witness, counter) = (seen.clone(), calls.clone());
        let sizes = df.map_partitions(move |batch| {
            counter.fetch_add(1, Ordering::Relaxed);
            *witness.lock().unwrap().entry(ints(batch.column(3))).or_default() += 1;
            Ok::<_, Error>(one([
                ("rows", batch.num_rows() as i64),
                ("first", batch.column(0).as_primitive::<Int64Type>().iter().next().flatten().unwrap_or(0)),
            ]))
        });
        let partitions = df.npartitions().unwrap();
        assert_eq!(sizes.npartitions().unwrap(), partitions);
        calls.store(0, Ordering::Relaxed);
        seen.lock().unwrap().clear();
        let table = sizes.compute().unwrap();
        assert_eq!((table.num_rows(), calls.load(Ordering::Relaxed)), (partitions, partitions), "{name}");
        let (counts, years) = (ints(&table.column("rows").unwrap()), ints(&table.column("first").unwrap()));
        assert_eq!(counts.iter().sum::<i64>(), 8000, "{name}");
        assert!(counts.contains(&0));
        let years: Vec<i64> = years.into_iter().filter(|year| *year > 0).collect();
        assert!(years.is_sorted() && years.first() == Some(&2015) && years.last() == Some(&2018), "{name}: {years:?}");
        // The partitions, one after the other, are the frame.
        let again = df.map_partitions(Ok::<_, Error>);
        assert_eq!(again.compute().unwrap(), df.compute().unwrap(), "{name}");
    }
}

#[test]
fn what_goes_wrong_in_a_closure_is_an_error_that_names_the_step() {
    let df = session(30_000).read_csv(GENERATED);
    let io = || std::io::Error::other("the dog ate it");
    // When the plan is made: no rows.
    let e = df.map_batches(move |_| Err(io())).schema().unwrap_err();
    assert_eq!((e.kind(), e.steps()), (ErrorKind::Function, &["map_batches(..)".to_owned()][..]));
    assert!(e.to_string().contains("the dog ate it") && e.to_string().contains("map_batches_with_schema"), "{e}");
    assert!(std::error::Error::source(&e).is_some_and(|e| e.is::<std::io::Error>()));
    let e = df.map_partitions(|b| Ok::<_, Error>(one([("x", ints(b.column(0))[0])]))).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic);
    assert!(e.to_string().contains("index out of bounds") && e.to_string().contains("map_partitions("), "{e}");
    // In a run.
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let e = df.map_batches_with_schema(schema.clone(), move |_| Err(io())).compute().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Function);
    assert!(e.to_string().contains("map_batches"), "{e}");
    let ours = || Error::new(ErrorKind::Value, "no such thing");
    let e = df.map_partitions_with_schema(schema.clone(), move |_| Err(ours())).compute().unwrap_err();
    assert_eq!((e.kind(), e.message()), (ErrorKind::Value, "no such thing"));
    let e = df.map_batches_with_schema(schema.clone(), |_| -> Result<RecordBatch> { panic!("oh") }).compute();
    assert_eq!(e.unwrap_err().kind(), ErrorKind::Panic);
    // A batch that is not what was announced.
    let e = df.map_batches_with_schema(schema.clone(), Ok::<_, Error>).compute().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Type);
    assert!(e.to_string().contains("(x int64) were announced"), "{e}");
    // Announced columns are looked at before anything runs.
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let lists = Arc::new(Schema::new(vec![Field::new("x", list, true)]));
    let e = df.map_batches_with_schema(lists, Ok::<_, Error>).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Type);
}

#[test]
fn a_partition_too_large_is_refused_with_a_size_that_fits() {
    let with = |size: usize| {
        let session = Session::builder().threads(1).memory(1 << 24).partition_size(size).build().unwrap();
        let df = session.read_csv("testdata/baci/BACI_HS92_Y2021_V202301_exporters_4_710.csv");
        let wide = df.with_columns((0..26).map(|i| col("k").alias(format!("k{i}"))));
        wide.map_partitions(|b| Ok::<_, Error>(one([("rows", b.num_rows() as i64)]))).agg([col("rows").sum()]).compute()
    };
    let refused = with(1 << 30).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Memory);
    let text = refused.to_string();
    assert!(text.contains("map_partitions"), "{text}");
    let fitting = text.split("partition_size(").nth(1).and_then(|s| s.split(')').next()).unwrap();
    assert_eq!(rows(&with(fitting.parse().unwrap()).unwrap()), [[Value::Int(71192)]]);
}

#[test]
fn reduce_combines_in_order() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        // The first and the last row, and how many there are: not commutative.
        let ends = df.reduce(
            |batch| {
                let v = batch.column(4).as_primitive::<Float64Type>();
                let ends = (batch.num_rows() > 0).then(|| (v.value(0), v.value(v.len() - 1)));
                Ok::<_, Error>((ends, batch.num_rows()))
            },
            |(a, n), (b, m)| {
                let ends = match (a, b) {
                    (Some((first, _)), Some((_, last))) => Some((first, last)),
                    (a, b) => a.or(b),
                };
                Ok((ends, n + m))
            },
            |(ends, n)| {
                let float = |f: Option<f64>| Arc::new(arrow::array::Float64Array::from(vec![f])) as ArrayRef;
                let count = Arc::new(Int64Array::from(vec![n as i64])) as ArrayRef;
                let columns = [("first", float(ends.map(|e| e.0))), ("last", float(ends.map(|e| e.1))), ("n", count)];
                Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)))?)
            },
        );
        let twin = df.agg([col("v").first().alias("first"), col("v").last().alias("last"), size().alias("n")]);
        assert_same(&rows(&ends.compute().unwrap()), &rows(&twin.compute().unwrap()), name);
        let failing = df.reduce(|b| Ok(b.num_rows()), |_, _| Err("two of them"), |n| Ok(one([("n", n as i64)])));
        let e = failing.compute().unwrap_err();
        assert_eq!((e.kind(), e.message()), (ErrorKind::Function, "the closure failed: two of them"));
    }
    let nothing = session(1000).read_csv(GENERATED).filter(col("t").eq(1)).reduce(
        |b| Ok::<_, Error>(b.num_rows()),
        |a, b| Ok(a + b),
        |n| Ok(one([("n", n as i64)])),
    );
    assert_eq!(rows(&nothing.compute().unwrap()), [[Value::Int(0)]]);
}

#[test]
fn the_plan_of_closures() {
    let df = session(30_000).read_csv(GENERATED);
    let query = df.filter(col("t").eq(2018)).map_batches(Ok::<_, Error>).map_partitions(Ok::<_, Error>);
    insta::assert_snapshot!(query.filter(col("v").gt(1)).group_by(["i"]).agg([size()]).explain(Stop::All).unwrap());
}
