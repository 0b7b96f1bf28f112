//! Answers against pandas, and laws, on one partition and on many.
//!
//! The expected values are in `testdata/expected`, with the script that made them.

mod common;

use common::{Value, assert_same, expected, rows, sessions};
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";
const REAL: &str = "testdata/baci/BACI_HS92_Y2021_V202301_exporters_4_710.csv";
const SAMPLE: &str = "testdata/baci/BACI_Y2021_raw_sample.csv";

fn check(name: &str, query: impl Fn(&Session) -> Frame) {
    for (session_name, session) in sessions() {
        let got = rows(&query(&session).compute().unwrap());
        assert!(!got.is_empty());
        assert_same(&got, &expected(name, &got), &format!("{name}, {session_name}"));
    }
}

/// Rows of each group, and count, sum, mean, min and max of every other column.
fn all_aggregates(keys: &[&str]) -> Vec<AggExpr> {
    let mut aggs = vec![size()];
    for c in ["t", "i", "j", "k", "v", "q"].into_iter().filter(|c| !keys.contains(c)) {
        aggs.push(col(c).count().alias(format!("count_{c}")));
        aggs.push(col(c).sum().alias(format!("sum_{c}")));
        aggs.push(col(c).mean().alias(format!("mean_{c}")));
        aggs.push(col(c).min().alias(format!("min_{c}")));
        aggs.push(col(c).max().alias(format!("max_{c}")));
    }
    aggs
}

/// These of the whole, and the number of distinct values of every column.
fn all_of_the_whole() -> Vec<AggExpr> {
    let mut aggs = vec![size()];
    for (i, agg) in all_aggregates(&[]).into_iter().skip(1).enumerate() {
        aggs.push(agg);
        if i % 5 == 4 {
            let c = ["t", "i", "j", "k", "v", "q"][i / 5];
            aggs.push(col(c).nunique().alias(format!("nunique_{c}")));
        }
    }
    aggs
}

#[test]
fn the_main_job() {
    check("generated_2018_mean_q_by_k", |s| {
        s.read_csv(GENERATED).filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean()])
    });
}

#[test]
fn sums_by_exporter() {
    check("generated_sum_v_by_i", |s| s.read_csv(GENERATED).group_by(["i"]).agg([col("v").sum()]));
}

#[test]
fn a_filter_of_two_conditions_and_two_keys() {
    check("generated_large_by_t_j", |s| {
        let large = s.read_csv(GENERATED).filter(col("v").gt(100).and(col("i").ne(156)));
        let aggs = [col("v").sum(), col("q").mean().alias("mean_q"), col("q").count().alias("count_q"), size()];
        large.group_by(["t", "j"]).agg(aggs)
    });
}

#[test]
fn rows_with_a_missing_value_in_file_order() {
    check("generated_missing_q", |s| s.read_csv(GENERATED).filter(col("q").is_null()).filter(col("v").ge(1000)));
}

#[test]
fn every_aggregate_of_every_column() {
    check("generated_all_by_i", |s| s.read_csv(GENERATED).group_by(["i"]).agg(all_aggregates(&["i"])));
    check("generated_all_by_t_i", |s| s.read_csv(GENERATED).group_by(["t", "i"]).agg(all_aggregates(&["t", "i"])));
    check("generated_all", |s| s.read_csv(GENERATED).agg(all_of_the_whole()));
}

#[test]
fn the_real_files_as_they_are_padded() {
    check("real_all", |s| s.read_csv(REAL).agg(all_of_the_whole()));
    check("real_all_by_i", |s| s.read_csv(REAL).group_by(["i"]).agg(all_aggregates(&["i"])));
    check("real_all_by_i_j", |s| s.read_csv(REAL).group_by(["i", "j"]).agg(all_aggregates(&["i", "j"])));
    check("real_mean_q_by_k", |s| s.read_csv(REAL).group_by(["k"]).agg([col("q").mean(), size()]));
    check("sample_all", |s| s.read_csv(SAMPLE).agg(all_of_the_whole()));
    check("sample_all_by_i", |s| s.read_csv(SAMPLE).group_by(["i"]).agg(all_aggregates(&["i"])));
    check("sample_all_by_t_i", |s| s.read_csv(SAMPLE).group_by(["t", "i"]).agg(all_aggregates(&["t", "i"])));
}

#[test]
fn the_sums_that_the_source_of_the_real_rows_states() {
    for (name, session) in sessions() {
        let df = session.read_csv(REAL);
        let got = rows(
            &df.agg([size(), col("v").sum(), col("q").sum().alias("q"), col("v").max().alias("max")])
                .compute()
                .unwrap(),
        );
        let stated =
            [[Value::Int(71192), Value::Float(69369988.138), Value::Float(95549654.973), Value::Float(4103870.59)]
                .to_vec()];
        assert_same(&got, &stated, name);
        let missing = rows(&df.filter(col("q").is_null()).agg([size()]).compute().unwrap());
        assert_eq!(missing, [[Value::Int(2306)]], "{name}");
        for (key, groups) in [("i", 2), ("j", 211), ("k", 4422)] {
            assert_eq!(df.group_by([key]).agg([size()]).compute().unwrap().num_rows(), groups, "{name}, {key}");
        }
        let top = df.group_by(["k"]).agg([col("v").sum()]).sort([col("v").desc()]).head(3);
        let stated = [(710812, 10454927.134), (260111, 3894293.422), (711031, 2692783.801)];
        let stated: Vec<_> = stated.iter().map(|&(k, v)| vec![Value::Int(k), Value::Float(v)]).collect();
        assert_same(&rows(&top.compute().unwrap()), &stated, name);
    }
}

