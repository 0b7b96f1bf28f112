//! Golden plans: what the optimiser makes of a query, and the stages it becomes. `INSTA_UPDATE=always cargo test` re-blesses them.

use partita::prelude::*;

fn df() -> Frame {
    let session = Session::builder().threads(2).partition_size(30_000).build().unwrap();
    session.read_csv("testdata/baci/BACI_HS12_Y*.csv")
}

#[test]
fn the_main_job_at_every_stop() {
    let query = df().filter(col("t").eq(2018)).group_by(["k"]).agg([col("q").mean()]);
    insta::assert_snapshot!(query.explain(Stop::All).unwrap());
}

#[test]
fn a_frame_tells_its_columns_partitions_and_steps() {
    let query = df().filter(col("t").eq(2018)).select([col("k"), (col("v") / col("q")).alias("price")]);
    insta::assert_snapshot!(query.to_string());
    insta::assert_snapshot!(query.filter(col("price").gt("x")).head(3).to_string());
}

#[test]
fn columns_not_used_are_not_decoded() {
    let query = df().select([col("i"), col("j"), (col("v") * 2).alias("w"), col("q")]).agg([col("w").sum()]);
    insta::assert_snapshot!(query.explain(Stop::Optimised).unwrap());
    insta::assert_snapshot!(df().agg([size()]).explain(Stop::Optimised).unwrap());
}

#[test]
fn filters_sink_through_projections_sorts_and_keys() {
    let query = df()
        .select([col("k"), (col("v") / 2).alias("half"), col("i")])
        .sort(["k"])
        .filter(col("half").gt(10).and(col("k").lt(200_000)))
        .group_by(["i"])
        .agg([col("half").sum()])
        .filter(col("i").eq(4).and(col("half").gt(0)));
    insta::assert_snapshot!(query.explain(Stop::Optimised).unwrap());
}

#[test]
fn what_can_fail_stays_behind_the_filter_before_it() {
    let query = df().filter(col("k").lt(100)).filter((col("k") * 1_000_000).gt(5));
    insta::assert_snapshot!(query.explain(Stop::Optimised).unwrap());
}

#[test]
fn a_limit_goes_into_the_sort() {
    let query = df().sort([col("v").desc()]).select(["k", "v"]).slice(5, 10);
    insta::assert_snapshot!(query.explain(Stop::All).unwrap());
    insta::assert_snapshot!(df().head(10).filter(col("v").gt(1)).explain(Stop::Optimised).unwrap());
}
