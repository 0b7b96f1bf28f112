//! The options of CSV files as flags: every command that reads CSV has all of them, and they mean what they mean in a query.

use std::process::{Command, Output};

use partita::CsvOptions;
use tempfile::TempDir;

const EXE: &str = env!("CARGO_BIN_EXE_partita");

const MESSY: &[u8] = b"Sales\n# of May\nk;day;v;place\n1;31.05.2021;2,5;\"M\xfcnchen\"\n2;-;-;Rom\n# end\n3;01.06.2021;1.000,25;K\xf6ln\n";

/// The same in options, as a shell and as a query say them.
const FLAGS: [&str; 18] = [
    "--skip",
    "1",
    "--comment",
    "#",
    "--delimiter",
    ";",
    "--decimal=,",
    "--thousands",
    ".",
    "--nulls",
    "-",
    "--encoding",
    "latin1",
    "--date-formats",
    "%d.%m.%Y",
    "--types",
    "k=text",
    "--trim",
];
const OPTIONS: &str = "skip => 1, comment => '#', delim => ';', decimal => ',', thousands => '.', nulls => ['-'], \
                       encoding => 'latin1', date_formats => ['%d.%m.%Y'], types => {'k': 'TEXT'}, trim => true";

const READ: &str = "k,day,v,place\n1,2021-05-31,2.5,München\n2,,,Rom\n3,2021-06-01,1000.25,Köln\n";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new().unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
    dir
}

