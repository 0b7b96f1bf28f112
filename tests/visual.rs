//! Pictures of frames and delayed values: what is on them, that they are well-formed, and the command line that writes them.

use std::fs;
use std::sync::Arc;

use partita::prelude::*;
use partita::{Stats, picture};

const BACI: &str = "testdata/baci/BACI_HS12_Y*.csv";

/// Checks that tags are closed in order, and that texts and attributes hold nothing that should be escaped. (All that our SVG uses of XML.)
fn check_xml(text: &str) {
    let mut open: Vec<&str> = vec![];
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        check_text(before);
        let (tag, behind) = tag.split_once('>').expect("a tag ends");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
            continue;
        }
        let quoted: Vec<&str> = tag.split('"').collect();
        assert!(quoted.len() % 2 == 1, "quotes in {tag}");
        quoted.iter().skip(1).step_by(2).for_each(|value| check_text(value));
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()), "{tag}");
        if !tag.ends_with('/') {
            open.push(name);
        }
        assert!(!open.is_empty() || rest.trim().is_empty(), "one root");
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
}

fn check_text(text: &str) {
    assert!(text.chars().all(|c| c >= ' ' || c == '\n' || c == '\t'), "{text:?}");
    for (at, _) in text.match_indices('&') {
        let entity = text[at..].split_inclusive(';').next().unwrap();
        assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].contains(&entity), "{entity}");
    }
}

