//! Other encodings than UTF-8: what is read is what the whole file says, decoded at once; what cannot be decoded has a place.

mod common;

use common::{Files, Value, rows, session, sessions};
use encoding_rs::Encoding;
use partita::prelude::*;
use proptest::prelude::*;

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The text in an encoding, which must have all of its characters. (encoding_rs writes no UTF-16.)
fn encode(label: &str, text: &str) -> Vec<u8> {
    match label {
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => {
            let (bytes, _, unmappable) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
            assert!(!unmappable, "{label}: {text}");
            bytes.into_owned()
        }
    }
}

/// Labels, each with a text that its encoding has.
const TEXTS: [(&str, &str); 14] = [
    ("ISO-8859-1", "Côte d'Ivoire, Åland, Curaçao €"),
    ("latin1", "Réunion"),
    ("ISO-8859-2", "Česko, Łódź"),
    ("KOI8-R", "Россия"),
    ("windows-1253", "Ελλάδα"),
    ("macintosh", "Türkiye"),
    ("Shift_JIS", "日本、表示ソ能"),
    ("EUC-JP", "日本、表示ソ能"),
    ("GBK", "中国，俞蔡"),
    ("gb18030", "中国𠮷é"),
    ("Big5", "臺灣功許蓋"),
    ("EUC-KR", "대한민국 똠방각하"),
    ("ISO-2022-JP", "日本、表示ソ能"),
    ("UTF-16LE", "🙂 Čeština, 日本"),
];

#[test]
fn every_kind_of_encoding_reads_as_its_utf8_twin() {
    for (label, words) in TEXTS {
        // Some of the texts are only ASCII; some hold delimiters, quotes, line breaks; the last line has no end.
        let mut text = format!("n,{words}x,plain\n").replace(&format!("{words}x"), &format!("\"{words}x\""));
        for i in 0..120 {
            text += &match i % 4 {
                0 => format!("{i},\"{words}\",abc\n"),
                1 => format!("{i},\"he said \"\"{words}\"\"\nand left\",\"{words}\"\r\n"),
                2 => format!("{i},,x\n"),
                _ => format!("{i},plain,\"\"\n"),
            };
        }
        text.pop();
        let files = Files::new(&[("coded.csv", &encode(label, &text)), ("utf8.csv", text.as_bytes())]);
        let expected = session(1 << 20).read_csv(files.path("utf8.csv"));
        assert_eq!(expected.schema().unwrap().field(1).name(), &format!("{words}x"));
        let nulls = || CsvOptions::new().nulls([words]);
        let expected_nulls = session(1 << 20).read_csv_with(files.path("utf8.csv"), nulls()).compute().unwrap();
        let expected = expected.compute().unwrap();
        for (name, session) in sessions().into_iter().chain([("tiny partitions", session(7))]) {
            let read = |options: CsvOptions| session.read_csv_with(files.path("coded.csv"), options.encoding(label));
            assert_eq!(rows(&read(CsvOptions::new()).compute().unwrap()), rows(&expected), "{label}, {name}");
            assert_eq!(rows(&read(nulls()).compute().unwrap()), rows(&expected_nulls), "{label}, {name}");
            let name_of = expected.schema().field(1).name().clone();
            let filtered = read(CsvOptions::new()).filter(col(&name_of).eq(words)).agg([col("n").sum()]);
            assert_eq!(rows(&filtered.compute().unwrap()), [[Value::Int((0..30).map(|i| 4 * i).sum())]], "{label}");
        }
    }
}

#[test]
fn delimiters_that_are_part_of_characters() {
    // 0x7C is `|`, and the second byte of characters in these encodings; so are letters.
    for (label, words) in [("Shift_JIS", "弌ポゾ"), ("GBK", "瓅弢"), ("Big5", "育")] {
        let bytes = encode(label, words);
        for delimiter in [b'|', *bytes.iter().find(|b| b.is_ascii()).unwrap_or(&b'|')] {
            if matches!(delimiter, b'a' | b'n') {
                continue;
            }
            let d = char::from(delimiter);
            let text = format!("a{d}b\n1{d}{words}\n2{d}n\n");
            let files = Files::new(&[("f.csv", &encode(label, &text))]);
            for partition in [1, 1000] {
                let options = CsvOptions::new().encoding(label).delimiter(delimiter);
                let table = session(partition).read_csv_with(files.path("f.csv"), options).compute().unwrap();
                assert_eq!(rows(&table), [[Value::Int(1), t(words)], [Value::Int(2), t("n")]], "{label} {d}");
            }
        }
    }
}

