//! SQL's clauses, functions, joins and subqueries: answers worked out by hand, in one partition and in many.

use std::fs;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use partita::{ErrorKind, Session, Table};
use tempfile::TempDir;

/// Two small tables: `a(k, x)` and `b(k, y)`, with nulls and duplicates in the keys.
const A: &str = "k,x\n1,10\n2,20\n2,21\n,30\n4,40\n";
const B: &str = "k,y\n2,x\n2,y\n4,z\n5,w\n,n\n";

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        let dir = TempDir::new().unwrap();
        for (name, text) in [("a.csv", A), ("b.csv", B)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Files(dir)
    }

    fn locate(&self, query: &str) -> String {
        query.replace("'/", &format!("'{}/", self.0.path().display()))
    }

    fn table(&self, query: &str) -> Table {
        let query = self.locate(query);
        let answer = |bytes| {
            let session = Session::builder().threads(2).partition_size(bytes).build().unwrap();
            session.sql(&query).compute().unwrap_or_else(|error| panic!("{query}\n{error}"))
        };
        let (whole, cut) = (answer(1 << 20), answer(8));
        assert_eq!(cells(&whole), cells(&cut), "{query}");
        whole
    }

    /// The rows as one text, parted by semicolons.
    fn answer(&self, query: &str) -> String {
        cells(&self.table(query)).join("; ")
    }

    /// The same, sorted: where no order is asked for.
    fn rows(&self, query: &str) -> String {
        let mut rows = cells(&self.table(query));
        rows.sort();
        rows.join("; ")
    }
}

fn cells(table: &Table) -> Vec<String> {
    let options = FormatOptions::new().with_null("-");
    let mut rows = Vec::new();
    for batch in table.batches() {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|i| {
            let cells: Vec<String> = columns.iter().map(|column| column.value(i).to_string()).collect();
            cells.join(" ")
        }));
    }
    rows
}

#[test]
fn every_join() {
    let files = Files::new();
    for (join, rows) in [
        ("JOIN '/b.csv' b ON a.k = b.k", "20 x; 20 y; 21 x; 21 y; 40 z"),
        ("LEFT JOIN '/b.csv' b ON a.k = b.k", "10 -; 20 x; 20 y; 21 x; 21 y; 30 -; 40 z"),
        ("RIGHT JOIN '/b.csv' b ON a.k = b.k", "- n; - w; 20 x; 20 y; 21 x; 21 y; 40 z"),
        ("FULL JOIN '/b.csv' b ON a.k = b.k", "- n; - w; 10 -; 20 x; 20 y; 21 x; 21 y; 30 -; 40 z"),
        ("JOIN '/b.csv' b ON a.k = b.k AND y <> 'x'", "20 y; 21 y; 40 z"),
        ("LEFT JOIN '/b.csv' b ON a.k = b.k AND y = 'x'", "10 -; 20 x; 21 x; 30 -; 40 -"),
        ("LEFT JOIN '/b.csv' b ON a.k = b.k AND x = 20", "10 -; 20 x; 20 y; 21 -; 30 -; 40 -"),
        ("RIGHT JOIN '/b.csv' b ON a.k = b.k AND x = 20", "- n; - w; - z; 20 x; 20 y"),
        ("FULL JOIN '/b.csv' b ON a.k = b.k AND (x = 20 OR y = 'z')", "- n; - w; 10 -; 20 x; 20 y; 21 -; 30 -; 40 z"),
        ("JOIN '/b.csv' b ON a.k > b.k", "40 x; 40 y"),
        ("LEFT JOIN '/b.csv' b ON a.k > b.k", "10 -; 20 -; 21 -; 30 -; 40 x; 40 y"),
        ("FULL JOIN '/b.csv' b ON a.k > b.k", "- n; - w; - z; 10 -; 20 -; 21 -; 30 -; 40 x; 40 y"),
        ("JOIN '/b.csv' b ON a.k * 2 = b.k", "10 x; 10 y; 20 z; 21 z"),
        ("JOIN '/b.csv' b USING (k)", "20 x; 20 y; 21 x; 21 y; 40 z"),
        ("NATURAL JOIN '/b.csv' b", "20 x; 20 y; 21 x; 21 y; 40 z"),
        (", '/b.csv' b WHERE a.k = b.k AND x < 40", "20 x; 20 y; 21 x; 21 y"),
    ] {
        assert_eq!(files.rows(&format!("SELECT x, y FROM '/a.csv' a {join}")), rows, "{join}");
    }
    let of_a = |join: &str| files.rows(&format!("SELECT * FROM '/a.csv' a {join}"));
    assert_eq!(of_a("SEMI JOIN '/b.csv' b ON a.k = b.k"), "2 20; 2 21; 4 40");
    assert_eq!(of_a("ANTI JOIN '/b.csv' b ON a.k = b.k"), "- 30; 1 10");
    assert_eq!(of_a("SEMI JOIN '/b.csv' b ON a.k = b.k AND y = 'z'"), "4 40");
    assert_eq!(of_a("ANTI JOIN '/b.csv' b ON a.k = b.k AND x = 20"), "- 30; 1 10; 2 21; 4 40");
    assert_eq!(of_a("SEMI JOIN '/b.csv' b ON a.k > b.k"), "4 40");
    assert_eq!(files.answer("SELECT count(*) FROM '/a.csv' a CROSS JOIN '/b.csv' b"), "25");
    assert_eq!(files.rows("SELECT k, x, y FROM '/a.csv' FULL JOIN '/b.csv' USING (k) WHERE x IS NULL"), "- - n; 5 - w");
    assert_eq!(files.rows("SELECT * FROM '/a.csv' p JOIN '/a.csv' q ON p.x + 1 = q.x"), "2 20 2 21");
    assert_eq!(files.rows("SELECT p.*, q.x AS other FROM '/a.csv' p JOIN '/a.csv' q ON p.x + 1 = q.x"), "2 20 21");
}

