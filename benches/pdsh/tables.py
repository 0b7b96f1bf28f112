"""The tables of TPC-H at scale factor 1, by DuckDB's port of its generator, as Parquet: python benches/pdsh/tables.py DIRECTORY

Takes `pip install duckdb==1.5.5 duckdb-extensions==1.5.5 duckdb-extension-tpch==1.5.5`.
"""

import os
import sys

import duckdb
from duckdb_extensions import import_extension

directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
import_extension("tpch")
connection = duckdb.connect()
connection.execute("LOAD tpch")
connection.execute("CALL dbgen(sf = 1)")
for table in ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]:
    connection.execute(f"COPY {table} TO '{os.path.join(directory, table)}.parquet'")