#[test]
fn real_country_codes_in_latin_1() {
    for (name, count) in [
        ("country_codes.csv", None),
        ("country_codes_V202001.csv", None),
        ("country_codes_V202201_crlf.csv", None::<usize>),
    ] {
        let path = format!("testdata/baci/{name}");
        let bytes = std::fs::read(&path).unwrap();
        assert!(std::str::from_utf8(&bytes).is_err(), "{name} is in Latin-1");
        let (text, _, _) = encoding_rs::WINDOWS_1252.decode(&bytes);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let expected: Vec<Vec<String>> =
            reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        assert!(count.unwrap_or(expected.len()) > 200);
        for (_, session) in sessions() {
            let options = || names.iter().fold(CsvOptions::new(), |o, n| o.dtype(n, Type::Text));
            let table = session.read_csv_with(&path, options().encoding("ISO-8859-1")).compute().unwrap();
            let got: Vec<Vec<String>> = rows(&table)
                .into_iter()
                .map(|row| {
                    let text = |value| if let Value::Text(text) = value { text } else { String::new() };
                    row.into_iter().map(text).collect()
                })
                .collect();
            assert_eq!(got, expected, "{name}");
            assert!(got.iter().flatten().any(|name| name.contains("Côte d'Ivoire")), "{name}");
            // Without the encoding, it says so.
            let e = session.read_csv_with(&path, options()).compute().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Value);
            assert!(e.to_string().contains("CsvOptions::encoding"), "{e}");
        }
    }
}

#[test]
fn what_cannot_be_decoded_has_its_place() {
    let text = [b"n,name,rest\n1,".as_slice(), &encode("Shift_JIS", "日本"), b",a\n2,\"x\ny\x83\",b\n3,z,c\n"].concat();
    let byte = text.windows(2).position(|w| w == b"\x83\"").unwrap() as u64;
    let files = Files::new(&[("f.csv", &text)]);
    for partition in [1, 5, 1000] {
        let df = session(partition).read_csv_with(files.path("f.csv"), CsvOptions::new().encoding("Shift_JIS"));
        let e = df.compute().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Value);
        let position = e.position().unwrap();
        assert_eq!((position.line, position.byte), (Some(4), Some(byte)), "{e}");
        assert_eq!(position.column.as_deref(), Some("name"));
        assert!(e.message().contains("is not Shift_JIS"), "{e}");
        // What is not asked for is not decoded.
        assert_eq!(df.select(["n", "rest"]).compute().unwrap().num_rows(), 3);
    }
    // The same bytes where the file must be rewritten: found at once.
    let piped: Vec<u8> = text.iter().map(|&b| if b == b',' { b'|' } else { b }).collect();
    let files = Files::new(&[("f.csv", &piped)]);
    let options = CsvOptions::new().encoding("Shift_JIS").delimiter(b'|');
    let e = read_csv_with(files.path("f.csv"), options).schema().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Value);
    assert_eq!((e.position().unwrap().line, e.position().unwrap().byte), (Some(4), Some(byte)), "{e}");
    // A byte without a character, in a text and in the header.
    let files = Files::new(&[("f.csv", b"a,b\n1,x\xAA\n"), ("h.csv", b"a,b\xAA\n1,x\n")]);
    for (name, line, byte) in [("f.csv", 2, 7), ("h.csv", 1, 3)] {
        let e = read_csv_with(files.path(name), CsvOptions::new().encoding("windows-1253")).compute().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Value);
        assert_eq!((e.position().unwrap().line, e.position().unwrap().byte), (Some(line), Some(byte)), "{e}");
    }
    // A number is no text: its own error, its bytes shown as they read.
    let files = Files::new(&[("f.csv", b"a,b\n1,2\n3,caf\xE9\n")]);
    let options = CsvOptions::new().encoding("latin1").dtype("b", Type::Int64);
    let e = read_csv_with(files.path("f.csv"), options).compute().unwrap_err();
    assert!(e.message().contains("\"café\" is not"), "{e}");
    assert_eq!((e.position().unwrap().line, e.position().unwrap().byte), (Some(3), Some(10)), "{e}");
}

