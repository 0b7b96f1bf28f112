//! Merges: against pandas, against what each is made of, and what goes wrong.

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use common::{Files, Value, assert_same, rows, session, sessions};
use partita::prelude::*;

const COUNTRIES: &str = "testdata/baci/country_codes_V202301.csv";
const PRODUCTS: &str = "testdata/baci/product_codes_HS12.csv";

/// What pandas gives, each value of the kind that the answer's column has.
fn expected(name: &str, like: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut reader = csv::Reader::from_path(format!("testdata/expected/merge_{name}.csv")).unwrap();
    let value = |(i, text): (usize, &str)| match like.iter().map(|row| &row[i]).find(|value| **value != Value::Null) {
        _ if text.is_empty() => Value::Null,
        Some(Value::Int(_)) => Value::Int(text.parse().unwrap()),
        Some(Value::Float(_)) => Value::Float(text.parse().unwrap()),
        _ => Value::Text(text.to_owned()),
    };
    reader.records().map(|record| record.unwrap().iter().enumerate().map(value).collect()).collect()
}

#[track_caller]
fn assert_as_pandas(frame: &Frame, name: &str, what: &str) {
    let got = rows(&frame.compute().unwrap());
    let expected = expected(name, &got);
    assert!(expected.len() > 50);
    assert_same(&got, &expected, &format!("{name}, {what}"));
}

fn year(session: &Session, year: u16) -> Frame {
    session.read_csv(format!("testdata/baci/BACI_HS12_Y{year}.csv"))
}

/// Rows of two years, to merge by exporter and chapter of products.
fn two_years(session: &Session) -> (Frame, Frame) {
    let chapter = || col("k").floor_div(10_000);
    let left = year(session, 2017).filter(col("v").gt(100)).with_column("chapter", chapter());
    let right = year(session, 2018).with_column("chapter", chapter()).filter(col("v").gt(50));
    (left, right.select(["i", "chapter", "j", "v"]))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    Table::new(batch.schema(), vec![batch]).unwrap()
}

