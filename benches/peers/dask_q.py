"""Dask's answer to a benchmark query: dask_q.py GLOB Q1|Q2 [--threads 2]; CSV sorted by key on stdout."""

import argparse
import sys

import dask
import dask.dataframe as dd

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query", choices=["Q1", "Q2"])
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

# pandas' parser lets the interpreter's lock go for part of its work only, so processes are Dask's better half here.
dask.config.set(scheduler="processes", num_workers=args.threads)

DTYPES = {"t": "int16", "i": "int16", "j": "int16", "k": "int32", "v": "float64", "q": "float64"}


def read(columns):
    return dd.read_csv(args.glob, usecols=columns, dtype={c: DTYPES[c] for c in columns}, na_values="NA", blocksize="100MB")


if __name__ == "__main__":
    if args.query == "Q1":
        trade = read(["t", "k", "q"])
        answer = trade[trade["t"] == 2018].groupby("k")["q"].mean().rename("mean_q")
    else:
        answer = read(["i", "v"]).groupby("i")["v"].sum().rename("sum_v")
    answer.compute().sort_index().to_csv(sys.stdout)
