"""Answers to queries of ../baci, by pandas: one CSV a query beside this file. Run: python testdata/expected/make.py"""

from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
BACI = HERE.parent / "baci"


def read(path):
    # Only skipinitialspace lets padded numbers and the padded NA through.
    table = pd.read_csv(path, na_values=["NA"], skipinitialspace=True)
    assert list(table.columns) == list("tijkvq") and table.dtypes.map(str).tolist() == ["int64"] * 4 + ["float64"] * 2, path
    return table


def write(name, answer, index=True):
    text = answer.map(lambda value: "" if pd.isna(value) else repr(value.item() if hasattr(value, "item") else value))
    text.to_csv(HERE / f"{name}.csv", index=index, lineterminator="\n")


def all_aggregates(table, keys):
    """Rows of each group, and count, sum, mean, min and max of every other column."""
    groups = table.groupby(keys)
    answer = pd.DataFrame({"size": groups.size()})
    for column in table.columns.difference(keys, sort=False):
        for aggregate in ["count", "sum", "mean", "min", "max"]:
            answer[f"{aggregate}_{column}"] = groups[column].agg(aggregate)
    return answer


years = [read(path) for path in sorted(BACI.glob("BACI_HS12_Y*.csv"))]
generated = pd.concat(years, ignore_index=True)
real = read(BACI / "BACI_HS92_Y2021_V202301_exporters_4_710.csv")
sample = read(BACI / "BACI_Y2021_raw_sample.csv")

# What the source of the real rows says of them: this reader reads them right.
assert len(real) == 71192 and real["q"].isna().sum() == 2306
assert round(real["v"].sum(), 3) == 69369988.138 and round(real["q"].sum(), 3) == 95549654.973
assert len(sample) == 499 and sample["q"].isna().sum() == 57 and sample["k"].nunique() == 363
assert len(generated) == 14000

# SELECT k, avg(q) AS mean_q FROM generated WHERE t = 2018 GROUP BY k ORDER BY k
mean_q = generated[generated["t"] == 2018].groupby("k")["q"].mean()
write("generated_2018_mean_q_by_k", mean_q.to_frame("mean_q"))

# SELECT i, sum(v) AS sum_v FROM generated GROUP BY i ORDER BY i
write("generated_sum_v_by_i", generated.groupby("i")["v"].sum().to_frame("sum_v"))

# SELECT t, j, sum(v), avg(q), count(q), count(*) FROM generated WHERE v > 100 AND i <> 156 GROUP BY t, j ORDER BY t, j
large = generated[(generated["v"] > 100) & (generated["i"] != 156)].groupby(["t", "j"])
write(
    "generated_large_by_t_j",
    large.agg(sum_v=("v", "sum"), mean_q=("q", "mean"), count_q=("q", "count"), size=("v", "size")),
)

# SELECT t, i, j, k, v, q FROM generated WHERE q IS NULL AND v >= 1000, in file order
write("generated_missing_q", generated[generated["q"].isna() & (generated["v"] >= 1000)], index=False)

