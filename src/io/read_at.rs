//! Positioned reads of inputs: files, parts of files of our own, bytes in memory.
//!
//! Of a file that shrinks under us they give an error, where a memory map would kill the process.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// The largest pieces in which a page cache keeps files: of one that is told to go in part, all stays.
pub(crate) const CACHED: u64 = 2 << 20;

/// What an open input's bytes are read from, at any place and by any number of readers.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A file of the user's.
    File(Arc<File>),
    /// So many bytes from `start` on of an unlinked file of ours, which nobody changes.
    Spooled { file: Arc<File>, start: u64, len: u64 },
    /// Bytes that the program gave.
    Memory(Bytes),
}

impl Input {
    /// How many bytes there are now.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Input::File(file) => Ok(file.metadata()?.len()),
            Input::Spooled { len, .. } => Ok(*len),
            Input::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads into `buffer` from `offset` on until it is full or the input ends; returns the bytes read.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Input::File(file) => read_file_at(file, buffer, offset),
            Input::Spooled { file, start, len } => {
                let left = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
                read_file_at(file, &mut buffer[..left], start + offset)
            }
            Input::Memory(bytes) => {
                let rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                Ok(read)
            }
        }
    }

    /// Tells the system that these bytes are not going to be read again: its page cache need not keep them. A hint, whose
    /// failure changes nothing.
    pub(crate) fn forget(&self, range: Range<u64>) {
        match self {
            Input::File(file) => forget(file, range),
            Input::Spooled { file, start, .. } => {
                // From a piece of the page cache on, which of part of a piece lets nothing go.
                let from = start + range.start;
                forget(file, from - from % CACHED..start + range.end);
            }
            Input::Memory(_) => {}
        }
    }
}

fn read_file_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
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

#[cfg(target_os = "linux")]
fn forget(file: &File, range: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    // A length of nothing would mean all that follows.
    if let Some(length) = std::num::NonZeroU64::new(range.end.saturating_sub(range.start)) {
        _ = fadvise(file, range.start, Some(length), Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File, _: Range<u64>) {}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// How many of the pages of a file are in memory; none where the file system does not tell.
    #[cfg(target_os = "linux")]
    fn cached(file: &File) -> Option<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let pages = file.metadata().unwrap().len().div_ceil(4096);
        let mut count = 0;
        for page in 0..pages {
            let mut byte = [0];
            match preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], page * 4096, ReadWriteFlags::NOWAIT) {
                Ok(_) => count += 1,
                Err(Errno::AGAIN) => {}
                Err(_) => return None,
            }
        }
        Some(count)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_forgotten_leaves_the_page_cache() {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![7; 8 << 20]).unwrap();
        // What is not on the disk yet can't go.
        file.sync_all().unwrap();
        let file = Arc::new(file);
        let input = Input::File(file.clone());
        input.read_at(&mut vec![0; 8 << 20], 0).unwrap();
        if cached(&file) != Some(2048) {
            return eprintln!("skipped: the file system does not tell what is cached");
        }
        input.forget(0..0);
        assert_eq!(cached(&file), Some(2048));
        // Caches keep files in pieces of up to 2 MiB.
        // The system keeps what it has in hand at that moment: it may have to be told again.
        let forgotten = |input: &Input, range: Range<u64>, most: usize| {
            for _ in 0..100 {
                input.forget(range.clone());
                if cached(&file).unwrap() <= most {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            panic!("{} pages are cached", cached(&file).unwrap());
        };
        forgotten(&input, 2 << 20..6 << 20, 1100);
        assert!(cached(&file).unwrap() >= 1024);
        forgotten(&Input::Spooled { file: file.clone(), start: 100, len: 8 << 20 }, 0..8 << 20, 64);
    }

    #[test]
    fn all_kinds_read_alike() {
        let bytes = b"a\nbc\nd";
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut spool = tempfile::tempfile().unwrap();
        spool.write_all(&[b"before", &bytes[..], b"behind"].concat()).unwrap();
        let inputs = [
            Input::File(Arc::new(file)),
            Input::Spooled { file: Arc::new(spool), start: 6, len: 6 },
            Input::Memory(Bytes::from_static(bytes)),
        ];
        for input in inputs {
            assert_eq!(input.len().unwrap(), 6);
            for at in 0..9 {
                for size in 0..9 {
                    let mut buffer = vec![b'?'; size];
                    let read = input.read_at(&mut buffer, at as u64).unwrap();
                    assert_eq!(&buffer[..read], &bytes[at.min(6)..(at + size).min(6).max(at.min(6))], "{input:?}");
                }
            }
        }
    }
}