#[test]
fn set_operations_take_nulls_for_equal() {
    let files = Files::new();
    let (a, b) = ("SELECT k FROM '/a.csv'", "SELECT k FROM '/b.csv'");
    assert_eq!(files.rows(&format!("{a} UNION ALL {b}")), "-; -; 1; 2; 2; 2; 2; 4; 4; 5");
    assert_eq!(files.rows(&format!("{a} UNION {b}")), "-; 1; 2; 4; 5");
    assert_eq!(files.rows(&format!("{a} INTERSECT {b}")), "-; 2; 4");
    assert_eq!(files.rows(&format!("{a} EXCEPT {b}")), "1");
    assert_eq!(files.answer(&format!("({a}) UNION ({b}) ORDER BY k DESC NULLS FIRST LIMIT 2")), "-; 5");
    assert_eq!(files.answer("SELECT 1 AS x UNION ALL SELECT 2.5 UNION ALL SELECT NULL"), "1.0; 2.5; -");
    assert_eq!(files.answer("SELECT NULL AS x UNION ALL SELECT 'a'"), "-; a");
}

#[test]
fn subqueries_and_tables_of_with() {
    let files = Files::new();
    for (query, answer) in [
        ("SELECT x FROM '/a.csv' WHERE k IN (SELECT k FROM '/b.csv' WHERE k IS NOT NULL) ORDER BY x", "20; 21; 40"),
        ("SELECT x FROM '/a.csv' WHERE k NOT IN (SELECT k FROM '/b.csv') ORDER BY x", ""),
        ("SELECT x FROM '/a.csv' WHERE k NOT IN (SELECT k FROM '/b.csv' WHERE k > 2) ORDER BY x", "10; 20; 21"),
        ("SELECT x FROM '/a.csv' WHERE k NOT IN (SELECT k FROM '/b.csv' WHERE k > 9) ORDER BY x", "10; 20; 21; 30; 40"),
        (
            "SELECT x, k IN (SELECT k FROM '/b.csv') AS f FROM '/a.csv' ORDER BY x",
            "10 -; 20 true; 21 true; 30 -; 40 true",
        ),
        ("SELECT x FROM '/a.csv' WHERE x > (SELECT avg(x) FROM '/a.csv') ORDER BY x", "30; 40"),
        ("SELECT (SELECT max(y) FROM '/b.csv') AS m, (SELECT k FROM '/b.csv' WHERE k = 99) AS n", "z -"),
        ("SELECT count(*) FROM '/a.csv' WHERE EXISTS (SELECT 1 FROM '/b.csv' WHERE k = 5)", "5"),
        ("SELECT count(*) FROM '/a.csv' WHERE NOT EXISTS (SELECT 1 FROM '/b.csv' WHERE k = 5)", "0"),
        (
            "SELECT k, sum(x) FROM '/a.csv' GROUP BY k HAVING sum(x) > (SELECT avg(x) FROM '/a.csv') ORDER BY k",
            "2 41; 4 40; - 30",
        ),
        (
            "WITH t AS (SELECT k, sum(x) AS s FROM '/a.csv' GROUP BY k), u AS (SELECT max(s) AS m FROM t) SELECT k FROM t JOIN u ON s = m",
            "2",
        ),
        ("WITH t(p, q) AS (SELECT * FROM '/a.csv') SELECT q FROM t WHERE p = 4", "40"),
        ("SELECT s FROM (SELECT k, sum(x) AS s FROM '/a.csv' GROUP BY k) t WHERE t.k = 2", "41"),
        ("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(n, s) ORDER BY n DESC", "2 -; 1 a"),
        ("VALUES (1), (2.5)", "1.0; 2.5"),
        ("SELECT 1 + 1 AS two", "2"),
    ] {
        assert_eq!(files.answer(query), answer, "{query}");
    }
    let error = Session::default().sql(&files.locate("SELECT (SELECT x FROM '/a.csv') AS x")).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value, "{error}");
}

