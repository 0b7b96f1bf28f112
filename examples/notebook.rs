//! A working session on trade flows, step by step: what an analyst does in a notebook, on files that need not fit in memory.
//!
//! `cargo run --release --example notebook [FOLDER]` reads the BACI files of test data, or those in FOLDER (for larger ones:
//! `partita generate /tmp/baci`), and writes charts and results to `target/notebook`.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use partita::Written;
use partita::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use partita::arrow::datatypes::Int64Type;
use partita::prelude::*;
use plotters::prelude::{BLUE, ChartBuilder, Color, Histogram, IntoDrawingArea, IntoSegmentedCoord, SVGBackend, WHITE};

fn main() -> Result<(), Box<dyn StdError>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "testdata/baci".to_owned());
    let out = Path::new("target/notebook");
    std::fs::create_dir_all(out)?;

    println!("1. Seven files, read lazily\n");
    // Partitions are about 100 MB of a file. Those of test data are small: 30 kB makes several of each file.
    let bytes = if folder == "testdata/baci" { 30_000 } else { 100_000_000 };
    let session = Session::builder().partition_size(bytes).build()?;
    let df = session.read_csv(format!("{folder}/BACI_HS12_Y*.csv"));
    println!("{df}\n");
    println!("There are {} partitions: a file is cut into several, between records, so that", df.npartitions()?);
    println!("all cores have work and no task ever holds a whole file.\n");

    // A closure sees every partition as one batch; its result has a row for each.
    let sizes = df
        .map_partitions(|batch: RecordBatch| {
            let rows: ArrayRef = Arc::new(Int64Array::from(vec![batch.num_rows() as i64]));
            let bytes: ArrayRef = Arc::new(Int64Array::from(vec![batch.get_array_memory_size() as i64]));
            RecordBatch::try_from_iter([("rows", rows), ("bytes", bytes)])
        })
        .compute()?;
    for (column, title) in [("rows", "Rows per partition"), ("bytes", "Memory per partition, in bytes")] {
        let values = sizes.column(column)?.as_primitive::<Int64Type>().values().to_vec();
        bars_in_terminal(title, &values);
        bars_in_svg(&out.join(format!("{column}.svg")), title, &values)?;
    }

    println!("2. The mean quantity of each product in 2018\n");
    let in_2018 = df.filter(col("t").eq(2018));
    let mean_q = in_2018.group_by(["k"]).agg([col("q").mean().alias("mean_q")]);
    for (step, frame) in [("read", &df), ("filter", &in_2018), ("group and mean", &mean_q)] {
        let tasks = frame.ntasks()?;
        println!("tasks up to {step:<14} {:>4}, fused {:>4}", tasks.before_fusion, tasks.after_fusion);
    }
    println!("{}\n", mean_q.compute()?);

    println!("3. One product, kept for what follows\n");
    // `persist` runs now, in the background here. Where `compute` gives the rows to the program as a table, here they stay with the
    // engine, still in partitions, and what follows starts from them: the files are read no second time.
    let running = df.filter(col("k").eq(10121)).submit_persist();
    let horses = running.wait()?;
    println!("{horses}\n{}\n", horses.agg([size(), col("v").sum()]).compute()?);

    println!("4. Names of products and countries\n");
    let products = session.read_csv(format!("{folder}/product_codes_HS12.csv")).rename([("code", "k")]);
    let countries = session
        .read_csv_with(format!("{folder}/country_codes.csv"), CsvOptions::default().encoding("ISO-8859-1"))
        .select(["country_code", "country_name_full", "iso_3digit_alpha"])
        .drop(["iso_3digit_alpha"]);
    println!("{}\n{}\n", products.head(3).compute()?, countries.filter(col("country_code").eq(384)).compute()?);

    println!("5. Names in the place of codes\n");
    let exporters = countries.rename([("country_code", "i"), ("country_name_full", "exporter")]);
    let importers = countries.rename([("country_code", "j"), ("country_name_full", "importer")]);
    let named = df
        .merge(&products, Merge::left().on(["k"]))
        .merge(&exporters, Merge::left().on(["i"]))
        .merge(&importers, Merge::left().on(["j"]));
    // A lazy limit: each partition stops at five rows; the small tables are read whole.
    println!("{}\n", named.head(5).select(["t", "exporter", "importer", "description", "v"]).compute()?);

    println!("6. Prices\n");
    let priced = df.with_column("avg_price", col("v") / col("q"));
    let price = priced.column("avg_price");
    // Several results at once share one scan of the files.
    let (mean, var, std, median, missing, whole) = compute_all((
        price.mean(),
        price.var(),
        price.std(),
        price.quantile(0.5),
        price.is_null().agg(|missing| missing.sum()),
        price.fill_null(0.0).cast(Type::Int64).nunique(),
    ))?;
    println!("mean {mean}, variance {var}, standard deviation {std}, median {median}");
    println!("{missing} missing; {whole} different prices when cut to whole numbers\n");

    println!("7. Everything at a glance, and the most traded products\n");
    let (summary, frequent, dearest) =
        compute_all((priced.describe(), df.column("k").value_counts().head(5), df.column("v").nlargest(3)))?;
    println!("{summary}\n{frequent}\n{dearest}\n");

    println!("8. Exports by country, written\n");
    let exports = named.group_by(["exporter"]).agg([col("v").sum()]).sort([col("v").desc()]);
    println!("{}\n", exports.head(5).compute()?);
    let written = [
        exports.write(out.join("exports.csv"), WriteOptions::csv().overwrite())?,
        exports.write(out.join("exports.arrow"), WriteOptions::ipc().overwrite())?,
        df.write(out.join("flows"), WriteOptions::parquet().partition_by(["t"]).overwrite())?,
    ];
    for Written { files, rows, bytes, .. } in &written {
        println!("{rows} rows in {} file(s), {bytes} bytes", files.len());
    }
    let again = session.read_parquet(out.join("flows/*/*.parquet"));
    assert_eq!(again.agg([size()]).compute()?, df.agg([size()]).compute()?);
    println!("\nCharts and results are in {}", out.display());
    Ok(())
}

/// A bar for each value, as wide as the terminal is likely to be.
fn bars_in_terminal(title: &str, values: &[i64]) {
    println!("{title}");
    let most = values.iter().copied().max().unwrap_or(1).max(1);
    for (i, value) in values.iter().enumerate() {
        println!("{i:>3} {} {value}", "█".repeat((value * 50 / most) as usize));
    }
    println!();
}

/// The same as a picture.
fn bars_in_svg(path: &Path, title: &str, values: &[i64]) -> Result<(), Box<dyn StdError>> {
    let most = values.iter().copied().max().unwrap_or(1).max(1);
    let area = SVGBackend::new(path, (800, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d((0..values.len().saturating_sub(1)).into_segmented(), 0..most + most / 10)?;
    chart.configure_mesh().disable_x_mesh().light_line_style(WHITE).x_desc("partition").draw()?;
    let bars = values.iter().enumerate().map(|(i, &value)| (i, value));
    chart.draw_series(Histogram::vertical(&chart).style(BLUE.mix(0.7).filled()).margin(2).data(bars))?;
    area.present()?;
    Ok(())
}
