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
    /// Where there are few in all, there are a multiple of so many: all threads have as much to do.
    pub multiple_of: u64,
}

impl PartitionSize {
    /// The bytes of each of the partitions of so many bytes.
    pub(crate) fn of(self, all: u64) -> u64 {
        let count = all.div_ceil(self.bytes.max(1));
        if count < 2 || count > 4 * self.multiple_of {
            return self.bytes;
        }
        all.div_ceil(count.next_multiple_of(self.multiple_of.max(1)))
    }
}

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
    fn few_partitions_are_as_many_for_each_thread() {
        let count = |all: u64, bytes, multiple_of| all.div_ceil(PartitionSize { bytes, multiple_of }.of(all));
        assert_eq!([1, 99, 100].map(|all| count(all, 100, 4)), [1; 3]);
        assert_eq!([101, 350, 400, 401, 1600].map(|all| count(all, 100, 4)), [4, 4, 4, 8, 16]);
        // Of many, one more or less does not matter.
        assert_eq!(count(1601, 100, 4), 17);
        // A size that was asked for is what it is.
        assert_eq!([101, 250].map(|all| count(all, 100, 1)), [2, 3]);
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
