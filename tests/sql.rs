//! SQL end to end: answers worked out by hand or by a naive twin, in one partition and in many, and errors at their places.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use insta::assert_snapshot;
use partita::{Error, ErrorKind, Session, Table, sql};
use tempfile::TempDir;

/// Six rows; by eye: n is the row, i is missing in the last, k in the fifth, v in the second, q in the third.
const TRADE: &str = "\
n,t,i,k,v,q
1,2017,AF,10,1.5,2
2,2017,NA,10,,4
3,2018,AF,20,3.0,
4,2018,NA,10,0.5,8
5,2018,AF,,9.0,1
6,2018,,30,-2.0,5
";

struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Files {
        let dir = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Files(dir)
    }

    fn trade() -> Files {
        Files::new(&[("trade.csv", TRADE)])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The query with the directory before each file: `'/trade.csv'` is the file of that name.
    fn locate(&self, query: &str) -> String {
        query.replace("'/", &format!("'{}/", self.0.path().display()))
    }

    /// The answer, which must be the same in one partition and in partitions of 64 bytes.
    fn table(&self, query: &str) -> Table {
        let query = self.locate(query);
        let answer = |bytes| {
            let session = Session::builder().threads(2).partition_size(bytes).build().unwrap();
            session.sql(&query).compute().unwrap_or_else(|error| panic!("{query}\n{error}"))
        };
        let (whole, cut) = (answer(1 << 20), answer(64));
        assert_eq!(cells(&whole), cells(&cut), "{query}");
        whole
    }

    /// The rows of the answer, cells parted by spaces, nulls as `-`.
    fn rows(&self, query: &str) -> Vec<String> {
        cells(&self.table(query))
    }

    /// The rows as one text, parted by semicolons.
    fn answer(&self, query: &str) -> String {
        self.rows(query).join("; ")
    }

    fn error(&self, query: &str) -> Error {
        sql(&self.locate(query)).compute().expect_err(query)
    }

    /// The error's text, without the directory.
    fn message(&self, query: &str) -> String {
        self.error(query).to_string().replace(&format!("{}/", self.0.path().display()), "/")
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

fn names(table: &Table) -> Vec<&str> {
    table.schema().fields().iter().map(|field| field.name().as_str()).collect()
}

#[test]
fn selects_filters_and_names() {
    let files = Files::trade();
    assert_eq!(files.rows("SELECT * FROM '/trade.csv'").len(), 6);
    assert_eq!(files.rows("FROM '/trade.csv'"), files.rows("SELECT * FROM '/trade.csv'"));
    assert_eq!(files.rows("FROM '/trade.csv'")[1], "2 2017 NA 10 - 4");
    assert_eq!(
        files.answer("SELECT n, v * 2 + 1, -n AS m, 'x', 1.5 FROM '/trade.csv' WHERE n < 3"),
        "1 4.0 -1 x 1.5; 2 - -2 x 1.5"
    );
    let table = files.table("SELECT N, v*2 , Q AS \"Amount\", 'x' FROM '/trade.csv'");
    assert_eq!(names(&table), ["n", "v * 2", "Amount", "'x'"]);
    let table = files.table("SELECT COUNT(*), Sum(v) / sum(Q), avg( q ) mean FROM '/trade.csv'");
    assert_eq!(names(&table), ["count(*)", "sum(v) / sum(Q)", "mean"]);
    let table = files.table("SELECT *, n + 1 AS next FROM '/trade.csv' LIMIT 1");
    assert_eq!(names(&table), ["n", "t", "i", "k", "v", "q", "next"]);
    // Double quotes name a file as well as single ones.
    let query = format!("SELECT n FROM \"{}\" LIMIT 2", files.path("trade.csv").display());
    assert_eq!(cells(&sql(&query).compute().unwrap()), ["1", "2"]);
}

#[test]
fn conditions_are_three_valued() {
    let files = Files::trade();
    for (condition, kept) in [
        ("k = 10", "1 2 4"),
        ("NOT k = 10", "3 6"),
        ("k <> 10", "3 6"),
        ("k != 10", "3 6"),
        ("k > 10 AND v < 0 OR n = 1", "1 6"),
        ("k > 10 AND (v < 0 OR n = 1)", "6"),
        ("v >= 1.5", "1 3 5"),
        ("v <= -2", "6"),
        ("i = 'NA'", "2 4"),
        ("i < 'B'", "1 3 5"),
        ("k IS NULL", "5"),
        ("i IS NOT NULL AND q IS NOT NULL", "1 2 4 5"),
        ("k = NULL", ""),
        ("k = NULL OR n = 2", "2"),
        ("k IN (20, 30, 99)", "3 6"),
        ("k IN (20, NULL)", "3"),
        ("k NOT IN (10, 20)", "6"),
        // Not known to differ from null.
        ("k NOT IN (10, NULL)", ""),
        ("v BETWEEN 0.5 AND 1.5", "1 4"),
        ("v NOT BETWEEN 0.5 AND 1.5", "3 5 6"),
        ("(k = 10) IS TRUE", "1 2 4"),
        ("(k = 10) IS NOT TRUE", "3 5 6"),
        ("(k = 10) IS FALSE", "3 6"),
        ("(k = 10) IS NOT FALSE", "1 2 4 5"),
        ("(k = 10) IS UNKNOWN", "5"),
        ("TRUE", "1 2 3 4 5 6"),
        ("FALSE OR n = 1", "1"),
        ("n % 2 = 0", "2 4 6"),
        ("q / 4 = 0.5", "1"),
        ("n - -1 = 3", "2"),
        ("n = - 1 * -4", "4"),
        ("N = 1 and t = 2017", "1"),
        ("q = 2.5 OR q < 1.5", "5"),
    ] {
        let rows = files.rows(&format!("SELECT n FROM '/trade.csv' WHERE {condition}"));
        assert_eq!(rows.join(" "), kept, "{condition}");
    }
}

#[test]
fn dates_and_times() {
    let text = "n,day,at\n1,2020-01-31,2020-01-31 12:00:00\n2,2020-02-01,2020-02-01 00:00:00.5\n3,,\n";
    let files = Files::new(&[("days.csv", text)]);
    for (condition, kept) in [
        ("day = DATE '2020-01-31'", "1"),
        ("day > '2020-01-31'", "2"),
        ("at < TIMESTAMP '2020-01-31 12:00:01'", "1"),
        ("at > DATE '2020-02-01'", "2"),
        ("day IN (DATE '2020-02-01', DATE '1999-01-01')", "2"),
    ] {
        assert_eq!(files.answer(&format!("SELECT n FROM '/days.csv' WHERE {condition}")), kept, "{condition}");
    }
    assert_eq!(files.answer("SELECT max(day), min(at) FROM '/days.csv'"), "2020-02-01 2020-01-31T12:00:00");
}

#[test]
fn groups_keep_nulls() {
    let files = Files::trade();
    assert_eq!(
        files.answer(
            "SELECT k, sum(v), count(*), count(v), min(i), max(q), avg(q) FROM '/trade.csv' GROUP BY k ORDER BY k"
        ),
        "10 2.0 3 2 AF 8 4.666666666666667; 20 3.0 1 1 AF - -; 30 -2.0 1 1 - 5 5.0; - 9.0 1 1 AF 1 1.0"
    );
    assert_eq!(
        files.answer("SELECT t, i, count(1) AS c FROM '/trade.csv' GROUP BY t, i ORDER BY 1, 2 NULLS FIRST"),
        "2017 AF 1; 2017 NA 1; 2018 - 1; 2018 AF 2; 2018 NA 1"
    );
    // Distinct keys.
    assert_eq!(files.answer("SELECT k FROM '/trade.csv' GROUP BY k ORDER BY k DESC"), "30; 20; 10; -");
    assert_eq!(files.answer("SELECT 1 AS one, k FROM '/trade.csv' GROUP BY 2, k, K ORDER BY k LIMIT 1"), "1 10");
}

#[test]
fn aggregates_of_nothing() {
    let files = Files::trade();
    let of_none =
        "SELECT sum(v), count(*), count(v), avg(q), min(i), max(n), sum(v) + 1 FROM '/trade.csv' WHERE t = 1999";
    assert_eq!(files.answer(of_none), "- 0 0 - - - -");
    assert_eq!(files.rows(&format!("{of_none} GROUP BY k")).len(), 0);
    assert_eq!(files.answer("SELECT sum(q), sum(n) FROM '/trade.csv' WHERE n = 3"), "- 3");
    assert_eq!(files.answer("SELECT i, sum(q) FROM '/trade.csv' WHERE k > 10 GROUP BY i ORDER BY i"), "AF -; - 5");
}

#[test]
fn aggregates_within_expressions() {
    let files = Files::trade();
    // AF: v 13.5, q 3 of two values. NA: v 0.5, q 12 of two. None: v -2, q 5.
    assert_eq!(
        files.answer(
            "SELECT i, sum(v) / sum(q) AS p, avg(q) * 2, -count(*) FROM '/trade.csv' GROUP BY i ORDER BY p DESC"
        ),
        "AF 4.5 3.0 -3; NA 0.041666666666666664 12.0 -2; - -0.4 10.0 -1"
    );
    assert_eq!(files.answer("SELECT sum(v * q), max(q) - min(q) FROM '/trade.csv'"), "6.0 7");
    assert_eq!(files.answer("SELECT sum(n = 1 OR n = 2) FROM '/trade.csv'"), "2");
}

#[test]
fn groups_by_expressions_aliases_and_positions() {
    let files = Files::trade();
    let expected = "0 3 12; 1 3 9";
    for query in [
        "SELECT n % 2, count(*), sum(n) FROM '/trade.csv' GROUP BY n % 2 ORDER BY n % 2",
        "SELECT N % 2 AS odd, count(*), sum(n) FROM '/trade.csv' GROUP BY odd ORDER BY odd",
        "SELECT (n % 2) AS odd, count(*), sum(n) FROM '/trade.csv' GROUP BY 1 ORDER BY 1",
    ] {
        assert_eq!(files.answer(query), expected, "{query}");
    }
    // A key within a larger expression, and a column that has the alias's name: the column is meant.
    assert_eq!(
        files.answer("SELECT (n % 2) * 10 AS x, count(*) FROM '/trade.csv' GROUP BY n % 2 ORDER BY x DESC"),
        "10 3; 0 3"
    );
    assert_eq!(files.answer("SELECT max(n) AS t, t AS y FROM '/trade.csv' GROUP BY t ORDER BY y"), "2 2017; 6 2018");
}

#[test]
fn having() {
    let files = Files::trade();
    assert_eq!(files.answer("SELECT k FROM '/trade.csv' GROUP BY k HAVING count(*) > 1"), "10");
    assert_eq!(files.answer("SELECT k, sum(v) AS s FROM '/trade.csv' GROUP BY k HAVING s > 2.5 AND k > 0"), "20 3.0");
    assert_eq!(
        files.answer("SELECT k FROM '/trade.csv' GROUP BY k HAVING sum(v) < 0 OR k IS NULL ORDER BY k"),
        "30; -"
    );
    assert_eq!(files.answer("SELECT count(*) FROM '/trade.csv' HAVING count(*) > 6"), "");
    assert_eq!(files.answer("SELECT 'enough' FROM '/trade.csv' HAVING count(*) = 6"), "enough");
}

#[test]
fn orders_and_limits() {
    let files = Files::trade();
    for (order, rows) in [
        // q by row: 2 4 - 8 1 5
        ("q", "5 1 2 6 4 3"),
        ("q DESC", "4 6 2 1 5 3"),
        ("q NULLS FIRST", "3 5 1 2 6 4"),
        ("q DESC NULLS FIRST", "3 4 6 2 1 5"),
        ("q ASC NULLS LAST", "5 1 2 6 4 3"),
        ("i, n DESC", "5 3 1 4 2 6"),
        ("i DESC NULLS FIRST, q", "6 2 4 5 1 3"),
        ("n % 3, n", "3 6 1 4 2 5"),
        ("-n", "6 5 4 3 2 1"),
        ("v * q, n", "6 1 4 5 2 3"),
        ("t DESC, k NULLS FIRST", "5 4 3 6 1 2"),
        ("1 DESC", "6 5 4 3 2 1"),
        ("q LIMIT 2", "5 1"),
        ("q LIMIT 2 OFFSET 1", "1 2"),
        ("q OFFSET 4", "4 3"),
        ("q LIMIT 0", ""),
        ("q LIMIT ALL", "5 1 2 6 4 3"),
        ("q LIMIT 10 OFFSET 10", ""),
    ] {
        assert_eq!(files.rows(&format!("SELECT n FROM '/trade.csv' ORDER BY {order}")).join(" "), rows, "{order}");
    }
    assert_eq!(files.answer("SELECT n FROM '/trade.csv' LIMIT 2 OFFSET 3"), "4; 5");
    // An alias comes before a column of the same name; within an expression, the column does.
    assert_eq!(files.answer("SELECT n, -n AS q FROM '/trade.csv' ORDER BY q LIMIT 1"), "6 -6");
    assert_eq!(files.answer("SELECT n, -n AS m FROM '/trade.csv' ORDER BY m + 0 LIMIT 1"), "6 -6");
    assert_eq!(files.answer("SELECT k FROM '/trade.csv' GROUP BY k ORDER BY sum(v) DESC, count(*)"), "-; 20; 10; 30");
    assert_eq!(files.answer("SELECT * FROM '/trade.csv' ORDER BY 6 LIMIT 1"), "5 2018 AF - 9.0 1");
}

#[test]
fn names_match_without_capitals_when_none_matches_exactly() {
    let files = Files::new(&[("names.csv", "Total,total,Größe,aB,Ab,sum(q),q\n1,2,3,4,5,6,7\n")]);
    assert_eq!(files.answer("SELECT Total, total, größe, \"aB\", \"Ab\", Q FROM '/names.csv'"), "1 2 3 4 5 7");
    assert_eq!(files.answer("SELECT sum(q), \"sum(q)\" AS column FROM '/names.csv' GROUP BY \"sum(q)\""), "7 6");
    assert_eq!(files.answer("SELECT \"sum(q)\" AS x, sum(q) FROM '/names.csv' GROUP BY 1 ORDER BY sum(q)"), "6 7");
    assert_snapshot!(files.message("SELECT ab\nFROM '/names.csv'"), @"
    'ab' may mean the column 'aB' or 'Ab'
      in line 1, column 8 of the query:
        SELECT ab
               ^
      help: write the one you mean as it is, in double quotes
    ");
    assert_snapshot!(files.message("SELECT \"AB\"\nFROM '/names.csv'"), @r#"
    there is no column 'AB'
      in line 1, column 8 of the query:
        SELECT "AB"
               ^
      help: did you mean 'aB'? The columns are 'Total', 'total', 'Größe', 'aB', 'Ab', 'sum(q)', 'q'
    "#);
}

/// Groups of pseudo-random rows, against maps filled row by row.
#[test]
fn agrees_with_a_naive_twin() {
    let (mut text, mut state) = ("a,b,x\n".to_owned(), 1u64);
    // By (a, b % 7): the number of rows, and the values of x.
    let mut twin: BTreeMap<(Option<u64>, u64), (i64, Vec<i64>)> = BTreeMap::new();
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    for _ in 0..5000 {
        let (a, b, x) = (next(9), next(50), (next(5) > 0).then(|| next(1000) as i64 - 500));
        let a = (a > 0).then_some(a);
        writeln!(
            text,
            "{},{b},{}",
            a.map_or(String::new(), |a| a.to_string()),
            x.map_or(String::new(), |x| x.to_string())
        )
        .unwrap();
        if b < 40 {
            let (rows, values) = twin.entry((a, b % 7)).or_default();
            *rows += 1;
            values.extend(x);
        }
    }
    let files = Files::new(&[("random.csv", &text)]);
    let answer = files.rows(
        "SELECT a, b % 7 AS r, count(*), sum(x), avg(x), min(x), max(x) FROM '/random.csv' WHERE b < 40 \
         GROUP BY a, r HAVING sum(x) > 0 ORDER BY a NULLS FIRST, r",
    );
    let expected: Vec<String> = twin
        .into_iter()
        .filter(|(_, (_, values))| values.iter().sum::<i64>() > 0)
        .map(|((a, r), (rows, values))| {
            let sum: i64 = values.iter().sum();
            let mean = sum as f64 / values.len() as f64;
            let a = a.map_or("-".to_owned(), |a| a.to_string());
            format!("{a} {r} {rows} {sum} {mean:?} {} {}", values.iter().min().unwrap(), values.iter().max().unwrap())
        })
        .collect();
    assert!(expected.len() > 20);
    assert_eq!(answer, expected);
}

#[test]
fn errors_point_at_their_place() {
    let files = Files::trade();
    assert_snapshot!(files.message("SELECT n,\n  quantty\nFROM '/trade.csv'"), @"
    there is no column 'quantty'
      in line 2, column 3 of the query:
          quantty
          ^
      help: the columns are 'n', 't', 'i', 'k', 'v', 'q'
    ");
    assert_snapshot!(files.message("SELECT n\nFROM '/trade.csv'\nWHERE n > 1 AND i > 1"), @"
    'i' is text and 1 is int64, which don't compare
      in filter(i > 1)
      in line 3, column 17 of the query:
        WHERE n > 1 AND i > 1
                        ^
      help: compare it with text, in quotes
    ");
    assert_snapshot!(files.message("SELECT n, sum(i)\nFROM '/trade.csv'\nGROUP BY n"), @"
    'i' is text, which has no sum
      in group_by(n).keep_nulls().agg(sum(i, min_count 1) as sum(i))
      in line 1, column 11 of the query:
        SELECT n, sum(i)
                  ^
      help: aggregate another column, or take count, min or max of it; if it should be numeric, give its type with CsvOptions::dtype or --types when reading
    ");
    assert_snapshot!(files.message("SELECT k, q\nFROM '/trade.csv'\nGROUP BY k"), @"
    'q' is neither grouped by nor within an aggregate
      in line 1, column 11 of the query:
        SELECT k, q
                  ^
      help: add it to GROUP BY, or take one value of the group, such as min(q)
    ");
    assert_snapshot!(files.message("SELECT k\nFROM '/trade.csv'\nWHERE sum(q) > 1 GROUP BY k"), @"
    an aggregate can't stand in WHERE
      in line 3, column 7 of the query:
        WHERE sum(q) > 1 GROUP BY k
              ^
      help: write the condition after HAVING
    ");
    assert_snapshot!(files.message("SELECT -n AS m\nFROM '/trade.csv'\nWHERE m < 0"), @"
    WHERE can't see 'm', an alias of the SELECT list
      in line 3, column 7 of the query:
        WHERE m < 0
              ^
      help: write -n in its place
    ");
    assert_snapshot!(files.message("SELECT n, N\nFROM '/trade.csv'"), @"
    two columns of the result are named 'n'
      in line 1, column 11 of the query:
        SELECT n, N
                  ^
      help: give one of them another name with AS
    ");
    assert_snapshot!(files.message("SELECT n\nFROM '/trade.csv'\nWHERE n = DATE '2020-02-30'"), @r#"
    "2020-02-30" is no date
      in filter(n = date "2020-02-30")
      in line 3, column 7 of the query:
        WHERE n = DATE '2020-02-30'
              ^
      help: write it as 2020-01-31, a day that exists
    "#);
    assert_snapshot!(files.message("SELECT n\nFROM '/trade.csv'\nWHERE i"), @r#"
    a filter takes a condition, and 'i' is text
      in filter(i)
      in line 3, column 7 of the query:
        WHERE i
              ^
      help: compare it with something, as in col("t").eq(2018)
    "#);
    assert_snapshot!(files.message("SELECT n FROM 'no/such/*.csv'"), @r#"
    no file matches 'no/such/*.csv'
      in read_csv("no/such/*.csv")
      in line 1, column 15 of the query:
        SELECT n FROM 'no/such/*.csv'
                      ^
      help: relative patterns start at the working directory
    "#);
    assert_snapshot!(files.message("SELEC n"), @"
    expected an SQL statement, found SELEC
      in line 1, column 1 of the query:
        SELEC n
        ^
    ");
    assert_snapshot!(files.message("SELECT n\nFROM '/trade.csv'\nWHERE (n > 1"), @"
    expected ), found the end of the query
      in line 3, column 13 of the query:
        WHERE (n > 1
                    ^
    ");
    assert_snapshot!(files.message("SELECT n\nFROM '/trade.csv'\nWHERE i = 'NA"), @"
    unterminated string literal
      in line 3, column 11 of the query:
        WHERE i = 'NA
                  ^
      help: a quote is missing, here or before
    ");
    assert_snapshot!(files.message(""), @"
    the query is empty
      help: a query is SELECT … FROM 'path or glob', then any of JOIN, WHERE, GROUP BY, HAVING, UNION, ORDER BY, LIMIT and OFFSET
    ");
    // A long line is shown around the place, tabs as spaces.
    let long = format!("SELECT\tn FROM '/trade.csv'\nWHERE {}\tm = 1 AND {}", "n = 1 AND ".repeat(20), "n".repeat(200));
    let message = files.message(&long);
    let lines: Vec<&str> = message.lines().collect();
    let caret = lines[3].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[2].chars().skip(caret).take(6).collect::<String>(), "m = 1 ", "{message}");
    assert!(lines[2].chars().count() < 120 && lines[2].contains('…'));
}

#[test]
fn what_is_not_supported_is_named_at_its_place() {
    let files = Files::trade();
    // `^` stands before the place that the error must point at.
    for (query, named) in [
        ("^WITH RECURSIVE a AS (SELECT 1) SELECT n FROM '/trade.csv'", "WITH RECURSIVE"),
        ("SELECT n FROM '/trade.csv' ^UNION BY NAME SELECT n FROM '/trade.csv'", "BY NAME"),
        ("SELECT n FROM '/trade.csv' ^TABLESAMPLE 10 PERCENT", "TABLESAMPLE"),
        ("SELECT ^frobnicate(n) FROM '/trade.csv'", "the function frobnicate"),
        ("SELECT i LIKE ^i FROM '/trade.csv'", "LIKE with a pattern"),
        ("SELECT n FROM '/trade.csv' WHERE n = ^?", "the constant ?"),
        ("SELECT count(*) FROM '/trade.csv' GROUP BY ROLLUP (^n)", "ROLLUP"),
        ("SELECT n FROM '/trade.csv' ^FETCH FIRST 3 ROWS ONLY", "FETCH"),
        ("SELECT n FROM '/trade.csv' ^FOR UPDATE", "FOR"),
        ("SELECT n ^INTO x FROM '/trade.csv'", "INTO"),
        ("SELECT ^n::uuid FROM '/trade.csv'", "the type UUID"),
        ("SELECT n FROM '/trade.csv' x WHERE n = (SELECT max(y.n + ^x.n) FROM '/trade.csv' y)", "the query around"),
        ("^INSERT INTO x VALUES (1)", "a statement other than SELECT"),
        // Not unsupported, but wrong.
        ("SELECT n FROM ^trade", "no table named trade"),
        ("SELECT n FROM '/trade.csv'; ^SELECT 1", "more than one statement"),
        ("SELECT n FROM '/trade.csv' ORDER BY ^2", "position"),
        ("SELECT n FROM '/trade.csv' ORDER BY ^0", "position"),
        ("SELECT n FROM '/trade.csv' LIMIT ^1.5", "whole number"),
        ("SELECT ^99999999999999999999 FROM '/trade.csv'", "64 bits"),
        ("SELECT ^1e999 FROM '/trade.csv'", "float64"),
        ("SELECT sum(^avg(n)) FROM '/trade.csv'", "another aggregate"),
        ("SELECT k FROM '/trade.csv' GROUP BY ^sum(n)", "GROUP BY"),
        ("SELECT ^* FROM '/trade.csv' GROUP BY n", "neither grouped"),
        ("SELECT ^count() FROM '/trade.csv'", "one expression"),
        ("SELECT ^sum(*) FROM '/trade.csv'", "one expression"),
        ("SELECT ^n FROM '/trade.csv' ORDER BY sum(n)", "neither grouped"),
    ] {
        let marked = files.locate(query);
        let column = marked.find('^').unwrap() + 1;
        let error = sql(&marked.replace('^', "")).compute().expect_err(query);
        assert_eq!(error.kind(), ErrorKind::Sql, "{error}");
        assert!(error.message().contains(named), "{error}");
        assert!(
            error.steps()[0].starts_with(&format!("line 1, column {column} of the query")),
            "column {column}: {error}"
        );
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let files = Files::trade();
    let select = |expr: &str| format!("SELECT {expr} AS x FROM '/trade.csv' LIMIT 1");
    let deep = |open: &str, close: &str, n: usize| select(&format!("{}n{}", open.repeat(n), close.repeat(n)));
    assert_eq!(files.answer(&deep("(", ")", 10)), "1");
    for query in [
        deep("(", ")", 4000),
        deep("-(", ")", 2000),
        deep("- ", "", 5000),
        deep("NOT ", "", 5000),
        deep("n + (", ")", 2000),
        deep("", " + 1", 4000),
        deep("", " IS NULL", 3000),
        deep("", " = n", 3000),
        deep("sum(", ")", 3000),
        deep("((", ")", 4000),
        deep("(SELECT ", ")", 4000),
        deep("CASE WHEN n = 1 THEN ", " END", 800),
        deep("[", "]", 4000),
        deep("", "", 0).replace('n', &"n.".repeat(4000)),
        deep("", &"n, ".repeat(10_000), 1),
    ] {
        let error = files.error(&query);
        assert!(matches!(error.kind(), ErrorKind::Sql), "{error}");
        assert!(error.to_string().len() < 2000, "{error}");
    }
    // Long lists of conditions are no deep nesting.
    let among: Vec<String> = (0..2000).map(|i| format!("n = {i}")).collect();
    let rows = |condition: &str| files.answer(&format!("SELECT n FROM '/trade.csv' WHERE {condition}"));
    assert_eq!(rows(&among[3..].join(" OR ")), "3; 4; 5; 6");
    assert_eq!(rows(&among[3..].join(" AND ")), "");
    let list: Vec<String> = (2..4000).map(|i| i.to_string()).collect();
    assert_eq!(rows(&format!("n NOT IN ({})", list.join(","))), "1");
}