fn ints(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

#[test]
fn names_of_products_and_countries() {
    for (what, session) in sessions() {
        let countries = session.read_csv(COUNTRIES);
        let products = session.read_csv(PRODUCTS);
        let named = year(&session, 2018)
            .merge(&products, Merge::left().left_on(["k"]).right_on(["code"]))
            .merge(&countries, Merge::left().left_on(["i"]).right_on(["country_code"]))
            .merge(
                &countries,
                Merge::left().left_on(["j"]).right_on(["country_code"]).suffixes("_exporter", "_importer"),
            );
        assert_eq!(named.schema().unwrap().fields().len(), 6 + 2 + 5 + 5);
        let columns = ["k", "description", "country_name_full_exporter", "iso_3digit_alpha_importer", "v"];
        assert_as_pandas(&named.select(columns).head(200), "names", what);
        assert_eq!(named.compute().unwrap().num_rows(), 2000, "{what}");
    }
}

#[test]
fn every_kind_as_pandas() {
    for (what, session) in sessions() {
        let (left, right) = two_years(&session);
        let merged = |how: Merge| left.merge(&right, how.on(["i", "chapter"]));
        assert_as_pandas(&merged(Merge::inner()), "inner", what);
        assert_as_pandas(&merged(Merge::left()), "left", what);
        assert_as_pandas(&merged(Merge::right()), "right", what);
        assert_as_pandas(&merged(Merge::outer()), "outer", what);
        assert_as_pandas(&merged(Merge::semi()), "semi", what);
        assert_as_pandas(&merged(Merge::anti()), "anti", what);
        // Of these columns i, chapter, j and v are in common.
        assert_eq!(left.merge(&right, Merge::inner()).schema().unwrap(), left.schema().unwrap());
    }
}

#[test]
fn real_rows_and_products() {
    for (what, session) in sessions() {
        let products = session.read_csv("testdata/baci/product_codes_HS17_V202301.csv");
        // Some codes are no numbers; what is null matches nothing.
        let products = products.with_column("code", col("code").try_cast(Type::Int64));
        let merged = session
            .read_csv("testdata/baci/BACI_Y2021_raw_sample.csv")
            .merge(&products, Merge::left().left_on(["k"]).right_on(["code"]));
        assert_as_pandas(&merged.select(["k", "i", "v", "q", "description"]).head(150), "sample", what);
    }
}

#[test]
fn the_nearest_as_pandas() {
    for (what, session) in sessions() {
        let left = year(&session, 2017).drop(["q"]);
        let right = year(&session, 2018).select(["i", "k", "v", "j"]);
        let merged = |how: AsOf| left.merge_asof(&right, how).head(200);
        assert_as_pandas(&merged(AsOf::on("v").by(["i"])), "asof_backward", what);
        assert_as_pandas(&merged(AsOf::on("v").by(["i"]).forward().tolerance(5.0)), "asof_forward", what);
        assert_as_pandas(&merged(AsOf::on("k").by(["i"]).nearest().tolerance(20_000)), "asof_nearest", what);
        assert_as_pandas(&merged(AsOf::on("k").allow_exact_matches(false)), "asof_exact", what);
    }
}

#[test]
fn the_nearest_in_time() {
    let files = Files::new(&[
        (
            "trades.csv",
            b"at,ticker,n\n2020-01-01 12:00:00,A,1\n2020-01-01 11:59:00,B,2\n2020-01-01 12:10:00,A,3\n,A,4\n",
        ),
        (
            "quotes.csv",
            b"seen,name,bid\n2020-01-01 12:04:00,A,2.5\n2020-01-01 11:58:30,A,1.5\n2020-01-01 12:00:00,A,2.0\n",
        ),
        ("days.csv", b"day,x\n2020-01-03,1\n2020-01-10,2\n"),
    ]);
    let read = |name: &str| session(20).read_csv(files.path(name));
    let how = || AsOf::on("at").right_on("seen").by(["ticker"]).right_by(["name"]);
    let merged = read("trades.csv").merge_asof(read("quotes.csv"), how().tolerance(minutes(5)));
    let names: Vec<String> = merged.schema().unwrap().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["at", "ticker", "n", "seen", "name", "bid"]);
    let bids = |how| rows(&read("trades.csv").merge_asof(read("quotes.csv"), how).select(["bid"]).compute().unwrap());
    let bid = |bid: f64| vec![Value::Float(bid)];
    assert_eq!(bids(how()), [bid(2.0), vec![Value::Null], bid(2.5), vec![Value::Null]]);
    assert_eq!(bids(how().tolerance(minutes(5))), [bid(2.0), vec![Value::Null], vec![Value::Null], vec![Value::Null]]);
    assert_eq!(bids(how().allow_exact_matches(false))[0], bid(1.5));
    // Dates lie whole days apart: a day and a half is a day.
    let days = session(20).frame(table(vec![("n", ints([1, 2]))])).with_column("day", lit_date("2020-01-04"));
    let near = |most: Interval| {
        let merged = days.merge_asof(read("days.csv"), AsOf::on("day").nearest().tolerance(most));
        rows(&merged.select(["x"]).head(1).compute().unwrap())[0][0].clone()
    };
    assert_eq!((near(hours(36)), near(hours(23))), (Value::Int(1), Value::Null));
}

#[test]
fn nulls_and_floats_as_keys() {
    let left = Frame::from(table(vec![("k", ints([Some(1), None, Some(2)])), ("l", ints([10, 20, 30]))]));
    let right = Frame::from(table(vec![("k", ints([None, Some(2), None])), ("r", ints([1, 2, 3]))]));
    let merged = |how: Merge| rows(&left.merge(&right, how).compute().unwrap());
    let row = |values: [i64; 3]| -> Vec<Value> {
        values.iter().map(|v| if *v == 0 { Value::Null } else { Value::Int(*v) }).collect()
    };
    assert_eq!(merged(Merge::inner()), [row([2, 30, 2])]);
    assert_eq!(merged(Merge::inner().nulls_equal()), [row([0, 20, 1]), row([0, 20, 3]), row([2, 30, 2])]);
    assert_eq!(
        merged(Merge::outer()),
        [row([1, 10, 0]), row([0, 20, 0]), row([2, 30, 2]), row([0, 0, 1]), row([0, 0, 3])]
    );
    assert_eq!(
        merged(Merge::outer().nulls_equal()),
        [row([1, 10, 0]), row([0, 20, 1]), row([0, 20, 3]), row([2, 30, 2])]
    );
    let left = Frame::from(table(vec![("x", floats(&[f64::NAN, -0.0, 1.0])), ("l", ints([1, 2, 3]))]));
    let right = Frame::from(table(vec![("x", floats(&[0.0, -f64::NAN])), ("r", ints([1, 2]))]));
    let merged = left.merge(&right, Merge::inner()).compute().unwrap();
    let x = merged.column("x").unwrap();
    // The key is the left one.
    assert_eq!(*x, Float64Array::from(vec![f64::NAN, -0.0]));
    assert_eq!(*merged.column("r").unwrap(), Int64Array::from(vec![2, 1]));
    // A condition on it goes to neither side: the right has no -0.0.
    let outer = left.merge(&right, Merge::outer()).filter(col("x").cast(Type::Text).eq("-0.0"));
    assert_eq!(outer.compute().unwrap().num_rows(), 1);
}

