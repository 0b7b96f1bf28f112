"""Whether two answers agree: check.py A.csv B.csv ...; the same keys, values within 1e-9 of each other."""

import csv
import math
import sys


def read(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, [int(key) for key, _ in rows], [float(value or "nan") for _, value in rows]


first, *others = [read(path) for path in sys.argv[1:]]
for path, other in zip(sys.argv[2:], others):
    assert other[:2] == first[:2], f"{path}: other columns or keys than {sys.argv[1]}"
    for key, a, b in zip(first[1], first[2], other[2]):
        assert math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b)), f"{path}: {key}: {a!r} and {b!r}"
print(f"{len(sys.argv) - 1} answers of {len(first[1])} rows agree")
