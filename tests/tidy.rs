//! Keeps the design's promises: what a program can check of them, checked in every source file.
//!
//! Each check takes a file and returns what it finds wrong; one test runs it over the tree, another shows that it finds
//! what it should. Comments, texts and test modules are blanked first, line breaks kept, so that checks read plain code.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// Which top-level modules a top-level module may name. `error` and `config` are open to all, except that
/// `error` stands on nothing.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &["error"]),
    ("mem", &[]),
    ("expr", &[]),
    ("graph", &["mem"]),
    ("sched", &["graph", "mem"]),
    ("batch", &["expr", "mem"]),
    ("io", &["graph", "expr", "batch", "mem"]),
    ("ops", &["io", "expr", "batch", "mem"]),
    ("plan", &["expr", "io", "batch", "mem"]),
    ("lower", &["plan", "ops", "graph", "sched", "io", "expr", "batch", "mem", "visual", "diagnostics"]),
    ("frame", &["plan", "expr", "io", "lower", "graph", "sched", "batch", "mem", "visual"]),
    ("delayed", &["graph", "sched", "mem", "expr", "io", "batch", "frame"]),
    ("bag", &["graph", "sched", "mem", "expr", "io", "batch", "frame", "delayed"]),
    ("array", &["graph", "sched", "mem", "io", "frame"]),
    ("sql", &["frame", "expr", "io", "batch", "sched", PUBLIC]),
    ("text_file", &[]),
    ("plot", &["batch", "expr", "text_file"]),
    ("visual", &["graph", "diagnostics", "text_file"]),
    ("diagnostics", &["graph", "sched", "text_file"]),
    // The binary is another crate: it has the library's public API and itself.
    ("cli", &["cli"]),
];

/// Stands for names that the crate's front page re-exports.
const PUBLIC: &str = "(re-exports)";

/// The most lines a file may have, tests not counted.
const MAX_LINES: usize = 600;

/// Where threads may be started: the scheduler, the command that generates files outside any run, and the one that waits
/// for a signal.
const THREADS: &[&str] = &["src/sched/", "src/sched.rs", "src/cli/generate", "src/cli/signals.rs"];

/// A source file, with its path from the root of the repository.
struct Source {
    path: String,
    /// The text as it is.
    text: String,
    /// The text with comments, string and character literals blanked.
    code: String,
    /// The code with test modules and functions blanked too.
    body: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = blank(text, &literals_and_comments(text));
        let body = blank(&code, &test_items(&code));
        Source { path: path.into(), text: text.into(), code, body }
    }

    /// The top-level module that the file belongs to.
    fn module(&self) -> Option<&str> {
        let name = self.path.strip_prefix("src/")?.split('/').next()?;
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (!["lib", "main"].contains(&name)).then_some(name)
    }

    /// How many modules deep the file is: 1 for `src/mem/mod.rs` and `src/batch.rs`.
    fn depth(&self) -> usize {
        self.path.split('/').filter(|part| !["src", "mod.rs", "lib.rs", "main.rs"].contains(part)).count()
    }

    /// Whether the whole file is a test module.
    fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.split('/').any(|part| ["tests", "tests.rs"].contains(&part))
    }

    /// A finding at an offset of the text.
    fn finding(&self, at: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, self.text[..at].matches('\n').count() + 1)
    }

    /// Whether the line of `at`, or the comments above the statement it stands in, contain one of `marks`.
    fn is_marked(&self, at: usize, marks: &[&str]) -> bool {
        let marked = |line: &str| line.contains("//") && marks.iter().any(|mark| line.contains(mark));
        let line_start = self.text[..at].rfind('\n').map_or(0, |n| n + 1);
        if marked(self.text[line_start..].lines().next().unwrap_or("")) {
            return true;
        }
        let above = self.text[..line_start].lines().rev().map(str::trim);
        // Attributes, comments, and the beginning of the same statement.
        let belongs =
            |line: &&str| line.starts_with("//") || line.starts_with("#[") || !line.ends_with([';', '{', '}', ',']);
        above.take_while(|line| !line.is_empty()).take_while(belongs).any(marked)
    }
}