#[test]
fn top_products_and_largest_quantities() {
    check("real_top_products_by_v", |s| {
        s.read_csv(REAL).group_by(["k"]).agg([col("v").sum()]).sort([col("v").desc(), col("k").asc()]).head(20)
    });
    check("real_largest_q", |s| {
        let keys = [col("q").desc(), col("v").asc(), col("i").asc(), col("j").asc(), col("k").asc()];
        s.read_csv(REAL).sort(keys).head(50)
    });
}

#[test]
fn prices_computed_row_by_row() {
    check("generated_fuel_prices", |s| {
        let fuels = s.read_csv(GENERATED).filter(col("k").ge(270_000).and(col("k").lt(280_000)));
        fuels.select([col("t"), col("i"), col("j"), col("k"), (col("v") / col("q")).alias("price")])
    });
}

#[test]
fn null_keys_go_unless_they_are_asked_for() {
    let files = common::Files::new(&[("f.csv", b"k,s,v\n1,a,1\n,a,2\n2,,3\n1,b,4\nNA,,5\n")]);
    let t = |s: &str| Value::Text(s.to_owned());
    use Value::{Int, Null};
    for (name, session) in sessions() {
        let df = session.read_csv(files.path("f.csv"));
        let by = |keys: &[&str], keep: bool| {
            let groups = df.group_by(keys.iter().copied());
            let groups = if keep { groups.keep_nulls() } else { groups };
            rows(&groups.agg([col("v").sum()]).compute().unwrap())
        };
        assert_eq!(by(&["k"], false), [[Int(1), Int(5)], [Int(2), Int(3)]], "{name}");
        assert_eq!(by(&["k"], true), [[Int(1), Int(5)], [Int(2), Int(3)], [Null, Int(7)]], "{name}");
        assert_eq!(by(&["s"], true), [[t("a"), Int(3)], [t("b"), Int(4)], [Null, Int(8)]], "{name}");
        assert_eq!(by(&["k", "s"], false), [[Int(1), t("a"), Int(1)], [Int(1), t("b"), Int(4)]], "{name}");
        assert_eq!(by(&["k", "s"], true).len(), 5, "{name}");
    }
}

#[test]
fn the_answer_does_not_depend_on_how_it_is_computed() {
    // Bit for bit, since partitions are the same: threads and fan-in change nothing.
    let answer = |threads, split_every| {
        let session =
            Session::builder().threads(threads).split_every(split_every).partition_size(20_000).build().unwrap();
        let df = session.read_csv(GENERATED).group_by(["j"]).agg([col("v").sum(), col("q").mean()]);
        rows(&df.compute().unwrap())
    };
    let one = answer(1, 8);
    assert_eq!(answer(4, 8), one);
    assert_eq!(answer(2, 8), one);
}

#[test]
fn filters_before_and_after_other_steps() {
    for (name, session) in sessions() {
        let df = session.read_csv(GENERATED);
        let all = rows(&df.compute().unwrap());
        assert_eq!(all.len(), 14_000);
        let big = |row: &&Vec<Value>| matches!(row[4], Value::Float(v) if v > 500.0);
        let naive: Vec<Vec<Value>> = all.iter().filter(big).cloned().collect();
        assert_eq!(rows(&df.filter(col("v").gt(500)).compute().unwrap()), naive, "{name}");
        // Through a projection under another name, and through a sort.
        let renamed = df.select([col("t"), col("v").alias("value")]).filter(col("value").gt(500));
        let expected: Vec<_> = naive.iter().map(|row| vec![row[0].clone(), row[4].clone()]).collect();
        assert_eq!(rows(&renamed.compute().unwrap()), expected, "{name}");
        let mut sorted = naive.clone();
        sorted.sort_by(|a, b| match (&a[3], &b[3]) {
            (Value::Int(a), Value::Int(b)) => b.cmp(a),
            other => panic!("{other:?}"),
        });
        assert_eq!(rows(&df.sort([col("k").desc()]).filter(col("v").gt(500)).compute().unwrap()), sorted, "{name}");
        // Not through a slice: it is the first rows that are filtered.
        let first = rows(&df.head(1000).filter(col("v").gt(500)).compute().unwrap());
        assert_eq!(first, all[..1000].iter().filter(big).cloned().collect::<Vec<_>>(), "{name}");
        // After groups: on a key, on an aggregate.
        let sums = df.group_by(["i"]).agg([col("v").sum()]);
        let all_sums = rows(&sums.compute().unwrap());
        let few = rows(&sums.filter(col("i").lt(100).and(col("v").gt(5000))).compute().unwrap());
        let naive: Vec<_> = all_sums
            .into_iter()
            .filter(|row| matches!((&row[0], &row[1]), (Value::Int(i), Value::Float(v)) if *i < 100 && *v > 5000.0))
            .collect();
        assert_same(&few, &naive, name);
        assert!(!few.is_empty());
    }
}