#[test]
fn distinct_and_stars() {
    let files = Files::new();
    assert_eq!(files.answer("SELECT DISTINCT k FROM '/a.csv' ORDER BY k"), "1; 2; 4; -");
    assert_eq!(files.answer("SELECT DISTINCT ON (k) k, x FROM '/a.csv' ORDER BY k, x DESC"), "1 10; 2 21; 4 40; - 30");
    assert_eq!(files.answer("SELECT * EXCLUDE (k) FROM '/a.csv' LIMIT 1"), "10");
    assert_eq!(files.answer("SELECT k, count(*) AS n FROM '/a.csv' GROUP BY ALL ORDER BY ALL"), "1 1; 2 2; 4 1; - 1");
}

#[test]
fn aggregates_of_all_kinds() {
    let files = Files::new();
    let one = |aggregate: &str| files.answer(&format!("SELECT {aggregate} AS r FROM '/a.csv'"));
    for (aggregate, result) in [
        ("count(DISTINCT k)", "3"),
        ("sum(DISTINCT k)", "7"),
        ("round(avg(DISTINCT k), 6)", "2.333333"),
        ("sum(x) FILTER (WHERE k = 2)", "41"),
        ("count(*) FILTER (WHERE k > 1)", "3"),
        ("count(DISTINCT k) FILTER (WHERE x > 20)", "2"),
        ("sum(DISTINCT k) FILTER (WHERE x > 20)", "6"),
        ("median(x)", "21.0"),
        ("quantile_cont(x, 0.25)", "20.0"),
        ("percentile_cont(0.25) WITHIN GROUP (ORDER BY x)", "20.0"),
        ("mode(k)", "2"),
        ("first(x)", "10"),
        ("last(x)", "40"),
        ("first(x ORDER BY x DESC)", "40"),
        ("string_agg(x, '-')", "10-20-21-30-40"),
        ("string_agg(x, '-' ORDER BY x DESC)", "40-30-21-20-10"),
        ("string_agg(DISTINCT k, '+')", "1+2+4"),
        ("round(var_samp(k), 6)", "1.583333"),
        ("round(var_pop(k), 6)", "1.1875"),
        ("round(stddev_pop(k), 6)", "1.089725"),
        ("round(corr(x, 2 * x), 6)", "1.0"),
        ("round(covar_pop(k, k), 6)", "1.1875"),
        ("bool_and(x > 9)", "true"),
        ("bool_or(x > 99)", "false"),
        ("count_if(x > 20)", "3"),
        ("sum(x) + count(*)", "126"),
    ] {
        assert_eq!(one(aggregate), result, "{aggregate}");
    }
    assert_eq!(
        files.answer("SELECT k, sum(DISTINCT x % 10) AS s, count(*) AS n FROM '/a.csv' GROUP BY k ORDER BY k"),
        "1 0 1; 2 1 2; 4 0 1; - 0 1"
    );
    assert_eq!(
        files.answer("SELECT x % 2 AS x, sum(DISTINCT x) AS s FROM '/a.csv' GROUP BY 1 ORDER BY 1"),
        "0 100; 1 21"
    );
}

