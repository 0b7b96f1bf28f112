"""Polars' answer to a benchmark query: polars_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import os
import sys

from questions import Timed, arguments

args = arguments(__doc__)
# Read when Polars is loaded.
os.environ["POLARS_MAX_THREADS"] = str(args.threads)
os.environ["POLARS_TEMP_DIR"] = os.environ["POLARS_OOC_SPILL_DIR"] = args.scratch
if args.memory:
    megabytes = str(args.memory // 1_000_000)
    os.environ["POLARS_OVERRIDE_TOTAL_MEMORY_MB"] = os.environ["POLARS_OOC_MEMORY_BUDGET_MB"] = megabytes
import polars as pl  # noqa: E402

FLOWS = {"t": pl.Int16, "i": pl.Int16, "j": pl.Int16, "k": pl.Int32, "v": pl.Float64, "q": pl.Float64}


def flows(years="*"):
    return pl.scan_csv(os.path.join(args.dir, f"BACI_HS12_Y{years}.csv"), schema=FLOWS, null_values="NA")


def q6():
    products = pl.scan_csv(os.path.join(args.dir, "product_codes_HS12.csv"), schema={"code": pl.Int32, "description": pl.String})
    # Only what is read at once may be in other encodings than UTF-8.
    types = {"country_code": pl.Int16}
    countries = pl.read_csv(os.path.join(args.dir, "country_codes.csv"), encoding="latin1", schema_overrides=types).lazy()
    named = trade.join(products, left_on="k", right_on="code").join(countries, left_on="i", right_on="country_code")
    named = named.join(countries, left_on="j", right_on="country_code", suffix="_importer")
    return named.group_by(pl.col("country_name_full").alias("exporter")).agg(pl.col("v").sum().alias("sum_v"))


def q7():
    totals = trade.group_by("i", "j", "k").agg(pl.col("v").sum().alias("sum_v"))
    return totals.select(pl.len().alias("n"), pl.col("sum_v").sum().alias("total"))


def q10():
    both = flows("2018").join(flows("2017"), on=["i", "j", "k"], suffix="_before")
    return both.select(pl.len().alias("n"), (pl.col("v") / pl.col("v_before")).mean().alias("mean_ratio"))


trade = flows()
price = pl.col("v") / pl.col("q")
in_2018 = trade.filter(pl.col("t") == 2018)
QUERIES = {
    "Q1": lambda: in_2018.group_by("k").agg(pl.col("q").mean().alias("mean_q")),
    "Q2": lambda: trade.group_by("i").agg(pl.col("v").sum().alias("sum_v")),
    "Q3": lambda: trade.group_by("k").agg(pl.len().alias("count")).sort("count", "k", descending=[True, False]),
    "Q4": lambda: trade.sort("q", descending=True, nulls_last=True).head(10),
    "Q5": lambda: in_2018.select(price.mean().alias("mean"), price.var().alias("var")),
    "Q6": q6,
    "Q7": q7,
    "Q8": lambda: trade.sort("v", descending=True),
    "Q9": lambda: trade.select(pl.len().alias("n"), pl.all().max()),
    "Q10": q10,
    "M1": lambda: trade.group_by("k").agg(pl.col("v").median().alias("median_v")),
    "M2": lambda: trade.select("i", "j", "k").unique().select(pl.len().alias("n")),
}
query = QUERIES[args.query]()
if args.query == "Q8":
    query.sink_parquet(os.path.join(args.scratch, "answer.parquet"), compression="snappy", engine="streaming")
    sys.exit()
with Timed(args.loaded):
    answer = query.collect(engine="streaming")
sys.stdout.write(answer.write_csv())
