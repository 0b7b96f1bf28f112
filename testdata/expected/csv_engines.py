"""What pandas, DuckDB and Polars make of the files of testdata/csv that they can be told to read: csv_engines.json.

Run in the root of the repository, by an interpreter that has all three; tests/engines.rs compares. Every value is text: what an
engine gives, numbers in the shortest form that Python has, a missing one null.
"""

import io
import json
import math
import pathlib
import warnings

import duckdb
import pandas as pd
import polars as pl

FOLDER = pathlib.Path("testdata/csv")
KNOWN = {"delimiter", "quote", "escape", "header", "skip", "comment", "decimal", "encoding", "nulls", "all_text", "trim", "thousands"}


def options(path):
    text = path.read_text() if path.exists() else ""
    pairs = [line.split("=", 1) for line in text.splitlines()]
    return {name: value.replace("\\t", "\t") for name, value in pairs}


def plain(value):
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value)
    return str(value)


def by_pandas(path, told):
    header = told.get("header", "true")
    arguments = dict(sep=told.get("delimiter", ","), header={"true": 0, "false": None}[header], skiprows=int(told.get("skip", 0)),
                     comment=told.get("comment"), decimal=told.get("decimal", "."), thousands=told.get("thousands") or None,
                     encoding=told.get("encoding", "utf-8"), keep_default_na=False, na_values=["", "NA", "N/A", "null", "NULL"],
                     skipinitialspace=told.get("trim") == "true", float_precision="round_trip", escapechar=told.get("escape") or None)
    if "nulls" in told:
        arguments["na_values"] = [""] + told["nulls"].split(",")
    if told.get("quote") == "":
        arguments["quoting"] = 3
    elif "quote" in told:
        arguments["quotechar"] = told["quote"]
    if told.get("all_text") == "true":
        arguments["dtype"] = str
    if len(arguments["sep"]) > 1:
        raise ValueError("pandas takes a longer delimiter for a regular expression")
    frame = pd.read_csv(path, **arguments)
    if isinstance(frame.index, pd.MultiIndex) or not isinstance(frame.index, pd.RangeIndex):
        raise ValueError("pandas takes columns for an index")
    columns = [frame.iloc[:, i].astype(object).where(frame.iloc[:, i].notna(), None).tolist() for i in range(frame.shape[1])]
    # An integer column with missing values is one of floats.
    return [[plain(value) for value in row] for row in zip(*columns)]


def by_duckdb(path, told):
    arguments = dict(delimiter=told.get("delimiter", ","), header=told.get("header", "true") == "true", auto_detect=True,
                     skiprows=int(told.get("skip", 0)), decimal=told.get("decimal", "."), sample_size=-1,
                     quotechar=told.get("quote", '"'), escapechar=told.get("escape", told.get("quote", '"')),
                     na_values=["", *told["nulls"].split(",")] if "nulls" in told else [""])
    if told.get("thousands") or told.get("trim"):
        raise ValueError("not told")
    if "comment" in told:
        arguments["comment"] = told["comment"]
    if told.get("all_text") == "true":
        arguments["all_varchar"] = True
    if told.get("encoding", "utf-8") != "utf-8":
        arguments["encoding"] = told["encoding"]
    relation = duckdb.connect().read_csv(str(path), **arguments)
    return [[plain(value) for value in row] for row in relation.fetchall()]


def by_polars(path, told):
    if told.get("encoding", "utf-8") not in ("utf-8",) or told.get("escape") or told.get("trim") or told.get("thousands"):
        raise ValueError("Polars has no such option")
    frame = pl.read_csv(path, separator=told.get("delimiter", ","), has_header=told.get("header", "true") == "true",
                        skip_lines=int(told.get("skip", 0)), comment_prefix=told.get("comment"), infer_schema_length=None,
                        quote_char=told.get("quote", '"') or None, decimal_comma=told.get("decimal") == ",",
                        null_values=told["nulls"].split(",") if "nulls" in told else None,
                        infer_schema=told.get("all_text") != "true")
    return [[plain(value) for value in row] for row in frame.rows()]


def main():
    warnings.simplefilter("ignore")
    answers = {}
    for path in sorted(FOLDER.glob("*.csv")):
        told = options(path.with_suffix(".options"))
        if not set(told) <= KNOWN or told.get("header", "true") not in ("true", "false"):
            continue
        for name, read in [("pandas", by_pandas), ("duckdb", by_duckdb), ("polars", by_polars)]:
            try:
                rows = read(path, told)
            except BaseException as error:  # What one engine can't read is no answer.
                if isinstance(error, KeyboardInterrupt):
                    raise
                continue
            answers.setdefault(path.stem, {})[name] = rows
    out = io.StringIO()
    json.dump(answers, out, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    pathlib.Path("testdata/expected/csv_engines.json").write_text(out.getvalue().replace("]]},", "]]},\n") + "\n")
    counts = {name: sum(name in case for case in answers.values()) for name in ("pandas", "duckdb", "polars")}
    print(len(answers), counts)


main()
