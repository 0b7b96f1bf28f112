//! `partita generate`: files like those of BACI, CEPII's database of international trade, of any size; and the tables of
//! other benchmarks.
//!
//! The same arguments give the same bytes on every machine, whatever the threads: rows are drawn by counter (`random`),
//! from integers alone. Of trade, `keys` says which rows exist, `rows` writes them; the other kinds have a file each. Rows
//! are made in stretches of about two megabytes by a pool of threads of the command's own, outside any run of the engine,
//! and written in order while the next ones are made.

mod groupby;
mod join;
mod keys;
mod permutation;
mod random;
mod rows;
mod stations;
mod tweets;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use partita::{Error, ErrorKind, Result};
use rayon::prelude::*;

use groupby::GroupBy;
use join::Join;
use keys::{Keys, Pair};
use rows::Rows;
use stations::Stations;
use tweets::Tweets;

/// Rows made in one go by one thread: about two megabytes.
const STRETCH_ROWS: u64 = 65_536;
/// The longest row there is, in bytes: a four-digit year, codes of 3, 3 and 6 digits, numbers of 12 and 13 characters.
const ROW_BYTES: usize = 48;
/// The most rows of the kinds that could have any number.
const MOST_ROWS: u64 = 10_000_000_000;

/// Generates files like those of BACI: one of trade flows for every year, and the codes of countries and products. Other kinds
/// of tables are there for benchmarks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GenerateOptions {
    /// The directory to write to; made if it does not exist.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// What is generated.
    #[arg(long, value_enum, default_value_t = Kind::Baci)]
    pub kind: Kind,
    /// The years of trade: 2012-2018, 2018, or 2012,2015.
    #[arg(long)]
    pub years: Option<Years>,
    /// The rows of every year; of other kinds, those of the largest table.
    #[arg(long)]
    pub rows: u64,
    /// How many values of the kinds groupby and join are missing, in percent.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..100))]
    pub missing: u8,
    /// The seed: another seed, other rows.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How rows are written.
    #[arg(long, value_enum, default_value_t = Style::Plain)]
    pub style: Style,
    /// Replace files that exist.
    #[arg(long)]
    pub overwrite: bool,
    /// The threads that make rows [default: as many as the machine has].
    #[arg(long)]
    pub threads: Option<usize>,
}

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Flows of trade, and the codes of countries and products.
    Baci,
    /// The table groupby.csv of db-benchmark's questions on grouping.
    Groupby,
    /// The tables x.csv, small.csv, medium.csv and big.csv of db-benchmark's questions on joins.
    Join,
    /// Temperatures as in the one billion row challenge, measurements.csv.
    Stations,
    /// Short messages as JSON, tweets.jsonl.
    Tweets,
}

/// How the rows of a file are written. Both are found among the published releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// Numbers as short as they are, a missing quantity as NA.
    Plain,
    /// Product codes with leading zeros, numbers and NA on the right of 12 and 13 characters.
    Padded,
}

/// Years to generate, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Years(Vec<u16>);

impl FromStr for Years {
    type Err = Error;

    fn from_str(text: &str) -> Result<Years> {
        let wrong = |message: String| {
            Error::new(ErrorKind::Config, message).help("write years of four digits: 2012-2018, 2018, or 2012,2015")
        };
        let year = |part: &str| match part.trim().parse() {
            Ok(year @ 1000..=9999) => Ok(year),
            _ => Err(wrong(format!("'{}' is not a year", part.trim()))),
        };
        let mut years: Vec<u16> = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (year(first)?, year(last)?),
                None => (year(part)?, year(part)?),
            };
            if first > last {
                return Err(wrong(format!("the years {first}-{last} run backwards")));
            }
            for year in first..=last {
                if years.contains(&year) {
                    return Err(wrong(format!("the year {year} is named twice")));
                }
                years.push(year);
            }
        }
        Ok(Years(years))
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    /// The files, those of the years first.
    pub files: Vec<PathBuf>,
    /// The bytes of all files together.
    pub bytes: u64,
}

/// A file that is to be written, and how.
type Writer<'a> = Box<dyn Fn(&mut File) -> std::io::Result<()> + Send + Sync + 'a>;

