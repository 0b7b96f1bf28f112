"""DuckDB's answer to a benchmark query: duckdb_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import csv
import glob
import os
import sys

import duckdb
from questions import LOADED, SQL, TOTALS, Timed, arguments

FLOWS = {"t": "SMALLINT", "i": "SMALLINT", "j": "SMALLINT", "k": "INTEGER", "v": "DOUBLE", "q": "DOUBLE"}
NAMES = ["country_name_abbreviation", "country_name_full", "iso_2digit_alpha", "iso_3digit_alpha"]
COUNTRIES = {"country_code": "SMALLINT", **{name: "VARCHAR" for name in NAMES}}
TEXTS = {name: "VARCHAR" for name in ["id1", "id2", "id3"]}
INTS = {name: "INTEGER" for name in ["id4", "id5", "id6", "v1", "v2"]}
IDS = {"id1": "INTEGER", "id2": "INTEGER", "id3": "INTEGER", "id4": "VARCHAR", "id5": "VARCHAR", "id6": "VARCHAR"}


def keyed(keys, value):
    return {**{key: IDS[key] for key in keys}, value: "DOUBLE"}


# Types and dialect are given, nothing is sniffed.
TABLES = {
    "trade": ("BACI_HS12_Y*.csv", FLOWS, "nullstr = 'NA'"),
    "trade_2017": ("BACI_HS12_Y2017.csv", FLOWS, "nullstr = 'NA'"),
    "trade_2018": ("BACI_HS12_Y2018.csv", FLOWS, "nullstr = 'NA'"),
    "products": ("product_codes_HS12.csv", {"code": "INTEGER", "description": "VARCHAR"}, "quote = '\"'"),
    "countries": ("country_codes.csv", COUNTRIES, "quote = '\"', encoding = 'latin-1'"),
    "groupby": ("groupby.csv", {**TEXTS, **INTS, "v3": "DOUBLE"}, ""),
    "x": ("x.csv", keyed(IDS, "v1"), ""),
    "small": ("small.csv", keyed(["id1", "id4"], "v2"), ""),
    "medium": ("medium.csv", keyed(["id1", "id2", "id4", "id5"], "v2"), ""),
    "big": ("big.csv", keyed(IDS, "v2"), ""),
    "measurements": ("measurements.csv", {"station": "VARCHAR", "temperature": "DOUBLE"}, "header = false, delim = ';'"),
}
# Texts of few values, which db-benchmark loads as enumerations.
FEW = {"groupby": ["id1", "id2"], "x": ["id4", "id5"], "small": ["id4"], "medium": ["id4", "id5"], "big": ["id4", "id5"]}


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
        if "delim" not in options:
            options = f"header = true, delim = ',', {options}".removesuffix(", ")
        read = f"read_csv('{files}', auto_detect = false, columns = {columns}, {options})"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {read}")

if args.loaded:
    tables = LOADED[args.query]
    for name in tables:
        connection.execute(f"CREATE TABLE loaded_{name} AS SELECT * FROM {name}")
    # One enumeration for the columns of a name, which joins compare.
    for column in ["id1", "id2", "id4", "id5"]:
        having = [name for name in tables if column in FEW.get(name, [])]
        if having:
            values = " UNION ".join(f"SELECT {column} FROM loaded_{name} WHERE {column} IS NOT NULL" for name in having)
            connection.execute(f"CREATE TYPE few_{column} AS ENUM ({values})")
        for name in having:
            connection.execute(f"ALTER TABLE loaded_{name} ALTER {column} TYPE few_{column}")
    for name in tables:
        connection.execute(f"DROP VIEW {name}")
        connection.execute(f"ALTER TABLE loaded_{name} RENAME TO {name}")

query = SQL[args.query]
if args.query == "G8":
    query = "SELECT id6, unnest(max(v3, 2)) AS largest2_v3 FROM groupby WHERE v3 IS NOT NULL GROUP BY id6"
with Timed(args.loaded):
    if args.query == "Q8":
        file = os.path.join(args.scratch, "answer.parquet")
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION snappy)")
        sys.exit()
    if args.query in TOTALS:
        connection.execute(f"CREATE TEMP TABLE answer AS {query}")
    else:
        result = connection.execute(query)
        rows = result.fetchall()
if args.query in TOTALS:
    totals = [f"sum({column}) AS {column}" for column in TOTALS[args.query]]
    result = connection.execute(f"SELECT count(*) AS n, {', '.join(totals)} FROM answer")
    rows = result.fetchall()
# Floats are written by repr, None as nothing.
writer = csv.writer(sys.stdout)
writer.writerow(column[0] for column in result.description)
writer.writerows(rows)
