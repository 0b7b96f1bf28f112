//! Charts of letters: bars of blocks, lines of Braille dots.

use std::fmt::{Formatter, Result};

use super::{Chart, number};

/// How many letters the longest bar has.
const WIDTH: usize = 40;

/// The most bars that are shown: half of them from the beginning, half from the end.
const MOST_ROWS: usize = 40;

/// The size of a line's field, in letters of 2 × 4 dots.
const COLUMNS: usize = 60;
const ROWS: usize = 12;

/// Bars that grow by an eighth of a letter.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

pub(super) fn bars(chart: &Chart, f: &mut Formatter<'_>) -> Result {
    let (least, most) = chart.y_range();
    let scale = WIDTH as f64 / (most - least);
    // Where 0 is, in whole letters.
    let zero = (-least * scale).round() as usize;
    let wide = chart.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let n = chart.ys.len();
    for (i, (label, value)) in chart.labels.iter().zip(&chart.ys).enumerate() {
        if n > MOST_ROWS && (MOST_ROWS / 2..n - MOST_ROWS / 2).contains(&i) {
            if i == MOST_ROWS / 2 {
                writeln!(f, "{:>wide$} {} more", "…", n - MOST_ROWS)?;
            }
            continue;
        }
        let bar = match value {
            None => String::new(),
            Some(value) if *value < 0.0 => {
                let long = ((-value * scale).round() as usize).min(zero);
                format!("{}{}", " ".repeat(zero - long), "█".repeat(long))
            }
            Some(value) => {
                let eighths = (value * scale * 8.0).round() as usize;
                format!("{}{}{}", " ".repeat(zero), "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
            }
        };
        let value = value.map_or("–".into(), number);
        let gap = if bar.is_empty() { "" } else { " " };
        writeln!(f, "{label:>wide$} {bar}{gap}{value}")?;
    }
    Ok(())
}

pub(super) fn line(chart: &Chart, f: &mut Formatter<'_>) -> Result {
    let (low, high) = chart.y_range();
    let (first, last) = Chart::range(chart.points().map(|(x, _)| x));
    let (right, bottom) = ((2 * COLUMNS - 1) as f64, (4 * ROWS - 1) as f64);
    let mut cells = [[0_u8; COLUMNS]; ROWS];
    let mut dot = |x: f64, y: f64| {
        // Within the field, whatever rounding does.
        let (x, y) = (x.round().clamp(0.0, right) as usize, y.round().clamp(0.0, bottom) as usize);
        // How Unicode numbers the dots of a letter.
        let bits = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        cells[y / 4][x / 2] |= bits[y % 4][x % 2];
    };
    let mut before = None;
    for (x, y) in chart.xs.iter().zip(&chart.ys) {
        let Some(y) = y else {
            before = None;
            continue;
        };
        let at = ((x - first) / (last - first) * right, (high - y) / (high - low) * bottom);
        let (from_x, from_y) = before.unwrap_or(at);
        let steps = f64::max((at.0 - from_x).abs(), (at.1 - from_y).abs()).ceil().max(1.0) as usize;
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            dot(from_x + (at.0 - from_x) * part, from_y + (at.1 - from_y) * part);
        }
        before = Some(at);
    }
    let (top, under) = (number(high), number(low));
    let wide = top.chars().count().max(under.chars().count());
    for (row, cells) in cells.iter().enumerate() {
        let label = match row {
            0 => top.as_str(),
            _ if row + 1 == ROWS => under.as_str(),
            _ => "",
        };
        // The pattern of dots is the number behind U+2800: each is a letter.
        let dots: String = cells.iter().filter_map(|bits| char::from_u32(0x2800 + u32::from(*bits))).collect();
        writeln!(f, "{label:>wide$} │{}", dots.trim_end_matches('\u{2800}'))?;
    }
    writeln!(f, "{:wide$} └{}", "", "─".repeat(COLUMNS))?;
    let (first, last) = (chart.x_text(first), chart.x_text(last));
    let between = COLUMNS.saturating_sub(first.chars().count()).max(last.chars().count() + 1);
    writeln!(f, "{:wide$}  {first}{last:>between$}", "")
}
