"""DataFusion's answer to a benchmark query: datafusion_q.py GLOB Q1 [--threads 2]; CSV on stdout."""

import argparse
import glob
import os
import sys

import pyarrow as pa
from datafusion import CsvReadOptions, SessionConfig, SessionContext
from pyarrow import csv

# q is text here: this version's reader takes no null spelling (null_regex serves its inference only).
TRADE = "SELECT t, i, j, k, v, CAST(NULLIF(q, 'NA') AS DOUBLE) AS q FROM file"

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

# Its worker threads are tokio's, as many as target_partitions keeps busy or this says.
os.environ.setdefault("TOKIO_WORKER_THREADS", str(args.threads))
context = SessionContext(SessionConfig().with_target_partitions(args.threads))
schema = pa.schema(
    [("t", pa.int16()), ("i", pa.int16()), ("j", pa.int16()), ("k", pa.int32()), ("v", pa.float64()), ("q", pa.string_view())]
)
# It takes directories and lists of files, not patterns.
context.register_csv("file", sorted(glob.glob(args.glob)), options=CsvReadOptions(schema=schema))
context.sql(f"CREATE VIEW trade AS {TRADE}").collect()
answer = context.sql(QUERIES[args.query]).to_arrow_table()
csv.write_csv(answer, sys.stdout.buffer, csv.WriteOptions(quoting_style="none"))
