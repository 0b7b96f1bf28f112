//! Functions on text, and regular expressions.

use proptest::prelude::*;

use super::*;
use crate::expr::{col, concat_text, lit};

const LONG: &str = "Ärger über Öl in the long, long text";

fn rows() -> RecordBatch {
    batch(vec![
        ("s", texts(&[Some("Straße"), Some(""), None, Some(LONG), Some("a-b-c")])),
        ("p", texts(&[Some("ß"), Some(""), Some("x"), None, Some("c")])),
        ("i", ints(&[Some(1); 5])),
    ])
}

#[test]
fn finding() {
    let b = rows();
    check(&b, col("s").contains("a"), "true, false, null, false, true");
    check(&b, col("s").contains(""), "true, true, null, true, true");
    check(&b, col("s").contains("."), "false, false, null, false, false");
    check(&b, col("s").contains(col("p")), "true, true, null, null, true");
    check(&b, lit("abc").contains(col("p")), "false, true, false, null, true");
    check(&b, col("s").contains(None::<String>), "null, null, null, null, null");
    check(&b, col("s").starts_with("Ä"), "false, false, null, true, false");
    check(&b, col("s").ends_with(col("p")), "false, true, null, null, true");
    check(&b, col("s").len_chars(), "6, 0, null, 36, 5");
    check(&b, col("s").matches("^[A-ZÄ]"), "true, false, null, true, false");
    check(&b, col("s").matches(""), "true, true, null, true, true");
}

