"""DuckDB's answer to a benchmark query: duckdb_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import csv
import glob
import os
import sys

import duckdb
from questions import SQL, Timed, arguments

FLOWS = {"t": "SMALLINT", "i": "SMALLINT", "j": "SMALLINT", "k": "INTEGER", "v": "DOUBLE", "q": "DOUBLE"}
NAMES = ["country_name_abbreviation", "country_name_full", "iso_2digit_alpha", "iso_3digit_alpha"]
COUNTRIES = {"country_code": "SMALLINT", **{name: "VARCHAR" for name in NAMES}}
# Types and dialect are given, nothing is sniffed.
TABLES = {
    "trade": ("BACI_HS12_Y*.csv", FLOWS, "nullstr = 'NA'"),
    "trade_2017": ("BACI_HS12_Y2017.csv", FLOWS, "nullstr = 'NA'"),
    "trade_2018": ("BACI_HS12_Y2018.csv", FLOWS, "nullstr = 'NA'"),
    "products": ("product_codes_HS12.csv", {"code": "INTEGER", "description": "VARCHAR"}, "quote = '\"'"),
    "countries": ("country_codes.csv", COUNTRIES, "quote = '\"', encoding = 'latin-1'"),
}

args = arguments(__doc__)
config = {"threads": args.threads, "temp_directory": args.scratch}
if args.memory:
    config["memory_limit"] = f"{args.memory}B"
connection = duckdb.connect(config=config)
# The files' order is not asked for, so it need not be kept.
connection.execute("SET preserve_insertion_order = false")
for name, (files, columns, options) in TABLES.items():
    files = os.path.join(args.dir, files)
    if glob.glob(files):
        read = f"read_csv('{files}', auto_detect = false, columns = {columns}, header = true, delim = ',', {options})"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {read}")

query = SQL[args.query]
with Timed(args.loaded):
    if args.query == "Q8":
        file = os.path.join(args.scratch, "answer.parquet")
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION snappy)")
        sys.exit()
    result = connection.execute(query)
    rows = result.fetchall()
# Floats are written by repr, None as nothing.
writer = csv.writer(sys.stdout)
writer.writerow(column[0] for column in result.description)
writer.writerows(rows)
