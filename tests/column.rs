//! Columns, single values, and several results of one run.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::{Files, Value, rows, same, sessions};
use partita::prelude::*;
use partita::{Event, Observer};

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

/// The values of a column of the generated files that are not null.
fn floats(df: &Frame, name: &str) -> Vec<f64> {
    let values = rows(&df.select([name]).compute().unwrap()).into_iter().map(|row| match row[0] {
        Value::Float(x) => Some(x),
        Value::Int(x) => Some(x as f64),
        _ => None,
    });
    values.flatten().collect()
}

fn as_value(literal: Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Int64(x) => Value::Int(x),
        Literal::Float64(x) => Value::Float(x),
        Literal::Bool(x) => Value::Text(x.to_string()),
        Literal::Text(x) | Literal::Date(x) | Literal::Timestamp(x) => Value::Text(x),
        other => panic!("{other:?}"),
    }
}

#[test]
fn single_values_are_those_of_the_whole_column() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED).with_column("price", col("v") / col("q"));
        let price = df.column("price");
        let mut values = floats(&df, "price");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let var = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        values.sort_by(f64::total_cmp);
        let at = |p: f64| {
            let place = p * (n - 1.0);
            let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        let distinct: std::collections::HashSet<u64> = values.iter().map(|x| x.to_bits()).collect();
        let expected = [
            Value::Float(mean),
            Value::Float(var),
            Value::Float(var.sqrt()),
            Value::Float(mean * n),
            Value::Float(values[0]),
            Value::Float(values[values.len() - 1]),
            Value::Int(values.len() as i64),
            Value::Int(distinct.len() as i64),
            Value::Float(at(0.5)),
            Value::Float(at(0.9)),
        ];
        let scalars = vec![
            price.mean(),
            price.var(),
            price.std(),
            price.sum(),
            price.min(),
            price.max(),
            price.count(),
            price.nunique(),
            price.median(),
            price.quantile(0.9),
        ];
        let together = compute_all(&scalars).unwrap();
        for ((scalar, literal), expected) in scalars.iter().zip(together).zip(expected) {
            let alone = as_value(scalar.compute().unwrap());
            assert!(same(&alone, &expected), "{name}: {alone:?}, expected {expected:?}");
            assert_eq!(alone, as_value(literal), "{name}: alone and with others");
        }
        assert_eq!(price.count().as_i64().unwrap(), Some(n as i64));
        assert_eq!(price.count().as_f64().unwrap(), Some(n));
        assert_eq!(price.mean().as_i64().unwrap_err().kind(), ErrorKind::Type);
    }
}

#[test]
fn counts_come_by_frequency_then_value() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let mut counts: HashMap<i64, i64> = HashMap::new();
        floats(&df, "k").iter().for_each(|k| *counts.entry(*k as i64).or_default() += 1);
        let mut expected: Vec<(i64, i64)> = counts.into_iter().collect();
        expected.sort_by_key(|&(k, n)| (-n, k));
        let expected: Vec<Vec<Value>> = expected.iter().map(|&(k, n)| vec![Value::Int(k), Value::Int(n)]).collect();
        assert_eq!(rows(&df.column("k").value_counts().compute().unwrap()), expected, "{name}");
    }
}

#[test]
fn largest_smallest_and_what_is_computed_of_a_column() {
    let files = Files::new(&[("a.csv", b"x,s\n3,a\n,b\n1,\n3,c\n-2,d\n")]);
    for (name, session) in sessions() {
        let df = session.read_csv(files.path("a.csv"));
        let x = df.column("x");
        let ints = |column: Column| -> Vec<Value> { rows(&column.compute().unwrap()).concat() };
        assert_eq!(ints(x.nlargest(3)), [Value::Int(3), Value::Int(3), Value::Int(1)], "{name}");
        assert_eq!(ints(x.nsmallest(2)), [Value::Int(-2), Value::Int(1)]);
        assert_eq!(ints(x.nsmallest(9)).len(), 4);
        assert_eq!(ints(x.fill_null(7))[1], Value::Int(7));
        assert_eq!(ints(x.cast(Type::Text))[4], Value::Text("-2".into()));
        assert_eq!(ints(x.is_null())[..2], [Value::Text("false".into()), Value::Text("true".into())]);
        assert_eq!(ints(x.map(|x| x * 2).head(1)), [Value::Int(6)]);
        assert_eq!(df.column("s").max().compute().unwrap(), Literal::Text("d".into()));
        assert_eq!(df.filter(col("x").gt(9)).column("x").max().compute().unwrap(), Literal::Null);
    }
    let e = read_csv(files.path("a.csv")).column("y").mean().compute().unwrap_err();
    assert!(e.to_string().contains("there is no column 'y'"), "{e}");
}

