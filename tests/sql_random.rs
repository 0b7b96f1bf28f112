//! Seeded random queries, asked of Partita and of an embedded SQLite, on the subset where the two dialects agree:
//!
//! - integers, floats and texts with nulls and duplicates, in tables with rows, with few, with none; no division of integers (SQLite's is whole);
//! - `+ - * %`, comparisons, AND, OR, NOT, IS NULL, IS [NOT] DISTINCT FROM, BETWEEN, IN (list, subquery), EXISTS, LIKE with capitals
//!   told apart, CASE, coalesce, nullif, abs, scalar subqueries, subqueries tied to the query around them, conditions as 0 and 1 by CASE;
//! - every JOIN but SEMI and ANTI, by ON with and without equalities, and comma joins; GROUP BY with HAVING; count, sum, avg, min, max,
//!   with DISTINCT and FILTER; UNION [ALL], INTERSECT, EXCEPT; WITH; DISTINCT;
//! - windows: row_number, rank, dense_rank, lag, lead, first_value, last_value, count, sum, avg, min, max, with PARTITION BY, ORDER BY
//!   and ROWS frames; ORDER BY with NULLS FIRST or LAST, LIMIT and OFFSET over an order without ties.
//!
//! The gate asks some hundreds. `PARTITA_RANDOM_QUERIES=30000 cargo test --release --test sql_random` asks as many as it says; a query that
//! fails is printed with its seed, and `PARTITA_RANDOM_SEED` asks from that one on.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use partita::{Session, Table};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len() as u64) as usize]
    }
}

/// Tables `big` of 60 rows, `small` of 7, `none` without any: columns `n` (unique), `a`, `b` (integers), `f` (halves), `s` (text).
struct Tables {
    dir: TempDir,
    sqlite: Connection,
}

impl Tables {
    fn new(seed: u64) -> Tables {
        let dir = TempDir::new().unwrap();
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite.execute_batch("PRAGMA case_sensitive_like = ON").unwrap();
        let mut random = Random(seed);
        for (name, rows) in [("big", 60), ("small", 7), ("none", 0)] {
            let mut csv = "n,a,b,f,s\n".to_owned();
            sqlite
                .execute_batch(&format!("CREATE TABLE {name} (n INTEGER, a INTEGER, b INTEGER, f REAL, s TEXT)"))
                .unwrap();
            for n in 0..rows {
                let a = (!random.chance(15)).then(|| random.below(6) as i64 - 1);
                let b = (!random.chance(15)).then(|| random.below(40) as i64 - 10);
                let f = (!random.chance(15)).then(|| random.below(20) as f64 / 2.0 - 3.0);
                let s = (!random.chance(15)).then(|| random.pick(&["x", "y", "Xy", "zz", "x y", "ab"]));
                let texts = [
                    a.map(|a| a.to_string()),
                    b.map(|b| b.to_string()),
                    f.map(|f| format!("{f:?}")),
                    s.map(str::to_owned),
                ];
                let of_csv: Vec<String> = texts.iter().map(|text| text.clone().unwrap_or_default()).collect();
                writeln!(csv, "{n},{}", of_csv.join(",")).unwrap();
                let sql = |text: &Option<String>, quote: bool| match text {
                    None => "NULL".to_owned(),
                    Some(text) if quote => format!("'{text}'"),
                    Some(text) => text.clone(),
                };
                let [a, b, f, s] = &texts;
                let values = [sql(a, false), sql(b, false), sql(f, false), sql(s, true)].join(",");
                sqlite.execute_batch(&format!("INSERT INTO {name} VALUES ({n},{values})")).unwrap();
            }
            std::fs::write(dir.path().join(format!("{name}.csv")), csv).unwrap();
        }
        Tables { dir, sqlite }
    }

    /// The query with files in the place of tables: `@big` is one.
    fn ours(&self, query: &str) -> String {
        let file = |name: &str| {
            let path = self.dir.path().join(format!("{name}.csv"));
            format!("read_csv('{}', dtypes => 'n=int64,a=int64,b=int64,f=float64,s=text')", path.display())
        };
        ["big", "small", "none"]
            .iter()
            .fold(query.to_owned(), |query, name| query.replace(&format!("@{name}"), &file(name)))
    }
}

/// Queries over tables of given names.
struct Generator {
    random: Random,
}

