"""Answers to merges of ../baci, by pandas: one CSV a query beside this file. Run: python testdata/expected/merge.py"""

from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
BACI = HERE.parent / "baci"


def write(name, answer):
    def text(value):
        if pd.isna(value):
            return ""
        value = value.item() if hasattr(value, "item") else value
        # A column of integers with gaps is one of floats in pandas.
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    answer.map(text).to_csv(HERE / f"merge_{name}.csv", index=False, lineterminator="\n")


def year(t):
    return pd.read_csv(BACI / f"BACI_HS12_Y{t}.csv", skipinitialspace=True, na_values=["NA"])


early, late = year(2017), year(2018)
products = pd.read_csv(BACI / "product_codes_HS12.csv")
countries = pd.read_csv(BACI / "country_codes_V202301.csv", keep_default_na=False)
sample = pd.read_csv(BACI / "BACI_Y2021_raw_sample.csv", skipinitialspace=True, na_values=["NA"])
hs17 = pd.read_csv(BACI / "product_codes_HS17_V202301.csv", dtype={"code": str})
hs17 = hs17[hs17["code"].str.isdigit()].assign(code=lambda t: t["code"].astype(int))

# Product, exporter and importer of each row.
names = (
    late.merge(products, left_on="k", right_on="code", how="left")
    .merge(countries, left_on="i", right_on="country_code", how="left")
    .merge(countries, left_on="j", right_on="country_code", how="left", suffixes=("_exporter", "_importer"))
)
columns = ["k", "description", "country_name_full_exporter", "iso_3digit_alpha_importer", "v"]
write("names", names[columns].head(200))

# Many rows of a key on both sides: pairs of rows of two years with one exporter and one chapter of products.
early["chapter"], late["chapter"] = early["k"] // 10000, late["k"] // 10000
left, right = early[early["v"] > 100], late[late["v"] > 50][["i", "chapter", "j", "v"]]
keys = ["i", "chapter"]
inner = left.merge(right, on=keys)
write("inner", inner)
left_join = left.merge(right, on=keys, how="left")
write("left", left_join)
both = set(left[keys].itertuples(index=False, name=None)) & set(right[keys].itertuples(index=False, name=None))
matched = left[keys].apply(tuple, axis=1).isin(both)
write("semi", left[matched])
write("anti", left[~matched])
# The rest of the right comes last, in its order (pandas would sort an outer merge by key).
rest = right[~right[keys].apply(tuple, axis=1).isin(both)].rename(columns={"j": "j_y", "v": "v_y"})
write("right", pd.concat([inner, rest]))
write("outer", pd.concat([left_join, rest]))
assert len(inner) > 100 and len(rest) > 100 and len(left_join) > len(inner) and matched.any()

# Real rows and real products, of which some lack the other.
write("sample", sample.merge(hs17, left_on="k", right_on="code", how="left")[["k", "i", "v", "q", "description"]].head(150))


def as_of(name, on, by=None, **how):
    """In the order of the left, although pandas wants both sides sorted."""
    left = early.reset_index().sort_values(on, kind="stable")
    right = late[[c for c in ["i", "k", "v", "j"]]].sort_values(on, kind="stable")
    answer = pd.merge_asof(left, right, on=on, by=by, **how).sort_values("index").drop(columns=["index", "q", "chapter"])
    assert 0 < answer["j_y"].notna().sum()
    write(name, answer.head(200))


as_of("asof_backward", "v", by="i")
as_of("asof_forward", "v", by="i", direction="forward", tolerance=5.0)
as_of("asof_nearest", "k", by="i", direction="nearest", tolerance=20000)
as_of("asof_exact", "k", direction="backward", allow_exact_matches=False)