/// The bytes that each run is going to read.
#[derive(Default)]
struct Bytes(Mutex<Vec<u64>>);

impl Observer for Bytes {
    fn on(&self, event: &Event) {
        if let Event::RunStarted { bytes, .. } = event {
            self.0.lock().unwrap().push(*bytes);
        }
    }
}

#[test]
fn results_together_are_those_alone_and_share_the_scan() {
    let bytes = Arc::new(Bytes::default());
    let session = Session::builder().threads(2).partition_size(50_000).observer(bytes.clone()).build().unwrap();
    let df = session.read_csv(GENERATED);
    let all = || {
        let by_year = df.group_by(["t"]).agg([col("v").sum()]);
        let dear = df.filter(col("v").gt(col("q"))).select(["k", "v"]).sort([col("v").desc()]).head(20);
        let first = df.filter(col("q").is_null()).head(3);
        let nested = df.group_by(["i", "j", "k"]).agg([size()]).group_by(["i"]).agg([col("size").max()]);
        (
            by_year,
            dear,
            first,
            nested,
            df.column("q").median(),
            [df.filter(col("t").eq(2013)), df.filter(col("t").eq(2014))],
        )
    };
    let (a, b, c, d, e, [f, g]) = compute_all(all()).unwrap();
    let runs = std::mem::take(&mut *bytes.0.lock().unwrap());
    let files: u64 = std::fs::read_dir("testdata/baci")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("BACI_HS12_Y"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert_eq!(runs, [files], "one run that reads every file once");
    let alone = all();
    assert_eq!((a, b), (alone.0.compute().unwrap(), alone.1.compute().unwrap()));
    assert_eq!((c, d), (alone.2.compute().unwrap(), alone.3.compute().unwrap()));
    assert_eq!(e, alone.4.compute().unwrap());
    let [f2, g2] = alone.5;
    assert_eq!((f, g), (f2.compute().unwrap(), g2.compute().unwrap()));
}

#[test]
fn what_cannot_share_runs_beside_the_others() {
    for (name, session) in sessions() {
        let (df, other) = (session.read_csv(GENERATED), session.read_csv("testdata/baci/BACI_HS12_Y2015.csv"));
        let kept = other.persist().unwrap();
        let both = concat([df.clone(), other.clone()]);
        let lazies = [both.agg([size()]), df.agg([size()]), kept.agg([size()]), other.agg([size()]), df.agg([size()])];
        let together = compute_all(lazies.to_vec()).unwrap();
        for (lazy, together) in lazies.iter().zip(&together) {
            assert_eq!(lazy.compute().unwrap(), *together, "{name}");
        }
    }
}

#[test]
fn an_error_in_one_stops_all_and_nothing_is_nothing() {
    let df = read_csv(GENERATED);
    let e = compute_all((df.agg([size()]), df.agg([col("nope").sum()]))).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Column);
    assert!(compute_all(Vec::<Frame>::new()).unwrap().is_empty());
}