#[test]
fn every_row_with_every_row() {
    for (what, session) in sessions() {
        let letters = session.frame(table(vec![("letter", texts(&["a", "b"]))]));
        let crossed = year(&session, 2018).select(["k"]).merge(&letters, Merge::cross());
        let got = rows(&crossed.compute().unwrap());
        let ks = rows(&year(&session, 2018).select(["k"]).compute().unwrap());
        let want: Vec<Vec<Value>> = ks
            .iter()
            .flat_map(|k| ["a", "b"].map(|letter| vec![k[0].clone(), Value::Text(letter.to_owned())]))
            .collect();
        assert_eq!(got, want, "{what}");
        assert_eq!(rows(&crossed.agg([size()]).compute().unwrap()), [[Value::Int(4000)]], "{what}");
    }
}

#[test]
fn filters_and_columns_before_are_as_behind() {
    let kinds = || {
        [Merge::inner(), Merge::left(), Merge::right(), Merge::outer(), Merge::semi(), Merge::anti()]
            .map(|how| how.on(["i", "chapter"]))
    };
    for (what, session) in sessions() {
        let (left, right) = two_years(&session);
        for how in kinds() {
            let merged = left.merge(&right, how.clone());
            let all = session.frame(merged.compute().unwrap());
            let names: Vec<String> = all.schema().unwrap().fields().iter().map(|f| f.name().clone()).collect();
            let own = |name: &str| if names.iter().any(|n| n == name) { name.to_owned() } else { name[..1].to_owned() };
            let mut conditions = vec![
                col("i").gt(300),
                col("chapter").lt(40).or(col("i").is_null()),
                col("k").gt(300_000),
                (col("k") * 3).gt(900_000),
                col(own("v_x")).gt(500).and(col("chapter").gt(20)),
                lit(true),
            ];
            if names.iter().any(|n| n == "v_y") {
                conditions.push(col("v_y").gt(500));
                conditions.push(col("v_y").is_null());
                conditions.push(col("v_y").gt(col("v_x")));
                conditions.push(col("v_y").gt(100).and(col("v_x").gt(200)).and(col("i").lt(700)));
            }
            for condition in conditions {
                let behind = rows(&all.filter(condition.clone()).select(["chapter", "k"]).compute().unwrap());
                let before = rows(&merged.filter(condition.clone()).select(["chapter", "k"]).compute().unwrap());
                assert_eq!(before, behind, "{what}: {how:?} where {condition}");
            }
        }
    }
}

#[test]
fn merges_within_merges_and_concatenations() {
    for (what, session) in sessions() {
        let (left, right) = two_years(&session);
        let outer = left.merge(&right, Merge::outer().on(["i", "chapter"]));
        let again = outer.merge(&right, Merge::right().on(["i", "chapter"]));
        let in_steps = session
            .frame(outer.compute().unwrap())
            .merge(session.frame(right.compute().unwrap()), Merge::right().on(["i", "chapter"]));
        let again_rows = rows(&again.compute().unwrap());
        assert_eq!(again_rows, rows(&in_steps.compute().unwrap()), "{what}");
        // Kept, it has the partitions that it has: the rows of the left's, then what nothing matched.
        let kept = again.persist().unwrap();
        assert_eq!(kept.npartitions().unwrap(), again.npartitions().unwrap(), "{what}");
        assert_eq!(rows(&kept.compute().unwrap()), again_rows, "{what}");
        let (first, second) = compute_all((again.clone(), outer.clone())).unwrap();
        assert_eq!((rows(&first), rows(&second)), (again_rows.clone(), rows(&outer.compute().unwrap())), "{what}");
        let both = concat([again.clone(), outer.clone(), again.clone()]);
        let n = again_rows.len();
        let got = rows(&both.select(["i", "k", "v_x", "v_y"]).compute().unwrap());
        assert_eq!(got.len(), 2 * n + outer.compute().unwrap().num_rows(), "{what}");
        assert_eq!(got[..n], got[got.len() - n..], "{what}");
        // Behind a merge as behind anything else.
        let sums = again.group_by(["chapter"]).agg([col("v").sum(), size()]);
        let in_steps = session.frame(again.compute().unwrap()).group_by(["chapter"]).agg([col("v").sum(), size()]);
        assert_same(&rows(&sums.compute().unwrap()), &rows(&in_steps.compute().unwrap()), what);
    }
}

