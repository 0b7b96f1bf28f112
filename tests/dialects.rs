//! Dialects of every kind: against the `csv` crate where it speaks them, and against what was written.

mod common;

use common::{Files, Value, rows, session};
use partita::prelude::*;
use partita::{LineEnd, Paths};
use proptest::prelude::*;

fn texts(table: &Table) -> Vec<Vec<String>> {
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::Text(text) => text,
        other => panic!("{other:?} is no text"),
    };
    rows(table).into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

fn read(text: &[u8], options: CsvOptions, partition: usize) -> Result<Vec<Vec<String>>> {
    let options = options.all_text(true);
    Ok(texts(&session(partition).read_csv_with(Paths::bytes("f", text.to_vec()), options).compute()?))
}

/// Writes a table in a dialect, a field quoted where it must be or where `quote_all`.
fn write(
    table: &[Vec<String>],
    delimiter: &str,
    quote: char,
    escape: Option<char>,
    line_end: &str,
    quote_all: bool,
) -> String {
    let mut text = String::new();
    for row in table {
        let fields: Vec<String> = row
            .iter()
            .map(|field| {
                let special = field.contains(delimiter)
                    || field.contains(['\n', '\r', quote])
                    || field.contains(escape.unwrap_or(quote));
                // A delimiter may also begin in the field and end in the next delimiter.
                let begins = delimiter.chars().next().is_some_and(|c| field.contains(c));
                if !(special || begins || quote_all || field.is_empty()) {
                    return field.clone();
                }
                let inner = match escape {
                    None => field.replace(quote, &format!("{quote}{quote}")),
                    Some(escape) => {
                        field.replace(escape, &format!("{escape}{escape}")).replace(quote, &format!("{escape}{quote}"))
                    }
                };
                format!("{quote}{inner}{quote}")
            })
            .collect();
        text += &fields.join(delimiter);
        text += line_end;
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn what_is_written_in_a_dialect_reads_back_at_any_cut(
        table in prop::collection::vec(prop::collection::vec("[a-c,;|\"'\\\\\n\r #]{0,6}", 3), 1..12),
        delimiter in prop::sample::select(&[",", ";", "\t", "|", "||", ";;", "<>", "§", ", "][..]),
        quote in prop::sample::select(&['"', '\'', '`'][..]),
        escaped in any::<bool>(),
        line_end in prop::sample::select(&["\n", "\r\n", "\r"][..]),
        quote_all in any::<bool>(),
        partition in 1usize..60,
    ) {
        let escape = escaped.then_some('\\');
        let header = vec![vec!["x".to_owned(), "y".to_owned(), "z".to_owned()]];
        let text = write(&[header, table.clone()].concat(), delimiter, quote, escape, line_end, quote_all);
        let options = CsvOptions::new().delimiter(delimiter).quote(quote as u8).escape(escape.map(|c| c as u8)).line_end(match line_end {
            "\n" => LineEnd::Lf,
            "\r\n" => LineEnd::CrLf,
            _ => LineEnd::Cr,
        });
        prop_assert_eq!(read(text.as_bytes(), options, partition).unwrap(), table);
    }

    /// Any bytes give what the `csv` crate says, in dialects that both speak.
    #[test]
    fn any_bytes_split_as_the_csv_crate_splits_them(
        body in prop::collection::vec(prop::sample::select(&b"ab,,;\n\n\"\"'x "[..]), 0..120),
        delimiter in prop::sample::select(&b",;"[..]),
        quote in prop::sample::select(&[Some(b'"'), Some(b'\''), None][..]),
        partition in 1usize..60,
    ) {
        let text = [b"h".as_slice(), &[delimiter], b"i", &[delimiter], b"j\n", &body].concat();
        let options = CsvOptions::new().delimiter(delimiter).quote(quote).ragged(partita::Ragged::Truncate);
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).quoting(quote.is_some()).quote(quote.unwrap_or(b'"'));
        let mut expected: Vec<Vec<String>> = Vec::new();
        for record in builder.from_reader(&text[..]).records() {
            let mut fields: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
            fields.resize(3, String::new());
            expected.push(fields);
        }
        // A quote that is never closed is an error here, where the csv crate ends the field with the file.
        if let Ok(got) = read(&text, options, partition) {
            prop_assert_eq!(got, expected);
        }
    }

    /// The answer, or the error, does not depend on the cuts, in any dialect over any bytes.
    #[test]
    fn any_dialect_over_any_bytes_is_the_same_at_every_cut(
        body in prop::collection::vec(prop::sample::select(&b"ab1,,|\n\n\"\r\\# \xc3\xa9"[..]), 0..120),
        delimiter in prop::sample::select(&[",", "|", "||", ",|"][..]),
        escape in any::<bool>(),
        comment in any::<bool>(),
        trim in any::<bool>(),
        line_end in prop::sample::select(&[LineEnd::Auto, LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr, LineEnd::Any][..]),
        ragged in prop::sample::select(&[partita::Ragged::Error, partita::Ragged::Fill, partita::Ragged::Truncate][..]),
        keep in any::<bool>(),
        skip in any::<bool>(),
        partition in 1usize..60,
    ) {
        let text = [format!("a{delimiter}b\n").as_bytes(), &body].concat();
        let mut options = CsvOptions::new().delimiter(delimiter).trim(trim).line_end(line_end).ragged(ragged).keep_blank_lines(keep);
        if escape { options = options.escape(b'\\'); }
        if comment { options = options.comment("#"); }
        if skip { options = options.on_bad_row(partita::OnBadRow::Skip { at_most: 1000 }); }
        let show = |partition| read(&text, options.clone(), partition).map_err(|e| e.to_string());
        prop_assert_eq!(show(partition), show(1 << 20));
    }
}