/// Writes the files of a kind. Those of trade are `BACI_HS12_Y{year}.csv` for every year, `product_codes_HS12.csv` and
/// `country_codes.csv` (Latin-1, as published).
///
/// A file of flows is sorted and unique by (i, j, k), has exactly `rows` rows, and shares about 73 % of its keys with the
/// next year's; one `q` in fifty is missing. Each file gets its name only when it is whole, in the order in which they are
/// told.
///
/// # Errors
/// [`ErrorKind::Config`] for no rows, more rows than there can be, no years or no threads, or a file that exists and is
/// neither empty nor to be overwritten; [`ErrorKind::Io`] when the system refuses.
pub(crate) fn generate(options: &GenerateOptions) -> Result<Generated> {
    let (least, most) = match options.kind {
        Kind::Baci => (1, keys::max_rows()),
        Kind::Join => (join::LEAST_ROWS, MOST_ROWS),
        Kind::Groupby | Kind::Stations | Kind::Tweets => (1, MOST_ROWS),
    };
    if !(least..=most).contains(&options.rows) {
        let (rows, help) = (options.rows, format!("ask for {least} to {most}"));
        let help = if options.kind == Kind::Baci {
            format!("{help}: there are no more pairs of countries with products")
        } else {
            help
        };
        let each = if options.kind == Kind::Baci { " a year" } else { "" };
        return Err(Error::new(ErrorKind::Config, format!("cannot make {rows} rows{each}")).help(help));
    }
    if options.threads == Some(0) {
        return Err(Error::new(ErrorKind::Config, "cannot make rows with 0 threads").help("ask for at least 1"));
    }
    let writers: Vec<(PathBuf, Writer)> =
        writers(options)?.into_iter().map(|(name, writer)| (options.dir.join(name), writer)).collect();
    let exists = |file: &Path| !options.overwrite && fs::metadata(file).is_ok_and(|m| m.len() > 0);
    if let Some((file, _)) = writers.iter().find(|(file, _)| exists(file)) {
        return Err(Error::new(ErrorKind::Config, format!("{} exists", file.display()))
            .help("name another directory, or replace it with --overwrite"));
    }
    fs::create_dir_all(&options.dir).map_err(|e| refused("make", &options.dir, e))?;

    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start threads").caused_by(e))?;
    let mut bytes = 0;
    for (file, write) in &writers {
        bytes += write_whole(file, |out| pool.install(|| write(out)))?;
    }
    Ok(Generated { files: writers.into_iter().map(|(file, _)| file).collect(), bytes })
}

/// The files of the kind in the order in which they are written.
fn writers(options: &GenerateOptions) -> Result<Vec<(String, Writer<'static>)>> {
    let &GenerateOptions { seed, rows, style, .. } = options;
    let missing = u64::from(options.missing);
    let config = |message: &str, help: &str| Err(Error::new(ErrorKind::Config, message).help(help));
    match (options.kind, &options.years) {
        (Kind::Baci, None) => config("trade is generated by years", "say which: --years 2012-2018"),
        (Kind::Baci, Some(_)) if missing > 0 => {
            config("trade has missing values of its own", "leave --missing out; one quantity in fifty is missing")
        }
        (Kind::Baci, Some(years)) => {
            let flows = Arc::new(Rows::new(seed, Keys::new(seed, rows), style));
            let of_year = |&year: &u16| {
                let flows = flows.clone();
                let write: Writer = Box::new(move |out| write_year(&flows, year, out));
                (format!("BACI_HS12_Y{year}.csv"), write)
            };
            let products: Writer = Box::new(|out| out.write_all(&product_file()));
            let countries: Writer = Box::new(|out| out.write_all(&latin1(keys::COUNTRIES)));
            let codes = [("product_codes_HS12.csv".into(), products), ("country_codes.csv".into(), countries)];
            Ok(years.0.iter().map(of_year).chain(codes).collect())
        }
        (_, Some(_)) => config("only trade has years", "leave --years out"),
        (Kind::Groupby, None) => {
            let table = GroupBy::new(seed, rows, missing);
            let write: Writer =
                Box::new(move |out| write_rows(groupby::HEADER, rows, |row, to| table.write(row, to), out));
            Ok(vec![("groupby.csv".into(), write)])
        }
        (Kind::Join, None) => {
            let of_table = |(n, (name, header)): (usize, (&str, &'static str))| {
                let table = Join::new(seed, rows, n, missing);
                let write: Writer =
                    Box::new(move |out| write_rows(header, table.rows, |row, to| table.write(row, to), out));
                (format!("{name}.csv"), write)
            };
            Ok(join::TABLES.into_iter().enumerate().map(of_table).collect())
        }
        (Kind::Stations, None) => {
            let table = Stations::new(seed);
            let write: Writer = Box::new(move |out| write_rows("", rows, |row, to| table.write(row, to), out));
            Ok(vec![("measurements.csv".into(), write)])
        }
        (Kind::Tweets, None) => {
            let tweets = Tweets::new(seed);
            let write: Writer = Box::new(move |out| write_rows("", rows, |row, to| tweets.write(row, to), out));
            Ok(vec![("tweets.jsonl".into(), write)])
        }
    }
}

fn refused(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).caused_by(error)
}

