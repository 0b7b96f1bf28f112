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

#[test]
fn filters_and_columns_sink_through_merges() {
    let session = Session::builder().threads(2).partition_size(30_000).build().unwrap();
    let countries = session.read_csv("testdata/baci/country_codes_V202301.csv");
    let named = df().merge(&countries, Merge::inner().left_on(["i"]).right_on(["country_code"]));
    let query = named
        .filter(
            col("t")
                .eq(2018)
                .and(col("country_code").lt(100))
                .and(col("iso_3digit_alpha").ne(col("k").cast(Type::Text))),
        )
        .group_by(["country_name_full"])
        .agg([col("v").sum()]);
    insta::assert_snapshot!(query.explain(Stop::All).unwrap());

    let shared = countries.rename([("country_code", "i")]);
    let on_key = |how: Merge| {
        let condition = col("i").lt(100).and(col("v").gt(5)).and(col("iso_3digit_alpha").ne("FRA"));
        df().merge(&shared, how.on(["i"])).filter(condition).select(["i", "v"]).explain(Stop::Optimised).unwrap()
    };
    insta::assert_snapshot!(on_key(Merge::left()));
    insta::assert_snapshot!(on_key(Merge::right()));
    insta::assert_snapshot!(on_key(Merge::outer()));
    let silent = shared.merge(df(), Merge::anti().on(["i"])).filter(col("i").gt(5)).select(["i"]);
    insta::assert_snapshot!(silent.explain(Stop::Optimised).unwrap());
    let near =
        df().merge_asof(df(), AsOf::on("t").by(["k"]).nearest().tolerance(3)).filter(col("k").lt(9)).select(["v_y"]);
    insta::assert_snapshot!(near.explain(Stop::Optimised).unwrap());
    let outer = df().merge(&shared, Merge::outer().on(["i"]));
    insta::assert_snapshot!(outer.explain(Stop::Stages).unwrap());
}
