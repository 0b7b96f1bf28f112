//! The main job: seven yearly files of trade flows, the mean quantity of each product in 2018.
//!
//! `cargo run --release --example main_job [GLOB]` reads the files of test data, or those that GLOB matches.

use partita::prelude::*;

fn main() -> Result<()> {
    let glob = std::env::args().nth(1).unwrap_or_else(|| "testdata/baci/BACI_HS12_Y*.csv".to_owned());

    // Headers and samples are looked at now, for names and types; no more than that.
    let df = read_csv(glob);
    println!("{df}\n");

    // Nothing runs yet: each step is a description, checked against the columns before it.
    let mean_q = df.filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean().alias("mean_q")]);
    println!("{}", mean_q.explain(Stop::All)?);

    // Now it runs: the year is decoded for every row, product and quantity for the rows of 2018 alone.
    println!("{}\n", mean_q.compute()?);

    // A mistake comes out at the end of the chain, and says how to mend it.
    match df.filter(col("year").eq(2018)).compute() {
        Ok(table) => println!("{table}"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}
