//! That `benches/duckdb_csv` reads and translates DuckDB's tests as it should.

#[path = "../benches/duckdb_csv/main.rs"]
#[allow(dead_code)] // The program itself takes a checkout of DuckDB.
mod duckdb_csv;

use duckdb_csv::{cases, translate};

#[test]
fn queries_are_translated() {
    for (theirs, ours) in [
        ("from read_csv('{DATA_DIR}/a.csv');", "SELECT * from read_csv('data/a.csv')"),
        (
            "SELECT a FROM read_csv_auto('a.csv', delim=',', header = 0, columns={'a': 'INTEGER', 'b': 'VARCHAR'}) WHERE a = 1",
            "SELECT a FROM read_csv('a.csv', names => ['a', 'b'], types => {'a': 'INTEGER', 'b': 'VARCHAR'}, delim => ',', header => false) WHERE a = 1",
        ),
        ("FROM 'a.csv'", "SELECT * FROM 'a.csv'"),
        (
            "SELECT 1 FROM read_csv('a(1).csv', ignore_errors:=true, null_padding => false)",
            "SELECT 1 FROM read_csv('a(1).csv', on_bad_row => 'skip')",
        ),
    ] {
        assert_eq!(translate(theirs), ours);
    }
    let text = "# c\nquery II rowsort\nFROM 'x.csv'\n----\n1\t2\n\nstatement error\nFROM\n'y.csv'\n----\nno\n\nloop i 0 2\n\nquery I\nFROM 'z.csv'\n----\n1\n\nendloop\n";
    let found = cases(text);
    assert_eq!((found.len(), found[0].line, found[0].columns, found[0].sorted), (2, 2, 2, true));
    assert_eq!(
        (found[1].sql.as_str(), found[0].expected.as_deref()),
        ("FROM\n'y.csv'", Some(&["1\t2".to_owned()][..]))
    );
    assert!(found[1].expected.is_none());
}
