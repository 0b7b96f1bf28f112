//! The questions of db-benchmark (github.com/duckdblabs/db-benchmark) on grouping and joins. Answers are whole tables, which
//! are held; they are compared by their rows and the totals of their values. No order is asked for.

use partita::prelude::*;

use crate::answers::Compare;
use crate::data::Set;
use crate::partita_answers::Tables;
use crate::queries::{Kind, Query};

pub const QUERIES: &[Query] = &[
    grouping("G1", &["v1"], |t| sums(t, &["id1"], &["v1"])),
    grouping("G2", &["v1"], |t| sums(t, &["id1", "id2"], &["v1"])),
    grouping("G3", &["v1", "v3"], |t| grouped(t, &["id3"]).agg([col("v1").sum(), col("v3").mean()]).unordered()),
    grouping("G4", &["v1", "v2", "v3"], |t| {
        grouped(t, &["id4"]).agg(["v1", "v2", "v3"].map(|name| col(name).mean())).unordered()
    }),
    grouping("G5", &["v1", "v2", "v3"], |t| sums(t, &["id6"], &["v1", "v2", "v3"])),
    grouping("G6", &["median_v3", "sd_v3"], |t| {
        grouped(t, &["id4", "id5"])
            .agg([col("v3").median().alias("median_v3"), col("v3").std().alias("sd_v3")])
            .unordered()
    }),
    grouping("G7", &["range_v1_v2"], |t| {
        let ends = grouped(t, &["id3"]).agg([col("v1").max(), col("v2").min()]).unordered();
        ends.select([col("id3"), (col("v1") - col("v2")).alias("range_v1_v2")])
    }),
    grouping("G8", &["largest2_v3"], |t| {
        let there = t.get("groupby").filter(col("v3").is_not_null());
        let largest = there.group_by(["id6"]).keep_nulls().top(2, col("v3"));
        largest.select([col("id6"), col("v3").alias("largest2_v3")])
    }),
    grouping("G9", &["r2"], |t| {
        let correlated = grouped(t, &["id2", "id4"]).agg([corr("v1", "v2").alias("r")]).unordered();
        correlated.select([col("id2"), col("id4"), (col("r") * col("r")).alias("r2")])
    }),
    grouping("G10", &["v3", "count"], |t| {
        grouped(t, &["id1", "id2", "id3", "id4", "id5", "id6"])
            .agg([col("v3").sum(), size().alias("count")])
            .unordered()
    }),
    join("J1", &["x", "small"], |t| t.get("x").merge(t.get("small"), Merge::inner().on(["id1"]))),
    join("J2", &["x", "medium"], |t| t.get("x").merge(t.get("medium"), Merge::inner().on(["id2"]))),
    join("J3", &["x", "medium"], |t| t.get("x").merge(t.get("medium"), Merge::left().on(["id2"]))),
    join("J4", &["x", "medium"], |t| t.get("x").merge(t.get("medium"), Merge::inner().on(["id5"]))),
    join("J5", &["x", "big"], |t| t.get("x").merge(t.get("big"), Merge::inner().on(["id3"]))),
];

/// A question on grouping, and the columns whose totals are compared.
const fn grouping(name: &'static str, totals: &'static [&'static str], partita: fn(&Tables) -> Frame) -> Query {
    let (compare, answer) = (Compare::InOrder, Kind::Held(totals));
    Query { name, set: Set::Groupby, tables: &["groupby"], compare, answer, partita }
}

const fn join(name: &'static str, tables: &'static [&'static str], partita: fn(&Tables) -> Frame) -> Query {
    Query { name, set: Set::Join, tables, compare: Compare::InOrder, answer: Kind::Held(&["v1", "v2"]), partita }
}

/// A missing key is a key.
fn grouped(tables: &Tables, keys: &[&'static str]) -> partita::GroupBy {
    tables.get("groupby").group_by(keys.iter().copied()).keep_nulls()
}

fn sums(tables: &Tables, keys: &[&'static str], values: &[&str]) -> Frame {
    grouped(tables, keys).agg(values.iter().map(|&name| col(name).sum())).unordered()
}