fn run(dir: &TempDir, args: &[&str]) -> Output {
    Command::new(EXE).args(args).current_dir(dir.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The result of a run that ends well, and what it told.
fn good(dir: &TempDir, args: &[&str]) -> (String, String) {
    let output = run(dir, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

#[test]
fn every_command_that_reads_csv_takes_every_option() {
    let dir = folder(&[("messy.csv", MESSY)]);
    for command in ["sql", "head", "count", "schema", "convert"] {
        let (help, _) = good(&dir, &[command, "--help"]);
        for option in CsvOptions::named() {
            let flag = format!("--{}", option.name.replace('_', "-"));
            let is_there = help.split([' ', '\n', '[', '=']).any(|word| word == flag);
            assert!(is_there && option.about.len() > 10, "{command} {flag}");
        }
        let (short, _) = good(&dir, &[command, "-h"]);
        assert!(
            short.contains("--delimiter") && short.contains("--rejects") && !short.contains("--max-record"),
            "{short}"
        );
    }
    let with = |args: &[&'static str]| good(&dir, &[args, &FLAGS[..]].concat()).0;
    assert_eq!(with(&["head", "messy.csv", "--format", "csv"]), READ);
    assert_eq!(with(&["count", "messy.csv"]), "3\n");
    assert_eq!(with(&["convert", "messy.csv", "out.csv"]), "out.csv\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("out.csv")).unwrap(), READ);
    assert!(with(&["schema", "messy.csv"]).contains("day     date "), "{}", with(&["schema", "messy.csv"]));
    assert_eq!(with(&["sql", "--format", "csv", "SELECT * FROM 'messy.csv'"]), READ);
    let query = format!("SELECT * FROM read_csv('messy.csv', {OPTIONS})");
    assert_eq!(good(&dir, &["sql", "--format", "csv", &query]).0, READ);
    // What the query says counts.
    let query =
        "SELECT v FROM read_csv('messy.csv', decimal => '.', thousands => '', all_text => true) WHERE v LIKE '1%'";
    assert_eq!(with(&["sql", "--format", "csv", query]), "v\n\"1.000,25\"\n");
    // In general form, and by other names.
    let others =
        ["head", "--format=csv", "--csv", "skip=1", "--csv", "delim=;", "--comment=#", "--na-values=-", "--no-header"];
    let (shown, _) = good(&dir, &[&others[..], &["--encoding=latin1", "messy.csv"]].concat());
    assert!(
        shown.starts_with("column_1,column_2,column_3,column_4\nk,day,v,place\n1,31.05.2021,\"2,5\",München\n"),
        "{shown}"
    );
}

#[test]
fn lists_and_columns_may_come_in_several_flags() {
    let dir = folder(&[("f.csv", b"a,b\nx,1\n\"1,5\",-\n-,y\n")]);
    let shown = |args: &[&str]| good(&dir, &[&["head", "--format=csv", "f.csv"], args].concat()).0;
    assert_eq!(shown(&["--nulls", "x,y"]), "a,b\n,1\n\"1,5\",-\n-,\n");
    // What stands in quotes is text.
    assert_eq!(shown(&["--nulls", "1,5", "--nulls", "-"]), "a,b\nx,1\n\"1,5\",\n,y\n");
    std::fs::write(dir.path().join("g.csv"), "a;b\n1,5;x\n5;1\n").unwrap();
    let (read, _) = good(&dir, &["head", "--format=csv", "g.csv", "--delimiter=;", "--nulls", "1,5", "--nulls", "x"]);
    assert_eq!(read, "a,b\n,\n5,1\n");
    assert_eq!(shown(&["--nulls-of", "a=x", "--nulls-of", "b=y", "--nulls-of", "b=-"]), "a,b\n,1\n\"1,5\",\n-,\n");
    assert_eq!(shown(&["--names", "c,d", "--header"]), "c,d\nx,1\n\"1,5\",-\n-,y\n");
}

#[test]
fn schema_says_how_to_read_in_a_form_to_paste() {
    let dir = folder(&[("messy.csv", MESSY)]);
    for flags in [&FLAGS[..], &["--sniff", "--encoding=latin1", "--comment", "#", "--nulls", "-", "--nulls", "Rom"]] {
        let (schema, _) = good(&dir, &[&["schema", "messy.csv"], flags].concat());
        let pasted = schema.lines().last().unwrap();
        assert!(pasted.starts_with("read_csv('messy.csv', delimiter => ';'"), "{pasted}");
        let query = format!("SELECT * FROM {pasted}");
        let (read, _) = good(&dir, &["sql", "--format=csv", &query]);
        assert_eq!(read, good(&dir, &[&["head", "--format=csv", "messy.csv"], flags].concat()).0, "{pasted}");
    }
}

#[test]
fn rejects_and_new_starts_are_told() {
    let numbers: String =
        (0..60_000).map(|i| if i == 30_000 { "1,2.5\n".into() } else { format!("{i},{i}\n") }).collect();
    let dir = folder(&[("bad.csv", b"k,v\n1,x\n2\n3,y\n"), ("f.csv", ("k,v\n".to_owned() + &numbers).as_bytes())]);
    for command in [&["sql", "SELECT * FROM 'bad.csv'", "--format=csv"][..], &["head", "bad.csv", "--format=csv"]] {
        let (read, told) = good(&dir, &[command, &["--rejects", "rejects.csv"]].concat());
        assert_eq!(read, "k,v\n1,x\n3,y\n");
        assert_eq!(told, "warning: 1 row of 1 file was left out: see 'rejects.csv'\n");
        let rejects = std::fs::read_to_string(dir.path().join("rejects.csv")).unwrap();
        assert_eq!(rejects, "file,line,byte,column,reason,raw\nbad.csv,3,8,,\"a row has 1 field, the header 2\",2\n");
    }
    let (read, told) = good(&dir, &["sql", "SELECT sum(v) AS s FROM 'f.csv'", "--format=csv"]);
    assert_eq!(read, "s\n1799940002.5\n");
    assert!(told.starts_with("warning: the run starts again: column 'v' is float64, as f.csv:30002"), "{told}");
    // A table is shown, of rows that come as a stream.
    let (read, told) = good(&dir, &["sql", "SELECT v FROM 'f.csv' WHERE k = 1", "--format=csv"]);
    assert_eq!(read, "v\n1.0\n2.5\n");
    assert!(told.contains("starts again"), "{told}");
}

#[test]
fn what_is_wrong_is_told_with_flags_that_there_are() {
    let dir = folder(&[("f.csv", b"a;b\n1;2,5\n"), ("t.parquet", b"")]);
    for (args, expected) in [
        (&["head", "f.csv"][..], &["--delimiter", "--sniff", "--ragged", "f.csv:2"][..]),
        (&["head", "f.csv", "--skip", "x"], &["the option skip is 'x'", "a number of lines"]),
        (&["head", "f.csv", "--delimiter", ""], &["the delimiter"]),
        (&["head", "f.csv", "--csv", "skp=1"], &["did you mean 'skip'"]),
        (&["head", "f.csv", "--csv", "skip"], &["NAME=VALUE"]),
        (&["head", "f.csv", "--types", "k"], &["the option types is 'k'", "float64"]),
        (&["head", "f.csv", "--types", "k=text"], &["no column 'k'", "'a;b'"]),
        (&["head", "f.csv", "--delimeter", ";"], &["--delimiter"]),
        (&["head", "t.parquet", "--skip", "1"], &["no CSV", "--skip"]),
        (&["head", "f.csv", "--encoding", "klingon"], &["no encoding 'klingon'"]),
    ] {
        let output = run(&dir, args);
        let told = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
        expected.iter().for_each(|part| assert!(told.contains(part), "{args:?}: {part} in {told}"));
    }
}
