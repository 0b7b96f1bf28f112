//! The checks of `fuzz/` on the stable toolchain: over the seeds, the corpus of `testdata/csv` and mutations of both.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::fs;

use checks::CHECKS;

/// SplitMix64: the same mutations in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for folder in ["testdata/csv", "fuzz/seeds"] {
        files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "csv" || e == "seed"));
    files.sort();
    files.into_iter().map(|path| fs::read(path).unwrap()).filter(|bytes| bytes.len() < 400).collect()
}

/// A few bytes changed, taken out, doubled, or put in from those that mean something.
fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: &[u8] = b",;|\"'\n\r\\# \t0x1.e-\0\xff\xc3";
    let mut bytes = seed.to_vec();
    for _ in 0..=random.next(4) {
        let at = random.next(bytes.len() + 1);
        match random.next(5) {
            0 => bytes.insert(at, TELLING[random.next(TELLING.len())]),
            1 if at < bytes.len() => _ = bytes.remove(at),
            2 if at < bytes.len() => bytes[at] = TELLING[random.next(TELLING.len())],
            3 => bytes.truncate(at),
            _ => bytes.splice(at..at, other.iter().copied().take(random.next(40))).for_each(drop),
        }
    }
    bytes
}

/// How many inputs each check gets.
fn rounds() -> usize {
    std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(600)
}

fn run(name: &str) {
    let (_, check) = CHECKS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds();
    let mut random = Random(name.len() as u64);
    for seed in &seeds {
        check(seed);
    }
    for _ in 0..rounds() {
        let input = mutate(&seeds[random.next(seeds.len())], &seeds[random.next(seeds.len())], &mut random);
        let shown = String::from_utf8_lossy(&input).into_owned();
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            eprintln!("{name} fails on {input:?}: {shown:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn the_field_index_agrees_with_the_automaton() {
    run("fields");
}

#[test]
fn cuts_change_nothing() {
    run("cuts");
}

#[test]
fn what_was_inferred_from_everything_holds_everything() {
    run("decode");
}

#[test]
fn what_is_sniffed_reads_as_told() {
    run("sniffer");
}

#[test]
fn any_bytes_in_any_encoding_end_well() {
    run("encodings");
}
