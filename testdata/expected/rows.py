"""Answers of row, group and reshaping verbs on ../baci, by pandas: one CSV a query beside this file, as make.py does it.
Run: python testdata/expected/rows.py"""

from make import generated, write

pairs = ["i", "j"]
for keep in ["first", "last"]:
    write(f"rows_duplicates_{keep}", generated.drop_duplicates(pairs, keep=keep), index=False)
write("rows_distinct", generated[["t", "i"]].drop_duplicates(), index=False)

by_exporter = generated.groupby("i")
write("rows_head_by_i", by_exporter.head(2), index=False)
write("rows_tail_by_i", by_exporter.tail(2), index=False)
largest = generated.sort_values(["i", "q"], ascending=[True, False], kind="stable")
write("rows_top_q_by_i", largest.groupby("i").head(3), index=False)

# The values of a row together, rows in file order.
small = generated[generated["k"] < 100_000]
long = small.melt(id_vars=["t", "k"], value_vars=["v", "q"], var_name="what", value_name="amount", ignore_index=False)
long = long.sort_index(kind="stable")
write("rows_unpivot", long.assign(what=(long["what"] == "q").astype(int)), index=False)

wide = generated.pivot_table(index="i", columns="t", values="v", aggfunc="sum")
write("rows_pivot_sum", wide)
wide = generated.pivot_table(index=["i", "j"], columns="t", values="q", aggfunc="mean", dropna=False)
write("rows_pivot_mean", wide.dropna(how="all"))

of_group = by_exporter[["v", "q"]]
with_total = generated.assign(total=of_group.transform("sum")["v"], q=of_group.transform("mean")["q"])
write("rows_transform", with_total[with_total["t"] == 2018], index=False)
large = by_exporter.filter(lambda group: len(group) > 200 and group["q"].max() < 1e6)
write("rows_filter_groups", large[large["t"] == 2018], index=False)