/// Writes a file under another name and renames it when it is whole; returns its size.
fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()> + Send) -> Result<u64> {
    let part = path.with_extension("csv.part");
    let whole = File::create(&part).and_then(|mut file| {
        write(&mut file)?;
        fs::rename(&part, path)?;
        Ok(file.metadata()?.len())
    });
    whole.map_err(|e| {
        // Nothing is lost when this fails too: the name says that the file is only a part.
        let _ = fs::remove_file(&part);
        refused("write", path, e)
    })
}

/// Writes one year's rows.
fn write_year(rows: &Rows, year: u16, out: &mut File) -> std::io::Result<()> {
    let make = |stretch: &&[Pair]| {
        let count: u64 = stretch.iter().map(|pair| pair.rows).sum();
        let mut bytes = Vec::with_capacity(count as usize * ROW_BYTES);
        stretch.iter().for_each(|pair| rows.write(pair, year, &mut bytes));
        bytes
    };
    out.write_all(b"t,i,j,k,v,q\n")?;
    write_stretches(&stretches(rows.pairs()), make, out)
}

/// Writes rows by number.
fn write_rows(
    header: &str,
    rows: u64,
    write: impl Fn(u64, &mut Vec<u8>) + Sync,
    out: &mut File,
) -> std::io::Result<()> {
    let stretches: Vec<u64> = (0..rows).step_by(STRETCH_ROWS as usize).collect();
    let make = |&start: &u64| {
        let mut bytes = Vec::with_capacity(STRETCH_ROWS as usize * ROW_BYTES);
        (start..rows.min(start + STRETCH_ROWS)).for_each(|row| write(row, &mut bytes));
        bytes
    };
    out.write_all(header.as_bytes())?;
    write_stretches(&stretches, make, out)
}

/// Writes a round of stretches (one a thread) while the next round is made.
fn write_stretches<S: Sync>(
    stretches: &[S],
    make: impl Fn(&S) -> Vec<u8> + Sync,
    out: &mut File,
) -> std::io::Result<()> {
    let mut made = Vec::new();
    for round in stretches.chunks(rayon::current_num_threads()) {
        let (next, written) = rayon::join(
            || round.par_iter().map(&make).collect(),
            || made.iter().try_for_each(|bytes: &Vec<u8>| out.write_all(bytes)),
        );
        written?;
        made = next;
    }
    made.iter().try_for_each(|bytes| out.write_all(bytes))
}

/// Writes a number of millionths, without zeros at its end.
fn push_millionths(out: &mut Vec<u8>, millionths: u64) {
    let (whole, decimals) = (millionths / 1_000_000, millionths % 1_000_000);
    out.extend_from_slice(whole.to_string().as_bytes());
    if decimals > 0 {
        out.extend_from_slice(format!(".{decimals:06}").trim_end_matches('0').as_bytes());
    }
}

/// Cuts the pairs into stretches of about [`STRETCH_ROWS`] rows.
fn stretches(pairs: &[Pair]) -> Vec<&[Pair]> {
    let mut rows = 0;
    // A pair that fills its stretch ends it.
    pairs
        .chunk_by(move |pair, _| {
            rows += pair.rows;
            let goes_on = rows < STRETCH_ROWS;
            if !goes_on {
                rows = 0;
            }
            goes_on
        })
        .collect()
}

/// The file of product codes: invented descriptions, with commas and quotes as the real ones have.
fn product_file() -> Vec<u8> {
    const SECTIONS: [&str; 10] = [
        "Animal products",
        "Vegetable products, fresh or dried",
        "Fats and oils",
        "Foodstuffs, beverages",
        "Mineral products",
        "Chemicals, n.e.c.",
        "Plastics and rubber",
        "Hides, skins and leather",
        "Textiles",
        "Machinery and \"\"parts thereof\"\"",
    ];
    const KINDS: [&str; 6] =
        ["live", "whole, or in pieces", "prepared", "of a kind \"\"for retail sale\"\"", "other", "n.e.c. in heading"];
    let mut text = String::from("\"code\",\"description\"\n");
    for (n, code) in keys::product_codes().into_iter().enumerate() {
        let section = SECTIONS[code as usize / 10_000 / 10];
        let (heading, kind) = (code / 100, KINDS[n % KINDS.len()]);
        text.push_str(&format!("\"{code}\",\"{section}: of heading {heading:04}, {kind}\"\n"));
    }
    text.into_bytes()
}