/// The text with the ranges replaced by spaces, line breaks kept.
fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        for byte in &mut bytes[range.clone()] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).expect("whole characters are blanked")
}

/// Where comments, strings and character literals are.
fn literals_and_comments(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let find = |from: usize, what: &str| text[from..].find(what).map_or(text.len(), |n| from + n + what.len());
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word_before = at > 0 && is_word(bytes[at - 1]);
        let end = if rest.starts_with(b"//") {
            text[at..].find('\n').map_or(text.len(), |n| at + n)
        } else if rest.starts_with(b"/*") {
            let mut depth = 0;
            let mut end = at;
            loop {
                match &bytes[end..] {
                    [] => break,
                    [b'/', b'*', ..] => (depth, end) = (depth + 1, end + 2),
                    [b'*', b'/', ..] => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
                if depth == 0 {
                    break;
                }
            }
            end
        } else if let Some(hashes) = raw_string(rest).filter(|_| !word_before) {
            let open = find(at, "\"");
            find(open, &format!("\"{}", "#".repeat(hashes)))
        } else if rest[0] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        } else if rest[0] == b'\'' {
            // A character, or a lifetime: 'a' or '\n' against 'a.
            match text[at + 1..].chars().next() {
                Some('\\') => find(at + 3, "'"),
                Some(c) if text[at + 1 + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 2,
                _ => at,
            }
        } else {
            at
        };
        if end > at {
            ranges.push(at..end);
        }
        at = end.max(at + 1);
    }
    ranges
}

/// How many `#` open the raw string that begins here, if one does.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let letters = [&b"r"[..], b"br", b"cr"].into_iter().find(|letters| rest.starts_with(letters))?;
    let hashes = rest[letters.len()..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(letters.len() + hashes) == Some(&b'"')).then_some(hashes)
}

/// Where items marked `#[cfg(test)]` or `#[cfg(all(test, ..))]` are, in code without comments and texts.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test,"] {
        for (start, _) in code.match_indices(mark) {
            let mut depth = 0;
            let mut end = start + mark.len();
            for (n, byte) in code.bytes().enumerate().skip(end) {
                end = n + 1;
                match byte {
                    b'{' => depth += 1,
                    b'}' => depth -= 1,
                    b';' if depth == 0 => break,
                    _ => continue,
                }
                if depth == 0 {
                    break;
                }
            }
            ranges.push(start..end);
        }
    }
    ranges
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `word` stands in the code, not as a part of a longer name. It may begin or end with punctuation.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let end = at + word.len();
        let before = at > 0 && is_word(bytes[at - 1]) && is_word(bytes[at]);
        let after = end < bytes.len() && is_word(bytes[end]) && is_word(bytes[end - 1]);
        !before && !after
    })
}

/// Every file says what it is for.
fn opens_with_its_purpose(file: &Source) -> Vec<String> {
    let first = file.text.lines().next().unwrap_or("");
    let purpose = first.strip_prefix("//!").is_some_and(|rest| rest.trim().len() > 10);
    if purpose { vec![] } else { vec![file.finding(0, "begin with a line of //! that says what the file is for")] }
}

/// A file can be held in the head.
fn is_short(file: &Source) -> Vec<String> {
    let tests = test_items(&file.code).into_iter().map(|range| file.code[range].lines().count()).sum::<usize>();
    let lines = file.text.lines().count() - tests.min(file.text.lines().count());
    let long = lines > MAX_LINES && !file.is_test();
    if long { vec![file.finding(0, format!("{lines} lines before tests: split it"))] } else { vec![] }
}

/// What schedules knows nothing of what is scheduled.
fn scheduling_knows_no_data(file: &Source) -> Vec<String> {
    if !["mem", "graph", "sched"].contains(&file.module().unwrap_or("")) {
        return vec![];
    }
    let names = ["arrow", "RecordBatch", "LogicalPlan"];
    let found = names.iter().flat_map(|name| words(&file.body, name).map(move |at| (at, name)));
    found.map(|(at, name)| file.finding(at, format!("mem, graph and sched never name {name}"))).collect()
}

