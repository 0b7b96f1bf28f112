"""DuckDB's answer to a benchmark query: duckdb_q.py GLOB Q1 [--threads 2]; CSV on stdout."""

import argparse
import csv
import sys

import duckdb

QUERIES = {
    "Q1": "SELECT k, avg(q) AS mean_q FROM trade WHERE t = 2018 GROUP BY k",
    "Q2": "SELECT i, sum(v) AS sum_v FROM trade GROUP BY i",
    "Q3": "SELECT k, count(*) AS count FROM trade GROUP BY k ORDER BY count DESC, k",
    "Q4": "SELECT * FROM trade ORDER BY q DESC NULLS LAST LIMIT 10",
    "Q5": "SELECT avg(v / q) AS mean, var_samp(v / q) AS var FROM trade WHERE t = 2018",
    "Q9": "SELECT count(*) AS n, max(t) AS t, max(i) AS i, max(j) AS j, max(k) AS k, max(v) AS v, max(q) AS q FROM trade",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query", choices=QUERIES)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

connection = duckdb.connect(config={"threads": args.threads})
# Types and dialect given, nothing is sniffed; the files' order is not asked for, so it need not be kept.
connection.execute("SET preserve_insertion_order = false")
trade = connection.read_csv(
    args.glob,
    header=True,
    auto_detect=False,
    sep=",",
    na_values="NA",
    columns={"t": "SMALLINT", "i": "SMALLINT", "j": "SMALLINT", "k": "INTEGER", "v": "DOUBLE", "q": "DOUBLE"},
)
trade.create_view("trade")
result = connection.execute(QUERIES[args.query])
# Floats are written by repr, None as nothing.
writer = csv.writer(sys.stdout)
writer.writerow(column[0] for column in result.description)
writer.writerows(result.fetchall())
