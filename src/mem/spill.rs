//! What does not fit into memory: blocks of bytes in a file without a name.
//!
//! A block is compressed by LZ4 and has a checksum, both kept in memory beside its place, so that a block that comes back
//! otherwise is an error and never a wrong answer. All blocks of a session lie in one file, so that there may be any number of
//! them; the room of those that are dropped is taken by later ones. The file is made with the first block and goes with the last
//! one. It is unlinked as it is made where the system can, else when it is closed: a run that is killed leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use twox_hash::XxHash64;

use crate::config::format_bytes;
use crate::error::{Error, ErrorKind, Result};

/// Where a session's runs spill to, and how much they may. Clones share it.
#[derive(Clone)]
pub(crate) struct Spill {
    shared: Arc<Shared>,
    /// All that was ever written through this handle and its clones.
    written: Arc<AtomicU64>,
}

struct Shared {
    directory: PathBuf,
    /// The most that may lie in the file at one time.
    limit: Option<u64>,
    room: Mutex<Room>,
}

/// The file, and which parts of it are free.
#[derive(Default)]
struct Room {
    file: Option<Arc<File>>,
    /// Where the last block ends.
    end: u64,
    /// What blocks take now.
    used: u64,
    /// What is free before the end: its length by its place. Neighbours are one.
    free: BTreeMap<u64, u64>,
    /// The same, as length and place.
    by_length: BTreeSet<(u64, u64)>,
}

/// Bytes that were spilled. Their room is given back when this is dropped.
pub(crate) struct Block {
    spill: Spill,
    file: Arc<File>,
    offset: u64,
    compressed: u32,
    raw: u32,
    checksum: u64,
}

/// The most bytes in a block.
pub(crate) const MAX_BLOCK: usize = 1 << 30;

impl Spill {
    pub(crate) fn new(directory: PathBuf, limit: Option<u64>) -> Spill {
        let shared = Shared { directory, limit, room: Mutex::default() };
        Spill { shared: Arc::new(shared), written: Arc::default() }
    }

    /// The same place, whose [`written`](Spill::written) begins anew.
    pub(crate) fn counted_anew(&self) -> Spill {
        Spill { shared: self.shared.clone(), written: Arc::default() }
    }

    /// The bytes ever written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Writes a block: at most [`MAX_BLOCK`] bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk is full, or as much is spilled as may be.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Block> {
        if bytes.len() > MAX_BLOCK {
            return Err(Error::new(ErrorKind::Memory, "one row is larger than 1 GiB, and too large to spill"));
        }
        let mut compressed = vec![0; get_maximum_output_size(bytes.len())];
        let length = compress_into(bytes, &mut compressed)
            .map_err(|error| Error::internal("a block can't be compressed").caused_by(error))?;
        let compressed = &compressed[..length];
        let (file, offset) = self.take(length as u64)?;
        let checksum = XxHash64::oneshot(0, compressed);
        // From here on its drop gives the room back, also when it can't be filled.
        let block =
            Block { spill: self.clone(), file, offset, compressed: length as u32, raw: bytes.len() as u32, checksum };
        write_all_at(&block.file, compressed, offset).map_err(|error| self.failed("write", error))?;
        self.written.fetch_add(length as u64, Ordering::Relaxed);
        Ok(block)
    }

    fn room<R>(&self, f: impl FnOnce(&mut Room) -> R) -> R {
        // A poisoned lock only says that a panic happened elsewhere: the room is whole after every call.
        f(&mut self.shared.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Room for so many bytes, and the file that it is in.
    fn take(&self, length: u64) -> Result<(Arc<File>, u64)> {
        let taken = self.room(|room| {
            let used = room.used;
            if let Some(limit) = self.shared.limit.filter(|limit| used + length > *limit) {
                return Err(Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} are spilled to '{}', and the limit is {}",
                        format_bytes(used),
                        self.shared.directory.display(),
                        format_bytes(limit)
                    ),
                )
                .help("raise the spill limit or the memory limit, or ask for less"));
            }
            let file = match &room.file {
                Some(file) => file.clone(),
                None => match tempfile::tempfile_in(&self.shared.directory) {
                    Ok(made) => room.file.insert(Arc::new(made)).clone(),
                    Err(error) => return Ok(Err(error)),
                },
            };
            Ok(Ok((file, room.take(length))))
        })?;
        taken.map_err(|error| self.failed("make", error))
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let (directory, used) = (self.shared.directory.display(), format_bytes(self.room(|room| room.used)));
        let help = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "make room there, or name another directory with Session::builder().spill_dir(..)"
            }
            _ => "name another directory with Session::builder().spill_dir(..)",
        };
        Error::new(ErrorKind::Io, format!("cannot {what} a spill file in '{directory}' ({used} are there)"))
            .help(help)
            .caused_by(error)
    }
}

impl Room {
    /// A place of so many bytes: the smallest that is free, else at the end.
    fn take(&mut self, length: u64) -> u64 {
        self.used += length;
        let Some((room, offset)) = self.by_length.range((length, 0)..).next().copied() else {
            self.end += length;
            return self.end - length;
        };
        self.remove(offset, room);
        if room > length {
            self.insert(offset + length, room - length);
        }
        offset
    }

