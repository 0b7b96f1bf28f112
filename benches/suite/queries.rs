//! The questions: their names, how answers to them are compared, and Partita's way to ask. The peers' are in `benches/peers`.

use partita::prelude::*;
use serde::{Deserialize, Serialize};

use crate::answers::Compare;
use crate::data::Set;
use crate::db_benchmark;
use crate::partita_answers::Tables;

pub struct Query {
    pub name: &'static str,
    pub set: Set,
    /// The tables it is about; their files are what the floor reads.
    pub tables: &'static [&'static str],
    pub compare: Compare,
    pub answer: Kind,
    /// The query in Partita.
    pub partita: fn(&Tables) -> Frame,
}

/// What becomes of a query's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// They are printed.
    Rows,
    /// They are written to a file of Parquet, compressed by Snappy, which is read back after the process has ended.
    File,
    /// They are held as a table; how many there are and the totals of these columns are printed.
    Held(&'static [&'static str]),
}

/// A question about all rows of all years, whose answer is printed.
const BACI: Query = Query {
    name: "",
    set: Set::Baci,
    tables: &["trade"],
    compare: Compare::AnyOrder,
    answer: Kind::Rows,
    partita: |t| t.get("trade"),
};

/// Those about trade (Q and M), db-benchmark's (G and J), the one billion row challenge's (S), and those for bags (B).
pub fn all() -> impl Iterator<Item = &'static Query> {
    TRADE.iter().chain(db_benchmark::QUERIES).chain(STATIONS).chain(TWEETS)
}

/// A message, as far as it is used.
#[derive(Deserialize)]
struct Tweet {
    user: User,
}

#[derive(Deserialize)]
struct User {
    screen_name: String,
}

#[derive(Serialize)]
struct Count {
    author: String,
    n: u64,
}

/// How many messages each author wrote.
const TWEETS: &[Query] = &[Query {
    name: "B1",
    set: Set::Tweets,
    tables: &["tweets"],
    partita: |t| {
        let authors = t.bag::<Tweet>("tweets").map(|tweet| tweet.user.screen_name);
        let counts = authors.frequencies().map(|(author, n)| Count { author, n });
        counts.to_frame([("author", Type::Text), ("n", Type::Int64)])
    },
    ..BACI
}];

/// The least, mean and greatest temperature of each station.
const STATIONS: &[Query] = &[Query {
    name: "S1",
    set: Set::Stations,
    tables: &["measurements"],
    partita: |t| {
        let temperature = || col("temperature");
        t.get("measurements").group_by(["station"]).agg([
            temperature().min().alias("min"),
            temperature().mean().alias("mean"),
            temperature().max().alias("max"),
        ])
    },
    ..BACI
}];

const TRADE: &[Query] = &[
    // The mean quantity of each product in 2018.
    Query {
        name: "Q1",
        partita: |t| t.get("trade").filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean().alias("mean_q")]),
        ..BACI
    },
    // The total value of each exporter.
    Query { name: "Q2", partita: |t| t.get("trade").group_by(["i"]).agg([col("v").sum().alias("sum_v")]), ..BACI },
    // How often each product occurs, the most frequent first, then by code.
    Query {
        name: "Q3",
        compare: Compare::InOrder,
        partita: |t| {
            let counts = t.get("trade").group_by(["k"]).agg([size().alias("count")]);
            counts.sort([col("count").desc(), col("k").asc()])
        },
        ..BACI
    },
    // The ten rows of the largest quantities. Rows of the same quantity may come in any order, so only q is compared.
    Query {
        name: "Q4",
        compare: Compare::Column("q"),
        partita: |t| t.get("trade").sort([col("q").desc()]).head(10),
        ..BACI
    },
    // Mean and sample variance of the unit price in 2018; rows without a quantity are skipped.
    Query {
        name: "Q5",
        partita: |t| {
            let price = || col("v") / col("q");
            t.get("trade").filter(col("t").eq(2018)).agg([price().mean().alias("mean"), price().var().alias("var")])
        },
        ..BACI
    },
    // Products, exporters and importers looked up; the total value by the exporter's name.
    Query {
        name: "Q6",
        tables: &["trade", "products", "countries"],
        partita: |t| {
            let countries = t.get("countries");
            let by_code = |key: &str| Merge::inner().left_on([key]).right_on(["country_code"]);
            t.get("trade")
                .merge(t.get("products"), Merge::inner().left_on(["k"]).right_on(["code"]))
                .merge(&countries, by_code("i"))
                .merge(&countries, by_code("j").suffixes("", "_importer"))
                .group_by([col("country_name_full").alias("exporter")])
                .agg([col("v").sum().alias("sum_v")])
        },
        ..BACI
    },
    // The total value of each exporter, importer and product; how many there are, and the total of the totals.
    Query {
        name: "Q7",
        partita: |t| {
            let totals = t.get("trade").group_by(["i", "j", "k"]).agg([col("v").sum().alias("sum_v")]);
            totals.agg([size().alias("n"), col("sum_v").sum().alias("total")])
        },
        ..BACI
    },
    // All rows by value, the largest first, into a file.
    Query {
        name: "Q8",
        compare: Compare::InOrder,
        answer: Kind::File,
        partita: |t| t.get("trade").sort([col("v").desc()]),
        ..BACI
    },
    // The number of rows, and the maximum of every column.
    Query {
        name: "Q9",
        partita: |t| {
            let maxima = ["t", "i", "j", "k", "v", "q"].map(|name| col(name).max());
            t.get("trade").agg([size().alias("n")].into_iter().chain(maxima))
        },
        ..BACI
    },
    // The flows of 2017 that were there in 2018: how many, and by what their value grew in the mean.
    Query {
        name: "Q10",
        tables: &["trade_2017", "trade_2018"],
        partita: |t| {
            let [before, after] = ["trade_2017", "trade_2018"].map(|year| t.get(year).select(["i", "j", "k", "v"]));
            after
                .merge(&before, Merge::inner().on(["i", "j", "k"]).suffixes("", "_before"))
                .agg([size().alias("n"), (col("v") / col("v_before")).mean().alias("mean_ratio")])
        },
        ..BACI
    },
    // The exact median of the values of each product.
    Query {
        name: "M1",
        partita: |t| t.get("trade").group_by(["k"]).agg([col("v").median().alias("median_v")]),
        ..BACI
    },
    // How many distinct exporters, importers and products there are.
    Query {
        name: "M2",
        partita: |t| t.get("trade").select(["i", "j", "k"]).distinct().agg([size().alias("n")]),
        ..BACI
    },
];

/// The queries of these names; a letter stands for all that begin with it, nothing for those about trade.
pub fn named(names: &[String]) -> Result<Vec<&'static Query>, String> {
    if names.is_empty() {
        return Ok(TRADE.iter().collect());
    }
    let mut found: Vec<&Query> = Vec::new();
    for name in names {
        let is_letter = name.len() == 1;
        let fits = |query: &&Query| {
            query.name.eq_ignore_ascii_case(name) || is_letter && query.name[..1].eq_ignore_ascii_case(name)
        };
        let before = found.len();
        found.extend(all().filter(fits));
        if found.len() == before {
            let names: Vec<&str> = all().map(|query| query.name).collect();
            return Err(format!("'{name}' is no query; there are {}", names.join(", ")));
        }
    }
    Ok(found)
}
