//! Expressions through frames: on one partition and on partitions of 64 bytes, against answers worked out by hand and naive twins.

mod common;

use common::{Files, Value, assert_same, rows, session};
use partita::prelude::*;

const SHIPS: &[u8] = "\
id,name,tons,built,seen,note
1, Ärmel ,12.5,2019-12-31,2020-02-29 23:30:00,a-b-c
2,BOREAS,,2020-02-29,2020-03-01 00:15:30.5,
3,Cœur,-0.0,1969-07-20,1969-07-20 20:17:40,x
4,,nan,,2021-01-31 12:00:00,12
5,dora,1e3,2021-01-31,,-7
6,BOREAS,0.125,2000-01-01,2000-01-01 00:00:00,99999999999999999999
"
.as_bytes();

/// The same on one partition and on many.
#[track_caller]
fn check(query: impl Fn(Frame) -> Frame, expected: &[&[Value]]) {
    let files = Files::new(&[("ships.csv", SHIPS)]);
    let expected: Vec<Vec<Value>> = expected.iter().map(|row| row.to_vec()).collect();
    for size in [1 << 30, 64] {
        let df = session(size).read_csv_with(files.path("ships.csv"), CsvOptions::new().dtype("note", Type::Text));
        assert!(size > 64 || df.npartitions().unwrap() > 2);
        let table = query(df).compute().unwrap_or_else(|e| panic!("partitions of {size}: {e}"));
        assert_same(&rows(&table), &expected, &format!("partitions of {size}"));
    }
}

fn error(query: impl Fn(Frame) -> Frame) -> Error {
    let files = Files::new(&[("ships.csv", SHIPS)]);
    query(session(64).read_csv_with(files.path("ships.csv"), CsvOptions::new().dtype("note", Type::Text)))
        .compute()
        .unwrap_err()
}

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

use Value::{Float, Int, Null};

#[test]
fn numbers() {
    check(
        |df| {
            df.select([
                col("id").floor_div(4),
                (col("id") - 4).sign().alias("sign"),
                col("tons").fill_null(-1).round(2).alias("rounded"),
                col("tons").clip(0, 100).alias("clipped"),
                col("id").pow(2).alias("square"),
            ])
        },
        &[
            &[Int(0), Int(-1), Float(12.5), Float(12.5), Float(1.0)],
            &[Int(0), Int(-1), Float(-1.0), Null, Float(4.0)],
            &[Int(0), Int(-1), Float(-0.0), Float(-0.0), Float(9.0)],
            &[Int(1), Int(0), Float(f64::NAN), Float(f64::NAN), Float(16.0)],
            &[Int(1), Int(1), Float(1000.0), Float(100.0), Float(25.0)],
            &[Int(1), Int(1), Float(0.13), Float(0.125), Float(36.0)],
        ],
    );
}

#[test]
fn texts() {
    check(
        |df| {
            let name = || col("name").strip();
            df.select([
                name().lower().alias("lower"),
                name().len_chars().alias("len"),
                name().slice(-3, 2).alias("slice"),
                concat_text([name(), lit("/"), col("id").cast(Type::Text)]).alias("both"),
                col("note").split_part("-", 2).alias("part"),
                name().extract("([A-Z])[a-zœä]", 1).alias("capital"),
            ])
        },
        &[
            &[t("ärmel"), Int(5), t("me"), t("Ärmel/1"), t("b"), Null],
            &[t("boreas"), Int(6), t("EA"), t("BOREAS/2"), Null, Null],
            &[t("cœur"), Int(4), t("œu"), t("Cœur/3"), t(""), t("C")],
            &[Null, Null, Null, Null, t(""), Null],
            &[t("dora"), Int(4), t("or"), t("dora/5"), t("7"), Null],
            &[t("boreas"), Int(6), t("EA"), t("BOREAS/6"), t(""), Null],
        ],
    );
}

#[test]
fn dates() {
    check(
        |df| {
            df.select([
                col("built").year().alias("year"),
                (col("built") + months(12)).cast(Type::Text).alias("later"),
                col("built").weekday().alias("weekday"),
                col("seen").truncate("hour").format_date("%H:%M").alias("hour"),
                col("seen").diff_days(col("built")).alias("days"),
                col("seen").to_offset("+01:00").day().alias("local"),
            ])
        },
        &[
            // A Tuesday, a Saturday, a Sunday, a Sunday, a Saturday.
            &[Int(2019), t("2020-12-31"), Int(1), t("23:00"), Int(60), Int(1)],
            &[Int(2020), t("2021-02-28"), Int(5), t("00:00"), Int(1), Int(1)],
            &[Int(1969), t("1970-07-20"), Int(6), t("20:00"), Int(0), Int(20)],
            &[Null, Null, Null, t("12:00"), Null, Int(31)],
            &[Int(2021), t("2022-01-31"), Int(6), Null, Null, Null],
            &[Int(2000), t("2001-01-01"), Int(5), t("00:00"), Int(0), Int(1)],
        ],
    );
}

