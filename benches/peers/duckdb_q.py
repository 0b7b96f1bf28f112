"""DuckDB's answer to a benchmark query: duckdb_q.py GLOB Q1|Q2 [--threads 2]; CSV sorted by key on stdout."""

import argparse
import sys

import duckdb

QUERIES = {
    "Q1": "SELECT k, avg(q) AS mean_q FROM trade WHERE t = 2018 GROUP BY k ORDER BY k",
    "Q2": "SELECT i, sum(v) AS sum_v FROM trade GROUP BY i ORDER BY i",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query", choices=QUERIES)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

connection = duckdb.connect(config={"threads": args.threads})
# Types and dialect given, nothing is sniffed; order is not asked for, so it need not be kept.
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
print(",".join(column[0] for column in result.description))
sys.stdout.writelines(f"{key},{value!r}\n" if value is not None else f"{key},\n" for key, value in result.fetchall())