#[test]
fn changing() {
    let b = rows();
    check(&b, col("s").upper(), r#""STRASSE", "", null, "ÄRGER ÜBER ÖL IN THE LONG, LONG TEXT", "A-B-C""#);
    check(&b, col("s").lower(), r#""straße", "", null, "ärger über öl in the long, long text", "a-b-c""#);
    check(&b, lit("ΑΣ İ").lower().len_chars(), "5, 5, 5, 5, 5");
    check(
        &b,
        col("s").replace("long", "LÖNG"),
        r#""Straße", "", null, "Ärger über Öl in the LÖNG, LÖNG text", "a-b-c""#,
    );
    check(&b, lit("aaa").replace("aa", "b"), r#""ba", "ba", "ba", "ba", "ba""#);
    check(&b, col("s").split_part("-", 2), r#""", "", null, "", "b""#);
    check(&b, col("s").split_part("-", -1), r#""Straße", "", null, "Ärger über Öl in the long, long text", "c""#);
    check(&b, col("s").split_part("-", 1), r#""Straße", "", null, "Ärger über Öl in the long, long text", "a""#);
    check(&b, col("s").split_part("-", i64::MIN), r#""", "", null, "", """#);
    check(&b, col("s").slice(4, 1), r#""ß", "", null, "r", "c""#);
    check(&b, col("s").slice(-3, 2), r#""aß", "", null, "ex", "b-""#);
    check(&b, col("s").slice(-100, 2), r#""St", "", null, "Är", "a-""#);
    check(&b, col("s").slice(5, None), r#""e", "", null, " über Öl in the long, long text", """#);
    check(&b, col("s").slice(i64::MAX, None), r#""", "", null, "", """#);
    check(&b, col("s").slice(i64::MIN, 0), r#""", "", null, "", """#);
    check(&b, concat_text([col("p"), lit("·"), col("s")]), r#""ß·Straße", "·", null, null, "c·a-b-c""#);
    check(&b, concat_text(["s"]).eq(col("s")), "true, true, null, true, true");
    check(&b, concat_text([lit("a"), lit("b")]), r#""ab", "ab", "ab", "ab", "ab""#);
    let b = batch(vec![("s", texts(&[Some("\u{a0} x \t\n"), Some("((a)b)"), Some("()"), None]))]);
    check(&b, col("s").strip(), r#""x", "((a)b)", "()", null"#);
    check(&b, col("s").strip_chars("()"), r#""\u{a0} x \t\n", "a)b", "", null"#);
    check(&b, col("s").strip_chars(""), r#""\u{a0} x \t\n", "((a)b)", "()", null"#);
}

#[test]
fn patterns() {
    let b = batch(vec![("s", texts(&[Some("BACI_Y2018.csv"), Some("x1 y22"), Some(""), None, Some("é9")]))]);
    check(&b, col("s").extract(r"(\d)(\d)?", 0), r#""20", "1", null, null, "9""#);
    check(&b, col("s").extract(r"(\d)(\d)?", 2), r#""0", null, null, null, null"#);
    check(&b, col("s").extract(r"^(.)", 1), r#""B", "x", null, null, "é""#);
    check(&b, col("s").replace_regex(r"\d+", "<$0>"), r#""BACI_Y<2018>.csv", "x<1> y<22>", "", null, "é<9>""#);
    check(
        &b,
        col("s").replace_regex(r"(?<l>[a-zé])(\d)", "${2}${l}$$"),
        r#""BACI_Y2018.csv", "1x$ 2y$2", "", null, "9é$""#,
    );
    check(&b, col("s").replace_regex("", "-").len_chars(), "29, 13, 1, null, 5");
    misuse(
        &b,
        col("s").matches("é(b"),
        ErrorKind::Config,
        "\"é(b\" is no regular expression: unclosed group, at character 2\n  help: a character with a meaning is taken as itself with \\ before it; plain text is found with contains",
    );
    misuse(
        &b,
        col("s").extract(r"\d", 1),
        ErrorKind::Config,
        "the pattern \"\\\\d\" has no group 1\n  help: put parentheses around what is wanted; group 0 is the whole match",
    );
    misuse(
        &b,
        col("s").replace_regex(r"(\d)", "$1x"),
        ErrorKind::Config,
        "the pattern \"(\\\\d)\" has no group 1x\n  help: its groups are 0, the whole match, to 1; write ${1} where letters or digits follow",
    );
    for pattern in [r"\p{Nope}", "a{99999999}", "(?=x)", r"(a)\1", "[z-a]", "*"] {
        assert_eq!(error(&b, col("s").matches(pattern)).kind(), ErrorKind::Config, "{pattern}");
    }
}

#[test]
fn misuses() {
    let b = rows();
    misuse(
        &b,
        col("i").upper(),
        ErrorKind::Type,
        "'i' is int64, and upper takes text\n  help: make text of it with cast(Type::Text)",
    );
    misuse(
        &b,
        concat_text([col("s"), col("i")]),
        ErrorKind::Type,
        "'i' is int64, and concat takes text\n  help: make text of it with cast(Type::Text)",
    );
    misuse(
        &b,
        col("s").split_part("-", 0),
        ErrorKind::Config,
        "split_part has no part 0\n  help: the first part is 1, the last -1",
    );
    for (expr, kind) in [
        (col("s").split_part("", 1), ErrorKind::Config),
        (col("s").replace("", "x"), ErrorKind::Config),
        (concat_text(Vec::<Expr>::new()), ErrorKind::Config),
        (col("s").contains(1), ErrorKind::Type),
        (col("i").matches("1"), ErrorKind::Type),
        (col("i").slice(0, 1), ErrorKind::Type),
    ] {
        assert_eq!(error(&b, expr).kind(), kind);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn as_the_standard_library_does(
        s in prop::collection::vec(prop::option::of("[aäß-]{0,18}"), 1..8), offset in -20i64..20, len in 0usize..20, n in 1usize..5,
    ) {
        let b = batch(vec![("s", texts(&s.iter().map(Option::as_deref).collect::<Vec<_>>()))]);
        let same = |expr: Expr, twin: &dyn Fn(&str) -> String| {
            let got: Vec<Option<String>> = eval(&b, &expr).unwrap().as_string_view().iter().map(|t| t.map(str::to_owned)).collect();
            let want: Vec<Option<String>> = s.iter().map(|t| t.as_deref().map(twin)).collect();
            prop_assert_eq!(got, want);
            Ok(())
        };
        same(col("s").slice(offset, len), &|t| {
            let chars: Vec<char> = t.chars().collect();
            let start = if offset < 0 { chars.len().saturating_sub(offset.unsigned_abs() as usize) } else { offset as usize };
            chars.into_iter().skip(start).take(len).collect()
        })?;
        same(col("s").split_part("-", n as i64), &|t| t.split('-').nth(n - 1).unwrap_or("").to_owned())?;
        same(col("s").split_part("-", -(n as i64)), &|t| t.split('-').rev().nth(n - 1).unwrap_or("").to_owned())?;
        same(col("s").replace("a", "bb"), &|t| t.chars().map(|c| if c == 'a' { "bb".to_owned() } else { c.to_string() }).collect())?;
        same(col("s").replace_regex("[aä]+", "x"), &|t| {
            let mut out = String::new();
            let mut inside = false;
            for c in t.chars() {
                let hit = matches!(c, 'a' | 'ä');
                if !hit { out.push(c) } else if !inside { out.push('x') }
                inside = hit;
            }
            out
        })?;
    }
}
