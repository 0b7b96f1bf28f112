//! The shell, driven through a pseudo-terminal as a person drives it.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rexpect::process::{Signal, WaitStatus};
use rexpect::session::{PtySession, spawn_command};
use tempfile::TempDir;

const TRADE: &str = "exporter,product,v\n1,10,1.5\n2,20,\n1,20,4\n";

/// How long an answer may take, in milliseconds: far more than it does.
const PATIENCE: Option<u64> = Some(60_000);

/// A shell in a directory, past its greeting. It knows of no terminal's name, as on a bare machine.
fn shell(dir: &Path) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partita"));
    command.current_dir(dir).env_clear().env("PARTITA_HISTORY", dir.join("history")).env("COLUMNS", "100");
    let mut shell = spawn_command(command, PATIENCE).unwrap();
    shell.exp_string("SQL over files").unwrap();
    shell.exp_string("partita> ").unwrap();
    shell
}

fn trade() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("trade.csv"), TRADE).unwrap();
    dir
}

/// What the terminal shows, from the entry of a line up to this text in its answer; the entry itself is not to contain it.
fn answer(shell: &mut PtySession, line: &str, end: &str) -> String {
    assert!(end.is_empty() || !line.contains(end));
    shell.send_line(line).unwrap();
    let shown = shell.exp_string(end).unwrap();
    shell.exp_string("partita> ").unwrap();
    shown
}

fn ended(shell: &mut PtySession, code: i32) {
    shell.exp_eof().unwrap();
    let status = shell.process().wait().unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, c) if c == code), "{status:?}");
}

#[test]
fn statements_and_commands() {
    let dir = trade();
    let mut shell = shell(dir.path());
    let table = answer(&mut shell, "SELECT exporter, sum(v) AS s FROM 'trade.csv' GROUP BY 1;", "2 rows ");
    assert!(table.contains("float64") && table.contains("5.5"), "{table}");
    // Over several lines, and several in one.
    shell.send_line("SELECT ';' AS a,").unwrap();
    answer(&mut shell, "41 + 1 AS b;", "42");
    let two = answer(&mut shell, "SELECT 7 AS seven; SELECT 4 + 4 AS eight;", "    8 ");
    assert!(two.contains("1 row "), "{two}");
    // What is wrong is told, and the shell goes on.
    let error = answer(&mut shell, "SELECT exportr FROM 'trade.csv';", "did you mean 'exporter'?");
    assert!(error.contains("error: there is no column 'exportr'"), "{error}");
    answer(&mut shell, ".format csv", "");
    answer(&mut shell, "SELECT exporter, product FROM 'trade.csv' WHERE v IS NULL;", "exporter,product\r\n2,20\r\n");
    answer(&mut shell, ".format", "csv\r\n");
    answer(&mut shell, ".format xml", "there is no format 'xml'");
    answer(&mut shell, ".format parquet", "COPY (SELECT");
    answer(&mut shell, ".stats on", "");
    answer(&mut shell, "SELECT count(*) AS n FROM 'trade.csv';", "given        1 row");
    answer(&mut shell, ".stats off", "");
    answer(&mut shell, "COPY (SELECT v FROM 'trade.csv') TO 'v.parquet';", "count\r\n3\r\n");
    let tables = answer(&mut shell, ".tables", "'v.parquet'");
    assert!(tables.contains("'trade.csv'"), "{tables}");
    answer(&mut shell, ".tables *.csv", "'trade.csv'\r\n");
    fs::write(dir.path().join("two.sql"), "SELECT 1 AS a;\nSELECT 2 AS b; -- the last\n").unwrap();
    answer(&mut shell, ".read two.sql", "a\r\n1\r\nb\r\n2\r\n");
    answer(&mut shell, ".read none.sql", "the file 'none.sql' can't be read");
    let help = answer(&mut shell, ".help", "ends the shell");
    assert!(help.contains(".tables [GLOB]"), "{help}");
    answer(&mut shell, ".nonsense", "there is no command");
    shell.send_line(".quit").unwrap();
    ended(&mut shell, 0);
}

#[test]
fn tab_completes_words_files_and_columns() {
    let dir = trade();
    let mut shell = shell(dir.path());
    answer(&mut shell, ".format csv", "");
    // A word, a file; then a column of the file before.
    shell.send("SELECT coun\t(*) AS n FRO\t 'tra\t").unwrap();
    answer(&mut shell, ";", "n\r\n3\r\n");
    shell.send("SELECT max(expo\t) AS m, sum(prod\t) AS p FROM 'tra\t").unwrap();
    answer(&mut shell, ";", "m,p\r\n2,50\r\n");
    shell.send_control('d').unwrap();
    ended(&mut shell, 0);
}