/// A text in Latin-1, whose characters are the first 256 of Unicode.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn options(dir: &Path) -> GenerateOptions {
        GenerateOptions {
            dir: dir.to_path_buf(),
            kind: Kind::Baci,
            years: Some(Years(vec![2012, 2013])),
            rows: 150_000,
            missing: 0,
            seed: 7,
            style: Style::Plain,
            overwrite: false,
            threads: Some(2),
        }
    }

    fn made(change: impl FnOnce(&mut GenerateOptions)) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(dir.path());
        change(&mut options);
        let generated = generate(&options).unwrap();
        let bytes: u64 = generated.files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert_eq!(generated.bytes, bytes);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), generated.files.len());
        let tables = options.years.map_or(generated.files.len(), |years| years.0.len());
        generated.files[..tables].iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// The fields of every row, after the header has been checked.
    fn rows_of(text: &str) -> Vec<Vec<&str>> {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("t,i,j,k,v,q"));
        lines.map(|line| line.split(',').collect()).collect()
    }

    fn key(row: &[&str]) -> [u32; 3] {
        [1, 2, 3].map(|n| row[n].parse().unwrap())
    }

    #[test]
    fn the_same_bytes_whatever_the_threads_and_the_other_years() {
        let two = made(|_| ());
        assert_eq!(made(|o| o.threads = Some(1)), two);
        assert_eq!(made(|o| o.threads = Some(5)), two);
        assert_eq!(made(|o| o.years = Some(Years(vec![2013]))), two[1..]);
        assert_ne!(made(|o| o.seed = 8), two);
    }

    #[test]
    fn the_test_data_is_what_its_command_makes() {
        let years = Years((2012..=2018).collect());
        let texts = made(|o| (o.years, o.rows, o.seed) = (Some(years.clone()), 2000, 2012));
        for (year, text) in years.0.iter().zip(texts) {
            let path = format!("{}/testdata/baci/BACI_HS12_Y{year}.csv", env!("CARGO_MANIFEST_DIR"));
            assert!(fs::read_to_string(&path).unwrap() == text, "{path} differs");
        }
    }

    #[test]
    fn rows_are_exactly_as_many_sorted_unique_and_mostly_shared_between_years() {
        for rows in [1, 2000, 150_000] {
            let texts = made(|o| {
                o.rows = rows;
                o.years = Some(Years((2012..=2018).collect()));
            });
            let years: Vec<Vec<[u32; 3]>> =
                texts.iter().map(|text| rows_of(text).iter().map(|row| key(row)).collect()).collect();
            for keys in &years {
                assert_eq!(keys.len() as u64, rows);
                assert!(keys.is_sorted_by(|a, b| a < b));
                assert!(keys.iter().all(|[i, j, k]| i != j && (10121..=970_600).contains(k)));
            }
            for pair in years.windows(2).filter(|_| rows >= 2000) {
                let next: HashSet<_> = pair[1].iter().collect();
                let shared = pair[0].iter().filter(|key| next.contains(key)).count() as f64 / rows as f64;
                let slack = if rows == 2000 { 0.04 } else { 0.01 };
                assert!((shared - 0.73).abs() < slack, "{rows}: {shared}");
            }
        }
    }

    #[test]
    fn values_are_log_normal_and_one_quantity_in_fifty_is_missing() {
        let texts = made(|_| ());
        let rows = rows_of(&texts[0]);
        let missing = rows.iter().filter(|row| row[5] == "NA").count() as f64 / rows.len() as f64;
        assert!((missing - 0.02).abs() < 0.002, "{missing}");
        for row in &rows {
            assert_eq!(row[0], "2012");
            assert_eq!(row[3].parse::<u32>().unwrap().to_string(), row[3]);
            for text in row[4..].iter().filter(|text| **text != "NA") {
                let (whole, decimals) = text.split_once('.').unwrap();
                assert!(decimals.len() == 3 && (whole == "0" || !whole.starts_with('0')), "{text}");
                assert!(text.parse::<f64>().unwrap() >= 0.001);
            }
        }
        let mut v: Vec<f64> = rows.iter().map(|row| row[4].parse::<f64>().unwrap().log2()).collect();
        v.sort_by(f64::total_cmp);
        let quantile = |share: f64| v[(share * v.len() as f64) as usize];
        assert!((quantile(0.5) - 2.457).abs() < 0.1, "{}", quantile(0.5));
        assert!((quantile(0.8413) - quantile(0.5) - 4.67).abs() < 0.1, "{}", quantile(0.8413));
    }

    #[test]
    fn padded_rows_hold_the_same_numbers_in_the_published_form() {
        let plain = made(|_| ());
        let padded = made(|o| o.style = Style::Padded);
        let (plain, padded) = (rows_of(&plain[0]), rows_of(&padded[0]));
        assert_eq!(plain.len(), padded.len());
        for (plain, padded) in plain.iter().zip(&padded) {
            assert_eq!(plain[..3], padded[..3]);
            assert_eq!(padded[3], format!("{:0>6}", plain[3]));
            assert_eq!(padded[4], format!("{:>12}", plain[4]));
            assert_eq!(padded[5], format!("{:>13}", plain[5]));
        }
        assert!(padded.iter().any(|row| row[5] == "           NA"));
    }

    #[test]
    fn code_files_are_latin1_and_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let generated = generate(&GenerateOptions { rows: 1, ..options(dir.path()) }).unwrap();
        let countries = fs::read(&generated.files[3]).unwrap();
        assert!(countries.windows(14).any(|w| w == b"C\xf4te d'Ivoire,"[..].first_chunk::<14>().unwrap()));
        assert_eq!(countries.iter().filter(|&&b| b == b'\n').count(), 226);
        let mut products = csv::Reader::from_path(&generated.files[2]).unwrap();
        let rows: Vec<csv::StringRecord> = products.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), keys::PRODUCTS);
        assert_eq!(&rows[0][0], "10121");
        assert!(rows.iter().any(|row| row[1].contains(',')) && rows.iter().any(|row| row[1].contains('"')));
    }

    fn of_kind(kind: Kind, rows: u64, missing: u8) -> Vec<String> {
        let made = made(|o| (o.kind, o.years, o.rows, o.missing) = (kind, None, rows, missing));
        let one_thread = self::made(|o| {
            (o.kind, o.years, o.rows, o.missing, o.threads) = (kind, None, rows, missing, Some(1));
        });
        assert!(made == one_thread, "{kind:?}");
        made
    }

    /// The fields of a column, by its number.
    fn column(text: &str, n: usize) -> Vec<&str> {
        text.lines().skip(1).map(|line| line.split(',').nth(n).unwrap()).collect()
    }

    #[test]
    fn tables_to_group_have_as_many_keys_as_promised() {
        let [text] = &of_kind(Kind::Groupby, 200_000, 0)[..] else { panic!() };
        assert_eq!(text.lines().next(), Some("id1,id2,id3,id4,id5,id6,v1,v2,v3"));
        for (n, values) in [100, 100, 2000, 100, 100, 2000, 5, 15].into_iter().enumerate() {
            let column = column(text, n);
            assert_eq!((column.len(), column.iter().collect::<HashSet<_>>().len()), (200_000, values), "{n}");
            assert!(!column.contains(&""));
        }
        let smallest = [0, 2, 3].map(|n| *column(text, n).iter().min().unwrap());
        assert_eq!(smallest, ["id001", "id0000000001", "1"]);
        let v3: Vec<f64> = column(text, 8).iter().map(|v| v.parse().unwrap()).collect();
        let mean = v3.iter().sum::<f64>() / v3.len() as f64;
        assert!((mean - 50.0).abs() < 0.3 && v3.iter().all(|v| (0.0..=100.0).contains(v)), "{mean}");
        assert!(column(text, 8).iter().any(|v| v.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 6)));
    }

    #[test]
    fn five_percent_of_keys_and_of_values_are_missing() {
        let [text] = &of_kind(Kind::Groupby, 200_000, 5)[..] else { panic!() };
        for (n, values) in [95, 95, 1900, 95, 95, 1900].into_iter().enumerate() {
            let there: HashSet<&str> = column(text, n).into_iter().filter(|field| !field.is_empty()).collect();
            assert_eq!(there.len(), values, "{n}");
        }
        for n in 6..9 {
            assert_eq!(column(text, n).iter().filter(|field| field.is_empty()).count(), 10_000, "{n}");
        }
    }

    #[test]
    fn nine_tenths_of_the_keys_to_join_are_in_common() {
        let [x, small, medium, big] = &of_kind(Kind::Join, 100_000, 0)[..] else { panic!() };
        let keys = |text: &str, n| column(text, n).into_iter().map(str::to_owned).collect::<HashSet<_>>();
        // Each key, and the table that is joined by it.
        for (n, table, values) in [(0, small, 10), (1, medium, 100), (2, big, 100_000)] {
            let (left, right) = (keys(x, n), keys(table, n));
            assert_eq!((left.len(), right.len()), (values, values), "id{}", n + 1);
            assert_eq!(left.intersection(&right).count(), values * 9 / 10, "id{}", n + 1);
            assert_eq!(table.lines().count(), values + 1);
        }
        assert_eq!(keys(medium, 0), keys(small, 0));
        for text in [x, big] {
            let (numbers, texts) = (column(text, 1), column(text, 4));
            assert!(numbers.iter().zip(texts).all(|(number, text)| text == format!("id{number}")));
            assert!(!column(text, 2).is_sorted());
        }
    }

    #[test]
    fn missing_keys_to_join_are_on_the_left() {
        let tables = of_kind(Kind::Join, 100_000, 10);
        let missing = |text: &str, n| column(text, n).iter().filter(|field| field.is_empty()).count();
        assert_eq!((missing(&tables[0], 2), missing(&tables[0], 5), missing(&tables[0], 6)), (10_000, 10_000, 10_000));
        assert!(tables[1..].iter().all(|text| !text.contains(",,") && !text.contains(",\n")));
    }

    #[test]
    fn temperatures_lie_about_the_means_of_413_stations() {
        let [text] = &of_kind(Kind::Stations, 200_000, 0)[..] else { panic!() };
        let mut stations: std::collections::HashMap<&str, Vec<f64>> = Default::default();
        for line in text.lines() {
            let (name, temperature) = line.split_once(';').unwrap();
            assert!(temperature.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1), "{line}");
            stations.entry(name).or_default().push(temperature.parse().unwrap());
        }
        assert_eq!(stations.len(), 413);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let deviations: Vec<f64> = stations
            .values()
            .map(|values| mean(&values.iter().map(|v| (v - mean(values)).powi(2)).collect::<Vec<_>>()).sqrt())
            .collect();
        assert!((mean(&deviations) - 10.0).abs() < 0.2, "{}", mean(&deviations));
        assert!(stations.values().all(|values| (-13.0..33.0).contains(&mean(values))));
    }

    #[test]
    fn options_of_other_kinds_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, years, missing) in [(Kind::Baci, None, 0), (Kind::Join, Some(Years(vec![2012])), 0)]
            .into_iter()
            .chain([(Kind::Baci, Some(Years(vec![2012])), 5)])
        {
            let options = GenerateOptions { kind, years, missing, ..options(dir.path()) };
            assert_eq!(generate(&options).unwrap_err().kind(), ErrorKind::Config);
        }
        let few = GenerateOptions { kind: Kind::Join, years: None, rows: 9, ..options(dir.path()) };
        assert!(generate(&few).unwrap_err().to_string().contains("10 to"));
    }

    #[test]
    fn nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for change in
            [(|o| o.rows = 0) as fn(&mut GenerateOptions), |o| o.rows = keys::max_rows() + 1, |o| o.threads = Some(0)]
        {
            let mut options = options(dir.path());
            change(&mut options);
            assert_eq!(generate(&options).unwrap_err().kind(), ErrorKind::Config);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        for text in ["", "12", "2018-2012", "2012,2012", "2010-2014,2012", "2012-", "twelve", "12345"] {
            assert_eq!(text.parse::<Years>().unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
        assert_eq!("2012, 2015-2017".parse::<Years>().unwrap().0, [2012, 2015, 2016, 2017]);
    }

    #[test]
    fn files_are_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let small = GenerateOptions { rows: 10, ..options(dir.path()) };
        let target = dir.path().join("BACI_HS12_Y2013.csv");
        fs::write(&target, "").unwrap();
        generate(&small).unwrap();
        fs::write(&target, "mine").unwrap();
        let error = generate(&small).unwrap_err();
        assert!(error.to_string().contains("--overwrite"), "{error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        generate(&GenerateOptions { overwrite: true, ..small }).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 11);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = generate(&GenerateOptions { rows: 1, ..options(&file.join("below")) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