#[test]
fn utf_16_by_its_mark_and_by_its_label() {
    let mut text = "n,né\n".to_owned();
    for i in 0..500 {
        text += &format!("{i},\"日本 🙂\n{i}\"\r\n");
    }
    let files = Files::new(&[
        ("le.csv", &encode("UTF-16LE", &text)),
        ("be.csv", &encode("UTF-16BE", &text)),
        ("bom_le.csv", &encode("UTF-16LE", &format!("\u{feff}{text}"))),
        ("bom_be.csv", &encode("UTF-16BE", &format!("\u{feff}{text}"))),
        ("bom_8.csv", format!("\u{feff}{text}").as_bytes()),
        ("utf8.csv", text.as_bytes()),
    ]);
    let expected = session(1 << 20).read_csv(files.path("utf8.csv")).compute().unwrap();
    for (name, label) in [
        ("le.csv", "utf-16"),
        ("le.csv", "UTF-16LE"),
        ("be.csv", "UTF-16BE"),
        ("bom_le.csv", "UTF-16BE"),
        ("bom_be.csv", "UTF-16"),
        ("bom_8.csv", "ISO-8859-1"),
        ("bom_le.csv", "UTF-8"),
    ] {
        for partition in [50, 1000, 1 << 20] {
            let df = session(partition).read_csv_with(files.path(name), CsvOptions::new().encoding(label));
            assert_eq!(rows(&df.compute().unwrap()), rows(&expected), "{name} as {label}");
            assert_eq!(rows(&df.agg([size()]).compute().unwrap()), [[Value::Int(500)]]);
            // All of a glob, each in its own way.
            let all = session(partition).read_csv(files.path("bom*.csv")).agg([size()]).compute().unwrap();
            assert_eq!(rows(&all), [[Value::Int(1500)]]);
        }
    }
}

#[test]
fn errors_in_rewritten_files_are_at_their_own_bytes() {
    // Far into the file, so that its place is found over several chunks.
    let mut text = "n,né\n".to_owned();
    for i in 0..40_000 {
        text += &format!("{i},日本é🙂\n");
    }
    let bad = text.chars().take_while(|&c| c != 'x').map(char::len_utf16).sum::<usize>();
    text += "12x,y\n13,z\n";
    let files = Files::new(&[("f.csv", &encode("UTF-16BE", &format!("\u{feff}{text}")))]);
    for partition in [100_000, 1 << 30] {
        let options = CsvOptions::new().encoding("utf-16").dtype("n", Type::Int64);
        let e = session(partition).read_csv_with(files.path("f.csv"), options).compute().unwrap_err();
        assert!(e.message().contains("\"12x\" is not"), "{e}");
        let position = e.position().unwrap();
        assert_eq!((position.line, position.byte), (Some(40_002), Some(2 * (bad as u64 + 1))), "{e}");
    }
    // Half a character at the end, a lone surrogate in the middle.
    let mut odd = encode("UTF-16LE", "a,b\n1,2\n");
    odd.push(0x41);
    let lone = [encode("UTF-16LE", "a,b\n1,"), vec![0x00, 0xD8], encode("UTF-16LE", "\n3,4\n")].concat();
    let files = Files::new(&[("odd.csv", &odd), ("lone.csv", &lone)]);
    for (name, line, byte) in [("odd.csv", 3, 16), ("lone.csv", 2, 12)] {
        let e = read_csv_with(files.path(name), CsvOptions::new().encoding("utf-16le")).compute().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Value);
        assert_eq!((e.position().unwrap().line, e.position().unwrap().byte), (Some(line), Some(byte)), "{e}");
    }
}

