//! The binary, run as a person runs it: formats, exit codes, messages, a closed pipe.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::assert::Assert;
use insta::assert_snapshot;
use tempfile::TempDir;

const EXE: &str = env!("CARGO_BIN_EXE_partita");

const TRADE: &str = "k,name,v,day\n10,\"one, \"\"two\"\"\",1.5,2020-01-31\n20,,,\n10,Côte,0.1,2020-02-01\n";

fn files(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// Runs the binary in a directory: none of these takes longer than a minute.
fn partita(dir: &Path, args: &[&str]) -> Assert {
    assert_cmd::Command::new(EXE).args(args).current_dir(dir).timeout(Duration::from_secs(60)).assert()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The result of a run that must go well and say nothing else.
fn result(dir: &Path, args: &[&str]) -> String {
    let run = partita(dir, args).success().stderr("");
    text(&run.get_output().stdout).to_owned()
}

/// The message of a run that must fail with this code and print no result.
fn failure(dir: &Path, code: i32, args: &[&str]) -> String {
    let run = partita(dir, args).code(code).stdout("");
    text(&run.get_output().stderr).to_owned()
}

#[test]
fn a_table_for_people() {
    let dir = files(&[("trade.csv", TRADE)]);
    assert_snapshot!(result(dir.path(), &["sql", "SELECT * FROM 'trade.csv'"]), @r#"
    ┌───────┬────────────┬─────────┬────────────┐
    │     k ┆ name       ┆       v ┆ day        │
    │ int64 ┆ text       ┆ float64 ┆ date       │
    ╞═══════╪════════════╪═════════╪════════════╡
    │    10 ┆ one, "two" ┆     1.5 ┆ 2020-01-31 │
    │    20 ┆ null       ┆    null ┆ null       │
    │    10 ┆ Côte       ┆     0.1 ┆ 2020-02-01 │
    └───────┴────────────┴─────────┴────────────┘
    3 rows × 4 columns
    "#);
    let long: String = (0..100).map(|i| format!("{i}\n")).collect();
    let dir = files(&[("long.csv", &format!("n\n{long}"))]);
    let shown = result(dir.path(), &["sql", "SELECT n FROM 'long.csv'"]);
    assert_eq!(shown.lines().count(), 4 + 41 + 1 + 1);
    assert!(shown.ends_with("100 rows × 1 column\n"));
}

#[test]
fn csv_and_json_for_programs() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k, name, v, day, v / 0 AS inf, v > 1 AS dear FROM 'trade.csv'";
    assert_snapshot!(result(dir.path(), &["sql", "--format", "csv", query]), @r#"
    k,name,v,day,inf,dear
    10,"one, ""two""",1.5,2020-01-31,inf,true
    20,,,,,
    10,Côte,0.1,2020-02-01,inf,false
    "#);
    assert_snapshot!(result(dir.path(), &["sql", query, "--format=json"]), @r#"
    [
    {"k":10,"name":"one, \"two\"","v":1.5,"day":"2020-01-31","inf":null,"dear":true},
    {"k":20,"name":null,"v":null,"day":null,"inf":null,"dear":null},
    {"k":10,"name":"Côte","v":0.1,"day":"2020-02-01","inf":null,"dear":false}
    ]
    "#);
    let none = "SELECT k FROM 'trade.csv' WHERE k > 99";
    assert_eq!(result(dir.path(), &["sql", "--format", "csv", none]), "k\n");
    assert_eq!(result(dir.path(), &["sql", "--format", "json", none]), "[\n]\n");
}

#[test]
fn other_formats() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k, name, v FROM 'trade.csv'";
    let written = |format: &str| result(dir.path(), &["sql", query, "--format", format]);
    assert_eq!(written("tsv"), "k\tname\tv\n10\t\"one, \"\"two\"\"\"\t1.5\n20\t\t\n10\tCôte\t0.1\n");
    assert_snapshot!(written("ndjson"), @r#"
    {"k":10,"name":"one, \"two\"","v":1.5}
    {"k":20,"name":null,"v":null}
    {"k":10,"name":"Côte","v":0.1}
    "#);
    assert_snapshot!(written("markdown"), @r#"
    | k | name | v |
    | ---: | --- | ---: |
    | 10 | one, "two" | 1.5 |
    | 20 |  |  |
    | 10 | Côte | 0.1 |
    "#);
    assert_eq!(result(dir.path(), &["sql", "SELECT k FROM 'trade.csv' WHERE k > 99", "--format", "ndjson"]), "");
    // Binary formats come back as they were, from stdout and from a file.
    let expected = result(dir.path(), &["sql", query, "--format", "csv"]);
    for name in ["out.parquet", "out.arrow", "out.csv", "out.tsv"] {
        let format = name.split_once('.').unwrap().1;
        fs::write(dir.path().join(name), &partita(dir.path(), &["sql", query, "--format", format]).get_output().stdout)
            .unwrap();
        let read = if format == "tsv" { format!("read_csv('{name}', delim => '\\t')") } else { format!("'{name}'") };
        let again = format!("SELECT * FROM {read}");
        assert_eq!(result(dir.path(), &["sql", &again, "--format", "csv"]), expected, "{name}");
        assert_eq!(result(dir.path(), &["sql", query, "--output", name]), "");
        assert_eq!(result(dir.path(), &["sql", &again, "--format", "csv"]), expected, "{name}");
    }
    assert_eq!(result(dir.path(), &["sql", query, "-o", "out.json"]), "");
    assert!(fs::read_to_string(dir.path().join("out.json")).unwrap().starts_with("[\n{\"k\":10,"));
}

#[test]
fn statements_from_files_and_pipes() {
    let dir = files(&[("trade.csv", TRADE), ("two.sql", "-- first\nSELECT 1 AS a;\nSELECT ';' AS b;\n")]);
    assert_eq!(result(dir.path(), &["sql", "-f", "two.sql", "--format", "csv"]), "a\n1\nb\n;\n");
    let mut child = Command::new(EXE)
        .args(["sql", "--format", "csv"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"SELECT count(*) AS n FROM 'trade.csv'").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "n\n3\n");
    assert!(failure(dir.path(), 1, &["sql", "-f", "none.sql"]).contains("none.sql"));
}

#[test]
fn plans_settings_and_width() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k FROM 'trade.csv' WHERE v > 1";
    assert_snapshot!(result(dir.path(), &["sql", "--explain=optimised", query]), @r#"
    select k
      scan csv "trade.csv": k where v > 1
    "#);
    let run = |variable: &str, value: &str, args: &[&str]| {
        Command::new(EXE).args(args).current_dir(dir.path()).env(variable, value).output().unwrap()
    };
    let refused = run("PARTITA_MEMORY", "1KB", &["sql", query]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("too small"));
    // A flag comes before the environment.
    assert_eq!(run("PARTITA_MEMORY", "1KB", &["sql", query, "--memory", "100MB"]).status.code(), Some(0));
    let narrow = run("COLUMNS", "30", &["sql", "SELECT * FROM 'trade.csv'"]);
    let narrow = text(&narrow.stdout);
    assert!(narrow.lines().take(8).all(|line| line.chars().count() <= 30), "{narrow}");
    assert!(narrow.contains("day") && narrow.contains('…') && narrow.ends_with("3 rows × 4 columns\n"), "{narrow}");
}

#[test]
fn heads_counts_and_converts() {
    let dir = files(&[("trade.csv", TRADE), ("semi.txt", "a;b\n1;-\n2;3\n")]);
    assert_eq!(result(dir.path(), &["count", "trade.csv"]), "3\n");
    assert_eq!(result(dir.path(), &["head", "-n", "1", "trade.csv", "--format", "ndjson"]).lines().count(), 1);
    let semi = ["head", "semi.txt", "--delimiter", ";", "--nulls", "-", "--format", "csv", "--dtype", "a=text"];
    assert_eq!(result(dir.path(), &semi), "a,b\n1,\n2,3\n");
    let run = partita(dir.path(), &["convert", "trade.csv", "trade.parquet"]);
    let converted = run.get_output();
    assert_eq!((text(&converted.stdout), text(&converted.stderr)), ("trade.parquet\n", "3 rows\n"));
    assert_eq!(result(dir.path(), &["count", "trade.parquet"]), "3\n");
    assert_eq!(result(dir.path(), &["head", "trade.parquet", "--format", "csv"]), TRADE);
    partita(dir.path(), &["convert", "trade.csv", "trade.parquet"]).failure();
    partita(dir.path(), &["convert", "trade.csv", "trade.parquet", "--overwrite"]).success();
}

#[test]
fn csv_reads_back_as_it_was() {
    let dir = files(&[("trade.csv", TRADE)]);
    let once = result(dir.path(), &["sql", "--format", "csv", "FROM 'trade.csv'"]);
    fs::write(dir.path().join("again.csv"), &once).unwrap();
    assert_eq!(result(dir.path(), &["sql", "--format", "csv", "FROM 'again.csv'"]), once);
    assert_eq!(once, TRADE);
}

#[test]
fn threads_memory_and_partitions_change_nothing() {
    let rows: String = (0..2000).map(|i| format!("{},{}\n", i % 7, i)).collect();
    let dir = files(&[("rows.csv", &format!("k,n\n{rows}"))]);
    let query = "SELECT k, count(*) AS c, sum(n) AS s FROM 'rows.csv' GROUP BY k ORDER BY s DESC";
    let expected = result(dir.path(), &["sql", "--format", "csv", query]);
    // 0 + 7 + … + 1995 for k = 0; every later k adds its 286 rows; 1993 = 7 · 284 + 5 leaves k = 5 and 6 one row fewer.
    assert_eq!(expected.lines().nth(1), Some("4,286,286429"), "{expected}");
    for options in [
        ["--threads", "1", "--memory", "100MB"],
        ["--threads", "4", "--partition-size", "1KB"],
        ["--quiet", "--memory", "1GiB", "-q"],
    ] {
        let args: Vec<&str> = ["sql", "--format", "csv", query].into_iter().chain(options).collect();
        if options[0] == "--quiet" {
            assert!(failure(dir.path(), 2, &args).contains("cannot be used multiple times"));
        } else {
            assert_eq!(result(dir.path(), &args), expected, "{options:?}");
        }
    }
    assert_eq!(result(dir.path(), &["sql", "--format", "csv", "-q", query]), expected);
}

#[test]
fn wrong_usage_exits_with_2() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k FROM 'trade.csv'";
    assert!(failure(dir.path(), 2, &[]).contains("Usage: partita"));
    assert!(failure(dir.path(), 2, &["sql"]).contains("the query is empty"));
    assert!(failure(dir.path(), 2, &["sql", query, "-f", "x.sql"]).contains("cannot be used with"));
    assert!(failure(dir.path(), 2, &["sql", query, "-o", "out.xyz"]).contains("names no format"));
    assert!(failure(dir.path(), 2, &["convert", "trade.csv", "out.xyz"]).contains("names no format"));
    assert!(
        failure(dir.path(), 2, &["sql", query, "--format", "xml"])
            .contains("table, csv, tsv, json, ndjson, markdown, parquet, arrow")
    );
    assert!(failure(dir.path(), 2, &["sql", query, "--memory", "many"]).contains("512MB, 1.5GiB"));
    assert!(failure(dir.path(), 2, &["sql", query, "--threads", "two"]).contains("--threads"));
    assert_snapshot!(failure(dir.path(), 2, &["sql", query, "--threads", "0"]), @"error: threads must be at least 1");
    assert_snapshot!(failure(dir.path(), 2, &["sql", query, "--memory", "1KB"]), @"
    error: a memory limit of 1.00 kB is too small
      help: the smallest that works is 16 MiB (16777216 bytes)
    ");
    assert!(failure(dir.path(), 2, &["sql", query, "--partition-size", "0"]).contains("partition size"));
    assert_snapshot!(failure(dir.path(), 2, &["sql", "SELECT k FROM 'trade.csv' FETCH FIRST 3 ROWS ONLY"]), @"
    error: FETCH (write LIMIT) is not supported yet
      in line 1, column 27 of the query:
        SELECT k FROM 'trade.csv' FETCH FIRST 3 ROWS ONLY
                                  ^
      help: a query is SELECT … FROM 'path or glob', then any of JOIN, WHERE, GROUP BY, HAVING, UNION, ORDER BY, LIMIT and OFFSET
    ");
}

#[test]
fn a_failed_run_exits_with_1() {
    let number = "1234567890\n";
    let wrong = format!("n\n{}x1\n{}", number.repeat(100_000), number.repeat(300_000));
    let dir = files(&[("trade.csv", TRADE), ("wrong.csv", &wrong)]);
    assert_snapshot!(failure(dir.path(), 1, &["sql", "SELECT sum(nam) FROM 'trade.csv'"]), @"
    error: there is no column 'nam'
      in line 1, column 12 of the query:
        SELECT sum(nam) FROM 'trade.csv'
                   ^
      help: did you mean 'name'? The columns are 'k', 'name', 'v', 'day'
    ");
    assert_snapshot!(failure(dir.path(), 1, &["sql", "SELECT k FROM 'none/*.csv'"]), @r#"
    error: no file matches 'none/*.csv'
      in read_csv("none/*.csv")
      in line 1, column 15 of the query:
        SELECT k FROM 'none/*.csv'
                      ^
      help: relative patterns start at the working directory
    "#);
    assert!(failure(dir.path(), 1, &["sql", "SELECT k + name FROM 'trade.csv'"]).contains("'+' takes numbers"));
    assert!(failure(dir.path(), 1, &["schema", "none.csv"]).starts_with("error: "));
    // Wrong in a place that no sample sees: the run fails, and no part of a result is printed.
    let query = "SELECT n + 1 AS m FROM 'wrong.csv'";
    let started_again = failure(dir.path(), 1, &["sql", "--format", "csv", query]);
    assert!(started_again.contains("wrong.csv:100002") && started_again.contains("'n' is text"), "{started_again}");
    let strict = failure(dir.path(), 1, &["sql", "--format", "csv", "--strict", query]);
    assert!(strict.contains("wrong.csv:100002") && strict.contains("x1"), "{strict}");
}

#[test]
fn explains_without_running() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k, avg(v) AS m FROM 'trade.csv' WHERE day > '2020-01-01' GROUP BY k ORDER BY m DESC LIMIT 3";
    assert_snapshot!(result(dir.path(), &["sql", "--explain", query]), @r#"
    logical plan
    first 3
      sort by m desc
        aggregate mean(v) as m by k, null keys kept
          filter day > "2020-01-01"
            scan csv "trade.csv": k, name, v, day

    optimised plan
    sort by m desc, first 3
      aggregate mean(v) as m by k, null keys kept
        scan csv "trade.csv": k, v where day > "2020-01-01"

    stages
    stage 0: pipeline over 1 partition
      scan csv "trade.csv": k, v where day > "2020-01-01"
      aggregate mean(v) as m by k, null keys kept
      memory: groups and their aggregates from 76 B read, may spill
    stage 1: pipeline over 1 partition
      read stage 0
      sort by m desc, first 3
      memory: rows to sort from stage 0, may spill

    tasks
    10 before fusion, 4 after
    "#);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let rows: String = (0..200_000).map(|i| format!("{i}\n")).collect();
    let dir = files(&[("rows.csv", &format!("n\n{rows}"))]);
    for format in ["csv", "json"] {
        let mut child = Command::new(EXE)
            .args(["sql", "--format", format, "SELECT n, n * 2 AS m FROM 'rows.csv'"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 2];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        // Far more is to come than a pipe holds.
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{format}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let dir = files(&[("trade.csv", TRADE)]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(EXE);
    let output = command.args(["sql", "FROM 'trade.csv'"]).current_dir(dir.path()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: the result could not be written: "));
}

#[test]
fn schema_tells_what_decided_each_type() {
    let dir = files(&[("a.csv", "k,v,name\n1,2,x\n2,2.5,y\n"), ("b.csv", "k,name,v\n,z,3\n")]);
    assert_snapshot!(result(dir.path(), &["schema", "*.csv"]), @r#"
    column  type     decided at
    k       int64    a.csv:2
    v       float64  a.csv:3
    name    text     a.csv:2
    2 partitions
    read_csv('*.csv', delimiter => ',', quote => '"', header => true)
    "#);
    let listed = result(dir.path(), &["schema", "a.csv", "b.csv"]);
    assert_eq!(listed.replace("'a.csv', 'b.csv'", "'*.csv'"), result(dir.path(), &["schema", "*.csv"]));
    let small = result(dir.path(), &["schema", "a.csv", "--partition-size", "8"]);
    assert!(small.contains("\n2 partitions\n"), "{small}");
}

#[test]
fn generates_files_to_ask() {
    let dir = files(&[]);
    let run = partita(dir.path(), &["generate", "out", "--years", "2017-2018", "--rows", "500"]);
    let output = run.get_output();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("BACI_HS12_Y2018.csv"));
    let count = "SELECT t, count(*) AS n FROM 'out/BACI*.csv' GROUP BY t";
    assert_eq!(result(dir.path(), &["sql", "--format", "csv", count]), "t,n\n2017,500\n2018,500\n");
    assert!(failure(dir.path(), 2, &["generate", "out", "--years", "2018-2017", "--rows", "5"]).contains("backwards"));
    assert!(failure(dir.path(), 2, &["generate", "out", "--years", "2018", "--rows", "5"]).contains("--overwrite"));
}

/// The examples in the help are run as they stand.
#[test]
fn examples_in_the_help_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for command in ["sql", "head", "count", "schema", "convert", "generate"] {
        let help = result(root, &[command, "--help"]);
        let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  partita ")).collect();
        assert!(examples.len() >= 2, "{help}");
        let dir = TempDir::new().unwrap();
        for example in examples {
            let line = example.trim().replace("/tmp", dir.path().to_str().unwrap()).replacen("partita", EXE, 1);
            let output = Command::new("sh").args(["-c", &line]).current_dir(root).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{example}\n{}", text(&output.stderr));
            assert!(output.stdout.len() > 3, "{example}");
        }
    }
    let help = result(root, &["--help"]);
    assert!(help.contains("exit code is 0"));
    // The shell needs a terminal: its examples are run in tests/shell.rs.
    let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  partita ")).collect();
    assert!(examples.contains(&"--memory 1GB --threads 2"), "{help}");
    for example in examples.iter().filter(|example| !example.starts_with("--")) {
        let output = Command::new("sh").args(["-c", &format!("{EXE} {example}")]).current_dir(root).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{example}\n{}", text(&output.stderr));
    }
    assert!(result(root, &["--version"]).starts_with("partita "));
}

#[test]
fn help_is_for_people() {
    let dir = files(&[]);
    assert_snapshot!(result(dir.path(), &["count", "--help"]));
    assert_snapshot!(result(dir.path(), &["-h"]));
}

/// No colours and no progress where no person looks, whatever the environment says.
#[test]
fn nothing_but_the_result_goes_to_pipes() {
    let dir = files(&[("trade.csv", TRADE)]);
    let run = |settings: &[(&str, &str)]| {
        let mut command = Command::new(EXE);
        let command = command.args(["sql", "FROM 'trade.csv'"]).current_dir(dir.path()).envs(settings.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout).to_owned()
    };
    let plain = run(&[]);
    assert!(!plain.contains('\x1b'));
    assert_eq!(run(&[("NO_COLOR", "1")]), plain);
    assert_eq!(run(&[("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "0")]), plain);
}

#[test]
fn a_plan_asked_for_in_sql_is_shown_whole() {
    let dir = files(&[("trade.csv", TRADE)]);
    let query = "SELECT k, avg(v) AS m FROM 'trade.csv' WHERE day > '2020-01-01' GROUP BY k ORDER BY m DESC LIMIT 3";
    let by_flag = result(dir.path(), &["sql", "--explain", query]);
    let explain = format!("EXPLAIN {query}");
    assert_eq!(result(dir.path(), &["sql", &explain]), by_flag);
    // Where rows are asked for, they are rows.
    assert!(result(dir.path(), &["sql", "--format", "ndjson", &explain]).starts_with("{\"plan\":\"logical plan\"}\n"));
}