#[test]
fn conditions() {
    check(
        |df| {
            let number = col("note").try_cast(Type::Int64);
            let class = when(col("tons").is_nan()).then("?").when(col("tons").gt(1)).then("big").otherwise("small");
            df.select([
                number.alias("number"),
                class.alias("class"),
                // Guarded: the notes of the others are no numbers.
                when(col("id").is_in([4, 5])).then(col("note").cast(Type::Int64)).otherwise(col("id")).alias("guarded"),
                col("built").between("2000-01-01", "2020-02-29").alias("between"),
            ])
        },
        &[
            &[Null, t("big"), Int(1), t("true")],
            &[Null, t("small"), Int(2), t("true")],
            &[Null, t("small"), Int(3), t("false")],
            &[Int(12), t("?"), Int(12), Null],
            &[Int(-7), t("big"), Int(-7), t("false")],
            &[Null, t("small"), Int(6), t("true")],
        ],
    );
}

#[test]
fn in_filters_keys_aggregates_and_sorts() {
    check(
        |df| df.filter(col("name").contains("OR").or(col("name").is_in(["dora"]))).select(["id"]),
        &[&[Int(2)], &[Int(5)], &[Int(6)]],
    );
    check(
        |df| {
            let century = (col("built").year().floor_div(100) + 1).alias("century");
            df.group_by([century]).agg([size(), col("note").len_chars().max().alias("longest")])
        },
        &[&[Int(20), Int(1), Int(1)], &[Int(21), Int(4), Int(20)]],
    );
    check(
        |df| df.sort([col("name").strip().upper().desc(), col("id").desc()]).select(["id"]).head(4),
        &[&[Int(1)], &[Int(5)], &[Int(3)], &[Int(6)]],
    );
}

#[test]
fn a_filter_that_can_fail_stays_behind_the_one_that_guards_it() {
    check(
        |df| {
            df.filter(col("note").matches("^-?[0-9]{1,5}$")).filter(col("note").cast(Type::Int64).gt(0)).select(["id"])
        },
        &[&[Int(4)]],
    );
    check(
        |df| {
            let numbers = df.filter(col("id").between(4, 5)).with_column("n", col("note").cast(Type::Int64));
            numbers.filter(col("n").lt(0)).select(["id", "n"])
        },
        &[&[Int(5), Int(-7)]],
    );
}

#[test]
fn columns_added_replaced_dropped_and_renamed() {
    check(
        |df| {
            df.with_column("id", col("id") * 10)
                .with_columns([(col("id") + 1).alias("next"), col("tons").is_null().alias("tons")])
                .drop(["name", "built", "seen", "note"])
                .rename([("id", "next"), ("next", "id")])
                .head(2)
        },
        &[&[Int(10), t("false"), Int(11)], &[Int(20), t("true"), Int(21)]],
    );
    let files = Files::new(&[("ships.csv", SHIPS)]);
    let df = session(64).read_csv(files.path("ships.csv"));
    let names = |df: &Frame| df.schema().unwrap().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let swapped = df.rename([("id", "name"), ("name", "id")]);
    assert_eq!(names(&swapped), ["name", "id", "tons", "built", "seen", "note"]);
    assert_eq!(names(&df.with_column("tons", lit(1)).with_column("z", col("id").alias("other")))[5..], ["note", "z"]);
    let shown = df.with_column("k", col("id") + 1).drop(["id"]).rename([("k", "id")]).to_string();
    assert!(shown.ends_with("2. with_column(\"k\", id + 1)\n  3. drop(id)\n  4. rename(k to id)"), "{shown}");
    for (frame, kind, text) in [
        (df.drop(["tonns"]), ErrorKind::Column, "there is no column 'tonns'"),
        (df.drop(names(&df)), ErrorKind::Config, "no column is left"),
        (df.rename([("x", "y")]), ErrorKind::Column, "there is no column 'x'"),
        (df.rename([("id", "a"), ("id", "b")]), ErrorKind::Column, "column 'id' is renamed twice"),
        (df.rename([("id", "tons")]), ErrorKind::Column, "two columns are named 'tons'"),
        (
            df.with_columns([col("id").alias("a"), col("id").alias("a")]),
            ErrorKind::Column,
            "two of the new columns are named 'a'",
        ),
        (df.with_column("a", col("b")), ErrorKind::Column, "there is no column 'b'"),
    ] {
        let error = frame.schema().unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, text));
        assert_eq!(error.steps().len(), 1);
    }
    assert!(df.drop(["tonns"]).schema().unwrap_err().to_string().contains("did you mean 'tons'?"));
}

#[test]
fn what_is_wrong_in_a_row_names_the_value() {
    let cast = error(|df| df.select([col("note").cast(Type::Int64)]));
    assert_eq!(cast.kind(), ErrorKind::Value);
    assert!(cast.to_string().contains("is no int64, in 'cast(note as int64)'"), "{cast}");
    let last = error(|df| df.filter(col("id").eq(6)).select([col("note").cast(Type::Int64)]));
    assert_eq!(
        (last.kind(), last.message()),
        (ErrorKind::Overflow, "\"99999999999999999999\" is beyond int64, in 'cast(note as int64)'")
    );
    let nan = error(|df| df.select([col("tons").cast(Type::Int64)]));
    assert_eq!((nan.kind(), nan.message()), (ErrorKind::Value, "NaN is no int64, in 'cast(tons as int64)'"));
    let overflow = error(|df| df.select([(col("id") + (i64::MAX - 5)).alias("x")]));
    assert_eq!(overflow.kind(), ErrorKind::Overflow);
    // A constant that is an error is none where no row is left.
    check(|df| df.filter(col("id").gt(6)).select([lit(i64::MAX) + 1]), &[]);
}
