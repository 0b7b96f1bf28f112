// What must hold for any input: shared by the fuzz targets and by tests/fuzz.rs. The first bytes choose options, the rest is the file.

use partita::prelude::*;
use partita::{Infer, LineEnd, OnBadRow, Paths, Ragged, Session, Simd};

/// What must hold for an input.
pub type Check = fn(&[u8]);

/// Each check by its name.
pub const CHECKS: [(&str, Check); 5] =
    [("fields", fields), ("cuts", cuts), ("decode", decode), ("sniffer", sniffer), ("encodings", encodings)];

fn session(partition: usize) -> Session {
    Session::builder().threads(1).partition_size(partition).build().expect("the settings are valid")
}

/// The table as text, or the whole error.
fn read(file: &[u8], options: CsvOptions, partition: usize) -> Result<String, String> {
    let frame = session(partition).read_csv_with(Paths::bytes("f", file.to_vec()), options);
    frame.compute().map(|table| format!("{:?}\n{table}", table.schema())).map_err(|error| error.to_string())
}

/// Options out of a byte or two, and what is left.
fn dialect(data: &[u8]) -> (CsvOptions, &[u8]) {
    let (&[a, b], file) = data.split_first_chunk().unwrap_or((&[0, 0], data));
    let delimiter = [",", ";", "||", "\t"][usize::from(a & 3)];
    let mut options = CsvOptions::new().delimiter(delimiter).trim(a & 4 != 0).keep_blank_lines(a & 8 != 0);
    options = options.stray_quotes(a & 16 != 0).header(a & 32 == 0);
    if a & 64 != 0 {
        options = options.escape(b'\\');
    }
    if a & 128 != 0 {
        options = options.comment("#");
    }
    options =
        options.line_end([LineEnd::Auto, LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr, LineEnd::Any][usize::from(b % 5)]);
    options = options.ragged([Ragged::Error, Ragged::Fill, Ragged::Truncate][usize::from(b / 5 % 3)]);
    if b & 64 != 0 {
        options = options.on_bad_row(OnBadRow::Skip { at_most: u64::MAX });
    }
    if b & 128 != 0 {
        options = options.quote(None);
    }
    (options, file)
}

/// What the best instructions find and read, all others do too, down to the automaton.
pub fn fields(data: &[u8]) {
    let (options, file) = dialect(data);
    for options in [options.clone().all_text(true), options] {
        let best = read(file, options.clone(), 1 << 20);
        for simd in [Simd::Avx2, Simd::Portable, Simd::Scalar] {
            assert_eq!(read(file, options.clone().simd(simd), 1 << 20), best, "{simd:?}");
        }
    }
}

/// The first line of an error: what, without the place's dialect.
fn kind(error: String) -> String {
    error.lines().next().unwrap_or_default().to_owned()
}

/// The answer, or the error, is the same wherever partitions are cut.
pub fn cuts(data: &[u8]) {
    let (options, file) = dialect(data);
    let whole = read(file, options.clone().all_text(true), 1 << 20);
    for partition in [1, 2, 3, 7, 16, 61] {
        if file.len() / partition < 400 {
            assert_eq!(read(file, options.clone().all_text(true), partition), whole, "partitions of {partition}");
        }
    }
}

/// Types that were inferred from everything hold everything: no value is refused.
pub fn decode(data: &[u8]) {
    let (options, file) = dialect(data);
    if let Err(error) = read(file, options.infer(Infer::Full).strict(true).replace_undecodable(true), 1 << 20) {
        assert!(!error.starts_with("column '"), "{error}");
    }
}

/// What is sniffed can be read as it was told.
pub fn sniffer(data: &[u8]) {
    let frame = session(1 << 20).read_csv_with(Paths::bytes("f", data.to_vec()), CsvOptions::new().sniff());
    if let Ok(report) = frame.dialect_report() {
        let told = report.into_iter().try_fold(CsvOptions::new(), |options, (name, value)| options.set(name, value));
        let told = told.expect("what is reported can be set").all_text(true);
        assert_eq!(
            read(data, told, 1 << 20).map_err(kind),
            read(data, CsvOptions::new().sniff().all_text(true), 1 << 20).map_err(kind)
        );
    }
}

/// Any bytes in any encoding end in a table or an error.
pub fn encodings(data: &[u8]) {
    const LABELS: [&str; 8] =
        ["utf-8", "latin1", "utf-16le", "utf-16be", "shift_jis", "gb18030", "iso-2022-jp", "big5"];
    let (&choice, file) = data.split_first().unwrap_or((&0, data));
    let options = || CsvOptions::new().encoding(LABELS[usize::from(choice) % LABELS.len()]).ragged(Ragged::Truncate);
    assert_eq!(read(file, options(), 1 << 20), read(file, options(), 5.max(file.len() / 50)));
    if let Err(error) = read(file, options().replace_undecodable(true), 1 << 20) {
        assert!(!error.contains(" is not "), "{error}");
    }
}
