"""Makes the small Parquet and IPC files that tests/formats.rs reads, by the programs that people use.

    python testdata/formats/make.py

Every file holds the same 200 rows, in the types that each program likes best; `rows.tsv` holds them as text.
pyarrow 26, polars 2, duckdb 2 and pandas 3 made what is kept.
"""

import datetime as dt
import pathlib

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
n = 200
rows = {
    "id": list(range(n)),
    "small": [None if i % 7 == 3 else i % 100 - 50 for i in range(n)],
    "price": [float("nan") if i % 50 == 9 else None if i % 11 == 5 else i / 8 for i in range(n)],
    "flag": [None if i % 13 == 1 else i % 3 == 0 for i in range(n)],
    "day": [None if i % 17 == 2 else dt.date(2012, 1, 1) + dt.timedelta(days=i) for i in range(n)],
    "at": [None if i % 19 == 4 else dt.datetime(2018, 7, 31, 12) + dt.timedelta(seconds=i, microseconds=i * 1000) for i in range(n)],
    "text": [None if i % 23 == 6 else "" if i % 29 == 0 else f"text of row {i}, \"quoted\"\nCôte" if i % 5 == 0 else f"row {i}" for i in range(n)],
    "kind": [None if i % 31 == 8 else ["alpha", "beta", "gamma"][i % 3] for i in range(n)],
}

# As text, written by Python alone: null is NULL, and text is escaped.
def cell(v):
    if v is None:
        return "NULL"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float):
        return "NaN" if v != v else repr(v)
    if isinstance(v, dt.datetime):
        return v.isoformat(timespec="microseconds")
    if isinstance(v, str):
        return "'" + v.replace("\n", "\\n")
    return str(v)

with open(here / "rows.tsv", "w", newline="\n") as f:
    f.write("\t".join(rows) + "\n")
    for i in range(n):
        f.write("\t".join(cell(column[i]) for column in rows.values()) + "\n")

# pyarrow: foreign types.
table = pa.table({
    "id": pa.array(rows["id"], pa.uint32()),
    "small": pa.array(rows["small"], pa.int8()),
    "price": pa.array(rows["price"], pa.float64(), from_pandas=False),
    "flag": pa.array(rows["flag"], pa.bool_()),
    "day": pa.array(rows["day"], pa.date32()),
    "at": pa.array(rows["at"], pa.timestamp("ms")),
    "text": pa.array(rows["text"], pa.string()),
    "kind": pa.array(rows["kind"], pa.string()).dictionary_encode(),
})
pq.write_table(table, here / "pyarrow.parquet", row_group_size=60, compression="snappy")
pq.write_table(table, here / "pyarrow_plain.parquet", row_group_size=200, compression="none", use_dictionary=False, write_statistics=False)
pq.write_table(table, here / "pyarrow_v2_zstd.parquet", row_group_size=80, compression="zstd", version="2.6", data_page_version="2.0")
pq.write_table(table, here / "pyarrow_gzip.parquet", row_group_size=100, compression="gzip")
pq.write_table(table, here / "pyarrow_brotli.parquet", row_group_size=100, compression="brotli")
pq.write_table(table, here / "pyarrow_lz4.parquet", row_group_size=100, compression="lz4")

def ipc(name, table, make, **options):
    with pa.OSFile(str(here / name), "wb") as sink, make(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=50)

ipc("pyarrow.arrow", table, pa.ipc.new_file)
ipc("pyarrow_lz4.arrow", table, pa.ipc.new_file, compression="lz4")
ipc("pyarrow_zstd.arrow", table, pa.ipc.new_file, compression="zstd")
ipc("pyarrow_stream.arrows", table, pa.ipc.new_stream)

# pandas: nanoseconds or microseconds, NaN for null in floats would lose the difference: nullable types.
frame = pd.DataFrame({
    "id": rows["id"],
    "small": pd.array(rows["small"], dtype="Int16"),
    "price": pd.array(pa.array(rows["price"], from_pandas=False), dtype=pd.ArrowDtype(pa.float64())),
    "flag": pd.array(rows["flag"], dtype="boolean"),
    "day": rows["day"],
    "at": pd.Series(rows["at"]).astype("datetime64[ns]"),
    "text": pd.array(rows["text"], dtype="string"),
    "kind": pd.Categorical(rows["kind"]),
})
frame.to_parquet(here / "pandas.parquet", row_group_size=60)
feather.write_feather(frame, here / "pandas.feather")

# polars: views, large row groups.
p = pl.DataFrame(rows, schema_overrides={"small": pl.Int16, "price": pl.Float64, "kind": pl.Categorical}, strict=False)
p.write_parquet(here / "polars.parquet", row_group_size=50)
p.write_ipc(here / "polars.arrow", compression="lz4")

# duckdb: its own types.
duckdb.from_arrow(table).query("t", f"""
    copy (select id::uinteger id, small::tinyint small, price, flag, day, "at", text, kind::varchar kind from t order by id)
    to '{here / "duckdb.parquet"}' (format parquet, row_group_size 2048, compression zstd)
""")

# Types at the edge: decimals, a time zone, nothing but nulls, float32, old Spark's 96-bit timestamps.
edge = pa.table({
    "decimal": pa.array([None, "1.25", "-3.50"]).cast(pa.decimal128(9, 2)),
    "zoned": pa.array([0, 1_500_000, None], pa.timestamp("us", "Europe/Berlin")),
    "nothing": pa.nulls(3),
    "half": pa.array([0.5, None, 1e10], pa.float32()),
    "old": pa.array([0, 86_400_000_000_000, None], pa.timestamp("ns")),
    "large": pa.array([1, 2**63 - 1, None], pa.uint64()),
})
pq.write_table(edge, here / "edge.parquet", use_deprecated_int96_timestamps=True)
pq.write_table(pa.table({"xs": pa.array([[1], [2]])}), here / "list.parquet")