/// So many right rows are indexed by several tasks.
#[test]
fn every_kind_with_many_right_rows() {
    const ROWS: i64 = 600_000;
    const STEP: i64 = 7_368_787;
    let session = session(1 << 20);
    // Every key from 0 on in no order, and with it a number; the right ones are those from 200 000 on.
    let side = |first: i64, name| {
        let keys: Vec<i64> = (0..ROWS).map(|row| first + row * STEP % ROWS).collect();
        let numbers: Vec<i64> = keys.iter().map(|key| key * 3).collect();
        session.frame(table(vec![("k", ints(keys)), (name, ints(numbers))]))
    };
    let (left, right) = (side(0, "a"), side(200_000, "b"));
    // Of both sides, of the left and of the right alone: how many, and the sum of their keys.
    let sum = |from: i64, to: i64| (to - from, (from..to).sum::<i64>());
    let (both, lefts, rights) = (sum(200_000, 600_000), sum(0, 200_000), sum(600_000, 800_000));
    let none = (0, 0);
    for (how, parts) in [
        (Merge::inner(), [both, none, none]),
        (Merge::left(), [both, lefts, none]),
        (Merge::right(), [both, none, rights]),
        (Merge::outer(), [both, lefts, rights]),
    ] {
        let merged = left.merge(&right, how.clone().on(["k"]));
        let sums = merged.agg([size(), col("k").sum().alias("k"), col("a").sum(), col("b").sum()]);
        let [(count, both), (lefts, left), (rights, right)] = parts;
        let want = [count + lefts + rights, both + left + right, 3 * (both + left), 3 * (both + right)];
        assert_eq!(rows(&sums.compute().unwrap()), [want.map(Value::Int)], "{how:?}");
    }
    for (how, (count, sum)) in [(Merge::semi(), both), (Merge::anti(), lefts)] {
        let merged = left.merge(&right, how.clone().on(["k"])).agg([size(), col("k").sum().alias("k")]);
        assert_eq!(rows(&merged.compute().unwrap()), [[count, sum].map(Value::Int)], "{how:?}");
    }
}

#[test]
fn the_right_side_may_be_empty_and_the_left_too() {
    for (what, session) in sessions() {
        let (left, right) = two_years(&session);
        let nothing = col("v").lt(0);
        let count = |left: &Frame, right: &Frame, how: Merge| {
            left.merge(right, how.on(["i", "chapter"])).compute().unwrap().num_rows()
        };
        let (all_left, all_right) = (left.compute().unwrap().num_rows(), right.compute().unwrap().num_rows());
        let (no_left, no_right) = (left.filter(nothing.clone()), right.filter(nothing));
        assert_eq!(count(&left, &no_right, Merge::inner()), 0, "{what}");
        assert_eq!(count(&left, &no_right, Merge::outer()), all_left, "{what}");
        assert_eq!(count(&left, &no_right, Merge::anti()), all_left, "{what}");
        assert_eq!(count(&no_left, &right, Merge::outer()), all_right, "{what}");
        assert_eq!(count(&no_left, &right, Merge::left()), 0, "{what}");
    }
}