#[test]
fn what_decides_a_type_is_told_by_its_line() {
    let files = Files::new(&[("f.csv", &encode("UTF-16LE", "a\n1\n2.5\nx\n"))]);
    let report = read_csv_with(files.path("f.csv"), CsvOptions::new().encoding("utf-16")).column_report().unwrap();
    assert_eq!(report[0].decided_at.as_ref().unwrap().1, 4);
}

#[test]
fn labels_that_are_none() {
    for label in ["latin", "utf-99", "", "replacement", "hz-gb-2312"] {
        let e =
            read_csv_with("testdata/baci/country_codes.csv", CsvOptions::new().encoding(label)).schema().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config, "{label}");
        assert!(e.to_string().contains("ISO-8859-1") && e.to_string().contains(&format!("'{label}'")), "{e}");
    }
}

/// The encodings of the WHATWG's standard, but for UTF-16, which is tested by itself, each by its name and another label of its own.
const ALL: [(&str, &str); 37] = [
    ("UTF-8", "unicode-1-1-utf-8"),
    ("IBM866", "cp866"),
    ("ISO-8859-2", "l2"),
    ("ISO-8859-3", "latin3"),
    ("ISO-8859-4", "iso-ir-110"),
    ("ISO-8859-5", "cyrillic"),
    ("ISO-8859-6", "arabic"),
    ("ISO-8859-7", "greek"),
    ("ISO-8859-8", "hebrew"),
    ("ISO-8859-8-I", "logical"),
    ("ISO-8859-10", "latin6"),
    ("ISO-8859-13", "iso885913"),
    ("ISO-8859-14", "iso8859-14"),
    ("ISO-8859-15", "l9"),
    ("ISO-8859-16", "iso-8859-16"),
    ("KOI8-R", "koi"),
    ("KOI8-U", "koi8-ru"),
    ("macintosh", "mac"),
    ("windows-874", "tis-620"),
    ("windows-1250", "cp1250"),
    ("windows-1251", "x-cp1251"),
    ("windows-1252", "us-ascii"),
    ("windows-1253", "cp1253"),
    ("windows-1254", "latin5"),
    ("windows-1255", "cp1255"),
    ("windows-1256", "x-cp1256"),
    ("windows-1257", "cp1257"),
    ("windows-1258", "cp1258"),
    ("x-mac-cyrillic", "x-mac-ukrainian"),
    ("GBK", "gb2312"),
    ("gb18030", "GB18030"),
    ("Big5", "big5-hkscs"),
    ("EUC-JP", "x-euc-jp"),
    ("ISO-2022-JP", "csiso2022jp"),
    ("Shift_JIS", "sjis"),
    ("EUC-KR", "korean"),
    ("x-user-defined", "x-user-defined"),
];

/// Characters that the encoding has, beyond ASCII, and gives back.
fn letters(name: &str, encoding: &'static Encoding) -> String {
    let comes_back = |c: &char| {
        let text = c.to_string();
        let (bytes, _, unmappable) = encoding.encode(&text);
        !unmappable && encoding.decode_without_bom_handling(&bytes).0 == text
    };
    let letters = ('\u{a1}'..='\u{ffff}').filter(|c| c.is_alphabetic() || name == "x-user-defined");
    letters.filter(comes_back).take(40).collect()
}

#[test]
fn every_label_of_the_standard_is_known() {
    let list = std::fs::read_to_string("testdata/encodings.txt").unwrap();
    let mut labels = 0;
    for line in list.lines() {
        let (name, of_name) = line.split_once(": ").unwrap();
        labels += of_name.split(' ').count();
        if name == "replacement" {
            // What the standard has nobody decode.
            for label in of_name.split(' ') {
                let read = read_csv_with("testdata/baci/country_codes.csv", CsvOptions::new().encoding(label));
                assert_eq!(read.schema().unwrap_err().kind(), ErrorKind::Config, "{label}");
            }
            continue;
        }
        // Of UTF-16 the letters of any encoding will do.
        let of_letters =
            if name.starts_with("UTF-16") { encoding_rs::UTF_8 } else { Encoding::for_label(name.as_bytes()).unwrap() };
        let letters = letters(name, of_letters);
        let files = Files::new(&[("f.csv", &encode(name, &format!("{letters},n\n{letters},1\n")))]);
        for label in of_name.split(' ').chain([of_name.split(' ').next().unwrap().to_uppercase().as_str()]) {
            let table = session(20).read_csv_with(files.path("f.csv"), CsvOptions::new().encoding(label)).compute();
            let table = table.unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_eq!(table.schema().field(0).name(), &letters, "{label}");
            assert_eq!(rows(&table), [[t(&letters), Value::Int(1)]], "{label}");
        }
    }
    assert_eq!((list.lines().count(), labels), (40, 228));
}