# SELECT t, i, j, k, v / q AS price FROM generated WHERE k / 10000 = 27 (chapter 27), in file order
fuels = generated[generated["k"] // 10000 == 27]
write("generated_fuel_prices", fuels[["t", "i", "j", "k"]].assign(price=fuels["v"] / fuels["q"]), index=False)

for name, table in [("generated", generated), ("sample", sample)]:
    write(f"{name}_all_by_i", all_aggregates(table, ["i"]))
    write(f"{name}_all_by_t_i", all_aggregates(table, ["t", "i"]))
write("real_all_by_i", all_aggregates(real, ["i"]))
write("real_all_by_i_j", all_aggregates(real, ["i", "j"]))

# One row over everything: size, and count, sum, mean, min, max and distinct values of every column.
for name, table in [("generated", generated), ("real", real), ("sample", sample)]:
    whole = {"size": [len(table)]}
    for column in table.columns:
        for aggregate in ["count", "sum", "mean", "min", "max", "nunique"]:
            whole[f"{aggregate}_{column}"] = [getattr(table[column], aggregate)()]
    write(f"{name}_all", pd.DataFrame(whole, dtype=object), index=False)

# SELECT k, sum(v) AS sum_v FROM real GROUP BY k ORDER BY sum_v DESC, k LIMIT 20
top = real.groupby("k")["v"].sum().to_frame("sum_v").reset_index()
write("real_top_products_by_v", top.sort_values(["sum_v", "k"], ascending=[False, True]).head(20), index=False)

# SELECT k, avg(q) AS mean_q, count(*) AS size FROM real GROUP BY k ORDER BY k: every product, those without a q among them
by_product = real.groupby("k")
write("real_mean_q_by_k", by_product.agg(mean_q=("q", "mean"), size=("q", "size")))

# SELECT * FROM real ORDER BY q DESC (missing last), v, i, j, k LIMIT 50
largest = real.sort_values(["q", "v", "i", "j", "k"], ascending=[False, True, True, True, True], na_position="last")
write("real_largest_q", largest.head(50), index=False)


def statistics(table, key):
    """What statistics give of v and q in each group, of their first and last value, and of where v is least and greatest."""
    groups = table.groupby(key)
    answer = pd.DataFrame(index=groups.size().index)
    for column in ["v", "q"]:
        values = groups[column]
        for aggregate in ["var", "std", "median", "nunique", "first", "last"]:
            answer[f"{aggregate}_{column}"] = values.agg(aggregate)
        answer[f"var0_{column}"] = values.var(ddof=0)
        for p in [0.1, 0.9]:
            answer[f"quantile{p}_{column}"] = values.quantile(p)
        answer[f"lower_{column}"] = values.quantile(0.3, interpolation="lower")
        answer[f"higher_{column}"] = values.quantile(0.3, interpolation="higher")
        answer[f"midpoint_{column}"] = values.quantile(0.3, interpolation="midpoint")
        answer[f"nearest_{column}"] = values.quantile(0.3, interpolation="nearest")
        # Of modes the least; nothing of groups without a value.
        answer[f"mode_{column}"] = values.agg(lambda group: group.mode().min())
    answer["mode_k"] = groups["k"].agg(lambda group: group.mode().min())
    answer["nunique_k"] = groups["k"].nunique()
    answer["var_k"] = groups["k"].var()
    answer["median_k"] = groups["k"].median()
    answer["idxmin_v"] = groups["v"].idxmin()
    answer["idxmax_v"] = groups["v"].idxmax()
    pairs = table.dropna(subset=["v", "q"]).groupby(key)
    nothing = float("nan")
    for aggregate in ["cov", "corr"]:
        of = lambda group: getattr(group["v"], aggregate)(group["q"]) if len(group) > 1 else nothing
        answer[f"{aggregate}_vq"] = pairs[["v", "q"]].apply(of)
    # Only what is large.
    large = table[table["v"] > 100].groupby(key)["q"]
    answer["large_median_q"] = large.median()
    answer["large_nunique_q"] = large.nunique().reindex(answer.index, fill_value=0)
    return answer


for name, table in [("generated", generated), ("real", real)]:
    write(f"{name}_statistics_by_i", statistics(table, "i"))
    write(f"{name}_statistics_by_t", statistics(table, "t"))


def in_order(table):
    """What goes over the rows in order, of every 50th row and the edges."""
    v, q, k = table["v"], table["q"], table["k"]
    answer = pd.DataFrame({"row_number": range(len(table))})
    answer["cumsum_v"], answer["cumsum_q"], answer["cumsum_k"] = v.cumsum(), q.cumsum(), k.cumsum()
    answer["cummax_q"], answer["cummin_q"], answer["cummin_k"] = q.cummax(), q.cummin(), k.cummin()
    answer["cumprod_growth"] = (q / 1e6 + 1).cumprod()
    answer["cumcount_q"] = q.notna().cumsum()
    answer["shift_k"], answer["shift_back_q"] = k.shift(3).astype("Int64"), q.shift(-2)
    answer["diff_k"], answer["diff_q"] = k.diff(2).astype("Int64"), q.diff(-1)
    answer["pct_change_v"] = v.pct_change(1)
    answer["ffill_q"], answer["bfill_q"] = q.ffill(), q.bfill()
    answer["rank_q"], answer["rank_k"] = q.rank(), k.rank()
    for method in ["min", "max", "dense", "first"]:
        answer[f"rank_{method}_k"] = k.rank(method=method).astype("Int64")
        answer[f"rank_{method}_q_descending"] = q.rank(method=method, ascending=False).astype("Int64")
    for rows in [1, 7, 1000]:
        answer[f"rolling_{rows}_sum_v"] = v.rolling(rows).sum()
        answer[f"rolling_{rows}_mean_q"] = q.rolling(rows, min_periods=1).mean()
        answer[f"rolling_{rows}_min_k"] = k.rolling(rows).min().astype("Int64")
        answer[f"rolling_{rows}_max_q"] = q.rolling(rows).max()
        # Not `std()` of the window, which pandas updates row by row: it is off by 2 % where a large value has left.
        answer[f"rolling_{rows}_std_q"] = q.rolling(rows, min_periods=1).apply(lambda window: window.std())
    # Rows of one year share its first day, so that windows of time meet many equal times.
    by_time = table.set_index(pd.to_datetime(table["t"].astype(str) + "-01-01"))
    for days in [1, 366, 1000]:
        answer[f"days_{days}_sum_v"] = by_time["v"].rolling(f"{days}D").sum().to_numpy()
        answer[f"days_{days}_mean_q"] = by_time["q"].rolling(f"{days}D").mean().to_numpy()
        answer[f"days_{days}_max_k"] = by_time["k"].rolling(f"{days}D").max().astype("int64").to_numpy()
        answer[f"days_{days}_var_v"] = by_time["v"].rolling(f"{days}D").var().to_numpy()
    return answer[(answer.index % 50 == 7) | (answer.index < 3) | (answer.index >= len(answer) - 3)]


write("generated_in_order", in_order(generated), index=False)
