//! Measurements in the shape of the one billion row challenge: `station;temperature`, without a header.
//!
//! There are 413 stations, named after countries; each has a mean temperature, about which its measurements lie with a
//! standard deviation of ten degrees.

use std::collections::BTreeSet;

use super::keys::COUNTRIES;
use super::random::{Random, normal};

/// As many as the challenge has.
const STATIONS: usize = 413;
/// The standard deviation, in thousandths of a degree.
const DEVIATION: i64 = 10_000;

/// Writes any row.
pub(super) struct Stations {
    random: Random,
    /// Each with its mean in tenths.
    stations: Vec<(String, i64)>,
}

impl Stations {
    pub(super) fn new(seed: u64) -> Stations {
        let random = Random::new(seed).fork(4);
        // Up to the first comma of a name that is quoted; what comes out twice counts once.
        let names = COUNTRIES.lines().skip(1).filter_map(|line| line.split(',').nth(1));
        let names: BTreeSet<&str> = names.map(|name| name.trim_matches('"')).collect();
        let names = || names.iter().copied();
        let names = names().map(str::to_owned).chain(names().map(|name| format!("{name} North"))).take(STATIONS);
        let means = random.fork(0);
        let stations = (0..).zip(names).map(|(n, name)| (name, means.below(n, 401) as i64 - 100)).collect();
        Stations { random, stations }
    }

    pub(super) fn write(&self, row: u64, out: &mut Vec<u8>) {
        let draws = self.random.fork(row + 1);
        let (name, mean) = &self.stations[draws.below(0, self.stations.len() as u64) as usize];
        let tenths = (mean + ((normal([draws.at(1), draws.at(2)], DEVIATION) * 10) >> 16)).clamp(-999, 999);
        out.extend_from_slice(name.as_bytes());
        out.push(b';');
        if tenths < 0 {
            out.push(b'-');
        }
        let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
        out.extend_from_slice(format!("{whole}.{tenth}\n").as_bytes());
    }
}