#[test]
fn all_encodings_of_the_standard_are_read() {
    for (name, other) in ALL {
        let encoding = Encoding::for_label(name.as_bytes()).unwrap();
        let letters = letters(name, encoding);
        assert!(letters.chars().count() > 20, "{name} {letters}");
        let text = format!("{letters},n\n\"{letters}\n\",1\nx,2\n");
        let files = Files::new(&[("f.csv", &encoding.encode(&text).0)]);
        for (label, partition) in [(name, 7), (other, 1 << 30), (name.to_lowercase().as_str(), 30)] {
            let table =
                session(partition).read_csv_with(files.path("f.csv"), CsvOptions::new().encoding(label)).compute();
            let table = table.unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_eq!(table.schema().field(0).name(), &letters, "{label}");
            let expected = [vec![t(&format!("{letters}\n")), Value::Int(1)], vec![t("x"), Value::Int(2)]];
            assert_eq!(rows(&table), expected, "{label}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_bytes_in_any_encoding_are_a_table_or_an_error(
        label in prop::sample::select(TEXTS.map(|(label, _)| label).to_vec()),
        body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"a1,,\n\n\"\r\0\x1b$B\x83\x5c\xa4\x7c"[..])], 0..120),
        delimiter in prop::sample::select(&b",|"[..]),
        partition in 1usize..60,
    ) {
        let header = if label == "UTF-16LE" { encode(label, "a|b\n") } else { b"a|b\n".to_vec() };
        let header: Vec<u8> = header.into_iter().map(|b| if b == b'|' { delimiter } else { b }).collect();
        let files = Files::new(&[("f.csv", &[header, body].concat())]);
        let read = |partition| {
            let options = CsvOptions::new().encoding(label).delimiter(delimiter);
            let read = session(partition).read_csv_with(files.path("f.csv"), options).compute();
            read.map(|t| format!("{:?}", rows(&t))).map_err(|e| (e.kind(), e.position().cloned()))
        };
        // The same answer, or the same error at the same place, however it is cut.
        let whole = read(1 << 20);
        prop_assert_eq!(&read(partition), &whole);
        prop_assert!(!matches!(whole, Err((ErrorKind::Internal | ErrorKind::Panic, _))));
    }

    #[test]
    fn any_text_in_any_encoding_is_itself(
        (label, words) in prop::sample::select(TEXTS.to_vec()),
        picks in prop::collection::vec(prop::array::uniform2(prop::collection::vec(any::<prop::sample::Index>(), 0..9)), 1..30),
        partition in 1usize..200,
    ) {
        let alphabet: Vec<char> = words.chars().chain("ab,\"\n ".chars()).collect();
        let table: Vec<[String; 2]> = picks.iter().map(|row| row.each_ref().map(|field| field.iter().map(|i| *i.get(&alphabet)).collect())).collect();
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(vec![]);
        writer.write_record(["a", "b"]).unwrap();
        for row in &table {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let files = Files::new(&[("f.csv", &encode(label, &text))]);
        let options = CsvOptions::new().encoding(label).dtype("a", Type::Text).dtype("b", Type::Text);
        let got = rows(&session(partition).read_csv_with(files.path("f.csv"), options).compute().unwrap());
        let expected: Vec<Vec<Value>> = table.iter().map(|row| row.iter().map(|s| t(s)).collect()).collect();
        prop_assert_eq!(got, expected);
    }
}
