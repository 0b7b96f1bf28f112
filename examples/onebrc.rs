//! The one billion row challenge's question: minimum, mean and maximum temperature of each station.
//!
//! `cargo run --release --example onebrc [FILE]` reads lines such as `Hamburg;12.0`, without a header.

use std::path::Path;

use partita::arrow::array::AsArray;
use partita::arrow::datatypes::{Float64Type, Int64Type};
use partita::prelude::*;

#[allow(dead_code)] // A test takes this file for its `summary`.
fn main() -> Result<()> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "testdata/onebrc/measurements-complex-utf8.txt".to_owned());
    println!("{}", summary(Path::new(&file))?);
    Ok(())
}

/// `{station=min/mean/max, …}`, sorted by station, each number with one decimal.
pub fn summary(file: &Path) -> Result<String> {
    // A station may be named like a number, so its type is said rather than inferred.
    let options = CsvOptions::new()
        .header(false)
        .delimiter(b';')
        .quote(None)
        .dtype("column_1", Type::Text)
        .dtype("column_2", Type::Float64);
    let temperature = || col("column_2");
    let stations = read_csv_with(file, options)
        .group_by([col("column_1").alias("station")])
        .agg([
            temperature().min().alias("min"),
            temperature().sum().alias("sum"),
            temperature().max().alias("max"),
            temperature().count().alias("count"),
        ])
        .compute()?;

    let names = stations.column("station")?;
    let float = |name| stations.column(name).map(|c| c.as_primitive::<Float64Type>().clone());
    let (min, sum, max) = (float("min")?, float("sum")?, float("max")?);
    let count = stations.column("count")?;
    let lines: Vec<String> = (0..stations.num_rows())
        .map(|row| {
            // The challenge's own rule: the sum is a number of tenths, and the mean rounds half up.
            let tenths = (sum.value(row) * 10.0).round();
            let mean = (tenths / count.as_primitive::<Int64Type>().value(row) as f64 + 0.5).floor() / 10.0;
            // Adding zero makes -0.0 0.0.
            let [min, mean, max] = [min.value(row), mean, max.value(row)].map(|value| value + 0.0);
            format!("{}={min:.1}/{mean:.1}/{max:.1}", names.as_string_view().value(row))
        })
        .collect();
    Ok(format!("{{{}}}", lines.join(", ")))
}
