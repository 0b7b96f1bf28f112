"""Polars' answer to a benchmark query: polars_q.py GLOB Q1|Q2 [--threads 2]; CSV sorted by key on stdout."""

import argparse
import os
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query", choices=["Q1", "Q2"])
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
if args.query == "Q1":
    answer = trade.filter(pl.col("t") == 2018).group_by("k").agg(pl.col("q").mean().alias("mean_q")).sort("k")
else:
    answer = trade.group_by("i").agg(pl.col("v").sum().alias("sum_v")).sort("i")
sys.stdout.write(answer.collect(engine="streaming").write_csv())
