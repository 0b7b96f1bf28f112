//! Settings that runs share, and how sizes such as `512MB` are read.

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
    /// The size of a partition that reading aims at, in bytes.
    pub partition_bytes: u64,
    /// How many partial results one merge takes.
    pub split_every: usize,
}

/// What a partition holds unless told otherwise: 100 MB of the file.
pub(crate) const PARTITION_BYTES: u64 = 100_000_000;

/// How many partial results one merge takes unless told otherwise.
pub(crate) const SPLIT_EVERY: usize = 8;

/// The smallest memory limit of a session, 16 MiB: room for the blocks and batches of a scan and a table of groups on one thread. Below it
/// every run would be refused.
pub(crate) const MIN_MEMORY: usize = 16 << 20;

/// The most threads of a session: beyond any machine we know of, and short of what a system refuses.
pub(crate) const MAX_THREADS: usize = 1024;

/// Reads a size: a number of bytes, or a number with `KB`, `MB`, `GB`, `TB` (powers of 1000) or
/// `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024); case and spaces do not matter, `K`, `M`, `G`, `T` are powers of 1024.
///
/// # Errors
/// [`ErrorKind::Config`] when the text is no size, or the size is beyond what the machine can address.
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
    let bytes = number * factor;
    if bytes >= usize::MAX as f64 { Err(wrong()) } else { Ok(bytes as usize) }
}

/// Writes a size for people: three significant digits and a decimal unit.
pub(crate) fn format_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    match value {
        v if unit == "B" || v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_written() {
        for (text, bytes) in [("0", 0), ("12", 12), ("1kb", 1000), ("1 KiB", 1024), ("2g", 2 << 30), ("0.5MB", 500_000)]
        {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MB", "1XB", "-1", "1e400", "99999999999TB", "1..2"] {
            assert_eq!(parse_bytes(text).unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
        assert_eq!(format_bytes(999), "999 B");
        assert_eq!(format_bytes(1_830_000_000), "1.83 GB");
        assert_eq!(format_bytes(262_144), "262 kB");
    }
}
