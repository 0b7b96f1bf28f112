"""Writes the .slt files beside it: queries, with DuckDB's answers to them (duckdb 2.0.0). From the root of the repository:

    python3 testdata/slt/make.py

Where Partita differs from DuckDB, the query is not here but in differs.slt, which is written by hand. Floats are shown with six decimals.
"""

import re
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
LEFT = "'testdata/slt/left.csv'"
RIGHT = "'testdata/slt/right.csv'"
NONE = "'testdata/slt/none.csv'"
TRADE = "'testdata/baci/BACI_HS12_Y2018.csv'"
ALL = "'testdata/baci/BACI_HS12_Y*.csv'"
REAL = "'testdata/baci/country_codes_V202301.csv'"

(HERE / "left.csv").write_text(
    "k,g,v,s,d\n1,a,10,one,2020-01-31\n2,a,20,two,2020-02-29\n2,b,21,Two,2021-12-01\n3,b,,three,\n,b,30,,2019-07-04\n5,,5,x_y,2020-01-31\n5,,5,x%y,2020-01-30\n")
(HERE / "right.csv").write_text("k,w,t\n1,1.5,p\n2,2.5,q\n2,-0.25,\n4,4,r\n,9,s\n5,0,q\n")
(HERE / "none.csv").write_text("k,w,t\n1,1.5,p\n")

