//! What does not fit into memory: blocks of bytes in files without a name.
//!
//! A block is compressed by LZ4 and has a checksum, both kept in memory beside its place, so that a block that comes back
//! otherwise is an error and never a wrong answer. Files are unlinked as they are made where the system can, else when they
//! are closed: a run that is killed leaves nothing behind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use twox_hash::XxHash64;

use crate::config::format_bytes;
use crate::error::{Error, ErrorKind, Result};

/// Where a session's runs spill to, and how much they may. Clones share it.
#[derive(Clone)]
pub(crate) struct Spill(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    /// The most that may lie in files at one time.
    limit: Option<u64>,
    /// What lies in files now.
    used: AtomicU64,
    /// All that was ever written.
    written: AtomicU64,
}

/// A file of blocks; its bytes are given back when it is dropped. The file itself is made with the first block.
pub(crate) struct SpillFile {
    spill: Spill,
    file: Option<File>,
    end: u64,
    /// Kept for its room.
    compressed: Vec<u8>,
}

/// Where a block is, and what it must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    offset: u64,
    compressed: u32,
    raw: u32,
    checksum: u64,
}

/// The most bytes in a block.
pub(crate) const MAX_BLOCK: usize = 1 << 30;

impl Spill {
    pub(crate) fn new(directory: PathBuf, limit: Option<u64>) -> Spill {
        Spill(Arc::new(Shared { directory, limit, used: AtomicU64::new(0), written: AtomicU64::new(0) }))
    }

    /// A file for blocks.
    pub(crate) fn file(&self) -> SpillFile {
        SpillFile { spill: self.clone(), file: None, end: 0, compressed: Vec::new() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The bytes ever written.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Takes room for `bytes` more.
    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.0.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match self.0.limit {
            Some(limit) if used > limit => {
                self.0.used.fetch_sub(bytes, Ordering::Relaxed);
                Err(Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} are spilled to '{}', and the limit is {}",
                        format_bytes(used - bytes),
                        self.0.directory.display(),
                        format_bytes(limit)
                    ),
                )
                .help("raise the spill limit or the memory limit, or ask for less"))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let (directory, used) = (self.0.directory.display(), format_bytes(self.0.used.load(Ordering::Relaxed)));
        let help = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "make room there, or name another directory with Session::builder().spill_dir(..)"
            }
            _ => "name another directory with Session::builder().spill_dir(..)",
        };
        Error::new(ErrorKind::Io, format!("cannot {what} a spill file in '{directory}' ({used} are there): {error}"))
            .help(help)
            .caused_by(error)
    }
}

impl SpillFile {
    /// Writes a block behind the others: at most [`MAX_BLOCK`] bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk is full, or as much is spilled as may be.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Block> {
        if bytes.len() > MAX_BLOCK {
            return Err(Error::internal("a block to spill is too large"));
        }
        self.compressed.resize(get_maximum_output_size(bytes.len()), 0);
        let length = compress_into(bytes, &mut self.compressed)
            .map_err(|error| Error::internal("a block can't be compressed").caused_by(error))?;
        let spill = &self.spill;
        spill.take(length as u64)?;
        let offset = self.end;
        // Room once taken is given back with the file, whether it was filled or not.
        self.end += length as u64;
        let file = match &self.file {
            Some(file) => file,
            None => {
                let made = tempfile::tempfile_in(&spill.0.directory).map_err(|error| spill.failed("make", error))?;
                self.file.insert(made)
            }
        };
        write_all_at(file, &self.compressed[..length], offset).map_err(|error| spill.failed("write", error))?;
        spill.0.written.fetch_add(length as u64, Ordering::Relaxed);
        let checksum = XxHash64::oneshot(0, &self.compressed[..length]);
        Ok(Block { offset, compressed: length as u32, raw: bytes.len() as u32, checksum })
    }

    /// Reads a block of this file into `bytes`, whose old content goes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it can't be read, or is not what was written.
    pub(crate) fn read(&self, block: &Block, bytes: &mut Vec<u8>) -> Result<()> {
        let file = self.file.as_ref().ok_or_else(|| Error::internal("a block of another spill file"))?;
        let mut compressed = vec![0; block.compressed as usize];
        read_exact_at(file, &mut compressed, block.offset).map_err(|error| self.spill.failed("read", error))?;
        let damaged = || {
            let directory = self.spill.0.directory.display();
            Error::new(ErrorKind::Io, format!("what was spilled to '{directory}' came back damaged"))
                .help("the disk or the memory of this machine fails; name another directory with Session::builder().spill_dir(..)")
        };
        if XxHash64::oneshot(0, &compressed) != block.checksum {
            return Err(damaged());
        }
        bytes.clear();
        bytes.resize(block.raw as usize, 0);
        match decompress_into(&compressed, bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            _ => Err(damaged()),
        }
    }

    /// The bytes in the file.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }
}

impl Block {
    /// The bytes that come back.
    pub(crate) fn raw(&self) -> usize {
        self.raw as usize
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.spill.0.used.fetch_sub(self.end, Ordering::Relaxed);
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spill(limit: Option<u64>) -> Spill {
        Spill::new(std::env::temp_dir(), limit)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn blocks_come_back_in_any_order(
            blocks in prop::collection::vec(prop::collection::vec(0u8..4, 0..3000), 0..12),
            first in any::<usize>(),
        ) {
            let mut file = spill(None).file();
            let places: Vec<Block> = blocks.iter().map(|bytes| file.write(bytes).unwrap()).collect();
            let mut bytes = vec![7; 9];
            for i in (0..blocks.len()).map(|i| (i + first % 7) % blocks.len()) {
                file.read(&places[i], &mut bytes).unwrap();
                prop_assert_eq!(&bytes, &blocks[i]);
                prop_assert_eq!(places[i].raw(), blocks[i].len());
            }
        }
    }

    #[test]
    fn a_changed_block_is_an_error() {
        let mut file = spill(None).file();
        let block = file.write(&[5; 1000]).unwrap();
        for offset in 0..u64::from(block.compressed) {
            let handle = file.file.as_ref().unwrap();
            let mut byte = [0];
            read_exact_at(handle, &mut byte, offset).unwrap();
            write_all_at(handle, &[byte[0] ^ 1], offset).unwrap();
            let error = file.read(&block, &mut Vec::new()).unwrap_err();
            assert!(error.message().contains("damaged"), "{error}");
            write_all_at(handle, &byte, offset).unwrap();
        }
        file.read(&block, &mut Vec::new()).unwrap();
        file.file.as_ref().unwrap().set_len(3).unwrap();
        assert_eq!(file.read(&block, &mut Vec::new()).unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn a_quota_is_shared_and_given_back() {
        let spill = spill(Some(3000));
        let noise: Vec<u8> = (0..2000u64).map(|i| (i.wrapping_mul(i ^ 0x9E37_79B9_7F4A_7C15) >> 37) as u8).collect();
        let (mut a, mut b) = (spill.file(), spill.file());
        a.write(&noise).unwrap();
        let error = b.write(&noise).unwrap_err();
        assert!(error.message().contains("the limit is"), "{error}");
        drop(a);
        b.write(&noise).unwrap();
        assert_eq!(b.len(), spill.0.used.load(Ordering::Relaxed));
        drop(b);
        assert_eq!(spill.0.used.load(Ordering::Relaxed), 0);
        assert!(spill.written() > 4000);
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let error = Spill::new("/no/such/directory".into(), None).file().write(&[1]).unwrap_err();
        assert!(error.to_string().contains("'/no/such/directory'"), "{error}");
        assert!(error.to_string().contains("spill_dir"), "{error}");
    }
}
