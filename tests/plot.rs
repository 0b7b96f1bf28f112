//! Charts of tables: in the terminal letter by letter, and as SVG.
#![cfg(feature = "plot")]

use std::fs;
use std::sync::Arc;

use insta::assert_snapshot;
use partita::arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray};
use partita::prelude::*;

fn table(columns: &[(&str, ArrayRef)]) -> Table {
    let columns = columns.iter().map(|(name, column)| (*name, column.clone(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Table::new(batch.schema(), vec![batch]).unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// The chart as SVG.
fn svg(chart: &partita::Chart) -> String {
    let dir = tempfile::tempdir().unwrap();
    chart.to_svg(dir.path().join("chart.svg")).unwrap();
    fs::read_to_string(dir.path().join("chart.svg")).unwrap()
}

fn trade() -> Table {
    let names: ArrayRef = Arc::new(StringViewArray::from(vec!["horses", "live <animals> & more", "asses", "x\ny"]));
    table(&[("product", names), ("q", floats(&[Some(8.0), Some(-4.0), None, Some(0.25)]))])
}

#[test]
fn bars_in_the_terminal() {
    // 12 in 40 letters: -4 is 13 long, 8 is 26 and 5 eighths, 0.25 seven eighths.
    let shown = trade().plot().bar("product", "q").unwrap().to_string();
    let pad = " ".repeat(13);
    let expected = format!(
        "q by product\n               horses {pad}{}▋ 8\nlive <animals> & more {} -4\n                asses –\n                  x y {pad}▉ 0.25\n",
        "█".repeat(26),
        "█".repeat(13),
    );
    assert_eq!(shown.replace("▊", "▉"), expected);
    // Of many, the first and the last.
    let many = table(&[("k", ints(0..100)), ("v", ints((0..100).map(|i| i % 7)))]);
    let shown = many.plot().bar("k", "v").unwrap().to_string();
    assert_eq!(shown.lines().count(), 1 + 41);
    assert!(
        shown.contains(" … 60 more\n")
            && shown.contains("\n19 ")
            && !shown.contains("\n20 ")
            && shown.contains("\n80 ")
    );
    let none = table(&[("k", ints([])), ("v", ints([]))]);
    assert_eq!(none.plot().bar("k", "v").unwrap().to_string(), "v by k\n");
}

#[test]
fn a_line_in_the_terminal() {
    let square = table(&[("x", ints(0..=10)), ("y", ints((0..=10).map(|x| x * x)))]);
    assert_snapshot!(square.plot().line("x", "y").unwrap().to_string());
    // A gap is a gap, and one value is in the middle.
    let days: ArrayRef = Arc::new(Date32Array::from(vec![18_262, 18_263, 18_264]));
    let gap = table(&[("day", days), ("v", floats(&[Some(1.0), Some(f64::NAN), Some(1.0)]))]);
    let shown = gap.plot().line("day", "v").unwrap().to_string();
    assert!(shown.ends_with("2020-01-03\n") && shown.contains("  2020-01-01 "), "{shown}");
    let dots: usize = shown.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
    assert_eq!(dots, 2, "{shown}");
    let none = table(&[("k", ints([])), ("v", ints([]))]).plot().line("k", "v").unwrap().to_string();
    assert_eq!(none.lines().count(), 15);
}

#[test]
fn bars_as_svg() {
    let text = svg(&trade().plot().bar("product", "q").unwrap());
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    // Long labels have room beside bars that lie; each is there once, escaped. Of four rows three have a bar.
    for label in ["horses", "live &lt;animals&gt; &amp; more", "asses", "x y"] {
        assert_eq!(text.split('\n').filter(|line| line.trim() == label).count(), 1, "{label}: {text}");
    }
    assert_eq!(text.matches("fill=\"#4477AA\"").count(), 3, "{text}");
    let years = table(&[("t", ints(2012..2019)), ("rows", ints([5, 3, 4, 9, 1, 0, 2]))]);
    let text = svg(&years.plot().bar("t", "rows").unwrap());
    for year in 2012..2019 {
        assert_eq!(text.split('\n').filter(|line| line.trim() == year.to_string()).count(), 1, "{year}");
    }
    // The heights of bars are as their values.
    let heights: Vec<f64> = text
        .split("<rect ")
        .filter(|rect| rect.contains("#4477AA"))
        .map(|rect| rect.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(heights.len(), 7);
    for (height, value) in heights.iter().zip([5.0, 3.0, 4.0, 9.0, 1.0, 0.0, 2.0]) {
        assert!((height / heights[3] - value / 9.0).abs() < 0.02, "{heights:?}");
    }
}

#[test]
fn lines_as_svg() {
    let values: Vec<Option<f64>> = (0..100_000).map(|i| Some((f64::from(i) / 5000.0).sin())).collect();
    let long = table(&[("x", ints(0..100_000)), ("y", floats(&values))]);
    let text = svg(&long.plot().line("x", "y").unwrap());
    assert!(text.len() < 200_000, "{} bytes", text.len());
    let gap = table(&[("x", ints(0..5)), ("y", floats(&[Some(1.0), Some(2.0), None, Some(1.0), Some(1.5)]))]);
    let text = svg(&gap.plot().line("x", "y").unwrap());
    assert_eq!(text.matches("stroke=\"#4477AA\"").count(), 2, "{text}");
    for empty in [table(&[("x", ints([])), ("y", ints([]))]), table(&[("x", ints([3])), ("y", ints([3]))])] {
        assert!(svg(&empty.plot().line("x", "y").unwrap()).contains("</svg>"));
        assert!(svg(&empty.plot().bar("x", "y").unwrap()).contains("</svg>"));
    }
}

#[test]
fn what_can_not_be_drawn() {
    let error = trade().plot().bar("product", "quantity").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Column);
    let error = trade().plot().line("product", "q").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(error.message().contains("column 'product' is of text"), "{error}");
    let many = table(&[("k", ints(0..501)), ("v", ints(0..501))]);
    assert_eq!(many.plot().bar("k", "v").unwrap_err().kind(), ErrorKind::Config);
    let chart = trade().plot().bar("product", "q").unwrap();
    assert_eq!(chart.to_svg("chart.png").unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(chart.to_svg("no/such/folder/chart.svg").unwrap_err().kind(), ErrorKind::Io);
}
