"""DataFusion's answer to a benchmark query: datafusion_q.py GLOB Q1|Q2 [--threads 2]; CSV sorted by key on stdout."""

import argparse
import glob
import os
import sys

import pyarrow as pa
from pyarrow import csv
from datafusion import CsvReadOptions, SessionConfig, SessionContext

QUERIES = {
    "Q1": "SELECT k, avg(CAST(NULLIF(q, 'NA') AS DOUBLE)) AS mean_q FROM trade WHERE t = 2018 GROUP BY k ORDER BY k",
    "Q2": "SELECT i, sum(v) AS sum_v FROM trade GROUP BY i ORDER BY i",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("glob")
parser.add_argument("query", choices=QUERIES)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

# Its worker threads are tokio's, as many as target_partitions keeps busy or this says.
os.environ.setdefault("TOKIO_WORKER_THREADS", str(args.threads))
context = SessionContext(SessionConfig().with_target_partitions(args.threads))
# q is text here: this version's reader takes no null spelling (null_regex serves its inference only).
schema = pa.schema(
    [("t", pa.int16()), ("i", pa.int16()), ("j", pa.int16()), ("k", pa.int32()), ("v", pa.float64()), ("q", pa.string_view())]
)
# It takes directories and lists of files, not patterns.
context.register_csv("trade", sorted(glob.glob(args.glob)), options=CsvReadOptions(schema=schema))
answer = context.sql(QUERIES[args.query]).to_arrow_table()
csv.write_csv(answer, sys.stdout.buffer, csv.WriteOptions(quoting_style="none"))