/// Nothing panics, but where a comment proves that it cannot.
fn does_not_panic(file: &Source) -> Vec<String> {
    if file.is_test() {
        return vec![];
    }
    let calls =
        [".unwrap()", ".unwrap_err()", ".expect(", ".expect_err(", "panic!", "todo!", "unimplemented!", "unreachable!"];
    let found = calls.iter().flat_map(|call| words(&file.body, call).map(move |at| (at, call)));
    found
        .filter(|&(at, _)| !file.is_marked(at, &["// proven:"]))
        .map(|(at, call)| file.finding(at, format!("{call} without a comment `// proven: why it cannot happen`")))
        .collect()
}

/// Unsafe code lives in the CSV scan, where files of ours are mapped into memory, where short texts become a column, where the cache is
/// asked for lines, and where the allocator is set; each piece with its reason.
fn unsafe_is_justified(file: &Source) -> Vec<String> {
    if file.is_test() {
        return vec![];
    }
    let others = ["src/io/kept.rs", "src/batch/short_texts.rs", "src/ops/prefetch.rs", "src/cli/allocator.rs"];
    let home = file.path.starts_with("src/io/csv") || others.contains(&file.path.as_str());
    words(&file.body, "unsafe")
        .filter_map(|at| match home {
            false => Some(file.finding(at, format!("unsafe outside src/io/csv, {}", others.join(", ")))),
            true if !file.is_marked(at, &["SAFETY:", "# Safety"]) => {
                Some(file.finding(at, "unsafe without a comment `// SAFETY:` above"))
            }
            true => None,
        })
        .collect()
}

/// Imports point one way.
fn imports_point_down(file: &Source) -> Vec<String> {
    let Some(module) = file.module().filter(|_| !file.is_test()) else { return vec![] };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![file.finding(0, format!("the module {module} has no place among the layers of tests/tidy.rs"))];
    };
    let mut findings = Vec::new();
    for (at, name) in crate_paths(&file.body) {
        let known = LAYERS.iter().any(|(layer, _)| *layer == name);
        let open = ["error", "config"].contains(&name) && module != "error" && module != "cli";
        if known && name != module && !open && !allowed.contains(&name) {
            findings.push(file.finding(at, format!("{module} may not import {name}")));
        } else if !known && !allowed.contains(&PUBLIC) {
            findings.push(file.finding(at, format!("crate::{name} hides its layer: name the module")));
        }
    }
    let to_root = "super::".repeat(file.depth());
    let out = words(&file.body, &to_root).map(|at| file.finding(at, "super:: out of the layer: write crate::"));
    findings.extend(out);
    findings
}

/// The first name after every `crate::`, with its place; those of every branch in `crate::{a::b, c}`.
fn crate_paths(code: &str) -> Vec<(usize, &str)> {
    let name_at = |at: usize| {
        let len = code[at..].bytes().take_while(|&byte| is_word(byte)).count();
        (at, &code[at..at + len])
    };
    let mut paths = Vec::new();
    for at in words(code, "crate::") {
        let start = at + "crate::".len();
        if !code[start..].starts_with('{') {
            paths.push(name_at(start));
            continue;
        }
        let mut depth = 0;
        let mut begins = false;
        for (at, byte) in code.bytes().enumerate().skip(start) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ if begins && is_word(byte) => paths.push(name_at(at)),
                _ => {}
            }
            begins = depth == 1 && (matches!(byte, b'{' | b',') || begins && byte.is_ascii_whitespace());
            if depth == 0 {
                break;
            }
        }
    }
    paths.retain(|(_, name)| *name != "self");
    paths
}

/// Threads are the scheduler's.
fn starts_no_threads(file: &Source) -> Vec<String> {
    if file.is_test() || THREADS.iter().any(|place| file.path.starts_with(place)) {
        return vec![];
    }
    let starts = ["thread::spawn", "thread::scope", "thread::Builder", "ThreadPoolBuilder", "rayon"];
    let found = starts.iter().flat_map(|start| words(&file.body, start).map(move |at| (at, start)));
    found.map(|(at, start)| file.finding(at, format!("{start} outside src/sched"))).collect()
}

type Check = fn(&Source) -> Vec<String>;

