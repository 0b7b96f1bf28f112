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
    "G1": "SELECT id1, sum(v1) AS v1 FROM groupby GROUP BY id1",
    "G2": "SELECT id1, id2, sum(v1) AS v1 FROM groupby GROUP BY id1, id2",
    "G3": "SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM groupby GROUP BY id3",
    "G4": "SELECT id4, avg(v1) AS v1, avg(v2) AS v2, avg(v3) AS v3 FROM groupby GROUP BY id4",
    "G5": "SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM groupby GROUP BY id6",
    "G6": "SELECT id4, id5, median(v3) AS median_v3, stddev(v3) AS sd_v3 FROM groupby GROUP BY id4, id5",
    "G7": "SELECT id3, max(v1) - min(v2) AS range_v1_v2 FROM groupby GROUP BY id3",
    "G8": """SELECT id6, v3 AS largest2_v3
             FROM (SELECT id6, v3, row_number() OVER (PARTITION BY id6 ORDER BY v3 DESC) AS place
                   FROM groupby WHERE v3 IS NOT NULL) AS placed
             WHERE place <= 2""",
    "G9": "SELECT id2, id4, pow(corr(v1, v2), 2) AS r2 FROM groupby GROUP BY id2, id4",
    "G10": """SELECT id1, id2, id3, id4, id5, id6, sum(v3) AS v3, count(*) AS count FROM groupby
              GROUP BY id1, id2, id3, id4, id5, id6""",
    "J1": "SELECT x.*, small.id4 AS small_id4, v2 FROM x JOIN small ON x.id1 = small.id1",
    "J2": """SELECT x.*, medium.id1 AS medium_id1, medium.id4 AS medium_id4, medium.id5 AS medium_id5, v2
             FROM x JOIN medium ON x.id2 = medium.id2""",
    "J3": """SELECT x.*, medium.id1 AS medium_id1, medium.id4 AS medium_id4, medium.id5 AS medium_id5, v2
             FROM x LEFT JOIN medium ON x.id2 = medium.id2""",
    "J4": """SELECT x.*, medium.id1 AS medium_id1, medium.id2 AS medium_id2, medium.id4 AS medium_id4, v2
             FROM x JOIN medium ON x.id5 = medium.id5""",
    "J5": """SELECT x.*, big.id1 AS big_id1, big.id2 AS big_id2, big.id4 AS big_id4, big.id5 AS big_id5, big.id6 AS big_id6, v2
             FROM x JOIN big ON x.id3 = big.id3""",
    "S1": """SELECT station, min(temperature) AS min, avg(temperature) AS mean, max(temperature) AS max
             FROM measurements GROUP BY station""",
}
# The answers to these are held as tables; how many rows they have and the totals of these columns are printed.
TOTALS = {
    "G1": ["v1"],
    "G2": ["v1"],
    "G3": ["v1", "v3"],
    "G4": ["v1", "v2", "v3"],
    "G5": ["v1", "v2", "v3"],
    "G6": ["median_v3", "sd_v3"],
    "G7": ["range_v1_v2"],
    "G8": ["largest2_v3"],
    "G9": ["r2"],
    "G10": ["v3", "count"],
    **{join: ["v1", "v2"] for join in ["J1", "J2", "J3", "J4", "J5"]},
}
# The tables that each query is about, by which are loaded.
LOADED = {
    **{f"G{n}": ["groupby"] for n in range(1, 11)},
    "J1": ["x", "small"],
    **{join: ["x", "medium"] for join in ["J2", "J3", "J4"]},
    "J5": ["x", "big"],
    "S1": ["measurements"],
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
