//! Charts as SVG, by plotters.

use plotters::prelude::*;

use super::{Chart, Kind, number};
use crate::error::{Error, Result};

/// The size of a chart, and how high a bar that lies is with its gap.
const SIZE: (u32, u32) = (860, 480);
const BAR: u32 = 22;

/// How wide a letter of a label is, about.
const LETTER: u32 = 8;

/// The most points of a line: a chart has no more columns of dots to show them in.
const MOST_POINTS: usize = 4000;

const INK: RGBColor = RGBColor(0x44, 0x77, 0xaa);
const PALE: RGBColor = RGBColor(0xe3, 0xe8, 0xee);

pub(super) fn svg(chart: &Chart) -> Result<String> {
    let mut out = String::new();
    let drawn = match chart.kind {
        Kind::Line => line(chart, &mut out),
        Kind::Bars if stand(chart) => standing(chart, &mut out),
        Kind::Bars => lying(chart, &mut out),
    };
    drawn.map_err(|error| Error::internal(format!("a chart can't be drawn: {error}")))?;
    Ok(out)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn title(chart: &Chart) -> String {
    format!("{} by {}", chart.y_name, chart.x_name)
}

/// Whether the labels have room under bars that stand; else bars lie, with their labels beside them.
fn stand(chart: &Chart) -> bool {
    let longest = widest(chart);
    chart.labels.len() as u32 * (longest + 2) * LETTER <= SIZE.0 - 110
}

fn widest(chart: &Chart) -> u32 {
    chart.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as u32
}

/// What the axis of values covers: a little more than they do, where they don't end at 0.
fn wider(chart: &Chart) -> (f64, f64) {
    let (low, high) = chart.y_range();
    let more = (high - low) * 0.05;
    let at_zero = |end: f64, more: f64| if chart.kind == Kind::Bars && end == 0.0 { end } else { end + more };
    (at_zero(low, -more), at_zero(high, more))
}

/// The label of the bar in a segment; of `n` bars, those that lie are counted from below.
fn label(chart: &Chart, segment: &SegmentValue<usize>, is_lying: bool) -> String {
    let (SegmentValue::CenterOf(i) | SegmentValue::Exact(i)) = segment else { return String::new() };
    let last = chart.labels.len().saturating_sub(1);
    let row = if is_lying { last.checked_sub(*i) } else { Some(*i) };
    row.and_then(|row| chart.labels.get(row)).cloned().unwrap_or_default()
}

fn standing(chart: &Chart, out: &mut String) -> Drawn {
    let n = chart.labels.len();
    let area = SVGBackend::with_string(out, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (low, high) = wider(chart);
    let mut on = ChartBuilder::on(&area)
        .caption(title(chart), ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d((0..n.saturating_sub(1)).into_segmented(), low..high)?;
    on.configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .x_labels(n.max(1))
        .x_label_formatter(&|segment| label(chart, segment, false))
        .y_label_formatter(&|y| number(*y))
        .x_desc(&chart.x_name)
        .draw()?;
    let bars = chart.ys.iter().enumerate().filter_map(|(i, y)| {
        let corners = [(SegmentValue::Exact(i), 0.0), (SegmentValue::Exact(i + 1), (*y)?)];
        let mut bar = Rectangle::new(corners, INK.filled());
        bar.set_margin(0, 0, 3, 3);
        Some(bar)
    });
    on.draw_series(bars)?;
    area.present()?;
    Ok(())
}

fn lying(chart: &Chart, out: &mut String) -> Drawn {
    let n = chart.labels.len();
    let area = SVGBackend::with_string(out, (SIZE.0, n as u32 * BAR + 110)).into_drawing_area();
    area.fill(&WHITE)?;
    let (low, high) = wider(chart);
    let mut on = ChartBuilder::on(&area)
        .caption(title(chart), ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(widest(chart) * LETTER + 24)
        .build_cartesian_2d(low..high, (0..n.saturating_sub(1)).into_segmented())?;
    on.configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .x_labels(8)
        .y_labels(n.max(1))
        .y_label_formatter(&|segment| label(chart, segment, true))
        .x_label_formatter(&|y| number(*y))
        .x_desc(&chart.y_name)
        .draw()?;
    let bars = chart.ys.iter().rev().enumerate().filter_map(|(i, y)| {
        let corners = [(0.0, SegmentValue::Exact(i)), ((*y)?, SegmentValue::Exact(i + 1))];
        let mut bar = Rectangle::new(corners, INK.filled());
        bar.set_margin(3, 3, 0, 0);
        Some(bar)
    });
    on.draw_series(bars)?;
    area.present()?;
    Ok(())
}

fn line(chart: &Chart, out: &mut String) -> Drawn {
    let area = SVGBackend::with_string(out, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (low, high) = wider(chart);
    let (first, last) = Chart::range(chart.points().map(|(x, _)| x));
    let mut on = ChartBuilder::on(&area)
        .caption(title(chart), ("sans-serif", 20))
        .margin(16)
        .margin_right(48)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(first..last, low..high)?;
    on.configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .x_labels(7)
        .x_label_formatter(&|x| chart.x_text(*x))
        .y_label_formatter(&|y| number(*y))
        .x_desc(&chart.x_name)
        .draw()?;
    let rows: Vec<Option<(f64, f64)>> = chart.xs.iter().zip(&chart.ys).map(|(x, y)| Some((*x, (*y)?))).collect();
    // Each stretch without a gap is a path; a point alone is a dot.
    for stretch in rows.split(Option::is_none) {
        let stretch: Vec<(f64, f64)> = stretch.iter().flatten().copied().collect();
        match stretch[..] {
            [] => {}
            [alone] => _ = on.draw_series([Circle::new(alone, 2, INK.filled())])?,
            _ => _ = on.draw_series([PathElement::new(thinned(stretch, rows.len()), INK.stroke_width(2))])?,
        }
    }
    area.present()?;
    Ok(())
}

/// Of very many points, those where the line turns: of each few neighbours the first, the least, the greatest and the last.
fn thinned(points: Vec<(f64, f64)>, all: usize) -> Vec<(f64, f64)> {
    if all <= MOST_POINTS {
        return points;
    }
    let few = all.div_ceil(MOST_POINTS / 4);
    let turns = |few: &[(f64, f64)]| {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let place = |point: &(f64, f64)| few.iter().position(|other| other == point).unwrap_or(0);
        let (least, most) = (few.iter().min_by(by).map_or(0, place), few.iter().max_by(by).map_or(0, place));
        let mut places = vec![0, least, most, few.len() - 1];
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| few[place]).collect::<Vec<_>>()
    };
    points.chunks(few).flat_map(turns).collect()
}