/// Runs a check over every Rust file of the repository.
fn over_the_tree(check: Check) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        collect(root, &root.join(folder), &mut files);
    }
    assert!(files.iter().any(|file| file.path == "src/error.rs") && files.len() > 20, "the tree was not found");
    let findings: Vec<String> = files.iter().flat_map(check).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn files_open_with_their_purpose() {
    over_the_tree(opens_with_its_purpose);
}

#[test]
fn files_are_short() {
    over_the_tree(is_short);
}

#[test]
fn mem_graph_and_sched_know_no_data() {
    over_the_tree(scheduling_knows_no_data);
}

#[test]
fn nothing_panics_unproven() {
    over_the_tree(does_not_panic);
}

#[test]
fn unsafe_code_is_in_its_place_and_justified() {
    over_the_tree(unsafe_is_justified);
}

#[test]
fn layers_import_downwards() {
    over_the_tree(imports_point_down);
}

#[test]
fn threads_are_started_by_the_scheduler() {
    over_the_tree(starts_no_threads);
}

/// The checks themselves: each finds what it should, and nothing else.
mod checks {
    use super::*;

    /// Asserts on which lines a check finds something.
    #[track_caller]
    fn finds(check: Check, path: &str, text: &str, lines: &[usize]) {
        let findings = check(&Source::new(path, text));
        let found: Vec<usize> =
            findings.iter().map(|finding| finding.split(':').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(found, lines, "{findings:?}\n{text}");
    }

    #[test]
    fn purpose() {
        finds(opens_with_its_purpose, "src/a.rs", "//! What this file is for.\n", &[]);
        for bad in ["", "\n//! What this file is for.\n", "// What this file is for.\n", "//!\n", "use std::fs;\n"] {
            finds(opens_with_its_purpose, "src/a.rs", bad, &[1]);
        }
    }

    #[test]
    fn length() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "let _ = 1;\n".repeat(700));
        let lines = |n| "let _ = 1;\n".repeat(n);
        finds(is_short, "src/a.rs", &(lines(600) + &tests), &[]);
        finds(is_short, "src/a.rs", &(lines(601) + &tests), &[1]);
        finds(is_short, "tests/a.rs", &lines(700), &[]);
    }

    #[test]
    fn scheduling() {
        for path in ["src/mem/mod.rs", "src/graph/tree.rs", "src/sched/mod.rs"] {
            finds(
                scheduling_knows_no_data,
                path,
                "// arrow\nuse arrow::array::Array;\nlet narrow = \"arrow\";\n",
                &[2],
            );
            finds(scheduling_knows_no_data, path, "\nfn f(plan: &LogicalPlan, batch: RecordBatch) {}\n", &[2, 2]);
        }
        finds(scheduling_knows_no_data, "src/ops/mod.rs", "use arrow::array::Array;\n", &[]);
    }

    #[test]
    fn panics() {
        for call in
            ["x.unwrap();", "x.expect(\"\");", "panic!();", "todo!()", "unimplemented!()", "std::unreachable!()"]
        {
            finds(does_not_panic, "src/a.rs", &format!("fn f() {{\n    {call}\n}}\n"), &[2]);
            finds(does_not_panic, "src/a.rs", &format!("{call} // proven: it is so\n"), &[]);
            finds(does_not_panic, "src/a.rs", &format!("// proven: it is\n// so\n{call}\n"), &[]);
            finds(does_not_panic, "src/a.rs", &format!("// proven: it is so\nf();\n{call}\n"), &[3]);
            finds(does_not_panic, "src/a.rs", &format!("/// {call}\nconst A: &str = r#\"{call}\"#;\n"), &[]);
            finds(
                does_not_panic,
                "src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{ fn f() {{ {call} }} }}\n{call}"),
                &[3],
            );
            finds(does_not_panic, "src/a/tests.rs", call, &[]);
        }
        finds(does_not_panic, "src/a.rs", "x.unwrap_or(0); x.unwrap_or_else(f); debug_panic!(); x.expected(1)", &[]);
        finds(does_not_panic, "src/a.rs", "// proven: held here\nlet x = y\n    .z()\n    .unwrap();\n", &[]);
    }

    #[test]
    fn unsafety() {
        finds(unsafe_is_justified, "src/mem/mod.rs", "// SAFETY: no\nunsafe { f() }\n", &[2]);
        finds(unsafe_is_justified, "src/io/csv/fields.rs", "f();\nunsafe { f() }\n", &[2]);
        finds(unsafe_is_justified, "src/io/csv/fields.rs", "// SAFETY: ok\ng();\nunsafe { f() }\n", &[3]);
        finds(unsafe_is_justified, "src/io/csv/fields.rs", "// SAFETY: ok\nlet x =\n    unsafe { f() };\n", &[]);
        let function = "/// # Safety\n/// Has AVX2.\n#[target_feature(enable = \"avx2\")]\nunsafe fn f() {}\n";
        finds(unsafe_is_justified, "src/io/csv/fields.rs", function, &[]);
        finds(unsafe_is_justified, "src/mem/mod.rs", "#![deny(unsafe_op_in_unsafe_fn)] // unsafe\n\"unsafe\";\n", &[]);
    }

    #[test]
    fn imports() {
        finds(imports_point_down, "src/ops/key.rs", "use crate::expr::Type;\nuse crate::plan::Rule;\n", &[2]);
        finds(
            imports_point_down,
            "src/mem/mod.rs",
            "use crate::{\n    config::Config,\n    graph::{self, tree},\n};\n",
            &[3],
        );
        finds(imports_point_down, "src/mem/mod.rs", "use crate::{error::{Error, plan}, io};\n", &[1]);
        finds(imports_point_down, "src/graph/mod.rs", "fn f() -> crate::sched::Session {}\n", &[1]);
        finds(imports_point_down, "src/error.rs", "use crate::config::Config;\n", &[1]);
        finds(imports_point_down, "src/batch.rs", "use super::plan::Plan;\n", &[1]);
        finds(imports_point_down, "src/io/csv/mod.rs", "use super::super::plan::Plan;\nuse super::discover;\n", &[1]);
        finds(imports_point_down, "src/frame/mod.rs", "use crate::Session;\n", &[1]);
        finds(imports_point_down, "src/sql/mod.rs", "use crate::prelude::*;\nuse crate::lower::Stage;\n", &[2]);
        finds(imports_point_down, "src/cli/mod.rs", "use partita::prelude::*;\nuse crate::frame::Frame;\n", &[2]);
        finds(imports_point_down, "src/new/mod.rs", "", &[1]);
        let tests = "//! [`crate::plan`]\n#[cfg(test)]\nmod tests {\n    use crate::plan::Plan;\n}\n";
        finds(imports_point_down, "src/mem/mod.rs", tests, &[]);
        finds(imports_point_down, "src/lib.rs", "pub use crate::frame::Frame;\n", &[]);
    }

    #[test]
    fn threads() {
        for start in ["std::thread::spawn(f)", "thread::scope(f)", "use rayon::prelude::*;", "ThreadPoolBuilder::new()"]
        {
            finds(starts_no_threads, "src/ops/mod.rs", start, &[1]);
            finds(starts_no_threads, "src/sched/mod.rs", start, &[]);
            finds(starts_no_threads, "src/cli/generate.rs", start, &[]);
            finds(starts_no_threads, "src/cli/mod.rs", &format!("// {start}"), &[]);
        }
    }

    #[test]
    fn blanking() {
        let text = r####"let a = 'x'; let b: &'a str = "q\"//"; let c = r#"""#; /* { /* } */ */ let d = b'\''; let e = '"'; // f"####;
        let code = Source::new("src/a.rs", text).code;
        assert_eq!(code.len(), text.len());
        let kept: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(kept.join(" "), "let a = ; let b: &'a str = ; let c = ; let d = b ; let e = ;");
        let item =
            Source::new("src/a.rs", "#[cfg(test)]\nuse x::y;\nfn f() {}\n#[cfg(test)]\nfn g() { if a {} }\nfn h() {}");
        assert_eq!(item.body.split_whitespace().collect::<String>(), "fnf(){}fnh(){}");
    }
}
