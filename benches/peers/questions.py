"""What the scripts of all engines share: how they are asked, and the queries as those that speak SQL take them.

    duckdb_q.py DIR Q1 --threads 2 --scratch TMP

The answer is CSV on standard output, except that of Q8, which is answer.parquet in the scratch directory.
"""

import argparse
import sys
import time

SQL = {
    "Q1": "SELECT k, avg(q) AS mean_q FROM trade WHERE t = 2018 GROUP BY k",
    "Q2": "SELECT i, sum(v) AS sum_v FROM trade GROUP BY i",
    "Q3": "SELECT k, count(*) AS count FROM trade GROUP BY k ORDER BY count DESC, k",
    "Q4": "SELECT * FROM trade ORDER BY q DESC NULLS LAST LIMIT 10",
    "Q5": "SELECT avg(v / q) AS mean, var_samp(v / q) AS var FROM trade WHERE t = 2018",
    "Q6": """SELECT exporters.country_name_full AS exporter, sum(v) AS sum_v FROM trade JOIN products ON k = code
             JOIN countries AS exporters ON i = exporters.country_code
             JOIN countries AS importers ON j = importers.country_code
             GROUP BY exporters.country_name_full""",
    "Q7": """SELECT count(*) AS n, sum(sum_v) AS total
             FROM (SELECT i, j, k, sum(v) AS sum_v FROM trade GROUP BY i, j, k) AS totals""",
    "Q8": "SELECT * FROM trade ORDER BY v DESC",
    "Q9": "SELECT count(*) AS n, max(t) AS t, max(i) AS i, max(j) AS j, max(k) AS k, max(v) AS v, max(q) AS q FROM trade",
    "Q10": """SELECT count(*) AS n, avg(after.v / before.v) AS mean_ratio FROM trade_2018 AS after JOIN trade_2017 AS before
              ON after.i = before.i AND after.j = before.j AND after.k = before.k""",
    "M1": "SELECT k, median(v) AS median_v FROM trade GROUP BY k",
    "M2": "SELECT count(*) AS n FROM (SELECT DISTINCT i, j, k FROM trade) AS keys",
}


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("dir", help="where the tables' files are")
    parser.add_argument("query")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, help="the engine's own limit, in bytes")
    parser.add_argument("--scratch", default="/tmp", help="where to put what is not held, and an answer that is a file")
    parser.add_argument("--loaded", action="store_true", help="load the tables first; time the query alone")
    return parser.parse_args()


class Timed:
    """Tells the seconds of what is done in it, for queries on loaded tables."""

    def __init__(self, loaded):
        self.loaded = loaded

    def __enter__(self):
        self.started = time.perf_counter()

    def __exit__(self, error, *_):
        if self.loaded and error is None:
            print("suite: seconds", time.perf_counter() - self.started, file=sys.stderr)
