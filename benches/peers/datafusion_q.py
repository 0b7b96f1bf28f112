"""DataFusion's answer to a benchmark query: datafusion_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import glob
import os
import sys

import pyarrow as pa
import pyarrow.compute as pc
from datafusion import CsvReadOptions, RuntimeEnvBuilder, SessionConfig, SessionContext
from pyarrow import csv
from questions import LOADED, SQL, TOTALS, Timed, arguments

# q is text here: this version's reader takes no null spelling (null_regex serves its inference only).
FLOWS = {"t": pa.int16(), "i": pa.int16(), "j": pa.int16(), "k": pa.int32(), "v": pa.float64(), "q": pa.string_view()}
TRADE = "SELECT t, i, j, k, v, CAST(NULLIF(q, 'NA') AS DOUBLE) AS q"
TEXTS = {name: pa.string_view() for name in ["id1", "id2", "id3"]}
INTS = {name: pa.int32() for name in ["id4", "id5", "id6", "v1", "v2"]}
IDS = {f"id{n}": pa.int32() if n <= 3 else pa.string_view() for n in range(1, 7)}


def keyed(keys, value):
    return {**{key: IDS[key] for key in keys}, value: pa.float64()}


TABLES = {
    "trade": ("BACI_HS12_Y*.csv", FLOWS, TRADE),
    "trade_2017": ("BACI_HS12_Y2017.csv", FLOWS, TRADE),
    "trade_2018": ("BACI_HS12_Y2018.csv", FLOWS, TRADE),
    "products": ("product_codes_HS12.csv", {"code": pa.int32(), "description": pa.string_view()}, "SELECT *"),
    "groupby": ("groupby.csv", {**TEXTS, **INTS, "v3": pa.float64()}, "SELECT *"),
    "x": ("x.csv", keyed(IDS, "v1"), "SELECT *"),
    "small": ("small.csv", keyed(["id1", "id4"], "v2"), "SELECT *"),
    "medium": ("medium.csv", keyed(["id1", "id2", "id4", "id5"], "v2"), "SELECT *"),
    "big": ("big.csv", keyed(IDS, "v2"), "SELECT *"),
    "measurements": ("measurements.csv", {"station": pa.string_view(), "temperature": pa.float64()}, "SELECT *"),
}
DIALECT = {"measurements": {"has_header": False, "delimiter": ";"}}


args = arguments(__doc__)
# Its worker threads are tokio's, as many as target_partitions keeps busy or this says.
os.environ.setdefault("TOKIO_WORKER_THREADS", str(args.threads))
runtime = RuntimeEnvBuilder().with_temp_file_path(args.scratch)
if args.memory:
    runtime = runtime.with_fair_spill_pool(args.memory)
context = SessionContext(SessionConfig().with_target_partitions(args.threads), runtime)
for name, (pattern, schema, select) in TABLES.items():
    # It takes directories and lists of files, not patterns.
    files = sorted(glob.glob(os.path.join(args.dir, pattern)))
    if files:
        context.register_csv(f"{name}_file", files, options=CsvReadOptions(schema=pa.schema(schema.items()), **DIALECT.get(name, {})))
        context.sql(f"CREATE VIEW {name} AS {select} FROM {name}_file").collect()
if args.query == "Q6":
    # It reads UTF-8 only.
    latin1 = csv.ReadOptions(encoding="latin1")
    countries = csv.read_csv(os.path.join(args.dir, "country_codes.csv"), read_options=latin1)
    context.register_record_batches("countries", [countries.to_batches()])

if args.loaded:
    for name in LOADED[args.query]:
        batches = context.table(name).collect_partitioned()
        context.sql(f"DROP VIEW {name}").collect()
        context.register_record_batches(name, batches)

query = context.sql(SQL[args.query])
with Timed(args.loaded):
    if args.query == "Q8":
        query.write_parquet(os.path.join(args.scratch, "answer.parquet"), compression="snappy")
        sys.exit()
    answer = query.to_arrow_table()
if args.query in TOTALS:
    totals = {column: [pc.sum(answer[column]).as_py()] for column in TOTALS[args.query]}
    answer = pa.table({"n": [len(answer)], **totals})
# Views of texts cannot be written.
plain = [pa.field(f.name, pa.string() if f.type == pa.string_view() else f.type) for f in answer.schema]
answer = answer.cast(pa.schema(plain))
csv.write_csv(answer, sys.stdout.buffer, csv.WriteOptions(quoting_style="needed"))