impl Generator {
    fn table(&mut self) -> &'static str {
        self.random.pick(&["@big", "@big", "@big", "@small", "@small", "@none"])
    }

    fn int(&mut self, tables: &[&str], depth: u32) -> String {
        if depth == 0 || self.random.chance(40) {
            let table = self.random.pick(tables);
            return match self.random.below(4) {
                0 => format!("{table}.a"),
                1 => format!("{table}.b"),
                2 => format!("{table}.n"),
                _ => (self.random.below(12) as i64 - 3).to_string(),
            };
        }
        let (x, y) = (self.int(tables, depth - 1), self.int(tables, depth - 1));
        match self.random.below(9) {
            0 => format!("({x} + {y})"),
            1 => format!("({x} - {y})"),
            2 => format!("({x} * {y})"),
            3 => format!("({x} % {y})"),
            4 => format!("coalesce({x}, {y})"),
            5 => format!("nullif({x}, {y})"),
            6 => format!("abs({x})"),
            7 => format!("CASE WHEN {} THEN {x} ELSE {y} END", self.condition(tables, depth - 1)),
            _ => format!("CASE {x} WHEN {y} THEN 1 WHEN 2 THEN {x} END"),
        }
    }

    fn float(&mut self, tables: &[&str], depth: u32) -> String {
        let table = self.random.pick(tables);
        match self.random.below(4) {
            0 if depth > 0 => format!("({table}.f * {})", self.int(tables, depth - 1)),
            1 if depth > 0 => format!("({table}.f / 4.0 + {})", self.int(tables, depth - 1)),
            _ => format!("{table}.f"),
        }
    }

    fn text(&mut self, tables: &[&str]) -> String {
        let table = self.random.pick(tables);
        match self.random.below(5) {
            0 => format!("'{}'", self.random.pick(&["x", "y", "zz"])),
            1 => format!("upper({table}.s)"),
            2 => format!("coalesce({table}.s, 'none')"),
            _ => format!("{table}.s"),
        }
    }

    fn condition(&mut self, tables: &[&str], depth: u32) -> String {
        let op = self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
        let leaf = depth == 0;
        match self.random.below(if leaf { 6 } else { 13 }) {
            0 => format!("{} {op} {}", self.int(tables, depth.min(1)), self.int(tables, 0)),
            1 => format!("{} {op} {}", self.float(tables, depth.min(1)), self.int(tables, 0)),
            2 => format!("{} {op} {}", self.text(tables), self.text(tables)),
            3 => {
                let what = self.random.pick(&["NULL", "NOT NULL"]);
                let value = if self.random.chance(50) { self.int(tables, 1) } else { self.text(tables) };
                format!("{value} IS {what}")
            }
            4 => {
                let not = self.random.pick(&["", "NOT "]);
                format!(
                    "{} {not}IN ({}, {}, {})",
                    self.int(tables, 0),
                    self.random.below(9),
                    self.int(tables, 0),
                    self.random.pick(&["3", "NULL", "-1"])
                )
            }
            5 => format!(
                "{} {}LIKE '{}'",
                self.text(tables),
                self.random.pick(&["", "NOT "]),
                self.random.pick(&["x%", "%y", "%x%", "_y", "x_y", "%", "zz"])
            ),
            6 | 7 => format!("({} AND {})", self.condition(tables, depth - 1), self.condition(tables, depth - 1)),
            8 | 9 => format!("({} OR {})", self.condition(tables, depth - 1), self.condition(tables, depth - 1)),
            10 => format!("NOT ({})", self.condition(tables, depth - 1)),
            11 => {
                let not = self.random.pick(&["", "NOT "]);
                format!("{} {not}BETWEEN {} AND {}", self.int(tables, 1), self.int(tables, 0), self.int(tables, 0))
            }
            _ => {
                let not = self.random.pick(&["", "NOT "]);
                format!("{} IS {not}DISTINCT FROM {}", self.int(tables, 0), self.int(tables, 0))
            }
        }
    }

    /// A condition that subqueries may stand in.
    fn filter(&mut self, tables: &[&str]) -> String {
        let table = self.table();
        match self.random.below(11) {
            4 => {
                let not = self.random.pick(&["", "NOT "]);
                let inner = [tables, &["u"]].concat();
                let equal = self.random.pick(&["u.a = t.a AND ", "t.s = u.s AND ", "u.a + 1 = t.b AND ", ""]);
                let table = if equal.is_empty() { "@small" } else { table };
                format!("{not}EXISTS (SELECT 1 FROM {table} u WHERE {equal}({}))", self.condition(&inner, 1))
            }
            5 => {
                let aggregate =
                    self.random.pick(&["avg(u.b)", "count(*)", "coalesce(sum(u.b), 3)", "max(u.n) - count(u.a)"]);
                let equal = self.random.pick(&["u.a = t.a", "t.s = u.s", "u.a = t.a AND u.s = t.s"]);
                let sub = self.condition(&["u"], 1);
                let value = self.int(tables, 0);
                format!("{value} > (SELECT {aggregate} FROM {table} u WHERE {equal} AND ({sub}))")
            }
            6 => {
                let not = self.random.pick(&["", "NOT "]);
                let sub = self.condition(&["u"], 1);
                format!("{} {not}IN (SELECT u.b FROM {table} u WHERE u.a = t.a AND ({sub}))", self.int(tables, 0))
            }
            0 => {
                let not = self.random.pick(&["", "NOT "]);
                let sub = self.condition(&["u"], 1);
                format!("{} {not}IN (SELECT u.a FROM {table} u WHERE {sub})", self.int(tables, 0))
            }
            1 => {
                let not = self.random.pick(&["", "NOT "]);
                format!("{not}EXISTS (SELECT 1 FROM {table} u WHERE {})", self.condition(&["u"], 1))
            }
            2 => format!(
                "{} > (SELECT {}(u.b) FROM {table} u)",
                self.int(tables, 0),
                self.random.pick(&["avg", "min", "max"])
            ),
            3 => format!("({} OR {} IN (SELECT u.b FROM {table} u))", self.condition(tables, 0), self.int(tables, 0)),
            _ => self.condition(tables, 2),
        }
    }

    /// FROM, and the names of its tables.
    fn from(&mut self) -> (String, Vec<&'static str>) {
        let first = self.table();
        if self.random.chance(40) {
            return (format!("{first} t"), vec!["t"]);
        }
        let second = if self.random.chance(50) { "@small" } else { self.table() };
        let kind = self.random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ","]);
        let tables = vec!["t", "r"];
        let first = if kind == "CROSS JOIN" { "@small" } else { first };
        let equal = match self.random.below(3) {
            0 => "t.a = r.a".to_owned(),
            1 => format!("{} = {}", self.int(&["t"], 1), self.int(&["r"], 1)),
            _ => "t.s = r.s".to_owned(),
        };
        let on = match self.random.below(4) {
            0 => format!("{equal} AND {}", self.condition(&tables, 1)),
            1 if first != "@big" || second != "@big" => self.condition(&tables, 1),
            2 => {
                let side = self.random_side();
                format!("{equal} AND {}", self.condition(&[side], 1))
            }
            _ => equal,
        };
        match kind {
            "CROSS JOIN" => (format!("{first} t CROSS JOIN {second} r"), tables),
            "," => (format!("{first} t, {second} r WHERE {on}"), tables),
            _ => (format!("{first} t {kind} {second} r ON {on}"), tables),
        }
    }

    fn random_side(&mut self) -> &'static str {
        self.random.pick(&["t", "r"])
    }

    fn value(&mut self, tables: &[&str]) -> String {
        match self.random.below(4) {
            0 => self.float(tables, 1),
            1 => self.text(tables),
            2 => {
                let condition = self.condition(tables, 1);
                format!("CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END")
            }
            _ => self.int(tables, 2),
        }
    }

    fn aggregate(&mut self, tables: &[&str]) -> String {
        let distinct = if self.random.chance(20) { "DISTINCT " } else { "" };
        let call = match self.random.below(6) {
            0 => "count(*)".to_owned(),
            1 => format!("count({distinct}{})", self.value(tables)),
            2 => format!("sum({distinct}{})", self.int(tables, 1)),
            3 => format!("avg({distinct}{})", self.float(tables, 0)),
            4 => format!("min({})", self.value(tables)),
            _ => format!("max({})", self.value(tables)),
        };
        if self.random.chance(20) { format!("{call} FILTER (WHERE {})", self.condition(tables, 1)) } else { call }
    }

    fn window(&mut self) -> String {
        let partition = self.random.pick(&["", "PARTITION BY t.a ", "PARTITION BY t.s ", "PARTITION BY t.a, t.s "]);
        let nulls = self.random.pick(&["NULLS FIRST", "NULLS LAST"]);
        let descending = self.random.pick(&["", "DESC"]);
        let peers = format!("ORDER BY t.b {descending} {nulls}");
        let total = format!("{peers}, t.n");
        let value = self.random.pick(&["t.b", "t.n", "t.f", "t.a"]);
        let call = self.random.pick(&["count", "sum", "avg", "min", "max"]);
        let frame = match self.random.below(8) {
            0 => "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_owned(),
            1 => format!("ROWS BETWEEN {} PRECEDING AND CURRENT ROW", self.random.below(4)),
            2 => format!("ROWS BETWEEN {} PRECEDING AND {} FOLLOWING", self.random.below(3), self.random.below(3)),
            3 => "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING".to_owned(),
            4 => "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING".to_owned(),
            5 => format!("ROWS BETWEEN 3 PRECEDING AND {} PRECEDING", 1 + self.random.below(2)),
            6 => format!("ROWS BETWEEN 1 FOLLOWING AND {} FOLLOWING", 1 + self.random.below(2)),
            _ => "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING".to_owned(),
        };
        match self.random.below(10) {
            0 => format!("row_number() OVER ({partition}{total})"),
            1 => format!("rank() OVER ({partition}{peers})"),
            2 => format!("dense_rank() OVER ({partition}{peers})"),
            3 => format!(
                "{}({value}, {}) OVER ({partition}{total})",
                self.random.pick(&["lag", "lead"]),
                self.random.below(4)
            ),
            4 => format!(
                "{}({value}) OVER ({partition}{total})",
                self.random.pick(&["first_value", "last_value", "lag", "lead"])
            ),
            5 => format!("{call}({value}) OVER ({partition})"),
            6 => format!("{call}({value}) OVER ({partition}{peers})"),
            _ => format!("{call}({value}) OVER ({partition}{total} {frame})"),
        }
    }

    /// A query, and whether the order of its rows is told.
    fn query(&mut self) -> (String, bool) {
        match self.random.below(10) {
            0 => {
                let op = self.random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
                let side = |this: &mut Generator| {
                    let table = this.table();
                    format!(
                        "SELECT {} AS x, {} AS y FROM {table} t WHERE {}",
                        this.int(&["t"], 1),
                        this.text(&["t"]),
                        this.condition(&["t"], 1)
                    )
                };
                (format!("{} {op} {}", side(self), side(self)), false)
            }
            1 | 2 => {
                let table = self.table();
                let columns: Vec<String> =
                    (0..=self.random.below(2)).map(|i| format!("{} AS w{i}", self.window())).collect();
                let filter = self.condition(&["t"], 1);
                (format!("SELECT t.n, {} FROM {table} t WHERE {filter}", columns.join(", ")), false)
            }
            3 => {
                let table = self.table();
                let (direction, nulls) =
                    (self.random.pick(&["", "DESC"]), self.random.pick(&["NULLS FIRST", "NULLS LAST"]));
                let value = self.int(&["t"], 1);
                let limit = format!("LIMIT {} OFFSET {}", self.random.below(20), self.random.below(5));
                (
                    format!(
                        "SELECT t.n, {value} AS v FROM {table} t WHERE {} ORDER BY v {direction} {nulls}, t.n {limit}",
                        self.filter(&["t"])
                    ),
                    true,
                )
            }
            4..=6 => {
                let (from, tables) = self.from();
                let aggregates: Vec<String> =
                    (0..=self.random.below(3)).map(|i| format!("{} AS g{i}", self.aggregate(&tables))).collect();
                let (clause, and) = if from.contains(" WHERE ") { (" AND ", "") } else { (" WHERE ", "") };
                let filter = if self.random.chance(50) {
                    format!("{clause}{and}({})", self.filter(&tables))
                } else {
                    String::new()
                };
                if self.random.chance(30) {
                    return (format!("SELECT {} FROM {from}{filter}", aggregates.join(", ")), false);
                }
                let key = match self.value(&tables) {
                    // A number by itself is a position.
                    key if key.parse::<i64>().is_ok() => "t.a".to_owned(),
                    key => key,
                };
                let having = if self.random.chance(30) {
                    format!(" HAVING count(*) > {}", self.random.below(4))
                } else {
                    String::new()
                };
                (
                    format!("SELECT {key} AS k, {} FROM {from}{filter} GROUP BY {key}{having}", aggregates.join(", ")),
                    false,
                )
            }
            7 => {
                let table = self.table();
                let inner = format!(
                    "SELECT {} AS a, {} AS b, {} AS f, t.n AS n, t.s AS s FROM {table} t",
                    self.int(&["t"], 1),
                    self.int(&["t"], 1),
                    self.float(&["t"], 1)
                );
                let distinct = self.random.pick(&["", "DISTINCT "]);
                (
                    format!(
                        "WITH q AS ({inner}) SELECT {distinct}{} AS x, {} AS y FROM q WHERE {}",
                        self.int(&["q"], 1),
                        self.text(&["q"]),
                        self.condition(&["q"], 1)
                    ),
                    false,
                )
            }
            _ => {
                let (from, tables) = self.from();
                let columns: Vec<String> =
                    (0..=self.random.below(2)).map(|i| format!("{} AS c{i}", self.value(&tables))).collect();
                let distinct = self.random.pick(&["", "", "DISTINCT "]);
                let clause = if from.contains(" WHERE ") { " AND " } else { " WHERE " };
                let filter =
                    if self.random.chance(60) { format!("{clause}({})", self.filter(&tables)) } else { String::new() };
                (format!("SELECT {distinct}{} FROM {from}{filter}", columns.join(", ")), false)
            }
        }
    }
}