#[test]
fn values_and_functions() {
    let files = Files::new();
    for (expr, result) in [
        ("CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' END", "b"),
        ("CASE 3 WHEN 1 THEN 'a' ELSE 'c' END", "c"),
        ("CASE 3 WHEN 1 THEN 'a' END", "-"),
        ("CAST('12' AS INTEGER) + 1", "13"),
        ("'12'::int", "12"),
        ("TRY_CAST('x' AS DOUBLE)", "-"),
        ("CAST(DATE '2020-01-31' AS VARCHAR)", "2020-01-31"),
        ("1 IS DISTINCT FROM NULL", "true"),
        ("NULL IS NOT DISTINCT FROM NULL", "true"),
        ("1 / 2", "0.5"),
        ("7 // 2", "3"),
        ("'a' || 1 || 'b'", "a1b"),
        ("'a' || NULL", "-"),
        ("concat('a', NULL, 1)", "a1"),
        ("'Kaffee' LIKE 'K%e'", "true"),
        ("'Kaffee' LIKE 'k%'", "false"),
        ("'Kaffee' ILIKE 'k_f%'", "true"),
        ("'50%' LIKE '50!%' ESCAPE '!'", "true"),
        ("'a.c' LIKE 'a.c' AND NOT 'abc' LIKE 'a.c'", "true"),
        ("NULL LIKE 'a'", "-"),
        ("upper('ab') || lower('CD')", "ABcd"),
        ("length('Größe')", "5"),
        ("substr('abcdef', 2, 3)", "bcd"),
        ("substring('abcdef' FROM 3)", "cdef"),
        ("left('abc', 2) || right('abc', 1)", "abc"),
        ("trim('  a ') || ltrim('xxa', 'x') || rtrim(' a ')", "aa a"),
        ("replace('aXa', 'X', '-')", "a-a"),
        ("split_part('a-b-c', '-', 2)", "b"),
        ("regexp_matches('abc', 'b.')", "true"),
        ("regexp_extract('y2018', '[0-9]+')", "2018"),
        ("coalesce(NULL, NULL, 3)", "3"),
        ("nullif(3, 3)", "-"),
        ("greatest(1, NULL, 3)", "3"),
        ("least(4, NULL, 3)", "3"),
        ("abs(-2) + ceil(1.2) + floor(-1.2) + round(2.5)", "5.0"),
        ("round(1234.567, -2)", "1200.0"),
        ("power(2, 10)", "1024.0"),
        ("year(DATE '2020-02-29') * 100 + month(DATE '2020-02-29')", "202002"),
        ("EXTRACT(day FROM DATE '2020-02-29')", "29"),
        ("date_part('dow', DATE '2024-01-07')", "0"),
        ("date_trunc('month', DATE '2020-02-29')", "2020-02-01"),
        ("DATE '2020-01-31' + INTERVAL '1' MONTH", "2020-02-29"),
        ("DATE '2020-01-31' - INTERVAL 30 DAY", "2020-01-01"),
        ("DATE '2020-01-01' + INTERVAL '1 month 2 days'", "2020-02-03"),
        ("date_diff('month', DATE '2020-01-31', DATE '2021-02-01')", "13"),
        ("strftime(DATE '2020-02-29', '%d.%m.%Y')", "29.02.2020"),
        ("2 IN (1, NULL)", "-"),
        ("2 NOT BETWEEN 3 AND NULL", "true"),
        ("-(-3) + +4", "7"),
    ] {
        assert_eq!(files.answer(&format!("SELECT {expr} AS r")), result, "{expr}");
    }
}

