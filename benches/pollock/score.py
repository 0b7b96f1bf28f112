"""Scores what `load.rs` loaded, with Pollock's own measures: success, and precision, recall and F1 of header, records
and cells, each the mean over all files; the simple score is their sum, 10 at most, the weighted one counts each kind of file by
how often it is met.

    POLLOCK=…/polluted_files cargo bench --bench pollock
    python benches/pollock/score.py …/Pollock       (a checkout; takes multiset, chardet, joblib, price-parser, dateutil)
"""

import json
import os
import sys
from functools import lru_cache
from multiprocessing import Pool

ROOT = sys.argv[1]
sys.path.insert(0, ROOT)
from pollock import metrics  # noqa: E402

metrics.normalize_cell = lru_cache(maxsize=None)(metrics.normalize_cell)
FOLDER = os.path.join(ROOT, "polluted_files")


def measures(job):
    mode, name = job
    loaded = f"{FOLDER}/loaded/{mode}/{name}_converted.csv"
    success = metrics.successful_csv(loaded)
    if not success:
        return [0.0] * 10
    return [1.0, *map(float, metrics.header_record_cell_measures_csv(f"{FOLDER}/clean/{name}", loaded))]


if __name__ == "__main__":
    names = sorted(name for name in os.listdir(f"{FOLDER}/csv") if name.endswith(".csv"))
    weights = json.load(open(f"{ROOT}/pollock_weights.json"))
    for mode in ["told", "sniffed"]:
        with Pool(2) as pool:
            all_measures = pool.map(measures, [(mode, name) for name in names], chunksize=200)
        sums = [sum(m) for m in all_measures]
        simple = sum(sums) / len(sums)
        total = sum(weights.get(name, -1) for name in names)
        weighted = sum(s * weights.get(name, -1) for s, name in zip(sums, names)) / total
        print(f"{mode}: {len(names)} files, simple {simple:.3f}, weighted {weighted:.3f}")
        worst = sorted(zip(sums, names))[:25]
        print("  worst:", ", ".join(f"{name} {score:.2f}" for score, name in worst))
