//! Settings that runs share, and how sizes such as `512MB` and counts are read and written.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// The settings of a session, every one of them resolved.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Worker threads.
    pub threads: usize,
    /// What the runs may hold together, in bytes.
    pub memory: usize,
    /// Where spill files go.
    pub spill_dir: PathBuf,
    /// How much may lie there at one time, in bytes; `None`: as much as the disk holds.
    pub spill_limit: Option<u64>,
    /// Runs that read more than this, in bytes, leave nothing of it in the system's page cache.
    pub lean_bytes: u64,
    /// The size of a partition that reading aims at.
    pub partition_size: PartitionSize,
    /// How many partial results one merge takes.
    pub split_every: usize,
}

/// How large partitions are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartitionSize {
    /// At most so many bytes.
    pub bytes: u64,
    /// The threads that read them; none where partitions are to be as large as was asked for.
    pub threads: Option<u64>,
}

impl PartitionSize {
    /// The bytes of the next partition, where so many are left. The fewer there are, the smaller it is: all threads end at about the
    /// same time, and of little there is something for each (*Guided self-scheduling*, Polychronopoulos and Kuck, 1987).
    pub(crate) fn of_next(self, left: u64) -> u64 {
        let share = |threads: u64| left.div_ceil(threads.saturating_mul(SHARES).max(1)).max(SMALL_PARTITION);
        self.threads.map_or(self.bytes, |threads| self.bytes.min(share(threads)))
    }
}

/// A thread gets so many partitions at least of what is left, as long as they are not small.
const SHARES: u64 = 2;

/// To aim at smaller partitions would cost more than it spares.
const SMALL_PARTITION: u64 = 16_000_000;

/// What a partition holds unless told otherwise: 100 MB of the file.
pub(crate) const PARTITION_BYTES: u64 = 100_000_000;

/// How many partial results one merge takes unless told otherwise.
pub(crate) const SPLIT_EVERY: usize = 8;

/// The smallest memory limit of a session, 16 MiB: room for the blocks and batches of a scan and a table of groups on
/// one thread. Below it every run would be refused.
pub(crate) const MIN_MEMORY: usize = 16 << 20;

/// The most threads of a session: beyond any machine we know of, and short of what a system refuses.
pub(crate) const MAX_THREADS: usize = 1024;

/// Reads a size: a number of bytes, or a number with `KB`, `MB`, `GB`, `TB` (powers of 1000) or
/// `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024); case and spaces do not matter, `K`, `M`, `G`, `T` are powers of 1024.
///
/// # Errors
/// [`ErrorKind::Config`] when the text is no size, or the size is beyond what the machine can address. Parts of a
/// byte are rounded.
///
/// ```
/// # use partita::parse_bytes;
/// assert_eq!(parse_bytes("512MB").unwrap(), 512_000_000);
/// assert_eq!(parse_bytes("1.5 GiB").unwrap(), 1_610_612_736);
/// assert!(parse_bytes("many").is_err());
/// ```
pub fn parse_bytes(text: &str) -> Result<usize> {
    let wrong = || {
        Error::new(ErrorKind::Config, format!("'{text}' is not a size"))
            .help("write a number of bytes, or one with a unit: 512MB, 1.5GiB")
    };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024f64.powi(2),
        "g" | "gib" => 1024f64.powi(3),
        "t" | "tib" => 1024f64.powi(4),
        _ => return Err(wrong()),
    };
    // Rounded, as 1.001 KB is 1000.9999... in binary.
    let bytes = (number * factor).round();
    if bytes >= usize::MAX as f64 {
        return Err(Error::new(ErrorKind::Config, format!("'{text}' is more than this machine can address")));
    }
    Ok(bytes as usize)
}

/// Writes a size for people: three significant digits and a decimal unit.
pub(crate) fn format_bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = "kB";
    for larger in ["MB", "GB", "TB"] {
        // What would be written as 1000 is 1.00 of the next.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// `1 row`, `5,200 rows`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_smaller_towards_the_end() {
        const MB: u64 = 1_000_000;
        let size = PartitionSize { bytes: 100 * MB, threads: Some(2) };
        let of = |left: u64| size.of_next(left * MB) / MB;
        assert_eq!([100_000, 400, 200, 128, 10, 0].map(of), [100, 100, 50, 32, 16, 16]);
        // A size that was asked for is what it is.
        assert_eq!([0, 10_000].map(|left| PartitionSize { bytes: 7, threads: None }.of_next(left)), [7, 7]);
    }

    #[test]
    fn sizes_read_and_written() {
        let sizes =
            [("0", 0), ("12", 12), (" 7 b ", 7), ("1kb", 1000), ("1 KiB", 1024), ("2g", 2 << 30), ("0.5MB", 500_000)];
        for (text, bytes) in sizes {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(parse_bytes("1.001KB").unwrap(), 1001);
        for text in ["", "MB", "1XB", "-1", "1e400", "99999999999TB", "1..2", "NaN", "inf", "1 2", "\u{661}MB"] {
            assert_eq!(parse_bytes(text).unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (99_960, "100 kB"),
            (262_144, "262 kB"),
            (999_499, "999 kB"),
            (999_501, "1.00 MB"),
            (1_830_000_000, "1.83 GB"),
            (5_000_000_000_000_000, "5000 TB"),
        ] {
            assert_eq!(format_bytes(bytes), text, "{bytes}");
        }
    }
}
