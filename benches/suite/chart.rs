//! The figures as a picture: a bar for each engine in each query, as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::report::{FLOOR, Report};

/// The height of a bar, and the room around those of a query, in pixels.
const BAR: i32 = 14;
const GAP: i32 = 12;
/// Where bars begin, and the longest ends.
const LEFT: i32 = 190;
const RIGHT: i32 = 780;
const WIDTH: u32 = 900;

fn colour(engine: &str) -> RGBColor {
    match engine {
        "partita" => RGBColor(200, 60, 40),
        "duckdb" => RGBColor(215, 180, 60),
        "polars" => RGBColor(70, 120, 180),
        "datafusion" => RGBColor(110, 160, 90),
        _ => RGBColor(150, 150, 150),
    }
}

/// Draws wall times. The longest bar of each query has the whole width: queries differ by far more than engines do.
pub fn draw(report: &Report, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<_> = report.lines.iter().filter(|line| line.key.engine != FLOOR).collect();
    let groups: Vec<_> = lines.chunk_by(|a, b| (a.key.query, a.key.setting) == (b.key.query, b.key.setting)).collect();
    let height = lines.len() as i32 * BAR + groups.len() as i32 * GAP + GAP;
    let area = SVGBackend::new(path, (WIDTH, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = ("sans-serif", 11).into_font();
    let mut top = GAP;
    for group in groups {
        let longest = group.iter().filter_map(|line| line.median()).map(|run| run.wall).fold(0.0, f64::max);
        let [rows, threads, cap, from] = group[0].key.setting.cells();
        let setting = format!("{rows} rows, {threads} threads, cap in MB {cap}, {from}");
        for (n, line) in group.iter().enumerate() {
            let text = |text: &str, x: i32| Text::new(text.to_owned(), (x, top + 1), font.clone());
            if n == 0 {
                area.draw(&text(line.key.query, 10))?;
            }
            area.draw(&text(line.key.name, 60))?;
            let said = match line.median() {
                Some(run) => {
                    let end = LEFT + (f64::from(RIGHT - LEFT) * run.wall / longest) as i32;
                    let bar = Rectangle::new(
                        [(LEFT, top + 1), (end.max(LEFT + 1), top + BAR - 1)],
                        colour(line.key.engine).filled(),
                    );
                    area.draw(&bar)?;
                    (format!("{:.2} s", run.wall), end)
                }
                None => ("no answer".to_owned(), LEFT),
            };
            area.draw(&text(&said.0, said.1 + 4))?;
            top += BAR;
        }
        area.draw(&Text::new(setting, (LEFT, top), ("sans-serif", 9).into_font().color(&RGBColor(120, 120, 120))))?;
        top += GAP;
    }
    Ok(area.present()?)
}
