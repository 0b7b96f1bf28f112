"""Polars' answer to a benchmark query: polars_q.py GLOB Q1 [--threads 2]; CSV on stdout."""

import argparse
import os
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query")
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

# Read when Polars is loaded.
os.environ["POLARS_MAX_THREADS"] = str(args.threads)
import polars as pl  # noqa: E402

trade = pl.scan_csv(
    args.glob,
    schema={"t": pl.Int16, "i": pl.Int16, "j": pl.Int16, "k": pl.Int32, "v": pl.Float64, "q": pl.Float64},
    null_values="NA",
)
price = pl.col("v") / pl.col("q")
in_2018 = trade.filter(pl.col("t") == 2018)
answer = {
    "Q1": in_2018.group_by("k").agg(pl.col("q").mean().alias("mean_q")),
    "Q2": trade.group_by("i").agg(pl.col("v").sum().alias("sum_v")),
    "Q3": trade.group_by("k").agg(pl.len().alias("count")).sort("count", "k", descending=[True, False]),
    "Q4": trade.sort("q", descending=True, nulls_last=True).head(10),
    "Q5": in_2018.select(price.mean().alias("mean"), price.var().alias("var")),
    "Q9": trade.select(pl.len().alias("n"), pl.all().max()),
}[args.query]
sys.stdout.write(answer.collect(engine="streaming").write_csv())