#[test]
fn describe_explain_and_copy() {
    let files = Files::new();
    assert_eq!(files.answer("DESCRIBE SELECT k, y FROM '/b.csv'"), "k int64; y text");
    assert_eq!(files.answer("DESCRIBE '/b.csv'"), "k int64; y text");
    let plan = Session::default().sql(&files.locate("EXPLAIN SELECT k FROM '/b.csv' WHERE k > 1")).compute().unwrap();
    assert!(cells(&plan).join("\n").contains("scan csv"));
    for (name, options) in [("out.parquet", ""), ("out.csv", ""), ("out.dat", "(FORMAT parquet)")] {
        let query = format!("COPY (SELECT * FROM '/a.csv' WHERE k = 2) TO '/{name}' {options}");
        assert_eq!(files.answer(&query), "2", "{query}");
        let read = if name == "out.dat" { "read_parquet('/out.dat')" } else { &format!("'/{name}'") };
        assert_eq!(files.answer(&format!("SELECT * FROM {read}")), "2 20; 2 21");
    }
}

#[test]
fn files_are_read_with_options() {
    let files = Files::new();
    fs::write(files.0.path().join("c.txt"), "1;a\n2;NA\n").unwrap();
    let read = "read_csv('/c.txt', delimiter => ';', header => false, nulls => 'NA', file_column => 'file')";
    assert_eq!(files.answer(&format!("SELECT * EXCLUDE file FROM {read}")), "1 a; 2 -");
    assert_eq!(files.answer(&format!("SELECT sum(column_1) FROM {read} t")), "3");
    let error = Session::default().sql(&files.locate("SELECT * FROM read_csv('/c.txt', delim => ';', heady => 1)"));
    let error = error.compute().unwrap_err();
    assert!(error.to_string().contains("no option 'heady'") && error.to_string().contains("column"), "{error}");
}

/// Windows, in one partition and in many.
#[test]
fn windows() {
    let files = Files::new();
    for (window, values) in [
        ("row_number() OVER (ORDER BY x)", "1 2 3 4 5"),
        ("row_number() OVER (PARTITION BY k ORDER BY x DESC)", "1 2 1 1 1"),
        ("rank() OVER (ORDER BY k)", "1 2 2 5 4"),
        ("dense_rank() OVER (ORDER BY k)", "1 2 2 4 3"),
        ("rank() OVER (ORDER BY k DESC NULLS FIRST)", "5 3 3 1 2"),
        ("lag(x) OVER (ORDER BY x)", "- 10 20 21 30"),
        ("lag(x, 2, 0) OVER (ORDER BY x)", "0 0 10 20 21"),
        ("lead(x) OVER (PARTITION BY k ORDER BY x)", "- 21 - - -"),
        ("sum(x) OVER ()", "121 121 121 121 121"),
        ("sum(x) OVER (PARTITION BY k)", "10 41 41 30 40"),
        ("sum(x) OVER (ORDER BY x)", "10 30 51 81 121"),
        ("sum(x) OVER (ORDER BY k)", "10 51 51 121 91"),
        ("sum(x) OVER (ORDER BY k, x ROWS UNBOUNDED PRECEDING)", "10 30 51 121 91"),
        ("sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", "10 30 41 51 70"),
        ("sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)", "30 51 71 91 70"),
        ("sum(x) OVER (ORDER BY x ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)", "121 111 91 70 40"),
        ("sum(x) OVER (ORDER BY x ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)", "- 10 30 41 51"),
        ("count(*) OVER (ORDER BY x ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING)", "2 2 2 1 0"),
        ("max(x) OVER (PARTITION BY k ORDER BY x)", "10 20 21 30 40"),
        ("first_value(x) OVER (PARTITION BY k ORDER BY x DESC)", "10 21 21 30 40"),
        ("last_value(x) OVER (ORDER BY k)", "10 21 21 30 40"),
        ("last_value(k) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)", "4 4 4 4 4"),
        ("first_value(k) OVER (ORDER BY x DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", "2 2 - 4 4"),
        ("avg(x) FILTER (WHERE x > 20) OVER (ORDER BY x)", "- - 21.0 25.5 30.333333333333332"),
        ("median(x) OVER (PARTITION BY k)", "10.0 20.5 20.5 30.0 40.0"),
    ] {
        let query = format!("SELECT x, {window} AS w FROM '/a.csv' ORDER BY x");
        let rows: Vec<String> = cells(&files.table(&query)).iter().map(|row| row[3..].to_owned()).collect();
        assert_eq!(rows.join(" "), values, "{window}");
    }
    assert_eq!(
        files.answer(
            "SELECT k, sum(x) AS s, rank() OVER (ORDER BY sum(x) DESC) AS r FROM '/a.csv' GROUP BY k ORDER BY k"
        ),
        "1 10 4; 2 41 1; 4 40 2; - 30 3"
    );
    assert_eq!(
        files.answer(
            "SELECT k, x FROM '/a.csv' QUALIFY row_number() OVER (PARTITION BY k ORDER BY x DESC) = 1 ORDER BY x"
        ),
        "1 10; 2 21; - 30; 4 40"
    );
}