#[test]
fn the_history_outlives_the_shell() {
    let dir = trade();
    let mut first = shell(dir.path());
    answer(&mut first, ".format csv", "");
    answer(&mut first, "SELECT 6\n* 7 AS answer;", "answer\r\n42\r\n");
    const UP: &str = "\x1b[A";
    first.send(UP).unwrap();
    answer(&mut first, "", "answer\r\n42\r\n");
    first.send_line(".exit").unwrap();
    ended(&mut first, 0);
    let mut second = shell(dir.path());
    // Past .exit; the lines of a statement are one entry.
    second.send(UP).unwrap();
    second.send(UP).unwrap();
    let table = answer(&mut second, "", "1 row ");
    assert!(table.contains("42"), "{table}");
    second.send_line(".quit").unwrap();
    ended(&mut second, 0);
}

/// Presses Ctrl-C until the terminal shows the text: a single one might come before the statement runs.
fn interrupt_until(shell: &mut PtySession, text: &str) {
    let mut shown = String::new();
    for _ in 0..60 {
        shell.send_control('c').unwrap();
        sleep(Duration::from_millis(500));
        shown.extend(std::iter::from_fn(|| shell.try_read()));
        if shown.contains(text) {
            return;
        }
    }
    panic!("{shown}");
}

#[test]
fn interrupts_end_the_statement_and_not_the_shell() {
    let dir = trade();
    let rows: String = (0..30_000).map(|i| format!("{i}\n")).collect();
    fs::write(dir.path().join("rows.csv"), format!("n\n{rows}")).unwrap();
    let mut shell = shell(dir.path());
    // At the prompt it drops what was entered.
    shell.send("SELECT nonsense").unwrap();
    shell.send_control('c').unwrap();
    shell.exp_string("partita> ").unwrap();
    answer(&mut shell, "SELECT 40 + 2 AS n;", "42");
    // A thousand million pairs take far longer than anyone waits.
    for _ in 0..2 {
        shell.send_line("SELECT sum(a.n * b.n % 7) AS s FROM 'rows.csv' AS a CROSS JOIN 'rows.csv' AS b;").unwrap();
        sleep(Duration::from_secs(1));
        interrupt_until(&mut shell, "the statement was cancelled");
    }
    answer(&mut shell, "SELECT count(*) + 39 AS n FROM 'trade.csv';", "42");
    // Being told to end ends it.
    shell.process_mut().signal(Signal::SIGTERM).unwrap();
    ended(&mut shell, 143);
}

/// A query on a terminal, with these settings: what it shows.
fn on_terminal(dir: &Path, args: &[&str], settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partita"));
    command.args(args).current_dir(dir).env_clear().envs(settings.iter().copied());
    let mut run = spawn_command(command, PATIENCE).unwrap();
    run.exp_eof().unwrap()
}

#[test]
fn progress_and_time_are_for_terminals() {
    let dir = trade();
    let rows: String = (0..14_000).map(|i| format!("{i}\n")).collect();
    fs::write(dir.path().join("rows.csv"), format!("n\n{rows}")).unwrap();
    let query = "SELECT sum(a.n * b.n % 7) AS s FROM 'rows.csv' AS a CROSS JOIN 'rows.csv' AS b";
    let xterm = [("TERM", "xterm"), ("COLUMNS", "100")];
    // Long enough to show its progress, which goes away; the time stands below the table.
    let shown = on_terminal(dir.path(), &["sql", query, "--threads", "1"], &xterm);
    assert!(shown.contains("partition"), "{shown}");
    assert!(shown.contains(" s\r\n"), "{shown}");
    let quiet = on_terminal(dir.path(), &["sql", query, "--threads", "1", "--quiet"], &xterm);
    assert!(!quiet.contains("partition") && !quiet.contains('\x1b'), "{quiet}");
    // No colours where they are not wanted: in messages of the command line, either.
    let wrong = ["sql", "--frmat", "csv"];
    let coloured = |settings: &[(&str, &str)]| on_terminal(dir.path(), &wrong, settings).contains("\x1b[");
    assert!(coloured(&xterm));
    assert!(!coloured(&[("TERM", "xterm"), ("NO_COLOR", "1")]));
    // A table fits the terminal.
    let narrow = on_terminal(dir.path(), &["sql", "SELECT *, v AS w, v AS x FROM 'trade.csv'"], &[("COLUMNS", "30")]);
    assert!(narrow.contains("exporter") && narrow.contains('x') && !narrow.contains("product"), "{narrow}");
}