FILES = {
    "select": [
        f"SELECT * FROM {LEFT}",
        f"FROM {LEFT}",
        f"SELECT k + 1 AS next, -v AS minus, v * 2 - 1, v / 4, v // 4, v % 4, s || '!' AS loud FROM {LEFT}",
        f"SELECT * EXCLUDE (g, d) FROM {LEFT}",
        f"SELECT l.*, 1 AS one FROM {LEFT} AS l",
        f"SELECT DISTINCT g FROM {LEFT} ORDER BY g",
        f"SELECT DISTINCT k, v FROM {LEFT}",
        f"SELECT DISTINCT ON (g) g, v FROM {LEFT} ORDER BY g, v DESC",
        "SELECT 1 AS a, 'x' AS b, 1.5 AS c, true AS d, DATE '2020-01-31' AS e",
        "SELECT * FROM (VALUES (1, 'a'), (2, NULL), (NULL, 'c')) AS t (n, s) ORDER BY n",
        f"SELECT s FROM {LEFT} WHERE v > 5 AND (g = 'a' OR k IS NULL)",
        f"SELECT s FROM {LEFT} WHERE NOT v > 10",
        f"SELECT k FROM {NONE} WHERE k > 5",
        f"SELECT l.k, x.n FROM {LEFT} l JOIN (SELECT k, count(*) AS n FROM {RIGHT} GROUP BY k) x ON l.k = x.k",
        f"WITH a AS (SELECT k, v FROM {LEFT} WHERE v > 5), b AS (SELECT k, sum(v) AS s FROM a GROUP BY k) SELECT * FROM b ORDER BY k",
        f"SELECT count(*) AS n, sum(v) AS v, max(k) AS k FROM {ALL}",
        f"SELECT t, count(*) AS n FROM {ALL} WHERE v > 100 GROUP BY t ORDER BY t",
        f"SELECT country_code, country_name_abbreviation FROM {REAL} WHERE iso_3digit_alpha LIKE 'F%' ORDER BY country_code",
        f"SELECT sum(v) AS v FROM read_csv({TRADE}, header => true, delim => ',')",
        "SELECT count(*) AS n FROM read_parquet('testdata/formats/duckdb.parquet')",
    ],
    "joins": [
        *(f"SELECT l.k, l.v, r.w FROM {LEFT} l {kind} JOIN {RIGHT} r ON l.k = r.k" for kind in ["INNER", "LEFT", "RIGHT", "FULL"]),
        *(f"SELECT l.k, l.v, r.w FROM {LEFT} l {kind} JOIN {RIGHT} r ON l.k = r.k AND r.w > 0 AND l.v > r.w"
          for kind in ["INNER", "LEFT", "RIGHT", "FULL"]),
        *(f"SELECT l.k, r.k FROM {LEFT} l {kind} JOIN {RIGHT} r ON l.v < r.w * 4".replace("r.k", "r.k AS rk", 1)
          for kind in ["INNER", "LEFT", "RIGHT", "FULL"]),
        *(f"SELECT k, v FROM {LEFT} l {kind} JOIN {RIGHT} r ON l.k = r.k" for kind in ["SEMI", "ANTI"]),
        *(f"SELECT l.k, v FROM {LEFT} l {kind} JOIN {RIGHT} r ON l.k = r.k AND r.w > 1" for kind in ["SEMI", "ANTI"]),
        *(f"SELECT k, v, w FROM {LEFT} {kind} JOIN {RIGHT} USING (k)" for kind in ["INNER", "LEFT", "RIGHT", "FULL"]),
        f"SELECT l.k, r.w FROM {LEFT} l CROSS JOIN {RIGHT} r WHERE l.g = 'a'",
        f"SELECT l.k, r.w FROM {LEFT} l, {RIGHT} r WHERE l.k = r.k AND r.w > 1",
        f"SELECT l.v, a.w, b.t FROM {LEFT} l JOIN {RIGHT} a ON l.k = a.k LEFT JOIN {RIGHT} b ON a.t = b.t",
        f"SELECT l.k, n.w FROM {LEFT} l LEFT JOIN {NONE} n ON l.k = n.k AND n.w > 100",
        f"SELECT a.v FROM {LEFT} a JOIN {LEFT} b ON a.k = b.k AND a.v < b.v",
        f"SELECT c.iso_3digit_alpha AS iso, sum(b.v) AS v FROM {TRADE} b JOIN {REAL} c ON b.i = c.country_code GROUP BY 1 ORDER BY v DESC LIMIT 7",
        f"SELECT count(*) AS n FROM {TRADE} a ANTI JOIN {REAL} c ON a.j = c.country_code",
    ],
    "groups": [
        f"SELECT g, count(*) AS n, count(v) AS c, sum(v) AS s, avg(v) AS m, min(v) AS lo, max(v) AS hi FROM {LEFT} GROUP BY g ORDER BY g",
        f"SELECT count(*) AS n, sum(k) AS s, avg(w) AS m, min(t) AS t FROM {NONE} WHERE k > 5",
        f"SELECT k % 2 AS odd, sum(v) AS s FROM {LEFT} GROUP BY k % 2 ORDER BY odd",
        f"SELECT g, k, sum(v) AS s FROM {LEFT} GROUP BY 1, 2 ORDER BY 1, 2",
        f"SELECT upper(g) AS big, count(*) AS n FROM {LEFT} GROUP BY big ORDER BY big",
        f"SELECT g, k, count(*) AS n FROM {LEFT} GROUP BY ALL ORDER BY ALL",
        f"SELECT g, sum(v) AS s FROM {LEFT} GROUP BY g HAVING sum(v) > 20 AND count(*) > 1 ORDER BY s",
        f"SELECT count(DISTINCT k) AS k, sum(DISTINCT v) AS v, avg(DISTINCT v) AS m, count(DISTINCT g) AS g FROM {LEFT}",
        f"SELECT g, count(*) FILTER (WHERE v > 10) AS n, sum(v) FILTER (WHERE k = 2) AS s FROM {LEFT} GROUP BY g ORDER BY g",
        f"SELECT var_samp(v) AS a, var_pop(v) AS b, stddev_samp(v) AS c, stddev_pop(v) AS d, stddev(v) AS e, variance(v) AS f FROM {LEFT}",
        f"SELECT median(v) AS m, quantile_cont(v, 0.25) AS q, percentile_cont(0.9) WITHIN GROUP (ORDER BY v) AS p FROM {LEFT}",
        f"SELECT g, median(v) AS m FROM {LEFT} GROUP BY g ORDER BY g",
        f"SELECT mode(v) AS m, bool_and(v > 1) AS a, bool_or(v > 29) AS o FROM {LEFT}",
        f"SELECT g, string_agg(s, '+' ORDER BY s) AS all_s FROM {LEFT} GROUP BY g ORDER BY g",
        f"SELECT first(v ORDER BY v) AS a, last(v ORDER BY v) AS b FROM {LEFT} WHERE v IS NOT NULL",
        f"SELECT corr(v, j) AS r, covar_samp(v, j) AS s, covar_pop(v, j) AS p FROM {TRADE}",
        f"SELECT i, count(*) AS n, avg(j) AS m, stddev_samp(v) AS s FROM {TRADE} GROUP BY i ORDER BY n DESC, i LIMIT 10",
        f"SELECT sum(v) / count(*) AS m, max(v) - min(v) AS range FROM {LEFT}",
        f"SELECT count(*) AS n FROM (SELECT k FROM {LEFT} GROUP BY k HAVING count(*) > 1)",
    ],
    "order": [
        f"SELECT k, v FROM {LEFT} ORDER BY k, v",
        f"SELECT k, v FROM {LEFT} ORDER BY k DESC, v DESC",
        f"SELECT k, s FROM {LEFT} ORDER BY k NULLS FIRST, s NULLS FIRST",
        f"SELECT k, s FROM {LEFT} ORDER BY k DESC NULLS LAST, s DESC NULLS FIRST",
        f"SELECT k, v AS x FROM {LEFT} ORDER BY x + 1, 1 LIMIT 3",
        f"SELECT s FROM {LEFT} ORDER BY v, s LIMIT 2 OFFSET 3",
        f"SELECT s FROM {LEFT} ORDER BY s OFFSET 5",
        f"SELECT s FROM {LEFT} ORDER BY s LIMIT 0",
        f"SELECT g, sum(v) AS s FROM {LEFT} GROUP BY g ORDER BY sum(v) DESC",
        f"SELECT i, j, v FROM {TRADE} ORDER BY v DESC, i, j LIMIT 12",
    ],
    "sets": [
        f"SELECT k FROM {LEFT} {op} SELECT k FROM {RIGHT}" if False else f"SELECT k FROM {LEFT} {op} (SELECT k FROM {RIGHT})"
        for op in ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]
    ] + [
        f"SELECT k, g FROM {LEFT} UNION ALL SELECT k, t FROM {RIGHT} ORDER BY 1, 2",
        f"SELECT k AS n FROM {LEFT} UNION SELECT w FROM {RIGHT}",
        f"(SELECT k FROM {LEFT} EXCEPT SELECT k FROM {RIGHT}) UNION ALL SELECT 7",
        f"SELECT k FROM {LEFT} INTERSECT SELECT k FROM {NONE}",
        "SELECT * FROM (VALUES (1), (1), (1), (2), (NULL), (NULL)) a EXCEPT ALL SELECT * FROM (VALUES (1), (NULL), (3)) b",
        "SELECT * FROM (VALUES (1), (1), (1), (2), (NULL), (NULL)) a INTERSECT ALL SELECT * FROM (VALUES (1), (1), (NULL), (3)) b",
    ],
    "expressions": [
        f"SELECT s, CASE WHEN v > 15 THEN 'much' WHEN v > 5 THEN 'some' ELSE 'few' END AS how FROM {LEFT}",
        f"SELECT s, CASE g WHEN 'a' THEN 1 WHEN 'b' THEN 2 END AS n FROM {LEFT}",
        "SELECT CAST('12' AS BIGINT) AS a, '1.5'::DOUBLE AS b, CAST(2 AS VARCHAR) AS c, TRY_CAST('x' AS INTEGER) AS d, CAST('2020-02-29' AS DATE) AS e",
        f"SELECT s FROM {LEFT} WHERE v BETWEEN 10 AND 21",
        f"SELECT s FROM {LEFT} WHERE v NOT BETWEEN 10 AND 21",
        f"SELECT s FROM {LEFT} WHERE k IN (1, 3, NULL)",
        f"SELECT s FROM {LEFT} WHERE k NOT IN (1, 3)",
        f"SELECT s FROM {LEFT} WHERE k NOT IN (1, NULL)",
        f"SELECT s FROM {LEFT} WHERE s LIKE 't%'",
        f"SELECT s FROM {LEFT} WHERE s ILIKE 'TW_'",
        f"SELECT s FROM {LEFT} WHERE s LIKE 'x\\%y' ESCAPE '\\'",
        f"SELECT s FROM {LEFT} WHERE s NOT LIKE '%o%'",
        f"SELECT v FROM {LEFT} WHERE g IS NULL",
        f"SELECT v FROM {LEFT} WHERE s IS NOT NULL AND g IS NOT NULL",
        f"SELECT v, g IS DISTINCT FROM 'a' AS d, g IS NOT DISTINCT FROM NULL AS n FROM {LEFT}",
        "SELECT NULL AND false AS a, NULL AND true AS b, NULL OR true AS c, NOT NULL AS d, NULL = NULL AS e, (1 = 1) IS TRUE AS f",
        "SELECT 7 / 2 AS a, 7 // 2 AS b, 7 % 4 AS c, -7 % 4 AS d, 2.5 * 2 AS e, 1 / 3 AS f, 10 - 2 - 3 AS g, 2 + 3 * 4 AS h",
        "SELECT abs(-3) AS a, ceil(1.2) AS b, floor(-1.2) AS c, round(2.567, 2) AS d, sqrt(2) AS e, exp(1) AS f, ln(10) AS g, log10(1000) AS h, power(2, 10) AS i, sign(-4) AS j",
        "SELECT upper('aé') AS a, lower('AÉ') AS b, length('aé') AS c, trim('  x ') AS d, substr('hello', 2, 3) AS e, left('hello', 2) AS f, right('hello', 2) AS g, replace('aXbX', 'X', '-') AS h",
        "SELECT split_part('a-b-c', '-', 2) AS a, contains('hello', 'll') AS b, starts_with('hello', 'he') AS c, concat('a', NULL, 'b') AS d, regexp_matches('a12', '[0-9]+') AS e, regexp_extract('a12b', '([0-9]+)b', 1) AS f",
        "SELECT coalesce(NULL, 2, 3) AS a, nullif(1, 1) AS b, ifnull(NULL, 5) AS c, greatest(1, 3, 2) AS d, least(4, 2) AS e",
        f"SELECT d, year(d) AS y, month(d) AS m, day(d) AS n, quarter(d) AS q, isodow(d) AS w, dayofyear(d) AS o, extract(YEAR FROM d) AS e FROM {LEFT} ORDER BY d",
        f"SELECT d, date_trunc('month', d)::DATE AS m, date_diff('day', DATE '2020-01-01', d) AS n, strftime(d, '%d.%m.%Y') AS t FROM {LEFT} ORDER BY d",
        "SELECT DATE '2020-01-31' + INTERVAL '1' DAY > DATE '2020-01-31' AS a, DATE '2020-01-31' + INTERVAL '1' MONTH < DATE '2020-03-01' AS b",
        f"SELECT s FROM {LEFT} WHERE k IN (SELECT k FROM {RIGHT} WHERE w > 1)",
        f"SELECT s FROM {LEFT} WHERE k NOT IN (SELECT k FROM {RIGHT} WHERE k IS NOT NULL)",
        f"SELECT s FROM {LEFT} WHERE k NOT IN (SELECT k FROM {RIGHT})",
        f"SELECT s FROM {LEFT} WHERE EXISTS (SELECT * FROM {NONE} WHERE k > 5)",
        f"SELECT s FROM {LEFT} l WHERE EXISTS (SELECT * FROM {RIGHT} r WHERE r.k = l.k AND r.w < 1)",
        f"SELECT s FROM {LEFT} l WHERE NOT EXISTS (SELECT * FROM {RIGHT} r WHERE r.k = l.k)",
        f"SELECT s, v - (SELECT avg(v) FROM {LEFT}) AS above FROM {LEFT}",
        f"SELECT s, (SELECT count(*) FROM {RIGHT} r WHERE r.k = l.k) AS n FROM {LEFT} l",
        f"SELECT s FROM {LEFT} l WHERE v = (SELECT max(v) FROM {LEFT} x WHERE x.g = l.g)",
    ],
    "windows": [
        f"SELECT s, row_number() OVER (ORDER BY v, s) AS n FROM {LEFT} ORDER BY n",
        f"SELECT g, s, rank() OVER (PARTITION BY g ORDER BY v) AS r, dense_rank() OVER (PARTITION BY g ORDER BY v) AS d FROM {LEFT}",
        f"SELECT s, lag(v) OVER (ORDER BY s) AS a, lead(v, 2, -1) OVER (ORDER BY s) AS b FROM {LEFT}",
        f"SELECT s, first_value(v) OVER (PARTITION BY g ORDER BY s) AS a, last_value(v) OVER (PARTITION BY g ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS b FROM {LEFT}",
        f"SELECT s, sum(v) OVER (PARTITION BY g ORDER BY s) AS a, avg(v) OVER (PARTITION BY g) AS b, count(*) OVER () AS c FROM {LEFT}",
        f"SELECT s, sum(v) OVER (ORDER BY s ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a, avg(v) OVER (ORDER BY s ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS b, max(v) OVER (ORDER BY s ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS c FROM {LEFT}",
        f"SELECT s, min(v) OVER (ORDER BY s ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING) AS a, count(v) OVER (ORDER BY s ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS b FROM {LEFT}",
        f"SELECT s, sum(v) OVER w AS a, row_number() OVER w AS n FROM {LEFT} WINDOW w AS (PARTITION BY g ORDER BY s)",
        f"SELECT s, sum(v) OVER (w ORDER BY s) AS a, count(*) OVER w AS n FROM {LEFT} WINDOW w AS (PARTITION BY g)",
        f"SELECT g, v FROM {LEFT} QUALIFY row_number() OVER (PARTITION BY g ORDER BY v DESC) = 1",
        f"SELECT i, sum(sum(v)) OVER (ORDER BY i) AS run FROM {TRADE} WHERE i < 60 GROUP BY i ORDER BY i",
        f"SELECT i, j, k, rank() OVER (PARTITION BY i ORDER BY v DESC) AS place FROM {TRADE} QUALIFY place <= 2 ORDER BY i, place, j, k LIMIT 25",
        f"SELECT s, sum(v) OVER (ORDER BY s ROWS BETWEEN CURRENT ROW AND 70 FOLLOWING) AS a FROM {LEFT}",
    ],
}


