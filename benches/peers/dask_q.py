"""Dask's answer to a benchmark query: dask_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import json
import os
import sys

import dask
import dask.bag as db
import dask.dataframe as dd
import pandas as pd
from questions import arguments

DTYPES = {"t": "int16", "i": "int16", "j": "int16", "k": "int32", "v": "float64", "q": "float64"}
KEYS = ["i", "j", "k"]


def read(*columns, years="*"):
    types = {c: DTYPES[c] for c in columns}
    files = os.path.join(args.dir, f"BACI_HS12_Y{years}.csv")
    return dd.read_csv(files, usecols=list(columns), dtype=types, na_values="NA", blocksize="100MB")


def q1():
    trade = read("t", "k", "q")
    return trade[trade["t"] == 2018].groupby("k")["q"].mean().rename("mean_q").compute().reset_index()


def q2():
    return read("i", "v").groupby("i")["v"].sum().rename("sum_v").compute().reset_index()


def q3():
    counts = read("k")["k"].value_counts(sort=False).rename("count").compute().reset_index()
    return counts.sort_values(["count", "k"], ascending=[False, True])


def q4():
    return read(*DTYPES).nlargest(10, "q").compute()


def q5():
    trade = read("t", "v", "q")
    trade = trade[trade["t"] == 2018]
    price = trade["v"] / trade["q"]
    mean, var = dask.compute(price.mean(), price.var())
    return pd.DataFrame({"mean": [mean], "var": [var]})


def q6():
    products = pd.read_csv(os.path.join(args.dir, "product_codes_HS12.csv"))
    countries = pd.read_csv(os.path.join(args.dir, "country_codes.csv"), encoding="latin1")
    named = read(*KEYS, "v").merge(products, left_on="k", right_on="code")
    named = named.merge(countries, left_on="i", right_on="country_code")
    named = named.merge(countries, left_on="j", right_on="country_code", suffixes=["", "_importer"])
    sums = named.groupby("country_name_full")["v"].sum().rename("sum_v").compute()
    return sums.rename_axis("exporter").reset_index()


def q7():
    totals = read(*KEYS, "v").groupby(KEYS)["v"].sum(split_out=8)
    n, total = dask.compute(totals.size, totals.sum())
    return pd.DataFrame({"n": [n], "total": [total]})


def q8():
    ordered = read(*DTYPES).sort_values("v", ascending=False)
    folder = os.path.join(args.scratch, "answer.parquet")
    ordered.to_parquet(folder, compression="snappy", write_index=False, name_function=lambda n: f"part-{n:05}.parquet")


def q9():
    trade = read(*DTYPES)
    n, maxima = dask.compute(trade["t"].size, trade.max())
    return pd.DataFrame([{"n": n, **maxima}])


def q10():
    before, after = read(*KEYS, "v", years="2017"), read(*KEYS, "v", years="2018")
    both = after.merge(before, on=KEYS, suffixes=["", "_before"])
    ratio = both["v"] / both["v_before"]
    n, mean = dask.compute(ratio.size, ratio.mean())
    return pd.DataFrame({"n": [n], "mean_ratio": [mean]})


def m1():
    return read("k", "v").groupby("k")["v"].median().rename("median_v").compute().reset_index()


def m2():
    return pd.DataFrame({"n": [len(read(*KEYS).drop_duplicates(split_out=8))]})


def b1():
    lines = db.read_text(os.path.join(args.dir, "tweets.jsonl"), blocksize="64MB")
    counts = lines.map(json.loads).map(lambda tweet: tweet["user"]["screen_name"]).frequencies().compute()
    return pd.DataFrame(counts, columns=["author", "n"])


if __name__ == "__main__":
    args = arguments(__doc__)
    # pandas' parser lets the interpreter's lock go for part of its work only, so processes are Dask's better half here.
    # It has no limit of its own; its shuffles go to disk anyway.
    dask.config.set(scheduler="processes", num_workers=args.threads, temporary_directory=args.scratch)
    answer = globals()[args.query.lower()]()
    if answer is not None:
        answer.to_csv(sys.stdout, index=False)