/// Subqueries that use columns of the query around them, against answers worked out by hand.
#[test]
fn tied_subqueries() {
    let files = Files::new();
    let a = "(VALUES (1, 10), (2, 20), (3, NULL), (NULL, 40)) AS a (k, v)";
    let b = "(VALUES (1, 5), (1, 15), (2, NULL), (4, 1), (NULL, 7)) AS b (k, w)";
    let ks = |condition: &str| -> String {
        files.answer(&format!("SELECT a.v FROM {a} WHERE {}", condition.replace("$b", b)))
    };
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE b.k = a.k)"), "10; 20");
    assert_eq!(ks("NOT EXISTS (SELECT 1 FROM $b WHERE b.k = a.k)"), "-; 40");
    // Names are the subquery's own first; further conditions, of it alone and of both.
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE k = a.k AND w > 5)"), "10");
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE b.k = a.k AND w > v)"), "10");
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE b.k = a.k AND b.w + 10 < a.v)"), "");
    // No equality at all, and one of expressions.
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE w > v)"), "10");
    assert_eq!(ks("EXISTS (SELECT * FROM $b WHERE w * 2 = v)"), "10");
    // Within other conditions.
    assert_eq!(ks("a.v = 40 OR NOT EXISTS (SELECT * FROM $b WHERE b.k = a.k AND w IS NOT NULL)"), "20; -; 40");
    // Values: of nothing a count is 0 and a sum null.
    assert_eq!(ks("(SELECT count(*) FROM $b WHERE b.k = a.k) = 0"), "-; 40");
    assert_eq!(ks("(SELECT sum(w) FROM $b WHERE b.k = a.k) IS NULL"), "20; -; 40");
    assert_eq!(ks("v > (SELECT min(w) + 4 FROM $b WHERE b.k = a.k)"), "10");
    assert_eq!(ks("(SELECT coalesce(max(w), -1) FROM $b WHERE a.k = b.k AND w > 5) = -1"), "20; -; 40");
    let of_all = format!("SELECT a.k, (SELECT count(w) FROM {b} WHERE b.k = a.k) AS n FROM {a}");
    assert_eq!(files.answer(&of_all), "1 2; 2 0; 3 0; - 0");
    // IN: what a null might be equal to is unknown.
    assert_eq!(ks("5 IN (SELECT w FROM $b WHERE b.k = a.k)"), "10");
    assert_eq!(ks("5 NOT IN (SELECT w FROM $b WHERE b.k = a.k)"), "-; 40");
    assert_eq!(ks("(v IN (SELECT w FROM $b WHERE b.k = a.k)) IS NULL"), "20");
    // Over groups.
    let groups = format!(
        "SELECT k, sum(v) AS s FROM {a} GROUP BY k HAVING EXISTS (SELECT * FROM {b} WHERE b.k = a.k) ORDER BY k"
    );
    assert_eq!(files.answer(&groups), "1 10; 2 20");
    // What can't be taken apart points at its place.
    for (condition, message) in [
        ("(SELECT sum(w) FROM $b WHERE b.k < a.k) > 1", "a condition but = that ties an aggregate"),
        ("(SELECT w FROM $b WHERE b.k = a.k) > 1", "is no aggregate"),
        ("EXISTS (SELECT k FROM $b WHERE b.k = a.k GROUP BY k)", "GROUP BY, HAVING, LIMIT"),
        ("EXISTS (SELECT k FROM $b WHERE b.k = a.k LIMIT 1)", "GROUP BY, HAVING, LIMIT"),
        ("(SELECT max(w + a.v) FROM $b) > 1", "a column of the query around it"),
    ] {
        let query = format!("SELECT a.v FROM {a} WHERE {}", condition.replace("$b", b));
        let error = partita::sql(&query).compute().unwrap_err().to_string();
        assert!(error.contains(message) && error.contains('^'), "{error}");
    }
}