#[test]
fn a_frame_at_a_glance() {
    let files = Files::new(&[("a.csv", b"x,s,y\n4,a,0.5\n,b,\n1,,2.5\n2,c,nan\n")]);
    let csv = CsvOptions::default().dtype("y", Type::Float64);
    // Of x: 1, 2, 4; of y: 0.5, 2.5 and a NaN that is above both, and makes NaN of what looks at all values.
    let (mean, std) = (7.0 / 3.0, (7.0_f64 / 3.0).sqrt());
    let expected = [
        ("count", 3.0, 3.0),
        ("mean", mean, f64::NAN),
        ("std", std, f64::NAN),
        ("min", 1.0, 0.5),
        ("25%", 1.5, 1.5),
        ("50%", 2.0, 2.5),
        ("75%", 3.0, f64::NAN),
        ("max", 4.0, f64::NAN),
    ];
    let expected: Vec<Vec<Value>> =
        expected.iter().map(|&(s, x, y)| vec![Value::Text(s.to_owned()), Value::Float(x), Value::Float(y)]).collect();
    for (name, session) in sessions() {
        let df = session.read_csv_with(files.path("a.csv"), csv.clone());
        common::assert_same(&rows(&df.describe().compute().unwrap()), &expected, name);
        let of_x = rows(&df.column("x").describe().compute().unwrap());
        common::assert_same(&of_x, &expected.iter().map(|row| row[..2].to_vec()).collect::<Vec<_>>(), name);
        let nothing = rows(&df.filter(col("x").gt(9)).select(["x"]).describe().compute().unwrap());
        assert_eq!(nothing[0], [Value::Text("count".into()), Value::Float(0.0)]);
        assert!(nothing[1..].iter().all(|row| row[1] == Value::Null), "{name}: {nothing:?}");
        assert_eq!(df.select(["s"]).describe().schema().unwrap_err().kind(), ErrorKind::Type);
        let seen = rows(&df.column("s").unique().compute().unwrap());
        assert_eq!(
            seen,
            [["a", "b"], ["", "c"]]
                .concat()
                .iter()
                .map(|s| vec![match *s {
                    "" => Value::Null,
                    s => Value::Text(s.into()),
                }])
                .collect::<Vec<_>>()
        );
    }
    let quartiles = |df: &Frame| rows(&df.describe().compute().unwrap());
    let df = read_csv(GENERATED);
    for (i, p) in [(4, 0.25), (5, 0.5), (6, 0.75)] {
        assert!(same(&quartiles(&df)[i][6], &as_value(df.column("q").quantile(p).compute().unwrap())));
    }
}

#[test]
fn a_column_called_like_a_condition_is_not_that_condition() {
    let files = Files::new(&[("b.csv", b"a,a > 1\n1,true\n2,false\n5,false\n")]);
    for (name, session) in sessions() {
        let df = session.read_csv(files.path("b.csv"));
        let flagged = df.filter(col("a > 1")).select(["a"]);
        let larger = df.filter(col("a").gt(1)).select(["a"]);
        let (flagged, larger) = compute_all((flagged, larger)).unwrap();
        assert_eq!(rows(&flagged).concat(), [Value::Int(1)], "{name}");
        assert_eq!(rows(&larger).concat(), [Value::Int(2), Value::Int(5)], "{name}");
    }
}

#[test]
fn together_nothing_is_decoded_that_none_alone_decodes() {
    let files = Files::new(&[("j.csv", b"kind,x\na,1\na,2\ntotal,n.a.\n")]);
    for (name, session) in sessions() {
        let df = session.read_csv_with(files.path("j.csv"), CsvOptions::default().dtype("x", Type::Int64));
        let sum = df.filter(col("kind").ne("total")).agg([col("x").sum()]);
        let count = df.agg([size().alias("x")]);
        let both = compute_all((&sum, &count)).unwrap();
        assert_eq!((rows(&both.0), rows(&both.1)), (vec![vec![Value::Int(3)]], vec![vec![Value::Int(3)]]), "{name}");
        assert_eq!(concat([sum.clone(), count]).compute().unwrap().num_rows(), 2, "{name}");
        // What one of them decodes anyway is an error of that one.
        assert_eq!(compute_all((&sum, df.agg([col("x").max()]))).unwrap_err().kind(), ErrorKind::Value, "{name}");
    }
}