    fn give_back(&mut self, offset: u64, length: u64) {
        self.used -= length;
        let (mut start, mut end) = (offset, offset + length);
        if let Some((before, room)) = self.free.range(..start).next_back().map(|(at, room)| (*at, *room))
            && before + room == start
        {
            self.remove(before, room);
            start = before;
        }
        if let Some(room) = self.free.get(&end).copied() {
            self.remove(end, room);
            end += room;
        }
        if end < self.end {
            return self.insert(start, end - start);
        }
        self.end = start;
        if start == 0 {
            self.file = None;
        } else if let Some(file) = &self.file {
            // A file that stays too long is only not as short as it might be.
            _ = file.set_len(start);
        }
    }

    fn insert(&mut self, offset: u64, length: u64) {
        self.free.insert(offset, length);
        self.by_length.insert((length, offset));
    }

    fn remove(&mut self, offset: u64, length: u64) {
        self.free.remove(&offset);
        self.by_length.remove(&(length, offset));
    }
}

impl Block {
    /// Reads it into `bytes`, whose old content goes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it can't be read, or is not what was written.
    pub(crate) fn read(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let mut compressed = vec![0; self.compressed as usize];
        read_exact_at(&self.file, &mut compressed, self.offset).map_err(|error| self.spill.failed("read", error))?;
        let damaged = || {
            let directory = self.spill.shared.directory.display();
            Error::new(ErrorKind::Io, format!("what was spilled to '{directory}' came back damaged"))
                .help("the disk or the memory of this machine fails; name another directory with Session::builder().spill_dir(..)")
        };
        if XxHash64::oneshot(0, &compressed) != self.checksum {
            return Err(damaged());
        }
        bytes.clear();
        bytes.resize(self.raw as usize, 0);
        match decompress_into(&compressed, bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            _ => Err(damaged()),
        }
    }

    /// The bytes that come back.
    #[cfg(test)]
    pub(crate) fn raw(&self) -> usize {
        self.raw as usize
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.spill.room(|room| room.give_back(self.offset, u64::from(self.compressed)));
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
        fn blocks_come_back_wherever_room_was(
            steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<Option<prop::sample::Index>>()), 1..40),
        ) {
            let spill = spill(None);
            let mut blocks: Vec<(Vec<u8>, Block)> = vec![];
            let mut bytes = vec![7; 9];
            for (more, goes) in steps {
                let block = spill.write(&more).unwrap();
                prop_assert_eq!(block.raw(), more.len());
                blocks.push((more, block));
                if let Some(goes) = goes {
                    blocks.remove(goes.index(blocks.len()));
                }
                for (written, block) in &blocks {
                    block.read(&mut bytes).unwrap();
                    prop_assert_eq!(&bytes, written);
                }
                // What is not used is free, and free neighbours are one.
                let used: u64 = blocks.iter().map(|(_, block)| u64::from(block.compressed)).sum();
                spill.room(|room| {
                    assert_eq!((room.used, room.used + room.free.values().sum::<u64>()), (used, room.end));
                    assert_eq!(room.free.len(), room.by_length.len());
                    assert!(room.free.iter().all(|(at, length)| !room.free.contains_key(&(at + length))));
                    let length = room.file.as_ref().map_or(0, |file| file.metadata().unwrap().len());
                    assert_eq!(length, room.end);
                });
            }
            drop(blocks);
            prop_assert!(spill.room(|room| room.file.is_none() && room.free.is_empty()));
        }
    }

    #[test]
    fn a_changed_block_is_an_error() {
        let block = spill(None).write(&[5; 1000]).unwrap();
        for offset in 0..u64::from(block.compressed) {
            let mut byte = [0];
            read_exact_at(&block.file, &mut byte, offset).unwrap();
            write_all_at(&block.file, &[byte[0] ^ 1], offset).unwrap();
            let error = block.read(&mut Vec::new()).unwrap_err();
            assert!(error.message().contains("damaged"), "{error}");
            write_all_at(&block.file, &byte, offset).unwrap();
        }
        block.read(&mut Vec::new()).unwrap();
        block.file.set_len(3).unwrap();
        assert_eq!(block.read(&mut Vec::new()).unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn a_quota_is_shared_and_given_back() {
        let spill = spill(Some(3000));
        // Bytes that can't be compressed.
        let mut x = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .take(2000)
        .collect();
        let other = spill.counted_anew();
        let block = spill.write(&noise).unwrap();
        let error = other.write(&noise).err().unwrap();
        assert!(error.message().contains("the limit is"), "{error}");
        drop(block);
        other.write(&noise).unwrap();
        assert!(spill.written() > 1900 && spill.written() == other.written());
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let error = Spill::new("/no/such/directory".into(), None).write(&[1]).err().unwrap();
        assert!(error.to_string().contains("'/no/such/directory'"), "{error}");
        assert!(error.to_string().contains("spill_dir"), "{error}");
    }
}
