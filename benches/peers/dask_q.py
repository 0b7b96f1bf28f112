"""Dask's answer to a benchmark query: dask_q.py GLOB Q1 [--threads 2]; CSV on stdout."""

import argparse
import sys

import dask
import dask.dataframe as dd
import pandas as pd

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query")
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

# pandas' parser lets the interpreter's lock go for part of its work only, so processes are Dask's better half here.
dask.config.set(scheduler="processes", num_workers=args.threads)

DTYPES = {"t": "int16", "i": "int16", "j": "int16", "k": "int32", "v": "float64", "q": "float64"}


def read(*columns):
    types = {c: DTYPES[c] for c in columns}
    return dd.read_csv(args.glob, usecols=list(columns), dtype=types, na_values="NA", blocksize="100MB")


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


def q9():
    trade = read(*DTYPES)
    n, maxima = dask.compute(trade["t"].size, trade.max())
    return pd.DataFrame([{"n": n, **maxima}])


if __name__ == "__main__":
    {"Q1": q1, "Q2": q2, "Q3": q3, "Q4": q4, "Q5": q5, "Q9": q9}[args.query]().to_csv(sys.stdout, index=False)
