//! Several frames as one.

mod common;

use common::{Files, Value, rows, session, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

#[test]
fn filter_then_concat_is_concat_then_filter() {
    for (name, session) in sessions() {
        let (a, b) = (session.read_csv("testdata/baci/BACI_HS12_Y2012.csv"), session.read_csv(GENERATED));
        let condition = || col("v").gt(300).and(col("q").is_not_null());
        let first = rows(&concat([a.filter(condition()), b.filter(condition())]).compute().unwrap());
        let last = rows(&concat([a.clone(), b.clone()]).filter(condition()).compute().unwrap());
        assert!(!first.is_empty());
        assert_eq!(first, last, "{name}");
        let naive = [rows(&a.filter(condition()).compute().unwrap()), rows(&b.filter(condition()).compute().unwrap())];
        assert_eq!(first, naive.concat(), "{name}");
    }
}

#[test]
fn columns_by_name_types_widened_what_lacks_null() {
    let files = Files::new(&[("1.csv", b"a,b,d\n1,x,2020-01-01\n"), ("2.csv", b"d,c,a\n2020-01-02 12:00,y,1.5\n")]);
    let read = |name: &str| session(100).read_csv(files.path(name));
    let both = concat([read("1.csv"), read("2.csv")]);
    let t = |s: &str| Value::Text(s.to_owned());
    let expected = [
        vec![Value::Float(1.0), t("x"), t("2020-01-01T00:00:00"), Value::Null],
        vec![Value::Float(1.5), Value::Null, t("2020-01-02T12:00:00"), t("y")],
    ];
    assert_eq!(rows(&both.compute().unwrap()), expected);
    // Columns that only one frame has, in conditions and alone.
    assert_eq!(rows(&both.filter(col("c").eq("y")).select(["a"]).compute().unwrap()), [[Value::Float(1.5)]]);
    assert_eq!(rows(&both.agg([size()]).compute().unwrap()), [[Value::Int(2)]]);
    let e = concat([read("1.csv"), read("2.csv").select([col("c").alias("a")])]).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Type);
    assert!(e.to_string().contains("column 'a' is int64 in one frame and text in another"), "{e}");
}

#[test]
fn a_table_is_a_frame_again() {
    for (name, session) in sessions() {
        let table = session.read_csv(GENERATED).group_by(["i"]).agg([col("v").sum()]).compute().unwrap();
        let again = session.frame(table.clone());
        assert_eq!(again.compute().unwrap(), table, "{name}");
        let doubled = concat([again.clone(), session.read_csv(GENERATED).group_by(["i"]).agg([col("v").sum()])]);
        let counts = rows(&doubled.group_by(["i"]).agg([size()]).compute().unwrap());
        assert_eq!(counts.len(), table.num_rows());
        assert!(counts.iter().all(|row| row[1] == Value::Int(2)), "{name}");
        assert_eq!(again.head(3).sort([col("i").desc()]).compute().unwrap().num_rows(), 3);
    }
}

#[test]
fn the_plan_of_a_concatenation() {
    let session = session(30_000);
    let table = session.read_csv(GENERATED).head(5).compute().unwrap();
    let both = concat([session.read_csv(GENERATED), session.frame(table)])
        .filter(col("t").eq(2018))
        .group_by(["k"])
        .agg([size()]);
    insta::assert_snapshot!(both.explain(Stop::All).unwrap());
    assert_eq!(concat([]).schema().unwrap_err().kind(), ErrorKind::Config);
    let e = concat([session.read_csv(GENERATED).filter(col("x").eq(1)), session.read_csv("nope.csv")])
        .schema()
        .unwrap_err();
    assert_eq!(e.steps(), ["filter(x = 1)"]);
}
