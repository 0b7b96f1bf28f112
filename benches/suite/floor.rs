//! The floor: what it costs only to read the files, found by counting their lines.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;

/// Small enough to stay in a core's cache between being read and being counted.
const BUFFER: usize = 256 << 10;

/// The process that counts the lines of the files in so many parts at once.
pub fn command(threads: usize, files: &[PathBuf]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor").arg(threads.to_string()).args(files);
    Ok(command)
}

/// Starts a process for every part, and prints the sum of what they count.
pub fn count_in_parts(parts: &str, files: &[&str]) -> Result<()> {
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for part in 0..parts.parse::<u64>()? {
        let mut command = Command::new(&program);
        command.args(["count", &part.to_string(), parts]).args(files);
        children.push(command.stdout(Stdio::piped()).spawn()?);
    }
    let mut lines = 0;
    for child in children {
        let output = child.wait_with_output()?;
        lines += String::from_utf8(output.stdout)?.trim().parse::<u64>()?;
    }
    println!("{lines}");
    Ok(())
}

/// Prints how many newlines this part of every file has.
pub fn count_part(part: &str, parts: &str, files: &[&str]) -> Result<()> {
    let (part, parts) = (part.parse::<u64>()?, parts.parse::<u64>()?);
    let mut buffer = vec![0; BUFFER];
    let mut lines = 0;
    for path in files {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let (start, end) = (bytes * part / parts, bytes * (part + 1) / parts);
        file.seek(SeekFrom::Start(start))?;
        let mut rest = file.take(end - start);
        loop {
            match rest.read(&mut buffer)? {
                0 => break,
                n => lines += newlines(&buffer[..n]),
            }
        }
    }
    println!("{lines}");
    Ok(())
}

/// Counts in bytes, 255 of which are as many as such a counter holds. Arrays of a fixed size are what the compiler makes
/// vectors of: some 100 GB/s, where counting one by one gives 2, which is less than reading does.
pub fn newlines(bytes: &[u8]) -> u64 {
    const LANES: usize = 64;
    let (groups, rest) = bytes.as_chunks::<LANES>();
    let mut lines = rest.iter().filter(|&&byte| byte == b'\n').count() as u64;
    for stretch in groups.chunks(255) {
        let mut counters = [0u8; LANES];
        for group in stretch {
            for lane in 0..LANES {
                counters[lane] += u8::from(group[lane] == b'\n');
            }
        }
        lines += counters.iter().map(|&counter| u64::from(counter)).sum::<u64>();
    }
    lines
}
