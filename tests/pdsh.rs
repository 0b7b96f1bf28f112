//! That the answers of `benches/pdsh` are compared as they should be.

#[path = "../benches/pdsh/main.rs"]
#[allow(dead_code)] // The program itself takes tables.
mod pdsh;

use pdsh::{check, same};

#[test]
fn cells_are_compared() {
    assert!(same("1.0000000001", "1") && !same("1.00001", "1") && same("x ", "x") && !same("x", "y"));
    assert!(check(&[vec!["1".into()]], "a\n1\n").is_ok());
    assert!(check(&[vec!["1".into()]], "a\n1\n2\n").is_err());
    assert!(check(&[vec!["1".into()], vec!["3".into()]], "a\n1\nrows=2\n").is_ok());
    assert!(check(&[vec!["1".into()]], "a\n1\nrows=2\n").is_err());
}