#[test]
fn a_head_behind_a_merge_stops_early() {
    let mut text = String::from("k,v\n");
    for row in 0..300_000 {
        text += &if row == 150_000 { format!("{},oops\n", row % 7) } else { format!("{},{row}\n", row % 7) };
    }
    let files = Files::new(&[("f.csv", text.as_bytes())]);
    let session = session(1 << 30);
    let read = || session.read_csv_with(files.path("f.csv"), CsvOptions::new().dtype("v", Type::Int64));
    let names = session.frame(table(vec![("k", ints(0..7)), ("name", texts(&["a", "b", "c", "d", "e", "f", "g"]))]));
    let merged = read().merge(&names, Merge::left()).filter(col("name").ne("b"));
    let got = rows(&merged.head(5).select(["v", "name"]).compute().unwrap());
    let want = [(0, "a"), (2, "c"), (3, "d"), (4, "e"), (5, "f")]
        .map(|(v, name)| vec![Value::Int(v), Value::Text(name.into())]);
    assert_eq!(got, want);
    // All of it is read otherwise, and the right side always.
    assert_eq!(merged.compute().unwrap_err().kind(), ErrorKind::Value);
    assert_eq!(names.merge(read(), Merge::left().on(["k"])).head(1).compute().unwrap_err().kind(), ErrorKind::Value);
}

#[test]
fn the_left_session_runs_it() {
    let small = Session::builder().threads(1).memory(16 << 20).spill_dir("/no/such/directory").build().unwrap();
    let real = session(1 << 20).read_csv("testdata/baci/BACI_HS92_Y2021_V202301_exporters_4_710.csv");
    let (few, many) = (year(&small, 2018), concat(vec![real; 8]));
    // Half a million rows are more than the small session can hold, and it has nowhere to spill them.
    let error = few.merge(&many, Merge::semi().on(["i", "j", "k"])).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(many.merge(&few, Merge::semi().on(["i", "j", "k"])).compute().is_ok());
}

#[test]
fn what_can_not_be_merged() {
    let left =
        Frame::from(table(vec![("k", ints([1])), ("v", ints([1])), ("name", texts(&["a"])), ("x", floats(&[1.0]))]));
    let right =
        Frame::from(table(vec![("k", texts(&["1"])), ("v", floats(&[1.0])), ("v_x", ints([1])), ("w", ints([1]))]));
    let fails = |frame: Frame, kind: ErrorKind| {
        let error = frame.compute().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        error.to_string()
    };
    insta::assert_snapshot!(fails(left.merge(&right, Merge::inner().on(["k"])), ErrorKind::Type));
    insta::assert_snapshot!(fails(left.merge(&right, Merge::inner().on(["v"])), ErrorKind::Type));
    let mended =
        left.with_column("k", col("k").cast(Type::Text)).merge(&right, Merge::inner().on(["k"]).suffixes("", "_y"));
    assert_eq!(mended.compute().unwrap().num_rows(), 1);
    insta::assert_snapshot!(fails(left.merge(&right, Merge::left().left_on(["x"]).right_on(["k"])), ErrorKind::Type));
    insta::assert_snapshot!(fails(left.merge(&right, Merge::inner().on(["nam"])), ErrorKind::Column));
    insta::assert_snapshot!(fails(left.merge(right.select(["w"]), Merge::inner()), ErrorKind::Column));
    let lacks = fails(left.merge(&right, Merge::inner().left_on(["k"]).right_on(["x"])), ErrorKind::Column);
    assert!(lacks.contains("there is no column 'x'\n  in the right side\n"), "{lacks}");
    let clash = left.merge(&right, Merge::inner().left_on(["k"]).right_on(["w"]));
    insta::assert_snapshot!(fails(clash, ErrorKind::Column));
    fails(left.merge(&right, Merge::inner().left_on(["k"])), ErrorKind::Config);
    fails(left.merge(&right, Merge::inner().on(["k"]).right_on(["w"])), ErrorKind::Config);
    fails(left.merge(&right, Merge::inner().left_on(["k", "v"]).right_on(["w"])), ErrorKind::Config);
    fails(left.merge(&left, Merge::inner().on(["k", "k"])), ErrorKind::Config);
    fails(left.merge(&right, Merge::cross().on(["k"])), ErrorKind::Config);
    fails(left.merge(&right, Merge::inner().on::<String>([])), ErrorKind::Config);
    fails(left.merge_asof(&left, AsOf::on("name")), ErrorKind::Type);
    fails(left.merge_asof(&left, AsOf::on("k").tolerance(minutes(5))), ErrorKind::Type);
    fails(left.merge_asof(&left, AsOf::on("k").tolerance(-1)), ErrorKind::Config);
    // What is wrong on the right is told with the right's steps.
    let wrong = left.merge(right.filter(col("nope").eq(1)), Merge::left());
    assert_eq!(wrong.schema().unwrap_err().steps(), ["filter(nope = 1)"]);
}
