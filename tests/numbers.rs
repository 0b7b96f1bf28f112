//! Numbers are read exactly.

mod common;

use common::{Value, rows, session};
use partita::prelude::*;
use partita::{Paths, Simd};

/// One column of floats from these texts, by the best instructions of this processor.
fn floats(texts: &[&str]) -> Vec<f64> {
    floats_by(Simd::Best, texts)
}

fn floats_by(simd: Simd, texts: &[&str]) -> Vec<f64> {
    let text = format!("x\n{}\n", texts.join("\n"));
    let options = CsvOptions::new().dtype("x", Type::Float64).simd(simd);
    let table = session(1 << 16).read_csv_with(Paths::bytes("f", text), options).compute().unwrap();
    rows(&table).into_iter().map(|row| if let Value::Float(x) = row[0] { x } else { panic!("{row:?}") }).collect()
}

#[test]
fn hard_cases_of_rounding() {
    let mut files = 0;
    for entry in std::fs::read_dir("testdata/floats").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines: Vec<(u64, &str)> = text
            .lines()
            .map(|line| {
                let mut parts = line.split(' ').skip(2);
                (u64::from_str_radix(parts.next().unwrap(), 16).unwrap(), parts.next().unwrap())
            })
            .collect();
        let texts: Vec<&str> = lines.iter().map(|(_, text)| *text).collect();
        for simd in [Simd::Best, Simd::Portable, Simd::Scalar] {
            for (got, (bits, text)) in floats_by(simd, &texts).into_iter().zip(&lines) {
                assert_eq!(got.to_bits(), *bits, "{text} by {simd:?}");
            }
        }
        files += 1;
    }
    assert_eq!(files, 4);
}

/// A generator of our own (SplitMix64): the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[test]
fn millions_of_random_floats_as_the_standard_library_reads_them() {
    let mut random = Random(7);
    for round in 0..24 {
        let texts: Vec<String> = (0..100_000)
            .map(|i| {
                let bits = random.next();
                match i % 5 {
                    // Any bit pattern, in the shortest form and in a long one.
                    0 => format!("{:e}", f64::from_bits(bits)),
                    1 => format!("{}", f64::from_bits(bits >> 2 | 0x3000_0000_0000_0000)),
                    // As prices and measurements are written.
                    2 => format!("{}.{:03}", bits % 1_000_000, bits >> 32 & 511),
                    3 => format!("{}.{}", bits % 100_000_000, bits >> 40),
                    _ => format!("{}e{}", bits, bits as i8),
                }
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let simd = [Simd::Best, Simd::Portable, Simd::Scalar][round % 3];
        for (got, text) in floats_by(simd, &texts).into_iter().zip(&texts) {
            let expected: f64 = text.parse().unwrap();
            assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{text}: {got:?}");
        }
    }
}

#[test]
fn signed_zeros_infinities_and_the_ends_of_integers() {
    let got = floats(&["-0", "0", "-0.0", "inf", "-inf", "+Infinity", "1e400", "-1e400", "1e-400", "9007199254740993"]);
    let expected = [
        -0.0,
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        9007199254740992.0,
    ];
    assert_eq!(got.map_bits(), expected.map_bits());
    let text = "x\n9223372036854775807\n-9223372036854775808\n+000000000000000000000000000001\n";
    let table = session(1000).read_csv(Paths::bytes("f", text)).compute().unwrap();
    assert_eq!(rows(&table), [[Value::Int(i64::MAX)], [Value::Int(i64::MIN)], [Value::Int(1)]]);
    for text in ["0x10", "1_000", "1,5", "1e", "--1", "1.2.3", "½", "１"] {
        let options = CsvOptions::new().delimiter(';');
        let schema = read_csv_with(Paths::bytes("f", format!("x\n{text}\n")), options).schema().unwrap();
        assert_eq!(Type::of(schema.field(0).data_type()), Some(Type::Text), "{text}");
    }
}

trait MapBits {
    fn map_bits(&self) -> Vec<u64>;
}

impl<T: AsRef<[f64]>> MapBits for T {
    fn map_bits(&self) -> Vec<u64> {
        self.as_ref().iter().map(|x| x.to_bits()).collect()
    }
}