#[test]
fn csv_spectrum_is_read_whole() {
    let mut files = 0;
    for entry in std::fs::read_dir("testdata/csv-spectrum/csvs").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json = std::fs::read_to_string(format!("testdata/csv-spectrum/json/{name}.json")).unwrap();
        // That one's JSON is of another file than its CSV.
        if name == "location_coordinates" {
            let table = session(9).read_csv(&path).compute().unwrap();
            assert_eq!((table.num_rows(), table.num_columns()), (1, 4));
            files += 1;
            continue;
        }
        let expected: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&json).unwrap();
        let bytes = std::fs::metadata(&path).unwrap().len() as usize;
        for partition in 1..=bytes {
            let table = session(partition).read_csv_with(&path, CsvOptions::new().all_text(true)).compute().unwrap();
            let names: Vec<String> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
            let got: Vec<serde_json::Map<String, serde_json::Value>> = texts(&table)
                .into_iter()
                .map(|row| names.iter().cloned().zip(row.into_iter().map(serde_json::Value::String)).collect())
                .collect();
            assert_eq!(got, expected, "{name} in partitions of {partition}");
        }
        files += 1;
    }
    assert_eq!(files, 12);
}

#[test]
fn archives_are_read_as_what_they_hold() {
    let mut text = "a,b\n".to_owned();
    (0..5000).for_each(|i| text += &format!("{i},\"x\n{i}\"\n"));
    let zstd = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
    let files =
        Files::new(&[("f.csv.zst", &zstd), ("f.csv", text.as_bytes()), ("cut.csv.zst", &zstd[..zstd.len() / 2])]);
    let read = |name: &str| session(1000).read_csv(files.path(name)).compute();
    assert_eq!(read("f.csv.zst").unwrap(), read("f.csv").unwrap());
    let error = read("cut.csv.zst").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("cut short") && error.to_string().contains("cut.csv.zst"), "{error}");
}

/// Counts the bytes that tasks read: those of a partition that is read again count twice.
#[derive(Default)]
struct Read(std::sync::atomic::AtomicU64);

impl partita::Observer for Read {
    fn on(&self, event: &partita::Event) {
        if let partita::Event::Advanced { bytes, .. } = event {
            self.0.fetch_add(*bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// Quotes wherever one looks: partitions begin right all the same, and hardly one of them is read twice.
#[test]
fn files_of_little_but_quotes_split_right_and_in_parallel() {
    for (row, width) in [("\"\",\"\",\"\"\n", 3), ("\"\"\"\",\"\"\"\"\n", 2), ("\"\n\",\"\"\"\n\"\n", 2), ("\"\"\n", 1)]
    {
        let header = vec!["h"; width].iter().enumerate().map(|(i, h)| format!("{h}{i}")).collect::<Vec<_>>().join(",");
        let text = header + "\n" + &row.repeat(20_000);
        let mut expected = None;
        for partition in [1 << 30, 10_000, 997] {
            let read = std::sync::Arc::new(Read::default());
            let session = partita::Session::builder()
                .threads(2)
                .partition_size(partition)
                .observer(read.clone())
                .build()
                .unwrap();
            let options = CsvOptions::new().all_text(true);
            let table = session.read_csv_with(Paths::bytes("f", text.clone().into_bytes()), options).compute().unwrap();
            assert_eq!(table.num_rows(), 20_000, "{row:?} in partitions of {partition}");
            assert_eq!(expected.get_or_insert_with(|| texts(&table)), &texts(&table));
            let bytes = read.0.load(std::sync::atomic::Ordering::Relaxed);
            assert!(
                bytes <= text.len() as u64 * 11 / 10,
                "{row:?} in partitions of {partition}: {bytes} of {}",
                text.len()
            );
        }
    }
    // One field of nothing but quotes, which all partitions but the first are the middle of.
    let text = format!("h\n\"{}\"\n", "\"".repeat(100_000));
    let table = session(997).read_csv(Paths::bytes("f", text)).compute().unwrap();
    assert_eq!(texts(&table), [["\"".repeat(50_000)]]);
}

#[test]
fn names_that_are_told_need_no_rows() {
    let options = || CsvOptions::new().names(["x", "y"]);
    assert_eq!(read(b"", options(), 1 << 20).unwrap(), Vec::<Vec<String>>::new());
    assert_eq!(read(b"\n\n", options(), 1 << 20).unwrap(), Vec::<Vec<String>>::new());
    assert_eq!(read(b"a,b\n", options().skip_rows(1), 1 << 20).unwrap(), Vec::<Vec<String>>::new());
    assert_eq!(read(b"a,b\n1,2\n", options().skip_rows(1), 4).unwrap(), [["1", "2"]]);
    assert!(read(b"", CsvOptions::new(), 1 << 20).unwrap_err().message().contains("is empty"));
}
