"""Polars' answer to a benchmark query: polars_q.py DIR Q1 [--threads 2]; CSV on stdout."""

import os
import sys

from questions import LOADED, TOTALS, Timed, arguments

args = arguments(__doc__)
# Read when Polars is loaded.
os.environ["POLARS_MAX_THREADS"] = str(args.threads)
os.environ["POLARS_TEMP_DIR"] = os.environ["POLARS_OOC_SPILL_DIR"] = args.scratch
if args.memory:
    # What it takes for the machine's memory, and four fifths of it as the budget: the share in Polars' own configuration.
    os.environ["POLARS_OVERRIDE_TOTAL_MEMORY_MB"] = str(args.memory // 1_000_000)
    os.environ["POLARS_OOC_MEMORY_BUDGET_MB"] = str(args.memory * 8 // 10 // 1_000_000)
import polars as pl  # noqa: E402

FLOWS = {"t": pl.Int16, "i": pl.Int16, "j": pl.Int16, "k": pl.Int32, "v": pl.Float64, "q": pl.Float64}


TEXTS = {name: pl.String for name in ["id1", "id2", "id3"]}
INTS = {name: pl.Int32 for name in ["id4", "id5", "id6", "v1", "v2"]}
IDS = {f"id{n}": pl.Int32 if n <= 3 else pl.String for n in range(1, 7)}


def keyed(keys, value):
    return {**{key: IDS[key] for key in keys}, value: pl.Float64}


TABLES = {
    "groupby": {**TEXTS, **INTS, "v3": pl.Float64},
    "x": keyed(IDS, "v1"),
    "small": keyed(["id1", "id4"], "v2"),
    "medium": keyed(["id1", "id2", "id4", "id5"], "v2"),
    "big": keyed(IDS, "v2"),
    "measurements": {"station": pl.String, "temperature": pl.Float64},
}
DIALECT = {"measurements": {"has_header": False, "separator": ";", "quote_char": None}}


def table(name):
    """A table from its file; when it is to be loaded, from memory, its texts as categories as db-benchmark has them."""
    if name in loaded:
        return loaded[name]
    return pl.scan_csv(os.path.join(args.dir, f"{name}.csv"), schema=TABLES[name], **DIALECT.get(name, {}))


def flows(years="*"):
    return pl.scan_csv(os.path.join(args.dir, f"BACI_HS12_Y{years}.csv"), schema=FLOWS, null_values="NA")


def q6():
    products = pl.scan_csv(os.path.join(args.dir, "product_codes_HS12.csv"), schema={"code": pl.Int32, "description": pl.String})
    # Only what is read at once may be in other encodings than UTF-8.
    types = {"country_code": pl.Int16}
    countries = pl.read_csv(os.path.join(args.dir, "country_codes.csv"), encoding="latin1", schema_overrides=types).lazy()
    named = trade.join(products, left_on="k", right_on="code").join(countries, left_on="i", right_on="country_code")
    named = named.join(countries, left_on="j", right_on="country_code", suffix="_importer")
    return named.group_by(pl.col("country_name_full").alias("exporter")).agg(pl.col("v").sum().alias("sum_v"))


def q7():
    totals = trade.group_by("i", "j", "k").agg(pl.col("v").sum().alias("sum_v"))
    return totals.select(pl.len().alias("n"), pl.col("sum_v").sum().alias("total"))


def q10():
    both = flows("2018").join(flows("2017"), on=["i", "j", "k"], suffix="_before")
    return both.select(pl.len().alias("n"), (pl.col("v") / pl.col("v_before")).mean().alias("mean_ratio"))


def g8():
    largest = table("groupby").drop_nulls("v3").group_by("id6").agg(pl.col("v3").top_k(2).alias("largest2_v3"))
    return largest.explode("largest2_v3")


def s1():
    temperature = pl.col("temperature")
    ends = [temperature.min().alias("min"), temperature.mean().alias("mean"), temperature.max().alias("max")]
    return table("measurements").group_by("station").agg(ends)


def grouped(*keys):
    return table("groupby").group_by(keys)


loaded = {}
if args.loaded:
    for name in LOADED[args.query]:
        frame = table(name).with_columns(pl.col(pl.String).cast(pl.Categorical)).collect()
        loaded[name] = frame.lazy()
trade = flows()
price = pl.col("v") / pl.col("q")
in_2018 = trade.filter(pl.col("t") == 2018)
QUERIES = {
    "Q1": lambda: in_2018.group_by("k").agg(pl.col("q").mean().alias("mean_q")),
    "Q2": lambda: trade.group_by("i").agg(pl.col("v").sum().alias("sum_v")),
    "Q3": lambda: trade.group_by("k").agg(pl.len().alias("count")).sort("count", "k", descending=[True, False]),
    "Q4": lambda: trade.sort("q", descending=True, nulls_last=True).head(10),
    "Q5": lambda: in_2018.select(price.mean().alias("mean"), price.var().alias("var")),
    "Q6": q6,
    "Q7": q7,
    "Q8": lambda: trade.sort("v", descending=True),
    "Q9": lambda: trade.select(pl.len().alias("n"), pl.all().max()),
    "Q10": q10,
    "M1": lambda: trade.group_by("k").agg(pl.col("v").median().alias("median_v")),
    "M2": lambda: trade.select("i", "j", "k").unique().select(pl.len().alias("n")),
    "G1": lambda: grouped("id1").agg(pl.sum("v1")),
    "G2": lambda: grouped("id1", "id2").agg(pl.sum("v1")),
    "G3": lambda: grouped("id3").agg(pl.sum("v1"), pl.mean("v3")),
    "G4": lambda: grouped("id4").agg(pl.mean("v1", "v2", "v3")),
    "G5": lambda: grouped("id6").agg(pl.sum("v1", "v2", "v3")),
    "G6": lambda: grouped("id4", "id5").agg(pl.median("v3").alias("median_v3"), pl.std("v3").alias("sd_v3")),
    "G7": lambda: grouped("id3").agg((pl.max("v1") - pl.min("v2")).alias("range_v1_v2")),
    "G8": g8,
    "G9": lambda: grouped("id2", "id4").agg((pl.corr("v1", "v2") ** 2).alias("r2")),
    "G10": lambda: grouped("id1", "id2", "id3", "id4", "id5", "id6").agg(pl.sum("v3"), pl.len().alias("count")),
    "J1": lambda: table("x").join(table("small"), on="id1"),
    "J2": lambda: table("x").join(table("medium"), on="id2"),
    "J3": lambda: table("x").join(table("medium"), how="left", on="id2"),
    "J4": lambda: table("x").join(table("medium"), on="id5"),
    "J5": lambda: table("x").join(table("big"), on="id3"),
    "S1": s1,
}
query = QUERIES[args.query]()
if args.query == "Q8":
    query.sink_parquet(os.path.join(args.scratch, "answer.parquet"), compression="snappy", engine="streaming")
    sys.exit()
with Timed(args.loaded):
    # Of tables in memory db-benchmark asks without streaming.
    answer = query.collect() if args.loaded else query.collect(engine="streaming")
if args.query in TOTALS:
    # Whole numbers may be narrower than their total.
    totals = answer[TOTALS[args.query]].cast({pl.Int32: pl.Int64, pl.UInt32: pl.Int64}).sum()
    answer = totals.insert_column(0, pl.Series("n", [len(answer)]))
sys.stdout.write(answer.write_csv())