/// The boxes of the nodes: x, y, width, height, and the text in each.
fn boxes(svg: &str) -> Vec<([f64; 4], String)> {
    let node = |node: &str| {
        let rect = node.split_once("<rect ").unwrap().1;
        let value = |name: &str| {
            rect.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let texts = node.split("<text ").skip(1).map(|text| text.split_once('>').unwrap().1.split('<').next().unwrap());
        let text = texts.collect::<Vec<_>>().join("\n").replace("&lt;", "<").replace("&gt;", ">");
        (
            ["x", "y", "width", "height"].map(value),
            text.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&"),
        )
    };
    svg.split("<g class=\"node\">").skip(1).map(|text| node(text.split("</g>").next().unwrap())).collect()
}

/// A picture that is well-formed, with boxes that do not overlap and texts that are in their boxes.
fn checked(svg: &str) -> Vec<String> {
    check_xml(svg);
    let boxes = boxes(svg);
    for (i, ([x, y, w, h], text)) in boxes.iter().enumerate() {
        for ([x2, y2, w2, h2], other) in &boxes[i + 1..] {
            let overlap = x < &(x2 + w2) && x2 < &(x + w) && y < &(y2 + h2) && y2 < &(y + h);
            assert!(!overlap, "{text} / {other}");
        }
        // The letters of a monospaced font are 0.6 to 0.61 of its size wide.
        let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(columns as f64 * 12.0 * 0.61 <= *w, "{text}");
        assert!(text.lines().count() as f64 * 14.0 <= *h, "{text}");
    }
    boxes.into_iter().map(|(_, text)| text).collect()
}

fn query() -> Frame {
    let trade = read_csv(BACI);
    let means = trade.filter(col("t").gt(2013)).group_by(["k"]).agg([col("q").mean()]);
    trade.merge(&means, Merge::inner().on(["k"]).suffixes("", "_mean")).sort([col("v").desc()]).head(5)
}

#[test]
fn stages_of_a_frame() {
    let labels = checked(&query().picture().to_svg().unwrap());
    let stages = query().explain(partita::Stop::Stages).unwrap();
    assert_eq!(labels.len(), stages.lines().filter(|line| line.starts_with("stage ")).count());
    assert!(labels.len() >= 2, "{labels:?}");
    assert!(labels.iter().any(|label| label.starts_with("stage 0: 7 partitions\nscan csv")), "{labels:?}");
    // The stage that looks up the means has an edge from theirs.
    let dot = query().picture().top_down().to_dot().unwrap();
    assert!(dot.contains("rankdir=TB") && dot.contains("n0 -> n1"), "{dot}");
    // What is wrong with a frame comes out here too.
    assert_eq!(query().select(["no_such_column"]).picture().to_svg().unwrap_err().kind(), ErrorKind::Column);
}

#[test]
fn tasks_are_drawn_one_by_one_or_counted() {
    let session = Session::builder().partition_size(1_000_000).build().unwrap();
    let few = session.read_csv(BACI).agg([col("v").sum()]);
    let labels = checked(&few.picture().tasks().to_svg().unwrap());
    assert_eq!(labels.len(), few.ntasks().unwrap().after_fusion);
    assert!(labels.iter().any(|label| label == "scan → aggregate 6"), "{labels:?}");

    let session = Session::builder().partition_size(2_000).build().unwrap();
    let many = session.read_csv(BACI).agg([col("v").sum()]);
    let tasks = many.ntasks().unwrap().after_fusion;
    assert!(tasks > 200, "{tasks}");
    let labels = checked(&many.picture().tasks().top_down().to_svg().unwrap());
    let counts = labels.iter().map(|label| label.lines().last().unwrap().split(' ').next().unwrap().replace(',', ""));
    assert_eq!(counts.map(|n| n.parse::<usize>().unwrap()).sum::<usize>(), tasks);
    assert!(labels.len() <= 50 && labels.iter().any(|label| label.starts_with("scan → aggregate\n")), "{labels:?}");
}

#[test]
fn delayed_tasks_and_several_things_at_once() {
    let chains: Vec<Delayed<i32>> = (0..12)
        .map(|i| {
            let (inc, dec) = (delayed(format!("inc {i} <&>"), move || i + 1), delayed("dec", move || i - 1));
            inc.zip(&dec).map("add", |(a, b)| a + b)
        })
        .collect();
    let total = Delayed::all(chains).map("sum </svg>", |all| all.iter().map(|n| **n).sum::<i32>());
    let svg = picture(&total).to_svg().unwrap();
    let labels = checked(&svg);
    assert_eq!((labels.len(), svg.matches("marker-end").count()), (38, 37));
    assert!(labels.contains(&"inc 3 <&>".to_owned()) && labels.contains(&"sum </svg>".to_owned()));
    assert_eq!(
        checked(&picture((&total, query())).to_svg().unwrap()).len(),
        38 + boxes(&query().picture().to_svg().unwrap()).len()
    );

    let dir = tempfile::tempdir().unwrap();
    for name in ["tasks.svg", "tasks.dot", "TASKS.SVG"] {
        total.visualize(dir.path().join(name)).unwrap();
        assert!(fs::read_to_string(dir.path().join(name)).unwrap().contains("inc 3"));
    }
    for name in ["tasks.png", "tasks"] {
        let error = query().visualize(dir.path().join(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(".svg or .dot"), "{error}");
    }
    assert_eq!(total.visualize(dir.path().join("no/tasks.svg")).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_run_colours_its_picture() {
    let stats = Arc::new(Stats::new());
    let session = Session::builder().threads(2).observer(stats.clone()).build().unwrap();
    let sum = session.read_csv(BACI).group_by(["k"]).agg([col("v").sum()]);
    sum.compute().unwrap();
    let plain = sum.picture().tasks().to_svg().unwrap();
    for (svg, unit) in [
        (sum.picture().tasks().by_time(&stats).to_svg().unwrap(), " s"),
        (sum.picture().tasks().by_memory(&stats).to_svg().unwrap(), "B"),
    ] {
        let labels = checked(&svg);
        assert!(labels.iter().all(|label| label.lines().count() == 2 && label.ends_with(unit)), "{labels:?}");
        // The hottest is the colour's end; without a run there is none.
        assert!(svg.contains("#f4963c") && !plain.contains("#f4963c"));
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_writes_it() {
    use std::process::Command;
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_partita")).args(args).output().unwrap();
    let query = format!("SELECT k, sum(v) AS v FROM '{BACI}' GROUP BY k ORDER BY k LIMIT 3");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let plain = run(&["sql", &query]);
    let output = run(&["sql", &query, "--graph", &path("query.svg")]);
    assert_eq!((output.status.code(), &output.stdout), (Some(0), &plain.stdout));
    let labels = checked(&fs::read_to_string(path("query.svg")).unwrap());
    assert!(labels[0].starts_with("stage 0: 7 partitions\n") && labels[0].ends_with(" s"), "{labels:?}");
    assert_eq!(run(&["sql", &query, "--graph", &path("query.dot")]).status.code(), Some(0));
    assert!(fs::read_to_string(path("query.dot")).unwrap().starts_with("digraph"));
    for (graph, query, message) in [
        (path("query.png"), query.as_str(), ".svg or .dot"),
        (path("no/query.svg"), query.as_str(), "there is no folder"),
        (path("two.svg"), &format!("{query}; {query}"), "one picture can't show 2 statements"),
    ] {
        let output = run(&["sql", query, "--graph", &graph]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty() && told.contains(message), "{told}");
    }
}
