//! Positioned reads: of a file that shrinks under us they give an error, where a memory map would kill the process.

use std::fs::File;
use std::io;

/// Reads into `buffer` from `offset` on until it is full or the file ends; returns the bytes read.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// The line, counted from 1, that holds the byte at `offset`: the file is read up to there.
pub(crate) fn line_of(file: &File, offset: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 18];
    let (mut at, mut line) = (0, 1);
    while at < offset {
        let want = buffer.len().min((offset - at) as usize);
        let read = read_at(file, &mut buffer[..want], at)?;
        if read == 0 {
            break;
        }
        line += buffer[..read].iter().filter(|&&b| b == b'\n').count() as u64;
        at += read as u64;
    }
    Ok(line)
}
