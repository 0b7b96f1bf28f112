//! The questions: their names, how answers to them are compared, and Partita's way to ask. The peers' are in `benches/peers`.

use partita::prelude::*;

use crate::answers::Compare;

pub struct Query {
    pub name: &'static str,
    pub compare: Compare,
    /// The query in Partita.
    pub partita: fn(Frame) -> Frame,
}

pub const ALL: &[Query] = &[
    // The mean quantity of each product in 2018.
    Query {
        name: "Q1",
        compare: Compare::AnyOrder,
        partita: |df| df.filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean().alias("mean_q")]),
    },
    // The total value of each exporter.
    Query {
        name: "Q2",
        compare: Compare::AnyOrder,
        partita: |df| df.group_by(["i"]).agg([col("v").sum().alias("sum_v")]),
    },
    // How often each product occurs, the most frequent first, then by code.
    Query {
        name: "Q3",
        compare: Compare::InOrder,
        partita: |df| df.group_by(["k"]).agg([size().alias("count")]).sort([col("count").desc(), col("k").asc()]),
    },
    // The ten rows of the largest quantities. Rows of the same quantity may come in any order, so only q is compared.
    Query { name: "Q4", compare: Compare::Column("q"), partita: |df| df.sort([col("q").desc()]).head(10) },
    // Mean and sample variance of the unit price in 2018; rows without a quantity are skipped.
    Query {
        name: "Q5",
        compare: Compare::InOrder,
        partita: |df| {
            let price = || col("v") / col("q");
            df.filter(col("t").eq(2018)).agg([price().mean().alias("mean"), price().var().alias("var")])
        },
    },
    // The number of rows, and the maximum of every column.
    Query {
        name: "Q9",
        compare: Compare::InOrder,
        partita: |df| {
            let maxima = ["t", "i", "j", "k", "v", "q"].map(|name| col(name).max());
            df.agg([size().alias("n")].into_iter().chain(maxima))
        },
    },
];

impl Query {
    pub fn parse(name: &str) -> Result<&'static Query, String> {
        ALL.iter().find(|query| query.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|query| query.name).collect();
            format!("the queries are {}", names.join(", "))
        })
    }
}