def shown(value):
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6f}"
        case "":
            return "(empty)"
        case _ if type(value).__name__ == "Decimal":
            return f"{float(value):.6f}"
        case _:
            return str(value)


def letter(kind):
    kind = str(kind)
    if kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")):
        return "R"
    if kind in ("BIGINT", "INTEGER", "HUGEINT", "TINYINT", "SMALLINT"):
        return "I"
    return "T" if kind == "VARCHAR" else "?"


def main():
    db = duckdb.connect()
    for name, queries in FILES.items():
        out = [f"# Written by make.py, with the answers of DuckDB {duckdb.__version__}.\n"]
        for query in queries:
            result = db.sql(query)
            rows = [[shown(value) for value in row] for row in result.fetchall()]
            ordered = re.search(r"ORDER BY [^()]*$", query) or re.search(r"ORDER BY sum\(v\) DESC$", query)
            lines = ["\t".join(row) for row in rows]
            if not ordered:
                lines.sort(key=lambda line: line.split("\t"))
            letters = "".join(letter(kind) for kind in result.types)
            out.append(f"query {letters} {'nosort' if ordered else 'rowsort'}\n{query}\n----\n" + "".join(f"{line}\n" for line in lines))
        (HERE / f"{name}.slt").write_text("\n".join(out))


main()