/// A cell as both engines have it: floats to ten digits.
fn number(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    format!("{value:.9e}")
}

fn ours(table: &Table) -> Vec<String> {
    let mut rows = vec![];
    for batch in table.batches() {
        for row in 0..batch.num_rows() {
            let cell = |column: &std::sync::Arc<dyn Array>| match column.data_type() {
                _ if column.is_null(row) => "-".to_owned(),
                DataType::Int64 => number(column.as_primitive::<Int64Type>().value(row) as f64),
                DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
                DataType::Boolean => number(f64::from(u8::from(column.as_boolean().value(row)))),
                _ => column.as_string_view().value(row).to_owned(),
            };
            rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn theirs(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap_or_else(|error| panic!("sqlite: {error}\n{query}"));
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut all = vec![];
    while let Some(row) = rows.next().unwrap_or_else(|error| panic!("sqlite: {error}\n{query}")) {
        let cell = |i: usize| match row.get_ref(i).unwrap() {
            ValueRef::Null => "-".to_owned(),
            ValueRef::Integer(value) => number(value as f64),
            ValueRef::Real(value) => number(value),
            ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            ValueRef::Blob(_) => panic!("a blob"),
        };
        all.push((0..columns).map(cell).collect::<Vec<_>>().join("|"));
    }
    all
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

#[test]
fn answers_as_sqlite_does() {
    let (count, first) = (variable("PARTITA_RANDOM_QUERIES", 300), variable("PARTITA_RANDOM_SEED", 1));
    let sessions = [1 << 20, 200].map(|size| Session::builder().threads(2).partition_size(size).build().unwrap());
    let mut tables = Tables::new(first - first % 100);
    let (mut failures, mut empty) = (vec![], 0);
    for seed in first..first + count {
        if seed % 100 == 0 {
            tables = Tables::new(seed);
        }
        let mut generator = Generator { random: Random(seed.wrapping_mul(7919)) };
        let (query, ordered) = generator.query();
        let mut expected = theirs(&tables.sqlite, &query.replace('@', ""));
        let session = &sessions[(seed % 2) as usize];
        let (got, mut got_rows) = match session.sql(&tables.ours(&query)).compute() {
            Ok(table) => ("", ours(&table)),
            Err(error) => ("an error", vec![error.to_string()]),
        };
        empty += usize::from(expected.is_empty());
        if !ordered {
            expected.sort();
            got_rows.sort();
        }
        if got_rows != expected {
            failures.push(format!("seed {seed}: {query}\n  ours ({got}): {got_rows:?}\n  sqlite: {expected:?}"));
        }
    }
    let shown: Vec<&str> = failures.iter().take(12).map(|text| text.get(..1500).unwrap_or(text)).collect();
    assert!(failures.is_empty(), "{} of {count} differ\n{}", failures.len(), shown.join("\n"));
    assert!(empty as u64 * 2 < count, "{empty} of {count} answers have no rows");
}
